//! Reads JSON (RFC 8259) value by value, borrowing from the body.
//!
//! A parser that builds a tree or recurses would let a small body fill memory or the stack; here the caller says what it
//! wants next and the rest is skipped, by counting brackets. What is skipped is checked no further than that. Raw control
//! characters within strings are let pass, as many shippers write them.

use std::borrow::Cow;

use memchr::{memchr, memchr2};
use thiserror::Error;

use crate::wire::text;

/// A place within a JSON text. A copy of it reads the same again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Json<'a> {
    input: &'a [u8],
    /// The input as text, where all of it is: checking it once as a whole is cheaper than string by string.
    text: Option<&'a str>,
    at: usize,
}

impl<'a> Json<'a> {
    pub(crate) fn new(input: &'a [u8]) -> Self {
        // RFC 8259, section 8.1: a byte order mark may be ignored.
        let text = std::str::from_utf8(input).ok();
        Self { input, text, at: if input.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 } }
    }

    /// Returns the first byte of what comes next, white space skipped.
    #[inline]
    pub(crate) fn peek(&mut self) -> Option<u8> {
        while let Some(byte) = self.input.get(self.at) {
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(*byte);
            }
            self.at += 1;
        }
        None
    }

    /// Takes `byte`, which must come next.
    #[inline]
    pub(crate) fn take(&mut self, byte: u8, wanted: &'static str) -> Result<(), JsonError> {
        if self.peek() != Some(byte) {
            return Err(self.error(wanted));
        }
        self.at += 1;
        Ok(())
    }

    /// Checks that nothing follows.
    pub(crate) fn end(&mut self) -> Result<(), JsonError> {
        if self.peek().is_none() { Ok(()) } else { Err(self.error("the end")) }
    }

    /// Steps to the next element of an array whose `[` was taken; returns whether there is one, else `]` was taken.
    pub(crate) fn next_element(&mut self, first: &mut bool) -> Result<bool, JsonError> {
        self.step(first, b']', "\",\" or \"]\"")
    }

    /// Takes the next key of an object whose `{` was taken, or its `}`.
    #[inline]
    pub(crate) fn next_key(&mut self, first: &mut bool) -> Result<Option<Cow<'a, str>>, JsonError> {
        if !self.step(first, b'}', "\",\" or \"}\"")? {
            return Ok(None);
        }
        let key = self.string("a key")?;
        self.take(b':', "\":\"")?;
        Ok(Some(key))
    }

    #[inline]
    fn step(&mut self, first: &mut bool, close: u8, wanted: &'static str) -> Result<bool, JsonError> {
        match self.peek() {
            Some(byte) if byte == close => {
                self.at += 1;
                Ok(false)
            }
            Some(b',') if !*first => {
                self.at += 1;
                if self.peek() == Some(close) { Err(self.error("a value")) } else { Ok(true) }
            }
            Some(_) if std::mem::take(first) => Ok(true),
            _ => Err(self.error(wanted)),
        }
    }

    /// Takes `null` if it comes next.
    pub(crate) fn take_null(&mut self) -> Result<bool, JsonError> {
        if self.peek() != Some(b'n') {
            return Ok(false);
        }
        if self.bare()? == b"null" { Ok(true) } else { Err(self.error("null")) }
    }

    /// Takes a string.
    #[inline]
    pub(crate) fn string(&mut self, wanted: &'static str) -> Result<Cow<'a, str>, JsonError> {
        if let Some(plain) = self.plain() {
            return Ok(Cow::Borrowed(plain));
        }
        // Where one escape is there are others, mostly in a line.
        let mut out = String::with_capacity(ESCAPED_BYTES);
        self.take(b'"', wanted)?;
        self.unescape(&mut out)?;
        Ok(Cow::Owned(out))
    }

    /// Takes a string; one with escapes is written into `scratch`, so that a long run of them allocates nothing.
    #[inline]
    pub(crate) fn string_in<'s>(&mut self, scratch: &'s mut String, wanted: &'static str) -> Result<&'s str, JsonError>
    where
        'a: 's,
    {
        if let Some(plain) = self.plain() {
            return Ok(plain);
        }
        scratch.clear();
        self.take(b'"', wanted)?;
        self.unescape(scratch)?;
        Ok(scratch)
    }

    /// Takes a string that stands in the input as it is: no escapes, all UTF-8. Takes nothing otherwise. (A `Result` here
    /// would go through memory, which cost a quarter of all OTLP decoding.)
    #[inline]
    fn plain(&mut self) -> Option<&'a str> {
        if self.peek() != Some(b'"') {
            return None;
        }
        let start = self.at + 1;
        let end = start + quote_or_escape(self.input.get(start..)?)?;
        if self.input[end] != b'"' {
            return None;
        }
        let plain = self.text?.get(start..end)?;
        self.at = end + 1;
        Some(plain)
    }

    /// Appends the string whose opening quote was taken.
    fn unescape(&mut self, out: &mut String) -> Result<(), JsonError> {
        loop {
            let start = self.at;
            let end = start + quote_or_escape(&self.input[start..]).ok_or_else(|| self.error("the end of a string"))?;
            // A backslash is never part of a longer character, so each run can be checked alone.
            out.push_str(&self.piece(start, end));
            self.at = end + 1;
            if self.input[end] == b'"' {
                return Ok(());
            }
            self.escape(out)?;
        }
    }

    fn piece(&self, start: usize, end: usize) -> Cow<'a, str> {
        match self.text.and_then(|text| text.get(start..end)) {
            Some(piece) => Cow::Borrowed(piece),
            None => text(&self.input[start..end]),
        }
    }

    fn escape(&mut self, out: &mut String) -> Result<(), JsonError> {
        let letter = self.input.get(self.at).copied();
        let character = match letter {
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'n') => '\n',
            Some(b't') => '\t',
            Some(b'r') => '\r',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'u') => return self.escape_code(out),
            _ => return Err(self.error("an escape")),
        };
        self.at += 1;
        out.push(character);
        Ok(())
    }

    /// Reads `uXXXX`, or two of them that make a surrogate pair; a lone surrogate becomes U+FFFD.
    fn escape_code(&mut self, out: &mut String) -> Result<(), JsonError> {
        let mut code = self.code_unit(self.at + 1)?;
        self.at += 5;
        if (0xd800..0xdc00).contains(&code) && self.input[self.at..].starts_with(b"\\u") {
            let low = self.code_unit(self.at + 2)?;
            if (0xdc00..0xe000).contains(&low) {
                self.at += 6;
                code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
            }
        }
        out.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
        Ok(())
    }

    fn code_unit(&self, at: usize) -> Result<u32, JsonError> {
        let digits = self.input.get(at..at + 4).ok_or_else(|| self.error("four hex digits"))?;
        digits.iter().try_fold(0, |code, digit| {
            let digit = char::from(*digit).to_digit(16).ok_or_else(|| self.error("four hex digits"))?;
            Ok(code << 4 | digit)
        })
    }

    /// Takes a number, `true`, `false` or `null`, and returns its text; its spelling is checked by whoever reads it.
    pub(crate) fn bare(&mut self) -> Result<&'a [u8], JsonError> {
        self.peek();
        let rest = &self.input[self.at..];
        let length =
            rest.iter().take_while(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'z' | b'E' | b'+' | b'-' | b'.'));
        let length = length.count();
        if length == 0 {
            return Err(self.error("a value"));
        }
        self.at += length;
        Ok(&rest[..length])
    }

    /// Skips one value of any kind, of any depth, without recursion.
    pub(crate) fn skip_value(&mut self) -> Result<(), JsonError> {
        let mut depth = 0usize;
        loop {
            match self.peek() {
                Some(b'{' | b'[') => {
                    depth += 1;
                    self.at += 1;
                }
                Some(b'}' | b']') if depth > 0 => {
                    depth -= 1;
                    self.at += 1;
                }
                Some(b',' | b':') if depth > 0 => self.at += 1,
                Some(b'"') => self.skip_string()?,
                _ => {
                    self.bare()?;
                }
            }
            if depth == 0 {
                return Ok(());
            }
        }
    }

    fn skip_string(&mut self) -> Result<(), JsonError> {
        self.at += 1;
        loop {
            let rest = &self.input[self.at..];
            let end = memchr(b'"', rest).ok_or_else(|| self.error("the end of a string"))?;
            let backslashes = rest[..end].iter().rev().take_while(|byte| **byte == b'\\').count();
            self.at += end + 1;
            if backslashes % 2 == 0 {
                return Ok(());
            }
        }
    }

    /// Returns the bytes from here to where `later`, a copy that has read on, stands.
    pub(crate) fn until(&self, later: &Json<'a>) -> &'a [u8] {
        self.input.get(self.at..later.at).unwrap_or_default()
    }

    /// Returns the error that `wanted` was not found here.
    pub(crate) fn error(&self, wanted: &'static str) -> JsonError {
        JsonError { at: self.at, wanted }
    }
}

