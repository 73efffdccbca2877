//! Data-driven checks: a request template and what the answer must be, one row each, in `data/*.toml`.
//!
//! Placeholders in `query`, `body` and header values stand for facts of the running server, form-encoded:
//! `{key}` `{secret}` (the demo application), `{other_key}` `{other_secret}` (another one), `{user}`
//! `{password}` (alice), `{admin}` `{admin_password}`, and, freshly issued for the row, `{access}`
//! `{refresh}` (alice's pair), `{application_token}`. `{basic}` is the demo application's Basic credential.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;

use crate::client::{Application, State};
use crate::report::Report;
use crate::server::Server;
use crate::wire::{Reply, Request, short};

/// A file of checks.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// The rows.
    case: Vec<Case>,
}

/// One row.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// The number in the security reference, or the paragraph (`input`).
    id: String,
    /// What must hold, in a few words.
    says: String,
    #[serde(default = "post")]
    method: String,
    /// Path below the server's root.
    path: String,
    query: Option<String>,
    /// Who authenticates by Basic.
    #[serde(default, rename = "as")]
    caller: Caller,
    /// Further headers; they come after `Authorization`.
    #[serde(default)]
    headers: Vec<(String, String)>,
    #[serde(default = "form_type")]
    content_type: String,
    body: Option<String>,
    /// A text appended to the body, and how often.
    pad: Option<(String, usize)>,
    /// Any of these statuses is right.
    status: Vec<u16>,
    /// The `error` member of the answer.
    error: Option<String>,
    /// Other members of the answer, by name.
    #[serde(default)]
    members: BTreeMap<String, toml::Value>,
    /// Members that must not be there.
    #[serde(default)]
    lacks: Vec<String>,
    /// Answer headers and a text that each must hold.
    #[serde(default)]
    answers: BTreeMap<String, String>,
    /// The state of `{access}` afterwards.
    afterwards: Option<Afterwards>,
}

#[derive(Debug, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
enum Caller {
    #[default]
    Client,
    Other,
    Admin,
    User,
    Nobody,
}

#[derive(Debug, Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Afterwards {
    Active,
    Inactive,
}

fn post() -> String {
    "POST".to_owned()
}

fn form_type() -> String {
    "application/x-www-form-urlencoded".to_owned()
}

impl Table {
    /// Reads a table.
    pub fn read(text: &str) -> Result<Self> {
        let table: Self = toml::from_str(text).context("a table of checks")?;
        ensure!(!table.case.is_empty(), "a table without checks");
        Ok(table)
    }

    /// Runs every row against `server`; `other` is an application that must not reach the demo one's tokens.
    pub fn run(&self, server: &Server, other: &Application, report: &mut Report) {
        for case in &self.case {
            report.check(&case.id, &case.says, || case.run(server, other));
        }
    }
}

impl Case {
    fn run(&self, server: &Server, other: &Application) -> Result<()> {
        let facts = self.facts(server, other)?;
        let request = self.request(server, other, &facts)?;
        let reply = server.client.send(&request)?;
        self.judge(&reply)?;
        manners(&reply)?;
        if let Some(expected) = self.afterwards {
            let access = &facts.get("access").context("`afterwards` without {access}")?;
            let expected = match expected {
                Afterwards::Active => State::Active,
                Afterwards::Inactive => State::Inactive,
            };
            server.client.expect_state("{access}", access, expected)?;
        }
        Ok(())
    }

