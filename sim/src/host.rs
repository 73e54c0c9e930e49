//! A host: one node's machine with its disk, performing outputs as the shell of production does.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use logmesh_protocol::batch::BatchFrame;
use logmesh_protocol::config::Config;
use logmesh_protocol::id::{BatchId, Boot, NodeId};
use logmesh_protocol::message;
use logmesh_protocol::replica::{Announcement, Append, Event, Input, Output, Replica, StoredBatch, Ticket};
use logmesh_protocol::segment::SegmentId;
use logmesh_protocol::seq_set::SeqSet;
use logmesh_protocol::time::{Instant, Now, Timestamp};

use crate::disk::Disk;
use crate::gossip::Heard;
use crate::network::Parcel;

/// One host, up or down.
pub struct Host {
    /// Its identity, which survives even the loss of the disk.
    pub id: NodeId,
    /// The settings of its next start.
    pub config: Config,
    /// What is durable.
    pub disk: Disk,
    /// The running machine.
    pub replica: Option<Replica>,
    /// Its present start.
    pub boot: Boot,
    /// How long the disk takes for one piece of work.
    pub disk_latency: Duration,
    /// How far its wall clock is off, in nanoseconds.
    pub skew: i64,
    /// Whether others may know that it is running: it never stopped in order, or has told one of those that it is back.
    pub is_established: bool,
    /// What it last told by gossip.
    pub announced: Announcement,
    /// What it has heard by gossip.
    pub heard: Heard,
    /// What was told about as events, of all starts.
    pub events: Vec<Event>,
    /// Whether it crashes as soon as something becomes durable, or is acknowledged.
    pub trap: Option<Trap>,
    /// When it wants to be called, as the world was last told.
    pub(crate) wake: Option<Instant>,
    waiting: VecDeque<Append>,
    group: Vec<BatchFrame>,
    sizes: BTreeMap<Ticket, u64>,
    is_storing: bool,
}

/// When a host is to crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trap {
    /// After an append is durable and before the machine knows.
    Stored,
    /// Right after an acknowledgement.
    Acknowledged,
}

/// Work of the disk, done when it is due and the host still up.
#[derive(Clone, Debug)]
pub enum Work {
    /// A group of appends.
    Group(Vec<BatchFrame>),
    /// Batches of a peer.
    Frames(NodeId, Vec<BatchFrame>),
    /// Anything else.
    Output(Output),
}

/// What a host does to the world.
#[derive(Debug)]
pub enum Deed {
    /// Something leaves for a peer.
    Send(NodeId, Parcel),
    /// The disk is at work.
    Work(Work),
    /// A client was answered: so many copies.
    Acknowledged(Ticket, u8),
    /// A client was refused.
    Refused(Ticket),
    /// An append got its place.
    Placed(Ticket, SegmentId, u32, BatchId),
    /// The machine has stopped.
    Stopped(bool),
    /// The machine has dropped a segment.
    Dropped(SegmentId),
}

impl Host {
    /// Returns a host that was never started.
    pub fn new(id: NodeId, config: Config) -> Self {
        Self {
            id,
            config,
            disk: Disk::default(),
            replica: None,
            boot: Boot::from_bytes([0; 16]),
            disk_latency: Duration::from_millis(2),
            skew: 0,
            is_established: false,
            announced: Announcement::default(),
            heard: Heard::default(),
            events: Vec::new(),
            trap: None,
            wake: None,
            waiting: VecDeque::new(),
            group: Vec::new(),
            sizes: BTreeMap::new(),
            is_storing: false,
        }
    }

    /// Returns what its clocks show.
    pub fn now(&self, nanos: u64) -> Now {
        let wall = EPOCH_NANOS + i64::try_from(nanos).unwrap_or(i64::MAX / 2) + self.skew;
        Now { instant: Instant::from_nanos(nanos), timestamp: Timestamp::from_nanos(wall) }
    }

