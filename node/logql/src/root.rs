//! The coordinator's side: merges what parts gave, wherever and in whatever order, and finishes the query.

mod vector;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as MapEntry;
use std::sync::Arc;

use logmesh_protocol::record::Labels;

use crate::ast::RangeOp;
use crate::error::EvalError;
use crate::partial::{Entry, Partial, SeriesPart};
use crate::plan::{CELLS_MAX, Direction, Grid, INNER_SERIES_MAX, Leaf, Plan, QueryParams, Work};
use crate::result::{QueryResult, Sample, SeriesPoints, Stream, StreamEntry};
use crate::runner::{Found, Top};
use vector::{Series, Value};

/// Merges partial results. The order in which they are added does not matter; each must be added once.
#[derive(Debug)]
pub struct Merge {
    plan: Plan,
    state: State,
}

#[derive(Debug)]
enum State {
    Log(Top<EntryLabels>),
    Metric(Vec<BTreeMap<Labels, Cells>>),
}

/// The labels of an entry besides those of its stream.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct EntryLabels {
    metadata: Vec<(String, String)>,
    parsed: Vec<(String, String)>,
}

/// What was counted for each step of a series. `bytes` is empty where the function does not ask.
#[derive(Debug)]
struct Cells {
    counts: Vec<u64>,
    bytes: Vec<u64>,
}

impl Merge {
    /// Returns a merge of nothing yet.
    pub fn new(plan: &Plan) -> Self {
        let state = match plan.part.work() {
            Work::Log(_) => State::Log(Top::new(plan.part.params())),
            Work::Metric { leaves, .. } => State::Metric(leaves.iter().map(|_| BTreeMap::new()).collect()),
        };
        Self { plan: plan.clone(), state }
    }

    /// Adds one partial result.
    pub fn add(&mut self, partial: Partial) -> Result<(), EvalError> {
        match (&mut self.state, partial, self.plan.part.work()) {
            (State::Log(top), Partial::Log { streams, entries }, Work::Log(_)) => add_entries(top, streams, entries),
            (State::Metric(merged), Partial::Metric { leaves: parts }, Work::Metric { leaves, grid }) => {
                if parts.len() != leaves.len() {
                    return Err(unfit("another number of aggregations"));
                }
                for ((merged, parts), leaf) in merged.iter_mut().zip(parts).zip(leaves) {
                    for part in parts {
                        add_series(merged, part, leaf, *grid)?;
                    }
                }
                Ok(())
            }
            (State::Log(_) | State::Metric(_), _, _) => Err(unfit("lines and numbers do not mix")),
        }
    }

    /// Returns the answer.
    pub fn finish(self) -> Result<QueryResult, EvalError> {
        let params = self.plan.part.params().clone();
        match (self.state, self.plan.root, self.plan.part.work()) {
            (State::Log(top), _, _) => Ok(QueryResult::Streams(streams(top, params.direction))),
            (State::Metric(merged), Some(root), Work::Metric { leaves, grid }) => {
                let mut values =
                    merged.into_iter().zip(leaves).map(|(series, leaf)| Some(points(series, leaf))).collect();
                let value = vector::evaluate(&root, &mut values, grid.len());
                finish_metric(value, *grid, &params)
            }
            (State::Metric(_), _, _) => Err(unfit("a metric query without a root")),
        }
    }
}

fn unfit(what: &str) -> EvalError {
    EvalError::Partial(what.to_owned())
}

fn add_entries(top: &mut Top<EntryLabels>, streams: Vec<Labels>, entries: Vec<Entry>) -> Result<(), EvalError> {
    let streams: Vec<Arc<Labels>> = streams.into_iter().map(Arc::new).collect();
    for entry in entries {
        let labels = streams.get(entry.stream as usize).ok_or_else(|| unfit("an entry without its stream"))?;
        let rest = EntryLabels { metadata: entry.metadata, parsed: entry.parsed };
        let found = Found { rank: entry.rank, line: entry.line, rest };
        top.add(entry.timestamp, labels, found, EntryLabels::bytes)?;
    }
    Ok(())
}

impl EntryLabels {
    fn bytes(&self) -> usize {
        self.metadata.iter().chain(&self.parsed).map(|(name, value)| name.len() + value.len() + 48).sum()
    }
}

