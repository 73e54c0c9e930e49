//! Appends: each gets the next number of this node's journal, is stored, and is answered when enough copies are durable.
//!
//! Nothing is ever acknowledged before the own store has said that it is durable.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Replica;
use super::context::Timer;
use super::interface::{Append, Output, StoredBatch, Ticket};
use crate::id::JournalId;
use crate::member::MemberState;
use crate::segment::{SegmentId, Window};
use crate::seq_set::SeqSet;
use crate::time::Instant;

/// This node's own journal, and who waits for an answer.
#[derive(Debug, Default)]
pub(super) struct Journal {
    /// The part that each window is at. Windows leave with their expiry.
    parts: BTreeMap<Window, Part>,
    /// Appends that the store has not answered yet. As many as the shell gives at a time.
    storing: BTreeMap<(SegmentId, u32), Pending>,
    /// Appends that wait for copies.
    waiting: BTreeMap<SegmentId, BTreeMap<u32, Pending>>,
    deadlines: BTreeSet<(Instant, SegmentId, u32)>,
}

#[derive(Debug, Default)]
struct Part {
    number: u32,
    next_seq: u32,
    raw_bytes: u64,
}

#[derive(Clone, Copy, Debug)]
struct Pending {
    ticket: Ticket,
    copies: u8,
    deadline: Instant,
}

impl Journal {
    /// Tells whether nothing is being stored.
    pub(super) fn is_stored(&self) -> bool {
        self.storing.is_empty()
    }

    /// Returns which batches of `segment` somebody waits for.
    pub(super) fn waiting_for(&self, segment: &SegmentId) -> SeqSet {
        self.waiting.get(segment).map(|waiting| waiting.keys().copied().collect()).unwrap_or_default()
    }

    /// Returns the most copies that anybody wants of `segment`.
    pub(super) fn copies_wanted(&self, segment: &SegmentId) -> u8 {
        let waiting = self.waiting.get(segment).into_iter().flat_map(BTreeMap::values);
        waiting.map(|pending| pending.copies).max().unwrap_or(0)
    }

    /// Returns how many appends the store is at, how many wait for copies, and how many may.
    pub(super) fn sizes(&self) -> (usize, usize, u64) {
        (self.storing.len(), self.deadlines.len(), WAITING_MAX as u64)
    }

    /// Tells whether the store is at an append to `segment`.
    pub(super) fn is_storing(&self, segment: &SegmentId) -> bool {
        self.storing.range((*segment, 0)..=(*segment, u32::MAX)).next().is_some()
    }

    /// A segment of this journal was dropped: what comes next goes to another part, for its numbers begin at nought.
    pub(super) fn end_part(&mut self, segment: &SegmentId) {
        if let Some(part) = self.parts.get_mut(&segment.window).filter(|part| part.number == segment.part) {
            *part = Part { number: part.number + 1, ..Part::default() };
        }
    }

    pub(super) fn forget(&mut self, window: Window) {
        self.parts.remove(&window);
    }

    fn take(&mut self, segment: &SegmentId, seq: u32) -> Option<Pending> {
        let waiting = self.waiting.get_mut(segment)?;
        let pending = waiting.remove(&seq)?;
        if waiting.is_empty() {
            self.waiting.remove(segment);
        }
        self.deadlines.remove(&(pending.deadline, *segment, seq));
        Some(pending)
    }
}

impl Replica {
    pub(super) fn append(&mut self, append: Append) {
        let journal = JournalId { node: self.context.id, boot: self.context.boot };
        // Nobody would keep what is past its retention, nor hand over what comes after all was.
        let has_left = self.members.mine.state == MemberState::Left;
        let is_alone = planted!(RefusesAlone) && self.members.has_others() && self.members.live().next().is_none();
        if self.stop.is_some() || has_left || self.is_past(append.window) || is_alone {
            self.context.output(Output::Refuse { ticket: append.ticket, full: false });
            return;
        }
        let config = &self.context.config;
        let part = self.journal.parts.entry(append.window).or_default();
        let batches_max = config.segment_batches_max.min(crate::merkle::LEAVES_MAX);
        if part.next_seq >= batches_max || part.raw_bytes >= config.segment_bytes_max {
            *part = Part { number: part.number + 1, ..Part::default() };
        }
        let segment = SegmentId { window: append.window, journal, part: part.number };
        let seq = part.next_seq;
        part.next_seq += 1;
        part.raw_bytes += append.raw_bytes;
        let pending = Pending { ticket: append.ticket, copies: append.copies, deadline: Instant::default() };
        self.journal.storing.insert((segment, seq), pending);
        if planted!(AcknowledgedBeforeDurable) {
            self.journal.storing.remove(&(segment, seq));
            self.context.output(Output::StoreAppend { ticket: append.ticket, segment, seq });
            self.context.output(Output::Acknowledge { ticket: append.ticket, copies: 1 });
            return;
        }
        self.context.output(Output::StoreAppend { ticket: append.ticket, segment, seq });
    }

