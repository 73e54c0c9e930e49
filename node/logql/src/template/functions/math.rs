//! Functions on numbers. They take anything that reads as a number; what does not counts as zero, as LogQL's functions
//! have it.

use super::Called;
use crate::duration::byte_size;
use crate::template::arguments::{Arguments, Mistake};
use crate::template::decimal::{Operation, reckon};
use crate::template::number;
use crate::template::scope::Scope;
use crate::template::value::Value;

/// Reads a value as a whole number.
pub(super) fn whole(value: &Value<'_>) -> i64 {
    match value {
        Value::Int(value, _) | Value::Named(_, value, _) => *value,
        Value::Float(value) => *value as i64,
        Value::Bool(flag) => i64::from(*flag),
        Value::Text(text) => {
            // `5.0` is a whole number, `5.9` is none.
            let text = match text.split_once('.') {
                Some((whole, zeros)) if !zeros.is_empty() && zeros.bytes().all(|byte| byte == b'0') => whole,
                _ => text,
            };
            number::integer(text).and_then(|value| i64::try_from(value).ok()).unwrap_or(0)
        }
        Value::Nil | Value::Time(_) | Value::List(_) | Value::Map(_) | Value::Row(_) => 0,
    }
}

/// Reads a value as a float.
fn fraction(value: &Value<'_>) -> f64 {
    match value {
        Value::Int(value, _) | Value::Named(_, value, _) => *value as f64,
        Value::Float(value) => *value,
        Value::Bool(flag) => f64::from(u8::from(*flag)),
        Value::Text(text) => text.parse().unwrap_or(0.0),
        Value::Nil | Value::Time(_) | Value::List(_) | Value::Map(_) | Value::Row(_) => 0.0,
    }
}

fn wholes(values: Arguments<'_, '_>, reckon: impl Fn(i64, i64) -> i64) -> i64 {
    values.iter().map(whole).reduce(reckon).unwrap_or(0)
}

fn fractions(values: Arguments<'_, '_>, reckon: impl Fn(f64, f64) -> f64) -> f64 {
    values.iter().map(fraction).reduce(reckon).unwrap_or(0.0)
}

fn decimals<'a>(operation: Operation, values: Arguments<'_, 'a>) -> Called<'a> {
    let mut values = values.iter().map(fraction);
    let first = values.next().unwrap_or(0.0);
    Ok(Value::Float(reckon(operation, first, &values.collect::<Vec<_>>())?))
}

pub(super) fn add<'a>(_: &mut Scope<'a, '_>, values: Arguments<'_, 'a>) -> Called<'a> {
    Ok(Value::int64(wholes(values, i64::wrapping_add)))
}

pub(super) fn sub<'a>(_: &mut Scope<'a, '_>, values: Arguments<'_, 'a>) -> Called<'a> {
    Ok(Value::int64(wholes(values, i64::wrapping_sub)))
}

pub(super) fn mul<'a>(_: &mut Scope<'a, '_>, values: Arguments<'_, 'a>) -> Called<'a> {
    Ok(Value::int64(wholes(values, i64::wrapping_mul)))
}

pub(super) fn div<'a>(_: &mut Scope<'a, '_>, values: Arguments<'_, 'a>) -> Called<'a> {
    divided(values, i64::wrapping_div)
}

pub(super) fn modulo<'a>(_: &mut Scope<'a, '_>, values: Arguments<'_, 'a>) -> Called<'a> {
    divided(values, i64::wrapping_rem)
}

fn divided<'a>(values: Arguments<'_, 'a>, reckon: impl Fn(i64, i64) -> i64) -> Called<'a> {
    match whole(&values[1]) {
        0 => Err(Mistake::from("runtime error: integer divide by zero")),
        divisor => Ok(Value::int64(reckon(whole(&values[0]), divisor))),
    }
}

pub(super) fn max<'a>(_: &mut Scope<'a, '_>, values: Arguments<'_, 'a>) -> Called<'a> {
    Ok(Value::int64(wholes(values, i64::max)))
}

pub(super) fn min<'a>(_: &mut Scope<'a, '_>, values: Arguments<'_, 'a>) -> Called<'a> {
    Ok(Value::int64(wholes(values, i64::min)))
}

pub(super) fn maxf<'a>(_: &mut Scope<'a, '_>, values: Arguments<'_, 'a>) -> Called<'a> {
    Ok(Value::Float(fractions(values, |a, b| if a.is_nan() || b.is_nan() { f64::NAN } else { a.max(b) })))
}

pub(super) fn minf<'a>(_: &mut Scope<'a, '_>, values: Arguments<'_, 'a>) -> Called<'a> {
    Ok(Value::Float(fractions(values, |a, b| if a.is_nan() || b.is_nan() { f64::NAN } else { a.min(b) })))
}

pub(super) fn addf<'a>(_: &mut Scope<'a, '_>, values: Arguments<'_, 'a>) -> Called<'a> {
    decimals(Operation::Add, values)
}

pub(super) fn subf<'a>(_: &mut Scope<'a, '_>, values: Arguments<'_, 'a>) -> Called<'a> {
    decimals(Operation::Subtract, values)
}

pub(super) fn mulf<'a>(_: &mut Scope<'a, '_>, values: Arguments<'_, 'a>) -> Called<'a> {
    decimals(Operation::Multiply, values)
}

pub(super) fn divf<'a>(_: &mut Scope<'a, '_>, values: Arguments<'_, 'a>) -> Called<'a> {
    decimals(Operation::Divide, values)
}

pub(super) fn ceil<'a>(_: &mut Scope<'a, '_>, values: Arguments<'_, 'a>) -> Called<'a> {
    Ok(Value::Float(fraction(&values[0]).ceil()))
}

pub(super) fn floor<'a>(_: &mut Scope<'a, '_>, values: Arguments<'_, 'a>) -> Called<'a> {
    Ok(Value::Float(fraction(&values[0]).floor()))
}

/// Rounds to so many digits behind the point; a third argument says from which rest on upwards.
pub(super) fn round<'a>(_: &mut Scope<'a, '_>, values: Arguments<'_, 'a>) -> Called<'a> {
    let (value, digits) = (fraction(&values[0]), values.int(1)?);
    let from = if values.len() > 2 { values.float(2)? } else { 0.5 };
    let scale = 10f64.powi(i32::try_from(digits).unwrap_or(if digits < 0 { i32::MIN } else { i32::MAX }));
    let scaled = value * scale;
    let rounded = if scaled.fract() >= from { scaled.ceil() } else { scaled.floor() };
    Ok(Value::Float(rounded / scale))
}

pub(super) fn int<'a>(_: &mut Scope<'a, '_>, values: Arguments<'_, 'a>) -> Called<'a> {
    Ok(Value::int(whole(&values[0])))
}

pub(super) fn float64<'a>(_: &mut Scope<'a, '_>, values: Arguments<'_, 'a>) -> Called<'a> {
    Ok(Value::Float(fraction(&values[0])))
}

/// Reads a size such as `3 kB`.
pub(super) fn bytes<'a>(_: &mut Scope<'a, '_>, values: Arguments<'_, 'a>) -> Called<'a> {
    let text = values.text(0)?;
    let size = byte_size(text.trim()).filter(|_| !text.trim().is_empty());
    size.map(|bytes| Value::Float(bytes as f64))
        .ok_or_else(|| Mistake::Calling(format!("{text:?} is not a size in bytes")))
}
