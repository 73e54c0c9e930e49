//! `logmesh query`: asks a node a LogQL query for the whole mesh, and tells how complete the answer is.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

use clap::{Args, ValueEnum};
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::client::{Answer, Target};
use super::output::{Colour, Paint, printable, warn};
use super::{Exit, Failure};
use crate::config::{parse_duration, show_duration};

/// Asks a LogQL query.
#[derive(Debug, Args)]
pub(super) struct Query {
    /// The query, such as '{app="web"} |= "error"' or 'sum by (app) (rate({app=~".+"}\[5m\]))'
    #[arg(
        value_name = "LOGQL",
        help = r#"The query, such as '{app="web"} |= "error"' or 'sum by (app) (rate({app=~".+"}[5m]))'"#
    )]
    logql: String,
    /// How far back to look
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = parse_duration, conflicts_with = "from")]
    since: Duration,
    /// The beginning: RFC 3339, a local time like '2026-11-23 14:00', or nanoseconds since 1970
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    from: Option<i64>,
    /// The end [default: now]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    to: Option<i64>,
    /// The most entries to return
    #[arg(long, default_value_t = 100)]
    limit: u64,
    /// Which entries come first, and are kept if there are more than the limit
    #[arg(long, value_enum, default_value_t = Direction::Backward)]
    direction: Direction,
    /// The time between the points of a metric query [default: about 250 points]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    step: Option<Duration>,
    /// Take only a complete answer: exit with 4 rather than print a part
    #[arg(long)]
    strict: bool,
    /// How entries are printed
    #[arg(long, value_enum, default_value_t = Output::Default)]
    output: Output,
    /// Print the node's answer as it came
    #[arg(long, conflicts_with = "output")]
    json: bool,
    /// The tenant, or several as A|B
    #[arg(long, env = "LOGMESH_TENANT")]
    tenant: Option<String>,
    #[command(flatten)]
    target: Target,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Direction {
    /// The oldest first
    Forward,
    /// The newest first
    Backward,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// Time, labels and line
    Default,
    /// The line only
    Raw,
    /// One JSON object an entry
    Jsonl,
}

/// What a node answers, as far as it is shown.
#[derive(Debug, Deserialize)]
struct Reply {
    data: Found,
    #[serde(default)]
    warnings: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "resultType", content = "result", rename_all = "lowercase")]
enum Found {
    Streams(Vec<StreamEntries>),
    Matrix(Vec<Series>),
    Vector(Vec<Sample>),
    Scalar(Point),
}

#[derive(Debug, Deserialize)]
struct StreamEntries {
    stream: BTreeMap<String, String>,
    values: Vec<Entry>,
}

/// Nanoseconds as text, the line, and perhaps metadata, which the labels repeat.
#[derive(Debug, Deserialize)]
struct Entry {
    nanos: String,
    line: String,
    #[serde(default)]
    _metadata: IgnoredAny,
}

#[derive(Debug, Deserialize)]
struct Series {
    metric: BTreeMap<String, String>,
    values: Vec<Point>,
}

#[derive(Debug, Deserialize)]
struct Sample {
    metric: BTreeMap<String, String>,
    value: Point,
}

/// Seconds, and a number as text.
#[derive(Debug, Deserialize)]
struct Point(f64, String);

