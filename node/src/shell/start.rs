//! Starts a node, room by room, and ends it in the opposite order. What hinders a start is said in a sentence.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use logmesh_gossip::{Gossip, Secret, Settings as GossipSettings};
use logmesh_net::{Identity, IdentityError, Incoming, Net, Settings as NetSettings};
use logmesh_protocol::id::Boot;
use logmesh_protocol::replica::{Recovered, RecoveredSegment, Replica};
use logmesh_protocol::segment::{ExtentId, SegmentId};
use logmesh_store::{OpenError, Settings as StoreSettings, Store};
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tracing::info;

use super::announce::{self, Seen};
use super::gather::Gather;
use super::mesh::{Command, Mesh, MeshTask};
use super::perform::{DELETIONS_KEY, Performer, STATE_KEY, Told};
use super::sender::Sender;
use super::tasks;
use crate::clock::Clock;
use crate::config::Config;
use crate::http::{self, App, Budget, NodeState};
use crate::metrics::Metrics;
use crate::query::{Coordinator, Deleted, FOLLOWERS_MAX, Feed, Local, Masks};

/// A running node.
pub(super) struct Running {
    pub(super) mesh: Mesh,
    /// Says whether the machine stopped with all handed over.
    pub(super) stopped: oneshot::Receiver<bool>,
    pub(super) state: Arc<watch::Sender<NodeState>>,
    /// Turns true when a room ends that the node cannot do without.
    pub(super) stop: watch::Receiver<bool>,
    http_end: oneshot::Sender<()>,
    http: JoinHandle<()>,
    store: Store,
    gossip_interval: std::time::Duration,
}

impl Running {
    /// Ends the HTTP side, gives gossip a moment to carry the last word, and closes the store.
    pub(super) async fn end(self) {
        let _ = self.http_end.send(());
        // A fact reaches all peers of a small mesh within a few rounds.
        tokio::time::sleep(self.gossip_interval * LAST_WORD_ROUNDS).await;
        let _ = tokio::time::timeout(HTTP_END_MAX, self.http).await;
        // The store closes with its last handle.
        drop(self.store);
    }
}

/// Starts everything.
pub(super) async fn start(config: Config) -> Result<Running, RunError> {
    let clock = Clock::start();
    let data = config.own.data.clone();
    let settings = StoreSettings {
        disk_reserve_bytes: config.own.disk_reserve,
        compression: config.own.compression,
        ..StoreSettings::default()
    };
    let opened = tokio::task::spawn_blocking(move || open(&data, settings)).await;
    let (store, identity, recovered, contacts) = opened.expect("opening does not panic")?;
    let node = identity.node();
    let boot = Boot::new(Clock::timestamp(), rand::random());
    let listener = TcpListener::bind(config.own.http)
        .await
        .map_err(|source| RunError::Http { address: config.own.http, source })?;
    let http_address = listener.local_addr().unwrap_or(config.own.http);

    let net_settings = NetSettings {
        requests_max: REQUESTS_MAX,
        requests_per_peer_max: REQUESTS_PER_PEER_MAX,
        ..NetSettings::new(config.own.mesh)
    };
    let (net, incoming) = Net::start(identity, net_settings).await?;
    let net = Arc::new(net);
    // Port 0 stands for any free port: gossip takes the one that the net was given.
    let bind = SocketAddr::new(config.own.mesh.ip(), net.local_addr().port());
    let advertise = config.own.advertise.unwrap_or(bind);
    let secrets = if config.secrets.is_empty() { vec![Secret::development()] } else { config.secrets.clone() };
    let gossip = Gossip::start(GossipSettings {
        bind,
        advertise,
        seeds: config.own.seeds.clone(),
        secrets: secrets.clone(),
        gossip_interval: config.own.gossip_interval,
        ..GossipSettings::new(node, boot, secrets[0].clone())
    })
    .await?;
    let gossip = Arc::new(gossip);
    gossip.set_contacts(contacts);
    let settings = config.mesh.digest();
    state_facts(&gossip, &config, &settings, http_address);
    info!(%node, http = %http_address, mesh = %bind, "node started");

    let replica = Replica::new(node, boot, config.machine(), recovered, rand::random());
    join(Rooms { clock, config, store, net, incoming, gossip, listener, replica }, node, settings)
}

