//! Where token values come from (D12).
//!
//! The server asks one [`TokenGenerator`] for the values of opaque access tokens and of refresh tokens. A
//! generator of one's own implements the trait and is handed to the server's `Program`; see the folder
//! `examples`.

use std::fmt::Debug;

use crate::api_key_value;
use crate::clock::Timestamp;
use crate::entropy::{Entropy, random};
use crate::keyring::ValueKind;
use crate::scope::Scope;
use crate::secret::Secret;

/// What a value is generated for.
#[derive(Debug, Clone, Copy)]
pub struct GenerationContext<'a> {
    /// Access or refresh token.
    pub kind: ValueKind,
    /// The consumer key.
    pub client_id: &'a str,
    /// The granted scopes.
    pub scope: &'a Scope,
    /// The time of the request.
    pub now: Timestamp,
}

/// What a generator gives.
#[derive(Debug)]
pub enum GeneratedValue {
    /// The value is derived from the family when it is needed ([`crate::token_value`]); nothing of it is
    /// stored.
    Derived,
    /// This value. It is kept as a digest, to be found, and sealed, to be handed out again. It must be
    /// unguessable (128 random bits or more) and never the same twice; it may hold letters, digits and
    /// `-._~+/` only, then any `=`, and at most 512 of them (RFC 6750 section 2.1).
    Value(Secret),
}

/// Whether a repeated request gets new tokens while the old ones live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GeneratorRenewal {
    /// As `oauth.token.renew_per_request` and the token format say.
    AsConfigured,
    /// Always new ones; the previous are revoked.
    Always,
    /// The same ones, even where the setting says otherwise.
    Never,
}

/// A source of token values.
pub trait TokenGenerator: Send + Sync + Debug {
    /// Its name in `oauth.token.generator`.
    fn name(&self) -> &str;

    /// Whether it renews per request, which overrides the setting.
    fn renewal(&self) -> GeneratorRenewal {
        GeneratorRenewal::AsConfigured
    }

    /// A value for one token.
    fn generate(&self, context: &GenerationContext<'_>, entropy: &dyn Entropy) -> GeneratedValue;
}

/// The default: values are derived from the family ([`crate::token_value`]).
#[derive(Debug, Clone, Copy, Default)]
pub struct Derived;

impl TokenGenerator for Derived {
    fn name(&self) -> &'static str {
        "derived"
    }

    fn generate(&self, _: &GenerationContext<'_>, _: &dyn Entropy) -> GeneratedValue {
        GeneratedValue::Derived
    }
}

/// WSO2's shape: a lower-case UUID that says it is of version 3, of 122 random bits.
#[derive(Debug, Clone, Copy, Default)]
pub struct UuidShape;

impl TokenGenerator for UuidShape {
    fn name(&self) -> &'static str {
        "uuid"
    }

    fn generate(&self, _: &GenerationContext<'_>, entropy: &dyn Entropy) -> GeneratedValue {
        let uuid = uuid::Builder::from_md5_bytes(random(entropy)).into_uuid();
        GeneratedValue::Value(Secret::new(uuid.to_string()))
    }
}

/// The longest value of a generator of one's own, in bytes.
pub const MAX_VALUE: usize = 512;

/// Whether a generated value can be used as a bearer token (RFC 6750 section 2.1) and is not mistaken for a
/// derived value, an API key or a JWT.
pub fn is_usable(value: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
    let body = value.trim_end_matches('=');
    (16..=MAX_VALUE).contains(&value.len())
        && !body.is_empty()
        && body.bytes().all(allowed)
        && !value.starts_with(ValueKind::Access.prefix())
        && !value.starts_with(ValueKind::Refresh.prefix())
        && !value.starts_with(api_key_value::PREFIX)
        && value.matches('.').count() != 2
}

#[cfg(test)]
mod tests;
