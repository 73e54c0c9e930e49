//! The answer, and its JSON as Loki's clients read it.

use std::collections::BTreeMap;
use std::fmt::Write;

use logmesh_protocol::record::Labels;
use logmesh_protocol::time::Timestamp;

/// The answer to a query.
#[derive(Clone, Debug, PartialEq)]
pub enum QueryResult {
    /// Lines.
    Streams(Vec<Stream>),
    /// Series over a range.
    Matrix(Vec<SeriesPoints>),
    /// Series at one instant.
    Vector(Vec<Sample>),
    /// A number at one instant.
    Scalar {
        /// The instant.
        timestamp: Timestamp,
        /// The number.
        value: f64,
    },
}

/// The lines of one stream, in the direction asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// Its labels.
    pub labels: Labels,
    /// Its lines.
    pub entries: Vec<StreamEntry>,
}

/// A line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamEntry {
    /// When it happened.
    pub timestamp: Timestamp,
    /// The line.
    pub line: String,
    /// Its metadata.
    pub metadata: Vec<(String, String)>,
    /// What parsers took out of it.
    pub parsed: Vec<(String, String)>,
}

/// A series over a range.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesPoints {
    /// Its labels.
    pub labels: Labels,
    /// Its values, oldest first.
    pub points: Vec<(Timestamp, f64)>,
}

/// A series at one instant.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Its labels.
    pub labels: Labels,
    /// The instant.
    pub timestamp: Timestamp,
    /// Its value.
    pub value: f64,
}

/// How a client wants its answer (`X-Loki-Response-Encoding-Flags`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Encoding {
    /// Keep metadata and parsed labels apart from those of the stream, line by line.
    pub categorize_labels: bool,
}

impl QueryResult {
    /// Returns the value of the answer's `data`, without `stats`.
    pub fn to_json(&self, encoding: Encoding) -> String {
        let mut out = String::from("{");
        self.write_fields(&mut out, encoding);
        out.push('}');
        out
    }

    /// Appends the fields of the answer's `data` without the braces, so that `stats` can be put behind them:
    /// `"resultType":"streams","result":[…]`.
    pub fn write_fields(&self, out: &mut String, encoding: Encoding) {
        let kind = match self {
            QueryResult::Streams(_) => "streams",
            QueryResult::Matrix(_) => "matrix",
            QueryResult::Vector(_) => "vector",
            QueryResult::Scalar { .. } => "scalar",
        };
        push(out, format_args!("\"resultType\":\"{kind}\","));
        if encoding.categorize_labels && matches!(self, QueryResult::Streams(_)) {
            out.push_str("\"encodingFlags\":[\"categorize-labels\"],");
        }
        out.push_str("\"result\":");
        match self {
            QueryResult::Streams(streams) => write_streams(out, streams, encoding),
            QueryResult::Matrix(series) => write_list(out, series, write_series),
            QueryResult::Vector(samples) => write_list(out, samples, write_sample),
            QueryResult::Scalar { timestamp, value } => write_point(out, &(*timestamp, *value)),
        }
    }
}

/// Appends streams as a list, as answers to log queries and the frames of a tail have it.
pub fn write_streams(out: &mut String, streams: &[Stream], encoding: Encoding) {
    if encoding.categorize_labels {
        write_list(out, streams, write_categorized);
    } else {
        write_list(out, &merged(streams), write_merged);
    }
}

/// Entries of one set of labels, of whatever kind the labels are.
type Merged<'a> = (BTreeMap<&'a str, &'a str>, Vec<&'a StreamEntry>);

/// Groups entries by all their labels, as clients see them that know no kinds of labels.
fn merged(streams: &[Stream]) -> Vec<Merged<'_>> {
    let mut merged: BTreeMap<BTreeMap<&str, &str>, Vec<&StreamEntry>> = BTreeMap::new();
    for stream in streams {
        for entry in &stream.entries {
            // The stream's own labels are put in last: they win.
            let mut labels: BTreeMap<&str, &str> = BTreeMap::new();
            labels.extend(entry.parsed.iter().map(|(name, value)| (name.as_str(), value.as_str())));
            labels.extend(entry.metadata.iter().map(|(name, value)| (name.as_str(), value.as_str())));
            labels.extend(stream.labels.iter());
            merged.entry(labels).or_default().push(entry);
        }
    }
    let forward = is_forward(streams);
    for entries in merged.values_mut() {
        // Entries of several streams may have come together.
        entries.sort_by(|a, b| if forward { a.timestamp.cmp(&b.timestamp) } else { b.timestamp.cmp(&a.timestamp) });
    }
    merged.into_iter().collect()
}

