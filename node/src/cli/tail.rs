//! `logmesh tail`: follows a log query over a WebSocket, as any client of Loki's API does, and connects anew when the node
//! goes away.

use std::io::{self, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::thread::sleep;
use std::time::{Duration, Instant};

use clap::Args;
use serde::Deserialize;
use serde::de::IgnoredAny;
use tungstenite::client::IntoClientRequest;
use tungstenite::http::HeaderValue;
use tungstenite::{Error, HandshakeError, Message, WebSocket};

use super::client::{Client, ClientError, Target};
use super::entries::{self, Direction, Output, StreamEntries};
use super::output::{Paint, human_count, warn};
use super::{Exit, Failure};
use crate::config::parse_duration;

/// Follows a log query.
#[derive(Debug, Args)]
pub(super) struct Tail {
    /// The query, such as '{app="web"} |= "error"'
    #[arg(value_name = "LOGQL")]
    logql: String,
    /// How far back the entries may lie that are shown first
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = parse_duration)]
    since: Duration,
    /// How many of those are shown at most
    #[arg(long, default_value_t = 10)]
    limit: u64,
    /// How long entries wait for older ones of other nodes, at most 5s
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = parse_duration)]
    delay_for: Duration,
    /// How entries are printed
    #[arg(long, value_enum, default_value_t = Output::Default)]
    output: Output,
    /// The tenant
    #[arg(long, env = "LOGMESH_TENANT")]
    tenant: Option<String>,
    #[command(flatten)]
    target: Target,
}

/// What to follow, however it was asked for.
#[derive(Debug)]
pub(super) struct Follow<'a> {
    pub(super) logql: &'a str,
    pub(super) since: Duration,
    pub(super) limit: u64,
    pub(super) delay_for: Duration,
    pub(super) output: Output,
    pub(super) tenant: Option<&'a str>,
    pub(super) target: &'a Target,
}

/// What a node sends.
#[derive(Debug, Deserialize)]
struct Frame {
    #[serde(default)]
    streams: Vec<StreamEntries>,
    #[serde(default)]
    dropped_entries: Option<Vec<IgnoredAny>>,
    /// What may be missing. Loki itself does not say.
    #[serde(default)]
    warnings: Vec<String>,
}

impl Tail {
    /// Follows until the process is ended.
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let Self { since, limit, delay_for, output, .. } = self;
        let (logql, tenant, target) = (self.logql.as_str(), self.tenant.as_deref(), &self.target);
        Follow { logql, since, limit, delay_for, output, tenant, target }.run()
    }
}

