//! Who should hold a segment: its origin, then the others by weighted rendezvous hashing, spread over zones.
//!
//! Equal members give equal orders on every platform: integers only, no state, no clock. Liveness never enters here;
//! a member that is merely away keeps its place.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use crate::id::NodeId;
use crate::segment::SegmentId;

/// A member that has a place in the orders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The member.
    pub node: NodeId,
    /// What is hashed in its name: its own id, or that of the node whose place it has taken over.
    pub place_key: NodeId,
    /// The departed nodes whose places it has taken over, in order; usually none.
    pub replaced: Vec<NodeId>,
    /// Its failure domain.
    pub zone: String,
    /// Its share, relative to the others. With 0 it holds nothing but what it accepts itself.
    pub weight: u8,
}

/// Returns all who may hold `segment`, the first first: the origin (or who has taken over its place), then the others by score, a
/// zone not yet used before one that is. Members that weigh nothing are left out unless they are the origin. The order of
/// `members` has no influence. Hashes once per member and eight of its weight: for a thousand members keep the result.
pub fn order(segment: &SegmentId, members: &[Place]) -> Vec<NodeId> {
    let first = first(segment.origin(), members);
    let seed = *blake3::keyed_hash(PLACE_KEY, &segment.to_bytes()).as_bytes();
    let mut rest: Vec<_> = members
        .iter()
        .filter(|place| place.weight > 0 && Some(place.node) != first.map(|first| first.node))
        .map(|place| (Reverse(score(&seed, place)), place.place_key, place.node, place.zone.as_str()))
        .collect();
    rest.sort_unstable();
    let mut used: BTreeSet<&str> = first.iter().map(|place| place.zone.as_str()).collect();
    let (spread, others): (Vec<_>, Vec<_>) = rest.into_iter().partition(|(_, _, _, zone)| used.insert(zone));
    let others = spread.into_iter().chain(others).map(|(_, _, node, _)| node);
    first.map(|place| place.node).into_iter().chain(others).collect()
}

/// Returns the nodes that should hold `segment`: the first `copies` of its order.
pub fn holders(segment: &SegmentId, members: &[Place], copies: u8) -> Vec<NodeId> {
    let mut order = order(segment, members);
    order.truncate(usize::from(copies));
    order
}

/// Returns who comes first: the origin, else who has taken over its place.
fn first(origin: NodeId, members: &[Place]) -> Option<&Place> {
    let rank = |place: &&Place| match place {
        place if place.node == origin => Some(0),
        place if place.place_key == origin => Some(1),
        place if place.replaced.contains(&origin) => Some(2),
        _ => None,
    };
    let ranked = members.iter().filter_map(|place| Some((rank(&place)?, place.node, place)));
    ranked.min_by_key(|(rank, node, _)| (*rank, *node)).map(|(_, _, place)| place)
}

/// Returns the greatest of `weight` hashes of the segment and the member: one input block, and output blocks of eight hashes. A
/// greater weight only adds hashes, so it draws segments to this member and moves none between others.
fn score(seed: &[u8; 32], place: &Place) -> u64 {
    let mut hasher = blake3::Hasher::new_keyed(seed);
    hasher.update(place.place_key.as_bytes());
    let mut output = hasher.finalize_xof();
    let mut best = 0;
    let mut block = [0; 64];
    for from in (0..usize::from(place.weight)).step_by(8) {
        output.fill(&mut block);
        let hashes = block.chunks_exact(8).map(|hash| u64::from_le_bytes(hash.try_into().expect("8 bytes")));
        best = hashes.take(usize::from(place.weight) - from).fold(best, u64::max);
    }
    best
}

