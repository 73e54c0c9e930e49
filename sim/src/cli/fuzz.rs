//! `logmesh-sim fuzz`.

use std::num::NonZero;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use clap::Args;
use logmesh_sim::{shrink, swarm, trial};

use super::wall_clock;

/// What is to be run.
#[derive(Args)]
pub(crate) struct Fuzz {
    /// How many seeds.
    #[arg(long, default_value_t = 100)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Stop after so many minutes, whatever is left.
    #[arg(long)]
    minutes: Option<u64>,
    /// On how many cores; on all if it is not said.
    #[arg(long)]
    threads: Option<usize>,
    /// Leave out of each failing world what it does not need to fail.
    #[arg(long)]
    shrink: bool,
    /// Tell what happened in each world.
    #[arg(long)]
    story: bool,
}

/// What came of all seeds.
#[derive(Default)]
struct Sum {
    seeds: u64,
    failed: u64,
    acknowledged: u64,
    claims: (u64, u64),
    reads: (u64, u64),
    expiries: u64,
    slowest: Duration,
    lasted: Duration,
}

impl Fuzz {
    pub(crate) fn run(&self) -> ExitCode {
        let (next, sum, begin) = (AtomicU64::new(0), Mutex::new(Sum::default()), wall_clock());
        let threads = self.threads.or_else(|| thread::available_parallelism().ok().map(NonZero::get)).unwrap_or(1);
        thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    loop {
                        let is_late = self.minutes.is_some_and(|minutes| begin.elapsed().as_secs() >= 60 * minutes);
                        let seed = self.from + next.fetch_add(1, Ordering::Relaxed);
                        if is_late || seed >= self.from + self.seeds {
                            break;
                        }
                        self.run_one(seed, &sum);
                    }
                });
            }
        });
        let sum = sum.into_inner().unwrap_or_else(PoisonError::into_inner);
        let took = begin.elapsed().as_secs_f64();
        println!(
            "{} seeds from {}: {} failed; {} appends acknowledged; answers complete {}, not {}; batches stable {}, stale for a while {}; something expired in {} worlds; slowest convergence {:?}; {:.0} s simulated in {took:.1} s",
            sum.seeds,
            self.from,
            sum.failed,
            sum.acknowledged,
            sum.claims.0,
            sum.claims.1,
            sum.reads.0,
            sum.reads.1,
            sum.expiries,
            sum.slowest,
            sum.lasted.as_secs_f64(),
        );
        if sum.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    fn run_one(&self, seed: u64, sum: &Mutex<Sum>) {
        let fate = swarm::draw(seed);
        let mut outcome = trial::run(&fate, self.story);
        if seed.is_multiple_of(TWICE_EVERY) && trial::run(&fate, false).trace != outcome.trace {
            outcome.broken.push("equal seeds give equal worlds: the second run had another trace".to_owned());
        }
        let mut report: Vec<String> = outcome.story;
        if let Some(first) = outcome.broken.first() {
            report.push(format!("seed {seed}: {first}\n  repeat: logmesh-sim fuzz --seeds 1 --from {seed} --story"));
            if self.shrink {
                report.extend(shrunk(&fate));
            }
        }
        let mut sum = sum.lock().unwrap_or_else(PoisonError::into_inner);
        report.iter().for_each(|line| println!("{line}"));
        sum.seeds += 1;
        sum.failed += u64::from(!outcome.broken.is_empty());
        sum.acknowledged += outcome.appends.0;
        sum.claims = (sum.claims.0 + outcome.claims.0, sum.claims.1 + outcome.claims.1);
        sum.reads = (sum.reads.0 + outcome.reads.stable, sum.reads.1 + outcome.reads.stale);
        sum.expiries += u64::from(outcome.expired > 0);
        sum.slowest = sum.slowest.max(outcome.converged_after.unwrap_or_default());
        sum.lasted += outcome.lasted;
    }
}

fn shrunk(fate: &swarm::Fate) -> Vec<String> {
    let (small, tries) = shrink::shrink(fate, SHRINK_TRIES);
    let spec = &small.spec;
    let mut lines = vec![format!(
        "  shrunk in {tries} runs: {} nodes, {} loads, mended after {:?}, {:?}",
        spec.nodes.len(),
        spec.loads.len(),
        small.mended_at,
        spec.config.mechanisms
    )];
    lines.extend(spec.timeline.iter().map(|(at, fault)| format!("    {at:>9.3?} {fault:?}")));
    lines.extend(trial::run(&small, true).story.into_iter().map(|line| format!("    | {line}")));
    lines
}

/// Each so many seeds one is run twice.
const TWICE_EVERY: u64 = 32;
const SHRINK_TRIES: u32 = 400;
