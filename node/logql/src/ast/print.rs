//! Prints a tree so that it reads back as the same tree. Peers get a query's text from here, so this is a wire format.

mod metric;

use std::fmt::{Display, Formatter, Result};

use super::{CompareOp, Expr, LabelFilter, LineFilter, LineOp, LogExpr, MatchOp, Matcher, Quantity, Selector, Stage};
use crate::duration::write_byte_size;

impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Expr::Log(log) => log.fmt(f),
            Expr::Metric(metric) => metric.fmt(f),
        }
    }
}

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
            Stage::Json => f.write_str("| json"),
            Stage::Logfmt => f.write_str("| logfmt"),
            Stage::LabelFilter(filter) => write!(f, "| {filter}"),
        }
    }
}

impl Display for LineFilter {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        self.op.fmt(f)?;
        for (at, text) in self.alternatives.iter().enumerate() {
            write!(f, "{} {}", if at == 0 { "" } else { " or" }, Quoted(text))?;
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
        })
    }
}

impl Display for LabelFilter {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let (left, word, right) = match self {
            LabelFilter::Text(matcher) => return matcher.fmt(f),
            LabelFilter::Compare { name, op, value } => return write!(f, "{name}{op}{value}"),
            LabelFilter::And(left, right) => (left, "and", right),
            LabelFilter::Or(left, right) => (left, "or", right),
        };
        // `and` and `or` bind alike, from left to right, so only a compound on the right needs parentheses.
        match **right {
            LabelFilter::And(..) | LabelFilter::Or(..) => write!(f, "{left} {word} ({right})"),
            LabelFilter::Text(_) | LabelFilter::Compare { .. } => write!(f, "{left} {word} {right}"),
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

/// Text between double quotes, with the escapes that the lexer reads.
struct Quoted<'a>(&'a str);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str("\"")?;
        for c in self.0.chars() {
            match c {
                '"' => f.write_str("\\\"")?,
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                '\t' => f.write_str("\\t")?,
                c if c.is_control() => write!(f, "\\u{:04x}", c as u32)?,
                c => write!(f, "{c}")?,
            }
        }
        f.write_str("\"")
    }
}

fn write_list<T: Display>(f: &mut Formatter<'_>, items: &[T]) -> Result {
    for (at, item) in items.iter().enumerate() {
        write!(f, "{}{item}", if at == 0 { "" } else { ", " })?;
    }
    Ok(())
}
