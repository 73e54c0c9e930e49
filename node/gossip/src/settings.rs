//! What one node's gossip is started with.

use std::net::SocketAddr;
use std::time::Duration;

use logmesh_protocol::id::{Boot, NodeId};

use crate::secret::Secret;

/// What one node's gossip is started with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// This node.
    pub node: NodeId,
    /// This start of it. Its time part must be later than that of earlier starts, or peers prefer the earlier one.
    pub boot: Boot,
    /// The address of the UDP socket. Port 0 takes any free one.
    pub bind: SocketAddr,
    /// The address at which peers reach us. Port 0 stands for the port that was bound.
    pub advertise: SocketAddr,
    /// `host:port` of nodes to try, looked up again every `seed_lookup_interval`. At most [`Settings::SEEDS_MAX`].
    pub seeds: Vec<String>,
    /// The mesh secrets: the first one seals, any of them opens.
    pub secrets: Vec<Secret>,
    /// How often we gossip with a few nodes.
    pub gossip_interval: Duration,
    /// How many times the usual silence makes a node not live.
    pub phi_threshold: f64,
    /// How long after it was last live a node is forgotten by gossip. Its address is kept as a contact.
    pub dead_node_grace: Duration,
    /// How long a removed fact leaves a tombstone.
    pub tombstone_grace: Duration,
    /// How often the names of the seeds are looked up.
    pub seed_lookup_interval: Duration,
}

impl Settings {
    /// The most seeds.
    pub const SEEDS_MAX: usize = 64;

    /// Returns the defaults for `node` in its start `boot`, on the loopback interface and with nobody to meet.
    pub fn new(node: NodeId, boot: Boot, secret: Secret) -> Self {
        let bind = SocketAddr::from(([127, 0, 0, 1], 7946));
        Self {
            node,
            boot,
            bind,
            advertise: bind,
            seeds: Vec::new(),
            secrets: vec![secret],
            // DESIGN section 13: a killed node leaves the live set after about a second, 4 to 7 with chitchat's second.
            gossip_interval: Duration::from_millis(250),
            // Chitchat's default is 8, which at 250 ms tolerates a second of silence (DESIGN section 13). One slow
            // fsync on a busy machine is longer, so twice that: a guess.
            phi_threshold: 16.0,
            // A guess, and far below chitchat's 24 hours: each start of a crashing node leaves an entry of 93 bytes in
            // every digest for half of this time, and chitchat fails beyond about 700 entries.
            dead_node_grace: Duration::from_secs(600),
            // Chitchat's tests use 15 minutes; longer than any usual partition of a mesh that changes its facts often.
            tombstone_grace: Duration::from_secs(900),
            // Chitchat's own constant for the same purpose is 60 s; half, since a restarted pod changes its address.
            seed_lookup_interval: Duration::from_secs(30),
        }
    }
}
