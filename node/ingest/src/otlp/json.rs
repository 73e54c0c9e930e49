//! The JSON form: protobuf's JSON with ids in hex and enums as numbers (opentelemetry.io/docs/specs/otlp, "JSON Protobuf
//! Encoding"). 64-bit integers come as strings or as numbers, `null` is as good as absent, unknown keys are skipped.

use std::borrow::Cow;
use std::str::FromStr;

use logmesh_protocol::time::Timestamp;

use super::mapping::{Mapping, Origin};
use super::model::{Attributes, Bounds, LogRecord, Scope};
use super::value::{ID_BYTES_MAX, Value};
use crate::accepted::Accepted;
use crate::body::BodyError;
use crate::json::{Json, JsonError};
use crate::limits::Limits;

/// Decodes an `ExportLogsServiceRequest` in JSON.
pub fn decode_json(body: &[u8], limits: &Limits, now: Timestamp) -> Result<Accepted, BodyError> {
    if body.len() > limits.body_bytes_max {
        return Err(BodyError::too_large(limits));
    }
    let (mut json, mut mapping) = (Json::new(body), Mapping::new(limits, now));
    let mut first = true;
    json.take(b'{', "an object with \"resourceLogs\"")?;
    while let Some(key) = json.next_key(&mut first)? {
        match &*key {
            "resourceLogs" => each(&mut json, |json| resource_logs(json, &mut mapping))?,
            _ => json.skip_value()?,
        }
    }
    json.end()?;
    Ok(mapping.finish())
}

fn resource_logs<'a>(json: &mut Json<'a>, mapping: &mut Mapping<'a>) -> Result<(), BodyError> {
    let start = *json;
    let (mut origin, mut first, mut early) = (None, true, false);
    json.take(b'{', "an object of resource logs")?;
    while let Some(key) = json.next_key(&mut first)? {
        match (&*key, &origin) {
            ("resource", _) => origin = Some(resource(json, mapping)?),
            ("scopeLogs", Some(origin)) => each(json, |json| scope_logs(json, origin, mapping))?,
            ("scopeLogs", None) => {
                early = true;
                json.skip_value()?;
            }
            _ => json.skip_value()?,
        }
        if early && origin.is_some() {
            break;
        }
    }
    if !early {
        return Ok(());
    }
    // The resource came after the logs, or never: the object is read again, now that the resource is known.
    let origin = origin.unwrap_or_else(|| mapping.resource(b"", &Attributes::new(), None));
    (*json, first) = (start, true);
    json.take(b'{', "an object of resource logs")?;
    while let Some(key) = json.next_key(&mut first)? {
        match &*key {
            "scopeLogs" => each(json, |json| scope_logs(json, &origin, mapping))?,
            _ => json.skip_value()?,
        }
    }
    Ok(())
}

fn resource<'a>(json: &mut Json<'a>, mapping: &mut Mapping<'a>) -> Result<Origin, BodyError> {
    json.peek();
    let (start, mut bounds, mut found) = (*json, Bounds::new(), Attributes::new());
    object(json, |json, key| match key {
        "attributes" => attributes(json, &mut found, &mut bounds),
        _ => json.skip_value(),
    })?;
    Ok(mapping.resource(start.until(json), &found, bounds.into_flaw()))
}

fn scope_logs<'a>(json: &mut Json<'a>, resource: &Origin, mapping: &mut Mapping<'a>) -> Result<(), BodyError> {
    let (mut found, mut bounds) = (Scope::default(), Bounds::new());
    let mut ahead = *json;
    // The scope comes first, mostly; looking for it ends where it is found.
    find_scope(&mut ahead, &mut found, &mut bounds)?;
    let (origin, mut first) = (mapping.scope(resource, &found, bounds.into_flaw()), true);
    let mut record = LogRecord::default();
    json.take(b'{', "an object of scope logs")?;
    while let Some(key) = json.next_key(&mut first)? {
        match &*key {
            "logRecords" => each(json, |json| {
                record.clear();
                let mut bounds = Bounds::new();
                log_record(json, &mut record, &mut bounds)?;
                mapping.record(&origin, &record, bounds.into_flaw())
            })?,
            _ => json.skip_value()?,
        }
    }
    Ok(())
}

fn find_scope<'a>(json: &mut Json<'a>, scope: &mut Scope<'a>, bounds: &mut Bounds) -> Result<(), JsonError> {
    let mut first = true;
    json.take(b'{', "an object of scope logs")?;
    while let Some(key) = json.next_key(&mut first)? {
        if key != "scope" {
            json.skip_value()?;
            continue;
        }
        return object(json, |json, key| {
            match key {
                "name" => scope.name = string(json)?,
                "version" => scope.version = string(json)?,
                "attributes" => attributes(json, &mut scope.attributes, bounds)?,
                _ => json.skip_value()?,
            }
            Ok(())
        });
    }
    Ok(())
}

