//! Metric expressions: range and vector aggregations, numbers, operators.

use super::Parser;
use super::log::compare_op;
use crate::ast::{
    BinaryOp, BinaryOperation, Expr, Grouping, LogExpr, MetricExpr, RangeAggregation, RangeOp, VectorAggregation,
    VectorOp,
};
use crate::duration::Nanoseconds;
use crate::error::ParseError;
use crate::lexer::{Sign, TokenKind};

/// A log expression with, if it was there, its range and offset.
struct LogRange {
    log: LogExpr,
    range: Option<(Nanoseconds, Nanoseconds)>,
}

impl Parser<'_> {
    /// Reads operands joined by operators that bind at least as tightly as `precedence_min`. A log expression comes
    /// back as it is if no operator follows.
    pub(super) fn binary(&mut self, precedence_min: u8) -> Result<Expr, ParseError> {
        let mut left = self.operand()?;
        while let Some(op) = self.peek_sign().and_then(binary_op) {
            if op.precedence() < precedence_min {
                break;
            }
            let Expr::Metric(operand) = left else { return Err(self.unexpected("the end of the query")) };
            self.count_term()?;
            self.take();
            let bool_result = matches!(op, BinaryOp::Compare(_)) && self.take_word("bool");
            if let Some(word @ ("on" | "ignoring" | "group_left" | "group_right" | "bool")) = self.peek_word() {
                return Err(self.error(format!("{word} is not supported here by this version of Logmesh")));
            }
            let right_min = if op.is_right_associative() { op.precedence() } else { op.precedence() + 1 };
            let right = self.nested(|parser| parser.metric(right_min))?;
            let (left_operand, right) = (Box::new(operand), Box::new(right));
            left = Expr::Metric(MetricExpr::Binary(BinaryOperation { op, bool_result, left: left_operand, right }));
        }
        Ok(left)
    }

    fn metric(&mut self, precedence_min: u8) -> Result<MetricExpr, ParseError> {
        let at = self.position();
        match self.binary(precedence_min)? {
            Expr::Metric(metric) => Ok(metric),
            Expr::Log(_) => {
                let message = "syntax error: unexpected log query, expecting a metric query (such as rate({…}[5m]))";
                Err(ParseError::at(self.text, at, message))
            }
        }
    }

    fn operand(&mut self) -> Result<Expr, ParseError> {
        match self.peek() {
            TokenKind::Sign(Sign::BraceOpen) => Ok(Expr::Log(self.log_expression()?)),
            TokenKind::Sign(Sign::ParenOpen) => {
                self.take();
                let inner = self.nested(Self::expression)?;
                self.expect_sign(Sign::ParenClose)?;
                Ok(inner)
            }
            TokenKind::Sign(Sign::Minus | Sign::Plus) | TokenKind::Number(_) => self.literal(),
            TokenKind::Word(word) => {
                if let Some(op) = RangeOp::named(word) {
                    return self.range_aggregation(op);
                }
                if let Some(op) = VectorOp::named(word) {
                    return self.vector_aggregation(op);
                }
                if LATER_FUNCTIONS.contains(&word.as_str()) {
                    return Err(self.error(format!("{word} is not supported by this version of Logmesh")));
                }
                Err(self.unexpected("a selector {…}, a function or NUMBER"))
            }
            _ => Err(self.unexpected("a selector {…}, a function or NUMBER")),
        }
    }

    fn literal(&mut self) -> Result<Expr, ParseError> {
        let negative = self.take_sign(Sign::Minus);
        if !negative {
            self.take_sign(Sign::Plus);
        }
        let TokenKind::Number(number) = *self.peek() else { return Err(self.unexpected("NUMBER")) };
        self.take();
        Ok(Expr::Metric(MetricExpr::Literal(if negative { -number } else { number })))
    }

    fn range_aggregation(&mut self, op: RangeOp) -> Result<Expr, ParseError> {
        self.take();
        self.expect_sign(Sign::ParenOpen)?;
        let LogRange { log, range } = self.nested(Self::log_range)?;
        let Some((range, offset)) = range else { return Err(self.unexpected("RANGE, such as [5m]")) };
        self.expect_sign(Sign::ParenClose)?;
        if let Some(word @ ("by" | "without")) = self.peek_word() {
            return Err(self.error(format!("{word} is not allowed behind {}: use sum {word} (…)", op.name())));
        }
        Ok(Expr::Metric(MetricExpr::Range(RangeAggregation { op, log, range, offset })))
    }

    /// Reads a log expression with a range. The range stands behind the selector or behind the pipeline; the whole may
    /// stand in parentheses, with or without the range.
    fn log_range(&mut self) -> Result<LogRange, ParseError> {
        if self.take_sign(Sign::ParenOpen) {
            let mut inner = self.nested(Self::log_range)?;
            self.expect_sign(Sign::ParenClose)?;
            if inner.range.is_none() {
                inner.range = self.range()?;
            }
            return Ok(inner);
        }
        let selector = self.selector()?;
        let early = self.range()?;
        let stages = self.stages()?;
        let range = if early.is_some() { early } else { self.range()? };
        Ok(LogRange { log: LogExpr { selector, stages }, range })
    }

    /// Reads `[5m] offset 1m`, if it is there.
    fn range(&mut self) -> Result<Option<(Nanoseconds, Nanoseconds)>, ParseError> {
        if !self.take_sign(Sign::BracketOpen) {
            return Ok(None);
        }
        let range = match *self.peek() {
            TokenKind::Duration(range) if range.0 > 0 => range,
            TokenKind::Duration(_) => return Err(self.error("the range must be longer than zero")),
            _ => return Err(self.unexpected("DURATION, such as 5m")),
        };
        self.take();
        self.expect_sign(Sign::BracketClose)?;
        let offset = if self.take_word("offset") { self.offset()? } else { Nanoseconds(0) };
        Ok(Some((range, offset)))
    }

    fn offset(&mut self) -> Result<Nanoseconds, ParseError> {
        let negative = self.take_sign(Sign::Minus);
        let TokenKind::Duration(offset) = *self.peek() else { return Err(self.unexpected("DURATION")) };
        self.take();
        Ok(if negative { Nanoseconds(-offset.0) } else { offset })
    }

    fn vector_aggregation(&mut self, op: VectorOp) -> Result<Expr, ParseError> {
        self.take();
        let before = self.grouping()?;
        self.expect_sign(Sign::ParenOpen)?;
        let of = Box::new(self.nested(|parser| parser.metric(0))?);
        self.expect_sign(Sign::ParenClose)?;
        let grouping = if before.is_some() { before } else { self.grouping()? };
        Ok(Expr::Metric(MetricExpr::Vector(VectorAggregation { op, grouping, of })))
    }

    fn grouping(&mut self) -> Result<Option<Grouping>, ParseError> {
        let by = self.take_word("by");
        if !by && !self.take_word("without") {
            return Ok(None);
        }
        self.expect_sign(Sign::ParenOpen)?;
        let mut names = Vec::new();
        while !self.take_sign(Sign::ParenClose) {
            if !names.is_empty() && !self.take_sign(Sign::Comma) {
                return Err(self.unexpected("\",\" or \")\""));
            }
            self.count_term()?;
            names.push(self.expect_name()?);
        }
        Ok(Some(if by { Grouping::By(names) } else { Grouping::Without(names) }))
    }
}

fn binary_op(sign: Sign) -> Option<BinaryOp> {
    match sign {
        Sign::Plus => Some(BinaryOp::Add),
        Sign::Minus => Some(BinaryOp::Subtract),
        Sign::Star => Some(BinaryOp::Multiply),
        Sign::Slash => Some(BinaryOp::Divide),
        Sign::Percent => Some(BinaryOp::Modulo),
        Sign::Caret => Some(BinaryOp::Power),
        // A single = is no operator between vectors.
        Sign::Equal => None,
        sign => compare_op(sign).map(BinaryOp::Compare),
    }
}

/// Functions of the whole language, so that the message says what is the matter.
const LATER_FUNCTIONS: [&str; 23] = [
    "absent_over_time",
    "rate_counter",
    "sum_over_time",
    "avg_over_time",
    "min_over_time",
    "max_over_time",
    "stdvar_over_time",
    "stddev_over_time",
    "quantile_over_time",
    "first_over_time",
    "last_over_time",
    "stddev",
    "stdvar",
    "topk",
    "bottomk",
    "sort",
    "sort_desc",
    "approx_topk",
    "label_replace",
    "vector",
    "variants",
    "histogram_over_time",
    "label_join",
];
