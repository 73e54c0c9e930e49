//! Nodes that speak over real sockets on the loopback interface. They wait for conditions, never for time.

#![expect(clippy::unwrap_used, reason = "a helper of tests may fail them")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use logmesh_net::{Frame, Identity, Incoming, Net, RequestError, SendError, Settings, StartError};
use logmesh_protocol::id::NodeId;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;

const DEADLINE: Duration = Duration::from_secs(60);

struct Node {
    node: NodeId,
    net: Net,
    incoming: Incoming,
}

fn settings() -> Settings {
    Settings { backoff_max: Duration::from_millis(500), ..Settings::new(SocketAddr::from(([127, 0, 0, 1], 0))) }
}

async fn start_with(identity: Identity, settings: Settings) -> Node {
    let node = identity.node();
    let (net, incoming) = Net::start(identity, settings).await.unwrap();
    Node { node, net, incoming }
}

async fn start() -> Node {
    start_with(Identity::generate(), settings()).await
}

/// Makes all `nodes` members in each other's eyes.
fn introduce(nodes: &[&Node]) {
    let members: BTreeMap<_, _> = nodes.iter().map(|node| (node.node, node.net.local_addr())).collect();
    nodes.iter().for_each(|node| node.net.set_members(members.clone()));
}

async fn two() -> (Node, Node) {
    let (one, two) = (start().await, start().await);
    introduce(&[&one, &two]);
    (one, two)
}

fn frame(number: u64) -> Frame {
    Frame { head: number.to_le_bytes().to_vec().into(), bodies: Vec::new() }
}

fn number(frame: &Frame) -> u64 {
    u64::from_le_bytes(frame.head[..].try_into().unwrap())
}

impl Node {
    async fn recv(&mut self) -> (NodeId, Frame) {
        timeout(DEADLINE, self.incoming.frames.recv()).await.expect("a frame comes").unwrap()
    }

    /// Sends `frame` as soon as it is taken.
    async fn send(&self, to: NodeId, frame: &Frame) {
        poll_until(|| match self.net.try_send(to, frame.clone()) {
            Ok(()) => true,
            Err(SendError::Full | SendError::Away) => false,
            Err(error) => panic!("{error}"),
        })
        .await;
    }

    /// Answers each request with its own body, in pieces of one byte.
    fn answer_by_echo(self) -> (NodeId, Net, tokio::task::JoinHandle<()>) {
        let mut requests = self.incoming.requests;
        let answering = tokio::spawn(async move {
            while let Some(request) = requests.recv().await {
                for at in 0..request.body.len() {
                    if request.reply.send(request.body.slice(at..=at)).await.is_err() {
                        break;
                    }
                }
                let _ = request.reply.finish().await;
            }
        });
        (self.node, self.net, answering)
    }
}

/// Waits until `holds`, asking again at every tick of a short interval.
async fn poll_until(mut holds: impl FnMut() -> bool) {
    let mut ticks = tokio::time::interval(Duration::from_millis(2));
    let poll = async {
        while !holds() {
            ticks.tick().await;
        }
    };
    timeout(DEADLINE, poll).await.expect("the condition holds before the deadline");
}

