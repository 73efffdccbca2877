//! Applications and their keys.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use latchkey_catalog::application::Application;
use latchkey_catalog::id::EntryId;
use latchkey_catalog::name::check_application_name;
use latchkey_catalog::subscription::{Subscription, UNLIMITED};
use latchkey_catalog::tier::Level;
use latchkey_oauth::client::{
    Client, ClientMetadata, GrantType, KeyType, TokenFormat, Validities, draw_consumer_key,
    draw_consumer_secret,
};
use latchkey_oauth::family::Validity;
use latchkey_oauth::id::PrincipalId;
use latchkey_oauth::keyring::{Keyring, SecretMac};
use latchkey_oauth::secret::Secret;
use latchkey_store::rows::SubscriptionKey;
use latchkey_store::unit::{CatalogueChange, ChangeRefused, NewClient};
use latchkey_wso2::entry::Kept;
use serde::{Deserialize, Serialize};

use super::problem::Problem;
use super::subscription::check_open;
use super::subscription::tier_names;
use super::text::{SecretText, moment};
use super::{AdminError, PAGE, Page, Reply, Result, api, change, user};
use crate::app::App;
use crate::config::kind::LONGEST_VALIDITY;

/// What to do to applications.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Register one, with production keys.
    Create(Box<NewApplication>),
    /// List those whose ids follow.
    List {
        /// Whose; none for all.
        owner: Option<String>,
        /// The last id of the page before.
        after: Option<EntryId>,
    },
    /// Show one.
    Show(Reference),
    /// Show its keys, secrets included.
    Keys(Reference),
    /// Give it another consumer secret.
    RegenerateSecret(Reference),
    /// Give it another throttling tier.
    SetTier {
        /// Which.
        application: Reference,
        /// The tier.
        tier: String,
    },
    /// Delete it.
    Delete(Reference),
}

/// An application to be registered. What is not given is taken from the configuration.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct NewApplication {
    /// Its name.
    pub name: String,
    /// The name of the user who owns it.
    pub owner: String,
    /// The grants it may use.
    pub grants: BTreeSet<GrantType>,
    /// The form of its access tokens.
    pub token_format: Option<TokenFormat>,
    /// Life of its own access tokens in seconds; negative: for ever.
    pub application_validity: Option<i64>,
    /// Life of its users' access tokens in seconds; negative: for ever.
    pub user_validity: Option<i64>,
    /// Life of refresh tokens in seconds; negative: for ever.
    pub refresh_validity: Option<i64>,
    /// APIs to subscribe to, `CONTEXT/VERSION`.
    pub subscriptions: Vec<String>,
}

/// What an application is called by: its name, id or consumer key, and, where several owners gave the name,
/// its owner.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Reference {
    /// Name, id or consumer key.
    pub name: String,
    /// The owner's name.
    pub owner: Option<String>,
}

/// A new application.
#[derive(Debug, Serialize, Deserialize)]
pub struct Created {
    /// Its id.
    pub id: EntryId,
    /// Its name.
    pub name: String,
    /// The consumer key.
    pub consumer_key: String,
    /// The consumer secret.
    pub consumer_secret: SecretText,
}

/// An application in a list.
#[derive(Debug, Serialize, Deserialize)]
pub struct Summary {
    /// Its id.
    pub id: EntryId,
    /// Its name.
    pub name: String,
    /// Its owner's name; the owner's id where the user is gone.
    pub owner: String,
    /// Its tier.
    pub tier: String,
    /// When it was made.
    pub created_at: String,
}

/// An application with the settings of its keys.
#[derive(Debug, Serialize, Deserialize)]
pub struct Detail {
    /// What the list shows.
    #[serde(flatten)]
    pub summary: Summary,
    /// Its keys, without secrets.
    pub keys: Vec<KeySettings>,
}

/// One consumer key with its settings.
#[derive(Debug, Serialize, Deserialize)]
pub struct KeySettings {
    /// The consumer key.
    pub consumer_key: String,
    /// Production or sandbox.
    pub key_type: KeyType,
    /// The grants it may use.
    pub grants: BTreeSet<GrantType>,
    /// The form of its access tokens.
    pub token_format: TokenFormat,
    /// Life of the application's own access tokens in seconds; negative: for ever.
    pub application_validity: i64,
    /// Life of users' access tokens in seconds; negative: for ever.
    pub user_validity: i64,
    /// Life of refresh tokens in seconds; negative: for ever.
    pub refresh_validity: i64,
}

