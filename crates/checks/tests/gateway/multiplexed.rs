//! Upstreams that speak HTTP/2: trailers both ways, goodbyes and resets in the middle of a call, TLS.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result, ensure};
use latchkey_checks::frames::{END_HEADERS, END_STREAM, Http2, Kind, Outcome, block, frame};
use latchkey_checks::multiplexed::Http2Upstream;
use latchkey_checks::secure::{Authority, Certified, named};
use latchkey_checks::server::Launch;
use latchkey_checks::streams::Host;
use latchkey_checks::wire::{self, Asked, Connection, Reply, Request, short};
use serde_json::{Value, json};

use crate::stage::{Stage, scene};

/// Reasons (RFC 9113 section 7).
const NO_ERROR: u32 = 0;
const INTERNAL_ERROR: u32 = 2;

fn http2() -> Value {
    json!({ "x-latchkey-upstream-protocol": "http2" })
}

impl Stage {
    fn upstream_at(&self, path: &str, url: String, members: &Value) -> Result<()> {
        self.server.import(path, &[url], members)?;
        self.server.subscribe("Opaque", path)
    }

    fn ask(&self, (method, body): (&str, &str), path: &str, token: &str) -> Result<Reply> {
        let request = Request::new(method, path).header("Authorization", &format!("Bearer {token}"));
        let request = if body.is_empty() { request } else { request.body(body.as_bytes()) };
        wire::exchange(self.gateway(), &request)
    }
}

/// A call of gRPC as its clients send it, over a connection of its own: what came of it, and all that came.
fn grpc(stage: &Stage, path: &str, token: &str) -> Result<Outcome> {
    let mut caller = Http2::open(stage.gateway(), &[])?;
    let headers = [
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "gateway"),
        (":path", path),
        ("authorization", &format!("Bearer {token}")),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ];
    let trailers = [
        ("x-sum", "7"),
        ("x-forwarded-for", "10.0.0.1"),
        ("x_real_ip", "10.0.0.1"),
        ("authorization", "Bearer other"),
        ("latchkey-user", "bob"),
    ];
    let call = [
        frame(Kind::Headers, END_HEADERS, 1, &block(&headers)),
        frame(Kind::Data, 0, 1, b"onetwo"),
        frame(Kind::Headers, END_HEADERS | END_STREAM, 1, &block(&trailers)),
    ];
    caller.send(&call.concat())?;
    caller.outcome(1)
}

#[test]
fn trailers_go_both_ways_and_say_nothing_that_only_headers_may() -> Result<()> {
    scene(Launch::new(), |stage, report| {
        let token = stage.server.client.issue(&stage.opaque, "")?.access;
        report.check("gateway.trailers", "a call of gRPC, over HTTP/2 on both sides", || {
            let upstream = Http2Upstream::start(None)?;
            stage.upstream_at("/grpc/1", upstream.url(), &http2())?;
            let outcome = grpc(stage, "/grpc/1/pkg.Service/Method", &token)?;
            ensure!(outcome == Outcome::Status(200), "{outcome:?}");
            let asked = upstream.asked();
            let [asked] = &asked[..] else { anyhow::bail!("{asked:?}") };
            ensure!(asked.line == "POST /base/pkg.Service/Method" && asked.body == b"onetwo", "{asked:?}");
            ensure!(asked.te.as_deref() == Some("trailers"), "{asked:?}");
            ensure!(asked.trailers == [("x-sum".to_owned(), "7".to_owned())], "{:?}", asked.trailers);
            Ok(())
        });
        let host = Host::start()?;
        stage.upstream_at("/chunks/1", host.url()?, &json!({}))?;
        report.check("gateway.trailers", "chunks to an upstream of HTTP/1.1: what was announced", || {
            let mut caller = Connection::open(stage.gateway())?;
            let call = format!(
                "POST /chunks/1/a HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\nTrailer: X-Sum, Host, X_Forwarded_For\r\n\
                 Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 7\r\nHost: evil\r\nX_Forwarded_For: 10.0.0.1\r\n\
                 Content-Length: 9\r\nX-Other: 1\r\n\r\n"
            );
            caller.send_bytes(call.as_bytes())?;
            let (mut upstream, head) = host.accept()?;
            ensure!(head.to_lowercase().contains("\r\ntrailer: x-sum\r\n"), "{head}");
            let body = upstream.read_until("\r\n\r\n")?;
            ensure!(body == "3\r\nabc\r\n0\r\nx-sum: 7\r\n\r\n", "{body:?}");
            upstream.send_bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")?;
            caller.read_reply(Asked::Whole)?.expect(200).map(drop)
        });
        Ok(())
    })
}

/// What an upstream does with the second call of its first connection. Every other call it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Second {
    /// It says that it looked at no stream behind the first, and ends.
    Unseen,
    /// It says that it looked at both, and ends without an answer.
    Seen,
    /// The same, for an error of its own.
    Broken,
    /// It ends without a word.
    Closes,
    /// It resets the stream.
    Reset,
    /// It refuses the stream, of which it has done nothing.
    Refused,
}

