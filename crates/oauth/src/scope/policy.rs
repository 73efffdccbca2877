//! Which of the requested scopes are granted.

use std::collections::{BTreeMap, BTreeSet};

use regex::bytes::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};

use super::{DEFAULT, Scope, ScopeProblem};

/// What becomes of a requested scope that is neither allow-listed nor held
/// (`oauth.scope.unknown`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnknownScope {
    /// Left out without a word (API Manager 3.0, and Latchkey's default).
    Drop,
    /// Granted where no API of the application binds it to roles (Identity Server 5.8, API Manager 3.2 and later).
    Grant,
    /// The request fails with `invalid_scope`.
    Reject,
}

/// A pattern of `oauth.scope.allowed` that is not a regular expression.
#[derive(Debug, thiserror::Error)]
#[error("oauth.scope.allowed: `{pattern}` is not a regular expression: {problem}")]
pub struct PatternProblem {
    pattern: String,
    problem: regex::Error,
}

/// The scopes of the APIs that an application subscribes to, each with the roles that may have it; no
/// roles: anybody may.
pub type KnownScopes = BTreeMap<String, BTreeSet<String>>;

/// The server's rules for granting scopes.
#[derive(Debug, Clone)]
pub struct ScopePolicy {
    allowed: Vec<Regex>,
    unknown: UnknownScope,
    own: KnownScopes,
}

impl ScopePolicy {
    /// A policy that grants what matches one of the `allowed` patterns as a whole token, case by case,
    /// and treats unknown scopes as `unknown` says.
    pub fn new(allowed: &[String], unknown: UnknownScope) -> Result<Self, PatternProblem> {
        let compile = |pattern: &String| {
            // Scope characters are ASCII, so `\d` and `\w` mean ASCII too.
            RegexBuilder::new(&format!("^(?:{pattern})$"))
                .unicode(false)
                .build()
                .map_err(|problem| PatternProblem { pattern: pattern.clone(), problem })
        };
        let allowed = allowed.iter().map(compile).collect::<Result<_, _>>()?;
        Ok(Self { allowed, unknown, own: KnownScopes::new() })
    }

    /// The same policy for a server that has scopes of its `own`, such as those of its REST interfaces. They are
    /// validated whatever an application subscribes to: no pattern grants them, and no API opens them to others.
    #[must_use]
    pub fn with_own(self, own: KnownScopes) -> Self {
        Self { own, ..self }
    }

    /// What is granted of `requested` to somebody who holds `roles`, through an application that knows
    /// `known`.
    ///
    /// Allow-listed scopes (`device_…`, `openid`) are granted without validation, whatever stands beside
    /// them. The others must be known, or the server's own, and their roles held. Where nothing is left the answer is
    /// `default`, as WSO2's is.
    pub fn grant(
        &self,
        requested: &Scope,
        known: &KnownScopes,
        roles: &BTreeSet<String>,
    ) -> Result<Scope, ScopeProblem> {
        let mut granted = Vec::new();
        for member in requested.members() {
            if self.is_allowed(member) || self.is_granted(member, known, roles)? {
                granted.push(member);
            }
        }
        if granted.is_empty() {
            granted.push(DEFAULT);
        }
        Ok(Scope::from_members(granted))
    }

    fn is_allowed(&self, scope: &str) -> bool {
        !self.own.contains_key(scope) && self.allowed.iter().any(|pattern| pattern.is_match(scope.as_bytes()))
    }

    fn is_granted(
        &self,
        scope: &str,
        known: &KnownScopes,
        roles: &BTreeSet<String>,
    ) -> Result<bool, ScopeProblem> {
        let bound = self.own.get(scope).or_else(|| known.get(scope));
        let held = bound.map(|may| may.is_empty() || !may.is_disjoint(roles));
        match (held, self.unknown) {
            (Some(true), _) | (None, UnknownScope::Grant) => Ok(true),
            (Some(false), UnknownScope::Drop | UnknownScope::Grant) | (None, UnknownScope::Drop) => Ok(false),
            (None, UnknownScope::Reject) if scope == DEFAULT => Ok(true),
            (Some(false) | None, UnknownScope::Reject) => Err(ScopeProblem::Unknown),
        }
    }
}
