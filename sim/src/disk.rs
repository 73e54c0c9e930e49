//! The disk: what is written is there only after an fsync that takes time; it can be full, wiped, and rot.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use logmesh_protocol::batch::BatchFrame;
use logmesh_protocol::codec;
use logmesh_protocol::id::BatchId;
use logmesh_protocol::ledger::LedgerEntry;
use logmesh_protocol::replica::{Recovered, RecoveredSegment, StoredBatch};
use logmesh_protocol::segment::{ExtentId, SegmentId};
use logmesh_protocol::seq_set::SeqSet;

/// One node's disk: only what is durable.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    batches: BTreeMap<(SegmentId, u32), Kept>,
    extents: BTreeSet<ExtentId>,
    /// What the machine persists.
    pub state: Bytes,
    /// Whether it takes nothing more.
    pub is_full: bool,
}

#[derive(Clone, Debug)]
struct Kept {
    entry: LedgerEntry,
    body: Bytes,
}

impl Kept {
    fn is_whole(&self) -> bool {
        BatchId::of(&self.body) == self.entry.id
    }
}

impl Disk {
    /// Writes batches, all or none; those whose bytes do not hash to their ids are left out. None if the disk is full.
    pub fn write(&mut self, frames: &[BatchFrame]) -> Option<Vec<StoredBatch>> {
        if self.is_full {
            return None;
        }
        let mut stored = Vec::new();
        for frame in frames.iter().filter(|frame| BatchId::of(&frame.body) == frame.id) {
            let bytes = frame.body.len() as u32;
            let entry = LedgerEntry { id: frame.id, size_bytes: bytes, raw_bytes: bytes };
            let kept = Kept { entry, body: frame.body.clone() };
            let place = (frame.segment, frame.seq);
            let entry = self.batches.entry(place).or_insert(kept).entry;
            stored.push(StoredBatch { segment: frame.segment, seq: frame.seq, entry, from: None });
        }
        Some(stored)
    }

    /// Reads batches: those that are whole, and which are not.
    pub fn read(&self, segment: SegmentId, seqs: &SeqSet) -> (Vec<BatchFrame>, SeqSet) {
        let (mut frames, mut damaged) = (Vec::new(), SeqSet::new());
        for seq in seqs.iter() {
            match self.batches.get(&(segment, seq)) {
                Some(kept) if kept.is_whole() => {
                    frames.push(BatchFrame { segment, seq, id: kept.entry.id, body: kept.body.clone() });
                }
                Some(_) => {
                    damaged.insert(seq);
                }
                None => {}
            }
        }
        (frames, damaged)
    }

    /// Tells whether a batch is there, whole.
    pub fn has(&self, segment: SegmentId, seq: u32) -> bool {
        self.batches.get(&(segment, seq)).is_some_and(Kept::is_whole)
    }

    /// Tells whether a batch is there, whole or not.
    pub fn keeps(&self, segment: SegmentId, seq: u32) -> bool {
        self.batches.contains_key(&(segment, seq))
    }

    /// Returns the id under which a batch is kept.
    pub fn ids(&self) -> impl Iterator<Item = (SegmentId, u32, BatchId)> {
        self.batches.iter().map(|((segment, seq), kept)| (*segment, *seq, kept.entry.id))
    }

    /// Returns the ledger of a segment.
    pub fn ledger(&self, segment: SegmentId) -> Vec<(u32, LedgerEntry)> {
        let within = self.batches.range((segment, 0)..=(segment, u32::MAX));
        within.map(|((_, seq), kept)| (*seq, kept.entry)).collect()
    }

    /// Returns what of a segment does not hash.
    pub fn damaged(&self, segment: SegmentId) -> SeqSet {
        let within = self.batches.range((segment, 0)..=(segment, u32::MAX));
        within.filter(|(_, kept)| !kept.is_whole()).map(|((_, seq), _)| *seq).collect()
    }

    /// Folds batches into an extent; none unless all are there, whole, and not in one yet.
    pub fn seal(&mut self, extent: ExtentId) -> Option<u64> {
        if self.is_cut(&extent) || !(extent.from..extent.to).all(|seq| self.has(extent.segment, seq)) {
            return None;
        }
        self.extents.insert(extent);
        Some(self.extent_bytes(extent)?.len() as u64)
    }

    /// Tells whether another extent has some of these batches.
    fn is_cut(&self, extent: &ExtentId) -> bool {
        let overlaps =
            |other: &ExtentId| other.segment == extent.segment && other.from < extent.to && extent.from < other.to;
        self.extents.iter().any(overlaps)
    }

    /// Returns an extent as it travels; none if it is not there whole.
    pub fn extent_bytes(&self, extent: ExtentId) -> Option<Bytes> {
        let range = SeqSet::from_range(extent.from..extent.to);
        let (frames, _) = self.read(extent.segment, &range);
        let whole = self.extents.contains(&extent) && frames.len() as u64 == range.len();
        let bodies: Vec<(u32, BatchId, &[u8])> =
            frames.iter().map(|frame| (frame.seq, frame.id, &frame.body[..])).collect();
        whole.then(|| codec::encode(1, &bodies).into())
    }

    /// Takes over an extent; none if it does not read, or overlaps one that is there.
    pub fn adopt(&mut self, extent: ExtentId, bytes: &[u8]) -> Option<Vec<StoredBatch>> {
        let bodies: Vec<(u32, BatchId, Vec<u8>)> = codec::decode(1, bytes).ok()?;
        let frame = |(seq, id, body): (u32, BatchId, Vec<u8>)| BatchFrame {
            segment: extent.segment,
            seq,
            id,
            body: body.into(),
        };
        let frames: Vec<BatchFrame> = bodies.into_iter().map(frame).collect();
        if self.is_cut(&extent) || frames.len() as u64 != u64::from(extent.to - extent.from) {
            return None;
        }
        let stored = self.write(&frames)?;
        self.extents.insert(extent);
        Some(stored)
    }

    /// Sets batches aside.
    pub fn quarantine(&mut self, segment: SegmentId, seqs: &SeqSet) -> SeqSet {
        let taken = seqs.iter().filter(|seq| self.batches.remove(&(segment, *seq)).is_some()).collect();
        let cut = |extent: &ExtentId| {
            extent.segment == segment && seqs.iter().any(|seq| (extent.from..extent.to).contains(&seq))
        };
        self.extents.retain(|extent| !cut(extent));
        taken
    }

    /// Deletes a segment.
    pub fn drop_segment(&mut self, segment: SegmentId) {
        self.batches.retain(|(other, _), _| *other != segment);
        self.extents.retain(|extent| extent.segment != segment);
    }

    /// Flips a bit of a batch.
    pub fn rot(&mut self, segment: SegmentId, seq: u32) {
        if let Some(kept) = self.batches.get_mut(&(segment, seq)) {
            let mut body = kept.body.to_vec();
            body.iter_mut().take(1).for_each(|byte| *byte ^= 1);
            kept.body = body.into();
        }
    }

    /// Returns what a start finds.
    pub fn recover(&self) -> Recovered {
        let mut segments: BTreeMap<SegmentId, SeqSet> = BTreeMap::new();
        for (segment, seq) in self.batches.keys() {
            segments.entry(*segment).or_default().insert(*seq);
        }
        let segments = segments.into_iter().map(|(segment, held)| RecoveredSegment {
            segment,
            held,
            extents: self.extents.iter().filter(|extent| extent.segment == segment).copied().collect(),
            tail_raw_bytes: 0,
        });
        Recovered { state: self.state.clone(), segments: segments.collect() }
    }
}
