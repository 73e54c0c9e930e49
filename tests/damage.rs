//! Disks that lose all they hold, and disks that lie: whatever is lost or flipped on one node is had again from the
//! others, and a wrong line is never shown.

#![expect(clippy::unwrap_used, reason = "all of this file is tests, not only the functions so marked")]

#[allow(dead_code, unused_imports, reason = "each test uses its part of the harness")]
mod harness;

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use harness::{Client, LATE, Mesh, Node, Protocol, Record, SOON, count, eventually, find_all, one_at_a_time, records};

#[test]
fn a_wiped_store_is_filled_again() {
    let _turn = one_at_a_time();
    let mut mesh = Mesh::start(3, SEAL_SOON);
    let all = push_to_all(&mesh);
    mesh.wait_converged(LATE);
    let id = mesh.nodes[2].id();
    mesh.nodes[2].kill9();
    fs::remove_dir_all(mesh.nodes[2].plan.data.join("store")).unwrap();
    mesh.nodes[2].restart();
    assert_eq!(mesh.nodes[2].id(), id, "the key was not wiped");
    mesh.wait_met();
    println!("a wiped store was filled again in {:?}", mesh.wait_converged(LATE));
    // Its own earlier journal is nobody's to vouch for but the others': they hold all of it.
    for at in 0..3 {
        assert_whole(&mesh.client(at), &all);
    }
}

#[test]
fn a_lost_host_is_forgotten_and_a_new_one_takes_its_share() {
    let _turn = one_at_a_time();
    let mut mesh = Mesh::start(3, SEAL_SOON);
    let all = push_to_all(&mesh);
    mesh.wait_converged(LATE);
    let lost = mesh.nodes[2].id();
    mesh.nodes[2].kill9();
    fs::remove_dir_all(&mesh.nodes[2].plan.data).unwrap();
    mesh.wait_member(0, "c", "away");
    let reply = mesh.client(0).post(&format!("/logmesh/v1/forget?node={lost}"), &[], b"").unwrap();
    assert_eq!(reply.status, 200, "{}", reply.text());
    mesh.nodes[2].restart();
    assert_ne!(mesh.nodes[2].id(), lost);
    mesh.wait_met();
    println!("a new host had its share after {:?}", mesh.wait_converged(LATE));
    for at in 0..3 {
        assert_whole(&mesh.client(at), &all);
    }
}

#[test]
fn a_new_host_takes_the_place_of_a_lost_one() {
    let _turn = one_at_a_time();
    let mut mesh = Mesh::start(3, SEAL_SOON);
    let all = push_to_all(&mesh);
    mesh.wait_converged(LATE);
    let lost = mesh.nodes[2].id();
    mesh.nodes[2].kill9();
    fs::remove_dir_all(&mesh.nodes[2].plan.data).unwrap();
    mesh.nodes[2].plan.arguments.extend(["--replace".to_owned(), lost]);
    mesh.nodes[2].restart();
    mesh.wait_met();
    mesh.wait_converged(LATE);
    for at in 0..3 {
        eventually(SOON, "the replaced one is no longer waited for", || {
            let found = find_all(&mesh.client(at), KEPT);
            found.complete.then_some(())
        });
        assert_whole(&mesh.client(at), &all);
    }
}

#[test]
fn flipped_bytes_in_sealed_blocks_are_mended() {
    let _turn = one_at_a_time();
    let mut mesh = Mesh::start(3, SEAL_SOON);
    let all = push_to_all(&mesh);
    mesh.wait_converged(LATE);
    eventually(LATE, "everything is sealed on c", || {
        let segments = mesh.client(2).json("/logmesh/v1/status")["segments"].clone();
        (segments["batches"] == segments["sealed_batches"]).then_some(())
    });
    check_flips(&mut mesh, &all, "sst", Stop::InOrder);
}

#[test]
fn flipped_bytes_in_the_tail_are_mended() {
    let _turn = one_at_a_time();
    let mut mesh = Mesh::start(3, &[]);
    let all = push_to_all(&mesh);
    mesh.wait_converged(LATE);
    check_flips(&mut mesh, &all, "log", Stop::ByKill);
}

/// How a node is brought to rest.
#[derive(Clone, Copy)]
enum Stop {
    InOrder,
    ByKill,
}

