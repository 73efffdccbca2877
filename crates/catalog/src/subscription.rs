//! Subscriptions: an application's right to call an API, at a tier.

use latchkey_oauth::client::KeyType;
use latchkey_oauth::clock::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::EntryId;

/// The tier without a limit, of applications and of subscriptions.
pub const UNLIMITED: &str = "Unlimited";

/// A subscription. There is at most one for an application and an API's version (WSO2's 900336).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// Its id, which stays when its tier or state changes.
    pub id: EntryId,
    /// The application.
    pub application: EntryId,
    /// The API.
    pub api: EntryId,
    /// The tier.
    pub tier: String,
    /// The tier that waits for approval, in [`SubscriptionState::TierUpdatePending`].
    pub requested_tier: Option<String>,
    /// Whether it may be used.
    pub state: SubscriptionState,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl Subscription {
    /// A subscription of an application to an API, of which calls pass.
    pub fn new(
        id: EntryId,
        (application, api): (EntryId, EntryId),
        tier: impl Into<String>,
        at: Timestamp,
    ) -> Self {
        Self {
            id,
            application,
            api,
            tier: tier.into(),
            requested_tier: None,
            state: SubscriptionState::Unblocked,
            created_at: at,
            updated_at: at,
        }
    }
}

/// What has become of a subscription; the names are WSO2's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SubscriptionState {
    /// Calls pass.
    #[default]
    Unblocked,
    /// The provider blocked every call.
    Blocked,
    /// The provider blocked calls with production keys.
    ProdOnlyBlocked,
    /// It waits for approval.
    OnHold,
    /// It was not approved.
    Rejected,
    /// Another tier waits for approval; calls pass at the one that is.
    TierUpdatePending,
    /// Its end waits for approval; calls pass until then.
    DeletePending,
}

/// Why a subscription does not let a call pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum SubscriptionProblem {
    /// The provider blocked it: WSO2's 900907.
    #[error("the subscription is blocked")]
    Blocked,
    /// It is not approved: WSO2's 900909.
    #[error("the subscription is not approved")]
    Inactive,
}

impl SubscriptionState {
    /// Every one of them.
    pub const ALL: [Self; 7] = [
        Self::Unblocked,
        Self::Blocked,
        Self::ProdOnlyBlocked,
        Self::OnHold,
        Self::Rejected,
        Self::TierUpdatePending,
        Self::DeletePending,
    ];

    /// WSO2's name, as REST and the store carry it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unblocked => "UNBLOCKED",
            Self::Blocked => "BLOCKED",
            Self::ProdOnlyBlocked => "PROD_ONLY_BLOCKED",
            Self::OnHold => "ON_HOLD",
            Self::Rejected => "REJECTED",
            Self::TierUpdatePending => "TIER_UPDATE_PENDING",
            Self::DeletePending => "DELETE_PENDING",
        }
    }

    /// From [`Self::as_str`].
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }

    /// Whether a call with keys of this type passes.
    pub const fn check(self, keys: KeyType) -> Result<(), SubscriptionProblem> {
        match (self, keys) {
            (Self::Unblocked | Self::TierUpdatePending | Self::DeletePending, _)
            | (Self::ProdOnlyBlocked, KeyType::Sandbox) => Ok(()),
            (Self::Blocked, _) | (Self::ProdOnlyBlocked, KeyType::Production) => {
                Err(SubscriptionProblem::Blocked)
            }
            (Self::OnHold | Self::Rejected, _) => Err(SubscriptionProblem::Inactive),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_let_calls_pass_by_key_type() {
        use SubscriptionProblem::{Blocked, Inactive};
        let cases = [
            ("UNBLOCKED", Ok(()), Ok(())),
            ("BLOCKED", Err(Blocked), Err(Blocked)),
            ("PROD_ONLY_BLOCKED", Err(Blocked), Ok(())),
            ("ON_HOLD", Err(Inactive), Err(Inactive)),
            ("REJECTED", Err(Inactive), Err(Inactive)),
            ("TIER_UPDATE_PENDING", Ok(()), Ok(())),
            ("DELETE_PENDING", Ok(()), Ok(())),
        ];
        assert_eq!(cases.len(), SubscriptionState::ALL.len());
        for (name, production, sandbox) in cases {
            let state = SubscriptionState::parse(name).unwrap();
            assert_eq!(state.as_str(), name);
            assert_eq!(state.check(KeyType::Production), production, "{name}");
            assert_eq!(state.check(KeyType::Sandbox), sandbox, "{name}");
        }
        assert_eq!(SubscriptionState::parse("unblocked"), None);
    }
}
