//! Which fields log lines have: those of their metadata, those that the query takes out of them, and those that a parser
//! would. What a parser finds is asked of the query engine, so that the names are those which queries see.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use logmesh_logql::{self as logql, Merge, QueryParams, QueryResult, Stream, StreamEntry};
use logmesh_protocol::record::Labels;
use logmesh_protocol::rows::{Rows, StreamRows};
use logmesh_protocol::time::Timestamp;

/// The fields of some lines, by name.
#[derive(Debug, Default)]
pub(crate) struct FieldTable {
    fields: BTreeMap<String, Field>,
}

/// A field of log lines.
#[derive(Debug, Default)]
pub(crate) struct Field {
    /// Its distinct values.
    pub(crate) values: BTreeSet<String>,
    /// The parsers that find it in lines; empty if it needs none.
    pub(crate) parsers: BTreeSet<&'static str>,
    /// The keys that lead to it in a JSON line, from the outermost in; empty if it was in none.
    pub(crate) json_path: Vec<String>,
    kind: Option<FieldKind>,
}

/// What the values of a field are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FieldKind {
    Boolean,
    Int,
    Float,
    Duration,
    Bytes,
    Text,
}

impl FieldTable {
    /// Finds the fields of the lines of streams: what the query took out of them, and what these parsers find, each tried on the
    /// lines in which those before it found nothing.
    pub(crate) fn of(streams: &[Stream], parsers: &[&'static str]) -> Result<Self, String> {
        let mut table = Self::default();
        let entries: Vec<&StreamEntry> = streams.iter().flat_map(|stream| &stream.entries).collect();
        for entry in &entries {
            entry.metadata.iter().for_each(|(name, value)| table.add(name, value, None));
            entry.parsed.iter().for_each(|(name, value)| table.add(name, value, None));
        }
        let mut lines: Vec<&str> = entries.iter().map(|entry| entry.line.as_str()).collect();
        for parser in parsers {
            lines = table.add_parsed(&lines, parser)?;
        }
        Ok(table)
    }

    /// Returns the fields, in the order of their names.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Field)> {
        self.fields.iter().map(|(name, field)| (name.as_str(), field))
    }

    /// Returns the field of this name.
    pub(crate) fn field(&self, name: &str) -> Option<&Field> {
        self.fields.get(name)
    }

    /// Adds what `parser` finds in lines. Returns those in which it finds nothing.
    fn add_parsed<'l>(&mut self, lines: &[&'l str], parser: &'static str) -> Result<Vec<&'l str>, String> {
        let mut left = Vec::new();
        for (line, parsed) in lines.iter().zip(parse(lines, parser)?) {
            if parsed.is_empty() || parsed.iter().any(|(name, _)| name == ERROR) {
                left.push(*line);
                continue;
            }
            parsed.iter().for_each(|(name, value)| self.add(name, value, Some(parser)));
            if parser == "json" {
                self.add_paths(line);
            }
        }
        Ok(left)
    }

    /// Notes where in a JSON line its fields lie. The first line that has a field tells.
    fn add_paths(&mut self, line: &str) {
        logql::json_field_paths(line, &mut |name, path| {
            if let Some(field) = self.fields.get_mut(name).filter(|field| field.json_path.is_empty()) {
                field.json_path = path.iter().map(|key| (*key).to_owned()).collect();
            }
        });
    }

    fn add(&mut self, name: &str, value: &str, parser: Option<&'static str>) {
        if name.starts_with("__") || (self.fields.len() >= FIELDS_MAX && !self.fields.contains_key(name)) {
            return;
        }
        let field = self.fields.entry(name.to_owned()).or_default();
        field.parsers.extend(parser);
        field.kind = Some(FieldKind::of(value).joined(field.kind));
        if !field.values.contains(value) {
            field.values.insert(value.to_owned());
        }
    }
}

impl Field {
    /// Returns what its values are.
    pub(crate) fn kind(&self) -> FieldKind {
        self.kind.unwrap_or(FieldKind::Text)
    }
}

impl FieldKind {
    /// Returns the name that Loki's clients know.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::Int => "int",
            Self::Float => "float",
            Self::Duration => "duration",
            Self::Bytes => "bytes",
            Self::Text => "string",
        }
    }

    fn of(value: &str) -> Self {
        if value.parse::<i64>().is_ok() {
            Self::Int
        } else if value.parse::<f64>().is_ok_and(f64::is_finite) {
            Self::Float
        } else if matches!(value, "true" | "false") {
            Self::Boolean
        } else if logql::parse_duration(value).is_ok() {
            Self::Duration
        } else if is_size(value) {
            Self::Bytes
        } else {
            Self::Text
        }
    }

    /// Returns what covers both.
    fn joined(self, other: Option<Self>) -> Self {
        match (self, other) {
            (kind, None) => kind,
            (kind, Some(other)) if kind == other => kind,
            (Self::Int, Some(Self::Float)) | (Self::Float, Some(Self::Int)) => Self::Float,
            _ => Self::Text,
        }
    }
}

/// Tells whether a value is a number with a unit of bytes.
fn is_size(value: &str) -> bool {
    let unit_at = value.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(value.len());
    let (number, unit) = value.split_at(unit_at);
    let unit = unit.trim_start().to_ascii_lowercase();
    let known = ["b", "kb", "mb", "gb", "tb", "pb", "kib", "mib", "gib", "tib", "pib"].contains(&unit.as_str());
    known && number.parse::<f64>().is_ok()
}

