//! The batches of one segment on a disk, each in the place of its number: they come one after the other.

use std::ops::Range;

use super::Kept;

/// The batches that are there.
#[derive(Clone, Debug, Default)]
pub(super) struct Batches(Vec<Option<Kept>>);

impl Batches {
    pub(super) fn get(&self, seq: u32) -> Option<&Kept> {
        self.0.get(seq as usize)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, seq: u32) -> Option<&mut Kept> {
        self.0.get_mut(seq as usize)?.as_mut()
    }

    /// Puts a batch in its place unless there is one; returns what is there, and whether it is new.
    pub(super) fn put(&mut self, seq: u32, kept: Kept) -> (Kept, bool) {
        let at = seq as usize;
        if self.0.len() <= at {
            self.0.resize(at + 1, None);
        }
        let is_new = self.0[at].is_none();
        (*self.0[at].get_or_insert(kept), is_new)
    }

    pub(super) fn remove(&mut self, seq: u32) -> Option<Kept> {
        self.0.get_mut(seq as usize)?.take()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &Kept)> {
        self.range(0..u32::MAX)
    }

    /// Returns those with these numbers.
    pub(super) fn range(&self, range: Range<u32>) -> impl Iterator<Item = (u32, &Kept)> {
        let end = (range.end as usize).min(self.0.len());
        let within = self.0.get(range.start as usize..end).unwrap_or_default();
        (range.start..).zip(within).filter_map(|(seq, kept)| Some((seq, kept.as_ref()?)))
    }
}
