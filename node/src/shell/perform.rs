//! Performs the machine's outputs on the store, the net and gossip, none of which may hold up the mesh task.

use std::collections::BTreeMap;
use std::sync::Arc;

use logmesh_gossip::Gossip;
use logmesh_protocol::batch::BatchFrame;
use logmesh_protocol::deletion::DeletionTable;
use logmesh_protocol::envelope::Envelope;
use logmesh_protocol::id::NodeId;
use logmesh_protocol::replica::{Input, Output, Purpose, StoredBatch, Ticket};
use logmesh_protocol::segment::{ExtentId, SegmentId};
use logmesh_protocol::seq_set::SeqSet;
use logmesh_store::{Append, Commit, CommitError, Committed, Done, Store, Stored};
use tokio::sync::{Semaphore, watch};
use tracing::warn;

use super::announce::Announcer;
use super::gather::Payload;
use super::mesh::Mesh;
use super::recent::Recent;
use super::sender::Sender;
use crate::query::{Deleted, Feed, Masks};

/// The hands of the mesh task.
pub(crate) struct Performer {
    store: Store,
    sender: Sender,
    announcer: Announcer,
    mesh: Mesh,
    payloads: BTreeMap<Ticket, Payload>,
    recent: Arc<Recent>,
    group: Vec<Append>,
    /// Reads that run beside the task; further ones wait in line.
    reads: Arc<Semaphore>,
    /// Seals and adoptions: few, for they want a core each.
    seals: Arc<Semaphore>,
    /// Verifications and quarantines, which nobody waits for.
    scrubs: Arc<Semaphore>,
    /// Who follows what is taken in here.
    feed: Arc<Feed>,
    /// Tells queries what is deleted.
    deleted: watch::Sender<Deleted>,
}

impl Performer {
    /// Returns hands for these.
    pub(crate) fn new(store: Store, sender: Sender, gossip: Arc<Gossip>, mesh: Mesh, told: Told) -> Self {
        let limit = |count| Arc::new(Semaphore::new(count));
        let (reads, seals, scrubs) = (limit(READS_MAX), limit(SEALS_MAX), limit(SCRUBS_MAX));
        Self {
            store,
            sender,
            announcer: Announcer::new(gossip),
            mesh,
            payloads: BTreeMap::new(),
            recent: Arc::default(),
            group: Vec::new(),
            reads,
            seals,
            scrubs,
            feed: told.feed,
            deleted: told.deleted,
        }
    }

    /// Keeps the records of `ticket` until the machine has given them a place.
    pub(crate) fn keep_payload(&mut self, ticket: Ticket, payload: Payload) {
        self.payloads.insert(ticket, payload);
    }

    /// Lets go of the records of a refused append.
    pub(crate) fn forget_payload(&mut self, ticket: Ticket) {
        self.payloads.remove(&ticket);
    }

    /// Hands the group to the store. Tells whether there was one.
    pub(crate) fn commit_group(&mut self) -> bool {
        let group = std::mem::take(&mut self.group);
        if group.is_empty() {
            return false;
        }
        let places: Vec<_> = group.iter().map(|append| (append.segment, append.seq)).collect();
        let tenants = group.iter().map(|append| ((append.segment, append.seq), append.tenant.clone())).collect();
        let (mesh, recent, feed) = (self.mesh.clone(), self.recent.clone(), self.feed.clone());
        let done = move |outcome: Result<Committed, CommitError>| {
            if let (Ok(committed), true) = (&outcome, feed.is_followed()) {
                publish(&feed, &tenants, committed);
            }
            mesh.group_stored_blocking(inputs_of(outcome, None, places, &recent));
        };
        self.commit(Commit::Append(group), Box::new(done));
        true
    }

    /// Performs one output. Those that answer clients are the mesh task's own.
    pub(crate) fn perform(&mut self, output: Output) {
        match output {
            Output::Send { to, message } => {
                // What is lost is asked for again.
                let _ = self.sender.send(to, Envelope::Message(message));
            }
            Output::SendBatches { to, segment, seqs, purpose } => self.send_batches((to, purpose), segment, seqs),
            Output::SendExtent { to, extent, purpose } => self.send_extent((to, purpose), extent),
            Output::StoreAppend { ticket, segment, seq } => {
                let payload = self.payloads.remove(&ticket).expect("the machine places an append once");
                self.group.push(Append { segment, seq, tenant: payload.tenant, chunks: payload.chunks });
            }
            Output::StoreFrames { from, frames } => self.store_frames(from, frames),
            Output::Adopt { from, extent, bytes } => self.adopt(from, extent, bytes),
            Output::Seal(extent) => self.seal(extent),
            Output::LoadLedger(segment) => self.load_ledger(segment),
            Output::Verify(segment) => self.verify(segment),
            Output::Quarantine { segment, seqs } => self.quarantine(segment, seqs),
            Output::Drop(segment) => self.drop_segment(segment),
            Output::Persist(state) => self.persist(&state),
            Output::KeepDeletions(table) => self.keep_deletions(&table),
            Output::Announce(announcement) => self.announcer.tell(&announcement),
            Output::Acknowledge { .. } | Output::Refuse { .. } | Output::Event(_) | Output::Stopped { .. } => {
                unreachable!("answered by the mesh task")
            }
        }
    }
}

