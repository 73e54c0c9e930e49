//! What an operator can set. What was typed (flags, environment, file) becomes what is meant, once, at the start; past
//! this module no text is left to be misread. It must never change a setting while the node runs.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use logmesh_gossip::Secret;
use logmesh_ingest::Limits;
use logmesh_protocol::id::NodeId;
use logmesh_store::Compression;
use serde::Serialize;

mod check;
mod kind;
mod layers;
mod nearest;
mod reference;
mod settings;
mod unit;
mod yaml;

pub(crate) use layers::{ConfigError, Loaded, Typed};
pub(crate) use reference::reference;
pub(crate) use unit::{parse_duration, show_duration};

/// All that one node is told at its start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Config {
    /// What may differ from node to node.
    pub(crate) own: Own,
    /// What must be equal on all nodes of a mesh.
    pub(crate) mesh: MeshWide,
    /// What a push may hold. A record beyond is refused by name, the others of the same push are kept.
    pub(crate) limits: Limits,
    /// What a query may ask for.
    pub(crate) query: QueryLimits,
    /// The node whose place in the order this one takes over.
    pub(crate) replace: Option<NodeId>,
    /// The mesh secrets: the first one seals, any of them opens. Empty until [`Loaded::admit`] has read them.
    pub(crate) secrets: Vec<Secret>,
}

/// What may differ from node to node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Own {
    /// Where everything is kept.
    pub(crate) data: PathBuf,
    /// Where the HTTP API listens.
    pub(crate) http: SocketAddr,
    /// Where peers are listened for: TCP for streams and UDP for gossip, on one port number.
    pub(crate) mesh: SocketAddr,
    /// The address that peers are told, if it is not `mesh`.
    pub(crate) advertise: Option<SocketAddr>,
    /// `host:port` of nodes to try first.
    pub(crate) seeds: Vec<String>,
    /// The file that holds the mesh secrets, one a line.
    pub(crate) secret_file: Option<PathBuf>,
    /// What people call this node.
    pub(crate) name: String,
    /// The failure domain; empty if there is but one.
    pub(crate) zone: String,
    /// This node's share of the data, relative to the others.
    pub(crate) weight: u8,
    /// Which events are logged, as a `tracing` filter.
    pub(crate) log: String,
    /// How they are written.
    pub(crate) log_format: LogFormat,
    /// How long a push waits for the copies it asked for.
    pub(crate) ack_timeout: Duration,
    /// How often a repair round begins with the next peer, before jitter.
    pub(crate) repair_interval: Duration,
    /// The most bytes that repair sends in a second.
    pub(crate) repair_bytes_per_second: u64,
    /// How often everything on disk is read again and hashed.
    pub(crate) scrub_period: Duration,
    /// A tail of this many raw bytes is sealed.
    pub(crate) seal_bytes: u64,
    /// A tail to which nothing was added for this long is sealed.
    pub(crate) seal_after_quiet: Duration,
    /// How the text of what this node seals is compressed.
    pub(crate) compression: Compression,
    /// Below this many free bytes of disk, pushes are refused.
    pub(crate) disk_reserve: u64,
    /// How long a clean stop may take to hand over what is owed.
    pub(crate) stop_timeout: Duration,
    /// How often this node gossips.
    pub(crate) gossip_interval: Duration,
}

/// What must be equal on all nodes of a mesh: they compare a digest of it before they speak.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct MeshWide {
    /// How many nodes should hold each segment, its origin among them.
    pub(crate) copies: u8,
    /// How long a segment is kept after its window has ended.
    pub(crate) retention: Duration,
    /// After how long an away holder is stood in for.
    pub(crate) standin_after: Duration,
    /// After how long an away member may be taken to have departed.
    pub(crate) depart_after: Duration,
}

/// What a query may ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct QueryLimits {
    /// The longest range.
    pub(crate) range_max: Duration,
    /// The most entries of an answer.
    pub(crate) entries_max: u32,
    /// The most series of an answer.
    pub(crate) series_max: u32,
    /// How long a query may take.
    pub(crate) timeout: Duration,
    /// How long a node that scans for a query may give no sign of life before the query goes on without it.
    pub(crate) silent_after: Duration,
    /// How many queries run at a time; further ones wait, and get a 429 after the time-out.
    pub(crate) concurrency: u64,
    /// How many tails the node serves at a time; further ones get a 429.
    pub(crate) tails_max: u64,
}

