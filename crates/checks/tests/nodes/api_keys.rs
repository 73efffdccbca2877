//! API keys at a node: they open what they open at the server, from where they may, and end as tokens do.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use latchkey_checks::report::Report;
use latchkey_checks::server::{Server, pass};
use latchkey_checks::wire::{Reply, Request};

use crate::stage::{BOUND, PATH, Setting, Stage, scene};

/// With the server and the network well, a revocation comes long before the bound.
const SOON: Duration = Duration::from_millis(250);

fn value(server: &Server, words: &[&str]) -> Result<String> {
    let value = server.cli(&[&["apikey"], words].concat(), "")?.trim().to_owned();
    server.canary().remember("an API key", &value);
    Ok(value)
}

fn call(stage: &Stage, header: &str, value: &str) -> Result<Reply> {
    stage.node.send(&Request::new("GET", PATH).header(header, value))
}

/// Calls until the answer has this status, soon; how long it took.
fn comes_to(stage: &Stage, key: &str, status: u16) -> Result<Duration> {
    let since = Instant::now();
    loop {
        let begun = since.elapsed();
        let reply = call(stage, "ApiKey", key)?;
        if reply.status == status {
            return Ok(begun);
        }
        ensure!(begun < BOUND, "{status} never came, but {} {}", reply.status, reply.text());
        pass(Duration::from_millis(5));
    }
}

fn story(stage: &Stage, report: &mut Report) -> Result<()> {
    let server = &stage.server;
    server.cli(&["api", "security", "/echo/1.0.0", "--allow", "oauth2", "--allow", "api_key"], "")?;
    server.cli(&["app", "subscribe", "Opaque", "/echo/1.0.0"], "")?;
    let key = value(server, &["create", "Opaque", "web"])?;
    let there = value(server, &["create", "Opaque", "there", "--address", "192.0.2.1"])?;
    let token = server.client.issue(&stage.opaque, "device_a")?.access;
    report.check("T42", "a key opens at a node, and only in its own header", || {
        comes_to(stage, &key, 200)?;
        for _ in 0..3 {
            call(stage, "ApiKey", &key)?.expect(200)?;
            call(stage, "Authorization", &format!("Bearer {token}"))?.expect(200)?;
            // Both are known by heart now.
            call(stage, "Authorization", &format!("Bearer {key}"))?.expect(401)?;
            call(stage, "ApiKey", &token)?.expect(401)?;
        }
        call(stage, "ApiKey", "garbage")?.expect(401)?;
        call(stage, "ApiKey", &format!("{}0", &key[..key.len() - 1]))?.expect(401).map(drop)
    });
    report.check("T32", "a node keeps a key to its addresses", || {
        for _ in 0..3 {
            let refused = call(stage, "ApiKey", &there)?.expect(403)?;
            ensure!(refused.json()?["code"] == "900908", "{}", refused.text());
        }
        Ok(())
    });
    report.check("T32", "another value ends the one before", || {
        let next = value(server, &["regenerate", "Opaque", "web"])?;
        let took = comes_to(stage, &key, 401)?;
        ensure!(took < SOON, "it took {took:?}");
        comes_to(stage, &next, 200)?;
        server.cli(&["apikey", "revoke", "Opaque", "web"], "")?;
        let took = comes_to(stage, &next, 401)?;
        ensure!(took < SOON, "it took {took:?}");
        for _ in 0..3 {
            call(stage, "ApiKey", &next)?.expect(401)?;
        }
        Ok(())
    });
    report.check("T32", "what the application may call is known soon", || {
        let other = value(server, &["create", "Opaque", "other"])?;
        comes_to(stage, &other, 200)?;
        server.cli(&["app", "unsubscribe", "Opaque", "/echo/1.0.0"], "")?;
        let took = comes_to(stage, &other, 403)?;
        ensure!(took < SOON, "it took {took:?}");
        server.cli(&["app", "subscribe", "Opaque", "/echo/1.0.0"], "")?;
        comes_to(stage, &other, 200)?;
        server.cli(&["app", "delete", "Opaque"], "")?;
        let took = comes_to(stage, &other, 401)?;
        ensure!(took < SOON, "it took {took:?}");
        Ok(())
    });
    Ok(())
}

#[test]
fn what_ends_a_key_ends_it_at_the_node() -> Result<()> {
    scene(Setting::default(), |stage, report| story(stage, report))
}

#[test]
fn a_node_that_remembers_nothing_ends_it_too() -> Result<()> {
    let node = vec!["gateway.token_cache.enabled=false".to_owned()];
    scene(Setting { node, ..Setting::default() }, |stage, report| story(stage, report))
}
