//! Nodes are killed with -9 and started again, in turn, while clients push: nothing that was acknowledged may be missing
//! afterwards, nothing may be there twice, and no push to a live node may fail because another is dead.
//!
//! `LOGMESH_RECORDS=200000 LOGMESH_KILLS=20` makes it the long run.

#[allow(dead_code, unused_imports, reason = "each test uses its part of the harness")]
mod harness;

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use harness::{Client, LATE, Mesh, Protocol, count, eventually, find_all, one_at_a_time, records, size_from_env};

#[test]
fn every_acknowledged_record_outlives_kills_in_turn() {
    let _turn = one_at_a_time();
    let kills = size_from_env("LOGMESH_KILLS", 6);
    let wanted = size_from_env("LOGMESH_RECORDS", 40_000).max(kills * PUSH_RECORDS * CLIENTS as u64);
    let mut mesh = Mesh::start(3, &[("LOGMESH_STORE_SEAL_BYTES", "512KiB")]);
    let run = Run::new(&mesh);
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let run = &run;
            scope.spawn(move || run.push_until_done(client));
        }
        // Ends the clients also when this thread panics: a scope waits for all.
        let _done = OnDrop(&run.done);
        for kill in 0..kills {
            run.kill_one(&mut mesh, kill, wanted / kills);
        }
    });
    let run = run.end();
    run.print(kills);
    assert_eq!(run.failed, Vec::<String>::new(), "pushes to live nodes failed");
    mesh.wait_met();
    println!("repaired {:?} after the last kill", mesh.wait_converged(LATE));
    for at in 0..3 {
        run.assert_found(&mesh.client(at));
    }
}

/// What clients and the one who kills share.
struct Run {
    clients: Vec<Client>,
    up: Vec<AtomicBool>,
    /// Counts kills, so that a push can tell whether its node died meanwhile.
    deaths: Vec<AtomicUsize>,
    /// How many records may be pushed so far.
    allowance: AtomicU64,
    drawn: AtomicU64,
    acknowledged: AtomicU64,
    done: AtomicBool,
    seen: Mutex<Ended>,
}

/// What came of it.
#[derive(Default)]
struct Ended {
    acknowledged: BTreeSet<String>,
    /// Pushed to a node that died before it answered: each may be there or not.
    unanswered: BTreeSet<String>,
    failed: Vec<String>,
    copies: [u64; 4],
    took: Vec<Duration>,
}

impl Run {
    fn new(mesh: &Mesh) -> Self {
        Self {
            clients: (0..3).map(|at| mesh.client(at)).collect(),
            up: (0..3).map(|_| AtomicBool::new(true)).collect(),
            deaths: (0..3).map(|_| AtomicUsize::new(0)).collect(),
            allowance: AtomicU64::new(0),
            drawn: AtomicU64::new(0),
            acknowledged: AtomicU64::new(0),
            done: AtomicBool::new(false),
            seen: Mutex::new(Ended::default()),
        }
    }

    /// Lets clients push a third of `share`, kills while they do, lets them push another third without the node, and the
    /// last one while it starts.
    fn kill_one(&self, mesh: &mut Mesh, kill: u64, share: u64) {
        let at = usize::try_from(kill % 3).expect("three nodes");
        let before = self.allowance.fetch_add(share / 3, SeqCst);
        self.wait_acknowledged(before + share / 6);
        self.deaths[at].fetch_add(1, SeqCst);
        self.up[at].store(false, SeqCst);
        mesh.nodes[at].kill9();
        self.allowance.fetch_add(share / 3, SeqCst);
        self.wait_acknowledged(before + share / 2);
        self.allowance.fetch_add(share - share / 3 * 2, SeqCst);
        mesh.nodes[at].restart();
        self.up[at].store(true, SeqCst);
        self.wait_acknowledged(before + share - CLIENTS as u64 * PUSH_RECORDS);
    }

    fn wait_acknowledged(&self, records: u64) {
        let what = format!("{records} records are acknowledged");
        eventually(LATE, &what, || (self.acknowledged.load(SeqCst) >= records).then_some(()));
    }

    fn push_until_done(&self, client: usize) {
        let mut next = client;
        loop {
            let drawn = self.drawn.load(SeqCst);
            if drawn >= self.allowance.load(SeqCst) {
                if self.done.load(SeqCst) {
                    return;
                }
                std::thread::yield_now();
                continue;
            }
            if self.drawn.compare_exchange(drawn, drawn + PUSH_RECORDS, SeqCst, SeqCst).is_ok() {
                // What was not acknowledged is drawn again, with fresh records, for the allowance counts the others.
                while !self.push_one(next % 3) {
                    next += 1;
                }
                next += 1;
            }
        }
    }

    /// Pushes to the node `at` if it is up. Tells whether that was acknowledged.
    fn push_one(&self, at: usize) -> bool {
        let deaths = self.deaths[at].load(SeqCst);
        if !self.up[at].load(SeqCst) {
            return false;
        }
        let records = records(PUSH_RECORDS as usize);
        let begun = Instant::now();
        let answer = Protocol::LokiProtobuf.push(&self.clients[at], "kept", &records, "");
        let took = begun.elapsed();
        let lines = records.into_iter().map(|record| record.line);
        let mut seen = self.seen.lock().expect("no client panics with this lock");
        match answer {
            Ok(reply) if reply.status == 204 => {
                seen.acknowledged.extend(lines);
                seen.copies[usize::try_from(reply.copies()).expect("few copies").min(3)] += 1;
                seen.took.push(took);
                self.acknowledged.fetch_add(PUSH_RECORDS, SeqCst);
                return true;
            }
            Ok(reply) => seen.failed.push(format!("node {at}: {} {}", reply.status, reply.text())),
            Err(error) if self.deaths[at].load(SeqCst) == deaths => seen.failed.push(format!("node {at}: {error}")),
            Err(_) => {}
        }
        seen.unanswered.extend(lines);
        false
    }

    fn end(self) -> Ended {
        self.seen.into_inner().expect("no client panicked")
    }
}

impl Ended {
    fn print(&self, kills: u64) {
        let mut took = self.took.clone();
        took.sort();
        let at = |part: f64| took[((took.len() - 1) as f64 * part) as usize];
        println!(
            "{} records acknowledged, {} not answered, {kills} kills",
            self.acknowledged.len(),
            self.unanswered.len()
        );
        println!("pushes by copies when answered: 1: {}, 2: {}, 3: {}", self.copies[1], self.copies[2], self.copies[3]);
        println!("a push took {:?} in the median, {:?} at p99, {:?} at most", at(0.5), at(0.99), at(1.0));
    }

    fn assert_found(&self, client: &Client) {
        let found = find_all(client, KEPT);
        found.assert_has(self.acknowledged.iter().map(String::as_str));
        found.assert_nothing_else(self.acknowledged.union(&self.unanswered).map(String::as_str));
        found.assert_complete();
        assert_eq!(count(client, KEPT), found.lines.len() as u64, "counted otherwise than listed");
    }
}

/// Says that it is over, however it came to that.
struct OnDrop<'a>(&'a AtomicBool);

impl Drop for OnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

const KEPT: &str = r#"{app="kept"}"#;
const CLIENTS: usize = 8;
const PUSH_RECORDS: u64 = 50;
