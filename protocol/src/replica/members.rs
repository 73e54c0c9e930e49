//! Who is there: gossip's views, the member table and its exchange with others, departures, and what this node tells of itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::Replica;
use super::context::{Context, Timer};
use super::interface::{Announcement, Event, Output, Peer, View};
use super::peers::Peers;
use super::state::{Kept, State};
use crate::id::{Boot, NodeId};
use crate::member::{self, MemberRow, MemberState, MemberTable};
use crate::message::Message;
use crate::placement::{self, Place};
use crate::plan::Heads;
use crate::segment::SegmentId;
use crate::time::{Instant, Now};

/// All that is known of the others.
pub(super) struct Members {
    pub(super) table: MemberTable,
    pub(super) mine: MemberRow,
    /// Whoever is in the view or in the table, this node left out.
    pub(super) peers: Peers,
    /// Those of them that can take no batches, and the live ones whose table is another: few, where all peers are many.
    pub(super) unable: BTreeSet<NodeId>,
    differing: BTreeSet<NodeId>,
    pub(super) tidied_at: Option<Instant>,
    /// When a member last went away or came back.
    pub(super) liveness_moved_at: Instant,
    /// What placement is computed from, and its number, raised whenever it changes.
    places: Vec<Place>,
    pub(super) epoch: u64,
    /// Whether another member knows this node's row, so that nobody takes it for stopped in order.
    pub(super) is_known: bool,
    /// What was known of the heads of others at the last stop, until the first call.
    remembered: BTreeMap<NodeId, Heads>,
    /// The losses that the heads of others were heard under.
    pub(super) losses: [u8; 16],
    /// Whom this node takes to have departed ([`member::suspects`]), as of the last tick.
    pub(super) suspects: Vec<NodeId>,
    /// Whom others take to have departed, and when they said so.
    opinions: BTreeMap<NodeId, (Instant, BTreeSet<NodeId>)>,
    departed: BTreeMap<NodeId, Instant>,
    announced: Announcement,
    announced_at: Option<Instant>,
    persisted_at: Option<Instant>,
    pub(super) is_changed: bool,
    has_replaced: bool,
    /// Own appends or others' batches were refused for want of room, and when.
    pub(super) full_since: Option<Instant>,
}

/// What is known of one other node.
#[derive(Clone, Debug)]
pub(super) struct PeerState {
    pub(super) live: bool,
    /// Since when it is live, or away.
    pub(super) since: Instant,
    /// Since when it can take no batches: away, or its disk is full.
    pub(super) unable_since: Option<Instant>,
    pub(super) boot: Option<Boot>,
    pub(super) said: Arc<Announcement>,
    /// What it told of its heads in earlier starts than the present one, or before this node's start. The heads of its present start are
    /// in what it says.
    pub(super) heads: Heads,
    /// In which of its starts it has last said that it is about to stop.
    stopping: Option<Boot>,
    /// When rows were last sent to it.
    exchanged: Option<Instant>,
}

impl PeerState {
    pub(super) fn unseen(now: Instant) -> Self {
        Self {
            live: false,
            since: now,
            unable_since: Some(now),
            boot: None,
            said: Arc::default(),
            heads: Heads::default(),
            stopping: None,
            exchanged: None,
        }
    }

    /// Tells whether it can take batches now.
    pub(super) fn is_able(&self) -> bool {
        self.unable_since.is_none()
    }
}

impl Members {
    /// Returns what was known at the last stop. The row is brought up at the first call that brings a clock.
    pub(super) fn recovered(context: &Context, state: &mut State) -> Self {
        let config = &context.config;
        let fresh = || MemberRow::joining(context.id, 0, context.boot, config.zone.clone(), config.weight);
        let mut table = MemberTable::new();
        table.merge(std::mem::take(&mut state.rows));
        let heads = std::mem::take(&mut state.heads).into_iter();
        Self {
            losses: table.losses(),
            table,
            mine: state.mine.take().unwrap_or_else(fresh),
            peers: Peers::default(),
            unable: BTreeSet::new(),
            differing: BTreeSet::new(),
            tidied_at: None,
            liveness_moved_at: Instant::default(),
            places: Vec::new(),
            epoch: 0,
            is_known: !state.is_unheard,
            remembered: heads.map(|(node, (at, counts))| (node, Heads { at, counts })).collect(),
            suspects: Vec::new(),
            opinions: BTreeMap::new(),
            departed: BTreeMap::new(),
            announced: Announcement::default(),
            announced_at: None,
            persisted_at: None,
            is_changed: true,
            has_replaced: false,
            full_since: None,
        }
    }

