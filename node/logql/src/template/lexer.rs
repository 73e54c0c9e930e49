//! Splits a template into texts and the tokens of its actions.

use super::number::{self, Number};
use super::tree::Span;

/// A token and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub(super) span: Span,
    pub(super) kind: TokenKind,
}

/// The kinds of tokens.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum TokenKind {
    /// Text between actions, trimmed.
    Text(String),
    /// `{{`
    Open,
    /// `}}`
    Close,
    /// Blanks within an action.
    Space,
    /// `|`
    Pipe,
    /// `:=`
    Declare,
    /// `=`
    Assign,
    /// `,`
    Comma,
    /// `(`
    LeftParen,
    /// `)`
    RightParen,
    /// `.`
    Dot,
    /// `.name`, without the dot.
    Field(String),
    /// `$name`, with the dollar.
    Variable(String),
    /// A word.
    Word(String),
    /// A number or a character.
    Number(Number),
    /// A quoted text.
    Quoted(String),
    /// Any other character.
    Other(char),
    /// The end of the template.
    End,
}

/// Where a template is broken, and what is wrong.
#[derive(Debug)]
pub(super) struct Broken {
    pub(super) at: usize,
    pub(super) message: String,
}

/// Splits a template.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, Broken> {
    let mut lexer = Lexer { text, at: 0, parens: 0, tokens: Vec::new() };
    lexer.run()?;
    Ok(lexer.tokens)
}

struct Lexer<'t> {
    text: &'t str,
    at: usize,
    parens: usize,
    tokens: Vec<Token>,
}

