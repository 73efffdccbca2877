//! Changes of the catalogue, with what ends by them: users, applications, their keys, and what is published, each
//! in a room of its own.

mod api_keys;
mod applications;
mod governance;
mod keys;
mod people;
mod published;
mod publishing;

use latchkey_catalog::lifecycle::LifecycleEvent;
use latchkey_catalog::user::UserChange;
use latchkey_oauth::clock::Timestamp;
use latchkey_oauth::event::{Event, EventKind};
use latchkey_oauth::id::PrincipalId;
use latchkey_oauth::revocation::Selector;

use super::raise_epoch;
use crate::Result;
use crate::rows::Write;
use crate::unit::{CatalogueChange, Change, ChangeRefused};

type Outcome = Result<std::result::Result<(), ChangeRefused>>;

/// Who changes the catalogue, and when.
#[derive(Clone, Copy)]
struct By<'a> {
    actor: &'a str,
    now: Timestamp,
}

/// Makes a change, or says why not.
pub fn change(rows: &mut dyn Write, change: &Change, now: Timestamp) -> Outcome {
    make(rows, &change.what, By { actor: &change.actor, now })
}

fn make(rows: &mut dyn Write, change: &CatalogueChange, by: By<'_>) -> Outcome {
    match change {
        CatalogueChange::AddUser(user) => people::add(rows, user, by),
        CatalogueChange::DeleteUser(id) => people::delete(rows, *id, by),
        CatalogueChange::SetPassword(id, password) => {
            people::update(rows, &[(*id, vec![UserChange::Password(password.clone())])], by)
        }
        CatalogueChange::RehashPassword { user, from, to } => people::rehash(rows, *user, from, to),
        CatalogueChange::SetRoles(id, roles) => {
            people::update(rows, &[(*id, vec![UserChange::Roles(roles.clone())])], by)
        }
        CatalogueChange::UpdateUsers(updates) => people::update(rows, updates, by),
        CatalogueChange::LabelDevice { user, session, label, living } => {
            people::label_device(rows, *user, (*session, label.as_deref()), living)
        }
        CatalogueChange::AddApplication(application, client, subscriptions) => {
            applications::add(rows, (application, client.as_deref(), subscriptions), by)
        }
        CatalogueChange::UpdateApplication(update) => applications::update(rows, update, by),
        CatalogueChange::SetApplicationStatus(id, status) => {
            applications::set_status(rows, (*id, *status), by)
        }
        CatalogueChange::SetApplicationOwner(id, owner) => applications::set_owner(rows, (*id, *owner), by),
        CatalogueChange::SetApplicationTier(id, tier) => applications::set_tier(rows, (*id, tier), by),
        CatalogueChange::DeleteApplication(id) => applications::delete(rows, *id, by),
        CatalogueChange::AddClient(application, client) => keys::add(rows, (*application, client), by),
        CatalogueChange::UpdateClient(update) => keys::update(rows, update, by),
        CatalogueChange::MapClient { client, application, key_type } => {
            keys::map(rows, *client, (*application, *key_type), by)
        }
        CatalogueChange::RemoveClient(client) => keys::remove(rows, *client, by),
        CatalogueChange::RegenerateSecret { client, mac, sealed, overlap } => {
            keys::regenerate(rows, *client, (*mac, sealed), *overlap, by)
        }
        CatalogueChange::AddSecret(client, secret) => keys::add_secret(rows, *client, secret, by),
        CatalogueChange::RemoveSecret(client, secret) => keys::remove_secret(rows, (*client, *secret), by),
        CatalogueChange::RewrapSecret { client, from, to, sealed } => {
            keys::rewrap(rows, *client, (from, to), sealed)
        }
        CatalogueChange::PutApi(api) => published::put_api(rows, api, by),
        CatalogueChange::Governance(change) => governance::change(rows, change, by),
        CatalogueChange::Publisher(change) => publishing::change(rows, change, by),
        CatalogueChange::UpdateApi(update) => published::update_api(rows, update, by),
        CatalogueChange::SetApiState(id, state) => published::set_api_state(rows, (*id, *state), by),
        CatalogueChange::SetVersionRole(id, role) => published::set_version_role(rows, (*id, *role), by),
        CatalogueChange::SetAudiences(id, audiences) => published::set_audiences(rows, (*id, audiences), by),
        CatalogueChange::DeleteApi(id) => published::delete_api(rows, *id, by),
        CatalogueChange::SetSubscriptionState { application, api, state } => {
            published::set_subscription_state(rows, (*application, *api), *state, by)
        }
        CatalogueChange::Subscribe(subscription) => published::subscribe(rows, subscription, by),
        CatalogueChange::AddSubscription(subscription) => published::add_subscription(rows, subscription, by),
        CatalogueChange::UpdateSubscription(update) => published::update_subscription(rows, update, by),
        CatalogueChange::Unsubscribe { application, api } => {
            published::unsubscribe(rows, (*application, *api), by)
        }
        CatalogueChange::AddTier(tier) => published::add_tier(rows, tier, by),
        CatalogueChange::PutTier(tier) => published::put_tier(rows, tier, by),
        CatalogueChange::DeleteTier(level, name) => published::delete_tier(rows, (*level, name), by),
        CatalogueChange::AddNode(node) => published::add_node(rows, node, by),
        CatalogueChange::DeleteNode(name) => published::delete_node(rows, name, by),
        CatalogueChange::AddApiKey(key) => api_keys::add(rows, key, by),
        CatalogueChange::RegenerateApiKey(id) => api_keys::regenerate(rows, *id, by),
        CatalogueChange::RevokeApiKey(id) => api_keys::revoke(rows, *id, by),
        CatalogueChange::SetSchemes(id, schemes, header) => {
            published::set_schemes(rows, *id, (schemes, header), by)
        }
        CatalogueChange::Lifecycle(principal, event) => end_with(rows, *principal, *event, by),
    }
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
