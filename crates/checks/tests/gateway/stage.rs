//! A server whose gateway leads to a recording upstream.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use latchkey_checks::client::Application;
use latchkey_checks::recorder::Recorder;
use latchkey_checks::report::Report;
use latchkey_checks::server::{Launch, Server};
use latchkey_checks::wire::{self, Reply, Request};
use serde_json::{Value, json};

/// The API whose upstream is the recorder, below [`BASE`].
pub(crate) const API: &str = "/check/1";
/// Another one with the same upstream, to which no application subscribes.
pub(crate) const OTHER_API: &str = "/other/1";
/// An API at whose upstream's address nobody listens; both applications subscribe to it.
pub(crate) const GONE_API: &str = "/gone/1";
/// What the upstream's address has for a path.
pub(crate) const BASE: &str = "/base";
/// The longest wait for an upstream's answer or for more of it, in milliseconds.
const WAIT: u32 = 1_500;

/// The server and what belongs to it.
pub(crate) struct Stage {
    pub(crate) server: Server,
    pub(crate) recorder: Recorder,
    /// Subscribes to [`API`]; its tokens are opaque.
    pub(crate) opaque: Application,
    /// Subscribes to [`API`]; its tokens are JWTs.
    pub(crate) jwt: Application,
}

impl Stage {
    /// Starts a server by `launch`, publishes the APIs and makes two applications.
    fn set(launch: Launch) -> Result<Self> {
        let recorder = Recorder::start()?;
        let mut server = launch.start()?;
        server.terminate()?;
        let address = recorder.address();
        publish(&server, API, &definition(&format!("http://{address}{BASE}")))?;
        publish(&server, OTHER_API, &definition(&format!("http://{address}/other")))?;
        // Port 1 needs privileges that no program of a test has.
        publish(&server, GONE_API, &definition("http://127.0.0.1:1"))?;
        server.restart()?;
        let subscribed = |name, format| {
            server.application(name, &["--token-format", format, "--subscribe", API, "--subscribe", GONE_API])
        };
        let opaque = subscribed("Opaque", "opaque")?;
        let jwt = subscribed("Jwt", "jwt")?;
        Ok(Self { server, recorder, opaque, jwt })
    }

    /// Where the gateway listens.
    pub(crate) fn gateway(&self) -> SocketAddr {
        self.server.gateway()
    }

    /// Calls `path` of [`API`] with `token`, on a connection of its own.
    pub(crate) fn call(&self, path: &str, token: &str) -> Result<Reply> {
        let request = Request::new("GET", &format!("{API}{path}"));
        wire::exchange(self.gateway(), &request.header("Authorization", &format!("Bearer {token}")))
    }
}

/// Sets a stage, tells `story` on it and ends it; every failure comes by its number.
pub(crate) fn scene(launch: Launch, story: impl FnOnce(&mut Stage, &mut Report) -> Result<()>) -> Result<()> {
    let mut stage = Stage::set(launch)?;
    let mut report = Report::new();
    let told = story(&mut stage, &mut report);
    let Stage { server, .. } = stage;
    report.check("scene", "the story runs to its end", || server.explain(told));
    report.check("scene", "no panic stands in the log", || {
        anyhow::ensure!(!server.stderr()?.contains("panicked"), "the log tells of a panic");
        Ok(())
    });
    report.check("S17", "no credential in the data directory or in the log", || server.finish());
    report.finish().map(drop)
}

fn definition(upstream: &str) -> Value {
    let resource = |method: &str, template: &str, scopes: &[&str], authentication: &str| json!({ "method": method, "template": template, "scopes": scopes, "authentication": authentication });
    let mut resources: Vec<Value> =
        ["GET", "POST", "PUT", "DELETE"].iter().map(|method| resource(method, "/*", &[], "any")).collect();
    resources.push(resource("GET", "/scoped", &["check.read"], "any"));
    resources.push(resource("GET", "/open/*", &[], "none"));
    json!({
        "resources": resources,
        "scopes": { "check.read": ["reader"] },
        "production": {
            "urls": [upstream],
            "timeouts": { "connect": WAIT, "answer": WAIT, "idle": WAIT },
        },
    })
}

/// Puts an API into the store of a server that does not run.
fn publish(server: &Server, path: &str, definition: &Value) -> Result<()> {
    let (context, version) = path.rsplit_once('/').context("context and version")?;
    let mut id = [0; 16];
    id[..context.len()].copy_from_slice(context.as_bytes());
    let store = rusqlite::Connection::open(server.data().join("latchkey.db"))?;
    store.execute(
        "INSERT INTO api (id, name, context, version, definition) VALUES (?1, ?2, ?3, ?4, ?5)",
        rusqlite::params![id, context.trim_start_matches('/'), context, version, definition.to_string()],
    )?;
    Ok(())
}
