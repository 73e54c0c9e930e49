//! `| pattern`, `| regexp` and `| decolorize`.

use super::{Suite, on_line, suite};

pub(super) fn suites() -> Vec<Suite> {
    vec![nginx(), captures(), groups(), groups_of_odd_lines(), colours()]
}

fn nginx() -> Suite {
    on_line(
        "an access log by a pattern",
        r#"0.191.12.2 - - [10/Jun/2021:09:14:29 +0000] "GET /api/plugins/versioncheck HTTP/1.1" 200 2 "-" "Go-http-client/2.0" "13.76.247.102, 34.120.177.193" "TLSv1.2" "US" """#,
        &[
            (
                r#"| pattern `<ip> - - <_> "<method> <uri> <_>" <status> <size> <_> "<agent>" <_>`"#,
                "agent=Go-http-client/2.0; ip=0.191.12.2; method=GET; size=2; status=200; uri=/api/plugins/versioncheck",
            ),
            (r#"| pattern `<ip> <_>`"#, "ip=0.191.12.2"),
            (r#"| pattern `<_> "<method> <_>`"#, "method=GET"),
            (
                r#"| pattern `<_>"<method> <uri> <_>" <status> <_>` | status=200 | keep uri, x"#,
                "uri=/api/plugins/versioncheck",
            ),
            (r#"| pattern `<_>"<method> <uri> <_>" <status> <_>` | status>200"#, "dropped"),
            (r#"| pattern `0.191.12.2 - - [<time>] <_>`"#, "time=10/Jun/2021:09:14:29 +0000"),
            (r#"| pattern `1.191.12.2 - - [<time>] <_>`"#, ""),
            (r#"| pattern `<_> "US" <rest>`"#, "rest=\"\""),
            (r#"| pattern `<ip> - - <_>` | ip=ip("0.191.0.0/16") | keep ip, x"#, "ip=0.191.12.2"),
        ],
    )
}

fn captures() -> Suite {
    on_line(
        "captures",
        "alpha beta,gamma  delta é☃ x=9 <tag>",
        &[
            ("| pattern `<a>`", "a=alpha beta,gamma  delta é☃ x=9 <tag>"),
            ("| pattern `<a> <b>`", "a=alpha; b=beta,gamma  delta é☃ x=9 <tag>"),
            ("| pattern `<a> <b>,<c>  <d> <_>`", "a=alpha; b=beta; c=gamma; d=delta"),
            ("| pattern `alpha <b>,<_>`", "b=beta"),
            ("| pattern `lpha <b>,<_>`", ""),
            ("| pattern `<_>☃ <x>`", "x_extracted=x=9 <tag>"),
            ("| pattern `<_>é<snow> <_>`", "snow=☃"),
            // What is not matched ends the parsing: the capture before it takes the rest.
            ("| pattern `<a> <b>;<c>`", "a=alpha; b=beta,gamma  delta é☃ x=9 <tag>"),
            ("| pattern `<a>;<b>`", "a=alpha beta,gamma  delta é☃ x=9 <tag>"),
            ("| pattern `<_>;<b>`", ""),
            // A bracket that is no capture is a text.
            ("| pattern `<_><<b>>`", "b=tag"),
            ("| pattern `<a b> <c>`", ""),
            ("| pattern `<1a> <c>`", ""),
            ("| pattern `<a_1> <_>`", "a_1=alpha"),
            ("| pattern \"<a> <_>\" | a=\"alpha\"", "a=alpha"),
            ("| pattern `<a> <_>` | pattern `<_> <b>,<_>`", "a=alpha; b=beta"),
            ("| pattern `<a> <_>` | pattern `<_> <a>,<_>`", "a=alpha"),
        ],
    )
}

fn groups() -> Suite {
    on_line(
        "an access by a regular expression",
        "POST /api/prom/api/v1/query_range (200) 1.5s",
        &[
            (
                r#"| regexp "(?P<method>\\w+) (?P<path>[\\w|/]+) \\((?P<status>\\d+?)\\) (?P<duration>.*)""#,
                "duration=1.5s; method=POST; path=/api/prom/api/v1/query_range; status=200",
            ),
            (r"| regexp `(?P<method>\w+) `", "method=POST"),
            (r"| regexp `(?<method>\w+) `", "method=POST"),
            (r"| regexp `(?P<path>/\S+)` | path=~`.*range`", "path=/api/prom/api/v1/query_range"),
            (r"| regexp `\((?P<status>\d+)\)` | status>=200 and status<300", "status=200"),
            (r"| regexp `\((?P<status>\d+)\)` | status>=300", "dropped"),
            (r"| regexp `^(?P<a>PUT)`", ""),
            (r"| regexp `^(?P<a>PUT)?`", "a="),
            (r"| regexp `(?P<a>POST)|(?P<b>PUT)`", "a=POST; b="),
            (r"| regexp `(\w+) (?P<b>\S+)`", "b=/api/prom/api/v1/query_range"),
            (r"| regexp `(?P<x>\w+)`", "x_extracted=POST"),
            (r"| regexp `(?P<a>(?P<b>P)O)`", "a=PO; b=P"),
            (r"| regexp `(?P<a>\w+)` | regexp `(?P<a>/\w+)`", "a=POST"),
            (r"| regexp `(?P<d>[\d.]+s)$` | d>1s", "d=1.5s"),
            (r"| regexp `(?P<d>[\d.]+s)$` | d>2s", "dropped"),
            (r"| regexp `(?i)(?P<m>post)`", "m=POST"),
        ],
    )
}

fn groups_of_odd_lines() -> Suite {
    on_line(
        "a line with a newline",
        "first⏎second é",
        &[
            (r"| regexp `(?P<a>.+)`", "a=first"),
            (r"| regexp `(?P<a>(?s).+)` | a=`first` ", "dropped"),
            (r"| regexp `(?s)first(?P<a>.)second` | a=`x` or a=~`\s` | drop a", ""),
            (r"| regexp `(?P<a>\pL)$`", "a=é"),
            (r"| pattern `<a>d <b>` | a=~`first\ssecon` | drop a", "b=é"),
        ],
    )
}

fn colours() -> Suite {
    suite(
        "colours",
        "
        {x=\"1\"} 1 [2022-11-04 22:17:57.811] ␛[0;32mhttp␛[0m: GET /_health (0 ms) 204
        {x=\"1\"} 2 plain [0m text
        {x=\"1\"} 3 ␛[31;1mlevel␛[0m=␛[32merror␛[0m
        ",
        &[
            (r#"{x="1"} | decolorize"#, "0..2", "{x=1} 1 [2022-11-04 22:17:57.811] http: GET /_health (0 ms) 204"),
            (r#"{x="1"} | decolorize"#, "2..3", "{x=1} 2 plain [0m text"),
            (r#"{x="1"} | decolorize | logfmt | level="error""#, "", "{level=error,x=1} 3 level=error"),
            (r#"{x="1"} |= "level=""#, "", ""),
            (r#"{x="1"} | decolorize |= "level=""#, "", "{x=1} 3 level=error"),
            (r#"{x="1"} | decolorize |~ "^level=\\w+$""#, "", "{x=1} 3 level=error"),
            (r#"{x="1"} |= "\u001b[31" | decolorize"#, "", "{x=1} 3 level=error"),
            (r#"{x="1"} | decolorize != "e""#, "", ""),
        ],
    )
}
