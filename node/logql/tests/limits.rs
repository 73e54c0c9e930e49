//! What happens at each limit of a query: it fails and says which limit, and just below it works.

#![expect(clippy::unwrap_used, reason = "a test whose case is miswritten shall stop")]

use std::sync::Arc;
use std::time::Duration;

use logmesh_logql::{
    CELLS_MAX, ENTRIES_BYTES_MAX, EvalError, INNER_SERIES_MAX, Merge, NESTING_MAX, PANES_MAX, POINTS_MAX, Pane,
    Partial, QueryParams, Runner, SeriesPart, Summary, TERMS_MAX, VALUES_MAX, parse, plan,
};
use logmesh_protocol::record::Labels;
use logmesh_protocol::rows::{Rows, StreamRows};
use logmesh_protocol::time::Timestamp;

fn labels(number: u64) -> Labels {
    Labels::new([("s".to_owned(), number.to_string())])
}

/// Rows of one stream each, all at one nanosecond.
fn streams(numbers: std::ops::Range<u64>, line: &str) -> Rows {
    let mut rows = Rows::default();
    let mut lines = Vec::new();
    for (at, number) in numbers.enumerate() {
        rows.streams.push(StreamRows { labels: Arc::new(labels(number)), rows: at..at + 1 });
        rows.timestamps.push(Timestamp::from_nanos(1));
        lines.extend_from_slice(line.as_bytes());
        rows.line_ends.push(lines.len() as u32);
    }
    rows.lines = lines.into();
    rows
}

fn params(steps: u64) -> QueryParams {
    let end = Timestamp::from_nanos(i64::try_from(steps).unwrap());
    let mut params = QueryParams::range(Timestamp::from_nanos(1), end, Duration::from_nanos(1));
    params.limit = 5_000;
    params
}

fn runner(query: &str, steps: u64) -> (Runner, Merge) {
    let plan = plan(&parse(query).unwrap(), &params(steps)).unwrap();
    (plan.part().unwrap().runner().unwrap(), Merge::new(&plan))
}

#[test]
fn series_of_an_inner_aggregation() {
    let max = u64::from(INNER_SERIES_MAX);
    let (mut runner, _) = runner("count(count_over_time({s=~\".+\"}[1h]))", 1);
    assert!(runner.add_rows(&streams(0..max, "x")).is_ok());
    assert!(runner.add_rows(&streams(0..max, "x")).is_ok());
    let error = runner.add_rows(&streams(max..max + 1, "x")).unwrap_err();
    assert_eq!(error, EvalError::SeriesMax(INNER_SERIES_MAX));
    assert!(error.to_string().starts_with("maximum number of series (20000) reached for a single query"));
}

#[test]
fn cells_of_an_inner_aggregation() {
    let fitting = CELLS_MAX / POINTS_MAX;
    let (mut runner, _) = runner("count(count_over_time({s=~\".+\"}[1h]))", POINTS_MAX);
    assert!(runner.add_rows(&streams(0..fitting, "x")).is_ok());
    let error = runner.add_rows(&streams(fitting..fitting + 1, "x")).unwrap_err();
    assert_eq!(error, EvalError::CellsMax(CELLS_MAX));
}

#[test]
fn cells_of_all_inner_aggregations_together() {
    let half = CELLS_MAX / POINTS_MAX / 2;
    let query = "count(count_over_time({s=~\".+\"}[1h])) + count(rate({s=~\".+\"}[1h]))";
    let (mut both, _) = runner(query, POINTS_MAX);
    assert!(both.add_rows(&streams(0..half, "x")).is_ok());
    assert_eq!(both.add_rows(&streams(half..half + 1, "x")), Err(EvalError::CellsMax(CELLS_MAX)));
    let part =
        |number: u64| SeriesPart { labels: labels(number), first: 0, counts: vec![1], bytes: vec![], panes: vec![] };
    let add = |merge: &mut Merge, numbers: std::ops::Range<u64>| {
        merge.add(Partial::Metric { leaves: vec![numbers.clone().map(part).collect(), numbers.map(part).collect()] })
    };
    let (_, mut merge) = runner(query, POINTS_MAX);
    assert!(add(&mut merge, 0..half).is_ok());
    assert_eq!(add(&mut merge, half..half + 1), Err(EvalError::CellsMax(CELLS_MAX)));
}