struct Rooms {
    clock: Clock,
    config: Config,
    store: Store,
    net: Arc<Net>,
    incoming: Incoming,
    gossip: Arc<Gossip>,
    listener: TcpListener,
    replica: Replica,
}

/// Starts the tasks between the rooms.
fn join(rooms: Rooms, node: logmesh_protocol::id::NodeId, settings: String) -> Result<Running, RunError> {
    let Rooms { clock, config, store, net, incoming, gossip, listener, replica } = rooms;
    let metrics = Arc::new(Metrics::new());
    let (mesh, commands) = Mesh::new();
    let (stopped_sender, stopped) = oneshot::channel();
    let (seen_sender, seen) = watch::channel(Arc::new(Seen::default()));
    let state = Arc::new(watch::Sender::new(NodeState::Running));
    let (stop_sender, stop) = watch::channel(false);
    // What is on the disk holds from the beginning.
    let known = Deleted { masks: Arc::new(Masks::new(replica.deletions())), is_durable: true };
    let (deleted_sender, deleted) = watch::channel(known);
    let feed = Arc::new(Feed::default());

    let task = MeshTask {
        replica,
        clock,
        gather: Gather::default(),
        performer: Performer::new(
            store.clone(),
            Sender::new(net.clone(), metrics.clone()),
            gossip.clone(),
            mesh.clone(),
            Told { feed: feed.clone(), deleted: deleted_sender },
        ),
        metrics: metrics.clone(),
        storing: false,
        stopped: Some(stopped_sender),
        state: state.clone(),
    };
    let scans_max = config.query.concurrency as usize;
    let local = Local::new(mesh.clone(), store.clone(), scans_max, feed.clone(), deleted.clone());
    let coordinator = Coordinator {
        node,
        mesh: mesh.clone(),
        net: net.clone(),
        local: local.clone(),
        seen: seen.clone(),
        copies: config.mesh.copies,
        survey_timeout: SURVEY_TIMEOUT,
        silent_after: config.query.silent_after,
    };
    let gossip_interval = config.own.gossip_interval;
    let has_seeds = !config.own.seeds.is_empty();
    let tails_max = config.query.tails_max as usize;
    let app = Arc::new(App {
        node,
        budget: Budget::new(INGEST_BYTES_MAX),
        config,
        mesh: mesh.clone(),
        store: store.clone(),
        coordinator,
        seen: seen.clone(),
        metrics: metrics.clone(),
        ready: AtomicBool::new(false),
        state: state.clone(),
        net: net.clone(),
        gossip: gossip.clone(),
        tails: Arc::new(Semaphore::new(tails_max)),
        deleted,
        feed,
    });
    spawn_mesh(task, commands, stop_sender);
    tokio::spawn(tasks::watch_gossip(gossip.watch(), settings, net, mesh.clone(), seen_sender));
    tokio::spawn(tasks::take_frames(incoming.frames, mesh.clone(), metrics));
    tokio::spawn(tasks::answer_requests(incoming.requests, local));
    tokio::spawn(tasks::keep_contacts(seen, gossip, store.clone()));
    tokio::spawn(tasks::become_ready(app.clone(), has_seeds));
    let (http_end, end) = oneshot::channel::<()>();
    let http = tokio::spawn(serve_http(listener, app, end));
    Ok(Running { mesh, stopped, state, stop, http_end, http, store, gossip_interval })
}

async fn serve_http(listener: TcpListener, app: Arc<App>, end: oneshot::Receiver<()>) {
    let served = axum::serve(listener, http::router(app)).with_graceful_shutdown(async {
        let _ = end.await;
    });
    if let Err(error) = served.await {
        tracing::error!(%error, "the HTTP side ended");
    }
}

/// Runs the machine. If it ever ends by itself, the node ends too: better gone than up and deaf.
fn spawn_mesh(task: MeshTask, commands: mpsc::Receiver<Command>, stop: watch::Sender<bool>) {
    let running = tokio::spawn(task.run(commands));
    tokio::spawn(async move {
        let ended = running.await;
        if ended.is_err() {
            tracing::error!("the machine ended; this is a bug: stopping the node");
        }
        stop.send_replace(true);
    });
}