    pub(super) fn is_live(&self, node: NodeId) -> bool {
        self.peers.get(node).is_some_and(|peer| peer.live)
    }

    /// Tells whether a member is up and has not said that it is about to stop.
    pub(super) fn is_staying(&self, node: NodeId) -> bool {
        self.peers.get(node).is_some_and(|peer| peer.live && (peer.stopping.is_none() || peer.stopping != peer.boot))
    }

    /// Tells whether a member is leaving.
    pub(super) fn is_leaving(&self, node: NodeId) -> bool {
        self.table.row(node).is_some_and(|row| row.state == MemberState::Leaving)
    }

    /// Notes that a member is about to end one of its starts, which need not be the one that gossip has seen.
    pub(super) fn note_stopping(&mut self, node: NodeId, boot: Boot) {
        if let Some(peer) = self.peers.get_mut(node) {
            peer.stopping = Some(boot);
        }
    }

    /// Tells whether a member that was just heard was away, or not known, a moment ago: others may be about to follow.
    pub(super) fn is_returning(&self, node: NodeId, now: Now) -> bool {
        self.peers.get(node).is_none_or(|peer| !peer.live || now.instant.since(peer.since) < RETURNING)
    }

    pub(super) fn is_able(&self, node: NodeId) -> bool {
        self.peers.get(node).is_some_and(PeerState::is_able)
    }

    pub(super) fn boot(&self, node: NodeId) -> Option<Boot> {
        self.peers.get(node)?.boot
    }

    /// Returns the members that are live, this node left out.
    pub(super) fn live(&self) -> impl Iterator<Item = NodeId> {
        self.peers.iter().filter(|(node, peer)| peer.live && self.table.is_member(*node)).map(|(node, _)| node)
    }

    /// Returns the live member that comes after `last` in order, and after the last one the first.
    pub(super) fn next_live(&self, last: Option<NodeId>) -> Option<NodeId> {
        let is_live = |(node, peer): &(NodeId, &PeerState)| peer.live && self.table.is_member(*node);
        self.peers.after(last).find(is_live).map(|(node, _)| node)
    }

    /// Tells whether there is another member, up or not.
    pub(super) fn has_others(&self) -> bool {
        self.table.members().any(|row| row.node != self.mine.node)
    }

    /// Returns how many times so many others there are, at least once.
    fn crowd(&self, others: usize) -> u32 {
        u32::try_from(self.peers.len() / others).unwrap_or(u32::MAX).max(1)
    }

    pub(super) fn opinion_count(&self) -> usize {
        self.opinions.len()
    }

    pub(super) fn order(&self, segment: &SegmentId) -> Vec<NodeId> {
        if planted!(MovedByLiveness) {
            let is_up = |place: &&Place| place.node == self.mine.node || self.is_live(place.node);
            return placement::order(segment, &self.places.iter().filter(is_up).cloned().collect::<Vec<_>>());
        }
        placement::order(segment, &self.places)
    }
}

