//! P10.4.F: upstreams that are slow, rude or broken. The caller gets an answer of the gateway, or, where
//! the answer had begun, a connection that ends before it looks whole; and the next call is served.

use anyhow::{Result, ensure};
use latchkey_checks::recorder::Act;
use latchkey_checks::server::Launch;
use latchkey_checks::wire::{Asked, Connection, Request, short};

use crate::stage::{API, BASE, GONE_API, Stage, scene};

/// What an upstream does, and the code of the gateway's answer.
fn refusals() -> Vec<(&'static str, Act, u16, &'static str)> {
    use Act::{Say, SayAndClose, SayAndReset, SayAndStall};
    let many = |name: &str| {
        let mut head = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n".to_vec();
        for number in 0..2_000 {
            head.extend(format!("{name}-{number}: {}\r\n", "x".repeat(500)).bytes());
        }
        head
    };
    let garbage = |text: &[u8]| SayAndClose(text.to_vec());
    vec![
        ("silence", SayAndStall(Vec::new()), 504, "101504"),
        ("half a head, then silence", SayAndStall(b"HTTP/1.1 200 OK\r\nContent-".to_vec()), 504, "101504"),
        ("a close", SayAndClose(Vec::new()), 502, "101505"),
        ("a reset", SayAndReset(Vec::new()), 502, "101505"),
        ("half a head, then a close", garbage(b"HTTP/1.1 200 OK\r\nContent-"), 502, "101505"),
        ("garbage", garbage(b"\x00\x01\x02\x03\r\n\r\n"), 502, "101506"),
        ("HTTP/0.9", garbage(b"<html>hello</html>"), 502, "101506"),
        ("SSH", garbage(b"SSH-2.0-OpenSSH_9.2\r\n"), 502, "101506"),
        ("a status of two digits", garbage(b"HTTP/1.1 20 OK\r\n\r\n"), 502, "101506"),
        ("a status of four digits", garbage(b"HTTP/1.1 2000 OK\r\n\r\n"), 502, "101506"),
        (
            "two lengths that differ",
            garbage(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc"),
            502,
            "101506",
        ),
        (
            "a length beside chunks",
            Say(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n".to_vec()),
            502,
            "101506",
        ),
        ("a length of minus one", garbage(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nabc"), 502, "101506"),
        ("a folded line", garbage(b"HTTP/1.1 200 OK\r\nX-A: b\r\n c\r\nContent-Length: 0\r\n\r\n"), 502, "101506"),
        ("1 MB of headers", SayAndStall(many("X")), 502, "101506"),
        (
            "101, though nothing was asked for",
            Say(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n".to_vec()),
            502,
            "101506",
        ),
    ]
}

fn request(method: &str, path: &str, token: &str) -> Request {
    Request::new(method, &format!("{API}{path}")).header("Authorization", &format!("Bearer {token}"))
}

fn token(stage: &Stage) -> Result<String> {
    Ok(stage.server.client.issue(&stage.opaque, "device_trouble")?.access)
}

#[test]
fn p10_4_f_what_is_no_answer() -> Result<()> {
    scene(Launch::new(), |stage, report| {
        let token = token(stage)?;
        for (number, (says, act, status, code)) in refusals().into_iter().enumerate() {
            report.check("P10.4.F", &format!("{says}: {status} {code}, and POST is sent once"), || {
                let path = format!("/trouble{number}");
                stage.recorder.on(&format!("{BASE}{path}"), act);
                let known = stage.recorder.count();
                let mut connection = Connection::open(stage.gateway())?;
                let reply = connection.send(&request("POST", &path, &token).body(b"abc"))?.expect(status)?;
                ensure!(reply.json()?["code"] == code, "{}", short(&reply.text()));
                connection.send(&request("GET", "/well", &token))?.expect(200)?;
                let lines: Vec<String> =
                    stage.recorder.since(known).iter().map(|seen| seen.line().to_owned()).collect();
                let expected = [format!("POST {BASE}{path} HTTP/1.1"), format!("GET {BASE}/well HTTP/1.1")];
                ensure!(lines == expected, "the upstream saw {lines:?}");
                Ok(())
            });
        }
        report.check("P10.4.F", "nobody listens: 502 101503", || {
            let call = Request::new("GET", &format!("{GONE_API}/a"))
                .header("Authorization", &format!("Bearer {token}"));
            let reply = latchkey_checks::wire::exchange(stage.gateway(), &call)?.expect(502)?;
            ensure!(reply.json()?["code"] == "101503", "{}", short(&reply.text()));
            Ok(())
        });
        Ok(())
    })
}

#[test]
fn p10_4_f_answers_that_break_off() -> Result<()> {
    let breaks: [(&str, Act); 6] = [
        ("a body shorter than its length", Act::SayAndClose(lengthy(b"abc"))),
        ("a body that stalls", Act::SayAndStall(lengthy(b"abc"))),
        ("a body cut by a reset", Act::SayAndReset(lengthy(b"abc"))),
        ("chunks without their end", Act::SayAndClose(chunked(b"3\r\nabc\r\n"))),
        ("chunks that stall", Act::SayAndStall(chunked(b"3\r\nabc\r\n"))),
        ("a chunk of no size", Act::SayAndStall(chunked(b"3\r\nabc\r\nzz\r\n"))),
    ];
    scene(Launch::new(), |stage, report| {
        let token = token(stage)?;
        for (number, (says, act)) in breaks.into_iter().enumerate() {
            report.check("P10.4.F", &format!("{says}: the caller sees that it is not whole"), || {
                let path = format!("/broken{number}");
                stage.recorder.on(&format!("{BASE}{path}"), act);
                let mut connection = Connection::open(stage.gateway())?;
                connection.send_bytes(&request("GET", &path, &token).bytes())?;
                let came = connection.read_to_end()?;
                let text = String::from_utf8_lossy(&came);
                ensure!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{}", short(&text));
                ensure!(!text.ends_with("0\r\n\r\n"), "the end is made up: {}", short(&text));
                stage.call("/well", &token)?.expect(200).map(drop)
            });
        }
        Ok(())
    })
}

fn lengthy(body: &[u8]) -> Vec<u8> {
    [b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", body].concat()
}

fn chunked(body: &[u8]) -> Vec<u8> {
    [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", body].concat()
}

#[test]
fn p10_4_f_odd_answers() -> Result<()> {
    scene(Launch::new(), |stage, report| {
        let token = token(stage)?;
        let on = |path: &str, act: Act| stage.recorder.on(&format!("{BASE}{path}"), act);
        report.check("P10.4.F", "more bytes than the length says: the answer ends where it said", || {
            let head = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n";
            on(
                "/more",
                Act::Say([head.as_slice(), b"okHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"].concat()),
            );
            let mut connection = Connection::open(stage.gateway())?;
            for _ in 0..3 {
                let reply = connection.send(&request("GET", "/more", &token))?.expect(200)?;
                ensure!(reply.text() == "ok", "{}", short(&reply.text()));
            }
            let reply = connection.send(&request("GET", "/well", &token))?.expect(200)?;
            ensure!(reply.text() == "ok", "another call's answer: {}", short(&reply.text()));
            Ok(())
        });
        report.check("P10.4.F", "a storm of 1xx: one answer", || {
            let storm = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".repeat(200);
            on("/storm", Act::Say([&storm[..], b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"].concat()));
            stage.call("/storm", &token)?.expect(200).map(drop)
        });
        report.check("P10.4.F", "what the upstream's Connection lists ends at the gateway", || {
            let answer = b"HTTP/1.1 200 OK\r\nConnection: X-Secret\r\nX-Secret: s\r\nKeep-Alive: timeout=5\r\nX-Open: o\r\nContent-Length: 0\r\n\r\n";
            on("/listed", Act::Say(answer.to_vec()));
            let reply = stage.call("/listed", &token)?.expect(200)?;
            ensure!(reply.header("x-secret").is_none() && reply.header("keep-alive").is_none(), "{reply:?}");
            ensure!(reply.header("x-open") == Some("o"), "{reply:?}");
            Ok(())
        });
        report.check("P10.4.F", "a body without length ends with the upstream's connection", || {
            on("/endless", Act::SayAndClose(b"HTTP/1.1 200 OK\r\n\r\nabc".to_vec()));
            let reply = stage.call("/endless", &token)?.expect(200)?;
            ensure!(reply.text() == "abc", "{}", short(&reply.text()));
            Ok(())
        });
        report.check("P10.4.F", "an answer before the body was sent reaches the caller", || {
            on(
                "/early",
                Act::SayEarly(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n".to_vec()),
            );
            let mut connection = Connection::open(stage.gateway())?;
            let upload = request("POST", "/early", &token).header("Content-Length", "100000000");
            connection.send_bytes(&upload.body(&b"x".repeat(64 * 1024)).bytes())?;
            connection.read_reply(Asked::Whole)?.expect(413)?;
            stage.call("/well", &token)?.expect(200).map(drop)
        });
        Ok(())
    })
}

/// 1 GB, of which the caller reads 64 MiB: what the gateway holds of it stays small.
#[test]
fn p10_4_f_a_gigabyte() -> Result<()> {
    const SIZE: u64 = 1 << 30;
    scene(Launch::new(), |stage, report| {
        let token = token(stage)?;
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n");
        stage.recorder.on(&format!("{BASE}/flood"), Act::Flood(head.into_bytes(), SIZE));
        report.check(
            "P10.4.F",
            "an answer of 1 GB is streamed, and a caller who reads nothing holds it back",
            || {
                let before = stage.server.memory()?;
                let mut connection = Connection::open(stage.gateway())?;
                connection.send_bytes(&request("GET", "/flood", &token).bytes())?;
                let read = connection.skip(64 << 20)?;
                ensure!(read >= 64 << 20, "only {read} bytes came");
                let grown = stage.server.memory()?.saturating_sub(before);
                ensure!(grown < 16 << 20, "the gateway grew by {grown} bytes");
                drop(connection);
                stage.call("/well", &token)?.expect(200).map(drop)
            },
        );
        Ok(())
    })
}

#[test]
fn p10_4_e_slow_bodies() -> Result<()> {
    scene(Launch::new(), |stage, report| {
        let token = token(stage)?;
        report.check("P10.4.E", "a body that stops: 408, and the upstream's connection ends", || {
            let mut connection = Connection::open(stage.gateway())?;
            let upload = request("POST", "/slow", &token).header("Content-Length", "10").body(b"abc");
            connection.send_bytes(&upload.bytes())?;
            let reply = connection.read_reply(Asked::Whole)?.expect(408)?;
            ensure!(reply.json()?["code"] == "408", "{}", short(&reply.text()));
            let rest = connection.read_to_end()?;
            ensure!(rest.is_empty(), "more comes: {}", short(&String::from_utf8_lossy(&rest)));
            stage.call("/well", &token)?.expect(200).map(drop)
        });
        report.check("P10.4.E", "a body that ends early: nothing is made up at the upstream", || {
            let known = stage.recorder.count();
            let mut connection = Connection::open(stage.gateway())?;
            let upload = request("POST", "/cut", &token).header("Content-Length", "10").body(b"abc");
            connection.send_bytes(&upload.bytes())?;
            drop(connection);
            stage.call("/well", &token)?.expect(200)?;
            let seen = stage.recorder.since(known);
            ensure!(!seen.iter().any(|seen| seen.line().contains("/cut") && seen.is_whole), "{seen:?}");
            Ok(())
        });
        report.check(
            "P10.4.E",
            "a body longer than the wait for an answer, in steps: it is uploaded whole",
            || {
                let known = stage.recorder.count();
                let mut connection = Connection::open(stage.gateway())?;
                let upload = request("POST", "/steps", &token).header("Content-Length", "5");
                connection.send_bytes(&upload.bytes())?;
                for _ in 0..5 {
                    latchkey_checks::server::pass(std::time::Duration::from_millis(600));
                    connection.send_bytes(b"x")?;
                }
                connection.read_reply(Asked::Whole)?.expect(200)?;
                let mut seen = stage.recorder.since(known);
                // The call before this one was cut off, and may arrive only now.
                seen.retain(|seen| seen.line().contains("/steps"));
                ensure!(seen.len() == 1 && seen[0].is_whole && seen[0].body == b"xxxxx", "{seen:?}");
                Ok(())
            },
        );
        Ok(())
    })
}
