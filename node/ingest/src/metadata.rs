//! The structured metadata of one record while it is gathered: canonical bytes, counted against the limits.

use logmesh_protocol::record::{metadata_pairs, put_metadata};

use crate::intake::Flaw;
use crate::labels::is_name;
use crate::level::{DETECTED_LEVEL, Level, is_level_key};
use crate::limits::Limits;

/// The metadata of one record. One is kept for a whole request and cleared for each record.
#[derive(Clone, Debug)]
pub(crate) struct Metadata {
    bytes: Vec<u8>,
    names: Vec<(u32, u32)>,
    text_bytes: usize,
    flaw: Option<Flaw>,
    /// What the first entry that holds a level says, and OpenTelemetry's number.
    level: Option<Level>,
    severity: Option<Level>,
    /// Whether the sender has detected the level itself.
    detected: bool,
    name: String,
    entries_max: usize,
    bytes_max: usize,
}

impl Metadata {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            bytes: Vec::new(),
            names: Vec::new(),
            text_bytes: 0,
            flaw: None,
            level: None,
            severity: None,
            detected: false,
            name: String::new(),
            entries_max: limits.metadata_entries_max,
            bytes_max: limits.metadata_bytes_max,
        }
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.names.clear();
        (self.text_bytes, self.flaw) = (0, None);
        (self.level, self.severity, self.detected) = (None, None, false);
    }

    /// Appends an entry. What is not a letter, a digit or `_` in its name becomes `_`, so that queries can say it. The
    /// first entry beyond a limit makes the record flawed, and nothing more is gathered.
    pub(crate) fn put(&mut self, name: &str, value: &str) {
        if is_name(name) {
            self.put_name(name, value);
        } else {
            let mut sanitised = std::mem::take(&mut self.name);
            sanitised.clear();
            put_sanitised(&mut sanitised, name);
            self.put_name(&sanitised, value);
            self.name = sanitised;
        }
    }

    /// Appends an entry whose name is known to be one.
    pub(crate) fn put_name(&mut self, name: &str, value: &str) {
        let text_bytes = self.text_bytes.saturating_add(name.len()).saturating_add(value.len());
        let flaw = if name.is_empty() {
            Some(Flaw::MetadataNameless)
        } else if self.names.len() == self.entries_max {
            Some(Flaw::MetadataEntries { max: self.entries_max })
        } else if text_bytes > self.bytes_max {
            Some(Flaw::MetadataBytes { max: self.bytes_max })
        } else {
            None
        };
        if self.flaw.is_some() || flaw.is_some() {
            self.flaw = self.flaw.take().or(flaw);
            return;
        }
        put_metadata(&mut self.bytes, name, value);
        let name_end = self.bytes.len() - value.len() - varint_bytes(value.len());
        self.names.push(((name_end - name.len()) as u32, name_end as u32));
        self.text_bytes = text_bytes;
        self.note_level(name, value);
    }

    fn note_level(&mut self, name: &str, value: &str) {
        if is_level_key(name) {
            self.level = self.level.or_else(|| Level::of_value(value.as_bytes()));
        } else if name == SEVERITY_NUMBER {
            self.severity = self.severity.or_else(|| Level::of_severity_number(value));
        } else if name == DETECTED_LEVEL {
            self.detected = true;
        }
    }

    /// Returns the level that the entries tell.
    pub(crate) fn level(&self) -> Option<Level> {
        self.level.or(self.severity)
    }

    /// Tells whether the sender has detected the level itself.
    pub(crate) fn has_detected_level(&self) -> bool {
        self.detected
    }

    /// Appends all entries of `shared`; one whose name is taken gets the prefix that `prefix` has for its place.
    pub(crate) fn put_shared(&mut self, shared: &Metadata, prefix: impl Fn(usize) -> &'static str) {
        let clash = shared.names().any(|name| self.has(name));
        let entries = self.names.len() + shared.names.len();
        if !clash && entries <= self.entries_max && self.text_bytes + shared.text_bytes <= self.bytes_max {
            let offset = self.bytes.len() as u32;
            self.bytes.extend_from_slice(&shared.bytes);
            self.names.extend(shared.names.iter().map(|(from, to)| (from + offset, to + offset)));
            self.text_bytes += shared.text_bytes;
            self.level = self.level.or(shared.level);
            self.severity = self.severity.or(shared.severity);
            self.detected |= shared.detected;
            return;
        }
        for (at, (name, value)) in metadata_pairs(&shared.bytes).into_iter().enumerate() {
            if self.has(name.as_bytes()) {
                self.put(&format!("{}{name}", prefix(at)), value);
            } else {
                self.put(name, value);
            }
        }
    }

    /// Returns how many entries there are.
    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }

    fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.names.iter().map(|(from, to)| &self.bytes[*from as usize..*to as usize])
    }

    /// Tells whether there is an entry of this name.
    fn has(&self, name: &[u8]) -> bool {
        self.names().any(|other| other == name)
    }

    /// Returns the canonical metadata bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns why the record cannot be kept, if it cannot.
    pub(crate) fn flaw(&self) -> Option<&Flaw> {
        self.flaw.as_ref()
    }
}

