//! The push: what this node writes goes to the holders at once, pipelined, within a window of bytes for each peer.
//!
//! Nothing is queued for a peer: what it is owed is what is held here less what it is known to hold. A slow or dead peer
//! costs no memory and delays nobody else. Only segments of the present journal are pushed; repair brings older ones.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::time::Duration;

use super::Replica;
use super::context::Timer;
use super::interface::{Output, Purpose};
use super::members::{PeerState, RETURNING};
use crate::id::NodeId;
use crate::message::{Message, SEGMENTS_MAX};
use crate::segment::{SegmentId, Window};
use crate::seq_set::SeqSet;
use crate::time::Instant;

/// What is pushed to whom.
#[derive(Debug, Default)]
pub(super) struct Push {
    /// The segments of the present journal. They leave with their expiry.
    outgoing: BTreeMap<SegmentId, Outgoing>,
    lanes: BTreeMap<NodeId, Lane>,
    /// Those to whom there may be something to send since they were last looked at.
    stirred: BTreeSet<NodeId>,
    /// How often somebody became able or unable to take batches.
    ability_moves: u64,
}

#[derive(Debug, Default)]
struct Outgoing {
    /// At most the members.
    peers: BTreeMap<NodeId, Outbound>,
    duties: Vec<(NodeId, Duty)>,
    /// Of which placement, and after how many changes of who is able, all holders were, so that nobody else has a duty.
    steady: Option<(u64, u64)>,
}

/// Why a peer gets batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Duty {
    /// It is a holder: it gets all.
    Holder,
    /// It gets what this away holder is not known to hold.
    StandIn(NodeId),
    /// A client waits, and there are not enough holders: it gets what clients wait for.
    Urgent,
}

/// One segment on the way to one peer.
#[derive(Debug, Default)]
struct Outbound {
    /// What the peer has said that it holds.
    known: SeqSet,
    /// What was sent, by when it is sent again. At most a window's worth.
    flights: Vec<Flight>,
    /// What the shell is reading and sending just now.
    sending: Option<Flight>,
    /// Since when the peer is asked what it holds: nothing is sent before it has said so.
    asked: Option<Instant>,
}

#[derive(Clone, Debug)]
struct Flight {
    seqs: SeqSet,
    bytes: u64,
    at: Instant,
}

/// All segments on the way to one peer.
#[derive(Debug, Default)]
struct Lane {
    /// Those of which it may be owed something.
    owing: BTreeSet<SegmentId>,
    /// Where the last turn ended.
    last: Option<SegmentId>,
    flying_bytes: u64,
    /// A send failed: nothing is tried before then.
    not_before: Option<Instant>,
}

impl Push {
    /// Returns how many sends are under way, and the most bytes to one peer. What lanes count is what their flights have.
    pub(super) fn sizes(&self) -> (usize, u64) {
        let outbounds = || self.outgoing.values().flat_map(|outgoing| &outgoing.peers);
        let flights = outbounds().map(|(_, peer)| peer.flights.len() + usize::from(peer.sending.is_some())).sum();
        for (node, lane) in &self.lanes {
            let bytes: u64 = outbounds().filter(|(peer, _)| *peer == node).map(|(_, peer)| peer.bytes()).sum();
            assert_eq!(lane.flying_bytes, bytes, "bytes under way to {node:?}");
        }
        (flights, self.lanes.values().map(|lane| lane.flying_bytes).max().unwrap_or(0))
    }
}

impl Lane {
    /// Returns the segment whose turn it is.
    fn next(&self) -> Option<SegmentId> {
        let after = self.last.map_or(Bound::Unbounded, Bound::Excluded);
        self.owing.range((after, Bound::Unbounded)).next().or_else(|| self.owing.first()).copied()
    }
}

impl Outbound {
    fn underway(&self) -> SeqSet {
        self.flights.iter().chain(&self.sending).fold(SeqSet::new(), |set, flight| set.union(&flight.seqs))
    }

    fn bytes(&self) -> u64 {
        self.flights.iter().chain(&self.sending).map(|flight| flight.bytes).sum()
    }
}

