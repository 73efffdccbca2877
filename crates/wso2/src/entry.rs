//! What comes over, as it crosses to the server: names instead of ids, which the server gives or looks up.

use std::collections::{BTreeMap, BTreeSet};

use latchkey_catalog::api::ApiDefinition;
use latchkey_catalog::application::TokenType;
use latchkey_catalog::id::EntryId;
use latchkey_catalog::subscription::SubscriptionState;
use latchkey_catalog::tier::Tier;
use latchkey_catalog::user::UserState;
use latchkey_oauth::client::{KeyMode, KeyType};
use latchkey_oauth::secret::Secret;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Something that comes over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entry {
    /// A user.
    User(UserEntry),
    /// A throttling policy.
    Tier(Tier),
    /// An API.
    Api(Box<ApiEntry>),
    /// An application with its keys.
    Application(Box<ApplicationEntry>),
    /// A subscription.
    Subscription(SubscriptionEntry),
    /// A live token.
    Token(Box<TokenEntry>),
}

/// What kind of thing a row is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Users.
    Users,
    /// Roles of users.
    Roles,
    /// Throttling policies.
    Tiers,
    /// APIs.
    Apis,
    /// Applications.
    Applications,
    /// Subscriptions.
    Subscriptions,
    /// Live tokens.
    Tokens,
}

impl Kind {
    /// Its word in tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Users => "users",
            Self::Roles => "roles",
            Self::Tiers => "tiers",
            Self::Apis => "APIs",
            Self::Applications => "applications",
            Self::Subscriptions => "subscriptions",
            Self::Tokens => "tokens",
        }
    }
}

impl Entry {
    /// What kind of thing it is.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::User(_) => Kind::Users,
            Self::Tier(_) => Kind::Tiers,
            Self::Api(_) => Kind::Apis,
            Self::Application(_) => Kind::Applications,
            Self::Subscription(_) => Kind::Subscriptions,
            Self::Token(_) => Kind::Tokens,
        }
    }
}

/// About what the names and numbers of an entry take, in bytes.
const FRAME: usize = 600;

impl Entry {
    /// About how long it is in JSON, in bytes.
    pub fn weight(&self) -> usize {
        let all = |texts: &BTreeSet<String>| texts.iter().map(|text| text.len() + 3).sum::<usize>();
        FRAME
            + match self {
                Self::User(user) => all(&user.roles),
                Self::Tier(_) | Self::Subscription(_) => 0,
                Self::Token(token) => token.scope.len(),
                Self::Application(application) => {
                    let attributes =
                        application.attributes.iter().map(|(name, value)| name.len() + value.len());
                    let text = application.description.len() + all(&application.groups);
                    text + attributes.sum::<usize>() + application.keys.len() * FRAME
                }
                Self::Api(api) => {
                    let resources = api.definition.resources.iter();
                    let texts = resources.map(|one| one.template.len() + all(&one.scopes) + 100);
                    texts.sum::<usize>() + api.definition.scopes.values().map(all).sum::<usize>()
                }
            }
    }
}

/// A credential as WSO2 kept it. `Debug` shows neither.
#[derive(Clone, PartialEq, Eq)]
pub enum Kept {
    /// The text itself.
    Plain(Secret),
    /// Its SHA-256 alone.
    Digest([u8; 32]),
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Self::Plain(_) => "Plain(…)",
            Self::Digest(_) => "Digest(…)",
        })
    }
}

impl Serialize for Kept {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Plain(secret) => (Some(secret.expose()), None::<[u8; 32]>).serialize(to),
            Self::Digest(digest) => (None::<&str>, Some(digest)).serialize(to),
        }
    }
}

impl<'de> Deserialize<'de> for Kept {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match <(Option<String>, Option<[u8; 32]>)>::deserialize(from)? {
            (Some(text), None) => Ok(Self::Plain(Secret::new(text))),
            (None, Some(digest)) => Ok(Self::Digest(digest)),
            (None, None) | (Some(_), Some(_)) => Err(serde::de::Error::custom("neither text nor digest")),
        }
    }
}

