//! Reads a JSON line once, from left to right, and offers each scalar under its flattened name. Nothing is built: a value
//! that nobody wants is only stepped over. Arrays are stepped over too, as LogQL has it.
//!
//! The whole object is checked even where all wanted fields are found early: whether a line has an error must not depend
//! on which labels a query asks for. What follows the object is not looked at.

mod pick;
mod text;

use thiserror::Error;

use super::labels::{FieldSink, TooManyFields};
pub(super) use pick::{Place, push_value};
pub(crate) use text::push_sanitized;
pub(super) use text::sanitized_len;
use text::{escape_len, quote_or_backslash, unescape};

/// What is wrong with a line, in the words that Loki's clients know. None tells a place: it stands in a label, and lines
/// with the same flaw should not become a stream each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum JsonFlaw {
    /// The line is no object, or an object in it does not go on or end as one.
    #[error("Value looks like object, but can't find closing '}}' symbol")]
    Object,
    /// An array does not go on or end as one.
    #[error("Value is array, but can't find closing ']' symbol")]
    Array,
    /// A string does not end.
    #[error("Value is string, but can't find closing '\"' symbol")]
    Text,
    /// A string has an escape that JSON does not know.
    #[error("Encountered an invalid escape sequence in a string")]
    Escape,
    /// There is no colon behind a key, or the line ends where a key or a value should be.
    #[error("Malformed JSON error")]
    Malformed,
    /// A value is none.
    #[error("Unknown value type")]
    Value,
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
    shape: Shape,
}

