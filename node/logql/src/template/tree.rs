//! The tree of a template.

use super::functions::Function;
use super::{TemplateError, TemplateFailure};

/// A whole template.
#[derive(Clone, Debug)]
pub(super) struct Program {
    /// What it is called in messages.
    pub(super) name: &'static str,
    /// Its text, for messages.
    pub(super) text: String,
    /// What it does.
    pub(super) body: Vec<Node>,
    /// The templates defined within it.
    pub(super) defined: Vec<(String, Vec<Node>)>,
}

/// A stretch of the template's text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: usize,
    pub(super) end: usize,
}

/// What went wrong in a rendering, and where.
#[derive(Debug)]
pub(super) struct Flaw {
    pub(super) span: Span,
    pub(super) message: String,
}

/// One piece of a template.
#[derive(Clone, Debug)]
pub(super) enum Node {
    /// Text as it stands.
    Text(String),
    /// A label of the line, which is most of what templates are made of.
    Label(String),
    /// A pipeline; its value is written unless it declares or assigns.
    Action(Pipe),
    /// `if`
    If(Branch),
    /// `with`
    With(Branch),
    /// `range`
    Range(Branch),
    /// `break`
    Break,
    /// `continue`
    Continue,
    /// A call of a template defined elsewhere.
    Call { span: Span, name: String, pipe: Option<Pipe> },
}

/// A condition and what follows from it.
#[derive(Clone, Debug)]
pub(super) struct Branch {
    pub(super) pipe: Pipe,
    pub(super) then: Vec<Node>,
    pub(super) otherwise: Vec<Node>,
}

/// Commands, each taking the value of the one before as its last argument.
#[derive(Clone, Debug)]
pub(super) struct Pipe {
    pub(super) span: Span,
    /// The variables that take its value; two only in `range`.
    pub(super) variables: Vec<String>,
    /// Whether those are there already.
    pub(super) assigns: bool,
    pub(super) commands: Vec<Command>,
}

/// A value, or a function and its arguments.
#[derive(Clone, Debug)]
pub(super) struct Command {
    pub(super) span: Span,
    /// Never empty.
    pub(super) operands: Vec<Operand>,
}

/// One word of a command.
#[derive(Clone, Debug)]
pub(super) struct Operand {
    pub(super) span: Span,
    pub(super) kind: OperandKind,
}

/// The kinds of words.
#[derive(Clone, Debug)]
pub(super) enum OperandKind {
    /// `.`
    Dot,
    /// `nil`
    Nil,
    /// `true`, `false`
    Bool(bool),
    /// A whole number or a character.
    Int(i64),
    /// A number with a point or an exponent.
    Float(f64),
    /// A quoted text.
    Text(String),
    /// `.a.b`
    Field(Vec<String>),
    /// `$x.a.b`, the name with its dollar.
    Variable(String, Vec<String>),
    /// A function's name.
    Function(&'static Function),
    /// A pipeline in parentheses.
    Pipe(Box<Pipe>),
    /// Fields of any other operand.
    Chain(Box<Operand>, Vec<String>),
}

impl Program {
    /// Returns the error for what is wrong at byte `at`.
    pub(super) fn error(name: &'static str, text: &str, at: usize, message: String) -> TemplateError {
        let line = text.get(..at).unwrap_or(text).matches('\n').count() + 1;
        TemplateError { name, line, at, message }
    }

    /// Says where a rendering failed.
    pub(super) fn failure(&self, flaw: Flaw) -> TemplateFailure {
        let before = self.text.get(..flaw.span.start).unwrap_or(&self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let context = self.text.get(flaw.span.start..flaw.span.end).unwrap_or_default();
        let mut shown: String = context.chars().take(CONTEXT_CHARS_MAX).collect();
        if shown.len() < context.len() {
            shown.push_str("...");
        }
        TemplateFailure {
            name: self.name,
            line: before.matches('\n').count() + 1,
            column: before.len() - line_start,
            context: shown,
            message: flaw.message,
        }
    }
}

/// How much of the template a failure quotes.
const CONTEXT_CHARS_MAX: usize = 200;
