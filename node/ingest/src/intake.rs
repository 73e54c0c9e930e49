//! Where every decoder brings its records: limits are checked here, and what passes goes into the chunk of its window.

use std::collections::HashMap;

use bytes::Bytes;
use logmesh_protocol::record::{ChunkWriter, Labels};
use logmesh_protocol::segment::Window;
use logmesh_protocol::time::Timestamp;
use thiserror::Error;

use crate::accepted::{Accepted, Group};
use crate::body::{BodyError, shortened};
use crate::labels::LabelFlaw;
use crate::level::{DETECTED_LEVEL, Level, is_level_key};
use crate::limits::Limits;
use crate::metadata::Metadata;

/// The records of one request while it is decoded. `'a` is the body, whose own bytes name the streams already seen.
pub(crate) struct Intake<'a> {
    limits: &'a Limits,
    oldest: i64,
    newest: i64,
    streams: Vec<Stream>,
    seen: HashMap<&'a [u8], StreamAt>,
    surplus: Option<StreamAt>,
    groups: Vec<OpenGroup>,
    group_at: usize,
    chunks_bytes: usize,
    accepted: Accepted,
    /// A record's metadata with the level behind it.
    with_level: Vec<u8>,
}

/// A stream's place in its [`Intake`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StreamAt(usize);

impl<'a> Intake<'a> {
    pub(crate) fn new(limits: &'a Limits, now: Timestamp) -> Self {
        Self {
            limits,
            // Before 1970 there are no windows.
            oldest: now.saturating_sub(limits.past_max).as_nanos().max(0),
            newest: now.saturating_add(limits.future_max).as_nanos(),
            streams: Vec::new(),
            seen: HashMap::new(),
            surplus: None,
            groups: Vec::new(),
            group_at: 0,
            chunks_bytes: 0,
            accepted: Accepted::default(),
            with_level: Vec::new(),
        }
    }

