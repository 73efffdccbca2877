//! A server, a network, and a node at its other end.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use latchkey_checks::client::Application;
use latchkey_checks::node::Node;
use latchkey_checks::relay::{Passes, Relay};
use latchkey_checks::report::Report;
use latchkey_checks::server::{Launch, Server, pass};
use latchkey_checks::wire::Reply;

/// The demo's API.
pub(crate) const PATH: &str = "/echo/1.0.0/anything";
/// The bound that the nodes of these checks have.
pub(crate) const BOUND: Duration = Duration::from_secs(1);
/// What a check may come late at noticing.
pub(crate) const SLACK: Duration = Duration::from_millis(250);
/// The longest wait for something that has no bound but patience.
const PATIENCE: Duration = Duration::from_secs(20);

/// The server and what belongs to it.
pub(crate) struct Stage {
    pub(crate) server: Server,
    pub(crate) relay: Relay,
    pub(crate) node: Node,
    /// Its tokens are opaque.
    pub(crate) opaque: Application,
    /// Its tokens are JWTs.
    pub(crate) jwt: Application,
}

/// Settings of the server and of the node, and what passes between them at first.
pub(crate) struct Setting {
    pub(crate) server: Vec<String>,
    pub(crate) node: Vec<String>,
    pub(crate) passes: Passes,
}

impl Default for Setting {
    fn default() -> Self {
        Self { server: Vec::new(), node: Vec::new(), passes: Passes::All }
    }
}

impl Stage {
    fn set(setting: Setting) -> Result<Self> {
        let server =
            setting.server.iter().fold(Launch::new(), |launch, setting| launch.set(setting)).start()?;
        let opaque = server.application("Opaque", &["--token-format", "opaque"])?;
        let jwt = server.application("Jwt", &["--token-format", "jwt"])?;
        let secret = server.cli(&["node", "create", "edge-1"], "")?;
        server.canary().remember("the node's secret", secret.trim());
        let relay = Relay::start(server.client.address(), setting.passes)?;
        let mut settings = vec![format!("revocation.bound={}ms", BOUND.as_millis())];
        settings.extend(setting.node);
        let node = Node::start(&format!("http://{}", relay.address()), secret.trim(), &settings)?;
        Ok(Self { server, relay, node, opaque, jwt })
    }

    pub(crate) fn call(&self, token: &str) -> Result<Reply> {
        self.node.call(PATH, token)
    }

    /// Calls until the answer has this status.
    pub(crate) fn comes_to(&self, token: &str, status: u16) -> Result<()> {
        let since = Instant::now();
        loop {
            let reply = self.call(token)?;
            if reply.status == status {
                return Ok(());
            }
            ensure!(since.elapsed() < PATIENCE, "{status} never came, but {}", reply.text());
            pass(Duration::from_millis(10));
        }
    }

    /// Calls until the token does not pass any more, which must come to be within the bound, and never passes
    /// again; how long it took. `since` is when the server had acknowledged its end.
    pub(crate) fn is_refused(&self, token: &str, since: Instant) -> Result<Duration> {
        let took = loop {
            let begun = since.elapsed();
            if self.call(token)?.status != 200 {
                break begun;
            }
            ensure!(begun < BOUND + SLACK, "it still passes {begun:?} after its end");
        };
        for _ in 0..5 {
            let reply = self.call(token)?;
            ensure!(reply.status != 200, "it passes again after it was refused");
        }
        Ok(took)
    }
}

/// Sets a stage, tells `story` on it and ends it; every failure comes by its number.
pub(crate) fn scene(
    setting: Setting,
    story: impl FnOnce(&mut Stage, &mut Report) -> Result<()>,
) -> Result<()> {
    let mut stage = Stage::set(setting)?;
    let mut report = Report::new();
    let told = story(&mut stage, &mut report);
    let Stage { server, node, .. } = stage;
    let log = node.stderr()?;
    report.check("scene", "the story runs to its end", || {
        let told = told.map_err(|problem| problem.context(format!("the node's log: {log}")));
        server.explain(told)
    });
    report.check("scene", "no panic stands in a log", || {
        ensure!(
            !server.stderr()?.contains("panicked") && !log.contains("panicked"),
            "a log tells of a panic"
        );
        Ok(())
    });
    report.check("S17", "no credential in what the node wrote", || {
        server.canary().search(node.home(), &["secret"])
    });
    report.check("S17", "no credential in the data directory or in the log", || server.finish());
    report.finish().map(drop)
}
