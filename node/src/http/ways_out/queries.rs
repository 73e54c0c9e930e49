//! `query` and `query_range`.

use axum::extract::State;
use axum::response::Response;
use logmesh_logql::{self as logql, Direction, Encoding, Expr, Merge, Plan, QueryParams, QueryResult};

use super::super::refusal::Refused;
use super::super::{App, SharedApp};
use super::asked::{Asked, HOUR, Request, bad};
use super::stats::Costs;
use crate::clock::Clock;
use crate::query::{Gathered, Outcome, Work};

/// `/loki/api/v1/query_range`
pub(in super::super) async fn query_range(State(app): State<SharedApp>, request: Request) -> Result<Response, Refused> {
    let costs = Costs::begin();
    let asked = Asked::read(request).await?;
    let range = asked.range(&app, HOUR)?;
    let step = asked.step(&range)?;
    let interval = asked.params.duration("interval")?.filter(|interval| !interval.is_zero());
    let params = QueryParams { interval, ..QueryParams::range(range.start, range.end, step) };
    run_query(&app, &asked, params, costs).await
}

/// `/loki/api/v1/query`
pub(in super::super) async fn query(State(app): State<SharedApp>, request: Request) -> Result<Response, Refused> {
    let costs = Costs::begin();
    let asked = Asked::read(request).await?;
    let time = asked.params.timestamp("time")?.unwrap_or_else(Clock::timestamp);
    run_query(&app, &asked, QueryParams::instant(time), costs).await
}

async fn run_query(app: &App, asked: &Asked, params: QueryParams, mut costs: Costs) -> Result<Response, Refused> {
    let expr = logql::parse(asked.params.required("query")?).map_err(bad)?;
    let plan: Plan = logql::plan(&expr, &limited(app, asked, &expr, params)?).map_err(bad)?;
    let gathered = match plan.part() {
        Some(part) => app.gather(&asked.tenants, Work::Part(part.clone())).await?,
        None => Gathered::default(),
    };
    costs.scanned(&gathered);
    let completeness = gathered.completeness;
    let categorize_labels = asked.wants_flag("categorize-labels");
    let data = app.beside(move || {
        let result = merge(&plan, gathered.outcomes)?;
        costs.returned(&result);
        let mut data = String::from("{");
        result.write_fields(&mut data, Encoding { categorize_labels });
        data.push_str(&format!(",\"stats\":{}}}", costs.to_json()));
        Ok::<_, logql::EvalError>(data)
    });
    asked.answer(&data.await?.map_err(bad)?, &completeness)
}

fn merge(plan: &Plan, outcomes: Vec<Outcome>) -> Result<QueryResult, logql::EvalError> {
    let mut merge = Merge::new(plan);
    for outcome in outcomes {
        if let Outcome::Partial(partial) = outcome {
            merge.add(partial)?;
        }
    }
    merge.finish()
}

/// Adds to `params` what all queries may say and what the settings allow.
fn limited(app: &App, asked: &Asked, expr: &Expr, params: QueryParams) -> Result<QueryParams, Refused> {
    let (entries_max, series_max) = (app.config.query.entries_max, app.config.query.series_max);
    let limit = asked.limit(params.limit.min(entries_max))?;
    // Only lines are counted: clients send the limit of their last log query along with metric queries.
    if limit > entries_max && matches!(expr, Expr::Log(_)) {
        let sentence = format!("parameter limit: {limit} is more than {entries_max} (query.entries_max)");
        return Err(Refused::bad_request(sentence));
    }
    let direction = match asked.params.first("direction").map(str::to_ascii_lowercase).as_deref() {
        None | Some("backward") => Direction::Backward,
        Some("forward") => Direction::Forward,
        Some(other) => {
            let shown: String = other.chars().take(100).collect();
            let sentence = format!("parameter direction: {shown:?} is neither forward nor backward");
            return Err(Refused::bad_request(sentence));
        }
    };
    Ok(QueryParams { limit, direction, series_max, ..params })
}
