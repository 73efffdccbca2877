//! What a client is besides what issuing asks for (client metadata, RFC 7591 section 2), and secrets beside its
//! first one.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::keyring::SecretMac;

/// The most secrets that a client has beside its first one.
pub const MAX_FURTHER_SECRETS: usize = 10;

/// Client metadata, kept as one document, in which what is missing reads as the default.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ClientMetadata {
    /// Where authorization answers may go (RFC 6749 section 3.1.2.2).
    pub redirect_uris: Vec<String>,
    /// Grants that were asked for and that this server does not know, as they were written.
    pub further_grants: BTreeSet<String>,
    /// How the keys came to their application.
    pub mode: KeyMode,
    /// Whether the keys may be used.
    pub state: KeyState,
    /// WSO2's `additionalProperties`, as text.
    pub properties: BTreeMap<String, String>,
}

/// How keys came to their application; the names are WSO2's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum KeyMode {
    /// They were generated for it.
    #[default]
    Created,
    /// They were registered elsewhere and mapped to it.
    Mapped,
}

/// Where the registration of keys stands; the names are WSO2's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum KeyState {
    /// They are there.
    #[default]
    Completed,
    /// They wait for approval, and there are none yet.
    Created,
    /// They were not approved.
    Rejected,
}

/// A secret beside the first one: one that a regenerated one replaces after a while, or one more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FurtherSecret {
    /// Its id.
    pub id: Uuid,
    /// What it is verified by.
    pub mac: SecretMac,
    /// What it is for.
    pub description: String,
    /// Since when it is valid.
    pub created_at: Timestamp,
    /// From when on it is no longer valid; none: until it is removed.
    pub expires_at: Option<Timestamp>,
}

impl FurtherSecret {
    /// Whether it is valid.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|expires_at| now < expires_at)
    }
}
