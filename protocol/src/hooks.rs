//! Where the simulator can plant a bug. In every other build a hook is the constant `false` and leaves nothing behind.

/// Tells whether this bug is planted.
#[cfg(feature = "planted")]
macro_rules! planted {
    ($bug:ident) => {
        $crate::planted::is_planted($crate::planted::Bug::$bug)
    };
}

/// No bug is planted in a build without the feature.
#[cfg(not(feature = "planted"))]
macro_rules! planted {
    ($bug:ident) => {
        false
    };
}