#[test]
fn series_and_cells_that_come_back() {
    let part =
        |number: u64| SeriesPart { labels: labels(number), first: 0, counts: vec![1], bytes: vec![], panes: vec![] };
    let add = |merge: &mut Merge, numbers: std::ops::Range<u64>| {
        merge.add(Partial::Metric { leaves: vec![numbers.map(part).collect()] })
    };
    let query = "count(count_over_time({s=~\".+\"}[1h]))";
    let (_, mut merge) = runner(query, 1);
    let max = u64::from(INNER_SERIES_MAX);
    assert!(add(&mut merge, 0..max).is_ok());
    assert_eq!(add(&mut merge, max..max + 1), Err(EvalError::SeriesMax(INNER_SERIES_MAX)));
    let (_, mut merge) = runner(query, POINTS_MAX);
    let fitting = CELLS_MAX / POINTS_MAX;
    assert!(add(&mut merge, 0..fitting).is_ok());
    assert_eq!(add(&mut merge, fitting..fitting + 1), Err(EvalError::CellsMax(CELLS_MAX)));
    // Counts that a peer made up do not overflow.
    let huge = SeriesPart { labels: labels(0), first: 0, counts: vec![u64::MAX], bytes: vec![], panes: vec![] };
    assert!(merge.add(Partial::Metric { leaves: vec![vec![huge.clone(), huge]] }).is_ok());
    assert!(merge.finish().is_ok());
}

#[test]
fn single_values() {
    // A sample of a counter counts twice, so half as many rows reach the limit.
    let (mut runner, _) = runner("sum(rate_counter({s=~\".+\"} | x=\"\" | unwrap s [1h]))", 1);
    let at_once = 1 << 14;
    let rows = streams(0..at_once, "");
    for _ in 0..VALUES_MAX / 2 / at_once {
        assert!(runner.add_rows(&rows).is_ok());
    }
    let error = runner.add_rows(&streams(0..1, "")).unwrap_err();
    assert_eq!(error, EvalError::ValuesMax(VALUES_MAX));
    assert!(error.to_string().starts_with("the query would hold more than 4194304 single values in memory"));
    let (_, mut merge) = self::runner("quantile_over_time(0.5, {s=~\".+\"} | unwrap s [1h]) by ()", 1);
    let part = |count: u64| {
        let pane = Pane { number: 1, summary: Summary::Values(vec![1.5; count as usize]) };
        let part = SeriesPart { labels: labels(0), first: 0, counts: vec![], bytes: vec![], panes: vec![pane] };
        Partial::Metric { leaves: vec![vec![part]] }
    };
    assert!(merge.add(part(VALUES_MAX)).is_ok());
    assert_eq!(merge.add(part(1)), Err(EvalError::ValuesMax(VALUES_MAX)));
}

#[test]
fn panes_of_samples() {
    let series = u64::from(INNER_SERIES_MAX);
    let steps = 50;
    let (mut runner, _) = runner("max_over_time({s=~\".+\"} | unwrap s [1ns]) by (s)", steps);
    let mut rows = streams(0..series, "");
    for at in 0..steps {
        rows.timestamps.fill(Timestamp::from_nanos(1 + at as i64));
        let fits = (at + 1) * series <= PANES_MAX;
        match runner.add_rows(&rows) {
            Ok(_) => assert!(fits, "{at}"),
            Err(error) => {
                assert!(!fits, "{at}: {error}");
                assert_eq!(error, EvalError::CellsMax(PANES_MAX));
                return;
            }
        }
    }
    panic!("no limit");
}

#[test]
fn panes_that_do_not_fit_are_refused() {
    let add = |query: &str, number: u32, summary: Summary| {
        let (_, mut merge) = runner(query, 3);
        let panes = vec![Pane { number, summary }];
        let part = SeriesPart { labels: labels(0), first: 0, counts: vec![], bytes: vec![], panes };
        merge.add(Partial::Metric { leaves: vec![vec![part]] }).and_then(|()| merge.finish())
    };
    let max = "max_over_time({s=~\".+\"} | unwrap s [1h])";
    assert!(add(max, 6, Summary::Greatest(1.0)).is_ok());
    for (query, number, summary) in [
        (max, 7, Summary::Greatest(1.0)),
        (max, 0, Summary::Least(1.0)),
        (max, 0, Summary::Values(vec![])),
        ("count_over_time({s=~\".+\"}[1h])", 0, Summary::Greatest(1.0)),
        ("rate({s=~\".+\"}[1h])", 0, Summary::Greatest(1.0)),
    ] {
        assert!(matches!(add(query, number, summary), Err(EvalError::Partial(_))), "{query} {number}");
    }
}

#[test]
fn bytes_of_entries() {
    let line = "x".repeat(1 << 20);
    let fitting = ENTRIES_BYTES_MAX / (1 << 20) - 1;
    let (mut runner, mut merge) = runner("{s=~\".+\"}", 10);
    assert!(runner.add_rows(&streams(0..fitting, &line)).is_ok());
    merge.add(runner.finish().unwrap()).unwrap();
    let (mut runner, _) = self::runner("{s=~\".+\"}", 10);
    assert!(runner.add_rows(&streams(fitting..fitting * 2, &line)).is_ok());
    let error = merge.add(runner.finish().unwrap()).unwrap_err();
    assert_eq!(error, EvalError::EntriesBytesMax(ENTRIES_BYTES_MAX));
    let (mut runner, _) = self::runner("{s=~\".+\"}", 10);
    let error = runner.add_rows(&streams(0..fitting + 2, &line)).unwrap_err();
    assert_eq!(error.to_string(), "the entries found exceed 33554432 bytes; ask for a lower limit");
}

