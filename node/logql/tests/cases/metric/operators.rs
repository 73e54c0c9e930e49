//! Operators: precedence, numbers, comparisons, matching between vectors, set operators.

use super::{Case, Group};

pub(crate) const GROUPS: &[Group] = &[
    ("operators between numbers", "", NUMBERS),
    ("operators between vectors and numbers", COUNTS, WITH_NUMBERS),
    ("operators between vectors", COUNTS, VECTORS),
    ("comparisons between vectors", COUNTS, COMPARISONS),
    ("set operators", COUNTS, SETS),
    ("many to one", COUNTS, GROUPS_OF_MATCHES),
    ("operators over steps", COUNTS, STEPS),
];

const NUMBERS: &[Case] = &[
    ("1 + 1", "at 5", "2"),
    ("1 + 2 / 3", "at 5", "1.6666666666666665"),
    ("2 * 3 % 2", "at 5", "0"),
    ("2 * (3 % 2)", "at 5", "2"),
    ("2 ^ 3 ^ 2", "at 5", "512"),
    ("-1 ^ 2", "at 5", "1"),
    ("2 ^ -1", "at 5", "0.5"),
    ("1 - 2 - 3", "at 5", "-4"),
    ("1 - 2 + 3 - 4", "at 5", "-2"),
    ("8 / 4 / 2", "at 5", "1"),
    ("8 / (4 / 2)", "at 5", "4"),
    ("1 + 2 * 3 ^ 2", "at 5", "19"),
    ("2 * 3 + 4 > 9", "at 5", "1"),
    ("1 >= 1", "at 5", "1"),
    ("1 > bool 2", "at 5", "0"),
    ("1 == 1 == 1", "at 5", "1"),
    ("3 > 2 > 1", "at 5", "0"),
    ("3 > (2 > 1)", "at 5", "1"),
    ("1 < 2 + 3", "at 5", "1"),
    ("2 != 2", "at 5", "0"),
    ("5 % 3", "at 5", "2"),
    ("-5 % 3", "at 5", "-2"),
    ("5.5 % 2", "at 5", "1.5"),
    ("0 / 0", "at 5", "NaN"),
    ("-1 / 0", "at 5", "NaN"),
    ("0 % 0", "at 5", "NaN"),
    ("0 ^ 0", "at 5", "1"),
    ("-8 ^ 0.5", "at 5", "NaN"),
    ("0 / 0 == 0 / 0", "at 5", "0"),
    ("0 / 0 != 0 / 0", "at 5", "1"),
    ("10 ^ 309", "at 5", "+Inf"),
    ("-1 * 10 ^ 309", "at 5", "-Inf"),
    ("10 ^ 309 - 10 ^ 309", "at 5", "NaN"),
    ("-1 * 0", "at 5", "-0"),
    ("1e3", "at 5", "1000"),
    ("1.5e-7", "at 5", "0.00000015"),
    ("1e100 / 1e98", "at 5", "100"),
    ("123456789.123456789", "at 5", "123456789.12345679"),
    ("1 # a comment\n + 1", "at 5", "2"),
    ("1 + 1", "0..20 step 10s", "{} 0:2 10:2 20:2"),
    ("vector(1)", "at 5", "{} 1"),
    ("vector(-2.5)", "at 5", "{} -2.5"),
    ("vector(0)", "0..20 step 10s", "{} 0:0 10:0 20:0"),
    ("vector(1) + vector(2)", "at 5", "{} 3"),
    ("vector(2) > 1", "at 5", "{} 2"),
    ("vector(2) > 3", "at 5", ""),
    ("vector(2) > bool 3", "at 5", "{} 0"),
    ("sum(vector(2))", "at 5", "{} 2"),
    (
        "1 or vector(1)",
        "at 5",
        "error: parse error at line 1, col 3: unexpected literal for left leg of logical/set binary operation (or): 1",
    ),
    (
        "vector(1) and 2",
        "at 5",
        "error: parse error at line 1, col 11: unexpected literal for right leg of logical/set binary operation (and): 2",
    ),
    (
        "vector(1) unless 1 + 1",
        "at 5",
        "error: parse error at line 1, col 11: unexpected literal for right leg of logical/set binary operation (unless): 1 + 1",
    ),
    (
        "1 + bool 1",
        "at 5",
        "error: parse error at line 1, col 5: the bool modifier can only be used with comparisons, not with +",
    ),
    (
        "1 + on (a) 1",
        "at 5",
        "error: parse error at line 1, col 3: on and ignoring are only allowed between vectors, not with 1",
    ),
    ("vector(1 + 1)", "at 5", "error: parse error at line 1, col 10: syntax error: unexpected +, expecting )"),
];

