//! Phi-accrual detection: what a node makes of the heartbeats of one other.

/// What a node makes of the heartbeats of one other.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Standing {
    /// When a later heartbeat last came, in milliseconds; since when they are counted, and how many came since.
    pub(super) last: i32,
    pub(super) since: i32,
    pub(super) count: u16,
    /// The start of which they are counted.
    pub(super) start: u16,
    pub(super) is_live: bool,
    /// Whether its address was ever known.
    pub(super) is_contact: bool,
}

impl Standing {
    /// Judges whether it is up; tells whether that is another judgement than before.
    pub(super) fn judge(&mut self, now: i32) -> bool {
        let is_live = self.is_heard(now);
        if self.is_live && !is_live {
            (self.count, self.since) = (0, self.last);
        }
        std::mem::replace(&mut self.is_live, is_live) != is_live
    }

    /// So many were counted: only the last are remembered.
    pub(super) fn remember(&mut self, mut count: i64) {
        while count >= i64::from(WINDOW) {
            count /= 2;
            self.since = self.last - (self.last - self.since) / 2;
        }
        self.count = u16::try_from(count).unwrap_or(WINDOW);
    }

    /// Tells whether phi, the silence divided by the usual time between two heartbeats, is below the threshold.
    fn is_heard(&mut self, now: i32) -> bool {
        let (count, window) = (self.count, self.last - self.since);
        if count == 0 {
            return false;
        }
        if !self.is_live && window > COUNTED_MAX {
            // The silence of one that was away is no interval.
            (self.count, self.since) = (0, self.last);
            return false;
        }
        self.remember(i64::from(count));
        let silence = i64::from(now - self.last);
        silence * i64::from(count + PRIOR) <= PHI * (i64::from(window) + i64::from(PRIOR) * INTERVAL_MILLIS)
    }
}

/// [`super::INTERVAL`] in milliseconds.
const INTERVAL_MILLIS: i64 = 250;
/// `phi_threshold` of `node/gossip`.
const PHI: i64 = 16;
/// How many intervals of the usual length are taken for granted: chitchat's prior.
const PRIOR: u16 = 5;
/// Longer silences do not count as intervals: chitchat's `max_interval`.
const COUNTED_MAX: i32 = 10_000;
/// How many intervals are remembered: chitchat's `sampling_window_size`.
const WINDOW: u16 = 1_000;
