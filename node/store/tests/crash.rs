//! A process that is killed in the middle of commits and seals: everything it was told is stored is there afterwards.

#![expect(clippy::unwrap_used, reason = "in a test, to panic is to fail")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;

use bytes::Bytes;
use logmesh_protocol::id::{BatchId, Boot, JournalId, NodeId};
use logmesh_protocol::record::{ChunkWriter, Labels};
use logmesh_protocol::segment::{SegmentId, Window};
use logmesh_protocol::seq_set::SeqSet;
use logmesh_protocol::time::{TimeRange, Timestamp};
use logmesh_store::{Append, Commit, Frames, ScanRequest, Settings, Store};

/// How many acknowledgements the parent waits for before it kills, round by round: at once, within the first seals, later.
const ROUNDS: [usize; 10] = [1, 2, 700, 5, 60, 350, 1000, 17, 130, 1500];

#[test]
fn what_was_acknowledged_outlives_a_kill() {
    let directory = tempfile::tempdir().unwrap();
    let mut acknowledged = BTreeMap::<u32, BTreeMap<u32, BatchId>>::new();
    let mut sealed = 0;
    for (round, acknowledgements) in (0u32..).zip(ROUNDS) {
        for (part, seq, id) in run_and_kill(directory.path(), round, acknowledgements) {
            acknowledged.entry(part).or_default().insert(seq, id);
        }
        sealed += check(directory.path(), round, &acknowledged);
    }
    assert!(sealed > 10, "no seal was hit");
}

/// Runs the child until it has acknowledged as many batches as said, kills it, and returns all that it acknowledged.
fn run_and_kill(directory: &Path, round: u32, acknowledgements: usize) -> Vec<(u32, u32, BatchId)> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_process_that_is_killed", "--ignored", "--nocapture", "--test-threads=1"])
        .env(DIRECTORY, directory)
        .env(ROUND, round.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut read = Vec::new();
    for line in lines.by_ref().map(Result::unwrap) {
        read.extend(parse(&line));
        if read.len() >= acknowledgements {
            break;
        }
    }
    assert!(read.len() >= acknowledgements, "the child ended by itself");
    child.kill().unwrap();
    child.wait().unwrap();
    // What it said before it died counts too; its last line may be cut.
    let rest = lines.map_while(Result::ok);
    read.extend(rest.filter_map(|line| parse(&line)));
    read
}

fn parse(line: &str) -> Option<(u32, u32, BatchId)> {
    let mut words = line.strip_prefix("stored ")?.strip_suffix('.')?.split(' ');
    Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?, words.next()?.parse().ok()?))
}

/// Opens the store and looks for all that was acknowledged. Returns how many extents there are.
fn check(directory: &Path, round: u32, acknowledged: &BTreeMap<u32, BTreeMap<u32, BatchId>>) -> usize {
    let (store, recovered) = Store::open(&directory.join("store"), settings(round)).unwrap();
    let mut extents = 0;
    for (part, batches) in acknowledged {
        let segment = segment(*part);
        let found = recovered.segments.iter().find(|found| found.segment == segment).expect("the segment is there");
        let seqs: SeqSet = batches.keys().copied().collect();
        assert!(found.held.is_superset(&seqs), "round {round}: lost {:?}", seqs.difference(&found.held));
        let Frames { frames, damaged, .. } = store.frames(&segment, &seqs, usize::MAX).unwrap();
        assert!(damaged.is_empty());
        let ids: BTreeMap<u32, BatchId> = frames.iter().map(|frame| (frame.seq, frame.id)).collect();
        assert_eq!(&ids, batches, "round {round}");
        assert!(store.verify(&segment).unwrap().is_empty());
        assert_eq!(rows(&store, segment), found.held.len() * RECORDS, "round {round}: each row once");
        extents += found.extents.len();
    }
    extents
}

fn rows(store: &Store, segment: SegmentId) -> u64 {
    let range = TimeRange { start: Timestamp::MIN, end: Timestamp::MAX };
    let request = ScanRequest {
        tenant: "default",
        range,
        segments: &[segment],
        only: None,
        matches: &|_| true,
        newest_first: false,
        lines: true,
    };
    let outcome = store.scan(&request, &mut |_| std::ops::ControlFlow::Continue(())).unwrap();
    assert!(outcome.damaged.is_empty());
    outcome.rows_scanned
}

/// Commits and seals until it is killed, and says what is stored. Does nothing unless the test above has started it.
#[test]
#[ignore = "runs only as the child of the test above"]
fn the_process_that_is_killed() {
    let (Ok(directory), Ok(round)) = (std::env::var(DIRECTORY), std::env::var(ROUND)) else { return };
    let round = round.parse().unwrap();
    let (store, _) = Store::open(&PathBuf::from(directory).join("store"), settings(round)).unwrap();
    std::thread::scope(|scope| {
        for part in [round * 2, round * 2 + 1] {
            let store = &store;
            let (seal, to_seal) = mpsc::sync_channel::<Range<u32>>(2);
            scope.spawn(move || write(store, part, &seal));
            scope.spawn(move || to_seal.iter().for_each(|range| _ = store.seal(&segment(part), range).unwrap()));
        }
    });
}

fn write(store: &Store, part: u32, seal: &mpsc::SyncSender<Range<u32>>) {
    let (sender, answers) = mpsc::channel();
    for seq in 0..60_000 {
        let append = Append { segment: segment(part), seq, tenant: "default".to_owned(), chunks: vec![chunk(seq)] };
        let sender = sender.clone();
        let done = move |result: Result<logmesh_store::Committed, _>| {
            for stored in result.unwrap().stored {
                let mut out = std::io::stdout().lock();
                writeln!(out, "stored {part} {} {}.", stored.seq, stored.entry.id).unwrap();
                out.flush().unwrap();
            }
            sender.send(()).unwrap();
        };
        store.commit(Commit::Append(vec![append]), Box::new(done));
        if seq % 4 == 3 {
            answers.iter().take(4).for_each(drop);
        }
        if seq % 12 == 11 {
            seal.send(seq - 11..seq + 1).unwrap();
        }
    }
}

fn chunk(seq: u32) -> Bytes {
    let mut writer = ChunkWriter::new();
    for nth in 0..RECORDS {
        let app = Labels::new([("app".to_owned(), format!("app-{}", nth % 3))]);
        let stream = writer.stream(&app.to_bytes());
        let timestamp = Timestamp::from_nanos(i64::from(seq) * 1_000_000 + nth as i64);
        writer.push(stream, timestamp, &[], &format!("line {nth} of batch {seq}, and some more words"));
    }
    writer.finish().into()
}

fn segment(part: u32) -> SegmentId {
    let journal = JournalId { node: NodeId::from_bytes([1; 32]), boot: Boot::from_bytes([2; 16]) };
    SegmentId { window: Window(0), journal, part }
}

/// Rounds alternate between extents in files of their own and extents in the log; small buffers bring flushes in.
fn settings(round: u32) -> Settings {
    let extent_file_bytes_min = if round.is_multiple_of(2) { 0 } else { usize::MAX };
    Settings { disk_reserve_bytes: 0, extent_file_bytes_min, tail_memtable_bytes: 256 << 10, ..Settings::default() }
}

const RECORDS: u64 = 40;
const DIRECTORY: &str = "LOGMESH_CRASH_DIRECTORY";
const ROUND: &str = "LOGMESH_CRASH_ROUND";
