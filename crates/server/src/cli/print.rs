//! What came of a command, on standard output: tables and sentences for people, JSON for programs.

mod api_keys;
mod limits;
mod published;
mod usage;

use std::io::Write;

use serde::Serialize;
use serde_json::{Value, json};

use super::table::Table;
use super::words::Shown;
use crate::admin::api::ApiView;
use crate::admin::application::{ConsumerKeys, Created, Detail, Summary};
use crate::admin::catalogue::EventView;
use crate::admin::device::DeviceView;
use crate::admin::explanation::ExplanationView;
use crate::admin::key::KeyListing;
use crate::admin::subscription::SubscriptionView;
use crate::admin::token::{FamilyView, TokenView};
use crate::admin::usage::UsageView;
use crate::admin::user::UserView;
use crate::admin::{AdminError, Page, Reply, Result};

/// For whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// People.
    Text,
    /// Programs.
    Json,
}

/// Gathers the pages of a listing, so that JSON is one array and columns are aligned throughout.
#[derive(Debug)]
pub(super) struct Printer {
    form: Form,
    gathered: Option<Gathered>,
}

#[derive(Debug)]
enum Gathered {
    Users(Vec<UserView>),
    Applications(Vec<Summary>),
    Apis(Vec<ApiView>),
    Subscriptions(Vec<SubscriptionView>),
    Usage(Vec<UsageView>),
    Events(Vec<EventView>),
}

impl Printer {
    pub(super) const fn new(form: Form) -> Self {
        Self { form, gathered: None }
    }

    /// Takes a reply; says what a further page is to follow.
    pub(super) fn take(&mut self, reply: Reply) -> Result<Shown> {
        let (shown, gathered) = match (reply, self.gathered.take()) {
            (Reply::Users(Page { items, next }), gathered) => {
                let mut all = if let Some(Gathered::Users(all)) = gathered { all } else { Vec::new() };
                all.extend(items);
                (next.map_or(Shown::All, Shown::More), Gathered::Users(all))
            }
            (Reply::Applications(Page { items, next }), gathered) => {
                let mut all = if let Some(Gathered::Applications(all)) = gathered { all } else { Vec::new() };
                all.extend(items);
                (next.map_or(Shown::All, Shown::More), Gathered::Applications(all))
            }
            (Reply::Apis(Page { items, next }), gathered) => {
                let mut all = if let Some(Gathered::Apis(all)) = gathered { all } else { Vec::new() };
                all.extend(items);
                (next.map_or(Shown::All, Shown::More), Gathered::Apis(all))
            }
            (Reply::Subscriptions(Page { items, next }), gathered) => {
                let mut all =
                    if let Some(Gathered::Subscriptions(all)) = gathered { all } else { Vec::new() };
                all.extend(items);
                (next.map_or(Shown::All, Shown::More), Gathered::Subscriptions(all))
            }
            (Reply::Usage(Page { items, next }), gathered) => {
                let mut all = if let Some(Gathered::Usage(all)) = gathered { all } else { Vec::new() };
                all.extend(items);
                (next.map_or(Shown::All, Shown::More), Gathered::Usage(all))
            }
            (Reply::Events(items), gathered) => {
                let mut all = if let Some(Gathered::Events(all)) = gathered { all } else { Vec::new() };
                let count = u32::try_from(items.len()).unwrap_or(u32::MAX);
                let last = items.last().map(|event| event.seq);
                all.extend(items);
                (Shown::Events { count, last }, Gathered::Events(all))
            }
            (reply, _) => {
                write(&render(self.form, &reply))?;
                return Ok(Shown::All);
            }
        };
        self.gathered = Some(gathered);
        Ok(shown)
    }

    /// Prints what was gathered.
    pub(super) fn finish(self) -> Result<()> {
        let text = match (self.form, self.gathered) {
            (_, None) => return Ok(()),
            (Form::Json, Some(Gathered::Users(all))) => pretty(&all),
            (Form::Json, Some(Gathered::Applications(all))) => pretty(&all),
            (Form::Json, Some(Gathered::Apis(all))) => pretty(&all),
            (Form::Json, Some(Gathered::Subscriptions(all))) => pretty(&all),
            (Form::Json, Some(Gathered::Usage(all))) => pretty(&all),
            (Form::Json, Some(Gathered::Events(all))) => pretty(&all),
            (Form::Text, Some(Gathered::Users(all))) => users(&all),
            (Form::Text, Some(Gathered::Applications(all))) => applications(&all),
            (Form::Text, Some(Gathered::Apis(all))) => published::apis(&all),
            (Form::Text, Some(Gathered::Subscriptions(all))) => published::subscriptions(&all),
            (Form::Text, Some(Gathered::Usage(all))) => usage::usage(&all),
            (Form::Text, Some(Gathered::Events(all))) => events(&all),
        };
        write(&text)
    }
}

/// Writes to standard output. A reader who has seen enough is no error.
pub(super) fn write(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(AdminError::failed(format!("standard output cannot be written: {error}")))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Indented JSON with a line end.
pub(super) fn pretty(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).expect("replies are plain data") + "\n"
}

