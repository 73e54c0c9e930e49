//! One message between nodes: a head that the machine understands, and bodies that pass beside it uncopied.
//!
//! On the wire, all numbers little-endian: `u32` bytes that follow; `u32` bytes of the head; `u32` number of bodies; a
//! `u32` length of each body; the head; the bodies. The version is in the protocol's name.

use bytes::{Buf, Bytes};
use thiserror::Error;

/// A message and the record bytes that belong to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    /// The encoded protocol message.
    pub head: Bytes,
    /// Batches or blocks that the message speaks of.
    pub bodies: Vec<Bytes>,
}

impl Frame {
    /// Returns how many bytes the frame takes on the wire.
    pub fn wire_bytes(&self) -> usize {
        let bodies: usize = self.bodies.iter().map(|body| LENGTH_BYTES + body.len()).sum();
        3 * LENGTH_BYTES + self.head.len() + bodies
    }

    /// Appends all that comes before the bodies to `out`. The frame must not be longer than `u32` can say.
    pub(crate) fn encode_beginning(&self, out: &mut Vec<u8>) {
        let length = |bytes: usize| u32::try_from(bytes).expect("a frame is checked to be short").to_le_bytes();
        out.extend_from_slice(&length(self.wire_bytes() - LENGTH_BYTES));
        out.extend_from_slice(&length(self.head.len()));
        out.extend_from_slice(&length(self.bodies.len()));
        for body in &self.bodies {
            out.extend_from_slice(&length(body.len()));
        }
        out.extend_from_slice(&self.head);
    }

    /// Reads what follows a frame's first length. Head and bodies share its memory.
    pub fn decode(mut bytes: Bytes) -> Result<Frame, MalformedFrame> {
        let head = take_length(&mut bytes)?;
        let count = take_length(&mut bytes)?;
        // Checked before anything of that many is allocated: each body has at least its length in the frame.
        if count > bytes.len() / LENGTH_BYTES {
            return Err(MalformedFrame);
        }
        let mut lengths = bytes.split_to(count * LENGTH_BYTES);
        let head = take(&mut bytes, head)?;
        let mut bodies = Vec::with_capacity(count);
        for _ in 0..count {
            let length = take_length(&mut lengths)?;
            bodies.push(take(&mut bytes, length)?);
        }
        if bytes.is_empty() { Ok(Frame { head, bodies }) } else { Err(MalformedFrame) }
    }
}

/// Bytes that are not a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("malformed frame")]
pub struct MalformedFrame;

fn take_length(bytes: &mut Bytes) -> Result<usize, MalformedFrame> {
    let length = bytes.try_get_u32_le().map_err(|_| MalformedFrame)?;
    usize::try_from(length).map_err(|_| MalformedFrame)
}

fn take(bytes: &mut Bytes, length: usize) -> Result<Bytes, MalformedFrame> {
    if length > bytes.len() {
        return Err(MalformedFrame);
    }
    Ok(bytes.split_to(length))
}

pub(crate) const LENGTH_BYTES: usize = 4;

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    use super::*;

    fn wire(frame: &Frame) -> Vec<u8> {
        let mut out = Vec::new();
        frame.encode_beginning(&mut out);
        frame.bodies.iter().for_each(|body| out.extend_from_slice(body));
        assert_eq!(out.len(), frame.wire_bytes());
        out
    }

    proptest! {
        #[test]
        fn a_frame_decodes_to_itself(head in vec(any::<u8>(), 0..50), bodies in vec(vec(any::<u8>(), 0..50), 0..9)) {
            let frame = Frame { head: head.into(), bodies: bodies.into_iter().map(Bytes::from).collect() };
            let bytes = Bytes::from(wire(&frame));
            prop_assert_eq!(bytes.clone().get_u32_le() as usize, bytes.len() - 4);
            prop_assert_eq!(Frame::decode(bytes.slice(4..)), Ok(frame));
            for end in 4..bytes.len() {
                prop_assert_eq!(Frame::decode(bytes.slice(4..end)), Err(MalformedFrame));
            }
        }

        #[test]
        fn noise_never_panics_nor_grows(noise in vec(0_u8..3, 0..60)) {
            if let Ok(frame) = Frame::decode(Bytes::from(noise.clone())) {
                prop_assert!(frame.wire_bytes() == noise.len() + 4);
            }
        }
    }

    #[test]
    fn a_claim_of_many_bodies_allocates_nothing() {
        let claim = [&0_u32.to_le_bytes()[..], &u32::MAX.to_le_bytes(), &[0; 8]].concat();
        assert_eq!(Frame::decode(claim.into()), Err(MalformedFrame));
        let claim = [&u32::MAX.to_le_bytes()[..], &0_u32.to_le_bytes()].concat();
        assert_eq!(Frame::decode(claim.into()), Err(MalformedFrame));
    }
}
