//! How fast real chitchat notices that a node is gone and spreads a fact, against the simulator's model of it (`sim/src/gossip.rs`), of
//! which `sim/src/gossip/times.csv` has the figures: a test there holds them equal to the model's, this one holds chitchat to them.
//! Datagrams travel in memory, some are lost, and time is virtual, so that a busy machine changes nothing.

#![expect(clippy::unwrap_used, reason = "a helper of tests may fail them")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chitchat::transport::{ChannelTransport, Socket, Transport};
use chitchat::{ChitchatHandle, ChitchatMessage, spawn_chitchat};
use logmesh_gossip::{Secret, Settings, chitchat_config};
use logmesh_protocol::id::{Boot, NodeId};
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::time::{Instant, sleep};

#[tokio::test(start_paused = true)]
async fn chitchat_notices_and_spreads_as_fast_as_the_model_says() {
    println!("nodes, lost: time of what, 50 % within, 90 % within, the last within: chitchat / the model");
    let mut off = Vec::new();
    for line in MODEL.lines().skip(1) {
        let row: Vec<u64> = line.split(',').map(|field| field.parse().unwrap()).collect();
        let [count, lost_per_mille, ref model @ ..] = row[..] else { panic!("{line:?} is no row") };
        let (mut noticing, mut spreading) = (Times::default(), Times::default());
        for seed in 0..RUNS {
            let mesh = start(count as u16, lost_per_mille as u32, seed).await;
            sleep(WARM_UP).await;
            spreading.add(spread(&mesh).await);
            sleep(PAUSE).await;
            noticing.add(notice(mesh).await);
        }
        for (what, real, model) in [("noticed", noticing, &model[..3]), ("spread", spreading, &model[3..])] {
            let real = real.figures();
            println!("{count}, {lost_per_mille} ‰: {what} {real:?} / {model:?} ms");
            let is_off = |(real, model): (u64, &u64)| {
                real.abs_diff(*model) > (model * TOLERANCE_PER_CENT / 100).max(TOLERANCE_MS)
            };
            if real.into_iter().zip(model).any(is_off) {
                off.push(format!("{count} nodes, {lost_per_mille} ‰ lost: {what} {real:?} ms, not {model:?}"));
            }
        }
    }
    assert_eq!(off, Vec::<String>::new());
}

/// How long something took, for each node that it reached, in milliseconds.
#[derive(Default)]
struct Times {
    each: Vec<u64>,
    last: Vec<u64>,
}

impl Times {
    fn add(&mut self, run: Vec<u64>) {
        self.last.extend(run.iter().max());
        self.each.extend(run);
    }

    /// Returns within what time half of the nodes were reached, nine tenths of them, and usually the last.
    fn figures(mut self) -> [u64; 3] {
        self.each.sort_unstable();
        self.last.sort_unstable();
        let (each, last) = (self.each, self.last);
        [each[each.len() / 2], each[each.len() * 9 / 10], last[last.len() / 2]]
    }
}

/// Returns how long it takes until each other node knows a fact of the first.
async fn spread(mesh: &[ChitchatHandle]) -> Vec<u64> {
    mesh[0].with_chitchat(|chitchat| chitchat.self_node_state().set("fact", "known")).await;
    let first = mesh[0].chitchat_id().clone();
    let knows = |chitchat: &chitchat::Chitchat| {
        chitchat.node_states().iter().any(|(id, state)| *id == first && state.get("fact").is_some())
    };
    times(&mesh[1..], knows).await
}

/// Returns how long it takes until each other node takes the last to be gone.
async fn notice(mut mesh: Vec<ChitchatHandle>) -> Vec<u64> {
    let last = mesh.pop().unwrap();
    let gone = last.chitchat_id().clone();
    last.abort();
    let times = times(&mesh, |chitchat| !chitchat.live_nodes().any(|id| *id == gone)).await;
    mesh.iter().for_each(ChitchatHandle::abort);
    times
}

