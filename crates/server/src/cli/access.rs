//! To whom a command goes: the running server, or the store itself where none runs.

use std::path::Path;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use latchkey_oauth::clock::{Clock, SystemClock};
use latchkey_oauth::entropy::{Entropy, SystemEntropy};
use latchkey_oauth::generator::TokenGenerator;
use tokio::time::sleep;

use super::arguments::Common;
use super::load;
use super::print::{Form, Printer};
use super::words::following;
use crate::admin::{self, AdminError, Command, Reply, Result};
use crate::app::App;
use crate::config::Config;
use crate::control::client::Connection;
use crate::data_directory::{DataDirectory, DataDirectoryError};
use crate::keys::Rollback;
use crate::serve;

/// Between two looks whether the data directory is free, or its server answers.
const PAUSE: Duration = Duration::from_millis(50);
/// Looks before giving up: a server that starts or ends, or another command, is done by then.
const LOOKS: u32 = 100;

/// Carries out `command`, page by page where there are many, and prints what comes of it.
pub(super) async fn carry_out(
    common: &Common,
    generators: Vec<Box<dyn TokenGenerator>>,
    command: Command,
) -> Result<()> {
    let access = open(common, generators).await?;
    let mut printer = Printer::new(if common.json { Form::Json } else { Form::Text });
    let outcome = all_pages(&access, command, &mut printer).await;
    access.close().await?;
    outcome?;
    printer.finish()
}

async fn all_pages(access: &Access, command: Command, printer: &mut Printer) -> Result<()> {
    let mut next = Some(command);
    while let Some(command) = next {
        let reply = access.execute(&command).await?;
        let shown = printer.take(reply)?;
        next = following(&command, &shown);
    }
    Ok(())
}

/// Who carries commands out.
#[derive(Debug)]
pub(super) enum Access {
    /// The server of this data directory; one connection a command.
    Server(std::path::PathBuf),
    /// This process.
    Store(Box<Local>),
}

/// The installation, held by this process. The store closes before the lock is given back.
#[derive(Debug)]
pub(super) struct Local {
    app: App,
    _data: DataDirectory,
}

/// The running server, or the installation itself as soon as nobody else holds it.
pub(super) async fn open(common: &Common, generators: Vec<Box<dyn TokenGenerator>>) -> Result<Access> {
    let mut looks = 0;
    let data = loop {
        if Connection::open(&common.data_dir)?.is_some() {
            return Ok(Access::Server(common.data_dir.clone()));
        }
        let config = load(common)?.config;
        must_exist(&config, &common.data_dir)?;
        match DataDirectory::open(&common.data_dir) {
            Ok(data) => break data,
            Err(DataDirectoryError::InUse { .. }) if looks < LOOKS => looks += 1,
            Err(error) => return Err(AdminError::failed(error.to_string())),
        }
        sleep(PAUSE).await;
    };
    let config = load(common)?.config;
    let app = assemble(config, &data, generators).await?;
    Ok(Access::Store(Box::new(Local { app, _data: data })))
}

/// An installation to administer: a command with a mistyped directory must not make a new one.
fn must_exist(config: &Config, data_dir: &Path) -> Result<()> {
    let Some(name) = config.store.url.strip_prefix("sqlite:") else {
        return Err(AdminError::refused(format!(
            "no server runs in {}, and with store.url = \"{}\" there is nothing to administer without one",
            data_dir.display(),
            config.store.url
        )));
    };
    if data_dir.join(name).exists() {
        return Ok(());
    }
    Err(AdminError::refused(format!(
        "there is no installation in {}: start it once with `latchkey serve --data-dir {0}`, or name the right \
         directory with --data-dir",
        data_dir.display()
    )))
}

async fn assemble(
    config: Config,
    data: &DataDirectory,
    generators: Vec<Box<dyn TokenGenerator>>,
) -> Result<App> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
    let failed = |error: serve::ServeError| AdminError::failed(error.to_string());
    let opened = serve::open(&config, data, Rollback::Refuse, (&clock, &*entropy)).await.map_err(failed)?;
    let issuer = config.server.issuer_at(config.server.listen, &config.tls);
    serve::assemble(config, generators, issuer, (opened, clock, entropy)).map_err(failed)
}

impl Access {
    /// Has `command` carried out.
    pub(super) async fn execute(&self, command: &Command) -> Result<Reply> {
        match self {
            Self::Server(data_dir) => match Connection::open(data_dir)? {
                Some(connection) => connection.execute(command),
                None => Err(AdminError::failed("the server ended meanwhile; try again")),
            },
            Self::Store(local) => {
                let actor = format!("command line (uid {})", rustix::process::geteuid().as_raw());
                admin::execute(&local.app, command.clone(), &actor).await
            }
        }
    }

    /// Leaves the mark of how far the store is durable, as a server that ends does.
    pub(super) async fn close(self) -> Result<()> {
        let Self::Store(local) = self else { return Ok(()) };
        let position = local.app.store.position().await?;
        let file = local.app.key_file.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(file.write_mark(position)?)
    }
}
