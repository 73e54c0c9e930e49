//! Which rows a log expression lets through, for those who want the rows themselves rather than an answer.

use logmesh_protocol::record::Labels;
use logmesh_protocol::rows::{Rows, StreamRows};
use logmesh_protocol::time::TimeRange;

use crate::ast::{LogExpr, Stage};
use crate::error::PlanError;
use crate::pipeline::{Fields, Output, Pairs, Pipeline, RowLabels, Selection};
use crate::runner::rows_within;
use crate::selector::StreamMatcher;

/// A log expression made ready to be asked about rows. One thread's.
#[derive(Debug)]
pub struct Predicate {
    matcher: StreamMatcher,
    filters: Pipeline,
    looks_at_lines: bool,
    metadata: Pairs,
    fields: Fields,
}

impl Predicate {
    /// Compiles an expression.
    pub fn new(log: &LogExpr) -> Result<Self, PlanError> {
        Ok(Self {
            matcher: StreamMatcher::new(&log.selector)?,
            filters: Pipeline::new(&log.stages, &Output::Survival)?,
            looks_at_lines: log.stages.iter().any(Stage::looks),
            metadata: Pairs::default(),
            fields: Fields::default(),
        })
    }

    /// Tells whether a stream with these labels is selected.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.matcher.matches(labels)
    }

    /// Tells whether the text of lines is looked at.
    pub fn looks_at_lines(&self) -> bool {
        self.looks_at_lines
    }

    /// Returns those rows of `stream` that lie within `time` and pass all filters, rising. The stream must be one that is
    /// selected.
    pub fn passing(&mut self, rows: &Rows, stream: &StreamRows, time: TimeRange) -> Vec<usize> {
        let range = rows_within(rows, &stream.rows, time);
        let mut found: Vec<usize> = match self.filters.select(rows, range.clone()) {
            Selection::All => range.collect(),
            Selection::Some(found) => found,
        };
        if self.filters.has_steps() {
            found.retain(|row| self.keeps(rows, stream, *row));
        }
        found
    }

    fn keeps(&mut self, rows: &Rows, stream: &StreamRows, row: usize) -> bool {
        self.metadata.set_metadata(&stream.labels, rows.metadata_of(row));
        self.fields.clear();
        let (metadata, fields, timestamp) = (&self.metadata, &mut self.fields, rows.timestamps[row]);
        let mut labels = RowLabels { stream: &stream.labels, metadata, fields, timestamp };
        self.filters.keeps(rows.line(row), &mut labels)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use logmesh_protocol::record::put_metadata;
    use logmesh_protocol::time::Timestamp;

    use super::*;
    use crate::ast::Expr;
    use crate::parser::parse;

    fn rows(lines: &[(i64, &str, &str)]) -> Rows {
        let labels = Arc::new(Labels::new([("app".to_owned(), "web".to_owned())]));
        let mut rows = Rows { streams: vec![StreamRows { labels, rows: 0..lines.len() }], ..Rows::default() };
        let mut text = Vec::new();
        for (at, (nanos, line, user)) in lines.iter().enumerate() {
            rows.timestamps.push(Timestamp::from_nanos(*nanos));
            text.extend_from_slice(line.as_bytes());
            rows.line_ends.push(u32::try_from(text.len()).unwrap());
            let mut metadata = Vec::new();
            put_metadata(&mut metadata, "user", user);
            rows.metadata.push(metadata.into());
            rows.metadata_at.push(u32::try_from(at).unwrap());
        }
        rows.lines = text.into();
        rows
    }

    fn check(query: &str, expected: &[usize]) {
        let Ok(Expr::Log(log)) = parse(query) else { panic!("{query} is no log query") };
        let mut predicate = Predicate::new(&log).unwrap();
        let rows = rows(&[(1, "a=1", "x"), (2, "a=2", "y"), (3, "b", "x"), (9, "a=1", "x")]);
        let time = TimeRange { start: Timestamp::from_nanos(1), end: Timestamp::from_nanos(9) };
        assert!(predicate.matches(&rows.streams[0].labels));
        assert_eq!(predicate.passing(&rows, &rows.streams[0], time), expected, "{query}");
    }

    #[test]
    fn rows_pass_by_time_filters_fields_and_metadata() {
        check("{app=\"web\"}", &[0, 1, 2]);
        check("{app=\"web\"} |= \"a\"", &[0, 1]);
        check("{app=\"web\"} | logfmt | a=`2`", &[1]);
        check("{app=\"web\"} | user=`x`", &[0, 2]);
        check("{app=\"web\"} | user=`x` != \"a\"", &[2]);
    }
}
