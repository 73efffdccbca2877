//! API keys of applications.

use latchkey_catalog::api_key::{ApiKey, BadRestriction, MAX_API_KEYS, Restrictions, draw_seed};
use latchkey_catalog::id::EntryId;
use latchkey_catalog::name::check_api_key_name;
use latchkey_oauth::client::KeyType;
use latchkey_oauth::family::Validity;
use latchkey_oauth::id::PrincipalId;
use latchkey_oauth::secret::Secret;
use latchkey_store::records::Sighting;
use latchkey_store::registry::{Found, PageOf};
use latchkey_store::unit::{CatalogueChange, ChangeRefused};
use serde::{Deserialize, Serialize};

use super::application::{self, Reference};
use super::text::{SecretText, end, moment};
use super::{AdminError, Reply, Result, change, usage};
use crate::app::App;
use crate::config::kind::LONGEST_VALIDITY;
use crate::gateway::key_device;

/// What to do to API keys.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Make one.
    Create(Box<NewApiKey>),
    /// List an application's.
    List(Reference),
    /// Give one another value; the one before ends.
    Regenerate(Named),
    /// End one.
    Revoke(Named),
}

/// An API key to be made.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NewApiKey {
    /// The application.
    pub application: Reference,
    /// What is wished of the key.
    pub wishes: Wishes,
}

/// What is wished of a new API key.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Wishes {
    /// Its name, unique among those of the application and key type.
    pub name: String,
    /// Production or sandbox.
    pub keys: KeyType,
    /// Its life in seconds; negative: for ever.
    pub validity: i64,
    /// The addresses that it may be used from, between commas; empty: any.
    pub addresses: String,
    /// The pages that it may be used from, likewise.
    pub referers: String,
}

/// An API key by its name.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Named {
    /// The application.
    pub application: Reference,
    /// Production or sandbox.
    pub keys: KeyType,
    /// The name, or the id.
    pub name: String,
}

/// An API key with its value, which is shown this once.
#[derive(Debug, Serialize, Deserialize)]
pub struct Shown {
    /// Its id.
    pub id: PrincipalId,
    /// Its name.
    pub name: String,
    /// The value.
    pub api_key: SecretText,
    /// When it ends; `never` if it does not.
    pub expires_at: String,
}

/// An API key in a list.
#[derive(Debug, Serialize, Deserialize)]
pub struct ApiKeyView {
    /// Its id.
    pub id: PrincipalId,
    /// Its name.
    pub name: String,
    /// Production or sandbox.
    pub key_type: KeyType,
    /// When its value was made.
    pub issued_at: String,
    /// When it ends; `never` if it does not.
    pub expires_at: String,
    /// The addresses that it may be used from, between commas; empty: any.
    pub permitted_addresses: String,
    /// The pages that it may be used from, likewise.
    pub permitted_referers: String,
    /// When a call with it was last seen.
    pub last_used_at: Option<String>,
}

/// Why an API key was not made or changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApiKeyProblem {
    /// The wishes cannot be met.
    #[error("{0}")]
    BadWishes(String),
    /// The application has a key of that type and name.
    #[error(
        "the application has an API key {0:?} of this type already; choose another name, or revoke that one"
    )]
    NameTaken(String),
    /// The application has as many as it may have.
    #[error("the application has {MAX_API_KEYS} API keys of this type; revoke those that are not used")]
    Full,
    /// The key or its application is gone.
    #[error("the API key or its application is gone")]
    Gone,
}

impl From<ApiKeyProblem> for AdminError {
    fn from(problem: ApiKeyProblem) -> Self {
        match problem {
            ApiKeyProblem::BadWishes(what) => Self::wrong_use(what),
            ApiKeyProblem::NameTaken(_) | ApiKeyProblem::Full | ApiKeyProblem::Gone => {
                Self::refused(problem.to_string())
            }
        }
    }
}

impl From<BadRestriction> for ApiKeyProblem {
    fn from(bad: BadRestriction) -> Self {
        Self::BadWishes(bad.to_string())
    }
}

/// What comes of asking for an API key: the key, or why not; the outer error is the store's.
pub type Outcome<T> = Result<std::result::Result<T, ApiKeyProblem>>;

pub(super) async fn execute(app: &App, command: Command, actor: &str) -> Result<Reply> {
    match command {
        Command::Create(new) => {
            let application = application::find(app, &new.application).await?;
            let (key, value) = generate(app, (application.id, &new.wishes), actor).await??;
            Ok(Reply::ApiKey(shown(key, value)))
        }
        Command::List(reference) => {
            let application = application::find(app, &reference).await?;
            let listed = list(app, application.id).await?;
            Ok(Reply::ApiKeys(listed.iter().map(|(key, seen)| view(key, seen.as_ref())).collect()))
        }
        Command::Regenerate(named) => {
            let key = find(app, &named).await?;
            let (key, value) = regenerate(app, &key, actor).await??;
            Ok(Reply::ApiKey(shown(key, value)))
        }
        Command::Revoke(named) => {
            let key = find(app, &named).await?;
            revoke(app, key.id, actor).await??;
            Ok(Reply::Done(format!("API key {} is revoked; it opens nothing any more.", key.name)))
        }
    }
}

