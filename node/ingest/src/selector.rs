//! The text form of a stream's labels in Loki's protobuf push: `{a="b", c="d"}`.
//!
//! Values are quoted as Go's `strconv.Quote` does (the Go specification, "String literals"), or raw between back quotes.
//! Only equality is allowed: this names a stream and asks for none.

use crate::labels::LabelFlaw;

/// Reads `text` into its pairs, as they come. Names are only split off here; `labels::check` judges them.
pub(crate) fn parse(text: &str) -> Result<Vec<(String, String)>, LabelFlaw> {
    let mut parser = Parser { text, at: 0 };
    parser.take('{')?;
    let mut pairs = Vec::new();
    while !parser.took('}') {
        if !pairs.is_empty() {
            parser.take(',')?;
            // Prometheus' own parser lets a comma stand before the closing brace.
            if parser.took('}') {
                break;
            }
        }
        let name = parser.name();
        parser.take('=')?;
        pairs.push((name, parser.value()?));
    }
    parser.skip_space();
    if parser.at < text.len() { Err(parser.flaw("the end")) } else { Ok(pairs) }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl Parser<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn skip_space(&mut self) {
        self.at += self.rest().len() - self.rest().trim_ascii_start().len();
    }

    fn took(&mut self, character: char) -> bool {
        self.skip_space();
        let found = self.rest().starts_with(character);
        self.at += if found { character.len_utf8() } else { 0 };
        found
    }

    fn take(&mut self, character: char) -> Result<(), LabelFlaw> {
        let wanted = match character {
            '{' => "\"{\"",
            ',' => "\",\" or \"}\"",
            _ => "\"=\"",
        };
        if self.took(character) { Ok(()) } else { Err(self.flaw(wanted)) }
    }

    fn name(&mut self) -> String {
        self.skip_space();
        let rest = self.rest();
        let end =
            rest.find(|c: char| c.is_ascii_whitespace() || matches!(c, '=' | '!' | '~' | ',' | '{' | '}' | '"' | '`'));
        let name = rest[..end.unwrap_or(rest.len())].to_owned();
        self.at += name.len();
        name
    }

    fn value(&mut self) -> Result<String, LabelFlaw> {
        if self.took('`') {
            let end = self.rest().find('`').ok_or_else(|| self.flaw("a closing back quote"))?;
            let value = self.rest()[..end].to_owned();
            self.at += end + 1;
            return Ok(value);
        }
        if !self.took('"') {
            return Err(self.flaw("a quoted value"));
        }
        let mut value = Vec::new();
        loop {
            let end = self.rest().find(['"', '\\']).ok_or_else(|| self.flaw("a closing quote"))?;
            value.extend_from_slice(&self.rest().as_bytes()[..end]);
            let quote = self.rest().as_bytes()[end] == b'"';
            self.at += end + 1;
            if quote {
                // `\xff` may name a byte that is not text; the same value must always become the same label.
                return Ok(String::from_utf8(value)
                    .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()));
            }
            self.escape(&mut value)?;
        }
    }

    fn escape(&mut self, value: &mut Vec<u8>) -> Result<(), LabelFlaw> {
        let letter = self.rest().bytes().next().ok_or_else(|| self.flaw("an escape"))?;
        let plain = match letter {
            b'"' | b'\\' | b'\'' => letter,
            b'n' => b'\n',
            b't' => b'\t',
            b'r' => b'\r',
            b'a' => 7,
            b'b' => 8,
            b'v' => 11,
            b'f' => 12,
            b'x' => self.code(1, 2, 16)? as u8,
            b'0'..=b'3' => self.code(0, 3, 8)? as u8,
            b'u' => return self.character(4, value),
            b'U' => return self.character(8, value),
            _ => return Err(self.flaw("an escape")),
        };
        value.push(plain);
        self.at += match letter {
            b'x' | b'0'..=b'3' => 3,
            _ => 1,
        };
        Ok(())
    }

    /// Reads `digits` digits that begin `skip` bytes from here.
    fn code(&self, skip: usize, digits: usize, radix: u32) -> Result<u32, LabelFlaw> {
        let text = self.rest().get(skip..skip + digits).ok_or_else(|| self.flaw("an escape"))?;
        text.chars().try_fold(0, |code, digit| {
            let digit = digit.to_digit(radix).ok_or_else(|| self.flaw("an escape"))?;
            Ok(code * radix + digit)
        })
    }

    fn character(&mut self, digits: usize, value: &mut Vec<u8>) -> Result<(), LabelFlaw> {
        // The overflow of eight hex digits cannot happen: they fill 32 bits exactly.
        let code = self.code(1, digits, 16)?;
        let character = char::from_u32(code).ok_or_else(|| self.flaw("a Unicode code point"))?;
        value.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        self.at += 1 + digits;
        Ok(())
    }

    fn flaw(&self, wanted: &'static str) -> LabelFlaw {
        LabelFlaw::Selector { at: self.at, wanted }
    }
}

