//! `AnyValue`: how it is said in a line and in metadata.

use std::borrow::Cow;
use std::fmt::Write;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::model::Attributes;
use crate::json::put_json_string;
use crate::metadata::Metadata;

/// `opentelemetry.proto.common.v1.AnyValue`. Bytes that came in JSON are text already.
#[derive(Debug, Default, PartialEq)]
pub(super) enum Value<'a> {
    #[default]
    Empty,
    Text(Cow<'a, str>),
    Bool(bool),
    Int(i64),
    Double(f64),
    Bytes(&'a [u8]),
    List(Vec<Value<'a>>),
    Map(Attributes<'a>),
}

impl Value<'_> {
    /// Returns the value as text: strings as they are, bytes in base64, lists and maps as JSON. A JSON text is broken off
    /// where it has more than `bytes_max` bytes, for then it is refused.
    pub(super) fn to_text(&self, bytes_max: usize) -> Cow<'_, str> {
        let text = match self {
            Self::Empty => String::new(),
            Self::Text(text) => return Cow::Borrowed(text),
            Self::Bool(bool) => return Cow::Borrowed(if *bool { "true" } else { "false" }),
            Self::Int(int) => int.to_string(),
            Self::Double(double) => double_text(*double),
            Self::Bytes(bytes) => BASE64_STANDARD.encode(bytes),
            Self::List(_) | Self::Map(_) => {
                let mut out = String::new();
                self.put_json(&mut out, bytes_max);
                out
            }
        };
        Cow::Owned(text)
    }

    fn put_json(&self, out: &mut String, bytes_max: usize) {
        match self {
            Self::Empty => out.push_str("null"),
            // Escapes can make a string six times as long; one that is refused anyway need not be escaped.
            Self::Text(text) if text.len() > bytes_max => out.push_str(text),
            Self::Text(text) => put_json_string(out, text),
            Self::Double(double) if double.is_finite() => out.push_str(&double_text(*double)),
            Self::Bool(_) | Self::Int(_) => out.push_str(&self.to_text(bytes_max)),
            Self::Double(_) | Self::Bytes(_) => put_json_string(out, &self.to_text(bytes_max)),
            Self::List(values) => {
                for (at, value) in values.iter().enumerate() {
                    if out.len() > bytes_max {
                        return;
                    }
                    out.push(if at == 0 { '[' } else { ',' });
                    value.put_json(out, bytes_max);
                }
                out.push_str(if values.is_empty() { "[]" } else { "]" });
            }
            Self::Map(entries) => {
                for (at, (key, value)) in entries.iter().enumerate() {
                    if out.len() > bytes_max {
                        return;
                    }
                    out.push(if at == 0 { '{' } else { ',' });
                    Value::Text(Cow::Borrowed(key)).put_json(out, bytes_max);
                    out.push(':');
                    value.put_json(out, bytes_max);
                }
                out.push_str(if entries.is_empty() { "{}" } else { "}" });
            }
        }
    }

    /// Puts the value into `metadata` as `name`; the entries of a map each as `name_key`, an empty value not at all.
    pub(super) fn put_metadata(&self, name: &str, metadata: &mut Metadata, bytes_max: usize) {
        match self {
            Self::Empty => {}
            Self::Map(entries) => {
                for (key, value) in entries {
                    // Beyond a limit nothing is gathered, and the names would only grow.
                    if metadata.flaw().is_some() {
                        return;
                    }
                    value.put_metadata(&format!("{name}_{key}"), metadata, bytes_max);
                }
            }
            _ => metadata.put(name, &self.to_text(bytes_max)),
        }
    }
}

/// Returns the shortest text that reads as the same number, or the names that protobuf's JSON has for what is none.
fn double_text(double: f64) -> String {
    let mut out = String::new();
    if double.is_nan() {
        out.push_str("NaN");
    } else if double.is_infinite() {
        out.push_str(if double > 0.0 { "Infinity" } else { "-Infinity" });
    } else {
        write!(out, "{double:?}").expect("a string takes all that is written");
    }
    out
}

/// Returns `id` as hex, or nothing if it is no id: empty or all zero (OpenTelemetry, `logs.proto`, `trace_id`).
pub(super) fn hex_id(id: &[u8]) -> Cow<'static, str> {
    if id.len() > ID_BYTES_MAX || id.iter().all(|byte| *byte == 0) {
        return Cow::Borrowed("");
    }
    let (mut hex, digits) = ([0; 2 * ID_BYTES_MAX], b"0123456789abcdef");
    for (pair, byte) in hex.chunks_exact_mut(2).zip(id) {
        pair[0] = digits[usize::from(byte >> 4)];
        pair[1] = digits[usize::from(byte & 15)];
    }
    Cow::Owned(std::str::from_utf8(&hex[..2 * id.len()]).unwrap_or_default().to_owned())
}

/// A trace id has 16 bytes, a span id 8; what is longer is none.
pub(super) const ID_BYTES_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use logmesh_protocol::record::metadata_pairs;

    use super::*;
    use crate::Limits;

    fn sample() -> Value<'static> {
        let text = |text: &'static str| Value::Text(text.into());
        Value::Map(vec![
            ("a".into(), Value::List(vec![Value::Int(-1), Value::Double(1.5), Value::Bool(true), Value::Empty])),
            ("b.c".into(), Value::Map(vec![("d".into(), text("x\"y")), ("e".into(), Value::Bytes(b"\x00\xff"))])),
            ("f".into(), Value::Double(f64::NAN)),
            ("g".into(), Value::List(Vec::new())),
        ])
    }

    #[test]
    fn a_value_is_said_as_json() {
        let wanted = r#"{"a":[-1,1.5,true,null],"b.c":{"d":"x\"y","e":"AP8="},"f":"NaN","g":[]}"#;
        assert_eq!(sample().to_text(1000), wanted);
        assert!(serde_json::from_str::<serde_json::Value>(wanted).is_ok());
        assert_eq!(Value::Double(1e300).to_text(10), "1e300");
        assert_eq!(Value::Double(f64::NEG_INFINITY).to_text(10), "-Infinity");
    }

    #[test]
    fn a_value_that_is_refused_anyway_does_not_grow() {
        let long = Value::List((0..1000).map(|_| Value::Text("\u{1}".repeat(100).into())).collect());
        assert!((10..1000).contains(&long.to_text(10).len()));
    }

    #[test]
    fn maps_are_flattened_into_metadata() {
        let mut metadata = Metadata::new(&Limits::default());
        sample().put_metadata("m", &mut metadata, 1000);
        let wanted =
            [("m_a", "[-1,1.5,true,null]"), ("m_b_c_d", "x\"y"), ("m_b_c_e", "AP8="), ("m_f", "NaN"), ("m_g", "[]")];
        assert_eq!(metadata_pairs(metadata.bytes()), wanted);
    }

    #[test]
    fn ids_are_hex_or_none() {
        assert_eq!(hex_id(&[0x0a, 0xff]), "0aff");
        assert_eq!(hex_id(&[]), "");
        assert_eq!(hex_id(&[0; 16]), "");
        assert_eq!(hex_id(&[1; 17]), "");
    }
}