fn render(form: Form, reply: &Reply) -> String {
    match form {
        Form::Json => json_of(reply),
        Form::Text => text_of(reply),
    }
}

fn json_of(reply: &Reply) -> String {
    match reply {
        Reply::Done(sentence) => pretty(&json!({ "done": sentence })),
        Reply::User(user) => pretty(user),
        Reply::Users(page) => pretty(&page.items),
        Reply::Created(created) => pretty(created),
        Reply::Application(detail) => pretty(detail),
        Reply::Applications(page) => pretty(&page.items),
        Reply::ConsumerKeys(keys) => pretty(keys),
        Reply::Token(view) => pretty(view),
        Reply::Explanation(view) => pretty(view),
        Reply::Families(families) => pretty(families),
        Reply::Issued(answer) => pretty(answer),
        Reply::Devices(devices) => pretty(devices),
        Reply::Keys(listing) => pretty(listing),
        Reply::Api(api) => pretty(api),
        Reply::Document(document) => pretty(document),
        Reply::Imported(imported) => pretty(imported),
        Reply::Apis(page) => pretty(&page.items),
        Reply::ApiKey(shown) => pretty(shown),
        Reply::ApiKeys(keys) => pretty(keys),
        Reply::Subscriptions(page) => pretty(&page.items),
        Reply::Usage(page) => pretty(&page.items),
        Reply::NodeCreated(created) => pretty(created),
        Reply::Nodes(nodes) => pretty(nodes),
        Reply::Tiers(tiers) => pretty(tiers),
        Reply::Limits(listing) => pretty(&listing.limits),
        Reply::TakenOver(taken) => pretty(taken),
        Reply::Events(events) => pretty(events),
    }
}

fn text_of(reply: &Reply) -> String {
    match reply {
        Reply::Done(sentence) => format!("{sentence}\n"),
        Reply::User(user) => users(std::slice::from_ref(user)),
        Reply::Users(page) => users(&page.items),
        Reply::Created(created) => created_text(created),
        Reply::Application(detail) => detail_text(detail),
        Reply::Applications(page) => applications(&page.items),
        Reply::ConsumerKeys(keys) => consumer_keys(keys),
        Reply::Token(view) => token_text(view),
        Reply::Explanation(view) => explanation_text(view),
        Reply::Families(list) => families(list),
        Reply::Issued(answer) => {
            format!("{}\n", answer.get("access_token").and_then(Value::as_str).unwrap_or_default())
        }
        Reply::Devices(list) => devices(list),
        Reply::Keys(listing) => key_text(listing),
        Reply::Api(api) => published::api(api),
        Reply::Document(document) => pretty(document),
        Reply::Imported(imported) => published::imported(imported),
        Reply::Apis(page) => published::apis(&page.items),
        Reply::ApiKey(shown) => api_keys::shown(shown),
        Reply::ApiKeys(keys) => api_keys::list(keys),
        Reply::Subscriptions(page) => published::subscriptions(&page.items),
        Reply::Usage(page) => usage::usage(&page.items),
        Reply::NodeCreated(created) => published::node_created(created),
        Reply::Nodes(list) => published::nodes(list),
        Reply::Tiers(list) => limits::tiers(list),
        Reply::Limits(listing) => limits::limits(listing),
        Reply::TakenOver(taken) => format!("{} entries.\n", taken.outcomes.len()),
        Reply::Events(list) => events(list),
    }
}

