//! The documentation's pages "Metric queries" and "LogQL reference", sentence by sentence.

use super::{Case, Group};

pub(crate) const GROUPS: &[Group] =
    &[("numbers as documented", NUMBERS, NUMBER_CASES), ("pipeline errors as documented", ERRORS, ERROR_CASES)];

const NUMBERS: &str = r#"
{app="a",env="p"} 10 v=1 c=10 d=1s
{app="a",env="p"} 20 v=3 c=15 d=2s
{app="a",env="p"} 30 v=2 c=5 d=oops
{app="a",env="d"} 10 v=10 c=1 d=1m
{app="a",env="d"} 40 v=20 c=2 d=2m
{app="b",env="p"} 15 v=NaN c=3 d=1h30m
{app="b",env="p"} 35 v=+Inf c=9 d=5ms
"#;

const NUMBER_CASES: &[Case] = &[
    (
        r#"rate_counter({app="a",env="p"} | logfmt | unwrap c [60s])"#,
        "at 60",
        "{app=a,d=1s,env=p,v=1} 0\n{app=a,d=2s,env=p,v=3} 0\n{app=a,d=oops,env=p,v=2} 0",
    ),
    (r#"sum by (app) (rate_counter({app="a"} | logfmt | unwrap c [60s]))"#, "at 60", "{app=a} 0"),
    (r#"quantile_over_time(0, {app="a"} | logfmt | unwrap v [60s]) by (app)"#, "at 60", "{app=a} 1"),
    (r#"quantile_over_time(1, {app="a"} | logfmt | unwrap v [60s]) by (app)"#, "at 60", "{app=a} 20"),
    (r#"quantile_over_time(0.5, {app="a"} | logfmt | unwrap v [60s]) by (app)"#, "at 60", "{app=a} 3"),
    (r#"quantile_over_time(1.5, {app="a"} | logfmt | unwrap v [60s]) by (app)"#, "at 60", "{app=a} +Inf"),
    (r#"quantile_over_time(-0.5, {app="a"} | logfmt | unwrap v [60s]) by (app)"#, "at 60", "{app=a} -Inf"),
    (r#"quantile_over_time(0.5, {app="b"} | logfmt | unwrap v [60s]) by (app)"#, "at 60", "{app=b} NaN"),
    (r#"absent_over_time({app="zzz",env=~"p|q"}[60s])"#, "at 60", "{app=zzz} 1"),
    (r#"absent_over_time({app="a"}[60s])"#, "at 60", ""),
    (r#"absent_over_time({app="zzz"} | logfmt | unwrap v [60s])"#, "at 60", "{app=zzz} 1"),
    (r#"absent_over_time({app="zzz"}[10s])"#, "0..30 step 10s", "{app=zzz} 0:1 10:1 20:1 30:1"),
    (r#"sum(absent_over_time({app="zzz",app="y"}[60s]))"#, "at 60", "{} 1"),
    (r#"count_over_time({app="a",env="p"}[10s] offset 10s)"#, "at 40", "{app=a,env=p} 1"),
    (r#"count_over_time({app="a",env="p"}[10s] offset -10s)"#, "at 10", "{app=a,env=p} 1"),
    (r#"count_over_time({app="a",env="p"}[10s] offset 1m)"#, "at 80", "{app=a,env=p} 1"),
    (r#"sum(count_over_time({app="a"}[60s] offset 10s))"#, "at 60", "{} 5"),
    ("vector(1.5) + 1", "at 60", "{} 2.5"),
    ("vector(-1)", "at 60", "{} -1"),
    ("vector(1) > 2 or vector(3)", "at 60", "{} 3"),
    (r#"sum(count_over_time({app="zzz"}[60s])) or vector(0)"#, "at 60", "{} 0"),
    ("-2 ^ 2", "at 60", "4"),
    ("1 > bool 1", "at 60", "0"),
    ("1 == bool 1", "at 60", "1"),
    ("(1 + 1) * 3 - 4 / 2", "at 60", "4"),
    ("10 % 4 + 1", "at 60", "3"),
    ("5 % 0", "at 60", "NaN"),
    (r#"sum by (env) (count_over_time({app="a"}[60s])) > 2"#, "at 60", "{env=p} 3"),
    (r#"sum by (env) (count_over_time({app="a"}[60s])) > bool 2"#, "at 60", "{env=d} 0\n{env=p} 1"),
    (r#"2 < sum by (env) (count_over_time({app="a"}[60s]))"#, "at 60", "{env=p} 3"),
    (r#"2 < bool sum by (env) (count_over_time({app="a"}[60s]))"#, "at 60", "{env=d} 0\n{env=p} 1"),
    (
        r#"sum without(app) (count_over_time({app="a"}[60s])) > bool sum without(app) (count_over_time({app="b"}[60s]))"#,
        "at 60",
        "{env=p} 1",
    ),
    (
        r#"sum by (env,app) (count_over_time({app=~"a|b"}[60s])) / on (app) group_left sum by (app) (count_over_time({app=~"a|b"}[60s]))"#,
        "at 60",
        "{app=a,env=d} 0.4\n{app=a,env=p} 0.6\n{app=b,env=p} 1",
    ),
    (
        r#"sum by (env,app) (count_over_time({app=~"a|b"}[60s])) / on (app) group_left(x) label_replace(sum by (app) (count_over_time({app=~"a|b"}[60s])), "x", "y-$1", "app", "(.*)")"#,
        "at 60",
        "{app=a,env=d,x=y-a} 0.4\n{app=a,env=p,x=y-a} 0.6\n{app=b,env=p,x=y-b} 1",
    ),
    (
        r#"label_replace(sum by (app) (count_over_time({app=~"a|b"}[60s])), "x", "y-$1", "app", "(.*)") * on(app) group_right(x) sum by (env,app) (count_over_time({app=~"a|b"}[60s]))"#,
        "at 60",
        "{app=a,env=d,x=y-a} 10\n{app=a,env=p,x=y-a} 15\n{app=b,env=p,x=y-b} 4",
    ),
    (
        r#"sum by (env,app) (count_over_time({app=~"a|b"}[60s])) * ignoring(env) group_left sum by (app) (count_over_time({app=~"a|b"}[60s]))"#,
        "at 60",
        "{app=a,env=d} 10\n{app=a,env=p} 15\n{app=b,env=p} 4",
    ),
    (
        r#"sum by (env,app) (count_over_time({app=~"a|b"}[60s])) * on (app) sum by (app) (count_over_time({app=~"a|b"}[60s]))"#,
        "at 60",
        r#"error: multiple matches for labels {app="a", env="p"}: many-to-one matching must be explicit (group_left/group_right)"#,
    ),
    (
        r#"sum by (env) (count_over_time({app="a"}[60s])) and sum by (env) (count_over_time({app="b"}[60s]))"#,
        "at 60",
        "{env=p} 3",
    ),
    (
        r#"sum by (env) (count_over_time({app="a"}[60s])) unless sum by (env) (count_over_time({app="b"}[60s]))"#,
        "at 60",
        "{env=d} 2",
    ),
    (
        r#"sum by (env) (count_over_time({app="b"}[60s])) or sum by (env) (count_over_time({app="a"}[60s]))"#,
        "at 60",
        "{env=d} 2\n{env=p} 2",
    ),
    (r#"sum by (env) (count_over_time({app="a"}[60s])) and on() vector(1)"#, "at 60", "{env=d} 2\n{env=p} 3"),
    (r#"topk(1, sum by (env) (count_over_time({app="a"}[60s])))"#, "at 60", "{env=p} 3"),
    (r#"bottomk(1, sum by (env) (count_over_time({app="a"}[60s])))"#, "at 60", "{env=d} 2"),
    (r#"topk(1, count_over_time({app=~"a|b"}[60s])) by (app)"#, "at 60", "{app=a,env=p} 3\n{app=b,env=p} 2"),
    (
        r#"topk(0, count_over_time({app=~"a|b"}[60s]))"#,
        "at 60",
        "error: parse error at line 1, col 6: invalid parameter (must be a whole number greater than 0) topk(0, …)",
    ),
    (
        r#"topk(-1, count_over_time({app=~"a|b"}[60s]))"#,
        "at 60",
        "error: parse error at line 1, col 6: invalid parameter (must be a whole number greater than 0) topk(-1, …)",
    ),
    (
        r#"topk(1.5, count_over_time({app=~"a|b"}[60s]))"#,
        "at 60",
        "error: parse error at line 1, col 6: invalid parameter (must be a whole number greater than 0) topk(1.5, …)",
    ),
    (r#"approx_topk(1, sum by (env) (count_over_time({app="a"}[60s])))"#, "at 60", "{env=p} 3"),
    (
        r#"approx_topk(1, count_over_time({app="a"}[60s])) by (app)"#,
        "at 60",
        "error: parse error : grouping not allowed for approx_topk aggregation",
    ),
    (
        r#"approx_topk(1, sum by (env) (count_over_time({app="a"}[60s])))"#,
        "0..60 step 30s",
        "error: approx_topk is only supported for instant queries",
    ),
    (r#"sort(sum by (env) (count_over_time({app="a"}[60s])))"#, "at 60", "{env=d} 2\n{env=p} 3"),
    (r#"sort_desc(sum by (env) (count_over_time({app="a"}[60s])))"#, "at 60", "{env=p} 3\n{env=d} 2"),
    (
        r#"sort(count_over_time({app="a"}[60s])) by (env)"#,
        "at 60",
        "error: parse error : grouping not allowed for sort aggregation",
    ),
    (r#"avg(count_over_time({app="a"}[60s]))"#, "at 60", "{} 2.5"),
    (r#"stddev(count_over_time({app="a"}[60s]))"#, "at 60", "{} 0.5"),
    (r#"stdvar(count_over_time({app="a"}[60s]))"#, "at 60", "{} 0.25"),
    (r#"count(count_over_time({app="a"}[60s])) by (app)"#, "at 60", "{app=a} 2"),
    (r#"count without (env) (count_over_time({app="a"}[60s]))"#, "at 60", "{app=a} 2"),
    (
        r#"sum_over_time({app="a"} | logfmt | unwrap duration(d) [60s])"#,
        "at 60",
        "error: pipeline error: 'SampleExtractionErr' for series: '{__error__=\"SampleExtractionErr\", __error_details__=\"time: invalid duration \\\"oops\\\"\", app=\"a\", c=\"5\", d=\"oops\", env=\"p\", v=\"2\"}' (time: invalid duration \"oops\").\nUse a label filter to skip such lines (e.g | __error__!=\"SampleExtractionErr\"), or all lines with an error (e.g | __error__=\"\"); behind an unwrap it skips those whose value does not convert.",
    ),
    (
        r#"sum_over_time({app="a"} | logfmt | unwrap duration_seconds(d) | __error__="" [60s])"#,
        "at 60",
        "{app=a,c=1,env=d,v=10} 60\n{app=a,c=10,env=p,v=1} 1\n{app=a,c=15,env=p,v=3} 2\n{app=a,c=2,env=d,v=20} 120",
    ),
    (r#"sum by (app) (sum_over_time({app="b"} | logfmt | unwrap duration(d) [60s]))"#, "at 60", "{app=b} 5400.005"),
    (
        r#"sum by (app) (count_over_time({app="a"} | logfmt | unwrap duration(d) | __error__=~".*" [60s]))"#,
        "at 60",
        "error: parse error : invalid aggregation count_over_time with unwrap",
    ),
    (
        r#"sum by (app,__error__) (sum_over_time({app="a"} | logfmt | unwrap duration(d) | __error__!="" [60s]))"#,
        "at 60",
        "{__error__=SampleExtractionErr,app=a} 0",
    ),
    (
        r#"sum_over_time({app="a"} | logfmt | unwrap bytes(c) [60s]) by (app)"#,
        "at 60",
        "error: parse error : grouping not allowed for sum_over_time aggregation",
    ),
    (r#"max_over_time({app="a"} | logfmt | unwrap v [60s]) by (app)"#, "at 60", "{app=a} 20"),
    (r#"min_over_time({app="a"} | logfmt | unwrap v [60s]) without (env,c,d)"#, "at 60", "{app=a} 1"),
    (r#"first_over_time({app="a"} | logfmt | unwrap v [60s]) by (env)"#, "at 60", "{env=d} 10\n{env=p} 1"),
    (r#"last_over_time({app="a"} | logfmt | unwrap v [60s]) by (env)"#, "at 60", "{env=d} 20\n{env=p} 2"),
    (r#"avg_over_time({app="a"} | logfmt | unwrap v [60s]) by (app)"#, "at 60", "{app=a} 7.2"),
    (r#"stddev_over_time({app="a"} | logfmt | unwrap v [60s]) by (app)"#, "at 60", "{app=a} 7.138627319029899"),
    (r#"stdvar_over_time({app="a"} | logfmt | unwrap v [60s]) by (app)"#, "at 60", "{app=a} 50.96"),
    (
        r#"rate({app="a"} | logfmt | unwrap v [60s])"#,
        "at 60",
        "{app=a,c=1,d=1m,env=d} 0.16666666666666666\n{app=a,c=10,d=1s,env=p} 0.016666666666666666\n{app=a,c=15,d=2s,env=p} 0.05\n{app=a,c=2,d=2m,env=d} 0.3333333333333333\n{app=a,c=5,d=oops,env=p} 0.03333333333333333",
    ),
    (r#"sum by (app) (rate({app="a"} | logfmt | unwrap v [60s]))"#, "at 60", "{app=a} 0.6"),
    (r#"bytes_rate({app="a",env="p"}[60s])"#, "at 60", "{app=a,env=p} 0.6666666666666666"),
    (r#"bytes_over_time({app="a",env="p"}[60s])"#, "at 60", "{app=a,env=p} 40"),
    (
        r#"sum_over_time({app="a"} | logfmt | unwrap v [60s]) by (app)"#,
        "at 60",
        "error: parse error : grouping not allowed for sum_over_time aggregation",
    ),
    (
        r#"rate({app="a"} | logfmt | unwrap v [60s]) by (app)"#,
        "at 60",
        "error: parse error : grouping not allowed for rate aggregation",
    ),
    (r#"count_over_time({app="a"} [1m] | logfmt | v="1")"#, "at 60", "{app=a,c=10,d=1s,env=p,v=1} 1"),
    (r#"count_over_time({app="a"} [1m] |= "v=1")"#, "at 60", "{app=a,env=d} 1\n{app=a,env=p} 1"),
    (r#"count_over_time(({app="a"} |= "v=1")[60s])"#, "at 60", "{app=a,env=d} 1\n{app=a,env=p} 1"),
    (r#"sum(count_over_time({app="a"}[60s])) by (env)"#, "at 60", "{env=d} 2\n{env=p} 3"),
    (
        r#"sum by (env) (count_over_time({app="a"}[60s])) by (app)"#,
        "at 60",
        "error: parse error at line 1, col 48: syntax error: unexpected by",
    ),
    (r#"sum(rate({app="a"}[1h30m]))"#, "at 60", "{} 0.000925925925925926"),
    (r#"sum(count_over_time({app="a"}[1d]))"#, "at 60", "{} 5"),
    (r#"sum(count_over_time({app="a"}[1w]))"#, "at 60", "{} 5"),
    (r#"sum(count_over_time({app="a"}[1y]))"#, "at 60", "{} 5"),
    (
        r#"sum(count_over_time({app="a"}[60]))"#,
        "at 60",
        "error: parse error at line 1, col 31: syntax error: unexpected NUMBER, expecting DURATION, such as 5m",
    ),
    (r#"sum(count_over_time({app="a"}[1.5m]))"#, "at 60", "{} 5"),
    (
        r#"sum(count_over_time({app="a"}[0s]))"#,
        "at 60",
        "error: parse error at line 1, col 31: the range must be longer than zero",
    ),
    (
        r#"label_replace(count_over_time({app="a",env="p"}[60s]), "foo", "$1", "env", "(.*)")"#,
        "at 60",
        "{app=a,env=p,foo=p} 3",
    ),
    (r#"label_replace(count_over_time({app="a",env="p"}[60s]), "env", "", "env", "p")"#, "at 60", "{app=a} 3"),
    (
        r#"label_replace(count_over_time({app="a",env="p"}[60s]), "foo", "$2", "env", "(q)")"#,
        "at 60",
        "{app=a,env=p} 3",
    ),
    (r#"label_replace(vector(1), "foo", "bar", "", "")"#, "at 60", "{foo=bar} 1"),
    (
        "quantile_over_time(0.99,\n {app=\"a\"}\n | logfmt # a comment\n | __error__=\"\"\n | unwrap v [60s]\n) by (env)",
        "at 60",
        "{env=d} 19.900000000000002\n{env=p} 2.98",
    ),
    ("# only a comment\nsum(count_over_time({app=\"a\"}[60s])) # tail", "at 60", "{} 5"),
    (r##"sum(count_over_time({app="a"} |= "#"[60s]))"##, "at 60", ""),
];

const ERRORS: &str = r#"
{job="q",app="f"} 1 path="a b c" err="ErrTimeout: x" createDate=1970-01-01 ClientHost=10.0.0.1 request_uri=/a/509965767/alternative-to-my-mtg.html request_method=GET size="5 MiB" took=24s30ms
{job="q",app="f"} 2 size=3k took=5m
{job="q",app="g"} 3 size=1G took=1h
{job="q",app="g"} 4 size=bad took=bad XYZ XYZ
"#;

const ERROR_CASES: &[Case] = &[
    (
        r#"sum_over_time({job="q"} | logfmt | unwrap bytes(size) | __error__="" [10s])"#,
        "at 10",
        "{ClientHost=10.0.0.1,app=f,createDate=1970-01-01,err=ErrTimeout: x,job=q,path=a b c,request_method=GET,request_uri=/a/509965767/alternative-to-my-mtg.html,took=24s30ms} 5242880\n{app=f,job=q,took=5m} 3000\n{app=g,job=q,took=1h} 1000000000",
    ),
    (
        r#"sum by (app) (sum_over_time({job="q"} | logfmt | keep app, size | unwrap bytes(size) | __error__="" [10s]))"#,
        "at 10",
        "{app=f} 5245880\n{app=g} 1000000000",
    ),
    (
        r#"sum by (app) (sum_over_time({job="q"} | logfmt | keep app, took | unwrap duration(took) | __error__="" [10s]))"#,
        "at 10",
        "{app=f} 324.03\n{app=g} 3600",
    ),
    (
        r#"max_over_time({job="q"} | logfmt | unwrap duration(took) | __error__=~".*" [10s]) by (app)"#,
        "at 10",
        "{__error__=SampleExtractionErr,__error_details__=time: invalid duration \"bad\",app=g} 0\n{app=f} 300\n{app=g} 3600",
    ),
    (
        r#"max_over_time({job="q"} | logfmt | unwrap duration(took) | __error__!="" [10s]) by (app)"#,
        "at 10",
        r#"{__error__=SampleExtractionErr,__error_details__=time: invalid duration "bad",app=g} 0"#,
    ),
    (
        r#"count(max_over_time({job="q"} | logfmt | unwrap duration(took) | __error__=~".*" [10s]) by (app))"#,
        "at 10",
        "{} 3",
    ),
    (
        r#"sum by (app) (max_over_time({job="q"} | logfmt | unwrap duration(took) | __error__=~".*" [10s]) by (app))"#,
        "at 10",
        "{app=f} 300\n{app=g} 3600",
    ),
    (
        r#"count_over_time({job="q"} | logfmt | size > 5MB [10s])"#,
        "at 10",
        "error: pipeline error: 'LabelFilterErr' for series: '{__error__=\"LabelFilterErr\", __error_details__=\"strconv.ParseFloat: parsing \\\"\\\": invalid syntax\", app=\"g\", job=\"q\", size=\"bad\", took=\"bad\"}' (strconv.ParseFloat: parsing \"\": invalid syntax).\nUse a label filter to skip such lines (e.g | __error__!=\"LabelFilterErr\"), or all lines with an error (e.g | __error__=\"\"); behind an unwrap it skips those whose value does not convert.",
    ),
    (r#"sum by (app) (count_over_time({job="q"} | logfmt | took > 5m | __error__=~".*" [10s]))"#, "at 10", "{app=g} 2"),
    (
        r#"sum by (app) (count_over_time({job="q"} | json | __error__="" or app="g" [10s]))"#,
        "at 10",
        "error: pipeline error: 'JSONParserErr' for series: '{__error__=\"JSONParserErr\", __error_details__=\"Value looks like object, but can't find closing '}' symbol\", app=\"g\", job=\"q\"}' (Value looks like object, but can't find closing '}' symbol).\nUse a label filter to skip such lines (e.g | __error__!=\"JSONParserErr\"), or all lines with an error (e.g | __error__=\"\"); behind an unwrap it skips those whose value does not convert.",
    ),
    (r#"sum by (app) (count_over_time({job="q"} | json | __error__="" and app="g" [10s]))"#, "at 10", ""),
    (
        r#"sum by (app) (count_over_time({job="q"} | json | __error__!="" or app="g" [10s]))"#,
        "at 10",
        "{app=f} 2\n{app=g} 2",
    ),
    (r#"sum by (app) (count_over_time({job="q"} | json | __error__=~".*" and app="g" [10s]))"#, "at 10", "{app=g} 2"),
    (
        r#"count_over_time({job="q"} | json | __error__=~".*" [10s]) by (app)"#,
        "at 10",
        "{__error__=JSONParserErr,__error_details__=Value looks like object, but can't find closing '}' symbol,app=f} 2\n{__error__=JSONParserErr,__error_details__=Value looks like object, but can't find closing '}' symbol,app=g} 2",
    ),
    (r#"sum(count_over_time({job="q"} | json | drop __error__ [10s]))"#, "at 10", "{} 4"),
    (
        r#"sum by (app) (rate({job="q"} |= "size" != "bad" | logfmt | took > 10s [1m]))"#,
        "at 60",
        "{app=f} 0.03333333333333333\n{app=g} 0.016666666666666666",
    ),
    (
        r#"quantile_over_time(0.99,{job="q"} | logfmt | unwrap duration(took) | __error__=""[1m]) by (app)"#,
        "at 60",
        "{app=f} 297.2403\n{app=g} 3600",
    ),
    (
        r#"topk(10,sum(rate({job="q"}[5m])) by (app))"#,
        "at 60",
        "{app=f} 0.006666666666666667\n{app=g} 0.006666666666666667",
    ),
    (r#"avg(rate(({job="q"} |= "size" | logfmt | size="3k")[10s])) by (app)"#, "at 10", "{app=f} 0.1"),
    (r#"sum(rate({app="f"}[1m])) * 2"#, "at 60", "{} 0.06666666666666667"),
    (r#"sum(rate({app="f"}[1m])) / sum(rate({app="g"}[1m]))"#, "at 60", "{} 1"),
    (r#"rate({app=~"f|g"}[1m]) and rate({app="g"}[1m])"#, "at 60", "{app=g,job=q} 0.03333333333333333"),
    (
        r#"max by(app) (count_over_time({app="f"}[1m])) > bool ignoring(app) avg(count_over_time({app="f"}[1m]))"#,
        "at 60",
        "{} 0",
    ),
    (
        r#"sum by(app) (count_over_time({job="q"}[1m])) / on() sum(count_over_time({job="q"}[1m]))"#,
        "at 60",
        r#"error: multiple matches for labels {app="g"}: many-to-one matching must be explicit (group_left/group_right)"#,
    ),
    (
        r#"sum by(app) (count_over_time({job="q"}[1m])) / on() group_left sum(count_over_time({job="q"}[1m]))"#,
        "at 60",
        "{app=f} 0.5\n{app=g} 0.5",
    ),
];
