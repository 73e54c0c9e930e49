//! `logmesh-sim bench`.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use logmesh_protocol::config::Config;
use logmesh_sim::spec::{Load, Spec};
use logmesh_sim::world::World;
use logmesh_sim::{swarm, trial};

use super::wall_clock;

/// What is to be measured.
#[derive(Args)]
pub(crate) struct Bench {
    /// Only meshes of so many nodes.
    #[arg(long)]
    nodes: Option<u16>,
    /// How many seconds of them are simulated, in place of the usual.
    #[arg(long)]
    seconds: Option<u64>,
}

impl Bench {
    pub(crate) fn run(&self) -> ExitCode {
        let meshes = match self.nodes {
            Some(nodes) => vec![(nodes, 60)],
            None => vec![(10, 3_600), (100, 3_600), (1_000, 600)],
        };
        for (nodes, seconds) in meshes {
            steady(nodes, self.seconds.unwrap_or(seconds));
        }
        if self.nodes.is_none() {
            random_worlds();
        }
        ExitCode::SUCCESS
    }
}

/// Simulates a healthy mesh in which each node gets a batch a second.
fn steady(nodes: u16, seconds: u64) {
    let mut spec = Spec::new(1, nodes, &Config::default());
    spec.loads.push(Load { from: Duration::from_secs(5), ..Load::default() });
    let begin = wall_clock();
    let mut world = World::of(&spec);
    world.keeps_story = false;
    world.acquaint();
    world.run_for(Duration::from_secs(seconds));
    let took = begin.elapsed().as_secs_f64();
    let (acknowledged, events) = (world.oracle.acknowledged_count, world.events());
    let broken = world.oracle.broken.len();
    println!(
        "{nodes} nodes, {seconds} s, a batch a second each: {took:.1} s, {:.0} times as fast as time; {acknowledged} appends, {:.2} M events, {broken} promises broken",
        seconds as f64 / took,
        events as f64 / 1e6
    );
}

/// Plays random worlds as `fuzz` does, on one core: small meshes, and all others.
fn random_worlds() {
    let (mut small, mut large) = (Played::default(), Played::default());
    for seed in 0..RANDOM_WORLDS {
        let fate = swarm::draw(seed);
        let played = if fate.spec.nodes.len() <= SMALL_MESH { &mut small } else { &mut large };
        let begin = wall_clock();
        played.simulated += trial::run(&fate, false).lasted;
        played.took += begin.elapsed();
        played.worlds += 1;
    }
    small.tell(&format!("of 3 to {SMALL_MESH} nodes"));
    large.tell("of more nodes");
}

/// What some worlds took.
#[derive(Default)]
struct Played {
    worlds: u32,
    simulated: Duration,
    took: Duration,
}

impl Played {
    fn tell(&self, which: &str) {
        let took = self.took.as_secs_f64();
        println!(
            "{} random worlds {which}: {took:.1} s, {:.0} a minute, {:.0} times as fast as time",
            self.worlds,
            f64::from(self.worlds) * 60.0 / took,
            self.simulated.as_secs_f64() / took
        );
    }
}

const RANDOM_WORLDS: u64 = 500;
const SMALL_MESH: usize = 10;
