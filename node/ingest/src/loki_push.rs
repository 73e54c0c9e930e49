//! Loki's push, `POST /loki/api/v1/push`: JSON, or protobuf under snappy (grafana.com/docs/loki, "Ingest logs").

mod json;
mod protobuf;

pub use json::decode_json;
pub use protobuf::decode_protobuf;

use logmesh_protocol::varint::take_u64;

use crate::intake::Flaw;

/// Returns how many bytes the snappy body of a protobuf push says that it unpacks to; 0 if it does not read.
pub fn unpacked_bytes(body: &[u8]) -> usize {
    let length = take_u64(&mut &body[..]).unwrap_or(0);
    usize::try_from(length).unwrap_or(usize::MAX)
}

/// Reads a timestamp as the JSON form spells it.
fn timestamp_of(text: &str) -> Result<i64, Flaw> {
    text.parse().map_err(|_| Flaw::NotATimestamp(crate::body::shortened(text)))
}

#[cfg(test)]
mod tests;