/// Plays the part, and counts the requests that came over all connections.
fn play(listener: TcpListener, second: Second, seen: Arc<AtomicUsize>) -> JoinHandle<Result<()>> {
    thread::spawn(move || {
        let mut first = Http2::accept(&listener)?;
        let stream = first.next_request()?.context("no first call")?;
        seen.fetch_add(1, Ordering::SeqCst);
        first.answer(stream)?;
        let stream = first.next_request()?.context("no second call")?;
        seen.fetch_add(1, Ordering::SeqCst);
        match second {
            Second::Unseen => first.say_goodbye(stream - 2, NO_ERROR)?,
            Second::Seen => first.say_goodbye(stream, NO_ERROR)?,
            Second::Broken => first.say_goodbye(stream, INTERNAL_ERROR)?,
            Second::Closes => {}
            Second::Reset => first.send(&frame(Kind::Reset, 0, stream, &INTERNAL_ERROR.to_be_bytes()))?,
            Second::Refused => first.send(&frame(Kind::Reset, 0, stream, &7u32.to_be_bytes()))?,
        }
        let mut last = match second {
            Second::Reset | Second::Refused => first,
            Second::Unseen | Second::Seen | Second::Broken | Second::Closes => {
                drop(first);
                Http2::accept(&listener)?
            }
        };
        while let Some(stream) = last.next_request()? {
            seen.fetch_add(1, Ordering::SeqCst);
            last.answer(stream)?;
        }
        Ok(())
    })
}

#[test]
fn goodbyes_and_resets_in_the_middle_of_a_call() -> Result<()> {
    use Second::{Broken, Closes, Refused, Reset, Seen, Unseen};
    // What happens, the method, and the status of the call that it happens to.
    let cases = [
        (Unseen, ("GET", ""), 200),
        (Unseen, ("POST", ""), 200),
        // What is gone of a body nobody can send again.
        (Unseen, ("POST", "once"), 502),
        (Seen, ("GET", ""), 200),
        (Seen, ("POST", ""), 502),
        (Broken, ("POST", ""), 502),
        (Closes, ("GET", ""), 200),
        (Closes, ("POST", ""), 502),
        (Reset, ("POST", ""), 502),
        (Reset, ("POST", "once"), 502),
        (Refused, ("POST", ""), 200),
        (Refused, ("GET", ""), 200),
    ];
    // One thread, so that the calls meet on one connection.
    scene(Launch::new().set("gateway.threads=1"), |stage, report| {
        let token = stage.server.client.issue(&stage.opaque, "")?.access;
        for (number, (second, what, status)) in cases.into_iter().enumerate() {
            report.check("gateway.http2", &format!("{second:?}, {what:?}"), || {
                let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
                let url = format!("http://{}", listener.local_addr()?);
                let path = format!("/second-{number}/1");
                stage.upstream_at(&path, url, &http2())?;
                let seen = Arc::<AtomicUsize>::default();
                let played = play(listener, second, Arc::clone(&seen));
                let ask = |what| stage.ask(what, &format!("{path}/a"), &token);
                ask(("GET", ""))?.expect(200)?;
                let reply = ask(what)?.expect(status)?;
                if status != 200 {
                    ensure!(reply.json()?["code"] == "101505", "{}", short(&reply.text()));
                }
                ask(("GET", ""))?.expect(200).context("the call behind it")?;
                let asked = seen.load(Ordering::SeqCst);
                // A call that the upstream may have looked at and that is no GET came once.
                let expected = if status == 200 { 4 } else { 3 };
                ensure!(asked == expected, "{asked} requests came, not {expected}");
                ensure!(!played.is_finished(), "the upstream gave up: {:?}", played.join());
                Ok(())
            });
        }
        Ok(())
    })
}

#[test]
fn http2_over_tls_is_agreed_on() -> Result<()> {
    let authority = Authority::new()?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("authority.pem");
    std::fs::write(&file, authority.pem())?;
    let believing = Launch::new().set(&format!("gateway.upstream_ca_files=[\"{}\"]", file.display()));
    let certified = Certified::new(&named("localhost")?, Some(&authority))?;
    scene(believing, |stage, report| {
        let token = stage.server.client.issue(&stage.opaque, "")?.access;
        report.check("gateway.http2", "by ALPN", || {
            let upstream = Http2Upstream::start(Some((&certified, "h2")))?;
            stage.upstream_at("/agreed/1", upstream.url(), &http2())?;
            let outcome = grpc(stage, "/agreed/1/m", &token)?;
            ensure!(outcome == Outcome::Status(200), "{outcome:?}");
            ensure!(upstream.asked().len() == 1, "{:?}", upstream.asked());
            Ok(())
        });
        report.check("gateway.http2", "an upstream that agrees on something else gets no call", || {
            let upstream = Http2Upstream::start(Some((&certified, "http/1.1")))?;
            stage.upstream_at("/other-words/1", upstream.url(), &http2())?;
            let refused = stage.ask(("POST", "once"), "/other-words/1/a", &token)?.expect(502)?;
            ensure!(refused.header("latchkey-explain").is_some(), "{}", short(&refused.text()));
            ensure!(upstream.asked().is_empty(), "{:?}", upstream.asked());
            Ok(())
        });
        report.check("gateway.http2", "a reset answers its own call alone", || {
            let upstream = Http2Upstream::start(Some((&certified, "h2")))?;
            stage.upstream_at("/resets/1", upstream.url(), &http2())?;
            for code in [1, 2, 8, 11] {
                let refused =
                    stage.ask(("POST", "once"), &format!("/resets/1/reset-{code}"), &token)?.expect(502)?;
                ensure!(refused.json()?["code"] == "101505", "{code}: {}", short(&refused.text()));
                stage.ask(("POST", "once"), "/resets/1/a", &token)?.expect(200)?;
            }
            ensure!(upstream.asked().len() == 8, "{:?}", upstream.asked());
            Ok(())
        });
        Ok(())
    })
}