impl Lexer<'_> {
    fn run(&mut self) -> Result<(), Broken> {
        let mut trim = false;
        loop {
            let start = self.at;
            let Some(len) = self.rest().find("{{") else {
                self.at = self.text.len();
                self.text_token(start, self.at, trim, false);
                return self.finish();
            };
            let open = start + len;
            self.at = open + 2;
            let trims = self.rest().starts_with('-') && self.rest()[1..].starts_with(is_blank);
            self.text_token(start, open, trim, trims);
            self.at += if trims { 2 } else { 0 };
            if self.blanks_before("/*") {
                trim = self.comment(open)?;
                continue;
            }
            self.push(open, TokenKind::Open);
            trim = self.action()?;
        }
    }

    fn finish(&mut self) -> Result<(), Broken> {
        self.push(self.at, TokenKind::End);
        Ok(())
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn push(&mut self, start: usize, kind: TokenKind) {
        self.tokens.push(Token { span: Span { start, end: self.at }, kind });
    }

    fn broken<T>(&self, at: usize, message: impl Into<String>) -> Result<T, Broken> {
        Err(Broken { at, message: message.into() })
    }

    fn text_token(&mut self, start: usize, end: usize, trim_start: bool, trim_end: bool) {
        let mut text = &self.text[start..end];
        text = if trim_start { text.trim_start_matches(is_blank) } else { text };
        text = if trim_end { text.trim_end_matches(is_blank) } else { text };
        if !text.is_empty() {
            let kind = TokenKind::Text(text.to_owned());
            self.tokens.push(Token { span: Span { start, end }, kind });
        }
    }

    /// Tells whether `mark` comes right here. Go allows blanks before a comment only as part of a trimming brace, where
    /// one of them has been taken.
    fn blanks_before(&self, mark: &str) -> bool {
        let rest = self.rest();
        let trimming = self.text[..self.at].ends_with(is_blank);
        (if trimming { rest.trim_start_matches(is_blank) } else { rest }).starts_with(mark)
    }

    /// Steps over a comment, and tells whether what follows is to be trimmed.
    fn comment(&mut self, open: usize) -> Result<bool, Broken> {
        let Some(len) = self.rest().find("*/") else { return self.broken(open, "unclosed comment") };
        self.at += len + 2;
        match self.close_len() {
            Some((len, trims)) => {
                self.at += len;
                Ok(trims)
            }
            None => self.broken(open, "comment ends before closing delimiter"),
        }
    }

    /// Returns how long the closing braces right here are, and whether they trim.
    fn close_len(&self) -> Option<(usize, bool)> {
        let rest = self.rest();
        if rest.starts_with("}}") {
            return Some((2, false));
        }
        let trims = rest.starts_with(is_blank) && rest[1..].starts_with("-}}");
        trims.then_some((4, true))
    }

    /// Reads the tokens of an action, and tells whether what follows is to be trimmed.
    fn action(&mut self) -> Result<bool, Broken> {
        self.parens = 0;
        loop {
            if let Some((len, trims)) = self.close_len() {
                if self.parens > 0 {
                    return self.broken(self.at, "unclosed left paren");
                }
                let start = self.at;
                self.at += len;
                self.push(start, TokenKind::Close);
                return Ok(trims);
            }
            self.token()?;
        }
    }

    fn token(&mut self) -> Result<(), Broken> {
        let start = self.at;
        let Some(c) = self.rest().chars().next() else { return self.broken(start, "unclosed action") };
        let next = self.rest()[c.len_utf8()..].chars().next();
        let kind = match c {
            c if is_blank(c) => return self.space(),
            '"' => self.quoted('"')?,
            '\'' => self.quoted('\'')?,
            '`' => self.raw()?,
            '$' => TokenKind::Variable(self.word()?),
            '.' if !next.is_some_and(|c| c.is_ascii_digit()) => self.field()?,
            '.' | '+' | '-' | '0'..='9' => self.number()?,
            c if is_word(c) => TokenKind::Word(self.word()?),
            ':' if next == Some('=') => self.punctuation(2, TokenKind::Declare),
            ':' => return self.broken(start, "expected :="),
            '=' => self.punctuation(1, TokenKind::Assign),
            '|' => self.punctuation(1, TokenKind::Pipe),
            ',' => self.punctuation(1, TokenKind::Comma),
            '(' => {
                self.parens += 1;
                self.punctuation(1, TokenKind::LeftParen)
            }
            ')' if self.parens == 0 => return self.broken(start, "unexpected right paren"),
            ')' => {
                self.parens -= 1;
                self.punctuation(1, TokenKind::RightParen)
            }
            c if c.is_ascii_graphic() => self.punctuation(1, TokenKind::Other(c)),
            c => return self.broken(start, format!("unrecognized character in action: {}", code_point(c))),
        };
        self.push(start, kind);
        Ok(())
    }

    fn punctuation(&mut self, len: usize, kind: TokenKind) -> TokenKind {
        self.at += len;
        kind
    }

    /// Takes blanks, but leaves the one that belongs to trimming braces.
    fn space(&mut self) -> Result<(), Broken> {
        let start = self.at;
        while self.rest().starts_with(is_blank) && self.close_len().is_none() {
            self.at += 1;
        }
        self.push(start, TokenKind::Space);
        Ok(())
    }

    /// Takes a word with the dollar or the dot before it, if there is one.
    fn word(&mut self) -> Result<String, Broken> {
        let start = self.at;
        let head = usize::from(self.rest().starts_with(['$', '.']));
        let rest = &self.rest()[head..];
        let len = head + rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        self.at += len;
        match self.rest().chars().next() {
            Some(c) if !ends_word(c) && self.close_len().is_none() => {
                self.broken(self.at, format!("bad character {}", code_point(c)))
            }
            _ => Ok(self.text[start..self.at].to_owned()),
        }
    }

    fn field(&mut self) -> Result<TokenKind, Broken> {
        let word = self.word()?;
        Ok(if word == "." { TokenKind::Dot } else { TokenKind::Field(word[1..].to_owned()) })
    }

    fn number(&mut self) -> Result<TokenKind, Broken> {
        let rest = self.rest();
        let (mut end, mut before) = (0, ' ');
        for c in rest.chars() {
            let sign = matches!(c, '+' | '-') && (end == 0 || matches!(before, 'e' | 'E' | 'p' | 'P'));
            // In hexadecimals `e` is a digit.
            let sign = sign && (end == 0 || matches!(before, 'p' | 'P') || !is_hexadecimal(rest));
            if !(sign || c == '.' || is_word(c)) {
                break;
            }
            end += c.len_utf8();
            before = c;
        }
        let text = &rest[..end];
        match number::read(text) {
            Ok(number) => {
                self.at += end;
                Ok(TokenKind::Number(number))
            }
            Err(message) => self.broken(self.at, message),
        }
    }

    fn quoted(&mut self, quote: char) -> Result<TokenKind, Broken> {
        let start = self.at;
        let what = if quote == '"' { "quoted string" } else { "character constant" };
        let mut escaped = false;
        for (len, c) in self.rest().char_indices().skip(1) {
            match c {
                '\n' => break,
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                c if c == quote => {
                    self.at += len + 1;
                    return self.unquoted(start, quote);
                }
                _ => {}
            }
        }
        self.broken(start, format!("unterminated {what}"))
    }

    fn unquoted(&self, start: usize, quote: char) -> Result<TokenKind, Broken> {
        let Some(text) = number::unquote(&self.text[start + 1..self.at - 1], quote) else {
            let whole = &self.text[start..self.at];
            let what = if quote == '"' { "invalid syntax" } else { "malformed character constant" };
            return self.broken(start, format!("{what}: {whole}"));
        };
        if quote == '"' {
            return Ok(TokenKind::Quoted(text));
        }
        let mut chars = text.chars();
        match (chars.next(), chars.next()) {
            (Some(c), None) => Ok(TokenKind::Number(Number::Int(i64::from(u32::from(c))))),
            _ => self.broken(start, format!("malformed character constant: {}", &self.text[start..self.at])),
        }
    }

    fn raw(&mut self) -> Result<TokenKind, Broken> {
        let start = self.at;
        match self.rest()[1..].find('`') {
            Some(len) => {
                self.at += len + 2;
                Ok(TokenKind::Quoted(self.text[start + 1..start + 1 + len].replace('\r', "")))
            }
            None => self.broken(start, "unterminated raw quoted string"),
        }
    }
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

fn is_word(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

fn is_hexadecimal(text: &str) -> bool {
    let digits = text.trim_start_matches(['+', '-']);
    digits.starts_with("0x") || digits.starts_with("0X")
}

/// Tells whether a word may be followed by this.
fn ends_word(c: char) -> bool {
    is_blank(c) || matches!(c, '.' | ',' | '|' | ':' | '=' | '(' | ')')
}

/// Writes a character as messages of Go have it.
pub(super) fn code_point(c: char) -> String {
    format!("U+{:04X} '{c}'", u32::from(c))
}
