//! What the store costs: accept → durable → sealed, what it writes, how small it gets, how fast it reads.
//!
//! `cargo bench --profile dev -p logmesh-store -- [MiB] [MiB a seal] [scans]`; 256, 16 and 4 unless said. CPU is that of the whole process.

mod logs;

use std::ops::ControlFlow;
use std::sync::mpsc;
use std::time::Instant;

use bytes::Bytes;
use logmesh_protocol::id::{Boot, JournalId, NodeId};
use logmesh_protocol::record::{ChunkWriter, Labels};
use logmesh_protocol::segment::{SegmentId, Window};
use logmesh_protocol::seq_set::SeqSet;
use logmesh_protocol::time::{TimeRange, Timestamp};
use logmesh_store::{Append, Commit, Compression, ScanRequest, Settings, Store};

use crate::logs::Dice;

fn main() {
    let numbers: Vec<u64> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let bytes = numbers.first().copied().unwrap_or(256) << 20;
    let seal_bytes = numbers.get(1).copied().unwrap_or(16) << 20;
    println!("{} MiB of lines, sealed every {} MiB", bytes >> 20, seal_bytes >> 20);
    println!(
        "{:<11} {:>9} {:>9} {:>9} {:>7} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}",
        "logs",
        "in MB/s",
        "MB/s/core",
        "Mrec/s/c",
        "ratio",
        "wal/in",
        "table/in",
        "written",
        "scan/core",
        "needle ms",
        "hold/core",
        "adopt/c",
        "RSS MiB"
    );
    let sizes = (bytes, seal_bytes);
    // Times in milliseconds, as they are read from lines; and in nanoseconds, which are noise that no one can pack.
    for (unit, nanos) in [("ms", 1_000_000), ("ns", 1)] {
        run(&format!("text {unit}"), sizes, Compression::Zstd, (logs::text, nanos, 256 << 10));
        run(&format!("json {unit}"), sizes, Compression::Zstd, (logs::json, nanos, 256 << 10));
    }
    run("text ms lz4", sizes, Compression::Lz4, (logs::text, 1_000_000, 256 << 10));
    run("json ms lz4", sizes, Compression::Lz4, (logs::json, 1_000_000, 256 << 10));
    // Batches of a few lines, as a quiet node makes them.
    run("text 2k", (bytes / 8, seal_bytes / 8), Compression::Zstd, (logs::text, 1_000_000, 2 << 10));
}

/// How a line is made, the unit of its timestamp, and how many bytes of lines a batch has.
type Kind = (fn(&mut Dice, u64, u64) -> String, i64, usize);

fn run(name: &str, (bytes, seal_bytes): (u64, u64), compression: Compression, kind: Kind) {
    let chunks = generate(bytes, kind);
    let lines: u64 = chunks.iter().map(|chunk| chunk.lines_bytes).sum();
    let records: u64 = chunks.iter().map(|chunk| chunk.records).sum();
    let directory =
        tempfile::tempdir_in(std::env::var("BENCH_DIR").unwrap_or("/var/tmp".to_owned())).expect("a directory");
    let settings = Settings { disk_reserve_bytes: 0, compression, ..Settings::default() };
    let (store, _) = Store::open(&directory.path().join("store"), settings).expect("a store opens");
    let (cpu, wall, written) = (cpu_seconds(), Instant::now(), written_bytes());
    ingest(&store, chunks, seal_bytes);
    let (cpu, wall) = (cpu_seconds() - cpu, wall.elapsed().as_secs_f64());
    let written = written_bytes().saturating_sub(written);
    let stats = store.stats();
    let stored: u64 = store.extents(&segment()).expect("extents read").iter().map(|extent| extent.bytes).sum();
    let rss = resident_mib();
    let scan = scan(&store, &["never in any line"]).0;
    let needle = scan_streams(&store);
    let (hold, adopt) = hold_and_adopt(&store, &directory.path().join("holder"));
    let megabytes = lines as f64 / 1e6;
    println!(
        "{name:<11} {:>9.0} {:>9.0} {:>9.2} {:>7.2} {:>9.3} {:>9.3} {:>9.3} {:>9.0} {:>9.1} {:>9.0} {:>9.0} {rss:>9}",
        megabytes / wall,
        megabytes / cpu,
        records as f64 / cpu / 1e6,
        lines as f64 / stored as f64,
        stats.wal_bytes as f64 / lines as f64,
        stats.table_bytes as f64 / lines as f64,
        written as f64 / lines as f64,
        megabytes / scan,
        needle * 1e3,
        megabytes / hold,
        megabytes / adopt,
    );
}

