//! P10.4.E and C097 over HTTP/2: requests that are malformed, and floods. A flood may cost its own connection;
//! it never costs memory, a call at the upstream for each frame, or another caller's answer.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use latchkey_checks::frames::{END_HEADERS, END_STREAM, Flood, Http2, Kind, Outcome, block, frame, literal};
use latchkey_checks::recorder::Act;
use latchkey_checks::server::Launch;

use crate::stage::{API, BASE, Stage, scene};

/// What the memory of the gateway may grow by in a flood. Allocators keep some of what they get.
const GROWTH: usize = 24 << 20;
/// The longest that another caller waits during a flood; a machine with other work is slow, not this slow.
const SLOWEST: Duration = Duration::from_secs(10);

type Headers = Vec<(String, String)>;

/// A good call of `path`.
fn call(path: &str, token: &str) -> Headers {
    let fields = [
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "gateway"),
        (":path", &format!("{API}{path}")),
        ("authorization", &format!("Bearer {token}")),
    ];
    fields.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

fn borrowed(headers: &Headers) -> Vec<(&str, &str)> {
    headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

/// How a good call is spoilt.
enum Spoil {
    /// Nothing is.
    Not,
    /// A header comes at the end.
    Add(&'static str, &'static str),
    /// A header comes first.
    First(&'static str, &'static str),
    /// A header is left out.
    Without(&'static str),
    /// A header has another value.
    Set(&'static str, &'static str),
}

impl Spoil {
    fn apply(&self, headers: &mut Headers) {
        let owned = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        match *self {
            Self::Not => {}
            Self::Add(name, value) => headers.push(owned(name, value)),
            Self::First(name, value) => headers.insert(0, owned(name, value)),
            Self::Without(name) => headers.retain(|(known, _)| known != name),
            Self::Set(name, value) => {
                let known = headers.iter_mut().filter(|(known, _)| known == name);
                known.for_each(|(_, known)| value.clone_into(known));
            }
        }
    }
}

/// What a request gets.
enum Gets {
    /// 200, and the upstream sees this request line.
    Through(&'static str),
    /// The gateway's own answer.
    Status(u16),
    /// A stream error of type `PROTOCOL_ERROR` (RFC 9113 section 8.1.1).
    Reset,
    /// The same for the whole connection, where the block of headers itself cannot be read.
    GoAway,
}

fn requests() -> Vec<(&'static str, Spoil, Gets)> {
    use Gets::{GoAway, Reset, Status, Through};
    use Spoil::{Add, First, Not, Set, Without};
    let plain = "GET /base/a HTTP/1.1";
    vec![
        ("a good call", Not, Through(plain)),
        ("a header in upper case", Add("X-Upper", "1"), GoAway),
        ("a header with a space", Add("x y", "1"), GoAway),
        ("a header without a name", Add("", "1"), GoAway),
        ("a line end in a value", Add("x-a", "1\r\nx-b: 2"), GoAway),
        ("a NUL in a value", Add("x-a", "1\0"), GoAway),
        ("a line end in a name", Add("x-a: 1\r\nx-b", "2"), GoAway),
        ("connection", Add("connection", "close"), Reset),
        ("keep-alive", Add("keep-alive", "timeout=5"), Reset),
        ("proxy-connection", Add("proxy-connection", "keep-alive"), Reset),
        ("transfer-encoding", Add("transfer-encoding", "chunked"), Reset),
        ("upgrade", Add("upgrade", "websocket"), Reset),
        ("te other than trailers", Add("te", "gzip"), Reset),
        ("te: trailers", Add("te", "trailers"), Through(plain)),
        ("no method", Without(":method"), Reset),
        ("no scheme", Without(":scheme"), Reset),
        ("no path", Without(":path"), Reset),
        ("no authority and no host", Without(":authority"), Status(400)),
        ("two methods", First(":method", "POST"), Reset),
        ("two paths", First(":path", "/check/1/b"), Reset),
        ("two authorities", First(":authority", "other"), Reset),
        ("a status", First(":status", "200"), Reset),
        ("a pseudo header that nobody knows", First(":path-prefix", "/"), GoAway),
        ("a pseudo header behind a header", Add(":authority", "gateway"), Reset),
        ("a host that is another", Add("host", "other"), Status(400)),
        ("a host that is the same", Add("host", "gateway"), Through(plain)),
        ("two hosts", First("host", "gateway"), Reset),
        ("an authority with a user", Set(":authority", "alice@gateway"), Status(400)),
        ("an empty authority", Set(":authority", ""), Reset),
        ("an empty path", Set(":path", ""), Reset),
        ("a path without a slash", Set(":path", "check/1/a"), Reset),
        ("a path that is a URL", Set(":path", "http://other/check/1/a"), Reset),
        ("a path that is a star", Set(":path", "*"), Status(400)),
        ("a path with a space", Set(":path", "/check/1/a b"), Reset),
        ("a path with a line end", Set(":path", "/check/1/a HTTP/1.1\r\nx: y"), Reset),
        ("a path with dots", Set(":path", "/check/1/../../other/1/a"), Status(400)),
        ("a path with an encoded slash", Set(":path", "/check/1/a%2fb"), Status(400)),
        ("a path with two slashes", Set(":path", "//check/1/a"), Status(400)),
        ("a path with a parameter", Set(":path", "/check/1/a;b"), Status(400)),
        ("CONNECT with a path", Set(":method", "CONNECT"), Reset),
        ("TRACE", Set(":method", "TRACE"), Status(405)),
        ("a method with a space", Set(":method", "GET /x HTTP/1.1"), GoAway),
        ("a length without a body", Add("content-length", "5"), Reset),
        ("a length that is no number", Add("content-length", "+0"), Reset),
        ("two tokens", Add("authorization", "Bearer other"), Status(400)),
        ("expect: weird", Add("expect", "weird"), Status(417)),
        ("another token", Set("authorization", "Bearer none"), Status(401)),
    ]
}

#[test]
fn p10_4_e_http2_requests() -> Result<()> {
    scene(Launch::new(), |stage, report| {
        let token = stage.server.client.issue(&stage.opaque, "device_frames")?.access;
        for (says, spoil, gets) in requests() {
            report.check("P10.4.E", &format!("HTTP/2, {says}"), || {
                let known = stage.recorder.count();
                let mut headers = call("/a", &token);
                spoil.apply(&mut headers);
                let mut connection = Http2::open(stage.gateway(), &[])?;
                connection.request(1, &borrowed(&headers), None)?;
                let (outcome, line) = match gets {
                    Gets::Through(line) => (Outcome::Status(200), Some(line)),
                    Gets::Status(status) => (Outcome::Status(status), None),
                    Gets::Reset => (Outcome::Reset(1), None),
                    Gets::GoAway => (Outcome::GoAway(1), None),
                };
                let came = connection.outcome(1)?;
                ensure!(came == outcome, "{came:?}, not {outcome:?}");
                let seen = stage.recorder.since(known);
                let lines: Vec<&str> = seen.iter().map(latchkey_checks::recorder::Seen::line).collect();
                ensure!(lines == line.into_iter().collect::<Vec<_>>(), "the upstream saw {lines:?}");
                Ok(())
            });
        }
        Ok(())
    })
}

#[test]
fn p10_3_02_http2_lengths_that_lie() -> Result<()> {
    scene(Launch::new(), |stage, report| {
        let token = stage.server.client.issue(&stage.opaque, "device_frames")?.access;
        for (says, length, body) in [
            ("shorter than its length", "5", &b"abc"[..]),
            ("longer than its length", "2", b"abc"),
            ("of a length of 0", "0", b"abc"),
        ] {
            report.check("P10.3.02", &format!("HTTP/2, a body {says}: nothing whole arrives"), || {
                let known = stage.recorder.count();
                let mut headers = call("/lie", &token);
                Spoil::Set(":method", "POST").apply(&mut headers);
                headers.push(("content-length".to_owned(), length.to_owned()));
                let mut connection = Http2::open(stage.gateway(), &[])?;
                connection.request(1, &borrowed(&headers), Some(body))?;
                let came = connection.outcome(1)?;
                ensure!(matches!(came, Outcome::Reset(1) | Outcome::Status(400)), "{came:?}");
                stage.call("/well", &token)?.expect(200)?;
                let seen = stage.recorder.since(known);
                let whole = seen.iter().filter(|seen| seen.line().contains("/lie") && seen.is_whole).count();
                ensure!(whole == 0, "{seen:?}");
                Ok(())
            });
        }
        Ok(())
    })
}

/// A flood: what is sent, how often, and how many calls of it may reach the upstream.
struct Torrent {
    says: &'static str,
    times: usize,
    bytes: Box<dyn Fn(usize) -> Vec<u8>>,
    calls: usize,
}

/// The number of the client's `number`th stream.
fn stream(number: usize) -> u32 {
    u32::try_from(number).unwrap_or_default() * 2 + 1
}

impl Torrent {
    fn new(
        says: &'static str,
        (times, calls): (usize, usize),
        bytes: impl Fn(usize) -> Vec<u8> + 'static,
    ) -> Self {
        Self { says, times, bytes: Box::new(bytes), calls }
    }
}

/// Of streams that ask for something and do not wait for it.
fn torrents_of_streams(token: &str) -> Vec<Torrent> {
    let good = block(&borrowed(&call("/flood-of-calls", token)));
    let open = move |number: usize, flags: u8| frame(Kind::Headers, flags, stream(number), &good);
    let (reset, kept, provoked) = (open.clone(), open.clone(), open);
    let mut post = call("/flood-of-calls", token);
    Spoil::Set(":method", "POST").apply(&mut post);
    let post = block(&borrowed(&post));
    vec![
        Torrent::new("streams that are reset at once", (20_000, 300), move |number| {
            let end = frame(Kind::Reset, 0, stream(number), &8_u32.to_be_bytes());
            [reset(number, END_HEADERS | END_STREAM), end].concat()
        }),
        Torrent::new("streams that make the server reset them", (20_000, 3_000), move |number| {
            let nothing = frame(Kind::WindowUpdate, 0, stream(number), &0_u32.to_be_bytes());
            [provoked(number, END_HEADERS), nothing].concat()
        }),
        Torrent::new("streams that stay open", (5_000, 100), move |number| {
            frame(Kind::Headers, END_HEADERS, stream(number), &post)
        }),
        Torrent::new("empty data", (200_000, 1), move |number| match number {
            0 => kept(0, END_HEADERS),
            _ => frame(Kind::Data, 0, 1, &[]),
        }),
        Torrent::new("data for nobody", (20_000, 0), |number| {
            frame(Kind::Data, 0, stream(number), &[0; 1_000])
        }),
    ]
}

/// Of frames that ask for nothing.
fn torrents_of_frames() -> Vec<Torrent> {
    let head = |number| if number == 0 { Kind::Headers } else { Kind::Continuation };
    vec![
        Torrent::new("a head without end", (5_000, 0), move |number| {
            frame(head(number), 0, 1, &block(&[("x", &"y".repeat(16_000))]))
        }),
        Torrent::new("a head of empty frames without end", (100_000, 0), move |number| {
            frame(head(number), 0, 1, &[])
        }),
        Torrent::new("one header of 4 kB, a million times", (100, 0), |number| {
            let mut bytes = Vec::new();
            literal(&mut bytes, 0x40, (b"x", &[b'y'; 3_900]));
            bytes.extend([0xbe].repeat(12_000));
            frame(Kind::Headers, END_HEADERS | END_STREAM, stream(number), &bytes)
        }),
        Torrent::new("settings", (200_000, 0), |_| frame(Kind::Settings, 0, 0, &[0, 3, 0, 0, 0, 1])),
        Torrent::new("pings", (200_000, 0), |_| frame(Kind::Ping, 0, 0, &[7; 8])),
        Torrent::new("priorities", (200_000, 0), |number| {
            frame(Kind::Priority, 0, stream(number), &[0, 0, 0, 0, 9])
        }),
        Torrent::new("window updates", (200_000, 0), |_| {
            frame(Kind::WindowUpdate, 0, 0, &1_u32.to_be_bytes())
        }),
    ]
}

#[test]
fn p10_4_e_http2_floods() -> Result<()> {
    scene(Launch::new(), |stage, report| {
        let token = stage.server.client.issue(&stage.opaque, "device_frames")?.access;
        stage.call("/well", &token)?.expect(200)?;
        for torrent in torrents_of_streams(&token).into_iter().chain(torrents_of_frames()) {
            report.check("P10.4.E", &format!("HTTP/2, a flood of {}", torrent.says), || {
                settle(stage, &token)?;
                let (known, before) = (stage.recorder.count(), stage.server.memory()?);
                let (flood, slowest) = beside(stage, &token, || {
                    let mut connection = Http2::open(stage.gateway(), &[])?;
                    connection.flood(torrent.times, &torrent.bytes)
                })?;
                let grown = stage.server.memory()?.saturating_sub(before);
                ensure!(grown < GROWTH, "{flood:?}, the gateway grew by {grown} bytes");
                ensure!(slowest < SLOWEST, "{flood:?}, another caller waited {slowest:?}");
                let seen = stage.recorder.since(known);
                let calls = seen.iter().filter(|seen| seen.line().contains("flood-of-calls")).count();
                ensure!(calls <= torrent.calls, "{flood:?}, {calls} calls reached the upstream");
                Ok(())
            });
        }
        Ok(())
    })
}

/// Waits until no call of a flood that is over arrives any more.
fn settle(stage: &Stage, token: &str) -> Result<()> {
    let mut quiet = 0;
    for _ in 0..1_000 {
        let known = stage.recorder.count();
        stage.call("/well", token)?.expect(200)?;
        quiet = if stage.recorder.count() == known + 1 { quiet + 1 } else { 0 };
        if quiet == 20 {
            return Ok(());
        }
    }
    anyhow::bail!("calls of a flood that is over still arrive")
}

/// Does `work` while another caller calls again and again; the longest wait of that caller.
fn beside<T>(stage: &Stage, token: &str, work: impl FnOnce() -> Result<T>) -> Result<(T, Duration)> {
    let is_done = AtomicBool::new(false);
    thread::scope(|scope| {
        let bystander = scope.spawn(|| -> Result<Duration> {
            let mut slowest = Duration::ZERO;
            loop {
                let done = is_done.load(Ordering::Relaxed);
                let begun = Instant::now();
                stage.call("/bystander", token)?.expect(200).context("another caller")?;
                slowest = slowest.max(begun.elapsed());
                if done {
                    return Ok(slowest);
                }
            }
        });
        let worked = work();
        is_done.store(true, Ordering::Relaxed);
        let slowest = bystander.join().map_err(|_| anyhow::anyhow!("the other caller panicked"))??;
        Ok((worked?, slowest))
    })
}

/// A hundred answers of 64 MB each, of which nothing is read though every window is open: what waits of each
/// is less than half a megabyte.
#[test]
fn p10_4_e_http2_answers_that_nobody_reads() -> Result<()> {
    const SIZE: u64 = 64 << 20;
    const WAITING: usize = 48 << 20;
    scene(Launch::new(), |stage, report| {
        let token = stage.server.client.issue(&stage.opaque, "device_frames")?.access;
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n");
        stage.recorder.on(&format!("{BASE}/large"), Act::Flood(head.into_bytes(), SIZE));
        stage.call("/well", &token)?.expect(200)?;
        for (says, window) in [("shut", 0), ("wide open", (1 << 31) - 1)] {
            report.check("P10.4.E", &format!("HTTP/2, answers that nobody reads, windows {says}"), || {
                let before = stage.server.memory()?;
                let (flood, slowest) = beside(stage, &token, || {
                    let mut connection = Http2::open(stage.gateway(), &[(4, window)])?;
                    let more = ((1_u32 << 31) - 1 - 65_535).to_be_bytes();
                    connection.send(&frame(Kind::WindowUpdate, 0, 0, &more))?;
                    let headers = call("/large", &token);
                    let flood = connection.flood(100, |number| {
                        let flags = END_HEADERS | END_STREAM;
                        frame(Kind::Headers, flags, stream(number), &block(&borrowed(&headers)))
                    })?;
                    latchkey_checks::server::pass(Duration::from_secs(2));
                    Ok((flood, connection))
                })?;
                let grown = stage.server.memory()?.saturating_sub(before);
                ensure!(flood.0 == Flood::Taken, "{:?}", flood.0);
                ensure!(grown < WAITING, "the gateway grew by {grown} bytes");
                ensure!(slowest < SLOWEST, "another caller waited {slowest:?}");
                drop(flood);
                stage.call("/well", &token)?.expect(200).map(drop)
            });
        }
        Ok(())
    })
}
