//! One random world, run to its end and judged: a safety phase in which anything may happen and nothing may be promised falsely, then
//! everything is mended, and all must come right within a stated time.

use std::time::Duration;

use logmesh_protocol::config::Mechanisms;
use logmesh_protocol::replica::{MemberState, Replica};

use crate::network::nanos;
use crate::oracle::Reads;
use crate::spec::{DiskQuality, Fault};
use crate::swarm::Fate;
use crate::world::World;

/// What came of one world.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// The promises that were broken, each named before the first colon.
    pub broken: Vec<String>,
    /// How long it took to converge after everything was mended.
    pub converged_after: Option<Duration>,
    /// How many appends were acknowledged, and refused.
    pub appends: (u64, u64),
    /// How many queries claimed to be complete, and how many did not.
    pub claims: (u64, u64),
    /// What became of all acknowledged batches, as queries saw it.
    pub reads: Reads,
    /// How many segments hosts have dropped because they had expired.
    pub expired: u64,
    /// How long the world lasted.
    pub lasted: Duration,
    /// A hash of all that happened.
    pub trace: u64,
    /// What fate did and what the machines told, in order, if it was to be written down.
    pub story: Vec<String>,
}

/// Runs a world to its end.
pub fn run(fate: &Fate, keeps_story: bool) -> Outcome {
    let mut world = World::of(&fate.spec);
    world.keeps_story = keeps_story;
    if !keeps_story {
        world.story.clear();
    }
    while world.age() < fate.mended_at && world.oracle.broken.is_empty() {
        world.run_for(STEP);
        world.check_always();
    }
    let converged = if world.oracle.broken.is_empty() { Some(come_right(fate, &mut world)) } else { None };
    let mut broken = std::mem::take(&mut world.oracle.broken);
    broken.extend(converged.as_ref().and_then(|converged| converged.as_ref().err().cloned()));
    Outcome {
        broken,
        converged_after: converged.and_then(Result::ok),
        appends: (world.oracle.acknowledged_count, world.oracle.refused_count),
        claims: world.oracle.claims,
        reads: world.oracle.reads(),
        expired: world.expired_count,
        lasted: world.age(),
        trace: world.trace,
        story: std::mem::take(&mut world.story),
    }
}

/// Mends everything and looks whether all comes right. Returns how long it took.
fn come_right(fate: &Fate, world: &mut World) -> Result<Duration, String> {
    world.note(|| "everything is mended".to_owned());
    mend(fate, world);
    let bound = CONVERGENCE_MAX + CONVERGENCE_PER_NODE * world.hosts.len() as u32;
    let took = world.converge_within(bound).map_err(|why| format!("convergence: {why}"))?;
    world.check_always();
    world.check_deletions_in_the_end();
    // Converged is not yet seen: gossip takes a while to tell who is up.
    world.run_for(SEEN_AFTER);
    for index in world.indices().filter(|index| world.is_up(*index)).take(ASKED_MAX).collect::<Vec<_>>() {
        world.query(index);
    }
    world.check();
    let reads = world.oracle.reads();
    if reads.lost > 0 && !fate.harms_disks {
        return Err(format!("nothing is stale for ever: {} acknowledged batches are in no answer", reads.lost));
    }
    if !fate.harms_disks && !world.indices().find(|index| world.is_up(*index)).is_none_or(|index| world.query(index)) {
        // All are up and alike, and no disk was harmed: nothing is left that could make an answer incomplete.
        return Err("a whole mesh gives whole answers: one does not".to_owned());
    }
    come_to_rest(fate, world)?;
    let rots = fate.spec.timeline.iter().any(|(_, fault)| matches!(fault, Fault::FlipBits { .. }));
    if rots && fate.spec.seed.is_multiple_of(ROT_LOOKED_AT_IN) {
        find_rot(fate, world)?;
    }
    Ok(took)
}

fn mend(fate: &Fate, world: &mut World) {
    world.afflict(&Fault::HealAll);
    let mechanisms = if fate.lacks_to_the_end { fate.spec.config.mechanisms } else { Mechanisms::default() };
    for index in world.indices() {
        let is_other = world.host(index).version != 0;
        let now = world.nanos;
        let host = world.host(index);
        host.quality = DiskQuality::default();
        (host.disk.is_full, host.slowness, host.next_version, host.trap) = (false, 0, 0, None);
        host.stalled_until = host.stalled_until.min(now);
        host.config.mechanisms = mechanisms;
        if let Some(replica) = &mut host.replica {
            replica.set_mechanisms(mechanisms);
        }
        world.hosts.pause(index, world.hosts.paused_until(index).min(now));
        if is_other && world.is_up(index) {
            world.crash(index);
        }
        if !world.is_up(index) {
            world.start(index);
        }
    }
    // Those that are just stopping go to their end first.
    world.run_for(fate.spec.config.stop_timeout + STOP_SLACK);
    for index in world.indices() {
        if !world.is_up(index) {
            world.start(index);
        }
    }
    world.run_for(fate.spec.config.stop_timeout);
}

