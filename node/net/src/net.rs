//! The room's front door: start, tell the members, send, ask, stop.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use libp2p::Swarm;
use libp2p::core::multiaddr::Protocol;
use libp2p::swarm::SwarmEvent;
use libp2p_stream::Control;
use logmesh_protocol::id::NodeId;
use parking_lot::Mutex;
use thiserror::Error;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use crate::answer::{Answerer, IncomingRequest};
use crate::ask::{RequestError, Response, ask};
use crate::counters::{Counters, StrangerCounts};
use crate::frame::Frame;
use crate::identity::Identity;
use crate::line::{Dial, FRAMES, Line, REQUESTS};
use crate::queue::SendError;
use crate::receive::{Frames, Receiver};
use crate::send::send_frames;
use crate::settings::Settings;
use crate::switchboard::{Behaviour, LISTEN_TIMEOUT, Switchboard, build_swarm, multiaddr};

/// Streams between this node and the members. Dropping it closes them all.
pub struct Net {
    own: NodeId,
    local: SocketAddr,
    lines: Arc<Lines>,
    strangers: Arc<StrangerCounts>,
    members: watch::Sender<BTreeMap<NodeId, SocketAddr>>,
    control: Control,
    dials: mpsc::Sender<Dial>,
    settings: Arc<Settings>,
    runtime: Handle,
    swarm: JoinHandle<()>,
    _accepting: [AbortOnDropHandle<()>; 2],
}

/// What members send to us.
pub struct Incoming {
    /// Frames, in order for each member. While they are not taken, no more than the settings allow is read.
    pub frames: Frames,
    /// Requests. While they are not taken, further ones wait, up to the settings' limits.
    pub requests: mpsc::Receiver<IncomingRequest>,
}

impl Net {
    /// Listens and waits to be told who the members are.
    pub async fn start(identity: Identity, settings: Settings) -> Result<(Net, Incoming), StartError> {
        let listen = settings.listen;
        refuse_taken(listen).map_err(|source| StartError::Listen { listen, source })?;
        let settings = Arc::new(settings);
        let mut swarm = build_swarm(&identity, &settings).map_err(|_| StartError::Key)?;
        let local = listen_on(&mut swarm, listen).await.map_err(|source| StartError::Listen { listen, source })?;
        let mut control = swarm.behaviour().streams.new_control();
        let lines = Arc::new(Lines::default());
        let (receiver, frames) = Receiver::new(&settings);
        let (answerer, requests) = Answerer::new(settings.clone());
        let frame_streams = control.accept(FRAMES).expect("nobody else accepts this protocol");
        let request_streams = control.accept(REQUESTS).expect("nobody else accepts this protocol");
        let _accepting = [
            AbortOnDropHandle::new(tokio::spawn(receiver.accept(frame_streams, lines.clone()))),
            AbortOnDropHandle::new(tokio::spawn(answerer.accept(request_streams, lines.clone()))),
        ];
        let (members, members_changed) = watch::channel(BTreeMap::new());
        let (dials, dial_wishes) = mpsc::channel(WAITING_DIALS_MAX);
        let strangers = Arc::new(StrangerCounts::default());
        let switchboard = Switchboard {
            swarm,
            lines: lines.clone(),
            strangers: strangers.clone(),
            members: members_changed,
            dials: dial_wishes,
            heard: BTreeMap::new(),
            settings: settings.clone(),
        };
        let swarm = tokio::spawn(switchboard.run());
        let (own, runtime) = (identity.node(), Handle::current());
        let net = Net { own, local, lines, strangers, members, control, dials, settings, runtime, swarm, _accepting };
        Ok((net, Incoming { frames, requests }))
    }

    /// Replaces the members: the only nodes that may connect or be connected to, and where they are.
    ///
    /// What waits for one that is no member any more is thrown away, and its connections are closed.
    pub fn set_members(&self, mut members: BTreeMap<NodeId, SocketAddr>) {
        members.remove(&self.own);
        let before = self.members.borrow().clone();
        let mut lines = self.lines.0.lock();
        lines.retain(|node, _| members.contains_key(node));
        for (node, address) in &members {
            if let Some(kept) = lines.get(node) {
                if before.get(node) != Some(address) {
                    kept.line.queue.reached();
                }
                continue;
            }
            let line = Line::new(*node, self.control.clone(), self.dials.clone(), self.settings.clone());
            let line = Arc::new(line);
            let sender = AbortOnDropHandle::new(self.runtime.spawn(send_frames(line.clone())));
            lines.insert(*node, Kept { line, _sender: sender });
        }
        drop(lines);
        self.members.send_replace(members);
    }

