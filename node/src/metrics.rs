//! What a node counts about itself, for `/metrics`.

use logmesh_ingest::Accepted;
use logmesh_protocol::replica::Event;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tracing::{info, warn};

/// All counters, and the registry that names them.
pub(crate) struct Metrics {
    registry: Registry,
    bodies_bytes: Family<ByProtocol, Counter>,
    records: Family<ByProtocol, Counter>,
    lines_bytes: Family<ByProtocol, Counter>,
    rejected_records: Family<ByProtocol, Counter>,
    frames_bytes: Family<ByKind, Counter>,
    repair_rounds: Counter,
    repair_rounds_in_sync: Counter,
    repair_batches: Counter,
    repair_bytes: Counter,
    damaged_batches: Counter,
    mended_batches: Counter,
    dropped_segments: Counter,
    departures: Counter,
    pub(crate) queries: Counter,
    pub(crate) queries_incomplete: Counter,
    pub(crate) scans_running: Gauge,
    pub(crate) scans_cancelled: Gauge,
    pub(crate) malformed_frames: Counter,
    pub(crate) tails: Gauge,
    pub(crate) tail_followers: Gauge,
    pub(crate) tails_refused: Counter,
    pub(crate) tail_dropped: Counter,
    pub(crate) tail_losses: Counter,
    pub(crate) members_live: Gauge,
    pub(crate) gossip_refused: Gauge,
    pub(crate) net_refused: Gauge,
    pub(crate) frames_bytes_out: Gauge,
    pub(crate) frames_bytes_in: Gauge,
    pub(crate) disk_free_bytes: Gauge,
    pub(crate) refused_settings: Gauge,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByProtocol {
    protocol: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByKind {
    kind: FrameKind,
}

/// What a frame to a member holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(crate) enum FrameKind {
    /// What the machines say to each other.
    Message,
    /// Batches, pushed or repaired.
    Batches,
    /// A sealed extent.
    Extent,
}

impl Metrics {
    /// Returns counters that all stand at zero.
    pub(crate) fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("logmesh"),
            bodies_bytes: Family::default(),
            records: Family::default(),
            lines_bytes: Family::default(),
            rejected_records: Family::default(),
            frames_bytes: Family::default(),
            repair_rounds: Counter::default(),
            repair_rounds_in_sync: Counter::default(),
            repair_batches: Counter::default(),
            repair_bytes: Counter::default(),
            damaged_batches: Counter::default(),
            mended_batches: Counter::default(),
            dropped_segments: Counter::default(),
            departures: Counter::default(),
            queries: Counter::default(),
            queries_incomplete: Counter::default(),
            scans_running: Gauge::default(),
            scans_cancelled: Gauge::default(),
            malformed_frames: Counter::default(),
            tails: Gauge::default(),
            tail_followers: Gauge::default(),
            tails_refused: Counter::default(),
            tail_dropped: Counter::default(),
            tail_losses: Counter::default(),
            members_live: Gauge::default(),
            gossip_refused: Gauge::default(),
            net_refused: Gauge::default(),
            frames_bytes_out: Gauge::default(),
            frames_bytes_in: Gauge::default(),
            disk_free_bytes: Gauge::default(),
            refused_settings: Gauge::default(),
        };
        metrics.register_ways_in();
        metrics.register_mesh();
        metrics.register_node();
        metrics.register_tails();
        metrics
    }

    fn register_ways_in(&mut self) {
        let registry = &mut self.registry;
        registry.register("push_body_bytes", "Bytes of push bodies as sent", self.bodies_bytes.clone());
        registry.register("records", "Records accepted from clients", self.records.clone());
        registry.register("lines_bytes", "Bytes of the lines accepted from clients", self.lines_bytes.clone());
        registry.register("records_rejected", "Records of clients that were rejected", self.rejected_records.clone());
    }

    fn register_mesh(&mut self) {
        let registry = &mut self.registry;
        registry.register("repair_rounds", "Repair rounds ended", self.repair_rounds.clone());
        registry.register(
            "repair_rounds_in_sync",
            "Repair rounds without a difference",
            self.repair_rounds_in_sync.clone(),
        );
        registry.register("repair_batches", "Batches that repair brought here", self.repair_batches.clone());
        registry.register("repair_bytes", "Bytes that repair brought here", self.repair_bytes.clone());
        registry.register("damaged_batches", "Batches found damaged", self.damaged_batches.clone());
        registry.register("mended_batches", "Damaged batches that are whole again", self.mended_batches.clone());
        registry.register("dropped_segments", "Segments dropped", self.dropped_segments.clone());
        registry.register("departures", "Members that departed", self.departures.clone());
        registry.register("members_live", "Other members that are live", self.members_live.clone());
        registry.register("gossip_refused", "Datagrams that did not open", self.gossip_refused.clone());
        registry.register(
            "net_refused",
            "Connections refused or broken off for what they sent",
            self.net_refused.clone(),
        );
        registry.register("frames_bytes", "Bytes queued for members, by what they are", self.frames_bytes.clone());
        registry.register("frames_bytes_out", "Bytes of frames sent to members", self.frames_bytes_out.clone());
        registry.register("frames_bytes_in", "Bytes of frames received from members", self.frames_bytes_in.clone());
        registry.register("malformed_frames", "Frames of members that did not read", self.malformed_frames.clone());
        registry.register(
            "peers_refused_settings",
            "Peers with other mesh-wide settings",
            self.refused_settings.clone(),
        );
    }

    fn register_node(&mut self) {
        let registry = &mut self.registry;
        registry.register("queries", "Queries answered", self.queries.clone());
        registry.register(
            "queries_incomplete",
            "Queries whose answer was not complete",
            self.queries_incomplete.clone(),
        );
        registry.register("scans_running", "Scans of this node's data that run now", self.scans_running.clone());
        registry.register("scans_cancelled", "Scans that ended early, for nobody waited", self.scans_cancelled.clone());
        registry.register("disk_free_bytes", "Free bytes of the data directory's disk", self.disk_free_bytes.clone());
    }

    fn register_tails(&mut self) {
        let registry = &mut self.registry;
        registry.register("tails", "Tails that clients of this node follow", self.tails.clone());
        let followers = "Tails, of whatever node, that are told what this node takes in";
        registry.register("tail_followers", followers, self.tail_followers.clone());
        registry.register("tails_refused", "Tails refused because there were too many", self.tails_refused.clone());
        let dropped = "Entries that clients of this node's tails were too slow for";
        registry.register("tail_entries_dropped", dropped, self.tail_dropped.clone());
        registry.register("tail_losses", "Nodes lost by a tail; it tries them again", self.tail_losses.clone());
    }

    /// Returns all counters in the OpenMetrics text format.
    pub(crate) fn render(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("a string takes all that is written");
        text
    }

    /// Counts a frame queued for a member.
    pub(crate) fn on_frame(&self, kind: FrameKind, bytes: usize) {
        self.frames_bytes.get_or_create(&ByKind { kind }).inc_by(bytes as u64);
    }

    /// Counts a body that was read.
    pub(crate) fn on_body(&self, protocol: &'static str, bytes: usize) {
        self.bodies_bytes.get_or_create(&ByProtocol { protocol }).inc_by(bytes as u64);
    }

    /// Counts what was decoded.
    pub(crate) fn on_accepted(&self, protocol: &'static str, accepted: &Accepted) {
        let key = ByProtocol { protocol };
        self.records.get_or_create(&key).inc_by(accepted.record_count);
        self.lines_bytes.get_or_create(&key).inc_by(accepted.lines_bytes);
        self.rejected_records.get_or_create(&key).inc_by(accepted.rejected.count);
    }

    /// Counts and logs what the machine tells.
    pub(crate) fn on_event(&self, event: &Event) {
        match event {
            Event::Liveness { node, live } => info!(%node, live, "member's liveness changed"),
            Event::Departed(node) => {
                self.departures.inc();
                warn!(%node, "member departed");
            }
            Event::RepairEnded { peer, in_sync, batches, bytes } => {
                self.repair_rounds.inc();
                self.repair_rounds_in_sync.inc_by(u64::from(*in_sync));
                self.repair_batches.inc_by(*batches);
                self.repair_bytes.inc_by(*bytes);
                if !in_sync {
                    info!(%peer, batches, bytes, "repaired");
                }
            }
            Event::Damaged { segment, batches } => {
                self.damaged_batches.inc_by(*batches);
                warn!(%segment, batches, "damaged batches set aside");
            }
            Event::Mended { segment, batches } => {
                self.mended_batches.inc_by(*batches);
                info!(%segment, batches, "damaged batches are whole again");
            }
            Event::Dropped { segment, expired } => {
                self.dropped_segments.inc();
                info!(%segment, expired, "segment dropped");
            }
            Event::Left => info!("this node has left"),
        }
    }
}