impl Replica {
    /// The first thing after the start: this node's row is one later than all before.
    pub(super) fn begin(&mut self) {
        let (context, members) = (&mut self.context, &mut self.members);
        let seconds = u64::try_from(context.now.timestamp.as_nanos() / 1_000_000_000).unwrap_or(0);
        for (node, heads) in std::mem::take(&mut members.remembered) {
            members.unable.insert(node);
            members.peers.entry(node, || PeerState { heads, ..PeerState::unseen(context.now.instant) });
        }
        let mine = &mut members.mine;
        // Nobody takes a node that broke off for complete; one that was clean, or is new, has to be heard of first, over however many starts.
        let is_expected = members.is_known && mine.incarnation > 0 && mine.clean.is_none() && mine.state.is_member();
        mine.incarnation = seconds.clamp(mine.incarnation + 1, member::INCARNATION_MAX.max(mine.incarnation + 1));
        mine.clean = mine.clean.filter(|_| planted!(CleanForEver));
        mine.zone.clone_from(&context.config.zone);
        mine.weight = context.config.weight;
        if mine.state == MemberState::Left {
            // It let go of what it had written, so it cannot say what that was.
            mine.disk = context.boot;
        }
        if !mine.state.is_member() {
            mine.state = MemberState::Joined;
        }
        self.on_table_changed();
        self.members.is_known = is_expected;
        self.context.arm(Timer::Repair, Duration::ZERO);
    }

    pub(super) fn on_view(&mut self, mut view: View) {
        for (node, peer) in self.members.peers.iter() {
            // The view is whole: who is not in it is away.
            let (boot, said) = (peer.boot.unwrap_or(self.context.boot), peer.said.clone());
            if peer.live {
                view.peers.entry(node).or_insert(Peer { live: false, boot, said });
            }
        }
        self.on_news(view.peers.into_iter().collect());
    }

    /// Takes in what gossip says anew of some others, in order; of those not named nothing has changed.
    pub(super) fn on_news(&mut self, news: Vec<(NodeId, Peer)>) {
        let digest = self.members.table.digest();
        let mut moved = false;
        for (node, seen) in self.hear_heads_alone(news, digest) {
            moved |= node != self.context.id && self.hear(node, seen, digest);
        }
        self.exchange_members();
        self.learn_from_digests();
        if moved {
            self.on_ability_moved();
        }
    }

    /// Takes in all that gossip says anew of a node; tells whether that may change who can take batches.
    fn hear(&mut self, node: NodeId, seen: Peer, digest: [u8; 16]) -> bool {
        let (context, members) = (&mut self.context, &mut self.members);
        let (now, live) = (context.now.instant, seen.live);
        let peer = members.peers.entry(node, || PeerState::unseen(now));
        if planted!(ViewIgnored) && !peer.live && peer.boot.is_some() {
            return false;
        }
        let (was_live, was_able, old_boot) = (peer.live, peer.is_able(), peer.boot);
        if was_live != live {
            (peer.live, peer.since) = (live, now);
            members.liveness_moved_at = now;
            context.event(Event::Liveness { node, live });
        }
        let able = live && !seen.said.full;
        peer.unable_since = if able { None } else { peer.unable_since.or(Some(now)) };
        note(&mut members.unable, node, !able);
        note(&mut members.differing, node, live && seen.said.members != digest);
        self.deletions.hear(node, live, &seen.said);
        let restarted = old_boot != Some(seen.boot);
        let before = (peer.boot.replace(seen.boot), std::mem::replace(&mut peer.said, seen.said));
        peer.hear_heads(node, before, (context.now.timestamp, context.config.retention), digest);
        if (live && !was_live) || restarted {
            self.on_returned(node, old_boot.is_some() && restarted);
        } else if was_live && !live {
            self.on_gone(node);
        }
        was_able != able || restarted || was_live != live
    }

    /// A peer whose table is equal has this node's row, whatever became of the message that would have said so.
    fn learn_from_digests(&mut self) {
        let digest = self.members.table.digest();
        if !self.members.is_known && self.members.peers.values().any(|peer| peer.live && peer.said.members == digest) {
            self.on_members_known(digest);
        }
    }

    fn on_returned(&mut self, node: NodeId, restarted: bool) {
        if restarted {
            self.push_forgets(node);
        } else {
            self.push_asks(node);
        }
        self.meet(node);
    }

    /// An origin is gone: those who hold its segments with this node make sure that they all have all of it.
    fn on_gone(&mut self, node: NodeId) {
        self.push_gives_up(node);
        self.fetches_give_up(node);
        let mut partners = BTreeSet::new();
        let newest: Vec<_> =
            self.segments.iter().rev().filter(|(id, _)| id.origin() == node).map(|(id, _)| *id).collect();
        for id in newest.into_iter().take(NEWEST_LOOKED_AT) {
            partners.extend(self.holders(&id).iter().filter(|holder| self.members.is_live(**holder)));
        }
        partners.into_iter().for_each(|partner| self.repair_soon(partner, Duration::ZERO));
    }