async fn times(mesh: &[ChitchatHandle], holds: impl Fn(&chitchat::Chitchat) -> bool) -> Vec<u64> {
    let begin = Instant::now();
    let mut times = vec![None; mesh.len()];
    while times.contains(&None) {
        assert!(begin.elapsed() < DEADLINE, "not within {DEADLINE:?}: {times:?}");
        sleep(POLL).await;
        for (handle, time) in mesh.iter().zip(&mut times) {
            if time.is_none() && handle.with_chitchat(|chitchat| holds(chitchat)).await {
                *time = Some(begin.elapsed().as_millis() as u64);
            }
        }
    }
    times.into_iter().flatten().collect()
}

/// Starts nodes that meet through the first, with the settings of production.
async fn start(count: u16, lost_per_mille: u32, seed: u64) -> Vec<ChitchatHandle> {
    let random = Arc::new(Mutex::new(StdRng::seed_from_u64(seed)));
    let transport = Lossy { inner: ChannelTransport::default(), lost_per_mille, random: random.clone() };
    let address = |number: u16| SocketAddr::from(([127, 0, 0, 1], 10_000 + number));
    let mut mesh: Vec<ChitchatHandle> = Vec::new();
    let settings = |number: u16| {
        let node = NodeId::from_bytes([number as u8; 32]);
        let (bind, advertise) = (address(number), address(number));
        Settings { bind, advertise, ..Settings::new(node, Boot::from_bytes([0; 16]), Secret::development()) }
    };
    for number in 0..count {
        let settings = settings(number);
        let phase = random.lock().random_range(0..settings.gossip_interval.as_millis() as u64);
        sleep(Duration::from_millis(phase)).await;
        mesh.push(spawn_chitchat(chitchat_config(&settings, 0), Vec::new(), &transport).await.unwrap());
    }
    // As the keeper calls its contacts.
    while mesh[0].with_chitchat(|chitchat| chitchat.live_nodes().count()).await < usize::from(count) {
        mesh[1..].iter().for_each(|handle| handle.gossip(address(0)).unwrap());
        sleep(settings(0).gossip_interval).await;
    }
    mesh
}

/// Carries datagrams in memory and loses some.
struct Lossy {
    inner: ChannelTransport,
    lost_per_mille: u32,
    random: Arc<Mutex<StdRng>>,
}

struct LossySocket {
    inner: Box<dyn Socket>,
    lost_per_mille: u32,
    random: Arc<Mutex<StdRng>>,
}

#[async_trait]
impl Transport for Lossy {
    async fn open(&self, listen: SocketAddr) -> anyhow::Result<Box<dyn Socket>> {
        let inner = self.inner.open(listen).await?;
        Ok(Box::new(LossySocket { inner, lost_per_mille: self.lost_per_mille, random: self.random.clone() }))
    }
}

#[async_trait]
impl Socket for LossySocket {
    async fn send(&mut self, to: SocketAddr, message: ChitchatMessage) -> anyhow::Result<()> {
        let is_lost = self.random.lock().random_range(0..1000) < self.lost_per_mille;
        if is_lost { Ok(()) } else { self.inner.send(to, message).await }
    }

    async fn recv(&mut self) -> anyhow::Result<(SocketAddr, ChitchatMessage)> {
        self.inner.recv().await
    }
}

/// Of each mesh: nodes, datagrams lost of a thousand; then in milliseconds, within what time half of the others, nine tenths, and usually
/// the last notice that one is gone, and know a fact.
const MODEL: &str = include_str!("../../../sim/src/gossip/times.csv");
/// By so much chitchat may differ from the model: chance alone moves a figure of so few runs by a few per cent.
const TOLERANCE_PER_CENT: u64 = 12;
/// Or by so much, two fifths of an interval: of a short time chance moves more.
const TOLERANCE_MS: u64 = 100;
const RUNS: u64 = 20;
/// Long enough for the usual interval to be learned.
const WARM_UP: Duration = Duration::from_secs(30);
/// Between the two measurements.
const PAUSE: Duration = Duration::from_secs(2);
const POLL: Duration = Duration::from_millis(5);
/// In virtual time.
const DEADLINE: Duration = Duration::from_secs(120);
