//! Aggregations over series, and functions that change their labels.

use super::{Case, Group};

pub(crate) const GROUPS: &[Group] = &[
    ("aggregations over series", LEVELS, AGGREGATIONS),
    ("series chosen by their values", LEVELS, CHOSEN),
    ("series in the order of their values", LEVELS, SORTED),
    ("values that are no numbers", LEVELS, ODD),
    ("labels replaced", LEVELS, REPLACED),
    ("what is refused", LEVELS, REFUSED),
];

const LEVELS: &str = r#"
{app="a",level="info"} 1 x
{app="a",level="info"} 2 x
{app="a",level="info"} 3 x
{app="a",level="info"} 4 x
{app="a",level="warn"} 5 x
{app="b",level="info"} 1 x
{app="b",level="info"} 2 x
{app="b",level="warn"} 3 x
{app="b",level="warn"} 14 x
{app="b",level="warn"} 15 x
{app="b",level="warn"} 16 x
"#;

/// At 10: 4, 1, 2, 1.
const AGGREGATIONS: &[Case] = &[
    (
        r#"count_over_time({app=~".+"}[10s])"#,
        "at 10",
        "{app=a,level=info} 4\n{app=a,level=warn} 1\n{app=b,level=info} 2\n{app=b,level=warn} 1",
    ),
    (r#"sum(count_over_time({app=~".+"}[10s]))"#, "at 10", "{} 8"),
    (r#"avg(count_over_time({app=~".+"}[10s]))"#, "at 10", "{} 2"),
    (r#"min(count_over_time({app=~".+"}[10s]))"#, "at 10", "{} 1"),
    (r#"max(count_over_time({app=~".+"}[10s]))"#, "at 10", "{} 4"),
    (r#"count(count_over_time({app=~".+"}[10s]))"#, "at 10", "{} 4"),
    (r#"stdvar(count_over_time({app=~".+"}[10s]))"#, "at 10", "{} 1.5"),
    (r#"stddev(count_over_time({app=~".+"}[10s]))"#, "at 10", "{} 1.224744871391589"),
    (r#"stddev(count_over_time({app="a",level="info"}[10s]))"#, "at 10", "{} 0"),
    (r#"stdvar by (app) (count_over_time({app=~".+"}[10s]))"#, "at 10", "{app=a} 2.25\n{app=b} 0.25"),
    (r#"stddev without (level) (count_over_time({app=~".+"}[10s]))"#, "at 10", "{app=a} 1.5\n{app=b} 0.5"),
    (r#"avg by (level) (count_over_time({app=~".+"}[10s]))"#, "at 10", "{level=info} 3\n{level=warn} 1"),
    (r#"avg(count_over_time({app=~".+"}[10s])) by (level)"#, "at 10", "{level=info} 3\n{level=warn} 1"),
    (r#"min without (app) (count_over_time({app=~".+"}[10s]))"#, "at 10", "{level=info} 2\n{level=warn} 1"),
    (r#"max by (app, level) (count_over_time({app="a"}[10s]))"#, "at 10", "{app=a,level=info} 4\n{app=a,level=warn} 1"),
    (r#"count by () (count_over_time({app=~".+"}[10s]))"#, "at 10", "{} 4"),
    (r#"count without () (count_over_time({app="a"}[10s]))"#, "at 10", "{app=a,level=info} 1\n{app=a,level=warn} 1"),
    (r#"count by (nothing) (count_over_time({app=~".+"}[10s]))"#, "at 10", "{} 4"),
    (r#"sum(count_over_time({app="none"}[10s]))"#, "at 10", ""),
    (r#"count(count_over_time({app="none"}[10s]))"#, "at 10", ""),
    (r#"stddev(count_over_time({app="none"}[10s]))"#, "at 10", ""),
    (r#"stdvar(count_over_time({app=~".+"}[5s]))"#, "0..20 step 5s", "{} 5:1.5 15:0 20:0"),
    (
        r#"count by (level) (count_over_time({app=~".+"}[5s]))"#,
        "0..20 step 5s",
        "{level=info} 5:2\n{level=warn} 5:2 15:1 20:1",
    ),
    (
        r#"max(sum by (app) (count_over_time({app=~".+"}[10s]))) - min(sum by (app) (count_over_time({app=~".+"}[10s])))"#,
        "at 10",
        "{} 2",
    ),
];

const CHOSEN: &[Case] = &[
    (r#"topk(1, count_over_time({app=~".+"}[10s]))"#, "at 10", "{app=a,level=info} 4"),
    (r#"topk(2, count_over_time({app=~".+"}[10s]))"#, "at 10", "{app=a,level=info} 4\n{app=b,level=info} 2"),
    (r#"topk(9, count_over_time({app="a"}[10s]))"#, "at 10", "{app=a,level=info} 4\n{app=a,level=warn} 1"),
    // Of equal values those with the lesser labels come first.
    (
        r#"topk(3, count_over_time({app=~".+"}[10s]))"#,
        "at 10",
        "{app=a,level=info} 4\n{app=a,level=warn} 1\n{app=b,level=info} 2",
    ),
    (r#"bottomk(1, count_over_time({app=~".+"}[10s]))"#, "at 10", "{app=a,level=warn} 1"),
    (r#"bottomk(2, count_over_time({app=~".+"}[10s]))"#, "at 10", "{app=a,level=warn} 1\n{app=b,level=warn} 1"),
    (
        r#"bottomk(3, count_over_time({app=~".+"}[10s]))"#,
        "at 10",
        "{app=a,level=warn} 1\n{app=b,level=info} 2\n{app=b,level=warn} 1",
    ),
    (r#"topk(1, count_over_time({app=~".+"}[10s])) by (app)"#, "at 10", "{app=a,level=info} 4\n{app=b,level=info} 2"),
    (
        r#"topk by (level) (1, count_over_time({app=~".+"}[10s]))"#,
        "at 10",
        "{app=a,level=info} 4\n{app=a,level=warn} 1",
    ),
    (
        r#"topk without (level) (1, count_over_time({app=~".+"}[10s]))"#,
        "at 10",
        "{app=a,level=info} 4\n{app=b,level=info} 2",
    ),
    (
        r#"bottomk(1, count_over_time({app=~".+"}[10s])) without (app)"#,
        "at 10",
        "{app=a,level=warn} 1\n{app=b,level=info} 2",
    ),
    (r#"topk(1, sum(count_over_time({app=~".+"}[10s])) by (app))"#, "at 10", "{app=a} 5"),
    (r#"topk(1, sum by (app) (rate({app=~".+"}[10s])))"#, "at 10", "{app=a} 0.5"),
    (
        r#"approx_topk(2, sum by (app, level) (count_over_time({app=~".+"}[10s])))"#,
        "at 10",
        "{app=a,level=info} 4\n{app=b,level=info} 2",
    ),
    (r#"sum(topk(2, count_over_time({app=~".+"}[10s])))"#, "at 10", "{} 6"),
    (r#"topk(2, count_over_time({app=~".+"}[10s])) > 3"#, "at 10", "{app=a,level=info} 4"),
    // Step by step others may come first.
    (r#"topk(1, sum by (app) (count_over_time({app=~".+"}[5s])))"#, "0..20 step 5s", "{app=a} 5:5\n{app=b} 15:2 20:1"),
    (r#"bottomk(1, sum by (app) (count_over_time({app=~".+"}[5s])))"#, "0..20 step 5s", "{app=b} 5:3 15:2 20:1"),
];

const SORTED: &[Case] = &[
    (
        r#"sort(count_over_time({app=~".+"}[10s]))"#,
        "at 10",
        "{app=a,level=warn} 1\n{app=b,level=warn} 1\n{app=b,level=info} 2\n{app=a,level=info} 4",
    ),
    (
        r#"sort_desc(count_over_time({app=~".+"}[10s]))"#,
        "at 10",
        "{app=a,level=info} 4\n{app=b,level=info} 2\n{app=a,level=warn} 1\n{app=b,level=warn} 1",
    ),
    (r#"sort(sum by (app) (count_over_time({app=~".+"}[10s])))"#, "at 10", "{app=b} 3\n{app=a} 5"),
    (r#"sort(sum by (app) (count_over_time({app=~".+"}[10s])) * -1)"#, "at 10", "{app=a} -5\n{app=b} -3"),
    (r#"sort_desc(topk(2, count_over_time({app=~".+"}[10s])))"#, "at 10", "{app=a,level=info} 4\n{app=b,level=info} 2"),
    (r#"sort_desc(count_over_time({app="none"}[10s]))"#, "at 10", ""),
    // Over a range there is no such order.
    (r#"sort(sum by (app) (count_over_time({app=~".+"}[10s])))"#, "10..10 step 5s", "{app=a} 10:5\n{app=b} 10:3"),
];

const ODD: &[Case] = &[
    (r#"max(count_over_time({app=~".+"}[10s]) / (vector(1) - vector(1)))"#, "at 10", ""),
    (r#"max(sum by (app) (count_over_time({app=~".+"}[10s])) / 0)"#, "at 10", "{} NaN"),
    (r#"sum(count_over_time({app="a"}[10s]) / 0 or count_over_time({app="b"}[10s]))"#, "at 10", "{} NaN"),
    (r#"max(count_over_time({app="a"}[10s]) / 0 or count_over_time({app="b"}[10s]))"#, "at 10", "{} 2"),
    (r#"min(count_over_time({app="a"}[10s]) / 0 or count_over_time({app="b"}[10s]))"#, "at 10", "{} 1"),
    (
        r#"topk(1, count_over_time({app="a"}[10s]) / 0 or count_over_time({app="b"}[10s]))"#,
        "at 10",
        "{app=b,level=info} 2",
    ),
    (
        r#"bottomk(1, count_over_time({app="a"}[10s]) / 0 or count_over_time({app="b"}[10s]))"#,
        "at 10",
        "{app=b,level=warn} 1",
    ),
    (
        r#"sort_desc(sum by (app) (count_over_time({app="a"}[10s])) / 0 or sum by (app) (count_over_time({app="b"}[10s])))"#,
        "at 10",
        "{app=b} 3\n{app=a} NaN",
    ),
    (r#"sum(count_over_time({app="a",level="info"}[10s]) ^ 1000)"#, "at 10", "{} +Inf"),
    (
        r#"sum(count_over_time({app="a",level="info"}[10s])) ^ 300"#,
        "at 10",
        "{} 4149515568880993000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000",
    ),
    (r#"sum(count_over_time({app="a",level="info"}[10s])) ^ -10"#, "at 10", "{} 0.00000095367431640625"),
];

const REPLACED: &[Case] = &[
    (
        r#"label_replace(sum by (app) (count_over_time({app=~".+"}[10s])), "foo", "$1", "app", "(.*)")"#,
        "at 10",
        "{app=a,foo=a} 5\n{app=b,foo=b} 3",
    ),
    (
        r#"label_replace(sum by (app) (count_over_time({app=~".+"}[10s])), "foo", "x-$1-y", "app", "(a)")"#,
        "at 10",
        "{app=a,foo=x-a-y} 5\n{app=b} 3",
    ),
    (
        r#"label_replace(sum by (app) (count_over_time({app=~".+"}[10s])), "foo", "$${}$é$1", "app", "(a)")"#,
        "at 10",
        "{app=a,foo=${}a} 5\n{app=b} 3",
    ),
    (
        r#"label_replace(sum by (app) (count_over_time({app=~".+"}[10s])), "app", "new", "app", "a")"#,
        "at 10",
        "{app=b} 3\n{app=new} 5",
    ),
    (
        r#"label_replace(sum by (app) (count_over_time({app=~".+"}[10s])), "app", "", "app", "a")"#,
        "at 10",
        "{} 5\n{app=b} 3",
    ),
    (
        r#"label_replace(sum by (app) (count_over_time({app=~".+"}[10s])), "foo", "none", "zone", "")"#,
        "at 10",
        "{app=a,foo=none} 5\n{app=b,foo=none} 3",
    ),
    (
        r#"label_replace(count_over_time({level="warn"}[10s]), "both", "${2}${1}", "level", "(wa)(.*)")"#,
        "at 10",
        "{app=a,both=rnwa,level=warn} 1\n{app=b,both=rnwa,level=warn} 1",
    ),
    (
        r#"label_replace(count_over_time({app="a",level="warn"}[10s]), "l", "$first", "level", "(?P<first>.).*")"#,
        "at 10",
        "{app=a,l=w,level=warn} 1",
    ),
    (
        r#"label_replace(count_over_time({app="a",level="warn"}[10s]), "l", "$$1", "level", "(.*)")"#,
        "at 10",
        "{app=a,l=$1,level=warn} 1",
    ),
    // The whole value must match.
    (
        r#"label_replace(count_over_time({app="a",level="warn"}[10s]), "l", "x", "level", "war")"#,
        "at 10",
        "{app=a,level=warn} 1",
    ),
    (
        r#"sum by (l) (label_replace(count_over_time({app=~".+"}[10s]), "l", "$1", "level", "(.).*"))"#,
        "at 10",
        "{l=i} 6\n{l=w} 2",
    ),
    (r#"label_replace(vector(1), "a", "b", "", "")"#, "at 10", "{a=b} 1"),
    (
        r#"label_replace(count_over_time({app="a"}[10s]), "level", "x", "app", "a")"#,
        "at 10",
        r#"error: label_replace makes several series with the labels {app="a", level="x"}"#,
    ),
    // At different steps they may become one.
    (
        r#"label_replace(count_over_time({level="warn"}[2s]), "app", "x", "app", ".*")"#,
        "6..16 step 10s",
        "{app=x,level=warn} 6:1 16:2",
    ),
    (
        r#"label_replace(count_over_time({app="a"}[10s]), "1", "x", "app", "a")"#,
        "at 10",
        r#"error: parse error at line 1, col 1: invalid label name in label_replace: "1""#,
    ),
];

const REFUSED: &[Case] = &[
    (
        r#"topk(count_over_time({app="a"}[10s]))"#,
        "at 10",
        "error: parse error at line 1, col 6: syntax error: unexpected count_over_time, expecting NUMBER: the parameter that topk requires",
    ),
    (
        r#"topk(0, count_over_time({app="a"}[10s]))"#,
        "at 10",
        "error: parse error at line 1, col 6: invalid parameter (must be a whole number greater than 0) topk(0, …)",
    ),
    (
        r#"bottomk(-1, count_over_time({app="a"}[10s]))"#,
        "at 10",
        "error: parse error at line 1, col 9: invalid parameter (must be a whole number greater than 0) bottomk(-1, …)",
    ),
    (
        r#"topk(1.5, count_over_time({app="a"}[10s]))"#,
        "at 10",
        "error: parse error at line 1, col 6: invalid parameter (must be a whole number greater than 0) topk(1.5, …)",
    ),
    (
        r#"sum(2, count_over_time({app="a"}[10s]))"#,
        "at 10",
        "error: parse error at line 1, col 5: sum needs a vector, not a number",
    ),
    (
        r#"approx_topk(2, count_over_time({app="a"}[10s])) by (app)"#,
        "at 10",
        "error: parse error : grouping not allowed for approx_topk aggregation",
    ),
    (
        r#"approx_topk(2, count_over_time({app="a"}[10s]))"#,
        "0..10 step 5s",
        "error: approx_topk is only supported for instant queries",
    ),
    (
        r#"sort by (app) (count_over_time({app="a"}[10s]))"#,
        "at 10",
        "error: parse error : grouping not allowed for sort aggregation",
    ),
    (
        r#"variants(count_over_time({app="a"}[1m])) of ({app="a"}[1m])"#,
        "at 10",
        "error: parse error at line 1, col 1: multi variant queries are no longer supported",
    ),
    (
        r#"sum_over_time({app="a"} | json [5m])"#,
        "at 10",
        "error: parse error : invalid aggregation sum_over_time without unwrap",
    ),
    (
        r#"count_over_time({app="a"} | json | unwrap d [5m])"#,
        "at 10",
        "error: parse error : invalid aggregation count_over_time with unwrap",
    ),
    (
        r#"bytes_rate({app="a"} | json | unwrap d [5m])"#,
        "at 10",
        "error: parse error : invalid aggregation bytes_rate with unwrap",
    ),
    (
        r#"quantile_over_time({app="a"} | json | unwrap d [5m])"#,
        "at 10",
        "error: parse error at line 1, col 20: syntax error: unexpected {, expecting NUMBER: the parameter that quantile_over_time requires",
    ),
    (
        r#"avg_over_time(0.5, {app="a"} | json | unwrap d [5m])"#,
        "at 10",
        "error: parse error at line 1, col 15: syntax error: unexpected NUMBER, expecting {",
    ),
    (
        r#"sum_over_time({app="a"} | unwrap nosuch(d) [5m])"#,
        "at 10",
        "error: parse error at line 1, col 34: syntax error: unexpected nosuch, expecting duration, duration_seconds or bytes",
    ),
    (
        r#"sum_over_time({app="a"} | unwrap d [5m] | json)"#,
        "at 10",
        "error: parse error at line 1, col 41: syntax error: unexpected |, expecting )",
    ),
    (
        r#"count_over_time({app="a"}[5m]) offset 5m"#,
        "at 10",
        "error: parse error at line 1, col 32: syntax error: unexpected offset",
    ),
    (
        r#"rate({app="a"}[5minutes])"#,
        "at 10",
        "error: parse error at line 1, col 16: syntax error: \"5minutes\" is not a number, a duration or a size that can be used",
    ),
];
