//! Which fields lines have: `detected_fields` and `detected_field/{name}/values`. Looks at the newest lines that a query
//! finds.

use axum::extract::{Path, State};
use axum::response::Response;
use logmesh_logql::{self as logql, Expr, Merge, QueryParams, QueryResult, Stage};
use logmesh_protocol::plan::Completeness;
use serde_json::{Value, json};

use super::super::refusal::Refused;
use super::super::{App, SharedApp};
use super::asked::{Asked, HOUR, Request, bad};
use crate::query::{Field, FieldTable, Outcome, Work};

/// `/loki/api/v1/detected_fields`
pub(in super::super) async fn detected_fields(
    State(app): State<SharedApp>,
    request: Request,
) -> Result<Response, Refused> {
    let asked = Asked::read(request).await?;
    let limit = asked.limit(FIELDS_LIMIT)?;
    let (table, completeness) = table(&app, &asked).await?;
    let fields: Vec<Value> = table.iter().take(limit as usize).map(|(label, field)| to_json(label, field)).collect();
    asked.answer_bare(json!({ "fields": fields, "limit": limit }), &completeness)
}

/// `/loki/api/v1/detected_field/{name}/values`
pub(in super::super) async fn detected_field_values(
    State(app): State<SharedApp>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, Refused> {
    let asked = Asked::read(request).await?;
    let limit = asked.limit(FIELDS_LIMIT)?;
    let (table, completeness) = table(&app, &asked).await?;
    let values: Vec<&String> =
        table.field(&name).into_iter().flat_map(|field| &field.values).take(limit as usize).collect();
    asked.answer_bare(json!({ "values": values, "limit": limit }), &completeness)
}

fn to_json(label: &str, field: &Field) -> Value {
    let (kind, cardinality) = (field.kind().name(), field.values.len());
    let mut json = json!({ "label": label, "type": kind, "cardinality": cardinality, "parsers": field.parsers });
    // Grafana's Logs Drilldown asks for a single nested field by its path.
    if !field.json_path.is_empty() {
        json["jsonPath"] = json!(field.json_path);
    }
    json
}

async fn table(app: &App, asked: &Asked) -> Result<(FieldTable, Completeness), Refused> {
    let text = asked.params.required("query")?;
    let Expr::Log(log) = logql::parse(text).map_err(bad)? else {
        return Err(Refused::bad_request("parameter query: fields are those of lines; a query for lines is needed"));
    };
    let range = asked.range(app, HOUR)?;
    let step = asked.step(&range)?;
    let entries_max = app.config.query.entries_max;
    let line_limit = match asked.params.number("line_limit")? {
        Some(0) => return Err(Refused::bad_request("parameter line_limit: it must be at least 1")),
        Some(lines) if lines > entries_max => {
            let sentence = format!("parameter line_limit: {lines} is more than {entries_max} (query.entries_max)");
            return Err(Refused::bad_request(sentence));
        }
        lines => lines.unwrap_or(LINE_LIMIT.min(entries_max)),
    };
    let parsers = parsers(&log.stages);
    let params = QueryParams { limit: line_limit, ..QueryParams::range(range.start, range.end, step) };
    let plan = logql::plan(&Expr::Log(log), &params).map_err(bad)?;
    let Some(part) = plan.part() else { return Ok((FieldTable::default(), Completeness::default())) };
    let gathered = app.gather(&asked.tenants, Work::Part(part.clone())).await?;
    let completeness = gathered.completeness;
    let table = app.beside(move || {
        let mut merge = Merge::new(&plan);
        for outcome in gathered.outcomes {
            if let Outcome::Partial(partial) = outcome {
                merge.add(partial).map_err(|error| error.to_string())?;
            }
        }
        match merge.finish().map_err(|error| error.to_string())? {
            QueryResult::Streams(streams) => FieldTable::of(&streams, &parsers),
            QueryResult::Matrix(_) | QueryResult::Vector(_) | QueryResult::Scalar { .. } => Ok(FieldTable::default()),
        }
    });
    Ok((table.await?.map_err(bad)?, completeness))
}

/// Returns the parsers that a query names, and where it names none those that are worth a try.
fn parsers(stages: &[Stage]) -> Vec<&'static str> {
    let json = stages.iter().any(|stage| matches!(stage, Stage::Json(_)));
    let logfmt = stages.iter().any(|stage| matches!(stage, Stage::Logfmt { .. }));
    let others = stages.iter().any(|stage| matches!(stage, Stage::Pattern(_) | Stage::Regexp(_) | Stage::Unpack));
    let named = [("json", json), ("logfmt", logfmt)].into_iter();
    named.filter(|(_, is_named)| *is_named || !(json || logfmt || others)).map(|(name, _)| name).collect()
}

/// How many fields, and values of one, are told where the request does not say.
const FIELDS_LIMIT: u32 = 1_000;
/// How many lines are looked at where the request does not say.
const LINE_LIMIT: u32 = 100;
