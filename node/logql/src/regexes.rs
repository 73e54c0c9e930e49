//! Regular expressions as Go writes them, compiled within a bound.

mod dialect;
mod expand;

use regex::bytes::{Regex as BytesRegex, RegexBuilder as BytesRegexBuilder};
use regex::{Regex, RegexBuilder};
use regex_syntax::hir::{Hir, HirKind};

use crate::error::PlanError;
pub(crate) use expand::expand;

/// The most bytes that one compiled expression may take; a larger one is refused. A thousand names joined by `|` fit.
const REGEX_BYTES_MAX: usize = 2 << 20;
/// The most groups that may be open at once in a pattern; a deeper one is refused.
const REGEX_NESTING_MAX: u32 = 100;

/// Compiles a pattern that must match a whole value, as the matchers of labels do. The dot stops at newlines.
pub(crate) fn anchored(pattern: &str) -> Result<Regex, PlanError> {
    RegexBuilder::new(&format!("\\A(?:{})\\z", rewritten(pattern)?))
        .size_limit(REGEX_BYTES_MAX)
        .nest_limit(REGEX_NESTING_MAX)
        .build()
        .map_err(|error| refused(pattern, &error))
}

/// Compiles a pattern that is looked for within a text. The dot stops at newlines.
pub(crate) fn searching(pattern: &str) -> Result<Regex, PlanError> {
    RegexBuilder::new(&rewritten(pattern)?)
        .size_limit(REGEX_BYTES_MAX)
        .nest_limit(REGEX_NESTING_MAX)
        .build()
        .map_err(|error| refused(pattern, &error))
}

/// A pattern that may match anywhere in a line. The dot matches newlines too.
#[derive(Clone, Debug)]
pub(crate) struct LineRegex {
    /// The compiled pattern.
    pub(crate) regex: BytesRegex,
    /// A text without which no line matches; empty if there is none.
    pub(crate) literal: Vec<u8>,
}

/// Compiles a pattern for line filters.
pub(crate) fn unanchored(pattern: &str) -> Result<LineRegex, PlanError> {
    let translated = rewritten(pattern)?;
    let regex = BytesRegexBuilder::new(&translated)
        .dot_matches_new_line(true)
        .size_limit(REGEX_BYTES_MAX)
        .nest_limit(REGEX_NESTING_MAX)
        .build()
        .map_err(|error| refused(pattern, &error))?;
    let mut parser = regex_syntax::ParserBuilder::new().utf8(false).nest_limit(REGEX_NESTING_MAX).build();
    let literal = parser.parse(&translated).map_or_else(|_| Vec::new(), |hir| longest_literal(&hir).to_vec());
    Ok(LineRegex { regex, literal })
}

/// A pattern whose named groups become labels.
#[derive(Clone, Debug)]
pub(crate) struct GroupRegex {
    /// The compiled pattern. The dot stops at newlines.
    pub(crate) regex: Regex,
    /// The number and the name of each named group.
    pub(crate) groups: Vec<(usize, String)>,
}

/// Compiles a pattern with at least one named group.
pub(crate) fn grouped(pattern: &str) -> Result<GroupRegex, PlanError> {
    let regex = RegexBuilder::new(&rewritten(pattern)?)
        .size_limit(REGEX_BYTES_MAX)
        .nest_limit(REGEX_NESTING_MAX)
        .build()
        .map_err(|error| refused(pattern, &error))?;
    let named = |(at, name): (usize, Option<&str>)| name.map(|name| (at, name.to_owned()));
    let groups: Vec<(usize, String)> = regex.capture_names().enumerate().filter_map(named).collect();
    if let Some((_, name)) = groups.iter().find(|(_, name)| name.contains(['.', '[', ']'])) {
        let reason = format!("invalid named capture {name:?}");
        return Err(PlanError::Regex { pattern: pattern.to_owned(), reason });
    }
    if groups.is_empty() {
        let reason = "at least one named capture must be supplied, such as (?P<name>…)".to_owned();
        return Err(PlanError::Regex { pattern: pattern.to_owned(), reason });
    }
    Ok(GroupRegex { regex, groups })
}

fn rewritten(pattern: &str) -> Result<String, PlanError> {
    dialect::rewrite(pattern).map_err(|reason| PlanError::Regex { pattern: pattern.to_owned(), reason })
}

fn refused(pattern: &str, error: &regex::Error) -> PlanError {
    // The crate's syntax errors are drawings over several lines; their last line says what is the matter.
    let reason = error.to_string();
    let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
    PlanError::Regex { pattern: pattern.to_owned(), reason }
}

