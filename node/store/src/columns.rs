//! Columns: runs of like values, compressed, each with its lengths before it, so that one is read without the others.
//!
//! Numbers are always under zstd; text is under what the block that holds it names. Reading trusts no length: a column that
//! claims more than its reader allows is refused before anything is allocated.

use bytes::{Bytes, BytesMut};
use logmesh_protocol::varint::{VarintError, put_u64, take_bytes, take_u64};
use lz4::block::{compress_bound, compress_to_buffer, decompress_to_buffer};
use thiserror::Error;
use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::CParameter;

use crate::settings::Compression;

/// What compresses columns; holds the tables of zstd so that they are allocated once.
pub(crate) struct Encoder {
    zstd: Compressor<'static>,
    text: Compression,
    buffer: Vec<u8>,
}

impl Encoder {
    /// Returns an encoder that puts text under `text`.
    pub(crate) fn new(text: Compression) -> Result<Self, ColumnError> {
        let mut zstd = Compressor::new(ZSTD_LEVEL).map_err(|_| ColumnError::Zstd)?;
        zstd.set_parameter(CParameter::WindowLog(WINDOW_LOG)).map_err(|_| ColumnError::Zstd)?;
        Ok(Self { zstd, text, buffer: Vec::new() })
    }

    /// Returns what [`Encoder::put_text`] compresses with.
    pub(crate) fn text(&self) -> Compression {
        self.text
    }

    /// Appends `raw` to `out` as a column of numbers.
    pub(crate) fn put_column(&mut self, out: &mut Vec<u8>, raw: &[u8]) -> Result<(), ColumnError> {
        self.put(out, raw, Compression::Zstd)
    }

    /// Appends `raw` to `out` as a column of text.
    pub(crate) fn put_text(&mut self, out: &mut Vec<u8>, raw: &[u8]) -> Result<(), ColumnError> {
        self.put(out, raw, self.text)
    }

    fn put(&mut self, out: &mut Vec<u8>, raw: &[u8], compression: Compression) -> Result<(), ColumnError> {
        put_u64(out, raw.len() as u64);
        if raw.is_empty() {
            put_u64(out, 0);
            return Ok(());
        }
        let stored = match compression {
            Compression::Zstd => {
                self.buffer.resize(zstd::zstd_safe::compress_bound(raw.len()), 0);
                self.zstd.compress_to_buffer(raw, &mut self.buffer[..]).map_err(|_| ColumnError::Zstd)?
            }
            Compression::Lz4 => {
                self.buffer.resize(compress_bound(raw.len()).map_err(|_| ColumnError::TooLarge)?, 0);
                compress_to_buffer(raw, None, false, &mut self.buffer).map_err(|_| ColumnError::Lz4)?
            }
        };
        put_u64(out, stored as u64);
        out.extend_from_slice(&self.buffer[..stored]);
        Ok(())
    }
}

/// What reads columns; holds the tables of zstd, and memory that is used again: fresh pages would cost a scan more than they hold.
pub(crate) struct Decoder {
    zstd: Decompressor<'static>,
    numbers: Vec<u8>,
    /// The lines given out last. Whoever has let go of them by the next block gives their memory to it.
    lines: Bytes,
}

impl Decoder {
    /// Returns a decoder for columns.
    pub(crate) fn new() -> Result<Self, ColumnError> {
        let zstd = Decompressor::new().map_err(|_| ColumnError::Zstd)?;
        Ok(Self { zstd, numbers: Vec::new(), lines: Bytes::new() })
    }

    /// Reads a column of at most `raw_bytes_max` under zstd.
    pub(crate) fn expand(&mut self, column: &Column<'_>, raw_bytes_max: usize) -> Result<Vec<u8>, ColumnError> {
        self.expand_text(column, raw_bytes_max, Compression::Zstd)
    }

    /// Reads a column of at most `raw_bytes_max` under `compression`.
    pub(crate) fn expand_text(
        &mut self,
        column: &Column<'_>,
        raw_bytes_max: usize,
        compression: Compression,
    ) -> Result<Vec<u8>, ColumnError> {
        let mut raw = vec![0; column.claim(raw_bytes_max, compression)?];
        self.fill(column, compression, &mut raw)?;
        Ok(raw)
    }

    /// Reads a column of numbers of at most `raw_bytes_max`, to be looked at before the next.
    pub(crate) fn expand_numbers(&mut self, column: &Column<'_>, raw_bytes_max: usize) -> Result<&[u8], ColumnError> {
        let mut raw = std::mem::take(&mut self.numbers);
        raw.resize(column.claim(raw_bytes_max, Compression::Zstd)?, 0);
        self.fill(column, Compression::Zstd, &mut raw)?;
        self.numbers = raw;
        Ok(&self.numbers)
    }

