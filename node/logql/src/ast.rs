//! The typed tree of a query. What the language gains later becomes a variant here; nothing else about a query is kept.

mod print;

use crate::duration::Nanoseconds;

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

/// An expression whose value is numbers over time.
#[derive(Clone, Debug, PartialEq)]
pub enum MetricExpr {
    /// A number; always finite.
    Literal(f64),
    /// Lines within a range become numbers, series by series.
    Range(RangeAggregation),
    /// Series become fewer series.
    Vector(VectorAggregation),
    /// Two operands become one.
    Binary(BinaryOperation),
}

/// A function over the lines within a range before each step.
#[derive(Clone, Debug, PartialEq)]
pub struct RangeAggregation {
    /// The function.
    pub op: RangeOp,
    /// Which lines.
    pub log: LogExpr,
    /// How long the range is; longer than zero.
    pub range: Nanoseconds,
    /// How much earlier the range lies.
    pub offset: Nanoseconds,
}

/// The range functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RangeOp {
    /// How many lines.
    CountOverTime,
    /// How many lines a second.
    Rate,
    /// How many bytes the lines have.
    BytesOverTime,
    /// How many bytes a second.
    BytesRate,
}

impl RangeOp {
    /// Returns the name in the language.
    pub const fn name(self) -> &'static str {
        match self {
            RangeOp::CountOverTime => "count_over_time",
            RangeOp::Rate => "rate",
            RangeOp::BytesOverTime => "bytes_over_time",
            RangeOp::BytesRate => "bytes_rate",
        }
    }

    /// Returns the function of this name.
    pub fn named(name: &str) -> Option<Self> {
        [RangeOp::CountOverTime, RangeOp::Rate, RangeOp::BytesOverTime, RangeOp::BytesRate]
            .into_iter()
            .find(|op| op.name() == name)
    }

    /// Tells whether the function looks at the length of lines.
    pub const fn counts_bytes(self) -> bool {
        matches!(self, RangeOp::BytesOverTime | RangeOp::BytesRate)
    }

    /// Tells whether the function divides by the length of the range.
    pub const fn is_rate(self) -> bool {
        matches!(self, RangeOp::Rate | RangeOp::BytesRate)
    }
}

/// An aggregation over series, step by step.
#[derive(Clone, Debug, PartialEq)]
pub struct VectorAggregation {
    /// The function.
    pub op: VectorOp,
    /// Which labels make a group; without it there is one group.
    pub grouping: Option<Grouping>,
    /// What is aggregated.
    pub of: Box<MetricExpr>,
}

/// The vector aggregations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VectorOp {
    /// The sum.
    Sum,
    /// The least.
    Min,
    /// The greatest.
    Max,
    /// The mean.
    Avg,
    /// How many series have a value.
    Count,
}

impl VectorOp {
    /// Returns the name in the language.
    pub const fn name(self) -> &'static str {
        match self {
            VectorOp::Sum => "sum",
            VectorOp::Min => "min",
            VectorOp::Max => "max",
            VectorOp::Avg => "avg",
            VectorOp::Count => "count",
        }
    }

    /// Returns the aggregation of this name.
    pub fn named(name: &str) -> Option<Self> {
        [VectorOp::Sum, VectorOp::Min, VectorOp::Max, VectorOp::Avg, VectorOp::Count]
            .into_iter()
            .find(|op| op.name() == name)
    }
}

/// Which labels make a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grouping {
    /// These.
    By(Vec<String>),
    /// All but these.
    Without(Vec<String>),
}

/// An operation on two operands.
#[derive(Clone, Debug, PartialEq)]
pub struct BinaryOperation {
    /// The operator.
    pub op: BinaryOp,
    /// Whether a comparison gives 0 or 1 rather than filters.
    pub bool_result: bool,
    /// What stands before the operator.
    pub left: Box<MetricExpr>,
    /// What stands behind it.
    pub right: Box<MetricExpr>,
}

/// The binary operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BinaryOp {
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`
    Divide,
    /// `%`
    Modulo,
    /// `^`
    Power,
    /// A comparison.
    Compare(CompareOp),
}

impl BinaryOp {
    /// Returns how tightly the operator binds; higher binds tighter.
    pub(crate) const fn precedence(self) -> u8 {
        match self {
            BinaryOp::Compare(_) => 1,
            BinaryOp::Add | BinaryOp::Subtract => 2,
            BinaryOp::Multiply | BinaryOp::Divide | BinaryOp::Modulo => 3,
            BinaryOp::Power => 4,
        }
    }

    /// Tells whether `a op b op c` is `a op (b op c)`.
    pub(crate) const fn is_right_associative(self) -> bool {
        matches!(self, BinaryOp::Power)
    }
}
