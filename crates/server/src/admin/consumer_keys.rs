//! The keys of an application: a consumer key with its secret for production, and one for the sandbox.

use std::collections::BTreeMap;

use latchkey_catalog::application::{Application, TokenType};
use latchkey_catalog::developer::{self, Grants};
use latchkey_oauth::client::{
    Client, ClientMetadata, FurtherSecret, GrantType, KeyType, MAX_FURTHER_SECRETS, TokenFormat,
    draw_consumer_secret,
};
use latchkey_oauth::client_authentication::{Credentials, authenticate};
use latchkey_oauth::family::Validity;
use latchkey_oauth::id::PrincipalId;
use latchkey_oauth::revocation::{Reason, Selector, ends_family};
use latchkey_oauth::scope::Scope;
use latchkey_oauth::secret::Secret;
use latchkey_store::unit::{CatalogueChange, ChangeRefused, ClientUpdate, Ending, NewClient, Overlap};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::application::{self, ClientSettings};
use super::approval::{self, WaitingKeys};
use super::developer::told;
use super::problem::Problem;
use super::text::SecretText;
use super::{AdminError, Result, change, token};
use crate::app::App;
use crate::token::resolve::Tokens;
use crate::token::response::TokenResponse;

/// The longest time for which a replaced secret may stay valid, in seconds: a week.
pub const MAX_OVERLAP: u32 = 604_800;
/// The most callback URLs of keys.
const MAX_CALLBACKS: usize = 20;
/// The longest of them, in bytes.
const MAX_CALLBACK: usize = 2048;

/// Keys with their secret.
#[derive(Debug, Clone)]
pub struct HeldKeys {
    /// The client.
    pub client: Client,
    /// Its secret.
    pub secret: SecretText,
}

/// What is wished of keys.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Wishes {
    /// The names of the grants; none: as they are, or none yet.
    pub grants: Option<Vec<String>>,
    /// The callback URLs; none: as they are.
    pub callbacks: Option<Vec<String>>,
    /// WSO2's `additionalProperties`; none: as they are.
    pub properties: Option<BTreeMap<String, String>>,
}

/// What becomes of a wish for keys.
#[derive(Debug, Clone)]
pub enum Generated {
    /// They are there.
    Keys(Box<HeldKeys>),
    /// They wait for approval.
    Waiting(WaitingKeys),
}

/// Which keys of an application.
#[derive(Debug, Clone, Copy)]
pub enum Which {
    /// Those of this type.
    Type(KeyType),
    /// Those of this id, WSO2's `keyMappingId`.
    Mapping(PrincipalId),
}

/// A token that an application wants for itself.
#[derive(Debug)]
pub struct TokenWish {
    /// The secret; none: the one that is kept.
    pub secret: Option<Secret>,
    /// The scopes.
    pub scope: Scope,
    /// How long it is to live; none: as the keys say.
    pub validity: Option<Validity>,
    /// A token of the same keys that is to end.
    pub revoke: Option<Secret>,
}

/// The keys of an application.
pub async fn list(app: &App, application: &Application) -> Result<Vec<HeldKeys>> {
    let clients = app.store.clients_of(application.id).await?;
    clients.into_iter().map(|(client, sealed)| held(app, client, &sealed)).collect()
}

/// Some keys of an application.
pub async fn find(app: &App, application: &Application, which: Which) -> Result<HeldKeys> {
    let clients = app.store.clients_of(application.id).await?;
    let is_meant = |client: &Client| match which {
        Which::Type(key_type) => client.key_type == key_type,
        Which::Mapping(id) => client.id == id,
    };
    let found = clients.into_iter().find(|(client, _)| is_meant(client));
    let (client, sealed) = found.ok_or_else(|| refused(ChangeRefused::NotFound))?;
    held(app, client, &sealed)
}

fn held(app: &App, client: Client, sealed: &[u8]) -> Result<HeldKeys> {
    let secret = SecretText(application::open_secret(app, &client, sealed)?);
    Ok(HeldKeys { client, secret })
}

fn refused(refusal: ChangeRefused) -> AdminError {
    if refusal == ChangeRefused::WrongState {
        return AdminError::wrong_use("the application is not approved, and gets no keys until it is");
    }
    let of_keys = [
        (ChangeRefused::NotFound, Problem::NoSuchKeys),
        (ChangeRefused::HasKeys, Problem::KeysExist),
        (ChangeRefused::Full, Problem::InUse),
    ];
    told(refusal, &of_keys).unwrap_or_else(|| AdminError::refused(refusal.to_string()))
}

