//! Sealing: the origin folds a tail into an extent and offers it, so that the dear encoding is done once in the mesh. If the
//! origin is gone, the first live holder does it; and whoever waited in vain does it for itself, so that no tail grows for ever.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Replica;
use super::interface::Output;
use super::serve::Serve;
use crate::id::NodeId;
use crate::message::Message;
use crate::segment::{ExtentId, SegmentId};
use crate::seq_set::SeqSet;
use crate::time::Instant;

/// Which segments have a tail, and what is being sealed.
#[derive(Debug, Default)]
pub(super) struct Seals {
    /// Segments with batches outside of extents.
    tails: BTreeSet<SegmentId>,
    sealing: BTreeSet<SegmentId>,
    /// A seal failed: none is tried before then.
    not_before: Instant,
    /// How many raw bytes came since tails were last looked through.
    grown_bytes: u64,
}

impl Replica {
    /// Looks for tails at the start.
    pub(super) fn find_tails(&mut self) {
        let tails = self.segments.iter().filter(|(_, segment)| !segment.sealed.is_superset(&segment.held));
        self.seals.tails = tails.map(|(id, _)| *id).collect();
    }

    /// Notes that a tail has grown by so many raw bytes, and looks what is due once that is worth it: the next tick would
    /// come late for a burst.
    pub(super) fn tail_grew(&mut self, segment: SegmentId, raw_bytes: u64) {
        self.seals.tails.insert(segment);
        self.seals.grown_bytes += raw_bytes;
        if self.seals.grown_bytes >= self.context.config.seal_bytes {
            self.tick_seals();
        }
    }

    pub(super) fn seals_drop(&mut self, segment: &SegmentId) {
        self.seals.tails.remove(segment);
        self.seals.sealing.remove(segment);
    }

    /// Seals what is due, a few at a time.
    pub(super) fn tick_seals(&mut self) {
        self.seals.grown_bytes = 0;
        let tails: Vec<_> = self.seals.tails.iter().copied().collect();
        for segment in tails {
            if self.seals.sealing.len() >= SEALS_AT_ONCE || self.seals.not_before > self.context.now.instant {
                return;
            }
            let Some(extent) = self.due_extent(segment) else { continue };
            self.seals.sealing.insert(segment);
            self.context.output(Output::Seal(extent));
        }
    }

    fn due_extent(&mut self, id: SegmentId) -> Option<ExtentId> {
        let segment = self.segments.find(&id)?;
        let is_fresh = self.context.ago(segment.stored_at) < self.context.config.seal_after;
        if is_fresh && segment.sizes().raw_bytes < self.context.config.seal_bytes {
            return None;
        }
        let patience = if self.is_sealer(&id) { 1 } else { PATIENCE_OF_OTHERS };
        let segment = self.segments.find(&id)?;
        let tail = segment.held.difference(&segment.sealed);
        let Some(run) = tail.ranges().next() else {
            self.seals.tails.remove(&id);
            return None;
        };
        let quiet = self.context.ago(segment.stored_at) >= self.context.config.seal_after * patience;
        let large = segment.raw_of(&tail) >= self.context.config.seal_bytes * u64::from(patience);
        // While a batch is being written into it, what is sealed would have to be told apart from what is not.
        let is_coming = !self.receiving.underway(&id).intersection(&tail).is_empty();
        let busy = is_coming || self.seals.sealing.contains(&id) || !segment.is_known();
        if busy || !(quiet || large) {
            return None;
        }
        let bytes_max = (2 * self.context.config.seal_bytes).min(EXTENT_RAW_BYTES_MAX);
        let mut to = run.end;
        while to - run.start > 1 && segment.raw_of(&SeqSet::from_range(run.start..to)) > bytes_max {
            to = run.start + (to - run.start) / 2;
        }
        Some(ExtentId { segment: id, from: run.start, to })
    }

    /// Tells whether this node is the one to seal: the origin, or the first live holder while it is away.
    fn is_sealer(&mut self, segment: &SegmentId) -> bool {
        let me = self.context.id;
        let origin = segment.origin();
        if origin == me || self.members.is_live(origin) {
            return origin == me;
        }
        let holders = self.holders(segment);
        let first = holders.iter().find(|node| **node == me || self.members.is_live(**node));
        first == Some(&me)
    }

    pub(super) fn on_sealed(&mut self, segment: SegmentId, extent: Option<(ExtentId, u64)>) {
        self.seals.sealing.remove(&segment);
        let Some((extent, bytes)) = extent else {
            self.seals.not_before = self.context.now.instant + SEAL_RETRY;
            return;
        };
        self.note_sealed(extent);
        if self.is_sealer(&segment) {
            self.offer(extent, bytes);
        }
        self.tick_seals();
    }

    /// Offers an extent to all holders that hold its batches.
    fn offer(&mut self, extent: ExtentId, bytes: u64) {
        let segment = extent.segment;
        let range = SeqSet::from_range(extent.from..extent.to);
        for holder in self.holders(&segment).iter().copied() {
            let whole =
                self.segments.find(&segment).is_some_and(|held| held.is_confirmed(holder, self.members.boot(holder)));
            let holds = whole || self.pushed(&segment, holder).is_superset(&range);
            if holder != self.context.id && holds && self.members.is_live(holder) {
                self.context.send(holder, Message::Offer { extent, bytes });
            }
        }
    }

    /// Notes an extent that the store has. As in the store, it takes the place of those that lie within it: an extent may have
    /// been on its way here while a part of it was sealed here.
    pub(super) fn note_sealed(&mut self, extent: ExtentId) {
        let Some(segment) = self.segments.find_mut(&extent.segment) else { return };
        let range = SeqSet::from_range(extent.from..extent.to);
        let is_within = |(from, to): &(u32, u32)| extent.from <= *from && *to <= extent.to;
        let overlaps = |(from, to): &(u32, u32)| *from < extent.to && extent.from < *to;
        if segment.held.is_superset(&range) && segment.extents.iter().all(|other| is_within(other) || !overlaps(other))
        {
            segment.sealed = segment.sealed.union(&range);
            segment.extents.retain(|other| !is_within(other));
            segment.extents.insert((extent.from, extent.to));
        }
    }

    pub(super) fn on_offer(&mut self, from: NodeId, extent: ExtentId) {
        let range = SeqSet::from_range(extent.from..extent.to);
        let fits = |segment: &super::segments::Segment| {
            segment.held.is_superset(&range) && segment.sealed.intersection(&range).is_empty()
        };
        let is_free = !self.seals.sealing.contains(&extent.segment);
        if is_free && self.segments.find(&extent.segment).is_some_and(fits) {
            self.context.send(from, Message::Take { extent });
        }
    }

    pub(super) fn on_take(&mut self, from: NodeId, extent: ExtentId) {
        let has = |segment: &super::segments::Segment| segment.extents.contains(&(extent.from, extent.to));
        if self.segments.find(&extent.segment).is_some_and(has) {
            self.serve(from, Serve::Extent(extent));
        }
    }
}

/// The raw bytes beyond which no extent grows, but for a single batch: it must fit a frame even if it does not compress.
const EXTENT_RAW_BYTES_MAX: u64 = 16 << 20;
/// Segments that are sealed at once.
const SEALS_AT_ONCE: usize = 2;
/// After a seal that failed, the next is tried so much later.
const SEAL_RETRY: Duration = Duration::from_secs(30);
/// How much more, in time and bytes, a node waits for that is not the one to seal.
const PATIENCE_OF_OTHERS: u32 = 4;
