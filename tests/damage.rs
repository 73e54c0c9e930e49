//! Disks that lose all they hold, and disks that lie: whatever is lost or flipped on one node is had again from the
//! others, and a wrong line is never shown.

#![expect(clippy::unwrap_used, reason = "all of this file is tests, not only the functions so marked")]

#[allow(dead_code, unused_imports, reason = "each test uses its part of the harness")]
mod harness;

use std::fmt::Write;
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
    wait_sealed(&mesh.client(2));
    mesh.nodes[2].terminate();
    let flipped = flip_all(&mesh.nodes[2].plan.data.join("store"));
    println!("bytes flipped: {}", flipped.join(", "));
    mesh.nodes[2].restart();
    mesh.wait_met();

    // Its own records c would read itself: what does not hash it has from others, within the same query.
    assert_whole(&mesh.client(2), &all);
    let found = mesh.client(2).metric("logmesh_damaged_batches_total").unwrap_or(0.0);
    assert!(found > 0.0, "no flip hit anything that is in use");
    // The others' records c reads only when they are gone: it may then miss some, and says so, but shows nothing wrong.
    mend_until_whole_alone(&mut mesh, &all);
    let client = mesh.client(2);
    let counted = |name: &str| client.metric(name).unwrap_or(0.0);
    println!(
        "{} batches found damaged, {} mended",
        counted("logmesh_damaged_batches_total"),
        counted("logmesh_mended_batches_total")
    );
}

#[test]
fn nodes_that_compress_differently_answer_and_mend_for_each_other() {
    let _turn = one_at_a_time();
    let mut mesh = Mesh::start(3, SEAL_SOON);
    let lz4 = &mut mesh.nodes[1];
    lz4.plan.settings.push(("LOGMESH_STORE_COMPRESSION".to_owned(), "lz4".to_owned()));
    lz4.terminate();
    lz4.restart();
    mesh.wait_met();
    let all = noisy_records();
    let (first, second) = all.split_at(all.len() / 2);
    let (zstd_bytes, lz4_bytes) = (push_and_seal(&mesh, 0, first), push_and_seal(&mesh, 1, second));
    println!("c holds half of the lines in {zstd_bytes} bytes under zstd, the others in {lz4_bytes} under lz4");
    // Hexadecimal noise takes zstd half a byte a letter, and lz4 a whole one.
    assert!(lz4_bytes as f64 > 1.5 * zstd_bytes as f64);
    mesh.nodes[2].kill9();
    fs::remove_dir_all(mesh.nodes[2].plan.data.join("store")).unwrap();
    mesh.nodes[2].restart();
    mesh.wait_met();
    mesh.wait_converged(LATE);
    for at in 0..3 {
        assert_whole(&mesh.client(at), &all);
    }
    mend_until_whole_alone(&mut mesh, &all);
}

#[test]
fn flipped_bytes_in_the_tail_are_mended() {
    let _turn = one_at_a_time();
    let mut mesh = Mesh::start(3, &[]);
    let all = push_to_all(&mesh);
    mesh.wait_converged(LATE);
    for tenths in FLIPS_AT_TENTHS {
        mesh.nodes[2].kill9();
        let log = largest(&mesh.nodes[2].plan.data.join("store"), "log");
        let flipped = flip(&log, tenths);
        let outcome = start_damaged(&mut mesh.nodes[2], &all);
        mesh.wait_met();
        let took = mesh.wait_converged(LATE);
        let fetched = mesh.client(2).json("/logmesh/v1/status")["repair"]["batches_received"].as_u64().unwrap_or(0);
        println!("{flipped}: {outcome}, {fetched} batches fetched, whole after {took:?}");
        for at in 0..3 {
            assert_whole(&mesh.client(at), &all);
        }
    }
}

/// Pushes to the node `at` and waits until all nodes hold it sealed. Returns the bytes that it takes on node c.
fn push_and_seal(mesh: &Mesh, at: usize, records: &[Record]) -> u64 {
    let status = || mesh.client(2).json("/logmesh/v1/status");
    let taken = || status()["store"]["sealed_stored_bytes"].as_u64().unwrap();
    let before = taken();
    for some in records.chunks(400) {
        Protocol::LokiProtobuf.push_well(&mesh.client(at), "kept", some);
    }
    mesh.wait_converged(LATE);
    wait_sealed(&mesh.client(2));
    taken() - before
}

fn wait_sealed(client: &Client) {
    eventually(LATE, "everything is sealed", || {
        let segments = client.json("/logmesh/v1/status")["segments"].clone();
        (segments["batches"] == segments["sealed_batches"]).then_some(())
    });
}