    /// Sends rows to a few of those whose table differs; they pass on what they learn.
    pub(super) fn exchange_members(&mut self) {
        let (now, digest) = (self.context.now.instant, self.members.table.digest());
        let due = |peer: &PeerState| {
            let recently = peer.exchanged.is_some_and(|at| now.since(at) < EXCHANGE_PAUSE);
            peer.live && peer.said.members != digest && !recently
        };
        let peers = &self.members.peers;
        let differing = self.members.differing.iter().copied();
        let mut differing: Vec<_> = differing.filter(|node| peers.get(*node).is_some_and(due)).collect();
        for _ in 0..EXCHANGES_AT_ONCE.min(differing.len()) {
            let at = self.context.below(differing.len() as u64) as usize;
            let node = differing.swap_remove(at);
            self.send_rows(node, false);
        }
    }

    pub(super) fn send_rows(&mut self, to: NodeId, answer: bool) {
        if let Some(peer) = self.members.peers.get_mut(to) {
            peer.exchanged = Some(self.context.now.instant);
        }
        let table = &self.members.table;
        let (digest, rows) = (table.digest(), table.rows().cloned().collect());
        self.context.send(to, Message::Members { digest, rows, answer });
    }

    pub(super) fn on_members(&mut self, from: NodeId, digest: [u8; 16], rows: Vec<MemberRow>, answer: bool) {
        let knows_mine = rows.contains(&self.members.mine);
        self.merge_rows(rows);
        if answer {
            if knows_mine {
                self.on_members_known(self.members.table.digest());
            }
        } else if self.members.table.digest() == digest {
            self.context.send(from, Message::MembersKnown { digest });
        } else {
            self.send_rows(from, true);
        }
    }

    pub(super) fn on_members_known(&mut self, digest: [u8; 16]) {
        if digest == self.members.table.digest() {
            self.members.is_changed |= !self.members.is_known;
            self.members.is_known = true;
            self.acknowledge_all_due();
            self.stop_is_known();
        }
    }

    pub(super) fn merge_rows(&mut self, rows: Vec<MemberRow>) {
        let before: BTreeSet<NodeId> = self.members.table.members().map(|row| row.node).collect();
        if self.members.table.merge(rows).is_empty() {
            return;
        }
        let me = self.context.id;
        let departed: Vec<_> =
            before.into_iter().filter(|node| *node != me && !self.members.table.is_member(*node)).collect();
        departed.into_iter().for_each(|node| self.note_departed(node));
        self.on_table_changed();
    }

    fn note_departed(&mut self, node: NodeId) {
        self.members.departed.insert(node, self.context.now.instant);
        self.context.event(Event::Departed(node));
    }

    pub(super) fn forget(&mut self, node: NodeId) {
        if node != self.context.id && self.members.table.depart(node) {
            self.note_departed(node);
            self.on_table_changed();
        }
    }

    pub(super) fn leave(&mut self) {
        if self.members.mine.state == MemberState::Joined {
            self.change_mine(|mine| mine.state = MemberState::Leaving);
        }
    }

    pub(super) fn change_mine(&mut self, change: impl FnOnce(&mut MemberRow)) {
        change(&mut self.members.mine);
        self.members.mine.incarnation += 1;
        self.on_table_changed();
    }

