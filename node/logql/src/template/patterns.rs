//! The regular expressions of a template, compiled once and kept for the lines to come.

use crate::regexes::{TextRegex, searching};

/// The most expressions that one template keeps; with another one it forgets them all and begins anew.
const PATTERNS_MAX: usize = 16;

/// Compiled expressions by their text.
#[derive(Clone, Debug, Default)]
pub(super) struct Patterns {
    compiled: Vec<(String, Result<TextRegex, String>)>,
}

impl Patterns {
    /// Tells whether an expression is there already.
    pub(super) fn has(&self, pattern: &str) -> bool {
        self.compiled.iter().any(|(text, _)| text == pattern)
    }

    /// Returns an expression, or why it does not compile.
    pub(super) fn compiled(&mut self, pattern: &str) -> Result<&TextRegex, String> {
        let at = match self.compiled.iter().position(|(text, _)| text == pattern) {
            Some(at) => at,
            None => {
                if self.compiled.len() >= PATTERNS_MAX {
                    self.compiled.clear();
                }
                let regex = searching(pattern).map_err(|error| error.to_string());
                self.compiled.push((pattern.to_owned(), regex));
                self.compiled.len() - 1
            }
        };
        self.compiled[at].1.as_ref().map_err(Clone::clone)
    }
}
