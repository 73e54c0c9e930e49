//! The ways in: Loki's push, OTLP, and plain lines. Each decodes; what is decoded goes the same way.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use logmesh_ingest::{Accepted, BodyError, Form, Limits, decompress, lines, loki_push, otlp};
use tokio::sync::oneshot;

use super::body::{self, Share};
use super::params::Params;
use super::refusal::Refused;
use super::tenant::tenant;
use super::{App, SharedApp};
use crate::clock::Clock;
use crate::shell::{Push, Refusal};

/// `POST /loki/api/v1/push`
pub(super) async fn loki(State(app): State<SharedApp>, request: Request) -> Result<Response, Refused> {
    let received = receive(&app, request, Protocol::Loki).await?;
    Ok(received.answer(StatusCode::NO_CONTENT.into_response()))
}

/// `POST /otlp/v1/logs`
pub(super) async fn otlp_logs(State(app): State<SharedApp>, request: Request) -> Result<Response, Refused> {
    let form = form_of(request.headers())?;
    let received = receive(&app, request, Protocol::Otlp).await?;
    if let Some(refused) = received.too_few_copies() {
        return Ok(refused);
    }
    // OTLP has its own way to name what was rejected: a partial success, with status 200.
    let body = otlp::response(&received.accepted, form == Form::Json);
    let kind = if form == Form::Json { "application/json" } else { "application/x-protobuf" };
    let response = ([(CONTENT_TYPE, kind)], body).into_response();
    Ok(received.with_copies(response))
}

/// `POST /logmesh/v1/lines`
pub(super) async fn plain_lines(State(app): State<SharedApp>, request: Request) -> Result<Response, Refused> {
    let received = receive(&app, request, Protocol::Lines).await?;
    Ok(received.answer(StatusCode::NO_CONTENT.into_response()))
}

type Request = axum::http::Request<Body>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Loki,
    Otlp,
    Lines,
}

/// A push that was stored, perhaps without some bad records.
struct Received {
    accepted: Accepted,
    copies: u8,
    strict_copies: Option<u8>,
}

impl Received {
    fn with_copies(&self, mut response: Response) -> Response {
        response.headers_mut().insert(COPIES, HeaderValue::from(u16::from(self.copies)));
        response
    }

    /// The answer where the client insists on more copies than could be had.
    fn too_few_copies(&self) -> Option<Response> {
        let wanted = self.strict_copies.filter(|wanted| self.copies < *wanted)?;
        let sentence = format!(
            "stored in {} of {wanted} copies: the records are durable and will be copied; sending them again stores them twice",
            self.copies
        );
        let refused = Refused::new(StatusCode::SERVICE_UNAVAILABLE, sentence).retry_after(Duration::from_secs(5));
        Some(self.with_copies(refused.into_response()))
    }

    /// The answer where bad records make a 400, although the good ones beside them are kept.
    fn answer(&self, good: Response) -> Response {
        if let Some(refused) = self.too_few_copies() {
            return refused;
        }
        let rejected = &self.accepted.rejected;
        if rejected.is_empty() {
            return self.with_copies(good);
        }
        self.with_copies(Refused::bad_request(rejected.to_string()).into_response())
    }
}

async fn receive(app: &App, request: Request, protocol: Protocol) -> Result<Received, Refused> {
    let (parts, body) = request.into_parts();
    let params = Params::read(&parts.uri, &Bytes::new());
    let tenant = tenant(&parts.headers)?;
    let copies_max = app.config.mesh.copies;
    let copies = params.number("copies")?.map_or(copies_max.min(DEFAULT_COPIES), |copies| copies.min(255) as u8);
    if copies == 0 || copies > copies_max {
        return Err(Refused::bad_request(format!("parameter copies: {copies} is not between 1 and {copies_max}")));
    }
    let strict = params.flag("strict")?;
    let body_bytes_max = app.config.limits.body_bytes_max;
    let (body, mut share) = body::read(&parts.headers, body, body_bytes_max, &app.budget).await?;
    app.metrics.on_body(protocol.name(), body.len());
    let accepted = decode(app, (&parts.headers, &parts.uri), body, protocol, &mut share).await?;
    app.metrics.on_accepted(protocol.name(), &accepted);
    // The share is held until the records are stored: the chunks live as long.
    let copies_held = store(app, tenant, &accepted, copies).await?;
    Ok(Received { accepted, copies: copies_held, strict_copies: strict.then_some(copies) })
}

