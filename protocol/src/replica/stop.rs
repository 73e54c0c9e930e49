//! The clean stop: all that this node holds is shown to somebody who stays up and holds it too, so that answers stay complete
//! without this node; then it says so, and ends. All of it within a bound.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Replica;
use super::context::Timer;
use super::interface::Output;
use crate::id::NodeId;
use crate::message::{Message, Wish};
use crate::segment::SegmentId;
use crate::time::Instant;

/// A stop in progress.
#[derive(Debug)]
pub(super) struct Stopping {
    deadline: Instant,
    step: Step,
}

#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// What is held here alone is handed over.
    HandingOver,
    /// All is; another member is to know that before the end.
    Telling { since: Instant },
    /// Nothing more is done.
    Done,
}

impl Stopping {
    /// Tells whether nothing more is to be done.
    pub(super) fn is_done(&self) -> bool {
        self.step == Step::Done
    }
}

impl Replica {
    pub(super) fn begin_stop(&mut self) {
        if self.stop.is_none() {
            let deadline = self.context.now.instant + self.context.config.stop_timeout;
            self.stop = Some(Stopping { deadline, step: Step::HandingOver });
            self.context.arm(Timer::Stop, Duration::ZERO);
        }
    }

    pub(super) fn on_stop_timer(&mut self) {
        let now = self.context.now.instant;
        let Some(stop) = &self.stop else { return };
        let (deadline, telling) = match stop.step {
            Step::Done => return,
            Step::HandingOver => (stop.deadline, None),
            Step::Telling { since } => (stop.deadline, Some(since)),
        };
        let is_alone = self.members.live().next().is_none() && self.journal.is_stored();
        match telling {
            Some(since) if now.since(since) >= TELLING_MAX => self.end_stop(true),
            Some(_) => self.send_last_row(),
            None if self.is_handed_over() => self.tell_clean(),
            // Alone, there is nobody to wait for. What the store is at is waited for all the same.
            None if deadline <= now || is_alone => self.end_stop(false),
            None => {}
        }
        self.context.arm(Timer::Stop, STOP_TICK);
    }

    /// Shows what nobody else is known to hold. Tells whether there is nothing of that kind, nor anything owed.
    fn is_handed_over(&mut self) -> bool {
        let mut asks: BTreeMap<NodeId, Vec<SegmentId>> = BTreeMap::new();
        let mut all = self.segments.is_loaded() && self.journal.is_stored() && self.is_paid();
        for id in self.segments.ids() {
            let order = self.order(&id);
            let Some(segment) = self.segments.find(&id) else { continue };
            all &= segment.quarantined.is_empty();
            if segment.held.is_empty() || self.is_gone(&id) {
                continue;
            }
            let live: Vec<NodeId> = order.into_iter().filter(|node| self.members.is_able(*node)).collect();
            let is_covered = |node: &NodeId| segment.is_confirmed(*node, self.members.boot(*node));
            if self.members.live().any(|node| is_covered(&node)) {
                continue;
            }
            all = false;
            if let Some(first) = live.first() {
                self.ask_to_confirm(id, *first, &mut asks);
            }
        }
        for (node, segments) in asks {
            self.tell_have(node, segments, Wish::Take);
        }
        all
    }

    /// From here on nothing changes any more: the row says that answers are complete without this node.
    fn tell_clean(&mut self) {
        let losses = self.members.table.losses();
        self.change_mine(|mine| mine.clean = Some(losses));
        if let Some(stop) = &mut self.stop {
            stop.step = Step::Telling { since: self.context.now.instant };
        }
        self.send_last_row();
    }

    fn send_last_row(&mut self) {
        let (digest, rows) = (self.members.table.digest(), vec![self.members.mine.clone()]);
        for node in self.members.live().collect::<Vec<_>>() {
            self.context.send(node, Message::Members { digest, rows: rows.clone(), answer: false });
        }
    }

    /// Another member knows the row.
    pub(super) fn stop_is_known(&mut self) {
        if matches!(self.stop.as_ref().map(|stop| &stop.step), Some(Step::Telling { .. })) {
            self.end_stop(true);
        }
    }

    fn end_stop(&mut self, clean: bool) {
        if let Some(stop) = &mut self.stop {
            stop.step = Step::Done;
        }
        self.acknowledge_rest();
        self.persist();
        self.announce_changes();
        self.context.output(Output::Stopped { clean });
    }
}

/// How often a stop in progress is looked at.
const STOP_TICK: Duration = Duration::from_millis(100);
/// How long to wait until another member knows that this node stopped in order.
const TELLING_MAX: Duration = Duration::from_secs(2);
