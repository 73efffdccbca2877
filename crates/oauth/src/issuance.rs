//! Issuing: whether the tokens held under a key are handed out again, renewed, or made.

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::family::{
    AccessState, Epochs, Family, MintedValue, MintedValues, RefreshState, Seed, TokenKey, Validity,
};
use crate::id::FamilyId;
use crate::keyring::ValueKind;
use crate::minted_value::Era;
use crate::token_value::LastProof;

/// What a repeated request for one token key gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renewal {
    /// The same tokens while they live (WSO2's opaque tokens).
    Reuse,
    /// A new access token; the previous one is dead (WSO2's JWTs, and renew-per-request).
    RevokePrevious(RefreshOnRenew),
    /// A family of its own beside the others, by a random binding in its key
    /// (`renew_token_without_revoking_existing`). Under a key with a binding of the client's it is
    /// `RevokePrevious(New)`.
    KeepPrevious,
}

/// What becomes of the refresh token when an access token is renewed (`oauth.token.refresh_on_renew`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefreshOnRenew {
    /// A new one.
    New,
    /// The same one where it outlives the new access token (API Manager 4.2 to 4.6).
    Keep,
}

/// What a request would be given if nothing held fits.
#[derive(Debug, Clone)]
pub struct Draft {
    /// The id of a family that has to be made.
    pub id: FamilyId,
    /// Its seed.
    pub seed: Seed,
    /// How long the access token lives.
    pub access_validity: Validity,
    /// How long the refresh token lives; none where the grant gives none.
    pub refresh_validity: Option<Validity>,
    /// The value of the access token, where it is neither derived nor signed.
    pub access_value: Option<MintedValue>,
    /// The value of the refresh token, where it is not derived.
    pub refresh_value: Option<MintedValue>,
    /// What a held value must have been made under to be handed out again.
    pub era: Era,
}

/// The outcome of [`decide`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// The held tokens again; nothing is written.
    Reuse,
    /// A new access token; the held refresh token stays.
    RenewAccess,
    /// A new access token and a new refresh token; those held are dead.
    RenewPair,
    /// A new family, in place of one that cannot go on.
    Create,
}

/// Chooses between what is `held` under the request's key and what is drafted.
///
/// `held` is the living family of the key: one whose client and subject have since been reset is not
/// held. A value that is not of the draft's [`Era`], or of which only the digest is known, counts as expired. Device scopes need no case of their own: they are part of the key, so each device holds a family
/// of its own.
pub fn decide(held: Option<&Family>, draft: &Draft, renewal: Renewal, now: Timestamp) -> Decision {
    let Some(held) = held.filter(|held| held.can_go_on()) else {
        return Decision::Create;
    };
    match renewal {
        Renewal::Reuse if is_reusable(held, draft, now) => Decision::Reuse,
        Renewal::Reuse if !access_is_live(held, draft, now) => renew_keeping_refresh(held, draft, now),
        Renewal::RevokePrevious(RefreshOnRenew::Keep) => renew_keeping_refresh(held, draft, now),
        Renewal::Reuse | Renewal::RevokePrevious(RefreshOnRenew::New) | Renewal::KeepPrevious => {
            Decision::RenewPair
        }
    }
}

fn is_reusable(held: &Family, draft: &Draft, now: Timestamp) -> bool {
    access_is_live(held, draft, now)
        && held.refresh.is_none_or(|refresh| refresh.expires.is_live(now))
        && held.can_give_again(ValueKind::Refresh, draft.era)
        && held.refresh.is_some() == draft.refresh_validity.is_some()
        && held.access.scope == held.scope
        && held.access.expires <= draft.access_validity.ends(now)
}

fn access_is_live(held: &Family, draft: &Draft, now: Timestamp) -> bool {
    held.access.expires.is_live(now) && held.can_give_again(ValueKind::Access, draft.era)
}

