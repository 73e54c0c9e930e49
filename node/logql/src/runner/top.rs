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
    /// What else belongs to it. Of two entries equal in stream, instant and line the lesser one is kept.
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
    pub(crate) fn add(
        &mut self,
        timestamp: Timestamp,
        labels: &Arc<Labels>,
        found: Found<T>,
        size: impl Fn(&T) -> usize,
    ) -> Result<(), EvalError> {
        if !self.admits(timestamp) {
            return Ok(());
        }
        let weight = |found: &Found<T>| (found.line.len() + size(&found.rest) + ENTRY_BYTES) as u64;
        let group = self.groups.entry((timestamp, labels.clone())).or_default();
        self.bytes += weight(&found);
        self.len += 1;
        if let Some(at) = group.iter().position(|other| other.line == found.line) {
            let other = group.remove(at);
            self.len -= 1;
            let (kept, dropped) = if other <= found { (other, found) } else { (found, other) };
            self.bytes -= weight(&dropped);
            insert(group, kept);
        } else {
            insert(group, found);
        }
        while self.len > self.limit {
            self.drop_worst(weight);
        }
        if self.bytes > ENTRIES_BYTES_MAX { Err(EvalError::EntriesBytesMax(ENTRIES_BYTES_MAX)) } else { Ok(()) }
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

    /// Returns the entries, oldest first.
    pub(crate) fn into_entries(self) -> impl DoubleEndedIterator<Item = (Timestamp, Arc<Labels>, Found<T>)> {
        self.groups.into_iter().flat_map(|((timestamp, labels), group)| {
            group.into_iter().map(move |found| (timestamp, labels.clone(), found))
        })
    }
}

fn insert<T: Ord>(group: &mut Vec<Found<T>>, found: Found<T>) {
    let at = group.partition_point(|other| *other <= found);
    group.insert(at, found);
}

/// What an entry weighs besides its texts, about.
const ENTRY_BYTES: usize = 96;
