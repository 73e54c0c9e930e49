//! Requests that are wrong in every way there is: each gets the status and the sentence that fit, and the node neither
//! fails nor panics.

#![expect(clippy::unwrap_used, reason = "a test whose request is miswritten shall stop")]

#[allow(dead_code, unused_imports, reason = "each test uses its part of the harness")]
mod harness;

use harness::{Client, Mesh, one_at_a_time};

const RANGE: &str = "/loki/api/v1/query_range";
const INSTANT: &str = "/loki/api/v1/query";
const LABELS: &str = "/loki/api/v1/labels";
const VALUES: &str = "/loki/api/v1/label/app/values";
const SERIES: &str = "/loki/api/v1/series";
const STATS: &str = "/loki/api/v1/index/stats";
const VOLUME: &str = "/loki/api/v1/index/volume";
const VOLUME_RANGE: &str = "/loki/api/v1/index/volume_range";
const FIELDS: &str = "/loki/api/v1/detected_fields";
const FIELD: &str = "/loki/api/v1/detected_field/status/values";
const DETECTED_LABELS: &str = "/loki/api/v1/detected_labels";
const PATTERNS: &str = "/loki/api/v1/patterns";
const FORMAT: &str = "/loki/api/v1/format_query";

/// A good selector.
const GOOD: &str = "query={app=\"x\"}";
/// A good metric query.
const COUNT: &str = "query=count_over_time({app=\"x\"}[1m])";

/// Paths, parameters as `name=value` with `&` between, the status, and a piece of the sentence.
const TABLE: &[(&[&str], &str, u16, &str)] = &[
    // The query.
    (
        &[RANGE, INSTANT, STATS, VOLUME, VOLUME_RANGE, FIELDS, FIELD, PATTERNS, FORMAT],
        "",
        400,
        "parameter query is missing",
    ),
    (
        &[RANGE, INSTANT, STATS, VOLUME, VOLUME_RANGE, FIELDS, FIELD, PATTERNS, FORMAT],
        "query=",
        400,
        "parameter query is missing",
    ),
    (&[RANGE, INSTANT, STATS, VOLUME, VOLUME_RANGE, FORMAT, LABELS, VALUES], "query={", 400, "parse error at line 1"),
    (
        &[RANGE, INSTANT, STATS, VOLUME, VOLUME_RANGE, FORMAT, LABELS, VALUES],
        "query={app=~\"(\"}",
        400,
        "unclosed group",
    ),
    (&[RANGE, INSTANT, STATS, VOLUME, VOLUME_RANGE, FORMAT, LABELS, VALUES], "query=\u{0}", 400, "parse error"),
    (&[RANGE, INSTANT], "query={}", 400, "at least one regexp or equality matcher"),
    (&[STATS, VOLUME, VOLUME_RANGE, LABELS, VALUES], "query={app=\"x\"} |= \"y\"", 400, "parse error at line 1"),
    (&[STATS, VOLUME, VOLUME_RANGE, LABELS, VALUES], COUNT, 400, "parse error at line 1"),
    (&[INSTANT], GOOD, 400, "query_range"),
    (&[SERIES], "", 400, "parameter match[] is missing"),
    (&[SERIES], "match[]=", 400, "parameter match[] is missing"),
    (&[SERIES], "match[]={app=\"x\"}&match[]={", 400, "parse error at line 1"),
    (&[FIELDS, FIELD], COUNT, 400, "fields are those of lines"),
    (&[PATTERNS], COUNT, 400, "patterns are those of lines"),
    // Times.
    (ALL_RANGES, "start=yesterday", 400, "parameter start: \"yesterday\" is not"),
    (ALL_RANGES, "end=2024-13-01T00:00:00Z", 400, "parameter end: \"2024-13-01T00:00:00Z\" is not"),
    (ALL_RANGES, "start=99999999999999999999", 400, "parameter start"),
    (ALL_RANGES, "start=1e300", 400, "parameter start"),
    (ALL_RANGES, "start=NaN", 400, "parameter start"),
    (ALL_RANGES, "end=1.2.3", 400, "parameter end"),
    (ALL_RANGES, "start=2&end=1", 400, "lies before start"),
    (ALL_RANGES, "start=0&end=2000000000", 400, "query.range_max"),
    (ALL_RANGES, "start=-9223372036854775808&end=9223372036854775807", 400, "query.range_max"),
    (ALL_RANGES, "since=5parsecs", 400, "parameter since: \"5parsecs\" is not a duration"),
    (ALL_RANGES, "since=-1h", 400, "parameter since"),
    (ALL_RANGES, "since=100000000h", 400, "parameter since"),
    (ALL_RANGES, "since=10000h", 400, "query.range_max"),
    (&[INSTANT], "query=vector(1)&time=tomorrow", 400, "parameter time: \"tomorrow\" is not"),
    (&[INSTANT], "query=1&time=NaN", 400, "parameter time"),
    // Steps.
    (&[RANGE, VOLUME_RANGE], "query={app=\"x\"}&step=0", 400, "parameter step: it must not be zero"),
    (&[RANGE, VOLUME_RANGE], "query={app=\"x\"}&step=-5", 400, "parameter step: \"-5\" is not a duration"),
    (&[RANGE, VOLUME_RANGE], "query={app=\"x\"}&step=inf", 400, "parameter step"),
    (&[RANGE, VOLUME_RANGE], "query={app=\"x\"}&step=5x", 400, "parameter step"),
    (&[RANGE], "query=count_over_time({app=\"x\"}[1m])&start=1&end=100001&step=1", 400, "more than 11000"),
    (&[VOLUME_RANGE], "query={app=\"x\"}&start=1&end=100001&step=1", 400, "more than 11000"),
    (&[RANGE], "query={app=\"x\"}&interval=-1s", 400, "parameter interval"),
    (&[RANGE], "query={app=\"x\"}&interval=often", 400, "parameter interval"),
    // Counts and choices.
    (&[RANGE, VOLUME, VOLUME_RANGE], "query={app=\"x\"}&limit=0", 400, "parameter limit: it must be at least 1"),
    (
        &[RANGE, VOLUME, VOLUME_RANGE],
        "query={app=\"x\"}&limit=-1",
        400,
        "parameter limit: \"-1\" is not a whole number",
    ),
    (&[RANGE, VOLUME, VOLUME_RANGE], "query={app=\"x\"}&limit=many", 400, "parameter limit"),
    (&[RANGE, VOLUME, VOLUME_RANGE], "query={app=\"x\"}&limit=1.5", 400, "parameter limit"),
    (&[RANGE, VOLUME, VOLUME_RANGE], "query={app=\"x\"}&limit=99999999999", 400, "parameter limit"),
    (&[FIELDS, FIELD], "query={app=\"x\"}&line_limit=0", 400, "parameter line_limit"),
    (&[FIELDS, FIELD], "query={app=\"x\"}&line_limit=5001", 400, "query.entries_max"),
    (&[FIELDS, FIELD], "query={app=\"x\"}&limit=0", 400, "parameter limit"),
    (&[RANGE], "query={app=\"x\"}&limit=5001", 400, "query.entries_max"),
    (&[RANGE], "query={app=\"x\"}&direction=sideways", 400, "parameter direction: \"sideways\" is neither"),
    (&[VOLUME, VOLUME_RANGE], "query={app=\"x\"}&aggregateBy=size", 400, "parameter aggregateBy: \"size\" is neither"),
    (&["/config"], "mode=all", 400, "parameter mode"),
    (ALL_RANGES, "strict=maybe", 400, "parameter strict: \"maybe\" is not true or false"),
    // Paths.
    (&["/loki/api/v1/nothing", "/", "/loki"], "", 404, "there is nothing at /"),
];