fn renew_keeping_refresh(held: &Family, draft: &Draft, now: Timestamp) -> Decision {
    let kept = match (held.refresh, draft.refresh_validity) {
        (Some(_), Some(_)) if !held.can_give_again(ValueKind::Refresh, draft.era) => false,
        (Some(refresh), Some(_)) => refresh.expires.outlives(draft.access_validity.ends(now)),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    };
    if kept { Decision::RenewAccess } else { Decision::RenewPair }
}

/// The family as it is after `decision`; `held` is what [`decide`] saw.
pub fn apply(
    decision: Decision,
    held: Option<&Family>,
    (key, draft): (&TokenKey, &Draft),
    epochs: Epochs,
    now: Timestamp,
) -> Family {
    match (decision, held) {
        (Decision::Reuse, Some(held)) => held.clone(),
        (Decision::RenewAccess, Some(held)) => renewed_access(held, draft, now),
        (Decision::RenewPair, Some(held)) => renewed_pair(held, draft, now),
        (Decision::Create, _) | (_, None) => created(key, draft, epochs, now),
    }
}

fn created(key: &TokenKey, draft: &Draft, epochs: Epochs, now: Timestamp) -> Family {
    Family {
        bucket: key.bucket(),
        id: draft.id,
        key: key.digest(),
        client: key.client,
        subject: key.subject,
        scope: key.scope.clone(),
        device: key.device(),
        seed: draft.seed.clone(),
        epochs,
        access: AccessState {
            generation: 1,
            issued_at: now,
            expires: draft.access_validity.ends(now),
            scope: key.scope.clone(),
        },
        refresh: draft.refresh_validity.map(|validity| RefreshState {
            generation: 1,
            chain_start: 1,
            issued_at: now,
            expires: validity.ends(now),
            used_at: None,
        }),
        minted: minted(draft.access_value.clone(), draft.refresh_value.clone(), Vec::new()),
        last_proof: LastProof::default(),
    }
}

fn renewed_access(held: &Family, draft: &Draft, now: Timestamp) -> Family {
    let kept = held.minted.as_deref().cloned().unwrap_or_default();
    Family {
        access: next_access(held, draft.access_validity, now),
        minted: minted(draft.access_value.clone(), kept.refresh, kept.spent_refresh),
        ..held.clone()
    }
}

fn renewed_pair(held: &Family, draft: &Draft, now: Timestamp) -> Family {
    // Refresh generations never run ahead of access generations. So where no refresh token is held, counting
    // on from the access token's keeps one that the family had earlier from coming back to life.
    let generation = held.refresh.map_or(held.access.generation, |refresh| refresh.generation) + 1;
    Family {
        access: next_access(held, draft.access_validity, now),
        refresh: draft.refresh_validity.map(|validity| RefreshState {
            generation,
            chain_start: generation,
            issued_at: now,
            expires: validity.ends(now),
            used_at: None,
        }),
        minted: minted(draft.access_value.clone(), draft.refresh_value.clone(), Vec::new()),
        ..held.clone()
    }
}

/// The access token after the held one, for the full scope of the key.
pub(crate) fn next_access(held: &Family, validity: Validity, now: Timestamp) -> AccessState {
    AccessState {
        generation: held.access.generation + 1,
        issued_at: now,
        expires: validity.ends(now),
        scope: held.scope.clone(),
    }
}

/// The minted values, if there are any.
pub(crate) fn minted(
    access: Option<MintedValue>,
    refresh: Option<MintedValue>,
    spent_refresh: Vec<[u8; 32]>,
) -> Option<Box<MintedValues>> {
    let values = MintedValues { access, refresh, spent_refresh };
    (values != MintedValues::default()).then(|| Box::new(values))
}

impl Family {
    /// Whether its generations can be counted on; after four thousand million renewals a key gets a new
    /// family id.
    pub(crate) fn can_go_on(&self) -> bool {
        self.access.generation < u32::MAX && self.refresh.is_none_or(|refresh| refresh.generation < u32::MAX)
    }
}
