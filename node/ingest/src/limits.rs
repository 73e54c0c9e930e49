//! What one request may bring. All are settings; the defaults that clients know are those of Loki 3.

use std::time::Duration;

use logmesh_protocol::batch::BATCH_BYTES_MAX;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::labels::SERVICE_NAME;
use crate::level::ENTRY_BYTES_MAX;

/// The bounds of one request. Bytes are bytes, times are wall-clock time against the `now` of the request.
///
/// A record beyond a bound is rejected by name and the rest of its request kept, unless said otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// The most bytes of a line. Loki's `max_line_size`.
    pub line_bytes_max: usize,
    /// The most labels of a stream. Loki's `max_label_names_per_series`.
    pub label_names_max: usize,
    /// The most bytes of a label's name. Loki's `max_label_name_length`.
    pub label_name_bytes_max: usize,
    /// The most bytes of a label's value. Loki's `max_label_value_length`.
    pub label_value_bytes_max: usize,
    /// The most bytes of a record's metadata, names and values together. Loki's `max_structured_metadata_size`.
    pub metadata_bytes_max: usize,
    /// The most metadata entries of a record. Loki's `max_structured_metadata_entries_count`.
    pub metadata_entries_max: usize,
    /// Whether records get the metadata entry `detected_level`. Loki's `discover_log_levels`.
    pub detect_levels: bool,
    /// The labels that name the service of a stream, the first that is there being the one; a stream without `service_name`
    /// gets it from them, or `unknown_service`. None: streams stay as they were sent. Loki's `discover_service_name`.
    pub discover_service_name: Vec<String>,
    /// How far in the future a record may lie. Loki's `creation_grace_period`.
    #[serde(rename = "future_seconds_max", with = "seconds")]
    pub future_max: Duration,
    /// How far in the past a record may lie. Loki's `reject_old_samples_max_age`.
    #[serde(rename = "past_seconds_max", with = "seconds")]
    pub past_max: Duration,
    /// The most bytes of a decompressed body; a larger one is refused whole. Loki's `max_decompressed_size`.
    pub body_bytes_max: usize,
    /// A chunk is closed before it grows beyond this; only a single larger record makes a larger one. Well under the
    /// 8 MiB of a batch, so that chunks pack well into batches; the number is a guess.
    pub chunk_bytes_max: usize,
    /// The most bytes of all chunks of one request; one that makes more is refused whole. It bounds what a small body can
    /// blow up to by repeating resource attributes or labels. A guess: any body of plain lines stays below it.
    pub chunks_bytes_max: usize,
    /// The most streams of one request, bad ones included. A guess: a hundred times what shippers send.
    pub streams_max: usize,
    /// The most windows (hours of record time) that one request may touch. A guess: the default `past_max` has 169.
    pub windows_max: usize,
}

impl Limits {
    /// Checks that the limits fit each other: that the largest record fits into a batch, and that no limit is zero.
    pub fn check(&self) -> Result<(), LimitsError> {
        let bounds = [
            ("line_bytes_max", self.line_bytes_max),
            ("label_names_max", self.label_names_max),
            ("label_name_bytes_max", self.label_name_bytes_max),
            ("label_value_bytes_max", self.label_value_bytes_max),
            ("body_bytes_max", self.body_bytes_max),
            ("chunk_bytes_max", self.chunk_bytes_max),
            ("chunks_bytes_max", self.chunks_bytes_max),
            ("streams_max", self.streams_max),
            ("windows_max", self.windows_max),
        ];
        if let Some((name, _)) = bounds.iter().find(|(_, bound)| *bound == 0) {
            return Err(LimitsError::Zero(name));
        }
        if self.chunk_bytes_max > BATCH_BYTES_MAX / 2 {
            return Err(LimitsError::Chunk(self.chunk_bytes_max));
        }
        let record = self.record_bytes_max();
        if record > BATCH_BYTES_MAX / 2 { Err(LimitsError::Record(record)) } else { Ok(()) }
    }

