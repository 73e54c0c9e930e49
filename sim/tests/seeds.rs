//! Random worlds: whatever fate does, the promises hold; and each world is the same every time, everywhere.

use logmesh_sim::{swarm, trial};

#[test]
fn two_hundred_worlds_keep_all_promises() {
    let (mut claims, mut reads) = ((0, 0), (0, 0));
    for seed in 0..200 {
        let outcome = trial::run(&swarm::draw(seed), false);
        assert_eq!(outcome.broken, Vec::<String>::new(), "repeat: logmesh-sim fuzz --seeds 1 --from {seed} --story");
        claims = (claims.0 + outcome.claims.0, claims.1 + outcome.claims.1);
        reads = (reads.0 + outcome.reads.stable, reads.1 + outcome.reads.stale);
    }
    // Neither claim is made of thin air: both occur, so both were judged.
    assert!(claims.0 > 500 && claims.1 > 100, "{claims:?}");
    assert!(reads.0 > 10_000 && reads.1 > 100, "{reads:?}");
}
