//! Random worlds: whatever fate does, the promises hold; and each world is the same every time.

use logmesh_sim::fuzz;

#[test]
fn two_hundred_worlds_keep_all_promises() {
    let mut claims = (0, 0);
    for seed in 0..200 {
        let outcome = fuzz::run(seed);
        assert_eq!(outcome.broken, Vec::<String>::new(), "repeat: logmesh-sim fuzz --seeds 1 --from {seed} --story");
        claims = (claims.0 + outcome.claims.0, claims.1 + outcome.claims.1);
    }
    // Neither claim is made of thin air: both occur, so both were judged.
    assert!(claims.0 > 500 && claims.1 > 100, "{claims:?}");
}

#[test]
fn a_seed_gives_the_same_world_every_time() {
    for seed in [7, 39, 164] {
        let (one, other) = (fuzz::run(seed), fuzz::run(seed));
        assert_eq!((one.trace, one.story), (other.trace, other.story), "seed {seed}");
    }
}
