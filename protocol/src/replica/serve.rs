//! What peers have asked for and get: batches and extents, one send a peer at a time, within a rate.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::Replica;
use super::context::Timer;
use super::interface::{Output, Purpose};
use crate::id::NodeId;
use crate::message::SEGMENTS_MAX;
use crate::segment::{ExtentId, SegmentId};
use crate::seq_set::SeqSet;
use crate::time::Instant;

/// All that is asked for.
#[derive(Debug, Default)]
pub(super) struct Serving {
    queues: BTreeMap<NodeId, Queue>,
    /// How many bytes may be sent now; below zero after a send that was larger than thought.
    tokens: i64,
    refilled: Instant,
    last: Option<NodeId>,
}

#[derive(Debug, Default)]
struct Queue {
    /// At most [`QUEUE_MAX`].
    waiting: VecDeque<Serve>,
    /// What the shell is reading and sending: segment, which of it, about how many bytes, since when.
    sending: Option<(SegmentId, SeqSet, u64, Instant)>,
    not_before: Option<Instant>,
}

/// Something to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Serve {
    /// These batches.
    Batches(SegmentId, SeqSet),
    /// This extent.
    Extent(ExtentId),
}

impl Serving {
    /// Tells whether `peer` has asked for something that was not sent yet.
    pub(super) fn is_busy_for(&self, peer: NodeId) -> bool {
        self.queues.get(&peer).is_some_and(|queue| queue.sending.is_some() || !queue.waiting.is_empty())
    }

    /// Returns how much waits for the peer for whom most does, and how much may.
    pub(super) fn longest(&self) -> (usize, u64) {
        let waiting = self.queues.values().map(|queue| queue.waiting.len() + usize::from(queue.sending.is_some()));
        (waiting.max().unwrap_or(0), QUEUE_MAX as u64 + 2)
    }
}

impl Replica {
    pub(super) fn on_want(&mut self, from: NodeId, segments: Vec<(SegmentId, SeqSet)>) {
        for (segment, seqs) in segments.into_iter().take(SEGMENTS_MAX) {
            let seqs = seqs.intersection(&self.segments.held(&segment));
            if !seqs.is_empty() {
                self.unconfirm(&segment, from);
                self.note_round_progress(from);
                self.serve(from, Serve::Batches(segment, seqs));
            }
        }
    }

    pub(super) fn serve(&mut self, to: NodeId, serve: Serve) {
        let queue = self.serving.queues.entry(to).or_default();
        if queue.waiting.len() < QUEUE_MAX && !queue.waiting.contains(&serve) {
            queue.waiting.push_back(serve);
            self.context.arm(Timer::Serve, Duration::ZERO);
        }
    }

    /// Sends to one peer after the other while the rate allows it.
    pub(super) fn on_serve_timer(&mut self) {
        let now = self.context.now.instant;
        let rate = self.context.config.repair_bytes_per_second.max(1);
        let earned = u128::from(rate) * now.since(self.serving.refilled).as_nanos() / 1_000_000_000;
        // At most a second's worth is saved up, and never less than one send.
        let most = i64::try_from(rate.max(SEND_BYTES)).unwrap_or(i64::MAX);
        let earned = i64::try_from(earned).unwrap_or(i64::MAX);
        if earned > 0 {
            self.serving.tokens = self.serving.tokens.saturating_add(earned).min(most);
            self.serving.refilled = now;
        }
        let members = &self.members;
        self.serving.queues.retain(|node, queue| {
            if queue.sending.as_ref().is_some_and(|(.., at)| now.since(*at) >= SENT_PATIENCE) {
                queue.sending = None;
            }
            members.is_live(*node) && (queue.sending.is_some() || !queue.waiting.is_empty())
        });
        let (after, before): (Vec<_>, Vec<_>) =
            self.serving.queues.keys().partition(|node| Some(**node) > self.serving.last);
        let turns: Vec<NodeId> = after.into_iter().chain(before).copied().collect();
        for node in turns {
            if self.serving.tokens <= 0 {
                break;
            }
            self.serve_one(node);
        }
        if self.serving.queues.values().any(|queue| !queue.waiting.is_empty()) {
            self.context.arm(Timer::Serve, SERVE_TICK);
        } else if self.serving.queues.values().any(|queue| queue.sending.is_some()) {
            // A send of which the shell says nothing any more is given up: no round begins with its peer meanwhile.
            self.context.arm(Timer::Serve, SENT_PATIENCE);
        }
    }

