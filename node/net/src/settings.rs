//! What one node's net is started with.

use std::net::SocketAddr;
use std::time::Duration;

/// What one node's net is started with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The TCP address to listen on. Port 0 takes any free one.
    pub listen: SocketAddr,
    /// The most bytes of frames that wait for one peer. One more is refused with `SendError::Full`.
    pub send_queue_bytes_max: usize,
    /// The most bytes of received frames that wait to be taken, of all peers. Beyond, nobody is read from.
    pub receive_queue_bytes_max: usize,
    /// The longest frame, and the longest piece of an answer. A longer one is not sent, and a peer that announces one is cut off.
    pub frame_bytes_max: usize,
    /// The longest request. A longer one is not sent, and a peer that announces one is cut off.
    pub request_bytes_max: usize,
    /// The most requests of one peer that are answered at a time. Further ones are told that we are busy.
    pub requests_per_peer_max: usize,
    /// The most requests of all peers that are answered at a time. Further ones are told that we are busy.
    pub requests_max: usize,
    /// The most strangers that may be in the middle of a handshake. Further ones are cut off.
    pub handshakes_max: u32,
    /// The most connections to us that are established. Further ones are cut off.
    pub connections_max: u32,
    /// How long a connection may take to be established, handshakes included.
    pub connect_timeout: Duration,
    /// How long a stream on a connection may take to be opened.
    pub stream_timeout: Duration,
    /// How long a connection without streams is kept.
    pub idle_timeout: Duration,
    /// How often a peer is asked whether it is still there.
    pub ping_interval: Duration,
    /// How long it may take to answer before its connection is dropped.
    pub ping_timeout: Duration,
    /// The longest pause between two attempts to reach a peer. The first is a fiftieth of it.
    pub backoff_max: Duration,
}

impl Settings {
    /// Returns the defaults for a node that listens on `listen`.
    pub fn new(listen: SocketAddr) -> Self {
        Self {
            listen,
            // A guess: several extents, or a second of a saturated gigabit link to a seventh.
            send_queue_bytes_max: 16 << 20,
            // Two frames of the greatest size.
            receive_queue_bytes_max: 64 << 20,
            // An extent is 16 MiB raw (DESIGN section 7) and may not compress; its blocks add little. Twice that.
            frame_bytes_max: 32 << 20,
            // A scan names its segments, some 60 bytes each: 70,000 of them. A guess.
            request_bytes_max: 4 << 20,
            // Guesses: a dashboard sends some tens of queries at once.
            requests_per_peer_max: 64,
            requests_max: 256,
            // A guess: more than any mesh dials at once, and little memory.
            handshakes_max: 256,
            connections_max: 1_024,
            // A guess: three round trips, and one repeated SYN (1 s, RFC 6298 section 2) on each of two.
            connect_timeout: Duration::from_secs(5),
            stream_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
            // Guesses: a peer that lost power is noticed within 20 s, and a link that is full for 15 s is forgiven.
            ping_interval: Duration::from_secs(5),
            ping_timeout: Duration::from_secs(15),
            // A guess: a peer that comes back also dials us, which ends the pause.
            backoff_max: Duration::from_secs(5),
        }
    }
}