impl Replica {
    /// A batch of the present journal is durable here.
    pub(super) fn push_new(&mut self, segment: SegmentId) {
        if segment.journal.boot != self.context.boot || segment.origin() != self.context.id {
            return;
        }
        self.push.outgoing.entry(segment).or_default();
        self.dirty.insert(segment);
    }

    /// Looks again at what the peers are owed of the segments that changed. Called once all inputs at hand are taken in, so that one
    /// send carries all of a group.
    pub(super) fn push_dirty(&mut self) {
        while let Some(segment) = self.dirty.pop_first() {
            self.assign_duties(segment);
            self.acknowledge_due(segment);
        }
        while let Some(peer) = self.push.stirred.pop_first() {
            self.pump(peer);
        }
    }

    /// Somebody became able or unable to take batches, or placement moved: all duties are assigned anew.
    pub(super) fn on_ability_moved(&mut self) {
        self.push.ability_moves += 1;
        self.dirty.extend(self.push.outgoing.keys().copied());
    }

    /// Sees to it that those who should get something of a segment are looked at.
    fn assign_duties(&mut self, segment: SegmentId) {
        let now = (self.members.epoch, self.push.ability_moves);
        let wanted = usize::from(self.journal.copies_wanted(&segment)).saturating_sub(1);
        let is_steady = |outgoing: &Outgoing| outgoing.steady == Some(now) && wanted <= outgoing.duties.len();
        if !self.push.outgoing.get(&segment).is_some_and(is_steady) {
            self.decide_duties(segment, wanted);
        }
        let Push { outgoing, lanes, stirred, .. } = &mut self.push;
        let Some(outgoing) = outgoing.get_mut(&segment) else { return };
        for (node, _) in &outgoing.duties {
            outgoing.peers.entry(*node).or_default();
            lanes.entry(*node).or_default().owing.insert(segment);
            stirred.insert(*node);
        }
    }

    /// Decides who gets what of a segment: live holders all of it, a stand-in for each holder that is away too long, and further ones
    /// where a client waits for more copies than that gives.
    fn decide_duties(&mut self, segment: SegmentId, wanted: usize) {
        let order = self.order(&segment);
        let copies = usize::from(self.context.config.copies);
        let (holders, spares) = order.split_at(copies.min(order.len()));
        let mut spares: Vec<_> = spares.iter().copied().filter(|node| self.members.is_able(*node)).collect();
        // Who has stood in already goes on: while members come back one after the other, no other one is begun with.
        let known = |node: &NodeId| self.push.outgoing.get(&segment)?.peers.get(node).map(|peer| peer.known.len());
        spares.sort_by_key(|node| std::cmp::Reverse(known(node).unwrap_or(0)));
        // Nor does anybody begin to who has just come back: those who are missing may be right behind.
        let is_new =
            |node: &NodeId| known(node).unwrap_or(0) == 0 && self.members.is_returning(*node, self.context.now);
        let mut steady: Vec<_> = spares.iter().copied().filter(|node| !is_new(node)).collect();
        let others = || holders.iter().copied().filter(|node| *node != self.context.id);
        let mut duties = Vec::new();
        for holder in others() {
            if self.members.is_able(holder) {
                duties.push((holder, Duty::Holder));
            } else if self.is_long_unable(holder) && self.context.config.mechanisms.standins {
                let first = (!steady.is_empty()).then(|| steady.remove(0));
                duties.extend(first.map(|spare| (spare, Duty::StandIn(holder))));
            }
        }
        let lacking = wanted.saturating_sub(duties.len());
        spares.retain(|spare| !duties.iter().any(|(node, _)| node == spare));
        duties.extend(spares.into_iter().take(lacking).map(|spare| (spare, Duty::Urgent)));
        if !self.context.config.mechanisms.push {
            duties.clear();
        }
        let Some(outgoing) = self.push.outgoing.get_mut(&segment) else { return };
        let are_holders = duties.len() == others().count() && duties.iter().all(|(_, duty)| *duty == Duty::Holder);
        outgoing.steady = are_holders.then_some((self.members.epoch, self.push.ability_moves));
        outgoing.duties = duties;
    }

