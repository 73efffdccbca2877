//! A node and its server on networks of their own, with a cable between: partitions by the kernel, as they are.

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use latchkey_checks::namespace::Namespace;
use latchkey_checks::node::Node;
use latchkey_checks::report::Report;
use latchkey_checks::server::{Launch, Server, pass};
use latchkey_checks::wire::Reply;
use serde_json::Value;

use crate::stage::{BOUND, PATH, SLACK};

/// The longest wait for what has no bound but patience.
const PATIENCE: Duration = Duration::from_secs(20);

/// The server's network and the node's.
struct Nets {
    server: Namespace,
    node: Namespace,
}

/// A way to cut them off from each other, and to heal that.
#[derive(Debug, Clone, Copy)]
enum Cut {
    /// The cable is pulled out at the server.
    AtServer,
    /// The cable is pulled out at the node.
    AtNode,
    /// What the server sends is lost without a word; what the node sends arrives.
    FromServer,
    /// What the node sends is lost without a word; what the server sends arrives.
    FromNode,
}

impl Cut {
    const ALL: [Self; 4] = [Self::AtServer, Self::AtNode, Self::FromServer, Self::FromNode];

    fn set(self, nets: &Nets, word: &str) -> Result<()> {
        let link = if word == "add" { "down" } else { "up" };
        match self {
            Self::AtServer => nets.server.ip(&["link", "set", "cable", link]),
            Self::AtNode => nets.node.ip(&["link", "set", "cable", link]),
            Self::FromServer => nets.server.ip(&["route", word, "blackhole", "10.77.0.2/32"]),
            Self::FromNode => nets.node.ip(&["route", word, "blackhole", "10.77.0.1/32"]),
        }
    }
}

/// A server and a node with a token that will be revoked and one that will live.
struct Scene {
    nets: Nets,
    server: Server,
    node: Node,
}

impl Scene {
    fn set() -> Result<Self> {
        let nets = Nets { server: Namespace::make()?, node: Namespace::make()? };
        Namespace::join([(&nets.server, "10.77.0.1/24"), (&nets.node, "10.77.0.2/24")])?;
        let launch = Launch::new().set("tls.enabled=true").set("server.listen=10.77.0.1:0");
        // The certificate is for the host of the issuer.
        let launch = launch.set("server.issuer=https://10.77.0.1/oauth2/token");
        let server = nets.server.inside(|| launch.start())?;
        server.application("Opaque", &["--token-format", "opaque"])?;
        let secret = server.cli(&["node", "create", "edge-1"], "")?;
        server.canary().remember("the node's secret", secret.trim());
        let settings = vec![
            format!("revocation.bound={}ms", BOUND.as_millis()),
            format!("gateway.server_ca={}", server.data().join("tls-certificate.pem").display()),
        ];
        let url = format!("https://{}", server.client.address());
        let node = nets.node.inside(|| Node::start(&url, secret.trim(), &settings))?;
        Ok(Self { nets, server, node })
    }

    fn call(&self, token: &str) -> Result<Reply> {
        self.nets.node.inside(|| self.node.call(PATH, token))
    }

    /// A token that the node knows.
    fn warm(&self, device: &str) -> Result<String> {
        let issued = self.server.cli(&["token", "issue", "Opaque", "--scope", device, "--json"], "")?;
        let issued: Value = serde_json::from_str(&issued)?;
        let token = issued["access_token"].as_str().unwrap_or_default().to_owned();
        self.server.canary().remember("a token", &token);
        self.comes_to(&token, 200)?;
        Ok(token)
    }

    fn comes_to(&self, token: &str, status: u16) -> Result<()> {
        let since = Instant::now();
        loop {
            let reply = self.call(token)?;
            if reply.status == status {
                return Ok(());
            }
            if since.elapsed() > PATIENCE {
                let log = self.node.stderr()?;
                let said: Vec<&str> = log.lines().filter(|line| line.contains("::node::")).collect();
                bail!("{status} never came, but {}; the node said {said:?}", reply.text());
            }
            pass(Duration::from_millis(10));
        }
    }

    /// Revokes a token behind a cut and sees the node refuse it within the bound, and everything past it; and go on
    /// once that is healed.
    fn partition(&self, cut: Cut) -> Result<Duration> {
        let (revoked, living) = (self.warm("device_a")?, self.warm("device_b")?);
        cut.set(&self.nets, "add")?;
        self.server.cli(&["token", "revoke", "--stdin"], &revoked)?;
        let acknowledged = Instant::now();
        let took = loop {
            let begun = acknowledged.elapsed();
            if self.call(&revoked)?.status != 200 {
                break begun;
            }
            ensure!(begun < BOUND + SLACK, "it still passes {begun:?} after its end");
        };
        pass(BOUND + BOUND / 4);
        for token in [&revoked, &living] {
            let reply = self.call(token)?;
            ensure!(reply.status == 503, "past the bound the node answers {}", reply.text());
        }
        cut.set(&self.nets, "del")?;
        self.comes_to(&living, 200)?;
        self.call(&revoked)?.expect(401)?;
        Ok(took)
    }
}

#[test]
fn a_pulled_cable_does_not_outlast_the_bound() -> Result<()> {
    let scene = Scene::set()?;
    let mut report = Report::new();
    for cut in Cut::ALL {
        report.check(
            "node",
            &format!("{cut:?}: what is revoked meanwhile is refused within the bound"),
            || {
                let took = scene.partition(cut)?;
                println!("{cut:?}: refused {} ms after the revocation was acknowledged", took.as_millis());
                Ok(())
            },
        );
    }
    report.check("node", "a cut shorter than the bound is not noticed by who calls", || {
        let living = scene.warm("device_c")?;
        Cut::FromServer.set(&scene.nets, "add")?;
        let reply = scene.call(&living);
        Cut::FromServer.set(&scene.nets, "del")?;
        reply?.expect(200)?;
        scene.comes_to(&living, 200)
    });
    let Scene { nets, server, node } = scene;
    let log = node.stderr()?;
    report.check("S17", "no credential in what the node wrote", || {
        server.canary().search(node.home(), &["secret"])
    });
    report.check("scene", "no panic stands in a log", || {
        ensure!(
            !server.stderr()?.contains("panicked") && !log.contains("panicked"),
            "a log tells of a panic"
        );
        Ok(())
    });
    drop(node);
    report.check("S17", "no credential in the data directory or in the log", || {
        nets.server.inside(|| server.finish())
    });
    report.finish().map(drop)
}
