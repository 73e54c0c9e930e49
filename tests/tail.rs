//! Tails: what any node takes in is told by the node that was asked, each entry once; nobody is held up by a slow reader.

#[allow(dead_code, unused_imports, reason = "each test uses its part of the harness")]
mod harness;

use std::time::{Duration, Instant};

use harness::{
    LATE, Mesh, Protocol, Record, SOON, Tail, Told, eventually, now_nanos, one_at_a_time, records, run_logmesh,
};

const QUERY: &str = "{app=\"followed\"}";

#[test]
fn a_tail_tells_the_latest_entries_and_then_what_every_node_takes_in_each_once() {
    let _turn = one_at_a_time();
    let mesh = Mesh::start(3, &[]);
    let before = records(6);
    for (at, record) in before.iter().enumerate() {
        push(&mesh, at % 3, std::slice::from_ref(record));
    }
    let mut tail = Tail::open(&mesh.client(1), &[("query", QUERY), ("limit", "4")], &[]).unwrap();
    let mut told = Told::default();
    tail.read_until(&mut told, SOON, "the latest", |told| told.times.len() >= 4);
    told.assert_exactly(lines(&before[2..]));
    assert!(told.times.is_sorted(), "{:?}", told.times);

    let after = records(60);
    for (at, few) in after.chunks(2).enumerate() {
        push(&mesh, at % 3, few);
    }
    tail.read_until(&mut told, SOON, "what came later", |told| told.times.len() >= 64);
    told.assert_exactly(lines(&before[2..]).chain(lines(&after)));
    // Nothing comes twice, nor anything of others.
    push_other(&mesh);
    std::thread::sleep(Duration::from_millis(500));
    let last = records(1);
    push(&mesh, 0, &last);
    tail.read_until(&mut told, SOON, "the last", |told| told.times.len() >= 65);
    told.assert_exactly(lines(&before[2..]).chain(lines(&after)).chain(lines(&last)));
}

#[test]
fn entries_of_different_nodes_come_in_order_of_time_within_the_delay() {
    let _turn = one_at_a_time();
    let mesh = Mesh::start(2, &[]);
    let params = [("query", QUERY), ("delay_for", "2")];
    let mut tail = Tail::open(&mesh.client(0), &params, &[]).unwrap();
    let all = records(40);
    // The newer half first, then the older one at the other node.
    push(&mesh, 0, &all[20..]);
    push(&mesh, 1, &all[..20]);
    let mut told = Told::default();
    tail.read_until(&mut told, SOON, "all", |told| told.times.len() >= 40);
    assert!(told.times.is_sorted(), "{:?}", told.times);
}

#[test]
fn the_pipeline_runs_at_the_origins_and_labels_are_kept_apart_on_demand() {
    let _turn = one_at_a_time();
    let mesh = Mesh::start(2, &[]);
    let query = "{app=\"followed\"} |= \"keep\" | logfmt | level=\"warn\"";
    let flag = [("X-Loki-Response-Encoding-Flags", "categorize-labels")];
    let mut plain = Tail::open(&mesh.client(0), &[("query", query)], &[]).unwrap();
    let mut apart = Tail::open(&mesh.client(0), &[("query", query)], &flag).unwrap();
    let at = now_nanos();
    let wanted = "keep level=warn n=1";
    for (nanos, line) in [(at, "level=warn n=0"), (at + 1, "keep level=info"), (at + 2, wanted)] {
        push(&mesh, 1, &[Record { at: nanos, line: line.to_owned() }]);
    }
    for (tail, labels) in [(&mut plain, "warn"), (&mut apart, "")] {
        let mut told = Told::default();
        tail.read_until(&mut told, SOON, "the line", |told| !told.times.is_empty());
        told.assert_exactly([wanted]);
        let stream = &told.frame["streams"][0];
        assert_eq!(stream["stream"]["level"].as_str().unwrap_or(""), labels, "{stream}");
        if labels.is_empty() {
            assert_eq!(stream["values"][0][2]["parsed"]["level"], "warn", "{stream}");
            assert_eq!(told.frame["encodingFlags"][0], "categorize-labels");
        }
    }
}

