//! Entries of a tail between their arrival and the client: each once, in order of time as far as they wait for each other,
//! and never more than a bound.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::fmt::Write;
use std::time::Duration;

use logmesh_logql::{Encoding, Stream, StreamEntry, write_streams};
use logmesh_protocol::record::Labels;
use logmesh_protocol::time::Timestamp;
use serde_json::json;
use tokio::time::Instant;

use crate::query::Dropped;

/// A line with its stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) labels: Labels,
    pub(super) entry: StreamEntry,
}

/// What waits for one client.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    delay: Duration,
    entries: BTreeMap<(Timestamp, u64), Entry>,
    /// When each came, and its time.
    arrivals: VecDeque<(Instant, Timestamp)>,
    /// All entries up to here are due.
    until: Option<Timestamp>,
    arrived: u64,
    bytes: usize,
    dropped: Dropped,
    /// What may be missing, in sentences, and whether that is untold.
    warnings: Vec<String>,
    is_news: bool,
    /// The hashes of those that came last.
    known: HashSet<[u8; 16]>,
    known_order: VecDeque<[u8; 16]>,
}

impl Buffer {
    /// Returns an empty one that lets each entry wait for `delay`, for others that are older.
    pub(super) fn new(delay: Duration) -> Self {
        Self { delay, ..Self::default() }
    }

    /// Tells whether more may be added.
    pub(super) fn has_room(&self) -> bool {
        self.bytes < BUFFER_BYTES_MAX && self.entries.len() < BUFFER_ENTRIES_MAX
    }

    /// Adds an entry, unless it came before.
    pub(super) fn add(&mut self, entry: Entry, now: Instant) {
        if !self.is_new(&entry) {
            return;
        }
        let timestamp = entry.entry.timestamp;
        self.arrived += 1;
        self.bytes += size(&entry);
        self.entries.insert((timestamp, self.arrived), entry);
        self.arrivals.push_back((now, timestamp));
    }

    /// Notes what was dropped elsewhere.
    pub(super) fn drop_entries(&mut self, dropped: Dropped) {
        self.dropped.add(dropped);
    }

    /// Notes what may be missing from now on.
    pub(super) fn warn(&mut self, warnings: Vec<String>) {
        self.is_news |= warnings != self.warnings;
        self.warnings = warnings;
    }

    /// Returns the next frame to be sent, if anything is due.
    pub(super) fn frame(&mut self, now: Instant, encoding: Encoding) -> Option<String> {
        let due = self.take_due(now);
        let dropped = std::mem::take(&mut self.dropped);
        if due.is_empty() && dropped.is_empty() && !std::mem::take(&mut self.is_news) {
            return None;
        }
        self.is_news = false;
        Some(to_json(due, &dropped, &self.warnings, encoding))
    }

    /// Takes what has waited long enough, and what is older than that; at the bound the oldest go early.
    fn take_due(&mut self, now: Instant) -> Vec<Entry> {
        let is_full = !self.has_room();
        while let Some((at, timestamp)) = self.arrivals.front() {
            if *at + self.delay > now && !is_full {
                break;
            }
            self.until = self.until.max(Some(*timestamp));
            self.arrivals.pop_front();
        }
        let (mut due, mut bytes) = (Vec::new(), 0);
        while let Some(first) = self.entries.first_entry() {
            if Some(first.key().0) > self.until || bytes > FRAME_BYTES || due.len() >= FRAME_ENTRIES_MAX {
                break;
            }
            let entry = first.remove();
            bytes += size(&entry);
            due.push(entry);
        }
        self.bytes -= bytes;
        due
    }

    fn is_new(&mut self, entry: &Entry) -> bool {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&entry.entry.timestamp.as_nanos().to_le_bytes());
        let texts = entry.labels.iter().chain(pairs(&entry.entry.metadata)).chain(pairs(&entry.entry.parsed));
        for text in texts.flat_map(|(name, value)| [name, value]).chain([entry.entry.line.as_str()]) {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        }
        let hash = *hasher.finalize().as_bytes().first_chunk().expect("a hash has more than 16 bytes");
        if !self.known.insert(hash) {
            return false;
        }
        self.known_order.push_back(hash);
        if self.known_order.len() > KNOWN_MAX
            && let Some(oldest) = self.known_order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}

