//! How a case is written, run and compared.

use std::collections::BTreeMap;
use std::sync::Arc;

use logmesh_logql::{
    Direction, Encoding, Merge, Part, Partial, Plan, QueryParams, QueryResult, parse, parse_duration, parse_timestamp,
    plan,
};
use logmesh_protocol::codec::{decode, encode};
use logmesh_protocol::record::{Labels, put_metadata};
use logmesh_protocol::rows::{Rows, StreamRows};
use logmesh_protocol::time::Timestamp;
use serde_json::Value;

/// A query, what is asked besides, and the answer in short (see [`short`]).
pub(crate) type Case<'a> = (&'a str, &'a str, &'a str);

/// Runs all cases over the records; reports all that fail, not only the first.
pub(crate) fn check(records: &str, cases: &[Case<'_>]) {
    let failures = failures(records, cases);
    assert!(failures.is_empty(), "{failures}");
}

/// Runs all cases over the records and returns what failed.
pub(crate) fn failures(records: &str, cases: &[Case<'_>]) -> String {
    let records = read_records(records);
    let mut failures = String::new();
    for (query, ask, want) in cases {
        let found =
            answer(query, ask, &records).map_or_else(|error| format!("error: {error}"), |result| short(&result));
        let want: Vec<&str> = want.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let found: Vec<&str> = found.lines().collect();
        if found != want {
            failures += &format!("\n{query}   ({ask})\n  wanted {want:#?}\n  found {found:#?}\n");
        }
    }
    failures
}

/// Runs a query both ways and returns the answer.
pub(crate) fn answer(query: &str, ask: &str, records: &[Record]) -> Result<QueryResult, String> {
    let expr = parse(query).map_err(|error| error.to_string())?;
    assert_eq!(parse(&expr.to_string()).as_ref(), Ok(&expr), "printed as {expr}");
    let plan = plan(&expr, &read_ask(ask)).map_err(|error| error.to_string())?;
    let whole = run(&plan, &[vec![records.to_vec()]]);
    let scattered = run(&plan, &scatter(records));
    assert_eq!(whole.is_ok(), scattered.is_ok(), "{query}: {whole:?} but scattered {scattered:?}");
    if let (Ok(whole), Ok(scattered)) = (&whole, &scattered) {
        assert_eq!(whole.to_json(Encoding::default()), scattered.to_json(Encoding::default()), "{query}");
    }
    whole
}

/// Runs a plan over the blocks of several nodes.
fn run(plan: &Plan, nodes: &[Vec<Vec<Record>>]) -> Result<QueryResult, String> {
    let text = |error: logmesh_logql::EvalError| error.to_string();
    let mut merge = Merge::new(plan);
    for blocks in nodes {
        let Some(part) = plan.part() else { break };
        let part: Part = decode(1, &encode(1, part)).map_err(|error| error.to_string())?;
        let mut runner = part.runner().map_err(|error| error.to_string())?;
        for block in blocks {
            let mut rows = rows(block);
            if !part.needs_lines() {
                rows.lines = bytes::Bytes::new();
            }
            assert!(block.is_empty() || !rows.is_empty());
            if runner.add_rows(&rows).map_err(text)?.is_break() {
                break;
            }
        }
        for partial in runner.finish().map_err(text)?.split(200) {
            let partial: Partial = decode(1, &encode(1, &partial)).map_err(|error| error.to_string())?;
            merge.add(partial).map_err(text)?;
        }
    }
    merge.finish().map_err(text)
}

/// Deals the records out to three nodes, in blocks of two, the later blocks first. Records of one instant stay together:
/// their order is only known within a block.
fn scatter(records: &[Record]) -> Vec<Vec<Vec<Record>>> {
    let mut blocks: Vec<Vec<Record>> = Vec::new();
    for record in records {
        let with_last = blocks.last().and_then(|block| block.last());
        let together = with_last.is_some_and(|last| last.timestamp == record.timestamp);
        if together || blocks.last().is_some_and(|block| block.len() < 2) {
            blocks.last_mut().unwrap().push(record.clone());
        } else {
            blocks.push(vec![record.clone()]);
        }
    }
    let mut nodes = vec![Vec::new(), Vec::new(), Vec::new()];
    for (at, block) in blocks.into_iter().enumerate() {
        nodes[at % 3].insert(0, block);
    }
    nodes
}

/// One record of a case.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    labels: Labels,
    timestamp: Timestamp,
    metadata: Vec<(String, String)>,
    line: String,
}

/// Reads records, one a line: `{app="web"} 12.5 the line`, or with metadata `{app="web"} 12 [trace="x"] the line`. The
/// sign ⏎ stands for a newline within the line, ␛ for the escape character.
pub(crate) fn read_records(text: &str) -> Vec<Record> {
    text.lines().map(str::trim_start).filter(|line| !line.is_empty()).map(read_record).collect()
}

fn read_record(text: &str) -> Record {
    let (labels, rest) = text[1..].split_once("} ").unwrap();
    let (seconds, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    let (metadata, line) = match rest.strip_prefix('[') {
        Some(rest) if rest.contains("=\"") && rest.contains(']') => {
            let (metadata, line) = rest.split_once(']').unwrap();
            (pairs(metadata), line.trim_start())
        }
        _ => (Vec::new(), rest),
    };
    let labels = Labels::new(pairs(labels));
    Record { labels, timestamp: at(seconds), metadata, line: line.replace('⏎', "\n").replace('␛', "\u{1b}") }
}

fn pairs(text: &str) -> Vec<(String, String)> {
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap();
        (name.trim().to_owned(), value.trim().trim_matches('"').to_owned())
    };
    text.split(',').filter(|part| !part.is_empty()).map(pair).collect()
}

/// Puts records into columns: streams together, within a stream by time.
pub(crate) fn rows(records: &[Record]) -> Rows {
    let mut streams: BTreeMap<&Labels, Vec<&Record>> = BTreeMap::new();
    for record in records {
        streams.entry(&record.labels).or_default().push(record);
    }
    let (mut rows, mut lines) = (Rows::default(), Vec::new());
    for (labels, mut records) in streams {
        records.sort_by_key(|record| record.timestamp);
        let start = rows.timestamps.len();
        for record in records {
            rows.timestamps.push(record.timestamp);
            lines.extend_from_slice(record.line.as_bytes());
            rows.line_ends.push(lines.len() as u32);
            let mut bytes = Vec::new();
            record.metadata.iter().for_each(|(name, value)| put_metadata(&mut bytes, name, value));
            let known = rows.metadata.iter().position(|other| *other == bytes);
            let metadata_at = known.unwrap_or_else(|| {
                rows.metadata.push(bytes.into());
                rows.metadata.len() - 1
            });
            rows.metadata_at.push(metadata_at as u32);
        }
        rows.streams.push(StreamRows { labels: Arc::new(labels.clone()), rows: start..rows.timestamps.len() });
    }
    if records.iter().all(|record| record.metadata.is_empty()) {
        (rows.metadata, rows.metadata_at) = (Vec::new(), Vec::new());
    }
    rows.lines = lines.into();
    rows
}

/// Reads seconds; up to ten digits are seconds with and without a point.
fn at(seconds: &str) -> Timestamp {
    parse_timestamp(seconds).unwrap()
}

/// Reads what is asked besides the query, in words: `at 30` (instant), `0..60 step 10`, `forward`, `limit 2`, `interval 5s`, `series 3`. Without any: everything from 0 to 100 s, newest first, steps of 10 s.
pub(crate) fn read_ask(ask: &str) -> QueryParams {
    let mut params = QueryParams::range(at("0"), at("100"), parse_duration("10s").unwrap());
    let mut words = ask.split_whitespace();
    while let Some(word) = words.next() {
        match word {
            "at" => params = QueryParams::instant(at(words.next().unwrap())),
            "step" => params.step = Some(parse_duration(words.next().unwrap()).unwrap()),
            "forward" => params.direction = Direction::Forward,
            "limit" => params.limit = words.next().unwrap().parse().unwrap(),
            "interval" => params.interval = Some(parse_duration(words.next().unwrap()).unwrap()),
            "series" => params.series_max = words.next().unwrap().parse().unwrap(),
            range => {
                let (start, end) = range.split_once("..").unwrap();
                (params.start, params.end) = (at(start), at(end));
            }
        }
    }
    params
}

/// Prints an answer in short, from its JSON: a line for each entry, `{labels} seconds text`, or for each series,
/// `{labels} seconds:value …`; at one instant, `{labels} value`; a number alone.
pub(crate) fn short(result: &QueryResult) -> String {
    let json: Value = serde_json::from_str(&result.to_json(Encoding::default())).expect("JSON");
    let list = json["result"].as_array().expect("a list");
    let seconds = |value: &Value| match value.as_str() {
        Some(nanos) => nanos.parse::<f64>().expect("nanoseconds") / 1e9,
        None => value.as_f64().expect("seconds"),
    };
    let point = |point: &Value| format!(" {}:{}", seconds(&point[0]), point[1].as_str().expect("a text"));
    let mut out = String::new();
    match json["resultType"].as_str().expect("a type") {
        "streams" => {
            for stream in list {
                for entry in stream["values"].as_array().expect("a list") {
                    let line = entry[1].as_str().expect("a line").replace('\n', "⏎");
                    out += &format!("{} {} {line}\n", labels(&stream["stream"]), seconds(&entry[0]));
                }
            }
        }
        "matrix" => {
            for series in list {
                let points: String = series["values"].as_array().expect("a list").iter().map(point).collect();
                out += &format!("{}{points}\n", labels(&series["metric"]));
            }
        }
        "vector" => {
            for sample in list {
                out += &format!("{} {}\n", labels(&sample["metric"]), sample["value"][1].as_str().expect("a text"));
            }
        }
        "scalar" => out += &format!("{}\n", list[1].as_str().expect("a text")),
        other => panic!("{other}"),
    }
    // Lines of the case are trimmed, so these are too.
    out.lines().map(|line| line.trim().to_owned() + "\n").collect()
}

fn labels(json: &Value) -> String {
    let pairs = json.as_object().expect("an object").iter();
    let pairs: Vec<String> = pairs.map(|(name, value)| format!("{name}={}", value.as_str().expect("a text"))).collect();
    format!("{{{}}}", pairs.join(","))
}
