//! What a node holds of a segment: the seqs, the batch ids with their sizes, and the Merkle tree over them.
//!
//! A segment that is written or repaired has its whole [`Ledger`] in memory; of a quiet one only the [`LedgerSummary`] stays,
//! so that memory does not grow with the data: the entries are loaded again when somebody asks for them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::BatchId;
use crate::merkle::{Digest, LEAVES_MAX, Path, Tree};
use crate::seq_set::SeqSet;

/// One batch that is held: its id, and its size, so that windows and rates are kept without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerEntry {
    /// The hash of the canonical bytes.
    pub id: BatchId,
    /// The bytes of the batch under lz4, as it travels.
    pub size_bytes: u32,
    /// The canonical bytes.
    pub raw_bytes: u32,
}

/// What a node holds of one segment, whole: at most about 3 MiB, for 65,536 batches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    held: SeqSet,
    /// Holds the ids: they are kept once.
    tree: Tree,
    /// The sizes (as it travels, canonical) of each sixteen neighbours, packed as the tree packs their ids.
    sizes: BTreeMap<u16, Vec<(u32, u32)>>,
    totals: Sizes,
}

impl Ledger {
    /// Returns the ledger of nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the ledger of `entries`. Of two entries with one seq the first counts; seqs from [`LEAVES_MAX`] on are left out.
    pub fn load(entries: impl IntoIterator<Item = (u32, LedgerEntry)>) -> Self {
        let mut sorted = BTreeMap::new();
        for (seq, entry) in entries.into_iter().filter(|(seq, _)| *seq < LEAVES_MAX) {
            sorted.entry(seq).or_insert(entry);
        }
        let tree = Tree::build(sorted.iter().map(|(seq, entry)| (*seq, entry.id)));
        let mut ledger = Self { held: sorted.keys().copied().collect(), tree, ..Self::default() };
        for (seq, entry) in sorted {
            ledger.sizes.entry(group(seq)).or_default().push((entry.size_bytes, entry.raw_bytes));
            ledger.totals.add(entry);
        }
        ledger
    }

    /// Adds what is held now. What is there already stays, also where `entry` has another id: who brings that has a damaged batch
    /// or has one himself.
    pub fn insert(&mut self, seq: u32, entry: LedgerEntry) -> Inserted {
        if seq >= LEAVES_MAX {
            return Inserted::Beyond;
        }
        if let Some(id) = self.tree.id(seq) {
            return if id == entry.id { Inserted::Same } else { Inserted::Different };
        }
        let at = self.tree.rank(seq);
        self.sizes.entry(group(seq)).or_default().insert(at, (entry.size_bytes, entry.raw_bytes));
        self.tree.insert(seq, &entry.id);
        self.held.insert(seq);
        self.totals.add(entry);
        Inserted::New
    }

    /// Takes out what is held no longer (damaged, quarantined) and returns it.
    pub fn remove(&mut self, seq: u32) -> Option<LedgerEntry> {
        let entry = self.entry(seq)?;
        let at = self.tree.rank(seq);
        if let Some(sizes) = self.sizes.get_mut(&group(seq)) {
            sizes.remove(at);
            if sizes.is_empty() {
                self.sizes.remove(&group(seq));
            }
        }
        self.tree.remove(seq);
        self.held.remove(seq);
        self.totals.subtract(entry);
        Some(entry)
    }

    /// Returns the seqs that are held.
    pub fn held(&self) -> &SeqSet {
        &self.held
    }

    /// Returns the root of the Merkle tree. Two ledgers are equal if their roots are.
    pub fn root(&self) -> Digest {
        self.tree.root()
    }

    /// Returns the children of a node of the Merkle tree (see [`Tree::children`]).
    pub fn children(&self, path: Path) -> Vec<(u8, Digest)> {
        self.tree.children(path)
    }

    /// Returns the entry of the batch `seq`.
    pub fn entry(&self, seq: u32) -> Option<LedgerEntry> {
        let id = self.tree.id(seq)?;
        let (size_bytes, raw_bytes) = *self.sizes.get(&group(seq))?.get(self.tree.rank(seq))?;
        Some(LedgerEntry { id, size_bytes, raw_bytes })
    }

    /// Returns all entries, in order.
    pub fn entries(&self) -> impl Iterator<Item = (u32, LedgerEntry)> {
        let sizes = self.sizes.values().flatten();
        self.tree.iter().zip(sizes).map(|((seq, id), (size_bytes, raw_bytes))| {
            (seq, LedgerEntry { id, size_bytes: *size_bytes, raw_bytes: *raw_bytes })
        })
    }

