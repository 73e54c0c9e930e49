//! The seal: folds consecutive batches into an extent, and replaces them by it in one write.
//!
//! The new extent is read back in memory and must give each batch byte for byte before anything is removed.

use std::ops::Range;

use logmesh_protocol::id::BatchId;
use logmesh_protocol::ledger::LedgerEntry;
use logmesh_protocol::segment::{ExtentId, SegmentId};
use logmesh_protocol::seq_set::SeqSet;
use rocksdb::WriteBatch;
use thiserror::Error;

use crate::batch::check_streams;
use crate::columns::ColumnError;
use crate::db::{Db, ReadError, View, WriteError};
use crate::extent::{EXTENT_RAW_BYTES_MAX, Extent, Sealed, place_of};
use crate::keys::{Family, Place, batch_key, extent_key};
use crate::ledger::{Held, encode_entries};
use crate::settings::BLOCK_BYTES_MAX;
use crate::stats::Counters;

/// Seals the batches `range` of `segment`.
pub(crate) fn seal(db: &Db, segment: &SegmentId, range: Range<u32>) -> Result<Extent, SealError> {
    let id = ExtentId { segment: *segment, from: range.start, to: range.end };
    let source = Source::read(&db.view(), &id)?;
    if !db.disk.lends(source.raw_bytes()) {
        return Err(SealError::DiskFull);
    }
    let Source { batches, entries } = source;
    let sealed = encode(db, &id, &batches, &entries)?;
    // The check below expands everything once more: not beside what it was made of.
    drop(batches);
    check(&sealed, &entries)?;
    let described = sealed.describe().map_err(SealError::encoding)?;
    Change { id, entries }.write(db, &sealed)?;
    Ok(described)
}

fn encode(db: &Db, id: &ExtentId, batches: &[Vec<u8>], entries: &[LedgerEntry]) -> Result<Sealed, SealError> {
    let mut decoded = Vec::with_capacity(batches.len());
    for (canonical, seq) in batches.iter().zip(id.from..) {
        decoded.push(check_streams(&id.segment, seq, canonical).map_err(|_| SealError::Unsealable(seq))?);
    }
    let sizes = entries.iter().map(|entry| entry.size_bytes).collect();
    let block_bytes = db.settings.block_bytes.min(BLOCK_BYTES_MAX);
    Sealed::encode(*id, &decoded, sizes, block_bytes, db.settings.compression).map_err(SealError::encoding)
}

/// Checks that each batch comes back from the sealed bytes.
fn check(sealed: &Sealed, entries: &[LedgerEntry]) -> Result<(), SealError> {
    let copy = Sealed::from_bytes(&sealed.to_bytes()).and_then(Sealed::open).map_err(SealError::encoding)?;
    let (from, mut wrong) = (copy.header.id.from, None);
    let rebuilt = copy.rebuild(&|_| true, &mut |seq, batch| {
        if batch.is_none_or(|canonical| BatchId::of(&canonical) != entries[(seq - from) as usize].id) {
            wrong.get_or_insert(seq);
        }
    });
    rebuilt.map_err(SealError::encoding)?;
    wrong.map_or(Ok(()), |seq| Err(SealError::Unsealable(seq)))
}

/// What is to be sealed.
struct Source {
    batches: Vec<Vec<u8>>,
    entries: Vec<LedgerEntry>,
}