    pub(crate) fn limits(&self) -> &'a Limits {
        self.limits
    }

    /// Returns the stream spelled `spelling` in the body; `read` makes its labels of it when it is new. A stream whose
    /// labels are bad has a place too: all records brought to it are rejected.
    pub(crate) fn stream(&mut self, spelling: &'a [u8], read: impl FnOnce() -> Result<Labels, LabelFlaw>) -> StreamAt {
        if let Some(at) = self.seen.get(spelling) {
            return *at;
        }
        if self.streams.len() >= self.limits.streams_max {
            if let Some(at) = self.surplus {
                return at;
            }
            let at = StreamAt(self.streams.len());
            let flaw = LabelFlaw::Streams { max: self.limits.streams_max };
            self.streams.push(Stream::Bad { flaw, spelling: None });
            self.surplus = Some(at);
            return at;
        }
        let at = StreamAt(self.streams.len());
        self.streams.push(match read() {
            Ok(labels) => Stream::Good { labels: labels.to_bytes(), level: StreamLevel::of(&labels) },
            Err(flaw) => Stream::Bad { flaw, spelling: Some(shortened(&String::from_utf8_lossy(spelling))) },
        });
        self.seen.insert(spelling, at);
        at
    }

    /// Takes a record of `stream`, or rejects it. Fails only when the whole request has become too large.
    pub(crate) fn push(
        &mut self,
        stream: StreamAt,
        timestamp: i64,
        metadata: &Metadata,
        line: &str,
    ) -> Result<(), BodyError> {
        let Stream::Good { labels, level } = &self.streams[stream.0] else {
            self.reject(stream, &Flaw::Stream);
            return Ok(());
        };
        if let Some(flaw) = self.flaw(timestamp, metadata, line) {
            self.reject(stream, &flaw);
            return Ok(());
        }
        let group = match open_group(&mut self.groups, &mut self.group_at, timestamp, self.limits) {
            Ok(group) => group,
            Err(flaw) => {
                self.reject(stream, &flaw);
                return Ok(());
            }
        };
        let level = if self.limits.detect_levels { level.of_record(metadata, line) } else { None };
        let metadata = match level {
            None => metadata.bytes(),
            Some(level) => {
                self.with_level.clear();
                self.with_level.extend_from_slice(metadata.bytes());
                level.put(&mut self.with_level);
                &self.with_level
            }
        };
        let grown = group.push((stream, labels), timestamp, metadata, line);
        self.chunks_bytes = self.chunks_bytes.saturating_add(grown);
        if self.chunks_bytes > self.limits.chunks_bytes_max {
            let (what, limit) = ("decoded records", self.limits.chunks_bytes_max);
            return Err(BodyError::TooLarge { what, limit, setting: "chunks_bytes_max" });
        }
        self.accepted.record_count += 1;
        self.accepted.lines_bytes += line.len() as u64;
        Ok(())
    }

    fn flaw(&self, timestamp: i64, metadata: &Metadata, line: &str) -> Option<Flaw> {
        if line.len() > self.limits.line_bytes_max {
            return Some(Flaw::LineBytes { bytes: line.len(), max: self.limits.line_bytes_max });
        }
        if timestamp < self.oldest {
            return Some(Flaw::TooOld { timestamp, oldest: self.oldest });
        }
        if timestamp > self.newest {
            return Some(Flaw::TooNew { timestamp, newest: self.newest });
        }
        metadata.flaw().cloned()
    }

    /// Rejects a record of `stream`. Of a stream that is bad as a whole only the first record makes a sentence.
    pub(crate) fn reject(&mut self, stream: StreamAt, flaw: &Flaw) {
        let rejected = &mut self.accepted.rejected;
        match &self.streams[stream.0] {
            Stream::Good { labels, .. } => {
                return rejected.add(|| {
                    let shown = Labels::from_bytes(labels).map(|labels| labels.to_string()).unwrap_or_default();
                    format!("stream {}: {flaw}", shortened(&shown))
                });
            }
            Stream::Told => return rejected.count += 1,
            Stream::Bad { flaw, spelling: Some(spelling) } => rejected.add(|| format!("stream {spelling}: {flaw}")),
            Stream::Bad { flaw, spelling: None } => rejected.add(|| flaw.to_string()),
        }
        self.streams[stream.0] = Stream::Told;
    }

    pub(crate) fn finish(self) -> Accepted {
        let mut groups: Vec<Group> = self.groups.into_iter().map(OpenGroup::finish).collect();
        groups.sort_unstable_by_key(|group| group.window);
        Accepted { groups, ..self.accepted }
    }
}

/// A stream as far as its records need it: its canonical labels, or why it has none.
enum Stream {
    Good { labels: Vec<u8>, level: StreamLevel },
    Bad { flaw: LabelFlaw, spelling: Option<String> },
    Told,
}

/// What the labels of a stream say of its records' level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StreamLevel {
    /// The sender has detected it itself.
    Detected,
    /// All have this one, unless they say otherwise.
    Is(Level),
    /// Nothing.
    Open,
}

impl StreamLevel {
    fn of(labels: &Labels) -> Self {
        if labels.value(DETECTED_LEVEL).is_some() {
            return StreamLevel::Detected;
        }
        let named = labels.iter().filter(|(name, _)| is_level_key(name));
        named
            .filter_map(|(_, value)| Level::of_value(value.as_bytes()))
            .next()
            .map_or(StreamLevel::Open, StreamLevel::Is)
    }

    /// Returns the level that a record is to be given.
    fn of_record(self, metadata: &Metadata, line: &str) -> Option<Level> {
        match self {
            StreamLevel::Detected => None,
            _ if metadata.has_detected_level() => None,
            StreamLevel::Is(level) => Some(metadata.level().unwrap_or(level)),
            StreamLevel::Open => Some(metadata.level().unwrap_or_else(|| Level::of_line(line.as_bytes()))),
        }
    }
}

/// The chunks of one window; the last is still written.
struct OpenGroup {
    window: Window,
    start: i64,
    end: i64,
    chunks: Vec<Bytes>,
    writer: ChunkWriter,
    last_stream: Option<(StreamAt, u32)>,
    record_count: u64,
    chunk_bytes_max: usize,
}