#[cfg(test)]
mod tests {
    use logmesh_protocol::record::Labels;
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

    use super::*;

    fn check(text: &str, wanted: &[(&str, &str)]) {
        let owned: Vec<_> = wanted.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        assert_eq!(parse(text), Ok(owned), "{text}");
    }

    #[test]
    fn selectors_are_read() {
        check("{}", &[]);
        check(r#"{a="b"}"#, &[("a", "b")]);
        check(" { a = \"b\" ,\n c=\"\" , } ", &[("a", "b"), ("c", "")]);
        check(r#"{a=`x\"y`, b="{,}"}"#, &[("a", r#"x\"y"#), ("b", "{,}")]);
        check(r#"{a="\a\b\f\n\r\t\v\\\"\'"}"#, &[("a", "\u{7}\u{8}\u{c}\n\r\t\u{b}\\\"'")]);
        check(r#"{a="\x41\101\u00e9\U0001F600é"}"#, &[("a", "AAé😀é")]);
        check(r#"{a="\xff"}"#, &[("a", "\u{fffd}")]);
        check(r#"{="b"}"#, &[("", "b")]);
    }

    #[test]
    fn what_is_no_selector_is_refused() {
        for bad in [
            "",
            "{",
            "a",
            r#"{a="b""#,
            r#"{a="b"} x"#,
            r#"{a="b" c="d"}"#,
            r#"{a=b}"#,
            r#"{a!="b"}"#,
            r#"{a=~"b"}"#,
            r#"{a="b}"#,
            r#"{a="\q"}"#,
            r#"{a="\x4"}"#,
            r#"{a="\ud800"}"#,
            r#"{a="\U99999999"}"#,
            r#"{a="\"#,
            r#"{,}"#,
            r#"{a=`b}"#,
            r#"{a="\é"}"#,
            r#"{a="\xé"}"#,
            r#"{a="\400"}"#,
        ] {
            assert!(matches!(parse(bad), Err(LabelFlaw::Selector { .. })), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn quoted_values_are_read_back(pairs in proptest::collection::btree_map("[a-z_][a-z0-9_]{0,4}", ".{1,8}", 0..4)) {
            let quoted = |value: &str| {
                value.chars().map(|c| match c {
                    '"' => "\\\"".to_owned(),
                    '\\' => "\\\\".to_owned(),
                    c if c.is_control() => format!("\\U{:08x}", u32::from(c)),
                    c => c.to_string(),
                }).collect::<String>()
            };
            let inner: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}=\"{}\"", quoted(value))).collect();
            let read = parse(&format!("{{{}}}", inner.join(", "))).unwrap();
            prop_assert_eq!(Labels::new(read), Labels::new(pairs));
        }

        #[test]
        fn noise_never_panics(text in "[{}=,\"`\\\\xuU0-9aé ]{0,24}") {
            if let Ok(pairs) = parse(&text) {
                prop_assert!(pairs.len() <= text.len());
            }
        }
    }
}
