//! The state of a node as JSON, for operators and for `logmesh status`.

use std::collections::BTreeMap;

use logmesh_protocol::id::NodeId;
use logmesh_protocol::replica::{MemberState, MemberStatus, SegmentStatus};
use logmesh_store::{DiskState, Stats};
use serde_json::{Value, json};

use super::{App, NodeState};

/// Returns all of it; none if the machine has stopped.
pub(super) async fn whole(app: &App) -> Option<Value> {
    let members = members(app).await?;
    let (segments, repair) = app
        .mesh
        .ask(|replica, now| {
            let segments: Vec<SegmentStatus> = replica.segments();
            (Counts::of(&segments), replica.repair_status(now))
        })
        .await?;
    let disk = app.store.disk();
    let stats = app.store.stats();
    let state = match *app.state.borrow() {
        NodeState::Running => "running",
        NodeState::Leaving => "leaving",
        NodeState::Left => "left",
        NodeState::Stopping => "stopping",
    };
    Some(json!({
        "node": app.node.to_string(),
        "name": app.config.own.name,
        "version": env!("CARGO_PKG_VERSION"),
        "ready": app.ready.load(std::sync::atomic::Ordering::Relaxed),
        "copies": app.config.mesh.copies,
        "state": state,
        "disk": { "free_bytes": disk.free_bytes, "state": disk_state(&disk.state) },
        "members": members,
        "segments": segments.to_json(),
        "store": stats_json(&stats),
        "repair": {
            "rounds": repair.rounds,
            "in_sync": repair.in_sync,
            "last_round_seconds_ago": repair.last_round.map(|ago| ago.as_secs_f64()),
            "batches_received": repair.batches_received,
            "bytes_received": repair.bytes_received,
            "damaged_batches": repair.damaged_batches,
        },
    }))
}

/// Returns the members, this node first.
pub(super) async fn members(app: &App) -> Option<Value> {
    let (mut members, now) = app.mesh.ask(|replica, now| (replica.members(), now)).await?;
    members.sort_by_key(|member| (member.node != app.node, member.node));
    let seen = app.seen.borrow().clone();
    let empty = BTreeMap::new();
    let rows = members.iter().map(|member| {
        let own = member.node == app.node;
        let facts = seen.facts.get(&member.node).map_or(&empty, |facts| facts.as_ref());
        let fact = |name: &str| facts.get(name).cloned().unwrap_or_default();
        let address = seen.addresses.get(&member.node).map(ToString::to_string).unwrap_or_default();
        json!({
            "node": member.node.to_string(),
            "name": if own { app.config.own.name.clone() } else { fact("name") },
            "state": member_state(member),
            "self": own,
            "address": if own { app.gossip.local_addr().to_string() } else { address },
            "zone": member.zone,
            "weight": member.weight,
            "version": if own { env!("CARGO_PKG_VERSION").to_owned() } else { fact("version") },
            "since_seconds": member.since.map(|since| now.instant.since(since).as_secs_f64()),
            "clean": member.clean,
            "owed_batches": member.owed_batches,
            "owed_bytes": member.owed_bytes,
            "disk": if own { disk_state(&app.store.disk().state) } else if fact("full").is_empty() { "writable" } else { "full" },
        })
    });
    Some(Value::Array(rows.collect()))
}

/// Returns the segments held here or known.
pub(super) async fn segments(app: &App) -> Option<Value> {
    let segments = app.mesh.ask(|replica, _| replica.segments()).await?;
    let rows = segments.iter().map(|status| {
        json!({
            "segment": status.segment.to_string(),
            "window_start": rfc3339(status.segment.window.start()),
            "origin": status.segment.origin().to_string(),
            "part": status.segment.part,
            "held_batches": status.held.len(),
            "head_batches": status.head,
            "root": status.root.map(|root| root.to_string()),
            "holders": status.holders.iter().map(NodeId::to_string).collect::<Vec<_>>(),
            "sealed_batches": status.sealed_batches,
            "bytes": status.bytes,
            "under_copied": status.under_copied,
        })
    });
    Some(Value::Array(rows.collect()))
}

/// Sums over all segments.
#[derive(Default)]
struct Counts {
    count: u64,
    batches: u64,
    sealed_batches: u64,
    bytes: u64,
    under_copied: u64,
}

impl Counts {
    fn of(segments: &[SegmentStatus]) -> Self {
        let mut counts = Self::default();
        for status in segments {
            counts.count += 1;
            counts.batches += status.held.len();
            counts.sealed_batches += status.sealed_batches;
            counts.bytes += status.bytes;
            counts.under_copied += u64::from(status.under_copied);
        }
        counts
    }

    fn to_json(&self) -> Value {
        json!({
            "count": self.count,
            "batches": self.batches,
            "sealed_batches": self.sealed_batches,
            "bytes": self.bytes,
            "under_copied": self.under_copied,
        })
    }
}

fn stats_json(stats: &Stats) -> Value {
    json!({
        "batches": stats.batches,
        "raw_bytes": stats.raw_bytes,
        "tail_bytes": stats.tail_bytes,
        "sealed_raw_bytes": stats.sealed_raw_bytes,
        "sealed_stored_bytes": stats.sealed_stored_bytes,
        "wal_bytes": stats.wal_bytes,
        "table_bytes": stats.table_bytes,
        "fsyncs": stats.fsyncs,
    })
}

fn member_state(member: &MemberStatus) -> &'static str {
    match (member.state, member.live) {
        (MemberState::Departed | MemberState::Left, _) => "departed",
        (MemberState::Leaving, _) => "leaving",
        (MemberState::Joined, true) => "live",
        (MemberState::Joined, false) => "away",
    }
}

fn disk_state(state: &DiskState) -> &'static str {
    match state {
        DiskState::Writable => "writable",
        DiskState::Full => "full",
    }
}

fn rfc3339(timestamp: logmesh_protocol::time::Timestamp) -> String {
    jiff::Timestamp::from_nanosecond(timestamp.as_nanos().into()).map(|time| time.to_string()).unwrap_or_default()
}
