//! Bugs on purpose: whoever lets one of them pass does not look. (`logmesh-sim planted` tells how many seeds each takes from the first on;
//! to be quick, these are looked for from near where they are caught.)

use std::fs;
use std::path::Path;

use logmesh_protocol::planted::Bug;
use logmesh_sim::catch::catch;

/// From which seed on each is looked for.
const FROM: [(Bug, u64); 20] = [
    (Bug::AcknowledgedBeforeDurable, 0),
    (Bug::HeldBeforeDurable, 0),
    (Bug::NeverSentAgain, 1),
    (Bug::OffByOne, 0),
    (Bug::WrongSource, 1),
    (Bug::AssignedTwice, 1),
    (Bug::HeadsUntold, 0),
    (Bug::HoleInPart, 6),
    (Bug::RootCachedTooLong, 46),
    (Bug::StandInKeeps, 1),
    (Bug::DroppedTooEarly, 40),
    (Bug::ViewIgnored, 1),
    (Bug::CleanForEver, 1_051),
    (Bug::QuarantineForgotten, 39),
    (Bug::ExpiredEarly, 13),
    (Bug::DigestOfTheFirst, 7),
    (Bug::MovedByLiveness, 1),
    (Bug::RefusesAlone, 1),
    (Bug::NeverScrubbed, 92),
    (Bug::CancellationUndone, 3),
];

#[test]
fn every_planted_bug_is_caught_in_a_world_in_which_the_right_machine_keeps_its_promises() {
    assert_eq!(FROM.map(|(bug, _)| bug), Bug::ALL);
    let caught = FROM.map(|(bug, from)| (bug, catch(bug, from..from + SEEDS_MAX)));
    for (bug, caught) in &caught {
        println!("{bug:?}: {caught:?}");
    }
    let escaped: Vec<Bug> = caught.iter().filter(|(_, caught)| caught.is_none()).map(|(bug, _)| *bug).collect();
    assert_eq!(escaped, [], "where does `logmesh-sim planted` catch them now?");
}

#[test]
fn no_node_can_be_built_with_planted_bugs() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace is above");
    for room in ["", "node", "node/store", "node/logql", "node/ingest", "node/gossip", "node/net"] {
        let manifest = fs::read_to_string(root.join(room).join("Cargo.toml")).expect("each room has a manifest");
        assert!(!manifest.contains("planted"), "{room:?} asks for planted bugs");
    }
    let sim = fs::read_to_string(root.join("sim/Cargo.toml")).expect("the simulator has a manifest");
    assert!(
        !sim.contains("default ="),
        "the tests of the whole workspace are built with the simulator's default features"
    );
}

/// Within so many seeds each is caught.
const SEEDS_MAX: u64 = 100;