fn log_record<'a>(json: &mut Json<'a>, record: &mut LogRecord<'a>, bounds: &mut Bounds) -> Result<(), JsonError> {
    object(json, |json, key| {
        match key {
            "timeUnixNano" => record.time_unix_nano = number(json)?,
            "observedTimeUnixNano" => record.observed_time_unix_nano = number(json)?,
            "severityNumber" => record.severity_number = number(json)?,
            "severityText" => record.severity_text = string(json)?,
            "body" => record.body = any_value(json, bounds)?,
            "attributes" => attributes(json, &mut record.attributes, bounds)?,
            "droppedAttributesCount" => record.dropped_attributes_count = number(json)?,
            "flags" => record.flags = number(json)?,
            "traceId" => record.trace_id = id(json)?,
            "spanId" => record.span_id = id(json)?,
            "eventName" => record.event_name = string(json)?,
            _ => json.skip_value()?,
        }
        Ok(())
    })
}

fn attributes<'a>(json: &mut Json<'a>, out: &mut Attributes<'a>, bounds: &mut Bounds) -> Result<(), JsonError> {
    each(json, |json| {
        if !bounds.enter() {
            return json.skip_value();
        }
        let (mut attribute_key, mut value) = (Cow::Borrowed(""), Value::Empty);
        object(json, |json, key| {
            match key {
                "key" => attribute_key = string(json)?,
                "value" => value = any_value(json, bounds)?,
                _ => json.skip_value()?,
            }
            Ok(())
        })?;
        bounds.leave();
        out.push((attribute_key, value));
        Ok(())
    })
}

fn any_value<'a>(json: &mut Json<'a>, bounds: &mut Bounds) -> Result<Value<'a>, JsonError> {
    if !bounds.enter() {
        json.skip_value()?;
        return Ok(Value::Empty);
    }
    let mut value = Value::Empty;
    object(json, |json, key| {
        // `null` is the default of a field, not a choice of this one.
        if json.take_null()? {
            return Ok(());
        }
        match key {
            // Bytes are base64 in JSON, and base64 is what becomes of them.
            "stringValue" | "bytesValue" => value = Value::Text(json.string("a string")?),
            "boolValue" => value = Value::Bool(boolean(json)?),
            "intValue" => value = Value::Int(number(json)?),
            "doubleValue" => value = Value::Double(number(json)?),
            "arrayValue" => value = Value::List(list(json, bounds)?),
            "kvlistValue" => {
                let mut entries = Attributes::new();
                object(json, |json, key| match key {
                    "values" => attributes(json, &mut entries, bounds),
                    _ => json.skip_value(),
                })?;
                value = Value::Map(entries);
            }
            _ => json.skip_value()?,
        }
        Ok(())
    })?;
    bounds.leave();
    Ok(value)
}

fn list<'a>(json: &mut Json<'a>, bounds: &mut Bounds) -> Result<Vec<Value<'a>>, JsonError> {
    let mut values = Vec::new();
    object(json, |json, key| match key {
        "values" => each(json, |json| {
            if !bounds.has_room() {
                return json.skip_value();
            }
            values.push(any_value(json, bounds)?);
            Ok(())
        }),
        _ => json.skip_value(),
    })?;
    Ok(values)
}

/// Calls `on_element` at each element of a list; `null` has none.
fn each<'a, E: From<JsonError>>(
    json: &mut Json<'a>,
    mut on_element: impl FnMut(&mut Json<'a>) -> Result<(), E>,
) -> Result<(), E> {
    if json.take_null()? {
        return Ok(());
    }
    let mut first = true;
    json.take(b'[', "a list")?;
    while json.next_element(&mut first)? {
        on_element(json)?;
    }
    Ok(())
}

/// Calls `on_key` at each value of an object; `null` has none.
fn object<'a>(
    json: &mut Json<'a>,
    mut on_key: impl FnMut(&mut Json<'a>, &str) -> Result<(), JsonError>,
) -> Result<(), JsonError> {
    if json.take_null()? {
        return Ok(());
    }
    let mut first = true;
    json.take(b'{', "an object")?;
    while let Some(key) = json.next_key(&mut first)? {
        on_key(json, &key)?;
    }
    Ok(())
}

fn string<'a>(json: &mut Json<'a>) -> Result<Cow<'a, str>, JsonError> {
    if json.take_null()? { Ok(Cow::Borrowed("")) } else { json.string("a string") }
}

/// Reads a number, also one written as a string.
fn number<T: FromStr + Default>(json: &mut Json<'_>) -> Result<T, JsonError> {
    if json.take_null()? {
        return Ok(T::default());
    }
    let here = *json;
    let text = if json.peek() == Some(b'"') { json.string("a number")? } else { crate::wire::text(json.bare()?) };
    text.parse().map_err(|_| here.error("a number that fits its field"))
}

fn boolean(json: &mut Json<'_>) -> Result<bool, JsonError> {
    let here = *json;
    match json.bare()? {
        b"true" => Ok(true),
        b"false" => Ok(false),
        _ => Err(here.error("true or false")),
    }
}

/// Reads an id in hex; one that is none (all zero, not hex, too long) is as good as absent.
fn id<'a>(json: &mut Json<'a>) -> Result<Cow<'a, str>, JsonError> {
    let id = string(json)?;
    let lower = id.bytes().fold(true, |all, byte| all & matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let zero = id.bytes().fold(true, |all, byte| all & (byte == b'0'));
    if zero || id.len() > 2 * ID_BYTES_MAX {
        return Ok(Cow::Borrowed(""));
    }
    if lower {
        return Ok(id);
    }
    let hex = id.bytes().all(|byte| byte.is_ascii_hexdigit());
    Ok(Cow::Owned(if hex { id.to_ascii_lowercase() } else { String::new() }))
}
