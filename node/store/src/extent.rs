//! The extent: header, weave and blocks together, as a seal makes it, as it travels, and as it lies in the database.

use bytes::{BufMut, Bytes};
use logmesh_protocol::batch::Batch;
use logmesh_protocol::segment::{ExtentId, SegmentId};

use crate::block::{self, BlockRows};
use crate::columns::{ColumnError, Decoder, Encoder};
use crate::db::{ReadError, View};
use crate::gather::{Gathered, Row, TenantRows};
use crate::header::{BlockEntry, Header, Outline, Part, TenantStreams};
use crate::keys::{Family, LedgerKey, Place, extent_key, segment_bounds};
use crate::settings::Compression;
use crate::weave::Weave;

/// An extent that the store holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Which batches.
    pub id: ExtentId,
    /// BLAKE3 over its header, which holds the hashes of all else.
    pub digest: [u8; 32],
    /// The bytes of the extent as it travels.
    pub bytes: u64,
}

/// A whole extent in memory.
pub(crate) struct Sealed {
    pub(crate) header: Header,
    stored_header: Bytes,
    weave: Bytes,
    blocks: Vec<Bytes>,
}

impl Sealed {
    /// Seals `batches`, all of `id.segment` and in order of seq; `sizes` are their bytes under lz4.
    pub(crate) fn encode(
        id: ExtentId,
        batches: &[Batch<'_>],
        sizes: Vec<u32>,
        block_bytes: usize,
        compression: Compression,
    ) -> Result<Self, ColumnError> {
        let encoder = &mut Encoder::new(compression)?;
        let gathered = Gathered::from_batches(batches).map_err(|_| ColumnError::Index)?;
        let weave = Weave::of(&gathered).encode(encoder)?;
        let (mut blocks, mut entries) = (Vec::new(), Vec::new());
        for (tenant, rows) in (0u32..).zip(&gathered.tenants) {
            for cut in cuts(rows, block_bytes) {
                let sorted = rows.order[cut.clone()].iter().map(|at| &rows.rows[*at as usize]);
                let block = block::encode(sorted.clone(), encoder)?;
                entries.push(entry_of(tenant, &block, sorted));
                blocks.push(Bytes::from(block));
            }
        }
        let header = Header {
            id,
            first: entries.iter().map(|entry| entry.first).min().unwrap_or(i64::MAX),
            last: entries.iter().map(|entry| entry.last).max().unwrap_or(i64::MIN),
            weave: Part::of(&weave),
            sizes,
            tenants: gathered.tenants.iter().map(streams_of).collect(),
            blocks: entries,
        };
        let stored_header = header.encode(encoder)?.into();
        Ok(Self { header, stored_header, weave: weave.into(), blocks })
    }

    /// Returns the extent as it travels: the length of the header, the header, the weave, the blocks.
    pub(crate) fn to_bytes(&self) -> Bytes {
        let mut out = Vec::with_capacity(self.bytes() as usize);
        out.push(VERSION);
        out.put_u32_le(u32::try_from(self.stored_header.len()).expect("headers are bounded"));
        out.extend_from_slice(&self.stored_header);
        self.parts().for_each(|part| out.extend_from_slice(part));
        out.into()
    }

    /// Takes apart an extent that travelled, and checks every hash in it.
    pub(crate) fn from_bytes(bytes: &Bytes) -> Result<Self, ColumnError> {
        let mut rest = bytes.clone();
        let mut take =
            |length: usize| if length <= rest.len() { Ok(rest.split_to(length)) } else { Err(ColumnError::Length) };
        if take(1)?[0] != VERSION {
            return Err(ColumnError::Version);
        }
        let length = u32::from_le_bytes(take(4)?[..].try_into().expect("four bytes were taken"));
        let stored_header = take(length as usize)?;
        let header = Header::decode(&stored_header, &mut Decoder::new()?)?;
        let mut take_part = |part: &Part| {
            let bytes = take(part.stored_bytes as usize)?;
            part.verify(&bytes).map(|()| bytes)
        };
        let weave = take_part(&header.weave)?;
        let blocks = header.blocks.iter().map(|entry| take_part(&entry.part)).collect::<Result<_, _>>()?;
        if rest.is_empty() { Ok(Self { header, stored_header, weave, blocks }) } else { Err(ColumnError::Length) }
    }

    /// Returns the weave, then the blocks.
    pub(crate) fn parts(&self) -> impl Iterator<Item = &Bytes> {
        std::iter::once(&self.weave).chain(&self.blocks)
    }

    /// Returns the value of the header in the database.
    pub(crate) fn header_value(&self, place: &Place) -> Vec<u8> {
        let mut value = vec![VERSION, u8::from(place.family == Family::Blocks)];
        value.extend_from_slice(&place.generation.to_be_bytes());
        value.extend_from_slice(&self.stored_header);
        value
    }

    /// Returns what the store says of it.
    pub(crate) fn describe(&self) -> Result<Extent, ColumnError> {
        let digest = Outline::read(&self.stored_header)?.digest;
        Ok(Extent { id: self.header.id, digest, bytes: self.bytes() })
    }

    /// Returns the bytes of the extent as it travels.
    pub(crate) fn bytes(&self) -> u64 {
        travel_bytes(self.stored_header.len(), &self.header)
    }

    /// Expands everything.
    pub(crate) fn open(self) -> Result<Opened, ColumnError> {
        let decoder = &mut Decoder::new()?;
        let weave = Weave::decode(&self.weave, &self.header, decoder)?;
        let expand =
            |(entry, block): (&BlockEntry, &Bytes)| BlockRows::decode(block, entry.row_count(), decoder).map(Some);
        let blocks = self.header.blocks.iter().zip(&self.blocks).map(expand).collect::<Result<_, _>>()?;
        Ok(Opened { header: self.header, weave: Some(weave), blocks })
    }
}

/// An extent with everything expanded that could be read.
pub(crate) struct Opened {
    pub(crate) header: Header,
    weave: Option<Weave>,
    blocks: Vec<Option<BlockRows>>,
}

impl Opened {
    /// Rebuilds the batches that `wanted` names by seq, in order; `sink` gets `None` for one that cannot be rebuilt.
    pub(crate) fn rebuild(
        &self,
        wanted: &dyn Fn(u32) -> bool,
        sink: &mut dyn FnMut(u32, Option<Vec<u8>>),
    ) -> Result<(), ColumnError> {
        let from = self.header.id.from;
        let seq = |place: usize| from + u32::try_from(place).expect("places are seqs");
        let Some(weave) = &self.weave else {
            (from..self.header.id.to).filter(|seq| wanted(*seq)).for_each(|seq| sink(seq, None));
            return Ok(());
        };
        let wanted = |place| wanted(seq(place));
        weave.rebuild(&self.header, &self.blocks, &wanted, &mut |place, batch| sink(seq(place), batch))
    }
}

/// The header of an extent as it lies in the database, and where the rest is.
pub(crate) struct Filed {
    pub(crate) place: Place,
    pub(crate) header: Header,
    stored_header: Bytes,
}

impl Filed {
    /// Reads a value of [`Family::Extents`].
    pub(crate) fn decode(id: ExtentId, value: &[u8], decoder: &mut Decoder) -> Result<Self, ColumnError> {
        let place = place_of(id, value).ok_or(ColumnError::Version)?;
        let stored_header = Bytes::copy_from_slice(&value[HEADER_AT..]);
        let header = Header::decode(&stored_header, decoder)?;
        if header.id != id {
            return Err(ColumnError::Index);
        }
        Ok(Self { place, header, stored_header })
    }

