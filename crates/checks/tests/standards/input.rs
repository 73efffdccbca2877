//! Bytes that are no good request, and many of them: a clear refusal, and the next caller is served.

use anyhow::{Result, ensure};
use latchkey_checks::client::State;
use latchkey_checks::server::Launch;
use latchkey_checks::wire::{Asked, Connection, Request, short};

use crate::scenes::scene;

/// What is sent, and whether an answer is owed (some bytes only deserve a closed connection).
const RAW: [(&str, &[u8]); 9] = [
    ("not HTTP", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
    ("HTTP of the future", b"POST /oauth2/token HTTP/9.9\r\nHost: x\r\n\r\n"),
    ("a header with a line feed inside its name", b"POST /oauth2/token HTTP/1.1\r\nHo\nst: x\r\n\r\n"),
    (
        "two lengths",
        b"POST /oauth2/token HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
    ),
    (
        "a length that is no number",
        b"POST /oauth2/token HTTP/1.1\r\nHost: x\r\nContent-Length: five\r\n\r\nabcde",
    ),
    ("a negative length", b"POST /oauth2/token HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n"),
    (
        "a length beyond 64 bits",
        b"POST /oauth2/token HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
    ),
    (
        "a chunk of no size",
        b"POST /oauth2/token HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ),
    (
        "a URL of bytes beyond ASCII",
        b"POST /oauth2/\xff\xfe HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
    ),
];

#[test]
fn input_raw_bytes() -> Result<()> {
    scene(Launch::new(), |server, report| {
        let (client, application) = (&server.client, &server.demo.application);
        let held = client.issue(application, "device_raw")?;
        for (name, bytes) in RAW {
            report.check("input", &format!("{name}: 4xx or a closed connection"), || {
                let mut connection = Connection::open(client.address())?;
                connection.send_bytes(bytes)?;
                if let Ok(reply) = connection.read_reply(Asked::Whole) {
                    ensure!(
                        matches!(reply.status, 400..=499 | 505),
                        "{}: {}",
                        reply.status,
                        short(&reply.text())
                    );
                }
                client.expect_state("a token asked about afterwards", &held.access, State::Active)
            });
        }
        report.check("input", "a head of 200 kB: 4xx or a closed connection", || {
            let mut connection = Connection::open(client.address())?;
            let request = Request::new("POST", "/oauth2/token").header("X-Long", &"x".repeat(200_000));
            connection.send_bytes(&request.bytes())?;
            if let Ok(reply) = connection.read_reply(Asked::Whole) {
                ensure!(matches!(reply.status, 400..=499), "{}: {}", reply.status, short(&reply.text()));
            }
            client.expect_state("a token asked about afterwards", &held.access, State::Active)
        });
        report.check("input", "a form in chunks is a form", || {
            let body = b"10\r\ngrant_type=clien\r\n10\r\nt_credentials&x=\r\n0\r\n\r\n";
            let request = Request::new("POST", "/oauth2/token").basic(&application.key, &application.secret);
            let request = request.header("Content-Type", "application/x-www-form-urlencoded");
            client.send(&request.header("Transfer-Encoding", "chunked").body(body))?.expect(200).map(drop)
        });
        report.check("input", "a body larger than allowed is told so before it is read to its end", || {
            let mut connection = Connection::open(client.address())?;
            let request = Request::new("POST", "/oauth2/token").basic(&application.key, &application.secret);
            let request = request.header("Content-Type", "application/x-www-form-urlencoded");
            connection
                .send_bytes(&request.header("Content-Length", "1073741824").body(b"grant_type=").bytes())?;
            let reply = connection.read_reply(Asked::Whole)?;
            ensure!(matches!(reply.status, 400 | 413), "status {}", reply.status);
            Ok(())
        });
        report.check("input", "after all this the server is ready and has no complaint about itself", || {
            server.operations("/readyz")?.expect(200)?;
            let log = server.stderr()?;
            ensure!(!log.contains("panicked"), "a panic stands in the log: {}", short(&log));
            Ok(())
        });
        Ok(())
    })
}

#[test]
fn input_keep_alive_connections_carry_on_after_refusals() -> Result<()> {
    scene(Launch::new(), |server, report| {
        let (client, application) = (&server.client, &server.demo.application);
        report.check("input", "one connection: refusals between successes", || {
            let mut connection = Connection::open(client.address())?;
            let base = Request::new("POST", "/oauth2/token").basic(&application.key, &application.secret);
            for round in 0..20 {
                let scope = format!("device_keep{round}");
                let good = base.clone().form(&[("grant_type", "client_credentials"), ("scope", &scope)]);
                client.send_on(&mut connection, &good)?.expect(200)?;
                let bad = base.clone().form(&[("grant_type", "no_such_grant")]);
                client.send_on(&mut connection, &bad)?.refused(400, "unsupported_grant_type")?;
            }
            Ok(())
        });
        Ok(())
    })
}
