//! A host: one node's machine with its disk, performing outputs as the shell of production does.

use std::collections::{BTreeMap, VecDeque};

use logmesh_protocol::batch::BatchFrame;
use logmesh_protocol::config::Config;
use logmesh_protocol::id::{BatchId, Boot, NodeId};
use logmesh_protocol::message;
use logmesh_protocol::replica::{Append, Event, Input, Output, Purpose, Replica, StoredBatch, Ticket};
use logmesh_protocol::segment::{ExtentId, SegmentId};
use logmesh_protocol::seq_set::SeqSet;
use logmesh_protocol::time::{Instant, Now};

use crate::clock::Clock;
use crate::disk::{Disk, body};
use crate::network::{Extent, Parcel};
use crate::spec::{DiskQuality, NodeSpec};

/// One host, up or down.
pub struct Host {
    /// Its identity, which survives even the loss of the disk.
    pub id: NodeId,
    /// The settings of its next start.
    pub config: Config,
    /// What is durable.
    pub disk: Disk,
    /// What the disk is like.
    pub quality: DiskQuality,
    /// The running machine.
    pub replica: Option<Replica>,
    /// Its present start.
    pub boot: Boot,
    /// How many starts it had.
    pub starts: u32,
    /// What its clocks show.
    pub clock: Clock,
    /// How long it takes over anything it receives, in nanoseconds.
    pub slowness: u64,
    /// Until when no fsync ends.
    pub stalled_until: u64,
    /// Until when it may be slow to answer, whatever it promises: it was paused, stalled or full.
    pub troubled_until: u64,
    /// The version of the messages that it speaks.
    pub version: u8,
    /// The version that it speaks from its next start on.
    pub next_version: u8,
    /// Whether others may know that it is running: it never stopped in order nor was given up, or has told one of those that it is back.
    pub is_established: bool,
    /// The incarnation of its row at its present start: who has a later one knows that it runs.
    pub started_as: u64,
    /// Whether it was told to stop.
    pub is_stopping: bool,
    /// Whether it has left since its present start.
    pub has_left: bool,
    /// What was told about as events, of all starts.
    pub events: Vec<Event>,
    /// Whether it crashes as soon as something becomes durable, or is acknowledged.
    pub trap: Option<Trap>,
    /// What it last told by gossip.
    pub announced: logmesh_protocol::replica::Announcement,
    /// What it did since it was last asked.
    pub tally: Tally,
    /// When it wants to be called, as the world was last told.
    pub(crate) wake: Option<Instant>,
    waiting: VecDeque<Append>,
    group: Vec<BatchFrame>,
    sizes: BTreeMap<Ticket, u64>,
    is_storing: bool,
    /// What waits for the next fsync, and what the present one covers.
    to_write: Vec<Work>,
    writing: Vec<Work>,
}

/// What a host did.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// Appends that it acknowledged.
    pub accepted: u32,
    /// Appends that it refused.
    pub refused: u32,
    /// Bytes of its own new batches that it sent.
    pub push_bytes: u64,
    /// Bytes of other batches and extents that it sent.
    pub repair_bytes: u64,
    /// Bytes of messages that it sent.
    pub message_bytes: u64,
}

/// When a host is to crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trap {
    /// After an append is durable and before the machine knows.
    Stored,
    /// Right after an acknowledgement.
    Acknowledged,
    /// While an fsync is under way.
    Writing,
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
    /// The disk is at work beside the writer.
    Work(Work),
    /// An fsync begins, of so many bytes.
    Write(u64),
    /// A client was answered: so many copies.
    Acknowledged(Ticket, u8),
    /// A client was refused.
    Refused(Ticket),
    /// An append got its place.
    Placed(Ticket, SegmentId, u32, BatchId),
    /// It tells this by gossip.
    Announced(logmesh_protocol::replica::Announcement),
    /// The machine has stopped.
    Stopped(bool),
    /// The machine has dropped a segment.
    Dropped(SegmentId),
}

/// What came of work on the disk: what the machine is told, and what leaves.
pub type Worked = (Vec<Input>, Vec<(NodeId, Parcel)>);

