//! Streams at a node end with what the server says, and with the node.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use latchkey_checks::client::Application;
use latchkey_checks::server::pass;
use latchkey_checks::streams::{Call, Events, Framing, Host, Tunnel, WITHDRAWALS};
use latchkey_checks::wire::{self, Request};
use rustix::process::Signal;

use crate::stage::{BOUND, Setting, Stage, scene};

/// The API of these checks.
const SOCKETS: &str = "/sockets/1";

/// An upstream that the check is, behind an API that the node knows.
fn host(stage: &Stage) -> Result<Host> {
    let host = Host::start()?;
    let server = &stage.server;
    server.import(SOCKETS, &[host.url()?], &sockets())?;
    for application in ["Opaque", "Jwt"] {
        server.subscribe(application, SOCKETS)?;
    }
    is_heard_of(stage, SOCKETS)?;
    Ok(host)
}

fn sockets() -> serde_json::Value {
    serde_json::json!({ "x-latchkey-upgrades": "websocket" })
}

/// Waits until the node knows the API: whoever brings no token is then refused.
fn is_heard_of(stage: &Stage, path: &str) -> Result<()> {
    let (since, stranger) = (Instant::now(), Request::new("GET", &format!("{path}/any")));
    while wire::exchange(stage.node.gateway(), &stranger)?.status != 401 {
        ensure!(since.elapsed() < 20 * BOUND, "the node never hears of the API");
        pass(Duration::from_millis(10));
    }
    Ok(())
}

/// Both kinds of streams with one token.
fn streams(stage: &Stage, host: &Host, token: &str) -> Result<(Tunnel, Events)> {
    let gateway = stage.node.gateway();
    let mut tunnel = Tunnel::open(host, Call { gateway, path: "/sockets/1/chat", token })?;
    let call = Call { gateway, path: "/sockets/1/events", token };
    let mut events = Events::open(host, call, Framing::Chunks)?;
    tunnel.echo()?;
    events.flow(3)?;
    Ok((tunnel, events))
}

/// What forbids the call at the server ends its streams at the node, within the bound; the node hears of it by the
/// same way as of tokens, and asks for what else it must know.
#[test]
fn whatever_stops_a_call_stops_its_streams_at_the_node() -> Result<()> {
    scene(Setting::default(), |stage, report| {
        let host = host(stage)?;
        let server = &stage.server;
        let pairs = [
            (("Opaque", stage.jwt.key.as_str()), server.client.issue(&stage.opaque, "")?),
            (("Jwt", stage.opaque.key.as_str()), server.client.issue(&stage.jwt, "")?),
        ];
        let mut stays: Vec<_> = Vec::new();
        for (_, pair) in &pairs {
            stays.push(streams(stage, &host, &pair.access)?);
        }
        for (number, withdrawal) in WITHDRAWALS.iter().enumerate() {
            let ((application, other), pair) = &pairs[number % pairs.len()];
            report.check("node.withdrawn", withdrawal.name, || {
                let path = format!("/own-{number}/1");
                server.import(&path, &[host.url()?], &sockets())?;
                server.subscribe(application, &path)?;
                // The log is in order: who knows of this API knows of the subscription before it.
                let marker = format!("/marker-{number}/1");
                server.import(&marker, &[host.url()?], &sockets())?;
                is_heard_of(stage, &marker)?;
                let (gateway, token) = (stage.node.gateway(), pair.access.as_str());
                let call = Call { gateway, path: &format!("{path}/chat"), token };
                let mut tunnel = Tunnel::open(&host, call)?;
                let mut events = Events::open(&host, call, Framing::Chunks)?;
                tunnel.echo()?;
                events.flow(3)?;
                withdrawal.happen(server, (application, other), &path)?;
                let since = Instant::now();
                let (code, reason) = withdrawal.goodbye;
                let told = tunnel.is_closed_for(code, since)?;
                // A retired API loses its subscriptions, of which the node may hear before the API's end.
                let also = if withdrawal.name == "the API is retired" {
                    "900908 Resource forbidden"
                } else {
                    reason
                };
                ensure!([reason, also].contains(&told.as_str()), "{told:?}");
                events.is_cut(since)
            });
        }
        report.check("node.withdrawn", "those of other calls go on", || {
            pass(BOUND);
            for (tunnel, events) in &mut stays {
                tunnel.echo()?;
                events.flow(3)?;
            }
            Ok(())
        });
        Ok(())
    })
}

