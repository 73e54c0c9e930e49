//! Reads the tokens of a template into its tree.

use super::functions;
use super::lexer::{Token, TokenKind, tokens};
use super::number::Number;
use super::tree::{Branch, Command, Node, Operand, OperandKind, Pipe, Program, Span};
use super::{TEMPLATE_BYTES_MAX, TEMPLATE_NESTING_MAX, TemplateError};

/// Reads a template.
pub(super) fn parse(name: &'static str, text: &str) -> Result<Program, TemplateError> {
    let error = |at, message| Program::error(name, text, at, message);
    if text.len() > TEMPLATE_BYTES_MAX {
        return Err(error(0, format!("the template has more than {TEMPLATE_BYTES_MAX} bytes")));
    }
    let tokens = tokens(text).map_err(|broken| error(broken.at, broken.message))?;
    let variables = vec!["$".to_owned()];
    let mut parser =
        Parser { text, tokens, at: 0, depth: 0, ranges: 0, dot_is_root: true, variables, defined: Vec::new() };
    let body = parser.whole().map_err(|wrong| error(wrong.at, wrong.message))?;
    if let Some((at, missing)) = parser.undefined_call(&body) {
        return Err(error(at, format!("template {missing:?} not defined")));
    }
    Ok(Program { name, text: text.to_owned(), body, defined: parser.defined })
}

struct Parser<'t> {
    text: &'t str,
    tokens: Vec<Token>,
    at: usize,
    /// Blocks and parentheses that are open.
    depth: usize,
    /// Ranges that are open.
    ranges: usize,
    /// Whether the dot is the row itself here.
    dot_is_root: bool,
    /// The variables that are known here.
    variables: Vec<String>,
    defined: Vec<(String, Vec<Node>)>,
}

#[derive(Debug)]
struct Wrong {
    at: usize,
    message: String,
}

type Parsed<T> = Result<T, Wrong>;

/// What ends a list of nodes.
#[derive(Debug, PartialEq, Eq)]
enum Ending {
    End,
    Else,
    /// The end of the template.
    Whole,
}

