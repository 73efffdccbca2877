//! The grants. Each file has its parameters and its rule; issuing is common to all and not here.

pub mod client_credentials;
pub mod password;
pub mod refresh_token;

use std::collections::BTreeSet;

use crate::family::Subject;
use crate::refusal::Refusal;
use crate::scope::{KnownScopes, Scope, ScopePolicy};

/// What a grant comes to: whom the tokens speak for, and with which scopes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorization {
    /// Whom the tokens speak for.
    pub subject: Subject,
    /// The granted scopes.
    pub scope: Scope,
    /// Whether a refresh token goes with the access token.
    pub refreshable: Refreshable,
}

/// Whether a grant gives a refresh token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refreshable {
    /// It does, if the client may use the refresh grant.
    Yes,
    /// It does not (RFC 6749 section 4.4.3).
    No,
}

/// What scopes are validated against.
#[derive(Debug, Clone, Copy)]
pub struct ScopeFacts<'a> {
    /// The server's policy.
    pub policy: &'a ScopePolicy,
    /// The scopes of the APIs that the application subscribes to.
    pub known: &'a KnownScopes,
    /// The roles of whom the token speaks for: the user, or the application's owner.
    pub roles: &'a BTreeSet<String>,
}

impl ScopeFacts<'_> {
    /// What is granted of `requested`.
    pub fn grant(&self, requested: Option<&Scope>) -> Result<Scope, Refusal> {
        let requested = requested.cloned().unwrap_or_else(Scope::empty);
        Ok(self.policy.grant(&requested, self.known, self.roles)?)
    }
}

#[cfg(test)]
mod tests;
