//! Range aggregations: a log expression, what is unwrapped, the range, what it is grouped by.

use super::super::Parser;
use crate::ast::{Conversion, Expr, LogExpr, MetricExpr, RangeAggregation, RangeOp, Unwrap};
use crate::duration::Nanoseconds;
use crate::error::ParseError;
use crate::lexer::{Sign, TokenKind};

/// A log expression with, if it was there, what is unwrapped, and its range and offset.
struct LogRange {
    log: LogExpr,
    unwrap: Option<Unwrap>,
    range: Option<(Nanoseconds, Nanoseconds)>,
}

impl Parser<'_> {
    pub(super) fn range_aggregation(&mut self, op: RangeOp) -> Result<Expr, ParseError> {
        self.take();
        self.expect_sign(Sign::ParenOpen)?;
        let parameter = if op.takes_parameter() { Some(self.quantile()?) } else { None };
        let LogRange { log, unwrap, range } = self.nested(Self::log_range)?;
        let Some((range, offset)) = range else { return Err(self.unexpected("RANGE, such as [5m]")) };
        self.expect_sign(Sign::ParenClose)?;
        let refuse = |message: String| Err(ParseError::whole(message));
        if unwrap.is_none() && !op.takes_lines() {
            return refuse(format!("invalid aggregation {} without unwrap", op.name()));
        }
        if unwrap.is_some() && !op.takes_samples() {
            return refuse(format!("invalid aggregation {} with unwrap", op.name()));
        }
        let grouping = self.grouping()?;
        if grouping.is_some() && !op.takes_grouping() {
            return refuse(format!("grouping not allowed for {} aggregation", op.name()));
        }
        let aggregation = RangeAggregation { op, parameter, log, unwrap, range, offset, grouping };
        Ok(Expr::Metric(MetricExpr::Range(Box::new(aggregation))))
    }

    fn quantile(&mut self) -> Result<f64, ParseError> {
        if !matches!(self.peek(), TokenKind::Number(_) | TokenKind::Sign(Sign::Minus | Sign::Plus)) {
            return Err(self.unexpected("NUMBER: the parameter that quantile_over_time requires"));
        }
        let quantile = self.signed_number()?;
        self.expect_sign(Sign::Comma)?;
        Ok(quantile)
    }

    /// Reads a log expression with a range. The range stands behind the selector or behind the pipeline; the whole may
    /// stand in parentheses, with or without the range.
    fn log_range(&mut self) -> Result<LogRange, ParseError> {
        if self.take_sign(Sign::ParenOpen) {
            let mut inner = self.nested(Self::log_range)?;
            self.expect_sign(Sign::ParenClose)?;
            if inner.range.is_none() {
                inner.range = self.range()?;
                if inner.unwrap.is_none() {
                    inner.unwrap = self.unwrap()?;
                }
            }
            return Ok(inner);
        }
        let selector = self.selector()?;
        let early = self.range()?;
        let stages = self.stages()?;
        let unwrap = self.unwrap()?;
        let range = if early.is_some() { early } else { self.range()? };
        Ok(LogRange { log: LogExpr { selector, stages }, unwrap, range })
    }

    /// Tells whether `| unwrap label` follows, rather than a filter of a label with this name.
    pub(in crate::parser) fn unwrap_follows(&self) -> bool {
        let is_unwrap = matches!(self.peek_at(1), TokenKind::Word(word) if word == "unwrap");
        self.peek_sign() == Some(Sign::Pipe) && is_unwrap && matches!(self.peek_at(2), TokenKind::Word(_))
    }

    /// Reads `| unwrap label` and the label filters behind it, if it is there.
    fn unwrap(&mut self) -> Result<Option<Unwrap>, ParseError> {
        if !self.unwrap_follows() {
            return Ok(None);
        }
        self.take();
        self.take();
        self.count_term()?;
        let at = self.position();
        let mut label = self.expect_name()?;
        let mut conversion = None;
        if self.take_sign(Sign::ParenOpen) {
            conversion = Conversion::named(&label);
            if conversion.is_none() {
                let message =
                    format!("syntax error: unexpected {label}, expecting duration, duration_seconds or bytes");
                return Err(ParseError::at(self.text, at, message));
            }
            label = self.expect_name()?;
            self.expect_sign(Sign::ParenClose)?;
        }
        let mut filters = Vec::new();
        while self.take_sign(Sign::Pipe) {
            self.count_term()?;
            filters.push(self.label_filter()?);
        }
        Ok(Some(Unwrap { label, conversion, filters }))
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
}
