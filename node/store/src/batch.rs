//! Batches as they come in and as they lie in the tail: packed with lz4, unpacked with a bound, and checked.

use std::collections::BTreeSet;

use bytes::Bytes;
use logmesh_protocol::batch::{BATCH_BYTES_MAX, Batch, BatchError, BatchFrame};
use logmesh_protocol::id::BatchId;
use logmesh_protocol::ledger::LedgerEntry;
use logmesh_protocol::record::{ChunkError, Labels};
use logmesh_protocol::segment::SegmentId;
use thiserror::Error;

use crate::commit::Append;

/// A batch ready to be written: hashed, packed, checked.
#[derive(Clone, Debug)]
pub(crate) struct Packed {
    pub(crate) segment: SegmentId,
    pub(crate) seq: u32,
    pub(crate) entry: LedgerEntry,
    pub(crate) body: Bytes,
}

impl Packed {
    /// Encodes, hashes and packs what was appended.
    pub(crate) fn from_append(append: &Append) -> Result<Self, Unsound> {
        let bytes: usize = append.chunks.iter().map(Bytes::len).sum();
        if bytes > BATCH_BYTES_MAX {
            return Err(Unsound::TooLarge);
        }
        let canonical = logmesh_protocol::batch::encode(&append.segment, append.seq, &append.tenant, &append.chunks);
        Self::from_canonical(append.segment, append.seq, &canonical)
    }

    /// Hashes and packs canonical bytes.
    pub(crate) fn from_canonical(segment: SegmentId, seq: u32, canonical: &[u8]) -> Result<Self, Unsound> {
        if canonical.len() > BATCH_BYTES_MAX {
            return Err(Unsound::TooLarge);
        }
        let body = Bytes::from(lz4_flex::block::compress_prepend_size(canonical));
        let entry = entry_of(BatchId::of(canonical), &body, canonical);
        Ok(Self { segment, seq, entry, body })
    }

    /// Checks what a peer sent: that it hashes to its id, belongs where it says, and reads to the last record in the one
    /// spelling there is, so that it can be sealed and given back byte for byte.
    pub(crate) fn from_frame(frame: &BatchFrame) -> Result<Self, Unsound> {
        let canonical = unpack(&frame.body, &frame.id)?;
        check(&frame.segment, frame.seq, &canonical)?;
        let entry = entry_of(frame.id, &frame.body, &canonical);
        Ok(Self { segment: frame.segment, seq: frame.seq, entry, body: frame.body.clone() })
    }
}

/// Returns the canonical bytes in an lz4 `body`, if they hash to `id`.
pub(crate) fn unpack(body: &[u8], id: &BatchId) -> Result<Vec<u8>, Unsound> {
    let (length, packed) = body.split_first_chunk::<4>().ok_or(Unsound::Malformed)?;
    let length = u32::from_le_bytes(*length) as usize;
    if length > BATCH_BYTES_MAX {
        return Err(Unsound::TooLarge);
    }
    // lz4 makes at most 255 bytes of one (block format, "Compressed block format"), so a small body allocates little.
    if length > packed.len().saturating_mul(255) {
        return Err(Unsound::Malformed);
    }
    let canonical = lz4_flex::block::decompress(packed, length).map_err(|_| Unsound::Malformed)?;
    if canonical.len() != length {
        return Err(Unsound::Malformed);
    }
    if BatchId::of(&canonical) == *id { Ok(canonical) } else { Err(Unsound::WrongId) }
}

/// Checks that `canonical` is the batch `seq` of `segment` and reads to its last record.
pub(crate) fn check(segment: &SegmentId, seq: u32, canonical: &[u8]) -> Result<(), Unsound> {
    for chunk in &check_streams(segment, seq, canonical)?.chunks {
        for record in chunk.records() {
            record?;
        }
    }
    Ok(())
}

/// Checks that `canonical` is the batch `seq` of `segment`, and all of it but the records.
pub(crate) fn check_streams<'a>(segment: &SegmentId, seq: u32, canonical: &'a [u8]) -> Result<Batch<'a>, Unsound> {
    let batch = Batch::decode(canonical)?;
    if batch.segment != *segment || batch.seq != seq {
        return Err(Unsound::WrongPlace);
    }
    for chunk in &batch.chunks {
        let distinct: BTreeSet<&[u8]> = chunk.streams.iter().copied().collect();
        if distinct.len() != chunk.streams.len() {
            return Err(Unsound::Malformed);
        }
        for labels in distinct {
            Labels::from_bytes(labels)?;
        }
    }
    Ok(batch)
}

fn entry_of(id: BatchId, body: &[u8], canonical: &[u8]) -> LedgerEntry {
    let bytes = |length: usize| u32::try_from(length).expect("a batch is bounded");
    LedgerEntry { id, size_bytes: bytes(body.len()), raw_bytes: bytes(canonical.len()) }
}

/// Why bytes are not the batch that they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Unsound {
    /// The canonical bytes are more than [`BATCH_BYTES_MAX`].
    #[error("more than {BATCH_BYTES_MAX} canonical bytes")]
    TooLarge,
    /// The bytes do not hash to the id.
    #[error("the bytes do not hash to the id")]
    WrongId,
    /// The batch belongs to another segment or has another seq.
    #[error("the batch belongs elsewhere")]
    WrongPlace,
    /// The bytes do not read in the one spelling that there is.
    #[error("the bytes do not read")]
    Malformed,
}

impl From<BatchError> for Unsound {
    fn from(_: BatchError) -> Self {
        Self::Malformed
    }
}

impl From<ChunkError> for Unsound {
    fn from(_: ChunkError) -> Self {
        Self::Malformed
    }
}