struct Made {
    chunk: Bytes,
    records: u64,
    lines_bytes: u64,
}

/// Makes chunks of some streams each, as requests bring them.
fn generate(bytes: u64, (line, unit, chunk_bytes): Kind) -> Vec<Made> {
    let (mut dice, mut made, mut total, mut nanos) = (Dice::new(7), Vec::new(), 0u64, 0u64);
    while total < bytes {
        let mut writer = ChunkWriter::new();
        while writer.lines_bytes() < chunk_bytes {
            let stream = dice.below(24);
            let at = writer.stream(&labels(stream).to_bytes());
            for _ in 0..=dice.below(40).min(chunk_bytes as u64 >> 8) {
                nanos += dice.below(500_000);
                let timestamp = segment().window.start().as_nanos() + nanos as i64 / unit * unit;
                writer.push(at, Timestamp::from_nanos(timestamp), &[], &line(&mut dice, stream, nanos / 1_000_000));
            }
        }
        let (records, lines_bytes) = (u64::from(writer.record_count()), writer.lines_bytes() as u64);
        total += lines_bytes;
        made.push(Made { chunk: writer.finish().into(), records, lines_bytes });
    }
    made
}

fn labels(stream: u64) -> Labels {
    let pairs =
        [("app", format!("shop-{}", stream % 12)), ("env", "prod".to_owned()), ("pod", format!("shop-7c9f-{stream}"))];
    Labels::new(pairs.map(|(name, value)| (name.to_owned(), value)))
}

fn segment() -> SegmentId {
    let journal = JournalId { node: NodeId::from_bytes([1; 32]), boot: Boot::from_bytes([2; 16]) };
    SegmentId { window: Window(480_000), journal, part: 0 }
}

/// Commits the chunks as a node would, and seals beside it; returns when all is durable and sealed.
fn ingest(store: &Store, chunks: Vec<Made>, seal_bytes: u64) {
    // One seal under way and one waiting: a node that outruns its seals has to wait too.
    let (seal, to_seal) = mpsc::sync_channel::<std::ops::Range<u32>>(1);
    let sealer = store.clone();
    let sealer = std::thread::spawn(move || {
        to_seal.iter().for_each(|range| _ = sealer.seal(&segment(), range).expect("a seal"))
    });
    let (sender, answers) = mpsc::channel();
    let (mut from, mut unsealed, mut waiting) = (0u32, 0, 0);
    for (seq, made) in (0u32..).zip(chunks) {
        let append = Append { segment: segment(), seq, tenant: "default".to_owned(), chunks: vec![made.chunk] };
        let sender = sender.clone();
        store.commit(Commit::Append(vec![append]), Box::new(move |result| _ = sender.send(result.is_ok())));
        waiting += 1;
        unsealed += made.lines_bytes;
        // Eight requests are under way at a time, as from eight clients.
        while waiting > if unsealed >= seal_bytes { 0 } else { 8 } {
            assert!(answers.recv().expect("the store answers"));
            waiting -= 1;
        }
        if unsealed >= seal_bytes {
            seal.send(from..seq + 1).expect("the sealer runs");
            (from, unsealed) = (seq + 1, 0);
        }
    }
    answers.iter().take(waiting).for_each(|stored| assert!(stored));
    let held = store.ledger(&segment()).expect("the ledger reads").len() as u32;
    if from < held {
        seal.send(from..held).expect("the sealer runs");
    }
    drop(seal);
    sealer.join().expect("the sealer ends");
}

