//! Stages that build on each other, by the documentation's pages "Template functions", "Log queries" and "LogQL reference".

use super::{Suite, suite};

/// A query, what is asked besides, and the answer.
type Case = (&'static str, &'static str, &'static str);

pub(super) fn suites() -> Vec<Suite> {
    vec![examples()]
}

fn examples() -> Suite {
    suite("stages together", EXAMPLES_LINES, EXAMPLES_CASES)
}

const EXAMPLES_LINES: &str = r#"
        {job="q",app="f"} 1 path="a b c" err="ErrTimeout: x" createDate=1970-01-01 ClientHost=10.0.0.1 request_uri=/a/509965767/alternative-to-my-mtg.html request_method=GET size="5 MiB" took=24s30ms
        {job="q",app="f"} 2 size=3k took=5m
        {job="q",app="g"} 3 size=1G took=1h
        {job="q",app="g"} 4 size=bad took=bad XYZ XYZ
        "#;

const EXAMPLES_CASES: &[Case] = &[
    (
        r#"{job="q"} |= "ErrTimeout" | logfmt | line_format `{{ .path | replace " " "_" | trunc 5 | upper }}` | keep app"#,
        "",
        "{app=f} 1 A_B_C",
    ),
    (
        r#"{job="q"} |= "ErrTimeout" | logfmt | line_format `{{ if contains "ErrTimeout" .err }} timeout {{else if contains "he" "hello"}} yes {{else}} no {{end}}` | keep app"#,
        "",
        "{app=f} 1  timeout",
    ),
    (
        r#"{job="q"} |= "1G" | logfmt | line_format `{{ if contains "ErrTimeout" .err }} timeout {{else if contains "he" "hello"}} yes {{else}} no {{end}}` | keep app"#,
        "",
        "{app=g} 3  yes",
    ),
    (
        r#"{job="q"} |= "1G" | line_format `{{ if or (contains "he" "hello") (contains("llo" "hello") }} yes {{end}}`"#,
        "",
        "error: parse error at line 1, col 33: template: line:1: unclosed left paren",
    ),
    (
        r#"{job="q"} |= "ErrTimeout" | logfmt | label_format nowEpoch=`{{(unixEpoch now)}}`,createDateEpoch=`{{unixEpoch (toDate "2006-01-02" .createDate)}}` | label_format dateTimeDiff=`{{sub .nowEpoch .createDateEpoch}}` | dateTimeDiff <= 86400 | keep createDateEpoch, dateTimeDiff"#,
        "0..90",
        r#"{createDateEpoch=0,dateTimeDiff=90} 1 path="a b c" err="ErrTimeout: x" createDate=1970-01-01 ClientHost=10.0.0.1 request_uri=/a/509965767/alternative-to-my-mtg.html request_method=GET size="5 MiB" took=24s30ms"#,
    ),
    (
        r#"{job="q"} |= "ErrTimeout" | logfmt | line_format "\"|\" {{printf \"%15.15s\" .ClientHost}} \"|\"" | keep app"#,
        "",
        r#"{app=f} 1 "|"        10.0.0.1 "|""#,
    ),
    (
        r#"{job="q"} |= "ErrTimeout" | logfmt | line_format `{{ printf "%-40.40s" .request_uri}} {{printf "%-5.5s" .request_method}}|` | keep app"#,
        "",
        "{app=f} 1 /a/509965767/alternative-to-my-mtg.html  GET  |",
    ),
    (r#"{job="q"} |= "XYZ" | line_format `{{ __line__ | count "XYZ"}}`"#, "", "{app=g,job=q} 4 2"),
    (
        r#"{job="q"} |= "XYZ" | logfmt | line_format `{{.http_request_headers_x_forwarded_for | default "-"}}` | keep app"#,
        "",
        "{app=g} 4 -",
    ),
    (
        r#"{job="q"} |= "1G" # anything that comes after will not be interpreted in your query"#,
        "",
        "{app=g,job=q} 3 size=1G took=1h",
    ),
    (
        "{job=\"q\"}\n    | logfmt\n    # this line will be ignored\n    | took=\"1h\" # this checks\n | keep took",
        "",
        "{took=1h} 3 size=1G took=1h",
    ),
    (
        r#"{job="q"} |= "1G" | label_format `a`=app"#,
        "",
        "error: parse error at line 1, col 34: syntax error: unexpected STRING, expecting IDENTIFIER",
    ),
    (
        r#"{job="q"} |= "1G" | line_format "{{.app}}" | label_format app="z" | line_format "{{.app}}-{{__line__}}""#,
        "",
        "{app=z,job=q} 3 z-g",
    ),
    (r#"{job="q"} |= "1G" | line_format "a=1 b=2" | logfmt | keep a,b"#, "", "{a=1,b=2} 3 a=1 b=2"),
    (r#"{job="q"} |= "1G" | line_format "{{ __timestamp__ | date \"15:04:05\" }}""#, "", "{app=g,job=q} 3 00:00:03"),
    (r#"{job="q"} |= "1G" | logfmt | label_format app=took | keep app"#, "", "{app=1h} 3 size=1G took=1h"),
    (r#"{job="q"} |= "1G" | logfmt | drop app | keep app, took"#, "", "{took=1h} 3 size=1G took=1h"),
    (r#"{job="q"} |= "1G" | logfmt | drop __error__ | keep took"#, "", "{took=1h} 3 size=1G took=1h"),
    (r#"{job="q"} |= "1G" | logfmt | label_format app="" | keep app, took"#, "", "{app=,took=1h} 3 size=1G took=1h"),
    (r#"{job="q"} |= "1G" | logfmt | took=`1h` and size=~`\d+G` | keep took"#, "", "{took=1h} 3 size=1G took=1h"),
    (r#"{job="q"} |= "1G" | logfmt | took = 1h or size = 1GB | keep took"#, "", "{took=1h} 3 size=1G took=1h"),
    (
        r#"{job="q"} | logfmt | size >= 5MiB | drop __error_details__, __error__ | keep size"#,
        "",
        "{size=1G} 3 size=1G took=1h\n{size=5 MiB} 1 path=\"a b c\" err=\"ErrTimeout: x\" createDate=1970-01-01 ClientHost=10.0.0.1 request_uri=/a/509965767/alternative-to-my-mtg.html request_method=GET size=\"5 MiB\" took=24s30ms\n{size=bad} 4 size=bad took=bad XYZ XYZ",
    ),
    (
        r#"{job="q"} | logfmt | __error__ = "" | size > 3KB | __error__ = "" | keep size"#,
        "",
        "{size=1G} 3 size=1G took=1h\n{size=5 MiB} 1 path=\"a b c\" err=\"ErrTimeout: x\" createDate=1970-01-01 ClientHost=10.0.0.1 request_uri=/a/509965767/alternative-to-my-mtg.html request_method=GET size=\"5 MiB\" took=24s30ms",
    ),
    (
        r#"{job="q"} | logfmt | size > 3KB and took > 1m | __error__ = "" | keep size"#,
        "",
        "{size=1G} 3 size=1G took=1h",
    ),
    (
        r#"{job="q"} | logfmt | size > 3KB or took > 1m | __error__ != "" | keep size"#,
        "",
        r#"{__error__=LabelFilterErr,__error_details__=strconv.ParseFloat: parsing "": invalid syntax,size=bad} 4 size=bad took=bad XYZ XYZ"#,
    ),
    (r#"{job="q"}"#, "limit 1", "{app=g,job=q} 4 size=bad took=bad XYZ XYZ"),
    (
        r#"{job="q"}"#,
        "forward limit 2",
        "{app=f,job=q} 1 path=\"a b c\" err=\"ErrTimeout: x\" createDate=1970-01-01 ClientHost=10.0.0.1 request_uri=/a/509965767/alternative-to-my-mtg.html request_method=GET size=\"5 MiB\" took=24s30ms\n{app=f,job=q} 2 size=3k took=5m",
    ),
    (
        r#"{job="q"}"#,
        "0..3",
        "{app=f,job=q} 2 size=3k took=5m\n{app=f,job=q} 1 path=\"a b c\" err=\"ErrTimeout: x\" createDate=1970-01-01 ClientHost=10.0.0.1 request_uri=/a/509965767/alternative-to-my-mtg.html request_method=GET size=\"5 MiB\" took=24s30ms",
    ),
    (
        r#"{job="q"}"#,
        "interval 2s forward",
        "{app=f,job=q} 1 path=\"a b c\" err=\"ErrTimeout: x\" createDate=1970-01-01 ClientHost=10.0.0.1 request_uri=/a/509965767/alternative-to-my-mtg.html request_method=GET size=\"5 MiB\" took=24s30ms\n{app=g,job=q} 3 size=1G took=1h",
    ),
    (
        r#"{job="q"} | logfmt | took="1h" | unpack | keep took"#,
        "",
        "{__error__=JSONParserErr,__error_details__=Value looks like object, but can't find closing '}' symbol,took=1h} 3 size=1G took=1h",
    ),
    (
        r#"{job="q"} |= "1G" | line_format `{"_entry":"inner a=1","pod":"p","app":"clash"}` | unpack | keep pod, app, app_extracted"#,
        "",
        "{app=g,app_extracted=clash,pod=p} 3 inner a=1",
    ),
    (
        r#"{job="q"} |= "1G" | line_format `{"_entry":7,"pod":"p"}` | unpack"#,
        "",
        r#"{app=g,job=q} 3 {"_entry":7,"pod":"p"}"#,
    ),
    (r#"{job="q"} |= "1G" | line_format `{"pod":"p"}` | unpack"#, "", r#"{app=g,job=q} 3 {"pod":"p"}"#),
    (
        r#"{job="q"} |= "1G" | line_format `not json` | unpack"#,
        "",
        "{__error__=JSONParserErr,__error_details__=Value looks like object, but can't find closing '}' symbol,app=g,job=q} 3 not json",
    ),
    (
        r#"{job="q"} |= "1G" | regexp `(?P<size>\d+)` | pattern `<a>=<b> <c>` "#,
        "",
        "{a=size,app=g,b=1G,c=took=1h,job=q,size=1} 3 size=1G took=1h",
    ),
    (
        r#"{job="q"} |= "1G" | logfmt | regexp `(?P<size>\d+)G` | keep size, size_extracted"#,
        "",
        "{size=1G} 3 size=1G took=1h",
    ),
    (r#"{job="q"} |= "1G" | logfmt | logfmt | keep size, size_extracted"#, "", "{size=1G} 3 size=1G took=1h"),
    (
        r#"{job="q"} |= "1G" | json | logfmt | keep size"#,
        "",
        "{__error__=JSONParserErr,__error_details__=Value looks like object, but can't find closing '}' symbol,size=1G} 3 size=1G took=1h",
    ),
];
