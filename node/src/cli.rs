//! The command line: one file a command. Commands speak to a node over HTTP as any other client does; only `run` is
//! the node itself. Exit codes are the same for all of them, so that scripts can use them.

use std::io;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use thiserror::Error;

use crate::config::ConfigError;
use client::ClientError;

mod client;
mod config;
mod entries;
mod forget;
mod keygen;
mod leave;
mod output;
mod pieces;
mod push;
mod query;
mod run;
mod samples;
mod status;
mod tail;

/// A log store without a centre.
#[derive(Debug, Parser)]
#[command(name = "logmesh", version, after_help = EXIT_CODES, max_term_width = 110)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a node.
    Run(run::Run),
    /// Send the lines of files or of the standard input to a node.
    Push(push::Push),
    /// Ask a node a LogQL query, for the whole mesh.
    Query(query::Query),
    /// Follow a LogQL log query, as entries come in anywhere in the mesh.
    Tail(tail::Tail),
    /// Show the members, what is owed to whom, and how repair is doing.
    Status(status::Status),
    /// Give up a lost node, so that its data is copied anew.
    Forget(forget::Forget),
    /// Take a node out of the mesh in order: all it holds is copied elsewhere first.
    Leave(leave::Leave),
    /// Make a mesh secret.
    Keygen(keygen::Keygen),
    /// Print the settings that `logmesh run` would use, and where each came from.
    Config(config::ShowConfig),
}

impl Cli {
    /// Does what was asked for. What goes wrong is told on the standard error.
    pub(crate) fn run(self) -> ExitCode {
        let outcome = match self.command {
            Command::Run(run) => run.run(),
            Command::Push(push) => push.run(),
            Command::Query(query) => query.run(),
            Command::Tail(tail) => tail.run(),
            Command::Status(status) => status.run(),
            Command::Forget(forget) => forget.run(),
            Command::Leave(leave) => leave.run(),
            Command::Keygen(keygen) => keygen.run(),
            Command::Config(config) => config.run(),
        };
        match outcome {
            Ok(done) => done.into(),
            // Whoever read our output has enough of it: `logmesh query … | head` is no failure.
            Err(Failure::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
            Err(failure) => {
                output::complain(&failure);
                failure.code().into()
            }
        }
    }
}

/// How a command ended. The numbers are a promise to scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Exit {
    /// All that was asked for was done.
    Done = 0,
    /// It was not, or not all of it.
    Failed = 1,
    /// What was typed makes no sense. The command line's parser uses the same number.
    Usage = 2,
    /// The node cannot be reached.
    Unreachable = 3,
    /// The answer is not complete, and only a complete one would have done.
    Incomplete = 4,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command did not do what was asked for.
#[derive(Debug, Error)]
enum Failure {
    /// The settings make no sense.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// What was typed makes no sense.
    #[error("{0}")]
    Usage(String),
    /// The node could not be asked, or refused.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The node could not start, or did not stop in order.
    #[error(transparent)]
    Run(#[from] crate::shell::RunError),
    /// A file or stream could not be read or written.
    #[error("{what}")]
    File {
        /// What was attempted.
        what: String,
        /// Why it did not work.
        source: io::Error,
    },
    /// The node did something else than it was asked for.
    #[error("{0}")]
    NotDone(String),
    /// The standard output could not be written.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Failure {
    fn code(&self) -> Exit {
        match self {
            Self::Config(_) | Self::Usage(_) => Exit::Usage,
            Self::Client(error) => error.code(),
            Self::Run(_) | Self::File { .. } | Self::NotDone(_) | Self::Io(_) => Exit::Failed,
        }
    }
}

const EXIT_CODES: &str = "\
Exit codes: 0 done, 1 not done or not all of it, 2 wrong usage or settings, 3 node unreachable, 4 answer incomplete (with \
--strict).";

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
