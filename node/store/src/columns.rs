//! Columns: runs of like values under zstd, each with its lengths before it, so that one is read without the others.
//!
//! Reading trusts no length: a column that claims more than its reader allows is refused before anything is allocated.

use logmesh_protocol::varint::{VarintError, put_u64, take_bytes, take_u64};
use thiserror::Error;
use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::CParameter;

/// What compresses columns; holds the tables of zstd so that they are allocated once.
pub(crate) struct Encoder {
    zstd: Compressor<'static>,
    buffer: Vec<u8>,
}

impl Encoder {
    /// Returns an encoder for columns.
    pub(crate) fn new() -> Result<Self, ColumnError> {
        let mut zstd = Compressor::new(ZSTD_LEVEL).map_err(|_| ColumnError::Zstd)?;
        zstd.set_parameter(CParameter::WindowLog(WINDOW_LOG)).map_err(|_| ColumnError::Zstd)?;
        Ok(Self { zstd, buffer: Vec::new() })
    }

    /// Appends `raw` to `out` as a column.
    pub(crate) fn put_column(&mut self, out: &mut Vec<u8>, raw: &[u8]) -> Result<(), ColumnError> {
        put_u64(out, raw.len() as u64);
        if raw.is_empty() {
            put_u64(out, 0);
            return Ok(());
        }
        self.buffer.clear();
        self.buffer.reserve(zstd::zstd_safe::compress_bound(raw.len()));
        self.zstd.compress_to_buffer(raw, &mut self.buffer).map_err(|_| ColumnError::Zstd)?;
        put_u64(out, self.buffer.len() as u64);
        out.extend_from_slice(&self.buffer);
        Ok(())
    }
}

/// What reads columns; holds the tables of zstd.
pub(crate) struct Decoder {
    zstd: Decompressor<'static>,
}

impl Decoder {
    /// Returns a decoder for columns.
    pub(crate) fn new() -> Result<Self, ColumnError> {
        Ok(Self { zstd: Decompressor::new().map_err(|_| ColumnError::Zstd)? })
    }

    /// Reads a column of at most `raw_bytes_max`.
    pub(crate) fn expand(&mut self, column: &Column<'_>, raw_bytes_max: usize) -> Result<Vec<u8>, ColumnError> {
        let raw_bytes = usize::try_from(column.raw_bytes).map_err(|_| ColumnError::TooLarge)?;
        if raw_bytes > raw_bytes_max {
            return Err(ColumnError::TooLarge);
        }
        let mut raw = Vec::with_capacity(raw_bytes);
        if raw_bytes == 0 {
            return if column.stored.is_empty() { Ok(raw) } else { Err(ColumnError::Length) };
        }
        let written = self.zstd.decompress_to_buffer(column.stored, &mut raw).map_err(|_| ColumnError::Zstd)?;
        if written == raw_bytes { Ok(raw) } else { Err(ColumnError::Length) }
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
    /// zstd does not read it.
    #[error("zstd does not read it")]
    Zstd,
}

/// zstd-3 took twice the CPU and was no smaller on sorted columns (DESIGN §10).
const ZSTD_LEVEL: i32 = 1;

/// Covers a whole block of 2 MiB; level 1 alone would see 512 KiB back (zstd 1.5.7, `clevels.h`). Larger hash tables than
/// that level's own made sorted columns no smaller, and took up to a fifth longer.
const WINDOW_LOG: u32 = 21;

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

    use super::*;

    proptest! {
        #[test]
        fn what_is_put_is_taken(raw: Vec<u8>, rest: Vec<u8>) {
            let mut out = Vec::new();
            Encoder::new().unwrap().put_column(&mut out, &raw).unwrap();
            out.extend_from_slice(&rest);
            let input = &mut out.as_slice();
            let column = Column::take(input).unwrap();
            prop_assert_eq!(*input, &rest[..]);
            prop_assert_eq!(Decoder::new().unwrap().expand(&column, raw.len()), Ok(raw.clone()));
            if !raw.is_empty() {
                prop_assert_eq!(Decoder::new().unwrap().expand(&column, raw.len() - 1), Err(ColumnError::TooLarge));
            }
        }

        #[test]
        fn noise_is_bounded(bytes: Vec<u8>) {
            if let Ok(column) = Column::take(&mut bytes.as_slice())
                && let Ok(raw) = Decoder::new().unwrap().expand(&column, 1 << 16) {
                prop_assert!(raw.len() <= 1 << 16);
            }
        }
    }
}
