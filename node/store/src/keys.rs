//! Column families and keys. Every key of data begins with the bytes of its segment, so that data lies in order of time.

use logmesh_protocol::segment::{ExtentId, SegmentId};

/// The column families.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// Batches not yet sealed: [`batch_key`] → version, lz4 body.
    Tail,
    /// What is held: [`batch_key`] → one entry; [`extent_key`] → the entries of a whole extent.
    Ledger,
    /// The headers of extents: [`extent_key`] → header.
    Extents,
    /// The weave and the blocks of large extents, each extent a file of its own: [`Place::key`] → bytes.
    Blocks,
    /// The weave and the blocks of small extents, many a file: [`Place::key`] → bytes.
    Crumbs,
    /// Small persisted things of the shell.
    Settings,
    /// Bytes that did not hash to what they should, for whoever wants to know why.
    Quarantine,
}

impl Family {
    /// All of them.
    pub(crate) const ALL: [Family; 7] = [
        Family::Tail,
        Family::Ledger,
        Family::Extents,
        Family::Blocks,
        Family::Crumbs,
        Family::Settings,
        Family::Quarantine,
    ];

    /// Returns the name on disk.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Family::Tail => "tail",
            Family::Ledger => "ledger",
            Family::Extents => "extents",
            Family::Blocks => "blocks",
            Family::Crumbs => "crumbs",
            Family::Settings => "settings",
            Family::Quarantine => "quarantine",
        }
    }
}

/// Returns the key of one batch.
pub(crate) fn batch_key(segment: &SegmentId, seq: u32) -> [u8; BATCH_KEY_BYTES] {
    let mut key = [0; BATCH_KEY_BYTES];
    key[..SegmentId::BYTES].copy_from_slice(&segment.to_bytes());
    key[SegmentId::BYTES..].copy_from_slice(&seq.to_be_bytes());
    key
}

/// Returns the key of an extent. It sorts between the batch before the extent and the second batch within it.
pub(crate) fn extent_key(id: &ExtentId) -> [u8; EXTENT_KEY_BYTES] {
    let mut key = [0; EXTENT_KEY_BYTES];
    key[..BATCH_KEY_BYTES].copy_from_slice(&batch_key(&id.segment, id.from));
    key[BATCH_KEY_BYTES..].copy_from_slice(&id.to.to_be_bytes());
    key
}

/// Where the parts of an extent lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) id: ExtentId,
    /// Never used twice: when an extent is sealed again, the files of the one before may still be read.
    pub(crate) generation: u64,
    /// A file of its own ([`Family::Blocks`]), or one among many ([`Family::Crumbs`]).
    pub(crate) family: Family,
}

impl Place {
    /// Returns the key of a part: 0 is the weave, n is the n-th block.
    pub(crate) fn key(&self, part: usize) -> Vec<u8> {
        let part = u32::try_from(part).expect("parts are few");
        [&extent_key(&self.id)[..], &self.generation.to_be_bytes(), &part.to_be_bytes()].concat()
    }

    /// Returns a key before all keys of the parts and one after all of them.
    pub(crate) fn bounds(&self) -> (Vec<u8>, Vec<u8>) {
        let start = self.key(0);
        let end = [&start[..EXTENT_KEY_BYTES + 8], &[0xff; 5]].concat();
        (start, end)
    }

    /// Reads the place from a key of the family `family`; `None` if it is not one.
    pub(crate) fn parse(family: Family, key: &[u8]) -> Option<Self> {
        let (extent, rest) = key.split_at_checked(EXTENT_KEY_BYTES)?;
        let LedgerKey::Extent(id) = LedgerKey::parse(extent)? else { return None };
        let (generation, part) = rest.split_first_chunk::<8>()?;
        (part.len() == 4).then_some(Self { id, generation: u64::from_be_bytes(*generation), family })
    }
}

/// Returns a key before all keys of `segment` and one after all of them.
pub(crate) fn segment_bounds(segment: &SegmentId) -> (Vec<u8>, Vec<u8>) {
    let start = segment.to_bytes().to_vec();
    // No suffix of a key is longer than 20 bytes, so 21 of the greatest lie after all.
    let end = [&start[..], &[0xff; 21]].concat();
    (start, end)
}

/// What a key of the ledger stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LedgerKey {
    /// One batch in the tail.
    Batch(SegmentId, u32),
    /// All batches of an extent.
    Extent(ExtentId),
}

impl LedgerKey {
    /// Reads a key; `None` if it is not one.
    pub(crate) fn parse(key: &[u8]) -> Option<Self> {
        let (segment, rest) = key.split_first_chunk::<{ SegmentId::BYTES }>()?;
        let segment = SegmentId::from_bytes(segment);
        let (from, rest) = rest.split_first_chunk::<4>()?;
        let from = u32::from_be_bytes(*from);
        if rest.is_empty() {
            return Some(Self::Batch(segment, from));
        }
        let to = u32::from_be_bytes(rest.try_into().ok()?);
        (from < to).then_some(Self::Extent(ExtentId { segment, from, to }))
    }
}

pub(crate) const BATCH_KEY_BYTES: usize = SegmentId::BYTES + 4;
pub(crate) const EXTENT_KEY_BYTES: usize = SegmentId::BYTES + 8;

#[cfg(test)]
mod tests {
    use logmesh_protocol::id::{Boot, JournalId, NodeId};
    use logmesh_protocol::segment::Window;
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

    use super::*;

    fn segment(window: u32) -> SegmentId {
        let journal = JournalId { node: NodeId::from_bytes([255; 32]), boot: Boot::from_bytes([255; 16]) };
        SegmentId { window: Window(window), journal, part: u32::MAX }
    }

    proptest! {
        #[test]
        fn keys_lie_within_the_bounds_of_their_segment(window: u32, from in 0..u32::MAX, to: u32, generation: u64) {
            let to = to.max(from + 1);
            let id = ExtentId { segment: segment(window), from, to };
            let (start, end) = segment_bounds(&id.segment);
            let place = Place { id, generation, family: Family::Blocks };
            let part = place.key(u32::MAX as usize);
            for key in [&batch_key(&id.segment, to)[..], &extent_key(&id)[..], &part[..]] {
                prop_assert!(start.as_slice() < key && key < end.as_slice());
            }
            let (start, end) = place.bounds();
            prop_assert!(start <= part && part < end);
            prop_assert_eq!(Place::parse(Family::Blocks, &part), Some(place));
            prop_assert_eq!(LedgerKey::parse(&extent_key(&id)), Some(LedgerKey::Extent(id)));
            prop_assert_eq!(LedgerKey::parse(&batch_key(&id.segment, from)), Some(LedgerKey::Batch(id.segment, from)));
        }

        #[test]
        fn noise_is_no_key_or_a_sound_one(bytes: Vec<u8>) {
            if let Some(LedgerKey::Extent(id)) = LedgerKey::parse(&bytes) {
                prop_assert_eq!(&extent_key(&id)[..], &bytes[..]);
            }
        }
    }
}