    /// Starts the machine on what the disk holds.
    pub fn start(&mut self, nanos: u64, seed: u64) {
        self.boot = Boot::new(self.now(nanos).timestamp, seed);
        self.replica = Some(Replica::new(self.id, self.boot, self.config.clone(), self.disk.recover(), seed));
        self.announced = Announcement::default();
        self.heard = Heard::default();
        self.wake = None;
    }

    /// Loses all that is not on disk. Returns the appends that nobody will answer.
    pub fn crash(&mut self) {
        self.replica = None;
        self.trap = None;
        self.is_storing = false;
        self.waiting.clear();
        self.group.clear();
        self.sizes.clear();
    }

    /// Takes a client's append.
    pub fn push(&mut self, append: Append) {
        self.sizes.insert(append.ticket, append.raw_bytes);
        self.waiting.push_back(append);
    }

    /// Gives the machine an input.
    pub fn tell(&mut self, nanos: u64, input: Input) {
        let now = self.now(nanos);
        if let Some(replica) = &mut self.replica {
            replica.handle_input(now, input);
        }
    }

    /// Lets time pass, performs all outputs, and gives the machine the next group of appends when the store is free.
    pub fn drain(&mut self, nanos: u64) -> Vec<Deed> {
        let now = self.now(nanos);
        let mut deeds = Vec::new();
        if let Some(replica) =
            self.replica.as_mut().filter(|replica| replica.poll_timeout().is_some_and(|at| at <= now.instant))
        {
            replica.handle_timeout(now);
        }
        self.perform_all(&mut deeds);
        if !self.is_storing && self.replica.is_some() {
            for append in std::mem::take(&mut self.waiting) {
                self.tell(nanos, Input::Append(append));
            }
            self.perform_all(&mut deeds);
            let group = std::mem::take(&mut self.group);
            if !group.is_empty() {
                self.is_storing = true;
                deeds.push(Deed::Work(Work::Group(group)));
            }
        }
        deeds
    }

    fn perform_all(&mut self, deeds: &mut Vec<Deed>) {
        while let Some(output) = self.replica.as_mut().and_then(Replica::poll_output) {
            self.perform(output, deeds);
        }
    }

    fn perform(&mut self, output: Output, deeds: &mut Vec<Deed>) {
        match output {
            Output::Send { to, message } => deeds.push(Deed::Send(to, Parcel::Message(message::encode(&message)))),
            Output::StoreAppend { ticket, segment, seq } => {
                let frame = frame_of(ticket, segment, seq, self.sizes.remove(&ticket).unwrap_or(0));
                deeds.push(Deed::Placed(ticket, segment, seq, frame.id));
                self.group.push(frame);
            }
            Output::StoreFrames { from, frames } => deeds.push(Deed::Work(Work::Frames(from, frames))),
            Output::Drop(segment) => {
                deeds.push(Deed::Dropped(segment));
                deeds.push(Deed::Work(Work::Output(output)));
            }
            Output::SendBatches { .. }
            | Output::SendExtent { .. }
            | Output::Adopt { .. }
            | Output::Seal(_)
            | Output::LoadLedger(_)
            | Output::Verify(_)
            | Output::Quarantine { .. } => deeds.push(Deed::Work(Work::Output(output))),
            Output::Acknowledge { ticket, copies } => deeds.push(Deed::Acknowledged(ticket, copies)),
            Output::Refuse { ticket, .. } => deeds.push(Deed::Refused(ticket)),
            Output::Persist(bytes) => self.disk.state = bytes,
            Output::Announce(said) => self.announced = said,
            Output::Event(event) => self.events.push(event),
            Output::Stopped { clean } => deeds.push(Deed::Stopped(clean)),
        }
    }

    /// Does work on the disk. What is to be sent or told comes back.
    pub fn work(&mut self, work: Work) -> (Vec<Input>, Vec<(NodeId, Parcel)>) {
        match work {
            Work::Group(frames) => {
                self.is_storing = false;
                (vec![self.write(None, &frames)], Vec::new())
            }
            Work::Frames(from, frames) => (vec![self.write(Some(from), &frames)], Vec::new()),
            Work::Output(output) => self.work_output(output),
        }
    }

