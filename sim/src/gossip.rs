//! Gossip, modelled after chitchat 0.11 as `node/gossip` uses it: who exchanges with whom and how often, what a lost datagram costs,
//! and phi-accrual detection from the silence since the last heartbeat and the usual time between two.
//!
//! Of each other node a node knows the latest heartbeat and the latest version of what it told. An exchange takes the later of both,
//! which is all that scuttlebutt does while everything fits a datagram. A thousand nodes do twelve thousand exchanges a second, of a
//! thousand entries each: what an exchange touches is kept in arrays of the smallest numbers that will do.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use logmesh_protocol::id::{Boot, NodeId};
use logmesh_protocol::replica::{Announcement, Peer};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use self::standing::Standing;
use crate::hosts::node;

mod standing;

/// What all hosts have heard of each other.
#[derive(Default)]
pub(crate) struct Gossip {
    minds: Vec<Mind>,
    told: Vec<Told>,
    /// The latest start of each: its first heartbeat and its number.
    starts: Vec<(i16, u16)>,
    /// The seeds of all who join.
    founders: Vec<u16>,
    /// When somebody last told of more than heads, in milliseconds; each who starts does.
    weighty_at: i32,
}

/// What one node has told, by version. The first versions are forgotten once everybody knows later ones.
#[derive(Default)]
struct Told {
    /// The version of the first that is kept.
    first: u32,
    said: VecDeque<(Boot, Arc<Announcement>)>,
    /// The latest heartbeat. They are counted over all starts, and all counts are lowered before there are too many.
    pulse: i16,
    /// The starts before the latest, each with its first heartbeat and its number.
    earlier: Vec<(i16, u16)>,
}

