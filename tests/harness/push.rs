//! Records and the ways in which clients push them.

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use flate2::Compression;
use flate2::write::GzEncoder;
use prost::Message;
use serde_json::json;

use super::{Client, Reply};

/// One log line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// Nanoseconds since the epoch.
    pub(crate) at: u64,
    pub(crate) line: String,
}

/// A way in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    LokiJson,
    LokiProtobuf,
    OtlpJson,
    OtlpProtobuf,
    Lines,
}

impl Protocol {
    /// All of them.
    pub(crate) const ALL: [Self; 5] =
        [Self::LokiJson, Self::LokiProtobuf, Self::OtlpJson, Self::OtlpProtobuf, Self::Lines];

    /// Returns the selector that finds what `app` pushed this way.
    pub(crate) fn selector(self, app: &str) -> String {
        match self {
            Self::LokiJson | Self::LokiProtobuf | Self::Lines => format!("{{app={app:?}}}"),
            Self::OtlpJson | Self::OtlpProtobuf => format!("{{service_name={app:?}}}"),
        }
    }

    /// Returns the path, with the labels where they are part of it.
    pub(crate) fn path(self, app: &str) -> String {
        match self {
            Self::LokiJson | Self::LokiProtobuf => "/loki/api/v1/push".to_owned(),
            Self::OtlpJson | Self::OtlpProtobuf => "/otlp/v1/logs".to_owned(),
            Self::Lines => format!("/logmesh/v1/lines?app={app}"),
        }
    }

    /// Returns the media type of the body.
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::LokiJson | Self::OtlpJson => "application/json",
            Self::LokiProtobuf | Self::OtlpProtobuf => "application/x-protobuf",
            Self::Lines => "text/plain",
        }
    }

    /// Returns the status of a push that went well.
    pub(crate) fn good_status(self) -> u16 {
        match self {
            Self::OtlpJson | Self::OtlpProtobuf => 200,
            Self::LokiJson | Self::LokiProtobuf | Self::Lines => 204,
        }
    }

    /// Returns the body.
    pub(crate) fn encode(self, app: &str, records: &[Record]) -> Vec<u8> {
        match self {
            Self::LokiJson => loki_json(app, records),
            Self::LokiProtobuf => loki_protobuf(app, records),
            Self::OtlpJson => otlp_json(app, records),
            Self::OtlpProtobuf => otlp_protobuf(app, records),
            Self::Lines => lines(records),
        }
    }

    /// Pushes; `parameters` such as `copies=3` are added to the path.
    pub(crate) fn push(
        self,
        client: &Client,
        app: &str,
        records: &[Record],
        parameters: &str,
    ) -> Result<Reply, ureq::Error> {
        let path = with_parameters(self.path(app), parameters);
        client.post(&path, &[("content-type", self.content_type())], &self.encode(app, records))
    }

    /// Pushes a body compressed with gzip.
    pub(crate) fn push_gzip(self, client: &Client, app: &str, records: &[Record]) -> Result<Reply, ureq::Error> {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(&self.encode(app, records)).expect("memory takes all");
        let body = gzip.finish().expect("memory takes all");
        client.post(&self.path(app), &[("content-type", self.content_type()), ("content-encoding", "gzip")], &body)
    }

    /// Pushes what must be accepted. Returns in how many copies it is durable.
    pub(crate) fn push_well(self, client: &Client, app: &str, records: &[Record]) -> u64 {
        let reply = self.push(client, app, records, "").unwrap_or_else(|error| panic!("{self:?}: {error}"));
        assert_eq!(reply.status, self.good_status(), "{self:?}: {}", reply.text());
        reply.copies()
    }
}

/// Returns `count` records, each with a line and a nanosecond that no other of this process has. They are a minute to
/// two old, and in order.
pub(crate) fn records(count: usize) -> Vec<Record> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let from = NEXT.fetch_add(count as u64, Ordering::Relaxed);
    let base = base_nanos();
    (from..from + count as u64)
        .map(|number| Record {
            at: base + number * NANOS_APART,
            line: format!("id={number:08} level=info method=GET path=/item/{} status=200", number % 977),
        })
        .collect()
}

/// Returns the time now in nanoseconds since the epoch.
pub(crate) fn now_nanos() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970");
    u64::try_from(now.as_nanos()).expect("the clock is before 2554")
}

/// Two minutes before the first record was asked for: the same for all, so that nanoseconds stay apart.
fn base_nanos() -> u64 {
    static BASE: std::sync::OnceLock<u64> = std::sync::OnceLock::new();
    *BASE.get_or_init(|| now_nanos() - 120_000_000_000)
}

