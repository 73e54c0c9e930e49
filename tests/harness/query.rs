//! Finds all that matches, page by page, as a client would that trusts nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Client;
use super::push::now_nanos;

/// All that a node found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Found {
    /// How often each line was found.
    pub(crate) lines: BTreeMap<String, u64>,
    /// Whether every page called itself complete.
    pub(crate) complete: bool,
    /// What the pages warned of, each sentence once.
    pub(crate) warnings: Vec<String>,
}

impl Found {
    /// Fails unless all of `wanted` were found.
    pub(crate) fn assert_has<'a>(&self, wanted: impl IntoIterator<Item = &'a str>) {
        let missing: Vec<&str> = wanted.into_iter().filter(|line| !self.lines.contains_key(*line)).collect();
        let told =
            if self.complete { "an answer that calls itself complete".to_owned() } else { self.warnings.join("; ") };
        assert!(missing.is_empty(), "{} lines are missing, the first is {:?}; {told}", missing.len(), missing[0]);
    }

    /// Fails if anything was found twice or is not in `pushed`.
    pub(crate) fn assert_nothing_else<'a>(&self, pushed: impl IntoIterator<Item = &'a str>) {
        let pushed: BTreeSet<&str> = pushed.into_iter().collect();
        let phantom = self.lines.keys().find(|line| !pushed.contains(line.as_str()));
        assert_eq!(phantom, None, "never pushed");
        let duplicate = self.lines.iter().find(|(_, count)| **count != 1);
        assert_eq!(duplicate, None, "found twice");
    }

    /// Fails unless every page called itself complete and warned of nothing.
    pub(crate) fn assert_complete(&self) {
        assert!(self.complete && self.warnings.is_empty(), "{}", self.warnings.join("; "));
    }
}

/// Finds everything of the last hours that matches. Panics on any answer but 200. Records must differ in their
/// nanosecond, since the next page begins after the last nanosecond of the one before.
pub(crate) fn find_all(client: &Client, selector: &str) -> Found {
    let mut found = Found { complete: true, ..Found::default() };
    let end = (now_nanos() + 60_000_000_000).to_string();
    let mut start = now_nanos() - HOURS_BACK * 3_600_000_000_000;
    loop {
        let (from, limit) = (start.to_string(), PAGE.to_string());
        let params =
            [("query", selector), ("start", &from), ("end", &end), ("limit", &limit), ("direction", "forward")];
        let reply = client.get_with("/loki/api/v1/query_range", &params);
        let reply = reply.unwrap_or_else(|error| panic!("{}: {error}", client.url("")));
        assert_eq!(reply.status, 200, "{}: {}", client.url(""), reply.text());
        let page = entries(&reply.json());
        found.complete &= reply.is_complete();
        let warnings = reply.warnings();
        if !warnings.is_empty() && !found.warnings.contains(&warnings) {
            found.warnings.push(warnings);
        }
        let last = page.iter().map(|(at, _)| *at).max();
        let whole = page.len() < PAGE;
        for (_, line) in page {
            *found.lines.entry(line).or_default() += 1;
        }
        match last {
            Some(last) if !whole => start = last + 1,
            Some(_) | None => return found,
        }
    }
}

/// Returns how many records of the last hours match, as `count_over_time` tells: entries that are equal count each, so
/// a record that was scanned twice shows here.
pub(crate) fn count(client: &Client, selector: &str) -> u64 {
    let query = format!("sum(count_over_time({selector}[{HOURS_BACK}h]))");
    let reply = client.get_with("/loki/api/v1/query", &[("query", &query)]);
    let reply = reply.unwrap_or_else(|error| panic!("{}: {error}", client.url("")));
    assert_eq!(reply.status, 200, "{query}: {}", reply.text());
    let json = reply.json();
    let samples = json["data"]["result"].as_array().unwrap_or_else(|| panic!("no vector: {}", reply.text()));
    let value = |sample: &Value| sample["value"][1].as_str().and_then(|text| text.parse::<f64>().ok());
    samples.iter().map(|sample| value(sample).unwrap_or_else(|| panic!("no number: {sample}")) as u64).sum()
}

fn entries(json: &Value) -> Vec<(u64, String)> {
    assert_eq!(json["data"]["resultType"], "streams", "{json}");
    let streams = json["data"]["result"].as_array().expect("streams are a list");
    let values = streams.iter().flat_map(|stream| stream["values"].as_array().expect("values are a list"));
    let text = |value: &Value| value.as_str().expect("times and lines are text").to_owned();
    values.map(|value| (text(&value[0]).parse().expect("times are nanoseconds"), text(&value[1]))).collect()
}

const PAGE: usize = 5_000;
const HOURS_BACK: u64 = 4;