/// How log events are written to the standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// One line a person can read.
    Text,
    /// One JSON object a line.
    Json,
}

impl Config {
    /// Returns what the machine is told.
    pub(crate) fn machine(&self) -> logmesh_protocol::config::Config {
        logmesh_protocol::config::Config {
            copies: self.mesh.copies,
            retention: self.mesh.retention,
            standin_after: self.mesh.standin_after,
            depart_after: self.mesh.depart_after,
            ack_timeout: self.own.ack_timeout,
            repair_interval: self.own.repair_interval,
            repair_bytes_per_second: self.own.repair_bytes_per_second,
            seal_bytes: self.own.seal_bytes,
            seal_after: self.own.seal_after_quiet,
            scrub_period: self.own.scrub_period,
            stop_timeout: self.own.stop_timeout,
            zone: self.own.zone.clone(),
            weight: self.own.weight,
            replaces: self.replace,
            ..logmesh_protocol::config::Config::default()
        }
    }
}

impl MeshWide {
    /// Returns a digest that two nodes have in common if and only if they agree, as 32 hexadecimal digits.
    pub(crate) fn digest(&self) -> String {
        let canonical = serde_json::to_vec(self).expect("plain fields can be written as JSON");
        blake3::hash(&canonical).to_hex()[..32].to_owned()
    }
}

impl Default for Own {
    /// The defaults of DESIGN; what the machine has a default for is taken from there, so that it is said once.
    fn default() -> Self {
        let machine = logmesh_protocol::config::Config::default();
        Self {
            data: PathBuf::from("./data"),
            http: SocketAddr::from(([127, 0, 0, 1], 3100)),
            mesh: SocketAddr::from(([127, 0, 0, 1], 7946)),
            advertise: None,
            seeds: Vec::new(),
            secret_file: None,
            name: String::new(),
            zone: machine.zone,
            weight: machine.weight,
            log: "info".to_owned(),
            log_format: LogFormat::Text,
            ack_timeout: machine.ack_timeout,
            repair_interval: machine.repair_interval,
            repair_bytes_per_second: machine.repair_bytes_per_second,
            scrub_period: machine.scrub_period,
            seal_bytes: machine.seal_bytes,
            seal_after_quiet: machine.seal_after,
            // The disk is what a log store is sized by; few search so much that twice the speed is worth half as much disk again.
            compression: Compression::Zstd,
            // A guess: RocksDB needs room to flush and compact what it has already acknowledged.
            disk_reserve: 1 << 30,
            stop_timeout: machine.stop_timeout,
            // DESIGN section 13: a killed node leaves the live set after about a second.
            gossip_interval: Duration::from_millis(250),
        }
    }
}

impl Default for MeshWide {
    fn default() -> Self {
        let machine = logmesh_protocol::config::Config::default();
        Self {
            copies: machine.copies,
            retention: machine.retention,
            standin_after: machine.standin_after,
            depart_after: machine.depart_after,
        }
    }
}

impl Default for QueryLimits {
    /// Loki's documented defaults; `concurrency` and `tails_max` are guesses.
    fn default() -> Self {
        Self {
            range_max: Duration::from_secs(721 * 3600),
            entries_max: 5_000,
            series_max: 500,
            timeout: Duration::from_secs(60),
            // Nodes that scan say so five times a second.
            silent_after: Duration::from_secs(5),
            concurrency: 16,
            tails_max: 32,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_mesh_wide_setting_changes_the_digest() {
        type Change = fn(&mut MeshWide);
        let changes: &[Change] = &[
            |mesh| mesh.copies += 1,
            |mesh| mesh.retention += Duration::from_millis(1),
            |mesh| mesh.standin_after += Duration::from_millis(1),
            |mesh| mesh.depart_after += Duration::from_millis(1),
        ];
        let ours = MeshWide::default().digest();
        assert_eq!(ours.len(), 32);
        assert_eq!(ours, MeshWide::default().digest());
        for change in changes {
            let mut theirs = MeshWide::default();
            change(&mut theirs);
            assert_ne!(ours, theirs.digest());
        }
    }

    #[test]
    fn the_machine_is_told_what_was_set() {
        let mut config = Config::default();
        config.mesh.copies = 5;
        config.own.ack_timeout = Duration::from_millis(7);
        config.own.zone = "z".to_owned();
        let machine = config.machine();
        assert_eq!((machine.copies, machine.ack_timeout, machine.zone.as_str()), (5, Duration::from_millis(7), "z"));
    }
}