impl Parser<'_> {
    fn peek(&self) -> &Token {
        &self.tokens[self.at.min(self.tokens.len() - 1)]
    }

    fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.at += 1;
        token
    }

    fn skip_space(&mut self) {
        while self.peek().kind == TokenKind::Space {
            self.at += 1;
        }
    }

    fn next_non_space(&mut self) -> Token {
        self.skip_space();
        self.next()
    }

    fn wrong<T>(&self, message: impl Into<String>) -> Parsed<T> {
        let at = self.tokens[self.at.saturating_sub(1).min(self.tokens.len() - 1)].span.start;
        Err(Wrong { at, message: message.into() })
    }

    fn unexpected<T>(&self, token: &Token, context: &str) -> Parsed<T> {
        self.wrong(format!("unexpected {} in {context}", described(&token.kind)))
    }

    fn enter(&mut self) -> Parsed<()> {
        self.depth += 1;
        if self.depth > TEMPLATE_NESTING_MAX {
            return self.wrong(format!("nested deeper than {TEMPLATE_NESTING_MAX} levels"));
        }
        Ok(())
    }

    fn whole(&mut self) -> Parsed<Vec<Node>> {
        let (nodes, ending) = self.nodes()?;
        match ending {
            Ending::Whole => Ok(nodes),
            Ending::End => self.wrong("unexpected {{end}}"),
            Ending::Else => self.wrong("unexpected {{else}}"),
        }
    }

    /// Reads nodes up to an `end`, an `else`, whose word has been taken then, or the end of the template.
    fn nodes(&mut self) -> Parsed<(Vec<Node>, Ending)> {
        let mut nodes = Vec::new();
        loop {
            let token = self.next();
            match token.kind {
                TokenKind::Text(text) => nodes.push(Node::Text(text)),
                TokenKind::End => return Ok((nodes, Ending::Whole)),
                _ => {
                    self.skip_space();
                    match self.keyword().as_deref() {
                        Some("end") => {
                            self.close("end")?;
                            return Ok((nodes, Ending::End));
                        }
                        Some("else") => return Ok((nodes, Ending::Else)),
                        Some(keyword) => self.block(keyword, &mut nodes)?,
                        None => nodes.push(self.action()?),
                    }
                }
            }
        }
    }

    /// Takes the word that comes next if the language keeps it for itself.
    fn keyword(&mut self) -> Option<String> {
        let TokenKind::Word(word) = &self.peek().kind else { return None };
        if !KEYWORDS.contains(&word.as_str()) {
            return None;
        }
        let word = word.clone();
        self.at += 1;
        Some(word)
    }

    fn block(&mut self, keyword: &str, nodes: &mut Vec<Node>) -> Parsed<()> {
        match keyword {
            "if" => nodes.push(Node::If(self.branch("if")?)),
            "with" => nodes.push(Node::With(self.branch("with")?)),
            "range" => nodes.push(Node::Range(self.branch("range")?)),
            "break" | "continue" => {
                self.close(keyword)?;
                if self.ranges == 0 {
                    return self.wrong(format!("{{{{{keyword}}}}} outside {{{{range}}}}"));
                }
                nodes.push(if keyword == "break" { Node::Break } else { Node::Continue });
            }
            "template" => nodes.push(self.call()?),
            "block" => nodes.push(self.define_and_call()?),
            "define" if self.depth == 0 => self.define()?,
            other => return self.wrong(format!("unexpected <{other}> in command")),
        }
        Ok(())
    }

    fn close(&mut self, context: &str) -> Parsed<()> {
        let token = self.next_non_space();
        if token.kind == TokenKind::Close { Ok(()) } else { self.unexpected(&token, context) }
    }

    fn action(&mut self) -> Parsed<Node> {
        let pipe = self.pipe("command", &TokenKind::Close)?;
        if let ([], [Command { operands, .. }]) = (&*pipe.variables, &*pipe.commands)
            && let [Operand { kind: OperandKind::Field(names), .. }] = &**operands
            && let [name] = &**names
            && self.dot_is_root
        {
            return Ok(Node::Label(name.clone()));
        }
        Ok(Node::Action(pipe))
    }

    /// Reads an `if`, a `with` or a `range` behind its word.
    fn branch(&mut self, keyword: &str) -> Parsed<Branch> {
        self.enter()?;
        let known = self.variables.len();
        let pipe = self.pipe(keyword, &TokenKind::Close)?;
        let (dot_was_root, ranges) = (self.dot_is_root, self.ranges);
        self.dot_is_root = dot_was_root && keyword == "if";
        self.ranges += usize::from(keyword == "range");
        let (then, ending) = self.nodes()?;
        (self.dot_is_root, self.ranges) = (dot_was_root, ranges);
        let otherwise = match ending {
            Ending::End => Vec::new(),
            Ending::Whole => return self.wrong("unexpected EOF"),
            Ending::Else => self.otherwise(keyword)?,
        };
        self.variables.truncate(known);
        self.depth -= 1;
        Ok(Branch { pipe, then, otherwise })
    }

    /// Reads what follows an `else`, another condition with an `end` in common or nodes with an `end` of their own.
    fn otherwise(&mut self, keyword: &str) -> Parsed<Vec<Node>> {
        self.skip_space();
        match self.keyword().as_deref() {
            Some("if") if keyword == "if" => return Ok(vec![Node::If(self.branch("if")?)]),
            Some("with") if keyword == "with" => return Ok(vec![Node::With(self.branch("with")?)]),
            Some(other) => return self.wrong(format!("unexpected <{other}> in {{{{else}}}}")),
            None => self.close("else")?,
        }
        match self.nodes()? {
            (nodes, Ending::End) => Ok(nodes),
            (_, Ending::Else) => self.wrong("expected end; found {{else}}"),
            (_, Ending::Whole) => self.wrong("unexpected EOF"),
        }
    }

    fn template_name(&mut self, context: &str) -> Parsed<(Span, String)> {
        let token = self.next_non_space();
        match token.kind {
            TokenKind::Quoted(name) => Ok((token.span, name)),
            _ => self.unexpected(&token, context),
        }
    }

    fn call(&mut self) -> Parsed<Node> {
        let (span, name) = self.template_name("template clause")?;
        self.skip_space();
        let pipe = if self.peek().kind == TokenKind::Close {
            self.at += 1;
            None
        } else {
            Some(self.pipe("template clause", &TokenKind::Close)?)
        };
        Ok(Node::Call { span, name, pipe })
    }

    fn define(&mut self) -> Parsed<()> {
        let (_, name) = self.template_name("define clause")?;
        self.close("define clause")?;
        self.definition(name)
    }

    fn define_and_call(&mut self) -> Parsed<Node> {
        let (span, name) = self.template_name("block clause")?;
        let pipe = Some(self.pipe("block clause", &TokenKind::Close)?);
        self.definition(name.clone())?;
        Ok(Node::Call { span, name, pipe })
    }

    /// Reads the body of a template of its own, which sees no variables from outside.
    fn definition(&mut self, name: String) -> Parsed<()> {
        self.enter()?;
        let outside = std::mem::replace(&mut self.variables, vec!["$".to_owned()]);
        let (dot_was_root, ranges) =
            (std::mem::replace(&mut self.dot_is_root, false), std::mem::take(&mut self.ranges));
        let (nodes, ending) = self.nodes()?;
        if ending != Ending::End {
            return self.wrong(if ending == Ending::Else {
                "unexpected {{else}} in define clause"
            } else {
                "unexpected EOF"
            });
        }
        (self.variables, self.dot_is_root, self.ranges) = (outside, dot_was_root, ranges);
        self.depth -= 1;
        match self.defined.iter_mut().find(|(other, _)| *other == name) {
            Some((_, body)) if body.is_empty() => *body = nodes,
            Some(_) if nodes.is_empty() => {}
            Some(_) => return self.wrong(format!("template: multiple definition of template {name:?}")),
            None => self.defined.push((name, nodes)),
        }
        Ok(())
    }

    /// Returns a call of a template that nobody defines.
    fn undefined_call(&self, body: &[Node]) -> Option<(usize, String)> {
        let bodies = self.defined.iter().map(|(_, body)| &**body).chain([body]);
        bodies.flatten().find_map(|node| self.undefined_in(node))
    }

    fn undefined_in(&self, node: &Node) -> Option<(usize, String)> {
        match node {
            Node::Call { span, name, .. } => {
                let known = self.defined.iter().any(|(other, _)| other == name);
                (!known).then(|| (span.start, name.clone()))
            }
            Node::If(branch) | Node::With(branch) | Node::Range(branch) => {
                branch.then.iter().chain(&branch.otherwise).find_map(|node| self.undefined_in(node))
            }
            Node::Text(_) | Node::Label(_) | Node::Action(_) | Node::Break | Node::Continue => None,
        }
    }

    /// Reads a pipeline up to `end`, and takes that too.
    fn pipe(&mut self, context: &str, end: &TokenKind) -> Parsed<Pipe> {
        let (variables, assigns) = self.declarations(context)?;
        let mut commands: Vec<Command> = Vec::new();
        loop {
            let token = self.next_non_space();
            if token.kind == *end {
                break;
            }
            if !begins_operand(&token.kind) {
                return self.unexpected(&token, context);
            }
            self.at -= 1;
            commands.push(self.command()?);
        }
        if commands.is_empty() {
            return self.wrong(format!("missing value for {context}"));
        }
        if matches!(commands[0].operands[0].kind, OperandKind::Nil) {
            return self.wrong("nil is not a command");
        }
        for (stage, command) in commands.iter().enumerate().skip(1) {
            if !command.operands[0].kind.can_take_a_value() {
                return self.wrong(format!("non executable command in pipeline stage {}", stage + 1));
            }
        }
        let span = Span {
            start: commands.first().map_or(0, |command| command.span.start),
            end: commands.last().map_or(0, |command| command.span.end),
        };
        Ok(Pipe { span, variables, assigns, commands })
    }

    /// Reads `$x :=`, `$x =` or, in `range`, `$i, $x :=`.
    fn declarations(&mut self, context: &str) -> Parsed<(Vec<String>, bool)> {
        let mut names = Vec::new();
        loop {
            self.skip_space();
            let before = self.at;
            let TokenKind::Variable(name) = self.peek().kind.clone() else {
                return if names.is_empty() {
                    Ok((names, false))
                } else {
                    self.wrong("range can only initialize variables")
                };
            };
            self.at += 1;
            match self.next_non_space().kind {
                TokenKind::Assign => {
                    names.push(name);
                    for name in &names {
                        self.known(name)?;
                    }
                    return Ok((names, true));
                }
                TokenKind::Declare => {
                    names.push(name);
                    self.variables.extend(names.iter().cloned());
                    return Ok((names, false));
                }
                TokenKind::Comma if context == "range" && names.is_empty() => names.push(name),
                TokenKind::Comma => return self.wrong(format!("too many declarations in {context}")),
                _ if names.is_empty() => {
                    self.at = before;
                    return Ok((names, false));
                }
                _ => return self.wrong("range can only initialize variables"),
            }
        }
    }

    fn known(&self, name: &str) -> Parsed<()> {
        if self.variables.iter().any(|known| known == name) {
            return Ok(());
        }
        self.wrong(format!("undefined variable {name:?}"))
    }

    fn command(&mut self) -> Parsed<Command> {
        let mut operands: Vec<Operand> = Vec::new();
        loop {
            self.skip_space();
            if begins_operand(&self.peek().kind) {
                operands.push(self.operand()?);
            }
            let token = self.next();
            match token.kind {
                TokenKind::Space => {}
                TokenKind::Close | TokenKind::RightParen => {
                    self.at -= 1;
                    break;
                }
                TokenKind::Pipe => break,
                _ => return self.unexpected(&token, "operand"),
            }
        }
        match (operands.first(), operands.last()) {
            (Some(first), Some(last)) => {
                Ok(Command { span: Span { start: first.span.start, end: last.span.end }, operands })
            }
            _ => self.wrong("empty command"),
        }
    }

    fn operand(&mut self) -> Parsed<Operand> {
        let mut operand = self.term()?;
        let mut fields = Vec::new();
        let mut end = operand.span.end;
        while let TokenKind::Field(name) = &self.peek().kind {
            fields.push(name.clone());
            end = self.peek().span.end;
            self.at += 1;
        }
        if fields.is_empty() {
            return Ok(operand);
        }
        operand.kind = match operand.kind {
            OperandKind::Field(names) => OperandKind::Field([names, fields].concat()),
            OperandKind::Variable(name, names) => OperandKind::Variable(name, [names, fields].concat()),
            kind @ (OperandKind::Function(_) | OperandKind::Pipe(_) | OperandKind::Chain(..)) => {
                OperandKind::Chain(Box::new(Operand { span: operand.span, kind }), fields)
            }
            OperandKind::Dot
            | OperandKind::Nil
            | OperandKind::Bool(_)
            | OperandKind::Int(_)
            | OperandKind::Float(_)
            | OperandKind::Text(_) => {
                let field = &self.tokens[self.at - 1].span;
                let term = self.text.get(operand.span.start..operand.span.end).unwrap_or_default();
                return Err(Wrong { at: field.start, message: format!("unexpected . after term {term:?}") });
            }
        };
        operand.span.end = end;
        Ok(operand)
    }

    fn term(&mut self) -> Parsed<Operand> {
        let token = self.next();
        let mut span = token.span;
        let kind = match token.kind {
            TokenKind::Dot => OperandKind::Dot,
            TokenKind::Field(name) => OperandKind::Field(vec![name]),
            TokenKind::Number(Number::Int(value)) => OperandKind::Int(value),
            TokenKind::Number(Number::Float(value)) => OperandKind::Float(value),
            TokenKind::Quoted(text) => OperandKind::Text(text),
            TokenKind::Variable(name) => {
                self.known(&name)?;
                OperandKind::Variable(name, Vec::new())
            }
            TokenKind::Word(word) => match word.as_str() {
                "true" => OperandKind::Bool(true),
                "false" => OperandKind::Bool(false),
                "nil" => OperandKind::Nil,
                name => match functions::named(name) {
                    Some(function) => OperandKind::Function(function),
                    None => return self.wrong(format!("function {name:?} not defined")),
                },
            },
            TokenKind::LeftParen => {
                self.enter()?;
                let pipe = self.pipe("parenthesized pipeline", &TokenKind::RightParen)?;
                self.depth -= 1;
                // Messages of Go point at what is in the parentheses.
                span = pipe.span;
                OperandKind::Pipe(Box::new(pipe))
            }
            _ => return self.unexpected(&token, "operand"),
        };
        Ok(Operand { span, kind })
    }
}

