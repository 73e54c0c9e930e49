//! Who scans what for a query, and how complete the answer will be. Shared by the coordinator of `node` and by `sim`.
//!
//! No batch may be assigned twice, and what is called complete must contain all that was acknowledged anywhere in the mesh
//! before the query began.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::{Boot, NodeId};
use crate::member::MemberTable;
use crate::merkle::Digest;
use crate::segment::{SegmentId, Window};
use crate::seq_set::SeqSet;
use crate::time::{TimeRange, Timestamp};

pub mod completeness;

pub use self::completeness::{Completeness, MissingFrom, Reason};

/// One segment that the answerer of a survey holds something of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SurveyRow {
    /// The segment.
    pub segment: SegmentId,
    /// What it holds, verified since its start and not known to be damaged.
    pub held: SeqSet,
    /// The root of its ledger.
    pub root: Digest,
}

/// What one node answers to a survey.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SurveyAnswer {
    /// The digest of its member table.
    pub members: [u8; 16],
    /// What it holds within the range, except the segments for which a live origin answers itself (those of the nodes
    /// that the survey names, whose rows vouch for them).
    pub rows: Vec<SurveyRow>,
    /// What it should hold and cannot read now: damaged, set aside, or not verified since the start. Of its own segments and of all
    /// others.
    pub damaged: BTreeMap<SegmentId, SeqSet>,
}

/// How a member stands to the query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It answered the survey. The coordinator answers its own.
    Answered(SurveyAnswer),
    /// It is taken to be up but did not answer in time.
    Silent(Heads),
    /// It is away.
    Away {
        /// Since when, if known.
        since: Option<Timestamp>,
        /// What it last told.
        heads: Heads,
    },
}

/// How many batches a node said it has written, when it was last heard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heads {
    /// When it said so, by its own wall clock; none if nothing is known.
    pub at: Option<Timestamp>,
    /// The count of each segment of its journals, except those that had all their copies then.
    pub counts: BTreeMap<SegmentId, u32>,
}

/// All that a coordinator knows when it plans.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// Its member table.
    pub table: &'a MemberTable,
    /// How each node stands, the coordinator itself among them. A member that is left out counts as away.
    pub standings: &'a BTreeMap<NodeId, Standing>,
    /// The [`MemberTable::losses`] under which the heads of those who did not answer were heard: the table may have learned since.
    pub losses: [u8; 16],
    /// How many copies each segment has.
    pub copies: u8,
    /// The range of the query.
    pub range: TimeRange,
}

/// Who scans what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assignment {
    /// These scan their own segments.
    pub own: BTreeMap<NodeId, OwnScan>,
    /// These scan exactly these batches besides.
    pub scans: BTreeMap<NodeId, Vec<(SegmentId, SeqSet)>>,
    /// How complete the answer is if all of that succeeds.
    pub completeness: Completeness,
}

/// What a live origin scans by itself: all that it holds, at the time of the scan, of the segments that it wrote since `since`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnScan {
    /// The start since which the coordinator takes the origin's memory to be unbroken. Said, not left to the origin: were the two of
    /// different minds, what lies between would be scanned twice.
    pub since: Boot,
    /// Left out: what the origin named damaged, and others scan, also where it is mended meanwhile.
    pub except: BTreeMap<SegmentId, SeqSet>,
}

/// Plans a query. Every node that answered scans its own segments. Of every other segment all that is held anywhere is given to one
/// holder that has it, else to several, each batch to one of them; batches that a live origin names damaged likewise.
///
/// The answer is called complete if and only if
/// - every member, and every node that is not in the table, has answered, or is away *clean* ([`MemberTable::is_clean`]);
/// - every answer came from a member table equal to the coordinator's;
/// - all that heads promise and all that anyone names damaged is assigned.
///
/// That suffices. Take a batch that was acknowledged and was not given up with all nodes that had it, and of the members that have
/// it the one that stopped last. If it answers, it has the batch (and scans it as origin, or lists it in a row) or names it
/// damaged. Else it is clean: when it stopped, another node that was up had the batch. That one has it still, and then answers or
/// stopped later, against the choice; or has dropped it, when all holders were up and showed that they have it, and then one of them
/// stopped later; or was lost, which changes the losses and makes nobody clean.
///
/// The proof needs of the nodes:
/// - Tables are exchanged whole, in one message.
/// - A node stops clean only when nodes that are up hold all that it holds and have taken over its table, its clean row in it,
///   and when nothing that it should hold is damaged.
/// - A node that was clean, was given up, or remembers no earlier start acknowledges nothing before an *established* node has its
///   new row, over further restarts too. Established are all others, and whoever has told one that is. (Else it could acknowledge in
///   isolation while the others take it to be stopped or do not know it. No coordinator can see that; where a node has to be writable
///   alone all the same, as a mesh's first node has, `complete` holds only from the moment when it has met the others.)
/// - A node drops nothing that it wrote itself while it is a member, and of others' segments only what all holders, up at that
///   moment, have just shown that they hold.
/// - Who scans its own still vouches for it since the start that it is told, when the scan has ended; else it says that it cannot.
/// - What was quarantined stays named damaged, over restarts, until it is mended or expires.
/// - Who is given up is down. (One that is up and cut off goes on acknowledging, and those who gave it up do not ask for it.)
/// - A node that was given seeds and has met none of them yet coordinates nothing: it knows too little to call anything complete.
pub fn assign(known: &Known<'_>) -> Assignment {
    let mut assignment = Assignment::default();
    let mut missing: BTreeMap<NodeId, u64> = BTreeMap::new();
    let rows = known.answers().filter_map(|(node, _)| known.table.row(node));
    // Who has left is no member: what it still has is assigned like everybody's.
    for row in rows.filter(|row| row.state.is_member()) {
        assignment.own.insert(row.node, OwnScan { since: row.disk, except: BTreeMap::new() });
    }
    for (segment, found) in known.segments() {
        let origin = segment.origin();
        if known.answers_itself(&segment)
            && !found.wanted.is_empty()
            && let Some(own) = assignment.own.get_mut(&origin)
        {
            own.except.insert(segment, found.wanted.clone());
        }
        let left = cover(&segment, found, &mut assignment.scans);
        if !left.is_empty() {
            *missing.entry(origin).or_default() += left.len();
        }
    }
    assignment.completeness = completeness::judge(known, &missing);
    assignment
}