    fn is_long_unable(&self, node: NodeId) -> bool {
        let since = self.members.peers.get(node).and_then(|peer| peer.unable_since);
        since.is_some_and(|since| self.context.ago(since) >= self.context.config.standin_after)
    }

    /// Returns what a peer is owed of a segment, what is on the way included.
    fn owed_of(&self, segment: &SegmentId, peer: NodeId) -> SeqSet {
        let Some(outgoing) = self.push.outgoing.get(segment) else { return SeqSet::new() };
        let Some((_, duty)) = outgoing.duties.iter().find(|(node, _)| *node == peer) else { return SeqSet::new() };
        let held = self.segments.held(segment);
        let known = |node: &NodeId| outgoing.peers.get(node).map(|outbound| outbound.known.clone()).unwrap_or_default();
        let due = match duty {
            Duty::Holder => held,
            Duty::StandIn(holder) => held.difference(&known(holder)),
            Duty::Urgent => held.intersection(&self.journal.waiting_for(segment)),
        };
        due.difference(&known(&peer))
    }

    /// Sends to a peer while its window has room, one segment after the other.
    fn pump(&mut self, peer: NodeId) {
        let now = self.context.now.instant;
        let Some(lane) = self.push.lanes.get(&peer) else { return };
        if !self.members.is_able(peer) || lane.not_before.is_some_and(|at| at > now) {
            return;
        }
        for _ in 0..lane.owing.len() {
            let Some(lane) = self.push.lanes.get_mut(&peer) else { return };
            if lane.flying_bytes >= self.context.config.push_window_bytes {
                return;
            }
            let Some(segment) = lane.next() else { return };
            lane.last = Some(segment);
            self.pump_segment(peer, segment);
        }
    }

    fn pump_segment(&mut self, peer: NodeId, segment: SegmentId) {
        let outbound = self.push.outgoing.get(&segment).and_then(|outgoing| outgoing.peers.get(&peer));
        if outbound.is_some_and(|outbound| outbound.sending.is_some() || outbound.asked.is_some()) {
            return;
        }
        let owed = self.owed_of(&segment, peer);
        let Some(outbound) = self.push.outgoing.get_mut(&segment).and_then(|outgoing| outgoing.peers.get_mut(&peer))
        else {
            return;
        };
        let Some(lane) = self.push.lanes.get_mut(&peer) else { return };
        if owed.is_empty() {
            lane.owing.remove(&segment);
            return;
        }
        let left = owed.difference(&outbound.underway());
        if left.is_empty() {
            return;
        }
        let Some(held) = self.segments.find(&segment) else { return };
        let room = self.context.config.push_window_bytes.saturating_sub(lane.flying_bytes).min(SEND_BYTES);
        let extent = held.extent_within(segment, &left).filter(|extent| {
            let range = SeqSet::from_range(extent.from..extent.to);
            outbound.known.intersection(&range).is_empty()
        });
        let seqs = match extent {
            Some(extent) => SeqSet::from_range(extent.from..extent.to),
            None => held.first_within(&left, room),
        };
        let bytes = held.size_of(&seqs);
        lane.flying_bytes += bytes;
        outbound.sending = Some(Flight { seqs: seqs.clone(), bytes, at: self.context.now.instant });
        self.context.output(match extent {
            Some(extent) => Output::SendExtent { to: peer, extent, purpose: Purpose::Push },
            None => Output::SendBatches { to: peer, segment, seqs, purpose: Purpose::Push },
        });
        self.context.arm(Timer::Push, self.context.config.push_retry);
    }

