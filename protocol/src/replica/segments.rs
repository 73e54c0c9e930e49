//! All segments of which this node holds something, each with its ledger on a shelf.
//!
//! Memory must not grow with the data: of a quiet segment only held and root stay. `held` is always right, also before a
//! ledger is loaded; the root is known only when it is.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::context::Context;
use super::interface::{Output, RecoveredSegment};
use crate::id::{Boot, NodeId};
use crate::ledger::{Inserted, Ledger, LedgerEntry, Shelved, Sizes};
use crate::merkle::{Digest, Tree};
use crate::segment::{ExtentId, SegmentId};
use crate::seq_set::SeqSet;
use crate::time::Instant;

/// What this node knows of one segment.
#[derive(Debug, Default)]
pub(super) struct Segment {
    /// What is durable here and not known to be damaged.
    pub(super) held: SeqSet,
    /// None until the ledger was loaded, after the start or after a change that a cold one could not take.
    shelf: Option<Shelved>,
    /// What was stored while the ledger was not in memory. At most a segment's batches.
    late: BTreeMap<u32, LedgerEntry>,
    /// When the ledger was asked for.
    loading: Option<Instant>,
    /// What came lately and is still in flight elsewhere. At most five entries.
    young: VecDeque<Young>,
    /// When something was last stored or looked at.
    pub(super) touched: Instant,
    /// When something was last stored.
    pub(super) stored_at: Instant,
    /// Which of it lies in extents.
    pub(super) extents: BTreeSet<(u32, u32)>,
    pub(super) sealed: SeqSet,
    /// What was damaged and is not yet mended; named to whoever asks.
    pub(super) quarantined: SeqSet,
    /// When everything was last read and hashed.
    pub(super) verified_at: Option<Instant>,
    /// What peers have shown to hold. At most the members.
    pub(super) marks: BTreeMap<NodeId, Mark>,
    /// Since when somebody is known to have what is missing here, though its live origin should bring it.
    pub(super) lacking_since: Option<Instant>,
    /// The order of placement, with the number of the placement that it belongs to.
    pub(super) order: (u64, Arc<[NodeId]>),
}

/// What a peer has shown of a segment.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mark {
    /// The peer holds all that this node held under this root; when and in which start of the peer that was shown.
    pub(super) confirmed: Option<(Digest, Instant, Option<Boot>)>,
    /// When it was last asked.
    pub(super) asked: Option<Instant>,
    /// The same as `confirmed`, shown in answer to what this node asked since its stop began, by a peer that was not stopping itself.
    pub(super) covered: Option<(Digest, Option<Boot>)>,
}

/// Batches that came one soon after the other.
#[derive(Debug)]
struct Young {
    first: Instant,
    last: Instant,
    seqs: SeqSet,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Segments {
    map: BTreeMap<SegmentId, Segment>,
    /// Those whose whole ledger is in memory.
    warm: BTreeSet<SegmentId>,
    /// Those whose ledger is to be loaded. At most all.
    to_load: BTreeSet<SegmentId>,
    loading_count: usize,
    /// Segments that were deleted a moment ago: the store may still be at it.
    dropped: BTreeMap<SegmentId, Instant>,
}

impl Segments {
    pub(super) fn recovered(found: Vec<RecoveredSegment>) -> Self {
        let mut segments = Self::default();
        for found in found {
            let extents: BTreeSet<_> = found.extents.iter().map(|extent| (extent.from, extent.to)).collect();
            let sealed =
                extents.iter().fold(SeqSet::new(), |set, (from, to)| set.union(&SeqSet::from_range(*from..*to)));
            let sealed = sealed.intersection(&found.held);
            segments.to_load.insert(found.segment);
            segments.map.insert(found.segment, Segment { held: found.held, extents, sealed, ..Segment::default() });
        }
        segments
    }

    /// Takes over what the last start had set aside. Where nothing is held of a segment any more, its place is kept all the same: what
    /// is missing is named until it is mended.
    pub(super) fn remember_quarantined(&mut self, quarantined: BTreeMap<SegmentId, SeqSet>) {
        for (id, seqs) in quarantined.into_iter().filter(|_| !planted!(QuarantineForgotten)) {
            let segment = self.map.entry(id).or_insert_with(|| {
                self.to_load.insert(id);
                Segment::default()
            });
            segment.quarantined = seqs.difference(&segment.held);
        }
    }

