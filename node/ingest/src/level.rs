//! The level of a record, as Loki detects it: from its metadata, its stream's labels, a key of its line, or a word in it.
//!
//! Every record of every request comes by here, so this looks at the beginning of a line once, with a search for a few
//! words at a time, and allocates nothing.

use std::sync::LazyLock;

use aho_corasick::packed::{self, Searcher};
use aho_corasick::{AhoCorasick, Input, Match, MatchKind, Span};
use logmesh_protocol::record::put_metadata;

/// The metadata entry that tells the level.
pub(crate) const DETECTED_LEVEL: &str = "detected_level";
/// How much of a line is looked at. Levels stand at its beginning.
pub const LEVEL_SCAN_BYTES: usize = 256;
/// The most bytes that the entry takes, name, value and lengths.
pub(crate) const ENTRY_BYTES_MAX: usize = 32;

/// How grave a record is, in the words that Loki's documentation has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
    Critical,
    Fatal,
    Unknown,
}

impl Level {
    /// Returns the word for it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Level::Trace => "trace",
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
            Level::Critical => "critical",
            Level::Fatal => "fatal",
            Level::Unknown => "unknown",
        }
    }

    /// Reads the value of a level's label or key, in any case.
    pub(crate) fn of_value(value: &[u8]) -> Option<Self> {
        WORDS.iter().find(|(word, _)| value.eq_ignore_ascii_case(word.as_bytes())).map(|(_, level)| *level)
    }

    /// Reads OpenTelemetry's number of a severity.
    pub(crate) fn of_severity_number(number: &str) -> Option<Self> {
        match number.parse::<u8>().ok()? {
            1..=4 => Some(Level::Trace),
            5..=8 => Some(Level::Debug),
            9..=12 => Some(Level::Info),
            13..=16 => Some(Level::Warn),
            17..=20 => Some(Level::Error),
            21..=24 => Some(Level::Fatal),
            _ => None,
        }
    }

    /// Finds the level of a line: the value of its first level key, in JSON or logfmt, or else its first word that is one.
    pub(crate) fn of_line(line: &[u8]) -> Self {
        let head = &line[..line.len().min(LEVEL_SCAN_BYTES)];
        let search = Search::shared();
        let (mut word, mut from) = (None, 0);
        while let Some(found) = search.next(head, from) {
            from = found.end();
            if found.pattern().as_usize() < KEY_PATTERNS {
                if let Some(level) = key_at(line, found.start(), found.end()) {
                    return level;
                }
            } else if word.is_none() {
                word = word_at(head, found.start());
            }
        }
        word.unwrap_or(Level::Unknown)
    }

    /// Appends the metadata entry of this level.
    pub(crate) fn put(self, metadata: &mut Vec<u8>) {
        put_metadata(metadata, DETECTED_LEVEL, self.name());
    }
}

/// Tells whether a label or metadata entry of this name holds a level. Loki's default list (`log_level_fields`), in names
/// that queries can say.
pub(crate) fn is_level_key(name: &str) -> bool {
    (3..=13).contains(&name.len()) && LEVEL_KEYS.contains(&name)
}

/// Reads the value of a level key in a line, of which `line[start..end]` is a part: `"level":"warn"`, `"log.level" : "warn"`,
/// `level=warn`, `level="warn"`.
fn key_at(line: &[u8], start: usize, end: usize) -> Option<Level> {
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.');
    let head = line[..start].iter().rev().take(KEY_BYTES_MAX).take_while(|byte| is_name(byte)).count();
    let tail = line[end..].iter().take(KEY_BYTES_MAX).take_while(|byte| is_name(byte)).count();
    let key = &line[start - head..end + tail];
    if !(LEVEL_KEYS.iter().any(|known| known.as_bytes() == key) || key == b"log.level") {
        return None;
    }
    let before = line[..start - head].last();
    let rest = &line[end + tail..];
    let (before, rest) = match rest.strip_prefix(b"\"") {
        Some(rest) if before == Some(&b'"') => {
            let rest = rest.trim_ascii_start().strip_prefix(b":")?;
            (true, rest.trim_ascii_start())
        }
        Some(_) => return None,
        None => (before.is_none_or(u8::is_ascii_whitespace), rest.strip_prefix(b"=")?),
    };
    let value = rest.strip_prefix(b"\"").unwrap_or(rest);
    let len = value.iter().take(VALUE_BYTES_MAX).take_while(|byte| byte.is_ascii_alphanumeric()).count();
    if before { Level::of_value(&value[..len]) } else { None }
}

