//! Repair rounds: with one peer at a time, from the digest of everything down to the segments that differ (DESIGN §8).
//!
//! Compared is what both nodes are holders of; members' tables must be equal for that, so rows are exchanged first where they
//! are not. Whoever answers keeps no state: each message brings its salt and its scope. What a node holds beyond its own
//! share is [handed over](super::handover) instead.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Replica;
use super::context::Timer;
use super::interface::Event;
use super::urgent::{Turn, Urgent};
use crate::id::NodeId;
use crate::merkle::{Digest, combine};
use crate::message::{
    DAYS_MAX, FINGERPRINTS_MAX, Fingerprint, Has, Level, Message, SEGMENTS_MAX, Salt, ShortName, WINDOWS_MAX, Wish,
    by_journal,
};
use crate::segment::{SegmentId, Window};
use crate::time::Instant;

/// When to compare with whom, and the round in progress.
#[derive(Default)]
pub(super) struct Rounds {
    current: Option<Round>,
    urgent: Urgent,
    /// When the next round in turn is due.
    next_at: Instant,
    last_peer: Option<NodeId>,
    /// With whom all that both should hold was found to be alike since the start. At most the members.
    alike: BTreeSet<NodeId>,
    pub(super) stats: Stats,
}

/// What came of all rounds since the start.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stats {
    pub(super) rounds: u64,
    pub(super) in_sync: u64,
    pub(super) last_round: Option<Instant>,
    pub(super) batches: u64,
    pub(super) bytes: u64,
    pub(super) damaged: u64,
}

struct Round {
    peer: NodeId,
    salt: Salt,
    /// When something was last heard of it.
    touched: Instant,
    batches: u64,
    bytes: u64,
    /// Whether batches moved, in either direction.
    progress: bool,
    /// What its digest was over: what changed since was not compared.
    shared: Vec<(SegmentId, Digest)>,
    /// Whether it was begun for a stop.
    for_stop: bool,
}

/// What two nodes both should hold, as one of them has it: per window the segments with their roots.
pub(super) struct Shared(BTreeMap<u32, Vec<(SegmentId, Digest)>>);

impl Shared {
    fn digest(&self) -> Digest {
        combine(self.days().iter().map(|(day, digest)| (day.to_be_bytes(), *digest)))
    }

    fn days(&self) -> BTreeMap<u32, Digest> {
        let mut days: BTreeMap<u32, Vec<(u32, Digest)>> = BTreeMap::new();
        for window in self.0.keys() {
            days.entry(Window(*window).day()).or_default().push((*window, self.window(*window)));
        }
        let digest =
            |windows: Vec<(u32, Digest)>| combine(windows.into_iter().map(|(key, digest)| (key.to_be_bytes(), digest)));
        days.into_iter().map(|(day, windows)| (day, digest(windows))).collect()
    }

    fn window(&self, window: u32) -> Digest {
        let segments = self.0.get(&window).into_iter().flatten();
        let segments = segments.take(if planted!(DigestOfTheFirst) { 1 } else { usize::MAX });
        combine(segments.map(|(segment, root)| (segment.to_bytes(), *root)))
    }

    fn windows_of(&self, days: &BTreeSet<u32>) -> Vec<(u32, Digest)> {
        let within = self.0.keys().filter(|window| days.contains(&Window(**window).day()));
        within.map(|window| (*window, self.window(*window))).collect()
    }

    fn ids_of(&self, windows: &BTreeSet<u32>) -> impl Iterator<Item = SegmentId> {
        windows.iter().filter_map(|window| self.0.get(window)).flatten().map(|(segment, _)| *segment)
    }

