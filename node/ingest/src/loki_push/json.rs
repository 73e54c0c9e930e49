//! The JSON form: `{"streams":[{"stream":{…},"values":[["<ns>","line",{metadata}?]…]}]}`.

use logmesh_protocol::time::Timestamp;

use super::timestamp_of;
use crate::accepted::Accepted;
use crate::body::BodyError;
use crate::intake::{Intake, StreamAt};
use crate::json::{Json, JsonError};
use crate::labels;
use crate::limits::Limits;
use crate::metadata::Metadata;

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
        let mut early_values = None;
        self.json.take(b'{', "a stream")?;
        while let Some(key) = self.json.next_key(&mut first)? {
            match (&*key, stream) {
                ("stream", _) => stream = Some(self.labels()?),
                ("values", Some(stream)) => self.values(stream)?,
                ("values", None) => {
                    // The labels come later: this place is read again when they are known.
                    early_values = Some(self.json);
                    self.json.skip_value()?;
                }
                _ => self.json.skip_value()?,
            }
        }
        let Some(values) = early_values else { return Ok(()) };
        let stream = stream.unwrap_or_else(|| self.intake.stream(b"{}", || Err(labels::LabelFlaw::None)));
        let end = std::mem::replace(&mut self.json, values);
        self.values(stream)?;
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

    fn values(&mut self, stream: StreamAt) -> Result<(), BodyError> {
        if self.json.take_null()? {
            return Ok(());
        }
        let mut first = true;
        self.json.take(b'[', "a list of entries")?;
        while self.json.next_element(&mut first)? {
            self.entry(stream)?;
        }
        Ok(())
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
