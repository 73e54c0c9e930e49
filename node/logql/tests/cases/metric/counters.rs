//! `rate_counter`: resets, and how the rise is extended to the ends of the range.

use super::{Case, Group};

pub(crate) const GROUPS: &[Group] = &[("counters", COUNTERS, RATES)];

const COUNTERS: &str = r#"
{app="up"} 10 c=5
{app="up"} 20 c=10
{app="up"} 30 c=15
{app="up"} 40 c=20
{app="reset"} 10 c=5
{app="reset"} 20 c=10
{app="reset"} 30 c=3
{app="reset"} 40 c=4
{app="zero"} 10 c=1
{app="zero"} 20 c=11
{app="zero"} 30 c=21
{app="negative"} 10 c=-5
{app="negative"} 20 c=5
{app="twice"} 10 c=1
{app="twice"} 10 c=4
{app="flat"} 10 c=5
{app="flat"} 20 c=5
{app="flat"} 30 c=5
"#;

const RATES: &[Case] = &[
    // 15 in 30 s, extended by the 10 s before, which is no more than the samples are apart.
    (r#"rate_counter({app="up"} | logfmt | unwrap c [40s])"#, "at 40", "{app=up} 0.5"),
    // Extended by 5 s to either side.
    (r#"rate_counter({app="up"} | logfmt | unwrap c [40s])"#, "at 45", "{app=up} 0.5"),
    // Behind the last sample is too much: only half the distance of samples is added there.
    (r#"rate_counter({app="up"} | logfmt | unwrap c [100s])"#, "at 100", "{app=up} 0.22499999999999998"),
    (r#"rate_counter({app="up"} | logfmt | unwrap c [20s])"#, "at 20", "{app=up} 0.5"),
    // One sample alone shows no rise.
    (r#"rate_counter({app="up"} | logfmt | unwrap c [10s])"#, "at 10", "{app=up} 0"),
    (r#"rate_counter({app="up"} | logfmt | unwrap c [10s])"#, "at 60", ""),
    (
        r#"rate_counter({app="up"} | logfmt | unwrap c [20s])"#,
        "0..70 step 10s",
        "{app=up} 10:0 20:0.5 30:0.5 40:0.5 50:0",
    ),
    // What was counted before a reset is added.
    (r#"rate_counter({app="reset"} | logfmt | unwrap c [40s])"#, "at 40", "{app=reset} 0.3"),
    (r#"rate_counter({app="reset"} | logfmt | unwrap c [30s])"#, "at 40", "{app=reset} 0.2"),
    (r#"rate_counter({app="reset"} | logfmt | unwrap c [20s])"#, "at 40", "{app=reset} 0.1"),
    // A reset at the first sample of a range is none of that range's.
    (
        r#"rate_counter({app="reset"} | logfmt | unwrap c [20s])"#,
        "0..50 step 10s",
        "{app=reset} 10:0 20:0.5 30:0.30000000000000004 40:0.1 50:0",
    ),
    (r#"rate_counter({app="reset"} | logfmt | unwrap c [40s] offset 1m)"#, "at 100", "{app=reset} 0.3"),
    // A counter that was 1 cannot have risen by 10 every 10 s for longer than a second before.
    (r#"rate_counter({app="zero"} | logfmt | unwrap c [30s])"#, "at 30", "{app=zero} 0.7000000000000001"),
    (r#"rate_counter({app="negative"} | logfmt | unwrap c [20s])"#, "at 20", "{app=negative} 1"),
    (r#"rate_counter({app="twice"} | logfmt | unwrap c [10s])"#, "at 10", "{app=twice} 0.3"),
    (r#"rate_counter({app="flat"} | logfmt | unwrap c [30s])"#, "at 30", "{app=flat} 0"),
    (r#"sum(rate_counter({app=~"up|reset"} | logfmt | unwrap c [40s]))"#, "at 40", "{} 0.8"),
    (
        r#"rate_counter({app="up"}[40s])"#,
        "at 40",
        "error: parse error : invalid aggregation rate_counter without unwrap",
    ),
];
