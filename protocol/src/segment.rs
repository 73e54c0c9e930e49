//! Windows and segments: a journal's stretch in one hour of record time, the unit of placement, repair and retention.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::id::{Boot, JournalId, NodeId};
use crate::time::{TimeRange, Timestamp};

/// One hour of record time, counted from the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Window(pub u32);

impl Window {
    /// The length of every window. Equal in every mesh: it is part of the format.
    pub const LENGTH: Duration = Duration::from_secs(3600);

    /// Returns the window in which `timestamp` lies; times before 1970 lie in the first, those after the last in the last.
    pub fn of(timestamp: Timestamp) -> Self {
        let hours = timestamp.as_nanos().div_euclid(LENGTH_NANOS);
        Self(u32::try_from(hours.max(0)).unwrap_or(u32::MAX))
    }

    /// Returns the first timestamp of the window.
    pub fn start(self) -> Timestamp {
        Timestamp::from_nanos(i64::from(self.0).saturating_mul(LENGTH_NANOS))
    }

    /// Returns the first timestamp after the window.
    pub fn end(self) -> Timestamp {
        self.start().saturating_add(Self::LENGTH)
    }

    /// Returns the day (24 windows, UTC) of the window.
    pub fn day(self) -> u32 {
        self.0 / 24
    }

    /// Tells whether the window shares a timestamp with `range`.
    pub fn overlaps(self, range: &TimeRange) -> bool {
        range.overlaps(self.start(), Timestamp::from_nanos(self.end().as_nanos() - 1))
    }
}

/// A journal's stretch in one window. Sorts by window first, so that keys in this order lie in order of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SegmentId {
    /// The hour of record time.
    pub window: Window,
    /// The writer and its start.
    pub journal: JournalId,
    /// Grows when the segment before it has reached its size bound.
    pub part: u32,
}

impl SegmentId {
    /// The length of [`SegmentId::to_bytes`].
    pub const BYTES: usize = 56;

    /// Returns the node that wrote the segment.
    pub fn origin(&self) -> NodeId {
        self.journal.node
    }

    /// Tells whether the segment is past its retention.
    pub fn is_expired(&self, now: Timestamp, retention: Duration) -> bool {
        self.window.end().saturating_add(retention) <= now
    }

    /// Returns the canonical bytes: window, node, boot, part; integers big endian, so that bytes sort as ids do.
    pub fn to_bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..4].copy_from_slice(&self.window.0.to_be_bytes());
        bytes[4..36].copy_from_slice(self.journal.node.as_bytes());
        bytes[36..52].copy_from_slice(self.journal.boot.as_bytes());
        bytes[52..].copy_from_slice(&self.part.to_be_bytes());
        bytes
    }

    /// Returns the segment with these canonical bytes.
    pub fn from_bytes(bytes: &[u8; Self::BYTES]) -> Self {
        let word = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
        let node = NodeId::from_bytes(bytes[4..36].try_into().expect("32 bytes"));
        let boot = Boot::from_bytes(bytes[36..52].try_into().expect("16 bytes"));
        Self { window: Window(word(0)), journal: JournalId { node, boot }, part: word(52) }
    }
}

impl fmt::Display for SegmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}/{}", self.window.0, self.journal.node.short(), self.journal.boot, self.part)
    }
}

/// Consecutive batches `[from, to)` of one segment, folded into sealed blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ExtentId {
    /// The segment.
    pub segment: SegmentId,
    /// The first batch.
    pub from: u32,
    /// The first batch after the extent.
    pub to: u32,
}

const LENGTH_NANOS: i64 = 3_600_000_000_000;

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    use super::*;

    fn segment(window: u32, node: [u8; 32], boot: [u8; 16], part: u32) -> SegmentId {
        let journal = JournalId { node: NodeId::from_bytes(node), boot: Boot::from_bytes(boot) };
        SegmentId { window: Window(window), journal, part }
    }

    proptest! {
        #[test]
        fn bytes_are_a_round_trip_and_sort_as_ids_do(
            a: (u32, [u8; 32], [u8; 16], u32), b: (u32, [u8; 32], [u8; 16], u32)
        ) {
            let (a, b) = (segment(a.0, a.1, a.2, a.3), segment(b.0, b.1, b.2, b.3));
            prop_assert_eq!(SegmentId::from_bytes(&a.to_bytes()), a);
            prop_assert_eq!(a.cmp(&b), a.to_bytes().cmp(&b.to_bytes()));
        }

        #[test]
        fn a_window_holds_its_own_timestamps(nanos in any::<i64>()) {
            let timestamp = Timestamp::from_nanos(nanos.max(0));
            let window = Window::of(timestamp);
            prop_assert!(window.start() <= timestamp && timestamp < window.end());
        }
    }
}
