//! The task that owns the machine: it feeds it what happens and performs what it wants, in order. It decides nothing
//! and waits for nobody: what takes time is done elsewhere and comes back as an input.

use std::sync::Arc;

use logmesh_protocol::replica::{Event, Input, Output, Replica, Ticket};
use logmesh_protocol::time::Now;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant as TokioInstant, sleep_until};

use super::gather::{Gather, Push, Refusal};
use super::perform::Performer;
use crate::clock::Clock;
use crate::http::NodeState;
use crate::metrics::Metrics;

/// What the mesh task is asked to do.
pub(crate) enum Command {
    /// Something happened.
    Input(Input),
    /// A group of appends is stored, or not; `inputs` say which.
    GroupStored(Vec<Input>),
    /// A client pushes.
    Push(Push),
    /// Somebody wants to look at the machine.
    Ask(Question),
}

type Question = Box<dyn FnOnce(&Replica, Now) + Send>;

/// A way to the mesh task. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Mesh {
    commands: mpsc::Sender<Command>,
}

impl Mesh {
    /// Returns a way to a task that does not run yet, and what [`MeshTask::run`] takes.
    pub(crate) fn new() -> (Self, mpsc::Receiver<Command>) {
        let (commands, receiver) = mpsc::channel(COMMANDS_MAX);
        (Self { commands }, receiver)
    }

    /// Tells the machine something. Waits while the task is behind.
    pub(crate) async fn tell(&self, input: Input) {
        // The task ends last; once it has, nobody is left to tell.
        let _ = self.commands.send(Command::Input(input)).await;
    }

    /// Tells the machine something from a thread that may block.
    pub(crate) fn tell_blocking(&self, input: Input) {
        let _ = self.commands.blocking_send(Command::Input(input));
    }

    /// Tells the machine that a group is stored, from the store's thread.
    pub(crate) fn group_stored_blocking(&self, inputs: Vec<Input>) {
        let _ = self.commands.blocking_send(Command::GroupStored(inputs));
    }

    /// Pushes, and waits until the records are durable in as many copies as asked for, or as could be had in time.
    pub(crate) async fn push(&self, push: Push, answer: oneshot::Receiver<Result<u8, Refusal>>) -> Result<u8, Refusal> {
        self.commands.send(Command::Push(push)).await.map_err(|_| Refusal::Stopping)?;
        answer.await.unwrap_or(Err(Refusal::Stopping))
    }

    /// Asks the machine; none if it has stopped.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Replica, Now) -> T + Send + 'static,
    ) -> Option<T> {
        let (sender, answer) = oneshot::channel();
        let question: Question = Box::new(move |replica, now| {
            let _ = sender.send(question(replica, now));
        });
        self.commands.send(Command::Ask(question)).await.ok()?;
        answer.await.ok()
    }
}

/// The task itself.
pub(crate) struct MeshTask {
    pub(crate) replica: Replica,
    pub(crate) clock: Clock,
    pub(crate) gather: Gather,
    pub(crate) performer: Performer,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) storing: bool,
    pub(crate) stopped: Option<oneshot::Sender<bool>>,
    pub(crate) state: Arc<watch::Sender<NodeState>>,
}

impl MeshTask {
    /// Runs until all [`Mesh`]es are gone.
    pub(crate) async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        self.drain();
        loop {
            let deadline = self.replica.poll_timeout();
            let deadline = deadline.map(|deadline| TokioInstant::from_std(self.clock.to_std(deadline)));
            tokio::select! {
                command = commands.recv() => {
                    let Some(command) = command else { return };
                    self.on_command(command);
                    // What waits already shares one round of outputs, up to a bound that keeps timeouts timely.
                    for _ in 0..COMMANDS_A_ROUND {
                        let Ok(command) = commands.try_recv() else { break };
                        self.on_command(command);
                    }
                }
                () = sleep_until(deadline.unwrap_or_else(TokioInstant::now)), if deadline.is_some() => {}
            }
            let now = self.clock.now();
            if self.replica.poll_timeout().is_some_and(|deadline| deadline <= now.instant) {
                self.replica.handle_timeout(now);
            }
            self.drain();
        }
    }

    fn on_command(&mut self, command: Command) {
        match command {
            Command::Input(input) => self.replica.handle_input(self.clock.now(), input),
            Command::GroupStored(inputs) => {
                self.storing = false;
                let now = self.clock.now();
                inputs.into_iter().for_each(|input| self.replica.handle_input(now, input));
            }
            Command::Push(push) => self.gather.add(push),
            Command::Ask(question) => question(&self.replica, self.clock.now()),
        }
    }

    /// Performs all that the machine wants, then gives it the next group.
    fn drain(&mut self) {
        self.perform_outputs();
        if self.storing || !self.gather.is_waiting() {
            return;
        }
        let now = self.clock.now();
        for (append, payload) in self.gather.take_group(GROUP_BYTES_MAX, BATCH_BYTES) {
            self.performer.keep_payload(append.ticket, payload);
            self.replica.handle_input(now, Input::Append(append));
        }
        self.perform_outputs();
        self.storing = self.performer.commit_group();
    }

    fn perform_outputs(&mut self) {
        while let Some(output) = self.replica.poll_output() {
            match output {
                Output::Acknowledge { ticket, copies } => self.gather.resolve(ticket, Ok(copies)),
                Output::Refuse { ticket, full } => self.on_refused(ticket, full),
                Output::Event(event) => self.on_event(&event),
                Output::Stopped { clean } => {
                    if let Some(stopped) = self.stopped.take() {
                        let _ = stopped.send(clean);
                    }
                }
                other => self.performer.perform(other),
            }
        }
    }

    fn on_event(&mut self, event: &Event) {
        self.metrics.on_event(event);
        if matches!(event, Event::Left) {
            self.state.send_replace(NodeState::Left);
        }
    }

    fn on_refused(&mut self, ticket: Ticket, full: bool) {
        self.performer.forget_payload(ticket);
        let refusal = match (full, self.stopped.is_none()) {
            (true, _) => Refusal::DiskFull,
            (false, true) => Refusal::Stopping,
            (false, false) => Refusal::Store,
        };
        self.gather.resolve(ticket, Err(refusal));
    }
}

/// Commands that may wait; further senders wait.
const COMMANDS_MAX: usize = 1024;
/// Commands taken before outputs are performed.
const COMMANDS_A_ROUND: usize = 256;
/// About how many bytes one fsync covers; what is more waits for the next.
const GROUP_BYTES_MAX: usize = 16 << 20;
/// How large a batch may grow by sharing. Half of what the codec admits.
const BATCH_BYTES: usize = logmesh_protocol::batch::BATCH_BYTES_MAX / 2;