    /// Returns what the store says of it.
    pub(crate) fn describe(&self) -> Result<Extent, ColumnError> {
        let digest = Outline::read(&self.stored_header)?.digest;
        Ok(Extent { id: self.header.id, digest, bytes: travel_bytes(self.stored_header.len(), &self.header) })
    }
}

/// Reads where the parts of an extent lie; that much reads even when the header is damaged.
pub(crate) fn place_of(id: ExtentId, value: &[u8]) -> Option<Place> {
    let [VERSION, family @ (0 | 1), rest @ ..] = value else { return None };
    let family = if *family == 1 { Family::Blocks } else { Family::Crumbs };
    let generation = u64::from_be_bytes(*rest.first_chunk::<8>()?);
    Some(Place { id, generation, family })
}

/// Reads the times of an extent and checks its digest, without expanding the header.
pub(crate) fn outline_of(value: &[u8]) -> Result<Outline, ColumnError> {
    Outline::read(value.get(HEADER_AT..).ok_or(ColumnError::Length)?)
}

/// An extent, and the value of its header in the database.
pub(crate) type HeaderValue = (ExtentId, Box<[u8]>);

impl View<'_> {
    /// Returns the ids of the extents of `segment`, in order, with their header values as stored.
    pub(crate) fn filed(&self, segment: &SegmentId) -> Result<Vec<HeaderValue>, ReadError> {
        let (start, end) = segment_bounds(segment);
        let mut filed = Vec::new();
        for item in self.range(Family::Extents, &start, &end) {
            let (key, value) = item?;
            match LedgerKey::parse(&key) {
                Some(LedgerKey::Extent(id)) => filed.push((id, value)),
                _ => return Err(ReadError::LedgerDamaged),
            }
        }
        Ok(filed)
    }

    /// Returns the header value of the extent `id`; `None` if it is not there or not readable.
    pub(crate) fn header_value(&self, id: &ExtentId) -> Option<Vec<u8>> {
        let value = self.value(Family::Extents, &extent_key(id)).ok()??;
        Some(value.to_vec())
    }

