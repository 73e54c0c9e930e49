//! The typed tree of a query. What the language gains later becomes a variant here; nothing else about a query is kept.

mod metric;
mod print;

use crate::duration::Nanoseconds;
pub use metric::{
    BinaryOp, BinaryOperation, Conversion, Grouping, LabelReplace, MatchGroup, MatchSide, Matching, MetricExpr,
    RangeAggregation, RangeOp, Unwrap, VectorAggregation, VectorOp,
};

/// A whole query.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// A query for lines.
    Log(LogExpr),
    /// A query for numbers.
    Metric(MetricExpr),
}

/// A selector and what is done with each line of the streams that it selects.
#[derive(Clone, Debug, PartialEq)]
pub struct LogExpr {
    /// Which streams.
    pub selector: Selector,
    /// The pipeline, in the order of the text.
    pub stages: Vec<Stage>,
}

/// The matchers between braces; all must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    /// The matchers, in the order of the text.
    pub matchers: Vec<Matcher>,
}

/// One test of a label's value as text. An absent label counts as empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matcher {
    /// The label.
    pub name: String,
    /// How to compare.
    pub op: MatchOp,
    /// What to compare with.
    pub value: String,
}

/// The text comparisons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MatchOp {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`, anchored at both ends.
    Match,
    /// `!~`, anchored at both ends.
    NotMatch,
}

/// One stage of a pipeline.
#[derive(Clone, Debug, PartialEq)]
pub enum Stage {
    /// Keeps lines by their text.
    LineFilter(LineFilter),
    /// Takes labels out of a JSON line.
    Json,
    /// Takes labels out of a logfmt line.
    Logfmt,
    /// Keeps lines by their labels.
    LabelFilter(LabelFilter),
}

impl Stage {
    /// Tells whether the stage looks at the text of the line.
    pub(crate) fn looks(&self) -> bool {
        match self {
            Stage::LineFilter(filter) => !filter.keeps_all(),
            Stage::Json | Stage::Logfmt => true,
            Stage::LabelFilter(_) => false,
        }
    }
}

/// A test of the line; it holds if any alternative does (for the negative ones: if none does).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineFilter {
    /// How to look.
    pub op: LineOp,
    /// What to look for; never empty.
    pub alternatives: Vec<String>,
}

impl LineFilter {
    /// Tells whether every line passes, for every line contains the empty text.
    pub(crate) fn keeps_all(&self) -> bool {
        matches!(self.op, LineOp::Contains | LineOp::Match) && self.alternatives.iter().any(String::is_empty)
    }
}

/// The line filters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineOp {
    /// `|=`
    Contains,
    /// `!=`
    NotContains,
    /// `|~`
    Match,
    /// `!~`
    NotMatch,
}

/// A test of labels.
#[derive(Clone, Debug, PartialEq)]
pub enum LabelFilter {
    /// The value as text.
    Text(Matcher),
    /// The value as a quantity.
    Compare {
        /// The label.
        name: String,
        /// How to compare.
        op: CompareOp,
        /// What to compare with.
        value: Quantity,
    },
    /// Both hold.
    And(Box<LabelFilter>, Box<LabelFilter>),
    /// One holds.
    Or(Box<LabelFilter>, Box<LabelFilter>),
}

/// The ordering comparisons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompareOp {
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
}

/// A value with its kind, which decides how a label's value is read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Quantity {
    /// A plain number.
    Number(f64),
    /// A duration.
    Duration(Nanoseconds),
    /// A size in bytes.
    Bytes(u64),
}