/// Node c alone has everything in the end, for which it may need the others a few times.
fn mend_until_whole_alone(mesh: &mut Mesh, all: &[Record]) {
    let mut rounds = 0;
    while !is_whole_alone(mesh, all) {
        rounds += 1;
        assert!(rounds < 3, "c has all to mend its disk from, and does not");
        mesh.wait_converged(LATE);
    }
}

/// Stops the others and tells whether node c alone has everything; starts them again if not.
fn is_whole_alone(mesh: &mut Mesh, all: &[Record]) -> bool {
    for at in [0, 1] {
        mesh.nodes[at].terminate();
    }
    for name in ["a", "b"] {
        mesh.wait_member(2, name, "away");
    }
    assert_nothing_wrong(&mesh.client(2), all);
    let found = find_all(&mesh.client(2), KEPT);
    if found.complete && found.lines.len() == all.len() {
        return true;
    }
    println!("c alone misses {} lines: {}", all.len() - found.lines.len(), found.warnings.join("; "));
    for at in [0, 1] {
        mesh.nodes[at].start();
    }
    mesh.wait_met();
    false
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
    "it refused to start, and started without its store"
}

/// Flips bytes at several places of each large table file: sealed blocks are what makes them large.
fn flip_all(directory: &Path) -> Vec<String> {
    let large = |path: &PathBuf| fs::metadata(path).unwrap().len() >= LARGE_FILE_BYTES;
    let files = files_beneath(directory, "sst").into_iter().filter(large);
    files.flat_map(|path| FLIPS_AT_TENTHS.map(|tenths| flip(&path, tenths))).collect()
}

/// Inverts a byte, that many tenths into the file. Returns what was done.
fn flip(path: &Path, tenths: u64) -> String {
    let file = fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
    let length = file.metadata().unwrap().len();
    let at = length * tenths / 10;
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[!byte[0]], at).unwrap();
    format!("{at} of {length} in {}", path.file_name().unwrap().to_string_lossy())
}

fn largest(directory: &Path, extension: &str) -> PathBuf {
    let files = files_beneath(directory, extension).into_iter();
    let largest = files.max_by_key(|path| fs::metadata(path).unwrap().len());
    largest.unwrap_or_else(|| panic!("no .{extension} in {}", directory.display()))
}

fn files_beneath(directory: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let within = entries.flat_map(|path| if path.is_dir() { files_beneath(&path, extension) } else { vec![path] });
    within.filter(|path| path.extension().is_some_and(|other| other == extension)).collect()
}

/// Pushes to each of three nodes, in several batches, what packs badly: small extents do not get a file of their own.
fn push_to_all(mesh: &Mesh) -> Vec<Record> {
    let all = noisy_records();
    for (number, some) in all.chunks(400).enumerate() {
        Protocol::LokiProtobuf.push_well(&mesh.client(number % 3), "kept", some);
    }
    all
}

fn noisy_records() -> Vec<Record> {
    let mut all = records(12_000);
    let mut state = 1_u64;
    for record in &mut all {
        for _ in 0..LINE_NOISE_WORDS {
            // Knuth's linear congruential generator (The Art of Computer Programming, volume 2, 3.3.4).
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            write!(record.line, " {:08x}", state >> 32).unwrap();
        }
    }
    all
}

fn assert_nothing_wrong(client: &Client, all: &[Record]) {
    let found = find_all(client, KEPT);
    found.assert_nothing_else(all.iter().map(|record| record.line.as_str()));
    let missing = all.len() - found.lines.len();
    let url = client.url("");
    assert!(
        missing == 0 || !found.complete,
        "{url}: {missing} lines are missing from an answer that calls itself complete"
    );
}

fn assert_whole(client: &Client, all: &[Record]) {
    assert_nothing_wrong(client, all);
    find_all(client, KEPT).assert_complete();
    assert_eq!(count(client, KEPT), all.len() as u64, "counted from {}", client.url(""));
}

const KEPT: &str = r#"{app="kept"}"#;
/// Seals small extents at once, so that sealed data is what gets damaged.
const SEAL_SOON: &[(&str, &str)] = &[("LOGMESH_STORE_SEAL_BYTES", "2MiB"), ("LOGMESH_STORE_SEAL_AFTER_QUIET", "1s")];
const LINE_NOISE_WORDS: usize = 50;
const FLIPS_AT_TENTHS: [u64; 3] = [1, 4, 7];
const LARGE_FILE_BYTES: u64 = 256 << 10;