/// The settings of keys of `application` as they are to be, from those of `before`.
pub(super) fn settings(
    app: &App,
    application: &Application,
    (key_type, before): (KeyType, Option<&Client>),
    wishes: Wishes,
) -> Result<ClientSettings> {
    let metadata = before.map(|client| client.metadata.clone()).unwrap_or_default();
    let callbacks = wishes.callbacks.unwrap_or_else(|| metadata.redirect_uris.clone());
    if callbacks.len() > MAX_CALLBACKS || callbacks.iter().any(|url| url.len() > MAX_CALLBACK) {
        return Err(AdminError::wrong_use("there are too many callback URLs, or one is too long"));
    }
    let grants = match (wishes.grants, before) {
        (Some(names), _) => Grants::read(names.iter().map(String::as_str), &callbacks)?,
        (None, Some(client)) => {
            let names = Grants::names(&client.grants, &metadata.further_grants);
            Grants::read(names, &callbacks)?
        }
        (None, None) => Grants::default(),
    };
    let properties = wishes.properties.unwrap_or_else(|| metadata.properties.clone());
    let validities = developer::validities(&properties, app.policy.validities)?;
    let redirect_uris = callbacks;
    let further_grants = grants.further;
    Ok(ClientSettings {
        grants: grants.known,
        token_format: match application.details.token_type {
            TokenType::Jwt => TokenFormat::Jwt,
            TokenType::Oauth => TokenFormat::Opaque,
        },
        key_type,
        validities,
        metadata: ClientMetadata { redirect_uris, further_grants, properties, ..metadata },
    })
}

/// Generates keys of a type that the application has none of; where the configuration says so, once they are
/// approved.
pub async fn generate(
    app: &App,
    application: &Application,
    (key_type, wishes): (KeyType, Wishes),
    actor: &str,
) -> Result<Generated> {
    let settings = settings(app, application, (key_type, None), wishes.clone())?;
    if app.config.workflow.key_generation {
        if !application.status.takes_keys() {
            return Err(refused(ChangeRefused::WrongState));
        }
        let waiting = approval::request_keys(app, application, (key_type, wishes), actor).await?;
        return Ok(Generated::Waiting(waiting));
    }
    let (new, secret) = application::new_client(app, settings);
    let client = new.client.clone();
    let what = CatalogueChange::AddClient(application.id, Box::new(new));
    change(app, what, actor).await?.map_err(refused)?;
    Ok(Generated::Keys(Box::new(HeldKeys { client, secret: SecretText(secret) })))
}

/// The client of keys that are approved.
pub(super) fn approved(app: &App, application: &Application, keys: WaitingKeys) -> Result<NewClient> {
    let WaitingKeys { id, key_type, wishes } = keys;
    let settings = settings(app, application, (key_type, None), wishes)?;
    Ok(application::client_of_id(app, id, settings).0)
}

/// Gives an application the keys of a client that was registered by itself. Who says so shows the secret.
pub async fn map(
    app: &App,
    application: &Application,
    (key_type, credentials): (KeyType, Credentials),
    actor: &str,
) -> Result<HeldKeys> {
    let facts = app.store.client(&credentials.consumer_key).await?;
    let client = facts.as_deref().map(|facts| &facts.client);
    let Ok(proven) = authenticate(&credentials, client, &app.keys().ring, app.now()) else {
        return Err(AdminError::wrong_use("there is no such consumer key, or its secret is another"));
    };
    let client = proven.client().id;
    let what = CatalogueChange::MapClient { client, application: application.id, key_type };
    change(app, what, actor).await?.map_err(refused)?;
    find(app, application, Which::Mapping(client)).await
}

/// Changes the settings of keys; their tokens stay as they are.
pub async fn update(
    app: &App,
    application: &Application,
    (before, wishes): (&Client, Wishes),
    actor: &str,
) -> Result<HeldKeys> {
    let settings = settings(app, application, (before.key_type, Some(before)), wishes)?;
    let update = ClientUpdate {
        id: before.id,
        grants: settings.grants,
        token_format: before.token_format,
        validities: settings.validities,
        metadata: settings.metadata,
    };
    change(app, CatalogueChange::UpdateClient(Box::new(update)), actor).await?.map_err(refused)?;
    find(app, application, Which::Mapping(before.id)).await
}

