//! `/loki/api/v1/delete`: what a tenant wants deleted, in Loki's API (Loki documentation, "Log entry deletion").
//!
//! A request takes effect at once: what it covers is shown by no node any more, wherever the bytes lie and whenever they
//! arrive. The bytes themselves stay until retention drops them, for batches are immutable. A request can be taken back for
//! as long as its status is `received`, 24 hours as in Loki.

use std::time::Duration;

use axum::Json;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use logmesh_logql::parse_timestamp;
use logmesh_protocol::deletion::{self, Deletion, DeletionId};
use logmesh_protocol::replica::Input;
use logmesh_protocol::time::Timestamp;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

use super::params::Params;
use super::refusal::Refused;
use super::tenant::tenant;
use super::{App, SharedApp};
use crate::clock::Clock;
use crate::query::read_query;

type Request = axum::http::Request<Body>;

/// `POST` and `PUT /loki/api/v1/delete`
pub(super) async fn create(State(app): State<SharedApp>, request: Request) -> Result<Response, Refused> {
    let (tenant, params) = read(request).await?;
    let query = params.required("query")?;
    if query.len() > deletion::QUERY_BYTES_MAX {
        let sentence = format!("parameter query: it is longer than {} bytes", deletion::QUERY_BYTES_MAX);
        return Err(Refused::bad_request(sentence));
    }
    read_query(query).map_err(|error| Refused::bad_request(format!("parameter query: {error}")))?;
    let created = Clock::timestamp();
    params.required("start")?;
    let start = time(&params, "start")?.unwrap_or(created);
    // A request says nothing of what happens after it.
    let end = time(&params, "end")?.unwrap_or(created).min(created);
    params.duration("max_interval")?;
    if end < start {
        return Err(Refused::bad_request("the start lies after the end, or in the future"));
    }
    let (query, node) = (query.to_owned(), app.node);
    let deletion = Deletion { tenant, query, start, end, created, node, is_cancelled: false };
    let asker = deletion.tenant.clone();
    let admitted = app.mesh.ask(move |replica, _| replica.deletions().admit(&asker)).await.ok_or_else(stopping)?;
    admitted.map_err(|full| Refused::new(StatusCode::TOO_MANY_REQUESTS, full.to_string()).retry_after(HOUR))?;
    app.tell(deletion).await
}

/// `GET /loki/api/v1/delete`
pub(super) async fn list(State(app): State<SharedApp>, headers: HeaderMap) -> Result<Json<Value>, Refused> {
    let tenant = tenant(&headers)?;
    let known = move |replica: &logmesh_protocol::replica::Replica, _| {
        replica.deletions().of(&tenant).cloned().collect::<Vec<Deletion>>()
    };
    let mut deletions = app.mesh.ask(known).await.ok_or_else(stopping)?;
    deletions.sort_by_key(|deletion| (deletion.created, deletion.id()));
    Ok(Json(deletions.iter().map(|deletion| to_json(deletion, Clock::timestamp())).collect()))
}

/// `DELETE /loki/api/v1/delete`
pub(super) async fn cancel(State(app): State<SharedApp>, request: Request) -> Result<Response, Refused> {
    let (tenant, params) = read(request).await?;
    let wanted = params.required("request_id")?;
    params.flag("force")?;
    let unknown = || Refused::new(StatusCode::NOT_FOUND, "there is no delete request of that id");
    let id: DeletionId = wanted.parse().map_err(|_| unknown())?;
    let row = app.mesh.ask(move |replica, _| replica.deletions().row(id).cloned()).await.ok_or_else(stopping)?;
    let deletion = row.filter(|row| row.tenant == tenant && !row.is_cancelled).ok_or_else(unknown)?;
    if status(&deletion, Clock::timestamp()) != RECEIVED {
        let sentence = "that delete request is processed and can be taken back no more";
        return Err(Refused::bad_request(sentence));
    }
    app.tell(Deletion { is_cancelled: true, ..deletion }).await
}

impl App {
    /// Tells the machine, and answers once this node holds it durably and all live ones have it, or have had a moment for it.
    async fn tell(&self, deletion: Deletion) -> Result<Response, Refused> {
        let (id, is_cancelled) = (deletion.id(), deletion.is_cancelled);
        self.mesh.tell(Input::Delete(deletion)).await;
        let mut deleted = self.deleted.clone();
        let held = timeout(HOLD_WAIT, deleted.wait_for(|deleted| deleted.masks.know(id, is_cancelled))).await;
        let held = held.ok().and_then(Result::ok).map(|deleted| deleted.is_durable);
        if held != Some(true) {
            let sentence = "this node could not write the request down; it may hold all the same: list the requests";
            return Err(Refused::new(StatusCode::SERVICE_UNAVAILABLE, sentence).retry_after(Duration::from_secs(5)));
        }
        let deadline = Instant::now() + SPREAD_WAIT;
        let copies = loop {
            let known = self.mesh.ask(|replica, _| {
                let live = replica.members().iter().filter(|member| member.live).count();
                (replica.deletions_known_by(), live)
            });
            let (known, live) = known.await.ok_or_else(stopping)?;
            if known >= live || Instant::now() >= deadline {
                break known + 1;
            }
            sleep(SPREAD_POLL).await;
        };
        let mut response = StatusCode::NO_CONTENT.into_response();
        response.headers_mut().insert("logmesh-copies", HeaderValue::from(copies));
        Ok(response)
    }
}

