//! Tests of the miner.

use proptest::collection::vec;
use proptest::prelude::{prop_assert, prop_assert_eq, proptest};
use proptest::sample::select;

use super::*;

const HOUR: TimeRange = TimeRange { start: Timestamp::from_nanos(0), end: Timestamp::from_nanos(3_600_000_000_000) };

fn mine(lines: &[&str]) -> PatternPart {
    let mut miner = Miner::new(HOUR, Duration::from_secs(60));
    for (at, line) in lines.iter().enumerate() {
        miner.add(line, Timestamp::from_nanos(at as i64 * 30_000_000_000));
    }
    miner.finish()
}

fn patterns(lines: &[&str]) -> Vec<(String, u64)> {
    let total = |pattern: Pattern| (pattern.pattern, pattern.samples.iter().map(|(_, count)| count).sum());
    merge_patterns(vec![mine(lines)]).into_iter().map(total).collect()
}

/// Lines, and the patterns that are to come of them, with their counts.
type Case = (&'static [&'static str], &'static [(&'static str, u64)]);

#[test]
fn what_varies_is_left_out() {
    let cases: &[Case] = &[
        (&["user 17 logged in", "user 4 logged in"], &[("user <_> logged in", 2)]),
        (&["user bob logged in", "user eve logged in"], &[("user <_> logged in", 2)]),
        (&["started", "stopped"], &[("started", 1), ("stopped", 1)]),
        (&["open file a failed", "close door b worked"], &[("close door b worked", 1), ("open file a failed", 1)]),
        (
            &["ts=2023-11-14T22:13:20.123Z level=info took=15ms", "ts=2023-11-15T00:00:00Z level=info took=1.5s"],
            &[("ts=<_> level=info took=<_>", 2)],
        ),
        (
            &["10.0.0.1:8080 - - [14/Nov/2023:22:13:20 +0000] \"GET /x HTTP/1.1\" 200"],
            &[("<_> - - [<_> <_>] \"GET /x HTTP/1.1\" <_>", 1)],
        ),
        (
            &[
                "{\"id\":\"550e8400-e29b-41d4-a716-446655440000\",\"msg\":\"ok\"}",
                "{\"id\":\"deadbeef1\",\"msg\":\"ok\"}",
            ],
            &[("{\"id\":\"<_>\",\"msg\":\"ok\"}", 2)],
        ),
        (&["", "  ", "\t"], &[]),
        (&["ünï 5", "ünï 6"], &[("ünï <_>", 2)]),
    ];
    for (lines, expected) in cases {
        let expected: Vec<(String, u64)> = expected.iter().map(|(text, count)| ((*text).to_owned(), *count)).collect();
        assert_eq!(patterns(lines), expected, "{lines:?}");
    }
}

#[test]
fn lines_are_counted_step_by_step() {
    let found = merge_patterns(vec![mine(&["a 1", "a 2", "a 3", "b 1", "a 4"])]);
    assert_eq!(found[0], Pattern { pattern: "a <_>".into(), samples: vec![(0, 2), (60, 1), (120, 1)] });
    // A step that would give too many samples is made longer; one of a part of a second is a second.
    let day = TimeRange { start: HOUR.start, end: Timestamp::from_nanos(86_400_000_000_000) };
    assert_eq!(sample_step(day, Duration::from_secs(1)), 87_000_000_000);
    assert_eq!(sample_step(HOUR, Duration::ZERO), 4_000_000_000);
    assert!(sample_step(TimeRange { start: Timestamp::MIN, end: Timestamp::MAX }, Duration::MAX) > 0);
}

#[test]
fn nodes_that_saw_different_lines_agree_on_a_pattern() {
    let parts = vec![mine(&["login of bob ok"]), mine(&["login of eve ok", "login of joe ok"]), mine(&["other 5"])];
    let found = merge_patterns(parts.clone());
    assert_eq!(found.iter().map(|found| found.pattern.as_str()).collect::<Vec<_>>(), ["login of <_> ok", "other <_>"]);
    assert_eq!(found[0].samples, [(0, 3)]);
    let reversed: Vec<PatternPart> = parts.into_iter().rev().collect();
    assert_eq!(merge_patterns(reversed), found);
}