/// What one node has heard. All arrays go by slot.
#[derive(Default)]
struct Mind {
    is_up: bool,
    ticks: u64,
    /// The latest heartbeat of each.
    beats: Vec<i16>,
    /// The latest heartbeats as of the last tick: all calls of a tick leave before the first answer comes.
    called_with: Vec<i16>,
    /// How many later heartbeats came that are not in the standing yet, and in which of the exchanges since then the last one did.
    fresh: Vec<u8>,
    freshest: Vec<u8>,
    /// How many of them had come by the last tick.
    fresh_before: Vec<u8>,
    /// When these exchanges were, in milliseconds.
    heard_at: Vec<i32>,
    /// The latest version of what each told; 0 is nothing.
    versions: Vec<i32>,
    standings: Vec<Standing>,
    /// What the machine was told: twice the version, and one more if live.
    views: Vec<i32>,
    live: Vec<u16>,
    dead: Vec<u16>,
    /// Whether somebody was found to be live, to be away or to have started anew since the machine was last told.
    has_moved: bool,
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
        self.told.push(Told { first: 1, pulse: NEVER, ..Told::default() });
        self.starts.push((NEVER, 0));
        let count = self.minds.len();
        for mind in &mut self.minds {
            mind.grow(count);
        }
    }

    /// A host starts: it knows nothing but addresses, those of the seeds if it was wiped.
    pub(crate) fn start(&mut self, slot: u16, boot: Boot, knows_addresses: bool, now: u64) {
        let at = usize::from(slot);
        let begun = (self.beat(slot), self.starts[at].1 + 1);
        let before = std::mem::replace(&mut self.starts[at], begun);
        self.told[at].earlier.push(before);
        let known = std::mem::take(&mut self.minds[at].standings);
        let mut mind = Mind { is_up: true, ..Mind::default() };
        mind.grow(self.minds.len());
        for (standing, known) in mind.standings.iter_mut().zip(known) {
            standing.is_contact = known.is_contact && knows_addresses;
        }
        self.founders.iter().for_each(|founder| mind.standings[usize::from(*founder)].is_contact = true);
        mind.standings[at].is_contact = false;
        self.minds[at] = mind;
        self.tell(slot, boot, Announcement::default(), now);
    }

    /// A host is down.
    pub(crate) fn stop(&mut self, slot: u16) {
        self.minds[usize::from(slot)].is_up = false;
    }

    /// Counts a heartbeat of a host, and returns it.
    fn beat(&mut self, slot: u16) -> i16 {
        let at = usize::from(slot);
        if self.told[at].pulse == i16::MAX {
            // Those of more than half an hour ago need not be told apart.
            let lower = |beat: &mut i16| {
                if *beat != NEVER {
                    *beat = beat.saturating_sub(LOWERED_BY).max(NEVER + 1);
                }
            };
            self.minds.iter_mut().for_each(|mind| lower(&mut mind.beats[at]));
            self.minds.iter_mut().filter_map(|mind| mind.called_with.get_mut(at)).for_each(lower);
            let told = &mut self.told[at];
            lower(&mut told.pulse);
            lower(&mut self.starts[at].0);
            told.earlier.iter_mut().for_each(|(first, _)| lower(first));
        }
        self.told[at].pulse += 1;
        self.told[at].pulse
    }

    /// A host tells something about itself, in place of what it told before.
    pub(crate) fn tell(&mut self, slot: u16, boot: Boot, said: Announcement, now: u64) {
        let told = &mut self.told[usize::from(slot)];
        let is_heads_alone =
            |(then, before): &(_, Arc<Announcement>)| *then == boot && said.differs_in_heads_alone(before);
        if !told.said.back().is_some_and(is_heads_alone) {
            self.weighty_at = millis(now);
        }
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
        let (pulse, is_quiet) = (self.beat(slot), self.is_quiet(now));
        let mind = &mut self.minds[usize::from(slot)];
        mind.ticks += 1;
        if is_quiet && !mind.ticks.is_multiple_of(ALL_JUDGED_TICKS) {
            mind.judge_silent(slot, millis(now));
        } else {
            mind.judge_all(slot, millis(now), |at, beat| start_of(&self.starts, &self.told, at, beat));
        }
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
            let standings = (0..).zip(&mind.standings);
            let unheard = standings.filter(|(_, other)| other.is_contact && !other.is_live);
            let unheard: Vec<u16> = unheard.map(|(slot, _)| slot).collect();
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
        let (pulse_a, pulse_b) = (self.told[a].pulse, self.beat(exchange.called));
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

    /// Returns what a host's machine was not told yet, in order. In a large mesh, heads alone can wait for some ticks: there are always
    /// some, and to look for them takes as long as to take in all of them.
    pub(crate) fn news(&mut self, slot: u16, now: u64) -> Vec<(NodeId, Peer)> {
        let is_quiet = self.is_quiet(now);
        let mind = &mut self.minds[usize::from(slot)];
        let pause = (mind.versions.len() / CROWD).clamp(1, NEWS_TICKS_MAX) as u64;
        let mut news = Vec::new();
        if is_quiet && !mind.has_moved && !mind.ticks.is_multiple_of(pause) {
            return news;
        }
        mind.has_moved = false;
        let heard = mind.versions.iter().zip(&mind.standings).zip(&mut mind.views);
        for (at, ((version, standing), view)) in (0..).zip(heard) {
            let now = 2 * *version + i32::from(standing.is_live);
            if at == slot || *version == 0 || now == *view {
                continue;
            }
            *view = now;
            let told = &self.told[usize::from(at)];
            let version = u32::try_from(*version).expect("versions are positive");
            let (boot, said) =
                told.said.get(version.saturating_sub(told.first) as usize).expect("kept while anybody is at it");
            news.push((node(at), Peer { live: standing.is_live, boot: *boot, said: said.clone() }));
        }
        // Ids go by slot, but for those of the first few hundred.
        news.sort_unstable_by_key(|(node, _)| *node);
        news
    }

    /// Tells whether all have long heard all that was told but heads.
    fn is_quiet(&self, now: u64) -> bool {
        millis(now) - self.weighty_at > SPREADING
    }

    /// Returns how many others a host takes to be up.
    pub(crate) fn sees_live(&self, slot: u16) -> usize {
        self.minds[usize::from(slot)].live.len()
    }
}

impl Mind {
    fn grow(&mut self, count: usize) {
        self.beats.resize(count, NEVER);
        self.fresh.resize(count, 0);
        self.freshest.resize(count, 0);
        self.fresh_before.resize(count, 0);
        self.versions.resize(count, 0);
        self.standings.resize(count, Standing::default());
        self.views.resize(count, 0);
    }

    /// Takes the later heartbeats. Without branches, so that the compiler can do several at once.
    fn hear_beats(&mut self, other: &[i16], now: i32) {
        if self.heard_at.len() == usize::from(u8::MAX) {
            self.take_fresh();
        }
        let exchange = self.heard_at.len() as u8;
        self.heard_at.push(now);
        let own = self.beats.iter_mut().zip(&mut self.fresh).zip(&mut self.freshest);
        for (((beat, fresh), freshest), theirs) in own.zip(other) {
            let is_later = *theirs > *beat;
            *beat = (*beat).max(*theirs);
            *fresh = fresh.wrapping_add(u8::from(is_later));
            *freshest = if is_later { exchange } else { *freshest };
        }
    }

    /// Takes the later versions.
    fn hear_facts(&mut self, other: &Mind) {
        for (version, theirs) in self.versions.iter_mut().zip(&other.versions) {
            *version = (*version).max(*theirs);
        }
    }

