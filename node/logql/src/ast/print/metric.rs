//! Prints metric expressions.

use std::fmt::{Display, Formatter, Result};

use super::{Quoted, write_list};
use crate::ast::{
    BinaryOp, BinaryOperation, Grouping, LabelReplace, MatchSide, Matching, MetricExpr, RangeAggregation, Unwrap,
    VectorAggregation,
};

impl Display for MetricExpr {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            MetricExpr::Literal(number) => number.fmt(f),
            MetricExpr::VectorOf(number) => write!(f, "vector({number})"),
            MetricExpr::Range(aggregation) => aggregation.fmt(f),
            MetricExpr::Vector(aggregation) => aggregation.fmt(f),
            MetricExpr::Binary(operation) => operation.fmt(f),
            MetricExpr::LabelReplace(replace) => replace.fmt(f),
        }
    }
}

impl Display for RangeAggregation {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{}(", self.op.name())?;
        if let Some(parameter) = self.parameter {
            write!(f, "{parameter}, ")?;
        }
        self.log.fmt(f)?;
        if let Some(unwrap) = &self.unwrap {
            write!(f, " {unwrap}")?;
        }
        let space = if self.log.stages.is_empty() && self.unwrap.is_none() { "" } else { " " };
        write!(f, "{space}[{}]", self.range)?;
        if self.offset.0 != 0 {
            write!(f, " offset {}", self.offset)?;
        }
        f.write_str(")")?;
        self.grouping.iter().try_for_each(|grouping| write!(f, " {grouping}"))
    }
}

impl Display for Unwrap {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(&self.value())?;
        self.filters.iter().try_for_each(|filter| write!(f, " | {filter}"))
    }
}

impl Unwrap {
    /// Returns the stage without the filters behind it.
    pub(in crate::ast) fn value(&self) -> String {
        match self.conversion {
            None => format!("| unwrap {}", self.label),
            Some(conversion) => format!("| unwrap {}({})", conversion.name(), self.label),
        }
    }
}

impl Display for VectorAggregation {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(self.op.name())?;
        if let Some(grouping) = &self.grouping {
            write!(f, " {grouping} ")?;
        }
        match self.parameter {
            Some(parameter) => write!(f, "({parameter}, {})", self.of),
            None => write!(f, "({})", self.of),
        }
    }
}

impl Display for Grouping {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Grouping::By(names) => write_names(f, "by ", names),
            Grouping::Without(names) => write_names(f, "without ", names),
        }
    }
}

impl Display for BinaryOperation {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        operand(f, &self.left, self.left_needs_parentheses())?;
        write!(f, " {} ", self.operator())?;
        operand(f, &self.right, self.right_needs_parentheses())
    }
}

fn operand(f: &mut Formatter<'_>, operand: &MetricExpr, parentheses: bool) -> Result {
    if parentheses { write!(f, "({operand})") } else { operand.fmt(f) }
}

impl BinaryOperation {
    /// Returns the operator with what modifies it.
    pub(in crate::ast) fn operator(&self) -> String {
        let word = if self.bool_result { " bool" } else { "" };
        let matching = self.matching.as_ref().map_or(String::new(), |matching| format!(" {matching}"));
        format!("{}{word}{matching}", self.op)
    }

    /// Tells whether the left operand would be taken apart without parentheses.
    pub(in crate::ast) fn left_needs_parentheses(&self) -> bool {
        self.takes_apart(&self.left, !self.op.is_right_associative())
    }

    /// Tells the same of the right operand.
    pub(in crate::ast) fn right_needs_parentheses(&self) -> bool {
        self.takes_apart(&self.right, self.op.is_right_associative())
    }

    /// `same_binds`: whether an operator of the same precedence on this side belongs to the operand.
    fn takes_apart(&self, operand: &MetricExpr, same_binds: bool) -> bool {
        let MetricExpr::Binary(inner) = operand else { return false };
        let (mine, its) = (self.op.precedence(), inner.op.precedence());
        !(its > mine || (its == mine && same_binds))
    }
}

impl Display for Matching {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match &self.labels {
            Grouping::By(names) => write_names(f, "on ", names)?,
            Grouping::Without(names) => write_names(f, "ignoring ", names)?,
        }
        let Some(group) = &self.group else { return Ok(()) };
        let word = match group.many {
            MatchSide::Left => " group_left ",
            MatchSide::Right => " group_right ",
        };
        // The parentheses stay even where they are empty: those of an operand could be taken for them.
        write_names(f, word, &group.include)
    }
}

impl Display for BinaryOp {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            BinaryOp::Add => f.write_str("+"),
            BinaryOp::Subtract => f.write_str("-"),
            BinaryOp::Multiply => f.write_str("*"),
            BinaryOp::Divide => f.write_str("/"),
            BinaryOp::Modulo => f.write_str("%"),
            BinaryOp::Power => f.write_str("^"),
            BinaryOp::Compare(op) => op.fmt(f),
            BinaryOp::And => f.write_str("and"),
            BinaryOp::Or => f.write_str("or"),
            BinaryOp::Unless => f.write_str("unless"),
        }
    }
}

impl Display for LabelReplace {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "label_replace({}, {})", self.of, self.texts().join(", "))
    }
}

impl LabelReplace {
    /// Returns the parameters behind the first.
    pub(in crate::ast) fn texts(&self) -> [String; 4] {
        [&self.target, &self.replacement, &self.source, &self.pattern].map(|text| Quoted(text).to_string())
    }
}

fn write_names(f: &mut Formatter<'_>, word: &str, names: &[String]) -> Result {
    write!(f, "{word}(")?;
    write_list(f, names)?;
    f.write_str(")")
}
