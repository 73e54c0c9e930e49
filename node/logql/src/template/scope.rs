//! What functions may use besides their arguments, and what a rendering may still cost.

use super::arguments::Mistake;
use super::patterns::Patterns;
use super::{STEPS_MAX, TemplateRow};

/// The surroundings of a call.
#[derive(Debug)]
pub(super) struct Scope<'a, 'p> {
    /// The row at hand.
    pub(super) row: &'a dyn TemplateRow,
    /// The regular expressions compiled so far.
    pub(super) patterns: &'p mut Patterns,
    steps: u64,
}

impl<'a, 'p> Scope<'a, 'p> {
    /// Begins a rendering.
    pub(super) fn new(row: &'a dyn TemplateRow, patterns: &'p mut Patterns) -> Self {
        Self { row, patterns, steps: 0 }
    }

    /// Takes a step that looks at or makes so many bytes. Fails when the rendering has taken too many.
    pub(super) fn step(&mut self, bytes: usize) -> Result<(), Mistake> {
        self.steps += 1 + (bytes / BYTES_PER_STEP) as u64;
        if self.steps > STEPS_MAX {
            return Err(Mistake::Calling(format!("the template takes more than {STEPS_MAX} steps")));
        }
        Ok(())
    }
}

/// How much text counts as a step.
const BYTES_PER_STEP: usize = 64;
