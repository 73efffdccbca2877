//! Devices: each holds its own tokens, and can be ended by itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use latchkey_oauth::clock::Timestamp;
use latchkey_oauth::family::Family;
use latchkey_oauth::revocation::Selector;
use serde::{Deserialize, Serialize};

use super::text::moment;
use super::token::{Holder, end_all, living, look_up, user_name};
use super::usage::{self, SeenView};
use super::{AdminError, Reply, Result};
use crate::app::App;

/// What to do to devices.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// List a user's, through one application or all; an application's own and those of its users where no
    /// user is named.
    List(Holder),
    /// End everything of one.
    Revoke {
        /// Whose; both are given, or the application alone for its own devices.
        holder: Holder,
        /// The device, as the list shows it.
        device: String,
    },
}

/// A device.
#[derive(Debug, Serialize, Deserialize)]
pub struct DeviceView {
    /// Its name: its device scopes, or its binding.
    pub device: String,
    /// The application's name.
    pub application: String,
    /// The user's name; none for the application itself.
    pub user: Option<String>,
    /// How many token families it holds.
    pub families: u32,
    /// When its newest access token was issued.
    pub issued_at: String,
    /// When it was last seen at the gateway.
    pub last_seen: Option<SeenView>,
}

pub(super) async fn execute(app: &App, command: Command, actor: &str) -> Result<Reply> {
    match command {
        Command::List(holder) => list(app, &holder).await,
        Command::Revoke { holder, device } => revoke(app, &holder, &device, actor).await,
    }
}

async fn list(app: &App, holder: &Holder) -> Result<Reply> {
    usage::catch_up(app).await;
    let mut devices: BTreeMap<_, (u32, Timestamp, Arc<Family>)> = BTreeMap::new();
    for family in living(app, &look_up(app, holder).await?).await? {
        let Some(device) = family.device.0.clone() else { continue };
        let issued_at = family.access.issued_at;
        let key = (family.client, family.subject.id, device);
        let entry = devices.entry(key).or_insert((0, issued_at, family));
        entry.0 += 1;
        entry.1 = entry.1.max(issued_at);
    }
    let mut views = Vec::with_capacity(devices.len());
    for ((client, subject, device), (families, issued_at, family)) in devices {
        let user = if subject == client { None } else { Some(user_name(app, subject).await?) };
        let client = app.store.client_by_id(client).await?;
        views.push(DeviceView {
            device: device.to_string(),
            application: client.map(|facts| facts.application.name.clone()).unwrap_or_default(),
            user,
            families,
            issued_at: moment(issued_at),
            last_seen: usage::last_seen(app, &family).await?,
        });
    }
    Ok(Reply::Devices(views))
}

async fn revoke(app: &App, holder: &Holder, device: &str, actor: &str) -> Result<Reply> {
    let found = look_up(app, holder).await?;
    if found.application.is_none() {
        return Err(AdminError::wrong_use("through which application? give --app APP"));
    }
    let mut ended = 0;
    for client in &found.clients {
        let subject = found.user.unwrap_or(client.id);
        let selector = Selector::Device { client: client.id, subject, device: device.to_owned() };
        ended += end_all(app, selector, actor).await?;
    }
    match ended {
        0 => Err(AdminError::refused(format!(
            "there is no device {device:?}; `latchkey device list` shows their names"
        ))),
        _ => Ok(Reply::Done(format!("Device {device} has ended; other devices are untouched."))),
    }
}