/// Tells whether the entries are in order of time, as far as that can be seen.
fn is_forward(streams: &[Stream]) -> bool {
    let times = |stream: &Stream| Some((stream.entries.first()?.timestamp, stream.entries.last()?.timestamp));
    streams.iter().filter_map(times).find(|(first, last)| first != last).is_some_and(|(first, last)| first < last)
}

fn write_merged(out: &mut String, (labels, entries): &Merged<'_>) {
    out.push_str("{\"stream\":");
    write_object(out, labels.iter().map(|(name, value)| (*name, *value)));
    out.push_str(",\"values\":");
    write_list(out, entries, |out, entry| {
        write_entry_start(out, entry);
        out.push(']');
    });
    out.push('}');
}

fn write_categorized(out: &mut String, stream: &Stream) {
    out.push_str("{\"stream\":");
    write_object(out, stream.labels.iter());
    out.push_str(",\"values\":");
    write_list(out, &stream.entries, |out, entry| {
        write_entry_start(out, entry);
        out.push_str(",{");
        // A kind without labels is left out.
        let mut comma = "";
        for (kind, pairs) in [("structuredMetadata", &entry.metadata), ("parsed", &entry.parsed)] {
            if !pairs.is_empty() {
                push(out, format_args!("{comma}\"{kind}\":"));
                write_object(out, pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())));
                comma = ",";
            }
        }
        out.push_str("}]");
    });
    out.push('}');
}

fn write_entry_start(out: &mut String, entry: &StreamEntry) {
    push(out, format_args!("[\"{}\",", entry.timestamp.as_nanos()));
    write_string(out, &entry.line);
}

fn write_series(out: &mut String, series: &SeriesPoints) {
    out.push_str("{\"metric\":");
    write_object(out, series.labels.iter());
    out.push_str(",\"values\":");
    write_list(out, &series.points, write_point);
    out.push('}');
}

fn write_sample(out: &mut String, sample: &Sample) {
    out.push_str("{\"metric\":");
    write_object(out, sample.labels.iter());
    out.push_str(",\"value\":");
    write_point(out, &(sample.timestamp, sample.value));
    out.push('}');
}

/// Appends `[seconds, "value"]`. Seconds have up to three decimals, as Prometheus' timestamps do.
fn write_point(out: &mut String, (timestamp, value): &(Timestamp, f64)) {
    let millis = timestamp.as_nanos().div_euclid(1_000_000);
    let sign = if millis < 0 { "-" } else { "" };
    let (seconds, rest) = (millis.unsigned_abs() / 1_000, millis.unsigned_abs() % 1_000);
    push(out, format_args!("[{sign}{seconds}"));
    if rest > 0 {
        let digits = format!("{rest:03}");
        push(out, format_args!(".{}", digits.trim_end_matches('0')));
    }
    push(out, format_args!(",\"{}\"]", Number(*value)));
}

/// A number as Go prints it: no exponent, the fewest digits that read back, `+Inf`, `-Inf`, `NaN`.
struct Number(f64);

impl std::fmt::Display for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            f64::INFINITY => f.write_str("+Inf"),
            f64::NEG_INFINITY => f.write_str("-Inf"),
            number if number.is_nan() => f.write_str("NaN"),
            number => write!(f, "{number}"),
        }
    }
}

fn write_list<T>(out: &mut String, items: &[T], write: impl Fn(&mut String, &T)) {
    out.push('[');
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        write(out, item);
    }
    out.push(']');
}

fn write_object<'a>(out: &mut String, pairs: impl Iterator<Item = (&'a str, &'a str)>) {
    out.push('{');
    for (at, (name, value)) in pairs.enumerate() {
        if at > 0 {
            out.push(',');
        }
        write_string(out, name);
        out.push(':');
        write_string(out, value);
    }
    out.push('}');
}

fn write_string(out: &mut String, text: &str) {
    out.push('"');
    let mut copied = 0;
    for (at, byte) in text.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.push_str(&text[copied..at]);
        copied = at + 1;
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            control => push(out, format_args!("\\u{control:04x}")),
        }
    }
    out.push_str(&text[copied..]);
    out.push('"');
}

fn push(out: &mut String, arguments: std::fmt::Arguments<'_>) {
    out.write_fmt(arguments).expect("a string takes all that is written");
}
