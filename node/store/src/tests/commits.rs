//! Commits: what is stored, refused, recovered; busy and full.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;

use bytes::Bytes;
use logmesh_protocol::batch::BatchFrame;
use logmesh_protocol::id::BatchId;
use logmesh_protocol::seq_set::SeqSet;
use proptest::prelude::{ProptestConfig, prop_assert_eq, proptest};

use super::world::{ALWAYS, BatchRows, World, segment};
use crate::{Commit, CommitError, DiskState, FreeSpace, OpenError, RefusedBecause, Settings, Store, Unsound};

#[test]
fn what_was_committed_is_there_after_a_restart() {
    let world = World::new();
    let batches: Vec<BatchRows> = (0..6).map(|nth| BatchRows::plain(0, nth * 10, 10)).collect();
    world.append(&segment(0), 0, &batches);
    world.append(&segment(1), 4, &batches[..2]);
    world.store.seal(&segment(0), 1..4).unwrap();
    let ledger = world.store.ledger(&segment(0)).unwrap();
    let (world, recovered) = world.reopen();
    let first = &recovered.segments[0];
    assert_eq!((first.segment, &first.held), (segment(0), &SeqSet::from_range(0..6)));
    assert_eq!(first.extents, vec![Range { start: 1, end: 4 }]);
    let unsealed: u64 = [0, 4, 5].iter().map(|at| batches[*at].canonical(&segment(0), *at as u32).len() as u64).sum();
    assert_eq!(first.tail_raw_bytes, unsealed);
    assert_eq!(recovered.segments[1].held, SeqSet::from_range(4..6));
    assert_eq!(recovered.segments.len(), 2);
    assert_eq!(world.store.ledger(&segment(0)).unwrap(), ledger);
    assert_eq!(world.frames(&segment(0), 0..6).len(), 6);
}

#[test]
fn a_batch_twice_is_stored_once_and_another_of_its_seq_is_refused() {
    let world = World::new();
    let (first, other) = (BatchRows::plain(0, 0, 3), BatchRows::plain(0, 100, 3));
    for sealed in [false, true] {
        let segment = segment(u32::from(sealed));
        world.append(&segment, 0, std::slice::from_ref(&first));
        if sealed {
            world.store.seal(&segment, 0..1).unwrap();
        }
        world.append(&segment, 0, std::slice::from_ref(&first));
        let committed = world.commit(Commit::Frames(vec![other.frame(&segment, 0), other.frame(&segment, 1)])).unwrap();
        assert_eq!(committed.stored.len(), 1);
        let id = first.frame(&segment, 0).id;
        assert_eq!(committed.refused[0].because, RefusedBecause::Conflict(id));
        assert_eq!(world.store.ledger(&segment).unwrap()[0].1.id, id);
    }
}

#[test]
fn of_two_batches_with_one_seq_in_one_commit_the_first_stays() {
    let world = World::new();
    let frames = [0, 100].map(|start| BatchRows::plain(0, start, 3).frame(&segment(0), 0));
    let committed = world.commit(Commit::Frames(frames.to_vec())).unwrap();
    assert_eq!((committed.stored[0].entry.id, committed.refused.len()), (frames[0].id, 1));
}

#[test]
fn frames_that_are_not_what_they_say_are_refused_and_good_ones_beside_them_kept() {
    let world = World::new();
    let good = BatchRows::plain(0, 0, 3).frame(&segment(0), 0);
    let elsewhere = BatchFrame { seq: 9, ..good.clone() };
    let wrong_id = BatchFrame { seq: 1, id: BatchId::of(b"x"), ..good.clone() };
    let bomb = BatchFrame { seq: 2, body: Bytes::from_static(&[0xff, 0xff, 0xff, 0x7f, 0]), ..good.clone() };
    let short = BatchFrame { seq: 3, body: Bytes::from_static(&[0, 0, 64, 0, 0]), ..good.clone() };
    let noise = BatchFrame { seq: 4, body: Bytes::from_static(b"no"), ..good.clone() };
    let committed = world.commit(Commit::Frames(vec![elsewhere, wrong_id, bomb, short, noise, good])).unwrap();
    let refused: Vec<_> = committed.refused.iter().map(|refused| (refused.seq, refused.because)).collect();
    let because = |seq, unsound| (seq, RefusedBecause::Unsound(unsound));
    let expected = [
        because(9, Unsound::WrongPlace),
        because(1, Unsound::WrongId),
        because(2, Unsound::TooLarge),
        because(3, Unsound::Malformed),
        because(4, Unsound::Malformed),
    ];
    assert_eq!(refused, expected);
    assert_eq!(committed.stored.len(), 1);
}

