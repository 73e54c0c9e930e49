//! Runs a part over rows, block by block, and gives what is to travel. One runner is one thread's; several may run one
//! part over different blocks, and their results are merged like those of different nodes.

mod log;
mod metric;
mod sample;
mod series;
mod top;

use std::ops::{ControlFlow, Range};
use std::sync::Arc;

use logmesh_protocol::rows::Rows;
use logmesh_protocol::time::{TimeRange, Timestamp};

use crate::budget::Budget;
use crate::error::{EvalError, PlanError};
use crate::interrupt::Interrupt;
use crate::partial::Partial;
use crate::plan::{QueryParams, Work};
use crate::selector::StreamMatcher;
use log::LogRunner;
use metric::LeafRunner;
pub(crate) use series::Kept;
pub(crate) use top::{Found, Top, space_out};

/// Runs a part.
#[derive(Debug)]
pub struct Runner {
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Log(Box<LogRunner>),
    Metric(Vec<LeafRunner>),
}

/// What a runner has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// How many rows of selected streams lay within the time asked for.
    pub rows: u64,
    /// How many bytes their lines had.
    pub bytes: u64,
    /// How many of them passed all filters.
    pub rows_kept: u64,
}

impl Stats {
    /// Returns both together.
    pub fn plus(self, other: Stats) -> Stats {
        Stats {
            rows: self.rows + other.rows,
            bytes: self.bytes + other.bytes,
            rows_kept: self.rows_kept + other.rows_kept,
        }
    }
}

impl Runner {
    pub(crate) fn new(work: &Work, matchers: &[StreamMatcher], params: &QueryParams) -> Result<Self, PlanError> {
        let kind = match work {
            Work::Log(log) => Kind::Log(Box::new(LogRunner::new(log, matchers[0].clone(), params)?)),
            Work::Metric { leaves, grid } => {
                let pairs = leaves.iter().zip(matchers);
                let budget = Arc::new(Budget::default());
                let runner = |(leaf, matcher): (_, &StreamMatcher)| {
                    LeafRunner::new(leaf, matcher.clone(), *grid, budget.clone())
                };
                Kind::Metric(pairs.map(runner).collect::<Result<_, _>>()?)
            }
        };
        Ok(Self { kind })
    }

    /// Returns the runner with what says that its work is no longer wanted: it then fails with [`EvalError::Interrupted`],
    /// within the time that a line or two take.
    pub fn until(self, interrupt: &Interrupt) -> Self {
        let kind = match self.kind {
            Kind::Log(log) => Kind::Log(Box::new(log.until(interrupt.clone()))),
            Kind::Metric(leaves) => {
                Kind::Metric(leaves.into_iter().map(|leaf| leaf.until(interrupt.clone())).collect())
            }
        };
        Self { kind }
    }

    /// Looks at more rows. They may hold streams that do not match and times that are not asked for. `Break` says that
    /// no further row, of whatever time, can matter.
    pub fn add_rows(&mut self, rows: &Rows) -> Result<ControlFlow<()>, EvalError> {
        match &mut self.kind {
            Kind::Log(log) => {
                log.add_rows(rows)?;
                Ok(if log.is_done() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
            }
            Kind::Metric(leaves) => {
                for leaf in leaves.iter_mut() {
                    leaf.add_rows(rows)?;
                }
                Ok(if leaves.is_empty() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
            }
        }
    }

    /// Returns a time at or beyond which no row can matter any more (newest first: at it or before it; oldest first: at
    /// it or behind it), so that blocks wholly beyond it need not be read.
    pub fn bound(&self) -> Option<Timestamp> {
        match &self.kind {
            Kind::Log(log) => log.bound(),
            Kind::Metric(_) => None,
        }
    }

    /// Returns what was seen so far.
    pub fn stats(&self) -> Stats {
        match &self.kind {
            Kind::Log(log) => log.stats(),
            Kind::Metric(leaves) => leaves.iter().map(LeafRunner::stats).fold(Stats::default(), Stats::plus),
        }
    }

    /// Returns the result.
    pub fn finish(self) -> Result<Partial, EvalError> {
        match self.kind {
            Kind::Log(log) => log.finish(),
            Kind::Metric(leaves) => {
                Ok(Partial::Metric { leaves: leaves.into_iter().map(LeafRunner::finish).collect() })
            }
        }
    }
}

/// Returns those of `range`, the rows of one stream in order of time, that lie within `time`.
pub(crate) fn rows_within(rows: &Rows, range: &Range<usize>, time: TimeRange) -> Range<usize> {
    let Some(timestamps) = rows.timestamps.get(range.clone()) else { return 0..0 };
    let start = timestamps.partition_point(|timestamp| *timestamp < time.start);
    let end = timestamps.partition_point(|timestamp| *timestamp < time.end);
    range.start + start..range.start + end.max(start)
}

/// Returns how many bytes the lines of `range` have.
pub(crate) fn lines_bytes(rows: &Rows, range: &Range<usize>) -> u64 {
    match range.end.checked_sub(1) {
        Some(last) if range.start <= last => (rows.line_range(last).end - rows.line_range(range.start).start) as u64,
        _ => 0,
    }
}

/// Returns the line of `row`; empty where the text was left out because the part does not need it.
fn line_of(rows: &Rows, row: usize) -> &[u8] {
    rows.lines.get(rows.line_range(row)).unwrap_or_default()
}
