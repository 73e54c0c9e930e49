//! Whether anybody still waits for what a runner does. It is asked line by line: one block may have many lines, and one line
//! may cost as much as a template's whole budget.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::EvalError;

/// A flag that whoever waits raises when it waits no more. Clones share it; the default one is never raised.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Ends the work of all that look at this flag. There is no way back.
    pub fn raise(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Tells whether the work is no longer wanted.
    pub fn is_raised(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Fails if the work is no longer wanted.
    pub(crate) fn check(&self) -> Result<(), EvalError> {
        if self.is_raised() { Err(EvalError::Interrupted) } else { Ok(()) }
    }
}
