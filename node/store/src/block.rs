//! The block: rows of one tenant as columns, in order of stream and time. Its directory lies in the header of the extent.
//!
//! Stored: version, the granularity of time, how text is compressed, then five columns: timestamps (differences), line lengths,
//! lines, the distinct metadata, and the place of each row's metadata among them. Lines and metadata are text, the others numbers.

use std::collections::HashMap;

use bytes::Bytes;
use logmesh_protocol::varint::{put_bytes, put_i64, put_u64, take_bytes};

use crate::columns::{Column, ColumnError, Decoder, Encoder, take_number, take_u32};
use crate::gather::Row;
use crate::settings::Compression;

/// Returns the rows as a block.
pub(crate) fn encode<'a>(
    rows: impl Iterator<Item = &'a Row<'a>> + Clone,
    encoder: &mut Encoder,
) -> Result<Vec<u8>, ColumnError> {
    let (granularity, timestamps) = encode_timestamps(rows.clone());
    let (mut lengths, mut lines) = (Vec::new(), Vec::new());
    for row in rows.clone() {
        put_u64(&mut lengths, row.line.len() as u64);
        lines.extend_from_slice(row.line);
    }
    let (metadata, metadata_at) = encode_metadata(rows);
    let mut out = vec![VERSION, granularity, compression_byte(encoder.text())];
    encoder.put_column(&mut out, &timestamps)?;
    encoder.put_column(&mut out, &lengths)?;
    encoder.put_text(&mut out, &lines)?;
    encoder.put_text(&mut out, &metadata)?;
    encoder.put_column(&mut out, &metadata_at)?;
    Ok(out)
}

/// Returns the exponent of ten that divides all timestamps, and their differences in that unit.
fn encode_timestamps<'a>(rows: impl Iterator<Item = &'a Row<'a>> + Clone) -> (u8, Vec<u8>) {
    let divides = |unit: i64| rows.clone().all(|row| row.timestamp % unit == 0);
    let exponent = [9u8, 6, 3].into_iter().find(|exponent| divides(10i64.pow(u32::from(*exponent)))).unwrap_or(0);
    let unit = 10i64.pow(u32::from(exponent));
    let (mut out, mut last) = (Vec::new(), 0i64);
    for row in rows {
        let time = row.timestamp / unit;
        put_i64(&mut out, time.wrapping_sub(last));
        last = time;
    }
    (exponent, out)
}

/// Returns the distinct metadata and the place of each row's among them; both empty if no row has any.
fn encode_metadata<'a>(rows: impl Iterator<Item = &'a Row<'a>> + Clone) -> (Vec<u8>, Vec<u8>) {
    let (mut distinct, mut places) = (Vec::new(), Vec::new());
    if rows.clone().all(|row| row.metadata.is_empty()) {
        return (distinct, places);
    }
    let mut place_of: HashMap<&[u8], u64> = HashMap::new();
    for row in rows {
        let next = place_of.len() as u64;
        let place = *place_of.entry(row.metadata).or_insert_with(|| {
            put_bytes(&mut distinct, row.metadata);
            next
        });
        put_u64(&mut places, place);
    }
    (distinct, places)
}

/// A block expanded to columns, or only some of them.
#[derive(Debug, Default)]
pub(crate) struct BlockRows {
    pub(crate) timestamps: Vec<i64>,
    pub(crate) line_ends: Vec<u32>,
    /// Empty if the lines were not wanted.
    pub(crate) lines: Bytes,
    pub(crate) metadata: Vec<Bytes>,
    /// Empty if no row has metadata.
    pub(crate) metadata_at: Vec<u32>,
}

impl BlockRows {
    /// Reads a block that its directory says has `row_count` rows.
    pub(crate) fn decode(input: &[u8], row_count: usize, decoder: &mut Decoder) -> Result<Self, ColumnError> {
        Lazy::open(input, row_count)?.rest(decoder)
    }