impl Source {
    fn read(view: &View<'_>, id: &ExtentId) -> Result<Self, SealError> {
        let held = view.held_within(&id.segment, id.from..id.to)?;
        let entries = entries_within(&held, id).ok_or(SealError::Incomplete)?;
        let raw_bytes: u64 = entries.iter().map(|entry| u64::from(entry.raw_bytes)).sum();
        if raw_bytes > EXTENT_RAW_BYTES_MAX {
            return Err(SealError::TooLarge(raw_bytes));
        }
        let (mut batches, mut damaged) = (Vec::with_capacity(entries.len()), SeqSet::new());
        for held in held {
            match held {
                Held::Batch(seq, entry) => match view.tail_canonical(&id.segment, seq, &entry) {
                    Some(canonical) => batches.push(canonical),
                    None => _ = damaged.insert(seq),
                },
                Held::Extent(inner, entries) => {
                    let opened = view.extent(&inner).and_then(|filed| view.open(filed))?;
                    let rebuilt = opened.rebuild(&|_| true, &mut |seq, batch| {
                        let entry = &entries[(seq - inner.from) as usize];
                        match batch.filter(|canonical| BatchId::of(canonical) == entry.id) {
                            Some(canonical) => batches.push(canonical),
                            None => _ = damaged.insert(seq),
                        }
                    });
                    rebuilt.map_err(|_| SealError::Damaged(SeqSet::from_range(inner.from..inner.to)))?;
                }
            }
        }
        if damaged.is_empty() { Ok(Self { batches, entries }) } else { Err(SealError::Damaged(damaged)) }
    }

    fn raw_bytes(&self) -> u64 {
        self.batches.iter().map(|canonical| canonical.len() as u64).sum()
    }
}

/// Returns the entries of all batches of `id`, if `held` has each and no extent reaches beyond.
pub(crate) fn entries_within(held: &[Held], id: &ExtentId) -> Option<Vec<LedgerEntry>> {
    let mut entries = Vec::new();
    let mut next = id.from;
    for held in held {
        let range = held.range();
        if range.start != next || range.end > id.to {
            return None;
        }
        next = range.end;
        entries.extend(range.map_while(|seq| held.entry(seq)));
    }
    (next == id.to && !entries.is_empty()).then_some(entries)
}

/// An extent that is to take the place of what is held of its range.
pub(crate) struct Change {
    pub(crate) id: ExtentId,
    /// What the ledger shall say; for those that it holds, what it says.
    pub(crate) entries: Vec<LedgerEntry>,
}

impl Change {
    /// Writes the extent: first its parts, which nobody looks for yet, then in one write its header and its entries, and
    /// the removal of what it replaces. Fails if what is held has changed meanwhile.
    pub(crate) fn write(&self, db: &Db, sealed: &Sealed) -> Result<(), SealError> {
        let place = self.place(db, sealed);
        let parts: Vec<(Vec<u8>, &[u8])> =
            sealed.parts().enumerate().map(|(at, part)| (place.key(at), &part[..])).collect();
        let mut batch = WriteBatch::default();
        match place.family {
            Family::Blocks => db.ingest(&parts)?,
            _ => parts.iter().for_each(|(key, part)| batch.put_cf(db.family(place.family), key, part)),
        }
        let written = self.replace(db, sealed, &place, batch);
        // After a failed write nobody knows whether it is in the log: the next start does, and sweeps if it is not.
        if matches!(written, Err(SealError::Changed | SealError::Read(_))) && place.family == Family::Blocks {
            db.retire([place]);
        }
        written
    }

    fn place(&self, db: &Db, sealed: &Sealed) -> Place {
        let large = sealed.bytes() >= db.settings.extent_file_bytes_min as u64;
        let family = if large { Family::Blocks } else { Family::Crumbs };
        Place { id: self.id, generation: db.next_generation(), family }
    }

    fn replace(&self, db: &Db, sealed: &Sealed, place: &Place, mut batch: WriteBatch) -> Result<(), SealError> {
        let changing = db.changing.lock();
        let view = db.view();
        let held = view.held_within(&self.id.segment, self.id.from..self.id.to)?;
        if !self.still_fits(&held) {
            return Err(SealError::Changed);
        }
        let replaced = self.remove(&view, &held, &mut batch);
        batch.put_cf(db.family(Family::Ledger), extent_key(&self.id), encode_entries(&self.entries));
        batch.put_cf(db.family(Family::Extents), extent_key(&self.id), sealed.header_value(place));
        db.write(batch)?;
        drop(view);
        db.retire(replaced);
        drop(changing);
        Counters::add(&db.counters.extents, 1);
        let raw_bytes = self.entries.iter().map(|entry| u64::from(entry.raw_bytes)).sum();
        Counters::add(&db.counters.sealed_raw_bytes, raw_bytes);
        Counters::add(&db.counters.sealed_stored_bytes, sealed.bytes());
        db.flush_tail_if_grown();
        Ok(())
    }

