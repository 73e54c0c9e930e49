//! How the simulator allocates.

use std::env;

/// Keeps freed memory instead of giving it back to the system, so that it stays in huge pages: with a thousand hosts a fifth of the time
/// goes into finding small ones. The allocator takes its settings from the environment alone, hence the program starts itself anew.
pub(crate) fn keep() {
    #[cfg(unix)]
    if env::var_os(PURGE_DELAY).is_none()
        && let Ok(program) = env::current_exe()
    {
        use std::os::unix::process::CommandExt as _;

        let mut again = std::process::Command::new(program);
        // It comes back only if that failed, and then all goes on as it is.
        let _slower = again.args(env::args_os().skip(1)).env(PURGE_DELAY, NEVER).exec();
    }
}

/// mimalloc's setting for after how many milliseconds freed memory is given back.
const PURGE_DELAY: &str = "MIMALLOC_PURGE_DELAY";
const NEVER: &str = "-1";
