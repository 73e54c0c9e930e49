//! Mines the lines that a log query selects, beside the data.

use logmesh_protocol::rows::Rows;
use logmesh_protocol::time::TimeRange;

use super::{Miner, PatternPart};
use crate::ast::LogExpr;
use crate::error::{EvalError, PlanError};
use crate::interrupt::Interrupt;
use crate::pipeline::{Fields, Output, Pairs, Pipeline, RowLabels, Selection};
use crate::runner::{Stats, lines_bytes, rows_within};
use crate::selector::StreamMatcher;

/// Takes the lines of a log query into a miner.
#[derive(Debug)]
pub struct PatternRunner {
    matcher: StreamMatcher,
    filters: Pipeline,
    range: TimeRange,
    miner: Miner,
    metadata: Pairs,
    fields: Fields,
    interrupt: Interrupt,
    stats: Stats,
}

impl PatternRunner {
    /// Prepares the query for lines of `range`; `step` is that of the samples.
    pub fn new(log: &LogExpr, range: TimeRange, step: std::time::Duration) -> Result<Self, PlanError> {
        Ok(Self {
            matcher: StreamMatcher::new(&log.selector)?,
            filters: Pipeline::new(&log.stages, &Output::Survival)?,
            range,
            miner: Miner::new(range, step),
            metadata: Pairs::default(),
            fields: Fields::default(),
            interrupt: Interrupt::default(),
            stats: Stats::default(),
        })
    }

    /// Returns the runner with what says that its work is no longer wanted: it then fails with [`EvalError::Interrupted`].
    pub fn until(self, interrupt: &Interrupt) -> Self {
        Self { filters: self.filters.until(interrupt.clone()), interrupt: interrupt.clone(), ..self }
    }

    /// Looks at more rows. They may hold streams that do not match and times that are not asked for.
    pub fn add_rows(&mut self, rows: &Rows) -> Result<(), EvalError> {
        for stream in rows.streams.iter().filter(|stream| self.matcher.matches(&stream.labels)) {
            let range = rows_within(rows, &stream.rows, self.range);
            self.stats.rows += range.len() as u64;
            self.stats.bytes += lines_bytes(rows, &range);
            let found: Box<dyn Iterator<Item = usize>> = match self.filters.select(rows, range.clone()) {
                Selection::All => Box::new(range),
                Selection::Some(found) => Box::new(found.into_iter()),
            };
            for row in found {
                self.interrupt.check()?;
                let line = rows.line(row);
                if self.filters.has_steps() {
                    self.metadata.set_metadata(&stream.labels, rows.metadata_of(row));
                    self.fields.clear();
                    let timestamp = rows.timestamps[row];
                    let (metadata, fields) = (&self.metadata, &mut self.fields);
                    let mut labels = RowLabels { timestamp, stream: &stream.labels, metadata, fields };
                    if !self.filters.keeps(line, &mut labels) {
                        continue;
                    }
                }
                self.stats.rows_kept += 1;
                let line = self.filters.line(line);
                self.miner.add(&String::from_utf8_lossy(line), rows.timestamps[row]);
            }
        }
        Ok(())
    }

    /// Returns what was seen so far.
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// Returns what was found.
    pub fn finish(self) -> PatternPart {
        self.miner.finish()
    }
}
