//! What a node holds beyond its share (as stand-in, leaver, or after placement moved) goes to its holders, and is dropped only
//! once all of them are up and have shown just now that they hold all of it. A leaving node shows everything, and drops nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Replica;
use super::interface::{Event, Output};
use crate::id::NodeId;
use crate::member::MemberState;
use crate::message::{SEGMENTS_MAX, Wish};
use crate::segment::SegmentId;

/// What a look at one segment came to.
enum Verdict {
    /// It is this node's to hold.
    Keep,
    /// Holders are away, or have not answered.
    Wait,
    /// All holders have all of it.
    Covered,
}

impl Replica {
    /// Looks at all that is held beyond the own share.
    pub(super) fn tick_handover(&mut self) {
        if self.stop.is_some() {
            return;
        }
        let leaving = self.members.mine.state == MemberState::Leaving;
        if !leaving && (planted!(StandInKeeps) || !self.context.config.mechanisms.handover) {
            return;
        }
        if leaving && !self.members.has_others() {
            return;
        }
        let mut asks: BTreeMap<NodeId, Vec<SegmentId>> = BTreeMap::new();
        let mut all_covered = self.segments.is_loaded();
        for id in self.segments.ids() {
            match self.look_at(id, &mut asks) {
                Verdict::Keep => {}
                Verdict::Wait => all_covered = false,
                Verdict::Covered if leaving => {}
                Verdict::Covered => self.drop_segment(id, false),
            }
        }
        for (holder, segments) in asks {
            self.tell_have(holder, segments, Wish::Confirm);
        }
        // A node without a place left to hand over to stays: it would be the end of what it holds.
        if leaving && all_covered && self.journal.is_stored() {
            self.change_mine(|mine| mine.state = MemberState::Left);
            self.context.event(Event::Left);
        }
    }

    fn look_at(&mut self, id: SegmentId, asks: &mut BTreeMap<NodeId, Vec<SegmentId>>) -> Verdict {
        let (holders, is_leaving) = (self.holders(&id), self.members.mine.state == MemberState::Leaving);
        // Nothing more is taken over so late; what a leaver alone has goes all the same, while it lives.
        let is_late = if is_leaving { self.is_gone(&id) } else { self.is_expiring(&id) };
        if holders.contains(&self.context.id) || is_late {
            return Verdict::Keep;
        }
        if !self.receiving.underway(&id).is_empty() || self.journal.is_storing(&id) {
            // What is being stored would be deleted with the rest, unseen by the holders.
            return Verdict::Wait;
        }
        let Some(segment) = self.segments.find(&id) else { return Verdict::Keep };
        if segment.held.is_empty() && segment.quarantined.is_empty() {
            return Verdict::Covered;
        }
        if holders.is_empty() || !segment.is_known() || !segment.quarantined.is_empty() {
            return Verdict::Wait;
        }
        let lately = if is_leaving { SHOWN_TO_LEAVER } else { SHOWN_LATELY };
        // A holder that is about to stop may be relying on this very node.
        let all_live = planted!(DroppedTooEarly) || holders.iter().all(|holder| self.members.is_staying(*holder));
        let mut covered = all_live;
        let mut ask = Vec::new();
        for holder in holders.iter().copied().filter(|holder| self.members.is_live(*holder)) {
            let shown = segment.confirmed_at(holder, self.members.boot(holder)).map(|at| self.context.ago(at));
            // While not all are up, having shown it once is enough: nothing can be dropped yet.
            let is_older = |age| shown.is_none_or(|ago| all_live && ago >= age && !planted!(RootCachedTooLong));
            covered &= !is_older(lately);
            // What is old is shown again before it is too old: else there would always be some segment that is.
            if is_older(lately / 2) {
                ask.push(holder);
            }
        }
        for holder in ask {
            self.ask_to_confirm(id, holder, asks);
        }
        if covered { Verdict::Covered } else { Verdict::Wait }
    }

    /// Puts a segment on the list of what `holder` is shown, unless it was a moment ago.
    pub(super) fn ask_to_confirm(
        &mut self,
        id: SegmentId,
        holder: NodeId,
        asks: &mut BTreeMap<NodeId, Vec<SegmentId>>,
    ) {
        let now = self.context.now.instant;
        let list = asks.entry(holder).or_default();
        let Some(segment) = self.segments.find_mut(&id) else { return };
        let mark = segment.marks.entry(holder).or_default();
        if list.len() < SEGMENTS_MAX && mark.asked.is_none_or(|at| now.since(at) >= ASK_AGAIN) {
            mark.asked = Some(now);
            list.push(id);
        }
    }

    pub(super) fn drop_segment(&mut self, id: SegmentId, expired: bool) {
        self.segments.forget(&self.context, &id);
        self.push_drops(&id);
        if id.origin() == self.context.id && id.journal.boot == self.context.boot {
            self.journal.end_part(&id);
        }
        self.seals_drop(&id);
        self.scrub_drops(&id);
        self.context.output(Output::Drop(id));
        self.context.event(Event::Dropped { segment: id, expired });
    }

    /// Tells whether all that this node wrote before its present start has all its copies.
    pub(super) fn is_settled(&self) -> bool {
        if !self.knows_its_past() {
            return false;
        }
        let me = self.context.id;
        let older = self.segments.iter().filter(|(id, _)| id.origin() == me && id.journal.boot != self.context.boot);
        older.into_iter().all(|(id, segment)| {
            let holders = self.holders_of(id);
            segment.quarantined.is_empty()
                && holders
                    .iter()
                    .filter(|node| **node != me)
                    .all(|node| segment.is_confirmed(*node, self.members.boot(*node)))
        })
    }
}

/// A holder has shown something just now if it did so within this time.
const SHOWN_LATELY: Duration = Duration::from_secs(10);
/// The same for a node that leaves: it needs all its segments shown at one time, however many they are, and drops none.
const SHOWN_TO_LEAVER: Duration = Duration::from_secs(60);
/// A holder that was shown a segment is shown it again after this.
const ASK_AGAIN: Duration = Duration::from_secs(2);
