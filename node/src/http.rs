//! The HTTP side of a node: one line a route. Handlers turn requests into calls and errors into statuses; they hold no
//! mesh logic.

mod admin;
mod body;
mod delete;
mod params;
mod refusal;
mod status;
mod tail;
mod tenant;
mod ways_in;
mod ways_out;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use logmesh_protocol::id::NodeId;
use logmesh_store::Store;
use tokio::sync::{Semaphore, watch};

pub(crate) use body::Budget;

use crate::config::Config;
use crate::metrics::Metrics;
use crate::query::{Coordinator, Deleted, Feed};
use crate::shell::{Mesh, Seen};

/// What handlers share.
pub(crate) struct App {
    pub(crate) node: NodeId,
    pub(crate) config: Config,
    pub(crate) mesh: Mesh,
    pub(crate) store: Store,
    pub(crate) coordinator: Coordinator,
    pub(crate) seen: watch::Receiver<Arc<Seen>>,
    pub(crate) metrics: Arc<Metrics>,
    /// Bytes of pushes that are being worked on.
    pub(crate) budget: Budget,
    /// Whether the node has met its mesh, or has given up waiting for it.
    pub(crate) ready: AtomicBool,
    pub(crate) state: Arc<watch::Sender<NodeState>>,
    pub(crate) net: Arc<logmesh_net::Net>,
    pub(crate) gossip: Arc<logmesh_gossip::Gossip>,
    /// A place for each tail that may run.
    pub(crate) tails: Arc<Semaphore>,
    /// What is deleted, as queries of this node hold it.
    pub(crate) deleted: watch::Receiver<Deleted>,
    /// Who follows what this node takes in.
    pub(crate) feed: Arc<Feed>,
}

pub(crate) type SharedApp = Arc<App>;

/// Where a node is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NodeState {
    /// It takes part.
    Running,
    /// It hands over what it holds and stays a source until that is done.
    Leaving,
    /// It has left; the process may be ended.
    Left,
    /// It hands over what it owes, then ends.
    Stopping,
}

/// Returns the routes that read, each by URL and by form.
fn reads() -> Router<SharedApp> {
    Router::new()
        .route("/loki/api/v1/query_range", get(ways_out::query_range).post(ways_out::query_range))
        .route("/loki/api/v1/query", get(ways_out::query).post(ways_out::query))
        .route("/loki/api/v1/labels", get(ways_out::labels).post(ways_out::labels))
        .route("/loki/api/v1/label", get(ways_out::labels).post(ways_out::labels))
        .route("/api/prom/label", get(ways_out::old_labels).post(ways_out::old_labels))
        .route("/loki/api/v1/label/{name}/values", get(ways_out::label_values).post(ways_out::label_values))
        .route("/api/prom/label/{name}/values", get(ways_out::old_label_values).post(ways_out::old_label_values))
        .route("/loki/api/v1/series", get(ways_out::series).post(ways_out::series))
        .route("/api/prom/series", get(ways_out::series).post(ways_out::series))
        .route("/loki/api/v1/index/stats", get(ways_out::index_stats).post(ways_out::index_stats))
        .route("/loki/api/v1/index/volume", get(ways_out::volume).post(ways_out::volume))
        .route("/loki/api/v1/index/volume_range", get(ways_out::volume_range).post(ways_out::volume_range))
        .route("/loki/api/v1/detected_labels", get(ways_out::detected_labels).post(ways_out::detected_labels))
        .route("/loki/api/v1/detected_fields", get(ways_out::detected_fields).post(ways_out::detected_fields))
        .route(
            "/loki/api/v1/detected_field/{name}/values",
            get(ways_out::detected_field_values).post(ways_out::detected_field_values),
        )
        .route("/loki/api/v1/patterns", get(ways_out::patterns).post(ways_out::patterns))
        .route("/loki/api/v1/format_query", get(ways_out::format_query).post(ways_out::format_query))
        .route("/loki/api/v1/status/buildinfo", get(ways_out::build_info))
        .route("/loki/api/v1/drilldown-limits", get(ways_out::drilldown_limits))
        .route("/config", get(ways_out::config))
}

/// Returns all routes.
pub(crate) fn router(app: SharedApp) -> Router {
    Router::new()
        .route("/loki/api/v1/push", post(ways_in::loki))
        .route("/api/prom/push", post(ways_in::loki))
        .route("/otlp/v1/logs", post(ways_in::otlp_logs))
        .route("/logmesh/v1/lines", post(ways_in::plain_lines))
        .merge(reads())
        .route("/loki/api/v1/tail", get(tail::tail))
        .route("/loki/api/v1/delete", get(delete::list).post(delete::create).put(delete::create).delete(delete::cancel))
        .route("/ready", get(admin::ready))
        .route("/metrics", get(admin::metrics))
        .route("/logmesh/v1/status", get(admin::status))
        .route("/logmesh/v1/members", get(admin::members))
        .route("/logmesh/v1/segments", get(admin::segments))
        .route("/logmesh/v1/forget", post(admin::forget))
        .route("/logmesh/v1/leave", post(admin::leave))
        .fallback(admin::not_found)
        // Bodies are bounded where they are read, with a sentence that names the setting.
        .layer(DefaultBodyLimit::disable())
        .with_state(app)
}
