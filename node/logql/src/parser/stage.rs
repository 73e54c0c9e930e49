//! The stages that begin with `|` alone: parsers, label filters, formats, and what picks labels.

use super::Parser;
use super::log::match_op;
use crate::ast::{Extraction, FormatValue, LabelFormat, LabelPick, Stage};
use crate::error::ParseError;
use crate::lexer::{Sign, TokenKind};
use crate::paths::parse_path;
use crate::patterns::CapturePattern;
use crate::pipeline::compile_template;
use crate::regexes::grouped;

/// The most labels that one `json` or `logfmt` stage may name; a stage with more is refused.
pub(crate) const EXTRACTIONS_MAX: usize = 64;

impl Parser<'_> {
    /// Reads a stage that begins with `|` alone.
    pub(super) fn pipe_stage(&mut self) -> Result<Stage, ParseError> {
        self.take();
        let stage = match self.peek_word() {
            Some("json") => Self::json,
            Some("logfmt") => Self::logfmt,
            // A line filter may follow these two.
            Some("unpack") => return Ok(self.taken(Stage::Unpack)),
            Some("decolorize") => return Ok(self.taken(Stage::Decolorize)),
            // Labels may have the names of the others.
            Some(_) if self.comparison_at(1) => Self::label_filter_stage,
            Some("pattern") => Self::pattern,
            Some("regexp") => Self::regexp,
            Some("line_format") => Self::line_format,
            Some("label_format") => Self::label_format,
            Some("drop") => return Ok(Stage::Drop(self.picks()?)),
            Some("keep") => return Ok(Stage::Keep(self.picks()?)),
            Some(_) => Self::label_filter_stage,
            None if self.peek_sign() == Some(Sign::ParenOpen) => Self::label_filter_stage,
            None => {
                let stages = "json, logfmt, pattern, regexp, unpack, decolorize, line_format, label_format, drop, keep";
                return Err(self.unexpected(&format!("{stages}, a label filter, or one of |=, |~, |>, !=, !~, !>")));
            }
        };
        stage(self)
    }

    fn taken(&mut self, stage: Stage) -> Stage {
        self.take();
        stage
    }

    fn label_filter_stage(&mut self) -> Result<Stage, ParseError> {
        Ok(Stage::LabelFilter(self.label_filter()?))
    }

    fn json(&mut self) -> Result<Stage, ParseError> {
        self.take();
        Ok(Stage::Json(self.extractions(|parser, at, path| parser.check(at, parse_path(path)))?))
    }

    fn logfmt(&mut self) -> Result<Stage, ParseError> {
        self.take();
        let (mut strict, mut keep_empty) = (false, false);
        while let TokenKind::Flag(flag) = self.peek() {
            match flag.as_str() {
                "strict" => strict = true,
                "keep-empty" => keep_empty = true,
                _ => return Err(self.unexpected("--strict or --keep-empty")),
            }
            self.take();
        }
        let fields = self.extractions(|parser, at, key| {
            let plain = !key.is_empty() && !key.contains(['=', '"']) && !key.contains(char::is_whitespace);
            let refused = || ParseError::at(parser.text, at, format!("cannot parse expression [{key}]: it is no key"));
            if plain { Ok(()) } else { Err(refused()) }
        })?;
        Ok(Stage::Logfmt { strict, keep_empty, fields })
    }

    /// Reads `label="expression", label …` if it is there; a label alone is its own expression.
    fn extractions(
        &mut self,
        check: impl Fn(&Self, usize, &str) -> Result<(), ParseError>,
    ) -> Result<Vec<Extraction>, ParseError> {
        let mut extractions = Vec::new();
        if self.peek_word().is_none() {
            return Ok(extractions);
        }
        loop {
            let mut at = self.position();
            let label = self.expect_name()?;
            let expression = if self.take_sign(Sign::Equal) {
                at = self.position();
                self.expect_text()?
            } else {
                label.clone()
            };
            check(self, at, &expression)?;
            self.count_term()?;
            if extractions.len() == EXTRACTIONS_MAX {
                return Err(self.error(format!("a stage takes out at most {EXTRACTIONS_MAX} labels by name")));
            }
            extractions.push(Extraction { label, expression });
            if !self.take_sign(Sign::Comma) {
                return Ok(extractions);
            }
        }
    }

    fn pattern(&mut self) -> Result<Stage, ParseError> {
        self.take();
        let at = self.position();
        let pattern = self.expect_text()?;
        self.check(at, CapturePattern::new(&pattern))?;
        Ok(Stage::Pattern(pattern))
    }

    fn regexp(&mut self) -> Result<Stage, ParseError> {
        self.take();
        let at = self.position();
        let pattern = self.expect_text()?;
        self.check_regex(at, grouped(&pattern))?;
        Ok(Stage::Regexp(pattern))
    }

    fn line_format(&mut self) -> Result<Stage, ParseError> {
        self.take();
        let at = self.position();
        let template = self.expect_text()?;
        self.check(at, compile_template("line", &template))?;
        Ok(Stage::LineFormat(template))
    }

    fn label_format(&mut self) -> Result<Stage, ParseError> {
        self.take();
        let mut formats: Vec<LabelFormat> = Vec::new();
        loop {
            let at = self.position();
            let label = self.expect_name()?;
            let refused = |message: String| Err(ParseError::at(self.text, at, message));
            if label == "__error__" || label == "__error_details__" {
                return refused(format!("{label} cannot be formatted"));
            }
            if formats.iter().any(|other| other.label == label) {
                return refused(format!("multiple label name '{label}' not allowed in a single format operation"));
            }
            self.expect_sign(Sign::Equal)?;
            let value = match self.peek() {
                TokenKind::Text(template) => FormatValue::Template(template.clone()),
                TokenKind::Word(from) => FormatValue::Rename(from.clone()),
                _ => return Err(self.unexpected("STRING or IDENTIFIER")),
            };
            if matches!(&value, FormatValue::Rename(from) if from == "__error__" || from == "__error_details__") {
                return Err(self.error("the error of a line cannot be renamed"));
            }
            if let FormatValue::Template(template) = &value {
                self.check(self.position(), compile_template("label", template))?;
            }
            self.take();
            self.count_term()?;
            formats.push(LabelFormat { label, value });
            if !self.take_sign(Sign::Comma) {
                return Ok(Stage::LabelFormat(formats));
            }
        }
    }

    /// Reads names and matchers behind `drop` or `keep`, which comes next.
    fn picks(&mut self) -> Result<Vec<LabelPick>, ParseError> {
        self.take();
        let mut picks = Vec::new();
        loop {
            let name = self.expect_name()?;
            self.count_term()?;
            match self.peek_sign().and_then(match_op) {
                Some(op) => {
                    self.take();
                    picks.push(LabelPick::Matcher(self.matcher(name, op)?));
                }
                None => picks.push(LabelPick::Name(name)),
            }
            if !self.take_sign(Sign::Comma) {
                return Ok(picks);
            }
        }
    }
}
