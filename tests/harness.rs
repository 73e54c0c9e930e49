//! What the end-to-end tests share: real `logmesh` processes in directories of their own, spoken to over HTTP only. It
//! must never know how the node works inside: what it asserts, an operator or a client could see.

#[path = "harness/http.rs"]
mod http;
#[path = "harness/mesh.rs"]
mod mesh;
#[path = "harness/netns.rs"]
mod netns;
#[path = "harness/node.rs"]
mod node;
#[path = "harness/push.rs"]
mod push;
#[path = "harness/query.rs"]
mod query;
#[path = "harness/tail.rs"]
mod tail;

pub(crate) use http::{Client, Reply};
pub(crate) use mesh::Mesh;
pub(crate) use netns::{Namespaces, is_root};
pub(crate) use node::{Node, NodePlan, free_address, run_logmesh};
pub(crate) use push::{Protocol, Record, now_nanos, records};
pub(crate) use query::{Found, count, find_all};
pub(crate) use tail::{Tail, Told};

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Asks until there is an answer. Panics with `what` when there is none within `deadline`.
pub(crate) fn eventually<T>(deadline: Duration, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(begun.elapsed() < deadline, "not within {deadline:?}: {what}");
        std::thread::sleep(POLL_INTERVAL);
    }
}

/// Lets the tests of one binary run one at a time: each of them starts several nodes, and two cores are few.
pub(crate) fn one_at_a_time() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns the number in the environment variable `name`, which makes a run larger than `make test` can afford.
pub(crate) fn size_from_env(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// Says on the terminal why a test did not run; a test that needs what a machine lacks must not fail there.
pub(crate) fn skip(why: &str) {
    eprintln!("SKIPPED: {why}");
}

/// How long anything that needs no more than a few round trips may take on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(30);
/// How long repair and other slow things may take on a busy machine.
pub(crate) const LATE: Duration = Duration::from_secs(120);
const POLL_INTERVAL: Duration = Duration::from_millis(50);