    /// The shell has pushed something, or could not.
    pub(super) fn on_push_sent(&mut self, to: NodeId, segment: SegmentId, seqs: &SeqSet) {
        let outbound = self.push.outgoing.get_mut(&segment).and_then(|outgoing| outgoing.peers.get_mut(&to));
        let Some(outbound) = outbound else { return };
        let Some(sending) = outbound.sending.take_if(|sending| sending.seqs.is_superset(seqs)) else { return };
        let sent = sending.seqs.intersection(seqs).difference(&outbound.known);
        let bytes = sending.bytes * sent.len() / sending.seqs.len().max(1);
        let Some(lane) = self.push.lanes.get_mut(&to) else { return };
        lane.flying_bytes = (lane.flying_bytes + bytes).saturating_sub(sending.bytes);
        if seqs.is_empty() {
            lane.not_before = Some(self.context.now.instant + SEND_PAUSE);
            self.context.arm(Timer::Push, SEND_PAUSE);
        } else if !sent.is_empty() {
            outbound.flights.push(Flight { seqs: sent, bytes, at: self.context.now.instant });
            self.context.arm(Timer::Push, self.context.config.push_retry);
        }
        self.pump(to);
    }

    /// A peer holds this, durably.
    pub(super) fn on_held(&mut self, from: NodeId, segment: SegmentId, held: &SeqSet) {
        let Some(outgoing) = self.push.outgoing.get_mut(&segment) else { return };
        let ours = held.intersection(&self.segments.held(&segment));
        let outbound = outgoing.peers.entry(from).or_default();
        match outbound.asked.take() {
            // The answer to a question replaces what was known: the peer may have lost its disk.
            Some(_) => outbound.known = ours,
            None => outbound.known = outbound.known.union(&ours),
        }
        let before = outbound.bytes();
        for flight in &mut outbound.flights {
            let left = flight.seqs.difference(&outbound.known);
            flight.bytes = flight.bytes * left.len() / flight.seqs.len().max(1);
            flight.seqs = left;
        }
        outbound.flights.retain(|flight| !flight.seqs.is_empty());
        let freed = before - outbound.bytes();
        if let Some(lane) = self.push.lanes.get_mut(&from) {
            lane.flying_bytes = lane.flying_bytes.saturating_sub(freed);
        }
        self.push.stirred.insert(from);
        self.dirty.insert(segment);
    }

    /// A peer started anew: what it said before may not be true any more. It is asked, and nothing sent meanwhile.
    pub(super) fn push_forgets(&mut self, peer: NodeId) {
        self.push_gives_up(peer);
        let now = self.context.now.instant;
        for outgoing in self.push.outgoing.values_mut() {
            if let Some(outbound) = outgoing.peers.get_mut(&peer) {
                outbound.known = SeqSet::new();
                outbound.asked = Some(now);
            }
        }
        self.ask_again(peer, Duration::ZERO);
    }

    /// Nothing is on the way to a peer that is away.
    pub(super) fn push_gives_up(&mut self, peer: NodeId) {
        for (segment, outgoing) in &mut self.push.outgoing {
            if let Some(outbound) = outgoing.peers.get_mut(&peer) {
                let lane = self.push.lanes.entry(peer).or_default();
                if !outbound.flights.is_empty() || outbound.sending.is_some() {
                    // Some of it may have arrived: ask before it is sent twice.
                    outbound.asked = Some(self.context.now.instant);
                    lane.owing.insert(*segment);
                }
                outbound.flights.clear();
                outbound.sending = None;
            }
        }
        if let Some(lane) = self.push.lanes.get_mut(&peer) {
            (lane.flying_bytes, lane.not_before) = (0, None);
        }
    }

    /// A peer is back: the sooner it says what it holds, the less of it comes from somebody else besides.
    pub(super) fn push_asks(&mut self, peer: NodeId) {
        self.ask_again(peer, Duration::ZERO);
    }

    /// Asks what a peer holds of the segments of which it did not say so within `patience`.
    fn ask_again(&mut self, peer: NodeId, patience: Duration) {
        if !self.members.is_live(peer) {
            return;
        }
        let now = self.context.now.instant;
        let mut asked = Vec::new();
        for (segment, outgoing) in &mut self.push.outgoing {
            let Some(outbound) = outgoing.peers.get_mut(&peer) else { continue };
            if outbound.asked.is_some_and(|at| now.since(at) >= patience) {
                outbound.asked = Some(now);
                asked.push(*segment);
            }
        }
        for segments in asked.chunks(SEGMENTS_MAX) {
            self.context.send(peer, Message::Ask { segments: segments.to_vec() });
        }
    }

