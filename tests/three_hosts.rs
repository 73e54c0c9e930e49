//! Three hosts make one log store: what goes into one comes out of each, and a host that is lost costs nothing but a
//! warning.

#![expect(clippy::unwrap_used, reason = "all of this file is tests, not only the functions so marked")]

#[allow(dead_code, unused_imports, reason = "each test uses its part of the harness")]
mod harness;

use serde_json::Value;

use harness::{Client, LATE, Mesh, Protocol, Record, SOON, count, eventually, find_all, one_at_a_time, records};

#[test]
fn what_is_pushed_to_one_host_is_found_from_each() {
    let _turn = one_at_a_time();
    let mesh = Mesh::start(3, &[]);
    let mut pushed: Vec<(String, Vec<Record>)> = Vec::new();
    for (number, protocol) in Protocol::ALL.into_iter().enumerate() {
        let app = format!("app-{number}");
        let (plain, gzipped) = (records(200), records(100));
        protocol.push_well(&mesh.client(0), &app, &plain);
        let reply = protocol.push_gzip(&mesh.client(0), &app, &gzipped).unwrap();
        assert_eq!(reply.status, protocol.good_status(), "{protocol:?} with gzip: {}", reply.text());
        pushed.push((protocol.selector(&app), [plain, gzipped].concat()));
    }
    for at in 0..3 {
        for (selector, records) in &pushed {
            assert_found(&mesh.client(at), selector, records);
        }
        assert_labels(&mesh.client(at));
    }
    mesh.wait_converged(LATE);
}

