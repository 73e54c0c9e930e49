//! Flags over environment over file over default, and where each value came from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use logmesh_gossip::Secret;
use thiserror::Error;

use super::Config;
use super::check::{self, Problem};
use super::nearest::nearest;
use super::settings::{SETTINGS, Setting, find};

/// What was typed, before anything is made of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Typed {
    /// The values of flags, by the key of their setting.
    pub(crate) flags: Vec<(&'static str, String)>,
    /// All environment variables; those that are no settings are left alone, for others may use the prefix.
    pub(crate) environment: BTreeMap<String, String>,
    /// The file that `--config` names. `LOGMESH_CONFIG` stands in for it.
    pub(crate) file: Option<PathBuf>,
}

/// What is meant, and where each part of it came from.
#[derive(Clone, Debug)]
pub(crate) struct Loaded {
    config: Config,
    sources: BTreeMap<&'static str, Source>,
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Flag(String),
    Environment(String),
    File(PathBuf),
    Default,
}

impl Loaded {
    /// Makes of what was typed what is meant.
    pub(crate) fn load(typed: &Typed) -> Result<Self, ConfigError> {
        let mut loaded = Self { config: Config::default(), sources: BTreeMap::new() };
        let named = typed.environment.get("LOGMESH_CONFIG").filter(|path| !path.is_empty()).map(PathBuf::from);
        if let Some(path) = typed.file.clone().or(named) {
            let text = std::fs::read_to_string(&path)
                .map_err(|source| ConfigError::Unreadable { path: path.clone(), source })?;
            for (setting, value) in read_file(&path, &text)? {
                loaded.set(setting, &value, Source::File(path.clone()))?;
            }
        }
        for setting in SETTINGS {
            // Compose files and unit files often pass variables on empty: that is not a choice.
            if let Some(value) = typed.environment.get(&setting.variable()).filter(|value| !value.is_empty()) {
                loaded.set(setting, value, Source::Environment(setting.variable()))?;
            }
        }
        for (key, value) in &typed.flags {
            let setting = find(key).expect("every flag belongs to a setting");
            loaded.set(setting, value, Source::Flag(setting.flag_name()))?;
        }
        if loaded.config.own.name.is_empty() {
            loaded.config.own.name = host_name();
        }
        Ok(loaded)
    }

    /// Returns the configuration of a node that may start: one whose settings fit together, with its secrets read.
    pub(crate) fn admit(mut self) -> Result<Config, ConfigError> {
        self.check()?;
        if let Some(path) = &self.config.own.secret_file {
            self.config.secrets = read_secrets(path)?;
        } else if !self.config.own.mesh.ip().is_loopback() {
            return Err(ConfigError::NoSecret { mesh: self.config.own.mesh.to_string() });
        }
        Ok(self.config)
    }

    /// Tells whether the settings fit together.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        match check::check(&self.config) {
            Ok(()) => Ok(()),
            Err(Problem { key, why }) => Err(ConfigError::Invalid { key, origin: self.source(key).to_string(), why }),
        }
    }

    /// Returns all settings as TOML, each with where it came from.
    pub(crate) fn to_toml(&self) -> String {
        let mut lines = Vec::new();
        let mut section = "";
        for setting in SETTINGS {
            let (its_section, name) = setting.key.split_once('.').expect("every key has a section");
            if its_section != section {
                lines.extend((!lines.is_empty()).then(String::new));
                lines.push(format!("[{its_section}]"));
                section = its_section;
            }
            let assignment = format!("{name} = {}", (setting.show)(&self.config).to_toml());
            lines.push(format!("{assignment:<44} # {}", self.source(setting.key)));
        }
        lines.join("\n") + "\n"
    }

    /// Returns all settings as one JSON object, by key, each with its value and where it came from.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        let entry = |setting: &Setting| {
            let value = (setting.show)(&self.config).to_json();
            serde_json::json!({ "value": value, "source": self.source(setting.key).to_string() })
        };
        SETTINGS.iter().map(|setting| (setting.key.to_owned(), entry(setting))).collect()
    }

    fn set(&mut self, setting: &'static Setting, value: &str, source: Source) -> Result<(), ConfigError> {
        let invalid = |why| ConfigError::Invalid { key: setting.key, origin: source.to_string(), why };
        (setting.set)(&mut self.config, value).map_err(invalid)?;
        self.sources.insert(setting.key, source);
        Ok(())
    }

    fn source(&self, key: &str) -> &Source {
        self.sources.get(key).unwrap_or(&Source::Default)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => write!(f, "flag {flag}"),
            Self::Environment(variable) => write!(f, "environment {variable}"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Default => f.write_str("default"),
        }
    }
}