#[test]
fn a_node_that_comes_back_is_followed_again() {
    let _turn = one_at_a_time();
    let mut mesh = Mesh::start(3, &[]);
    let mut tail = Tail::open(&mesh.client(0), &[("query", QUERY)], &[]).unwrap();
    let mut told = Told::default();
    let first = records(1);
    push(&mesh, 2, &first);
    tail.read_until(&mut told, SOON, "before the kill", |told| told.times.len() == 1);
    mesh.nodes[2].kill9();
    mesh.nodes[2].start();
    mesh.nodes[2].wait_ready();
    // Taken in before it may be followed again: looked up once it is.
    let second = records(1);
    push(&mesh, 2, &second);
    tail.read_until(&mut told, LATE, "after the return", |told| told.times.len() == 2);
    told.assert_exactly(lines(&first).chain(lines(&second)));
    assert!(mesh.client(0).metric("logmesh_tail_losses_total") >= Some(1.0));
}

#[test]
fn a_tail_tells_whose_records_it_does_not_show_for_as_long_as_that_is_so() {
    let _turn = one_at_a_time();
    let mut mesh = Mesh::start(3, &[]);
    let mut tail = Tail::open(&mesh.client(0), &[("query", QUERY)], &[]).unwrap();
    let mut told = Told::default();
    push(&mesh, 1, &records(1));
    tail.read_until(&mut told, SOON, "an entry", |told| told.times.len() == 1);
    assert!(told.frame["complete"] == true && told.frame["warnings"].is_null(), "{}", told.frame);

    let lost = mesh.nodes[2].short_id();
    mesh.nodes[2].kill9();
    tail.read_until(&mut told, SOON, "the loss", |told| told.frame["complete"] == false);
    assert!(told.frame["warnings"][0].as_str().unwrap().contains(&lost), "{}", told.frame);
    // One that begins now says so with the first it shows.
    let mut late = Tail::open(&mesh.client(1), &[("query", QUERY)], &[]).unwrap();
    let mut told_late = Told::default();
    late.read_until(&mut told_late, SOON, "the first frame", |told| !told.frame.is_null());
    assert_eq!(told_late.frame["complete"], false, "{}", told_late.frame);

    mesh.nodes[2].start();
    for (tail, told) in [(&mut tail, &mut told), (&mut late, &mut told_late)] {
        tail.read_until(told, LATE, "the return", |told| told.frame["complete"] == true);
    }
    // Who stops in order takes in nothing that could be missing.
    let name = mesh.nodes[2].plan.name.clone();
    mesh.nodes[2].terminate();
    mesh.wait_member(0, &name, "away");
    let mut again = Tail::open(&mesh.client(0), &[("query", QUERY)], &[]).unwrap();
    let mut told_again = Told::default();
    again.read_until(&mut told_again, SOON, "the first frame", |told| !told.frame.is_null());
    assert_eq!(told_again.frame["complete"], true, "{}", told_again.frame);
}

#[test]
fn a_slow_reader_holds_up_nobody_and_is_told_what_it_missed() {
    let _turn = one_at_a_time();
    let mesh = Mesh::start(2, &[]);
    let mut tail = Tail::open(&mesh.client(0), &[("query", QUERY), ("limit", "0")], &[]).unwrap();
    let filling = "x".repeat(4_000);
    let begun = Instant::now();
    // 80 MB: far more than sockets and queues hold.
    for _ in 0..40 {
        let many: Vec<Record> = records(500)
            .into_iter()
            .map(|record| Record { line: format!("{} {filling}", record.line), ..record })
            .collect();
        push(&mesh, 1, &many);
    }
    println!("80 MB pushed beside a reader that stands still in {:?}", begun.elapsed());
    let mut told = Told::default();
    tail.read_until(&mut told, LATE, "something dropped", |told| told.dropped > 0);
    assert!(told.lines.values().all(|count| *count == 1), "nothing comes twice");
    let dropped = mesh.client(0).metric("logmesh_tail_entries_dropped_total").unwrap();
    println!("{} entries came, {dropped} were dropped", told.times.len());
    // It goes on.
    let last = records(1);
    push(&mesh, 1, &last);
    tail.read_until(&mut told, LATE, "the last", |told| told.lines.contains_key(&last[0].line));
}

