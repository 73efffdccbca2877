//! APIs and events, to look at.

use std::collections::{BTreeMap, BTreeSet};

use latchkey_catalog::api::Api;
use latchkey_catalog::id::EntryId;
use latchkey_oauth::id::PrincipalId;
use latchkey_store::rows::StoredEvent;
use serde::{Deserialize, Serialize};

use super::text::moment;
use super::token::family_name;
use super::{PAGE, Reply, Result};
use crate::app::App;

/// Which events.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct EventRange {
    /// The number that they follow.
    pub after: u64,
    /// The most to give, and no more than a page.
    pub limit: u32,
}

/// An API.
#[derive(Debug, Serialize, Deserialize)]
pub struct ApiView {
    /// Its id.
    pub id: EntryId,
    /// Its name.
    pub name: String,
    /// The path before the version.
    pub context: String,
    /// The version.
    pub version: String,
    /// Its resources, `METHOD TEMPLATE`.
    pub resources: Vec<String>,
    /// Its scopes, each with the roles that may have it.
    pub scopes: BTreeMap<String, BTreeSet<String>>,
}

impl From<&Api> for ApiView {
    fn from(api: &Api) -> Self {
        let resource = |one: &latchkey_catalog::api::Resource| format!("{} {}", one.method, one.template);
        Self {
            id: api.id,
            name: api.name.clone(),
            context: api.context.clone(),
            version: api.version.clone(),
            resources: api.definition.resources.iter().map(resource).collect(),
            scopes: api.definition.scopes.clone(),
        }
    }
}

/// An event of the log.
#[derive(Debug, Serialize, Deserialize)]
pub struct EventView {
    /// Its number.
    pub seq: u64,
    /// When it happened.
    pub at: String,
    /// What happened.
    pub kind: String,
    /// Why tokens ended.
    pub reason: Option<String>,
    /// The client concerned.
    pub client: Option<PrincipalId>,
    /// The subject concerned.
    pub subject: Option<PrincipalId>,
    /// The family concerned, as `token revoke --family` takes it.
    pub family: Option<String>,
    /// Who did it, where it was not the client or user concerned.
    pub actor: Option<String>,
}

impl From<&StoredEvent> for EventView {
    fn from(stored: &StoredEvent) -> Self {
        let event = &stored.event;
        Self {
            seq: stored.position.seq,
            at: moment(event.at),
            kind: event.kind.as_str().to_owned(),
            reason: event.reason.map(|reason| reason.as_str().to_owned()),
            client: event.client,
            subject: event.subject,
            family: event.family.map(|mark| family_name(mark.bucket, mark.id)),
            actor: event.actor.clone(),
        }
    }
}

pub(super) async fn apis(app: &App) -> Result<Reply> {
    Ok(Reply::Apis(app.store.apis().await?.iter().map(ApiView::from).collect()))
}

pub(super) async fn events(app: &App, range: EventRange) -> Result<Reply> {
    let events = app.store.events(range.after, range.limit.min(PAGE)).await?;
    Ok(Reply::Events(events.iter().map(EventView::from).collect()))
}
