//! What a scan will read, window by window, in which order.

use std::collections::BTreeMap;
use std::rc::Rc;

use logmesh_protocol::ledger::LedgerEntry;
use logmesh_protocol::segment::{ExtentId, SegmentId, Window};
use logmesh_protocol::seq_set::SeqSet;
use logmesh_protocol::time::Timestamp;

use crate::extent::Filed;
use crate::scan::ScanRequest;

/// One thing to read.
pub(crate) struct Unit {
    /// No row of it is older.
    pub(crate) first: i64,
    /// No row of it is newer.
    pub(crate) last: i64,
    pub(crate) source: Source,
}

/// Where the rows are.
pub(crate) enum Source {
    /// One block of an extent, and which of the tenant's streams match, by place.
    Block(Rc<Chosen>, usize),
    /// Batches of the tail.
    Tail(SegmentId, Vec<(u32, LedgerEntry)>),
    /// Batches of an extent that is wanted only in part: they are rebuilt.
    Rebuilt(ExtentId, SeqSet),
}

/// An extent of which something is to be read.
pub(crate) struct Chosen {
    pub(crate) filed: Filed,
    /// For each stream of the tenant whether it matches.
    pub(crate) matching: Vec<bool>,
}

/// Returns the segments that share a timestamp with the range, by window, in the order in which they are to be read.
pub(crate) fn windows(request: &ScanRequest<'_>) -> Vec<(Window, Vec<SegmentId>)> {
    let mut windows: BTreeMap<Window, Vec<SegmentId>> = BTreeMap::new();
    for segment in request.segments {
        let (first, last) = bounds_of(segment.window);
        if request.range.overlaps(Timestamp::from_nanos(first), Timestamp::from_nanos(last)) {
            windows.entry(segment.window).or_default().push(*segment);
        }
    }
    for segments in windows.values_mut() {
        segments.sort_unstable();
        segments.dedup();
    }
    let ordered = windows.into_iter();
    if request.newest_first { ordered.rev().collect() } else { ordered.collect() }
}

/// Returns the first and the last timestamp that records of a window may have: all that lies before the first window or
/// after the last is in these.
pub(crate) fn bounds_of(window: Window) -> (i64, i64) {
    let first = if window.0 == 0 { i64::MIN } else { window.start().as_nanos() };
    let last = if window.0 == u32::MAX { i64::MAX } else { window.end().as_nanos().saturating_sub(1) };
    (first, if last < first { i64::MAX } else { last })
}
