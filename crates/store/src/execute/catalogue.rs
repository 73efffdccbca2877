//! Changes of the catalogue, with what ends by them: users and applications here, what is published in
//! `published`.

mod published;

use latchkey_catalog::application::Application;
use latchkey_catalog::id::EntryId;
use latchkey_catalog::lifecycle::LifecycleEvent;
use latchkey_catalog::subscription::Subscription;
use latchkey_catalog::tier::Level;
use latchkey_catalog::user::{User, UserState};
use latchkey_oauth::clock::Timestamp;
use latchkey_oauth::event::{Event, EventKind};
use latchkey_oauth::id::PrincipalId;
use latchkey_oauth::keyring::SecretMac;
use latchkey_oauth::revocation::Selector;

use super::raise_epoch;
use crate::Result;
use crate::rows::Write;
use crate::unit::{CatalogueChange, Change, ChangeRefused, NewClient};

type Outcome = Result<std::result::Result<(), ChangeRefused>>;

/// Who changes the catalogue, and when.
#[derive(Clone, Copy)]
struct By<'a> {
    actor: &'a str,
    now: Timestamp,
}

/// Makes a change, or says why not.
pub fn change(rows: &mut dyn Write, change: &Change, now: Timestamp) -> Outcome {
    let by = By { actor: &change.actor, now };
    match &change.what {
        CatalogueChange::AddUser(user) => add_user(rows, user, by),
        CatalogueChange::DeleteUser(id) => delete_user(rows, *id, by),
        CatalogueChange::SetUserState(id, state) => {
            let event = match state {
                UserState::Active => LifecycleEvent::UserUnlocked,
                UserState::Locked => LifecycleEvent::UserLocked,
            };
            update_user(rows, *id, |user| user.state = *state, event, by)
        }
        CatalogueChange::SetPassword(id, password) => {
            let set = |user: &mut User| user.password.clone_from(password);
            update_user(rows, *id, set, LifecycleEvent::PasswordChanged, by)
        }
        CatalogueChange::RehashPassword { user, from, to } => rehash(rows, *user, from, to),
        CatalogueChange::SetRoles(id, roles) => {
            let Some(user) = rows.user(*id)? else { return Ok(Err(ChangeRefused::NotFound)) };
            let lost = user.roles.difference(roles).next().is_some();
            let event = if lost { LifecycleEvent::RoleRemoved } else { LifecycleEvent::RoleAdded };
            update_user(rows, *id, |user| user.roles.clone_from(roles), event, by)
        }
        CatalogueChange::AddApplication(application, client, subscriptions) => {
            add_application(rows, (application, client, subscriptions), by)
        }
        CatalogueChange::SetApplicationTier(id, tier) => set_application_tier(rows, (*id, tier), by),
        CatalogueChange::DeleteApplication(id) => delete_application(rows, *id, by),
        CatalogueChange::RegenerateSecret { client, mac, sealed } => {
            let regenerated = |_: &[SecretMac]| Some(vec![*mac]);
            match put_secret(rows, *client, regenerated, sealed)? {
                Ok(()) => end_with(rows, *client, LifecycleEvent::SecretRegenerated, by),
                Err(refused) => Ok(Err(refused)),
            }
        }
        CatalogueChange::RewrapSecret { client, from, to, sealed } => {
            let rewrapped = |held: &[SecretMac]| {
                let other = |mac: &SecretMac| if mac == from { *to } else { *mac };
                held.contains(from).then(|| held.iter().map(other).collect())
            };
            put_secret(rows, *client, rewrapped, sealed)
        }
        CatalogueChange::PutApi(api) => published::put_api(rows, api, by),
        CatalogueChange::UpdateApi(update) => published::update_api(rows, update, by),
        CatalogueChange::SetApiState(id, state) => published::set_api_state(rows, (*id, *state), by),
        CatalogueChange::SetVersionRole(id, role) => published::set_version_role(rows, (*id, *role), by),
        CatalogueChange::SetAudiences(id, audiences) => published::set_audiences(rows, (*id, audiences), by),
        CatalogueChange::DeleteApi(id) => published::delete_api(rows, *id, by),
        CatalogueChange::SetSubscriptionState { application, api, state } => {
            published::set_subscription_state(rows, (*application, *api), *state, by)
        }
        CatalogueChange::Subscribe(subscription) => published::subscribe(rows, subscription, by),
        CatalogueChange::Unsubscribe { application, api } => {
            published::unsubscribe(rows, (*application, *api), by)
        }
        CatalogueChange::PutTier(tier) => published::put_tier(rows, tier, by),
        CatalogueChange::DeleteTier(level, name) => published::delete_tier(rows, (*level, name), by),
        CatalogueChange::AddNode(node) => published::add_node(rows, node, by),
        CatalogueChange::DeleteNode(name) => published::delete_node(rows, name, by),
        CatalogueChange::Lifecycle(principal, event) => end_with(rows, *principal, *event, by),
    }
}

