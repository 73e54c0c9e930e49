//! The table of all settings: how each is named, read, shown and explained. Flags, environment, file, reference and
//! `logmesh config` all go by it, so none of them can forget one.

use super::Config;
use super::kind::{
    compression, count, duration, list, log_format, optional, optional_path, path, plain, size, switch, text,
};

/// One setting.
pub(super) struct Setting {
    /// The section and name in the file: `mesh.copies`.
    pub(super) key: &'static str,
    /// What it is for, in a sentence or two, as lines that begin with a space.
    pub(super) purpose: &'static [&'static str],
    /// Whether `logmesh run` has a flag for it.
    pub(super) flag: bool,
    /// Reads what was typed.
    pub(super) set: fn(&mut Config, &str) -> Result<(), String>,
    /// Shows what is meant.
    pub(super) show: fn(&Config) -> Shown,
}

/// A value as it is written in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// Text, also for durations, sizes, addresses and paths; empty if it is not set.
    Text(String),
    /// A bare number.
    Number(u64),
    /// A choice of two.
    Switch(bool),
    /// Several texts.
    List(Vec<String>),
}

impl Setting {
    /// Returns the environment variable: `LOGMESH_COPIES`, `LOGMESH_LIMITS_LINE_BYTES_MAX`.
    pub(super) fn variable(&self) -> String {
        let short = self.key.strip_prefix("node.").or(self.key.strip_prefix("mesh.")).unwrap_or(self.key);
        format!("LOGMESH_{}", short.replace('.', "_").to_uppercase())
    }

    /// Returns the flag, whether or not `logmesh run` has it. It is singular where it may be given several times.
    pub(super) fn flag_name(&self) -> String {
        let name = self.key.rsplit('.').next().unwrap_or_default().replace('_', "-");
        format!("--{}", if name == "seeds" { "seed" } else { &name })
    }
}

impl Shown {
    /// Returns the value as TOML writes it.
    pub(super) fn to_toml(&self) -> toml::Value {
        match self {
            Self::Text(text) => toml::Value::String(text.clone()),
            Self::Number(number) => toml::Value::Integer(i64::try_from(*number).unwrap_or(i64::MAX)),
            Self::Switch(on) => toml::Value::Boolean(*on),
            Self::List(items) => toml::Value::Array(items.iter().cloned().map(toml::Value::String).collect()),
        }
    }

    /// Returns the value as JSON writes it.
    pub(super) fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Text(text) => text.as_str().into(),
            Self::Number(number) => (*number).into(),
            Self::Switch(on) => (*on).into(),
            Self::List(items) => items.clone().into(),
        }
    }
}

