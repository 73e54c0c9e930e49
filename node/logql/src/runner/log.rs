//! A log query beside the data. Whether a line passes is found out with as little parsing as that takes; all its labels
//! are taken out at the end, for the few lines that are left.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use logmesh_protocol::record::Labels;
use logmesh_protocol::rows::{Rows, StreamRows};
use logmesh_protocol::time::{TimeRange, Timestamp};

use super::top::{Found, Top};
use super::{Stats, lines_bytes, rows_within};
use crate::ast::LogExpr;
use crate::error::{EvalError, PlanError};
use crate::interrupt::Interrupt;
use crate::partial::{Entry, Partial, entry_bytes};
use crate::pipeline::{Fields, Output, Pairs, Pipeline, RowLabels, Selection};
use crate::plan::{Direction, ENTRIES_BYTES_MAX, QueryParams};
use crate::selector::StreamMatcher;

/// Keeps the lines that count first.
#[derive(Debug)]
pub(super) struct LogRunner {
    matcher: StreamMatcher,
    filters: Pipeline,
    whole: Pipeline,
    time: TimeRange,
    direction: Direction,
    /// The metadata of each entry is kept as the bytes it came in.
    top: Top<Vec<u8>>,
    metadata: Pairs,
    fields: Fields,
    /// Whether the metadata of the block at hand can matter to the filters.
    looks_at_metadata: bool,
    interrupt: Interrupt,
    stats: Stats,
}

impl LogRunner {
    pub(super) fn new(log: &LogExpr, matcher: StreamMatcher, params: &QueryParams) -> Result<Self, PlanError> {
        Ok(Self {
            matcher,
            filters: Pipeline::new(&log.stages, &Output::Survival)?.at(params.end),
            whole: Pipeline::new(&log.stages, &Output::All)?.at(params.end),
            time: TimeRange { start: params.start, end: params.end },
            direction: params.direction,
            top: Top::new(params),
            metadata: Pairs::default(),
            fields: Fields::default(),
            looks_at_metadata: false,
            interrupt: Interrupt::default(),
            stats: Stats::default(),
        })
    }

    pub(super) fn until(self, interrupt: Interrupt) -> Self {
        let (filters, whole) = (self.filters.until(interrupt.clone()), self.whole.until(interrupt.clone()));
        Self { filters, whole, interrupt, ..self }
    }

    pub(super) fn add_rows(&mut self, rows: &Rows) -> Result<(), EvalError> {
        self.looks_at_metadata = self.filters.has_steps() && self.filters.looks_at_metadata(rows);
        for stream in &rows.streams {
            if self.matcher.matches(&stream.labels) {
                self.add_stream(rows, stream)?;
            }
        }
        Ok(())
    }

    /// Returns the time from which on (away from the end that counts first) no row can matter.
    pub(super) fn bound(&self) -> Option<Timestamp> {
        let worst = self.top.worst_time()?.as_nanos();
        // An entry at the worst one's own instant may still take its place.
        let bound = match self.direction {
            Direction::Backward => worst.checked_sub(1),
            Direction::Forward => worst.checked_add(1),
        };
        bound.map(Timestamp::from_nanos)
    }

    /// Tells whether no row of whatever time can matter. Full alone it is never: a row at the worst one's own instant may
    /// still take its place.
    pub(super) fn is_done(&self) -> bool {
        self.top.is_closed()
    }

    fn add_stream(&mut self, rows: &Rows, stream: &StreamRows) -> Result<(), EvalError> {
        let range = rows_within(rows, &stream.rows, self.time_left());
        self.stats.rows += range.len() as u64;
        self.stats.bytes += lines_bytes(rows, &range);
        let found: Box<dyn DoubleEndedIterator<Item = usize>> = match self.filters.select(rows, range.clone()) {
            Selection::All => Box::new(range),
            Selection::Some(found) => Box::new(found.into_iter()),
        };
        self.interrupt.check()?;
        match self.direction {
            Direction::Backward => self.add_found(rows, stream, found.rev()),
            Direction::Forward => self.add_found(rows, stream, found),
        }
    }

