//! Changes of applications.

use latchkey_catalog::application::{Application, ApplicationStatus};
use latchkey_catalog::id::EntryId;
use latchkey_catalog::lifecycle::LifecycleEvent;
use latchkey_catalog::subscription::Subscription;
use latchkey_catalog::tier::Level;
use latchkey_oauth::clock::Timestamp;
use latchkey_oauth::event::{Event, EventKind};
use latchkey_oauth::id::PrincipalId;
use latchkey_oauth::revocation::Reason;

use super::{By, Outcome, api_keys, governance, keys, published};
use crate::Result;
use crate::execute::end_family;
use crate::rows::{HolderId, Write};
use crate::unit::{ApplicationUpdate, ChangeRefused, NewClient};

/// How many applications are looked at in one go.
const AT_ONCE: u32 = 500;

pub(super) fn add(
    rows: &mut dyn Write,
    (application, client, subscriptions): (&Application, Option<&NewClient>, &[Subscription]),
    by: By<'_>,
) -> Outcome {
    if rows.user(application.owner)?.is_none() {
        return Ok(Err(ChangeRefused::NotFound));
    }
    if rows.tier(Level::Application, &application.tier)?.is_none() {
        return Ok(Err(ChangeRefused::UnknownTier));
    }
    for subscription in subscriptions {
        if subscription.application != application.id {
            return Ok(Err(ChangeRefused::NotFound));
        }
        if let Err(refused) = published::check_new_subscription(rows, subscription)? {
            return Ok(Err(refused));
        }
    }
    let taken = rows.application_by_name(application.owner, application.kind, &application.name)?.is_some()
        || match client {
            Some(new) => rows.client_by_key(&new.client.consumer_key)?.is_some(),
            None => false,
        };
    if taken {
        return Ok(Err(ChangeRefused::NameTaken));
    }
    rows.put_application(application)?;
    let mut entry = Event::of_principal(EventKind::ApplicationCreate, by.now, by.actor);
    entry.client = client.map(|new| new.client.id);
    if let Some(new) = client {
        rows.put_client(application.id, new)?;
        rows.put_epoch(new.client.id, Some(1))?;
    }
    rows.append(entry)?;
    for subscription in subscriptions {
        rows.put_subscription(subscription)?;
        rows.append(Event::of_principal(EventKind::SubscriptionChange, by.now, by.actor))?;
    }
    Ok(Ok(()))
}

/// Writes an application as it now is, and notes that.
fn put(rows: &mut dyn Write, application: Application, kind: EventKind, by: By<'_>) -> Outcome {
    let id = application.id;
    rows.put_application(&Application { updated_at: by.now, ..application })?;
    let mut entry = Event::of_principal(kind, by.now, by.actor);
    entry.client = rows.clients_of(id)?.first().map(|(client, _)| client.id);
    rows.append(entry).map(Ok)
}

pub(super) fn update(rows: &mut dyn Write, update: &ApplicationUpdate, by: By<'_>) -> Outcome {
    let Some(held) = rows.application(update.id)? else { return Ok(Err(ChangeRefused::NotFound)) };
    if rows.tier(Level::Application, &update.tier)?.is_none() {
        return Ok(Err(ChangeRefused::UnknownTier));
    }
    let named = rows.application_by_name(held.owner, held.kind, &update.name)?;
    if named.is_some_and(|named| named.id != held.id) {
        return Ok(Err(ChangeRefused::NameTaken));
    }
    let ApplicationUpdate { id, name, tier, details } = update.clone();
    put(rows, Application { id, name, tier, details, ..held }, EventKind::ApplicationChange, by)
}

pub(super) fn set_status(
    rows: &mut dyn Write,
    (id, status): (EntryId, ApplicationStatus),
    by: By<'_>,
) -> Outcome {
    let Some(held) = rows.application(id)? else { return Ok(Err(ChangeRefused::NotFound)) };
    put(rows, Application { status, ..held }, EventKind::ApplicationChange, by)
}

/// The new owner's roles decide from now on; what needs a role that goes with the old one's ends.
pub(super) fn set_owner(rows: &mut dyn Write, (id, owner): (EntryId, PrincipalId), by: By<'_>) -> Outcome {
    let Some(held) = rows.application(id)? else { return Ok(Err(ChangeRefused::NotFound)) };
    let Some(next) = rows.user(owner)? else { return Ok(Err(ChangeRefused::UnknownUser)) };
    let named = rows.application_by_name(owner, held.kind, &held.name)?;
    if named.is_some_and(|named| named.id != id) {
        return Ok(Err(ChangeRefused::NameTaken));
    }
    let roles = rows.user(held.owner)?.map(|owner| owner.roles).unwrap_or_default();
    if !roles.is_subset(&next.roles) {
        end_own_tokens(rows, id, (Reason::RoleRemoved, by.now))?;
    }
    put(rows, Application { owner, ..held }, EventKind::ApplicationChange, by)
}

/// Ends the own tokens of every application of `owner`, whose roles gave them their scopes.
pub(super) fn end_own_tokens_of_all(
    rows: &mut dyn Write,
    owner: PrincipalId,
    (reason, now): (Reason, Timestamp),
) -> Result<()> {
    let mut after = None;
    loop {
        let applications = rows.applications(Some(owner), after, AT_ONCE)?;
        let Some(last) = applications.last() else { return Ok(()) };
        after = Some(last.id);
        for application in &applications {
            end_own_tokens(rows, application.id, (reason, now))?;
        }
    }
}

fn end_own_tokens(
    rows: &mut dyn Write,
    application: EntryId,
    (reason, now): (Reason, Timestamp),
) -> Result<()> {
    for (client, _) in rows.clients_of(application)? {
        for family in rows.residents(HolderId { client: client.id, subject: client.id })? {
            end_family(rows, &family, reason, now)?;
        }
    }
    Ok(())
}

pub(super) fn set_tier(rows: &mut dyn Write, (id, tier): (EntryId, &str), by: By<'_>) -> Outcome {
    let Some(held) = rows.application(id)? else { return Ok(Err(ChangeRefused::NotFound)) };
    if rows.tier(Level::Application, tier)?.is_none() {
        return Ok(Err(ChangeRefused::UnknownTier));
    }
    put(rows, Application { tier: tier.to_owned(), ..held }, EventKind::TierChange, by)
}

pub(super) fn delete(rows: &mut dyn Write, id: EntryId, by: By<'_>) -> Outcome {
    if rows.application(id)?.is_none() {
        return Ok(Err(ChangeRefused::NotFound));
    }
    for (client, sealed_secret) in rows.clients_of(id)? {
        let held = NewClient { client, sealed_secret };
        let ended = keys::dismiss(rows, held, LifecycleEvent::ApplicationDeleted, by)?;
        debug_assert_eq!(ended, Ok(()), "what was just found is there");
    }
    api_keys::end_all(rows, id, by)?;
    for subscription in rows.subscriptions_of(id)? {
        governance::forget(rows, subscription.id)?;
        rows.delete_subscription(id, subscription.api)?;
    }
    governance::forget(rows, id)?;
    rows.delete_application(id).map(Ok)
}
