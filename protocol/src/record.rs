//! Records, their labels, and the chunk: the compact row form in which records travel from a request to the disk.
//!
//! A chunk is what one request (or a part of one) brought for one tenant and one window. Its bytes are canonical: a pure
//! function of its records in their order. That is what lets a sealed block give back a batch byte for byte.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::time::Timestamp;
use crate::varint::{VarintError, put_bytes, put_i64, put_u64, take_bytes, take_i64, take_str, take_u64};

/// A sorted set of names with values: the labels of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Labels(Vec<(String, String)>);

impl Labels {
    /// Returns the labels with these pairs. Of pairs with one name the last is kept; pairs with an empty value are
    /// dropped, for an empty label and an absent one are the same.
    pub fn new(pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        let sorted: BTreeMap<String, String> = pairs.into_iter().collect();
        Self(sorted.into_iter().filter(|(_, value)| !value.is_empty()).collect())
    }

    /// Returns the value of the label `name`, if it is there.
    pub fn value(&self, name: &str) -> Option<&str> {
        let at = self.0.binary_search_by(|(other, _)| other.as_str().cmp(name)).ok()?;
        Some(&self.0[at].1)
    }

    /// Returns the pairs in the order of their names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Returns how many labels there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Tells whether there is no label.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the canonical bytes: each name and value with its length before it, in the order of the names.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(32 * self.0.len());
        for (name, value) in &self.0 {
            put_bytes(&mut out, name.as_bytes());
            put_bytes(&mut out, value.as_bytes());
        }
        out
    }

    /// Reads canonical bytes; refuses what is unsorted, doubled or empty.
    pub fn from_bytes(mut input: &[u8]) -> Result<Self, ChunkError> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        while !input.is_empty() {
            let (name, value) = (take_str(&mut input)?, take_str(&mut input)?);
            if value.is_empty() || pairs.last().is_some_and(|(last, _)| last.as_str() >= name) {
                return Err(ChunkError::LabelsUnsorted);
            }
            pairs.push((name.to_owned(), value.to_owned()));
        }
        Ok(Self(pairs))
    }
}

impl fmt::Display for Labels {
    /// Prints as a LogQL selector does: `{app="web", zone="a"}`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (at, (name, value)) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            write!(f, "{comma}{name}={value:?}")?;
        }
        f.write_str("}")
    }
}

/// One log line, owned. For tests and small paths; the hot paths use [`RecordRef`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// When it happened.
    pub timestamp: Timestamp,
    /// The labels of its stream.
    pub labels: Labels,
    /// Structured metadata of this record alone, in the order in which it came.
    pub metadata: Vec<(String, String)>,
    /// The line.
    pub line: String,
}

/// One record of a chunk, borrowed from its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordRef<'a> {
    /// The stream's place in the chunk's stream table.
    pub stream: u32,
    /// When it happened.
    pub timestamp: Timestamp,
    /// The metadata pairs as canonical bytes; read them with [`RecordRef::metadata`].
    pub metadata: &'a [u8],
    /// The line; always UTF-8.
    pub line: &'a [u8],
}

impl<'a> RecordRef<'a> {
    /// Returns the metadata pairs in the order in which they came.
    pub fn metadata(&self) -> Vec<(&'a str, &'a str)> {
        metadata_pairs(self.metadata)
    }
}

/// Reads the pairs of canonical metadata bytes (each name and value with its length before it), which a [`Chunk`] has
/// checked before; what does not read is left out.
pub fn metadata_pairs(mut input: &[u8]) -> Vec<(&str, &str)> {
    let mut pairs = Vec::new();
    while !input.is_empty() {
        let (Ok(name), Ok(value)) = (take_str(&mut input), take_str(&mut input)) else { break };
        pairs.push((name, value));
    }
    pairs
}

/// Writes a chunk record by record.
///
/// Streams are entered in the table in the order of their first record: a chunk has one spelling only.
#[derive(Debug, Default)]
pub struct ChunkWriter {
    streams: Vec<u8>,
    stream_at: BTreeMap<Vec<u8>, u32>,
    records: Vec<u8>,
    record_count: u32,
    last_timestamp: i64,
    lines_bytes: usize,
}

