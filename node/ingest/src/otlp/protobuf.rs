//! The protobuf form: `ExportLogsServiceRequest` (opentelemetry-proto 1.x, `logs.proto`, `common.proto`).

use std::borrow::Cow;

use logmesh_protocol::time::Timestamp;

use super::mapping::{Mapping, Origin};
use super::model::{Attributes, Bounds, LogRecord, Scope};
use super::value::{Value, hex_id};
use crate::accepted::Accepted;
use crate::body::BodyError;
use crate::limits::Limits;
use crate::wire::{Fields, WireError};

/// Decodes an `ExportLogsServiceRequest` in protobuf.
pub fn decode_protobuf(body: &[u8], limits: &Limits, now: Timestamp) -> Result<Accepted, BodyError> {
    if body.len() > limits.body_bytes_max {
        return Err(BodyError::too_large(limits));
    }
    let mut mapping = Mapping::new(limits, now);
    let mut fields = Fields::new(body);
    while let Some((number, value)) = fields.take_field()? {
        if number == 1 {
            resource_logs(value.bytes(1)?, &mut mapping)?;
        }
    }
    Ok(mapping.finish())
}

fn resource_logs<'a>(message: &'a [u8], mapping: &mut Mapping<'a>) -> Result<(), BodyError> {
    let resource = first_field(message)?;
    let mut bounds = Bounds::new();
    let attributes = attributes(resource, 1, &mut bounds)?;
    let origin = mapping.resource(resource, &attributes, bounds.into_flaw());
    let mut fields = Fields::new(message);
    while let Some((number, value)) = fields.take_field()? {
        if number == 2 {
            scope_logs(value.bytes(2)?, &origin, mapping)?;
        }
    }
    Ok(())
}

fn scope_logs<'a>(message: &'a [u8], resource: &Origin, mapping: &mut Mapping<'a>) -> Result<(), BodyError> {
    let mut bounds = Bounds::new();
    let scope = scope(first_field(message)?, &mut bounds)?;
    let origin = mapping.scope(resource, &scope, bounds.into_flaw());
    let (mut fields, mut record) = (Fields::new(message), LogRecord::default());
    while let Some((number, value)) = fields.take_field()? {
        if number == 2 {
            record.clear();
            let mut bounds = Bounds::new();
            log_record(value.bytes(2)?, &mut record, &mut bounds)?;
            mapping.record(&origin, &record, bounds.into_flaw())?;
        }
    }
    Ok(())
}

/// Finds field 1, the resource or the scope, which nearly always comes first.
fn first_field(message: &[u8]) -> Result<&[u8], WireError> {
    let mut fields = Fields::new(message);
    while let Some((number, value)) = fields.take_field()? {
        if number == 1 {
            return value.bytes(1);
        }
    }
    Ok(&[])
}

/// Reads the attributes of a message that has them in field `wanted`.
fn attributes<'a>(message: &'a [u8], wanted: u64, bounds: &mut Bounds) -> Result<Attributes<'a>, WireError> {
    let (mut fields, mut attributes) = (Fields::new(message), Attributes::new());
    while let Some((number, value)) = fields.take_field()? {
        if number == wanted {
            put_attribute(value.bytes(wanted)?, &mut attributes, bounds)?;
        }
    }
    Ok(attributes)
}

fn scope<'a>(message: &'a [u8], bounds: &mut Bounds) -> Result<Scope<'a>, WireError> {
    let (mut fields, mut scope) = (Fields::new(message), Scope::default());
    while let Some((number, value)) = fields.take_field()? {
        match number {
            1 => scope.name = value.text(1)?,
            2 => scope.version = value.text(2)?,
            3 => put_attribute(value.bytes(3)?, &mut scope.attributes, bounds)?,
            _ => {}
        }
    }
    Ok(scope)
}

fn log_record<'a>(message: &'a [u8], record: &mut LogRecord<'a>, bounds: &mut Bounds) -> Result<(), WireError> {
    let mut fields = Fields::new(message);
    while let Some((number, value)) = fields.take_field()? {
        match number {
            1 => record.time_unix_nano = value.fixed64(1)?,
            2 => record.severity_number = value.varint(2)? as u32,
            3 => record.severity_text = value.text(3)?,
            5 => record.body = any_value(value.bytes(5)?, bounds)?,
            6 => put_attribute(value.bytes(6)?, &mut record.attributes, bounds)?,
            7 => record.dropped_attributes_count = value.varint(7)? as u32,
            8 => record.flags = value.fixed32(8)?,
            9 => record.trace_id = hex_id(value.bytes(9)?),
            10 => record.span_id = hex_id(value.bytes(10)?),
            11 => record.observed_time_unix_nano = value.fixed64(11)?,
            12 => record.event_name = value.text(12)?,
            _ => {}
        }
    }
    Ok(())
}

fn put_attribute<'a>(message: &'a [u8], out: &mut Attributes<'a>, bounds: &mut Bounds) -> Result<(), WireError> {
    if !bounds.enter() {
        return Ok(());
    }
    let (mut fields, mut key, mut attribute) = (Fields::new(message), Cow::Borrowed(""), Value::Empty);
    while let Some((number, value)) = fields.take_field()? {
        match number {
            1 => key = value.text(1)?,
            2 => attribute = any_value(value.bytes(2)?, bounds)?,
            _ => {}
        }
    }
    bounds.leave();
    out.push((key, attribute));
    Ok(())
}

fn any_value<'a>(message: &'a [u8], bounds: &mut Bounds) -> Result<Value<'a>, WireError> {
    if !bounds.enter() {
        return Ok(Value::Empty);
    }
    let (mut fields, mut value) = (Fields::new(message), Value::Empty);
    while let Some((number, scalar)) = fields.take_field()? {
        value = match number {
            1 => Value::Text(scalar.text(1)?),
            2 => Value::Bool(scalar.varint(2)? != 0),
            3 => Value::Int(scalar.varint(3)?.cast_signed()),
            4 => Value::Double(f64::from_bits(scalar.fixed64(4)?)),
            5 => Value::List(list(scalar.bytes(5)?, bounds)?),
            6 => Value::Map(attributes(scalar.bytes(6)?, 1, bounds)?),
            7 => Value::Bytes(scalar.bytes(7)?),
            _ => value,
        };
    }
    bounds.leave();
    Ok(value)
}

fn list<'a>(message: &'a [u8], bounds: &mut Bounds) -> Result<Vec<Value<'a>>, WireError> {
    let (mut fields, mut values) = (Fields::new(message), Vec::new());
    while let Some((number, value)) = fields.take_field()? {
        if number == 1 && bounds.has_room() {
            values.push(any_value(value.bytes(1)?, bounds)?);
        }
    }
    Ok(values)
}
