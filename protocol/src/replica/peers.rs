//! All others, in order of their ids. Most of a large mesh tells something new every few seconds, so that all are walked over each
//! second, and whoever sends something is looked for: they lie in arrays, found by walking over the beginnings of ids, or by a hash.

use super::members::PeerState;
use crate::id::NodeId;

/// What is known of each other node.
#[derive(Debug, Default)]
pub(super) struct Peers {
    /// The first bytes of each id, in order.
    beginnings: Vec<u64>,
    /// The same nodes.
    peers: Vec<(NodeId, PeerState)>,
    /// Where each is, by a hash of its beginning; then in the next free place. Less than half of the places are taken.
    places: Vec<u32>,
}

impl Peers {
    pub(super) fn len(&self) -> usize {
        self.peers.len()
    }

    pub(super) fn contains(&self, node: NodeId) -> bool {
        self.find(node).is_some()
    }

    pub(super) fn get(&self, node: NodeId) -> Option<&PeerState> {
        self.find(node).map(|at| &self.peers[at].1)
    }

    pub(super) fn get_mut(&mut self, node: NodeId) -> Option<&mut PeerState> {
        self.find(node).map(|at| &mut self.peers[at].1)
    }

    /// Returns a node's state, and adds it first if there is none.
    pub(super) fn entry(&mut self, node: NodeId, fresh: impl FnOnce() -> PeerState) -> &mut PeerState {
        let at = self.find(node).unwrap_or_else(|| {
            let at = self.peers.partition_point(|(other, _)| *other < node);
            self.beginnings.insert(at, beginning(node));
            self.peers.insert(at, (node, fresh()));
            if at + 1 == self.peers.len() && self.places.len() > 2 * self.peers.len() {
                self.place(at);
            } else {
                self.place_all();
            }
            at
        });
        &mut self.peers[at].1
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (NodeId, &PeerState)> {
        self.peers.iter().map(|(node, state)| (*node, state))
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &PeerState> {
        self.peers.iter().map(|(_, state)| state)
    }

    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut PeerState> {
        self.peers.iter_mut().map(|(_, state)| state)
    }

    /// Returns all from the first that comes after a node on, and then those before.
    pub(super) fn after(&self, node: Option<NodeId>) -> impl Iterator<Item = (NodeId, &PeerState)> {
        let from = self.peers.partition_point(|(other, _)| Some(*other) <= node);
        let (before, after) = self.peers.split_at(from);
        after.iter().chain(before).map(|(node, state)| (*node, state))
    }

    /// Forgets those who are not to be kept.
    pub(super) fn retain(&mut self, mut is_kept: impl FnMut(NodeId, &mut PeerState) -> bool) {
        let before = self.len();
        self.peers.retain_mut(|(node, state)| is_kept(*node, state));
        if self.len() < before {
            self.beginnings.clear();
            self.beginnings.extend(self.peers.iter().map(|(node, _)| beginning(*node)));
            self.place_all();
        }
    }

    /// Returns where each of some nodes is, which are in order, or who comes after it, or begins alike: only beginnings are looked at.
    pub(super) fn seek_all(&self, nodes: impl Iterator<Item = NodeId>) -> Vec<usize> {
        let mut at = 0;
        let seek = |node: NodeId| {
            let beginning = beginning(node);
            at += self.beginnings[at..].iter().take_while(|other| **other < beginning).count();
            at
        };
        nodes.map(seek).collect()
    }

    pub(super) fn at(&self, at: usize) -> Option<(NodeId, &PeerState)> {
        self.peers.get(at).map(|(node, state)| (*node, state))
    }

    pub(super) fn at_mut(&mut self, at: usize) -> Option<&mut PeerState> {
        self.peers.get_mut(at).map(|(_, state)| state)
    }

    fn find(&self, node: NodeId) -> Option<usize> {
        let mut place = self.first_place(beginning(node));
        loop {
            let at = *self.places.get(place)?;
            match self.peers.get(at as usize) {
                None => return None,
                Some((other, _)) if *other == node => return Some(at as usize),
                Some(_) => place = (place + 1) % self.places.len(),
            }
        }
    }

    fn place(&mut self, at: usize) {
        let mut place = self.first_place(self.beginnings[at]);
        while self.places[place] != FREE {
            place = (place + 1) % self.places.len();
        }
        self.places[place] = u32::try_from(at).expect("there are fewer than 2^32 peers");
    }

    fn place_all(&mut self) {
        self.places.clear();
        self.places.resize((4 * self.peers.len()).next_power_of_two(), FREE);
        (0..self.peers.len()).for_each(|at| self.place(at));
    }

    /// Returns where to look first: ids are random, so their beginnings need little mixing.
    fn first_place(&self, beginning: u64) -> usize {
        let bits = self.places.len().checked_ilog2().unwrap_or(0);
        let hash = beginning.wrapping_mul(GOLDEN);
        hash.checked_shr(u64::BITS - bits).unwrap_or(0) as usize
    }
}

fn beginning(node: NodeId) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = *node.as_bytes();
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

/// Nobody has this place.
const FREE: u32 = u32::MAX;
/// 2^64 divided by the golden ratio: Knuth's multiplicative hash.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

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
            let some = || (0..40).step_by(3).map(node);
            let found = peers.seek_all(some());
            for (at, node) in found.into_iter().zip(some()) {
                let expected = model.range(node..).next().map(|(node, since)| (*node, Instant::from_nanos(*since)));
                let is_alike = |other: NodeId| other.as_bytes()[..8] == node.as_bytes()[..8];
                prop_assert!(peers.at(at).map(as_model) == expected || peers.at(at).is_some_and(|(other, _)| is_alike(other)));
                prop_assert_eq!(peers.at_mut(at).map(|state| state.since), peers.at(at).map(|(_, state)| state.since));
            }
            prop_assert!(peers.values().map(|state| state.since).eq(expected.iter().map(|(_, since)| *since)));
        }
    }
}
