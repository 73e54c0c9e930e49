//! What all reads have in common: how they are asked, how the mesh is asked for them, and how an answer says how complete
//! it is.

use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use logmesh_logql::Interrupt;
use logmesh_protocol::plan::Completeness;
use logmesh_protocol::time::TimeRange;
use serde_json::{Map, Value, json};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::super::App;
use super::super::params::Params;
use super::super::refusal::Refused;
use super::super::tenant::tenants;
use crate::clock::Clock;
use crate::query::{CancelOnDrop, Gathered, QueryError, Work};

pub(super) type Request = axum::http::Request<Body>;

/// A read request, whole.
pub(super) struct Asked {
    headers: HeaderMap,
    pub(super) params: Params,
    pub(super) tenants: Vec<String>,
    strict: bool,
}

impl Asked {
    /// Reads a request: the parameters of its URL and of its form.
    pub(super) async fn read(request: Request) -> Result<Self, Refused> {
        let (parts, body) = request.into_parts();
        let form = to_bytes(body, FORM_BYTES_MAX).await.map_err(|_| {
            let sentence = format!("the form is larger than {FORM_BYTES_MAX} bytes, or broke off");
            Refused::new(StatusCode::PAYLOAD_TOO_LARGE, sentence)
        })?;
        let params = Params::read(&parts.uri, &form);
        let (tenants, strict) = (tenants(&parts.headers)?, params.flag("strict")?);
        Ok(Self { headers: parts.headers, params, tenants, strict })
    }

    /// Returns the range asked for, which must not be longer than the setting allows.
    pub(super) fn range(&self, app: &App, default: Duration) -> Result<TimeRange, Refused> {
        let range = self.params.range(Clock::timestamp(), default)?;
        let nanos = i128::from(range.end.as_nanos()) - i128::from(range.start.as_nanos());
        let max = app.config.query.range_max;
        if nanos > i128::try_from(max.as_nanos()).unwrap_or(i128::MAX) {
            let hours = max.as_secs() / 3600;
            return Err(Refused::bad_request(format!("the time range is longer than {hours} h (query.range_max)")));
        }
        Ok(range)
    }

    /// Returns the parameter `limit`, which is at least one.
    pub(super) fn limit(&self, default: u32) -> Result<u32, Refused> {
        match self.params.number("limit")? {
            Some(0) => Err(Refused::bad_request("parameter limit: it must be at least 1")),
            limit => Ok(limit.unwrap_or(default)),
        }
    }

    /// Returns the time between two points: the parameter `step`, or what suits the range.
    pub(super) fn step(&self, range: &TimeRange) -> Result<Duration, Refused> {
        match self.params.duration("step")? {
            Some(step) if step.is_zero() => Err(Refused::bad_request("parameter step: it must not be zero")),
            Some(step) => Ok(step),
            None => Ok(logmesh_logql::dynamic_step(range)),
        }
    }

    /// Tells whether the client asked for this way to encode an answer.
    pub(super) fn wants_flag(&self, wanted: &str) -> bool {
        let flags = self.headers.get_all("x-loki-response-encoding-flags").iter();
        let mut flags = flags.filter_map(|value| value.to_str().ok()).flat_map(|flags| flags.split(','));
        flags.any(|flag| flag.trim() == wanted)
    }

    /// Answers with `data`, which is JSON, and says how complete it is: in a header, in the body, and with `strict` by the
    /// status.
    pub(super) fn answer(&self, data: &str, completeness: &Completeness) -> Result<Response, Refused> {
        let warnings = completeness.warnings();
        let told = if warnings.is_empty() { String::new() } else { format!(",\"warnings\":{}", json!(warnings)) };
        self.respond(format!("{{\"status\":\"success\",\"data\":{data}{told}}}"), completeness)
    }

    /// Answers with the fields of an object that stands for itself, without `status` and `data`.
    pub(super) fn answer_bare(&self, fields: Value, completeness: &Completeness) -> Result<Response, Refused> {
        let mut fields = if let Value::Object(fields) = fields { fields } else { Map::new() };
        let warnings = completeness.warnings();
        if !warnings.is_empty() {
            fields.insert("warnings".to_owned(), json!(warnings));
        }
        self.respond(Value::Object(fields).to_string(), completeness)
    }

    fn respond(&self, body: String, completeness: &Completeness) -> Result<Response, Refused> {
        let mut response = if self.strict && !completeness.complete {
            let sentence = format!("the answer would not be complete: {}", completeness.warnings().join("; "));
            Refused::new(StatusCode::SERVICE_UNAVAILABLE, sentence).retry_after(Duration::from_secs(5)).into_response()
        } else {
            ([(CONTENT_TYPE, "application/json; charset=utf-8")], body).into_response()
        };
        let complete = HeaderValue::from_static(if completeness.complete { "true" } else { "false" });
        response.headers_mut().insert(COMPLETE, complete);
        Ok(response)
    }
}

impl App {
    /// Does `work` in the whole mesh.
    pub(in super::super) async fn gather(&self, tenants: &[String], work: Work) -> Result<Gathered, Refused> {
        if !self.ready.load(Ordering::Relaxed) {
            // Before it has met its seeds a node knows too little to call anything complete.
            let sentence = "not ready: looking for the other nodes; ask again in a moment";
            return Err(Refused::new(StatusCode::SERVICE_UNAVAILABLE, sentence).retry_after(Duration::from_secs(1)));
        }
        self.metrics.queries.inc();
        let gathered = timeout(self.config.query.timeout, self.coordinator.run(tenants, work));
        let gathered = gathered.await.map_err(|_| self.took_too_long())?;
        let gathered = gathered.map_err(|error| match error {
            QueryError::Stopping => Refused::new(StatusCode::SERVICE_UNAVAILABLE, "this node is stopping; ask another"),
            QueryError::Failed(sentence) => Refused::bad_request(sentence),
        })?;
        if !gathered.completeness.complete {
            self.metrics.queries_incomplete.inc();
        }
        Ok(gathered)
    }

    /// Does what takes longer than an async thread may be held. It is broken off where it can be when the client hangs up, and
    /// when it takes longer than a query may.
    pub(super) async fn beside<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Refused> {
        let interrupt = Interrupt::default();
        let _cancel = CancelOnDrop::new(interrupt.clone());
        let done = timeout(self.config.query.timeout, spawn_blocking(move || interrupt.within(work)));
        let done = done.await.map_err(|_| self.took_too_long())?;
        let broken =
            |_| Refused::new(StatusCode::INTERNAL_SERVER_ERROR, "merging failed; the log of the node says why");
        done.map_err(broken)
    }

    fn took_too_long(&self) -> Refused {
        let sentence = format!("the query took longer than {:?} (query.timeout)", self.config.query.timeout);
        Refused::new(StatusCode::GATEWAY_TIMEOUT, sentence)
    }
}

/// Says what the language says of a query.
pub(super) fn bad(error: impl std::fmt::Display) -> Refused {
    Refused::bad_request(error.to_string())
}

/// The header that tells whether an answer is complete.
const COMPLETE: &str = "logmesh-complete";
pub(super) const HOUR: Duration = Duration::from_secs(3600);
pub(super) const SIX_HOURS: Duration = Duration::from_secs(6 * 3600);
/// A form is a query and a few times; nothing sensible is longer.
const FORM_BYTES_MAX: usize = 1 << 20;