    /// Returns how much is held.
    pub fn totals(&self) -> Sizes {
        self.totals
    }

    /// Returns how much is held of `seqs`. As quick for nearly all that is held as for a little of it.
    pub fn sizes(&self, seqs: &SeqSet) -> Sizes {
        let asked = seqs.intersection(&self.held);
        if asked.len() * 2 <= self.held.len() {
            return self.sum(&asked);
        }
        let others = self.sum(&self.held.difference(&asked));
        Sizes {
            batches: self.totals.batches - others.batches,
            size_bytes: self.totals.size_bytes - others.size_bytes,
            raw_bytes: self.totals.raw_bytes - others.raw_bytes,
        }
    }

    /// Sums up what is held, all of it.
    fn sum(&self, held: &SeqSet) -> Sizes {
        let mut sizes = Sizes::default();
        for range in held.ranges() {
            let groups = self.sizes.range(group(range.start)..).flat_map(|(_, sizes)| sizes);
            let before = self.tree.rank(range.start);
            let count = (range.end - range.start) as usize;
            for (size_bytes, raw_bytes) in groups.skip(before).take(count) {
                sizes.batches += 1;
                sizes.size_bytes += u64::from(*size_bytes);
                sizes.raw_bytes += u64::from(*raw_bytes);
            }
        }
        sizes
    }

    /// Returns the first of `seqs` that are held and together have at most `size_bytes_max` as they travel; at least one, if any
    /// is held, so that a batch larger than a window is not stuck forever.
    pub fn first_within(&self, seqs: &SeqSet, size_bytes_max: u64) -> SeqSet {
        let mut sum = 0;
        let entries = seqs.iter().take_while(|seq| *seq < LEAVES_MAX).filter_map(|seq| Some((seq, self.entry(seq)?)));
        let fitting = entries.enumerate().take_while(|(at, (_, entry))| {
            sum += u64::from(entry.size_bytes);
            *at == 0 || sum <= size_bytes_max
        });
        fitting.map(|(_, (seq, _))| seq).collect()
    }

    /// Returns what stays in memory of a quiet segment.
    pub fn summary(&self) -> LedgerSummary {
        LedgerSummary { held: self.held.clone(), root: self.root(), totals: self.totals }
    }
}

/// What stays in memory of a quiet segment: some hundred bytes, for up to 256 MiB of logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerSummary {
    /// What is held.
    pub held: SeqSet,
    /// The root of the Merkle tree.
    pub root: Digest,
    /// How much is held.
    pub totals: Sizes,
}

/// A ledger that is cooled when its segment is quiet and warmed again by loading its entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shelved {
    /// All entries are in memory.
    Warm(Box<Ledger>),
    /// Only the summary is.
    Cold(LedgerSummary),
}

impl Shelved {
    /// Returns the seqs that are held.
    pub fn held(&self) -> &SeqSet {
        match self {
            Self::Warm(ledger) => ledger.held(),
            Self::Cold(summary) => &summary.held,
        }
    }

    /// Returns the root of the Merkle tree.
    pub fn root(&self) -> Digest {
        match self {
            Self::Warm(ledger) => ledger.root(),
            Self::Cold(summary) => summary.root,
        }
    }

    /// Returns how much is held.
    pub fn totals(&self) -> Sizes {
        match self {
            Self::Warm(ledger) => ledger.totals(),
            Self::Cold(summary) => summary.totals,
        }
    }

    /// Returns the whole ledger, if it is in memory.
    pub fn warm(&self) -> Option<&Ledger> {
        match self {
            Self::Warm(ledger) => Some(ledger),
            Self::Cold(_) => None,
        }
    }

    /// Returns the whole ledger to be changed, if it is in memory.
    pub fn warm_mut(&mut self) -> Option<&mut Ledger> {
        match self {
            Self::Warm(ledger) => Some(ledger),
            Self::Cold(_) => None,
        }
    }

    /// Lets go of the entries.
    pub fn cool(&mut self) {
        if let Self::Warm(ledger) = self {
            *self = Self::Cold(ledger.summary());
        }
    }
}

/// What became of an entry that was to be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inserted {
    /// It is there now and was not before.
    New,
    /// It was there.
    Same,
    /// Another batch is there, and stays: one of the two is damaged.
    Different,
    /// The seq is [`LEAVES_MAX`] or more: no segment has it.
    Beyond,
}

/// How much some batches are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sizes {
    /// How many.
    pub batches: u64,
    /// Their bytes under lz4, as they travel.
    pub size_bytes: u64,
    /// Their canonical bytes.
    pub raw_bytes: u64,
}

