//! The scan: rows of chosen streams in a range of time, from sealed blocks and the tail alike, each once.
//!
//! A scan sees one moment, so that a seal beside it neither hides nor doubles a row. It looks at headers before it reads
//! blocks, and at timestamps before it expands lines. It must never give a row whose bytes it has not checked.

mod outcome;
mod plan;
mod read;
mod select;

use std::collections::{BTreeMap, HashSet};
use std::ops::ControlFlow;

use bytes::Bytes;
use logmesh_protocol::batch::Batch;
use logmesh_protocol::record::Labels;
use logmesh_protocol::rows::Rows;
use logmesh_protocol::segment::SegmentId;
use logmesh_protocol::seq_set::SeqSet;
use logmesh_protocol::time::{TimeRange, Timestamp};

use crate::columns::Decoder;
use crate::db::{Db, ReadError};
use crate::extent::Filed;
use crate::ledger::Held;
use crate::scan::outcome::Damage;
pub use crate::scan::outcome::ScanOutcome;
use crate::scan::plan::{Unit, bounds_of, windows};
use crate::scan::read::Reader;

/// What a scan is to give.
#[derive(Clone)]
pub struct ScanRequest<'a> {
    /// Whose records.
    pub tenant: &'a str,
    /// Records outside are left out.
    pub range: TimeRange,
    /// Which segments; those that are not here are passed over.
    pub segments: &'a [SegmentId],
    /// Of the segments that are here exactly these batches, of which those not held are named as damaged; of all others
    /// whatever is held.
    pub only: Option<&'a BTreeMap<SegmentId, SeqSet>>,
    /// Which streams; asked once for each stream and remembered.
    pub matches: &'a dyn Fn(&Labels) -> bool,
    /// Whether the newest blocks come first, rather than the oldest.
    pub newest_first: bool,
    /// Whether the text of lines is wanted. Without it `Rows::lines` may be empty, and sealed blocks are not expanded to it; all
    /// else is there, the ends of the lines too.
    pub lines: bool,
}

/// Some rows of a scan, and how far it is.
#[derive(Clone, Debug)]
pub struct Scanned {
    /// The rows; never empty.
    pub rows: Rows,
    /// No row that follows is newer than this (with the oldest first: older than this), so that a caller who has enough
    /// knows it.
    pub rest: Timestamp,
}

/// Gives the rows that `request` asks for to `sink`.
pub(crate) fn scan(
    db: &Db,
    request: &ScanRequest<'_>,
    sink: &mut dyn FnMut(Scanned) -> ControlFlow<()>,
) -> Result<ScanOutcome, ReadError> {
    let view = db.view();
    let mut reader = Reader::new(&view, request)?;
    let windows = windows(request);
    for (at, (window, segments)) in windows.iter().enumerate() {
        let mut units = Vec::new();
        for segment in segments {
            reader.plan(segment, &mut units)?;
        }
        order(&mut units, request.newest_first);
        let after = windows.get(at + 1).map(|(next, _)| *next);
        for (at, unit) in units.iter().enumerate() {
            let following = units.get(at + 1).map(|unit| (unit.first, unit.last)).or(after.map(bounds_of));
            let rest = match (following, request.newest_first) {
                (Some((_, last)), true) => last,
                (Some((first, _)), false) => first,
                (None, true) => i64::MIN,
                (None, false) => i64::MAX,
            };
            let Some(rows) = reader.read(unit) else { continue };
            if sink(Scanned { rows, rest: Timestamp::from_nanos(rest) }).is_break() {
                return Ok(reader.finish());
            }
        }
        tracing::trace!(window = window.0, units = units.len(), "window scanned");
    }
    Ok(reader.finish())
}

fn order(units: &mut [Unit], newest_first: bool) {
    if newest_first {
        units.sort_by_key(|unit| std::cmp::Reverse(unit.last));
    } else {
        units.sort_by_key(|unit| unit.first);
    }
}

/// Gives the streams of `tenant` that may have records in `range` to `sink`, each once.
pub(crate) fn streams(
    db: &Db,
    tenant: &str,
    range: TimeRange,
    segments: &[SegmentId],
    sink: &mut dyn FnMut(&Labels),
) -> Result<Vec<(SegmentId, SeqSet)>, ReadError> {
    let view = db.view();
    let decoder = &mut Decoder::new().map_err(|_| ReadError::Damaged)?;
    let request =
        ScanRequest { tenant, range, segments, only: None, matches: &|_| true, newest_first: false, lines: false };
    let (mut seen, mut damage) = (HashSet::<Bytes>::new(), Damage::default());
    let mut give = |labels: Bytes| {
        if !seen.contains(&labels)
            && let Ok(parsed) = Labels::from_bytes(&labels)
        {
            seen.insert(labels);
            sink(&parsed);
        }
    };
    for segment in windows(&request).iter().flat_map(|(_, segments)| segments) {
        for (id, value) in view.filed(segment)? {
            match Filed::decode(id, &value, decoder) {
                Ok(filed) => header_streams(&filed, tenant, &range).into_iter().for_each(&mut give),
                Err(_) => damage.add_range(segment, id.from..id.to),
            }
        }
        for held in view.held(segment)? {
            let Held::Batch(seq, entry) = held else { continue };
            let canonical = view.tail_canonical(segment, seq, &entry);
            match canonical.as_deref().map(Batch::decode) {
                Some(Ok(batch)) if batch.tenant == tenant => {
                    let labels = batch.chunks.iter().flat_map(|chunk| &chunk.streams);
                    labels.for_each(|labels| give(Bytes::copy_from_slice(labels)));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => damage.add_range(segment, seq..seq + 1),
            }
        }
    }
    Ok(damage.into_vec())
}

fn header_streams(filed: &Filed, tenant: &str, range: &TimeRange) -> Vec<Bytes> {
    let header = &filed.header;
    let overlaps = |first, last| range.overlaps(Timestamp::from_nanos(first), Timestamp::from_nanos(last));
    let mut found = Vec::new();
    for block in header.blocks.iter().filter(|block| overlaps(block.first, block.last)) {
        let streams = &header.tenants[block.tenant as usize];
        if streams.tenant == tenant {
            let first = block.first_stream as usize;
            // Cloned, not sliced: a slice would keep the whole expanded header alive.
            let labels = streams.streams[first..first + block.stream_rows.len()].iter();
            found.extend(labels.map(|labels| Bytes::copy_from_slice(labels)));
        }
    }
    found
}
