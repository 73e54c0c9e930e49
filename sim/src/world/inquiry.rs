//! Queries, planned and judged as the coordinator of production does it: survey, assign, scan, ask again where something failed; each
//! step takes the time that it takes on the way, and anything may happen between two.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use logmesh_protocol::id::NodeId;
use logmesh_protocol::member::{MemberRow, MemberTable};
use logmesh_protocol::plan::{
    self, Assignment, Completeness, Heads, Known, MissingFrom, Reason, Standing, SurveyAnswer,
};
use logmesh_protocol::replica::OwnSegment;
use logmesh_protocol::segment::{SegmentId, Window};
use logmesh_protocol::seq_set::SeqSet;
use logmesh_protocol::time::{TimeRange, Timestamp};
use rand::Rng;

use super::{Happening, World, node, small};
use crate::oracle::Answer;
use crate::sample::QuerySample;

/// A query under way.
pub(super) struct Inquiry {
    coordinator: NodeId,
    /// The start of the coordinator: with the process its queries end.
    boot: logmesh_protocol::id::Boot,
    began: u64,
    range: TimeRange,
    /// How often it was planned.
    attempts: u32,
    /// When the present round of questions began.
    asked_at: u64,
    table: MemberTable,
    /// The losses that it knew of then.
    losses: [u8; 16],
    live: Vec<NodeId>,
    heard: BTreeMap<NodeId, Heads>,
    /// Those that did not answer, of all attempts.
    silent: BTreeSet<NodeId>,
    /// Those that cannot read some of their own.
    damaged: BTreeSet<NodeId>,
    /// What came of the present round.
    replies: BTreeMap<NodeId, Reply>,
    /// What is to be scanned; none while surveys are under way.
    assignment: Option<Assignment>,
    /// What those who were surveyed last hold and nobody scans as its own.
    surveyed: BTreeMap<SegmentId, SeqSet>,
}

enum Reply {
    Survey(Vec<MemberRow>, SurveyAnswer),
    Scan {
        found: Vec<(SegmentId, SeqSet)>,
        damaged: u64,
    },
    /// It cannot vouch for what it wrote and was to scan.
    Unvouched,
}

/// What was found, and who failed to find how many batches.
type Scanned = (BTreeMap<SegmentId, SeqSet>, Vec<(NodeId, Reason, u64)>);

/// What a query is to do next.
enum Next {
    /// These are to be asked.
    Ask(Vec<NodeId>),
    /// It is done: what was found, and how complete that is.
    Done(BTreeMap<SegmentId, SeqSet>, Completeness),
}

impl World {
    /// Asks a host for everything, without letting time pass, and lets the oracle judge the answer. Tells whether it says that it is
    /// complete.
    pub fn query(&mut self, index: u16) -> bool {
        let range = TimeRange { start: Timestamp::MIN, end: Timestamp::MAX };
        let Some(mut inquiry) = self.begin_inquiry(node(index), range) else { return false };
        let mut next = inquiry.begin_survey();
        loop {
            match next {
                Next::Ask(nodes) => {
                    for other in nodes {
                        let me = inquiry.coordinator;
                        let both =
                            self.network.reaches(self.nanos, me, other) && self.network.reaches(self.nanos, other, me);
                        if other == me || both {
                            self.answer_inquiry(&mut inquiry, other);
                        }
                    }
                    next = self.go_on(&mut inquiry);
                }
                Next::Done(found, completeness) => return self.judge(&inquiry, &found, &completeness),
            }
        }
    }

    /// Asks a host for what lies within a range, as a client does: the answer comes when it comes.
    pub fn ask(&mut self, index: u16, range: TimeRange) {
        let Some(mut inquiry) = self.begin_inquiry(node(index), range) else { return };
        let next = inquiry.begin_survey();
        let number = self.tickets_of_inquiries;
        self.tickets_of_inquiries += 1;
        self.advance(number, inquiry, next);
    }

    /// Asks some host that is up for everything, or for the last hour, or for an earlier one.
    pub(super) fn on_ask_anybody(&mut self) {
        if let Some(every) = self.spec.query_every {
            self.later(every, Happening::Ask);
        }
        let count = self.hosts.len() as u16;
        let first = self.random.clients.random_range(0..count.max(1));
        let up = (0..count).map(|step| (first + step) % count).find(|index| self.is_up(*index));
        let Some(index) = up else { return };
        let now = Window::of(self.host_time(index));
        let range = match self.random.clients.random_range(0..4) {
            0 => TimeRange { start: now.start(), end: now.end() },
            1 => TimeRange { start: Timestamp::MIN, end: now.start() },
            _ => TimeRange { start: Timestamp::MIN, end: Timestamp::MAX },
        };
        self.ask(index, range);
    }