#[test]
fn times_and_metadata_come_out_as_they_went_in() {
    let _turn = one_at_a_time();
    let mesh = Mesh::start(3, &[]);
    let at = records(1)[0].at;
    let body =
        format!(r#"{{"streams":[{{"stream":{{"app":"exact"}},"values":[["{at}","ünï \"q\"",{{"trace":"t1"}}]]}}]}}"#);
    let reply = mesh.client(0).post("/loki/api/v1/push", JSON, body.as_bytes()).unwrap();
    assert_eq!(reply.status, 204, "{}", reply.text());
    for node in 0..3 {
        let params = [("query", r#"{app="exact"} | trace="t1""#)];
        let reply = mesh.client(node).get_with("/loki/api/v1/query_range", &params).unwrap();
        let result = reply.json()["data"]["result"].clone();
        assert_eq!(
            result[0]["stream"],
            serde_json::json!({ "app": "exact", "detected_level": "unknown", "service_name": "exact", "trace": "t1" }),
            "{result}"
        );
        assert_eq!(result[0]["values"], serde_json::json!([[at.to_string(), "ünï \"q\""]]), "{result}");
    }
}

#[test]
fn good_records_beside_bad_ones_are_kept() {
    let _turn = one_at_a_time();
    let mesh = Mesh::start(1, &[]);
    let good = records(1).remove(0);
    let body = format!(
        r#"{{"streams":[{{"stream":{{"app":"mixed"}},"values":[["{}","{}"],["1000","from 1970"]]}}]}}"#,
        good.at, good.line
    );
    let reply = mesh.client(0).post("/loki/api/v1/push", JSON, body.as_bytes()).unwrap();
    assert_eq!(reply.status, 400);
    assert!(reply.text().contains("1 record was rejected"), "{}", reply.text());
    assert_found(&mesh.client(0), r#"{app="mixed"}"#, &[good]);
}

#[test]
fn a_killed_host_is_named_and_repaired_when_it_is_back() {
    let _turn = one_at_a_time();
    let mut mesh = Mesh::start(3, &[]);
    let before = records(500);
    Protocol::LokiProtobuf.push_well(&mesh.client(2), "kept", &before);
    mesh.wait_converged(LATE);

    let killed = mesh.nodes[2].short_id();
    mesh.nodes[2].kill9();
    let during = records(500);
    for (number, some) in during.chunks(20).enumerate() {
        Protocol::LokiProtobuf.push_well(&mesh.client(number % 2), "kept", some);
    }
    mesh.wait_member(0, "c", "away");
    mesh.wait_member(1, "c", "away");
    let all = [before, during].concat();
    for at in 0..2 {
        let found = find_all(&mesh.client(at), KEPT);
        found.assert_has(lines(&all));
        assert!(!found.complete, "an answer cannot vouch for a node that was killed");
        assert!(found.warnings.iter().any(|warning| warning.contains(&killed)), "{:?}", found.warnings);
        let strict =
            mesh.client(at).get_with("/loki/api/v1/query_range", &[("query", KEPT), ("strict", "true")]).unwrap();
        assert_eq!(strict.status, 503, "{}", strict.text());
        assert!(strict.header("retry-after").is_some());
    }

    mesh.nodes[2].restart();
    mesh.wait_met();
    let took = mesh.wait_converged(LATE);
    println!("repaired {took:?} after the node was back");
    for at in 0..3 {
        assert_found(&mesh.client(at), KEPT, &all);
    }
}

#[test]
fn a_push_waits_for_the_copies_it_asks_for() {
    let _turn = one_at_a_time();
    let mut mesh = Mesh::start(3, &[]);
    let push =
        |client: &Client, parameters: &str| Protocol::LokiJson.push(client, "kept", &records(1), parameters).unwrap();
    for (parameters, least) in [("copies=1", 1), ("", 2), ("copies=2", 2), ("copies=3", 3), ("copies=3&strict=true", 3)]
    {
        let reply = push(&mesh.client(0), parameters);
        assert_eq!(reply.status, 204, "{parameters}: {}", reply.text());
        assert!(reply.copies() >= least, "{parameters}: {} copies", reply.copies());
    }
    mesh.nodes[1].kill9();
    mesh.nodes[2].kill9();
    for (parameters, status) in
        [("", 204), ("copies=3", 204), ("copies=1&strict=true", 204), ("copies=2&strict=true", 503)]
    {
        let reply = push(&mesh.client(0), parameters);
        assert_eq!((reply.status, reply.copies()), (status, 1), "{parameters}: {}", reply.text());
    }
    let reply = push(&mesh.client(0), "copies=0");
    assert_eq!(reply.status, 400, "{}", reply.text());
    // What was refused for its copies is durable here all the same.
    assert_eq!(count(&mesh.client(0), KEPT), 9);
}

#[test]
fn a_clean_stop_leaves_answers_complete() {
    let _turn = one_at_a_time();
    let mut mesh = Mesh::start(3, &[]);
    let all = records(2_000);
    for some in all.chunks(100) {
        let reply = Protocol::LokiJson.push(&mesh.client(1), "kept", some, "copies=1").unwrap();
        assert_eq!(reply.status, 204, "{}", reply.text());
    }
    let status = mesh.nodes[1].terminate();
    assert!(status.success(), "SIGTERM ends a node with {status}");
    for at in [0, 2] {
        mesh.wait_member(at, "b", "away");
        assert_found(&mesh.client(at), KEPT, &all);
    }
    // A restart begins a new journal; the old one stays whole.
    mesh.nodes[1].restart();
    mesh.wait_met();
    assert_found(&mesh.client(1), KEPT, &all);
}

#[test]
fn a_node_that_leaves_hands_over_first() {
    let _turn = one_at_a_time();
    let mut mesh = Mesh::start(4, &[("LOGMESH_COPIES", "2")]);
    let all = records(2_000);
    for (number, some) in all.chunks(100).enumerate() {
        Protocol::LokiJson.push_well(&mesh.client(number % 4), "kept", some);
    }
    let reply = mesh.client(3).post("/logmesh/v1/leave", &[], b"").unwrap();
    assert_eq!(reply.status, 200, "{}", reply.text());
    eventually(LATE, "d has left", || {
        let status = mesh.client(3).try_json("/logmesh/v1/status")?;
        (status["state"] == "left").then_some(())
    });
    mesh.nodes[3].terminate();
    mesh.wait_converged(LATE);
    for at in 0..3 {
        eventually(SOON, "d has departed", || (state_of(&mesh.client(at), "d") != Some("live".into())).then_some(()));
        assert_found(&mesh.client(at), KEPT, &all);
    }
}

/// Fails unless exactly `records` are found, each once, in an answer that calls itself complete.
fn assert_found(client: &Client, selector: &str, records: &[Record]) {
    let found = find_all(client, selector);
    found.assert_has(lines(records));
    found.assert_nothing_else(lines(records));
    found.assert_complete();
    assert_eq!(count(client, selector), records.len() as u64, "{selector} counted from {}", client.url(""));
}

fn assert_labels(client: &Client) {
    let data = |path: &str, params: &[(&str, &str)]| {
        let reply = client.get_with(path, params).unwrap();
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        assert!(reply.is_complete(), "{path}: {}", reply.text());
        reply.json()["data"].clone()
    };
    let has = |list: &Value, item: &str| list.as_array().unwrap().iter().any(|other| other == item);
    let names = data("/loki/api/v1/labels", &[]);
    assert!(has(&names, "app") && has(&names, "service_name") && has(&names, "job"), "{names}");
    let apps = data("/loki/api/v1/label/app/values", &[]);
    assert_eq!(apps, serde_json::json!(["app-0", "app-1", "app-4"]));
    let apps = data("/loki/api/v1/label/app/values", &[("query", r#"{job="e2e"}"#)]);
    assert_eq!(apps, serde_json::json!(["app-0", "app-1"]));
    let series = data("/loki/api/v1/series", &[("match[]", r#"{app="app-1"}"#)]);
    assert_eq!(series, serde_json::json!([{ "app": "app-1", "job": "e2e", "service_name": "app-1" }]));
}

fn state_of(client: &Client, name: &str) -> Option<String> {
    let members = client.try_json("/logmesh/v1/members")?;
    let member = members.as_array()?.iter().find(|member| member["name"] == name)?.clone();
    member["state"].as_str().map(str::to_owned)
}

fn lines(records: &[Record]) -> impl Iterator<Item = &str> {
    records.iter().map(|record| record.line.as_str())
}

const KEPT: &str = r#"{app="kept"}"#;
const JSON: &[(&str, &str)] = &[("content-type", "application/json")];
