//! Gossip, modelled after chitchat 0.11 as `node/gossip` uses it: who exchanges with whom and how often, what a lost datagram costs,
//! and phi-accrual detection from the silence since the last heartbeat and the usual time between two.
//!
//! Of each other node a node knows the latest heartbeat and the latest version of what it told. An exchange takes the later of both,
//! which is all that scuttlebutt does while everything fits a datagram. A thousand nodes do twelve thousand exchanges a second, of a
//! thousand entries each: what an exchange touches is kept in arrays of the smallest numbers that will do, and heartbeats are left out
//! while nothing is wrong (`gossip/calm.rs`).

use std::time::Duration;

use logmesh_protocol::id::{Boot, NodeId};
use logmesh_protocol::replica::{Announcement, Peer};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use self::calm::Calm;
use self::mind::Mind;
use self::told::Told;
use crate::hosts::node;

mod calm;
mod mind;
mod standing;
mod told;

#[cfg(test)]
mod tests;

/// What all hosts have heard of each other.
#[derive(Default)]
pub(crate) struct Gossip {
    minds: Vec<Mind>,
    told: Vec<Told>,
    /// The seeds of all who join.
    founders: Vec<u16>,
    /// When somebody last told of more than heads, in milliseconds; each who starts does.
    weighty_at: i32,
    /// The heartbeats that were left out, if nothing is wrong; else from when on it is looked whether anything is.
    calm: Option<Calm>,
    calm_not_before: i32,
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
        self.told.push(Told::default());
        let count = self.minds.len();
        for mind in &mut self.minds {
            mind.grow(count);
        }
    }

    /// A host starts: it knows nothing but addresses, those of the seeds if it was wiped.
    pub(crate) fn start(&mut self, slot: u16, boot: Boot, knows_addresses: bool, now: u64) {
        self.end_calm(millis(now));
        let at = usize::from(slot);
        let first = self.beat(slot);
        self.told[at].start(first);
        let known: Vec<bool> =
            self.minds[at].standings.iter().map(|other| other.is_contact && knows_addresses).collect();
        self.minds[at]
            .start(slot, |other| known[other] || self.founders.iter().any(|founder| usize::from(*founder) == other));
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
            self.minds.iter_mut().for_each(|mind| mind.lower(at));
            self.calm.iter_mut().for_each(|calm| calm.lower(slot));
            self.told[at].lower();
        }
        self.told[at].pulse += 1;
        self.told[at].pulse
    }

    /// A host tells something about itself, in place of what it told before.
    pub(crate) fn tell(&mut self, slot: u16, boot: Boot, said: Announcement, now: u64) {
        let at = usize::from(slot);
        let told = &mut self.told[at];
        let is_heads_alone =
            told.latest().is_some_and(|(then, before)| *then == boot && said.differs_in_heads_alone(before));
        if !is_heads_alone {
            self.weighty_at = millis(now);
        }
        self.minds[at].versions[at] = told.add(boot, said);
        told.tidy(at, &mut self.minds);
    }

    /// An interval has passed for a host: whom it calls now.
    pub(crate) fn tick(&mut self, slot: u16, now: u64, rng: &mut ChaCha8Rng) -> Vec<u16> {
        let (pulse, is_quiet, now) = (self.beat(slot), self.is_quiet(now), millis(now));
        let mind = &mut self.minds[usize::from(slot)];
        mind.ticks += 1;
        if let Some(calm) = &mut self.calm {
            calm.note_interval(slot, pulse, now);
        } else {
            if is_quiet && !mind.ticks.is_multiple_of(ALL_JUDGED_TICKS) {
                mind.judge_silent(slot, now);
            } else {
                mind.judge_all(slot, now, |at, beat| self.told[at].start_of(beat));
            }
            mind.begin_interval(slot, pulse);
            self.begin_calm(now);
        }
        self.calls(slot, rng)
    }

    /// Draws whom a host calls.
    fn calls(&self, slot: u16, rng: &mut ChaCha8Rng) -> Vec<u16> {
        let mind = &self.minds[usize::from(slot)];
        let mut called = Vec::new();
        let usual = if mind.live.is_empty() { &mind.dead } else { &mind.live };
        sample(usual, GOSSIP_COUNT, rng, &mut called);
        // A dead one with the probability of dead / (live + 1).
        if !mind.dead.is_empty() && rng.random_range(0..mind.live.len() + 1) < mind.dead.len() {
            called.push(mind.dead[rng.random_range(0..mind.dead.len())]);
        }
        // The shell calls those whom gossip does not hear: alone often, in company rarely.
        let calls = if mind.live.is_empty() { CALLS_ALONE } else { usize::from(mind.ticks.is_multiple_of(CALL_TICKS)) };
        sample(&mind.unheard, calls, rng, &mut called);
        called
    }

    /// Prepares an exchange of which so many datagrams arrive.
    pub(crate) fn exchange(caller: u16, called: u16, arrived: u8) -> Exchange {
        Exchange { caller, called, arrived }
    }

    /// Does an exchange.
    pub(crate) fn perform(&mut self, exchange: Exchange, now: u64) {
        let (a, b) = (usize::from(exchange.caller), usize::from(exchange.called));
        let (now, is_up) = (millis(now), self.minds[b].is_up);
        if exchange.arrived < 3 || !is_up {
            self.note_failed(a, b, now);
        }
        if a == b || exchange.arrived == 0 || !is_up {
            return;
        }
        // Whoever handles a message counts a heartbeat.
        let pulses = [self.told[a].pulse, self.beat(exchange.called)];
        let (caller, called) = pair(&mut self.minds, a, b);
        let arrived = if caller.is_up { exchange.arrived } else { 1 };
        match &mut self.calm {
            Some(calm) => calm.note_exchange(Exchange { arrived, ..exchange }, pulses, now),
            None => exchange_beats((caller, called), exchange, pulses, now),
        }
        match arrived {
            0 | 1 => {}
            2 => caller.hear_facts(called),
            _ => caller.share_facts(called),
        }
    }

    /// Somebody could not be called: unless it was known to be down, something is wrong.
    fn note_failed(&mut self, caller: usize, called: usize, now: i32) {
        if self.minds[caller].standings[called].is_live {
            self.end_calm(now);
        }
    }

    fn begin_calm(&mut self, now: i32) {
        if now >= self.calm_not_before {
            self.calm = Calm::begin(&self.minds, now);
            self.calm_not_before = now + CALM_PAUSE;
        }
    }

    fn end_calm(&mut self, now: i32) {
        if let Some(calm) = self.calm.take() {
            calm.end(&mut self.minds);
        }
        self.calm_not_before = now + CALM_AFTER;
    }

    /// Returns what a host's machine was not told yet, in order. In a large mesh, heads alone can wait for some ticks: there are always
    /// some, and to look for them takes as long as to take in all of them.
    pub(crate) fn news(&mut self, slot: u16, now: u64) -> Vec<(NodeId, Peer)> {
        let is_quiet = self.is_quiet(now);
        let pause = (self.minds.len() / CROWD).clamp(1, NEWS_TICKS_MAX) as u64;
        let news = self.minds[usize::from(slot)].news(slot, is_quiet, pause);
        let tell = |(at, live, version)| {
            let (boot, said) = self.told[usize::from(at)].of(version);
            (node(at), Peer { live, boot: *boot, said: said.clone() })
        };
        news.into_iter().map(tell).collect()
    }

    /// Tells whether all have long heard all that was told but heads.
    fn is_quiet(&self, now: u64) -> bool {
        millis(now) - self.weighty_at > SPREADING
    }

    /// Tells whether a host is up.
    pub(crate) fn is_up(&self, slot: u16) -> bool {
        self.minds[usize::from(slot)].is_up
    }

    /// Returns how many others a host takes to be up.
    pub(crate) fn sees_live(&self, slot: u16) -> usize {
        self.minds[usize::from(slot)].live.len()
    }
}