impl Query {
    /// Asks, prints what was found, and warns of what may be missing.
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let client = self.target.client(ANSWER_TIMEOUT);
        let parameters = self.parameters();
        let parameters: Vec<(&str, &str)> = parameters.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let tenant = self.tenant.as_deref().map(|tenant| ("X-Scope-OrgID", tenant));
        let answer = client.get("/loki/api/v1/query_range", &parameters, tenant.as_slice())?;
        if self.strict && answer.status == 503 && answer.complete == Some(false) {
            warn(&answer.text());
            return Ok(Exit::Incomplete);
        }
        let answer = answer.accepted(&client)?;
        let reply: Reply = answer.json(&client)?;
        let mut out = io::BufWriter::new(io::stdout().lock());
        if self.json {
            out.write_all(&answer.body)?;
            out.write_all(b"\n")?;
        } else {
            self.print(&mut out, reply.data, Paint::stdout())?;
        }
        out.flush()?;
        Ok(tell_completeness(&answer, &reply.warnings))
    }

    fn parameters(&self) -> Vec<(&'static str, String)> {
        let mut parameters = vec![("query", self.logql.clone()), ("limit", self.limit.to_string())];
        match self.from {
            Some(from) => parameters.push(("start", from.to_string())),
            None => parameters.push(("since", show_duration(self.since))),
        }
        parameters.extend(self.to.map(|to| ("end", to.to_string())));
        parameters.extend(self.step.map(|step| ("step", show_duration(step))));
        let direction = match self.direction {
            Direction::Forward => "forward",
            Direction::Backward => "backward",
        };
        parameters.push(("direction", direction.to_owned()));
        parameters.extend(self.strict.then(|| ("strict", "true".to_owned())));
        parameters
    }

    fn print(&self, out: &mut impl Write, found: Found, paint: Paint) -> io::Result<()> {
        match found {
            Found::Streams(streams) => self.print_entries(out, &streams, paint),
            Found::Matrix(series) => series.iter().try_for_each(|series| print_series(out, series, paint)),
            Found::Vector(samples) => samples.iter().try_for_each(|sample| {
                writeln!(out, "{} {}", paint.paint(Colour::Blue, &labels_text(&sample.metric)), sample.value.1)
            }),
            Found::Scalar(point) => writeln!(out, "{}", point.1),
        }
    }

    fn print_entries(&self, out: &mut impl Write, streams: &[StreamEntries], paint: Paint) -> io::Result<()> {
        let of_stream = |stream: &StreamEntries| labels_text(&stream.stream);
        let texts: Vec<String> = streams.iter().map(of_stream).collect();
        let mut entries: Vec<(i64, usize, &Entry)> = Vec::new();
        for (at, stream) in streams.iter().enumerate() {
            entries.extend(stream.values.iter().map(|entry| (entry.nanos.parse().unwrap_or(0), at, entry)));
        }
        // Stable, so that entries of one nanosecond stay in the order in which the node gave them.
        match self.direction {
            Direction::Forward => entries.sort_by_key(|entry| entry.0),
            Direction::Backward => entries.sort_by_key(|entry| std::cmp::Reverse(entry.0)),
        }
        for (nanos, at, entry) in entries {
            match self.output {
                Output::Raw => writeln!(out, "{}", entry.line)?,
                Output::Jsonl => {
                    let object = serde_json::json!({
                        "timestamp": nanos.to_string(), "labels": streams[at].stream, "line": entry.line,
                    });
                    writeln!(out, "{object}")?;
                }
                Output::Default => {
                    let time = paint.paint(Colour::Dim, &local_time(nanos));
                    writeln!(out, "{time} {} {}", paint.paint(Colour::Blue, &texts[at]), printable(&entry.line))?;
                }
            }
        }
        Ok(())
    }
}

fn print_series(out: &mut impl Write, series: &Series, paint: Paint) -> io::Result<()> {
    writeln!(out, "{}", paint.paint(Colour::Blue, &labels_text(&series.metric)))?;
    for Point(seconds, value) in &series.values {
        let nanos = (seconds * 1e9) as i64;
        writeln!(out, "  {} {value}", paint.paint(Colour::Dim, &local_time(nanos)))?;
    }
    Ok(())
}

/// Warns of what may be missing. An incomplete answer that was not asked to be complete is still an answer.
fn tell_completeness(answer: &Answer, warnings: &[String]) -> Exit {
    for warning in warnings {
        warn(&printable(warning));
    }
    if answer.complete == Some(false) && warnings.is_empty() {
        warn("the answer may be incomplete");
    }
    Exit::Done
}

fn labels_text(labels: &BTreeMap<String, String>) -> String {
    let pairs: Vec<String> = labels.iter().map(|(name, value)| format!("{name}={:?}", printable(value))).collect();
    format!("{{{}}}", pairs.join(", "))
}

/// Returns local time to the millisecond, with the offset, so that it can be compared and typed again.
fn local_time(nanos: i64) -> String {
    let Ok(timestamp) = jiff::Timestamp::from_nanosecond(i128::from(nanos)) else {
        return nanos.to_string();
    };
    timestamp.to_zoned(TimeZone::system()).strftime("%Y-%m-%dT%H:%M:%S%.3f%:z").to_string()
}

