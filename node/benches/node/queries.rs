//! What queries cost: a mesh takes generated JSON lines, seals them, and is asked. Prints a table; asserts only that the
//! answers are answers.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::harness::{self, Client, LATE, Mesh, Protocol, Record, eventually};
use super::lines::Kind;
use super::{STREAMS, TICK, processes, push, push_some, sealed_bytes, wait_sealed};

/// A query that is measured.
struct Query {
    name: &'static str,
    path: &'static str,
    text: &'static str,
    /// How long the range is; it ends now.
    seconds: u64,
    /// What its CPU time goes to, as `perf` showed it on one node.
    limited_by: &'static str,
}

const QUERIES: &[Query] = &[
    range("needle", r#"{app=~"bench-.*"} |= "zebra crossing 4711""#, EXPANDING),
    range("common word", r#"{app=~"bench-.*"} |= "request handled" |= "zebra""#, EXPANDING),
    range(
        "regex",
        r#"{app=~"bench-.*"} |~ "user\":\"u-1[0-9]{3}7\".*zebra""#,
        "expanding lines; the regex where its literal is found",
    ),
    range("last 100 lines", r#"{app=~"bench-.*"}"#, "one block"),
    range(
        "count_over_time",
        r#"sum(count_over_time({app=~"bench-.*"}[5m]))"#,
        "reading and hashing blocks (BLAKE3); lines stay packed",
    ),
    range(
        "json status >= 500",
        r#"sum(count_over_time({app=~"bench-.*"} | json | status >= 500 [5m]))"#,
        "the JSON scan, half and more; then expanding lines",
    ),
    range(
        "rate by status",
        r#"sum by (status) (rate({app=~"bench-.*"} | json [5m]))"#,
        "the JSON scan, half and more; expanding lines, finding the series",
    ),
    // A quarter of the streams: it ships single values, of which a query may hold four million.
    range(
        "quantile_over_time",
        r#"quantile_over_time(0.99, {app=~"bench-1[0-4]"} | json | unwrap duration_ms | __error__="" [5m]) by (route)"#,
        "the JSON scan; with more lines VALUES_MAX, for it keeps every value",
    ),
    Query { name: "labels of 30 days", path: LABELS, text: "", seconds: 30 * 86_400, limited_by: HEADERS },
    Query {
        name: "volume of 30 days",
        path: VOLUME,
        text: r#"{app=~".+"}"#,
        seconds: 30 * 86_400,
        limited_by: HEADERS,
    },
];

const EXPANDING: &str = "expanding lines: zstd three quarters, lz4 not half; then reading and hashing";
const HEADERS: &str = "reading headers, one for each extent and hour";

const fn range(name: &'static str, text: &'static str, limited_by: &'static str) -> Query {
    Query { name, path: RANGE, text, seconds: 3_600, limited_by }
}

/// Runs all queries whose name contains `wanted` against a mesh of `nodes` that seal under `compression`.
pub(super) fn measure((nodes, compression): (usize, &str), bytes: u64, wanted: &str) {
    let mesh = Mesh::start(
        nodes,
        &[
            ("LOGMESH_STORE_SEAL_AFTER_QUIET", "2s"),
            ("LOGMESH_STORE_COMPRESSION", compression),
            ("LOGMESH_LOG", "warn"),
            ("LOGMESH_RETENTION", "60d"),
            ("LOGMESH_LIMITS_PAST_MAX", "31d"),
        ],
    );
    fill_days(&mesh);
    let clients: Vec<Client> = (0..nodes).map(|at| mesh.client(at)).collect();
    let pushed = push_some(&clients, Kind::Json, Protocol::LokiProtobuf, bytes);
    wait_sealed(&mesh);
    mesh.wait_converged(LATE);
    let sealed: u64 = clients.iter().map(sealed_bytes).sum::<u64>() / nodes as u64;
    println!(
        "\n{nodes} nodes, {} MB of JSON lines, {} records, sealed under {compression} to {} MB on each: ratio {:.2}",
        pushed.line_bytes / 1_000_000,
        pushed.records,
        sealed / 1_000_000,
        pushed.line_bytes as f64 / sealed as f64,
    );
    println!("{HEADER}");
    for query in QUERIES.iter().filter(|query| query.name.contains(wanted)) {
        let mut runs: Vec<Run> = (0..RUNS).map(|_| run(&mesh, query)).collect();
        // The machine may be busy with other work: that lengthens the wall time, and the CPU time less.
        runs.sort_by(|one, other| one.cpu.total_cmp(&other.cpu));
        println!("{}  {}", runs[RUNS / 2].row(query.name), query.limited_by);
    }
}

/// What one query cost.
struct Run {
    wall: Duration,
    cpu: f64,
    bytes: u64,
}

impl Run {
    fn row(&self, name: &str) -> String {
        let (wall, cpu) = (self.wall.as_secs_f64(), self.cpu.max(TICK));
        let gigabytes = self.bytes as f64 / 1e9;
        if self.bytes == 0 {
            return format!(
                "{name:<20} {:>9.0} {:>9.0} {:>9} {:>10} {:>10} {:>9}",
                wall * 1e3,
                cpu * 1e3,
                "-",
                "-",
                "-",
                "-"
            );
        }
        format!(
            "{name:<20} {:>9.0} {:>9.0} {:>9.0} {:>10.2} {:>10.2} {:>9.2}",
            wall * 1e3,
            cpu * 1e3,
            gigabytes * 1e3,
            gigabytes / wall,
            gigabytes / cpu,
            cpu / gigabytes,
        )
    }
}

fn run(mesh: &Mesh, query: &Query) -> Run {
    let Query { path, text, seconds, .. } = query;
    let end = harness::now_nanos();
    let (start, end) = ((end - seconds * 1_000_000_000).to_string(), end.to_string());
    let mut params = vec![("start", start.as_str()), ("end", &end)];
    params.extend(Some(("query", *text)).filter(|_| !text.is_empty()));
    let client = Client::with_timeout(mesh.nodes[0].plan.http, Duration::from_secs(120));
    let (before, begun) = (processes(mesh), Instant::now());
    let reply = client.get_with(path, &params).unwrap_or_else(|error| panic!("{text}: {error}"));
    let wall = begun.elapsed();
    assert_eq!(reply.status, 200, "{text}: {}", reply.text());
    assert!(reply.is_complete(), "{text}: {}", reply.text());
    let summary: Value = reply.json()["data"]["stats"]["summary"].clone();
    let bytes = summary["totalBytesProcessed"].as_u64().unwrap_or(0);
    Run { wall, cpu: processes(mesh).cpu_seconds - before.cpu_seconds, bytes }
}

/// Gives each hour of the last 30 days a few records of each stream.
fn fill_days(mesh: &Mesh) {
    let now = harness::now_nanos();
    for hour in 1..30 * 24 {
        let client = mesh.client(hour % mesh.nodes.len());
        for stream in (0..STREAMS).filter(|stream| stream % 5 == hour as u64 % 5) {
            let at = now - hour as u64 * 3_600_000_000_000;
            let record =
                |number: u64| Record { at: at + number, line: format!("{{\"level\":\"info\",\"n\":{number}}}") };
            let records: Vec<Record> = (0..20).map(record).collect();
            push(&client, Protocol::LokiProtobuf, &format!("bench-{stream}"), &records);
        }
    }
    eventually(LATE, "the node answers", || mesh.client(0).get("/ready").ok().map(drop));
}

const RANGE: &str = "/loki/api/v1/query_range";
const LABELS: &str = "/loki/api/v1/labels";
const VOLUME: &str = "/loki/api/v1/index/volume";
const HEADER: &str = "query                  wall ms    cpu ms        MB  GB/s wall  GB/s·core  cpu s/GB  limited by";
const RUNS: usize = 3;