/// Gives keys another secret. The one so far stays valid for `overlap` seconds; for none, every token of the keys
/// ends with it.
pub async fn regenerate_secret(
    app: &App,
    client: PrincipalId,
    overlap: Option<u32>,
    actor: &str,
) -> Result<SecretText> {
    if overlap.is_some_and(|seconds| !(1..=MAX_OVERLAP).contains(&seconds)) {
        return Err(AdminError::wrong_use(format!("an overlap has 1 to {MAX_OVERLAP} seconds")));
    }
    let secret = draw_consumer_secret(&*app.entropy);
    let overlap = overlap
        .map(|seconds| Overlap { id: drawn(app), until: app.now().plus_millis(i64::from(seconds) * 1000) });
    let what = {
        let keys = app.keys();
        CatalogueChange::RegenerateSecret {
            client,
            mac: keys.ring.consumer_secret_mac(secret.expose()),
            sealed: keys.ring.seal(secret.expose(), &application::secret_place(client)),
            overlap,
        }
    };
    change(app, what, actor).await?.map_err(refused)?;
    Ok(SecretText(secret))
}

fn drawn(app: &App) -> Uuid {
    uuid::Builder::from_random_bytes(latchkey_oauth::entropy::random(&*app.entropy)).into_uuid()
}

/// Gives keys a secret beside those they have.
pub async fn add_secret(
    app: &App,
    client: PrincipalId,
    (description, expires_in): (String, Option<u32>),
    actor: &str,
) -> Result<(FurtherSecret, SecretText)> {
    if description.chars().count() > 255 {
        return Err(AdminError::wrong_use("the description is longer than 255 characters"));
    }
    let secret = draw_consumer_secret(&*app.entropy);
    let now = app.now();
    let further = FurtherSecret {
        id: drawn(app),
        mac: app.keys().ring.consumer_secret_mac(secret.expose()),
        description,
        created_at: now,
        expires_at: expires_in.map(|seconds| now.plus_millis(i64::from(seconds) * 1000)),
    };
    let done = change(app, CatalogueChange::AddSecret(client, further.clone()), actor).await?;
    done.map_err(|refusal| {
        if refusal == ChangeRefused::Full {
            return AdminError::refused(format!(
                "the keys have {MAX_FURTHER_SECRETS} further secrets; revoke one of them first"
            ))
            .about(Problem::InUse);
        }
        refused(refusal)
    })?;
    Ok((further, SecretText(secret)))
}

/// Takes a further secret from keys; tokens got by it stay.
pub async fn remove_secret(app: &App, client: PrincipalId, secret: Uuid, actor: &str) -> Result<()> {
    change(app, CatalogueChange::RemoveSecret(client, secret), actor).await?.map_err(refused)
}

/// Takes keys from their application; every token of them ends.
pub async fn remove(app: &App, client: PrincipalId, actor: &str) -> Result<()> {
    change(app, CatalogueChange::RemoveClient(client), actor).await?.map_err(refused)
}

/// Issues a token to the application itself, by the same rules as the token endpoint.
pub async fn issue(app: &App, keys: &HeldKeys, wish: TokenWish) -> Result<TokenResponse> {
    let TokenWish { secret, scope, validity, revoke } = wish;
    let granted = keys.client.grants.contains(&GrantType::ClientCredentials);
    if !granted || !app.policy.grants.contains(&GrantType::ClientCredentials) {
        return Err(AdminError::wrong_use("the keys may not use the grant client_credentials"));
    }
    if let Some(token) = revoke {
        end(app, &keys.client, &token).await?;
    }
    let secret = secret.unwrap_or_else(|| keys.secret.0.clone());
    token::issue_with(app, &keys.client, secret, (Some(scope), validity)).await
}

/// Ends a token of these keys; another one is left alone.
async fn end(app: &App, client: &Client, token: &Secret) -> Result<()> {
    let Some(found) = Tokens::new(app).resolve(token).await? else { return Ok(()) };
    let family = &found.held.family;
    if family.client == client.id && ends_family(found.reference.kind, found.reference.generation, family) {
        let selector = Selector::Family { bucket: family.bucket, id: family.id };
        app.store.end(Ending { selector, reason: Reason::ClientRequest, actor: None }).await?;
        app.metrics.revoked();
    }
    Ok(())
}
