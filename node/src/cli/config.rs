//! `logmesh config`: prints the settings that `logmesh run` would use.

use std::io::{self, Write};

use clap::Args;

use super::run::Flags;
use super::{Exit, Failure};
use crate::config::{Loaded, reference};

/// Prints the settings.
#[derive(Debug, Args)]
pub(super) struct ShowConfig {
    #[command(flatten)]
    flags: Flags,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Print a file that explains every setting instead
    #[arg(long, conflicts_with = "json")]
    reference: bool,
}

impl ShowConfig {
    /// Prints the settings, and then what is wrong with them, if anything is.
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let mut out = io::stdout().lock();
        if self.reference {
            out.write_all(reference().as_bytes())?;
            return Ok(Exit::Done);
        }
        let loaded = Loaded::load(&self.flags.typed())?;
        if self.json {
            writeln!(out, "{:#}", loaded.to_json())?;
        } else {
            out.write_all(loaded.to_toml().as_bytes())?;
        }
        out.flush()?;
        loaded.admit()?;
        Ok(Exit::Done)
    }
}
