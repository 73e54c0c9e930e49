//! Functions over unwrapped samples: what each gives, how they are grouped, which lines have a sample.

use super::{Case, Group};

pub(crate) const GROUPS: &[Group] = &[
    ("functions over samples", VALUES, FUNCTIONS),
    ("groupings of functions over samples", VALUES, GROUPINGS),
    ("samples over steps", VALUES, STEPS),
    ("sums over functions over samples", VALUES, OUTER),
    ("conversions of samples", CONVERTED, CONVERSIONS),
    ("where samples come from", SOURCES, SAMPLES),
    ("numbers at their limits", ODD, LIMITS),
    ("samples at one instant", TIES, FIRST_AND_LAST),
];

const VALUES: &str = r#"
{app="web",zone="a"} 1 v=1
{app="web",zone="a"} 2 v=2
{app="web",zone="a"} 3 v=3
{app="web",zone="a"} 4 v=4
{app="web",zone="b"} 5 v=10
{app="web",zone="b"} 6 v=-2
{app="db",zone="a"} 7 v=0.5
"#;

const FUNCTIONS: &[Case] = &[
    (
        r#"sum_over_time({app=~".+"} | logfmt | unwrap v [10s])"#,
        "at 10",
        "{app=db,zone=a} 0.5\n{app=web,zone=a} 10\n{app=web,zone=b} 8",
    ),
    (
        r#"avg_over_time({app=~".+"} | logfmt | unwrap v [10s])"#,
        "at 10",
        "{app=db,zone=a} 0.5\n{app=web,zone=a} 2.5\n{app=web,zone=b} 4",
    ),
    (
        r#"min_over_time({app=~".+"} | logfmt | unwrap v [10s])"#,
        "at 10",
        "{app=db,zone=a} 0.5\n{app=web,zone=a} 1\n{app=web,zone=b} -2",
    ),
    (
        r#"max_over_time({app=~".+"} | logfmt | unwrap v [10s])"#,
        "at 10",
        "{app=db,zone=a} 0.5\n{app=web,zone=a} 4\n{app=web,zone=b} 10",
    ),
    (
        r#"first_over_time({app=~".+"} | logfmt | unwrap v [10s])"#,
        "at 10",
        "{app=db,zone=a} 0.5\n{app=web,zone=a} 1\n{app=web,zone=b} 10",
    ),
    (
        r#"last_over_time({app=~".+"} | logfmt | unwrap v [10s])"#,
        "at 10",
        "{app=db,zone=a} 0.5\n{app=web,zone=a} 4\n{app=web,zone=b} -2",
    ),
    (
        r#"rate({app=~".+"} | logfmt | unwrap v [10s])"#,
        "at 10",
        "{app=db,zone=a} 0.05\n{app=web,zone=a} 1\n{app=web,zone=b} 0.8",
    ),
    (r#"rate({app="web"} | logfmt | unwrap v [500ms])"#, "at 6", "{app=web,zone=b} -4"),
    (
        r#"stdvar_over_time({app=~".+"} | logfmt | unwrap v [10s])"#,
        "at 10",
        "{app=db,zone=a} 0\n{app=web,zone=a} 1.25\n{app=web,zone=b} 36",
    ),
    (
        r#"stddev_over_time({app=~".+"} | logfmt | unwrap v [10s])"#,
        "at 10",
        "{app=db,zone=a} 0\n{app=web,zone=a} 1.118033988749895\n{app=web,zone=b} 6",
    ),
    (
        r#"quantile_over_time(0.5, {app=~".+"} | logfmt | unwrap v [10s])"#,
        "at 10",
        "{app=db,zone=a} 0.5\n{app=web,zone=a} 2.5\n{app=web,zone=b} 4",
    ),
    (
        r#"quantile_over_time(0, {app="web"} | logfmt | unwrap v [10s])"#,
        "at 10",
        "{app=web,zone=a} 1\n{app=web,zone=b} -2",
    ),
    (
        r#"quantile_over_time(1, {app="web"} | logfmt | unwrap v [10s])"#,
        "at 10",
        "{app=web,zone=a} 4\n{app=web,zone=b} 10",
    ),
    (
        r#"quantile_over_time(0.25, {app="web"} | logfmt | unwrap v [10s])"#,
        "at 10",
        "{app=web,zone=a} 1.75\n{app=web,zone=b} 1",
    ),
    (
        r#"quantile_over_time(0.75, {app="web"} | logfmt | unwrap v [10s])"#,
        "at 10",
        "{app=web,zone=a} 3.25\n{app=web,zone=b} 7",
    ),
    (r#"quantile_over_time(-0.1, {app="web",zone="a"} | logfmt | unwrap v [10s])"#, "at 10", "{app=web,zone=a} -Inf"),
    (r#"quantile_over_time(1.1, {app="web",zone="a"} | logfmt | unwrap v [10s])"#, "at 10", "{app=web,zone=a} +Inf"),
    (r#"quantile_over_time(+.5, {app="web",zone="a"} | logfmt | unwrap v [10s])"#, "at 10", "{app=web,zone=a} 2.5"),
    (r#"quantile_over_time(0.99, {app="db"} | logfmt | unwrap v [10s])"#, "at 10", "{app=db,zone=a} 0.5"),
    (r#"absent_over_time({app="web"} | logfmt | unwrap v [10s])"#, "at 10", ""),
    (r#"absent_over_time({app="web"} | logfmt | unwrap v [10s])"#, "at 30", "{app=web} 1"),
    (r#"absent_over_time({app="web"} | logfmt | unwrap w [10s])"#, "at 10", "{app=web} 1"),
    // The range stands behind the selector too, or around all of it in parentheses.
    (r#"sum_over_time({app="db"}[10s] | logfmt | unwrap v)"#, "at 10", "{app=db,zone=a} 0.5"),
    (r#"sum_over_time({app="db"}[10s] offset 5s | logfmt | unwrap v)"#, "at 15", "{app=db,zone=a} 0.5"),
    (r#"sum_over_time(({app="db"} | logfmt | unwrap v)[10s])"#, "at 10", "{app=db,zone=a} 0.5"),
    (r#"sum_over_time(({app="db"} | logfmt | unwrap v [10s]))"#, "at 10", "{app=db,zone=a} 0.5"),
    (r#"sum_over_time(({app="db"} | logfmt)[10s] | unwrap v)"#, "at 10", "{app=db,zone=a} 0.5"),
    (
        r#"sum_over_time({app="web"} | logfmt | unwrap v [10s] offset 1m)"#,
        "at 70",
        "{app=web,zone=a} 10\n{app=web,zone=b} 8",
    ),
    (
        r#"sum_over_time({app="web"} | logfmt | unwrap v [5s] offset -3s)"#,
        "at 2",
        "{app=web,zone=a} 10\n{app=web,zone=b} 10",
    ),
    // A range is open at its start and closed at its end.
    (r#"sum_over_time({app="web",zone="a"} | logfmt | unwrap v [2s])"#, "at 3", "{app=web,zone=a} 5"),
    (r#"sum_over_time({app="web",zone="a"} | logfmt | unwrap v [2s])"#, "at 2.999999999", "{app=web,zone=a} 3"),
    (r#"last_over_time({app="web",zone="a"} | logfmt | unwrap v [1s])"#, "at 4", "{app=web,zone=a} 4"),
    (r#"last_over_time({app="web",zone="a"} | logfmt | unwrap v [1s])"#, "at 4.999999999", "{app=web,zone=a} 4"),
    (r#"last_over_time({app="web",zone="a"} | logfmt | unwrap v [1s])"#, "at 5", ""),
    (r#"first_over_time({app="web",zone="a"} | logfmt | unwrap v [1ns])"#, "at 1", "{app=web,zone=a} 1"),
];

const GROUPINGS: &[Case] = &[
    (r#"avg_over_time({app=~".+"} | logfmt | unwrap v [10s]) by (app)"#, "at 10", "{app=db} 0.5\n{app=web} 3"),
    (r#"avg_over_time({app=~".+"} | logfmt | unwrap v [10s]) without (zone)"#, "at 10", "{app=db} 0.5\n{app=web} 3"),
    (r#"avg_over_time({app="web"} | logfmt | unwrap v [10s]) by ()"#, "at 10", "{} 3"),
    (
        r#"avg_over_time({app="web"} | logfmt | unwrap v [10s]) without ()"#,
        "at 10",
        "{app=web,zone=a} 2.5\n{app=web,zone=b} 4",
    ),
    (r#"min_over_time({app=~".+"} | logfmt | unwrap v [10s]) by (zone)"#, "at 10", "{zone=a} 0.5\n{zone=b} -2"),
    (r#"max_over_time({app=~".+"} | logfmt | unwrap v [10s]) by (zone)"#, "at 10", "{zone=a} 4\n{zone=b} 10"),
    (r#"max_over_time({app=~".+"} | logfmt | unwrap v [10s]) by ()"#, "at 10", "{} 10"),
    (
        r#"max_over_time({app=~".+"} | logfmt | unwrap v [10s]) by (app, zone)"#,
        "at 10",
        "{app=db,zone=a} 0.5\n{app=web,zone=a} 4\n{app=web,zone=b} 10",
    ),
    (r#"max_over_time({app="web",zone="b"} | logfmt | unwrap v [10s]) by (v)"#, "at 10", "{v=-2} -2\n{v=10} 10"),
    (r#"max_over_time({app="web",zone="b"} | logfmt | unwrap v [10s]) by (nothing)"#, "at 10", "{} 10"),
    (r#"first_over_time({app=~".+"} | logfmt | unwrap v [10s]) by (app)"#, "at 10", "{app=db} 0.5\n{app=web} 1"),
    (r#"last_over_time({app=~".+"} | logfmt | unwrap v [10s]) by (app)"#, "at 10", "{app=db} 0.5\n{app=web} -2"),
    (r#"last_over_time({app=~".+"} | logfmt | unwrap v [10s]) by ()"#, "at 10", "{} 0.5"),
    (r#"stdvar_over_time({app="web"} | logfmt | unwrap v [10s]) by (app)"#, "at 10", "{app=web} 13.333333333333334"),
    (r#"stddev_over_time({app="web"} | logfmt | unwrap v [3s]) by (app)"#, "at 6", "{app=web} 4.898979485566356"),
    (r#"quantile_over_time(0.5, {app="web"} | logfmt | unwrap v [10s]) by (app)"#, "at 10", "{app=web} 2.5"),
    (r#"quantile_over_time(0.2, {app="web"} | logfmt | unwrap v [10s]) without (zone)"#, "at 10", "{app=web} 1"),
    (r#"count_over_time({app=~".+"} | logfmt [10s]) by (app)"#, "at 10", "{app=db} 1\n{app=web} 6"),
    (r#"bytes_over_time({app=~".+"} [10s]) by (zone)"#, "at 10", "{zone=a} 17\n{zone=b} 8"),
    (r#"bytes_rate({app="web"} [10s]) without (app)"#, "at 10", "{zone=a} 1.2\n{zone=b} 0.8"),
    (
        r#"sum_over_time({app="web"} | logfmt | unwrap v [10s]) by (app)"#,
        "at 10",
        "error: parse error : grouping not allowed for sum_over_time aggregation",
    ),
    (r#"rate({app="web"}[10s]) by (app)"#, "at 10", "error: parse error : grouping not allowed for rate aggregation"),
    (
        r#"rate_counter({app="web"} | logfmt | unwrap v [10s]) without (app)"#,
        "at 10",
        "error: parse error : grouping not allowed for rate_counter aggregation",
    ),
    (
        r#"absent_over_time({app="web"}[10s]) by (app)"#,
        "at 10",
        "error: parse error : grouping not allowed for absent_over_time aggregation",
    ),
];

const STEPS: &[Case] = &[
    (
        r#"sum_over_time({app="web",zone="a"} | logfmt | unwrap v [3s])"#,
        "0..8 step 1s",
        "{app=web,zone=a} 1:1 2:3 3:6 4:9 5:7 6:4",
    ),
    (
        r#"avg_over_time({app="web",zone="a"} | logfmt | unwrap v [3s])"#,
        "0..8 step 1s",
        "{app=web,zone=a} 1:1 2:1.5 3:2 4:3 5:3.5 6:4",
    ),
    (
        r#"min_over_time({app="web"} | logfmt | unwrap v [3s]) by ()"#,
        "0..10 step 1s",
        "{} 1:1 2:1 3:1 4:2 5:3 6:-2 7:-2 8:-2",
    ),
    (
        r#"max_over_time({app="web"} | logfmt | unwrap v [3s]) by ()"#,
        "0..10 step 1s",
        "{} 1:1 2:2 3:3 4:4 5:10 6:10 7:10 8:-2",
    ),
    (
        r#"first_over_time({app="web"} | logfmt | unwrap v [3s]) by ()"#,
        "0..10 step 1s",
        "{} 1:1 2:1 3:1 4:2 5:3 6:4 7:10 8:-2",
    ),
    (
        r#"last_over_time({app="web"} | logfmt | unwrap v [3s]) by ()"#,
        "0..10 step 1s",
        "{} 1:1 2:2 3:3 4:4 5:10 6:-2 7:-2 8:-2",
    ),
    (
        r#"quantile_over_time(0.5, {app="web"} | logfmt | unwrap v [3s]) by ()"#,
        "0..10 step 1s",
        "{} 1:1 2:1.5 3:2 4:3 5:4 6:4 7:4 8:-2",
    ),
    (
        r#"stdvar_over_time({app="web"} | logfmt | unwrap v [2s]) by ()"#,
        "0..10 step 1s",
        "{} 1:0 2:0.25 3:0.25 4:0.25 5:9 6:36 7:0",
    ),
    // Steps that do not divide the range, and ranges that do not meet.
    (
        r#"sum_over_time({app="web"} | logfmt | unwrap v [5s]) by ()"#,
        "0..8 step 3s",
        "error: parse error : grouping not allowed for sum_over_time aggregation",
    ),
    (r#"sum(sum_over_time({app="web"} | logfmt | unwrap v [5s]))"#, "0..8 step 3s", "{} 3:6 6:17"),
    (r#"sum(sum_over_time({app="web"} | logfmt | unwrap v [1s]))"#, "0..8 step 3s", "{} 3:3 6:-2"),
    (r#"sum(sum_over_time({app="web"} | logfmt | unwrap v [1s]))"#, "0.5..8 step 2500ms", "{} 3:3 5.5:10"),
    (r#"max_over_time({app="web"} | logfmt | unwrap v [500ms]) by ()"#, "1..7 step 1500ms", "{} 1:1 4:4"),
    (r#"quantile_over_time(1, {app="web"} | logfmt | unwrap v [1s]) by ()"#, "0..7 step 2s", "{} 2:2 4:4 6:-2"),
    (r#"sum(rate({app="web"} | logfmt | unwrap v [4s]))"#, "2..6 step 2s", "{} 2:0.75 4:2.5 6:3.75"),
    (r#"sum(sum_over_time({app="web"} | logfmt | unwrap v [2s] offset 2s))"#, "2..9 step 2s", "{} 4:3 6:7 8:8"),
    (r#"absent_over_time({app="web"} | logfmt | unwrap v [2s])"#, "0..10 step 2s", "{app=web} 0:1 8:1 10:1"),
    (r#"sum(sum_over_time({app="web"} | logfmt | unwrap v [1h]))"#, "0..3608 step 902s", "{} 902:18 1804:18 2706:18"),
];

const OUTER: &[Case] = &[
    (r#"sum by (app) (sum_over_time({app=~".+"} | logfmt | unwrap v [10s]))"#, "at 10", "{app=db} 0.5\n{app=web} 18"),
    (
        r#"sum(sum_over_time({app=~".+"} | logfmt | unwrap v [10s])) without (app)"#,
        "at 10",
        "{zone=a} 10.5\n{zone=b} 8",
    ),
    (r#"sum(sum_over_time({app=~".+"} | logfmt | unwrap v [10s]))"#, "at 10", "{} 18.5"),
    // The unwrapped label is gone before the sum could ask for it.
    (r#"sum by (v) (sum_over_time({app=~".+"} | logfmt | unwrap v [10s]))"#, "at 10", "{} 18.5"),
    (r#"sum by (v) (count_over_time({app="web",zone="b"} | logfmt [10s]))"#, "at 10", "{v=-2} 1\n{v=10} 1"),
    (r#"max by (app) (max_over_time({app=~".+"} | logfmt | unwrap v [10s]))"#, "at 10", "{app=db} 0.5\n{app=web} 10"),
    (r#"min by (app) (min_over_time({app=~".+"} | logfmt | unwrap v [10s]))"#, "at 10", "{app=db} 0.5\n{app=web} -2"),
    (r#"max by (app) (min_over_time({app=~".+"} | logfmt | unwrap v [10s]))"#, "at 10", "{app=db} 0.5\n{app=web} 1"),
    (r#"min(max_over_time({app=~".+"} | logfmt | unwrap v [10s]) by (zone))"#, "at 10", "{} 4"),
    (
        r#"max(max_over_time({app=~".+"} | logfmt | unwrap v [10s]) by (zone)) by (zone)"#,
        "at 10",
        "{zone=a} 4\n{zone=b} 10",
    ),
    (r#"max by (app) (max_over_time({app=~".+"} | logfmt | unwrap v [10s]) by (zone))"#, "at 10", "{} 10"),
    (r#"sum(max_over_time({app=~".+"} | logfmt | unwrap v [10s]))"#, "at 10", "{} 14.5"),
    (r#"avg(avg_over_time({app="web"} | logfmt | unwrap v [10s]))"#, "at 10", "{} 3.25"),
    (r#"count(avg_over_time({app="web"} | logfmt | unwrap v [10s]))"#, "at 10", "{} 2"),
    (
        r#"sum by (app) (sum by (app, zone) (sum_over_time({app=~".+"} | logfmt | unwrap v [10s])))"#,
        "at 10",
        "{app=db} 0.5\n{app=web} 18",
    ),
    (r#"sum by (app) (sum by (zone) (sum_over_time({app=~".+"} | logfmt | unwrap v [10s])))"#, "at 10", "{} 18.5"),
    (
        r#"sum without (app) (sum by (app, zone) (rate({app=~".+"} | logfmt | unwrap v [10s])))"#,
        "at 10",
        "{zone=a} 1.05\n{zone=b} 0.8",
    ),
    (
        r#"sum by (zone) (sum without (app) (rate({app=~".+"} | logfmt | unwrap v [10s])))"#,
        "at 10",
        "{zone=a} 1.05\n{zone=b} 0.8",
    ),
    (r#"sum without (zone) (sum without (app) (rate({app=~".+"} | logfmt | unwrap v [10s])))"#, "at 10", "{} 1.85"),
    (r#"sum(sum by (app) (count_over_time({app=~".+"}[10s]))) by (app)"#, "at 10", "{app=db} 1\n{app=web} 6"),
    (r#"avg(sum by (app) (count_over_time({app=~".+"}[10s])))"#, "at 10", "{} 3.5"),
    (r#"sum(count_over_time({app=~".+"}[10s]) by (app)) by (app)"#, "at 10", "{app=db} 1\n{app=web} 6"),
    (r#"avg(count_over_time({app=~".+"}[10s]) by (app))"#, "at 10", "{} 3.5"),
    (r#"sum(rate({app="web"} | logfmt | unwrap v [10s])) / sum(rate({app="web"}[10s]))"#, "at 10", "{} 3"),
];

const CONVERTED: &str = r#"
{app="d"} 1 t=250ms
{app="d"} 2 t=1m
{app="d"} 3 t=-1.5s
{app="d"} 4 t=1h2m3s4ms5us6ns
{app="d"} 5 t=0
{app="b"} 1 t=5MiB
{app="b"} 2 t="5 MiB"
{app="b"} 3 t=3k
{app="b"} 4 t=1G
{app="b"} 5 t=17
{app="b"} 6 t=1.5KB
"#;

const CONVERSIONS: &[Case] = &[
    (
        r#"sum_over_time({app="d"} | logfmt | unwrap duration(t) [1s])"#,
        "1..5 step 1s",
        "{app=d} 1:0.25 2:60 3:-1.5 4:3723.004005006 5:0",
    ),
    (
        r#"sum_over_time({app="d"} | logfmt | unwrap duration_seconds(t) [1s])"#,
        "1..5 step 1s",
        "{app=d} 1:0.25 2:60 3:-1.5 4:3723.004005006 5:0",
    ),
    (r#"sum_over_time({app="d"} | logfmt | unwrap duration(t) [3s])"#, "at 3", "{app=d} 58.75"),
    (r#"max_over_time({app="d"} | logfmt | unwrap duration(t) [10s]) by ()"#, "at 10", "{} 3723.004005006"),
    (
        r#"sum_over_time({app="b"} | logfmt | unwrap bytes(t) [1s])"#,
        "1..6 step 1s",
        "{app=b} 1:5242880 2:5242880 3:3000 4:1000000000 5:17 6:1500",
    ),
    (r#"avg_over_time({app="b"} | logfmt | unwrap bytes(t) [2s]) by (app)"#, "at 6", "{app=b} 758.5"),
    // A filter behind the unwrap sees the label as it was.
    (r#"sum_over_time({app="d"} | logfmt | unwrap duration(t) | t > 1s [10s])"#, "at 10", "{app=d} 3783.004005006"),
    (r#"sum_over_time({app="b"} | logfmt | unwrap bytes(t) | t >= 5MiB | t < 1GB [10s])"#, "at 10", "{app=b} 10485760"),
    (r#"sum_over_time({app="b"} | logfmt | unwrap bytes(t) | t = "17" or t = "3k" [10s])"#, "at 10", "{app=b} 3017"),
];

const SOURCES: &str = r#"
{app="stream",v="7"} 1 no fields
{app="meta"} 1 [v="8"] no fields
{app="meta"} 2 [v="9"] no fields
{app="clash",v="1"} 1 [v="2"] v=3
{app="json"} 1 {"v":1.5,"n":{"v":2},"s":"3e2"}
{app="json"} 2 {"v":null,"other":1}
{app="json"} 3 {"v":"","other":1}
{app="json"} 4 {"other":1}
{app="json"} 5 {"v":-0.5}
"#;

const SAMPLES: &[Case] = &[
    (r#"sum_over_time({app="stream"} | unwrap v [10s])"#, "at 10", "{app=stream} 7"),
    (r#"sum_over_time({app="meta"} | unwrap v [10s])"#, "at 10", "{app=meta} 17"),
    (r#"sum_over_time({app="meta"} | v="9" | unwrap v [10s])"#, "at 10", "{app=meta} 9"),
    (r#"sum_over_time({app="meta"} | unwrap v | v!="9" [10s])"#, "at 10", "{app=meta} 8"),
    (r#"sum by (app) (sum_over_time({app="meta"} | unwrap v [10s]))"#, "at 10", "{app=meta} 17"),
    (r#"max_over_time({app="meta"} | unwrap v [10s]) by (v)"#, "at 10", "{v=8} 8\n{v=9} 9"),
    (r#"sum_over_time({app="clash"} | logfmt | unwrap v [10s])"#, "at 10", "{app=clash,v_extracted=2} 1"),
    (r#"sum_over_time({app="clash"} | logfmt | unwrap v_extracted [10s])"#, "at 10", "{app=clash,v=1} 2"),
    // A line without the label has no sample; neither has one with an empty value.
    (r#"sum(sum_over_time({app="json"} | json | unwrap v [10s]))"#, "at 10", "{} 1"),
    (r#"sum_over_time({app="json"} | json | unwrap n_v [10s])"#, "at 10", "{app=json,s=3e2,v=1.5} 2"),
    (r#"sum_over_time({app="json"} | json | unwrap s [10s])"#, "at 10", "{app=json,n_v=2,v=1.5} 300"),
    (r#"sum_over_time({app="json"} | json | unwrap nothing [10s])"#, "at 10", ""),
    (r#"sum(sum_over_time({app="json"} | json | unwrap other [10s]))"#, "at 10", "{} 3"),
    (r#"count(sum_over_time({app="json"} | json | unwrap v [1s]))"#, "0..6 step 1s", "{} 1:1 5:1"),
    (r#"absent_over_time({app="json"} | json | unwrap v [1s])"#, "0..6 step 1s", "{app=json} 0:1 2:1 3:1 4:1 6:1"),
];

const ODD: &str = r#"
{app="tenths"} 1 v=0.1
{app="tenths"} 2 v=0.2
{app="tenths"} 3 v=0.3
{app="huge"} 1 v=1e308
{app="huge"} 2 v=1e308
{app="huge"} 3 v=-1e308
{app="apart"} 1 v=1e100
{app="apart"} 2 v=1
{app="apart"} 3 v=-1e100
{app="near"} 1 v=1000000000
{app="near"} 2 v=1000000001
{app="near"} 3 v=1000000002
{app="inf"} 1 v=inf
{app="inf"} 2 v=1
{app="both"} 1 v=+Inf
{app="both"} 2 v=-Infinity
{app="nan"} 1 v=NaN
{app="nan"} 2 v=3
{app="nan"} 3 v=1
{app="zeros"} 1 v=0
{app="zeros"} 2 v=-0
{app="small"} 1 v=5e-324
{app="small"} 2 v=0x1p-2
"#;

const LIMITS: &[Case] = &[
    // Sums do not round on the way, so their order does not matter.
    (r#"sum_over_time({app="tenths"} | logfmt | unwrap v [10s])"#, "at 10", "{app=tenths} 0.6"),
    (r#"sum_over_time({app="huge"} | logfmt | unwrap v [2s])"#, "at 2", "{app=huge} +Inf"),
    (r#"avg_over_time({app="huge"} | logfmt | unwrap v [2s]) / 1e308"#, "at 2", "{app=huge} 1"),
    (r#"avg(max_over_time({app="huge"} | logfmt | unwrap v [2s]) by (app) or vector(1e308)) / 1e308"#, "at 2", "{} 1"),
    (r#"sum_over_time({app="huge"} | logfmt | unwrap v [10s]) / 1e308"#, "at 10", "{app=huge} 1"),
    (r#"sum_over_time({app="apart"} | logfmt | unwrap v [10s])"#, "at 10", "{app=apart} 1"),
    (
        r#"avg_over_time({app="apart"} | logfmt | unwrap v [2s])"#,
        "at 3.5",
        "{app=apart} -5000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000",
    ),
    (r#"stdvar_over_time({app="near"} | logfmt | unwrap v [10s])"#, "at 10", "{app=near} 0.6666666666666666"),
    (r#"stddev_over_time({app="near"} | logfmt | unwrap v [10s])"#, "at 10", "{app=near} 0.816496580927726"),
    (r#"sum_over_time({app="inf"} | logfmt | unwrap v [10s])"#, "at 10", "{app=inf} +Inf"),
    (r#"min_over_time({app="inf"} | logfmt | unwrap v [10s])"#, "at 10", "{app=inf} 1"),
    (r#"stddev_over_time({app="inf"} | logfmt | unwrap v [10s])"#, "at 10", "{app=inf} NaN"),
    (r#"sum_over_time({app="inf"} | logfmt | unwrap v [1s])"#, "1..3 step 1s", "{app=inf} 1:+Inf 2:1"),
    (r#"sum_over_time({app="both"} | logfmt | unwrap v [10s])"#, "at 10", "{app=both} NaN"),
    (r#"max_over_time({app="both"} | logfmt | unwrap v [10s])"#, "at 10", "{app=both} +Inf"),
    (r#"min_over_time({app="both"} | logfmt | unwrap v [10s])"#, "at 10", "{app=both} -Inf"),
    (r#"sum_over_time({app="nan"} | logfmt | unwrap v [10s])"#, "at 10", "{app=nan} NaN"),
    (r#"sum_over_time({app="nan"} | logfmt | unwrap v [2s])"#, "1..4 step 1s", "{app=nan} 1:NaN 2:NaN 3:4 4:1"),
    (r#"min_over_time({app="nan"} | logfmt | unwrap v [10s])"#, "at 10", "{app=nan} 1"),
    (r#"max_over_time({app="nan"} | logfmt | unwrap v [10s])"#, "at 10", "{app=nan} 3"),
    (r#"max_over_time({app="nan"} | logfmt | unwrap v [1s])"#, "at 1", "{app=nan} NaN"),
    (r#"quantile_over_time(0, {app="nan"} | logfmt | unwrap v [10s])"#, "at 10", "{app=nan} NaN"),
    (r#"quantile_over_time(1, {app="nan"} | logfmt | unwrap v [10s])"#, "at 10", "{app=nan} 3"),
    (r#"min_over_time({app="zeros"} | logfmt | unwrap v [10s])"#, "at 10", "{app=zeros} -0"),
    (r#"max_over_time({app="zeros"} | logfmt | unwrap v [10s])"#, "at 10", "{app=zeros} 0"),
    (r#"sum_over_time({app="zeros"} | logfmt | unwrap v [10s])"#, "at 10", "{app=zeros} 0"),
    (r#"last_over_time({app="small"} | logfmt | unwrap v [10s])"#, "at 10", "{app=small} 0.25"),
    (r#"first_over_time({app="small"} | logfmt | unwrap v [10s]) > bool 0"#, "at 10", "{app=small} 1"),
];

const TIES: &str = r#"
{app="web",n="1"} 5 v=2
{app="web",n="1"} 5 v=1
{app="web",n="1"} 5 v=3
{app="web",n="2"} 5 v=0
{app="web",n="2"} 6 v=4
"#;

const FIRST_AND_LAST: &[Case] = &[
    // Of several at once the least is the first and the greatest the last, whoever tells of them first.
    (r#"first_over_time({app="web"} | logfmt | unwrap v [10s]) by (app)"#, "at 10", "{app=web} 0"),
    (r#"first_over_time({app="web",n="1"} | logfmt | unwrap v [10s]) by (app)"#, "at 10", "{app=web} 1"),
    (r#"last_over_time({app="web",n="1"} | logfmt | unwrap v [10s]) by (app)"#, "at 10", "{app=web} 3"),
    (r#"last_over_time({app="web"} | logfmt | unwrap v [10s]) by (app)"#, "at 5", "{app=web} 3"),
    (r#"last_over_time({app="web"} | logfmt | unwrap v [10s]) by (app)"#, "at 10", "{app=web} 4"),
    (r#"sum_over_time({app="web",n="1"} | logfmt | unwrap v [10s])"#, "at 10", "{app=web,n=1} 6"),
    (r#"count_over_time({app="web",n="1"} [10s])"#, "at 10", "{app=web,n=1} 3"),
];
