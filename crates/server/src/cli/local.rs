//! Commands that need no server and no open store: configuration, database files, diagnosis.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use indicatif::{ProgressBar, ProgressStyle};
use latchkey_store::sqlite::Integrity;
use serde_json::json;

use super::arguments::{Common, Config as ConfigCommand, Store};
use super::load;
use super::print::{pretty, write};
use super::table::Table;
use crate::admin::{AdminError, Result};
use crate::config::{Config, reference};
use crate::doctor::{self, Finding, Level};
use crate::maintenance;
use crate::rest::openapi;

/// Shows or checks the configuration.
pub(super) fn config(common: &Common, command: &ConfigCommand) -> Result<ExitCode> {
    let text = match command {
        ConfigCommand::Reference => reference::page(),
        ConfigCommand::Openapi => openapi::page(),
        ConfigCommand::Show if common.json => pretty(&load(common)?.show_json()),
        ConfigCommand::Show => load(common)?.show(),
        ConfigCommand::Check => {
            let _valid = load(common)?;
            if common.json {
                pretty(&json!({ "valid": true }))
            } else {
                "The configuration is valid.\n".to_owned()
            }
        }
    };
    write(&text).map(|()| ExitCode::SUCCESS)
}

/// Checks, copies or puts back the database.
pub(super) fn store(common: &Common, command: &Store) -> Result<ExitCode> {
    let config = load(common)?.config;
    let (done, integrity) = match command {
        Store::Check { file } => {
            let file = match file {
                Some(file) => file.clone(),
                None => database(&config, &common.data_dir)?,
            };
            let found = maintenance::check(&file)?;
            (format!("{} holds together", file.display()), found)
        }
        Store::Backup { file } => {
            let bar = progress_bar();
            let database = database(&config, &common.data_dir)?;
            let copied = maintenance::backup(&database, file, &mut |done, all| {
                bar.set_length(all);
                bar.set_position(done);
            });
            bar.finish_and_clear();
            let sentence = format!(
                "{} holds a copy; keep the key file with it, but in another place: without it the copy is worthless",
                file.display()
            );
            (sentence, copied?)
        }
        Store::Restore { file } => {
            let found = maintenance::restore(&config, &common.data_dir, file)?;
            let sentence =
                format!("{} is in place; every token issued so far is refused from now on", file.display());
            (sentence, found)
        }
    };
    write(&report(common, &done, &integrity)).map(|()| ExitCode::SUCCESS)
}

fn report(common: &Common, done: &str, found: &Integrity) -> String {
    if common.json {
        return pretty(&json!({
            "done": done,
            "schema_version": found.version,
            "families": found.families,
            "events": found.events,
            "last_event": found.position.seq,
        }));
    }
    format!(
        "{done}.\n  schema version  {}\n  token families  {}\n  events          {}, the last is number {}\n",
        found.version, found.families, found.events, found.position.seq
    )
}

fn database(config: &Config, data_dir: &Path) -> Result<PathBuf> {
    maintenance::database(config, data_dir)
        .ok_or_else(|| AdminError::refused(format!("store.url = \"{}\" has no file", config.store.url)))
}

/// Shown on a terminal only.
fn progress_bar() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("copying {wide_bar} {percent} % of {len} pages");
    ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// Says what is wrong; fails where something is.
pub(super) fn doctor(common: &Common) -> Result<ExitCode> {
    let findings = doctor::examine(load(common).map(|loaded| loaded.config), &common.data_dir);
    let text = if common.json { pretty(&findings) } else { diagnosis(&findings) };
    write(&text)?;
    let faulty = findings.iter().any(|finding| finding.level == Level::Fault);
    Ok(if faulty { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn diagnosis(findings: &[Finding]) -> String {
    let mut table = Table::new(&["", "about", "finding"]);
    for finding in findings {
        let level = finding.level.as_str().to_owned();
        table.row([level, finding.about.to_owned(), finding.text.clone()]);
        if let Some(fix) = &finding.fix {
            table.row([String::new(), String::new(), format!("fix: {fix}")]);
        }
    }
    table.render("Nothing was looked at.")
}
