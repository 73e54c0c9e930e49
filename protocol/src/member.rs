//! Who belongs to the mesh: a table that every node keeps, persists and merges with the others', whatever gossip forgets.
//!
//! The table is a state-based CRDT: merging is commutative, associative and idempotent, so tables that have seen the same rows are
//! equal. It says nothing of who is up (gossip does) and it must never be changed because somebody is merely away.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::codec::{self, DecodeError};
use crate::id::{Boot, NodeId};
use crate::placement::Place;

pub mod departure;

pub use self::departure::{departures, suspects};

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

    /// Tells whether the node can say by itself what its journal since `boot` holds: it is a member, for others may let go of what they
    /// wrote, and it has lost nothing since.
    pub fn vouches_for(&self, boot: Boot) -> bool {
        self.state.is_member() && self.disk <= boot
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
        self.disks = disks.into_iter().collect();
        self.keep_latest_disks();
    }

    fn keep_latest_disks(&mut self) {
        self.disks.drain(..self.disks.len().saturating_sub(DISKS_MAX));
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberTable {
    rows: BTreeMap<NodeId, MemberRow>,
    digest: [u8; 16],
    /// The rows as bytes, which are wanted more often than they change.
    encoded: Vec<u8>,
}

impl Default for MemberTable {
    fn default() -> Self {
        Self::new()
    }
}

impl MemberTable {
    /// Returns the table without members.
    pub fn new() -> Self {
        let none: Vec<MemberRow> = Vec::new();
        Self { rows: BTreeMap::new(), digest: [0; 16], encoded: codec::encode(VERSION, &none) }
    }

    /// Reads what [`MemberTable::encode`] returned.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut table = Self::new();
        table.merge(codec::decode::<Vec<MemberRow>>(VERSION, bytes)?);
        Ok(table)
    }

    /// Returns the table as bytes: a version, and then all rows in order of node.
    pub fn encode(&self) -> &[u8] {
        &self.encoded
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
            self.encoded = codec::encode(VERSION, &self.rows().collect::<Vec<_>>());
            self.digest = truncated(&self.encoded);
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

    /// Returns the digest of all that was lost, as far as anyone knows: the departed members, and disks that were wiped. While it stays
    /// the same, nothing has been lost. A member that departs, returns and departs again has a later incarnation: what it took over
    /// in between is lost too.
    pub fn losses(&self) -> [u8; 16] {
        let mut bytes = Vec::new();
        for row in self.rows() {
            let departed = (row.state == MemberState::Departed).then_some(row.incarnation);
            for disk in row.disks.iter().filter(|disk| departed.is_some() || **disk != row.disk) {
                bytes.extend_from_slice(row.node.as_bytes());
                bytes.extend_from_slice(disk.as_bytes());
                bytes.extend_from_slice(&departed.unwrap_or(0).to_le_bytes());
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

    /// Keeps the row of the running node itself as the node says: at its start, after each change of its own (each with a higher
    /// incarnation), and after each merge that changed its row (others may have given it up: it refutes). If the table remembers of
    /// the node what it does not remember itself, its disk was wiped or put back, and it vouches for nothing before `boot`, its present
    /// start. (One that was put back is found out here only if it says less than it had said: counting incarnations by one, not by the
    /// clock, makes that likely. Certain is it where a peer holds of its journal what it lacks itself.) Tells whether the row has
    /// changed; then `mine` has too, and both are to be persisted before they are told.
    pub fn uphold(&mut self, mine: &mut MemberRow, boot: Boot) -> bool {
        let Some(known) = self.rows.get(&mine.node) else { return !self.merge([mine.clone()]).is_empty() };
        if known == mine {
            return false;
        }
        let incarnation = match known.incarnation.cmp(&mine.incarnation) {
            Ordering::Less => mine.incarnation,
            Ordering::Equal | Ordering::Greater => known.incarnation + 1,
        };
        // Others change nothing but the state, and add to the disks.
        let said = MemberRow { state: known.state, disks: known.disks.clone(), ..mine.clone() };
        if known.incarnation > mine.incarnation || (known.incarnation == mine.incarnation && said != *known) {
            mine.disk = boot;
        }
        let disks: BTreeSet<Boot> =
            [&mine.disks[..], &known.disks[..], &[mine.disk, known.disk]].concat().into_iter().collect();
        mine.disks = disks.into_iter().collect();
        mine.incarnation = incarnation;
        mine.keep_latest_disks();
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

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};

    use super::*;

    fn node(number: u16) -> NodeId {
        let mut key = [0; 32];
        key[..2].copy_from_slice(&number.to_be_bytes());
        NodeId::from_bytes(key)
    }

    fn boot(number: u8) -> Boot {
        Boot::from_bytes([number; 16])
    }

    fn row(number: u16, incarnation: u64, zone: &str) -> MemberRow {
        MemberRow::joining(node(number), incarnation, boot(1), zone.into(), 1)
    }

    fn table(rows: impl IntoIterator<Item = MemberRow>) -> MemberTable {
        let mut table = MemberTable::new();
        table.merge(rows);
        table
    }

    fn state() -> impl Strategy<Value = MemberState> {
        use MemberState::{Departed, Joined, Leaving, Left};
        prop_oneof![Just(Joined), Just(Leaving), Just(Left), Just(Departed)]
    }

    fn rows() -> impl Strategy<Value = Vec<MemberRow>> {
        let row = (0u16..4, 0u64..3, state(), ("[ab]?", any::<bool>()), (0u8..3, vec(0u8..12, 0..6)));
        let row = row.prop_map(|(number, incarnation, state, (zone, clean), (disk, disks))| MemberRow {
            state,
            disk: boot(disk),
            clean: clean.then_some([1; 16]),
            disks: disks.into_iter().map(boot).collect(),
            ..self::row(number, incarnation, &zone)
        });
        vec(row, 0..12)
    }

    proptest! {
        #[test]
        fn merge_is_commutative_associative_and_idempotent(a in rows(), b in rows(), c in rows()) {
            let merged = |parts: &[&[MemberRow]]| table(parts.iter().flat_map(|rows| rows.to_vec()));
            prop_assert_eq!(merged(&[&a, &b, &c]), merged(&[&c, &b, &a]));
            let mut nested = table(a.clone());
            nested.merge(merged(&[&b, &c]).rows().cloned());
            prop_assert_eq!(&nested, &merged(&[&a, &b, &c]));
            prop_assert!(nested.merge(a).is_empty());
        }

        #[test]
        fn merge_names_what_has_changed_and_digests_tell_it(a in rows(), b in rows()) {
            let before = table(a);
            let mut after = before.clone();
            let changed = after.merge(b);
            for number in 0..4 {
                prop_assert_eq!(before.row(node(number)) != after.row(node(number)), changed.contains(&node(number)));
            }
            prop_assert_eq!(before.digest() == after.digest(), changed.is_empty());
        }

        #[test]
        fn decode_is_the_inverse_of_encode(rows in rows()) {
            prop_assert_eq!(MemberTable::decode(table(rows.clone()).encode()), Ok(table(rows)));
        }

        #[test]
        fn noise_never_panics(bytes: Vec<u8>) {
            let _ = MemberTable::decode(&[&[VERSION], &bytes[..]].concat());
        }

        #[test]
        fn a_running_node_has_its_way(rows in rows(), mut mine in rows().prop_map(|rows| rows.into_iter().next()), start in 0u8..20) {
            let Some(mine) = &mut mine else { return Ok(()) };
            *mine = MemberRow { state: MemberState::Joined, clean: None, disks: vec![mine.disk], ..mine.clone() };
            let mut table = table(rows);
            let (before, forgotten) = (mine.clone(), table.row(mine.node).is_some_and(|row| {
                let said = MemberRow { state: row.state, disks: row.disks.clone(), ..mine.clone() };
                row.incarnation > mine.incarnation || row.incarnation == mine.incarnation && said != *row
            }));
            table.uphold(mine, boot(start));
            prop_assert_eq!(table.row(mine.node), Some(&*mine));
            prop_assert_eq!(mine.disk, if forgotten { boot(start) } else { before.disk });
            prop_assert_eq!((mine.state, &mine.zone, mine.weight), (before.state, &before.zone, before.weight));
            prop_assert!(!table.uphold(mine, boot(start)));
        }
    }

    #[test]
    fn a_node_given_up_while_it_runs_returns() {
        let mut mine = row(1, 5, "a");
        let mut table = table([mine.clone(), row(2, 1, "a")]);
        assert!(table.depart(node(1)) && !table.depart(node(1)));
        assert!(table.uphold(&mut mine, boot(9)));
        assert_eq!(mine, row(1, 6, "a"));
        assert!(table.is_member(node(1)));
    }

    #[test]
    fn a_disk_that_was_wiped_or_put_back_vouches_for_nothing_old() {
        for mut mine in [MemberRow::joining(node(1), 1, boot(3), String::new(), 1), row(1, 4, "")] {
            let mut table = table([row(1, 5, "")]);
            let losses = table.losses();
            table.uphold(&mut mine, boot(3));
            assert_eq!((mine.disk, mine.incarnation, mine.vouches_for(boot(2))), (boot(3), 6, false));
            assert_ne!(table.losses(), losses);
        }
    }

    #[test]
    fn a_node_that_stopped_in_order_stays_clean_until_something_is_lost() {
        let mut mine = row(1, 1, "");
        let mut table = table([mine.clone(), row(2, 1, ""), row(3, 1, "")]);
        mine.clean = Some(table.losses());
        table.uphold(&mut mine, boot(1));
        assert!(table.is_clean(node(1)) && !table.is_clean(node(2)));
        table.merge([MemberRow { state: MemberState::Left, ..row(3, 2, "") }]);
        assert!(table.is_clean(node(1)));
        let mut departed = table.clone();
        departed.depart(node(2));
        assert!(!departed.is_clean(node(1)));
        // It returns, and what it takes over now is lost with it when it departs again.
        departed.merge([row(2, 2, "")]);
        assert!(departed.is_clean(node(1)));
        mine.clean = Some({
            let mut once = departed.clone();
            once.depart(node(2));
            once.losses()
        });
        mine.incarnation += 1;
        departed.uphold(&mut mine, boot(1));
        departed.merge([row(2, 3, "")]);
        departed.depart(node(2));
        assert!(!departed.is_clean(node(1)));
        table.merge([MemberRow { disk: boot(2), ..row(2, 2, "") }]);
        assert!(!table.is_clean(node(1)));
    }

    #[test]
    fn a_replacement_has_the_place_of_all_before_it() {
        let mut table = table([row(1, 1, "")]);
        for (new, old) in [(2, 1), (3, 2)] {
            let mut mine = row(new, 1, "");
            table.replace(&mut mine, node(old));
            table.uphold(&mut mine, boot(1));
        }
        let placed = table.placed();
        assert_eq!(placed.len(), 1);
        assert_eq!((placed[0].node, placed[0].place_key), (node(3), node(1)));
        assert_eq!(placed[0].replaced, [node(1), node(2)]);
    }

    #[test]
    fn only_those_who_have_joined_have_a_place() {
        use MemberState::{Departed, Joined, Leaving, Left};
        let states = [Joined, Leaving, Left, Departed];
        let table = table((0..).zip(states).map(|(number, state)| MemberRow { state, ..row(number, 1, "") }));
        assert_eq!(table.placed().iter().map(|place| place.node).collect::<Vec<_>>(), [node(0)]);
        assert_eq!(table.members().map(|row| row.node).collect::<Vec<_>>(), [node(0), node(1)]);
    }

    #[test]
    fn the_table_is_bounded() {
        let count = |table: &MemberTable| (table.members().count(), table.rows().count());
        let full = MEMBERS_MAX as u16;
        let mut table = table((0..full + 5).map(|number| row(number, 1, "")));
        assert_eq!(count(&table), (MEMBERS_MAX, MEMBERS_MAX));
        assert_eq!(table.merge([row(0, 2, "")]), [node(0)]);
        // All depart but the first, and as many more; those of the lowest incarnation are forgotten.
        let departed = |number| MemberRow { state: MemberState::Departed, ..row(number, u64::from(number) + 10, "") };
        table.merge((1..full + 100).map(departed));
        assert_eq!(count(&table), (1, 1 + DEPARTED_MAX));
        assert!(table.row(node(99)).is_none() && table.row(node(100)).is_some());
        assert!(table.merge([row(30_000, INCARNATION_MAX + 1, ""), row(30_001, 1, &"z".repeat(65))]).is_empty());
    }

    #[test]
    fn the_bytes_of_version_one_stay_as_they_are() {
        assert_eq!(
            crate::id::BatchId::of(table([row(1, 2, "a")]).encode()).to_string(),
            "163130212e978ac70f915150f6bba6f1b28db3baa5ec45452e8fc9d2fecf825a"
        );
    }
}
