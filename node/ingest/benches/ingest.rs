//! Prints how many bytes of log lines each decoder takes in a second of CPU time on one core.
//!
//! `cargo bench -p logmesh-ingest`. The logs are generated to look like real ones: web access lines, `key=value` lines and
//! JSON lines, ten streams, a thousand records a stream. Compression is not counted, except snappy, which is the format.

use std::fmt::Write;
use std::hint::black_box;
use std::time::{Duration, Instant};

use logmesh_ingest::{Accepted, Limits, lines, loki_push, otlp};
use logmesh_protocol::time::Timestamp;
use prost::Message;

fn main() {
    let (limits, logs) = (Limits::default(), logs());
    let bytes: usize = logs.iter().flat_map(|(_, lines)| lines.iter().map(String::len)).sum();
    println!("{:<16} {:>8} {:>10} {:>12} {:>12}", "", "MB/s", "ns/record", "body bytes", "line bytes");
    // `cargo bench -p logmesh-ingest -- json` runs those with "json" in their names; cargo itself adds `--bench`.
    let chosen: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let report = |name: &str, body: &[u8], decode: &dyn Fn(&[u8]) -> Accepted| {
        if !chosen.iter().all(|word| name.contains(word.as_str())) {
            return;
        }
        let accepted = decode(body);
        assert_eq!((accepted.lines_bytes, accepted.rejected.count), (bytes as u64, 0), "{name}");
        let seconds = best_seconds(|| drop(black_box(decode(black_box(body)))));
        let (megabytes, nanos) = (bytes as f64 / seconds / 1e6, seconds * 1e9 / accepted.record_count as f64);
        println!("{name:<16} {megabytes:>8.0} {nanos:>10.0} {:>12} {bytes:>12}", body.len());
    };
    let push = |result: Result<Accepted, logmesh_ingest::BodyError>| result.expect("the body is whole");
    report("loki protobuf", &loki_protobuf(&logs), &|body| push(loki_push::decode_protobuf(body, &limits, NOW)));
    report("loki json", &loki_json(&logs), &|body| push(loki_push::decode_json(body, &limits, NOW)));
    report("otlp protobuf", &otlp_request(&logs).encode_to_vec(), &|body| {
        push(otlp::decode_protobuf(body, &limits, NOW))
    });
    let json = serde_json::to_vec(&otlp_request(&logs)).expect("a request is JSON");
    report("otlp json", &json, &|body| push(otlp::decode_json(body, &limits, NOW)));
    let labels = [("app".to_owned(), "web".to_owned())];
    let plain: Vec<&str> = logs.iter().flat_map(|(_, lines)| lines.iter().map(String::as_str)).collect();
    let body = plain.join("\n");
    report("lines", body.as_bytes(), &|body| push(lines::decode(body, &labels, &limits, NOW)));
    // What finding the levels of lines costs: the same without, and what the difference is as a speed of its own.
    let without = Limits { detect_levels: false, ..Limits::default() };
    report("lines, no levels", body.as_bytes(), &|body| push(lines::decode(body, &labels, &without, NOW)));
    let seconds = |limits: &Limits| {
        best_seconds(|| drop(black_box(lines::decode(black_box(body.as_bytes()), &labels, limits, NOW))))
    };
    let cost = (seconds(&limits) - seconds(&without)).max(1e-9);
    println!("levels alone: {:.0} MB/s, {:.0} ns/record", bytes as f64 / cost / 1e6, cost * 1e9 / plain.len() as f64);
}

/// Returns the least CPU time of a run among ten rounds, for the machine does other things too. A round is long enough for
/// the kernel's accounting, which steps with its ticks.
fn best_seconds(mut run: impl FnMut()) -> f64 {
    let round = |run: &mut dyn FnMut()| {
        let (before, began, mut runs) = (cpu_nanos(), Instant::now(), 0);
        while began.elapsed() < Duration::from_millis(200) {
            run();
            runs += 1;
        }
        (cpu_nanos() - before) as f64 / 1e9 / f64::from(runs)
    };
    (0..10).map(|_| round(&mut run)).fold(f64::MAX, f64::min)
}

/// Nanoseconds that this thread has run (proc(5), `schedstat`).
fn cpu_nanos() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux has it");
    text.split(' ').next().and_then(|nanos| nanos.parse().ok()).expect("its first number is the time on the CPU")
}