    /// Sends again what was not held in time, after asking whether only the answer was lost.
    pub(super) fn on_push_timer(&mut self) {
        let (now, retry) = (self.context.now.instant, self.context.config.push_retry);
        let mut waiting = false;
        let mut asking = BTreeSet::new();
        for (segment, outgoing) in &mut self.push.outgoing {
            for (peer, outbound) in &mut outgoing.peers {
                let late = |flight: &Flight| now.since(flight.at) >= retry && !planted!(NeverSentAgain);
                if outbound.flights.iter().any(late) || outbound.sending.as_ref().is_some_and(late) {
                    let freed = outbound.bytes();
                    outbound.flights.clear();
                    outbound.sending = None;
                    outbound.asked = Some(Instant::default());
                    let lane = self.push.lanes.entry(*peer).or_default();
                    lane.flying_bytes = lane.flying_bytes.saturating_sub(freed);
                    lane.owing.insert(*segment);
                }
                if outbound.asked.is_some() {
                    asking.insert(*peer);
                }
                waiting |= !outbound.flights.is_empty() || outbound.sending.is_some();
            }
        }
        waiting |= asking.iter().any(|peer| self.members.is_live(*peer));
        asking.into_iter().for_each(|peer| self.ask_again(peer, ASK_PATIENCE));
        if waiting || self.push.lanes.values().any(|lane| lane.not_before.is_some_and(|at| at > now)) {
            self.context.arm(Timer::Push, PUSH_TICK);
        }
        self.dirty.extend(self.push.lanes.values().flat_map(|lane| lane.owing.iter().copied()));
    }

    /// Once a second: a holder may have become away for long enough to be stood in for, or a member be back for long enough to do so.
    pub(super) fn tick_standins(&mut self) {
        let just_now = |since: Instant, after| (after..after + STANDIN_TICKS).contains(&self.context.ago(since));
        let after = self.context.config.standin_after;
        let members = &self.members;
        let mut unable = members.unable.iter().filter_map(|node| members.peers.get(*node)?.unable_since);
        // All are looked at only while somebody may be returning.
        let is_steady = self.context.ago(members.liveness_moved_at) >= RETURNING + STANDIN_TICKS;
        let is_back = |peer: &PeerState| peer.live && just_now(peer.since, RETURNING);
        if unable.any(|since| just_now(since, after)) || !is_steady && members.peers.values().any(is_back) {
            self.on_ability_moved();
        }
        let asking = self.push.outgoing.values().flat_map(|outgoing| outgoing.peers.values());
        if asking.into_iter().any(|outbound| outbound.asked.is_some()) {
            self.context.arm(Timer::Push, Duration::ZERO);
        }
    }

    /// Returns how many nodes are known to hold a batch of the present journal, this one included.
    pub(super) fn copies_of(&self, segment: &SegmentId, seq: u32) -> u8 {
        let peers = self.push.outgoing.get(segment).into_iter().flat_map(|outgoing| outgoing.peers.values());
        let count = 1 + peers.filter(|outbound| outbound.known.contains(seq)).count();
        u8::try_from(count).unwrap_or(u8::MAX)
    }

    /// Returns how many nodes may come to hold a batch soon.
    pub(super) fn copies_possible(&self, segment: &SegmentId, seq: u32) -> u8 {
        let Some(outgoing) = self.push.outgoing.get(segment) else { return 1 };
        let serving = outgoing.duties.iter().map(|(node, _)| *node);
        let having = outgoing.peers.iter().filter(|(_, outbound)| outbound.known.contains(seq)).map(|(node, _)| *node);
        let count = 1 + serving.chain(having).collect::<BTreeSet<_>>().len();
        u8::try_from(count).unwrap_or(u8::MAX)
    }