/// Returns the longest text that every match contains, as far as it is plain to see.
fn longest_literal(hir: &Hir) -> &[u8] {
    match hir.kind() {
        HirKind::Literal(literal) => &literal.0,
        HirKind::Capture(capture) => longest_literal(&capture.sub),
        HirKind::Repetition(repetition) if repetition.min > 0 => longest_literal(&repetition.sub),
        HirKind::Concat(parts) => parts.iter().map(longest_literal).max_by_key(|literal| literal.len()).unwrap_or(&[]),
        HirKind::Empty | HirKind::Class(_) | HirKind::Look(_) | HirKind::Repetition(_) | HirKind::Alternation(_) => &[],
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert, proptest};

    use super::*;

    #[test]
    fn line_patterns_mean_what_they_mean_in_go() {
        let cases = [
            (r"^\d+$", "123", true),
            (r"^\d+$", "١٢٣", false),
            (r"^\w+$", "é", false),
            (r"\bword\b", "éword", true),
            (r"a.b", "a\nb", true),
            (r"[[a]b", "[b", true),
            (r"[a&&b]c", "&c", true),
            (r"[]x]y", "]y", true),
            (r"[^]x]y", "zy", true),
            (r"[[:digit:]x]+z", "1xz", true),
            (r"[\d.]+z", "1.2z", true),
            (r"[\w-]+=1", "a-b=1", true),
            (r"\Qa.b*\Ec+", "a.b*cc", true),
            (r"\Qa.b\E", "axb", false),
            (r"(?i)ERROR", "an error", true),
            (r"(?P<x>a)b", "ab", true),
            (r"\.go:\d+", "main.go:17", true),
            (r"\pL+", "é", true),
            (r#"{"level":"\w+"}"#, r#"{"level":"info"}"#, true),
            (r"x{", "x{", true),
            (r"x{", "xx", false),
            (r"x{,3}", "x{,3}", true),
            (r"x{,3}", "xxx", false),
            (r"x{2,}y", "xxxy", true),
            (r"^x{2}$", "xx", true),
            (r"x{2,3", "x{2,3", true),
            (r"{{\.\w+}}", "{{.a}}", true),
            (r"[{]a", "{a", true),
            (r"\p{L}{2}\x{e9}\P{L}", "aéé1", true),
        ];
        for (pattern, line, matches) in cases {
            let compiled = unanchored(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"));
            assert_eq!(compiled.regex.is_match(line.as_bytes()), matches, "{pattern} on {line}");
        }
    }

    #[test]
    fn label_patterns_are_anchored_and_their_dot_stops_at_newlines() {
        let cases = [("a|b", "b", true), ("a|b", "ab", false), ("a.*", "a\nb", false), ("(?s)a.*", "a\nb", true)];
        for (pattern, value, matches) in cases {
            assert_eq!(anchored(pattern).unwrap().is_match(value), matches, "{pattern} on {value}");
        }
    }

    #[test]
    fn the_longest_literal_is_found() {
        let cases = [
            (r"error=\w+ timeout", " timeout"),
            (r"(abc)+x", "abc"),
            (r"a|b", ""),
            (r"(?i)error", ""),
            (r"(long enough)?no", "no"),
        ];
        for (pattern, literal) in cases {
            assert_eq!(unanchored(pattern).unwrap().literal, literal.as_bytes(), "{pattern}");
        }
    }

    #[test]
    fn long_lists_of_names_fit() {
        let names: Vec<String> = (0..1_000).map(|at| format!("some-service-name-{at}-{}", at * 7)).collect();
        assert!(anchored(&names.join("|")).unwrap().is_match("some-service-name-999-6993"));
    }

    #[test]
    fn what_is_too_large_or_malformed_is_refused() {
        for pattern in ["(", "{3}", "a{10000000}", r"(\pL{500}){500}", &"(".repeat(5_000), "[", r"\8"] {
            assert!(matches!(anchored(pattern), Err(PlanError::Regex { .. })), "{}", pattern.len());
            assert!(unanchored(pattern).is_err());
        }
    }

    proptest! {
        #[test]
        fn any_pattern_compiles_or_is_refused(pattern in ".{0,24}") {
            let _ = anchored(&pattern);
            let _ = unanchored(&pattern);
        }

        #[test]
        fn no_match_is_without_the_literal(pattern in "[a-c|()*+?.]{0,10}", line in "[a-c]{0,12}") {
            if let Ok(compiled) = unanchored(&pattern) && compiled.regex.is_match(line.as_bytes()) {
                prop_assert!(memchr::memmem::find(line.as_bytes(), &compiled.literal).is_some());
            }
        }
    }
}
