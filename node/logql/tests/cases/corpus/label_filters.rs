//! Label filters: kinds of values, how they are joined, what becomes of values that do not read.

use super::{Suite, on_line, suite};

pub(super) fn suites() -> Vec<Suite> {
    vec![unread(), kinds(), units(), joined(), unreadable(), addresses(), names(), several_lines()]
}

/// Values that do not read, and why, in Go's words.
fn unread() -> Suite {
    let error = "__error__=LabelFilterErr; __error_details__=";
    let unit = format!("{error}time: unknown unit \"d\" in duration \"1d\"");
    let missing = format!("{error}time: missing unit in duration \"15\"");
    let large = format!("{error}strconv.ParseFloat: parsing \"1e999\": value out of range");
    let number = format!("{error}strconv.ParseFloat: parsing \"1d\": invalid syntax");
    on_line(
        "values that do not read",
        "d=1d n=15 big=1e999 hex=0x1p4",
        &[
            ("| logfmt | d>1s | keep x", &unit),
            ("| logfmt | n>1s | keep x", &missing),
            ("| logfmt | big>1 | keep x", &large),
            ("| logfmt | d>1 | keep x", &number),
            ("| logfmt | hex=16 | keep x", ""),
            ("| logfmt | hex=17 | keep x", "dropped"),
        ],
    )
}

fn kinds() -> Suite {
    const LABELS: &str = "d=1m30s; n=42.5; s=abc; z=0";
    on_line(
        "kinds of values",
        "n=42.5 d=1m30s s=abc z=0",
        &[
            ("| logfmt | n = 42.5", LABELS),
            ("| logfmt | n == 42.5", LABELS),
            ("| logfmt | n = 42.50", LABELS),
            ("| logfmt | n = 4.25e1", LABELS),
            ("| logfmt | n != 42.5", "dropped"),
            ("| logfmt | n > 42", LABELS),
            ("| logfmt | n >= 42.5", LABELS),
            ("| logfmt | n < 42.5", "dropped"),
            ("| logfmt | n <= 42.5", LABELS),
            ("| logfmt | n > -1", LABELS),
            ("| logfmt | n < -1", "dropped"),
            ("| logfmt | n > .5", LABELS),
            ("| logfmt | n = \"42.5\"", LABELS),
            ("| logfmt | n = \"42.50\"", "dropped"),
            ("| logfmt | n =~ \"4.*\"", LABELS),
            ("| logfmt | n =~ \"4\"", "dropped"),
            ("| logfmt | n !~ \"4\"", LABELS),
            ("| logfmt | d = 90s", LABELS),
            ("| logfmt | d == 1.5m", LABELS),
            ("| logfmt | d > 1m29s999ms", LABELS),
            ("| logfmt | d >= 1h", "dropped"),
            ("| logfmt | d < 2m and d > 1m", LABELS),
            ("| logfmt | d != 90s", "dropped"),
            ("| logfmt | z = 0", LABELS),
            ("| logfmt | z = -0", LABELS),
            ("| logfmt | z > 0", "dropped"),
            ("| logfmt | z < 1s", LABELS),
            ("| logfmt | s = `abc`", LABELS),
            ("| logfmt | s != `abc`", "dropped"),
            ("| logfmt | missing = ``", LABELS),
            ("| logfmt | missing != ``", "dropped"),
            ("| logfmt | missing != `abc`", LABELS),
            ("| logfmt | missing =~ `.*`", LABELS),
            ("| logfmt | missing =~ `.+`", "dropped"),
            ("| logfmt | missing !~ `.+`", LABELS),
            ("| logfmt | missing = 0", "dropped"),
            ("| logfmt | missing != 0", "dropped"),
            ("| logfmt | missing < 1s", "dropped"),
            ("| logfmt | missing != 1KB", "dropped"),
            ("| logfmt | x = 1", LABELS),
            ("| x = \"1\"", ""),
            ("| x > 1", "dropped"),
        ],
    )
}

fn units() -> Suite {
    const LABELS: &str = "big=1.5TiB; five=5kB; long=2h45m; one=1B; short=0.10ms; tiny=250ns; two=2KiB";
    on_line(
        "units of durations and sizes",
        "short=0.10ms long=2h45m tiny=250ns one=1B five=5kB two=2KiB big=1.5TiB",
        &[
            ("| logfmt | short = 100us", LABELS),
            ("| logfmt | short = 100µs", LABELS),
            ("| logfmt | short < 1ms", LABELS),
            ("| logfmt | long = 165m", LABELS),
            ("| logfmt | long > 9899s and long < 9901s", LABELS),
            ("| logfmt | tiny = 250ns", LABELS),
            ("| logfmt | tiny < 1us", LABELS),
            ("| logfmt | long < 1d", LABELS),
            ("| logfmt | long < 1w", LABELS),
            ("| logfmt | one = 1B", LABELS),
            ("| logfmt | five = 5kB", LABELS),
            ("| logfmt | five = 5KB", LABELS),
            ("| logfmt | five = 5000B", LABELS),
            ("| logfmt | five < 5KiB", LABELS),
            ("| logfmt | two = 2048B", LABELS),
            ("| logfmt | two > 2kB", LABELS),
            ("| logfmt | two = 2KiB", LABELS),
            ("| logfmt | big > 1TB", LABELS),
            ("| logfmt | big > 1TiB", LABELS),
            ("| logfmt | big < 2TiB", LABELS),
            ("| logfmt | big = 1536GiB", LABELS),
            ("| logfmt | big > 1500GB and big < 1700GB", LABELS),
            ("| logfmt | big = 1572864MiB", LABELS),
        ],
    )
}

