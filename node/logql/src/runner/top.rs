//! Keeps the entries that count first, each once, in bounded space. The runner uses it for what it finds, the coordinator
//! for what comes back; because the order is total, neither the order of blocks nor of peers changes the outcome.

use std::collections::BTreeMap;
use std::sync::Arc;

use logmesh_protocol::record::Labels;
use logmesh_protocol::time::Timestamp;

use crate::error::EvalError;
use crate::plan::{Direction, ENTRIES_BYTES_MAX, QueryParams};

/// The best entries so far.
#[derive(Debug)]
pub(crate) struct Top<T> {
    limit: usize,
    direction: Direction,
    bytes: u64,
    len: usize,
    /// The entries of one stream at one instant, in the order in which they came.
    groups: BTreeMap<(Timestamp, Arc<Labels>), Vec<Found<T>>>,
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Found<T> {
    /// Its place among those of its stream and instant, as they came.
    pub(crate) rank: u32,
    /// The line.
    pub(crate) line: String,
    /// What else belongs to it.
    pub(crate) rest: T,
}

impl<T: Ord> Top<T> {
    /// Returns an empty set for what the parameters ask for.
    pub(crate) fn new(params: &QueryParams) -> Self {
        Self { limit: params.limit as usize, direction: params.direction, bytes: 0, len: 0, groups: BTreeMap::new() }
    }

    /// Returns the time of the entry that would go first if a better one came, once there are as many as asked for.
    pub(crate) fn worst_time(&self) -> Option<Timestamp> {
        if self.len < self.limit {
            return None;
        }
        let worst = match self.direction {
            Direction::Backward => self.groups.first_key_value(),
            Direction::Forward => self.groups.last_key_value(),
        };
        worst.map(|((timestamp, _), _)| *timestamp)
    }

    /// Tells whether an entry at `timestamp` could still get in.
    pub(crate) fn admits(&self, timestamp: Timestamp) -> bool {
        match (self.worst_time(), self.direction) {
            (None, _) => self.limit > 0,
            (Some(worst), Direction::Backward) => timestamp >= worst,
            (Some(worst), Direction::Forward) => timestamp <= worst,
        }
    }

    /// Takes an entry; drops the worst if there are too many. `size` tells what the rest of an entry weighs.
    ///
    /// Of two entries equal in stream, instant and line the one that counts first is kept. Were it the other, an entry
    /// could get worse by what comes later, and those dropped before it in vain.
    pub(crate) fn add(
        &mut self,
        timestamp: Timestamp,
        labels: &Arc<Labels>,
        found: Found<T>,
        size: impl Fn(&T) -> usize,
    ) -> Result<(), EvalError> {
        let key = (timestamp, labels.clone());
        if !self.beats_worst(&key, &found) {
            return Ok(());
        }
        let weight = |found: &Found<T>| (found.line.len() + size(&found.rest) + ENTRY_BYTES) as u64;
        let group = self.groups.entry(key).or_default();
        let found = match group.iter().position(|other| other.line == found.line) {
            None => found,
            Some(at) => {
                let other = group.remove(at);
                self.len -= 1;
                self.bytes -= weight(&other);
                match self.direction {
                    Direction::Backward => found.max(other),
                    Direction::Forward => found.min(other),
                }
            }
        };
        self.len += 1;
        self.bytes += weight(&found);
        let at = group.partition_point(|other| *other <= found);
        group.insert(at, found);
        if self.len > self.limit {
            self.drop_worst(weight);
        }
        if self.bytes > ENTRIES_BYTES_MAX { Err(EvalError::EntriesBytesMax(ENTRIES_BYTES_MAX)) } else { Ok(()) }
    }

    /// Tells whether an entry would stay if it were added.
    fn beats_worst(&self, key: &(Timestamp, Arc<Labels>), found: &Found<T>) -> bool {
        if self.len < self.limit {
            return true;
        }
        let worst = match self.direction {
            Direction::Backward => self.groups.first_key_value().and_then(|(key, group)| Some((key, group.first()?))),
            Direction::Forward => self.groups.last_key_value().and_then(|(key, group)| Some((key, group.last()?))),
        };
        worst.is_some_and(|worst| match self.direction {
            Direction::Backward => (key, found) > worst,
            Direction::Forward => (key, found) < worst,
        })
    }

