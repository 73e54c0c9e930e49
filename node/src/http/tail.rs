//! `/loki/api/v1/tail`: a log query followed over a WebSocket, for the whole mesh (Loki documentation, "HTTP API").
//!
//! First come the latest entries since the start, then what the nodes take in from then on, in order of time as far as
//! `delay_for` allows. A client that reads too slowly holds up nobody: what it has no room for is dropped where it was
//! taken in, and told in `dropped_entries`.
//!
//! Each frame says whether the tail shows all that the mesh takes in (`complete`), and if not, what may be missing and why
//! (`warnings`, in the words of other answers); a change of that is told at once.

mod buffer;

use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use logmesh_logql::{self as logql, Direction, Encoding, Expr, Merge, Plan, QueryParams, QueryResult, Stream};
use logmesh_protocol::id::NodeId;
use logmesh_protocol::plan::Completeness;
use logmesh_protocol::time::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tracing::debug;

use self::buffer::{Buffer, Entry};
use super::params::Params;
use super::refusal::Refused;
use super::tenant::tenant;
use super::{App, NodeState, SharedApp};
use crate::clock::Clock;
use crate::query::{Follow, Followed, Following, Outcome, Work};

/// `/loki/api/v1/tail`
pub(super) async fn tail(
    State(app): State<SharedApp>,
    headers: HeaderMap,
    uri: Uri,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Refused> {
    let asked = Asked::read(&app, &headers, &uri)?;
    let upgrade = upgrade.map_err(|_| {
        Refused::bad_request(
            "this route speaks WebSocket only: connect with ws:// and an Upgrade header, as logcli does",
        )
    })?;
    let Ok(place) = app.tails.clone().try_acquire_owned() else {
        app.metrics.tails_refused.inc();
        let sentence = format!("this node serves {} tails already (query.tails_max)", app.config.query.tails_max);
        return Err(Refused::new(StatusCode::TOO_MANY_REQUESTS, sentence).retry_after(Duration::from_secs(5)));
    };
    Ok(upgrade.max_message_size(CLIENT_BYTES_MAX).on_upgrade(|socket| run(app, asked, socket, place)))
}

/// What a client wants to follow.
struct Asked {
    tenant: String,
    expr: Expr,
    start: Timestamp,
    limit: u32,
    delay: Duration,
    encoding: Encoding,
}

impl Asked {
    fn read(app: &App, headers: &HeaderMap, uri: &Uri) -> Result<Self, Refused> {
        let params = Params::read(uri, &axum::body::Bytes::new());
        let bad = |error: &dyn std::fmt::Display| Refused::bad_request(error.to_string());
        let expr = logql::parse(params.required("query")?).map_err(|error| bad(&error))?;
        if matches!(expr, Expr::Metric(_)) {
            return Err(Refused::bad_request(
                "a tail follows lines: parameter query must be a log query, not a metric query",
            ));
        }
        let delay = params.number("delay_for")?.unwrap_or(0);
        if delay > DELAY_SECONDS_MAX {
            let sentence = format!("parameter delay_for: {delay} is more than {DELAY_SECONDS_MAX} seconds");
            return Err(Refused::bad_request(sentence));
        }
        let entries_max = app.config.query.entries_max;
        let limit = params.number("limit")?.unwrap_or(LIMIT);
        if limit > entries_max {
            let sentence = format!("parameter limit: {limit} is more than {entries_max} (query.entries_max)");
            return Err(Refused::bad_request(sentence));
        }
        let start = params.timestamp("start")?.unwrap_or_else(|| Clock::timestamp().saturating_sub(HOUR));
        let flags = headers.get("x-loki-response-encoding-flags").and_then(|value| value.to_str().ok());
        let categorize_labels =
            flags.is_some_and(|flags| flags.split(',').any(|flag| flag.trim() == "categorize-labels"));
        let asked = Self {
            tenant: tenant(headers)?,
            expr,
            start,
            limit,
            delay: Duration::from_secs(delay.into()),
            encoding: Encoding { categorize_labels },
        };
        // What cannot be run is refused here, where the client still reads a status.
        asked.plan(Direction::Forward, limit).and_then(|plan| {
            let runs = plan.part().is_some_and(|part| part.runner().is_ok());
            if runs { Ok(()) } else { Err(Refused::bad_request("the query cannot be followed")) }
        })?;
        Ok(asked)
    }

    fn plan(&self, direction: Direction, limit: u32) -> Result<Plan, Refused> {
        let params = QueryParams::range(self.start, Timestamp::MAX, Duration::from_secs(1));
        let params = QueryParams { direction, limit, ..params };
        logql::plan(&self.expr, &params).map_err(|error| Refused::bad_request(error.to_string()))
    }
}

/// Serves one client until it hangs up, falls silent or the node stops.
async fn run(app: SharedApp, asked: Asked, socket: WebSocket, _place: OwnedSemaphorePermit) {
    let (mut sink, stream) = socket.split();
    app.metrics.tails.inc();
    let (code, reason) = match follow(&app, &asked, &mut sink, stream).await {
        End::Gone => (close_code::NORMAL, String::new()),
        End::Stopping => (close_code::AWAY, "this node is stopping; connect to another".to_owned()),
        End::Failed(reason) => (close_code::ERROR, reason),
    };
    app.metrics.tails.dec();
    debug!(code, reason, "tail ended");
    let reason = reason.chars().take(CLOSE_CHARS_MAX).collect::<String>().into();
    let _ = timeout(CLOSE_WAIT, sink.send(Message::Close(Some(CloseFrame { code, reason })))).await;
}

/// Why a tail ended.
enum End {
    /// The client hung up, or is silent.
    Gone,
    /// The node stops.
    Stopping,
    /// The query does not work.
    Failed(String),
}

async fn follow(
    app: &App,
    asked: &Asked,
    sink: &mut SplitSink<WebSocket, Message>,
    mut stream: SplitStream<WebSocket>,
) -> End {
    let plan = match asked.plan(Direction::Forward, u32::MAX) {
        Ok(plan) => plan,
        Err(refused) => return End::Failed(refused.to_string()),
    };
    let part = plan.part().expect("a log query reads records").clone();
    // Followed first and looked up then: what comes in between comes twice, which the buffer sees, and nothing is missed.
    let mut following = app.coordinator.follow(Follow { tenant: asked.tenant.clone(), part }).await;
    let (buffer, looked_up) = (Buffer::new(asked.delay), (Completeness::default(), Instant::now()));
    let mut session = Session { app, asked, plan, buffer, looked_up, heard: Instant::now() };
    if let Err(reason) = session.look_up(Direction::Backward, asked.limit).await {
        return End::Failed(reason);
    }
    session.look_around(&following).await;
    let mut state = app.state.subscribe();
    let mut tick = interval(FRAME_PAUSE);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut ping = interval(PING_INTERVAL);
    let mut around = interval(AROUND_PAUSE);
    around.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            followed = following.next(), if session.buffer.has_room() => match followed {
                Some(followed) => session.on_followed(followed).await,
                None => return End::Stopping,
            },
            _ = around.tick() => session.look_around(&following).await,
            _ = tick.tick() => if !session.send_due(sink).await { return End::Gone },
            message = stream.next() => match message {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return End::Gone,
                // Whatever it says, it is there.
                Some(Ok(_)) => session.heard = Instant::now(),
            },
            _ = ping.tick() => {
                let is_sent = timeout(WRITE_WAIT, sink.send(Message::Ping(axum::body::Bytes::new()))).await;
                if session.heard.elapsed() > SILENCE_MAX || !matches!(is_sent, Ok(Ok(()))) {
                    return End::Gone;
                }
            }
            () = stopping(&mut state) => return End::Stopping,
        }
    }
}

