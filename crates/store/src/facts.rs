//! What the rules need to know, gathered from rows.

use std::collections::BTreeSet;
use std::sync::Arc;

use latchkey_catalog::api::known_scopes;
use latchkey_catalog::application::Application;
use latchkey_catalog::subscription::Subscription;
use latchkey_catalog::user::User;
use latchkey_oauth::client::Client;
use latchkey_oauth::family::{Epochs, Family};
use latchkey_oauth::id::PrincipalId;
use latchkey_oauth::scope::KnownScopes;

use crate::Result;
use crate::rows::Read;

/// A client with what tokens for it depend on.
#[derive(Debug, Clone)]
pub struct ClientFacts {
    /// The client.
    pub client: Client,
    /// Its epoch.
    pub epoch: u64,
    /// Its application.
    pub application: Application,
    /// The roles of the application's owner; none where the owner is gone.
    pub owner_roles: BTreeSet<String>,
    /// The epoch of the owner, under which the roles are those; none where the owner is gone.
    pub owner_epoch: Option<u64>,
    /// The scopes of the APIs that the application subscribes to.
    pub known_scopes: KnownScopes,
    /// The application's subscriptions, each for another API.
    pub subscriptions: Vec<Subscription>,
}

/// A user with the user's epoch.
#[derive(Debug, Clone)]
pub struct UserFacts {
    /// The user.
    pub user: User,
    /// The epoch.
    pub epoch: u64,
}

/// A family with the epochs that now hold; none where its client or subject is gone.
#[derive(Debug, Clone)]
pub struct HeldFamily {
    /// The family.
    pub family: Arc<Family>,
    /// The epochs of its client and subject.
    pub epochs: Option<Epochs>,
}

/// Gathers the facts of a client row.
pub(crate) fn of_client(rows: &mut dyn Read, client: Client) -> Result<Option<ClientFacts>> {
    let Some(epoch) = rows.epoch(client.id)? else { return Ok(None) };
    let Some(application) = rows.application_of(client.id)? else { return Ok(None) };
    let owner_roles = rows.user(application.owner)?.map(|owner| owner.roles).unwrap_or_default();
    let owner_epoch = rows.epoch(application.owner)?;
    let mut apis = Vec::new();
    let subscriptions = rows.subscriptions_of(application.id)?;
    for subscription in &subscriptions {
        apis.extend(rows.api(subscription.api)?);
    }
    let known_scopes = known_scopes(&apis);
    Ok(Some(ClientFacts {
        client,
        epoch,
        application,
        owner_roles,
        owner_epoch,
        known_scopes,
        subscriptions,
    }))
}

/// Gathers the facts of a user row.
pub(crate) fn of_user(rows: &mut dyn Read, user: User) -> Result<Option<UserFacts>> {
    Ok(rows.epoch(user.id)?.map(|epoch| UserFacts { user, epoch }))
}

/// The epochs that now hold for a client and a subject, which are one for an application's own tokens.
pub(crate) fn epochs(
    rows: &mut dyn Read,
    client: PrincipalId,
    subject: PrincipalId,
) -> Result<Option<Epochs>> {
    let Some(of_client) = rows.epoch(client)? else { return Ok(None) };
    let of_subject = if subject == client { Some(of_client) } else { rows.epoch(subject)? };
    Ok(of_subject.map(|subject| Epochs { client: of_client, subject }))
}
