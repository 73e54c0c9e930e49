//! The ways out: Loki's read routes, each answered for the whole mesh.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use logmesh_logql::{self as logql, Direction, Encoding, Merge, Plan, QueryParams};
use logmesh_protocol::plan::Completeness;
use logmesh_protocol::record::Labels;
use logmesh_protocol::time::TimeRange;
use serde_json::json;
use tokio::time::timeout;

use super::params::Params;
use super::refusal::Refused;
use super::tenant::tenant;
use super::{App, SharedApp};
use crate::clock::Clock;
use crate::query::{Gathered, Outcome, QueryError, Work};

type Request = axum::http::Request<Body>;

/// `/loki/api/v1/query_range`
pub(super) async fn query_range(State(app): State<SharedApp>, request: Request) -> Result<Response, Refused> {
    let asked = Asked::read(request).await?;
    let range = asked.params.range(Clock::timestamp(), HOUR)?;
    app.check_range(&range)?;
    let step = match asked.params.duration("step")? {
        Some(step) if step.is_zero() => return Err(Refused::bad_request("parameter step: it must not be zero")),
        Some(step) => step,
        None => logql::dynamic_step(&range),
    };
    run_query(&app, &asked, asked.limited(&app, QueryParams::range(range.start, range.end, step))?).await
}

/// `/loki/api/v1/query`
pub(super) async fn query(State(app): State<SharedApp>, request: Request) -> Result<Response, Refused> {
    let asked = Asked::read(request).await?;
    let time = asked.params.timestamp("time")?.unwrap_or_else(Clock::timestamp);
    run_query(&app, &asked, asked.limited(&app, QueryParams::instant(time))?).await
}

/// `/loki/api/v1/labels`
pub(super) async fn labels(State(app): State<SharedApp>, request: Request) -> Result<Response, Refused> {
    let asked = Asked::read(request).await?;
    let names = |labels: &Labels| labels.iter().map(|(name, _)| name.to_owned()).collect::<Vec<_>>();
    list(&app, &asked, asked.params.first("query"), names).await
}

