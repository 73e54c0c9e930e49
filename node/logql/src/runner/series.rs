//! The series of a range aggregation while it runs, and what was counted for each of their steps.

use std::collections::HashMap;

use logmesh_protocol::record::{Labels, put_metadata};

use crate::ast::Grouping;
use crate::error::EvalError;
use crate::partial::SeriesPart;
use crate::plan::{CELLS_MAX, Grid, INNER_SERIES_MAX};

/// Which labels tell series apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum KeyLabels {
    /// All.
    All,
    /// These.
    By(Vec<String>),
    /// All but these.
    Without(Vec<String>),
}

impl KeyLabels {
    pub(super) fn new(grouping: Option<&Grouping>) -> Self {
        match grouping {
            None => KeyLabels::All,
            Some(Grouping::By(names)) => KeyLabels::By(names.clone()),
            Some(Grouping::Without(names)) => KeyLabels::Without(names.clone()),
        }
    }

    fn has(&self, name: &str) -> bool {
        match self {
            KeyLabels::All => true,
            KeyLabels::By(names) => names.iter().any(|other| other == name),
            KeyLabels::Without(names) => !names.iter().any(|other| other == name),
        }
    }
}

/// All series of one leaf.
#[derive(Debug)]
pub(super) struct SeriesTable {
    key: KeyLabels,
    counts_bytes: bool,
    steps: usize,
    places: HashMap<Vec<u8>, usize>,
    series: Vec<Series>,
    scratch: Vec<u8>,
}

/// One series. What is counted for a row is added at the first step whose range covers it and taken off behind the last,
/// so that a row costs the same however many steps cover it; running sums at the end give the cells.
#[derive(Debug)]
struct Series {
    labels: Labels,
    counts: Vec<u64>,
    bytes: Vec<u64>,
}

impl SeriesTable {
    pub(super) fn new(key: KeyLabels, counts_bytes: bool, grid: Grid) -> Self {
        Self { key, counts_bytes, steps: grid.len(), places: HashMap::new(), series: Vec::new(), scratch: Vec::new() }
    }

    pub(super) fn key(&self) -> &KeyLabels {
        &self.key
    }

    pub(super) fn counts_bytes(&self) -> bool {
        self.counts_bytes
    }

    /// Returns the place of the series to which a row with these labels belongs.
    pub(super) fn place<'a>(&mut self, labels: impl Iterator<Item = (&'a str, &'a str)>) -> Result<usize, EvalError> {
        let key = &self.key;
        let mut pairs: Vec<(&str, &str)> = labels.filter(|(name, value)| !value.is_empty() && key.has(name)).collect();
        pairs.sort_unstable();
        self.scratch.clear();
        for (name, value) in &pairs {
            put_metadata(&mut self.scratch, name, value);
        }
        if let Some(at) = self.places.get(&self.scratch) {
            return Ok(*at);
        }
        let at = self.series.len();
        if at >= INNER_SERIES_MAX as usize {
            return Err(EvalError::SeriesMax(INNER_SERIES_MAX));
        }
        if (at as u64 + 1) * self.steps as u64 > CELLS_MAX {
            return Err(EvalError::CellsMax(CELLS_MAX));
        }
        self.places.insert(self.scratch.clone(), at);
        let cells = self.steps + 1;
        self.series.push(Series {
            labels: Labels::new(pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()))),
            counts: vec![0; cells],
            bytes: vec![0; if self.counts_bytes { cells } else { 0 }],
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
        if self.counts_bytes {
            series.bytes[from] = series.bytes[from].wrapping_add(bytes);
            series.bytes[to] = series.bytes[to].wrapping_sub(bytes);
        }
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
        let first = self.counts.iter().position(|count| *count > 0)?;
        let end = self.counts.iter().rposition(|count| *count > 0)? + 1;
        let cells = |cells: &[u64]| cells.get(first..end).unwrap_or_default().to_vec();
        Some(SeriesPart {
            labels: self.labels,
            first: u32::try_from(first).expect("the steps are bounded"),
            counts: cells(&self.counts),
            bytes: cells(&self.bytes),
        })
    }
}

fn sum_up(cells: &mut [u64]) {
    let mut sum = 0u64;
    for cell in cells {
        sum = sum.wrapping_add(*cell);
        *cell = sum;
    }
}
