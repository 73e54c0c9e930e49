//! Flipped bits: found, never shown, taken out, mended.

use logmesh_protocol::segment::ExtentId;
use logmesh_protocol::seq_set::SeqSet;

use super::world::{ALWAYS, BatchRows, World, segment};
use crate::damage::{Target, flip};
use crate::{Commit, SealError, Settings};

/// A store with batches 0..4 sealed, 4..6 in the tail: batch n has stream n alone, so that a block is a batch or a part of it.
fn world() -> (World, Vec<BatchRows>, ExtentId) {
    let world = World::with(Settings {
        disk_reserve_bytes: 0,
        extent_file_bytes_min: 0,
        block_bytes: 500,
        ..Settings::default()
    });
    let batches: Vec<BatchRows> = (0..6).map(|nth| BatchRows::plain(nth as u8, nth * 50, 13)).collect();
    world.append(&segment(0), 0, &batches);
    world.store.seal(&segment(0), 0..4).unwrap();
    (world, batches, ExtentId { segment: segment(0), from: 0, to: 4 })
}

fn set(seqs: &[u32]) -> SeqSet {
    seqs.iter().copied().collect()
}

/// Damages `target` and sees `lost` found, left out, taken out and mended.
fn check(target: impl Fn(ExtentId) -> Target, at: usize, lost: &[u32], hidden: &[u32]) {
    let (world, batches, id) = world();
    let whole = world.rows("default", &[segment(0)], ALWAYS).0;
    flip(&world.store, target(id), at).unwrap();
    let lost = set(lost);
    assert_eq!(world.store.verify(&segment(0)), Ok(lost.clone()));
    let (rows, outcome) = world.rows("default", &[segment(0)], ALWAYS);
    assert!(rows.iter().all(|row| whole.contains(row)), "a wrong row was shown");
    let expected = if hidden.is_empty() { Vec::new() } else { vec![(segment(0), set(hidden))] };
    assert_eq!(outcome.damaged, expected);
    for (seq, batch) in (0..).zip(&batches) {
        if !hidden.contains(&seq) {
            assert!(batch.texts().iter().all(|row| rows.contains(row)), "a row of batch {seq} is missing");
        }
    }
    let frames = world.store.frames(&segment(0), &SeqSet::from_range(0..6), usize::MAX).unwrap();
    assert_eq!((frames.damaged, frames.frames.len()), (lost.clone(), 6 - lost.len() as usize));
    assert_eq!(world.store.quarantine(&segment(0), &SeqSet::from_range(0..6)), Ok(lost.clone()));
    let held: SeqSet = world.store.ledger(&segment(0)).unwrap().iter().map(|(seq, _)| *seq).collect();
    assert_eq!(held, SeqSet::from_range(0..6).difference(&lost));
    assert_eq!(world.store.verify(&segment(0)), Ok(SeqSet::new()));
    let (world, _) = world.reopen();
    let frames = lost.iter().map(|seq| batches[seq as usize].frame(&segment(0), seq)).collect();
    assert_eq!(world.commit(Commit::Frames(frames)).unwrap().stored.len() as u64, lost.len());
    assert_eq!(world.rows("default", &[segment(0)], ALWAYS), (whole, outcome_of(&world)));
    world.store.seal(&segment(0), 0..6).unwrap();
    assert_eq!(world.store.verify(&segment(0)), Ok(SeqSet::new()));
}

/// Returns what a scan of everything comes to, and that nothing is damaged in it.
fn outcome_of(world: &World) -> crate::ScanOutcome {
    let outcome = world.rows("default", &[segment(0)], ALWAYS).1;
    assert!(outcome.damaged.is_empty());
    outcome
}

#[test]
fn a_flipped_bit_in_the_tail() {
    for at in [0, 3, 40, 100] {
        check(|_| Target::Tail(segment(0), 4), at, &[4], &[4]);
    }
}

#[test]
fn a_flipped_bit_in_a_block_loses_only_the_batches_in_it() {
    let (world, _, id) = world();
    let blocks = world.store.db().view().extent(&id).unwrap().header.blocks.len();
    assert!(blocks >= 4, "the test wants a block for each batch");
    for at in [0, 20, 150] {
        check(|id| Target::Block(id, 0), at, &[0], &[0]);
    }
}

#[test]
fn a_flipped_bit_in_a_header_loses_the_extent() {
    for at in [0, 5, 60, 200] {
        check(Target::Header, at, &[0, 1, 2, 3], &[0, 1, 2, 3]);
    }
}

#[test]
fn a_flipped_bit_in_a_weave_hides_no_row_but_no_batch_comes_back() {
    check(Target::Weave, 9, &[0, 1, 2, 3], &[]);
}

#[test]
fn a_sound_batch_is_never_taken_out() {
    let (world, ..) = world();
    assert_eq!(world.store.quarantine(&segment(0), &SeqSet::from_range(0..9)), Ok(SeqSet::new()));
    assert_eq!(world.frames(&segment(0), 0..6).len(), 6);
}

#[test]
fn a_damaged_batch_is_replaced_by_another_of_its_seq() {
    for (target, seq) in [(Target::Tail(segment(0), 4), 4), (Target::Block(world().2, 1), 1)] {
        let (world, batches, _) = world();
        let other = BatchRows::plain(9, 500, 3).frame(&segment(0), seq);
        flip(&world.store, target, 30).unwrap();
        let damaged = world.store.verify(&segment(0)).unwrap();
        assert!(damaged.contains(seq));
        let committed = world.commit(Commit::Frames(vec![other.clone()])).unwrap();
        assert_eq!((committed.stored.len(), committed.refused.len()), (1, 0));
        assert_eq!(world.frames(&segment(0), seq..seq + 1), [other]);
        let left = world.store.ledger(&segment(0)).unwrap().len() as u64;
        assert_eq!(left, batches.len() as u64 - damaged.len() + 1);
    }
}

#[test]
fn damage_is_not_sealed() {
    let (world, ..) = world();
    flip(&world.store, Target::Tail(segment(0), 5), 30).unwrap();
    assert_eq!(world.store.seal(&segment(0), 4..6), Err(SealError::Damaged(set(&[5]))));
}

#[test]
fn the_quarantine_is_bounded() {
    let settings = Settings { quarantine_bytes_max: 600, disk_reserve_bytes: 0, ..Settings::default() };
    let world = World::with(settings);
    for seq in 0..12 {
        world.append(&segment(0), seq, &[BatchRows::plain(0, 0, 9)]);
        flip(&world.store, Target::Tail(segment(0), seq), 30).unwrap();
        assert_eq!(world.store.quarantine(&segment(0), &set(&[seq])), Ok(set(&[seq])));
    }
    let view = world.store.db().view();
    let kept: Vec<usize> =
        view.range(crate::keys::Family::Quarantine, &[], &[0xff; 9]).map(|item| item.unwrap().1.len()).collect();
    assert!(!kept.is_empty() && kept.iter().sum::<usize>() <= 600 + kept.iter().max().unwrap(), "{kept:?}");
    assert_eq!(world.store.stats().quarantined, 12);
}
