//! What others tell of their heads: how far each of their segments goes, so that it is known what is missing when they are away.

use std::sync::Arc;
use std::time::Duration;

use super::Replica;
use super::interface::Announcement;
use crate::id::{Boot, JournalId, NodeId};
use crate::plan::Heads;
use crate::segment::SegmentId;

impl Replica {
    /// Keeps what `node` told of its heads. Segments of its present start that it names no more have all their copies; those of
    /// earlier starts stay until it says that it is settled.
    pub(super) fn hear_heads(&mut self, node: NodeId, before: (Option<Boot>, Arc<Announcement>), live: bool) {
        let Some(peer) = self.members.peers.get(&node) else { return };
        let Some(boot) = peer.boot else { return };
        let heads = self.members.heads.entry(node).or_default();
        if let (Some(earlier), said) = before
            && earlier != boot
        {
            let journal = JournalId { node, boot: earlier };
            heads.counts.retain(|segment, _| segment.journal != journal);
            let room = HEADS_MAX.saturating_sub(heads.counts.len());
            heads.counts.extend(of_journal(journal, &said).take(room));
        }
        if !heads.counts.is_empty() {
            let (now, config) = (self.context.now.timestamp, &self.context.config);
            let is_told = |segment: &SegmentId| segment.journal.boot == boot || peer.said.settled;
            heads.counts.retain(|segment, _| !is_told(segment) && !segment.is_expired(now, config.retention));
        }
        // Of another table the losses may be others too.
        let is_alike = peer.said.members == self.members.table.digest();
        if live && is_alike && peer.said.settled && heads.counts.len() + peer.said.heads.len() <= HEADS_MAX {
            heads.at = Some(self.context.now.timestamp.saturating_sub(GOSSIP_LAG));
        }
    }

    /// Who has all its copies may lack one after a loss: what was heard before says nothing of what is included any more.
    pub(super) fn note_losses(&mut self) {
        let losses = self.members.table.losses();
        if losses != self.members.losses {
            self.members.losses = losses;
            self.members.heads.values_mut().for_each(|heads| heads.at = None);
        }
    }

    /// Forgets what was heard of nodes that are neither live nor members.
    pub(super) fn tick_heads(&mut self) {
        if self.members.tidied_at.is_some_and(|at| self.context.ago(at) < TIDY_EVERY) {
            return;
        }
        self.members.tidied_at = Some(self.context.now.instant);
        let now = self.context.now.timestamp;
        let retention = self.context.config.retention;
        let members = &mut self.members;
        members.heads.retain(|node, heads| {
            heads.counts.retain(|segment, _| !segment.is_expired(now, retention));
            members.table.is_member(*node)
        });
        members.peers.retain(|node, peer| peer.live || members.table.is_member(*node));
        members.unable.retain(|node| members.peers.contains_key(node));
    }

    /// Returns what `node` last told of its heads.
    pub(super) fn heads_heard(&self, node: NodeId) -> Heads {
        let Some(mut heads) = self.members.heads.get(&node).cloned() else { return Heads::default() };
        if let Some((peer, boot)) = self.members.peers.get(&node).and_then(|peer| Some((peer, peer.boot?))) {
            let (now, retention) = (self.context.now.timestamp, self.context.config.retention);
            let room = HEADS_MAX.saturating_sub(heads.counts.len());
            let said = of_journal(JournalId { node, boot }, &peer.said).take(room);
            heads.counts.extend(said.filter(|(segment, _)| !segment.is_expired(now, retention)));
        }
        heads
    }

    /// Returns how many batches of a segment its origin last said to have written.
    pub(super) fn head_heard(&self, segment: &SegmentId) -> Option<u32> {
        let heads = self.members.heads.get(&segment.origin())?;
        let peer = self.members.peers.get(&segment.origin()).filter(|peer| peer.boot == Some(segment.journal.boot));
        match peer {
            Some(peer) => peer.said.heads.get(&(segment.window, segment.part)).copied(),
            None => heads.counts.get(segment).copied(),
        }
    }
}

/// Returns the heads that a node says, as those of a journal.
fn of_journal(journal: JournalId, said: &Announcement) -> impl Iterator<Item = (SegmentId, u32)> {
    said.heads.iter().map(move |((window, part), count)| (SegmentId { window: *window, journal, part: *part }, *count))
}

/// What was heard is taken to have been said so much earlier, by gossip's delay.
const GOSSIP_LAG: Duration = Duration::from_secs(10);
/// The most heads that are kept of one node; while it has more, nothing is said of what is known to be included.
const HEADS_MAX: usize = 4_096;
/// How often what was heard of nodes that are gone is forgotten.
const TIDY_EVERY: Duration = Duration::from_secs(10);
