//! What this node states about itself. Bounded, since every node of the mesh keeps a copy.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use thiserror::Error;

/// Our own facts as they should be, and which of them chitchat has not been told yet.
pub(crate) struct Facts {
    facts: BTreeMap<String, String>,
    bytes: usize,
    /// When a key was removed. Its tombstone is gossiped until `tombstone_grace` later, so it counts until then.
    removed: BTreeMap<String, Instant>,
    changed: BTreeMap<String, Option<String>>,
    tombstone_grace: Duration,
}

impl Facts {
    pub(crate) fn new(tombstone_grace: Duration) -> Self {
        Self { facts: BTreeMap::new(), bytes: 0, removed: BTreeMap::new(), changed: BTreeMap::new(), tombstone_grace }
    }

    pub(crate) fn set(&mut self, key: &str, value: String, now: Instant) -> Result<(), FactError> {
        if key.starts_with('\0') {
            return Err(FactError::Reserved);
        }
        self.set_reserved(key, value, now)
    }

    /// Like [`Facts::set`], also for the keys of this room itself.
    pub(crate) fn set_reserved(&mut self, key: &str, value: String, now: Instant) -> Result<(), FactError> {
        let old = self.facts.get(key);
        if old == Some(&value) {
            return Ok(());
        }
        if key.len() + value.len() > FACT_BYTES_MAX {
            return Err(FactError::TooLong { bytes: key.len() + value.len() });
        }
        let bytes = self.bytes - old.map_or(0, |old| key.len() + old.len()) + key.len() + value.len();
        if bytes > FACTS_BYTES_MAX {
            return Err(FactError::TooManyBytes);
        }
        if old.is_none() && !self.removed.contains_key(key) && !self.has_room(now) {
            return Err(FactError::TooMany);
        }
        self.bytes = bytes;
        self.removed.remove(key);
        self.facts.insert(key.to_owned(), value.clone());
        self.changed.insert(key.to_owned(), Some(value));
        Ok(())
    }

    pub(crate) fn remove(&mut self, key: &str, now: Instant) {
        if let Some(value) = self.facts.remove(key) {
            self.bytes -= key.len() + value.len();
            self.removed.insert(key.to_owned(), now);
            self.changed.insert(key.to_owned(), None);
        }
    }

    /// Returns what changed since the last call: new values, and nothing for a removed key.
    pub(crate) fn take_changed(&mut self) -> BTreeMap<String, Option<String>> {
        std::mem::take(&mut self.changed)
    }

    /// Returns all facts, for a chitchat that starts anew.
    pub(crate) fn take_all(&mut self) -> Vec<(String, String)> {
        self.changed.clear();
        self.facts.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    fn has_room(&mut self, now: Instant) -> bool {
        if self.facts.len() + self.removed.len() >= FACTS_MAX {
            self.removed.retain(|_, removed| now.saturating_duration_since(*removed) < self.tombstone_grace);
        }
        self.facts.len() + self.removed.len() < FACTS_MAX
    }
}

/// Why a fact was not taken. What was stated before stays.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FactError {
    /// Key and value are longer than [`FACT_BYTES_MAX`] together.
    #[error("a fact of {bytes} bytes, longer than {FACT_BYTES_MAX}")]
    TooLong {
        /// How long they are.
        bytes: usize,
    },
    /// There are [`FACTS_MAX`] facts, those lately removed included.
    #[error("more than {FACTS_MAX} facts")]
    TooMany,
    /// The key begins with a zero byte.
    #[error("a fact's key must not begin with a zero byte")]
    Reserved,
    /// All facts together would be longer than [`FACTS_BYTES_MAX`].
    #[error("more than {FACTS_BYTES_MAX} bytes of facts")]
    TooManyBytes,
}

/// The longest fact, key and value together, in bytes: it has to fit a message beside a large digest.
pub const FACT_BYTES_MAX: usize = 16 << 10;
/// The most facts of one node. One removed counts until its tombstone is forgotten. A guess.
pub const FACTS_MAX: usize = 8_192;
/// The most bytes of all facts of one node, keys and values. A guess.
pub const FACTS_BYTES_MAX: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_bounded_in_size_number_and_sum() {
        let now = Instant::now();
        let mut facts = Facts::new(Duration::from_secs(60));
        assert_eq!(
            facts.set("k", "v".repeat(FACT_BYTES_MAX), now),
            Err(FactError::TooLong { bytes: FACT_BYTES_MAX + 1 })
        );
        for key in 0..FACTS_MAX {
            facts.set(&key.to_string(), String::new(), now).unwrap();
        }
        assert_eq!(facts.set("one more", String::new(), now), Err(FactError::TooMany));
        facts.remove("7", now);
        assert_eq!(facts.set("one more", String::new(), now), Err(FactError::TooMany), "its tombstone still counts");
        facts.set("7", "again".to_owned(), now).unwrap();
        facts.remove("7", now);
        facts.set("one more", String::new(), now + Duration::from_secs(61)).unwrap();
    }

    #[test]
    fn the_sum_of_all_facts_is_bounded_and_follows_changes() {
        let now = Instant::now();
        let mut facts = Facts::new(Duration::from_secs(60));
        let value = "v".repeat(FACT_BYTES_MAX - 2);
        for key in 10..74 {
            facts.set(&key.to_string(), value.clone(), now).unwrap();
        }
        assert_eq!(facts.set("74", value.clone(), now), Err(FactError::TooManyBytes));
        facts.set("10", String::new(), now).unwrap();
        facts.remove("11", now);
        facts.set("74", value, now).unwrap();
    }

    #[test]
    fn a_change_is_told_once() {
        let now = Instant::now();
        let mut facts = Facts::new(Duration::from_secs(60));
        facts.set("zone", "a".to_owned(), now).unwrap();
        facts.set("zone", "b".to_owned(), now).unwrap();
        facts.remove("absent", now);
        assert_eq!(facts.set("\0boot", String::new(), now), Err(FactError::Reserved));
        assert_eq!(facts.take_changed(), [("zone".to_owned(), Some("b".to_owned()))].into());
        facts.set("zone", "b".to_owned(), now).unwrap();
        assert!(facts.take_changed().is_empty());
        facts.remove("zone", now);
        assert_eq!(facts.take_changed(), [("zone".to_owned(), None)].into());
    }
}