/// Flips bytes at several places of the largest such file of node c, one after the other, and starts it each time.
fn check_flips(mesh: &mut Mesh, all: &[Record], extension: &str, stop: Stop) {
    let mut noticed = 0;
    for tenths in FLIPS_AT_TENTHS {
        match stop {
            Stop::InOrder => drop(mesh.nodes[2].terminate()),
            Stop::ByKill => mesh.nodes[2].kill9(),
        }
        let flipped = flip(&mesh.nodes[2].plan.data.join("store"), extension, tenths);
        let outcome = start_damaged(&mut mesh.nodes[2], all);
        mesh.wait_met();
        let took = mesh.wait_converged(LATE);
        let found = mesh.client(2).metric("logmesh_damaged_batches_total").unwrap_or(0.0);
        let fetched = mesh.client(2).json("/logmesh/v1/status")["repair"]["batches_received"].as_u64().unwrap_or(0);
        println!("{flipped}: {outcome}, {found} batches found damaged, {fetched} fetched, whole after {took:?}");
        noticed += usize::from(found > 0.0 || fetched > 0 || outcome == REFUSED);
        for at in 0..3 {
            assert_whole(&mesh.client(at), all);
        }
    }
    assert!(noticed > 0, "no flip hit anything that is in use");
}

/// Starts a node whose disk lies. If it refuses to start, it must say where and what to do; that is done then.
fn start_damaged(node: &mut Node, all: &[Record]) -> &'static str {
    node.start();
    let ended = eventually(SOON, "the node serves or ends", || {
        if !node.is_running() {
            return Some(true);
        }
        let ready = node.client().get("/ready").is_ok_and(|reply| reply.status == 200);
        ready.then_some(false)
    });
    if !ended {
        assert_nothing_wrong(&node.client(), all);
        return "it started";
    }
    let status = node.wait_exit(SOON);
    let log = node.log();
    assert!(!status.success());
    let last = log.lines().rev().take(5).collect::<Vec<_>>().join("\n");
    let store = node.plan.data.join("store");
    assert!(last.contains(&*store.to_string_lossy()), "it does not say what is damaged: {last}");
    fs::remove_dir_all(store).unwrap();
    node.restart();
    REFUSED
}

/// Inverts a byte, that many tenths into the largest file with this extension. Returns what was done.
fn flip(directory: &Path, extension: &str, tenths: u64) -> String {
    let files =
        files_beneath(directory).into_iter().filter(|path| path.extension().is_some_and(|other| other == extension));
    let largest = files.max_by_key(|path| fs::metadata(path).unwrap().len());
    let path = largest.unwrap_or_else(|| panic!("no .{extension} in {}", directory.display()));
    let file = fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let length = file.metadata().unwrap().len();
    let at = length * tenths / 10;
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[!byte[0]], at).unwrap();
    format!("byte {at} of {length} in {}", path.file_name().unwrap().to_string_lossy())
}

fn files_beneath(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_beneath(&path) } else { vec![path] }).collect()
}

/// Pushes to each of three nodes, in several batches.
fn push_to_all(mesh: &Mesh) -> Vec<Record> {
    let all = records(12_000);
    for (number, some) in all.chunks(400).enumerate() {
        Protocol::LokiProtobuf.push_well(&mesh.client(number % 3), "kept", some);
    }
    all
}

fn assert_nothing_wrong(client: &Client, all: &[Record]) {
    let found = find_all(client, KEPT);
    found.assert_nothing_else(all.iter().map(|record| record.line.as_str()));
    let missing = all.len() - found.lines.len();
    assert!(missing == 0 || !found.complete, "{missing} lines are missing from an answer that calls itself complete");
}

fn assert_whole(client: &Client, all: &[Record]) {
    assert_nothing_wrong(client, all);
    find_all(client, KEPT).assert_complete();
    assert_eq!(count(client, KEPT), all.len() as u64, "counted from {}", client.url(""));
}

const KEPT: &str = r#"{app="kept"}"#;
const REFUSED: &str = "it refused to start";
/// Seals small extents at once, so that sealed data is what gets damaged.
const SEAL_SOON: &[(&str, &str)] = &[("LOGMESH_STORE_SEAL_BYTES", "128KiB"), ("LOGMESH_STORE_SEAL_AFTER_QUIET", "1s")];
const FLIPS_AT_TENTHS: [u64; 4] = [1, 4, 6, 9];
