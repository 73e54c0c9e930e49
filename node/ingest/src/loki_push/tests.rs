//! The two forms of Loki's push against the same cases.

use logmesh_protocol::time::Timestamp;
use proptest::collection::vec;
use proptest::prelude::{Strategy, any, prop_assert_eq, proptest};
use prost::Message;
use serde_json::{Value, json};

use super::*;
use crate::sample::logproto::{Entry, Pair, PushRequest, Stream, Time};
use crate::sample::{NOW, Row, broken, plain_limits, rows};
use crate::{Accepted, BodyError, Limits};

fn snappy(request: &PushRequest) -> Vec<u8> {
    snap::raw::Encoder::new().compress_vec(&request.encode_to_vec()).unwrap()
}

/// Streams as both forms can say them: labels, then entries.
type Streams = Vec<(Vec<(String, String)>, Vec<(i64, Vec<(String, String)>, String)>)>;

fn as_protobuf(streams: &Streams) -> Vec<u8> {
    let pair = |(name, value): &(String, String)| Pair { name: name.clone(), value: value.clone() };
    let entry = |(nanos, metadata, line): &(i64, Vec<(String, String)>, String)| Entry {
        timestamp: Some(Time {
            seconds: nanos.div_euclid(1_000_000_000),
            nanos: nanos.rem_euclid(1_000_000_000) as i32,
        }),
        line: line.clone(),
        structured_metadata: metadata.iter().map(pair).collect(),
    };
    let stream = |(labels, entries): &(Vec<(String, String)>, Vec<_>)| {
        let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
        let (labels, entries) = (format!("{{{}}}", labels.join(",")), entries.iter().map(entry).collect());
        Stream { labels, entries, hash: 7 }
    };
    snappy(&PushRequest { streams: streams.iter().map(stream).collect() })
}

fn as_json(streams: &Streams) -> Vec<u8> {
    let object = |pairs: &[(String, String)]| {
        let inner: Vec<String> =
            pairs.iter().map(|(name, value)| format!("{}:{}", json!(name), json!(value))).collect();
        format!("{{{}}}", inner.join(" , "))
    };
    let entry = |(nanos, metadata, line): &(i64, Vec<(String, String)>, String)| {
        let metadata = if metadata.is_empty() { String::new() } else { format!(",\n{}", object(metadata)) };
        format!("[\"{nanos}\", {}{metadata}]", json!(line))
    };
    let stream = |(labels, entries): &(Vec<(String, String)>, Vec<_>)| {
        let entries: Vec<String> = entries.iter().map(entry).collect();
        let (labels, values) =
            (format!("\"stream\":{}", object(labels)), format!("\"values\":[{}]", entries.join(",")));
        // Both orders are sent.
        let (a, b) = if entries.len().is_multiple_of(2) { (labels, values) } else { (values, labels) };
        format!("{{{a},{b},\"other\":[{{}}]}}")
    };
    let streams: Vec<String> = streams.iter().map(stream).collect();
    format!("{{\"streams\":[{}]}}", streams.join(",")).into_bytes()
}

fn wanted(streams: &Streams) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for (labels, entries) in streams {
        let labels = logmesh_protocol::record::Labels::new(labels.clone()).to_string();
        for (nanos, metadata, line) in entries {
            rows.push((labels.clone(), *nanos, metadata.clone(), line.clone()));
        }
    }
    rows.sort_by_key(|row| row.1 / 3_600_000_000_000);
    rows
}

fn streams() -> impl Strategy<Value = Streams> {
    let nanos = (-7 * 86_400 * 1_000_000_000i64..=600 * 1_000_000_000).prop_map(|since| NOW.as_nanos() + since);
    let entry = (nanos, vec(("[a-z_][a-z0-9_]{0,3}", ".{0,4}"), 0..3), ".{0,12}");
    let labels = proptest::collection::btree_map("[a-z_][a-z0-9_]{0,3}", "[ -~é]{1,6}", 1..4)
        .prop_map(|labels| labels.into_iter().collect());
    vec((labels, vec(entry, 0..6)), 1..4)
}

