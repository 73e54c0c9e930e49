//! Pushes the records of a case and asks over HTTP.

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use logmesh_logql::{Encoding, QueryResult};
use logmesh_protocol::record::metadata_pairs;
use serde_json::{Map, Value, json};

use crate::engine;
// Whatever else the cases use of the engine's own reader; `check` and `answer` here stand before its.
pub(crate) use crate::engine::*;
use crate::harness::{Client, Mesh};

/// Runs all cases over the records.
pub(crate) fn check(records: &str, cases: &[Case<'_>]) {
    let failures = failures(records, cases);
    assert!(failures.is_empty(), "{failures}");
}

/// Runs all cases over the records; tells all that fail, not only the first.
pub(crate) fn failures(records: &str, cases: &[Case<'_>]) -> String {
    let records = read_records(records);
    let pushed = Pushed::new(&records);
    let mut failures = String::new();
    for (query, ask, want) in cases {
        let answer = engine::answer(query, ask, &records);
        let found = answer.as_ref().map_or_else(|error| format!("error: {error}"), engine::short);
        let want: Vec<&str> = want.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        if found.lines().collect::<Vec<_>>() != want {
            failures += &format!("\n{query}   ({ask})\n  wanted {want:#?}\n  found {found}\n");
        }
        failures += &pushed.compare(query, ask, &answer).unwrap_or_default();
    }
    failures
}

/// Returns the engine's answer, which the nodes must give too.
pub(crate) fn answer(query: &str, ask: &str, records: &[Record]) -> Result<QueryResult, String> {
    let answer = engine::answer(query, ask, records);
    let differs = Pushed::new(records).compare(query, ask, &answer);
    assert_eq!(differs, None);
    answer
}

/// One node, and three.
pub(crate) struct Meshes {
    one: Mesh,
    three: Mesh,
    /// How many cases both were asked.
    asked: AtomicU64,
    /// How many could not be.
    unasked: AtomicU64,
}

impl Meshes {
    /// Returns those that run, or starts them. They end with the last test that uses them: what is static lives on when
    /// tests end, and so would the nodes.
    pub(crate) fn shared() -> Arc<Self> {
        static RUNNING: Mutex<Weak<Meshes>> = Mutex::new(Weak::new());
        let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(meshes) = running.upgrade() {
            return meshes;
        }
        let (asked, unasked) = Default::default();
        let (one, three) = (Mesh::start(1, SETTINGS), Mesh::start(3, SETTINGS));
        let meshes = Arc::new(Self { one, three, asked, unasked });
        *running = Arc::downgrade(&meshes);
        meshes
    }
}

impl Drop for Meshes {
    fn drop(&mut self) {
        let (asked, unasked) = (*self.asked.get_mut(), *self.unasked.get_mut());
        // Past what holds back the output of tests that pass.
        let _ = writeln!(
            std::io::stderr(),
            "{asked} cases were asked over HTTP, of one node and of three; {unasked} cannot be"
        );
        if !std::thread::panicking() {
            assert!(unasked <= UNASKED_MAX, "{unasked} cases were not asked over HTTP");
        }
    }
}

/// Records that were pushed to the nodes, for a tenant of their own.
struct Pushed {
    meshes: Arc<Meshes>,
    tenant: String,
}

impl Pushed {
    fn new(records: &[Record]) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let tenant = format!("case-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let pushed = Self { meshes: Meshes::shared(), tenant };
        let groups = groups(records);
        pushed.push(&pushed.meshes.one.client(0), &groups.iter().collect::<Vec<_>>());
        for at in 0..3 {
            let part: Vec<&Group> = groups.iter().skip(at).step_by(3).collect();
            pushed.push(&pushed.meshes.three.client(at), &part);
        }
        pushed
    }

    fn push(&self, client: &Client, groups: &[&Group]) {
        if groups.is_empty() {
            return;
        }
        let streams: Vec<Value> =
            groups.iter().map(|group| json!({ "stream": group.labels, "values": group.values })).collect();
        let body = json!({ "streams": streams }).to_string();
        let headers = [("content-type", "application/json"), ("x-scope-orgid", self.tenant.as_str())];
        let reply = client.post("/loki/api/v1/push?copies=1", &headers, body.as_bytes()).unwrap();
        assert_eq!(reply.status, 204, "{}", reply.text());
    }

    /// Says how the nodes' answers differ from the engine's, if they do.
    fn compare(&self, query: &str, ask: &str, answer: &Result<QueryResult, String>) -> Option<String> {
        let Some((path, params)) = request(query, ask) else {
            self.meshes.unasked.fetch_add(1, Ordering::Relaxed);
            return None;
        };
        self.meshes.asked.fetch_add(1, Ordering::Relaxed);
        let wanted = answer.as_ref().map(|result| -> Value {
            serde_json::from_str(&result.to_json(Encoding::default())).expect("an answer is JSON")
        });
        let nodes = [("one node", self.meshes.one.client(0)), ("three nodes", self.meshes.three.client(0))];
        let mut differences = String::new();
        for (name, client) in nodes {
            let found = self.ask(&client, path, &params);
            if found.as_ref() != wanted.as_ref().map_err(|error| *error) {
                differences += &format!("\n{query}   ({ask}), {name}\n  wanted {wanted:#?}\n  found {found:#?}\n");
            }
        }
        Some(differences).filter(|differences| !differences.is_empty())
    }

    fn ask(&self, client: &Client, path: &str, params: &[(&str, String)]) -> Result<Value, String> {
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(params).finish();
        let headers = [("content-type", "application/x-www-form-urlencoded"), ("x-scope-orgid", self.tenant.as_str())];
        let reply = client.post(path, &headers, form.as_bytes()).unwrap();
        if reply.status == 400 {
            return Err(reply.text().trim_end_matches('\n').to_owned());
        }
        assert_eq!(reply.status, 200, "{params:?}: {}", reply.text());
        assert!(reply.is_complete(), "{params:?}: {}", reply.text());
        let mut json = reply.json();
        let mut data = json["data"].take();
        data.as_object_mut().unwrap().remove("stats");
        Ok(data)
    }
}

/// Records of one stream and one instant: their order is only known within a push.
struct Group {
    labels: Map<String, Value>,
    values: Vec<Value>,
}

fn groups(records: &[Record]) -> Vec<Group> {
    let rows = engine::rows(records);
    let mut groups: Vec<Group> = Vec::new();
    for stream in &rows.streams {
        let mut last = None;
        for row in stream.rows.clone() {
            let at = rows.timestamps[row];
            let line = String::from_utf8(rows.line(row).to_vec()).unwrap();
            let metadata: Map<String, Value> = metadata_pairs(rows.metadata_of(row))
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value.into()))
                .collect();
            let value = json!([at.as_nanos().to_string(), line, metadata]);
            if last == Some(at) {
                groups.last_mut().unwrap().values.push(value);
            } else {
                let labels = stream.labels.iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
                groups.push(Group { labels, values: vec![value] });
            }
            last = Some(at);
        }
    }
    groups
}

