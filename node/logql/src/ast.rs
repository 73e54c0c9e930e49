//! The typed tree of a query. What the language gains later becomes a variant here; nothing else about a query is kept.

mod log;
mod metric;
mod pretty;
mod print;

pub use log::{
    CompareOp, Extraction, FormatValue, LabelFilter, LabelFormat, LabelPick, LineFilter, LineOp, LinePattern, LogExpr,
    MatchOp, Matcher, Quantity, Selector, Stage,
};
pub use metric::{
    BinaryOp, BinaryOperation, Conversion, Grouping, LabelReplace, MatchGroup, MatchSide, Matching, MetricExpr,
    RangeAggregation, RangeOp, Unwrap, VectorAggregation, VectorOp,
};
pub use pretty::pretty;

/// A whole query.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// A query for lines.
    Log(LogExpr),
    /// A query for numbers.
    Metric(MetricExpr),
}
