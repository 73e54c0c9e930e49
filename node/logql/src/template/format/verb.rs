//! One verb of a format and the value that it prints.

use std::fmt::Write;

use super::float;
use crate::template::value::{Value, row_pairs};

/// The flags, width and precision before a verb.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spec {
    pub(super) plus: bool,
    pub(super) minus: bool,
    pub(super) sharp: bool,
    pub(super) space: bool,
    pub(super) zero: bool,
    pub(super) width: Option<usize>,
    pub(super) precision: Option<usize>,
    /// `%#v`: as Go's source would have it.
    source: bool,
}

impl Spec {
    /// Gives the flags the meaning that they have for `%v`.
    pub(super) fn for_values(&mut self) {
        self.source = std::mem::take(&mut self.sharp);
        // `%+v` names the fields of structs, of which there are none.
        self.plus = false;
    }
}

/// A verb and what stands before it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Verb {
    pub(super) spec: Spec,
    pub(super) verb: char,
}

impl Verb {
    /// Appends a value.
    pub(super) fn print(self, value: &Value<'_>, out: &mut String) {
        match (self.verb, value) {
            ('T', _) => self.pad(value.type_name(), out),
            ('v', Value::Nil) => self.pad("<nil>", out),
            (verb, Value::Nil) => write!(out, "%!{verb}(<nil>)").expect("writing to a string never fails"),
            _ => self.value(value, out),
        }
    }

    fn value(self, value: &Value<'_>, out: &mut String) {
        match (self.verb, value) {
            (_, Value::Nil) => out.push_str(if self.spec.source { "interface {}(nil)" } else { "<nil>" }),
            ('t' | 'v', Value::Bool(flag)) => self.pad(if *flag { "true" } else { "false" }, out),
            ('d', Value::Named(_, value, _)) => self.integer(*value, out),
            ('v' | 's' | 'x' | 'X' | 'q', Value::Named(_, _, name)) => self.text(name, out),
            ('v' | 's' | 'x' | 'X' | 'q', Value::Time(time)) => self.text(&time.to_string(), out),
            ('v' | 's' | 'x' | 'X' | 'q', Value::Text(text)) => self.text(text, out),
            ('v' | 'd' | 'b' | 'o' | 'O' | 'x' | 'X', Value::Int(value, _)) => self.integer(*value, out),
            ('c' | 'q' | 'U', Value::Int(value, _)) => self.character(*value, out),
            ('v' | 'e' | 'E' | 'f' | 'F' | 'g' | 'G' | 'b' | 'x' | 'X', Value::Float(value)) => self.float(*value, out),
            (_, Value::List(list)) => self.list(list, out),
            (_, Value::Map(map)) => {
                let pairs: Vec<_> = map.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
                self.map(&pairs, value.type_name(), out);
            }
            (_, Value::Row(row)) => {
                let pairs: Vec<_> = row_pairs(*row).into_iter().map(|(name, text)| (name, Value::text(text))).collect();
                self.map(&pairs, value.type_name(), out);
            }
            (
                verb,
                Value::Bool(_) | Value::Int(..) | Value::Float(_) | Value::Text(_) | Value::Time(_) | Value::Named(..),
            ) => {
                write!(out, "%!{verb}({}=", value.type_name()).expect("writing to a string never fails");
                Verb { verb: 'v', ..self }.value(value, out);
                out.push(')');
            }
        }
    }

