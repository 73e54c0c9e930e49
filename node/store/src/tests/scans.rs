//! Scans: which rows, in which order, and what is left unread.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

use logmesh_protocol::record::Labels;
use logmesh_protocol::segment::SegmentId;
use logmesh_protocol::seq_set::SeqSet;
use logmesh_protocol::time::{TimeRange, Timestamp};
use proptest::prelude::{ProptestConfig, prop_assert, prop_assert_eq, proptest};

use super::world::{ALWAYS, BatchRows, World, at, batches, labels, segment, texts};
use crate::ScanRequest;

fn seconds(start: i64, end: i64) -> TimeRange {
    TimeRange { start: Timestamp::from_nanos(at(start)), end: Timestamp::from_nanos(at(end)) }
}

/// Ten batches of streams 0 to 2, an hour in all; the first seven are sealed.
fn world() -> World {
    let world = World::new();
    let batches: Vec<BatchRows> = (0..10).map(|nth| BatchRows::plain((nth % 3) as u8, nth * 60, 60)).collect();
    world.append(&segment(0), 0, &batches);
    world.store.seal(&segment(0), 0..7).unwrap();
    world
}

#[test]
fn a_scan_of_some_batches_gives_exactly_these_and_names_what_is_not_held() {
    let world = world();
    let only = BTreeMap::from([(segment(0), SeqSet::from_iter([2, 5, 8, 12]))]);
    let segments = [segment(0)];
    let request = ScanRequest {
        tenant: "default",
        range: ALWAYS,
        segments: &segments,
        only: Some(&only),
        matches: &|_| true,
        newest_first: false,
        lines: true,
    };
    let (pieces, outcome) = world.scan(&request);
    let mut found: Vec<String> = pieces.iter().flat_map(texts).collect();
    let nth = |nth: i64| BatchRows::plain((nth % 3) as u8, nth * 60, 60).texts();
    let mut expected: Vec<String> = [2, 5, 8].into_iter().flat_map(nth).collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
    assert_eq!(outcome.damaged, [(segment(0), SeqSet::from_iter([12]))]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_scan_gives_the_rows_of_range_and_streams(
        batches in batches(), from in 0i64..3600, length in 0i64..3600, wanted in 0u8..32, newest_first: bool, cut in 0u32..9
    ) {
        let world = World::new();
        world.append(&segment(0), 0, &batches);
        let cut = cut.min(u32::try_from(batches.len()).unwrap());
        if cut > 0 {
            world.store.seal(&segment(0), 0..cut).unwrap();
        }
        let range = seconds(from, from + length);
        let names: BTreeSet<String> = (0..5).filter(|stream| wanted >> stream & 1 == 1).map(|stream| labels(stream).to_string()).collect();
        let matches = |labels: &Labels| names.contains(&labels.to_string());
        let request = ScanRequest { tenant: "default", range, segments: &[segment(0)], only: None, matches: &matches, newest_first, lines: true };
        let (pieces, outcome) = world.scan(&request);
        let mut expected = Vec::new();
        for batch in batches.iter().filter(|batch| batch.tenant == "default") {
            for (row, text) in batch.chunks.iter().flatten().zip(batch.texts()) {
                if wanted >> row.0 & 1 == 1 && range.contains(Timestamp::from_nanos(row.1)) {
                    expected.push(text);
                }
            }
        }
        let mut found: Vec<String> = pieces.iter().flat_map(texts).collect();
        found.sort();
        expected.sort();
        prop_assert_eq!(outcome.rows_scanned, found.len() as u64);
        prop_assert_eq!(found, expected);
        let shape = |pieces: &[crate::Scanned]| -> Vec<_> {
            pieces.iter().map(|piece| (piece.rows.timestamps.clone(), piece.rows.line_ends.clone())).collect()
        };
        let (bare, _) = world.scan(&ScanRequest { lines: false, ..request.clone() });
        prop_assert_eq!(shape(&bare), shape(&pieces));
        let metadata = |piece: &crate::Scanned, row| piece.rows.metadata_of(row).to_vec();
        for (bare, piece) in bare.iter().zip(&pieces) {
            prop_assert!((0..piece.rows.len()).all(|row| metadata(bare, row) == metadata(piece, row)));
        }
        for (nth, piece) in pieces.iter().enumerate() {
            prop_assert!(!piece.rows.is_empty());
            for stream in &piece.rows.streams {
                prop_assert!(piece.rows.timestamps[stream.rows.clone()].is_sorted());
            }
            let mut later = pieces[nth + 1..].iter().flat_map(|later| &later.rows.timestamps);
            let in_order = later.all(|time| if newest_first { *time <= piece.rest } else { *time >= piece.rest });
            prop_assert!(in_order);
        }
    }
}

#[test]
fn blocks_outside_range_or_streams_are_not_read() {
    let world = world();
    let scan = |range, stream: u8| {
        let matches = move |found: &Labels| *found == labels(stream);
        world
            .scan(&ScanRequest {
                tenant: "default",
                range,
                segments: &[segment(0)],
                only: None,
                matches: &matches,
                newest_first: false,
                lines: true,
            })
            .1
    };
    let all = scan(ALWAYS, 0);
    let some = scan(seconds(0, 5), 0);
    assert!(all.blocks_read > 4 && all.blocks_skipped > 4, "{all:?}");
    assert_eq!((some.blocks_read, some.rows_scanned), (1, 5));
    assert_eq!(scan(ALWAYS, 7).blocks_read, 0);
    assert_eq!(scan(seconds(4000, 5000), 0), crate::ScanOutcome::default());
}

#[test]
fn another_tenant_sees_nothing() {
    let (rows, outcome) = world().rows("other", &[segment(0)], ALWAYS);
    assert_eq!((rows.len(), outcome.blocks_read), (0, 0));
}

#[test]
fn a_sink_that_has_enough_ends_the_scan() {
    let world = world();
    let request = ScanRequest {
        tenant: "default",
        range: ALWAYS,
        segments: &[segment(0)],
        only: None,
        matches: &|_| true,
        newest_first: true,
        lines: true,
    };
    let mut pieces = 0;
    let outcome = world.store.scan(&request, &mut |_| {
        pieces += 1;
        ControlFlow::Break(())
    });
    assert_eq!((pieces, outcome.unwrap().blocks_read <= 1), (1, true));
}

#[test]
fn streams_come_once_from_headers_and_tail() {
    let world = world();
    world.append(&segment(1), 0, &[BatchRows::plain(7, 0, 1), BatchRows::plain(0, 0, 1)]);
    let both = [segment(0), segment(1)];
    let streams = |tenant, range, segments: &[SegmentId]| {
        let mut found = Vec::new();
        let damaged = world.store.streams(tenant, range, segments, &mut |labels| found.push(labels.to_string()));
        assert_eq!(damaged, Ok(Vec::new()));
        found.sort();
        found
    };
    let named = |streams: &[u8]| streams.iter().map(|stream| labels(*stream).to_string()).collect::<Vec<_>>();
    assert_eq!(streams("default", ALWAYS, &both), named(&[0, 1, 2, 7]));
    assert_eq!(streams("other", ALWAYS, &both), named(&[]));
    assert_eq!(streams("default", seconds(4000, 4001), &both), named(&[]));
}

#[test]
fn each_row_is_seen_once_while_seals_adoptions_and_quarantines_run() {
    let (world, copy) = (World::new(), World::new());
    let batches: Vec<BatchRows> = (0..40).map(|nth| BatchRows::plain((nth % 4) as u8, nth * 10, 10)).collect();
    copy.append(&segment(0), 0, &batches);
    let extent = copy.store.seal(&segment(0), 0..40).unwrap();
    let bytes = copy.store.extent_bytes(&extent.id).unwrap();
    world.append(&segment(0), 0, &batches);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for from in (0..40).step_by(4) {
                world.store.seal(&segment(0), from..from + 4).unwrap();
            }
            world.store.seal(&segment(0), 0..8).unwrap();
            world.store.adopt(&extent.id, &bytes).unwrap();
            world.store.quarantine(&segment(0), &SeqSet::from_range(0..40)).unwrap();
            done.store(true, Ordering::Release);
        });
        loop {
            let last = done.load(Ordering::Acquire);
            let (rows, outcome) = world.rows("default", &[segment(0)], ALWAYS);
            assert_eq!(
                (rows.len(), rows.iter().collect::<BTreeSet<_>>().len(), outcome.damaged),
                (400, 400, Vec::new())
            );
            if last {
                break;
            }
        }
    });
}
