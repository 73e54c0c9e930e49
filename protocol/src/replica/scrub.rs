//! The scrub: everything on disk is read and hashed, slowly, one segment at a time; what does not hash is set aside and fetched
//! again.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Replica;
use super::interface::Output;
use crate::segment::SegmentId;
use crate::seq_set::SeqSet;
use crate::time::Instant;

/// What is being read, and what is to be read soon.
#[derive(Debug, Default)]
pub(super) struct Scrub {
    verifying: Option<(SegmentId, Instant)>,
    /// At most all segments.
    soon: BTreeSet<SegmentId>,
    last: Instant,
    sought: Instant,
}

impl Replica {
    /// Reads a segment before those whose turn it is.
    pub(super) fn verify_soon(&mut self, segment: SegmentId) {
        self.scrub.soon.insert(segment);
    }

    pub(super) fn scrub_drops(&mut self, segment: &SegmentId) {
        self.scrub.soon.remove(segment);
    }

    pub(super) fn tick_scrub(&mut self) {
        let now = self.context.now.instant;
        let overdue = |(_, at): &(SegmentId, Instant)| now.since(*at) >= VERIFY_PATIENCE;
        self.scrub.verifying.take_if(|verifying| overdue(verifying));
        if self.scrub.verifying.is_none()
            && let Some(segment) = self.next_to_verify()
        {
            self.scrub.verifying = Some((segment, now));
            self.scrub.last = now;
            self.context.output(Output::Verify(segment));
        }
        if now.since(self.scrub.sought) >= self.context.config.repair_interval {
            self.scrub.sought = now;
            self.seek_quarantined();
        }
    }

    fn next_to_verify(&mut self) -> Option<SegmentId> {
        if let Some(segment) = self.scrub.soon.pop_first() {
            return Some(segment);
        }
        let (now, period) = (self.context.now.instant, self.context.config.scrub_period);
        let count = u32::try_from(self.segments.iter().count()).unwrap_or(u32::MAX).max(1);
        let pause = (period / count).clamp(PAUSE_MIN, PAUSE_MAX);
        if now.since(self.scrub.last) < pause || planted!(NeverScrubbed) {
            return None;
        }
        let due = self.segments.iter().filter(|(_, segment)| {
            segment.verified_at.is_none_or(|at| now.since(at) >= period) && !segment.held.is_empty()
        });
        due.min_by_key(|(id, segment)| (segment.verified_at, **id)).map(|(id, _)| *id)
    }

    pub(super) fn on_verified(&mut self, id: SegmentId, damaged: &SeqSet, whole: bool) {
        let now = self.context.now.instant;
        if whole {
            self.scrub.verifying.take_if(|(verifying, _)| *verifying == id);
        }
        let Some(segment) = self.segments.find_mut(&id) else { return };
        if whole {
            segment.verified_at = Some(now);
        }
        let damaged = damaged.intersection(&segment.held).difference(&segment.quarantined);
        if damaged.is_empty() {
            return;
        }
        segment.quarantined = segment.quarantined.union(&damaged);
        self.members.is_changed = true;
        self.context.output(Output::Quarantine { segment: id, seqs: damaged.clone() });
        self.on_damaged(id, &damaged);
    }

    pub(super) fn on_quarantined(&mut self, id: SegmentId, seqs: &SeqSet) {
        let Some(segment) = self.segments.find_mut(&id) else { return };
        segment.quarantined = segment.quarantined.union(seqs);
        self.segments.remove(&mut self.context, &id, seqs);
        self.tail_grew(id, 0);
        self.persist();
        self.seek_quarantined();
    }
}

/// A read that was not answered for so long has failed; the next segment is read.
const VERIFY_PATIENCE: Duration = Duration::from_secs(600);
/// The least pause between two segments.
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// The longest pause between two segments while any is due.
const PAUSE_MAX: Duration = Duration::from_secs(600);
