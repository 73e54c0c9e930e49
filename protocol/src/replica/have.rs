//! Two nodes tell each other what they hold of a segment: what is missing is read off the sets, and what is alike is confirmed.

use std::time::Duration;

use super::Replica;
use super::interface::Event;
use super::members::RETURNING;
use super::segments::{Mark, Segment};
use crate::id::NodeId;
use crate::merkle::{Digest, LEAVES_MAX, Path};
use crate::message::{Fingerprint, Has, Message, NODES_MAX, SEGMENTS_MAX, Salt, Wish, by_journal};
use crate::segment::SegmentId;
use crate::seq_set::SeqSet;

impl Replica {
    /// Tells `to` what is held here of `segments`.
    pub(super) fn tell_have(&mut self, to: NodeId, mut segments: Vec<SegmentId>, wish: Wish) {
        segments.sort_by_key(by_journal);
        for segments in segments.chunks(SEGMENTS_MAX) {
            let salt = self.context.salt();
            let has: Vec<Has> = segments.iter().filter_map(|id| self.has(*id, (salt, wish))).collect();
            if !has.is_empty() {
                self.context.send(to, Message::Have { salt, wish, segments: has });
            }
        }
    }

    pub(super) fn has(&self, id: SegmentId, (salt, wish): Shown) -> Option<Has> {
        let segment = self.segments.find(&id)?;
        let held = match wish {
            // Who stops or lets go shows everything: what is not shown is not handed over.
            Wish::Take(_) | Wish::Confirm => segment.held.clone(),
            Wish::More | Wish::Nothing => segment.settled(self.context.now.instant, self.context.config.repair_grace),
        };
        let root = segment.root().filter(|_| held == segment.held);
        Some(Has { segment: id, held, root: root.map(|root| root.salted(u64::from_le_bytes(salt))) })
    }

    pub(super) fn on_have(&mut self, from: NodeId, (salt, wish): Shown, segments: Vec<Has>) {
        if let Wish::Take(boot) = wish {
            self.members.note_stopping(from, boot);
            if self.stop.is_some() {
                // No round has this name: it says only that the other should not rely on this node.
                self.context.send(from, Message::Later { salt: Salt::default() });
            }
        }
        let (mut more, mut confirmed) = (Vec::new(), Vec::new());
        for has in segments.into_iter().take(SEGMENTS_MAX) {
            let id = has.segment;
            // Who stops or leaves is answered to the last: nobody else may have it.
            let is_due = matches!(wish, Wish::Take(_) | Wish::Confirm);
            if self.is_gone(&id) || (self.is_expiring(&id) && !is_due) {
                continue;
            }
            let compared = self.compare_segment(from, (salt, wish), has);
            more.extend(Some(id).filter(|_| compared.has_more));
            // Who lets go may rely on those alone who do not let go themselves.
            let is_kept = wish != Wish::Confirm || self.holders(&id).contains(&self.context.id);
            confirmed.extend(compared.covered.filter(|_| is_kept).map(|root| (id, root)));
        }
        self.tell_have(from, more, Wish::Nothing);
        // Who stops vouches for nothing: else two that stop at once could each rely on the other.
        if !confirmed.is_empty() && matches!(wish, Wish::Confirm | Wish::Take(_)) && self.stop.is_none() {
            self.context.send(from, Message::Confirm { salt, wish, segments: confirmed });
        }
    }

    /// Takes what is missing, notes what is alike.
    fn compare_segment(&mut self, from: NodeId, (salt, wish): Shown, mut has: Has) -> Compared {
        let id = has.segment;
        has.held = has.held.intersection(&SeqSet::from_range(0..LEAVES_MAX));
        let held = self.segments.held(&id);
        let lack = has.held.difference(&held);
        let mut compared = Compared::default();
        if !lack.is_empty() {
            self.consider_lack(from, id, &lack, wish);
        } else if let Some(segment) = self.segments.find_mut(&id) {
            segment.lacking_since = None;
        }
        // What it shows now takes the place of what it showed before.
        self.unconfirm(&id, from);
        if lack.is_empty() && !has.held.is_empty() {
            compared.covered = self.compare_roots(from, (salt, wish), &has);
        }
        compared.has_more = wish == Wish::More && !self.settled(&id).difference(&has.held).is_empty();
        compared
    }

