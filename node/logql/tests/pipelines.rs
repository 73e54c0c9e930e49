//! What holds of any pipeline over any lines: it ends well, how the rows were divided does not show, and what is counted
//! is what is shown.

use std::sync::Arc;
use std::time::Duration;

use logmesh_logql::{Direction, Encoding, Merge, QueryParams, QueryResult, parse, plan};
use logmesh_protocol::record::{Labels, put_metadata};
use logmesh_protocol::rows::{Rows, StreamRows};
use logmesh_protocol::time::Timestamp;
use proptest::collection::vec;
use proptest::prelude::{Strategy, prop_assert_eq, proptest};
use proptest::{prop_oneof, sample};

/// A line, and which metadata it has.
type Row = (String, u8);

/// Stages in any order. A list of labels ends in a matcher, for `!=` may follow.
const STAGES: &[&str] = &[
    "| json",
    "| json a, b=\"b.b\"",
    "| json a=\"[0]\", s",
    "| logfmt",
    "| logfmt --strict",
    "| logfmt --keep-empty",
    "| logfmt --strict a, z, m=\"b\"",
    "| pattern `<a> <b>`",
    "| pattern `a=<s> <_>`",
    "| regexp `(?P<a>[a-c]+)(?P<n>\\d)?`",
    "| unpack",
    "| decolorize",
    "| line_format `{{.a}}={{.b}}`",
    "| line_format `{{__line__}} x`",
    "| line_format `{{.a.b}}`",
    "| label_format s=`{{.a}}`",
    "| label_format a=m, q=s",
    "| label_format m=`{{.n}}{{.s}}`",
    "| label_format s=a, a=b",
    "| drop a, zz=\"1\"",
    "| drop s, m=\"1\"",
    "| drop __error__, zz=\"1\"",
    "| drop __error_details__, zz=\"1\"",
    "| keep m, a=~\".*\"",
    "| keep s, b=~\"1|a\"",
    "| a=\"1\"",
    "| a!=\"\"",
    "| s=\"0\" or m=\"1\" and b=\"\"",
    "| b>1 or a=\"b\"",
    "| a<5s",
    "| b>1KB",
    "| b=ip(\"10.0.0.0/8\")",
    "| __error__=\"\"",
    "| __error__!=\"\"",
    "|= \"a\"",
    "!= \"b\" or \"c\"",
    "|~ `[0-9]`",
    "!~ `^$`",
    "|> `<_>=<_>`",
    "!> `a<_>`",
    "|= ip(\"10.0.0.0/24\") or \"c\"",
];

/// Lines like those that parsers look for, whole and broken.
fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-c]{1,2}=(\"[a-c ]{0,3}\"?|[a-c0-9]{0,3}) [a-c]=[0-9]{1,3}",
        "\\{\"[a-c]\":(\"[a-c]{0,2}\"|[0-9]{1,2}|\\{\"b\":1\\}|\\[1\\])(,\"_entry\":\"a=1 b=2\")?\\}?",
        "(10\\.0\\.0\\.[0-9]|::1) [a-c ]{0,6}",
        "\u{1b}\\[[0-9;]{0,3}m?[a-c=]{0,4}",
        "\\PC{0,12}",
    ]
}

fn rows(start: usize, lines: &[Row]) -> Rows {
    let (mut rows, mut bytes) = (Rows::default(), Vec::new());
    for metadata in 0..3u8 {
        let mut pairs = Vec::new();
        if metadata > 0 {
            put_metadata(&mut pairs, "m", &metadata.to_string());
            put_metadata(&mut pairs, "a", "meta");
        }
        rows.metadata.push(pairs.into());
    }
    for stream in 0..2usize {
        let first = rows.timestamps.len();
        for (at, (line, metadata)) in lines.iter().enumerate().filter(|(at, _)| (start + at) % 2 == stream) {
            rows.timestamps.push(Timestamp::from_nanos((start + at) as i64));
            rows.metadata_at.push(u32::from(*metadata));
            bytes.extend_from_slice(line.as_bytes());
            rows.line_ends.push(bytes.len() as u32);
        }
        let labels = Labels::new([("s".to_owned(), stream.to_string()), ("k".to_owned(), "v".to_owned())]);
        rows.streams.push(StreamRows { labels: Arc::new(labels), rows: first..rows.timestamps.len() });
    }
    rows.lines = bytes.into();
    rows
}

/// Runs a query with each part of the rows on a node of its own.
fn run(query: &str, direction: Direction, parts: &[(usize, &[Row])]) -> QueryResult {
    let end = Timestamp::from_nanos(99);
    let mut params = QueryParams::range(Timestamp::from_nanos(0), end, Duration::from_nanos(1));
    if query.starts_with("sum") {
        params = QueryParams::instant(end);
    }
    params.direction = direction;
    let plan = plan(&parse(query).expect(query), &params).expect(query);
    let mut merge = Merge::new(&plan);
    for (start, lines) in parts {
        let mut runner = plan.part().expect("it needs records").runner().expect(query);
        let _ = runner.add_rows(&rows(*start, lines)).expect(query);
        for partial in runner.finish().expect(query).split(100) {
            merge.add(partial).expect(query);
        }
    }
    merge.finish().expect(query)
}

proptest! {
    #[test]
    fn any_pipeline_gives_one_answer_and_counts_what_it_shows(
        stages in vec(sample::select(STAGES.to_vec()), 0..6),
        lines in vec((line(), 0u8..3), 0..10),
        cut in 0usize..10,
        forward: bool,
    ) {
        let direction = if forward { Direction::Forward } else { Direction::Backward };
        let stages = stages.join(" ");
        let query = format!("{{k=\"v\"}} {stages}");
        let whole = run(&query, direction, &[(0, &lines)]);
        let (before, behind) = lines.split_at(cut.min(lines.len()));
        let divided = run(&query, direction, &[(before.len(), behind), (0, before)]);
        for categorize_labels in [false, true] {
            let encoding = Encoding { categorize_labels };
            prop_assert_eq!(whole.to_json(encoding), divided.to_json(encoding), "{}", query);
        }
        let QueryResult::Streams(streams) = whole else { panic!("{query}: no streams") };
        let shown = streams.iter().map(|stream| stream.entries.len()).sum::<usize>();
        let bytes = streams.iter().flat_map(|stream| &stream.entries).map(|entry| entry.line.len()).sum::<usize>();
        // Lines with an error fail a metric query, so the error is dropped at the end.
        for (function, wanted) in [("count_over_time", shown), ("bytes_over_time", bytes)] {
            let query = format!("sum({function}({{k=\"v\"}} {stages} | drop __error__ [200ns]))");
            let QueryResult::Vector(samples) = run(&query, direction, &[(0, before), (before.len(), behind)]) else {
                panic!("{query}: no vector")
            };
            let counted = samples.first().map(|sample| sample.value);
            prop_assert_eq!(counted, (shown > 0).then_some(wanted as f64), "{}", query);
        }
    }
}
