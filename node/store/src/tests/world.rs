//! A store in a directory of its own, and batches to put into it.

use std::sync::mpsc;

use bytes::Bytes;
use logmesh_protocol::batch::{BatchFrame, encode};
use logmesh_protocol::id::{BatchId, Boot, JournalId, NodeId};
use logmesh_protocol::record::{ChunkWriter, Labels, put_metadata};
use logmesh_protocol::segment::{SegmentId, Window};
use logmesh_protocol::seq_set::SeqSet;
use logmesh_protocol::time::{TimeRange, Timestamp};
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, prop_oneof};
use tempfile::TempDir;

use crate::{Append, Commit, CommitError, Committed, ScanOutcome, ScanRequest, Scanned, Settings, Store};

/// A store that is removed when the test ends.
pub(super) struct World {
    pub(super) store: Store,
    pub(super) settings: Settings,
    pub(super) directory: TempDir,
}

impl World {
    pub(super) fn new() -> Self {
        Self::with(Settings { disk_reserve_bytes: 0, block_bytes: 400, ..Settings::default() })
    }

    pub(super) fn with(settings: Settings) -> Self {
        let directory = TempDir::new().unwrap();
        let (store, recovered) = Store::open(&directory.path().join("store"), settings.clone()).unwrap();
        assert!(recovered.segments.is_empty());
        Self { store, settings, directory }
    }

    /// Closes the store and opens it again.
    pub(super) fn reopen(self) -> (Self, crate::Recovered) {
        let Self { store, settings, directory } = self;
        drop(store);
        let (store, recovered) = Store::open(&directory.path().join("store"), settings.clone()).unwrap();
        (Self { store, settings, directory }, recovered)
    }

    pub(super) fn commit(&self, commit: Commit) -> Result<Committed, CommitError> {
        let (sender, receiver) = mpsc::channel();
        self.store.commit(commit, Box::new(move |result| sender.send(result).unwrap()));
        receiver.recv().unwrap()
    }

    /// Appends batches from seq `from` on, and expects all of them to be stored.
    pub(super) fn append(&self, segment: &SegmentId, from: u32, batches: &[BatchRows]) {
        let appends: Vec<Append> = (from..).zip(batches).map(|(seq, batch)| batch.append(segment, seq)).collect();
        let committed = self.commit(Commit::Append(appends)).unwrap();
        assert_eq!((committed.stored.len(), committed.refused), (batches.len(), Vec::new()));
    }

    /// Returns all batches of `seqs` as frames; none may be damaged.
    pub(super) fn frames(&self, segment: &SegmentId, seqs: std::ops::Range<u32>) -> Vec<BatchFrame> {
        let frames = self.store.frames(segment, &SeqSet::from_range(seqs), usize::MAX).unwrap();
        assert!(frames.damaged.is_empty() && frames.rest.is_empty());
        frames.frames
    }

    /// Returns all rows of `tenant`, as text, sorted.
    pub(super) fn rows(&self, tenant: &str, segments: &[SegmentId], range: TimeRange) -> (Vec<String>, ScanOutcome) {
        let request =
            ScanRequest { tenant, range, segments, only: None, matches: &|_| true, newest_first: false, lines: true };
        let (pieces, outcome) = self.scan(&request);
        let mut rows: Vec<String> = pieces.iter().flat_map(texts).collect();
        rows.sort();
        (rows, outcome)
    }

    pub(super) fn scan(&self, request: &ScanRequest<'_>) -> (Vec<Scanned>, ScanOutcome) {
        let mut pieces = Vec::new();
        let outcome = self.store.scan(request, &mut |scanned| {
            pieces.push(scanned);
            std::ops::ControlFlow::Continue(())
        });
        (pieces, outcome.unwrap())
    }
}

/// Returns each row of a piece as text.
pub(super) fn texts(scanned: &Scanned) -> Vec<String> {
    let rows = &scanned.rows;
    let mut texts = Vec::new();
    for stream in &rows.streams {
        for row in stream.rows.clone() {
            let line = std::str::from_utf8(rows.line(row)).unwrap();
            texts.push(text(&stream.labels, rows.timestamps[row], rows.metadata_of(row), line));
        }
    }
    assert_eq!(texts.len(), rows.len());
    texts
}

fn text(labels: &Labels, timestamp: Timestamp, metadata: &[u8], line: &str) -> String {
    format!("{timestamp} {labels} {metadata:?} {line:?}")
}

