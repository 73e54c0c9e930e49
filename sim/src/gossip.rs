//! Gossip, modelled after chitchat 0.11 as `node/gossip` uses it: who exchanges with whom and how often, what a lost datagram costs,
//! and phi-accrual detection from the silence since the last heartbeat and the usual time between two.
//!
//! Of each other node a node knows the latest heartbeat and the latest version of what it told. An exchange takes the later of both,
//! which is all that scuttlebutt does while everything fits a datagram. Kept as plain arrays, it costs a node with a thousand others
//! about a microsecond.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use logmesh_protocol::id::Boot;
use logmesh_protocol::replica::{Announcement, Peer, View};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::hosts::node;

/// What all hosts have heard of each other.
#[derive(Default)]
pub(crate) struct Gossip {
    minds: Vec<Mind>,
    told: Vec<Told>,
    /// The seeds of all who join.
    founders: Vec<u16>,
}

/// What one node has told, by version. The first versions are forgotten once everybody knows later ones.
#[derive(Default)]
struct Told {
    /// The version of the first that is kept.
    first: u32,
    said: VecDeque<(Boot, Arc<Announcement>)>,
    /// The last start and the heartbeats of it, as one number that only grows.
    pulse: i32,
}

/// What one node has heard. All arrays go by slot.
#[derive(Default)]
struct Mind {
    is_up: bool,
    ticks: u64,
    /// The latest heartbeat of each: the start it was of, then its number; 0 is none.
    beats: Vec<i32>,
    /// The latest heartbeats as of the last tick: all calls of a tick leave before the first answer comes.
    called_with: Vec<i32>,
    /// The latest version of what each told; 0 is nothing.
    versions: Vec<i32>,
    /// When a later heartbeat last came, in milliseconds; since when they are counted, and how many came since.
    last: Vec<i32>,
    since: Vec<i32>,
    counts: Vec<i32>,
    /// The start of each whose heartbeats are counted.
    starts: Vec<i32>,
    is_live: Vec<bool>,
    /// What the machine was told.
    views: Vec<Viewed>,
    /// Whose addresses were ever known.
    contacts: Vec<bool>,
    live: Vec<u16>,
    dead: Vec<u16>,
}

/// What the machine was last told of one other node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Viewed {
    version: i32,
    live: bool,
}

/// Who exchanges with whom, and how far it gets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exchange {
    caller: u16,
    called: u16,
    /// How many of the three datagrams arrive: call, answer, and answer to that.
    arrived: u8,
}

impl Gossip {
    /// Adds the next host.
    pub(crate) fn add(&mut self, is_founder: bool) {
        if is_founder {
            self.founders.push(u16::try_from(self.minds.len()).expect("slots are small"));
        }
        self.minds.push(Mind::default());
        self.told.push(Told { first: 1, ..Told::default() });
        let count = self.minds.len();
        for mind in &mut self.minds {
            mind.grow(count);
        }
    }

    /// A host starts: it knows nothing but addresses, those of the seeds if it was wiped.
    pub(crate) fn start(&mut self, slot: u16, boot: Boot, knows_addresses: bool) {
        let count = self.minds.len();
        let told = &mut self.told[usize::from(slot)];
        told.pulse = ((told.pulse >> START_SHIFT) + 1) << START_SHIFT;
        let mut contacts = std::mem::take(&mut self.minds[usize::from(slot)].contacts);
        contacts.iter_mut().for_each(|known| *known &= knows_addresses);
        self.founders.iter().for_each(|founder| contacts[usize::from(*founder)] = true);
        contacts[usize::from(slot)] = false;
        let mut mind = Mind { is_up: true, contacts, ..Mind::default() };
        mind.grow(count);
        self.minds[usize::from(slot)] = mind;
        self.tell(slot, boot, Announcement::default());
    }

    /// A host is down.
    pub(crate) fn stop(&mut self, slot: u16) {
        self.minds[usize::from(slot)].is_up = false;
    }

    /// A host tells something about itself, in place of what it told before.
    pub(crate) fn tell(&mut self, slot: u16, boot: Boot, said: Announcement) {
        let told = &mut self.told[usize::from(slot)];
        told.said.push_back((boot, Arc::new(said)));
        let version = i32::try_from(told.first as usize + told.said.len() - 1).expect("fewer than 2^31 versions");
        self.minds[usize::from(slot)].versions[usize::from(slot)] = version;
        if told.said.len() > TOLD_KEPT {
            self.forget_told(slot);
        }
    }

