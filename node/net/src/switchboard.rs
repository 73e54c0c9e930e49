//! The task that owns libp2p's swarm: dials, admits members, and drops connections that fell silent.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use libp2p::connection_limits::{self, ConnectionLimits};
use libp2p::core::multiaddr::{Multiaddr, Protocol};
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{ConnectionId, DialError, ListenError, NetworkBehaviour, SwarmEvent};
use libp2p::{PeerId, Swarm, SwarmBuilder, noise, ping, tcp, yamux};
use logmesh_protocol::id::NodeId;
use tokio::sync::{mpsc, watch};
use tracing::{debug, error};

use crate::counters::StrangerCounts;
use crate::identity::Identity;
use crate::line::Dial;
use crate::members::Members;
use crate::net::Lines;
use crate::peer_id::{node_of, peer_of};
use crate::settings::Settings;

/// What the swarm does with connections. Those who refuse stand first: libp2p-stream keeps a little of each connection
/// it has ever seen, so it must see those of members only.
#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    limits: connection_limits::Behaviour,
    members: Members,
    ping: ping::Behaviour,
    pub(crate) streams: libp2p_stream::Behaviour,
}

/// The owner of the swarm.
pub(crate) struct Switchboard {
    pub(crate) swarm: Swarm<Behaviour>,
    pub(crate) lines: Arc<Lines>,
    pub(crate) strangers: Arc<StrangerCounts>,
    pub(crate) members: watch::Receiver<BTreeMap<NodeId, SocketAddr>>,
    pub(crate) dials: mpsc::Receiver<Dial>,
    pub(crate) heard: BTreeMap<ConnectionId, Heard>,
    pub(crate) settings: Arc<Settings>,
}

/// When a connection last proved that somebody is there.
pub(crate) struct Heard {
    node: NodeId,
    at: Instant,
}

