//! Whom to call when nobody calls us: seeds, addresses that the shell has kept, and addresses heard of before.
//!
//! Chitchat forgets a dead node, and with it the way back: after a long partition both sides would stay apart. So the
//! addresses are kept here, and those from which no live node speaks are tried again for ever.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use logmesh_protocol::id::NodeId;
use parking_lot::Mutex;
use rand::Rng;
use rand::seq::IteratorRandom;
use tokio::net::lookup_host;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::{debug, warn};

/// All addresses that may lead to a node.
#[derive(Default)]
pub(crate) struct Contacts {
    seeds: BTreeSet<SocketAddr>,
    kept: BTreeSet<SocketAddr>,
    learned: BTreeMap<NodeId, SocketAddr>,
}

impl Contacts {
    pub(crate) fn set_seeds(&mut self, seeds: BTreeSet<SocketAddr>) {
        self.seeds = seeds;
    }

    /// Replaces the addresses that the shell has kept. Those beyond [`CONTACTS_MAX`] are ignored.
    pub(crate) fn set_kept(&mut self, kept: Vec<SocketAddr>) {
        self.kept = kept.into_iter().take(CONTACTS_MAX).collect();
    }

    /// Remembers where `node` was heard. Beyond [`CONTACTS_MAX`] new nodes are not remembered.
    pub(crate) fn learn(&mut self, node: NodeId, address: SocketAddr) {
        if self.learned.len() < CONTACTS_MAX || self.learned.contains_key(&node) {
            self.learned.insert(node, address);
        }
    }

    /// Draws at most `count` addresses that are not in `live`.
    pub(crate) fn draw(&self, count: usize, live: &BTreeSet<SocketAddr>, random: &mut impl Rng) -> Vec<SocketAddr> {
        let all: BTreeSet<SocketAddr> =
            self.seeds.iter().chain(&self.kept).chain(self.learned.values()).copied().collect();
        all.difference(live).copied().choose_multiple(random, count)
    }
}

/// Looks the seeds up every `interval` and puts what was found into `contacts`, until `stop` closes.
///
/// A seed whose name cannot be looked up now keeps the addresses it had.
pub(crate) async fn look_up_seeds(
    seeds: Vec<String>,
    interval: Duration,
    contacts: Arc<Mutex<Contacts>>,
    mut stop: watch::Receiver<()>,
) {
    let mut known: BTreeMap<String, Vec<SocketAddr>> = BTreeMap::new();
    let mut ticks = tokio::time::interval(interval);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            closed = stop.changed() => if closed.is_err() { return },
        }
        // All at once, so that a name that takes long keeps none of the others waiting.
        let mut lookups = JoinSet::new();
        for seed in seeds.clone() {
            lookups.spawn(look_up(seed));
        }
        while let Some(Ok((seed, found))) = lookups.join_next().await {
            match found {
                Ok(found) => {
                    debug!(seed, addresses = ?found, "seed looked up");
                    known.insert(seed, found);
                }
                Err(error) if !known.get(&seed).is_some_and(Vec::is_empty) => {
                    warn!(seed, %error, "seed not found, trying again");
                    known.entry(seed).or_default();
                }
                Err(_) => {}
            }
            contacts.lock().set_seeds(known.values().flatten().copied().collect());
        }
    }
}

async fn look_up(seed: String) -> (String, io::Result<Vec<SocketAddr>>) {
    let found = timeout(LOOKUP_TIMEOUT, lookup_host(&seed)).await.unwrap_or_else(|late| Err(late.into()));
    let found = found.map(|found| found.take(ADDRESSES_A_SEED_MAX).collect());
    (seed, found)
}

/// The most addresses kept by the shell, and the most learned. A guess, well above the nodes that a digest carries.
pub(crate) const CONTACTS_MAX: usize = 1_024;
/// The most addresses of one seed: a name that stands for a whole mesh is tried in part.
const ADDRESSES_A_SEED_MAX: usize = 64;
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    #[test]
    fn only_silent_addresses_are_drawn_and_each_in_time() {
        let mut contacts = Contacts::default();
        contacts.set_seeds([address(1), address(2)].into());
        contacts.set_kept(vec![address(2), address(3)]);
        contacts.learn(NodeId::from_bytes([4; 32]), address(9));
        contacts.learn(NodeId::from_bytes([4; 32]), address(4));
        let mut random = StdRng::seed_from_u64(1);
        let drawn: BTreeSet<_> = (0..100).flat_map(|_| contacts.draw(1, &[address(1)].into(), &mut random)).collect();
        assert_eq!(drawn, [address(2), address(3), address(4)].into());
        assert_eq!(contacts.draw(9, &BTreeSet::new(), &mut random).len(), 4);
    }

    #[test]
    fn contacts_are_bounded() {
        let mut contacts = Contacts::default();
        contacts.set_kept((1..5_000).map(address).collect());
        for node in 0..5_000_u16 {
            let mut bytes = [0; 32];
            bytes[..2].copy_from_slice(&node.to_le_bytes());
            contacts.learn(NodeId::from_bytes(bytes), address(node));
        }
        assert_eq!((contacts.kept.len(), contacts.learned.len()), (CONTACTS_MAX, CONTACTS_MAX));
    }
}
