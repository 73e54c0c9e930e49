//! What there is: names of labels, their values, streams.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::{Path, State};
use axum::response::Response;
use logmesh_logql as logql;
use logmesh_protocol::plan::Completeness;
use logmesh_protocol::record::Labels;
use serde_json::json;

use super::super::refusal::Refused;
use super::super::{App, SharedApp};
use super::asked::{Asked, Request, SIX_HOURS, bad};
use crate::query::{Gathered, Listing, Outcome, Work};

/// `/loki/api/v1/labels`
pub(in super::super) async fn labels(State(app): State<SharedApp>, request: Request) -> Result<Response, Refused> {
    let asked = Asked::read(request).await?;
    let (names, completeness) = texts(&app, &asked, Listing::Names).await?;
    asked.answer(&json!(names).to_string(), &completeness)
}

/// `/loki/api/v1/label/{name}/values`
pub(in super::super) async fn label_values(
    State(app): State<SharedApp>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, Refused> {
    let asked = Asked::read(request).await?;
    let (values, completeness) = texts(&app, &asked, Listing::Values(name)).await?;
    asked.answer(&json!(values).to_string(), &completeness)
}

/// `/api/prom/label`, whose clients know an older shape.
pub(in super::super) async fn old_labels(State(app): State<SharedApp>, request: Request) -> Result<Response, Refused> {
    let asked = Asked::read(request).await?;
    let (names, completeness) = texts(&app, &asked, Listing::Names).await?;
    asked.answer_bare(json!({ "values": names }), &completeness)
}

/// `/api/prom/label/{name}/values`
pub(in super::super) async fn old_label_values(
    State(app): State<SharedApp>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, Refused> {
    let asked = Asked::read(request).await?;
    let (values, completeness) = texts(&app, &asked, Listing::Values(name)).await?;
    asked.answer_bare(json!({ "values": values }), &completeness)
}

/// `/loki/api/v1/series`
pub(in super::super) async fn series(State(app): State<SharedApp>, request: Request) -> Result<Response, Refused> {
    let asked = Asked::read(request).await?;
    let selectors: Vec<String> =
        asked.params.all("match[]").chain(asked.params.all("match")).map(str::to_owned).collect();
    if selectors.is_empty() {
        return Err(Refused::bad_request(
            "parameter match[] is missing: name at least one selector such as {app=\"web\"}",
        ));
    }
    let gathered = list(&app, &asked, selectors, Listing::Streams).await?;
    let mut streams: BTreeSet<Labels> = BTreeSet::new();
    for outcome in gathered.outcomes {
        if let Outcome::Streams(found) = outcome {
            streams.extend(found);
        }
    }
    let series: Vec<BTreeMap<_, _>> = streams.iter().map(|labels| labels.iter().collect()).collect();
    asked.answer(&json!(series).to_string(), &gathered.completeness)
}

/// `/loki/api/v1/detected_labels`: the labels of streams, and how many values each has.
pub(in super::super) async fn detected_labels(
    State(app): State<SharedApp>,
    request: Request,
) -> Result<Response, Refused> {
    let asked = Asked::read(request).await?;
    let selectors = asked.params.first("query").map(str::to_owned).into_iter().collect();
    let gathered = list(&app, &asked, selectors, Listing::Streams).await?;
    let mut values: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for outcome in gathered.outcomes {
        let Outcome::Streams(found) = outcome else { continue };
        for (name, value) in found.iter().flat_map(Labels::iter) {
            values.entry(name.to_owned()).or_default().insert(value.to_owned());
        }
    }
    let labels: Vec<_> =
        values.iter().map(|(label, values)| json!({ "label": label, "cardinality": values.len() })).collect();
    asked.answer_bare(json!({ "detectedLabels": labels }), &gathered.completeness)
}

async fn texts(app: &App, asked: &Asked, listing: Listing) -> Result<(BTreeSet<String>, Completeness), Refused> {
    let selectors = asked.params.first("query").map(str::to_owned).into_iter().collect();
    let gathered = list(app, asked, selectors, listing).await?;
    let mut texts: BTreeSet<String> = BTreeSet::new();
    for outcome in gathered.outcomes {
        if let Outcome::Texts(found) = outcome {
            texts.extend(found);
        }
    }
    Ok((texts, gathered.completeness))
}

async fn list(app: &App, asked: &Asked, selectors: Vec<String>, list: Listing) -> Result<Gathered, Refused> {
    let range = asked.range(app, SIX_HOURS)?;
    if selectors.len() > SELECTORS_MAX {
        let sentence = format!("parameter match[]: {} selectors are more than {SELECTORS_MAX}", selectors.len());
        return Err(Refused::bad_request(sentence));
    }
    for selector in &selectors {
        logql::parse_selector(selector).map_err(bad)?;
    }
    app.gather(&asked.tenants, Work::Streams { range, selectors, list }).await
}

/// The most selectors of one request, for each is tried on every stream. A guess.
const SELECTORS_MAX: usize = 100;
