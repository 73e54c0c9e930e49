//! Reads length-prefixed messages from a stream. Memory follows what has arrived, never what was announced.

use std::io;

use bytes::{Bytes, BytesMut};
use futures::{AsyncRead, AsyncReadExt};

use crate::frame::LENGTH_BYTES;

/// A stream with what was read ahead of it. A read that is dropped half-way goes on with the next call.
pub(crate) struct Reader<S> {
    stream: S,
    ahead: Box<[u8]>,
    start: usize,
    end: usize,
    message: BytesMut,
    length: Option<usize>,
}

impl<S: AsyncRead + Unpin> Reader<S> {
    pub(crate) fn new(stream: S) -> Self {
        let ahead = vec![0; AHEAD_BYTES].into_boxed_slice();
        Self { stream, ahead, start: 0, end: 0, message: BytesMut::new(), length: None }
    }

    pub(crate) fn stream_mut(&mut self) -> &mut S {
        &mut self.stream
    }

    /// Reads one byte.
    pub(crate) async fn read_byte(&mut self) -> io::Result<u8> {
        self.fill(1).await?;
        Ok(self.message.split_to(1)[0])
    }

    /// Reads a message of at most `bytes_max`, or nothing if [`END`] stands in place of its length.
    pub(crate) async fn read_message(&mut self, bytes_max: usize) -> Result<Option<Bytes>, ReadError> {
        let length = match self.length {
            Some(length) => length,
            None => {
                self.fill(LENGTH_BYTES).await?;
                let length = self.message.split_to(LENGTH_BYTES);
                let length = u32::from_le_bytes(length[..].try_into().expect("four bytes were filled"));
                if length == END {
                    return Ok(None);
                }
                let length = usize::try_from(length).map_err(|_| ReadError::TooLong)?;
                if length > bytes_max {
                    return Err(ReadError::TooLong);
                }
                *self.length.insert(length)
            }
        };
        self.fill(length).await?;
        self.length = None;
        Ok(Some(std::mem::take(&mut self.message).freeze()))
    }

    /// Reads until `message` has `wanted` bytes, and not one more, so that each message has memory of its own.
    async fn fill(&mut self, wanted: usize) -> io::Result<()> {
        while self.message.len() < wanted {
            if self.start == self.end {
                self.start = 0;
                self.end = 0;
                self.end = self.stream.read(&mut self.ahead).await?;
                if self.end == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
            let missing = wanted - self.message.len();
            let taken = missing.min(self.end - self.start);
            if self.message.capacity() - self.message.len() < taken {
                // Doubles what has arrived, but never beyond what was announced.
                self.message.reserve(missing.min(self.message.len().max(AHEAD_BYTES)));
            }
            self.message.extend_from_slice(&self.ahead[self.start..self.start + taken]);
            self.start += taken;
        }
        Ok(())
    }
}

/// Why no message came.
#[derive(Debug)]
pub(crate) enum ReadError {
    /// The stream broke off or ended.
    Io,
    /// A longer message was announced than is allowed.
    TooLong,
}

impl From<io::Error> for ReadError {
    fn from(_: io::Error) -> Self {
        Self::Io
    }
}

/// Stands in place of a length at the end of an answer that is whole.
pub(crate) const END: u32 = u32::MAX;
/// How much is read ahead, in bytes: two of the pieces into which yamux splits what is sent.
const AHEAD_BYTES: usize = 32 << 10;

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use futures::FutureExt;
    use proptest::collection::vec;
    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::*;

    /// Gives its bytes in pieces, with a pause before each.
    struct Pieces {
        bytes: Vec<u8>,
        piece: usize,
        paused: bool,
    }

    impl AsyncRead for Pieces {
        fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, out: &mut [u8]) -> Poll<io::Result<usize>> {
            self.paused = !self.paused;
            if self.paused {
                return Poll::Pending;
            }
            let taken = self.piece.min(out.len()).min(self.bytes.len());
            out[..taken].copy_from_slice(&self.bytes[..taken]);
            self.bytes.drain(..taken);
            Poll::Ready(Ok(taken))
        }
    }

    proptest! {
        #[test]
        fn messages_arrive_whole_however_they_are_cut(
            messages in vec(vec(any::<u8>(), 0..200), 0..8), piece in 1_usize..70
        ) {
            let mut bytes = Vec::new();
            for message in &messages {
                bytes.extend_from_slice(&u32::try_from(message.len()).unwrap().to_le_bytes());
                bytes.extend_from_slice(message);
            }
            bytes.extend_from_slice(&END.to_le_bytes());
            let mut reader = Reader::new(Pieces { bytes, piece, paused: false });
            let mut read = Vec::new();
            loop {
                // Each read is dropped at each pause and called anew.
                match reader.read_message(200).now_or_never() {
                    None => {}
                    Some(message) => match message.unwrap() {
                        Some(message) => read.push(message.to_vec()),
                        None => break,
                    },
                }
            }
            prop_assert_eq!(read, messages);
        }
    }

    #[test]
    fn an_announced_length_allocates_nothing_before_its_bytes_arrive() {
        let bytes = [&(32_u32 << 20).to_le_bytes()[..], &[7; 10]].concat();
        let mut reader = Reader::new(Pieces { bytes, piece: 100, paused: true });
        assert!(reader.read_message(32 << 20).now_or_never().is_none());
        assert!(reader.message.capacity() <= 2 * AHEAD_BYTES, "{}", reader.message.capacity());
        let bytes = 11_u32.to_le_bytes().to_vec();
        let mut reader = Reader::new(Pieces { bytes, piece: 100, paused: true });
        assert!(matches!(reader.read_message(10).now_or_never(), Some(Err(ReadError::TooLong))));
    }
}
