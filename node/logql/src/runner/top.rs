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
    spacing: Option<Spacing>,
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
        let spacing = Spacing::new(params);
        let limit = params.limit as usize * spacing.map_or(1, |_| SLOTS as usize + 1);
        Self { limit, direction: params.direction, spacing, bytes: 0, len: 0, groups: BTreeMap::new() }
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
        let weight = |found: &Found<T>| (found.line.len() + size(&found.rest) + ENTRY_BYTES) as u64;
        if !self.beats_worst(&key, &found) || !self.takes_slot(&key, &found, weight) {
            return Ok(());
        }
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

    /// Makes room in the slot of an entry where entries shall lie apart; tells whether the entry shall have it.
    fn takes_slot(
        &mut self,
        key: &(Timestamp, Arc<Labels>),
        found: &Found<T>,
        weight: impl Fn(&Found<T>) -> u64,
    ) -> bool {
        let Some((from, to)) = self.spacing.map(|spacing| spacing.slot(key.0)) else { return true };
        let lowest = Arc::new(Labels::default());
        let mut groups = self.groups.range((from, lowest.clone())..);
        let Some((other_key, group)) = groups.next().filter(|((time, _), _)| *time < to) else { return true };
        let Some(other) = group.first() else { return true };
        let better = match self.direction {
            Direction::Backward => (key, found) > (other_key, other),
            Direction::Forward => (key, found) < (other_key, other),
        };
        if better {
            let other_key = other_key.clone();
            for dropped in self.groups.remove(&other_key).unwrap_or_default() {
                self.bytes -= weight(&dropped);
                self.len -= 1;
            }
        }
        better
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

    /// Returns the entries, oldest first; where they shall lie apart, all that one part or the other may need.
    pub(crate) fn into_entries(self) -> impl DoubleEndedIterator<Item = (Timestamp, Arc<Labels>, Found<T>)> {
        self.groups.into_iter().flat_map(|((timestamp, labels), group)| {
            group.into_iter().map(move |found| (timestamp, labels.clone(), found))
        })
    }
}

/// Cuts time into slots, a fraction of the interval at which entries are asked for. Which entry is the first behind the
/// last one shown cannot be told beside the data, for the last may lie elsewhere; but of two within one slot only the
/// better is needed. So entries are never closer than the interval, and at most a slot later than they could be.
#[derive(Clone, Copy, Debug)]
struct Spacing {
    direction: Direction,
    start: i64,
    end: i64,
    slot: i64,
}

impl Spacing {
    fn new(params: &QueryParams) -> Option<Self> {
        let interval = i64::try_from(params.interval?.as_nanos()).unwrap_or(i64::MAX);
        let (start, end) = (params.start.as_nanos(), params.end.as_nanos());
        // Rounded up, so that an interval has no more slots than that.
        let slot = interval / SLOTS + i64::from(interval % SLOTS != 0);
        (interval > 0).then_some(Self { direction: params.direction, start, end, slot })
    }

    /// Returns the slot of an instant: its first nanosecond and the first behind it.
    fn slot(self, time: Timestamp) -> (Timestamp, Timestamp) {
        let time = i128::from(time.as_nanos());
        let (anchor, slot) = match self.direction {
            Direction::Forward => (i128::from(self.start), i128::from(self.slot)),
            Direction::Backward => (i128::from(self.end), i128::from(self.slot)),
        };
        let from = anchor + (time - anchor).div_euclid(slot) * slot;
        let clamp = |nanos: i128| {
            let nanos = nanos.clamp(i128::from(i64::MIN), i128::from(i64::MAX));
            Timestamp::from_nanos(i64::try_from(nanos).expect("it was clamped"))
        };
        (clamp(from), clamp(from + slot))
    }
}

/// Keeps, of entries in the order that counts, those that lie at least the interval behind the one kept before, up to the
/// limit.
pub(crate) fn space_out<E>(entries: impl Iterator<Item = (Timestamp, E)>, params: &QueryParams) -> Vec<(Timestamp, E)> {
    let interval = params.interval.unwrap_or_default();
    let mut last: Option<Timestamp> = None;
    let apart = |(timestamp, _): &(Timestamp, E)| {
        let far = last.is_none_or(|last| match params.direction {
            Direction::Forward => *timestamp >= last.saturating_add(interval),
            Direction::Backward => timestamp.saturating_add(interval) <= last,
        });
        if far {
            last = Some(*timestamp);
        }
        far
    };
    entries.filter(apart).take(params.limit as usize).collect()
}

/// How many slots an interval has.
const SLOTS: i64 = 64;

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
