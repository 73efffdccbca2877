//! Every line of the references that concerns a gateway has a check that exists, or says why it has none.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use latchkey_checks::report::Report;
use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Coverage {
    line: Vec<Line>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    id: String,
    says: String,
    #[serde(default)]
    checks: Vec<String>,
    why: Option<String>,
}

impl Line {
    fn holds(&self) -> Result<()> {
        ensure!(self.checks.is_empty() == self.why.is_some(), "either checks, or why there are none");
        self.checks.iter().try_for_each(|check| exists(check).with_context(|| check.clone()))
    }
}

fn exists(check: &str) -> Result<()> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    if let Some((file, name)) = check.split_once("::") {
        let text = fs::read_to_string(here.join("../..").join(file))?;
        ensure!(text.contains(&format!("fn {name}(")), "there is no such test");
        return Ok(());
    }
    let (file, id) = check.split_once(' ').context("a file and a number")?;
    let text = fs::read_to_string(here.join(format!("data/{file}.toml")))?;
    ensure!(text.contains(&format!("id = \"{id}\"")), "there is no such row");
    Ok(())
}

#[test]
fn every_line_has_its_check() -> Result<()> {
    let coverage: Coverage = toml::from_str(include_str!("../../data/gateway-coverage.toml"))?;
    let mut report = Report::new();
    let ids: BTreeSet<&str> = coverage.line.iter().map(|line| line.id.as_str()).collect();
    report.check("coverage", "each line stands once", || {
        ensure!(ids.len() == coverage.line.len(), "{} of {}", ids.len(), coverage.line.len());
        Ok(())
    });
    for number in 1..=24 {
        report.check(&format!("P10.3.{number:02}"), "stands in the table", || {
            ensure!(ids.contains(format!("P10.3.{number:02}").as_str()), "it does not");
            Ok(())
        });
    }
    for line in &coverage.line {
        report.check(&line.id, &line.says, || line.holds());
    }
    report.finish().map(drop)
}