    /// Returns the part of the range that the bound leaves.
    fn time_left(&self) -> TimeRange {
        let TimeRange { start, end } = self.time;
        match (self.top.worst_time(), self.direction) {
            (None, _) => self.time,
            (Some(worst), Direction::Backward) => TimeRange { start: start.max(worst), end },
            (Some(worst), Direction::Forward) => {
                TimeRange { start, end: end.min(worst.saturating_add(Duration::from_nanos(1))) }
            }
        }
    }

    /// Takes rows in the order that counts; those behind the first that is not admitted are not either.
    fn add_found(
        &mut self,
        rows: &Rows,
        stream: &StreamRows,
        found: impl Iterator<Item = usize>,
    ) -> Result<(), EvalError> {
        let mut metadata_of = None;
        for row in found {
            let timestamp = rows.timestamps[row];
            if !self.top.admits(timestamp) {
                return Ok(());
            }
            if self.filters.has_steps() {
                self.interrupt.check()?;
                let at = rows.metadata_at.get(row).copied().filter(|_| self.looks_at_metadata);
                if metadata_of != Some(at) {
                    self.metadata.set_metadata(&stream.labels, at.map_or(&[], |_| rows.metadata_of(row)));
                    metadata_of = Some(at);
                }
                self.fields.clear();
                let (metadata, fields) = (&self.metadata, &mut self.fields);
                let mut labels = RowLabels { stream: &stream.labels, metadata, fields, timestamp };
                if !self.filters.keeps(rows.line(row), &mut labels) {
                    continue;
                }
            }
            self.stats.rows_kept += 1;
            let same = &rows.timestamps[stream.rows.start..row];
            let rank = same.len() - same.partition_point(|other| *other < timestamp);
            let found = Found {
                rank: u32::try_from(rank).unwrap_or(u32::MAX),
                line: String::from_utf8_lossy(rows.line(row)).into_owned(),
                rest: rows.metadata_of(row).to_vec(),
            };
            self.top.add(timestamp, &stream.labels, found, Vec::len)?;
        }
        Ok(())
    }

    pub(super) fn stats(&self) -> Stats {
        self.stats
    }

    pub(super) fn finish(mut self) -> Result<Partial, EvalError> {
        let mut streams: Vec<Arc<Labels>> = Vec::new();
        let mut places = HashMap::new();
        let mut entries = Vec::new();
        let mut bytes = 0;
        let top = std::mem::replace(&mut self.top, Top::new(&QueryParams::instant(Timestamp::MIN)));
        for (timestamp, labels, found) in top.into_entries() {
            self.interrupt.check()?;
            let stream = *places.entry(labels.clone()).or_insert_with(|| {
                streams.push(labels.clone());
                u32::try_from(streams.len() - 1).expect("no more streams than entries")
            });
            let entry = Entry { stream, ..self.entry(timestamp, &labels, found) };
            // Templates can make more of a line than there was.
            bytes += entry_bytes(&entry) as u64;
            if bytes > ENTRIES_BYTES_MAX {
                return Err(EvalError::EntriesBytesMax(ENTRIES_BYTES_MAX));
            }
            entries.push(entry);
        }
        Ok(Partial::Log { streams: streams.iter().map(|labels| (**labels).clone()).collect(), entries })
    }

    /// Runs the whole pipeline on a line that passes it.
    fn entry(&mut self, timestamp: Timestamp, labels: &Labels, found: Found<Vec<u8>>) -> Entry {
        self.metadata.set_metadata(labels, &found.rest);
        self.fields.clear();
        let mut row = RowLabels { stream: labels, metadata: &self.metadata, fields: &mut self.fields, timestamp };
        self.whole.keeps(found.line.as_bytes(), &mut row);
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let metadata: OwnedPairs = row.metadata_labels().map(owned).collect();
        let labels = row.stream_changed().then(|| Labels::new(row.stream_labels().map(owned)));
        let parsed = self.fields.iter().chain(self.fields.error_labels()).map(owned).collect();
        let line = String::from_utf8_lossy(self.whole.line(found.line.as_bytes()));
        let (line, stored) =
            if *line == found.line { (found.line, None) } else { (line.into_owned(), Some(found.line)) };
        Entry { stream: 0, timestamp, rank: found.rank, line, stored, labels, metadata, parsed }
    }
}

type OwnedPairs = Vec<(String, String)>;