/// One consumer key with its secret.
#[derive(Debug, Serialize, Deserialize)]
pub struct ConsumerKeys {
    /// Production or sandbox.
    pub key_type: KeyType,
    /// The consumer key.
    pub consumer_key: String,
    /// The consumer secret.
    pub consumer_secret: SecretText,
}

impl From<&Client> for KeySettings {
    fn from(client: &Client) -> Self {
        Self {
            consumer_key: client.consumer_key.clone(),
            key_type: client.key_type,
            grants: client.grants.clone(),
            token_format: client.token_format,
            application_validity: client.validities.application.into(),
            user_validity: client.validities.user.into(),
            refresh_validity: client.validities.refresh.into(),
        }
    }
}

pub(super) async fn execute(app: &App, command: Command, actor: &str) -> Result<Reply> {
    match command {
        Command::Create(new) => create(app, &new, actor).await.map(Reply::Created),
        Command::List { owner, after } => list(app, owner.as_deref(), after).await,
        Command::Show(reference) => show(app, &reference).await,
        Command::Keys(reference) => keys(app, find(app, &reference).await?.id).await,
        Command::RegenerateSecret(reference) => {
            let id = find(app, &reference).await?.id;
            for (client, _) in app.store.clients_of(id).await? {
                regenerate(app, client.id, actor).await?;
            }
            keys(app, id).await
        }
        Command::SetTier { application, tier } => set_tier(app, (&application, tier), actor).await,
        Command::Delete(reference) => {
            let found = find(app, &reference).await?;
            change(app, CatalogueChange::DeleteApplication(found.id), actor)
                .await?
                .map_err(|_| unknown(&reference.name))?;
            let name = found.name;
            Ok(Reply::Done(format!("Application {name} is deleted; every token of it has ended.")))
        }
    }
}

/// Registers an application with production keys and its subscriptions, in one unit of work: all of it is
/// there, or nothing.
pub async fn create(app: &App, new: &NewApplication, actor: &str) -> Result<Created> {
    check_application_name(&new.name)?;
    if new.grants.is_empty() {
        return Err(AdminError::wrong_use(
            "an application needs a grant; give --grants, for example client_credentials",
        ));
    }
    let validities = validities(app, new)?;
    let owner = user::find(app, &new.owner).await?.user.id;
    let subscribed = apis(app, &new.subscriptions).await?;
    let id = EntryId::draw(&*app.entropy);
    let application = Application::registered(id, new.name.clone(), owner, app.now());
    let subscriptions = subscribed.into_iter().map(|api| unlimited(app, (id, api))).collect();
    let token_format = new.token_format.unwrap_or(app.policy.token_format);
    let settings = ClientSettings {
        grants: new.grants.clone(),
        token_format,
        key_type: KeyType::Production,
        validities,
        metadata: ClientMetadata::default(),
    };
    let (client, secret) = new_client(app, settings);
    let consumer_key = client.client.consumer_key.clone();
    let what = CatalogueChange::AddApplication(application, Some(Box::new(client)), subscriptions);
    change(app, what, actor).await?.map_err(|refused| match refused {
        ChangeRefused::NameTaken => AdminError::refused(format!(
            "{} has an application {:?} already; choose another name, or delete that one",
            new.owner, new.name
        ))
        .about(Problem::ApplicationExists),
        ChangeRefused::NotFound
        | ChangeRefused::UnknownUser
        | ChangeRefused::UnknownTier
        | ChangeRefused::UnknownScope
        | ChangeRefused::HasKeys
        | ChangeRefused::Full
        | ChangeRefused::WrongState
        | ChangeRefused::InUse
        | ChangeRefused::BadProfile(_) => AdminError::refused(format!(
            "the user {:?} or one of the APIs was changed meanwhile, and nothing was made; try again",
            new.owner
        )),
    })?;
    Ok(Created { id, name: new.name.clone(), consumer_key, consumer_secret: SecretText(secret) })
}

async fn set_tier(app: &App, (reference, tier): (&Reference, String), actor: &str) -> Result<Reply> {
    let Application { id, name, .. } = find(app, reference).await?;
    if change(app, CatalogueChange::SetApplicationTier(id, tier.clone()), actor).await?.is_err() {
        let tiers = tier_names(app, Level::Application).await?.join(", ");
        return Err(AdminError::refused(format!("there is no application tier {tier:?}; there are {tiers}")));
    }
    Ok(Reply::Done(format!("Application {name} has tier {tier}, from the next call on.")))
}

