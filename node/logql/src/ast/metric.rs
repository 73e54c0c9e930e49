//! The tree of metric expressions.

use super::{CompareOp, LabelFilter, LogExpr};
use crate::duration::Nanoseconds;

/// An expression whose value is numbers over time.
#[derive(Clone, Debug, PartialEq)]
pub enum MetricExpr {
    /// A number; always finite.
    Literal(f64),
    /// `vector(1)`: a number, always finite, as a series without labels.
    VectorOf(f64),
    /// Lines within a range become numbers, series by series.
    Range(Box<RangeAggregation>),
    /// Series become fewer series, or are put in order.
    Vector(VectorAggregation),
    /// Two operands become one.
    Binary(BinaryOperation),
    /// A label is made of another.
    LabelReplace(LabelReplace),
}

/// A function over the lines within a range before each step.
#[derive(Clone, Debug, PartialEq)]
pub struct RangeAggregation {
    /// The function.
    pub op: RangeOp,
    /// The quantile, for the function that takes one.
    pub parameter: Option<f64>,
    /// Which lines.
    pub log: LogExpr,
    /// Which label's value is the sample of a line; without it the line itself counts.
    pub unwrap: Option<Unwrap>,
    /// How long the range is; longer than zero.
    pub range: Nanoseconds,
    /// How much earlier the range lies.
    pub offset: Nanoseconds,
    /// Which labels tell series apart, for the functions that allow it.
    pub grouping: Option<Grouping>,
}

/// How a sample is made of a line: `| unwrap label`, and the label filters behind it.
#[derive(Clone, Debug, PartialEq)]
pub struct Unwrap {
    /// The label.
    pub label: String,
    /// How its value is read; without it as a number.
    pub conversion: Option<Conversion>,
    /// Which samples are kept.
    pub filters: Vec<LabelFilter>,
}

/// How the value of an unwrapped label is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conversion {
    /// `duration(label)`: a duration, in seconds.
    Duration,
    /// `duration_seconds(label)`: the same.
    DurationSeconds,
    /// `bytes(label)`: a size in bytes.
    Bytes,
}

impl Conversion {
    const ALL: [Conversion; 3] = [Conversion::Duration, Conversion::DurationSeconds, Conversion::Bytes];

    /// Returns the name in the language.
    pub const fn name(self) -> &'static str {
        match self {
            Conversion::Duration => "duration",
            Conversion::DurationSeconds => "duration_seconds",
            Conversion::Bytes => "bytes",
        }
    }

    /// Returns the conversion of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|conversion| conversion.name() == name)
    }
}

macro_rules! functions {
    ($(#[$about:meta])* $kind:ident { $($(#[$what:meta])* $name:ident $text:literal,)* }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $kind {
            $($(#[$what])* $name,)*
        }

        impl $kind {
            /// All of them.
            pub const ALL: &[Self] = &[$($kind::$name),*];

            /// Returns the name in the language.
            pub const fn name(self) -> &'static str {
                match self { $($kind::$name => $text),* }
            }

            /// Returns the function of this name.
            pub fn named(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|op| op.name() == name)
            }
        }
    };
}

functions! {
    /// The range functions.
    RangeOp {
        /// How many lines.
        CountOverTime "count_over_time",
        /// How many lines, or the sum of the samples, a second.
        Rate "rate",
        /// How many bytes the lines have.
        BytesOverTime "bytes_over_time",
        /// How many bytes a second.
        BytesRate "bytes_rate",
        /// 1 where there is no line.
        AbsentOverTime "absent_over_time",
        /// By how much a counter rises a second, its resets made good.
        RateCounter "rate_counter",
        /// The sum of the samples.
        SumOverTime "sum_over_time",
        /// Their mean.
        AvgOverTime "avg_over_time",
        /// The least.
        MinOverTime "min_over_time",
        /// The greatest.
        MaxOverTime "max_over_time",
        /// The population variance.
        StdvarOverTime "stdvar_over_time",
        /// The population standard deviation.
        StddevOverTime "stddev_over_time",
        /// A quantile.
        QuantileOverTime "quantile_over_time",
        /// The earliest.
        FirstOverTime "first_over_time",
        /// The latest.
        LastOverTime "last_over_time",
    }
}

impl RangeOp {
    /// Tells whether the function works on lines without `unwrap`.
    pub const fn takes_lines(self) -> bool {
        match self {
            RangeOp::CountOverTime
            | RangeOp::Rate
            | RangeOp::BytesOverTime
            | RangeOp::BytesRate
            | RangeOp::AbsentOverTime => true,
            RangeOp::RateCounter
            | RangeOp::SumOverTime
            | RangeOp::AvgOverTime
            | RangeOp::MinOverTime
            | RangeOp::MaxOverTime
            | RangeOp::StdvarOverTime
            | RangeOp::StddevOverTime
            | RangeOp::QuantileOverTime
            | RangeOp::FirstOverTime
            | RangeOp::LastOverTime => false,
        }
    }