    fn host_time(&self, index: u16) -> Timestamp {
        self.hosts[&node(index)].now(self.nanos).timestamp
    }

    fn begin_inquiry(&mut self, coordinator: NodeId, range: TimeRange) -> Option<Inquiry> {
        let host = self.hosts.get(&coordinator)?;
        let members = host.replica.as_ref()?.members();
        let is_founder = |id: &NodeId| self.spec.nodes.get(usize::from(small(*id))).is_some_and(|node| node.is_founder);
        if !members.iter().any(|member| member.node != coordinator && is_founder(&member.node)) {
            // A node that was given seeds and has met none of them coordinates nothing.
            return None;
        }
        let mut inquiry = Inquiry {
            coordinator,
            boot: host.boot,
            began: self.nanos,
            range,
            attempts: 0,
            asked_at: self.nanos,
            table: MemberTable::new(),
            losses: [0; 16],
            live: Vec::new(),
            heard: BTreeMap::new(),
            silent: BTreeSet::new(),
            damaged: BTreeSet::new(),
            replies: BTreeMap::new(),
            assignment: None,
            surveyed: BTreeMap::new(),
        };
        self.look_around(&mut inquiry);
        Some(inquiry)
    }

    /// Notes what the coordinator's machine knows of the others just now.
    fn look_around(&self, inquiry: &mut Inquiry) {
        let Some(replica) = &self.hosts[&inquiry.coordinator].replica else { return };
        inquiry.attempts += 1;
        inquiry.table = replica.members_table().clone();
        inquiry.losses = inquiry.table.losses();
        let known = replica.members();
        let others = known.iter().filter(|member| member.node != inquiry.coordinator);
        inquiry.heard = others.map(|member| (member.node, replica.heads_of(member.node))).collect();
        inquiry.live = known.iter().filter(|member| member.live).map(|member| member.node).collect();
    }

    fn advance(&mut self, number: u64, mut inquiry: Inquiry, next: Next) {
        match next {
            Next::Ask(nodes) => {
                inquiry.asked_at = self.nanos;
                let mut slowest = Duration::ZERO;
                for other in nodes {
                    let Some((there, back)) = self.way(inquiry.coordinator, other) else { continue };
                    slowest = slowest.max(there + back);
                    self.later(there, Happening::Asked { inquiry: number, slot: small(other) });
                }
                self.later(slowest, Happening::Gather { inquiry: number });
                self.inquiries.insert(number, inquiry);
            }
            Next::Done(found, completeness) => {
                self.judge(&inquiry, &found, &completeness);
            }
        }
    }

    fn way(&mut self, from: NodeId, to: NodeId) -> Option<(Duration, Duration)> {
        if from == to {
            return Some((Duration::ZERO, Duration::ZERO));
        }
        let slow = Duration::from_nanos(self.hosts[&to].slowness);
        let there = self.network.datagram(self.nanos, from, to, &mut self.random.clients)?;
        let back = self.network.datagram(self.nanos, to, from, &mut self.random.clients)?;
        Some((there + slow, back + slow))
    }

    pub(super) fn on_asked(&mut self, number: u64, other: NodeId) {
        if let Some(mut inquiry) = self.inquiries.remove(&number) {
            self.answer_inquiry(&mut inquiry, other);
            self.inquiries.insert(number, inquiry);
        }
    }

    pub(super) fn on_gather(&mut self, number: u64) {
        let Some(mut inquiry) = self.inquiries.remove(&number) else { return };
        let host = &self.hosts[&inquiry.coordinator];
        if host.replica.is_none() || host.boot != inquiry.boot {
            return;
        }
        let deadline = inquiry.asked_at + crate::network::nanos(PATIENCE);
        if inquiry.is_waiting() && self.nanos < deadline {
            self.queue.push(deadline, Happening::Gather { inquiry: number });
            self.inquiries.insert(number, inquiry);
            return;
        }
        let next = self.go_on(&mut inquiry);
        self.advance(number, inquiry, next);
    }