    fn forget_told(&mut self, slot: u16) {
        let at = usize::from(slot);
        // Who knows nothing yet learns the latest; who is down begins anew.
        let known =
            self.minds.iter().filter(|mind| mind.is_up).map(|mind| mind.versions[at]).filter(|version| *version > 0);
        let Some(oldest) = known.min().and_then(|version| u32::try_from(version).ok()) else { return };
        let told = &mut self.told[at];
        let gone = oldest.saturating_sub(told.first) as usize;
        told.said.drain(..gone.min(told.said.len() - 1));
        told.first += u32::try_from(gone).expect("no more than there were");
    }

    /// An interval has passed for a host: whom it calls now.
    pub(crate) fn tick(&mut self, slot: u16, now: u64, rng: &mut ChaCha8Rng) -> Vec<u16> {
        self.told[usize::from(slot)].pulse += 1;
        let pulse = self.told[usize::from(slot)].pulse;
        let mind = &mut self.minds[usize::from(slot)];
        mind.ticks += 1;
        mind.judge(slot, millis(now));
        mind.beats[usize::from(slot)] = pulse;
        mind.called_with.clone_from(&mind.beats);
        let mut called = Vec::new();
        if mind.live.is_empty() {
            sample(&mind.dead, GOSSIP_COUNT, rng, &mut called);
        } else {
            sample(&mind.live, GOSSIP_COUNT, rng, &mut called);
        }
        // A dead one with the probability of dead / (live + 1).
        if !mind.dead.is_empty() && rng.random_range(0..mind.live.len() + 1) < mind.dead.len() {
            called.push(mind.dead[rng.random_range(0..mind.dead.len())]);
        }
        // The shell calls those whom gossip does not hear: alone often, in company rarely.
        let calls = if mind.live.is_empty() { CALLS_ALONE } else { usize::from(mind.ticks.is_multiple_of(CALL_TICKS)) };
        if calls > 0 {
            let unheard: Vec<u16> =
                (0..).zip(&mind.contacts).filter(|(_, known)| **known).map(|(slot, _)| slot).collect();
            let unheard: Vec<u16> = unheard.into_iter().filter(|slot| !mind.is_live[usize::from(*slot)]).collect();
            sample(&unheard, calls, rng, &mut called);
        }
        called
    }

    /// Prepares an exchange of which so many datagrams arrive.
    pub(crate) fn exchange(caller: u16, called: u16, arrived: u8) -> Exchange {
        Exchange { caller, called, arrived }
    }

    /// Does an exchange.
    pub(crate) fn perform(&mut self, exchange: Exchange, now: u64) {
        let (a, b) = (usize::from(exchange.caller), usize::from(exchange.called));
        if a == b || exchange.arrived == 0 || !self.minds[b].is_up {
            return;
        }
        let now = millis(now);
        // Whoever handles a message counts a heartbeat.
        self.told[b].pulse += 1;
        let (pulse_a, pulse_b) = (self.told[a].pulse, self.told[b].pulse);
        let (caller, called) = pair(&mut self.minds, a, b);
        (caller.beats[a], called.beats[b]) = (pulse_a, pulse_b);
        called.hear_beats(&caller.called_with, now);
        if exchange.arrived >= 2 && caller.is_up {
            caller.hear_beats(&called.beats, now);
            caller.hear_facts(called);
            if exchange.arrived >= 3 {
                called.hear_facts(caller);
            }
        }
    }

    /// Returns what a host's machine was not told yet.
    pub(crate) fn news(&mut self, slot: u16) -> Option<View> {
        let mind = &mut self.minds[usize::from(slot)];
        let mut view = View::default();
        for at in 0..mind.versions.len() {
            let now = Viewed { version: mind.versions[at], live: mind.is_live[at] };
            if at == usize::from(slot) || now.version == 0 || now == mind.views[at] {
                continue;
            }
            mind.views[at] = now;
            let told = &self.told[at];
            let version = u32::try_from(now.version).expect("versions are positive");
            let (boot, said) =
                told.said.get(version.saturating_sub(told.first) as usize).expect("kept while anybody is at it");
            let id = node(u16::try_from(at).expect("slots are small"));
            view.peers.insert(id, Peer { live: now.live, boot: *boot, said: said.clone() });
        }
        (!view.peers.is_empty()).then_some(view)
    }

    /// Returns how many others a host takes to be up.
    pub(crate) fn sees_live(&self, slot: u16) -> usize {
        self.minds[usize::from(slot)].live.len()
    }
}

impl Mind {
    fn grow(&mut self, count: usize) {
        for array in
            [&mut self.beats, &mut self.versions, &mut self.last, &mut self.since, &mut self.counts, &mut self.starts]
        {
            array.resize(count, 0);
        }
        self.is_live.resize(count, false);
        self.views.resize(count, Viewed::default());
        self.contacts.resize(count, false);
    }

