//! Regular expressions as Go writes them, compiled within a bound.

mod dialect;
mod expand;
mod patient;

use std::sync::Arc;

use regex::bytes::{Regex as BytesRegex, RegexBuilder as BytesRegexBuilder};
use regex::{Captures, Regex, RegexBuilder};
use regex_syntax::hir::{Hir, HirKind};

use crate::error::PlanError;
pub(crate) use expand::expand;
use patient::{Patient, Places};

/// The most bytes that one compiled expression may take; a larger one is refused. A thousand names joined by `|` fit.
const REGEX_BYTES_MAX: usize = 2 << 20;
/// The most groups that may be open at once in a pattern; a deeper one is refused.
const REGEX_NESTING_MAX: u32 = 100;

/// An expression for texts. The dot stops at newlines. However long the text is, a search can be broken off (see
/// [`crate::Interrupt::within`]) or takes less than about a second.
#[derive(Clone, Debug)]
pub(crate) struct TextRegex {
    quick: Regex,
    patient: Arc<Patient>,
}

/// The groups of a match.
pub(crate) enum Groups<'r, 't> {
    /// As the quick engines found them.
    Quick(Captures<'t>),
    /// As the patient one did.
    Patient {
        /// What was matched.
        regex: &'r Regex,
        /// The text that was searched.
        text: &'t str,
        /// Where they begin and end.
        places: Places,
    },
}

impl TextRegex {
    fn new(pattern: &str, translated: &str) -> Result<Self, PlanError> {
        let quick = RegexBuilder::new(translated).size_limit(REGEX_BYTES_MAX).nest_limit(REGEX_NESTING_MAX).build();
        let quick = quick.map_err(|error| refused(pattern, &error.to_string()))?;
        let patient = Patient::new(translated, true).map_err(|error| refused(pattern, &error))?;
        Ok(Self { quick, patient: Arc::new(patient) })
    }

    /// Tells whether the text matches.
    pub(crate) fn is_match(&self, text: &str) -> bool {
        if self.patient.is_needed(text.len()) {
            return self.patient.is_match(text.as_bytes());
        }
        self.quick.is_match(text)
    }

    /// Returns the first match.
    pub(crate) fn groups<'t>(&self, text: &'t str) -> Option<Groups<'_, 't>> {
        self.groups_at(text, 0)
    }

    /// Returns the first match that begins at byte `start` or later.
    pub(crate) fn groups_at<'t>(&self, text: &'t str, start: usize) -> Option<Groups<'_, 't>> {
        if self.patient.is_needed(text.len() - start) {
            let places = self.patient.find_at(text.as_bytes(), start)?;
            return Some(Groups::Patient { regex: &self.quick, text, places });
        }
        self.quick.captures_at(text, start).map(Groups::Quick)
    }
}

impl<'t> Groups<'_, 't> {
    /// Returns the text of a group by its number; 0 is the whole match.
    pub(crate) fn get(&self, at: usize) -> Option<&'t str> {
        match self {
            Groups::Quick(captures) => captures.get(at).map(|group| group.as_str()),
            Groups::Patient { text, places, .. } => text.get((*places.get(2 * at)?)?..(*places.get(2 * at + 1)?)?),
        }
    }

    /// Returns the text of a group by its name.
    pub(crate) fn name(&self, name: &str) -> Option<&'t str> {
        match self {
            Groups::Quick(captures) => captures.name(name).map(|group| group.as_str()),
            Groups::Patient { regex, .. } => self.get(regex.capture_names().position(|other| other == Some(name))?),
        }
    }

    /// Returns where the whole match begins and ends.
    pub(crate) fn span(&self) -> Option<(usize, usize)> {
        match self {
            Groups::Quick(captures) => captures.get(0).map(|whole| (whole.start(), whole.end())),
            Groups::Patient { places, .. } => Some(((*places.first()?)?, (*places.get(1)?)?)),
        }
    }
}

/// Compiles a pattern that must match a whole value, as the matchers of labels do.
pub(crate) fn anchored(pattern: &str) -> Result<TextRegex, PlanError> {
    TextRegex::new(pattern, &format!("\\A(?:{})\\z", rewritten(pattern)?))
}

