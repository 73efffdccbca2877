//! The units of work that a store carries out, each whole or not at all.

use std::collections::BTreeSet;
use std::sync::Arc;

use latchkey_catalog::api::{Api, ApiDefinition, ApiState, Schemes, VersionRole};
use latchkey_catalog::api_key::ApiKey;
use latchkey_catalog::application::{Application, ApplicationDetails, ApplicationStatus};
use latchkey_catalog::id::EntryId;
use latchkey_catalog::lifecycle::LifecycleEvent;
use latchkey_catalog::node::Node;
use latchkey_catalog::subscription::{Subscription, SubscriptionState};
use latchkey_catalog::tier::{Level, Tier};
use latchkey_catalog::upstream::Dealings;
use latchkey_catalog::user::{BadProfile, User, UserChange};
use latchkey_oauth::client::{
    Client, ClientMetadata, FurtherSecret, GrantType, KeyType, TokenFormat, Validities,
};
use latchkey_oauth::clock::Timestamp;
use latchkey_oauth::family::{Epochs, Family, TokenKey};
use latchkey_oauth::holder::HolderLimits;
use latchkey_oauth::id::{Bucket, FamilyId, PrincipalId};
use latchkey_oauth::issuance::{Decision, Draft, Renewal};
use latchkey_oauth::keyring::SecretMac;
use latchkey_oauth::revocation::{Reason, Selector};
use latchkey_oauth::rotation::{RefreshRequest, Rotation};
use latchkey_oauth::session::SessionId;
use uuid::Uuid;

pub use governance::{GovernanceChange, Ruling};
pub use import::{
    Import, ImportItem, ImportOutcome, ImportRefused, ImportedApplication, ImportedSubscription,
    ImportedToken,
};
pub use publisher::{ApiEdit, NewApi, NewRevision, PublisherChange};

mod governance;
mod import;
mod publisher;

/// Tokens for a key.
#[derive(Debug, Clone)]
pub struct Issue {
    /// The key.
    pub key: TokenKey,
    /// What is given if nothing held fits.
    pub draft: Draft,
    /// What a repeated request gets.
    pub renewal: Renewal,
    /// How much the holder may hold.
    pub limits: HolderLimits,
    /// The epochs under which client and subject were looked at. If either was reset since, nothing is
    /// issued.
    pub seen: Epochs,
    /// Of tokens of an application itself: its owner, and the epoch under which the owner's roles were looked at. If
    /// the owner was reset since, nothing is issued.
    pub owner: Option<(PrincipalId, u64)>,
}

/// What became of an [`Issue`].
#[derive(Debug, Clone)]
pub enum IssueOutcome {
    /// The tokens in force.
    Issued {
        /// Their family.
        family: Arc<Family>,
        /// How they came about.
        decision: Decision,
    },
    /// Client, subject or owner was reset, locked or deleted since it was looked at.
    Stale,
    /// The holder's limit is reached and the request has to give way.
    LimitReached,
}

/// A refresh token in use.
#[derive(Debug, Clone)]
pub struct Refresh {
    /// The shard that the token names.
    pub bucket: Bucket,
    /// The family that it names.
    pub family: FamilyId,
    /// The rest of the request.
    pub request: RefreshRequest,
}

/// What became of a [`Refresh`].
#[derive(Debug, Clone)]
pub struct RefreshOutcome {
    /// What was decided.
    pub rotation: Rotation,
    /// The family as it now is; none where the answer is a refusal.
    pub family: Option<Arc<Family>>,
}

/// Tokens to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// Which.
    pub selector: Selector,
    /// Why.
    pub reason: Reason,
    /// Who said so, where it was not the client or user concerned.
    pub actor: Option<String>,
}

/// A client with its secret sealed, to be shown again.
#[derive(Debug, Clone)]
pub struct NewClient {
    /// The client.
    pub client: Client,
    /// The sealed consumer secret.
    pub sealed_secret: Vec<u8>,
}

/// What an application is from now on. Its owner, kind and status stay.
#[derive(Debug, Clone)]
pub struct ApplicationUpdate {
    /// The application.
    pub id: EntryId,
    /// Its name.
    pub name: String,
    /// Its throttling tier.
    pub tier: String,
    /// The rest.
    pub details: ApplicationDetails,
}

