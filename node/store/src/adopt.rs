//! Adoption: takes an extent that another node sealed, instead of encoding again.
//!
//! Every batch is rebuilt and hashed first, so that an extent is either what the ledger says or not taken.

use bytes::Bytes;
use logmesh_protocol::id::BatchId;
use logmesh_protocol::ledger::LedgerEntry;
use logmesh_protocol::segment::ExtentId;
use logmesh_protocol::seq_set::SeqSet;
use thiserror::Error;

use crate::batch::check;
use crate::commit::Stored;
use crate::db::{Db, ReadError, WriteError};
use crate::disk::DiskState;
use crate::extent::{EXTENT_RAW_BYTES_MAX, Sealed};
use crate::ledger::Held;
use crate::seal::{Change, SealError};

/// Takes the extent `id`, which travelled as `bytes`.
pub(crate) fn adopt(db: &Db, id: &ExtentId, bytes: &Bytes) -> Result<Vec<Stored>, AdoptError> {
    if db.disk.read().state == DiskState::Full {
        return Err(AdoptError::DiskFull);
    }
    if let Some(entries) = covering(db, id)? {
        return Ok(stored(id, &entries));
    }
    let sealed = Sealed::from_bytes(bytes).map_err(|_| AdoptError::Malformed)?;
    if sealed.header.id != *id {
        return Err(AdoptError::Malformed);
    }
    let entries = rebuild(bytes, id)?;
    let differing = differing(db, id, &entries)?;
    if !differing.is_empty() {
        return Err(AdoptError::Differs(differing));
    }
    let change = Change { id: *id, entries };
    change.write(db, &sealed)?;
    Ok(stored(id, &change.entries))
}

/// Rebuilds every batch, and checks that each reads to its last record.
fn rebuild(bytes: &Bytes, id: &ExtentId) -> Result<Vec<LedgerEntry>, AdoptError> {
    let opened = Sealed::from_bytes(bytes).and_then(Sealed::open).map_err(|_| AdoptError::Malformed)?;
    let (mut entries, mut raw_bytes, mut sound) = (Vec::new(), 0u64, true);
    let sizes = &opened.header.sizes;
    let rebuilt = opened.rebuild(&|_| true, &mut |seq, batch| {
        let Some(canonical) = batch.filter(|canonical| sound && check(&id.segment, seq, canonical).is_ok()) else {
            sound = false;
            return;
        };
        raw_bytes += canonical.len() as u64;
        sound = raw_bytes <= EXTENT_RAW_BYTES_MAX;
        entries.push(LedgerEntry {
            id: BatchId::of(&canonical),
            size_bytes: sizes[(seq - id.from) as usize],
            raw_bytes: u32::try_from(canonical.len()).unwrap_or(u32::MAX),
        });
    });
    if sound && rebuilt.is_ok() { Ok(entries) } else { Err(AdoptError::Malformed) }
}

/// Returns the entries of `id` if an extent that holds all of it is here already.
fn covering(db: &Db, id: &ExtentId) -> Result<Option<Vec<LedgerEntry>>, AdoptError> {
    let held = db.view().held_at(&id.segment, id.from)?;
    Ok(match held {
        Some(Held::Extent(ours, entries)) if ours.to >= id.to => {
            Some(entries[(id.from - ours.from) as usize..(id.to - ours.from) as usize].to_vec())
        }
        _ => None,
    })
}

/// Returns the batches of `id` whose ids in the ledger are others; fails if an extent reaches across an end of it.
fn differing(db: &Db, id: &ExtentId, entries: &[LedgerEntry]) -> Result<SeqSet, AdoptError> {
    let mut differing = SeqSet::new();
    for held in db.view().held_within(&id.segment, id.from..id.to)? {
        let range = held.range();
        if range.start < id.from || range.end > id.to {
            return Err(AdoptError::Overlaps);
        }
        for seq in range {
            if held.entry(seq).map(|entry| entry.id) != Some(entries[(seq - id.from) as usize].id) {
                differing.insert(seq);
            }
        }
    }
    Ok(differing)
}

fn stored(id: &ExtentId, entries: &[LedgerEntry]) -> Vec<Stored> {
    let segment = id.segment;
    (id.from..id.to).zip(entries).map(|(seq, entry)| Stored { segment, seq, entry: *entry, body: None }).collect()
}

/// Why an extent was not adopted. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AdoptError {
    /// It does not read, a hash in it is wrong, or it is another extent.
    #[error("the extent does not read")]
    Malformed,
    /// The ledger has other ids for these batches.
    #[error("the ledger has other batches")]
    Differs(SeqSet),
    /// An extent that is here reaches across one end of this one.
    #[error("an extent that is here reaches across one end of this one")]
    Overlaps,
    /// What is held of the range has changed meanwhile. Try again.
    #[error("what is held of the range has changed meanwhile")]
    Changed,
    /// There is no room on the disk.
    #[error("the disk is full")]
    DiskFull,
    /// The database could not be read.
    #[error("the database could not be read")]
    Read(#[from] ReadError),
    /// The database could not be written.
    #[error("the database could not be written")]
    Write(#[source] WriteError),
}

impl From<SealError> for AdoptError {
    fn from(error: SealError) -> Self {
        match error {
            SealError::DiskFull => Self::DiskFull,
            SealError::Read(error) => Self::Read(error),
            SealError::Write(error) => Self::Write(error),
            SealError::Changed | SealError::Incomplete => Self::Changed,
            SealError::TooLarge(_) | SealError::Damaged(_) | SealError::Unsealable(_) | SealError::Encoding(_) => {
                Self::Malformed
            }
        }
    }
}
