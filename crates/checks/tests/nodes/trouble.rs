//! Networks and servers that fail: the node lets nothing pass past the bound, and recovers by itself.

use std::time::Instant;

use anyhow::{Result, ensure};
use latchkey_checks::node::Node;
use latchkey_checks::relay::Passes;
use latchkey_checks::report::Report;
use latchkey_checks::server::{Launch, pass};
use rustix::process::Signal;

use crate::stage::{BOUND, PATH, Setting, Stage, scene};

/// Two tokens that the node knows: one that will be revoked, one that will live.
fn two(stage: &Stage) -> Result<[String; 2]> {
    let client = &stage.server.client;
    let mut tokens = [String::new(), String::new()];
    for token in &mut tokens {
        *token = client.sign_in(&stage.opaque, &stage.server.demo.user, &client.new_device())?.access;
        stage.comes_to(token, 200)?;
    }
    Ok(tokens)
}

/// Everything that is not a 200 is closed; past the bound nothing passes, even what nobody revoked.
fn closes(stage: &Stage, living: &str) -> Result<()> {
    pass(BOUND + BOUND / 4);
    let reply = stage.call(living)?;
    ensure!(reply.status == 503, "past the bound the node answers {}", reply.text());
    stage.node.operations("/readyz")?.expect(503)?;
    stage.node.operations("/livez")?.expect(200).map(drop)
}

#[test]
fn partitions_do_not_outlast_the_bound() -> Result<()> {
    scene(Setting::default(), |stage, report| {
        for passes in [Passes::Nothing, Passes::ToServer, Passes::FromServer] {
            let name = format!("{passes:?} passes: what is revoked meanwhile is refused within the bound");
            report.check("node", &name, || {
                let [revoked, living] = two(stage)?;
                stage.relay.pass(passes);
                stage.server.client.revoke(&stage.opaque, &revoked)?;
                stage.is_refused(&revoked, Instant::now())?;
                closes(stage, &living)?;
                stage.relay.pass(Passes::All);
                stage.comes_to(&living, 200)?;
                stage.call(&revoked)?.expect(401).map(drop)
            });
        }
        Ok(())
    })
}

#[test]
fn a_server_that_stops_or_dies_closes_its_nodes() -> Result<()> {
    scene(Setting::default(), |stage, report| {
        let revoke = |stage: &Stage, token: &str| stage.server.client.revoke(&stage.opaque, token);
        let [revoked, living] = two(stage)?;
        report.check("node", "a server that stands still", || {
            revoke(stage, &revoked)?;
            stage.server.signal(Signal::STOP)?;
            stage.is_refused(&revoked, Instant::now())?;
            let closed = closes(stage, &living);
            stage.server.signal(Signal::CONT)?;
            closed?;
            stage.comes_to(&living, 200)?;
            stage.call(&revoked)?.expect(401).map(drop)
        });
        dies(stage, report)
    })
}

fn dies(stage: &mut Stage, report: &mut Report) -> Result<()> {
    let [revoked, living] = two(stage)?;
    stage.server.client.revoke(&stage.opaque, &revoked)?;
    stage.server.kill()?;
    let died = Instant::now();
    report.check("node", "a server that was killed", || {
        stage.is_refused(&revoked, died)?;
        closes(stage, &living)
    });
    stage.server.restart()?;
    stage.relay.lead_to(stage.server.client.address());
    report.check("node", "a server that came back", || {
        stage.comes_to(&living, 200)?;
        stage.call(&revoked)?.expect(401)?;
        stage.server.client.revoke(&stage.opaque, &living)?;
        stage.is_refused(&living, Instant::now()).map(drop)
    });
    Ok(())
}

#[test]
fn a_node_may_start_before_its_server() -> Result<()> {
    scene(Setting { passes: Passes::Nobody, ..Setting::default() }, |stage, report| {
        let client = &stage.server.client;
        let token = client.issue(&stage.opaque, "")?.access;
        report.check("node", "nothing passes before the node has heard of anything", || {
            for _ in 0..5 {
                stage.call(&token)?.expect(503)?;
            }
            stage.node.operations("/readyz")?.expect(503).map(drop)
        });
        stage.relay.pass(Passes::All);
        report.check("node", "and then it does", || stage.comes_to(&token, 200));
        Ok(())
    })
}

#[test]
fn strangers_and_removed_nodes_are_told_nothing() -> Result<()> {
    scene(Setting::default(), |stage, report| {
        let token = stage.server.client.issue(&stage.opaque, "")?.access;
        stage.comes_to(&token, 200)?;
        report.check("node", "a node with another secret lets nothing pass", || {
            let url = format!("http://{}", stage.relay.address());
            let stranger = Node::start(&url, &format!("lkn_{}", "a".repeat(44)), &[])?;
            pass(BOUND);
            stranger.call(PATH, &token)?.expect(503)?;
            ensure!(stranger.stderr()?.contains("does not know this node"), "its log says why");
            Ok(())
        });
        report.check("node", "a node that was removed lets nothing pass any more", || {
            stage.server.cli(&["node", "delete", "edge-1"], "")?;
            stage.is_refused(&token, Instant::now())?;
            closes(stage, &token)
        });
        Ok(())
    })
}

#[test]
fn a_server_is_believed_by_its_certificate_alone() -> Result<()> {
    let mut server = Launch::new().set("tls.enabled=true").start()?;
    let secret = server.cli(&["node", "create", "edge-1"], "")?;
    let issued: serde_json::Value =
        serde_json::from_str(&server.cli(&["token", "issue", "DemoApp", "--json"], "")?)?;
    let token = issued["access_token"].as_str().unwrap_or_default().to_owned();
    let url = format!("https://{}", server.client.address());
    let believing =
        vec![format!("gateway.server_ca={}", server.data().join("tls-certificate.pem").display())];
    let node = Node::start(&url, secret.trim(), &believing)?;
    let since = Instant::now();
    while node.call(PATH, &token)?.status != 200 {
        ensure!(since.elapsed() < 20 * BOUND, "it never passes: {}", node.stderr()?);
    }
    let doubting = Node::start(&url, secret.trim(), &[])?;
    pass(BOUND);
    doubting.call(PATH, &token)?.expect(503)?;
    server.terminate().map(drop)
}
