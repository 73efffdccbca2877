//! What lasts: `WebSocket` and event streams flow, and end with their token, with the right to call, and with the
//! server.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use latchkey_checks::client::Application;
use latchkey_checks::frames::{Http2, Outcome};
use latchkey_checks::report::Report;
use latchkey_checks::server::{Launch, Person, pass};
use latchkey_checks::streams::{Call, Came, Events, Framing, Host, SOON, Tunnel, WITHDRAWALS};
use latchkey_checks::wire::{Asked, Connection};
use serde_json::json;

use crate::stage::{Stage, scene};

/// An API that may be upgraded.
const SOCKETS: &str = "/sockets/1";
/// An API that may not.
const PLAIN: &str = "/plain/1";
/// The longest wait for something that has no bound but patience.
const PATIENCE: Duration = Duration::from_secs(20);

/// An upstream that the check is, behind both APIs.
fn host(stage: &Stage) -> Result<Host> {
    let host = Host::start()?;
    let server = &stage.server;
    server.import(SOCKETS, &[host.url()?], &json!({ "x-latchkey-upgrades": "websocket" }))?;
    server.import(PLAIN, &[host.url()?], &json!({}))?;
    for application in ["Opaque", "Jwt"] {
        for path in [SOCKETS, PLAIN] {
            server.subscribe(application, path)?;
        }
    }
    Ok(host)
}

fn at<'a>(stage: &Stage, path: &'a str, token: &'a str) -> Call<'a> {
    Call { gateway: stage.gateway(), path, token }
}

/// Waits until no stream is open at the gateway.
fn none_is_left(stage: &Stage) -> Result<()> {
    let since = Instant::now();
    while !stage.server.operations("/metrics")?.text().contains("latchkey_gateway_open_streams 0\n") {
        ensure!(since.elapsed() < PATIENCE, "some are still open");
        pass(Duration::from_millis(10));
    }
    Ok(())
}

/// A token that was just handed out, and who may end it.
struct Given<'a> {
    application: &'a Application,
    access: &'a str,
    refresh: &'a str,
    person: &'a Person,
}

/// A name for the way that a token ends, and the way.
type Way<'a> = (&'a str, Box<dyn Fn(&Given<'_>) -> Result<()> + 'a>);

/// Everything that ends a token; what ends the user comes last.
fn ways(stage: &Stage) -> Vec<Way<'_>> {
    let (server, client) = (&stage.server, &stage.server.client);
    vec![
        ("the client revokes it", Box::new(|given| client.revoke(given.application, given.access))),
        ("the client revokes its sibling", Box::new(|given| client.revoke(given.application, given.refresh))),
        (
            "a refresh replaces it",
            Box::new(|given| client.refresh(given.application, given.refresh).map(drop)),
        ),
        (
            "an administrator ends what the user has",
            Box::new(|given| {
                server.cli(&["token", "revoke", "--user", &given.person.username], "").map(drop)
            }),
        ),
        (
            "the user is locked",
            Box::new(|given| {
                server.cli(&["user", "lock", &given.person.username], "")?;
                server.cli(&["user", "unlock", &given.person.username], "").map(drop)
            }),
        ),
        (
            "the user is deleted",
            Box::new(|given| server.cli(&["user", "delete", &given.person.username], "").map(drop)),
        ),
    ]
}

/// Opens a stream by `open` with a token of bob's, ends the token and looks at the stream by `cut`; for every way
/// and both kinds of tokens.
fn ends<S>(
    (stage, report): (&Stage, &mut Report),
    open: impl Fn(&str) -> Result<S>,
    cut: impl Fn(S, Instant) -> Result<()>,
) {
    for (name, end) in ways(stage) {
        for (kind, application) in [("opaque", &stage.opaque), ("JWT", &stage.jwt)] {
            report.check("P10.4.D", &format!("{name}, {kind}"), || {
                // He may have been deleted before.
                let person = if stage.server.try_cli(&["user", "show", "bob"], "")?.status.success() {
                    Person { username: "bob".to_owned(), password: PASSWORD.to_owned() }
                } else {
                    stage.server.bob(PASSWORD)?
                };
                let device = stage.server.client.new_device();
                let pair = stage.server.client.sign_in(application, &person, &device)?;
                let stream = open(&pair.access)?;
                let (access, refresh) = (pair.access.as_str(), pair.refresh()?);
                end(&Given { application, access, refresh, person: &person })?;
                cut(stream, Instant::now())
            });
        }
    }
}

