//! Refreshing: what a presented refresh token gets (RFC 6749 section 6, RFC 9700 section 4.14).
//!
//! Rotation must survive a lost response and two tabs, and still notice a thief. So the immediate
//! predecessor of the current refresh token, if a *refresh* superseded it, is answered with the *same*
//! successor: for the retry window while the successor is unused, and for the shorter overlap even if it
//! is used. No branch ever exists. Anything older, or a later replay, is reuse: the family ends. A refresh
//! token that an *issue* superseded is refused and changes nothing.

#[cfg(test)]
mod tests;

use crate::clock::Timestamp;
use crate::family::{Family, MAX_SPENT, MintedValue, RefreshState, Validity};
use crate::id::PrincipalId;
use crate::issuance::{minted, next_access};
use crate::keyring::ValueKind;
use crate::minted_value::Era;
use crate::scope::Scope;

/// What becomes of the refresh token when it is used (`oauth.refresh.renew`, `.extend_expiry`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefreshRenewal {
    /// The same one is returned; its life ends when it would have ended.
    Keep,
    /// A new one with a full life of its own.
    Sliding,
    /// A new one that ends when the old one would have ended.
    Absolute,
}

/// The server's rules for refreshing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefreshPolicy {
    /// What becomes of the refresh token.
    pub renewal: RefreshRenewal,
    /// Milliseconds in which a lost response may be asked for again while its successor is unused.
    pub retry_window_millis: i64,
    /// Milliseconds in which a parallel refresh gets the same successor even if it is used.
    pub overlap_millis: i64,
}

/// A refresh token presented by an authenticated client.
#[derive(Debug, Clone)]
pub struct RefreshRequest {
    /// The client.
    pub client: PrincipalId,
    /// The generation that the token names.
    pub generation: u32,
    /// The scopes asked for; none: those of the original grant.
    pub scope: Option<Scope>,
    /// The rules.
    pub policy: RefreshPolicy,
    /// How long the new access token lives.
    pub access_validity: Validity,
    /// How long a new refresh token lives.
    pub refresh_validity: Validity,
    /// The value of the new access token, where it is neither derived nor signed.
    pub access_value: Option<MintedValue>,
    /// The value of a new refresh token, where it is not derived.
    pub refresh_value: Option<MintedValue>,
    /// What a held value must have been made under to be accepted.
    pub era: Era,
}

impl RefreshRequest {
    /// The scopes of the access token that it asks for: those of the original grant where it names none.
    fn granted<'a>(&'a self, held: &'a Family) -> &'a Scope {
        self.scope.as_ref().filter(|scope| !scope.is_empty()).unwrap_or(&held.scope)
    }
}

/// The outcome of [`rotate`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rotation {
    /// A new access token and a new refresh token.
    Rotate,
    /// A new access token; the refresh token stays.
    RenewAccess,
    /// The tokens that the first use got, once more; nothing is written.
    Repeat,
    /// A spent refresh token came back: the family ends.
    Replayed,
    /// Refused; nothing changes.
    Refused(RotationRefusal),
}

/// Why a refresh token was refused without consequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RotationRefusal {
    /// No living family has it, or it belongs to another client.
    #[error("the refresh token is not known")]
    Unknown,
    /// A later sign-in replaced it.
    #[error("the refresh token was replaced by a new sign-in")]
    Superseded,
    /// Its life is over.
    #[error("the refresh token has expired")]
    Expired,
    /// More scopes were asked for than the grant holds.
    #[error("the scope exceeds the original grant")]
    ScopeWidened,
    /// A retry asks for other scopes than those that the first use got.
    #[error("a retry asks for other scopes than the refresh that it repeats")]
    ScopeChanged,
}