/// What takes a range.
const ALL_RANGES: &[&str] =
    &[RANGE, LABELS, VALUES, SERIES, STATS, VOLUME, VOLUME_RANGE, FIELDS, FIELD, DETECTED_LABELS, PATTERNS];

/// Adds what the route needs besides, and encodes.
fn encode(path: &str, params: &str) -> String {
    let mut pairs: Vec<(&str, &str)> = params.split('&').filter_map(|pair| pair.split_once('=')).collect();
    let has = |pairs: &[(&str, &str)], name: &str| pairs.iter().any(|(other, _)| *other == name);
    if ALL_RANGES.contains(&path) && !params.is_empty() {
        if path == SERIES && !has(&pairs, "match[]") {
            pairs.push(("match[]", "{app=\"x\"}"));
        } else if path != SERIES && !has(&pairs, "query") {
            pairs.push(("query", "{app=\"x\"}"));
        }
    }
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

#[test]
fn a_wrong_request_is_told_what_is_wrong() {
    let _turn = one_at_a_time();
    let mesh = Mesh::start(1, &[]);
    let client = mesh.client(0);
    let mut failures = String::new();
    let mut check = |what: String, reply: harness::Reply, status: u16, piece: &str| {
        let text = reply.text();
        if reply.status != status || !text.contains(piece) {
            failures += &format!("\n{what}: wanted {status} {piece:?}, found {} {text:?}", reply.status);
        }
    };
    for (paths, params, status, piece) in TABLE {
        for path in *paths {
            let encoded = encode(path, params);
            let got = client.get(&format!("{path}?{encoded}")).unwrap();
            check(format!("GET {path}?{params}"), got, *status, piece);
            if *status != 404 && *path != "/config" {
                let kind = [("content-type", "application/x-www-form-urlencoded")];
                let posted = client.post(path, &kind, encoded.as_bytes()).unwrap();
                check(format!("POST {path} {params}"), posted, *status, piece);
            }
        }
    }
    check_headers(&client, &mut check);
    check_methods_and_bodies(&client, &mut check);
    assert!(failures.is_empty(), "{failures}");
    assert_eq!(client.get("/ready").unwrap().status, 200);
}

fn check_headers(client: &Client, check: &mut dyn FnMut(String, harness::Reply, u16, &str)) {
    let long = "x".repeat(151);
    let many = (0..65).map(|number| number.to_string()).collect::<Vec<_>>().join("|");
    for tenant in ["a b", "a/b", "..", "a||b", "a|", &long, &many] {
        for path in ALL_RANGES {
            let headers = [("x-scope-orgid", tenant), ("content-type", "application/x-www-form-urlencoded")];
            let reply = client.post(path, &headers, encode(path, "since=1h").as_bytes()).unwrap();
            check(format!("{path} as {tenant:?}"), reply, 400, "X-Scope-OrgID");
        }
    }
}

fn check_methods_and_bodies(client: &Client, check: &mut dyn FnMut(String, harness::Reply, u16, &str)) {
    let form = [("content-type", "application/x-www-form-urlencoded")];
    // Hardly larger than allowed: who is refused in the midst of much more may find the connection closed before it reads why.
    let large = format!("query={}", "x".repeat(1 << 20));
    check("a large form".to_owned(), client.post(RANGE, &form, large.as_bytes()).unwrap(), 413, "the form is larger");
    let noise: Vec<u8> = (0..=255).collect();
    check("noise".to_owned(), client.post(RANGE, &form, &noise).unwrap(), 400, "parameter query is missing");
    let json = [("content-type", "application/json")];
    check("JSON".to_owned(), client.post(RANGE, &json, b"{\"query\":1}").unwrap(), 400, "parameter query is missing");
    check("half an escape".to_owned(), client.get(&format!("{RANGE}?query=%7")).unwrap(), 400, "parse error");
    check("not UTF-8".to_owned(), client.get(&format!("{RANGE}?query=%ff%fe")).unwrap(), 400, "parse error");
    check("push by GET".to_owned(), client.get("/loki/api/v1/push").unwrap(), 405, "");
    check("status by POST".to_owned(), client.post("/logmesh/v1/status", &[], b"").unwrap(), 405, "");
}

#[test]
fn whatever_a_parameter_holds_the_node_answers() {
    let _turn = one_at_a_time();
    let mesh = Mesh::start(1, &[]);
    let client = mesh.client(0);
    let (long, nested) = ("9".repeat(10_000), "(".repeat(10_000));
    let values: Vec<&str> = VALUES_OF_ALL_KINDS.iter().copied().chain([long.as_str(), nested.as_str()]).collect();
    for path in ALL_RANGES.iter().chain(&[INSTANT, FORMAT]) {
        for name in NAMES {
            for value in &values {
                let form = form_urlencoded::Serializer::new(encode(path, "x=y")).append_pair(name, value).finish();
                let kind = [("content-type", "application/x-www-form-urlencoded")];
                let reply = client.post(path, &kind, form.as_bytes()).unwrap();
                let shown: String = value.chars().take(30).collect();
                assert!([200, 400].contains(&reply.status), "{path} {name}={shown}: {}", reply.text());
            }
        }
    }
}

/// The names of all parameters of all routes.
const NAMES: &[&str] = &[
    "query",
    "match[]",
    "start",
    "end",
    "since",
    "step",
    "interval",
    "limit",
    "direction",
    "time",
    "targetLabels",
    "aggregateBy",
    "strict",
    "line_limit",
    "delay_for",
];

const VALUES_OF_ALL_KINDS: &[&str] = &[
    "",
    "0",
    "-0",
    "1",
    "-1",
    "1e3",
    "1e308",
    "-1e308",
    "inf",
    "nan",
    "0x10",
    "\u{661}",
    "\u{1f980}",
    "\u{0}",
    "null",
    "[]",
    "{}",
    "true",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551616",
    "1970-01-01T00:00:00Z",
    "9999-12-31T23:59:59Z",
    "1h",
    "1y",
    "300y",
    "0s",
    "1ns",
    "%",
    "&",
    ";",
    "'",
    "\"",
    "\\",
    "`",
];
