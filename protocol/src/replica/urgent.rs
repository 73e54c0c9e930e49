//! With whom to compare out of turn: in a mesh that starts whole, each with all the others.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::NodeId;
use crate::time::Instant;

/// Whose turn it is before its turn, and not before when. At most the members.
#[derive(Debug, Default)]
pub(super) struct Urgent {
    due: BTreeMap<NodeId, Instant>,
    /// The same in order of time.
    order: BTreeSet<(Instant, NodeId)>,
}

/// What is to become of one who is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// It is taken.
    Now,
    /// It waits, and does not hold up the others.
    Later,
    /// It is forgotten.
    Never,
}

impl Urgent {
    /// Puts a node on the list; the earlier of two times counts.
    pub(super) fn add(&mut self, node: NodeId, at: Instant) {
        let known = self.due.get(&node).copied();
        if known.is_none_or(|known| at < known) {
            self.remove(node);
            self.due.insert(node, at);
            self.order.insert((at, node));
        }
    }

    /// Takes a node off the list.
    pub(super) fn remove(&mut self, node: NodeId) {
        if let Some(at) = self.due.remove(&node) {
            self.order.remove(&(at, node));
        }
    }

    /// Takes a node off the list if its turn has come: what was to be done has been done another way.
    pub(super) fn forgo(&mut self, node: NodeId, now: Instant) {
        if self.due.get(&node).is_some_and(|at| *at <= now) {
            self.remove(node);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.due.is_empty()
    }

    /// Takes the longest due whose turn it is; whose turn never comes is taken off on the way.
    pub(super) fn take(&mut self, now: Instant, turn: impl Fn(NodeId) -> Turn) -> Option<NodeId> {
        let mut taken = None;
        let mut gone = Vec::new();
        for (_, node) in self.order.iter().take_while(|(at, _)| *at <= now) {
            match turn(*node) {
                Turn::Now => {
                    taken = Some(*node);
                    break;
                }
                Turn::Later => {}
                Turn::Never => gone.push(*node),
            }
        }
        gone.into_iter().chain(taken).for_each(|node| self.remove(node));
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(number: u8) -> NodeId {
        NodeId::from_bytes([number; 32])
    }

    #[test]
    fn the_longest_due_comes_first_and_nobody_waits_for_who_is_busy_or_gone() {
        let mut urgent = Urgent::default();
        for (number, at) in [(1, 30), (2, 10), (3, 20), (4, 5), (1, 15), (1, 40), (5, 99)] {
            urgent.add(node(number), Instant::from_nanos(at));
        }
        let turn = |who: NodeId| match who {
            who if who == node(4) => Turn::Never,
            who if who == node(2) => Turn::Later,
            _ => Turn::Now,
        };
        let now = Instant::from_nanos(50);
        let taken: Vec<_> = std::iter::from_fn(|| urgent.take(now, turn)).collect();
        assert_eq!(taken, [node(1), node(3)]);
        assert_eq!(urgent.due.keys().copied().collect::<Vec<_>>(), [node(2), node(5)]);
        urgent.forgo(node(5), now);
        urgent.forgo(node(2), now);
        assert_eq!((urgent.due.len(), urgent.order.len(), urgent.is_empty()), (1, 1, false));
    }
}
