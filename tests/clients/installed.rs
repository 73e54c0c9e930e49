//! What real clients need, installed from their registries into the tests' own directory, once: pinned, kept between runs,
//! and told in a clear sentence where it cannot be had.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Returns a Python that has the packages of [`PYTHON`].
pub(crate) fn python() -> PathBuf {
    let (directory, is_there) = place("clients-python", PYTHON);
    let python = directory.join("bin/python");
    if !is_there {
        run(
            Command::new("python3").args(["-m", "venv", "--clear"]).arg(&directory),
            "install python3-venv (deploy/setup.sh tests)",
        );
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
        run(
            Command::new(&python).args(pip).args(PYTHON),
            "is PyPI, or the mirror that pip is set up for, within reach?",
        );
        remember(&directory, PYTHON);
    }
    python
}

/// Returns a directory whose `node_modules` have the packages of [`NODE`]. Scripts that use them must lie in it.
pub(crate) fn node() -> PathBuf {
    let (directory, is_there) = place("clients-node", NODE);
    if !is_there {
        fs::create_dir_all(&directory).expect("the directory of the tests can be written");
        let npm = ["install", "--silent", "--no-audit", "--no-fund", "--no-package-lock", "--prefix"];
        run(
            Command::new("npm").args(npm).arg(&directory).args(NODE),
            "install nodejs and npm (deploy/setup.sh tests); is the npm registry, or the mirror that npm is set up for, within reach?",
        );
        remember(&directory, NODE);
    }
    directory
}

/// Returns where something is installed, and whether it is, in these versions.
fn place(name: &str, packages: &[&str]) -> (PathBuf, bool) {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let is_there = fs::read_to_string(directory.join(MARK)).is_ok_and(|text| text == packages.join("\n"));
    (directory, is_there)
}

fn remember(directory: &Path, packages: &[&str]) {
    fs::write(directory.join(MARK), packages.join("\n")).expect("the directory of the tests can be written");
}

fn run(command: &mut Command, hint: &str) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?} does not start ({error}): {hint}"));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "a client of this test cannot be installed: {hint}\n{command:?}: {said}");
}

/// Says what a directory holds.
const MARK: &str = "installed";
/// The official OpenTelemetry SDK with its exporter; the handler of Python's `logging` for Loki; a WebSocket client.
const PYTHON: &[&str] = &[
    "opentelemetry-sdk==1.45.2",
    "opentelemetry-exporter-otlp-proto-http==1.45.2",
    "python-logging-loki==0.3.1",
    "websockets==17.4",
];
/// Two loggers of Node.js with their transports to Loki: the one pushes JSON, the other snappy-compressed protobuf.
const NODE: &[&str] = &["pino@10.4.0", "pino-loki@3.0.0", "winston@3.19.0", "winston-loki@6.1.7"];