    fn list(self, list: &[Value<'_>], out: &mut String) {
        let (open, between, close) = if self.spec.source { ("[]interface {}{", ", ", "}") } else { ("[", " ", "]") };
        out.push_str(open);
        for (at, item) in list.iter().enumerate() {
            out.push_str(if at > 0 { between } else { "" });
            self.value(item, out);
        }
        out.push_str(close);
    }

    fn map(self, pairs: &[(&str, Value<'_>)], type_name: &str, out: &mut String) {
        let (open, between, close) = if self.spec.source { ("{", ", ", "}") } else { ("map[", " ", "]") };
        out.push_str(if self.spec.source { type_name } else { "" });
        out.push_str(open);
        for (at, (name, value)) in pairs.iter().enumerate() {
            out.push_str(if at > 0 { between } else { "" });
            self.value(&Value::text(*name), out);
            out.push(':');
            self.value(value, out);
        }
        out.push_str(close);
    }

    /// Appends text, blanks or zeros beside it up to the width.
    fn pad(self, text: &str, out: &mut String) {
        let fill = self.spec.width.unwrap_or(0).saturating_sub(text.chars().count());
        if self.spec.minus {
            out.push_str(text);
            out.extend(std::iter::repeat_n(' ', fill));
        } else {
            out.extend(std::iter::repeat_n(if self.spec.zero { '0' } else { ' ' }, fill));
            out.push_str(text);
        }
    }

    fn text(self, text: &str, out: &mut String) {
        match self.verb {
            'x' | 'X' => self.pad(&self.hexadecimal(text), out),
            'q' => self.pad(&self.quoted(self.cut(text)), out),
            _ if self.spec.source => self.pad(&quote(self.cut(text), '"', false), out),
            _ => self.pad(self.cut(text), out),
        }
    }

    /// Cuts text to as many characters as the precision says.
    fn cut(self, text: &str) -> &str {
        let end = self.spec.precision.and_then(|chars| text.char_indices().nth(chars)).map(|(at, _)| at);
        &text[..end.unwrap_or(text.len())]
    }

    fn quoted(self, text: &str) -> String {
        let plain = |c: char| c == '\t' || (c != '`' && c != '\u{7f}' && c != '\u{feff}' && c >= ' ');
        if self.spec.sharp && text.chars().all(plain) {
            return format!("`{text}`");
        }
        quote(text, '"', self.spec.plus)
    }

    fn hexadecimal(self, text: &str) -> String {
        let bytes = &text.as_bytes()[..self.spec.precision.unwrap_or(text.len()).min(text.len())];
        let upper = self.verb == 'X';
        let mark = if upper { "0X" } else { "0x" };
        let mut out = String::with_capacity(bytes.len() * 3 + 2);
        for (at, byte) in bytes.iter().enumerate() {
            out.push_str(if self.spec.space && at > 0 { " " } else { "" });
            out.push_str(if self.spec.sharp && (at == 0 || self.spec.space) { mark } else { "" });
            let digits = if upper { format!("{byte:02X}") } else { format!("{byte:02x}") };
            out.push_str(&digits);
        }
        out
    }

    fn integer(self, value: i64, out: &mut String) {
        let magnitude = value.unsigned_abs();
        let digits = match self.verb {
            'b' => format!("{magnitude:b}"),
            'o' | 'O' => format!("{magnitude:o}"),
            'x' => format!("{magnitude:x}"),
            'X' => format!("{magnitude:X}"),
            _ => magnitude.to_string(),
        };
        let mark = match self.verb {
            'O' => "0o",
            'b' if self.spec.sharp => "0b",
            'o' if self.spec.sharp => "0",
            'x' if self.spec.sharp => "0x",
            'X' if self.spec.sharp => "0X",
            _ => "",
        };
        let sign = match value {
            ..0 => "-",
            _ if self.spec.plus => "+",
            _ if self.spec.space => " ",
            _ => "",
        };
        if value == 0 && self.spec.precision == Some(0) {
            return self.without_zeros().pad("", out);
        }
        let least = match (self.spec.precision, self.spec.width) {
            (Some(precision), _) => precision,
            (None, Some(width)) if self.spec.zero && !self.spec.minus => width.saturating_sub(sign.len()),
            _ => 0,
        };
        let zeros = "0".repeat(least.saturating_sub(digits.len()));
        // A leading zero is mark enough for an octal number.
        let mark = if mark == "0" && !zeros.is_empty() { "" } else { mark };
        self.without_zeros().pad(&format!("{sign}{mark}{zeros}{digits}"), out);
    }

    fn without_zeros(mut self) -> Self {
        self.spec.zero = false;
        self
    }

    fn character(self, value: i64, out: &mut String) {
        let c = u32::try_from(value).ok().and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER);
        let text = match self.verb {
            'c' => c.to_string(),
            'q' => quote(c.encode_utf8(&mut [0; 4]), '\'', self.spec.plus),
            _ => {
                let code = format!("U+{:0digits$X}", value, digits = self.spec.precision.unwrap_or(4).max(4));
                if self.spec.sharp && is_printable(c) { format!("{code} '{c}'") } else { code }
            }
        };
        let verb = if self.verb == 'U' { self.without_zeros() } else { self };
        verb.pad(&text, out);
    }

    fn float(self, value: f64, out: &mut String) {
        let precision = match self.verb {
            'e' | 'E' | 'f' | 'F' => Some(self.spec.precision.unwrap_or(6)),
            _ => self.spec.precision,
        };
        let verb = if self.verb == 'v' { 'g' } else { self.verb };
        let mut text = float::write(value, verb, precision);
        if self.spec.sharp && value.is_finite() {
            text = with_point(&text, verb, precision);
        }
        let (sign, body) = text.strip_prefix('-').map_or(("", &*text), |body| ("-", body));
        let infinite = value.is_infinite();
        let sign = match sign {
            "-" => "-",
            _ if self.spec.plus || (infinite && !self.spec.space) => "+",
            _ if self.spec.space => " ",
            _ => "",
        };
        if !value.is_finite() {
            return self.without_zeros().pad(&format!("{sign}{body}"), out);
        }
        // Zeros go between the sign and the number.
        if self.spec.zero && !self.spec.minus && !sign.is_empty() {
            let width = self.spec.width.unwrap_or(0).saturating_sub(sign.len());
            let fill = "0".repeat(width.saturating_sub(body.len()));
            out.push_str(&format!("{sign}{fill}{body}"));
            return;
        }
        self.pad(&format!("{sign}{body}"), out);
    }
}

/// Puts in the point, and for `%g` the zeros behind it, that the sharp flag asks for.
fn with_point(text: &str, verb: char, precision: Option<usize>) -> String {
    if matches!(verb, 'b' | 'x' | 'X') {
        return text.to_owned();
    }
    let at = text.find(['e', 'E']).unwrap_or(text.len());
    let (mut mantissa, exponent) = (text[..at].to_owned(), &text[at..]);
    if !mantissa.contains('.') {
        mantissa.push('.');
    }
    if matches!(verb, 'g' | 'G') {
        let digits = mantissa.trim_start_matches(['-', '0', '.']).bytes().filter(u8::is_ascii_digit).count();
        mantissa.push_str(&"0".repeat(precision.unwrap_or(6).saturating_sub(digits.max(1))));
    }
    format!("{mantissa}{exponent}")
}

/// Tells whether Go prints a character as it is.
fn is_printable(c: char) -> bool {
    c == ' '
        || !(c.is_control()
            || c.is_whitespace()
            || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e000}'..='\u{f8ff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..))
}

/// Quotes text as Go's source has it.
pub(super) fn quote(text: &str, mark: char, ascii: bool) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push(mark);
    for c in text.chars() {
        match c {
            c if c == mark || c == '\\' => out.extend(['\\', c]),
            c if c.is_ascii() && is_printable(c) => out.push(c),
            c if !ascii && is_printable(c) => out.push(c),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            c if c < ' ' || c == '\u{7f}' => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c if u32::from(c) < 0x1_0000 => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push_str(&format!("\\U{:08x}", u32::from(c))),
        }
    }
    out.push(mark);
    out
}
