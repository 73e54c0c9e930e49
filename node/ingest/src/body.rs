//! The body before it is decoded: its content type, its content encoding, and the errors that concern it as a whole.

use std::io::Read;

use bytes::Bytes;
use flate2::bufread::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use thiserror::Error;

use crate::json::JsonError;
use crate::limits::Limits;
use crate::wire::WireError;

/// Undoes `Content-Encoding`: none, `identity`, `gzip`, `deflate` (with or without zlib's header, as both are sent) and
/// `zstd`. `snappy` is passed through, as some shippers use it to name what
/// [`loki_push::decode_protobuf`](crate::loki_push::decode_protobuf) undoes by itself.
///
/// Stops at [`Limits::body_bytes_max`], so that a small body cannot fill memory.
pub fn decompress(content_encoding: Option<&str>, body: Bytes, limits: &Limits) -> Result<Bytes, BodyError> {
    let encoding = content_encoding.unwrap_or_default().trim().to_ascii_lowercase();
    let read = match encoding.as_str() {
        "" | "identity" | "snappy" => {
            return if body.len() > limits.body_bytes_max { Err(BodyError::too_large(limits)) } else { Ok(body) };
        }
        "gzip" | "x-gzip" => read_all(MultiGzDecoder::new(&body[..]), body.len(), limits),
        "deflate" if has_zlib_header(&body) => read_all(ZlibDecoder::new(&body[..]), body.len(), limits),
        "deflate" => read_all(DeflateDecoder::new(&body[..]), body.len(), limits),
        "zstd" => {
            let malformed = |error: std::io::Error| BodyError::Malformed(format!("zstd: {error}"));
            let mut decoder = zstd::stream::read::Decoder::with_buffer(&body[..]).map_err(malformed)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG_MAX).map_err(malformed)?;
            read_all(decoder, body.len(), limits)
        }
        _ => return Err(BodyError::UnknownEncoding(shortened(&encoding))),
    };
    match read {
        Ok(Some(bytes)) => Ok(bytes),
        Ok(None) => Err(BodyError::too_large(limits)),
        Err(error) => Err(BodyError::Malformed(format!("the body does not decompress as {encoding}: {error}"))),
    }
}

/// Reads to the end, or to `None` where that lies beyond the limit.
fn read_all(reader: impl Read, compressed_bytes: usize, limits: &Limits) -> std::io::Result<Option<Bytes>> {
    let guess = compressed_bytes.saturating_mul(4).min(limits.body_bytes_max);
    let mut out = Vec::with_capacity(guess);
    let bound = u64::try_from(limits.body_bytes_max).unwrap_or(u64::MAX).saturating_add(1);
    reader.take(bound).read_to_end(&mut out)?;
    Ok(if out.len() > limits.body_bytes_max { None } else { Some(out.into()) })
}

/// RFC 1950, section 2.2: method 8 in the low bits of the first byte, and the two bytes a multiple of 31.
fn has_zlib_header(body: &[u8]) -> bool {
    matches!(body, [method, flags, ..] if method & 15 == 8 && u16::from_be_bytes([*method, *flags]).is_multiple_of(31))
}

/// The two forms in which most protocols come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `application/json`.
    Json,
    /// `application/x-protobuf`, `application/protobuf`; also what a request without a content type is taken for.
    Protobuf,
}

impl Form {
    /// Returns the form that the header `Content-Type` names.
    pub fn of(content_type: Option<&str>) -> Result<Self, BodyError> {
        let essence =
            content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match essence.as_str() {
            "application/json" => Ok(Self::Json),
            "" | "application/x-protobuf" | "application/protobuf" | "application/vnd.google.protobuf" => {
                Ok(Self::Protobuf)
            }
            _ => Err(BodyError::UnknownContentType(shortened(&essence))),
        }
    }
}

/// A body of which nothing was kept.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BodyError {
    /// The body does not read.
    #[error("{0}")]
    Malformed(String),
    /// The body, or what it would become, is larger than the limit.
    #[error("the request has more than {limit} bytes of {what}; send it in smaller requests, or raise {setting}")]
    TooLarge {
        /// What was counted.
        what: &'static str,
        /// The limit in bytes.
        limit: usize,
        /// The setting that holds the limit.
        setting: &'static str,
    },
    /// The content encoding is none that this node reads.
    #[error("unknown Content-Encoding {0:?}; use gzip, deflate, zstd, or none")]
    UnknownEncoding(String),
    /// The content type is none that this node reads.
    #[error("unknown Content-Type {0:?}; use application/json or application/x-protobuf")]
    UnknownContentType(String),
    /// The push has no streams.
    #[error("the push has no streams; send at least one, with its entries")]
    NoStreams,
}