const PLACE_KEY: &[u8; 32] = b"logmesh placement, version 1....";

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::collection::vec;
    use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, proptest};
    use proptest::sample::Index;

    use super::*;
    use crate::id::{Boot, JournalId};
    use crate::segment::Window;

    fn node(number: u16) -> NodeId {
        let mut key = [0; 32];
        key[..2].copy_from_slice(&number.to_be_bytes());
        NodeId::from_bytes(key)
    }

    fn segment(origin: u16, number: u32) -> SegmentId {
        let journal = JournalId { node: node(origin), boot: Boot::from_bytes([1; 16]) };
        SegmentId { window: Window(number), journal, part: 0 }
    }

    fn place(number: u16, zone: u16, weight: u8) -> Place {
        let (node, zone) = (node(number), format!("zone-{zone}"));
        Place { node, place_key: node, replaced: Vec::new(), zone, weight }
    }

    fn places(count: u16, zones: u16) -> Vec<Place> {
        (0..count).map(|number| place(number, number % zones, 1)).collect()
    }

    fn members() -> impl Strategy<Value = Vec<Place>> {
        let member = |(number, (zone, weight))| place(number as u16, zone, weight);
        vec((0u16..4, 0u8..4), 1..12).prop_map(move |of| of.into_iter().enumerate().map(member).collect())
    }

    /// How often each of `members` holds one of `segments` segments, the origins in turn.
    fn shares(members: &[Place], segments: u32, copies: u8) -> BTreeMap<NodeId, u32> {
        let mut shares = BTreeMap::new();
        for number in 0..segments {
            let segment = segment((number % members.len() as u32) as u16, number);
            holders(&segment, members, copies).into_iter().for_each(|node| *shares.entry(node).or_default() += 1);
        }
        shares
    }

    fn max_over_mean(shares: &BTreeMap<NodeId, u32>) -> f64 {
        let max = f64::from(*shares.values().max().unwrap());
        max * shares.len() as f64 / f64::from(shares.values().sum::<u32>())
    }

    proptest! {
        #[test]
        fn equal_members_in_any_order_give_equal_orders(members in members(), by: Index, origin in 0u16..14, window: u32) {
            let mut turned = members.clone();
            turned.rotate_left(by.index(members.len()));
            turned.reverse();
            prop_assert_eq!(order(&segment(origin, window), &members), order(&segment(origin, window), &turned));
        }

        #[test]
        fn the_origin_is_first_and_all_that_weigh_follow_once(members in members(), origin in 0u16..14, window: u32) {
            let order = order(&segment(origin, window), &members);
            let may_hold = |place: &&Place| place.weight > 0 || place.node == node(origin);
            let expected: BTreeSet<NodeId> = members.iter().filter(may_hold).map(|place| place.node).collect();
            prop_assert_eq!(order.len(), expected.len());
            prop_assert!(usize::from(origin) >= members.len() || order[0] == node(origin));
            prop_assert_eq!(order.into_iter().collect::<BTreeSet<_>>(), expected);
        }

        #[test]
        fn whoever_leaves_is_followed_by_one_and_whoever_joins_takes_only_for_itself(
            members in members(), gone: Index, origin in 0u16..14, window: u32, copies in 1u8..6
        ) {
            let mut fewer = members.clone();
            let gone = fewer.remove(gone.index(members.len())).node;
            let holders = |of: &[Place]| holders(&segment(origin, window), of, copies).into_iter().collect::<BTreeSet<_>>();
            let (with, without) = (holders(&members), holders(&fewer));
            // Read from left to right gone has left, from right to left it has joined.
            prop_assert!(with.difference(&without).all(|node| *node == gone));
            prop_assert!(without.difference(&with).count() <= usize::from(with.contains(&gone)));
        }

        #[test]
        fn holders_lie_in_as_many_zones_as_there_are(members in members(), origin in 0u16..14, window: u32, copies in 1u8..6) {
            let zone_of = |node: &NodeId| &members.iter().find(|place| place.node == *node).unwrap().zone;
            let zones = |nodes: &[NodeId]| nodes.iter().map(zone_of).collect::<BTreeSet<_>>().len();
            let order = order(&segment(origin, window), &members);
            let within = order.len().min(usize::from(copies));
            prop_assert_eq!(zones(&order[..within]), zones(&order).min(within));
        }

        #[test]
        fn a_greater_weight_only_draws(members in members(), by: Index, origin in 0u16..14, window: u32, more in any::<u8>()) {
            let mut heavier = members.clone();
            let heavy = &mut heavier[by.index(members.len())];
            heavy.weight = heavy.weight.saturating_add(more);
            let heavy = heavy.node;
            let holders = |of: &[Place]| holders(&segment(origin, window), of, 3).into_iter().collect::<BTreeSet<_>>();
            prop_assert!(holders(&heavier).difference(&holders(&members)).all(|node| *node == heavy));
        }

        #[test]
        fn a_replacement_moves_nothing_else(count in 2u16..9, zones in 1u16..4, lost: Index, origin: Index, window: u32) {
            let (lost, origin) = (lost.index(usize::from(count)) as u16, origin.index(usize::from(count)) as u16);
            let before = places(count, zones);
            let mut after = before.clone();
            after[usize::from(lost)].node = node(99);
            let renamed = |order: Vec<NodeId>| order.into_iter().map(|of| if of == node(lost) { node(99) } else { of }).collect::<Vec<_>>();
            prop_assert_eq!(renamed(order(&segment(origin, window), &before)), order(&segment(origin, window), &after));
            // The replacement is lost in turn; its own segments go to the next in its place too.
            after[usize::from(lost)].replaced = vec![node(99), node(lost)];
            after[usize::from(lost)].node = node(100);
            prop_assert_eq!(order(&segment(99, window), &after)[0], node(100));
        }
    }

    #[test]
    fn the_orders_of_version_one_stay_as_they_are() {
        let order: Vec<u8> = order(&segment(3, 7), &places(10, 3)).iter().map(|node| node.as_bytes()[1]).collect();
        assert_eq!(order, [3, 8, 4, 9, 5, 2, 6, 0, 7, 1]);
    }

    #[test]
    fn shares_are_even() {
        for (nodes, zones, max) in [(5, 1, 1.005), (30, 3, 1.02)] {
            let ratio = max_over_mean(&shares(&places(nodes, zones), 120_000, 3));
            println!("{nodes} nodes in {zones} zones: max/mean {ratio:.4}");
            assert!(ratio < max, "{nodes} nodes in {zones} zones: max/mean {ratio}");
        }
    }

    #[test]
    fn shares_follow_weights() {
        // Origins come first whatever they weigh, so the origin here is none of them, and one copy shows the hash alone.
        let members: Vec<_> = (0..6).map(|number| place(number, 0, [1, 2, 4][usize::from(number % 3)])).collect();
        let mut shares = BTreeMap::<NodeId, f64>::new();
        for number in 0..42_000 {
            *shares.entry(holders(&segment(99, number), &members, 1)[0]).or_default() += 1.0;
        }
        for place in &members {
            let expected = 3_000.0 * f64::from(place.weight);
            let share = shares[&place.node] / expected;
            assert!((0.95..1.05).contains(&share), "weight {}: {share} of its share", place.weight);
        }
    }
}
