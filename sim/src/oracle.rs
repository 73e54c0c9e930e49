//! The oracle: what the mesh has promised, against what is so. It sees all disks at once, which no node can.
//!
//! It judges queries in the manner of Jepsen's set-full checker: of each acknowledged batch it knows from when on it had to be seen, and
//! when it last was not.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use logmesh_protocol::id::{BatchId, NodeId};
use logmesh_protocol::replica::Ticket;
use logmesh_protocol::segment::SegmentId;
use logmesh_protocol::seq_set::SeqSet;
use logmesh_protocol::time::{TimeRange, Timestamp};

use self::deletions::Deletions;
use crate::hosts::{Hosts, node, slot};

mod deletions;

/// A batch's place.
pub type Place = (SegmentId, u32);

/// All that was promised.
#[derive(Debug, Default)]
pub struct Oracle {
    /// Where appends that are not answered yet got their place, and which node is to answer.
    placed: BTreeMap<Ticket, (NodeId, Place)>,
    segments: BTreeMap<SegmentId, Known>,
    /// Of the acknowledged batches that have not expired, how many are whole on how many disks.
    copies: Vec<u64>,
    /// What was to be deleted.
    pub(crate) deletions: Deletions,
    /// Promises that were broken.
    pub broken: Vec<String>,
    /// How many queries claimed to be complete, and how many did not.
    pub claims: (u64, u64),
    /// How many appends were answered.
    pub acknowledged_count: u64,
    /// How many were refused.
    pub refused_count: u64,
}

/// What is known of a segment.
#[derive(Debug, Default)]
struct Known {
    batches: Vec<Option<Batch>>,
    /// Nobody owes it any more.
    is_expired: bool,
}

/// What is known of a batch.
#[derive(Debug)]
struct Batch {
    id: BatchId,
    /// When it was acknowledged, and what its origin's wall clock showed then.
    acknowledged: Option<u64>,
    shown: Timestamp,
    /// Acknowledged by a node right after a clean stop or its first start, before anybody who never stopped so could know that it
    /// writes: the one thing that completeness cannot see, for the node is to be writable alone.
    is_unseen: bool,
    /// The disks that made it durable.
    disks: Vec<Copied>,
    /// When it was last missing in an answer to a query that began after the acknowledgement, and when it was first there.
    absent: Option<u64>,
    present: Option<u64>,
}

/// What became of a batch on one disk.
#[derive(Clone, Copy, Debug)]
struct Copied {
    /// The slot of the host.
    disk: u16,
    /// Whether it is whole there still.
    is_whole: bool,
    /// When it became whole there.
    since: u64,
}

impl Batch {
    fn copies(&self) -> usize {
        self.whole().count()
    }

    fn whole(&self) -> impl Iterator<Item = &Copied> {
        self.disks.iter().filter(|copy| copy.is_whole)
    }

    fn is_on(&self, host: &NodeId) -> bool {
        self.disks.iter().any(|copy| slot(host) == Some(usize::from(copy.disk)))
    }

    fn is_owed(&self) -> bool {
        self.acknowledged.is_some() && self.whole().next().is_some()
    }
}

/// What a query brought.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// When it was asked.
    pub began: u64,
    /// When it was answered.
    pub ended: u64,
    /// What was asked for.
    pub range: TimeRange,
    /// What was scanned.
    pub found: &'a BTreeMap<SegmentId, SeqSet>,
    /// Whether the answer says that it is complete.
    pub claims_complete: bool,
    /// Of whom anybody who answered knows.
    pub remembered: &'a BTreeSet<NodeId>,
}

/// What an answer lacks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lacking {
    /// How many batches.
    pub batches: u64,
    /// How long ago the oldest of them was acknowledged.
    pub staleness: Duration,
}