impl Follow<'_> {
    /// Follows until the process is ended, or the node refuses or is away for too long.
    pub(super) fn run(&self) -> Result<Exit, Failure> {
        if self.delay_for.as_secs() > 5 || self.delay_for.subsec_nanos() > 0 {
            return Err(Failure::Usage("--delay-for takes whole seconds, 5 at most".to_owned()));
        }
        let client = self.target.client(CONNECT_TIMEOUT);
        let begun = jiff::Timestamp::now().as_nanosecond() - self.since.as_nanos() as i128;
        let (mut newest, mut limit) = (i64::try_from(begun).unwrap_or(0), self.limit);
        let mut socket = self.connect(&client, newest, limit)?;
        loop {
            let lost = self.show(&mut socket, &mut newest)?;
            warn(&format!("the connection is lost ({lost}); connecting anew"));
            // What was taken in meanwhile is shown first.
            limit = limit.max(CATCH_UP_LIMIT);
            let gave_up = Instant::now() + RECONNECT_MAX;
            socket = loop {
                match self.connect(&client, newest.saturating_add(1), limit) {
                    Err(ClientError::Unreachable { .. } | ClientError::Refused { status: 429 | 500.., .. })
                        if Instant::now() < gave_up =>
                    {
                        sleep(RECONNECT_PAUSE);
                    }
                    connected => break connected?,
                }
            };
        }
    }

    fn connect(&self, client: &Client, start: i64, limit: u64) -> Result<WebSocket<TcpStream>, ClientError> {
        let (start, limit) = (start.to_string(), limit.to_string());
        let delay = self.delay_for.as_secs().to_string();
        let parameters = [("query", self.logql), ("start", &start), ("limit", &limit), ("delay_for", &delay)];
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
        let bad = |why: String| ClientError::Address { node: client.base().to_owned(), why };
        let Some(host) = client.base().strip_prefix("http://") else {
            return Err(bad("a tail needs an address that begins with http://".to_owned()));
        };
        let url = format!("ws://{host}/loki/api/v1/tail?{query}");
        let mut request = url.into_client_request().map_err(|error| bad(error.to_string()))?;
        if let Some(tenant) = self.tenant {
            let tenant = HeaderValue::from_str(tenant).map_err(|error| bad(error.to_string()))?;
            request.headers_mut().insert("X-Scope-OrgID", tenant);
        }
        let away = |source: io::Error| ClientError::Unreachable {
            node: client.base().to_owned(),
            source: Box::new(ureq::Error::Io(source)),
        };
        let stream = open(host.split('/').next().unwrap_or(host)).map_err(away)?;
        match tungstenite::client(request, stream) {
            Ok((socket, _)) => Ok(socket),
            Err(HandshakeError::Failure(Error::Http(response))) => {
                let said = response.body().as_deref().map(String::from_utf8_lossy).unwrap_or_default();
                Err(client.refused(response.status().as_u16(), said.trim()))
            }
            Err(error) => Err(away(io::Error::other(error.to_string()))),
        }
    }

    /// Shows what comes until the connection is lost. Returns why.
    fn show(&self, socket: &mut WebSocket<TcpStream>, newest: &mut i64) -> Result<String, Failure> {
        let mut out = io::BufWriter::new(io::stdout().lock());
        let mut warned = Vec::new();
        loop {
            let text = match socket.read() {
                Ok(Message::Text(text)) => text,
                Ok(Message::Close(frame)) => {
                    let said = frame.map(|frame| frame.reason.to_string()).filter(|reason| !reason.is_empty());
                    return Ok(said.unwrap_or_else(|| "the node hung up".to_owned()));
                }
                // Pings are answered by the next read.
                Ok(Message::Ping(_) | Message::Pong(_) | Message::Binary(_) | Message::Frame(_)) => continue,
                Err(error) => return Ok(error.to_string()),
            };
            let Ok(frame) = serde_json::from_str::<Frame>(&text) else {
                return Ok("the node sent what is no frame of a tail".to_owned());
            };
            entries::print(&mut out, &frame.streams, Direction::Forward, (self.output, Paint::stdout()))?;
            out.flush()?;
            *newest = frame.streams.iter().filter_map(StreamEntries::newest).fold(*newest, i64::max);
            if frame.warnings != warned {
                tell(&warned, &frame.warnings);
                warned = frame.warnings;
            }
            let dropped = frame.dropped_entries.map_or(0, |dropped| dropped.len());
            if dropped > 0 {
                let count = human_count(dropped as u64);
                warn(&format!("at least {count} entries were dropped: they came faster than they were taken"));
            }
        }
    }
}

/// Tells how what may be missing has changed.
fn tell(before: &[String], now: &[String]) {
    for warning in now.iter().filter(|warning| !before.contains(warning)) {
        warn(&format!("entries may be missing: {warning}"));
    }
    if now.is_empty() {
        warn("nothing is missing any more: all nodes are followed");
    }
}

/// Connects to the first address of `host` that answers.
fn open(host: &str) -> io::Result<TcpStream> {
    let with_port = if host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()) {
        host.to_owned()
    } else {
        format!("{host}:80")
    };
    let mut failed = io::Error::from(io::ErrorKind::NotFound);
    for address in with_port.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, CONNECT_TIMEOUT) {
            Ok(stream) => {
                // The node pings: silence means that it is gone.
                stream.set_read_timeout(Some(SILENCE_MAX))?;
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a node may say nothing; it pings every 15 seconds.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// How long a node that went away is tried again.
const RECONNECT_MAX: Duration = Duration::from_secs(60);
const RECONNECT_PAUSE: Duration = Duration::from_secs(1);
/// How many entries that came while the connection was lost are shown.
const CATCH_UP_LIMIT: u64 = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_read_with_and_without_dropped_entries() {
        for dropped in ["", ",\"dropped_entries\":null", ",\"dropped_entries\":[]"] {
            let text = format!("{{\"streams\":[{{\"stream\":{{\"a\":\"b\"}},\"values\":[[\"7\",\"x\"]]}}]{dropped}}}");
            let frame: Frame = serde_json::from_str(&text).unwrap();
            assert_eq!(frame.streams[0].newest(), Some(7));
            assert_eq!(frame.dropped_entries.map_or(0, |dropped| dropped.len()), 0);
        }
    }
}