/// Gives all batches as frames to another store, then all extents. Returns the seconds of CPU that each took there.
fn hold_and_adopt(store: &Store, path: &std::path::Path) -> (f64, f64) {
    let (holder, _) =
        Store::open(path, Settings { disk_reserve_bytes: 0, ..Settings::default() }).expect("a store opens");
    let (sender, answers) = mpsc::channel();
    let (mut hold, mut adopt) = (0.0, 0.0);
    for extent in store.extents(&segment()).expect("extents read") {
        let seqs = SeqSet::from_range(extent.id.from..extent.id.to);
        let frames = store.frames(&segment(), &seqs, usize::MAX).expect("frames").frames;
        let bytes = store.extent_bytes(&extent.id).expect("an extent");
        let cpu = cpu_seconds();
        let waiting = frames.len().div_ceil(4);
        for frames in frames.chunks(4) {
            let sender = sender.clone();
            let done = Box::new(move |result: Result<_, _>| _ = sender.send(result.is_ok()));
            holder.commit(Commit::Frames(frames.to_vec()), done);
        }
        answers.iter().take(waiting).for_each(|stored| assert!(stored));
        hold += cpu_seconds() - cpu;
        let cpu = cpu_seconds();
        holder.adopt(&extent.id, &bytes).expect("an adoption");
        adopt += cpu_seconds() - cpu;
    }
    (hold, adopt)
}

/// Looks for a needle in all lines. Returns the seconds of CPU and how often it was found.
fn scan(store: &Store, needles: &[&str]) -> (f64, usize) {
    let request = ScanRequest {
        tenant: "default",
        range: ALWAYS,
        segments: &[segment()],
        only: None,
        matches: &|_| true,
        newest_first: true,
        lines: true,
    };
    let finder = memchr::memmem::Finder::new(needles[0]);
    let (cpu, mut found) = (cpu_seconds(), 0);
    let rounds = std::env::args().filter_map(|argument| argument.parse().ok()).nth(2).unwrap_or(4);
    for _ in 0..rounds {
        let outcome = store.scan(&request, &mut |scanned| {
            found += finder.find_iter(&scanned.rows.lines).count();
            ControlFlow::Continue(())
        });
        assert!(outcome.expect("a scan").damaged.is_empty());
    }
    ((cpu_seconds() - cpu) / rounds as f64, found)
}

/// Reads one stream of a second in the middle. Returns the seconds of wall time.
fn scan_streams(store: &Store) -> f64 {
    let start = segment().window.start().saturating_add(std::time::Duration::from_secs(10));
    let range = TimeRange { start, end: start.saturating_add(std::time::Duration::from_secs(1)) };
    let matches = |found: &Labels| *found == labels(3);
    let request = ScanRequest {
        tenant: "default",
        range,
        segments: &[segment()],
        only: None,
        matches: &matches,
        newest_first: true,
        lines: true,
    };
    let began = Instant::now();
    let outcome = store.scan(&request, &mut |_| ControlFlow::Continue(())).expect("a scan");
    assert!(outcome.rows_scanned > 0);
    began.elapsed().as_secs_f64()
}

/// CPU time of the process, from `/proc/self/stat` (proc_pid_stat(5), fields 14 and 15), in ticks of 10 ms.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let fields: Vec<&str> = stat.rsplit(')').next().expect("a name in brackets").split_whitespace().collect();
    let ticks: u64 = fields[11..13].iter().map(|field| field.parse::<u64>().expect("a number")).sum();
    ticks as f64 / 100.0
}

/// Bytes sent to the disk (proc_pid_io(5)).
fn written_bytes() -> u64 {
    let io = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
    let line = io.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    line.and_then(|bytes| bytes.parse().ok()).unwrap_or(0)
}

fn resident_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|kib| kib.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) >> 10
}

const ALWAYS: TimeRange = TimeRange { start: Timestamp::MIN, end: Timestamp::MAX };