/// What became of all acknowledged batches, as queries saw it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reads {
    /// Seen, and never missed after the acknowledgement.
    pub stable: u64,
    /// Missed at first, and seen later.
    pub stale: u64,
    /// Missed by the last query that could have seen them.
    pub lost: u64,
    /// Never asked for.
    pub unread: u64,
    /// After how long the last of the stale ones was seen for good.
    pub slowest: Duration,
}

impl Oracle {
    /// An append got its place.
    pub fn placed(&mut self, node: NodeId, ticket: Ticket, place: Place, id: BatchId) {
        let batches = &mut self.segments.entry(place.0).or_default().batches;
        let at = place.1 as usize;
        if batches.len() <= at {
            batches.resize_with(at + 1, || None);
        }
        match &batches[at] {
            Some(other) if other.id != id => {
                let other = other.id;
                self.broken.push(format!("one writer: {place:?} was given to {other:?} and to {id:?}"));
            }
            Some(_) => {}
            None => {
                let disks = Vec::with_capacity(3);
                batches[at] = Some(Batch {
                    id,
                    acknowledged: None,
                    shown: Timestamp::MIN,
                    is_unseen: false,
                    disks,
                    absent: None,
                    present: None,
                });
            }
        }
        self.placed.insert(ticket, (node, place));
    }

    fn find_mut(&mut self, place: Place) -> Option<&mut Batch> {
        self.segments.get_mut(&place.0)?.batches.get_mut(place.1 as usize)?.as_mut()
    }

    fn find(&self, place: Place) -> Option<&Batch> {
        self.segments.get(&place.0)?.batches.get(place.1 as usize)?.as_ref()
    }

    /// A disk has made batches durable.
    pub fn durable(&mut self, now: u64, node: NodeId, places: impl IntoIterator<Item = Place>) {
        for place in places {
            self.change(place, node, Some(now));
        }
    }

    /// A disk has lost a batch through no fault of the machine.
    pub fn harmed(&mut self, node: NodeId, place: Place) {
        self.change(place, node, None);
    }

    /// A batch became whole on a disk at some time, or was lost there.
    fn change(&mut self, place: Place, node: NodeId, whole_at: Option<u64>) {
        let Some(disk) = slot(&node).and_then(|slot| u16::try_from(slot).ok()) else { return };
        let Some(batch) = self.find_mut(place) else { return };
        let before = batch.copies();
        match (batch.disks.iter_mut().find(|copy| copy.disk == disk), whole_at) {
            (Some(copy), None) => copy.is_whole = false,
            (Some(copy), Some(_)) if copy.is_whole => {}
            (Some(copy), Some(since)) => (copy.is_whole, copy.since) = (true, since),
            (None, Some(since)) => batch.disks.push(Copied { disk, is_whole: true, since }),
            (None, None) => {}
        }
        let (after, is_counted) = (batch.copies(), batch.acknowledged.is_some());
        if is_counted && !self.segments[&place.0].is_expired {
            self.recount(before, after);
        }
    }

    fn recount(&mut self, before: usize, after: usize) {
        self.uncount(before);
        self.count(after);
    }

    fn count(&mut self, copies: usize) {
        if self.copies.len() <= copies {
            self.copies.resize(copies + 1, 0);
        }
        self.copies[copies] += 1;
    }

    fn uncount(&mut self, copies: usize) {
        self.copies[copies] -= 1;
    }

    /// A disk was lost whole.
    pub fn wiped(&mut self, node: NodeId) {
        let all =
            self.segments.iter().flat_map(|(segment, known)| (0..).zip(&known.batches).map(|(seq, _)| (*segment, seq)));
        for place in all.collect::<Vec<_>>() {
            self.harmed(node, place);
        }
    }

    /// By some clock it is so late: what is past its retention then is owed no more.
    pub fn expire(&mut self, now: Timestamp, retention: Duration) {
        // They sort by window: after the first that lives, all do.
        let past = self.segments.iter().take_while(|(segment, _)| segment.is_expired(now, retention));
        let past = past.filter(|(_, known)| !known.is_expired).map(|(segment, _)| *segment);
        past.collect::<Vec<_>>().into_iter().for_each(|segment| self.expired(segment));
    }