    pub(super) fn find(&self, id: &SegmentId) -> Option<&Segment> {
        self.map.get(id)
    }

    pub(super) fn find_mut(&mut self, id: &SegmentId) -> Option<&mut Segment> {
        self.map.get_mut(id)
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = (&SegmentId, &Segment)> {
        self.map.iter()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    pub(super) fn ids(&self) -> Vec<SegmentId> {
        self.map.keys().copied().collect()
    }

    pub(super) fn held(&self, id: &SegmentId) -> SeqSet {
        self.map.get(id).map(|segment| segment.held.clone()).unwrap_or_default()
    }

    /// Tells whether every ledger was looked through since the start.
    pub(super) fn is_loaded(&self) -> bool {
        // Those asked for again later wait for their own sake only: each segment says for itself whether it has a root.
        self.map.values().all(|segment| segment.shelf.is_some() || !segment.late.is_empty())
    }

    /// Takes in what has become durable. `in_flight` if others are about to get it too. Tells what is new.
    pub(super) fn insert(
        &mut self,
        context: &mut Context,
        id: SegmentId,
        batch: (u32, LedgerEntry),
        in_flight: bool,
    ) -> Inserted {
        let (seq, entry) = batch;
        let now = context.now.instant;
        let new = !self.map.contains_key(&id);
        let segment = self.map.entry(id).or_default();
        if new {
            segment.shelf = Some(Shelved::Warm(Box::new(Ledger::new())));
            self.warm.insert(id);
        }
        (segment.touched, segment.stored_at) = (now, now);
        let inserted = match segment.shelf.as_mut().and_then(Shelved::warm_mut) {
            Some(ledger) => ledger.insert(seq, entry),
            None => {
                let known = segment.held.contains(seq) || segment.late.insert(seq, entry).is_some();
                self.to_load.insert(id);
                if known { Inserted::Same } else { Inserted::New }
            }
        };
        if matches!(inserted, Inserted::New | Inserted::Same) {
            segment.held.insert(seq);
            segment.quarantined.remove(seq);
        }
        if in_flight && inserted == Inserted::New {
            segment.grow_young(seq, now, context.config.repair_grace);
        }
        self.load_next(context);
        inserted
    }

    /// Takes out what is held no longer.
    pub(super) fn remove(&mut self, context: &mut Context, id: &SegmentId, seqs: &SeqSet) {
        let Some(segment) = self.map.get_mut(id) else { return };
        segment.held = segment.held.difference(seqs);
        segment.sealed = segment.sealed.difference(seqs);
        segment.extents.retain(|(from, to)| SeqSet::from_range(*from..*to).intersection(seqs).is_empty());
        segment.late.retain(|seq, _| !seqs.contains(*seq));
        match segment.shelf.as_mut().and_then(Shelved::warm_mut) {
            Some(ledger) => seqs.intersection(ledger.held()).iter().for_each(|seq| {
                ledger.remove(seq);
            }),
            None => {
                segment.shelf = None;
                self.to_load.insert(*id);
            }
        }
        self.load_next(context);
    }

    /// Forgets a segment that is to be deleted.
    pub(super) fn forget(&mut self, context: &Context, id: &SegmentId) {
        if self.map.remove(id).is_some_and(|segment| segment.loading.is_some()) {
            self.loading_count = self.loading_count.saturating_sub(1);
        }
        self.warm.remove(id);
        self.to_load.remove(id);
        if self.dropped.len() < DROPPED_MAX {
            self.dropped.insert(*id, context.now.instant);
        }
    }

    /// Tells whether the store may still be deleting the segment: what came for it now could be deleted with it.
    pub(super) fn is_dropping(&self, id: &SegmentId) -> bool {
        self.dropped.contains_key(id)
    }

    /// Takes in what a load found.
    pub(super) fn on_loaded(&mut self, context: &mut Context, id: SegmentId, entries: Vec<(u32, LedgerEntry)>) {
        let Some(segment) = self.map.get_mut(&id) else { return };
        if segment.loading.take().is_some() {
            self.loading_count = self.loading_count.saturating_sub(1);
        }
        self.to_load.remove(&id);
        let late = std::mem::take(&mut segment.late);
        let quarantined = segment.quarantined.clone();
        let entries = entries.into_iter().filter(|(seq, _)| !quarantined.contains(*seq));
        let ledger = Ledger::load(late.into_iter().chain(entries));
        segment.held = ledger.held().clone();
        segment.sealed = segment.sealed.intersection(&segment.held);
        segment.touched = context.now.instant;
        segment.shelf = Some(Shelved::Warm(Box::new(ledger)));
        self.warm.insert(id);
        self.load_next(context);
    }

    /// Asks for a segment's whole ledger, if it is not in memory.
    pub(super) fn warm(&mut self, context: &mut Context, id: &SegmentId) -> Option<&Ledger> {
        let segment = self.map.get_mut(id)?;
        segment.touched = context.now.instant;
        if segment.warm().is_none() {
            self.to_load.insert(*id);
            self.load_next(context);
        }
        self.map.get(id)?.warm()
    }

    /// Returns the root over `seqs` alone; none if they are not all held or the ledger is not in memory (it is asked for then).
    pub(super) fn root_over(&mut self, context: &mut Context, id: &SegmentId, seqs: &SeqSet) -> Option<Digest> {
        let segment = self.map.get(id)?;
        if segment.held == *seqs && segment.is_known() {
            return segment.root();
        }
        if !segment.held.is_superset(seqs) {
            return None;
        }
        let ledger = self.warm(context, id)?;
        // A peer names as many seqs as it likes; only those held are looked at.
        let chosen = ledger.held().intersection(seqs);
        Some(Tree::build(chosen.iter().filter_map(|seq| Some((seq, ledger.entry(seq)?.id)))).root())
    }

    /// Starts loads, a few at a time, newest windows first.
    pub(super) fn load_next(&mut self, context: &mut Context) {
        while self.loading_count < LOADS_AT_ONCE {
            let waiting = |id: &&SegmentId| self.map.get(*id).is_some_and(|segment| segment.loading.is_none());
            let Some(id) = self.to_load.iter().rev().find(waiting).copied() else { return };
            self.to_load.remove(&id);
            let Some(segment) = self.map.get_mut(&id) else { continue };
            segment.loading = Some(context.now.instant);
            self.loading_count += 1;
            context.output(Output::LoadLedger(id));
        }
    }

    /// Cools what is quiet, asks again for what was not loaded in time, forgets what was deleted long ago.
    pub(super) fn tidy(&mut self, context: &mut Context) {
        let now = context.now.instant;
        self.dropped.retain(|_, at| now.since(*at) < DROPPING);
        let mut by_age: Vec<(Instant, SegmentId)> = Vec::with_capacity(self.warm.len());
        let mut batches = 0;
        for id in &self.warm {
            let Some(segment) = self.map.get(id) else { continue };
            batches += segment.held.len();
            by_age.push((segment.touched, *id));
        }
        by_age.sort_unstable();
        for (touched, id) in by_age {
            let Some(segment) = self.map.get_mut(&id) else { continue };
            if now.since(touched) < WARM_FOR && batches <= WARM_BATCHES_MAX {
                break;
            }
            batches = batches.saturating_sub(segment.held.len());
            segment.cool();
            self.warm.remove(&id);
        }
        for (id, segment) in &mut self.map {
            if segment.loading.is_some_and(|at| now.since(at) >= LOAD_PATIENCE) {
                segment.loading = None;
                self.loading_count = self.loading_count.saturating_sub(1);
                self.to_load.insert(*id);
            }
        }
        self.load_next(context);
    }
}

impl Segment {
    /// Tells whether all that is held is known by its id, and so its root.
    pub(super) fn is_known(&self) -> bool {
        self.late.is_empty() && self.shelf.is_some()
    }

    /// Returns the root over all that is held, if it is known.
    pub(super) fn root(&self) -> Option<Digest> {
        if self.late.is_empty() { self.shelf.as_ref().map(Shelved::root) } else { None }
    }

    /// Returns the whole ledger, if it is in memory and right.
    pub(super) fn warm(&self) -> Option<&Ledger> {
        if self.late.is_empty() { self.shelf.as_ref().and_then(Shelved::warm) } else { None }
    }

    /// Returns how much is held; what is not loaded yet counts only by its number.
    pub(super) fn sizes(&self) -> Sizes {
        let unknown = Sizes { batches: self.held.len(), ..Sizes::default() };
        self.shelf.as_ref().map_or(unknown, |shelf| Sizes { batches: self.held.len(), ..shelf.totals() })
    }

    /// Returns about how many bytes `seqs` have as they travel.
    pub(super) fn size_of(&self, seqs: &SeqSet) -> u64 {
        if let Some(ledger) = self.warm() {
            return ledger.sizes(seqs).size_bytes;
        }
        let sizes = self.sizes();
        seqs.len() * (sizes.size_bytes / sizes.batches.max(1)).max(SIZE_GUESS_MIN)
    }

    /// Returns the first of `seqs` that have about so many bytes, at least one.
    pub(super) fn first_within(&self, seqs: &SeqSet, size_bytes_max: u64) -> SeqSet {
        if let Some(ledger) = self.warm() {
            return ledger.first_within(seqs, size_bytes_max);
        }
        let each = self.size_of(&SeqSet::from_range(0..1));
        let count = usize::try_from((size_bytes_max / each).max(1)).unwrap_or(usize::MAX);
        seqs.iter().take(count).collect()
    }

    /// Returns the raw bytes of what is not sealed; a guess by the average if the ledger is not in memory.
    pub(super) fn raw_of(&self, seqs: &SeqSet) -> u64 {
        if let Some(ledger) = self.warm() {
            return ledger.sizes(seqs).raw_bytes;
        }
        let sizes = self.sizes();
        seqs.len() * (sizes.raw_bytes / sizes.batches.max(1))
    }

    /// Returns what is held for longer than the grace.
    pub(super) fn settled(&self, now: Instant, grace: Duration) -> SeqSet {
        let young = self.young.iter().filter(|young| now.since(young.last) < grace);
        young.fold(self.held.clone(), |held, young| held.difference(&young.seqs))
    }

    /// Tells whether something came within the grace.
    pub(super) fn is_active(&self, now: Instant, grace: Duration) -> bool {
        self.young.back().is_some_and(|young| now.since(young.last) < grace)
    }

    /// Tells whether `peer`, in its present start, has shown that it holds all that is held here.
    pub(super) fn is_confirmed(&self, peer: NodeId, boot: Option<Boot>) -> bool {
        self.confirmed_at(peer, boot).is_some()
    }

    /// Tells whether `peer` stays, holding all that is held here, while this node stops.
    pub(super) fn is_covered(&self, peer: NodeId, boot: Option<Boot>) -> bool {
        let covered = self.marks.get(&peer).and_then(|mark| mark.covered);
        covered.is_some_and(|(root, then)| Some(root) == self.root() && then == boot)
    }

    /// Returns when `peer` has shown that.
    pub(super) fn confirmed_at(&self, peer: NodeId, boot: Option<Boot>) -> Option<Instant> {
        let (root, at, then) = self.marks.get(&peer)?.confirmed?;
        (Some(root) == self.root() && then == boot || planted!(RootCachedTooLong)).then_some(at)
    }

    /// Returns the extent that begins the seqs and lies whole within them.
    pub(super) fn extent_within(&self, id: SegmentId, seqs: &SeqSet) -> Option<ExtentId> {
        let first = seqs.ranges().next()?;
        let (from, to) = *self.extents.range((first.start, 0)..).next()?;
        (from == first.start && to <= first.end).then_some(ExtentId { segment: id, from, to })
    }

    fn cool(&mut self) {
        if let Some(shelf) = &mut self.shelf {
            shelf.cool();
        }
    }

    fn grow_young(&mut self, seq: u32, now: Instant, grace: Duration) {
        while self.young.front().is_some_and(|young| now.since(young.last) >= grace) {
            self.young.pop_front();
        }
        match self.young.back_mut() {
            Some(young) if now.since(young.first) < grace / 4 => {
                young.last = now;
                young.seqs.insert(seq);
            }
            _ => self.young.push_back(Young { first: now, last: now, seqs: SeqSet::from_range(seq..seq + 1) }),
        }
    }
}

/// Ledgers that are read at once.
const LOADS_AT_ONCE: usize = 4;
/// A load that was not answered for so long has failed; it is asked for again.
const LOAD_PATIENCE: Duration = Duration::from_secs(30);
/// A ledger that nobody needed for so long is cooled.
const WARM_FOR: Duration = Duration::from_secs(60);
/// The most batches in warm ledgers, about 64 MiB; beyond it the longest quiet are cooled early.
const WARM_BATCHES_MAX: u64 = 1 << 20;
/// How long the store may take to delete a segment.
const DROPPING: Duration = Duration::from_secs(30);
/// The most deleted segments that are remembered for that long.
const DROPPED_MAX: usize = 65_536;
/// What a batch is taken to have at least, where nothing is known.
const SIZE_GUESS_MIN: u64 = 256;
