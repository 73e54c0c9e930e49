//! A disk that is really full: commits are refused, reads go on, and commits are taken again when there is room.

#![expect(clippy::unwrap_used, reason = "in a test, to panic is to fail")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;

use logmesh_protocol::id::{Boot, JournalId, NodeId};
use logmesh_protocol::record::{ChunkWriter, Labels};
use logmesh_protocol::segment::{SegmentId, Window};
use logmesh_protocol::time::{TimeRange, Timestamp};
use logmesh_store::{Append, Commit, CommitError, ScanRequest, Settings, Store};

#[test]
fn the_disk_refuses_before_the_reserve_is_noticed() {
    // Without a reserve the writes run into the disk itself.
    fill_and_recover(0);
}

#[test]
fn the_reserve_is_kept() {
    fill_and_recover(8 << 20);
}

fn fill_and_recover(disk_reserve_bytes: u64) {
    let Some(disk) = SmallDisk::mount(48) else {
        eprintln!("skipped: only root may mount a small disk");
        return;
    };
    let settings = Settings { disk_reserve_bytes, tail_memtable_bytes: 4 << 20, ..Settings::default() };
    let (store, _) = Store::open(&disk.path().join("store"), settings.clone()).unwrap();
    let ballast = disk.path().join("ballast");
    std::fs::write(&ballast, vec![1; 20 << 20]).unwrap();
    let mut seq = 0;
    let refused = loop {
        match commit(&store, seq) {
            Ok(()) => seq += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(refused, CommitError::DiskFull);
    assert_eq!(commit(&store, seq), Err(CommitError::DiskFull));
    assert_eq!(rows(&store), u64::from(seq) * RECORDS);
    std::fs::remove_file(&ballast).unwrap();
    // RocksDB looks every few seconds whether it can go on; each try here is a commit that a client would repeat.
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while let Err(error) = commit(&store, seq) {
        assert!(std::time::Instant::now() < deadline, "{error:?}: does not recover");
        std::thread::yield_now();
    }
    assert_eq!(rows(&store), u64::from(seq + 1) * RECORDS);
    drop(store);
    let (store, recovered) = Store::open(&disk.path().join("store"), settings).unwrap();
    assert_eq!(recovered.segments[0].held.len(), u64::from(seq) + 1);
    assert_eq!(rows(&store), u64::from(seq + 1) * RECORDS);
}

fn commit(store: &Store, seq: u32) -> Result<(), CommitError> {
    let mut writer = ChunkWriter::new();
    let stream = writer.stream(&Labels::default().to_bytes());
    for nth in 0..RECORDS {
        let noise = blake3::hash(&[seq.to_be_bytes(), (nth as u32).to_be_bytes()].concat());
        writer.push(stream, Timestamp::from_nanos(nth as i64), &[], &noise.to_string());
    }
    let append = Append { segment: segment(), seq, tenant: "default".to_owned(), chunks: vec![writer.finish().into()] };
    let (sender, answer) = mpsc::channel();
    store.commit(Commit::Append(vec![append]), Box::new(move |result| _ = sender.send(result.map(drop))));
    answer.recv().unwrap()
}

fn rows(store: &Store) -> u64 {
    let range = TimeRange { start: Timestamp::MIN, end: Timestamp::MAX };
    let request = ScanRequest {
        tenant: "default",
        range,
        segments: &[segment()],
        only: None,
        matches: &|_| true,
        newest_first: false,
        lines: true,
    };
    let outcome = store.scan(&request, &mut |_| std::ops::ControlFlow::Continue(())).unwrap();
    assert!(outcome.damaged.is_empty());
    outcome.rows_scanned
}

fn segment() -> SegmentId {
    let journal = JournalId { node: NodeId::from_bytes([1; 32]), boot: Boot::from_bytes([2; 16]) };
    SegmentId { window: Window(0), journal, part: 0 }
}

const RECORDS: u64 = 4000;

/// A disk in memory, unmounted when the test ends.
struct SmallDisk {
    directory: tempfile::TempDir,
}

impl SmallDisk {
    fn mount(mebibytes: u32) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={mebibytes}m"), "tmpfs"])
            .arg(directory.path())
            .output();
        mounted.is_ok_and(|output| output.status.success()).then_some(Self { directory })
    }

    fn path(&self) -> PathBuf {
        Path::new(self.directory.path()).to_owned()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").args(["--lazy".as_ref(), self.directory.path().as_os_str()]).output();
    }
}
