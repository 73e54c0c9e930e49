//! What peers send: batches and extents go to the store, and once durable their origin hears of it.
//!
//! Receivers never refuse by placement. They refuse (by saying nothing, the sender asks again) only what is beyond their bounds.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;

use super::Replica;
use super::context::Timer;
use super::interface::{Event, Output, StoredBatch};
use crate::batch::BatchFrame;
use crate::id::NodeId;
use crate::ledger::Inserted;
use crate::merkle::LEAVES_MAX;
use crate::message::Message;
use crate::segment::{ExtentId, SegmentId};
use crate::seq_set::SeqSet;

/// What is being stored for peers, and whom to tell.
#[derive(Debug, Default)]
pub(super) struct Receiving {
    /// Batches that the store has not answered yet, with their sizes. At most [`STORING_BYTES_MAX`].
    storing: BTreeMap<(SegmentId, u32), u64>,
    storing_bytes: u64,
    /// Extents that the store is adopting, with their sizes. At most [`ADOPTING_BYTES_MAX`], or one.
    adopting: BTreeMap<ExtentId, u64>,
    /// Who is to hear what is held of which segment: once for all that comes in together.
    tell: BTreeSet<(NodeId, SegmentId)>,
}

impl Receiving {
    /// Returns what of a segment is being stored.
    pub(super) fn underway(&self, segment: &SegmentId) -> SeqSet {
        let storing = self.storing.range((*segment, 0)..=(*segment, u32::MAX)).map(|((_, seq), _)| *seq);
        let adopting = self.adopting.keys().filter(|extent| extent.segment == *segment);
        let adopting =
            adopting.fold(SeqSet::new(), |set, extent| set.union(&SeqSet::from_range(extent.from..extent.to)));
        adopting.union(&storing.collect())
    }

    /// Returns how many batches and bytes the store is at and may be at, and how many extents.
    pub(super) fn sizes(&self) -> (usize, u64, u64, usize, u64) {
        // One that is larger than all may be is stored alone.
        let most = STORING_BYTES_MAX.max(self.storing.values().max().copied().unwrap_or(0));
        (self.storing.len(), self.storing_bytes, most, self.adopting.len(), u64::MAX)
    }

    fn done(&mut self, segment: &SegmentId, seq: u32) {
        let bytes = self.storing.remove(&(*segment, seq)).unwrap_or(0);
        self.storing_bytes -= bytes;
    }
}

impl Replica {
    pub(super) fn on_batches(&mut self, from: NodeId, frames: Vec<BatchFrame>) {
        let mut wanted = Vec::new();
        for frame in frames {
            let place = (frame.segment, frame.seq);
            if self.is_gone(&frame.segment) || frame.seq >= LEAVES_MAX {
                continue;
            }
            self.fetch_arrived(from, &frame.segment, frame.seq, frame.body.len() as u64);
            if frame.segment.origin() == from {
                self.receiving.tell.insert((from, frame.segment));
            }
            let held = self.segments.find(&frame.segment).is_some_and(|segment| segment.held.contains(frame.seq));
            let bytes = frame.body.len() as u64;
            let fits = self.receiving.storing_bytes + bytes <= STORING_BYTES_MAX || self.receiving.storing.is_empty();
            if held || !fits || self.receiving.storing.contains_key(&place) {
                continue;
            }
            self.receiving.storing.insert(place, bytes);
            self.receiving.storing_bytes += bytes;
            wanted.push(frame);
        }
        if !wanted.is_empty() {
            self.context.output(Output::StoreFrames { from, frames: wanted });
        }
    }