/// Decides on a refresh token of the living family `held`.
///
/// The client is compared before anything else, so that a token in the hands of another client neither
/// works nor ends the family of its owner. Where the current refresh token was minted under a key or in an
/// incarnation that is no longer accepted, the whole chain is unknown: nobody can hold its newest token, and
/// nothing that comes back is a sign of a thief.
///
/// A retry is the same request once more. One that asks for other scopes than the successor's access token
/// has is another request: it would be answered with more, or less, than it asked for, so it is refused and
/// nothing changes.
pub fn rotate(held: &Family, request: &RefreshRequest, now: Timestamp) -> Rotation {
    use RotationRefusal::{Expired, ScopeChanged, ScopeWidened, Superseded, Unknown};
    let is_known = held.client == request.client && held.value_is_of(ValueKind::Refresh, request.era);
    let Some(current) = held.refresh.filter(|_| is_known) else {
        return Rotation::Refused(Unknown);
    };
    if request.generation > current.generation || request.generation == 0 {
        return Rotation::Refused(Unknown);
    }
    if request.generation < current.chain_start {
        return Rotation::Refused(Superseded);
    }
    if request.generation < current.generation && !may_be_retried(&current, request, now) {
        return Rotation::Replayed;
    }
    if !current.expires.is_valid(now) || !held.can_go_on() {
        return Rotation::Refused(Expired);
    }
    if request.scope.as_ref().is_some_and(|scope| !scope.is_subset_of(&held.scope)) {
        return Rotation::Refused(ScopeWidened);
    }
    let is_retry = request.generation < current.generation;
    if is_retry && request.granted(held) != &held.access.scope {
        return Rotation::Refused(ScopeChanged);
    }
    let access_is_valid =
        held.access.expires.is_valid(now) && held.can_give_again(ValueKind::Access, request.era);
    match request.policy.renewal {
        _ if is_retry && access_is_valid => Rotation::Repeat,
        _ if is_retry => Rotation::RenewAccess,
        RefreshRenewal::Keep if held.can_give_again(ValueKind::Refresh, request.era) => Rotation::RenewAccess,
        // A refresh token of which only the digest is known cannot be given again.
        RefreshRenewal::Keep | RefreshRenewal::Sliding | RefreshRenewal::Absolute => Rotation::Rotate,
    }
}

fn may_be_retried(current: &RefreshState, request: &RefreshRequest, now: Timestamp) -> bool {
    let window = match current.used_at {
        None => request.policy.retry_window_millis.max(request.policy.overlap_millis),
        Some(_) => request.policy.overlap_millis,
    };
    request.generation + 1 == current.generation && now.millis_since(current.issued_at) <= window
}

/// The family after `rotation`; none where nothing of it changes or it ends.
pub fn apply(rotation: Rotation, held: &Family, request: &RefreshRequest, now: Timestamp) -> Option<Family> {
    let mut access = next_access_checked(held, request, now)?;
    access.scope = request.granted(held).clone();
    let values = held.minted.as_deref().cloned().unwrap_or_default();
    let access_value = request.access_value.clone();
    match rotation {
        Rotation::Rotate => {
            let current = held.refresh?;
            let refresh = RefreshState {
                generation: current.generation + 1,
                chain_start: current.chain_start,
                issued_at: now,
                expires: match request.policy.renewal {
                    RefreshRenewal::Sliding => request.refresh_validity.ends(now),
                    RefreshRenewal::Absolute | RefreshRenewal::Keep => current.expires,
                },
                used_at: None,
            };
            let mut spent: Vec<_> = values.refresh.map(|value| value.digest).into_iter().collect();
            spent.extend(values.spent_refresh);
            spent.truncate(MAX_SPENT);
            let minted = minted(access_value, request.refresh_value.clone(), spent);
            Some(Family { access, refresh: Some(refresh), minted, ..held.clone() })
        }
        Rotation::RenewAccess => {
            let minted = minted(access_value, values.refresh, values.spent_refresh);
            Some(Family { access, minted, ..held.clone() })
        }
        Rotation::Repeat | Rotation::Replayed | Rotation::Refused(_) => None,
    }
}

fn next_access_checked(
    held: &Family,
    request: &RefreshRequest,
    now: Timestamp,
) -> Option<crate::family::AccessState> {
    held.can_go_on().then(|| next_access(held, request.access_validity, now))
}
