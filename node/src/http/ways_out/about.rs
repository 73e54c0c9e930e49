//! What clients ask about the server and the language rather than about logs.

use axum::Json;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use logmesh_logql as logql;
use serde_json::{Value, json};

use super::super::SharedApp;
use super::super::refusal::Refused;
use super::asked::{Asked, Request, bad};

/// `/loki/api/v1/format_query`
pub(in super::super) async fn format_query(request: Request) -> Result<Json<Value>, Refused> {
    let asked = Asked::read(request).await?;
    let expr = logql::parse(asked.params.required("query")?).map_err(bad)?;
    Ok(Json(json!({ "status": "success", "data": logql::pretty(&expr) })))
}

/// `/loki/api/v1/status/buildinfo`: clients look at the version to know what the server can do.
pub(in super::super) async fn build_info() -> Json<Value> {
    Json(json!({
        "version": LOKI_VERSION,
        "revision": concat!("logmesh-", env!("CARGO_PKG_VERSION")),
        "branch": "logmesh",
        "buildUser": "",
        "buildDate": "",
        "goVersion": "",
    }))
}

/// `/loki/api/v1/drilldown-limits`: what Grafana's Logs Drilldown asks before it shows anything.
pub(in super::super) async fn drilldown_limits(State(app): State<SharedApp>) -> Json<Value> {
    let (query, limits) = (&app.config.query, &app.config.limits);
    Json(json!({
        "limits": {
            "discover_log_levels": true,
            "discover_service_name": limits.discover_service_name,
            "max_entries_limit_per_query": query.entries_max,
            "max_line_size": limits.line_bytes_max,
            "max_line_size_truncate": false,
            "max_query_length": go_duration(query.range_max),
            "max_query_lookback": "0s",
            "max_query_range": "0s",
            "max_query_series": query.series_max,
            "metric_aggregation_enabled": false,
            "pattern_persistence_enabled": false,
            "query_timeout": go_duration(query.timeout),
            "retention_period": go_duration(app.config.mesh.retention),
            "volume_enabled": true,
            "volume_max_series": query.series_max,
        },
        "pattern_ingester_enabled": true,
        "version": LOKI_VERSION,
    }))
}

/// `/config`: the settings in effect as YAML; `mode=diffs` leaves out those at their default, `mode=defaults` shows these.
pub(in super::super) async fn config(State(app): State<SharedApp>, request: Request) -> Result<Response, Refused> {
    let asked = Asked::read(request).await?;
    let text = match asked.params.first("mode") {
        None => app.config.to_yaml(),
        Some("diffs") => app.config.to_yaml_of_changes(),
        Some("defaults") => crate::config::Config::default().to_yaml(),
        Some(other) => {
            let shown: String = other.chars().take(100).collect();
            return Err(Refused::bad_request(format!("parameter mode: {shown:?} is neither diffs nor defaults")));
        }
    };
    Ok(([(CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response())
}

/// Returns a duration as Go reads it.
fn go_duration(duration: std::time::Duration) -> String {
    format!("{}s", duration.as_secs_f64())
}

/// The version of Loki whose API this is.
const LOKI_VERSION: &str = "3.5.0";
