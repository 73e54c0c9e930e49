//! How fast a runner goes over rows: MB of lines a second of CPU time, on one thread, for the kinds of queries that matter. Prints a
//! table; `cargo bench -p logmesh-logql --profile dev`, with `LOGQL_BENCH_MB` for another size than 64 MB.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use logmesh_logql::{Direction, Merge, Miner, QueryParams, Stats, Template, TemplateRow, parse, plan};
use logmesh_protocol::record::{Labels, put_metadata};
use logmesh_protocol::rows::{Rows, StreamRows};
use logmesh_protocol::time::{TimeRange, Timestamp};

/// What is asked, over which rows, and the floor in MB/s that the issue names, if it names one.
struct Case {
    name: &'static str,
    query: &'static str,
    rows: Kind,
    floor: Option<f64>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Json,
    Logfmt,
}

const CASES: &[Case] = &[
    case("needle, rare", r#"{app=~".+"} |= "needle-7f3a""#, Kind::Json, Some(1_500.0)),
    case("needle, in each line", r#"{app=~".+"} |= "latency""#, Kind::Json, None),
    case("needle, in a tenth", r#"{app=~".+"} |= "\"status\":500""#, Kind::Json, None),
    case("two needles", r#"{app=~".+"} |= "status" |= "needle-7f3a""#, Kind::Json, None),
    case("not a needle", r#"{app=~".+"} != "latency""#, Kind::Json, None),
    case("regex with literal", r#"{app=~".+"} |~ "needle-[0-9a-f]+""#, Kind::Json, None),
    case("regex without", r#"{app=~".+"} |~ "[0-9]{7}ms""#, Kind::Json, None),
    case("regex, any case", r#"{app=~".+"} |~ "(?i)NEEDLE-7F3A""#, Kind::Json, None),
    case("json, status >= 600", r#"{app=~".+"} | json | status >= 600"#, Kind::Json, Some(250.0)),
    case("json, status >= 500", r#"{app=~".+"} | json | status >= 500"#, Kind::Json, Some(250.0)),
    case("logfmt, status >= 500", r#"{app=~".+"} | logfmt | status >= 500"#, Kind::Logfmt, None),
    case("json a, b; a >= 500", r#"{app=~".+"} | json s="status", p="request.path" | s >= 500"#, Kind::Json, None),
    case("logfmt a; a >= 500", r#"{app=~".+"} | logfmt status | status >= 500"#, Kind::Logfmt, None),
    case(
        "pattern, status >= 500",
        r#"{app=~".+"} | pattern `<_> status=<status> <_>` | status >= 500"#,
        Kind::Logfmt,
        None,
    ),
    case(
        "regexp, status >= 500",
        r#"{app=~".+"} | regexp `status=(?P<status>\d+)` | status >= 500"#,
        Kind::Logfmt,
        None,
    ),
    case(
        "line_format, then needle",
        r#"{app=~".+"} | logfmt | line_format `{{.path}}` |= "nowhere""#,
        Kind::Logfmt,
        None,
    ),
    case("label_format, then filter", r#"{app=~".+"} | logfmt | label_format s=status | s="500""#, Kind::Logfmt, None),
    case("decolorize, then needle", r#"{app=~".+"} | decolorize |= "needle-7f3a""#, Kind::Logfmt, None),
    case("shape", r#"{app=~".+"} |> "<_> status=500 <_>""#, Kind::Logfmt, None),
    case("ip", r#"{app=~".+"} |= ip("10.0.0.0/8")"#, Kind::Logfmt, None),
    case("count_over_time", r#"count_over_time({app=~".+"}[5m])"#, Kind::Json, Some(2_000.0)),
    case("bytes_over_time", r#"bytes_over_time({app=~".+"}[5m])"#, Kind::Json, None),
    case("rate of a common needle", r#"sum(rate({app=~".+"} |= "latency" [5m]))"#, Kind::Json, None),
    case("sum by (status), json", r#"sum by (status) (rate({app=~".+"} | json [5m]))"#, Kind::Json, None),
    case("quantile by (path), json", QUANTILE, Kind::Json, None),
    case(
        "sum of unwrapped, logfmt",
        r#"sum(sum_over_time({app=~".+"} | logfmt | unwrap size [5m]))"#,
        Kind::Logfmt,
        None,
    ),
    case("without all but one, json", WITHOUT, Kind::Json, None),
    case("sum by (metadata)", r#"sum by (pod) (count_over_time({app=~".+"}[5m]))"#, Kind::Json, None),
];

/// Ships every single value, each once, though twenty steps cover it.
const QUANTILE: &str =
    r#"quantile_over_time(0.99, {app=~".+"} | json | unwrap duration(latency) [5m]) by (request_path)"#;

/// Takes all labels out of each line, and drops those again that would make each line its own series.
const WITHOUT: &str = r#"count(sum without (request_id, size, latency) (rate({app=~".+"} | json [5m])))"#;

const fn case(name: &'static str, query: &'static str, rows: Kind, floor: Option<f64>) -> Case {
    Case { name, query, rows, floor }
}

fn main() {
    let megabytes: usize = std::env::var("LOGQL_BENCH_MB").ok().and_then(|text| text.parse().ok()).unwrap_or(64);
    // `cargo test` runs benches too, with this argument; a few rows then show that it works.
    let bytes = if std::env::args().any(|argument| argument == "--test") { 1 << 20 } else { megabytes << 20 };
    let json = blocks(Kind::Json, bytes);
    let logfmt = blocks(Kind::Logfmt, bytes);
    println!("{:<26} {:>10} {:>10} {:>12} {:>8}", "query", "MB/s", "floor", "rows/s", "kept");
    let mut missed = 0;
    // As other benchmarks do: what is given narrows the cases to those that contain it.
    let wanted = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).unwrap_or_default();
    for case in CASES.iter().filter(|case| case.name.contains(&wanted)) {
        let blocks = if case.rows == Kind::Json { &json } else { &logfmt };
        // The clock ticks every 4 ms or so, so a case runs until that is little.
        let (mut runs, began, mut stats) = (0.0, cpu_seconds(), Stats::default());
        while cpu_seconds() - began < CASE_SECONDS {
            stats = run(case.query, blocks);
            runs += 1.0;
        }
        let seconds = (cpu_seconds() - began) / runs;
        let speed = blocks.iter().map(|rows| rows.lines.len()).sum::<usize>() as f64 / 1e6 / seconds;
        let floor = case.floor.map_or(String::new(), |floor| format!("{floor}"));
        missed += usize::from(case.floor.is_some_and(|floor| speed < floor));
        let (rows, kept) = (stats.rows as f64 / seconds, stats.rows_kept);
        println!("{:<26} {speed:>10.0} {floor:>10} {rows:>12.0} {kept:>8}", case.name);
    }
    println!("{} MB in {} blocks; {missed} below their floor", bytes >> 20, json.len());
    if !wanted.is_empty() {
        return;
    }
    for (name, blocks) in [("patterns, json", &json), ("patterns, logfmt", &logfmt)] {
        let speed = megabytes_per_second(blocks, mine);
        println!("{name:<26} {speed:>10.0}");
    }
    for (name, text) in [("template, simple", "{{.app}} {{.env}}: {{__line__}}"), ("template, functions", FUNCTIONS)] {
        let mut template = Template::parse("line", text).expect("a template");
        let speed = megabytes_per_second(&json, |rows| render(&mut template, rows));
        println!("{name:<26} {speed:>10.0}");
    }
}

/// A template with what people write often.
const FUNCTIONS: &str =
    "{{ if contains \"latency\" __line__ }}{{ .app | upper | printf \"%-8s\" }} {{ __line__ | trunc 80 }}{{ end }}";

/// Returns how many megabytes of lines a second of CPU time goes through.
fn megabytes_per_second(blocks: &[Rows], mut run: impl FnMut(&Rows)) -> f64 {
    let (began, mut bytes) = (cpu_seconds(), 0);
    while cpu_seconds() - began < CASE_SECONDS {
        for rows in blocks {
            run(rows);
            bytes += rows.lines.len();
        }
    }
    bytes as f64 / 1e6 / (cpu_seconds() - began)
}

fn mine(rows: &Rows) {
    let hour = TimeRange {
        start: Timestamp::from_nanos(START),
        end: Timestamp::from_nanos(START).saturating_add(Duration::from_secs(3_600)),
    };
    let mut miner = Miner::new(hour, Duration::from_secs(60));
    for row in 0..rows.len() {
        let line = std::str::from_utf8(rows.line(row)).expect("generated lines are UTF-8");
        miner.add(line, rows.timestamps[row]);
    }
    black_box(miner.finish());
}

fn render(template: &mut Template, rows: &Rows) {
    let mut out = String::new();
    for stream in &rows.streams {
        for row in stream.rows.clone() {
            let line = std::str::from_utf8(rows.line(row)).expect("generated lines are UTF-8");
            out.clear();
            template.render(&Row { labels: &stream.labels, line }, &mut out).expect("no failure");
            black_box(&out);
        }
    }
}

#[derive(Debug)]
struct Row<'a> {
    labels: &'a Labels,
    line: &'a str,
}

impl TemplateRow for Row<'_> {
    fn label(&self, name: &str) -> Option<&str> {
        self.labels.value(name)
    }

    fn each_label<'r>(&'r self, each: &mut dyn FnMut(&'r str, &'r str)) {
        self.labels.iter().for_each(|(name, value)| each(name, value));
    }

    fn line(&self) -> &str {
        self.line
    }

    fn timestamp(&self) -> Timestamp {
        Timestamp::from_nanos(START)
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_nanos(START)
    }
}

/// Runs a query over the blocks.
fn run(query: &str, blocks: &[Rows]) -> Stats {
    let hour = Duration::from_secs(3_600);
    let start = Timestamp::from_nanos(START);
    let mut params = QueryParams::range(start, start.saturating_add(hour), Duration::from_secs(15));
    // Oldest first, so that the limit stops no scan.
    params.direction = Direction::Forward;
    params.limit = 1_000;
    let plan = plan(&parse(query).expect("a query"), &params).expect("a plan");
    let part = plan.part().expect("a part");
    let mut runner = part.runner().expect("a runner");
    for rows in blocks.iter().rev() {
        if runner.add_rows(black_box(rows)).expect("no error").is_break() {
            break;
        }
    }
    let stats = runner.stats();
    let mut merge = Merge::new(&plan);
    merge.add(runner.finish().expect("no error")).expect("it fits");
    black_box(merge.finish().expect("no error"));
    stats
}

/// Returns how long this thread has run, so that other work on the machine does not count.
fn cpu_seconds() -> f64 {
    let schedstat = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    schedstat.split(' ').next().and_then(|nanos| nanos.parse::<f64>().ok()).expect("nanoseconds") / 1e9
}

/// How long each case runs at least.
const CASE_SECONDS: f64 = 0.3;
const START: i64 = 1_700_000_000_000_000_000;

/// Makes blocks of about 2 MiB, four streams each, lines like those of a web service, over an hour altogether.
fn blocks(kind: Kind, bytes: usize) -> Vec<Rows> {
    let count = (bytes >> 21).max(1);
    let span = 3_600_000_000_000 / count as i64;
    let mut random = 0x9e37_79b9_7f4a_7c15u64;
    (0..count).map(|at| block(kind, START + at as i64 * span, span, &mut random)).collect()
}

fn block(kind: Kind, start: i64, span: i64, random: &mut u64) -> Rows {
    let (mut rows, mut lines) = (Rows::default(), Vec::with_capacity(2 << 20));
    for pod in 0..8 {
        let mut bytes = Vec::new();
        put_metadata(&mut bytes, "pod", &format!("pod-{pod}"));
        rows.metadata.push(bytes.into());
    }
    for stream in 0..4 {
        let first = rows.timestamps.len();
        let labels = Labels::new([("app".to_owned(), format!("app{stream}")), ("env".to_owned(), "prod".to_owned())]);
        let per_stream = 2_000;
        for at in 0..per_stream {
            rows.timestamps.push(Timestamp::from_nanos(start + span / per_stream * at));
            rows.metadata_at.push((next(random) % 8) as u32);
            lines.extend_from_slice(line(kind, random).as_bytes());
            rows.line_ends.push(u32::try_from(lines.len()).expect("a small block"));
        }
        rows.streams.push(StreamRows { labels: Arc::new(labels), rows: first..rows.timestamps.len() });
    }
    rows.lines = lines.into();
    rows
}

fn line(kind: Kind, random: &mut u64) -> String {
    let number = next(random);
    let status = [200, 200, 200, 200, 200, 201, 302, 404, 404, 500][(number % 10) as usize];
    let path = ["/api/v1/users", "/api/v1/orders", "/healthz", "/static/app.js"][(number >> 8) as usize % 4];
    let rare = if number.is_multiple_of(50_021) { "needle-7f3a" } else { "request served" };
    let (took, id, size) = ((number >> 16) % 5_000, next(random), (number >> 32) % 100_000);
    match kind {
        Kind::Json => format!(
            "{{\"ts\":\"2023-11-14T22:13:20.123Z\",\"level\":\"info\",\"msg\":\"{rare}\",\"request\":{{\"id\":\"{id:016x}\",\"method\":\"GET\",\
             \"path\":\"{path}\",\"agent\":\"Mozilla/5.0 (X11; Linux x86_64)\"}},\"status\":{status},\"size\":{size},\"latency\":\"{took}ms\",\
             \"tags\":[\"a\",\"b\"],\"ok\":true}}"
        ),
        Kind::Logfmt => format!(
            "ts=2023-11-14T22:13:20.123Z level=info msg=\"{rare}\" request_id={id:016x} method=GET path={path} \
             agent=\"Mozilla/5.0 (X11; Linux x86_64)\" status={status} size={size} latency={took}ms ok=true"
        ),
    }
}

/// A xorshift step: the same rows in every run.
fn next(random: &mut u64) -> u64 {
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    *random
}
