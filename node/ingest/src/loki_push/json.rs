//! The JSON form: `{"streams":[{"stream":{…},"values":[["<ns>","line",{metadata}?]…]}]}`, and the one before it, which old
//! clients still send: `{"streams":[{"labels":"{app=\"web\"}","entries":[{"ts":"<RFC 3339>","line":"…"}]}]}`.

use std::borrow::Cow;

use logmesh_protocol::time::Timestamp;

use super::timestamp_of;
use crate::accepted::Accepted;
use crate::body::{BodyError, shortened};
use crate::intake::{Flaw, Intake, StreamAt};
use crate::json::{Json, JsonError};
use crate::labels::{self, LabelFlaw};
use crate::limits::Limits;
use crate::metadata::Metadata;
use crate::selector;

/// Decodes a push in JSON. A value of the wrong type anywhere (a timestamp that is a number, a metadata value that is not
/// a string) makes the whole push malformed, as it does in Loki; unknown keys are skipped.
pub fn decode_json(body: &[u8], limits: &Limits, now: Timestamp) -> Result<Accepted, BodyError> {
    if body.len() > limits.body_bytes_max {
        return Err(BodyError::too_large(limits));
    }
    let mut push = Push {
        json: Json::new(body),
        intake: Intake::new(limits, now),
        metadata: Metadata::new(limits),
        line: String::new(),
        value: String::new(),
    };
    let stream_count = push.body()?;
    push.json.end()?;
    if stream_count == 0 { Err(BodyError::NoStreams) } else { Ok(push.intake.finish()) }
}

struct Push<'a> {
    json: Json<'a>,
    intake: Intake<'a>,
    metadata: Metadata,
    line: String,
    value: String,
}

impl<'a> Push<'a> {
    /// Returns how many streams there were.
    fn body(&mut self) -> Result<usize, BodyError> {
        let (mut first, mut stream_count) = (true, 0);
        self.json.take(b'{', "an object with \"streams\"")?;
        while let Some(key) = self.json.next_key(&mut first)? {
            if key != "streams" {
                self.json.skip_value()?;
            } else if !self.json.take_null()? {
                let mut first = true;
                self.json.take(b'[', "a list of streams")?;
                while self.json.next_element(&mut first)? {
                    self.stream()?;
                    stream_count += 1;
                }
            }
        }
        Ok(stream_count)
    }

    fn stream(&mut self) -> Result<(), BodyError> {
        let (mut stream, mut first) = (None, true);
        let mut early = None;
        self.json.take(b'{', "a stream")?;
        while let Some(key) = self.json.next_key(&mut first)? {
            let form = match &*key {
                "stream" => {
                    stream = Some(self.labels()?);
                    continue;
                }
                "labels" => {
                    stream = Some(self.selector()?);
                    continue;
                }
                "values" => Form::Values,
                "entries" => Form::Entries,
                _ => {
                    self.json.skip_value()?;
                    continue;
                }
            };
            match stream {
                Some(stream) => self.list(form, stream)?,
                None => {
                    // The labels come later: this place is read again when they are known.
                    early = Some((form, self.json));
                    self.json.skip_value()?;
                }
            }
        }
        let Some((form, place)) = early else { return Ok(()) };
        let stream = stream.unwrap_or_else(|| self.intake.stream(b"{}", || Err(LabelFlaw::None)));
        let end = std::mem::replace(&mut self.json, place);
        self.list(form, stream)?;
        self.json = end;
        Ok(())
    }

    fn labels(&mut self) -> Result<StreamAt, BodyError> {
        self.json.peek();
        let start = self.json;
        let pairs = label_pairs(&mut self.json)?;
        let limits = self.intake.limits();
        Ok(self.intake.stream(start.until(&self.json), || labels::check(pairs, limits)))
    }

    /// Reads labels in the text form of the old shape.
    fn selector(&mut self) -> Result<StreamAt, BodyError> {
        self.json.peek();
        let start = self.json;
        let text = self.json.string("labels such as \"{app=\\\"web\\\"}\"")?;
        let limits = self.intake.limits();
        Ok(self.intake.stream(start.until(&self.json), || labels::check(selector::parse(&text)?, limits)))
    }