/// A user's password as WSO2's user store kept it: the base64 of the SHA-256 of password and salt.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SaltedPassword {
    /// The salt; it may be empty.
    pub salt: String,
    /// The hash in base64.
    pub hash: String,
}

impl std::fmt::Debug for SaltedPassword {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("SaltedPassword(…)")
    }
}

/// A user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserEntry {
    /// The name.
    pub name: String,
    /// The password; none: it cannot be read, and the user needs another.
    pub password: Option<SaltedPassword>,
    /// The roles.
    pub roles: BTreeSet<String>,
    /// Whether the user may sign in.
    pub state: UserState,
    /// The given name.
    pub given_name: Option<String>,
    /// The family name.
    pub family_name: Option<String>,
    /// The electronic mail address.
    pub email: Option<String>,
}

/// An API without its upstreams, which WSO2 does not keep in these tables.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiEntry {
    /// Its id.
    pub id: Option<EntryId>,
    /// Its name.
    pub name: String,
    /// Its context without the version.
    pub context: String,
    /// Its version.
    pub version: String,
    /// Who provides it.
    pub provider: String,
    /// What it offers.
    pub definition: ApiDefinition,
    /// When it was made.
    pub created_at: i64,
}

/// An application with its keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApplicationEntry {
    /// Its id.
    pub id: Option<EntryId>,
    /// Its name.
    pub name: String,
    /// The name of the user who owns it.
    pub owner: String,
    /// Its tier.
    pub tier: String,
    /// Its description.
    pub description: String,
    /// The form of its tokens.
    pub token_type: TokenType,
    /// Free attributes.
    pub attributes: BTreeMap<String, String>,
    /// The groups that it is shared with.
    pub groups: BTreeSet<String>,
    /// When it was made, in milliseconds.
    pub created_at: i64,
    /// Whether a portal made it, or somebody registered its one client by itself.
    pub origin: Origin,
    /// Its keys, at most one of each type.
    pub keys: Vec<KeyEntry>,
}

/// How an application came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// A developer made it in a portal.
    Portal,
    /// Its one client was registered by itself.
    Registration,
}

/// Keys of an application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyEntry {
    /// The consumer key.
    pub client_id: String,
    /// The consumer secret.
    pub secret: Kept,
    /// Production or sandbox.
    pub key_type: KeyType,
    /// How they came to the application.
    pub mode: KeyMode,
    /// The names of the grants.
    pub grants: Vec<String>,
    /// Where authorization answers may go.
    pub callback: Option<String>,
    /// Life of the application's own access tokens, in seconds; zero: the server's default.
    pub application_validity: i64,
    /// Life of users' access tokens.
    pub user_validity: i64,
    /// Life of refresh tokens.
    pub refresh_validity: i64,
}

/// A subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionEntry {
    /// Its id.
    pub id: Option<EntryId>,
    /// The application: its owner and its name.
    pub application: (String, String),
    /// The API: its context and its version.
    pub api: (String, String),
    /// The tier.
    pub tier: String,
    /// Whether it may be used.
    pub state: SubscriptionState,
    /// When it was made, in milliseconds.
    pub created_at: i64,
}

/// The tokens of one row, live ones only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenEntry {
    /// The consumer key.
    pub client_id: String,
    /// The user; none: the application's own.
    pub user: Option<String>,
    /// The granted scopes, canonical.
    pub scope: String,
    /// What binds it.
    pub binding: TokenBinding,
    /// The access token; none: it is signed, or its text could not be taken over, and only the refresh token works on.
    pub access: Option<Kept>,
    /// When it was issued, in milliseconds.
    pub issued_at: i64,
    /// When it ends; none: never.
    pub expires_at: Option<i64>,
    /// The refresh token.
    pub refresh: Option<RefreshEntry>,
}

/// What binds a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenBinding {
    /// Nothing.
    None,
    /// The `tokenBindingId` of its requests.
    Client(String),
    /// Another kind, of which only the digest is known.
    Other([u8; 16]),
}

/// A refresh token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefreshEntry {
    /// Its value.
    pub value: Kept,
    /// When it was issued, in milliseconds.
    pub issued_at: i64,
    /// When it ends; none: never.
    pub expires_at: Option<i64>,
}
