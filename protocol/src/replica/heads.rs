//! What others tell of their heads: how far each of their segments goes, so that it is known what is missing when they are away.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

use super::Replica;
use super::interface::{Announcement, Peer};
use super::members::PeerState;
use super::state::KeptHeads;
use crate::id::{Boot, JournalId, NodeId};
use crate::plan::Heads;
use crate::segment::SegmentId;
use crate::time::Timestamp;

impl Replica {
    /// Takes in what nearly all news is, where a mesh is large: that live peers have told of other heads, and of nothing else. Returns the
    /// rest of it. Both are in order, so that nobody has to be looked for.
    pub(super) fn hear_heads_alone(&mut self, mut news: Vec<(NodeId, Peer)>, digest: [u8; 16]) -> Vec<(NodeId, Peer)> {
        let peers = &mut self.members.peers;
        let found = peers.seek_all(news.iter().map(|(node, _)| *node));
        // All are looked at before any is changed: so the memory of many is on its way at once.
        let may_be = |(at, (node, seen)): (&usize, &(NodeId, Peer))| {
            let as_before = |(other, peer): (NodeId, &PeerState)| {
                let is_known = (other == *node) & (peer.boot == Some(seen.boot));
                is_known & peer.live & seen.live & peer.heads.counts.is_empty()
            };
            peers.at(*at).is_some_and(as_before)
        };
        let may_be: Vec<bool> = found.iter().zip(&news).map(may_be).collect();
        let mut looked_at = found.into_iter().zip(may_be);
        news.retain_mut(|(_, seen)| {
            let (at, may_be) = looked_at.next().unwrap_or_default();
            let Some(peer) = peers.at_mut(at).filter(|_| may_be) else { return true };
            if !seen.said.differs_in_heads_alone(&peer.said) {
                return true;
            }
            // What is told no more goes with the news.
            std::mem::swap(&mut peer.said, &mut seen.said);
            peer.note_heard(digest);
            false
        });
        news
    }

    /// Who has all its copies may lack one after a loss: what was heard before says nothing of what is included any more.
    pub(super) fn note_losses(&mut self) {
        let losses = self.members.table.losses();
        if losses != self.members.losses {
            self.members.losses = losses;
            self.members.peers.values_mut().for_each(|peer| peer.heads.at = None);
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
        members.peers.retain(|node, peer| {
            peer.heads.counts.retain(|segment, _| !segment.is_expired(now, retention));
            peer.live || members.table.is_member(node)
        });
        members.unable.retain(|node| members.peers.contains(*node));
        self.rounds.forget(|node| self.members.table.is_member(node));
    }

    /// Returns what `node` last told of its heads.
    pub(super) fn heads_heard(&self, node: NodeId) -> Heads {
        let Some(peer) = self.members.peers.get(node) else { return Heads::default() };
        Heads { at: peer.heads.at, counts: self.counts_heard(node, peer) }
    }

    /// Returns the latest counts, of what was remembered and of what is said: the latter may be older, see [`PeerState::hear_heads`].
    fn counts_heard(&self, node: NodeId, peer: &PeerState) -> BTreeMap<SegmentId, u32> {
        let mut counts = peer.heads.counts.clone();
        for (segment, count) in self.counts_said(node, peer) {
            let known = counts.entry(segment).or_default();
            *known = count.max(*known);
        }
        counts
    }

    /// Returns the counts that are said, as far as there is room for them beside those that are remembered.
    fn counts_said(&self, node: NodeId, peer: &PeerState) -> impl Iterator<Item = (SegmentId, u32)> {
        let (now, retention) = (self.context.now.timestamp, self.context.config.retention);
        let room = HEADS_MAX.saturating_sub(peer.heads.counts.len());
        let said =
            peer.boot.into_iter().flat_map(move |boot| of_journal(JournalId { node, boot }, &peer.said).take(room));
        said.filter(move |(segment, _)| !segment.is_expired(now, retention))
    }

    /// Returns of each node of which anything is known what it last told of its heads, to be found again at the next start.
    pub(super) fn heads_to_keep(&self) -> Vec<KeptHeads> {
        let peers = self.members.peers.iter();
        let heads = peers.map(|(node, peer)| {
            let counts: SmallVec<_> = match peer.heads.counts.is_empty() {
                // As is usual: then there is nothing to join.
                true => self.counts_said(node, peer).collect(),
                false => self.counts_heard(node, peer).into_iter().collect(),
            };
            (node, (peer.heads.at, counts))
        });
        heads.filter(|(_, (at, counts))| at.is_some() || !counts.is_empty()).collect()
    }

    /// Returns how many batches of a segment its origin last said to have written.
    pub(super) fn head_heard(&self, segment: &SegmentId) -> Option<u32> {
        let peer = self.members.peers.get(segment.origin())?;
        let said = peer.said.heads.get(&(segment.window, segment.part));
        let said = said.filter(|_| peer.boot == Some(segment.journal.boot));
        said.max(peer.heads.counts.get(segment)).copied()
    }
}

impl PeerState {
    /// Keeps what it told of its heads `before` the present start, and what it tells now. Segments of its present start that it names no
    /// more have all their copies; those of earlier starts stay until it says that it is settled. To a node that starts, others may bring
    /// what was said earlier than what that node remembers: then all that is remembered stays.
    pub(super) fn hear_heads(
        &mut self,
        node: NodeId,
        before: (Option<Boot>, Arc<Announcement>),
        (now, retention): (Timestamp, Duration),
        digest: [u8; 16],
    ) {
        let Some(boot) = self.boot else { return };
        let is_older = self.said.at < self.heads.at;
        let counts = &mut self.heads.counts;
        if let (Some(earlier), said) = before
            && earlier != boot
        {
            let journal = JournalId { node, boot: earlier };
            counts.retain(|segment, _| segment.journal != journal);
            let room = HEADS_MAX.saturating_sub(counts.len());
            counts.extend(of_journal(journal, &said).take(room));
        }
        if !counts.is_empty() {
            let is_told = |segment: &SegmentId| segment.journal.boot == boot || self.said.settled;
            counts.retain(|segment, _| (is_older || !is_told(segment)) && !segment.is_expired(now, retention));
        }
        self.note_heard(digest);
    }

    /// Notes when it said what was just heard of its heads: by its own word, for over a link that works one way only, heartbeats arrive
    /// and facts do not. Of another table the losses may be others too.
    fn note_heard(&mut self, digest: [u8; 16]) {
        let is_told = self.heads.counts.len() + self.said.heads.len() <= HEADS_MAX;
        if self.said.members == digest && self.said.settled && is_told {
            self.heads.at = self.said.at.max(self.heads.at);
        }
    }
}

/// Returns the heads that a node says, as those of a journal.
fn of_journal(journal: JournalId, said: &Announcement) -> impl Iterator<Item = (SegmentId, u32)> {
    said.heads.iter().map(move |((window, part), count)| (SegmentId { window: *window, journal, part: *part }, *count))
}

/// The most heads that are kept of one node; while it has more, nothing is said of what is known to be included.
const HEADS_MAX: usize = 4_096;
/// How often what was heard of nodes that are gone is forgotten.
const TIDY_EVERY: Duration = Duration::from_secs(60);