fn joined<'a>(words: impl IntoIterator<Item = &'a String>) -> String {
    words.into_iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

fn or_dash(text: Option<&String>) -> String {
    text.map_or_else(|| "-".to_owned(), Clone::clone)
}

fn users(users: &[UserView]) -> String {
    let mut table = Table::new(&["name", "state", "roles", "created", "id"]);
    for user in users {
        table.row([
            user.name.clone(),
            user.state.as_str().to_owned(),
            joined(&user.roles),
            user.created_at.clone(),
            user.id.to_string(),
        ]);
    }
    table.render("There are no users.")
}

fn created_text(created: &Created) -> String {
    let secret = created.consumer_secret.0.expose();
    format!(
        "Application {} is registered.\n  id               {}\n  consumer key     {}\n  consumer secret  {secret}\n",
        created.name, created.id, created.consumer_key
    )
}

fn applications(applications: &[Summary]) -> String {
    let mut table = Table::new(&["name", "owner", "tier", "created", "id"]);
    for one in applications {
        table.row([
            one.name.clone(),
            one.owner.clone(),
            one.tier.clone(),
            one.created_at.clone(),
            one.id.to_string(),
        ]);
    }
    table.render("There are no applications.")
}

fn detail_text(detail: &Detail) -> String {
    let mut out = applications(std::slice::from_ref(&detail.summary));
    for key in &detail.keys {
        let grants: Vec<&str> = key.grants.iter().map(|grant| grant.as_str()).collect();
        let life = |seconds: i64| {
            if seconds < 0 { "never expires".to_owned() } else { format!("{seconds} s") }
        };
        let lines = [
            ("consumer key", key.consumer_key.clone()),
            ("key type", key.key_type.as_str().to_owned()),
            ("grants", grants.join(", ")),
            ("token format", key.token_format.as_str().to_owned()),
            ("application validity", life(key.application_validity)),
            ("user validity", life(key.user_validity)),
            ("refresh validity", life(key.refresh_validity)),
        ];
        out.push('\n');
        out.extend(lines.map(|(name, value)| format!("  {name:22}{value}\n")));
    }
    out
}

fn consumer_keys(keys: &[ConsumerKeys]) -> String {
    let mut table = Table::new(&["key type", "consumer key", "consumer secret"]);
    for key in keys {
        let secret = key.consumer_secret.0.expose().to_owned();
        table.row([key.key_type.as_str().to_owned(), key.consumer_key.clone(), secret]);
    }
    table.render("The application has no keys.")
}

fn token_text(view: &TokenView) -> String {
    let state = if view.active { "active" } else { "not active" };
    let mut out = format!("{state}: {}\n", view.explanation);
    let Some(family) = &view.family else { return out };
    let lines = [
        ("kind", or_dash(view.kind.as_ref())),
        ("application", family.application.clone()),
        ("consumer key", family.consumer_key.clone()),
        ("user", or_dash(family.user.as_ref())),
        ("device", or_dash(family.device.as_ref())),
        ("scope", family.scope.clone()),
        ("access token issued", family.issued_at.clone()),
        ("access token ends", family.expires_at.clone()),
        ("refresh token ends", or_dash(family.refresh_expires_at.as_ref())),
        ("device last seen", usage::seen(family.last_seen.as_ref()).join(" from ")),
        ("family", family.family.clone()),
    ];
    out.extend(lines.map(|(name, value)| format!("  {name:22}{value}\n")));
    out
}

fn explanation_text(view: &ExplanationView) -> String {
    let caller = view.caller.as_ref();
    let lines = [
        ("answered", Some(format!("{} with code {}, at {}", view.status, view.code, view.at))),
        ("node", view.node.clone()),
        ("api", view.api.clone()),
        ("resource", view.resource.clone()),
        ("calls pass again", view.until.clone()),
        ("application", caller.map(|caller| caller.application.clone())),
        ("consumer key", caller.and_then(|caller| caller.consumer_key.clone())),
        ("API key", caller.and_then(|caller| caller.api_key.clone())),
        ("user", caller.and_then(|caller| caller.user.clone())),
        ("device", caller.and_then(|caller| caller.device.clone())),
        ("family", caller.and_then(|caller| caller.family.clone())),
    ];
    let mut out = format!("{}\n{}\n", view.rule, view.fix);
    out.extend(lines.iter().map(|(name, value)| format!("  {name:22}{}\n", or_dash(value.as_ref()))));
    out
}

fn families(families: &[FamilyView]) -> String {
    let mut table = Table::new(&[
        "user",
        "application",
        "device",
        "scope",
        "issued",
        "ends",
        "last seen",
        "from",
        "family",
    ]);
    for family in families {
        let [at, from] = usage::seen(family.last_seen.as_ref());
        table.row([
            or_dash(family.user.as_ref()),
            family.application.clone(),
            or_dash(family.device.as_ref()),
            family.scope.clone(),
            family.issued_at.clone(),
            family.expires_at.clone(),
            at,
            from,
            family.family.clone(),
        ]);
    }
    table.render("There are no living tokens.")
}

fn devices(devices: &[DeviceView]) -> String {
    let mut table = Table::new(&["device", "user", "application", "tokens", "issued", "last seen", "from"]);
    for device in devices {
        let [at, from] = usage::seen(device.last_seen.as_ref());
        table.row([
            device.device.clone(),
            or_dash(device.user.as_ref()),
            device.application.clone(),
            device.families.to_string(),
            device.issued_at.clone(),
            at,
            from,
        ]);
    }
    table.render("There are no devices with living tokens.")
}

fn key_text(listing: &KeyListing) -> String {
    let mut table = Table::new(&["kind", "key", "state", "algorithm", "created"]);
    for key in &listing.signing {
        table.row([
            "signing".to_owned(),
            key.kid.clone(),
            key.state.clone(),
            key.algorithm.clone(),
            key.created_at.clone(),
        ]);
    }
    let newest = listing.master.iter().map(|key| key.number).max();
    for key in &listing.master {
        let state = if Some(key.number) == newest { "active" } else { "accepted" };
        table.row([
            "master".to_owned(),
            key.number.to_string(),
            state.to_owned(),
            "HMAC-SHA-256".to_owned(),
            key.created_at.clone(),
        ]);
    }
    table.render("There are no keys.")
}

fn events(events: &[EventView]) -> String {
    let mut table = Table::new(&["number", "at", "event", "reason", "client", "subject", "family", "actor"]);
    for event in events {
        table.row([
            event.seq.to_string(),
            event.at.clone(),
            event.kind.clone(),
            or_dash(event.reason.as_ref()),
            or_dash(event.client.map(|id| id.to_string()).as_ref()),
            or_dash(event.subject.map(|id| id.to_string()).as_ref()),
            or_dash(event.family.as_ref()),
            or_dash(event.actor.as_ref()),
        ]);
    }
    table.render("There are no events after that number.")
}