impl OpenGroup {
    fn new(window: Window, chunk_bytes_max: usize) -> Self {
        Self {
            window,
            start: window.start().as_nanos(),
            end: window.end().as_nanos(),
            chunks: Vec::new(),
            writer: ChunkWriter::new(),
            last_stream: None,
            record_count: 0,
            chunk_bytes_max,
        }
    }

    /// Appends a record and returns by how many bytes the chunks have grown.
    fn push(&mut self, (stream, labels): (StreamAt, &[u8]), timestamp: i64, metadata: &[u8], line: &str) -> usize {
        let bytes = self.writer.bytes_len() + labels.len() + metadata.len() + line.len() + RECORD_OVERHEAD_BYTES_MAX;
        if bytes > self.chunk_bytes_max && self.writer.record_count() > 0 {
            self.close_chunk();
        }
        let before = self.writer.bytes_len();
        let at = match self.last_stream {
            Some((last, at)) if last == stream => at,
            _ => self.writer.stream(labels),
        };
        self.last_stream = Some((stream, at));
        self.writer.push(at, Timestamp::from_nanos(timestamp), metadata, line);
        self.record_count += 1;
        self.writer.bytes_len() - before
    }

    fn close_chunk(&mut self) {
        self.chunks.push(std::mem::take(&mut self.writer).finish().into());
        self.last_stream = None;
    }

    fn finish(mut self) -> Group {
        self.close_chunk();
        Group { window: self.window, chunks: self.chunks, record_count: self.record_count }
    }
}

/// Returns the group of `timestamp`, opening it if it is new. Neighbouring records mostly share one.
fn open_group<'g>(
    groups: &'g mut Vec<OpenGroup>,
    at: &mut usize,
    timestamp: i64,
    limits: &Limits,
) -> Result<&'g mut OpenGroup, Flaw> {
    if !groups.get(*at).is_some_and(|group| group.start <= timestamp && timestamp < group.end) {
        let window = Window::of(Timestamp::from_nanos(timestamp));
        *at = match groups.iter().position(|group| group.window == window) {
            Some(found) => found,
            None if groups.len() >= limits.windows_max => return Err(Flaw::Windows { max: limits.windows_max }),
            None => {
                groups.push(OpenGroup::new(window, limits.chunk_bytes_max));
                groups.len() - 1
            }
        };
    }
    Ok(&mut groups[*at])
}

/// Why a record cannot be kept.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum Flaw {
    /// The stream says why.
    #[error("its stream was rejected")]
    Stream,
    #[error("a line has {bytes} bytes, more than line_bytes_max ({max})")]
    LineBytes { bytes: usize, max: usize },
    #[error("timestamp {timestamp} is too old; the oldest accepted now is {oldest} (past_seconds_max)")]
    TooOld { timestamp: i64, oldest: i64 },
    #[error("timestamp {timestamp} is too far in the future; the latest accepted now is {newest} (future_seconds_max)")]
    TooNew { timestamp: i64, newest: i64 },
    #[error("timestamp {0:?} is not an integer of nanoseconds since 1970")]
    NotATimestamp(String),
    #[error("ts {0:?} is not a time in RFC 3339")]
    NotRfc3339(String),
    #[error("more metadata entries than metadata_entries_max ({max})")]
    MetadataEntries { max: usize },
    #[error("more bytes of metadata than metadata_bytes_max ({max})")]
    MetadataBytes { max: usize },
    #[error("a metadata entry has no name")]
    MetadataNameless,
    #[error("the request touches more hours than windows_max ({max}); send it in smaller requests")]
    Windows { max: usize },
    #[error("values are nested more than {max} deep")]
    TooDeep { max: usize },
    #[error("a record, resource or scope has more than {max} values")]
    TooManyValues { max: usize },
}

/// A record's four integers at their longest, and the length of its labels.
const RECORD_OVERHEAD_BYTES_MAX: usize = 40;
