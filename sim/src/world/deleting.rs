//! Deletions, as an operator asks for them and takes them back.

use std::time::Duration;

use logmesh_protocol::deletion::{Deletion, DeletionId};
use logmesh_protocol::member::MemberState;
use logmesh_protocol::replica::Input;

use super::{World, node};

impl World {
    /// Asks a host that is up to delete what its clock shows as the past.
    pub(super) fn delete(&mut self, index: u16) {
        let now = self.hosts[&node(index)].now(self.nanos).timestamp;
        let number = self.deletions.len();
        let row = Deletion {
            tenant: "default".into(),
            query: format!("{{n=\"{number}\"}}"),
            start: now.saturating_sub(DELETED),
            end: now,
            created: now,
            node: node(index),
            is_cancelled: false,
        };
        if self.is_up(index) {
            self.deletions.push(row.id());
            self.tell_deletion(index, row);
        }
    }

    /// Asks a host to take back one of all deletions, if it knows it: nobody else would be listened to.
    pub(super) fn take_back(&mut self, index: u16, number: u16) {
        let count = self.deletions.len();
        let Some(id) = self.deletions.get(usize::from(number) % count.max(1)).copied() else { return };
        let Some(row) = self.known_deletion(index, id) else { return };
        self.tell_deletion(index, Deletion { is_cancelled: true, ..row });
    }

    fn known_deletion(&self, index: u16, id: DeletionId) -> Option<Deletion> {
        self.hosts[&node(index)].replica.as_ref()?.deletions().row(id).cloned()
    }

    fn tell_deletion(&mut self, index: u16, row: Deletion) {
        self.tell(index, Input::Delete(row.clone()));
        let broken = self.oracle.deletions.acknowledged(index, &row, &self.hosts[&node(index)]);
        self.oracle.broken.extend(broken);
    }

    /// Deletions are neither forgotten nor made up, and what was taken back stays so.
    pub(super) fn check_deletions(&mut self) {
        if self.oracle.deletions.is_empty() {
            return;
        }
        for index in self.indices() {
            let host = &self.hosts[&node(index)];
            let broken = self.oracle.deletions.look(index, host, host.now(self.nanos));
            self.oracle.broken.extend(broken);
        }
    }

    /// In the end all members know all deletions.
    pub fn check_deletions_in_the_end(&mut self) {
        self.check_deletions();
        for host in self.hosts.values() {
            let table = host.replica.as_ref().map(|replica| replica.members_table());
            let state = table.and_then(|table| Some(table.row(host.id)?.state));
            if state.is_some_and(MemberState::is_member) {
                let broken = self.oracle.deletions.look_in_the_end(host, host.now(self.nanos));
                self.oracle.broken.extend(broken);
            }
        }
    }
}

/// How far back what is deleted reaches.
const DELETED: Duration = Duration::from_secs(600);
