//! Tails: whoever follows a log query is told by every live node what it takes in, as soon as it is durable there.
//!
//! Each record has one origin, and each origin tells only of its own, so nothing comes twice. What a listener has no room
//! for waits at the origin, up to a bound, and is dropped and counted beyond it. Members that come are followed too; those
//! that go are tried again for as long as gossip takes them to be live. Who cannot be followed is told: a tail is as complete
//! as its origins are.

mod feed;
mod origin;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use logmesh_logql::{Part, Partial};
use logmesh_net::{Net, ReplySender};
use logmesh_protocol::codec::{self, DecodeError};
use logmesh_protocol::id::NodeId;
use logmesh_protocol::plan::{Completeness, MissingFrom, Reason};
use logmesh_protocol::record::Labels;
use logmesh_protocol::rows::Rows;
use logmesh_protocol::time::Timestamp;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};
use tokio_util::task::AbortOnDropHandle;
use tracing::debug;

pub(crate) use feed::{FOLLOWERS_MAX, Feed};

use super::coordinate::{Coordinator, wall};
use super::local::Local;
use super::wire::{Ask, encode_ask};
use crate::shell::Seen;

/// What one node is asked to tell from now on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Follow {
    /// The tenant.
    pub(crate) tenant: String,
    /// The log query.
    pub(crate) part: Part,
}

/// What one node tells. The first of each node is empty: from then on it misses nothing.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Live {
    /// Entries that passed the pipeline.
    pub(crate) partial: Option<Partial>,
    /// What was dropped before these.
    pub(crate) dropped: Dropped,
}

/// What a listener was too slow for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Dropped {
    /// How many entries, or batches where nobody has looked into them.
    pub(crate) count: u64,
    /// The first few: their streams' labels, and their time.
    pub(crate) named: Vec<(Labels, Timestamp)>,
}

/// What happens to one who follows.
#[derive(Debug)]
pub(crate) enum Followed {
    /// A node tells something.
    Live(Live),
    /// A node is followed that was not, or was lost for a while: what it took in before is to be looked up.
    Joined,
    /// A node is lost. It is tried again while it is live.
    Lost,
}

/// All live nodes, followed. Dropping it ends that everywhere.
pub(crate) struct Following {
    events: mpsc::Receiver<Followed>,
    followed: FollowedNodes,
    _nodes: AbortOnDropHandle<()>,
}

/// The nodes that tell what they take in at this moment.
type FollowedNodes = Arc<Mutex<BTreeSet<NodeId>>>;

impl Following {
    /// Returns what happens next; nothing once the node ends. Nothing is lost if this is dropped.
    pub(crate) async fn next(&mut self) -> Option<Followed> {
        self.events.recv().await
    }
}

impl Live {
    fn of(partial: Partial) -> Self {
        Self { partial: Some(partial), dropped: Dropped::default() }
    }

    fn is_of_use(&self) -> bool {
        matches!(&self.partial, Some(Partial::Log { entries, .. }) if !entries.is_empty())
    }

    /// Counts all of it as dropped.
    fn into_dropped(self) -> Dropped {
        let mut dropped = self.dropped;
        if let Some(Partial::Log { streams, entries }) = self.partial {
            let named = entries.iter().filter_map(|entry| Some((streams.get(entry.stream as usize)?, entry.timestamp)));
            let named = named.take(NAMED_MAX).map(|(labels, timestamp)| (labels.clone(), timestamp)).collect();
            dropped.add(Dropped { count: entries.len() as u64, named });
        }
        dropped
    }
}

impl Dropped {
    fn of_rows(rows: &Rows) -> Self {
        let first = |stream: &logmesh_protocol::rows::StreamRows| {
            ((*stream.labels).clone(), rows.timestamps[stream.rows.start])
        };
        Self { count: rows.len() as u64, named: rows.streams.iter().take(NAMED_MAX).map(first).collect() }
    }

