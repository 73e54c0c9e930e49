//! Selectors, the range, the limit, the direction, the interval.

use super::{Suite, suite};

pub(super) fn suites() -> Vec<Suite> {
    vec![selectors(), intervals(), spread(), instants()]
}

fn selectors() -> Suite {
    let mysql = "{app=mysql,name=mysql-backup} 1 one";
    let other = "{app=mysql,name=mysql-7} 2 two";
    let rest = "{app=cassandra} 3 three";
    let both = format!("{other}\n{mysql}");
    suite(
        "selectors",
        r#"
        {app="mysql",name="mysql-backup"} 1 one
        {app="mysql",name="mysql-7"} 2 two
        {app="cassandra"} 3 three
        "#,
        &[
            (r#"{app="mysql",name="mysql-backup"}"#, "", mysql),
            (r#"{ app = "mysql" , name = "mysql-backup" }"#, "", mysql),
            ("{app=`mysql`,name=`mysql-backup`,}", "", mysql),
            ("{\n  app=\"mysql\", # which\n  name=\"mysql-backup\"\n}", "", mysql),
            (r#"{name =~ "mysql.+"}"#, "", &both),
            (r#"{name=~"mysql"}"#, "", ""),
            (r#"{name=~".*sql.*"}"#, "", &both),
            (r#"{name=~"mysql-(backup|restore)"}"#, "", mysql),
            (r"{name=~`mysql-\d+`}", "", other),
            (r"{app=~`.+`, name !~ `mysql-\d+`}", "", &format!("{rest}\n{mysql}")),
            (r#"{app!="mysql",app=~".+"}"#, "", rest),
            (r#"{app="mysql",name!="mysql-7"}"#, "", mysql),
            (r#"{app="mysql",name!~".*7|.*8"}"#, "", mysql),
            (r#"{app="mysql",missing=""}"#, "", &both),
            (r#"{app="mysql",missing!=""}"#, "", ""),
            (r#"{app=~".+",name=""}"#, "", rest),
            (r#"{app=~".+",name=~"|mysql-7"}"#, "", &format!("{rest}\n{other}")),
            (r#"{app=~".+",name!=""}"#, "", &both),
            (r#"{app="MYSQL"}"#, "", ""),
            (r#"{app=~"(?i)MYSQL",name="mysql-7"}"#, "", other),
            (r#"{app="mysql",app="cassandra"}"#, "", ""),
            (r#"{app="my\x73ql",name="mysql-7"}"#, "", other),
            (r#"(({app="cassandra"}))"#, "", rest),
            (r#"({app="cassandra"} |= "three")"#, "", rest),
        ],
    )
}

fn intervals() -> Suite {
    let records: String = (0..20).map(|second| format!("{{a=\"{}\"}} {second} line {second}\n", second % 2)).collect();
    let want = |seconds: &[i32]| {
        let of = |stream: i32| seconds.iter().filter(move |second| **second % 2 == stream);
        let lines = [0, 1].map(|stream| {
            of(stream).map(|second| format!("{{a={stream}}} {second} line {second}\n")).collect::<String>()
        });
        lines.concat()
    };
    suite(
        "lines at intervals",
        &records,
        &[
            (r#"{a=~".+"}"#, "0..20 forward interval 5s", &want(&[0, 5, 10, 15])),
            (r#"{a=~".+"}"#, "0..20 interval 5s", &want(&[14, 4, 19, 9])),
            (r#"{a=~".+"}"#, "1..20 forward interval 5s", &want(&[6, 16, 1, 11])),
            (r#"{a=~".+"}"#, "0..20 forward interval 1s limit 3", &want(&[0, 2, 1])),
            (r#"{a=~".+"}"#, "0..20 forward interval 1500ms limit 3", &want(&[0, 2, 4])),
            (r#"{a=~".+"}"#, "0..20 forward interval 1m", &want(&[0])),
            (r#"{a=~".+"}"#, "0..20 interval 1m", &want(&[19])),
            (r#"{a=~".+"}"#, "0..4 forward interval 0s", &want(&[0, 2, 1, 3])),
            (r#"{a="1"}"#, "0..20 forward interval 3s", &want(&[1, 5, 9, 13, 17])),
            (r#"{a=~".+"} |~ "[37]$""#, "0..20 forward interval 5s", &want(&[3, 13])),
            (r#"{a=~".+"} | line_format `{{__line__}}`"#, "0..20 forward interval 9s", &want(&[0, 18, 9])),
            (r#"sum(count_over_time({a=~".+"}[10s]))"#, "9..19 step 10s interval 5s", "{} 9:10 19:10"),
        ],
    )
}

/// Lines that are not evenly spread: each is at least the interval behind the one before.
fn spread() -> Suite {
    suite(
        "lines at intervals, not evenly spread",
        "
        {a=\"1\"} 5 five
        {a=\"1\"} 12 twelve
        {a=\"1\"} 16 sixteen
        {a=\"1\"} 16 sixteen again
        {a=\"1\"} 40 forty
        {a=\"1\"} 41 more
        ",
        &[
            (r#"{a="1"}"#, "forward interval 10s", "{a=1} 5 five\n{a=1} 16 sixteen\n{a=1} 40 forty"),
            (r#"{a="1"}"#, "interval 10s", "{a=1} 41 more\n{a=1} 16 sixteen again\n{a=1} 5 five"),
            (r#"{a="1"}"#, "interval 10s limit 2", "{a=1} 41 more\n{a=1} 16 sixteen again"),
            (r#"{a="1"}"#, "forward interval 7s", "{a=1} 5 five\n{a=1} 12 twelve\n{a=1} 40 forty"),
        ],
    )
}

fn instants() -> Suite {
    let refused = "error: log queries are not supported as an instant query type, please change your query to a range query type (query_range)";
    suite(
        "ranges, limits, directions",
        r#"
        {a="1"} 10 one
        {a="1"} 10.5 half
        {a="1"} 11 two
        {a="2"} 11 other
        {a="1"} 11.999999 late
        "#,
        &[
            (r#"{a="1"}"#, "10..11", "{a=1} 10.5 half\n{a=1} 10 one"),
            (r#"{a="1"}"#, "10..11 forward", "{a=1} 10 one\n{a=1} 10.5 half"),
            (r#"{a="1"}"#, "10.5..11.5", "{a=1} 11 two\n{a=1} 10.5 half"),
            (r#"{a="1"}"#, "11..12 limit 1", "{a=1} 11.999999 late"),
            (r#"{a="1"}"#, "11..12 limit 1 forward", "{a=1} 11 two"),
            (r#"{a=~"."}"#, "11..11.5", "{a=1} 11 two\n{a=2} 11 other"),
            (r#"{a=~"."}"#, "11..11.5 limit 1", "{a=2} 11 other"),
            (r#"{a=~"."} |= "o" | line_format `{{.a}}`"#, "limit 2", "{a=1} 11 1\n{a=2} 11 2"),
            (r#"{a="1"}"#, "at 11", refused),
            (r#"{a="1"} | json"#, "at 11", refused),
        ],
    )
}
