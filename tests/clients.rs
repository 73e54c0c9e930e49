//! Real clients against a real node: the node's own commands, curl, and the OpenTelemetry SDK for Python. What a machine
//! cannot have is skipped with a sentence.

#[allow(dead_code, unused_imports, reason = "each test uses its part of the harness")]
mod harness;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use harness::{Mesh, count, find_all, one_at_a_time, run_logmesh, skip};

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
    let python = match python_with_opentelemetry() {
        Ok(python) => python,
        Err(why) => return skip(&why),
    };
    let mesh = Mesh::start(1, &[]);
    let script = mesh.directory().join("send.py");
    fs::write(&script, PYTHON_SCRIPT).unwrap();
    run(Command::new(python).arg(&script).arg(mesh.client(0).url("/otlp/v1/logs")));
    let found = find_all(&mesh.client(0), r#"{service_name="shop"}"#);
    assert_eq!(found.lines.len(), 50, "{:?}", found.lines.keys().next());
    assert_eq!(count(&mesh.client(0), r#"{service_name="shop"} | order = `o-7`"#), 1, "attributes are metadata");
}

/// Makes an environment with the SDK once and keeps it beside the tests' other files.
fn python_with_opentelemetry() -> Result<PathBuf, String> {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("opentelemetry-python");
    let python = directory.join("bin/python");
    if runs(&python.to_string_lossy(), &["-c", "import opentelemetry.exporter.otlp.proto.http"]) {
        return Ok(python);
    }
    if !runs("python3", &["-m", "venv", &directory.to_string_lossy()]) {
        return Err("there is no python3 with venv".to_owned());
    }
    let wanted = ["-m", "pip", "install", "-q", "opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-http"];
    if !runs(&python.to_string_lossy(), &wanted) {
        return Err("pip cannot install the OpenTelemetry SDK".to_owned());
    }
    Ok(python)
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

const PYTHON_SCRIPT: &str = r#"
import logging, sys
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter

provider = LoggerProvider(resource=Resource.create({"service.name": "shop"}))
provider.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter(endpoint=sys.argv[1])))
logger = logging.getLogger("shop")
logger.setLevel(logging.INFO)
logger.addHandler(LoggingHandler(logger_provider=provider))
for number in range(50):
    logger.info("order %d was shipped", number, extra={"order": f"o-{number}"})
provider.shutdown()
"#;