    /// Tells whether nothing was dropped.
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Adds what was dropped later. Only so many are named.
    pub(crate) fn add(&mut self, later: Dropped) {
        self.count += later.count;
        let room = NAMED_MAX.saturating_sub(self.named.len());
        self.named.extend(later.named.into_iter().take(room));
    }
}

impl Coordinator {
    /// Follows a log query on all live nodes. Returns once each of those that are live now is followed, or has had a moment
    /// for it.
    pub(crate) async fn follow(&self, follow: Follow) -> Following {
        let (events, receiver) = mpsc::channel(EVENTS_MAX);
        let (first, mut begun) = mpsc::channel(1);
        let followed = FollowedNodes::default();
        let nodes = Nodes {
            node: self.node,
            net: self.net.clone(),
            local: self.local.clone(),
            seen: self.seen.clone(),
            follow: Arc::new(follow),
            events,
            followed: followed.clone(),
        };
        let nodes = AbortOnDropHandle::new(tokio::spawn(nodes.run(first)));
        // Each of the first holds the other end until it is followed.
        let _ = timeout(BEGIN_WAIT, begun.recv()).await;
        Following { events: receiver, followed, _nodes: nodes }
    }

    /// Tells whose records `following` does not show: those of members that are not followed and may take some. Who stopped in
    /// order takes none.
    pub(crate) async fn not_followed(&self, following: &Following) -> Completeness {
        let followed = following.followed.lock().clone();
        let live: BTreeSet<NodeId> =
            self.seen.borrow().view.peers.iter().filter(|(_, peer)| peer.live).map(|(node, _)| *node).collect();
        let mut completeness = Completeness::default();
        let mut note = |node, reason| {
            completeness.note(MissingFrom { node, reason, included_until: None, at_least_batches: 0 });
        };
        let lost = live.difference(&followed).copied().chain((!followed.contains(&self.node)).then_some(self.node));
        lost.for_each(|node| note(node, Reason::Silent));
        let node = self.node;
        let away = self.mesh.ask(move |replica, now| {
            let table = replica.members_table();
            let is_missed = |node: NodeId| !followed.contains(&node) && !live.contains(&node) && !table.is_clean(node);
            if table.members().all(|row| row.node == node || !is_missed(row.node)) {
                return Vec::new();
            }
            let members = replica.members().into_iter();
            let away = members.filter(|row| row.node != node && row.state.is_member() && is_missed(row.node));
            away.map(|row| (row.node, row.since.map(|since| wall(now, since)))).collect()
        });
        away.await.unwrap_or_default().into_iter().for_each(|(node, since)| note(node, Reason::Away { since }));
        completeness
    }
}

/// The nodes that are followed for one tail.
#[derive(Clone)]
struct Nodes {
    node: NodeId,
    net: Arc<Net>,
    local: Local,
    seen: watch::Receiver<Arc<Seen>>,
    follow: Arc<Follow>,
    events: mpsc::Sender<Followed>,
    followed: FollowedNodes,
}

impl Nodes {
    /// Follows whoever is live, until nobody listens.
    async fn run(mut self, first: mpsc::Sender<()>) {
        let mut first = Some(first);
        let mut followed: BTreeMap<NodeId, AbortOnDropHandle<()>> = BTreeMap::new();
        loop {
            followed.retain(|_, task| !task.is_finished());
            for node in self.live() {
                let pump = || AbortOnDropHandle::new(tokio::spawn(self.clone().pump(node, first.clone())));
                followed.entry(node).or_insert_with(pump);
            }
            first = None;
            tokio::select! {
                () = self.events.closed() => return,
                changed = self.seen.changed() => if changed.is_err() { return },
            }
        }
    }

    fn live(&self) -> Vec<NodeId> {
        let seen = self.seen.borrow();
        let others = seen.view.peers.iter().filter(|(_, peer)| peer.live).map(|(node, _)| *node);
        others.chain([self.node]).collect()
    }

