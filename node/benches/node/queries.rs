//! What queries cost: a mesh takes generated JSON lines, seals them, and is asked. Prints a table; asserts only that the
//! answers are answers.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::harness::{self, Client, LATE, Mesh, Protocol, Record, eventually};
use super::lines::Kind;
use super::{STREAMS, TICK, processes, push, push_some, wait_sealed};

/// A kind of query: its name, path and text; `end` of the range is now, and its length in seconds is given.
const QUERIES: &[(&str, &str, &str, u64)] = &[
    ("needle", RANGE, r#"{app=~"bench-.*"} |= "zebra crossing 4711""#, 3_600),
    ("common word", RANGE, r#"{app=~"bench-.*"} |= "request handled" |= "zebra""#, 3_600),
    ("regex", RANGE, r#"{app=~"bench-.*"} |~ "user\":\"u-1[0-9]{3}7\".*zebra""#, 3_600),
    ("last 100 lines", RANGE, r#"{app=~"bench-.*"}"#, 3_600),
    ("count_over_time", RANGE, r#"sum(count_over_time({app=~"bench-.*"}[5m]))"#, 3_600),
    ("json status >= 500", RANGE, r#"sum(count_over_time({app=~"bench-.*"} | json | status >= 500 [5m]))"#, 3_600),
    ("rate by status", RANGE, r#"sum by (status) (rate({app=~"bench-.*"} | json [5m]))"#, 3_600),
    (
        "quantile_over_time",
        RANGE,
        r#"quantile_over_time(0.99, {app=~"bench-.*"} | json | unwrap duration_ms | __error__="" [5m]) by (route)"#,
        3_600,
    ),
    ("labels of 30 days", LABELS, "", 30 * 86_400),
    ("volume of 30 days", VOLUME, r#"{app=~".+"}"#, 30 * 86_400),
];

/// Runs all queries whose name contains `wanted` against a mesh of `nodes`.
pub(super) fn measure(nodes: usize, bytes: u64, wanted: &str) {
    let mesh = Mesh::start(
        nodes,
        &[
            ("LOGMESH_STORE_SEAL_AFTER_QUIET", "2s"),
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
    println!("\n{nodes} nodes, {} MB of JSON lines, {} records, sealed", pushed.line_bytes / 1_000_000, pushed.records);
    println!("{HEADER}");
    for (name, path, query, seconds) in QUERIES.iter().filter(|(name, ..)| name.contains(wanted)) {
        let mut runs: Vec<Run> = (0..RUNS).map(|_| run(&mesh, path, query, *seconds)).collect();
        runs.sort_by_key(|run| run.wall);
        println!("{}", runs[RUNS / 2].row(name));
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

fn run(mesh: &Mesh, path: &str, query: &str, seconds: u64) -> Run {
    let end = harness::now_nanos();
    let (start, end) = ((end - seconds * 1_000_000_000).to_string(), end.to_string());
    let mut params = vec![("start", start.as_str()), ("end", &end)];
    params.extend(Some(("query", query)).filter(|_| !query.is_empty()));
    let client = Client::with_timeout(mesh.nodes[0].plan.http, Duration::from_secs(120));
    let (before, begun) = (processes(mesh), Instant::now());
    let reply = client.get_with(path, &params).unwrap_or_else(|error| panic!("{query}: {error}"));
    let wall = begun.elapsed();
    assert_eq!(reply.status, 200, "{query}: {}", reply.text());
    assert!(reply.is_complete(), "{query}: {}", reply.text());
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
const HEADER: &str = "query                  wall ms    cpu ms        MB  GB/s wall  GB/s·core  cpu s/GB";
const RUNS: usize = 3;
