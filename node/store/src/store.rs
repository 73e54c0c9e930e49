//! The handle: what the node calls.

use std::fs::File;
use std::ops::{ControlFlow, Range};
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use bytes::Bytes;
use logmesh_protocol::ledger::LedgerEntry;
use logmesh_protocol::record::Labels;
use logmesh_protocol::segment::{ExtentId, SegmentId};
use logmesh_protocol::seq_set::SeqSet;
use logmesh_protocol::time::TimeRange;
use parking_lot::Mutex;
use rocksdb::WriteBatch;

use crate::adopt::{AdoptError, adopt};
use crate::columns::Decoder;
use crate::commit::{Commit, Done, Job, Queue, Stored, bytes_of};
use crate::db::{Db, ReadError, SETTING_BYTES_MAX, WriteError};
use crate::disk::Disk;
use crate::extent::{Extent, Filed, place_of};
use crate::frames::Frames;
use crate::keys::{Family, segment_bounds};
use crate::open::{OpenError, open};
use crate::quarantine;
use crate::recover::Recovered;
use crate::scan::{ScanOutcome, ScanRequest, Scanned, scan, streams};
use crate::seal::{SealError, seal};
use crate::settings::Settings;
use crate::stats::Stats;
use crate::writer;

/// A store: a cheap handle. When the last one is dropped what waits is written, and the store closes.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    db: Arc<Db>,
    queue: Arc<Queue>,
    writer: Mutex<Option<JoinHandle<()>>>,
    /// Keeps others out.
    _lock: File,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.queue.close();
        let Some(writer) = self.writer.lock().take() else { return };
        // The last handle may go inside a `done`, on the writer's own thread, which ends by itself.
        if writer.thread().id() != std::thread::current().id() && writer.join().is_err() {
            tracing::error!("the writer thread has panicked");
        }
    }
}

