//! What a scan came to.

use std::collections::BTreeMap;
use std::ops::Range;

use logmesh_protocol::segment::SegmentId;
use logmesh_protocol::seq_set::SeqSet;

/// What a scan came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScanOutcome {
    /// The bytes of the lines that were looked at.
    pub bytes_scanned: u64,
    /// The rows that were given.
    pub rows_scanned: u64,
    /// The blocks that were expanded.
    pub blocks_read: u64,
    /// The blocks that were not, because of their streams or times. Extents left out whole do not count.
    pub blocks_skipped: u64,
    /// The batches of which rows may be missing, because they could not be read or did not hash to what they should.
    pub damaged: Vec<(SegmentId, SeqSet)>,
}

/// Damaged batches, as they are found.
#[derive(Default)]
pub(crate) struct Damage(BTreeMap<SegmentId, SeqSet>);

impl Damage {
    /// Adds batches.
    pub(crate) fn add(&mut self, segment: &SegmentId, seqs: &SeqSet) {
        if !seqs.is_empty() {
            let known = self.0.entry(*segment).or_default();
            *known = known.union(seqs);
        }
    }

    /// Adds a range of batches.
    pub(crate) fn add_range(&mut self, segment: &SegmentId, range: Range<u32>) {
        self.add(segment, &SeqSet::from_range(range));
    }

    /// Returns all, by segment.
    pub(crate) fn into_vec(self) -> Vec<(SegmentId, SeqSet)> {
        self.0.into_iter().collect()
    }
}
