//! What became of a request's records: those accepted, as chunks by window, and those rejected, by name.

use std::fmt;

use bytes::Bytes;
use logmesh_protocol::segment::Window;

/// What a decoder made of a body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    /// The records kept, in the order of their windows; no window comes twice and none is empty.
    pub groups: Vec<Group>,
    /// How many records were kept.
    pub record_count: u64,
    /// The bytes of their lines: what a user calls the size of the logs.
    pub lines_bytes: u64,
    /// The records not kept.
    pub rejected: Rejected,
}

/// The records of one window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The hour of record time.
    pub window: Window,
    /// The records in the order in which they came.
    pub chunks: Vec<Bytes>,
    /// How many records the chunks have.
    pub record_count: u64,
}

/// The records of a request that were not kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rejected {
    /// How many there were.
    pub count: u64,
    /// A sentence each for the first [`Rejected::SENTENCES_MAX`], naming the stream and the reason. A stream that was
    /// rejected as a whole has one sentence.
    pub first: Vec<String>,
}

impl Rejected {
    /// How many sentences are kept; a client that sends nothing but bad records gets no larger answer.
    pub const SENTENCES_MAX: usize = 10;

    /// Tells whether nothing was rejected.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(crate) fn add(&mut self, sentence: impl FnOnce() -> String) {
        if self.first.len() < Self::SENTENCES_MAX {
            self.first.push(sentence());
        }
        self.count += 1;
    }
}

impl fmt::Display for Rejected {
    /// Says how many were rejected and why the first of them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let records = if self.count == 1 { "record was" } else { "records were" };
        write!(f, "{} {records} rejected, all others were kept: {}", self.count, self.first.join("; "))?;
        if self.first.len() == Self::SENTENCES_MAX { f.write_str("; perhaps others for more reasons") } else { Ok(()) }
    }
}
