//! Nodes gossiping over real sockets on the loopback interface. They wait for conditions, never for time.

#![expect(clippy::unwrap_used, reason = "a helper of tests may fail them")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use logmesh_gossip::{Gossip, Peer, Secret, Settings, Snapshot, StartError};
use logmesh_protocol::id::{Boot, NodeId};
use logmesh_protocol::time::Timestamp;
use tokio::net::UdpSocket;
use tokio::time::timeout;

const DEADLINE: Duration = Duration::from_secs(60);

fn node(number: u8) -> NodeId {
    NodeId::from_bytes([number; 32])
}

fn boot(number: i64) -> Boot {
    Boot::new(Timestamp::from_nanos(number * 1_000_000_000), 7)
}

fn settings(number: u8, seeds: &[&Gossip]) -> Settings {
    let bind = SocketAddr::from(([127, 0, 0, 1], 0));
    Settings {
        bind,
        advertise: bind,
        gossip_interval: Duration::from_millis(20),
        seeds: seeds.iter().map(|seed| seed.local_addr().to_string()).collect(),
        ..Settings::new(node(number), boot(1), Secret::development())
    }
}

async fn start(settings: Settings) -> Gossip {
    Gossip::start(settings).await.unwrap()
}

/// Waits until `holds` of a snapshot of `gossip`.
async fn wait_until(gossip: &Gossip, holds: impl Fn(&Snapshot) -> bool) -> Arc<Snapshot> {
    let mut watch = gossip.watch();
    let waited = timeout(DEADLINE, watch.wait_for(|snapshot| holds(snapshot))).await;
    let found = waited.map(|snapshot| snapshot.unwrap().clone());
    found.unwrap_or_else(|_| panic!("not within {DEADLINE:?}; last: {:?}", gossip.watch().borrow()))
}

fn peer(snapshot: &Snapshot, number: u8) -> Option<&Peer> {
    snapshot.peers.iter().find(|peer| peer.node == node(number))
}

fn is_live(snapshot: &Snapshot, number: u8) -> bool {
    peer(snapshot, number).is_some_and(|peer| peer.live)
}

/// Waits until `holds`, asking again at every tick of a short interval.
async fn poll_until(holds: impl Fn() -> bool) {
    let mut ticks = tokio::time::interval(Duration::from_millis(5));
    let poll = async {
        while !holds() {
            ticks.tick().await;
        }
    };
    timeout(DEADLINE, poll).await.expect("the condition holds before the deadline");
}

#[tokio::test]
async fn three_nodes_meet_by_one_seed_and_a_killed_one_is_noticed() {
    let one = start(settings(1, &[])).await;
    let two = start(settings(2, &[&one])).await;
    let three = start(settings(3, &[&one])).await;
    for (gossip, others) in [(&one, [2, 3]), (&two, [1, 3]), (&three, [1, 2])] {
        let snapshot = wait_until(gossip, |seen| others.iter().all(|other| is_live(seen, *other))).await;
        assert_eq!(snapshot.peers.len(), 2, "nobody else, and not itself");
    }
    let seen = wait_until(&one, |seen| is_live(seen, 3)).await;
    assert_eq!(peer(&seen, 3).map(|peer| (peer.address, peer.boot)), Some((three.local_addr(), boot(1))));
    drop(three);
    for gossip in [&one, &two] {
        wait_until(gossip, |seen| peer(seen, 3).is_some() && !is_live(seen, 3) && seen.peers.iter().any(|p| p.live))
            .await;
    }
}

#[tokio::test]
async fn a_node_whose_clock_was_put_back_between_two_starts_is_heard_again() {
    let one = start(settings(1, &[])).await;
    let before = start(Settings { boot: boot(9), ..settings(2, &[&one]) }).await;
    wait_until(&one, |seen| is_live(seen, 2)).await;
    drop(before);
    let after = start(Settings { boot: boot(4), ..settings(2, &[&one]) }).await;
    let seen =
        wait_until(&one, |seen| is_live(seen, 2) && peer(seen, 2).is_some_and(|peer| peer.boot == boot(4))).await;
    assert_eq!(peer(&seen, 2).map(|peer| peer.address), Some(after.local_addr()));
}

#[tokio::test]
async fn facts_spread_change_and_go() {
    let one = start(settings(1, &[])).await;
    let two = start(settings(2, &[&one])).await;
    one.set_fact("zone", "a".to_owned()).unwrap();
    one.set_fact("weight", "1".to_owned()).unwrap();
    wait_until(&two, |seen| peer(seen, 1).is_some_and(|peer| peer.facts.len() == 2)).await;
    one.set_fact("zone", "b".to_owned()).unwrap();
    one.remove_fact("weight");
    let seen = wait_until(&two, |seen| peer(seen, 1).is_some_and(|peer| peer.facts.len() == 1)).await;
    assert_eq!(peer(&seen, 1).map(|peer| peer.facts["zone"].as_str()), Some("b"));
}

