//! Where settings come from.

use std::fmt;
use std::path::Path;

use super::problem::ConfigError;
use super::sections::Profile;

/// Where a value was written. Later ones win.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// Nowhere: the common default.
    Default,
    /// The default of the profile in force.
    Profile(&'static str),
    /// The configuration file.
    File {
        /// The file as it was named.
        path: String,
        /// The line, from 1.
        line: usize,
    },
    /// The environment variable of that name.
    Environment(String),
    /// `--set` on the command line.
    CommandLine,
}

impl Source {
    pub(super) const fn profile(profile: Profile) -> Self {
        Self::Profile(profile.name())
    }
}

impl fmt::Display for Source {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => out.write_str("default"),
            Self::Profile(name) => write!(out, "profile {name}"),
            Self::File { path, line } => write!(out, "{path} line {line}"),
            Self::Environment(variable) => write!(out, "environment {variable}"),
            Self::CommandLine => out.write_str("command line"),
        }
    }
}

/// The raw texts that a configuration is made of. Tests fill it in; the program calls [`Sources::read`].
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// Name and content of the configuration file.
    pub file: Option<(String, String)>,
    /// Environment variables; those whose names do not begin with `LATCHKEY_` are ignored.
    pub environment: Vec<(String, String)>,
    /// What followed each `--set`: `SECTION.KEY=VALUE`.
    pub assignments: Vec<String>,
}

/// The file that is read when none is named and it exists.
pub const DEFAULT_FILE: &str = "latchkey.toml";

impl Sources {
    /// Reads the file (the named one, else [`DEFAULT_FILE`] in the working directory where it exists) and
    /// the process's environment. This is the only place that reads it. Text that is no UTF-8 is read with
    /// replacement characters, which the checks then refuse.
    pub fn read(file: Option<&Path>, assignments: Vec<String>) -> Result<Self, ConfigError> {
        let path = file.unwrap_or(Path::new(DEFAULT_FILE));
        let file = match std::fs::read_to_string(path) {
            Ok(content) => Some((path.display().to_string(), content)),
            Err(cause) if file.is_none() && cause.kind() == std::io::ErrorKind::NotFound => None,
            Err(cause) => return Err(ConfigError::Unreadable { path: path.display().to_string(), cause }),
        };
        let text = |raw: std::ffi::OsString| raw.to_string_lossy().into_owned();
        let environment = std::env::vars_os().map(|(name, value)| (text(name), text(value))).collect();
        Ok(Self { file, environment, assignments })
    }
}
