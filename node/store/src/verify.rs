//! The scrub: reads and hashes everything that is held of a segment, the tail and each batch in each extent.

use logmesh_protocol::id::BatchId;
use logmesh_protocol::ledger::LedgerEntry;
use logmesh_protocol::segment::{ExtentId, SegmentId};
use logmesh_protocol::seq_set::SeqSet;

use crate::db::{ReadError, View};
use crate::ledger::Held;

impl View<'_> {
    /// Returns the batches of `segment` that are in the ledger and do not read, or do not hash to their ids.
    pub(crate) fn verify(&self, segment: &SegmentId) -> Result<SeqSet, ReadError> {
        let mut damaged = SeqSet::new();
        for held in self.held(segment)? {
            match held {
                Held::Batch(seq, entry) => {
                    if self.tail_canonical(segment, seq, &entry).is_none() {
                        damaged.insert(seq);
                    }
                }
                Held::Extent(id, entries) => damaged = damaged.union(&self.verify_extent(&id, &entries)),
            }
        }
        Ok(damaged)
    }

    pub(crate) fn verify_extent(&self, id: &ExtentId, entries: &[LedgerEntry]) -> SeqSet {
        let all = SeqSet::from_range(id.from..id.to);
        let Ok(opened) = self.extent(id).and_then(|filed| self.open(filed)) else { return all };
        let mut sound = SeqSet::new();
        let rebuilt = opened.rebuild(&|_| true, &mut |seq, batch| {
            let entry = &entries[(seq - id.from) as usize];
            if batch.is_some_and(|canonical| BatchId::of(&canonical) == entry.id) {
                sound.insert(seq);
            }
        });
        if rebuilt.is_err() { all } else { all.difference(&sound) }
    }
}
