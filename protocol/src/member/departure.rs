//! When a member that is away is given up: a pure function of what a node and its peers have observed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::MemberTable;
use crate::id::NodeId;

/// Returns those whom a node takes to have departed, and tells the others so: of those who are `away`, in order and for how long by
/// its own clock, who is so for `depart_after`. Each node sends this list with its comparisons; the lists of members who were heard of lately
/// are the opinions of [`departures`].
pub fn suspects(away: impl IntoIterator<Item = (NodeId, Duration)>, depart_after: Duration) -> Vec<NodeId> {
    away.into_iter().filter(|(_, away)| *away >= depart_after).map(|(node, _)| node).collect()
}

/// Returns the members that depart now: among this node's [`suspects`] and suspected by at least half the members (`opinions`: how many
/// say so, this node among them); at most a tenth of the members, but at least one, in each `depart_after` (`recent` are those that this
/// table saw depart within the last one); and never the last of a zone that had two or more members when that time began, where there is
/// more than one zone. Suspects come in order of their ids, so that nodes that decide at the same time decide alike.
pub fn departures(
    table: &MemberTable,
    suspects: &[NodeId],
    opinions: &BTreeMap<NodeId, usize>,
    recent: &BTreeSet<NodeId>,
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
    for node in suspects.iter().copied() {
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

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::{any, prop_assert, proptest};

    use super::*;
    use crate::id::Boot;
    use crate::member::MemberRow;

    const DAY: Duration = Duration::from_secs(86_400);

    fn node(number: u16) -> NodeId {
        let mut key = [0; 32];
        key[..2].copy_from_slice(&number.to_be_bytes());
        NodeId::from_bytes(key)
    }

    fn table<'a>(zones: impl IntoIterator<Item = &'a str>) -> MemberTable {
        let row = |(number, zone): (u16, &str)| {
            MemberRow::joining(node(number), 1, Boot::from_bytes([1; 16]), zone.into(), 1)
        };
        let mut table = MemberTable::new();
        table.merge((0..).zip(zones).map(row));
        table
    }

    proptest! {
        #[test]
        fn departures_keep_all_their_bounds(
            zones in vec(0u8..4, 1..40), away in vec(any::<bool>(), 40), votes in vec(0usize..40, 40), past in vec(0u8..12, 40)
        ) {
            let mut table = table(zones.iter().map(|zone| ["a", "b", "c", "d"][usize::from(*zone)]));
            let recent: BTreeSet<NodeId> = (0..zones.len() as u16).filter(|number| past[usize::from(*number)] == 0).map(node).collect();
            recent.iter().for_each(|node| _ = table.depart(*node));
            let away = (0..40).filter(|number| away[usize::from(*number)]).map(|number| (node(number), DAY));
            let suspects = suspects(away, DAY);
            let opinions = (0..40).map(|number| (node(number), votes[usize::from(number)])).collect();
            let count = table.members().count();
            let departing = departures(&table, &suspects, &opinions, &recent);
            prop_assert!(departing.is_empty() || departing.len() + recent.len() <= (zones.len() / 10).max(1));
            for node in &departing {
                prop_assert!(suspects.contains(node) && 2 * opinions[node] >= count && table.is_member(*node));
                let zone = &table.row(*node).unwrap().zone;
                let gone = |row: &MemberRow| departing.contains(&row.node) || recent.contains(&row.node);
                let zone_rows: Vec<_> = table.rows().filter(|row| row.zone == *zone).collect();
                let lone = zone_rows.len() == 1;
                let one_zone = table.rows().all(|row| row.zone == *zone);
                prop_assert!(lone || one_zone || !zone_rows.into_iter().all(gone));
            }
        }
    }

    /// Away, in a mesh of so many members each in the zone given, all of one opinion: who departs?
    fn check(zones: &[&str], away: &[(u16, u32)], opinions: usize, recent: &[u16], departing: &[u16]) {
        let mut table = table(zones.iter().copied());
        recent.iter().for_each(|number| assert!(table.depart(node(*number))));
        let away: BTreeMap<_, _> = away.iter().map(|(number, days)| (node(*number), DAY * *days)).collect();
        let suspects = suspects(away, DAY);
        let opinions = (0..zones.len() as u16).map(|number| (node(number), opinions)).collect();
        let recent = recent.iter().map(|number| node(*number)).collect();
        let found = departures(&table, &suspects, &opinions, &recent);
        assert_eq!(found, departing.iter().map(|number| node(*number)).collect::<Vec<_>>());
    }

    #[test]
    fn departures_follow_the_rules() {
        let (three, ten, twenty) = (&[""; 3][..], &[""; 10][..], &[""; 20][..]);
        check(three, &[(1, 1)], 2, &[], &[1]);
        check(three, &[(1, 0)], 2, &[], &[]);
        check(three, &[(1, 1)], 1, &[], &[]);
        check(&[""; 2], &[(1, 1)], 1, &[], &[1]);
        // A tenth of the members in one period, but at least one.
        check(three, &[(1, 1), (2, 1)], 2, &[], &[1]);
        check(ten, &[(1, 1)], 9, &[2], &[]);
        check(twenty, &[(3, 2), (1, 1), (2, 3)], 10, &[], &[1, 2]);
        check(twenty, &[(3, 2), (1, 1), (2, 3)], 10, &[9], &[1]);
        // Never a whole zone at once; a zone of one is a node.
        let racks = &["a", "a", "b", "b", "c"].repeat(4)[..];
        check(&[&["d", "d"], racks].concat(), &[(0, 1), (1, 1)], 22, &[], &[0]);
        check(&[&["d", "d"], racks].concat(), &[(1, 1)], 22, &[0], &[]);
        check(&["a", "b", "c"], &[(1, 1)], 2, &[], &[1]);
    }
}
