//! The kinds of settings: how a value of each is read from what was typed, and shown so that it can be read back.

use std::path::PathBuf;

use logmesh_store::Compression;

use super::LogFormat;
use super::settings::Shown;
use super::unit::{parse_duration, parse_size, show_duration, show_size};

pub(super) mod plain {
    use std::fmt::Display;
    use std::str::FromStr;

    use super::Shown;

    pub(in crate::config) fn read<T: FromStr<Err: Display>>(typed: &str) -> Result<T, String> {
        typed.parse().map_err(|error| format!("{typed:?}: {error}"))
    }

    pub(in crate::config) fn show(value: &impl Display) -> Shown {
        Shown::Text(value.to_string())
    }
}

pub(super) mod optional {
    use std::fmt::Display;
    use std::str::FromStr;

    use super::{Shown, plain};

    pub(in crate::config) fn read<T: FromStr<Err: Display>>(typed: &str) -> Result<Option<T>, String> {
        if typed.is_empty() { Ok(None) } else { plain::read(typed).map(Some) }
    }

    pub(in crate::config) fn show<T: Display>(value: &Option<T>) -> Shown {
        Shown::Text(value.as_ref().map(T::to_string).unwrap_or_default())
    }
}

pub(super) mod switch {
    use super::Shown;

    pub(in crate::config) fn read(typed: &str) -> Result<bool, String> {
        typed.parse().map_err(|_| format!("{typed:?}: neither true nor false"))
    }

    pub(in crate::config) fn show(value: &bool) -> Shown {
        Shown::Switch(*value)
    }
}

pub(super) mod text {
    use super::Shown;

    pub(in crate::config) fn read(typed: &str) -> Result<String, String> {
        Ok(typed.to_owned())
    }

    pub(in crate::config) fn show(value: &str) -> Shown {
        Shown::Text(value.to_owned())
    }
}

pub(super) mod path {
    use std::path::Path;

    use super::{PathBuf, Shown};

    pub(in crate::config) fn read(typed: &str) -> Result<PathBuf, String> {
        if typed.is_empty() { Err("a path is needed".to_owned()) } else { Ok(PathBuf::from(typed)) }
    }

    pub(in crate::config) fn show(value: &Path) -> Shown {
        Shown::Text(value.display().to_string())
    }
}

pub(super) mod optional_path {
    use super::{PathBuf, Shown};

    pub(in crate::config) fn read(typed: &str) -> Result<Option<PathBuf>, String> {
        Ok((!typed.is_empty()).then(|| PathBuf::from(typed)))
    }

    pub(in crate::config) fn show(value: &Option<PathBuf>) -> Shown {
        Shown::Text(value.as_ref().map(|path| path.display().to_string()).unwrap_or_default())
    }
}

pub(super) mod list {
    use super::Shown;

    pub(in crate::config) fn read(typed: &str) -> Result<Vec<String>, String> {
        Ok(typed.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect())
    }

    pub(in crate::config) fn show(value: &[String]) -> Shown {
        Shown::List(value.to_vec())
    }
}

pub(super) mod duration {
    use std::time::Duration;

    use super::{Shown, parse_duration, show_duration};

    pub(in crate::config) fn read(typed: &str) -> Result<Duration, String> {
        parse_duration(typed)
    }

    pub(in crate::config) fn show(value: &Duration) -> Shown {
        Shown::Text(show_duration(*value))
    }
}

pub(super) mod size {
    use super::{Shown, parse_size, show_size};

    pub(in crate::config) fn read<T: TryFrom<u64>>(typed: &str) -> Result<T, String> {
        T::try_from(parse_size(typed)?).map_err(|_| format!("{typed:?} is too much"))
    }

    pub(in crate::config) fn show<T: Copy + TryInto<u64>>(value: &T) -> Shown {
        Shown::Text(show_size((*value).try_into().unwrap_or(u64::MAX)))
    }
}

pub(super) mod count {
    use std::str::FromStr;

    use super::Shown;

    pub(in crate::config) fn read<T: FromStr>(typed: &str) -> Result<T, String> {
        typed.parse().map_err(|_| format!("{typed:?} is no whole number that fits here"))
    }

    pub(in crate::config) fn show<T: Copy + TryInto<u64>>(value: &T) -> Shown {
        Shown::Number((*value).try_into().unwrap_or(u64::MAX))
    }
}

pub(super) mod log_format {
    use super::{LogFormat, Shown};

    pub(in crate::config) fn read(typed: &str) -> Result<LogFormat, String> {
        match typed {
            "text" => Ok(LogFormat::Text),
            "json" => Ok(LogFormat::Json),
            other => Err(format!("{other:?} is neither text nor json")),
        }
    }

    pub(in crate::config) fn show(value: &LogFormat) -> Shown {
        Shown::Text(
            match value {
                LogFormat::Text => "text",
                LogFormat::Json => "json",
            }
            .to_owned(),
        )
    }
}

pub(super) mod compression {
    use super::{Compression, Shown};

    pub(in crate::config) fn read(typed: &str) -> Result<Compression, String> {
        match typed {
            "zstd" => Ok(Compression::Zstd),
            "lz4" => Ok(Compression::Lz4),
            other => Err(format!("{other:?} is neither zstd nor lz4")),
        }
    }

    pub(in crate::config) fn show(value: &Compression) -> Shown {
        Shown::Text(
            match value {
                Compression::Zstd => "zstd",
                Compression::Lz4 => "lz4",
            }
            .to_owned(),
        )
    }
}