fn add_series(
    merged: &mut BTreeMap<Labels, Cells>,
    part: SeriesPart,
    leaf: &Leaf,
    grid: Grid,
) -> Result<(), EvalError> {
    let (first, len) = (part.first as usize, part.counts.len());
    let bytes_len = if leaf.aggregation.op.counts_bytes() { len } else { 0 };
    if first.saturating_add(len) > grid.len() || part.bytes.len() != bytes_len {
        return Err(unfit("a series with other steps"));
    }
    let series_count = merged.len() as u64;
    let cells = match merged.entry(part.labels) {
        MapEntry::Occupied(entry) => entry.into_mut(),
        MapEntry::Vacant(entry) => {
            if series_count >= u64::from(INNER_SERIES_MAX) {
                return Err(EvalError::SeriesMax(INNER_SERIES_MAX));
            }
            if (series_count + 1) * grid.len() as u64 > CELLS_MAX {
                return Err(EvalError::CellsMax(CELLS_MAX));
            }
            let bytes = vec![0; if bytes_len > 0 { grid.len() } else { 0 }];
            entry.insert(Cells { counts: vec![0; grid.len()], bytes })
        }
    };
    add_cells(&mut cells.counts, first, &part.counts);
    add_cells(&mut cells.bytes, first, &part.bytes);
    Ok(())
}

fn add_cells(cells: &mut [u64], first: usize, more: &[u64]) {
    for (cell, more) in cells.iter_mut().skip(first).zip(more) {
        *cell = cell.saturating_add(*more);
    }
}

/// Turns what was counted into the values of the range function.
fn points(merged: BTreeMap<Labels, Cells>, leaf: &Leaf) -> Vec<Series> {
    let divisor = if leaf.aggregation.op.is_rate() { leaf.aggregation.range.as_seconds() } else { 1.0 };
    let value = |count: u64, bytes: u64| match leaf.aggregation.op {
        RangeOp::BytesOverTime | RangeOp::BytesRate => bytes as f64 / divisor,
        // The plan refuses the others so far.
        _ => count as f64 / divisor,
    };
    let points = |cells: Cells| {
        let bytes = cells.bytes.iter().copied().chain(std::iter::repeat(0));
        cells.counts.iter().zip(bytes).map(|(count, bytes)| (*count > 0).then(|| value(*count, bytes))).collect()
    };
    merged.into_iter().map(|(labels, cells)| Series { labels, points: points(cells) }).collect()
}

fn finish_metric(value: Value, grid: Grid, params: &QueryParams) -> Result<QueryResult, EvalError> {
    let mut series = match (value, params.step) {
        (Value::Scalar(number), None) => {
            return Ok(QueryResult::Scalar { timestamp: params.start, value: number });
        }
        // A number over a range is a series without labels.
        (Value::Scalar(number), Some(_)) => {
            vec![Series { labels: Labels::default(), points: vec![Some(number); grid.len()] }]
        }
        (Value::Vector(series), _) => series,
    };
    series.retain(|one| one.points.iter().any(Option::is_some));
    if series.len() > params.series_max as usize {
        return Err(EvalError::SeriesMax(params.series_max));
    }
    series.sort_by(|a, b| a.labels.cmp(&b.labels));
    match params.step {
        None => {
            let sample = |one: Series| {
                let value = one.points.first().copied().flatten()?;
                Some(Sample { labels: one.labels, timestamp: params.start, value })
            };
            Ok(QueryResult::Vector(series.into_iter().filter_map(sample).collect()))
        }
        Some(_) => {
            let points = |one: Series| {
                let pairs = one.points.iter().enumerate();
                let points = pairs.filter_map(|(at, value)| value.map(|value| (grid.time(at), value))).collect();
                SeriesPoints { labels: one.labels, points }
            };
            Ok(QueryResult::Matrix(series.into_iter().map(points).collect()))
        }
    }
}

/// Groups the entries by their streams, each in the direction asked for.
fn streams(top: Top<EntryLabels>, direction: Direction) -> Vec<Stream> {
    let mut streams: BTreeMap<Arc<Labels>, Vec<StreamEntry>> = BTreeMap::new();
    for (timestamp, labels, found) in top.into_entries() {
        let EntryLabels { metadata, parsed } = found.rest;
        streams.entry(labels).or_default().push(StreamEntry { timestamp, line: found.line, metadata, parsed });
    }
    let stream = |(labels, mut entries): (Arc<Labels>, Vec<StreamEntry>)| {
        if direction == Direction::Backward {
            entries.reverse();
        }
        Stream { labels: (*labels).clone(), entries }
    };
    streams.into_iter().map(stream).collect()
}