macro_rules! settings {
    ($($(#[doc = $purpose:literal])+ $key:literal: $($field:ident).+ as $kind:ident $(, $flag:ident)?;)+) => {
        /// All settings, in the order of the reference.
        pub(super) const SETTINGS: &[Setting] = &[$(Setting {
            key: $key,
            purpose: &[$($purpose),+],
            flag: settings!(@ $($flag)?),
            set: |config, typed| {
                config.$($field).+ = $kind::read(typed)?;
                Ok(())
            },
            show: |config| $kind::show(&config.$($field).+),
        }),+];
    };
    (@ flag) => { true };
    (@) => { false };
}

settings! {
    /// The directory that holds the node's identity and everything it stores.
    "node.data": own.data as path, flag;
    /// Where the HTTP API listens. It has no authentication: keep it off networks you do not trust.
    "node.http": own.http as plain, flag;
    /// Where peers are listened for: TCP for data and UDP for gossip on the same port number. Any address
    /// but a loopback one needs a secret.
    "node.mesh": own.mesh as plain, flag;
    /// The address that peers are told to reach this node at, if it is not `mesh`.
    "node.advertise": own.advertise as optional, flag;
    /// Some nodes of the mesh to join, as host:port of their mesh address. A few are enough; naming this
    /// node too does no harm.
    "node.seeds": own.seeds as list, flag;
    /// The file with the mesh secret, as `logmesh keygen` makes it. With two lines, the first is used and
    /// both are accepted, so that secrets can be changed node by node.
    "node.secret_file": own.secret_file as optional_path, flag;
    /// What people call this node. The host's name if empty.
    "node.name": own.name as text, flag;
    /// The rack, room or data centre that fails as one. Copies are put in different zones.
    "node.zone": own.zone as text, flag;
    /// The share of the data this node takes, relative to the others.
    "node.weight": own.weight as count, flag;
    /// The lost node whose place this new one takes over, so that no other data moves.
    "node.replace": replace as optional, flag;
    /// Which events are logged: error, warn, info, debug or trace, also for single parts:
    /// info,logmesh_gossip=debug.
    "node.log": own.log as text, flag;
    /// How they are written to the standard error: text or json.
    "node.log_format": own.log_format as log_format;
    /// How long a clean stop may take to hand over what peers have not got yet.
    "node.stop_timeout": own.stop_timeout as duration;
    /// How often this node gossips. A dead node is noticed after about five of these.
    "node.gossip_interval": own.gossip_interval as duration;
    /// How many nodes hold each record, the one that accepted it among them.
    "mesh.copies": mesh.copies as count, flag;
    /// How long records are kept, by their own time.
    "mesh.retention": mesh.retention as duration;
    /// After how long another node stands in for one that is away, for new records only.
    "mesh.standin_after": mesh.standin_after as duration;
    /// After how long a node that is away is given up and its data is copied anew.
    "mesh.depart_after": mesh.depart_after as duration;
    /// How long a push waits for another node to hold it too. It is accepted all the same when none answers
    /// in time.
    "replication.ack_timeout": own.ack_timeout as duration;
    /// How often the node compares what it holds with one of its peers.
    "replication.repair_interval": own.repair_interval as duration;
    /// The most that repair may send in a second, so that it does not crowd out pushes.
    "replication.repair_bytes_per_second": own.repair_bytes_per_second as size;
    /// New records of a segment are folded into compressed columns at this many raw bytes.
    "store.seal_bytes": own.seal_bytes as size;
    /// They are also folded when nothing was added for this long.
    "store.seal_after_quiet": own.seal_after_quiet as duration;
    /// How lines are compressed when they are sealed: zstd takes the least disk; lz4 takes 1.5 to 1.8 times
    /// as much of disk and network, and is searched about twice as fast. It holds from the next seal on,
    /// and for what this node accepts: each node reads both, and keeps what others sealed as it came.
    "store.compression": own.compression as compression;
    /// How often everything on disk is read again and checked against its hash.
    "store.scrub_period": own.scrub_period as duration;
    /// With less free disk than this, pushes are refused with a 507 until there is room; queries are
    /// answered.
    "store.disk_reserve": own.disk_reserve as size;
    /// The longest line.
    "limits.line_bytes_max": limits.line_bytes_max as size;
    /// The most labels of a stream.
    "limits.label_names_max": limits.label_names_max as count;
    /// The longest label name.
    "limits.label_name_bytes_max": limits.label_name_bytes_max as size;
    /// The longest label value.
    "limits.label_value_bytes_max": limits.label_value_bytes_max as size;
    /// The most metadata of a record, names and values together.
    "limits.metadata_bytes_max": limits.metadata_bytes_max as size;
    /// The most metadata entries of a record.
    "limits.metadata_entries_max": limits.metadata_entries_max as count;
    /// Whether records are given the metadata entry detected_level.
    "limits.detect_levels": limits.detect_levels as switch;
    /// The labels that name the service of a stream. One that comes without the label service_name is given
    /// the value of the first of these that it has, or unknown_service; Grafana's Logs Drilldown lists
    /// streams by it. Without any (in the environment: a comma) streams stay as they were sent.
    "limits.discover_service_name": limits.discover_service_name as list;
    /// How far ahead of the node's clock a record may be.
    "limits.future_max": limits.future_max as duration;
    /// How old a record may be when it comes in.
    "limits.past_max": limits.past_max as duration;
    /// The largest push, decompressed; larger ones get a 413.
    "limits.body_bytes_max": limits.body_bytes_max as size;
    /// The raw bytes after which the records of a push begin a new chunk.
    "limits.chunk_bytes_max": limits.chunk_bytes_max as size;
    /// The most that the records of one push may become; it bounds what a small body can blow up to.
    "limits.chunks_bytes_max": limits.chunks_bytes_max as size;
    /// The most streams of one push.
    "limits.streams_max": limits.streams_max as count;
    /// The most hours of record time that one push may touch.
    "limits.windows_max": limits.windows_max as count;
    /// The longest time range of a query.
    "query.range_max": query.range_max as duration;
    /// The most entries of an answer.
    "query.entries_max": query.entries_max as count;
    /// The most series of an answer.
    "query.series_max": query.series_max as count;
    /// How long a query may take.
    "query.timeout": query.timeout as duration;
    /// How long a node that scans for a query may give no sign of life before the query goes on without it.
    "query.silent_after": query.silent_after as duration;
    /// How many queries the node coordinates at a time; further ones wait.
    "query.concurrency": query.concurrency as count;
    /// How many tails the node serves at a time; one more gets a 429. A peer takes 128 of one node at most.
    "query.tails_max": query.tails_max as count;
}

/// Returns the setting with this key.
pub(super) fn find(key: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.key == key)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::PathBuf;

    use logmesh_store::Compression;

    use super::super::LogFormat;
    use super::*;

    #[test]
    fn every_setting_reads_what_it_shows() {
        for setting in SETTINGS {
            let mut config = Config::default();
            let shown = (setting.show)(&config);
            let typed = match &shown {
                Shown::Text(text) => text.clone(),
                Shown::Number(number) => number.to_string(),
                Shown::Switch(on) => on.to_string(),
                Shown::List(items) => items.join(","),
            };
            assert_eq!((setting.set)(&mut config, &typed), Ok(()), "{}", setting.key);
            assert_eq!(config, Config::default(), "{}", setting.key);
            assert_eq!((setting.show)(&config), shown, "{}", setting.key);
        }
    }

    #[test]
    fn no_two_settings_share_a_variable_or_a_flag() {
        let variables: BTreeSet<_> = SETTINGS.iter().map(Setting::variable).collect();
        assert_eq!(variables.len(), SETTINGS.len());
        let flags: Vec<_> = SETTINGS.iter().filter(|setting| setting.flag).map(Setting::flag_name).collect();
        assert_eq!(flags.iter().collect::<BTreeSet<_>>().len(), flags.len());
    }

    #[test]
    fn a_setting_that_is_typed_is_meant() {
        let mut config = Config::default();
        for (key, typed) in [
            ("node.data", "/srv/logs"),
            ("node.advertise", "[::1]:7"),
            ("node.seeds", "a:1, b:2,"),
            ("node.log_format", "json"),
            ("mesh.retention", "7d"),
            ("store.compression", "lz4"),
            ("limits.line_bytes_max", "1MiB"),
            ("query.concurrency", "3"),
        ] {
            (find(key).unwrap().set)(&mut config, typed).unwrap();
        }
        assert_eq!(config.own.data, PathBuf::from("/srv/logs"));
        assert_eq!(config.own.advertise, Some("[::1]:7".parse().unwrap()));
        assert_eq!(config.own.seeds, ["a:1", "b:2"]);
        assert_eq!(config.own.log_format, LogFormat::Json);
        assert_eq!(config.mesh.retention.as_secs(), 7 * 86_400);
        assert_eq!(config.own.compression, Compression::Lz4);
        assert_eq!(config.limits.line_bytes_max, 1 << 20);
        assert_eq!(config.query.concurrency, 3);
        let unknown = (find("store.compression").unwrap().set)(&mut config, "snappy");
        assert_eq!(unknown, Err("\"snappy\" is neither zstd nor lz4".to_owned()));
    }
}
