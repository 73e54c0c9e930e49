//! The node that was asked: surveys, assigns, scatters, merges, and says how complete the answer is (DESIGN §9).
//!
//! Live nodes answer for what they wrote. What others wrote is surveyed and each batch assigned to one holder. When a
//! node fails to answer, or finds batches damaged, everything is planned again without them: that is rare, and no
//! record can then be counted twice.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use logmesh_net::{Net, RequestError};
use logmesh_protocol::id::NodeId;
use logmesh_protocol::member::MemberTable;
use logmesh_protocol::plan::{
    self, Assignment, Completeness, Heads, Known, MissingFrom, Reason, Standing, SurveyAnswer,
};
use logmesh_protocol::time::{Now, TimeRange, Timestamp};
use thiserror::Error;
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::debug;

use super::local::Local;
use super::wire::{Answer, AnswerError, Ask, Outcome, Pieces, Scan, Scanned, Work, encode_ask};
use crate::shell::{Mesh, Seen};

/// Runs work over the whole mesh.
pub(crate) struct Coordinator {
    pub(crate) node: NodeId,
    pub(crate) mesh: Mesh,
    pub(crate) net: Arc<Net>,
    pub(crate) local: Local,
    /// What gossip sees.
    pub(crate) seen: watch::Receiver<Arc<Seen>>,
    /// How many copies each segment should have.
    pub(crate) copies: u8,
    /// How long a node may take to answer a survey, which is small, before it counts as silent.
    pub(crate) survey_timeout: Duration,
    /// How long a node that scans may give no sign of life before it counts as silent. How long it may scan is the query's
    /// business.
    pub(crate) silent_after: Duration,
}

/// What came of a query.
#[derive(Default)]
pub(crate) struct Gathered {
    /// The results of all nodes, to be merged.
    pub(crate) outcomes: Vec<Outcome>,
    /// How complete they are.
    pub(crate) completeness: Completeness,
    /// Bytes that were looked at.
    pub(crate) bytes: u64,
    /// Rows that were looked at.
    pub(crate) rows: u64,
    /// Rows that passed all filters.
    pub(crate) rows_kept: u64,
    /// Sealed blocks that were expanded.
    pub(crate) blocks: u64,
    /// The nodes that scanned something, or found nothing to scan.
    pub(crate) nodes: u64,
}

/// Why a query has no answer at all.
#[derive(Debug, Error)]
pub(crate) enum QueryError {
    /// This node is about to end.
    #[error("the node is stopping")]
    Stopping,
    /// The work cannot be done anywhere.
    #[error("{0}")]
    Failed(String),
}

/// What the machine knows of the others when a query begins.
struct Others {
    table: MemberTable,
    /// The losses that it knows of.
    losses: [u8; 16],
    live: Vec<NodeId>,
    /// Of all but this node: since when it is away, and what it last told.
    last_heard: BTreeMap<NodeId, (Option<Timestamp>, Heads)>,
}

impl Coordinator {
    /// Does `work` for these tenants wherever their data is.
    pub(crate) async fn run(&self, tenants: &[String], work: Work) -> Result<Gathered, QueryError> {
        let range = work.range();
        let mut silent = BTreeSet::new();
        for attempt in 1.. {
            let assignment = self.plan(range, &mut silent).await?;
            let scanned = self.scatter(tenants, &work, &assignment).await;
            let mut gathered = Gathered { completeness: assignment.completeness, ..Gathered::default() };
            let mut failed: Vec<(NodeId, Reason, u64)> = Vec::new();
            for (node, scanned) in scanned {
                match scanned {
                    Ok(parts) => failed.extend(gathered.add(parts).map(|batches| (node, Reason::Unreadable, batches))),
                    Err(Failure::Work(sentence)) => return Err(QueryError::Failed(sentence)),
                    // The next survey brings its new row.
                    Err(Failure::Unvouched) => failed.push((node, Reason::OtherMembers, 0)),
                    Err(Failure::Silent(reason)) => {
                        debug!(%node, reason, "node did not answer a scan");
                        silent.insert(node);
                        failed.push((node, Reason::Silent, 0));
                    }
                }
            }
            if failed.is_empty() {
                return Ok(gathered);
            }
            if attempt == ATTEMPTS_MAX {
                gathered.note_failures(&failed);
                return Ok(gathered);
            }
        }
        unreachable!("the loop returns")
    }

