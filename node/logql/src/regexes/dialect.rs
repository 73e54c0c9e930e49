//! Go's dialect of regular expressions, rewritten into that of the `regex` crate, so that a query means here what it means
//! there.
//!
//! Go's `\d`, `\w`, `\s` and `\b` are ASCII; its character classes know no nesting and no set operations; a brace that
//! begins no count stands for itself; `\<` is a sign and `\012` an octal number; nothing is repeated twice. What only the
//! crate knows is refused. Source: the documentation of Go's package `regexp/syntax`.

use std::iter::Peekable;
use std::str::Chars;

/// The most times that a count may ask for.
const REPEATS_MAX: u32 = 1_000;

/// Rewrites a pattern, or tells why it is none. What the crate refuses as well may pass.
pub(super) fn rewrite(pattern: &str) -> Result<String, String> {
    let out = String::with_capacity(pattern.len() + 16);
    let mut rewriter = Rewriter { rest: pattern.chars().peekable(), out, repeated: false };
    while let Some(c) = rewriter.rest.next() {
        rewriter.item(c)?;
    }
    Ok(rewriter.out)
}

struct Rewriter<'p> {
    rest: Peekable<Chars<'p>>,
    out: String,
    /// Whether what was written last is a repetition.
    repeated: bool,
}

