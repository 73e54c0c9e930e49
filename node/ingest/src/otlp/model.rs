//! One log record, scope or resource as both forms of OTLP say it, borrowed from the body.

use std::borrow::Cow;

use super::value::Value;
use crate::intake::Flaw;

pub(super) type Attributes<'a> = Vec<(Cow<'a, str>, Value<'a>)>;

/// `opentelemetry.proto.logs.v1.LogRecord`. Ids are hex.
#[derive(Debug, Default)]
pub(super) struct LogRecord<'a> {
    pub(super) time_unix_nano: u64,
    pub(super) observed_time_unix_nano: u64,
    pub(super) severity_number: u32,
    pub(super) severity_text: Cow<'a, str>,
    pub(super) body: Value<'a>,
    pub(super) attributes: Attributes<'a>,
    pub(super) dropped_attributes_count: u32,
    pub(super) flags: u32,
    pub(super) trace_id: Cow<'a, str>,
    pub(super) span_id: Cow<'a, str>,
    pub(super) event_name: Cow<'a, str>,
}

impl LogRecord<'_> {
    /// Makes the record as new, but keeps the room of its attributes for the next.
    pub(super) fn clear(&mut self) {
        let mut attributes = std::mem::take(&mut self.attributes);
        attributes.clear();
        *self = Self { attributes, ..Self::default() };
    }
}

/// `opentelemetry.proto.common.v1.InstrumentationScope`.
#[derive(Debug, Default)]
pub(super) struct Scope<'a> {
    pub(super) name: Cow<'a, str>,
    pub(super) version: Cow<'a, str>,
    pub(super) attributes: Attributes<'a>,
}

/// How much one record, scope or resource may still make the decoder allocate: an attribute of two bytes takes fifty here.
/// What lies beyond is read over, and the flaw noted.
#[derive(Debug)]
pub(super) struct Bounds {
    depth: usize,
    values: usize,
    flaw: Option<Flaw>,
}

impl Bounds {
    pub(super) fn new() -> Self {
        Self { depth: 0, values: 0, flaw: None }
    }

    /// Steps into a value; returns false where it must be read over. Each step in is followed by a step out.
    pub(super) fn enter(&mut self) -> bool {
        if self.depth == DEPTH_MAX {
            self.flaw.get_or_insert(Flaw::TooDeep { max: DEPTH_MAX / 2 });
        } else if self.values == VALUES_MAX {
            self.flaw.get_or_insert(Flaw::TooManyValues { max: VALUES_MAX });
        } else {
            self.depth += 1;
            self.values += 1;
            return true;
        }
        false
    }

    pub(super) fn leave(&mut self) {
        self.depth -= 1;
    }

    /// Tells whether another value could be kept; where not, the next step in notes it.
    pub(super) fn has_room(&self) -> bool {
        self.values <= VALUES_MAX && self.flaw.is_none()
    }

    pub(super) fn into_flaw(self) -> Option<Flaw> {
        self.flaw
    }
}

/// How deep entries and their values may be nested, each counted: 16 maps within each other. A guess: real attributes have
/// three levels; the stack holds thousands.
pub(super) const DEPTH_MAX: usize = 32;

/// How many entries and values one record, scope or resource may have. A guess: metadata has room for 128 and a body for some thousand.
pub(super) const VALUES_MAX: usize = 16_384;