    /// Tells whether a segment is past its retention by some clock.
    pub fn is_expired(&self, segment: &SegmentId) -> bool {
        self.segments.get(segment).is_some_and(|known| known.is_expired)
    }

    /// A segment is past its retention.
    pub fn expired(&mut self, segment: SegmentId) {
        let known = self.segments.entry(segment).or_default();
        if std::mem::replace(&mut known.is_expired, true) {
            return;
        }
        let counted = known.batches.iter().flatten().filter(|batch| batch.acknowledged.is_some());
        for copies in counted.map(Batch::copies).collect::<Vec<_>>() {
            self.uncount(copies);
        }
    }

    /// Durable before acknowledged: so many disks must have the batch, the answering node's among them.
    pub fn acknowledged(&mut self, now: u64, ticket: Ticket, copies: u8, hosts: &Hosts) {
        let Some((node, place)) = self.placed.remove(&ticket) else {
            self.broken.push(format!("durable before acknowledged: {ticket:?} was acknowledged without a place"));
            return;
        };
        self.acknowledged_count += 1;
        let is_unseen = hosts.get(&node).is_none_or(|host| !host.is_established);
        let shown = hosts.get(&node).map_or(Timestamp::MIN, |host| host.now(now).timestamp);
        let is_expired = self.is_expired(&place.0);
        let Some(batch) = self.find_mut(place) else { return };
        let was_counted = batch.acknowledged.replace(now).is_some();
        batch.is_unseen |= is_unseen;
        batch.shown = shown;
        let (whole, is_here, disks) = (batch.copies(), batch.is_on(&node), batch.disks.clone());
        if !was_counted && !is_expired {
            self.count(whole);
        }
        if !is_here {
            self.broken.push(format!("durable before acknowledged: {place:?} is not on the disk of {node:?}"));
        }
        if disks.len() < usize::from(copies) {
            self.broken.push(format!(
                "copies told are copies had: {place:?} was said to be on {copies} disks and is on {disks:?}"
            ));
        }
    }

    /// A host lets a segment go that is not expired: others must have all of it by then.
    pub fn dropped(&mut self, node: NodeId, segment: SegmentId, copies: u8, hosts: &Hosts) {
        for place in self.check_handed_over(node, segment, copies, hosts) {
            self.harmed(node, place);
        }
    }

    /// A host has left: others must have all that it holds and that is not expired.
    pub fn left(&mut self, node: NodeId, copies: u8, hosts: &Hosts) {
        let held: BTreeSet<SegmentId> = hosts[&node].disk.ids().map(|(segment, ..)| segment).collect();
        for segment in held.into_iter().filter(|segment| !self.is_expired(segment)).collect::<Vec<_>>() {
            self.check_handed_over(node, segment, copies, hosts);
        }
    }

    /// Looks whether others have all that a host has of a segment, and returns that.
    fn check_handed_over(&mut self, node: NodeId, segment: SegmentId, copies: u8, hosts: &Hosts) -> Vec<Place> {
        // Where fewer have joined than there should be copies, all of them are holders.
        let joined = hosts[&node].replica.as_ref().map_or(0, |replica| replica.members_table().placed().len());
        let holders = usize::from(copies).min(joined);
        let places: Vec<Place> = hosts[&node].disk.ledger(segment).into_iter().map(|(seq, _)| (segment, seq)).collect();
        for place in &places {
            // One of the holders may have found its copy damaged since it showed it, so keeping it is enough.
            let named = self.find(*place).into_iter().flat_map(|batch| &batch.disks);
            let others = named.map(|copy| crate::hosts::node(copy.disk)).filter(|other| *other != node);
            let others = others.filter(|other| hosts[other].disk.keeps(place.0, place.1)).count();
            if others < holders.saturating_sub(1).max(1) {
                self.broken
                    .push(format!("nothing is dropped too early: {place:?} by {node:?}, and {others} others have it"));
            }
        }
        places
    }

