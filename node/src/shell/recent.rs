//! The bodies of the batches last appended here, so that pushing them to peers reads nothing from the store.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use logmesh_protocol::batch::BatchFrame;
use logmesh_protocol::id::BatchId;
use logmesh_protocol::segment::SegmentId;
use logmesh_protocol::seq_set::SeqSet;
use logmesh_store::Stored;
use parking_lot::Mutex;

/// The bodies of the batches last appended, up to [`RECENT_BYTES_MAX`]; the oldest go first.
#[derive(Debug, Default)]
pub(super) struct Recent(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    bodies: BTreeMap<(SegmentId, u32), (BatchId, Bytes)>,
    order: VecDeque<(SegmentId, u32)>,
    bytes: usize,
}

impl Recent {
    /// Keeps the body of a batch that was just appended.
    pub(super) fn keep(&self, stored: &Stored) {
        let Some(body) = &stored.body else { return };
        let mut kept = self.0.lock();
        let place = (stored.segment, stored.seq);
        kept.bytes += body.len();
        kept.order.push_back(place);
        kept.bodies.insert(place, (stored.entry.id, body.clone()));
        while kept.bytes > RECENT_BYTES_MAX {
            let Some(oldest) = kept.order.pop_front() else { return };
            if let Some((_, body)) = kept.bodies.remove(&oldest) {
                kept.bytes -= body.len();
            }
        }
    }

    /// Returns all of `seqs`, or nothing if one of them is no longer kept.
    pub(super) fn frames(&self, segment: &SegmentId, seqs: &SeqSet) -> Option<Vec<BatchFrame>> {
        let kept = self.0.lock();
        let frame = |seq| {
            let (id, body) = kept.bodies.get(&(*segment, seq))?;
            Some(BatchFrame { segment: *segment, seq, id: *id, body: body.clone() })
        };
        seqs.iter().map(frame).collect()
    }
}

/// How many bytes of bodies are kept: what a peer may owe an answer for ([`logmesh_protocol::config::Config`],
/// `push_window_bytes`), twice.
const RECENT_BYTES_MAX: usize = 16 << 20;