/// Reads a time in one of the forms that people and programs write, as nanoseconds since 1970.
fn parse_time(typed: &str) -> Result<i64, String> {
    if let Ok(nanos) = typed.parse() {
        return Ok(nanos);
    }
    let timestamp = typed.parse::<jiff::Timestamp>().or_else(|_| {
        let local = typed.parse::<jiff::civil::DateTime>()?;
        local.to_zoned(TimeZone::system()).map(|zoned| zoned.timestamp())
    });
    let timestamp =
        timestamp.map_err(|_: jiff::Error| format!("{typed:?} is no time; write it like 2026-11-23T14:00:00Z"))?;
    i64::try_from(timestamp.as_nanosecond()).map_err(|_| format!("{typed:?} is too far away"))
}

/// Longer than any `query.timeout` that makes sense at a terminal.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        query: Query,
    }

    fn query(arguments: &[&str]) -> Query {
        Line::try_parse_from([&["query", "{a=\"b\"}"], arguments].concat()).unwrap().query
    }

    fn printed(arguments: &[&str], reply: &str) -> String {
        let reply: Reply = serde_json::from_str(reply).unwrap();
        let mut out = Vec::new();
        query(arguments).print(&mut out, reply.data, Paint::plain()).unwrap();
        String::from_utf8(out).unwrap()
    }

    const STREAMS: &str = r#"{"status":"success","data":{"resultType":"streams","result":[
        {"stream":{"app":"a"},"values":[["3","third"],["1","first"]]},
        {"stream":{"app":"b"},"values":[["2","sec\u001bond",{}]]}],"stats":{}},"warnings":["one is away"]}"#;

    #[test]
    fn entries_of_all_streams_are_merged_in_order_of_time() {
        assert_eq!(printed(&["--output", "raw"], STREAMS), "third\nsec\x1bond\nfirst\n");
        assert_eq!(printed(&["--output", "raw", "--direction", "forward"], STREAMS), "first\nsec\x1bond\nthird\n");
        let whole = printed(&[], STREAMS);
        assert!(whole.contains("{app=\"b\"} sec\u{fffd}ond\n"), "{whole}");
        let first = printed(&["--output", "jsonl"], STREAMS).lines().next().unwrap().to_owned();
        assert_eq!(first, r#"{"labels":{"app":"a"},"line":"third","timestamp":"3"}"#);
    }

    #[test]
    fn numbers_are_printed_by_series() {
        let matrix =
            r#"{"data":{"resultType":"matrix","result":[{"metric":{"a":"b"},"values":[[1.5,"2"],[2.5,"3"]]}]}}"#;
        let text = printed(&[], matrix);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!((lines[0], lines.len()), ("{a=\"b\"}", 3));
        assert!(lines[1].contains(":01.500") && lines[1].ends_with(" 2"), "{text}");
        let vector = r#"{"data":{"resultType":"vector","result":[{"metric":{},"value":[1,"7"]}]}}"#;
        assert_eq!(printed(&[], vector), "{} 7\n");
        assert_eq!(printed(&[], r#"{"data":{"resultType":"scalar","result":[1,"7"]}}"#), "7\n");
    }

    #[test]
    fn what_is_typed_is_what_is_asked() {
        let asked = |arguments: &[&str]| {
            let pairs = query(arguments).parameters();
            pairs.iter().skip(1).map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
        };
        assert_eq!(asked(&[]), "limit=100&since=1h&direction=backward");
        assert_eq!(
            asked(&["--from", "1970-01-01T00:00:01Z", "--to", "5", "--limit", "7", "--strict", "--step", "60s"]),
            "limit=7&start=1000000000&end=5&step=1m&direction=backward&strict=true"
        );
    }

    #[test]
    fn times_are_read_in_each_form() {
        assert_eq!(parse_time("17"), Ok(17));
        assert_eq!(parse_time("1970-01-01T01:00:00+01:00"), Ok(0));
        assert!(parse_time("2026-11-23 14:00").is_ok());
        for bad in ["", "yesterday", "2026-13-01T00:00:00Z", "9999-12-31T00:00:00Z"] {
            assert!(parse_time(bad).is_err(), "{bad}");
        }
    }
}