async fn ask(net: &Net, to: NodeId, request: &'static [u8]) -> Result<Vec<u8>, RequestError> {
    let asked = async {
        let mut response = net.request(to, Bytes::from_static(request)).await?;
        let mut answer = Vec::new();
        while let Some(piece) = response.next().await? {
            answer.extend_from_slice(&piece);
        }
        Ok(answer)
    };
    timeout(DEADLINE, asked).await.expect("an answer or an error comes")
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_go_both_ways_in_order_with_their_bodies() {
    let (mut one, mut two) = two().await;
    let bodies = |at: u64| vec![Bytes::new(), Bytes::from(vec![at as u8; 100]), Bytes::from(vec![at as u8; 300_000])];
    // Both begin at once, so both dial.
    for at in 0..40 {
        one.net.try_send(two.node, Frame { bodies: bodies(at), ..frame(at) }).unwrap();
        two.net.try_send(one.node, Frame { bodies: bodies(at), ..frame(at) }).unwrap();
    }
    for at in 0..40 {
        assert_eq!(two.recv().await, (one.node, Frame { bodies: bodies(at), ..frame(at) }));
        assert_eq!(one.recv().await, (two.node, Frame { bodies: bodies(at), ..frame(at) }));
    }
    let counters = one.net.counters().peers[&two.node].clone();
    assert_eq!((counters.frames_out, counters.frames_in, counters.frames_lost), (40, 40, 0));
    assert!(counters.connected && counters.bytes_out > 40 * 300_000 && counters.queued_bytes == 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_small_frames_arrive_in_order() {
    let (one, mut two) = two().await;
    let sending = async {
        for at in 0..50_000 {
            if one.net.try_send(two.node, frame(at)).is_err() {
                one.send(two.node, &frame(at)).await;
            }
        }
    };
    let receiving = async {
        for at in 0..50_000 {
            assert_eq!(number(&two.incoming.frames.recv().await.unwrap().1), at);
        }
    };
    timeout(DEADLINE, futures::future::join(sending, receiving)).await.expect("all arrive");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_longest_frame_passes_and_a_longer_one_is_not_sent() {
    let (one, mut two) = two().await;
    let longest = settings().frame_bytes_max - frame(0).wire_bytes() - 4;
    let with_body = |bytes: usize| Frame { bodies: vec![vec![7; bytes].into()], ..frame(1) };
    assert_eq!(one.net.try_send(two.node, with_body(longest + 1)), Err(SendError::TooLong));
    one.net.try_send(two.node, with_body(longest)).unwrap();
    assert_eq!(two.recv().await.1.bodies[0].len(), longest);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_answered_in_pieces() {
    let (one, two) = two().await;
    let (echo, _net, _answering) = two.answer_by_echo();
    assert_eq!(ask(&one.net, echo, b"which batches").await, Ok(b"which batches".to_vec()));
    assert_eq!(ask(&one.net, echo, b"").await, Ok(Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_requests_is_answered_or_refused_but_never_hangs() {
    let (one, two) = two().await;
    let (echo, net, _answering) = two.answer_by_echo();
    let asked = (0..500).map(|_| ask(&one.net, echo, b"all at once"));
    let answers = futures::future::join_all(asked).await;
    let good = answers.iter().filter(|answer| answer.as_deref() == Ok(b"all at once")).count();
    let busy = answers.iter().filter(|answer| **answer == Err(RequestError::Busy)).count();
    assert_eq!(good + busy, 500);
    assert!(good >= settings().requests_per_peer_max, "{good} of 500 answered, {busy} refused");
    poll_until(|| net.counters().peers[&one.node].requests_in >= good as u64).await;
    assert_eq!(ask(&one.net, echo, b"afterwards").await, Ok(b"afterwards".to_vec()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_answer_stops_the_work_at_the_other_side() {
    let (one, mut two) = two().await;
    let mut response = one.net.request(two.node, Bytes::from_static(b"endless")).await.unwrap();
    let request = timeout(DEADLINE, two.incoming.requests.recv()).await.unwrap().unwrap();
    assert_eq!((request.from, &request.body[..]), (one.node, &b"endless"[..]));
    request.reply.send(Bytes::from_static(b"a piece")).await.unwrap();
    assert_eq!(response.next().await, Ok(Some(Bytes::from_static(b"a piece"))));
    assert!(!request.reply.is_closed());
    drop(response);
    timeout(DEADLINE, request.reply.closed()).await.expect("the asker's going is noticed");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_not_finished_is_not_taken_for_whole() {
    let (one, mut two) = two().await;
    let mut response = one.net.request(two.node, Bytes::from_static(b"?")).await.unwrap();
    let request = timeout(DEADLINE, two.incoming.requests.recv()).await.unwrap().unwrap();
    request.reply.send(Bytes::from_static(b"a piece")).await.unwrap();
    assert_eq!(response.next().await, Ok(Some(Bytes::from_static(b"a piece"))));
    drop(request);
    assert_eq!(timeout(DEADLINE, response.next()).await, Ok(Err(RequestError::Lost)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_takes_nothing_fills_its_own_queue_only() {
    let (one, slow, mut quick) = (start().await, start().await, start().await);
    introduce(&[&one, &slow, &quick]);
    let large = Frame { bodies: vec![vec![7; 1 << 20].into()], ..frame(0) };
    let mut sent = 0_usize;
    poll_until(|| {
        while one.net.try_send(slow.node, large.clone()).is_ok() {
            sent += 1;
        }
        // What the slow one reads is bounded by its own settings, and what waits here by ours.
        let counters = one.net.counters().peers[&slow.node].clone();
        counters.connected && slow.net.counters().peers[&one.node].frames_in >= 64
    })
    .await;
    assert_eq!(one.net.try_send(slow.node, large.clone()), Err(SendError::Full));
    let most = settings().receive_queue_bytes_max + settings().send_queue_bytes_max + (4 << 20);
    assert!(sent << 20 <= most, "{sent} MiB were taken");
    one.send(quick.node, &large).await;
    assert_eq!(quick.recv().await.0, one.node);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_starts_again_hears_what_is_sent_later() {
    let one = start().await;
    let identity = Identity::generate();
    let mut two = start_with(identity.clone(), settings()).await;
    introduce(&[&one, &two]);
    one.net.try_send(two.node, frame(1)).unwrap();
    assert_eq!(number(&two.recv().await.1), 1);
    let listen = two.net.local_addr();
    two.net.stop().await;
    poll_until(|| one.net.try_send(two.node, frame(2)) == Err(SendError::Away)).await;
    assert_eq!(ask(&one.net, two.node, b"anyone?").await, Err(RequestError::Away));
    let mut two = start_with(identity, Settings { listen, ..settings() }).await;
    introduce(&[&one, &two]);
    one.send(two.node, &frame(3)).await;
    assert_eq!(number(&two.recv().await.1), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_is_refused_and_cannot_be_reached() {
    let (mut one, two) = two().await;
    let stranger = start().await;
    stranger.net.set_members([(one.node, one.net.local_addr())].into());
    stranger.net.try_send(one.node, frame(666)).unwrap();
    assert!(ask(&stranger.net, one.node, b"let me in").await.is_err());
    poll_until(|| one.net.counters().connections_refused > 0).await;
    assert_eq!(one.net.try_send(stranger.node, frame(1)), Err(SendError::NotMember));
    assert_eq!(ask(&one.net, stranger.node, b"?").await, Err(RequestError::NotMember));
    assert_eq!(one.net.try_send(one.node, frame(1)), Err(SendError::NotMember), "a node does not send to itself");
    two.send(one.node, &frame(1)).await;
    assert_eq!(one.recv().await, (two.node, frame(1)), "and nothing of the stranger's came before");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_node_at_a_members_address_is_not_taken_for_it() {
    let (one, other) = (start().await, start().await);
    let absent = Identity::generate().node();
    one.net.set_members([(absent, other.net.local_addr())].into());
    other.net.set_members([(one.node, one.net.local_addr())].into());
    one.net.try_send(absent, frame(1)).unwrap();
    poll_until(|| one.net.counters().peers[&absent].frames_lost == 1).await;
    assert_eq!(other.net.counters().peers[&one.node].frames_in, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_departs_is_cut_off() {
    let (one, mut two) = two().await;
    one.net.try_send(two.node, frame(1)).unwrap();
    assert_eq!(two.recv().await.0, one.node);
    one.net.set_members(BTreeMap::new());
    assert_eq!(one.net.try_send(two.node, frame(2)), Err(SendError::NotMember));
    poll_until(|| !two.net.counters().peers[&one.node].connected).await;
    assert!(ask(&two.net, one.node, b"still there?").await.is_err());
    introduce(&[&one, &two]);
    one.send(two.node, &frame(3)).await;
    assert_eq!(number(&two.recv().await.1), 3, "and may come back");
}

/// Carries bytes between those who connect to it and `to` while `open`; while not, it holds on to all of them.
async fn wire(to: SocketAddr, open: watch::Receiver<bool>) -> SocketAddr {
    async fn carry(
        mut from: tokio::net::tcp::OwnedReadHalf,
        mut to: tokio::net::tcp::OwnedWriteHalf,
        mut open: watch::Receiver<bool>,
    ) {
        let mut bytes = vec![0; 4_096];
        while let Ok(read @ 1..) = tokio::io::AsyncReadExt::read(&mut from, &mut bytes).await {
            if open.wait_for(|open| *open).await.is_err() || to.write_all(&bytes[..read]).await.is_err() {
                return;
            }
        }
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((left, _)) = listener.accept().await {
            let Ok(right) = TcpStream::connect(to).await else { continue };
            let ((left_in, left_out), (right_in, right_out)) = (left.into_split(), right.into_split());
            tokio::spawn(carry(left_in, right_out, open.clone()));
            tokio::spawn(carry(right_in, left_out, open.clone()));
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_falls_silent_is_noticed_and_heard_again() {
    let short = || {
        let (ping_interval, ping_timeout) = (Duration::from_millis(100), Duration::from_millis(400));
        Settings { ping_interval, ping_timeout, connect_timeout: Duration::from_millis(500), ..settings() }
    };
    let one = start_with(Identity::generate(), short()).await;
    let mut two = start_with(Identity::generate(), short()).await;
    let (open, gate) = watch::channel(true);
    let wire = wire(two.net.local_addr(), gate).await;
    one.net.set_members([(two.node, wire)].into());
    two.net.set_members([(one.node, one.net.local_addr())].into());
    one.net.try_send(two.node, frame(1)).unwrap();
    assert_eq!(number(&two.recv().await.1), 1);
    let mut response = one.net.request(two.node, Bytes::from_static(b"?")).await.unwrap();
    open.send_replace(false);
    poll_until(|| !one.net.counters().peers[&two.node].connected && !two.net.counters().peers[&one.node].connected)
        .await;
    assert_eq!(timeout(DEADLINE, response.next()).await, Ok(Err(RequestError::Lost)));
    poll_until(|| one.net.try_send(two.node, frame(2)) == Err(SendError::Away)).await;
    open.send_replace(true);
    one.send(two.node, &frame(3)).await;
    let mut heard = number(&two.recv().await.1);
    while heard != 3 {
        heard = number(&two.recv().await.1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn noise_and_thousands_of_connections_leave_the_port_working() {
    let (one, mut two) = two().await;
    let address = two.net.local_addr();
    let mut held = Vec::new();
    for at in 0..3_000_usize {
        // Those beyond the limits are cut off, so writing may fail.
        let Ok(mut stream) = TcpStream::connect(address).await else { continue };
        let noise = match at % 4 {
            0 => Vec::new(),
            1 => vec![at as u8; at],
            // The beginning of a handshake: a protocol is agreed upon and then nonsense follows.
            2 => b"\x13/multistream/1.0.0\n\x07/noise\n\xff\xff".to_vec(),
            _ => b"GET /metrics HTTP/1.1\r\n\r\n".to_vec(),
        };
        let _ = stream.write_all(&noise).await;
        if at % 8 == 0 && held.len() < 200 {
            held.push(stream);
        }
    }
    poll_until(|| {
        let counters = two.net.counters();
        counters.handshakes_failed + counters.connections_refused > 1_000
    })
    .await;
    one.send(two.node, &frame(1)).await;
    assert_eq!(two.recv().await, (one.node, frame(1)));
    drop(held);
}

#[tokio::test]
async fn a_port_that_is_taken_is_said_with_what_to_do() {
    let one = start().await;
    let listen = one.net.local_addr();
    let error = Net::start(Identity::generate(), Settings { listen, ..settings() }).await.err().unwrap();
    assert!(matches!(error, StartError::Listen { .. }));
    assert!(error.to_string().contains("if another logmesh runs here, stop it"), "{error}");
    one.net.stop().await;
    let again = start_with(Identity::generate(), Settings { listen, ..settings() }).await;
    assert_eq!(again.net.local_addr(), listen, "a stopped node leaves its port free");
}
