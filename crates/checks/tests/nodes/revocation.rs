//! Everything that ends a token at the server ends it at the node, however the node remembers.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use latchkey_checks::client::Application;
use latchkey_checks::report::Report;

use crate::stage::{Setting, Stage, scene};

/// With the server and the network well, a revocation comes long before the bound.
const SOON: Duration = Duration::from_millis(250);

/// A token that the node knows by heart.
fn warm(stage: &Stage, application: &Application, scope: &str) -> Result<(String, String)> {
    let pair = stage.server.client.sign_in(application, &stage.server.demo.user, scope)?;
    stage.comes_to(&pair.access, 200)?;
    for _ in 0..3 {
        stage.call(&pair.access)?.expect(200)?;
    }
    let refresh = pair.refresh()?.to_owned();
    Ok((pair.access, refresh))
}

/// Ends tokens of each kind by `end` and sees the node refuse them soon.
fn ends(
    (stage, report, name): (&Stage, &mut Report, &str),
    end: impl Fn(&Application, &str, &str) -> Result<()>,
) {
    for (kind, application) in [("opaque", &stage.opaque), ("JWT", &stage.jwt)] {
        report.check("node", &format!("{name}, {kind}"), || {
            let scope = stage.server.client.new_device();
            let (access, refresh) = warm(stage, application, &scope)?;
            end(application, &access, &refresh)?;
            let took = stage.is_refused(&access, Instant::now())?;
            ensure!(took < SOON, "it took {took:?}");
            Ok(())
        });
    }
}

fn story(stage: &Stage, report: &mut Report) {
    let (server, alice) = (&stage.server, stage.server.demo.user.clone());
    let client = &server.client;
    ends((stage, report, "the client revokes it"), |application, access, _| {
        client.revoke(application, access)
    });
    ends((stage, report, "the client revokes its sibling"), |application, _, refresh| {
        client.revoke(application, refresh)
    });
    ends((stage, report, "a refresh replaces it"), |application, _, refresh| {
        client.refresh(application, refresh).map(drop)
    });
    ends((stage, report, "a refresh token is replayed"), |application, _, refresh| {
        let next = client.refresh(application, refresh)?;
        client.refresh(application, next.refresh()?)?;
        client.try_refresh(application, refresh)?.refused(400, "invalid_grant")
    });
    ends((stage, report, "an administrator ends what the user has"), |_, _, _| {
        server.cli(&["token", "revoke", "--user", &alice.username], "").map(drop)
    });
    ends((stage, report, "the user is locked"), |_, _, _| {
        server.cli(&["user", "lock", &alice.username], "")?;
        server.cli(&["user", "unlock", &alice.username], "").map(drop)
    });
    catalogue(stage, report);
    others(stage, report);
}

/// What ends without a word about the token.
fn others(stage: &Stage, report: &mut Report) {
    let (server, alice) = (&stage.server, stage.server.demo.user.clone());
    let client = &server.client;
    report.check("node", "another JWT of the same device replaces it", || {
        let scope = client.new_device();
        let (access, _) = warm(stage, &stage.jwt, &scope)?;
        let next = client.sign_in(&stage.jwt, &alice, &scope)?;
        stage.is_refused(&access, Instant::now())?;
        stage.call(&next.access)?.expect(200).map(drop)
    });
    report.check("node", "a signing key that is removed opens nothing any more", || {
        let (access, _) = warm(stage, &stage.jwt, "device_key")?;
        let keys: serde_json::Value = serde_json::from_str(&server.cli(&["key", "list", "--json"], "")?)?;
        let signing = keys["signing"].as_array().context("signing keys")?;
        let active = signing.iter().find(|key| key["state"] == "active").context("an active key")?;
        server.cli(&["key", "rotate", "signing"], "")?;
        stage.call(&access)?.expect(200)?;
        server.cli(&["key", "remove", active["kid"].as_str().context("its id")?], "")?;
        stage.is_refused(&access, Instant::now()).map(drop)
    });
    report.check("node", "the application is deleted", || {
        let doomed = server.application("Doomed", &["--token-format", "opaque"])?;
        let (access, _) = warm(stage, &doomed, "device_doomed")?;
        server.cli(&["app", "delete", "Doomed"], "")?;
        stage.is_refused(&access, Instant::now()).map(drop)
    });
    report.check("node", "garbage is refused, and so is what was never a token", || {
        for token in ["garbage", &format!("lka_{}", "a".repeat(66)), "a.b.c"] {
            stage.call(token)?.expect(401)?;
        }
        Ok(())
    });
    report.check("node", "health and metrics tell how it stands", || {
        stage.node.operations("/readyz")?.expect(200)?;
        let metrics = stage.node.operations("/metrics")?.expect(200)?.text();
        for name in
            ["latchkey_node_lease_left_milliseconds ", "latchkey_node_lookups_total ", "latchkey_http_"]
        {
            ensure!(metrics.contains(name), "{name} is not among the metrics");
        }
        ensure!(metrics.matches("# EOF").count() == 1, "the text ends once");
        Ok(())
    });
}

/// What changes for calls and leaves tokens alone.
fn catalogue(stage: &Stage, report: &mut Report) {
    let server = &stage.server;
    report.check("node", "a blocked subscription answers 900907, and passes when it is unblocked", || {
        let (access, _) = warm(stage, &stage.opaque, "device_block")?;
        let set = |word| server.cli(&["subscription", word, "--app", "Opaque", "--api", "/echo/1.0.0"], "");
        set("block")?;
        stage.comes_to(&access, 401)?;
        let code = stage.call(&access)?.json()?["code"].clone();
        ensure!(code == "900907", "the code is {code}");
        set("unblock")?;
        stage.comes_to(&access, 200)
    });
    report.check("node", "a blocked API answers 700700, and passes when it is published again", || {
        let (access, _) = warm(stage, &stage.opaque, "device_api")?;
        server.cli(&["api", "block", "/echo/1.0.0"], "")?;
        stage.comes_to(&access, 503)?;
        let code = stage.call(&access)?.json()?["code"].clone();
        ensure!(code == "700700", "the code is {code}");
        server.cli(&["api", "publish", "/echo/1.0.0"], "")?;
        stage.comes_to(&access, 200)
    });
}

fn with(settings: &[&str]) -> Result<()> {
    let node = settings.iter().map(ToString::to_string).collect();
    scene(Setting { node, ..Setting::default() }, |stage, report| {
        story(stage, report);
        Ok(())
    })
}

#[test]
fn whatever_ends_a_token_ends_it_at_the_node() -> Result<()> {
    with(&[])
}

#[test]
fn without_a_memory_too() -> Result<()> {
    with(&["gateway.token_cache.enabled=false"])
}

#[test]
fn with_room_for_one_token_too() -> Result<()> {
    with(&["gateway.token_cache.entries=1", "gateway.threads=1"])
}

#[test]
fn with_the_shortest_and_the_longest_memory_too() -> Result<()> {
    with(&["gateway.token_cache.ttl=1"])?;
    with(&["gateway.token_cache.ttl=86400"])
}
