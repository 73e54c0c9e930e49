//! What the machine is told and what it wants done: its whole contract with the shells.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::batch::BatchFrame;
use crate::deletion::Deletion;
use crate::id::{Boot, NodeId};
use crate::ledger::LedgerEntry;
use crate::message::Message;
use crate::segment::{ExtentId, SegmentId, Window};
use crate::seq_set::SeqSet;
use crate::time::Timestamp;

/// Names an append until it is answered. Drawn by the shell, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// What the machine is told.
#[derive(Clone, Debug)]
pub enum Input {
    /// Gossip's whole new view.
    View(View),
    /// What has changed of gossip's view: these nodes, in order, are seen so now, all others as before.
    News(Vec<(NodeId, Peer)>),
    /// A group of records of one tenant and one window wants a place in this node's journal. At most one group is
    /// being stored at a time: the shell gathers the next meanwhile.
    Append(Append),
    /// The store has made these durable (appended or taken from a peer), or had them already.
    Stored(Vec<StoredBatch>),
    /// The store could not make these durable. `from` is none for an append.
    StoreFailed {
        /// Who sent them.
        from: Option<NodeId>,
        /// Their places.
        batches: Vec<(SegmentId, u32)>,
        /// Whether the disk is full; else the bytes were bad or the disk failed.
        full: bool,
    },
    /// A peer's message.
    Message {
        /// The peer.
        from: NodeId,
        /// What it says.
        message: Message,
    },
    /// A peer's batches. Their hashes are checked by the store before it keeps them.
    Batches {
        /// The peer.
        from: NodeId,
        /// The batches.
        frames: Vec<BatchFrame>,
    },
    /// A peer's sealed extent.
    Extent {
        /// The peer.
        from: NodeId,
        /// Which one.
        extent: ExtentId,
        /// As [`Output::SendExtent`] sent it.
        bytes: Bytes,
    },
    /// The answer to [`Output::Seal`]; none if it could not be sealed (it is tried again later).
    Sealed {
        /// The segment.
        segment: SegmentId,
        /// What came to be.
        extent: Option<(ExtentId, u64)>,
    },
    /// The answer to [`Output::Adopt`]: the batches within that are now held, or none if the bytes were refused.
    Adopted {
        /// Who sent it.
        from: NodeId,
        /// Which one.
        extent: ExtentId,
        /// What is held of it now.
        batches: Option<Vec<StoredBatch>>,
    },
    /// The answer to [`Output::LoadLedger`].
    LedgerLoaded {
        /// The segment.
        segment: SegmentId,
        /// All that is held of it, in order.
        entries: Vec<(u32, LedgerEntry)>,
    },
    /// Batches that were to be sent could not be read: they are damaged. Also the answer to [`Output::Verify`] and what
    /// a scan found; empty if all is well.
    Verified {
        /// The segment.
        segment: SegmentId,
        /// What does not hash to its id.
        damaged: SeqSet,
        /// Whether the whole segment was read.
        whole: bool,
    },
    /// The answer to [`Output::Quarantine`]: what is no longer held.
    Quarantined {
        /// The segment.
        segment: SegmentId,
        /// What was taken out.
        seqs: SeqSet,
    },
    /// The answer to [`Output::SendBatches`] or [`Output::SendExtent`]: so many bytes left for the peer, or none left
    /// because it cannot be reached or its queue is full.
    Sent {
        /// The peer.
        to: NodeId,
        /// The segment.
        segment: SegmentId,
        /// What was sent of it.
        seqs: SeqSet,
        /// How many bytes.
        bytes: u64,
        /// Why, as the output said.
        purpose: Purpose,
    },
    /// An operator gives a member up.
    Forget(NodeId),
    /// An operator takes this node out of the mesh: it stays as a source until all it holds is at full copies elsewhere.
    Leave,
    /// Somebody deletes, or takes a deletion back.
    Delete(Deletion),
    /// The process is about to end: hand over what is owed, then [`Output::Stopped`].
    Stop,
}

/// What the machine wants done, in order.
#[derive(Clone, Debug)]
pub enum Output {
    /// Send a message to a peer. It may be lost; the machine asks again.
    Send {
        /// The peer.
        to: NodeId,
        /// The message.
        message: Message,
    },
    /// Read these batches from the store (or from what was just stored) and send them. Answer: [`Input::Sent`].
    SendBatches {
        /// The peer.
        to: NodeId,
        /// The segment.
        segment: SegmentId,
        /// Which of it.
        seqs: SeqSet,
        /// Why. A push and a wish of one peer may be on their way at once.
        purpose: Purpose,
    },
    /// Read a sealed extent and send it whole. Answer: [`Input::Sent`].
    SendExtent {
        /// The peer.
        to: NodeId,
        /// Which one.
        extent: ExtentId,
        /// Why.
        purpose: Purpose,
    },
    /// Store the records of `ticket` as this batch. Answer: [`Input::Stored`] or [`Input::StoreFailed`].
    StoreAppend {
        /// The append.
        ticket: Ticket,
        /// Its segment.
        segment: SegmentId,
        /// Its number.
        seq: u32,
    },
    /// Store what a peer sent. Answer: [`Input::Stored`] and, for those refused, [`Input::StoreFailed`].
    StoreFrames {
        /// The peer.
        from: NodeId,
        /// The batches; none of them is held already.
        frames: Vec<BatchFrame>,
    },
    /// Adopt a peer's sealed extent. Answer: [`Input::Adopted`].
    Adopt {
        /// The peer.
        from: NodeId,
        /// Which one.
        extent: ExtentId,
        /// As it came.
        bytes: Bytes,
    },
    /// Seal the batches `[from, to)`. Answer: [`Input::Sealed`].
    Seal(ExtentId),
    /// Load a segment's ledger. Answer: [`Input::LedgerLoaded`].
    LoadLedger(SegmentId),
    /// Read all that is held of a segment and hash it. Answer: [`Input::Verified`].
    Verify(SegmentId),
    /// Set damaged batches aside. Answer: [`Input::Quarantined`].
    Quarantine {
        /// The segment.
        segment: SegmentId,
        /// Which of it.
        seqs: SeqSet,
    },
    /// Delete all that is held of a segment. No answer.
    Drop(SegmentId),
    /// Answer a client: its records are durable in so many copies, this node's among them.
    Acknowledge {
        /// The append.
        ticket: Ticket,
        /// How many nodes are known to hold it.
        copies: u8,
    },
    /// Answer a client: its records were not stored.
    Refuse {
        /// The append.
        ticket: Ticket,
        /// Whether the disk is full.
        full: bool,
    },
    /// Keep these bytes where the next start finds them ([`Recovered::state`]). No answer.
    Persist(Bytes),
    /// Keep these deletions where the next start finds them ([`Recovered::deletions`]), and hold them against all that is
    /// shown from now on. No answer.
    KeepDeletions(Bytes),
    /// Tell this about ourselves by gossip, in place of what was told before.
    Announce(Announcement),
    /// Something that an operator may want to read or count.
    Event(Event),
    /// The answer to [`Input::Stop`]: nothing more will come. `clean` if all that this node held is held elsewhere too.
    Stopped {
        /// Whether answers stay complete without this node.
        clean: bool,
    },
}

