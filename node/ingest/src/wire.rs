//! Reads protobuf's wire format field by field, borrowing from the body (protobuf.dev, "Encoding").
//!
//! It must never trust a length: each is compared with what is left. Groups, which proto3 has not, are refused.

use std::borrow::Cow;

use thiserror::Error;

/// The fields of one message, in the order in which they were written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(crate) fn new(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    /// Takes the next field, if there is one.
    pub(crate) fn take_field(&mut self) -> Result<Option<(u64, Scalar<'a>)>, WireError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let tag = self.take_varint()?;
        let number = tag >> 3;
        if number == 0 || number > FIELD_NUMBER_MAX {
            return Err(WireError::Number);
        }
        let scalar = match tag & 7 {
            0 => Scalar::Varint(self.take_varint()?),
            1 => Scalar::Fixed64(u64::from_le_bytes(self.take_array()?)),
            2 => {
                let length = usize::try_from(self.take_varint()?).map_err(|_| WireError::Truncated)?;
                let (bytes, rest) = self.rest.split_at_checked(length).ok_or(WireError::Truncated)?;
                self.rest = rest;
                Scalar::Bytes(bytes)
            }
            5 => Scalar::Fixed32(u32::from_le_bytes(self.take_array()?)),
            _ => return Err(WireError::Kind { field: number }),
        };
        Ok(Some((number, scalar)))
    }

    fn take_array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let (array, rest) = self.rest.split_first_chunk().ok_or(WireError::Truncated)?;
        self.rest = rest;
        Ok(*array)
    }

    /// Takes an integer. Unlike our own forms, protobuf allows longer spellings than the shortest.
    fn take_varint(&mut self) -> Result<u64, WireError> {
        // Nearly all tags have one byte and nearly all lengths one or two.
        match self.rest {
            [low @ 0..0x80, rest @ ..] => {
                self.rest = rest;
                return Ok(u64::from(*low));
            }
            [low, high @ 0..0x80, rest @ ..] => {
                self.rest = rest;
                return Ok(u64::from(low & 0x7f) | u64::from(*high) << 7);
            }
            _ => {}
        }
        let mut value = 0;
        for (at, byte) in self.rest.iter().enumerate().take(10) {
            value |= u64::from(byte & 0x7f) << (7 * at);
            if byte & 0x80 == 0 {
                self.rest = &self.rest[at + 1..];
                return Ok(value);
            }
        }
        Err(if self.rest.len() < 10 { WireError::Truncated } else { WireError::Varint })
    }
}

/// The value of a field, as far as the wire format knows it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Scalar<'a> {
    Varint(u64),
    Fixed64(u64),
    Fixed32(u32),
    Bytes(&'a [u8]),
}

impl<'a> Scalar<'a> {
    pub(crate) fn varint(self, field: u64) -> Result<u64, WireError> {
        if let Self::Varint(value) = self { Ok(value) } else { Err(WireError::Kind { field }) }
    }

    pub(crate) fn fixed64(self, field: u64) -> Result<u64, WireError> {
        if let Self::Fixed64(value) = self { Ok(value) } else { Err(WireError::Kind { field }) }
    }

    pub(crate) fn fixed32(self, field: u64) -> Result<u32, WireError> {
        if let Self::Fixed32(value) = self { Ok(value) } else { Err(WireError::Kind { field }) }
    }

    pub(crate) fn bytes(self, field: u64) -> Result<&'a [u8], WireError> {
        if let Self::Bytes(value) = self { Ok(value) } else { Err(WireError::Kind { field }) }
    }

    pub(crate) fn text(self, field: u64) -> Result<Cow<'a, str>, WireError> {
        Ok(text(self.bytes(field)?))
    }
}

/// Returns `bytes` as text; only what is not UTF-8 is copied, with U+FFFD where it does not read.
pub(crate) fn text(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => String::from_utf8_lossy(bytes),
    }
}

/// Bytes that are not a protobuf message of the wanted kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum WireError {
    #[error("it ends within a field")]
    Truncated,
    #[error("an integer is longer than 64 bits")]
    Varint,
    #[error("a field has an impossible number")]
    Number,
    #[error("field {field} has the wrong wire type")]
    Kind { field: u64 },
}

const FIELD_NUMBER_MAX: u64 = (1 << 29) - 1;

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert, proptest};

    use super::*;

    fn check(bytes: &[u8], wanted: Result<Option<(u64, Scalar<'_>)>, WireError>) {
        assert_eq!(Fields::new(bytes).take_field(), wanted, "{bytes:?}");
    }

    #[test]
    fn fields_are_read_as_the_encoding_says() {
        check(&[], Ok(None));
        check(&[0x08, 0x96, 0x01], Ok(Some((1, Scalar::Varint(150)))));
        check(&[0x08, 0x96, 0x81, 0x00], Ok(Some((1, Scalar::Varint(150)))));
        check(&[0x12, 2, b'h', b'i'], Ok(Some((2, Scalar::Bytes(b"hi")))));
        check(&[0x09, 1, 0, 0, 0, 0, 0, 0, 0], Ok(Some((1, Scalar::Fixed64(1)))));
        check(&[0x0d, 1, 0, 0, 0], Ok(Some((1, Scalar::Fixed32(1)))));
        check(&[0x12, 3, b'h', b'i'], Err(WireError::Truncated));
        check(&[0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1], Err(WireError::Truncated));
        check(&[0x08], Err(WireError::Truncated));
        check(&[0x08, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1], Err(WireError::Varint));
        check(&[0x00, 1], Err(WireError::Number));
        check(&[0x0b], Err(WireError::Kind { field: 1 }));
    }

    proptest! {
        #[test]
        fn noise_never_panics_and_always_ends(bytes: Vec<u8>) {
            let (mut fields, mut count) = (Fields::new(&bytes), 0);
            while let Ok(Some(_)) = fields.take_field() {
                count += 1;
            }
            prop_assert!(count <= bytes.len());
        }
    }
}
