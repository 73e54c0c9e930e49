//! What went in and out, and what was refused, since the start.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use logmesh_protocol::id::NodeId;

/// Counts since the start of the net. They only grow, but for a peer that departs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Connections refused: not of a member, or beyond a limit.
    pub connections_refused: u64,
    /// Connections to us that broke off or said nonsense before they were established.
    pub handshakes_failed: u64,
    /// Counts of each member.
    pub peers: BTreeMap<NodeId, PeerCounters>,
}

/// Counts of what went between us and one member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerCounters {
    /// Tells whether there is a connection now.
    pub connected: bool,
    /// Bytes of frames that wait to be sent now.
    pub queued_bytes: u64,
    /// Frames written to a connection.
    pub frames_out: u64,
    /// Bytes of those frames.
    pub bytes_out: u64,
    /// Frames received.
    pub frames_in: u64,
    /// Bytes of those frames.
    pub bytes_in: u64,
    /// Frames that were queued and then thrown away, since the peer could not be reached.
    pub frames_lost: u64,
    /// Streams cut off since the peer said something that is not of the protocol, or too long.
    pub malformed: u64,
    /// Requests that we made.
    pub requests_out: u64,
    /// Requests of the peer that were taken in.
    pub requests_in: u64,
    /// Requests of the peer that were refused, since we were busy.
    pub requests_refused: u64,
}

/// The growing counts of one member.
#[derive(Default)]
pub(crate) struct PeerCounts {
    pub(crate) frames_out: Count,
    pub(crate) bytes_out: Count,
    pub(crate) frames_in: Count,
    pub(crate) bytes_in: Count,
    pub(crate) frames_lost: Count,
    pub(crate) malformed: Count,
    pub(crate) requests_out: Count,
    pub(crate) requests_in: Count,
    pub(crate) requests_refused: Count,
}

impl PeerCounts {
    pub(crate) fn read(&self, connected: bool, queued_bytes: usize) -> PeerCounters {
        PeerCounters {
            connected,
            queued_bytes: queued_bytes as u64,
            frames_out: self.frames_out.read(),
            bytes_out: self.bytes_out.read(),
            frames_in: self.frames_in.read(),
            bytes_in: self.bytes_in.read(),
            frames_lost: self.frames_lost.read(),
            malformed: self.malformed.read(),
            requests_out: self.requests_out.read(),
            requests_in: self.requests_in.read(),
            requests_refused: self.requests_refused.read(),
        }
    }
}

/// The growing counts of strangers.
#[derive(Default)]
pub(crate) struct StrangerCounts {
    pub(crate) connections_refused: Count,
    pub(crate) handshakes_failed: Count,
}

/// One growing number.
#[derive(Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, by: usize) {
        self.0.fetch_add(by as u64, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
