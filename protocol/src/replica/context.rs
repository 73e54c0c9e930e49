//! What every part of the machine needs: who this is, what time it is, the settings, the seeded randomness, the outputs
//! and the timers.

use std::collections::VecDeque;
use std::time::Duration;

use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::interface::{Event, Output};
use crate::config::Config;
use crate::id::{Boot, NodeId};
use crate::message::{Message, Salt};
use crate::time::{Instant, Now};

/// What the machine may wake up for. Each is armed at most once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Timer {
    /// An append has waited long enough.
    Acknowledge,
    /// Something sent was not held, or a send failed a while ago.
    Push,
    /// There are tokens again to send for repair.
    Serve,
    /// The repair round in progress may have ended, or the next is due.
    Repair,
    /// What changed is to be announced or persisted.
    Announce,
    /// Housekeeping.
    Tick,
    /// A stop goes on.
    Stop,
}

/// All of them, in the order in which those that are due at one time are served.
const TIMERS: [Timer; 7] =
    [Timer::Acknowledge, Timer::Push, Timer::Serve, Timer::Repair, Timer::Announce, Timer::Tick, Timer::Stop];

/// Room for so many outputs is kept for the next ones.
const OUTPUTS_KEPT: usize = 64;

/// The ground under all parts.
pub(super) struct Context {
    pub(super) id: NodeId,
    pub(super) boot: Boot,
    pub(super) config: Config,
    pub(super) now: Now,
    rng: ChaCha8Rng,
    outputs: VecDeque<Output>,
    /// When each is due, in order of [`TIMERS`].
    timers: [Option<Instant>; TIMERS.len()],
}

impl Context {
    pub(super) fn new(id: NodeId, boot: Boot, config: Config, seed: u64) -> Self {
        let rng = ChaCha8Rng::seed_from_u64(seed);
        let mut timers = [None; TIMERS.len()];
        timers[Timer::Tick as usize] = Some(Instant::default());
        Self { id, boot, config, now: Now::default(), rng, outputs: VecDeque::new(), timers }
    }

    /// Wants something done, after all that was wanted before.
    pub(super) fn output(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    pub(super) fn send(&mut self, to: NodeId, message: Message) {
        self.output(Output::Send { to, message });
    }

    pub(super) fn event(&mut self, event: Event) {
        self.output(Output::Event(event));
    }

    pub(super) fn poll(&mut self) -> Option<Output> {
        let output = self.outputs.pop_front();
        if output.is_none() {
            // A ring that was once large would be gone round through memory that nobody has touched for long.
            match self.outputs.capacity() > OUTPUTS_KEPT {
                true => self.outputs = VecDeque::new(),
                false => self.outputs.clear(),
            }
        }
        output
    }

    /// Wakes up for `timer` after `wait`, or earlier if that was agreed before.
    pub(super) fn arm(&mut self, timer: Timer, wait: Duration) {
        let at = self.now.instant + wait;
        let due = &mut self.timers[timer as usize];
        *due = Some(due.map_or(at, |known| known.min(at)));
    }

    /// Takes a timer that is due.
    pub(super) fn due(&mut self) -> Option<Timer> {
        let is_due = |at: &Instant| *at <= self.now.instant;
        let (_, timer) = self.timers.iter().zip(TIMERS).find(|(at, _)| at.as_ref().is_some_and(is_due))?;
        self.timers[timer as usize] = None;
        Some(timer)
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.timers.iter().flatten().min().copied()
    }

    /// Returns how long ago `earlier` was.
    pub(super) fn ago(&self, earlier: Instant) -> Duration {
        self.now.instant.since(earlier)
    }

    pub(super) fn salt(&mut self) -> Salt {
        self.rng.next_u64().to_le_bytes()
    }

    /// Returns a number below `bound`, 0 for 0.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        // The bias of the remainder is 2^-32 at worst here, and nobody's order depends on it.
        if bound == 0 { 0 } else { self.rng.next_u64() % bound }
    }

    /// Returns `duration`, a quarter more or less, so that nodes do not march in step.
    pub(super) fn jittered(&mut self, duration: Duration) -> Duration {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(nanos - nanos / 4 + self.below(nanos / 2))
    }
}