impl Host {
    /// Returns a host that was never started.
    pub fn new(id: NodeId, config: Config, spec: &NodeSpec) -> Self {
        Self {
            id,
            config,
            disk: Disk::default(),
            quality: spec.disk,
            replica: None,
            boot: Boot::from_bytes([0; 16]),
            starts: 0,
            clock: Clock::default(),
            slowness: crate::network::nanos(spec.slowness),
            stalled_until: 0,
            troubled_until: 0,
            version: 0,
            next_version: 0,
            is_established: false,
            started_as: 0,
            is_stopping: false,
            has_left: false,
            events: Vec::new(),
            trap: None,
            announced: logmesh_protocol::replica::Announcement::default(),
            tally: Tally::default(),
            wake: None,
            waiting: VecDeque::new(),
            group: Vec::new(),
            sizes: BTreeMap::new(),
            is_storing: false,
            to_write: Vec::new(),
            writing: Vec::new(),
        }
    }

    /// Returns what its clocks show.
    pub fn now(&self, nanos: u64) -> Now {
        self.clock.now(nanos)
    }

    /// Starts the machine on what the disk holds.
    pub fn start(&mut self, nanos: u64, seed: u64) {
        self.clock.restart(nanos);
        self.boot = Boot::new(self.now(nanos).timestamp, seed);
        self.starts += 1;
        self.version = self.next_version;
        self.is_stopping = false;
        self.replica = Some(Replica::new(self.id, self.boot, self.config.clone(), self.disk.recover(), seed));
        self.wake = None;
        self.announced = logmesh_protocol::replica::Announcement::default();
    }

    /// Loses all that is not on disk. Of what was being written the first `kept` pieces are on disk all the same, though nobody was told:
    /// they come back, as what was written.
    pub fn crash(&mut self, kept: usize) -> Vec<(SegmentId, u32)> {
        let mut written = Vec::new();
        if self.replica.take().is_some() {
            for work in self.writing.drain(..).take(kept) {
                let (Work::Group(frames) | Work::Frames(_, frames)) = work else { continue };
                let stored = self.disk.write(&frames).unwrap_or_default();
                written.extend(stored.iter().map(|batch| (batch.segment, batch.seq)));
            }
        }
        self.trap = None;
        self.is_storing = false;
        self.waiting.clear();
        self.group.clear();
        self.sizes.clear();
        self.to_write.clear();
        self.writing.clear();
        written
    }

    /// Returns how many pieces are being written just now.
    pub fn writing_count(&self) -> usize {
        self.writing.len()
    }

    /// Takes a client's append.
    pub fn push(&mut self, append: Append) {
        self.sizes.insert(append.ticket, append.raw_bytes);
        self.waiting.push_back(append);
    }

    /// Gives the machine an input.
    pub fn tell(&mut self, nanos: u64, input: Input) {
        let now = self.now(nanos);
        self.is_stopping |= matches!(input, Input::Stop);
        if let Some(replica) = &mut self.replica {
            replica.handle_input(now, input);
        }
    }

    /// Lets time pass, performs all outputs, and gives the machine the next group of appends when the store is free.
    pub fn drain(&mut self, nanos: u64, deeds: &mut Vec<Deed>) {
        let now = self.now(nanos);
        if let Some(replica) =
            self.replica.as_mut().filter(|replica| replica.poll_timeout().is_some_and(|at| at <= now.instant))
        {
            replica.handle_timeout(now);
        }
        self.perform_all(deeds);
        if !self.is_storing && self.replica.is_some() && !self.waiting.is_empty() {
            for append in std::mem::take(&mut self.waiting) {
                self.tell(nanos, Input::Append(append));
            }
            self.perform_all(deeds);
            let group = std::mem::take(&mut self.group);
            if !group.is_empty() {
                self.is_storing = true;
                self.to_write.push(Work::Group(group));
            }
        }
        self.begin_write(deeds);
    }

