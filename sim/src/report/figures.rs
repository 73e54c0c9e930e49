//! The figures of a run that people ask for.

use serde::Serialize;

use super::recording::{NodeState, Recording};

/// What a run was like on the whole.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Figures {
    /// Writes acknowledged.
    pub accepted: u64,
    /// Writes refused, or for which there was no node.
    pub refused: u64,
    /// How long an acknowledgement took, in milliseconds: the median.
    pub ack_p50_ms: Option<f64>,
    /// The 99th percentile.
    pub ack_p99_ms: Option<f64>,
    /// The longest.
    pub ack_max_ms: Option<f64>,
    /// The share of the acknowledgements that told of as many copies as were asked for.
    pub acks_as_asked: Option<f64>,
    /// Acknowledged batches that are on no disk any more.
    pub lost: u64,
    /// The most batches that were at any moment on fewer disks than they should be.
    pub short_max: u64,
    /// How long after the last fault all older batches had all their copies.
    pub restored_after_s: Option<f64>,
    /// How long after the last write and fault all holders held the same.
    pub converged_after_s: Option<f64>,
    /// Answers to queries.
    pub answers: u64,
    /// Those that were complete and said so.
    pub answers_complete: u64,
    /// Those that were complete and could not know it.
    pub answers_unsure: u64,
    /// Those that said that they are complete and were not.
    pub answers_wrong: u64,
    /// How old the oldest batch was that an answer lacked.
    pub staleness_max_s: f64,
    /// Bytes sent a second and node: new batches by their origins.
    pub push_rate: f64,
    /// Batches and extents besides.
    pub repair_rate: f64,
    /// Messages between the machines.
    pub message_rate: f64,
    /// Bytes on all disks at the end.
    pub disk_bytes: u64,
    /// How evenly the disks are filled: the mean over the fullest, of those that are members; none if they are empty.
    pub disk_balance: Option<f64>,
}

impl Figures {
    /// Reckons the figures of a run.
    pub fn of(run: &Recording) -> Self {
        let sum = |of: fn(&super::Moment) -> u64| run.moments.iter().map(of).sum::<u64>();
        let (push, repair, talk) = (sum(|m| m.push_bytes), sum(|m| m.repair_bytes), sum(|m| m.message_bytes));
        let node_seconds = run.moments.len() as f64 * run.step_s * run.nodes.len() as f64;
        let rate = |bytes: u64| if node_seconds > 0.0 { bytes as f64 / node_seconds } else { 0.0 };
        let complete = sum(|m| u64::from(m.answers_complete));
        let others = sum(|m| u64::from(m.answers_incomplete + m.answers_unsure + m.answers_wrong));
        Self {
            accepted: sum(|m| m.accepted),
            refused: sum(|m| m.refused),
            ack_p50_ms: run.acks.ms_at(500),
            ack_p99_ms: run.acks.ms_at(990),
            ack_max_ms: run.acks.most_ms(),
            acks_as_asked: as_asked(run),
            lost: run.outcome.lost,
            short_max: run.moments.iter().map(|m| m.short(run.copies)).max().unwrap_or(0),
            restored_after_s: restored(run).map(|at| (at - run.calm_from_s).max(0.0)),
            converged_after_s: run.outcome.converged_after_s,
            answers: complete + others,
            answers_complete: complete,
            answers_unsure: sum(|m| u64::from(m.answers_unsure)),
            answers_wrong: sum(|m| u64::from(m.answers_wrong)),
            staleness_max_s: run.moments.iter().map(|m| m.staleness_s).fold(0.0, f64::max),
            push_rate: rate(push),
            repair_rate: rate(repair),
            message_rate: rate(talk),
            disk_bytes: run.nodes.iter().filter_map(|node| node.disk_bytes.last()).sum(),
            disk_balance: balance(run),
        }
    }

    /// Returns the share of writes that were accepted; none if nobody wrote.
    pub fn accepted_share(&self) -> Option<f64> {
        share(self.accepted, self.accepted + self.refused)
    }

    /// Returns the share of answers that were complete and could not know it; none if nobody asked.
    pub fn unsure_share(&self) -> Option<f64> {
        share(self.answers_unsure, self.answers)
    }

    /// Returns the share of answers that were complete and said so; none if nobody asked.
    pub fn complete_share(&self) -> Option<f64> {
        share(self.answers_complete, self.answers)
    }
}

fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

fn as_asked(run: &Recording) -> Option<f64> {
    let asked = usize::from(run.ack_copies.min(run.copies));
    let told = |from: usize| run.moments.iter().flat_map(|m| m.copies_told.iter().skip(from)).sum::<u64>();
    share(told(asked), told(0))
}

/// Returns when, after the last fault, nothing was short of copies but what had just been written and what is lost for good.
fn restored(run: &Recording) -> Option<f64> {
    let after = run.moments.iter().enumerate().filter(|(_, moment)| moment.at_s >= run.calm_from_s);
    for (index, moment) in after {
        let fresh: u64 = run.moments[index.saturating_sub(1)..=index].iter().map(|m| m.accepted).sum();
        // Copies that nobody waits for are made within a second or so.
        let on_their_way = fresh as f64 * (FRESH_S / (2.0 * run.step_s)).min(1.0);
        if moment.short(run.copies) as f64 <= run.outcome.lost as f64 + on_their_way {
            return Some(moment.at_s);
        }
    }
    None
}

/// Returns how evenly the disks of all members are filled: the mean over the fullest.
fn balance(run: &Recording) -> Option<f64> {
    let members = run.nodes.iter().filter(|node| node.state.last().is_some_and(|state| *state != NodeState::Absent));
    let full: Vec<u64> = members.filter_map(|node| node.disk_bytes.last().copied()).collect();
    let most = full.iter().copied().max().filter(|most| *most > 0)?;
    Some(full.iter().sum::<u64>() as f64 / full.len() as f64 / most as f64)
}

/// What was written in so many seconds before may still lack copies in a mesh that is well.
const FRESH_S: f64 = 2.0;
