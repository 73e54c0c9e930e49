//! The batch: an immutable run of records of one tenant in one segment, the unit of durability and replication.
//!
//! Canonical bytes: version, segment (56 bytes), seq, tenant, number of chunks, each chunk with its length before it.
//! The segment and the seq are inside, so that a batch whose bytes hash to its id is the batch that belongs there.

use bytes::Bytes;
use thiserror::Error;

use crate::id::BatchId;
use crate::record::{Chunk, ChunkError};
use crate::segment::SegmentId;
use crate::varint::{VarintError, put_bytes, put_u64, take_bytes, take_str, take_u64};

/// Returns the canonical bytes of the batch `seq` of `segment`, made of `chunks` (each from a
/// [`ChunkWriter`](crate::record::ChunkWriter)).
pub fn encode(segment: &SegmentId, seq: u32, tenant: &str, chunks: &[Bytes]) -> Vec<u8> {
    let bytes: usize = chunks.iter().map(|chunk| chunk.len() + 5).sum();
    let mut out = Vec::with_capacity(1 + SegmentId::BYTES + 16 + tenant.len() + bytes);
    out.push(VERSION);
    out.extend_from_slice(&segment.to_bytes());
    put_u64(&mut out, u64::from(seq));
    put_bytes(&mut out, tenant.as_bytes());
    put_u64(&mut out, chunks.len() as u64);
    for chunk in chunks {
        put_bytes(&mut out, chunk);
    }
    out
}

/// A batch read from its canonical bytes, which it borrows.
#[derive(Clone, Debug)]
pub struct Batch<'a> {
    /// The segment.
    pub segment: SegmentId,
    /// The number within the segment.
    pub seq: u32,
    /// The tenant of all its records.
    pub tenant: &'a str,
    /// What each request brought, in order.
    pub chunks: Vec<Chunk<'a>>,
}

impl<'a> Batch<'a> {
    /// Reads canonical bytes. The records themselves are checked when they are read.
    pub fn decode(mut input: &'a [u8]) -> Result<Self, BatchError> {
        let (version, rest) = input.split_first().ok_or(VarintError::Truncated)?;
        if *version != VERSION {
            return Err(BatchError::Version(*version));
        }
        let (segment, rest) = rest.split_first_chunk::<{ SegmentId::BYTES }>().ok_or(VarintError::Truncated)?;
        input = rest;
        let segment = SegmentId::from_bytes(segment);
        let seq = u32::try_from(take_u64(&mut input)?).map_err(|_| VarintError::TooLong)?;
        let tenant = take_str(&mut input)?;
        let chunk_count = take_u64(&mut input)?;
        if chunk_count > input.len() as u64 {
            return Err(VarintError::Truncated.into());
        }
        let mut chunks = Vec::with_capacity(chunk_count as usize);
        for _ in 0..chunk_count {
            chunks.push(Chunk::decode(take_bytes(&mut input)?)?);
        }
        if !input.is_empty() {
            return Err(BatchError::Trailing);
        }
        Ok(Self { segment, seq, tenant, chunks })
    }

    /// Returns how many records the batch has.
    pub fn record_count(&self) -> u64 {
        self.chunks.iter().map(|chunk| u64::from(chunk.record_count())).sum()
    }
}

/// A batch as it lies in the tail and as it travels: its place, its id, and its canonical bytes under lz4.
///
/// The body is the block format of lz4 with the raw length (u32, little endian) before it, as
/// `lz4_flex::block::compress_prepend_size` makes it. Whoever takes a frame from a peer or a disk checks it against the id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchFrame {
    /// The segment.
    pub segment: SegmentId,
    /// The number within the segment.
    pub seq: u32,
    /// The hash of the canonical bytes.
    pub id: BatchId,
    /// The canonical bytes under lz4.
    pub body: Bytes,
}

/// Bytes that are not a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BatchError {
    /// The first byte names a version that this node does not know.
    #[error("unknown batch version {0}")]
    Version(u8),
    /// A value does not read.
    #[error("a value does not read")]
    Bytes(#[from] VarintError),
    /// A chunk does not read.
    #[error("a chunk does not read")]
    Chunk(#[from] ChunkError),
    /// Bytes follow the last chunk.
    #[error("bytes follow the last chunk")]
    Trailing,
}

/// The most canonical bytes that a batch may have. Larger appends are split before they get here; a body that claims more
/// is refused before anything is allocated.
pub const BATCH_BYTES_MAX: usize = 8 << 20;

const VERSION: u8 = 1;

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert_eq, proptest};

    use super::*;
    use crate::id::{Boot, JournalId, NodeId};
    use crate::record::{ChunkWriter, Labels};
    use crate::segment::Window;
    use crate::time::Timestamp;

    fn segment() -> SegmentId {
        let journal = JournalId { node: NodeId::from_bytes([1; 32]), boot: Boot::from_bytes([2; 16]) };
        SegmentId { window: Window(3), journal, part: 4 }
    }

    fn chunk(line: &str) -> Bytes {
        let mut writer = ChunkWriter::new();
        let stream = writer.stream(&Labels::new([("app".into(), "web".into())]).to_bytes());
        writer.push(stream, Timestamp::from_nanos(5), &[], line);
        writer.finish().into()
    }

    #[test]
    fn the_bytes_of_version_one_stay_as_they_are() {
        let bytes = encode(&segment(), 6, "default", &[chunk("hello")]);
        assert_eq!(BatchId::of(&bytes).to_string(), "c24bd80e159746c009b2a9abebbcb311424889a589ba2ddf423385053428a5b0");
    }

    #[test]
    fn the_place_is_part_of_the_id() {
        let id = |seq| BatchId::of(&encode(&segment(), seq, "default", &[chunk("hello")]));
        assert_ne!(id(0), id(1));
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(seq: u32, tenant in "[a-z]{0,8}", lines in proptest::collection::vec(".{0,9}", 0..4)) {
            let chunks: Vec<Bytes> = lines.iter().map(|line| chunk(line)).collect();
            let bytes = encode(&segment(), seq, &tenant, &chunks);
            let batch = Batch::decode(&bytes).unwrap();
            prop_assert_eq!((batch.segment, batch.seq, batch.tenant), (segment(), seq, tenant.as_str()));
            prop_assert_eq!(batch.record_count(), lines.len() as u64);
        }

        #[test]
        fn noise_never_panics(bytes: Vec<u8>) {
            let _ = Batch::decode(&[&[VERSION], &bytes[..]].concat());
        }
    }
}