    fn begin_write(&mut self, deeds: &mut Vec<Deed>) {
        if !self.writing.is_empty() || self.to_write.is_empty() {
            return;
        }
        self.writing = std::mem::take(&mut self.to_write);
        let frames = self.writing.iter().flat_map(|work| match work {
            Work::Group(frames) | Work::Frames(_, frames) => &frames[..],
            Work::Output(_) => &[],
        });
        deeds.push(Deed::Write(frames.map(|frame| frame.body.len() as u64).sum()));
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
            Output::StoreFrames { from, frames } => self.to_write.push(Work::Frames(from, frames)),
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
            Output::KeepDeletions(bytes) => self.disk.deletions = bytes,
            Output::Announce(said) => deeds.push(Deed::Announced(said)),
            Output::Event(event) => {
                self.has_left |= event == Event::Left;
                self.events.push(event);
            }
            Output::Stopped { clean } => deeds.push(Deed::Stopped(clean)),
        }
    }

    /// The fsync under way has ended: returns what the machine is told, and whether appends were among it.
    pub fn written(&mut self) -> (Vec<Input>, bool) {
        let (mut inputs, mut has_appends) = (Vec::new(), false);
        for work in std::mem::take(&mut self.writing) {
            match work {
                Work::Group(frames) => {
                    (self.is_storing, has_appends) = (false, true);
                    inputs.push(self.write(None, &frames));
                }
                Work::Frames(from, frames) => inputs.push(self.write(Some(from), &frames)),
                Work::Output(output) => unreachable!("{output:?} is not for the writer"),
            }
        }
        (inputs, has_appends)
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

    /// Does work on the disk beside the writer. What is to be sent or told comes back.
    pub fn work(&mut self, work: Work) -> Worked {
        let Work::Output(output) = work else { unreachable!("batches are for the writer") };
        match output {
            Output::SendBatches { to, segment, seqs, purpose } => self.send_batches((to, purpose), segment, &seqs),
            Output::SendExtent { to, extent, purpose } => self.send_extent((to, purpose), extent),
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

    fn send_batches(&mut self, (to, purpose): (NodeId, Purpose), segment: SegmentId, seqs: &SeqSet) -> Worked {
        let (frames, damaged) = self.disk.read(segment, seqs);
        let sent: SeqSet = frames.iter().map(|frame| frame.seq).collect();
        let bytes = frames.iter().map(|frame| frame.body.len() as u64).sum();
        let mut inputs = Vec::new();
        if !damaged.is_empty() {
            inputs.push(Input::Verified { segment, damaged, whole: false });
        }
        inputs.push(Input::Sent { to, segment, seqs: sent, bytes, purpose });
        let is_new = segment.origin() == self.id && segment.journal.boot == self.boot;
        match is_new {
            true => self.tally.push_bytes += bytes,
            false => self.tally.repair_bytes += bytes,
        }
        let parcels = if frames.is_empty() { Vec::new() } else { vec![(to, Parcel::Batches(frames))] };
        (inputs, parcels)
    }

    fn send_extent(&mut self, (to, purpose): (NodeId, Purpose), extent: ExtentId) -> Worked {
        let segment = extent.segment;
        match self.disk.extent_bytes(extent) {
            Some((content, bytes)) => {
                let seqs = SeqSet::from_range(extent.from..extent.to);
                self.tally.repair_bytes += bytes;
                let sent = Input::Sent { to, segment, seqs, bytes, purpose };
                (vec![sent], vec![(to, Parcel::Extent(Box::new(Extent { id: extent, content, bytes })))])
            }
            None => {
                let damaged = self.disk.damaged(segment);
                let verified = Input::Verified { segment, damaged, whole: true };
                let nothing = Input::Sent { to, segment, seqs: SeqSet::new(), bytes: 0, purpose };
                (vec![verified, nothing], Vec::new())
            }
        }
    }
}

/// Returns the batch that the records of `ticket` make.
fn frame_of(ticket: Ticket, segment: SegmentId, seq: u32, bytes: u64) -> BatchFrame {
    let mut content = [0; SegmentId::BYTES + 12];
    content[..SegmentId::BYTES].copy_from_slice(&segment.to_bytes());
    content[SegmentId::BYTES..SegmentId::BYTES + 4].copy_from_slice(&seq.to_le_bytes());
    content[SegmentId::BYTES + 4..].copy_from_slice(&ticket.0.to_le_bytes());
    let bytes = u32::try_from(bytes).unwrap_or(u32::MAX).max(1);
    BatchFrame { segment, seq, id: BatchId::of(&content), body: body(bytes) }
}
