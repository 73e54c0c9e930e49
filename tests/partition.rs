//! Five hosts, cut into two and three: both sides take writes and answer truthfully; healed, they are one again, for not
//! much more traffic than what was missing.
//!
//! `LOGMESH_CUT_SECONDS=60` makes it the long run. Needs root, `ip` and `nft`.

#[allow(dead_code, unused_imports, reason = "each test uses its part of the harness")]
mod harness;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use harness::{
    Client, LATE, Mesh, Namespaces, Protocol, Record, SOON, count, eventually, find_all, one_at_a_time, records,
    size_from_env, skip,
};

#[test]
fn both_sides_of_a_cut_serve_and_are_one_again_when_it_heals() {
    let _turn = one_at_a_time();
    let namespaces = match Namespaces::make(5) {
        Ok(namespaces) => namespaces,
        Err(why) => return skip(&why),
    };
    let mesh = Mesh::start_in_namespaces(&namespaces, &[]);
    let before = records(1_000);
    push(&mesh, 0..5, &before);
    mesh.wait_converged(LATE);

    namespaces.cut(2);
    let sides = cut_for(&mesh, Duration::from_secs(size_from_env("LOGMESH_CUT_SECONDS", 10)));
    for (side, written) in sides.iter().enumerate() {
        for at in SIDES[side].clone() {
            let found = find_all(&mesh.client(at), KEPT);
            found.assert_has(lines(written));
            assert!(!found.complete, "a side cannot vouch for the other");
        }
    }

    let (held_before, frames_before) = (bytes_held(&mesh), frames_in(&mesh));
    namespaces.heal();
    let healed = Instant::now();
    wait_live(&mesh, 0..5, 5);
    let met = healed.elapsed();
    mesh.wait_converged(LATE);
    println!("met again after {met:?}, equal roots everywhere after {:?}", healed.elapsed());
    let (missing, frames) = (missing_bytes(&held_before, &bytes_held(&mesh)), frames_in(&mesh) - frames_before);
    println!(
        "{missing} bytes of batches were missing; {frames} bytes of frames came in at all nodes: {:.2} for each",
        frames as f64 / missing as f64
    );
    let all = [before, sides.concat()].concat();
    for at in 0..5 {
        assert_whole(&mesh.client(at), &all);
    }
}

/// Pushes to all nodes, and asks them, for as long as the cut lasts. Returns what each side took.
fn cut_for(mesh: &Mesh, time: Duration) -> Vec<Vec<Record>> {
    let mut sides = vec![Vec::new(); SIDES.len()];
    let begun = Instant::now();
    while begun.elapsed() < time {
        for (side, written) in sides.iter_mut().enumerate() {
            let some = records(100);
            push(mesh, SIDES[side].clone(), &some);
            written.extend(some);
        }
    }
    for side in SIDES {
        wait_live(mesh, side.clone(), side.len());
    }
    sides
}

fn push(mesh: &Mesh, nodes: std::ops::Range<usize>, records: &[Record]) {
    let share = records.len().div_ceil(nodes.len());
    for (at, some) in nodes.zip(records.chunks(share)) {
        Protocol::LokiProtobuf.push_well(&mesh.client(at), "kept", some);
    }
}

fn wait_live(mesh: &Mesh, nodes: std::ops::Range<usize>, live: usize) {
    for at in nodes {
        eventually(SOON, &format!("{at} sees {live} live members"), || {
            let members = mesh.client(at).try_json("/logmesh/v1/members")?;
            let seen = members.as_array()?.iter().filter(|member| member["state"] == "live").count();
            (seen == live).then_some(())
        });
    }
}

fn assert_whole(client: &Client, all: &[Record]) {
    let found = find_all(client, KEPT);
    found.assert_has(lines(all));
    found.assert_nothing_else(lines(all));
    found.assert_complete();
    assert_eq!(count(client, KEPT), all.len() as u64);
}

fn lines(records: &[Record]) -> impl Iterator<Item = &str> {
    records.iter().map(|record| record.line.as_str())
}

/// What each node holds of each segment, in bytes as they travel.
fn bytes_held(mesh: &Mesh) -> Vec<BTreeMap<String, u64>> {
    let of = |at| {
        let segments = mesh.client(at).json("/logmesh/v1/segments");
        let segments = segments.as_array().expect("a list").iter();
        let held =
            |segment: &serde_json::Value| Some((segment["segment"].as_str()?.to_owned(), segment["bytes"].as_u64()?));
        segments.filter_map(held).collect()
    };
    (0..5).map(of).collect()
}

/// What came to the nodes that did not have it.
fn missing_bytes(before: &[BTreeMap<String, u64>], after: &[BTreeMap<String, u64>]) -> u64 {
    let grown = |(before, after): (&BTreeMap<String, u64>, &BTreeMap<String, u64>)| -> u64 {
        after.iter().map(|(segment, bytes)| bytes.saturating_sub(before.get(segment).copied().unwrap_or(0))).sum()
    };
    before.iter().zip(after).map(grown).sum()
}

/// Bytes of all frames that members sent each other: batches, extents and what is said about them.
fn frames_in(mesh: &Mesh) -> u64 {
    (0..5).map(|at| mesh.client(at).metric("logmesh_frames_bytes_in").expect("it is counted") as u64).sum()
}

const KEPT: &str = r#"{app="kept"}"#;
const SIDES: [std::ops::Range<usize>; 2] = [0..2, 2..5];