const PASSWORD: &str = "correct horse battery staple";

#[test]
fn web_sockets_go_both_ways() -> Result<()> {
    scene(Launch::new(), |stage, report| {
        let host = host(stage)?;
        let pair = stage.server.client.issue(&stage.opaque, "device_socket")?;
        report.check("stream", "messages go both ways, unchanged", || {
            let mut tunnel = Tunnel::open(&host, at(stage, "/sockets/1/chat", &pair.access))?;
            tunnel.echo()?;
            drop(tunnel.upstream);
            ensure!(tunnel.caller.read_to_end()?.is_empty(), "more came");
            Ok(())
        });
        report.check("stream", "what comes with the agreement is not lost", || {
            let call = at(stage, "/sockets/1/chat", &pair.access);
            let mut caller = Connection::open(call.gateway)?;
            caller.send_bytes(&call.wish().bytes())?;
            let (mut upstream, _) = host.accept()?;
            upstream.send_bytes(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n\x81\x05early")?;
            caller.read_until("\r\n\r\n")?;
            let first = Came::read(&mut caller)?;
            ensure!(first.payload == b"early", "{first:?}");
            Ok(())
        });
        report.check("stream", "a token that is not alive opens none", || {
            let call = at(stage, "/sockets/1/chat", "lka_nobody");
            Connection::open(call.gateway)?.send(&call.wish())?.expect(401).map(drop)
        });
        report.check("stream", "the upstream may refuse", || {
            let call = at(stage, "/sockets/1/chat", &pair.access);
            let mut caller = Connection::open(call.gateway)?;
            caller.send_bytes(&call.wish().bytes())?;
            let (mut upstream, _) = host.accept()?;
            upstream.send_bytes(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")?;
            let refused = caller.read_reply(Asked::Whole)?.expect(403)?;
            ensure!(refused.text() == "no", "{}", refused.text());
            Ok(())
        });
        report.check("stream", "an API without upgrades passes the call and not the wish", || {
            let call = at(stage, "/plain/1/chat", &pair.access);
            let mut caller = Connection::open(call.gateway)?;
            caller.send_bytes(&call.wish().bytes())?;
            let (mut upstream, head) = host.accept()?;
            let asked = head.to_lowercase();
            ensure!(asked.starts_with("get /chat ") && !asked.contains("upgrade"), "{head}");
            upstream.send_bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")?;
            caller.read_reply(Asked::Whole)?.expect(200).map(drop)
        });
        report.check("stream", "nothing is left of them", || none_is_left(stage));
        Ok(())
    })
}

#[test]
fn whatever_ends_a_token_ends_its_web_sockets() -> Result<()> {
    scene(Launch::new(), |stage, report| {
        let host = host(stage)?;
        let open = |token: &str| {
            let mut tunnel = Tunnel::open(&host, at(stage, "/sockets/1/chat", token))?;
            tunnel.echo()?;
            Ok(tunnel)
        };
        ends((&*stage, &mut *report), open, |tunnel, since| tunnel.is_closed(1008, since));
        report.check("P10.4.D", "another token's is not touched", || {
            let client = &stage.server.client;
            let (one, other) =
                (client.issue(&stage.opaque, "device_a")?, client.issue(&stage.opaque, "device_b")?);
            let (ends, mut stays) = (open(&one.access)?, open(&other.access)?);
            client.revoke(&stage.opaque, &one.access)?;
            ends.is_closed(1008, Instant::now())?;
            stays.echo()
        });
        report.check("P10.4.D", "nor does one end that is silent hold up the other", || {
            let client = &stage.server.client;
            let pair = client.issue(&stage.opaque, "device_silent")?;
            let Tunnel { caller, mut upstream } = open(&pair.access)?;
            client.revoke(&stage.opaque, &pair.access)?;
            let since = Instant::now();
            ensure!(!upstream.read_to_end()?.is_empty(), "no goodbye");
            ensure!(since.elapsed() < SOON, "after {:?}", since.elapsed());
            drop(caller);
            Ok(())
        });
        report.check("stream", "nothing is left of them", || none_is_left(stage));
        Ok(())
    })
}

#[test]
fn a_server_that_ends_says_so() -> Result<()> {
    scene(Launch::new(), |stage, report| {
        let host = host(stage)?;
        let pair = stage.server.client.issue(&stage.opaque, "device_end")?;
        let mut tunnel = Tunnel::open(&host, at(stage, "/sockets/1/chat", &pair.access))?;
        tunnel.echo()?;
        let since = Instant::now();
        stage.server.signal(rustix::process::Signal::TERM)?;
        report.check("stream", "to both ends", || tunnel.is_closed(1001, since));
        report.check("stream", "and waits for none of them", || {
            let status = stage.server.terminate()?;
            ensure!(status.success(), "{status:?}");
            ensure!(since.elapsed() < Duration::from_secs(5), "after {:?}", since.elapsed());
            Ok(())
        });
        Ok(())
    })
}

#[test]
fn events_come_one_by_one() -> Result<()> {
    scene(Launch::new(), |stage, report| {
        let host = host(stage)?;
        let pair = stage.server.client.issue(&stage.jwt, "device_events")?;
        for framing in [Framing::Chunks, Framing::Length, Framing::Close] {
            report.check("stream", &format!("each before the next is sent: {framing:?}"), || {
                Events::open(&host, at(stage, "/plain/1/events", &pair.access), framing)?.flow(50)
            });
        }
        report.check("stream", "an answer that the upstream ends is whole", || {
            let call = at(stage, "/plain/1/events", &pair.access);
            let mut events = Events::open(&host, call, Framing::Close)?;
            events.flow(3)?;
            drop(events.upstream);
            let rest = events.caller.read_until("0\r\n\r\n")?;
            ensure!(rest == "\r\n0\r\n\r\n", "{rest:?}");
            Ok(())
        });
        report.check("stream", "nothing is left of them", || none_is_left(stage));
        Ok(())
    })
}

#[test]
fn whatever_ends_a_token_cuts_its_events() -> Result<()> {
    scene(Launch::new(), |stage, report| {
        let host = host(stage)?;
        for framing in [Framing::Chunks, Framing::Length, Framing::Close] {
            let open = |token: &str| {
                let mut events = Events::open(&host, at(stage, "/plain/1/events", token), framing)?;
                events.flow(3)?;
                Ok(events)
            };
            ends((&*stage, &mut *report), open, Events::is_cut);
        }
        let over_http2 = |token: &str| {
            let mut caller = Http2::open(stage.gateway(), &[])?;
            let bearer = format!("Bearer {token}");
            let headers = [
                (":method", "GET"),
                (":scheme", "http"),
                (":authority", "localhost"),
                (":path", "/plain/1/events"),
                ("authorization", &bearer),
            ];
            caller.request(1, &headers, None)?;
            let (mut upstream, _) = host.accept()?;
            upstream.send_bytes(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n")?;
            ensure!(caller.outcome(1)? == Outcome::Status(200), "no answer");
            Ok((caller, upstream))
        };
        ends((&*stage, &mut *report), over_http2, |(mut caller, mut upstream), since| {
            let outcome = caller.outcome(1)?;
            ensure!(matches!(outcome, Outcome::Reset(reason) if reason != 0), "{outcome:?}");
            ensure!(upstream.read_to_end()?.is_empty(), "more came");
            ensure!(since.elapsed() < SOON, "after {:?}", since.elapsed());
            Ok(())
        });
        Ok(())
    })
}

/// An API for one story, which may do with it what it likes.
fn api_of_its_own(stage: &Stage, host: &Host, number: usize, members: &serde_json::Value) -> Result<String> {
    let path = format!("/own-{number}/1");
    stage.server.import(&path, &[host.url()?], members)?;
    Ok(path)
}

#[test]
fn whatever_stops_a_call_stops_its_streams() -> Result<()> {
    scene(Launch::new(), |stage, report| {
        let host = host(stage)?;
        let sockets = json!({ "x-latchkey-upgrades": "websocket" });
        let pairs = [
            (("Opaque", stage.jwt.key.as_str()), stage.server.client.issue(&stage.opaque, "device_stops")?),
            (("Jwt", stage.opaque.key.as_str()), stage.server.client.issue(&stage.jwt, "device_stops")?),
        ];
        for (number, withdrawal) in WITHDRAWALS.iter().enumerate() {
            let ((application, other), pair) = &pairs[number % pairs.len()];
            report.check("gateway.withdrawn", withdrawal.name, || {
                let path = api_of_its_own(stage, &host, number, &sockets)?;
                stage.server.subscribe(application, &path)?;
                let below = format!("{path}/chat");
                let mut tunnel = Tunnel::open(&host, at(stage, &below, &pair.access))?;
                let mut stays = Tunnel::open(&host, at(stage, "/sockets/1/chat", &pair.access))?;
                let mut events = Events::open(&host, at(stage, &below, &pair.access), Framing::Chunks)?;
                tunnel.echo()?;
                events.flow(3)?;
                withdrawal.happen(&stage.server, (application, other), &path)?;
                let since = Instant::now();
                let (code, reason) = withdrawal.goodbye;
                let told = tunnel.is_closed_for(code, since)?;
                ensure!(told == reason, "{told:?}");
                events.is_cut(since)?;
                stays.echo().context("another API's")
            });
        }
        report.check("gateway.withdrawn", "a long upload is answered what its call would be", || {
            let ((application, other), pair) = &pairs[0];
            let path = api_of_its_own(stage, &host, 98, &sockets)?;
            stage.server.subscribe(application, &path)?;
            let mut caller = Connection::open(stage.gateway())?;
            let head = format!(
                "POST {path}/upload HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\nContent-Length: 1000000\r\n\r\nabc",
                pair.access
            );
            caller.send_bytes(head.as_bytes())?;
            let (mut upstream, _) = host.accept()?;
            upstream.read_until("abc")?;
            WITHDRAWALS[0].happen(&stage.server, (application, other), &path)?;
            let refused = caller.read_reply(Asked::Whole)?.expect(401)?;
            ensure!(refused.json()?["code"] == "900907", "{}", refused.text());
            ensure!(upstream.read_to_end()?.is_empty(), "more came");
            Ok(())
        });
        report.check("gateway.withdrawn", "one without a token ends with its API", || {
            let open = json!({ "paths": { "/*": { "get": { "x-auth-type": "None" } } } });
            let path = api_of_its_own(stage, &host, 99, &open)?;
            let below = format!("{path}/events");
            let mut events = Events::open(&host, at(stage, &below, "nobody"), Framing::Chunks)?;
            events.flow(3)?;
            stage.server.cli(&["api", "delete", &path], "")?;
            events.is_cut(Instant::now())
        });
        report.check("gateway.withdrawn", "nothing is left of them", || none_is_left(stage));
        Ok(())
    })
}

#[test]
fn streams_end_when_their_token_expires() -> Result<()> {
    scene(Launch::new(), |stage, report| {
        let host = host(stage)?;
        for format in ["opaque", "jwt"] {
            let name = format!("Brief {format}");
            let flags = [
                "--application-validity",
                "3",
                "--token-format",
                format,
                "--subscribe",
                SOCKETS,
                "--subscribe",
                PLAIN,
            ];
            let brief = stage.server.application(&name, &flags)?;
            report.check("P10.4.D.3", format, || {
                let issued = Instant::now();
                let pair = stage.server.client.issue(&brief, "device_brief")?;
                let mut tunnel = Tunnel::open(&host, at(stage, "/sockets/1/chat", &pair.access))?;
                let mut events =
                    Events::open(&host, at(stage, "/plain/1/events", &pair.access), Framing::Chunks)?;
                tunnel.echo()?;
                events.flow(3)?;
                // The validity counts whole seconds.
                let expires = issued + Duration::from_secs(3);
                events.is_cut(expires)?;
                let took = issued.elapsed();
                ensure!(took > Duration::from_secs(1), "it is cut after {took:?} already");
                tunnel.is_closed(1008, expires)
            });
        }
        Ok(())
    })
}

#[test]
fn a_long_upload_ends_with_its_token() -> Result<()> {
    scene(Launch::new(), |stage, report| {
        let host = host(stage)?;
        let pair = stage.server.client.issue(&stage.opaque, "device_upload")?;
        let call = at(stage, "/plain/1/upload", &pair.access);
        let mut caller = Connection::open(call.gateway)?;
        let head = format!(
            "POST {} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\nContent-Length: 1000000\r\n\r\nabc",
            call.path, call.token
        );
        caller.send_bytes(head.as_bytes())?;
        let (mut upstream, _) = host.accept()?;
        upstream.read_until("abc")?;
        stage.server.client.revoke(&stage.opaque, &pair.access)?;
        let since = Instant::now();
        report.check("stream", "the caller is told, and the upstream's connection ends", || {
            let refused = caller.read_reply(Asked::Whole)?.expect(401)?;
            ensure!(refused.json()?["code"] == "900901", "{}", refused.text());
            ensure!(upstream.read_to_end()?.is_empty(), "more came");
            ensure!(since.elapsed() < SOON, "after {:?}", since.elapsed());
            Ok(())
        });
        Ok(())
    })
}
