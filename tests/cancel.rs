//! Queries that nobody waits for any more, or that take too long: they end on all nodes, and the client is told.

#![expect(clippy::unwrap_used, reason = "a test whose request is miswritten shall stop")]

#[allow(dead_code, unused_imports, reason = "each test uses its part of the harness")]
mod harness;

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

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

/// Queries of which a single block of [`fill_short`] costs minutes: templates that use up all the steps they may take on each
/// line, in every place where templates stand.
fn hostile_queries() -> Vec<String> {
    let loops = "{{range $i := 1000}}{{range $j := 1000}}{{$i}}{{end}}{{end}}";
    let grows = "{{$x := .l}}{{range 1000}}{{$x = printf `%s%s` $x $x}}{{end}}{{$x}}";
    let replaces = "{{regexReplaceAll `([ab]?){900}c` (repeat 8000 .l) `x`}}";
    let mut queries: Vec<String> = [loops, grows, replaces]
        .map(|template| format!("{{app=\"short\"}} | regexp `(?P<l>.*)` | line_format \"{template}\" |= \"nothing\""))
        .into();
    queries.push(format!("{{app=\"short\"}} | label_format x=\"{loops}\" | x=\"nothing\""));
    queries.push(format!("sum(count_over_time({{app=\"short\"}} | label_format x=\"{loops}\" | x=\"nothing\" [1h]))"));
    queries
}

/// Gives a node many short lines, which share blocks.
fn fill_short(mesh: &Mesh) {
    let base = now_nanos() - 60_000_000_000;
    let line = |number: u64| format!("{}{}", "abba".repeat(12), if number.is_multiple_of(3) { "a" } else { "b" });
    for batch in 0..4 {
        let at = base + batch * 1_000_000;
        let records = (0..10_000).map(|number| Record { at: at + number, line: line(number) });
        Protocol::LokiProtobuf.push_well(&mesh.client(0), "short", &records.collect::<Vec<_>>());
    }
}

#[test]
fn hostile_queries_end_at_their_time_out_and_others_are_served() {
    let _turn = one_at_a_time();
    let mesh = Mesh::start(1, &[("LOGMESH_QUERY_TIMEOUT", "1s"), ("LOGMESH_STORE_SEAL_AFTER_QUIET", "1s")]);
    fill_short(&mesh);
    eventually(SOON, "all is sealed, so that blocks are whole", || {
        let segments = mesh.client(0).json("/logmesh/v1/status")["segments"].clone();
        (segments["batches"] == segments["sealed_batches"] && segments["batches"].as_u64() > Some(0)).then_some(())
    });
    let queries = hostile_queries();
    let hostile = &|query: &str| {
        let client = harness::Client::with_timeout(mesh.nodes[0].plan.http, SOON);
        client.get_with("/loki/api/v1/query_range", &[("query", query)]).unwrap()
    };
    std::thread::scope(|scope| {
        let asked: Vec<_> = queries.iter().map(|query| scope.spawn(move || (query, hostile(query)))).collect();
        eventually(SOON, "scans run", || (running(&mesh)[0] > 0.0).then_some(()));
        // While they run, a push and a listing are as good as ever: neither needs what they hold.
        Protocol::LokiProtobuf.push_well(&mesh.client(0), "meanwhile", &harness::records(10));
        assert_eq!(mesh.client(0).get("/loki/api/v1/labels").unwrap().status, 200);
        for (query, reply) in asked.into_iter().map(|asked| asked.join().unwrap()) {
            assert_eq!(reply.status, 504, "{query}: {}", reply.text());
            assert!(reply.text().contains("query.timeout"), "{query}: {}", reply.text());
        }
    });
    let begun = Instant::now();
    eventually(SOON, "no scan is left", || (running(&mesh)[0] == 0.0).then_some(()));
    println!("the last scan ended {:?} after the last answer", begun.elapsed());
    let cancelled = mesh.client(0).metric("logmesh_scans_cancelled");
    assert_eq!(cancelled, Some(queries.len() as f64), "each of them was ended from outside");
}

/// Queries that search one line for an expression which every byte of it may begin, and none completes. No text is part of
/// every match, so that none is looked for first.
fn hostile_expressions() -> Vec<String> {
    let expression = "[xy]*x[xy]{1000}[a-c]";
    let whole = "regexp `(?P<l>.*)`";
    [
        format!("|~ `{expression}`"),
        format!("| {whole} | l=~`.*{expression}`"),
        format!("| regexp `(?P<part>{expression})`"),
        format!("| label_format n=`{{{{ __line__ | count \"{expression}\" }}}}`"),
    ]
    .map(|stages| format!("{{app=\"long\"}} {stages}"))
    .into()
}

#[test]
fn one_long_line_holds_no_thread_beyond_the_time_out() {
    let _turn = one_at_a_time();
    let mesh = Mesh::start(1, &[("LOGMESH_QUERY_TIMEOUT", "1s")]);
    // As long as a line may be, and without an order that would help.
    let mut noise = 1u32;
    let line: String = (0..256 << 10)
        .map(|_| {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            if noise >> 31 == 0 { 'x' } else { 'y' }
        })
        .collect();
    Protocol::LokiProtobuf.push_well(&mesh.client(0), "long", &[Record { at: now_nanos() - 1_000_000_000, line }]);
    for query in hostile_expressions() {
        let client = harness::Client::with_timeout(mesh.nodes[0].plan.http, SOON);
        let reply = client.get_with("/loki/api/v1/query_range", &[("query", &query)]).unwrap();
        assert_eq!(reply.status, 504, "{query}: {}", reply.text());
        let begun = Instant::now();
        eventually(SOON, "no scan is left", || (running(&mesh)[0] == 0.0).then_some(()));
        assert!(begun.elapsed() < Duration::from_secs(2), "{query}: its scan went on for {:?}", begun.elapsed());
    }
}

#[test]
fn a_slow_scan_elsewhere_is_waited_for() {
    let _turn = one_at_a_time();
    // The scan takes several times as long as a node may be silent.
    let mesh = Mesh::start(2, &[("LOGMESH_QUERY_TIMEOUT", "10m"), ("LOGMESH_QUERY_SILENT_AFTER", "1s")]);
    fill(&mesh);
    let client = harness::Client::with_timeout(mesh.nodes[0].plan.http, Duration::from_secs(600));
    let parsers = "| json last=\"field_99\" ".repeat(150);
    let query = format!("sum(count_over_time({{app=\"slow\"}} {parsers} | last=\"value 99\" [1h]))");
    let begun = Instant::now();
    let reply = client.get_with("/loki/api/v1/query", &[("query", &query)]).unwrap();
    let took = begun.elapsed();
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert!(reply.is_complete(), "{}", reply.text());
    assert_eq!(reply.json()["data"]["result"][0]["value"][1], "10000", "{}", reply.text());
    assert!(took > Duration::from_secs(2), "too quick to show anything: {took:?}");
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
    // Left alone it would have ended too, only later.
    assert_eq!(mesh.client(0).metric("logmesh_scans_cancelled"), Some(1.0), "the scan was ended from outside");
    let quick = mesh.client(0).get_with("/loki/api/v1/query", &[("query", "vector(1) + vector(1)")]).unwrap();
    assert_ne!(quick.status, 504, "others are answered: {}", quick.text());
    let labels = harness::Client::with_timeout(mesh.nodes[0].plan.http, Duration::from_secs(10));
    assert_eq!(labels.get("/loki/api/v1/labels").unwrap().status, 200);
}