    /// Returns the row at `at`, as one of `stream`.
    pub(crate) fn row(&self, at: usize, stream: u32) -> Row<'_> {
        let start = if at == 0 { 0 } else { self.line_ends[at - 1] as usize };
        let metadata: &[u8] = self.metadata_at.get(at).map_or(&[], |place| &self.metadata[*place as usize]);
        Row { stream, timestamp: self.timestamps[at], metadata, line: &self.lines[start..self.line_ends[at] as usize] }
    }
}

/// A block of which nothing is expanded yet: a scan looks at the timestamps before it pays for the lines.
pub(crate) struct Lazy<'a> {
    granularity: u8,
    compression: Compression,
    row_count: usize,
    columns: [Column<'a>; 5],
}

impl<'a> Lazy<'a> {
    /// Takes a block apart without expanding a column.
    pub(crate) fn open(mut input: &'a [u8], row_count: usize) -> Result<Self, ColumnError> {
        let (granularity, compression) = take_kind(&mut input)?;
        let mut take = || Column::take(&mut input);
        let columns = [take()?, take()?, take()?, take()?, take()?];
        if !input.is_empty() {
            return Err(ColumnError::Length);
        }
        Ok(Self { granularity, compression, row_count, columns })
    }

    /// Expands the timestamps.
    pub(crate) fn timestamps(&self, decoder: &mut Decoder) -> Result<Vec<i64>, ColumnError> {
        let unit = 10i64.pow(u32::from(self.granularity));
        let mut input = self.numbers(0, decoder)?;
        let mut timestamps = Vec::with_capacity(self.row_count.min(input.len()));
        let mut last = 0i64;
        for _ in 0..self.row_count {
            let zigzag = take_number(&mut input)?;
            last = last.wrapping_add((zigzag >> 1) as i64 ^ -((zigzag & 1) as i64));
            timestamps.push(last.wrapping_mul(unit));
        }
        if input.is_empty() { Ok(timestamps) } else { Err(ColumnError::Length) }
    }

    /// Expands all columns.
    pub(crate) fn rest(&self, decoder: &mut Decoder) -> Result<BlockRows, ColumnError> {
        let timestamps = self.timestamps(decoder)?;
        self.with_timestamps(timestamps, decoder)
    }

    /// Expands all columns but the timestamps, which the caller has.
    pub(crate) fn with_timestamps(
        &self,
        timestamps: Vec<i64>,
        decoder: &mut Decoder,
    ) -> Result<BlockRows, ColumnError> {
        let rows = self.without_lines(timestamps, decoder)?;
        let lines = decoder.expand_lines(&self.columns[2], COLUMN_RAW_BYTES_MAX, self.compression)?;
        Ok(BlockRows { lines, ..rows })
    }

    /// Expands all columns but the timestamps, which the caller has, and the lines, which nobody wants.
    pub(crate) fn without_lines(&self, timestamps: Vec<i64>, decoder: &mut Decoder) -> Result<BlockRows, ColumnError> {
        let line_ends = self.line_ends(self.numbers(1, decoder)?)?;
        let (metadata, metadata_at) = self.metadata(decoder)?;
        Ok(BlockRows { timestamps, line_ends, lines: Bytes::new(), metadata, metadata_at })
    }