/// `/loki/api/v1/label/{name}/values`
pub(super) async fn label_values(
    State(app): State<SharedApp>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, Refused> {
    let asked = Asked::read(request).await?;
    let value = |labels: &Labels| labels.value(&name).map(str::to_owned).into_iter().collect::<Vec<_>>();
    list(&app, &asked, asked.params.first("query"), value).await
}

/// `/loki/api/v1/series`
pub(super) async fn series(State(app): State<SharedApp>, request: Request) -> Result<Response, Refused> {
    let asked = Asked::read(request).await?;
    let selectors: Vec<String> =
        asked.params.all("match[]").chain(asked.params.all("match")).map(str::to_owned).collect();
    if selectors.is_empty() {
        return Err(Refused::bad_request(
            "parameter match[] is missing: name at least one selector such as {app=\"web\"}",
        ));
    }
    let (streams, completeness) = asked.streams(&app, selectors).await?;
    let series = streams.iter().map(|labels| labels.iter().collect::<BTreeMap<_, _>>());
    let data = json!(series.collect::<Vec<_>>()).to_string();
    answer(&asked, &data, &completeness)
}

/// A read request, whole.
struct Asked {
    headers: HeaderMap,
    params: Params,
    tenant: String,
    strict: bool,
}

impl Asked {
    async fn read(request: Request) -> Result<Self, Refused> {
        let (parts, body) = request.into_parts();
        let form = to_bytes(body, FORM_BYTES_MAX).await.map_err(|_| {
            let sentence = format!("the form is larger than {FORM_BYTES_MAX} bytes, or broke off");
            Refused::new(StatusCode::PAYLOAD_TOO_LARGE, sentence)
        })?;
        let params = Params::read(&parts.uri, &form);
        let (tenant, strict) = (tenant(&parts.headers)?, params.flag("strict")?);
        Ok(Self { headers: parts.headers, params, tenant, strict })
    }

    /// Adds to `params` what all queries may say and what the settings allow.
    fn limited(&self, app: &App, params: QueryParams) -> Result<QueryParams, Refused> {
        let (entries_max, series_max) = (app.config.query.entries_max, app.config.query.series_max);
        let limit = self.params.number("limit")?.unwrap_or(params.limit);
        if limit > entries_max {
            let sentence = format!("parameter limit: {limit} is more than {entries_max} (query.entries_max)");
            return Err(Refused::bad_request(sentence));
        }
        let direction = match self.params.first("direction").map(str::to_ascii_lowercase).as_deref() {
            None | Some("backward") => Direction::Backward,
            Some("forward") => Direction::Forward,
            Some(other) => {
                let shown: String = other.chars().take(100).collect();
                return Err(Refused::bad_request(format!(
                    "parameter direction: {shown:?} is neither forward nor backward"
                )));
            }
        };
        Ok(QueryParams { limit, direction, series_max, ..params })
    }

    async fn streams(&self, app: &App, selectors: Vec<String>) -> Result<(BTreeSet<Labels>, Completeness), Refused> {
        let range = self.params.range(Clock::timestamp(), SIX_HOURS)?;
        app.check_range(&range)?;
        for selector in &selectors {
            logql::parse_selector(selector).map_err(|error| Refused::bad_request(error.to_string()))?;
        }
        let gathered = app.gather(&self.tenant, Work::Streams { range, selectors }).await?;
        let mut streams = BTreeSet::new();
        for outcome in gathered.outcomes {
            if let Outcome::Streams(found) = outcome {
                streams.extend(found);
            }
        }
        Ok((streams, gathered.completeness))
    }

    fn categorize_labels(&self) -> bool {
        let flags = self.headers.get("x-loki-response-encoding-flags").and_then(|value| value.to_str().ok());
        flags.is_some_and(|flags| flags.split(',').any(|flag| flag.trim() == "categorize-labels"))
    }
}

impl App {
    fn check_range(&self, range: &TimeRange) -> Result<(), Refused> {
        let nanos = i128::from(range.end.as_nanos()) - i128::from(range.start.as_nanos());
        let max = self.config.query.range_max;
        if nanos > i128::try_from(max.as_nanos()).unwrap_or(i128::MAX) {
            let hours = max.as_secs() / 3600;
            return Err(Refused::bad_request(format!("the time range is longer than {hours} h (query.range_max)")));
        }
        Ok(())
    }

    async fn gather(&self, tenant: &str, work: Work) -> Result<Gathered, Refused> {
        if !self.ready.load(Ordering::Relaxed) {
            // Before it has met its seeds a node knows too little to call anything complete.
            let sentence = "not ready: looking for the other nodes; ask again in a moment";
            return Err(Refused::new(StatusCode::SERVICE_UNAVAILABLE, sentence).retry_after(Duration::from_secs(1)));
        }
        self.metrics.queries.inc();
        let gathered = timeout(self.config.query.timeout, self.coordinator.run(tenant, work));
        let gathered = gathered.await.map_err(|_| {
            let sentence = format!("the query took longer than {:?} (query.timeout)", self.config.query.timeout);
            Refused::new(StatusCode::GATEWAY_TIMEOUT, sentence)
        })?;
        let gathered = gathered.map_err(|error| match error {
            QueryError::Stopping => Refused::new(StatusCode::SERVICE_UNAVAILABLE, "this node is stopping; ask another"),
            QueryError::Failed(sentence) => Refused::bad_request(sentence),
        })?;
        if !gathered.completeness.complete {
            self.metrics.queries_incomplete.inc();
        }
        Ok(gathered)
    }
}

async fn run_query(app: &App, asked: &Asked, params: QueryParams) -> Result<Response, Refused> {
    let text = asked.params.required("query")?;
    let expr = logql::parse(text).map_err(bad)?;
    let plan: Plan = logql::plan(&expr, &params).map_err(bad)?;
    let gathered = match plan.part() {
        Some(part) => app.gather(&asked.tenant, Work::Part(part.clone())).await?,
        None => Gathered::default(),
    };
    let (stats, completeness) = ((gathered.bytes, gathered.rows), gathered.completeness);
    let categorize_labels = asked.categorize_labels();
    // Merging and writing may take longer than an async thread may be held.
    let merged = tokio::task::spawn_blocking(move || {
        let mut merge = Merge::new(&plan);
        for outcome in gathered.outcomes {
            if let Outcome::Partial(partial) = outcome {
                merge.add(partial)?;
            }
        }
        let mut data = String::from("{");
        merge.finish()?.write_fields(&mut data, Encoding { categorize_labels });
        let (bytes, rows) = stats;
        let stats = json!({ "summary": { "totalBytesProcessed": bytes, "totalLinesProcessed": rows } });
        data.push_str(&format!(",\"stats\":{stats}}}"));
        Ok::<_, logql::EvalError>(data)
    });
    let broken = |_| Refused::new(StatusCode::INTERNAL_SERVER_ERROR, "merging failed; the log of the node says why");
    let data = merged.await.map_err(broken)?.map_err(bad)?;
    answer(asked, &data, &completeness)
}

fn bad(error: impl std::fmt::Display) -> Refused {
    Refused::bad_request(error.to_string())
}

async fn list(
    app: &App,
    asked: &Asked,
    selector: Option<&str>,
    items: impl Fn(&Labels) -> Vec<String>,
) -> Result<Response, Refused> {
    let (streams, completeness) = asked.streams(app, selector.map(str::to_owned).into_iter().collect()).await?;
    let items: BTreeSet<String> = streams.iter().flat_map(items).collect();
    answer(asked, &json!(items).to_string(), &completeness)
}

/// Answers with `data`, which is JSON, and says how complete it is: in a header, in the body, and with `strict` by the
/// status.
fn answer(asked: &Asked, data: &str, completeness: &Completeness) -> Result<Response, Refused> {
    let warnings = completeness.warnings();
    let told = if warnings.is_empty() { String::new() } else { format!(",\"warnings\":{}", json!(warnings)) };
    let body = format!("{{\"status\":\"success\",\"data\":{data}{told}}}");
    let mut response = if asked.strict && !completeness.complete {
        let sentence = format!("the answer would not be complete: {}", warnings.join("; "));
        Refused::new(StatusCode::SERVICE_UNAVAILABLE, sentence).retry_after(Duration::from_secs(5)).into_response()
    } else {
        ([(CONTENT_TYPE, "application/json; charset=utf-8")], body).into_response()
    };
    let complete = HeaderValue::from_static(if completeness.complete { "true" } else { "false" });
    response.headers_mut().insert(COMPLETE, complete);
    Ok(response)
}

/// The header that tells whether an answer is complete.
const COMPLETE: &str = "logmesh-complete";
const HOUR: Duration = Duration::from_secs(3600);
const SIX_HOURS: Duration = Duration::from_secs(6 * 3600);
/// A form is a query and a few times; nothing sensible is longer.
const FORM_BYTES_MAX: usize = 1 << 20;
