//! OpenTelemetry's OTLP/HTTP logs, `POST /otlp/v1/logs` (opentelemetry.io/docs/specs/otlp, "OTLP/HTTP").
//!
//! Resource attributes that name where a log comes from become labels, as Loki maps them by default
//! (grafana.com/docs/loki, "Ingesting logs to Loki using OpenTelemetry Collector"); everything else that is not the body
//! becomes structured metadata. A record whose `time_unix_nano` is 0 has the time at which it was observed, or else `now`.
//! A body that is a string is the line; any other is written as JSON.

mod json;
mod mapping;
mod model;
mod protobuf;
mod value;

use logmesh_protocol::varint::{put_bytes, put_u64};

pub use json::decode_json;
pub use protobuf::decode_protobuf;

use crate::accepted::Accepted;
use crate::json::put_json_string;

/// Returns the body of the answer: an `ExportLogsServiceResponse`, with `partial_success` where records were rejected.
pub fn response(accepted: &Accepted, json: bool) -> Vec<u8> {
    let rejected = &accepted.rejected;
    if rejected.is_empty() {
        return if json { b"{}".to_vec() } else { Vec::new() };
    }
    if json {
        // A 64-bit integer is a string in protobuf's JSON.
        let mut out = format!("{{\"partialSuccess\":{{\"rejectedLogRecords\":\"{}\",\"errorMessage\":", rejected.count);
        put_json_string(&mut out, &rejected.to_string());
        out.push_str("}}");
        return out.into_bytes();
    }
    let (mut partial, mut out) = (vec![REJECTED_LOG_RECORDS_TAG], vec![PARTIAL_SUCCESS_TAG]);
    put_u64(&mut partial, rejected.count);
    partial.push(ERROR_MESSAGE_TAG);
    put_bytes(&mut partial, rejected.to_string().as_bytes());
    put_bytes(&mut out, &partial);
    out
}

/// Field 1, a message.
const PARTIAL_SUCCESS_TAG: u8 = 1 << 3 | 2;
/// Field 1, an integer.
const REJECTED_LOG_RECORDS_TAG: u8 = 1 << 3;
/// Field 2, a string.
const ERROR_MESSAGE_TAG: u8 = 2 << 3 | 2;

#[cfg(test)]
mod tests;
