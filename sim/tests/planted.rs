//! Bugs on purpose: whoever lets one of them pass does not look. (`logmesh-sim planted` tells how many seeds each takes.)

use logmesh_protocol::planted::Bug;
use logmesh_sim::catch::catch;

#[test]
fn every_planted_bug_is_caught() {
    let escaped: Vec<Bug> = Bug::ALL.into_iter().filter(|bug| catch(*bug, 0..SEEDS_MAX).is_none()).collect();
    assert_eq!(escaped, []);
}

/// Within so many seeds each is caught.
const SEEDS_MAX: u64 = 1_000;
