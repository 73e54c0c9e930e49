//! The JSON of answers, to the letter.

use logmesh_logql::Encoding;
use serde_json::{Value, json};

use crate::check::{answer, read_records};

const RECORDS: &str = r#"
{app="web"} 1700000000.123456789 [trace="abc"] {"level":"info"}
{app="web"} 1700000001 [trace="abc"] {"level":"info"}
{app="web"} 1700000002 plain "quoted" \ ☃⏎end
"#;

fn shape(query: &str, ask: &str, categorize_labels: bool) -> Value {
    let records = read_records(RECORDS);
    let result = answer(query, ask, &records).expect(query);
    serde_json::from_str(&result.to_json(Encoding { categorize_labels })).expect("JSON")
}

const HOUR: &str = "1700000000..1700003600 step 1s";

#[test]
fn streams() {
    let found = shape(r#"{app="web"} | json"#, HOUR, false);
    let wanted = json!({ "resultType": "streams", "result": [
        {
            "stream": {
                "app": "web", "__error__": "JSONParserErr", "__error_details__": "Value looks like object, but can't find closing '}' symbol",
            },
            "values": [["1700000002000000000", "plain \"quoted\" \\ ☃\nend"]],
        },
        {
            "stream": { "app": "web", "level": "info", "trace": "abc" },
            "values": [
                ["1700000001000000000", "{\"level\":\"info\"}"],
                ["1700000000123456789", "{\"level\":\"info\"}"],
            ],
        },
    ]});
    assert_eq!(found, wanted);
    assert_eq!(shape(r#"{app="nothing"}"#, HOUR, false), json!({ "resultType": "streams", "result": [] }));
}

#[test]
fn categorized_streams() {
    let found = shape(r#"{app="web"} | json"#, HOUR, true);
    let broken = json!({ "__error__": "JSONParserErr", "__error_details__": "Value looks like object, but can't find closing '}' symbol" });
    let wanted = json!({ "resultType": "streams", "encodingFlags": ["categorize-labels"], "result": [{
        "stream": { "app": "web" },
        "values": [
            ["1700000002000000000", "plain \"quoted\" \\ ☃\nend", { "parsed": broken }],
            ["1700000001000000000", "{\"level\":\"info\"}",
                { "structuredMetadata": { "trace": "abc" }, "parsed": { "level": "info" } }],
            ["1700000000123456789", "{\"level\":\"info\"}",
                { "structuredMetadata": { "trace": "abc" }, "parsed": { "level": "info" } }],
        ],
    }]});
    assert_eq!(found, wanted);
    let found = shape(r#"{app="web"} |= "plain""#, HOUR, true);
    let values = json!([["1700000002000000000", "plain \"quoted\" \\ ☃\nend", {}]]);
    assert_eq!(found["result"][0]["values"], values);
}

#[test]
fn matrix() {
    let found = shape(r#"sum by (app) (rate({app="web"}[2s]))"#, "1700000000..1700000002 step 500ms", false);
    let wanted = json!({ "resultType": "matrix", "result": [{
        "metric": { "app": "web" },
        "values": [
            [1700000000.5, "0.5"], [1700000001, "1"], [1700000001.5, "1"], [1700000002, "1.5"],
        ],
    }]});
    assert_eq!(found, wanted);
    let found = shape(r#"count_over_time({app="nothing"}[2s])"#, HOUR, false);
    assert_eq!(found, json!({ "resultType": "matrix", "result": [] }));
}

#[test]
fn vector_and_scalar() {
    let found = shape(r#"sum(count_over_time({app="web"}[2s]))"#, "at 1700000001.25", false);
    let wanted = json!({ "resultType": "vector", "result": [{ "metric": {}, "value": [1700000001.25, "2"] }] });
    assert_eq!(found, wanted);
    // Flags for streams change nothing elsewhere.
    assert_eq!(shape(r#"sum(count_over_time({app="web"}[2s]))"#, "at 1700000001.25", true), wanted);
    let found = shape("1 / 2", "at 1700000001.5", false);
    assert_eq!(found, json!({ "resultType": "scalar", "result": [1700000001.5, "0.5"] }));
}