    /// A client was refused.
    pub fn refused(&mut self, ticket: Ticket) {
        self.placed.remove(&ticket);
        self.refused_count += 1;
    }

    /// No acknowledged batch is lost while a disk that made it durable is unharmed; and no disk has what nobody wrote.
    pub fn check_disks(&mut self, hosts: &Hosts) {
        let mut phantoms = Vec::new();
        for host in hosts.values() {
            for (segment, seq, id) in host.disk.ids() {
                if self.find((segment, seq)).is_none_or(|batch| batch.id != id) {
                    phantoms.push(format!("no phantom: {:?} has {segment:?} {seq} that nobody wrote so", host.id));
                }
            }
        }
        self.broken.append(&mut phantoms);
        let has = |disk: &u16, place: &Place| {
            hosts.at(usize::from(*disk)).is_some_and(|host| host.disk.has(place.0, place.1))
        };
        let lost: Vec<String> = self
            .owed_batches()
            .filter(|(place, batch)| !batch.disks.iter().any(|copy| has(&copy.disk, place)))
            .map(|(place, batch)| {
                format!("nothing acknowledged is lost: {place:?} is on no disk, {:?} had it", batch.disks)
            })
            .collect();
        self.broken.extend(lost);
    }

    fn owed_batches(&self) -> impl Iterator<Item = (Place, &Batch)> {
        let living = self.segments.iter().filter(|(_, known)| !known.is_expired);
        let batches = living.flat_map(|(segment, known)| {
            (0..).zip(&known.batches).filter_map(|(seq, batch)| Some(((*segment, seq), batch.as_ref()?)))
        });
        batches.filter(|(_, batch)| batch.is_owed())
    }

    /// Tells whether a batch that was durable somewhere, and has not expired, is whole on no disk any more: all were wiped, or rotted.
    pub fn has_lost(&self) -> bool {
        let living = self.segments.values().filter(|known| !known.is_expired);
        let mut batches = living.flat_map(|known| known.batches.iter().flatten());
        batches.any(|batch| !batch.disks.is_empty() && batch.copies() == 0)
    }

    /// Returns what was acknowledged and must still be there.
    pub fn owed(&self) -> impl Iterator<Item = Place> {
        self.owed_batches().map(|(place, _)| place)
    }

    /// Returns how many acknowledged batches are whole on how many disks.
    pub fn copies(&self) -> &[u64] {
        &self.copies
    }

    /// Sound completeness: an answer that says that it is complete contains all that was acknowledged before the query began. What only
    /// such disks have as nobody who answers remembers (all who did have lost theirs since) cannot be known to miss.
    pub fn check_answer(&mut self, answer: &Answer<'_>) -> Lacking {
        let mut lacking = Lacking::default();
        let mut unsound = None;
        for (segment, known) in self.segments.iter_mut().filter(|(_, known)| !known.is_expired) {
            if !segment.window.overlaps(&answer.range) {
                continue;
            }
            let nothing = SeqSet::new();
            let found = answer.found.get(segment).unwrap_or(&nothing);
            for (seq, batch) in (0..).zip(&mut known.batches) {
                let Some(batch) = batch.as_mut().filter(|batch| batch.is_owed()) else { continue };
                if found.contains(seq) {
                    batch.present.get_or_insert(answer.ended);
                    continue;
                }
                let Some(acknowledged) = batch.acknowledged.filter(|at| *at <= answer.began) else { continue };
                batch.absent = Some(answer.ended);
                lacking.batches += 1;
                lacking.staleness = lacking.staleness.max(Duration::from_nanos(answer.ended - acknowledged));
                // What a node got from one whom nobody remembers came too late for the survey.
                let mut whole = batch.whole().filter(|copy| copy.since <= answer.began).map(|copy| node(copy.disk));
                if !batch.is_unseen && unsound.is_none() && whole.any(|disk| answer.remembered.contains(&disk)) {
                    unsound = Some(((*segment, seq), batch.disks.clone()));
                }
            }
        }
        match answer.claims_complete {
            true => self.claims.0 += 1,
            false => self.claims.1 += 1,
        }
        if let Some((place, disks)) = unsound.filter(|_| answer.claims_complete) {
            self.broken.push(format!(
                "sound completeness: {place:?} is missing in an answer that says it is complete; {disks:?} have it"
            ));
        }
        lacking
    }