    /// Surveys all that can be asked and assigns what there is. Those that do not answer become `silent`.
    async fn plan(&self, range: TimeRange, silent: &mut BTreeSet<NodeId>) -> Result<Assignment, QueryError> {
        let mut others = self.others().await?;
        let mut standings: BTreeMap<NodeId, Standing> = BTreeMap::new();
        let mut damaged: BTreeSet<NodeId> = BTreeSet::new();
        let mut is_settled = false;
        while !is_settled {
            is_settled = true;
            standings.clear();
            let ask: Vec<NodeId> = others.live.iter().filter(|node| !silent.contains(node)).copied().collect();
            let whole: Vec<NodeId> = ask.iter().filter(|node| !damaged.contains(node)).copied().collect();
            let surveys = ask.iter().map(|node| self.survey(*node, range, whole.clone()));
            for (node, answer) in join_all(surveys).await {
                let Some((rows, answer)) = answer else {
                    // The others were told that it answers for itself: they are asked again, now for its segments too.
                    silent.insert(node);
                    is_settled = false;
                    continue;
                };
                // A member that only the other knows of may have taken records: it counts as away until it is met.
                others.table.merge(rows);
                // What it cannot read of its own the others have, and tell only if they are asked without it.
                if answer.damaged.keys().any(|segment| segment.origin() == node) && damaged.insert(node) {
                    is_settled = false;
                }
                standings.insert(node, Standing::Answered(answer));
            }
        }
        for node in silent.iter() {
            standings.insert(*node, Standing::Silent(others.heads(*node)));
        }
        for (node, (since, heads)) in &others.last_heard {
            let away = Standing::Away { since: *since, heads: heads.clone() };
            standings.entry(*node).or_insert(away);
        }
        let (table, losses, copies) = (&others.table, others.losses, self.copies);
        Ok(plan::assign(&Known { table, standings: &standings, losses, copies, range }))
    }

    async fn others(&self) -> Result<Others, QueryError> {
        let node = self.node;
        let others = self.mesh.ask(move |replica, now| {
            let members = replica.members();
            let live = members.iter().filter(|member| member.live || member.node == node).map(|member| member.node);
            let heard = members.iter().filter(|member| member.node != node).map(|member| {
                let since = member.since.filter(|_| !member.live).map(|since| wall(now, since));
                (member.node, (since, replica.heads_of(member.node)))
            });
            let table = replica.members_table().clone();
            Others { losses: table.losses(), table, live: live.collect(), last_heard: heard.collect() }
        });
        let mut others = others.await.ok_or(QueryError::Stopping)?;
        // Whom gossip knows and the table does not (yet) may hold records all the same: it is asked, or counts as away.
        for (peer, seen) in &self.seen.borrow().view.peers {
            if !others.last_heard.contains_key(peer) && *peer != node {
                others.last_heard.insert(*peer, (None, Heads::default()));
                others.live.extend(Some(*peer).filter(|_| seen.live));
            }
        }
        Ok(others)
    }

    async fn survey(
        &self,
        node: NodeId,
        range: TimeRange,
        except: Vec<NodeId>,
    ) -> (NodeId, Option<(Vec<logmesh_protocol::member::MemberRow>, SurveyAnswer)>) {
        let answer = match self.ask(node, Ask::Survey { range, except }, self.survey_timeout).await {
            Ok(mut answers) => match answers.pop() {
                Some(Answer::Survey { members, answer }) => Some((members, answer)),
                Some(Answer::Scanned(_) | Answer::Failed(_) | Answer::Unvouched) | None => None,
            },
            Err(Failure::Silent(reason) | Failure::Work(reason)) => {
                debug!(%node, reason, "node did not answer a survey");
                None
            }
            Err(Failure::Unvouched) => None,
        };
        (node, answer)
    }

