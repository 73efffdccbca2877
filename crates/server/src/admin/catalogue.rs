//! Events, to look at.

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

pub(super) async fn events(app: &App, range: EventRange) -> Result<Reply> {
    let events = app.store.events(range.after, range.limit.min(PAGE)).await?;
    Ok(Reply::Events(events.iter().map(EventView::from).collect()))
}
