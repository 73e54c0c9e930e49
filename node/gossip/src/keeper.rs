//! The task that owns chitchat: tells it our facts, calls contacts, publishes snapshots, and starts it anew if it failed.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chitchat::{ChitchatConfig, ChitchatHandle, ChitchatId, FailureDetectorConfig, spawn_chitchat};
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::sync::watch;
use tokio::time::{Interval, MissedTickBehavior};
use tracing::{error, warn};

use crate::gossip::Shared;
use crate::settings::Settings;
use crate::snapshot::{Snapshot, Snapshots};
use crate::socket::SealedTransport;

/// The owner of one chitchat.
pub(crate) struct Keeper {
    settings: Settings,
    shared: Arc<Shared>,
    transport: SealedTransport,
    publish: watch::Sender<Arc<Snapshot>>,
    snapshots: Snapshots,
    handle: ChitchatHandle,
    random: StdRng,
    ticks: u64,
    starts: u64,
    alone: Alone,
}

impl Keeper {
    pub(crate) async fn start(
        settings: Settings,
        shared: Arc<Shared>,
        transport: SealedTransport,
        publish: watch::Sender<Arc<Snapshot>>,
    ) -> anyhow::Result<Self> {
        let facts = shared.facts.lock().take_all();
        let handle = spawn_chitchat(chitchat_config(&settings, 0), facts, &transport).await?;
        let snapshots = Snapshots::new(settings.gossip_interval * SILENT_INTERVALS);
        let random = StdRng::from_os_rng();
        Ok(Self {
            settings,
            shared,
            transport,
            publish,
            snapshots,
            handle,
            random,
            ticks: 0,
            starts: 0,
            alone: Alone::default(),
        })
    }

    /// Runs until `stop` closes.
    pub(crate) async fn run(mut self, mut stop: watch::Receiver<()>) {
        let mut ticks = ticks(&self.settings);
        let mut changes = self.live_changes().await;
        let mut failure = Box::pin(self.handle.termination_watcher());
        loop {
            tokio::select! {
                closed = stop.changed() => if closed.is_err() { break },
                _ = &mut failure => {
                    ticks.tick().await;
                    self.start_again().await;
                    changes = self.live_changes().await;
                    failure = Box::pin(self.handle.termination_watcher());
                }
                () = self.shared.facts_changed.notified() => self.tell_facts().await,
                Ok(()) = changes.changed() => self.refresh().await,
                _ = ticks.tick() => {
                    self.refresh().await;
                    self.call_contacts().await;
                }
            }
        }
        let _ = self.handle.shutdown().await;
    }

    async fn live_changes(&self) -> watch::Receiver<impl Sized + use<>> {
        self.handle.chitchat().lock().await.live_nodes_watcher()
    }

    /// Chitchat asserts what it takes for granted of a peer with the secret; a peer with a fault must not silence us. Our
    /// facts begin anew under a later generation, since peers hold higher versions of the one that failed.
    async fn start_again(&mut self) {
        self.starts += 1;
        self.shared.counts.restarts.add(1);
        error!(starts = self.starts, "chitchat failed on a message, starting it again");
        let facts = self.shared.facts.lock().take_all();
        match spawn_chitchat(chitchat_config(&self.settings, self.starts), facts, &self.transport).await {
            Ok(handle) => self.handle = handle,
            // The watcher of the old handle fires again, so this is tried again a tick later.
            Err(reason) => error!(%reason, "chitchat does not start"),
        }
    }

    async fn tell_facts(&mut self) {
        let changed = self.shared.facts.lock().take_changed();
        let chitchat = self.handle.chitchat();
        let mut chitchat = chitchat.lock().await;
        let own = chitchat.self_node_state();
        for (key, value) in changed {
            match value {
                Some(value) => own.set(key, value),
                // A fact that was set and removed between two calls never reached chitchat.
                None if own.contains_key(&key) => own.delete(&key),
                None => {}
            }
        }
    }