#[test]
fn beyond_the_bound_of_the_queue_a_commit_is_busy() {
    let world = World::with(Settings { commit_queue_bytes_max: 1000, disk_reserve_bytes: 0, ..Settings::default() });
    let append = |seq| Commit::Append(vec![BatchRows::plain(0, 0, 20).append(&segment(0), seq)]);
    // The writer is held in the answer to the first commit, so that the rest waits for certain.
    let (entered, held) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    world.store.commit(
        append(0),
        Box::new(move |_| {
            entered.send(()).unwrap();
            let _ = released.recv();
        }),
    );
    held.recv().unwrap();
    let (sender, answers) = mpsc::channel();
    for seq in 1..4 {
        let sender = sender.clone();
        world.store.commit(append(seq), Box::new(move |result| sender.send((seq, result.map(|_| ()))).unwrap()));
    }
    assert_eq!(answers.recv().unwrap(), (2, Err(CommitError::Busy)));
    assert_eq!(answers.recv().unwrap(), (3, Err(CommitError::Busy)));
    release.send(()).unwrap();
    assert_eq!(answers.recv().unwrap(), (1, Ok(())));
    assert!(world.commit(append(5)).is_ok());
}

#[test]
fn a_full_disk_refuses_commits_serves_reads_and_recovers() {
    let free = Arc::new(AtomicU64::new(2000));
    let reading = Arc::clone(&free);
    let source = FreeSpace::From(Arc::new(move || reading.load(Ordering::Relaxed)));
    let world = World::with(Settings { disk_reserve_bytes: 1000, free_space: source, ..Settings::default() });
    let batch = BatchRows::plain(0, 0, 3);
    world.append(&segment(0), 0, std::slice::from_ref(&batch));
    free.store(999, Ordering::Relaxed);
    assert_eq!(world.store.disk().state, DiskState::Full);
    let refused = world.commit(Commit::Append(vec![batch.append(&segment(0), 1)]));
    assert_eq!(refused, Err(CommitError::DiskFull));
    assert_eq!(world.rows("default", &[segment(0)], ALWAYS).0.len(), 3);
    assert_eq!(world.store.ledger(&segment(0)).unwrap().len(), 1);
    free.store(1000, Ordering::Relaxed);
    world.append(&segment(0), 1, &[batch]);
}

#[test]
fn a_store_is_open_once_and_nothing_else_is_taken_for_one() {
    let world = World::new();
    let path = world.directory.path().join("store");
    assert!(matches!(Store::open(&path, Settings::default()), Err(OpenError::Locked { .. })));
    let settings = world.settings.clone();
    let World { store, directory, .. } = world;
    drop(store);
    std::fs::write(path.join("FORMAT"), "logmesh store 3\n").unwrap();
    assert!(matches!(Store::open(&path, settings.clone()), Err(OpenError::Format { found: 3, known: 2, .. })));
    let other = directory.path().join("other");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("letter"), "dear").unwrap();
    assert!(matches!(Store::open(&other, settings), Err(OpenError::NotAStore { .. })));
}

#[test]
fn a_store_of_the_first_format_is_opened_and_says_the_second_from_then_on() {
    let world = World::new();
    let format = world.directory.path().join("store").join("FORMAT");
    std::fs::write(&format, "logmesh store 1\n").unwrap();
    let _world = world.reopen();
    assert_eq!(std::fs::read_to_string(format).unwrap(), "logmesh store 2\n");
}

#[test]
fn settings_are_kept_and_removed() {
    let world = World::new();
    assert_eq!(world.store.setting("members"), Ok(None));
    world.store.put_setting("members", b"table").unwrap();
    let (world, _) = world.reopen();
    assert_eq!(world.store.setting("members"), Ok(Some(b"table".to_vec())));
    world.store.put_setting("members", b"").unwrap();
    assert_eq!(world.store.setting("members"), Ok(None));
}

#[test]
fn many_commits_at_once_share_fsyncs_and_are_all_answered() {
    let world = World::new();
    let (sender, answers) = mpsc::channel();
    std::thread::scope(|scope| {
        for part in 0..4 {
            let (sender, world) = (sender.clone(), &world);
            scope.spawn(move || {
                for seq in 0..50 {
                    let sender = sender.clone();
                    let commit = Commit::Append(vec![BatchRows::plain(0, 0, 3).append(&segment(part), seq)]);
                    world.store.commit(commit, Box::new(move |result| sender.send(result.unwrap().stored).unwrap()));
                }
            });
        }
    });
    let mut held = BTreeMap::<_, SeqSet>::new();
    for stored in answers.iter().take(200).flatten() {
        held.entry(stored.segment).or_default().insert(stored.seq);
    }
    assert!((0..4).all(|part| held[&segment(part)] == SeqSet::from_range(0..50)));
    assert!(world.store.stats().commit_groups <= 200);
    assert_eq!(world.store.stats().batches, 200);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn frames_of_noise_never_panic(body: Vec<u8>, length in 0u32..10_000) {
        let noise = [&length.to_le_bytes()[..], &body].concat();
        prop_assert_eq!(crate::batch::unpack(&noise, &BatchId::of(b"never")).is_ok(), false);
    }
}
