//! Both forms of OTLP against the reference types of the `opentelemetry-proto` crate.

use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_assert_eq, prop_oneof, proptest};
use prost::Message;

use super::*;
use crate::Limits;
use crate::sample::{NOW, Row, broken, rows};

fn value(value: Any) -> AnyValue {
    AnyValue { value: Some(value) }
}

fn text(text: &str) -> AnyValue {
    value(Any::StringValue(text.to_owned()))
}

fn entry(key: &str, value: AnyValue) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(value), key_strindex: 0 }
}

fn resource_logs(resource: Option<Vec<KeyValue>>, records: Vec<LogRecord>) -> ResourceLogs {
    let scope = Some(InstrumentationScope {
        name: "lib".into(),
        version: "1.0".into(),
        attributes: vec![entry("scope.x", text("y"))],
        dropped_attributes_count: 0,
    });
    ResourceLogs {
        resource: resource.map(|attributes| Resource { attributes, ..Resource::default() }),
        scope_logs: vec![ScopeLogs { scope, log_records: records, schema_url: "s".into() }],
        schema_url: "s".into(),
    }
}

fn record(body: &str) -> LogRecord {
    LogRecord { time_unix_nano: NOW.as_nanos() as u64, body: Some(text(body)), ..LogRecord::default() }
}

fn request(resource: Vec<KeyValue>, records: Vec<LogRecord>) -> ExportLogsServiceRequest {
    ExportLogsServiceRequest { resource_logs: vec![resource_logs(Some(resource), records)] }
}

/// Decodes both forms, which must say the same.
fn decode(request: &ExportLogsServiceRequest, limits: &Limits) -> Accepted {
    let json = serde_json::to_vec(request).unwrap();
    let from_protobuf = decode_protobuf(&request.encode_to_vec(), limits, NOW).unwrap();
    let from_json = decode_json(&json, limits, NOW).unwrap();
    assert_eq!(rows(&from_json), rows(&from_protobuf), "{}", String::from_utf8_lossy(&json));
    assert_eq!(from_json.rejected.count, from_protobuf.rejected.count);
    from_protobuf
}

fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

const SCOPE: [(&str, &str); 3] = [("scope_name", "lib"), ("scope_version", "1.0"), ("scope_x", "y")];

fn check(resource: Vec<KeyValue>, log_record: LogRecord, wanted: (&str, &[(&str, &str)], &str)) {
    let accepted = decode(&request(resource, vec![log_record]), &Limits::default());
    let row: Row = (wanted.0.to_owned(), NOW.as_nanos(), owned(wanted.1), wanted.2.to_owned());
    assert_eq!(rows(&accepted), [row]);
}

#[test]
fn every_field_has_its_place() {
    let resource = vec![
        entry("service.name", text("web")),
        entry("k8s.pod.name", text("web-1")),
        entry("host.name", text("h")),
        entry("deployment.environment", value(Any::IntValue(3))),
    ];
    let full = LogRecord {
        observed_time_unix_nano: 7,
        severity_number: 9,
        severity_text: "INFO".into(),
        attributes: vec![entry("http.status", value(Any::IntValue(200))), entry("host.name", text("mine"))],
        dropped_attributes_count: 2,
        flags: 1,
        trace_id: (0..16).collect(),
        span_id: vec![0xab; 8],
        event_name: "e".into(),
        ..record("line")
    };
    let own = [
        ("observed_timestamp", "7"),
        ("severity_number", "9"),
        ("flags", "1"),
        ("dropped_attributes_count", "2"),
        ("severity_text", "INFO"),
        ("trace_id", "000102030405060708090a0b0c0d0e0f"),
        ("span_id", "abababababababab"),
        ("event_name", "e"),
        ("http_status", "200"),
        ("host_name", "mine"),
        ("resource_host_name", "h"),
    ];
    let labels = r#"{deployment_environment="3", k8s_pod_name="web-1", service_name="web"}"#;
    check(resource, full, (labels, &[&own[..], &SCOPE].concat(), "line"));
}

