//! The header of an extent: what is in its weave and its blocks, which streams and times each block has, and their hashes.
//!
//! It is read without any block, so that a scan knows what it can leave unread. Stored: version, digest, first and last
//! timestamp, raw length, then all the rest under zstd. The digest covers everything after itself, and the hashes of the
//! parts are inside: whoever trusts the digest can trust the whole extent.

use bytes::Bytes;
use logmesh_protocol::segment::{ExtentId, SegmentId};
use logmesh_protocol::varint::{put_bytes, put_i64, put_u64, take_bytes, take_i64, take_str};

use crate::columns::{Column, ColumnError, Decoder, Encoder, take_count, take_u32};

/// The header of an extent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) id: ExtentId,
    /// The time of the earliest record; later than `last` if there is none.
    pub(crate) first: i64,
    /// The time of the latest record.
    pub(crate) last: i64,
    pub(crate) weave: Part,
    /// The bytes of each batch under lz4, as the one who sealed it had them.
    pub(crate) sizes: Vec<u32>,
    pub(crate) tenants: Vec<TenantStreams>,
    /// The blocks: those of one tenant together, in order of stream and time.
    pub(crate) blocks: Vec<BlockEntry>,
}

/// A part of an extent: its weave, or a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) stored_bytes: u32,
    pub(crate) hash: [u8; 32],
}

/// The streams of one tenant, sorted by their canonical label bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TenantStreams {
    pub(crate) tenant: String,
    pub(crate) streams: Vec<Bytes>,
}

/// What is in one block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BlockEntry {
    pub(crate) part: Part,
    /// The bytes of its lines.
    pub(crate) lines_bytes: u32,
    pub(crate) tenant: u32,
    pub(crate) first: i64,
    pub(crate) last: i64,
    /// The place of the first stream among those of the tenant; the others follow without a gap.
    pub(crate) first_stream: u32,
    /// How many rows each stream has here.
    pub(crate) stream_rows: Vec<u32>,
}

impl Part {
    /// Returns what the header says of `bytes`.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let stored_bytes = u32::try_from(bytes.len()).expect("parts are bounded");
        Self { stored_bytes, hash: *blake3::hash(bytes).as_bytes() }
    }

    /// Tells whether `bytes` are this part.
    pub(crate) fn verify(&self, bytes: &[u8]) -> Result<(), ColumnError> {
        if *self == Self::of(bytes) { Ok(()) } else { Err(ColumnError::Hash) }
    }

    fn put(&self, out: &mut Vec<u8>) {
        put_u64(out, u64::from(self.stored_bytes));
        out.extend_from_slice(&self.hash);
    }

    fn take(input: &mut &[u8]) -> Result<Self, ColumnError> {
        let stored_bytes = take_u32(input)?;
        if stored_bytes > PART_BYTES_MAX {
            return Err(ColumnError::TooLarge);
        }
        Ok(Self { stored_bytes, hash: *take_array(input)? })
    }
}

impl BlockEntry {
    /// Returns how many rows the block has.
    pub(crate) fn row_count(&self) -> usize {
        self.stream_rows.iter().map(|rows| *rows as usize).sum()
    }

    fn put(&self, out: &mut Vec<u8>) {
        self.part.put(out);
        put_u64(out, u64::from(self.lines_bytes));
        put_u64(out, u64::from(self.tenant));
        put_i64(out, self.first);
        put_i64(out, self.last.wrapping_sub(self.first));
        put_u64(out, u64::from(self.first_stream));
        put_u64(out, self.stream_rows.len() as u64);
        self.stream_rows.iter().for_each(|rows| put_u64(out, u64::from(*rows)));
    }

    fn take(input: &mut &[u8]) -> Result<Self, ColumnError> {
        let part = Part::take(input)?;
        let (lines_bytes, tenant) = (take_u32(input)?, take_u32(input)?);
        let first = take_i64(input)?;
        let last = first.wrapping_add(take_i64(input)?);
        let first_stream = take_u32(input)?;
        let count = take_count(input)?;
        let mut stream_rows = Vec::with_capacity(count);
        let mut rows = 0u32;
        for _ in 0..count {
            let more = take_u32(input)?;
            rows = rows
                .checked_add(more)
                .filter(|rows| more > 0 && *rows <= BLOCK_ROWS_MAX)
                .ok_or(ColumnError::TooLarge)?;
            stream_rows.push(more);
        }
        if rows == 0 {
            Err(ColumnError::Index)
        } else {
            Ok(Self { part, lines_bytes, tenant, first, last, first_stream, stream_rows })
        }
    }
}

impl Header {
    /// Returns the stored form.
    pub(crate) fn encode(&self, encoder: &mut Encoder) -> Result<Vec<u8>, ColumnError> {
        let mut raw = self.id.segment.to_bytes().to_vec();
        put_u64(&mut raw, u64::from(self.id.from));
        put_u64(&mut raw, u64::from(self.id.to));
        self.weave.put(&mut raw);
        self.sizes.iter().for_each(|size| put_u64(&mut raw, u64::from(*size)));
        put_u64(&mut raw, self.tenants.len() as u64);
        for tenant in &self.tenants {
            put_bytes(&mut raw, tenant.tenant.as_bytes());
            put_u64(&mut raw, tenant.streams.len() as u64);
            tenant.streams.iter().for_each(|labels| put_bytes(&mut raw, labels));
        }
        put_u64(&mut raw, self.blocks.len() as u64);
        self.blocks.iter().for_each(|block| block.put(&mut raw));
        let mut out = vec![VERSION];
        out.extend_from_slice(&[0; 32]);
        out.extend_from_slice(&self.first.to_be_bytes());
        out.extend_from_slice(&self.last.to_be_bytes());
        encoder.put_column(&mut out, &raw)?;
        let digest = blake3::hash(&out[33..]);
        out[1..33].copy_from_slice(digest.as_bytes());
        Ok(out)
    }

