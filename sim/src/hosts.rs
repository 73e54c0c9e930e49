//! All hosts of a world, each in a slot, found by slot or by id alike.

use std::ops::{Index, IndexMut};

use logmesh_protocol::id::NodeId;

use crate::host::Host;

/// All hosts, in order of their slots.
#[derive(Default)]
pub struct Hosts {
    all: Vec<Host>,
    /// Until when each stands still, in the world's nanoseconds: beside them, as it is asked for whenever anything is to happen.
    paused_until: Vec<u64>,
}

impl Hosts {
    /// Adds a host in the next slot.
    pub(crate) fn push(&mut self, host: Host) {
        debug_assert_eq!(slot(&host.id), Some(self.all.len()));
        self.all.push(host);
        self.paused_until.push(0);
    }

    /// Returns until when a host stands still.
    pub fn paused_until(&self, slot: u16) -> u64 {
        self.paused_until.get(usize::from(slot)).copied().unwrap_or(0)
    }

    /// Lets a host stand still until then.
    pub(crate) fn pause(&mut self, slot: u16, until: u64) {
        if let Some(paused_until) = self.paused_until.get_mut(usize::from(slot)) {
            *paused_until = until;
        }
    }

    /// Returns how many there are, up or not.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Tells whether there are none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Returns a host, if there is one of this id.
    pub fn get(&self, id: &NodeId) -> Option<&Host> {
        self.all.get(slot(id)?)
    }

    /// Returns a host to be changed, if there is one of this id.
    pub fn get_mut(&mut self, id: &NodeId) -> Option<&mut Host> {
        self.all.get_mut(slot(id)?)
    }

    /// Returns the host in a slot.
    pub fn at(&self, slot: usize) -> Option<&Host> {
        self.all.get(slot)
    }

    /// Returns the host in a slot, to be changed.
    pub fn at_mut(&mut self, slot: usize) -> Option<&mut Host> {
        self.all.get_mut(slot)
    }

    /// Returns all hosts.
    pub fn values(&self) -> impl Iterator<Item = &Host> {
        self.all.iter()
    }

    /// Returns all hosts, to be changed.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut Host> {
        self.all.iter_mut()
    }
}

impl Index<&NodeId> for Hosts {
    type Output = Host;

    fn index(&self, id: &NodeId) -> &Host {
        self.get(id).expect("the host was added")
    }
}

impl IndexMut<&NodeId> for Hosts {
    fn index_mut(&mut self, id: &NodeId) -> &mut Host {
        self.get_mut(id).expect("the host was added")
    }
}

/// Returns the id of the host number `index`.
pub const fn node(index: u16) -> NodeId {
    let [high, low] = index.to_be_bytes();
    if index < SMALL {
        return NodeId::from_bytes([low + 1; 32]);
    }
    let mut key = [0; 32];
    (key[0], key[1], key[2]) = (LARGE, high, low);
    NodeId::from_bytes(key)
}

/// Returns the slot of the host with this id: the inverse of [`node`].
pub fn slot(id: &NodeId) -> Option<usize> {
    let key = id.as_bytes();
    match key[0] {
        LARGE => Some(usize::from(u16::from_be_bytes([key[1], key[2]]))),
        small => usize::from(small).checked_sub(1),
    }
}

/// Below this the bytes of an id are all the same, which reads well in stories.
const SMALL: u16 = 254;
/// Marks the ids of the others: they come after those, and all are in order of their slots.
const LARGE: u8 = 255;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_the_inverse_of_ids() {
        for index in [0, 1, 252, 253, 254, 255, 256, 999, 65_535] {
            assert_eq!(slot(&node(index)), Some(usize::from(index)), "{index}");
        }
        assert!((0..1_000).is_sorted_by_key(node));
    }
}