    /// Reads the header of the extent `id`.
    pub(crate) fn extent(&self, id: &ExtentId) -> Result<Filed, ReadError> {
        let value = self.value(Family::Extents, &extent_key(id))?.ok_or(ReadError::Unknown)?;
        let mut decoder = Decoder::new().map_err(|_| ReadError::Damaged)?;
        Filed::decode(*id, &value, &mut decoder).map_err(|_| ReadError::Damaged)
    }

    /// Returns a part of an extent; `None` if it is not there, not readable, or does not hash to what the header says.
    pub(crate) fn part(&self, filed: &Filed, part: usize) -> Option<rocksdb::DBPinnableSlice<'_>> {
        let expected = if part == 0 { &filed.header.weave } else { &filed.header.blocks[part - 1].part };
        let bytes = self.value(filed.place.family, &filed.place.key(part)).ok()??;
        expected.verify(&bytes).is_ok().then_some(bytes)
    }

    /// Reads an extent whole, as it travels.
    pub(crate) fn sealed(&self, id: &ExtentId) -> Result<Sealed, ReadError> {
        let filed = self.extent(id)?;
        let part = |at| self.part(&filed, at).map(|bytes| Bytes::copy_from_slice(&bytes)).ok_or(ReadError::Damaged);
        let weave = part(0)?;
        let blocks = (1..=filed.header.blocks.len()).map(part).collect::<Result<_, _>>()?;
        Ok(Sealed { header: filed.header, stored_header: filed.stored_header, weave, blocks })
    }

    /// Expands of an extent what can be read.
    pub(crate) fn open(&self, filed: Filed) -> Result<Opened, ReadError> {
        let decoder = &mut Decoder::new().map_err(|_| ReadError::Damaged)?;
        let weave = self.part(&filed, 0).and_then(|bytes| Weave::decode(&bytes, &filed.header, decoder).ok());
        let mut blocks = Vec::with_capacity(filed.header.blocks.len());
        for (at, entry) in (1..).zip(&filed.header.blocks) {
            let bytes = self.part(&filed, at);
            blocks.push(bytes.and_then(|bytes| BlockRows::decode(&bytes, entry.row_count(), decoder).ok()));
        }
        Ok(Opened { header: filed.header, weave, blocks })
    }
}

/// Cuts the sorted rows of a tenant into blocks.
fn cuts(rows: &TenantRows<'_>, block_bytes: usize) -> Vec<std::ops::Range<usize>> {
    let (mut cuts, mut start, mut bytes) = (Vec::new(), 0, 0);
    for (at, place) in rows.order.iter().enumerate() {
        let row = &rows.rows[*place as usize];
        bytes += row.line.len() + row.metadata.len() + ROW_BYTES;
        if bytes >= block_bytes {
            cuts.push(start..at + 1);
            (start, bytes) = (at + 1, 0);
        }
    }
    if start < rows.order.len() {
        cuts.push(start..rows.order.len());
    }
    cuts
}

fn entry_of<'a>(tenant: u32, block: &[u8], rows: impl Iterator<Item = &'a Row<'a>> + Clone) -> BlockEntry {
    let mut entry = BlockEntry {
        part: Part::of(block),
        lines_bytes: 0,
        tenant,
        first: i64::MAX,
        last: i64::MIN,
        first_stream: rows.clone().next().map_or(0, |row| row.stream),
        stream_rows: Vec::new(),
    };
    for row in rows {
        entry.first = entry.first.min(row.timestamp);
        entry.last = entry.last.max(row.timestamp);
        entry.lines_bytes += u32::try_from(row.line.len()).expect("lines are bounded");
        let place = (row.stream - entry.first_stream) as usize;
        entry.stream_rows.resize(place + 1, 0);
        entry.stream_rows[place] += 1;
    }
    entry
}

fn streams_of(rows: &TenantRows<'_>) -> TenantStreams {
    let streams = rows.streams.iter().map(|labels| Bytes::copy_from_slice(labels)).collect();
    TenantStreams { tenant: rows.tenant.to_owned(), streams }
}

fn travel_bytes(header_bytes: usize, header: &Header) -> u64 {
    let parts = header.blocks.iter().map(|entry| &entry.part).chain([&header.weave]);
    parts.map(|part| u64::from(part.stored_bytes)).sum::<u64>() + header_bytes as u64 + 5
}

const VERSION: u8 = 1;

/// Version, family, generation.
const HEADER_AT: usize = 1 + 1 + 8;

/// What a row costs beside its line: so that blocks of empty lines are bounded too.
const ROW_BYTES: usize = 16;

/// The most canonical bytes of one extent. A seal of more is refused; one that travelled and rebuilds to more too.
pub(crate) const EXTENT_RAW_BYTES_MAX: u64 = 64 << 20;
