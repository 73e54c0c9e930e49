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

/// Plants a bug and runs one world after the other until a promise breaks that the right machine keeps in the same world. In this thread
/// alone.
pub fn catch(bug: Bug, seeds: Range<u64>) -> Option<Caught> {
    let first = seeds.start;
    let mut caught = seeds.filter_map(|seed| {
        let promise = broken(Some(bug), seed)?;
        broken(None, seed).is_none().then_some(Caught { seeds: seed - first + 1, seed, promise })
    });
    caught.next()
}

/// Returns the first promise that breaks in a world.
fn broken(bug: Option<Bug>, seed: u64) -> Option<String> {
    planted::plant(bug);
    let broken = trial::run(&swarm::draw(seed), false).broken;
    planted::plant(None);
    broken.into_iter().next()
}
