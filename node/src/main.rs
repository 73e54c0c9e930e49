//! `logmesh`: one node of a log store without a centre, and the commands that speak to it.
//!
//! The rooms: `cli` (what was typed), `config` (what is meant), `shell` (joins the machine to store, net and gossip),
//! `http` (the API), `query` (asks the whole mesh), `clock`, `metrics`. Whatever two nodes must agree on is in `protocol`.

use std::process::ExitCode;

use clap::Parser;

mod cli;
mod clock;
mod config;
mod http;
mod metrics;
mod query;
mod shell;

fn main() -> ExitCode {
    cli::Cli::parse().run()
}
