//! What introspection answers (RFC 7662, with WSO2's members).

use std::borrow::Cow;

use serde::Serialize;

use crate::clock::Timestamp;
use crate::family::{Expiry, Family, SubjectType};
use crate::jwt::{expiry_seconds, subject};
use crate::keyring::ValueKind;

/// The answer about an active token. Anything else is `{"active":false}` and nothing more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ActiveToken<'a> {
    /// Always true.
    pub active: bool,
    /// The scopes, joined by spaces.
    pub scope: &'a str,
    /// The consumer key.
    pub client_id: &'a str,
    /// `user@tenant` (WSO2); absent for an application's own token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// `Bearer`, or `Refresh` for a refresh token (WSO2).
    pub token_type: &'static str,
    /// When it ends, in seconds; absent where it never does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exp: Option<i64>,
    /// When it was issued, in seconds.
    pub iat: i64,
    /// The same (WSO2).
    pub nbf: i64,
    /// The user's id or the client id.
    pub sub: Cow<'a, str>,
    /// The consumer key.
    pub aud: &'a str,
    /// The issuer.
    pub iss: &'a str,
    /// `APPLICATION` or `APPLICATION_USER` (WSO2).
    pub aut: SubjectType,
    /// The device, where the token belongs to a named one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<&'a str>,
}

/// The one answer about every token that is not active, whatever the reason (RFC 7662 section 2.2).
pub const INACTIVE: &str = r#"{"active":false}"#;

/// Who stands in the answer beside what the family knows.
#[derive(Debug, Clone, Copy)]
pub struct IntrospectionFacts<'a> {
    /// The issuer.
    pub issuer: &'a str,
    /// The consumer key.
    pub client_id: &'a str,
    /// The user's name, where the token speaks for a user.
    pub username: Option<&'a str>,
}

impl<'a> ActiveToken<'a> {
    /// The answer about the family's current token of `kind`, which the caller found to be active.
    pub fn of(kind: ValueKind, family: &'a Family, facts: IntrospectionFacts<'a>) -> Self {
        let refresh = family.refresh.filter(|_| kind == ValueKind::Refresh);
        let (scope, issued_at, expires): (_, Timestamp, Expiry) = match refresh {
            Some(refresh) => (&family.scope, refresh.issued_at, refresh.expires),
            None => (&family.access.scope, family.access.issued_at, family.access.expires),
        };
        Self {
            active: true,
            scope: scope.as_str(),
            client_id: facts.client_id,
            username: facts.username.map(qualified),
            token_type: if refresh.is_some() { "Refresh" } else { "Bearer" },
            exp: expiry_seconds(expires),
            iat: issued_at.as_seconds(),
            nbf: issued_at.as_seconds(),
            sub: subject(family, facts.client_id),
            aud: facts.client_id,
            iss: facts.issuer,
            aut: family.subject.kind,
            device: family.device.0.as_deref(),
        }
    }
}

/// The name of the one tenant that exists so far, as WSO2 calls it.
pub const TENANT: &str = "carbon.super";

/// A user name with its tenant, as WSO2 shows it.
pub fn qualified(name: &str) -> String {
    format!("{name}@{TENANT}")
}

/// A user name without the tenant and user store that WSO2's clients may put around it
/// (`PRIMARY/alice@carbon.super`).
pub fn unqualified(name: &str) -> &str {
    let name = name.strip_suffix(TENANT).and_then(|rest| rest.strip_suffix('@')).unwrap_or(name);
    name.strip_prefix("PRIMARY/").unwrap_or(name)
}

#[cfg(test)]
mod tests;
