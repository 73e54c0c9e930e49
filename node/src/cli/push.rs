//! `logmesh push`: sends lines to a node. The lines of one file are sent in order; several files at a time. A piece that
//! the node cannot take now is sent again, within a bound; one whose answer was lost may therefore be stored twice.

use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::client::{Answer, Client, ClientError, DEFAULT_URL, Target};
use super::output::{human_bytes, human_count, human_duration, printable, warn};
use super::pieces::{Piece, Pieces};
use super::{Exit, Failure};
use crate::config::parse_duration;

/// Sends the lines of files, or of the standard input, each as one record.
#[derive(Debug, Args)]
pub(super) struct Push {
    /// The files; `-` or none is the standard input
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// A label of the stream that the lines belong to; may be given several times [default: job=push]
    #[arg(long = "label", short, value_name = "NAME=VALUE", value_parser = parse_label)]
    labels: Vec<(String, String)>,
    /// The HTTP address of the node
    #[arg(long, visible_alias = "node", env = "LOGMESH_URL", default_value = DEFAULT_URL, value_name = "URL")]
    to: String,
    /// The tenant to store them for
    #[arg(long, env = "LOGMESH_TENANT")]
    tenant: Option<String>,
    /// How many nodes should hold a line before it is acknowledged [default: two, as far as there are]
    #[arg(long, value_name = "N")]
    copies: Option<u8>,
    /// How many files are sent at a time
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=32))]
    parallel: u8,
    /// For how long a piece is sent again when the node cannot take it
    #[arg(long, value_name = "TIME", default_value = "1m", value_parser = parse_duration)]
    retry_for: Duration,
    /// Print the outcome as one JSON object
    #[arg(long)]
    json: bool,
}

/// What became of the lines so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Tally {
    accepted: u64,
    rejected: u64,
    bytes: u64,
    /// The fewest copies that any piece had when it was acknowledged.
    copies: Option<u64>,
    /// The first sentences about what was rejected.
    reasons: Vec<String>,
}

/// What the threads that send share.
struct Sending<'a> {
    push: &'a Push,
    client: Client,
    tally: Mutex<Tally>,
    bar: ProgressBar,
}

impl Push {
    /// Sends everything and tells what became of it.
    pub(super) fn run(self) -> Result<Exit, Failure> {
        self.run_to(&mut io::stdout())
    }

    fn run_to(self, out: &mut impl Write) -> Result<Exit, Failure> {
        let started = Instant::now();
        let sources = self.sources()?;
        let bar = progress_bar(&sources);
        let client = Target::at(&self.to).client(ANSWER_TIMEOUT);
        let sending = Sending { push: &self, client, tally: Mutex::default(), bar };
        let outcome = sending.send_all(sources);
        sending.bar.finish_and_clear();
        let tally = sending.tally.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        self.print(out, &tally, started.elapsed())?;
        outcome?;
        Ok(if tally.rejected == 0 { Exit::Done } else { Exit::Failed })
    }

    fn sources(&self) -> Result<Vec<Source>, Failure> {
        let from_input = |path: &PathBuf| path.as_os_str() == "-";
        if self.files.iter().filter(|path| from_input(path)).count() > 1 {
            return Err(Failure::Usage("the standard input can be read once only".to_owned()));
        }
        if self.files.is_empty() {
            return Ok(vec![Source::input()]);
        }
        self.files.iter().map(|path| if from_input(path) { Ok(Source::input()) } else { Source::file(path) }).collect()
    }

