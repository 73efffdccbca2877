//! Taking over what WSO2 kept: entries that were planned elsewhere, many at a time.

use latchkey_catalog::api::Api;
use latchkey_catalog::application::{Application, ApplicationDetails, ApplicationKind, TokenType};
use latchkey_catalog::developer::{Grants, check_details};
use latchkey_catalog::id::EntryId;
use latchkey_catalog::listing::Listing;
use latchkey_catalog::subscription::Subscription;
use latchkey_catalog::user::{Email, Profile, User};
use latchkey_oauth::client::{Client, ClientMetadata, TokenFormat, Validities};
use latchkey_oauth::clock::Timestamp;
use latchkey_oauth::entropy::random;
use latchkey_oauth::family::{Binding, Expiry, MintedValue, Seed, Validity};
use latchkey_oauth::id::{FamilyId, PrincipalId};
use latchkey_oauth::keyring::ValueKind;
use latchkey_oauth::scope::Scope;
use latchkey_store::unit::{
    Import, ImportItem, ImportOutcome, ImportRefused, ImportedApplication, ImportedSubscription,
    ImportedToken, NewApi, NewClient,
};
use latchkey_wso2::entry::{
    ApiEntry, ApplicationEntry, Entry, Kept, KeyEntry, Origin, SubscriptionEntry, TokenBinding, TokenEntry,
    UserEntry,
};
use serde::{Deserialize, Serialize};

use super::application::{keep_secret, secret_place};
use super::{Reply, Result};
use crate::app::App;
use crate::passwords::salted;

/// Many entries.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Command {
    /// In an order in which each finds what it needs.
    pub entries: Vec<Entry>,
    /// Whether they are written.
    pub mode: Mode,
}

/// Whether anything is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Nothing is; it is told what would be.
    Foresee,
    /// What is not here yet is.
    Write,
}

/// What became of them.
#[derive(Debug, Serialize, Deserialize)]
pub struct TakenOver {
    /// Of each, in their order.
    pub outcomes: Vec<ImportOutcome>,
    /// The ids of the users among them, by name, where they are written.
    pub users: Vec<(String, PrincipalId)>,
    /// The ids of the clients among them, by consumer key, likewise.
    pub clients: Vec<(String, PrincipalId)>,
}

pub(super) async fn execute(app: &App, command: Command, actor: &str) -> Result<Reply> {
    let Command { entries, mode } = command;
    let names = Names::of(&entries);
    let mut outcomes = Vec::with_capacity(entries.len());
    let mut items = Vec::with_capacity(entries.len());
    for entry in entries {
        let item = item(app, entry);
        outcomes.push(item.is_none().then_some(ImportOutcome::Refused(ImportRefused::Unfit)));
        items.extend(item);
    }
    let digests: Vec<[u8; 32]> = items.iter().flat_map(digests).collect();
    let wanted = Import { items, limits: app.policy.limits, actor: actor.to_owned() };
    let answered = match mode {
        Mode::Foresee => app.store.foresee(wanted).await?,
        Mode::Write => app.store.import(wanted).await?,
    };
    // Their bearers may have shown them before, when they were unknown.
    for digest in &digests {
        app.token_caches.expect(digest);
    }
    let mut answered = answered.into_iter();
    let unanswered = ImportOutcome::Refused(ImportRefused::Unfit);
    let outcomes = outcomes.into_iter().map(|known| known.or_else(|| answered.next()).unwrap_or(unanswered));
    let outcomes = outcomes.collect();
    let mut taken = TakenOver { outcomes, users: Vec::new(), clients: Vec::new() };
    if mode == Mode::Write {
        for name in names.users {
            taken.users.extend(app.store.user(&name).await?.map(|facts| (name, facts.user.id)));
        }
        for key in names.clients {
            taken.clients.extend(app.store.client(&key).await?.map(|facts| (key, facts.client.id)));
        }
    }
    Ok(Reply::TakenOver(taken))
}

/// Of whom the ids are told.
struct Names {
    users: Vec<String>,
    clients: Vec<String>,
}

impl Names {
    fn of(entries: &[Entry]) -> Self {
        let mut names = Self { users: Vec::new(), clients: Vec::new() };
        for entry in entries {
            match entry {
                Entry::User(user) => names.users.push(user.name.clone()),
                Entry::Application(application) => {
                    names.clients.extend(application.keys.iter().map(|key| key.client_id.clone()));
                }
                Entry::Tier(_) | Entry::Api(_) | Entry::Subscription(_) | Entry::Token(_) => {}
            }
        }
        names
    }
}

fn digests(item: &ImportItem) -> Vec<[u8; 32]> {
    let ImportItem::Token(token) = item else { return Vec::new() };
    let access = token.access.iter().map(|value| value.digest);
    access.chain(token.refresh.iter().map(|(value, ..)| value.digest)).collect()
}

/// What the store is asked to keep; none: it cannot be kept here.
fn item(app: &App, entry: Entry) -> Option<ImportItem> {
    Some(match entry {
        Entry::User(entry) => ImportItem::User(Box::new(user(app, entry))),
        Entry::Tier(tier) => ImportItem::Tier(Box::new(tier)),
        Entry::Api(entry) => ImportItem::Api(Box::new(api(app, *entry))),
        Entry::Application(entry) => ImportItem::Application(Box::new(application(app, *entry)?)),
        Entry::Subscription(entry) => ImportItem::Subscription(Box::new(subscription(app, entry))),
        Entry::Token(entry) => ImportItem::Token(Box::new(token(app, *entry))),
    })
}

