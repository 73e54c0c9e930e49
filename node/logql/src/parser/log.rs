//! Selectors and pipelines.

use super::{Parser, require_narrow};
use crate::ast::{
    CompareOp, LabelFilter, LineFilter, LineOp, LinePattern, LogExpr, MatchOp, Matcher, Quantity, Selector, Stage,
};
use crate::error::ParseError;
use crate::ip::IpRange;
use crate::lexer::{Sign, TokenKind};
use crate::patterns::LineShape;
use crate::regexes::{anchored, unanchored};

impl Parser<'_> {
    /// Reads a selector with its pipeline.
    pub(super) fn log_expression(&mut self) -> Result<LogExpr, ParseError> {
        let selector = self.selector()?;
        let stages = self.stages()?;
        if self.unwrap_follows() {
            return Err(self.error("unwrap is only allowed within a range aggregation, such as sum_over_time"));
        }
        Ok(LogExpr { selector, stages })
    }

    /// Reads a selector that has at least one matcher which cannot match an absent label.
    pub(super) fn selector(&mut self) -> Result<Selector, ParseError> {
        let at = self.position();
        let selector = self.selector_lenient()?;
        require_narrow(self, &selector, at)?;
        Ok(selector)
    }

    /// Reads any selector.
    pub(super) fn selector_lenient(&mut self) -> Result<Selector, ParseError> {
        self.expect_sign(Sign::BraceOpen)?;
        let mut matchers = Vec::new();
        while !self.take_sign(Sign::BraceClose) {
            if !matchers.is_empty() && !self.take_sign(Sign::Comma) {
                return Err(self.unexpected("} or ,"));
            }
            // A comma behind the last matcher is allowed.
            if !matchers.is_empty() && self.take_sign(Sign::BraceClose) {
                break;
            }
            self.count_term()?;
            let Some(name) = self.peek_word().map(str::to_owned) else {
                return Err(self.unexpected("IDENTIFIER or }"));
            };
            self.take();
            let Some(op) = self.peek_sign().and_then(match_op) else {
                return Err(self.unexpected("= or =~ or !~ or !="));
            };
            self.take();
            matchers.push(self.matcher(name, op)?);
        }
        Ok(Selector { matchers })
    }

    /// Reads the value of a matcher whose name and operator are read.
    pub(super) fn matcher(&mut self, name: String, op: MatchOp) -> Result<Matcher, ParseError> {
        let at = self.position();
        let value = self.expect_text()?;
        match op {
            MatchOp::Equal | MatchOp::NotEqual => {}
            MatchOp::Match | MatchOp::NotMatch => {
                self.check_regex(at, anchored(&value))?;
            }
        }
        Ok(Matcher { name, op, value })
    }

    /// Reads stages for as long as there are any, up to `| unwrap`.
    pub(super) fn stages(&mut self) -> Result<Vec<Stage>, ParseError> {
        let mut stages = Vec::new();
        while let Some(sign) = self.peek_sign() {
            let stage = match sign {
                Sign::Pipe if self.unwrap_follows() => break,
                Sign::Pipe => self.pipe_stage()?,
                Sign::PipeEqual => self.line_filter(LineOp::Contains)?,
                Sign::NotEqual => self.line_filter(LineOp::NotContains)?,
                Sign::PipeMatch => self.line_filter(LineOp::Match)?,
                Sign::NotMatch => self.line_filter(LineOp::NotMatch)?,
                Sign::PipePattern => self.line_filter(LineOp::Pattern)?,
                Sign::NotPattern => self.line_filter(LineOp::NotPattern)?,
                _ => break,
            };
            self.count_term()?;
            stages.push(stage);
        }
        Ok(stages)
    }

    fn line_filter(&mut self, op: LineOp) -> Result<Stage, ParseError> {
        self.take();
        let mut alternatives = vec![self.line_pattern(op)?];
        while self.peek_word() == Some("or") && (matches!(self.peek_at(1), TokenKind::Text(_)) || self.ip_at(1)) {
            self.take();
            self.count_term()?;
            alternatives.push(self.line_pattern(op)?);
        }
        Ok(Stage::LineFilter(LineFilter { op, alternatives }))
    }

    fn line_pattern(&mut self, op: LineOp) -> Result<LinePattern, ParseError> {
        if self.ip_at(0) {
            if !matches!(op, LineOp::Contains | LineOp::NotContains) {
                return Err(self.unexpected("STRING"));
            }
            return Ok(LinePattern::Ip(self.ip()?));
        }
        let at = self.position();
        let pattern = self.expect_text()?;
        match op {
            LineOp::Contains | LineOp::NotContains => {}
            LineOp::Match | LineOp::NotMatch => self.check_regex(at, unanchored(&pattern))?,
            LineOp::Pattern | LineOp::NotPattern => self.check(at, LineShape::new(&pattern))?,
        }
        Ok(LinePattern::Text(pattern))
    }

    /// Tells whether `ip(` stands `ahead` places on.
    fn ip_at(&self, ahead: usize) -> bool {
        let named = matches!(self.peek_at(ahead), TokenKind::Word(word) if word == "ip");
        named && *self.peek_at(ahead + 1) == TokenKind::Sign(Sign::ParenOpen)
    }

    /// Reads `ip("…")`, which comes next.
    fn ip(&mut self) -> Result<String, ParseError> {
        self.take();
        self.expect_sign(Sign::ParenOpen)?;
        let at = self.position();
        let pattern = self.expect_text()?;
        self.check(at, IpRange::new(&pattern))?;
        self.expect_sign(Sign::ParenClose)?;
        Ok(pattern)
    }

    /// Tells whether a comparison stands `ahead` places on.
    pub(super) fn comparison_at(&self, ahead: usize) -> bool {
        let TokenKind::Sign(sign) = self.peek_at(ahead) else { return false };
        match_op(*sign).is_some() || compare_op(*sign).is_some()
    }

    /// Reads predicates joined by `and`, `or`, a comma or nothing; all bind alike, from left to right.
    pub(super) fn label_filter(&mut self) -> Result<LabelFilter, ParseError> {
        let mut filter = self.label_predicate()?;
        loop {
            let alternative = self.peek_word() == Some("or");
            let joined = alternative || self.peek_word() == Some("and") || self.peek_sign() == Some(Sign::Comma);
            if joined {
                self.take();
            } else if !(self.peek_word().is_some() && self.comparison_at(1))
                && self.peek_sign() != Some(Sign::ParenOpen)
            {
                return Ok(filter);
            }
            self.count_term()?;
            let next = self.label_predicate()?;
            let (left, right) = (Box::new(filter), Box::new(next));
            filter = if alternative { LabelFilter::Or(left, right) } else { LabelFilter::And(left, right) };
        }
    }

    fn label_predicate(&mut self) -> Result<LabelFilter, ParseError> {
        if self.take_sign(Sign::ParenOpen) {
            let inner = self.nested(Self::label_filter)?;
            self.expect_sign(Sign::ParenClose)?;
            return Ok(inner);
        }
        let name = self.expect_name()?;
        let Some(sign) = self.peek_sign().filter(|sign| match_op(*sign).is_some() || compare_op(*sign).is_some())
        else {
            return Err(self.unexpected("a comparison (=, ==, !=, =~, !~, >, >=, <, <=)"));
        };
        self.take();
        if self.ip_at(0) {
            let negative = match sign {
                Sign::Equal => false,
                Sign::NotEqual => true,
                _ => return Err(self.unexpected("BYTES or NUMBER or DURATION")),
            };
            return Ok(LabelFilter::Ip { name, negative, pattern: self.ip()? });
        }
        let text_follows = matches!(self.peek(), TokenKind::Text(_));
        match (match_op(sign), compare_op(sign)) {
            (Some(op), _) if text_follows => Ok(LabelFilter::Text(self.matcher(name, op)?)),
            (Some(_), None) => Err(self.unexpected("STRING")),
            (_, Some(op)) => Ok(LabelFilter::Compare { name, op, value: self.quantity(match_op(sign).is_some())? }),
            (None, None) => Err(self.unexpected("a comparison")),
        }
    }

    fn quantity(&mut self, text_allowed: bool) -> Result<Quantity, ParseError> {
        let negative = self.take_sign(Sign::Minus);
        if !negative {
            self.take_sign(Sign::Plus);
        }
        let value = match self.peek() {
            TokenKind::Number(number) => Quantity::Number(if negative { -number } else { *number }),
            TokenKind::Duration(span) => {
                let nanos = if negative { -span.0 } else { span.0 };
                Quantity::Duration(crate::duration::Nanoseconds(nanos))
            }
            TokenKind::Bytes(bytes) if !negative => Quantity::Bytes(*bytes),
            _ => {
                let text = if text_allowed { "STRING or " } else { "" };
                return Err(self.unexpected(&format!("{text}BYTES or NUMBER or DURATION")));
            }
        };
        self.take();
        Ok(value)
    }
}

/// Returns the text comparison that a sign stands for.
pub(super) fn match_op(sign: Sign) -> Option<MatchOp> {
    match sign {
        Sign::Equal => Some(MatchOp::Equal),
        Sign::NotEqual => Some(MatchOp::NotEqual),
        Sign::Match => Some(MatchOp::Match),
        Sign::NotMatch => Some(MatchOp::NotMatch),
        _ => None,
    }
}

/// Returns the ordering comparison that a sign stands for; `=` is one too, as in `status = 200`.
pub(super) fn compare_op(sign: Sign) -> Option<CompareOp> {
    match sign {
        Sign::Equal | Sign::EqualEqual => Some(CompareOp::Equal),
        Sign::NotEqual => Some(CompareOp::NotEqual),
        Sign::Greater => Some(CompareOp::Greater),
        Sign::GreaterOrEqual => Some(CompareOp::GreaterOrEqual),
        Sign::Less => Some(CompareOp::Less),
        Sign::LessOrEqual => Some(CompareOp::LessOrEqual),
        _ => None,
    }
}
