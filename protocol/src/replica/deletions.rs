//! The deletions that this node knows, their exchange with the others, and their end.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Replica;
use super::context::{Context, Timer};
use super::interface::{Announcement, Output};
use super::members::note;
use crate::deletion::{Deletion, DeletionTable};
use crate::id::NodeId;
use crate::message::Message;
use crate::time::Instant;

/// What is known of deletions, and of who else knows it.
#[derive(Default)]
pub(super) struct Deletions {
    table: DeletionTable,
    /// Who has said to have the same table, and when.
    known_by: BTreeMap<NodeId, Instant>,
    /// When rows were last sent to whom.
    exchanged: BTreeMap<NodeId, Instant>,
    /// The live ones whose table is another as far as gossip says: few, where all peers are many.
    differing: BTreeSet<NodeId>,
}

impl Deletions {
    /// Returns what was known at the last stop. A table that does not read is lost; the others bring it back.
    pub(super) fn recovered(bytes: &[u8]) -> Self {
        Self { table: DeletionTable::decode(bytes).unwrap_or_default(), ..Self::default() }
    }

    pub(super) fn digest(&self) -> [u8; 16] {
        self.table.digest()
    }

    /// Gossip has said something anew of a peer.
    pub(super) fn hear(&mut self, node: NodeId, live: bool, said: &Announcement) {
        note(&mut self.differing, node, live && said.deletions != self.table.digest());
    }

    fn send_rows(&mut self, context: &mut Context, to: NodeId, asks: bool) {
        self.exchanged.insert(to, context.now.instant);
        let digest = self.table.digest();
        let mut parts: Vec<Vec<Deletion>> = vec![Vec::new()];
        let mut bytes = 0;
        for row in self.table.rows() {
            let row_bytes = row.query.len() + row.tenant.len() + ROW_BYTES;
            if bytes + row_bytes > MESSAGE_ROWS_BYTES {
                parts.push(Vec::new());
                bytes = 0;
            }
            bytes += row_bytes;
            parts.last_mut().expect("there is one").push(row.clone());
        }
        let last = parts.len() - 1;
        for (at, rows) in parts.into_iter().enumerate() {
            context.send(to, Message::Deletions { digest, rows, asks: asks && at == last });
        }
    }
}

impl Replica {
    /// Returns the deletions that this node knows.
    pub fn deletions(&self) -> &DeletionTable {
        &self.deletions.table
    }

    /// Returns how many of the live other members are known to have the same deletions.
    pub fn deletions_known_by(&self) -> usize {
        let digest = self.deletions.digest();
        let is_known = |node: &NodeId| {
            self.deletions.known_by.contains_key(node)
                || self.members.peers.get(*node).is_some_and(|peer| peer.said.deletions == digest)
        };
        self.members.live().filter(is_known).count()
    }

    /// An operator deletes, or takes a deletion back. All that are live are told at once.
    pub(super) fn delete(&mut self, row: Deletion) {
        if !self.deletions.table.merge([row.clone()]) {
            return;
        }
        self.on_deletions_changed();
        let digest = self.deletions.digest();
        let live: Vec<NodeId> = self.members.live().collect();
        for node in live {
            self.context.send(node, Message::Deletions { digest, rows: vec![row.clone()], asks: true });
        }
    }

    pub(super) fn on_deletions(&mut self, from: NodeId, digest: [u8; 16], rows: Vec<Deletion>, asks: bool) {
        let alive = rows.into_iter().filter(|row| !self.is_over(row)).collect::<Vec<_>>();
        if self.deletions.table.merge(alive) {
            self.on_deletions_changed();
        }
        if self.deletions.digest() == digest {
            self.deletions.known_by.insert(from, self.context.now.instant);
            self.context.send(from, Message::DeletionsKnown { digest });
        } else if asks {
            self.deletions.send_rows(&mut self.context, from, false);
        }
    }

    pub(super) fn on_deletions_known(&mut self, from: NodeId, digest: [u8; 16]) {
        if digest == self.deletions.digest() {
            self.deletions.known_by.insert(from, self.context.now.instant);
        }
    }

    /// Forgets what is over, and sends rows to a few of those whose table differs; they pass on what they learn.
    pub(super) fn tick_deletions(&mut self) {
        let (now, config) = (self.context.now, &self.context.config);
        let (retention, skew) = (config.retention, config.clock_skew_max);
        if self.deletions.table.forget(|row| row.expires(retention, skew) <= now.timestamp) {
            self.on_deletions_changed();
        }
        let (members, deletions) = (&self.members, &mut self.deletions);
        deletions.exchanged.retain(|node, _| members.peers.contains(*node));
        deletions.known_by.retain(|node, at| members.is_live(*node) && now.instant.since(*at) < GOSSIP_WAIT);
        let is_due = |node: &NodeId| {
            let recently = deletions.exchanged.get(node).is_some_and(|at| now.instant.since(*at) < EXCHANGE_PAUSE);
            members.table.is_member(*node) && !recently && !deletions.known_by.contains_key(node)
        };
        let mut differing: Vec<NodeId> = deletions.differing.iter().copied().filter(is_due).collect();
        for _ in 0..EXCHANGES_AT_ONCE.min(differing.len()) {
            let at = self.context.below(differing.len() as u64) as usize;
            let node = differing.swap_remove(at);
            self.deletions.send_rows(&mut self.context, node, true);
        }
    }

    fn on_deletions_changed(&mut self) {
        self.deletions.known_by.clear();
        let digest = self.deletions.digest();
        let differing = self.members.peers.iter().filter(|(_, peer)| peer.live && peer.said.deletions != digest);
        self.deletions.differing = differing.map(|(node, _)| node).collect();
        self.context.output(Output::KeepDeletions(self.deletions.table.encode().into()));
        self.context.arm(Timer::Announce, Duration::ZERO);
    }

    /// Tells whether nothing that a deletion covers is left anywhere: taken over again, it would only be forgotten again.
    fn is_over(&self, row: &Deletion) -> bool {
        let config = &self.context.config;
        row.expires(config.retention, config.clock_skew_max) <= self.context.now.timestamp
    }
}

/// Rows are sent to so many at once.
const EXCHANGES_AT_ONCE: usize = 3;
/// Rows are not sent again to one peer within this time.
const EXCHANGE_PAUSE: Duration = Duration::from_secs(2);
/// How long what a peer has said itself counts for more than what gossip says of it: gossip is slower.
const GOSSIP_WAIT: Duration = Duration::from_secs(10);
/// About how many bytes of rows one message carries: a quarter of what the codec admits.
const MESSAGE_ROWS_BYTES: usize = crate::codec::MESSAGE_BYTES_MAX / 4;
/// What a row takes besides its texts, about.
const ROW_BYTES: usize = 80;