    fn settled(&self, id: &SegmentId) -> SeqSet {
        let (now, grace) = (self.context.now.instant, self.context.config.repair_grace);
        self.segments.find(id).map(|segment| segment.settled(now, grace)).unwrap_or_default()
    }

    /// Fetches what is missing here, if it is this node's to hold. What its origin should be bringing just now is left to it for a
    /// while, so that it does not come twice.
    fn consider_lack(&mut self, from: NodeId, id: SegmentId, lack: &SeqSet, wish: Wish) {
        let is_mine = self.holders(&id).contains(&self.context.id);
        let damaged = self.segments.find(&id).map(|segment| segment.quarantined.clone()).unwrap_or_default();
        let lack = if is_mine || wish.is_take() { lack.clone() } else { lack.intersection(&damaged) };
        if lack.is_empty() || self.members.full_since.is_some() {
            return;
        }
        let patience = if lack.intersection(&damaged).is_empty() { self.patience_with(&id, from, wish) } else { None };
        if patience.is_some_and(|patience| self.lacks_for(&id).is_none_or(|lacking| lacking < patience)) {
            return;
        }
        self.lacking.remove(&id);
        self.fetch(from, id, &lack);
    }

    /// Returns how long to wait for the origin to bring what `from` has; none if it cannot be expected to.
    fn patience_with(&mut self, id: &SegmentId, from: NodeId, wish: Wish) -> Option<Duration> {
        let origin = id.origin();
        if origin == self.context.id || self.members.boot(origin) != Some(id.journal.boot) {
            return None;
        }
        // Who speaks is up, whatever gossip has found so far.
        let is_live = origin == from || self.members.is_live(origin);
        if !is_live && self.members.is_returning(from, self.context.now) {
            // The origin may come back right behind it. A round then tells whether it did.
            self.repair_soon(from, RETURNING);
            return Some(RETURNING);
        }
        // Who lets go is in more of a hurry, but not so much that all a returned holder lacks should come twice.
        let patience = if wish.is_take() { TAKE_PATIENCE } else { self.context.config.push_retry * 2 };
        is_live.then_some(patience)
    }

    /// Returns for how long a segment is known to lack something; none if that cannot be remembered.
    fn lacks_for(&mut self, id: &SegmentId) -> Option<Duration> {
        let now = self.context.now.instant;
        let since = match self.segments.find_mut(id) {
            Some(segment) => *segment.lacking_since.get_or_insert(now),
            None if self.lacking.len() >= LACKING_MAX && !self.lacking.contains_key(id) => return None,
            None => *self.lacking.entry(*id).or_insert(now),
        };
        Some(now.since(since))
    }

    /// All that the other holds is held here, by number. Whether it is by content too, the roots say: the other's is returned if so.
    fn compare_roots(&mut self, from: NodeId, (salt, wish): Shown, has: &Has) -> Option<Fingerprint> {
        let theirs = has.root?;
        let mine = self.segments.root_over(&mut self.context, &has.segment, &has.held)?;
        if mine.salted(u64::from_le_bytes(salt)) != theirs {
            self.descend_from(from, has.segment, vec![Path::ROOT]);
            return None;
        }
        // Who is about to let go of it must not be relied on.
        if wish != Wish::Confirm && self.segments.held(&has.segment) == has.held {
            self.confirm(has.segment, from, mine);
        }
        Some(theirs)
    }

    /// Notes that `peer` holds what was held here under `root`.
    pub(super) fn confirm(&mut self, id: SegmentId, peer: NodeId, root: Digest) {
        let (now, boot) = (self.context.now.instant, self.members.boot(peer));
        if let Some(segment) = self.segments.find_mut(&id) {
            let mark = segment.marks.entry(peer).or_default();
            *mark = Mark { confirmed: Some((root, now, boot)), asked: None, ..*mark };
        }
    }

