//! What this node has asked peers for. Nothing is asked of two at once, so that nothing comes twice.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Replica;
use crate::id::NodeId;
use crate::message::{Message, SEGMENTS_MAX, by_journal};
use crate::segment::{ExtentId, SegmentId};
use crate::seq_set::SeqSet;
use crate::time::Instant;

/// All that was asked for and has not come.
#[derive(Debug, Default)]
pub(super) struct Fetches {
    wanted: BTreeMap<SegmentId, BTreeMap<NodeId, SeqSet>>,
    /// When each peer last brought something, or was first asked. Who brings nothing for [`FETCH_PATIENCE`] is asked no more.
    peers: BTreeMap<NodeId, Instant>,
    /// At most [`FETCH_BATCHES_MAX`].
    batches: u64,
    /// What is about to be asked for.
    to_ask: BTreeMap<NodeId, Vec<(SegmentId, SeqSet)>>,
}

impl Fetches {
    fn underway(&self, segment: &SegmentId) -> SeqSet {
        let wanted = self.wanted.get(segment).into_iter().flat_map(BTreeMap::values);
        wanted.fold(SeqSet::new(), |set, seqs| set.union(seqs))
    }

    /// Tells whether anything is still to come from `peer`.
    pub(super) fn is_waiting(&self, peer: NodeId) -> bool {
        self.peers.contains_key(&peer)
    }

    /// Returns how many batches were asked for and may be.
    pub(super) fn size(&self) -> (u64, u64) {
        (self.batches, FETCH_BATCHES_MAX)
    }

    fn take(&mut self, from: NodeId, segment: &SegmentId, seqs: &SeqSet) -> u64 {
        let Some(peers) = self.wanted.get_mut(segment) else { return 0 };
        let Some(wanted) = peers.get_mut(&from) else { return 0 };
        let before = wanted.len();
        *wanted = wanted.difference(seqs);
        let taken = before - wanted.len();
        if wanted.is_empty() {
            peers.remove(&from);
        }
        if peers.is_empty() {
            self.wanted.remove(segment);
        }
        self.batches -= taken;
        if !self.wanted.values().any(|peers| peers.contains_key(&from)) {
            self.peers.remove(&from);
        }
        taken
    }
}

impl Replica {
    /// Asks `from` for what it has and this node lacks, unless that is on its way.
    pub(super) fn fetch(&mut self, from: NodeId, segment: SegmentId, lack: &SeqSet) {
        let underway = self.fetches.underway(&segment).union(&self.receiving.underway(&segment));
        let lack = lack.difference(&underway);
        let room = FETCH_BATCHES_MAX.saturating_sub(self.fetches.batches);
        let seqs = if lack.len() > room { lack.iter().take(room as usize).collect() } else { lack };
        if seqs.is_empty() {
            return;
        }
        self.fetches.batches += seqs.len();
        let now = self.context.now.instant;
        self.fetches.peers.entry(from).or_insert(now);
        let wanted = self.fetches.wanted.entry(segment).or_default().entry(from).or_default();
        *wanted = wanted.union(&seqs);
        self.note_round_progress(from);
        self.fetches.to_ask.entry(from).or_default().push((segment, seqs));
    }

    /// Asks for what came up since the last time, once for all that came up together.
    pub(super) fn ask_fetches(&mut self) {
        while let Some((from, mut wants)) = self.fetches.to_ask.pop_first() {
            wants.sort_by_key(|(segment, _)| by_journal(segment));
            for segments in wants.chunks(SEGMENTS_MAX) {
                self.context.send(from, Message::Want { segments: segments.to_vec() });
            }
        }
    }

    pub(super) fn fetch_arrived(&mut self, from: NodeId, segment: &SegmentId, seq: u32, bytes: u64) {
        self.arrived(from, segment, &SeqSet::from_range(seq..seq + 1), bytes);
    }

    pub(super) fn fetch_arrives_whole(&mut self, from: NodeId, extent: &ExtentId, bytes: u64) {
        self.arrived(from, &extent.segment, &SeqSet::from_range(extent.from..extent.to), bytes);
    }

    fn arrived(&mut self, from: NodeId, segment: &SegmentId, seqs: &SeqSet, bytes: u64) {
        let now = self.context.now.instant;
        if let Some(at) = self.fetches.peers.get_mut(&from) {
            *at = now;
        }
        let taken = self.fetches.take(from, segment, seqs);
        if taken > 0 {
            self.note_received(from, taken, bytes);
        }
    }

    /// Nothing comes any more from a peer that is away.
    pub(super) fn fetches_give_up(&mut self, peer: NodeId) {
        self.fetches.peers.remove(&peer);
        let mut given_up = 0;
        self.fetches.wanted.retain(|_, peers| {
            given_up += peers.remove(&peer).map_or(0, |seqs| seqs.len());
            !peers.is_empty()
        });
        self.fetches.batches -= given_up;
    }

    pub(super) fn tick_fetches(&mut self) {
        let now = self.context.now.instant;
        let silent = self.fetches.peers.iter().filter(|(_, at)| now.since(**at) >= FETCH_PATIENCE);
        let silent: Vec<_> = silent.map(|(node, _)| *node).collect();
        silent.into_iter().for_each(|node| self.fetches_give_up(node));
    }
}

/// A peer that has brought nothing for so long does not bring it; another is asked.
const FETCH_PATIENCE: Duration = Duration::from_secs(10);
/// The most batches that are asked for and have not come; what is more is found missing again in a later round.
const FETCH_BATCHES_MAX: u64 = 32_768;