fn read_file(path: &Path, text: &str) -> Result<Vec<(&'static Setting, String)>, ConfigError> {
    let syntax = |error: toml::de::Error| ConfigError::Syntax { path: path.to_owned(), why: error.to_string() };
    let table: toml::Table = text.parse().map_err(syntax)?;
    let mut values = Vec::new();
    for (section, content) in table {
        let toml::Value::Table(entries) = content else {
            return Err(unknown(path, &section));
        };
        if !SETTINGS.iter().any(|setting| setting.key.split('.').next() == Some(&section)) {
            return Err(unknown_section(path, &section));
        }
        for (name, value) in entries {
            let key = format!("{section}.{name}");
            let setting = find(&key).ok_or_else(|| unknown(path, &key))?;
            let origin = || Source::File(path.to_owned()).to_string();
            let invalid = |why| ConfigError::Invalid { key: setting.key, origin: origin(), why };
            values.push((setting, plain_text(value).map_err(invalid)?));
        }
    }
    Ok(values)
}

fn plain_text(value: toml::Value) -> Result<String, String> {
    match value {
        toml::Value::String(text) => Ok(text),
        toml::Value::Integer(number) => Ok(number.to_string()),
        toml::Value::Boolean(on) => Ok(on.to_string()),
        toml::Value::Array(items) => Ok(items.into_iter().map(plain_text).collect::<Result<Vec<_>, _>>()?.join(",")),
        other => Err(format!("a {} makes no sense here", other.type_str())),
    }
}

fn unknown(path: &Path, key: &str) -> ConfigError {
    let guess = nearest(key, SETTINGS.iter().map(|setting| setting.key));
    let hint = guess.map_or_else(String::new, |name| format!("; did you mean `{name}`?"));
    ConfigError::Unknown { path: path.to_owned(), key: key.to_owned(), hint }
}

fn unknown_section(path: &Path, section: &str) -> ConfigError {
    let sections = SETTINGS.iter().filter_map(|setting| setting.key.split('.').next());
    let hint = nearest(section, sections).map_or_else(String::new, |name| format!("; did you mean `[{name}]`?"));
    ConfigError::Unknown { path: path.to_owned(), key: format!("[{section}]"), hint }
}

fn read_secrets(path: &Path) -> Result<Vec<Secret>, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ConfigError::SecretUnreadable { path: path.to_owned(), source })?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let secrets: Result<Vec<Secret>, _> = lines.map(str::parse).collect();
    let bad = |why: String| ConfigError::BadSecret { path: path.to_owned(), why };
    let secrets = secrets.map_err(|error| bad(error.to_string()))?;
    match secrets.len() {
        1..=SECRETS_MAX => Ok(secrets),
        0 => Err(bad("it is empty; make a secret with `logmesh keygen`".to_owned())),
        many => Err(bad(format!("it has {many} secrets; {SECRETS_MAX} are the most, for changing one for another"))),
    }
}

/// The host's name as the kernel knows it, made fit to be a node's name.
fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let fit: String =
        name.trim().chars().filter(|c| check::NAME_LETTERS.contains(*c) || c.is_ascii_alphanumeric()).collect();
    let fit = fit.chars().take(check::NAME_BYTES_MAX).collect::<String>();
    if fit.is_empty() { "node".to_owned() } else { fit }
}

/// Why no node can be made of what was typed. Each is a sentence that says what to do.
#[derive(Debug, Error)]
pub(crate) enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the settings in {path}", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("{path} is not TOML: {why}", path = path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where and what.
        why: String,
    },
    /// The file has a key that is no setting.
    #[error("{path} sets `{key}`, which is no setting{hint}", path = path.display())]
    Unknown {
        /// The file.
        path: PathBuf,
        /// The key.
        key: String,
        /// The nearest setting, if any is near.
        hint: String,
    },
    /// A value cannot be used.
    #[error("`{key}` ({origin}): {why}")]
    Invalid {
        /// The setting.
        key: &'static str,
        /// Where the value came from.
        origin: String,
        /// What is wrong with it.
        why: String,
    },
    /// The node would be open to everyone.
    #[error(
        "peers would be listened for on {mesh}, which is not a loopback address, without a mesh secret: anyone could join. \
         Make one with `logmesh keygen --out secret`, copy the file to every node, and give it with --secret-file"
    )]
    NoSecret {
        /// The mesh address.
        mesh: String,
    },
    /// The secret's file cannot be read.
    #[error("cannot read the mesh secret in {path}; make one with `logmesh keygen --out {path}`", path = path.display())]
    SecretUnreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The secret's file holds none.
    #[error("{path} holds no mesh secret: {why}", path = path.display())]
    BadSecret {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

/// The new secret and the old one.
const SECRETS_MAX: usize = 2;

#[cfg(test)]
mod tests;