/// Three lines of foo, machine 1; one of machine 2; two of bar, machine 1; one of bar, machine 3.
const COUNTS: &str = r#"
{app="foo",machine="1"} 1 a
{app="foo",machine="1"} 2 a
{app="foo",machine="1"} 3 a
{app="foo",machine="2"} 4 a
{app="bar",machine="1"} 5 a
{app="bar",machine="1"} 6 a
{app="bar",machine="3"} 17 a
"#;

const WITH_NUMBERS: &[Case] = &[
    (r#"count_over_time({app="foo"}[20s]) * 2"#, "at 20", "{app=foo,machine=1} 6\n{app=foo,machine=2} 2"),
    (r#"2 * count_over_time({app="foo"}[20s])"#, "at 20", "{app=foo,machine=1} 6\n{app=foo,machine=2} 2"),
    (r#"10 - count_over_time({app="foo"}[20s])"#, "at 20", "{app=foo,machine=1} 7\n{app=foo,machine=2} 9"),
    (r#"count_over_time({app="foo"}[20s]) ^ 2 - 1"#, "at 20", "{app=foo,machine=1} 8\n{app=foo,machine=2} 0"),
    (r#"count_over_time({app="foo"}[20s]) > 1"#, "at 20", "{app=foo,machine=1} 3"),
    (r#"count_over_time({app="foo"}[20s]) > bool 1"#, "at 20", "{app=foo,machine=1} 1\n{app=foo,machine=2} 0"),
    (r#"1 < count_over_time({app="foo"}[20s])"#, "at 20", "{app=foo,machine=1} 3"),
    (r#"1 < bool count_over_time({app="foo"}[20s])"#, "at 20", "{app=foo,machine=1} 1\n{app=foo,machine=2} 0"),
    (r#"count_over_time({app="foo"}[20s]) == 3"#, "at 20", "{app=foo,machine=1} 3"),
    (r#"count_over_time({app="foo"}[20s]) != 3"#, "at 20", "{app=foo,machine=2} 1"),
    (r#"count_over_time({app="foo"}[20s]) >= 3"#, "at 20", "{app=foo,machine=1} 3"),
    (r#"count_over_time({app="foo"}[20s]) <= 1"#, "at 20", "{app=foo,machine=2} 1"),
    (r#"count_over_time({app="foo"}[20s]) < 1"#, "at 20", ""),
    (r#"count_over_time({app="foo"}[20s]) > 1 > 2"#, "at 20", "{app=foo,machine=1} 3"),
    (r#"count_over_time({app="foo"}[20s]) / 0"#, "at 20", "{app=foo,machine=1} NaN\n{app=foo,machine=2} NaN"),
    (r#"count_over_time({app="foo"}[20s]) / 0 > 0"#, "at 20", ""),
    (r#"count_over_time({app="foo"}[20s]) % 2"#, "at 20", "{app=foo,machine=1} 1\n{app=foo,machine=2} 1"),
    (r#"sum(count_over_time({app="foo"}[20s])) * 2 + 1"#, "at 20", "{} 9"),
    (r#"sum(count_over_time({app="none"}[20s])) + 1"#, "at 20", ""),
];

const VECTORS: &[Case] = &[
    (
        r#"count_over_time({app="foo"}[20s]) + count_over_time({app="foo"}[20s])"#,
        "at 20",
        "{app=foo,machine=1} 6\n{app=foo,machine=2} 2",
    ),
    (r#"count_over_time({app="foo"}[20s]) + count_over_time({app="bar"}[20s])"#, "at 20", ""),
    (
        r#"sum by (machine) (count_over_time({app="foo"}[20s])) + sum by (machine) (count_over_time({app="bar"}[20s]))"#,
        "at 20",
        "{machine=1} 5",
    ),
    (r#"count_over_time({app="foo"}[20s]) + on (machine) count_over_time({app="bar"}[20s])"#, "at 20", "{machine=1} 5"),
    (
        r#"count_over_time({app="foo"}[20s]) + ignoring (app) count_over_time({app="bar"}[20s])"#,
        "at 20",
        "{machine=1} 5",
    ),
    (
        r#"count_over_time({app="foo"}[20s]) + ignoring (nothing) count_over_time({app="foo"}[20s])"#,
        "at 20",
        "{app=foo,machine=1} 6\n{app=foo,machine=2} 2",
    ),
    (
        r#"sum(count_over_time({app="foo"}[20s])) / sum(count_over_time({app="bar"}[20s]))"#,
        "at 20",
        "{} 1.3333333333333333",
    ),
    (
        r#"sum(count_over_time({app="foo"}[20s])) / on () sum(count_over_time({app="bar"}[20s]))"#,
        "at 20",
        "{} 1.3333333333333333",
    ),
    (r#"sum(count_over_time({app="foo"}[20s])) - sum(count_over_time({app="bar"}[20s])) - vector(1)"#, "at 20", "{} 0"),
    (r#"sum(count_over_time({app="foo"}[20s])) % sum(count_over_time({app="bar"}[20s]))"#, "at 20", "{} 1"),
    (r#"sum(count_over_time({app="bar"}[20s])) ^ sum(count_over_time({app="foo"}[20s]))"#, "at 20", "{} 81"),
    (r#"sum(count_over_time({app="foo"}[20s])) / sum(count_over_time({app="none"}[20s]))"#, "at 20", ""),
    (r#"sum(count_over_time({app="none"}[20s])) / sum(count_over_time({app="foo"}[20s]))"#, "at 20", ""),
    (r#"vector(1) / vector(0)"#, "at 20", "{} NaN"),
    (
        r#"count_over_time({app="foo"}[20s]) + on () sum(count_over_time({app="bar"}[20s]))"#,
        "at 20",
        r#"error: multiple matches for labels {app="foo", machine="2"}: many-to-one matching must be explicit (group_left/group_right)"#,
    ),
    (
        r#"sum(count_over_time({app="bar"}[20s])) + on () count_over_time({app="foo"}[20s])"#,
        "at 20",
        r#"error: found duplicate series for the match group {} on the right hand-side of the operation: [{app="foo", machine="1"}, {app="foo", machine="2"}]; many-to-many matching not allowed: matching labels must be unique on one side"#,
    ),
    (
        r#"sum by (machine) (count_over_time({app="foo"}[20s])) / on() sum(count_over_time({app="foo", machine="1"}[20s]))"#,
        "at 20",
        r#"error: multiple matches for labels {machine="2"}: many-to-one matching must be explicit (group_left/group_right)"#,
    ),
];

const COMPARISONS: &[Case] = &[
    (
        r#"sum without(app) (count_over_time({app="foo"}[20s])) > sum without(app) (count_over_time({app="bar"}[20s]))"#,
        "at 20",
        "{machine=1} 3",
    ),
    (
        r#"sum without(app) (count_over_time({app="foo"}[20s])) > bool sum without(app) (count_over_time({app="bar"}[20s]))"#,
        "at 20",
        "{machine=1} 1",
    ),
    (
        r#"sum without(app) (count_over_time({app="foo"}[20s])) < sum without(app) (count_over_time({app="bar"}[20s]))"#,
        "at 20",
        "",
    ),
    (
        r#"sum without(app) (count_over_time({app="foo"}[20s])) < bool sum without(app) (count_over_time({app="bar"}[20s]))"#,
        "at 20",
        "{machine=1} 0",
    ),
    (
        r#"sum without(app) (count_over_time({app="bar"}[20s])) != sum without(app) (count_over_time({app="foo"}[20s]))"#,
        "at 20",
        "{machine=1} 2",
    ),
    (r#"count_over_time({app="foo"}[20s]) > on (machine) count_over_time({app="bar"}[20s])"#, "at 20", "{machine=1} 3"),
    (
        r#"count_over_time({app="foo"}[20s]) == count_over_time({app="foo"}[20s])"#,
        "at 20",
        "{app=foo,machine=1} 3\n{app=foo,machine=2} 1",
    ),
    (
        r#"max by(machine) (count_over_time({app="foo"}[20s])) > bool ignoring(machine) avg(count_over_time({app="foo"}[20s]))"#,
        "at 20",
        r#"error: multiple matches for labels {machine="2"}: many-to-one matching must be explicit (group_left/group_right)"#,
    ),
    (
        r#"max by(machine) (count_over_time({app="foo"}[20s])) > bool ignoring(machine) group_left avg(count_over_time({app="foo"}[20s]))"#,
        "at 20",
        "{machine=1} 1\n{machine=2} 0",
    ),
    // A filter that leaves one of several leaves nothing ambiguous.
    (
        r#"max by(machine) (count_over_time({app="foo"}[20s])) > ignoring(machine) avg(count_over_time({app="foo"}[20s]))"#,
        "at 20",
        "{} 3",
    ),
];

const SETS: &[Case] = &[
    (
        r#"count_over_time({app=~"foo|bar"}[20s]) and count_over_time({app="bar"}[20s])"#,
        "at 20",
        "{app=bar,machine=1} 2\n{app=bar,machine=3} 1",
    ),
    (r#"count_over_time({app="foo"}[20s]) and count_over_time({app="bar"}[20s])"#, "at 20", ""),
    (
        r#"count_over_time({app="foo"}[20s]) and on (machine) count_over_time({app="bar"}[20s])"#,
        "at 20",
        "{app=foo,machine=1} 3",
    ),
    (
        r#"count_over_time({app="foo"}[20s]) and ignoring (app) count_over_time({app="bar"}[20s])"#,
        "at 20",
        "{app=foo,machine=1} 3",
    ),
    (
        r#"count_over_time({app="foo"}[20s]) and on () count_over_time({app="bar"}[20s])"#,
        "at 20",
        "{app=foo,machine=1} 3\n{app=foo,machine=2} 1",
    ),
    (
        r#"count_over_time({app="foo"}[20s]) or count_over_time({app="bar"}[20s])"#,
        "at 20",
        "{app=bar,machine=1} 2\n{app=bar,machine=3} 1\n{app=foo,machine=1} 3\n{app=foo,machine=2} 1",
    ),
    (
        r#"count_over_time({app="foo"}[20s]) or on (machine) count_over_time({app="bar"}[20s])"#,
        "at 20",
        "{app=bar,machine=3} 1\n{app=foo,machine=1} 3\n{app=foo,machine=2} 1",
    ),
    (
        r#"count_over_time({app="foo"}[20s]) * 10 or count_over_time({app=~"foo|bar"}[20s])"#,
        "at 20",
        "{app=bar,machine=1} 2\n{app=bar,machine=3} 1\n{app=foo,machine=1} 30\n{app=foo,machine=2} 10",
    ),
    (
        r#"count_over_time({app=~"foo|bar"}[20s]) unless count_over_time({app="bar"}[20s])"#,
        "at 20",
        "{app=foo,machine=1} 3\n{app=foo,machine=2} 1",
    ),
    (
        r#"count_over_time({app="foo"}[20s]) unless on (machine) count_over_time({app="bar"}[20s])"#,
        "at 20",
        "{app=foo,machine=2} 1",
    ),
    (
        r#"count_over_time({app="foo"}[20s]) unless ignoring (app, machine) count_over_time({app="bar"}[20s])"#,
        "at 20",
        "",
    ),
    (
        r#"count_over_time({app="foo"}[20s]) unless count_over_time({app="none"}[20s])"#,
        "at 20",
        "{app=foo,machine=1} 3\n{app=foo,machine=2} 1",
    ),
    (r#"sum(count_over_time({app="none"}[20s])) or vector(0)"#, "at 20", "{} 0"),
    (r#"sum(count_over_time({app="foo"}[20s])) or vector(0)"#, "at 20", "{} 4"),
    (r#"sum by (app) (count_over_time({app="foo"}[20s])) or vector(0)"#, "at 20", "{} 0\n{app=foo} 4"),
    (r#"sum by (app) (count_over_time({app="foo"}[20s])) or on () vector(0)"#, "at 20", "{app=foo} 4"),
    // and and unless bind tighter than or, comparisons tighter than both.
    (r#"vector(1) or vector(2) and vector(3) > 4"#, "at 20", "{} 1"),
    (r#"(vector(1) or vector(2)) and vector(3) > 4"#, "at 20", ""),
    (r#"vector(1) unless vector(2) or vector(3)"#, "at 20", "{} 3"),
    (r#"vector(1) and vector(2) unless vector(3)"#, "at 20", ""),
    (
        r#"count_over_time({app="foo"}[20s]) and on (machine) group_left count_over_time({app="bar"}[20s])"#,
        "at 20",
        "error: parse error at line 1, col 52: no grouping allowed for and: it matches with all series as it is",
    ),
];

const GROUPS_OF_MATCHES: &[Case] = &[
    (
        r#"count_over_time({app="foo"}[20s]) / on () group_left sum(count_over_time({app="foo"}[20s]))"#,
        "at 20",
        "{app=foo,machine=1} 0.75\n{app=foo,machine=2} 0.25",
    ),
    (
        r#"count_over_time({app=~"foo|bar"}[20s]) / on (app) group_left () sum by (app) (count_over_time({app=~"foo|bar"}[20s]))"#,
        "at 20",
        "{app=bar,machine=1} 0.6666666666666666\n{app=bar,machine=3} 0.3333333333333333\n{app=foo,machine=1} 0.75\n{app=foo,machine=2} 0.25",
    ),
    (
        r#"sum by (app) (count_over_time({app=~"foo|bar"}[20s])) - on (app) group_right count_over_time({app=~"foo|bar"}[20s])"#,
        "at 20",
        "{app=bar,machine=1} 1\n{app=bar,machine=3} 2\n{app=foo,machine=1} 1\n{app=foo,machine=2} 3",
    ),
    (
        r#"count_over_time({app="foo"}[20s]) * ignoring (app, machine) group_left sum(count_over_time({app="bar"}[20s]))"#,
        "at 20",
        "{app=foo,machine=1} 9\n{app=foo,machine=2} 3",
    ),
    (
        r#"sum by (machine) (count_over_time({app="foo"}[20s])) * on (machine) group_left (app) count_over_time({app="bar"}[20s])"#,
        "at 20",
        "{app=bar,machine=1} 6",
    ),
    (
        r#"count_over_time({app="foo"}[20s]) * on (machine) group_left (app) count_over_time({app="bar"}[20s])"#,
        "at 20",
        "{app=bar,machine=1} 6",
    ),
    (
        r#"count_over_time({app="foo"}[20s]) * on () group_left (app) sum(count_over_time({app="bar"}[20s]))"#,
        "at 20",
        "{machine=1} 9\n{machine=2} 3",
    ),
    (
        r#"count_over_time({app="bar"}[20s]) * on (machine) group_right (app) sum by (machine) (count_over_time({app="foo"}[20s]))"#,
        "at 20",
        "{app=bar,machine=1} 6",
    ),
    (r#"count_over_time({app="foo"}[20s]) > on () group_left vector(2)"#, "at 20", "{app=foo,machine=1} 3"),
    (r#"vector(2) < on () group_right count_over_time({app="foo"}[20s])"#, "at 20", "{app=foo,machine=1} 2"),
    (
        r#"vector(2) < bool on () group_right count_over_time({app="foo"}[20s])"#,
        "at 20",
        "{app=foo,machine=1} 1\n{app=foo,machine=2} 0",
    ),
    (
        r#"count_over_time({app="foo"}[20s]) * on (app) group_left count_over_time({app="foo"}[20s])"#,
        "at 20",
        r#"error: found duplicate series for the match group {app="foo"} on the right hand-side of the operation: [{app="foo", machine="1"}, {app="foo", machine="2"}]; many-to-many matching not allowed: matching labels must be unique on one side"#,
    ),
    (
        r#"count_over_time({app="foo"}[20s]) * on (app) group_right sum by (app) (count_over_time({app="foo"}[20s]))"#,
        "at 20",
        r#"error: found duplicate series for the match group {app="foo"} on the left hand-side of the operation: [{app="foo", machine="1"}, {app="foo", machine="2"}]; many-to-many matching not allowed: matching labels must be unique on one side"#,
    ),
    (
        r#"count_over_time({app="foo"}[20s]) * on (app) group_left (machine) sum by (app) (count_over_time({app="foo"}[20s]))"#,
        "at 20",
        r#"error: multiple matches for labels {app="foo", machine="2"}: grouping labels must ensure unique matches"#,
    ),
    (
        r#"vector(1) * on (app) group_left (app) vector(1)"#,
        "at 20",
        "error: parse error at line 1, col 22: the label app must not occur in both on and group",
    ),
    (
        r#"vector(1) * group_left vector(1)"#,
        "at 20",
        "error: parse error at line 1, col 13: syntax error: unexpected group_left, expecting on or ignoring before it",
    ),
];

const STEPS: &[Case] = &[
    // At each step only those count that have a value there.
    (
        r#"count_over_time({app="foo"}[5s]) + on () group_left sum(count_over_time({app="bar"}[5s]))"#,
        "0..20 step 5s",
        "{app=foo,machine=1} 5:4\n{app=foo,machine=2} 5:2",
    ),
    (
        r#"count_over_time({app="foo"}[10s]) and on (machine) count_over_time({app="bar"}[10s])"#,
        "0..20 step 5s",
        "{app=foo,machine=1} 5:3 10:3",
    ),
    (
        r#"count_over_time({app="foo"}[5s]) or on () vector(0)"#,
        "0..20 step 5s",
        "{} 0:0 10:0 15:0 20:0\n{app=foo,machine=1} 5:3\n{app=foo,machine=2} 5:1",
    ),
    (r#"sum(count_over_time({app="foo"}[5s])) or vector(0)"#, "0..20 step 5s", "{} 0:0 5:4 10:0 15:0 20:0"),
    (r#"vector(1) unless on () count_over_time({app="bar"}[5s])"#, "0..20 step 5s", "{} 0:1 15:1"),
    (r#"sum(count_over_time({app=~".+"}[5s])) > 1"#, "0..20 step 5s", "{} 5:5"),
    (r#"sum(count_over_time({app=~".+"}[5s])) > bool 1"#, "0..20 step 5s", "{} 5:1 10:0 20:0"),
    (r#"absent_over_time({app="bar"}[5s])"#, "0..20 step 5s", "{app=bar} 0:1 15:1"),
    (r#"absent_over_time({app="none",machine=~"1|2",zone!="a"}[5s])"#, "at 5", "{app=none} 1"),
    (r#"absent_over_time({app=~"n.+"}[5s])"#, "at 5", "{} 1"),
    (r#"absent_over_time({app="bar",app="baz"}[5s])"#, "at 5", "{} 1"),
    (r#"absent_over_time({app="bar"} |= "b" [5s])"#, "at 5", "{app=bar} 1"),
    (r#"absent_over_time({app="bar"}[5s] offset 10s)"#, "at 15", ""),
    (r#"sum(absent_over_time({app="none"}[5s])) * 5"#, "at 15", "{} 5"),
    // An error at one step fails all of them.
    (
        r#"count_over_time({app="bar"}[30s]) + on () group_left count_over_time({app="foo"}[3s])"#,
        "0..20 step 5s",
        r#"error: found duplicate series for the match group {} on the right hand-side of the operation: [{app="foo", machine="1"}, {app="foo", machine="2"}]; many-to-many matching not allowed: matching labels must be unique on one side"#,
    ),
    (
        r#"count_over_time({app="bar"}[30s]) + on () group_left count_over_time({app="foo"}[2s])"#,
        "0..20 step 5s",
        "{app=bar,machine=1} 5:2",
    ),
];
