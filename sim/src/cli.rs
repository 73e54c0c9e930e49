//! The commands, one a file.

pub(crate) mod bench;
pub(crate) mod fuzz;
#[cfg(feature = "planted")]
pub(crate) mod planted;

/// A clock on the wall, for what only the person who waits needs to know.
#[expect(clippy::disallowed_methods, reason = "how long the program itself takes is no part of any world")]
pub(crate) fn wall_clock() -> std::time::Instant {
    std::time::Instant::now()
}