    fn serve_one(&mut self, to: NodeId) {
        let now = self.context.now.instant;
        let Some(queue) = self.serving.queues.get_mut(&to) else { return };
        if queue.sending.is_some() || queue.not_before.is_some_and(|at| at > now) {
            return;
        }
        while let Some(next) = queue.waiting.pop_front() {
            let (segment, seqs) = match &next {
                Serve::Batches(segment, seqs) => (*segment, seqs.clone()),
                Serve::Extent(extent) => (extent.segment, SeqSet::from_range(extent.from..extent.to)),
            };
            let Some(held) = self.segments.find(&segment) else { continue };
            let seqs = seqs.intersection(&held.held);
            let whole = matches!(next, Serve::Extent(_));
            let extent = held.extent_within(segment, &seqs);
            if seqs.is_empty() || (whole && extent.is_none()) {
                continue;
            }
            let chosen = match extent {
                Some(extent) => SeqSet::from_range(extent.from..extent.to),
                None => before_extents(held, segment, held.first_within(&seqs, SEND_BYTES)),
            };
            let left = seqs.difference(&chosen);
            if !left.is_empty() {
                queue.waiting.push_front(Serve::Batches(segment, left));
            }
            let bytes = held.size_of(&chosen);
            queue.sending = Some((segment, chosen.clone(), bytes, now));
            self.serving.tokens -= i64::try_from(bytes).unwrap_or(i64::MAX);
            self.serving.last = Some(to);
            self.context.output(match extent {
                Some(extent) => Output::SendExtent { to, extent, purpose: Purpose::Wish },
                None => Output::SendBatches { to, segment, seqs: chosen, purpose: Purpose::Wish },
            });
            return;
        }
    }

    /// The shell has sent something that was asked for, or could not.
    pub(super) fn on_served(&mut self, to: NodeId, segment: SegmentId, seqs: &SeqSet, bytes: u64) {
        let Some(queue) = self.serving.queues.get_mut(&to) else { return };
        let matches =
            |sending: &mut (SegmentId, SeqSet, u64, Instant)| sending.0 == segment && sending.1.is_superset(seqs);
        let Some((_, wanted, guess, _)) = queue.sending.take_if(matches) else { return };
        let change = i64::try_from(guess).unwrap_or(0).saturating_sub(i64::try_from(bytes).unwrap_or(0));
        self.serving.tokens = self.serving.tokens.saturating_add(change);
        if seqs.is_empty() {
            // Not sent at all. It is dropped if it cannot be read; who wants it asks again.
            queue.not_before = Some(self.context.now.instant + SEND_PAUSE);
        } else if wanted != *seqs {
            queue.waiting.push_front(Serve::Batches(segment, wanted.difference(seqs)));
        }
        self.context.arm(Timer::Serve, Duration::ZERO);
    }
}

/// Cuts a choice of batches off where a whole extent begins, so that the extent can be sent as it is.
fn before_extents(held: &super::segments::Segment, segment: SegmentId, chosen: SeqSet) -> SeqSet {
    let mut cut = SeqSet::new();
    for run in chosen.ranges() {
        let run_set = SeqSet::from_range(run.clone());
        let mut starts = held.extents.range((run.start + 1, 0)..(run.end, 0)).map(|(from, _)| *from);
        let inside = starts.find(|from| held.extent_within(segment, &SeqSet::from_range(*from..run.end)).is_some());
        match inside {
            Some(from) => return cut.union(&SeqSet::from_range(run.start..from)),
            None => cut = cut.union(&run_set),
        }
    }
    cut
}

/// The most that waits for one peer; further wishes are dropped and come again.
const QUEUE_MAX: usize = 1_024;
/// About how much one send carries.
const SEND_BYTES: u64 = 1 << 20;
/// After a send that failed, the next is tried so much later.
const SEND_PAUSE: Duration = Duration::from_millis(200);
/// How long the shell may take for one send.
const SENT_PATIENCE: Duration = Duration::from_secs(30);
/// How often waiting wishes are looked at while there are no tokens.
const SERVE_TICK: Duration = Duration::from_millis(50);