/// Both take in each other's heartbeats, as far as datagrams arrive.
fn exchange_beats((caller, called): (&mut Mind, &mut Mind), exchange: Exchange, pulses: [i16; 2], now: i32) {
    caller.beats[usize::from(exchange.caller)] = pulses[0];
    called.beats[usize::from(exchange.called)] = pulses[1];
    called.hear_call(caller, now);
    if exchange.arrived >= 2 {
        caller.hear_answer(called, now);
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
/// With how many live nodes each exchanges in an interval: chitchat's `GOSSIP_COUNT`.
const GOSSIP_COUNT: usize = 3;
/// As `node/gossip` calls those who are not heard.
const CALL_TICKS: u64 = 4;
const CALLS_ALONE: usize = 3;
/// With so many nodes more, heads alone wait for one tick more.
const CROWD: usize = 32;
/// For how many ticks they wait at most: for a second.
const NEWS_TICKS_MAX: usize = 4;
/// Every so many ticks all are judged, at least.
const ALL_JUDGED_TICKS: u64 = 4;
/// How long it may take until all have heard what was told, in milliseconds.
const SPREADING: i32 = 30_000;
/// After so long without anything wrong heartbeats are left out, in milliseconds.
const CALM_AFTER: i32 = 5_000;
/// How often it is looked whether they can be, in milliseconds.
const CALM_PAUSE: i32 = 1_000;
