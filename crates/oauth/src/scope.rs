//! Scope sets in their canonical form (RFC 6749 section 3.3).
//!
//! Members are sorted in UTF-16 order as WSO2 sorts them, stand there once, and are joined by single
//! spaces; so `"b a"`, `"a b"` and `"a b a"` are one set and name one token family. A `device_…` scope is
//! a member like any other.

mod policy;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

pub use policy::{KnownScopes, PatternProblem, ScopePolicy, UnknownScope};

/// What starts a device scope; the device's name follows.
pub const DEVICE_PREFIX: &str = "device_";
/// The longest `scope` parameter, in bytes.
pub const MAX_LENGTH: usize = 2048;
/// The longest single scope, in bytes (WSO2's scope column holds 60 to 100 characters).
pub const MAX_SCOPE_LENGTH: usize = 100;
/// The most scopes in one request.
pub const MAX_SCOPES: usize = 64;
/// What is granted where nothing is left of a request (WSO2).
pub const DEFAULT: &str = "default";

/// A scope set in canonical form; cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Scope(Arc<str>);

/// Why a `scope` parameter was refused: `invalid_scope` to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScopeProblem {
    /// A character outside `%x21 / %x23-5B / %x5D-7E`.
    #[error("a scope holds a character that RFC 6749 does not allow")]
    Character,
    /// The parameter, one scope, or the number of scopes is over its limit.
    #[error("the scope parameter, or one scope in it, is too long")]
    TooLong,
    /// A device scope whose name is not `[A-Za-z0-9._-]{1,64}`.
    #[error("a device scope must be device_ and 1 to 64 letters, digits, dots, underscores or hyphens")]
    DeviceName,
    /// A scope that is not known, where unknown ones are refused.
    #[error("a scope is not known to the application")]
    Unknown,
    /// More than the original grant holds (RFC 6749 section 6).
    #[error("the scope exceeds the scope of the original grant")]
    Widened,
}

impl Scope {
    /// Parses a `scope` parameter. Several spaces count as one; nothing but spaces is the empty set.
    pub fn parse(text: &str) -> Result<Self, ScopeProblem> {
        if text.len() > MAX_LENGTH {
            return Err(ScopeProblem::TooLong);
        }
        let members: Vec<&str> = text.split(' ').filter(|member| !member.is_empty()).collect();
        if members.len() > MAX_SCOPES {
            return Err(ScopeProblem::TooLong);
        }
        for member in &members {
            check_member(member)?;
        }
        Ok(Self::from_members(members))
    }

    /// The set of `members`, which the caller knows to be well-formed.
    pub fn from_members<'a>(members: impl IntoIterator<Item = &'a str>) -> Self {
        let mut members: Vec<&str> = members.into_iter().collect();
        // Scope characters are ASCII, where byte order is UTF-16 order.
        members.sort_unstable();
        members.dedup();
        Self(members.join(" ").into())
    }

    /// The set whose canonical text a store kept.
    pub fn from_canonical(text: &str) -> Self {
        Self(text.into())
    }

    /// The set without members.
    pub fn empty() -> Self {
        Self("".into())
    }

    /// The canonical text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether there are no members.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The members in order.
    pub fn members(&self) -> impl Iterator<Item = &str> {
        self.0.split(' ').filter(|member| !member.is_empty())
    }

    /// Whether `scope` is a member.
    pub fn contains(&self, scope: &str) -> bool {
        self.members().any(|member| member == scope)
    }

    /// Whether every member is one of `other`.
    pub fn is_subset_of(&self, other: &Self) -> bool {
        self.members().all(|member| other.contains(member))
    }

    /// The device scopes, in order: together they name the device.
    pub fn device_scopes(&self) -> impl Iterator<Item = &str> {
        self.members().filter(|member| is_device_scope(member))
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:?}", &self.0)
    }
}

/// Whether `scope` names a device.
pub fn is_device_scope(scope: &str) -> bool {
    scope.starts_with(DEVICE_PREFIX)
}

fn check_member(member: &str) -> Result<(), ScopeProblem> {
    if !member.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5B | 0x5D..=0x7E)) {
        return Err(ScopeProblem::Character);
    }
    if let Some(name) = member.strip_prefix(DEVICE_PREFIX) {
        let well_formed = (1..=64).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'));
        if !well_formed {
            return Err(ScopeProblem::DeviceName);
        }
    }
    if member.len() > MAX_SCOPE_LENGTH {
        return Err(ScopeProblem::TooLong);
    }
    Ok(())
}
