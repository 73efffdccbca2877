//! Changes of what is published: APIs, subscriptions to them, tiers; and of the nodes that serve them.

use std::collections::BTreeSet;

use latchkey_catalog::api::{Api, ApiDefinition, ApiState, Schemes, VersionRole};
use latchkey_catalog::id::EntryId;
use latchkey_catalog::node::Node;
use latchkey_catalog::subscription::{Subscription, SubscriptionState, UNLIMITED};
use latchkey_catalog::tier::{Level, Tier, UNAUTHENTICATED};
use latchkey_oauth::event::{Event, EventKind};

use super::{By, Outcome, governance, log, publishing};
use crate::Result;
use crate::rows::{Subscribed, SubscriptionKey, Write};
use crate::unit::{ApiUpdate, ChangeRefused, SubscriptionUpdate};

pub(super) fn put_api(rows: &mut dyn Write, api: &Api, by: By<'_>) -> Outcome {
    if rows.api_at(&api.context, &api.version)?.is_some_and(|other| other != api.id) {
        return Ok(Err(ChangeRefused::NameTaken));
    }
    let before = rows.api(api.id)?.map(|before| before.definition.state);
    store_api(rows, api, before, by)
}

/// Writes an API whose tiers are there, and deploys it.
fn store_api(rows: &mut dyn Write, api: &Api, before: Option<ApiState>, by: By<'_>) -> Outcome {
    for tier in api.definition.tiers() {
        if rows.tier(Level::Resource, tier)?.is_none() {
            return Ok(Err(ChangeRefused::UnknownTier));
        }
    }
    forget_subscribers(rows, (api.id, api.definition.state), by)?;
    rows.put_api(api)?;
    publishing::deploy_at_once(rows, api.id)?;
    publishing::follow(rows, api, before, by)?;
    log(rows, EventKind::ApiChange, by)
}

pub(super) fn update_api(rows: &mut dyn Write, update: &ApiUpdate, by: By<'_>) -> Outcome {
    let Some(held) = rows.api(update.id)? else { return Ok(Err(ChangeRefused::NotFound)) };
    let (mut definition, before) = (update.definition.clone(), held.definition);
    let state = update.state.unwrap_or(before.state);
    if !before.state.may_become(state) {
        return Ok(Err(ChangeRefused::WrongState));
    }
    definition.state = state;
    definition.versions = before.versions;
    for (upstream, before) in
        [(&mut definition.production, before.production), (&mut definition.sandbox, before.sandbox)]
    {
        *upstream = upstream.take().or(before);
        if let Some(upstream) = upstream {
            update.dealings.apply(upstream);
        }
    }
    if definition.audiences.is_empty() {
        definition.audiences = before.audiences;
    }
    if definition.schemes.is_default() {
        definition.schemes = before.schemes;
        definition.api_key_header = definition.api_key_header.or(before.api_key_header);
    }
    let before = Some(before.state);
    store_api(rows, &Api { name: update.name.clone(), definition, ..held }, before, by)
}

pub(super) fn set_api_state(rows: &mut dyn Write, (id, state): (EntryId, ApiState), by: By<'_>) -> Outcome {
    let Some(mut api) = rows.api(id)? else { return Ok(Err(ChangeRefused::NotFound)) };
    if !api.definition.state.may_become(state) {
        return Ok(Err(ChangeRefused::WrongState));
    }
    forget_subscribers(rows, (id, state), by)?;
    let before = std::mem::replace(&mut api.definition.state, state);
    rows.put_api(&api)?;
    publishing::follow(rows, &api, Some(before), by)?;
    log(rows, EventKind::ApiChange, by)
}

pub(super) fn set_version_role(
    rows: &mut dyn Write,
    (id, role): (EntryId, VersionRole),
    by: By<'_>,
) -> Outcome {
    let Some(api) = rows.api(id)? else { return Ok(Err(ChangeRefused::NotFound)) };
    if role == VersionRole::Default {
        yield_default(rows, &api, by)?;
    }
    amend(rows, api, by, |definition| definition.versions = role)?;
    log(rows, EventKind::ApiChange, by)
}

/// Makes every other version of the context of an API a named one.
pub(super) fn yield_default(rows: &mut dyn Write, api: &Api, by: By<'_>) -> Result<()> {
    let is_default = |other: &Api| {
        other.context == api.context
            && other.id != api.id
            && other.definition.versions == VersionRole::Default
    };
    for other in rows.apis()?.into_iter().filter(is_default) {
        amend(rows, other, by, |definition| definition.versions = VersionRole::Named)?;
    }
    Ok(())
}

/// Changes an API where it is in force and where it is edited alike, so that no later deployment takes it back.
pub(super) fn amend(
    rows: &mut dyn Write,
    mut api: Api,
    by: By<'_>,
    change: impl Fn(&mut ApiDefinition),
) -> Result<()> {
    change(&mut api.definition);
    rows.put_api(&api)?;
    if let Some(mut draft) = rows.draft(api.id)? {
        change(&mut draft);
        rows.put_draft(api.id, Some(&draft))?;
    }
    publishing::follow(rows, &api, Some(api.definition.state), by)
}

pub(super) fn set_audiences(
    rows: &mut dyn Write,
    (id, audiences): (EntryId, &BTreeSet<String>),
    by: By<'_>,
) -> Outcome {
    let Some(api) = rows.api(id)? else { return Ok(Err(ChangeRefused::NotFound)) };
    amend(rows, api, by, |definition| definition.audiences.clone_from(audiences))?;
    log(rows, EventKind::ApiChange, by)
}

