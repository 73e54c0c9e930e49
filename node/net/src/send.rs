//! The task that writes one member's queue to a stream. It alone waits when the member is slow.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use futures::{AsyncReadExt, AsyncWriteExt};
use libp2p::Stream;
use tracing::debug;

use crate::frame::Frame;
use crate::line::{FRAMES, Line};

/// Sends what is queued on `line`, for as long as the task lives.
pub(crate) async fn send_frames(line: Arc<Line>) {
    loop {
        line.queue.wait_for_work().await;
        pause(&line).await;
        match line.open(FRAMES, &[]).await {
            Ok(mut reader) => {
                let silence = line.silence();
                tokio::select! {
                    error = write_queue(&line, reader.stream_mut()) => debug!(peer = ?line.node, %error, "frames broke off"),
                    () = silence => debug!(peer = ?line.node, "peer fell silent"),
                }
            }
            Err(error) => {
                let lost = line.queue.give_up();
                line.counts.frames_lost.add(lost);
                debug!(peer = ?line.node, ?error, lost, "peer not reached");
            }
        }
    }
}

/// Waits until the next attempt is due, or the peer calls us.
async fn pause(line: &Line) {
    let Some(until) = line.queue.away_until() else { return };
    let mut link = line.link.subscribe();
    let before = link.borrow_and_update().calls;
    let _ = tokio::time::timeout_at(until.max(Instant::now()).into(), link.wait_for(|link| link.calls != before)).await;
}

/// Writes frames until the stream breaks.
async fn write_queue(line: &Line, stream: &mut Stream) -> io::Error {
    let mut pending = Vec::with_capacity(PENDING_BYTES);
    loop {
        let frame = match line.queue.pop() {
            Some(frame) => frame,
            None => {
                if let Err(error) = write_pending(stream, &mut pending).await {
                    return error;
                }
                let mut nothing = [0; 1];
                tokio::select! {
                    frame = line.queue.next() => frame,
                    // The other side never writes here: whatever this says, the stream is at its end.
                    _ = stream.read(&mut nothing) => return io::ErrorKind::ConnectionReset.into(),
                }
            }
        };
        if let Err(error) = write_frame(stream, &frame, &mut pending).await {
            line.counts.frames_lost.add(1);
            return error;
        }
        line.counts.frames_out.add(1);
        line.counts.bytes_out.add(frame.wire_bytes());
    }
}

/// Gathers small pieces in `pending` and writes large bodies from where they are.
async fn write_frame(stream: &mut Stream, frame: &Frame, pending: &mut Vec<u8>) -> io::Result<()> {
    frame.encode_beginning(pending);
    for body in &frame.bodies {
        if body.len() < COPIED_BYTES {
            pending.extend_from_slice(body);
        } else {
            stream.write_all(pending).await?;
            pending.clear();
            stream.write_all(body).await?;
        }
        write_if_full(stream, pending).await?;
    }
    write_if_full(stream, pending).await
}

async fn write_if_full(stream: &mut Stream, pending: &mut Vec<u8>) -> io::Result<()> {
    if pending.len() >= PENDING_BYTES {
        stream.write_all(pending).await?;
        pending.clear();
    }
    Ok(())
}

async fn write_pending(stream: &mut Stream, pending: &mut Vec<u8>) -> io::Result<()> {
    stream.write_all(pending).await?;
    // One long head must not keep its memory for ever.
    pending.clear();
    pending.shrink_to(PENDING_BYTES);
    stream.flush().await
}

/// How much is gathered before it is written, in bytes: four of yamux's pieces.
const PENDING_BYTES: usize = 64 << 10;
/// Shorter bodies are copied, in bytes: half of one of yamux's pieces.
const COPIED_BYTES: usize = 8 << 10;
