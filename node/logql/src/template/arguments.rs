//! The arguments of a call, read as the types that a function asks for.

use std::ops::Deref;
use std::rc::Rc;

use super::OUTPUT_BYTES_MAX;
use super::time::Time;
use super::value::Value;

/// Why a call fails.
#[derive(Debug)]
pub(super) enum Mistake {
    /// The argument at this place has the wrong type.
    Argument { at: usize, expected: &'static str, message: String },
    /// The function says so itself.
    Calling(String),
}

impl Mistake {
    /// Says that a value would become too long.
    pub(super) fn too_long() -> Self {
        Mistake::Calling(format!("the value has more than {OUTPUT_BYTES_MAX} bytes"))
    }
}

impl From<String> for Mistake {
    fn from(message: String) -> Self {
        Mistake::Calling(message)
    }
}

impl From<&str> for Mistake {
    fn from(message: &str) -> Self {
        Mistake::Calling(message.to_owned())
    }
}

/// The arguments of a call; their number has been checked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arguments<'s, 'a>(pub(super) &'s [Value<'a>]);

impl<'a> Deref for Arguments<'_, 'a> {
    type Target = [Value<'a>];

    fn deref(&self) -> &Self::Target {
        self.0
    }
}

impl<'s, 'a> Arguments<'s, 'a> {
    fn mistake<T>(&self, at: usize, expected: &'static str) -> Result<T, Mistake> {
        let message = match &self.0[at] {
            Value::Nil => format!("invalid value; expected {expected}"),
            value => format!("wrong type for value; expected {expected}; got {}", value.type_name()),
        };
        Err(Mistake::Argument { at, expected, message })
    }

    /// Returns a text.
    pub(super) fn text(&self, at: usize) -> Result<&'s str, Mistake> {
        match &self.0[at] {
            Value::Text(text) => Ok(text),
            _ => self.mistake(at, "string"),
        }
    }

    /// Returns a whole number.
    pub(super) fn int(&self, at: usize) -> Result<i64, Mistake> {
        match &self.0[at] {
            Value::Int(value, _) | Value::Named(_, value, _) => Ok(*value),
            // Literals such as `2.0` are whole numbers to Go.
            Value::Float(value) if value.fract() == 0.0 && value.abs() < 1e15 => Ok(*value as i64),
            _ => self.mistake(at, "int"),
        }
    }

    /// Returns a number with a fraction.
    pub(super) fn float(&self, at: usize) -> Result<f64, Mistake> {
        match &self.0[at] {
            Value::Float(value) => Ok(*value),
            Value::Int(value, _) => Ok(*value as f64),
            _ => self.mistake(at, "float64"),
        }
    }

    /// Returns a point in time.
    pub(super) fn time(&self, at: usize) -> Result<&'s Rc<Time>, Mistake> {
        match &self.0[at] {
            Value::Time(time) => Ok(time),
            _ => self.mistake(at, "time.Time"),
        }
    }

    /// Returns any values from this place on.
    pub(super) fn from(&self, at: usize) -> &'s [Value<'a>] {
        &self.0[at.min(self.0.len())..]
    }
}
