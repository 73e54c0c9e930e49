//! Deletions: what was deleted at one node is shown by none, whatever crashes, and whenever it arrives.

#![expect(clippy::unwrap_used, reason = "all of this file is tests, not only the functions so marked")]

#[allow(dead_code, unused_imports, reason = "each test uses its part of the harness")]
mod harness;

use serde_json::Value;

use harness::{
    Client, LATE, Mesh, Protocol, Record, Reply, SOON, Tail, Told, count, eventually, find_all, now_nanos,
    one_at_a_time, records,
};

const QUERY: &str = "{app=\"secret\"}";

#[test]
fn what_is_deleted_at_one_node_is_shown_by_none() {
    let _turn = one_at_a_time();
    let mesh = Mesh::start(3, &[]);
    let all = numbered(30);
    for (at, few) in all.chunks(10).enumerate() {
        push(&mesh.client(at), few);
    }
    Protocol::LokiJson.push_well(&mesh.client(0), "kept", &records(3));
    let reply = delete(&mesh.client(0), "{app=\"secret\"} |= \"even\"", &[]);
    assert_eq!((reply.status, reply.copies()), (204, 3), "{}", reply.text());
    for at in 0..3 {
        let client = mesh.client(at);
        let found = find_all(&client, QUERY);
        found.assert_has(all.iter().map(|record| record.line.as_str()).filter(|line| line.contains("odd")));
        assert_eq!(found.lines.len(), 15, "node {at}");
        found.assert_complete();
        assert_eq!(count(&client, QUERY), 15, "node {at}");
        assert_eq!(count(&client, "{app=\"kept\"}"), 3);
        let other = client.get("/loki/api/v1/delete").unwrap().json();
        assert_eq!(
            (other[0]["status"].as_str(), other[0]["query"].as_str()),
            (Some("received"), Some("{app=\"secret\"} |= \"even\""))
        );
    }
    // All of the stream: it is listed no more, by no node.
    assert_eq!(delete(&mesh.client(1), QUERY, &[]).status, 204);
    for at in 0..3 {
        let client = mesh.client(at);
        assert!(find_all(&client, QUERY).lines.is_empty(), "node {at}");
        assert_eq!(values(&client), ["kept"], "node {at}");
        let series = client.get_with("/loki/api/v1/series", &[("match[]", "{app=~\".+\"}")]).unwrap().json();
        assert_eq!(series["data"].as_array().map(Vec::len), Some(1), "{series}");
    }
    // What happens later is not covered: the stream is back.
    let later = [Record { at: now_nanos(), line: "later".to_owned() }];
    push(&mesh.client(2), &later);
    for at in 0..3 {
        assert_eq!(find_all(&mesh.client(at), QUERY).lines.len(), 1, "node {at}");
        assert_eq!(values(&mesh.client(at)), ["kept", "secret"], "node {at}");
    }
}

#[test]
fn what_arrives_after_the_deletion_with_a_time_before_it_is_covered_too() {
    let _turn = one_at_a_time();
    let mesh = Mesh::start(2, &[]);
    let mut tail = Tail::open(&mesh.client(0), &[("query", QUERY)], &[]).unwrap();
    assert_eq!(delete(&mesh.client(0), QUERY, &[]).status, 204);
    // A minute old, as all records of these tests are.
    push(&mesh.client(1), &records(5));
    let shown = [Record { at: now_nanos(), line: "after".to_owned() }];
    push(&mesh.client(1), &shown);
    let mut told = Told::default();
    tail.read_until(&mut told, SOON, "what is not covered", |told| !told.times.is_empty());
    told.assert_exactly(["after"]);
    for at in 0..2 {
        assert_eq!(find_all(&mesh.client(at), QUERY).lines.len(), 1, "node {at}");
    }
}

#[test]
fn a_deletion_outlives_kill_9_and_holds_for_a_node_that_was_down() {
    let _turn = one_at_a_time();
    let mut mesh = Mesh::start(3, &[]);
    push(&mesh.client(2), &records(20));
    mesh.nodes[2].kill9();
    eventually(SOON, "the node counts as away", || {
        let members = mesh.client(0).json("/logmesh/v1/members");
        members.as_array().unwrap().iter().any(|member| member["state"] == "away").then_some(())
    });
    assert_eq!(delete(&mesh.client(0), QUERY, &[]).copies(), 2);
    mesh.nodes[0].kill9();
    mesh.nodes[1].kill9();
    (0..3).for_each(|at| mesh.nodes[at].start());
    mesh.wait_met();
    // It may answer before it has heard of what it missed; once it has, it does not forget.
    eventually(LATE, "the one that was down knows", || {
        let listed = mesh.client(2).get("/loki/api/v1/delete").unwrap().json();
        (listed.as_array().map(Vec::len) == Some(1)).then_some(())
    });
    mesh.wait_converged(LATE);
    for at in 0..3 {
        assert_eq!(find_all(&mesh.client(at), QUERY).lines.len(), 0, "node {at}");
        assert_eq!(count(&mesh.client(at), QUERY), 0, "node {at}");
    }
}

