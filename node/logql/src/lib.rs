//! LogQL: from a query's text to its answer.
//!
//! text → [`parse`] → typed tree ([`Expr`]) → [`plan`] → a [`Part`] that runs beside the data ([`Runner`], over columns)
//! → [`Partial`] results that travel → [`Merge`] at the coordinator → [`QueryResult`] → Loki's JSON.
//!
//! It must never do I/O, read a clock, know where rows come from, or panic on what a client or a peer sends.

mod ast;
mod budget;
mod duration;
mod error;
mod exact;
mod field_paths;
mod float;
mod interrupt;
mod ip;
mod lexer;
mod miner;
mod parser;
mod partial;
mod paths;
mod patterns;
mod pipeline;
mod plan;
mod predicate;
mod regexes;
mod result;
mod root;
mod runner;
mod selector;
mod summary;
mod template;
mod time;

pub use ast::{
    BinaryOp, BinaryOperation, CompareOp, Conversion, Expr, Extraction, FormatValue, Grouping, LabelFilter,
    LabelFormat, LabelPick, LabelReplace, LineFilter, LineOp, LinePattern, LogExpr, MatchGroup, MatchOp, MatchSide,
    Matcher, Matching, MetricExpr, Quantity, RangeAggregation, RangeOp, Selector, Stage, Unwrap, VectorAggregation,
    VectorOp, pretty,
};
pub use duration::{Nanoseconds, parse_duration};
pub use error::{EvalError, ParseError, PlanError, TimeError};
pub use exact::{ExactSum, Moments};
pub use field_paths::json_field_paths;
pub use interrupt::Interrupt;
pub use miner::{
    CLUSTERS_MAX, Miner, PATTERN_SAMPLES_MAX, PATTERNS_MERGED_MAX, Pattern, PatternPart, PatternRunner, merge_patterns,
};
pub use parser::{NESTING_MAX, QUERY_BYTES_MAX, REGEXES_MAX, TERMS_MAX, parse, parse_selector};
pub use partial::{Entry, Pane, Partial, SeriesPart};
pub use plan::{
    CELLS_MAX, Direction, ENTRIES_BYTES_MAX, INNER_SERIES_MAX, PANES_MAX, POINTS_MAX, Part, Plan, QueryParams,
    VALUES_MAX, dynamic_step, plan,
};
pub use predicate::Predicate;
pub use result::{Encoding, QueryResult, Sample, SeriesPoints, Stream, StreamEntry, write_streams};
pub use root::Merge;
pub use runner::{Runner, Stats};
pub use selector::StreamMatcher;
pub use summary::Summary;
pub use template::{
    Names, OUTPUT_BYTES_MAX, STEPS_MAX, TEMPLATE_BYTES_MAX, TEMPLATE_NESTING_MAX, Template, TemplateError,
    TemplateFailure, TemplateRow,
};
pub use time::parse_timestamp;
