//! P10.4.E: callers who are slow, silent or many. They cost a bounded time and a bounded memory.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use latchkey_checks::recorder::Act;
use latchkey_checks::server::{Launch, pass};
use latchkey_checks::wire::{Asked, Connection, Request, short};

use crate::stage::{API, BASE, scene};

/// Times that let a check wait for them.
const TIMES: [&str; 3] = ["server.header_timeout=1s", "server.idle_timeout=1s", "server.request_timeout=2s"];

fn impatient() -> Launch {
    TIMES.iter().fold(Launch::new(), |launch, setting| launch.set(setting))
}

/// Sends `text` a byte at a time until the server has had enough; what it said, and after how long.
fn trickle(address: SocketAddr, text: &[u8]) -> Result<(String, Duration)> {
    let mut connection = Connection::open(address)?;
    let begun = Instant::now();
    for byte in text.iter().cycle() {
        connection.send_bytes(&[*byte])?;
        pass(Duration::from_millis(50));
        if connection.has_ended()? || begun.elapsed() > Duration::from_secs(20) {
            break;
        }
    }
    let said = connection.read_to_end()?;
    Ok((String::from_utf8_lossy(&said).into_owned(), begun.elapsed()))
}

#[test]
fn p10_4_e_heads_that_trickle() -> Result<()> {
    scene(impatient(), |stage, report| {
        let token = stage.server.client.issue(&stage.opaque, "device_slow")?.access;
        let known = stage.recorder.count();
        for (says, address) in [("gateway", stage.gateway()), ("token server", stage.server.client.address())]
        {
            let lines = b"GET /check/1/slow HTTP/1.1\r\nHost: gateway\r\nX-A: b\r\nX-";
            for (what, text) in [
                ("a head", &lines[..]),
                ("nothing but empty lines", b"\r\n"),
                ("an HTTP/2 preface", b"PRI * HT"),
            ] {
                report.check("P10.4.E", &format!("{says}: {what}, a byte at a time, is cut off"), || {
                    let (said, after) = trickle(address, text)?;
                    ensure!(!said.starts_with("HTTP/1.1 200"), "{}", short(&said));
                    ensure!(after < Duration::from_secs(10), "after {after:?}");
                    Ok(())
                });
            }
        }
        report.check("P10.4.E", "and nothing of it reached the upstream", || {
            ensure!(stage.recorder.count() == known, "{:?}", stage.recorder.since(known));
            stage.call("/well", &token)?.expect(200).map(drop)
        });
        report.check("P10.4.E", "a form that trickles is refused with 408", || {
            let form = Request::new("POST", "/oauth2/token").header("Content-Length", "1000");
            let form = form.header("Content-Type", "application/x-www-form-urlencoded");
            let mut connection = Connection::open(stage.server.client.address())?;
            connection.send_bytes(&form.body(b"grant_type=").bytes())?;
            let begun = Instant::now();
            connection.read_reply(Asked::Whole)?.expect(408)?;
            ensure!(begun.elapsed() < Duration::from_secs(10), "after {:?}", begun.elapsed());
            Ok(())
        });
        Ok(())
    })
}

#[test]
fn p10_4_e_a_reader_who_stops() -> Result<()> {
    const SIZE: u64 = 1 << 30;
    scene(impatient(), |stage, report| {
        let token = stage.server.client.issue(&stage.opaque, "device_slow")?.access;
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n");
        stage.recorder.on(&format!("{BASE}/flood"), Act::Flood(head.into_bytes(), SIZE));
        report.check("P10.4.E", "a caller who stops reading is cut off, and holds no memory", || {
            let before = stage.server.memory()?;
            let mut connection = Connection::open(stage.gateway())?;
            let request = Request::new("GET", &format!("{API}/flood"));
            connection.send_bytes(&request.header("Authorization", &format!("Bearer {token}")).bytes())?;
            connection.skip(1 << 20)?;
            pass(Duration::from_secs(4));
            let grown = stage.server.memory()?.saturating_sub(before);
            ensure!(grown < 16 << 20, "the gateway grew by {grown} bytes");
            // What the system holds on both sides still comes, and then the end.
            let rest = connection.skip(64 << 20)?;
            ensure!(rest < 64 << 20, "the answer goes on: {rest} bytes");
            stage.call("/well", &token)?.expect(200).map(drop)
        });
        report.check("P10.4.E", "a caller who reads slowly, but reads, is not", || {
            let mut connection = Connection::open(stage.gateway())?;
            let request = Request::new("GET", &format!("{API}/flood"));
            connection.send_bytes(&request.header("Authorization", &format!("Bearer {token}")).bytes())?;
            let mut read = 0;
            for _ in 0..40 {
                pass(Duration::from_millis(100));
                read += connection.skip(1 << 20)?;
            }
            ensure!(read >= 40 << 20, "only {read} bytes came");
            Ok(())
        });
        report.check(
            "P10.4.E",
            "a caller who has ended its own side first gets its answer or the end",
            || {
                let mut connection = Connection::open(stage.gateway())?;
                let request = Request::new("GET", &format!("{API}/half"));
                connection
                    .send_bytes(&request.header("Authorization", &format!("Bearer {token}")).bytes())?;
                connection.end_sending()?;
                let said = String::from_utf8_lossy(&connection.read_to_end()?).into_owned();
                ensure!(said.is_empty() || said.starts_with("HTTP/1.1 200"), "{}", short(&said));
                stage.call("/well", &token)?.expect(200).map(drop)
            },
        );
        Ok(())
    })
}

#[test]
fn p10_4_e_thousands_who_say_nothing() -> Result<()> {
    const COUNT: usize = 3_000;
    let launch = impatient().set("server.header_timeout=4s").set("server.max_connections=3500");
    scene(launch, |stage, report| {
        let token = stage.server.client.issue(&stage.opaque, "device_slow")?.access;
        stage.call("/well", &token)?.expect(200)?;
        report.check("P10.4.E", "3000 idle connections: others are served, and they end", || {
            let before = stage.server.memory()?;
            let mut idle = Vec::new();
            for _ in 0..COUNT {
                idle.push(Connection::open(stage.gateway())?);
            }
            let begun = Instant::now();
            stage.call("/well", &token)?.expect(200)?;
            ensure!(begun.elapsed() < Duration::from_secs(3), "another caller waited {:?}", begun.elapsed());
            let grown = stage.server.memory()?.saturating_sub(before);
            ensure!(grown < COUNT * 24 * 1024, "the gateway grew by {grown} bytes");
            for connection in &mut idle {
                ensure!(connection.read_to_end()?.is_empty(), "a word for nobody");
            }
            stage.call("/well", &token)?.expect(200).map(drop)
        });
        Ok(())
    })?;
    let few = impatient().set("server.max_connections=100").set("server.max_connections_per_address=100");
    scene(few, |stage, report| {
        let token = stage.server.client.issue(&stage.opaque, "device_slow")?.access;
        report.check("P10.4.E", "more connections than there may be: the next waits, and is served", || {
            let idle: Vec<Connection> =
                (0..150).map(|_| Connection::open(stage.gateway())).collect::<Result<_>>()?;
            let begun = Instant::now();
            stage.call("/well", &token)?.expect(200)?;
            ensure!(begun.elapsed() < Duration::from_secs(10), "after {:?}", begun.elapsed());
            drop(idle);
            Ok(())
        });
        Ok(())
    })
}
