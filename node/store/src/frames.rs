//! Gives batches back as frames: as they lie in the tail, or rebuilt byte for byte from extents.

use bytes::Bytes;
use logmesh_protocol::batch::BatchFrame;
use logmesh_protocol::id::BatchId;
use logmesh_protocol::ledger::LedgerEntry;
use logmesh_protocol::segment::{ExtentId, SegmentId};
use logmesh_protocol::seq_set::SeqSet;

use crate::batch::unpack;
use crate::db::{ReadError, View};
use crate::keys::{Family, batch_key};
use crate::ledger::Held;
use crate::writer::TAIL_VERSION;

/// The batches that were asked for, in order of seq.
#[derive(Clone, Debug, Default)]
pub struct Frames {
    /// The frames; each was checked against its id.
    pub frames: Vec<BatchFrame>,
    /// Those that are in the ledger and could not be read, or do not hash to their id.
    pub damaged: SeqSet,
    /// Those that did not fit any more.
    pub rest: SeqSet,
}

impl View<'_> {
    /// Returns the frames of `seqs`, as many as fit `bytes_max` (at least one). What is not held is left out.
    pub(crate) fn frames(&self, segment: &SegmentId, seqs: &SeqSet, bytes_max: usize) -> Result<Frames, ReadError> {
        let mut collected = Collected { bytes_max, bytes: 0, out: Frames::default() };
        for range in seqs.ranges() {
            for held in self.held_within(segment, range)? {
                let wanted = SeqSet::from_range(held.range()).intersection(seqs);
                // An extent that reaches into two ranges was given with the first.
                if wanted.iter().next().is_none_or(|seq| collected.has(seq)) {
                    continue;
                }
                if collected.full() {
                    collected.out.rest = collected.out.rest.union(&wanted);
                    continue;
                }
                match held {
                    Held::Batch(seq, entry) => self.tail_frame(segment, seq, entry, &mut collected),
                    Held::Extent(id, entries) => self.extent_frames(&id, &entries, &wanted, &mut collected),
                }
            }
        }
        Ok(collected.out)
    }

    fn tail_frame(&self, segment: &SegmentId, seq: u32, entry: LedgerEntry, out: &mut Collected) {
        match self.tail_body(segment, seq).filter(|body| unpack(body, &entry.id).is_ok()) {
            Some(body) => out.add(BatchFrame { segment: *segment, seq, id: entry.id, body }),
            None => out.damaged(seq),
        }
    }

    fn extent_frames(&self, id: &ExtentId, entries: &[LedgerEntry], wanted: &SeqSet, out: &mut Collected) {
        let Ok(opened) = self.extent(id).and_then(|filed| self.open(filed)) else {
            wanted.iter().for_each(|seq| out.damaged(seq));
            return;
        };
        // Packing is the dearest step, so what does not fit is not even rebuilt; `full` changes while frames are added.
        let collected = std::cell::RefCell::new(out);
        let fits = |seq| {
            let wanted = wanted.contains(seq);
            if wanted && collected.borrow().full() {
                collected.borrow_mut().out.rest.insert(seq);
                return false;
            }
            wanted
        };
        let rebuilt = opened.rebuild(&fits, &mut |seq, batch| {
            let entry = entries[(seq - id.from) as usize];
            let mut out = collected.borrow_mut();
            match batch.filter(|canonical| BatchId::of(canonical) == entry.id) {
                Some(canonical) => {
                    let body = Bytes::from(lz4_flex::block::compress_prepend_size(&canonical));
                    out.add(BatchFrame { segment: id.segment, seq, id: entry.id, body });
                }
                None => out.damaged(seq),
            }
        });
        if rebuilt.is_err() {
            let out = collected.into_inner();
            wanted.iter().filter(|seq| !out.has(*seq)).collect::<Vec<_>>().into_iter().for_each(|seq| out.damaged(seq));
        }
    }

    /// Returns the body of a batch in the tail, unchecked; `None` if it is not there or not readable.
    pub(crate) fn tail_body(&self, segment: &SegmentId, seq: u32) -> Option<Bytes> {
        let value = self.value(Family::Tail, &batch_key(segment, seq)).ok()??;
        let (&TAIL_VERSION, body) = value.split_first()? else { return None };
        Some(Bytes::copy_from_slice(body))
    }

    /// Returns the canonical bytes of a batch in the tail, if they can be read and hash to its id.
    pub(crate) fn tail_canonical(&self, segment: &SegmentId, seq: u32, entry: &LedgerEntry) -> Option<Vec<u8>> {
        let value = self.value(Family::Tail, &batch_key(segment, seq)).ok()??;
        let (&TAIL_VERSION, body) = value.split_first()? else { return None };
        unpack(body, &entry.id).ok()
    }
}

/// Frames as they are collected.
struct Collected {
    bytes_max: usize,
    bytes: usize,
    out: Frames,
}

impl Collected {
    fn full(&self) -> bool {
        self.bytes >= self.bytes_max && !self.out.frames.is_empty()
    }

    /// Adds a frame, or leaves it for the rest if it does not fit and is not the first.
    fn add(&mut self, frame: BatchFrame) {
        self.bytes += frame.body.len();
        if self.bytes > self.bytes_max && !self.out.frames.is_empty() {
            self.out.rest.insert(frame.seq);
        } else {
            self.out.frames.push(frame);
        }
    }

    fn damaged(&mut self, seq: u32) {
        self.out.damaged.insert(seq);
    }

    fn has(&self, seq: u32) -> bool {
        let last = self.out.frames.last().map(|frame| frame.seq);
        last.is_some_and(|last| seq <= last) || self.out.damaged.contains(seq) || self.out.rest.contains(seq)
    }
}