    /// Reads a column of lines of at most `raw_bytes_max` under `compression`.
    pub(crate) fn expand_lines(
        &mut self,
        column: &Column<'_>,
        raw_bytes_max: usize,
        compression: Compression,
    ) -> Result<Bytes, ColumnError> {
        let raw_bytes = column.claim(raw_bytes_max, compression)?;
        let last = std::mem::take(&mut self.lines);
        let mut raw = last.try_into_mut().unwrap_or_else(|_| BytesMut::zeroed(raw_bytes));
        raw.resize(raw_bytes, 0);
        self.fill(column, compression, &mut raw)?;
        self.lines = raw.freeze();
        Ok(self.lines.clone())
    }

    /// Expands a column to `raw`, which is as long as it claims to be.
    fn fill(&mut self, column: &Column<'_>, compression: Compression, raw: &mut [u8]) -> Result<(), ColumnError> {
        if raw.is_empty() {
            return if column.stored.is_empty() { Ok(()) } else { Err(ColumnError::Length) };
        }
        let written = match compression {
            Compression::Zstd => self.zstd.decompress_to_buffer(column.stored, raw).map_err(|_| ColumnError::Zstd)?,
            Compression::Lz4 => {
                let raw_bytes = i32::try_from(raw.len()).map_err(|_| ColumnError::TooLarge)?;
                decompress_to_buffer(column.stored, Some(raw_bytes), raw).map_err(|_| ColumnError::Lz4)?
            }
        };
        if written == raw.len() { Ok(()) } else { Err(ColumnError::Length) }
    }
}

/// A column that is not yet expanded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column<'a> {
    raw_bytes: u64,
    stored: &'a [u8],
}

impl<'a> Column<'a> {
    /// Takes a column from the front of `input` without expanding it.
    pub(crate) fn take(input: &mut &'a [u8]) -> Result<Self, ColumnError> {
        let raw_bytes = take_u64(input)?;
        Ok(Self { raw_bytes, stored: take_bytes(input)? })
    }

    /// Returns the length that it says it has when expanded.
    pub(crate) fn raw_bytes(&self) -> u64 {
        self.raw_bytes
    }

    /// Returns the length that it says it has, if its reader allows that much and what is stored could become it.
    fn claim(&self, raw_bytes_max: usize, compression: Compression) -> Result<usize, ColumnError> {
        let raw_bytes = usize::try_from(self.raw_bytes).map_err(|_| ColumnError::TooLarge)?;
        let beyond_lz4 = compression == Compression::Lz4 && raw_bytes > self.stored.len().saturating_mul(LZ4_RATIO_MAX);
        if raw_bytes > raw_bytes_max || beyond_lz4 { Err(ColumnError::TooLarge) } else { Ok(raw_bytes) }
    }
}

/// Takes a small integer from the front of `input`; most fit in one byte or two.
#[inline]
pub(crate) fn take_number(input: &mut &[u8]) -> Result<u64, VarintError> {
    match *input {
        [byte, rest @ ..] if *byte < 0x80 => {
            *input = rest;
            Ok(u64::from(*byte))
        }
        // Lines of more than 127 bytes, and times some microseconds apart. A zero behind the first would be no canonical number.
        [low, high @ 1..0x80, rest @ ..] => {
            *input = rest;
            Ok(u64::from(low & 0x7f) | u64::from(*high) << 7)
        }
        _ => take_u64(input),
    }
}

/// Takes an integer that must fit 32 bits.
#[inline]
pub(crate) fn take_u32(input: &mut &[u8]) -> Result<u32, ColumnError> {
    u32::try_from(take_number(input)?).map_err(|_| ColumnError::TooLarge)
}

/// Takes a count of things that take at least one byte each of `input`, so that no count allocates more than came.
pub(crate) fn take_count(input: &mut &[u8]) -> Result<usize, ColumnError> {
    let count = take_u32(input)? as usize;
    if count > input.len() { Err(ColumnError::Length) } else { Ok(count) }
}

/// Bytes that are not columns of the wanted kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum ColumnError {
    /// A value does not read.
    #[error("a value does not read")]
    Bytes(#[from] VarintError),
    /// A claim goes beyond the limit.
    #[error("a column claims more than it may")]
    TooLarge,
    /// A length does not fit what follows.
    #[error("a length does not fit what follows")]
    Length,
    /// An index points nowhere, or an order is none.
    #[error("an index points nowhere")]
    Index,
    /// The version is unknown.
    #[error("the version is unknown")]
    Version,
    /// The bytes do not hash to what they should.
    #[error("the bytes do not hash to what they should")]
    Hash,
    /// No compression has this number.
    #[error("no compression has this number")]
    Compression,
    /// zstd does not read it.
    #[error("zstd does not read it")]
    Zstd,
    /// lz4 does not read it.
    #[error("lz4 does not read it")]
    Lz4,
}

/// zstd-3 took twice the CPU and was no smaller on sorted columns (DESIGN §10). Of levels -7 to 9, minimum matches of 5 to 7, hash
/// tables up to 2^17 and all strategies up to lazy none expanded a tenth faster for less than five times the CPU of sealing, but
/// those that were a third larger.
const ZSTD_LEVEL: i32 = 1;