fn joined() -> Suite {
    const LABELS: &str = "a=1; b=2; c=3";
    on_line(
        "label filters joined",
        "a=1 b=2 c=3",
        &[
            ("| logfmt | a=1 and b=2", LABELS),
            ("| logfmt | a=1, b=2", LABELS),
            ("| logfmt | a=1 b=2", LABELS),
            ("| logfmt | a=1 | b=2", LABELS),
            ("| logfmt | a=1 and b=9", "dropped"),
            ("| logfmt | a=1, b=9", "dropped"),
            ("| logfmt | a=1 b=9", "dropped"),
            ("| logfmt | a=1 | b=9", "dropped"),
            ("| logfmt | a=1 or b=9", LABELS),
            ("| logfmt | a=9 or b=2", LABELS),
            ("| logfmt | a=9 or b=9", "dropped"),
            // From left to right, and no precedence of one over the other.
            ("| logfmt | a=1 or b=2 and c=9", "dropped"),
            ("| logfmt | a=1 or (b=2 and c=9)", LABELS),
            ("| logfmt | (a=1 or b=2) and c=9", "dropped"),
            ("| logfmt | ((a=1 or b=2) and c=3)", LABELS),
            ("| logfmt | a=9 and b=2 or c=3", LABELS),
            ("| logfmt | a=9 and (b=2 or c=3)", "dropped"),
            ("| logfmt | (((a=1)))", LABELS),
            ("| logfmt | (a=1) (b=2)", LABELS),
            ("| logfmt | (a=9 or b=2), (c=3)", LABELS),
            ("| logfmt | a=9 or b=2 | c=9 or a=1", LABELS),
            ("| logfmt | a=\"1\" or b>5 , c<=3 and a!=2", LABELS),
            ("| logfmt | a=\"1\" and b=~\"2|3\" and c!~\"4\" and c!=\"5\"", LABELS),
            ("| logfmt | a=1 |= \"b=2\"", LABELS),
            ("| logfmt | a=1 != \"b=2\"", "dropped"),
            ("| logfmt | a=1\n  and b=2 # comment\n  and c=3", LABELS),
        ],
    )
}

fn unreadable() -> Suite {
    const NUMBER: &str = "__error__=LabelFilterErr; __error_details__=strconv.ParseFloat: parsing \"oops\": invalid syntax; d=10; n=oops; s=12XB";
    const DURATION: &str =
        "__error__=LabelFilterErr; __error_details__=time: missing unit in duration \"10\"; d=10; n=oops; s=12XB";
    const TEXT: &str =
        "__error__=LabelFilterErr; __error_details__=time: invalid duration \"oops\"; d=10; n=oops; s=12XB";
    const BYTES: &str = "__error__=LabelFilterErr; __error_details__=unhandled size name: XB; d=10; n=oops; s=12XB";
    on_line(
        "values that do not read",
        "n=oops d=10 s=12XB",
        &[
            ("| logfmt | n > 5", NUMBER),
            ("| logfmt | n < 5", NUMBER),
            ("| logfmt | n = 5", NUMBER),
            ("| logfmt | n != 5", NUMBER),
            ("| logfmt | d > 5s", DURATION),
            ("| logfmt | n > 5s", TEXT),
            ("| logfmt | s > 5KB", BYTES),
            ("| logfmt | n > 5 | __error__ = \"\"", "dropped"),
            ("| logfmt | n > 5 | __error__ != \"\"", NUMBER),
            ("| logfmt | n > 5 | __error__ = \"LabelFilterErr\"", NUMBER),
            ("| logfmt | n > 5 | d > 100", NUMBER),
            ("| logfmt | n > 5 | s = \"other\"", "dropped"),
            ("| logfmt | n > 5 and s = \"other\"", "dropped"),
            ("| logfmt | n > 5 or s = \"other\"", NUMBER),
            // What stands before an error decides on its own.
            ("| logfmt | d = 11 | n > 5", "dropped"),
            ("| logfmt | d = 10 or n > 5", "d=10; n=oops; s=12XB"),
        ],
    )
}

