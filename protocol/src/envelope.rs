//! What one frame between two nodes holds: a message, batches or an extent. The bytes of batches and extents travel
//! beside the head, so that they are neither copied nor decoded on the way.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::batch::BatchFrame;
use crate::codec::{self, DecodeError};
use crate::id::BatchId;
use crate::message::{self, Message};
use crate::segment::{ExtentId, SegmentId};

/// What one frame holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Envelope {
    /// A message of the machine.
    Message(Message),
    /// Batches of one segment.
    Batches(Vec<BatchFrame>),
    /// A sealed extent.
    Extent(ExtentId, Bytes),
}

impl Envelope {
    /// Returns the head and the bodies beside it. All batches of one envelope must be of one segment.
    pub fn encode(self) -> (Bytes, Vec<Bytes>) {
        let (head, bodies) = match self {
            Self::Message(message) => (Head::Message(message::encode(&message).to_vec()), Vec::new()),
            Self::Batches(frames) => {
                let segment = frames.first().map(|frame| frame.segment);
                debug_assert!(frames.iter().all(|frame| Some(frame.segment) == segment));
                let ids = frames.iter().map(|frame| (frame.seq, frame.id)).collect();
                (Head::Batches(segment, ids), frames.into_iter().map(|frame| frame.body).collect())
            }
            Self::Extent(extent, bytes) => (Head::Extent(extent), vec![bytes]),
        };
        (codec::encode(VERSION, &head).into(), bodies)
    }

    /// Reads what [`Envelope::encode`] gave.
    pub fn decode(head: &[u8], bodies: Vec<Bytes>) -> Result<Self, EnvelopeError> {
        match codec::decode(VERSION, head)? {
            Head::Message(bytes) => Ok(Self::Message(message::decode(&bytes)?)),
            Head::Batches(Some(segment), ids) if ids.len() == bodies.len() => {
                let frame = |((seq, id), body)| BatchFrame { segment, seq, id, body };
                Ok(Self::Batches(ids.into_iter().zip(bodies).map(frame).collect()))
            }
            Head::Extent(extent) if bodies.len() == 1 => {
                Ok(Self::Extent(extent, bodies.into_iter().next().expect("one body")))
            }
            Head::Batches(..) | Head::Extent(_) => Err(EnvelopeError::Bodies(bodies.len())),
        }
    }
}

/// A frame that holds nothing.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EnvelopeError {
    /// The head does not read.
    #[error("the head does not read: {0}")]
    Head(#[from] DecodeError),
    /// The number of bodies is not the one that the head needs.
    #[error("{0} bodies do not fit the head")]
    Bodies(usize),
}

#[derive(Serialize, Deserialize)]
enum Head {
    Message(#[serde(with = "serde_bytes")] Vec<u8>),
    Batches(Option<SegmentId>, Vec<(u32, BatchId)>),
    Extent(ExtentId),
}

const VERSION: u8 = 1;
