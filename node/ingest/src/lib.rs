//! The ways in: pure functions from a request's body to chunks grouped by window, one file a protocol.
//!
//! A decoder reads a body straight into [`ChunkWriter`](logmesh_protocol::record::ChunkWriter)s, borrowing from the body
//! wherever it can. A bad *record* is rejected by name and its good neighbours are kept; only a body that cannot be read as
//! a whole is a [`BodyError`]. What a body can make a decoder allocate is bounded by [`Limits`], whatever the body says.
//!
//! Nothing here does I/O, waits, or reads a clock (`now` is an argument), and nothing panics on any input. Text that is not
//! UTF-8 is kept with U+FFFD in the place of what does not read, for a damaged line is worth more than none; labels that
//! are not UTF-8 are refused, for they name the stream.

mod accepted;
mod body;
mod intake;
mod json;
mod labels;
mod level;
mod limits;
pub mod lines;
pub mod loki_push;
mod metadata;
pub mod otlp;
mod selector;
mod wire;

#[cfg(test)]
mod sample;

pub use accepted::{Accepted, Group, Rejected};
pub use body::{BodyError, Form, decompress};
pub use level::LEVEL_SCAN_BYTES;
pub use limits::{Limits, LimitsError};
