//! What is wrong in a scenario, said so that its writer finds the place and knows the cure.

use std::fmt;
use std::ops::Range;

/// One mistake: where, in which key, what, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The bytes of the file that are wrong.
    pub span: Range<usize>,
    /// The key concerned, from the root of the file; empty if there is none.
    pub key: String,
    /// What is wrong, in words.
    pub what: String,
    /// What was probably meant, or what can be written there.
    pub hint: Option<String>,
}

impl Mistake {
    /// Returns a mistake without a hint.
    pub(crate) fn new(span: Range<usize>, key: &str, what: impl Into<String>) -> Self {
        Self { span, key: key.to_owned(), what: what.into(), hint: None }
    }

    /// Adds what was probably meant.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// All mistakes of one file, in the order of the file; never none.
#[derive(Clone, Debug)]
pub struct Mistakes {
    file: String,
    text: String,
    /// The mistakes.
    pub list: Vec<Mistake>,
}

impl Mistakes {
    /// Returns the mistakes that were found in `text`, which was read from `file`.
    pub(crate) fn new(file: &str, text: &str, mut list: Vec<Mistake>) -> Self {
        list.sort_by_key(|mistake| (mistake.span.start, mistake.span.end));
        list.dedup();
        Self { file: file.to_owned(), text: text.to_owned(), list }
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, mistake: &Mistake) -> fmt::Result {
        let start = floor_char(&self.text, mistake.span.start);
        let line_start = self.text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = self.text[start..].find('\n').map_or(self.text.len(), |at| start + at);
        let line = self.text[line_start..line_end].trim_end();
        let number = self.text[..start].matches('\n').count() + 1;
        let column = self.text[line_start..start].chars().count();
        let end = floor_char(&self.text, mistake.span.end).clamp(start, line_end.max(start));
        let width = self.text[start..end].trim_end().chars().count().max(1);
        let margin = " ".repeat(number.to_string().len());
        let key = if mistake.key.is_empty() { String::new() } else { format!("{}: ", mistake.key) };
        writeln!(f, "{}:{number}:{}: {key}{}", self.file, column + 1, mistake.what)?;
        writeln!(f, "{margin} |")?;
        writeln!(f, "{number} | {line}")?;
        writeln!(f, "{margin} | {}{}", " ".repeat(column), "^".repeat(width))?;
        match &mistake.hint {
            Some(hint) => writeln!(f, "{margin} = {hint}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.list.iter().take(SHOWN_MAX).enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            self.write(f, mistake)?;
        }
        match self.list.len().saturating_sub(SHOWN_MAX) {
            0 => Ok(()),
            more => writeln!(f, "\nand {more} more"),
        }
    }
}

impl std::error::Error for Mistakes {}

/// Returns the last boundary between characters at or before `at`.
fn floor_char(text: &str, at: usize) -> usize {
    let at = at.min(text.len());
    (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

/// Returns the one of `candidates` that `word` was probably meant to be, if one is near enough.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let allowed = 1 + word.chars().count() / 4;
    let near = candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&word, &candidate.to_lowercase()), candidate));
    near.filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Returns "did you mean `x`?" if something is near, else which words there are.
pub(crate) fn suggestion(word: &str, candidates: &[&str]) -> String {
    match nearest(word, candidates.iter().copied()) {
        Some(candidate) => format!("did you mean `{candidate}`?"),
        None => {
            let shown = candidates.iter().take(CANDIDATES_SHOWN_MAX);
            let listed = shown.map(|candidate| format!("`{candidate}`")).collect::<Vec<_>>().join(", ");
            let more = if candidates.len() > CANDIDATES_SHOWN_MAX { " …" } else { "" };
            format!("there are {listed}{more}")
        }
    }
}

/// The most mistakes of one file that are shown.
const SHOWN_MAX: usize = 20;

/// The most words that are offered where none is near.
const CANDIDATES_SHOWN_MAX: usize = 24;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_suggested_and_a_far_one_is_not() {
        for (word, expected) in
            [("coppies", Some("copies")), ("Nodes", Some("nodes")), ("xylophone", None), ("ndoes", Some("nodes"))]
        {
            assert_eq!(nearest(word, ["copies", "nodes", "links"]), expected, "{word}");
        }
    }

    #[test]
    fn a_mistake_is_shown_in_its_place_even_between_wide_characters() {
        let text = "a = 1\nbü = 22\n";
        let at = text.find("22").unwrap();
        let mistakes = Mistakes::new("x.toml", text, vec![Mistake::new(at..at + 2, "bü", "too many").hint("write 2")]);
        assert_eq!(mistakes.to_string(), "x.toml:2:6: bü: too many\n  |\n2 | bü = 22\n  |      ^^\n  = write 2\n");
    }

    #[test]
    fn a_span_beyond_the_text_does_no_harm() {
        let mistakes = Mistakes::new("x", "ä", vec![Mistake::new(1..900, "", "odd")]);
        assert!(mistakes.to_string().starts_with("x:1:1: odd"));
    }
}
