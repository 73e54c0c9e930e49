//! While nothing is wrong, heartbeats need not be taken in: all find all others live. They are written down instead, for as long as they
//! matter, and taken in later if something goes wrong.

use std::collections::VecDeque;

use super::mind::{Mind, lower};
use super::standing::Standing;
use super::{Exchange, exchange_beats, pair};

/// The heartbeats that were not taken in.
pub(super) struct Calm {
    /// Since when, in milliseconds.
    since: i32,
    written: VecDeque<Written>,
}

/// An exchange, or the beginning of an interval if nothing arrived.
struct Written {
    at: i32,
    exchange: Exchange,
    /// The heartbeats of the caller and of the called.
    pulses: [i16; 2],
}

impl Calm {
    /// Returns the calm that begins now, if all who are up take each other to be up, and nobody else.
    pub(super) fn begin(minds: &[Mind], now: i32) -> Option<Self> {
        let up = || minds.iter().filter(|mind| mind.is_up);
        let others = up().count().saturating_sub(1);
        let sees_all =
            |mind: &Mind| mind.live.len() == others && mind.live.iter().all(|other| minds[usize::from(*other)].is_up);
        (up().all(|mind| mind.live.len() == others) && up().all(sees_all))
            .then(|| Self { since: now, written: VecDeque::new() })
    }

    /// Writes down that an interval of a host begins.
    pub(super) fn note_interval(&mut self, slot: u16, pulse: i16, now: i32) {
        let exchange = Exchange { caller: slot, called: slot, arrived: 0 };
        self.note(Written { at: now, exchange, pulses: [pulse, 0] });
    }

    /// Writes down an exchange.
    pub(super) fn note_exchange(&mut self, exchange: Exchange, pulses: [i16; 2], now: i32) {
        self.note(Written { at: now, exchange, pulses });
    }

    /// Tells whether there were more than are remembered.
    #[cfg(test)]
    pub(super) fn has_forgotten(&self) -> bool {
        self.written.len() >= WRITTEN_MAX
    }

    fn note(&mut self, written: Written) {
        let is_old = |first: &Written| written.at - first.at > REMEMBERED;
        while self.written.len() > WRITTEN_MAX && self.written.front().is_some_and(is_old) {
            self.written.pop_front();
        }
        self.written.push_back(written);
    }

    /// There are too many heartbeats of a node.
    pub(super) fn lower(&mut self, slot: u16) {
        for Written { exchange, pulses, .. } in &mut self.written {
            let whose = [exchange.caller, exchange.called];
            pulses.iter_mut().zip(whose).filter(|(_, node)| *node == slot).for_each(|(pulse, _)| lower(pulse));
        }
    }

    /// Takes in what was written down. What came before it is taken to have come as often.
    pub(super) fn end(self, minds: &mut [Mind]) {
        let Some(first) = self.written.front().map(|first| first.at) else { return };
        let before: Vec<Vec<u16>> = minds.iter_mut().map(Mind::count_anew).collect();
        for Written { at, exchange, pulses } in self.written {
            let (a, b) = (usize::from(exchange.caller), usize::from(exchange.called));
            if exchange.arrived == 0 {
                minds[a].begin_interval(exchange.caller, pulses[0]);
                continue;
            }
            exchange_beats(pair(minds, a, b), exchange, pulses, at);
        }
        for (mind, before) in minds.iter_mut().zip(before) {
            mind.take_fresh();
            for (standing, before) in mind.standings.iter_mut().zip(before) {
                standing.extend(before, (self.since, first));
            }
        }
    }
}

impl Mind {
    /// Counts heartbeats from nothing, and returns how many there were.
    fn count_anew(&mut self) -> Vec<u16> {
        self.take_fresh();
        self.standings.iter_mut().map(|standing| std::mem::take(&mut standing.count)).collect()
    }
}

impl Standing {
    /// Heartbeats were not counted from one time to another: as many came as after that, and `before` had come before.
    fn extend(&mut self, before: u16, (from, to): (i32, i32)) {
        let (counted, whole) = (i64::from(self.last - to), i64::from(self.last - from));
        let mut count = i64::from(self.count);
        if counted > 0 && count > 0 {
            count = count * whole / counted;
        }
        count += i64::from(before);
        self.remember(count);
    }
}

/// For how long heartbeats matter, in milliseconds: whoever is up is heard many times meanwhile.
const REMEMBERED: i32 = 10_000;
/// More than so many are kept only for so long.
const WRITTEN_MAX: usize = 100_000;