type Logs = Vec<(Vec<(&'static str, String)>, Vec<String>)>;

fn logs() -> Logs {
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut draw = move |below: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % below
    };
    (0..10)
        .map(|stream| {
            let labels = vec![("app", format!("app-{}", stream % 4)), ("host", format!("node-{stream}"))];
            (labels, (0..1000).map(|_| line(stream % 3, &mut draw)).collect())
        })
        .collect()
}

fn line(kind: u64, draw: &mut dyn FnMut(u64) -> u64) -> String {
    let (user, bytes, status) = (draw(5000), draw(100_000), [200, 200, 200, 304, 404, 500][draw(6) as usize]);
    let path = ["/", "/index.html", "/api/v1/orders", "/static/app.js", "/api/v1/users/me/settings"][draw(5) as usize];
    match kind {
        0 => format!(
            "10.{}.{}.{} - - [14/Nov/2023:22:{:02}:{:02} +0000] \"GET {path}?id={user} HTTP/1.1\" {status} {bytes} \"-\" \
             \"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/119.0 Safari/537.36\"",
            draw(256),
            draw(256),
            draw(256),
            draw(60),
            draw(60)
        ),
        1 => format!(
            "ts=2023-11-14T22:{:02}:{:02}.{:03}Z level=info caller=server.go:{} msg=\"request done\" path={path} \
             user={user} status={status} bytes={bytes} took={}ms trace={:016x}",
            draw(60),
            draw(60),
            draw(1000),
            draw(900),
            draw(3000),
            draw(u64::MAX)
        ),
        _ => format!(
            "{{\"level\":\"info\",\"logger\":\"http\",\"msg\":\"request done\",\"path\":\"{path}\",\"user\":{user},\
             \"status\":{status},\"bytes\":{bytes},\"took_ms\":{},\"trace\":\"{:016x}\",\"span\":\"{:08x}\"}}",
            draw(3000),
            draw(u64::MAX),
            draw(u64::MAX)
        ),
    }
}

fn timestamps() -> impl Iterator<Item = i64> {
    (0..).map(|at| NOW.as_nanos() - 60_000_000_000 + at * 1_234_567)
}

fn loki_json(logs: &Logs) -> Vec<u8> {
    let mut out = String::from("{\"streams\":[");
    for (at, (labels, lines)) in logs.iter().enumerate() {
        let labels: Vec<String> = labels.iter().map(|(name, value)| format!("\"{name}\":\"{value}\"")).collect();
        let comma = if at == 0 { "" } else { "," };
        write!(out, "{comma}{{\"stream\":{{{}}},\"values\":[", labels.join(",")).expect("a string takes all");
        for (at, (line, nanos)) in lines.iter().zip(timestamps()).enumerate() {
            let (comma, line) = (if at == 0 { "" } else { "," }, serde_json::to_string(line).expect("text is JSON"));
            write!(out, "{comma}[\"{nanos}\",{line}]").expect("a string takes all");
        }
        out.push_str("]}");
    }
    out.push_str("]}");
    out.into_bytes()
}

fn loki_protobuf(logs: &Logs) -> Vec<u8> {
    let streams = logs.iter().map(|(labels, lines)| {
        let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
        let entries = lines.iter().zip(timestamps()).map(|(line, nanos)| {
            let (seconds, nanos) = (nanos / 1_000_000_000, (nanos % 1_000_000_000) as i32);
            Entry { timestamp: Some(Time { seconds, nanos }), line: line.clone() }
        });
        Stream { labels: format!("{{{}}}", labels.join(", ")), entries: entries.collect() }
    });
    let raw = PushRequest { streams: streams.collect() }.encode_to_vec();
    snap::raw::Encoder::new().compress_vec(&raw).expect("it is small enough")
}

fn otlp_request(logs: &Logs) -> opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest {
    use opentelemetry_proto::tonic::common::v1::any_value::Value;
    use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
    use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
    use opentelemetry_proto::tonic::resource::v1::Resource;

    let text = |text: &str| Some(AnyValue { value: Some(Value::StringValue(text.to_owned())) });
    let entry = |key: &str, value: &str| KeyValue { key: key.to_owned(), value: text(value), key_strindex: 0 };
    let logs = logs.iter().map(|(labels, lines)| {
        let records = lines.iter().zip(timestamps()).map(|(line, nanos)| LogRecord {
            time_unix_nano: nanos as u64,
            observed_time_unix_nano: nanos as u64,
            severity_number: 9,
            severity_text: "INFO".into(),
            body: text(line),
            attributes: vec![entry("log.file.name", "app.log"), entry("thread", "main")],
            trace_id: nanos.to_be_bytes().repeat(2),
            span_id: nanos.to_be_bytes().to_vec(),
            ..LogRecord::default()
        });
        let (service, host) = (entry("service.name", &labels[0].1), entry("host.name", &labels[1].1));
        ResourceLogs {
            resource: Some(Resource { attributes: vec![service, host], ..Resource::default() }),
            scope_logs: vec![ScopeLogs {
                scope: Some(InstrumentationScope { name: "app".into(), ..InstrumentationScope::default() }),
                log_records: records.collect(),
                schema_url: String::new(),
            }],
            schema_url: String::new(),
        }
    });
    let resource_logs = logs.collect();
    opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest { resource_logs }
}

/// `logproto.PushRequest`, as Loki's clients write it.
#[derive(Clone, PartialEq, prost::Message)]
struct PushRequest {
    #[prost(message, repeated, tag = "1")]
    streams: Vec<Stream>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Stream {
    #[prost(string, tag = "1")]
    labels: String,
    #[prost(message, repeated, tag = "2")]
    entries: Vec<Entry>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Entry {
    #[prost(message, optional, tag = "1")]
    timestamp: Option<Time>,
    #[prost(string, tag = "2")]
    line: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Time {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

const NOW: Timestamp = Timestamp::from_nanos(1_700_000_000_000_000_000);