impl Known<'_> {
    /// Tells whether the origin of `segment` scans it by itself: it answered, and has lost nothing since it wrote that.
    pub fn answers_itself(&self, segment: &SegmentId) -> bool {
        let answered = matches!(self.standings.get(&segment.origin()), Some(Standing::Answered(_)));
        let row = self.table.row(segment.origin());
        answered && row.is_some_and(|row| row.vouches_for(segment.journal.boot))
    }

    /// Returns those who answered.
    fn answers(&self) -> impl Iterator<Item = (NodeId, &SurveyAnswer)> {
        self.standings.iter().filter_map(|(node, standing)| match standing {
            Standing::Answered(answer) => Some((*node, answer)),
            Standing::Silent(_) | Standing::Away { .. } => None,
        })
    }

    /// Returns all segments of the range that anyone mentioned: who holds what, and what of it is to be scanned by others than a
    /// live origin.
    fn segments(&self) -> BTreeMap<SegmentId, Found> {
        let mut segments: BTreeMap<SegmentId, Found> = BTreeMap::new();
        for (node, answer) in self.answers() {
            for row in answer.rows.iter().filter(|row| overlaps(row.segment.window, &self.range)) {
                let found = segments.entry(row.segment).or_default();
                found.sources.push(Source { node, held: row.held.clone(), root: row.root });
                if !self.answers_itself(&row.segment) {
                    found.want(&row.held);
                }
            }
            for (segment, damaged) in answer.damaged.iter().filter(|(segment, _)| overlaps(segment.window, &self.range))
            {
                if segment.origin() == node || !self.answers_itself(segment) {
                    segments.entry(*segment).or_default().want(damaged);
                }
            }
        }
        for standing in self.standings.values() {
            let counts = match standing {
                Standing::Silent(heads) | Standing::Away { heads, .. } => &heads.counts,
                Standing::Answered(_) => continue,
            };
            for (segment, count) in counts.iter().filter(|(segment, _)| overlaps(segment.window, &self.range)) {
                segments.entry(*segment).or_default().want(&SeqSet::from_range(0..*count));
            }
        }
        segments
    }
}

/// What is known of one segment.
#[derive(Clone, Debug, Default)]
struct Found {
    sources: Vec<Source>,
    wanted: SeqSet,
}

impl Found {
    fn want(&mut self, seqs: &SeqSet) {
        if !self.wanted.is_superset(seqs) {
            self.wanted = self.wanted.union(seqs);
        }
    }
}

/// Who holds what of a segment.
#[derive(Clone, Debug)]
struct Source {
    node: NodeId,
    held: SeqSet,
    root: Digest,
}

/// Gives what is wanted of `segment` to as few of its sources as a greedy choice finds, each batch to one, and returns what none of them
/// has. Among equals those come first whose ledger most others have too (the odd one is likely the damaged one), then
/// a hash of segment and node decides, so that all share the scans.
fn cover(segment: &SegmentId, found: Found, scans: &mut BTreeMap<NodeId, Vec<(SegmentId, SeqSet)>>) -> SeqSet {
    let Found { sources, mut wanted } = found;
    let agreeing = |a: &Source| sources.iter().filter(|b| a.root == b.root && a.held == b.held).count();
    let mut left: Vec<_> =
        sources.iter().map(|source| (source, (agreeing(source), share(segment, source.node)))).collect();
    while !wanted.is_empty() {
        let parts = left.iter().enumerate().map(|(at, (source, rank))| {
            let part = source.held.intersection(&wanted);
            (part.len(), *rank, source.node, at, part)
        });
        let Some((length, _, node, at, part)) = parts.max_by_key(|(length, rank, node, ..)| (*length, *rank, *node))
        else {
            break;
        };
        if length == 0 {
            break;
        }
        left.swap_remove(at);
        wanted = if planted!(WrongSource) { SeqSet::new() } else { wanted.difference(&part) };
        if planted!(AssignedTwice)
            && let Some((again, _)) = left.pop()
        {
            scans.entry(again.node).or_default().push((*segment, again.held.intersection(&part)));
        }
        scans.entry(node).or_default().push((*segment, part));
    }
    wanted
}

fn share(segment: &SegmentId, node: NodeId) -> u64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&segment.to_bytes()).update(node.as_bytes());
    u64::from_le_bytes(*hasher.finalize().as_bytes().first_chunk().expect("a hash has more than 8 bytes"))
}

/// As [`Window::overlaps`], but the first and the last window also hold what lies before and after them ([`Window::of`]).
pub(crate) fn overlaps(window: Window, range: &TimeRange) -> bool {
    let first = if window == Window(0) { Timestamp::MIN } else { window.start() };
    let last =
        if window == Window(u32::MAX) { Timestamp::MAX } else { Timestamp::from_nanos(window.end().as_nanos() - 1) };
    range.overlaps(first, last)
}

#[cfg(test)]
mod stories;
#[cfg(test)]
mod tests;