proptest! {
    #[test]
    fn what_goes_in_comes_out(streams in streams(), chunk_bytes_max in 1usize..400) {
        let limits = Limits { chunk_bytes_max, ..plain_limits() };
        for accepted in [
            decode_json(&as_json(&streams), &limits, NOW).unwrap(),
            decode_protobuf(&as_protobuf(&streams), &limits, NOW).unwrap(),
        ] {
            prop_assert_eq!(rows(&accepted), wanted(&streams));
            prop_assert_eq!(&accepted.rejected, &crate::Rejected::default());
            let sizes = accepted.groups.iter().flat_map(|group| group.chunks.iter().map(|chunk| chunk.len()));
            let whole = sizes.filter(|size| *size > chunk_bytes_max.max(200)).count();
            prop_assert_eq!(whole, 0, "a chunk of several records is larger than the limit");
        }
    }

    #[test]
    fn broken_bodies_never_panic(streams in streams(), change: (usize, u8), cut: usize) {
        let limits = plain_limits();
        let json = broken(&as_json(&streams), change, cut);
        let raw = snap::raw::Decoder::new().decompress_vec(&as_protobuf(&streams)).unwrap();
        let whole = broken(&as_protobuf(&streams), change, cut);
        let inner = snap::raw::Encoder::new().compress_vec(&broken(&raw, change, cut)).unwrap();
        let read = [
            decode_json(&json, &limits, NOW),
            decode_protobuf(&whole, &limits, NOW),
            decode_protobuf(&inner, &limits, NOW),
        ];
        for accepted in read.iter().flatten() {
            rows(accepted);
        }
    }

    #[test]
    fn noise_never_panics(bytes in vec(any::<u8>(), 0..64)) {
        let limits = plain_limits();
        let snapped = snap::raw::Encoder::new().compress_vec(&bytes).unwrap();
        for accepted in [
            decode_json(&bytes, &limits, NOW),
            decode_protobuf(&bytes, &limits, NOW),
            decode_protobuf(&snapped, &limits, NOW),
        ].iter().flatten() {
            rows(accepted);
        }
    }
}

fn decode(body: &Value) -> Result<Accepted, BodyError> {
    decode_json(body.to_string().as_bytes(), &plain_limits(), NOW)
}

#[test]
fn a_push_that_cannot_be_read_is_refused_whole_with_the_code_that_clients_know() {
    let entry = |entry: Value| json!({"streams": [{"stream": {"a": "b"}, "values": [entry]}]});
    let now = NOW.to_string();
    for (body, status) in [
        (json!({"streams": []}), 422),
        (json!({"streams": null}), 422),
        (json!({}), 422),
        (json!([]), 400),
        (json!({"streams": {}}), 400),
        (json!({"streams": [7]}), 400),
        (json!({"streams": [{"stream": {"a": 1}}]}), 400),
        (entry(json!([NOW.as_nanos(), "line"])), 400),
        (entry(json!([])), 400),
        (entry(json!([now])), 400),
        (entry(json!([now, 7])), 400),
        (entry(json!([now, null])), 400),
        (entry(json!([now, "line", {"m": 1}])), 400),
        (entry(json!([now, "line", "m"])), 400),
        (entry(json!([now, "line", {}, {}])), 400),
    ] {
        assert_eq!(decode(&body).map_err(|error| error.status()), Err(status), "{body}");
    }
    for text in ["", "{", "{\"streams\":[]} x", "nonsense", "{\"streams\":[],}"] {
        assert_eq!(decode_json(text.as_bytes(), &plain_limits(), NOW).unwrap_err().status(), 400, "{text}");
    }
    let empty = snappy(&PushRequest::default());
    assert_eq!(decode_protobuf(&empty, &plain_limits(), NOW), Err(BodyError::NoStreams));
    assert_eq!(decode_protobuf(b"", &plain_limits(), NOW).unwrap_err().status(), 400);
}

#[test]
fn a_number_for_a_timestamp_is_answered_with_what_to_send() {
    let body = json!({"streams": [{"stream": {"a": "b"}, "values": [[1, "line"]]}]});
    let message = decode(&body).unwrap_err().to_string();
    assert!(message.contains("expected a string of nanoseconds"), "{message}");
}

