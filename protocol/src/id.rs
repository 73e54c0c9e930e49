//! Identifiers. All of them print, parse and shorten alike; none of them is drawn here.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::time::Timestamp;

/// A node: the Ed25519 public key behind its libp2p `PeerId`. Prints as that `PeerId` does (`12D3KooW…`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct NodeId([u8; 32]);

impl NodeId {
    /// Returns the node whose Ed25519 public key is `key`.
    pub const fn from_bytes(key: [u8; 32]) -> Self {
        Self(key)
    }

    /// Returns the 32 bytes of the public key.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Returns the end of the printed form, for logs: the beginning is the same for every Ed25519 `PeerId`.
    pub fn short(&self) -> String {
        let long = self.to_string();
        long[long.len() - 8..].to_owned()
    }

    /// Returns the bytes of the `PeerId`: an identity multihash of the protobuf-encoded key
    /// (libp2p specifications, peer-ids, "Ed25519").
    pub fn to_peer_id_bytes(&self) -> Vec<u8> {
        [&PEER_ID_PREFIX[..], &self.0[..]].concat()
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&bs58::encode(self.to_peer_id_bytes()).into_string())
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.short())
    }
}

impl FromStr for NodeId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let error = || ParseIdError { kind: "node id", text: text.chars().take(80).collect() };
        let bytes = bs58::decode(text).into_vec().map_err(|_| error())?;
        let key = bytes.strip_prefix(&PEER_ID_PREFIX).ok_or_else(error)?;
        Ok(Self(key.try_into().map_err(|_| error())?))
    }
}

/// One start of a node: 8 bytes of wall time, then 8 random ones. Drawn by the shell at every start.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Boot([u8; 16]);

impl Boot {
    /// Returns the boot drawn at `started` with the random part `random`.
    pub fn new(started: Timestamp, random: u64) -> Self {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&started.as_nanos().to_be_bytes());
        bytes[8..].copy_from_slice(&random.to_be_bytes());
        Self(bytes)
    }

    /// Returns the boot with these bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Returns the 16 bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// All that one node accepts between one start and its stop. One writer, never resumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct JournalId {
    /// The writer.
    pub node: NodeId,
    /// The start of the writer.
    pub boot: Boot,
}

/// The BLAKE3 hash of a batch's canonical bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BatchId([u8; 32]);

impl BatchId {
    /// Returns the id of the batch whose canonical bytes are `canonical`.
    pub fn of(canonical: &[u8]) -> Self {
        Self(*blake3::hash(canonical).as_bytes())
    }

    /// Returns the id with these bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the 32 bytes of the hash.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// The first 16 bytes of BLAKE3 over a stream's tenant and canonical labels.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StreamId([u8; 16]);

impl StreamId {
    /// Returns the id of the stream of `tenant` with these canonical label bytes.
    pub fn of(tenant: &str, labels: &[u8]) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&u64::try_from(tenant.len()).expect("a length fits").to_be_bytes());
        hasher.update(tenant.as_bytes()).update(labels);
        let mut id = [0; 16];
        id.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        Self(id)
    }

    /// Returns the 16 bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

macro_rules! compares_by_its_beginning {
    ($name:ident) => {
        impl Ord for $name {
            /// In order of the bytes. The first eight nearly always decide: no call is worth it in maps that are looked into all the time.
            #[inline]
            fn cmp(&self, other: &Self) -> Ordering {
                let begin = |id: &Self| u64::from_be_bytes(std::array::from_fn(|at| id.0[at]));
                begin(self).cmp(&begin(other)).then_with(|| self.0[8..].cmp(&other.0[8..]))
            }
        }

        impl PartialOrd for $name {
            #[inline]
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }
    };
}

compares_by_its_beginning!(NodeId);
compares_by_its_beginning!(Boot);

macro_rules! prints_as_hex {
    ($name:ident, $bytes:literal, $kind:literal) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().rev().take(4).rev().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                let error = || ParseIdError { kind: $kind, text: text.chars().take(80).collect() };
                if text.len() != 2 * $bytes || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                    return Err(error());
                }
                let mut bytes = [0; $bytes];
                for (at, byte) in bytes.iter_mut().enumerate() {
                    *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).map_err(|_| error())?;
                }
                Ok(Self(bytes))
            }
        }
    };
}

prints_as_hex!(Boot, 16, "boot");
prints_as_hex!(BatchId, 32, "batch id");
prints_as_hex!(StreamId, 16, "stream id");

/// Text that is not an id of the wanted kind.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("not a {kind}: {text:?}")]
pub struct ParseIdError {
    kind: &'static str,
    text: String,
}

/// Identity multihash, 36 bytes; protobuf field 1 = key type Ed25519, field 2 = 32 bytes of key.
const PEER_ID_PREFIX: [u8; 6] = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20];

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T: FromStr<Err = ParseIdError> + fmt::Display + PartialEq + fmt::Debug>(id: T) {
        assert_eq!(id.to_string().parse::<T>().as_ref(), Ok(&id));
        for bad in ["", "zz", "é", "0OIl", &format!("{id}0"), &id.to_string()[1..]] {
            assert!(bad.parse::<T>().is_err(), "{bad:?} parsed");
        }
    }

    #[test]
    fn every_id_parses_what_it_prints_and_nothing_else() {
        check(NodeId::from_bytes([7; 32]));
        check(Boot::new(Timestamp::from_nanos(1), 2));
        check(BatchId::of(b"x"));
        check(StreamId::of("default", b"x"));
    }

    #[test]
    fn ids_are_in_order_of_their_bytes() {
        let mut ids = Vec::new();
        for (at, byte) in [(0, 0), (0, 1), (0, 255), (7, 1), (7, 128), (8, 1), (15, 1), (31, 1), (31, 255)] {
            let mut bytes = [0; 32];
            bytes[at] = byte;
            ids.push(bytes);
        }
        let half = |bytes: &[u8; 32]| Boot::from_bytes(std::array::from_fn(|at| bytes[2 * at + 1]));
        for (one, other) in ids.iter().flat_map(|one| ids.iter().map(move |other| (one, other))) {
            assert_eq!(NodeId::from_bytes(*one).cmp(&NodeId::from_bytes(*other)), one.cmp(other));
            assert_eq!(half(one).cmp(&half(other)), half(one).as_bytes().cmp(half(other).as_bytes()));
        }
    }

    #[test]
    fn a_node_prints_as_its_peer_id() {
        assert!(NodeId::from_bytes([0; 32]).to_string().starts_with("12D3KooW"));
    }

    #[test]
    fn a_stream_id_keeps_tenant_and_labels_apart() {
        assert_ne!(StreamId::of("ab", b"c"), StreamId::of("a", b"bc"));
    }
}
