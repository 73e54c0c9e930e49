//! How log entries are shown at the terminal and to programs, by `query` and `tail` alike.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io::{self, Write};

use clap::ValueEnum;
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::output::{Colour, Paint, printable};

/// How entries are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    /// Time, labels and line
    Default,
    /// The line only
    Raw,
    /// One JSON object an entry
    Jsonl,
}

/// In which order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Direction {
    /// The oldest first
    Forward,
    /// The newest first
    Backward,
}

/// Entries with the same labels.
#[derive(Debug, Deserialize)]
pub(super) struct StreamEntries {
    pub(super) stream: BTreeMap<String, String>,
    values: Vec<Entry>,
}

/// Nanoseconds as text, the line, and perhaps metadata, which the labels repeat.
#[derive(Debug, Deserialize)]
struct Entry {
    nanos: String,
    line: String,
    #[serde(default)]
    _metadata: IgnoredAny,
}

impl StreamEntries {
    /// Returns the time of the newest entry, in nanoseconds since 1970.
    pub(super) fn newest(&self) -> Option<i64> {
        self.values.iter().filter_map(|entry| entry.nanos.parse().ok()).max()
    }
}

/// Prints the entries of all streams in order of time.
pub(super) fn print(
    out: &mut impl Write,
    streams: &[StreamEntries],
    direction: Direction,
    (output, paint): (Output, Paint),
) -> io::Result<()> {
    let texts: Vec<String> = streams.iter().map(|stream| labels_text(&stream.stream)).collect();
    let mut entries: Vec<(i64, usize, &Entry)> = Vec::new();
    for (at, stream) in streams.iter().enumerate() {
        entries.extend(stream.values.iter().map(|entry| (entry.nanos.parse().unwrap_or(0), at, entry)));
    }
    // Stable, so that entries of one nanosecond stay in the order in which the node gave them.
    match direction {
        Direction::Forward => entries.sort_by_key(|entry| entry.0),
        Direction::Backward => entries.sort_by_key(|entry| Reverse(entry.0)),
    }
    for (nanos, at, entry) in entries {
        match output {
            Output::Raw => writeln!(out, "{}", entry.line)?,
            Output::Jsonl => {
                let object = serde_json::json!({
                    "timestamp": nanos.to_string(), "labels": streams[at].stream, "line": entry.line,
                });
                writeln!(out, "{object}")?;
            }
            Output::Default => {
                let time = paint.paint(Colour::Dim, &local_time(nanos));
                writeln!(out, "{time} {} {}", paint.paint(Colour::Blue, &texts[at]), printable(&entry.line))?;
            }
        }
    }
    Ok(())
}

/// Returns labels as a selector has them.
fn labels_text(labels: &BTreeMap<String, String>) -> String {
    let pairs: Vec<String> = labels.iter().map(|(name, value)| format!("{name}={:?}", printable(value))).collect();
    format!("{{{}}}", pairs.join(", "))
}

/// Returns local time to the millisecond, with the offset, so that it can be compared and typed again.
pub(super) fn local_time(nanos: i64) -> String {
    let Ok(timestamp) = jiff::Timestamp::from_nanosecond(i128::from(nanos)) else {
        return nanos.to_string();
    };
    timestamp.to_zoned(TimeZone::system()).strftime("%Y-%m-%dT%H:%M:%S%.3f%:z").to_string()
}