#[test]
fn clusters_stay_within_their_bound_and_frequent_ones_stay() {
    let mut miner = Miner::new(HOUR, Duration::from_secs(60));
    for at in 0..20 * CLUSTERS_MAX {
        miner.add("a frequent line", Timestamp::from_nanos(0));
        let word: String = at.to_string().bytes().map(|digit| char::from(digit - b'0' + b'a')).collect();
        miner.add(&format!("{word} {word}x {word}y {word}z"), Timestamp::from_nanos(0));
        assert!(miner.clusters.len() <= CLUSTERS_MAX);
        assert!(miner.places.len() <= CLUSTERS_MAX);
    }
    let found = merge_patterns(vec![miner.finish()]);
    assert_eq!((found[0].pattern.as_str(), found[0].samples[0].1), ("a frequent line", 20 * CLUSTERS_MAX as u64));
}

#[test]
fn long_lines_end_in_something_variable() {
    let line = "word ".repeat(5_000);
    let found = patterns(&[&line]);
    assert!(found[0].0.ends_with("word<_>") && found[0].0.len() < 2 * pieces::BYTES_MAX, "{}", found[0].0.len());
}

proptest! {
    #[test]
    fn no_line_does_harm_and_none_is_lost(lines in vec("\\PC{0,30}", 0..40)) {
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let seen = lines.iter().filter(|line| !line.trim().is_empty()).count() as u64;
        prop_assert_eq!(patterns(&lines).iter().map(|(_, count)| count).sum::<u64>(), seen);
    }

    #[test]
    fn how_lines_are_divided_changes_neither_the_count_nor_the_order_of_merging(
        lines in vec(select(vec!["user bob in", "user eve in", "x 1", "x 2", "get /a ok", "get /b no", "y"]), 1..30),
        cut in 0usize..30,
    ) {
        let (left, right) = lines.split_at(cut.min(lines.len()));
        let parts = vec![mine(left), mine(right)];
        let merged = merge_patterns(parts.clone());
        prop_assert_eq!(merge_patterns(parts.into_iter().rev().collect()), merged.clone());
        let count: u64 = merged.iter().flat_map(|pattern| &pattern.samples).map(|(_, count)| count).sum();
        prop_assert_eq!(count, lines.len() as u64);
        prop_assert!(merged.len() <= lines.len());
    }
}

#[test]
fn what_was_found_is_bounded_whatever_the_lines_are_and_travels_in_parts() {
    let mut miner = Miner::new(HOUR, Duration::from_secs(1));
    let (long_word, long_gap) = ("x".repeat(250_000), " ".repeat(250_000));
    for number in 0..2 * CLUSTERS_MAX as i64 {
        let words: Vec<String> = (0..200).map(|word| format!("w{}a", "bcdefghij".repeat(word % 40))).collect();
        let place = char::from_u32(0x4e00 + number as u32).unwrap();
        for line in
            [format!("{place} {long_word}"), format!("{place}{long_gap}z"), format!("{place}{}", words.join(" "))]
        {
            miner.add(&line, Timestamp::from_nanos(number * 1_000_000_000));
        }
    }
    let found = miner.finish();
    let bytes = logmesh_protocol::codec::encode(1, &found).len();
    assert!(bytes < 8 << 20, "{bytes} bytes");
    let (count, whole) = (found.len(), merge_patterns(vec![found.clone()]));
    let parts = found.split(bytes / 10);
    assert!((8..40).contains(&parts.len()), "{}", parts.len());
    assert_eq!(parts.iter().map(PatternPart::len).sum::<usize>(), count);
    assert!(parts.iter().all(|part| logmesh_protocol::codec::encode(1, part).len() <= bytes / 5));
    assert_eq!(merge_patterns(parts), whole);
    assert_eq!(PatternPart::default().split(1), [PatternPart::default()]);
}
