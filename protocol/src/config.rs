//! The settings of the machine. Those that must be equal everywhere are compared by digest before two nodes speak.

use std::time::Duration;

use crate::id::NodeId;

/// What one [`Replica`](crate::replica::Replica) is told at its start and never again.
#[derive(Clone, Debug)]
pub struct Config {
    /// Mesh-wide: how many nodes should hold each segment, its origin among them.
    pub copies: u8,
    /// Mesh-wide: how long a segment is kept after its window has ended.
    pub retention: Duration,
    /// Mesh-wide: after how long an away holder is stood in for.
    pub standin_after: Duration,
    /// Mesh-wide: after how long an away member may be taken to have departed.
    pub depart_after: Duration,
    /// How long an append waits for the copies it asked for.
    pub ack_timeout: Duration,
    /// How often a repair round begins with the next peer, before jitter.
    pub repair_interval: Duration,
    /// The most bytes that repair (not push) sends in a second.
    pub repair_bytes_per_second: u64,
    /// Batches younger than this are in flight and no difference.
    pub repair_grace: Duration,
    /// The most bytes sent to one peer and not yet held by it.
    pub push_window_bytes: u64,
    /// A batch sent is sent again when the peer has not said that it holds it for this long.
    pub push_retry: Duration,
    /// A tail of this many raw bytes is sealed.
    pub seal_bytes: u64,
    /// A tail to which nothing was added for this long is sealed.
    pub seal_after: Duration,
    /// The canonical bytes after which a segment's next part begins.
    pub segment_bytes_max: u64,
    /// The batches after which a segment's next part begins; 65,536 at most, the leaves of the Merkle tree.
    pub segment_batches_max: u32,
    /// How far wall clocks may lie apart: expiry waits for so much longer and comparisons leave out what is that near.
    pub clock_skew_max: Duration,
    /// How often everything on disk is read again and hashed.
    pub scrub_period: Duration,
    /// How long a clean stop may take to hand over what is owed.
    pub stop_timeout: Duration,
    /// This node's failure domain; empty if there is but one.
    pub zone: String,
    /// This node's share of the data, relative to the others.
    pub weight: u8,
    /// The node whose place in the order this one takes over.
    pub replaces: Option<NodeId>,
    /// What of the machine works. All of it, but for the simulator, which finds by it what one part hides of another.
    pub mechanisms: Mechanisms,
}

/// Parts of the machine that do the same work in different ways, so that one covers for the faults of another. No setting of a node
/// switches any of them off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mechanisms {
    /// New batches go to the holders at once.
    pub push: bool,
    /// Rounds of comparison are begun.
    pub repair: bool,
    /// Others stand in for holders that are away.
    pub standins: bool,
    /// What is held beyond the own share is handed over.
    pub handover: bool,
}

impl Default for Mechanisms {
    fn default() -> Self {
        Self { push: true, repair: true, standins: true, handover: true }
    }
}

impl Default for Config {
    /// The defaults of DESIGN; where it gives none, the comment says where the number comes from.
    fn default() -> Self {
        Self {
            copies: 3,
            retention: Duration::from_secs(30 * 86_400),
            standin_after: Duration::from_secs(30),
            depart_after: Duration::from_secs(86_400),
            ack_timeout: Duration::from_millis(250),
            repair_interval: Duration::from_secs(10),
            // A guess: a tenth of a gigabit link.
            repair_bytes_per_second: 12 << 20,
            // A guess: eight times ack_timeout.
            repair_grace: Duration::from_secs(2),
            // The bandwidth-delay product of 1 Gbit/s and 64 ms.
            push_window_bytes: 8 << 20,
            // A guess: long enough for an fsync under load (p99 14 ms) many times over.
            push_retry: Duration::from_secs(5),
            seal_bytes: 12 << 20,
            seal_after: Duration::from_secs(300),
            segment_bytes_max: 256 << 20,
            segment_batches_max: 65_536,
            clock_skew_max: Duration::from_secs(600),
            scrub_period: Duration::from_secs(14 * 86_400),
            stop_timeout: Duration::from_secs(30),
            zone: String::new(),
            weight: 1,
            replaces: None,
            mechanisms: Mechanisms::default(),
        }
    }
}
