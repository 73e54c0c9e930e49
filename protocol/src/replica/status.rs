//! What the machine shows of itself: to operators, and to whoever plans a query. Reading changes nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Replica;
use crate::id::NodeId;
use crate::member::{MemberRow, MemberState, MemberTable};
use crate::merkle::Digest;
use crate::plan::{Heads, OwnScan, SurveyAnswer, SurveyRow};
use crate::segment::SegmentId;
use crate::seq_set::SeqSet;
use crate::time::{Instant, Now, TimeRange};

/// How one member stands, as seen from here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberStatus {
    /// The member.
    pub node: NodeId,
    /// Where it is in its life.
    pub state: MemberState,
    /// Whether it is taken to be up.
    pub live: bool,
    /// Since when it is up or away; none for this node.
    pub since: Option<Instant>,
    /// Its failure domain.
    pub zone: String,
    /// Its share, relative to the others.
    pub weight: u8,
    /// Whether answers stay complete without it: it stopped in order.
    pub clean: bool,
    /// How many batches of this node's present journal it should hold and is not known to.
    pub owed_batches: u64,
    /// About how many bytes these have as they travel.
    pub owed_bytes: u64,
}

/// What this node knows of one segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentStatus {
    /// The segment.
    pub segment: SegmentId,
    /// What is held here.
    pub held: SeqSet,
    /// How many batches its origin has told of, if more than that is known.
    pub head: Option<u32>,
    /// The root of the ledger; none before it was looked through.
    pub root: Option<Digest>,
    /// Who should hold it.
    pub holders: Vec<NodeId>,
    /// How many batches lie in extents.
    pub sealed_batches: u64,
    /// How many bytes the batches have as they travel.
    pub bytes: u64,
    /// Whether fewer nodes than should are known to hold all of it.
    pub under_copied: bool,
}

/// What repair has done since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RepairStatus {
    /// Rounds that have ended.
    pub rounds: u64,
    /// Those that found no difference.
    pub in_sync: u64,
    /// How long ago the last one ended.
    pub last_round: Option<Duration>,
    /// Batches that came.
    pub batches_received: u64,
    /// Bytes that came.
    pub bytes_received: u64,
    /// Batches that were found damaged here.
    pub damaged_batches: u64,
}

/// What a node has of a segment that it wrote, and is to scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnSegment {
    /// The segment.
    pub segment: SegmentId,
    /// What can be read, as far as is known.
    pub readable: SeqSet,
    /// What was found damaged and is not mended yet.
    pub damaged: SeqSet,
}

impl Replica {
    /// Returns this node's id.
    pub fn id(&self) -> NodeId {
        self.context.id
    }

    /// Returns all rows of the member table as this node sees them, its own among them.
    pub fn members(&self) -> Vec<MemberStatus> {
        self.members.table.rows().map(|row| self.member_status(row)).collect()
    }

    fn member_status(&self, row: &MemberRow) -> MemberStatus {
        let peer = self.members.peers.get(row.node);
        let is_self = row.node == self.context.id;
        let (owed_batches, owed_bytes) = if is_self { (0, 0) } else { self.owed_to(row.node) };
        MemberStatus {
            node: row.node,
            state: row.state,
            live: is_self || peer.is_some_and(|peer| peer.live),
            since: peer.map(|peer| peer.since),
            zone: row.zone.clone(),
            weight: row.weight,
            clean: self.members.table.is_clean(row.node),
            owed_batches,
            owed_bytes,
        }
    }

    /// Returns how many batches, and about how many bytes, this node owes to others.
    pub fn owed(&self) -> (u64, u64) {
        let peers = self.members.table.members().filter(|row| row.node != self.context.id);
        peers.map(|row| self.owed_to(row.node)).fold((0, 0), |sum, owed| (sum.0 + owed.0, sum.1 + owed.1))
    }

    /// Returns the segments that are held here.
    pub fn segments(&self) -> Vec<SegmentStatus> {
        let status = |(id, segment): (&SegmentId, &super::segments::Segment)| {
            let holders = self.holders_of(id);
            let holds = |node: &NodeId| {
                *node == self.context.id
                    || segment.is_confirmed(*node, self.members.boot(*node))
                    || self.is_pushed(id, *node)
            };
            SegmentStatus {
                segment: *id,
                held: segment.held.clone(),
                head: self.head_heard(id),
                root: segment.root(),
                under_copied: holders.len() < usize::from(self.context.config.copies) || !holders.iter().all(holds),
                holders: holders.to_vec(),
                sealed_batches: segment.sealed.len(),
                bytes: segment.sizes().size_bytes,
            }
        };
        self.segments.iter().map(status).collect()
    }