    /// Returns the most bytes that a chunk of one record can have.
    fn record_bytes_max(&self) -> usize {
        let label = self.label_name_bytes_max.saturating_add(self.label_value_bytes_max).saturating_add(LENGTHS_BYTES);
        // One more than may be sent: the name of the service.
        let labels = label.saturating_mul(self.label_names_max.saturating_add(1)).saturating_add(SERVICE_NAME.len());
        let metadata = self.metadata_entries_max.saturating_mul(LENGTHS_BYTES).saturating_add(self.metadata_bytes_max);
        self.line_bytes_max.saturating_add(labels).saturating_add(metadata).saturating_add(ENTRY_BYTES_MAX)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            line_bytes_max: 256 << 10,
            label_names_max: 15,
            label_name_bytes_max: 1024,
            label_value_bytes_max: 2048,
            metadata_bytes_max: 64 << 10,
            metadata_entries_max: 128,
            detect_levels: true,
            discover_service_name: SERVICE_LABELS.map(str::to_owned).to_vec(),
            future_max: Duration::from_secs(10 * 60),
            past_max: Duration::from_secs(7 * 86_400),
            body_bytes_max: 100 << 20,
            chunk_bytes_max: 1 << 20,
            chunks_bytes_max: 128 << 20,
            streams_max: 10_000,
            windows_max: 256,
        }
    }
}

/// Limits that do not fit each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum LimitsError {
    /// A limit is zero, so that nothing could come in.
    #[error("{0} is 0, so nothing could come in; set it to at least 1")]
    Zero(&'static str),
    /// Chunks would not fit into a batch.
    #[error("chunk_bytes_max is {0}; it can be at most half a batch ({max} bytes)", max = BATCH_BYTES_MAX / 2)]
    Chunk(usize),
    /// A record would not fit into a batch.
    #[error(
        "a record could have {0} bytes (line_bytes_max, metadata_bytes_max and all labels together); lower them so that \
         it has at most half a batch ({max} bytes)",
        max = BATCH_BYTES_MAX / 2
    )]
    Record(usize),
}

mod seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(duration.as_secs())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_secs)
    }
}

/// The labels that Loki takes for the name of a service, and in which order (Loki documentation, "Understand labels").
const SERVICE_LABELS: [&str; 10] = [
    "service",
    "app",
    "application",
    "name",
    "app_kubernetes_io_name",
    "container",
    "container_name",
    "component",
    "workload",
    "job",
];

/// The lengths before a name and a value, at their longest below 2 MiB, with room for the record's own.
const LENGTHS_BYTES: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_fit_each_other_and_survive_a_settings_file() {
        let limits = Limits::default();
        assert_eq!(limits.check(), Ok(()));
        let text = toml::to_string(&limits).unwrap();
        assert!(text.contains("past_seconds_max = 604800"), "{text}");
        assert_eq!(toml::from_str::<Limits>(&text).unwrap(), limits);
        assert_eq!(toml::from_str::<Limits>("").unwrap(), limits);
        assert!(toml::from_str::<Limits>("line_byte_max = 3").is_err());
    }

    #[test]
    fn limits_that_do_not_fit_are_named() {
        let with = |change: fn(&mut Limits)| {
            let mut limits = Limits::default();
            change(&mut limits);
            limits.check()
        };
        assert_eq!(with(|limits| limits.streams_max = 0), Err(LimitsError::Zero("streams_max")));
        assert_eq!(with(|limits| limits.chunk_bytes_max = 5 << 20), Err(LimitsError::Chunk(5 << 20)));
        assert!(matches!(with(|limits| limits.line_bytes_max = 5 << 20), Err(LimitsError::Record(_))));
        assert!(matches!(with(|limits| limits.label_names_max = usize::MAX), Err(LimitsError::Record(_))));
    }
}
