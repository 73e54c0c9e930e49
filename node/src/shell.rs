//! Joins the rooms: opens the store, starts gossip and the net, runs the machine and the HTTP side, and ends in order.
//! The only place that knows them all.

mod announce;
mod gather;
mod mesh;
mod perform;
mod recent;
mod sender;
mod start;
mod tasks;

pub(crate) use announce::Seen;
pub(crate) use gather::{Push, Refusal};
pub(crate) use mesh::Mesh;
pub(crate) use start::RunError;

use std::time::Duration;

use logmesh_protocol::replica::Input;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::{info, warn};

use crate::config::Config;
use crate::http::NodeState;

/// Runs a node until it is told to end.
pub(crate) async fn run(config: Config) -> Result<(), RunError> {
    let stop_timeout = config.own.stop_timeout;
    let mut node = start::start(config).await?;
    wait_for_signal(node.stop.clone()).await;
    info!("stopping: handing over what is owed");
    node.state.send_replace(NodeState::Stopping);
    node.mesh.tell(Input::Stop).await;
    // The machine keeps its own bound; this one is for a machine that is held up.
    let bound = stop_timeout + Duration::from_secs(5);
    match timeout(bound, &mut node.stopped).await {
        Ok(Ok(true)) => info!("stopped in order: answers stay complete without this node"),
        Ok(Ok(false)) => warn!("stopped with something still owed: answers will say so until this node is back"),
        Ok(Err(_)) | Err(_) => warn!("stopped before everything was handed over"),
    }
    node.end().await;
    Ok(())
}

async fn wait_for_signal(mut stop: watch::Receiver<bool>) {
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        warn!("signals cannot be received; end the process with kill -9");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        _ = stop.wait_for(|stop| *stop) => {}
    }
}
