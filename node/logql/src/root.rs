//! The coordinator's side: merges what parts gave, wherever and in whatever order, and finishes the query.

mod range;
mod vector;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as MapEntry;
use std::sync::Arc;

use logmesh_protocol::record::Labels;

use crate::budget::Budget;
use crate::error::EvalError;
use crate::partial::{Entry, Pane, Partial, SeriesPart, labels_bytes};
use crate::plan::{Direction, Grid, INNER_SERIES_MAX, Leaf, Plan, QueryParams, Work};
use crate::result::{QueryResult, Sample, SeriesPoints, Stream, StreamEntry};
use crate::runner::{Found, Kept, Top, space_out};
use crate::summary::Summary;
use vector::{Series, Value};

/// Merges partial results. The order in which they are added does not matter; each must be added once.
#[derive(Debug)]
pub struct Merge {
    plan: Plan,
    state: State,
}

#[derive(Debug)]
enum State {
    Log(Top<EntryRest>),
    Metric(Vec<LeafSeries>, Budget),
}

/// What an entry has besides its stream and its stored line.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct EntryRest {
    /// The line to show, if it is not the stored one.
    line: Option<String>,
    /// The labels to show as those of the stream, if they are not.
    labels: Option<Labels>,
    metadata: Vec<(String, String)>,
    parsed: Vec<(String, String)>,
}

/// The series of a leaf so far.
#[derive(Debug, Default)]
struct LeafSeries(BTreeMap<Labels, Cells>);

/// What is known of a series: what was counted for each step, or what the samples of each pane come to. What the function
/// does not ask for is empty.
#[derive(Debug, Default)]
struct Cells {
    counts: Vec<u64>,
    bytes: Vec<u64>,
    panes: BTreeMap<u32, Summary>,
}

impl Merge {
    /// Returns a merge of nothing yet.
    pub fn new(plan: &Plan) -> Self {
        let state = match plan.part.work() {
            Work::Log(_) => State::Log(Top::new(plan.part.params())),
            Work::Metric { leaves, .. } => {
                State::Metric(leaves.iter().map(|_| LeafSeries::default()).collect(), Budget::default())
            }
        };
        Self { plan: plan.clone(), state }
    }

    /// Adds one partial result.
    pub fn add(&mut self, partial: Partial) -> Result<(), EvalError> {
        match (&mut self.state, partial, self.plan.part.work()) {
            (State::Log(top), Partial::Log { streams, entries }, Work::Log(_)) => add_entries(top, streams, entries),
            (State::Metric(merged, budget), Partial::Metric { leaves: parts }, Work::Metric { leaves, grid }) => {
                if parts.len() != leaves.len() {
                    return Err(unfit("another number of aggregations"));
                }
                for ((merged, parts), leaf) in merged.iter_mut().zip(parts).zip(leaves) {
                    for part in parts {
                        merged.add(part, leaf, *grid, budget)?;
                    }
                }
                Ok(())
            }
            (State::Log(_) | State::Metric(..), _, _) => Err(unfit("lines and numbers do not mix")),
        }
    }

    /// Returns the answer.
    pub fn finish(self) -> Result<QueryResult, EvalError> {
        let params = self.plan.part.params().clone();
        match (self.state, self.plan.root, self.plan.part.work()) {
            (State::Log(top), _, _) => Ok(QueryResult::Streams(streams(top, &params))),
            (State::Metric(merged, _), Some(root), Work::Metric { leaves, grid }) => {
                let pairs = merged.into_iter().zip(leaves);
                let values = pairs.map(|(merged, leaf)| Some(points(merged.0, leaf, *grid))).collect();
                let value = vector::evaluate(&root, values, grid.len())?;
                let by_value = root.sorts() && params.step.is_none();
                finish_metric(value, *grid, &params, by_value)
            }
            (State::Metric(..), _, _) => Err(unfit("a metric query without a root")),
        }
    }
}

fn unfit(what: &str) -> EvalError {
    EvalError::Partial(what.to_owned())
}

fn add_entries(top: &mut Top<EntryRest>, streams: Vec<Labels>, entries: Vec<Entry>) -> Result<(), EvalError> {
    let streams: Vec<Arc<Labels>> = streams.into_iter().map(Arc::new).collect();
    for entry in entries {
        let labels = streams.get(entry.stream as usize).ok_or_else(|| unfit("an entry without its stream"))?;
        let (stored, line) = match entry.stored {
            Some(stored) => (stored, Some(entry.line)),
            None => (entry.line, None),
        };
        let rest = EntryRest { line, labels: entry.labels, metadata: entry.metadata, parsed: entry.parsed };
        let found = Found { rank: entry.rank, line: stored, rest };
        top.add(entry.timestamp, labels, found, EntryRest::bytes)?;
    }
    Ok(())
}

impl EntryRest {
    fn bytes(&self) -> usize {
        let pairs = self.metadata.iter().chain(&self.parsed).map(|(name, value)| name.len() + value.len() + 48);
        let changed = self.line.as_ref().map_or(0, String::len) + self.labels.as_ref().map_or(0, labels_bytes);
        changed + pairs.sum::<usize>()
    }
}

