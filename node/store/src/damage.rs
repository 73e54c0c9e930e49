//! Damages what is stored, for tests of what finds it and mends it. Never part of a real build.

use logmesh_protocol::segment::{ExtentId, SegmentId};
use rocksdb::WriteBatch;

use crate::db::{ReadError, WriteError};
use crate::extent::place_of;
use crate::keys::{Family, batch_key, extent_key};
use crate::store::Store;

/// What to damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A batch in the tail.
    Tail(SegmentId, u32),
    /// The header of an extent.
    Header(ExtentId),
    /// The weave of an extent.
    Weave(ExtentId),
    /// A block of an extent, counted from zero.
    Block(ExtentId, usize),
}

/// Flips one bit of the byte at `at` (modulo the length) of `target`, straight in the database.
pub fn flip(store: &Store, target: Target, at: usize) -> Result<(), WriteError> {
    let db = store.db();
    let part_key = |id: &ExtentId, part| {
        let value = db.view().header_value(id).ok_or(ReadError::Unknown)?;
        let place = place_of(*id, &value).ok_or(ReadError::Damaged)?;
        Ok::<_, ReadError>((place.family, place.key(part)))
    };
    let (family, key) = match target {
        Target::Tail(segment, seq) => (Family::Tail, batch_key(&segment, seq).to_vec()),
        Target::Header(id) => (Family::Extents, extent_key(&id).to_vec()),
        Target::Weave(id) => part_key(&id, 0)?,
        Target::Block(id, block) => part_key(&id, block + 1)?,
    };
    let mut value = db.view().value(family, &key).map_err(ReadError::Storage)?.ok_or(ReadError::Unknown)?.to_vec();
    let length = value.len();
    value[at % length] ^= 1;
    let mut batch = WriteBatch::default();
    batch.put_cf(db.family(family), key, value);
    db.write(batch)
}
