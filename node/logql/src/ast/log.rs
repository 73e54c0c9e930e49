//! The tree of a log expression: a selector and the stages of its pipeline.

use crate::duration::Nanoseconds;

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
    /// Takes labels out of a JSON line: these, or all if there are none.
    Json(Vec<Extraction>),
    /// Takes labels out of a logfmt line.
    Logfmt {
        /// Whether the first malformed pair is an error and the end, rather than stepped over.
        strict: bool,
        /// Whether keys without a value become labels with an empty one.
        keep_empty: bool,
        /// Which; all if there are none.
        fields: Vec<Extraction>,
    },
    /// Takes labels out of a line by a pattern of texts and captures such as `<method> <path>`.
    Pattern(String),
    /// Takes labels out of a line by the named groups of a regular expression.
    Regexp(String),
    /// Takes labels out of a packed JSON line, and makes its `_entry` the line.
    Unpack,
    /// Takes colours out of the line.
    Decolorize,
    /// Keeps lines by their labels.
    LabelFilter(LabelFilter),
    /// Makes a template's text the line.
    LineFormat(String),
    /// Renames labels and sets them by templates.
    LabelFormat(Vec<LabelFormat>),
    /// Drops these labels.
    Drop(Vec<LabelPick>),
    /// Drops all labels but these.
    Keep(Vec<LabelPick>),
}

impl Stage {
    /// Tells whether the stage looks at the text of the line.
    pub(crate) fn looks(&self) -> bool {
        match self {
            Stage::LineFilter(filter) => !filter.keeps_all(),
            Stage::Json(_)
            | Stage::Logfmt { .. }
            | Stage::Pattern(_)
            | Stage::Regexp(_)
            | Stage::Unpack
            | Stage::Decolorize
            // Templates may ask for the line.
            | Stage::LineFormat(_)
            | Stage::LabelFormat(_) => true,
            Stage::LabelFilter(_) | Stage::Drop(_) | Stage::Keep(_) => false,
        }
    }

    /// Tells whether the line may be another one behind the stage.
    pub(crate) fn changes_line(&self) -> bool {
        match self {
            Stage::Unpack | Stage::Decolorize | Stage::LineFormat(_) => true,
            Stage::LineFilter(_)
            | Stage::Json(_)
            | Stage::Logfmt { .. }
            | Stage::Pattern(_)
            | Stage::Regexp(_)
            | Stage::LabelFilter(_)
            | Stage::LabelFormat(_)
            | Stage::Drop(_)
            | Stage::Keep(_) => false,
        }
    }
}

/// A label and where in the line its value stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extraction {
    /// The label.
    pub label: String,
    /// A path such as `request.headers["User-Agent"]` in a JSON line, a key in a logfmt line.
    pub expression: String,
}

/// What becomes of one label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelFormat {
    /// The label that is set.
    pub label: String,
    /// What it is set to.
    pub value: FormatValue,
}

/// What a label is set to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FormatValue {
    /// The value of this label, which goes away.
    Rename(String),
    /// The text that this template gives.
    Template(String),
}

/// Which labels are dropped or kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LabelPick {
    /// The one of this name.
    Name(String),
    /// The one of this name, if its value matches.
    Matcher(Matcher),
}

/// A test of the line; it holds if any alternative does (for the negative ones: if none does).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineFilter {
    /// How to look.
    pub op: LineOp,
    /// What to look for; never empty.
    pub alternatives: Vec<LinePattern>,
}

impl LineFilter {
    /// Tells whether every line passes, for every line contains the empty text.
    pub(crate) fn keeps_all(&self) -> bool {
        let empty = |pattern: &LinePattern| matches!(pattern, LinePattern::Text(text) if text.is_empty());
        matches!(self.op, LineOp::Contains | LineOp::Match) && self.alternatives.iter().any(empty)
    }
}

/// What a line filter looks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinePattern {
    /// A text, a regular expression or a pattern; the operator decides.
    Text(String),
    /// An IP address that is this one, within this range or this network; only for `|=` and `!=`.
    Ip(String),
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
    /// `|>`
    Pattern,
    /// `!>`
    NotPattern,
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
    /// The value has an IP address in it that is this one, within this range or this network.
    Ip {
        /// The label.
        name: String,
        /// Whether it must not.
        negative: bool,
        /// The address, the range or the network.
        pattern: String,
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
