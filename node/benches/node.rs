//! What a whole node costs: real processes take generated logs by each protocol until all is durable and sealed, then
//! search them. Prints a table; asserts only that nothing was lost, never a speed.
//!
//! `LOGMESH_BENCH_BYTES` sets how many bytes of lines each row takes (512 MiB unless set; queries search 1 GB at least).
//! `cargo bench -p logmesh --bench node --profile dev -- queries` runs the queries alone, `-- "queries needle"` one of them.

#[path = "../../tests/harness.rs"]
#[allow(dead_code, unused_imports, reason = "the benchmark uses its part of the harness")]
mod harness;
#[path = "node/lines.rs"]
mod lines;
#[path = "node/process.rs"]
mod process;
#[path = "node/queries.rs"]
mod queries;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use harness::{Client, LATE, Mesh, Protocol, Record, count, eventually, size_from_env};
use lines::{Kind, Lines};
use process::Process;

fn main() {
    let bytes = size_from_env("LOGMESH_BENCH_BYTES", 512 << 20);
    // As other benchmarks do: what is given narrows the rows to those that contain it.
    let wanted = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).unwrap_or_default();
    if let Some(queries) = wanted.strip_prefix("queries") {
        return main_queries(queries, bytes);
    }
    println!(
        "{} MB of lines each row, {CLIENTS} clients; a core is a second of the nodes' CPU time",
        bytes / 1_000_000
    );
    println!("{HEADER}");
    for (kind, protocol, nodes) in ROWS {
        let name = format!("{nodes} {:<5} {:<13}", kind.name(), format!("{protocol:?}"));
        if name.contains(&wanted) {
            println!("{name} {}", measure(kind, protocol, nodes, bytes).row(nodes));
        }
    }
    println!("{EXPLANATION}");
    if wanted.is_empty() {
        main_queries("", bytes);
    }
}

/// Runs the queries that are wanted, over one node and over three, with lines under each compression.
fn main_queries(wanted: &str, bytes: u64) {
    for nodes in [1, 3] {
        for compression in ["zstd", "lz4"] {
            queries::measure((nodes, compression), bytes.max(QUERIED_BYTES_MIN), wanted.trim());
        }
    }
}

/// What one row shows. CPU is of all nodes together, memory of the node that took the logs.
struct Measured {
    line_bytes: u64,
    push_wall: Duration,
    push_cpu: f64,
    /// Until all is sealed, the pushing included.
    whole_cpu: f64,
    written_bytes: u64,
    /// What the extents take on node a, and what its data directory does, with logs and tables that are yet to be cleared.
    sealed_bytes: u64,
    disk_bytes: u64,
    memory_bytes: u64,
    needle: Query,
    counted: Query,
}

struct Query {
    wall: Duration,
    cpu: f64,
}

fn measure(kind: Kind, protocol: Protocol, nodes: usize, bytes: u64) -> Measured {
    let mesh = Mesh::start(nodes, &[("LOGMESH_STORE_SEAL_AFTER_QUIET", "2s"), ("LOGMESH_LOG", "warn")]);
    let (before, begun) = (processes(&mesh), Instant::now());
    let pushed = push_some(&[mesh.client(0)], kind, protocol, bytes);
    let (push_wall, pushed_at) = (begun.elapsed(), processes(&mesh));
    wait_sealed(&mesh);
    mesh.wait_converged(LATE);
    let sealed_at = processes(&mesh);
    let query = |run: &dyn Fn()| {
        let (before, begun) = (processes(&mesh), Instant::now());
        run();
        Query { wall: begun.elapsed(), cpu: processes(&mesh).cpu_seconds - before.cpu_seconds }
    };
    let selector = protocol.selector("bench").replace("=\"bench\"", "=~\"bench-.*\"");
    let needle = query(&|| find_needle(&mesh.client(0), &selector));
    let counted = query(&|| assert_eq!(count(&mesh.client(0), &selector), pushed.records, "records are missing"));
    Measured {
        line_bytes: pushed.line_bytes,
        push_wall,
        push_cpu: pushed_at.cpu_seconds - before.cpu_seconds,
        whole_cpu: sealed_at.cpu_seconds - before.cpu_seconds,
        written_bytes: sealed_at.written_bytes - before.written_bytes,
        sealed_bytes: sealed_bytes(&mesh.client(0)),
        disk_bytes: process::bytes_beneath(&mesh.nodes[0].plan.data),
        memory_bytes: mesh.nodes[0].memory("VmHWM"),
        needle,
        counted,
    }
}

/// Returns what all nodes together have cost so far.
fn processes(mesh: &Mesh) -> Process {
    mesh.nodes.iter().map(|node| Process::of(node.pid())).fold(Process::default(), Process::plus)
}

fn wait_sealed(mesh: &Mesh) {
    for at in 0..mesh.nodes.len() {
        eventually(LATE, "everything is sealed", || {
            let segments = mesh.client(at).json("/logmesh/v1/status")["segments"].clone();
            (segments["batches"] == segments["sealed_batches"] && segments["batches"].as_u64() > Some(0)).then_some(())
        });
    }
}