impl Switchboard {
    /// Runs until everybody who can tell it members is gone.
    pub(crate) async fn run(mut self) {
        let mut ticks = tokio::time::interval(self.settings.ping_interval);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                event = self.swarm.select_next_some() => self.on_event(event),
                changed = self.members.changed() => match changed {
                    Ok(()) => self.admit(),
                    Err(_) => return,
                },
                Some(dial) = self.dials.recv() => self.dial(&dial),
                _ = ticks.tick() => self.drop_silent(),
            }
        }
    }

    fn admit(&mut self) {
        let members = self.members.borrow_and_update().keys().map(|node| peer_of(*node)).collect();
        self.swarm.behaviour_mut().members.set(members);
    }

    fn dial(&mut self, dial: &Dial) {
        let peer = peer_of(dial.node);
        let Some(address) = self.members.borrow().get(&dial.node).copied() else {
            return self.on_failure(dial.node);
        };
        if self.swarm.is_connected(&peer) && !dial.anew {
            return self.on_connected(dial.node, false);
        }
        // Members may have changed since this was last told; who is dialled must be admitted.
        self.admit();
        // Dialling from the port that we listen on would make two nodes that dial each other at once share one
        // connection of which both think that they began it.
        let options = DialOpts::peer_id(peer)
            .addresses(vec![multiaddr(address)])
            .condition(if dial.anew { PeerCondition::NotDialing } else { PeerCondition::DisconnectedAndNotDialing })
            .allocate_new_port()
            .build();
        match self.swarm.dial(options) {
            Ok(()) | Err(DialError::DialPeerConditionFalse(_)) => {}
            Err(error) => {
                debug!(peer = ?dial.node, %error, "not dialled");
                self.on_failure(dial.node);
            }
        }
    }

    fn on_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(BehaviourEvent::Ping(event)) => {
                if event.result.is_ok()
                    && let Some(heard) = self.heard.get_mut(&event.connection)
                {
                    heard.at = Instant::now();
                }
            }
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                let Some(node) = node_of(&peer_id) else { return };
                self.heard.insert(connection_id, Heard { node, at: Instant::now() });
                self.on_connected(node, endpoint.is_listener());
            }
            SwarmEvent::ConnectionClosed { peer_id, connection_id, num_established, cause, .. } => {
                self.heard.remove(&connection_id);
                debug!(peer = %peer_id, ?cause, "connection closed");
                if num_established == 0 {
                    self.on_disconnected(peer_id);
                }
            }
            SwarmEvent::OutgoingConnectionError { peer_id: Some(peer), error, .. } => {
                debug!(%peer, %error, "peer not reached");
                if let Some(node) = node_of(&peer) {
                    self.on_failure(node);
                }
            }
            SwarmEvent::IncomingConnectionError { error, .. } => match error {
                ListenError::Denied { .. } => self.strangers.connections_refused.add(1),
                _ => self.strangers.handshakes_failed.add(1),
            },
            SwarmEvent::ListenerClosed { reason, .. } => error!(?reason, "listening for peers has ended"),
            _ => {}
        }
    }

    fn on_connected(&self, node: NodeId, by_them: bool) {
        if let Some(line) = self.lines.line(node) {
            line.link.send_modify(|link| {
                link.connected = true;
                link.calls += u64::from(by_them);
            });
        }
    }

    fn on_disconnected(&self, peer: PeerId) {
        if let Some(line) = node_of(&peer).and_then(|node| self.lines.line(node)) {
            line.link.send_modify(|link| {
                link.connected = false;
                link.failures += 1;
            });
        }
    }

    fn on_failure(&self, node: NodeId) {
        if let Some(line) = self.lines.line(node) {
            line.link.send_modify(|link| link.failures += 1);
        }
    }

    /// Closes connections on which no ping was answered for too long: the peer lost power, or the network between us is
    /// cut. Closing may itself wait for the network, so the streams are told at once.
    fn drop_silent(&mut self) {
        let patience = self.settings.ping_interval + self.settings.ping_timeout;
        let silent: Vec<ConnectionId> =
            self.heard.iter().filter(|(_, heard)| heard.at.elapsed() > patience).map(|(id, _)| *id).collect();
        for id in silent {
            self.swarm.close_connection(id);
            let Some(Heard { node, .. }) = self.heard.remove(&id) else { continue };
            debug!(peer = ?node, "peer fell silent, connection dropped");
            let another = self.heard.values().any(|heard| heard.node == node);
            if let Some(line) = self.lines.line(node) {
                line.link.send_modify(|link| {
                    link.connected = another;
                    link.failures += 1;
                    link.silences += 1;
                });
            }
        }
    }
}

/// Returns a swarm for `identity` that does not listen yet.
pub(crate) fn build_swarm(identity: &Identity, settings: &Settings) -> Result<Swarm<Behaviour>, noise::Error> {
    let limits = ConnectionLimits::default()
        .with_max_pending_incoming(Some(settings.handshakes_max))
        .with_max_established_incoming(Some(settings.connections_max))
        .with_max_established_per_peer(Some(CONNECTIONS_PER_PEER_MAX));
    let ping = ping::Config::new().with_interval(settings.ping_interval).with_timeout(settings.ping_timeout);
    let behaviour = Behaviour {
        limits: connection_limits::Behaviour::new(limits),
        members: Members::default(),
        ping: ping::Behaviour::new(ping),
        streams: libp2p_stream::Behaviour::new(),
    };
    let (idle, connect) = (settings.idle_timeout, settings.connect_timeout);
    let built = SwarmBuilder::with_existing_identity(identity.keypair())
        .with_tokio()
        .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, yamux::Config::default)?
        .with_behaviour(|_| behaviour)
        .expect("making the behaviour cannot fail")
        .with_swarm_config(|config| config.with_idle_connection_timeout(idle))
        .with_connection_timeout(connect)
        .build();
    Ok(built)
}

pub(crate) fn multiaddr(address: SocketAddr) -> Multiaddr {
    Multiaddr::from(address.ip()).with(Protocol::Tcp(address.port()))
}

/// Two when both dial at once, and some that wait to be closed.
const CONNECTIONS_PER_PEER_MAX: u32 = 8;
/// How long it may take until the operating system says which port we listen on.
pub(crate) const LISTEN_TIMEOUT: Duration = Duration::from_secs(5);
