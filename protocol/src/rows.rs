//! Records as columns: what the store hands to the query engine, from a sealed block or from the tail alike.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use crate::record::Labels;
use crate::time::Timestamp;

/// Rows of one tenant as columns. Rows of one stream lie together; within a stream they are in order of time.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    /// Which rows belong to which stream. The ranges are consecutive and cover all rows.
    pub streams: Vec<StreamRows>,
    /// When each row happened.
    pub timestamps: Vec<Timestamp>,
    /// All lines, one after the other, without separators. Each line is UTF-8.
    pub lines: Bytes,
    /// Where each line ends in `lines`; it begins where the one before it ends.
    pub line_ends: Vec<u32>,
    /// The distinct metadata of the rows, as canonical bytes (see [`crate::record::metadata_pairs`]).
    pub metadata: Vec<Bytes>,
    /// For each row the place of its metadata in `metadata`. Empty if no row has any.
    pub metadata_at: Vec<u32>,
}

/// The rows of one stream within [`Rows`].
#[derive(Clone, Debug)]
pub struct StreamRows {
    /// The labels of the stream.
    pub labels: Arc<Labels>,
    /// The rows.
    pub rows: Range<usize>,
}

impl Rows {
    /// Returns how many rows there are.
    pub fn len(&self) -> usize {
        self.timestamps.len()
    }

    /// Tells whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.timestamps.is_empty()
    }

    /// Returns the place of line `row` in [`Rows::lines`].
    pub fn line_range(&self, row: usize) -> Range<usize> {
        let start = if row == 0 { 0 } else { self.line_ends[row - 1] as usize };
        start..self.line_ends[row] as usize
    }

    /// Returns the line `row`.
    pub fn line(&self, row: usize) -> &[u8] {
        &self.lines[self.line_range(row)]
    }

    /// Returns the canonical metadata bytes of `row`; none are empty.
    pub fn metadata_of(&self, row: usize) -> &[u8] {
        self.metadata_at.get(row).map_or(&[], |at| &self.metadata[*at as usize])
    }
}
