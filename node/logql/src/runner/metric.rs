//! A range aggregation beside the data: counts lines, or their bytes, for each series and step.
//!
//! Three ways, the fastest that is right: where the lines of a stream all count for one series, whole runs of rows are
//! counted by binary search over their timestamps; where only line filters drop some, row by row without parsing; else
//! line by line through the pipeline.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use logmesh_protocol::record::Labels;
use logmesh_protocol::rows::{Rows, StreamRows};

use super::sample::Sampler;
use super::series::{Kept, SeriesTable};
use super::{Stats, line_of, lines_bytes, rows_within};
use crate::ast::Grouping;
use crate::budget::Budget;
use crate::duration::Nanoseconds;
use crate::error::{EvalError, PlanError};
use crate::interrupt::Interrupt;
use crate::partial::SeriesPart;
use crate::pipeline::{Fields, Output, Pairs, Pipeline, RowLabels, Selection, collect_names};
use crate::plan::{Grid, Leaf};
use crate::selector::StreamMatcher;

/// Counts for one leaf of the plan.
#[derive(Debug)]
pub(super) struct LeafRunner {
    matcher: StreamMatcher,
    pipeline: Pipeline,
    sampler: Option<Sampler>,
    /// Whether the samples themselves matter, rather than that there are any.
    keeps_samples: bool,
    range: Nanoseconds,
    offset: Nanoseconds,
    grid: Grid,
    series: SeriesTable,
    metadata: Pairs,
    fields: Fields,
    /// Whether the metadata of the block at hand can matter at all.
    looks_at_metadata: bool,
    interrupt: Interrupt,
    stats: Stats,
}

impl LeafRunner {
    pub(super) fn new(leaf: &Leaf, matcher: StreamMatcher, grid: Grid, budget: Arc<Budget>) -> Result<Self, PlanError> {
        let aggregation = &leaf.aggregation;
        let mut names = Vec::new();
        let output = match &leaf.key {
            Grouping::By(key) => {
                names.extend(key.iter().cloned());
                if let Some(unwrap) = &aggregation.unwrap {
                    names.push(unwrap.label.clone());
                    unwrap.filters.iter().for_each(|filter| collect_names(filter, &mut names));
                }
                Output::Names(&names)
            }
            Grouping::Without(_) => Output::All,
        };
        Ok(Self {
            matcher,
            pipeline: Pipeline::new(&aggregation.log.stages, &output)?.at(grid.time(grid.len() - 1)),
            sampler: aggregation.unwrap.as_ref().map(Sampler::new).transpose()?,
            keeps_samples: matches!(Kept::by(aggregation), Kept::Sample(_)),
            range: aggregation.range,
            offset: aggregation.offset,
            grid,
            series: SeriesTable::new(leaf.key.clone(), Kept::by(aggregation), grid, budget),
            metadata: Pairs::default(),
            fields: Fields::default(),
            looks_at_metadata: false,
            interrupt: Interrupt::default(),
            stats: Stats::default(),
        })
    }

    pub(super) fn until(self, interrupt: Interrupt) -> Self {
        Self { pipeline: self.pipeline.until(interrupt.clone()), interrupt, ..self }
    }

    pub(super) fn add_rows(&mut self, rows: &Rows) -> Result<(), EvalError> {
        let time = self.grid.record_range(self.range, self.offset);
        self.looks_at_metadata = self.pipeline.looks_at_metadata(rows);
        for stream in &rows.streams {
            if !self.matcher.matches(&stream.labels) {
                continue;
            }
            let range = rows_within(rows, &stream.rows, time);
            if range.is_empty() {
                continue;
            }
            self.stats.rows += range.len() as u64;
            self.stats.bytes += lines_bytes(rows, &range);
            let selection = self.pipeline.select(rows, range.clone());
            self.interrupt.check()?;
            if self.pipeline.has_steps() || self.sampler.is_some() {
                self.add_parsed(rows, stream, rows_of(selection, range))?;
            } else if self.metadata_matters(&stream.labels) {
                self.add_by_metadata(rows, stream, rows_of(selection, range))?;
            } else {
                self.add_stream(rows, stream, range, &selection)?;
            }
        }
        Ok(())
    }

    pub(super) fn stats(&self) -> Stats {
        self.stats
    }

    pub(super) fn finish(self) -> Vec<SeriesPart> {
        self.series.finish()
    }

    /// Tells whether rows of a stream with these labels may count for different series because of their metadata.
    fn metadata_matters(&self, labels: &Labels) -> bool {
        let settled = |names: &Vec<String>| names.iter().all(|name| labels.value(name).is_some());
        self.looks_at_metadata && !matches!(self.series.key(), Grouping::By(names) if settled(names))
    }