    /// Tells whether all that is held has the ids that the extent has, and no extent reaches beyond this one.
    fn still_fits(&self, held: &[Held]) -> bool {
        held.iter().all(|held| {
            let range = held.range();
            let within = range.start >= self.id.from && range.end <= self.id.to;
            within
                && range.into_iter().all(|seq| {
                    held.entry(seq).map(|entry| entry.id)
                        == self.entries.get((seq - self.id.from) as usize).map(|entry| entry.id)
                })
        })
    }

    /// Adds to `batch` what removes all that is held. Returns what is to be retired.
    fn remove(&self, view: &View<'_>, held: &[Held], batch: &mut WriteBatch) -> Vec<Place> {
        let (db, id) = (view.db, &self.id);
        let (start, end) = (batch_key(&id.segment, id.from), batch_key(&id.segment, id.to));
        // One tombstone a family, however many batches there are.
        for family in [Family::Tail, Family::Ledger, Family::Extents] {
            batch.delete_range_cf(db.family(family), start, end);
        }
        let extents = held.iter().filter_map(|held| match held {
            Held::Extent(id, _) => Some(*id),
            Held::Batch(..) => None,
        });
        let places = extents.filter_map(|id| place_of(id, &view.header_value(&id)?));
        db.remove_parts(places, batch)
    }
}

impl Db {
    /// Flushes the tail when its buffer has grown. Right after a seal least of it is alive: what was sealed never reaches a
    /// table file.
    fn flush_tail_if_grown(&self) {
        let family = self.family(Family::Tail);
        let bytes = self.rocks.property_int_value_cf(family, "rocksdb.cur-size-active-mem-table").ok().flatten();
        if bytes.unwrap_or(0) >= self.settings.tail_memtable_bytes as u64 / 2
            && let Err(error) = self.rocks.flush_cf(family)
        {
            tracing::warn!(%error, "the tail could not be flushed");
        }
    }
}

/// Why batches were not sealed. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SealError {
    /// Not all batches of the range are held, or an extent reaches beyond it.
    #[error("not all batches of the range are held, or an extent reaches beyond it")]
    Incomplete,
    /// The range has more canonical bytes than an extent may.
    #[error("{0} canonical bytes, more than {EXTENT_RAW_BYTES_MAX}")]
    TooLarge(u64),
    /// These batches do not read, or do not hash to their ids.
    #[error("damaged batches")]
    Damaged(SeqSet),
    /// This batch would not come back byte for byte: its bytes are not in the one spelling that there is.
    #[error("batch {0} would not come back byte for byte")]
    Unsealable(u32),
    /// What is held of the range has changed meanwhile.
    #[error("what is held of the range has changed meanwhile")]
    Changed,
    /// There is no room on the disk.
    #[error("the disk is full")]
    DiskFull,
    /// It could not be encoded.
    #[error("the extent could not be encoded: {0}")]
    Encoding(String),
    /// The database could not be read.
    #[error("the database could not be read")]
    Read(#[from] ReadError),
    /// The database could not be written.
    #[error("the database could not be written")]
    Write(#[source] WriteError),
}

impl SealError {
    fn encoding(error: ColumnError) -> Self {
        Self::Encoding(error.to_string())
    }
}

impl From<WriteError> for SealError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::DiskFull => Self::DiskFull,
            other => Self::Write(other),
        }
    }
}
