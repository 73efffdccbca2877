//! What the matrix is made of: events, credentials and probes.

/// An enumeration whose members have names in the table.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $member:ident = $word:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum $name {
            $($(#[$doc])* $member,)+
        }

        impl $name {
            /// All of them.
            pub(crate) const ALL: &[Self] = &[$(Self::$member,)+];

            /// Its name in the table.
            pub(crate) const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$member => $word,)+
                }
            }

            /// From [`Self::as_str`].
            pub(crate) fn parse(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.as_str() == word)
            }
        }
    };
}

words! {
    /// What happens to bob, to the owner of the applications, to these, to their subscriptions, or to the API.
    Event {
        Nothing = "nothing",
        UserDeleted = "user_deleted",
        UserDeletedAndMadeAgain = "user_deleted_and_made_again",
        UserDisabled = "user_disabled",
        UserEnabledAgain = "user_enabled_again",
        UserLocked = "user_locked",
        UserUnlocked = "user_unlocked",
        PasswordReset = "password_reset",
        PasswordChanged = "password_changed",
        RoleLost = "role_lost",
        RoleLostAndGivenBack = "role_lost_and_given_back",
        RoleGiven = "role_given",
        SessionsEnded = "sessions_ended",
        ConsentWithdrawn = "consent_withdrawn",
        DeviceRemoved = "device_removed",
        UserDenied = "user_denied",
        OwnerDeleted = "owner_deleted",
        OwnerLocked = "owner_locked",
        OwnerUnlocked = "owner_unlocked",
        OwnerRoleLost = "owner_role_lost",
        OwnerChanged = "owner_changed",
        OwnerChangedAndRoleLost = "owner_changed_and_role_lost",
        ApplicationDenied = "application_denied",
        ApplicationLetInAgain = "application_let_in_again",
        ApplicationRevoked = "application_revoked",
        ApplicationDeleted = "application_deleted",
        ApplicationDeletedAndMadeAgain = "application_deleted_and_made_again",
        SecretRegenerated = "secret_regenerated",
        SecretRegeneratedWithOverlap = "secret_regenerated_with_overlap",
        FurtherSecretRemoved = "further_secret_removed",
        KeysRemoved = "keys_removed",
        ApiKeyRevoked = "api_key_revoked",
        ApiKeyRegenerated = "api_key_regenerated",
        SubscriptionBlocked = "subscription_blocked",
        SubscriptionBlockedForProduction = "subscription_blocked_for_production",
        SubscriptionUnblocked = "subscription_unblocked",
        SubscriptionRemoved = "subscription_removed",
        SubscriptionMadeAgain = "subscription_made_again",
        ApiBlocked = "api_blocked",
        ApiRepublished = "api_republished",
        ApiDeprecated = "api_deprecated",
        ApiRetired = "api_retired",
        ApiUndeployed = "api_undeployed",
        ApiDeployedAgain = "api_deployed_again",
        ScopeTakenFromRole = "scope_taken_from_role",
        ScopeRemoved = "scope_removed",
        ScopeAskedFor = "scope_asked_for",
    }
}

words! {
    /// What somebody holds.
    Credential {
        UserOpaque = "user_opaque",
        UserJwt = "user_jwt",
        UserOpaqueRefresh = "user_opaque_refresh",
        UserJwtRefresh = "user_jwt_refresh",
        DeviceOpaque = "device_opaque",
        DeviceJwt = "device_jwt",
        DeviceRefresh = "device_refresh",
        ApplicationOpaque = "application_opaque",
        ApplicationJwt = "application_jwt",
        ApplicationSandbox = "application_sandbox",
        ApiKey = "api_key",
        ApiKeySandbox = "api_key_sandbox",
        InternalKey = "internal_key",
        Password = "password",
        ConsumerSecret = "consumer_secret",
    }
}

words! {
    /// Where it is shown.
    Probe {
        Introspect = "introspect",
        Gateway = "gateway",
        Node = "node",
        Refresh = "refresh",
        Userinfo = "userinfo",
        Rest = "rest",
        Token = "token",
    }
}

/// A cell of the matrix.
pub(crate) type Cell = (Event, Credential, Probe);
