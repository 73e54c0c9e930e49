//! Deletions: what one node was asked to delete, all hold, whatever happens to it or to them.

use std::time::Duration;

use logmesh_protocol::deletion::Deletion;
use logmesh_protocol::replica::Input;
use logmesh_sim::world::{World, node};

#[test]
fn a_deletion_is_known_everywhere_within_a_moment() {
    let mut world = mesh(3);
    delete(&mut world, 0, "{a=\"1\"}");
    world.run_for(Duration::from_millis(100));
    assert_eq!(known(&world), [1, 1, 1]);
    assert_eq!(replica(&world, 0).deletions_known_by(), 2);
}

#[test]
fn both_sides_of_a_partition_delete_and_come_to_know_both() {
    let mut world = mesh(5);
    world.partition(&[0, 1], &[2, 3, 4]);
    delete(&mut world, 0, "{a=\"1\"}");
    delete(&mut world, 3, "{a=\"2\"}");
    world.run_for(secs(10));
    assert_eq!(known(&world), [1, 1, 1, 1, 1]);
    world.network.heal();
    world.run_for(secs(15));
    assert_eq!(known(&world), [2, 2, 2, 2, 2]);
    all_equal(&world);
}

#[test]
fn a_cancellation_reaches_those_who_were_away_when_it_was_made() {
    let mut world = mesh(3);
    let deletion = delete(&mut world, 0, "{a=\"1\"}");
    world.run_for(secs(1));
    world.crash(2);
    world.run_for(secs(5));
    world.tell(1, Input::Delete(Deletion { is_cancelled: true, ..deletion }));
    world.run_for(secs(1));
    assert_eq!(known(&world), [0, 0]);
    // It comes back with the deletion on its disk and must not bring it back to life.
    world.start(2);
    world.run_for(secs(15));
    assert_eq!(known(&world), [0, 0, 0]);
    all_equal(&world);
}

#[test]
fn a_deletion_survives_a_crash_right_after_it_was_made_and_the_loss_of_all_other_disks() {
    let mut world = mesh(3);
    delete(&mut world, 0, "{a=\"1\"}");
    world.crash(0);
    (1..3).for_each(|index| {
        world.crash(index);
        world.wipe(index);
    });
    (0..3).for_each(|index| world.start(index));
    world.run_for(secs(15));
    assert_eq!(known(&world), [1, 1, 1]);
}

#[test]
fn a_wiped_node_learns_again_what_is_deleted() {
    let mut world = mesh(3);
    delete(&mut world, 1, "{a=\"1\"}");
    world.run_for(secs(1));
    world.crash(1);
    world.wipe(1);
    world.start(1);
    world.run_for(secs(15));
    assert_eq!(known(&world), [1, 1, 1]);
    all_equal(&world);
}

#[test]
fn a_deletion_is_forgotten_everywhere_once_nothing_is_left_that_it_covers() {
    let config = logmesh_protocol::config::Config {
        retention: Duration::from_secs(60),
        clock_skew_max: Duration::from_secs(10),
        ..World::quick()
    };
    let mut world = World::new(11, 3, &config);
    // A little apart, so that one forgets first and is told by the others what it has forgotten.
    let nanos = world.nanos;
    world.host(1).clock.set_skew(nanos, 3_000_000_000);
    world.run_for(secs(3));
    delete(&mut world, 0, "{a=\"1\"}");
    // The window that it covers ends an hour after its beginning, of which ten minutes had passed.
    world.run_for(secs(50 * 60 + 60));
    assert_eq!(known(&world), [1, 1, 1]);
    world.run_for(secs(60));
    assert_eq!(known(&world), [0, 0, 0]);
}

fn mesh(count: u16) -> World {
    let mut world = World::new(5, count, &World::quick());
    world.run_for(secs(3));
    world
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Deletes all until now at a host.
fn delete(world: &mut World, index: u16, query: &str) -> Deletion {
    let nanos = world.nanos;
    let now = world.host(index).now(nanos).timestamp;
    let deletion = Deletion {
        tenant: "default".into(),
        query: query.into(),
        start: now.saturating_sub(secs(600)),
        end: now,
        created: now,
        node: node(index),
        is_cancelled: false,
    };
    world.tell(index, Input::Delete(deletion.clone()));
    deletion
}

fn replica(world: &World, index: u16) -> &logmesh_protocol::replica::Replica {
    world.hosts[&node(index)].replica.as_ref().expect("the host is up")
}

/// Returns how many deletions hold at each host that is up.
fn known(world: &World) -> Vec<usize> {
    let up = world.hosts.values().filter_map(|host| host.replica.as_ref());
    up.map(|replica| replica.deletions().of("default").count()).collect()
}

fn all_equal(world: &World) {
    let digests =
        world.hosts.values().filter_map(|host| host.replica.as_ref()).map(|replica| replica.deletions().digest());
    let digests: Vec<_> = digests.collect();
    assert!(digests.iter().all(|digest| *digest == digests[0]), "{digests:?}");
}
