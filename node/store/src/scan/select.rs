//! Picks rows out of expanded columns: without copying where all rows or one stretch of them are wanted.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use logmesh_protocol::record::Labels;
use logmesh_protocol::rows::{Rows, StreamRows};
use logmesh_protocol::time::{TimeRange, Timestamp};

use crate::block::BlockRows;

/// Rows of one stream that are wanted.
pub(crate) struct Stretch {
    pub(crate) labels: Arc<Labels>,
    pub(crate) rows: Range<usize>,
}

/// Returns the rows within `times` (those of one stream, in order) that lie in `range`, moved by `start`.
pub(crate) fn within(times: &[i64], start: usize, range: &TimeRange) -> Range<usize> {
    let before = |limit: Timestamp| times.partition_point(|time| Timestamp::from_nanos(*time) < limit);
    let (from, to) = (before(range.start), before(range.end));
    start + from..start + to.max(from)
}

/// Returns the rows of `stretches`, which are in order and not empty.
pub(crate) fn select(block: BlockRows, stretches: Vec<Stretch>) -> Rows {
    let joined = join(&stretches);
    let mut streams = Vec::with_capacity(stretches.len());
    let mut next = 0;
    for stretch in stretches {
        let rows = next..next + stretch.rows.len();
        next = rows.end;
        streams.push(StreamRows { labels: stretch.labels, rows });
    }
    match &joined[..] {
        [all] if all.len() == block.timestamps.len() => Rows {
            streams,
            timestamps: block.timestamps.into_iter().map(Timestamp::from_nanos).collect(),
            lines: block.lines,
            line_ends: block.line_ends,
            metadata: block.metadata,
            metadata_at: block.metadata_at,
        },
        [one] => {
            let start = line_start(&block, one.start);
            let end = line_start(&block, one.end);
            let lines = if block.lines.is_empty() { Bytes::new() } else { block.lines.slice(start..end) };
            let line_ends = block.line_ends[one.clone()].iter().map(|at| at - start as u32).collect();
            Rows { streams, lines, line_ends, ..copy(&block, &joined) }
        }
        _ => {
            let (mut lines, mut line_ends) = (Vec::new(), Vec::with_capacity(next));
            let mut moved = 0;
            for range in &joined {
                let (start, end) = (line_start(&block, range.start), line_start(&block, range.end));
                lines.extend_from_slice(block.lines.get(start..end).unwrap_or_default());
                line_ends.extend(block.line_ends[range.clone()].iter().map(|at| at - start as u32 + moved));
                moved += (end - start) as u32;
            }
            Rows { streams, lines: Bytes::from(lines), line_ends, ..copy(&block, &joined) }
        }
    }
}

/// Copies all but streams and lines.
fn copy(block: &BlockRows, ranges: &[Range<usize>]) -> Rows {
    let times = ranges.iter().flat_map(|range| &block.timestamps[range.clone()]);
    let timestamps = times.map(|time| Timestamp::from_nanos(*time)).collect();
    if block.metadata_at.is_empty() {
        return Rows { timestamps, ..Rows::default() };
    }
    let metadata_at = ranges.iter().flat_map(|range| &block.metadata_at[range.clone()]).copied().collect();
    Rows { timestamps, metadata: block.metadata.clone(), metadata_at, ..Rows::default() }
}

fn join(stretches: &[Stretch]) -> Vec<Range<usize>> {
    let mut joined: Vec<Range<usize>> = Vec::new();
    for stretch in stretches {
        match joined.last_mut() {
            Some(last) if last.end == stretch.rows.start => last.end = stretch.rows.end,
            _ => joined.push(stretch.rows.clone()),
        }
    }
    joined
}

fn line_start(block: &BlockRows, row: usize) -> usize {
    if row == 0 { 0 } else { block.line_ends[row - 1] as usize }
}