    /// Notes that `peer` may lack some of what it has shown.
    pub(super) fn unconfirm(&mut self, id: &SegmentId, peer: NodeId) {
        if let Some(mark) = self.segments.find_mut(id).and_then(|segment| segment.marks.get_mut(&peer)) {
            mark.confirmed = None;
        }
    }

    /// A peer holds what was shown to it. If more is held here by now, that says nothing any more.
    pub(super) fn on_confirm(&mut self, from: NodeId, (salt, wish): Shown, segments: Vec<(SegmentId, Fingerprint)>) {
        let word = u64::from_le_bytes(salt);
        for (id, shown) in segments.into_iter().take(SEGMENTS_MAX) {
            let root = self.segments.find(&id).and_then(Segment::root);
            let Some(root) = root.filter(|root| root.salted(word) == shown) else { continue };
            self.confirm(id, from, root);
            if wish.is_take() {
                self.cover(id, from, root);
            }
        }
    }

    /// Notes that `peer`, which is not stopping, has shown that in answer to what was asked for a stop.
    pub(super) fn cover(&mut self, id: SegmentId, peer: NodeId, root: Digest) {
        let boot = self.members.boot(peer);
        if let Some(mark) = self.segments.find_mut(&id).and_then(|segment| segment.marks.get_mut(&peer)) {
            mark.covered = Some((root, boot));
        }
    }

    /// Sends the children of some nodes of the Merkle tree.
    fn descend_from(&mut self, to: NodeId, segment: SegmentId, paths: Vec<Path>) {
        let salt = self.context.salt();
        let Some(ledger) = self.segments.warm(&mut self.context, &segment) else { return };
        let word = u64::from_le_bytes(salt);
        let salted = |(child, digest): (u8, Digest)| (child, digest.salted(word));
        let children = |path: Path| (path, ledger.children(path).into_iter().map(salted).collect());
        let nodes = paths.into_iter().take(NODES_MAX).map(children).collect();
        self.context.send(to, Message::Tree { segment, salt, nodes });
    }

    /// Compares nodes of the tree with the own ones and goes one level lower, down to the batches.
    pub(super) fn on_tree(
        &mut self,
        from: NodeId,
        segment: SegmentId,
        salt: Salt,
        nodes: Vec<(Path, Vec<(u8, Fingerprint)>)>,
    ) {
        let Some(ledger) = self.segments.warm(&mut self.context, &segment) else { return };
        let word = u64::from_le_bytes(salt);
        let (mut below, mut suspect) = (Vec::new(), SeqSet::new());
        for (path, theirs) in nodes.into_iter().take(NODES_MAX) {
            for (child, digest) in ledger.children(path) {
                // A child that the other lacks is a hole, not damage: the sets tell of it.
                let other = theirs.iter().find(|(at, _)| *at == child);
                let Some(lower) =
                    other.filter(|(_, theirs)| *theirs != digest.salted(word)).and_then(|_| path.child(child))
                else {
                    continue;
                };
                match path.level {
                    1 => {
                        suspect.insert(u32::from(lower.index));
                    }
                    _ => below.push(lower),
                }
            }
        }
        if !below.is_empty() {
            self.descend_from(from, segment, below);
        }
        if !suspect.is_empty() {
            self.context.send(from, Message::Suspect { segment, seqs: suspect.clone() });
            self.on_suspect(segment);
        }
    }

    /// Somebody has another id for a batch: one of the two copies, or ledgers, is damaged. Reading the own one tells which.
    pub(super) fn on_suspect(&mut self, segment: SegmentId) {
        let recently = |at| self.context.ago(at) < SUSPECT_AGAIN;
        if self.segments.find(&segment).is_some_and(|held| !held.verified_at.is_some_and(recently)) {
            self.verify_soon(segment);
        }
    }

