//! Prints log expressions.

use std::fmt::{Display, Formatter, Result};

use super::{Quoted, write_list};
use crate::ast::{
    CompareOp, Extraction, FormatValue, LabelFilter, LabelFormat, LabelPick, LineFilter, LineOp, LinePattern, LogExpr,
    MatchOp, Matcher, Quantity, Selector, Stage,
};
use crate::duration::write_byte_size;

impl Display for LogExpr {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        self.selector.fmt(f)?;
        self.stages.iter().try_for_each(|stage| write!(f, " {stage}"))
    }
}

impl Display for Selector {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str("{")?;
        write_list(f, &self.matchers)?;
        f.write_str("}")
    }
}

impl Display for Matcher {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{}{}{}", self.name, self.op, Quoted(&self.value))
    }
}

impl Display for MatchOp {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            MatchOp::Equal => "=",
            MatchOp::NotEqual => "!=",
            MatchOp::Match => "=~",
            MatchOp::NotMatch => "!~",
        })
    }
}

impl Display for Stage {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Stage::LineFilter(filter) => filter.fmt(f),
            Stage::Json(fields) => write_parameters(f, "| json", fields),
            Stage::Logfmt { strict, keep_empty, fields } => {
                f.write_str("| logfmt")?;
                f.write_str(if *strict { " --strict" } else { "" })?;
                write_parameters(f, if *keep_empty { " --keep-empty" } else { "" }, fields)
            }
            Stage::Pattern(pattern) => write!(f, "| pattern {}", Quoted(pattern)),
            Stage::Regexp(pattern) => write!(f, "| regexp {}", Quoted(pattern)),
            Stage::Unpack => f.write_str("| unpack"),
            Stage::Decolorize => f.write_str("| decolorize"),
            Stage::LabelFilter(filter) => write!(f, "| {filter}"),
            Stage::LineFormat(template) => write!(f, "| line_format {}", Quoted(template)),
            Stage::LabelFormat(formats) => write_parameters(f, "| label_format", formats),
            Stage::Drop(picks) => write_parameters(f, "| drop", picks),
            Stage::Keep(picks) => write_parameters(f, "| keep", picks),
        }
    }
}

fn write_parameters<T: Display>(f: &mut Formatter<'_>, stage: &str, parameters: &[T]) -> Result {
    f.write_str(stage)?;
    if !parameters.is_empty() {
        f.write_str(" ")?;
    }
    write_list(f, parameters)
}

impl Display for Extraction {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{}={}", self.label, Quoted(&self.expression))
    }
}

impl Display for LabelFormat {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match &self.value {
            FormatValue::Rename(from) => write!(f, "{}={from}", self.label),
            FormatValue::Template(template) => write!(f, "{}={}", self.label, Quoted(template)),
        }
    }
}

impl Display for LabelPick {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            LabelPick::Name(name) => f.write_str(name),
            LabelPick::Matcher(matcher) => matcher.fmt(f),
        }
    }
}

impl Display for LinePattern {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            LinePattern::Text(text) => Quoted(text).fmt(f),
            LinePattern::Ip(pattern) => write!(f, "ip({})", Quoted(pattern)),
        }
    }
}

impl Display for LineFilter {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        self.op.fmt(f)?;
        for (at, pattern) in self.alternatives.iter().enumerate() {
            write!(f, "{} {pattern}", if at == 0 { "" } else { " or" })?;
        }
        Ok(())
    }
}

impl Display for LineOp {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            LineOp::Contains => "|=",
            LineOp::NotContains => "!=",
            LineOp::Match => "|~",
            LineOp::NotMatch => "!~",
            LineOp::Pattern => "|>",
            LineOp::NotPattern => "!>",
        })
    }
}

impl Display for LabelFilter {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let (left, word, right) = match self {
            LabelFilter::Text(matcher) => return matcher.fmt(f),
            LabelFilter::Compare { name, op, value } => return write!(f, "{name}{op}{value}"),
            LabelFilter::Ip { name, negative, pattern } => {
                let op = if *negative { "!=" } else { "=" };
                return write!(f, "{name}{op}ip({})", Quoted(pattern));
            }
            LabelFilter::And(left, right) => (left, "and", right),
            LabelFilter::Or(left, right) => (left, "or", right),
        };
        // `and` and `or` bind alike, from left to right, so only a compound on the right needs parentheses.
        match **right {
            LabelFilter::And(..) | LabelFilter::Or(..) => write!(f, "{left} {word} ({right})"),
            LabelFilter::Text(_) | LabelFilter::Compare { .. } | LabelFilter::Ip { .. } => {
                write!(f, "{left} {word} {right}")
            }
        }
    }
}

impl Display for CompareOp {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            CompareOp::Equal => "==",
            CompareOp::NotEqual => "!=",
            CompareOp::Greater => ">",
            CompareOp::GreaterOrEqual => ">=",
            CompareOp::Less => "<",
            CompareOp::LessOrEqual => "<=",
        })
    }
}

impl Display for Quantity {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Quantity::Number(number) => number.fmt(f),
            Quantity::Duration(duration) => duration.fmt(f),
            Quantity::Bytes(bytes) => write_byte_size(f, *bytes),
        }
    }
}