    fn print(&self, out: &mut impl Write, tally: &Tally, elapsed: Duration) -> io::Result<()> {
        for reason in &tally.reasons {
            warn(reason);
        }
        let megabytes_per_second = tally.bytes as f64 / 1e6 / elapsed.as_secs_f64().max(1e-9);
        if self.json {
            let outcome = serde_json::json!({
                "accepted": tally.accepted,
                "rejected": tally.rejected,
                "bytes": tally.bytes,
                "seconds": elapsed.as_secs_f64(),
                "megabytes_per_second": megabytes_per_second,
                "copies": tally.copies,
            });
            return writeln!(out, "{outcome}");
        }
        let copies = match tally.copies {
            None => String::new(),
            Some(1) => ", some held by one node only so far".to_owned(),
            Some(copies) => format!(", held by at least {copies} nodes"),
        };
        let rejected = match tally.rejected {
            0 => String::new(),
            count => format!("; {} rejected", human_count(count)),
        };
        writeln!(
            out,
            "{} records accepted ({}) in {}, {megabytes_per_second:.1} MB/s{copies}{rejected}",
            human_count(tally.accepted),
            human_bytes(tally.bytes),
            human_duration(elapsed),
        )
    }
}

impl Sending<'_> {
    fn send_all(&self, sources: Vec<Source>) -> Result<(), Failure> {
        let threads = sources.len().min(usize::from(self.push.parallel));
        let waiting = Mutex::new(sources.into_iter());
        let next = || waiting.lock().unwrap_or_else(std::sync::PoisonError::into_inner).next();
        thread::scope(|scope| {
            let work = || -> Result<(), Failure> {
                while let Some(source) = next() {
                    self.send_source(source)?;
                }
                Ok(())
            };
            let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            let outcomes: Vec<_> =
                workers.into_iter().map(|worker| worker.join().expect("sending does not panic")).collect();
            outcomes.into_iter().collect()
        })
    }

    fn send_source(&self, source: Source) -> Result<(), Failure> {
        let name = source.name;
        let mut pieces = Pieces::read(source.reader, QUIET);
        let broken = |source| Failure::File { what: format!("cannot read {name}"), source };
        while let Some(piece) = pieces.next().map_err(broken)? {
            if piece.lines > 0 {
                self.send_piece(&name, &piece)?;
            }
            self.bar.inc(u64::try_from(piece.bytes.len()).unwrap_or(u64::MAX));
        }
        if pieces.lines_left_out > 0 {
            let reason = format!("{name}: {} lines were too long to be sent at all", pieces.lines_left_out);
            self.tally(|tally| tally.reject(pieces.lines_left_out, reason));
        }
        Ok(())
    }

    /// Sends one piece, again while the node says that it cannot take it now.
    fn send_piece(&self, name: &str, piece: &Piece) -> Result<(), Failure> {
        let deadline = Instant::now() + self.push.retry_for;
        let mut pause = FIRST_PAUSE;
        loop {
            let outcome = self.post(piece);
            let wait = match &outcome {
                Ok(answer) if RETRIED.contains(&answer.status.as_u16()) => answer.retry_after.unwrap_or(pause),
                // A node that was never there is a mistake; one that has gone may come back.
                Err(ClientError::Unreachable { .. }) if self.tally(|tally| tally.accepted > 0) => pause,
                Ok(_) | Err(_) => return self.settle(name, piece, outcome),
            };
            if Instant::now() + wait > deadline {
                return self.settle(name, piece, outcome);
            }
            thread::sleep(wait);
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    fn post(&self, piece: &Piece) -> Result<Answer, ClientError> {
        let copies = self.push.copies.map(|copies| copies.to_string());
        let mut parameters: Vec<(&str, &str)> = match self.push.labels.as_slice() {
            [] => vec![("job", "push")],
            labels => labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect(),
        };
        parameters.extend(copies.as_deref().map(|copies| ("copies", copies)));
        let tenant = self.push.tenant.as_deref().map(|tenant| ("X-Scope-OrgID", tenant));
        self.client.post("/logmesh/v1/lines", &parameters, tenant.as_slice(), &piece.bytes)
    }

    /// Counts what became of a piece. What the node will never take is rejected; what it did not take now is an error.
    fn settle(&self, name: &str, piece: &Piece, outcome: Result<Answer, ClientError>) -> Result<(), Failure> {
        let answer = outcome?;
        let bytes = u64::try_from(piece.bytes.len()).unwrap_or(u64::MAX);
        if answer.status.is_success() {
            self.tally(|tally| tally.accept(piece.lines, bytes, answer.copies));
            return Ok(());
        }
        let rejected = rejected_count(&answer.text());
        if let (400, Some(rejected)) = (answer.status.as_u16(), rejected) {
            let reason = format!("{name}: {}", answer.text());
            self.tally(|tally| {
                tally.accept(piece.lines.saturating_sub(rejected), bytes, answer.copies);
                tally.reject(rejected, reason);
            });
            return Ok(());
        }
        answer.accepted(&self.client)?;
        Ok(())
    }

    fn tally<T>(&self, change: impl FnOnce(&mut Tally) -> T) -> T {
        change(&mut self.tally.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

impl Tally {
    fn accept(&mut self, lines: u64, bytes: u64, copies: Option<u64>) {
        self.accepted += lines;
        self.bytes += bytes;
        self.copies = match (self.copies, copies) {
            (Some(before), Some(now)) => Some(before.min(now)),
            (before, now) => before.or(now),
        };
    }

    fn reject(&mut self, lines: u64, reason: String) {
        self.rejected += lines;
        if self.reasons.len() < REASONS_MAX {
            self.reasons.push(reason);
        }
    }
}

/// One file, or the standard input.
struct Source {
    name: String,
    /// Its length, where it is known.
    bytes: Option<u64>,
    reader: Box<dyn Read + Send>,
}

impl Source {
    fn input() -> Self {
        Self { name: "standard input".to_owned(), bytes: None, reader: Box::new(io::stdin()) }
    }

    fn file(path: &Path) -> Result<Self, Failure> {
        let failed = |source| Failure::File { what: format!("cannot read {}", path.display()), source };
        let file = File::open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if metadata.is_dir() {
            return Err(Failure::Usage(format!("{} is a directory; name its files", path.display())));
        }
        let bytes = metadata.is_file().then_some(metadata.len());
        Ok(Self { name: printable(&path.display().to_string()), bytes, reader: Box::new(file) })
    }
}

fn progress_bar(sources: &[Source]) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let whole: Option<u64> = sources.iter().map(|source| source.bytes).sum();
    let (bar, template) = match whole {
        Some(bytes) => (ProgressBar::new(bytes), "{bar:40} {bytes}/{total_bytes} {bytes_per_sec} {eta} left"),
        None => (ProgressBar::new_spinner(), "{spinner} {bytes} {bytes_per_sec}"),
    };
    bar.with_style(ProgressStyle::with_template(template).expect("the template is well formed"))
}

/// Reads how many records a node says that it rejected: `3 records were rejected, all others were kept: …`.
fn rejected_count(said: &str) -> Option<u64> {
    let (count, rest) = said.split_once(' ')?;
    let partial = rest.starts_with("records were rejected, all others were kept")
        || rest.starts_with("record was rejected, all others were kept");
    partial.then(|| count.parse().ok())?
}

fn parse_label(typed: &str) -> Result<(String, String), String> {
    let (name, value) = typed.split_once('=').ok_or("a label is written name=value")?;
    let begins_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !begins_well || !name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_') {
        return Err(format!("{name:?} is no label name: letters, digits and _, not beginning with a digit"));
    }
    if RESERVED.contains(&name) {
        return Err(format!("{name} has a meaning of its own in the request and cannot be a label here"));
    }
    Ok((name.to_owned(), value.to_owned()))
}

/// The parameters of the route that are no labels.
const RESERVED: &[&str] = &["copies", "strict"];

/// Too many requests; not now; no room on the disk. None of them stored anything.
const RETRIED: &[u16] = &[429, 503, 507];

/// After so long without a full piece, what has come is sent.
const QUIET: Duration = Duration::from_millis(500);

/// A node that took a piece answers within `ack_timeout`; a busy disk may take seconds.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

const FIRST_PAUSE: Duration = Duration::from_millis(100);

const PAUSE_MAX: Duration = Duration::from_secs(5);

const REASONS_MAX: usize = 10;

#[cfg(test)]
mod tests;
