//! Go's `text/template` language with the functions that LogQL documents, for `line_format` and `label_format`.
//!
//! text → [`lexer`] → tokens → [`parser`] → tree ([`tree`]) → [`render`], once for each line. Whatever the template says, one
//! rendering ends within [`STEPS_MAX`] steps and [`OUTPUT_BYTES_MAX`] bytes: the language has loops, the text comes from
//! clients.
//!
//! Where it differs from Go: complex numbers, channels and functions as values do not exist here; strings are cut at
//! characters, not at bytes, for a line is always UTF-8; and `Local` is UTC, so that all nodes give the same answer.

mod arguments;
mod builtins;
mod decimal;
mod format;
mod functions;
mod layout;
mod lexer;
mod names;
mod number;
mod parser;
mod patterns;
mod render;
mod scope;
mod time;
mod tree;
mod value;

use std::fmt;

use logmesh_protocol::time::Timestamp;
use thiserror::Error;

pub use names::Names;
use patterns::Patterns;
use tree::Program;

/// The most bytes that a template may have; a longer one is refused.
pub const TEMPLATE_BYTES_MAX: usize = 64 << 10;
/// The most blocks, parentheses and calls of templates within each other; deeper ones are refused, or fail.
pub const TEMPLATE_NESTING_MAX: usize = 50;
/// The most steps of one rendering: nodes and commands, and what functions read and write, 64 bytes a step. With more it
/// fails. A guess: about ten milliseconds.
pub const STEPS_MAX: u64 = 200_000;
/// The most bytes that one rendering, or one value on its way to it, may have; with more it fails. Four times the longest
/// line that is taken in by default.
pub const OUTPUT_BYTES_MAX: usize = 1 << 20;

/// A template, ready to be rendered line after line.
#[derive(Clone, Debug)]
pub struct Template {
    program: Program,
    patterns: Patterns,
}

/// What a template is rendered with.
pub trait TemplateRow: fmt::Debug {
    /// Returns the value of the label `name`.
    fn label(&self, name: &str) -> Option<&str>;

    /// Calls `each` with the name and the value of every label, in any order.
    fn each_label<'r>(&'r self, each: &mut dyn FnMut(&'r str, &'r str));

    /// Returns the line as it stands before the template.
    fn line(&self) -> &str;

    /// Returns when the line happened.
    fn timestamp(&self) -> Timestamp;

    /// Returns what the template shall take for the present, the same for all lines of a query.
    fn now(&self) -> Timestamp;
}

/// A text that is no template, and where. Reads like the messages of Go's library, which clients show.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("template: {name}:{line}: {message}")]
pub struct TemplateError {
    /// What the template is called in messages.
    pub name: &'static str,
    /// The line within the template, from 1.
    pub line: usize,
    /// The byte within the template.
    pub at: usize,
    /// What was found and what was expected.
    pub message: String,
}

/// A rendering that failed. Reads like the messages of Go's library: it becomes the `__error_details__` of a line.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("template: {name}:{line}:{column}: executing \"{name}\" at <{context}>: {message}")]
pub struct TemplateFailure {
    /// What the template is called in messages.
    pub name: &'static str,
    /// The line within the template, from 1.
    pub line: usize,
    /// The byte within that line, from 0.
    pub column: usize,
    /// The piece of the template that was being evaluated.
    pub context: String,
    /// What went wrong.
    pub message: String,
}

impl Template {
    /// Reads a template; `name` is what its errors call it: `line`, `label`.
    pub fn parse(name: &'static str, text: &str) -> Result<Self, TemplateError> {
        Ok(Self { program: parser::parse(name, text)?, patterns: Patterns::default() })
    }

    /// Returns the labels that a rendering may read.
    pub fn names(&self) -> Names {
        names::names(&self.program)
    }

    /// Tells whether a rendering may read the line.
    pub fn reads_line(&self) -> bool {
        names::reads_line(&self.program)
    }

    /// Renders the template at the end of `out`. After a failure `out` is as it was before.
    pub fn render(&mut self, row: &dyn TemplateRow, out: &mut String) -> Result<(), TemplateFailure> {
        let start = out.len();
        let rendered = render::render(&self.program, &mut self.patterns, row, out);
        rendered.map_err(|flaw| {
            out.truncate(start);
            self.program.failure(flaw)
        })
    }
}

#[cfg(test)]
mod tests;