    fn drop_worst(&mut self, weight: impl Fn(&Found<T>) -> u64) {
        let entry = match self.direction {
            Direction::Backward => self.groups.first_entry(),
            Direction::Forward => self.groups.last_entry(),
        };
        let Some(mut entry) = entry else { return };
        let group = entry.get_mut();
        let dropped = match self.direction {
            Direction::Backward => (!group.is_empty()).then(|| group.remove(0)),
            Direction::Forward => group.pop(),
        };
        if group.is_empty() {
            entry.remove();
        }
        if let Some(dropped) = dropped {
            self.bytes -= weight(&dropped);
            self.len -= 1;
        }
    }

    /// Tells whether no entry at all can get in.
    pub(crate) fn is_closed(&self) -> bool {
        self.limit == 0
    }

    /// Returns the entries, oldest first.
    pub(crate) fn into_entries(self) -> impl DoubleEndedIterator<Item = (Timestamp, Arc<Labels>, Found<T>)> {
        self.groups.into_iter().flat_map(|((timestamp, labels), group)| {
            group.into_iter().map(move |found| (timestamp, labels.clone(), found))
        })
    }
}

/// What an entry weighs besides its texts, about.
const ENTRY_BYTES: usize = 96;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::collection::vec;
    use proptest::prelude::{Just, Strategy, prop_assert_eq, proptest};

    use super::*;

    /// Instant, stream, rank, line, rest.
    type Row = (i64, u8, u32, u8, u8);

    fn shuffled() -> impl Strategy<Value = (Vec<Row>, Vec<Row>)> {
        vec((0i64..3, 0u8..2, 0u32..3, 0u8..3, 0u8..2), 0..24)
            .prop_flat_map(|rows| (Just(rows.clone()), Just(rows).prop_shuffle()))
    }

    fn top(rows: &[Row], limit: u32, direction: Direction) -> Vec<Row> {
        let mut params = QueryParams::range(Timestamp::MIN, Timestamp::MAX, Duration::ZERO);
        (params.limit, params.direction) = (limit, direction);
        let mut top = Top::new(&params);
        for (time, stream, rank, line, rest) in rows {
            let labels = Arc::new(Labels::new([("s".to_owned(), stream.to_string())]));
            let found = Found { rank: *rank, line: line.to_string(), rest: *rest };
            top.add(Timestamp::from_nanos(*time), &labels, found, |_| 1).unwrap();
        }
        let row = |(time, labels, found): (Timestamp, Arc<Labels>, Found<u8>)| {
            let stream = labels.value("s").unwrap().parse().unwrap();
            (time.as_nanos(), stream, found.rank, found.line.parse().unwrap(), found.rest)
        };
        assert!(top.len == top.groups.values().map(Vec::len).sum::<usize>());
        let left = top.bytes;
        let rows: Vec<Row> = top.into_entries().map(row).collect();
        assert_eq!(left, rows.len() as u64 * (2 + ENTRY_BYTES) as u64);
        rows
    }

    /// The same by sorting everything: of equals the one that counts first, then as many as the limit.
    fn model(rows: &[Row], limit: u32, direction: Direction) -> Vec<Row> {
        let mut rows = rows.to_vec();
        rows.sort_unstable();
        if direction == Direction::Backward {
            rows.reverse();
        }
        let mut seen = std::collections::BTreeSet::new();
        rows.retain(|(time, stream, _, line, _)| seen.insert((*time, *stream, *line)));
        rows.truncate(limit as usize);
        rows.sort_unstable();
        rows
    }

    proptest! {
        #[test]
        fn the_order_of_adding_does_not_matter((rows, shuffled) in shuffled(), limit in 0u32..8, forward: bool) {
            let direction = if forward { Direction::Forward } else { Direction::Backward };
            let wanted = model(&rows, limit, direction);
            prop_assert_eq!(top(&rows, limit, direction), wanted.clone());
            prop_assert_eq!(top(&shuffled, limit, direction), wanted);
        }
    }
}
