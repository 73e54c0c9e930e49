//! Finds the patterns of log lines, online: lines that are alike fall into one cluster, whose pattern has `<_>` wherever
//! they differ.
//!
//! The idea is Drain's (He et al., "Drain: An Online Log Parsing Approach with Fixed Depth Tree", ICWS 2017): the number of
//! pieces and the first word lead to a few clusters, the most similar one takes the line if it is similar enough. Words
//! that are plainly variable (numbers, times, addresses, ids) are masked before. What several nodes have found is merged
//! by putting their patterns through the same clusters.
//!
//! The same lines in the same order give the same patterns, and memory is bounded whatever the lines are: when there are
//! too many clusters, the rarest gives way.

mod pieces;
mod runner;

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use logmesh_protocol::time::{TimeRange, Timestamp};
use serde::{Deserialize, Serialize};

use pieces::{ANY, Piece, Pieces};
pub use runner::PatternRunner;

/// The most clusters of one miner; with another one the rarest is forgotten, its lines with it. Loki keeps 300 a stream.
pub const CLUSTERS_MAX: usize = 300;
/// The most first words that lines of one length are told apart by; further ones share a place. A guess.
const FIRST_WORDS_MAX: usize = 64;
/// The most samples of a pattern; where the step asks for more, it is made longer.
pub const PATTERN_SAMPLES_MAX: u64 = 1_000;
/// The most patterns that are merged, the most frequent ones.
pub const PATTERNS_MERGED_MAX: usize = 5_000;

/// A pattern and how often it was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pattern {
    /// Its text, `<_>` standing for what varies.
    pub pattern: String,
    /// The beginning of each step in seconds since 1970, and how many lines it had; rising, without empty steps.
    pub samples: Vec<(i64, u64)>,
}

/// What one miner has found: mergeable, and bounded by [`CLUSTERS_MAX`] patterns, each of some KiB of text and
/// [`PATTERN_SAMPLES_MAX`] samples.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PatternPart {
    patterns: Vec<Found>,
}

/// A pattern in pieces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Found {
    pieces: Vec<Piece>,
    samples: Vec<(i64, u64)>,
}

/// Sorts lines into clusters.
#[derive(Clone, Debug)]
pub struct Miner {
    /// The length of a step in nanoseconds.
    step: i64,
    clusters: Vec<Cluster>,
    /// The clusters by how many pieces they have and what their first word is.
    places: HashMap<Place, Vec<usize>>,
    /// The first words that have a place of their own, by the number of pieces.
    first_words: HashMap<usize, usize>,
    pieces: Pieces,
}

/// How many pieces, and a digest of the first word; `None` where it varies or has no place of its own.
type Place = (usize, Option<u64>);

#[derive(Clone, Debug)]
struct Cluster {
    place: Place,
    pieces: Vec<Piece>,
    /// How many lines.
    count: u64,
    samples: BTreeMap<i64, u64>,
}

impl Miner {
    /// Returns a miner for lines of `range`, counted step by step.
    pub fn new(range: TimeRange, step: Duration) -> Self {
        Self {
            step: sample_step(range, step),
            clusters: Vec::new(),
            places: HashMap::new(),
            first_words: HashMap::new(),
            pieces: Pieces::default(),
        }
    }

    /// Takes a line.
    pub fn add(&mut self, line: &str, timestamp: Timestamp) {
        let mut pieces = std::mem::take(&mut self.pieces);
        pieces.read(line);
        let views: Vec<&str> = pieces.views(line).collect();
        if views.iter().any(|view| !view.trim().is_empty()) {
            let sample = timestamp.as_nanos().div_euclid(self.step) * self.step / 1_000_000_000;
            self.insert(&views, [(sample, 1)].into_iter());
        }
        self.pieces = pieces;
    }

