//! `logmesh leave`: takes a node out of the mesh in order. The node stays a source until all it holds is elsewhere.

use std::io::{self, IsTerminal, Write};
use std::thread;
use std::time::Duration;

use clap::Args;
use indicatif::ProgressBar;

use super::client::{Client, Target};
use super::output::human_count;
use super::status::Mesh;
use super::{Exit, Failure};

/// Takes a node out of the mesh in order.
#[derive(Debug, Args)]
pub(super) struct Leave {
    #[command(flatten)]
    target: Target,
    /// Wait until the node has left and can be stopped
    #[arg(long)]
    wait: bool,
}

impl Leave {
    /// Tells the node to leave, and waits if that was asked for.
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let client = self.target.client(ANSWER_TIMEOUT);
        client.post("/logmesh/v1/leave", &[], &[], b"")?.accepted(&client)?;
        let said = if self.wait {
            wait_until_left(&client)?;
            "the node has left; it can be stopped and its data deleted"
        } else {
            "the node is leaving; let it run until `logmesh status` says that it has left"
        };
        writeln!(io::stdout().lock(), "{said}")?;
        Ok(Exit::Done)
    }
}

/// However long it takes: only the person who waits knows when it is too long, and can interrupt at any time.
fn wait_until_left(client: &Client) -> Result<(), Failure> {
    let bar = if io::stderr().is_terminal() { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
    loop {
        let mesh = Mesh::ask(client)?;
        match mesh.state.as_str() {
            "left" => break,
            "leaving" => {
                bar.set_message(format!("{} batches still to be handed over", human_count(mesh.owed_batches())))
            }
            other => {
                return Err(Failure::NotDone(format!("the node is {other}, not leaving; somebody stopped it")));
            }
        }
        bar.tick();
        thread::sleep(POLL_INTERVAL);
    }
    bar.finish_and_clear();
    Ok(())
}

const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

const POLL_INTERVAL: Duration = Duration::from_millis(500);
