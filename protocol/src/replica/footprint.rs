//! How much the machine has in hand, part by part, against the limit of each: what the simulator holds it to.

use super::Replica;
use crate::config::Mechanisms;

/// How much there is of something that others or time can let grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Of what.
    pub name: &'static str,
    /// How much.
    pub now: u64,
    /// The most that there may be.
    pub most: u64,
    /// Whether there is none of it once the mesh has come to rest.
    pub passes: bool,
}

impl Replica {
    /// Returns how much there is of all that is bounded.
    pub fn footprint(&self) -> Vec<Size> {
        let passing = |name, now: usize, most| Size { name, now: now as u64, most, passes: true };
        let (storing, waiting, waiting_most) = self.journal.sizes();
        let (frames, frame_bytes, frame_bytes_most, adopting, adopting_most) = self.receiving.sizes();
        let (fetching, fetching_most) = self.fetches.size();
        let (serving, serving_most) = self.serving.longest();
        let (flights, lane_bytes) = self.push.sizes();
        let lane_most = self.context.config.push_window_bytes + LARGEST;
        let members = self.members.table.rows().count() as u64 + self.members.peers.len() as u64;
        vec![
            passing("appends being stored", storing, u64::MAX),
            passing("appends waiting for copies", waiting, waiting_most),
            passing("batches of peers being stored", frames, u64::MAX),
            Size { name: "bytes of peers being stored", now: frame_bytes, most: frame_bytes_most, passes: true },
            passing("extents being adopted", adopting, adopting_most),
            Size { name: "batches asked for", now: fetching, most: fetching_most, passes: true },
            passing("wishes of one peer", serving, serving_most),
            passing("sends under way", flights, u64::MAX),
            Size { name: "bytes under way to one peer", now: lane_bytes, most: lane_most, passes: true },
            passing("segments in question", self.lacking.len(), super::have::LACKING_MAX as u64),
            Size { name: "opinions", now: self.members.opinion_count() as u64, most: members, passes: false },
        ]
    }

    /// Switches parts of the machine on and off, for the simulator alone.
    pub fn set_mechanisms(&mut self, mechanisms: Mechanisms) {
        self.context.config.mechanisms = mechanisms;
        self.on_ability_moved();
    }
}

/// A batch may be larger than a window, and an extent than a batch.
const LARGEST: u64 = 16 << 20;
