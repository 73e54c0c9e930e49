//! What there is for one member: its queue, its connection's state, and the opening of streams to it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::AsyncWriteExt;
use libp2p::{PeerId, Stream, StreamProtocol};
use libp2p_stream::Control;
use logmesh_protocol::id::NodeId;
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};
use tracing::debug;

use crate::counters::PeerCounts;
use crate::peer_id::peer_of;
use crate::queue::Queue;
use crate::reader::Reader;
use crate::settings::Settings;

/// One member, as seen from here.
pub(crate) struct Line {
    pub(crate) node: NodeId,
    pub(crate) queue: Queue,
    pub(crate) link: watch::Sender<Link>,
    pub(crate) counts: PeerCounts,
    peer: PeerId,
    /// Streams are opened one at a time: the other side drops one that comes while it is taking another.
    opener: tokio::sync::Mutex<Control>,
    dials: mpsc::Sender<Dial>,
    settings: Arc<Settings>,
}

/// What is known of the connections to one member.
#[derive(Clone, Copy, Default)]
pub(crate) struct Link {
    /// There is a connection that is thought to work.
    pub(crate) connected: bool,
    /// How many of our attempts to connect have failed, or had an end: one that ends at once may be seen by its end only.
    pub(crate) failures: u64,
    /// How many times the member has connected to us, or was told to be up again.
    pub(crate) calls: u64,
    /// How many connections fell silent. A stream on one of them may hang, so all streams begin anew.
    pub(crate) silences: u64,
}

/// A wish for a connection.
pub(crate) struct Dial {
    pub(crate) node: NodeId,
    /// Dial even if there is a connection: it does not seem to work.
    pub(crate) anew: bool,
}

/// Why no stream was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OpenError {
    /// The member cannot be reached.
    Away,
    /// The member is there and took none of several streams: it is too busy, or does not know us.
    Refused,
}

impl Line {
    pub(crate) fn new(node: NodeId, control: Control, dials: mpsc::Sender<Dial>, settings: Arc<Settings>) -> Self {
        Self {
            node,
            queue: Queue::new(settings.send_queue_bytes_max, settings.backoff_max),
            link: watch::channel(Link::default()).0,
            counts: PeerCounts::default(),
            peer: peer_of(node),
            opener: tokio::sync::Mutex::new(control),
            dials,
            settings,
        }
    }

    /// Waits until a connection falls silent from now on.
    pub(crate) fn silence(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut link = self.link.subscribe();
        let before = link.borrow_and_update().silences;
        async move {
            let _ = link.wait_for(|link| link.silences != before).await;
        }
    }

    /// Opens a stream, says `hello` on it, and waits until the other side has accepted it.
    pub(crate) async fn open(&self, protocol: StreamProtocol, hello: &[Bytes]) -> Result<Reader<Stream>, OpenError> {
        let mut failed = OpenError::Refused;
        for (attempt, pause) in RETRY_PAUSES.into_iter().enumerate() {
            sleep(pause).await;
            self.connect(attempt >= ATTEMPTS_BEFORE_DIALING_ANEW).await?;
            let mut link = self.link.subscribe();
            let opened = tokio::select! {
                opened = timeout(self.settings.stream_timeout, self.try_open(&protocol, hello)) => opened,
                // A stream that is asked for while its connection closes may never be opened nor refused.
                _ = link.wait_for(|link| !link.connected) => {
                    failed = OpenError::Away;
                    continue;
                }
            };
            match opened.map_err(|_| OpenError::Away)? {
                Ok(stream) => {
                    self.queue.reached();
                    return Ok(stream);
                }
                Err(error) => debug!(peer = ?self.node, %error, attempt, "stream not opened"),
            }
            failed = OpenError::Refused;
        }
        Err(failed)
    }

    async fn try_open(&self, protocol: &StreamProtocol, hello: &[Bytes]) -> Result<Reader<Stream>, std::io::Error> {
        let opened = self.opener.lock().await.open_stream(self.peer, protocol.clone()).await;
        let mut stream = opened.map_err(std::io::Error::other)?;
        for part in hello {
            stream.write_all(part).await?;
        }
        stream.flush().await?;
        let mut reader = Reader::new(stream);
        match reader.read_byte().await? {
            ACCEPTED => Ok(reader),
            _ => Err(std::io::ErrorKind::InvalidData.into()),
        }
    }

    /// Waits until there is a connection; `anew` wishes for another one than there is.
    async fn connect(&self, anew: bool) -> Result<(), OpenError> {
        let mut link = self.link.subscribe();
        let before = *link.borrow_and_update();
        if before.connected && !anew {
            return Ok(());
        }
        self.dials.send(Dial { node: self.node, anew }).await.map_err(|_| OpenError::Away)?;
        if before.connected {
            return Ok(());
        }
        let changed = link.wait_for(|link| link.connected || link.failures != before.failures);
        // A dial that is not answered fails by its own time-out; this is for one that never began.
        match timeout(self.settings.connect_timeout * 2, changed).await {
            Ok(Ok(link)) if link.connected => Ok(()),
            _ => Err(OpenError::Away),
        }
    }
}

/// Ordered frames, one way.
pub(crate) const FRAMES: StreamProtocol = StreamProtocol::new("/logmesh/frames/1");
/// One request and the answer to it.
pub(crate) const REQUESTS: StreamProtocol = StreamProtocol::new("/logmesh/requests/1");
/// What the side that takes a stream says first: libp2p-stream may drop it unseen instead.
pub(crate) const ACCEPTED: u8 = 1;
/// The pauses before each attempt to open a stream.
const RETRY_PAUSES: [Duration; 6] = [
    Duration::ZERO,
    Duration::from_millis(2),
    Duration::from_millis(8),
    Duration::from_millis(30),
    Duration::from_millis(100),
    Duration::from_millis(300),
];
const ATTEMPTS_BEFORE_DIALING_ANEW: usize = 3;