#[tokio::test]
async fn three_thousand_facts_of_two_nodes_reach_a_third() {
    let one = start(settings(1, &[])).await;
    let two = start(settings(2, &[&one])).await;
    // Values that hardly compress, so that they fill many messages of the greatest size.
    let value = |number: u32, node: u8| {
        let hash = |part: u8| random_digits(number, node, part);
        (0..8).map(hash).collect::<String>()
    };
    for number in 0..3_000 {
        one.set_fact(&format!("head/{number}"), value(number, 1)).unwrap();
        two.set_fact(&format!("head/{number}"), value(number, 2)).unwrap();
    }
    let three = start(settings(3, &[&two])).await;
    let all = |seen: &Snapshot, number| peer(seen, number).is_some_and(|peer| peer.facts.len() == 3_000);
    let seen = wait_until(&three, |seen| all(seen, 1) && all(seen, 2)).await;
    assert_eq!(peer(&seen, 1).map(|peer| peer.facts["head/2999"].clone()), Some(value(2_999, 1)));
    assert_eq!(peer(&seen, 2).map(|peer| peer.facts["head/0"].clone()), Some(value(0, 2)));
    assert_eq!(three.counters().oversized + two.counters().oversized, 0);
}

/// Sixteen hexadecimal digits that look random (splitmix64).
fn random_digits(number: u32, node: u8, part: u8) -> String {
    let mut mixed =
        (u64::from(number) << 16 | u64::from(node) << 8 | u64::from(part)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    format!("{:016x}", mixed ^ (mixed >> 31))
}

#[tokio::test]
async fn a_node_with_another_secret_sees_nobody_and_only_counters_move() {
    let one = start(settings(1, &[])).await;
    let two = start(settings(2, &[&one])).await;
    let stranger = start(Settings { secrets: vec![Secret::generate()], ..settings(9, &[&one, &two]) }).await;
    poll_until(|| one.counters().refused > 10 && two.counters().refused > 10).await;
    wait_until(&one, |seen| is_live(seen, 2)).await;
    assert_eq!(stranger.watch().borrow().peers, []);
    for gossip in [&one, &two] {
        assert_eq!(peer(&gossip.watch().borrow(), 9), None);
        assert_eq!(gossip.counters().malformed, 0);
    }
}

#[tokio::test]
async fn a_secret_is_rotated_without_parting_the_mesh() {
    let (old, new) = (Secret::generate(), Secret::generate());
    let one = start(Settings { secrets: vec![old.clone(), new.clone()], ..settings(1, &[]) }).await;
    let two = start(Settings { secrets: vec![new, old], ..settings(2, &[&one]) }).await;
    wait_until(&one, |seen| is_live(seen, 2)).await;
    wait_until(&two, |seen| is_live(seen, 1)).await;
}

#[tokio::test]
async fn noise_on_the_port_moves_a_counter_and_nothing_else() {
    let one = start(settings(1, &[])).await;
    let noise = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut sent = 0;
    for bytes in (0..1_400).step_by(7).chain([9_000, 65_507]) {
        noise.send_to(&vec![1; bytes], one.local_addr()).await.unwrap();
        sent += 1;
        poll_until(|| one.counters().refused == sent).await;
    }
    let two = start(settings(2, &[&one])).await;
    wait_until(&one, |seen| is_live(seen, 2)).await;
    assert_eq!((one.counters().refused, one.counters().restarts), (sent, 0));
    wait_until(&two, |seen| is_live(seen, 1)).await;
}

#[tokio::test]
async fn a_node_that_starts_again_shows_its_new_boot_only() {
    let one = start(settings(1, &[])).await;
    let two = start(settings(2, &[&one])).await;
    two.set_fact("old", String::new()).unwrap();
    wait_until(&one, |seen| peer(seen, 2).is_some_and(|peer| peer.facts.contains_key("old"))).await;
    let bind = two.local_addr();
    two.stop().await;
    let two = start(Settings { bind, advertise: bind, boot: boot(2), ..settings(2, &[&one]) }).await;
    two.set_fact("new", String::new()).unwrap();
    let seen =
        wait_until(&one, |seen| peer(seen, 2).is_some_and(|peer| peer.live && peer.facts.contains_key("new"))).await;
    assert_eq!(seen.peers.len(), 1);
    assert_eq!(peer(&seen, 2).map(|peer| (peer.boot, peer.facts.contains_key("old"))), Some((boot(2), false)));
}

#[tokio::test]
async fn a_contact_kept_by_the_shell_does_for_a_seed() {
    let one = start(settings(1, &[])).await;
    let two = start(settings(2, &[])).await;
    two.set_contacts(vec![SocketAddr::from(([127, 0, 0, 1], 9)), one.local_addr()]);
    wait_until(&one, |seen| is_live(seen, 2)).await;
    wait_until(&two, |seen| is_live(seen, 1)).await;
}

#[tokio::test]
async fn a_seed_that_cannot_be_found_keeps_none_of_the_others_waiting() {
    let one = start(settings(1, &[])).await;
    let seeds = vec!["nowhere.invalid:1".to_owned(), "no port".to_owned(), one.local_addr().to_string()];
    let two = start(Settings { seeds, ..settings(2, &[]) }).await;
    wait_until(&two, |seen| is_live(seen, 1)).await;
}

#[tokio::test]
async fn a_forgotten_node_without_seeds_is_called_by_those_who_knew_it() {
    let short = Duration::from_millis(300);
    let one = start(Settings { dead_node_grace: short, ..settings(1, &[]) }).await;
    let two = start(settings(2, &[&one])).await;
    wait_until(&one, |seen| is_live(seen, 2)).await;
    let bind = two.local_addr();
    two.stop().await;
    wait_until(&one, |seen| seen.peers.is_empty()).await;
    let two = start(Settings { bind, advertise: bind, boot: boot(2), ..settings(2, &[]) }).await;
    wait_until(&two, |seen| is_live(seen, 1)).await;
    wait_until(&one, |seen| is_live(seen, 2)).await;
}

/// Carries datagrams between two nodes while it is open. Each node is known to the other by one of its addresses.
struct Wire {
    open: Arc<AtomicBool>,
    left: Arc<UdpSocket>,
    right: Arc<UdpSocket>,
}

impl Wire {
    async fn new() -> Self {
        let left = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
        let right = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
        Self { open: Arc::new(AtomicBool::new(true)), left, right }
    }

    /// What arrives at the address of `left` goes to `to`, and seems to come from `right`.
    fn carry(&self, left: &Arc<UdpSocket>, right: &Arc<UdpSocket>, to: SocketAddr) {
        let (left, right, open) = (left.clone(), right.clone(), self.open.clone());
        tokio::spawn(async move {
            let mut datagram = vec![0; 65_535];
            loop {
                if let Ok((bytes, _)) = left.recv_from(&mut datagram).await
                    && open.load(Ordering::SeqCst)
                {
                    let _ = right.send_to(&datagram[..bytes], to).await;
                }
            }
        });
    }
}

#[tokio::test]
async fn both_sides_of_a_partition_longer_than_grace_find_each_other_again() {
    let wire = Wire::new().await;
    let short = Duration::from_millis(300);
    let (left, right) = (wire.left.local_addr().unwrap(), wire.right.local_addr().unwrap());
    let one = start(Settings { advertise: left, dead_node_grace: short, ..settings(1, &[]) }).await;
    let seeds = vec![left.to_string()];
    let two = start(Settings { advertise: right, dead_node_grace: short, seeds, ..settings(2, &[]) }).await;
    wire.carry(&wire.left, &wire.right, one.local_addr());
    wire.carry(&wire.right, &wire.left, two.local_addr());
    wait_until(&one, |seen| is_live(seen, 2)).await;
    wait_until(&two, |seen| is_live(seen, 1)).await;
    wire.open.store(false, Ordering::SeqCst);
    wait_until(&one, |seen| seen.peers.is_empty()).await;
    wait_until(&two, |seen| seen.peers.is_empty()).await;
    one.set_fact("while", "apart".to_owned()).unwrap();
    wire.open.store(true, Ordering::SeqCst);
    wait_until(&one, |seen| is_live(seen, 2)).await;
    wait_until(&two, |seen| peer(seen, 1).is_some_and(|peer| peer.live && peer.facts.contains_key("while"))).await;
}

#[tokio::test]
async fn what_cannot_start_says_what_to_do() {
    let one = start(settings(1, &[])).await;
    let bind = one.local_addr();
    let cases = [
        (Settings { bind, ..settings(2, &[]) }, "if another logmesh runs here, stop it"),
        (Settings { secrets: Vec::new(), ..settings(2, &[]) }, "`logmesh keygen`"),
        (Settings { advertise: SocketAddr::from(([0; 4], 7946)), ..settings(2, &[]) }, "advertise one of"),
        (Settings { seeds: vec!["a:1".to_owned(); 65], ..settings(2, &[]) }, "65 seeds"),
    ];
    for (settings, hint) in cases {
        let error: StartError = Gossip::start(settings).await.err().expect("it must not start");
        assert!(error.to_string().contains(hint), "{error}");
    }
    one.stop().await;
    let again = start(Settings { bind, ..settings(2, &[]) }).await;
    assert_eq!(again.local_addr(), bind, "a stopped node leaves its port free");
}
