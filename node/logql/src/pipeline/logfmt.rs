//! Reads a logfmt line: `key=value key="quoted value" …`. What is no such pair is stepped over, or is an error for who is
//! strict.

use thiserror::Error;

use super::labels::TooManyFields;

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum LogfmtFlaw {
    /// A byte where a key, a value or their end should be; the position counts from 1.
    #[error("logfmt syntax error at pos {0} : unexpected '{1}'")]
    Unexpected(usize, char),
    /// A quote that is not closed.
    #[error("logfmt syntax error at pos {0} : unterminated quoted value")]
    Unterminated(usize),
    /// A quoted value with an escape that is none.
    #[error("logfmt syntax error at pos {0} : invalid quoted value")]
    Escape(usize),
    /// More fields than a line may give.
    #[error("{0}")]
    Fields(TooManyFields),
}

impl From<TooManyFields> for LogfmtFlaw {
    fn from(many: TooManyFields) -> Self {
        LogfmtFlaw::Fields(many)
    }
}

/// A value as it stands in the line, without its quotes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LogfmtValue<'l> {
    content: &'l [u8],
    escaped: bool,
}

impl LogfmtValue<'_> {
    const EMPTY: LogfmtValue<'static> = LogfmtValue { content: b"", escaped: false };

    /// Appends the value with its escapes resolved.
    pub(crate) fn push_to(&self, out: &mut String) {
        let text = String::from_utf8_lossy(self.content);
        if self.escaped { unquote(&text, out) } else { out.push_str(&text) }
    }

    /// Tells whether there is no value.
    pub(crate) fn is_empty(&self) -> bool {
        self.content.is_empty()
    }

    /// Tells whether all escapes are such, and with them no control character stands bare.
    fn is_sound(&self) -> bool {
        if !self.escaped {
            return true;
        }
        let mut rest = self.content;
        loop {
            rest = match rest {
                [] => return true,
                [b'\\', b'"' | b'\\' | b'/' | b'\'' | b'b' | b'f' | b'n' | b'r' | b't', rest @ ..] => rest,
                [b'\\', b'u', a, b, c, d, rest @ ..] if [a, b, c, d].into_iter().all(u8::is_ascii_hexdigit) => rest,
                [b'\\' | 0..=0x1f, ..] => return false,
                [_, rest @ ..] => rest,
            };
        }
    }
}

/// Gives every pair of `line` to `each`, keys without a value too. A `strict` scan ends at the first malformed pair.
pub(crate) fn scan<'l>(
    line: &'l [u8],
    strict: bool,
    mut each: impl FnMut(&'l [u8], LogfmtValue<'l>) -> Result<(), TooManyFields>,
) -> Result<(), LogfmtFlaw> {
    let mut at = 0;
    while at < line.len() {
        if line[at] <= b' ' {
            at += 1;
            continue;
        }
        let key = word(line, at);
        at += key.len();
        let scanned = match line.get(at) {
            Some(b'=') if !key.is_empty() => value(line, at + 1),
            Some(byte @ (b'=' | b'"')) => Err((unexpected(at, *byte), skip_broken(line, at))),
            Some(_) | None => Ok((LogfmtValue::EMPTY, at)),
        };
        match scanned {
            Ok((value, end)) if strict && !value.is_sound() => return Err(LogfmtFlaw::Escape(end + 1)),
            Ok((value, end)) => {
                at = end;
                each(key, value)?;
            }
            Err((flaw, _)) if strict => return Err(flaw),
            Err((_, end)) => at = end,
        }
    }
    Ok(())
}

/// Returns the bytes at `at` that may be a key or a bare value.
fn word(line: &[u8], at: usize) -> &[u8] {
    let len = line[at..].iter().take_while(|byte| !matches!(byte, 0..=b' ' | b'=' | b'"')).count();
    &line[at..at + len]
}

type Scanned<'l> = Result<(LogfmtValue<'l>, usize), (LogfmtFlaw, usize)>;

/// Reads the value at `at`. Returns also where to go on.
fn value(line: &[u8], at: usize) -> Scanned<'_> {
    if line.get(at) == Some(&b'"') {
        return quoted(line, at);
    }
    let content = word(line, at);
    let end = at + content.len();
    match line.get(end) {
        Some(byte @ (b'=' | b'"')) => Err((unexpected(end, *byte), skip_broken(line, end))),
        Some(_) | None => Ok((LogfmtValue { content, escaped: false }, end)),
    }
}

fn quoted(line: &[u8], at: usize) -> Scanned<'_> {
    let mut end = at + 1;
    let mut escaped = false;
    while let Some(byte) = line.get(end) {
        match byte {
            b'"' => return Ok((LogfmtValue { content: &line[at + 1..end], escaped }, end + 1)),
            b'\\' => {
                escaped = true;
                end += 2;
            }
            _ => end += 1,
        }
    }
    Err((LogfmtFlaw::Unterminated(line.len() + 1), line.len()))
}

fn unexpected(at: usize, byte: u8) -> LogfmtFlaw {
    LogfmtFlaw::Unexpected(at + 1, char::from(byte))
}

/// Returns the end of the word at `at`, where the next pair may begin.
fn skip_broken(line: &[u8], at: usize) -> usize {
    line[at..].iter().position(|byte| *byte <= b' ').map_or(line.len(), |len| at + len)
}

/// Appends a quoted value with its escapes resolved, those of JSON; an escape that is none stands for itself.
fn unquote(text: &str, out: &mut String) {
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let Some(escape) = rest.chars().next() else {
            out.push('\\');
            return;
        };
        rest = &rest[escape.len_utf8()..];
        match escape {
            'n' => out.push('\n'),
            'r' => out.push('\r'),
            't' => out.push('\t'),
            'b' => out.push('\u{8}'),
            'f' => out.push('\u{c}'),
            '"' | '\\' | '/' | '\'' => out.push(escape),
            'u' => match unicode_escape(rest) {
                Some((c, len)) => {
                    out.push(c);
                    rest = &rest[len..];
                }
                None => out.push_str("\\u"),
            },
            other => out.extend(['\\', other]),
        }
    }
    out.push_str(rest);
}

/// Reads what follows `\u`: four digits, or eight over two escapes where they are a surrogate pair. Returns the character
/// and how many bytes it took.
fn unicode_escape(rest: &str) -> Option<(char, usize)> {
    let unit = |from: usize| {
        let digits = rest.get(from..from + 4).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
        u32::from_str_radix(digits, 16).ok()
    };
    let first = unit(0)?;
    let second = if rest.get(4..6) == Some("\\u") { unit(6) } else { None };
    if let (0xD800..=0xDBFF, Some(second @ 0xDC00..=0xDFFF)) = (first, second) {
        return char::from_u32(0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00)).map(|c| (c, 10));
    }
    Some((char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER), 4))
}
