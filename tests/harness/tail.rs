//! A client that follows a query over a WebSocket.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::Value;
use tungstenite::client::IntoClientRequest;
use tungstenite::{Error, HandshakeError, Message, WebSocket};

use super::Client;

/// An open tail.
pub(crate) struct Tail {
    socket: WebSocket<TcpStream>,
}

/// What a tail has told.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// How often each line came.
    pub(crate) lines: BTreeMap<String, u32>,
    /// The times of the entries, in the order in which they came.
    pub(crate) times: Vec<u64>,
    /// How many entries were named as dropped.
    pub(crate) dropped: usize,
    /// The last frame.
    pub(crate) frame: Value,
}

impl Tail {
    /// Follows; `Err` has the status and what the node said.
    pub(crate) fn open(
        client: &Client,
        params: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Result<Self, (u16, String)> {
        let query =
            params.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect::<Vec<_>>().join("&");
        let url = client.url(&format!("/loki/api/v1/tail?{query}")).replace("http://", "ws://");
        let mut request = url.into_client_request().expect("the URL is sound");
        for (name, value) in headers {
            let name: tungstenite::http::HeaderName = name.parse().expect("a header's name");
            request.headers_mut().insert(name, value.parse().expect("a header's value"));
        }
        let host = request.uri().authority().expect("the URL has a host").to_string();
        let stream = TcpStream::connect(host).expect("the node listens");
        match tungstenite::client(request, stream) {
            Ok((socket, _)) => Ok(Self { socket }),
            Err(HandshakeError::Failure(Error::Http(response))) => {
                let said = response.body().as_deref().map(String::from_utf8_lossy).unwrap_or_default().into_owned();
                Err((response.status().as_u16(), said))
            }
            Err(error) => panic!("no WebSocket: {error}"),
        }
    }

    /// Reads until `enough`. Panics with `what` when that is not so within `deadline`.
    pub(crate) fn read_until(
        &mut self,
        told: &mut Told,
        deadline: Duration,
        what: &str,
        enough: impl Fn(&Told) -> bool,
    ) {
        let begun = Instant::now();
        self.socket.get_ref().set_read_timeout(Some(Duration::from_millis(200))).expect("a time-out can be set");
        while !enough(told) {
            let (lines, dropped) = (told.times.len(), told.dropped);
            assert!(begun.elapsed() < deadline, "not within {deadline:?}: {what}; {lines} entries, {dropped} dropped");
            match self.socket.read() {
                Ok(Message::Text(text)) => told.add(serde_json::from_str(&text).expect("a frame is JSON")),
                Ok(Message::Close(frame)) => panic!("the node hung up: {frame:?}"),
                Ok(_) => {}
                Err(Error::Io(error)) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) => panic!("the tail broke off: {error}"),
            }
        }
    }
}

impl Told {
    fn add(&mut self, frame: Value) {
        for stream in frame["streams"].as_array().expect("streams are a list") {
            for value in stream["values"].as_array().expect("values are a list") {
                let line = value[1].as_str().expect("a line is text").to_owned();
                *self.lines.entry(line).or_default() += 1;
                self.times.push(value[0].as_str().expect("nanoseconds are text").parse().expect("nanoseconds"));
            }
        }
        self.dropped += frame["dropped_entries"].as_array().map_or(0, Vec::len);
        self.frame = frame;
    }

    /// Fails unless all of `lines` came, each once, and nothing else.
    pub(crate) fn assert_exactly<'a>(&self, lines: impl IntoIterator<Item = &'a str>) {
        let wanted: BTreeMap<String, u32> = lines.into_iter().map(|line| (line.to_owned(), 1)).collect();
        assert_eq!(self.lines, wanted);
    }
}

/// Encodes a value for a URL.
fn encode(value: &str) -> String {
    let keep = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    value.bytes().map(|byte| if keep(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
