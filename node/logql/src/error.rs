//! What can go wrong with a query, one small enum a step. All of these are the client's to read.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A query text that is not LogQL, and where.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("parse error {}: {message}", place(*line, *column))]
pub struct ParseError {
    /// The line, from 1; 0 if the error is of an expression as a whole, which reads well.
    pub line: usize,
    /// The column in characters, from 1; 0 as above.
    pub column: usize,
    /// What was found and what was expected.
    pub message: String,
}

/// Returns the place as messages tell it, which for a whole expression is none.
fn place(line: usize, column: usize) -> String {
    if line == 0 { String::new() } else { format!("at line {line}, col {column}") }
}

impl ParseError {
    /// Returns an error of an expression as a whole.
    pub(crate) fn whole(message: impl Into<String>) -> Self {
        Self { line: 0, column: 0, message: message.into() }
    }

    /// Returns an error at byte `at` of `text`.
    pub(crate) fn at(text: &str, at: usize, message: impl Into<String>) -> Self {
        let before = text.get(..at).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            message: message.into(),
        }
    }
}

/// A query that reads well but cannot be run as asked.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PlanError {
    /// A log query came to the instant route.
    #[error(
        "log queries are not supported as an instant query type, please change your query to a range query type (query_range)"
    )]
    LogQueryInstant,
    /// The end lies before the start.
    #[error("the query's end lies before its start")]
    EndBeforeStart,
    /// A range query without a step.
    #[error("the step must be longer than zero")]
    StepZero,
    /// More points a series than [`crate::POINTS_MAX`].
    #[error("the range and the step ask for {points} points a series, more than {max}; ask for a longer step")]
    PointsMax {
        /// What was asked for.
        points: u64,
        /// The most there may be.
        max: u64,
    },
    /// A regular expression that does not compile or is too large.
    #[error("the regular expression {pattern:?} cannot be used: {reason}")]
    Regex {
        /// As it was written.
        pattern: String,
        /// What the compiler says.
        reason: String,
    },
    /// A pattern of texts and captures that does not read.
    #[error("the pattern {pattern:?} cannot be used: {reason}")]
    Pattern {
        /// As it was written.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// What should be an IP address, a range or a network of them.
    #[error("ip({0:?}) is neither an IP address nor a range (first-last) nor a network (address/bits)")]
    Ip(String),
    /// A path into a JSON document that does not read.
    #[error("cannot parse expression [{path}]: {reason}")]
    Path {
        /// As it was written.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A template that does not read.
    #[error("{0}")]
    Template(String),
    /// A combination that this version does not evaluate.
    #[error("{0}")]
    Unsupported(String),
    /// The text inside a part did not read.
    #[error(transparent)]
    Parse(#[from] ParseError),
}

/// A query that failed while it ran. It travels from the node that ran it.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
pub enum EvalError {
    /// A metric query met a line with an error, and did not filter it.
    #[error(
        "pipeline error: '{error}' for series: '{series}' ({details}).\nUse a label filter to skip such lines \
         (e.g | __error__!=\"{error}\"), or all lines with an error (e.g | __error__=\"\"); behind an unwrap it skips \
         those whose value does not convert."
    )]
    Pipeline {
        /// The value of `__error__`.
        error: String,
        /// The value of `__error_details__`.
        details: String,
        /// The labels of the line.
        series: String,
    },
    /// More series than the query may have.
    #[error(
        "maximum number of series ({0}) reached for a single query; select fewer streams, ask for a shorter range, or \
         aggregate by fewer labels with sum(), count() or topk()"
    )]
    SeriesMax(u32),
    /// More cells (series times points) than the query may hold in memory.
    #[error("the query would hold more than {0} series points in memory; ask for a longer step or fewer series")]
    CellsMax(u64),
    /// More bytes of entries than the query may hold in memory.
    #[error("the entries found exceed {0} bytes; ask for a lower limit")]
    EntriesBytesMax(u64),
    /// More single values than the query may hold in memory.
    #[error(
        "the query would hold more than {0} single values in memory, for quantile_over_time and rate_counter need them \
         all; ask for a shorter range or select fewer lines"
    )]
    ValuesMax(u64),
    /// Two series that should be one of a kind.
    #[error("{0}")]
    Matching(String),
    /// Nobody waits for the answer any more.
    #[error("the query was given up")]
    Interrupted,
    /// A peer's partial result does not fit the plan.
    #[error("a partial result does not fit the query: {0}")]
    Partial(String),
}

/// A timestamp or a duration that does not read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TimeError {
    /// Not a timestamp.
    #[error("cannot read {0:?} as a timestamp: expected nanoseconds, seconds with a decimal point, or RFC 3339")]
    Timestamp(String),
    /// Not a duration.
    #[error("cannot read {0:?} as a duration: expected a number with units, such as 5m, 1h30m or 1.5s")]
    Duration(String),
}
