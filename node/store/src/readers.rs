//! Who reads, and what may go only when they are done.
//!
//! A snapshot keeps deleted keys readable, but a deleted file is gone. So the files of an extent that was dropped or replaced
//! wait here until every reader that could still see the extent has finished.

use std::collections::{BTreeMap, VecDeque};

use parking_lot::Mutex;

use crate::keys::Place;

/// The readers of a store.
#[derive(Default)]
pub(crate) struct Readers {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    era: u64,
    reading: BTreeMap<u64, usize>,
    retired: VecDeque<(u64, Place)>,
}

impl Readers {
    /// Enters a reader. What it returns goes back to [`Readers::leave`].
    pub(crate) fn enter(&self) -> u64 {
        let mut state = self.state.lock();
        let era = state.era;
        *state.reading.entry(era).or_default() += 1;
        era
    }

    /// Ends a reader. Returns the extents that nobody can see any more.
    pub(crate) fn leave(&self, era: u64) -> Vec<Place> {
        let mut state = self.state.lock();
        if let Some(count) = state.reading.get_mut(&era) {
            *count -= 1;
            if *count == 0 {
                state.reading.remove(&era);
            }
        }
        state.unseen()
    }

    /// Takes extents that no new reader can see. Returns those that nobody can see any more.
    pub(crate) fn retire(&self, extents: impl IntoIterator<Item = Place>) -> Vec<Place> {
        let mut state = self.state.lock();
        let era = state.era;
        state.retired.extend(extents.into_iter().map(|place| (era, place)));
        state.era += 1;
        state.unseen()
    }
}

impl State {
    fn unseen(&mut self) -> Vec<Place> {
        let oldest = self.reading.keys().next().copied().unwrap_or(u64::MAX);
        let count = self.retired.iter().take_while(|(era, _)| *era < oldest).count();
        self.retired.drain(..count).map(|(_, place)| place).collect()
    }
}

#[cfg(test)]
mod tests {
    use logmesh_protocol::id::{Boot, JournalId, NodeId};
    use logmesh_protocol::segment::{ExtentId, SegmentId, Window};

    use super::*;
    use crate::keys::Family;

    fn extent(from: u32) -> Place {
        let journal = JournalId { node: NodeId::from_bytes([1; 32]), boot: Boot::from_bytes([2; 16]) };
        let id = ExtentId { segment: SegmentId { window: Window(3), journal, part: 0 }, from, to: from + 1 };
        Place { id, generation: 7, family: Family::Blocks }
    }

    #[test]
    fn a_file_goes_when_the_last_reader_that_saw_it_is_done() {
        let readers = Readers::default();
        let (first, second) = (readers.enter(), readers.enter());
        assert_eq!(readers.retire([extent(0)]), []);
        let later = readers.enter();
        assert_eq!(readers.retire([extent(1)]), []);
        assert_eq!(readers.leave(first), []);
        assert_eq!(readers.leave(second), [extent(0)]);
        assert_eq!(readers.leave(later), [extent(1)]);
        assert_eq!(readers.retire([extent(2)]), [extent(2)]);
    }
}
