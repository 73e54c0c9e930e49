//! From text to tokens, each with its place. It never fails late: what it gives out is well-formed.

use std::fmt;

use crate::duration::{Nanoseconds, byte_size, nanoseconds};
use crate::error::ParseError;

/// One token and the byte at which it begins.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Token {
    /// What it is.
    pub(crate) kind: TokenKind,
    /// Its first byte in the text.
    pub(crate) at: usize,
}

/// What a token is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TokenKind {
    /// A word: a label, a function, a stage or a keyword; its place decides.
    Word(String),
    /// A string, its escapes resolved.
    Text(String),
    /// A number without a unit; finite.
    Number(f64),
    /// A duration.
    Duration(Nanoseconds),
    /// A size with a unit.
    Bytes(u64),
    /// An operator or a bracket.
    Sign(Sign),
    /// A flag of a stage, without its dashes: `strict` for `--strict`.
    Flag(String),
    /// The end of the text.
    End,
}

impl fmt::Display for TokenKind {
    /// Prints as it stands in error messages: in the names of the grammar that Loki's clients know. Which words are
    /// keywords is the parser's to say.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TokenKind::Word(_) => f.write_str("IDENTIFIER"),
            TokenKind::Text(_) => f.write_str("STRING"),
            TokenKind::Number(_) => f.write_str("NUMBER"),
            TokenKind::Duration(_) => f.write_str("DURATION"),
            TokenKind::Bytes(_) => f.write_str("BYTES"),
            TokenKind::Sign(sign) => f.write_str(sign.text()),
            TokenKind::Flag(flag) => write!(f, "--{flag}"),
            TokenKind::End => f.write_str("$end"),
        }
    }
}

macro_rules! signs {
    ($($name:ident $text:literal),* $(,)?) => {
        /// Operators and brackets.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Sign {
            $(#[doc = $text] $name,)*
        }

        impl Sign {
            /// All signs, longer ones before their beginnings.
            const ALL: &[(Sign, &'static str)] = &[$((Sign::$name, $text)),*];

            /// Returns the sign as it is written.
            pub(crate) fn text(self) -> &'static str {
                match self { $(Sign::$name => $text),* }
            }
        }
    };
}

signs! {
    PipeEqual "|=", PipeMatch "|~", PipePattern "|>", NotPattern "!>", EqualEqual "==", NotEqual "!=", Match "=~", NotMatch "!~", GreaterOrEqual ">=",
    LessOrEqual "<=", Pipe "|", Equal "=", Greater ">", Less "<", BraceOpen "{", BraceClose "}", ParenOpen "(",
    ParenClose ")", BracketOpen "[", BracketClose "]", Comma ",", Plus "+", Minus "-", Star "*", Slash "/",
    Percent "%", Caret "^",
}

/// Returns all tokens of `text`, [`TokenKind::End`] last.
pub(crate) fn lex(text: &str) -> Result<Vec<Token>, ParseError> {
    let mut tokens = Vec::new();
    let mut at = 0;
    loop {
        at = skip_blank(text, at);
        let (kind, end) = token(text, at)?;
        let last = kind == TokenKind::End;
        tokens.push(Token { kind, at });
        if last {
            return Ok(tokens);
        }
        at = end;
    }
}

/// Returns the next byte that is neither white space nor within a comment (`#` up to the end of its line).
fn skip_blank(text: &str, mut at: usize) -> usize {
    loop {
        let rest = &text[at..];
        at += rest.len() - rest.trim_start().len();
        if !text[at..].starts_with('#') {
            return at;
        }
        at += text[at..].find('\n').unwrap_or(text.len() - at);
    }
}

fn token(text: &str, at: usize) -> Result<(TokenKind, usize), ParseError> {
    let rest = &text[at..];
    let Some(first) = rest.chars().next() else { return Ok((TokenKind::End, at)) };
    let point_number = first == '.' && rest.as_bytes().get(1).is_some_and(u8::is_ascii_digit);
    match first {
        '"' => quoted(text, at),
        '`' => raw(text, at),
        '0'..='9' => number(text, at),
        _ if point_number => number(text, at),
        'a'..='z' | 'A'..='Z' | '_' => {
            let len = rest.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
            Ok((TokenKind::Word(rest[..len].to_owned()), at + len))
        }
        '-' if flag_len(rest) > 0 => {
            let len = flag_len(rest);
            Ok((TokenKind::Flag(rest[2..2 + len].to_owned()), at + 2 + len))
        }
        other => match Sign::ALL.iter().find(|(_, sign)| rest.starts_with(sign)) {
            Some((sign, written)) => Ok((TokenKind::Sign(*sign), at + written.len())),
            None => Err(ParseError::at(text, at, format!("syntax error: unexpected {other:?}"))),
        },
    }
}

/// Returns the length of the flag at the start of `rest`, without its dashes; 0 if there is none.
fn flag_len(rest: &str) -> usize {
    let Some(flag) = rest.strip_prefix("--").filter(|flag| flag.starts_with(|c: char| c.is_ascii_alphabetic())) else {
        return 0;
    };
    flag.bytes().take_while(|byte| byte.is_ascii_alphabetic() || *byte == b'-').count()
}

fn number(text: &str, at: usize) -> Result<(TokenKind, usize), ParseError> {
    let rest = &text[at..];
    let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | 'µ' | 'μ');
    let mut len = rest.find(|c| !part(c)).unwrap_or(rest.len());
    // A sign belongs to the number only behind an exponent's letter: 1e-3.
    let exponent = rest[..len].strip_suffix(['e', 'E']).is_some_and(|mantissa| mantissa.parse::<f64>().is_ok());
    if exponent && rest[len..].starts_with(['+', '-']) {
        let tail = &rest[len + 1..];
        len += 1 + tail.find(|c| !part(c)).unwrap_or(tail.len());
    }
    let written = &rest[..len];
    let kind = if let Some(value) = written.parse::<f64>().ok().filter(|value| value.is_finite()) {
        TokenKind::Number(value)
    } else if let Some(duration) = nanoseconds(written) {
        TokenKind::Duration(duration)
    } else if let Some(bytes) = byte_size(written) {
        TokenKind::Bytes(bytes)
    } else {
        let message = format!("syntax error: {written:?} is not a number, a duration or a size that can be used");
        return Err(ParseError::at(text, at, message));
    };
    Ok((kind, at + len))
}

