//! Range functions, vector aggregations, operators with numbers.

use crate::check::{answer, check, read_records};
use crate::metric::groups;

const WEB: &str = r#"
{app="web",zone="a"} 1 0123456789
{app="web",zone="a"} 10 0123456789
{app="web",zone="a"} 11 01234
{app="web",zone="b"} 12 error
{app="web",zone="b"} 30
{app="db",zone="a"} 20 error: 12
{app="db",zone="a"} 21.5 ok
"#;

#[test]
fn a_range_covers_what_lies_behind_its_start_up_to_its_end() {
    let count = |at: &str| format!("{{app=web,zone=a}} {at}");
    check(
        WEB,
        &[
            (r#"count_over_time({app="web",zone="a"}[10s])"#, "at 11", &count("2")),
            (r#"count_over_time({app="web",zone="a"}[10s])"#, "at 10.999999999", &count("2")),
            (r#"count_over_time({app="web",zone="a"}[10s])"#, "at 10", &count("2")),
            (r#"count_over_time({app="web",zone="a"}[9s])"#, "at 10", &count("1")),
            (r#"count_over_time({app="web",zone="a"}[1s])"#, "at 9.999999999", ""),
            (r#"count_over_time({app="web",zone="a"}[1s])"#, "at 10", &count("1")),
            (r#"count_over_time({app="web",zone="a"}[1s])"#, "at 11", &count("1")),
            (r#"count_over_time({app="web",zone="a"}[1s1ns])"#, "at 11", &count("2")),
            (r#"count_over_time({app="web",zone="a"}[1s])"#, "at 12", ""),
            (r#"count_over_time({app="web",zone="a"}[1ns])"#, "at 1", &count("1")),
            (r#"count_over_time({app="web",zone="a"}[1y])"#, "at 100", &count("3")),
            (r#"count_over_time({app="web",zone="a"}[10s] offset 5s)"#, "at 16", &count("2")),
            (r#"count_over_time({app="web",zone="a"}[10s] offset 5s)"#, "at 15", &count("2")),
            (r#"count_over_time({app="web",zone="a"}[5s] offset 1h)"#, "at 3601", &count("1")),
            (r#"count_over_time({app="web",zone="a"}[5s] offset -5s)"#, "at 6", &count("2")),
            (r#"count_over_time({app="web",zone="a"}[2s] offset 0s)"#, "at 11", &count("2")),
            (r#"count_over_time({app="nothing"}[5m])"#, "at 100", ""),
        ],
    );
}

#[test]
fn range_functions_count_lines_and_bytes() {
    check(
        WEB,
        &[
            (r#"count_over_time({app="web"}[40s])"#, "at 40", "{app=web,zone=a} 3\n{app=web,zone=b} 2"),
            (r#"rate({app="web"}[40s])"#, "at 40", "{app=web,zone=a} 0.075\n{app=web,zone=b} 0.05"),
            (r#"bytes_over_time({app="web"}[40s])"#, "at 40", "{app=web,zone=a} 25\n{app=web,zone=b} 5"),
            (r#"bytes_rate({app="web"}[40s])"#, "at 40", "{app=web,zone=a} 0.625\n{app=web,zone=b} 0.125"),
            // A line without text is a line.
            (r#"bytes_over_time({app="web"}[5s])"#, "at 30", "{app=web,zone=b} 0"),
            (r#"count_over_time({app="web"}[5s])"#, "at 30", "{app=web,zone=b} 1"),
            (r#"count_over_time({app=~".+"} |= "error" [1m])"#, "at 60", "{app=db,zone=a} 1\n{app=web,zone=b} 1"),
            (r#"bytes_over_time({app=~".+"} |= "error" [1m])"#, "at 60", "{app=db,zone=a} 9\n{app=web,zone=b} 5"),
            (r#"count_over_time({app=~".+"} != "0" [1m])"#, "at 60", "{app=db,zone=a} 2\n{app=web,zone=b} 2"),
            (r#"rate({app="db"} |~ "^ok$" [500ms])"#, "at 21.5", "{app=db,zone=a} 2"),
            // The range may stand behind the selector, and the whole in parentheses.
            (r#"count_over_time({app=~".+"}[1m] |= "error")"#, "at 60", "{app=db,zone=a} 1\n{app=web,zone=b} 1"),
            (r#"count_over_time({app="db"}[1m] offset 1s |= "error")"#, "at 61", "{app=db,zone=a} 1"),
            (r#"count_over_time(({app="db"} |= "error")[1m])"#, "at 60", "{app=db,zone=a} 1"),
            (r#"count_over_time((({app="db"} |= "error" [1m])))"#, "at 60", "{app=db,zone=a} 1"),
            (r#"count_over_time(({app="db"})[1m] offset 2s)"#, "at 60", "{app=db,zone=a} 2"),
        ],
    );
}

#[test]
fn steps_go_from_the_start_as_far_as_the_end() {
    check(
        WEB,
        &[
            (r#"count_over_time({app="web",zone="a"}[10s])"#, "0..30 step 10s", "{app=web,zone=a} 10:2 20:1"),
            (r#"count_over_time({app="web",zone="a"}[10s])"#, "1..29 step 10s", "{app=web,zone=a} 1:1 11:2"),
            (r#"count_over_time({app="web",zone="a"}[1s])"#, "0..12 step 1s", "{app=web,zone=a} 1:1 10:1 11:1"),
            (r#"count_over_time({app="web",zone="a"}[20s])"#, "0..40 step 20s", "{app=web,zone=a} 20:3"),
            (r#"count_over_time({app="web",zone="a"}[5s])"#, "0..30 step 15s", "{app=web,zone=a} 15:1"),
            (r#"count_over_time({app="web",zone="a"}[100s])"#, "5..12 step 4s", "{app=web,zone=a} 5:1 9:1"),
            (r#"count_over_time({app="web",zone="a"}[10s])"#, "11..11 step 1m", "{app=web,zone=a} 11:2"),
            (
                r#"count_over_time({app="web",zone="a"}[2s])"#,
                "10..11.5 step 500ms",
                "{app=web,zone=a} 10:1 10.5:1 11:2 11.5:2",
            ),
            (
                r#"count_over_time({app="web"}[5s] offset 10s)"#,
                "0..50 step 5s",
                "{app=web,zone=a} 15:1 20:1 25:1\n{app=web,zone=b} 25:1 40:1",
            ),
            (r#"sum(count_over_time({app=~".+"}[10s]))"#, "0..40 step 10s", "{} 10:2 20:3 30:2"),
            (r#"sum(rate({app=~".+"}[10s]))"#, "0..40 step 10s", "{} 10:0.2 20:0.3 30:0.2"),
        ],
    );
}

#[test]
fn vector_aggregations_group() {
    check(
        WEB,
        &[
            (r#"sum(count_over_time({app=~".+"}[1m]))"#, "at 60", "{} 7"),
            (r#"sum by (app) (count_over_time({app=~".+"}[1m]))"#, "at 60", "{app=db} 2\n{app=web} 5"),
            (r#"sum(count_over_time({app=~".+"}[1m])) by (app)"#, "at 60", "{app=db} 2\n{app=web} 5"),
            (
                r#"sum by (app,zone) (count_over_time({app=~".+"}[1m]))"#,
                "at 60",
                "{app=db,zone=a} 2\n{app=web,zone=a} 3\n{app=web,zone=b} 2",
            ),
            (r#"sum by (zone) (count_over_time({app=~".+"}[1m]))"#, "at 60", "{zone=a} 5\n{zone=b} 2"),
            (r#"sum without (zone) (count_over_time({app=~".+"}[1m]))"#, "at 60", "{app=db} 2\n{app=web} 5"),
            (r#"sum(count_over_time({app=~".+"}[1m])) without (app)"#, "at 60", "{zone=a} 5\n{zone=b} 2"),
            (r#"sum by (nothing) (count_over_time({app=~".+"}[1m]))"#, "at 60", "{} 7"),
            (r#"sum by () (count_over_time({app=~".+"}[1m]))"#, "at 60", "{} 7"),
            (r#"sum without () (count_over_time({app="db"}[1m]))"#, "at 60", "{app=db,zone=a} 2"),
            (r#"max(count_over_time({app=~".+"}[1m]))"#, "at 60", "{} 3"),
            (r#"min(count_over_time({app=~".+"}[1m]))"#, "at 60", "{} 2"),
            (r#"avg(bytes_over_time({app="web"}[1m]))"#, "at 60", "{} 15"),
            (r#"count(count_over_time({app=~".+"}[1m]))"#, "at 60", "{} 3"),
            (r#"max by (zone) (count_over_time({app=~".+"}[1m]))"#, "at 60", "{zone=a} 3\n{zone=b} 2"),
            (r#"min by (zone) (count_over_time({app=~".+"}[1m]))"#, "at 60", "{zone=a} 2\n{zone=b} 2"),
            (r#"avg by (zone) (count_over_time({app=~".+"}[1m]))"#, "at 60", "{zone=a} 2.5\n{zone=b} 2"),
            (r#"count by (app) (rate({app=~".+"}[1m]))"#, "at 60", "{app=db} 1\n{app=web} 2"),
            (r#"count without (app) (rate({app=~".+"}[1m]))"#, "at 60", "{zone=a} 2\n{zone=b} 1"),
            (r#"max(sum by (app) (count_over_time({app=~".+"}[1m])))"#, "at 60", "{} 5"),
            (r#"sum(max by (app) (count_over_time({app=~".+"}[1m])))"#, "at 60", "{} 5"),
            (
                r#"sum by (app) (sum by (app,zone) (bytes_over_time({app=~".+"}[1m])))"#,
                "at 60",
                "{app=db} 11\n{app=web} 30",
            ),
            (r#"count(count_over_time({app="nothing"}[1m]))"#, "at 60", ""),
            (r#"sum(bytes_rate({app=~".+"} |= "error" [10s])) by (app)"#, "at 20", "{app=db} 0.9\n{app=web} 0.5"),
            (r#"max(count_over_time({app=~".+"}[10s]))"#, "0..40 step 10s", "{} 10:2 20:1 30:1"),
            (r#"avg(count_over_time({app=~".+"}[10s]))"#, "0..40 step 10s", "{} 10:2 20:1 30:1"),
            (r#"count(count_over_time({app=~".+"}[10s]))"#, "0..40 step 10s", "{} 10:1 20:3 30:2"),
        ],
    );
}

#[test]
fn operators_with_numbers() {
    let sum = r#"sum(count_over_time({app=~".+"}[1m]))"#;
    let by_app = r#"sum by (app) (count_over_time({app=~".+"}[1m]))"#;
    check(
        WEB,
        &[
            ("1 + 1", "at 5", "2"),
            ("2 * 3 + 4", "at 5", "10"),
            ("2 + 3 * 4", "at 5", "14"),
            ("(2 + 3) * 4", "at 5", "20"),
            ("2 ^ 3 ^ 2", "at 5", "512"),
            ("(2 ^ 3) ^ 2", "at 5", "64"),
            ("10 - 4 - 3", "at 5", "3"),
            ("10 - (4 - 3)", "at 5", "9"),
            ("7 % 4", "at 5", "3"),
            ("-7 % 4", "at 5", "-3"),
            ("1 / 0", "at 5", "NaN"),
            ("1 % 0", "at 5", "NaN"),
            ("10 ^ 400", "at 5", "+Inf"),
            ("-(10) + 1", "at 5", "error: parse error at line 1, col 2: syntax error: unexpected (, expecting NUMBER"),
            ("-10 + 1", "at 5", "-9"),
            ("1 - -1", "at 5", "2"),
            ("+3", "at 5", "3"),
            ("0.1 + 0.2", "at 5", "0.30000000000000004"),
            ("1e21", "at 5", "1000000000000000000000"),
            ("1 > 2", "at 5", "0"),
            ("2 >= bool 2", "at 5", "1"),
            ("1 + 1 > 1", "at 5", "1"),
            ("2", "0..20 step 10s", "{} 0:2 10:2 20:2"),
            (&format!("{sum} * 2"), "at 60", "{} 14"),
            (&format!("2 * {sum}"), "at 60", "{} 14"),
            (&format!("{sum} / 2 + 1"), "at 60", "{} 4.5"),
            (&format!("14 / {sum}"), "at 60", "{} 2"),
            (&format!("{sum} / 0"), "at 60", "{} NaN"),
            (&format!("{sum} - 10"), "at 60", "{} -3"),
            (&format!("{sum} % 4"), "at 60", "{} 3"),
            (&format!("2 ^ {sum}"), "at 60", "{} 128"),
            (&format!("{by_app} > 2"), "at 60", "{app=web} 5"),
            (&format!("{by_app} > bool 2"), "at 60", "{app=db} 0\n{app=web} 1"),
            (&format!("2 < {by_app}"), "at 60", "{app=web} 5"),
            (&format!("{by_app} == 2"), "at 60", "{app=db} 2"),
            (&format!("{by_app} != 2"), "at 60", "{app=web} 5"),
            (&format!("{by_app} <= 2"), "at 60", "{app=db} 2"),
            (&format!("{by_app} >= 9"), "at 60", ""),
            (&format!("{by_app} * 2 > 5"), "at 60", "{app=web} 10"),
            (&format!("max({by_app} > 1) * 10"), "at 60", "{} 50"),
            (&format!("sum({by_app} - 1)"), "at 60", "{} 5"),
            (r#"sum(count_over_time({app=~".+"}[10s])) > 2"#, "0..40 step 10s", "{} 20:3"),
        ],
    );
}

const PARSED: &str = r#"
{app="web"} 1 [pod="p1"] {"status":200,"took":"10ms"}
{app="web"} 2 [pod="p2"] {"status":200,"took":"2s"}
{app="web"} 3 [pod="p1"] {"status":500,"took":"1s"}
{app="web"} 4 [app="meta"] {"status":"","app":"parsed"}
{app="bad"} 5 {"status":200
{app="bad"} 6 {"status":500}
{app="odd"} 7 status=x
"#;

#[test]
fn labels_of_lines_make_series() {
    check(
        PARSED,
        &[
            (
                r#"sum by (status) (count_over_time({app="web"} | json [1m]))"#,
                "at 60",
                "{} 1\n{status=200} 2\n{status=500} 1",
            ),
            (
                r#"sum by (status,pod) (count_over_time({app="web"} | json [1m]))"#,
                "at 60",
                "{} 1\n{pod=p1,status=200} 1\n{pod=p1,status=500} 1\n{pod=p2,status=200} 1",
            ),
            (
                r#"sum without (pod,took,app,app_extracted) (count_over_time({app="web"} | json [1m]))"#,
                "at 60",
                "{} 1\n{status=200} 2\n{status=500} 1",
            ),
            (
                r#"count_over_time({app="web"} |= "took" | json | status=500 [1m])"#,
                "at 60",
                "{app=web,pod=p1,status=500,took=1s} 1",
            ),
            (
                r#"count_over_time({app="web"} |= "took" | json | status>=200 | took > 100ms [1m])"#,
                "at 60",
                "{app=web,pod=p1,status=500,took=1s} 1\n{app=web,pod=p2,status=200,took=2s} 1",
            ),
            (
                r#"count_over_time({app="web"}[1m])"#,
                "at 60",
                "{app=web,app_extracted=meta} 1\n{app=web,pod=p1} 2\n{app=web,pod=p2} 1",
            ),
            (r#"sum by (pod) (count_over_time({app="web"}[1m]))"#, "at 60", "{} 1\n{pod=p1} 2\n{pod=p2} 1"),
            (r#"sum by (app_extracted) (count_over_time({app="web"}[1m]))"#, "at 60", "{} 3\n{app_extracted=meta} 1"),
            (r#"sum by (app) (count_over_time({app="web"}[1m]))"#, "at 60", "{app=web} 4"),
            (r#"sum by (app) (count_over_time({app="web"} | pod="p1" [1m]))"#, "at 60", "{app=web} 2"),
            (
                r#"sum by (app) (count_over_time({app=~"web|bad"} | json | __error__="" [1m]))"#,
                "at 60",
                "{app=bad} 1\n{app=web} 4",
            ),
            (r#"sum(count_over_time({app="bad"} | json | __error__!="JSONParserErr" [1m]))"#, "at 60", "{} 1"),
            (r#"sum(count_over_time({app="bad"} | json [500ms]))"#, "at 6", "{} 1"),
            (r#"sum(count_over_time({app="bad"} |= "500" | json [1m]))"#, "at 60", "{} 1"),
            (r#"bytes_over_time({app="odd"} | logfmt [1m])"#, "at 60", "{app=odd,status=x} 8"),
            (
                r#"max by (app) (count_over_time({app="web"} |= "took" | json | status=200 [1m]))"#,
                "at 60",
                "{app=web} 1",
            ),
            (
                r#"count by (app) (count_over_time({app="web"} |= "took" | json | status=200 [1m]))"#,
                "at 60",
                "{app=web} 2",
            ),
        ],
    );
}

#[test]
fn lines_with_an_error_fail_a_metric_query() {
    let error = "error: pipeline error: 'JSONParserErr' for series:";
    for query in [
        r#"count_over_time({app="bad"} | json [1m])"#,
        r#"sum(count_over_time({app="bad"} | json [1m]))"#,
        r#"sum by (status) (rate({app="bad"} | json [1m]))"#,
        r#"sum(count_over_time({app="bad"} | json | status=200 [1m]))"#,
    ] {
        let found = answer(query, "at 60", &read_records(PARSED));
        assert!(found.as_ref().is_err_and(|found| format!("error: {found}").starts_with(error)), "{query}: {found:?}");
    }
    let found = answer(r#"count_over_time({app="odd"} | logfmt | status>1 [1m])"#, "at 60", &read_records(PARSED));
    assert!(found.is_err_and(|error| error.contains("'LabelFilterErr'") && error.contains(r#"app="odd""#)));
}

#[test]
fn too_many_series_are_refused() {
    let records: String = (0..30).map(|at| format!("{{app=\"web\",n=\"{at}\"}} {at} x\n")).collect();
    let refused = "error: maximum number of series (29) reached for a single query; select fewer streams, ask for a shorter range, or aggregate by fewer labels with sum(), count() or topk()";
    check(
        &records,
        &[
            (r#"count(count_over_time({app="web"}[1m]))"#, "at 40 series 30", "{} 30"),
            (r#"count(count_over_time({app="web"}[1m]))"#, "at 40 series 1", "{} 30"),
            (r#"count_over_time({app="web"}[1m])"#, "at 40 series 29", refused),
            (r#"count_over_time({app="web"}[1m]) > 1"#, "at 40 series 1", ""),
        ],
    );
}

#[test]
fn all_groups_of_cases_hold() {
    let groups = groups();
    for (about, records, cases) in &groups {
        println!("{about}: {} cases", cases.len());
        check(records, cases);
    }
    assert!(groups.iter().map(|(_, _, cases)| cases.len()).sum::<usize>() >= 300);
}
