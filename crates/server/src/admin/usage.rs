//! What calls left behind: how much APIs were used, and when devices were last seen.

use std::collections::HashMap;
use std::net::IpAddr;

use latchkey_catalog::id::EntryId;
use latchkey_catalog::usage::Day;
use latchkey_oauth::family::{Device, Family};
use latchkey_oauth::id::{Bucket, PrincipalId};
use latchkey_store::records::{DeviceKey, Usage, UsageKey, UsageOf};
use latchkey_store::rows::HolderId;
use serde::{Deserialize, Serialize};

use super::application::{self, Reference};
use super::text::moment;
use super::token::user_name;
use super::{AdminError, PAGE, Page, Reply, Result, api};
use crate::app::App;

/// What to do about usage.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// List how much an application, or an API, was used, day by day.
    List {
        /// By whom, or what.
        of: Of,
        /// How many days; the present one counts.
        days: u32,
        /// The last of the page before, as [`Page::next`] says it.
        after: Option<String>,
    },
}

/// Usage by an application or of an API.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Of {
    /// By this application.
    Application(Reference),
    /// Of this API, `CONTEXT/VERSION`.
    Api(String),
}

/// How much one device used one API on one day.
#[derive(Debug, Serialize, Deserialize)]
pub struct UsageView {
    /// The day, in UTC.
    pub day: String,
    /// The API, `CONTEXT/VERSION`.
    pub api: String,
    /// The application's name; none where no token told it.
    pub application: Option<String>,
    /// The user's name; none for the application itself.
    pub user: Option<String>,
    /// The device.
    pub device: Option<String>,
    /// All calls.
    pub calls: u64,
    /// Refused for their token, subscription or scopes.
    pub denied: u64,
    /// Refused by a limit.
    pub limited: u64,
    /// Refused for their form, or because there is no such resource.
    pub unfit: u64,
    /// Not answered by the upstream as they should.
    pub failed: u64,
    /// How long all calls took together until the heads of their answers, in microseconds.
    pub micros: u64,
}

/// When, and from where, a device was last seen at the gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenView {
    /// When.
    pub at: String,
    /// From which address; none where that is not kept.
    pub address: Option<IpAddr>,
    /// With what `User-Agent`; none where that is not kept, or none came.
    pub user_agent: Option<String>,
}

/// The place in a listing after which it goes on.
#[derive(Serialize, Deserialize)]
struct Mark(i32, u16, EntryId, Option<EntryId>, Option<PrincipalId>, String);

pub(super) async fn execute(app: &App, command: Command) -> Result<Reply> {
    match command {
        Command::List { of, days, after } => list(app, &of, days, after.as_deref()).await,
    }
}

/// Puts into the store what the gateway's threads know until now, so that it is read with the rest.
pub(super) async fn catch_up(app: &App) {
    if let Err(problem) = app.recorder.flush(&app.store, app.now()).await {
        tracing::warn!(%problem, "the newest records of calls cannot be read yet");
    }
}

async fn list(app: &App, of: &Of, days: u32, after: Option<&str>) -> Result<Reply> {
    if days == 0 {
        return Err(AdminError::wrong_use("--days 0 is no time; give 1 for today"));
    }
    let of = match of {
        Of::Application(reference) => UsageOf::Application(application::find(app, reference).await?.id),
        Of::Api(path) => UsageOf::Api(api::find(app, path).await?.id),
    };
    let after = after.map(read_mark).transpose()?;
    if after.is_none() {
        catch_up(app).await;
    }
    let from = Day::of(app.now()).minus(days - 1);
    let found = app.store.usage(of, from, after, PAGE).await?;
    let is_full = found.len() == PAGE as usize;
    let next = found.last().filter(|_| is_full).map(|usage| write_mark(&usage.key));
    let paths = app.store.apis().await?.into_iter().map(|api| (api.id, api.path()));
    let mut names = Names { apis: paths.collect(), applications: HashMap::new() };
    let mut items = Vec::with_capacity(found.len());
    for usage in &found {
        items.push(names.view(app, usage).await?);
    }
    Ok(Reply::Usage(Page { items, next }))
}

/// Names looked up for one page.
struct Names {
    apis: HashMap<EntryId, String>,
    applications: HashMap<EntryId, String>,
}

impl Names {
    async fn view(&mut self, app: &App, usage: &Usage) -> Result<UsageView> {
        let (key, counts) = (&usage.key, &usage.counts);
        let application = match key.application {
            Some(id) => Some(self.application(app, id).await?),
            None => None,
        };
        let user = match key.subject {
            // A client's own calls have the client for their subject.
            Some(id) if app.store.client_by_id(id).await?.is_none() => Some(user_name(app, id).await?),
            Some(_) | None => None,
        };
        Ok(UsageView {
            day: key.day.to_string(),
            api: self.apis.get(&key.api).cloned().unwrap_or_else(|| format!("deleted, {}", key.api)),
            application,
            user,
            device: key.device.0.as_deref().map(str::to_owned),
            calls: counts.calls,
            denied: counts.denied,
            limited: counts.limited,
            unfit: counts.unfit,
            failed: counts.failed,
            micros: counts.micros,
        })
    }

    async fn application(&mut self, app: &App, id: EntryId) -> Result<String> {
        if let Some(name) = self.applications.get(&id) {
            return Ok(name.clone());
        }
        let found = app.store.application(id).await?;
        let name = found.map_or_else(|| format!("deleted, {id}"), |found| found.name);
        self.applications.insert(id, name.clone());
        Ok(name)
    }
}

fn write_mark(key: &UsageKey) -> String {
    let device = key.device.as_str().to_owned();
    let mark = Mark(key.day.number(), key.bucket.number(), key.api, key.application, key.subject, device);
    serde_json::to_string(&mark).expect("a mark is plain data")
}

fn read_mark(text: &str) -> Result<UsageKey> {
    let bad = || AdminError::wrong_use(format!("{text:?} is no place in a listing of usage"));
    let Mark(day, bucket, api, application, subject, device) =
        serde_json::from_str(text).map_err(|_| bad())?;
    Ok(UsageKey {
        day: Day::from_number(day),
        bucket: Bucket::new(bucket).ok_or_else(bad)?,
        api,
        application,
        subject,
        device: Device::from_stored(&device),
    })
}

/// When the device of a family was last seen.
pub(super) async fn last_seen(app: &App, family: &Family) -> Result<Option<SeenView>> {
    let device = DeviceKey { holder: HolderId::of(family), device: family.device.clone() };
    let found = app.store.last_seen(vec![device]).await?.pop().flatten();
    Ok(found.map(|sighting| SeenView {
        at: moment(sighting.at),
        address: sighting.address,
        user_agent: sighting.user_agent.map(String::from),
    }))
}
