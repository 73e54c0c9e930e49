//! Chitchat's messages over one UDP socket, sealed. No input ends it: what is bad is counted and dropped.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use chitchat::transport::{Socket, Transport};
use chitchat::{ChitchatMessage, Deserializable, Serializable};
use tokio::net::UdpSocket;
use tracing::{debug, warn};

use crate::counters::Counts;
use crate::fragment::{DATAGRAM_BYTES_MAX, Reassembly, split};
use crate::seal::Sealer;
use crate::secret::Secret;

/// Opens sealed sockets over a UDP socket that is bound already, so that a failing chitchat can be started again on it.
pub(crate) struct SealedTransport {
    pub(crate) udp: Arc<UdpSocket>,
    pub(crate) secrets: Vec<Secret>,
    pub(crate) counts: Arc<Counts>,
}

#[async_trait]
impl Transport for SealedTransport {
    async fn open(&self, _bound_already: SocketAddr) -> anyhow::Result<Box<dyn Socket>> {
        let sealer = Sealer::new(&self.secrets).ok_or_else(|| anyhow::anyhow!("no mesh secret"))?;
        Ok(Box::new(SealedSocket {
            udp: self.udp.clone(),
            sealer,
            reassembly: Reassembly::default(),
            counts: self.counts.clone(),
            received: vec![0; DATAGRAM_BYTES_MAX + 1],
            plain: Vec::new(),
            message: Vec::new(),
            datagram: Vec::new(),
            last_warning: None,
        }))
    }
}

struct SealedSocket {
    udp: Arc<UdpSocket>,
    sealer: Sealer,
    reassembly: Reassembly,
    counts: Arc<Counts>,
    received: Vec<u8>,
    plain: Vec<u8>,
    message: Vec<u8>,
    datagram: Vec<u8>,
    last_warning: Option<Instant>,
}

#[async_trait]
impl Socket for SealedSocket {
    /// Sends `message`, and is never in error: chitchat would log each one, and gossip repeats itself.
    async fn send(&mut self, to: SocketAddr, message: ChitchatMessage) -> anyhow::Result<()> {
        self.message.clear();
        message.serialize(&mut self.message);
        let Some(fragments) = split(self.sealer.draw_message_id(), &self.message) else {
            self.counts.oversized.add(1);
            return Ok(());
        };
        for plain in fragments {
            self.sealer.seal(&plain, &mut self.datagram);
            match self.udp.send_to(&self.datagram, to).await {
                Ok(bytes) => {
                    self.counts.datagrams_out.add(1);
                    self.counts.bytes_out.add(bytes);
                }
                Err(error) => {
                    self.counts.socket_errors.add(1);
                    debug!(%to, %error, "datagram not sent");
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Waits for a whole message. It can be dropped and called again at any time without losing one.
    async fn recv(&mut self) -> anyhow::Result<(SocketAddr, ChitchatMessage)> {
        loop {
            match self.udp.recv_from(&mut self.received).await {
                Ok((bytes, from)) => {
                    if let Some(message) = self.handle_datagram(bytes, from) {
                        return Ok((from, message));
                    }
                }
                Err(error) => {
                    self.counts.socket_errors.add(1);
                    if !tells_of_an_earlier_send(&error) {
                        // An error that stays would make this a busy loop.
                        tokio::time::sleep(ERROR_PAUSE).await;
                    }
                }
            }
        }
    }
}

impl SealedSocket {
    fn handle_datagram(&mut self, bytes: usize, from: SocketAddr) -> Option<ChitchatMessage> {
        self.counts.datagrams_in.add(1);
        self.counts.bytes_in.add(bytes);
        let datagram = self.received.get(..bytes).filter(|datagram| datagram.len() <= DATAGRAM_BYTES_MAX);
        if !datagram.is_some_and(|datagram| self.sealer.open(datagram, &mut self.plain)) {
            self.counts.refused.add(1);
            self.warn_of_refused(from);
            return None;
        }
        let message = match self.reassembly.handle_fragment(from, &self.plain) {
            Ok(message) => message?,
            Err(_) => {
                self.counts.malformed.add(1);
                return None;
            }
        };
        let decoded = decode(&message);
        if decoded.is_none() {
            self.counts.malformed.add(1);
        }
        decoded
    }

    fn warn_of_refused(&mut self, from: SocketAddr) {
        if self.last_warning.is_none_or(|last| last.elapsed() > WARNING_INTERVAL) {
            self.last_warning = Some(Instant::now());
            let refused = self.counts.refused.read();
            warn!(%from, refused, "datagram refused: a node with another mesh secret, or a stranger");
        }
    }
}

/// Decodes a message, all of it and nothing behind it.
fn decode(mut bytes: &[u8]) -> Option<ChitchatMessage> {
    let message = ChitchatMessage::deserialize(&mut bytes).ok()?;
    bytes.is_empty().then_some(message)
}

/// On Linux and Windows an ICMP answer to what we sent to a closed port surfaces as an error of the next call.
fn tells_of_an_earlier_send(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset)
}

const WARNING_INTERVAL: Duration = Duration::from_secs(60);
const ERROR_PAUSE: Duration = Duration::from_millis(20);
