//! The room's front door: start, state facts, watch the others, stop.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use thiserror::Error;
use tokio::net::UdpSocket;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use crate::contacts::{Contacts, look_up_seeds};
use crate::counters::{Counters, Counts};
use crate::facts::{FactError, Facts};
use crate::keeper::Keeper;
use crate::settings::Settings;
use crate::snapshot::{BOOT_KEY, Snapshot};
use crate::socket::SealedTransport;

/// Gossip of one node. Dropping it stops it soon; [`Gossip::stop`] waits until it has.
pub struct Gossip {
    shared: Arc<Shared>,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    local: SocketAddr,
    stop: watch::Sender<()>,
    tasks: Vec<JoinHandle<()>>,
}

/// What the front door and the task behind it both touch. No lock is held across an await.
pub(crate) struct Shared {
    pub(crate) facts: Mutex<Facts>,
    pub(crate) facts_changed: Notify,
    pub(crate) contacts: Arc<Mutex<Contacts>>,
    pub(crate) counts: Arc<Counts>,
}

impl Gossip {
    /// Binds the UDP port and begins to gossip.
    pub async fn start(mut settings: Settings) -> Result<Gossip, StartError> {
        if settings.secrets.is_empty() {
            return Err(StartError::NoSecret);
        }
        if settings.seeds.len() > Settings::SEEDS_MAX {
            return Err(StartError::TooManySeeds { seeds: settings.seeds.len() });
        }
        if settings.advertise.ip().is_unspecified() {
            return Err(StartError::Unreachable { advertise: settings.advertise });
        }
        let bind = settings.bind;
        let udp = UdpSocket::bind(bind).await.map_err(|source| StartError::Bind { bind, source })?;
        let local = udp.local_addr().map_err(|source| StartError::Bind { bind, source })?;
        if settings.advertise.port() == 0 {
            settings.advertise.set_port(local.port());
        }
        let shared = Arc::new(Shared {
            facts: Mutex::new(Facts::new(settings.tombstone_grace)),
            facts_changed: Notify::new(),
            contacts: Arc::default(),
            counts: Arc::default(),
        });
        let boot = settings.boot.to_string();
        shared.facts.lock().set_reserved(BOOT_KEY, boot, Instant::now()).expect("the first and short fact fits");
        let transport =
            SealedTransport { udp: Arc::new(udp), secrets: settings.secrets.clone(), counts: shared.counts.clone() };
        let (stop, stopped) = watch::channel(());
        let (publish, snapshots) = watch::channel(Arc::default());
        let (seeds, every) = (settings.seeds.clone(), settings.seed_lookup_interval);
        let lookups = look_up_seeds(seeds, every, shared.contacts.clone(), stopped.clone());
        let keeper = Keeper::start(settings, shared.clone(), transport, publish).await.map_err(StartError::Chitchat)?;
        let tasks = vec![tokio::spawn(lookups), tokio::spawn(keeper.run(stopped))];
        Ok(Gossip { shared, snapshots, local, stop, tasks })
    }

    /// States that `key` of this node is `value`, to all nodes of the mesh. The same again costs nothing.
    pub fn set_fact(&self, key: &str, value: String) -> Result<(), FactError> {
        self.shared.facts.lock().set(key, value, Instant::now())?;
        self.shared.facts_changed.notify_one();
        Ok(())
    }

    /// Takes back what was stated as `key`, if anything was.
    pub fn remove_fact(&self, key: &str) {
        self.shared.facts.lock().remove(key, Instant::now());
        self.shared.facts_changed.notify_one();
    }

    /// Replaces the addresses to try beside the seeds, kept by the shell from earlier starts. At most 1,024 are used.
    pub fn set_contacts(&self, contacts: Vec<SocketAddr>) {
        self.shared.contacts.lock().set_kept(contacts);
    }

    /// Returns a watch of what is known of all other nodes; it changes when anything of it does.
    pub fn watch(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.snapshots.clone()
    }

    /// Returns what went in and out and was refused since the start.
    pub fn counters(&self) -> Counters {
        self.shared.counts.read()
    }

    /// Returns the address that the socket is bound to.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Stops and waits until the port is free again. Peers notice by our silence.
    pub async fn stop(self) {
        drop(self.stop);
        for task in self.tasks {
            let _ = task.await;
        }
    }
}

/// Why gossip did not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The port is taken, or the address is not one of this host.
    #[error(
        "cannot listen on {bind}/UDP for gossip ({source}); if another logmesh runs here, stop it or give this one \
         another port with --mesh"
    )]
    Bind {
        /// The address.
        bind: SocketAddr,
        /// The operating system's reason.
        source: io::Error,
    },
    /// Peers cannot reach an unspecified address.
    #[error("{advertise} is not an address that peers can reach; advertise one of this host's addresses")]
    Unreachable {
        /// The address.
        advertise: SocketAddr,
    },
    /// No secret was given: there is no unsealed mode.
    #[error("no mesh secret; make one with `logmesh keygen` and give it to every node")]
    NoSecret,
    /// More seeds than [`Settings::SEEDS_MAX`].
    #[error("{seeds} seeds, at most {} are used; a few that are usually up are enough", Settings::SEEDS_MAX)]
    TooManySeeds {
        /// How many were given.
        seeds: usize,
    },
    /// Chitchat did not start.
    #[error("gossip does not start: {0}")]
    Chitchat(anyhow::Error),
}
