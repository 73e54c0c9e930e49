//! The one place where a node reads its clocks.

use std::time::{Instant as StdInstant, SystemTime, UNIX_EPOCH};

use logmesh_protocol::time::{Instant, Now, Timestamp};

/// Both clocks of this process. Copies agree with each other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    started: StdInstant,
}

impl Clock {
    /// Returns a clock whose monotonic side starts now.
    pub(crate) fn start() -> Self {
        Self { started: StdInstant::now() }
    }

    /// Reads both clocks.
    pub(crate) fn now(&self) -> Now {
        Now { instant: self.instant(), timestamp: Self::timestamp() }
    }

    /// Reads the monotonic clock.
    pub(crate) fn instant(&self) -> Instant {
        Instant::from_nanos(u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    /// Returns the process's own form of `instant`, for timers.
    pub(crate) fn to_std(self, instant: Instant) -> StdInstant {
        self.started + std::time::Duration::from_nanos(instant.as_nanos())
    }

    /// Reads the wall clock; a clock before 1970 reads as 1970.
    pub(crate) fn timestamp() -> Timestamp {
        let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
        Timestamp::from_nanos(i64::try_from(nanos).unwrap_or(i64::MAX))
    }
}