fn pairs(pairs: &[(String, String)]) -> impl Iterator<Item = (&str, &str)> {
    pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()))
}

fn size(entry: &Entry) -> usize {
    let labels = entry.labels.iter().chain(pairs(&entry.entry.metadata)).chain(pairs(&entry.entry.parsed));
    ENTRY_BYTES + entry.entry.line.len() + labels.map(|(name, value)| name.len() + value.len()).sum::<usize>()
}

/// Writes a frame. Loki's clients take no notice of `complete` and `warnings`.
fn to_json(entries: Vec<Entry>, dropped: &Dropped, warnings: &[String], encoding: Encoding) -> String {
    let mut streams: BTreeMap<Labels, Vec<StreamEntry>> = BTreeMap::new();
    for Entry { labels, entry } in entries {
        streams.entry(labels).or_default().push(entry);
    }
    let streams: Vec<Stream> = streams.into_iter().map(|(labels, entries)| Stream { labels, entries }).collect();
    let mut frame = String::from("{\"streams\":");
    write_streams(&mut frame, &streams, encoding);
    let named = dropped.named.iter().map(|(labels, timestamp)| {
        let labels: BTreeMap<&str, &str> = labels.iter().collect();
        json!({ "labels": labels, "timestamp": timestamp.to_string() })
    });
    let named = serde_json::Value::Array(named.collect());
    let flags = if encoding.categorize_labels { ",\"encodingFlags\":[\"categorize-labels\"]" } else { "" };
    let told = match warnings {
        [] => "\"complete\":true".to_owned(),
        warnings => format!("\"complete\":false,\"warnings\":{}", json!(warnings)),
    };
    write!(frame, ",\"dropped_entries\":{named}{flags},{told}}}").expect("a string takes all that is written");
    frame
}

