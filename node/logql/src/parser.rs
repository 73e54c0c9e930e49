//! From tokens to the tree, by recursive descent. Depth and size are bounded, so that no text can exhaust the stack of
//! this parser or of anything that walks the tree behind it.

mod log;
mod metric;
mod stage;

use crate::ast::{Expr, RangeOp, Selector, VectorOp};
use crate::error::{ParseError, PlanError};
use crate::lexer::{Sign, Token, TokenKind, lex};
use crate::selector::StreamMatcher;

/// The most bytes that a query may have; a longer one is refused.
pub const QUERY_BYTES_MAX: usize = 128 << 10;
/// The most parentheses (of any kind of expression) that may be open at once; a deeper query is refused.
pub const NESTING_MAX: usize = 100;
/// The most operators (`and`, `or`, `+` …), stages and alternatives of one query; a longer query is refused.
pub const TERMS_MAX: usize = 1_000;
/// The most regular expressions of one query, for each may take memory and time to compile; a query with more is refused.
pub const REGEXES_MAX: usize = 64;

/// Reads a query.
pub fn parse(text: &str) -> Result<Expr, ParseError> {
    let mut parser = Parser::new(text)?;
    let expr = parser.expression()?;
    parser.expect_end()?;
    Ok(expr)
}

/// Reads a selector alone, as `match[]` and the `query` of the label routes carry it. Unlike in a query it may match
/// every stream: `{}` is allowed.
pub fn parse_selector(text: &str) -> Result<StreamMatcher, ParseError> {
    let mut parser = Parser::new(text)?;
    let selector = parser.selector_lenient()?;
    if *parser.peek() != TokenKind::End {
        return Err(parser.error("only label matchers are supported"));
    }
    // The patterns were compiled once already, so this cannot fail; saying so beats a panic.
    StreamMatcher::new(&selector).map_err(|error: PlanError| ParseError::at(text, 0, error.to_string()))
}

/// The tokens, and how far they are read.
pub(crate) struct Parser<'t> {
    text: &'t str,
    tokens: Vec<Token>,
    next: usize,
    depth: usize,
    terms: usize,
    regexes: usize,
}

impl<'t> Parser<'t> {
    fn new(text: &'t str) -> Result<Self, ParseError> {
        if text.len() > QUERY_BYTES_MAX {
            let message = format!("the query has {} bytes, more than {QUERY_BYTES_MAX}", text.len());
            return Err(ParseError::at(text, 0, message));
        }
        Ok(Self { text, tokens: lex(text)?, next: 0, depth: 0, terms: 0, regexes: 0 })
    }

    fn peek(&self) -> &TokenKind {
        self.peek_at(0)
    }

    /// Returns the token `ahead` places on; beyond the end it is the end.
    fn peek_at(&self, ahead: usize) -> &TokenKind {
        self.tokens.get(self.next + ahead).map_or(&TokenKind::End, |token| &token.kind)
    }

    fn position(&self) -> usize {
        self.tokens.get(self.next).map_or(self.text.len(), |token| token.at)
    }

    fn take(&mut self) -> TokenKind {
        let kind = self.peek().clone();
        self.next += 1;
        kind
    }

    fn peek_sign(&self) -> Option<Sign> {
        match self.peek() {
            TokenKind::Sign(sign) => Some(*sign),
            _ => None,
        }
    }

    fn peek_word(&self) -> Option<&str> {
        match self.peek() {
            TokenKind::Word(word) => Some(word),
            _ => None,
        }
    }

    fn take_sign(&mut self, sign: Sign) -> bool {
        let found = self.peek_sign() == Some(sign);
        self.next += usize::from(found);
        found
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = self.peek_word() == Some(word);
        self.next += usize::from(found);
        found
    }

    fn expect_sign(&mut self, sign: Sign) -> Result<(), ParseError> {
        if self.take_sign(sign) { Ok(()) } else { Err(self.unexpected(sign.text())) }
    }

    fn expect_end(&self) -> Result<(), ParseError> {
        if *self.peek() == TokenKind::End { Ok(()) } else { Err(self.unexpected_anything()) }
    }

    fn expect_text(&mut self) -> Result<String, ParseError> {
        match self.peek() {
            TokenKind::Text(text) => {
                let text = text.clone();
                self.next += 1;
                Ok(text)
            }
            _ => Err(self.unexpected("STRING")),
        }
    }

