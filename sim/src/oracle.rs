//! The oracle: what the mesh has promised, against what is so. It sees all disks at once, which no node can.

use std::collections::{BTreeMap, BTreeSet};

use logmesh_protocol::id::{BatchId, NodeId};
use logmesh_protocol::plan::Assignment;
use logmesh_protocol::replica::Ticket;
use logmesh_protocol::segment::SegmentId;
use logmesh_protocol::seq_set::SeqSet;

use crate::host::Host;

/// A batch's place.
pub type Place = (SegmentId, u32);

/// All that was promised.
#[derive(Debug, Default)]
pub struct Oracle {
    placed: BTreeMap<Ticket, (NodeId, Place)>,
    ids: BTreeMap<Place, BatchId>,
    acknowledged: BTreeSet<Place>,
    /// Acknowledged by a node right after a clean stop or its first start, before anybody who never stopped so could know that it writes:
    /// the one thing that completeness cannot see, for the node is to be writable alone.
    unseen: BTreeSet<Place>,
    /// Which disks made each batch durable and were not harmed since.
    safe: BTreeMap<Place, BTreeSet<NodeId>>,
    /// Which disks ever made each batch durable.
    ever: BTreeMap<Place, BTreeSet<NodeId>>,
    /// Segments that expired: nobody owes them any more.
    expired: BTreeSet<SegmentId>,
    /// Promises that were broken.
    pub broken: Vec<String>,
    /// How many queries claimed to be complete, and how many did not.
    pub claims: (u64, u64),
    /// How many appends were answered.
    pub acknowledged_count: u64,
    /// How many were refused.
    pub refused_count: u64,
}

impl Oracle {
    /// An append got its place.
    pub fn placed(&mut self, node: NodeId, ticket: Ticket, place: Place, id: BatchId) {
        if let Some(other) = self.ids.insert(place, id).filter(|other| *other != id) {
            self.broken.push(format!("one writer: {place:?} was given to {other:?} and to {id:?}"));
        }
        self.placed.insert(ticket, (node, place));
    }

    /// A disk has made batches durable.
    pub fn durable(&mut self, node: NodeId, places: impl IntoIterator<Item = Place>) {
        for place in places {
            self.safe.entry(place).or_default().insert(node);
            self.ever.entry(place).or_default().insert(node);
        }
    }

    /// A disk has lost a batch through no fault of the machine.
    pub fn harmed(&mut self, node: NodeId, place: Place) {
        if let Some(safe) = self.safe.get_mut(&place) {
            safe.remove(&node);
        }
    }

    /// A disk was lost whole.
    pub fn wiped(&mut self, node: NodeId) {
        self.safe.values_mut().for_each(|safe| {
            safe.remove(&node);
        });
    }

    /// A segment is past its retention.
    pub fn expired(&mut self, segment: SegmentId) {
        self.expired.insert(segment);
    }

    /// Durable before acknowledged: so many disks must have the batch, the answering node's among them.
    pub fn acknowledged(&mut self, ticket: Ticket, copies: u8, hosts: &BTreeMap<NodeId, Host>) {
        let Some((node, place)) = self.placed.get(&ticket).copied() else {
            self.broken.push(format!("durable before acknowledged: {ticket:?} was acknowledged without a place"));
            return;
        };
        self.acknowledged.insert(place);
        self.acknowledged_count += 1;
        if !hosts[&node].is_established {
            self.unseen.insert(place);
        }
        let nowhere = BTreeSet::new();
        let disks = self.ever.get(&place).unwrap_or(&nowhere);
        if !disks.contains(&node) || !hosts.contains_key(&node) {
            self.broken.push(format!("durable before acknowledged: {place:?} is not on the disk of {node:?}"));
        }
        if disks.len() < usize::from(copies) {
            self.broken.push(format!(
                "copies told are copies had: {place:?} was said to be on {copies} disks and is on {disks:?}"
            ));
        }
    }