/// What a client is from now on. Its id, consumer key, secrets and key type stay.
#[derive(Debug, Clone)]
pub struct ClientUpdate {
    /// The client.
    pub id: PrincipalId,
    /// The grants it may use.
    pub grants: BTreeSet<GrantType>,
    /// The form of its access tokens.
    pub token_format: TokenFormat,
    /// How long its tokens live.
    pub validities: Validities,
    /// The rest; the mode in it does not count.
    pub metadata: ClientMetadata,
}

/// What a subscription is from now on. Its id, application and API stay.
#[derive(Debug, Clone)]
pub struct SubscriptionUpdate {
    /// The subscription.
    pub id: EntryId,
    /// Its tier.
    pub tier: String,
    /// The tier that waits for approval.
    pub requested_tier: Option<String>,
    /// Its state; none: as it is, so that what is blocked meanwhile stays so.
    pub state: Option<SubscriptionState>,
}

/// What an API is from now on, deployed at once. Its id, context and version stay, and so does what the definition does not
/// say: upstreams, audiences, whether it is the default version.
#[derive(Debug, Clone)]
pub struct ApiUpdate {
    /// The API.
    pub id: EntryId,
    /// Its name.
    pub name: String,
    /// Its definition; the state in it does not count.
    pub definition: ApiDefinition,
    /// How its upstreams are dealt with, those that stay too.
    pub dealings: Dealings,
    /// Its state; none: as it is.
    pub state: Option<ApiState>,
}

/// A change of the catalogue, with who makes it.
#[derive(Debug, Clone)]
pub struct Change {
    /// What changes.
    pub what: CatalogueChange,
    /// Who changes it: an administrator's name, or the command line.
    pub actor: String,
}