fn raw(text: &str, at: usize) -> Result<(TokenKind, usize), ParseError> {
    let body = &text[at + 1..];
    let Some(len) = body.find('`') else { return Err(ParseError::at(text, at, "literal not terminated")) };
    Ok((TokenKind::Text(body[..len].to_owned()), at + len + 2))
}

/// Reads a string in double quotes, with Go's escapes.
fn quoted(text: &str, at: usize) -> Result<(TokenKind, usize), ParseError> {
    let bytes = text.as_bytes();
    let mut value: Vec<u8> = Vec::new();
    let mut next = at + 1;
    loop {
        match bytes.get(next) {
            None | Some(b'\n') => return Err(ParseError::at(text, at, "literal not terminated")),
            Some(b'"') => break,
            Some(b'\\') => {
                let Some(len) = unescape(&text[next + 1..], &mut value) else {
                    return Err(ParseError::at(text, next, "invalid char escape"));
                };
                next += 1 + len;
            }
            Some(byte) => {
                value.push(*byte);
                next += 1;
            }
        }
    }
    // Only \x and octal escapes can break UTF-8; lines are UTF-8, so such a string could never be found anyway.
    match String::from_utf8(value) {
        Ok(value) => Ok((TokenKind::Text(value), next + 1)),
        Err(_) => Err(ParseError::at(text, at, "invalid char escape: the string is not UTF-8")),
    }
}

/// Reads what follows a backslash; returns how many bytes that took.
fn unescape(rest: &str, value: &mut Vec<u8>) -> Option<usize> {
    let digits = |from: usize, len: usize, radix: u32| {
        let digits = rest.get(from..from + len)?;
        let all = digits.chars().all(|c| c.is_digit(radix));
        all.then(|| u32::from_str_radix(digits, radix).ok()).flatten()
    };
    let simple = match rest.as_bytes().first()? {
        b'a' => 7,
        b'b' => 8,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 11,
        b'\\' => b'\\',
        b'"' => b'"',
        b'x' => {
            value.push(u8::try_from(digits(1, 2, 16)?).ok()?);
            return Some(3);
        }
        b'0'..=b'7' => {
            value.push(u8::try_from(digits(0, 3, 8)?).ok()?);
            return Some(3);
        }
        letter @ (b'u' | b'U') => {
            let len = if *letter == b'u' { 4 } else { 8 };
            let c = char::from_u32(digits(1, len, 16)?)?;
            value.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            return Some(1 + len);
        }
        _ => return None,
    };
    value.push(simple);
    Some(1)
}