/// Subscribes an application to an API at the tier without a limit.
pub async fn subscribe(app: &App, (application, api): (EntryId, EntryId), actor: &str) -> Result<()> {
    let what = CatalogueChange::Subscribe(unlimited(app, (application, api)));
    let gone = |_| AdminError::refused(format!("the API {api} or the application {application} is gone"));
    change(app, what, actor).await?.map_err(gone)
}

fn unlimited(app: &App, key: SubscriptionKey) -> Subscription {
    Subscription::new(EntryId::draw(&*app.entropy), key, UNLIMITED, app.now())
}

fn validities(app: &App, new: &NewApplication) -> Result<Validities> {
    let of = |flag: &str, given: Option<i64>, default: Validity| match given {
        None => Ok(default),
        Some(seconds) if seconds != 0 && seconds <= LONGEST_VALIDITY => Ok(Validity::from(seconds)),
        Some(seconds) => Err(AdminError::wrong_use(format!(
            "{flag} {seconds} is no life of a token; give 1 to {LONGEST_VALIDITY} seconds, or -1 for \"never expires\""
        ))),
    };
    let default = app.policy.validities;
    Ok(Validities {
        application: of("--application-validity", new.application_validity, default.application)?,
        user: of("--user-validity", new.user_validity, default.user)?,
        refresh: of("--refresh-validity", new.refresh_validity, default.refresh)?,
    })
}

async fn apis(app: &App, paths: &[String]) -> Result<Vec<EntryId>> {
    let mut ids = Vec::with_capacity(paths.len());
    for path in paths {
        let api = api::find(app, path).await?;
        check_open(&api)?;
        ids.push(api.id);
    }
    Ok(ids)
}

/// What a new client is, but for what is drawn.
pub(super) struct ClientSettings {
    pub(super) grants: BTreeSet<GrantType>,
    pub(super) token_format: TokenFormat,
    pub(super) key_type: KeyType,
    pub(super) validities: Validities,
    pub(super) metadata: ClientMetadata,
}

/// A client with a consumer key and a secret of its own.
pub(super) fn new_client(app: &App, settings: ClientSettings) -> (NewClient, Secret) {
    client_of_id(app, PrincipalId::draw(&*app.entropy), settings)
}

/// The same with an id that was promised.
pub(super) fn client_of_id(app: &App, id: PrincipalId, settings: ClientSettings) -> (NewClient, Secret) {
    let ClientSettings { grants, token_format, key_type, validities, metadata } = settings;
    let secret = draw_consumer_secret(&*app.entropy);
    let keys = app.keys();
    let client = Client {
        id,
        consumer_key: draw_consumer_key(&*app.entropy),
        secrets: vec![keys.ring.consumer_secret_mac(secret.expose())],
        further_secrets: Vec::new(),
        grants,
        token_format,
        key_type,
        validities,
        metadata,
    };
    let sealed_secret = keys.ring.seal(secret.expose(), &secret_place(id));
    (NewClient { client, sealed_secret }, secret)
}

/// What leads the text that is sealed in place of a secret of which only the SHA-256 is known.
const DIGEST: &str = "sha-256:";

/// What a secret from elsewhere is verified by, and the text that is sealed for it.
pub(super) fn keep_secret(ring: &Keyring, secret: &Kept) -> (SecretMac, Secret) {
    match secret {
        Kept::Plain(text) => (ring.consumer_secret_mac(text.expose()), text.clone()),
        Kept::Digest(digest) => {
            let text = format!("{DIGEST}{}", STANDARD.encode(digest));
            (ring.consumer_secret_digest_mac(digest), Secret::new(text))
        }
    }
}

/// What is verified by the text that is sealed for a secret.
pub(super) fn sealed_mac(ring: &Keyring, text: &Secret) -> SecretMac {
    let encoded = text.expose().strip_prefix(DIGEST).and_then(|text| STANDARD.decode(text).ok());
    match encoded.and_then(|digest| <[u8; 32]>::try_from(digest).ok()) {
        Some(digest) => ring.consumer_secret_digest_mac(&digest),
        None => ring.consumer_secret_mac(text.expose()),
    }
}

/// Where a sealed consumer secret belongs; it opens nowhere else.
pub(super) fn secret_place(client: PrincipalId) -> String {
    format!("client.secret_sealed.{client}")
}

