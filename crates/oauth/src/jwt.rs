//! JWT access tokens (RFC 9068), with WSO2's claims beside.

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};

use crate::base62;
use crate::client::KeyType;
use crate::family::{Expiry, Family, SubjectType};
use crate::id::{Bucket, FamilyId};
use crate::jwk::{SigningKey, SigningKeys};
use crate::keyring::ValueKind;
use crate::secret::Secret;
use crate::token_value::TokenReference;

/// The longest JWT that is looked at, in bytes.
pub const MAX_LENGTH: usize = 8192;

/// The claims of an access token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessTokenClaims<'a> {
    /// The issuer.
    pub iss: Cow<'a, str>,
    /// The user's immutable id, or the client id for an application's own token.
    pub sub: Cow<'a, str>,
    /// The client id (WSO2).
    pub aud: Cow<'a, str>,
    /// The client id.
    pub azp: Cow<'a, str>,
    /// The client id (RFC 9068).
    pub client_id: Cow<'a, str>,
    /// When it was issued, in seconds.
    pub iat: i64,
    /// The same (WSO2).
    pub nbf: i64,
    /// When it ends, in seconds; absent where it never does.
    #[serde(skip_serializing_if = "Option::is_none", default, deserialize_with = "number")]
    pub exp: Option<i64>,
    /// Names incarnation, family and generation.
    pub jti: Cow<'a, str>,
    /// The scopes, joined by spaces.
    pub scope: Cow<'a, str>,
    /// `APPLICATION` or `APPLICATION_USER` (WSO2).
    pub aut: SubjectType,
    /// `PRODUCTION` or `SANDBOX` (WSO2).
    pub keytype: KeyType,
}

/// A claim that may be left out but, where it stands, is a number and not `null`.
fn number<'de, D: Deserializer<'de>>(claim: D) -> Result<Option<i64>, D::Error> {
    i64::deserialize(claim).map(Some)
}

/// Who stands in the claims beside what the family knows.
#[derive(Debug, Clone, Copy)]
pub struct ClaimFacts<'a> {
    /// The issuer.
    pub issuer: &'a str,
    /// The consumer key.
    pub client_id: &'a str,
    /// Production or sandbox.
    pub key_type: KeyType,
    /// The incarnation of the keys.
    pub incarnation: u16,
}

impl<'a> AccessTokenClaims<'a> {
    /// The claims of the family's current access token.
    pub fn of(family: &'a Family, facts: ClaimFacts<'a>) -> Self {
        let issued_at = family.access.issued_at.as_seconds();
        Self {
            iss: facts.issuer.into(),
            sub: subject(family, facts.client_id),
            aud: facts.client_id.into(),
            azp: facts.client_id.into(),
            client_id: facts.client_id.into(),
            iat: issued_at,
            nbf: issued_at,
            exp: expiry_seconds(family.access.expires),
            jti: render_jti(facts.incarnation, family).into(),
            scope: family.access.scope.as_str().into(),
            aut: family.subject.kind,
            keytype: facts.key_type,
        }
    }
}

/// The claim `sub`: the user's id, which is never given again, or the client id (RFC 9068 section 2.2).
pub fn subject<'a>(family: &Family, client_id: &'a str) -> Cow<'a, str> {
    match family.subject.kind {
        SubjectType::Application => client_id.into(),
        SubjectType::ApplicationUser => family.subject.id.to_string().into(),
    }
}

/// `exp` in seconds; none where it never ends.
pub const fn expiry_seconds(expires: Expiry) -> Option<i64> {
    match expires {
        Expiry::At(end) => Some(end.as_seconds()),
        Expiry::Never => None,
    }
}

/// The compact serialisation of `claims` under `key` (RFC 7515 section 7.1).
pub fn sign(key: &SigningKey, claims: &AccessTokenClaims<'_>) -> Secret {
    compact((key, key.header()), claims)
}

/// The same under another `header`.
pub(crate) fn compact((key, header): (&SigningKey, &str), claims: &impl Serialize) -> Secret {
    let payload = serde_json::to_vec(claims).expect("claims are plain text and numbers");
    let mut token = String::with_capacity(header.len() + payload.len() * 4 / 3 + 360);
    token.push_str(header);
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(payload, &mut token);
    let signature = key.sign(token.as_bytes());
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    Secret::new(token)
}

