//! Takes frames from members. What waits to be taken is bounded in bytes; beyond, nobody is read from.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::{AsyncWriteExt, StreamExt};
use libp2p::Stream;
use libp2p_stream::IncomingStreams;
use logmesh_protocol::id::NodeId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::task::AbortOnDropHandle;
use tracing::debug;

use crate::frame::{Frame, LENGTH_BYTES};
use crate::line::{ACCEPTED, Line};
use crate::net::Lines;
use crate::peer_id::node_of;
use crate::reader::{ReadError, Reader};
use crate::settings::Settings;

/// Frames received from members, in order for each of them.
pub struct Frames {
    received: mpsc::Receiver<Received>,
}

impl Frames {
    /// Returns the next frame and its sender, or nothing once the net has stopped. Nothing is lost if this is dropped.
    pub async fn recv(&mut self) -> Option<(NodeId, Frame)> {
        self.received.recv().await.map(|received| (received.from, received.frame))
    }
}

/// A frame that waits, and its part of the bytes that may wait.
struct Received {
    from: NodeId,
    frame: Frame,
    _room: OwnedSemaphorePermit,
}

/// The way of frames from streams to [`Frames`].
#[derive(Clone)]
pub(crate) struct Receiver {
    received: mpsc::Sender<Received>,
    room: Arc<Semaphore>,
    room_max: u32,
    frame_bytes_max: usize,
}

impl Receiver {
    pub(crate) fn new(settings: &Settings) -> (Self, Frames) {
        let (sender, receiver) = mpsc::channel(WAITING_FRAMES_MAX);
        let room_max = u32::try_from(settings.receive_queue_bytes_max).unwrap_or(u32::MAX).max(1);
        let room = Arc::new(Semaphore::new(room_max as usize));
        let frame_bytes_max = settings.frame_bytes_max;
        (Self { received: sender, room, room_max, frame_bytes_max }, Frames { received: receiver })
    }

    /// Takes frame streams as they come. A new one of a peer replaces the one before: its sender has given that up.
    pub(crate) async fn accept(self, mut streams: IncomingStreams, lines: Arc<Lines>) {
        let mut readers: BTreeMap<NodeId, AbortOnDropHandle<()>> = BTreeMap::new();
        while let Some((peer, stream)) = streams.next().await {
            readers.retain(|_, reader| !reader.is_finished());
            let line = node_of(&peer).and_then(|node| lines.line(node));
            let Some(line) = line else { continue };
            readers.remove(&line.node);
            let reader = tokio::spawn(self.clone().read_frames(line.clone(), stream));
            readers.insert(line.node, AbortOnDropHandle::new(reader));
        }
    }

    async fn read_frames(self, line: Arc<Line>, mut stream: Stream) {
        if stream.write_all(&[ACCEPTED]).await.is_err() || stream.flush().await.is_err() {
            return;
        }
        let mut reader = Reader::new(stream);
        loop {
            let bytes = match reader.read_message(self.frame_bytes_max).await {
                Ok(Some(bytes)) => bytes,
                Err(ReadError::Io) => return,
                Ok(None) | Err(ReadError::TooLong) => return cut_off(&line),
            };
            let wire_bytes = bytes.len() + LENGTH_BYTES;
            let Ok(frame) = Frame::decode(bytes) else { return cut_off(&line) };
            line.counts.frames_in.add(1);
            line.counts.bytes_in.add(wire_bytes);
            let room = u32::try_from(wire_bytes).unwrap_or(u32::MAX).min(self.room_max);
            let Ok(room) = self.room.clone().acquire_many_owned(room).await else { return };
            if self.received.send(Received { from: line.node, frame, _room: room }).await.is_err() {
                return;
            }
        }
    }
}

fn cut_off(line: &Line) {
    line.counts.malformed.add(1);
    debug!(peer = ?line.node, "malformed frame, stream cut off");
}

/// The most frames that wait to be taken, whatever their length.
const WAITING_FRAMES_MAX: usize = 1_024;
