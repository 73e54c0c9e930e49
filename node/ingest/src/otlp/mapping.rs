//! How OTLP's fields become labels, metadata and a line.

use std::borrow::Cow;

use logmesh_protocol::record::Labels;
use logmesh_protocol::time::Timestamp;

use super::model::{Attributes, LogRecord, Scope};
use super::value::Value;
use crate::accepted::Accepted;
use crate::body::BodyError;
use crate::intake::{Flaw, Intake, StreamAt};
use crate::labels::{SERVICE_NAME, UNKNOWN_SERVICE, with_service_name};
use crate::limits::Limits;
use crate::metadata::{Metadata, sanitised};

/// The records of one request on their way from OTLP's model to ours.
pub(super) struct Mapping<'a> {
    intake: Intake<'a>,
    now: i64,
    metadata: Metadata,
    text_bytes_max: usize,
}

/// What all records of one resource, or of one scope in it, share.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    stream: StreamAt,
    shared: Metadata,
    resource_entries: usize,
    flaw: Option<Flaw>,
}

impl<'a> Mapping<'a> {
    pub(super) fn new(limits: &'a Limits, now: Timestamp) -> Self {
        Self {
            intake: Intake::new(limits, now),
            now: now.as_nanos(),
            metadata: Metadata::new(limits),
            text_bytes_max: limits.line_bytes_max.max(limits.metadata_bytes_max),
        }
    }

    /// Takes the attributes of a resource, which is spelled `spelling` in the body. An attribute that does not fit into a
    /// label, or for which the stream has no room left, becomes metadata rather than be lost.
    pub(super) fn resource(&mut self, spelling: &'a [u8], attributes: &Attributes<'_>, flaw: Option<Flaw>) -> Origin {
        let mut shared = Metadata::new(self.intake.limits());
        let labels = labels_of(attributes, self.intake.limits());
        for (key, value) in attributes {
            let name = sanitised(key);
            if is_label(key) && labels.value(&name) == Some(&*value.to_text(self.text_bytes_max)) {
                continue;
            }
            value.put_metadata(key, &mut shared, self.text_bytes_max);
        }
        let resource_entries = shared.len();
        Origin { stream: self.intake.stream(spelling, || Ok(labels)), shared, resource_entries, flaw }
    }

    /// Takes a scope within `resource`.
    pub(super) fn scope(&mut self, resource: &Origin, scope: &Scope<'_>, flaw: Option<Flaw>) -> Origin {
        let mut origin = resource.clone();
        for (name, value) in [("scope_name", &scope.name), ("scope_version", &scope.version)] {
            if !value.is_empty() {
                origin.shared.put(name, value);
            }
        }
        for (key, value) in &scope.attributes {
            value.put_metadata(key, &mut origin.shared, self.text_bytes_max);
        }
        origin.flaw = origin.flaw.or(flaw).or_else(|| origin.shared.flaw().cloned());
        origin
    }

    /// Takes a record of the scope `origin`.
    pub(super) fn record(
        &mut self,
        origin: &Origin,
        record: &LogRecord<'_>,
        flaw: Option<Flaw>,
    ) -> Result<(), BodyError> {
        if let Some(flaw) = origin.flaw.as_ref().or(flaw.as_ref()) {
            self.intake.reject(origin.stream, flaw);
            return Ok(());
        }
        self.gather(origin, record);
        let timestamp = [record.time_unix_nano, record.observed_time_unix_nano].into_iter().find(|time| *time != 0);
        let timestamp = timestamp.map_or(self.now, |time| i64::try_from(time).unwrap_or(i64::MAX));
        let line = match &record.body {
            Value::Text(text) => Cow::Borrowed(&**text),
            other => other.to_text(self.text_bytes_max),
        };
        self.intake.push(origin.stream, timestamp, &self.metadata, &line)
    }

    /// Gathers a record's metadata: its own fields, its attributes, then what it shares. Where a shared name is taken, the
    /// shared entry gets `resource_` or `scope_` before it, so that neither is lost.
    fn gather(&mut self, origin: &Origin, record: &LogRecord<'_>) {
        let metadata = &mut self.metadata;
        metadata.clear();
        for (name, number) in [
            ("observed_timestamp", record.observed_time_unix_nano),
            ("severity_number", u64::from(record.severity_number)),
            ("flags", u64::from(record.flags)),
            ("dropped_attributes_count", u64::from(record.dropped_attributes_count)),
        ] {
            if number != 0 {
                metadata.put_name(name, decimal(number, &mut [0; 20]));
            }
        }
        for (name, text) in [
            ("severity_text", &record.severity_text),
            ("trace_id", &record.trace_id),
            ("span_id", &record.span_id),
            ("event_name", &record.event_name),
        ] {
            if !text.is_empty() {
                metadata.put_name(name, text);
            }
        }
        for (key, value) in &record.attributes {
            value.put_metadata(key, metadata, self.text_bytes_max);
        }
        metadata.put_shared(&origin.shared, |at| if at < origin.resource_entries { "resource_" } else { "scope_" });
    }

    pub(super) fn finish(self) -> Accepted {
        self.intake.finish()
    }
}

/// Returns the labels of a resource with these attributes: at least `service_name`, for a stream needs one.
fn labels_of(attributes: &Attributes<'_>, limits: &Limits) -> Labels {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for wanted in LABEL_ATTRIBUTES {
        let Some((_, value)) = attributes.iter().find(|(key, _)| key == wanted) else { continue };
        let (name, value) = (sanitised(wanted), value.to_text(limits.label_value_bytes_max));
        if value.is_empty() || value.len() > limits.label_value_bytes_max || name.len() > limits.label_name_bytes_max {
            continue;
        }
        // The attribute that names the service comes first; where it did not, its place is kept for what will be found.
        let kept = usize::from(name != SERVICE_NAME && pairs.first().is_none_or(|(first, _)| first != SERVICE_NAME));
        if pairs.len() + kept < limits.label_names_max {
            pairs.push((name, value.into_owned()));
        }
    }
    if pairs.is_empty() {
        pairs.push((SERVICE_NAME.to_owned(), UNKNOWN_SERVICE.to_owned()));
    }
    with_service_name(Labels::new(pairs), limits)
}

/// Writes `number` into the end of `digits`; the formatting machinery would allocate.
fn decimal(mut number: u64, digits: &mut [u8; 20]) -> &str {
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return std::str::from_utf8(&digits[at..]).unwrap_or_default();
        }
    }
}

fn is_label(key: &str) -> bool {
    LABEL_ATTRIBUTES.contains(&key)
}

/// The resource attributes that become labels, those first that are most worth it: Loki's default list
/// (`default_resource_attributes_as_index_labels`). There are more of them than `label_names_max`.
const LABEL_ATTRIBUTES: [&str; 18] = [
    "service.name",
    "service.namespace",
    "service.instance.id",
    "deployment.environment",
    "deployment.environment.name",
    "cloud.region",
    "cloud.availability_zone",
    "k8s.cluster.name",
    "k8s.namespace.name",
    "k8s.pod.name",
    "k8s.container.name",
    "container.name",
    "k8s.deployment.name",
    "k8s.statefulset.name",
    "k8s.daemonset.name",
    "k8s.cronjob.name",
    "k8s.job.name",
    "k8s.replicaset.name",
];