impl ChunkWriter {
    /// Returns an empty writer.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the place of the stream with these canonical label bytes ([`Labels::to_bytes`]), entering it if it is
    /// new. Enter a stream only when its first record follows at once.
    pub fn stream(&mut self, labels: &[u8]) -> u32 {
        if let Some(at) = self.stream_at.get(labels) {
            return *at;
        }
        let at = u32::try_from(self.stream_at.len()).expect("a chunk is bounded");
        self.stream_at.insert(labels.to_vec(), at);
        put_bytes(&mut self.streams, labels);
        at
    }

    /// Appends a record of the stream at `stream`. `metadata` is canonical metadata bytes (see [`put_metadata`]).
    pub fn push(&mut self, stream: u32, timestamp: Timestamp, metadata: &[u8], line: &str) {
        debug_assert!((stream as usize) < self.stream_at.len());
        put_u64(&mut self.records, u64::from(stream));
        put_i64(&mut self.records, timestamp.as_nanos().wrapping_sub(self.last_timestamp));
        put_bytes(&mut self.records, metadata);
        put_bytes(&mut self.records, line.as_bytes());
        self.last_timestamp = timestamp.as_nanos();
        self.record_count += 1;
        self.lines_bytes += line.len();
    }

    /// Returns how many records were appended.
    pub fn record_count(&self) -> u32 {
        self.record_count
    }

    /// Returns how many bytes [`ChunkWriter::finish`] will give, about.
    pub fn bytes_len(&self) -> usize {
        self.streams.len() + self.records.len() + 16
    }

    /// Returns the bytes of the lines alone: what a user calls the size of the logs.
    pub fn lines_bytes(&self) -> usize {
        self.lines_bytes
    }

    /// Returns the chunk's canonical bytes.
    pub fn finish(self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.bytes_len());
        put_u64(&mut out, self.stream_at.len() as u64);
        out.extend_from_slice(&self.streams);
        put_u64(&mut out, u64::from(self.record_count));
        out.extend_from_slice(&self.records);
        out
    }
}

/// Appends one metadata pair to canonical metadata bytes.
pub fn put_metadata(out: &mut Vec<u8>, name: &str, value: &str) {
    put_bytes(out, name.as_bytes());
    put_bytes(out, value.as_bytes());
}

/// A checked chunk: its stream table read, its records read one by one by [`Chunk::records`].
#[derive(Clone, Debug)]
pub struct Chunk<'a> {
    /// The canonical label bytes of each stream, in the order of their first records.
    pub streams: Vec<&'a [u8]>,
    record_count: u32,
    records: &'a [u8],
}

impl<'a> Chunk<'a> {
    /// Reads a chunk's stream table and leaves the records to [`Chunk::records`].
    pub fn decode(mut input: &'a [u8]) -> Result<Self, ChunkError> {
        let stream_count = take_u64(&mut input)?;
        // Every stream has at least one byte: its length.
        if stream_count > input.len() as u64 {
            return Err(ChunkError::Bytes(VarintError::Truncated));
        }
        let mut streams = Vec::with_capacity(stream_count as usize);
        for _ in 0..stream_count {
            streams.push(take_bytes(&mut input)?);
        }
        let record_count = u32::try_from(take_u64(&mut input)?).map_err(|_| ChunkError::Count)?;
        Ok(Self { streams, record_count, records: input })
    }

    /// Returns how many records the chunk says that it has.
    pub fn record_count(&self) -> u32 {
        self.record_count
    }

    /// Iterates over the records; after an error nothing follows. That all records were there, that the streams come
    /// in order of first use and that all are used is checked too.
    pub fn records(&self) -> Records<'a> {
        Records {
            input: self.records,
            left: self.record_count,
            streams_seen: 0,
            stream_count: u32::try_from(self.streams.len()).unwrap_or(u32::MAX),
            last_timestamp: 0,
        }
    }
}

/// The records of a chunk, in order.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    input: &'a [u8],
    left: u32,
    streams_seen: u32,
    stream_count: u32,
    last_timestamp: i64,
}

