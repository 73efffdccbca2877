//! What happened: the rows of the append-only event log, which is the audit log, the revocation feed of
//! gateways and the source of the activity pages.

use crate::clock::Timestamp;
use crate::family::Family;
use crate::id::{Bucket, FamilyId, PrincipalId};
use crate::revocation::Reason;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// A family was made.
    Issue,
    /// A family's access token was superseded by an issue.
    Renew,
    /// A family's tokens were refreshed.
    Refresh,
    /// A family ended.
    End,
    /// A user was made.
    UserCreate,
    /// A user was deleted.
    UserDelete,
    /// A user was locked.
    UserLock,
    /// A user was unlocked.
    UserUnlock,
    /// An account was disabled.
    UserDisable,
    /// An account was enabled.
    UserEnable,
    /// Something else of a user changed.
    UserChange,
    /// A user's password changed.
    PasswordChange,
    /// A user's roles changed.
    RoleChange,
    /// An application and its keys were made.
    ApplicationCreate,
    /// An application or its keys were changed: its data, its owner, keys more or less.
    ApplicationChange,
    /// An application was deleted.
    ApplicationDelete,
    /// A consumer secret was regenerated.
    SecretRegenerate,
    /// All tokens of a client or of a user were revoked.
    RevokeAll,
    /// An API was published or changed.
    ApiChange,
    /// A subscription was made, changed or removed.
    SubscriptionChange,
    /// A tier was made, changed or removed.
    TierChange,
    /// The counts of an application's limits were set back.
    LimitReset,
    /// A sign-in failed: the name or the password was wrong.
    SignInFailure,
    /// A key was rotated or retired.
    KeyChange,
    /// A gateway node was made or removed.
    NodeChange,
    /// An API key was made.
    ApiKeyCreate,
    /// An API key got another value; the one before ended.
    ApiKeyRegenerate,
    /// An API key was revoked.
    ApiKeyRevoke,
}

impl EventKind {
    /// Every kind.
    pub const ALL: [Self; 28] = [
        Self::Issue,
        Self::Renew,
        Self::Refresh,
        Self::End,
        Self::UserCreate,
        Self::UserDelete,
        Self::UserLock,
        Self::UserUnlock,
        Self::UserDisable,
        Self::UserEnable,
        Self::UserChange,
        Self::PasswordChange,
        Self::RoleChange,
        Self::ApplicationCreate,
        Self::ApplicationChange,
        Self::ApplicationDelete,
        Self::SecretRegenerate,
        Self::RevokeAll,
        Self::ApiChange,
        Self::SubscriptionChange,
        Self::TierChange,
        Self::LimitReset,
        Self::SignInFailure,
        Self::KeyChange,
        Self::NodeChange,
        Self::ApiKeyCreate,
        Self::ApiKeyRegenerate,
        Self::ApiKeyRevoke,
    ];

    /// Its name in the log and on pages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Issue => "issue",
            Self::Renew => "renew",
            Self::Refresh => "refresh",
            Self::End => "end",
            Self::UserCreate => "user_create",
            Self::UserDelete => "user_delete",
            Self::UserLock => "user_lock",
            Self::UserUnlock => "user_unlock",
            Self::UserDisable => "user_disable",
            Self::UserEnable => "user_enable",
            Self::UserChange => "user_change",
            Self::PasswordChange => "password_change",
            Self::RoleChange => "role_change",
            Self::ApplicationCreate => "application_create",
            Self::ApplicationChange => "application_change",
            Self::ApplicationDelete => "application_delete",
            Self::SecretRegenerate => "secret_regenerate",
            Self::RevokeAll => "revoke_all",
            Self::ApiChange => "api_change",
            Self::SubscriptionChange => "subscription_change",
            Self::TierChange => "tier_change",
            Self::LimitReset => "limit_reset",
            Self::SignInFailure => "sign_in_failure",
            Self::KeyChange => "key_change",
            Self::NodeChange => "node_change",
            Self::ApiKeyCreate => "api_key_create",
            Self::ApiKeyRegenerate => "api_key_regenerate",
            Self::ApiKeyRevoke => "api_key_revoke",
        }
    }
}

/// One event. It holds no credential and nothing that one could be made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// What.
    pub kind: EventKind,
    /// The client concerned.
    pub client: Option<PrincipalId>,
    /// The subject concerned.
    pub subject: Option<PrincipalId>,
    /// The family concerned, with the generations in force afterwards.
    pub family: Option<FamilyMark>,
    /// Why tokens ended.
    pub reason: Option<Reason>,
    /// Who did it, where it was not the client or user concerned: an administrator's name.
    pub actor: Option<String>,
}

/// A family in an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FamilyMark {
    /// Its shard.
    pub bucket: Bucket,
    /// Its id.
    pub id: FamilyId,
    /// The current access generation; 0 where the family ended.
    pub access_generation: u32,
    /// The current refresh generation; 0 where there is none.
    pub refresh_generation: u32,
}

impl Event {
    /// An event about `family` as it now is.
    pub fn about(kind: EventKind, family: &Family, at: Timestamp) -> Self {
        Self {
            at,
            kind,
            client: Some(family.client),
            subject: Some(family.subject.id),
            family: Some(FamilyMark {
                bucket: family.bucket,
                id: family.id,
                access_generation: family.access.generation,
                refresh_generation: family.refresh.map_or(0, |refresh| refresh.generation),
            }),
            reason: None,
            actor: None,
        }
    }

    /// The end of `family`.
    pub fn end(family: &Family, reason: Reason, at: Timestamp) -> Self {
        let mark =
            FamilyMark { bucket: family.bucket, id: family.id, access_generation: 0, refresh_generation: 0 };
        Self { family: Some(mark), reason: Some(reason), ..Self::about(EventKind::End, family, at) }
    }

    /// An event of an administrator's about a user or client.
    pub fn of_principal(kind: EventKind, at: Timestamp, actor: &str) -> Self {
        Self {
            at,
            kind,
            client: None,
            subject: None,
            family: None,
            reason: None,
            actor: Some(actor.to_owned()),
        }
    }
}