#[test]
fn what_cannot_be_followed_is_refused_with_a_sentence() {
    let _turn = one_at_a_time();
    let mesh = Mesh::start(1, &[("LOGMESH_QUERY_TAILS_MAX", "1")]);
    let client = mesh.client(0);
    let refused = |params: &[(&str, &str)], status: u16, word: &str| {
        let (got, said) = Tail::open(&client, params, &[]).err().unwrap_or_else(|| panic!("{params:?} was taken"));
        assert!(got == status && said.contains(word), "{params:?}: {got} {said}");
    };
    refused(&[], 400, "query");
    refused(&[("query", "{app=")], 400, "parse");
    refused(&[("query", "rate({app=\"a\"}[5m])")], 400, "metric");
    refused(&[("query", QUERY), ("delay_for", "6")], 400, "delay_for");
    refused(&[("query", QUERY), ("delay_for", "x")], 400, "delay_for");
    refused(&[("query", QUERY), ("limit", "100000")], 400, "limit");
    refused(&[("query", QUERY), ("start", "x")], 400, "start");
    let plain = client.get_with("/loki/api/v1/tail", &[("query", QUERY)]).unwrap();
    assert!(plain.status == 400 && plain.text().contains("WebSocket"), "{} {}", plain.status, plain.text());
    let first = Tail::open(&client, &[("query", QUERY)], &[]).unwrap();
    refused(&[("query", QUERY)], 429, "tails_max");
    drop(first);
    eventually(SOON, "the place is free again", || Tail::open(&client, &[("query", QUERY)], &[]).ok());
}

#[test]
fn hanging_up_frees_every_node() {
    let _turn = one_at_a_time();
    let mesh = Mesh::start(3, &[]);
    let tails: Vec<Tail> =
        (0..5).map(|at| Tail::open(&mesh.client(at % 3), &[("query", QUERY)], &[]).unwrap()).collect();
    let followers = |at: usize| mesh.client(at).metric("logmesh_tail_followers").unwrap();
    eventually(SOON, "all nodes are followed", || (0..3).all(|at| followers(at) == 5.0).then_some(()));
    drop(tails);
    eventually(SOON, "nobody is followed", || (0..3).all(|at| followers(at) == 0.0).then_some(()));
    eventually(SOON, "no tail is left", || {
        (0..3).all(|at| mesh.client(at).metric("logmesh_tails") == Some(0.0)).then_some(())
    });
}

#[test]
fn the_command_tells_why_it_does_not_follow() {
    let _turn = one_at_a_time();
    let mesh = Mesh::start(1, &[]);
    let node = mesh.client(0).url("");
    let (status, _, log) = run_logmesh(&["tail", "{app=", "--node", &node]);
    assert_eq!(status.code(), Some(1), "{log}");
    let (status, _, log) = run_logmesh(&["tail", QUERY, "--node", "http://127.0.0.1:1"]);
    assert_eq!(status.code(), Some(3), "{log}");
    let (status, _, log) = run_logmesh(&["tail", QUERY, "--delay-for", "9s", "--node", &node]);
    assert_eq!(status.code(), Some(2), "{log}");
}

fn push(mesh: &Mesh, at: usize, records: &[Record]) {
    Protocol::LokiJson.push_well(&mesh.client(at), "followed", records);
}

fn push_other(mesh: &Mesh) {
    Protocol::LokiJson.push_well(&mesh.client(1), "other", &records(1));
}

fn lines(records: &[Record]) -> impl Iterator<Item = &str> {
    records.iter().map(|record| record.line.as_str())
}
