//! A host's clocks: a monotonic one that begins anew at each start, and a wall clock that is off and drifts.

use std::time::Duration;

use logmesh_protocol::time::{Instant, Now, Timestamp};

use crate::network::nanos;

/// Both clocks of one host.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// What the wall clock shows, if it is not off, when the world's time is zero.
    epoch: i64,
    /// How far the wall clock was off when the present rate began, in nanoseconds.
    skew: i64,
    /// How much faster both clocks go than the world, in millionths.
    drift: i32,
    /// The world's time when the present rate began, and what the monotonic clock showed then.
    since: u64,
    monotonic: u64,
    was_put_back: bool,
}

impl Default for Clock {
    fn default() -> Self {
        Self { epoch: EPOCH_NANOS, skew: 0, drift: 0, since: 0, monotonic: 1, was_put_back: false }
    }
}

impl Clock {
    /// Returns the clocks of a world that begins so long after the usual one.
    pub fn beginning(later: Duration) -> Self {
        Self { epoch: EPOCH_NANOS.saturating_add(signed(nanos(later))), ..Self::default() }
    }

    /// Returns what the clocks show at the world's time `nanos`.
    pub fn now(&self, nanos: u64) -> Now {
        let passed = self.passed(nanos);
        let wall = self.epoch + signed(self.since) + self.skew + signed(passed);
        Now { instant: Instant::from_nanos(self.monotonic + passed), timestamp: Timestamp::from_nanos(wall) }
    }

    /// Returns after how many of the world's nanoseconds from `nanos` on the monotonic clock shows `at`.
    pub fn until(&self, nanos: u64, at: Instant) -> u64 {
        let left = at.as_nanos().saturating_sub(self.now(nanos).instant.as_nanos());
        if self.drift == 0 {
            return left;
        }
        let slower = u128::from(left) * MILLION / self.rate();
        // Rounded up, or the host would be called before its time again and again.
        u64::try_from(slower).unwrap_or(u64::MAX / 4).saturating_add(u64::from(left > 0))
    }

    /// Begins the monotonic clock anew, as a start of the process does.
    pub fn restart(&mut self, nanos: u64) {
        self.settle(nanos);
        self.monotonic = 1;
    }

    /// Puts the wall clock so many nanoseconds off.
    pub fn set_skew(&mut self, nanos: u64, skew: i64) {
        self.settle(nanos);
        self.was_put_back |= skew < self.skew;
        self.skew = skew;
    }

    /// Lets both clocks go faster than the world by so many millionths, or slower.
    pub fn set_drift(&mut self, nanos: u64, drift: i32) {
        self.settle(nanos);
        self.drift = drift.clamp(-DRIFT_MAX, DRIFT_MAX);
    }

    /// Returns how far the wall clock is off.
    pub fn skew(&self, nanos: u64) -> i64 {
        self.now(nanos).timestamp.as_nanos() - self.epoch - signed(nanos)
    }

    /// Tells whether the wall clock has ever shown an earlier time than before.
    pub fn was_put_back(&self) -> bool {
        self.was_put_back
    }

    fn settle(&mut self, nanos: u64) {
        let (skew, passed) = (self.skew(nanos), self.passed(nanos));
        (self.skew, self.since, self.monotonic) = (skew, nanos, self.monotonic + passed);
    }

    fn passed(&self, nanos: u64) -> u64 {
        let passed = nanos.saturating_sub(self.since);
        if self.drift == 0 {
            return passed;
        }
        u64::try_from(u128::from(passed) * self.rate() / MILLION).unwrap_or(u64::MAX / 4)
    }

    fn rate(&self) -> u128 {
        u128::from((MILLION as u64).saturating_add_signed(i64::from(self.drift)))
    }
}

fn signed(nanos: u64) -> i64 {
    i64::try_from(nanos).unwrap_or(i64::MAX / 4)
}

/// Where the usual world's time begins: 2026-11-23 00:10 UTC, ten minutes into a window.
const EPOCH_NANOS: i64 = 1_795_392_600 * 1_000_000_000;
/// A clock that is off by more than a tenth is broken, not drifting.
const DRIFT_MAX: i32 = 100_000;
const MILLION: u128 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_waits_until_its_clock_shows_a_time_is_called_then_and_not_before() {
        for drift in [-100_000, -333, 0, 7, 50_000] {
            let mut clock = Clock::default();
            clock.restart(5_000);
            clock.set_drift(10_000, drift);
            for wait in [1, 999, 1_000_000_007] {
                let at = Instant::from_nanos(clock.now(20_000).instant.as_nanos() + wait);
                let shown = clock.now(20_000 + clock.until(20_000, at)).instant;
                assert!(shown >= at && shown.since(at).as_nanos() <= 2, "{drift} {wait}: {shown:?} for {at:?}");
            }
        }
    }

    #[test]
    fn skew_and_drift_are_told_apart_and_no_change_lets_a_clock_jump() {
        let mut clock = Clock::default();
        clock.set_skew(1_000_000, -500);
        assert_eq!(clock.skew(2_000_000), -500);
        clock.set_drift(2_000_000, 1_000);
        assert_eq!(clock.skew(3_000_000), 500);
        clock.restart(3_000_000);
        assert_eq!((clock.skew(3_000_000), clock.now(3_000_000).instant.as_nanos()), (500, 1));
    }
}