    async fn refresh(&mut self) {
        let chitchat = self.handle.chitchat();
        let snapshot = self.snapshots.refresh(&*chitchat.lock().await, self.settings.node);
        let Some(snapshot) = snapshot else { return };
        let mut contacts = self.shared.contacts.lock();
        for peer in &snapshot.peers {
            contacts.learn(peer.node, peer.address);
        }
        drop(contacts);
        self.publish.send_replace(Arc::new(snapshot));
    }

    /// Calls some of those that we do not hear. Alone, often; in company, rarely: the others call too.
    async fn call_contacts(&mut self) {
        self.ticks += 1;
        let snapshot = self.publish.borrow().clone();
        let live = snapshot.peers.iter().filter(|peer| peer.live).map(|peer| peer.address);
        let mut heard: BTreeSet<SocketAddr> = live.collect();
        if !heard.is_empty() && !self.ticks.is_multiple_of(CALL_TICKS) {
            return;
        }
        let alone = heard.is_empty();
        let calls = if alone { CALLS_ALONE } else { CALLS_IN_COMPANY };
        heard.insert(self.settings.advertise);
        let called = self.shared.contacts.lock().draw(calls, &heard, &mut self.random);
        self.alone.note(alone && !called.is_empty(), &called);
        for address in called {
            let _ = self.handle.gossip(address);
        }
    }
}

/// For how long nobody has answered our calls, and when that was last said.
#[derive(Default)]
struct Alone {
    since: Option<Instant>,
    said: Option<Instant>,
}

impl Alone {
    fn note(&mut self, alone: bool, called: &[SocketAddr]) {
        if !alone {
            self.since = None;
            return;
        }
        let long = self.since.get_or_insert_with(Instant::now).elapsed() > ALONE_BEFORE_WARNING;
        if long && self.said.is_none_or(|said| said.elapsed() > WARNING_INTERVAL) {
            self.said = Some(Instant::now());
            warn!(
                ?called,
                "nobody answers: check that a seed runs, that its UDP and TCP port is open, and that its secret is ours"
            );
        }
    }
}

fn ticks(settings: &Settings) -> Interval {
    let mut ticks = tokio::time::interval(settings.gossip_interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// Returns chitchat's settings for a node that has started chitchat so often before in its present start.
pub fn chitchat_config(settings: &Settings, starts: u64) -> ChitchatConfig {
    let (time, _) = settings.boot.as_bytes().split_first_chunk::<8>().expect("a boot has 16 bytes");
    // One nanosecond a start of chitchat: a node never starts again that soon.
    let generation = u64::from_be_bytes(*time).saturating_add(starts);
    ChitchatConfig {
        chitchat_id: ChitchatId::new(settings.node.to_string(), generation, settings.advertise),
        cluster_id: CLUSTER.to_owned(),
        gossip_interval: settings.gossip_interval,
        listen_addr: settings.bind,
        // Contacts are called by us: chitchat's own seeds are looked up before it starts, however long that takes.
        seed_nodes: Vec::new(),
        failure_detector_config: FailureDetectorConfig {
            phi_threshold: settings.phi_threshold,
            // What is measured replaces this soon. Chitchat's 5 s would keep a node that dies young alive for a minute.
            initial_interval: settings.gossip_interval,
            dead_node_grace_period: settings.dead_node_grace,
            ..FailureDetectorConfig::default()
        },
        marked_for_deletion_grace_period: settings.tombstone_grace,
        catchup_callback: None,
        extra_liveness_predicate: None,
    }
}

/// Meshes are told apart by their secrets.
const CLUSTER: &str = "logmesh";
/// A start of a node that is not live for so many intervals is taken for one that is over, if an earlier one is live: 5 s at 250 ms.
const SILENT_INTERVALS: u32 = 20;
/// How many ticks pass between calls in company: a second at 250 ms.
const CALL_TICKS: u64 = 4;
const ALONE_BEFORE_WARNING: Duration = Duration::from_secs(10);
const WARNING_INTERVAL: Duration = Duration::from_secs(60);
const CALLS_ALONE: usize = 3;
const CALLS_IN_COMPANY: usize = 1;
