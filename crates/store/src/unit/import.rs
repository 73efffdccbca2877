//! What comes over from another server. Others are named as that server names them; ids are looked up here.

use latchkey_catalog::application::Application;
use latchkey_catalog::subscription::Subscription;
use latchkey_catalog::tier::Tier;
use latchkey_catalog::user::User;
use latchkey_oauth::clock::Timestamp;
use latchkey_oauth::family::{Binding, Expiry, MintedValue, Seed};
use latchkey_oauth::holder::HolderLimits;
use latchkey_oauth::id::FamilyId;
use latchkey_oauth::scope::Scope;

use serde::{Deserialize, Serialize};

use super::{NewApi, NewClient};

/// Many items of which each comes over by itself.
#[derive(Debug, Clone)]
pub struct Import {
    /// The items, in an order in which each finds what it needs.
    pub items: Vec<ImportItem>,
    /// How much a holder may hold; nothing that is held gives way.
    pub limits: HolderLimits,
    /// Who says so.
    pub actor: String,
}

/// One item.
#[derive(Debug, Clone)]
pub enum ImportItem {
    /// A user.
    User(Box<User>),
    /// A tier.
    Tier(Box<Tier>),
    /// An API, which is not deployed.
    Api(Box<NewApi>),
    /// An application.
    Application(Box<ImportedApplication>),
    /// A subscription.
    Subscription(Box<ImportedSubscription>),
    /// A token.
    Token(Box<ImportedToken>),
}

/// An application with its keys.
#[derive(Debug, Clone)]
pub struct ImportedApplication {
    /// The application; its owner's id does not count.
    pub application: Application,
    /// The owner's name.
    pub owner: String,
    /// Its clients, of each key type one at most.
    pub clients: Vec<NewClient>,
}

/// A subscription.
#[derive(Debug, Clone)]
pub struct ImportedSubscription {
    /// The subscription; the ids of its ends do not count.
    pub subscription: Subscription,
    /// The name of the application's owner, and the application's.
    pub application: (String, String),
    /// Context and version of the API.
    pub api: (String, String),
}

/// A live access token with its refresh token, or one of the two.
#[derive(Debug, Clone)]
pub struct ImportedToken {
    /// The id of the family that it becomes.
    pub id: FamilyId,
    /// Its seed.
    pub seed: Seed,
    /// The consumer key.
    pub client: String,
    /// The user's name; none: the client itself.
    pub user: Option<String>,
    /// The granted scopes.
    pub scope: Scope,
    /// What binds it.
    pub binding: Binding,
    /// The access token; none: whatever it was, it is not accepted.
    pub access: Option<MintedValue>,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// When it ends.
    pub expires: Expiry,
    /// The refresh token with its issue and its end.
    pub refresh: Option<(MintedValue, Timestamp, Expiry)>,
}

impl ImportedToken {
    /// What it is recognised by when it comes again.
    pub fn digest(&self) -> Option<[u8; 32]> {
        let refresh = self.refresh.as_ref().map(|(value, ..)| value.digest);
        refresh.or_else(|| self.access.as_ref().map(|value| value.digest))
    }

    /// When all of it has ended.
    pub fn ends(&self) -> Expiry {
        let refresh = self.refresh.as_ref().map(|(.., expires)| *expires);
        refresh.map_or(
            self.expires,
            |refresh| if refresh.outlives(self.expires) { refresh } else { self.expires },
        )
    }
}

/// What became of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImportOutcome {
    /// It came over.
    Made,
    /// It is here already, or was once, and stays as it is.
    Held,
    /// It did not come over.
    Refused(ImportRefused),
}

/// Why an item did not come over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum ImportRefused {
    /// The owner or user is not here.
    #[error("its user is not here")]
    NoUser,
    /// The user may not sign in.
    #[error("its user is locked or disabled")]
    Barred,
    /// The client is not here.
    #[error("its client is not here")]
    NoClient,
    /// The application is not here.
    #[error("its application is not here")]
    NoApplication,
    /// The API is not here.
    #[error("its API is not here")]
    NoApi,
    /// A tier is not here.
    #[error("a tier that it names is not here")]
    NoTier,
    /// Something else has its name or its id.
    #[error("something else here has its name or its id")]
    NameTaken,
    /// A consumer key is given already.
    #[error("one of its consumer keys belongs to another application here")]
    KeyTaken,
    /// A value of it belongs to another token.
    #[error("another token here has the same value")]
    ValueTaken,
    /// The holder has as many as are allowed.
    #[error("its user holds as many tokens or devices as are allowed")]
    Full,
    /// A rule says no.
    #[error("it cannot be kept here")]
    Unfit,
}
