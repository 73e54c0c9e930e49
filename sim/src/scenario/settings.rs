//! The settings of the machine as a scenario names them, and changes of them from the command line.

use std::time::Duration;

use logmesh_protocol::config::Config;
use toml::de::DeTable;

use super::mistake::{Mistake, suggestion};
use super::table::Table;
use super::{Scenario, unit};

type Time = fn(&mut Config) -> &mut Duration;
type Size = fn(&mut Config) -> &mut u64;

/// Reads the table `settings`.
pub(crate) fn read(table: &mut Table<'_>, config: &mut Config) {
    for (key, time) in TIMES {
        if let Some(read) = table.parse(key, "\"10s\"", unit::duration) {
            *time(config) = read;
        }
    }
    for (key, bytes) in SIZES {
        if let Some(read) = table.parse(key, "\"8MiB\"", unit::bytes) {
            *bytes(config) = read;
        }
    }
    if let Some(read) = table.parse("repair_rate", "\"12MiB/s\"", unit::bandwidth) {
        config.repair_bytes_per_second = read;
    }
    if let Some(read) = table.read("segment_batches", |given| given.number((1, 65_536))) {
        config.segment_batches_max = read as u32;
    }
}

/// Makes one change, such as `copies=2`, `rate=10/s` or `repair_interval=1m`.
pub(crate) fn change(scenario: &mut Scenario, change: &str) -> Result<(), Mistake> {
    let whole = 0..change.len();
    let Some((key, value)) = change.split_once('=') else {
        return Err(Mistake::new(whole, "", "a change is a key, `=` and a value").hint("such as copies=2"));
    };
    let (key, value) = (key.trim(), value.trim());
    let at = change.find('=').map_or(0, |at| at + 1)..change.len();
    let wrong = |what: String| Mistake::new(at.clone(), key, what);
    match key {
        "copies" => {
            scenario.config.copies = match value {
                "all" => u8::try_from(scenario.nodes.len()).map_err(|_| wrong("255 copies are the most".into()))?,
                _ => {
                    value.parse().ok().filter(|copies| *copies > 0).ok_or_else(|| wrong("1 to 255, or `all`".into()))?
                }
            };
        }
        "ack_copies" => {
            let copies = value.parse().ok().filter(|copies| *copies > 0);
            scenario.work.copies = copies.ok_or_else(|| wrong("1 to 255 is wanted".into()))?;
        }
        "duration" => {
            scenario.lasts = unit::duration(value).map_err(wrong)?.clamp(Duration::from_secs(1), super::LASTS_MAX);
        }
        "timeline" if value == "none" => {
            scenario.timeline.clear();
            scenario.sentences.clear();
        }
        "timeline" => return Err(wrong("a timeline can only be left out: timeline=none".into())),
        "rate" => scenario.work.rate = unit::rate(value).map_err(wrong)?,
        "batch" => scenario.work.batch_bytes = unit::bytes(value).map_err(wrong)?.clamp(1, super::BATCH_BYTES_MAX),
        "queries" => scenario.work.queries = unit::rate(value).map_err(wrong)?,
        "latency" => scenario.network.latency = unit::span(value).map_err(wrong)?,
        "loss" => scenario.network.loss_per_mille = unit::per_mille(value).map_err(wrong)?,
        "fsync" => {
            let (least, slow) = unit::span(value).map_err(wrong)?;
            scenario.disk.fsync = [least, (least + slow) / 2, slow];
        }
        _ => return change_config(&mut scenario.config, (key, value), wrong),
    }
    Ok(())
}

fn change_config(
    config: &mut Config,
    (key, value): (&str, &str),
    wrong: impl Fn(String) -> Mistake,
) -> Result<(), Mistake> {
    // The very reader of the file, so that both take the same keys and values.
    let quoted = if value.parse::<u64>().is_ok() { value.to_owned() } else { format!("'{value}'") };
    let line = format!("{key} = {quoted}");
    let keys: Vec<&str> = CHANGES
        .iter()
        .copied()
        .chain(TIMES.iter().map(|(key, _)| *key))
        .chain(SIZES.iter().map(|(key, _)| *key))
        .collect();
    if !keys.contains(&key) {
        return Err(Mistake::new(0..key.len(), "", format!("there is no setting `{key}`")).hint(suggestion(key, &keys)));
    }
    let document = DeTable::parse(&line).map_err(|error| wrong(error.message().to_owned()))?;
    let mut table = Table::new("", 0..0, document.get_ref());
    read(&mut table, config);
    match table.finish().into_iter().next() {
        Some(mistake) => Err(wrong(mistake.what)),
        None => Ok(()),
    }
}

const TIMES: &[(&str, Time)] = &[
    ("retention", |config| &mut config.retention),
    ("standin_after", |config| &mut config.standin_after),
    ("depart_after", |config| &mut config.depart_after),
    ("ack_timeout", |config| &mut config.ack_timeout),
    ("repair_interval", |config| &mut config.repair_interval),
    ("repair_grace", |config| &mut config.repair_grace),
    ("push_retry", |config| &mut config.push_retry),
    ("seal_after", |config| &mut config.seal_after),
    ("clock_skew_max", |config| &mut config.clock_skew_max),
    ("scrub_period", |config| &mut config.scrub_period),
    ("stop_timeout", |config| &mut config.stop_timeout),
];

const SIZES: &[(&str, Size)] = &[
    ("push_window", |config| &mut config.push_window_bytes),
    ("seal_bytes", |config| &mut config.seal_bytes),
    ("segment_bytes", |config| &mut config.segment_bytes_max),
];

/// What else can be changed from the command line.
const CHANGES: &[&str] = &[
    "copies",
    "duration",
    "timeline",
    "ack_copies",
    "rate",
    "batch",
    "queries",
    "latency",
    "loss",
    "fsync",
    "repair_rate",
    "segment_batches",
];
