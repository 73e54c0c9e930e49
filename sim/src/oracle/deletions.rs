//! What was asked to be deleted, and taken back: once a node has said so it is durable there, whoever knows it never unlearns it, what
//! was taken back never holds again, and in the end all members know it.

use std::collections::{BTreeMap, BTreeSet};

use logmesh_protocol::deletion::{Deletion, DeletionId, DeletionTable};
use logmesh_protocol::time::Now;

use crate::host::Host;

/// All that was asked.
#[derive(Debug, Default)]
pub(crate) struct Deletions {
    asked: BTreeMap<DeletionId, Asked>,
    /// What each host knew when it was last looked at, and whether that was taken back; by slot.
    known: BTreeMap<u16, BTreeMap<DeletionId, bool>>,
}

/// One deletion.
#[derive(Debug)]
struct Asked {
    row: Deletion,
    /// The disks that have it; and those that have it as taken back.
    disks: BTreeSet<u16>,
    taken_back: BTreeSet<u16>,
}

impl Deletions {
    /// Tells whether nothing was asked.
    pub(crate) fn is_empty(&self) -> bool {
        self.asked.is_empty()
    }

    /// A host has answered that it holds a deletion, or holds it as taken back. Returns what is wrong about that.
    pub(crate) fn acknowledged(&mut self, slot: u16, row: &Deletion, host: &Host) -> Option<String> {
        let id = row.id();
        let lasting = Deletion { is_cancelled: false, ..row.clone() };
        let asked = self.asked.entry(id).or_insert_with(|| Asked {
            row: lasting,
            disks: BTreeSet::new(),
            taken_back: BTreeSet::new(),
        });
        asked.disks.insert(slot);
        if row.is_cancelled {
            asked.taken_back.insert(slot);
        }
        let is_durable = read(host).is_some_and(|table| table.row(id) == Some(row));
        (!is_durable)
            .then(|| format!("a deletion is durable before it is answered: {id} is not on the disk of {:?}", host.id))
    }

    /// A disk was lost whole.
    pub(crate) fn wiped(&mut self, slot: u16) {
        self.known.remove(&slot);
        for asked in self.asked.values_mut() {
            asked.disks.remove(&slot);
            asked.taken_back.remove(&slot);
        }
    }

    /// Looks at what a running host knows. Returns what is wrong about it.
    pub(crate) fn look(&mut self, slot: u16, host: &Host, now: Now) -> Option<String> {
        let table = host.replica.as_ref()?.deletions();
        if read(host).as_ref() != Some(table) {
            return Some(format!(
                "a deletion that is known is durable: {:?} knows more than its disk has, or less",
                host.id
            ));
        }
        let config = &host.config;
        let is_over = |row: &Deletion| row.expires(config.retention, config.clock_skew_max) <= now.timestamp;
        for (id, was_taken_back) in self.known.remove(&slot).unwrap_or_default() {
            let is_over = self.asked.get(&id).is_some_and(|asked| is_over(&asked.row));
            match table.row(id) {
                None if !is_over => {
                    return Some(format!("a deletion is not forgotten: {:?} has forgotten {id}", host.id));
                }
                Some(row) if was_taken_back && !row.is_cancelled => {
                    return Some(format!("what was taken back stays so: to {:?} {id} holds again", host.id));
                }
                None | Some(_) => {}
            }
        }
        for row in table.rows() {
            let Some(asked) = self.asked.get_mut(&row.id()) else {
                return Some(format!("nothing is deleted that nobody asked for: {:?} has {}", host.id, row.id()));
            };
            asked.disks.insert(slot);
            if row.is_cancelled {
                asked.taken_back.insert(slot);
            }
        }
        self.known.insert(slot, table.rows().map(|row| (row.id(), row.is_cancelled)).collect());
        None
    }

    /// Looks whether a member knows all that any disk still has, once everything is mended. Returns what is wrong.
    pub(crate) fn look_in_the_end(&self, host: &Host, now: Now) -> Option<String> {
        let table = host.replica.as_ref()?.deletions();
        let config = &host.config;
        for (id, asked) in self.asked.iter().filter(|(_, asked)| !asked.disks.is_empty()) {
            let is_over = asked.row.expires(config.retention, config.clock_skew_max) <= now.timestamp;
            match table.row(*id) {
                None if !is_over => return Some(format!("a deletion reaches all: {:?} does not know {id}", host.id)),
                Some(row) if !row.is_cancelled && !asked.taken_back.is_empty() => {
                    return Some(format!("a deletion taken back reaches all: to {:?} {id} still holds", host.id));
                }
                None | Some(_) => {}
            }
        }
        None
    }
}

fn read(host: &Host) -> Option<DeletionTable> {
    DeletionTable::decode(&host.disk.deletions).ok()
}
