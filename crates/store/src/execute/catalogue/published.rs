//! Changes of what is published: APIs, subscriptions to them, tiers.

use latchkey_catalog::api::Api;
use latchkey_catalog::id::EntryId;
use latchkey_catalog::subscription::{Subscription, UNLIMITED};
use latchkey_catalog::tier::{Level, Tier, UNAUTHENTICATED};
use latchkey_oauth::event::EventKind;

use super::{By, Outcome, log};
use crate::rows::Write;
use crate::unit::ChangeRefused;

pub(super) fn put_api(rows: &mut dyn Write, api: &Api, by: By<'_>) -> Outcome {
    let same_path = |other: &Api| other.context == api.context && other.version == api.version;
    if rows.apis()?.iter().any(|other| other.id != api.id && same_path(other)) {
        return Ok(Err(ChangeRefused::NameTaken));
    }
    for tier in api.definition.tiers() {
        if rows.tier(Level::Resource, tier)?.is_none() {
            return Ok(Err(ChangeRefused::UnknownTier));
        }
    }
    rows.put_api(api)?;
    log(rows, EventKind::ApiChange, by)
}

/// Whether the API and the tier of a subscription are there.
pub(super) fn check_subscription(rows: &mut dyn Write, subscription: &Subscription) -> Outcome {
    if rows.api(subscription.api)?.is_none() {
        return Ok(Err(ChangeRefused::NotFound));
    }
    if rows.tier(Level::Subscription, &subscription.tier)?.is_none() {
        return Ok(Err(ChangeRefused::UnknownTier));
    }
    Ok(Ok(()))
}

pub(super) fn subscribe(rows: &mut dyn Write, subscription: &Subscription, by: By<'_>) -> Outcome {
    if rows.application(subscription.application)?.is_none() {
        return Ok(Err(ChangeRefused::NotFound));
    }
    if let Err(refused) = check_subscription(rows, subscription)? {
        return Ok(Err(refused));
    }
    let held = rows.subscriptions_of(subscription.application)?;
    let held = held.into_iter().find(|held| held.api == subscription.api);
    let state = held.map_or(subscription.state, |held| held.state);
    rows.put_subscription(&Subscription { state, ..subscription.clone() })?;
    log(rows, EventKind::SubscriptionChange, by)
}

pub(super) fn unsubscribe(
    rows: &mut dyn Write,
    (application, api): (EntryId, EntryId),
    by: By<'_>,
) -> Outcome {
    if !rows.delete_subscription(application, api)? {
        return Ok(Err(ChangeRefused::NotFound));
    }
    log(rows, EventKind::SubscriptionChange, by)
}

pub(super) fn put_tier(rows: &mut dyn Write, tier: &Tier, by: By<'_>) -> Outcome {
    rows.put_tier(tier)?;
    log(rows, EventKind::TierChange, by)
}

/// What is given where nobody chose stays.
pub(super) fn delete_tier(rows: &mut dyn Write, (level, name): (Level, &str), by: By<'_>) -> Outcome {
    if rows.tier(level, name)?.is_none() {
        return Ok(Err(ChangeRefused::NotFound));
    }
    if [UNLIMITED, UNAUTHENTICATED].contains(&name) || rows.is_tier_used(level, name)? {
        return Ok(Err(ChangeRefused::InUse));
    }
    rows.delete_tier(level, name)?;
    log(rows, EventKind::TierChange, by)
}
