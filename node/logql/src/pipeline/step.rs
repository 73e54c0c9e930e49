//! The stages that are run line by line, after the line filters that could run over whole columns.

use logmesh_protocol::time::Timestamp;

use super::colours;
use super::filter::Filter;
use super::format::{Formats, LineFormat};
use super::json::{JsonFlaw, JsonScanner, Place, push_sanitized, push_value, sanitized_len};
use super::labels::{ERROR, ERROR_DETAILS, Extract, FieldSink, RowLabels, TooManyFields, Wanted};
use super::line::LineTest;
use super::logfmt;
use crate::ast::{Extraction, LabelPick, Stage};
use crate::error::PlanError;
use crate::paths::{PathStep, parse_path};
use crate::patterns::CapturePattern;
use crate::regexes::{GroupRegex, grouped};
use crate::selector::TextTest;

/// A stage, ready to run.
#[derive(Debug)]
pub(super) enum Step {
    Json,
    JsonPaths { labels: Vec<String>, paths: Vec<Vec<PathStep>> },
    Logfmt { strict: bool, keep_empty: bool, fields: Vec<Extraction> },
    Pattern(CapturePattern),
    Regexp(GroupRegex),
    Unpack,
    Decolorize,
    LineTest(LineTest),
    Filter(Filter),
    LineFormat(LineFormat),
    LabelFormat(Formats),
    Drop(Vec<Pick>),
    Keep(Vec<Pick>),
}

/// A label that is dropped or kept, perhaps only if its value matches.
#[derive(Debug)]
pub(super) struct Pick {
    name: String,
    test: Option<TextTest>,
}

/// What the steps of one line share.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    json: JsonScanner,
    places: Vec<Place>,
    text: String,
    /// The line as a step made it; the stored one counts unless `changed`.
    line: String,
    changed: bool,
}

/// What a step is given besides the labels.
pub(super) struct Run<'r> {
    /// The line as it is stored.
    pub(super) stored: &'r [u8],
    /// Which labels are worth taking out.
    pub(super) wanted: &'r Wanted,
    /// What templates take for the present.
    pub(super) now: Timestamp,
    /// Scratch space.
    pub(super) scratch: &'r mut Scratch,
}

impl Scratch {
    /// Begins a line.
    pub(super) fn begin(&mut self) {
        self.changed = false;
    }

    /// Returns the line as the steps so far left it.
    pub(super) fn line<'l>(&'l self, stored: &'l [u8]) -> &'l [u8] {
        if self.changed { self.line.as_bytes() } else { stored }
    }

    /// Makes what stands in `text` the line.
    fn set_line(&mut self) {
        std::mem::swap(&mut self.line, &mut self.text);
        self.changed = true;
    }
}

impl Step {
    /// Compiles a stage.
    pub(super) fn new(stage: &Stage) -> Result<Self, PlanError> {
        Ok(match stage {
            Stage::LineFilter(filter) => Step::LineTest(LineTest::new(filter)?),
            Stage::Json(fields) if fields.is_empty() => Step::Json,
            Stage::Json(fields) => Step::JsonPaths {
                labels: fields.iter().map(|field| field.label.clone()).collect(),
                paths: fields.iter().map(|field| parse_path(&field.expression)).collect::<Result<_, _>>()?,
            },
            Stage::Logfmt { strict, keep_empty, fields } => {
                Step::Logfmt { strict: *strict, keep_empty: *keep_empty, fields: fields.clone() }
            }
            Stage::Pattern(pattern) => Step::Pattern(CapturePattern::new(pattern)?),
            Stage::Regexp(pattern) => Step::Regexp(grouped(pattern)?),
            Stage::Unpack => Step::Unpack,
            Stage::Decolorize => Step::Decolorize,
            Stage::LabelFilter(filter) => Step::Filter(Filter::new(filter)?),
            Stage::LineFormat(template) => Step::LineFormat(LineFormat::new(template)?),
            Stage::LabelFormat(formats) => Step::LabelFormat(Formats::new(formats)?),
            Stage::Drop(picks) => Step::Drop(picks.iter().map(Pick::new).collect::<Result<_, _>>()?),
            Stage::Keep(picks) => Step::Keep(picks.iter().map(Pick::new).collect::<Result<_, _>>()?),
        })
    }