/// Returns where the first quote or backslash of `rest` is. Keys and the pieces between escapes are short, and for those
/// eight bytes at a time are faster than a call of `memchr`.
#[inline]
fn quote_or_escape(rest: &[u8]) -> Option<usize> {
    for at in (0..SHORT_BYTES).step_by(8) {
        let Some(word) = rest.get(at..).and_then(|rest| rest.first_chunk()) else { break };
        let word = u64::from_le_bytes(*word);
        let found = zero_bytes(word ^ QUOTES) | zero_bytes(word ^ BACKSLASHES);
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize / 8);
        }
    }
    memchr2(b'"', b'\\', rest)
}

/// Sets the high bit of the lowest byte of `word` that is zero; bits above it mean nothing (Hacker's Delight, 6-1).
fn zero_bytes(word: u64) -> u64 {
    word.wrapping_sub(0x0101_0101_0101_0101) & !word & 0x8080_8080_8080_8080
}

const QUOTES: u64 = u64::from_le_bytes([b'"'; 8]);
const BACKSLASHES: u64 = u64::from_le_bytes([b'\\'; 8]);

/// What a string with escapes gets at first.
const ESCAPED_BYTES: usize = 256;

/// What is longer goes to `memchr`.
const SHORT_BYTES: usize = 32;