impl LeafSeries {
    fn add(&mut self, part: SeriesPart, leaf: &Leaf, grid: Grid, budget: &Budget) -> Result<(), EvalError> {
        check_fit(&part, leaf, grid)?;
        let kept = Kept::by(&leaf.aggregation);
        let series_count = self.0.len() as u64;
        let cells = match self.0.entry(part.labels) {
            MapEntry::Occupied(entry) => entry.into_mut(),
            MapEntry::Vacant(entry) => {
                if series_count >= u64::from(INNER_SERIES_MAX) {
                    return Err(EvalError::SeriesMax(INNER_SERIES_MAX));
                }
                budget.take_series(grid.len())?;
                let cells = |wanted: bool| vec![0; if wanted { grid.len() } else { 0 }];
                let counts = cells(!matches!(kept, Kept::Sample(_)));
                entry.insert(Cells { counts, bytes: cells(kept == Kept::Bytes), panes: BTreeMap::new() })
            }
        };
        add_cells(&mut cells.counts, part.first as usize, &part.counts);
        add_cells(&mut cells.bytes, part.first as usize, &part.bytes);
        for pane in part.panes {
            budget.take_values(pane.summary.values())?;
            match cells.panes.entry(pane.number) {
                MapEntry::Occupied(entry) => entry.into_mut().merge(pane.summary),
                MapEntry::Vacant(entry) => {
                    budget.take_pane()?;
                    entry.insert(pane.summary);
                }
            }
        }
        Ok(())
    }
}

/// Refuses a series that the leaf cannot have given.
fn check_fit(part: &SeriesPart, leaf: &Leaf, grid: Grid) -> Result<(), EvalError> {
    let len = part.counts.len();
    let kept = Kept::by(&leaf.aggregation);
    let bytes_len = if kept == Kept::Bytes { len } else { 0 };
    if (part.first as usize).saturating_add(len) > grid.len() || part.bytes.len() != bytes_len {
        return Err(unfit("a series with other steps"));
    }
    let fits = match kept {
        Kept::Count | Kept::Bytes => part.panes.is_empty(),
        Kept::Sample(op) => len == 0 && part.panes.iter().all(|pane| pane.summary.fits(op)),
    };
    let within = part.panes.iter().all(|pane| (pane.number as usize) < grid.panes());
    if fits && within { Ok(()) } else { Err(unfit("a series of another function")) }
}

fn add_cells(cells: &mut [u64], first: usize, more: &[u64]) {
    for (cell, more) in cells.iter_mut().skip(first).zip(more) {
        *cell = cell.saturating_add(*more);
    }
}

/// Turns what was found into the values of the range function.
fn points(merged: BTreeMap<Labels, Cells>, leaf: &Leaf, grid: Grid) -> Vec<Series> {
    let aggregation = &leaf.aggregation;
    let divisor = if aggregation.op.is_rate() { aggregation.range.as_seconds() } else { 1.0 };
    let points = |cells: Cells| -> Vec<Option<f64>> {
        let value = |(count, amount): (&u64, &u64)| (*count > 0).then_some(*amount as f64 / divisor);
        match Kept::by(aggregation) {
            Kept::Count => cells.counts.iter().map(|count| value((count, count))).collect(),
            Kept::Bytes => cells.counts.iter().zip(&cells.bytes).map(value).collect(),
            Kept::Sample(_) => {
                let panes = cells.panes.into_iter().map(|(number, summary)| Pane { number, summary });
                range::values(&panes.collect::<Vec<_>>(), aggregation, grid)
            }
        }
    };
    merged.into_iter().map(|(labels, cells)| Series { labels, points: points(cells) }).collect()
}

/// `by_value`: whether the series are in the order that the query asks for.
fn finish_metric(value: Value, grid: Grid, params: &QueryParams, by_value: bool) -> Result<QueryResult, EvalError> {
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
    if !by_value {
        series.sort_by(|a, b| a.labels.cmp(&b.labels));
    }
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

/// Groups the entries by the labels that stages left of their streams, each in the direction asked for.
fn streams(top: Top<EntryRest>, params: &QueryParams) -> Vec<Stream> {
    let entries = top.into_entries().map(|(timestamp, labels, found)| (timestamp, (labels, found)));
    let entries: Vec<_> = match params.direction {
        Direction::Forward => space_out(entries, params),
        Direction::Backward => space_out(entries.rev(), params),
    };
    let mut streams: BTreeMap<Labels, Vec<StreamEntry>> = BTreeMap::new();
    for (timestamp, (stream, found)) in entries {
        let EntryRest { line, labels, metadata, parsed } = found.rest;
        let labels = labels.unwrap_or_else(|| (*stream).clone());
        let line = line.unwrap_or(found.line);
        streams.entry(labels).or_default().push(StreamEntry { timestamp, line, metadata, parsed });
    }
    streams.into_iter().map(|(labels, entries)| Stream { labels, entries }).collect()
}