    /// Takes the later heartbeats. Without branches, so that the compiler can do several at once.
    fn hear_beats(&mut self, other: &[i32], now: i32) {
        let own = self.beats.iter_mut().zip(&mut self.last).zip(&mut self.counts);
        for (((beat, last), count), theirs) in own.zip(other) {
            let is_later = *theirs > *beat;
            *beat = (*beat).max(*theirs);
            *last = if is_later { now } else { *last };
            *count += i32::from(is_later);
        }
    }

    /// Takes the later versions.
    fn hear_facts(&mut self, other: &Mind) {
        for (version, theirs) in self.versions.iter_mut().zip(&other.versions) {
            *version = (*version).max(*theirs);
        }
    }

    /// Judges of all others whether they are up.
    fn judge(&mut self, slot: u16, now: i32) {
        self.live.clear();
        self.dead.clear();
        for at in 0..self.beats.len() {
            let beat = self.beats[at];
            if at == usize::from(slot) || beat == 0 {
                continue;
            }
            self.contacts[at] = true;
            let start = beat >> START_SHIFT;
            if start != self.starts[at] {
                // Another start, another id to chitchat: it is live once an interval is known.
                (self.starts[at], self.counts[at], self.since[at], self.is_live[at]) = (start, 0, self.last[at], false);
            }
            let is_live = self.is_heard(at, now);
            if self.is_live[at] && !is_live {
                (self.counts[at], self.since[at]) = (0, self.last[at]);
            }
            self.is_live[at] = is_live;
            let list = if is_live { &mut self.live } else { &mut self.dead };
            list.push(at as u16);
        }
    }

    /// Tells whether phi, the silence divided by the usual time between two heartbeats, is below the threshold.
    fn is_heard(&mut self, at: usize, now: i32) -> bool {
        let (count, window) = (self.counts[at], self.last[at] - self.since[at]);
        if count == 0 {
            return false;
        }
        if !self.is_live[at] && window > COUNTED_MAX {
            // The silence of one that was away is no interval.
            (self.counts[at], self.since[at]) = (0, self.last[at]);
            return false;
        }
        if count >= WINDOW {
            (self.counts[at], self.since[at]) = (count / 2, self.last[at] - window / 2);
        }
        let silence = i64::from(now - self.last[at]);
        silence * i64::from(count + PRIOR) <= PHI * (i64::from(window) + i64::from(PRIOR) * INTERVAL_MILLIS)
    }
}

/// Draws so many of `from`, each at most once.
fn sample(from: &[u16], most: usize, rng: &mut ChaCha8Rng, into: &mut Vec<u16>) {
    let begin = into.len();
    if from.len() <= most {
        into.extend_from_slice(from);
        return;
    }
    while into.len() - begin < most {
        let chosen = from[rng.random_range(0..from.len())];
        if !into[begin..].contains(&chosen) {
            into.push(chosen);
        }
    }
}

fn pair(minds: &mut [Mind], a: usize, b: usize) -> (&mut Mind, &mut Mind) {
    let (low, high) = minds.split_at_mut(a.max(b));
    if a < b { (&mut low[a], &mut high[0]) } else { (&mut high[0], &mut low[b]) }
}

fn millis(nanos: u64) -> i32 {
    i32::try_from(nanos / 1_000_000).unwrap_or(i32::MAX)
}

