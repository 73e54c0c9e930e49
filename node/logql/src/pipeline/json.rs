//! Reads a JSON line once, from left to right, and offers each scalar under its flattened name. Nothing is built: a value
//! that nobody wants is only stepped over. Arrays are stepped over too, as LogQL has it.
//!
//! The whole line is checked even where all wanted fields are found early: whether a line has an error must not depend on
//! which labels a query asks for.

use memchr::memchr2;
use thiserror::Error;

use super::labels::TooManyFields;

/// Takes the fields that a parser finds.
pub(crate) trait FieldSink {
    /// Tells whether the field `name`, which comes next, is worth its value. Fails if the line has too many.
    fn wants(&mut self, name: &str) -> Result<bool, TooManyFields>;

    /// Takes a field that was wanted.
    fn take(&mut self, name: &str, value: &str);
}

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum JsonFlaw {
    /// The line is no object.
    #[error("expected a JSON object")]
    NotObject,
    /// Something else was expected here.
    #[error("malformed JSON at byte {0}")]
    Malformed(usize),
    /// Objects or arrays within each other beyond the bound.
    #[error("JSON nested deeper than {DEPTH_MAX} levels")]
    Deep,
    /// More fields than a line may give.
    #[error("{0}")]
    Fields(TooManyFields),
}

impl From<TooManyFields> for JsonFlaw {
    fn from(many: TooManyFields) -> Self {
        JsonFlaw::Fields(many)
    }
}

/// The most objects and arrays within each other.
const DEPTH_MAX: usize = 100;

/// The scratch space of the scan, used again line after line.
#[derive(Clone, Debug, Default)]
pub(crate) struct JsonScanner {
    /// The flattened name of the field at hand.
    name: String,
    /// A string with its escapes resolved.
    unescaped: String,
}

impl JsonScanner {
    /// Offers every scalar of the object `line` to `sink`. What was offered before a flaw was found stays taken.
    pub(crate) fn scan(&mut self, line: &[u8], sink: &mut impl FieldSink) -> Result<(), JsonFlaw> {
        self.name.clear();
        let mut scan = Scan { line, at: 0, depth: 0, scratch: self, sink };
        scan.skip_blank();
        if scan.peek() != Some(b'{') {
            return Err(JsonFlaw::NotObject);
        }
        scan.object(true)?;
        scan.skip_blank();
        if scan.at == line.len() { Ok(()) } else { Err(scan.malformed()) }
    }
}

struct Scan<'l, 's, S> {
    line: &'l [u8],
    at: usize,
    depth: usize,
    scratch: &'s mut JsonScanner,
    sink: &'s mut S,
}

impl<S: FieldSink> Scan<'_, '_, S> {
    fn peek(&self) -> Option<u8> {
        self.line.get(self.at).copied()
    }

    fn malformed(&self) -> JsonFlaw {
        JsonFlaw::Malformed(self.at)
    }

    fn skip_blank(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8) -> Result<(), JsonFlaw> {
        if self.peek() != Some(byte) {
            return Err(self.malformed());
        }
        self.at += 1;
        Ok(())
    }

    fn enter(&mut self) -> Result<(), JsonFlaw> {
        self.at += 1;
        self.depth += 1;
        if self.depth > DEPTH_MAX { Err(JsonFlaw::Deep) } else { Ok(()) }
    }

    /// Reads an object, the brace being next. `offered`: whether its fields are offered (not within an array).
    fn object(&mut self, offered: bool) -> Result<(), JsonFlaw> {
        self.enter()?;
        let prefix = self.scratch.name.len();
        self.skip_blank();
        if self.peek() == Some(b'}') {
            self.at += 1;
            self.depth -= 1;
            return Ok(());
        }
        loop {
            self.skip_blank();
            let key = self.string()?;
            if offered {
                self.push_key(key, prefix);
            }
            self.skip_blank();
            self.expect(b':')?;
            self.skip_blank();
            self.value(offered)?;
            self.scratch.name.truncate(prefix);
            self.skip_blank();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    self.depth -= 1;
                    return Ok(());
                }
                _ => return Err(self.malformed()),
            }
        }
    }

    fn array(&mut self) -> Result<(), JsonFlaw> {
        self.enter()?;
        self.skip_blank();
        if self.peek() == Some(b']') {
            self.at += 1;
            self.depth -= 1;
            return Ok(());
        }
        loop {
            self.skip_blank();
            self.value(false)?;
            self.skip_blank();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    self.depth -= 1;
                    return Ok(());
                }
                _ => return Err(self.malformed()),
            }
        }
    }

    fn value(&mut self, offered: bool) -> Result<(), JsonFlaw> {
        match self.peek() {
            Some(b'"') => {
                let raw = self.string()?;
                self.offer(offered, raw)
            }
            Some(b'{') => self.object(offered),
            Some(b'[') => self.array(),
            Some(b't') => self.word("true", offered, "true"),
            Some(b'f') => self.word("false", offered, "false"),
            Some(b'n') => self.word("null", offered, ""),
            Some(b'-' | b'0'..=b'9') => {
                let start = self.at;
                self.number()?;
                self.offer(offered, Raw { start, end: self.at, escaped: false })
            }
            _ => Err(self.malformed()),
        }
    }

    fn word(&mut self, word: &str, offered: bool, value: &str) -> Result<(), JsonFlaw> {
        if !self.line[self.at..].starts_with(word.as_bytes()) {
            return Err(self.malformed());
        }
        self.at += word.len();
        if offered && self.sink.wants(&self.scratch.name)? {
            self.sink.take(&self.scratch.name, value);
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), JsonFlaw> {
        self.at += usize::from(self.peek() == Some(b'-'));
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), JsonFlaw> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start { Err(self.malformed()) } else { Ok(()) }
    }

    /// Steps over a string, the quote being next, and returns where its content lies.
    fn string(&mut self) -> Result<Raw, JsonFlaw> {
        self.expect(b'"')?;
        let start = self.at;
        let mut escaped = false;
        loop {
            let Some(len) = quote_or_backslash(&self.line[self.at..]) else {
                self.at = self.line.len();
                return Err(self.malformed());
            };
            self.at += len;
            if self.line[self.at] == b'"' {
                self.at += 1;
                return Ok(Raw { start, end: self.at - 1, escaped });
            }
            escaped = true;
            let escape_len = escape_len(&self.line[self.at..]).ok_or(self.malformed())?;
            self.at += escape_len;
        }
    }

    fn offer(&mut self, offered: bool, raw: Raw) -> Result<(), JsonFlaw> {
        if !offered || !self.sink.wants(&self.scratch.name)? {
            return Ok(());
        }
        let content = &self.line[raw.start..raw.end];
        if raw.escaped {
            self.scratch.unescaped.clear();
            unescape(content, &mut self.scratch.unescaped);
            self.sink.take(&self.scratch.name, &self.scratch.unescaped);
        } else {
            self.sink.take(&self.scratch.name, &String::from_utf8_lossy(content));
        }
        Ok(())
    }

    /// Puts a key behind the name so far, made fit for a label.
    fn push_key(&mut self, key: Raw, prefix: usize) {
        let content = &self.line[key.start..key.end];
        let JsonScanner { name, unescaped } = &mut *self.scratch;
        if prefix > 0 {
            name.push('_');
        }
        if key.escaped {
            unescaped.clear();
            unescape(content, unescaped);
            push_sanitized(name, unescaped.as_bytes());
        } else {
            push_sanitized(name, content);
        }
    }
}

