//! One limit at three nodes and their server. The windows are years, so that none ends during a check.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use latchkey_checks::node::Node;
use latchkey_checks::server::{Launch, Server, pass};

use crate::stage::PATH;

/// The limit.
const LIMIT: usize = 100;
/// Callers at once at each node, and how many calls each makes.
const CALLERS: usize = 34;
const CALLS: usize = 10;
/// The longest wait for permits that a node took and did not use, and for news of a reset.
const PATIENCE: Duration = Duration::from_secs(20);

fn node(server: &Server, name: &str) -> Result<Node> {
    let secret = server.cli(&["node", "create", name], "")?;
    server.canary().remember("a node's secret", secret.trim());
    let node = Node::start(&format!("http://{}", server.client.address()), secret.trim(), &[])?;
    let since = Instant::now();
    while node.operations("/readyz")?.status != 200 {
        ensure!(since.elapsed() < PATIENCE, "the node never became ready: {}", node.stderr()?);
        pass(Duration::from_millis(20));
    }
    Ok(node)
}

/// How many of the calls of one caller pass; the others must be refused as throttled.
fn call(node: &Node, token: &str, calls: usize) -> Result<usize> {
    let mut passed = 0;
    for _ in 0..calls {
        let reply = node.call(PATH, token)?;
        if reply.status == 200 {
            passed += 1;
        } else {
            let code = reply.expect(429)?.json()?["code"].clone();
            ensure!(code == "900804", "{code}");
        }
    }
    Ok(passed)
}

/// How many of a thousand calls at all nodes at once pass.
fn storm(nodes: &[Node], token: &str) -> Result<usize> {
    thread::scope(|scope| {
        let callers = nodes.iter().flat_map(|node| (0..CALLERS).map(move |_| node));
        let callers: Vec<_> = callers.map(|node| scope.spawn(|| call(node, token, CALLS))).collect();
        let passed = callers.into_iter().map(|caller| caller.join().ok().context("a caller panicked")?);
        passed.sum()
    })
}

/// Calls until the whole limit has passed, and never more.
fn exactly_the_limit(nodes: &[Node], token: &str) -> Result<()> {
    let mut sum = storm(nodes, token)?;
    ensure!(sum <= LIMIT, "{sum} of {LIMIT} passed");
    let since = Instant::now();
    while sum < LIMIT && since.elapsed() < PATIENCE {
        // What a node took ahead of calls that did not come is handed back after a second.
        pass(Duration::from_millis(200));
        for node in nodes {
            sum += call(node, token, 1)?;
        }
    }
    sum += storm(nodes, token)?;
    ensure!(sum == LIMIT, "{sum} passed, and {LIMIT} is the limit");
    Ok(())
}

#[test]
fn three_nodes_and_a_thousand_calls_come_to_exactly_the_limit() -> Result<()> {
    let server = Launch::new().start()?;
    let told = (|| {
        let application = server.application("Shared", &["--token-format", "opaque"])?;
        let limit = format!("{LIMIT}/year");
        server.cli(&["tier", "put", "Shared", "--level", "subscription", "--limit", &limit], "")?;
        server.cli(&["app", "subscribe", "Shared", "/echo/1.0.0", "--tier", "Shared"], "")?;
        let token = server.client.issue(&application, "device_one")?.access;
        let nodes = [node(&server, "edge-1")?, node(&server, "edge-2")?, node(&server, "edge-3")?];
        exactly_the_limit(&nodes, &token)?;
        server.cli(&["limit", "reset", "--app", "Shared"], "")?;
        let since = Instant::now();
        let mut first = 0;
        while first == 0 {
            ensure!(since.elapsed() < PATIENCE, "no node heard of the reset");
            first = call(&nodes[0], &token, 1)?;
        }
        // The others may still refuse for a moment; they never admit more than what is left.
        pass(Duration::from_secs(1));
        let rest = storm(&nodes, &token)?;
        ensure!(rest < LIMIT, "{rest} and one more passed after the reset");
        ensure!(rest > LIMIT / 2, "only {rest} passed after the reset");
        Ok(())
    })();
    server.explain(told)?;
    server.finish()
}