    /// Tells whether the function works on unwrapped samples.
    pub const fn takes_samples(self) -> bool {
        !matches!(self, RangeOp::CountOverTime | RangeOp::BytesOverTime | RangeOp::BytesRate)
    }

    /// Tells whether `by` and `without` may stand behind the function.
    pub const fn takes_grouping(self) -> bool {
        !matches!(self, RangeOp::SumOverTime | RangeOp::AbsentOverTime | RangeOp::Rate | RangeOp::RateCounter)
    }

    /// Tells whether the function has a parameter.
    pub const fn takes_parameter(self) -> bool {
        matches!(self, RangeOp::QuantileOverTime)
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
    /// How many series, for the functions that choose some; at least one.
    pub parameter: Option<u32>,
    /// Which labels make a group; without it there is one group.
    pub grouping: Option<Grouping>,
    /// What is aggregated.
    pub of: Box<MetricExpr>,
}

functions! {
    /// The vector aggregations.
    VectorOp {
        /// The sum.
        Sum "sum",
        /// The least.
        Min "min",
        /// The greatest.
        Max "max",
        /// The mean.
        Avg "avg",
        /// How many series have a value.
        Count "count",
        /// The population variance.
        Stdvar "stdvar",
        /// The population standard deviation.
        Stddev "stddev",
        /// The series with the greatest values.
        Topk "topk",
        /// The series with the least values.
        Bottomk "bottomk",
        /// All series, the least values first.
        Sort "sort",
        /// All series, the greatest values first.
        SortDesc "sort_desc",
        /// As [`VectorOp::Topk`], in instant queries only. It could be inexact; here it is not.
        ApproxTopk "approx_topk",
    }
}

impl VectorOp {
    /// Tells whether the function has a parameter: it chooses so many series.
    pub const fn takes_parameter(self) -> bool {
        matches!(self, VectorOp::Topk | VectorOp::Bottomk | VectorOp::ApproxTopk)
    }

    /// Tells whether `by` and `without` may stand before and behind the function.
    pub const fn takes_grouping(self) -> bool {
        !matches!(self, VectorOp::Sort | VectorOp::SortDesc | VectorOp::ApproxTopk)
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
    /// Which series of two vectors belong together; without it those with equal labels.
    pub matching: Option<Matching>,
    /// What stands before the operator.
    pub left: Box<MetricExpr>,
    /// What stands behind it.
    pub right: Box<MetricExpr>,
}

/// Which series of two vectors belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matching {
    /// The labels that must be equal: these (`on`), or all but these (`ignoring`).
    pub labels: Grouping,
    /// Where several series of one side may belong to one of the other.
    pub group: Option<MatchGroup>,
}

/// Several series of one side may belong to one of the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MatchGroup {
    /// The side that may have several.
    pub many: MatchSide,
    /// Which labels of the other side are put on the result.
    pub include: Vec<String>,
}

/// A side of an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MatchSide {
    /// Before it (`group_left`).
    Left,
    /// Behind it (`group_right`).
    Right,
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
    /// `and`: what the other side has too.
    And,
    /// `or`: and what the other side has besides.
    Or,
    /// `unless`: what the other side does not have.
    Unless,
}

impl BinaryOp {
    /// Returns how tightly the operator binds; higher binds tighter.
    pub(crate) const fn precedence(self) -> u8 {
        match self {
            BinaryOp::Or => 1,
            BinaryOp::And | BinaryOp::Unless => 2,
            BinaryOp::Compare(_) => 3,
            BinaryOp::Add | BinaryOp::Subtract => 4,
            BinaryOp::Multiply | BinaryOp::Divide | BinaryOp::Modulo => 5,
            BinaryOp::Power => 6,
        }
    }

    /// Tells whether `a op b op c` is `a op (b op c)`.
    pub(crate) const fn is_right_associative(self) -> bool {
        matches!(self, BinaryOp::Power)
    }

    /// Tells whether the operator chooses among series rather than calculates.
    pub const fn is_set(self) -> bool {
        matches!(self, BinaryOp::And | BinaryOp::Or | BinaryOp::Unless)
    }
}

/// `label_replace(of, "target", "replacement", "source", "pattern")`.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelReplace {
    /// The series.
    pub of: Box<MetricExpr>,
    /// The label that is set.
    pub target: String,
    /// To what, with `$1` and the like for what the pattern's groups found.
    pub replacement: String,
    /// The label that is looked at.
    pub source: String,
    /// What its whole value must match.
    pub pattern: String,
}
