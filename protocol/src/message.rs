//! What nodes say to each other, with its versioned codec.

use serde::{Deserialize, Serialize};

use crate::segment::SegmentId;
use crate::seq_set::SeqSet;

/// What one node says to another, batches and extents excepted, which travel beside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// The sender holds this of a segment, durably.
    Held {
        /// The segment.
        segment: SegmentId,
        /// What it holds.
        held: SeqSet,
    },
}