impl OperandKind {
    /// Tells whether a pipeline may hand a value to it.
    fn can_take_a_value(&self) -> bool {
        match self {
            OperandKind::Dot
            | OperandKind::Nil
            | OperandKind::Bool(_)
            | OperandKind::Int(_)
            | OperandKind::Float(_)
            | OperandKind::Text(_) => false,
            OperandKind::Field(_)
            | OperandKind::Variable(..)
            | OperandKind::Function(_)
            | OperandKind::Pipe(_)
            | OperandKind::Chain(..) => true,
        }
    }
}

fn begins_operand(kind: &TokenKind) -> bool {
    match kind {
        TokenKind::Dot
        | TokenKind::Field(_)
        | TokenKind::Variable(_)
        | TokenKind::Number(_)
        | TokenKind::Quoted(_)
        | TokenKind::LeftParen => true,
        TokenKind::Word(word) => word == "nil" || !KEYWORDS.contains(&word.as_str()),
        TokenKind::Text(_)
        | TokenKind::Open
        | TokenKind::Close
        | TokenKind::Space
        | TokenKind::Pipe
        | TokenKind::Declare
        | TokenKind::Assign
        | TokenKind::Comma
        | TokenKind::RightParen
        | TokenKind::Other(_)
        | TokenKind::End => false,
    }
}

