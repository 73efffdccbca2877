//! Sign-ins of a user: what the user holds, device by device, and its end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use latchkey_catalog::application::Application;
use latchkey_oauth::clock::Timestamp;
use latchkey_oauth::family::{Device, Expiry, Family};
use latchkey_oauth::id::PrincipalId;
use latchkey_oauth::revocation::{Reason, Selector};
use latchkey_oauth::session::SessionId;
use latchkey_store::records::{DeviceKey, Sighting};
use latchkey_store::rows::HolderId;
use latchkey_store::unit::{CatalogueChange, ChangeRefused, Ending};

use super::token::{Found, living};
use super::{AdminError, Result, change, usage};
use crate::app::App;

/// The longest label of a device, in characters.
const MAX_LABEL: usize = 100;

/// One sign-in of a user.
#[derive(Debug)]
pub struct Session {
    /// Its name.
    pub id: SessionId,
    /// The application.
    pub application: Application,
    /// The client.
    pub client: PrincipalId,
    /// The consumer key.
    pub consumer_key: String,
    /// The device, where the tokens name one.
    pub device: Device,
    /// Everything that its tokens allow.
    pub scopes: BTreeSet<String>,
    /// When it began, as far as known.
    pub signed_in_at: Timestamp,
    /// When it was last in use, as far as known.
    pub seen_at: Timestamp,
    /// The last sight of it, where there was one.
    pub sighting: Option<Sighting>,
    /// When its last token ends.
    pub expires: Expiry,
    /// How the user calls it.
    pub label: Option<String>,
    families: Vec<Arc<Family>>,
}

/// The sign-ins of a user, the last used first.
pub async fn of_user(app: &App, user: PrincipalId) -> Result<Vec<Session>> {
    usage::catch_up(app).await;
    let holder = Found { user: Some(user), application: None, clients: Vec::new() };
    let mut groups: BTreeMap<SessionId, Vec<Arc<Family>>> = BTreeMap::new();
    for family in living(app, &holder).await? {
        groups.entry(SessionId::of(&family)).or_default().push(family);
    }
    let key = |families: &Vec<Arc<Family>>| {
        let first = &families[0];
        DeviceKey { holder: HolderId::of(first), device: first.device.clone() }
    };
    let sightings = app.store.last_seen(groups.values().map(key).collect()).await?;
    let mut labels = app.store.labels(user).await?;
    let mut sessions = Vec::with_capacity(groups.len());
    for ((id, families), sighting) in groups.into_iter().zip(sightings) {
        let label = labels.remove(&id);
        sessions.extend(session(app, (id, families), (sighting, label)).await?);
    }
    sessions.sort_by_key(|session| (std::cmp::Reverse(session.seen_at), session.id));
    Ok(sessions)
}

/// Nothing where the application was deleted meanwhile.
async fn session(
    app: &App,
    (id, families): (SessionId, Vec<Arc<Family>>),
    (sighting, label): (Option<Sighting>, Option<String>),
) -> Result<Option<Session>> {
    let Some(client) = app.store.client_by_id(families[0].client).await? else { return Ok(None) };
    let issued = |family: &Arc<Family>| {
        let refresh = family.refresh.map_or(family.access.issued_at, |refresh| refresh.issued_at);
        family.access.issued_at.min(refresh)
    };
    let first = families.iter().map(issued).min().unwrap_or_default();
    let last = families.iter().map(|family| family.access.issued_at).max().unwrap_or_default();
    let device = families[0].device.clone();
    // Tokens without a device share one sighting, which may be of an earlier sign-in.
    let known_since = sighting.as_ref().filter(|_| device.0.is_some()).map(|sighting| sighting.first_at);
    let expires = families.iter().map(|family| {
        let access = family.access.expires;
        family.refresh.map_or(access, |refresh| access.max(refresh.expires))
    });
    let scopes = families.iter().flat_map(|family| family.scope.as_str().split_whitespace());
    Ok(Some(Session {
        id,
        application: client.application.clone(),
        client: client.client.id,
        consumer_key: client.client.consumer_key.clone(),
        scopes: scopes.map(str::to_owned).collect(),
        signed_in_at: known_since.map_or(first, |known| known.min(first)),
        seen_at: sighting.as_ref().map_or(last, |sighting| sighting.at.max(last)),
        sighting,
        expires: expires.max().unwrap_or(Expiry::Never),
        label,
        device,
        families,
    }))
}

/// Who ends something, and why.
#[derive(Debug, Clone, Copy)]
pub struct By<'a> {
    /// The name, as the event log keeps it.
    pub actor: &'a str,
    /// Why.
    pub reason: Reason,
}

/// Ends these sign-ins of a user, and leaves the others alone.
pub async fn end(app: &App, user: PrincipalId, sessions: &[&Session], by: By<'_>) -> Result<()> {
    for session in sessions {
        if session.device.0.is_some() {
            let device = session.device.as_str().to_owned();
            end_selected(app, Selector::Device { client: session.client, subject: user, device }, by).await?;
            continue;
        }
        for family in &session.families {
            end_selected(app, Selector::Family { bucket: family.bucket, id: family.id }, by).await?;
        }
    }
    Ok(())
}

/// Ends everything that `selector` names.
pub async fn end_selected(app: &App, selector: Selector, by: By<'_>) -> Result<()> {
    let ending = Ending { selector, reason: by.reason, actor: Some(by.actor.to_owned()) };
    app.store.end(ending).await?;
    app.metrics.revoked();
    Ok(())
}

/// Calls one of a user's sign-ins by another name; an empty one is none.
pub async fn label(app: &App, user: PrincipalId, (id, label): (SessionId, &str), actor: &str) -> Result<()> {
    let label = label.trim();
    if label.chars().count() > MAX_LABEL || label.chars().any(char::is_control) {
        return Err(AdminError::wrong_use(format!(
            "a label has at most {MAX_LABEL} characters, and no control character"
        )));
    }
    let living = of_user(app, user).await?.into_iter().map(|session| session.id).collect();
    let label = (!label.is_empty()).then(|| label.to_owned());
    match change(app, CatalogueChange::LabelDevice { user, session: id, label, living }, actor).await? {
        Ok(()) => Ok(()),
        Err(ChangeRefused::NotFound) => Err(AdminError::refused("there is no such device")),
        Err(refused) => Err(AdminError::refused(refused.to_string())),
    }
}