fn user(app: &App, entry: UserEntry) -> User {
    let primary = |value| Email { value, kind: None, primary: true };
    User {
        id: PrincipalId::draw(&*app.entropy),
        name: entry.name,
        password: salted::stored(entry.password.as_ref()),
        roles: entry.roles,
        state: entry.state,
        profile: Profile {
            given_name: entry.given_name,
            family_name: entry.family_name,
            display_name: None,
            emails: entry.email.map(primary).into_iter().collect(),
        },
        created_at: app.now(),
        updated_at: app.now(),
    }
}

/// When something was made; where that is not known, now.
fn made(app: &App, at: i64) -> Timestamp {
    if at > 0 { Timestamp::from_millis(at) } else { app.now() }
}

fn id(app: &App, given: Option<EntryId>) -> EntryId {
    given.unwrap_or_else(|| EntryId::draw(&*app.entropy))
}

fn api(app: &App, entry: ApiEntry) -> NewApi {
    let at = made(app, entry.created_at);
    let id = id(app, entry.id);
    let ApiEntry { name, context, version, provider, definition, .. } = entry;
    NewApi {
        api: Api { id, name, context, version, definition },
        listing: Listing::of(provider, at),
        document: None,
    }
}

fn application(app: &App, entry: ApplicationEntry) -> Option<ImportedApplication> {
    let details = ApplicationDetails {
        description: entry.description,
        token_type: entry.token_type,
        attributes: entry.attributes,
        groups: entry.groups,
        ..ApplicationDetails::default()
    };
    check_details(&details).ok()?;
    let at = made(app, entry.created_at);
    let clients = entry.keys.into_iter().map(|key| client(app, key, entry.token_type));
    let clients = clients.collect::<Option<Vec<_>>>()?;
    let kind = match entry.origin {
        Origin::Portal => ApplicationKind::Portal,
        Origin::Registration => ApplicationKind::Registration,
    };
    // The owner's id is looked up by the name.
    let nobody = PrincipalId::from_bytes([0; 16]);
    let registered = Application::registered(id(app, entry.id), entry.name, nobody, at);
    let application = Application { kind, tier: entry.tier, details, ..registered };
    Some(ImportedApplication { application, owner: entry.owner, clients })
}

fn client(app: &App, entry: KeyEntry, token_type: TokenType) -> Option<NewClient> {
    let id = PrincipalId::draw(&*app.entropy);
    let callbacks: Vec<String> = entry.callback.into_iter().collect();
    // WSO2 keeps grants that would need a callback where there is none.
    let has_use = |name: &&str| Grants::read([*name], &callbacks).is_ok();
    let names = entry.grants.iter().map(String::as_str).filter(has_use);
    let grants = Grants::read(names, &callbacks).ok()?;
    let life = |seconds: i64, default: Validity| if seconds == 0 { default } else { Validity::from(seconds) };
    let default = app.policy.validities;
    let keys = app.keys();
    let (mac, text) = keep_secret(&keys.ring, &entry.secret);
    let client = Client {
        id,
        consumer_key: entry.client_id,
        secrets: vec![mac],
        further_secrets: Vec::new(),
        grants: grants.known,
        token_format: match token_type {
            TokenType::Jwt => TokenFormat::Jwt,
            TokenType::Oauth => TokenFormat::Opaque,
        },
        key_type: entry.key_type,
        validities: Validities {
            application: life(entry.application_validity, default.application),
            user: life(entry.user_validity, default.user),
            refresh: life(entry.refresh_validity, default.refresh),
        },
        metadata: ClientMetadata {
            redirect_uris: callbacks,
            further_grants: grants.further,
            mode: entry.mode,
            ..ClientMetadata::default()
        },
    };
    let sealed_secret = keys.ring.seal(text.expose(), &secret_place(id));
    Some(NewClient { client, sealed_secret })
}

fn subscription(app: &App, entry: SubscriptionEntry) -> ImportedSubscription {
    // The ids of both ends are looked up by their names.
    let nothing = EntryId::from_bytes([0; 16]);
    let at = made(app, entry.created_at);
    let new = Subscription::new(id(app, entry.id), (nothing, nothing), entry.tier, at);
    let subscription = Subscription { state: entry.state, ..new };
    ImportedSubscription { subscription, application: entry.application, api: entry.api }
}

fn token(app: &App, entry: TokenEntry) -> ImportedToken {
    let keys = app.keys();
    let value = |kind, kept: Kept| -> MintedValue {
        match kept {
            Kept::Plain(text) => keys.ring.mint(kind, &text),
            Kept::Digest(digest) => keys.ring.recognise(digest),
        }
    };
    let end = |at: Option<i64>| at.map_or(Expiry::Never, |at| Expiry::At(Timestamp::from_millis(at)));
    let refresh = entry.refresh.map(|refresh| {
        let issued_at = Timestamp::from_millis(refresh.issued_at);
        (value(ValueKind::Refresh, refresh.value), issued_at, end(refresh.expires_at))
    });
    ImportedToken {
        id: FamilyId::from_bytes(random(&*app.entropy)),
        seed: Seed::from_bytes(random(&*app.entropy)),
        client: entry.client_id,
        user: entry.user,
        scope: Scope::from_members(entry.scope.split(' ').filter(|member| !member.is_empty())),
        binding: match entry.binding {
            TokenBinding::None => Binding::None,
            TokenBinding::Client(value) => Binding::Client(value.into()),
            TokenBinding::Other(digest) => Binding::Random(digest),
        },
        access: entry.access.map(|kept| value(ValueKind::Access, kept)),
        issued_at: Timestamp::from_millis(entry.issued_at),
        expires: end(entry.expires_at),
        refresh,
    }
}
