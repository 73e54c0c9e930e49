//! Who belongs to the mesh: a table that every node keeps, persists and merges with the others', whatever gossip forgets.
//!
//! The table is a state-based CRDT: merging is commutative, associative and idempotent, so tables that have seen the same rows are
//! equal. It says nothing of who is up (gossip does) and it must never be changed because somebody is merely away.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::codec::{self, DecodeError};
use crate::id::{Boot, NodeId};
use crate::placement::Place;

/// What is known of one member. Of two rows with equal incarnation the greater counts, by state first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MemberRow {
    /// The member.
    pub node: NodeId,
    /// Raised by the member itself, at every start and with every change: wall seconds at the start or one more than before. Nobody
    /// else raises it, so a row with a higher one than the member remembers proves that the member has lost its memory.
    pub incarnation: u64,
    /// Where it is in its life.
    pub state: MemberState,
    /// Its failure domain; empty if there is but one. At most [`ZONE_BYTES_MAX`] bytes.
    pub zone: String,
    /// Its share, relative to the others; with 0 it takes nothing but what it accepts itself.
    pub weight: u8,
    /// What is hashed in its name: its own id, or that of the node whose place it has taken over.
    pub place_key: NodeId,
    /// The start since which its memory is unbroken. It vouches for its own segments from that start on, and only for those.
    pub disk: Boot,
    /// Set while it is stopped in order, all that it held held by others: the [`MemberTable::losses`] at that moment. A running node
    /// has none, and must have told that to a peer before it acknowledges anything (see [`crate::plan`]).
    pub clean: Option<[u8; 16]>,
    /// All disks it ever had, `disk` among them, in order; the latest [`DISKS_MAX`]. Merged apart from the rest.
    pub disks: Vec<Boot>,
}

impl MemberRow {
    /// Returns the row of a node that joins with an empty disk.
    pub fn joining(node: NodeId, incarnation: u64, disk: Boot, zone: String, weight: u8) -> Self {
        let state = MemberState::Joined;
        Self { node, incarnation, state, zone, weight, place_key: node, disk, clean: None, disks: vec![disk] }
    }

    /// Tells whether the member can say by itself what its journal since `boot` holds: it has lost nothing since.
    pub fn vouches_for(&self, boot: Boot) -> bool {
        self.disk <= boot
    }

    fn is_sound(&self) -> bool {
        self.zone.len() <= ZONE_BYTES_MAX && self.disks.len() <= DISKS_MAX && self.incarnation <= INCARNATION_MAX
    }

    /// Takes over what `other`, of the same node, knows better.
    fn merge(&mut self, mut other: MemberRow) {
        let disks: BTreeSet<Boot> =
            self.disks.drain(..).chain(other.disks.drain(..)).chain([self.disk, other.disk]).collect();
        // Without their disks the rows compare by incarnation, then state, then all else.
        if *self < other {
            *self = other;
        }
        let surplus = disks.len().saturating_sub(DISKS_MAX);
        self.disks = disks.into_iter().skip(surplus).collect();
    }
}

/// Where a member is in its life. Of two states in one incarnation the later in this list counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum MemberState {
    /// It belongs to the mesh and holds what placement gives it.
    Joined,
    /// It is about to leave: holder of nothing, source of all that it still has.
    Leaving,
    /// It left in order: all that it held is at full copies elsewhere.
    Left,
    /// It was given up, by an operator or by the [departure rules](departures). What only it held is lost unless it returns.
    Departed,
}

impl MemberState {
    /// Tells whether a node in this state is a member.
    pub fn is_member(self) -> bool {
        match self {
            Self::Joined | Self::Leaving => true,
            Self::Left | Self::Departed => false,
        }
    }
}

/// All rows that a node knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemberTable {
    rows: BTreeMap<NodeId, MemberRow>,
    digest: [u8; 16],
}

