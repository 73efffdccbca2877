//! Users and their roles.

use std::collections::BTreeSet;

use latchkey_oauth::clock::Timestamp;
use latchkey_oauth::id::PrincipalId;
use serde::{Deserialize, Serialize};

/// The role of administrators.
pub const ADMIN_ROLE: &str = "admin";
/// The role that every user has.
pub const EVERYONE_ROLE: &str = "Internal/everyone";
/// The role of who subscribes to APIs.
pub const SUBSCRIBER_ROLE: &str = "Internal/subscriber";
/// The role of who creates APIs.
pub const CREATOR_ROLE: &str = "Internal/creator";
/// The role of who publishes them.
pub const PUBLISHER_ROLE: &str = "Internal/publisher";

/// Whether a user may sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UserState {
    /// May.
    Active,
    /// May not; nothing else is lost.
    Locked,
}

impl UserState {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Locked => "locked",
        }
    }
}

/// A user.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    /// The immutable id; a name given again gets another.
    pub id: PrincipalId,
    /// The name, unique among living users.
    pub name: String,
    /// The password as a PHC string (Argon2id).
    pub password: String,
    /// The roles.
    pub roles: BTreeSet<String>,
    /// Whether the user may sign in.
    pub state: UserState,
    /// When the user was made.
    pub created_at: Timestamp,
}

impl std::fmt::Debug for User {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("User")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("roles", &self.roles)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

impl User {
    /// Whether the user administers this installation.
    pub fn is_administrator(&self) -> bool {
        self.roles.contains(ADMIN_ROLE)
    }
}
