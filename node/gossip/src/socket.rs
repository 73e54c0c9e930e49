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

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::*;
    use crate::gossip::Gossip;
    use crate::settings::Settings;
    use logmesh_protocol::id::{Boot, NodeId};

    const DEADLINE: Duration = Duration::from_secs(60);

    /// An acknowledgement in chitchat's form: a digest if wanted, then a delta of `operations` in one block that is not compressed.
    fn message(kind: u8, digest: &[u8], operations: &[u8]) -> Vec<u8> {
        let length = u16::try_from(operations.len()).unwrap().to_le_bytes();
        [&[0x53, 0xb0, 0, kind][..], digest, &[2], &length, operations, &[0]].concat()
    }

    fn chitchat_id() -> Vec<u8> {
        [&[1, 0, b'x'][..], &[0; 8], &[4, 127, 0, 0, 1, 1, 0]].concat()
    }

    /// A message that says of a node that its fact has version 10, and then that its highest version is 1.
    fn poison() -> Vec<u8> {
        let digest = [&[1, 0][..], &chitchat_id(), &[1; 24]].concat();
        let fact = [&[1, 1, 0, b'k', 1, 0, b'v'][..], &10_u64.to_le_bytes(), &[0]].concat();
        let lower = [&[2][..], &1_u64.to_le_bytes()].concat();
        message(1, &digest, &[&[0][..], &chitchat_id(), &[0; 16], &fact, &lower].concat())
    }

    async fn sealed_socket() -> (Box<dyn Socket>, SocketAddr, Arc<Counts>) {
        let udp = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
        let (address, counts) = (udp.local_addr().unwrap(), Arc::new(Counts::default()));
        let transport = SealedTransport { udp, secrets: vec![Secret::development()], counts: counts.clone() };
        (transport.open(address).await.unwrap(), address, counts)
    }

    async fn send(plain: &[u8], to: SocketAddr) {
        let mut datagram = Vec::new();
        Sealer::new(&[Secret::development()]).unwrap().seal(plain, &mut datagram);
        UdpSocket::bind("127.0.0.1:0").await.unwrap().send_to(&datagram, to).await.unwrap();
    }

    #[tokio::test]
    async fn a_good_message_arrives_after_bad_ones_under_a_good_seal() {
        let (mut socket, address, counts) = sealed_socket().await;
        let whole = |message: &[u8]| [&[7; 8][..], &[0, 1], message].concat();
        let bad = [&b""[..], b"short", &[0; 10], &[255; 100], &whole(b"not chitchat"), &whole(&poison()[1..])];
        for plain in bad {
            send(plain, address).await;
        }
        send(&whole(&poison()), address).await;
        let (_, message) = tokio::time::timeout(DEADLINE, socket.recv()).await.unwrap().unwrap();
        assert!(matches!(message, ChitchatMessage::SynAck { .. }));
        assert_eq!((counts.malformed.read(), counts.refused.read()), (bad.len() as u64, 0));
    }

    #[tokio::test]
    async fn a_message_that_chitchat_fails_on_does_not_silence_the_node() {
        let settings = |number: u8| {
            let bind = SocketAddr::from(([127, 0, 0, 1], 0));
            let node = NodeId::from_bytes([number; 32]);
            let interval = Duration::from_millis(20);
            let defaults = Settings::new(node, Boot::from_bytes([number; 16]), Secret::development());
            Settings { bind, advertise: bind, gossip_interval: interval, ..defaults }
        };
        let one = Gossip::start(settings(1)).await.unwrap();
        one.set_fact("kept", "yes".to_owned()).unwrap();
        send(&[&[7; 8][..], &[0, 1], &poison()].concat(), one.local_addr()).await;
        let mut ticks = tokio::time::interval(Duration::from_millis(5));
        let restarted = async {
            while one.counters().restarts == 0 {
                ticks.tick().await;
            }
        };
        tokio::time::timeout(DEADLINE, restarted).await.expect("chitchat is started again");
        let two = Gossip::start(Settings { seeds: vec![one.local_addr().to_string()], ..settings(2) }).await.unwrap();
        let mut watch = two.watch();
        let met = watch.wait_for(|seen| seen.peers.iter().any(|peer| peer.live && peer.facts.contains_key("kept")));
        tokio::time::timeout(DEADLINE, met).await.expect("the node is heard again").unwrap();
    }

    proptest! {
        #[test]
        fn decoding_never_panics(
            noise in proptest::collection::vec(any::<u8>(), 0..300), at in 0_usize..300, kind in 0_u8..4
        ) {
            let _ = decode(&noise);
            let _ = decode(&[&[0x53, 0xb0, 0, kind][..], &noise].concat());
            let _ = decode(&message(2, &[], &noise));
            let mut changed = poison();
            let at = at % changed.len();
            let _ = decode(&changed[..at]);
            changed[at] = kind;
            let _ = decode(&changed);
        }
    }
}