    /// Tells whether `peer` has said that it holds all of an own segment.
    pub(super) fn is_pushed(&self, segment: &SegmentId, peer: NodeId) -> bool {
        let outbound = self.push.outgoing.get(segment).and_then(|outgoing| outgoing.peers.get(&peer));
        let fresh = outbound.filter(|outbound| outbound.asked.is_none());
        let held = self.segments.find(segment).map(|segment| &segment.held);
        fresh.is_some_and(|outbound| held.is_none_or(|held| outbound.known.is_superset(held)))
    }

    /// Returns what `peer` is known to hold of an own segment.
    pub(super) fn pushed(&self, segment: &SegmentId, peer: NodeId) -> SeqSet {
        let outbound = self.push.outgoing.get(segment).and_then(|outgoing| outgoing.peers.get(&peer));
        outbound.map(|outbound| outbound.known.clone()).unwrap_or_default()
    }

    /// Returns what `peer` is owed: batches and bytes.
    pub(super) fn owed_to(&self, peer: NodeId) -> (u64, u64) {
        let owing = self.push.outgoing.keys().map(|segment| (segment, self.owed_or_missing(segment, peer)));
        owing.fold((0, 0), |(batches, bytes), (segment, owed)| {
            let size = self.segments.find(segment).map_or(0, |held| held.size_of(&owed));
            (batches + owed.len(), bytes + size)
        })
    }

    /// As [`Self::owed_of`], and what an away holder will be owed on its return.
    fn owed_or_missing(&self, segment: &SegmentId, peer: NodeId) -> SeqSet {
        let is_holder = self.holders_of(segment).contains(&peer) && peer != self.context.id;
        if is_holder {
            self.segments.held(segment).difference(&self.pushed(segment, peer))
        } else {
            self.owed_of(segment, peer)
        }
    }

    /// Returns the heads of the present journal's segments that lack a copy somewhere, or may in a moment.
    pub(super) fn open_heads(&mut self) -> BTreeMap<(Window, u32), u32> {
        if planted!(HeadsUntold) {
            return BTreeMap::new();
        }
        let quiet = self.context.config.seal_after;
        let open = self.push.outgoing.keys().filter(|segment| {
            let Some(held) = self.segments.find(segment) else { return false };
            let all_pushed =
                self.holders_of(segment).iter().all(|node| *node == self.context.id || self.is_pushed(segment, *node));
            !all_pushed || self.context.ago(held.stored_at) < quiet
        });
        open.map(|segment| ((segment.window, segment.part), self.head_of(segment)))
            .filter(|(_, head)| *head > 0)
            .collect()
    }

    /// Forgets a segment that is gone.
    pub(super) fn push_drops(&mut self, segment: &SegmentId) {
        self.dirty.remove(segment);
        let Some(outgoing) = self.push.outgoing.remove(segment) else { return };
        for (peer, outbound) in outgoing.peers {
            if let Some(lane) = self.push.lanes.get_mut(&peer) {
                lane.owing.remove(segment);
                lane.flying_bytes = lane.flying_bytes.saturating_sub(outbound.bytes());
            }
        }
    }

    /// Tells whether nothing is owed to those who are able to take it.
    pub(super) fn is_paid(&self) -> bool {
        self.push.lanes.iter().all(|(peer, lane)| {
            !self.members.is_able(*peer) || lane.owing.iter().all(|segment| self.owed_of(segment, *peer).is_empty())
        })
    }
}

/// About how much one send carries: what the shell reads at once.
const SEND_BYTES: u64 = 4 << 20;
/// After a send that failed, the next is tried so much later.
const SEND_PAUSE: Duration = Duration::from_millis(200);
/// A peer that was asked what it holds and did not say so is asked again after this.
const ASK_PATIENCE: Duration = Duration::from_millis(500);
/// How often flights are looked at while there are any.
const PUSH_TICK: Duration = Duration::from_millis(500);
/// How long after `standin_after` the change is still looked for: a few ticks.
const STANDIN_TICKS: Duration = Duration::from_secs(5);
