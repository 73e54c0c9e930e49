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
