//! An OAuth client: the consumer key of an application, and what it may do.

mod metadata;

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::base62;
use crate::clock::Timestamp;
use crate::entropy::{Entropy, random};
use crate::family::{SubjectType, Validity};
use crate::id::PrincipalId;
use crate::keyring::SecretMac;
use crate::secret::Secret;

pub use metadata::{ClientMetadata, FurtherSecret, KeyMode, KeyState, MAX_FURTHER_SECRETS};

/// A way to get tokens (RFC 6749 section 1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GrantType {
    /// RFC 6749 section 4.4.
    ClientCredentials,
    /// RFC 6749 section 4.3.
    Password,
    /// RFC 6749 section 6.
    RefreshToken,
}

impl GrantType {
    /// Every grant type that the server knows.
    pub const ALL: [Self; 3] = [Self::ClientCredentials, Self::Password, Self::RefreshToken];

    /// Its name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClientCredentials => "client_credentials",
            Self::Password => "password",
            Self::RefreshToken => "refresh_token",
        }
    }
}

/// A word that is none of those a setting or field takes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{word}` is none of {expected}")]
pub struct UnknownWord {
    /// The word.
    pub word: String,
    /// The words it could have been.
    pub expected: &'static str,
}

impl FromStr for GrantType {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        Self::ALL.into_iter().find(|grant| grant.as_str() == word).ok_or_else(|| UnknownWord {
            word: word.to_owned(),
            expected: "client_credentials, password, refresh_token",
        })
    }
}

impl fmt::Display for GrantType {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// The form of a client's access tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenFormat {
    /// Signed and self-contained (RFC 9068); never the same twice.
    Jwt,
    /// A reference that only the server can resolve; handed out again while it lives.
    Opaque,
}

impl TokenFormat {
    /// Its name in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Jwt => "jwt",
            Self::Opaque => "opaque",
        }
    }
}

impl FromStr for TokenFormat {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        match word {
            "jwt" => Ok(Self::Jwt),
            "opaque" => Ok(Self::Opaque),
            _ => Err(UnknownWord { word: word.to_owned(), expected: "jwt, opaque" }),
        }
    }
}

/// Whether keys reach the production or the sandbox endpoints of an API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum KeyType {
    /// Production endpoints.
    Production,
    /// Sandbox endpoints.
    Sandbox,
}

impl KeyType {
    /// WSO2's word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Production => "PRODUCTION",
            Self::Sandbox => "SANDBOX",
        }
    }
}

/// How long a client's tokens live. Copied from the configuration when the client is made, so that a
/// changed default touches new clients only (D13).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Validities {
    /// Access tokens of the application itself.
    pub application: Validity,
    /// Access tokens of its users.
    pub user: Validity,
    /// Refresh tokens.
    pub refresh: Validity,
}

impl Validities {
    /// The life of an access token for a subject of this kind, of which the request asked for `requested`.
    /// A request may shorten it; what is longer is cut to it (`validity_period`).
    pub fn access(&self, kind: SubjectType, requested: Option<Validity>) -> Validity {
        let allowed = match kind {
            SubjectType::Application => self.application,
            SubjectType::ApplicationUser => self.user,
        };
        requested.map_or(allowed, |requested| requested.min(allowed))
    }
}

/// One consumer key with its settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// Its immutable id.
    pub id: PrincipalId,
    /// The `client_id` on the wire.
    pub consumer_key: String,
    /// What its secret is verified by.
    pub secrets: Vec<SecretMac>,
    /// Secrets beside it: more than none while a regenerated secret overlaps, or where several were asked for.
    pub further_secrets: Vec<FurtherSecret>,
    /// The grants it may use.
    pub grants: BTreeSet<GrantType>,
    /// The form of its access tokens.
    pub token_format: TokenFormat,
    /// Production or sandbox.
    pub key_type: KeyType,
    /// How long its tokens live.
    pub validities: Validities,
    /// What else is known of it.
    pub metadata: ClientMetadata,
}

impl Client {
    /// What the secrets that are valid now are verified by.
    pub fn valid_secrets(&self, now: Timestamp) -> impl Iterator<Item = &SecretMac> {
        let further = self.further_secrets.iter().filter(move |secret| secret.is_valid(now));
        self.secrets.iter().chain(further.map(|secret| &secret.mac))
    }
}

/// A new consumer key: 28 letters and digits, as long as WSO2's.
pub fn draw_consumer_key(entropy: &dyn Entropy) -> String {
    let mut text = word(&random::<24>(entropy));
    text.truncate(28);
    text
}

/// A new consumer secret of 256 random bits: 44 letters and digits.
pub fn draw_consumer_secret(entropy: &dyn Entropy) -> Secret {
    Secret::new(word(&random::<32>(entropy)))
}

fn word(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(base62::text_length(bytes.len()));
    base62::encode_into(bytes, &mut text);
    text
}

#[cfg(test)]
mod tests;
