//! Speaks HTTP to one node for the commands. Blocking, with bounded answers and time-outs.

use std::time::Duration;

use clap::Args;
use serde::de::DeserializeOwned;
use thiserror::Error;
use ureq::http::{Response, StatusCode};
use ureq::{Agent, Body};

use super::Exit;

/// Which node to speak to.
#[derive(Clone, Debug, Args)]
pub(super) struct Target {
    /// The HTTP address of the node.
    #[arg(long, env = "LOGMESH_URL", default_value = DEFAULT_URL, value_name = "URL")]
    node: String,
}

/// Speaks to one node.
#[derive(Clone, Debug)]
pub(super) struct Client {
    agent: Agent,
    base: String,
}

/// What a node answered, read whole.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// `Logmesh-Copies`.
    pub(super) copies: Option<u64>,
    /// `Logmesh-Complete`.
    pub(super) complete: Option<bool>,
    /// `Retry-After`, in seconds.
    pub(super) retry_after: Option<Duration>,
    pub(super) body: Vec<u8>,
}

impl Target {
    /// Returns the node at `url`.
    pub(super) fn at(url: &str) -> Self {
        Self { node: url.to_owned() }
    }

    /// Returns a client that gives up on an answer after `timeout`.
    pub(super) fn client(&self, timeout: Duration) -> Client {
        let typed = self.node.trim_end_matches('/');
        let base = if typed.contains("://") { typed.to_owned() } else { format!("http://{typed}") };
        // Nodes are spoken to directly: a proxy for the world outside would not know them.
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_global(Some(timeout))
            .max_redirects(0)
            .build();
        Client { agent: config.into(), base }
    }
}

impl Client {
    /// Asks for `path`.
    pub(super) fn get(
        &self,
        path: &str,
        parameters: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Result<Answer, ClientError> {
        let mut request = self.agent.get(format!("{}{path}", self.base)).query_pairs(parameters.iter().copied());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.read(request.call())
    }

    /// Posts `body` to `path`.
    pub(super) fn post(
        &self,
        path: &str,
        parameters: &[(&str, &str)],
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Answer, ClientError> {
        let mut request = self.agent.post(format!("{}{path}", self.base)).query_pairs(parameters.iter().copied());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.read(request.send(body))
    }

    /// Returns where the node is.
    pub(super) fn base(&self) -> &str {
        &self.base
    }

    /// Returns the error for a node that said no.
    pub(super) fn refused(&self, status: u16, said: &str) -> ClientError {
        let why = super::output::printable(said).chars().take(SAID_CHARS_MAX).collect();
        ClientError::Refused { node: self.base.clone(), status, why }
    }

    fn read(&self, outcome: Result<Response<Body>, ureq::Error>) -> Result<Answer, ClientError> {
        let lost = |error: ureq::Error| match error {
            ureq::Error::BadUri(_) | ureq::Error::Http(_) => {
                ClientError::Address { node: self.base.clone(), why: error.to_string() }
            }
            other => ClientError::Unreachable { node: self.base.clone(), source: Box::new(other) },
        };
        let mut response = outcome.map_err(lost)?;
        let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::trim);
        let (copies, complete) = (header("logmesh-copies"), header("logmesh-complete"));
        let (copies, complete) = (copies.and_then(|n| n.parse().ok()), complete.map(|word| word == "true"));
        let retry_after = header("retry-after").and_then(|seconds| seconds.parse().ok()).map(Duration::from_secs);
        let status = response.status();
        let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec().map_err(lost)?;
        Ok(Answer { status, copies, complete, retry_after, body })
    }
}

impl Answer {
    /// Returns the answer if the node did what it was asked for.
    pub(super) fn accepted(self, client: &Client) -> Result<Self, ClientError> {
        if self.status.is_success() {
            return Ok(self);
        }
        Err(client.refused(self.status.as_u16(), &self.text()))
    }

    /// Reads the body as JSON.
    pub(super) fn json<T: DeserializeOwned>(&self, client: &Client) -> Result<T, ClientError> {
        serde_json::from_slice(&self.body).map_err(|source| ClientError::NotJson { node: client.base.clone(), source })
    }

    /// Returns what the node said, short enough for a terminal. Errors come as plain text or as JSON with an `error`.
    pub(super) fn text(&self) -> String {
        let json: Option<serde_json::Value> = serde_json::from_slice(&self.body).ok();
        let said =
            json.as_ref().and_then(|json| json.get("error").or(json.get("message"))).and_then(|said| said.as_str());
        let text = said.map_or_else(|| String::from_utf8_lossy(&self.body).into_owned(), str::to_owned);
        super::output::printable(text.trim()).chars().take(SAID_CHARS_MAX).collect()
    }
}

/// Why a node could not be asked.
#[derive(Debug, Error)]
pub(super) enum ClientError {
    /// The address is none.
    #[error("{node} is no address of a node: {why}")]
    Address {
        /// What was typed.
        node: String,
        /// Why.
        why: String,
    },
    /// No answer came.
    #[error("no answer from the node at {node}; is it running? (--node or LOGMESH_URL name another)")]
    Unreachable {
        /// Its address.
        node: String,
        /// Why.
        source: Box<ureq::Error>,
    },
    /// The node said no.
    #[error("the node at {node} refused ({status}): {why}")]
    Refused {
        /// Its address.
        node: String,
        /// The HTTP status.
        status: u16,
        /// What it said.
        why: String,
    },
    /// The answer is not what a node answers.
    #[error("the answer from {node} cannot be read; is that a Logmesh node?")]
    NotJson {
        /// Its address.
        node: String,
        /// Where it went wrong.
        source: serde_json::Error,
    },
}

impl ClientError {
    /// Returns the exit code for it.
    pub(super) fn code(&self) -> Exit {
        match self {
            Self::Address { .. } => Exit::Usage,
            Self::Unreachable { .. } => Exit::Unreachable,
            Self::Refused { .. } | Self::NotJson { .. } => Exit::Failed,
        }
    }
}

/// Where a node listens that was told nothing else.
pub(super) const DEFAULT_URL: &str = "http://127.0.0.1:3100";

/// A node that does not take a connection for so long is not there.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The largest answer that is read; 5,000 entries of 256 KiB would be more, but nobody reads those at a terminal.
const ANSWER_BYTES_MAX: u64 = 1 << 30;

const SAID_CHARS_MAX: usize = 2000;
