//! How much there is of streams: `index/stats`, `index/volume`, `index/volume_range`.

use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use logmesh_logql as logql;
use logmesh_protocol::plan::Completeness;
use logmesh_protocol::time::{TimeRange, Timestamp};
use serde_json::{Map, Value, json};

use super::super::refusal::Refused;
use super::super::{App, SharedApp};
use super::asked::{Asked, HOUR, Request, bad};
use crate::query::{Grouping, Outcome, VolumeAsk, VolumeCell, VolumeMerge, VolumeSeries, Work};

/// `/loki/api/v1/index/stats`
pub(in super::super) async fn index_stats(State(app): State<SharedApp>, request: Request) -> Result<Response, Refused> {
    let asked = Asked::read(request).await?;
    asked.params.required("query")?;
    let ask = VolumeAsk {
        range: asked.range(&app, HOUR)?,
        selector: selector(&asked)?.map(|(text, _)| text),
        step: None,
        grouping: Grouping::Streams,
    };
    let (series, completeness) = sum_up(&app, &asked, ask).await?;
    let whole = series.iter().map(total).fold(VolumeCell::default(), VolumeCell::plus);
    let fields =
        json!({ "streams": series.len(), "chunks": whole.chunks, "entries": whole.entries, "bytes": whole.bytes });
    asked.answer_bare(fields, &completeness)
}

/// `/loki/api/v1/index/volume`
pub(in super::super) async fn volume(State(app): State<SharedApp>, request: Request) -> Result<Response, Refused> {
    let asked = Asked::read(request).await?;
    let (range, limit) = (asked.range(&app, HOUR)?, asked.limit(VOLUME_LIMIT)?);
    let (series, completeness) = sum_up(&app, &asked, ask_of(&asked, range, None)?).await?;
    let sample = |one: &VolumeSeries| json!({ "metric": metric(one), "value": [seconds(range.end), total(one).bytes.to_string()] });
    let result: Vec<Value> = largest(series, limit).iter().map(sample).collect();
    asked.answer(&json!({ "resultType": "vector", "result": result }).to_string(), &completeness)
}

/// `/loki/api/v1/index/volume_range`: each point is the volume from its instant up to the next.
pub(in super::super) async fn volume_range(
    State(app): State<SharedApp>,
    request: Request,
) -> Result<Response, Refused> {
    let asked = Asked::read(request).await?;
    let (range, limit) = (asked.range(&app, HOUR)?, asked.limit(VOLUME_LIMIT)?);
    let step = asked.step(&range)?;
    let span = i128::from(range.end.as_nanos()) - i128::from(range.start.as_nanos());
    let points = span / i128::try_from(step.as_nanos()).unwrap_or(i128::MAX).max(1);
    if points > i128::from(logql::POINTS_MAX) {
        let max = logql::POINTS_MAX;
        let sentence =
            format!("the range and the step ask for {points} points a series, more than {max}; ask for a longer step");
        return Err(Refused::bad_request(sentence));
    }
    let (series, completeness) = sum_up(&app, &asked, ask_of(&asked, range, Some(step))?).await?;
    let points = |one: &VolumeSeries| {
        let point = |(at, cell): &(u32, VolumeCell)| {
            json!([seconds(range.start.saturating_add(step.saturating_mul(*at))), cell.bytes.to_string()])
        };
        json!({ "metric": metric(one), "values": one.cells.iter().map(point).collect::<Vec<_>>() })
    };
    let result: Vec<Value> = largest(series, limit).iter().map(points).collect();
    asked.answer(&json!({ "resultType": "matrix", "result": result }).to_string(), &completeness)
}

fn ask_of(asked: &Asked, range: TimeRange, step: Option<Duration>) -> Result<VolumeAsk, Refused> {
    asked.params.required("query")?;
    let selector = selector(asked)?;
    let named: Vec<String> = asked.params.first("targetLabels").map_or_else(Vec::new, |names| {
        names.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
    });
    // Without target labels those of the selector are meant, and all where it names none.
    let names = match &selector {
        _ if !named.is_empty() => Some(named),
        Some((_, matched)) => Some(matched.clone()),
        None => None,
    };
    let grouping = match (asked.params.first("aggregateBy"), names) {
        (None | Some("series"), Some(names)) => Grouping::Values(names),
        (None | Some("series"), None) => Grouping::Streams,
        (Some("labels"), names) => Grouping::Names(names),
        (Some(other), _) => {
            let shown: String = other.chars().take(100).collect();
            let sentence = format!("parameter aggregateBy: {shown:?} is neither series nor labels");
            return Err(Refused::bad_request(sentence));
        }
    };
    Ok(VolumeAsk { range, selector: selector.map(|(text, _)| text), step, grouping })
}

/// Returns the selector and the labels that it names; nothing for `{}`, which selects all.
fn selector(asked: &Asked) -> Result<Option<(String, Vec<String>)>, Refused> {
    let text = asked.params.required("query")?;
    let matcher = logql::parse_selector(text).map_err(bad)?;
    let mut names: Vec<String> = matcher.selector().matchers.iter().map(|matcher| matcher.name.clone()).collect();
    names.sort_unstable();
    names.dedup();
    Ok(Some((text.to_owned(), names)).filter(|(_, names)| !names.is_empty()))
}

async fn sum_up(app: &App, asked: &Asked, ask: VolumeAsk) -> Result<(Vec<VolumeSeries>, Completeness), Refused> {
    let gathered = app.gather(&asked.tenants, Work::Volume(ask.clone())).await?;
    let merged = app.beside(move || {
        let mut merge = VolumeMerge::new(&ask);
        for outcome in gathered.outcomes {
            if let Outcome::Volume(series) = outcome {
                merge.add_series(series)?;
            }
        }
        Ok::<_, String>(merge.finish())
    });
    Ok((merged.await?.map_err(bad)?, gathered.completeness))
}

/// Returns the series with the most bytes, the largest first.
fn largest(mut series: Vec<VolumeSeries>, limit: u32) -> Vec<VolumeSeries> {
    series.sort_by_key(|one| std::cmp::Reverse(total(one).bytes));
    series.truncate(limit as usize);
    series
}

fn total(series: &VolumeSeries) -> VolumeCell {
    series.cells.iter().map(|(_, cell)| *cell).fold(VolumeCell::default(), VolumeCell::plus)
}

fn metric(series: &VolumeSeries) -> Map<String, Value> {
    series.group.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect()
}

/// Returns the instant in seconds; whole ones are written without a point.
fn seconds(time: Timestamp) -> Value {
    let millis = time.as_nanos().div_euclid(1_000_000);
    if millis % 1000 == 0 { json!(millis / 1000) } else { json!(millis as f64 / 1e3) }
}

/// How many series a volume has where the request does not say.
const VOLUME_LIMIT: u32 = 100;
