//! What a rule said no to, for callers who tell it by codes instead of sentences.

use serde::{Deserialize, Serialize};

/// A reason for which WSO2 has a code or a status of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Problem {
    /// There is no such application, or none that the caller may know of.
    NoSuchApplication,
    /// The owner has an application of that name.
    ApplicationExists,
    /// There is no such API.
    NoSuchApi,
    /// There is an API of that name, or at that path.
    ApiExists,
    /// There is no such subscription.
    NoSuchSubscription,
    /// The application subscribes to the API already.
    SubscriptionExists,
    /// The API takes no new subscriptions.
    ApiClosed,
    /// There is no such tier.
    NoSuchTier,
    /// There is no such user.
    NoSuchUser,
    /// There is a user of that name.
    UserExists,
    /// There is a role of that name.
    RoleExists,
    /// There are no such keys.
    NoSuchKeys,
    /// The application has keys of that type, or the client is some application's already.
    KeysExist,
    /// There is no such key manager.
    NoSuchKeyManager,
    /// A setting of an application's keys cannot be.
    BadKeySettings,
    /// The grants need a callback URL.
    NoCallback,
    /// The current password is another.
    WrongPassword,
    /// The state of the entry does not allow it.
    WrongState,
    /// Something else needs the entry.
    InUse,
    /// The caller may see the entry, and may not change it.
    NotOwner,
    /// What publishers alone are told.
    Publisher(PublisherProblem),
    /// What only administrators do.
    Administration(Administration),
}

/// The same of what publishers do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PublisherProblem {
    /// Another API has the name.
    ApiNameExists,
    /// Another API has the context.
    ApiContextExists,
    /// The API has that version already.
    ApiVersionExists,
    /// An API needs a resource.
    NoResources,
    /// The life of the API does not go on like that.
    WrongTransition,
    /// There is no such revision.
    NoSuchRevision,
    /// The revision is deployed.
    RevisionDeployed,
    /// The API has as many revisions as it may.
    RevisionsFull,
    /// There is no such shared scope.
    NoSuchScope,
    /// There is a scope of that name.
    ScopeExists,
    /// APIs use the shared scope.
    ScopeInUse,
    /// Another API has a scope of that name for itself.
    ScopeAssigned,
}

/// The same of what only administrators do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Administration {
    /// There is a tier of that name at its level.
    TierExists,
    /// There is a deny policy of that condition.
    DenyPolicyExists,
    /// There is no such deny policy.
    NoSuchDenyPolicy,
    /// The API of a deny policy is not there.
    NoSuchDeniedApi,
    /// The application of a deny policy is not there.
    NoSuchDeniedApplication,
    /// There is no such request for approval.
    NoSuchWorkflow,
    /// The request for approval is decided already.
    WorkflowDecided,
    /// There is a key manager of that name.
    KeyManagerExists,
    /// Key managers of that type are not supported.
    NoSuchKeyManagerType,
}

impl From<Administration> for Problem {
    fn from(problem: Administration) -> Self {
        Self::Administration(problem)
    }
}