    /// Tells whether the step can drop lines.
    pub(super) fn filters(&self) -> bool {
        matches!(self, Step::Filter(_) | Step::LineTest(_))
    }

    /// Tells whether the step can change the line.
    pub(super) fn changes_line(&self) -> bool {
        matches!(self, Step::Unpack | Step::Decolorize | Step::LineFormat(_))
    }

    /// Runs the step; tells whether the line passes.
    pub(super) fn run(&mut self, run: &mut Run<'_>, row: &mut RowLabels<'_>) -> bool {
        match self {
            Step::Json => json(run, row),
            Step::JsonPaths { labels, paths } => json_paths(labels, paths, run, row),
            Step::Logfmt { strict, keep_empty, fields } if fields.is_empty() => {
                logfmt_all(*strict, *keep_empty, run, row);
            }
            Step::Logfmt { strict, fields, .. } => logfmt_named(*strict, fields, run, row),
            Step::Pattern(pattern) => {
                let mut extract = Extract { row, wanted: run.wanted };
                pattern.captures(&text(run), |name, value| extract.offer(name, value));
            }
            Step::Regexp(regex) => regexp(regex, run, row),
            Step::Unpack => unpack(run, row),
            Step::Decolorize => decolorize(run),
            Step::LineTest(test) => return test.matches(run.scratch.line(run.stored)),
            Step::Filter(filter) => return filter.passes(row),
            Step::LineFormat(format) => line_format(format, run, row),
            Step::LabelFormat(formats) => formats.apply(&text(run), run.now, row),
            Step::Drop(picks) => drop_labels(picks, row),
            Step::Keep(picks) => row.retain(|name, value| picks.iter().any(|pick| pick.picks(name, value))),
        }
        true
    }
}

/// Returns the line at hand as text. Lines are UTF-8, so nothing is replaced unless a store broke its promise.
fn text<'l>(run: &'l Run<'_>) -> std::borrow::Cow<'l, str> {
    String::from_utf8_lossy(run.scratch.line(run.stored))
}

fn json(run: &mut Run<'_>, row: &mut RowLabels<'_>) {
    let Scratch { json, line, changed, .. } = &mut *run.scratch;
    let line = if *changed { line.as_bytes() } else { run.stored };
    let mut extract = Extract { row: &mut *row, wanted: run.wanted };
    if let Err(flaw) = json.scan(line, &mut extract) {
        row.fields.set_error(JSON_ERROR, flaw.to_string());
    }
}

fn json_paths(labels: &[String], paths: &[Vec<PathStep>], run: &mut Run<'_>, row: &mut RowLabels<'_>) {
    let Scratch { json, places, text, line, changed } = &mut *run.scratch;
    let line = if *changed { line.as_bytes() } else { run.stored };
    if let Err(flaw) = json.pick(line, paths, places) {
        row.fields.set_error(JSON_ERROR, flaw.to_string());
        return;
    }
    let mut extract = Extract { row, wanted: run.wanted };
    for (label, place) in labels.iter().zip(places) {
        text.clear();
        if let Some(place) = place {
            push_value(line, *place, text);
        }
        extract.offer(label, text);
    }
}

fn logfmt_all(strict: bool, keep_empty: bool, run: &mut Run<'_>, row: &mut RowLabels<'_>) {
    let Scratch { text, line, changed, .. } = &mut *run.scratch;
    let line = if *changed { line.as_bytes() } else { run.stored };
    let mut extract = Extract { row: &mut *row, wanted: run.wanted };
    let scanned = logfmt::scan(line, strict, |key, value| {
        if value.is_empty() && !keep_empty {
            return Ok(());
        }
        if sanitized_len(key).is_some_and(|len| extract.rules_out(len) == Ok(true)) {
            return Ok(());
        }
        text.clear();
        push_sanitized(text, key);
        if !extract.wants(text)? {
            return Ok(());
        }
        let name_len = text.len();
        value.push_to(text);
        let (name, value) = text.split_at(name_len);
        extract.take(name, value);
        Ok::<(), TooManyFields>(())
    });
    if let Err(flaw) = scanned {
        row.fields.set_error(LOGFMT_ERROR, flaw.to_string());
    }
}