#[test]
fn a_small_limit_keeps_memory_small_however_much_is_found() {
    let line = "x".repeat(1 << 20);
    let mut asked = params(10);
    asked.limit = 3;
    let plan = plan(&parse("{s=~\".+\"}").unwrap(), &asked).unwrap();
    let mut runner = plan.part().unwrap().runner().unwrap();
    for _ in 0..3 {
        assert!(runner.add_rows(&streams(0..100, &line)).is_ok());
    }
    let Partial::Log { entries, .. } = runner.finish().unwrap() else { panic!("lines were asked for") };
    assert_eq!(entries.len(), 3);
}

#[test]
fn parts_are_told_what_they_need() {
    let range = |query: &str| {
        let plan = plan(&parse(query).unwrap(), &params(10)).unwrap();
        let part = plan.part().unwrap();
        (part.range().start.as_nanos(), part.range().end.as_nanos(), part.needs_lines(), part.newest_first())
    };
    assert_eq!(range("{s=\"1\"}"), (1, 10, true, true));
    assert_eq!(range("count_over_time({s=\"1\"}[5ns])"), (-3, 11, false, false));
    assert_eq!(range("rate({s=\"1\"}[5ns] offset 2ns)"), (-5, 9, false, false));
    assert_eq!(range("bytes_rate({s=\"1\"}[5ns] offset -2ns)"), (-1, 13, false, false));
    assert_eq!(range("rate({s=\"1\"} |= \"x\" [5ns])"), (-3, 11, true, false));
    assert_eq!(range("rate({s=\"1\"} |= `` | s=\"1\" [5ns])"), (-3, 11, false, false));
    assert_eq!(range("rate({s=\"1\"} | json [5ns])"), (-3, 11, true, false));
    let none = plan(&parse("1 + 1").unwrap(), &params(10)).unwrap();
    assert!(none.part().is_none());
}

#[test]
fn labels_that_an_aggregation_drops_do_not_travel() {
    for (query, series) in [
        ("sum(count_over_time({s=~\".+\"}[1h]))", 1),
        ("sum without (s) (bytes_rate({s=~\".+\"}[1h]))", 1),
        ("sum(sum by (s) (sum without (x) (rate({s=~\".+\"} | s > 1 or s <= 1 [1h]))))", 1),
        ("max(max_over_time({s=~\".+\"} | unwrap s [1h]) by (s))", 1),
        ("min(min_over_time({s=~\".+\"} | unwrap s [1h]) by (s))", 1),
        ("sum(sum_over_time({s=~\".+\"} | unwrap s [1h]))", 1),
        ("absent_over_time({s=~\".+\"}[1h])", 1),
        // What does not add up travels whole.
        ("max(count_over_time({s=~\".+\"}[1h]))", 50),
        ("count(count_over_time({s=~\".+\"}[1h]))", 50),
        ("sum(max_over_time({s=~\".+\"} | unwrap s [1h]) by (s))", 50),
        ("topk(1, sum by (s) (rate({s=~\".+\"}[1h])))", 50),
    ] {
        let (mut runner, _) = runner(query, 1);
        assert!(runner.add_rows(&streams(0..50, "x")).is_ok());
        let Partial::Metric { leaves } = runner.finish().unwrap() else { panic!("numbers were asked for") };
        assert_eq!((leaves.len(), leaves[0].len()), (1, series), "{query}");
    }
}

#[test]
fn the_longest_queries_run_on_the_stack_of_a_worker_thread() {
    let run = |query: &str| {
        let plan = plan(&parse(query).unwrap(), &params(2)).unwrap();
        let _ = plan.part().map(|part| part.runner().unwrap().finish().unwrap());
        Merge::new(&plan).finish().unwrap();
    };
    let long = format!("vector(1){}", " + vector(1)".repeat(TERMS_MAX));
    let deep = format!("{}vector(1){}", "sum(".repeat(NESTING_MAX), ")".repeat(NESTING_MAX));
    let right = format!("vector(1){}", " ^ vector(1)".repeat(NESTING_MAX));
    for query in [long, deep, right] {
        // As large as tokio makes them.
        let thread = std::thread::Builder::new().stack_size(2 << 20);
        thread.spawn(move || run(&query)).unwrap().join().unwrap();
    }
}
