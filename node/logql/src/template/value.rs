//! The values of a template, with Go's types behind them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::TemplateRow;
use super::time::Time;

/// A value.
#[derive(Clone, Debug)]
pub(super) enum Value<'a> {
    /// Nothing: `nil`, JSON's `null`, what a map does not have.
    Nil,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64, IntKind),
    /// A number with a fraction.
    Float(f64),
    /// Text.
    Text(Cow<'a, str>),
    /// A point in time.
    Time(Rc<Time>),
    /// A month or a weekday: a number that prints as a name.
    Named(NamedKind, i64, &'static str),
    /// A list of anything.
    List(Rc<[Value<'a>]>),
    /// Anything by name.
    Map(Rc<BTreeMap<String, Value<'a>>>),
    /// The labels of the line.
    Row(&'a dyn TemplateRow),
}

/// Which of Go's types a whole number has, for messages and `%T`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IntKind {
    Int,
    Int64,
    Byte,
}

/// What a named number names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NamedKind {
    Month,
    Weekday,
}

impl<'a> Value<'a> {
    /// Returns a text of its own.
    pub(super) fn text(text: impl Into<Cow<'a, str>>) -> Self {
        Value::Text(text.into())
    }

    /// Returns a number of Go's type `int`.
    pub(super) fn int(value: i64) -> Self {
        Value::Int(value, IntKind::Int)
    }

    /// Returns a number of Go's type `int64`.
    pub(super) fn int64(value: i64) -> Self {
        Value::Int(value, IntKind::Int64)
    }

    /// Returns a count.
    pub(super) fn count(count: usize) -> Self {
        Value::int(i64::try_from(count).unwrap_or(i64::MAX))
    }

    /// Tells whether a condition takes the value for true: anything but nothing, zero and what is empty.
    pub(super) fn is_true(&self) -> bool {
        match self {
            Value::Nil => false,
            Value::Bool(flag) => *flag,
            Value::Int(value, _) | Value::Named(_, value, _) => *value != 0,
            Value::Float(value) => *value != 0.0,
            Value::Text(text) => !text.is_empty(),
            Value::Time(_) => true,
            Value::List(list) => !list.is_empty(),
            Value::Map(map) => !map.is_empty(),
            Value::Row(row) => !row_pairs(*row).is_empty(),
        }
    }

    /// Returns the name of the value's type in Go.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Value::Nil => "<nil>",
            Value::Bool(_) => "bool",
            Value::Int(_, IntKind::Int) => "int",
            Value::Int(_, IntKind::Int64) => "int64",
            Value::Int(_, IntKind::Byte) => "uint8",
            Value::Float(_) => "float64",
            Value::Text(_) => "string",
            Value::Time(_) => "time.Time",
            Value::Named(NamedKind::Month, ..) => "time.Month",
            Value::Named(NamedKind::Weekday, ..) => "time.Weekday",
            Value::List(_) => "[]interface {}",
            Value::Map(_) => "map[string]interface {}",
            Value::Row(_) => "map[string]string",
        }
    }

    /// Returns about how many bytes a function has to look at to read the value.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Value::Nil
            | Value::Bool(_)
            | Value::Int(..)
            | Value::Float(_)
            | Value::Time(_)
            | Value::Named(..)
            // What a label or an element costs is counted when it is looked at.
            | Value::Row(_) => 8,
            Value::Text(text) => text.len(),
            Value::List(list) => 16 * list.len(),
            Value::Map(map) => 64 * map.len(),
        }
    }

    /// Returns the value that a JSON document stands for; numbers are floats, as Go has it.
    pub(super) fn from_json(json: serde_json::Value) -> Self {
        match json {
            serde_json::Value::Null => Value::Nil,
            serde_json::Value::Bool(flag) => Value::Bool(flag),
            serde_json::Value::Number(number) => Value::Float(number.as_f64().unwrap_or_default()),
            serde_json::Value::String(text) => Value::text(text),
            serde_json::Value::Array(items) => Value::List(items.into_iter().map(Value::from_json).collect()),
            serde_json::Value::Object(fields) => {
                Value::Map(Rc::new(fields.into_iter().map(|(name, value)| (name, Value::from_json(value))).collect()))
            }
        }
    }
}

/// Returns the labels of a row, sorted.
pub(super) fn row_pairs(row: &dyn TemplateRow) -> BTreeMap<&str, &str> {
    let mut pairs = BTreeMap::new();
    row.each_label(&mut |name, value| {
        pairs.entry(name).or_insert(value);
    });
    pairs
}
