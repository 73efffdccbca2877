//! Internal keys: what publishers try an API out with, as in WSO2: short-lived JWTs in a header of their own, each for one
//! API and bound to the user who asked for it.

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::client::KeyType;
use crate::jwk::{SigningKey, SigningKeys};
use crate::jwt::{compact, opened};
use crate::secret::Secret;

/// How long an internal key lives, in seconds.
pub const LIFE: u32 = 900;

/// What WSO2 says of such a key beside its claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// It is an internal key.
    InternalKey,
}

/// The claims of an internal key. Whether it still opens its API, the API and the user say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InternalKey {
    /// The issuer.
    pub iss: String,
    /// The id of the user who asked for it.
    pub sub: String,
    /// When it was made, in seconds.
    pub iat: i64,
    /// When it ends, in seconds.
    pub exp: i64,
    /// Its own name.
    pub jti: String,
    /// That it is one (WSO2).
    pub token_type: Kind,
    /// `PRODUCTION`, or `SANDBOX` where the API has no other servers (WSO2).
    pub keytype: KeyType,
    /// The id of the API.
    pub api: String,
    /// The user's epoch: what ends all tokens of the user ends it, too.
    pub epoch: u64,
    /// The incarnation of the keys.
    pub incarnation: u16,
}

/// The value of an internal key under `key`.
pub fn sign(key: &SigningKey, claims: &InternalKey) -> Secret {
    compact((key, &key.internal_key_header()), claims)
}

/// The claims of an internal key that this installation signed, in this incarnation. Its header must be that of
/// internal keys, character by character, so that neither a token nor an assertion is taken for one.
pub fn verify(keys: &SigningKeys, incarnation: u16, value: &str) -> Option<InternalKey> {
    let claims: InternalKey = opened(|header| keys.by_internal_key_header(header), value)?;
    (claims.incarnation == incarnation).then_some(claims)
}