/// Returns what `parser` takes out of each line.
fn parse(lines: &[&str], parser: &str) -> Result<Vec<Vec<(String, String)>>, String> {
    let expr = logql::parse(&format!("{{of=\"lines\"}} | {parser}")).map_err(|error| error.to_string())?;
    let (start, end) = (Timestamp::from_nanos(0), Timestamp::from_nanos(lines.len() as i64));
    let limit = u32::try_from(lines.len()).unwrap_or(u32::MAX);
    let params = QueryParams { limit, ..QueryParams::range(start, end, std::time::Duration::from_secs(1)) };
    let plan = logql::plan(&expr, &params).map_err(|error| error.to_string())?;
    let mut parsed = vec![Vec::new(); lines.len()];
    let Some(part) = plan.part() else { return Ok(parsed) };
    let mut runner = part.runner().map_err(|error| error.to_string())?;
    // Each line counts, so it cannot have enough before the end.
    let _ = runner.add_rows(&rows(lines)).map_err(|error| error.to_string())?;
    let mut merge = Merge::new(&plan);
    merge.add(runner.finish().map_err(|error| error.to_string())?).map_err(|error| error.to_string())?;
    if let QueryResult::Streams(streams) = merge.finish().map_err(|error| error.to_string())? {
        for entry in streams.into_iter().flat_map(|stream| stream.entries) {
            parsed[entry.timestamp.as_nanos() as usize] = entry.parsed;
        }
    }
    Ok(parsed)
}

/// Puts lines into columns, each at an instant of its own.
fn rows(lines: &[&str]) -> Rows {
    let labels = Arc::new(Labels::new([("of".to_owned(), "lines".to_owned())]));
    let mut rows = Rows { streams: vec![StreamRows { labels, rows: 0..lines.len() }], ..Rows::default() };
    let mut text = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        text.extend_from_slice(line.as_bytes());
        rows.timestamps.push(Timestamp::from_nanos(at as i64));
        rows.line_ends.push(u32::try_from(text.len()).unwrap_or(u32::MAX));
    }
    rows.lines = text.into();
    rows
}

const ERROR: &str = "__error__";
/// The most fields that are told apart; further ones are left out. A guess, beyond what any screen shows.
const FIELDS_MAX: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lines: &[&str], want: &[(&str, &str, usize, &[&str])]) {
        let entry = |(at, line): (usize, &&str)| StreamEntry {
            timestamp: Timestamp::from_nanos(at as i64),
            line: (*line).to_owned(),
            metadata: vec![("trace".to_owned(), at.to_string())],
            parsed: Vec::new(),
        };
        let entries = lines.iter().enumerate().map(entry).collect();
        let streams = [Stream { labels: Labels::new([("app".to_owned(), "x".to_owned())]), entries }];
        let table = FieldTable::of(&streams, &["json", "logfmt"]).unwrap();
        let found: Vec<(&str, &str, usize, Vec<&str>)> = table
            .iter()
            .filter(|(name, _)| *name != "trace")
            .map(|(name, field)| {
                (name, field.kind().name(), field.values.len(), field.parsers.iter().copied().collect())
            })
            .collect();
        let want: Vec<_> = want.iter().map(|(name, kind, count, by)| (*name, *kind, *count, by.to_vec())).collect();
        assert_eq!(found, want);
        assert_eq!(table.field("trace").unwrap().values.len(), lines.len());
    }

    #[test]
    fn fields_are_found_by_the_parser_that_fits_the_line() {
        check(
            &[r#"{"status":200,"took":"1.5s","user":{"name":"a"}}"#, r#"{"status":404,"took":"20ms"}"#],
            &[
                ("status", "int", 2, &["json"]),
                ("took", "duration", 2, &["json"]),
                ("user_name", "string", 1, &["json"]),
            ],
        );
        check(
            &["level=info size=10KB ok=true ratio=0.5", r#"{"level":"info","ratio":2}"#],
            &[
                ("level", "string", 1, &["json", "logfmt"]),
                ("ok", "boolean", 1, &["logfmt"]),
                ("ratio", "float", 2, &["json", "logfmt"]),
                ("size", "bytes", 1, &["logfmt"]),
            ],
        );
        check(&["just words"], &[]);
    }

    #[test]
    fn fields_of_json_tell_where_they_lie() {
        let entry = |line: &str| StreamEntry {
            timestamp: Timestamp::from_nanos(0),
            line: line.to_owned(),
            metadata: vec![("trace".to_owned(), "t".to_owned())],
            parsed: Vec::new(),
        };
        let entries = vec![entry(r#"{"user":{"full.name":"a"},"user_full_name":"b"}"#), entry("plain=1")];
        let streams = [Stream { labels: Labels::new([("app".to_owned(), "x".to_owned())]), entries }];
        let table = FieldTable::of(&streams, &["json", "logfmt"]).unwrap();
        assert_eq!(table.field("user_full_name").unwrap().json_path, ["user", "full.name"]);
        assert!(table.field("plain").unwrap().json_path.is_empty());
        assert!(table.field("trace").unwrap().json_path.is_empty());
    }
}