fn open_streams(stage: &Stage) -> Result<Option<String>> {
    let text = stage.node.operations("/metrics")?.expect(200)?.text();
    Ok(text.lines().find_map(|line| line.strip_prefix("latchkey_gateway_open_streams ")).map(str::to_owned))
}

type End<'a> = (&'a str, Box<dyn Fn(&Application, &str, &str) -> Result<()> + 'a>);

#[test]
fn whatever_ends_a_token_at_the_server_ends_its_streams_at_the_node() -> Result<()> {
    scene(Setting::default(), |stage, report| {
        let host = host(stage)?;
        let (server, alice) = (&stage.server, &stage.server.demo.user);
        let client = &server.client;
        let ends: Vec<End<'_>> = vec![
            ("the client revokes it", Box::new(|application, access, _| client.revoke(application, access))),
            (
                "a refresh replaces it",
                Box::new(|application, _, refresh| client.refresh(application, refresh).map(drop)),
            ),
            (
                "the user is locked",
                Box::new(|_, _, _| {
                    server.cli(&["user", "lock", &alice.username], "")?;
                    server.cli(&["user", "unlock", &alice.username], "").map(drop)
                }),
            ),
        ];
        for (name, end) in &ends {
            for (kind, application) in [("opaque", &stage.opaque), ("JWT", &stage.jwt)] {
                report.check("node", &format!("{name}, {kind}"), || {
                    let pair = client.sign_in(application, alice, &client.new_device())?;
                    let (tunnel, events) = streams(stage, &host, &pair.access)?;
                    end(application, &pair.access, pair.refresh()?)?;
                    let since = Instant::now();
                    tunnel.is_closed(1008, since)?;
                    events.is_cut(since)
                });
            }
        }
        report.check("node", "another token's stay, and are counted", || {
            let (one, other) =
                (client.issue(&stage.opaque, "device_a")?, client.issue(&stage.opaque, "device_b")?);
            let (mut tunnel, mut events) = streams(stage, &host, &other.access)?;
            client.revoke(&stage.opaque, &one.access)?;
            tunnel.echo()?;
            events.flow(3)?;
            Ok(())
        });
        Ok(())
    })
}

/// Past the lease nobody knows whether a token was revoked; what calls cannot do, open streams cannot either.
#[test]
fn streams_end_with_the_lease() -> Result<()> {
    scene(Setting::default(), |stage, report| {
        let host = host(stage)?;
        let pair = stage.server.client.issue(&stage.opaque, "")?;
        let (mut tunnel, mut events) = streams(stage, &host, &pair.access)?;
        report.check("node", "while the server is heard they go on, past any lease", || {
            pass(2 * BOUND);
            tunnel.echo()?;
            events.flow(3)?;
            Ok(())
        });
        stage.server.signal(Signal::STOP)?;
        let since = Instant::now();
        report.check("node", "once it is silent they end within the bound", || {
            pass(BOUND);
            tunnel.is_closed(1001, Instant::now())?;
            events.is_cut(Instant::now())?;
            ensure!(since.elapsed() < 3 * BOUND, "after {:?}", since.elapsed());
            Ok(())
        });
        stage.server.signal(Signal::CONT)
    })
}

#[test]
fn a_node_that_ends_says_so() -> Result<()> {
    scene(Setting::default(), |stage, report| {
        let host = host(stage)?;
        let pair = stage.server.client.issue(&stage.opaque, "")?;
        let (tunnel, events) = streams(stage, &host, &pair.access)?;
        report.check("node", "its metrics count what is open", || {
            let open = open_streams(stage)?;
            ensure!(open.as_deref() == Some("2"), "{open:?}");
            Ok(())
        });
        report.check("node", "and they name the upstream", || {
            let line = format!("latchkey_upstream_healthy{{address=\"{}\"}} 1", host.url()?);
            let since = Instant::now();
            while !stage.node.operations("/metrics")?.text().contains(&line) {
                ensure!(since.elapsed() < 60 * BOUND, "{line} is not among them");
                pass(Duration::from_millis(50));
            }
            Ok(())
        });
        let since = Instant::now();
        stage.node.terminate()?;
        report.check("node", "both ends of a WebSocket hear it", || tunnel.is_closed(1001, since));
        drop(events);
        report.check("node", "and the node waits for nothing more", || {
            let status = stage.node.ended()?;
            ensure!(status.success(), "{status:?}");
            ensure!(since.elapsed() < 5 * BOUND, "after {:?}", since.elapsed());
            Ok(())
        });
        Ok(())
    })
}