    /// Notes that `node` is up again as far as anybody knows: it is tried at once, whatever pause it is in.
    pub fn expect(&self, node: NodeId) {
        if let Some(kept) = self.lines.0.lock().get(&node) {
            kept.line.queue.reached();
            kept.line.link.send_modify(|link| link.calls += 1);
        }
    }

    /// Queues `frame` for `to`, after all that was queued for it before. Never waits.
    pub fn try_send(&self, to: NodeId, frame: Frame) -> Result<(), SendError> {
        if frame.wire_bytes() > self.settings.frame_bytes_max {
            return Err(SendError::TooLong);
        }
        self.lines.line(to).ok_or(SendError::NotMember)?.queue.push(frame)
    }

    /// Asks `to` on a stream of its own, and returns once the request is taken in. Dropping this takes it back.
    pub async fn request(&self, to: NodeId, request: Bytes) -> Result<Response, RequestError> {
        if request.len() > self.settings.request_bytes_max {
            return Err(RequestError::TooLong);
        }
        let line = self.lines.line(to).ok_or(RequestError::NotMember)?;
        ask(line, request, self.settings.frame_bytes_max).await
    }

    /// Returns what went in and out, by member, and was refused since the start.
    pub fn counters(&self) -> Counters {
        let read = |kept: &Kept| kept.line.counts.read(kept.line.link.borrow().connected, kept.line.queue.bytes());
        Counters {
            connections_refused: self.strangers.connections_refused.read(),
            handshakes_failed: self.strangers.handshakes_failed.read(),
            peers: self.lines.0.lock().iter().map(|(node, kept)| (*node, read(kept))).collect(),
        }
    }

    /// Returns the address that we listen on.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Closes everything and waits until the port is free again. What is still queued is thrown away.
    pub async fn stop(self) {
        self.lines.0.lock().clear();
        drop(self.members);
        let _ = self.swarm.await;
    }
}

/// All members, as seen from here.
#[derive(Default)]
pub(crate) struct Lines(Mutex<BTreeMap<NodeId, Kept>>);

struct Kept {
    line: Arc<Line>,
    _sender: AbortOnDropHandle<()>,
}

impl Lines {
    pub(crate) fn line(&self, node: NodeId) -> Option<Arc<Line>> {
        self.0.lock().get(&node).map(|kept| kept.line.clone())
    }
}

/// libp2p lets several processes listen on one port (`SO_REUSEPORT`), and connections would go to any of them.
fn refuse_taken(listen: SocketAddr) -> io::Result<()> {
    TcpListener::bind(listen).map(drop)
}

async fn listen_on(swarm: &mut Swarm<Behaviour>, listen: SocketAddr) -> io::Result<SocketAddr> {
    swarm.listen_on(multiaddr(listen)).map_err(io::Error::other)?;
    let listening = async {
        loop {
            if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await
                && let Some(Protocol::Tcp(port)) = address.iter().last()
            {
                return SocketAddr::new(listen.ip(), port);
            }
        }
    };
    timeout(LISTEN_TIMEOUT, listening).await.map_err(io::Error::from)
}

/// Why the net did not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The port is taken, or the address is not one of this host.
    #[error(
        "cannot listen on {listen}/TCP for peers ({source}); if another logmesh runs here, stop it or give this one \
         another port with --mesh"
    )]
    Listen {
        /// The address.
        listen: SocketAddr,
        /// The operating system's reason.
        source: io::Error,
    },
    /// The node's key does not serve for encrypting.
    #[error("this node's key cannot be used; move it away to begin as a new node")]
    Key,
}

/// The most wishes for a connection that wait for the swarm. Whoever has another waits.
const WAITING_DIALS_MAX: usize = 256;