/// Compiles a pattern that is looked for within a text.
pub(crate) fn searching(pattern: &str) -> Result<TextRegex, PlanError> {
    TextRegex::new(pattern, &rewritten(pattern)?)
}

/// A pattern that may match anywhere in a line. The dot matches newlines too. A search can be broken off like that of a
/// [`TextRegex`].
#[derive(Clone, Debug)]
pub(crate) struct LineRegex {
    quick: BytesRegex,
    patient: Patient,
    /// A text without which no line matches; empty if there is none.
    pub(crate) literal: Vec<u8>,
}

impl LineRegex {
    /// Tells whether the line matches.
    pub(crate) fn is_match(&self, line: &[u8]) -> bool {
        if self.patient.is_needed(line.len()) { self.patient.is_match(line) } else { self.quick.is_match(line) }
    }
}

/// Compiles a pattern for line filters.
pub(crate) fn unanchored(pattern: &str) -> Result<LineRegex, PlanError> {
    let translated = rewritten(pattern)?;
    let quick = BytesRegexBuilder::new(&translated)
        .dot_matches_new_line(true)
        .size_limit(REGEX_BYTES_MAX)
        .nest_limit(REGEX_NESTING_MAX)
        .build()
        .map_err(|error| refused(pattern, &error.to_string()))?;
    let patient = Patient::new(&translated, false).map_err(|error| refused(pattern, &error))?;
    let mut parser = regex_syntax::ParserBuilder::new().utf8(false).nest_limit(REGEX_NESTING_MAX).build();
    let literal = parser.parse(&translated).map_or_else(|_| Vec::new(), |hir| longest_literal(&hir).to_vec());
    Ok(LineRegex { quick, patient, literal })
}

/// A pattern whose named groups become labels.
#[derive(Clone, Debug)]
pub(crate) struct GroupRegex {
    /// The compiled pattern.
    pub(crate) regex: TextRegex,
    /// The number and the name of each named group.
    pub(crate) groups: Vec<(usize, String)>,
}

/// Compiles a pattern with at least one named group.
pub(crate) fn grouped(pattern: &str) -> Result<GroupRegex, PlanError> {
    let regex = searching(pattern)?;
    let named = |(at, name): (usize, Option<&str>)| name.map(|name| (at, name.to_owned()));
    let groups: Vec<(usize, String)> = regex.quick.capture_names().enumerate().filter_map(named).collect();
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

fn refused(pattern: &str, error: &str) -> PlanError {
    // The crate's syntax errors are drawings over several lines; their last line says what is the matter.
    let reason = error.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
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
            assert_eq!(compiled.is_match(line.as_bytes()), matches, "{pattern} on {line}");
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
    fn long_texts_match_as_short_ones_do() {
        let regex = grouped(r"(?P<first>\w+) (\w+) (?P<last>[a-z]+)(?P<none>!)?$").unwrap();
        for spaces in [1, patient::WORK_MAX / 8] {
            let text = format!("{}one two three", " ".repeat(spaces));
            assert_eq!(regex.regex.patient.is_needed(text.len()), spaces > 1);
            let groups = regex.regex.groups(&text).unwrap();
            assert_eq!([1, 2, 3, 4, 9].map(|at| groups.get(at)), [Some("one"), Some("two"), Some("three"), None, None]);
            let named = [groups.name("first"), groups.name("last"), groups.name("none"), groups.name("other")];
            assert_eq!(named, [Some("one"), Some("three"), None, None]);
            assert_eq!(groups.span(), Some((spaces, text.len())));
            assert!(regex.regex.is_match(&text) && unanchored("two$|two t").unwrap().is_match(text.as_bytes()));
            assert!(!anchored("one.*").unwrap().is_match(&text));
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
            if let Ok(compiled) = unanchored(&pattern) && compiled.is_match(line.as_bytes()) {
                prop_assert!(memchr::memmem::find(line.as_bytes(), &compiled.literal).is_some());
            }
        }
    }
}