    /// What a node that was asked answers, if it is up.
    fn answer_inquiry(&mut self, inquiry: &mut Inquiry, other: NodeId) {
        let host = &self.hosts[&other];
        let Some(replica) = host.replica.as_ref().filter(|_| self.hosts.paused_until(small(other)) <= self.nanos)
        else {
            return;
        };
        let Some(assignment) = &inquiry.assignment else {
            let except: Vec<NodeId> = inquiry.whole();
            let rows = replica.members_table().rows().cloned().collect();
            inquiry.replies.insert(other, Reply::Survey(rows, replica.survey(&inquiry.range, &except)));
            return;
        };
        let mut chosen: Vec<(SegmentId, SeqSet)> = assignment.scans.get(&other).cloned().unwrap_or_default();
        let (mut found, mut unread) = (Vec::new(), Vec::new());
        if let Some(own) = assignment.own.get(&other) {
            let Some(own) = replica.own_segments(&inquiry.range, own) else {
                inquiry.replies.insert(other, Reply::Unvouched);
                return;
            };
            for OwnSegment { segment, readable, damaged } in own {
                chosen.push((segment, readable));
                unread.push((segment, damaged));
            }
        }
        for (segment, seqs) in chosen {
            let read = host.disk.readable(&segment, &seqs);
            unread.push((segment, seqs.difference(&read)));
            found.push((segment, read));
        }
        let damaged = unread.iter().map(|(_, seqs)| seqs.len()).sum();
        inquiry.replies.insert(other, Reply::Scan { found, damaged });
        for (segment, damaged) in unread.into_iter().filter(|(_, damaged)| !damaged.is_empty()) {
            self.give(other, logmesh_protocol::replica::Input::Verified { segment, damaged, whole: false });
        }
    }

    /// Looks at the answers of a round.
    fn go_on(&mut self, inquiry: &mut Inquiry) -> Next {
        if inquiry.assignment.is_none() {
            if !inquiry.take_surveys() {
                return inquiry.begin_survey();
            }
            return inquiry.begin_scan(self.spec.config.copies);
        }
        let (found, failed) = inquiry.take_scans(&mut self.oracle.broken);
        if failed.is_empty() {
            // What has expired since the survey nobody has to have any more.
            self.expire();
            inquiry.surveyed.retain(|segment, _| !self.oracle.is_expired(segment));
            inquiry.check_scans(&found, &mut self.oracle.broken);
        }
        if failed.is_empty() || inquiry.attempts >= ATTEMPTS_MAX {
            let mut completeness =
                inquiry.assignment.take().map(|assignment| assignment.completeness).unwrap_or_default();
            for (node, reason, at_least_batches) in failed {
                completeness.note(MissingFrom { node, reason, included_until: None, at_least_batches });
            }
            return Next::Done(found, completeness);
        }
        inquiry.assignment = None;
        self.look_around(inquiry);
        inquiry.begin_survey()
    }

    /// What an answer says to have of a node that is away it has: all that the node had acknowledged before its clock showed some time.
    fn check_included(&mut self, inquiry: &Inquiry, found: &BTreeMap<SegmentId, SeqSet>, completeness: &Completeness) {
        for missing in &completeness.missing {
            let Some(until) = missing.included_until else { continue };
            // Of two moments that it showed alike nobody can tell which is meant.
            if !self.hosts[&missing.node].clock.was_put_back() {
                self.oracle.check_included(missing.node, until, &inquiry.range, found);
            }
        }
    }

    fn judge(&mut self, inquiry: &Inquiry, found: &BTreeMap<SegmentId, SeqSet>, completeness: &Completeness) -> bool {
        let remembered: BTreeSet<NodeId> = inquiry.table.members().map(|row| row.node).collect();
        self.expire();
        let before = self.oracle.broken.len();
        let claims_complete = completeness.complete;
        let (began, ended, range) = (inquiry.began, self.nanos, inquiry.range);
        let answer = Answer { began, ended, range, found, claims_complete, remembered: &remembered };
        let lacking = self.oracle.check_answer(&answer);
        self.check_included(inquiry, found, completeness);
        self.mark(&[7, u64::from(claims_complete), lacking.batches]);
        let coordinator = inquiry.coordinator;
        self.note(|| format!("{coordinator:?} answers {completeness} {:?}", completeness.missing));
        for line in self.oracle.broken.iter().skip(before).cloned().collect::<Vec<_>>() {
            self.note(|| line);
        }
        self.asked.push(QuerySample {
            node: small(coordinator),
            claims_complete,
            is_complete: lacking.batches == 0,
            missing: lacking.batches,
            staleness: lacking.staleness,
            took: Duration::from_nanos(ended - began),
        });
        claims_complete
    }
}

impl Inquiry {
    /// Returns those that are asked and have not failed to answer.
    fn asked(&self) -> Vec<NodeId> {
        self.live.iter().filter(|node| !self.silent.contains(node)).copied().collect()
    }

    /// Returns those that answer for themselves.
    fn whole(&self) -> Vec<NodeId> {
        self.asked().into_iter().filter(|node| !self.damaged.contains(node)).collect()
    }

    fn scanners(&self) -> BTreeSet<NodeId> {
        let assignment = self.assignment.iter();
        assignment.flat_map(|assignment| assignment.own.keys().chain(assignment.scans.keys())).copied().collect()
    }

