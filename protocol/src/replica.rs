//! The machine: all that a node decides about the mesh, from its arguments alone.
//!
//! Handling never fails. Shells perform the outputs in order and decide nothing. Record bytes pass beside the machine; it
//! sees ids, intervals, roots, sizes and deadlines. The parts below each hold one concern; here they are only joined.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use self::append::Journal;
use self::context::{Context, Timer};
use self::deletions::Deletions;
use self::fetch::Fetches;
use self::members::Members;
use self::push::Push;
use self::receive::Receiving;
use self::repair::Rounds;
use self::scrub::Scrub;
use self::seal::Seals;
use self::segments::Segments;
use self::serve::Serving;
use self::state::State;
use self::stop::Stopping;
use crate::config::Config;
use crate::id::{Boot, NodeId};
use crate::message::Message;
use crate::segment::SegmentId;
use crate::time::{Instant, Now};

mod append;
mod context;
mod deletions;
mod expiry;
mod fetch;
mod footprint;
mod handover;
mod have;
mod heads;
mod interface;
mod members;
mod peers;
mod push;
mod receive;
mod repair;
mod scrub;
mod seal;
mod segments;
mod serve;
mod state;
mod status;
mod stop;
mod urgent;

pub use self::footprint::Size;
pub use self::interface::{
    Announcement, Append, Event, Input, Output, Peer, Purpose, Recovered, RecoveredSegment, StoredBatch, Ticket, View,
};
pub use self::status::{MemberStatus, OwnSegment, RepairStatus, SegmentStatus};
pub use crate::member::MemberState;

/// One node's part of the protocol.
pub struct Replica {
    context: Context,
    members: Members,
    segments: Segments,
    journal: Journal,
    push: Push,
    receiving: Receiving,
    fetches: Fetches,
    serving: Serving,
    rounds: Rounds,
    seals: Seals,
    scrub: Scrub,
    deletions: Deletions,
    stop: Option<Stopping>,
    /// Own segments of which somebody may be owed something new. At most those of the present journal.
    dirty: BTreeSet<SegmentId>,
    /// Segments that this node lacks wholly though their live origin should bring them, and since when that is known.
    lacking: BTreeMap<SegmentId, Instant>,
    /// The hash of what was last persisted.
    persisted: Option<blake3::Hash>,
    expired_at: Instant,
    has_begun: bool,
}

impl Replica {
    /// Returns the machine of the node `id` in its start `boot`, which knows what was `found` on disk. Equal arguments and equal inputs
    /// give equal outputs. It wants to be called at once: [`Replica::poll_timeout`] is due from the beginning.
    pub fn new(id: NodeId, boot: Boot, config: Config, found: Recovered, seed: u64) -> Self {
        let context = Context::new(id, boot, config, seed);
        // Whoever cannot read his own memory has lost it: he joins anew, and others' tables remember the rest.
        let mut state = State::decode(&found.state).unwrap_or_default();
        let members = Members::recovered(&context, &mut state);
        let mut segments = Segments::recovered(found.segments);
        segments.remember_quarantined(state.quarantined);
        Self {
            context,
            members,
            segments,
            journal: Journal::default(),
            push: Push::default(),
            receiving: Receiving::default(),
            fetches: Fetches::default(),
            serving: Serving::default(),
            rounds: Rounds::default(),
            seals: Seals::default(),
            scrub: Scrub::default(),
            deletions: Deletions::recovered(&found.deletions),
            stop: None,
            dirty: BTreeSet::new(),
            lacking: BTreeMap::new(),
            persisted: None,
            expired_at: Instant::default(),
            has_begun: false,
        }
    }

    /// Takes in what has happened.
    pub fn handle_input(&mut self, now: Now, input: Input) {
        self.enter(now);
        if self.stop.as_ref().is_some_and(Stopping::is_done) {
            return;
        }
        match input {
            Input::View(view) => self.on_view(view),
            Input::News(news) => self.on_news(news),
            Input::Append(append) => self.append(append),
            Input::Stored(batches) => self.on_stored(batches),
            Input::StoreFailed { from, batches, full } => self.on_store_failed(from, &batches, full),
            Input::Message { from, message } => self.on_message(from, message),
            Input::Batches { from, frames } => self.on_batches(from, frames),
            Input::Extent { from, extent, bytes } => self.on_extent(from, extent, bytes),
            Input::Sealed { segment, extent } => self.on_sealed(segment, extent),
            Input::Adopted { from, extent, batches } => self.on_adopted(from, extent, batches),
            Input::LedgerLoaded { segment, entries } => self.segments.on_loaded(&mut self.context, segment, entries),
            Input::Verified { segment, damaged, whole } => self.on_verified(segment, &damaged, whole),
            Input::Quarantined { segment, seqs } => self.on_quarantined(segment, &seqs),
            Input::Sent { to, segment, seqs, bytes, purpose } => match purpose {
                Purpose::Push => self.on_push_sent(to, segment, &seqs),
                Purpose::Wish => self.on_served(to, segment, &seqs, bytes),
            },
            Input::Forget(node) => self.forget(node),
            Input::Leave => self.leave(),
            Input::Delete(deletion) => self.delete(deletion),
            Input::Stop => self.begin_stop(),
        }
    }