impl Rewriter<'_> {
    fn item(&mut self, c: char) -> Result<(), String> {
        match c {
            '*' | '+' | '?' => return self.repeat(&c.to_string()),
            '{' => {
                if let Some(count) = self.count()? {
                    return self.repeat(&count);
                }
                self.out.push_str("\\{");
            }
            '\\' => self.escape()?,
            '[' => self.class()?,
            '(' => self.group()?,
            c => self.out.push(c),
        }
        self.repeated = false;
        Ok(())
    }

    fn repeat(&mut self, times: &str) -> Result<(), String> {
        if self.repeated {
            return Err(format!("invalid nested repetition operator: {times}"));
        }
        self.repeated = true;
        self.out.push_str(times);
        if self.rest.next_if_eq(&'?').is_some() {
            self.out.push('?');
        }
        Ok(())
    }

    /// Reads the rest of `{3}`, `{3,}` or `{3,5}`, whose brace is read, if it is there.
    fn count(&mut self) -> Result<Option<String>, String> {
        let mut ahead = self.rest.clone();
        let mut text = String::from("{");
        let mut digits = |ahead: &mut Peekable<Chars<'_>>| {
            let digits: String = std::iter::from_fn(|| ahead.next_if(char::is_ascii_digit)).collect();
            text.push_str(&digits);
            digits
        };
        let least = digits(&mut ahead);
        if least.is_empty() {
            return Ok(None);
        }
        let mut most = least.clone();
        if ahead.next_if_eq(&',').is_some() {
            text.push(',');
            most = std::iter::from_fn(|| ahead.next_if(char::is_ascii_digit)).collect();
            text.push_str(&most);
        }
        if ahead.next() != Some('}') {
            return Ok(None);
        }
        text.push('}');
        let too_many =
            |digits: &String| !digits.is_empty() && digits.parse().is_ok_and(|count: u32| count > REPEATS_MAX);
        if too_many(&least) || too_many(&most) {
            return Err(format!("invalid repeat count: {text}"));
        }
        self.rest = ahead;
        Ok(Some(text))
    }

    /// Rewrites what follows an opening parenthesis, up to where the group's own pattern begins.
    fn group(&mut self) -> Result<(), String> {
        self.out.push('(');
        if self.rest.next_if_eq(&'?').is_none() {
            return Ok(());
        }
        self.out.push('?');
        if matches!(self.rest.peek(), Some('P' | '<')) {
            return Ok(());
        }
        loop {
            match self.rest.next() {
                Some(flag @ ('i' | 'm' | 's' | 'U' | '-')) => self.out.push(flag),
                Some(end @ (':' | ')')) => {
                    self.out.push(end);
                    return Ok(());
                }
                Some(other) => return Err(format!("invalid or unsupported Perl syntax: {}{other}", self.opening())),
                None => return Err("missing closing )".to_owned()),
            }
        }
    }

    /// Returns what was written since the last opening parenthesis, with it.
    fn opening(&self) -> &str {
        &self.out[self.out.rfind('(').unwrap_or(0)..]
    }

    /// Rewrites what follows a backslash outside of classes.
    fn escape(&mut self) -> Result<(), String> {
        match self.rest.peek() {
            Some('b') => self.out.push_str("(?-u:\\b)"),
            Some('B') => self.out.push_str("(?-u:\\B)"),
            Some(&anchor @ ('A' | 'z')) => self.out.extend(['\\', anchor]),
            Some('Q') => {
                self.rest.next();
                self.quote();
                return Ok(());
            }
            _ => {
                if !self.shorthand() {
                    let c = self.escaped()?;
                    self.out.push_str(&regex::escape(c.encode_utf8(&mut [0; 4])));
                }
                return Ok(());
            }
        }
        self.rest.next();
        Ok(())
    }

    /// Copies the text up to `\E` so that it stands for itself.
    fn quote(&mut self) {
        while let Some(c) = self.rest.next() {
            if c == '\\' && self.rest.next_if_eq(&'E').is_some() {
                return;
            }
            self.out.push_str(&regex::escape(c.encode_utf8(&mut [0; 4])));
        }
    }

    /// Rewrites the rest of `\d`, `\pL` and their like, if it is one.
    fn shorthand(&mut self) -> bool {
        let ascii = match self.rest.peek() {
            Some('d') => "[0-9]",
            Some('D') => "[^0-9]",
            Some('w') => "[0-9A-Za-z_]",
            Some('W') => "[^0-9A-Za-z_]",
            Some('s') => "[\\t\\n\\f\\r ]",
            Some('S') => "[^\\t\\n\\f\\r ]",
            Some(&unicode @ ('p' | 'P')) => {
                self.rest.next();
                self.unicode_class(unicode == 'P');
                return true;
            }
            _ => return false,
        };
        self.rest.next();
        self.out.push_str(ascii);
        true
    }

    /// Copies the name of a Unicode class: `L`, `{Greek}`, or `{^Greek}` for all others.
    fn unicode_class(&mut self, mut negated: bool) {
        let braced = self.rest.next_if_eq(&'{').is_some();
        if braced && self.rest.next_if_eq(&'^').is_some() {
            negated = !negated;
        }
        self.out.push_str(if negated { "\\P" } else { "\\p" });
        if braced {
            self.out.push('{');
            for c in self.rest.by_ref() {
                self.out.push(c);
                if c == '}' {
                    break;
                }
            }
        } else {
            self.out.extend(self.rest.next());
        }
    }

    /// Reads the rest of an escape that stands for one character.
    fn escaped(&mut self) -> Result<char, String> {
        let Some(c) = self.rest.next() else { return Err("trailing backslash at end of expression".to_owned()) };
        let next_is_octal = matches!(self.rest.peek(), Some('0'..='7'));
        let refused = || Err(format!("invalid escape sequence: \\{c}"));
        Ok(match c {
            'a' => '\u{7}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{b}',
            'x' => match self.hexadecimal() {
                Some(c) => c,
                None => return refused(),
            },
            // One digit alone would refer back to a group, which is not supported.
            '1'..='7' if !next_is_octal => return refused(),
            '0'..='7' => {
                let more = std::iter::from_fn(|| self.rest.next_if(|c| matches!(c, '0'..='7'))).take(2);
                let digits = std::iter::once(c).chain(more).filter_map(|digit| digit.to_digit(8));
                char::from_u32(digits.fold(0, |value, digit| value * 8 + digit)).unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            c if c.is_ascii() && !c.is_ascii_alphanumeric() => c,
            _ => return refused(),
        })
    }

    /// Reads what follows `\x`: two digits, or any within braces.
    fn hexadecimal(&mut self) -> Option<char> {
        let mut digits = String::new();
        if self.rest.next_if_eq(&'{').is_some() {
            digits.extend(self.rest.by_ref().take_while(|c| *c != '}'));
        } else {
            digits.extend(self.rest.by_ref().take(2));
            digits.chars().nth(1)?;
        }
        let plain = digits.chars().all(|c| c.is_ascii_hexdigit());
        plain.then(|| u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32)).flatten()
    }

    /// Rewrites a class whose opening bracket is read.
    fn class(&mut self) -> Result<(), String> {
        self.out.push('[');
        if self.rest.next_if_eq(&'^').is_some() {
            self.out.push('^');
        }
        let mut first = true;
        loop {
            match self.rest.next() {
                None => return Err("missing closing ]".to_owned()),
                // A bracket that comes first stands for itself.
                Some(']') if !first => break,
                Some('[') if self.named_class() => {}
                Some('\\') if self.shorthand() => {}
                Some(c) => self.range(c)?,
            }
            first = false;
        }
        self.out.push(']');
        Ok(())
    }

    /// Copies the rest of `[:alpha:]`, whose bracket is read, if it is one.
    fn named_class(&mut self) -> bool {
        let mut ahead = self.rest.clone();
        let colon = ahead.next() == Some(':');
        let name: String = std::iter::from_fn(|| ahead.next_if(|c| c.is_ascii_alphabetic() || *c == '^')).collect();
        let found = colon && ahead.next() == Some(':') && ahead.next() == Some(']');
        if found {
            self.out.push_str(&format!("[:{name}:]"));
            self.rest = ahead;
        }
        found
    }

    /// Rewrites one character of a class, or the range that it begins.
    fn range(&mut self, c: char) -> Result<(), String> {
        let low = if c == '\\' { self.escaped()? } else { c };
        self.push_literal(low);
        let mut ahead = self.rest.clone();
        let is_range = ahead.next() == Some('-') && !matches!(ahead.next(), Some(']') | None);
        if !is_range {
            return Ok(());
        }
        self.rest.next();
        let high = match self.rest.next() {
            Some('\\') => self.escaped()?,
            Some(c) => c,
            None => return Err("missing closing ]".to_owned()),
        };
        if high < low {
            return Err(format!("invalid character class range: {low}-{high}"));
        }
        self.out.push('-');
        self.push_literal(high);
        Ok(())
    }

    /// Writes a character of a class so that it stands for itself.
    fn push_literal(&mut self, c: char) {
        if c.is_ascii_punctuation() && !matches!(c, '<' | '>') {
            self.out.push('\\');
        }
        self.out.push(c);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_rewritten() {
        let cases = [
            (r"a.b|c", r"a.b|c"),
            (r"\d[\w-]", r"[0-9][[0-9A-Za-z_]\-]"),
            (r"[a&&b~~c]", r"[a\&\&b\~\~c]"),
            (r"[]a][^]a]", r"[\]a][^\]a]"),
            (r"[[:alpha:][]", r"[[:alpha:]\[]"),
            (r"[+--a]", r"[\+-\-a]"),
            (r"[a-]", r"[a\-]"),
            (r"[\x41-\x{5a}\101]", r"[A-ZA]"),
            (r"\<a\>\/\_", r"<a>/_"),
            (r"\012\x41\.\*", "\nA\\.\\*"),
            (r"x{2}{", r"x{2}\{"),
            (r#"{"a{,3}"#, r#"\{"a\{,3}"#),
            (r"a+?b{1,}?", r"a+?b{1,}?"),
            (r"\Qa.b{\E+", r"a\.b\{+"),
            (r"(?i-s:a)(?P<n>b)(?<m>c)", r"(?i-s:a)(?P<n>b)(?<m>c)"),
            (r"\p{^Greek}\PL\p{Lu}", r"\P{Greek}\PL\p{Lu}"),
            (r"\ba\B", r"(?-u:\b)a(?-u:\B)"),
        ];
        for (pattern, wanted) in cases {
            assert_eq!(rewrite(pattern).as_deref(), Ok(wanted), "{pattern}");
        }
    }

    #[test]
    fn what_go_does_not_know_is_refused() {
        let cases = [
            "a**",
            "a++",
            "a{2}{3}",
            "a*??",
            "a{1001}",
            "a{1,1001}",
            "(?x)a",
            "(?u:a)",
            "(?=a)",
            "(?",
            r"\u00e9",
            r"\1",
            r"\8",
            r"\h",
            r"\é",
            r"a\",
            "[z-a]",
            "[a--]-b]",
            "[a",
            "[",
            r"[\b]",
            r"[a-\d]",
            r"\x4",
            r"\x{zz}",
            r"\x{110000}",
        ];
        for pattern in cases {
            assert!(rewrite(pattern).is_err(), "{pattern}: {:?}", rewrite(pattern));
        }
    }
}