impl MemberTable {
    /// Returns the table without members.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads what [`MemberTable::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut table = Self::new();
        table.merge(codec::decode::<Vec<MemberRow>>(VERSION, bytes)?);
        Ok(table)
    }

    /// Returns the table as bytes, to be persisted.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(VERSION, &self.rows().collect::<Vec<_>>())
    }

    /// Takes over what `rows` know better and returns the nodes whose rows have changed. Refused are rows beyond their limits, and
    /// new members while there are [`MEMBERS_MAX`]. Of more than [`DEPARTED_MAX`] rows of nodes that are members no longer, those that
    /// left in order go first, then those of the lowest incarnation, which are the longest gone; should such a node return, it is a
    /// new one.
    pub fn merge(&mut self, rows: impl IntoIterator<Item = MemberRow>) -> Vec<NodeId> {
        let mut changed = BTreeSet::new();
        let mut member_count = self.members().count();
        for row in rows.into_iter().filter(MemberRow::is_sound) {
            let known = self.rows.get(&row.node);
            let was_member = known.is_some_and(|known| known.state.is_member());
            let mut merged = known.cloned().unwrap_or_else(|| row.clone());
            merged.merge(row);
            let is_member = merged.state.is_member();
            if known == Some(&merged) || (is_member && !was_member && member_count >= MEMBERS_MAX) {
                continue;
            }
            member_count = member_count + usize::from(is_member) - usize::from(was_member);
            changed.insert(merged.node);
            self.rows.insert(merged.node, merged);
        }
        if !changed.is_empty() {
            self.prune();
            self.digest = truncated(&self.encode());
        }
        changed.into_iter().collect()
    }

    /// Returns the row of `node`.
    pub fn row(&self, node: NodeId) -> Option<&MemberRow> {
        self.rows.get(&node)
    }

    /// Returns all rows, in order of node.
    pub fn rows(&self) -> impl Iterator<Item = &MemberRow> {
        self.rows.values()
    }

    /// Returns the rows of those who are members, in order of node.
    pub fn members(&self) -> impl Iterator<Item = &MemberRow> {
        self.rows.values().filter(|row| row.state.is_member())
    }

    /// Tells whether `node` is a member.
    pub fn is_member(&self, node: NodeId) -> bool {
        self.row(node).is_some_and(|row| row.state.is_member())
    }

    /// Returns the digest of all rows: equal if the tables are.
    pub fn digest(&self) -> [u8; 16] {
        self.digest
    }

    /// Returns the digest of all that was lost, as far as anyone knows: the disks of departed members and those that were wiped or
    /// put back. While it stays the same, nothing has been lost.
    pub fn losses(&self) -> [u8; 16] {
        let mut bytes = Vec::new();
        for row in self.rows() {
            let departed = row.state == MemberState::Departed;
            for disk in row.disks.iter().filter(|disk| departed || **disk != row.disk) {
                bytes.extend_from_slice(row.node.as_bytes());
                bytes.extend_from_slice(disk.as_bytes());
            }
        }
        truncated(&bytes)
    }

    /// Tells whether answers stay complete without `node` while it is away: it stopped in order, and nothing was lost since.
    pub fn is_clean(&self, node: NodeId) -> bool {
        self.row(node).is_some_and(|row| row.clean == Some(self.losses()))
    }

    /// Returns the places of all who have joined and are not leaving.
    pub fn placed(&self) -> Vec<Place> {
        let mut gone: BTreeMap<NodeId, Vec<NodeId>> = BTreeMap::new();
        for row in self.rows().filter(|row| !row.state.is_member()) {
            gone.entry(row.place_key).or_default().push(row.node);
        }
        let joined = self.rows().filter(|row| row.state == MemberState::Joined);
        joined
            .map(|row| Place {
                node: row.node,
                place_key: row.place_key,
                replaced: gone.get(&row.place_key).cloned().unwrap_or_default(),
                zone: row.zone.clone(),
                weight: row.weight,
            })
            .collect()
    }

    /// Keeps the row of the running node itself as the node says: at its start, after each change of its own, and after each merge that
    /// changed its row (others may have given it up: it refutes). If the table remembers a later incarnation than the node
    /// does, the node's disk was wiped or put back, and it vouches for nothing before `boot`, its present start. Tells whether the row
    /// has changed; then `mine` has too, and both are to be persisted.
    pub fn uphold(&mut self, mine: &mut MemberRow, boot: Boot) -> bool {
        let Some(known) = self.rows.get(&mine.node) else { return !self.merge([mine.clone()]).is_empty() };
        if known == mine {
            return false;
        }
        let incarnation = match known.incarnation.cmp(&mine.incarnation) {
            Ordering::Greater => {
                mine.disk = boot;
                known.incarnation + 1
            }
            Ordering::Equal => known.incarnation + 1,
            Ordering::Less => mine.incarnation,
        };
        let said = MemberRow { incarnation, ..mine.clone() };
        // Only for the disks: said has the higher incarnation and stays as it is.
        mine.merge(known.clone());
        let disks = std::mem::take(&mut mine.disks);
        *mine = MemberRow { disks, ..said };
        mine.merge(mine.clone());
        !self.merge([mine.clone()]).is_empty()
    }

    /// Gives `node` up. Tells whether it was a member.
    pub fn depart(&mut self, node: NodeId) -> bool {
        let Some(row) = self.rows.get(&node).filter(|row| row.state.is_member()) else { return false };
        let departed = MemberRow { state: MemberState::Departed, ..row.clone() };
        !self.merge([departed]).is_empty()
    }

    /// Lets `mine` take over the place of `old`, which departs. To be called before [`MemberTable::uphold`]; `old` need not be known.
    pub fn replace(&mut self, mine: &mut MemberRow, old: NodeId) {
        mine.place_key = self.row(old).map_or(old, |row| row.place_key);
        self.depart(old);
    }

    fn prune(&mut self) {
        let gone = self.rows.values().filter(|row| !row.state.is_member());
        let mut gone: Vec<_> = gone.map(|row| (row.state, row.incarnation, row.node)).collect();
        gone.sort_unstable();
        gone.truncate(gone.len().saturating_sub(DEPARTED_MAX));
        gone.iter().for_each(|(_, _, node)| {
            self.rows.remove(node);
        });
    }
}

