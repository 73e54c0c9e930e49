//! One `logmesh` process, its directory and its log.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use super::{Client, SOON, eventually};

/// How a node is to be started.
#[derive(Clone, Debug)]
pub(crate) struct NodePlan {
    pub(crate) name: String,
    pub(crate) data: PathBuf,
    pub(crate) log: PathBuf,
    pub(crate) http: SocketAddr,
    pub(crate) mesh: SocketAddr,
    pub(crate) seeds: Vec<String>,
    pub(crate) secret_file: Option<PathBuf>,
    /// `LOGMESH_*` variables.
    pub(crate) settings: Vec<(String, String)>,
    pub(crate) arguments: Vec<String>,
    /// The network namespace to run in.
    pub(crate) namespace: Option<String>,
}

/// A node that was started, perhaps killed since. Killed when dropped.
pub(crate) struct Node {
    pub(crate) plan: NodePlan,
    child: Option<Child>,
}

impl NodePlan {
    /// Returns a plan for a node on loopback that keeps all it has beneath `directory`.
    pub(crate) fn new(directory: &Path, name: &str) -> Self {
        Self {
            name: name.to_owned(),
            data: directory.join(name),
            log: directory.join(format!("{name}.log")),
            http: free_address(),
            mesh: free_address(),
            seeds: Vec::new(),
            secret_file: None,
            settings: Vec::new(),
            arguments: Vec::new(),
            namespace: None,
        }
    }

    /// Adds a setting by its environment variable.
    pub(crate) fn set(mut self, variable: &str, value: &str) -> Self {
        self.settings.push((variable.to_owned(), value.to_owned()));
        self
    }

    /// Starts the node.
    pub(crate) fn start(self) -> Node {
        let mut node = Node { plan: self, child: None };
        node.start();
        node
    }

    fn command(&self) -> Command {
        let mut command = match &self.namespace {
            Some(namespace) => {
                // `ip` replaces itself by the node, so the child's id is the node's.
                let mut command = Command::new("ip");
                command.args(["netns", "exec", namespace]).arg(binary());
                command
            }
            None => Command::new(binary()),
        };
        command.arg("run").arg("--data").arg(&self.data).args(["--name", &self.name]);
        command.args(["--http", &self.http.to_string(), "--mesh", &self.mesh.to_string()]);
        for seed in &self.seeds {
            command.args(["--seed", seed]);
        }
        if let Some(file) = &self.secret_file {
            command.arg("--secret-file").arg(file);
        }
        command.args(&self.arguments);
        without_settings(&mut command);
        // To look closer at a test that fails: LOGMESH_TEST_LOG=debug.
        if let Ok(filter) = std::env::var("LOGMESH_TEST_LOG") {
            command.args(["--log", &filter]);
        }
        command.envs(self.settings.iter().map(|(name, value)| (name, value)));
        command
    }
}

impl Node {
    /// Starts the process; it must not be running. What it logs is added to its log file.
    pub(crate) fn start(&mut self) {
        assert!(self.child.is_none(), "{} is running", self.plan.name);
        let open =
            || OpenOptions::new().create(true).append(true).open(&self.plan.log).expect("the log can be written");
        let mut command = self.plan.command();
        command.stdin(Stdio::null()).stdout(open()).stderr(open());
        self.child = Some(command.spawn().expect("the node's binary starts"));
    }

    /// Returns a client for it.
    pub(crate) fn client(&self) -> Client {
        Client::new(self.plan.http)
    }

