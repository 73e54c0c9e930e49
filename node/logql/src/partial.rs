//! What a part gives: small enough to travel, and mergeable with the same part's results from elsewhere, in any order.

use logmesh_protocol::record::Labels;
use logmesh_protocol::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::summary::Summary;

/// The result of one part over some of the rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Partial {
    /// Of a log query: the lines that count first, at most as many as the limit.
    Log {
        /// The labels of the streams.
        streams: Vec<Labels>,
        /// The lines.
        entries: Vec<Entry>,
    },
    /// Of a metric query: for each leaf of the plan its series.
    Metric {
        /// The series, leaf by leaf.
        leaves: Vec<Vec<SeriesPart>>,
    },
}

/// A line of a log query's result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The place of its stream's labels.
    pub stream: u32,
    /// When it happened.
    pub timestamp: Timestamp,
    /// Its place among the lines of its stream at the same nanosecond, as they came.
    pub rank: u32,
    /// The line, as stages left it.
    pub line: String,
    /// The line as it is stored, if that is another one: by it entries are told apart.
    pub stored: Option<String>,
    /// The labels of its stream as stages left them, if they changed any.
    pub labels: Option<Labels>,
    /// Its metadata, clashing names changed.
    pub metadata: Vec<(String, String)>,
    /// What parsers took out of it, errors included.
    pub parsed: Vec<(String, String)>,
}

/// A series of a range aggregation: what was counted for each step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeriesPart {
    /// Its labels.
    pub labels: Labels,
    /// The step of the first cell.
    pub first: u32,
    /// How many lines, step by step.
    pub counts: Vec<u64>,
    /// How many bytes those had; empty where the function does not ask.
    pub bytes: Vec<u64>,
    /// What samples come to, pane by pane, the numbers rising; empty where the function only counts.
    pub panes: Vec<Pane>,
}

/// What the samples of a stretch of time come to, all of which the same steps cover.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pane {
    /// Its number, from the oldest on; at most twice that of the steps.
    pub number: u32,
    /// What they come to.
    pub summary: Summary,
}

impl Partial {
    /// Splits the result into several of about `bytes_max` each, for the messages of peers have a limit. A single entry
    /// or series larger than that comes alone.
    pub fn split(self, bytes_max: usize) -> Vec<Partial> {
        match self {
            Partial::Log { streams, entries } => split_log(&streams, entries, bytes_max),
            Partial::Metric { leaves } => split_metric(leaves, bytes_max),
        }
    }
}

fn split_log(streams: &[Labels], entries: Vec<Entry>, bytes_max: usize) -> Vec<Partial> {
    let streams_bytes: Vec<usize> = streams.iter().map(labels_bytes).collect();
    let mut parts = Vec::new();
    let (mut part_streams, mut part_entries, mut bytes) = (Vec::new(), Vec::new(), 0);
    let mut places = vec![None; streams.len()];
    for mut entry in entries {
        let at = entry.stream as usize;
        let Some(labels) = streams.get(at) else { continue };
        let entry_bytes = entry_bytes(&entry);
        if !part_entries.is_empty() && bytes + entry_bytes + streams_bytes[at] > bytes_max {
            let (streams, entries) = (std::mem::take(&mut part_streams), std::mem::take(&mut part_entries));
            parts.push(Partial::Log { streams, entries });
            places.fill(None);
            bytes = 0;
        }
        entry.stream = *places[at].get_or_insert_with(|| {
            part_streams.push(labels.clone());
            bytes += streams_bytes[at];
            u32::try_from(part_streams.len() - 1).expect("as many as there were before, in u32")
        });
        bytes += entry_bytes;
        part_entries.push(entry);
    }
    if !part_entries.is_empty() || parts.is_empty() {
        parts.push(Partial::Log { streams: part_streams, entries: part_entries });
    }
    parts
}

fn split_metric(leaves: Vec<Vec<SeriesPart>>, bytes_max: usize) -> Vec<Partial> {
    let empty = vec![Vec::new(); leaves.len()];
    let mut parts = vec![empty.clone()];
    let mut bytes = 0;
    for (leaf, series) in leaves.into_iter().enumerate() {
        for one in series.into_iter().flat_map(|one| split_series(one, bytes_max)) {
            // A varint takes ten bytes at the most, one for the small numbers that there mostly are.
            let panes: usize = one.panes.iter().map(pane_bytes).sum();
            let one_bytes = labels_bytes(&one.labels) + 10 * (one.counts.len() + one.bytes.len()) + panes + 16;
            if bytes > 0 && bytes + one_bytes > bytes_max {
                parts.push(empty.clone());
                bytes = 0;
            }
            bytes += one_bytes;
            parts.last_mut().expect("there is always one")[leaf].push(one);
        }
    }
    parts.into_iter().map(|leaves| Partial::Metric { leaves }).collect()
}

/// Splits a series with many panes, or panes with many values, into several with the same labels.
fn split_series(mut one: SeriesPart, bytes_max: usize) -> Vec<SeriesPart> {
    let all = std::mem::take(&mut one.panes);
    let template = SeriesPart { first: 0, counts: Vec::new(), bytes: Vec::new(), ..one.clone() };
    let mut parts = vec![one];
    let mut bytes = 0;
    for mut pane in all {
        loop {
            let rest = pane.summary.split_off((bytes_max / VALUE_BYTES).max(1));
            let more = pane_bytes(&pane);
            if bytes > 0 && bytes + more > bytes_max {
                parts.push(template.clone());
                bytes = 0;
            }
            bytes += more;
            let number = pane.number;
            parts.last_mut().expect("there is always one").panes.push(pane);
            let Some(summary) = rest else { break };
            // A part has each pane once.
            parts.push(template.clone());
            bytes = 0;
            pane = Pane { number, summary };
        }
    }
    parts
}

fn pane_bytes(pane: &Pane) -> usize {
    PANE_BYTES + pane.summary.values() as usize * VALUE_BYTES
}

/// What a pane weighs besides its single values, about.
const PANE_BYTES: usize = 64;
/// What a single value weighs; with its time it weighs as much again.
const VALUE_BYTES: usize = 10;

/// Returns about how many bytes an entry takes.
pub(crate) fn entry_bytes(entry: &Entry) -> usize {
    let pairs = entry.metadata.iter().chain(&entry.parsed);
    let changed = entry.stored.as_ref().map_or(0, String::len) + entry.labels.as_ref().map_or(0, labels_bytes);
    entry.line.len() + changed + 34 + pairs.map(|(name, value)| name.len() + value.len() + 8).sum::<usize>()
}

/// Returns about how many bytes labels take.
pub(crate) fn labels_bytes(labels: &Labels) -> usize {
    8 + labels.iter().map(|(name, value)| name.len() + value.len() + 8).sum::<usize>()
}