    /// Tells whether somebody has not answered yet.
    fn is_waiting(&self) -> bool {
        match self.assignment {
            None => self.asked().iter().any(|node| !self.replies.contains_key(node)),
            Some(_) => self.scanners().iter().any(|node| !self.replies.contains_key(node)),
        }
    }

    fn begin_survey(&mut self) -> Next {
        self.replies.clear();
        Next::Ask(self.asked())
    }

    /// Takes in what surveys came. Tells whether that suffices; else those that answered are to be asked again, without those that
    /// did not or that cannot read what they wrote.
    fn take_surveys(&mut self) -> bool {
        let mut is_settled = true;
        for node in self.asked() {
            match self.replies.get(&node) {
                Some(Reply::Survey(rows, answer)) => {
                    self.table.merge(rows.iter().cloned());
                    if answer.damaged.keys().any(|segment| segment.origin() == node) && self.damaged.insert(node) {
                        is_settled = false;
                    }
                }
                Some(Reply::Scan { .. } | Reply::Unvouched) | None => {
                    self.silent.insert(node);
                    is_settled = false;
                }
            }
        }
        is_settled
    }

    fn begin_scan(&mut self, copies: u8) -> Next {
        let mut standings: BTreeMap<NodeId, Standing> = BTreeMap::new();
        self.surveyed.clear();
        for (node, reply) in std::mem::take(&mut self.replies) {
            if let Reply::Survey(_, answer) = reply {
                // Who answered after he was taken to be silent is not listened to.
                let rows = answer.rows.iter().filter(|_| !self.silent.contains(&node));
                for row in rows.filter(|row| row.segment.window.overlaps(&self.range)) {
                    let all = self.surveyed.entry(row.segment).or_default();
                    *all = all.union(&row.held);
                }
                standings.insert(node, Standing::Answered(answer));
            }
        }
        let heads = |node: &NodeId| self.heard.get(node).cloned().unwrap_or_default();
        for node in &self.silent {
            standings.insert(*node, Standing::Silent(heads(node)));
        }
        for (node, heads) in &self.heard {
            standings.entry(*node).or_insert(Standing::Away { since: None, heads: heads.clone() });
        }
        let (table, losses, range) = (&self.table, self.losses, self.range);
        let known = Known { table, standings: &standings, losses, copies, range };
        self.assignment = Some(plan::assign(&known));
        Next::Ask(self.scanners().into_iter().collect())
    }

    /// Whatever those who answered hold is in the answer, from whomever it is taken.
    fn check_scans(&self, found: &BTreeMap<SegmentId, SeqSet>, broken: &mut Vec<String>) {
        let missing = self.assignment.iter().flat_map(|assignment| &assignment.completeness.missing);
        // Who knows other members may name as its own what others list too, or neither: the answer says so.
        if missing.into_iter().any(|missing| missing.reason == Reason::OtherMembers) {
            return;
        }
        let nothing = SeqSet::new();
        for (segment, held) in &self.surveyed {
            let left = held.difference(found.get(segment).unwrap_or(&nothing));
            if !left.is_empty() {
                broken
                    .push(format!("answers have all that is held: {left:?} of {segment:?} was found and not scanned"));
            }
        }
    }

    /// Takes in what scans came: what was found, and who failed.
    fn take_scans(&mut self, broken: &mut Vec<String>) -> Scanned {
        let mut all: BTreeMap<SegmentId, SeqSet> = BTreeMap::new();
        let mut failed = Vec::new();
        let mut replies = std::mem::take(&mut self.replies);
        for node in self.scanners() {
            let (found, damaged) = match replies.remove(&node) {
                Some(Reply::Scan { found, damaged }) => (found, damaged),
                Some(Reply::Unvouched) => {
                    failed.push((node, Reason::OtherMembers, 0));
                    continue;
                }
                Some(Reply::Survey(..)) | None => {
                    self.silent.insert(node);
                    failed.push((node, Reason::Silent, 0));
                    continue;
                }
            };
            if damaged > 0 {
                failed.push((node, Reason::Unreadable, damaged));
            }
            for (segment, seqs) in found {
                let before = all.entry(segment).or_default();
                if !before.intersection(&seqs).is_empty() {
                    broken.push(format!("no duplicates: batches of {segment:?} are scanned twice"));
                }
                *before = before.union(&seqs);
            }
        }
        (all, failed)
    }
}

/// How long a coordinator waits for those it has asked, as `node` does for surveys.
const PATIENCE: Duration = Duration::from_secs(3);
/// How often a query is planned, as in `node`.
const ATTEMPTS_MAX: u32 = 4;