/// A record of a batch: which stream, when, metadata, line.
pub(super) type RowOf = (u8, i64, Vec<(String, String)>, String);

/// What goes into one batch.
#[derive(Clone, Debug)]
pub(super) struct BatchRows {
    pub(super) tenant: &'static str,
    pub(super) chunks: Vec<Vec<RowOf>>,
}

impl BatchRows {
    /// Returns a batch of one chunk: `count` lines of stream `stream`, one a second from `start`.
    pub(super) fn plain(stream: u8, start: i64, count: i64) -> Self {
        let row = |nth: i64| (stream, at(start + nth), Vec::new(), format!("line {} of a plain batch", start + nth));
        Self { tenant: "default", chunks: vec![(0..count).map(row).collect()] }
    }

    pub(super) fn append(&self, segment: &SegmentId, seq: u32) -> Append {
        Append { segment: *segment, seq, tenant: self.tenant.to_owned(), chunks: self.chunks() }
    }

    pub(super) fn canonical(&self, segment: &SegmentId, seq: u32) -> Vec<u8> {
        encode(segment, seq, self.tenant, &self.chunks())
    }

    pub(super) fn frame(&self, segment: &SegmentId, seq: u32) -> BatchFrame {
        let canonical = self.canonical(segment, seq);
        let body = lz4_flex::block::compress_prepend_size(&canonical).into();
        BatchFrame { segment: *segment, seq, id: BatchId::of(&canonical), body }
    }

    /// Returns each row as a scan would show it.
    pub(super) fn texts(&self) -> Vec<String> {
        let rows = self.chunks.iter().flatten();
        rows.map(|(stream, timestamp, metadata, line)| {
            text(&labels(*stream), Timestamp::from_nanos(*timestamp), &pairs(metadata), line)
        })
        .collect()
    }

    fn chunks(&self) -> Vec<Bytes> {
        let write = |rows: &Vec<RowOf>| {
            let mut writer = ChunkWriter::new();
            for (stream, timestamp, metadata, line) in rows {
                let stream = writer.stream(&labels(*stream).to_bytes());
                writer.push(stream, Timestamp::from_nanos(*timestamp), &pairs(metadata), line);
            }
            Bytes::from(writer.finish())
        };
        self.chunks.iter().map(write).collect()
    }
}

pub(super) fn labels(stream: u8) -> Labels {
    Labels::new([("app".to_owned(), format!("app-{stream}")), ("zone".to_owned(), "a".to_owned())])
}

fn pairs(metadata: &[(String, String)]) -> Vec<u8> {
    let mut out = Vec::new();
    metadata.iter().for_each(|(name, value)| put_metadata(&mut out, name, value));
    out
}

/// Returns the timestamp `seconds` after the start of the window of [`segment`].
pub(super) fn at(seconds: i64) -> i64 {
    Window(WINDOW).start().as_nanos() + seconds * 1_000_000_000
}

pub(super) fn segment(part: u32) -> SegmentId {
    let journal = JournalId { node: NodeId::from_bytes([1; 32]), boot: Boot::from_bytes([2; 16]) };
    SegmentId { window: Window(WINDOW), journal, part }
}

/// All time.
pub(super) const ALWAYS: TimeRange = TimeRange { start: Timestamp::MIN, end: Timestamp::MAX };

/// Returns batches with several tenants, chunks and streams, metadata, times out of order, empty lines and all letters.
pub(super) fn batches() -> impl Strategy<Value = Vec<BatchRows>> {
    let time = prop_oneof![(0i64..3600).prop_map(at), (0i64..3_600_000).prop_map(|ms| at(0) + ms * 1_000_000 + 7)];
    let metadata = prop_oneof![3 => Just(Vec::new()), 1 => vec(("[a-c]{1,3}", ".{0,5}"), 0..3)];
    let line = prop_oneof![Just(String::new()), ".{0,40}", "[a-z ]{60,200}", Just("a\nb\r\n".to_owned())];
    let chunk = vec((0u8..5, time, metadata, line), 0..12);
    let tenant = prop_oneof![3 => Just("default"), 1 => Just("other")];
    vec((tenant, vec(chunk, 0..4)).prop_map(|(tenant, chunks)| BatchRows { tenant, chunks }), 1..9)
}

const WINDOW: u32 = 480_000;
