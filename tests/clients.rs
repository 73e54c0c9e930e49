//! Real clients against a real node: the node's own commands, curl, loggers of Python and Node.js, syslog-ng, and a
//! WebSocket client that is not ours. What they need the tests install themselves, as `clients/installed.rs` says.

#[allow(dead_code, unused_imports, reason = "each test uses its part of the harness")]
mod harness;
#[path = "clients/installed.rs"]
mod installed;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use harness::{LATE, Mesh, Protocol, SOON, count, eventually, find_all, one_at_a_time, records, run_logmesh, skip};

#[test]
fn the_commands_push_query_and_tell() {
    let _turn = one_at_a_time();
    let mesh = Mesh::start(2, &[]);
    let (first, second) = (mesh.client(0).url(""), mesh.client(1).url(""));
    let file = mesh.directory().join("some.log");
    let text: String = (0..5_000).map(|number| format!("line {number}\n")).collect();
    fs::write(&file, text).unwrap();

    let file = file.to_string_lossy().into_owned();
    let pushed = json_of(&["push", &file, "--label", "app=cli", "--to", &first, "--json"]);
    assert_eq!((&pushed["accepted"], &pushed["rejected"]), (&5_000.into(), &0.into()), "{pushed}");
    let (status, found, log) =
        run_logmesh(&["query", r#"{app="cli"}"#, "--limit", "5000", "--output", "raw", "--strict", "--node", &second]);
    assert!(status.success(), "{log}");
    assert_eq!(found.lines().count(), 5_000, "{log}");
    assert!(found.lines().any(|line| line == "line 4999"));
    let told = json_of(&["status", "--json", "--node", &second]);
    assert!(told.to_string().contains(&mesh.nodes[0].id()), "{told}");

    let (status, _, log) = run_logmesh(&["query", "{app=", "--node", &second]);
    assert_eq!(status.code(), Some(1), "a bad query: {log}");
    let (status, _, log) = run_logmesh(&["query", "{}", "--node", "http://127.0.0.1:1"]);
    assert_eq!(status.code(), Some(3), "an unreachable node: {log}");
    let (status, _, log) = run_logmesh(&["query", "--no-such-flag"]);
    assert_eq!(status.code(), Some(2), "wrong usage: {log}");
}

#[test]
fn curl_pushes_and_asks() {
    let _turn = one_at_a_time();
    if !runs("curl", &["--version"]) {
        return skip("there is no curl");
    }
    let mesh = Mesh::start(1, &[]);
    let url = |path: &str| mesh.client(0).url(path);
    // More than a mebibyte, so that curl asks with Expect: 100-continue before it sends.
    let text: String = (0..30_000).map(|number| format!("{number:06} {}\n", "x".repeat(40))).collect();
    let file = mesh.directory().join("body");
    fs::write(&file, text).unwrap();
    let data = format!("@{}", file.display());
    let output =
        run(Command::new("curl").args(["-sS", "-i", "--data-binary", &data, &url("/logmesh/v1/lines?app=curl")]));
    let answer = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(answer.contains("HTTP/1.1 204") && answer.contains("logmesh-copies: 1"), "{answer}");
    let asked = run(Command::new("curl")
        .args(["-sS", "-G", "--data-urlencode"])
        .args([r#"query=sum(count_over_time({app="curl"}[1h]))"#, &url("/loki/api/v1/query")]));
    let answer: Value = serde_json::from_slice(&asked.stdout).unwrap();
    assert_eq!(answer["data"]["result"][0]["value"][1], "30000", "{answer}");
    // Grafana sends queries as forms.
    let asked = run(Command::new("curl")
        .args(["-sS", "--data-urlencode", r#"query={app="curl"} |= "029999""#, "-d", "limit=5"])
        .arg(url("/loki/api/v1/query_range")));
    let answer: Value = serde_json::from_slice(&asked.stdout).unwrap();
    assert_eq!(answer["data"]["result"][0]["values"].as_array().map(Vec::len), Some(1), "{answer}");
}

#[test]
fn the_opentelemetry_sdk_for_python_is_understood() {
    let _turn = one_at_a_time();
    let mesh = Mesh::start(1, &[]);
    let url = mesh.client(0).url("/otlp/v1/logs");
    run(Command::new(installed::python()).arg(script("opentelemetry_sdk.py")).arg(url));
    let found = find_all(&mesh.client(0), r#"{service_name="shop"}"#);
    assert_eq!(found.lines.len(), 50, "{:?}", found.lines.keys().next());
    assert_eq!(count(&mesh.client(0), r#"{service_name="shop"} | order = `o-7`"#), 1, "attributes are metadata");
}

#[test]
fn the_handler_of_python_logging_is_understood() {
    let _turn = one_at_a_time();
    let mesh = Mesh::start(1, &[]);
    let url = mesh.client(0).url("/loki/api/v1/push");
    run(Command::new(installed::python()).arg(script("logging_handler.py")).arg(url));
    let half = r#"{app="python-logging", severity="warning", logger="shop", part="1"} |= "Zürich""#;
    let found = find_all(&mesh.client(0), half);
    assert_eq!(found.lines.len(), 10, "{:?}", found.lines);
    assert!(found.lines.contains_key(r#"order 3 was "shipped" to Zürich"#), "{:?}", found.lines);
}

#[test]
fn pino_and_winston_are_understood() {
    let _turn = one_at_a_time();
    let mesh = Mesh::start(1, &[]);
    let directory = installed::node();
    let url = mesh.client(0).url("");
    for (name, selector) in
        [("pino", r#"{app="pino"} | json | order = `o-7`"#), ("winston", r#"{app="winston"} |= "order 7""#)]
    {
        // Modules are looked for beside the script.
        let copy = directory.join(format!("{name}.mjs"));
        fs::copy(script(&format!("{name}.mjs")), &copy).unwrap();
        run(Command::new("node").arg(&copy).arg(&url));
        let all = format!("{{app={name:?}}}");
        eventually(SOON, "all lines are there", || (count(&mesh.client(0), &all) == 20).then_some(()));
        let found = find_all(&mesh.client(0), selector);
        assert_eq!(found.lines.len(), 1, "{name}: {:?}", found.lines);
        assert!(found.lines.keys().all(|line| line.contains("Zürich")), "{name}: {:?}", found.lines);
    }
}

#[test]
fn syslog_ng_is_understood() {
    let _turn = one_at_a_time();
    let mesh = Mesh::start(1, &[]);
    let conf = mesh.directory().join("syslog-ng.conf");
    let text = fs::read_to_string(script("syslog-ng.conf")).unwrap();
    fs::write(&conf, text.replace("LOKI", &mesh.client(0).url(""))).unwrap();
    let at = |name: &str| mesh.directory().join(name);
    let mut syslog = Command::new("syslog-ng");
    syslog.args(["--foreground", "--no-caps", "--cfgfile"]).arg(&conf);
    syslog.arg("--persist-file").arg(at("persist")).arg("--pidfile").arg(at("pid")).arg("--control").arg(at("control"));
    let child = syslog.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
    let mut child =
        child.unwrap_or_else(|error| panic!("syslog-ng does not start ({error}): deploy/setup.sh tests installs it"));
    let mut lines = child.stdin.take().unwrap();
    (0..25).for_each(|number| writeln!(lines, "host kernel: line {number:02} of Zürich").unwrap());
    lines.flush().unwrap();
    let there = std::panic::catch_unwind(|| {
        eventually(LATE, "all lines are there", || {
            (count(&mesh.client(0), r#"{app="syslog-ng"}"#) == 25).then_some(())
        });
    });
    child.kill().unwrap();
    let said = child.wait_with_output().unwrap();
    assert!(there.is_ok(), "{}", String::from_utf8_lossy(&said.stderr));
    let found = find_all(&mesh.client(0), r#"{app="syslog-ng"} |= "line 07""#);
    assert!(found.lines.contains_key("host kernel: line 07 of Zürich"), "{:?}", found.lines);
}

#[test]
fn a_websocket_client_of_python_follows_the_mesh() {
    let _turn = one_at_a_time();
    let mesh = Mesh::start(2, &[]);
    let before = records(3);
    Protocol::Lines.push_well(&mesh.client(1), "followed", &before);
    let url = mesh.client(0).url("/loki/api/v1/tail?query=%7Bapp%3D%22followed%22%7D").replace("http://", "ws://");
    let mut client = Command::new(installed::python());
    let client = client.arg(script("follow.py")).arg(url).arg("13").stdout(Stdio::piped()).spawn();
    let mut client = client.unwrap();
    let mut told = BufReader::new(client.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert_eq!(told.next().as_deref(), Some("following"));
    let first: Vec<String> = told.by_ref().take(3).collect();
    assert_eq!(first, before.iter().map(|record| record.line.clone()).collect::<Vec<_>>());
    let after = records(10);
    Protocol::LokiProtobuf.push_well(&mesh.client(1), "followed", &after);
    let mut rest: Vec<String> = told.collect();
    rest.sort();
    assert_eq!(rest, after.iter().map(|record| record.line.clone()).collect::<Vec<_>>());
    assert!(client.wait().unwrap().success());
}

/// Returns where a script of these tests lies.
fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/clients/scripts").join(name)
}

fn json_of(arguments: &[&str]) -> Value {
    let (status, out, log) = run_logmesh(arguments);
    assert!(status.success(), "{arguments:?}: {log}");
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{arguments:?} ({error}): {out}"))
}

fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

fn runs(program: &str, arguments: &[&str]) -> bool {
    Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success())
}
