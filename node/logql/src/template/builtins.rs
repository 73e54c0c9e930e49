//! The functions that Go's templates bring along.

use std::cmp::Ordering;

use super::arguments::{Arguments, Mistake};
use super::format;
use super::functions::{Called, query_escape};
use super::scope::Scope;
use super::value::{IntKind, Value};

/// Stands for `and` and `or`, whose arguments are evaluated one by one, the last one being the answer.
pub(super) fn last<'a>(_: &mut Scope<'a, '_>, values: Arguments<'_, 'a>) -> Called<'a> {
    Ok(values.last().cloned().unwrap_or(Value::Nil))
}

/// Fails: there are no functions among the values of a template.
pub(super) fn call<'a>(_: &mut Scope<'a, '_>, values: Arguments<'_, 'a>) -> Called<'a> {
    Err(Mistake::Calling(format!("non-function of type {}", values[0].type_name())))
}

pub(super) fn not<'a>(_: &mut Scope<'a, '_>, values: Arguments<'_, 'a>) -> Called<'a> {
    Ok(Value::Bool(!values[0].is_true()))
}

/// Tells whether the first argument equals any of the others.
pub(super) fn eq<'a>(_: &mut Scope<'a, '_>, values: Arguments<'_, 'a>) -> Called<'a> {
    if values.len() < 2 {
        return Err(Mistake::from("missing argument for comparison"));
    }
    for other in values.from(1) {
        if equal(&values[0], other)? {
            return Ok(Value::Bool(true));
        }
    }
    Ok(Value::Bool(false))
}

pub(super) fn ne<'a>(_: &mut Scope<'a, '_>, values: Arguments<'_, 'a>) -> Called<'a> {
    Ok(Value::Bool(!equal(&values[0], &values[1])?))
}

fn equal(left: &Value<'_>, right: &Value<'_>) -> Result<bool, Mistake> {
    match (left, right) {
        (Value::Nil, Value::Nil) => Ok(true),
        (Value::Nil, _) | (_, Value::Nil) => Ok(false),
        (Value::Bool(left), Value::Bool(right)) => Ok(left == right),
        (Value::Int(left, _) | Value::Named(_, left, _), Value::Int(right, _) | Value::Named(_, right, _)) => {
            Ok(left == right)
        }
        (Value::Float(left), Value::Float(right)) => Ok(left == right),
        (Value::Text(left), Value::Text(right)) => Ok(left == right),
        (Value::Time(left), Value::Time(right)) => Ok(left == right),
        (list @ (Value::List(_) | Value::Map(_) | Value::Row(_)), Value::List(_) | Value::Map(_) | Value::Row(_)) => {
            Err(Mistake::Calling(format!("non-comparable type {}", list.type_name())))
        }
        _ => incompatible(left, right),
    }
}

fn incompatible<T>(left: &Value<'_>, right: &Value<'_>) -> Result<T, Mistake> {
    let (left, right) = (left.type_name(), right.type_name());
    Err(Mistake::Calling(format!("incompatible types for comparison: {left} and {right}")))
}

fn order(values: Arguments<'_, '_>) -> Result<Option<Ordering>, Mistake> {
    match (&values[0], &values[1]) {
        (Value::Int(left, _) | Value::Named(_, left, _), Value::Int(right, _) | Value::Named(_, right, _)) => {
            Ok(Some(left.cmp(right)))
        }
        (Value::Float(left), Value::Float(right)) => Ok(left.partial_cmp(right)),
        (Value::Text(left), Value::Text(right)) => Ok(Some(left.cmp(right))),
        (
            Value::Nil | Value::Bool(_) | Value::List(_) | Value::Map(_) | Value::Row(_) | Value::Time(_),
            Value::Nil | Value::Bool(_) | Value::List(_) | Value::Map(_) | Value::Row(_) | Value::Time(_),
        ) => Err(Mistake::from("invalid type for comparison")),
        (left, right) => incompatible(left, right),
    }
}

pub(super) fn lt<'a>(_: &mut Scope<'a, '_>, values: Arguments<'_, 'a>) -> Called<'a> {
    Ok(Value::Bool(order(values)?.is_some_and(Ordering::is_lt)))
}

pub(super) fn le<'a>(_: &mut Scope<'a, '_>, values: Arguments<'_, 'a>) -> Called<'a> {
    Ok(Value::Bool(order(values)?.is_some_and(Ordering::is_le)))
}

pub(super) fn gt<'a>(_: &mut Scope<'a, '_>, values: Arguments<'_, 'a>) -> Called<'a> {
    Ok(Value::Bool(order(values)?.is_some_and(Ordering::is_gt)))
}

pub(super) fn ge<'a>(_: &mut Scope<'a, '_>, values: Arguments<'_, 'a>) -> Called<'a> {
    Ok(Value::Bool(order(values)?.is_some_and(Ordering::is_ge)))
}

/// Returns a length; of text, in bytes.
pub(super) fn len<'a>(_: &mut Scope<'a, '_>, values: Arguments<'_, 'a>) -> Called<'a> {
    Ok(Value::count(match &values[0] {
        Value::Text(text) => text.len(),
        Value::List(list) => list.len(),
        Value::Map(map) => map.len(),
        Value::Row(row) => super::value::row_pairs(*row).len(),
        Value::Nil => return Err(Mistake::from("len of nil pointer")),
        other @ (Value::Bool(_) | Value::Int(..) | Value::Float(_) | Value::Time(_) | Value::Named(..)) => {
            return Err(Mistake::Calling(format!("len of type {}", other.type_name())));
        }
    }))
}