type Opened = (Store, Identity, Recovered, Vec<SocketAddr>);

fn open(data: &std::path::Path, settings: StoreSettings) -> Result<Opened, RunError> {
    std::fs::create_dir_all(data).map_err(|source| RunError::Data { path: data.to_owned(), source })?;
    let (store, found) = Store::open(&data.join("store"), settings)?;
    let identity = Identity::load_or_create(&data.join("node.key"))?;
    if found.is_torn {
        // A node that remembers no earlier start vouches for nothing that it wrote then; the others tell it what it was.
        store.put_setting(STATE_KEY, &[]).map_err(|error| RunError::Read(error.to_string()))?;
    }
    let state = store.setting(STATE_KEY).map_err(|error| RunError::Read(error.to_string()))?.unwrap_or_default();
    let deletions =
        store.setting(DELETIONS_KEY).map_err(|error| RunError::Read(error.to_string()))?.unwrap_or_default();
    let contacts = store.setting(tasks::CONTACTS_KEY).map_err(|error| RunError::Read(error.to_string()))?;
    let contacts = String::from_utf8(contacts.unwrap_or_default()).unwrap_or_default();
    let contacts = contacts.lines().filter_map(|line| line.parse().ok()).collect();
    let segments = found.segments.into_iter().map(|segment| RecoveredSegment {
        segment: segment.segment,
        held: segment.held,
        extents: segment.extents.into_iter().map(|extent| extent_of(segment.segment, extent)).collect(),
        tail_raw_bytes: segment.tail_raw_bytes,
    });
    let recovered = Recovered { state: state.into(), deletions: deletions.into(), segments: segments.collect() };
    Ok((store, identity, recovered, contacts))
}

fn extent_of(segment: SegmentId, seqs: std::ops::Range<u32>) -> ExtentId {
    ExtentId { segment, from: seqs.start, to: seqs.end }
}

fn state_facts(gossip: &Gossip, config: &Config, settings: &str, http: SocketAddr) {
    let facts = [
        (announce::SETTINGS, settings.to_owned()),
        ("name", config.own.name.clone()),
        ("version", env!("CARGO_PKG_VERSION").to_owned()),
        ("http", http.to_string()),
    ];
    for (key, value) in facts {
        if let Err(error) = gossip.set_fact(key, value) {
            tracing::warn!(key, %error, "fact not gossiped");
        }
    }
}

/// Why a node did not start.
#[derive(Debug, Error)]
pub(crate) enum RunError {
    /// The data directory cannot be made.
    #[error(
        "cannot create the data directory {path}: {source}; name another with --data, or give this user the right to write there"
    )]
    Data {
        /// The directory.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The store does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store does not read.
    #[error("the store cannot be read: {0}")]
    Read(String),
    /// The identity cannot be had.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The HTTP address cannot be listened on.
    #[error("cannot listen for HTTP on {address}: {source}; name another address with --http, or stop what uses it")]
    Http {
        /// The address.
        address: SocketAddr,
        /// The cause.
        source: std::io::Error,
    },
    /// The mesh's TCP address cannot be listened on.
    #[error(transparent)]
    Net(#[from] logmesh_net::StartError),
    /// The mesh's UDP address cannot be listened on.
    #[error(transparent)]
    Gossip(#[from] logmesh_gossip::StartError),
}

/// Bytes of pushes that may be worked on at once, as they came and as they are decoded. A push that needs more is worked
/// on alone.
const INGEST_BYTES_MAX: u64 = 64 << 20;
/// A survey is answered from memory; a live node that takes longer than this is as good as away.
const SURVEY_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(3);
/// Requests of peers that are taken at a time: queries, and the tails that follow this node.
const REQUESTS_MAX: usize = 256 + FOLLOWERS_MAX;
/// Requests of one peer, likewise.
const REQUESTS_PER_PEER_MAX: usize = 64 + TAILS_OF_ONE_MAX;
/// The most tails of one peer; more than the setting's default, for each node sets its own.
const TAILS_OF_ONE_MAX: usize = 128;
const LAST_WORD_ROUNDS: u32 = 4;
const HTTP_END_MAX: std::time::Duration = std::time::Duration::from_secs(5);