#[test]
fn values_that_are_not_strings_keep_their_meaning() {
    let list = value(Any::ArrayValue(ArrayValue { values: vec![text("a\n"), value(Any::BoolValue(true))] }));
    let map = value(Any::KvlistValue(KeyValueList {
        values: vec![entry("b", value(Any::DoubleValue(0.5))), entry("c.d", list.clone())],
    }));
    let attributes = vec![
        entry("bytes", value(Any::BytesValue(vec![0, 255]))),
        entry("list", list),
        entry("map", map.clone()),
        entry("big", value(Any::IntValue(i64::MIN))),
        KeyValue { key: "none".into(), ..KeyValue::default() },
    ];
    let wanted = [
        ("bytes", "AP8="),
        ("list", r#"["a\n",true]"#),
        ("map_b", "0.5"),
        ("map_c_d", r#"["a\n",true]"#),
        ("big", "-9223372036854775808"),
    ];
    let with = |body| LogRecord { body, attributes: attributes.clone(), ..record("") };
    let metadata = [&wanted[..], &SCOPE].concat();
    let labels = r#"{service_name="unknown_service"}"#;
    check(vec![], with(Some(map)), (labels, &metadata, r#"{"b":0.5,"c.d":["a\n",true]}"#));
    check(vec![], with(Some(value(Any::IntValue(5)))), (labels, &metadata, "5"));
    check(vec![], with(None), (labels, &metadata, ""));
}

#[test]
fn a_record_without_time_has_the_observed_one_or_now() {
    let timeless = |observed_time_unix_nano| LogRecord { time_unix_nano: 0, observed_time_unix_nano, ..record("x") };
    let observed = NOW.as_nanos() as u64 - 5;
    let accepted =
        decode(&request(vec![], vec![timeless(observed), timeless(0), timeless(u64::MAX)]), &Limits::default());
    let times: Vec<i64> = rows(&accepted).iter().map(|row| row.1 - NOW.as_nanos()).collect();
    assert_eq!((times, accepted.rejected.count), (vec![-5, 0], 1));
}

#[test]
fn what_does_not_fit_into_a_label_becomes_metadata() {
    let limits = Limits { label_names_max: 2, label_value_bytes_max: 5, ..Limits::default() };
    let resource = vec![
        entry("k8s.pod.name", text("pod")),
        entry("cloud.region", text("far away")),
        entry("service.namespace", text("shop")),
        entry("service.name", text("")),
    ];
    let rows = rows(&decode(&request(resource, vec![record("x")]), &limits));
    assert_eq!(rows[0].0, r#"{service_name="unknown_service", service_namespace="shop"}"#);
    let wanted = [("k8s_pod_name", "pod"), ("cloud_region", "far away"), ("service_name", "")];
    assert_eq!(rows[0].2[..3], owned(&wanted));
}

#[test]
fn all_default_attributes_become_labels_up_to_the_limit() {
    let resource: Vec<KeyValue> = [
        "cloud.availability_zone",
        "cloud.region",
        "container.name",
        "deployment.environment",
        "deployment.environment.name",
        "k8s.cluster.name",
        "k8s.container.name",
        "k8s.cronjob.name",
        "k8s.daemonset.name",
        "k8s.deployment.name",
        "k8s.job.name",
        "k8s.namespace.name",
        "k8s.pod.name",
        "k8s.replicaset.name",
        "k8s.statefulset.name",
        "service.instance.id",
        "service.name",
        "service.namespace",
    ]
    .map(|key| entry(key, text("v")))
    .into();
    let labels = |label_names_max| {
        let limits = Limits { label_names_max, ..Limits::default() };
        let row = rows(&decode(&request(resource.clone(), vec![record("x")]), &limits)).remove(0);
        (row.0.matches("=\"v\"").count(), row.2.len() - SCOPE.len())
    };
    assert_eq!([labels(18), labels(15), labels(1)], [(18, 0), (15, 3), (1, 17)]);
}

#[test]
fn bad_records_are_rejected_beside_good_ones_and_said_in_the_response() {
    let limits = Limits { line_bytes_max: 5, metadata_entries_max: 5, ..Limits::default() };
    let many = LogRecord { attributes: vec![entry("a", text("b")); 3], ..record("m") };
    let mut deep = text("x");
    for _ in 0..40 {
        deep = value(Any::ArrayValue(ArrayValue { values: vec![deep] }));
    }
    let wide = value(Any::ArrayValue(ArrayValue { values: vec![AnyValue::default(); model::VALUES_MAX + 1] }));
    let with = |value| LogRecord { body: Some(value), ..LogRecord::default() };
    let records = vec![record("good"), record("longer"), many, with(deep), with(wide), record("too")];
    let accepted = decode(&request(vec![], records), &limits);
    assert_eq!(rows(&accepted).iter().map(|row| row.3.as_str()).collect::<Vec<_>>(), ["good", "too"]);
    assert_eq!(accepted.rejected.count, 4);
    for (at, words) in
        ["line_bytes_max", "metadata_entries_max", "nested more than 16", "more than 16384 values"].iter().enumerate()
    {
        assert!(accepted.rejected.first[at].contains(words), "{:?}", accepted.rejected.first);
    }
    let partial = ExportLogsPartialSuccess { rejected_log_records: 4, error_message: accepted.rejected.to_string() };
    let wanted = ExportLogsServiceResponse { partial_success: Some(partial) };
    assert_eq!(ExportLogsServiceResponse::decode(&response(&accepted, false)[..]), Ok(wanted));
    let json: serde_json::Value = serde_json::from_slice(&response(&accepted, true)).unwrap();
    assert_eq!(json["partialSuccess"]["rejectedLogRecords"], "4");
    assert_eq!(json["partialSuccess"]["errorMessage"], accepted.rejected.to_string());
}

#[test]
fn a_response_without_rejections_is_empty() {
    assert_eq!(response(&Accepted::default(), true), b"{}");
    let read = ExportLogsServiceResponse::decode(&response(&Accepted::default(), false)[..]).unwrap();
    assert_eq!(read, ExportLogsServiceResponse::default());
}

#[test]
fn a_few_bytes_cannot_fill_memory() {
    // A resource of 50 kB, and a record for every two bytes.
    let large = vec![entry("x", text(&"y".repeat(50_000)))];
    let mut logs = resource_logs(Some(large), vec![]);
    logs.scope_logs[0].log_records = vec![LogRecord::default(); 100_000];
    let body = ExportLogsServiceRequest { resource_logs: vec![logs] }.encode_to_vec();
    assert_eq!(decode_protobuf(&body, &Limits::default(), NOW).unwrap_err().status(), 413);
    // Maps within maps, whose names would grow with each.
    let mut map = vec![entry("leaf", text("x")); 500];
    for _ in 0..12 {
        map = vec![entry(&"k".repeat(50_000), value(Any::KvlistValue(KeyValueList { values: map })))];
    }
    let accepted = decode(&request(vec![], vec![LogRecord { attributes: map, ..record("x") }]), &Limits::default());
    assert_eq!((accepted.record_count, accepted.rejected.count), (0, 1));
}

#[test]
fn json_is_read_in_any_order_and_spelling() {
    let body = format!(
        r#"{{"other":[1],"resourceLogs":[{{"scopeLogs":[{{"logRecords":[
            {{"severityNumber":"9","attributes":null,"body":{{"stringValue":"a\u0041"}},"timeUnixNano":{now},"spanId":"EEE19B7EC3C1B174",
              "traceId":"00000000000000000000000000000000","unknown":{{"x":[]}},"flags":null,"eventName":null}},
            {{"body":null,"timeUnixNano":"{now}"}},
            {{"body":{{"intValue":7,"unknown":[]}},"timeUnixNano":"{now}"}},
            {{"body":{{"doubleValue":"NaN"}},"timeUnixNano":"{now}"}}
          ],"scope":{{"name":"late"}}}}],"resource":{{"attributes":[{{"value":{{"stringValue":"w"}},"key":"service.name"}}]}}}},
          {{"scopeLogs":[{{"logRecords":[{{"timeUnixNano":"{now}"}}]}}]}},
          {{"resource":null,"scopeLogs":null}}]}}"#,
        now = NOW
    );
    let rows = rows(&decode_json(body.as_bytes(), &Limits::default(), NOW).unwrap());
    let first = [("severity_number", "9"), ("span_id", "eee19b7ec3c1b174"), ("scope_name", "late")];
    assert_eq!((rows[0].0.as_str(), rows[0].3.as_str()), (r#"{service_name="w"}"#, "aA"));
    assert_eq!(rows[0].2, owned(&first));
    assert_eq!(rows[1..].iter().map(|row| row.3.as_str()).collect::<Vec<_>>(), ["", "7", "NaN", ""]);
    assert_eq!(rows[4].0, r#"{service_name="unknown_service"}"#);
}

#[test]
fn json_of_the_wrong_type_is_refused_whole() {
    let now = NOW.to_string();
    let record = |record: serde_json::Value| {
        let body = serde_json::json!({"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]});
        decode_json(body.to_string().as_bytes(), &Limits::default(), NOW).map_err(|error| error.status())
    };
    assert!(record(serde_json::json!({"timeUnixNano": now})).is_ok());
    for bad in [
        serde_json::json!({"timeUnixNano": "soon"}),
        serde_json::json!({"timeUnixNano": -1}),
        serde_json::json!({"severityNumber": "SEVERITY_NUMBER_INFO"}),
        serde_json::json!({"body": "text"}),
        serde_json::json!({"body": {"boolValue": "true"}}),
        serde_json::json!({"attributes": {}}),
        serde_json::json!([]),
    ] {
        assert_eq!(record(bad.clone()), Err(400), "{bad}");
    }
    for bad in ["", "[]", "{", "{\"resourceLogs\":{}}", "{} {}"] {
        assert_eq!(decode_json(bad.as_bytes(), &Limits::default(), NOW).map_err(|error| error.status()), Err(400));
    }
    assert_eq!(decode_json(b"{}", &Limits::default(), NOW), Ok(Accepted::default()));
    assert_eq!(decode_protobuf(b"", &Limits::default(), NOW), Ok(Accepted::default()));
}

fn any_value() -> impl Strategy<Value = AnyValue> {
    let leaf = prop_oneof![
        Just(AnyValue::default()),
        ".{0,8}".prop_map(|text| value(Any::StringValue(text))),
        any::<bool>().prop_map(|bool| value(Any::BoolValue(bool))),
        any::<i64>().prop_map(|int| value(Any::IntValue(int))),
        (-1e9..1e9).prop_map(|double: f64| value(Any::DoubleValue(double))),
        vec(any::<u8>(), 0..5).prop_map(|bytes| value(Any::BytesValue(bytes))),
    ];
    leaf.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(|values| value(Any::ArrayValue(ArrayValue { values }))),
            vec(("[a-z.]{1,4}", inner), 0..3).prop_map(|pairs| {
                let values = pairs.into_iter().map(|(key, value)| entry(&key, value)).collect();
                value(Any::KvlistValue(KeyValueList { values }))
            }),
        ]
    })
}

fn any_request() -> impl Strategy<Value = ExportLogsServiceRequest> {
    let entries = || vec(("[a-z.]{1,4}|service.name|k8s.pod.name", any_value()), 0..3);
    let entries = move || {
        entries().prop_map(|pairs| pairs.into_iter().map(|(key, value)| entry(&key, value)).collect::<Vec<KeyValue>>())
    };
    let ids = (proptest::option::of(any::<[u8; 16]>()), proptest::option::of(any::<[u8; 8]>()));
    let log_record = (any_value(), entries(), 0u64..5_000_000_000_000, ids, 0i32..25).prop_map(
        |(body, attributes, before, (trace_id, span_id), severity_number)| LogRecord {
            time_unix_nano: NOW.as_nanos() as u64 - before,
            body: Some(body),
            attributes,
            severity_number,
            trace_id: trace_id.map(Vec::from).unwrap_or_default(),
            span_id: span_id.map(Vec::from).unwrap_or_default(),
            ..LogRecord::default()
        },
    );
    let logs = (proptest::option::of(entries()), vec(log_record, 0..4))
        .prop_map(|(resource, records)| resource_logs(resource, records));
    vec(logs, 0..3).prop_map(|resource_logs| ExportLogsServiceRequest { resource_logs })
}

proptest! {
    #[test]
    fn both_forms_say_the_same_and_lose_nothing(request in any_request()) {
        let records: usize = request.resource_logs.iter().map(|logs| logs.scope_logs[0].log_records.len()).sum();
        let accepted = decode(&request, &Limits::default());
        prop_assert_eq!(rows(&accepted).len(), records);
        prop_assert_eq!(accepted.rejected.count, 0);
    }

    #[test]
    fn broken_bodies_never_panic(request in any_request(), change: (usize, u8), cut: usize) {
        let json = broken(&serde_json::to_vec(&request).unwrap(), change, cut);
        let protobuf = broken(&request.encode_to_vec(), change, cut);
        let limits = Limits::default();
        for accepted in [decode_json(&json, &limits, NOW), decode_protobuf(&protobuf, &limits, NOW)].iter().flatten() {
            rows(accepted);
            response(accepted, true);
        }
    }

    #[test]
    fn noise_never_panics(bytes in vec(any::<u8>(), 0..64)) {
        let limits = Limits::default();
        for accepted in [decode_json(&bytes, &limits, NOW), decode_protobuf(&bytes, &limits, NOW)].iter().flatten() {
            rows(accepted);
        }
    }
}

#[test]
fn a_severity_is_a_level() {
    let with = |number: i32, text: &str| LogRecord {
        severity_number: number,
        severity_text: text.to_owned(),
        ..record("an error")
    };
    let records = vec![with(13, ""), with(13, "FATAL"), with(13, "odd"), with(0, "")];
    let accepted = decode(&request(Vec::new(), records), &Limits::default());
    let levels: Vec<Option<String>> = crate::sample::levels(&accepted);
    assert_eq!(levels, ["warn", "fatal", "warn", "error"].map(|level| Some(level.to_owned())));
}
