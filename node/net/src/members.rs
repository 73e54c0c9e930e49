//! Admission: only members may connect or be connected to. Everybody else is cut off once it has shown its key.

use std::collections::{BTreeSet, VecDeque};
use std::convert::Infallible;
use std::task::{Context, Poll, Waker};

use libp2p::PeerId;
use libp2p::core::transport::PortUse;
use libp2p::core::{Endpoint, Multiaddr};
use libp2p::swarm::{
    CloseConnection, ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent,
    THandlerOutEvent, ToSwarm, dummy,
};
use thiserror::Error;

/// The peers that may be connected. It knows no addresses, so that nobody else's wish to dial succeeds.
#[derive(Default)]
pub(crate) struct Members {
    members: BTreeSet<PeerId>,
    departed: VecDeque<PeerId>,
    waker: Option<Waker>,
}

impl Members {
    /// Replaces the members. Connections of those that are none any more are closed.
    pub(crate) fn set(&mut self, members: BTreeSet<PeerId>) {
        self.departed.extend(self.members.difference(&members));
        self.members = members;
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn admit(&self, peer: PeerId) -> Result<dummy::ConnectionHandler, ConnectionDenied> {
        if self.members.contains(&peer) { Ok(dummy::ConnectionHandler) } else { Err(ConnectionDenied::new(NotMember)) }
    }
}

/// The peer is not a member.
#[derive(Debug, Error)]
#[error("not a member")]
pub(crate) struct NotMember;

impl NetworkBehaviour for Members {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.admit(peer)
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.admit(peer)
    }

    fn on_swarm_event(&mut self, _: FromSwarm) {}

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {}
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        if let Some(peer_id) = self.departed.pop_front() {
            if self.members.contains(&peer_id) {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            return Poll::Ready(ToSwarm::CloseConnection { peer_id, connection: CloseConnection::All });
        }
        self.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}