    /// Answers a survey: what is held here within `range`, and what should be and cannot be read. Left out are segments of the nodes
    /// `except`, which answer for themselves, where their rows vouch for them.
    pub fn survey(&self, range: &TimeRange, except: &[NodeId]) -> SurveyAnswer {
        let mut answer = SurveyAnswer { members: self.members.table.digest(), ..SurveyAnswer::default() };
        for (id, segment) in self.segments.iter().filter(|(id, _)| overlaps(id, range)) {
            let damaged = match segment.root() {
                Some(_) => segment.quarantined.clone(),
                None => segment.held.union(&segment.quarantined),
            };
            let held = segment.held.difference(&damaged);
            let vouched = self.members.table.row(id.origin()).is_some_and(|row| row.vouches_for(id.journal.boot));
            let answers_itself = except.contains(&id.origin()) && vouched;
            if let Some(root) = segment.root().filter(|_| !answers_itself && !held.is_empty()) {
                answer.rows.push(SurveyRow { segment: *id, held, root });
            }
            if !damaged.is_empty() && (!answers_itself || id.origin() == self.context.id) {
                answer.damaged.insert(*id, damaged);
            }
        }
        answer
    }

    /// Returns what of `scan` this node has within `range`, and what of it cannot be read: what was found damaged since a survey is to
    /// be named with the scan, or the answer would lack it and not say so. None if the node cannot vouch for what it wrote since then:
    /// it has lost its disk since the survey, or has left and may have let go of it. Then the query is to be planned anew.
    pub fn own_segments(&self, range: &TimeRange, scan: &OwnScan) -> Option<Vec<OwnSegment>> {
        let mine = &self.members.mine;
        // Equal, not earlier: the starts of a clock that was put back do not come in order.
        if mine.disk != scan.since || !mine.state.is_member() {
            return None;
        }
        let nothing = SeqSet::new();
        let own = self.segments.iter().filter(|(id, _)| id.origin() == mine.node && id.journal.boot >= scan.since);
        let own = own.filter(|(id, _)| overlaps(id, range)).map(|(id, segment)| {
            let except = scan.except.get(id).unwrap_or(&nothing);
            let readable = segment.held.difference(&segment.quarantined).difference(except);
            OwnSegment { segment: *id, readable, damaged: segment.quarantined.difference(except) }
        });
        Some(own.collect())
    }

    /// Returns what `node` last told of its heads.
    pub fn heads_of(&self, node: NodeId) -> Heads {
        self.heads_heard(node)
    }

    /// Tells whether another member has what this node last said of itself: if not, others may take it to have stopped in order.
    pub fn is_heard(&self) -> bool {
        self.members.is_known
    }

    /// Returns the member table.
    pub fn members_table(&self) -> &MemberTable {
        &self.members.table
    }

    /// Merges rows that came another way than by a message.
    pub fn merge_members(&mut self, now: Now, rows: Vec<MemberRow>) {
        self.enter(now);
        self.merge_rows(rows);
    }

    /// Returns what repair has done since the start.
    pub fn repair_status(&self, now: Now) -> RepairStatus {
        let stats = self.rounds.stats;
        RepairStatus {
            rounds: stats.rounds,
            in_sync: stats.in_sync,
            last_round: stats.last_round.map(|at| now.instant.since(at)),
            batches_received: stats.batches,
            bytes_received: stats.bytes,
            damaged_batches: stats.damaged,
        }
    }

    /// Returns what is set aside as damaged and not mended yet.
    pub fn quarantined(&self) -> BTreeMap<SegmentId, SeqSet> {
        let damaged = self.segments.iter().filter(|(_, segment)| !segment.quarantined.is_empty());
        damaged.map(|(id, segment)| (*id, segment.quarantined.clone())).collect()
    }
}

fn overlaps(id: &SegmentId, range: &TimeRange) -> bool {
    crate::plan::overlaps(id.window, range)
}