/// Why something is sent to a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The peer should hold it.
    Push,
    /// The peer has asked for it.
    Wish,
}

/// Records that want a place in this node's journal.
#[derive(Clone, Copy, Debug)]
pub struct Append {
    /// Names the append in the answers.
    pub ticket: Ticket,
    /// The hour of record time in which all of them lie.
    pub window: Window,
    /// How many bytes they have, uncompressed.
    pub raw_bytes: u64,
    /// How many copies to wait for before the answer, this node's among them.
    pub copies: u8,
}

/// A batch that is durable in the own store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredBatch {
    /// The segment.
    pub segment: SegmentId,
    /// The number within.
    pub seq: u32,
    /// Its id and sizes.
    pub entry: LedgerEntry,
    /// Who sent it; none for an append.
    pub from: Option<NodeId>,
}

/// What gossip says of all others right now, whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// All nodes that gossip knows, this one left out.
    pub peers: BTreeMap<NodeId, Peer>,
}

/// What gossip says of one other node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Whether the failure detector takes it to be up.
    pub live: bool,
    /// Its last known start.
    pub boot: Boot,
    /// What it last told about itself.
    pub said: Arc<Announcement>,
}

/// What a node tells about itself by gossip.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announcement {
    /// The digest of its member table.
    pub members: [u8; 16],
    /// The digest of its table of deletions.
    pub deletions: [u8; 16],
    /// When it said this, by its own wall clock: who hears it late would take it for news. None if it did not say.
    pub at: Option<Timestamp>,
    /// How many batches it has written to each open segment of its present journal: window, part, count.
    pub heads: BTreeMap<(Window, u32), u32>,
    /// Whether it stopped in order, with all it held held elsewhere too.
    pub clean: bool,
    /// Whether its disk refuses writes.
    pub full: bool,
    /// Whether all that it wrote in earlier journals has all its copies, so that `heads` leave nothing out.
    pub settled: bool,
}

impl Announcement {
    /// Tells whether it differs from another in nothing but the heads and when they were told.
    pub fn differs_in_heads_alone(&self, other: &Self) -> bool {
        let rest = |said: &Self| (said.members, said.deletions, said.clean, said.full, said.settled);
        rest(self) == rest(other)
    }
}

/// What the shell found on disk at the start.
#[derive(Clone, Debug, Default)]
pub struct Recovered {
    /// What was last given to [`Output::Persist`]; empty at the first start.
    pub state: Bytes,
    /// What was last given to [`Output::KeepDeletions`]; empty if nothing was.
    pub deletions: Bytes,
    /// What is held.
    pub segments: Vec<RecoveredSegment>,
}

/// What is held of one segment at the start.
#[derive(Clone, Debug)]
pub struct RecoveredSegment {
    /// The segment.
    pub segment: SegmentId,
    /// What is held of it.
    pub held: SeqSet,
    /// Which of it lies in extents.
    pub extents: Vec<ExtentId>,
    /// How many raw bytes the rest has.
    pub tail_raw_bytes: u64,
}

/// Something that an operator may want to read or count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A member went away or came back.
    Liveness {
        /// The member.
        node: NodeId,
        /// Whether it is back.
        live: bool,
    },
    /// A member departed: placement moves.
    Departed(NodeId),
    /// A repair round has ended.
    RepairEnded {
        /// The peer.
        peer: NodeId,
        /// Whether nothing differed.
        in_sync: bool,
        /// Batches that came from it.
        batches: u64,
        /// Bytes that came from it.
        bytes: u64,
    },
    /// Batches did not hash to their ids and were set aside.
    Damaged {
        /// The segment.
        segment: SegmentId,
        /// How many.
        batches: u64,
    },
    /// Batches that were damaged are whole again.
    Mended {
        /// The segment.
        segment: SegmentId,
        /// How many.
        batches: u64,
    },
    /// A segment left this node.
    Dropped {
        /// The segment.
        segment: SegmentId,
        /// Whether it expired; else its holders have it.
        expired: bool,
    },
    /// This node has left: all it held is at full copies elsewhere.
    Left,
}