    /// Counts rows that all belong to the series of their stream's labels.
    fn add_stream(
        &mut self,
        rows: &Rows,
        stream: &StreamRows,
        range: Range<usize>,
        selection: &Selection,
    ) -> Result<(), EvalError> {
        match selection {
            Selection::Some(found) if found.is_empty() => Ok(()),
            Selection::Some(found) => {
                let at = self.series.place(stream.labels.iter())?;
                self.stats.rows_kept += found.len() as u64;
                for row in found {
                    self.add_row(at, rows, *row);
                }
                Ok(())
            }
            Selection::All => {
                let at = self.series.place(stream.labels.iter())?;
                self.stats.rows_kept += range.len() as u64;
                self.add_run(at, rows, range);
                Ok(())
            }
        }
    }

    /// Counts a run of rows for one series.
    fn add_run(&mut self, at: usize, rows: &Rows, range: Range<usize>) {
        let timestamps = &rows.timestamps[range.clone()];
        let (Some(first), Some(last)) = (timestamps.first(), timestamps.last()) else { return };
        let from = self.grid.steps_over(*first, self.range, self.offset).0;
        let to = self.grid.steps_over(*last, self.range, self.offset).1;
        // A search costs about as much as a few rows.
        if to.saturating_sub(from) * 4 > range.len() {
            for row in range {
                self.add_row(at, rows, row);
            }
            return;
        }
        let wants_bytes = self.series.counts_bytes();
        for step in from..to {
            let time = self.grid.step_range(step, self.range, self.offset);
            let covered = rows_within(rows, &range, time);
            let bytes = if wants_bytes { lines_bytes(rows, &covered) } else { 0 };
            self.series.add(at, (step, step + 1), covered.len() as u64, bytes);
        }
    }

    fn add_row(&mut self, at: usize, rows: &Rows, row: usize) {
        let steps = self.grid.steps_over(rows.timestamps[row], self.range, self.offset);
        self.series.add(at, steps, 1, rows.line_range(row).len() as u64);
    }

    /// Counts rows whose series depends on their metadata, but not on their text.
    fn add_by_metadata(
        &mut self,
        rows: &Rows,
        stream: &StreamRows,
        found: impl Iterator<Item = usize>,
    ) -> Result<(), EvalError> {
        let mut places: HashMap<u32, usize> = HashMap::new();
        for row in found {
            self.stats.rows_kept += 1;
            let metadata_at = rows.metadata_at[row];
            let at = match places.get(&metadata_at) {
                Some(at) => *at,
                None => {
                    self.metadata.set_metadata(&stream.labels, rows.metadata_of(row));
                    let at = self.series.place(stream.labels.iter().chain(self.metadata.iter()))?;
                    places.insert(metadata_at, at);
                    at
                }
            };
            self.add_row(at, rows, row);
        }
        Ok(())
    }

    /// Counts rows that go through the pipeline one by one.
    fn add_parsed(
        &mut self,
        rows: &Rows,
        stream: &StreamRows,
        found: impl Iterator<Item = usize>,
    ) -> Result<(), EvalError> {
        let mut metadata_of = None;
        for row in found {
            let time = rows.timestamps[row];
            let steps = self.grid.steps_over(time, self.range, self.offset);
            self.interrupt.check()?;
            // Where the ranges do not meet, what lies between them is nobody's, not even its errors.
            if steps.0 >= steps.1 {
                continue;
            }
            let at = rows.metadata_at.get(row).copied().filter(|_| self.looks_at_metadata);
            if metadata_of != Some(at) {
                self.metadata.set_metadata(&stream.labels, at.map_or(&[], |_| rows.metadata_of(row)));
                metadata_of = Some(at);
            }
            self.fields.clear();
            let (metadata, fields) = (&self.metadata, &mut self.fields);
            let mut labels = RowLabels { stream: &stream.labels, metadata, fields, timestamp: time };
            let stored = line_of(rows, row);
            if !self.pipeline.keeps(stored, &mut labels) {
                continue;
            }
            let sample = match &self.sampler {
                None => None,
                Some(sampler) => match sampler.sample(&mut labels) {
                    None => continue,
                    sample => sample,
                },
            };
            if let Some((kind, details)) = labels.fields.unwanted_error() {
                return Err(pipeline_error(kind, details, &labels));
            }
            let at = self.series.place(labels.iter())?;
            self.stats.rows_kept += 1;
            match sample {
                Some(value) if self.keeps_samples => self.series.add_sample(at, steps, time.as_nanos(), value)?,
                _ => {
                    let bytes = match self.pipeline.changes_line() {
                        true => self.pipeline.line(stored).len(),
                        false => rows.line_range(row).len(),
                    };
                    self.series.add(at, steps, 1, bytes as u64);
                }
            }
        }
        Ok(())
    }
}

fn rows_of(selection: Selection, range: Range<usize>) -> Box<dyn Iterator<Item = usize>> {
    match selection {
        Selection::All => Box::new(range),
        Selection::Some(found) => Box::new(found.into_iter()),
    }
}

fn pipeline_error(kind: &str, details: &str, labels: &RowLabels<'_>) -> EvalError {
    let series = Labels::new(labels.iter().map(|(name, value)| (name.into(), value.into())));
    EvalError::Pipeline { error: kind.to_owned(), details: details.to_owned(), series: series.to_string() }
}
