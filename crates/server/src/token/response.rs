//! The answer of the token endpoint (RFC 6749 section 5.1).

use latchkey_oauth::client::{Client, TokenFormat};
use latchkey_oauth::clock::Timestamp;
use latchkey_oauth::family::{Expiry, Family, MintedValue};
use latchkey_oauth::jwt::{AccessTokenClaims, ClaimFacts, sign};
use latchkey_oauth::keyring::ValueKind;
use latchkey_oauth::refusal::Refusal;
use latchkey_oauth::secret::Secret;
use latchkey_store::records::DeviceKey;
use latchkey_store::rows::HolderId;
use serde::{Serialize, Serializer};

use crate::app::App;
use crate::config::ExpiresInForever;

/// What WSO2 says a token that never expires has left: the largest number of milliseconds, in seconds.
const LONG_MAX: i64 = 9_223_372_036_854_775;

/// Tokens for a client.
#[derive(Debug, Serialize)]
pub struct TokenResponse {
    #[serde(serialize_with = "exposed")]
    access_token: Secret,
    #[serde(serialize_with = "exposed_or_none", skip_serializing_if = "Option::is_none")]
    refresh_token: Option<Secret>,
    scope: String,
    token_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_in: Option<i64>,
    #[serde(skip)]
    device: DeviceKey,
}

/// Whether the tokens were made for this request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// They were: `expires_in` is their whole life.
    New,
    /// They were handed out before: `expires_in` is what is left at this moment.
    Repeated(Timestamp),
}

impl TokenResponse {
    /// Renders the family's current tokens.
    pub fn render(
        app: &App,
        client: &Client,
        family: &Family,
        freshness: Freshness,
    ) -> Result<Self, Refusal> {
        let keys = app.keys();
        let minted = family.minted.as_deref();
        let rendered = |kind, value: Option<&MintedValue>| match value {
            Some(value) => keys.ring.open_minted(kind, value).map(Some).map_err(|error| {
                tracing::error!(problem = %error, "a sealed token value could not be opened");
                Refusal::StoreUnavailable
            }),
            None => Ok(keys.ring.render(kind, family)),
        };
        let access_token = match client.token_format {
            TokenFormat::Opaque => {
                rendered(ValueKind::Access, minted.and_then(|minted| minted.access.as_ref()))?
                    .ok_or(Refusal::StoreUnavailable)?
            }
            TokenFormat::Jwt => {
                let facts = ClaimFacts {
                    issuer: &app.issuer,
                    client_id: &client.consumer_key,
                    key_type: client.key_type,
                    incarnation: keys.ring.incarnation(),
                };
                sign(keys.signing.active(), &AccessTokenClaims::of(family, facts))
            }
        };
        let refresh_token = rendered(ValueKind::Refresh, minted.and_then(|minted| minted.refresh.as_ref()))?;
        Ok(Self {
            access_token,
            refresh_token,
            scope: family.access.scope.to_string(),
            token_type: "Bearer",
            expires_in: expires_in(family, freshness, app.policy.expires_in_forever),
            device: DeviceKey { holder: HolderId::of(family), device: family.device.clone() },
        })
    }

    /// The granted scopes.
    pub fn scope(&self) -> &str {
        &self.scope
    }

    /// How long the access token lives, in seconds; none: for ever.
    pub const fn expires_in(&self) -> Option<i64> {
        self.expires_in
    }

    /// The device that the tokens are of.
    pub const fn device(&self) -> &DeviceKey {
        &self.device
    }

    /// The access token.
    pub const fn access_token(&self) -> &Secret {
        &self.access_token
    }
}

fn expires_in(family: &Family, freshness: Freshness, forever: ExpiresInForever) -> Option<i64> {
    let from = match freshness {
        Freshness::New => family.access.issued_at,
        Freshness::Repeated(now) => now,
    };
    match (family.access.expires, forever) {
        (Expiry::At(end), _) => Some(end.millis_since(from).max(0) / 1000),
        (Expiry::Never, ExpiresInForever::LongMax) => Some(LONG_MAX),
        (Expiry::Never, ExpiresInForever::Omit) => None,
    }
}

fn exposed<S: Serializer>(secret: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose())
}

#[expect(clippy::ref_option, reason = "the shape that serde calls")]
fn exposed_or_none<S: Serializer>(secret: &Option<Secret>, serializer: S) -> Result<S::Ok, S::Error> {
    match secret {
        Some(secret) => exposed(secret, serializer),
        None => serializer.serialize_none(),
    }
}
