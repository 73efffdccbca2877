//! Keys: what there is, and rotation with overlap.

use std::sync::PoisonError;

use latchkey_oauth::client::Client;
use latchkey_oauth::event::{Event, EventKind};
use latchkey_oauth::keyring::SecretMac;
use latchkey_store::unit::CatalogueChange;
use serde::{Deserialize, Serialize};

use super::application::{open_sealed, sealed_mac, secret_place};
use super::text::moment;
use super::{AdminError, PAGE, Reply, Result, change};
use crate::app::App;
use crate::keys::{KeyChangeRefused, KeyDocument, MasterEntry, SigningEntry};

/// What to do to keys.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// List them; never the keys themselves.
    List,
    /// The signing key published ahead signs from now on.
    RotateSigning,
    /// Another key signs assertions for upstreams from now on.
    RotateAssertion,
    /// Another master key makes values from now on; every consumer secret moves under it, nothing ends.
    RotateMaster,
    /// Forget a retired signing key: what it signed is refused from now on.
    Remove {
        /// Its id.
        kid: String,
    },
    /// Refuse every opaque value made under master keys below this number.
    RaiseMinimum {
        /// The lowest number still accepted.
        minimum: u16,
    },
}

/// The keys of an installation.
#[derive(Debug, Serialize, Deserialize)]
pub struct KeyListing {
    /// Signing keys.
    pub signing: Vec<SigningView>,
    /// Master keys; the highest number makes new values.
    pub master: Vec<MasterView>,
    /// The lowest master key number still accepted.
    pub minimum: u16,
    /// How often the installation was set back to a backup, counted from 1.
    pub incarnation: u16,
}

/// A signing key.
#[derive(Debug, Serialize, Deserialize)]
pub struct SigningView {
    /// Its id in JWT headers.
    pub kid: String,
    /// Its algorithm.
    pub algorithm: String,
    /// `next`, `active`, `assertion` or `retired`.
    pub state: String,
    /// When it was made.
    pub created_at: String,
}

/// A master key.
#[derive(Debug, Serialize, Deserialize)]
pub struct MasterView {
    /// Its number.
    pub number: u16,
    /// When it was made.
    pub created_at: String,
}

pub(super) async fn execute(app: &App, command: Command, actor: &str) -> Result<Reply> {
    let now = app.now();
    let done = match command {
        Command::List => return list(app),
        Command::RotateSigning => {
            change_keys(app, |document| document.rotate_signing(now), actor).await?;
            format!(
                "The signing key is now {}. The one before stays published for the tokens that it signed; \
                 remove it when they have expired.",
                app.keys().signing.active().kid()
            )
        }
        Command::RotateAssertion => {
            change_keys(app, |document| document.rotate_assertion(now), actor).await?;
            "Another key signs assertions for upstreams. The one before stays published for those that they hold; \
             remove it when these have expired."
                .to_owned()
        }
        Command::RotateMaster => {
            change_keys(app, |document| document.rotate_master(&*app.entropy, now), actor).await?;
            let rewrapped = rewrap_secrets(app, actor).await?;
            format!(
                "Master key {} makes values from now on; {rewrapped} consumer secrets moved under it. Values \
                 under older keys are accepted until the minimum is raised.",
                app.keys().ring.current()
            )
        }
        Command::Remove { kid } => {
            change_keys(app, |document| document.remove_signing(&kid), actor).await?;
            format!("The signing key {kid} is removed; what it signed is refused from now on.")
        }
        Command::RaiseMinimum { minimum } => {
            rewrap_secrets(app, actor).await?;
            change_keys(app, |document| document.raise_minimum(minimum), actor).await?;
            format!("Opaque values under master keys below {minimum} are refused from now on.")
        }
    };
    Ok(Reply::Done(done))
}

async fn change_keys(
    app: &App,
    what: impl FnOnce(&mut KeyDocument) -> std::result::Result<(), KeyChangeRefused>,
    actor: &str,
) -> Result<()> {
    app.change_keys(what)??;
    Ok(app.store.append(Event::of_principal(EventKind::KeyChange, app.now(), actor)).await?)
}

fn list(app: &App) -> Result<Reply> {
    let file = app.key_file.lock().unwrap_or_else(PoisonError::into_inner);
    let document = file.document();
    let signing = |entry: &SigningEntry| {
        Ok(SigningView {
            kid: entry.kid().map_err(KeyChangeRefused::from)?,
            algorithm: entry.algorithm.as_str().to_owned(),
            state: entry.state.as_str().to_owned(),
            created_at: moment(entry.created_at),
        })
    };
    let master =
        |entry: &MasterEntry| MasterView { number: entry.number, created_at: moment(entry.created_at) };
    Ok(Reply::Keys(KeyListing {
        signing: document.signing.iter().map(signing).collect::<Result<_>>()?,
        master: document.masters.iter().map(master).collect(),
        minimum: document.minimum,
        incarnation: document.incarnation,
    }))
}

/// Verifies and seals every consumer secret under the newest master key; how many were not. What a parallel
/// regeneration wrote meanwhile is left alone: it is under the newest key already.
async fn rewrap_secrets(app: &App, actor: &str) -> Result<usize> {
    let mut rewrapped = 0;
    let mut after = None;
    loop {
        let page = app.store.applications(None, after, PAGE).await?;
        for application in &page {
            for (client, sealed) in app.store.clients_of(application.id).await? {
                rewrapped += usize::from(rewrap(app, &client, &sealed, actor).await? == Rewrap::Done);
            }
        }
        after = page.last().map(|last| last.id);
        if page.len() < PAGE as usize {
            return Ok(rewrapped);
        }
    }
}

#[derive(PartialEq, Eq)]
enum Rewrap {
    Done,
    NotNeeded,
}

async fn rewrap(app: &App, client: &Client, sealed: &[u8], actor: &str) -> Result<Rewrap> {
    let current = app.keys().ring.current();
    let old = |mac: &&SecretMac| mac.key != current;
    let Some(from) = client.secrets.iter().find(old).copied() else { return Ok(Rewrap::NotNeeded) };
    let secret = open_sealed(app, client, sealed)?;
    let what = {
        let keys = app.keys();
        CatalogueChange::RewrapSecret {
            client: client.id,
            from,
            to: sealed_mac(&keys.ring, &secret),
            sealed: keys.ring.seal(secret.expose(), &secret_place(client.id)),
        }
    };
    match change(app, what, actor).await? {
        Ok(()) => Ok(Rewrap::Done),
        // The application was deleted meanwhile.
        Err(refused) if app.store.client(&client.consumer_key).await?.is_some() => {
            Err(AdminError::failed(refused.to_string()))
        }
        Err(_) => Ok(Rewrap::NotNeeded),
    }
}
