//! Applications: what a developer registers and gets consumer keys for.

use std::collections::{BTreeMap, BTreeSet};

use latchkey_oauth::clock::Timestamp;
use latchkey_oauth::id::PrincipalId;
use serde::{Deserialize, Serialize};

use crate::id::EntryId;
use crate::subscription::UNLIMITED;

/// An application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Application {
    /// Its id.
    pub id: EntryId,
    /// How it came about.
    pub kind: ApplicationKind,
    /// Its name, unique among its owner's of this kind.
    pub name: String,
    /// The user who owns it.
    pub owner: PrincipalId,
    /// Its throttling tier.
    pub tier: String,
    /// Whether it may have keys.
    pub status: ApplicationStatus,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// What its developer says of it.
    pub details: ApplicationDetails,
}

/// How an application came about. The two kinds do not share names, and only the first is listed in portals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ApplicationKind {
    /// A developer made it in a portal or at the command line.
    #[default]
    Portal,
    /// A dynamic client registration made it for its one client (WSO2: a service provider).
    Registration,
}

/// Whether an application may have keys; the names are WSO2's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ApplicationStatus {
    /// It may.
    #[default]
    Approved,
    /// It waits for approval.
    Created,
    /// It was not approved.
    Rejected,
    /// Its deletion waits for approval; until then it works.
    DeletePending,
    /// A change of it waits for approval; until then it works as it is.
    UpdatePending,
}

/// What a developer says of an application: kept as one document, in which what is missing reads as the default.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ApplicationDetails {
    /// Free text.
    pub description: String,
    /// WSO2's `tokenType` as it was last said; the form of tokens is the client's.
    pub token_type: TokenType,
    /// Free attributes.
    pub attributes: BTreeMap<String, String>,
    /// The groups whose members see it.
    pub groups: BTreeSet<String>,
    /// WSO2's `visibility` as it was last said.
    pub visibility: Visibility,
}

/// WSO2's `tokenType` of an application.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TokenType {
    /// Signed and self-contained.
    #[default]
    Jwt,
    /// A reference.
    Oauth,
}

/// WSO2's `visibility` of an application.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Visibility {
    /// Its owner, and the groups that it names.
    #[default]
    Private,
    /// The owner's organisation.
    SharedWithOrg,
}

impl Application {
    /// An application as a developer makes it: without a limit, and approved.
    pub fn registered(id: EntryId, name: impl Into<String>, owner: PrincipalId, at: Timestamp) -> Self {
        Self {
            id,
            kind: ApplicationKind::Portal,
            name: name.into(),
            owner,
            tier: UNLIMITED.to_owned(),
            status: ApplicationStatus::Approved,
            created_at: at,
            updated_at: at,
            details: ApplicationDetails::default(),
        }
    }

    /// The name as it is sorted by and searched in: letter case does not count.
    pub fn folded_name(&self) -> String {
        fold(&self.name)
    }
}

/// A name as it is sorted by and searched in.
pub fn fold(name: &str) -> String {
    name.to_lowercase()
}

impl ApplicationKind {
    /// Both kinds.
    pub const ALL: [Self; 2] = [Self::Portal, Self::Registration];

    /// Its name in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Portal => "PORTAL",
            Self::Registration => "REGISTRATION",
        }
    }

    /// From [`Self::as_str`].
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

impl ApplicationStatus {
    /// Every one of them.
    pub const ALL: [Self; 5] =
        [Self::Approved, Self::Created, Self::Rejected, Self::DeletePending, Self::UpdatePending];

    /// WSO2's name, as REST and the store carry it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Approved => "APPROVED",
            Self::Created => "CREATED",
            Self::Rejected => "REJECTED",
            Self::DeletePending => "DELETE_PENDING",
            Self::UpdatePending => "UPDATE_PENDING",
        }
    }

    /// From [`Self::as_str`].
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }

    /// Whether an application in this status gets keys.
    pub const fn takes_keys(self) -> bool {
        match self {
            Self::Approved | Self::DeletePending | Self::UpdatePending => true,
            Self::Created | Self::Rejected => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for kind in ApplicationKind::ALL {
            assert_eq!(ApplicationKind::parse(kind.as_str()), Some(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
        for status in ApplicationStatus::ALL {
            assert_eq!(ApplicationStatus::parse(status.as_str()), Some(status));
            assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
        }
        assert_eq!((ApplicationKind::parse("portal"), ApplicationStatus::parse("")), (None, None));
        let without = ApplicationStatus::ALL.into_iter().filter(|status| !status.takes_keys());
        assert!(without.eq([ApplicationStatus::Created, ApplicationStatus::Rejected]));
        assert_eq!(serde_json::to_value(TokenType::Oauth).unwrap(), "OAUTH");
        assert_eq!(serde_json::to_value(Visibility::SharedWithOrg).unwrap(), "SHARED_WITH_ORG");
    }

    #[test]
    fn an_old_document_reads_on_and_a_newer_one_too() {
        let none: ApplicationDetails = serde_json::from_str("{}").unwrap();
        assert_eq!(none, ApplicationDetails::default());
        let newer: ApplicationDetails = serde_json::from_str(r#"{"description":"x","later":1}"#).unwrap();
        assert_eq!(newer.description, "x");
        assert_eq!(fold("ÅSA's Shop"), "åsa's shop");
    }
}