/// Returns what a list has at a place, or a map under a name, over and over.
pub(super) fn index<'a>(_: &mut Scope<'a, '_>, values: Arguments<'_, 'a>) -> Called<'a> {
    let mut value = values[0].clone();
    for key in values.from(1) {
        value = match (&value, key) {
            (Value::List(list), key) => list[place(key, list.len(), false)?].clone(),
            (Value::Text(text), key) => {
                Value::Int(i64::from(text.as_bytes()[place(key, text.len(), false)?]), IntKind::Byte)
            }
            (Value::Map(map), Value::Text(name)) => map.get(&**name).cloned().unwrap_or(Value::Nil),
            (Value::Row(row), Value::Text(name)) => Value::text(row.label(name).unwrap_or_default()),
            (Value::Map(_) | Value::Row(_), Value::Nil) => {
                return Err(Mistake::from("value is nil; should be of type string"));
            }
            (Value::Map(_) | Value::Row(_), other) => {
                let type_name = other.type_name();
                return Err(Mistake::Calling(format!("value has type {type_name}; should be string")));
            }
            (Value::Nil, _) => return Err(Mistake::from("index of untyped nil")),
            (other, _) => {
                return Err(Mistake::Calling(format!("can't index item of type {}", other.type_name())));
            }
        };
    }
    Ok(value)
}

/// Reads a place within something of this length; `end`: the place behind the last may be meant.
fn place(key: &Value<'_>, len: usize, end: bool) -> Result<usize, Mistake> {
    let number = match key {
        Value::Int(number, _) => *number,
        Value::Nil => return Err(Mistake::from("cannot index slice/array with nil")),
        other => {
            return Err(Mistake::Calling(format!("cannot index slice/array with type {}", other.type_name())));
        }
    };
    let at = usize::try_from(number).ok().filter(|at| *at < len || (end && *at == len));
    at.ok_or_else(|| Mistake::Calling(format!("index out of range: {number}")))
}

/// Returns a stretch of a text or a list. A text is cut at characters: one that a place falls into is left out.
pub(super) fn slice<'a>(_: &mut Scope<'a, '_>, values: Arguments<'_, 'a>) -> Called<'a> {
    let len = match &values[0] {
        Value::Text(text) => text.len(),
        Value::List(list) => list.len(),
        Value::Nil => return Err(Mistake::from("slice of untyped nil")),
        other => return Err(Mistake::Calling(format!("can't slice item of type {}", other.type_name()))),
    };
    let most = if matches!(values[0], Value::Text(_)) { 2 } else { 3 };
    if values.len() > most + 1 {
        return Err(Mistake::Calling(format!("too many slice indexes: {}", values.len() - 1)));
    }
    let start = values.get(1).map_or(Ok(0), |key| place(key, len, true))?;
    let end = values.get(2).map_or(Ok(len), |key| place(key, len, true))?;
    if start > end {
        return Err(Mistake::Calling(format!("invalid slice index: {start} > {end}")));
    }
    Ok(match &values[0] {
        Value::Text(text) => {
            let start = (start..=end).find(|at| text.is_char_boundary(*at)).unwrap_or(end);
            let end = (start..=end).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(start);
            Value::text(text.get(start..end).unwrap_or_default().to_owned())
        }
        Value::List(list) => Value::List(list[start..end].into()),
        other => other.clone(),
    })
}

pub(super) fn print<'a>(_: &mut Scope<'a, '_>, values: Arguments<'_, 'a>) -> Called<'a> {
    Ok(Value::text(format::print_all(values.from(0))))
}

pub(super) fn println<'a>(_: &mut Scope<'a, '_>, values: Arguments<'_, 'a>) -> Called<'a> {
    Ok(Value::text(format::print_line(values.from(0))))
}

pub(super) fn printf<'a>(_: &mut Scope<'a, '_>, values: Arguments<'_, 'a>) -> Called<'a> {
    format::printf(values.text(0)?, values.from(1)).map(Value::text)
}

/// Returns the text of the arguments: a single text as it is.
fn joined(values: Arguments<'_, '_>) -> String {
    format::print_all(values.from(0))
}

pub(super) fn html<'a>(_: &mut Scope<'a, '_>, values: Arguments<'_, 'a>) -> Called<'a> {
    let mut out = String::new();
    for c in joined(values).chars() {
        match c {
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\0' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    Ok(Value::text(out))
}

pub(super) fn js<'a>(_: &mut Scope<'a, '_>, values: Arguments<'_, 'a>) -> Called<'a> {
    let mut out = String::new();
    for c in joined(values).chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\'' => out.push_str("\\'"),
            '"' => out.push_str("\\\""),
            '<' | '>' | '&' | '=' => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    Ok(Value::text(out))
}

pub(super) fn urlquery<'a>(_: &mut Scope<'a, '_>, values: Arguments<'_, 'a>) -> Called<'a> {
    Ok(Value::text(query_escape(&joined(values))))
}
