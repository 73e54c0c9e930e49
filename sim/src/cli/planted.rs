//! `logmesh-sim planted`.

use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use clap::Args;
use logmesh_protocol::planted::Bug;
use logmesh_sim::catch;

/// How hard is to be looked.
#[derive(Args)]
pub(crate) struct Planted {
    /// In how many seeds each bug must be caught.
    #[arg(long, default_value_t = 2_000)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Plant this bug alone, by its name in protocol/src/planted.rs.
    #[arg(long)]
    only: Option<String>,
}

impl Planted {
    pub(crate) fn run(&self) -> ExitCode {
        let (next, escaped) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let named = |bug: &Bug| self.only.as_ref().is_none_or(|name| *name == format!("{bug:?}"));
        let bugs: Vec<Bug> = Bug::ALL.into_iter().filter(named).collect();
        if bugs.is_empty() {
            eprintln!("there is no such bug; there are {:?}", Bug::ALL);
            return ExitCode::FAILURE;
        }
        let threads = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    while let Some(bug) = bugs.get(next.fetch_add(1, Ordering::Relaxed)) {
                        match catch::catch(*bug, self.from..self.from + self.seeds) {
                            Some(caught) => println!(
                                "{:<26} caught after {:>4} seeds, by seed {}: {}",
                                format!("{bug:?}"),
                                caught.seeds,
                                caught.seed,
                                caught.promise
                            ),
                            None => {
                                escaped.fetch_add(1, Ordering::Relaxed);
                                println!("{:<26} ESCAPED {} seeds", format!("{bug:?}"), self.seeds);
                            }
                        }
                    }
                });
            }
        });
        if escaped.into_inner() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}
