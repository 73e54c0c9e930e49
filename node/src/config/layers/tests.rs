//! Precedence, sources, and every way in which settings are refused.

use super::*;
use crate::config::unit::parse_duration;

fn typed(file: Option<&Path>, environment: &[(&str, &str)], flags: &[(&'static str, &str)]) -> Typed {
    Typed {
        flags: flags.iter().map(|(key, value)| (*key, (*value).to_owned())).collect(),
        environment: environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        file: file.map(Path::to_owned),
    }
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

fn refusal(typed: &Typed) -> String {
    Loaded::load(typed).and_then(Loaded::admit).expect_err("refused").to_string()
}

#[test]
fn flags_beat_environment_beats_file_beats_default() {
    let file = file("[mesh]\ncopies = 2\nretention = \"7d\"\n[node]\nzone = \"file\"\nseeds = [\"a:1\", \"b:2\"]\n");
    let environment = [("LOGMESH_COPIES", "4"), ("LOGMESH_ZONE", "env"), ("LOGMESH_NAME", "")];
    let loaded = Loaded::load(&typed(Some(file.path()), &environment, &[("mesh.copies", "5")])).unwrap();
    let source = |key| loaded.source(key).clone();
    assert_eq!((loaded.config.mesh.copies, source("mesh.copies")), (5, Source::Flag("--copies".to_owned())));
    assert_eq!(loaded.config.own.zone, "env");
    assert_eq!(source("node.zone"), Source::Environment("LOGMESH_ZONE".to_owned()));
    assert_eq!(loaded.config.mesh.retention, parse_duration("7d").unwrap());
    assert_eq!(source("mesh.retention"), Source::File(file.path().to_owned()));
    assert_eq!(loaded.config.own.seeds, ["a:1", "b:2"]);
    assert_eq!(loaded.config.own.http, Config::default().own.http);
    assert_eq!(source("node.http"), Source::Default);
    assert!(!loaded.config.own.name.is_empty(), "an empty name is the host's");
}

#[test]
fn the_environment_names_the_file_unless_a_flag_does() {
    let (ours, theirs) = (file("[mesh]\ncopies = 2"), file("[mesh]\ncopies = 4"));
    let environment = [("LOGMESH_CONFIG", theirs.path().to_str().unwrap())];
    assert_eq!(Loaded::load(&typed(None, &environment, &[])).unwrap().config.mesh.copies, 4);
    assert_eq!(Loaded::load(&typed(Some(ours.path()), &environment, &[])).unwrap().config.mesh.copies, 2);
}

#[test]
fn what_is_printed_can_be_read_back() {
    let loaded = Loaded::load(&typed(None, &[("LOGMESH_SOMETHING_ELSE", "x")], &[("mesh.copies", "2")])).unwrap();
    let printed = file(&loaded.to_toml());
    let again = Loaded::load(&typed(Some(printed.path()), &[], &[])).unwrap();
    assert_eq!(again.config, loaded.config);
    assert!(loaded.to_toml().lines().any(|line| line.starts_with("copies = 2 ") && line.ends_with("# flag --copies")));
    assert_eq!(loaded.to_json()["mesh.copies"], serde_json::json!({ "value": 2, "source": "flag --copies" }));
}

#[test]
fn a_file_with_an_unknown_key_is_refused_by_name() {
    for (text, expected) in [
        ("[mesh]\ncopis = 3", "`mesh.copis`, which is no setting; did you mean `mesh.copies`?"),
        ("[mash]\ncopies = 3", "`[mash]`, which is no setting; did you mean `[mesh]`?"),
        ("copies = 3", "`copies`, which is no setting; did you mean `mesh.copies`?"),
        ("[node]\ncolour = \"red\"", "`node.colour`, which is no setting"),
    ] {
        let file = file(text);
        let refusal = refusal(&typed(Some(file.path()), &[], &[]));
        assert!(refusal.contains(expected), "{text}: {refusal}");
    }
}

#[test]
fn a_value_that_cannot_be_used_is_refused_with_its_source() {
    let file = file("[mesh]\nretention = 30");
    for (typed, expected) in [
        (typed(Some(file.path()), &[], &[]), "\"30\" is no duration"),
        (typed(None, &[("LOGMESH_WEIGHT", "300")], &[]), "`node.weight` (environment LOGMESH_WEIGHT): \"300\" is no"),
        (typed(None, &[], &[("mesh.copies", "0")]), "`mesh.copies` (flag --copies): "),
        (typed(None, &[], &[("node.http", "localhost")]), "`node.http` (flag --http): \"localhost\": "),
        (typed(Some(Path::new("/nowhere/at/all")), &[], &[]), "cannot read the settings in /nowhere/at/all"),
    ] {
        let refusal = refusal(&typed);
        assert!(refusal.contains(expected), "{refusal}");
    }
}

#[test]
fn a_node_open_to_others_needs_a_secret() {
    let open = [("node.mesh", "192.0.2.1:7946")];
    assert!(refusal(&typed(None, &[], &open)).contains("logmesh keygen"));
    let secret = Secret::generate();
    let key = file(&format!("# ours\n{}\n", secret.reveal()));
    let path = key.path().to_str().unwrap();
    let closed = [open[0], ("node.secret_file", path)];
    let config = Loaded::load(&typed(None, &[], &closed)).and_then(Loaded::admit).unwrap();
    assert_eq!(config.secrets, [secret]);
    assert_eq!(Loaded::load(&typed(None, &[], &[])).and_then(Loaded::admit).unwrap().secrets, []);
}

#[test]
fn a_file_without_a_secret_is_refused_and_never_shown() {
    for text in ["", "hunter2", "# only this"] {
        let key = file(text);
        let flags = [("node.secret_file", key.path().to_str().unwrap())];
        let refusal = refusal(&typed(None, &[], &flags));
        assert!(refusal.contains("holds no mesh secret") && !refusal.contains("hunter2"), "{refusal}");
    }
}
