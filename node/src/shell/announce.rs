//! Between the machine's announcements and gossip's facts: one fact a head, so that only what changed is gossiped.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use logmesh_gossip::{Gossip, Snapshot};
use logmesh_protocol::id::NodeId;
use logmesh_protocol::replica::{Announcement, Peer, View};
use logmesh_protocol::segment::Window;
use logmesh_protocol::time::Timestamp;
use tracing::warn;

/// Tells gossip what the machine announces.
pub(crate) struct Announcer {
    gossip: Arc<Gossip>,
    told: BTreeMap<String, String>,
}

impl Announcer {
    /// Returns one that has told nothing yet.
    pub(crate) fn new(gossip: Arc<Gossip>) -> Self {
        Self { gossip, told: BTreeMap::new() }
    }

    /// Sets what is new or changed and removes what is no longer said. When it was said comes last, for facts arrive in the order in
    /// which they were set: whoever hears it has heard all that was said until then.
    pub(crate) fn tell(&mut self, announcement: &Announcement) {
        let facts = facts_of(announcement);
        for key in self.told.keys().filter(|key| !facts.contains_key(*key)) {
            self.gossip.remove_fact(key);
        }
        let (last, rest): (Vec<_>, Vec<_>) = facts.iter().partition(|(key, _)| *key == AT);
        for (key, value) in rest.into_iter().chain(last) {
            if self.told.get(key) == Some(value) {
                continue;
            }
            if let Err(error) = self.gossip.set_fact(key, value.clone()) {
                warn!(key, %error, "fact not gossiped");
            }
        }
        self.told = facts;
    }
}

/// What gossip's snapshot means to the machine and to the net.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// For the machine.
    pub(crate) view: View,
    /// Who may connect, and where they listen.
    pub(crate) addresses: BTreeMap<NodeId, SocketAddr>,
    /// Those whose mesh-wide settings differ from ours: refused.
    pub(crate) refused: Vec<NodeId>,
    /// What they are called, and what else an operator wants to know of them.
    pub(crate) facts: BTreeMap<NodeId, Arc<BTreeMap<String, String>>>,
}

/// Reads a snapshot. Peers whose mesh-wide settings have another digest than `settings` are refused.
pub(crate) fn read(snapshot: &Snapshot, settings: &str) -> Seen {
    let mut seen = Seen::default();
    for peer in &snapshot.peers {
        // A peer whose facts have not come yet is not known to differ, nor known to agree.
        let Some(theirs) = peer.facts.get(SETTINGS) else { continue };
        if theirs != settings {
            seen.refused.push(peer.node);
            continue;
        }
        let said = Arc::new(announcement_of(&peer.facts));
        seen.view.peers.insert(peer.node, Peer { live: peer.live, boot: peer.boot, said });
        seen.addresses.insert(peer.node, peer.address);
        seen.facts.insert(peer.node, peer.facts.clone());
    }
    seen
}

fn facts_of(announcement: &Announcement) -> BTreeMap<String, String> {
    let hex = |digest: &[u8; 16]| digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let mut facts = BTreeMap::from([(MEMBERS.to_owned(), hex(&announcement.members))]);
    if let Some(at) = announcement.at {
        facts.insert(AT.to_owned(), at.as_nanos().to_string());
    }
    // Where nothing was ever deleted, nothing is said of it.
    if announcement.deletions != [0; 16] {
        facts.insert(DELETIONS.to_owned(), hex(&announcement.deletions));
    }
    for ((window, part), count) in &announcement.heads {
        facts.insert(format!("{HEAD}{}/{part}", window.0), count.to_string());
    }
    for (name, said) in [(CLEAN, announcement.clean), (FULL, announcement.full), (SETTLED, announcement.settled)] {
        if said {
            facts.insert(name.to_owned(), "1".to_owned());
        }
    }
    facts
}

/// Reads facts; what does not read is left out, for a newer version may say more than this one knows.
fn announcement_of(facts: &BTreeMap<String, String>) -> Announcement {
    let digest_of = |name: &str| facts.get(name).and_then(|hex| digest(hex)).unwrap_or_default();
    let (members, deletions) = (digest_of(MEMBERS), digest_of(DELETIONS));
    let said = |name: &str| facts.contains_key(name);
    let at = facts.get(AT).and_then(|nanos| nanos.parse().ok()).map(Timestamp::from_nanos);
    let heads = facts.iter().filter_map(|(key, count)| Some((head(key)?, count.parse().ok()?))).collect();
    Announcement { members, deletions, at, heads, clean: said(CLEAN), full: said(FULL), settled: said(SETTLED) }
}

fn head(key: &str) -> Option<(Window, u32)> {
    let (window, part) = key.strip_prefix(HEAD)?.split_once('/')?;
    Some((Window(window.parse().ok()?), part.parse().ok()?))
}

fn digest(hex: &str) -> Option<[u8; 16]> {
    let mut bytes = [0; 16];
    if hex.len() != 32 || !hex.is_ascii() {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(bytes)
}

/// The fact that holds the digest of the mesh-wide settings.
pub(crate) const SETTINGS: &str = "settings";
const MEMBERS: &str = "members";
const DELETIONS: &str = "deletions";
const AT: &str = "at";
const CLEAN: &str = "clean";
const FULL: &str = "full";
const SETTLED: &str = "settled";
const HEAD: &str = "head/";

#[cfg(test)]
mod tests {
    use logmesh_gossip::Peer as Gossiped;
    use logmesh_protocol::id::Boot;

    use super::*;

    fn announcement() -> Announcement {
        let heads = BTreeMap::from([((Window(7), 0), 3), ((Window(8), 2), 9)]);
        let at = Some(Timestamp::from_nanos(-1));
        Announcement { members: [5; 16], deletions: [6; 16], at, heads, clean: true, full: false, settled: true }
    }

    fn gossiped(facts: BTreeMap<String, String>) -> Snapshot {
        let address = "127.0.0.1:1".parse().unwrap();
        let node = NodeId::from_bytes([1; 32]);
        Snapshot {
            peers: vec![Gossiped {
                node,
                boot: Boot::from_bytes([0; 16]),
                address,
                live: true,
                facts: Arc::new(facts),
            }],
        }
    }

    #[test]
    fn facts_say_what_was_announced() {
        let mut facts = facts_of(&announcement());
        facts.insert(SETTINGS.into(), "x".into());
        let seen = read(&gossiped(facts), "x");
        assert_eq!(*seen.view.peers[&NodeId::from_bytes([1; 32])].said, announcement());
    }

    #[test]
    fn other_settings_are_refused_and_unknown_ones_wait() {
        let mut facts = facts_of(&announcement());
        assert!(read(&gossiped(facts.clone()), "x").view.peers.is_empty());
        facts.insert(SETTINGS.into(), "y".into());
        let seen = read(&gossiped(facts), "x");
        assert!(seen.view.peers.is_empty() && seen.addresses.is_empty());
        assert_eq!(seen.refused.len(), 1);
    }

    #[test]
    fn strange_facts_are_left_out() {
        let strange = ["head/", "head/x/1", "head/1", "head/1/2/3", "members", "at"];
        let facts = strange.iter().map(|key| ((*key).to_owned(), "é".to_owned())).collect();
        assert_eq!(announcement_of(&facts), Announcement::default());
    }
}