    /// Puts a line or a pattern into the cluster that it is most similar to, or into one of its own.
    fn insert(&mut self, views: &[&str], samples: impl Iterator<Item = (i64, u64)>) {
        let place = self.place(views);
        let mut best: Option<(usize, usize, usize)> = None;
        for at in self.places.get(&place).into_iter().flatten() {
            let Some((same, words)) = self.clusters[*at].similarity(views) else { continue };
            if same == words {
                best = Some((*at, same, words));
                break;
            }
            // The greater share of equal words is better; of equals the first.
            if best.is_none_or(|(_, best_same, best_words)| same * best_words > best_same * words) {
                best = Some((*at, same, words));
            }
        }
        let at = match best {
            Some((at, same, words)) if same * SIMILAR_OF >= words * SIMILAR => {
                self.clusters[at].take(views);
                at
            }
            _ => self.open(place, views),
        };
        let cluster = &mut self.clusters[at];
        for (sample, count) in samples {
            cluster.count = cluster.count.saturating_add(count);
            let cell = cluster.samples.entry(sample).or_default();
            *cell = cell.saturating_add(count);
        }
    }

    fn place(&mut self, views: &[&str]) -> Place {
        let first = views.iter().find(|view| pieces::is_word(view)).filter(|view| **view != ANY);
        let digest = first.map(|word| digest(word.as_bytes()));
        let place = (views.len(), digest);
        if digest.is_none() || self.places.contains_key(&place) {
            return place;
        }
        let words = self.first_words.entry(views.len()).or_default();
        if *words >= FIRST_WORDS_MAX {
            return (views.len(), None);
        }
        *words += 1;
        place
    }

    fn open(&mut self, place: Place, views: &[&str]) -> usize {
        let pieces = views.iter().map(|view| Piece::new(view)).collect();
        let cluster = Cluster { place, pieces, count: 0, samples: BTreeMap::new() };
        let at = if self.clusters.len() < CLUSTERS_MAX {
            self.clusters.push(cluster);
            self.clusters.len() - 1
        } else {
            self.replace_rarest(cluster)
        };
        self.places.entry(place).or_default().push(at);
        at
    }

    /// Forgets the rarest cluster, of equals the first.
    fn replace_rarest(&mut self, cluster: Cluster) -> usize {
        let rarest = self.clusters.iter().enumerate().min_by_key(|(_, cluster)| cluster.count);
        let at = rarest.map_or(0, |(at, _)| at);
        let old = std::mem::replace(&mut self.clusters[at], cluster);
        if let Some(there) = self.places.get_mut(&old.place) {
            there.retain(|other| *other != at);
            if there.is_empty() {
                self.places.remove(&old.place);
                if let (len, Some(_)) = old.place
                    && let Some(words) = self.first_words.get_mut(&len)
                {
                    *words = words.saturating_sub(1);
                }
            }
        }
        at
    }

    /// Returns what was found.
    pub fn finish(self) -> PatternPart {
        let found = |cluster: Cluster| Found { pieces: cluster.pieces, samples: cluster.samples.into_iter().collect() };
        PatternPart { patterns: self.clusters.into_iter().map(found).collect() }
    }
}

impl Cluster {
    /// Returns how many of the words that do not vary are the same, and how many there are; `None` if what stands between
    /// the words differs.
    fn similarity(&self, views: &[&str]) -> Option<(usize, usize)> {
        let (mut same, mut words) = (0, 0);
        for (piece, view) in self.pieces.iter().zip(views) {
            match piece {
                Piece::Any if pieces::is_word(view) => {}
                Piece::Any => return None,
                Piece::Text(text) if text == view => {
                    same += usize::from(pieces::is_word(view));
                    words += usize::from(pieces::is_word(view));
                }
                Piece::Text(text) if pieces::is_word(text) && pieces::is_word(view) => words += 1,
                Piece::Text(_) => return None,
            }
        }
        Some((same, words))
    }

    /// Lets those words vary that differ.
    fn take(&mut self, views: &[&str]) {
        for (piece, view) in self.pieces.iter_mut().zip(views) {
            if matches!(piece, Piece::Text(text) if text != view) {
                *piece = Piece::Any;
            }
        }
    }
}

