//! Line filters: texts, regular expressions, patterns, addresses.

use super::{Suite, on_line};

pub(super) fn suites() -> Vec<Suite> {
    vec![texts(), expressions(), shapes(), addresses(), addresses_six(), odd_lines()]
}

fn texts() -> Suite {
    on_line(
        "texts in lines",
        r#"level=error msg="disk full" path=/var/log/a.b"#,
        &[
            ("", ""),
            (r#"|= "error""#, ""),
            (r#"|= "Error""#, "dropped"),
            (r#"|= "error" |= "disk""#, ""),
            (r#"|= "error" |= "nothing""#, "dropped"),
            (r#"|= "error" != "nothing""#, ""),
            (r#"|= "error" != "disk""#, "dropped"),
            (r#"|= "nothing" or "disk""#, ""),
            (r#"|= "nothing" or "neither""#, "dropped"),
            (r#"|= "nothing" or "neither" or "full""#, ""),
            (r#"|= "disk" or "full" |= "level""#, ""),
            (r#"!= "nothing" or "neither""#, ""),
            (r#"!= "nothing" or "disk""#, "dropped"),
            (r#"!= "disk" or "nothing""#, "dropped"),
            (r#"|= "a.b""#, ""),
            (r#"|= "a+b""#, "dropped"),
            (r#"|= `"disk full"`"#, ""),
            (r#"|= "\"disk full\"""#, ""),
            (r#"|= "disk\x20full""#, ""),
            (r#"|= "disk\u0020full""#, ""),
            (r#"|= "disk\040full""#, ""),
            (r#"|= "disk\tfull""#, "dropped"),
            (r#"|= "" or "nothing""#, ""),
            (r#"!= """#, "dropped"),
            ("|=\"error\"|=\"disk\"!=\"x-y\"", ""),
            ("\n  |= \"error\" # kept\n  # a line of its own\n  |= \"disk\"", ""),
            (r##"|= "#" "##, "dropped"),
            (r##"!= "#" # a comment with "quotes" and `ticks`"##, ""),
        ],
    )
}

fn expressions() -> Suite {
    on_line(
        "regular expressions in lines",
        "GET /api/users/42 200 12.5ms ünï",
        &[
            (r#"|~ "GET|POST""#, ""),
            (r#"|~ "^POST""#, "dropped"),
            (r#"|~ "^GET .* 200""#, ""),
            (r#"|~ "users/[0-9]+ ""#, ""),
            (r"|~ `users/\d+ 2\d\d`", ""),
            (r"|~ `users/\d+$`", "dropped"),
            (r#"|~ "(?i)get""#, ""),
            (r#"|~ "get""#, "dropped"),
            (r#"!~ "get""#, ""),
            (r#"!~ "(?i)get""#, "dropped"),
            (r#"!~ "get|users""#, "dropped"),
            (r#"|~ "nothing" or "us.rs""#, ""),
            (r#"!~ "nothing" or "us.rs""#, "dropped"),
            (r#"!~ "nothing" or "neither""#, ""),
            (r#"|~ """#, ""),
            (r#"!~ """#, "dropped"),
            (r"|~ `\bünï`", "dropped"),
            (r"|~ ` \w{3}$`", "dropped"),
            (r"|~ ` ün.$`", ""),
            (r"|~ `\p{L}{3}$`", ""),
            (r"|~ `12\.5ms`", ""),
            (r"|~ `\Q12.5ms\E`", ""),
            (r"|~ `\Q12x5ms\E`", "dropped"),
            (r"|~ `[[:digit:]]{3}`", ""),
            (r"|~ `(?P<n>\d+)ms`", ""),
            (r"|~ `(?:GET|PUT) (?:/\w+)+`", ""),
            (r"|~ `[^a-z]{40}`", "dropped"),
            // A brace that begins no count is one to look for.
            (r#"|~ `{"level"`"#, "dropped"),
            (r#"!~ `{"level":"\w+"}`"#, ""),
            (r"|~ `users/\d+{`", "dropped"),
            (r"|~ `users/\d+({|\s)2`", ""),
        ],
    )
}

fn shapes() -> Suite {
    on_line(
        "patterns over lines",
        r#"ts=2024 caller=http.go:194 level=debug msg="POST /push (200)""#,
        &[
            (r#"|> `<_> caller=http.go:194 level=debug <_> (200)"`"#, ""),
            (r#"|> `<_> caller=http.go:194 level=debug <_>`"#, ""),
            (r#"!> `<_> caller=http.go:194 level=debug <_>`"#, "dropped"),
            (r#"|> `<_> caller=http.go:195 <_>`"#, "dropped"),
            (r#"!> `<_> caller=http.go:195 <_>`"#, ""),
            ("|> `<_>`", ""),
            ("!> `<_>`", "dropped"),
            ("|> `ts=<_>`", ""),
            ("|> `s=<_>`", "dropped"),
            ("|> `<_>\"`", ""),
            ("|> `<_>(200)`", "dropped"),
            (r#"|> `ts=<_> caller=<_> level=<_> msg="POST <_> (<_>)"`"#, ""),
            (r#"|> `ts=<_> level=<_> caller=<_>`"#, "dropped"),
            (r#"|> `ts=2024 caller=http.go:194 level=debug msg="POST /push (200)"`"#, ""),
            ("|> `ts=2024`", "dropped"),
            ("|> `nothing` or `<_>debug<_>`", ""),
            ("|> `nothing` or `neither`", "dropped"),
            ("!> `nothing` or `<_>debug<_>`", "dropped"),
            ("!> `nothing` or `neither`", ""),
            (r#"|> "ts=<_>" |= "push""#, ""),
            // A capture stands for something: not for nothing.
            ("|> `<_>ts=<_>`", "dropped"),
            ("|> `ts=2024<_> caller<_>`", "dropped"),
            ("|> `TS=<_>`", "dropped"),
        ],
    )
}

fn addresses() -> Suite {
    on_line(
        "IPv4 addresses in lines",
        "3.180.71.3 - - [17/May/2015] GET 192.168.4.7:8080 304",
        &[
            (r#"|= ip("3.180.71.3")"#, ""),
            (r#"|= ip("180.71.3.0/24")"#, "dropped"),
            (r#"|= ip("93.180.71.3")"#, "dropped"),
            (r#"!= ip("93.180.71.3")"#, ""),
            (r#"!= ip("3.180.71.3")"#, "dropped"),
            (r#"|= ip("192.168.4.5-192.168.4.20")"#, ""),
            (r#"|= ip("192.168.4.8-192.168.4.20")"#, "dropped"),
            (r#"!= ip("192.168.4.5-192.168.4.20")"#, "dropped"),
            (r#"|= ip("192.168.4.5/16")"#, ""),
            (r#"|= ip("192.168.4.0/30")"#, "dropped"),
            (r#"|= ip("0.0.0.0/0")"#, ""),
            (r#"|= ip("::1")"#, "dropped"),
            (r#"|= ip("::/0")"#, "dropped"),
            (r#"|= ip("10.0.0.1") or ip("3.180.71.3")"#, ""),
            (r#"|= ip("10.0.0.1") or "GET""#, ""),
            (r#"|= "POST" or ip("3.180.71.0/24")"#, ""),
            (r#"|= "POST" or ip("10.0.0.0/8")"#, "dropped"),
            (r#"!= ip("10.0.0.0/8") or "POST""#, ""),
            (r#"|= ip(`3.180.71.3`) |= "304""#, ""),
            (r#"|= "ip""#, "dropped"),
        ],
    )
}

fn addresses_six() -> Suite {
    on_line(
        "IPv6 addresses in lines",
        "peer [2001:db8::5]:443 said hello to ::1, at 12:30:01",
        &[
            (r#"|= ip("2001:db8::5")"#, ""),
            (r#"|= ip("2001:0DB8:0:0:0:0:0:5")"#, ""),
            (r#"|= ip("2001:db8::1-2001:db8::8")"#, ""),
            (r#"|= ip("2001:db8::6-2001:db8::8")"#, "dropped"),
            (r#"|= ip("2001:db8::/32")"#, ""),
            (r#"|= ip("2001:db9::/32")"#, "dropped"),
            (r#"|= ip("::1")"#, ""),
            (r#"!= ip("::1")"#, "dropped"),
            (r#"|= ip("12.30.0.1")"#, "dropped"),
        ],
    )
}

fn odd_lines() -> Suite {
    on_line(
        "an empty line",
        "",
        &[
            (r#"|= """#, ""),
            (r#"|= "a""#, "dropped"),
            (r#"!= "a""#, ""),
            (r#"|~ "^$""#, ""),
            (r#"|~ ".""#, "dropped"),
            (r#"|> "<_>""#, "dropped"),
            (r#"!> "<_>""#, ""),
            (r#"|> """#, ""),
            (r#"|= ip("1.2.3.4")"#, "dropped"),
            (
                "| json",
                "__error__=JSONParserErr; __error_details__=Value looks like object, but can't find closing '}' symbol",
            ),
            ("| logfmt", ""),
            ("| pattern `<a> <b>`", "a="),
            ("| regexp `(?P<a>.*)`", "a="),
            ("| unpack", ""),
            ("| decolorize", ""),
            ("| line_format `{{.x}}`", "=> 1"),
        ],
    )
}
