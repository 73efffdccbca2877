//! The command line.
//!
//! Standard output holds what was asked for, standard error everything else. Exit codes: 0 done, 1 refused
//! or failed, 2 wrong use.

mod access;
mod arguments;
mod import;
mod local;
mod print;
mod table;
mod words;

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use latchkey_oauth::generator::TokenGenerator;

use crate::admin::{AdminError, ErrorKind};
use crate::config::{Config, Loaded, Sources};
use crate::demo::Demo;
use crate::keys::Rollback;
use crate::log;
use crate::node;
use crate::serve::{self, ServeOptions};
use arguments::{Area, Arguments, Common, Import, Serve};

/// The program. A binary of one's own adds its token generators and runs it:
///
/// ```no_run
/// # use latchkey_oauth::generator::UuidShape as Mine;
/// fn main() -> std::process::ExitCode {
///     latchkey_server::Program::new().generator(Mine).run()
/// }
/// ```
#[derive(Debug, Default)]
pub struct Program {
    generators: Vec<Box<dyn TokenGenerator>>,
}

impl Program {
    /// The program with the built-in token generators.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a token generator, which `oauth.token.generator` then selects by its name.
    #[must_use]
    pub fn generator(mut self, generator: impl TokenGenerator + 'static) -> Self {
        self.generators.push(Box::new(generator));
        self
    }

    /// Does what the process's arguments say.
    pub fn run(self) -> ExitCode {
        // Whatever this process makes, a database and its log or a backup, is its user's alone.
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
        self.run_with(std::env::args_os())
    }

    fn run_with(self, arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
        let arguments = match Arguments::read(arguments.into_iter().collect()) {
            Ok(arguments) => arguments,
            Err(told) => {
                // Help goes to standard output with 0, wrong use to standard error with 2.
                let _ = told.print();
                return ExitCode::from(u8::try_from(told.exit_code()).unwrap_or(2));
            }
        };
        match self.carry_out(arguments) {
            Ok(code) => code,
            Err(error) => {
                let _ = writeln!(std::io::stderr(), "latchkey: {error}");
                ExitCode::from(match error.kind {
                    ErrorKind::WrongUse => 2,
                    ErrorKind::Refused | ErrorKind::Failed => 1,
                })
            }
        }
    }

    fn carry_out(self, Arguments { common, area }: Arguments) -> Result<ExitCode, AdminError> {
        match area {
            Area::Serve(options) => self.serve(&common, &options).map(|()| ExitCode::SUCCESS),
            Area::Gateway => gateway(&common).map(|()| ExitCode::SUCCESS),
            Area::Config(command) => local::config(&common, &command),
            Area::Store(command) => local::store(&common, &command),
            Area::Doctor => local::doctor(&common),
            Area::Import(Import::Wso2(wanted)) => {
                runtime()?.block_on(import::wso2(&common, self.generators, &wanted))
            }
            Area::User(_)
            | Area::App(_)
            | Area::Api(_)
            | Area::Apikey(_)
            | Area::Subscription(_)
            | Area::Tier(_)
            | Area::Limit(_)
            | Area::Token(_)
            | Area::Device(_)
            | Area::Key(_)
            | Area::Usage(_)
            | Area::Node(_)
            | Area::Events(_) => {
                let command = words::command(area, &mut std::io::stdin().lock())?;
                runtime()?
                    .block_on(access::carry_out(&common, self.generators, command))
                    .map(|()| ExitCode::SUCCESS)
            }
        }
    }

    fn serve(self, common: &Common, serve: &Serve) -> Result<(), AdminError> {
        let Loaded { config, .. } = load(common)?;
        // Kept until the end, which writes what waits.
        let log = log::start(&config.log).map_err(|error| AdminError::failed(error.to_string()))?;
        let options = ServeOptions {
            data_dir: common.data_dir.clone(),
            demo: if serve.demo { Demo::Yes } else { Demo::No },
            rollback: if serve.accept_rollback { Rollback::Accept } else { Rollback::Refuse },
            generators: self.generators,
            lost_lines: log.lost_lines(),
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        let runtime = runtime.map_err(|error| system(&error))?;
        runtime.block_on(serve::run(config, options)).map_err(|error| AdminError::failed(error.to_string()))
    }
}

/// The runtime of a command.
fn runtime() -> Result<tokio::runtime::Runtime, AdminError> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| system(&error))
}

/// Runs a node. It has no tokens to make, so generators of one's own have no part in it.
fn gateway(common: &Common) -> Result<(), AdminError> {
    let Loaded { config, .. } = load(common)?;
    let log = log::start(&config.log).map_err(|error| AdminError::failed(error.to_string()))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| system(&error))?;
    let ran = runtime.block_on(node::run(config, &common.data_dir, log.lost_lines()));
    ran.map_err(|error| AdminError::failed(error.to_string()))
}

/// The configuration of the named file, the environment and `--set`.
fn load(common: &Common) -> Result<Loaded, AdminError> {
    Sources::read(common.config.as_deref(), common.set.clone())
        .and_then(|sources| Config::load(&sources))
        .map_err(|error| AdminError::refused(error.to_string()))
}

fn system(error: &std::io::Error) -> AdminError {
    AdminError::failed(format!("the system refuses: {error}"))
}
