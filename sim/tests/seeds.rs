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

#[test]
fn worlds_in_which_a_promise_once_broke_keep_all() {
    for (seed, what_was_wrong) in MENDED {
        assert_eq!(trial::run(&swarm::draw(*seed), false).broken, Vec::<String>::new(), "{seed}: {what_was_wrong}");
    }
}

/// Seeds that found something, and what that was.
const MENDED: &[(u64, &str)] = &[
    (9, "a head sank when a batch below it was set aside as damaged, and nobody knew any more what lay beyond"),
    (241, "an answer went by heads heard before a member was given up, and with it copies"),
    (265, "a batch set aside between survey and scan was in no answer, and the answer said that it was complete"),
    (424_351, "an answer went by heads although holders that had stopped in order were not there either"),
    (777_000_243, "a node that had left, let go of its own and joined again vouched for what it had written before"),
    (777_000_700, "the same, after a stop in order"),
];