impl Sizes {
    fn add(&mut self, entry: LedgerEntry) {
        self.batches += 1;
        self.size_bytes += u64::from(entry.size_bytes);
        self.raw_bytes += u64::from(entry.raw_bytes);
    }

    fn subtract(&mut self, entry: LedgerEntry) {
        self.batches -= 1;
        self.size_bytes -= u64::from(entry.size_bytes);
        self.raw_bytes -= u64::from(entry.raw_bytes);
    }
}

fn group(seq: u32) -> u16 {
    (seq / 16) as u16
}

#[cfg(test)]
mod tests {
    use proptest::collection::{btree_set, vec};
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    use super::*;

    fn entry(seed: u32) -> LedgerEntry {
        LedgerEntry { id: BatchId::of(&seed.to_le_bytes()), size_bytes: seed % 100 + 1, raw_bytes: 3 * seed }
    }

    proptest! {
        #[test]
        fn it_does_what_a_map_does(history in vec((0u32..70, 0u32..3, any::<bool>()), 0..90), asked in btree_set(0u32..70, 0..30)) {
            let (mut ledger, mut model) = (Ledger::new(), BTreeMap::new());
            for (seq, seed, removes) in history {
                if removes {
                    prop_assert_eq!(ledger.remove(seq), model.remove(&seq));
                    continue;
                }
                let inserted = match model.get(&seq) {
                    None => Inserted::New,
                    Some(known) if *known == entry(seed) => Inserted::Same,
                    Some(_) => Inserted::Different,
                };
                prop_assert_eq!(ledger.insert(seq, entry(seed)), inserted);
                model.entry(seq).or_insert(entry(seed));
                prop_assert_eq!(ledger.entry(seq), model.get(&seq).copied());
            }
            prop_assert_eq!(ledger.entries().collect::<BTreeMap<_, _>>(), model.clone());
            prop_assert_eq!(ledger.held(), &model.keys().copied().collect::<SeqSet>());
            let asked: SeqSet = asked.into_iter().collect();
            let sum = |of: fn(&LedgerEntry) -> u32| {
                model.iter().filter(|(seq, _)| asked.contains(**seq)).map(|(_, entry)| u64::from(of(entry))).sum::<u64>()
            };
            let batches = asked.intersection(ledger.held()).len();
            let sizes = Sizes { batches, size_bytes: sum(|entry| entry.size_bytes), raw_bytes: sum(|entry| entry.raw_bytes) };
            prop_assert_eq!(ledger.sizes(&asked), sizes);
            prop_assert_eq!(ledger.sizes(ledger.held()), ledger.totals());
            prop_assert_eq!(Ledger::load(model), ledger);
        }

        #[test]
        fn the_first_that_fit_a_window_fill_it(seeds in vec(0u32..1000, 0..40), bytes_max in 0u64..600) {
            let ledger = Ledger::load((0..).zip(seeds.iter().map(|seed| entry(*seed))));
            let first = ledger.first_within(ledger.held(), bytes_max);
            prop_assert_eq!(&first, &SeqSet::from_range(0..first.end()));
            prop_assert!(first.len() <= 1 || ledger.sizes(&first).size_bytes <= bytes_max);
            let more = SeqSet::from_range(0..first.end() + 1);
            prop_assert!(first == *ledger.held() || ledger.sizes(&more).size_bytes > bytes_max);
            prop_assert!(first.is_empty() == ledger.held().is_empty());
        }
    }

    #[test]
    fn a_cooled_ledger_tells_the_same() {
        let mut shelved = Shelved::Warm(Box::new(Ledger::load((0..100).map(|seq| (seq, entry(seq))))));
        let told = (shelved.held().clone(), shelved.root(), shelved.totals());
        shelved.cool();
        assert_eq!((shelved.held().clone(), shelved.root(), shelved.totals()), told);
        assert!(shelved.warm().is_none() && shelved.warm_mut().is_none());
    }

    #[test]
    fn seqs_beyond_the_bound_are_refused() {
        let mut ledger = Ledger::new();
        assert_eq!(ledger.insert(LEAVES_MAX, entry(1)), Inserted::Beyond);
        assert_eq!((ledger.entry(u32::MAX), ledger.remove(LEAVES_MAX)), (None, None));
        assert_eq!(Ledger::load([(LEAVES_MAX, entry(1))]), Ledger::new());
        assert!(ledger.first_within(&SeqSet::from_range(0..u32::MAX), 1).is_empty());
    }
}
