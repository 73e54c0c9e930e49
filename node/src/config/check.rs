//! Tells whether settings that can each be read also make sense together.

use std::time::Duration;

use super::unit::{show_duration, show_size};
use super::{Config, Own};

/// A setting that makes no sense, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) key: &'static str,
    pub(super) why: String,
}

/// Returns the first problem.
pub(super) fn check(config: &Config) -> Result<(), Problem> {
    check_names(&config.own)?;
    check_addresses(&config.own)?;
    check_times(config)?;
    check_sizes(config)?;
    check_counts(config)
}

fn check_names(own: &Own) -> Result<(), Problem> {
    for (key, name) in [("node.name", &own.name), ("node.zone", &own.zone)] {
        let fits =
            name.bytes().all(|letter| letter.is_ascii_alphanumeric() || NAME_LETTERS.contains(char::from(letter)));
        if !fits || name.len() > NAME_BYTES_MAX {
            return refuse(
                key,
                format!("{name:?} is not made of at most {NAME_BYTES_MAX} of a-z, A-Z, 0-9 and {NAME_LETTERS}"),
            );
        }
    }
    Ok(())
}

fn check_addresses(own: &Own) -> Result<(), Problem> {
    if own.mesh.ip().is_unspecified() && own.advertise.is_none() {
        let why = format!("{} is no address that peers could reach; name one with --advertise", own.mesh);
        return refuse("node.mesh", why);
    }
    if let Some(advertise) = own.advertise.filter(|address| address.ip().is_unspecified()) {
        return refuse("node.advertise", format!("{advertise} is no address that peers could reach"));
    }
    if own.http == own.mesh && own.http.port() != 0 {
        return refuse("node.http", format!("{} is the mesh address already", own.http));
    }
    if own.seeds.len() > SEEDS_MAX {
        return refuse(
            "node.seeds",
            format!("{} are too many; {SEEDS_MAX} are the most, and a few are enough", own.seeds.len()),
        );
    }
    for seed in &own.seeds {
        let port =
            seed.rsplit_once(':').filter(|(host, _)| !host.is_empty()).and_then(|(_, port)| port.parse::<u16>().ok());
        if port.is_none_or(|port| port == 0) {
            return refuse("node.seeds", format!("{seed:?} is not host:port"));
        }
    }
    Ok(())
}

fn check_times(config: &Config) -> Result<(), Problem> {
    let (own, mesh) = (&config.own, &config.mesh);
    for (key, value, from, to) in [
        ("replication.ack_timeout", own.ack_timeout, MILLI, MINUTE),
        ("replication.repair_interval", own.repair_interval, 100 * MILLI, HOUR),
        ("store.seal_after_quiet", own.seal_after_quiet, SECOND, DAY),
        ("store.scrub_period", own.scrub_period, MINUTE, 3650 * DAY),
        ("node.stop_timeout", own.stop_timeout, Duration::ZERO, HOUR),
        ("node.gossip_interval", own.gossip_interval, 20 * MILLI, 10 * SECOND),
        ("mesh.retention", mesh.retention, HOUR, 36_500 * DAY),
        ("mesh.standin_after", mesh.standin_after, SECOND, 7 * DAY),
        ("mesh.depart_after", mesh.depart_after, SECOND, 365 * DAY),
        ("limits.future_max", config.limits.future_max, Duration::ZERO, DAY),
        ("limits.past_max", config.limits.past_max, Duration::ZERO, 36_500 * DAY),
        ("query.range_max", config.query.range_max, MINUTE, 36_500 * DAY),
        ("query.timeout", config.query.timeout, 10 * MILLI, HOUR),
        ("query.silent_after", config.query.silent_after, SECOND, HOUR),
    ] {
        if value < from || value > to {
            let (value, from, to) = (show_duration(value), show_duration(from), show_duration(to));
            return refuse(key, format!("{value} is not between {from} and {to}"));
        }
    }
    if mesh.depart_after <= mesh.standin_after {
        return refuse("mesh.depart_after", "it must be longer than mesh.standin_after".to_owned());
    }
    if config.limits.past_max > mesh.retention {
        let (past, retention) = (show_duration(config.limits.past_max), show_duration(mesh.retention));
        let why =
            format!("records up to {past} old would be accepted and kept for {retention} only; set it to at most that");
        return refuse("limits.past_max", why);
    }
    Ok(())
}

