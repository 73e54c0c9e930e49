//! Takes terminal escape sequences out of a line: colours, titles, cursor movements (ECMA-48, section 5.4 and 8.3).

/// Appends the line without its escape sequences; returns whether there were any. What begins like one and is none stays.
pub(crate) fn strip(line: &str, out: &mut String) -> bool {
    let start = out.len();
    let (mut rest, mut found) = (line, false);
    while let Some(at) = rest.find([ESCAPE, CONTROL]) {
        let len = sequence_len(&rest[at..]);
        let kept = if len == 0 { rest[at..].chars().next().map_or(1, char::len_utf8) } else { 0 };
        out.push_str(&rest[..at + kept]);
        rest = &rest[at + kept + len..];
        found |= len > 0;
    }
    if !found {
        out.truncate(start);
        return false;
    }
    out.push_str(rest);
    true
}

const ESCAPE: char = '\u{1b}';
/// The single character that stands for an escape with an opening bracket.
const CONTROL: char = '\u{9b}';

/// Returns the length of the escape sequence at the start of `text`; 0 if it is none.
fn sequence_len(text: &str) -> usize {
    if let Some(rest) = text.strip_prefix(CONTROL) {
        return control_len(rest.as_bytes()).map_or(0, |len| CONTROL.len_utf8() + len);
    }
    let rest = &text.as_bytes()[1..];
    let len = match rest.first() {
        Some(b'[') => control_len(&rest[1..]).map(|len| len + 1),
        Some(b']') => string_len(&rest[1..]).map(|len| len + 1),
        Some(0x20..=0x2f) => {
            let between = rest.iter().take_while(|byte| matches!(byte, 0x20..=0x2f)).count();
            matches!(rest.get(between), Some(0x30..=0x7e)).then_some(between + 1)
        }
        Some(0x30..=0x7e) => Some(1),
        Some(_) | None => None,
    };
    len.map_or(0, |len| len + 1)
}

/// Returns the length of parameters, what may stand between, and the final byte.
fn control_len(rest: &[u8]) -> Option<usize> {
    let parameters = rest.iter().take_while(|byte| matches!(byte, 0x30..=0x3f)).count();
    let between = rest[parameters..].iter().take_while(|byte| matches!(byte, 0x20..=0x2f)).count();
    let end = parameters + between;
    matches!(rest.get(end), Some(0x40..=0x7e)).then_some(end + 1)
}

/// Returns the length of a string such as a title, up to the bell or the terminator.
fn string_len(rest: &[u8]) -> Option<usize> {
    let end = rest.iter().position(|byte| matches!(byte, 0x07 | 0x1b))?;
    match (rest[end], rest.get(end + 1)) {
        (0x07, _) => Some(end + 1),
        (_, Some(b'\\')) => Some(end + 2),
        (_, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert, proptest};

    use super::*;

    #[test]
    fn sequences_go_and_text_stays() {
        let cases = [
            ("\u{1b}[0;32mhttp\u{1b}[0m: GET", Some("http: GET")),
            ("\u{1b}[31;1;4mred\u{1b}[0m", Some("red")),
            ("\u{1b}[38;5;196mx\u{1b}[38;2;1;2;3my\u{1b}[m", Some("xy")),
            ("\u{1b}[38:2::1:2:3mx", Some("x")),
            ("\u{9b}1mx\u{9b}m", Some("x")),
            ("\u{1b}]0;title\u{7}x", Some("x")),
            ("\u{1b}]8;;http://a\u{1b}\\link\u{1b}]8;;\u{1b}\\", Some("link")),
            ("\u{1b}[2K\u{1b}[1Gx", Some("x")),
            ("\u{1b}(Bx\u{1b}cy", Some("xy")),
            ("é\u{1b}[1mü\u{1b}[0mñ", Some("éüñ")),
            ("plain [0m text", None),
            ("\u{1b}", None),
            ("\u{1b}[", None),
            ("\u{1b}[12", None),
            ("\u{1b}é", None),
            ("\u{1b}[1\u{1b}[0mx", Some("\u{1b}[1x")),
            ("", None),
        ];
        for (line, stripped) in cases {
            let mut out = String::from("before");
            assert_eq!(strip(line, &mut out), stripped.is_some(), "{line:?}");
            assert_eq!(&out[6..], stripped.unwrap_or_default(), "{line:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_is_added(line in "[\u{1b}\u{9b}\\[\\];0-9mé a\u{7}\\\\(]{0,24}") {
            let mut out = String::new();
            strip(&line, &mut out);
            let mut chars = line.chars();
            prop_assert!(out.chars().all(|c| chars.any(|other| other == c)));
        }
    }
}
