//! What is wrong with a configuration, told so that it can be put right.

use std::fmt;

use super::source::Source;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The key, or what was written in the place of one.
    pub key: String,
    /// The value as TOML, where there is one.
    pub value: Option<String>,
    /// Where it was written.
    pub source: Source,
    /// What is wrong and what to do.
    pub advice: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.key)?;
        if let Some(value) = &self.value {
            write!(out, " = {value}")?;
        }
        write!(out, " ({}): {}", self.source, self.advice)
    }
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration file {path}: {cause}; check the path given with --config")]
    Unreadable {
        /// The file.
        path: String,
        /// What the system said.
        cause: std::io::Error,
    },
    /// Settings are wrong; all of them are named, not only the first.
    #[error("{}", list(.0))]
    Wrong(Vec<Problem>),
}

fn list(problems: &[Problem]) -> String {
    let lines: Vec<_> = problems.iter().map(|problem| format!("\n  {problem}")).collect();
    let head = match problems.len() {
        1 => "the configuration has a problem:".to_owned(),
        many => format!("the configuration has {many} problems:"),
    };
    head + &lines.concat()
}
