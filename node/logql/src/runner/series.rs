//! The series of a range aggregation while it runs: what was counted for each of their steps, or what the samples of each
//! of their panes come to.

use std::collections::HashMap;
use std::sync::Arc;

use logmesh_protocol::record::{Labels, put_metadata};

use crate::ast::{Grouping, RangeAggregation, RangeOp};
use crate::budget::Budget;
use crate::error::EvalError;
use crate::partial::{Pane, SeriesPart};
use crate::plan::{Grid, INNER_SERIES_MAX};
use crate::summary::Summary;

/// What is kept of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// That it is there.
    Count,
    /// And its length.
    Bytes,
    /// Its sample, as this function needs it.
    Sample(RangeOp),
}

impl Kept {
    /// Returns what an aggregation keeps.
    pub(crate) fn by(aggregation: &RangeAggregation) -> Self {
        match aggregation.op {
            RangeOp::BytesOverTime | RangeOp::BytesRate => Kept::Bytes,
            op if aggregation.unwrap.is_some() && op != RangeOp::AbsentOverTime => Kept::Sample(op),
            _ => Kept::Count,
        }
    }
}

/// All series of one leaf.
#[derive(Debug)]
pub(super) struct SeriesTable {
    key: Grouping,
    kept: Kept,
    steps: usize,
    budget: Arc<Budget>,
    places: HashMap<Vec<u8>, usize>,
    series: Vec<Series>,
    scratch: Vec<u8>,
    /// The key and the place of the series of the row before.
    last: Option<(Vec<u8>, usize)>,
}

/// One series. What is counted for a row is added at the first step whose range covers it and taken off behind the last,
/// so that a row costs the same however many steps cover it; running sums at the end give the cells.
#[derive(Debug)]
struct Series {
    labels: Labels,
    counts: Vec<u64>,
    bytes: Vec<u64>,
    panes: Vec<Pane>,
    /// The place of the pane of the last sample: the next one mostly belongs there too.
    last: usize,
}

impl SeriesTable {
    pub(super) fn new(key: Grouping, kept: Kept, grid: Grid, budget: Arc<Budget>) -> Self {
        let (places, series, scratch) = (HashMap::new(), Vec::new(), Vec::new());
        Self { key, kept, steps: grid.len(), budget, places, series, scratch, last: None }
    }

    pub(super) fn key(&self) -> &Grouping {
        &self.key
    }

    pub(super) fn counts_bytes(&self) -> bool {
        self.kept == Kept::Bytes
    }

    /// Returns the place of the series to which a row with these labels belongs.
    pub(super) fn place<'a>(&mut self, labels: impl Iterator<Item = (&'a str, &'a str)>) -> Result<usize, EvalError> {
        let key = &self.key;
        let mut labels = labels.filter(|(name, value)| !value.is_empty() && key.has(name));
        // Most keys are one label or two: those need no list of their own.
        let (mut few, mut many) = ([("", ""); FEW], Vec::new());
        let mut len = 0;
        for pair in labels.by_ref().take(FEW) {
            few[len] = pair;
            len += 1;
        }
        if len == FEW {
            many.extend(few.into_iter().chain(labels));
        }
        let pairs = if len == FEW { &mut many[..] } else { &mut few[..len] };
        pairs.sort_unstable();
        self.scratch.clear();
        for (name, value) in pairs.iter() {
            put_metadata(&mut self.scratch, name, value);
        }
        // Rows of one series often follow each other.
        if let Some((key, at)) = &self.last
            && *key == self.scratch
        {
            return Ok(*at);
        }
        if let Some(at) = self.places.get(&self.scratch) {
            let last = self.last.get_or_insert_default();
            last.0.clone_from(&self.scratch);
            last.1 = *at;
            return Ok(*at);
        }
        let at = self.series.len();
        if at >= INNER_SERIES_MAX as usize {
            return Err(EvalError::SeriesMax(INNER_SERIES_MAX));
        }
        self.budget.take_series(self.steps)?;
        self.places.insert(self.scratch.clone(), at);
        let cells = |wanted: bool| vec![0; if wanted { self.steps + 1 } else { 0 }];
        self.series.push(Series {
            labels: Labels::new(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))),
            counts: cells(matches!(self.kept, Kept::Count | Kept::Bytes)),
            bytes: cells(self.kept == Kept::Bytes),
            panes: Vec::new(),
            last: 0,
        });
        Ok(at)
    }

    /// Counts for the steps from the first, included, to the last, excluded.
    pub(super) fn add(&mut self, at: usize, (from, to): (usize, usize), count: u64, bytes: u64) {
        if from >= to {
            return;
        }
        let series = &mut self.series[at];
        series.counts[from] = series.counts[from].wrapping_add(count);
        series.counts[to] = series.counts[to].wrapping_sub(count);
        if self.kept == Kept::Bytes {
            series.bytes[from] = series.bytes[from].wrapping_add(bytes);
            series.bytes[to] = series.bytes[to].wrapping_sub(bytes);
        }
    }

    /// Adds a sample that these steps cover, for the function of the table.
    pub(super) fn add_sample(
        &mut self,
        at: usize,
        (from, to): (usize, usize),
        time: i64,
        value: f64,
    ) -> Result<(), EvalError> {
        let Kept::Sample(op) = self.kept else { return Ok(()) };
        self.budget.take_values(Summary::weight(op))?;
        let pane = Grid::pane_number(from, to);
        let series = &mut self.series[at];
        if series.panes.get(series.last).is_none_or(|last| last.number != pane) {
            match series.panes.binary_search_by_key(&pane, |pane| pane.number) {
                Ok(found) => series.last = found,
                Err(place) => {
                    let Some(summary) = Summary::new(op, time, value) else { return Ok(()) };
                    self.budget.take_pane()?;
                    series.panes.insert(place, Pane { number: pane, summary });
                    series.last = place;
                    return Ok(());
                }
            }
        }
        series.panes[series.last].summary.add(time, value);
        Ok(())
    }

    /// Returns all series that counted anything.
    pub(super) fn finish(self) -> Vec<SeriesPart> {
        self.series.into_iter().filter_map(Series::finish).collect()
    }
}

impl Series {
    fn finish(mut self) -> Option<SeriesPart> {
        sum_up(&mut self.counts);
        sum_up(&mut self.bytes);
        let first = self.counts.iter().position(|count| *count > 0);
        let end = self.counts.iter().rposition(|count| *count > 0).map_or(0, |last| last + 1);
        if first.is_none() && self.panes.is_empty() {
            return None;
        }
        let first = first.unwrap_or(0);
        let cells = |cells: &[u64]| cells.get(first..end).unwrap_or_default().to_vec();
        Some(SeriesPart {
            labels: self.labels,
            first: u32::try_from(first).expect("the steps are bounded"),
            counts: cells(&self.counts),
            bytes: cells(&self.bytes),
            panes: self.panes,
        })
    }
}

/// How many labels of a key are sorted without a list.
const FEW: usize = 8;

fn sum_up(cells: &mut [u64]) {
    let mut sum = 0u64;
    for cell in cells {
        sum = sum.wrapping_add(*cell);
        *cell = sum;
    }
}