type Request = (&'static str, Vec<(&'static str, String)>);

/// Returns the path and the parameters of what is asked in words (see [`engine::read_ask`]); none where the words name what
/// only a setting of the node can say, or what a node refuses before it asks the engine (`tests/malformed.rs` has those).
fn request(query: &str, ask: &str) -> Option<Request> {
    let mut path = "/loki/api/v1/query_range";
    let mut params = vec![("start", "0".to_owned()), ("end", "100".to_owned()), ("step", "10s".to_owned())];
    if ["limit 0", "step 0s", "5..4"].iter().any(|refused| format!("{ask} ").contains(&format!("{refused} "))) {
        return None;
    }
    let mut words = ask.split_whitespace();
    while let Some(word) = words.next() {
        match word {
            "at" => {
                path = "/loki/api/v1/query";
                params = vec![("time", words.next().unwrap().to_owned())];
            }
            "step" | "limit" | "interval" => {
                let name = ["step", "limit", "interval"].into_iter().find(|name| *name == word).unwrap();
                params.retain(|(other, _)| *other != name);
                params.push((name, words.next().unwrap().to_owned()));
            }
            "forward" => params.push(("direction", "forward".to_owned())),
            "series" => return None,
            range => {
                let (start, end) = range.split_once("..").unwrap();
                params.retain(|(name, _)| !["start", "end"].contains(name));
                params.extend([("start", start.to_owned()), ("end", end.to_owned())]);
            }
        }
    }
    params.push(("query", query.to_owned()));
    Some((path, params))
}

/// How many cases cannot be asked over HTTP (see the top of the test); no more may hide there.
pub(crate) const UNASKED_MAX: u64 = 8;
/// The records are of 1970, and are kept all the same.
const SETTINGS: &[(&str, &str)] = &[
    ("LOGMESH_RETENTION", "36500d"),
    ("LOGMESH_LIMITS_PAST_MAX", "36400d"),
    // The engine's own answers know nothing of what ways in add.
    ("LOGMESH_LIMITS_DETECT_LEVELS", "false"),
    ("LOGMESH_LIMITS_DISCOVER_SERVICE_NAME", ","),
    ("LOGMESH_STORE_SEAL_AFTER_QUIET", "1s"),
    ("LOGMESH_LOG", "warn"),
];
