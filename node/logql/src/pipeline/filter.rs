//! Label filters ready to run.
//!
//! A comparison with a number, a duration or a size lets lines with an error pass: only tests of text can drop those, as
//! the language has it. A value that does not read as the wanted kind sets an error and lets the line pass.

use super::labels::{ERROR, RowLabels};
use crate::ast::{CompareOp, LabelFilter, Quantity};
use crate::duration::{byte_size, label_duration, unread_duration, unread_size};
use crate::error::PlanError;
use crate::float::parse_float;
use crate::ip::IpRange;
use crate::selector::TextTest;

/// A label filter, compiled.
#[derive(Debug)]
pub(crate) enum Filter {
    /// The value as text; an absent label is empty.
    Text(TextTest),
    /// The value as a quantity; an absent label never passes.
    Compare { name: String, op: CompareOp, value: Quantity },
    /// The value has an address of the range in it, or has not; an absent label never passes.
    Ip { name: String, negative: bool, range: IpRange },
    /// Both hold; the right is not looked at if the left does not.
    And(Box<Filter>, Box<Filter>),
    /// One holds; the right is not looked at if the left does.
    Or(Box<Filter>, Box<Filter>),
}

impl Filter {
    /// Compiles a filter.
    pub(crate) fn new(filter: &LabelFilter) -> Result<Self, PlanError> {
        let both = |left, right| Ok::<_, PlanError>((Box::new(Self::new(left)?), Box::new(Self::new(right)?)));
        Ok(match filter {
            LabelFilter::Text(matcher) => Filter::Text(TextTest::new(matcher)?),
            LabelFilter::Compare { name, op, value } => Filter::Compare { name: name.clone(), op: *op, value: *value },
            LabelFilter::Ip { name, negative, pattern } => {
                Filter::Ip { name: name.clone(), negative: *negative, range: IpRange::new(pattern)? }
            }
            LabelFilter::And(left, right) => {
                let (left, right) = both(left, right)?;
                Filter::And(left, right)
            }
            LabelFilter::Or(left, right) => {
                let (left, right) = both(left, right)?;
                Filter::Or(left, right)
            }
        })
    }

    /// Tells whether the line passes; may set its error, and notes if the filter asks for a line with one.
    pub(crate) fn passes(&self, row: &mut RowLabels<'_>) -> bool {
        let passes = self.keeps(row);
        if passes && row.fields.error().is_some() && self.asks_for_error(row) {
            row.fields.keep_error();
        }
        passes
    }

    /// Tells whether a part by which the line passes is a test of its error: such a filter means the line as it is.
    fn asks_for_error(&self, row: &mut RowLabels<'_>) -> bool {
        match self {
            Filter::Text(test) => test.name == ERROR && self.keeps(row),
            Filter::Compare { .. } | Filter::Ip { .. } => false,
            Filter::And(left, right) => self.keeps(row) && (left.asks_for_error(row) || right.asks_for_error(row)),
            Filter::Or(left, right) => left.asks_for_error(row) || right.asks_for_error(row),
        }
    }

    /// Tells whether the line passes; may set its error.
    pub(crate) fn keeps(&self, row: &mut RowLabels<'_>) -> bool {
        match self {
            Filter::Text(test) => test.matches(row.value(&test.name).unwrap_or_default()),
            Filter::And(left, right) => left.keeps(row) && right.keeps(row),
            Filter::Or(left, right) => left.keeps(row) || right.keeps(row),
            Filter::Ip { name, negative, range } => {
                let lets_pass = row.fields.error().is_some();
                lets_pass || row.value(name).is_some_and(|value| range.is_in(value.as_bytes()) != *negative)
            }
            Filter::Compare { name, op, value } => {
                if row.fields.error().is_some() {
                    return true;
                }
                let Some(found) = row.value(name) else { return false };
                match compare(found, *op, *value) {
                    Ok(passes) => passes,
                    Err(details) => {
                        row.fields.set_error("LabelFilterErr", details);
                        true
                    }
                }
            }
        }
    }
}

/// Compares a label's value, or tells why it cannot be compared.
fn compare(found: &str, op: CompareOp, wanted: Quantity) -> Result<bool, String> {
    match wanted {
        Quantity::Number(wanted) => parse_float(found).map(|found| op.holds(&found, &wanted)),
        Quantity::Duration(wanted) => match label_duration(found) {
            Some(found) => Ok(op.holds(&found, &wanted)),
            None => Err(unread_duration(found)),
        },
        Quantity::Bytes(wanted) => match byte_size(found) {
            Some(found) => Ok(op.holds(&found, &wanted)),
            None => Err(unread_size(found)),
        },
    }
}

impl CompareOp {
    /// Tells whether the comparison holds; with NaN only `!=` does.
    pub(crate) fn holds<T: PartialOrd>(self, left: &T, right: &T) -> bool {
        match self {
            CompareOp::Equal => left == right,
            CompareOp::NotEqual => left != right,
            CompareOp::Greater => left > right,
            CompareOp::GreaterOrEqual => left >= right,
            CompareOp::Less => left < right,
            CompareOp::LessOrEqual => left <= right,
        }
    }
}
