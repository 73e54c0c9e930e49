//! What a node holds of a segment.

use serde::{Deserialize, Serialize};

use crate::id::BatchId;

/// One batch that is held: its id, and its size, so that windows and rates are kept without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerEntry {
    /// The hash of the canonical bytes.
    pub id: BatchId,
    /// The bytes of the batch under lz4, as it travels.
    pub size_bytes: u32,
    /// The canonical bytes.
    pub raw_bytes: u32,
}
