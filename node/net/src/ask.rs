//! Requests to members, and the pieces of their answers.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use libp2p::Stream;
use thiserror::Error;

use crate::line::{Line, OpenError, REQUESTS};
use crate::reader::{ReadError, Reader};

/// An answer that arrives in pieces. Dropping it tells the other side to stop.
pub struct Response {
    reader: Reader<Stream>,
    line: Arc<Line>,
    silence: BoxFuture<'static, ()>,
    piece_bytes_max: usize,
    ended: bool,
}

impl Response {
    /// Returns the next piece, or nothing after the last one of a whole answer. Nothing is lost if this is dropped.
    ///
    /// It waits for as long as the other side is there: how long an answer may take is the caller's business.
    pub async fn next(&mut self) -> Result<Option<Bytes>, RequestError> {
        if self.ended {
            return Ok(None);
        }
        let read = tokio::select! {
            read = self.reader.read_message(self.piece_bytes_max) => read,
            () = &mut self.silence => Err(ReadError::Io),
        };
        match read {
            Ok(piece) => {
                self.ended = piece.is_none();
                Ok(piece)
            }
            Err(ReadError::Io) => Err(RequestError::Lost),
            Err(ReadError::TooLong) => {
                self.line.counts.malformed.add(1);
                Err(RequestError::Malformed)
            }
        }
    }
}

/// Asks the member of `line`.
pub(crate) async fn ask(line: Arc<Line>, request: Bytes, piece_bytes_max: usize) -> Result<Response, RequestError> {
    if line.queue.away_until().is_some_and(|until| until > std::time::Instant::now()) {
        return Err(RequestError::Away);
    }
    let length = u32::try_from(request.len()).map_err(|_| RequestError::TooLong)?;
    let hello = [Bytes::copy_from_slice(&length.to_le_bytes()), request];
    let (opening, silence) = (line.open(REQUESTS, &hello), line.silence());
    let opened = tokio::select! {
        opened = opening => opened,
        () = line.silence() => Err(OpenError::Away),
    };
    let reader = opened.map_err(|error| match error {
        OpenError::Away => RequestError::Away,
        OpenError::Refused => RequestError::Busy,
    })?;
    line.counts.requests_out.add(1);
    Ok(Response { reader, line, silence: Box::pin(silence), piece_bytes_max, ended: false })
}

/// Why there is no answer, or no more of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RequestError {
    /// The node is not a member, or it is this node itself.
    #[error("not a member")]
    NotMember,
    /// The peer cannot be reached.
    #[error("the peer is away")]
    Away,
    /// The peer is there and takes no more requests now.
    #[error("the peer is busy")]
    Busy,
    /// The request is longer than `request_bytes_max`.
    #[error("the request is too long")]
    TooLong,
    /// The answer broke off before its end.
    #[error("the answer broke off")]
    Lost,
    /// The peer's answer is not of the protocol, or has a piece that is too long.
    #[error("the answer is malformed")]
    Malformed,
}