async fn stopping(state: &mut watch::Receiver<NodeState>) {
    // Without a sender the node is about to end too.
    let _ = state.wait_for(|state| *state == NodeState::Stopping).await;
}

/// One tail.
struct Session<'a> {
    app: &'a App,
    asked: &'a Asked,
    /// What is followed.
    plan: Plan,
    buffer: Buffer,
    /// How complete what was looked up last is, and when that was.
    looked_up: (Completeness, Instant),
    /// When the client last said anything.
    heard: Instant,
}

impl Session<'_> {
    async fn on_followed(&mut self, followed: Followed) {
        match followed {
            Followed::Live(live) => {
                self.app.metrics.tail_dropped.inc_by(live.dropped.count);
                self.buffer.drop_entries(live.dropped);
                if let Some(partial) = live.partial {
                    let mut merge = Merge::new(&self.plan);
                    // A peer whose words do not fit is one of another version.
                    if let Ok(QueryResult::Streams(streams)) = merge.add(partial).and_then(|()| merge.finish()) {
                        self.add(streams);
                    }
                }
            }
            Followed::Joined => {
                // Best effort: what cannot be looked up now is in every later answer.
                let limit = self.app.config.query.entries_max;
                if let Err(reason) = self.look_up(Direction::Backward, limit).await {
                    debug!(reason, "a tail could not look up what a node took in while it was lost");
                }
            }
            Followed::Lost => {
                self.app.metrics.tail_losses.inc();
            }
        }
    }

    /// Adds what the mesh has. After the first time only what is new since the last time.
    async fn look_up(&mut self, direction: Direction, limit: u32) -> Result<(), String> {
        let plan = self.asked.plan(direction, limit).map_err(|refused| refused.to_string())?;
        let part = plan.part().expect("a log query reads records").clone();
        let gathered = self.app.gather(std::slice::from_ref(&self.asked.tenant), Work::Part(part)).await;
        let gathered = gathered.map_err(|refused| refused.to_string())?;
        self.looked_up = (gathered.completeness, Instant::now());
        let merged = tokio::task::spawn_blocking(move || {
            let mut merge = Merge::new(&plan);
            for outcome in gathered.outcomes {
                if let Outcome::Partial(partial) = outcome {
                    merge.add(partial)?;
                }
            }
            merge.finish()
        });
        let merged = merged.await.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
        if let QueryResult::Streams(streams) = merged {
            self.add(streams);
        }
        Ok(())
    }

    /// Notes what may be missing: what could not be looked up, and what those take in that are not followed. Once all are followed,
    /// what could not be looked up is tried again.
    async fn look_around(&mut self, following: &Following) {
        let not_followed = self.app.coordinator.not_followed(following).await;
        let (looked_up, at) = &self.looked_up;
        if not_followed.complete && !looked_up.complete && at.elapsed() > LOOK_AGAIN {
            self.on_followed(Followed::Joined).await;
        }
        let is_told = |node: NodeId| not_followed.missing.iter().any(|missing| missing.node == node);
        let looked_up = self.looked_up.0.missing.iter().filter(|missing| !is_told(missing.node));
        let warnings = looked_up.chain(&not_followed.missing).map(ToString::to_string);
        self.buffer.warn(warnings.collect());
    }

    fn add(&mut self, streams: Vec<Stream>) {
        for Stream { labels, entries } in streams {
            for entry in entries {
                self.buffer.add(Entry { labels: labels.clone(), entry }, Instant::now());
            }
        }
    }

    /// Sends what is due. Tells whether the client takes it.
    async fn send_due(&mut self, sink: &mut SplitSink<WebSocket, Message>) -> bool {
        while let Some(frame) = self.buffer.frame(Instant::now(), self.asked.encoding) {
            let sent = timeout(WRITE_WAIT, sink.send(Message::Text(frame.into()))).await;
            if !matches!(sent, Ok(Ok(()))) {
                return false;
            }
        }
        true
    }
}

/// The longest `delay_for`, as in Loki.
const DELAY_SECONDS_MAX: u32 = 5;
const LIMIT: u32 = 100;
const HOUR: Duration = Duration::from_secs(3600);
/// How often entries are sent: what comes within shares a frame and is in order.
const FRAME_PAUSE: Duration = Duration::from_millis(100);
/// How often it is seen who is not followed: this is how late a change is told.
const AROUND_PAUSE: Duration = Duration::from_millis(500);
/// After how long what could not be looked up whole is looked up again.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
const PING_INTERVAL: Duration = Duration::from_secs(15);
/// A client that answers no ping for so long is gone.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// A client that takes nothing for so long is gone.
const WRITE_WAIT: Duration = Duration::from_secs(60);
const CLOSE_WAIT: Duration = Duration::from_secs(1);
/// Clients have nothing to say but pongs.
const CLIENT_BYTES_MAX: usize = 4 << 10;
/// A close frame holds 123 bytes of reason (RFC 6455 section 5.5); a character may take four.
const CLOSE_CHARS_MAX: usize = 30;