/// Once all is alike, what is held beyond the own share goes, leavers leave, tails are sealed, and then there is silence.
fn come_to_rest(fate: &Fate, world: &mut World) -> Result<(), String> {
    let begin = world.nanos;
    loop {
        let before = world.network.traffic;
        world.run_for(SILENCE);
        let after = world.network.traffic;
        let moved = after.data_bytes - before.data_bytes;
        let moves = (moved > 0).then(|| format!("{moved} bytes of data have moved in the last {SILENCE:?}"));
        if let Some(why) = unrest(fate, world).or(moves) {
            if world.nanos - begin > nanos(REST_MAX) {
                return Err(format!("the mesh comes to rest: {why}"));
            }
            continue;
        }
        let per_node = (after.message_bytes - before.message_bytes) / SILENCE.as_secs() / world.hosts.len() as u64;
        if per_node > RESTING_BYTES_PER_SECOND && !fate.harms_disks {
            return Err(format!("repair is bounded: each node of a mesh at rest sends {per_node} bytes a second"));
        }
        world.check_always();
        return Ok(());
    }
}

/// Bit rot is found also where nobody reads: by the scrub, within its period and what many segments take beyond it.
fn find_rot(fate: &Fate, world: &mut World) -> Result<(), String> {
    let bound = 2 * fate.spec.config.scrub_period + SCRUBBED_WITHIN * world.segments_most() as u32;
    let begin = world.nanos;
    while let Some(rotten) = world.rotten() {
        if world.nanos - begin > nanos(bound) {
            return Err(format!("bit rot is found: {rotten}"));
        }
        world.run_for(SILENCE);
    }
    world.check_always();
    Ok(())
}

fn unrest(fate: &Fate, world: &World) -> Option<String> {
    let running = || world.hosts.values().filter_map(|host| host.replica.as_ref());
    // Of what has rotted or was lost everywhere nobody can show that he holds it: it stays where it is, and so does who would leave.
    let may_stay = fate.harms_disks && world.oracle.has_lost();
    for replica in running() {
        let left = replica.footprint().into_iter().find(|size| size.passes && size.now > 0);
        if let Some(size) = left {
            return Some(format!("{:?} has {} {}", replica.id(), size.now, size.name));
        }
        if !may_stay && (fate.spec.config.mechanisms.handover || !fate.lacks_to_the_end) {
            let surplus = surplus(world, replica);
            if surplus.is_some() {
                return surplus;
            }
        }
    }
    let table = running().next()?.members_table();
    let joined = table.members().filter(|row| row.state == MemberState::Joined).count();
    let leaving = table.members().find(|row| row.state == MemberState::Leaving);
    let leaving = leaving.filter(|_| joined >= usize::from(fate.spec.config.copies) && !may_stay)?;
    Some(format!("{:?} has not left", leaving.node))
}

/// Returns what a node holds that is not its to hold, though all who should have it are up.
fn surplus(world: &World, replica: &Replica) -> Option<String> {
    let is_member = replica.members_table().row(replica.id()).is_some_and(|row| row.state == MemberState::Joined);
    let segments = replica.segments().into_iter().filter(|status| is_member && !status.held.is_empty());
    let mut segments = segments.filter(|status| !world.is_expiring(&status.segment));
    let kept = segments.find(|status| !status.holders.contains(&replica.id()) && !status.holders.is_empty())?;
    Some(format!("{:?} keeps {} batches of {:?} beyond its share", replica.id(), kept.held.len(), kept.segment))
}

/// How often it is looked whether what must always hold holds.
const STEP: Duration = Duration::from_secs(1);
/// Within this time after everything was mended all holders must hold the same: some repair rounds with each peer, and a pass of the
/// scrub that finds what has rotted.
const CONVERGENCE_MAX: Duration = Duration::from_secs(240);
/// And for each node so much more: rounds go round.
const CONVERGENCE_PER_NODE: Duration = Duration::from_secs(4);
/// Within this time after that nothing more is to be done.
const REST_MAX: Duration = Duration::from_secs(120);
/// How long it must be silent then.
const SILENCE: Duration = Duration::from_secs(10);
/// What each node may send in a second while nothing happens: one comparison each two seconds, and gossip is not counted.
const RESTING_BYTES_PER_SECOND: u64 = 1_000;
/// It takes as long as all the rest of a world, so rot is looked for in one of so many.
const ROT_LOOKED_AT_IN: u64 = 4;
/// One segment is scrubbed at a time, and the next after a pause.
const SCRUBBED_WITHIN: Duration = Duration::from_secs(2);
const SEEN_AFTER: Duration = Duration::from_secs(5);
const STOP_SLACK: Duration = Duration::from_secs(5);
/// So many are asked in the end.
const ASKED_MAX: usize = 6;
