//! Loki's push, `POST /loki/api/v1/push`: JSON, or protobuf under snappy (grafana.com/docs/loki, "Ingest logs").

mod json;
mod protobuf;

pub use json::decode_json;
pub use protobuf::decode_protobuf;

use crate::intake::Flaw;

/// Reads a timestamp as the JSON form spells it.
fn timestamp_of(text: &str) -> Result<i64, Flaw> {
    text.parse().map_err(|_| Flaw::NotATimestamp(crate::body::shortened(text)))
}

#[cfg(test)]
mod tests;