    /// Returns the segments of `windows` by their short names, with their fingerprints.
    fn segments_of(&self, windows: &BTreeSet<u32>, salt: Salt) -> BTreeMap<ShortName, (Fingerprint, SegmentId)> {
        let word = u64::from_le_bytes(salt);
        let within = windows.iter().filter_map(|window| self.0.get(window)).flatten();
        let named = |(segment, root): &(SegmentId, Digest)| {
            let [a, b, c, d, ..] = combine([(segment.to_bytes(), Digest::default())]).salted(word);
            ([a, b, c, d], (combine([(segment.to_bytes(), *root)]).salted(word), *segment))
        };
        within.map(named).collect()
    }
}

impl Rounds {
    /// Forgets those who are not members any more.
    pub(super) fn forget(&mut self, is_member: impl Fn(NodeId) -> bool) {
        self.alike.retain(|node| is_member(*node));
    }
}

impl Replica {
    /// Compares with `peer` out of turn.
    pub(super) fn repair_soon(&mut self, peer: NodeId, wait: Duration) {
        let at = self.context.now.instant + wait;
        self.rounds.urgent.add(peer, at);
        self.context.arm(Timer::Repair, wait);
    }

    /// Returns what this node and `peer` both should hold, as it is here. Left out is what changed a moment ago, what was not looked
    /// through since the start, and what is about to expire: clocks differ.
    fn shared_with(&mut self, peer: NodeId) -> Shared {
        let (now, grace, me) = (self.context.now.instant, self.context.config.repair_grace, self.context.id);
        let mut shared: BTreeMap<u32, Vec<(SegmentId, Digest)>> = BTreeMap::new();
        for id in self.segments.ids() {
            if self.is_expiring(&id) {
                continue;
            }
            let holders = self.holders(&id);
            let Some(segment) = self.segments.find(&id) else { continue };
            let both = holders.contains(&me) && holders.contains(&peer);
            if !both || segment.held.is_empty() || segment.is_active(now, grace) {
                continue;
            }
            let Some(root) = segment.root() else { continue };
            shared.entry(id.window.0).or_default().push((id, root));
        }
        Shared(shared)
    }

    pub(super) fn on_repair_timer(&mut self) {
        self.end_round_if_due();
        if self.rounds.current.is_none()
            && self.context.config.mechanisms.repair
            && self.segments.is_loaded()
            && self.stop.as_ref().is_none_or(|stop| !stop.is_done())
        {
            self.begin_next_round();
        }
        let wait = if self.rounds.current.is_some() || !self.rounds.urgent.is_empty() {
            ROUND_TICK
        } else {
            self.rounds.next_at.since(self.context.now.instant).max(ROUND_TICK)
        };
        self.context.arm(Timer::Repair, wait);
    }

    fn begin_next_round(&mut self) {
        let now = self.context.now.instant;
        let mut urgent = std::mem::take(&mut self.rounds.urgent);
        let first = urgent.take(now, |node| match self.members.is_live(node) && self.members.table.is_member(node) {
            false => Turn::Never,
            true if self.is_in_transfer(node) => Turn::Later,
            true => Turn::Now,
        });
        self.rounds.urgent = urgent;
        let peer = match first {
            Some(peer) => Some(peer),
            None if self.rounds.next_at <= now => {
                let interval = self.context.config.repair_interval;
                self.rounds.next_at = now + self.context.jittered(interval);
                let next = self.members.next_live(self.rounds.last_peer);
                self.rounds.last_peer = next;
                next
            }
            None => None,
        };
        let Some(peer) = peer.filter(|peer| !self.is_in_transfer(*peer)) else { return };
        self.rounds.urgent.remove(peer);
        let (salt, for_stop) = (self.context.salt(), self.stop.is_some());
        let shared = self.shared_with(peer);
        let digest = shared.digest().salted(u64::from_le_bytes(salt));
        let shared = shared.0.into_values().flatten().collect();
        self.rounds.current =
            Some(Round { peer, salt, touched: now, batches: 0, bytes: 0, progress: false, shared, for_stop });
        let (members, suspects) = (self.members.table.digest(), self.members.suspects.clone());
        self.context.send(peer, Message::Compare { salt, members, digest, suspects });
    }

