//! Whether anybody still waits for what a runner does. It is asked line by line: one block may have many lines, and one line
//! may cost as much as a template's whole budget. Where a single line may take long it is asked within it too.

use std::cell::RefCell;
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

    /// Does `work` on this thread, so that what is deep within it (the search for a regular expression in one line) can ask for this
    /// flag too. What such work returns after the flag was raised means nothing.
    pub fn within<T>(&self, work: impl FnOnce() -> T) -> T {
        let _restore = Restore(HERE.replace(Some(self.clone())));
        work()
    }

    /// Tells whether what this thread does is no longer wanted.
    pub(crate) fn is_raised_here() -> bool {
        HERE.with_borrow(|here| here.as_ref().is_some_and(Interrupt::is_raised))
    }
}

thread_local! {
    /// Who waits for what this thread does. Handing a flag down to every single comparison would cost all queries what only
    /// the dearest need.
    static HERE: RefCell<Option<Interrupt>> = const { RefCell::new(None) };
}

/// Puts back what was there before, also behind a panic.
struct Restore(Option<Interrupt>);

impl Drop for Restore {
    fn drop(&mut self) {
        HERE.set(self.0.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_asked_about_on_its_own_thread_for_as_long_as_it_lasts() {
        let (outer, inner) = (Interrupt::default(), Interrupt::default());
        outer.raise();
        assert!(!Interrupt::is_raised_here());
        outer.within(|| {
            assert!(Interrupt::is_raised_here());
            inner.within(|| assert!(!Interrupt::is_raised_here()));
            let _ = std::panic::catch_unwind(|| inner.within(|| panic!("a line is broken")));
            assert!(Interrupt::is_raised_here());
            std::thread::scope(|scope| {
                scope.spawn(|| assert!(!Interrupt::is_raised_here()));
            });
        });
        assert!(!Interrupt::is_raised_here());
    }
}