impl Performer {
    /// Runs `work` on a thread that may block, `limit` of its kind at a time, and tells the machine what came of it.
    fn beside(&self, limit: &Arc<Semaphore>, work: impl FnOnce(&Store, &Sender) -> Option<Input> + Send + 'static) {
        let (limit, store, mesh) = (limit.clone(), self.store.clone(), self.mesh.clone());
        let sender = self.sender.clone();
        tokio::spawn(async move {
            let Ok(permit) = limit.acquire_owned().await else { return };
            let worked = tokio::task::spawn_blocking(move || work(&store, &sender)).await;
            drop(permit);
            if let Ok(Some(input)) = worked {
                mesh.tell(input).await;
            }
        });
    }

    fn send_batches(&self, (to, purpose): (NodeId, Purpose), segment: SegmentId, seqs: SeqSet) {
        let (mesh, recent) = (self.mesh.clone(), self.recent.clone());
        self.beside(&self.reads, move |store, sender| {
            let nothing = Input::Sent { to, segment, seqs: SeqSet::new(), bytes: 0, purpose };
            if let Some(frames) = recent.frames(&segment, &seqs) {
                return Some(send_frames(sender, (to, purpose), segment, frames));
            }
            let read = match store.frames(&segment, &seqs, FRAMES_BYTES_MAX) {
                Ok(read) => read,
                Err(error) => {
                    warn!(%segment, %error, "batches to be sent could not be read");
                    return Some(nothing);
                }
            };
            if !read.damaged.is_empty() {
                mesh.tell_blocking(Input::Verified { segment, damaged: read.damaged, whole: false });
            }
            Some(send_frames(sender, (to, purpose), segment, read.frames))
        });
    }

    fn send_extent(&self, (to, purpose): (NodeId, Purpose), extent: ExtentId) {
        let mesh = self.mesh.clone();
        self.beside(&self.reads, move |store, sender| {
            let segment = extent.segment;
            let nothing = Input::Sent { to, segment, seqs: SeqSet::new(), bytes: 0, purpose };
            let bytes = match store.extent_bytes(&extent) {
                Ok(bytes) => bytes,
                Err(error) => {
                    warn!(%segment, %error, "an extent to be sent could not be read");
                    mesh.tell_blocking(verified(store, segment)?);
                    return Some(nothing);
                }
            };
            let length = bytes.len() as u64;
            if !sender.send(to, Envelope::Extent(extent, bytes)) {
                return Some(nothing);
            }
            let seqs = SeqSet::from_range(extent.from..extent.to);
            Some(Input::Sent { to, segment, seqs, bytes: length, purpose })
        });
    }

    /// Encoding and hashing are the caller's part of a commit, and too much for the mesh task.
    fn commit(&self, work: Commit, done: Done) {
        let store = self.store.clone();
        tokio::task::spawn_blocking(move || store.commit(work, done));
    }

    fn store_frames(&self, from: NodeId, frames: Vec<BatchFrame>) {
        let places: Vec<_> = frames.iter().map(|frame| (frame.segment, frame.seq)).collect();
        let (mesh, recent) = (self.mesh.clone(), self.recent.clone());
        let done = move |outcome| {
            inputs_of(outcome, Some(from), places, &recent).into_iter().for_each(|input| mesh.tell_blocking(input));
        };
        self.commit(Commit::Frames(frames), Box::new(done));
    }

    fn adopt(&self, from: NodeId, extent: ExtentId, bytes: bytes::Bytes) {
        self.beside(&self.seals, move |store, _| {
            let batches = match store.adopt(&extent, &bytes) {
                Ok(stored) => Some(stored.iter().map(|stored| stored_batch(stored, Some(from))).collect()),
                Err(error) => {
                    warn!(segment = %extent.segment, peer = %from, %error, "extent not adopted");
                    None
                }
            };
            Some(Input::Adopted { from, extent, batches })
        });
    }

    fn seal(&self, extent: ExtentId) {
        self.beside(&self.seals, move |store, _| {
            let sealed = match store.seal(&extent.segment, extent.from..extent.to) {
                Ok(sealed) => Some((sealed.id, sealed.bytes)),
                Err(error) => {
                    warn!(segment = %extent.segment, %error, "extent not sealed");
                    None
                }
            };
            Some(Input::Sealed { segment: extent.segment, extent: sealed })
        });
    }

    fn load_ledger(&self, segment: SegmentId) {
        self.beside(&self.reads, move |store, _| match store.ledger(&segment) {
            Ok(entries) => Some(Input::LedgerLoaded { segment, entries }),
            Err(error) => {
                warn!(%segment, %error, "ledger not loaded");
                None
            }
        });
    }

    fn verify(&self, segment: SegmentId) {
        self.beside(&self.scrubs, move |store, _| verified(store, segment));
    }