/// How the three parts of an assertion are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AssertionText {
    /// As a JWT (RFC 7515 section 2).
    Base64Url,
    /// In the standard alphabet with padding, as WSO2 does unless told otherwise. It is no JWT, and only
    /// readers that know it can read it.
    Base64,
}

/// An assertion about a caller under `key`: no access token, which its header says.
pub fn sign_assertion(key: &SigningKey, claims: &impl Serialize, text: AssertionText) -> Secret {
    let encode = |bytes: &[u8]| match text {
        AssertionText::Base64Url => URL_SAFE_NO_PAD.encode(bytes),
        AssertionText::Base64 => STANDARD.encode(bytes),
    };
    let claims = serde_json::to_vec(claims).expect("claims are plain text and numbers");
    let message = format!("{}.{}", encode(key.assertion_header().as_bytes()), encode(&claims));
    let signature = key.sign(message.as_bytes());
    Secret::new(format!("{message}.{}", encode(&signature)))
}

/// A JWT whose signature is right. Whether it is still valid, its family says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedJwt {
    /// What its `jti` names.
    pub reference: TokenReference,
    /// Its claims.
    pub claims: AccessTokenClaims<'static>,
}

/// Verifies the signature of a JWT that this installation signed, in this incarnation.
///
/// Its header must be, character by character, one that a published key of ours writes. So `none`, HMAC
/// with a public key, `jku`, `crit` and all their relatives are refused before anything is parsed (RFC
/// 8725 sections 3.1, 3.2).
pub fn verify(keys: &SigningKeys, incarnation: u16, token: &str) -> Option<VerifiedJwt> {
    let claims: AccessTokenClaims<'static> = opened(|header| keys.by_header(header), token)?;
    let (named, reference) = parse_jti(&claims.jti)?;
    (named == incarnation).then_some(VerifiedJwt { reference, claims })
}

/// The claims of a JWT whose signature is that of the key that its header names.
pub(crate) fn opened<'k, C: DeserializeOwned>(
    key: impl FnOnce(&str) -> Option<&'k SigningKey>,
    token: &str,
) -> Option<C> {
    if token.len() > MAX_LENGTH {
        return None;
    }
    let (message, signature) = token.rsplit_once('.')?;
    let (header, payload) = message.split_once('.')?;
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    if !key(header)?.verifies(message.as_bytes(), &signature) {
        return None;
    }
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
}

impl VerifiedJwt {
    /// Whether the claims agree with the family that the `jti` names, so that a signature over claims for
    /// one token is worth nothing for another.
    pub fn agrees_with(&self, family: &Family, client_id: &str) -> bool {
        self.reference.family == family.id
            && self.claims.client_id == client_id
            && self.claims.sub == subject(family, client_id)
            && self.claims.scope == family.access.scope.as_str()
    }
}

fn render_jti(incarnation: u16, family: &Family) -> String {
    let mut bytes = [0; 24];
    bytes[..2].copy_from_slice(&incarnation.to_be_bytes());
    bytes[2..4].copy_from_slice(&family.bucket.number().to_be_bytes());
    bytes[4..20].copy_from_slice(family.id.as_bytes());
    bytes[20..].copy_from_slice(&family.access.generation.to_be_bytes());
    let mut text = String::with_capacity(base62::text_length(24));
    base62::encode_into(&bytes, &mut text);
    text
}

fn parse_jti(text: &str) -> Option<(u16, TokenReference)> {
    let bytes: [u8; 24] = base62::decode(text)?;
    let incarnation = u16::from_be_bytes([bytes[0], bytes[1]]);
    let reference = TokenReference {
        kind: ValueKind::Access,
        bucket: Bucket::new(u16::from_be_bytes([bytes[2], bytes[3]]))?,
        family: FamilyId::from_bytes(bytes[4..20].try_into().ok()?),
        generation: u32::from_be_bytes(bytes[20..].try_into().ok()?),
    };
    Some((incarnation, reference))
}