/// Where the content of a string or a number lies, and whether it has escapes.
#[derive(Clone, Copy, Debug)]
struct Raw {
    start: usize,
    end: usize,
    escaped: bool,
}

/// Returns the place of the first quote or backslash. Most strings are short, where calling memchr costs more than it
/// saves, so it is called for long ones only.
fn quote_or_backslash(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let Some((chunk, _)) = bytes[at..].split_first_chunk::<8>() {
        if at == 32 {
            return memchr2(b'"', b'\\', &bytes[at..]).map(|found| at + found);
        }
        let word = u64::from_le_bytes(*chunk);
        let found = zero_bytes(word ^ (ONES * b'"' as u64)) | zero_bytes(word ^ (ONES * b'\\' as u64));
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    bytes[at..].iter().position(|byte| matches!(byte, b'"' | b'\\')).map(|found| at + found)
}

/// Sets the high bit of each byte that is zero; above the lowest such byte there may be false ones. (H. S. Warren,
/// Hacker's Delight, 6-1.)
fn zero_bytes(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & (ONES << 7)
}

const ONES: u64 = 0x0101_0101_0101_0101;

/// Appends a key so that the whole is a label's name: every character that is no ASCII letter, digit or underscore
/// becomes an underscore, and a name that would begin with a digit gets one before it.
pub(super) fn push_sanitized(name: &mut String, key: &[u8]) {
    if name.is_empty() && key.first().is_some_and(u8::is_ascii_digit) {
        name.push('_');
    }
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    if key.iter().all(plain)
        && let Ok(key) = std::str::from_utf8(key)
    {
        name.push_str(key);
        return;
    }
    for byte in key {
        if byte.is_ascii_alphanumeric() || *byte == b'_' {
            name.push(char::from(*byte));
        } else if !matches!(byte, 0x80..=0xBF) {
            // One underscore a character: the bytes that continue one are left out.
            name.push('_');
        }
    }
}

/// Returns the length of the escape at the start of `rest`, if it is one.
fn escape_len(rest: &[u8]) -> Option<usize> {
    match rest.get(1)? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(2),
        b'u' => rest.get(2..6)?.iter().all(u8::is_ascii_hexdigit).then_some(6),
        _ => None,
    }
}

/// Appends `raw`, whose escapes were checked, with its escapes resolved. A lone surrogate becomes U+FFFD.
fn unescape(raw: &[u8], out: &mut String) {
    let mut rest = raw;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        out.push_str(&String::from_utf8_lossy(&rest[..at]));
        rest = &rest[at..];
        let simple = match rest.get(1) {
            Some(b'u') => {
                let (c, len) = unicode_escape(rest);
                out.push(c);
                rest = &rest[len.min(rest.len())..];
                continue;
            }
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(other) => char::from(*other),
            None => return,
        };
        out.push(simple);
        rest = &rest[2..];
    }
    out.push_str(&String::from_utf8_lossy(rest));
}

/// Reads `\uXXXX`, or two of them that are a surrogate pair; returns the character and the length.
fn unicode_escape(rest: &[u8]) -> (char, usize) {
    let unit = |at: usize| {
        let digits = rest.get(at..at + 6)?.strip_prefix(b"\\u")?;
        u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    let Some(first) = unit(0) else { return (char::REPLACEMENT_CHARACTER, 2) };
    if let (0xD800..=0xDBFF, Some(second @ 0xDC00..=0xDFFF)) = (first, unit(6)) {
        let c = 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
        return (char::from_u32(c).unwrap_or(char::REPLACEMENT_CHARACTER), 12);
    }
    (char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER), 6)
}