    pub(super) fn on_stored(&mut self, batches: Vec<StoredBatch>) {
        let mut mended: BTreeMap<SegmentId, u64> = BTreeMap::new();
        for batch in batches {
            self.receiving.done(&batch.segment, batch.seq);
            if self.is_gone(&batch.segment) {
                self.on_appended_too_late(&batch);
                continue;
            }
            let was_damaged =
                self.segments.find(&batch.segment).is_some_and(|held| held.quarantined.contains(batch.seq));
            *mended.entry(batch.segment).or_default() += u64::from(was_damaged);
            let in_flight = batch.from.is_none_or(|from| from == batch.segment.origin());
            let entry = (batch.seq, batch.entry);
            match self.segments.insert(&mut self.context, batch.segment, entry, in_flight) {
                Inserted::New | Inserted::Same => {
                    self.lacking.remove(&batch.segment);
                    self.on_durable(&batch);
                }
                Inserted::Different => self.verify_soon(batch.segment),
                Inserted::Beyond => {}
            }
        }
        for (segment, batches) in mended.into_iter().filter(|(_, batches)| *batches > 0) {
            self.context.event(Event::Mended { segment, batches });
            self.members.is_changed = true;
            self.context.arm(Timer::Announce, Duration::ZERO);
        }
    }

    fn on_durable(&mut self, batch: &StoredBatch) {
        self.tail_grew(batch.segment, u64::from(batch.entry.raw_bytes));
        match batch.from {
            None => self.on_appended(batch),
            Some(from) => {
                self.note_full(false);
                self.tell_origin(from, batch.segment);
            }
        }
    }

    /// Lets the origin know what is held here. If another brought it, the origin may be about to.
    fn tell_origin(&mut self, from: NodeId, segment: SegmentId) {
        let origin = segment.origin();
        let pushes = self.members.is_live(origin) && self.members.boot(origin) == Some(segment.journal.boot);
        if from == origin || pushes {
            self.receiving.tell.insert((origin, segment));
        }
    }

    pub(super) fn on_store_failed(&mut self, from: Option<NodeId>, batches: &[(SegmentId, u32)], full: bool) {
        match from {
            None => self.on_append_failed(batches, full),
            Some(_) => {
                batches.iter().for_each(|(segment, seq)| self.receiving.done(segment, *seq));
                if full {
                    self.note_full(true);
                }
            }
        }
    }

    pub(super) fn on_extent(&mut self, from: NodeId, extent: ExtentId, bytes: Bytes) {
        if self.is_gone(&extent.segment) || extent.from >= extent.to || extent.to > LEAVES_MAX {
            return;
        }
        let range = SeqSet::from_range(extent.from..extent.to);
        let overlaps =
            self.segments.find(&extent.segment).is_some_and(|held| !held.sealed.intersection(&range).is_empty());
        let underway = !self.receiving.underway(&extent.segment).intersection(&range).is_empty();
        self.fetch_arrives_whole(from, &extent, bytes.len() as u64);
        let adopting: u64 = self.receiving.adopting.values().sum();
        let fits = adopting == 0 || adopting + bytes.len() as u64 <= ADOPTING_BYTES_MAX;
        if overlaps || underway || !fits {
            self.receiving.tell.insert((from, extent.segment));
            return;
        }
        self.receiving.adopting.insert(extent, bytes.len() as u64);
        self.context.output(Output::Adopt { from, extent, bytes });
    }

    pub(super) fn on_adopted(&mut self, from: NodeId, extent: ExtentId, batches: Option<Vec<StoredBatch>>) {
        self.receiving.adopting.remove(&extent);
        let Some(batches) = batches else { return };
        if self.is_gone(&extent.segment) {
            return;
        }
        self.on_stored(batches);
        self.note_sealed(extent);
        self.tell_origin(from, extent.segment);
    }

    pub(super) fn on_ask(&mut self, from: NodeId, segments: Vec<SegmentId>) {
        let asked = segments.into_iter().take(crate::message::SEGMENTS_MAX);
        self.receiving.tell.extend(asked.map(|segment| (from, segment)));
    }

    /// Tells origins what is held, once for all that came in together.
    pub(super) fn tell_held(&mut self) {
        while let Some((to, segment)) = self.receiving.tell.pop_first() {
            let mut held = self.segments.held(&segment);
            if planted!(HeldBeforeDurable) {
                held = held.union(&self.receiving.underway(&segment));
            }
            self.context.send(to, Message::Held { segment, held });
        }
    }
}

/// Bytes of batches of peers that the store may be at; further ones are dropped and come again.
const STORING_BYTES_MAX: u64 = 64 << 20;
/// Bytes of extents of peers that the store may be at; further ones are dropped and come again.
const ADOPTING_BYTES_MAX: u64 = 64 << 20;