    /// Batches turned out to be damaged: they are fetched again from whoever holds them.
    pub(super) fn seek_quarantined(&mut self) {
        let ids: Vec<SegmentId> =
            self.segments.iter().filter(|(_, segment)| !segment.quarantined.is_empty()).map(|(id, _)| *id).collect();
        if ids.is_empty() {
            return;
        }
        for peer in self.members.live().collect::<Vec<_>>() {
            let mut sought = Vec::new();
            for id in &ids {
                // Who is leaving has no place any more, and has what it had.
                let may_have = self.order(id).contains(&peer) || self.members.is_leaving(peer);
                if sought.len() < SEGMENTS_MAX && may_have {
                    sought.push(*id);
                }
            }
            self.tell_have(peer, sought, Wish::More);
        }
    }

    pub(super) fn on_damaged(&mut self, id: SegmentId, damaged: &SeqSet) {
        self.rounds.stats.damaged += damaged.len();
        self.context.event(Event::Damaged { segment: id, batches: damaged.len() });
    }
}

/// Under which salt something was shown, and with which wish.
pub(super) type Shown = (Salt, Wish);

/// What came of looking at what a peer has of a segment.
#[derive(Default)]
struct Compared {
    /// There is more of it here.
    has_more: bool,
    /// All of it is here too: the root that was shown.
    covered: Option<Fingerprint>,
}

/// The most segments that are known to be missing wholly and left to their origins for a while; further ones wait.
pub(super) const LACKING_MAX: usize = 65_536;
/// How long a live origin is left to bring what another wants to hand over.
const TAKE_PATIENCE: Duration = Duration::from_secs(2);
/// A segment that was read whole within this time is not read again because a peer suspects it.
const SUSPECT_AGAIN: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::id::{BatchId, Boot, JournalId};
    use crate::ledger::LedgerEntry;
    use crate::member::MemberRow;
    use crate::merkle::Tree;
    use crate::replica::{Input, Output, Recovered, StoredBatch};
    use crate::segment::Window;
    use crate::time::{Instant, Now};

    /// Two that let go must not rely on each other.
    #[test]
    fn who_lets_go_is_told_by_holders_alone_that_its_batches_are_here() {
        let (me, other) = (NodeId::from_bytes([1; 32]), NodeId::from_bytes([2; 32]));
        // With one copy, the origin holds.
        for (origin, wish, is_told) in [(me, Wish::Confirm, true), (other, Wish::Confirm, false), (other, take(), true)]
        {
            let mut replica = meshed(me, other);
            let segment = SegmentId { window: WINDOW, journal: JournalId { node: origin, boot: BOOT }, part: 0 };
            let id = BatchId::of(b"a batch");
            let entry = LedgerEntry { id, size_bytes: 1, raw_bytes: 1 };
            replica.handle_input(now(), Input::Stored(vec![StoredBatch { segment, seq: 0, entry, from: Some(other) }]));
            let root = Tree::build([(0, id)]).root().salted(u64::from_le_bytes(SALT));
            let has = Has { segment, held: SeqSet::from_range(0..1), root: Some(root) };
            let shown = Message::Have { salt: SALT, wish, segments: vec![has] };
            replica.handle_input(now(), Input::Message { from: other, message: shown });
            let is_confirmation =
                |output| matches!(output, Output::Send { to, message: Message::Confirm { .. } } if to == other);
            let told = std::iter::from_fn(|| replica.poll_output()).any(is_confirmation);
            assert_eq!(told, is_told, "of {origin:?}, {wish:?}");
            let counts = replica.segments.find(&segment).unwrap().confirmed_at(other, None).is_some();
            assert_eq!(counts, wish != Wish::Confirm, "what it is about to let go of counts no more");
        }
    }

    fn meshed(me: NodeId, other: NodeId) -> Replica {
        let config = Config { copies: 1, ..Config::default() };
        let mut replica = Replica::new(me, BOOT, config, Recovered::default(), 1);
        replica.handle_timeout(now());
        replica.merge_members(now(), vec![MemberRow::joining(other, 1, BOOT, String::new(), 1)]);
        replica
    }

    fn take() -> Wish {
        Wish::Take(BOOT)
    }

    fn now() -> Now {
        Now { instant: Instant::from_nanos(1_000_000_000), timestamp: WINDOW.end() }
    }

    const BOOT: Boot = Boot::from_bytes([3; 16]);
    const SALT: Salt = [4; 8];
    const WINDOW: Window = Window(500_000);
}
