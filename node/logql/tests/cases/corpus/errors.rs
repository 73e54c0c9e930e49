//! What becomes of lines with errors, and whose label wins.

use super::{Suite, suite};

pub(super) fn suites() -> Vec<Suite> {
    vec![errors(), metrics(), clashes(), order()]
}

const LINES: &str = r#"
    {app="web"} 1 {"status":200,"took":"1s"}
    {app="web"} 2 not json
    {app="web"} 3 {"status":"oops","took":"2s"}
    {app="web"} 4 {"took":"3s"}
"#;

fn errors() -> Suite {
    suite(
        "errors within a pipeline",
        LINES,
        &[
            (
                r#"{app="web"} | json | status >= 200 | drop __error_details__, took"#,
                "",
                r#"
                {__error__=JSONParserErr,app=web} 2 not json
                {__error__=LabelFilterErr,app=web,status=oops} 3 {"status":"oops","took":"2s"}
                {app=web,status=200} 1 {"status":200,"took":"1s"}
                "#,
            ),
            (
                r#"{app="web"} | json | status >= 200 | __error__="" "#,
                "",
                r#"{app=web,status=200,took=1s} 1 {"status":200,"took":"1s"}"#,
            ),
            // A filter before the stage that errs sees no error.
            (r#"{app="web"} | __error__="" | json | __error__!="" | drop __error__"#, "", "{app=web} 2 not json"),
            (r#"{app="web"} | __error__!="" | json"#, "", ""),
            (
                r#"{app="web"} | json | status=300 | __error__="LabelFilterErr" | keep status | drop __error__"#,
                "",
                r#"{status=oops} 3 {"status":"oops","took":"2s"}"#,
            ),
            // The first error is kept.
            (
                r#"{app="web"} | json | took > 1KB | __error__="JSONParserErr" | drop __error__"#,
                "",
                "{app=web} 2 not json",
            ),
            (
                r#"{app="web"} | json | drop __error__ | status > 1 | __error__!="" | keep app | drop __error__"#,
                "",
                r#"{app=web} 3 {"status":"oops","took":"2s"}"#,
            ),
            (r#"{app="web"} | json | __error__=~"JSON.*|Label.*" | drop __error__"#, "", "{app=web} 2 not json"),
            (r#"{app="web"} | json | __error__!~"JSON.*" | took="3s""#, "", r#"{app=web,took=3s} 4 {"took":"3s"}"#),
            (
                r#"{app="web"} | json | __error__="" and status="200" or took="3s" | keep took"#,
                "",
                "{took=1s} 1 {\"status\":200,\"took\":\"1s\"}\n{took=3s} 4 {\"took\":\"3s\"}",
            ),
            (r#"{app="web"} | json | __error_details__=~".*closing.*" | drop __error__"#, "", "{app=web} 2 not json"),
            (
                r#"{app="web"} | label_format e=`{{.__error__}}` | e="" | json | label_format e=`{{.__error__}}` | e!="" | keep e | drop __error__"#,
                "",
                "{e=JSONParserErr} 2 not json",
            ),
        ],
    )
}

fn metrics() -> Suite {
    suite(
        "errors and metric queries",
        LINES,
        &[
            (r#"sum(count_over_time({app="web"} | json | __error__="" [10s]))"#, "at 5", "{} 3"),
            (r#"sum(count_over_time({app="web"} | json | __error__!="" [10s]))"#, "at 5", "{} 1"),
            (r#"sum(count_over_time({app="web"} | json | __error__=~".*" [10s]))"#, "at 5", "{} 4"),
            (r#"sum(count_over_time({app="web"} | json | drop __error__, __error_details__ [10s]))"#, "at 5", "{} 4"),
            (r#"sum(count_over_time({app="web"} | json | status >= 200 | __error__="" [10s]))"#, "at 5", "{} 1"),
            (
                r#"sum by (status) (count_over_time({app="web"} | json | status >= 200 | __error__="" [10s]))"#,
                "at 5",
                "{status=200} 1",
            ),
            // The bytes are those of the line that the pipeline leaves.
            (r#"sum(bytes_over_time({app="web"} | line_format `12345` [10s]))"#, "at 5", "{} 20"),
            (r#"sum(bytes_over_time({app="web"} |= "not" [10s]))"#, "at 5", "{} 8"),
            (
                r#"sum(bytes_over_time({app="web"} |= "not" | line_format `{{__line__}}{{__line__}}` [10s]))"#,
                "at 5",
                "{} 16",
            ),
            (r#"sum by (e) (count_over_time({app="web"} | label_format e=app [10s]))"#, "at 5", "{e=web} 4"),
            (r#"sum by (app) (count_over_time({app="web"} | label_format e=app [10s]))"#, "at 5", "{} 4"),
            (r#"count_over_time({app="web"} | drop app [10s])"#, "at 5", "{} 4"),
            (
                r#"count_over_time({app="web"} | json took | keep took | took!="" | __error__="" [10s])"#,
                "at 5",
                "{took=1s} 1\n{took=2s} 1\n{took=3s} 1",
            ),
        ],
    )
}

fn clashes() -> Suite {
    suite(
        "labels of one name",
        r#"
        {app="stream",zone="a"} 1 [app="meta",user="meta"] {"app":"parsed","user":"parsed","zone":"parsed","own":"parsed"}
        {app="stream",zone="a"} 2 [user_extracted="meta"] user=parsed user_extracted=parsed
        "#,
        &[
            (
                r#"{app="stream"} | json | __error__="""#,
                "",
                r#"{app=stream,app_extracted=meta,own=parsed,user=meta,user_extracted=parsed,zone=a,zone_extracted=parsed} 1 {"app":"parsed","user":"parsed","zone":"parsed","own":"parsed"}"#,
            ),
            (r#"{app="stream"} | json | zone="parsed""#, "", ""),
            (
                r#"{app="stream"} | json | zone_extracted="parsed" | keep zone"#,
                "",
                r#"{zone=a} 1 {"app":"parsed","user":"parsed","zone":"parsed","own":"parsed"}"#,
            ),
            (
                r#"{app="stream"} | json zone | zone_extracted="parsed" | keep zone_extracted"#,
                "",
                r#"{zone_extracted=parsed} 1 {"app":"parsed","user":"parsed","zone":"parsed","own":"parsed"}"#,
            ),
            (
                r#"{app="stream"} | regexp `"zone":"(?P<zone>\w+)"` | zone_extracted="parsed" | keep zone_extracted"#,
                "",
                r#"{zone_extracted=parsed} 1 {"app":"parsed","user":"parsed","zone":"parsed","own":"parsed"}"#,
            ),
            (
                r#"{app="stream"} | json | label_format zone=zone_extracted | zone="parsed" | keep zone"#,
                "",
                r#"{zone=parsed} 1 {"app":"parsed","user":"parsed","zone":"parsed","own":"parsed"}"#,
            ),
            (
                r#"{app="stream"} | logfmt | user="parsed" | keep user, user_extracted, user_extracted_extracted"#,
                "",
                "{user=parsed,user_extracted=meta,user_extracted_extracted=parsed} 2 user=parsed user_extracted=parsed",
            ),
        ],
    )
}

fn order() -> Suite {
    suite(
        "stages run from left to right",
        r#"
        {app="web"} 1 a=1 msg="b=2 c=3"
        "#,
        &[
            (r#"{app="web"} | a="1" | logfmt"#, "", ""),
            (
                r#"{app="web"} | logfmt | a="1" | line_format `{{.msg}}` | logfmt | c=3 | keep b, c"#,
                "",
                "{b=2,c=3} 1 b=2 c=3",
            ),
            (r#"{app="web"} | logfmt | line_format `{{.msg}}` | c=3"#, "", ""),
            (
                r#"{app="web"} | logfmt |= "msg" | line_format `{{.msg}}` != "msg" |= "b=2" | keep app"#,
                "",
                "{app=web} 1 b=2 c=3",
            ),
            (
                r#"{app="web"} | line_format `z` | line_format `{{__line__}}` | logfmt --keep-empty"#,
                "",
                "{app=web,z=} 1 z",
            ),
            (r#"{app="web"} | logfmt a | line_format `{{.msg}}`"#, "", "{a=1,app=web} 1"),
            (
                r#"{app="web"} | logfmt | label_format app=msg | line_format `{{.app}}` | keep app"#,
                "",
                "{app=b=2 c=3} 1 b=2 c=3",
            ),
        ],
    )
}
