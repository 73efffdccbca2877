//! The token family: everything that is live for one token key.
//!
//! There is one row per key, found by the digest of the key's canonical form. A token value names its
//! family and a *generation*; it is valid only while that generation is the family's current one, the
//! row exists, and the epochs of client and subject are still those of the row. Issue, refresh and revoke
//! are each one compare-and-set on that row, so two active tokens for one key cannot exist.

use std::sync::Arc;

use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use crate::clock::Timestamp;
use crate::id::{Bucket, FamilyId, PrincipalId};
use crate::scope::Scope;
use crate::token_value::LastProof;

/// WSO2's `USER_TYPE`, its claim `aut`: whether a token speaks for the application or for a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SubjectType {
    /// Client credentials: the subject is the client itself.
    Application,
    /// Every other grant: the subject is a user.
    ApplicationUser,
}

impl SubjectType {
    /// WSO2's word for it, as in the claim `aut`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Application => "APPLICATION",
            Self::ApplicationUser => "APPLICATION_USER",
        }
    }
}

/// Whom a token speaks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Subject {
    /// Application or user.
    pub kind: SubjectType,
    /// The client's own id, or the user's.
    pub id: PrincipalId,
}

/// What beside client, subject and scope tells two keys apart.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Binding {
    /// Nothing.
    None,
    /// The `tokenBindingId` of the request (Identity Server's binding `client-request`): it names a device.
    Client(Arc<str>),
    /// A value drawn for this request, so that its family stands beside those before it
    /// (`keep_previous`). It names no device.
    Random([u8; 16]),
}

/// SHA-256 of a token key's canonical form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyDigest(pub [u8; 32]);

/// What one active token exists for: (tenant, client, subject, subject type, granted scopes, binding).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenKey {
    /// The client's immutable id.
    pub client: PrincipalId,
    /// Whom the token speaks for.
    pub subject: Subject,
    /// The granted scopes.
    pub scope: Scope,
    /// The binding.
    pub binding: Binding,
}

impl TokenKey {
    /// The digest by which a store finds the family.
    pub fn digest(&self) -> KeyDigest {
        let mut context = digest::Context::new(&digest::SHA256);
        // One tenant exists so far; its name keeps the digests apart from those of tenants to come.
        context.update(b"latchkey token key 1\0carbon.super\0");
        context.update(self.client.as_bytes());
        context.update(&[self.subject.kind as u8]);
        context.update(self.subject.id.as_bytes());
        let scope = self.scope.as_str().as_bytes();
        context.update(&(scope.len() as u64).to_be_bytes());
        context.update(scope);
        match &self.binding {
            Binding::None => context.update(&[0]),
            Binding::Client(value) => {
                context.update(&[1]);
                context.update(value.as_bytes());
            }
            Binding::Random(value) => {
                context.update(&[2]);
                context.update(value);
            }
        }
        KeyDigest(context.finish().as_ref().try_into().expect("SHA-256 has 32 bytes"))
    }

    /// The shard of the key's holder.
    pub fn bucket(&self) -> Bucket {
        Bucket::of(self.client, self.subject.id)
    }

    /// The device that the key belongs to.
    pub fn device(&self) -> Device {
        let scopes: Vec<&str> = self.scope.device_scopes().collect();
        if !scopes.is_empty() {
            return Device(Some(scopes.join(" ").into()));
        }
        match &self.binding {
            Binding::Client(value) => Device(Some(format!("binding:{value}").into())),
            Binding::None | Binding::Random(_) => Device(None),
        }
    }
}

/// A device of one client and subject: the sorted set of device scopes, else the binding; none where a
/// request names neither. Several families may belong to one device.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Device(pub Option<Arc<str>>);

impl Device {
    /// The device's name as a store keeps it; empty for the unnamed one.
    pub fn as_str(&self) -> &str {
        self.0.as_deref().unwrap_or_default()
    }

    /// From the name that a store kept.
    pub fn from_stored(name: &str) -> Self {
        Self((!name.is_empty()).then(|| name.into()))
    }
}

/// When something ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Expiry {
    /// At a moment: from then on it is expired.
    At(Timestamp),
    /// Never.
    Never,
}

impl Expiry {
    /// Milliseconds left at `now`, none below zero; `None` where it never ends.
    pub fn remaining_millis(self, now: Timestamp) -> Option<i64> {
        match self {
            Self::At(end) => Some(end.millis_since(now).max(0)),
            Self::Never => None,
        }
    }

    /// Whether a credential that ends here is still accepted.
    pub fn is_valid(self, now: Timestamp) -> bool {
        self.remaining_millis(now) != Some(0)
    }

    /// Whether it is worth handing out again: WSO2 counts a remaining life of one second or less as
    /// expired.
    pub fn is_live(self, now: Timestamp) -> bool {
        self.remaining_millis(now).is_none_or(|left| left > 1000)
    }

    /// Whether it ends after `other`, or never.
    pub fn outlives(self, other: Self) -> bool {
        self == Self::Never || self > other
    }
}

/// How long a token lives from its issue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "i64", into = "i64")]
pub enum Validity {
    /// This many seconds.
    Seconds(u32),
    /// For ever: any negative number of seconds (WSO2).
    Forever,
}