/// Reads the word at `start` if it is a level, and stands alone: a part of a path or of a longer name is none.
fn word_at(head: &[u8], start: usize) -> Option<Level> {
    let joins = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'/' | b'.');
    if start > 0 && joins(&head[start - 1]) {
        return None;
    }
    let rest = &head[start..];
    let len = rest.iter().take(VALUE_BYTES_MAX).take_while(|byte| byte.is_ascii_alphabetic()).count();
    // A full stop may end a sentence, but what follows a word otherwise must not go on with it.
    let ends = match rest.get(len..) {
        Some([b'.']) => true,
        Some([b'.', next, ..]) => !next.is_ascii_alphanumeric(),
        Some([next, ..]) => !joins(next),
        _ => true,
    };
    if ends { Level::of_value(&rest[..len]) } else { None }
}

/// The search for beginnings of keys and words, keys first.
enum Search {
    /// Many bytes at a time, where the processor can.
    Packed(Searcher),
    /// Byte by byte, where it cannot.
    Automaton(AhoCorasick),
}

impl Search {
    fn shared() -> &'static Self {
        static SEARCH: LazyLock<Search> = LazyLock::new(|| {
            let mut config = packed::Config::new();
            config.match_kind(packed::MatchKind::LeftmostFirst);
            config.builder().extend(PATTERNS).build().map_or_else(Search::automaton, Search::Packed)
        });
        &SEARCH
    }

    fn automaton() -> Self {
        let mut builder = AhoCorasick::builder();
        builder.match_kind(MatchKind::LeftmostFirst);
        Search::Automaton(builder.build(PATTERNS).expect("a few short words make a small automaton"))
    }

    /// Returns what is found first from `from` on.
    fn next(&self, head: &[u8], from: usize) -> Option<Match> {
        match self {
            Search::Packed(searcher) => searcher.find_in(head, Span { start: from, end: head.len() }),
            Search::Automaton(automaton) => automaton.find(Input::new(head).range(from..)),
        }
    }
}

const KEY_BYTES_MAX: usize = 16;
const VALUE_BYTES_MAX: usize = 14;
const KEY_PATTERNS: usize = 9;

/// What is looked for: keys, then words, in the three ways in which they are written.
const PATTERNS: [&str; 33] = [
    "level", "LEVEL", "Level", "lvl", "LVL", "Lvl", "severity", "Severity", "SEVERITY", "trace", "TRACE", "Trace",
    "debug", "DEBUG", "Debug", "info", "INFO", "Info", "warn", "WARN", "Warn", "error", "ERROR", "Error", "err", "ERR",
    "Err", "crit", "CRIT", "Crit", "fatal", "FATAL", "Fatal",
];

const LEVEL_KEYS: [&str; 14] = [
    "level",
    "LEVEL",
    "Level",
    "log_level",
    "severity",
    "SEVERITY",
    "Severity",
    "SeverityText",
    "lvl",
    "LVL",
    "Lvl",
    "severity_text",
    "Severity_Text",
    "SEVERITY_TEXT",
];