impl PatternPart {
    /// Returns how many patterns there are.
    pub fn len(&self) -> usize {
        self.patterns.len()
    }

    /// Tells whether there are none.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Returns the same as parts that take about `bytes_max` bytes on the way at the most, a single larger pattern apart. There is
    /// always one.
    pub fn split(self, bytes_max: usize) -> Vec<PatternPart> {
        let (mut parts, mut bytes) = (vec![PatternPart::default()], 0);
        for found in self.patterns {
            let text: usize = found.pieces.iter().map(|piece| piece.view().len() + LENGTH_BYTES).sum();
            let more = text + found.samples.len() * SAMPLE_BYTES;
            if bytes > 0 && bytes + more > bytes_max {
                parts.push(PatternPart::default());
                bytes = 0;
            }
            bytes += more;
            parts.last_mut().expect("there is always one").patterns.push(found);
        }
        parts
    }
}

/// Merges what several miners have found, in whatever order they come: the most frequent pattern first. Patterns that are
/// equal, that cover each other or that are similar become one.
pub fn merge_patterns(parts: Vec<PatternPart>) -> Vec<Pattern> {
    let count = |found: &Found| found.samples.iter().fold(0u64, |sum, (_, count)| sum.saturating_add(*count));
    let text = |found: &Found| found.pieces.iter().map(Piece::view).collect::<String>();
    let mut all: Vec<(u64, String, Found)> =
        parts.into_iter().flat_map(|part| part.patterns).map(|found| (count(&found), text(&found), found)).collect();
    all.sort_by(|left, right| {
        right.0.cmp(&left.0).then_with(|| left.1.cmp(&right.1)).then_with(|| left.2.samples.cmp(&right.2.samples))
    });
    all.truncate(PATTERNS_MERGED_MAX);
    let range = TimeRange { start: Timestamp::MIN, end: Timestamp::MIN };
    let mut miner = Miner::new(range, Duration::from_secs(1));
    for (_, _, found) in &all {
        let views: Vec<&str> = found.pieces.iter().map(Piece::view).collect();
        miner.insert(&views, found.samples.iter().copied());
    }
    let mut patterns: Vec<(u64, Pattern)> = Vec::new();
    for cluster in miner.clusters {
        let pattern = pieces::joined(&cluster.pieces);
        patterns.push((cluster.count, Pattern { pattern, samples: cluster.samples.into_iter().collect() }));
    }
    patterns.sort_by(|left, right| right.0.cmp(&left.0).then_with(|| left.1.pattern.cmp(&right.1.pattern)));
    patterns.into_iter().map(|(_, pattern)| pattern).collect()
}

/// Returns the step in nanoseconds: whole seconds, at least one, and long enough for [`PATTERN_SAMPLES_MAX`].
fn sample_step(range: TimeRange, step: Duration) -> i64 {
    let span = i128::from(range.end.as_nanos()) - i128::from(range.start.as_nanos());
    let least = span.max(0) / i128::from(PATTERN_SAMPLES_MAX);
    let wanted = i128::try_from(step.as_nanos()).unwrap_or(i128::MAX).max(least).max(1);
    let seconds = (wanted - 1) / 1_000_000_000 + 1;
    i64::try_from(seconds.saturating_mul(1_000_000_000)).unwrap_or(MAX_STEP)
}

/// FNV-1a: the same on every node and in every run.
fn digest(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

/// What a length or a tag takes on the way, at the most for texts as short as words.
const LENGTH_BYTES: usize = 4;
/// What a sample takes on the way: two numbers of up to ten bytes, mostly of half as many.
const SAMPLE_BYTES: usize = 20;
/// The longest step: about 292 years, in whole seconds.
const MAX_STEP: i64 = 9_223_372_036_000_000_000;
/// A line joins a cluster if at least this share of the words that do not vary is the same: three fifths.
const SIMILAR: usize = 3;
const SIMILAR_OF: usize = 5;

#[cfg(test)]
mod tests;
