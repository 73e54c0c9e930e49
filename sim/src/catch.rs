//! Planted bugs, and how many random worlds it takes to catch one: the proof that the oracles bite.

use std::ops::Range;

use logmesh_protocol::planted::{self, Bug};

use crate::{swarm, trial};

/// A bug that was caught.
#[derive(Clone, Debug)]
pub struct Caught {
    /// How many seeds it took.
    pub seeds: u64,
    /// Which one caught it.
    pub seed: u64,
    /// The promise that broke.
    pub promise: String,
}

/// Plants a bug and runs one world after the other until a promise breaks. In this thread alone.
pub fn catch(bug: Bug, seeds: Range<u64>) -> Option<Caught> {
    planted::plant(Some(bug));
    let first = seeds.start;
    let mut broken =
        seeds.filter_map(|seed| Some((seed, trial::run(&swarm::draw(seed), false).broken.first()?.clone())));
    let caught = broken.next().map(|(seed, promise)| Caught { seeds: seed - first + 1, seed, promise });
    planted::plant(None);
    caught
}
