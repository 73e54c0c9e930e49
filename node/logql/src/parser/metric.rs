//! Metric expressions: numbers, operators, functions over series.

mod range;

use super::Parser;
use super::log::compare_op;
use crate::ast::{
    BinaryOp, BinaryOperation, Expr, Grouping, LabelReplace, MatchGroup, MatchSide, Matching, MetricExpr, RangeOp,
    VectorAggregation, VectorOp,
};
use crate::error::ParseError;
use crate::lexer::{Sign, TokenKind};
use crate::regexes::anchored;

impl Parser<'_> {
    /// Reads operands joined by operators that bind at least as tightly as `precedence_min`. A log expression comes
    /// back as it is if no operator follows.
    pub(super) fn binary(&mut self, precedence_min: u8) -> Result<Expr, ParseError> {
        let mut left = self.operand()?;
        while let Some(op) = self.peek_binary_op() {
            if op.precedence() < precedence_min {
                break;
            }
            let Expr::Metric(operand) = left else { return Err(self.unexpected_anything()) };
            self.count_term()?;
            let at = self.position();
            self.take();
            let bool_result = self.bool_modifier(op)?;
            let matching = self.matching(op)?;
            let right_min = if op.is_right_associative() { op.precedence() } else { op.precedence() + 1 };
            let right = self.nested(|parser| parser.metric(right_min))?;
            let (left_operand, right) = (Box::new(operand), Box::new(right));
            let operation = BinaryOperation { op, bool_result, matching, left: left_operand, right };
            self.check_operands(&operation, at)?;
            left = Expr::Metric(MetricExpr::Binary(operation));
        }
        Ok(left)
    }

    fn peek_binary_op(&self) -> Option<BinaryOp> {
        match self.peek() {
            TokenKind::Sign(sign) => binary_op(*sign),
            TokenKind::Word(word) => set_op(word),
            _ => None,
        }
    }

    fn bool_modifier(&mut self, op: BinaryOp) -> Result<bool, ParseError> {
        let at = self.position();
        let found = self.take_word("bool");
        if found && !matches!(op, BinaryOp::Compare(_)) {
            let message = format!("the bool modifier can only be used with comparisons, not with {op}");
            return Err(ParseError::at(self.text, at, message));
        }
        Ok(found)
    }

    /// Reads `on (…)` or `ignoring (…)`, with `group_left` or `group_right` behind it, if it is there.
    fn matching(&mut self, op: BinaryOp) -> Result<Option<Matching>, ParseError> {
        let on = self.take_word("on");
        if !on && !self.take_word("ignoring") {
            return match self.peek_word() {
                Some("group_left" | "group_right") => Err(self.unexpected("on or ignoring before it")),
                _ => Ok(None),
            };
        }
        let names = self.names()?;
        let group = self.match_group(op, on.then_some(&names))?;
        let labels = if on { Grouping::By(names) } else { Grouping::Without(names) };
        Ok(Some(Matching { labels, group }))
    }

    fn match_group(&mut self, op: BinaryOp, on: Option<&Vec<String>>) -> Result<Option<MatchGroup>, ParseError> {
        let at = self.position();
        let many = match self.peek_word() {
            Some("group_left") => MatchSide::Left,
            Some("group_right") => MatchSide::Right,
            _ => return Ok(None),
        };
        if op.is_set() {
            return Err(self.error(format!("no grouping allowed for {op}: it matches with all series as it is")));
        }
        self.take();
        let include = if self.names_follow() { self.names()? } else { Vec::new() };
        if let Some(name) = include.iter().find(|name| on.is_some_and(|on| on.contains(name))) {
            let message = format!("the label {name} must not occur in both on and group");
            return Err(ParseError::at(self.text, at, message));
        }
        Ok(Some(MatchGroup { many, include }))
    }

    /// Tells whether a list of names follows, rather than an operand in parentheses.
    fn names_follow(&self) -> bool {
        let sign = |ahead: usize, sign: Sign| *self.peek_at(ahead) == TokenKind::Sign(sign);
        let name = matches!(self.peek_at(1), TokenKind::Word(_));
        sign(0, Sign::ParenOpen)
            && (sign(1, Sign::ParenClose) || (name && (sign(2, Sign::ParenClose) || sign(2, Sign::Comma))))
    }

    /// Refuses what only makes sense between two vectors where an operand is a number.
    fn check_operands(&self, operation: &BinaryOperation, at: usize) -> Result<(), ParseError> {
        for (side, operand) in [("left", &operation.left), ("right", &operation.right)] {
            if !operand.is_scalar() {
                continue;
            }
            if operation.op.is_set() {
                let message = format!(
                    "unexpected literal for {side} leg of logical/set binary operation ({}): {operand}",
                    operation.op
                );
                return Err(ParseError::at(self.text, at, message));
            }
            if operation.matching.is_some() {
                let message = format!("on and ignoring are only allowed between vectors, not with {operand}");
                return Err(ParseError::at(self.text, at, message));
            }
        }
        Ok(())
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
            TokenKind::Sign(Sign::Minus | Sign::Plus) | TokenKind::Number(_) => {
                Ok(Expr::Metric(MetricExpr::Literal(self.signed_number()?)))
            }
            TokenKind::Word(word) => {
                if let Some(op) = RangeOp::named(word) {
                    return self.range_aggregation(op);
                }
                if let Some(op) = VectorOp::named(word) {
                    return self.vector_aggregation(op);
                }
                match word.as_str() {
                    "vector" => self.vector_of(),
                    "label_replace" => self.label_replace(),
                    "variants" => Err(self.error("multi variant queries are no longer supported")),
                    _ => Err(self.unexpected("a selector {…}, a function or NUMBER")),
                }
            }
            _ => Err(self.unexpected("a selector {…}, a function or NUMBER")),
        }
    }

    fn signed_number(&mut self) -> Result<f64, ParseError> {
        let negative = self.take_sign(Sign::Minus);
        if !negative {
            self.take_sign(Sign::Plus);
        }
        let TokenKind::Number(number) = *self.peek() else { return Err(self.unexpected("NUMBER")) };
        self.take();
        Ok(if negative { -number } else { number })
    }

    fn vector_of(&mut self) -> Result<Expr, ParseError> {
        self.take();
        self.expect_sign(Sign::ParenOpen)?;
        let number = self.signed_number()?;
        self.expect_sign(Sign::ParenClose)?;
        Ok(Expr::Metric(MetricExpr::VectorOf(number)))
    }

    fn label_replace(&mut self) -> Result<Expr, ParseError> {
        let at = self.position();
        self.take();
        self.expect_sign(Sign::ParenOpen)?;
        let of = Box::new(self.nested(|parser| parser.vector("label_replace"))?);
        let mut text = || -> Result<(usize, String), ParseError> {
            self.expect_sign(Sign::Comma)?;
            Ok((self.position(), self.expect_text()?))
        };
        let ((_, target), (_, replacement), (_, source), (pattern_at, pattern)) = (text()?, text()?, text()?, text()?);
        self.expect_sign(Sign::ParenClose)?;
        if !is_label_name(&target) {
            let message = format!("invalid label name in label_replace: {target:?}");
            return Err(ParseError::at(self.text, at, message));
        }
        self.check_regex(pattern_at, anchored(&pattern))?;
        Ok(Expr::Metric(MetricExpr::LabelReplace(LabelReplace { of, target, replacement, source, pattern })))
    }

    fn vector_aggregation(&mut self, op: VectorOp) -> Result<Expr, ParseError> {
        self.take();
        let before = self.grouping()?;
        self.expect_sign(Sign::ParenOpen)?;
        let parameter = if op.takes_parameter() { Some(self.series_count(op)?) } else { None };
        let of = Box::new(self.nested(|parser| parser.vector(op.name()))?);
        self.expect_sign(Sign::ParenClose)?;
        let grouping = if before.is_some() { before } else { self.grouping()? };
        if grouping.is_some() && !op.takes_grouping() {
            return Err(ParseError::whole(format!("grouping not allowed for {} aggregation", op.name())));
        }
        Ok(Expr::Metric(MetricExpr::Vector(VectorAggregation { op, parameter, grouping, of })))
    }

    /// Reads the parameter of a function that chooses some series.
    fn series_count(&mut self, op: VectorOp) -> Result<u32, ParseError> {
        let at = self.position();
        if !matches!(self.peek(), TokenKind::Number(_) | TokenKind::Sign(Sign::Minus | Sign::Plus)) {
            let expected = format!("NUMBER: the parameter that {} requires", op.name());
            return Err(self.unexpected(&expected));
        }
        let number = self.signed_number()?;
        let whole = number >= 1.0 && number <= f64::from(u32::MAX) && number.fract() == 0.0;
        if !whole {
            let message =
                format!("invalid parameter (must be a whole number greater than 0) {}({number}, …)", op.name());
            return Err(ParseError::at(self.text, at, message));
        }
        self.expect_sign(Sign::Comma)?;
        Ok(number as u32)
    }

    /// Reads a metric expression that is no number.
    fn vector(&mut self, function: &str) -> Result<MetricExpr, ParseError> {
        let at = self.position();
        let of = self.metric(0)?;
        if of.is_scalar() {
            let message = format!("{function} needs a vector, not a number");
            return Err(ParseError::at(self.text, at, message));
        }
        Ok(of)
    }

    /// Reads `by (…)` or `without (…)`, if it is there.
    fn grouping(&mut self) -> Result<Option<Grouping>, ParseError> {
        let by = self.take_word("by");
        if !by && !self.take_word("without") {
            return Ok(None);
        }
        let names = self.names()?;
        Ok(Some(if by { Grouping::By(names) } else { Grouping::Without(names) }))
    }

    /// Reads names between parentheses.
    fn names(&mut self) -> Result<Vec<String>, ParseError> {
        self.expect_sign(Sign::ParenOpen)?;
        let mut names = Vec::new();
        while !self.take_sign(Sign::ParenClose) {
            if !names.is_empty() && !self.take_sign(Sign::Comma) {
                return Err(self.unexpected(", or )"));
            }
            self.count_term()?;
            names.push(self.expect_name()?);
        }
        Ok(names)
    }
}

impl MetricExpr {
    /// Tells whether the value is a number rather than series.
    pub(crate) fn is_scalar(&self) -> bool {
        match self {
            MetricExpr::Literal(_) => true,
            MetricExpr::VectorOf(_) | MetricExpr::Range(_) | MetricExpr::Vector(_) | MetricExpr::LabelReplace(_) => {
                false
            }
            MetricExpr::Binary(operation) => operation.left.is_scalar() && operation.right.is_scalar(),
        }
    }
}

fn is_label_name(name: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.starts_with(|c: char| word(c) && !c.is_ascii_digit()) && name.chars().all(word)
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

fn set_op(word: &str) -> Option<BinaryOp> {
    match word {
        "and" => Some(BinaryOp::And),
        "or" => Some(BinaryOp::Or),
        "unless" => Some(BinaryOp::Unless),
        _ => None,
    }
}