    async fn scatter(
        &self,
        tenants: &[String],
        work: &Work,
        assignment: &Assignment,
    ) -> Vec<(NodeId, Result<Vec<Scanned>, Failure>)> {
        let nodes: BTreeSet<NodeId> = assignment.own.keys().chain(assignment.scans.keys()).copied().collect();
        let scans = nodes.into_iter().map(|node| {
            let own = assignment.own.get(&node).cloned();
            let assigned = assignment.scans.get(&node).cloned().unwrap_or_default();
            let scan = Scan { tenants: tenants.to_vec(), work: work.clone(), own, assigned };
            async move { (node, self.scan(node, scan).await) }
        });
        join_all(scans).await
    }

    /// Lets one node scan; a large result comes in parts.
    async fn scan(&self, node: NodeId, scan: Scan) -> Result<Vec<Scanned>, Failure> {
        let mut parts = Vec::new();
        for answer in self.ask(node, Ask::Scan(Box::new(scan)), self.silent_after).await? {
            match answer {
                Answer::Scanned(scanned) => parts.push(*scanned),
                Answer::Failed(sentence) => return Err(Failure::Work(sentence)),
                Answer::Unvouched => return Err(Failure::Unvouched),
                Answer::Survey { .. } => return Err(Failure::Silent("it answered something else".to_owned())),
            }
        }
        if parts.is_empty() { Err(Failure::Silent("it answered nothing".to_owned())) } else { Ok(parts) }
    }

    /// Asks one node, this one included, and waits for all its answers for as long as it gives signs of life.
    async fn ask(&self, node: NodeId, ask: Ask, silent_after: Duration) -> Result<Vec<Answer>, Failure> {
        if node == self.node {
            return Ok(vec![self.local.answer(ask).await]);
        }
        let silent = |_| Failure::Silent(format!("no sign of life within {silent_after:?}"));
        let request = timeout(silent_after, self.net.request(node, encode_ask(&ask)));
        let mut response = request.await.map_err(silent)??;
        let (mut pieces, mut answers) = (Pieces::default(), Vec::new());
        while let Some(frame) = timeout(silent_after, response.next()).await.map_err(silent)?? {
            answers.extend(pieces.add(&frame)?);
        }
        if pieces.is_whole() { Ok(answers) } else { Err(Failure::Silent("its answer broke off".to_owned())) }
    }
}

/// Why a scan brought nothing.
enum Failure {
    /// The node did not answer: others may.
    Silent(String),
    /// The work itself failed: it would fail elsewhere too.
    Work(String),
    /// The node is not as it was when it was surveyed.
    Unvouched,
}

impl From<RequestError> for Failure {
    fn from(error: RequestError) -> Self {
        Self::Silent(error.to_string())
    }
}

impl From<AnswerError> for Failure {
    fn from(error: AnswerError) -> Self {
        match error {
            AnswerError::TooLarge => Self::Work(error.to_string()),
            AnswerError::Unknown | AnswerError::Malformed(_) => Self::Silent(error.to_string()),
        }
    }
}

impl Others {
    fn heads(&self, node: NodeId) -> Heads {
        self.last_heard.get(&node).map(|(_, heads)| heads.clone()).unwrap_or_default()
    }
}

impl Gathered {
    /// Takes what a node scanned. Returns how many batches it could not read, if any: others must be asked.
    fn add(&mut self, parts: Vec<Scanned>) -> Option<u64> {
        self.nodes += 1;
        let mut damaged = 0;
        for scanned in parts {
            self.bytes += scanned.bytes;
            self.rows += scanned.rows;
            self.rows_kept += scanned.rows_kept;
            self.blocks += scanned.blocks;
            self.outcomes.push(scanned.outcome);
            damaged += scanned.damaged.iter().map(|(_, seqs)| seqs.len()).sum::<u64>();
        }
        Some(damaged).filter(|damaged| *damaged > 0)
    }

    fn note_failures(&mut self, failed: &[(NodeId, Reason, u64)]) {
        for (node, reason, batches) in failed {
            let (node, reason, at_least_batches) = (*node, *reason, *batches);
            self.completeness.note(MissingFrom { node, reason, included_until: None, at_least_batches });
        }
    }
}

/// Returns the wall clock's time of an instant.
pub(super) fn wall(now: Now, since: logmesh_protocol::time::Instant) -> Timestamp {
    now.timestamp.saturating_sub(now.instant.since(since))
}

/// How often a query is planned. Each time at least one more node is known to be silent or one more batch damaged; what
/// is still amiss after the last is told.
const ATTEMPTS_MAX: u32 = 4;