    /// Sound completeness: what an answer says to include of a node, all that it had acknowledged before its clock showed some time, it
    /// includes. Disks that were harmed meanwhile are no part of the bargain.
    pub fn check_included(
        &mut self,
        origin: NodeId,
        until: Timestamp,
        range: &TimeRange,
        found: &BTreeMap<SegmentId, SeqSet>,
    ) {
        let nothing = SeqSet::new();
        let living = self.segments.iter().filter(|(id, known)| id.origin() == origin && !known.is_expired);
        for (segment, known) in living.filter(|(id, _)| id.window.overlaps(range)) {
            let found = found.get(segment).unwrap_or(&nothing);
            let batches = (0..).zip(&known.batches).filter_map(|(seq, batch)| Some((seq, batch.as_ref()?)));
            let mut lacking = batches.filter(|(seq, batch)| {
                let is_meant = batch.acknowledged.is_some() && batch.shown < until && !batch.is_unseen;
                is_meant && batch.disks.iter().all(|copy| copy.is_whole) && !found.contains(*seq)
            });
            if let Some((seq, batch)) = lacking.next() {
                self.broken.push(format!(
                    "sound completeness: {:?} is missing in an answer that says it has all that {origin:?} acknowledged until {until}; {:?} have it",
                    (*segment, seq),
                    batch.disks
                ));
                return;
            }
        }
    }

    /// Heads are told: of the last batches of a segment beyond `head`, acknowledged before, all holders have each. Returns which they have
    /// not.
    pub fn untold(&self, segment: &SegmentId, head: u32, holders: &[NodeId], before: u64) -> Option<u32> {
        let batches = &self.segments.get(segment)?.batches;
        // Of what has rotted at its origin the origin can tell nothing.
        let at_origin = |batch: &Batch| batch.whole().any(|copy| node(copy.disk) == segment.origin());
        let is_told = |batch: &Batch| !at_origin(batch) || holders.iter().all(|holder| batch.is_on(holder));
        let mut last = batches.iter().enumerate().skip(head as usize).rev().take(UNTOLD_LOOKED_AT);
        let untold = last.find(|(_, batch)| {
            let old = batch.as_ref().filter(|batch| batch.acknowledged.is_some_and(|at| at <= before));
            old.is_some_and(|batch| !is_told(batch))
        });
        untold.and_then(|(seq, _)| u32::try_from(seq).ok())
    }

    /// Sums up what the queries saw.
    pub fn reads(&self) -> Reads {
        let mut reads = Reads::default();
        for (_, batch) in self.owed_batches() {
            match (batch.present, batch.absent) {
                (None, None) => reads.unread += 1,
                (Some(_), None) => reads.stable += 1,
                (None, Some(_)) => reads.lost += 1,
                (Some(present), Some(absent)) => {
                    reads.stale += 1;
                    let acknowledged = batch.acknowledged.unwrap_or(present);
                    reads.slowest = reads.slowest.max(Duration::from_nanos(absent.saturating_sub(acknowledged)));
                }
            }
        }
        reads
    }
}

/// Of each segment so many of its last batches are looked at.
const UNTOLD_LOOKED_AT: usize = 8;
