//! Revocation (RFC 7009), and the selectors through which everything that ends tokens goes.

use serde::{Deserialize, Serialize};

use crate::family::Family;
use crate::id::{Bucket, FamilyId, PrincipalId};
use crate::keyring::ValueKind;

/// What a presented token does at the revocation endpoint, once it is found to be the client's.
///
/// The current access token ends its family, access and refresh token together (WSO2's row). A refresh
/// token does so from any place in the current chain: a client that lost the answer to a refresh must be
/// able to sign out with what it has. What is dead already changes nothing.
pub fn ends_family(kind: ValueKind, generation: u32, family: &Family) -> bool {
    match kind {
        ValueKind::Access => generation == family.access.generation,
        ValueKind::Refresh => family
            .refresh
            .is_some_and(|current| (current.chain_start..=current.generation).contains(&generation)),
    }
}

/// What is to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    /// One family: a token with its sibling.
    Family {
        /// Its shard.
        bucket: Bucket,
        /// Its id.
        id: FamilyId,
    },
    /// All families of one device.
    Device {
        /// The client.
        client: PrincipalId,
        /// The subject.
        subject: PrincipalId,
        /// The device's name, as [`crate::family::Device::as_str`] gives it.
        device: String,
    },
    /// All that one client holds for one subject.
    Holder {
        /// The client.
        client: PrincipalId,
        /// The subject.
        subject: PrincipalId,
    },
    /// All of one user, through every client: the user's epoch is raised.
    User(PrincipalId),
    /// All of one client, for every subject: the client's epoch is raised.
    Client(PrincipalId),
}

/// Why tokens ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The client revoked it (RFC 7009).
    ClientRequest,
    /// An administrator revoked it.
    Administrator,
    /// The user whose it was ended it.
    UserRequest,
    /// A spent refresh token came back.
    RefreshReuse,
    /// A device or family limit made it give way.
    Limit,
    /// Nothing of it was valid any more.
    Expired,
    /// The user was deleted.
    UserDeleted,
    /// The user was locked.
    UserLocked,
    /// The account was disabled.
    UserDisabled,
    /// The user's password changed.
    PasswordChanged,
    /// The user lost a role.
    RoleRemoved,
    /// The application or its key was deleted.
    ApplicationDeleted,
    /// The consumer secret was regenerated.
    SecretRegenerated,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 13] = [
        Self::ClientRequest,
        Self::Administrator,
        Self::UserRequest,
        Self::RefreshReuse,
        Self::Limit,
        Self::Expired,
        Self::UserDeleted,
        Self::UserLocked,
        Self::UserDisabled,
        Self::PasswordChanged,
        Self::RoleRemoved,
        Self::ApplicationDeleted,
        Self::SecretRegenerated,
    ];

    /// Its name in the event log and on metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClientRequest => "client_request",
            Self::Administrator => "administrator",
            Self::UserRequest => "user_request",
            Self::RefreshReuse => "refresh_reuse",
            Self::Limit => "limit",
            Self::Expired => "expired",
            Self::UserDeleted => "user_deleted",
            Self::UserLocked => "user_locked",
            Self::UserDisabled => "user_disabled",
            Self::PasswordChanged => "password_changed",
            Self::RoleRemoved => "role_removed",
            Self::ApplicationDeleted => "application_deleted",
            Self::SecretRegenerated => "secret_regenerated",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::family;

    /// Refresh tokens 3 to 5 belong to the current sign-in, access token 7 is the current one.
    #[test]
    fn what_ends_a_family() {
        let mut held = family(1, "a");
        held.access.generation = 7;
        let refresh = held.refresh.as_mut().unwrap();
        (refresh.chain_start, refresh.generation) = (3, 5);
        for generation in 0..10 {
            assert_eq!(ends_family(ValueKind::Access, generation, &held), generation == 7, "{generation}");
            let in_chain = (3..=5).contains(&generation);
            assert_eq!(ends_family(ValueKind::Refresh, generation, &held), in_chain, "{generation}");
        }
        held.refresh = None;
        assert!(!ends_family(ValueKind::Refresh, 0, &held) && !ends_family(ValueKind::Refresh, 5, &held));
    }
}
