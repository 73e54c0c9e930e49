//! Queries that nobody waits for any more, or that take too long: they end on all nodes, and the client is told.

#![expect(clippy::unwrap_used, reason = "a test whose request is miswritten shall stop")]

#[allow(dead_code, unused_imports, reason = "each test uses its part of the harness")]
mod harness;

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use harness::{Mesh, Protocol, Record, SOON, eventually, now_nanos, one_at_a_time};

/// A query that takes long over what [`fill`] brings: each line is taken apart many times, and all its fields are asked for.
fn slow_query() -> String {
    let parsers = "| json ".repeat(60);
    format!("count_over_time({{app=\"slow\"}} {parsers} | field_0=\"none\" [1h])")
}

/// Gives each node some ten megabytes of lines with many fields.
fn fill(mesh: &Mesh) {
    let fields: Vec<String> = (0..100).map(|field| format!("\"field_{field}\":\"value {field}\"")).collect();
    let line = format!("{{{}}}", fields.join(","));
    let base = now_nanos() - 60_000_000_000;
    for at in 0..mesh.nodes.len() {
        for batch in 0..5u64 {
            let at_nanos = base + (at as u64 * 100 + batch) * 1_000_000;
            let records: Vec<Record> =
                (0..1_000).map(|number| Record { at: at_nanos + number, line: line.clone() }).collect();
            Protocol::LokiProtobuf.push_well(&mesh.client(at), "slow", &records);
        }
    }
}

fn running(mesh: &Mesh) -> Vec<f64> {
    mesh.running().iter().map(|at| mesh.client(*at).metric("logmesh_scans_running").unwrap()).collect()
}

#[test]
fn a_client_that_hangs_up_ends_the_scans_on_all_nodes() {
    let _turn = one_at_a_time();
    let mesh = Mesh::start(2, &[("LOGMESH_QUERY_TIMEOUT", "10m")]);
    fill(&mesh);
    let query = form_urlencoded::Serializer::new(String::new()).append_pair("query", &slow_query()).finish();
    let mut client = TcpStream::connect(mesh.nodes[0].plan.http).unwrap();
    write!(client, "GET /loki/api/v1/query?{query} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    eventually(SOON, "both nodes scan", || running(&mesh).iter().all(|running| *running > 0.0).then_some(()));
    drop(client);
    eventually(SOON, "no node scans any more", || running(&mesh).iter().all(|running| *running == 0.0).then_some(()));
    for at in mesh.running() {
        let cancelled = mesh.client(at).metric("logmesh_scans_cancelled");
        assert_eq!(cancelled, Some(1.0), "node {at} ended its scan early");
    }
}

#[test]
fn a_query_that_takes_too_long_is_a_504_and_ends() {
    let _turn = one_at_a_time();
    let mesh = Mesh::start(1, &[("LOGMESH_QUERY_TIMEOUT", "700ms")]);
    fill(&mesh);
    let reply = mesh.client(0).get_with("/loki/api/v1/query", &[("query", &slow_query())]).unwrap();
    assert_eq!(reply.status, 504, "{}", reply.text());
    assert!(reply.text().contains("query.timeout"), "{}", reply.text());
    eventually(SOON, "no node scans any more", || running(&mesh).iter().all(|running| *running == 0.0).then_some(()));
    let quick = mesh.client(0).get_with("/loki/api/v1/query", &[("query", "vector(1) + vector(1)")]).unwrap();
    assert_ne!(quick.status, 504, "others are answered: {}", quick.text());
    let labels = harness::Client::with_timeout(mesh.nodes[0].plan.http, Duration::from_secs(10));
    assert_eq!(labels.get("/loki/api/v1/labels").unwrap().status, 200);
}
