//! Every failure of a group of checks, each by its number: one failing check must not hide the next.

use std::fmt::Write as _;

use anyhow::{Result, bail};

/// The outcomes of a group so far.
#[derive(Debug, Default)]
pub struct Report {
    passed: usize,
    failures: Vec<String>,
}

impl Report {
    /// An empty report.
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs the check numbered `id`; what it returns as error becomes a line `id says: error`.
    pub fn check(&mut self, id: &str, says: &str, run: impl FnOnce() -> Result<()>) {
        match run() {
            Ok(()) => self.passed += 1,
            Err(problem) => self.failures.push(format!("{id} {says}: {problem:#}")),
        }
    }

    /// The number of checks that held, or all failures as one error.
    pub fn finish(self) -> Result<usize> {
        if self.failures.is_empty() {
            return Ok(self.passed);
        }
        let mut text =
            format!("{} of {} checks failed", self.failures.len(), self.passed + self.failures.len());
        for failure in &self.failures {
            write!(text, "\n  {failure}")?;
        }
        bail!(text)
    }
}