/// Covers a whole block of 2 MiB; level 1 alone would see 512 KiB back (zstd 1.5.7, `clevels.h`). Larger hash tables than
/// that level's own made sorted columns no smaller, and took up to a fifth longer.
const WINDOW_LOG: u32 = 21;

/// No byte of an lz4 block stands for more (LZ4 block format, "Notes": the length of a match grows by 255 a byte).
const LZ4_RATIO_MAX: usize = 255;

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};
    use proptest::sample::select;

    use super::*;

    /// Noise, which no codec packs, and repeats, which all do.
    fn raw() -> impl Strategy<Value = Vec<u8>> {
        let repeats = (vec(any::<u8>(), 0..5), 0usize..2000).prop_map(|(part, count)| part.repeat(count));
        prop_oneof![vec(any::<u8>(), 0..300), repeats]
    }

    fn any_compression() -> impl Strategy<Value = Compression> {
        select(&Compression::ALL[..])
    }

    fn put(raw: &[u8], compression: Compression) -> Vec<u8> {
        let mut out = Vec::new();
        Encoder::new(compression).unwrap().put_text(&mut out, raw).unwrap();
        out
    }

    proptest! {
        #[test]
        fn what_is_put_is_taken(raw in raw(), rest: Vec<u8>, compression in any_compression()) {
            let mut out = put(&raw, compression);
            out.extend_from_slice(&rest);
            let input = &mut out.as_slice();
            let column = Column::take(input).unwrap();
            prop_assert_eq!(*input, &rest[..]);
            let decoder = &mut Decoder::new().unwrap();
            prop_assert_eq!(decoder.expand_text(&column, raw.len(), compression), Ok(raw.clone()));
            prop_assert_eq!(decoder.expand_lines(&column, raw.len(), compression), Ok(Bytes::from(raw.clone())));
            if compression == Compression::Zstd {
                prop_assert_eq!(decoder.expand_numbers(&column, raw.len()), Ok(&raw[..]));
            }
            if let Some(less) = raw.len().checked_sub(1) {
                prop_assert_eq!(decoder.expand_text(&column, less, compression), Err(ColumnError::TooLarge));
                prop_assert_eq!(decoder.expand_lines(&column, less, compression), Err(ColumnError::TooLarge));
            }
        }

        #[test]
        fn lines_change_for_nobody_who_still_has_them(
            columns in vec((raw(), any_compression(), any::<bool>()), 1..6),
        ) {
            let (decoder, mut kept) = (&mut Decoder::new().unwrap(), Vec::new());
            for (raw, compression, keeps) in &columns {
                let out = put(raw, *compression);
                let lines = decoder.expand_lines(&Column::take(&mut &out[..]).unwrap(), raw.len(), *compression);
                prop_assert_eq!(lines.as_deref(), Ok(&raw[..]));
                kept.extend(Some((raw, lines.unwrap())).filter(|_| *keeps));
            }
            for (raw, lines) in kept {
                prop_assert_eq!(&lines[..], &raw[..]);
            }
        }

        #[test]
        fn noise_is_bounded(bytes: Vec<u8>, compression in any_compression()) {
            if let Ok(column) = Column::take(&mut bytes.as_slice())
                && let Ok(raw) = Decoder::new().unwrap().expand_text(&column, 1 << 16, compression) {
                prop_assert!(raw.len() <= 1 << 16);
            }
        }

        #[test]
        fn a_changed_column_never_panics(raw in raw(), compression in any_compression(), at: usize, byte: u8) {
            let mut bytes = put(&raw, compression);
            let at = at % bytes.len();
            bytes[at] = byte;
            if let Ok(column) = Column::take(&mut bytes.as_slice()) {
                let _ = Decoder::new().unwrap().expand_lines(&column, 1 << 16, compression);
            }
        }
    }

    #[test]
    fn the_memory_of_lines_that_are_let_go_is_used_again() {
        let decoder = &mut Decoder::new().unwrap();
        for compression in Compression::ALL {
            let out = put(&[7; 9000], compression);
            let column = Column::take(&mut &out[..]).unwrap();
            let first = decoder.expand_lines(&column, 9000, compression).unwrap().as_ptr();
            // Takes what was freed, if it was.
            let _other = std::hint::black_box(vec![1; 9000]);
            assert_eq!(decoder.expand_lines(&column, 9000, compression).unwrap().as_ptr(), first);
        }
    }

    #[test]
    fn lz4_is_not_believed_what_it_cannot_hold() {
        let stored = vec![0; 100];
        let column = |raw_bytes| Column { raw_bytes, stored: &stored };
        let decoder = &mut Decoder::new().unwrap();
        let mut expand = |raw_bytes| decoder.expand_text(&column(raw_bytes), 1 << 30, Compression::Lz4);
        assert_eq!(expand(25_501), Err(ColumnError::TooLarge));
        assert_eq!(expand(25_500), Err(ColumnError::Lz4));
    }
}