    fn expect_name(&mut self) -> Result<String, ParseError> {
        match self.peek() {
            TokenKind::Word(name) => {
                let name = name.clone();
                self.next += 1;
                Ok(name)
            }
            _ => Err(self.unexpected("IDENTIFIER")),
        }
    }

    fn unexpected(&self, expected: &str) -> ParseError {
        self.error(format!("syntax error: unexpected {}, expecting {expected}", self.found()))
    }

    /// Returns the error of a token behind which nearly anything else could follow.
    fn unexpected_anything(&self) -> ParseError {
        self.error(format!("syntax error: unexpected {}", self.found()))
    }

    /// Returns the next token as errors name it: a keyword by itself, any other word as IDENTIFIER. The name of a function
    /// is a keyword only where it is called.
    fn found(&self) -> String {
        let called = || match self.peek_at(1) {
            TokenKind::Sign(sign) => *sign == Sign::ParenOpen,
            TokenKind::Word(word) => matches!(word.as_str(), "by" | "without"),
            _ => false,
        };
        match self.peek() {
            TokenKind::Word(word) if KEYWORDS.contains(&word.as_str()) => word.clone(),
            TokenKind::Word(word) if is_function(word) && called() => word.clone(),
            other => other.to_string(),
        }
    }

    /// Returns an error at the next token.
    fn error(&self, message: impl Into<String>) -> ParseError {
        ParseError::at(self.text, self.position(), message)
    }

    /// Runs `inner` one level deeper.
    fn nested<T>(&mut self, inner: impl FnOnce(&mut Self) -> Result<T, ParseError>) -> Result<T, ParseError> {
        if self.depth == NESTING_MAX {
            return Err(self.error(format!("the query is nested deeper than {NESTING_MAX} levels")));
        }
        self.depth += 1;
        let found = inner(self);
        self.depth -= 1;
        found
    }

    /// Counts one operator, stage or alternative: trees that grow to the left do so without nesting.
    fn count_term(&mut self) -> Result<(), ParseError> {
        self.terms += 1;
        if self.terms > TERMS_MAX {
            return Err(self.error(format!("the query has more than {TERMS_MAX} operators, stages and alternatives")));
        }
        Ok(())
    }

    /// Checks a regular expression that stands at byte `at`, by the compiler that will run it.
    fn check_regex<T>(&mut self, at: usize, compiled: Result<T, PlanError>) -> Result<(), ParseError> {
        self.regexes += 1;
        if self.regexes > REGEXES_MAX {
            let message = format!("the query has more than {REGEXES_MAX} regular expressions");
            return Err(ParseError::at(self.text, at, message));
        }
        self.check(at, compiled)
    }

    /// Checks something that stands at byte `at`, by the code that will run it.
    fn check<T>(&self, at: usize, compiled: Result<T, PlanError>) -> Result<(), ParseError> {
        compiled.map(|_| ()).map_err(|error| ParseError::at(self.text, at, error.to_string()))
    }

    /// Reads what may stand alone: a log expression or a metric expression.
    fn expression(&mut self) -> Result<Expr, ParseError> {
        self.binary(0)
    }
}

fn is_function(word: &str) -> bool {
    RangeOp::named(word).is_some()
        || VectorOp::named(word).is_some()
        || matches!(word, "label_replace" | "vector" | "ip")
}

/// The words that are never an IDENTIFIER of the grammar, as the errors tell it.
const KEYWORDS: [&str; 22] = [
    "and",
    "or",
    "unless",
    "by",
    "without",
    "bool",
    "on",
    "ignoring",
    "group_left",
    "group_right",
    "offset",
    "unwrap",
    "json",
    "logfmt",
    "pattern",
    "regexp",
    "unpack",
    "decolorize",
    "line_format",
    "label_format",
    "drop",
    "keep",
];

/// Refuses a selector that every stream could match, so that a slip does not scan everything.
fn require_narrow(parser: &Parser<'_>, selector: &Selector, at: usize) -> Result<(), ParseError> {
    let matcher = StreamMatcher::new(selector).map_err(|error| ParseError::at(parser.text, at, error.to_string()))?;
    if matcher.matches_empty_everywhere() {
        // The words that the documentation lists among what clients are told.
        return Err(ParseError::whole(
            "queries require at least one regexp or equality matcher that does not have an empty-compatible value. For \
             instance, app=~\".*\" does not meet this requirement, but app=~\".+\" will",
        ));
    }
    Ok(())
}