    /// Follows one node until it is live no more. `first` is let go of once it is followed.
    async fn pump(self, node: NodeId, mut first: Option<mpsc::Sender<()>>) {
        while node == self.node || self.live().contains(&node) {
            let beginning = Beginning { is_begun: false, is_late: first.is_none(), first: first.take() };
            let lost = match node == self.node {
                true => self.pump_own(beginning).await,
                false => self.pump_peer(node, beginning).await,
            };
            self.followed.lock().remove(&node);
            if let Err(reason) = lost {
                debug!(%node, reason, "a node is no longer followed");
                if self.events.send(Followed::Lost).await.is_err() {
                    return;
                }
            }
            sleep(RETRY_PAUSE).await;
        }
    }

    async fn pump_own(&self, mut beginning: Beginning) -> Result<(), String> {
        let Some(mut lives) = self.local.follow(&self.follow) else { return Err("too many follow it".to_owned()) };
        while let Some(live) = lives.recv().await {
            self.hand_on(self.node, live, &mut beginning).await?;
        }
        Err("it ended".to_owned())
    }

    async fn pump_peer(&self, node: NodeId, mut beginning: Beginning) -> Result<(), String> {
        let ask = encode_ask(&Ask::Follow(Box::new((*self.follow).clone())));
        let mut response = self.net.request(node, ask).await.map_err(|error| error.to_string())?;
        while let Some(piece) = response.next().await.map_err(|error| error.to_string())? {
            let live = decode_live(&piece).map_err(|error| error.to_string())?;
            self.hand_on(node, live, &mut beginning).await?;
        }
        Err("it ended".to_owned())
    }

    async fn hand_on(&self, node: NodeId, live: Live, beginning: &mut Beginning) -> Result<(), String> {
        let gone = |_| "nobody listens".to_owned();
        if !std::mem::replace(&mut beginning.is_begun, true) {
            self.followed.lock().insert(node);
            beginning.first = None;
            if beginning.is_late {
                self.events.send(Followed::Joined).await.map_err(gone)?;
            }
        }
        if live.partial.is_none() && live.dropped.is_empty() {
            return Ok(());
        }
        self.events.send(Followed::Live(live)).await.map_err(gone)
    }
}

/// How far a node is with being followed.
struct Beginning {
    is_begun: bool,
    /// Whether the tail began without it.
    is_late: bool,
    /// Let go of once it is followed.
    first: Option<mpsc::Sender<()>>,
}

impl Local {
    /// Begins to tell what this node takes in; nothing if too many follow it already. Dropping the receiver ends it.
    fn follow(&self, follow: &Follow) -> Option<mpsc::Receiver<Live>> {
        let follower = self.feed.follow(&follow.tenant)?;
        let (lives, receiver) = mpsc::channel(LIVES_MAX);
        let what = (follow.tenant.clone(), follow.part.clone());
        tokio::spawn(origin::evaluate(follower, what, self.deleted.clone(), lives));
        Some(receiver)
    }

    /// Tells a peer what this node takes in, until the peer is gone.
    pub(crate) async fn tell(&self, follow: &Follow, reply: ReplySender) {
        let Some(mut lives) = self.follow(follow) else { return };
        loop {
            let live = tokio::select! {
                live = lives.recv() => live,
                () = reply.closed() => return,
            };
            let Some(live) = live else { return };
            if reply.send(codec::encode(VERSION, &live).into()).await.is_err() {
                return;
            }
        }
    }
}

fn decode_live(piece: &Bytes) -> Result<Live, DecodeError> {
    codec::decode_large(VERSION, piece)
}

/// Nodes' words that wait for one tail; further ones wait at their origins.
const EVENTS_MAX: usize = 16;
/// Words that wait at the origin for a listener; what comes then is dropped. At 256 KiB each about 4 MiB.
const LIVES_MAX: usize = 16;
/// How many of the entries that were dropped are named.
const NAMED_MAX: usize = 100;
/// How long a tail waits for all live nodes to be followed before it begins without.
const BEGIN_WAIT: Duration = Duration::from_secs(1);
/// How long after a loss a node is tried again.
const RETRY_PAUSE: Duration = Duration::from_secs(1);
const VERSION: u8 = 1;