    /// Expands the column of numbers at `at`.
    fn numbers<'d>(&self, at: usize, decoder: &'d mut Decoder) -> Result<&'d [u8], ColumnError> {
        decoder.expand_numbers(&self.columns[at], self.row_count.saturating_mul(VARINT_BYTES_MAX))
    }

    fn line_ends(&self, lengths: &[u8]) -> Result<Vec<u32>, ColumnError> {
        let mut input = lengths;
        let mut ends = Vec::with_capacity(self.row_count.min(lengths.len()));
        let mut end = 0u32;
        for _ in 0..self.row_count {
            end = end.checked_add(take_u32(&mut input)?).ok_or(ColumnError::Length)?;
            ends.push(end);
        }
        if input.is_empty() && u64::from(end) == self.columns[2].raw_bytes() {
            Ok(ends)
        } else {
            Err(ColumnError::Length)
        }
    }

    fn metadata(&self, decoder: &mut Decoder) -> Result<(Vec<Bytes>, Vec<u32>), ColumnError> {
        let distinct = decoder.expand_text(&self.columns[3], COLUMN_RAW_BYTES_MAX, self.compression)?;
        let (distinct, places) = (Bytes::from(distinct), self.numbers(4, decoder)?);
        if places.is_empty() {
            return if distinct.is_empty() { Ok((Vec::new(), Vec::new())) } else { Err(ColumnError::Length) };
        }
        let mut metadata = Vec::new();
        let mut input = &distinct[..];
        while !input.is_empty() {
            let pairs = take_bytes(&mut input)?;
            metadata.push(distinct.slice_ref(pairs));
        }
        let metadata_at = take_places(places, self.row_count, metadata.len())?;
        Ok((metadata, metadata_at))
    }
}

/// Takes the version, and what comes with it: the exponent of the granularity of time, and how text is compressed.
fn take_kind(input: &mut &[u8]) -> Result<(u8, Compression), ColumnError> {
    let (granularity, compression, rest) = match *input {
        [VERSION, granularity, compression, rest @ ..] => (granularity, compression_of(*compression)?, rest),
        // The first version knew one compression.
        [1, granularity, rest @ ..] => (granularity, Compression::Zstd, rest),
        _ => return Err(ColumnError::Version),
    };
    *input = rest;
    if matches!(granularity, 0 | 3 | 6 | 9) { Ok((*granularity, compression)) } else { Err(ColumnError::Version) }
}

/// Takes `row_count` places among `count`, and nothing else.
fn take_places(mut input: &[u8], row_count: usize, count: usize) -> Result<Vec<u32>, ColumnError> {
    // Few rows differ in their metadata as a rule. Places of one byte each need not be taken one by one.
    if input.len() == row_count {
        let fits = input.iter().fold(0, |highest, place| highest.max(*place)) < count.min(0x80) as u8;
        return if fits { Ok(input.iter().map(|place| u32::from(*place)).collect()) } else { Err(ColumnError::Index) };
    }
    let mut places = Vec::with_capacity(row_count.min(input.len()));
    for _ in 0..row_count {
        let place = take_u32(&mut input)?;
        if place as usize >= count {
            return Err(ColumnError::Index);
        }
        places.push(place);
    }
    if input.is_empty() { Ok(places) } else { Err(ColumnError::Length) }
}

fn compression_byte(compression: Compression) -> u8 {
    match compression {
        Compression::Zstd => 0,
        Compression::Lz4 => 1,
    }
}

fn compression_of(byte: u8) -> Result<Compression, ColumnError> {
    Compression::ALL.into_iter().find(|known| compression_byte(*known) == byte).ok_or(ColumnError::Compression)
}

/// What a block may hold before the row that fills it, and that row: `Settings::block_bytes` is bounded by half of it.
pub(crate) const COLUMN_RAW_BYTES_MAX: usize = 16 << 20;

const VERSION: u8 = 2;

