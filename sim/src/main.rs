//! `logmesh-sim`: runs random worlds and says which promises broke.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use logmesh_sim::fuzz;

/// Breaks a made-up mesh in many ways and looks whether it keeps its promises.
#[derive(Parser)]
#[command(name = "logmesh-sim", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs random worlds, one a seed.
    Fuzz {
        /// How many seeds.
        #[arg(long, default_value_t = 100)]
        seeds: u64,
        /// The first seed.
        #[arg(long, default_value_t = 0)]
        from: u64,
        /// Tell what happened in each world.
        #[arg(long)]
        story: bool,
    },
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Fuzz { seeds, from, story } => fuzz_all(seeds, from, story),
    }
}

fn fuzz_all(seeds: u64, from: u64, story: bool) -> ExitCode {
    let (mut failed, mut slowest, mut appends, mut claims) = (0u64, std::time::Duration::ZERO, 0, (0, 0));
    for seed in from..from + seeds {
        let outcome = fuzz::run(seed);
        if story {
            outcome.story.iter().for_each(|line| println!("{line}"));
        }
        slowest = slowest.max(outcome.converged_after.unwrap_or_default());
        appends += outcome.appends.0;
        claims = (claims.0 + outcome.claims.0, claims.1 + outcome.claims.1);
        if let Some(first) = outcome.broken.first() {
            failed += 1;
            println!("seed {seed}: {first}\n  repeat: logmesh-sim fuzz --seeds 1 --from {seed}");
        }
    }
    println!(
        "{seeds} seeds from {from}: {failed} failed; {appends} appends acknowledged; answers complete {}, not {}; slowest convergence {slowest:?}",
        claims.0, claims.1
    );
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