    fn facts(&self, server: &Server, other: &Application) -> Result<BTreeMap<&'static str, String>> {
        let (demo, client) = (&server.demo, &server.client);
        let application = &demo.application;
        let mut facts = BTreeMap::from([
            ("key", application.key.clone()),
            ("secret", application.secret.clone()),
            ("other_key", other.key.clone()),
            ("other_secret", other.secret.clone()),
            ("user", demo.user.username.clone()),
            ("password", demo.user.password.clone()),
            ("admin", demo.admin.username.clone()),
            ("admin_password", demo.admin.password.clone()),
            ("basic", BASE64_STANDARD.encode(format!("{}:{}", application.key, application.secret))),
        ]);
        if self.mentions("{access}") || self.mentions("{refresh}") || self.afterwards.is_some() {
            let pair = client.sign_in(application, &demo.user, &format!("openid {}", client.new_device()))?;
            facts.insert("refresh", pair.refresh()?.to_owned());
            facts.insert("access", pair.access);
        }
        if self.mentions("{application_token}") {
            facts.insert("application_token", client.issue(application, &client.new_device())?.access);
        }
        Ok(facts)
    }

    fn mentions(&self, placeholder: &str) -> bool {
        let texts = self.headers.iter().map(|(_, value)| value);
        texts.chain(&self.body).chain(&self.query).any(|text| text.contains(placeholder))
    }

    fn request(
        &self,
        server: &Server,
        other: &Application,
        facts: &BTreeMap<&str, String>,
    ) -> Result<Request> {
        let target = match &self.query {
            Some(query) => format!("{}?{}", self.path, fill(query, facts, encoded)?),
            None => self.path.clone(),
        };
        let mut request = Request::new(&self.method, &target);
        request = match self.caller {
            Caller::Client => request.basic(&server.demo.application.key, &server.demo.application.secret),
            Caller::Other => request.basic(&other.key, &other.secret),
            Caller::Admin => request.basic(&server.demo.admin.username, &server.demo.admin.password),
            Caller::User => request.basic(&server.demo.user.username, &server.demo.user.password),
            Caller::Nobody => request,
        };
        for (name, value) in &self.headers {
            request = request.header(name, &fill(value, facts, str::to_owned)?);
        }
        let Some(body) = &self.body else { return Ok(request) };
        let mut body = fill(body, facts, encoded)?;
        if let Some((text, times)) = &self.pad {
            body.push_str(&text.repeat(*times));
        }
        if !self.content_type.is_empty() {
            request = request.header("Content-Type", &self.content_type);
        }
        Ok(request.body(body.as_bytes()))
    }

    fn judge(&self, reply: &Reply) -> Result<()> {
        let text = short(&reply.text());
        ensure!(
            self.status.contains(&reply.status),
            "status {}, not {:?}: {text}",
            reply.status,
            self.status
        );
        if let Some(error) = &self.error {
            reply.refused(reply.status, error)?;
        }
        for (name, value) in &self.members {
            let expected = serde_json::to_value(value)?;
            let body = reply.json()?;
            ensure!(body[name] == expected, "{name} is {}, not {expected}: {text}", body[name]);
        }
        for name in &self.lacks {
            ensure!(reply.json()?.get(name).is_none(), "the answer must not have {name}: {text}");
        }
        for (name, part) in &self.answers {
            let value = reply.header(name).with_context(|| format!("no header {name}"))?;
            let holds = value.to_ascii_lowercase().contains(&part.to_ascii_lowercase());
            ensure!(holds, "header {name} is {value:?} and does not hold {part:?}");
        }
        Ok(())
    }
}

fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// Puts `facts`, written by `write`, in the place of `{name}`.
fn fill(text: &str, facts: &BTreeMap<&str, String>, write: impl Fn(&str) -> String) -> Result<String> {
    let mut filled = text.to_owned();
    for (name, value) in facts {
        filled = filled.replace(&format!("{{{name}}}"), &write(value));
    }
    if let Some(start) = filled.find('{')
        && let Some(end) = filled[start..].find('}')
        && filled[start + 1..start + end].chars().all(|c| c.is_ascii_lowercase() || c == '_')
    {
        bail!("unknown placeholder {}", &filled[start..=start + end]);
    }
    Ok(filled)
}

/// What every answer owes, whatever was asked: no server error, and an error body as RFC 6749 section 5.2
/// writes it: JSON, not stored, a description of plain characters only (C022).
pub fn manners(reply: &Reply) -> Result<()> {
    let text = short(&reply.text());
    ensure!(reply.status < 500, "status {}: {text}", reply.status);
    let Ok(body) = reply.json() else { return Ok(()) };
    if body.get("error").is_none() {
        return Ok(());
    }
    let kind = reply.header("content-type").unwrap_or_default();
    ensure!(kind.starts_with("application/json"), "an error of content type {kind:?}");
    let store = reply.header("cache-control").unwrap_or_default();
    ensure!(store.contains("no-store"), "an error with Cache-Control {store:?}");
    for name in ["error", "error_description"] {
        let said = body[name].as_str().unwrap_or_default();
        let plain = |c: char| matches!(c, ' '..='~') && !matches!(c, '"' | '\\');
        ensure!(said.chars().all(plain), "{name} has characters outside %x20-21/23-5B/5D-7E: {said:?}");
    }
    Ok(())
}

/// A test for each table of `data/`, told by the function that is named first.
#[macro_export]
macro_rules! tables {
    ($run:ident: $($name:ident => $file:literal),* $(,)?) => {
        $(#[test]
        fn $name() -> anyhow::Result<()> {
            $run(include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/data/", $file)))
        })*
    };
}

#[cfg(test)]
mod tests;