fn logfmt_named(strict: bool, fields: &[Extraction], run: &mut Run<'_>, row: &mut RowLabels<'_>) {
    let Scratch { text, line, changed, .. } = &mut *run.scratch;
    let line = if *changed { line.as_bytes() } else { run.stored };
    let mut extract = Extract { row: &mut *row, wanted: run.wanted };
    let mut found = 0u64;
    let scanned = logfmt::scan(line, strict, |key, value| {
        for (at, field) in fields.iter().enumerate() {
            if field.expression.as_bytes() == key && found & (1 << at) == 0 {
                found |= 1 << at;
                text.clear();
                value.push_to(text);
                extract.offer(&field.label, text);
            }
        }
        Ok::<(), TooManyFields>(())
    });
    // A label that was asked for by name is there in any case.
    for (at, field) in fields.iter().enumerate() {
        if found & (1 << at) == 0 {
            extract.offer(&field.label, "");
        }
    }
    if let Err(flaw) = scanned {
        row.fields.set_error(LOGFMT_ERROR, flaw.to_string());
    }
}

fn regexp(regex: &GroupRegex, run: &Run<'_>, row: &mut RowLabels<'_>) {
    let line = text(run);
    let Some(groups) = regex.regex.groups(&line) else { return };
    let mut extract = Extract { row, wanted: run.wanted };
    for (at, name) in &regex.groups {
        extract.offer(name, groups.get(*at).unwrap_or_default());
    }
}

/// Takes a packed line apart; a JSON object without `_entry` is no packed line, and stays as it is.
fn unpack(run: &mut Run<'_>, row: &mut RowLabels<'_>) {
    let Scratch { json, places, text, line, changed } = &mut *run.scratch;
    let packed = if *changed { line.as_bytes() } else { run.stored };
    let entry = [vec![PathStep::Key(ENTRY.to_owned())]];
    if packed.is_empty() {
        return;
    }
    let object = packed.trim_ascii_start().starts_with(b"{");
    let picked = if object { json.pick(packed, &entry, places) } else { Err(JsonFlaw::Object) };
    if let Err(flaw) = picked {
        row.fields.set_error(JSON_ERROR, flaw.to_string());
        return;
    }
    let Some(place) = places[0].filter(|(start, _)| packed[*start] == b'"') else { return };
    text.clear();
    push_value(packed, place, text);
    let mut extract = Extract { row: &mut *row, wanted: run.wanted };
    let mut name = String::new();
    let unpacked = json.texts(packed, |key, value| {
        if key != ENTRY {
            name.clear();
            push_sanitized(&mut name, key.as_bytes());
            extract.offer(&name, value);
        }
    });
    if let Err(flaw) = unpacked {
        row.fields.set_error(JSON_ERROR, flaw.to_string());
    }
    run.scratch.set_line();
}

fn decolorize(run: &mut Run<'_>) {
    let mut out = std::mem::take(&mut run.scratch.text);
    out.clear();
    let found = colours::strip(&text(run), &mut out);
    run.scratch.text = out;
    if found {
        run.scratch.set_line();
    }
}

fn line_format(format: &mut LineFormat, run: &mut Run<'_>, row: &mut RowLabels<'_>) {
    let mut out = std::mem::take(&mut run.scratch.text);
    out.clear();
    let rendered = format.render(&text(run), run.now, row, &mut out);
    run.scratch.text = out;
    if rendered {
        run.scratch.set_line();
    }
}

fn drop_labels(picks: &[Pick], row: &mut RowLabels<'_>) {
    for pick in picks {
        let Some(value) = row.value(&pick.name) else { continue };
        if !pick.picks(&pick.name, value) {
            continue;
        }
        match pick.name.as_str() {
            ERROR => row.fields.clear_error(),
            ERROR_DETAILS => row.fields.clear_error_details(),
            name => row.remove(name),
        }
    }
}

impl Pick {
    fn new(pick: &LabelPick) -> Result<Self, PlanError> {
        Ok(match pick {
            LabelPick::Name(name) => Self { name: name.clone(), test: None },
            LabelPick::Matcher(matcher) => Self { name: matcher.name.clone(), test: Some(TextTest::new(matcher)?) },
        })
    }

    fn picks(&self, name: &str, value: &str) -> bool {
        self.name == name && self.test.as_ref().is_none_or(|test| test.matches(value))
    }
}

/// The field of a packed line that holds the line itself.
const ENTRY: &str = "_entry";
const JSON_ERROR: &str = "JSONParserErr";
const LOGFMT_ERROR: &str = "LogfmtParserErr";