    /// Tells whether what was found missing is still on its way between this node and `peer`: a round would find it once more. (A stop
    /// does not wait for that.)
    fn is_in_transfer(&self, peer: NodeId) -> bool {
        self.stop.is_none() && (self.fetches.is_waiting(peer) || self.serving.is_busy_for(peer))
    }

    /// A round that is still quiet has ended: all that came of it has come, or its peer does not answer.
    fn end_round_if_due(&mut self) {
        let Some(round) = &self.rounds.current else { return };
        let quiet = self.context.ago(round.touched);
        let waiting = self.fetches.is_waiting(round.peer);
        if quiet >= ROUND_QUIET && !waiting || !self.members.is_live(round.peer) {
            self.end_round(false);
        }
    }

    fn end_round(&mut self, in_sync: bool) {
        let Some(round) = self.rounds.current.take() else { return };
        let stats = &mut self.rounds.stats;
        stats.rounds += 1;
        stats.in_sync += u64::from(in_sync);
        stats.last_round = Some(self.context.now.instant);
        let Round { peer, batches, bytes, .. } = round;
        self.context.event(Event::RepairEnded { peer, in_sync, batches, bytes });
        if round.progress && !in_sync {
            // Messages are bounded, and so is what one round finds: see whether there is more.
            let grace = self.context.config.repair_grace;
            self.repair_soon(peer, grace);
        }
        self.context.arm(Timer::Repair, Duration::ZERO);
    }

    /// Batches move between this node and `peer`.
    pub(super) fn note_round_progress(&mut self, peer: NodeId) {
        let now = self.context.now.instant;
        if let Some(round) = self.rounds.current.as_mut().filter(|round| round.peer == peer) {
            (round.progress, round.touched) = (true, now);
        }
    }

    pub(super) fn note_received(&mut self, from: NodeId, batches: u64, bytes: u64) {
        self.rounds.stats.batches += batches;
        self.rounds.stats.bytes += bytes;
        if let Some(round) = self.rounds.current.as_mut().filter(|round| round.peer == from) {
            round.batches += batches;
            round.bytes += bytes;
            round.touched = self.context.now.instant;
        }
    }

    pub(super) fn on_compare(&mut self, from: NodeId, salt: Salt, members: [u8; 16], digest: Fingerprint) {
        if members != self.members.table.digest() {
            // The two would not compare the same segments. It tries again once it has merged the rows.
            self.send_rows(from, false);
            return;
        }
        // Who stops vouches for nothing: else two that stop at once could each rely on the other.
        if !self.segments.is_loaded() || self.stop.is_some() {
            self.context.send(from, Message::Later { salt });
            return;
        }
        let shared = self.shared_with(from);
        if shared.digest().salted(u64::from_le_bytes(salt)) == digest {
            self.context.send(from, Message::Same { salt });
            self.confirm_shared(from, &shared);
            self.rounds.alike.insert(from);
            // A round of this node would compare the same: in a mesh that starts whole, half of all rounds.
            self.rounds.urgent.forgo(from, self.context.now.instant);
            return;
        }
        let days = shared.days().into_iter().map(|(day, digest)| (day, digest.salted(u64::from_le_bytes(salt))));
        self.context.send(from, Message::Differ { salt, level: Level::Days(days.collect()) });
    }

    pub(super) fn on_same(&mut self, from: NodeId, salt: Salt) {
        if self.is_round(from, salt) {
            let round = self.rounds.current.as_mut().map(|round| (std::mem::take(&mut round.shared), round.for_stop));
            let (shared, for_stop) = round.unwrap_or_default();
            for (id, root) in shared {
                self.confirm(id, from, root);
                if for_stop {
                    self.cover(id, from, root);
                }
            }
            self.rounds.alike.insert(from);
            self.end_round(true);
        }
    }