    fn quarantine(&self, segment: SegmentId, seqs: SeqSet) {
        self.beside(&self.scrubs, move |store, _| match store.quarantine(&segment, &seqs) {
            Ok(seqs) => Some(Input::Quarantined { segment, seqs }),
            Err(error) => {
                warn!(%segment, %error, "damaged batches could not be set aside");
                None
            }
        });
    }

    fn drop_segment(&self, segment: SegmentId) {
        self.beside(&self.reads, move |store, _| {
            if let Err(error) = store.drop_segment(&segment) {
                warn!(%segment, %error, "segment not dropped");
            }
            None
        });
    }

    /// Written at once and in order: the state is small and rarely changes.
    fn persist(&self, state: &[u8]) {
        let (store, state) = (&self.store, state);
        if let Err(error) = tokio::task::block_in_place(|| store.put_setting(STATE_KEY, state)) {
            warn!(%error, "the mesh state was not persisted");
        }
    }

    /// Holds even where it cannot be written: the others have it too.
    fn keep_deletions(&self, bytes: &[u8]) {
        tokio::task::block_in_place(|| {
            let put = self.store.put_setting(DELETIONS_KEY, bytes);
            if let Err(error) = &put {
                warn!(%error, "the deletions were not persisted");
            }
            let table = DeletionTable::decode(bytes).expect("the machine encodes what it decodes");
            self.deleted.send_replace(Deleted { masks: Arc::new(Masks::new(&table)), is_durable: put.is_ok() });
        });
    }
}

/// What the hands tell to queries.
pub(crate) struct Told {
    /// Who follows what is taken in here.
    pub(crate) feed: Arc<Feed>,
    /// What is deleted.
    pub(crate) deleted: watch::Sender<Deleted>,
}

/// Gives out what has become durable.
fn publish(feed: &Feed, tenants: &BTreeMap<(SegmentId, u32), String>, committed: &Committed) {
    for stored in &committed.stored {
        if let (Some(tenant), Some(body)) = (tenants.get(&(stored.segment, stored.seq)), &stored.body) {
            feed.publish(tenant, body);
        }
    }
}

/// Sends frames of one segment and says what left.
fn send_frames(
    sender: &Sender,
    (to, purpose): (NodeId, Purpose),
    segment: SegmentId,
    frames: Vec<BatchFrame>,
) -> Input {
    let seqs: SeqSet = frames.iter().map(|frame| frame.seq).collect();
    let bytes = frames.iter().map(|frame| frame.body.len() as u64).sum();
    if frames.is_empty() || !sender.send(to, Envelope::Batches(frames)) {
        return Input::Sent { to, segment, seqs: SeqSet::new(), bytes: 0, purpose };
    }
    Input::Sent { to, segment, seqs, bytes, purpose }
}

fn verified(store: &Store, segment: SegmentId) -> Option<Input> {
    match store.verify(&segment) {
        Ok(damaged) => Some(Input::Verified { segment, damaged, whole: true }),
        Err(error) => {
            warn!(%segment, %error, "segment not verified");
            None
        }
    }
}

fn stored_batch(stored: &Stored, from: Option<NodeId>) -> StoredBatch {
    StoredBatch { segment: stored.segment, seq: stored.seq, entry: stored.entry, from }
}

/// Turns what the store says of a commit into inputs: what is durable, then what is not. The bodies of what was
/// appended here are kept for the pushes that follow.
fn inputs_of(
    outcome: Result<Committed, CommitError>,
    from: Option<NodeId>,
    places: Vec<(SegmentId, u32)>,
    recent: &Recent,
) -> Vec<Input> {
    let committed = match outcome {
        Ok(committed) => committed,
        Err(error) => {
            warn!(%error, batches = places.len(), "batches not stored");
            let full = matches!(error, CommitError::DiskFull);
            return vec![Input::StoreFailed { from, batches: places, full }];
        }
    };
    let mut inputs = Vec::new();
    if !committed.stored.is_empty() {
        if from.is_none() {
            committed.stored.iter().for_each(|stored| recent.keep(stored));
        }
        let batches = committed.stored.into_iter().map(|stored| stored_batch(&stored, from));
        inputs.push(Input::Stored(batches.collect()));
    }
    if !committed.refused.is_empty() {
        let refused = committed.refused.iter();
        let batches = refused.map(|refused| {
            warn!(segment = %refused.segment, seq = refused.seq, because = %refused.because, "batch refused");
            (refused.segment, refused.seq)
        });
        inputs.push(Input::StoreFailed { from, batches: batches.collect(), full: false });
    }
    inputs
}

/// Under which name the machine's state lies in the store.
pub(crate) const STATE_KEY: &str = "mesh";
/// Under which name the deletions lie in the store.
pub(crate) const DELETIONS_KEY: &str = "deletions";
/// Reads of batches and ledgers that run at once.
const READS_MAX: usize = 4;
/// Seals and adoptions that run at once: with fewer, sealing falls behind a burst on two cores.
const SEALS_MAX: usize = 2;
/// Verifications and quarantines that run at once.
const SCRUBS_MAX: usize = 1;
/// How many bytes of batches one envelope carries; the machine asks again for what did not fit.
const FRAMES_BYTES_MAX: usize = 8 << 20;
