//! The small tasks between the rooms. Each ends when its channel closes.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use logmesh_gossip::{Gossip, Snapshot};
use logmesh_net::{Frames, IncomingRequest, Net};
use logmesh_protocol::envelope::Envelope;
use logmesh_protocol::id::NodeId;
use logmesh_protocol::replica::{Input, Peer};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{debug, error, info};

use super::announce::{self, Seen};
use super::mesh::Mesh;
use crate::http::App;
use crate::metrics::Metrics;
use crate::query::{Ask, Local, decode_ask, encode_answer, progress};

/// Tells the machine and the net what gossip sees.
pub(super) async fn watch_gossip(
    mut snapshots: watch::Receiver<Arc<Snapshot>>,
    settings: String,
    net: Arc<Net>,
    mesh: Mesh,
    seen: watch::Sender<Arc<Seen>>,
) {
    let mut refused: Vec<NodeId> = Vec::new();
    loop {
        let now = announce::read(&snapshots.borrow_and_update().clone(), &settings);
        for node in now.refused.iter().filter(|node| !refused.contains(node)) {
            error!(%node, "peer refused: its mesh-wide settings ([mesh] in logmesh.toml) differ from ours; make them equal and restart it");
        }
        refused.clone_from(&now.refused);
        net.set_members(now.addresses.clone());
        // Gossip often sees a node return before the next attempt to connect to it is due.
        let before = seen.borrow().clone();
        let was_up = |node: &NodeId, peer: &Peer| {
            before.view.peers.get(node).is_some_and(|known| known.live && known.boot == peer.boot)
        };
        for (node, _) in now.view.peers.iter().filter(|(node, peer)| peer.live && !was_up(node, peer)) {
            net.expect(*node);
        }
        mesh.tell(Input::View(now.view.clone())).await;
        seen.send_replace(Arc::new(now));
        if snapshots.changed().await.is_err() {
            return;
        }
    }
}

/// Hands peers' frames to the machine. What does not read is counted and dropped.
pub(super) async fn take_frames(mut frames: Frames, mesh: Mesh, metrics: Arc<Metrics>) {
    while let Some((from, frame)) = frames.recv().await {
        let input = match Envelope::decode(&frame.head, frame.bodies) {
            Ok(Envelope::Message(message)) => Input::Message { from, message },
            Ok(Envelope::Batches(frames)) => Input::Batches { from, frames },
            Ok(Envelope::Extent(extent, bytes)) => Input::Extent { from, extent, bytes },
            Err(malformed) => {
                metrics.malformed_frames.inc();
                debug!(%from, error = %malformed, "frame dropped");
                continue;
            }
        };
        mesh.tell(input).await;
    }
}

/// Answers what other coordinators ask; at most [`ANSWERS_MAX`] queries at once, further ones wait.
pub(super) async fn answer_requests(mut requests: mpsc::Receiver<IncomingRequest>, local: Local) {
    let answers = Arc::new(Semaphore::new(ANSWERS_MAX));
    while let Some(request) = requests.recv().await {
        let (answers, local) = (answers.clone(), local.clone());
        // The net bounds how many there are.
        tokio::spawn(async move {
            match decode_ask(&request.body) {
                // A tail lasts: it holds no place that queries wait for, and has bounds of its own.
                Ok(Ask::Follow(follow)) => local.tell(&follow, request.reply).await,
                Ok(ask) => answer(ask, request, (&answers, &local)).await,
                Err(malformed) => debug!(from = %request.from, error = %malformed, "request dropped"),
            }
        });
    }
}

async fn answer(ask: Ask, request: IncomingRequest, (answers, local): (&Semaphore, &Local)) {
    // A survey is quick or not worth waiting for; a scan lasts, and whoever waits for it is told that it goes on.
    let lasts = matches!(ask, Ask::Scan(_));
    let answer = async {
        let _permit = answers.acquire().await.ok()?;
        let answer = local.answer(ask).await;
        tokio::task::spawn_blocking(move || encode_answer(answer)).await.ok()
    };
    let going_on = async {
        loop {
            sleep(PROGRESS_EVERY).await;
            if lasts && request.reply.send(progress()).await.is_err() {
                return;
            }
        }
    };
    // Dropping the answer's future cancels the scan behind it.
    let frames = tokio::select! {
        frames = answer => frames,
        () = going_on => return,
        () = request.reply.closed() => return,
    };
    for frame in frames.unwrap_or_default() {
        if request.reply.send(frame).await.is_err() {
            return;
        }
    }
    let _ = request.reply.finish().await;
}

/// Calls the node ready once it knows what a live peer knows of the mesh, or has looked for one long enough, or has none
/// to look for. Before that it could take the few members that it knows for all there are.
pub(super) async fn become_ready(app: Arc<App>, seeds: bool) {
    let wait = if seeds { JOIN_WAIT } else { LOOK_AROUND };
    let deadline = Instant::now() + wait;
    let mut met = false;
    while !met && Instant::now() < deadline {
        sleep_until(Instant::now() + MEET_AGAIN).await;
        met = has_met(&app).await;
    }
    match (met, seeds) {
        (true, _) => info!("met the mesh"),
        (false, false) => info!("no other node is known"),
        (false, true) => error!(
            "no seed answered within {JOIN_WAIT:?}: check that the seeds run, that their mesh address (UDP and TCP) can be \
             reached from here, and that the secret is the same; going on alone, and looking for them all the time"
        ),
    }
    app.ready.store(true, Ordering::Relaxed);
}

/// Tells whether a live peer has the same member table.
async fn has_met(app: &App) -> bool {
    let Some(own) = app.mesh.ask(|replica, _| replica.members_table().digest()).await else { return false };
    app.seen.borrow().view.peers.values().any(|peer| peer.live && peer.said.members == own)
}

/// Keeps the addresses of those seen, so that they are found again after a restart or a long partition.
pub(super) async fn keep_contacts(
    mut seen: watch::Receiver<Arc<Seen>>,
    gossip: Arc<Gossip>,
    store: logmesh_store::Store,
) {
    let mut kept = Vec::new();
    loop {
        let contacts: Vec<_> = seen.borrow_and_update().addresses.values().copied().collect();
        if !contacts.is_empty() && contacts != kept {
            gossip.set_contacts(contacts.clone());
            let text: Vec<String> = contacts.iter().map(ToString::to_string).collect();
            let store = store.clone();
            let put = move || store.put_setting(CONTACTS_KEY, text.join("\n").as_bytes());
            if let Ok(Err(failed)) = tokio::task::spawn_blocking(put).await {
                debug!(error = %failed, "contacts not kept");
            }
            kept = contacts;
        }
        if seen.changed().await.is_err() {
            return;
        }
    }
}

/// Under which name the addresses of those seen lie in the store.
pub(super) const CONTACTS_KEY: &str = "contacts";
/// How long a node that has no seeds looks around for those that it knew before.
const LOOK_AROUND: Duration = Duration::from_secs(1);
const MEET_AGAIN: Duration = Duration::from_millis(50);
/// How long a node that has seeds waits for one before it goes on alone.
const JOIN_WAIT: Duration = Duration::from_secs(10);
/// How often a node that scans for another says that it is at it. Several times within the least `query.silent_after`.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);
/// Requests of peers that are answered at once.
const ANSWERS_MAX: usize = 64;