/// OpenTelemetry's number of a record's severity.
const SEVERITY_NUMBER: &str = "severity_number";

/// Returns `name` with `_` for all that a name cannot have, and `key_` before a digit.
pub(crate) fn sanitised(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    put_sanitised(&mut out, name);
    out
}

fn put_sanitised(out: &mut String, name: &str) {
    if name.starts_with(|first: char| first.is_ascii_digit()) {
        out.push_str("key_");
    }
    out.extend(name.chars().map(|character| if character.is_ascii_alphanumeric() { character } else { '_' }));
}

fn varint_bytes(length: usize) -> usize {
    (usize::BITS - (length | 1).leading_zeros()).div_ceil(7) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

    use super::*;

    #[test]
    fn names_become_such_that_queries_can_say() {
        for (name, wanted) in [("a.b", "a_b"), ("_x", "_x"), ("9a", "key_9a"), ("ä-1", "__1"), ("http.url", "http_url")]
        {
            let mut metadata = Metadata::new(&Limits::default());
            metadata.put(name, "v");
            assert_eq!(metadata_pairs(metadata.bytes()), [(wanted, "v")]);
        }
    }

    #[test]
    fn the_limits_hold_exactly() {
        let limits = Limits { metadata_entries_max: 2, metadata_bytes_max: 10, ..Limits::default() };
        let check = |entries: &[(&str, &str)], wanted: Option<Flaw>| {
            let mut metadata = Metadata::new(&limits);
            entries.iter().for_each(|(name, value)| metadata.put(name, value));
            assert_eq!(metadata.flaw(), wanted.as_ref(), "{entries:?}");
        };
        check(&[("a", "1"), ("b", "2")], None);
        check(&[("a", "1"), ("b", "2"), ("c", "3")], Some(Flaw::MetadataEntries { max: 2 }));
        check(&[("a", "123456789")], None);
        check(&[("a", "1234567890"), ("b", "")], Some(Flaw::MetadataBytes { max: 10 }));
        check(&[("", "1")], Some(Flaw::MetadataNameless));
    }

    proptest! {
        #[test]
        fn what_was_put_is_there(entries: Vec<(String, String)>, long in 0usize..40_000) {
            let limits = Limits { metadata_entries_max: 1000, ..Limits::default() };
            let mut metadata = Metadata::new(&limits);
            metadata.put("long", &"x".repeat(long));
            entries.iter().filter(|(name, _)| !name.is_empty()).for_each(|(name, value)| metadata.put(name, value));
            if metadata.flaw().is_none() {
                let names: Vec<&str> = metadata_pairs(metadata.bytes()).into_iter().map(|(name, _)| name).collect();
                prop_assert!(names.iter().all(|name| metadata.has(name.as_bytes())));
                prop_assert_eq!(names.len(), 1 + entries.iter().filter(|(name, _)| !name.is_empty()).count());
                prop_assert!(!metadata.has(b"nobody-put-this"));
            }
        }
    }
}
