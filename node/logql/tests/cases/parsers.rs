//! `| json`, `| logfmt`, label filters, and what becomes of lines that do not parse.

use crate::check::check;

const JSON: &str = r#"
{app="web"} 1 {"status":200,"level":"info","req":{"path":"/a b","size":"10KB","took":"1.5s"},"tags":["x",{"y":1}],"ok":true}
{app="web"} 2 {"status":500,"level":"error","msg":"a \"b\" \u00e9\n","app":"inner","ok":false,"none":null}
{app="web"} 3 not json
{app="web"} 4 {"status":"abc","9x":1,"a.b":{"c-d":2},"app":"first","app":"second"}
{app="web"} 5 {}
"#;

#[test]
fn json_gives_labels() {
    let first = r#"{app=web,level=info,ok=true,req_path=/a b,req_size=10KB,req_took=1.5s,status=200} 1 {"status":200,"level":"info","req":{"path":"/a b","size":"10KB","took":"1.5s"},"tags":["x",{"y":1}],"ok":true}"#;
    let fifth = "{app=web} 5 {}";
    let fourth = r#"{_9x=1,a_b_c_d=2,app=web,app_extracted=first,status=abc} 4 {"status":"abc","9x":1,"a.b":{"c-d":2},"app":"first","app":"second"}"#;
    let broken = "{__error__=JSONParserErr,__error_details__=Value looks like object, but can't find closing '}' symbol,app=web} 3 not json";
    check(
        JSON,
        &[
            (r#"{app="web"} | json | level="info""#, "", first),
            (r#"{app="web"} | json | req_path="/a b""#, "", first),
            (r#"{app="web"} | json | ok="true""#, "", first),
            (r#"{app="web"} | json | _9x="1""#, "", fourth),
            (r#"{app="web"} | json | a_b_c_d=2 | __error__="""#, "", fourth),
            (r#"{app="web"} | json | app_extracted="first""#, "", fourth),
            (r#"{app="web"} | json | app_extracted="second""#, "", ""),
            (r#"{app="web"} | json | app="inner""#, "", ""),
            (r#"{app="web"} | json | __error__!="""#, "", broken),
            (r#"{app="web"} | json | __error__="JSONParserErr""#, "", broken),
            (r#"{app="web"} | json | __error_details__=~"Value looks like object.*""#, "", broken),
            (r#"{app="web"} | json | level="",status="",__error__="""#, "", fifth),
            (r#"{app="web"} | json | tags!="""#, "", ""),
            (r#"{app="web"} | json | tags_y!="""#, "", ""),
            (r#"{app="web"} |= "{}" | json"#, "", fifth),
            (r#"{app="web"} | json |= "{}""#, "", fifth),
            (r#"{app="web"} | json | json |= "{}""#, "", fifth),
        ],
    );
}

#[test]
fn json_escapes_and_empty_values() {
    let records = r#"
        {a="1"} 1 {"s":"q\" b\\ s\/ \t \u0041 \u00e9 \ud83d\ude00 \ud83d","empty":"","none":null}
    "#;
    let query = |filter: &str| format!("{{a=\"1\"}} | json | {filter}");
    let found = "{a=1,empty=,none=,s=q\" b\\ s/ \t A é 😀 \u{FFFD}} 1 {\"s\":\"q\\\" b\\\\ s\\/ \\t \\u0041 \\u00e9 \\ud83d\\ude00 \\ud83d\",\"empty\":\"\",\"none\":null}";
    check(
        records,
        &[
            (&query("s=\"q\\\" b\\\\ s/ \\t A é 😀 \u{FFFD}\""), "", found),
            (&query(r#"empty="""#), "", found),
            (&query(r#"empty!="""#), "", ""),
            (&query(r#"none="""#), "", found),
        ],
    );
}

#[test]
fn json_is_checked_up_to_the_end_of_its_object() {
    let broken = [
        "{",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1",
        "{\"a\":1,",
        "{\"a\":1,}",
        "{\"a\" 1}",
        "{\"a\":1 \"b\":2}",
        "{a:1}",
        "{\"a\":01}",
        "{\"a\":1.}",
        "{\"a\":-}",
        "{\"a\":1e}",
        "{\"a\":tru}",
        "{\"a\":nulL}",
        "{\"a\":\"\\x\"}",
        "{\"a\":\"\\u12g4\"}",
        "{\"a\":\"x}",
        "{\"a\":[1,2}",
        "{\"a\":[1,]}",
        "[1]",
        "\"a\"",
        "1",
        "",
    ];
    for line in broken {
        let record = format!("{{x=\"1\"}} 1 {line}");
        let query = "count_over_time({x=\"1\"} | json | __error_details__!=\"\" [5s])";
        let found = crate::check::answer(query, "at 2", &crate::check::read_records(&record));
        assert!(
            found.as_ref().is_err_and(|error| error.starts_with("pipeline error: 'JSONParserErr'")),
            "{line}: {found:?}"
        );
    }
    let sound = [
        "{}",
        " { } ",
        "{\"a\":1}",
        "{\"a\":[]}",
        "{\"a\":{}}",
        "{\"a\":[[{\"b\":[1,\"]\"]}]]}",
        "{\"a\":-0.5e+10}",
        "\t{\"a\":\"\"}",
        // What follows the object is not looked at.
        "{\"a\":1} x",
        "{\"a\":1}}",
        "{\"a\":1}{\"b",
    ];
    for line in sound {
        let record = format!("{{x=\"1\"}} 1 {line}");
        let query = "count_over_time({x=\"1\"} | json [5s])";
        let found = crate::check::answer(query, "at 2", &crate::check::read_records(&record));
        assert!(found.is_ok(), "{line}: {found:?}");
    }
    let deep = format!("{}{}{}", "{\"a\":".repeat(101), 1, "}".repeat(101));
    let many: String = (0..513).map(|at| format!("\"k{at}\":1,")).collect();
    let many = format!("{{{}\"z\":1}}", many);
    for (line, details) in [(deep, "deeper than 100"), (many, "more than 512 fields")] {
        let record = format!("{{x=\"1\"}} 1 {line}");
        let query = "{x=\"1\"} | json | __error__=\"JSONParserErr\"";
        let found = crate::check::answer(query, "", &crate::check::read_records(&record)).unwrap();
        assert!(crate::check::short(&found).contains(details));
    }
}

const LOGFMT: &str = r#"
{app="api"} 1 at=info method=GET path=/ host=grafana.net fwd="124.133.124.161" service=8ms status=200
{app="api"} 2 level=warn msg="two words \"quoted\"\n" bare empty= status=404 foo=bar=buzz fo"o=bar =novalue dur=1m30s
{app="api"} 3 no pairs at all
{app="api"} 4 app=inner k.e-y=v status=500 status=501 size=1.5MiB "stray" last=x
{app="api"} 5 open="never closed
"#;

#[test]
fn logfmt_gives_labels() {
    let first = "{app=api,at=info,fwd=124.133.124.161,host=grafana.net,method=GET,path=/,service=8ms,status=200} 1 at=info method=GET path=/ host=grafana.net fwd=\"124.133.124.161\" service=8ms status=200";
    let second = r#"{app=api,dur=1m30s,level=warn,msg=two words "quoted"⏎,status=404} 2 level=warn msg="two words \"quoted\"\n" bare empty= status=404 foo=bar=buzz fo"o=bar =novalue dur=1m30s"#.replace('⏎', "\n");
    let third = "{app=api} 3 no pairs at all";
    let fourth = r#"{app=api,app_extracted=inner,k_e_y=v,last=x,size=1.5MiB,status=500} 4 app=inner k.e-y=v status=500 status=501 size=1.5MiB "stray" last=x"#;
    let fifth = "{app=api} 5 open=\"never closed";
    check(
        LOGFMT,
        &[
            (r#"{app="api"} | logfmt | method="GET""#, "", first),
            (r#"{app="api"} | logfmt | service<10ms"#, "", first),
            (r#"{app="api"} | logfmt | fwd=~"124.*""#, "", first),
            (r#"{app="api"} | logfmt | k_e_y="v""#, "", fourth),
            (r#"{app="api"} | logfmt | app_extracted="inner""#, "", fourth),
            (r#"{app="api"} | logfmt | status=501"#, "", ""),
            (r#"{app="api"} | logfmt | size>1MiB"#, "", fourth),
            (r#"{app="api"} | logfmt | bare!="""#, "", ""),
            (r#"{app="api"} | logfmt | foo!="""#, "", ""),
            (r#"{app="api"} | logfmt | status="""#, "forward", &[third, fifth].join("\n")),
            (r#"{app="api"} | logfmt | __error__!="""#, "", ""),
            (r#"{app="api"} | logfmt | open!="""#, "", ""),
        ],
    );
    let found =
        crate::check::answer("{app=\"api\"} | logfmt | level=\"warn\"", "", &crate::check::read_records(LOGFMT));
    assert_eq!(crate::check::short(&found.unwrap()).trim_end(), second);
}

const VALUES: &str = r#"
{a="1"} 1 n=5 d=100ms b=1KB s=x
{a="1"} 2 n=-2.5 d=2h b=1KiB s=y
{a="1"} 3 n=1e3 d=1m30s b=20 s=z
{a="1"} 4 n=oops d=10 b=big s=w
{a="1"} 5 other=1
{a="1"} 6 n=NaN d=-5s b=3GB s=v
"#;

/// Runs a filter over [`VALUES`] and names the records that pass by their seconds, those with an error with a `!`.
fn passing(filter: &str) -> String {
    let query = format!("{{a=\"1\"}} | logfmt | {filter}");
    let found = crate::check::answer(&query, "forward", &crate::check::read_records(VALUES)).unwrap();
    let mut passing: Vec<String> = Vec::new();
    for line in crate::check::short(&found).lines() {
        let (labels, rest) = line.split_once("} ").unwrap();
        let error = if labels.contains("__error__=LabelFilterErr") { "!" } else { "" };
        passing.push(format!("{}{error}", rest.split_once(' ').unwrap().0));
    }
    passing.sort();
    passing.join(" ")
}

#[test]
fn label_filters_compare_by_kind() {
    let cases = [
        // A value that does not read sets an error and passes; an absent label never passes.
        ("n > 0", "1 3 4!"),
        ("n >= 5", "1 3 4!"),
        ("n < 5", "2 4!"),
        ("n <= 5", "1 2 4!"),
        ("n == 5", "1 4!"),
        ("n = 5", "1 4!"),
        ("n != 5", "2 3 4! 6"),
        ("n = 1000", "3 4!"),
        ("n = -2.5", "2 4!"),
        ("n > -3", "1 2 3 4!"),
        ("n > +4", "1 3 4!"),
        ("n = 5.0", "1 4!"),
        ("n = .5e1", "1 4!"),
        ("d > 1m", "2 3 4!"),
        ("d >= 1m30s", "2 3 4!"),
        ("d = 90s", "3 4!"),
        ("d < 1s", "1 4! 6"),
        ("d < -1s", "4! 6"),
        ("d != 0.1s", "2 3 4! 6"),
        ("d > 1d", "4!"),
        ("b > 1000B", "2 4! 6"),
        ("b >= 1KB", "1 2 4! 6"),
        ("b = 1024B", "2 4!"),
        ("b = 20B", "3 4!"),
        ("b < 1kib", "1 3 4!"),
        ("b > 2.5GB", "4! 6"),
        // A number compares numbers, not sizes.
        ("b = 20", "1! 2! 3 4! 6!"),
        ("s = \"x\"", "1"),
        ("s != \"x\"", "2 3 4 5 6"),
        ("s =~ \"x|y\"", "1 2"),
        ("s =~ \".\"", "1 2 3 4 6"),
        ("s !~ \"x|y\"", "3 4 5 6"),
        ("s = ``", "5"),
        ("n = \"5\"", "1"),
        ("a = \"1\"", "1 2 3 4 5 6"),
        ("a = 1", "1 2 3 4 5 6"),
        ("a > 1", ""),
    ];
    for (filter, wanted) in cases {
        assert_eq!(passing(filter), wanted, "{filter}");
    }
}

#[test]
fn label_filters_join_from_left_to_right() {
    let cases = [
        ("s=\"x\" or s=\"y\"", "1 2"),
        ("s=\"x\" and n=5", "1"),
        ("s=\"x\", n=5", "1"),
        ("s=\"x\" n=5", "1"),
        ("s=\"x\" | n=5", "1"),
        ("s=\"x\" and n=6", ""),
        ("(s=\"x\")", "1"),
        ("s=\"x\" or s=\"y\" and n=5", "1"),
        ("s=\"x\" or (s=\"y\" and n=5)", "1"),
        ("s=\"y\" or s=\"x\" and n=5", "1"),
        ("(s=\"y\" or s=\"x\") and n=5", "1"),
        ("s=\"y\" or (s=\"x\" and n=5)", "1 2"),
        ("s=\"y\" and n=-2.5 or s=\"z\"", "2 3"),
        ("((s=\"y\") and ((n=-2.5)) or s=\"z\")", "2 3"),
        // The right is not looked at where the left decides, so it sets no error.
        ("s=\"w\" or n>5", "3 4"),
        ("n>5 or s=\"w\"", "3 4!"),
        ("s=\"x\" and n>100", ""),
        // Lines with an error pass comparisons; only a test of text drops them.
        ("n>100 | d>5h", "4!"),
        ("n>100 | __error__=\"\"", "3"),
        ("n>100 | __error__!=\"LabelFilterErr\"", "3"),
        ("n>100 | __error__=~\".+\"", "4!"),
        ("n>100 | s=\"w\"", "4!"),
        ("n>100 | s!=\"w\"", "3"),
    ];
    for (filter, wanted) in cases {
        assert_eq!(passing(filter), wanted, "{filter}");
    }
}

#[test]
fn kinds_of_labels_clash_in_the_order_of_precedence() {
    let records = r#"
        {app="stream"} 1 [app="meta",user="meta",app_extracted="meta2"] {"app":"parsed","user":"parsed","own":"parsed"}
        {app="stream"} 2 [level="meta"] level=parsed app=parsed __error__=forged __error_details__=forged
    "#;
    let first = r#"{app=stream,app_extracted=meta,own=parsed,user=meta,user_extracted=parsed} 1 {"app":"parsed","user":"parsed","own":"parsed"}"#;
    let second = "{app=stream,app_extracted=parsed,level=meta,level_extracted=parsed} 2 level=parsed app=parsed __error__=forged __error_details__=forged";
    check(
        records,
        &[
            (r#"{app="stream"} | json | own="parsed""#, "", first),
            (r#"{app="stream"} | json | user_extracted="parsed""#, "", first),
            (r#"{app="stream"} | json | app_extracted="meta""#, "", first),
            (r#"{app="stream"} | json | user="parsed""#, "", ""),
            (r#"{app="stream"} | logfmt | level_extracted="parsed""#, "", second),
            (r#"{app="stream"} | logfmt | __error__="" | level="meta""#, "", second),
            (r#"{app="stream"} | logfmt | app_extracted="parsed""#, "", second),
        ],
    );
}