    /// Tells whether no other member can have anything of this node's earlier journals that it does not know itself: its disk was never
    /// lost, or all members have compared with it since the start.
    pub(super) fn knows_its_past(&self) -> bool {
        let mine = &self.members.mine;
        let others = || self.members.table.members().filter(|row| row.node != mine.node);
        mine.disks.iter().all(|disk| *disk == mine.disk) || others().all(|row| self.rounds.alike.contains(&row.node))
    }

    pub(super) fn on_later(&mut self, from: NodeId, salt: Salt) {
        self.stop_goes_elsewhere(from);
        if self.is_round(from, salt) {
            self.rounds.current = None;
            self.repair_soon(from, LATER);
        }
    }

    fn is_round(&self, from: NodeId, salt: Salt) -> bool {
        self.rounds.current.as_ref().is_some_and(|round| round.peer == from && round.salt == salt)
    }

    /// All that both should hold is alike: each is known to hold what the other does.
    fn confirm_shared(&mut self, peer: NodeId, shared: &Shared) {
        for (id, root) in shared.0.values().flatten() {
            self.confirm(*id, peer, *root);
        }
    }

    pub(super) fn on_differ(&mut self, from: NodeId, salt: Salt, level: Level) {
        let now = self.context.now.instant;
        if let Some(round) = self.rounds.current.as_mut().filter(|round| round.peer == from && round.salt == salt) {
            round.touched = now;
        }
        let shared = self.shared_with(from);
        let word = u64::from_le_bytes(salt);
        let next = match level {
            Level::Days(theirs) => {
                let mine = shared.days().into_iter().map(|(day, digest)| (day, digest.salted(word)));
                let days = newest_differing(mine, theirs, DAYS_MAX);
                let windows =
                    shared.windows_of(&days).into_iter().map(|(window, digest)| (window, digest.salted(word)));
                Level::Windows { windows: windows.collect(), days: days.into_iter().collect() }
            }
            Level::Windows { days, windows: theirs } => {
                let days: BTreeSet<u32> = days.into_iter().take(DAYS_MAX).collect();
                let mine = shared.windows_of(&days).into_iter().map(|(window, digest)| (window, digest.salted(word)));
                let windows = newest_differing(mine, theirs, WINDOWS_MAX);
                match self.held_in(from, &shared, (salt, &windows)) {
                    Some(segments) => Level::Held { windows: windows.into_iter().collect(), segments },
                    None => {
                        let segments = shared.segments_of(&windows, salt).into_iter();
                        let segments = segments.map(|(name, (digest, _))| (name, digest)).take(FINGERPRINTS_MAX);
                        Level::Segments { segments: segments.collect(), windows: windows.into_iter().collect() }
                    }
                }
            }
            Level::Held { windows, segments } => return self.on_held_in(from, (salt, &shared), windows, segments),
            Level::Segments { windows, segments } => return self.on_segments(from, (salt, &shared), windows, segments),
            Level::Unknown { windows, segments } => {
                let windows: BTreeSet<u32> = windows.into_iter().take(WINDOWS_MAX).collect();
                let mine = shared.segments_of(&windows, salt);
                let named = segments.iter().filter_map(|name| Some(mine.get(name)?.1)).collect();
                self.tell_have(from, named, Wish::More);
                return;
            }
        };
        self.context.send(from, Message::Differ { salt, level: next });
    }

    /// Returns what is held of all segments of `windows` that both should hold, if saying that costs no more than one more level of
    /// fingerprints would: few segments with few holes. What differs is read off at once then.
    fn held_in(&mut self, peer: NodeId, shared: &Shared, (salt, windows): (Salt, &BTreeSet<u32>)) -> Option<Vec<Has>> {
        let mut ids: Vec<SegmentId> = shared.ids_of(windows).collect();
        ids.extend(self.active_in(peer, shared, windows));
        ids.sort_by_key(by_journal);
        let segments: Vec<Has> = ids.into_iter().filter_map(|id| self.has(id, (salt, Wish::More))).collect();
        let intervals: usize = segments.iter().map(|has| has.held.ranges().len()).sum();
        (segments.len() <= SEGMENTS_MAX && intervals <= 2 * segments.len()).then_some(segments)
    }