/// Sets what the secret of a client is verified by, as `next` makes it of what it was verified by so far;
/// `None` leaves everything as it is.
fn put_secret(
    rows: &mut dyn Write,
    id: PrincipalId,
    next: impl FnOnce(&[SecretMac]) -> Option<Vec<SecretMac>>,
    sealed: &[u8],
) -> Outcome {
    let (Some(application), Some(mut client)) = (rows.application_of(id)?, rows.client(id)?) else {
        return Ok(Err(ChangeRefused::NotFound));
    };
    if let Some(secrets) = next(&client.secrets) {
        client.secrets = secrets;
        rows.put_client(application.id, &NewClient { client, sealed_secret: sealed.to_owned() })?;
    }
    Ok(Ok(()))
}

fn log(rows: &mut dyn Write, kind: EventKind, by: By<'_>) -> Outcome {
    rows.append(Event::of_principal(kind, by.now, by.actor)).map(Ok)
}

/// Ends what ends with `event`, and notes it.
fn end_with(rows: &mut dyn Write, principal: PrincipalId, event: LifecycleEvent, by: By<'_>) -> Outcome {
    let mut entry = Event::of_principal(event.kind(), by.now, by.actor);
    if let Some((selector, reason)) = event.ends(principal) {
        raise_epoch(rows, principal)?;
        entry.reason = Some(reason);
        entry.client = matches!(selector, Selector::Client(_)).then_some(principal);
    }
    entry.subject = entry.client.is_none().then_some(principal);
    rows.append(entry).map(Ok)
}

fn add_user(rows: &mut dyn Write, user: &User, by: By<'_>) -> Outcome {
    if rows.user_by_name(&user.name)?.is_some() {
        return Ok(Err(ChangeRefused::NameTaken));
    }
    rows.put_user(user)?;
    rows.put_epoch(user.id, Some(1))?;
    let mut entry = Event::of_principal(EventKind::UserCreate, by.now, by.actor);
    entry.subject = Some(user.id);
    rows.append(entry).map(Ok)
}

fn update_user(
    rows: &mut dyn Write,
    id: PrincipalId,
    update: impl FnOnce(&mut User),
    event: LifecycleEvent,
    by: By<'_>,
) -> Outcome {
    let Some(mut user) = rows.user(id)? else { return Ok(Err(ChangeRefused::NotFound)) };
    update(&mut user);
    rows.put_user(&user)?;
    end_with(rows, id, event, by)
}

fn rehash(rows: &mut dyn Write, id: PrincipalId, from: &str, to: &str) -> Outcome {
    if let Some(mut user) = rows.user(id)?.filter(|user| user.password == from) {
        to.clone_into(&mut user.password);
        rows.put_user(&user)?;
    }
    Ok(Ok(()))
}

/// The epoch goes for good, so whatever was issued to the user is dead, whoever gets the name next.
fn delete_user(rows: &mut dyn Write, id: PrincipalId, by: By<'_>) -> Outcome {
    if rows.user(id)?.is_none() {
        return Ok(Err(ChangeRefused::NotFound));
    }
    rows.delete_user(id)?;
    rows.put_epoch(id, None)?;
    end_with(rows, id, LifecycleEvent::UserDeleted, by)
}

fn add_application(
    rows: &mut dyn Write,
    (application, client, subscriptions): (&Application, &NewClient, &[Subscription]),
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
    let taken = rows.application_by_name(application.owner, &application.name)?.is_some()
        || rows.client_by_key(&client.client.consumer_key)?.is_some();
    if taken {
        return Ok(Err(ChangeRefused::NameTaken));
    }
    rows.put_application(application)?;
    rows.put_client(application.id, client)?;
    rows.put_epoch(client.client.id, Some(1))?;
    let mut entry = Event::of_principal(EventKind::ApplicationCreate, by.now, by.actor);
    entry.client = Some(client.client.id);
    rows.append(entry)?;
    for subscription in subscriptions {
        rows.put_subscription(subscription)?;
        rows.append(Event::of_principal(EventKind::SubscriptionChange, by.now, by.actor))?;
    }
    Ok(Ok(()))
}

fn set_application_tier(rows: &mut dyn Write, (id, tier): (EntryId, &str), by: By<'_>) -> Outcome {
    let Some(application) = rows.application(id)? else { return Ok(Err(ChangeRefused::NotFound)) };
    if rows.tier(Level::Application, tier)?.is_none() {
        return Ok(Err(ChangeRefused::UnknownTier));
    }
    rows.put_application(&Application { tier: tier.to_owned(), ..application })?;
    let mut entry = Event::of_principal(EventKind::TierChange, by.now, by.actor);
    entry.client = rows.clients_of(id)?.first().map(|(client, _)| client.id);
    rows.append(entry).map(Ok)
}

fn delete_application(rows: &mut dyn Write, id: EntryId, by: By<'_>) -> Outcome {
    if rows.application(id)?.is_none() {
        return Ok(Err(ChangeRefused::NotFound));
    }
    for (client, _) in rows.clients_of(id)? {
        rows.delete_client(client.id)?;
        rows.put_epoch(client.id, None)?;
        let _ended = end_with(rows, client.id, LifecycleEvent::ApplicationDeleted, by)?;
    }
    for subscription in rows.subscriptions_of(id)? {
        rows.delete_subscription(id, subscription.api)?;
    }
    rows.delete_application(id).map(Ok)
}
