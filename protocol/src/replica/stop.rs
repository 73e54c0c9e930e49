//! The clean stop: all that this node holds is shown to somebody who stays up and holds it too, so that answers stay complete
//! without this node; then it says so, and ends. All of it within a bound.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Replica;
use super::context::Timer;
use super::interface::Output;
use crate::id::NodeId;
use crate::message::Wish;
use crate::segment::SegmentId;
use crate::time::Instant;

/// A stop in progress.
#[derive(Debug)]
pub(super) struct Stopping {
    since: Instant,
    deadline: Instant,
    step: Step,
    /// Who said that it cannot vouch for anything now, and when. At most the members.
    unwilling: BTreeMap<NodeId, Instant>,
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
            let since = self.context.now.instant;
            let deadline = since + self.context.config.stop_timeout;
            self.stop = Some(Stopping { since, deadline, step: Step::HandingOver, unwilling: BTreeMap::new() });
            self.context.arm(Timer::Stop, Duration::ZERO);
            // One round with each shows the bulk of what is held alike.
            let live: Vec<_> = self.members.live().collect();
            live.into_iter().for_each(|node| self.repair_soon(node, Duration::ZERO));
        }
    }

    pub(super) fn on_stop_timer(&mut self) {
        let now = self.context.now.instant;
        let Some(stop) = &self.stop else { return };
        let (since, deadline) = (stop.since, stop.deadline);
        let telling = match stop.step {
            Step::Done => return,
            Step::HandingOver => None,
            Step::Telling { since } => Some(since),
        };
        let is_alone = self.members.live().next().is_none() && self.journal.is_stored();
        match telling {
            // Nobody has heard of it: to the others this node is away like any other.
            Some(since) if now.since(since) >= TELLING_MAX => self.end_stop(false),
            Some(_) => self.send_last_row(),
            None if self.is_handed_over(since) => self.tell_clean(),
            // Alone, there is nobody to wait for. What the store is at is waited for all the same.
            None if deadline <= now || is_alone => self.end_stop(false),
            None => {}
        }
        self.context.arm(Timer::Stop, STOP_TICK);
    }

    /// Shows what nobody else has shown to hold in answer to what was asked since the stop began: who showed it before may have let go of
    /// it, or be stopping too. (So of two nodes, one that relies on the other began to stop earlier; the last of a chain stays.) Tells
    /// whether there is nothing of that kind, nor anything owed.
    fn is_handed_over(&mut self, since: Instant) -> bool {
        let mut asks: BTreeMap<NodeId, Vec<SegmentId>> = BTreeMap::new();
        let mut all = self.segments.is_loaded() && self.journal.is_stored() && self.is_paid();
        let ids = self.segments.ids();
        let asks_at_once = ids.len() <= ASKED_AT_ONCE || self.context.ago(since) >= ROUNDS_FIRST;
        // The first in the order may be unable to take it: then the next is shown it.
        let turn = (self.context.ago(since).as_nanos() / ASK_NEXT_AFTER.as_nanos()) as usize;
        let unwilling = self.unwilling();
        for id in ids {
            let order = self.order(&id);
            let Some(segment) = self.segments.find(&id) else { continue };
            all &= segment.quarantined.is_empty();
            if segment.held.is_empty() || self.is_gone(&id) {
                continue;
            }
            let is_willing = |node: &&NodeId| self.members.is_able(**node) && !unwilling.contains(*node);
            let live: Vec<NodeId> = order.iter().filter(is_willing).copied().collect();
            if self.members.live().any(|node| segment.is_covered(node, self.members.boot(node))) {
                continue;
            }
            all = false;
            if let Some(first) = live.get(turn % live.len().max(1)).filter(|_| asks_at_once) {
                self.ask_to_confirm(id, *first, &mut asks);
            }
        }
        for (node, segments) in asks {
            self.tell_have(node, segments, Wish::Take(self.context.boot));
        }
        all
    }

    /// A peer cannot vouch for anything now: it stops too, or has not looked through its disk.
    pub(super) fn stop_goes_elsewhere(&mut self, peer: NodeId) {
        if let Some(stop) = &mut self.stop {
            stop.unwilling.insert(peer, self.context.now.instant);
        }
    }

    fn unwilling(&self) -> BTreeSet<NodeId> {
        let said = self.stop.iter().flat_map(|stop| &stop.unwilling);
        said.filter(|(_, at)| self.context.ago(**at) < ASK_NEXT_AFTER).map(|(node, _)| *node).collect()
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
        // Whole, so that whoever has it knows all that this node knows of losses. A few tell the rest.
        for node in self.members.live().take(TOLD_AT_ONCE).collect::<Vec<_>>() {
            self.send_rows(node, false);
        }
    }

    /// Another member knows the row.
    pub(super) fn stop_is_known(&mut self) {
        if matches!(self.stop.as_ref().map(|stop| &stop.step), Some(Step::Telling { .. })) {
            self.end_stop(true);
        }
    }

    fn end_stop(&mut self, clean: bool) {
        if !clean && self.members.mine.clean.is_some() {
            self.change_mine(|mine| mine.clean = None);
        }
        if let Some(stop) = &mut self.stop {
            stop.step = Step::Done;
        }
        self.acknowledge_rest();
        self.persist();
        self.announce_changes();
        self.context.output(Output::Stopped { clean });
    }
}

/// With more segments than this, comparing rounds come before they are shown one by one.
const ASKED_AT_ONCE: usize = 512;
/// How long the rounds are given.
const ROUNDS_FIRST: Duration = Duration::from_secs(1);
/// How long one node is shown what it does not say that it holds, before the next is.
const ASK_NEXT_AFTER: Duration = Duration::from_secs(5);
/// How often a stop in progress is looked at.
const STOP_TICK: Duration = Duration::from_millis(100);
/// How many are told at once that this node stops.
const TOLD_AT_ONCE: usize = 8;
/// How long to wait until another member knows that this node stopped in order.
const TELLING_MAX: Duration = Duration::from_secs(2);
