//! Selectors, line filters, limits, directions, duplicates.

use crate::check::check;

const WEB: &str = r#"
{app="web",env="prod"} 1 GET /index 200
{app="web",env="prod"} 2 GET /login 500 error
{app="web",env="dev"} 3 POST /login 302
{app="db"} 4 slow query: 12s
{app="db"} 5 Error: timeout
{app="web",env="prod"} 6 a.c literal "quoted"
{app="web",env="prod"} 7 abc literal \d
"#;

#[test]
fn selectors_match_labels() {
    let all = r#"{app=db} 5 Error: timeout
        {app=db} 4 slow query: 12s
        {app=web,env=dev} 3 POST /login 302
        {app=web,env=prod} 7 abc literal \d
        {app=web,env=prod} 6 a.c literal "quoted"
        {app=web,env=prod} 2 GET /login 500 error
        {app=web,env=prod} 1 GET /index 200"#;
    let db = "{app=db} 5 Error: timeout\n{app=db} 4 slow query: 12s";
    let dev = "{app=web,env=dev} 3 POST /login 302";
    check(
        WEB,
        &[
            (r#"{app="db"}"#, "", db),
            (r#"{ app = "db" , }"#, "", db),
            (r#"{app=~".+"}"#, "", all),
            (r#"{app=~"db|cache"}"#, "", db),
            (r#"{app=~"d"}"#, "", ""),
            (r#"{app=~"d."}"#, "", db),
            (r#"{app=~"(?i)DB"}"#, "", db),
            (r#"{app!="web",app=~".+"}"#, "", db),
            (r#"{app!~"w.*",app!=""}"#, "", db),
            (r#"{app=~".+",env=""}"#, "", db),
            (r#"{app=~".+",env!="prod"}"#, "", &[db, dev].join("\n")),
            (r#"{app=~".+",env!~"prod|"}"#, "", dev),
            (r#"{app="web",env=~"dev|"}"#, "", dev),
            (r#"{env!=""}"#, "", &all.lines().skip(2).collect::<Vec<_>>().join("\n")),
            (r#"{app="web",app="db"}"#, "", ""),
            (r#"{nothing="here"}"#, "", ""),
            (r#"({app="db"})"#, "", db),
            ("{app=`db`} # a comment\n", "", db),
            ("# first\n{app=\"db\"}", "", db),
        ],
    );
}

#[test]
fn line_filters_look_into_lines() {
    let login_500 = "{app=web,env=prod} 2 GET /login 500 error";
    let login_302 = "{app=web,env=dev} 3 POST /login 302";
    let index = "{app=web,env=prod} 1 GET /index 200";
    let literal = "{app=web,env=prod} 6 a.c literal \"quoted\"";
    let abc = "{app=web,env=prod} 7 abc literal \\d";
    let web = r#"{app="web"}"#;
    let lines = |lines: &[&str]| lines.join("\n");
    let query = |rest: &str| format!("{web} {rest}");
    check(
        WEB,
        &[
            (&query(r#"|= "login""#), "", &lines(&[login_302, login_500])),
            (&query(r#"|="login""#), "", &lines(&[login_302, login_500])),
            (&query(r#"|= "LOGIN""#), "", ""),
            (&query(r#"|= "login" |= "error""#), "", login_500),
            (&query(r#"|= "login" != "error""#), "", login_302),
            (&query(r#"!= "login" != "literal""#), "", index),
            (&query(r#"|= "error" or "302""#), "", &lines(&[login_302, login_500])),
            (&query(r#"!= "login" or "literal""#), "", index),
            (&query(r#"|= "/index" or "500" or "302" != "POST""#), "", &lines(&[login_500, index])),
            (&query(r#"|= "a.c""#), "", literal),
            (&query(r#"|~ "a.c""#), "", &lines(&[abc, literal])),
            (&query(r#"|~ "^a.c""#), "", &lines(&[abc, literal])),
            (&query(r#"|~ "^b""#), "", ""),
            (&query(r#"|~ "login.*error$""#), "", login_500),
            (&query(r#"|~ "\\s\\d{3}$""#), "", &lines(&[login_302, index])),
            (&query(r"|~ `\s\d{3}$`"), "", &lines(&[login_302, index])),
            (&query(r#"|~ "(?i)get""#), "", &lines(&[login_500, index])),
            (&query(r#"!~ "login|literal""#), "", index),
            (&query(r#"!~ "login" or "literal""#), "", index),
            (&query(r#"|~ "index" or "302$""#), "", &lines(&[login_302, index])),
            (&query(r#"|= "\"quoted\"""#), "", literal),
            (&query(r#"|= `"quoted"`"#), "", literal),
            (&query(r#"|= "\\d""#), "", abc),
            (&query(r"|= `\d`"), "", abc),
            (&query(r#"|= "\u0061bc""#), "", abc),
            (&query(r#"|= "\x61bc""#), "", abc),
            (&query(r#"|= "\141bc""#), "", abc),
            (&query(r#"|= "" |= "500""#), "", login_500),
            (&query(r#"|~ "" |= "500""#), "", login_500),
            (&query(r#"|~ ".*" |= "500""#), "", login_500),
            (&query(r#"!= """#), "", ""),
            (&query(r#"!~ """#), "", ""),
            (&query(r#"|= "200POST""#), "", ""),
            (&query(r#"|= "errorPOST" or "literal \\""#), "", abc),
        ],
    );
}

/// The lines lie one behind the other without separators: what spans two lines must not be found, and what follows such
/// a place must.
const BORDERS: &str = "
{s=\"1\"} 1 ab
{s=\"1\"} 2 cabc
{s=\"1\"} 3
{s=\"1\"} 4 abab
{s=\"1\"} 5 a
{s=\"1\"} 6 abc
{s=\"1\"} 7
{s=\"2\"} 8 c
";

#[test]
fn finds_across_the_border_of_two_lines_are_none() {
    check(
        BORDERS,
        &[
            (r#"{s="1"} |= "abc""#, "forward", "{s=1} 2 cabc\n{s=1} 6 abc"),
            (r#"{s="1"} |= "abca""#, "forward", ""),
            (r#"{s="1"} |= "aa""#, "forward", ""),
            (r#"{s="1"} |= "aab" or "bc""#, "forward", "{s=1} 2 cabc\n{s=1} 6 abc"),
            (r#"{s="1"} |~ "b$""#, "forward", "{s=1} 1 ab\n{s=1} 4 abab"),
            (r#"{s="1"} |~ "^c""#, "forward", "{s=1} 2 cabc"),
            (r#"{s="1"} |~ "ab.*c""#, "forward", "{s=1} 2 cabc\n{s=1} 6 abc"),
            (r#"{s="1"} != "a""#, "forward", "{s=1} 3\n{s=1} 7"),
            (r#"{s="1"} |~ "^$""#, "forward", "{s=1} 3\n{s=1} 7"),
            (r#"{s=~".+"} |= "c""#, "forward", "{s=1} 2 cabc\n{s=1} 6 abc\n{s=2} 8 c"),
            (r#"{s=~".+"} |= "abcc""#, "forward", ""),
        ],
    );
}

const TIMES: &str = r#"
{a="1"} 10 one
{b="1"} 10 uno
{a="1"} 20 two
{b="1"} 20 due
{a="1"} 30 three
"#;

#[test]
fn ranges_limits_and_directions() {
    check(
        TIMES,
        &[
            (r#"{a="1"}"#, "10..30", "{a=1} 20 two\n{a=1} 10 one"),
            (r#"{a="1"}"#, "10..30 forward", "{a=1} 10 one\n{a=1} 20 two"),
            (r#"{a="1"}"#, "10.000000001..30.000000001", "{a=1} 30 three\n{a=1} 20 two"),
            (r#"{a="1"}"#, "10..10", ""),
            (r#"{a="1"}"#, "limit 1", "{a=1} 30 three"),
            (r#"{a="1"}"#, "limit 2", "{a=1} 30 three\n{a=1} 20 two"),
            (r#"{a="1"}"#, "limit 1 forward", "{a=1} 10 one"),
            (r#"{a="1"}"#, "limit 0", ""),
            (r#"{a="1"}"#, "limit 5000", "{a=1} 30 three\n{a=1} 20 two\n{a=1} 10 one"),
        ],
    );
    // The limit counts lines of all streams together; at one instant the labels decide.
    let both = TIMES.replace("{a", "{k=\"v\",a").replace("{b", "{k=\"v\",b");
    check(
        &both,
        &[
            (r#"{k="v"}"#, "limit 2", "{a=1,k=v} 30 three\n{b=1,k=v} 20 due"),
            (r#"{k="v"}"#, "limit 3", "{a=1,k=v} 30 three\n{a=1,k=v} 20 two\n{b=1,k=v} 20 due"),
            (r#"{k="v"}"#, "limit 1 forward", "{a=1,k=v} 10 one"),
            (r#"{k="v"}"#, "limit 3 forward", "{a=1,k=v} 10 one\n{a=1,k=v} 20 two\n{b=1,k=v} 10 uno"),
            (r#"{k="v"} |= "u""#, "limit 2", "{b=1,k=v} 20 due\n{b=1,k=v} 10 uno"),
        ],
    );
}

#[test]
fn entries_equal_in_stream_instant_and_line_are_shown_once() {
    let records = r#"
        {a="1"} 10 same
        {a="1"} 10 same
        {a="2"} 10 same
        {a="1"} 11 same
        {a="1"} 11 other
        {a="1"} 11 same
    "#;
    check(
        records,
        &[
            (r#"{a=~".+"}"#, "forward", "{a=1} 10 same\n{a=1} 11 same\n{a=1} 11 other\n{a=2} 10 same"),
            (r#"{a="1"}"#, "limit 2", "{a=1} 11 same\n{a=1} 11 other"),
            (r#"{a="1"}"#, "limit 2 forward", "{a=1} 10 same\n{a=1} 11 same"),
            (r#"{a="1"}"#, "limit 3", "{a=1} 11 same\n{a=1} 11 other\n{a=1} 10 same"),
        ],
    );
}

#[test]
fn lines_of_one_instant_stay_in_the_order_in_which_they_came() {
    let records = "
        {a=\"1\"} 5 z panic
        {a=\"1\"} 5 y at main
        {a=\"1\"} 5 x at exit
    ";
    check(
        records,
        &[
            (r#"{a="1"}"#, "forward", "{a=1} 5 z panic\n{a=1} 5 y at main\n{a=1} 5 x at exit"),
            (r#"{a="1"}"#, "", "{a=1} 5 x at exit\n{a=1} 5 y at main\n{a=1} 5 z panic"),
            (r#"{a="1"}"#, "forward limit 2", "{a=1} 5 z panic\n{a=1} 5 y at main"),
            (r#"{a="1"}"#, "limit 1", "{a=1} 5 x at exit"),
        ],
    );
}

#[test]
fn metadata_joins_the_labels() {
    let records = r#"
        {app="web"} 1 [trace="abc",user="eve"] one
        {app="web"} 2 [trace="abd"] two
        {app="web"} 3 three
        {app="web"} 4 [app="shadow"] four
        {app="web"} 5 [app="shadow",app_extracted="first"] five
    "#;
    check(
        records,
        &[
            (r#"{app="web"} | trace="abc""#, "", "{app=web,trace=abc,user=eve} 1 one"),
            (r#"{app="web"} | trace=~"ab." | user="""#, "", "{app=web,trace=abd} 2 two"),
            (r#"{app="web"} | trace="" | app_extracted="""#, "", "{app=web} 3 three"),
            (r#"{app="web"} | app="shadow""#, "", ""),
            (
                r#"{app="web"} | app_extracted="shadow""#,
                "",
                "{app=web,app_extracted=shadow} 5 five\n{app=web,app_extracted=shadow} 4 four",
            ),
            (r#"{trace="abc"}"#, "", ""),
        ],
    );
}

#[test]
fn any_text_goes_through_unchanged() {
    let records = "
        {a=\"1\"} 1 ünïcode ☃ 日本
        {a=\"1\"} 2 a⏎b
        {a=\"1\"} 3 tab\there \"and\" \\back
    ";
    check(
        records,
        &[
            (r#"{a="1"} |= "☃""#, "", "{a=1} 1 ünïcode ☃ 日本"),
            (r#"{a="1"} |~ "日.$""#, "", "{a=1} 1 ünïcode ☃ 日本"),
            (r#"{a="1"} |~ "a.b""#, "", "{a=1} 2 a⏎b"),
            (r#"{a="1"} |= "a\nb""#, "", "{a=1} 2 a⏎b"),
            (r#"{a="1"} |= "\t""#, "", "{a=1} 3 tab\there \"and\" \\back"),
        ],
    );
}