/// The words for levels, in any case.
const WORDS: [(&str, Level); 17] = [
    ("info", Level::Info),
    ("error", Level::Error),
    ("warn", Level::Warn),
    ("debug", Level::Debug),
    ("warning", Level::Warn),
    ("trace", Level::Trace),
    ("fatal", Level::Fatal),
    ("critical", Level::Critical),
    ("err", Level::Error),
    ("inf", Level::Info),
    ("information", Level::Info),
    ("informational", Level::Info),
    ("wrn", Level::Warn),
    ("dbg", Level::Debug),
    ("trc", Level::Trace),
    ("crit", Level::Critical),
    ("unknown", Level::Unknown),
];

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert_eq, proptest};

    use super::*;

    #[test]
    fn levels_of_lines_are_found() {
        let cases = [
            (r#"{"level":"warn","msg":"no error here"}"#, Level::Warn),
            (r#"{"msg":"an error","log.level" : "DEBUG"}"#, Level::Debug),
            (r#"{"a":{"severity":"Critical"}}"#, Level::Critical),
            (r#"{"SeverityText":"Information"}"#, Level::Info),
            (r#"{"level":30,"msg":"x"}"#, Level::Unknown),
            (r#"{"level":"odd","msg":"a fatal thing"}"#, Level::Fatal),
            (r#"{"sublevel":"warn"}"#, Level::Warn),
            ("ts=1 level=error msg=\"all info\"", Level::Error),
            ("ts=1 lvl=\"dbg\" msg=x", Level::Debug),
            ("LEVEL=TRACE x", Level::Trace),
            ("ts=1 sublevel=error msg=info", Level::Error),
            ("2024-01-01 12:00:00 [main] INFO  starting", Level::Info),
            ("E1114 something: Error: no such file", Level::Error),
            ("[WARNING] disk is nearly full", Level::Warn),
            ("err: x", Level::Error),
            ("something went fatal.", Level::Fatal),
            ("terror and warner and information desk", Level::Info),
            ("GET /info/error.html 200", Level::Unknown),
            ("10.0.0.1 - - \"GET /api HTTP/1.1\" 200", Level::Unknown),
            ("a-debug debug_x .trace error.log", Level::Unknown),
            ("", Level::Unknown),
            ("ünïcödé ERROR ü", Level::Error),
        ];
        for (line, level) in cases {
            assert_eq!(Level::of_line(line.as_bytes()), level, "{line}");
        }
        let late = format!("{} error", "x".repeat(LEVEL_SCAN_BYTES));
        assert_eq!(Level::of_line(late.as_bytes()), Level::Unknown);
        // A key at the edge is read to its end.
        let edge = format!("{} level=error", "x".repeat(LEVEL_SCAN_BYTES - 6));
        assert_eq!(Level::of_line(edge.as_bytes()), Level::Error);
    }

    #[test]
    fn values_and_numbers_become_levels() {
        for (value, level) in [("Warning", Some(Level::Warn)), ("INF", Some(Level::Info)), ("odd", None), ("", None)] {
            assert_eq!(Level::of_value(value.as_bytes()), level, "{value}");
        }
        for (number, level) in
            [("1", Some(Level::Trace)), ("17", Some(Level::Error)), ("24", Some(Level::Fatal)), ("25", None)]
        {
            assert_eq!(Level::of_severity_number(number), level, "{number}");
        }
        assert!(LEVEL_KEYS.iter().all(|key| is_level_key(key)));
        assert!(!is_level_key("levels") && !is_level_key(""));
        let mut entry = Vec::new();
        Level::Critical.put(&mut entry);
        assert!(entry.len() <= ENTRY_BYTES_MAX);
    }

    proptest! {
        #[test]
        fn both_ways_of_searching_find_the_same(line in "([lL]evel|LVL|severity|[:=\" ]|error|Info|warnin?g?|_|x){0,40}") {
            let found = |search: &Search| {
                let mut found = Vec::new();
                while let Some(next) = search.next(line.as_bytes(), found.last().map_or(0, Match::end)) {
                    found.push(next);
                }
                found
            };
            prop_assert_eq!(found(Search::shared()), found(&Search::automaton()));
        }

        #[test]
        fn noise_has_some_level(bytes: Vec<u8>, pieces in "([lL]evel|LVL|severity|[:=\" ]|error|Info|\\.|_|x){0,60}") {
            Level::of_line(&bytes);
            Level::of_line(pieces.as_bytes());
        }
    }
}
