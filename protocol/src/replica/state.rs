//! What a node must find again at its next start, as bytes: its own row, the member table, what others last told, and what it
//! has set aside as damaged. Old versions are decoded here and nowhere else.

use std::collections::BTreeMap;

use serde::Deserialize;
use smallvec::SmallVec;

use crate::codec::{self, DecodeError};
use crate::id::NodeId;
use crate::member::{MemberRow, MemberTable};
use crate::segment::SegmentId;
use crate::seq_set::SeqSet;
use crate::time::Timestamp;

/// What is persisted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) struct State {
    /// None before the first start.
    pub(super) mine: Option<MemberRow>,
    pub(super) rows: Vec<MemberRow>,
    /// Per node: when it said so by its own clock, and its heads.
    pub(super) heads: BTreeMap<NodeId, (Option<Timestamp>, BTreeMap<SegmentId, u32>)>,
    pub(super) quarantined: BTreeMap<SegmentId, SeqSet>,
    /// Whether no other member may know that this node is running again: it stopped in order, or is new, and has told nobody since.
    pub(super) is_unheard: bool,
}

/// The same, borrowed: it is written often, and the rows and heads of a thousand others are not worth copying for that.
pub(super) struct Kept<'a> {
    pub(super) mine: Option<&'a MemberRow>,
    pub(super) table: &'a MemberTable,
    pub(super) heads: Vec<KeptHeads>,
    pub(super) quarantined: Vec<(SegmentId, &'a SeqSet)>,
    pub(super) is_unheard: bool,
}

/// A node, when it said so by its own clock, and its heads in order: hardly ever more than one.
pub(super) type KeptHeads = (NodeId, (Option<Timestamp>, SmallVec<[(SegmentId, u32); 1]>));

impl Kept<'_> {
    /// Returns the bytes of a [`State`]: fields are written one after the other, maps and lists of pairs alike.
    pub(super) fn encode(&self) -> Vec<u8> {
        let rows = self.table.encode().get(1..).unwrap_or_default();
        let mut out = codec::encode(VERSION, &self.mine);
        // Heads are about as long as rows.
        out.reserve(2 * rows.len());
        out.extend_from_slice(rows);
        codec::append(&mut out, &(&self.heads, &self.quarantined, self.is_unheard));
        out
    }
}

impl State {
    /// Reads what [`Kept::encode`] wrote; nothing at all is the state before the first start.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        codec::decode_large(VERSION, bytes)
    }
}

const VERSION: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{Boot, JournalId};
    use crate::segment::Window;

    #[test]
    fn the_bytes_of_version_two_stay_as_they_are() {
        let node = NodeId::from_bytes([1; 32]);
        let boot = Boot::from_bytes([2; 16]);
        let segment = SegmentId { window: Window(3), journal: JournalId { node, boot }, part: 4 };
        let row = MemberRow::joining(node, 5, boot, "a".into(), 1);
        let state = State {
            mine: Some(row.clone()),
            rows: vec![row],
            heads: BTreeMap::from([(node, (Some(Timestamp::from_nanos(6)), BTreeMap::from([(segment, 7)])))]),
            quarantined: BTreeMap::from([(segment, SeqSet::from_range(1..3))]),
            is_unheard: true,
        };
        let mut table = MemberTable::new();
        table.merge(state.rows.clone());
        let kept = Kept {
            mine: state.mine.as_ref(),
            table: &table,
            heads: state.heads.iter().map(|(node, (at, counts))| (*node, (*at, pairs(counts)))).collect(),
            quarantined: state.quarantined.iter().map(|(segment, seqs)| (*segment, seqs)).collect(),
            is_unheard: state.is_unheard,
        };
        let bytes = kept.encode();
        assert_eq!(State::decode(&bytes), Ok(state));
        let hash = crate::id::BatchId::of(&bytes).to_string();
        assert_eq!((bytes.len(), &hash[..16]), (351, "a49e35eeabc04756"));
    }

    fn pairs(counts: &BTreeMap<SegmentId, u32>) -> SmallVec<[(SegmentId, u32); 1]> {
        counts.iter().map(|(segment, count)| (*segment, *count)).collect()
    }

    #[test]
    fn no_bytes_are_the_state_before_the_first_start() {
        assert_eq!(State::decode(&[]), Ok(State::default()));
        assert!(State::decode(&[9]).is_err());
    }
}
