//! How complete an answer is, in words that an operator can act upon.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Known, Standing};
use crate::id::NodeId;
use crate::time::Timestamp;

/// How complete an answer is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Completeness {
    /// Whether it contains all that was acknowledged anywhere in the mesh before the query began.
    pub complete: bool,
    /// What may be missing, and why; empty if nothing is.
    pub missing: Vec<MissingFrom>,
}

impl Completeness {
    /// Notes that more may be missing than the plan foresaw: a scan that failed, or a node that did not answer it.
    pub fn note(&mut self, missing: MissingFrom) {
        self.complete = false;
        self.missing.push(missing);
    }

    /// Returns a sentence for each thing that may be missing.
    pub fn warnings(&self) -> Vec<String> {
        self.missing.iter().map(ToString::to_string).collect()
    }

    pub(super) fn unreadable(&mut self, node: NodeId, batches: u64) {
        let (reason, included_until) = (Reason::Unreadable, None);
        self.note(MissingFrom { node, reason, included_until, at_least_batches: batches });
    }
}

impl Default for Completeness {
    fn default() -> Self {
        Self { complete: true, missing: Vec::new() }
    }
}

impl fmt::Display for Completeness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.complete {
            true => f.write_str("complete"),
            false => write!(f, "incomplete: {}", self.warnings().join("; ")),
        }
    }
}

/// Of which node something may be missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingFrom {
    /// The node that accepted it.
    pub node: NodeId,
    /// Why it may be missing.
    pub reason: Reason,
    /// All that the node had acknowledged before then, by its own wall clock, is in the answer; none if that is not known. Of a clock
    /// that was put back meanwhile it says too much, by as much as that.
    pub included_until: Option<Timestamp>,
    /// How many batches are known to be missing.
    pub at_least_batches: u64,
}

/// Why something may be missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reason {
    /// The node is away.
    Away {
        /// Since when, if known.
        since: Option<Timestamp>,
    },
    /// The node is taken to be up but did not answer in time.
    Silent,
    /// The node knows other members than the coordinator does: ask again when the tables are merged.
    OtherMembers,
    /// Nobody who answered has whole copies of these batches.
    Unreadable,
}

impl fmt::Display for MissingFrom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let node = self.node.short();
        match self.reason {
            Reason::Away { since: Some(since) } => write!(f, "node {node} is away since {}", Utc(since))?,
            Reason::Away { since: None } => write!(f, "node {node} is away")?,
            Reason::Silent => write!(f, "node {node} did not answer in time")?,
            Reason::OtherMembers => return write!(f, "node {node} knows other members; ask again in a moment"),
            Reason::Unreadable => write!(f, "nobody who answered has whole copies of some batches of node {node}")?,
        }
        if let Some(until) = self.included_until {
            write!(f, "; all it acknowledged until {} is included", Utc(until))?;
        }
        match self.at_least_batches {
            0 => Ok(()),
            1 => f.write_str("; at least 1 batch is missing"),
            count => write!(f, "; at least {count} batches are missing"),
        }
    }
}

/// Judges a plan in which so many batches of each origin are assigned to nobody.
pub(super) fn judge(known: &Known<'_>, missing: &BTreeMap<NodeId, u64>) -> Completeness {
    let mut completeness = Completeness::default();
    let nowhere = |node: &NodeId| missing.get(node).copied().unwrap_or(0);
    let absent = absent(known);
    // Those that stopped in order have their copies with them like all others, and there are no more copies than holders.
    let is_answered = |node: &NodeId| matches!(known.standings.get(node), Some(Standing::Answered(_)));
    let unanswered = known.table.members().filter(|row| !is_answered(&row.node)).count();
    let copies = usize::from(known.copies).min(known.table.placed().len());
    for (node, reason) in &absent {
        let at_least_batches = nowhere(node);
        // What heads leave out had all its copies: so long as fewer have not answered than there are copies, and none was lost, one is here.
        let told = unanswered < copies && at_least_batches == 0 && known.losses == known.table.losses();
        let included_until = if told { heads_at(known, *node) } else { None };
        completeness.note(MissingFrom { node: *node, reason: *reason, included_until, at_least_batches });
    }
    for (node, _) in known.answers().filter(|(_, answer)| answer.members != known.table.digest()) {
        let (reason, included_until) = (Reason::OtherMembers, None);
        completeness.note(MissingFrom { node, reason, included_until, at_least_batches: 0 });
    }
    for (node, batches) in missing.iter().filter(|(node, _)| !absent.contains_key(node)) {
        completeness.unreadable(*node, *batches);
    }
    completeness
}

/// Returns those who did not answer and may have what nobody else has: members, and nodes that gossip knows and the table does
/// not yet.
fn absent(known: &Known<'_>) -> BTreeMap<NodeId, Reason> {
    let strangers = known.standings.keys().copied().filter(|node| known.table.row(*node).is_none());
    let mut absent = BTreeMap::new();
    for node in known.table.members().map(|row| row.node).chain(strangers) {
        let reason = match known.standings.get(&node) {
            Some(Standing::Answered(_)) => continue,
            Some(Standing::Silent(_)) => Reason::Silent,
            Some(Standing::Away { .. }) | None if known.table.is_clean(node) => continue,
            Some(Standing::Away { since, .. }) => Reason::Away { since: *since },
            None => Reason::Away { since: None },
        };
        absent.insert(node, reason);
    }
    absent
}

fn heads_at(known: &Known<'_>, node: NodeId) -> Option<Timestamp> {
    match known.standings.get(&node)? {
        Standing::Silent(heads) | Standing::Away { heads, .. } => heads.at,
        Standing::Answered(_) => None,
    }
}

/// Prints a timestamp as RFC 3339 in UTC, to the second.
struct Utc(Timestamp);

impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_nanos().div_euclid(1_000_000_000);
        let (year, month, day) = civil(seconds.div_euclid(86_400));
        let second = seconds.rem_euclid(86_400);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

/// Returns the Gregorian date of a day counted from 1970-01-01. Years begin in March here, so that the leap day is the last
/// day of a year; 400 years have 146,097 days.
fn civil(day: i64) -> (i64, i64, i64) {
    // 719,468 days lie between 0000-03-01 and 1970-01-01.
    let day = day + 719_468;
    let (era, day) = (day.div_euclid(146_097), day.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next_year) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + next_year, month, day)
}
