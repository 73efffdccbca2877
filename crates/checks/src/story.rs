//! Stories told in data: several requests in order, with what each answer must be and what is kept of it for the
//! next, in `data/rest-*.toml`.
//!
//! `{name}` in a path, a header, a body or an expectation stands for what was kept under that name, or for a fact of
//! the server: `{user}` `{password}` (alice), `{admin}` `{admin_password}`, `{bob}` `{bob_password}` (who has no role),
//! `{demo_key}` `{demo_secret}`, and `{fresh}`, a word that no other story has.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::Value;

use crate::report::Report;
use crate::server::Server;
use crate::wire::{self, Reply, Request, short};

/// A file of stories.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stories {
    story: Vec<Story>,
}

/// One story.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Story {
    /// Its number.
    id: String,
    /// What must hold, in a few words.
    says: String,
    step: Vec<Step>,
}

/// One request.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    /// Method and target.
    send: String,
    /// The server has been ended and started again before.
    #[serde(default)]
    restarted: bool,
    /// Who sends it by Basic; nobody where `bearer` or `basic` says who.
    #[serde(rename = "as")]
    sender: Option<Sender>,
    bearer: Option<String>,
    basic: Option<(String, String)>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    json: Option<String>,
    form: Option<String>,
    /// To the gateway instead of the server.
    #[serde(default)]
    at: Place,
    /// Any of these is right.
    status: Vec<u16>,
    /// A part of the answer, as JSON: members that it must have. The text `*` stands for anything but `null`, and a
    /// text that begins with `~` for one that holds the rest.
    gives: Option<String>,
    /// A part of the claims of the JWT that the answer holds, likewise.
    claims: Option<String>,
    /// Where it holds it, by JSON pointer; else as its `access_token`.
    jwt: Option<String>,
    /// The names of all members of the answer, in any order.
    members: Option<Vec<String>>,
    /// A text that the answer must not hold.
    lacks: Option<String>,
    /// Headers of the answer and a text that each must hold.
    #[serde(default)]
    answers: BTreeMap<String, String>,
    /// Names for parts of the answer, by JSON pointer.
    #[serde(default)]
    keep: BTreeMap<String, String>,
    /// The scopes of the answer's `scope` member that must be there.
    #[serde(default)]
    granted: Vec<String>,
    /// Those that must not.
    #[serde(default)]
    withheld: Vec<String>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Sender {
    Admin,
    Alice,
    Bob,
    Nobody,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Place {
    #[default]
    Server,
    Gateway,
}

/// What names stand for.
type Facts = BTreeMap<String, String>;

impl Stories {
    /// Reads a file.
    pub fn read(text: &str) -> Result<Self> {
        let stories: Self = toml::from_str(text).context("a file of stories")?;
        ensure!(!stories.story.is_empty(), "a file without stories");
        Ok(stories)
    }

    /// Tells every story to `server`.
    pub fn tell(&self, server: &mut Server, report: &mut Report) -> Result<()> {
        let bob = server.bob("bobs own password 1")?;
        for (number, story) in self.story.iter().enumerate() {
            let demo = &server.demo;
            let facts = [
                ("user", &demo.user.username),
                ("password", &demo.user.password),
                ("admin", &demo.admin.username),
                ("admin_password", &demo.admin.password),
                ("bob", &bob.username),
                ("bob_password", &bob.password),
                ("demo_key", &demo.application.key),
                ("demo_secret", &demo.application.secret),
                ("fresh", &format!("Story{number}")),
            ];
            let mut facts = facts.map(|(name, value)| (name.to_owned(), value.clone())).into();
            report.check(&story.id, &story.says, || story.tell(server, &mut facts));
        }
        Ok(())
    }
}

impl Story {
    fn tell(&self, server: &mut Server, facts: &mut Facts) -> Result<()> {
        for (number, step) in self.step.iter().enumerate() {
            step.take(server, facts).with_context(|| format!("step {}: {}", number + 1, step.send))?;
        }
        Ok(())
    }
}

/// `text` with what its names stand for.
fn filled(text: &str, facts: &Facts) -> String {
    facts.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
}

impl Step {
    fn take(&self, server: &mut Server, facts: &mut Facts) -> Result<()> {
        if self.restarted {
            server.terminate()?;
            server.restart()?;
        }
        let request = self.request(facts)?;
        let reply = match self.at {
            Place::Server => server.client.send(&request)?,
            Place::Gateway => wire::exchange(server.gateway(), &request)?,
        };
        let said = short(&reply.text());
        ensure!(
            self.status.contains(&reply.status),
            "status {}, not {:?}: {said}",
            reply.status,
            self.status
        );
        self.judge(&reply, facts).with_context(|| format!("it answers {said}"))?;
        for (name, pointer) in &self.keep {
            let answer = reply.json()?;
            let kept = answer.pointer(pointer).with_context(|| format!("nothing at {pointer}: {said}"))?;
            let text = kept.as_str().map_or_else(|| kept.to_string(), str::to_owned);
            if name.contains("secret") || name.contains("token") {
                server.canary().remember(name, &text);
            }
            facts.insert(name.clone(), text);
        }
        Ok(())
    }

    fn request(&self, facts: &Facts) -> Result<Request> {
        let line = filled(&self.send, facts);
        let (method, target) = line.split_once(' ').context("`send` has a method and a target")?;
        let mut request = Request::new(method, target);
        let fact = |name: &str| facts.get(name).cloned().unwrap_or_default();
        request = match (self.sender, &self.bearer, &self.basic) {
            (None, Some(token), None) => {
                request.header("Authorization", &format!("Bearer {}", filled(token, facts)))
            }
            (None, None, Some((name, secret))) => request.basic(&filled(name, facts), &filled(secret, facts)),
            (Some(Sender::Admin), None, None) => request.basic(&fact("admin"), &fact("admin_password")),
            (Some(Sender::Alice), None, None) => request.basic(&fact("user"), &fact("password")),
            (Some(Sender::Bob), None, None) => request.basic(&fact("bob"), &fact("bob_password")),
            (Some(Sender::Nobody), None, None) => request,
            _ => bail!("a step has one of `as`, `bearer` and `basic`"),
        };
        for (name, value) in &self.headers {
            request = request.header(name, &filled(value, facts));
        }
        let named = |name: &str| self.headers.keys().any(|known| known.eq_ignore_ascii_case(name));
        let (body, kind) = match (&self.json, &self.form) {
            (Some(json), None) => (json, "application/json"),
            (None, Some(form)) => (form, "application/x-www-form-urlencoded"),
            (None, None) => return Ok(request),
            (Some(_), Some(_)) => bail!("a step has `json` or `form`"),
        };
        if !named("content-type") {
            request = request.header("Content-Type", kind);
        }
        Ok(request.body(filled(body, facts).as_bytes()))
    }

    fn judge(&self, reply: &Reply, facts: &Facts) -> Result<()> {
        if let Some(expected) = &self.gives {
            let expected: Value =
                serde_json::from_str(&filled(expected, facts)).context("`gives` is JSON")?;
            has(&reply.json()?, &expected, "")?;
        }
        if let Some(expected) = &self.claims {
            let expected: Value =
                serde_json::from_str(&filled(expected, facts)).context("`claims` is JSON")?;
            has(&claims(&reply.json()?, self.jwt.as_deref())?, &expected, "")?;
        }
        if let Some(members) = &self.members {
            let answer = reply.json()?;
            let mut given: Vec<_> = answer.as_object().context("no object")?.keys().cloned().collect();
            let mut expected = members.clone();
            given.sort();
            expected.sort();
            ensure!(given == expected, "it has the members {given:?}, not {expected:?}");
        }
        if let Some(absent) = &self.lacks {
            let absent = filled(absent, facts);
            ensure!(!reply.text().contains(&absent), "it holds {absent:?}");
        }
        for (name, part) in &self.answers {
            let part = filled(part, facts);
            let held = reply.header(&name.to_lowercase()).unwrap_or_default();
            ensure!(held.contains(&part), "the header {name} is {held:?}, without {part:?}");
        }
        if !self.granted.is_empty() || !self.withheld.is_empty() {
            let answer = reply.json()?;
            let scope = answer["scope"].as_str().context("no scope")?;
            let has = |wanted: &String| scope.split(' ').any(|one| one == filled(wanted, facts));
            ensure!(self.granted.iter().all(has), "it grants {scope:?}");
            ensure!(!self.withheld.iter().any(has), "it grants {scope:?}");
        }
        Ok(())
    }
}

/// The claims of the JWT at `pointer` of an answer.
fn claims(answer: &Value, pointer: Option<&str>) -> Result<Value> {
    let token = answer.pointer(pointer.unwrap_or("/access_token")).and_then(Value::as_str);
    let parts: Vec<_> = token.context("no token")?.split('.').collect();
    let [_, claims, _] = parts[..] else { bail!("it has {} parts, not three", parts.len()) };
    Ok(serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(claims)?)?)
}

/// Fails unless `answer` has all that `expected` says.
fn has(answer: &Value, expected: &Value, place: &str) -> Result<()> {
    match (answer, expected) {
        (answer, Value::String(text)) if text == "*" => ensure!(!answer.is_null(), "{place} is missing"),
        (Value::String(held), Value::String(text)) if text.starts_with('~') => {
            ensure!(held.contains(&text[1..]), "{place} is {held:?}, without {:?}", &text[1..]);
        }
        (Value::Object(held), Value::Object(wanted)) => {
            for (name, value) in wanted {
                let place = format!("{place}/{name}");
                has(held.get(name).with_context(|| format!("{place} is missing"))?, value, &place)?;
            }
        }
        (Value::Array(held), Value::Array(wanted)) => {
            ensure!(held.len() == wanted.len(), "{place} has {} entries, not {}", held.len(), wanted.len());
            for (number, (held, wanted)) in held.iter().zip(wanted).enumerate() {
                has(held, wanted, &format!("{place}/{number}"))?;
            }
        }
        (held, wanted) => ensure!(held == wanted, "{place} is {held}, not {wanted}"),
    }
    Ok(())
}