/// Makes an API key for an application; its value is told here and nowhere else.
pub async fn generate(
    app: &App,
    (application, wishes): (EntryId, &Wishes),
    actor: &str,
) -> Outcome<(ApiKey, Secret)> {
    let key = match new_key(app, application, wishes) {
        Ok(key) => key,
        Err(problem) => return Ok(Err(problem)),
    };
    let done = change(app, CatalogueChange::AddApiKey(Box::new(key.clone())), actor).await?;
    Ok(match done {
        Ok(()) => {
            let value = app.keys().ring.render_api_key(key.id, key.generation, &key.seed);
            Ok((key, value))
        }
        Err(refused) => Err(problem(refused, &key)),
    })
}

fn new_key(app: &App, application: EntryId, wishes: &Wishes) -> std::result::Result<ApiKey, ApiKeyProblem> {
    check_api_key_name(&wishes.name).map_err(|bad| ApiKeyProblem::BadWishes(bad.to_string()))?;
    if wishes.validity == 0 || wishes.validity > LONGEST_VALIDITY {
        return Err(ApiKeyProblem::BadWishes(format!(
            "{} is no life of an API key; give 1 to {LONGEST_VALIDITY} seconds, or -1 for \"never expires\"",
            wishes.validity
        )));
    }
    Ok(ApiKey {
        id: PrincipalId::draw(&*app.entropy),
        application,
        keys: wishes.keys,
        name: wishes.name.clone(),
        generation: 1,
        seed: draw_seed(&*app.entropy),
        issued_at: app.now(),
        validity: Validity::from(wishes.validity),
        restrictions: Restrictions::parse(&wishes.addresses, &wishes.referers)?,
    })
}

fn problem(refused: ChangeRefused, key: &ApiKey) -> ApiKeyProblem {
    match refused {
        ChangeRefused::NameTaken => ApiKeyProblem::NameTaken(key.name.clone()),
        ChangeRefused::Full => ApiKeyProblem::Full,
        ChangeRefused::NotFound
        | ChangeRefused::UnknownUser
        | ChangeRefused::HasKeys
        | ChangeRefused::UnknownScope
        | ChangeRefused::BadProfile(_)
        | ChangeRefused::UnknownTier
        | ChangeRefused::WrongState
        | ChangeRefused::InUse => ApiKeyProblem::Gone,
    }
}

/// The API keys of an application, each with when a call with it was last seen.
pub async fn list(app: &App, application: EntryId) -> Result<Vec<(ApiKey, Option<Sighting>)>> {
    let keys = app.store.api_keys_of(application).await?;
    usage::catch_up(app).await;
    let seen = app.store.last_seen(keys.iter().map(key_device).collect()).await?;
    Ok(keys.into_iter().zip(seen).collect())
}

/// A page of the API keys of all applications, likewise.
pub async fn list_all(app: &App, page: PageOf) -> Result<Found<(ApiKey, Option<Sighting>)>> {
    let Found { entries, total } = app.store.find_api_keys(page).await?;
    usage::catch_up(app).await;
    let seen = app.store.last_seen(entries.iter().map(key_device).collect()).await?;
    Ok(Found { entries: entries.into_iter().zip(seen).collect(), total })
}

/// Gives an API key another value; the one before is dead when this answers.
pub async fn regenerate(app: &App, key: &ApiKey, actor: &str) -> Outcome<(ApiKey, Secret)> {
    if let Err(refused) = change(app, CatalogueChange::RegenerateApiKey(key.id), actor).await? {
        return Ok(Err(problem(refused, key)));
    }
    // Whoever regenerates it once more meanwhile makes this the value before.
    let Some(facts) = app.store.api_key(key.id).await? else { return Ok(Err(ApiKeyProblem::Gone)) };
    let key = facts.key.clone();
    let value = app.keys().ring.render_api_key(key.id, key.generation, &key.seed);
    Ok(Ok((key, value)))
}

/// Ends an API key: no call with it passes once this answers, and at gateways of their own within the published
/// bound.
pub async fn revoke(app: &App, id: PrincipalId, actor: &str) -> Outcome<()> {
    let done = change(app, CatalogueChange::RevokeApiKey(id), actor).await?;
    Ok(done.map_err(|_| ApiKeyProblem::Gone))
}

async fn find(app: &App, named: &Named) -> Result<ApiKey> {
    let application = application::find(app, &named.application).await?;
    let keys = app.store.api_keys_of(application.id).await?;
    let is_it =
        |key: &ApiKey| key.keys == named.keys && (key.name == named.name || key.id.to_string() == named.name);
    keys.into_iter().find(is_it).ok_or_else(|| {
        AdminError::refused(format!(
            "the application {} has no {} API key {:?}; `latchkey apikey list` names them",
            application.name,
            named.keys.as_str(),
            named.name
        ))
    })
}

fn shown(key: ApiKey, value: Secret) -> Shown {
    let expires_at = end(key.expires());
    Shown { id: key.id, name: key.name, api_key: SecretText(value), expires_at }
}

fn view(key: &ApiKey, seen: Option<&Sighting>) -> ApiKeyView {
    ApiKeyView {
        id: key.id,
        name: key.name.clone(),
        key_type: key.keys,
        issued_at: moment(key.issued_at),
        expires_at: end(key.expires()),
        permitted_addresses: key.restrictions.addresses(),
        permitted_referers: key.restrictions.referers(),
        last_used_at: seen.map(|sighting| moment(sighting.at)),
    }
}
