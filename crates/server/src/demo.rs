//! What a first start sets up: the administrator, and the demo where it is asked for.
//!
//! The passwords are drawn and kept in `setup.json` before anything is made, and that file goes when
//! everything stands. So a first start that was interrupted is taken up where it ended, with the passwords
//! it had drawn.

pub(crate) mod example;
mod facts;

#[cfg(test)]
mod tests;

use std::io::Write;

use latchkey_catalog::user::{ADMIN_ROLE, SUBSCRIBER_ROLE};
use latchkey_oauth::base62;
use latchkey_oauth::entropy::random;
use latchkey_oauth::secret::Secret;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::admin::AdminError;
use crate::admin::text::SecretText;
use crate::admin::user::{NewUser, add};
use crate::app::App;
use crate::data_directory::{Addresses, DataDirectory, DataDirectoryError};

pub use facts::Facts;

/// The administrator's name.
pub const ADMINISTRATOR: &str = "admin";
/// The demo user's name.
pub const USER: &str = "alice";
/// The demo user's role, which may have the scope `echo.read`.
pub const ROLE: &str = "reader";
/// The roles of the user: what the scope asks for, and what the developer portal does.
const USER_ROLES: [&str; 2] = [ROLE, SUBSCRIBER_ROLE];
/// What the demo made, for scripts.
pub const DEMO: &str = "demo.json";
/// A first start under way.
const SETUP: &str = "setup.json";
/// Who the event log says made the first entries.
const ACTOR: &str = "first start";

/// Whether the demo is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Demo {
    /// It is.
    Yes,
    /// Only the administrator.
    No,
}

/// Why the first start failed.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// A file of the data directory.
    #[error(transparent)]
    Data(#[from] DataDirectoryError),
    /// An entry could not be made.
    #[error("the first start could not be completed: {0}")]
    Admin(#[from] AdminError),
    /// The store.
    #[error("the first start could not be completed: {0}")]
    Store(#[from] latchkey_store::StoreError),
    /// A file does not hold what it should.
    #[error("{path} is damaged ({problem}); move it away and start again")]
    Damaged {
        /// The file.
        path: String,
        /// What is wrong.
        problem: String,
    },
    /// The passwords have nowhere to go.
    #[error("standard output cannot be written, and the password of the first start goes there: {0}")]
    Output(#[from] std::io::Error),
}

/// A first start under way.
#[derive(Debug, Serialize, Deserialize)]
struct Setup {
    demo: Demo,
    administrator_password: SecretText,
    user_password: SecretText,
}

/// Sets up what a first start needs, and writes to `out` what the operator has to know: the
/// administrator's password once, or the demo's curl commands at each start with the demo.
pub async fn first_start(
    app: &App,
    data: &DataDirectory,
    demo: Demo,
    (addresses, out): (&Addresses, &mut (dyn Write + Send)),
) -> Result<(), DemoError> {
    if let Some(setup) = setup_under_way(app, data, demo).await? {
        let made = set_up(app, &setup).await?;
        match made {
            Some(facts) => data.replace(DEMO, &facts.to_json())?,
            None => print_password(out, &setup)?,
        }
        data.discard(SETUP)?;
    }
    if demo == Demo::No {
        return Ok(());
    }
    let Some(content) = data.read(DEMO)?.map(Zeroizing::new) else {
        tracing::warn!(
            "--demo has no effect: this data directory was first started without it; choose a new one with --data-dir"
        );
        return Ok(());
    };
    let facts = read::<Facts>(data, DEMO, &content)?.at(app, addresses);
    data.replace(DEMO, &facts.to_json())?;
    Ok(facts.print(out)?)
}

/// The setup to carry out: one that was interrupted, or a new one where nothing was ever stored.
async fn setup_under_way(app: &App, data: &DataDirectory, demo: Demo) -> Result<Option<Setup>, DemoError> {
    let is_new = app.store.position().await?.seq == 0;
    if let Some(content) = data.read(SETUP)? {
        let content = Zeroizing::new(content);
        return read(data, SETUP, &content).map(Some);
    }
    if !is_new {
        return Ok(None);
    }
    let password = || SecretText(draw_password(app));
    let setup = Setup { demo, administrator_password: password(), user_password: password() };
    let content = Zeroizing::new(serde_json::to_vec(&setup).expect("a struct of texts is JSON"));
    data.replace(SETUP, &content)?;
    Ok(Some(setup))
}

/// A password of 119 random bits: 20 letters and digits, which need no quotes in a shell or a form.
fn draw_password(app: &App) -> Secret {
    let mut text = Zeroizing::new(String::new());
    base62::encode_into(&random::<24>(&*app.entropy), &mut text);
    let length = text.len();
    // The leading digits of a base-62 number of whole bytes are not uniform; the last ones are.
    Secret::new(&text[length - 20..])
}

/// Makes what is not there yet.
async fn set_up(app: &App, setup: &Setup) -> Result<Option<Facts>, DemoError> {
    let administrator = (ADMINISTRATOR, &setup.administrator_password, &[ADMIN_ROLE][..]);
    add_user(app, administrator).await?;
    if setup.demo == Demo::No {
        return Ok(None);
    }
    add_user(app, (USER, &setup.user_password, &USER_ROLES)).await?;
    let api = example::put_api(app).await?;
    let application = example::put_application(app, api.id).await?;
    let passwords = (setup.administrator_password.clone(), setup.user_password.clone());
    Ok(Some(Facts::new(app, passwords, application, &api)))
}

async fn add_user(app: &App, (name, password, roles): (&str, &SecretText, &[&str])) -> Result<(), DemoError> {
    if app.store.user(name).await?.is_some() {
        return Ok(());
    }
    let roles = roles.iter().map(|role| (*role).to_owned()).collect();
    add(
        app,
        NewUser { name: name.to_owned(), password: password.0.clone(), roles, changes: Vec::new() },
        ACTOR,
    )
    .await?;
    Ok(())
}

fn print_password(out: &mut dyn Write, setup: &Setup) -> std::io::Result<()> {
    let password = setup.administrator_password.0.expose();
    writeln!(
        out,
        "The administrator is {ADMINISTRATOR}, with the password {password}\n\
         It is shown this once. Change it with: latchkey user password {ADMINISTRATOR} --password-stdin"
    )?;
    out.flush()
}

fn read<T: serde::de::DeserializeOwned>(
    data: &DataDirectory,
    name: &str,
    content: &[u8],
) -> Result<T, DemoError> {
    // The parser's words could quote the file, which holds passwords.
    serde_json::from_slice(content).map_err(|error| DemoError::Damaged {
        path: data.file(name).display().to_string(),
        problem: format!("line {}, column {}", error.line(), error.column()),
    })
}