/// Names a token as messages do.
fn described(kind: &TokenKind) -> String {
    match kind {
        TokenKind::Text(text) | TokenKind::Quoted(text) => format!("{text:?}"),
        TokenKind::Word(word) if KEYWORDS.contains(&word.as_str()) => format!("<{word}>"),
        TokenKind::Word(word) => format!("{word:?}"),
        TokenKind::Field(name) => format!("{:?}", format!(".{name}")),
        TokenKind::Variable(name) => format!("{name:?}"),
        TokenKind::Number(number) => format!("{number:?}"),
        TokenKind::Other(c) => format!("{:?}", c.to_string()),
        TokenKind::Open => "\"{{\"".to_owned(),
        TokenKind::Close => "\"}}\"".to_owned(),
        TokenKind::Space => "\" \"".to_owned(),
        TokenKind::Pipe => "\"|\"".to_owned(),
        TokenKind::Declare => "\":=\"".to_owned(),
        TokenKind::Assign => "\"=\"".to_owned(),
        TokenKind::Comma => "\",\"".to_owned(),
        TokenKind::LeftParen => "\"(\"".to_owned(),
        TokenKind::RightParen => "\")\"".to_owned(),
        TokenKind::Dot => "<.>".to_owned(),
        TokenKind::End => "EOF".to_owned(),
    }
}

/// The words that no function may have; `nil` is a value.
const KEYWORDS: &[&str] = &["block", "break", "continue", "define", "else", "end", "if", "range", "template", "with"];
