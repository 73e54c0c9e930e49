//! `patterns`: what lines look like, and how often each look was seen.

use axum::extract::State;
use axum::response::Response;
use logmesh_logql::{self as logql, Expr};
use serde_json::{Value, json};

use super::super::SharedApp;
use super::super::refusal::Refused;
use super::asked::{Asked, HOUR, Request, bad};
use crate::query::{Outcome, PatternsAsk, Work};

/// `/loki/api/v1/patterns`
pub(in super::super) async fn patterns(State(app): State<SharedApp>, request: Request) -> Result<Response, Refused> {
    let asked = Asked::read(request).await?;
    let query = asked.params.required("query")?.to_owned();
    if let Expr::Metric(_) = logql::parse(&query).map_err(bad)? {
        return Err(Refused::bad_request("parameter query: patterns are those of lines; a query for lines is needed"));
    }
    let range = asked.range(&app, HOUR)?;
    let step = asked.step(&range)?;
    let gathered = app.gather(&asked.tenants, Work::Patterns(PatternsAsk { range, step, query })).await?;
    let merged = app.beside(move || {
        let parts = gathered.outcomes.into_iter().filter_map(|outcome| match outcome {
            Outcome::Patterns(part) => Some(part),
            Outcome::Partial(_) | Outcome::Streams(_) | Outcome::Texts(_) | Outcome::Volume(_) => None,
        });
        logql::merge_patterns(parts.collect())
    });
    let patterns: Vec<Value> = merged
        .await?
        .into_iter()
        .take(PATTERNS_LIMIT)
        .map(|one| json!({ "pattern": one.pattern, "samples": one.samples }))
        .collect();
    asked.answer(&json!(patterns).to_string(), &gathered.completeness)
}

/// The most patterns of an answer, the most frequent ones. A guess, beyond what any screen shows.
const PATTERNS_LIMIT: usize = 1_000;