/// LEB128 of 64 bits.
const VARINT_BYTES_MAX: usize = 10;

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};
    use proptest::sample::select;

    use super::*;

    type OwnedRow = (i64, Vec<u8>, String);

    fn rows() -> impl Strategy<Value = Vec<OwnedRow>> {
        let unit = prop_oneof![Just(1i64), Just(1_000), Just(1_000_000_000)];
        let metadata = prop_oneof![Just(Vec::new()), vec(any::<u8>(), 0..3)];
        unit.prop_flat_map(move |unit| {
            vec(((-9_000_000_000i64..9_000_000_000).prop_map(move |at| at * unit), metadata.clone(), ".{0,9}"), 0..40)
        })
    }

    fn encode_owned(rows: &[OwnedRow], compression: Compression) -> Vec<u8> {
        let rows: Vec<Row<'_>> = rows
            .iter()
            .map(|(timestamp, metadata, line)| Row {
                stream: 0,
                timestamp: *timestamp,
                metadata,
                line: line.as_bytes(),
            })
            .collect();
        encode(rows.iter(), &mut Encoder::new(compression).unwrap()).unwrap()
    }

    #[test]
    fn places_are_taken_as_they_were_put_and_none_points_nowhere() {
        let check = |places: &[u8], row_count, count, expected| {
            assert_eq!(take_places(places, row_count, count), expected, "{places:?} of {count}");
        };
        check(&[0, 2, 1], 3, 3, Ok(vec![0, 2, 1]));
        check(&[0, 127], 2, 200, Ok(vec![0, 127]));
        check(&[0, 0x81, 0x01], 2, 200, Ok(vec![0, 129]));
        check(&[0, 0x81, 0x01], 2, 129, Err(ColumnError::Index));
        check(&[0, 2, 1], 3, 2, Err(ColumnError::Index));
        check(&[0], 1, 0, Err(ColumnError::Index));
        check(&[0, 0x80], 2, 200, Err(ColumnError::Index));
        check(&(0..200).collect::<Vec<_>>(), 200, 200, Err(ColumnError::Index));
        check(&[0, 0, 0], 2, 1, Err(ColumnError::Length));
    }

    fn any_compression() -> impl Strategy<Value = Compression> {
        select(&Compression::ALL[..])
    }

    fn assert_rows(block: &BlockRows, rows: &[OwnedRow]) {
        for (at, (timestamp, metadata, line)) in rows.iter().enumerate() {
            let row = block.row(at, 0);
            assert_eq!((row.timestamp, row.metadata, row.line), (*timestamp, &metadata[..], line.as_bytes()));
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(rows in rows(), compression in any_compression()) {
            let stored = encode_owned(&rows, compression);
            prop_assert!(Lazy::open(&stored, rows.len()).unwrap().compression == compression);
            assert_rows(&BlockRows::decode(&stored, rows.len(), &mut Decoder::new().unwrap()).unwrap(), &rows);
        }

        #[test]
        fn the_first_version_is_read(rows in rows()) {
            let mut stored = encode_owned(&rows, Compression::Zstd);
            prop_assert_eq!(&stored[..1], &[VERSION]);
            stored[0] = 1;
            stored.remove(2);
            assert_rows(&BlockRows::decode(&stored, rows.len(), &mut Decoder::new().unwrap()).unwrap(), &rows);
        }

        #[test]
        fn an_unknown_compression_is_refused_as_such(rows in rows(), byte in 2u8..) {
            let mut stored = encode_owned(&rows, Compression::Zstd);
            stored[2] = byte;
            prop_assert_eq!(Lazy::open(&stored, rows.len()).err(), Some(ColumnError::Compression));
        }

        #[test]
        fn changed_bytes_and_counts_never_panic(
            rows in rows(),
            compression in any_compression(),
            at: usize,
            byte: u8,
            more in 0usize..3,
        ) {
            let mut bytes = encode_owned(&rows, compression);
            let at = at % bytes.len();
            bytes[at] = byte;
            let _ = BlockRows::decode(&bytes, rows.len() + more, &mut Decoder::new().unwrap());
            let _ = BlockRows::decode(&bytes[..at], rows.len(), &mut Decoder::new().unwrap());
        }

        #[test]
        fn noise_never_panics(bytes: Vec<u8>, row_count in 0usize..1000, compression in 0u8..3) {
            let _ = BlockRows::decode(&[&[VERSION, 3, compression], &bytes[..]].concat(), row_count, &mut Decoder::new().unwrap());
        }
    }
}