impl Store {
    /// Opens the store in the directory `path`, which is made if it is not there, and tells what it holds.
    pub fn open(path: &Path, settings: Settings) -> Result<(Self, Recovered), OpenError> {
        let (db, lock, recovered) = open(path, settings)?;
        let db = Arc::new(db);
        let queue = Arc::new(Queue::new(db.settings.commit_queue_bytes_max));
        let (thread_db, thread_queue) = (Arc::clone(&db), Arc::clone(&queue));
        let writer = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || writer::run(&thread_db, &thread_queue))
            .map_err(|source| OpenError::Directory { path: path.to_owned(), source })?;
        let inner = Inner { db, queue, writer: Mutex::new(Some(writer)), _lock: lock };
        Ok((Self { inner: Arc::new(inner) }, recovered))
    }

    /// Makes batches durable, and then calls `done`. Encodes and packs on the caller's thread, about a millisecond a
    /// mebibyte, and never waits: more than [`Settings::commit_queue_bytes_max`] is refused as busy.
    pub fn commit(&self, work: Commit, done: Done) {
        let bytes = bytes_of(&work);
        match self.inner.queue.reserve(bytes) {
            Ok(()) => self.inner.queue.push(Job::prepare(&work, bytes, done)),
            Err(error) => done(Err(error)),
        }
    }

    /// Returns what is held of `segment`, in order of seq.
    pub fn ledger(&self, segment: &SegmentId) -> Result<Vec<(u32, LedgerEntry)>, ReadError> {
        let held = self.db().view().held(segment)?;
        Ok(held.iter().flat_map(|held| held.range().filter_map(|seq| Some((seq, held.entry(seq)?)))).collect())
    }

    /// Returns the batches `seqs` of `segment` as frames, as many as fit `bytes_max` (at least one), each checked against
    /// its id. What is not held is left out.
    pub fn frames(&self, segment: &SegmentId, seqs: &SeqSet, bytes_max: usize) -> Result<Frames, ReadError> {
        self.db().view().frames(segment, seqs, bytes_max)
    }

    /// Seals the batches `range` of `segment`, all of which must be held. Extents within are folded in. Takes about 8 ms a
    /// mebibyte of the caller's thread.
    pub fn seal(&self, segment: &SegmentId, range: Range<u32>) -> Result<Extent, SealError> {
        seal(self.db(), segment, range)
    }

    /// Returns the extents of `segment` whose headers read, in order.
    pub fn extents(&self, segment: &SegmentId) -> Result<Vec<Extent>, ReadError> {
        let decoder = &mut Decoder::new().map_err(|_| ReadError::Damaged)?;
        let filed = self.db().view().filed(segment)?;
        let described = filed.iter().filter_map(|(id, value)| Filed::decode(*id, value, decoder).ok()?.describe().ok());
        Ok(described.collect())
    }

    /// Returns the extent `id` as it travels; every part of it was checked.
    pub fn extent_bytes(&self, id: &ExtentId) -> Result<Bytes, ReadError> {
        Ok(self.db().view().sealed(id)?.to_bytes())
    }

    /// Takes an extent that travelled. Batches that the ledger has must be the same; those that it lacks are added. Extents
    /// within are replaced. Returns all batches of the extent.
    pub fn adopt(&self, id: &ExtentId, bytes: &Bytes) -> Result<Vec<Stored>, AdoptError> {
        adopt(self.db(), id, bytes)
    }

    /// Removes all that is held of `segment`.
    pub fn drop_segment(&self, segment: &SegmentId) -> Result<(), WriteError> {
        let db = self.db();
        let _changing = db.changing.lock();
        let filed = db.view().filed(segment)?;
        let (start, end) = segment_bounds(segment);
        let mut batch = WriteBatch::default();
        for family in [Family::Tail, Family::Ledger, Family::Extents] {
            batch.delete_range_cf(db.family(family), &start, &end);
        }
        let files = db.remove_parts(filed.iter().filter_map(|(id, value)| place_of(*id, value)), &mut batch);
        db.write(batch)?;
        db.retire(files);
        Ok(())
    }

    /// Reads and hashes everything that is held of `segment`. Returns the batches that are damaged.
    pub fn verify(&self, segment: &SegmentId) -> Result<SeqSet, ReadError> {
        self.db().view().verify(segment)
    }

    /// Takes those of `seqs` out that are damaged, so that they can be fetched again, and returns them; with a batch of a
    /// damaged extent go all that the extent cannot give back, while the others go back to the tail.
    pub fn quarantine(&self, segment: &SegmentId, seqs: &SeqSet) -> Result<SeqSet, WriteError> {
        let db = self.db();
        let _changing = db.changing.lock();
        quarantine::take_out(&db.view(), segment, seqs)
    }

    /// Gives the rows that `request` asks for to `sink`, each once, from sealed blocks and the tail alike, as of one moment.
    pub fn scan(
        &self,
        request: &ScanRequest<'_>,
        sink: &mut dyn FnMut(Scanned) -> ControlFlow<()>,
    ) -> Result<ScanOutcome, ReadError> {
        scan(self.db(), request, sink)
    }

    /// Gives the streams of `tenant` that may have records in `range` to `sink`, each once, without reading lines of sealed
    /// blocks. Returns the batches that could not be read.
    pub fn streams(
        &self,
        tenant: &str,
        range: TimeRange,
        segments: &[SegmentId],
        sink: &mut dyn FnMut(&Labels),
    ) -> Result<Vec<(SegmentId, SeqSet)>, ReadError> {
        streams(self.db(), tenant, range, segments, sink)
    }

    /// Keeps a small thing of the shell; it is on the disk when this returns. An empty value removes it.
    pub fn put_setting(&self, key: &str, value: &[u8]) -> Result<(), WriteError> {
        let db = self.db();
        if value.len() > SETTING_BYTES_MAX {
            return Err(WriteError::TooLarge);
        }
        let mut batch = WriteBatch::default();
        match value {
            [] => batch.delete_cf(db.family(Family::Settings), key),
            _ => batch.put_cf(db.family(Family::Settings), key, [&[SETTING_VERSION], value].concat()),
        }
        db.write(batch)
    }

    /// Returns what [`Store::put_setting`] kept.
    pub fn setting(&self, key: &str) -> Result<Option<Vec<u8>>, ReadError> {
        let view = self.db().view();
        match view.value(Family::Settings, key.as_bytes())?.as_deref() {
            None => Ok(None),
            Some([SETTING_VERSION, value @ ..]) => Ok(Some(value.to_vec())),
            Some(_) => Err(ReadError::Damaged),
        }
    }

    /// Returns the room on the disk.
    pub fn disk(&self) -> Disk {
        self.db().disk.read()
    }

    /// Returns what the store did since it was opened.
    pub fn stats(&self) -> Stats {
        Stats { queue_bytes: self.inner.queue.bytes() as u64, ..self.db().stats() }
    }

    pub(crate) fn db(&self) -> &Db {
        &self.inner.db
    }
}

const SETTING_VERSION: u8 = 1;
