//! Tails: whoever follows a log query is told by every live node what it takes in, as soon as it is durable there.
//!
//! Each record has one origin, and each origin tells only of its own, so nothing comes twice. What a listener has no room
//! for waits at the origin, up to a bound, and is dropped and counted beyond it. Members that come are followed too; those
//! that go are tried again for as long as gossip takes them to be live.

mod feed;
mod origin;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use logmesh_logql::{Part, Partial};
use logmesh_net::{Net, ReplySender};
use logmesh_protocol::codec::{self, DecodeError};
use logmesh_protocol::id::NodeId;
use logmesh_protocol::record::Labels;
use logmesh_protocol::rows::Rows;
use logmesh_protocol::time::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};
use tokio_util::task::AbortOnDropHandle;
use tracing::debug;

pub(crate) use feed::{FOLLOWERS_MAX, Feed};

use super::coordinate::Coordinator;
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
    _nodes: AbortOnDropHandle<()>,
}

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
        let nodes = Nodes {
            node: self.node,
            net: self.net.clone(),
            local: self.local.clone(),
            seen: self.seen.clone(),
            follow: Arc::new(follow),
            events,
        };
        let nodes = AbortOnDropHandle::new(tokio::spawn(nodes.run(first)));
        // Each of the first holds the other end until it is followed.
        let _ = timeout(BEGIN_WAIT, begun.recv()).await;
        Following { events: receiver, _nodes: nodes }
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
            let is_late = first.is_none();
            let lost = match node == self.node {
                true => self.pump_own(&mut first, is_late).await,
                false => self.pump_peer(node, &mut first, is_late).await,
            };
            first = None;
            if let Err(reason) = lost {
                debug!(%node, reason, "a node is no longer followed");
                if self.events.send(Followed::Lost).await.is_err() {
                    return;
                }
            }
            sleep(RETRY_PAUSE).await;
        }
    }

    async fn pump_own(&self, first: &mut Option<mpsc::Sender<()>>, is_late: bool) -> Result<(), String> {
        let Some(mut lives) = self.local.follow(&self.follow) else { return Err("too many follow it".to_owned()) };
        let mut is_begun = false;
        while let Some(live) = lives.recv().await {
            self.hand_on(live, &mut is_begun, is_late, first).await?;
        }
        Err("it ended".to_owned())
    }

    async fn pump_peer(&self, node: NodeId, first: &mut Option<mpsc::Sender<()>>, is_late: bool) -> Result<(), String> {
        let ask = encode_ask(&Ask::Follow(Box::new((*self.follow).clone())));
        let mut response = self.net.request(node, ask).await.map_err(|error| error.to_string())?;
        let mut is_begun = false;
        while let Some(piece) = response.next().await.map_err(|error| error.to_string())? {
            let live = decode_live(&piece).map_err(|error| error.to_string())?;
            self.hand_on(live, &mut is_begun, is_late, first).await?;
        }
        Err("it ended".to_owned())
    }

    async fn hand_on(
        &self,
        live: Live,
        is_begun: &mut bool,
        is_late: bool,
        first: &mut Option<mpsc::Sender<()>>,
    ) -> Result<(), String> {
        let gone = |_| "nobody listens".to_owned();
        *first = None;
        if !std::mem::replace(is_begun, true) && is_late {
            self.events.send(Followed::Joined).await.map_err(gone)?;
        }
        if live.partial.is_none() && live.dropped.is_empty() {
            return Ok(());
        }
        self.events.send(Followed::Live(live)).await.map_err(gone)
    }
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