    fn write(&mut self, from: Option<NodeId>, frames: &[BatchFrame]) -> Input {
        match self.disk.write(frames) {
            Some(stored) => Input::Stored(stored.into_iter().map(|batch| StoredBatch { from, ..batch }).collect()),
            None => {
                let batches = frames.iter().map(|frame| (frame.segment, frame.seq)).collect();
                Input::StoreFailed { from, batches, full: true }
            }
        }
    }

    fn work_output(&mut self, output: Output) -> (Vec<Input>, Vec<(NodeId, Parcel)>) {
        match output {
            Output::SendBatches { to, segment, seqs } => {
                let (frames, damaged) = self.disk.read(segment, &seqs);
                let sent: SeqSet = frames.iter().map(|frame| frame.seq).collect();
                let bytes = frames.iter().map(|frame| frame.body.len() as u64).sum();
                let mut inputs = Vec::new();
                if !damaged.is_empty() {
                    inputs.push(Input::Verified { segment, damaged, whole: false });
                }
                inputs.push(Input::Sent { to, segment, seqs: sent, bytes });
                let parcels = if frames.is_empty() { Vec::new() } else { vec![(to, Parcel::Batches(frames))] };
                (inputs, parcels)
            }
            Output::SendExtent { to, extent } => self.send_extent(to, extent),
            Output::Adopt { from, extent, bytes } => {
                let stored = self.disk.adopt(extent, &bytes);
                let batches = stored
                    .map(|stored| stored.into_iter().map(|batch| StoredBatch { from: Some(from), ..batch }).collect());
                (vec![Input::Adopted { from, extent, batches }], Vec::new())
            }
            Output::Seal(extent) => {
                let sealed = self.disk.seal(extent).map(|bytes| (extent, bytes));
                (vec![Input::Sealed { segment: extent.segment, extent: sealed }], Vec::new())
            }
            Output::LoadLedger(segment) => {
                (vec![Input::LedgerLoaded { segment, entries: self.disk.ledger(segment) }], Vec::new())
            }
            Output::Verify(segment) => {
                (vec![Input::Verified { segment, damaged: self.disk.damaged(segment), whole: true }], Vec::new())
            }
            Output::Quarantine { segment, seqs } => {
                (vec![Input::Quarantined { segment, seqs: self.disk.quarantine(segment, &seqs) }], Vec::new())
            }
            Output::Drop(segment) => {
                self.disk.drop_segment(segment);
                (Vec::new(), Vec::new())
            }
            other => unreachable!("{other:?} is no work of the disk"),
        }
    }

    fn send_extent(
        &mut self,
        to: NodeId,
        extent: logmesh_protocol::segment::ExtentId,
    ) -> (Vec<Input>, Vec<(NodeId, Parcel)>) {
        let segment = extent.segment;
        match self.disk.extent_bytes(extent) {
            Some(bytes) => {
                let seqs = SeqSet::from_range(extent.from..extent.to);
                let sent = Input::Sent { to, segment, seqs, bytes: bytes.len() as u64 };
                (vec![sent], vec![(to, Parcel::Extent(extent, bytes))])
            }
            None => {
                let damaged = self.disk.damaged(segment);
                let verified = Input::Verified { segment, damaged, whole: true };
                (vec![verified, Input::Sent { to, segment, seqs: SeqSet::new(), bytes: 0 }], Vec::new())
            }
        }
    }
}

/// Returns the batch that the records of `ticket` make.
fn frame_of(ticket: Ticket, segment: SegmentId, seq: u32, bytes: u64) -> BatchFrame {
    let mut body = segment.to_bytes().to_vec();
    body.extend_from_slice(&seq.to_le_bytes());
    body.extend_from_slice(&ticket.0.to_le_bytes());
    body.resize(body.len().max(bytes as usize), 0);
    BatchFrame { segment, seq, id: BatchId::of(&body), body: Bytes::from(body) }
}

/// Where the world's time begins: 2026-11-23 00:10 UTC, ten minutes into a window.
pub const EPOCH_NANOS: i64 = 1_795_392_600 * 1_000_000_000;
