//! Renders a template's tree for one row.

use std::rc::Rc;

use super::arguments::{Arguments, Mistake};
use super::format;
use super::functions::Function;
use super::patterns::Patterns;
use super::scope::Scope;
use super::tree::{Branch, Command, Flaw, Node, Operand, OperandKind, Pipe, Program, Span};
use super::value::Value;
use super::{OUTPUT_BYTES_MAX, TEMPLATE_NESTING_MAX, TemplateRow};

/// Renders a template at the end of `out`.
pub(super) fn render(
    program: &Program,
    patterns: &mut Patterns,
    row: &dyn TemplateRow,
    out: &mut String,
) -> Result<(), Flaw> {
    let row_value = Value::Row(row);
    let mut render = Render {
        program,
        scope: Scope::new(row, patterns),
        start: out.len(),
        out,
        variables: vec![("$", row_value.clone())],
        depth: 0,
    };
    render.nodes(&program.body, &row_value)?;
    Ok(())
}

struct Render<'a, 'o> {
    program: &'a Program,
    scope: Scope<'a, 'o>,
    out: &'o mut String,
    /// Where in `out` this rendering begins.
    start: usize,
    /// The variables by name, the latest last.
    variables: Vec<(&'a str, Value<'a>)>,
    /// Blocks, parentheses and calls of templates within each other.
    depth: usize,
}

type Rendered<T> = Result<T, Flaw>;

/// How to go on after a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    Next,
    Break,
    Continue,
}

fn flaw<T>(span: Span, message: impl Into<String>) -> Rendered<T> {
    Err(Flaw { span, message: message.into() })
}