impl BodyError {
    /// Returns the HTTP status that Loki's clients understand: none of these is worth a retry.
    pub fn status(&self) -> u16 {
        match self {
            Self::Malformed(_) => 400,
            Self::TooLarge { .. } => 413,
            Self::UnknownEncoding(_) | Self::UnknownContentType(_) => 415,
            Self::NoStreams => 422,
        }
    }

    pub(crate) fn too_large(limits: &Limits) -> Self {
        Self::TooLarge { what: "decompressed body", limit: limits.body_bytes_max, setting: "body_bytes_max" }
    }
}

impl From<JsonError> for BodyError {
    fn from(error: JsonError) -> Self {
        Self::Malformed(format!("malformed JSON {error}"))
    }
}

impl From<WireError> for BodyError {
    fn from(error: WireError) -> Self {
        Self::Malformed(format!("malformed protobuf: {error}; send JSON with Content-Type: application/json"))
    }
}

/// Returns the beginning of what a client sent, short enough to be said back to it.
pub(crate) fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARACTERS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The most characters of a client's own text in a sentence back to it.
const SHOWN_CHARACTERS_MAX: usize = 200;

/// 8 MiB: RFC 9659 allows no more for the content encoding, and the decoder allocates as much as a frame asks for.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use proptest::prelude::{prop_assert, proptest};

    use super::*;

    fn encoded(encoding: &str, raw: &[u8]) -> Bytes {
        let bytes = match encoding {
            "gzip" => {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
                encoder.write_all(raw).unwrap();
                encoder.finish().unwrap()
            }
            "zlib" => {
                let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
                encoder.write_all(raw).unwrap();
                encoder.finish().unwrap()
            }
            "deflate" => {
                let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
                encoder.write_all(raw).unwrap();
                encoder.finish().unwrap()
            }
            "zstd" => zstd::encode_all(raw, 1).unwrap(),
            _ => raw.to_vec(),
        };
        bytes.into()
    }

    const ENCODINGS: [(&str, Option<&str>); 7] = [
        ("none", None),
        ("none", Some("identity")),
        ("none", Some("snappy")),
        ("gzip", Some("GZIP")),
        ("zlib", Some("deflate")),
        ("deflate", Some("deflate")),
        ("zstd", Some("zstd")),
    ];

    #[test]
    fn every_encoding_is_undone_up_to_the_limit() {
        let limits = Limits { body_bytes_max: 1000, ..Limits::default() };
        for (how, header) in ENCODINGS {
            for (length, fits) in [(0, true), (1000, true), (1001, false), (1 << 20, false)] {
                let raw = vec![b'x'; length];
                let read = decompress(header, encoded(how, &raw), &limits);
                let wanted = if fits { Ok(Bytes::from(raw)) } else { Err(BodyError::too_large(&limits)) };
                assert_eq!(read, wanted, "{how} {length}");
            }
        }
    }

    #[test]
    fn two_gzip_members_are_one_body() {
        let body = [encoded("gzip", b"ab"), encoded("gzip", b"cd")].concat();
        assert_eq!(decompress(Some("gzip"), body.into(), &Limits::default()), Ok(Bytes::from_static(b"abcd")));
    }

    #[test]
    fn what_cannot_be_undone_is_named() {
        let status = |encoding, body: &'static [u8]| {
            decompress(Some(encoding), Bytes::from_static(body), &Limits::default()).unwrap_err().status()
        };
        assert_eq!(status("br", b""), 415);
        assert_eq!(status("gzip", b"not gzip"), 400);
        assert_eq!(status("deflate", b"\x78\x9cnot zlib"), 400);
        assert_eq!(status("zstd", b"not zstd"), 400);
        // A frame that asks for a window of 2 GiB.
        assert_eq!(status("zstd", b"\x28\xb5\x2f\xfd\x00\xa8\x01\x00\x00"), 400);
    }

    #[test]
    fn content_types_are_told_apart() {
        assert_eq!(Form::of(Some("application/json; charset=utf-8")), Ok(Form::Json));
        assert_eq!(Form::of(Some("Application/X-Protobuf")), Ok(Form::Protobuf));
        assert_eq!(Form::of(None), Ok(Form::Protobuf));
        assert_eq!(Form::of(Some("text/html")).unwrap_err().status(), 415);
    }

    proptest! {
        #[test]
        fn changed_bodies_never_panic_and_never_exceed_the_limit(raw: Vec<u8>, at: usize, byte: u8, cut: usize) {
            let limits = Limits { body_bytes_max: 64, ..Limits::default() };
            for (how, header) in ENCODINGS {
                let mut bytes = encoded(how, &raw).to_vec();
                if !bytes.is_empty() {
                    let at = at % bytes.len();
                    bytes[at] = byte;
                    bytes.truncate(1 + cut % bytes.len());
                }
                if let Ok(read) = decompress(header, bytes.into(), &limits) {
                    prop_assert!(read.len() <= 64);
                }
            }
        }
    }
}
