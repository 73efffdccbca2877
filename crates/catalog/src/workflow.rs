//! Approvals: what waits until an administrator says yes.

use std::collections::BTreeMap;

use latchkey_oauth::clock::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::EntryId;

/// A request for approval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workflow {
    /// Its id; WSO2's external reference.
    pub id: EntryId,
    /// What is asked for.
    pub kind: WorkflowKind,
    /// What became of it.
    pub status: WorkflowStatus,
    /// The application, subscription or API that it is about.
    pub reference: EntryId,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was decided; until then, when it was made.
    pub updated_at: Timestamp,
    /// The rest.
    pub request: WorkflowRequest,
}

/// The part of a request that is kept as one document, in which what is missing reads as the default.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct WorkflowRequest {
    /// What the administrator is shown, by WSO2's names.
    pub properties: BTreeMap<String, String>,
    /// What is asked for, or why it was refused, in words.
    pub description: String,
    /// What is done once it is approved, in the words of who asked.
    pub payload: serde_json::Value,
}

/// What is asked for; the names are WSO2's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "the names say it")]
pub enum WorkflowKind {
    ApplicationCreation,
    ApplicationUpdate,
    ApplicationDeletion,
    ApplicationRegistrationProduction,
    ApplicationRegistrationSandbox,
    SubscriptionCreation,
    SubscriptionUpdate,
    SubscriptionDeletion,
    ApiState,
    RevisionDeployment,
    UserSignup,
}

/// What became of a request; the names are WSO2's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum WorkflowStatus {
    /// It waits.
    Created,
    /// It was approved, and is done.
    Approved,
    /// It was not approved.
    Rejected,
}

impl WorkflowKind {
    /// Every one of them.
    pub const ALL: [Self; 11] = [
        Self::ApplicationCreation,
        Self::ApplicationUpdate,
        Self::ApplicationDeletion,
        Self::ApplicationRegistrationProduction,
        Self::ApplicationRegistrationSandbox,
        Self::SubscriptionCreation,
        Self::SubscriptionUpdate,
        Self::SubscriptionDeletion,
        Self::ApiState,
        Self::RevisionDeployment,
        Self::UserSignup,
    ];

    /// WSO2's name, as REST and the store carry it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ApplicationCreation => "APPLICATION_CREATION",
            Self::ApplicationUpdate => "APPLICATION_UPDATE",
            Self::ApplicationDeletion => "APPLICATION_DELETION",
            Self::ApplicationRegistrationProduction => "APPLICATION_REGISTRATION_PRODUCTION",
            Self::ApplicationRegistrationSandbox => "APPLICATION_REGISTRATION_SANDBOX",
            Self::SubscriptionCreation => "SUBSCRIPTION_CREATION",
            Self::SubscriptionUpdate => "SUBSCRIPTION_UPDATE",
            Self::SubscriptionDeletion => "SUBSCRIPTION_DELETION",
            Self::ApiState => "API_STATE",
            Self::RevisionDeployment => "REVISION_DEPLOYMENT",
            Self::UserSignup => "USER_SIGNUP",
        }
    }

    /// From [`Self::as_str`].
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

impl WorkflowStatus {
    /// Every one of them.
    pub const ALL: [Self; 3] = [Self::Created, Self::Approved, Self::Rejected];

    /// WSO2's name, as REST and the store carry it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "CREATED",
            Self::Approved => "APPROVED",
            Self::Rejected => "REJECTED",
        }
    }

    /// From [`Self::as_str`].
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for kind in WorkflowKind::ALL {
            assert_eq!(WorkflowKind::parse(kind.as_str()), Some(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
        for status in WorkflowStatus::ALL {
            assert_eq!(WorkflowStatus::parse(status.as_str()), Some(status));
            assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
        }
        assert_eq!((WorkflowKind::parse("api_state"), WorkflowStatus::parse("")), (None, None));
    }
}
