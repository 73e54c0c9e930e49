//! Plays a scenario and records it.

use std::time::Duration;

use logmesh_protocol::replica::MemberState;

use super::Scenario;
use super::sentence::Act;
use crate::report::{Mark, Moment, NodeState, NodeTrack, Outcome, Recording};
use crate::sample::{NodeSample, QuerySample, Sample};
use crate::spec::Fault;
use crate::world::{World, node};

/// How far a run has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress<'a> {
    /// The time that has passed in the world.
    pub age: Duration,
    /// How long clients write.
    pub lasts: Duration,
    /// What happens at present, in the words of the scenario.
    pub happens: Option<&'a str>,
    /// How many promises were broken so far.
    pub broken: usize,
}

/// Plays a scenario to its end. Equal scenarios with equal seeds give equal recordings.
pub fn play(scenario: &Scenario, watch: &mut dyn FnMut(Progress<'_>)) -> Recording {
    let step = step_of(scenario.lasts);
    let mut world = World::of(&scenario.spec(step));
    world.keeps_story = false;
    let mut recorder = Recorder::new(scenario, step);
    while world.age() < scenario.lasts {
        world.run_for(step.min(scenario.lasts - world.age()));
        recorder.stop_those_who_left(&mut world);
        recorder.take(&mut world);
        watch(progress(scenario, &world));
    }
    scenario.mending().iter().for_each(|fault| world.afflict(fault));
    let pause = if scenario.nodes.len() <= MANY { SETTLE_STEP } else { SETTLE_STEP_OF_MANY };
    let begin = world.age();
    let mut unconverged = None;
    loop {
        world.run_for(pause);
        recorder.stop_those_who_left(&mut world);
        recorder.start_those_who_are_down(&mut world);
        recorder.take(&mut world);
        watch(progress(scenario, &world));
        let passed = world.age() - begin;
        match recorder.divergence(&world) {
            None => {
                recorder.run.outcome.converged_after_s = Some(passed.as_secs_f64());
                break;
            }
            Some(why) if passed >= scenario.settles => {
                unconverged = Some(why);
                break;
            }
            Some(_) => {}
        }
    }
    // What has converged is not yet seen: gossip takes a while to tell.
    world.run_for(step.max(AFTERWARDS));
    recorder.take(&mut world);
    world.check();
    recorder.finish(&world, unconverged)
}

/// Returns a pause between two looks at the world, in whole seconds, that makes some hundreds of them.
fn step_of(lasts: Duration) -> Duration {
    Duration::from_secs(lasts.as_secs().div_ceil(MOMENTS).max(1))
}

fn progress<'a>(scenario: &'a Scenario, world: &World) -> Progress<'a> {
    let age = world.age();
    let happens = scenario.sentences.iter().rev().find(|sentence| (sentence.from..=sentence.to).contains(&age));
    let happens = happens.map(|sentence| &sentence.text[..]);
    Progress { age, lasts: scenario.lasts, happens, broken: world.oracle.broken.len() }
}

struct Recorder<'a> {
    scenario: &'a Scenario,
    run: Recording,
    /// When each node becomes a member, and when it is told to be one no longer.
    stays: Vec<(Duration, Option<Duration>)>,
    /// Who has left and stopped.
    has_left: Vec<bool>,
}

impl<'a> Recorder<'a> {
    fn new(scenario: &'a Scenario, step: Duration) -> Self {
        let mut stays: Vec<(Duration, Option<Duration>)> = scenario
            .nodes
            .iter()
            .map(|node| (if node.is_founder { Duration::ZERO } else { Duration::MAX }, None))
            .collect();
        for step in &scenario.timeline {
            for node in step.act.nodes() {
                match step.act {
                    Act::Join(_) => stays[node].0 = step.at,
                    Act::Leave(_) | Act::Forget(_) => stays[node].1 = Some(step.at),
                    _ => {}
                }
            }
        }
        let track = |node: &super::PlannedNode| NodeTrack {
            name: node.name.clone(),
            zone: node.zone.clone(),
            ..NodeTrack::default()
        };
        let mark = |sentence: &super::Sentence| Mark {
            text: sentence.text.clone(),
            from_s: sentence.from.as_secs_f64(),
            to_s: sentence.to.as_secs_f64(),
            nodes: sentence.nodes.clone(),
        };
        let run = Recording {
            scenario: scenario.name.clone(),
            about: scenario.about.clone(),
            seed: scenario.seed,
            copies: scenario.config.copies,
            ack_copies: scenario.work.copies.min(scenario.config.copies),
            lasts_s: scenario.lasts.as_secs_f64(),
            calm_from_s: scenario.calm_from().as_secs_f64(),
            step_s: step.as_secs_f64(),
            marks: scenario.sentences.iter().map(mark).collect(),
            nodes: scenario.nodes.iter().map(track).collect(),
            ..Recording::default()
        };
        Self { scenario, run, stays, has_left: vec![false; scenario.nodes.len()] }
    }

    /// Takes in all samples that the world has.
    fn take(&mut self, world: &mut World) {
        for sample in std::mem::take(&mut world.samples) {
            self.take_nodes(&sample);
            sample.ack_micros.iter().for_each(|micros| self.run.acks.add(*micros));
            self.run.moments.push(moment(&sample));
        }
    }