/// How often each node gossips: `gossip_interval` of `node/gossip`.
pub const INTERVAL: Duration = Duration::from_millis(250);
const INTERVAL_MILLIS: i64 = 250;
/// `phi_threshold` of `node/gossip`.
const PHI: i64 = 16;
/// With how many live nodes each exchanges in an interval: chitchat's `GOSSIP_COUNT`.
const GOSSIP_COUNT: usize = 3;
/// How many intervals of the usual length are taken for granted: chitchat's prior.
const PRIOR: i32 = 5;
/// Longer silences do not count as intervals: chitchat's `max_interval`.
const COUNTED_MAX: i32 = 10_000;
/// How many intervals are remembered: chitchat's `sampling_window_size`.
const WINDOW: i32 = 1_000;
/// As `node/gossip` calls those who are not heard.
const CALL_TICKS: u64 = 4;
const CALLS_ALONE: usize = 3;
/// The bits of a pulse that count heartbeats within a start.
const START_SHIFT: u32 = 20;
/// After so many versions it is looked whether the first can be forgotten.
const TOLD_KEPT: usize = 256;

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    /// Of each mesh: nodes, datagrams lost of a thousand; then in milliseconds, within what time half of the others, nine tenths of
    /// them, and usually the last notice that one is gone, and know a fact. Real chitchat is held to these figures by
    /// `node/gossip/tests/conformance.rs`.
    const TIMES: &str = include_str!("gossip/times.csv");

    #[test]
    fn its_times_are_those_that_chitchat_is_held_to() {
        let mut lines: Vec<String> = TIMES.lines().take(1).map(str::to_owned).collect();
        for (count, lost_per_mille) in [(3, 0), (5, 0), (20, 0), (20, 200)] {
            let (mut noticing, mut spreading) = (Times::default(), Times::default());
            for seed in 0..RUNS {
                let mut mesh = Mesh::new(count, lost_per_mille, seed);
                mesh.run_for(WARM_UP);
                mesh.gossip.tell(0, Boot::from_bytes([1; 16]), Announcement { full: true, ..Announcement::default() });
                let version = mesh.gossip.minds[0].versions[0];
                spreading.add(mesh.times(1..count, |mind| mind.versions[0] == version));
                mesh.run_for(2_000);
                let last = count - 1;
                mesh.gossip.stop(last);
                noticing.add(mesh.times(0..last, |mind| !mind.is_live[usize::from(last)]));
            }
            let figures = [noticing.figures(), spreading.figures()].concat();
            let figures: Vec<String> = figures.iter().map(u64::to_string).collect();
            lines.push(format!("{count},{lost_per_mille},{}", figures.join(",")));
        }
        assert_eq!(
            lines,
            TIMES.lines().collect::<Vec<_>>(),
            "if the model was changed on purpose, these are its times now"
        );
    }

    /// How long something took, for each node that it reached, in milliseconds.
    #[derive(Default)]
    struct Times {
        each: Vec<u64>,
        last: Vec<u64>,
    }

    impl Times {
        fn add(&mut self, run: Vec<u64>) {
            self.last.extend(run.iter().max());
            self.each.extend(run);
        }

        /// Returns within what time half of the nodes were reached, nine tenths of them, and usually the last.
        fn figures(mut self) -> [u64; 3] {
            self.each.sort_unstable();
            self.last.sort_unstable();
            let (each, last) = (self.each, self.last);
            [each[each.len() / 2], each[each.len() * 9 / 10], last[last.len() / 2]]
        }
    }

    struct Mesh {
        gossip: Gossip,
        rng: ChaCha8Rng,
        lost_per_mille: u32,
        millis: u64,
        phases: Vec<u64>,
    }

    impl Mesh {
        fn new(count: u16, lost_per_mille: u32, seed: u64) -> Self {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let mut gossip = Gossip::default();
            (0..count).for_each(|slot| gossip.add(slot == 0));
            (0..count).for_each(|slot| gossip.start(slot, Boot::from_bytes([1; 16]), true));
            let phases = (0..count).map(|_| rng.random_range(0..250)).collect();
            Self { gossip, rng, lost_per_mille, millis: 1_000, phases }
        }

        fn run_for(&mut self, millis: u64) {
            (0..millis).for_each(|_| self.step());
        }

        /// Returns how long it takes until it holds of the mind of each of some.
        fn times(&mut self, slots: std::ops::Range<u16>, holds: impl Fn(&Mind) -> bool) -> Vec<u64> {
            let mut times = vec![None; slots.len()];
            let begin = self.millis;
            while times.contains(&None) {
                self.step();
                for (slot, time) in slots.clone().zip(&mut times) {
                    if time.is_none() && holds(&self.gossip.minds[usize::from(slot)]) {
                        *time = Some(self.millis - begin);
                    }
                }
            }
            times.into_iter().flatten().collect()
        }

        fn step(&mut self) {
            self.millis += 1;
            for slot in 0..self.phases.len() as u16 {
                if self.gossip.minds[usize::from(slot)].is_up && self.millis % 250 == self.phases[usize::from(slot)] {
                    self.tick(slot);
                }
            }
        }

        fn tick(&mut self, slot: u16) {
            let now = self.millis * 1_000_000;
            for called in self.gossip.tick(slot, now, &mut self.rng) {
                let mut arrived = 0;
                while arrived < 3 && self.rng.random_range(0..1000) >= self.lost_per_mille {
                    arrived += 1;
                }
                self.gossip.perform(Gossip::exchange(slot, called, arrived), now);
            }
        }
    }

    const RUNS: u64 = 100;
    /// Long enough for the usual interval to be learned, in milliseconds.
    const WARM_UP: u64 = 30_000;
}
