//! Requests of members, and the way their answers take.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use libp2p::Stream;
use libp2p_stream::IncomingStreams;
use logmesh_protocol::id::NodeId;
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::debug;

use crate::line::{ACCEPTED, Line};
use crate::net::Lines;
use crate::peer_id::node_of;
use crate::reader::{END, ReadError, Reader};
use crate::settings::Settings;

/// A request of a member.
#[derive(Debug)]
pub struct IncomingRequest {
    /// Who asks.
    pub from: NodeId,
    /// What it asks.
    pub body: Bytes,
    /// Where the answer goes.
    pub reply: ReplySender,
}

/// Takes the pieces of one answer. Dropped without [`ReplySender::finish`], the asker sees that the answer broke off.
#[derive(Debug)]
pub struct ReplySender {
    pieces: mpsc::Sender<Piece>,
    piece_bytes_max: usize,
}

#[derive(Debug)]
enum Piece {
    More(Bytes),
    Last,
}

impl ReplySender {
    /// Sends a piece of the answer; waits while the asker is slower than we are.
    pub async fn send(&self, piece: Bytes) -> Result<(), ReplyError> {
        if piece.len() > self.piece_bytes_max {
            return Err(ReplyError::TooLong);
        }
        self.pieces.send(Piece::More(piece)).await.map_err(|_| ReplyError::Gone)
    }

    /// Says that the answer is whole.
    pub async fn finish(self) -> Result<(), ReplyError> {
        self.pieces.send(Piece::Last).await.map_err(|_| ReplyError::Gone)
    }

    /// Waits until the asker is gone: the work for its answer can stop.
    pub async fn closed(&self) {
        self.pieces.closed().await;
    }

    /// Tells whether the asker is gone.
    pub fn is_closed(&self) -> bool {
        self.pieces.is_closed()
    }
}

/// Why a piece of an answer was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ReplyError {
    /// The asker has dropped the answer, or its connection broke.
    #[error("the asker is gone")]
    Gone,
    /// The piece is longer than `frame_bytes_max`.
    #[error("the piece is too long")]
    TooLong,
}

/// The way of requests from streams to the shell.
#[derive(Clone)]
pub(crate) struct Answerer {
    requests: mpsc::Sender<IncomingRequest>,
    all: Arc<Semaphore>,
    settings: Arc<Settings>,
}

impl Answerer {
    pub(crate) fn new(settings: Arc<Settings>) -> (Self, mpsc::Receiver<IncomingRequest>) {
        let (requests, receiver) = mpsc::channel(WAITING_REQUESTS_MAX);
        let all = Arc::new(Semaphore::new(settings.requests_max));
        (Self { requests, all, settings }, receiver)
    }

    /// Takes request streams as they come, and drops those beyond the limits: the asker tries some more times.
    pub(crate) async fn accept(self, mut streams: IncomingStreams, lines: Arc<Lines>) {
        let mut each: BTreeMap<NodeId, Arc<Semaphore>> = BTreeMap::new();
        let mut answers = JoinSet::new();
        while let Some((peer, stream)) = streams.next().await {
            while answers.try_join_next().is_some() {}
            let line = node_of(&peer).and_then(|node| lines.line(node));
            let Some(line) = line else { continue };
            each.retain(|_, places| places.available_permits() < self.settings.requests_per_peer_max);
            let places = each.entry(line.node).or_insert_with(|| self.places_of_one());
            let place =
                places.clone().try_acquire_owned().and_then(|own| Ok((own, self.all.clone().try_acquire_owned()?)));
            match place {
                Ok(place) => {
                    answers.spawn(self.clone().answer(line, stream, place));
                }
                Err(_) => line.counts.requests_refused.add(1),
            }
        }
    }

    fn places_of_one(&self) -> Arc<Semaphore> {
        Arc::new(Semaphore::new(self.settings.requests_per_peer_max))
    }

    async fn answer(self, line: Arc<Line>, stream: Stream, _place: (OwnedSemaphorePermit, OwnedSemaphorePermit)) {
        let mut reader = Reader::new(stream);
        let read = timeout(self.settings.stream_timeout, self.read_request(&mut reader)).await;
        let body = match read {
            Ok(Ok(Some(body))) => body,
            Ok(Ok(None) | Err(ReadError::TooLong)) => {
                line.counts.malformed.add(1);
                debug!(peer = ?line.node, "malformed request, stream cut off");
                return;
            }
            Ok(Err(ReadError::Io)) | Err(_) => return,
        };
        line.counts.requests_in.add(1);
        let (pieces, queued) = mpsc::channel(WAITING_PIECES_MAX);
        let reply = ReplySender { pieces, piece_bytes_max: self.settings.frame_bytes_max };
        let request = IncomingRequest { from: line.node, body, reply };
        tokio::select! {
            sent = self.requests.send(request) => if sent.is_err() { return },
            () = line.silence() => return,
        }
        tokio::select! {
            () = write_answer(reader.stream_mut(), queued) => {}
            () = line.silence() => {}
        }
    }

    async fn read_request(&self, reader: &mut Reader<Stream>) -> Result<Option<Bytes>, ReadError> {
        reader.stream_mut().write_all(&[ACCEPTED]).await?;
        reader.stream_mut().flush().await?;
        reader.read_message(self.settings.request_bytes_max).await
    }
}

/// Writes pieces until the last one, or until the asker is gone, which whoever makes them notices by their closed way.
async fn write_answer(stream: &mut Stream, mut queued: mpsc::Receiver<Piece>) {
    let mut nothing = [0; 1];
    loop {
        let piece = tokio::select! {
            piece = queued.recv() => piece,
            // The asker says nothing after its request: whatever this says, it is gone.
            _ = stream.read(&mut nothing) => return,
        };
        let (beginning, body) = match piece {
            Some(Piece::More(body)) => (u32::try_from(body.len()).unwrap_or(END), body),
            Some(Piece::Last) => (END, Bytes::new()),
            None => return,
        };
        let written = async {
            stream.write_all(&beginning.to_le_bytes()).await?;
            stream.write_all(&body).await?;
            stream.flush().await
        };
        if written.await.is_err() {
            return;
        }
        if beginning == END {
            // The asker hangs up when it has read the end. Hanging up first could overtake what is under way.
            let _ = timeout(HANG_UP_TIMEOUT, stream.read(&mut nothing)).await;
            return;
        }
    }
}

/// The most requests that wait to be taken.
const WAITING_REQUESTS_MAX: usize = 64;
/// The most pieces of one answer that wait to be written.
const WAITING_PIECES_MAX: usize = 2;
const HANG_UP_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(10);
