//! Patterns of texts and captures, such as `<ip> - <_> "<method> <path>"`: what `| pattern` takes labels out with, and
//! what `|>` and `!>` compare whole lines with. Matching is linear in the line.

use memchr::memmem::Finder;

use crate::error::PlanError;

/// The most bytes that a pattern may have; a longer one is refused.
const PATTERN_BYTES_MAX: usize = 16 << 10;

/// A pattern with at least one named capture.
#[derive(Clone, Debug)]
pub(crate) struct CapturePattern {
    /// The text at the start of the line.
    start: String,
    /// Each capture with the text behind it, which is empty only behind the last.
    captures: Vec<(Option<String>, Finder<'static>)>,
}

impl CapturePattern {
    /// Reads a pattern.
    pub(crate) fn new(pattern: &str) -> Result<Self, PlanError> {
        let parts = parse(pattern)?;
        let names: Vec<&str> = parts.iter().filter_map(Part::name).collect();
        if names.is_empty() {
            return Err(refused(pattern, "at least one named capture is required, such as <name>"));
        }
        if let Some(twice) = names.iter().enumerate().find(|(at, name)| names[..*at].contains(name)) {
            return Err(refused(pattern, &format!("duplicate capture name {}", twice.1)));
        }
        let mut parts = parts.into_iter().peekable();
        let start = match parts.peek() {
            Some(Part::Text(text)) => text.clone(),
            Some(Part::Capture(_)) | None => String::new(),
        };
        let mut captures: Vec<(Option<String>, Finder<'static>)> = Vec::new();
        for part in parts {
            match part {
                Part::Capture(name) => captures.push((name, Finder::new("").into_owned())),
                Part::Text(text) => {
                    if let Some(last) = captures.last_mut() {
                        last.1 = Finder::new(text.as_bytes()).into_owned();
                    }
                }
            }
        }
        Ok(Self { start, captures })
    }

    /// Offers what each named capture matches. A capture goes up to the text behind it; where that is not found it takes
    /// all that is left, and those behind it get nothing.
    pub(crate) fn captures<'l>(&self, line: &'l str, mut take: impl FnMut(&str, &'l str)) {
        let Some(mut rest) = line.strip_prefix(self.start.as_str()) else { return };
        for (name, text) in &self.captures {
            let found = if text.needle().is_empty() { None } else { text.find(rest.as_bytes()) };
            let (value, behind) = match found {
                Some(at) => (&rest[..at], Some(&rest[at + text.needle().len()..])),
                None => (rest, None),
            };
            if let Some(name) = name {
                take(name, value);
            }
            let Some(behind) = behind else { return };
            rest = behind;
        }
    }
}

/// A pattern for whole lines; each `<_>` stands for any text but an empty one.
#[derive(Clone, Debug)]
pub(crate) struct LineShape {
    start: Vec<u8>,
    /// The texts between two captures.
    middle: Vec<Finder<'static>>,
    /// The text behind the last capture; `None` if there is no capture at all.
    end: Option<Vec<u8>>,
}

impl LineShape {
    /// Reads a pattern.
    pub(crate) fn new(pattern: &str) -> Result<Self, PlanError> {
        let parts = parse(pattern)?;
        if let Some(name) = parts.iter().find_map(Part::name) {
            return Err(refused(pattern, &format!("named captures such as <{name}> are not allowed here; use <_>")));
        }
        let mut texts: Vec<Vec<u8>> = vec![Vec::new()];
        for part in parts {
            match part {
                Part::Text(text) => *texts.last_mut().expect("there is always one") = text.into_bytes(),
                Part::Capture(_) => texts.push(Vec::new()),
            }
        }
        let end = if texts.len() > 1 { texts.pop() } else { None };
        let mut texts = texts.into_iter();
        let start = texts.next().unwrap_or_default();
        Ok(Self { start, middle: texts.map(|text| Finder::new(&text).into_owned()).collect(), end })
    }

    /// Returns a text without which no line matches; empty if there is none.
    pub(crate) fn literal(&self) -> &[u8] {
        let middle = self.middle.iter().map(Finder::needle);
        let texts = middle.chain([&*self.start, self.end.as_deref().unwrap_or_default()]);
        texts.max_by_key(|text| text.len()).unwrap_or_default()
    }

    /// Tells whether the whole line has this shape.
    pub(crate) fn matches(&self, line: &[u8]) -> bool {
        let Some(end) = &self.end else { return line == self.start };
        let Some(mut rest) = line.strip_prefix(&*self.start).and_then(|rest| rest.strip_suffix(&**end)) else {
            return false;
        };
        for text in &self.middle {
            // The capture before it has at least one byte.
            let Some(at) = rest.get(1..).and_then(|rest| text.find(rest)) else { return false };
            rest = &rest[1 + at + text.needle().len()..];
        }
        !rest.is_empty()
    }
}

/// A piece of a pattern.
enum Part {
    Text(String),
    /// A capture; without a name where it stands as `<_>`.
    Capture(Option<String>),
}

impl Part {
    fn name(&self) -> Option<&str> {
        match self {
            Part::Capture(name) => name.as_deref(),
            Part::Text(_) => None,
        }
    }
}

fn parse(pattern: &str) -> Result<Vec<Part>, PlanError> {
    if pattern.len() > PATTERN_BYTES_MAX {
        return Err(refused(&pattern[..0], &format!("it is longer than {PATTERN_BYTES_MAX} bytes")));
    }
    let mut parts: Vec<Part> = Vec::new();
    let mut rest = pattern;
    while !rest.is_empty() {
        if let Some((name, behind)) = capture(rest) {
            if matches!(parts.last(), Some(Part::Capture(_))) {
                return Err(refused(
                    pattern,
                    &format!("found consecutive captures before <{name}>; put a text between"),
                ));
            }
            parts.push(Part::Capture((name != "_").then(|| name.to_owned())));
            rest = behind;
            continue;
        }
        // A bracket that begins no capture stands for itself.
        let next = rest.char_indices().skip(1).find(|(_, c)| *c == '<');
        let (text, behind) = rest.split_at(next.map_or(rest.len(), |(at, _)| at));
        match parts.last_mut() {
            Some(Part::Text(before)) => before.push_str(text),
            Some(Part::Capture(_)) | None => parts.push(Part::Text(text.to_owned())),
        }
        rest = behind;
    }
    Ok(parts)
}

/// Returns the name of the capture at the start of `rest` and what is behind it.
fn capture(rest: &str) -> Option<(&str, &str)> {
    let (name, behind) = rest.strip_prefix('<')?.split_once('>')?;
    let first = name.as_bytes().first()?;
    let word = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    (word && !first.is_ascii_digit()).then_some((name, behind))
}

fn refused(pattern: &str, reason: &str) -> PlanError {
    PlanError::Pattern { pattern: pattern.to_owned(), reason: reason.to_owned() }
}
