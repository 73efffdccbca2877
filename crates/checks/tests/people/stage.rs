//! What these checks share: requests as somebody, and people made by SCIM.

use anyhow::{Context, Result, ensure};
use latchkey_checks::client::{Application, Pair};
use latchkey_checks::report::Report;
use latchkey_checks::server::{Launch, Person, Server};
use latchkey_checks::wire::{self, Reply, Request};
use serde_json::{Value, json};

pub(crate) const PASSWORD: &str = "correct horse battery staple";

/// The schema of a patch.
pub(crate) const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

/// Starts a demo server, tells `story` about it and ends it; every failure comes by its number, and what the
/// server leaves is searched for credentials.
pub(crate) fn scene(story: impl FnOnce(&mut Server, &mut Report) -> Result<()>) -> Result<()> {
    let mut server = Launch::new().start()?;
    let mut report = Report::new();
    let told = story(&mut server, &mut report);
    report.check("scene", "the story runs to its end", || server.explain(told));
    report.check("scene", "no panic stands in the log", || {
        ensure!(!server.stderr()?.contains("panicked"), "the log tells of a panic");
        Ok(())
    });
    report.check("S17", "no credential in the data directory or in the log", || server.finish());
    report.finish().map(drop)
}

/// Who asks.
#[derive(Clone, Copy)]
pub(crate) enum As<'a> {
    /// Somebody by name and password.
    Person(&'a Person),
    /// The bearer of a token.
    Bearer(&'a str),
    /// Nobody.
    Nobody,
}

/// Sends `body`, where there is one, and reads the answer.
pub(crate) fn ask(server: &Server, who: As<'_>, (method, path): (&str, &str), body: &Value) -> Result<Reply> {
    let mut request = Request::new(method, path).header("User-Agent", "check/1");
    request = match who {
        As::Person(person) => request.basic(&person.username, &person.password),
        As::Bearer(token) => request.header("Authorization", &format!("Bearer {token}")),
        As::Nobody => request,
    };
    if !body.is_null() {
        request = request.header("Content-Type", "application/scim+json").body(body.to_string().as_bytes());
    }
    server.client.send(&request)
}

/// What is at `path`.
pub(crate) fn get(server: &Server, who: As<'_>, path: &str) -> Result<Value> {
    ask(server, who, ("GET", path), &Value::Null)?.expect(200)?.json()
}

/// Removes what is at `path`.
pub(crate) fn delete(server: &Server, who: As<'_>, path: &str) -> Result<()> {
    ask(server, who, ("DELETE", path), &Value::Null)?.expect(204).map(drop)
}

/// The administrator of the demo.
pub(crate) fn admin(server: &Server) -> As<'_> {
    As::Person(&server.demo.admin)
}

/// Bob, made by SCIM: the person and the id.
pub(crate) fn bob(server: &Server) -> Result<(Person, String)> {
    server.canary().remember("bob's password", PASSWORD);
    let body = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": "PRIMARY/bob",
        "password": PASSWORD,
        "name": { "givenName": "Bob", "familyName": "Example" },
        "emails": [{ "value": "bob@example.org", "type": "work", "primary": true }],
    });
    let reply = ask(server, admin(server), ("POST", "/scim2/Users"), &body)?.expect(201)?;
    let made = reply.json()?;
    let id = made["id"].as_str().context("the new user has an id")?.to_owned();
    let place = reply.header("location").context("a new user has a Location")?;
    ensure!(place.ends_with(&format!("/scim2/Users/{id}")), "Location {place}");
    Ok((Person { username: "bob".to_owned(), password: PASSWORD.to_owned() }, id))
}

/// Changes a user by one operation of PATCH.
pub(crate) fn patch(server: &Server, id: &str, path: &str, value: impl Into<Value>) -> Result<Reply> {
    let operation = json!({ "op": "replace", "path": path, "value": value.into() });
    let body = json!({ "schemas": [PATCH], "Operations": [operation] });
    ask(server, admin(server), ("PATCH", &format!("/scim2/Users/{id}")), &body)
}

/// A token with which the gateway has just let a call through, so that whatever it keeps of it is warm.
pub(crate) fn warm(server: &Server, application: &Application, person: &Person) -> Result<Pair> {
    let pair = server.client.sign_in(application, person, "device_warm")?;
    call(server, &pair.access)?.expect(200)?;
    Ok(pair)
}

/// Calls the demo's API.
pub(crate) fn call(server: &Server, token: &str) -> Result<Reply> {
    let request = Request::new("GET", "/echo/1.0.0/anything");
    wire::exchange(server.gateway(), &request.header("Authorization", &format!("Bearer {token}")))
}