#[test]
fn a_body_that_claims_or_becomes_too_much_is_refused() {
    let limits = Limits { body_bytes_max: 1000, ..plain_limits() };
    assert_eq!(decode_json(&[b' '; 1001], &limits, NOW), Err(BodyError::too_large(&limits)));
    let large = snap::raw::Encoder::new().compress_vec(&[0; 1001]).unwrap();
    assert_eq!(decode_protobuf(&large, &limits, NOW), Err(BodyError::too_large(&limits)));
    // Ten bytes that claim 64 MiB are not believed.
    let claim = [0x80, 0x80, 0x80, 0x20, 0, 0, 0, 0, 0, 0];
    assert_eq!(decode_protobuf(&claim, &plain_limits(), NOW).unwrap_err().status(), 400);
    let small = Limits { chunks_bytes_max: 100, ..plain_limits() };
    let entries: Vec<Value> = (0..10).map(|_| json!([NOW.to_string(), "a line of some length"])).collect();
    let body = json!({"streams": [{"stream": {"a": "b"}, "values": entries}]}).to_string();
    assert_eq!(decode_json(body.as_bytes(), &small, NOW).unwrap_err().status(), 413);
}

#[test]
fn labels_repeated_in_every_window_count_too() {
    let limits = Limits { chunks_bytes_max: 100_000, ..plain_limits() };
    let push = |windows: i64| {
        let values: Vec<Value> =
            (0..windows).map(|hours| json!([(NOW.as_nanos() - hours * 3_600_000_000_000).to_string(), "x"])).collect();
        let body = json!({"streams": [{"stream": {"a": "b".repeat(2000)}, "values": values}]}).to_string();
        decode_json(body.as_bytes(), &limits, NOW).map(|accepted| rows(&accepted).len()).map_err(|error| error.status())
    };
    assert_eq!([push(40), push(60)], [Ok(40), Err(413)]);
}

#[test]
fn bad_records_are_named_and_their_neighbours_kept() {
    let limits = Limits { line_bytes_max: 8, ..plain_limits() };
    let at = |seconds: i64| (NOW.as_nanos() + seconds * 1_000_000_000).to_string();
    let values = json!([
        [at(0), "good"], [at(0), "much too long"], [at(-8 * 86_400), "old"], [at(601), "new"], ["1.5", "odd"],
        [at(-7 * 86_400), "oldest"], [at(600), "newest"], [at(1), "nameless", {"": "x"}], ["99999999999999999999", "big"],
    ]);
    let body = json!({"streams": [
        {"stream": {"a-b": "c"}, "values": [[at(0), "x"], [at(0), "y"]]},
        {"stream": {"a": "b"}, "values": values},
        {"stream": {}, "values": [[at(0), "z"]]},
        {"values": [[at(0), "z"]]},
        {"stream": {"a-b": "c"}, "values": [[at(0), "again"]]},
    ]});
    let accepted = decode_json(body.to_string().as_bytes(), &limits, NOW).unwrap();
    let kept: Vec<String> = rows(&accepted).into_iter().map(|row| row.3).collect();
    assert_eq!(kept, ["oldest", "good", "newest"]);
    assert_eq!(accepted.rejected.count, 11);
    let wanted = [
        ("stream {\"a-b\":\"c\"}: \"a-b\" is not a label name", 0),
        ("stream {a=\"b\"}: a line has 13 bytes, more than line_bytes_max (8)", 1),
        ("too old", 2),
        ("too far in the future", 3),
        ("\"1.5\" is not an integer", 4),
        ("no name", 5),
        ("\"99999999999999999999\" is not an integer", 6),
        ("no label with a value", 7),
    ];
    for (sentence, at) in wanted {
        assert!(accepted.rejected.first[at].contains(sentence), "{at}: {:?}", accepted.rejected.first);
    }
    assert_eq!(accepted.rejected.first.len(), wanted.len());
}

#[test]
fn sentences_are_bounded_and_the_count_is_not() {
    let old: Vec<Value> = (0..1000).map(|_| json!(["1", "x"])).collect();
    let body = json!({"streams": [{"stream": {"a": "b".repeat(2000)}, "values": old}]});
    let rejected = decode(&body).unwrap().rejected;
    assert_eq!((rejected.count, rejected.first.len()), (1000, crate::Rejected::SENTENCES_MAX));
    assert!(rejected.to_string().len() < 5000);
}