/// Decodes beside the async threads: a body may take longer than they may be held.
async fn decode(
    app: &App,
    (headers, uri): (&HeaderMap, &Uri),
    body: Bytes,
    protocol: Protocol,
    share: &mut Share,
) -> Result<Accepted, Refused> {
    let form = if protocol == Protocol::Lines { Form::Json } else { form_of(headers)? };
    let labels = Params::read(uri, &Bytes::new()).others(&["copies", "strict"]);
    let body = unpack(app, headers, body, share).await?;
    if (protocol, form) == (Protocol::Loki, Form::Protobuf) {
        let unpacked = loki_push::unpacked_bytes(&body).min(app.config.limits.body_bytes_max);
        share.retake(2 * unpacked + body.len()).await?;
    }
    let (limits, now) = (app.config.limits.clone(), Clock::timestamp());
    beside(move || match (protocol, form) {
        (Protocol::Loki, Form::Json) => loki_push::decode_json(&body, &limits, now),
        (Protocol::Loki, Form::Protobuf) => loki_push::decode_protobuf(&body, &limits, now),
        (Protocol::Otlp, Form::Json) => otlp::decode_json(&body, &limits, now),
        (Protocol::Otlp, Form::Protobuf) => otlp::decode_protobuf(&body, &limits, now),
        (Protocol::Lines, Form::Json | Form::Protobuf) => lines::decode(&body, &labels, &limits, now),
    })
    .await
}

/// Undoes the encoding. What the body becomes is taken out of the budget before there is any of it: first what bodies of
/// its length usually become, and only if that is too little all that a body may become.
async fn unpack(app: &App, headers: &HeaderMap, body: Bytes, share: &mut Share) -> Result<Bytes, Refused> {
    let Some(encoding) = headers.get(CONTENT_ENCODING) else { return Ok(body) };
    let encoding = encoding.to_str().unwrap_or("?").to_owned();
    let bytes_max = app.config.limits.body_bytes_max;
    let usual = body.len().saturating_mul(USUAL_RATIO).min(bytes_max);
    for bytes in [usual, bytes_max] {
        share.retake(body.len() + 2 * bytes).await?;
        let (encoding, body, limits) = (encoding.clone(), body.clone(), app.config.limits.clone());
        let limits = Limits { body_bytes_max: bytes, ..limits };
        let unpacked = beside(move || Ok(decompress(Some(&encoding), body, &limits))).await?;
        let again = bytes < bytes_max && matches!(unpacked, Err(BodyError::TooLarge { .. }));
        if !again {
            return Ok(unpacked?);
        }
    }
    unreachable!("the last round returns")
}

/// Runs `work` on a thread that may be held.
async fn beside<T: Send + 'static>(work: impl FnOnce() -> Result<T, BodyError> + Send + 'static) -> Result<T, Refused> {
    let done = tokio::task::spawn_blocking(work).await;
    let broken = |_| Refused::new(StatusCode::INTERNAL_SERVER_ERROR, "decoding failed; the log of the node says why");
    Ok(done.map_err(broken)??)
}

fn form_of(headers: &HeaderMap) -> Result<Form, Refused> {
    Ok(Form::of(headers.get(CONTENT_TYPE).map(|value| value.to_str().unwrap_or("?")))?)
}

async fn store(app: &App, tenant: String, accepted: &Accepted, copies: u8) -> Result<u8, Refused> {
    let groups: Vec<_> = accepted.groups.iter().map(|group| (group.window, group.chunks.clone())).collect();
    if groups.is_empty() {
        // Nothing to store is held by as many nodes as one likes.
        return Ok(copies);
    }
    let (reply, answer) = oneshot::channel();
    let outcome = app.mesh.push(Push { tenant, groups, copies, reply }, answer).await;
    outcome.map_err(|refusal| match refusal {
        Refusal::DiskFull => {
            let sentence = "this node's disk is full; send this to another node, or again when there is room";
            Refused::new(StatusCode::INSUFFICIENT_STORAGE, sentence).retry_after(Duration::from_secs(30))
        }
        Refusal::Stopping => {
            let sentence = "this node is stopping; send this to another node";
            Refused::new(StatusCode::SERVICE_UNAVAILABLE, sentence).retry_after(Duration::from_secs(5))
        }
        Refusal::Store => {
            let sentence = "the store could not take this; send it again a little later";
            Refused::new(StatusCode::SERVICE_UNAVAILABLE, sentence).retry_after(Duration::from_secs(1))
        }
    })
}

impl Protocol {
    fn name(self) -> &'static str {
        match self {
            Self::Loki => "loki",
            Self::Otlp => "otlp",
            Self::Lines => "lines",
        }
    }
}

impl From<BodyError> for Refused {
    fn from(error: BodyError) -> Self {
        let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::BAD_REQUEST);
        Self::new(status, error.to_string())
    }
}

/// The header that tells in how many nodes a push is durable.
const COPIES: &str = "logmesh-copies";
/// How many times its length a packed body of logs usually has unpacked.
const USUAL_RATIO: usize = 12;
/// How many copies a push waits for that does not say: this node's and one more.
const DEFAULT_COPIES: u8 = 2;