impl Validity {
    /// When something issued at `now` ends.
    pub fn ends(self, now: Timestamp) -> Expiry {
        match self {
            Self::Seconds(seconds) => Expiry::At(now.plus_seconds(i64::from(seconds))),
            Self::Forever => Expiry::Never,
        }
    }
}

impl From<i64> for Validity {
    /// Seconds; negative is for ever, more than 136 years is 136 years.
    fn from(seconds: i64) -> Self {
        if seconds < 0 { Self::Forever } else { Self::Seconds(u32::try_from(seconds).unwrap_or(u32::MAX)) }
    }
}

impl From<Validity> for i64 {
    fn from(validity: Validity) -> Self {
        match validity {
            Validity::Seconds(seconds) => Self::from(seconds),
            Validity::Forever => -1,
        }
    }
}

/// The epochs of a family's client and subject. Deleting, locking or resetting either raises its epoch,
/// and every token of theirs is dead at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Epochs {
    /// The client's.
    pub client: u64,
    /// The subject's; the client's again for an application's own tokens.
    pub subject: u64,
}

/// The random part of a family that token values are derived from. It never leaves the server.
#[derive(Clone, PartialEq, Eq)]
pub struct Seed([u8; 16]);

impl Seed {
    /// From the bytes that were drawn or stored.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl Drop for Seed {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl std::fmt::Debug for Seed {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Seed(…)")
    }
}

/// The current access token of a family.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessState {
    /// Counts the access tokens issued under this family id.
    pub generation: u32,
    /// When the current one was issued.
    pub issued_at: Timestamp,
    /// When it ends.
    pub expires: Expiry,
    /// Its scopes: those of the key, or fewer after a narrowed refresh.
    pub scope: Scope,
}

/// The current refresh token of a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefreshState {
    /// Counts the refresh tokens issued under this family id.
    pub generation: u32,
    /// The generation that an *issue* made; later ones arose by refreshing it. What lies before belongs to
    /// an earlier sign-in.
    pub chain_start: u32,
    /// When the current one was issued.
    pub issued_at: Timestamp,
    /// When it ends.
    pub expires: Expiry,
    /// When the current generation's tokens were first seen in use, where they arose by a refresh; as far
    /// as known.
    pub used_at: Option<Timestamp>,
}

impl RefreshState {
    /// Whether the current refresh token came from refreshing the one before.
    pub const fn arose_by_refresh(&self) -> bool {
        self.generation > self.chain_start
    }
}

/// A token value that cannot be derived again: found by its digest, and kept sealed so that it can be
/// handed out again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MintedValue {
    /// SHA-256 of the value.
    pub digest: [u8; 32],
    /// The value under authenticated encryption, led by what it was made under ([`crate::minted_value`]).
    pub sealed: Vec<u8>,
}

/// How many spent refresh tokens of a chain are recognised where their values are not derived. An older one
/// is simply unknown.
pub const MAX_SPENT: usize = 8;

/// The values of a family whose token generator is not `derived`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MintedValues {
    /// The current access token, unless it is a JWT.
    pub access: Option<MintedValue>,
    /// The current refresh token.
    pub refresh: Option<MintedValue>,
    /// The digests of the refresh tokens of this chain that were spent before it, the latest first, so that
    /// a retry and a replay are recognised; at most [`MAX_SPENT`].
    pub spent_refresh: Vec<[u8; 32]>,
}

/// One token family.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Family {
    /// The shard of its holder.
    pub bucket: Bucket,
    /// Its random id.
    pub id: FamilyId,
    /// The digest of its key.
    pub key: KeyDigest,
    /// The client.
    pub client: PrincipalId,
    /// Whom its tokens speak for.
    pub subject: Subject,
    /// The granted scopes.
    pub scope: Scope,
    /// The device it belongs to.
    pub device: Device,
    /// What its values are derived from.
    pub seed: Seed,
    /// The epochs at the last issue.
    pub epochs: Epochs,
    /// The current access token.
    pub access: AccessState,
    /// The current refresh token, where the grant gives one.
    pub refresh: Option<RefreshState>,
    /// The values, where they are not derived.
    pub minted: Option<Box<MintedValues>>,
    /// The value that was proven to be the current access token's; no store keeps it.
    pub last_proof: LastProof,
}

impl Family {
    /// Whether anything of it is accepted at `now` while the epochs of its client and subject are
    /// `epochs`. What is not may be reclaimed.
    pub fn is_alive(&self, epochs: Option<Epochs>, now: Timestamp) -> bool {
        let refreshable = self.refresh.is_some_and(|refresh| refresh.expires.is_valid(now));
        epochs == Some(self.epochs) && (refreshable || self.access.expires.is_valid(now))
    }

    /// Whether `generation` names the access token that is valid at `now`.
    pub fn accepts_access(&self, generation: u32, epochs: Option<Epochs>, now: Timestamp) -> bool {
        epochs == Some(self.epochs)
            && generation == self.access.generation
            && self.access.expires.is_valid(now)
    }

    /// Whether `generation` names the refresh token that is valid at `now`.
    pub fn accepts_refresh(&self, generation: u32, epochs: Option<Epochs>, now: Timestamp) -> bool {
        epochs == Some(self.epochs)
            && self
                .refresh
                .is_some_and(|refresh| generation == refresh.generation && refresh.expires.is_valid(now))
    }
}

#[cfg(test)]
mod tests;