fn addresses() -> Suite {
    const LABELS: &str = "addr=192.168.4.2; six=2001:db8::3; with=10.0.0.7:443";
    on_line(
        "addresses in labels",
        "addr=192.168.4.2 six=2001:db8::3 with=10.0.0.7:443",
        &[
            (r#"| logfmt | addr = ip("192.168.4.2")"#, LABELS),
            (r#"| logfmt | addr != ip("192.168.4.2")"#, "dropped"),
            (r#"| logfmt | addr = ip("192.168.4.5/16")"#, LABELS),
            (r#"| logfmt | addr = ip("192.168.4.5/16") | addr != ip("192.168.4.2")"#, "dropped"),
            (r#"| logfmt | addr = ip("192.168.4.0/24") or addr = ip("10.10.15.0/24")"#, LABELS),
            (r#"| logfmt | addr = ip("10.0.0.0/8") or six = ip("2001:db8::1-2001:db8::8")"#, LABELS),
            (r#"| logfmt | six = ip("2001:db8::/32")"#, LABELS),
            (r#"| logfmt | six != ip("2001:db8::/32")"#, "dropped"),
            (r#"| logfmt | with = ip("10.0.0.0/24")"#, LABELS),
            (r#"| logfmt | missing = ip("10.0.0.0/24")"#, "dropped"),
            (r#"| logfmt | missing != ip("10.0.0.0/24")"#, "dropped"),
            (r#"| logfmt | addr = ip("::/0")"#, "dropped"),
            (r#"| logfmt | addr = "ip(192.168.4.2)""#, "dropped"),
            (r#"| logfmt | addr = ip(`192.168.4.1-192.168.4.3`) and x="1""#, LABELS),
        ],
    )
}

fn names() -> Suite {
    on_line(
        "labels named like words of the language",
        "by=1 or=2 sum=3 duration=4s bytes=5KB ip=6 pattern=7 drop=8 keep=9 unwrap=10 offset=11 bool=12",
        &[
            ("| logfmt | sum=3 | keep x", ""),
            ("| logfmt | duration>3s | keep x", ""),
            ("| logfmt | bytes>4KB | keep x", ""),
            ("| logfmt | ip=6 | keep x", ""),
            ("| logfmt | pattern=7 | keep x", ""),
            ("| logfmt | drop=8 | keep x", ""),
            ("| logfmt | keep=9 | keep x", ""),
            ("| logfmt | unwrap=10 | keep x", ""),
            ("| logfmt | offset=11, bool=12 | keep x", ""),
            ("| logfmt | by=1 | keep by, x", "by=1"),
        ],
    )
}

fn several_lines() -> Suite {
    suite(
        "label filters over several lines",
        r#"
        {app="api",env="prod"} 1 [trace="t1"] method=GET duration=25ms size=20KB
        {app="api",env="prod"} 2 [trace="t2"] method=GET duration=5ms size=30KB
        {app="api",env="dev"} 3 method=POST duration=5ms size=20KB
        {app="api",env="dev"} 4 method=200 duration=30ms size=1KB
        {app="api",env="dev"} 5 nothing
        "#,
        &[
            (
                r#"{app="api"} | logfmt | duration >= 20ms or size == 20KB and method!~"2.." | keep app"#,
                "forward",
                "{app=api} 1 method=GET duration=25ms size=20KB\n{app=api} 3 method=POST duration=5ms size=20KB",
            ),
            (
                r#"{app="api"} | logfmt | duration >= 20ms or size == 20KB | method!~"2.." | keep app"#,
                "forward",
                "{app=api} 1 method=GET duration=25ms size=20KB\n{app=api} 3 method=POST duration=5ms size=20KB",
            ),
            (
                r#"{app="api"} | logfmt | duration >= 20ms or method="GET" and size <= 20KB | keep app"#,
                "forward",
                "{app=api} 1 method=GET duration=25ms size=20KB\n{app=api} 4 method=200 duration=30ms size=1KB",
            ),
            (
                r#"{app="api"} | logfmt | duration >= 20ms or (method="GET" and size <= 20KB) | keep app"#,
                "forward",
                "{app=api} 1 method=GET duration=25ms size=20KB\n{app=api} 4 method=200 duration=30ms size=1KB",
            ),
            (r#"{app="api"} | trace="t2" | keep trace"#, "", "{trace=t2} 2 method=GET duration=5ms size=30KB"),
            (r#"{app="api"} | trace=~"t." | env="dev""#, "", ""),
            (r#"{app="api"} | trace="" | env!="prod" | logfmt | method="" "#, "", "{app=api,env=dev} 5 nothing"),
            (
                r#"{app="api"} | env="prod" | trace!="t1""#,
                "",
                "{app=api,env=prod,trace=t2} 2 method=GET duration=5ms size=30KB",
            ),
        ],
    )
}