async fn read(request: Request) -> Result<(String, Params), Refused> {
    let (parts, body) = request.into_parts();
    let form = to_bytes(body, FORM_BYTES_MAX).await.map_err(|_| {
        let sentence = format!("the form is larger than {FORM_BYTES_MAX} bytes, or broke off");
        Refused::new(StatusCode::PAYLOAD_TOO_LARGE, sentence)
    })?;
    Ok((tenant(&parts.headers)?, Params::read(&parts.uri, &form)))
}

/// Reads a point in time as this route has it: seconds, or RFC 3339. Other routes take a whole number for nanoseconds.
fn time(params: &Params, name: &str) -> Result<Option<Timestamp>, Refused> {
    let Some(text) = params.first(name) else { return Ok(None) };
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let read = if is_number { seconds(text) } else { parse_timestamp(text).ok() };
    read.map(Some).ok_or_else(|| {
        let shown: String = text.chars().take(100).collect();
        Refused::bad_request(format!("parameter {name}: {shown:?} is neither seconds since the epoch nor RFC 3339"))
    })
}

fn seconds(text: &str) -> Option<Timestamp> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits: String = part.chars().chain("000000000".chars()).take(9).collect();
    let nanos: i64 = digits.parse().ok()?;
    let whole: i64 = whole.parse().ok()?;
    Some(Timestamp::from_nanos(whole.checked_mul(1_000_000_000)?.checked_add(nanos)?))
}

fn to_json(deletion: &Deletion, now: Timestamp) -> Value {
    json!({
        "request_id": deletion.id().to_string(),
        "start_time": to_seconds(deletion.start),
        "end_time": to_seconds(deletion.end),
        "query": deletion.query,
        "status": status(deletion, now),
        "created_at": to_seconds(deletion.created),
    })
}

/// Returns seconds to the millisecond, without decimals where there are none to tell.
fn to_seconds(timestamp: Timestamp) -> Value {
    let millis = timestamp.as_nanos().div_euclid(1_000_000);
    if millis % 1000 == 0 { json!(millis / 1000) } else { json!(millis as f64 / 1000.0) }
}

fn status(deletion: &Deletion, now: Timestamp) -> &'static str {
    if now < deletion.created.saturating_add(CANCEL_PERIOD) { RECEIVED } else { "processed" }
}

fn stopping() -> Refused {
    Refused::new(StatusCode::SERVICE_UNAVAILABLE, "this node is stopping; ask another")
}

const RECEIVED: &str = "received";
/// How long a request can be taken back, as by Loki's default.
const CANCEL_PERIOD: Duration = Duration::from_secs(86_400);
/// How long a request waits for the disk.
const HOLD_WAIT: Duration = Duration::from_secs(5);
/// How long a request waits for all live nodes to have it.
const SPREAD_WAIT: Duration = Duration::from_secs(1);
const SPREAD_POLL: Duration = Duration::from_millis(10);
const HOUR: Duration = Duration::from_secs(3600);
const FORM_BYTES_MAX: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use axum::body::Bytes;
    use logmesh_protocol::id::NodeId;

    use super::*;

    fn read_time(text: &str) -> Option<i64> {
        let query: String = form_urlencoded::byte_serialize(text.as_bytes()).collect();
        let params = Params::read(&format!("/x?start={query}").parse().unwrap(), &Bytes::new());
        time(&params, "start").ok().flatten().map(Timestamp::as_nanos)
    }

    #[test]
    fn times_are_seconds_or_rfc_3339() {
        assert_eq!(read_time("1591616227"), Some(1_591_616_227_000_000_000));
        assert_eq!(read_time("1591616227.25"), Some(1_591_616_227_250_000_000));
        assert_eq!(read_time("2020-06-08T11:37:07Z"), Some(1_591_616_227_000_000_000));
        for wrong in ["x", "1.2.3", ".", "1591616227000000000", "-5x", "2020-06-08"] {
            assert_eq!(read_time(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_request_is_listed_as_loki_lists_it() {
        let deletion = Deletion {
            tenant: "t".to_owned(),
            query: "{app=\"web\"}".to_owned(),
            start: Timestamp::from_nanos(1_500_000_000),
            end: Timestamp::from_nanos(7_000_000_000),
            created: Timestamp::from_nanos(8_000_000_000),
            node: NodeId::from_bytes([1; 32]),
            is_cancelled: false,
        };
        let listed = to_json(&deletion, deletion.created);
        assert_eq!((&listed["start_time"], &listed["end_time"]), (&json!(1.5), &json!(7)));
        assert_eq!((&listed["status"], &listed["query"]), (&json!("received"), &json!("{app=\"web\"}")));
        assert_eq!(listed["request_id"], deletion.id().to_string());
        let later = deletion.created.saturating_add(CANCEL_PERIOD);
        assert_eq!(to_json(&deletion, later)["status"], "processed");
    }
}
