//! Splits a query in two: the part that runs beside the data, and the root that the coordinator runs over what comes back.
//!
//! A part travels as text and parameters and is read again by whoever runs it, so that the wire knows nothing of the
//! tree: the language can grow without a new message.

mod grid;
mod lower;

use std::sync::Arc;
use std::time::Duration;

use logmesh_protocol::record::Labels;
use logmesh_protocol::time::{TimeRange, Timestamp};
use serde::{Deserialize, Serialize};

use crate::ast::{Expr, LogExpr, Stage};
use crate::error::PlanError;
use crate::parser::parse;
use crate::runner::Runner;
use crate::selector::StreamMatcher;
pub(crate) use grid::Grid;
pub(crate) use lower::{Leaf, Root};

/// The most points that one series of an answer may have, as in Prometheus' and Loki's API.
pub const POINTS_MAX: u64 = 11_000;
/// The most bytes that the lines kept by one runner, or by the coordinator, may have; with more the query fails. A guess,
/// half of what a node's answer to another may have.
pub const ENTRIES_BYTES_MAX: u64 = 32 << 20;
/// The most series of a range aggregation before it is aggregated further; with more the query fails. A guess.
pub const INNER_SERIES_MAX: u32 = 20_000;
/// The most cells (series times steps) of all range aggregations of a query; with more the query fails. A cell takes 8 or 16 bytes, in
/// memory and at the worst on the wire. A guess, half of what a node's answer to another may have.
pub const CELLS_MAX: u64 = 2 << 20;

/// The most panes (about two a step and series) of all range aggregations over samples; with more the query fails. A pane
/// takes 100 to 300 bytes in memory, and about a third of that on the wire. A guess, by the same measure.
pub const PANES_MAX: u64 = 512 << 10;
/// The most numbers that functions which need every single one (`quantile_over_time`; `rate_counter`, which needs two a
/// sample) may hold, 8 bytes each; with more the query fails. A guess, by the same measure.
pub const VALUES_MAX: u64 = 4 << 20;

/// What a request asks for besides its query.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueryParams {
    /// The first instant: of lines, included; of a metric query, its first step.
    pub start: Timestamp,
    /// The last instant: of lines, excluded; of a metric query, no step lies behind it.
    pub end: Timestamp,
    /// The time between two steps; `None` in an instant query, which has one step, at the start.
    pub step: Option<Duration>,
    /// The most lines that the answer shall have.
    pub limit: u32,
    /// Which lines count first.
    pub direction: Direction,
    /// How far lines shall lie apart at least; `None` if it does not matter.
    pub interval: Option<Duration>,
    /// The most series that the answer may have; with more the query fails.
    pub series_max: u32,
}

impl QueryParams {
    /// Returns the parameters of a range query (`query_range`), with defaults for all else.
    pub fn range(start: Timestamp, end: Timestamp, step: Duration) -> Self {
        let direction = Direction::Backward;
        let step = Some(step);
        Self { start, end, step, limit: LIMIT, direction, interval: None, series_max: SERIES_MAX }
    }

    /// Returns the parameters of an instant query (`query`), with defaults for all else.
    pub fn instant(time: Timestamp) -> Self {
        Self { step: None, ..Self::range(time, time, Duration::ZERO) }
    }
}

/// Which lines count first when there are more than the limit, and the order within a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Direction {
    /// The oldest.
    Forward,
    /// The newest.
    Backward,
}

/// Returns the step of a range query that names none: 250 points, but at least a second apart.
pub fn dynamic_step(range: &TimeRange) -> Duration {
    let nanos = i128::from(range.end.as_nanos()) - i128::from(range.start.as_nanos());
    let seconds = u64::try_from(nanos.max(0) / 1_000_000_000 / 250).unwrap_or(u64::MAX);
    Duration::from_secs(seconds.max(1))
}

/// Plans a query.
pub fn plan(expr: &Expr, params: &QueryParams) -> Result<Plan, PlanError> {
    let (part, root) = Part::new(expr, params)?;
    Ok(Plan { part, root: root.map(Arc::new) })
}

/// A query, split.
#[derive(Clone, Debug)]
pub struct Plan {
    pub(crate) part: Part,
    /// What the coordinator does with the results of a metric query.
    pub(crate) root: Option<Arc<Root>>,
}

