//! The one place where bincode is called: behind a version byte, always with limits.
//!
//! Without a limit, nine bytes that claim a vector of 1 TiB abort the process; so nothing else may decode.

use bincode::config::{Config, Configuration, Limit, LittleEndian, Varint};
use bincode::enc::write::Writer;
use bincode::error::EncodeError;
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

/// The most bytes that one value may have, and the most that decoding it may allocate.
pub const MESSAGE_BYTES_MAX: usize = 4 << 20;

/// The most bytes that the answer to a query may have, where one node sends it to another.
pub const LARGE_BYTES_MAX: usize = 64 << 20;

/// Returns `value` as bytes, `version` before it.
pub fn encode<T: Serialize>(version: u8, value: &T) -> Vec<u8> {
    let mut out = vec![version];
    append(&mut out, value);
    out
}

/// Adds `value` to what [`encode`] returned: fields of one structure that come one after the other can be written one by one.
pub fn append<T: Serialize>(out: &mut Vec<u8>, value: &T) {
    bincode::serde::encode_into_writer(value, Bytes(out), CONFIG.with_no_limit())
        .expect("a vector takes all that is written");
}

/// Takes bytes one by one, as ids are written, without asking for more room for each.
struct Bytes<'a>(&'a mut Vec<u8>);

impl Writer for Bytes<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        match bytes {
            [byte] => self.0.push(*byte),
            bytes => self.0.extend_from_slice(bytes),
        }
        Ok(())
    }
}

/// Reads a value of at most [`MESSAGE_BYTES_MAX`] that [`encode`] wrote with the same `version`. Bytes after it are an
/// error too.
pub fn decode<T: DeserializeOwned>(version: u8, bytes: &[u8]) -> Result<T, DecodeError> {
    decode_with(version, bytes, MESSAGE_BYTES_MAX, CONFIG)
}

/// Reads a value as [`decode`] does, of at most [`LARGE_BYTES_MAX`].
pub fn decode_large<T: DeserializeOwned>(version: u8, bytes: &[u8]) -> Result<T, DecodeError> {
    decode_with(version, bytes, LARGE_BYTES_MAX, CONFIG.with_limit::<LARGE_BYTES_MAX>())
}

fn decode_with<T: DeserializeOwned>(
    version: u8,
    bytes: &[u8],
    bytes_max: usize,
    config: impl Config,
) -> Result<T, DecodeError> {
    let (found, rest) = bytes.split_first().ok_or(DecodeError::Empty)?;
    if *found != version {
        return Err(DecodeError::Version { found: *found, known: version });
    }
    if rest.len() > bytes_max {
        return Err(DecodeError::TooLarge { bytes: rest.len(), bytes_max });
    }
    let (value, read) =
        bincode::serde::decode_from_slice(rest, config).map_err(|error| DecodeError::Malformed(error.to_string()))?;
    if read != rest.len() {
        return Err(DecodeError::Trailing(rest.len() - read));
    }
    Ok(value)
}

/// Bytes that are not a value of the wanted kind.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// There is nothing, not even a version.
    #[error("no bytes")]
    Empty,
    /// The sender speaks a version that this node does not.
    #[error("version {found} where {known} was expected")]
    Version {
        /// The version that came.
        found: u8,
        /// The version that this node reads.
        known: u8,
    },
    /// More bytes than a value may have.
    #[error("{bytes} bytes, more than {bytes_max}")]
    TooLarge {
        /// How many came.
        bytes: usize,
        /// How many are allowed.
        bytes_max: usize,
    },
    /// The bytes do not read.
    #[error("malformed: {0}")]
    Malformed(String),
    /// Bytes follow the value.
    #[error("{0} bytes follow the value")]
    Trailing(usize),
}

#[expect(clippy::disallowed_methods, reason = "the one place that may, and it sets the limit")]
const CONFIG: Configuration<LittleEndian, Varint, Limit<MESSAGE_BYTES_MAX>> =
    bincode::config::standard().with_limit::<MESSAGE_BYTES_MAX>();

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert_eq, proptest};

    use super::*;

    #[test]
    fn a_claim_of_a_terabyte_is_refused() {
        // Version, then the varint marker for 64 bits and 2^40 little endian.
        let bytes = [1, 253, 0, 0, 0, 0, 0, 1, 0, 0];
        assert!(matches!(decode::<Vec<u64>>(1, &bytes), Err(DecodeError::Malformed(_))));
    }

    #[test]
    fn another_version_and_trailing_bytes_are_refused() {
        assert_eq!(decode::<u8>(1, &encode(2, &7u8)), Err(DecodeError::Version { found: 2, known: 1 }));
        assert_eq!(decode::<u8>(1, &[&encode(1, &7u8)[..], &[0]].concat()), Err(DecodeError::Trailing(1)));
        assert_eq!(decode::<u8>(1, &[]), Err(DecodeError::Empty));
    }

    proptest! {
        #[test]
        fn decode_is_the_inverse_of_encode(value: Vec<(u32, String)>) {
            prop_assert_eq!(decode::<Vec<(u32, String)>>(1, &encode(1, &value)), Ok(value));
        }
    }
}