/// Returns those whom a node takes to have departed, and tells the others so: away for `depart_after` by its own clock. Each node sends
/// this list with its messages; the lists of members who were heard of lately are the opinions of [`departures`].
pub fn suspects(away: &BTreeMap<NodeId, Duration>, depart_after: Duration) -> Vec<NodeId> {
    away.iter().filter(|(_, away)| **away >= depart_after).map(|(node, _)| *node).collect()
}

/// Returns the members that depart now: suspected by this node and by at least half the members (`opinions`: how many say so, this node
/// among them); at most a tenth of the members, but at least one, in each `depart_after` (`recent` are those that this table saw depart
/// within the last one); and never the last of a zone that had two or more members when that time began, where there is more than
/// one zone. Candidates are taken in order of their ids, so that nodes that decide at the same time decide alike.
pub fn departures(
    table: &MemberTable,
    away: &BTreeMap<NodeId, Duration>,
    opinions: &BTreeMap<NodeId, usize>,
    recent: &BTreeSet<NodeId>,
    depart_after: Duration,
) -> Vec<NodeId> {
    let recent: BTreeSet<NodeId> = recent.iter().copied().filter(|node| !table.is_member(*node)).collect();
    let member_count = table.members().count();
    let quota = ((member_count + recent.len()) / 10).max(1).saturating_sub(recent.len());
    // Per zone: its members now, and those when the period began.
    let mut zones: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for row in table.rows().filter(|row| row.state.is_member() || recent.contains(&row.node)) {
        let (now, then) = zones.entry(&row.zone).or_default();
        *now += usize::from(row.state.is_member());
        *then += 1;
    }
    let one_zone = zones.len() < 2;
    let mut departing = Vec::new();
    for node in suspects(away, depart_after) {
        let Some(row) = table.row(node).filter(|row| row.state.is_member()) else { continue };
        let agreed = opinions.get(&node).is_some_and(|count| 2 * count >= member_count);
        let Some((now, then)) = zones.get_mut(row.zone.as_str()) else { continue };
        if departing.len() < quota && agreed && (one_zone || *now > 1 || *then == 1) {
            *now -= 1;
            departing.push(node);
        }
    }
    departing
}

fn truncated(bytes: &[u8]) -> [u8; 16] {
    *blake3::hash(bytes).as_bytes().first_chunk().expect("a hash has more than 16 bytes")
}

/// The most members a mesh can have; more are refused.
pub const MEMBERS_MAX: usize = 2_048;

/// The most rows that are kept of nodes that are members no longer.
pub const DEPARTED_MAX: usize = 2_048;

/// The longest name of a zone.
pub const ZONE_BYTES_MAX: usize = 64;

/// The most disks of one node that are remembered.
pub const DISKS_MAX: usize = 8;

/// No incarnation is higher, so that there is always one above.
pub const INCARNATION_MAX: u64 = 1 << 48;

const VERSION: u8 = 1;