impl Plan {
    /// Returns what runs beside the data; `None` if the query needs no records at all, such as `1 + 1`.
    pub fn part(&self) -> Option<&Part> {
        match &self.part.work {
            Work::Metric { leaves, .. } if leaves.is_empty() => None,
            Work::Log(_) | Work::Metric { .. } => Some(&self.part),
        }
    }
}

/// What runs beside the data, the same on every node.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "PartWire", into = "PartWire")]
pub struct Part {
    text: String,
    params: QueryParams,
    work: Work,
    matchers: Vec<StreamMatcher>,
}

/// A part as it travels.
#[derive(Serialize, Deserialize)]
struct PartWire {
    text: String,
    params: QueryParams,
}

#[derive(Clone, Debug)]
pub(crate) enum Work {
    /// Keep the lines that count first.
    Log(LogExpr),
    /// Aggregate the lines of each leaf over the steps.
    Metric { leaves: Vec<Leaf>, grid: Grid },
}

impl Part {
    fn new(expr: &Expr, params: &QueryParams) -> Result<(Self, Option<Root>), PlanError> {
        if params.end < params.start {
            return Err(PlanError::EndBeforeStart);
        }
        let (work, root) = match expr {
            Expr::Log(log) => {
                if params.step.is_none() {
                    return Err(PlanError::LogQueryInstant);
                }
                (Work::Log(log.clone()), None)
            }
            Expr::Metric(metric) => {
                let grid = Grid::new(params)?;
                let (root, leaves) = lower::lower(metric, params.step.is_none())?;
                (Work::Metric { leaves, grid }, Some(root))
            }
        };
        let selectors = match &work {
            Work::Log(log) => vec![&log.selector],
            Work::Metric { leaves, .. } => leaves.iter().map(|leaf| &leaf.aggregation.log.selector).collect(),
        };
        let matchers = selectors.into_iter().map(StreamMatcher::new).collect::<Result<_, _>>()?;
        Ok((Self { text: expr.to_string(), params: params.clone(), work, matchers }, root))
    }

    /// Returns the record time that the part looks at. Empty if it needs no records at all.
    pub fn range(&self) -> TimeRange {
        match &self.work {
            Work::Log(_) => TimeRange { start: self.params.start, end: self.params.end },
            Work::Metric { leaves, grid } => {
                let ranges =
                    leaves.iter().map(|leaf| grid.record_range(leaf.aggregation.range, leaf.aggregation.offset));
                let joined = ranges.reduce(|a, b| TimeRange { start: a.start.min(b.start), end: a.end.max(b.end) });
                joined.unwrap_or(TimeRange { start: self.params.start, end: self.params.start })
            }
        }
    }

    /// Tells whether a stream with these labels is looked at.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.matchers.iter().any(|matcher| matcher.matches(labels))
    }

    /// Tells whether rows are best given newest first, so that [`Runner::bound`] soon rules out the rest.
    pub fn newest_first(&self) -> bool {
        match self.work {
            Work::Log(_) => self.params.direction == Direction::Backward,
            Work::Metric { .. } => false,
        }
    }

    /// Tells whether the text of lines is looked at. Where it is not, `Rows::lines` may be left empty; the ends of the
    /// lines, the timestamps and the metadata are needed all the same.
    pub fn needs_lines(&self) -> bool {
        match &self.work {
            Work::Log(_) => true,
            Work::Metric { leaves, .. } => {
                leaves.iter().flat_map(|leaf| &leaf.aggregation.log.stages).any(Stage::looks)
            }
        }
    }

    /// Returns what runs the part over rows.
    pub fn runner(&self) -> Result<Runner, PlanError> {
        Runner::new(&self.work, &self.matchers, &self.params)
    }

    /// Returns the parameters.
    pub fn params(&self) -> &QueryParams {
        &self.params
    }

    pub(crate) fn work(&self) -> &Work {
        &self.work
    }
}

impl From<Part> for PartWire {
    fn from(part: Part) -> Self {
        Self { text: part.text, params: part.params }
    }
}

impl TryFrom<PartWire> for Part {
    type Error = PlanError;

    fn try_from(wire: PartWire) -> Result<Self, PlanError> {
        Ok(Part::new(&parse(&wire.text)?, &wire.params)?.0)
    }
}

/// The limit of a request that names none, as in Loki's API.
const LIMIT: u32 = 100;
/// The most series of an answer where nothing else is said, as in Loki.
const SERIES_MAX: u32 = 500;