pub(super) fn set_schemes(
    rows: &mut dyn Write,
    id: EntryId,
    (schemes, header): (&Schemes, &Option<String>),
    by: By<'_>,
) -> Outcome {
    let Some(api) = rows.api(id)? else { return Ok(Err(ChangeRefused::NotFound)) };
    amend(rows, api, by, |definition| {
        definition.schemes = schemes.clone();
        definition.api_key_header.clone_from(header);
    })?;
    log(rows, EventKind::ApiChange, by)
}

/// What is retired has no subscribers any more.
fn forget_subscribers(rows: &mut dyn Write, (id, state): (EntryId, ApiState), by: By<'_>) -> Result<()> {
    if state == ApiState::Retired && !rows.subscriptions(Subscribed::To(id), None, 1)?.is_empty() {
        rows.delete_subscriptions_to(id)?;
        governance::forget_subscriptions(rows)?;
        rows.append(Event::of_principal(EventKind::SubscriptionChange, by.now, by.actor))?;
    }
    Ok(())
}

pub(super) fn delete_api(rows: &mut dyn Write, id: EntryId, by: By<'_>) -> Outcome {
    if rows.api(id)?.is_none() {
        return Ok(Err(ChangeRefused::NotFound));
    }
    if !rows.subscriptions(Subscribed::To(id), None, 1)?.is_empty() {
        return Ok(Err(ChangeRefused::InUse));
    }
    rows.delete_api(id)?;
    log(rows, EventKind::ApiChange, by)
}

/// Whether the API of a subscription is there and takes it, and its tier is there.
pub(super) fn check_new_subscription(rows: &mut dyn Write, subscription: &Subscription) -> Outcome {
    let Some(api) = rows.api(subscription.api)? else { return Ok(Err(ChangeRefused::NotFound)) };
    if !api.definition.state.takes_subscriptions() {
        return Ok(Err(ChangeRefused::WrongState));
    }
    check_tier(rows, subscription)
}

fn check_tier(rows: &mut dyn Write, subscription: &Subscription) -> Outcome {
    let tier = rows.tier(Level::Subscription, &subscription.tier)?;
    Ok(tier.map(|_| ()).ok_or(ChangeRefused::UnknownTier))
}

pub(super) fn subscribe(rows: &mut dyn Write, subscription: &Subscription, by: By<'_>) -> Outcome {
    let key = (subscription.application, subscription.api);
    let Some(held) = rows.subscription_between(key)? else {
        return add_subscription(rows, subscription, by);
    };
    if let Err(refused) = check_tier(rows, subscription)? {
        return Ok(Err(refused));
    }
    put_subscription(rows, Subscription { tier: subscription.tier.clone(), ..held }, by)
}

pub(super) fn add_subscription(rows: &mut dyn Write, subscription: &Subscription, by: By<'_>) -> Outcome {
    if rows.application(subscription.application)?.is_none() {
        return Ok(Err(ChangeRefused::NotFound));
    }
    if let Err(refused) = check_new_subscription(rows, subscription)? {
        return Ok(Err(refused));
    }
    if rows.subscription_between((subscription.application, subscription.api))?.is_some() {
        return Ok(Err(ChangeRefused::NameTaken));
    }
    rows.put_subscription(subscription)?;
    log(rows, EventKind::SubscriptionChange, by)
}

pub(super) fn update_subscription(rows: &mut dyn Write, update: &SubscriptionUpdate, by: By<'_>) -> Outcome {
    let Some(held) = rows.subscription(update.id)? else { return Ok(Err(ChangeRefused::NotFound)) };
    for tier in std::iter::once(&update.tier).chain(&update.requested_tier) {
        if rows.tier(Level::Subscription, tier)?.is_none() {
            return Ok(Err(ChangeRefused::UnknownTier));
        }
    }
    let SubscriptionUpdate { id, tier, requested_tier, state } = update.clone();
    let state = state.unwrap_or(held.state);
    put_subscription(rows, Subscription { id, tier, requested_tier, state, ..held }, by)
}

fn put_subscription(rows: &mut dyn Write, subscription: Subscription, by: By<'_>) -> Outcome {
    rows.put_subscription(&Subscription { updated_at: by.now, ..subscription })?;
    log(rows, EventKind::SubscriptionChange, by)
}

pub(super) fn set_subscription_state(
    rows: &mut dyn Write,
    key: SubscriptionKey,
    state: SubscriptionState,
    by: By<'_>,
) -> Outcome {
    let Some(held) = rows.subscription_between(key)? else { return Ok(Err(ChangeRefused::NotFound)) };
    put_subscription(rows, Subscription { state, ..held }, by)
}

pub(super) fn unsubscribe(
    rows: &mut dyn Write,
    (application, api): (EntryId, EntryId),
    by: By<'_>,
) -> Outcome {
    let Some(held) = rows.subscription_between((application, api))? else {
        return Ok(Err(ChangeRefused::NotFound));
    };
    governance::forget(rows, held.id)?;
    rows.delete_subscription(application, api)?;
    log(rows, EventKind::SubscriptionChange, by)
}

pub(super) fn add_tier(rows: &mut dyn Write, tier: &Tier, by: By<'_>) -> Outcome {
    if rows.tier(tier.level, &tier.name)?.is_some() {
        return Ok(Err(ChangeRefused::NameTaken));
    }
    put_tier(rows, tier, by)
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

pub(super) fn add_node(rows: &mut dyn Write, node: &Node, by: By<'_>) -> Outcome {
    if rows.nodes()?.iter().any(|held| held.name == node.name) {
        return Ok(Err(ChangeRefused::NameTaken));
    }
    rows.put_node(node)?;
    log(rows, EventKind::NodeChange, by)
}

pub(super) fn delete_node(rows: &mut dyn Write, name: &str, by: By<'_>) -> Outcome {
    if !rows.delete_node(name)? {
        return Ok(Err(ChangeRefused::NotFound));
    }
    log(rows, EventKind::NodeChange, by)
}