/// What waits for one client at the most; more waits where it comes from.
const BUFFER_ENTRIES_MAX: usize = 20_000;
const BUFFER_BYTES_MAX: usize = 8 << 20;
/// How much one frame holds, about.
const FRAME_ENTRIES_MAX: usize = 1_000;
const FRAME_BYTES: usize = 1 << 20;
/// What an entry takes besides its texts, about.
const ENTRY_BYTES: usize = 100;
/// How many entries are remembered, so that none is shown twice: more than the seam between what was looked up and what
/// came live can hold.
const KNOWN_MAX: usize = 2 * BUFFER_ENTRIES_MAX;

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(nanos: i64, line: &str) -> Entry {
        let labels = Labels::new([("app".to_owned(), "web".to_owned())]);
        let timestamp = Timestamp::from_nanos(nanos);
        Entry {
            labels,
            entry: StreamEntry { timestamp, line: line.to_owned(), metadata: Vec::new(), parsed: Vec::new() },
        }
    }

    fn times(buffer: &mut Buffer, now: Instant) -> Vec<i64> {
        buffer.take_due(now).iter().map(|entry| entry.entry.timestamp.as_nanos()).collect()
    }

    #[test]
    fn entries_wait_for_older_ones_and_leave_in_order() {
        let (begun, delay) = (Instant::now(), Duration::from_secs(5));
        let mut buffer = Buffer::new(delay);
        buffer.add(entry(10, "a"), begun);
        buffer.add(entry(30, "b"), begun + Duration::from_secs(2));
        buffer.add(entry(5, "c"), begun + Duration::from_secs(4));
        assert_eq!(times(&mut buffer, begun + Duration::from_secs(4)), [0_i64; 0]);
        // The late older one goes with the first that is due.
        assert_eq!(times(&mut buffer, begun + delay), [5, 10]);
        assert_eq!(times(&mut buffer, begun + Duration::from_secs(7)), [30]);
        assert_eq!(buffer.bytes, 0);
    }

    #[test]
    fn an_entry_is_shown_once() {
        let mut buffer = Buffer::new(Duration::ZERO);
        let now = Instant::now();
        for line in ["a", "a", "b", "a"] {
            buffer.add(entry(1, line), now);
        }
        assert_eq!(times(&mut buffer, now), [1, 1]);
        buffer.add(entry(1, "a"), now);
        assert_eq!(buffer.frame(now, Encoding::default()), None);
    }

    #[test]
    fn many_entries_leave_in_several_frames_and_at_the_bound_before_their_time() {
        let mut buffer = Buffer::new(Duration::from_secs(5));
        let now = Instant::now();
        let mut added = 0;
        while buffer.has_room() {
            added += 1;
            buffer.add(entry(added, "x"), now);
        }
        assert_eq!(added, BUFFER_ENTRIES_MAX as i64);
        let mut sent = Vec::new();
        loop {
            let due = times(&mut buffer, now);
            if due.is_empty() {
                break;
            }
            assert!(due.len() <= FRAME_ENTRIES_MAX);
            sent.extend(due);
        }
        assert_eq!(sent, (1..=added).collect::<Vec<_>>());
        assert_eq!((buffer.bytes, buffer.arrivals.len()), (0, 0));
    }

    #[test]
    fn a_frame_is_as_loki_writes_it() {
        let mut buffer = Buffer::new(Duration::ZERO);
        let now = Instant::now();
        let mut with_metadata = entry(2, "b \"q\"");
        with_metadata.entry.metadata = vec![("user".to_owned(), "x".to_owned())];
        buffer.add(entry(1, "a"), now);
        buffer.add(with_metadata.clone(), now);
        let labels = Labels::new([("app".to_owned(), "web".to_owned())]);
        buffer.drop_entries(Dropped { count: 1, named: vec![(labels, Timestamp::from_nanos(9))] });
        let dropped = r#""dropped_entries":[{"labels":{"app":"web"},"timestamp":"9"}],"complete":true"#;
        assert_eq!(
            buffer.frame(now, Encoding::default()).unwrap(),
            format!(
                r#"{{"streams":[{{"stream":{{"app":"web"}},"values":[["1","a"]]}},{{"stream":{{"app":"web","user":"x"}},"values":[["2","b \"q\""]]}}],{dropped}}}"#
            )
        );
        let mut buffer = Buffer::new(Duration::ZERO);
        buffer.add(with_metadata, now);
        assert_eq!(
            buffer.frame(now, Encoding { categorize_labels: true }).unwrap(),
            r#"{"streams":[{"stream":{"app":"web"},"values":[["2","b \"q\"",{"structuredMetadata":{"user":"x"}}]]}],"dropped_entries":[],"encodingFlags":["categorize-labels"],"complete":true}"#
        );
    }

    #[test]
    fn what_may_be_missing_is_told_when_it_changes_and_with_all_entries() {
        let mut buffer = Buffer::new(Duration::ZERO);
        let now = Instant::now();
        let mut frame = |change: &dyn Fn(&mut Buffer)| {
            change(&mut buffer);
            buffer.frame(now, Encoding::default())
        };
        assert_eq!(frame(&|buffer| buffer.warn(Vec::new())), None, "a tail begins complete");
        let told = |streams: &str, complete: &str| {
            Some(format!("{{\"streams\":[{streams}],\"dropped_entries\":[],\"complete\":{complete}}}"))
        };
        let missing = || vec!["node a is away".to_owned()];
        let warned = "false,\"warnings\":[\"node a is away\"]";
        assert_eq!(frame(&|buffer| buffer.warn(missing())), told("", warned));
        assert_eq!(frame(&|buffer| buffer.warn(missing())), None);
        let stream = "{\"stream\":{\"app\":\"web\"},\"values\":[[\"1\",\"a\"]]}";
        assert_eq!(frame(&|buffer| buffer.add(entry(1, "a"), now)), told(stream, warned));
        assert_eq!(frame(&|buffer| buffer.warn(Vec::new())), told("", "true"));
    }
}
