//! The one queue of all that is to happen: in order of time, and within one moment in the order in which it was agreed.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// What is to happen, and when. Generic in what, so that it knows nothing of the world.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    /// Time, number, slot.
    heap: BinaryHeap<Reverse<(u64, u64, u32)>>,
    slots: Vec<Option<T>>,
    free: Vec<u32>,
    /// How many were ever added.
    added: u64,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { heap: BinaryHeap::new(), slots: Vec::new(), free: Vec::new(), added: 0 }
    }
}

impl<T> Queue<T> {
    /// Adds what is to happen `at`.
    pub(crate) fn push(&mut self, at: u64, happening: T) {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            u32::try_from(self.slots.len() - 1).expect("fewer than 2^32 things are to happen")
        });
        self.slots[slot as usize] = Some(happening);
        self.heap.push(Reverse((at, self.added, slot)));
        self.added += 1;
    }

    /// Takes what happens next, if it happens by `end`.
    pub(crate) fn pop_by(&mut self, end: u64) -> Option<(u64, T)> {
        let Reverse((at, ..)) = *self.heap.peek()?;
        if at > end {
            return None;
        }
        let Reverse((at, _, slot)) = self.heap.pop()?;
        self.free.push(slot);
        let happening = self.slots[slot as usize].take().expect("a slot in the heap is taken");
        Some((at, happening))
    }

    /// Returns how many were ever added.
    pub(crate) fn added(&self) -> u64 {
        self.added
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_agreed_for_one_moment_happens_in_the_order_of_agreement() {
        let mut queue = Queue::default();
        for (at, what) in [(3, 'd'), (1, 'a'), (2, 'b'), (2, 'c'), (9, 'e')] {
            queue.push(at, what);
        }
        let happened: String = std::iter::from_fn(|| queue.pop_by(3)).map(|(_, what)| what).collect();
        assert_eq!(happened, "abcd");
        assert_eq!(queue.pop_by(9), Some((9, 'e')));
    }
}
