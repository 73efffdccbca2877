//! Which tokens end with what happens to a user or an application (WSO2's table, with its gaps closed).

use latchkey_oauth::event::EventKind;
use latchkey_oauth::id::PrincipalId;
use latchkey_oauth::revocation::{Reason, Selector};

/// Something that happened to a user or a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LifecycleEvent {
    /// The user was deleted.
    UserDeleted,
    /// The user was locked.
    UserLocked,
    /// The user was unlocked.
    UserUnlocked,
    /// The user's password changed.
    PasswordChanged,
    /// The user lost a role.
    RoleRemoved,
    /// The user got a role.
    RoleAdded,
    /// The application, and so its client, was deleted.
    ApplicationDeleted,
    /// The client's keys were removed from their application.
    KeysRemoved,
    /// The client's secret was regenerated.
    SecretRegenerated,
    /// The client got a secret beside those it has, or one that replaces another after a while.
    SecretAdded,
    /// An administrator ended everything of the user.
    UserRevoked,
    /// An administrator ended everything of the client.
    ClientRevoked,
}

impl LifecycleEvent {
    /// What ends where this happens to `principal`, and why; `None`: nothing does.
    pub const fn ends(self, principal: PrincipalId) -> Option<(Selector, Reason)> {
        Some(match self {
            Self::UserDeleted => (Selector::User(principal), Reason::UserDeleted),
            Self::UserLocked => (Selector::User(principal), Reason::UserLocked),
            Self::PasswordChanged => (Selector::User(principal), Reason::PasswordChanged),
            Self::RoleRemoved => (Selector::User(principal), Reason::RoleRemoved),
            Self::UserRevoked => (Selector::User(principal), Reason::Administrator),
            Self::ApplicationDeleted | Self::KeysRemoved => {
                (Selector::Client(principal), Reason::ApplicationDeleted)
            }
            Self::SecretRegenerated => (Selector::Client(principal), Reason::SecretRegenerated),
            Self::ClientRevoked => (Selector::Client(principal), Reason::Administrator),
            Self::UserUnlocked | Self::RoleAdded | Self::SecretAdded => return None,
        })
    }

    /// Its kind in the event log.
    pub const fn kind(self) -> EventKind {
        match self {
            Self::UserDeleted => EventKind::UserDelete,
            Self::UserLocked => EventKind::UserLock,
            Self::UserUnlocked => EventKind::UserUnlock,
            Self::PasswordChanged => EventKind::PasswordChange,
            Self::RoleRemoved | Self::RoleAdded => EventKind::RoleChange,
            Self::ApplicationDeleted => EventKind::ApplicationDelete,
            Self::KeysRemoved => EventKind::ApplicationChange,
            Self::SecretRegenerated | Self::SecretAdded => EventKind::SecretRegenerate,
            Self::UserRevoked | Self::ClientRevoked => EventKind::RevokeAll,
        }
    }
}
