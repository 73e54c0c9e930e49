//! `line_format` and `label_format`: templates over the labels of a line, its text and its time.

use logmesh_protocol::time::Timestamp;

use super::labels::RowLabels;
use crate::ast::{FormatValue, LabelFormat};
use crate::error::PlanError;
use crate::template::{Template, TemplateFailure, TemplateRow};

/// A template that makes lines.
#[derive(Debug)]
pub(super) struct LineFormat(Template);

impl LineFormat {
    /// Compiles a template.
    pub(super) fn new(template: &str) -> Result<Self, PlanError> {
        Ok(Self(compile("line", template)?))
    }

    /// Appends the new line to `out`. A failure becomes the error of the line; returns whether there was none.
    pub(super) fn render(&mut self, line: &str, now: Timestamp, row: &mut RowLabels<'_>, out: &mut String) -> bool {
        let rendered = self.0.render(&Labelled { labels: row, line, now }, out);
        if let Err(failure) = &rendered {
            row.fields.set_error(TEMPLATE_ERROR, failure.to_string());
        }
        rendered.is_ok()
    }
}

/// What becomes of labels, one after the other.
#[derive(Debug)]
pub(super) struct Formats(Vec<(String, Format)>);

#[derive(Debug)]
enum Format {
    Rename(String),
    Template(Box<Template>),
}

impl Formats {
    /// Compiles the formats of a stage.
    pub(super) fn new(formats: &[LabelFormat]) -> Result<Self, PlanError> {
        let format = |format: &LabelFormat| {
            let compiled = match &format.value {
                FormatValue::Rename(from) => Format::Rename(from.clone()),
                FormatValue::Template(template) => Format::Template(Box::new(compile("label", template)?)),
            };
            Ok((format.label.clone(), compiled))
        };
        Ok(Self(formats.iter().map(format).collect::<Result<_, PlanError>>()?))
    }

    /// Sets the labels, one after the other. All templates of a stage see the labels as the first of them finds them, so
    /// two may change places, and none sees what another sets. A template that fails sets none, and becomes the error of
    /// the line.
    pub(super) fn apply(&mut self, line: &str, now: Timestamp, row: &mut RowLabels<'_>) {
        let is_template = |(_, format): &(String, Format)| matches!(format, Format::Template(_));
        let first = self.0.iter().position(is_template).unwrap_or(self.0.len());
        let (before, others) = self.0.split_at_mut(first);
        for (label, format) in before {
            format.apply(label, None, row);
        }
        let seen = Labelled { labels: row, line, now };
        let values: Vec<_> = others.iter_mut().map(|(_, format)| format.render(&seen)).collect();
        for ((label, format), value) in others.iter().zip(values) {
            format.apply(label, value, row);
        }
    }
}

impl Format {
    /// Returns what the template makes of a line; a renaming needs nothing of the kind.
    fn render(&mut self, seen: &Labelled<'_, '_>) -> Option<Result<String, TemplateFailure>> {
        let Format::Template(template) = self else { return None };
        let mut value = String::new();
        Some(template.render(seen, &mut value).map(|()| value))
    }

    /// Sets `label`.
    fn apply(&self, label: &str, rendered: Option<Result<String, TemplateFailure>>, row: &mut RowLabels<'_>) {
        match (self, rendered) {
            (Format::Rename(from), _) => row.rename(from, label),
            (Format::Template(_), Some(Ok(value))) => row.set(label, &value),
            (Format::Template(_), Some(Err(failure))) => row.fields.set_error(TEMPLATE_ERROR, failure.to_string()),
            (Format::Template(_), None) => {}
        }
    }
}

/// Compiles a template, which errors call `name`.
pub(crate) fn compile(name: &'static str, template: &str) -> Result<Template, PlanError> {
    Template::parse(name, template).map_err(|error| PlanError::Template(error.to_string()))
}

/// What a template sees of a line.
#[derive(Debug)]
struct Labelled<'r, 'a> {
    labels: &'r RowLabels<'a>,
    line: &'r str,
    now: Timestamp,
}

impl TemplateRow for Labelled<'_, '_> {
    fn label(&self, name: &str) -> Option<&str> {
        self.labels.value(name)
    }

    fn each_label<'r>(&'r self, each: &mut dyn FnMut(&'r str, &'r str)) {
        self.labels.iter().for_each(|(name, value)| each(name, value));
    }

    fn line(&self) -> &str {
        self.line
    }

    fn timestamp(&self) -> Timestamp {
        self.labels.timestamp
    }

    fn now(&self) -> Timestamp {
        self.now
    }
}

const TEMPLATE_ERROR: &str = "TemplateFormatErr";