    /// Takes in that time has passed.
    pub fn handle_timeout(&mut self, now: Now) {
        self.enter(now);
        let mut due = Vec::new();
        while let Some(timer) = self.context.due() {
            due.push(timer);
        }
        due.into_iter().for_each(|timer| self.on_timer(timer));
    }

    /// Returns what is to be done next. To be called until there is nothing, after each call above or after several.
    pub fn poll_output(&mut self) -> Option<Output> {
        if let Some(output) = self.context.poll() {
            return Some(output);
        }
        self.push_dirty();
        self.tell_held();
        self.ask_fetches();
        self.context.poll()
    }

    /// Returns when [`Replica::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.context.next_timeout()
    }

    fn enter(&mut self, now: Now) {
        self.context.now = now;
        if !self.has_begun {
            self.has_begun = true;
            self.begin();
            self.find_tails();
            self.segments.load_next(&mut self.context);
        }
    }

    fn on_timer(&mut self, timer: Timer) {
        match timer {
            Timer::Acknowledge => self.on_acknowledge_timer(),
            Timer::Push => self.on_push_timer(),
            Timer::Serve => self.on_serve_timer(),
            Timer::Repair => self.on_repair_timer(),
            Timer::Announce => self.announce_changes(),
            Timer::Stop => self.on_stop_timer(),
            Timer::Tick => self.on_tick(),
        }
    }

    fn on_tick(&mut self) {
        self.context.arm(Timer::Tick, TICK);
        if self.stop.as_ref().is_some_and(Stopping::is_done) {
            return;
        }
        self.tick_departures();
        self.tick_heads();
        self.tick_full();
        self.tick_standins();
        self.tick_fetches();
        self.tick_expiry();
        self.tick_seals();
        self.tick_scrub();
        self.tick_deletions();
        self.tick_handover();
        self.exchange_members();
        self.segments.tidy(&mut self.context);
        self.announce_changes();
    }

    fn on_message(&mut self, from: NodeId, message: Message) {
        match message {
            Message::Held { segment, held } => self.on_held(from, segment, &held),
            Message::Ask { segments } => self.on_ask(from, segments),
            Message::Members { digest, rows, answer } => self.on_members(from, digest, rows, answer),
            Message::MembersKnown { digest } => self.on_members_known(digest),
            Message::Compare { salt, members, digest, suspects } => {
                self.hear_suspects(from, suspects);
                self.on_compare(from, salt, members, digest);
            }
            Message::Same { salt } => self.on_same(from, salt),
            Message::Later { salt } => self.on_later(from, salt),
            Message::Differ { salt, level } => self.on_differ(from, salt, level),
            Message::Have { salt, wish, segments } => self.on_have(from, (salt, wish), segments),
            Message::Confirm { salt, wish, segments } => self.on_confirm(from, (salt, wish), segments),
            Message::Want { segments } => self.on_want(from, segments),
            Message::Tree { segment, salt, nodes } => self.on_tree(from, segment, salt, nodes),
            Message::Suspect { segment, .. } => self.on_suspect(segment),
            Message::Offer { extent, .. } => self.on_offer(from, extent),
            Message::Take { extent } => self.on_take(from, extent),
            Message::Deletions { digest, rows, asks } => self.on_deletions(from, digest, rows, asks),
            Message::DeletionsKnown { digest } => self.on_deletions_known(from, digest),
        }
    }

    /// Returns the placement of a segment, as far as it matters, and keeps it.
    fn order(&mut self, id: &SegmentId) -> Arc<[NodeId]> {
        let order = self.order_of(id);
        let epoch = self.members.epoch;
        if let Some(segment) = self.segments.find_mut(id).filter(|segment| segment.order.0 != epoch) {
            segment.order = (epoch, order.clone());
        }
        order
    }

    fn order_of(&self, id: &SegmentId) -> Arc<[NodeId]> {
        if let Some(segment) = self.segments.find(id).filter(|segment| segment.order.0 == self.members.epoch) {
            return segment.order.1.clone();
        }
        let mut order = self.members.order(id);
        order.truncate(usize::from(self.context.config.copies) + SPARES_KEPT);
        order.into()
    }

    fn holders(&mut self, id: &SegmentId) -> Holders {
        Holders { order: self.order(id), copies: self.context.config.copies }
    }

    fn holders_of(&self, id: &SegmentId) -> Holders {
        Holders { order: self.order_of(id), copies: self.context.config.copies }
    }
}

/// Who should hold a segment: the first of its placement.
struct Holders {
    order: Arc<[NodeId]>,
    copies: u8,
}

impl Deref for Holders {
    type Target = [NodeId];

    fn deref(&self) -> &[NodeId] {
        &self.order[..usize::from(self.copies).min(self.order.len())]
    }
}

/// How often the housekeeping is done.
const TICK: Duration = Duration::from_secs(1);
/// How many nodes behind the holders can stand in.
const SPARES_KEPT: usize = 13;