    /// Returns the process id; it must be running.
    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().unwrap_or_else(|| panic!("{} is not running", self.plan.name)).id()
    }

    /// Returns the node's id, which it must be able to tell.
    pub(crate) fn id(&self) -> String {
        self.client().json("/logmesh/v1/status")["node"].as_str().expect("a node has an id").to_owned()
    }

    /// Returns the process id, if it was started and neither killed nor ended since.
    pub(crate) fn pid_if_running(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Returns the end of its id, by which sentences name it.
    pub(crate) fn short_id(&self) -> String {
        let id = self.id();
        id[id.len() - 8..].to_owned()
    }

    /// Tells whether the process is there.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| child.try_wait().expect("a child can be waited for").is_none())
    }

    /// Waits until the node has met its mesh.
    pub(crate) fn wait_ready(&mut self) {
        let client = self.client();
        let what = format!("{} is ready", self.plan.name);
        eventually(SOON, &what, || {
            assert!(self.is_running(), "{} ended; its log:\n{}", self.plan.name, self.log());
            client.get("/ready").ok().filter(|reply| reply.status == 200).map(drop)
        });
    }

    /// Ends the process as a power cut would, as far as a process can.
    pub(crate) fn kill9(&mut self) {
        let mut child = self.child.take().unwrap_or_else(|| panic!("{} is not running", self.plan.name));
        child.kill().expect("a child can be killed");
        child.wait().expect("a child can be waited for");
    }

    /// Asks the process to end and waits until it has.
    pub(crate) fn terminate(&mut self) -> ExitStatus {
        let pid = self.pid().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status().expect("kill is there");
        assert!(sent.success(), "SIGTERM reaches {}", self.plan.name);
        self.wait_exit(Duration::from_secs(60))
    }

    /// Waits until the process ends by itself.
    pub(crate) fn wait_exit(&mut self, deadline: Duration) -> ExitStatus {
        let mut child = self.child.take().unwrap_or_else(|| panic!("{} is not running", self.plan.name));
        let what = format!("{} ends", self.plan.name);
        let status = eventually(deadline, &what, || child.try_wait().expect("a child can be waited for"));
        self.child = None;
        status
    }

    /// Starts it again where it was and waits until it is ready.
    pub(crate) fn restart(&mut self) {
        self.start();
        self.wait_ready();
    }

    /// Returns all that it logged so far, of all its starts.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.plan.log).unwrap_or_default()).into_owned()
    }

    /// Fails if it ever panicked or aborted.
    pub(crate) fn assert_no_panic(&self) {
        let log = self.log();
        for sign in ["panicked at", "memory allocation of", "stack overflow"] {
            let found = log.lines().find(|line| line.contains(sign));
            assert!(found.is_none(), "{}: {}", self.plan.name, found.unwrap_or_default());
        }
    }

    /// Returns a line of `/proc/PID/status` in bytes: `VmRSS`, `VmHWM`.
    pub(crate) fn memory(&self, line: &str) -> u64 {
        let text = fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("a running process has a status");
        let found = text.lines().find(|other| other.split(':').next() == Some(line)).expect("the line is there");
        let kibibytes = found.split_whitespace().nth(1).and_then(|number| number.parse::<u64>().ok());
        kibibytes.expect("memory is a number") << 10
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.kill9();
        }
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let from = lines.len().saturating_sub(LOG_TAIL_LINES);
            eprintln!("--- the end of the log of {}:\n{}", self.plan.name, lines[from..].join("\n"));
        }
    }
}

/// Runs `logmesh` with these arguments to its end. Returns how it ended and what it said on both outputs.
pub(crate) fn run_logmesh(arguments: &[&str]) -> (ExitStatus, String, String) {
    let mut command = Command::new(binary());
    without_settings(&mut command);
    let output = command.args(arguments).stdin(Stdio::null()).output().expect("the node's binary starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status, text(&output.stdout), text(&output.stderr))
}

/// Returns an address on loopback whose port is free for TCP and UDP and was not returned before. It is not one of
/// those that the kernel gives to outgoing connections: such a one could be taken while the node is down.
pub(crate) fn free_address() -> SocketAddr {
    static TAKEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let mut taken = TAKEN.lock().expect("nobody panics with this lock");
    let first = std::process::id() as u16 % (PORTS.1 - PORTS.0);
    let port = (0..PORTS.1 - PORTS.0).map(|step| PORTS.0 + (first + step) % (PORTS.1 - PORTS.0)).find(|port| {
        let address = (Ipv4Addr::LOCALHOST, *port);
        !taken.contains(port) && TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok()
    });
    let port = port.expect("some port is free");
    taken.insert(port);
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

/// Writes a fresh mesh secret beneath `directory`.
pub(crate) fn write_secret(directory: &Path, name: &str) -> PathBuf {
    let path = directory.join(name);
    let (status, secret, log) = run_logmesh(&["keygen"]);
    assert!(status.success(), "logmesh keygen: {log}");
    let mut file = File::create(&path).expect("the secret can be written");
    std::io::Write::write_all(&mut file, secret.as_bytes()).expect("the secret can be written");
    let only_mine = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    fs::set_permissions(&path, only_mine).expect("the secret can be kept to oneself");
    path
}

/// Takes away the settings of whoever runs the tests, and the sizes of the tests themselves.
fn without_settings(command: &mut Command) {
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("LOGMESH_")) {
        command.env_remove(name);
    }
}

/// Returns the binary under test. `LOGMESH_TEST_BINARY` names another one, such as an older release.
fn binary() -> PathBuf {
    std::env::var_os("LOGMESH_TEST_BINARY").map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_logmesh")), PathBuf::from)
}

/// Below the ports that Linux gives to outgoing connections (32768 and up by default).
const PORTS: (u16, u16) = (12_000, 32_000);
const LOG_TAIL_LINES: usize = 60;
