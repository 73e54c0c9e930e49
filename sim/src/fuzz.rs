//! Random worlds: faults, work and queries drawn from one seed; then everything is mended and must come right.

use std::time::Duration;

use logmesh_protocol::config::Config;
use logmesh_protocol::replica::Input;
use logmesh_protocol::segment::Window;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::host::Trap;
use crate::spec::{DiskQuality, Latency};
use crate::world::{World, node};

/// What came of one seed.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// The promises that were broken.
    pub broken: Vec<String>,
    /// How long it took to converge after the last fault.
    pub converged_after: Option<Duration>,
    /// How many appends were acknowledged, and refused.
    pub appends: (u64, u64),
    /// How many queries claimed to be complete, and how many did not.
    pub claims: (u64, u64),
    /// A hash of all that happened.
    pub trace: u64,
    /// What fate did and what the machines told, in order.
    pub story: Vec<String>,
}

/// Runs the world of `seed`.
pub fn run(seed: u64) -> Outcome {
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x5eed);
    let count = rng.random_range(3..=6u16);
    let config = Config { copies: rng.random_range(2..=3), ..World::quick() };
    let mut world = World::new(seed, count, &config);
    world.run_for(Duration::from_secs(2));
    let mut swarm = Swarm { features: std::array::from_fn(|_| rng.random_bool(0.5)), rng, count, wiped_at: None };
    for _ in 0..swarm.rng.random_range(20..120) {
        swarm.step(&mut world);
        let pause = swarm.rng.random_range(1..1_500);
        world.run_for(Duration::from_millis(pause));
    }
    world.note(|| "mend".to_owned());
    swarm.mend(&mut world);
    let converged = world.converge_within(CONVERGENCE_MAX);
    // Converged is not yet seen: gossip takes a while to tell who is up.
    world.run_for(Duration::from_secs(5));
    let everybody = (0..swarm.count).filter(|index| world.is_up(*index)).collect::<Vec<_>>();
    everybody.iter().for_each(|index| {
        world.query(*index);
    });
    world.check();
    let mut broken = std::mem::take(&mut world.oracle.broken);
    broken.extend(converged.as_ref().err().map(|why| format!("convergence: {why}")));
    if converged.is_ok() && !everybody.is_empty() && !swarm.features[3] && !swarm.features[4] {
        // All are up and alike, and no disk was harmed: nothing is left that could make an answer incomplete.
        broken.extend((!world.query(everybody[0])).then(|| "a whole mesh gives whole answers".to_owned()));
    }
    Outcome {
        broken,
        converged_after: converged.ok(),
        appends: (world.oracle.acknowledged_count, world.oracle.refused_count),
        claims: world.oracle.claims,
        trace: world.trace,
        story: std::mem::take(&mut world.story),
    }
}

/// The hand of fate.
struct Swarm {
    rng: ChaCha8Rng,
    /// Which kinds of faults this world knows: with all at once they hide each other.
    features: [bool; 10],
    count: u16,
    wiped_at: Option<u64>,
}

impl Swarm {
    fn any(&mut self) -> u16 {
        self.rng.random_range(0..self.count)
    }

    fn step(&mut self, world: &mut World) {
        let index = self.any();
        let die = self.rng.random_range(0..24);
        world.note(|| format!("die {die} for {:?}", node(index)));
        match die {
            0 if self.features[0] && world.is_up(index) => world.crash(index),
            1 if self.features[1] => self.partition(world),
            2 if self.features[2] => self.stop(world, index),
            3 if self.features[3] && self.may_wipe(world, index) => {
                world.crash(index);
                world.wipe(index);
            }
            4 if self.features[4] => {
                world.rot(index);
            }
            5 if self.features[5] => {
                let full = world.host(index).disk.is_full;
                world.host(index).disk.is_full = !full;
            }
            6 if self.features[6] => {
                world.network.loss_per_mille = self.rng.random_range(0..200);
                world.network.doubled_per_mille = self.rng.random_range(0..100);
            }
            7 if self.features[7] => {
                let trap = if self.rng.random_bool(0.5) { Trap::Stored } else { Trap::Acknowledged };
                world.set_trap(index, trap);
            }
            8 if self.features[8] => {
                let latency = Duration::from_millis(self.rng.random_range(1..800));
                world.host(index).quality.fsync = Latency::between(latency, latency * 2);
            }
            9 if self.features[9] && self.count < 8 => {
                world.join(self.count);
                self.count += 1;
            }
            10 => world.network.heal(),
            11..=13 if !world.is_up(index) => world.start(index),
            14..=15 if world.is_up(index) => {
                world.query(index);
            }
            _ => self.work(world, index),
        }
    }

    /// Stops a host in order, and now and then a second one at the same time.
    fn stop(&mut self, world: &mut World, index: u16) {
        let other = self.any();
        let both = self.rng.random_bool(0.5);
        for index in [Some(index), Some(other).filter(|_| both)].into_iter().flatten() {
            if world.is_up(index) {
                world.tell(index, Input::Stop);
            }
        }
    }

    fn work(&mut self, world: &mut World, index: u16) {
        if !world.is_up(index) {
            return;
        }
        let nanos = world.nanos;
        let window = Window::of(world.host(index).now(nanos).timestamp);
        for _ in 0..self.rng.random_range(1..12) {
            let back = if self.rng.random_bool(0.1) { self.rng.random_range(0..30) } else { 0 };
            let copies = self.rng.random_range(1..=3);
            world.append_at(index, copies, Window(window.0 - back));
        }
    }

    fn partition(&mut self, world: &mut World) {
        world.network.heal();
        world.note(|| "partition".to_owned());
        let (one, other): (Vec<u16>, Vec<u16>) = (0..self.count).partition(|_| self.rng.random_bool(0.5));
        if self.rng.random_bool(0.3) {
            for (a, b) in one.iter().flat_map(|a| other.iter().map(move |b| (*a, *b))) {
                world.network.cut(node(a), node(b));
            }
        } else {
            world.partition(&one, &other);
        }
    }

    /// One disk may be lost at a time: what only that disk had is lost, and the oracle knows.
    fn may_wipe(&mut self, world: &World, index: u16) -> bool {
        let is_due = self.wiped_at.is_none_or(|at| world.nanos - at >= WIPE_PAUSE.as_nanos() as u64);
        let may = is_due && world.is_up(index);
        if may {
            self.wiped_at = Some(world.nanos);
        }
        may
    }

    /// Mends everything, and lets all hosts run.
    fn mend(&mut self, world: &mut World) {
        world.network.heal();
        for index in 0..self.count {
            world.host(index).disk.is_full = false;
            world.host(index).quality = DiskQuality::default();
            world.host(index).trap = None;
            if !world.is_up(index) || world.stopped.contains_key(&node(index)) {
                world.start(index);
            }
        }
        // Those that are just stopping go to their end first.
        world.run_for(Duration::from_secs(15));
        for index in 0..self.count {
            if !world.is_up(index) {
                world.start(index);
            }
        }
    }
}

/// Disks are lost one at a time: between two of them the others may notice.
const WIPE_PAUSE: Duration = Duration::from_secs(10);
/// Within this time after the last fault all holders must hold the same: some repair rounds with each peer, and a pass of the scrub
/// that finds what has rotted.
const CONVERGENCE_MAX: Duration = Duration::from_secs(240);
