//! Prints values as Go's package `fmt` does: `Print` and `Printf` with all their verbs and complaints.

mod float;
mod verb;

use std::fmt::Write;

use super::value::{Value, row_pairs};
use super::{OUTPUT_BYTES_MAX, arguments::Mistake};
pub(super) use float::shortest;
use verb::{Spec, Verb};

/// Appends a value as `%v` prints it.
pub(super) fn print(value: &Value<'_>, out: &mut String) {
    match value {
        Value::Nil => out.push_str("<nil>"),
        Value::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
        Value::Int(value, _) => write!(out, "{value}").expect("writing to a string never fails"),
        Value::Float(value) => out.push_str(&shortest(*value)),
        Value::Text(text) => out.push_str(text),
        Value::Time(time) => out.push_str(&time.to_string()),
        Value::Named(_, _, name) => out.push_str(name),
        Value::List(list) => {
            out.push('[');
            for (at, item) in list.iter().enumerate() {
                out.push_str(if at > 0 { " " } else { "" });
                print(item, out);
            }
            out.push(']');
        }
        Value::Map(map) => print_pairs(map.iter().map(|(name, value)| (name.as_str(), value)), print, out),
        Value::Row(row) => print_pairs(row_pairs(*row), |value, out| out.push_str(value), out),
    }
}

fn print_pairs<'a, V>(pairs: impl IntoIterator<Item = (&'a str, V)>, print: impl Fn(V, &mut String), out: &mut String) {
    out.push_str("map[");
    for (at, (name, value)) in pairs.into_iter().enumerate() {
        out.push_str(if at > 0 { " " } else { "" });
        out.push_str(name);
        out.push(':');
        print(value, out);
    }
    out.push(']');
}