#[test]
fn a_deletion_is_taken_back_by_its_tenant_and_by_nobody_else() {
    let _turn = one_at_a_time();
    let mesh = Mesh::start(2, &[]);
    push(&mesh.client(0), &records(4));
    assert_eq!(delete(&mesh.client(0), QUERY, &[]).status, 204);
    let listed = mesh.client(1).json("/loki/api/v1/delete");
    let id = listed[0]["request_id"].as_str().unwrap().to_owned();
    let cancel = |tenant: &str, id: &str| {
        let url = mesh.client(1).url(&format!("/loki/api/v1/delete?request_id={id}"));
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        agent.delete(url).header("X-Scope-OrgID", tenant).call().unwrap().status().as_u16()
    };
    assert_eq!(cancel("other", &id), 404);
    assert_eq!(cancel("default", "nonsense"), 404);
    assert_eq!(count(&mesh.client(0), QUERY), 0);
    assert_eq!(cancel("default", &id), 204);
    for at in 0..2 {
        assert_eq!(count(&mesh.client(at), QUERY), 4, "node {at}");
        assert_eq!(mesh.client(at).json("/loki/api/v1/delete"), Value::Array(Vec::new()));
    }
    assert_eq!(cancel("default", &id), 404);
}

#[test]
fn a_request_that_makes_no_sense_is_refused_with_a_sentence() {
    let _turn = one_at_a_time();
    let mesh = Mesh::start(1, &[]);
    let client = mesh.client(0);
    let ahead = (now_nanos() / 1_000_000_000 + 3_600).to_string();
    for (params, word) in [
        (&[][..], "query"),
        (&[("query", QUERY)], "start"),
        (&[("query", "{app="), ("start", "1")], "parse"),
        (&[("query", "rate({app=\"a\"}[5m])"), ("start", "1")], "metric"),
        (&[("query", QUERY), ("start", "yesterday")], "start"),
        (&[("query", QUERY), ("start", "1"), ("end", "x")], "end"),
        (&[("query", QUERY), ("start", "5"), ("end", "4")], "start"),
        (&[("query", QUERY), ("start", &ahead)], "future"),
        (&[("query", QUERY), ("start", "1"), ("max_interval", "x")], "max_interval"),
    ] {
        let reply = post(&client, params);
        assert!(reply.status == 400 && reply.text().contains(word), "{params:?}: {} {}", reply.status, reply.text());
    }
    let long = format!("{{app=\"{}\"}}", "x".repeat(3_000));
    assert_eq!(post(&client, &[("query", &long), ("start", "1")]).status, 400);
    assert_eq!(client.json("/loki/api/v1/delete"), Value::Array(Vec::new()));
}

fn push(client: &Client, records: &[Record]) {
    Protocol::LokiJson.push_well(client, "secret", records);
}

/// Records of which every second says that it is even.
fn numbered(count: usize) -> Vec<Record> {
    let name = |at: usize| if at.is_multiple_of(2) { "even" } else { "odd" };
    records(count)
        .into_iter()
        .enumerate()
        .map(|(at, record)| Record { line: format!("{} {}", record.line, name(at)), ..record })
        .collect()
}

/// Deletes all of the last hours.
fn delete(client: &Client, query: &str, more: &[(&str, &str)]) -> Reply {
    let start = (now_nanos() / 1_000_000_000 - 4 * 3_600).to_string();
    post(client, &[&[("query", query), ("start", start.as_str())], more].concat())
}

fn post(client: &Client, params: &[(&str, &str)]) -> Reply {
    let form: Vec<String> = params.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    client.post("/loki/api/v1/delete", &headers, form.join("&").as_bytes()).unwrap()
}

fn encode(value: &str) -> String {
    let keep = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    value.bytes().map(|byte| if keep(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

fn values(client: &Client) -> Vec<String> {
    let reply = client.json("/loki/api/v1/label/app/values");
    reply["data"].as_array().unwrap().iter().map(|value| value.as_str().unwrap().to_owned()).collect()
}