/// A text that is not the JSON that was wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("at byte {at}: expected {wanted}")]
pub(crate) struct JsonError {
    at: usize,
    wanted: &'static str,
}

/// Appends `text` as a JSON string, quotes included.
pub(crate) fn put_json_string(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            control @ '\0'..='\u{1f}' => out.push_str(&format!("\\u{:04x}", u32::from(control))),
            other => out.push(other),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};

    use super::*;

    fn check(input: &str, wanted: Option<&str>) {
        let mut json = Json::new(input.as_bytes());
        let read = json.string("a string").and_then(|text| json.end().map(|()| text));
        assert_eq!(read.ok().as_deref(), wanted, "{input}");
    }

    #[test]
    fn strings_are_read_as_the_rfc_says() {
        check(r#" "plain" "#, Some("plain"));
        check(r#""""#, Some(""));
        check(r#""\"\\\/\b\f\n\r\t""#, Some("\"\\/\u{8}\u{c}\n\r\t"));
        check(r#""a\u00e9\ud83d\ude00b""#, Some("aé😀b"));
        check(r#""\ud800x\udc00""#, Some("\u{fffd}x\u{fffd}"));
        check(r#""\ud800\u0041""#, Some("\u{fffd}A"));
        for bad in [r#"""#, r#""\"#, r#""\x""#, r#""\u12""#, r#""\u12g4""#, "plain", r#""a" b"#, "", r#""\ud800\u"#] {
            check(bad, None);
        }
    }

    #[test]
    fn what_is_not_utf8_is_replaced() {
        assert_eq!(Json::new(b"\"a\xffb\"").string("").unwrap(), "a\u{fffd}b");
        assert_eq!(Json::new(b"\"a\xff\\nb\"").string("").unwrap(), "a\u{fffd}\nb");
    }

    #[test]
    fn a_million_brackets_are_skipped_without_a_stack() {
        let deep = ["[".repeat(1_000_000), "]".repeat(1_000_000)].concat();
        let mut json = Json::new(deep.as_bytes());
        assert_eq!(json.skip_value(), Ok(()));
        assert_eq!(json.end(), Ok(()));
        assert!(Json::new(&deep.as_bytes()[..1_000_001]).skip_value().is_err());
    }

    #[test]
    fn commas_stand_between_elements_only() {
        for (input, wanted) in [("[]", Some(0)), ("[1]", Some(1)), ("[1, 2]", Some(2)), ("[1,]", None), ("[,1]", None)]
        {
            let mut json = Json::new(input.as_bytes());
            let (mut first, mut count) = (true, 0);
            let mut read = || {
                json.take(b'[', "")?;
                while json.next_element(&mut first)? {
                    json.skip_value()?;
                    count += 1;
                }
                Ok::<_, JsonError>(count)
            };
            assert_eq!(read().ok(), wanted, "{input}");
        }
    }

    fn value() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<String>().prop_map(Into::into),
        ];
        leaf.prop_recursive(3, 12, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
                proptest::collection::hash_map(".{0,3}", inner, 0..4)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_string_written_is_read(written: String) {
            let mut out = String::new();
            put_json_string(&mut out, &written);
            prop_assert_eq!(serde_json::from_str::<String>(&out).unwrap(), written.clone());
            prop_assert_eq!(Json::new(out.as_bytes()).string("").unwrap(), written.clone());
            let mut scratch = String::from("left over");
            prop_assert_eq!(Json::new(out.as_bytes()).string_in(&mut scratch, "").unwrap(), written);
        }

        #[test]
        fn every_value_is_skipped_whole(value in value()) {
            let text = value.to_string();
            let mut json = Json::new(text.as_bytes());
            prop_assert_eq!(json.skip_value(), Ok(()));
            prop_assert_eq!(json.end(), Ok(()));
        }

        #[test]
        fn noise_never_panics(bytes in "[\\[\\]{}\",:\\\\u0-9a ]{0,24}") {
            let _ = Json::new(bytes.as_bytes()).skip_value();
            if let Ok(text) = Json::new(bytes.as_bytes()).string("") {
                prop_assert!(text.len() <= bytes.len() * 3);
            }
        }
    }
}
