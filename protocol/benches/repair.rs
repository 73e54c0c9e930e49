//! What repair says, in encoded bytes of the real messages between two real machines: an in-sync round over 1,000 segments, and the
//! finding of 1,000 scattered missing batches. Batches themselves are not counted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use logmesh_protocol::config::Config;
use logmesh_protocol::id::{BatchId, Boot, JournalId, NodeId};
use logmesh_protocol::ledger::LedgerEntry;
use logmesh_protocol::message::{self, Message};
use logmesh_protocol::replica::{
    Announcement, Input, Output, Peer, Recovered, RecoveredSegment, Replica, StoredBatch, View,
};
use logmesh_protocol::segment::{SegmentId, Window};
use logmesh_protocol::seq_set::SeqSet;
use logmesh_protocol::time::{Instant, Now, Timestamp};

fn main() {
    for asker in 0..2 {
        let side = ["by who has all", "by who lacks"][asker];
        let in_sync = round(asker, &BTreeSet::new());
        println!("in-sync round over {SEGMENTS} segments of {BATCHES} batches: {} bytes", in_sync.found);
        for segments in [1, 8, 32, 128] {
            let gaps = scattered(segments);
            let round = round(asker, &gaps);
            let each = round.found as f64 / gaps.len() as f64;
            println!(
                "1,000 missing batches over {segments} segments, round begun {side}: {each:.2} bytes each; {} fetched",
                round.fetched
            );
        }
    }
}

/// Returns 1,000 places within so many segments.
fn scattered(segments: usize) -> BTreeSet<(usize, u32)> {
    let mut gaps = BTreeSet::new();
    let mut word = 1u64;
    while gaps.len() < 1_000 {
        // Knuth's MMIX generator; its high bits are good enough to scatter.
        word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        gaps.insert((gaps.len() % segments, (word >> 40) as u32 % BATCHES));
    }
    gaps
}

#[derive(Default)]
struct Found {
    /// Bytes of all messages so far.
    said: usize,
    /// Those of them up to the last `Want`; of all messages if nothing was wanted.
    found: usize,
    fetched: u64,
}

struct Node {
    replica: Replica,
    held: BTreeMap<SegmentId, SeqSet>,
}

/// Lets `asker` begin a round with the other, where the second node lacks `gaps`.
fn round(asker: usize, gaps: &BTreeSet<(usize, u32)>) -> Found {
    let all: Vec<SegmentId> = (0..SEGMENTS).map(segment).collect();
    let whole: BTreeMap<_, _> = all.iter().map(|id| (*id, SeqSet::from_range(0..BATCHES))).collect();
    let mut holed = whole.clone();
    for (at, seq) in gaps {
        holed.get_mut(&all[*at]).expect("a segment").remove(*seq);
    }
    let mut nodes = [start(0, whole), start(1, holed)];
    let mut now = 1_000_000_000u64;
    let mut found = Found::default();
    settle(&mut nodes, now, &mut found);
    for at in [0, 1, 0] {
        let rows = nodes[1 - at].replica.members_table().rows().cloned().collect();
        nodes[at].replica.merge_members(clock(now), rows);
    }
    // From here on the messages are instant: once both are quiet all that is missing was asked for, and nothing has been sent.
    found = Found::default();
    let members = nodes[asker].replica.members_table().digest();
    nodes[asker].replica.handle_input(clock(now), Input::View(view(1 - asker, members)));
    settle(&mut nodes, now, &mut found);
    let asked = found.found;
    nodes[1 - asker].replica.handle_input(clock(now), Input::View(view(asker, members)));
    for _ in 0..200 {
        now += 250_000_000;
        settle(&mut nodes, now, &mut found);
    }
    Found { found: asked, ..found }
}

/// Lets both work until they are quiet.
fn settle(nodes: &mut [Node; 2], now: u64, found: &mut Found) {
    nodes.iter_mut().for_each(|node| node.replica.handle_timeout(clock(now)));
    loop {
        let worked = pump(nodes, 0, now, found) | pump(nodes, 1, now, found);
        let due = nodes.iter().any(|node| node.replica.poll_timeout().is_some_and(|at| at <= clock(now).instant));
        nodes.iter_mut().for_each(|node| node.replica.handle_timeout(clock(now)));
        if !worked && !due {
            return;
        }
    }
}

/// Performs all outputs of one node; tells whether there was one.
fn pump(nodes: &mut [Node; 2], at: usize, now: u64, found: &mut Found) -> bool {
    let mut worked = false;
    while let Some(output) = nodes[at].replica.poll_output() {
        worked = true;
        match output {
            Output::Send { to, message } if to == node(1 - at) => {
                found.said += message::encode(&message).len();
                if matches!(message, Message::Want { .. }) || found.fetched == 0 {
                    found.found = found.said;
                }
                nodes[1 - at].replica.handle_input(clock(now), Input::Message { from: node(at), message });
            }
            Output::LoadLedger(id) => {
                let entries = nodes[at].held[&id].iter().map(|seq| (seq, entry(&id, seq))).collect();
                nodes[at].replica.handle_input(clock(now), Input::LedgerLoaded { segment: id, entries });
            }
            Output::SendBatches { to, segment, seqs, purpose } => {
                let stored = |seq| StoredBatch { segment, seq, entry: entry(&segment, seq), from: Some(node(at)) };
                let batches: Vec<_> = seqs.iter().map(stored).collect();
                found.fetched += batches.len() as u64;
                nodes[1 - at].replica.handle_input(clock(now), Input::Stored(batches));
                nodes[at].replica.handle_input(clock(now), Input::Sent { to, segment, seqs, bytes: 1, purpose });
            }
            _ => {}
        }
    }
    worked
}

fn start(at: usize, held: BTreeMap<SegmentId, SeqSet>) -> Node {
    let config = Config { copies: 2, scrub_period: Duration::from_secs(1 << 30), ..Config::default() };
    let segments = held.iter().map(|(id, held)| RecoveredSegment {
        segment: *id,
        held: held.clone(),
        extents: Vec::new(),
        tail_raw_bytes: 0,
    });
    let found = Recovered { segments: segments.collect(), ..Recovered::default() };
    let mut replica = Replica::new(node(at), boot(9), config, found, at as u64);
    replica.handle_timeout(clock(500_000_000));
    Node { replica, held }
}

fn view(of: usize, members: [u8; 16]) -> View {
    // The tables are equal already, so that no rows are exchanged.
    let said = Arc::new(Announcement { members, ..Announcement::default() });
    let peer = Peer { live: true, boot: boot(9), said };
    View { peers: BTreeMap::from([(node(of), peer)]) }
}

fn node(at: usize) -> NodeId {
    NodeId::from_bytes([at as u8 + 1; 32])
}

fn boot(at: u8) -> Boot {
    Boot::from_bytes([at; 16])
}

fn segment(at: usize) -> SegmentId {
    let journal = JournalId { node: node(at % 2), boot: boot(3) };
    SegmentId { window: Window(498_000 + (at as u32) / 2), journal, part: 0 }
}

fn entry(segment: &SegmentId, seq: u32) -> LedgerEntry {
    let mut bytes = segment.to_bytes().to_vec();
    bytes.extend_from_slice(&seq.to_le_bytes());
    LedgerEntry { id: BatchId::of(&bytes), size_bytes: 1_000, raw_bytes: 4_000 }
}

fn clock(nanos: u64) -> Now {
    Now { instant: Instant::from_nanos(nanos), timestamp: Timestamp::from_nanos(498_001 * 3_600 * 1_000_000_000) }
}

const SEGMENTS: usize = 1_000;
const BATCHES: u32 = 5_000;
