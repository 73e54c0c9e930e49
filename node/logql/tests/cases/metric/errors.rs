//! Lines with an error in metric queries: they fail the query, unless a filter of the error says what to do with them.

use super::{Case, Group};

pub(crate) const GROUPS: &[Group] = &[("lines with an error", BROKEN, CASES)];

const BROKEN: &str = r#"
{app="a"} 1 [pod="p1"] {"v":1}
{app="a"} 2 [pod="p2"] broken
{app="a"} 3 [pod="p1"] {"v":"x"}
{app="a"} 4 [pod="p2"] {"v":2}
{app="late"} 20 broken
{app="late"} 31 {"v":3}
"#;

const CASES: &[Case] = &[
    (r#"count_over_time({app="a"} [10s])"#, "at 10", "{app=a,pod=p1} 2\n{app=a,pod=p2} 2"),
    // Dropped.
    (r#"sum(count_over_time({app="a"} | json | __error__="" [10s]))"#, "at 10", "{} 3"),
    (r#"sum(count_over_time({app="a"} | json | __error__!="JSONParserErr" [10s]))"#, "at 10", "{} 3"),
    (r#"sum by (app) (count_over_time({app="a"} | json | __error__="" and pod="p2" [10s]))"#, "at 10", "{app=a} 1"),
    // Kept alone, and with the others.
    (r#"sum(count_over_time({app="a"} | json | __error__!="" [10s]))"#, "at 10", "{} 1"),
    (r#"sum(count_over_time({app="a"} | json | __error__="JSONParserErr" [10s]))"#, "at 10", "{} 1"),
    (r#"sum(count_over_time({app="a"} | json | __error__=~".*" [10s]))"#, "at 10", "{} 4"),
    (r#"sum(count_over_time({app="a"} | json | __error__!="" or pod="p1" [10s]))"#, "at 10", "{} 3"),
    (r#"sum(count_over_time({app="a"} | json | pod="p2" and __error__!="" [10s]))"#, "at 10", "{} 1"),
    (r#"sum(count_over_time({app="a"} | json | pod="p2" or __error__!="" [10s]))"#, "at 10", "{} 2"),
    // A part that does not ask for the error lets the line in, but not its error.
    (r#"sum(count_over_time({app="a"} | json | __error__="" or pod="p2" [10s]))"#, "at 10", FAILED),
    (r#"sum(count_over_time({app="a"} | json | (__error__!="" and pod="p1") or pod="p2" [10s]))"#, "at 10", FAILED),
    // What is grouped by a range function keeps the labels of the error, what is grouped by an aggregation does not.
    (
        r#"max_over_time({app="a"} | json | unwrap v | __error__="SampleExtractionErr" [10s]) by (app)"#,
        "at 10",
        r#"{__error__=SampleExtractionErr,__error_details__=strconv.ParseFloat: parsing "x": invalid syntax,app=a} 0"#,
    ),
    (
        r#"count_over_time({app="a"} | json | __error__!="" [10s]) by (app)"#,
        "at 10",
        "{__error__=JSONParserErr,__error_details__=Value looks like object, but can't find closing '}' symbol,app=a} 1",
    ),
    (
        r#"count_over_time({app="a"} | json | __error__=~".*" [10s]) by ()"#,
        "at 10",
        "{} 3\n{__error__=JSONParserErr,__error_details__=Value looks like object, but can't find closing '}' symbol} 1",
    ),
    (
        r#"count_over_time({app="a"} | json | __error__!="" [10s])"#,
        "at 10",
        "{__error__=JSONParserErr,__error_details__=Value looks like object, but can't find closing '}' symbol,app=a,pod=p2} 1",
    ),
    (r#"sum by (app) (count_over_time({app="a"} | json | __error__!="" [10s]))"#, "at 10", "{app=a} 1"),
    (r#"count by (app) (count_over_time({app="a"} | json | __error__!="" [10s]))"#, "at 10", "{app=a} 1"),
    (
        r#"sum by (__error__) (count_over_time({app="a"} | json | __error__=~".*" [10s]))"#,
        "at 10",
        "{} 3\n{__error__=JSONParserErr} 1",
    ),
    (
        r#"max_over_time({app="a"} | json | unwrap v | __error__=~".*" [10s]) by ()"#,
        "at 10",
        r#"{} 2
{__error__=SampleExtractionErr,__error_details__=strconv.ParseFloat: parsing "x": invalid syntax} 0"#,
    ),
    // Samples: the line without the label has none, and the value that does not convert is an error of its own.
    (r#"sum(sum_over_time({app="a"} | json | unwrap v | __error__="" [10s]))"#, "at 10", "{} 3"),
    (
        r#"sum(sum_over_time({app="a"} | json | __error__="" | unwrap v | __error__!="SampleExtractionErr" [10s]))"#,
        "at 10",
        "{} 3",
    ),
    (
        r#"sum(sum_over_time({app="a"} | json | __error__="" | unwrap v [10s]))"#,
        "at 10",
        r#"error: pipeline error: 'SampleExtractionErr' for series: '{__error__="SampleExtractionErr", __error_details__="strconv.ParseFloat: parsing \"x\": invalid syntax", app="a", v="x"}' (strconv.ParseFloat: parsing "x": invalid syntax).
Use a label filter to skip such lines (e.g | __error__!="SampleExtractionErr"), or all lines with an error (e.g | __error__=""); behind an unwrap it skips those whose value does not convert."#,
    ),
    (
        r#"max_over_time({app="a"} | json | unwrap v | __error__!="" [10s]) by (app)"#,
        "at 10",
        r#"{__error__=SampleExtractionErr,__error_details__=strconv.ParseFloat: parsing "x": invalid syntax,app=a} 0"#,
    ),
    (r#"sum by (app) (sum_over_time({app="a"} | json | unwrap v | __error__=~".*" [10s]))"#, "at 10", "{app=a} 3"),
    (r#"count(max_over_time({app="a"} | json | unwrap v | __error__!="" [10s]))"#, "at 10", "{} 1"),
    (r#"quantile_over_time(0.5, {app="a"} | json | unwrap v | __error__="" [10s]) by (app)"#, "at 10", "{app=a} 1.5"),
    (r#"sum(sum_over_time({app="a"} | json | pod="p2" | unwrap v [10s]))"#, "at 10", "{} 2"),
    // Comparisons with numbers meet the error of a value that is none.
    (r#"sum(count_over_time({app="a"} | json | __error__="" | v > 0 | __error__="" [10s]))"#, "at 10", "{} 2"),
    // What no range covers fails nothing.
    (r#"sum(count_over_time({app="late"} | json [1s]))"#, "11..31 step 10s", "{} 31:1"),
    (r#"sum(count_over_time({app="late"} | json [10s]))"#, "at 35", "{} 1"),
];

const FAILED: &str = r#"error: pipeline error: 'JSONParserErr' for series: '{__error__="JSONParserErr", __error_details__="Value looks like object, but can't find closing '}' symbol", app="a", pod="p2"}' (Value looks like object, but can't find closing '}' symbol).
Use a label filter to skip such lines (e.g | __error__!="JSONParserErr"), or all lines with an error (e.g | __error__=""); behind an unwrap it skips those whose value does not convert."#;
