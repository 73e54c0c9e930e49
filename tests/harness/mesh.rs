//! Several nodes that know each other.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::node::write_secret;
use super::{Client, Namespaces, Node, NodePlan, SOON, eventually};

/// A mesh in a directory of its own. Its nodes are `a`, `b`, `c` …; a fails check at the end if one of them panicked.
pub(crate) struct Mesh {
    pub(crate) nodes: Vec<Node>,
    pub(crate) secret_file: PathBuf,
    // Dropped after the nodes: they write into it.
    directory: TempDir,
}

impl Mesh {
    /// Starts `count` nodes with these settings beside those of [`QUICK`], and waits until each has met all others.
    pub(crate) fn start(count: usize, settings: &[(&str, &str)]) -> Self {
        Self::start_in(count, settings, None)
    }

    /// Starts one node in each namespace.
    pub(crate) fn start_in_namespaces(namespaces: &Namespaces, settings: &[(&str, &str)]) -> Self {
        Self::start_in(namespaces.count(), settings, Some(namespaces))
    }

    fn start_in(count: usize, settings: &[(&str, &str)], namespaces: Option<&Namespaces>) -> Self {
        let directory = tempfile::tempdir().expect("a directory for the test");
        let secret_file = write_secret(directory.path(), "secret");
        let mut plans: Vec<NodePlan> = (0..count).map(|at| NodePlan::new(directory.path(), &name(at))).collect();
        for (at, plan) in plans.iter_mut().enumerate() {
            if let Some(namespaces) = namespaces {
                plan.namespace = Some(namespaces.name(at));
                plan.http.set_ip(namespaces.address(at));
                plan.mesh.set_ip(namespaces.address(at));
            }
        }
        let seeds: Vec<String> = plans.iter().map(|plan| plan.mesh.to_string()).collect();
        let start = |mut plan: NodePlan| {
            // A node that names none but itself as its seed would wait for an answer from it.
            plan.seeds = seeds.iter().filter(|seed| **seed != plan.mesh.to_string()).cloned().collect();
            plan.secret_file = Some(secret_file.clone());
            QUICK.iter().chain(settings).fold(plan, |plan, (name, value)| plan.set(name, value)).start()
        };
        let nodes = plans.into_iter().map(start).collect();
        let mut mesh = Self { nodes, secret_file, directory };
        mesh.wait_met();
        mesh
    }

    /// Returns the directory that holds everything of this mesh.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Returns a client for the node `at`.
    pub(crate) fn client(&self, at: usize) -> Client {
        self.nodes[at].client()
    }

    /// Returns the plan of one more node, which is not started.
    pub(crate) fn plan(&self, name: &str) -> NodePlan {
        let mut plan = NodePlan::new(self.directory(), name);
        plan.seeds = self.nodes.iter().map(|node| node.plan.mesh.to_string()).collect();
        plan.secret_file = Some(self.secret_file.clone());
        QUICK.iter().fold(plan, |plan, (name, value)| plan.set(name, value))
    }

    /// Waits until each node that runs is ready and sees all that run as live.
    pub(crate) fn wait_met(&mut self) {
        for node in self.nodes.iter_mut().filter(|node| node.pid_if_running().is_some()) {
            node.wait_ready();
        }
        let running = self.running();
        for at in &running {
            let what = format!("{} sees {} live members", self.nodes[*at].plan.name, running.len());
            eventually(SOON, &what, || (self.live(*at) == running.len()).then_some(()));
        }
    }

    /// Waits until `at` sees the member called `name` in `state`.
    pub(crate) fn wait_member(&self, at: usize, name: &str, state: &str) {
        let what = format!("{} sees {name} {state}", self.nodes[at].plan.name);
        eventually(SOON, &what, || {
            let members = self.client(at).try_json("/logmesh/v1/members")?;
            let members = members.as_array()?.clone();
            members.iter().any(|member| member["name"] == name && member["state"] == state).then_some(())
        });
    }

    /// Waits until all holders of each segment that run hold the same. Returns how long that took.
    pub(crate) fn wait_converged(&self, deadline: Duration) -> Duration {
        let begun = Instant::now();
        let mut why = String::new();
        let what = "all holders hold the same";
        let ask = || match self.difference() {
            None => Some(()),
            Some(difference) => {
                why = difference;
                (begun.elapsed() >= deadline).then(|| panic!("not within {deadline:?}: {what}: {why}"))
            }
        };
        eventually(deadline + SOON, what, ask);
        begun.elapsed()
    }

    /// Returns the nodes that run.
    pub(crate) fn running(&self) -> Vec<usize> {
        (0..self.nodes.len()).filter(|at| self.nodes[*at].pid_if_running().is_some()).collect()
    }

    /// Says where two nodes differ in what they should both hold.
    fn difference(&self) -> Option<String> {
        let mut held: BTreeMap<String, BTreeMap<String, Row>> = BTreeMap::new();
        let mut ids = BTreeSet::new();
        for at in self.running() {
            let client = self.client(at);
            let Some(status) = client.try_json("/logmesh/v1/status") else { return Some(format!("{at} is silent")) };
            let id = status["node"].as_str().expect("a node has an id").to_owned();
            let Some(rows) = client.try_json("/logmesh/v1/segments") else { return Some(format!("{at} is silent")) };
            for row in rows.as_array().expect("segments are a list") {
                let segment = row["segment"].as_str().expect("a segment has an id").to_owned();
                held.entry(segment).or_default().insert(id.clone(), Row::read(row));
            }
            ids.insert(id);
        }
        held.iter().find_map(|(segment, rows)| differ(rows, &ids).map(|why| format!("segment {segment}: {why}")))
    }

    fn live(&self, at: usize) -> usize {
        let Some(members) = self.client(at).try_json("/logmesh/v1/members") else { return 0 };
        let members = members.as_array().expect("members are a list");
        members.iter().filter(|member| member["state"] == "live" || member["self"] == true).count()
    }
}

impl Drop for Mesh {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.nodes.iter().for_each(Node::assert_no_panic);
        }
    }
}

/// What one node says of a segment.
#[derive(Debug)]
struct Row {
    held: u64,
    head: u64,
    root: Option<String>,
    holders: BTreeSet<String>,
}

impl Row {
    fn read(json: &Value) -> Self {
        let holders = json["holders"].as_array().expect("holders are a list");
        Self {
            held: json["held_batches"].as_u64().expect("a number"),
            head: json["head_batches"].as_u64().unwrap_or(0),
            root: json["root"].as_str().map(str::to_owned),
            holders: holders.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        }
    }
}

fn differ(rows: &BTreeMap<String, Row>, running: &BTreeSet<String>) -> Option<String> {
    let most = rows.values().map(|row| row.held.max(row.head)).max().unwrap_or(0);
    let holders: BTreeSet<&String> =
        rows.values().flat_map(|row| &row.holders).filter(|id| running.contains(*id)).collect();
    let mut root: Option<&String> = None;
    for id in holders {
        let Some(row) = rows.get(id) else { return Some(format!("{id} does not know it")) };
        if row.held != most {
            return Some(format!("{id} holds {} of {most}", row.held));
        }
        let Some(other) = &row.root else { return Some(format!("{id} has no root")) };
        if root.is_some_and(|root| root != other) {
            return Some(format!("{id} has another root"));
        }
        root = Some(other);
    }
    None
}

fn name(at: usize) -> String {
    char::from(b'a' + u8::try_from(at).expect("few nodes")).to_string()
}

/// Repair every second instead of every ten: a test waits for it often.
const QUICK: &[(&str, &str)] = &[("LOGMESH_REPLICATION_REPAIR_INTERVAL", "1s")];