    /// Refutes what is wrong about this node, and lets a new placement take effect.
    fn on_table_changed(&mut self) {
        let (context, members) = (&mut self.context, &mut self.members);
        // The lost node may be learned of only from others. Once is enough: should it come back, it says so itself.
        let old = context.config.replaces.filter(|old| members.table.is_member(*old) && !members.has_replaced);
        if let Some(old) = old {
            members.has_replaced = true;
            members.table.replace(&mut members.mine, old);
            members.mine.incarnation += 1;
            members.departed.insert(old, context.now.instant);
            context.event(Event::Departed(old));
        }
        if members.table.uphold(&mut members.mine, context.boot) {
            members.is_known = false;
        }
        let now = context.now.instant;
        for row in members.table.members().filter(|row| row.node != context.id) {
            members.peers.entry(row.node, || {
                members.unable.insert(row.node);
                PeerState::unseen(now)
            });
        }
        let digest = members.table.digest();
        let differs = |(_, peer): &(NodeId, &PeerState)| peer.live && peer.said.members != digest;
        members.differing = members.peers.iter().filter(differs).map(|(node, _)| node).collect();
        members.is_changed = true;
        self.note_losses();
        self.context.arm(Timer::Announce, Duration::ZERO);
        self.exchange_members();
        let places = self.members.table.placed();
        if places == self.members.places {
            return;
        }
        self.members.places = places;
        self.members.epoch += 1;
        self.on_ability_moved();
        let live: Vec<_> = self.members.live().collect();
        live.into_iter().for_each(|node| self.meet(node));
    }

    /// Compares soon with who came or may have another share now. Who holds nothing leaves that to the other, who has what is missing.
    fn meet(&mut self, node: NodeId) {
        if !self.segments.is_empty() {
            self.repair_soon(node, Duration::ZERO);
        }
    }

    pub(super) fn hear_suspects(&mut self, from: NodeId, suspects: Vec<NodeId>) {
        if self.members.table.is_member(from) {
            let suspects: BTreeSet<NodeId> = suspects.into_iter().take(member::MEMBERS_MAX).collect();
            if suspects.is_empty() {
                self.members.opinions.remove(&from);
            } else {
                self.members.opinions.insert(from, (self.context.now.instant, suspects));
            }
        }
    }

    /// Looks whom this node takes to have departed, and gives up those of whom enough members are of that opinion.
    pub(super) fn tick_departures(&mut self) {
        let depart_after = self.context.config.depart_after;
        let now = self.context.now.instant;
        let lately = self.context.config.repair_interval * (2 * self.members.peers.len() as u32 + 2);
        let members = &mut self.members;
        let away = members.unable.iter().filter_map(|node| Some((*node, members.peers.get(*node)?)));
        let away = away.filter(|(node, peer)| !peer.live && members.table.is_member(*node));
        members.suspects = member::suspects(away.map(|(node, peer)| (node, now.since(peer.since))), depart_after);
        members.opinions.retain(|node, (at, _)| now.since(*at) < lately && members.table.is_member(*node));
        members.departed.retain(|_, at| now.since(*at) < depart_after);
        if members.suspects.is_empty() {
            return;
        }
        let mut counts: BTreeMap<NodeId, usize> = members.suspects.iter().map(|node| (*node, 1)).collect();
        for (_, suspects) in members.opinions.values() {
            suspects.iter().for_each(|node| {
                counts.entry(*node).and_modify(|count| *count += 1);
            });
        }
        let recent = members.departed.keys().copied().collect();
        for node in member::departures(&members.table, &members.suspects, &counts, &recent) {
            self.forget(node);
        }
    }

    /// Tells and persists what has changed, each at most so often.
    pub(super) fn announce_changes(&mut self) {
        let mut said = self.announcement();
        let ago = self.members.announced_at.map(|at| self.context.ago(at));
        if said != self.members.announced || ago.is_none_or(|ago| ago >= ANNOUNCE_AGAIN) {
            let pause = self.announce_pause(&said);
            match ago {
                Some(ago) if ago < pause => self.context.arm(Timer::Announce, pause - ago),
                _ => {
                    said.at = Some(self.context.now.timestamp);
                    self.members.announced = said.clone();
                    self.members.announced_at = Some(self.context.now.instant);
                    self.context.output(Output::Announce(said));
                }
            }
        }
        // Heads change all the time and are worth little alone: they go with the rest, or now and then.
        let crowd = self.members.crowd(PERSIST_CROWD).min(PERSIST_CROWDS_MAX);
        let due = self.members.persisted_at.is_none_or(|at| self.context.ago(at) >= PERSIST_HEADS_EVERY * crowd);
        if self.members.is_changed || due {
            self.persist();
        }
    }

