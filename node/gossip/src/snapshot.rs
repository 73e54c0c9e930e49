//! What gossip knows of all other nodes at one moment.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chitchat::{Chitchat, ChitchatId, NodeState};
use logmesh_protocol::id::{Boot, NodeId};

/// What gossip knows of all other nodes at one moment, sorted by node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// All nodes known to gossip, without ourselves; of several starts of one node the newest that is not silent.
    pub peers: Vec<Peer>,
}

/// What gossip knows of one other node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The node.
    pub node: NodeId,
    /// Its newest start that we know of, or an earlier one if that is heard and the newest is not.
    pub boot: Boot,
    /// Where it says that it can be reached, by UDP and by TCP.
    pub address: SocketAddr,
    /// Tells whether the failure detector thinks that it runs and can be reached.
    pub live: bool,
    /// What it states about itself. Shared with the snapshots before it, if nothing changed.
    pub facts: Arc<BTreeMap<String, String>>,
}

/// Makes snapshots, and remembers the last one so that only a change makes a new one.
pub(crate) struct Snapshots {
    seen: BTreeMap<NodeId, Seen>,
    /// When each start was last live, or first known.
    heard: HashMap<ChitchatId, Instant>,
    silent_after: Duration,
}

/// What a peer was made from.
#[derive(PartialEq, Eq)]
struct Seen {
    id: ChitchatId,
    versions: (u64, u64),
    peer: Option<Peer>,
}

impl Snapshots {
    /// Remembers nothing yet. A start that is not live for `silent_after` is silent.
    pub(crate) fn new(silent_after: Duration) -> Self {
        Self { seen: BTreeMap::new(), heard: HashMap::new(), silent_after }
    }

    /// Returns the new snapshot if anything changed since the last one.
    pub(crate) fn refresh(&mut self, chitchat: &Chitchat, own: NodeId) -> Option<Snapshot> {
        let live: HashSet<&ChitchatId> = chitchat.live_nodes().collect();
        self.listen(chitchat, &live);
        let mut newest: BTreeMap<NodeId, ((bool, u64), &NodeState)> = BTreeMap::new();
        for (id, state) in chitchat.node_states() {
            let Ok(node) = id.node_id.parse::<NodeId>() else { continue };
            // Generations are moments by the node's own wall clock: if that was put back between two starts, the later start has the
            // lower one, and the higher one is never heard again.
            let rank = (!self.is_silent(id), id.generation_id);
            if node != own && newest.get(&node).is_none_or(|(known, _)| rank >= *known) {
                newest.insert(node, (rank, state));
            }
        }
        let before = self.seen.len();
        self.seen.retain(|node, _| newest.contains_key(node));
        let mut changed = self.seen.len() != before;
        for (node, (_, state)) in newest {
            changed |= self.refresh_peer(node, state, live.contains(state.chitchat_id()));
        }
        changed.then(|| Snapshot { peers: self.seen.values().filter_map(|seen| seen.peer.clone()).collect() })
    }

    fn listen(&mut self, chitchat: &Chitchat, live: &HashSet<&ChitchatId>) {
        let now = Instant::now();
        self.heard.retain(|id, _| chitchat.node_states().contains_key(id));
        for id in chitchat.node_states().keys() {
            match self.heard.get_mut(id) {
                Some(heard) if live.contains(id) => *heard = now,
                Some(_) => {}
                None => drop(self.heard.insert(id.clone(), now)),
            }
        }
    }

    fn is_silent(&self, id: &ChitchatId) -> bool {
        self.heard.get(id).is_none_or(|heard| heard.elapsed() > self.silent_after)
    }

    fn refresh_peer(&mut self, node: NodeId, state: &NodeState, live: bool) -> bool {
        let (id, versions) = (state.chitchat_id(), state.monotonic_property());
        if let Some(seen) = self.seen.get_mut(&node)
            && seen.id == *id
            && seen.versions == versions
        {
            let Some(peer) = &mut seen.peer else { return false };
            return std::mem::replace(&mut peer.live, live) != live;
        }
        let peer = peer(node, state, live);
        let seen = Seen { id: id.clone(), versions, peer };
        let old = self.seen.insert(node, seen).and_then(|old| old.peer);
        old != self.seen[&node].peer
    }
}

/// Returns what `state` says, or nothing while its boot has not reached us: heartbeats travel before facts.
fn peer(node: NodeId, state: &NodeState, live: bool) -> Option<Peer> {
    let boot = state.get(BOOT_KEY)?.parse().ok()?;
    let facts = state.key_values().filter(|(key, _)| *key != BOOT_KEY);
    let facts = Arc::new(facts.map(|(key, value)| (key.to_owned(), value.to_owned())).collect());
    Some(Peer { node, boot, address: state.chitchat_id().gossip_advertise_addr, live, facts })
}

/// The key under which a node's boot travels: a generation has room for its time only. Not a fact of the shell's.
pub(crate) const BOOT_KEY: &str = "\0boot";