impl<'a> Render<'a, '_> {
    fn nodes(&mut self, nodes: &'a [Node], dot: &Value<'a>) -> Rendered<Flow> {
        for node in nodes {
            let flow = self.node(node, dot)?;
            if flow != Flow::Next {
                return Ok(flow);
            }
        }
        Ok(Flow::Next)
    }

    fn node(&mut self, node: &'a Node, dot: &Value<'a>) -> Rendered<Flow> {
        self.step(Span::default(), 0)?;
        match node {
            Node::Text(text) => self.write(text, Span::default())?,
            Node::Label(name) => {
                let row = self.scope.row;
                self.write(row.label(name).unwrap_or_default(), Span::default())?;
            }
            Node::Action(pipe) => {
                let value = self.pipe(pipe, dot)?;
                if pipe.variables.is_empty() {
                    self.write_value(&value, pipe.span)?;
                }
            }
            Node::If(branch) => return self.condition(branch, dot, false),
            Node::With(branch) => return self.condition(branch, dot, true),
            Node::Range(branch) => return self.range(branch, dot),
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
            Node::Call { span, name, pipe } => self.call_template(*span, name, pipe.as_ref(), dot)?,
        }
        Ok(Flow::Next)
    }

    fn step(&mut self, span: Span, bytes: usize) -> Rendered<()> {
        self.scope.step(bytes).or_else(|mistake| match mistake {
            Mistake::Calling(message) | Mistake::Argument { message, .. } => flaw(span, message),
        })
    }

    fn write(&mut self, text: &str, span: Span) -> Rendered<()> {
        if self.out.len() - self.start + text.len() > OUTPUT_BYTES_MAX {
            return flaw(span, format!("the template gives more than {OUTPUT_BYTES_MAX} bytes"));
        }
        self.step(span, text.len())?;
        self.out.push_str(text);
        Ok(())
    }

    fn write_value(&mut self, value: &Value<'a>, span: Span) -> Rendered<()> {
        match value {
            Value::Text(text) => self.write(text, span),
            Value::Nil => self.write("<no value>", span),
            _ => {
                let mut text = String::new();
                format::print(value, &mut text);
                self.write(&text, span)
            }
        }
    }

    fn enter(&mut self, span: Span) -> Rendered<()> {
        self.depth += 1;
        if self.depth > TEMPLATE_NESTING_MAX {
            return flaw(span, format!("nested deeper than {TEMPLATE_NESTING_MAX} levels"));
        }
        Ok(())
    }

    fn condition(&mut self, branch: &'a Branch, dot: &Value<'a>, with: bool) -> Rendered<Flow> {
        self.enter(branch.pipe.span)?;
        let known = self.variables.len();
        let value = self.pipe(&branch.pipe, dot)?;
        let flow = if value.is_true() {
            self.nodes(&branch.then, if with { &value } else { dot })?
        } else {
            self.nodes(&branch.otherwise, dot)?
        };
        self.variables.truncate(known);
        self.depth -= 1;
        Ok(flow)
    }

    fn range(&mut self, branch: &'a Branch, dot: &Value<'a>) -> Rendered<Flow> {
        let span = branch.pipe.span;
        self.enter(span)?;
        let known = self.variables.len();
        let value = self.pipe(&branch.pipe, dot)?;
        let looped = match &value {
            Value::Int(_, _) if branch.pipe.variables.len() > 1 => {
                return flaw(span, format!("can't use {} to iterate over more than one variable", printed(&value)));
            }
            Value::Int(count, _) => self.each(branch, (0..*count).map(|at| (Value::int(at), Value::int(at))))?,
            Value::List(list) => {
                let items = Rc::clone(list);
                self.each(branch, items.iter().enumerate().map(|(at, item)| (Value::count(at), item.clone())))?
            }
            Value::Map(map) => {
                let pairs = Rc::clone(map);
                self.each(branch, pairs.iter().map(|(name, item)| (Value::text(name.clone()), item.clone())))?
            }
            Value::Row(row) => {
                let pairs = super::value::row_pairs(*row);
                self.each(branch, pairs.into_iter().map(|(name, text)| (Value::text(name), Value::text(text))))?
            }
            Value::Nil => false,
            // What `fromJson` gives for something that is no JSON.
            Value::Text(text) if text.is_empty() => false,
            other @ (Value::Bool(_) | Value::Float(_) | Value::Text(_) | Value::Time(_) | Value::Named(..)) => {
                return flaw(span, format!("range can't iterate over {}", printed(other)));
            }
        };
        let flow = if looped { Flow::Next } else { self.nodes(&branch.otherwise, dot)? };
        self.variables.truncate(known);
        self.depth -= 1;
        Ok(flow)
    }

    /// Renders the body for each item, and tells whether there was any.
    fn each(&mut self, branch: &'a Branch, items: impl Iterator<Item = (Value<'a>, Value<'a>)>) -> Rendered<bool> {
        let known = self.variables.len();
        let mut looped = false;
        for (key, item) in items {
            looped = true;
            self.step(branch.pipe.span, 0)?;
            match &*branch.pipe.variables {
                [] => {}
                [name] => self.set_loop_variable(branch, name, item.clone()),
                [key_name, name, ..] => {
                    self.set_loop_variable(branch, key_name, key);
                    self.set_loop_variable(branch, name, item.clone());
                }
            }
            let flow = self.nodes(&branch.then, &item)?;
            self.variables.truncate(known);
            if flow == Flow::Break {
                break;
            }
        }
        Ok(looped)
    }

    fn set_loop_variable(&mut self, branch: &Branch, name: &'a str, value: Value<'a>) {
        if branch.pipe.assigns {
            self.assign(name, value);
        } else {
            self.variables.push((name, value));
        }
    }

    /// Gives the latest variable of this name another value; the parser knows that there is one.
    fn assign(&mut self, name: &str, value: Value<'a>) {
        if let Some((_, place)) = self.variables.iter_mut().rev().find(|(known, _)| *known == name) {
            *place = value;
        }
    }

    fn call_template(&mut self, span: Span, name: &str, pipe: Option<&'a Pipe>, dot: &Value<'a>) -> Rendered<()> {
        self.enter(span)?;
        let value = match pipe {
            Some(pipe) => self.pipe(pipe, dot)?,
            None => Value::Nil,
        };
        let program = self.program;
        let Some((_, body)) = program.defined.iter().find(|(defined, _)| defined == name) else {
            return flaw(span, format!("template {name:?} not defined"));
        };
        let outside = std::mem::replace(&mut self.variables, vec![("$", value.clone())]);
        self.nodes(body, &value)?;
        self.variables = outside;
        self.depth -= 1;
        Ok(())
    }

    fn pipe(&mut self, pipe: &'a Pipe, dot: &Value<'a>) -> Rendered<Value<'a>> {
        let mut value = None;
        for command in &pipe.commands {
            value = Some(self.command(command, dot, value)?);
        }
        let value = value.unwrap_or(Value::Nil);
        for name in &pipe.variables {
            if pipe.assigns {
                self.assign(name, value.clone());
            } else {
                self.variables.push((name, value.clone()));
            }
        }
        Ok(value)
    }

    /// Evaluates a command; `last` is the value that the one before hands over.
    fn command(&mut self, command: &'a Command, dot: &Value<'a>, last: Option<Value<'a>>) -> Rendered<Value<'a>> {
        self.step(command.span, 0)?;
        let (first, others) = command.operands.split_first().expect("the parser makes no empty command");
        if let OperandKind::Function(function) = &first.kind {
            return self.call(function, command, dot, last);
        }
        if others.is_empty() && last.is_none() {
            return self.operand(first, dot);
        }
        // Only methods take arguments here.
        let (receiver, fields) = match &first.kind {
            OperandKind::Field(names) => (dot.clone(), names),
            OperandKind::Variable(name, names) => (self.variable(first.span, name)?, names),
            OperandKind::Chain(of, names) => (self.operand(of, dot)?, names),
            _ => return flaw(first.span, "can't give argument to non-function"),
        };
        let Some((method, fields)) = fields.split_last() else {
            return flaw(first.span, "can't give argument to non-function");
        };
        let receiver = self.fields(first.span, receiver, fields)?;
        let mut values = Vec::with_capacity(others.len() + 1);
        for operand in others {
            values.push(self.operand(operand, dot)?);
        }
        values.extend(last);
        self.method(first.span, &receiver, method, &values)
    }

    fn method(&mut self, span: Span, receiver: &Value<'a>, name: &str, values: &[Value<'a>]) -> Rendered<Value<'a>> {
        let Value::Time(time) = receiver else {
            return flaw(span, format!("{name} is not a method but has arguments"));
        };
        match time.method(name, values) {
            Some(called) => called.or_else(|message| flaw(span, message)),
            None => flaw(span, format!("can't evaluate field {name} in type time.Time")),
        }
    }

    fn operand(&mut self, operand: &'a Operand, dot: &Value<'a>) -> Rendered<Value<'a>> {
        Ok(match &operand.kind {
            OperandKind::Dot => dot.clone(),
            OperandKind::Nil => Value::Nil,
            OperandKind::Bool(flag) => Value::Bool(*flag),
            OperandKind::Int(value) => Value::int(*value),
            OperandKind::Float(value) => Value::Float(*value),
            OperandKind::Text(text) => Value::text(text.as_str()),
            OperandKind::Field(names) => self.fields(operand.span, dot.clone(), names)?,
            OperandKind::Variable(name, names) => {
                let value = self.variable(operand.span, name)?;
                self.fields(operand.span, value, names)?
            }
            OperandKind::Chain(of, names) => {
                let value = self.operand(of, dot)?;
                self.fields(of.span, value, names)?
            }
            OperandKind::Pipe(pipe) => {
                self.enter(operand.span)?;
                let value = self.pipe(pipe, dot)?;
                self.depth -= 1;
                value
            }
            OperandKind::Function(function) => {
                if let Some(message) = function.refuses(0) {
                    return flaw(operand.span, message);
                }
                self.run(function, operand.span, &[], &[])?
            }
        })
    }

    fn variable(&self, span: Span, name: &str) -> Rendered<Value<'a>> {
        let found = self.variables.iter().rev().find(|(known, _)| *known == name);
        found.map_or_else(|| flaw(span, format!("undefined variable: {name}")), |(_, value)| Ok(value.clone()))
    }

    fn fields(&mut self, span: Span, receiver: Value<'a>, names: &'a [String]) -> Rendered<Value<'a>> {
        let mut value = receiver;
        for name in names {
            value = match &value {
                Value::Row(row) => Value::text(row.label(name).unwrap_or_default()),
                Value::Map(map) => map.get(name).cloned().unwrap_or(Value::Nil),
                Value::Time(time) => match time.method(name, &[]) {
                    Some(called) => called.or_else(|message| flaw(span, message))?,
                    None => return flaw(span, format!("can't evaluate field {name} in type time.Time")),
                },
                Value::Named(_, _, text) if name == "String" => Value::text(*text),
                Value::Nil => return flaw(span, format!("nil pointer evaluating interface {{}}.{name}")),
                other => {
                    let type_name = other.type_name();
                    return flaw(span, format!("can't evaluate field {name} in type {type_name}"));
                }
            };
        }
        Ok(value)
    }

    fn call(
        &mut self,
        function: &'static Function,
        command: &'a Command,
        dot: &Value<'a>,
        last: Option<Value<'a>>,
    ) -> Rendered<Value<'a>> {
        let operands = &command.operands[1..];
        if let Some(message) = function.refuses(operands.len() + usize::from(last.is_some())) {
            return flaw(command.operands[0].span, message);
        }
        let stops_at = match function.name {
            "and" => Some(false),
            "or" => Some(true),
            _ => None,
        };
        let mut values = Vec::with_capacity(operands.len() + 1);
        for operand in operands {
            let value = self.operand(operand, dot)?;
            if stops_at == Some(value.is_true()) {
                return Ok(value);
            }
            values.push(value);
        }
        values.extend(last);
        self.run(function, command.span, operands, &values)
    }

    fn run(
        &mut self,
        function: &'static Function,
        span: Span,
        operands: &'a [Operand],
        values: &[Value<'a>],
    ) -> Rendered<Value<'a>> {
        self.step(span, values.iter().map(Value::bytes).sum())?;
        match (function.body)(&mut self.scope, Arguments(values)) {
            Ok(value) => {
                let bytes = value.bytes();
                self.step(span, bytes)?;
                if bytes > OUTPUT_BYTES_MAX && matches!(value, Value::Text(_)) {
                    return flaw(span, format!("error calling {}: the value is too long", function.name));
                }
                Ok(value)
            }
            Err(Mistake::Calling(message)) => flaw(span, format!("error calling {}: {message}", function.name)),
            Err(Mistake::Argument { at, expected, message }) => match operands.get(at) {
                Some(operand) if matches!(operand.kind, OperandKind::Nil) => {
                    flaw(operand.span, format!("cannot assign nil to {expected}"))
                }
                Some(operand) if operand.kind.is_literal() => {
                    flaw(operand.span, format!("expected {expected}; found {}", self.source(operand.span)))
                }
                Some(operand) => flaw(operand.span, message),
                None => flaw(span, message),
            },
        }
    }

    fn source(&self, span: Span) -> &'a str {
        self.program.text.get(span.start..span.end).unwrap_or_default()
    }
}

impl OperandKind {
    /// Tells whether the value stands in the template itself.
    fn is_literal(&self) -> bool {
        match self {
            OperandKind::Bool(_) | OperandKind::Int(_) | OperandKind::Float(_) | OperandKind::Text(_) => true,
            OperandKind::Nil
            | OperandKind::Dot
            | OperandKind::Field(_)
            | OperandKind::Variable(..)
            | OperandKind::Function(_)
            | OperandKind::Pipe(_)
            | OperandKind::Chain(..) => false,
        }
    }
}

fn printed(value: &Value<'_>) -> String {
    let mut text = String::new();
    format::print(value, &mut text);
    text
}
