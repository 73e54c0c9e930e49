//! Commits: what makes batches durable, and what the caller is told.
//!
//! Encoding, hashing, packing and checking happen on the caller's thread; the writer thread only writes.

use std::collections::VecDeque;

use bytes::Bytes;
use logmesh_protocol::batch::BatchFrame;
use logmesh_protocol::id::BatchId;
use logmesh_protocol::ledger::LedgerEntry;
use logmesh_protocol::segment::SegmentId;
use parking_lot::{Condvar, Mutex};
use thiserror::Error;

use crate::batch::{Packed, Unsound};
use crate::db::{ReadError, WriteError};

/// Batches to be made durable.
#[derive(Clone, Debug)]
pub enum Commit {
    /// New batches of the node's own journal.
    Append(Vec<Append>),
    /// Batches from peers, which are checked against their ids.
    Frames(Vec<BatchFrame>),
}

/// A new batch.
#[derive(Clone, Debug)]
pub struct Append {
    /// The segment.
    pub segment: SegmentId,
    /// The number within the segment; the caller gives each once.
    pub seq: u32,
    /// The tenant of all records.
    pub tenant: String,
    /// The chunks, each from a [`ChunkWriter`](logmesh_protocol::record::ChunkWriter).
    pub chunks: Vec<Bytes>,
}

/// What became of a commit. All that is named in `stored` is on the disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Committed {
    /// The batches that are held now, also those that were before, in the order in which they came.
    pub stored: Vec<Stored>,
    /// The batches that were not taken.
    pub refused: Vec<Refused>,
}

/// A batch that is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The segment.
    pub segment: SegmentId,
    /// The number within the segment.
    pub seq: u32,
    /// What the ledger says.
    pub entry: LedgerEntry,
    /// The body of its frame, ready to be sent to peers, where the caller brought the batch; `None` after an adoption.
    pub body: Option<Bytes>,
}

/// A batch that was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The segment.
    pub segment: SegmentId,
    /// The number within the segment.
    pub seq: u32,
    /// Why.
    pub because: RefusedBecause,
}

/// Why a batch was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RefusedBecause {
    /// It is not what it says.
    #[error("the batch is unsound")]
    Unsound(#[from] Unsound),
    /// Another batch of this seq is held, and is sound: the first one stays.
    #[error("another batch of this seq is held: {0}")]
    Conflict(BatchId),
}

/// Why a commit failed. Nothing of it is acknowledged; some of it may be on the disk all the same.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CommitError {
    /// More waits for the writer than it may. Try again a little later.
    #[error("too many bytes wait for the writer")]
    Busy,
    /// Less room is on the disk than the reserve.
    #[error("the disk is full")]
    DiskFull,
    /// The store is closing.
    #[error("the store is closing")]
    Closed,
    /// The database refused.
    #[error("the database could not be written")]
    Storage(#[source] WriteError),
}

impl From<WriteError> for CommitError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::DiskFull => Self::DiskFull,
            other => Self::Storage(other),
        }
    }
}

impl From<ReadError> for CommitError {
    fn from(error: ReadError) -> Self {
        Self::Storage(WriteError::Read(error))
    }
}

/// Called once, on the writer's thread (on the caller's if the commit is refused at once): it must not block.
pub type Done = Box<dyn FnOnce(Result<Committed, CommitError>) + Send>;

/// A commit that waits for the writer.
pub(crate) struct Job {
    pub(crate) batches: Vec<Packed>,
    pub(crate) refused: Vec<Refused>,
    pub(crate) bytes: usize,
    pub(crate) done: Done,
}

impl Job {
    /// Prepares what `commit` brings. Batches that are unsound are left out and named.
    pub(crate) fn prepare(commit: &Commit, bytes: usize, done: Done) -> Self {
        let mut job = Self { batches: Vec::new(), refused: Vec::new(), bytes, done };
        match commit {
            Commit::Append(appends) => {
                appends.iter().for_each(|append| job.take(append.segment, append.seq, Packed::from_append(append)));
            }
            Commit::Frames(frames) => {
                frames.iter().for_each(|frame| job.take(frame.segment, frame.seq, Packed::from_frame(frame)));
            }
        }
        job
    }

    fn take(&mut self, segment: SegmentId, seq: u32, packed: Result<Packed, Unsound>) {
        match packed {
            Ok(packed) => self.batches.push(packed),
            Err(because) => self.refused.push(Refused { segment, seq, because: because.into() }),
        }
    }
}

/// Returns the bytes that a commit counts for while it waits: what it brings, before it is packed.
pub(crate) fn bytes_of(commit: &Commit) -> usize {
    match commit {
        Commit::Append(appends) => {
            appends.iter().flat_map(|append| &append.chunks).map(Bytes::len).sum::<usize>() + appends.len() * BATCH_COST
        }
        Commit::Frames(frames) => frames.iter().map(|frame| frame.body.len() + BATCH_COST).sum(),
    }
}

/// The commits that wait for the writer, bounded by bytes.
pub(crate) struct Queue {
    state: Mutex<Waiting>,
    arrived: Condvar,
    bytes_max: usize,
}

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    /// Of what waits and of what is being prepared or written.
    bytes: usize,
    closed: bool,
}

impl Queue {
    /// Returns an empty queue.
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { state: Mutex::default(), arrived: Condvar::new(), bytes_max }
    }

    /// Makes room for a commit of `bytes`, before anything is spent on it. An empty queue takes any commit.
    pub(crate) fn reserve(&self, bytes: usize) -> Result<(), CommitError> {
        let mut state = self.state.lock();
        if state.closed {
            return Err(CommitError::Closed);
        }
        if state.bytes > 0 && state.bytes.saturating_add(bytes) > self.bytes_max {
            return Err(CommitError::Busy);
        }
        state.bytes += bytes;
        Ok(())
    }

    /// Gives a job, whose room is reserved, to the writer.
    pub(crate) fn push(&self, job: Job) {
        let mut state = self.state.lock();
        state.jobs.push_back(job);
        self.arrived.notify_one();
    }

    /// Waits for jobs and takes all that wait, up to `bytes_max` in sum. `None` when the queue is closed and empty.
    pub(crate) fn take(&self, bytes_max: usize) -> Option<Vec<Job>> {
        let mut state = self.state.lock();
        // What is reserved will still be pushed, so a closed queue ends only when nothing is.
        while state.jobs.is_empty() {
            if state.closed && state.bytes == 0 {
                return None;
            }
            self.arrived.wait(&mut state);
        }
        let (mut jobs, mut bytes) = (Vec::new(), 0);
        while let Some(job) = state.jobs.front() {
            if !jobs.is_empty() && bytes + job.bytes > bytes_max {
                break;
            }
            bytes += job.bytes;
            jobs.extend(state.jobs.pop_front());
        }
        Some(jobs)
    }

    /// Gives back the room of jobs that are done.
    pub(crate) fn release(&self, bytes: usize) {
        let mut state = self.state.lock();
        state.bytes -= bytes;
        if state.closed {
            self.arrived.notify_all();
        }
    }

    /// Refuses what comes from now on; what waits is still written.
    pub(crate) fn close(&self) {
        self.state.lock().closed = true;
        self.arrived.notify_all();
    }

    /// Returns the bytes that wait.
    pub(crate) fn bytes(&self) -> usize {
        self.state.lock().bytes
    }
}

/// What a batch counts for beside its bytes, so that empty ones are bounded too.
const BATCH_COST: usize = 256;