    /// A batch of the own journal is durable: it can be pushed, and answered for.
    pub(super) fn on_appended(&mut self, batch: &StoredBatch) {
        self.note_full(false);
        self.push_new(batch.segment);
        self.context.arm(Timer::Announce, Duration::ZERO);
        let Some(pending) = self.journal.storing.remove(&(batch.segment, batch.seq)) else { return };
        let deadline = self.context.now.instant + self.context.config.ack_timeout;
        let pending = Pending { deadline, ..pending };
        self.journal.waiting.entry(batch.segment).or_default().insert(batch.seq, pending);
        self.journal.deadlines.insert((deadline, batch.segment, batch.seq));
        if self.journal.deadlines.len() > WAITING_MAX {
            let oldest = self.journal.deadlines.first().copied();
            oldest.into_iter().for_each(|(_, segment, seq)| self.acknowledge(segment, seq));
        }
        self.context.arm(Timer::Acknowledge, self.context.config.ack_timeout);
    }

    /// A batch became durable just as its segment expired: it is answered for, and nothing more becomes of it.
    pub(super) fn on_appended_too_late(&mut self, batch: &StoredBatch) {
        if let Some(pending) = self.journal.storing.remove(&(batch.segment, batch.seq)) {
            self.context.output(Output::Acknowledge { ticket: pending.ticket, copies: 1 });
        }
    }

    /// What could not be stored leaves a hole in its part, and heads promise dense numbers: the part ends before it.
    pub(super) fn on_append_failed(&mut self, batches: &[(SegmentId, u32)], full: bool) {
        if full {
            self.note_full(true);
        }
        for (segment, seq) in batches {
            let Some(pending) = self.journal.storing.remove(&(*segment, *seq)) else { continue };
            self.context.output(Output::Refuse { ticket: pending.ticket, full });
            match self.journal.parts.get_mut(&segment.window) {
                Some(part) if part.number == segment.part && !planted!(HoleInPart) => {
                    *part = Part { number: part.number + 1, ..Part::default() }
                }
                Some(_) | None => {}
            }
        }
    }

    /// Answers all appends to `segment` that have enough copies, or as many as can be had.
    pub(super) fn acknowledge_due(&mut self, segment: SegmentId) {
        let Some(waiting) = self.journal.waiting.get(&segment) else { return };
        if !self.members.is_known && self.members.has_others() {
            return;
        }
        let waiting: Vec<_> = waiting.iter().map(|(seq, pending)| (*seq, pending.copies)).collect();
        let due: Vec<u32> = waiting
            .into_iter()
            .filter(|(seq, wanted)| {
                self.copies_of(&segment, *seq) >= (*wanted).min(self.copies_possible(&segment, *seq))
            })
            .map(|(seq, _)| seq)
            .collect();
        due.into_iter().for_each(|seq| self.acknowledge(segment, seq));
    }

    pub(super) fn acknowledge_all_due(&mut self) {
        let segments: Vec<_> = self.journal.waiting.keys().copied().collect();
        segments.into_iter().for_each(|segment| self.acknowledge_due(segment));
    }

    /// Answers those who have waited long enough with what there is.
    pub(super) fn on_acknowledge_timer(&mut self) {
        while let Some((deadline, segment, seq)) = self.journal.deadlines.first().copied() {
            if deadline > self.context.now.instant {
                self.context.arm(Timer::Acknowledge, deadline.since(self.context.now.instant));
                return;
            }
            self.acknowledge(segment, seq);
        }
    }

    /// Answers everybody with what there is: the end has come.
    pub(super) fn acknowledge_rest(&mut self) {
        while let Some((_, segment, seq)) = self.journal.deadlines.first().copied() {
            self.acknowledge(segment, seq);
        }
    }

    fn acknowledge(&mut self, segment: SegmentId, seq: u32) {
        let copies = self.copies_of(&segment, seq);
        if let Some(pending) = self.journal.take(&segment, seq) {
            self.context.output(Output::Acknowledge { ticket: pending.ticket, copies });
        }
    }

    /// Returns how many batches of `segment` became durable here without a hole: what may be promised as its head. What was set aside as
    /// damaged was written all the same; without it the head would sink, and nobody know that the batches beyond are missing.
    pub(super) fn head_of(&self, segment: &SegmentId) -> u32 {
        let Some(segment) = self.segments.find(segment) else { return 0 };
        let written = segment.held.union(&segment.quarantined);
        written.ranges().next().filter(|first| first.start == 0).map_or(0, |first| first.end)
    }
}

/// The most appends that wait for copies; beyond it the oldest are answered with what there is.
const WAITING_MAX: usize = 65_536;