impl<'a> Records<'a> {
    fn take_record(&mut self) -> Result<RecordRef<'a>, ChunkError> {
        let stream = u32::try_from(take_u64(&mut self.input)?).map_err(|_| ChunkError::Stream)?;
        if stream > self.streams_seen || stream >= self.stream_count {
            return Err(ChunkError::Stream);
        }
        self.streams_seen = self.streams_seen.max(stream + 1);
        self.last_timestamp = self.last_timestamp.wrapping_add(take_i64(&mut self.input)?);
        let metadata = take_bytes(&mut self.input)?;
        let mut rest = metadata;
        while !rest.is_empty() {
            take_str(&mut rest)?;
            take_str(&mut rest)?;
        }
        let line = take_str(&mut self.input)?.as_bytes();
        let timestamp = Timestamp::from_nanos(self.last_timestamp);
        Ok(RecordRef { stream, timestamp, metadata, line })
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<RecordRef<'a>, ChunkError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            let whole = self.input.is_empty() && self.streams_seen == self.stream_count;
            self.input = &[];
            self.streams_seen = self.stream_count;
            return if whole { None } else { Some(Err(ChunkError::Count)) };
        }
        let record = self.take_record();
        if record.is_err() {
            (self.left, self.input, self.streams_seen) = (0, &[], self.stream_count);
        } else {
            self.left -= 1;
        }
        Some(record)
    }
}

/// Bytes that are not a chunk in its only spelling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ChunkError {
    /// A value does not read.
    #[error("a value does not read")]
    Bytes(#[from] VarintError),
    /// Label names are not in strictly rising order, or a value is empty.
    #[error("labels are not in canonical order")]
    LabelsUnsorted,
    /// A record names a stream that is not in the table, or out of the order of first use.
    #[error("a record names a stream out of order")]
    Stream,
    /// The counts do not fit what follows.
    #[error("the counts do not fit the contents")]
    Count,
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, proptest};

    use super::*;

    type Row = (u8, i64, Vec<(String, String)>, String);

    fn write(rows: &[Row]) -> Vec<u8> {
        let mut writer = ChunkWriter::new();
        for (stream, timestamp, metadata, line) in rows {
            let labels = Labels::new([("s".to_owned(), stream.to_string())]).to_bytes();
            let mut pairs = Vec::new();
            metadata.iter().for_each(|(name, value)| put_metadata(&mut pairs, name, value));
            let stream = writer.stream(&labels);
            writer.push(stream, Timestamp::from_nanos(*timestamp), &pairs, line);
        }
        writer.finish()
    }

    fn read(bytes: &[u8]) -> Result<Vec<Row>, ChunkError> {
        let chunk = Chunk::decode(bytes)?;
        let mut rows = Vec::new();
        for record in chunk.records() {
            let record = record?;
            let labels = Labels::from_bytes(chunk.streams[record.stream as usize])?;
            let stream = labels.value("s").and_then(|value| value.parse().ok()).ok_or(ChunkError::Stream)?;
            let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
            let metadata = record.metadata().into_iter().map(owned).collect();
            let line = String::from_utf8(record.line.to_vec()).expect("lines are UTF-8");
            rows.push((stream, record.timestamp.as_nanos(), metadata, line));
        }
        Ok(rows)
    }

    fn rows() -> impl Strategy<Value = Vec<Row>> {
        vec((0u8..4, any::<i64>(), vec((".{0,4}", ".{0,4}"), 0..3), ".{0,12}"), 0..12)
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(rows in rows()) {
            prop_assert_eq!(read(&write(&rows)), Ok(rows));
        }

        #[test]
        fn changed_bytes_read_as_their_own_spelling_or_not_at_all(rows in rows(), at: usize, byte: u8) {
            let mut bytes = write(&rows);
            let at = at % bytes.len();
            bytes[at] = byte;
            if let Ok(rows) = read(&bytes) {
                prop_assert_eq!(write(&rows), bytes);
            }
        }

        #[test]
        fn noise_never_panics(bytes: Vec<u8>) {
            if let Ok(chunk) = Chunk::decode(&bytes) {
                prop_assert!(chunk.records().count() <= bytes.len() + 1);
            }
        }

        #[test]
        fn labels_read_what_they_write(pairs in vec(("[a-c]{1,2}", ".{0,3}"), 0..5)) {
            let labels = Labels::new(pairs);
            prop_assert_eq!(Labels::from_bytes(&labels.to_bytes()), Ok(labels));
        }
    }

    #[test]
    fn labels_print_as_a_selector() {
        let labels = Labels::new([("b".into(), "x\"y".into()), ("a".into(), "1".into()), ("c".into(), String::new())]);
        assert_eq!(labels.to_string(), r#"{a="1", b="x\"y"}"#);
    }
}