    /// Heads alone can wait a little, the longer the more members have to hear of each: gossip costs all of them.
    fn announce_pause(&self, said: &Announcement) -> Duration {
        let crowd = self.members.crowd(ANNOUNCE_CROWD);
        match said.differs_in_heads_alone(&self.members.announced) {
            true => (ANNOUNCE_PAUSE * crowd).min(ANNOUNCE_PAUSE_MAX),
            false => ANNOUNCE_PAUSE,
        }
    }

    pub(super) fn persist(&mut self) {
        (self.members.is_changed, self.members.persisted_at) = (false, Some(self.context.now.instant));
        let quarantined = self.segments.iter().filter(|(_, segment)| !segment.quarantined.is_empty());
        let kept = Kept {
            mine: Some(&self.members.mine),
            table: &self.members.table,
            heads: self.heads_to_keep(),
            quarantined: quarantined.map(|(id, segment)| (*id, &segment.quarantined)).collect(),
            is_unheard: !self.members.is_known,
        };
        let bytes = kept.encode();
        let hash = blake3::hash(&bytes);
        if self.persisted.replace(hash) != Some(hash) {
            self.context.output(Output::Persist(bytes.into()));
        }
    }

    fn announcement(&mut self) -> Announcement {
        let (heads, settled) = (self.open_heads(), self.is_settled());
        Announcement {
            members: self.members.table.digest(),
            deletions: self.deletions.digest(),
            at: self.members.announced.at,
            heads,
            clean: self.members.mine.clean.is_some(),
            full: self.members.full_since.is_some(),
            settled,
        }
    }

    /// Notes that the store had no room. After a while it is tried again: somebody may have made some.
    pub(super) fn note_full(&mut self, full: bool) {
        if full != self.members.full_since.is_some() {
            self.members.full_since = full.then_some(self.context.now.instant);
            self.context.arm(Timer::Announce, Duration::ZERO);
        }
    }

    pub(super) fn tick_full(&mut self) {
        if self.members.full_since.is_some_and(|since| self.context.ago(since) >= FULL_RETRY) {
            self.note_full(false);
        }
    }
}

/// Puts a node on a list or takes it off.
pub(super) fn note(list: &mut BTreeSet<NodeId>, node: NodeId, is_on: bool) {
    if is_on {
        list.insert(node);
    } else {
        list.remove(&node);
    }
}

/// Those whom a mended partition brings back come one after the other, as gossip finds them, within this time.
pub(super) const RETURNING: Duration = Duration::from_secs(3);
/// Rows are sent to so many at once; who differs still is served at the next view.
const EXCHANGES_AT_ONCE: usize = 3;
/// Rows are not sent again to one peer within this time.
const EXCHANGE_PAUSE: Duration = Duration::from_millis(500);
/// What is announced changes at most so often: it is a fact to be gossiped to all.
const ANNOUNCE_PAUSE: Duration = Duration::from_millis(250);
/// With so many others the pause begins to grow.
const ANNOUNCE_CROWD: usize = 8;
/// How long heads wait at most.
const ANNOUNCE_PAUSE_MAX: Duration = Duration::from_secs(5);
/// Who has nothing new says so after this: what he wrote until then is known to be in the answers of those who hear it. A guess, as
/// each time costs every member a fact.
const ANNOUNCE_AGAIN: Duration = Duration::from_secs(20);
/// With so many others more, they are written down more rarely by as much again: it takes longer, and none of them is heard more often.
const PERSIST_CROWD: usize = 256;
/// But no more rarely than so many times.
const PERSIST_CROWDS_MAX: u32 = 4;
/// How often the heads of others are written down.
const PERSIST_HEADS_EVERY: Duration = Duration::from_secs(30);
/// How long after a refusal for want of room it is tried again.
const FULL_RETRY: Duration = Duration::from_secs(10);
/// Of an origin that went away, so many segments are looked at for those who share them.
const NEWEST_LOOKED_AT: usize = 64;