    /// Takes into account which heartbeats came.
    fn take_fresh(&mut self) {
        (0..self.standings.len()).for_each(|at| self.take_fresh_of(at));
        self.heard_at.clear();
    }

    fn take_fresh_of(&mut self, at: usize) {
        let fresh = std::mem::take(&mut self.fresh[at]);
        self.fresh_before[at] = 0;
        if fresh > 0 {
            let standing = &mut self.standings[at];
            standing.count = standing.count.saturating_add(u16::from(fresh));
            standing.last = self.heard_at[usize::from(self.freshest[at])];
        }
    }

    /// Judges of all others whether they are up. `start_of` tells to which start a heartbeat belongs.
    fn judge_all(&mut self, slot: u16, now: i32, start_of: impl Fn(usize, i16) -> u16) {
        self.take_fresh();
        let mut has_moved = false;
        for (at, (standing, beat)) in self.standings.iter_mut().zip(&self.beats).enumerate() {
            if at == usize::from(slot) || *beat == NEVER {
                continue;
            }
            let start = start_of(at, *beat);
            if start != standing.start {
                // Another start, another id to chitchat: it is live once an interval is known.
                let last = standing.last;
                *standing = Standing { last, since: last, count: 0, start, is_live: false, is_contact: true };
                has_moved = true;
            }
            has_moved |= standing.judge(now);
        }
        self.note_judged(slot, has_moved);
    }

    /// Judges of those who are away, and of those of whom nothing was heard since the last tick: the others are live still. (Their usual
    /// interval would have to be shorter than a sixteenth of a tick.) For times in which nobody starts.
    fn judge_silent(&mut self, slot: u16, now: i32) {
        let mut has_moved = false;
        for at in 0..self.dead.len() {
            let at = usize::from(self.dead[at]);
            self.take_fresh_of(at);
            has_moved |= self.standings[at].judge(now);
        }
        for at in 0..self.fresh.len() {
            if self.fresh[at] == self.fresh_before[at] && self.standings[at].is_live {
                self.take_fresh_of(at);
                has_moved |= self.standings[at].judge(now);
            }
        }
        self.fresh_before.copy_from_slice(&self.fresh);
        self.note_judged(slot, has_moved);
    }

    fn note_judged(&mut self, slot: u16, has_moved: bool) {
        if has_moved {
            self.has_moved = true;
            let heard = (0..).zip(self.standings.iter().zip(&self.beats));
            let heard = heard.filter(|(at, (_, beat))| *at != slot && **beat != NEVER);
            let (live, dead): (Vec<_>, Vec<_>) = heard.partition(|(_, (standing, _))| standing.is_live);
            self.live = live.into_iter().map(|(at, _)| at).collect();
            self.dead = dead.into_iter().map(|(at, _)| at).collect();
        }
    }
}

/// Returns the number of the start to which a heartbeat of a node belongs.
fn start_of(starts: &[(i16, u16)], told: &[Told], at: usize, beat: i16) -> u16 {
    let (first, number) = starts[at];
    if beat >= first {
        return number;
    }
    let earlier = told[at].earlier.iter().rev().find(|(first, _)| *first <= beat);
    earlier.map_or(0, |(_, number)| *number)
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
/// With how many live nodes each exchanges in an interval: chitchat's `GOSSIP_COUNT`.
const GOSSIP_COUNT: usize = 3;
/// As `node/gossip` calls those who are not heard.
const CALL_TICKS: u64 = 4;
const CALLS_ALONE: usize = 3;
/// The heartbeat of one who was never heard.
const NEVER: i16 = i16::MIN;
/// When they get too many, the counts of heartbeats are lowered by so much: more than a node has in half an hour.
const LOWERED_BY: i16 = i16::MAX;
/// With so many nodes more, heads alone wait for one tick more.
const CROWD: usize = 32;
/// For how many ticks they wait at most: for a second.
const NEWS_TICKS_MAX: usize = 4;
/// Every so many ticks all are judged, at least.
const ALL_JUDGED_TICKS: u64 = 4;
/// How long it may take until all have heard what was told, in milliseconds.
const SPREADING: i32 = 30_000;
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
                mesh.gossip.tell(
                    0,
                    Boot::from_bytes([1; 16]),
                    Announcement { full: true, ..Announcement::default() },
                    0,
                );
                let version = mesh.gossip.minds[0].versions[0];
                spreading.add(mesh.times(1..count, |mind| mind.versions[0] == version));
                mesh.run_for(2_000);
                let last = count - 1;
                mesh.gossip.stop(last);
                noticing.add(mesh.times(0..last, |mind| !mind.standings[usize::from(last)].is_live));
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
            (0..count).for_each(|slot| gossip.start(slot, Boot::from_bytes([1; 16]), true, 0));
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
