//! Paths into a JSON document as `| json label="path"` writes them: `request.headers["User-Agent"]`, `servers[0]`.

use crate::error::PlanError;

/// The most steps of a path; a longer one is refused.
const STEPS_MAX: usize = 100;

/// One step down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PathStep {
    /// To the field of an object.
    Key(String),
    /// To the item of an array, from 0.
    Index(usize),
}

/// Reads a path. It has at least one step.
pub(crate) fn parse_path(text: &str) -> Result<Vec<PathStep>, PlanError> {
    let refused = |reason: &str| PlanError::Path { path: text.to_owned(), reason: reason.to_owned() };
    let mut steps = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        if steps.len() == STEPS_MAX {
            return Err(refused(&format!("it has more than {STEPS_MAX} steps")));
        }
        if let Some(inner) = rest.strip_prefix('[') {
            let (step, behind) = bracket(inner).ok_or_else(|| refused("expected [0] or [\"field\"]"))?;
            steps.push(step);
            rest = behind;
            continue;
        }
        let name = match (rest.strip_prefix('.'), steps.is_empty()) {
            (Some(name), false) => name,
            (None, true) => rest,
            (Some(_), true) => return Err(refused("a path does not begin with a dot")),
            (None, false) => return Err(refused("expected . or [ behind ]")),
        };
        let end = name.find(['.', '[', ']', '"', ' ', '\t', '\n']).unwrap_or(name.len());
        if end == 0 {
            return Err(refused("expected the name of a field"));
        }
        steps.push(PathStep::Key(name[..end].to_owned()));
        rest = &name[end..];
        if rest.starts_with([']', '"', ' ', '\t', '\n']) {
            return Err(refused("put a field of this name in [\"…\"]"));
        }
    }
    if steps.is_empty() { Err(refused("it is empty")) } else { Ok(steps) }
}

/// Reads what stands behind an opening bracket; returns what is behind the closing one.
fn bracket(text: &str) -> Option<(PathStep, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let (digits, behind) = text.split_once(']')?;
        let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
        return Some((PathStep::Index(digits.parse().ok().filter(|_| plain)?), behind));
    };
    let mut name = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((PathStep::Key(name), quoted[at + 1..].strip_prefix(']')?)),
            '\\' => name.push(chars.next()?.1),
            c => name.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_read() {
        let key = |name: &str| PathStep::Key(name.to_owned());
        let cases = [
            ("a", vec![key("a")]),
            (" a ", vec![key("a")]),
            ("servers[0]", vec![key("servers"), PathStep::Index(0)]),
            ("my.list[10][\"a field\"].x", vec![key("my"), key("list"), PathStep::Index(10), key("a field"), key("x")]),
            ("[\"a\\\"b\\\\\"]", vec![key("a\"b\\")]),
            ("[0][1]", vec![PathStep::Index(0), PathStep::Index(1)]),
            ("user-agent", vec![key("user-agent")]),
            ("é.☃", vec![key("é"), key("☃")]),
            ("[\"\"]", vec![key("")]),
        ];
        for (text, steps) in cases {
            assert_eq!(parse_path(text), Ok(steps), "{text}");
        }
    }

    #[test]
    fn what_is_no_path_is_refused() {
        let bad = [
            "",
            " ",
            ".a",
            "a.",
            "a..b",
            "a[",
            "a[]",
            "a[-1]",
            "a[x]",
            "a[\"x]",
            "a[\"x\"",
            "a]",
            "a b",
            "a[0]b",
            "[99999999999999999999999]",
        ];
        for text in bad {
            assert!(matches!(parse_path(text), Err(PlanError::Path { .. })), "{text}");
        }
        assert!(parse_path(&"a.".repeat(200)).is_err());
    }
}
