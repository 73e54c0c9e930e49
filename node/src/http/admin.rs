//! What an operator looks at and asks for: readiness, metrics, members, segments, forget and leave.

use std::sync::atomic::Ordering;

use axum::Json;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use logmesh_protocol::id::NodeId;
use logmesh_protocol::replica::Input;
use serde_json::{Value, json};

use super::params::Params;
use super::refusal::Refused;
use super::status;
use super::{App, NodeState, SharedApp};

/// `/ready`
pub(super) async fn ready(State(app): State<SharedApp>) -> Result<&'static str, Refused> {
    if app.ready.load(Ordering::Relaxed) {
        return Ok("ready\n");
    }
    Err(Refused::new(StatusCode::SERVICE_UNAVAILABLE, "not ready: looking for the other nodes"))
}

/// Any path that is none.
pub(super) async fn not_found(uri: Uri) -> Refused {
    let path: String = uri.path().chars().take(100).collect();
    Refused::new(StatusCode::NOT_FOUND, format!("there is nothing at {path}"))
}

/// `/metrics`
pub(super) async fn metrics(State(app): State<SharedApp>) -> Response {
    app.refresh_gauges();
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(CONTENT_TYPE, kind)], app.metrics.render()).into_response()
}

/// `/logmesh/v1/status`
pub(super) async fn status(State(app): State<SharedApp>) -> Result<Json<Value>, Refused> {
    Ok(Json(status::whole(&app).await.ok_or_else(stopping)?))
}

/// `/logmesh/v1/members`
pub(super) async fn members(State(app): State<SharedApp>) -> Result<Json<Value>, Refused> {
    Ok(Json(status::members(&app).await.ok_or_else(stopping)?))
}

/// `/logmesh/v1/segments`
pub(super) async fn segments(State(app): State<SharedApp>) -> Result<Json<Value>, Refused> {
    Ok(Json(status::segments(&app).await.ok_or_else(stopping)?))
}

/// `POST /logmesh/v1/forget?node=…`, by id or by name.
pub(super) async fn forget(State(app): State<SharedApp>, uri: Uri) -> Result<Json<Value>, Refused> {
    let params = Params::read(&uri, &axum::body::Bytes::new());
    let wanted = params.required("node")?;
    let node = app.find_member(wanted).await.ok_or_else(|| {
        Refused::new(StatusCode::NOT_FOUND, format!("no member is called {wanted:?}; `logmesh status` lists them"))
    })?;
    if node == app.node {
        return Err(Refused::bad_request("a node cannot forget itself; ask another node, or use leave"));
    }
    let live = app.seen.borrow().view.peers.get(&node).is_some_and(|peer| peer.live);
    if live && !params.flag("force")? {
        let sentence = "that member is live; stop it first, or let it leave (add force=true to forget it all the same)";
        return Err(Refused::new(StatusCode::CONFLICT, sentence));
    }
    app.mesh.tell(Input::Forget(node)).await;
    Ok(Json(json!({ "forgotten": node.to_string() })))
}

/// `POST /logmesh/v1/leave`
pub(super) async fn leave(State(app): State<SharedApp>) -> Json<Value> {
    app.state.send_if_modified(|state| {
        let running = *state == NodeState::Running;
        if running {
            *state = NodeState::Leaving;
        }
        running
    });
    app.mesh.tell(Input::Leave).await;
    Json(json!({ "state": "leaving" }))
}

impl App {
    async fn find_member(&self, wanted: &str) -> Option<NodeId> {
        let members = self.mesh.ask(|replica, _| replica.members()).await?;
        let seen = self.seen.borrow().clone();
        let named = |node: &NodeId| seen.facts.get(node).and_then(|facts| facts.get("name")).map(String::as_str);
        let mut found = members.iter().map(|member| member.node).filter(|node| {
            let text = node.to_string();
            text == wanted || named(node) == Some(wanted) || node.short() == wanted
        });
        let node = found.next()?;
        // Two members of one name: the id must be given.
        found.next().is_none().then_some(node)
    }

    fn refresh_gauges(&self) {
        let seen = self.seen.borrow().clone();
        let live = seen.view.peers.values().filter(|peer| peer.live).count();
        let gossip = self.gossip.counters();
        self.metrics.members_live.set(live as i64);
        self.metrics.tail_followers.set(self.feed.followers() as i64);
        self.metrics.refused_settings.set(seen.refused.len() as i64);
        self.metrics.gossip_refused.set(i64::try_from(gossip.refused).unwrap_or(i64::MAX));
        let net = self.net.counters();
        let refused = net.connections_refused + net.handshakes_failed;
        self.metrics.net_refused.set(i64::try_from(refused).unwrap_or(i64::MAX));
        self.metrics.frames_bytes_out.set(sum(net.peers.values().map(|peer| peer.bytes_out)));
        self.metrics.frames_bytes_in.set(sum(net.peers.values().map(|peer| peer.bytes_in)));
        let local = &self.coordinator.local;
        self.metrics.scans_running.set(i64::try_from(local.running()).unwrap_or(i64::MAX));
        self.metrics.scans_cancelled.set(i64::try_from(local.cancelled()).unwrap_or(i64::MAX));
        self.metrics.disk_free_bytes.set(i64::try_from(self.store.disk().free_bytes).unwrap_or(i64::MAX));
    }
}

fn sum(bytes: impl Iterator<Item = u64>) -> i64 {
    i64::try_from(bytes.sum::<u64>()).unwrap_or(i64::MAX)
}

fn stopping() -> Refused {
    Refused::new(StatusCode::SERVICE_UNAVAILABLE, "this node is stopping; ask another")
}
