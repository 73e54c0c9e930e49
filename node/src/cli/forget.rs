//! `logmesh forget`: gives up a lost node, so that the copies it had are made anew elsewhere.

use std::io::{self, Write};
use std::time::Duration;

use clap::Args;

use super::client::Target;
use super::output::printable;
use super::{Exit, Failure};

/// Gives up a lost node.
#[derive(Debug, Args)]
pub(super) struct Forget {
    /// The lost node: its id, the end of it, or its name, as `logmesh status` shows them
    #[arg(value_name = "NODE")]
    lost: String,
    /// Forget it even if it is live
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    target: Target,
    /// Print the node's answer as it came
    #[arg(long)]
    json: bool,
}

impl Forget {
    /// Tells a node, which tells the mesh.
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let client = self.target.client(ANSWER_TIMEOUT);
        let mut parameters = vec![("node", self.lost.as_str())];
        parameters.extend(self.force.then_some(("force", "true")));
        let answer = client.post("/logmesh/v1/forget", &parameters, &[], b"")?.accepted(&client)?;
        let mut out = io::stdout().lock();
        if self.json {
            out.write_all(&answer.body)?;
            writeln!(out)?;
        } else {
            let lost = printable(&self.lost);
            writeln!(
                out,
                "{lost} is forgotten; its copies are being made anew (`logmesh status` shows how far that is)"
            )?;
        }
        Ok(Exit::Done)
    }
}

const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