    /// A host lets a segment go that is not expired: others must have all of it by then.
    pub fn dropped(&mut self, node: NodeId, segment: SegmentId, copies: u8, hosts: &BTreeMap<NodeId, Host>) {
        let places: Vec<Place> = hosts[&node].disk.ledger(segment).into_iter().map(|(seq, _)| (segment, seq)).collect();
        for place in places {
            let has = |host: &&Host| host.id != node && host.disk.keeps(place.0, place.1);
            let others = hosts.values().filter(has).count();
            // One of the holders may have found its copy damaged since it showed it.
            if others < usize::from(copies).saturating_sub(1).max(1) {
                self.broken
                    .push(format!("nothing is dropped too early: {place:?} by {node:?}, and {others} others have it"));
            }
            self.harmed(node, place);
        }
    }

    /// A client was refused.
    pub fn refused(&mut self, _ticket: Ticket) {
        self.refused_count += 1;
    }

    /// No acknowledged batch is lost while a disk that made it durable is unharmed; and no disk has what nobody wrote.
    pub fn check_disks(&mut self, hosts: &BTreeMap<NodeId, Host>) {
        let mut there: BTreeSet<Place> = BTreeSet::new();
        for host in hosts.values() {
            for (segment, seq, id) in host.disk.ids() {
                if self.ids.get(&(segment, seq)) != Some(&id) {
                    self.broken.push(format!("no phantom: {:?} has {segment:?} {seq} that nobody wrote so", host.id));
                }
                if host.disk.has(segment, seq) {
                    there.insert((segment, seq));
                }
            }
        }
        for place in self.owed().filter(|place| !there.contains(*place)).copied().collect::<Vec<_>>() {
            self.broken
                .push(format!("nothing acknowledged is lost: {place:?} is on no disk, {:?} had it", self.safe[&place]));
        }
    }

    /// Returns what was acknowledged and must still be there.
    pub fn owed(&self) -> impl Iterator<Item = &Place> {
        let unharmed = |place: &&Place| self.safe.get(*place).is_some_and(|safe| !safe.is_empty());
        self.acknowledged.iter().filter(unharmed).filter(|(segment, _)| !self.expired.contains(segment))
    }

    /// Sound completeness: an answer that says that it is complete contains all that was acknowledged; and none contains anything twice.
    /// What only such disks have as nobody who answers remembers (all who did have lost theirs since) cannot be known to miss.
    pub fn check_answer(
        &mut self,
        assignment: &Assignment,
        own: &BTreeMap<NodeId, Vec<(SegmentId, SeqSet)>>,
        hosts: &BTreeMap<NodeId, Host>,
    ) {
        let mut scanned: BTreeMap<SegmentId, SeqSet> = BTreeMap::new();
        let owned = assignment.own.iter().flat_map(|(node, scan)| {
            let segments = own.get(node).into_iter().flatten().filter(|(id, _)| id.journal.boot >= scan.since);
            segments.map(|(id, held)| (*id, held.difference(scan.except.get(id).unwrap_or(&SeqSet::new()))))
        });
        for (segment, seqs) in owned.chain(assignment.scans.values().flatten().cloned()) {
            let before = scanned.entry(segment).or_default();
            if !before.intersection(&seqs).is_empty() {
                self.broken.push(format!("no duplicates: batches of {segment:?} are scanned twice"));
            }
            *before = before.union(&seqs);
        }
        if !assignment.completeness.complete {
            self.claims.1 += 1;
            return;
        }
        self.claims.0 += 1;
        let answering = assignment.own.keys().filter_map(|node| hosts.get(node)?.replica.as_ref());
        let tables = answering.map(|replica| replica.members_table());
        let remembered: BTreeSet<NodeId> = tables.flat_map(|table| table.rows().map(|row| row.node)).collect();
        let is_known = |place: &&Place| !self.unseen.contains(*place) && !self.safe[*place].is_disjoint(&remembered);
        let missing = self.owed().filter(is_known);
        let missing =
            missing.copied().find(|(segment, seq)| !scanned.get(segment).is_some_and(|seqs| seqs.contains(*seq)));
        if let Some(place) = missing {
            self.broken.push(format!(
                "sound completeness: {place:?} is missing in an answer that says it is complete; {:?} have it",
                self.safe[&place]
            ));
        }
    }
}
