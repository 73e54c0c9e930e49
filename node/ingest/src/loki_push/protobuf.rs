//! The protobuf form: a `logproto.PushRequest` under snappy's block format.
//!
//! `PushRequest { streams = 1 }`, `Stream { labels = 1, entries = 2, hash = 3 }`,
//! `Entry { timestamp = 1 { seconds = 1, nanos = 2 }, line = 2, structuredMetadata = 3 { name = 1, value = 2 } }`.

use logmesh_protocol::time::Timestamp;

use crate::accepted::Accepted;
use crate::body::BodyError;
use crate::intake::{Intake, StreamAt};
use crate::labels::{self, LabelFlaw};
use crate::limits::Limits;
use crate::metadata::Metadata;
use crate::selector;
use crate::wire::{Fields, WireError, text};

/// Decodes a push in protobuf under snappy.
pub fn decode_protobuf(body: &[u8], limits: &Limits, now: Timestamp) -> Result<Accepted, BodyError> {
    let raw = unsnap(body, limits)?;
    let (mut intake, mut metadata) = (Intake::new(limits, now), Metadata::new(limits));
    let (mut fields, mut stream_count) = (Fields::new(&raw), 0);
    while let Some((number, value)) = fields.take_field()? {
        if number == 1 {
            decode_stream(value.bytes(1)?, &mut intake, &mut metadata)?;
            stream_count += 1;
        }
    }
    if stream_count == 0 { Err(BodyError::NoStreams) } else { Ok(intake.finish()) }
}

/// Undoes snappy, whose bytes begin with the length that they claim to have.
fn unsnap(body: &[u8], limits: &Limits) -> Result<Vec<u8>, BodyError> {
    let malformed = |_| {
        let hint = "send a snappy-compressed PushRequest, or JSON with Content-Type: application/json";
        BodyError::Malformed(format!("the body does not decompress as snappy; {hint}"))
    };
    let claimed = snap::raw::decompress_len(body).map_err(malformed)?;
    if claimed > limits.body_bytes_max {
        return Err(BodyError::too_large(limits));
    }
    if claimed > body.len().saturating_mul(SNAPPY_RATIO_MAX) {
        return Err(malformed(snap::Error::Empty));
    }
    snap::raw::Decoder::new().decompress_vec(body).map_err(malformed)
}

fn decode_stream<'a>(message: &'a [u8], intake: &mut Intake<'a>, metadata: &mut Metadata) -> Result<(), BodyError> {
    let spelling = labels_field(message)?;
    let limits = intake.limits();
    let stream = intake.stream(spelling, || {
        let selector = std::str::from_utf8(spelling).map_err(|_| LabelFlaw::NotUtf8)?;
        labels::check(selector::parse(selector)?, limits)
    });
    let mut fields = Fields::new(message);
    while let Some((number, value)) = fields.take_field()? {
        if number == 2 {
            decode_entry(value.bytes(2)?, stream, intake, metadata)?;
        }
    }
    Ok(())
}

/// Finds the labels, which nearly always come first.
fn labels_field(message: &[u8]) -> Result<&[u8], WireError> {
    let mut fields = Fields::new(message);
    while let Some((number, value)) = fields.take_field()? {
        if number == 1 {
            return value.bytes(1);
        }
    }
    Ok(b"{}")
}

fn decode_entry(
    message: &[u8],
    stream: StreamAt,
    intake: &mut Intake<'_>,
    metadata: &mut Metadata,
) -> Result<(), BodyError> {
    let (mut timestamp, mut line) = (0, &b""[..]);
    metadata.clear();
    let mut fields = Fields::new(message);
    while let Some((number, value)) = fields.take_field()? {
        match number {
            1 => timestamp = decode_timestamp(value.bytes(1)?)?,
            2 => line = value.bytes(2)?,
            3 => decode_pair(value.bytes(3)?, metadata)?,
            _ => {}
        }
    }
    intake.push(stream, timestamp, metadata, &text(line))
}

/// Returns the nanoseconds since 1970, those beyond 64 bits as the nearest within, which the limits refuse.
fn decode_timestamp(message: &[u8]) -> Result<i64, WireError> {
    let (mut seconds, mut nanos) = (0, 0);
    let mut fields = Fields::new(message);
    while let Some((number, value)) = fields.take_field()? {
        match number {
            1 => seconds = value.varint(1)?.cast_signed(),
            // An int32 travels sign-extended to 64 bits; only the low ones count.
            2 => nanos = i64::from((value.varint(2)? as u32).cast_signed()),
            _ => {}
        }
    }
    Ok(seconds.saturating_mul(1_000_000_000).saturating_add(nanos))
}

fn decode_pair(message: &[u8], metadata: &mut Metadata) -> Result<(), WireError> {
    let (mut name, mut pair_value) = (&b""[..], &b""[..]);
    let mut fields = Fields::new(message);
    while let Some((number, value)) = fields.take_field()? {
        match number {
            1 => name = value.bytes(1)?,
            2 => pair_value = value.bytes(2)?,
            _ => {}
        }
    }
    metadata.put(&text(name), &text(pair_value));
    Ok(())
}

/// Three bytes of snappy can stand for 64, and no spelling does better; rounded up. Without this a body of ten bytes
/// could claim a buffer of `body_bytes_max`.
const SNAPPY_RATIO_MAX: usize = 32;
