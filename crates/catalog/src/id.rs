//! Identifiers of catalogue entries.

use std::fmt;
use std::str::FromStr;

use latchkey_oauth::entropy::{Entropy, random};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The id of an application or an API: random, immutable, a UUID as WSO2's REST interfaces show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EntryId(Uuid);

impl EntryId {
    /// A new id.
    pub fn draw(entropy: &dyn Entropy) -> Self {
        Self(uuid::Builder::from_random_bytes(random(entropy)).into_uuid())
    }

    /// From the sixteen bytes that a store keeps.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }

    /// The sixteen bytes that a store keeps.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

impl FromStr for EntryId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        text.parse().map(Self)
    }
}
