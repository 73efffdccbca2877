//! Dynamic client registration: an application with its one client, asked for again and again by scripts.

use latchkey_catalog::application::{Application, ApplicationDetails, ApplicationKind, TokenType};
use latchkey_catalog::developer::Grants;
use latchkey_catalog::id::EntryId;
use latchkey_catalog::name::check_application_name;
use latchkey_catalog::user::User;
use latchkey_oauth::client::{ClientMetadata, KeyType, TokenFormat};
use latchkey_oauth::id::PrincipalId;
use latchkey_store::unit::{CatalogueChange, ChangeRefused};

use super::application::{self, ClientSettings};
use super::consumer_keys::{self, HeldKeys, Wishes};
use super::text::SecretText;
use super::{AdminError, Result, change, developer, user};
use crate::app::App;

/// A client to be registered.
#[derive(Debug, Clone)]
pub struct Registration {
    /// Its name.
    pub name: String,
    /// The name of the user who owns it.
    pub owner: String,
    /// The names of the grants it may use.
    pub grants: Vec<String>,
    /// Its callback URL, if any.
    pub callback: Option<String>,
    /// The form of its access tokens.
    pub token_format: Option<TokenFormat>,
}

/// A client that is registered.
#[derive(Debug)]
pub struct Registered {
    /// The application around it.
    pub application: Application,
    /// Its keys.
    pub keys: HeldKeys,
}

/// Registers a client, or finds the one that the owner has under that name, as it is: who asks twice gets the same
/// keys.
pub async fn register(app: &App, wanted: Registration, actor: &str) -> Result<Registered> {
    check_application_name(&wanted.name)?;
    let owner = user::find(app, &wanted.owner).await?.user.id;
    if let Some(held) = held(app, owner, &wanted.name).await? {
        return Ok(held);
    }
    let name = wanted.name.clone();
    match add(app, owner, wanted, actor).await? {
        // Taken: somebody asked for the same at the same time.
        Ok(()) | Err(ChangeRefused::NameTaken) => {}
        Err(refused) => return Err(AdminError::refused(refused.to_string())),
    }
    let vanished = || AdminError::refused("the registration was deleted meanwhile; try again");
    held(app, owner, &name).await?.ok_or_else(vanished)
}

async fn add(
    app: &App,
    owner: PrincipalId,
    wanted: Registration,
    actor: &str,
) -> Result<std::result::Result<(), ChangeRefused>> {
    let token_format = wanted.token_format.unwrap_or(app.policy.token_format);
    let callbacks: Vec<String> = wanted.callback.into_iter().collect();
    // WSO2 drops the grants that would need a callback.
    let has_use = |name: &&str| !callbacks.is_empty() || Grants::read([*name], &[]).is_ok();
    let names = wanted.grants.iter().map(String::as_str).filter(has_use);
    let grants = Grants::read(names, &callbacks)?;
    let settings = ClientSettings {
        grants: grants.known,
        token_format,
        key_type: KeyType::Production,
        validities: app.policy.validities,
        metadata: ClientMetadata {
            redirect_uris: callbacks.clone(),
            further_grants: grants.further,
            ..ClientMetadata::default()
        },
    };
    let (client, _) = application::new_client(app, settings);
    let id = EntryId::draw(&*app.entropy);
    let token_type = match token_format {
        TokenFormat::Jwt => TokenType::Jwt,
        TokenFormat::Opaque => TokenType::Oauth,
    };
    let application = Application {
        kind: ApplicationKind::Registration,
        details: ApplicationDetails { token_type, ..ApplicationDetails::default() },
        ..Application::registered(id, wanted.name, owner, app.now())
    };
    change(app, CatalogueChange::AddApplication(application, Some(Box::new(client)), Vec::new()), actor).await
}

/// Registers a client of `owner` under a name that the owner has no other under; nothing is left out of the wishes.
pub async fn create(
    app: &App,
    (owner, name): (&User, String),
    (token_type, wishes): (Option<TokenType>, Wishes),
) -> Result<Registered> {
    check_application_name(&name)?;
    let usual = match app.policy.token_format {
        TokenFormat::Jwt => TokenType::Jwt,
        TokenFormat::Opaque => TokenType::Oauth,
    };
    let token_type = token_type.unwrap_or(usual);
    let application = Application {
        kind: ApplicationKind::Registration,
        details: ApplicationDetails { token_type, ..ApplicationDetails::default() },
        ..Application::registered(EntryId::draw(&*app.entropy), name, owner.id, app.now())
    };
    let settings = consumer_keys::settings(app, &application, (KeyType::Production, None), wishes)?;
    let (new, secret) = application::new_client(app, settings);
    let keys = HeldKeys { client: new.client.clone(), secret: SecretText(secret) };
    let what = CatalogueChange::AddApplication(application.clone(), Some(Box::new(new)), Vec::new());
    change(app, what, &owner.name).await?.map_err(developer::refused)?;
    Ok(Registered { application, keys })
}

/// The registration whose client has this consumer key, unless it serves an application by now.
pub async fn of_client(app: &App, consumer_key: &str) -> Result<Option<Registered>> {
    let Some(facts) = app.store.client(consumer_key).await? else { return Ok(None) };
    let application = &facts.application;
    if application.kind != ApplicationKind::Registration {
        return Ok(None);
    }
    held(app, application.owner, &application.name).await
}

/// The registration of an owner under a name.
pub async fn held(app: &App, owner: PrincipalId, name: &str) -> Result<Option<Registered>> {
    let found = app.store.application_named(owner, ApplicationKind::Registration, name).await?;
    let Some(application) = found else { return Ok(None) };
    let Some((client, sealed)) = app.store.registered_client(application.id).await? else { return Ok(None) };
    let secret = SecretText(application::open_secret(app, &client, &sealed)?);
    Ok(Some(Registered { application, keys: HeldKeys { client, secret } }))
}