fn check_sizes(config: &Config) -> Result<(), Problem> {
    let (own, limits) = (&config.own, &config.limits);
    let bytes = |size: usize| u64::try_from(size).unwrap_or(u64::MAX);
    for (key, value, from, to) in [
        ("replication.repair_bytes_per_second", own.repair_bytes_per_second, 64 << 10, 1 << 40),
        ("store.seal_bytes", own.seal_bytes, 64 << 10, 128 << 20),
        ("store.disk_reserve", own.disk_reserve, 1 << 20, 1 << 50),
        ("limits.line_bytes_max", bytes(limits.line_bytes_max), 1, 4 << 20),
        ("limits.label_name_bytes_max", bytes(limits.label_name_bytes_max), 1, 64 << 10),
        ("limits.label_value_bytes_max", bytes(limits.label_value_bytes_max), 1, 64 << 10),
        ("limits.metadata_bytes_max", bytes(limits.metadata_bytes_max), 0, 1 << 20),
        ("limits.body_bytes_max", bytes(limits.body_bytes_max), 1 << 10, 1 << 30),
        ("limits.chunk_bytes_max", bytes(limits.chunk_bytes_max), 4 << 10, 4 << 20),
        ("limits.chunks_bytes_max", bytes(limits.chunks_bytes_max), 64 << 10, 1 << 30),
    ] {
        if value < from || value > to {
            let (value, from, to) = (show_size(value), show_size(from), show_size(to));
            return refuse(key, format!("{value} is not between {from} and {to}"));
        }
    }
    if limits.line_bytes_max > limits.body_bytes_max {
        return refuse("limits.line_bytes_max", "a line cannot be longer than limits.body_bytes_max".to_owned());
    }
    limits.check().or_else(|error| refuse("limits.line_bytes_max", error.to_string()))
}

fn check_counts(config: &Config) -> Result<(), Problem> {
    let (limits, query) = (&config.limits, &config.query);
    let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    for (key, value, from, to) in [
        ("mesh.copies", u64::from(config.mesh.copies), 1, 9),
        ("node.weight", u64::from(config.own.weight), 1, 100),
        ("limits.label_names_max", number(limits.label_names_max), 1, 256),
        ("limits.metadata_entries_max", number(limits.metadata_entries_max), 0, 4096),
        ("limits.streams_max", number(limits.streams_max), 1, 1_000_000),
        ("limits.windows_max", number(limits.windows_max), 1, 1_000_000),
        ("query.entries_max", u64::from(query.entries_max), 1, 1_000_000),
        ("query.series_max", u64::from(query.series_max), 1, 100_000),
        ("query.concurrency", query.concurrency, 1, 1024),
    ] {
        if value < from || value > to {
            return refuse(key, format!("{value} is not between {from} and {to}"));
        }
    }
    Ok(())
}

fn refuse(key: &'static str, why: String) -> Result<(), Problem> {
    Err(Problem { key, why })
}

/// Names travel in gossip and stand in tables, so they are short and plain.
pub(super) const NAME_BYTES_MAX: usize = 64;

/// What a name may hold besides letters and digits.
pub(super) const NAME_LETTERS: &str = "._-";

/// As many as gossip looks up.
const SEEDS_MAX: usize = 64;

const MILLI: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_make_sense() {
        assert_eq!(check(&Config::default()), Ok(()));
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        type Change = fn(&mut Config);
        let cases: &[(&str, Change)] = &[
            ("node.name", |config| config.own.name = "a b".to_owned()),
            ("node.zone", |config| config.own.zone = "z".repeat(65)),
            ("node.weight", |config| config.own.weight = 0),
            ("node.mesh", |config| config.own.mesh = "0.0.0.0:7946".parse().unwrap()),
            ("node.advertise", |config| config.own.advertise = Some("0.0.0.0:7946".parse().unwrap())),
            ("node.http", |config| config.own.http = config.own.mesh),
            ("node.seeds", |config| config.own.seeds = vec!["host".to_owned()]),
            ("node.seeds", |config| config.own.seeds = vec![":7946".to_owned()]),
            ("node.seeds", |config| config.own.seeds = vec!["h:1".to_owned(); SEEDS_MAX + 1]),
            ("mesh.copies", |config| config.mesh.copies = 0),
            ("mesh.depart_after", |config| config.mesh.depart_after = config.mesh.standin_after),
            ("limits.past_max", |config| config.mesh.retention = DAY),
            ("limits.line_bytes_max", |config| config.limits.body_bytes_max = 1 << 10),
            ("store.seal_bytes", |config| config.own.seal_bytes = 0),
            ("query.timeout", |config| config.query.timeout = Duration::ZERO),
            ("query.concurrency", |config| config.query.concurrency = 0),
        ];
        for (key, change) in cases {
            let mut config = Config::default();
            change(&mut config);
            assert_eq!(check(&config).map_err(|problem| problem.key), Err(*key));
        }
    }

    #[test]
    fn both_addresses_may_ask_for_any_port() {
        let mut config = Config::default();
        config.own.http = "127.0.0.1:0".parse().unwrap();
        config.own.mesh = config.own.http;
        assert_eq!(check(&config), Ok(()));
    }
}
