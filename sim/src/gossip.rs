//! Gossip, modelled simply: what a node announces reaches the others a while later, and who was not heard for a while is away.

use std::collections::BTreeMap;
use std::time::Duration;

use logmesh_protocol::id::{Boot, NodeId};
use logmesh_protocol::replica::{Announcement, Peer, View};

/// What one node has heard of the others.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    peers: BTreeMap<NodeId, (u64, Boot, Announcement)>,
    last: View,
}

impl Heard {
    /// Takes in what `from` told.
    pub fn hear(&mut self, now: u64, from: NodeId, boot: Boot, said: Announcement) {
        // A start is named by its time: what an earlier one told is old.
        if self.peers.get(&from).is_none_or(|(_, known, _)| *known <= boot) {
            self.peers.insert(from, (now, boot, said));
        }
    }

    /// Returns the view, if it is another than before.
    pub fn view(&mut self, now: u64) -> Option<View> {
        let silence = DETECTION.as_nanos() as u64;
        let peer = |(node, (at, boot, said)): (&NodeId, &(u64, Boot, Announcement))| {
            (*node, Peer { live: now.saturating_sub(*at) < silence, boot: *boot, said: said.clone() })
        };
        let view = View { peers: self.peers.iter().map(peer).collect() };
        if view == self.last {
            return None;
        }
        self.last.clone_from(&view);
        Some(view)
    }
}

/// How often each node tells all others.
pub const INTERVAL: Duration = Duration::from_millis(250);
/// After how much silence a node is taken to be away.
pub const DETECTION: Duration = Duration::from_millis(1_500);
