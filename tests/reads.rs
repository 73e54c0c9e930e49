//! The read routes beside queries, over a mesh of three on which the records are scattered: every node gives the same
//! answer for the whole mesh, in the shapes of Loki's documentation.

#![expect(clippy::unwrap_used, reason = "a test whose request is miswritten shall stop")]

#[allow(dead_code, unused_imports, reason = "each test uses its part of the harness")]
mod harness;

use serde_json::{Value, json};

use harness::{Client, Mesh, Reply, now_nanos, one_at_a_time};

/// Streams with their records: labels, and for each record its age in seconds and its line.
type Streams<'a> = &'a [(&'a [(&'a str, &'a str)], &'a [(u64, &'a str)])];

const SHOP: Streams<'_> = &[
    (&[("app", "shop"), ("env", "prod")], &[(90, "12345678"), (60, "1234")]),
    (&[("app", "shop"), ("env", "test")], &[(30, "12")]),
    (&[("app", "mail"), ("env", "prod")], &[(30, "1"), (20, "ä")]),
];

fn push(client: &Client, tenant: &str, streams: Streams<'_>, now: u64) {
    let values = |records: &[(u64, &str)]| -> Vec<Value> {
        records.iter().map(|(age, line)| json!([(now - age * SECOND).to_string(), line])).collect()
    };
    let streams: Vec<Value> = streams
        .iter()
        .map(|(labels, records)| {
            let labels: serde_json::Map<String, Value> =
                labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
            json!({ "stream": labels, "values": values(records) })
        })
        .collect();
    let body = json!({ "streams": streams }).to_string();
    let headers = [("content-type", "application/json"), ("x-scope-orgid", tenant)];
    let reply = client.post("/loki/api/v1/push", &headers, body.as_bytes()).unwrap();
    assert_eq!(reply.status, 204, "{}", reply.text());
}

/// A mesh with the streams of the shop scattered over it, and the time by which they are dated.
fn shop() -> (Mesh, u64) {
    let mesh = Mesh::start(3, &[]);
    // A whole second: timestamps in answers then have no decimals.
    let now = now_nanos() / SECOND * SECOND;
    for (at, stream) in SHOP.iter().enumerate() {
        push(&mesh.client(at), "default", std::slice::from_ref(stream), now);
    }
    (mesh, now)
}

/// Asks all nodes by URL and by form. Returns what all of them answer.
fn ask(mesh: &Mesh, path: &str, params: &[(&str, &str)]) -> Value {
    let mut answers: Vec<Value> = Vec::new();
    let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(params).finish();
    for at in mesh.running() {
        let client = mesh.client(at);
        let kind = [("content-type", "application/x-www-form-urlencoded")];
        for reply in [client.get_with(path, params), client.post(path, &kind, form.as_bytes())] {
            let reply = reply.unwrap();
            assert_eq!(reply.status, 200, "{path} {params:?}: {}", reply.text());
            assert!(reply.is_complete(), "{path} {params:?}: {}", reply.text());
            answers.push(reply.json());
        }
    }
    let first = answers.remove(0);
    answers.iter().for_each(|other| assert_eq!(*other, first, "{path} {params:?}"));
    first
}

fn data(mesh: &Mesh, path: &str, params: &[(&str, &str)]) -> Value {
    let answer = ask(mesh, path, params);
    assert_eq!(answer["status"], "success", "{answer}");
    answer["data"].clone()
}

#[test]
fn labels_values_and_series_are_those_of_the_whole_mesh() {
    let _turn = one_at_a_time();
    let (mesh, now) = shop();
    for path in ["/loki/api/v1/labels", "/loki/api/v1/label"] {
        assert_eq!(data(&mesh, path, &[]), json!(["app", "env", "service_name"]));
    }
    assert_eq!(ask(&mesh, "/api/prom/label", &[]), json!({ "values": ["app", "env", "service_name"] }));
    assert_eq!(ask(&mesh, "/api/prom/label/app/values", &[]), json!({ "values": ["mail", "shop"] }));
    assert_eq!(data(&mesh, "/loki/api/v1/label/service_name/values", &[]), json!(["mail", "shop"]));
    assert_eq!(data(&mesh, "/loki/api/v1/label/app/values", &[]), json!(["mail", "shop"]));
    assert_eq!(data(&mesh, "/loki/api/v1/label/app/values", &[("query", r#"{env="test"}"#)]), json!(["shop"]));
    assert_eq!(data(&mesh, "/loki/api/v1/label/none/values", &[]), json!([]));
    let long_ago = ((now - 7_200 * SECOND).to_string(), (now - 7_100 * SECOND).to_string());
    assert_eq!(data(&mesh, "/loki/api/v1/labels", &[("start", &long_ago.0), ("end", &long_ago.1)]), json!([]));
    let mail = json!({ "app": "mail", "env": "prod", "service_name": "mail" });
    let test = json!({ "app": "shop", "env": "test", "service_name": "shop" });
    let matches = [("match[]", r#"{app="mail"}"#), ("match[]", r#"{env="test"}"#)];
    assert_eq!(data(&mesh, "/loki/api/v1/series", &matches), json!([mail, test]));
    assert_eq!(data(&mesh, "/loki/api/v1/series", &[("match[]", "{}")]).as_array().unwrap().len(), 3);
}

#[test]
fn volumes_and_stats_count_each_record_once() {
    let _turn = one_at_a_time();
    let (mesh, now) = shop();
    let (start, end) = ((now - 100 * SECOND).to_string(), now.to_string());
    let with = |more: &[(&'static str, &'static str)]| {
        let mut params = more.to_vec();
        params.extend([("start", &*start.clone().leak()), ("end", &*end.clone().leak())] as [(&str, &str); 2]);
        params
    };
    let stats = ask(&mesh, "/loki/api/v1/index/stats", &with(&[("query", r#"{app=~".+"}"#)]));
    assert_eq!((&stats["streams"], &stats["entries"], &stats["bytes"]), (&json!(3), &json!(5), &json!(17)), "{stats}");
    assert!(stats["chunks"].as_u64() >= Some(3), "{stats}");
    let seconds = now / SECOND;
    let volume = |more: &[(&'static str, &'static str)]| {
        let data = data(&mesh, "/loki/api/v1/index/volume", &with(more));
        assert_eq!(data["resultType"], "vector");
        data["result"].clone()
    };
    let sample = |metric: Value, bytes: &str| json!({ "metric": metric, "value": [seconds, bytes] });
    let by_app = [sample(json!({ "app": "shop" }), "14"), sample(json!({ "app": "mail" }), "3")];
    assert_eq!(volume(&[("query", r#"{app=~".+"}"#)]), json!(by_app));
    assert_eq!(volume(&[("query", r#"{app=~".+"}"#), ("limit", "1")]), json!(by_app[..1]));
    assert_eq!(
        volume(&[("query", r#"{app="shop"}"#), ("targetLabels", "env")]),
        json!([sample(json!({ "env": "prod" }), "12"), sample(json!({ "env": "test" }), "2")])
    );
    assert_eq!(
        volume(&[("query", r#"{app="shop"}"#), ("targetLabels", "env,app"), ("aggregateBy", "labels")]),
        json!([sample(json!({ "app": "" }), "14"), sample(json!({ "env": "" }), "14")])
    );
    assert_eq!(volume(&[("query", "{}")]).as_array().unwrap().len(), 3);
    let range = with(&[("query", r#"{app="shop"}"#), ("step", "50")]);
    let range = data(&mesh, "/loki/api/v1/index/volume_range", &range);
    let points = json!([[seconds - 100, "12"], [seconds - 50, "2"]]);
    assert_eq!(range, json!({ "resultType": "matrix", "result": [{ "metric": { "app": "shop" }, "values": points }] }));
}

#[test]
fn fields_and_labels_are_detected() {
    let _turn = one_at_a_time();
    let mesh = Mesh::start(2, &[]);
    let now = now_nanos();
    push(
        &mesh.client(0),
        "default",
        &[(&[("app", "x"), ("env", "a")], &[(9, r#"{"status":200,"http":{"took":"1.5s"}}"#)])],
        now,
    );
    push(&mesh.client(1), "default", &[(&[("app", "x"), ("env", "b")], &[(8, "status=404 ok=true")])], now);
    let selector = [("query", r#"{app="x"}"#)];
    let labels = ask(&mesh, "/loki/api/v1/detected_labels", &selector);
    let label = |label: &str, cardinality: u64| json!({ "label": label, "cardinality": cardinality });
    assert_eq!(labels, json!({ "detectedLabels": [label("app", 1), label("env", 2), label("service_name", 1)] }));
    let field = |label: &str, kind: &str, cardinality: u64, parsers: Value| -> Value {
        json!({ "label": label, "type": kind, "cardinality": cardinality, "parsers": parsers })
    };
    let at = |path: Value, mut field: Value| -> Value {
        field["jsonPath"] = path;
        field
    };
    let all = [
        at(json!(["http", "took"]), field("http_took", "duration", 1, json!(["json"]))),
        field("ok", "boolean", 1, json!(["logfmt"])),
        at(json!(["status"]), field("status", "int", 2, json!(["json", "logfmt"]))),
    ];
    let fields = without_levels(ask(&mesh, "/loki/api/v1/detected_fields", &selector));
    assert_eq!(fields, json!({ "fields": all, "limit": 1000 }));
    let parsed = [("query", r#"{app="x"} | logfmt"#), ("limit", "7")];
    let fields = without_levels(ask(&mesh, "/loki/api/v1/detected_fields", &parsed));
    assert_eq!(fields["limit"], 7);
    assert!(fields["fields"].to_string().contains(r#""status""#), "{fields}");
    let values = ask(&mesh, "/loki/api/v1/detected_field/status/values", &selector);
    assert_eq!(values, json!({ "values": ["200", "404"], "limit": 1000 }));
}

#[test]
fn patterns_are_those_of_all_nodes() {
    let _turn = one_at_a_time();
    let mesh = Mesh::start(2, &[]);
    let now = now_nanos() / SECOND * SECOND;
    for (at, user) in [(0, "alice"), (1, "bob")] {
        let lines: Vec<String> =
            (0..20).map(|number| format!("user {user} bought item {number} for {} coins today", number * 7)).collect();
        let records: Vec<(u64, &str)> =
            lines.iter().enumerate().map(|(number, line)| (20 + number as u64, line.as_str())).collect();
        push(&mesh.client(at), "default", &[(&[("app", "shop")], &records)], now);
    }
    let (start, end) = ((now - 100 * SECOND).to_string(), now.to_string());
    let params = [("query", r#"{app="shop"}"#), ("start", &start), ("end", &end), ("step", "10s")];
    let patterns = data(&mesh, "/loki/api/v1/patterns", &params);
    let count = |pattern: &Value| -> u64 {
        pattern["samples"].as_array().unwrap().iter().map(|sample| sample[1].as_u64().unwrap()).sum()
    };
    let first = &patterns[0];
    assert!(first["pattern"].as_str().unwrap().contains("<_>"), "{patterns}");
    assert_eq!(patterns.as_array().unwrap().iter().map(count).sum::<u64>(), 40, "{patterns}");
    assert!(first["samples"][0][0].as_u64() >= Some(now / SECOND - 110), "samples are dated in seconds: {patterns}");
}

/// Leaves out the level that a node may have detected itself.
fn without_levels(mut fields: Value) -> Value {
    let list = fields["fields"].as_array_mut().unwrap();
    list.retain(|field| field["label"] != "detected_level");
    fields
}

#[test]
fn one_read_may_be_of_several_tenants() {
    let _turn = one_at_a_time();
    let mesh = Mesh::start(2, &[]);
    let now = now_nanos();
    push(&mesh.client(0), "a", &[(&[("app", "x")], &[(10, "from a")])], now);
    push(&mesh.client(1), "b", &[(&[("app", "x"), ("__tenant_id__", "mine")], &[(5, "from b")])], now);
    push(&mesh.client(1), "c", &[(&[("app", "x")], &[(1, "from c")])], now);
    let get = |tenants: &str, path: &str, params: &[(&str, &str)]| -> Reply {
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(params).finish();
        let headers = [("content-type", "application/x-www-form-urlencoded"), ("x-scope-orgid", tenants)];
        mesh.client(0).post(path, &headers, form.as_bytes()).unwrap()
    };
    let lines = |tenants: &str, query: &str| -> Vec<(Value, String)> {
        let reply = get(tenants, "/loki/api/v1/query_range", &[("query", query)]);
        assert_eq!(reply.status, 200, "{}", reply.text());
        let streams = reply.json()["data"]["result"].as_array().unwrap().clone();
        let mut lines: Vec<_> = streams
            .iter()
            .flat_map(|stream| {
                let values = stream["values"].as_array().unwrap();
                values.iter().map(|value| (stream["stream"].clone(), value[1].as_str().unwrap().to_owned()))
            })
            .collect();
        lines.sort_by(|one, other| one.1.cmp(&other.1));
        lines
    };
    let labels = json!({ "app": "x", "detected_level": "unknown", "service_name": "x" });
    assert_eq!(lines("a", r#"{app="x"}"#), [(labels.clone(), "from a".to_owned())]);
    let tagged = |tenant: &str| {
        let mut labels = labels.clone();
        labels["__tenant_id__"] = tenant.into();
        labels
    };
    let a = (tagged("a"), "from a".to_owned());
    let mut mine = tagged("b");
    mine["original___tenant_id__"] = "mine".into();
    let b = (mine, "from b".to_owned());
    assert_eq!(lines("a|b", r#"{app="x"}"#), [a.clone(), b.clone()]);
    assert_eq!(lines("b|a|a", r#"{app="x", __tenant_id__=~"a.*"}"#), std::slice::from_ref(&a));
    let count =
        get("a|b|c", "/loki/api/v1/query", &[("query", r#"sum by (__tenant_id__) (count_over_time({app="x"}[1h]))"#)]);
    let tenants: Vec<Value> =
        count.json()["data"]["result"].as_array().unwrap().iter().map(|one| one["metric"].clone()).collect();
    let of = |tenant: &str| json!({ "__tenant_id__": tenant });
    assert_eq!(tenants, [of("a"), of("b"), of("c")], "{}", count.text());
    let values = get("a|b", "/loki/api/v1/label/__tenant_id__/values", &[]);
    assert_eq!(values.json()["data"], json!(["a", "b"]));
    let stats = get("a|c", "/loki/api/v1/index/stats", &[("query", r#"{app="x"}"#)]);
    assert_eq!((&stats.json()["streams"], &stats.json()["entries"]), (&json!(2), &json!(2)));
    let headers = [("content-type", "application/json"), ("x-scope-orgid", "a|b")];
    let refused = mesh.client(0).post("/loki/api/v1/push", &headers, b"{\"streams\":[]}").unwrap();
    assert_eq!(refused.status, 400, "{}", refused.text());
    assert!(refused.text().contains("X-Scope-OrgID"), "{}", refused.text());
}

#[test]
fn a_node_tells_clients_what_it_is() {
    let _turn = one_at_a_time();
    let mesh = Mesh::start(1, &[("LOGMESH_QUERY_ENTRIES_MAX", "77")]);
    let client = mesh.client(0);
    let build = client.json("/loki/api/v1/status/buildinfo");
    for field in ["version", "revision", "branch", "buildDate", "buildUser", "goVersion"] {
        assert!(build[field].is_string(), "{build}");
    }
    assert_eq!(client.json("/loki/api/v1/drilldown-limits")["limits"]["max_entries_limit_per_query"], 77);
    let config = client.get("/config").unwrap().text();
    assert!(config.contains("query:\n") && config.contains("  entries_max: 77\n"), "{config}");
    let changed = client.get("/config?mode=diffs").unwrap().text();
    assert!(changed.contains("  entries_max: 77\n") && !changed.contains("series_max"), "{changed}");
    let secret = std::fs::read_to_string(&mesh.secret_file).unwrap();
    assert!(!config.contains(secret.trim()), "the secret is not told");
    let formatted = ask_format(&client, r#"sum( rate({a="b"} |="c" [5m]))by(d)"#);
    assert_eq!(formatted["status"], "success");
    assert_eq!(ask_format(&client, formatted["data"].as_str().unwrap()), formatted, "formatting is stable");
}

fn ask_format(client: &Client, query: &str) -> Value {
    client.get_with("/loki/api/v1/format_query", &[("query", query)]).unwrap().json()
}

#[test]
fn answers_tell_what_they_cost() {
    let _turn = one_at_a_time();
    let (mesh, now) = shop();
    let (start, end) = ((now - 100 * SECOND).to_string(), now.to_string());
    let params = [("query", r#"{app="shop"} |= "1234""#), ("start", start.as_str()), ("end", end.as_str())];
    let reply = mesh.client(1).get_with("/loki/api/v1/query_range", &params).unwrap().json();
    let stats = &reply["data"]["stats"];
    let summary = &stats["summary"];
    assert_eq!((&summary["totalLinesProcessed"], &summary["totalPostFilterLines"]), (&json!(3), &json!(2)), "{stats}");
    assert_eq!(
        (&summary["totalEntriesReturned"], &stats["ingester"]["totalReached"]),
        (&json!(2), &json!(3)),
        "{stats}"
    );
    assert!(summary["execTime"].as_f64() > Some(0.0) && summary["totalBytesProcessed"].as_u64() > Some(0), "{stats}");
    assert!(stats["querier"]["store"]["chunk"].is_object() && stats["cache"]["result"].is_object(), "{stats}");
}

const SECOND: u64 = 1_000_000_000;