/// What changes.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "a change is made rarely and moved a few times")]
pub enum CatalogueChange {
    /// A user more.
    AddUser(User),
    /// A user less; every token of the user ends.
    DeleteUser(PrincipalId),
    /// Another password, as a PHC string; every token of the user ends.
    SetPassword(PrincipalId, String),
    /// The same password under stronger parameters; nothing ends.
    RehashPassword {
        /// The user.
        user: PrincipalId,
        /// The hash that was verified; if it is no longer this one, nothing changes.
        from: String,
        /// The new hash.
        to: String,
    },
    /// Other roles; losing one ends every token of the user.
    SetRoles(PrincipalId, BTreeSet<String>),
    /// Changes of users, all of them or none; what they lose by it ends their tokens.
    UpdateUsers(Vec<(PrincipalId, Vec<UserChange>)>),
    /// A user calls a device by another name, or by none.
    LabelDevice {
        /// The user.
        user: PrincipalId,
        /// The device.
        session: SessionId,
        /// The label.
        label: Option<String>,
        /// The user's devices; labels of others are forgotten, so that there are never more than devices.
        living: BTreeSet<SessionId>,
    },
    /// An application more, with its first client, if any, and its first subscriptions: all of it or nothing.
    AddApplication(Application, Option<Box<NewClient>>, Vec<Subscription>),
    /// Other data of an application.
    UpdateApplication(Box<ApplicationUpdate>),
    /// Another status of an application.
    SetApplicationStatus(EntryId, ApplicationStatus),
    /// Another owner of an application, of whom nothing of the kind has its name; its keys and subscriptions stay.
    SetApplicationOwner(EntryId, PrincipalId),
    /// Another throttling tier for an application.
    SetApplicationTier(EntryId, String),
    /// An application less, with its clients and subscriptions; every token of theirs ends.
    DeleteApplication(EntryId),
    /// Keys for an application, which has none of their type.
    AddClient(EntryId, Box<NewClient>),
    /// Other settings of a client; its tokens stay as they are.
    UpdateClient(Box<ClientUpdate>),
    /// A client that was registered by itself serves an application that has no keys of this type.
    MapClient {
        /// The client.
        client: PrincipalId,
        /// The application.
        application: EntryId,
        /// The type that its keys have there.
        key_type: KeyType,
    },
    /// The keys leave their application and every token of theirs ends. A mapped client goes back to where it was
    /// registered; another one is gone.
    RemoveClient(PrincipalId),
    /// Another consumer secret.
    RegenerateSecret {
        /// The client.
        client: PrincipalId,
        /// What the new secret is verified by.
        mac: SecretMac,
        /// The new secret, sealed.
        sealed: Vec<u8>,
        /// How long the secret so far is still valid; none: not at all, and every token of the client ends.
        overlap: Option<Overlap>,
    },
    /// A secret more for a client; bounded by [`latchkey_oauth::client::MAX_FURTHER_SECRETS`].
    AddSecret(PrincipalId, FurtherSecret),
    /// A further secret of a client less.
    RemoveSecret(PrincipalId, Uuid),
    /// The same consumer secret under newer keys; nothing ends.
    RewrapSecret {
        /// The client.
        client: PrincipalId,
        /// What the secret was verified by; if no secret is any longer, nothing changes.
        from: SecretMac,
        /// What it is verified by from now on.
        to: SecretMac,
        /// The secret, sealed again.
        sealed: Vec<u8>,
    },
    /// An API more, or a changed one, deployed at once.
    PutApi(Api),
    /// What a publisher changes.
    Publisher(Box<PublisherChange>),
    /// What administrators change.
    Governance(Box<GovernanceChange>),
    /// Another definition of an API.
    UpdateApi(Box<ApiUpdate>),
    /// An API comes into another state; with [`ApiState::Retired`] its subscriptions go.
    SetApiState(EntryId, ApiState),
    /// Calls of the API's context without a version come to it, or not; another API of the context that they came
    /// to so far gives way.
    SetVersionRole(EntryId, VersionRole),
    /// The audiences of which a token needs one to call the API; none: every token will do.
    SetAudiences(EntryId, BTreeSet<String>),
    /// An API less, if nobody subscribes to it.
    DeleteApi(EntryId),
    /// A subscription more; one that is there gets this tier and keeps its state, so that what a provider
    /// blocked does not come free by subscribing again.
    Subscribe(Subscription),
    /// A subscription more, where the application has none to the API.
    AddSubscription(Subscription),
    /// Another tier or state of a subscription.
    UpdateSubscription(SubscriptionUpdate),
    /// A subscription less.
    Unsubscribe {
        /// The application.
        application: EntryId,
        /// The API.
        api: EntryId,
    },
    /// A provider blocks a subscription, or lets it pass again.
    SetSubscriptionState {
        /// The application.
        application: EntryId,
        /// The API.
        api: EntryId,
        /// The state.
        state: SubscriptionState,
    },
    /// A tier more, of which there is none of this name at its level.
    AddTier(Tier),
    /// A tier more, or a changed one.
    PutTier(Tier),
    /// A tier less, if nothing names it.
    DeleteTier(Level, String),
    /// A gateway node more.
    AddNode(Node),
    /// A gateway node less; from now on it is told nothing.
    DeleteNode(String),
    /// An API key more.
    AddApiKey(Box<ApiKey>),
    /// Another value for an API key; the one before ends.
    RegenerateApiKey(PrincipalId),
    /// An API key less; its value ends.
    RevokeApiKey(PrincipalId),
    /// With which credentials the API may be called, and the header of API keys, where it is not the usual one.
    SetSchemes(EntryId, Schemes, Option<String>),
    /// Nothing but what ends with the event.
    Lifecycle(PrincipalId, LifecycleEvent),
}

/// How a secret that was replaced is still valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overlap {
    /// The id that it gets among the further secrets.
    pub id: Uuid,
    /// From when on it is no longer valid.
    pub until: Timestamp,
}

/// Why a change was not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChangeRefused {
    /// The name, or the context and version of an API, is given already.
    #[error("the name is already taken")]
    NameTaken,
    /// An application is given to a user that there is not.
    #[error("there is no such user")]
    UnknownUser,
    /// The application has keys of the type already, or the client serves another application.
    #[error("the application has keys of this type already, or the client is mapped")]
    HasKeys,
    /// As many as there may be are there.
    #[error("there are as many of these as there may be")]
    Full,
    /// There is no such user, application, client, API key, API, subscription or tier.
    #[error("there is no such entry")]
    NotFound,
    /// An application, a subscription or an API names a tier that there is not.
    #[error("there is no such tier")]
    UnknownTier,
    /// An API uses a shared scope that there is not.
    #[error("there is no such shared scope")]
    UnknownScope,
    /// The state of the API or the status of the application does not allow it.
    #[error("the state of the API or application does not allow it")]
    WrongState,
    /// A value of a user cannot be kept.
    #[error(transparent)]
    BadProfile(#[from] BadProfile),
    /// Something else needs the entry.
    #[error("the entry is in use")]
    InUse,
}