fn with_parameters(path: String, parameters: &str) -> String {
    match (parameters.is_empty(), path.contains('?')) {
        (true, _) => path,
        (false, true) => format!("{path}&{parameters}"),
        (false, false) => format!("{path}?{parameters}"),
    }
}

fn loki_json(app: &str, records: &[Record]) -> Vec<u8> {
    let values: Vec<_> = records.iter().map(|record| json!([record.at.to_string(), record.line])).collect();
    json!({ "streams": [{ "stream": { "app": app, "job": "e2e" }, "values": values }] }).to_string().into_bytes()
}

fn loki_protobuf(app: &str, records: &[Record]) -> Vec<u8> {
    let entries = records.iter().map(|record| Entry {
        timestamp: Some(Timestamp { seconds: (record.at / SECOND) as i64, nanos: (record.at % SECOND) as i32 }),
        line: record.line.clone(),
    });
    let labels = format!("{{app={app:?}, job=\"e2e\"}}");
    let request = PushRequest { streams: vec![Stream { labels, entries: entries.collect() }] };
    snap::raw::Encoder::new().compress_vec(&request.encode_to_vec()).expect("snappy takes what fits memory")
}

fn otlp_json(app: &str, records: &[Record]) -> Vec<u8> {
    let of = |record: &Record| json!({ "timeUnixNano": record.at.to_string(), "body": { "stringValue": record.line } });
    let records: Vec<_> = records.iter().map(of).collect();
    let resource = json!({ "attributes": [{ "key": "service.name", "value": { "stringValue": app } }] });
    let request = json!({ "resourceLogs": [{ "resource": resource, "scopeLogs": [{ "logRecords": records }] }] });
    request.to_string().into_bytes()
}

fn otlp_protobuf(app: &str, records: &[Record]) -> Vec<u8> {
    let text = |text: &str| Some(AnyValue { string_value: text.to_owned() });
    let of = |record: &Record| LogRecord { time_unix_nano: record.at, body: text(&record.line) };
    let name = KeyValue { key: "service.name".to_owned(), value: text(app) };
    let scope_logs = vec![ScopeLogs { log_records: records.iter().map(of).collect() }];
    let resource_logs = vec![ResourceLogs { resource: Some(Resource { attributes: vec![name] }), scope_logs }];
    ExportLogs { resource_logs }.encode_to_vec()
}

fn lines(records: &[Record]) -> Vec<u8> {
    records.iter().flat_map(|record| [record.line.as_bytes(), b"\n"].concat()).collect()
}

/// `logproto.PushRequest` (Loki documentation, "Ingest logs").
#[derive(Clone, PartialEq, Message)]
struct PushRequest {
    #[prost(message, repeated, tag = "1")]
    streams: Vec<Stream>,
}

#[derive(Clone, PartialEq, Message)]
struct Stream {
    #[prost(string, tag = "1")]
    labels: String,
    #[prost(message, repeated, tag = "2")]
    entries: Vec<Entry>,
}

#[derive(Clone, PartialEq, Message)]
struct Entry {
    #[prost(message, optional, tag = "1")]
    timestamp: Option<Timestamp>,
    #[prost(string, tag = "2")]
    line: String,
}

#[derive(Clone, PartialEq, Message)]
struct Timestamp {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

/// The part of OTLP's `ExportLogsServiceRequest` that is needed here (opentelemetry-proto, logs/v1/logs.proto).
#[derive(Clone, PartialEq, Message)]
struct ExportLogs {
    #[prost(message, repeated, tag = "1")]
    resource_logs: Vec<ResourceLogs>,
}

#[derive(Clone, PartialEq, Message)]
struct ResourceLogs {
    #[prost(message, optional, tag = "1")]
    resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    scope_logs: Vec<ScopeLogs>,
}

#[derive(Clone, PartialEq, Message)]
struct Resource {
    #[prost(message, repeated, tag = "1")]
    attributes: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct ScopeLogs {
    #[prost(message, repeated, tag = "2")]
    log_records: Vec<LogRecord>,
}

#[derive(Clone, PartialEq, Message)]
struct LogRecord {
    #[prost(fixed64, tag = "1")]
    time_unix_nano: u64,
    #[prost(message, optional, tag = "5")]
    body: Option<AnyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct KeyValue {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(message, optional, tag = "2")]
    value: Option<AnyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct AnyValue {
    #[prost(string, tag = "1")]
    string_value: String,
}

const SECOND: u64 = 1_000_000_000;
const NANOS_APART: u64 = 1_000;
