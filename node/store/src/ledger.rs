//! The ledger on disk: one entry a batch in the tail, one value for all batches of an extent.
//!
//! Entries of sealed batches lie together, so that a start reads few keys.

use std::ops::Range;

use logmesh_protocol::id::BatchId;
use logmesh_protocol::ledger::LedgerEntry;
use logmesh_protocol::segment::{ExtentId, SegmentId};

use crate::db::{KeyValue, ReadError, View};
use crate::keys::{Family, LedgerKey, batch_key, extent_key, segment_bounds};

/// What one key of the ledger says.
#[derive(Clone, Debug)]
pub(crate) enum Held {
    /// One batch in the tail.
    Batch(u32, LedgerEntry),
    /// The batches of an extent.
    Extent(ExtentId, Vec<LedgerEntry>),
}

impl Held {
    /// Returns the seqs.
    pub(crate) fn range(&self) -> Range<u32> {
        match self {
            Held::Batch(seq, _) => *seq..*seq + 1,
            Held::Extent(id, _) => id.from..id.to,
        }
    }

    /// Returns the entry of `seq`, if this has it.
    pub(crate) fn entry(&self, seq: u32) -> Option<LedgerEntry> {
        match self {
            Held::Batch(only, entry) => (*only == seq).then_some(*entry),
            Held::Extent(id, entries) => entries.get(seq.checked_sub(id.from)? as usize).copied(),
        }
    }

    /// Reads a key and its value.
    pub(crate) fn read(item: KeyValue) -> Result<(SegmentId, Self), ReadError> {
        let (key, value) = item?;
        let entries = decode_entries(&value).ok_or(ReadError::LedgerDamaged)?;
        match (LedgerKey::parse(&key), &entries[..]) {
            (Some(LedgerKey::Batch(segment, seq)), [entry]) => Ok((segment, Held::Batch(seq, *entry))),
            (Some(LedgerKey::Extent(id)), entries) if entries.len() == (id.to - id.from) as usize => {
                Ok((id.segment, Held::Extent(id, entries.to_vec())))
            }
            _ => Err(ReadError::LedgerDamaged),
        }
    }
}

impl View<'_> {
    /// Returns what is held of `segment`, in order of seq.
    pub(crate) fn held(&self, segment: &SegmentId) -> Result<Vec<Held>, ReadError> {
        let (start, end) = segment_bounds(segment);
        self.range(Family::Ledger, &start, &end).map(|item| Ok(Held::read(item)?.1)).collect()
    }

    /// Returns what is held of `segment` within `range`, in order of seq; extents that reach into it are among it.
    pub(crate) fn held_within(&self, segment: &SegmentId, range: Range<u32>) -> Result<Vec<Held>, ReadError> {
        let mut held = Vec::new();
        if let Some(first) = self.held_at(segment, range.start)?
            && first.range().start < range.start
        {
            held.push(first);
        }
        let (start, end) = (batch_key(segment, range.start), batch_key(segment, range.end));
        for item in self.range(Family::Ledger, &start, &end) {
            held.push(Held::read(item)?.1);
        }
        Ok(held)
    }

    /// Returns what holds `seq` of `segment`.
    pub(crate) fn held_at(&self, segment: &SegmentId, seq: u32) -> Result<Option<Held>, ReadError> {
        let (start, _) = segment_bounds(segment);
        let last = extent_key(&ExtentId { segment: *segment, from: seq, to: u32::MAX });
        let Some(item) = self.last_before(Family::Ledger, &start, &last) else { return Ok(None) };
        let (_, held) = Held::read(item)?;
        Ok(held.range().contains(&seq).then_some(held))
    }
}

/// Returns the value that holds `entries`.
pub(crate) fn encode_entries(entries: &[LedgerEntry]) -> Vec<u8> {
    let mut out = Vec::with_capacity(1 + ENTRY_BYTES * entries.len());
    out.push(VERSION);
    for entry in entries {
        out.extend_from_slice(entry.id.as_bytes());
        out.extend_from_slice(&entry.size_bytes.to_be_bytes());
        out.extend_from_slice(&entry.raw_bytes.to_be_bytes());
    }
    out
}

fn decode_entries(value: &[u8]) -> Option<Vec<LedgerEntry>> {
    let (&VERSION, rest) = value.split_first()? else { return None };
    let (entries, remainder) = rest.as_chunks::<ENTRY_BYTES>();
    if !remainder.is_empty() {
        return None;
    }
    entries.iter().map(decode_entry).collect()
}

fn decode_entry(bytes: &[u8; ENTRY_BYTES]) -> Option<LedgerEntry> {
    let (id, sizes) = bytes.split_first_chunk::<32>()?;
    let (size, raw) = sizes.split_first_chunk::<4>()?;
    let raw_bytes = u32::from_be_bytes(raw.try_into().ok()?);
    Some(LedgerEntry { id: BatchId::from_bytes(*id), size_bytes: u32::from_be_bytes(*size), raw_bytes })
}

const VERSION: u8 = 1;

/// Id, bytes under lz4, canonical bytes.
const ENTRY_BYTES: usize = 32 + 4 + 4;

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::*;

    proptest! {
        #[test]
        fn entries_read_what_they_write(raw in vec(any::<([u8; 32], u32, u32)>(), 0..5)) {
            let entries: Vec<LedgerEntry> = raw
                .into_iter()
                .map(|(id, size_bytes, raw_bytes)| LedgerEntry { id: BatchId::from_bytes(id), size_bytes, raw_bytes })
                .collect();
            prop_assert_eq!(decode_entries(&encode_entries(&entries)), Some(entries));
        }

        #[test]
        fn noise_reads_as_its_own_spelling_or_not_at_all(bytes in vec(any::<u8>(), 0..90)) {
            if let Some(entries) = decode_entries(&bytes) {
                prop_assert_eq!(encode_entries(&entries), bytes);
            }
        }
    }
}
