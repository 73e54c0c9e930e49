//! What is seen of a world from outside, once in a while: what reports and comparisons are made of.

use std::time::Duration;

/// What happened since the last sample, and how things stand at its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// When it was taken, since the beginning of the world.
    pub at: Duration,
    /// How many appends were acknowledged.
    pub accepted: u64,
    /// How many were refused, or could not be given to any node.
    pub refused: u64,
    /// How long each acknowledgement took, in microseconds, shortest first.
    pub ack_micros: Vec<u32>,
    /// How many copies each acknowledgement told of: `[0]` of none, and so on.
    pub copies_told: Vec<u64>,
    /// How many acknowledged batches are whole on how many disks now, disks of nodes that are down included: `[0]` on none, and so on.
    pub copies: Vec<u64>,
    /// Bytes of messages that were sent.
    pub message_bytes: u64,
    /// Whether all holders of every segment hold the same, if that was looked at just now.
    pub is_converged: Option<bool>,
    /// How the nodes fared, in order of their numbers.
    pub nodes: Vec<NodeSample>,
    /// What was asked.
    pub queries: Vec<QuerySample>,
}

impl Sample {
    /// Returns the time within which so many of a thousand acknowledgements came.
    pub fn ack_micros_at(&self, per_mille: usize) -> Option<u32> {
        let last = self.ack_micros.len().checked_sub(1)?;
        self.ack_micros.get((last * per_mille.min(1000)).div_ceil(1000)).copied()
    }
}

/// How one node fared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodeSample {
    /// Whether it is up.
    pub is_up: bool,
    /// How many members it takes to be up, itself left out.
    pub sees_live: u16,
    /// How many appends it acknowledged.
    pub accepted: u32,
    /// How many it refused.
    pub refused: u32,
    /// Bytes of its own new batches that it sent.
    pub push_bytes: u64,
    /// Bytes of batches and extents that it sent besides: repair, handover, extents that others adopt.
    pub repair_bytes: u64,
    /// Bytes of messages that it sent.
    pub message_bytes: u64,
    /// Bytes of batches on its disk.
    pub disk_bytes: u64,
}

/// What came of one query.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QuerySample {
    /// The number of the node that was asked.
    pub node: u16,
    /// Whether the answer said that it is complete.
    pub claims_complete: bool,
    /// Whether it contains all that was acknowledged before, and no disk has lost.
    pub is_complete: bool,
    /// How many batches it lacks.
    pub missing: u64,
    /// How long ago the oldest of these was acknowledged: how stale the answer is.
    pub staleness: Duration,
    /// How long it took.
    pub took: Duration,
}
