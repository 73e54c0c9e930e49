//! A member whose program is broken: it has the key and says nonsense on good streams.

#![expect(clippy::unwrap_used, reason = "a helper of tests may fail them")]

use std::net::SocketAddr;
use std::time::Duration;

use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use libp2p::identity::Keypair;
use libp2p::{Multiaddr, StreamProtocol, SwarmBuilder, noise, tcp, yamux};
use logmesh_net::{Frame, Identity, Net, Settings, node_of};
use tokio::time::timeout;

const DEADLINE: Duration = Duration::from_secs(60);

/// Says `words` on a new stream of `protocol`, and waits until the other side hangs up.
async fn say(control: &mut libp2p_stream::Control, peer: libp2p::PeerId, protocol: &'static str, words: &[u8]) {
    let said = async {
        let mut stream = control.open_stream(peer, StreamProtocol::new(protocol)).await.unwrap();
        let _ = stream.write_all(words).await;
        let _ = stream.flush().await;
        if words.is_empty() {
            return drop(stream);
        }
        let mut heard = Vec::new();
        let _ = stream.read_to_end(&mut heard).await;
    };
    timeout(DEADLINE, said).await.expect("nonsense is cut off");
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_on_good_streams_is_cut_off_and_counted() {
    let identity = Identity::generate();
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let (net, mut incoming) = Net::start(identity, Settings::new(listen)).await.unwrap();
    let key = Keypair::generate_ed25519();
    let broken = node_of(&key.public().to_peer_id()).unwrap();
    net.set_members([(broken, SocketAddr::from(([127, 0, 0, 1], 9)))].into());
    let swarm = SwarmBuilder::with_existing_identity(key).with_tokio();
    let swarm = swarm.with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default).unwrap();
    let mut swarm = swarm.with_behaviour(|_| libp2p_stream::Behaviour::new()).unwrap().build();
    let mut control = swarm.behaviour().new_control();
    let address: Multiaddr = format!("/ip4/127.0.0.1/tcp/{}", net.local_addr().port()).parse().unwrap();
    swarm.dial(address).unwrap();
    let peer = loop {
        if let libp2p::swarm::SwarmEvent::ConnectionEstablished { peer_id, .. } = swarm.select_next_some().await {
            break peer_id;
        }
    };
    let driver = tokio::spawn(async move { while swarm.next().await.is_some() {} });
    let frames: [&[u8]; 4] =
        [&[0xff; 100], &[0xfe, 0xff, 0xff, 0x7f, 1, 2], &[1, 0, 0, 0, 9], &[8, 0, 0, 0, 0, 0, 0, 0, 9, 9, 9, 9]];
    for words in frames {
        say(&mut control, peer, "/logmesh/frames/1", words).await;
    }
    let requests: [&[u8]; 2] = [&[0xff; 100], &[0xfe, 0xff, 0xff, 0x7f]];
    for words in requests {
        say(&mut control, peer, "/logmesh/requests/1", words).await;
    }
    // Streams that end in the middle are nobody's fault: they are not counted, and leave nothing behind.
    say(&mut control, peer, "/logmesh/frames/1", b"").await;
    say(&mut control, peer, "/logmesh/requests/1", b"").await;
    assert_eq!(net.counters().peers[&broken].malformed, 6);
    let mut stream = control.open_stream(peer, StreamProtocol::new("/logmesh/frames/1")).await.unwrap();
    stream.write_all(&[10, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, b'o', b'k']).await.unwrap();
    let heard = timeout(DEADLINE, incoming.frames.recv()).await.expect("a good frame still arrives");
    assert_eq!(heard, Some((broken, Frame { head: b"ok"[..].into(), bodies: Vec::new() })));
    driver.abort();
}
