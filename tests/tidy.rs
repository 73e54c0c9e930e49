//! Laws of the house that no compiler checks: who may depend on whom, and how long a file may be. Reads text only.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn the_machine_depends_on_what_is_pinned_and_nothing_else() {
    let manifest = read("protocol/Cargo.toml");
    assert_eq!(dependencies(&manifest, "dependencies"), set(PROTOCOL_DEPENDENCIES), "think before you change the list");
}

#[test]
fn rooms_depend_on_the_protocol_and_on_no_other_room() {
    for room in ROOMS {
        let manifest = read(&format!("{room}/Cargo.toml"));
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let ours = dependencies(&manifest, section).into_iter().filter(|name| name.starts_with("logmesh-"));
            let others: Vec<String> = ours.filter(|name| name != "logmesh-protocol").collect();
            assert!(others.is_empty(), "{room} depends on {others:?}");
        }
    }
}

#[test]
fn every_room_is_known_here() {
    let members = read("Cargo.toml");
    let members = members.lines().find(|line| line.starts_with("members")).expect("the workspace names its members");
    let named: BTreeSet<String> = members.split('"').skip(1).step_by(2).map(str::to_owned).collect();
    let known: BTreeSet<String> = ROOMS.iter().chain(&["protocol", "node"]).map(|&room| room.to_owned()).collect();
    assert_eq!(named, known);
}

#[test]
fn imports_within_the_node_go_one_way() {
    let mut checked = 0;
    for (room, allowed) in NODE_IMPORTS {
        for file in room_files("node/src", room) {
            let text = read_path(&file);
            let modules: Vec<&str> = NODE_IMPORTS.iter().map(|(name, _)| *name).collect();
            for used in modules.iter().filter(|name| uses(&text, &format!("crate::{name}"))) {
                let fine = used == room || allowed.contains(used);
                assert!(fine, "{} uses crate::{used}; {room} may use {allowed:?} only", file.display());
            }
            checked += 1;
        }
    }
    assert!(checked >= NODE_IMPORTS.len(), "only {checked} files were found");
}

#[test]
fn the_machine_touches_no_world() {
    let files = sources(&root().join("protocol/src"));
    assert!(files.len() > 10, "only {} files were found", files.len());
    for file in files {
        let text = read_path(&file);
        for word in WORLD {
            assert!(!uses(&text, word), "{} uses {word}", file.display());
        }
    }
}

#[test]
fn files_are_short_and_say_what_they_are_for() {
    let files: Vec<PathBuf> =
        ["protocol", "node", "sim", "tests"].iter().flat_map(|room| sources(&root().join(room))).collect();
    assert!(files.len() > 50, "only {} files were found", files.len());
    for file in files {
        let text = read_path(&file);
        let lines = text.lines().count();
        assert!(lines <= LINES_MAX, "{} has {lines} lines; {LINES_MAX} are the most: split it", file.display());
        assert!(text.starts_with("//! "), "{} does not begin with what it is for (//!)", file.display());
        assert!(file.file_name() != Some("mod.rs".as_ref()), "{}: name it after its unit", file.display());
    }
}

#[test]
fn the_readers_of_this_test_see_what_they_should() {
    let manifest = "[package]\nname = \"x\"\n[dependencies]\na.workspace = true\nb = \"1\" # c\n# d = \"1\"\n[dependencies.e]\nversion = \"1\"\n[lints]\nf = 1\n";
    assert_eq!(dependencies(manifest, "dependencies"), set(&["a", "b", "e"]));
    for (text, expected) in [
        ("use crate::shell::Mesh;", true),
        ("    crate::shell::run()", true),
        ("use crate::shells::Mesh;", false),
        ("// crate::shell is not used", false),
        ("/// See [`crate::shell`].", false),
    ] {
        assert_eq!(uses(text, "crate::shell"), expected, "{text}");
    }
}

/// Returns the names in a section of a manifest.
fn dependencies(manifest: &str, section: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut within = false;
    for line in manifest.lines().map(str::trim) {
        if let Some(head) = line.strip_prefix('[') {
            let head = head.trim_end_matches(']');
            within = head == section;
            names.extend(head.strip_prefix(section).and_then(|rest| rest.strip_prefix('.')).map(str::to_owned));
        } else if within && !line.starts_with('#') && !line.is_empty() {
            let end = line.find(['.', '=', ' ']).unwrap_or(line.len());
            names.insert(line[..end].to_owned());
        }
    }
    names
}

/// Tells whether code, not a comment, has `path` as a whole word.
fn uses(text: &str, path: &str) -> bool {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    text.lines().filter(|line| !line.trim_start().starts_with("//")).any(|line| {
        line.match_indices(path)
            .any(|(at, _)| !line[..at].ends_with(word) && !line[at + path.len()..].starts_with(word))
    })
}

/// Returns `room.rs` and all files beneath `room/`.
fn room_files(beneath: &str, room: &str) -> Vec<PathBuf> {
    let beneath = root().join(beneath);
    let mut files = sources(&beneath.join(room));
    files.push(beneath.join(format!("{room}.rs")));
    files
}

/// Returns all Rust files beneath a directory, if there is one.
fn sources(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let mut files = Vec::new();
    for path in entries.map(|entry| entry.expect("a directory can be listed").path()) {
        if path.is_dir() && path.file_name() != Some("target".as_ref()) {
            files.extend(sources(&path));
        } else if path.extension() == Some("rs".as_ref()) {
            files.push(path);
        }
    }
    files
}

fn read(path: &str) -> String {
    read_path(&root().join(path))
}

fn read_path(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the node lies within the workspace").to_owned()
}

const LINES_MAX: usize = 600;

/// Each of these runs wherever the machine runs, also in the simulator: none may read a clock or do I/O.
const PROTOCOL_DEPENDENCIES: &[&str] =
    &["bincode", "blake3", "bs58", "bytes", "rand", "rand_chacha", "serde", "serde_bytes", "smallvec", "thiserror"];

/// The crates that know the protocol only; `node` joins them.
const ROOMS: &[&str] = &["node/store", "node/logql", "node/ingest", "node/gossip", "node/net", "sim"];

/// Which module of the node may use which others.
const NODE_IMPORTS: &[(&str, &[&str])] = &[
    ("cli", &["config", "shell"]),
    ("clock", &[]),
    ("config", &[]),
    ("http", &["clock", "config", "metrics", "query", "shell"]),
    ("metrics", &[]),
    ("query", &["shell"]),
    ("shell", &["clock", "config", "http", "metrics", "query"]),
];

/// What the pure machine must not touch. Clocks, randomness and hash maps are clippy's to find.
const WORLD: &[&str] =
    &["std::fs", "std::net", "std::process", "std::thread", "std::env", "std::io", "tokio", "async", "Mutex", "RwLock"];