impl Measured {
    fn row(&self, nodes: usize) -> String {
        let megabytes = self.line_bytes as f64 / 1e6;
        format!(
            "{:>8.1} {:>9.1} {:>9.1} {:>8.2} {:>7.2} {:>7.2} {:>9.0} {:>9.0} {:>9.0} {:>7}",
            megabytes / self.push_wall.as_secs_f64(),
            megabytes / self.push_cpu,
            megabytes / self.whole_cpu,
            self.written_bytes as f64 / self.line_bytes as f64 / nodes as f64,
            self.line_bytes as f64 / self.sealed_bytes as f64,
            self.line_bytes as f64 / self.disk_bytes as f64,
            megabytes / self.needle.wall.as_secs_f64(),
            megabytes / self.needle.cpu.max(TICK),
            megabytes / self.counted.wall.as_secs_f64(),
            self.memory_bytes >> 20,
        )
    }
}

/// What was pushed.
struct Pushed {
    records: u64,
    line_bytes: u64,
}

/// Pushes generated lines, batch by batch to the next client.
fn push_some(clients: &[Client], kind: Kind, protocol: Protocol, bytes: u64) -> Pushed {
    let (records, line_bytes, batches) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let base = harness::now_nanos() - 60_000_000_000;
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                while line_bytes.load(Ordering::Relaxed) < bytes {
                    let batch = batches.fetch_add(1, Ordering::Relaxed);
                    let some = batch_of(kind, batch, base);
                    let client = &clients[batch as usize % clients.len()];
                    push(client, protocol, &format!("bench-{}", batch % STREAMS), &some);
                    records.fetch_add(some.len() as u64, Ordering::Relaxed);
                    let length: usize = some.iter().map(|record| record.line.len()).sum();
                    line_bytes.fetch_add(length as u64, Ordering::Relaxed);
                }
            });
        }
    });
    Pushed { records: records.into_inner(), line_bytes: line_bytes.into_inner() }
}

fn batch_of(kind: Kind, number: u64, base: u64) -> Vec<Record> {
    let mut lines = Lines::new(kind, number);
    let mut bytes = 0;
    let mut batch = Vec::new();
    while bytes < PUSH_BYTES {
        let at = base + number * 10_000_000 + batch.len() as u64 * 1_000;
        let line = lines.next_line(at);
        bytes += line.len();
        batch.push(Record { at, line });
    }
    batch
}

fn push(client: &Client, protocol: Protocol, app: &str, records: &[Record]) {
    // A node that says it has enough for the moment is asked again.
    eventually(LATE, "a push is taken", || {
        let reply = protocol.push(client, app, records, "").unwrap_or_else(|error| panic!("{protocol:?}: {error}"));
        match reply.status {
            429 | 503 => None,
            status if status == protocol.good_status() => Some(()),
            other => panic!("{protocol:?}: {other} {}", reply.text()),
        }
    });
}

fn sealed_bytes(client: &Client) -> u64 {
    client.json("/logmesh/v1/status")["store"]["sealed_stored_bytes"].as_u64().expect("a number")
}

/// Looks for what is not there: every line that filters do not exclude is looked at.
fn find_needle(client: &Client, selector: &str) {
    let query = format!("{selector} |= \"zebra crossing 4711\"");
    let reply = client.get_with("/loki/api/v1/query_range", &[("query", &query)]);
    let reply = reply.unwrap_or_else(|error| panic!("{query}: {error}"));
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.json()["data"]["result"].as_array().map(Vec::len), Some(0), "{}", reply.text());
}

const ROWS: [(Kind, Protocol, usize); 7] = [
    (Kind::Text, Protocol::LokiProtobuf, 1),
    (Kind::Json, Protocol::LokiProtobuf, 1),
    (Kind::Text, Protocol::LokiJson, 1),
    (Kind::Json, Protocol::LokiJson, 1),
    (Kind::Text, Protocol::OtlpProtobuf, 1),
    (Kind::Text, Protocol::Lines, 1),
    (Kind::Text, Protocol::LokiProtobuf, 3),
];
const HEADER: &str = "\
                     pushing   pushing + sealing  written  sealed on disk    needle    needle     count  memory
n lines protocol          MB/s MB/s·core MB/s·core  per in   ratio   ratio      MB/s MB/s·core      MB/s     MiB";
const EXPLANATION: &str = "\
pushing: until the last push was acknowledged (wall; CPU). + sealing: CPU until all is sealed, the figure to compare with DESIGN 10.
written: bytes the nodes wrote to disk for each byte of lines and node. ratios: bytes of lines for each byte of sealed extents, and of
the whole data directory a moment later. needle: a line filter that matches nothing, over everything. count: count_over_time over
everything. memory: the high water of node a.";
/// Less is searched too fast to be measured.
const QUERIED_BYTES_MIN: u64 = 1 << 30;
const CLIENTS: usize = 4;
const STREAMS: u64 = 20;
const PUSH_BYTES: usize = 1 << 20;
/// What the kernel counts CPU time in, in seconds; less than that was not measured.
const TICK: f64 = 0.01;