    fn take_nodes(&mut self, sample: &Sample) {
        let up = sample.nodes.iter().filter(|node| node.is_up).count();
        for (index, fared) in sample.nodes.iter().enumerate() {
            let is_member = self.is_member(index, sample.at);
            let track = &mut self.run.nodes[index];
            track.state.push(if is_member { state(fared, up) } else { NodeState::Absent });
            track.accepted.push(fared.accepted);
            track.refused.push(fared.refused);
            track.repair_bytes.push(fared.repair_bytes);
            track.disk_bytes.push(fared.disk_bytes);
        }
    }

    fn is_member(&self, node: usize, at: Duration) -> bool {
        let (from, to) = self.stays[node];
        let is_gone = match self
            .scenario
            .timeline
            .iter()
            .any(|step| matches!(step.act, Act::Leave(_)) && step.act.nodes().contains(&node))
        {
            true => self.has_left[node],
            false => to.is_some_and(|to| to <= at),
        };
        from <= at && !is_gone
    }

    /// An operator stops who has left.
    fn stop_those_who_left(&mut self, world: &mut World) {
        for index in 0..self.stays.len() {
            let is_told = self.stays[index].1.is_some_and(|at| at <= world.age());
            let number = u16::try_from(index).expect("a scenario has at most NODES_MAX nodes");
            if !is_told || self.has_left[index] || !world.is_up(number) {
                continue;
            }
            let id = node(number);
            let replica = world.hosts[&id].replica.as_ref();
            let row = replica.and_then(|replica| replica.members_table().row(id));
            if row.is_some_and(|row| row.state == MemberState::Left) {
                self.has_left[index] = true;
                world.afflict(&Fault::Crash { node: number });
            }
        }
    }

    fn start_those_who_are_down(&mut self, world: &mut World) {
        for index in 0..self.stays.len() {
            let (from, to) = self.stays[index];
            let number = u16::try_from(index).expect("a scenario has at most NODES_MAX nodes");
            if from != Duration::MAX && to.is_none() && !world.is_up(number) {
                world.afflict(&Fault::Start { node: number });
            }
        }
    }

    /// Returns why the mesh has not come to rest, if it has not: also somebody who has yet to leave keeps it from that.
    fn divergence(&self, world: &World) -> Option<String> {
        let leaving = self.scenario.timeline.iter().filter(|step| matches!(step.act, Act::Leave(_)));
        let leaving = leaving.flat_map(|step| step.act.nodes()).find(|node| !self.has_left[*node]);
        match leaving {
            Some(node) => Some(format!("{} has not left yet", self.run.nodes[node].name)),
            None => world.divergence(),
        }
    }

    fn finish(mut self, world: &World, unconverged: Option<String>) -> Recording {
        let copies = world.oracle.copies();
        self.run.outcome = Outcome {
            broken: world.oracle.broken.clone(),
            unconverged,
            lost: copies.first().copied().unwrap_or(0),
            acknowledged: copies.iter().sum(),
            trace: format!("{:016x}", world.trace),
            events: world.events(),
            ..self.run.outcome
        };
        self.run
    }
}

fn state(fared: &NodeSample, up: usize) -> NodeState {
    let others = up.saturating_sub(1);
    match fared {
        fared if !fared.is_up => NodeState::Down,
        fared if fared.refused > 0 => NodeState::Refusing,
        fared if usize::from(fared.sees_live) * 2 < others => NodeState::CutOff,
        _ => NodeState::Up,
    }
}

fn moment(sample: &Sample) -> Moment {
    let sum = |of: fn(&NodeSample) -> u64| sample.nodes.iter().map(of).sum::<u64>();
    let millis = |per_mille| sample.ack_micros_at(per_mille).map(|micros| f64::from(micros) / 1e3);
    let count = |claims: bool, is_complete: bool| {
        let asked =
            sample.queries.iter().filter(|query| query.claims_complete == claims && query.is_complete == is_complete);
        u32::try_from(asked.count()).unwrap_or(u32::MAX)
    };
    let worst = |of: fn(&QuerySample) -> f64| sample.queries.iter().map(of).fold(0.0, f64::max);
    Moment {
        at_s: sample.at.as_secs_f64(),
        accepted: sample.accepted,
        refused: sample.refused,
        ack_ms: millis(500).zip(millis(990)).zip(millis(1_000)).map(|((half, most), all)| [half, most, all]),
        copies_told: sample.copies_told.clone(),
        copies: sample.copies.clone(),
        push_bytes: sum(|node| node.push_bytes),
        repair_bytes: sum(|node| node.repair_bytes),
        message_bytes: sample.message_bytes,
        is_converged: sample.is_converged,
        answers_complete: count(true, true),
        answers_incomplete: count(false, false),
        answers_unsure: count(false, true),
        answers_wrong: count(true, false),
        missing: sample.queries.iter().map(|query| query.missing).max().unwrap_or(0),
        staleness_s: worst(|query| query.staleness.as_secs_f64()),
    }
}

/// About how many moments a recording has.
const MOMENTS: u64 = 400;
/// How often it is looked whether the mesh has converged.
const SETTLE_STEP: Duration = Duration::from_secs(1);
/// The same with more than so many nodes, for then looking takes its time.
const SETTLE_STEP_OF_MANY: Duration = Duration::from_secs(10);
const MANY: usize = 100;
/// How long the mesh goes on after that.
const AFTERWARDS: Duration = Duration::from_secs(10);