/// Prints values behind each other, with a blank between two of which neither is text.
pub(super) fn print_all(values: &[Value<'_>]) -> String {
    let mut out = String::new();
    let mut text_before = true;
    for value in values {
        let text = matches!(value, Value::Text(_));
        if !text && !text_before {
            out.push(' ');
        }
        print(value, &mut out);
        text_before = text;
    }
    out
}

/// Prints values with blanks between them and a newline behind.
pub(super) fn print_line(values: &[Value<'_>]) -> String {
    let mut out = String::new();
    for (at, value) in values.iter().enumerate() {
        out.push_str(if at > 0 { " " } else { "" });
        print(value, &mut out);
    }
    out.push('\n');
    out
}

/// Prints values as a format says.
pub(super) fn printf(format: &str, values: &[Value<'_>]) -> Result<String, Mistake> {
    let mut printer =
        Printer { format, at: 0, values, next: 0, reordered: false, bad_index: false, out: String::new() };
    while let Some(len) = printer.rest().find('%') {
        let start = printer.at;
        printer.out.push_str(&format[start..start + len]);
        printer.at += len + 1;
        printer.verb();
        if printer.out.len() > OUTPUT_BYTES_MAX {
            return Err(Mistake::too_long());
        }
    }
    let rest = printer.rest().to_owned();
    printer.out.push_str(&rest);
    printer.extra();
    Ok(printer.out)
}

/// The widest field, and the most digits, as in Go.
const WIDTH_MAX: i64 = 1_000_000;

struct Printer<'f, 'v, 'a> {
    format: &'f str,
    at: usize,
    values: &'v [Value<'a>],
    /// The value that the next verb takes.
    next: usize,
    /// Whether the format has taken values out of their order, so that some left over are no mistake.
    reordered: bool,
    /// Whether the verb at hand asks for a value that is not there.
    bad_index: bool,
    out: String,
}

impl Printer<'_, '_, '_> {
    fn rest(&self) -> &str {
        &self.format[self.at..]
    }

    fn take(&mut self, c: char) -> bool {
        let taken = self.rest().starts_with(c);
        self.at += if taken { c.len_utf8() } else { 0 };
        taken
    }

    /// Prints what one verb, its per cent sign taken, asks for.
    fn verb(&mut self) {
        let mut spec = Spec::default();
        self.flags(&mut spec);
        self.bad_index = false;
        let mut indexed = self.index();
        if self.take('*') {
            self.width_from_value(&mut spec);
            indexed = false;
        } else {
            spec.width = self.number();
            // A width between the index and the verb is a mistake.
            self.bad_index |= indexed && spec.width.is_some();
        }
        if self.take('.') {
            self.bad_index |= indexed;
            indexed = self.index();
            if self.take('*') {
                self.precision_from_value(&mut spec);
                indexed = false;
            } else {
                spec.precision = Some(self.number().unwrap_or(0));
            }
        }
        if !indexed {
            self.index();
        }
        let Some(verb) = self.rest().chars().next() else {
            self.out.push_str("%!(NOVERB)");
            return;
        };
        self.at += verb.len_utf8();
        if verb == '%' {
            self.out.push('%');
        } else if self.bad_index {
            write!(self.out, "%!{verb}(BADINDEX)").expect("writing to a string never fails");
        } else if let Some(value) = self.values.get(self.next) {
            self.next += 1;
            if verb == 'v' {
                spec.for_values();
            }
            Verb { spec, verb }.print(value, &mut self.out);
        } else {
            write!(self.out, "%!{verb}(MISSING)").expect("writing to a string never fails");
        }
    }

    fn flags(&mut self, spec: &mut Spec) {
        loop {
            match self.rest().chars().next() {
                Some('#') => spec.sharp = true,
                Some('0') => spec.zero = true,
                Some('+') => spec.plus = true,
                Some('-') => spec.minus = true,
                Some(' ') => spec.space = true,
                _ => return,
            }
            self.at += 1;
        }
    }

    /// Takes a number. One that is far too large is taken for none.
    fn number(&mut self) -> Option<usize> {
        let digits = self.rest().bytes().take_while(u8::is_ascii_digit).count();
        let number = self.rest()[..digits].parse::<i64>();
        self.at += digits;
        number.ok().filter(|number| *number <= WIDTH_MAX).and_then(|number| usize::try_from(number).ok())
    }

    /// Takes an index such as `[2]`, and tells whether there was one.
    fn index(&mut self) -> bool {
        if !self.rest().starts_with('[') {
            return false;
        }
        self.reordered = true;
        let Some(len) = self.rest().find(']') else {
            self.bad_index = true;
            self.at += 1;
            return false;
        };
        let number =
            self.rest()[1..len].parse::<usize>().ok().filter(|number| (1..=self.values.len()).contains(number));
        self.at += len + 1;
        match number {
            Some(number) => self.next = number - 1,
            None => self.bad_index = true,
        }
        number.is_some()
    }

    fn number_from_value(&mut self) -> Option<i64> {
        let number = match self.values.get(self.next) {
            Some(Value::Int(number, _)) if number.abs() <= WIDTH_MAX => Some(*number),
            _ => None,
        };
        self.next += usize::from(self.next < self.values.len());
        number
    }

    fn width_from_value(&mut self, spec: &mut Spec) {
        match self.number_from_value() {
            None => self.out.push_str("%!(BADWIDTH)"),
            Some(width) => {
                spec.minus |= width < 0;
                spec.width = usize::try_from(width.abs()).ok();
            }
        }
    }

    fn precision_from_value(&mut self, spec: &mut Spec) {
        spec.precision = self.number_from_value().and_then(|precision| usize::try_from(precision).ok());
        if spec.precision.is_none() {
            self.out.push_str("%!(BADPREC)");
        }
    }

    /// Complains about values that nobody asked for.
    fn extra(&mut self) {
        if self.reordered || self.next >= self.values.len() {
            return;
        }
        self.out.push_str("%!(EXTRA ");
        for (at, value) in self.values[self.next..].iter().enumerate() {
            self.out.push_str(if at > 0 { ", " } else { "" });
            self.out.push_str(value.type_name());
            if !matches!(value, Value::Nil) {
                self.out.push('=');
                print(value, &mut self.out);
            }
        }
        self.out.push(')');
    }
}
