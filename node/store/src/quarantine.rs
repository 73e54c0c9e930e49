//! Quarantine: damaged bytes are taken out, so that repair fetches the batches again; the bytes are kept for a while.
//!
//! Of a damaged extent the batches that can still be rebuilt go back to the tail in the same write, so that nothing sound is
//! lost. A batch that reads and hashes is never taken out, whatever the caller says.

use std::time::{SystemTime, UNIX_EPOCH};

use logmesh_protocol::id::BatchId;
use logmesh_protocol::ledger::LedgerEntry;
use logmesh_protocol::segment::{ExtentId, SegmentId};
use logmesh_protocol::seq_set::SeqSet;
use rocksdb::WriteBatch;

use crate::batch::Packed;
use crate::db::{Db, ReadError, View, WriteError};
use crate::extent::place_of;
use crate::keys::{Family, Place, batch_key, extent_key};
use crate::ledger::Held;
use crate::stats::Counters;
use crate::writer::put_batch;

/// Takes those of `seqs` out that are damaged. The caller holds `Db::changing`, and `view` is of a later moment.
pub(crate) fn take_out(view: &View<'_>, segment: &SegmentId, seqs: &SeqSet) -> Result<SeqSet, WriteError> {
    let mut removal = Removal { view, batch: WriteBatch::default(), taken: SeqSet::new(), retired: Vec::new() };
    let mut done = 0;
    for range in seqs.ranges() {
        for held in view.held_within(segment, range)? {
            // An extent that reaches into two ranges was looked at with the first.
            if held.range().start < done {
                continue;
            }
            done = held.range().end;
            match held {
                Held::Batch(seq, entry) => removal.take_batch(segment, seq, &entry),
                Held::Extent(id, entries) => removal.take_extent(&id, &entries),
            }
        }
    }
    removal.write()
}

/// What is to be taken out, gathered for one write.
struct Removal<'a> {
    view: &'a View<'a>,
    batch: WriteBatch,
    taken: SeqSet,
    retired: Vec<Place>,
}

impl Removal<'_> {
    fn take_batch(&mut self, segment: &SegmentId, seq: u32, entry: &LedgerEntry) {
        if self.view.tail_canonical(segment, seq, entry).is_some() {
            return;
        }
        let db = self.view.db;
        let key = batch_key(segment, seq);
        if let Ok(Some(value)) = self.view.value(Family::Tail, &key) {
            self.keep(&key, &value);
        }
        self.batch.delete_cf(db.family(Family::Tail), key);
        self.batch.delete_cf(db.family(Family::Ledger), key);
        self.taken.insert(seq);
    }

    fn take_extent(&mut self, id: &ExtentId, entries: &[LedgerEntry]) {
        let (mut sound, mut lost) = (Vec::new(), SeqSet::new());
        let opened = self.view.extent(id).and_then(|filed| self.view.open(filed));
        let rebuilt = opened.is_ok_and(|opened| {
            let checked = opened.rebuild(&|_| true, &mut |seq, batch| {
                let entry = &entries[(seq - id.from) as usize];
                let batch = batch.filter(|canonical| BatchId::of(canonical) == entry.id);
                match batch.and_then(|canonical| Packed::from_canonical(id.segment, seq, &canonical).ok()) {
                    Some(packed) => sound.push(packed),
                    None => {
                        lost.insert(seq);
                    }
                }
            });
            checked.is_ok()
        });
        if !rebuilt {
            (sound, lost) = (Vec::new(), SeqSet::from_range(id.from..id.to));
        }
        // An extent of which nothing is lost, but a part is damaged, does not occur: every row is of some batch.
        if lost.is_empty() {
            return;
        }
        self.keep_parts(id);
        let db = self.view.db;
        remove_extent(db, &mut self.batch, id);
        sound.iter().for_each(|packed| put_batch(db, &mut self.batch, packed));
        self.taken = self.taken.union(&lost);
    }

    /// Moves the damaged parts of an extent to the quarantine and lets the others go.
    fn keep_parts(&mut self, id: &ExtentId) {
        let view = self.view;
        let Some(value) = view.header_value(id) else { return };
        let Some(place) = place_of(*id, &value) else { return self.keep(&extent_key(id), &value) };
        let files = view.db.remove_parts(std::iter::once(place), &mut self.batch);
        self.retired.extend(files);
        let Ok(filed) = view.extent(id) else { return self.keep(&extent_key(id), &value) };
        for part in 0..=filed.header.blocks.len() {
            let key = place.key(part);
            if view.part(&filed, part).is_none()
                && let Ok(Some(bytes)) = view.value(place.family, &key)
            {
                self.keep(&key, &bytes);
            }
        }
    }

    fn keep(&mut self, key: &[u8], bytes: &[u8]) {
        let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64);
        let kept_as = [&nanos.to_be_bytes()[..], key].concat();
        let value = [&[VERSION], bytes].concat();
        self.batch.put_cf(self.view.db.family(Family::Quarantine), kept_as, value);
    }

    fn write(mut self) -> Result<SeqSet, WriteError> {
        if self.taken.is_empty() {
            return Ok(self.taken);
        }
        let db = self.view.db;
        bound(self.view, &mut self.batch)?;
        db.write(self.batch)?;
        db.retire(self.retired);
        Counters::add(&db.counters.quarantined, self.taken.len());
        tracing::warn!(batches = self.taken.len(), "damaged batches were taken out");
        Ok(self.taken)
    }
}

/// Adds to `batch` what removes an extent from the ledger and its header; its parts are retired by the caller.
pub(crate) fn remove_extent(db: &Db, batch: &mut WriteBatch, id: &ExtentId) {
    batch.delete_cf(db.family(Family::Ledger), extent_key(id));
    batch.delete_cf(db.family(Family::Extents), extent_key(id));
}

/// Drops the oldest of the quarantine until it is within its bound. What `batch` adds counts the next time.
fn bound(view: &View<'_>, batch: &mut WriteBatch) -> Result<(), ReadError> {
    let sizes: Vec<(Box<[u8]>, u64)> = view
        .range(Family::Quarantine, &[], &[0xff; 9])
        .map(|item| item.map(|(key, value)| (key, value.len() as u64)))
        .collect::<Result<_, _>>()?;
    let mut total: u64 = sizes.iter().map(|(_, bytes)| bytes).sum();
    for (key, bytes) in sizes {
        if total <= view.db.settings.quarantine_bytes_max {
            break;
        }
        total -= bytes;
        batch.delete_cf(view.db.family(Family::Quarantine), key);
    }
    Ok(())
}

const VERSION: u8 = 1;