    fn list(&mut self, form: Form, stream: StreamAt) -> Result<(), BodyError> {
        if self.json.take_null()? {
            return Ok(());
        }
        let mut first = true;
        self.json.take(b'[', "a list of entries")?;
        while self.json.next_element(&mut first)? {
            match form {
                Form::Values => self.entry(stream)?,
                Form::Entries => self.old_entry(stream)?,
            }
        }
        Ok(())
    }

    fn old_entry(&mut self, stream: StreamAt) -> Result<(), BodyError> {
        let (json, mut first) = (&mut self.json, true);
        json.take(b'{', "an entry: {\"ts\": \"<RFC 3339>\", \"line\": \"…\"}")?;
        self.metadata.clear();
        let (mut timestamp, mut line) = (None, Cow::Borrowed(""));
        while let Some(key) = json.next_key(&mut first)? {
            match &*key {
                "ts" => timestamp = Some(rfc3339(&json.string("a time in RFC 3339 (a string)")?)),
                "line" => line = json.string("a line (a string)")?,
                _ => json.skip_value()?,
            }
        }
        match timestamp.unwrap_or_else(|| rfc3339("")) {
            Ok(timestamp) => self.intake.push(stream, timestamp, &self.metadata, &line),
            Err(flaw) => {
                self.intake.reject(stream, &flaw);
                Ok(())
            }
        }
    }

    fn entry(&mut self, stream: StreamAt) -> Result<(), BodyError> {
        let (json, mut first) = (&mut self.json, true);
        json.take(b'[', "an entry: [\"<nanoseconds>\", \"line\"]")?;
        self.metadata.clear();
        if !json.next_element(&mut first)? {
            return Err(json.error("a timestamp").into());
        }
        let timestamp = json.string_in(&mut self.value, "a string of nanoseconds since 1970")?;
        let timestamp = timestamp_of(timestamp);
        if !json.next_element(&mut first)? {
            return Err(json.error("a line").into());
        }
        let line = json.string_in(&mut self.line, "a line (a string)")?;
        if json.next_element(&mut first)? {
            metadata(json, &mut self.metadata, &mut self.value)?;
            if json.next_element(&mut first)? {
                return Err(json.error("no more than a timestamp, a line and metadata").into());
            }
        }
        match timestamp {
            Ok(timestamp) => self.intake.push(stream, timestamp, &self.metadata, line),
            Err(flaw) => {
                self.intake.reject(stream, &flaw);
                Ok(())
            }
        }
    }
}

/// Which list of entries a stream has.
#[derive(Clone, Copy)]
enum Form {
    /// `values`: lists of a time, a line and metadata.
    Values,
    /// `entries`: objects with a time and a line.
    Entries,
}

fn rfc3339(text: &str) -> Result<i64, Flaw> {
    let timestamp = text.parse::<jiff::Timestamp>().ok();
    let nanos = timestamp.and_then(|timestamp| i64::try_from(timestamp.as_nanosecond()).ok());
    nanos.ok_or_else(|| Flaw::NotRfc3339(shortened(text)))
}

fn label_pairs(json: &mut Json<'_>) -> Result<Vec<(String, String)>, JsonError> {
    let (mut pairs, mut first) = (Vec::new(), true);
    json.take(b'{', "an object of labels")?;
    while let Some(name) = json.next_key(&mut first)? {
        pairs.push((name.into_owned(), json.string("a label's value (a string)")?.into_owned()));
    }
    Ok(pairs)
}

fn metadata(json: &mut Json<'_>, metadata: &mut Metadata, value: &mut String) -> Result<(), JsonError> {
    if json.take_null()? {
        return Ok(());
    }
    let mut first = true;
    json.take(b'{', "an object of metadata")?;
    while let Some(name) = json.next_key(&mut first)? {
        metadata.put(&name, json.string_in(value, "a metadata value (a string)")?);
    }
    Ok(())
}