async fn regenerate(app: &App, client: PrincipalId, actor: &str) -> Result<()> {
    let secret = draw_consumer_secret(&*app.entropy);
    let what = {
        let keys = app.keys();
        CatalogueChange::RegenerateSecret {
            client,
            mac: keys.ring.consumer_secret_mac(secret.expose()),
            sealed: keys.ring.seal(secret.expose(), &secret_place(client)),
            overlap: None,
        }
    };
    change(app, what, actor).await?.map_err(|refused| AdminError::refused(refused.to_string()))
}

async fn list(app: &App, owner: Option<&str>, after: Option<EntryId>) -> Result<Reply> {
    let owner = match owner {
        Some(name) => Some(user::find(app, name).await?.user.id),
        None => None,
    };
    let found = app.store.applications(owner, after, PAGE).await?;
    let next = found.last().filter(|_| found.len() == PAGE as usize).map(|last| last.id.to_string());
    let mut items = Vec::with_capacity(found.len());
    for application in &found {
        items.push(summary(app, application).await?);
    }
    Ok(Reply::Applications(Page { items, next }))
}

async fn summary(app: &App, application: &Application) -> Result<Summary> {
    let owner = app.store.user_by_id(application.owner).await?;
    Ok(Summary {
        id: application.id,
        name: application.name.clone(),
        owner: owner.map_or_else(|| application.owner.to_string(), |facts| facts.user.name.clone()),
        tier: application.tier.clone(),
        created_at: moment(application.created_at),
    })
}

async fn show(app: &App, reference: &Reference) -> Result<Reply> {
    let found = find(app, reference).await?;
    let summary = summary(app, &found).await?;
    let clients = app.store.clients_of(found.id).await?;
    Ok(Reply::Application(Detail {
        summary,
        keys: clients.iter().map(|(client, _)| client.into()).collect(),
    }))
}

async fn keys(app: &App, id: EntryId) -> Result<Reply> {
    let clients = app.store.clients_of(id).await?;
    clients
        .iter()
        .map(|(client, sealed)| opened(app, client, sealed))
        .collect::<Result<_>>()
        .map(Reply::ConsumerKeys)
}

/// The keys of a client with its secret.
fn opened(app: &App, client: &Client, sealed: &[u8]) -> Result<ConsumerKeys> {
    Ok(ConsumerKeys {
        key_type: client.key_type,
        consumer_key: client.consumer_key.clone(),
        consumer_secret: SecretText(open_secret(app, client, sealed)?),
    })
}

/// The consumer secret of a client.
pub(super) fn open_sealed(app: &App, client: &Client, sealed: &[u8]) -> Result<Secret> {
    app.keys().ring.open(sealed, &secret_place(client.id)).map_err(|_| {
        AdminError::failed(format!(
            "the secret of consumer key {} was sealed under a key that is gone; give the application a new one \
             with `latchkey app regenerate-secret`",
            client.consumer_key
        ))
    })
}

/// The secret of a client, to be shown; empty where only its SHA-256 is known.
pub(super) fn open_secret(app: &App, client: &Client, sealed: &[u8]) -> Result<Secret> {
    let text = open_sealed(app, client, sealed)?;
    Ok(if text.expose().starts_with(DIGEST) { Secret::default() } else { text })
}

/// The application that `reference` names.
pub(super) async fn find(app: &App, reference: &Reference) -> Result<Application> {
    let name = &reference.name;
    if let Some(facts) = app.store.client(name).await? {
        return Ok(facts.application.clone());
    }
    if let Ok(id) = name.parse::<EntryId>()
        && let Some(found) = app.store.application(id).await?
    {
        return Ok(found);
    }
    let owner = match &reference.owner {
        Some(owner) => Some(user::find(app, owner).await?.user.id),
        None => None,
    };
    let mut named = by_name(app, name, owner).await?;
    match named.len() {
        0 => Err(unknown(name)),
        1 => Ok(named.remove(0)),
        many => Err(AdminError::refused(format!(
            "{many} applications are called {name:?}; say whose with --owner, or give the id"
        ))),
    }
}

fn unknown(name: &str) -> AdminError {
    AdminError::refused(format!("there is no application {name:?}; `latchkey app list` shows them"))
        .about(Problem::NoSuchApplication)
}

pub(super) async fn by_name(app: &App, name: &str, owner: Option<PrincipalId>) -> Result<Vec<Application>> {
    let mut named = Vec::new();
    let mut after = None;
    loop {
        let page = app.store.applications(owner, after, PAGE).await?;
        after = page.last().map(|last| last.id);
        let is_last = page.len() < PAGE as usize;
        named.extend(page.into_iter().filter(|application| application.name == name));
        if is_last {
            return Ok(named);
        }
    }
}
