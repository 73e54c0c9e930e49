//! `logmesh query`: asks a node a LogQL query for the whole mesh, and tells how complete the answer is.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::tz::TimeZone;
use serde::Deserialize;

use super::client::{Answer, Target};
use super::entries::{self, Direction, Output, StreamEntries};
use super::output::{Colour, Paint, human_bytes, human_count, human_duration, printable, warn};
use super::samples::{self, Point, Sample, Series};
use super::tail::Follow;
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
    /// Go on with entries as they come in, as `logmesh tail` does
    #[arg(long, short, conflicts_with_all = ["from", "to", "direction", "step", "strict", "json"])]
    follow: bool,
    /// With --follow: how long entries wait for older ones of other nodes, at most 5s
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = parse_duration, requires = "follow")]
    delay_for: Duration,
    /// The tenant, or several as A|B
    #[arg(long, env = "LOGMESH_TENANT")]
    tenant: Option<String>,
    #[command(flatten)]
    target: Target,
}

/// What a node answers, as far as it is shown.
#[derive(Debug, Deserialize)]
struct Reply {
    data: Data,
    #[serde(default)]
    warnings: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Data {
    #[serde(flatten)]
    found: Found,
    #[serde(default)]
    stats: Stats,
}

#[derive(Debug, Default, Deserialize)]
struct Stats {
    #[serde(default)]
    summary: Summary,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Summary {
    total_bytes_processed: u64,
    total_lines_processed: u64,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "resultType", content = "result", rename_all = "lowercase")]
enum Found {
    Streams(Vec<StreamEntries>),
    Matrix(Vec<Series>),
    Vector(Vec<Sample>),
    Scalar(Point),
}

impl Query {
    /// Asks, prints what was found, and warns of what may be missing.
    pub(super) fn run(self) -> Result<Exit, Failure> {
        if self.follow {
            let (logql, tenant, target) = (self.logql.as_str(), self.tenant.as_deref(), &self.target);
            let Self { since, limit, delay_for, output, .. } = self;
            return Follow { logql, since, limit, delay_for, output, tenant, target }.run();
        }
        let client = self.target.client(ANSWER_TIMEOUT);
        let parameters = self.parameters();
        let parameters: Vec<(&str, &str)> = parameters.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let tenant = self.tenant.as_deref().map(|tenant| ("X-Scope-OrgID", tenant));
        let waiting = Waiting::begin();
        let answer = client.get("/loki/api/v1/query_range", &parameters, tenant.as_slice());
        let took = waiting.end();
        let answer = answer?;
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
            self.print(&mut out, reply.data.found, Paint::stdout())?;
        }
        out.flush()?;
        tell_work(took, &reply.data.stats.summary);
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
        let how = (self.output, paint);
        match found {
            Found::Streams(streams) => entries::print(out, &streams, self.direction, how),
            Found::Matrix(series) => samples::print(out, &samples::of_matrix(&series), how),
            Found::Vector(vector) => samples::print(out, &samples::of_vector(&vector), how),
            Found::Scalar(point) => samples::print(out, &samples::of_scalar(&point, &BTreeMap::new()), how),
        }
    }
}

/// Shows at a terminal that an answer takes its time.
struct Waiting {
    begun: Instant,
    bar: ProgressBar,
}

impl Waiting {
    fn begin() -> Self {
        // It hides itself where the standard error is no terminal.
        let bar = ProgressBar::new_spinner().with_message("asking the mesh");
        let style = ProgressStyle::with_template("{spinner} {msg} for {elapsed}").expect("the template is sound");
        bar.set_style(style);
        bar.enable_steady_tick(PROGRESS_AFTER);
        Self { begun: Instant::now(), bar }
    }

    /// Returns how long it took.
    fn end(self) -> Duration {
        self.bar.finish_and_clear();
        self.begun.elapsed()
    }
}

/// Tells a person what a long query has looked at.
fn tell_work(took: Duration, summary: &Summary) {
    if took < LONG_QUERY || !io::stderr().is_terminal() {
        return;
    }
    let (bytes, lines) = (human_bytes(summary.total_bytes_processed), human_count(summary.total_lines_processed));
    let text = format!("{bytes} in {lines} lines scanned in {}", human_duration(took));
    let _ = writeln!(io::stderr(), "{}", Paint::stderr().paint(Colour::Dim, &text));
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

/// A spinner is shown once a query takes so long.
const PROGRESS_AFTER: Duration = Duration::from_millis(300);
/// What was scanned is told of queries that took so long.
const LONG_QUERY: Duration = Duration::from_secs(1);
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
        query(arguments).print(&mut out, reply.data.found, Paint::plain()).unwrap();
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
    fn numbers_of_every_kind_are_shown() {
        let matrix = r#"{"data":{"resultType":"matrix","result":[{"metric":{"a":"b"},"values":[[1.5,"2"]]}]}}"#;
        let text = printed(&[], matrix);
        assert!(text.contains(":01.500") && text.ends_with("b  2\n"), "{text}");
        let vector = r#"{"data":{"resultType":"vector","result":[{"metric":{},"value":[1,"7"]}]}}"#;
        assert_eq!(printed(&["--output", "raw"], vector), "7\n");
        assert_eq!(printed(&["--output", "raw"], r#"{"data":{"resultType":"scalar","result":[1,"7"]}}"#), "7\n");
    }

    #[test]
    fn what_was_scanned_is_read() {
        let stats = r#""stats":{"summary":{"totalBytesProcessed":9,"totalLinesProcessed":3,"execTime":0.1}}"#;
        let reply = format!("{{\"data\":{{\"resultType\":\"streams\",\"result\":[],{stats}}}}}");
        let reply: Reply = serde_json::from_str(&reply).unwrap();
        let summary = reply.data.stats.summary;
        assert_eq!((summary.total_bytes_processed, summary.total_lines_processed), (9, 3));
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