    /// Reads the stored form, checks its digest and that all of it fits together.
    pub(crate) fn decode(stored: &[u8], decoder: &mut Decoder) -> Result<Self, ColumnError> {
        let outline = Outline::read(stored)?;
        let mut column = &stored[OUTLINE_BYTES..];
        let raw = Bytes::from(decoder.expand(&Column::take(&mut column)?, HEADER_RAW_BYTES_MAX)?);
        let input = &mut &raw[..];
        let segment = SegmentId::from_bytes(take_array(input)?);
        let id = ExtentId { segment, from: take_u32(input)?, to: take_u32(input)? };
        let weave = Part::take(input)?;
        let batch_count = id.to.checked_sub(id.from).ok_or(ColumnError::Index)? as usize;
        if batch_count == 0 || batch_count > input.len() {
            return Err(ColumnError::Length);
        }
        let sizes = (0..batch_count).map(|_| take_u32(input)).collect::<Result<_, _>>()?;
        let tenants = (0..take_count(input)?).map(|_| take_tenant(&raw, input)).collect::<Result<_, _>>()?;
        let blocks = (0..take_count(input)?).map(|_| BlockEntry::take(input)).collect::<Result<_, _>>()?;
        if !input.is_empty() || !column.is_empty() {
            return Err(ColumnError::Length);
        }
        let header = Self { id, first: outline.first, last: outline.last, weave, sizes, tenants, blocks };
        header.check()?;
        Ok(header)
    }

    /// Returns how many rows each stream of each tenant has in all blocks.
    pub(crate) fn stream_totals(&self) -> Vec<Vec<u32>> {
        let mut totals: Vec<Vec<u32>> = self.tenants.iter().map(|tenant| vec![0; tenant.streams.len()]).collect();
        for block in &self.blocks {
            for (stream, rows) in (block.first_stream as usize..).zip(&block.stream_rows) {
                totals[block.tenant as usize][stream] += rows;
            }
        }
        totals
    }

    /// Checks that the blocks cover each stream of each tenant in order, and no others.
    fn check(&self) -> Result<(), ColumnError> {
        let (mut tenant, mut next_stream, mut rows) = (0usize, 0usize, 0u32);
        for block in &self.blocks {
            while tenant < block.tenant as usize && self.streams_of(tenant) == Some(next_stream) {
                (tenant, next_stream) = (tenant + 1, 0);
            }
            let first = block.first_stream as usize;
            let continues = first == next_stream || first + 1 == next_stream;
            next_stream = first + block.stream_rows.len();
            let within = self.streams_of(tenant).is_some_and(|streams| next_stream <= streams);
            if tenant != block.tenant as usize || !continues || !within {
                return Err(ColumnError::Index);
            }
            let more = u32::try_from(block.row_count()).map_err(|_| ColumnError::TooLarge)?;
            rows = rows.checked_add(more).ok_or(ColumnError::TooLarge)?;
        }
        while self.streams_of(tenant) == Some(next_stream) {
            (tenant, next_stream) = (tenant + 1, 0);
        }
        if tenant == self.tenants.len() { Ok(()) } else { Err(ColumnError::Index) }
    }

    fn streams_of(&self, tenant: usize) -> Option<usize> {
        self.tenants.get(tenant).map(|tenant| tenant.streams.len())
    }
}

/// What a header tells before it is expanded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outline {
    pub(crate) digest: [u8; 32],
    pub(crate) first: i64,
    pub(crate) last: i64,
}

impl Outline {
    /// Reads and checks the digest, and reads the times.
    pub(crate) fn read(stored: &[u8]) -> Result<Self, ColumnError> {
        if stored.first() != Some(&VERSION) {
            return Err(ColumnError::Version);
        }
        let mut input = &stored[1..];
        let digest = *take_array(&mut input)?;
        if blake3::hash(input) != digest {
            return Err(ColumnError::Hash);
        }
        let first = i64::from_be_bytes(*take_array(&mut input)?);
        Ok(Self { digest, first, last: i64::from_be_bytes(*take_array(&mut input)?) })
    }
}

fn take_tenant(raw: &Bytes, input: &mut &[u8]) -> Result<TenantStreams, ColumnError> {
    let tenant = take_str(input)?.to_owned();
    let count = take_count(input)?;
    let streams = (0..count).map(|_| Ok(raw.slice_ref(take_bytes(input)?))).collect::<Result<_, ColumnError>>()?;
    Ok(TenantStreams { tenant, streams })
}

fn take_array<'a, const N: usize>(input: &mut &'a [u8]) -> Result<&'a [u8; N], ColumnError> {
    let (array, rest) = input.split_first_chunk::<N>().ok_or(ColumnError::Length)?;
    *input = rest;
    Ok(array)
}

const VERSION: u8 = 1;

/// Version, digest, two timestamps.
const OUTLINE_BYTES: usize = 1 + 32 + 8 + 8;

/// An extent's labels are part of its canonical bytes, which are at most `EXTENT_RAW_BYTES_MAX` (64 MiB); the rest is small.
const HEADER_RAW_BYTES_MAX: usize = 80 << 20;

/// No part is larger: blocks are bounded by their columns, a weave by the rows of an extent.
const PART_BYTES_MAX: u32 = 64 << 20;

/// A row counts at least 16 bytes when a block is cut, so a block of 8 MiB has fewer.
const BLOCK_ROWS_MAX: u32 = 1 << 20;