#[test]
fn streams_and_windows_are_bounded_by_name() {
    let limits = Limits { streams_max: 3, windows_max: 2, ..plain_limits() };
    let streams: Vec<Value> = (0..5)
        .map(|stream| {
            let at = |hours: i64| (NOW.as_nanos() - hours * 3_600_000_000_000).to_string();
            json!({"stream": {"s": stream.to_string()}, "values": [[at(0), "a"], [at(1), "b"], [at(2), "c"]]})
        })
        .collect();
    let body = json!({ "streams": streams }).to_string();
    let accepted = decode_json(body.as_bytes(), &limits, NOW).unwrap();
    assert_eq!((rows(&accepted).len(), accepted.rejected.count), (6, 9));
    let sentences = accepted.rejected.first;
    assert!(sentences[0].contains("windows_max (2)") && sentences[3].contains("streams_max (3)"), "{sentences:?}");
}

#[test]
fn protobuf_labels_may_come_last_and_be_spelled_in_many_ways() {
    let entry =
        Entry { timestamp: Some(Time { seconds: NOW.as_nanos() / 1_000_000_000, nanos: 5 }), ..Entry::default() };
    let stream = |labels: &str| Stream { labels: labels.to_owned(), entries: vec![entry.clone()], hash: 0 };
    let request = PushRequest { streams: vec![stream("{a=\"1\",b=\"2\"}"), stream("{ b=`2`, a=\"1\", }")] };
    let mut reversed = Vec::new();
    for stream in &request.streams {
        let fields = Stream { labels: String::new(), ..stream.clone() }.encode_to_vec();
        let labels = Stream { labels: stream.labels.clone(), ..Stream::default() }.encode_to_vec();
        let message = [fields, labels].concat();
        reversed.extend([&[0x0a, u8::try_from(message.len()).unwrap()], &message[..]].concat());
    }
    let body = snap::raw::Encoder::new().compress_vec(&reversed).unwrap();
    for body in [snappy(&request), body] {
        let rows = rows(&decode_protobuf(&body, &plain_limits(), NOW).unwrap());
        let labels: Vec<&str> = rows.iter().map(|row| row.0.as_str()).collect();
        assert_eq!(labels, [r#"{a="1", b="2"}"#; 2]);
        assert!(rows.iter().all(|row| row.1 == NOW.as_nanos() + 5));
    }
}

#[test]
fn protobuf_that_is_odd_is_kept_or_rejected_by_name() {
    let at = |seconds, nanos| Some(Time { seconds, nanos });
    let entry = |timestamp| Entry { timestamp, line: "x".into(), ..Entry::default() };
    let entries = vec![entry(None), entry(at(i64::MAX, 0)), entry(at(i64::MIN, -1)), entry(at(1_700_000_000, -1))];
    let streams = vec![
        Stream { labels: "{a=\"b\"}".into(), entries, hash: 0 },
        Stream { labels: "{a=~\"b\"}".into(), entries: vec![entry(at(1_700_000_000, 0))], hash: 0 },
    ];
    let accepted = decode_protobuf(&snappy(&PushRequest { streams }), &plain_limits(), NOW).unwrap();
    assert_eq!(rows(&accepted).iter().map(|row| row.1).collect::<Vec<_>>(), [NOW.as_nanos() - 1]);
    assert_eq!(accepted.rejected.count, 4);
    assert!(accepted.rejected.first[3].contains("stream {a=~\"b\"}: its labels are not a selector"));
}

#[test]
fn a_line_that_is_not_utf8_is_kept_with_replacements() {
    let request = PushRequest {
        streams: vec![Stream {
            labels: "{a=\"b\"}".into(),
            entries: vec![Entry {
                timestamp: Some(Time { seconds: 1_700_000_000, nanos: 0 }),
                line: "caf@".into(),
                structured_metadata: Vec::new(),
            }],
            hash: 0,
        }],
    };
    let raw: Vec<u8> = request.encode_to_vec().into_iter().map(|byte| if byte == b'@' { 0xe9 } else { byte }).collect();
    let body = snap::raw::Encoder::new().compress_vec(&raw).unwrap();
    assert_eq!(rows(&decode_protobuf(&body, &plain_limits(), NOW).unwrap())[0].3, "caf\u{fffd}");
}

#[test]
fn times_before_1970_have_no_window() {
    let limits = Limits { past_max: std::time::Duration::MAX, ..plain_limits() };
    let body = json!({"streams": [{"stream": {"a": "b"}, "values": [["-1", "before"], ["0", "at once"]]}]}).to_string();
    let accepted = decode_json(body.as_bytes(), &limits, Timestamp::from_nanos(0)).unwrap();
    assert_eq!((accepted.record_count, accepted.rejected.count), (1, 1));
}

#[test]
fn each_record_is_given_its_level_unless_it_has_one() {
    let body = json!({"streams": [
        {"stream": {"a": "b"}, "values": [
            ["1700000000000000000", "level=warn x"],
            ["1700000000000000000", "an error", {"severity": "DEBUG"}],
            ["1700000000000000000", "an error", {"severity": "odd"}],
            ["1700000000000000000", "an error", {"detected_level": "mine"}],
            ["1700000000000000000", "plain"],
        ]},
        {"stream": {"level": "Critical"}, "values": [["1700000000000000000", "an error"]]},
        {"stream": {"detected_level": "own"}, "values": [["1700000000000000000", "an error"]]},
    ]})
    .to_string();
    let levels = |limits: &Limits| {
        let levels = crate::sample::levels(&decode_json(body.as_bytes(), limits, NOW).unwrap());
        levels.into_iter().map(|level| level.unwrap_or_default()).collect::<Vec<_>>()
    };
    let expected = ["warn", "debug", "error", "mine", "unknown", "critical", ""];
    assert_eq!(levels(&plain_limits()), expected);
    let without = Limits { detect_levels: false, ..plain_limits() };
    assert_eq!(levels(&without), ["", "", "", "mine", "", "", ""]);
}

#[test]
fn the_old_shape_of_a_push_is_understood() {
    let time = "2023-11-14T22:13:20.000000007Z";
    let body = json!({"streams": [
        {"labels": "{a=\"b\"}", "entries": [{"ts": time, "line": "x"}, {"line": "y", "ts": "2023-11-14T23:13:20+01:00"}]},
        {"entries": [{"ts": time, "line": "early", "other": []}], "labels": "{c=\"d\"}"},
        {"labels": "{e=\"f\"}", "entries": [{"ts": "soon", "line": "z"}, {"line": "timeless"}, {"ts": time}]},
        {"labels": "nonsense", "entries": [{"ts": time, "line": "z"}]},
        {"labels": "{g=\"h\"}", "entries": null},
    ]});
    let accepted = decode(&body).unwrap();
    let read: Vec<(String, i64, String)> =
        rows(&accepted).into_iter().map(|row| (row.0, row.1 - NOW.as_nanos(), row.3)).collect();
    let wanted = [("{a=\"b\"}", 7, "x"), ("{a=\"b\"}", 0, "y"), ("{c=\"d\"}", 7, "early"), ("{e=\"f\"}", 7, "")];
    assert_eq!(read, wanted.map(|(labels, since, line)| (labels.to_owned(), since, line.to_owned())));
    assert_eq!(accepted.rejected.count, 3);
    assert!(accepted.rejected.first[0].contains("ts \"soon\" is not a time in RFC 3339"), "{:?}", accepted.rejected);
    assert!(accepted.rejected.first[2].contains("not a selector"), "{:?}", accepted.rejected);
    for bad in [json!([7]), json!([{"ts": 7}]), json!([{"ts": time, "line": 7}]), json!({})] {
        let body = json!({"streams": [{"labels": "{a=\"b\"}", "entries": bad}]});
        assert_eq!(decode(&body).map_err(|error| error.status()), Err(400), "{body}");
    }
}

#[test]
fn streams_are_named_after_their_service_by_both_forms() {
    let streams = vec![(vec![("job".to_owned(), "j".to_owned())], vec![(NOW.as_nanos(), vec![], "x".to_owned())])];
    let limits = Limits::default();
    for accepted in
        [decode_json(&as_json(&streams), &limits, NOW), decode_protobuf(&as_protobuf(&streams), &limits, NOW)]
    {
        assert_eq!(rows(&accepted.unwrap())[0].0, r#"{job="j", service_name="j"}"#);
    }
}
