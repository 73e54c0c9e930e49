//! A plain HTTP client for one node. It keeps no connections, so that a node killed between two requests is never
//! mistaken for one that failed.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use ureq::http::HeaderMap;

/// Speaks to one node.
#[derive(Clone)]
pub(crate) struct Client {
    agent: ureq::Agent,
    base: String,
}

/// What a node answered.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Client {
    /// Returns a client for the node that listens at `http`.
    pub(crate) fn new(http: SocketAddr) -> Self {
        Self::with_timeout(http, TIMEOUT)
    }

    /// Returns one that waits for so long for each answer.
    pub(crate) fn with_timeout(http: SocketAddr, timeout: Duration) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .max_idle_connections(0)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_global(Some(timeout));
        Self { agent: config.build().new_agent(), base: format!("http://{http}") }
    }

    /// Returns the URL of `path`.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// GETs `path`, which may carry a query.
    pub(crate) fn get(&self, path: &str) -> Result<Reply, ureq::Error> {
        self.get_with(path, &[])
    }

    /// GETs `path` with parameters, which are encoded here.
    pub(crate) fn get_with(&self, path: &str, params: &[(&str, &str)]) -> Result<Reply, ureq::Error> {
        let mut request = self.agent.get(self.url(path));
        for (name, value) in params {
            request = request.query(*name, *value);
        }
        Reply::read(request.call()?)
    }

    /// POSTs `body`.
    pub(crate) fn post(&self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<Reply, ureq::Error> {
        let mut request = self.agent.post(self.url(path));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Reply::read(request.send(body)?)
    }

    /// GETs JSON that must be there.
    pub(crate) fn json(&self, path: &str) -> Value {
        let reply = self.get(path).unwrap_or_else(|error| panic!("GET {}: {error}", self.url(path)));
        assert_eq!(reply.status, 200, "GET {}: {}", self.url(path), reply.text());
        reply.json()
    }

    /// GETs JSON, if the node answers.
    pub(crate) fn try_json(&self, path: &str) -> Option<Value> {
        self.get(path).ok().filter(|reply| reply.status == 200).map(|reply| reply.json())
    }

    /// Returns the sum of the samples of a metric whose name begins with `name`; none if there is no such metric.
    pub(crate) fn metric(&self, name: &str) -> Option<f64> {
        let reply = self.get("/metrics").expect("a live node answers /metrics");
        let text = reply.text();
        let samples: Vec<f64> = text
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| line.rsplit_once(' '))
            .filter(|(key, _)| key.split('{').next() == Some(name))
            .filter_map(|(_, value)| value.parse().ok())
            .collect();
        (!samples.is_empty()).then(|| samples.iter().sum())
    }
}

impl Reply {
    fn read(mut response: ureq::http::Response<ureq::Body>) -> Result<Self, ureq::Error> {
        let body = response.body_mut().with_config().limit(BODY_BYTES_MAX).read_to_vec()?;
        Ok(Self { status: response.status().as_u16(), headers: response.headers().clone(), body })
    }

    /// Returns the body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Returns the body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("no JSON ({error}): {}", self.text()))
    }

    /// Returns a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Returns in how many copies a push is durable.
    pub(crate) fn copies(&self) -> u64 {
        let header = self.header("logmesh-copies").unwrap_or_else(|| panic!("no Logmesh-Copies in {}", self.text()));
        header.parse().expect("Logmesh-Copies is a number")
    }

    /// Tells whether an answer calls itself complete.
    pub(crate) fn is_complete(&self) -> bool {
        match self.header("logmesh-complete") {
            Some("true") => true,
            Some("false") => false,
            other => panic!("Logmesh-Complete is {other:?} in {}", self.text()),
        }
    }

    /// Returns the warnings of an answer, joined.
    pub(crate) fn warnings(&self) -> String {
        let json = self.json();
        let warnings = json["warnings"].as_array().cloned().unwrap_or_default();
        warnings.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("; ")
    }
}

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Longer than anything a node lets a client wait for while it is well.
const TIMEOUT: Duration = Duration::from_secs(30);
const BODY_BYTES_MAX: u64 = 256 << 20;