    /// Compares all segments of some windows, and tells of those that the other does not know.
    fn on_held_in(&mut self, from: NodeId, (salt, shared): (Salt, &Shared), windows: Vec<u32>, segments: Vec<Has>) {
        let windows: BTreeSet<u32> = windows.into_iter().take(WINDOWS_MAX).collect();
        let known: BTreeSet<SegmentId> = segments.iter().map(|has| has.segment).collect();
        let all = shared.ids_of(&windows).chain(self.active_in(from, shared, &windows));
        let unknown = all.filter(|id| !known.contains(id)).collect();
        self.on_have(from, (salt, Wish::More), segments);
        self.tell_have(from, unknown, Wish::More);
    }

    /// Tells what is held of the segments that differ, and asks for those that are not known here.
    fn on_segments(
        &mut self,
        from: NodeId,
        (salt, shared): (Salt, &Shared),
        windows: Vec<u32>,
        segments: Vec<(ShortName, Fingerprint)>,
    ) {
        let windows: BTreeSet<u32> = windows.into_iter().take(WINDOWS_MAX).collect();
        let theirs: BTreeMap<ShortName, Fingerprint> = segments.into_iter().collect();
        let mine = shared.segments_of(&windows, salt);
        let differing =
            mine.iter().filter(|(name, (digest, _))| theirs.get(*name) != Some(digest)).map(|(_, (_, id))| *id);
        let mut differing: BTreeSet<SegmentId> = differing.collect();
        // What changed a moment ago is in no digest, but an old hole in it is a hole.
        differing.extend(self.active_in(from, shared, &windows));
        let unknown: Vec<_> = theirs.into_keys().filter(|name| !mine.contains_key(name)).collect();
        if !unknown.is_empty() {
            let windows = windows.into_iter().collect();
            self.context.send(from, Message::Differ { salt, level: Level::Unknown { windows, segments: unknown } });
        }
        self.tell_have(from, differing.into_iter().collect(), Wish::More);
    }

    /// Returns the segments of `windows` that `peer` and this node should hold and that are too active to be among those that are
    /// compared by digest.
    fn active_in(&mut self, peer: NodeId, shared: &Shared, windows: &BTreeSet<u32>) -> Vec<SegmentId> {
        let compared: BTreeSet<SegmentId> = shared.ids_of(windows).collect();
        let candidates: Vec<SegmentId> = self
            .segments
            .ids()
            .into_iter()
            .filter(|id| windows.contains(&id.window.0) && !compared.contains(id))
            .collect();
        let me = self.context.id;
        let mut active = Vec::new();
        for id in candidates {
            let holders = self.holders(&id);
            if holders.contains(&me) && holders.contains(&peer) && !self.is_expiring(&id) {
                active.push(id);
            }
        }
        active
    }
}

/// Returns the newest keys that only one side has, or that it has otherwise than the other.
fn newest_differing(
    mine: impl IntoIterator<Item = (u32, Fingerprint)>,
    theirs: impl IntoIterator<Item = (u32, Fingerprint)>,
    most: usize,
) -> BTreeSet<u32> {
    let mine: BTreeSet<_> = mine.into_iter().collect();
    let theirs: BTreeSet<_> = theirs.into_iter().collect();
    let differing: BTreeSet<u32> = mine.symmetric_difference(&theirs).map(|(key, _)| *key).collect();
    differing.into_iter().rev().take(most).collect()
}

/// A round of which nothing was heard for so long is over.
const ROUND_QUIET: Duration = Duration::from_secs(1);
/// How often a round in progress is looked at.
const ROUND_TICK: Duration = Duration::from_millis(250);
/// When to ask a peer again that has not looked through its disk yet.
const LATER: Duration = Duration::from_secs(2);
