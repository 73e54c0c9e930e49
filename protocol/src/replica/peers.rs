//! All others, in order of their ids. Most of a large mesh tells something new every few seconds, so that all are walked over each
//! second: they lie in arrays, and beginnings of ids are compared before whole ids are.

use super::members::PeerState;
use crate::id::NodeId;

/// What is known of each other node.
#[derive(Debug, Default)]
pub(super) struct Peers {
    /// The first bytes of the ids, then the ids, then what is known. Equally long, equally ordered.
    beginnings: Vec<u64>,
    ids: Vec<NodeId>,
    states: Vec<PeerState>,
}

impl Peers {
    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    pub(super) fn contains(&self, node: NodeId) -> bool {
        self.find(node).is_ok()
    }

    pub(super) fn get(&self, node: NodeId) -> Option<&PeerState> {
        self.find(node).ok().map(|at| &self.states[at])
    }

    pub(super) fn get_mut(&mut self, node: NodeId) -> Option<&mut PeerState> {
        self.find(node).ok().map(|at| &mut self.states[at])
    }

    /// Returns a node's state, and adds it first if there is none.
    pub(super) fn entry(&mut self, node: NodeId, fresh: impl FnOnce() -> PeerState) -> &mut PeerState {
        let at = self.find(node).unwrap_or_else(|at| {
            self.beginnings.insert(at, beginning(node));
            self.ids.insert(at, node);
            self.states.insert(at, fresh());
            at
        });
        &mut self.states[at]
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (NodeId, &PeerState)> {
        self.ids.iter().copied().zip(&self.states)
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &PeerState> {
        self.states.iter()
    }

    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut PeerState> {
        self.states.iter_mut()
    }

    /// Returns all from the first that comes after a node on, and then those before.
    pub(super) fn after(&self, node: Option<NodeId>) -> impl Iterator<Item = (NodeId, &PeerState)> {
        let from = node.map_or(0, |node| self.find(node).map_or_else(|at| at, |at| at + 1));
        (from..self.len()).chain(0..from).map(|at| (self.ids[at], &self.states[at]))
    }

    /// Forgets those who are not to be kept.
    pub(super) fn retain(&mut self, mut is_kept: impl FnMut(NodeId, &mut PeerState) -> bool) {
        let kept: Vec<bool> =
            self.ids.iter().zip(&mut self.states).map(|(node, state)| is_kept(*node, state)).collect();
        if kept.iter().all(|is_kept| *is_kept) {
            return;
        }
        retain(&mut self.beginnings, &kept);
        retain(&mut self.ids, &kept);
        retain(&mut self.states, &kept);
    }

    /// Begins a walk in order.
    pub(super) fn walk(&mut self) -> Walk<'_> {
        Walk { peers: self, at: 0 }
    }

    /// Returns where a node is, or where it would be.
    fn find(&self, node: NodeId) -> Result<usize, usize> {
        let beginning = beginning(node);
        let at = self.beginnings.partition_point(|other| *other < beginning);
        self.find_from(at, node, beginning)
    }

    /// As [`Self::find`], where all before `at` are known to come before it.
    fn find_from(&self, mut at: usize, node: NodeId, beginning: u64) -> Result<usize, usize> {
        while self.beginnings.get(at).is_some_and(|other| *other < beginning) {
            at += 1;
        }
        while self.beginnings.get(at) == Some(&beginning) && self.ids[at] < node {
            at += 1;
        }
        if self.ids.get(at) == Some(&node) { Ok(at) } else { Err(at) }
    }
}

/// A walk over all in order.
pub(super) struct Walk<'a> {
    peers: &'a mut Peers,
    at: usize,
}

impl Walk<'_> {
    /// Goes on to a node, and returns its state. Nodes are to be asked for in order.
    pub(super) fn to(&mut self, node: NodeId) -> Option<&mut PeerState> {
        let found = self.peers.find_from(self.at, node, beginning(node));
        self.at = found.unwrap_or_else(|at| at);
        found.ok().map(|at| &mut self.peers.states[at])
    }
}

fn retain<T>(list: &mut Vec<T>, kept: &[bool]) {
    let mut kept = kept.iter();
    list.retain(|_| kept.next() == Some(&true));
}

fn beginning(node: NodeId) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = *node.as_bytes();
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::collection::vec;
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

    use super::*;
    use crate::time::Instant;

    /// Some of these begin alike.
    fn node(number: u8) -> NodeId {
        let mut key = [0; 32];
        (key[0], key[31]) = (number / 8, number);
        NodeId::from_bytes(key)
    }

    fn state(number: u64) -> PeerState {
        PeerState::unseen(Instant::from_nanos(number))
    }

    proptest! {
        #[test]
        fn they_do_what_a_map_does(added in vec((0u8..40, 0u64..9), 0..60), kept in 1u64..9, asked in 0u8..40) {
            let (mut peers, mut model) = (Peers::default(), BTreeMap::new());
            for (number, since) in added {
                peers.entry(node(number), || state(since));
                model.entry(node(number)).or_insert(since);
            }
            peers.retain(|_, state| state.since < Instant::from_nanos(kept));
            model.retain(|_, since| *since < kept);
            let as_model = |(node, state): (NodeId, &PeerState)| (node, state.since);
            let expected: Vec<_> = model.iter().map(|(node, since)| (*node, Instant::from_nanos(*since))).collect();
            prop_assert_eq!(peers.iter().map(as_model).collect::<Vec<_>>(), expected.clone());
            prop_assert_eq!(peers.len(), model.len());
            let asked = node(asked);
            let known = model.get(&asked).map(|since| Instant::from_nanos(*since));
            prop_assert_eq!(peers.get(asked).map(|state| state.since), known);
            prop_assert_eq!(peers.get_mut(asked).map(|state| state.since), known);
            prop_assert_eq!(peers.contains(asked), known.is_some());
            let (before, after): (Vec<_>, Vec<_>) = expected.iter().copied().partition(|(node, _)| *node <= asked);
            prop_assert_eq!(peers.after(Some(asked)).map(as_model).collect::<Vec<_>>(), [after, before].concat());
            prop_assert_eq!(peers.after(None).map(as_model).collect::<Vec<_>>(), expected.clone());
            let mut walk = peers.walk();
            for number in (0..40).step_by(3) {
                let known = model.get(&node(number)).map(|since| Instant::from_nanos(*since));
                prop_assert_eq!(walk.to(node(number)).map(|state| state.since), known);
            }
            prop_assert!(peers.values().map(|state| state.since).eq(expected.iter().map(|(_, since)| *since)));
        }
    }
}
