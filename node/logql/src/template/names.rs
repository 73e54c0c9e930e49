//! Which labels a template reads, so that parsers take no others out of a line.

use super::tree::{Branch, Command, Node, Operand, OperandKind, Pipe, Program};

/// The labels that a template may read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Names {
    /// Any of them: the template looks at the row as a whole.
    All,
    /// These, sorted.
    Some(Vec<String>),
}

/// Returns the labels that a rendering may read.
pub(super) fn names(program: &Program) -> Names {
    let mut walk = Walk::default();
    walk.nodes(&program.body);
    for (_, body) in &program.defined {
        walk.nodes(body);
    }
    if walk.all {
        return Names::All;
    }
    walk.names.sort();
    walk.names.dedup();
    Names::Some(walk.names)
}

/// Tells whether a rendering may read the line.
pub(super) fn reads_line(program: &Program) -> bool {
    let mut walk = Walk::default();
    walk.nodes(&program.body);
    for (_, body) in &program.defined {
        walk.nodes(body);
    }
    walk.line
}

/// What was met so far. Within `with` and `range` the dot may be something else than the row; names met there are counted
/// all the same, for that costs little. The dot or the dollar on its own counts as everything.
#[derive(Default)]
struct Walk {
    names: Vec<String>,
    all: bool,
    line: bool,
    /// Blocks that change the dot.
    changed: usize,
}

impl Walk {
    fn nodes(&mut self, nodes: &[Node]) {
        for node in nodes {
            match node {
                Node::Text(_) | Node::Break | Node::Continue => {}
                Node::Label(name) => self.names.push(name.clone()),
                Node::Action(pipe) => self.pipe(pipe),
                Node::If(branch) => self.branch(branch, 0),
                Node::With(branch) | Node::Range(branch) => self.branch(branch, 1),
                Node::Call { pipe, .. } => {
                    if let Some(pipe) = pipe {
                        self.pipe(pipe);
                    }
                }
            }
        }
    }

    fn branch(&mut self, branch: &Branch, changes: usize) {
        self.pipe(&branch.pipe);
        self.changed += changes;
        self.nodes(&branch.then);
        self.changed -= changes;
        self.nodes(&branch.otherwise);
    }

    fn pipe(&mut self, pipe: &Pipe) {
        for command in &pipe.commands {
            self.command(command);
        }
    }

    fn command(&mut self, command: &Command) {
        // `index . "name"` reads that label only.
        if let [function, of, name] = &*command.operands
            && let (OperandKind::Function(function), OperandKind::Text(name)) = (&function.kind, &name.kind)
            && function.name == "index"
            && is_row(&of.kind)
        {
            self.names.push(name.clone());
            return;
        }
        for operand in &command.operands {
            self.operand(operand);
        }
    }

    fn operand(&mut self, operand: &Operand) {
        match &operand.kind {
            OperandKind::Field(names) => self.names.extend(names.first().cloned()),
            OperandKind::Variable(name, names) if name == "$" => match names.first() {
                Some(name) => self.names.push(name.clone()),
                None => self.all = true,
            },
            OperandKind::Dot => self.all |= self.changed == 0,
            OperandKind::Function(function) => self.line |= function.name == "__line__",
            OperandKind::Pipe(pipe) => self.pipe(pipe),
            OperandKind::Chain(of, _) => self.operand(of),
            OperandKind::Variable(..)
            | OperandKind::Nil
            | OperandKind::Bool(_)
            | OperandKind::Int(_)
            | OperandKind::Float(_)
            | OperandKind::Text(_) => {}
        }
    }
}

fn is_row(kind: &OperandKind) -> bool {
    let dollar = matches!(kind, OperandKind::Variable(name, fields) if name == "$" && fields.is_empty());
    dollar || matches!(kind, OperandKind::Dot)
}