impl JsonScanner {
    /// Offers every scalar of the object `line` to `sink`. What was offered before a flaw was found stays taken.
    pub(crate) fn scan(&mut self, line: &[u8], sink: &mut impl FieldSink) -> Result<(), JsonFlaw> {
        self.name.clear();
        let mut scan = Scan { line, at: 0, depth: 0, scratch: self, sink };
        scan.skip_blank();
        if scan.peek() != Some(b'{') {
            return Err(JsonFlaw::Object);
        }
        // What follows the object is not looked at: a line may go on in other words, or with another object.
        scan.object(true)
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

    fn skip_blank(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8, otherwise: JsonFlaw) -> Result<(), JsonFlaw> {
        if self.peek() != Some(byte) {
            return Err(otherwise);
        }
        self.at += 1;
        Ok(())
    }

    /// Steps over a closing brace or bracket.
    fn leave(&mut self) {
        self.at += 1;
        self.depth -= 1;
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
            self.leave();
            return Ok(());
        }
        for number in 0.. {
            self.skip_blank();
            let key = self.key(number)?;
            self.skip_blank();
            let offered = offered && self.is_worth_a_name(key, prefix)?;
            if offered {
                self.push_key(key.raw, prefix);
            }
            let begins = self.peek();
            self.value(offered).map_err(|flaw| self.at_end(flaw, begins))?;
            self.scratch.name.truncate(prefix);
            self.skip_blank();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.leave();
                    return Ok(());
                }
                _ => return Err(JsonFlaw::Object),
            }
        }
        unreachable!("the loop returns")
    }

    /// Reads a key and the colon behind it. `number`: the place of the field in its object. The keys of the outermost one mostly
    /// follow each other as in the line before, and what is the same bytes reads the same.
    fn key(&mut self, number: usize) -> Result<Key, JsonFlaw> {
        let start = self.at;
        if self.depth == 1
            && let Some(known) = self.scratch.shape.known(number)
            && self.line[start..].starts_with(&known.text)
        {
            self.at += known.text.len();
            let raw = Raw { start: start + 1, end: self.at - 2, escaped: false };
            return Ok(Key { raw, name_len: known.name_len });
        }
        let raw = self.string().map_err(|flaw| self.at_end(flaw, None))?;
        self.skip_blank();
        self.expect(b':', JsonFlaw::Malformed)?;
        let name_len = sanitized_len(&self.line[raw.start..raw.end]).filter(|_| !raw.escaped);
        if self.depth == 1 && self.at == raw.end + 2 && !raw.escaped {
            self.scratch.shape.remember(number, &self.line[start..self.at], name_len);
        }
        Ok(Key { raw, name_len })
    }

    /// Returns the flaw of a field that begins with `begins`: where the line ends within it, the outermost value is what
    /// does not end.
    fn at_end(&self, flaw: JsonFlaw, begins: Option<u8>) -> JsonFlaw {
        match begins {
            _ if self.at < self.line.len() => flaw,
            Some(b'{') => JsonFlaw::Object,
            Some(b'[') => JsonFlaw::Array,
            Some(_) => flaw,
            None => JsonFlaw::Malformed,
        }
    }

    fn array(&mut self) -> Result<(), JsonFlaw> {
        self.enter()?;
        self.skip_blank();
        if self.peek() == Some(b']') {
            self.leave();
            return Ok(());
        }
        loop {
            self.skip_blank();
            self.value(false)?;
            self.skip_blank();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.leave();
                    return Ok(());
                }
                _ => return Err(JsonFlaw::Array),
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
            _ => Err(JsonFlaw::Value),
        }
    }

    fn word(&mut self, word: &str, offered: bool, value: &str) -> Result<(), JsonFlaw> {
        if !self.line[self.at..].starts_with(word.as_bytes()) {
            return Err(JsonFlaw::Value);
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

    #[inline]
    fn digits(&mut self) -> Result<(), JsonFlaw> {
        let rest = &self.line[self.at..];
        let len = rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
        self.at += len;
        if len == 0 { Err(JsonFlaw::Value) } else { Ok(()) }
    }

    /// Steps over a string, the quote being next, and returns where its content lies.
    fn string(&mut self) -> Result<Raw, JsonFlaw> {
        self.expect(b'"', JsonFlaw::Object)?;
        let start = self.at;
        let mut escaped = false;
        loop {
            let Some(len) = quote_or_backslash(&self.line[self.at..]) else {
                self.at = self.line.len();
                return Err(JsonFlaw::Text);
            };
            self.at += len;
            if self.line[self.at] == b'"' {
                self.at += 1;
                return Ok(Raw { start, end: self.at - 1, escaped });
            }
            escaped = true;
            let escape_len = escape_len(&self.line[self.at..]).ok_or(JsonFlaw::Escape)?;
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

    /// Tells whether the value that comes next could be wanted, so that its name is worth making.
    fn is_worth_a_name(&mut self, key: Key, prefix: usize) -> Result<bool, JsonFlaw> {
        match self.peek() {
            Some(b'{') => return Ok(true),
            Some(b'[') => return Ok(false),
            Some(_) | None => {}
        }
        let Some(len) = key.name_len else { return Ok(true) };
        Ok(!self.sink.rules_out(if prefix == 0 { len } else { prefix + 1 + len })?)
    }

    /// Puts a key behind the name so far, made fit for a label.
    fn push_key(&mut self, key: Raw, prefix: usize) {
        let content = &self.line[key.start..key.end];
        let JsonScanner { name, unescaped, .. } = &mut *self.scratch;
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

/// A key that was read.
#[derive(Clone, Copy, Debug)]
struct Key {
    raw: Raw,
    /// How long it is as a label's name (see [`sanitized_len`]).
    name_len: Option<usize>,
}

/// The keys of the outermost object, as the lines before had them, by place.
#[derive(Clone, Debug, Default)]
struct Shape(Vec<KnownKey>);

#[derive(Clone, Debug, Default)]
struct KnownKey {
    /// The key with its quotes and the colon, nothing between them; empty if there was none like that.
    text: Vec<u8>,
    name_len: Option<usize>,
}

impl Shape {
    fn known(&self, number: usize) -> Option<&KnownKey> {
        self.0.get(number).filter(|known| !known.text.is_empty())
    }

    fn remember(&mut self, number: usize, text: &[u8], name_len: Option<usize>) {
        if number >= SHAPE_KEYS_MAX || text.len() > SHAPE_KEY_BYTES_MAX {
            return;
        }
        if number >= self.0.len() {
            self.0.resize_with(number + 1, KnownKey::default);
        }
        let known = &mut self.0[number];
        known.text.clear();
        known.text.extend_from_slice(text);
        known.name_len = name_len;
    }
}

/// How many keys a shape remembers, and how long they may be; others are read anew in each line.
const SHAPE_KEYS_MAX: usize = 64;
const SHAPE_KEY_BYTES_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::collection::{btree_map, vec};
    use proptest::prelude::{Just, Strategy, any, prop_assert_eq, prop_oneof, proptest};
    use serde_json::Value;

    use super::*;

    /// Takes every field; of equal names the first.
    #[derive(Default)]
    struct Taken(BTreeMap<String, String>);

    impl FieldSink for Taken {
        fn wants(&mut self, name: &str) -> Result<bool, TooManyFields> {
            Ok(!self.0.contains_key(name))
        }

        fn rules_out(&mut self, _: usize) -> Result<bool, TooManyFields> {
            Ok(false)
        }

        fn take(&mut self, name: &str, value: &str) {
            self.0.insert(name.to_owned(), value.to_owned());
        }
    }

    fn scan(line: &[u8]) -> Result<BTreeMap<String, String>, JsonFlaw> {
        let mut taken = Taken::default();
        JsonScanner::default().scan(line, &mut taken).map(|()| taken.0)
    }

    /// Says the same by way of a whole tree. The keys are plain, so that no two flatten alike.
    fn flatten(prefix: &str, value: &Value, into: &mut BTreeMap<String, String>) {
        let text = match value {
            Value::Null => String::new(),
            Value::Bool(flag) => flag.to_string(),
            Value::Number(number) => number.to_string(),
            Value::String(text) => text.clone(),
            Value::Array(_) => return,
            Value::Object(fields) => {
                for (key, value) in fields {
                    let name = if prefix.is_empty() { key.clone() } else { format!("{prefix}_{key}") };
                    flatten(&name, value, into);
                }
                return;
            }
        };
        into.insert(prefix.to_owned(), text);
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "\\PC{0,12}".prop_map(Value::from),
            "[\"\\\\/\n\r\t\u{8}\u{c}a-c]{0,50}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![vec(inner.clone(), 0..4).prop_map(Value::from), object(inner)]
        })
    }

    fn object(inner: impl Strategy<Value = Value> + 'static) -> impl Strategy<Value = Value> {
        btree_map("[a-z]{1,3}", inner, 0..4).prop_map(|fields| Value::Object(fields.into_iter().collect()))
    }

    proptest! {
        #[test]
        fn what_is_found_is_what_a_whole_parser_finds(value in object(value()), pretty: bool) {
            let line = if pretty { format!(" {value:#} ") } else { value.to_string() };
            let mut wanted = BTreeMap::new();
            flatten("", &value, &mut wanted);
            prop_assert_eq!(scan(line.as_bytes()), Ok(wanted), "{}", line);
        }

        #[test]
        fn the_lines_before_do_not_show(lines in vec(prop_oneof![
            object(value()).prop_map(|value| value.to_string()),
            "(\\{|\\[)?(\"[ab\\\\]{0,2}\" ?: ?[1\"{},]{0,3},? ?){0,4}(\\}|\\])?",
        ], 1..6)) {
            let mut scanner = JsonScanner::default();
            for line in &lines {
                let mut taken = Taken::default();
                let found = scanner.scan(line.as_bytes(), &mut taken);
                let mut alone = Taken::default();
                prop_assert_eq!(found, JsonScanner::default().scan(line.as_bytes(), &mut alone), "{}", line);
                prop_assert_eq!(taken.0, alone.0, "{}", line);
            }
        }

        #[test]
        fn what_is_no_json_for_a_whole_parser_is_none_here(noise in "[{}\\[\\]:,\"a1 .eE+\\-\\\\nu0trlsf]{0,16}", wrapped: bool) {
            let line = if wrapped { format!("{{\"a\":{noise}}}") } else { noise };
            // What follows the first value is not looked at.
            match serde_json::Deserializer::from_str(&line).into_iter::<Value>().next() {
                Some(Ok(value)) => prop_assert_eq!(scan(line.as_bytes()).is_ok(), value.is_object(), "{}", line),
                // Numbers stay text here, so none is too large.
                Some(Err(error)) if error.to_string().contains("out of range") => {}
                Some(Err(_)) | None => prop_assert_eq!(scan(line.as_bytes()).is_ok(), false, "{}", line),
            }
        }

        #[test]
        fn noise_does_no_harm(bytes: Vec<u8>) {
            let _ = scan(&bytes);
            let _ = scan(&[b"{\"a\":\"", &*bytes, b"\"}"].concat());
            for strict in [false, true] {
                let _ = super::super::logfmt::scan(&bytes, strict, |_, value| {
                    value.push_to(&mut String::new());
                    Ok(())
                });
            }
        }

        #[test]
        fn a_quote_or_backslash_is_found_wherever_it_is(before in "[ -!#-\\[\\]-~é\u{1}]{0,80}", after in ".{0,20}", quote: bool) {
            let line = format!("{before}{}{after}", if quote { '"' } else { '\\' });
            prop_assert_eq!(quote_or_backslash(line.as_bytes()), Some(before.len()));
            prop_assert_eq!(quote_or_backslash(before.as_bytes()), None);
        }
    }
}
