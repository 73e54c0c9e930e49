//! What went in and out, and what was refused, since the start.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts since the start of gossip. They only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Datagrams received, good and bad.
    pub datagrams_in: u64,
    /// Bytes of those datagrams.
    pub bytes_in: u64,
    /// Datagrams sent.
    pub datagrams_out: u64,
    /// Bytes of those datagrams.
    pub bytes_out: u64,
    /// Datagrams without a seal by one of our secrets: strangers, noise, or a node with another secret.
    pub refused: u64,
    /// Datagrams or messages with a good seal that are not what a node of this version says.
    pub malformed: u64,
    /// Messages not sent since they were too long: more nodes are known than chitchat's digest can carry.
    pub oversized: u64,
    /// Datagrams that the operating system did not take, or errors that it told while receiving.
    pub socket_errors: u64,
    /// Starts of chitchat after it had failed on a message.
    pub restarts: u64,
}

#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) datagrams_in: Count,
    pub(crate) bytes_in: Count,
    pub(crate) datagrams_out: Count,
    pub(crate) bytes_out: Count,
    pub(crate) refused: Count,
    pub(crate) malformed: Count,
    pub(crate) oversized: Count,
    pub(crate) socket_errors: Count,
    pub(crate) restarts: Count,
}

impl Counts {
    pub(crate) fn read(&self) -> Counters {
        Counters {
            datagrams_in: self.datagrams_in.read(),
            bytes_in: self.bytes_in.read(),
            datagrams_out: self.datagrams_out.read(),
            bytes_out: self.bytes_out.read(),
            refused: self.refused.read(),
            malformed: self.malformed.read(),
            oversized: self.oversized.read(),
            socket_errors: self.socket_errors.read(),
            restarts: self.restarts.read(),
        }
    }
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
