//! What goes through a gateway for long, with the check at both ends: `WebSocket` (RFC 6455) and event streams.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::server::{Server, pass};
use crate::wire::{Connection, PATIENCE, Request, short};

/// How soon a stream ends once its token has.
pub const SOON: Duration = Duration::from_secs(1);
/// The end of a head.
const END: &str = "\r\n\r\n";
/// The example of RFC 6455 section 1.3: what a client asks, and what a server answers to that.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
/// What a check masks its frames with.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// An upstream whose connections the check holds.
#[derive(Debug)]
pub struct Host {
    listener: TcpListener,
}

impl Host {
    /// Starts to listen on a free loopback port.
    pub fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("bind an upstream")?;
        listener.set_nonblocking(true)?;
        Ok(Self { listener })
    }

    /// Its address as an API's definition has it.
    pub fn url(&self) -> Result<String> {
        Ok(format!("http://{}", self.listener.local_addr()?))
    }

    /// The next connection, and the head of the first request on it.
    pub fn accept(&self) -> Result<(Connection, String)> {
        let since = Instant::now();
        let stream = loop {
            match self.listener.accept() {
                Ok((stream, _)) => break stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error).context("accept"),
            }
            ensure!(since.elapsed() < PATIENCE, "nobody came");
            pass(Duration::from_millis(1));
        };
        stream.set_nonblocking(false)?;
        let mut connection = Connection::over(stream)?;
        let head = connection.read_until(END)?;
        Ok((connection, head))
    }
}

/// Who calls what, where.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// The gateway.
    pub gateway: SocketAddr,
    /// The path.
    pub path: &'a str,
    /// The bearer token.
    pub token: &'a str,
}

impl Call<'_> {
    /// A `GET` with the token.
    pub fn get(&self) -> Request {
        Request::new("GET", self.path).header("Authorization", &format!("Bearer {}", self.token))
    }

    /// The same with the wish for a `WebSocket`.
    pub fn wish(&self) -> Request {
        let request = self.get().header("Connection", "keep-alive, Upgrade").header("Upgrade", "websocket");
        request.header("Sec-WebSocket-Key", KEY).header("Sec-WebSocket-Version", "13")
    }
}

/// A message as a frame of its own; `mask` where a client says it.
pub fn frame(opcode: u8, payload: &[u8], mask: Option<[u8; 4]>) -> Vec<u8> {
    let bit = if mask.is_some() { 0x80 } else { 0 };
    let mut frame = vec![0x80 | opcode];
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(length), _) if length < 126 => frame.push(bit | length),
        (_, Ok(length)) => {
            frame.push(bit | 0x7e);
            frame.extend(length.to_be_bytes());
        }
        (_, Err(_)) => {
            frame.push(bit | 0x7f);
            frame.extend((payload.len() as u64).to_be_bytes());
        }
    }
    frame.extend(mask.into_iter().flatten());
    let mask = mask.unwrap_or_default();
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// A frame that came: what it is, its payload without the mask, and whether it had one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Came {
    /// 1 is text, 2 bytes, 8 a goodbye.
    pub opcode: u8,
    /// What it says.
    pub payload: Vec<u8>,
    /// Whether it was masked, as those of clients are.
    pub is_masked: bool,
}

impl Came {
    /// Reads the next frame.
    pub fn read(from: &mut Connection) -> Result<Self> {
        let head = from.read_exactly(2)?;
        let length = match head[1] & 0x7f {
            126 => u64::from(u16::from_be_bytes(from.read_exactly(2)?.as_slice().try_into()?)),
            127 => u64::from_be_bytes(from.read_exactly(8)?.as_slice().try_into()?),
            short => u64::from(short),
        };
        let is_masked = head[1] & 0x80 != 0;
        let mask = if is_masked { from.read_exactly(4)? } else { vec![0; 4] };
        let payload = from.read_exactly(usize::try_from(length)?)?;
        let payload = payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
        Ok(Self { opcode: head[0] & 0x0f, payload, is_masked })
    }

    /// The code and the reason of a goodbye.
    fn goodbye(&self) -> Option<(u16, String)> {
        let (code, reason) = self.payload.split_first_chunk().filter(|_| self.opcode == 8)?;
        Some((u16::from_be_bytes(*code), String::from_utf8_lossy(reason).into_owned()))
    }
}

/// Both ends of a `WebSocket` through a gateway.
#[derive(Debug)]
pub struct Tunnel {
    /// The caller's.
    pub caller: Connection,
    /// The upstream's.
    pub upstream: Connection,
}

impl Tunnel {
    /// Agrees on one.
    pub fn open(host: &Host, call: Call<'_>) -> Result<Self> {
        let mut caller = Connection::open(call.gateway)?;
        caller.send_bytes(&call.wish().bytes())?;
        let (mut upstream, head) = host.accept()?;
        let asked = head.to_lowercase();
        for word in ["\r\nupgrade: websocket\r\n", "\r\nsec-websocket-version: 13\r\n"] {
            ensure!(asked.contains(word), "the upstream lacks {word:?}: {head}");
        }
        ensure!(head.contains(KEY) && !head.contains(call.token), "{head}");
        let agreed = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {ACCEPT}\r\n\r\n"
        );
        upstream.send_bytes(agreed.as_bytes())?;
        let head = caller.read_until(END)?;
        ensure!(head.starts_with("HTTP/1.1 101 ") && head.contains(ACCEPT), "{head}");
        Ok(Self { caller, upstream })
    }

    /// Sends messages of several lengths there and back.
    pub fn echo(&mut self) -> Result<()> {
        for length in [0, 5, 125, 126, 70_000] {
            let text: Vec<u8> = (b'a'..=b'z').cycle().take(length).collect();
            self.caller.send_bytes(&frame(1, &text, Some(MASK)))?;
            let asked = Came::read(&mut self.upstream)?;
            ensure!(asked == Came { opcode: 1, payload: text, is_masked: true }, "{length} bytes changed");
            self.upstream.send_bytes(&frame(1, &asked.payload, None))?;
            let answered = Came::read(&mut self.caller)?;
            ensure!(answered == Came { is_masked: false, ..asked }, "{length} bytes changed on the way back");
        }
        Ok(())
    }

    /// Both ends hear a goodbye with this code and nothing more, soon after `since`.
    pub fn is_closed(self, code: u16, since: Instant) -> Result<()> {
        self.is_closed_for(code, since).map(drop)
    }

    /// The same; what both are given as the reason.
    pub fn is_closed_for(mut self, code: u16, since: Instant) -> Result<String> {
        let mut reasons = Vec::new();
        let ends = [("the caller", &mut self.caller, false), ("the upstream", &mut self.upstream, true)];
        for (who, end, is_masked) in ends {
            let goodbye = Came::read(end).with_context(|| format!("{who} hears no goodbye"))?;
            let (told, reason) = goodbye.goodbye().with_context(|| format!("{who}: {goodbye:?}"))?;
            ensure!(told == code && goodbye.is_masked == is_masked, "{who}: {told} {reason:?}");
            reasons.push(reason);
            let rest = end.read_to_end()?;
            ensure!(rest.is_empty(), "{who} gets {} bytes more", rest.len());
            let took = since.elapsed();
            ensure!(took < SOON, "{who} heard it after {took:?}");
        }
        let reason = reasons.pop().unwrap_or_default();
        ensure!(reasons.contains(&reason), "one is told {reason:?}, the other {reasons:?}");
        Ok(reason)
    }
}

/// A change after which an open stream's call would be refused, although its token is as good as before.
#[derive(Debug)]
pub struct Withdrawal {
    /// What happens.
    pub name: &'static str,
    how: How,
    /// What the ends of a `WebSocket` are told.
    pub goodbye: (u16, &'static str),
}

/// How a change is made; `{app}`, `{api}` and `{other}` stand for the application, the API's path and the consumer key
/// of another application.
#[derive(Debug)]
enum How {
    /// By a command.
    Command(&'static str),
    /// By a deny policy, which an administrator makes over REST.
    Denied(&'static str),
}

/// Every kind of them.
pub const WITHDRAWALS: [Withdrawal; 7] = [
    Withdrawal {
        name: "the subscription is blocked",
        how: How::Command("subscription block --app {app} --api {api}"),
        goodbye: (1008, "900907 The requested API is temporarily blocked"),
    },
    Withdrawal {
        name: "the subscription is blocked for production",
        how: How::Command("subscription block --app {app} --api {api} --production-only"),
        goodbye: (1008, "900907 The requested API is temporarily blocked"),
    },
    Withdrawal {
        name: "the subscription is removed",
        how: How::Command("app unsubscribe {app} {api}"),
        goodbye: (1008, "900908 Resource forbidden"),
    },
    Withdrawal {
        name: "the API takes other audiences",
        how: How::Command("api audience {api} --allow {other}"),
        goodbye: (1008, "900914 Access Denied"),
    },
    Withdrawal {
        name: "the API is blocked",
        how: How::Command("api block {api}"),
        goodbye: (1001, "700700 API blocked"),
    },
    Withdrawal {
        name: "the API is retired",
        how: How::Command("api retire {api}"),
        goodbye: (1008, "404 Not Found"),
    },
    Withdrawal {
        name: "a deny policy is about the API",
        how: How::Denied(r#"{"conditionType":"API","conditionValue":"{api}"}"#),
        goodbye: (1008, "900805 Message blocked"),
    },
];

impl Withdrawal {
    /// Makes it happen.
    pub fn happen(&self, server: &Server, (application, other): (&str, &str), api: &str) -> Result<()> {
        let filled =
            |text: &str| text.replace("{app}", application).replace("{api}", api).replace("{other}", other);
        match self.how {
            How::Command(command) => {
                let words: Vec<String> = command.split(' ').map(filled).collect();
                server.cli(&words.iter().map(String::as_str).collect::<Vec<_>>(), "").map(drop)
            }
            How::Denied(policy) => {
                let admin = &server.demo.admin;
                let request = Request::new("POST", "/api/am/admin/v4/throttling/deny-policies")
                    .basic(&admin.username, &admin.password)
                    .header("Content-Type", "application/json");
                server.client.send(&request.body(filled(policy).as_bytes()))?.expect(201).map(drop)
            }
        }
    }
}

/// How an upstream says where its answer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// By a last chunk.
    Chunks,
    /// By a length that is never reached.
    Length,
    /// By the end of the connection.
    Close,
}

/// Both ends of an event stream through a gateway.
#[derive(Debug)]
pub struct Events {
    /// The caller's.
    pub caller: Connection,
    /// The upstream's.
    pub upstream: Connection,
    framing: Framing,
    sent: usize,
}

impl Events {
    /// Begins one.
    pub fn open(host: &Host, call: Call<'_>, framing: Framing) -> Result<Self> {
        let mut caller = Connection::open(call.gateway)?;
        caller.send_bytes(&call.get().header("Accept", "text/event-stream").bytes())?;
        let (mut upstream, _) = host.accept()?;
        let framed = match framing {
            Framing::Chunks => "Transfer-Encoding: chunked\r\n",
            Framing::Length => "Content-Length: 1000000\r\n",
            Framing::Close => "Connection: close\r\n",
        };
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n{framed}\r\n");
        upstream.send_bytes(head.as_bytes())?;
        let head = caller.read_until(END)?;
        ensure!(head.starts_with("HTTP/1.1 200 ") && head.contains("text/event-stream"), "{head}");
        Ok(Self { caller, upstream, framing, sent: 0 })
    }

    /// The upstream says one event.
    pub fn say(&mut self) -> Result<String> {
        self.sent += 1;
        let event = format!("data: event {}\n\n", self.sent);
        let bytes = match self.framing {
            Framing::Chunks => format!("{:x}\r\n{event}\r\n", event.len()),
            Framing::Length | Framing::Close => event.clone(),
        };
        self.upstream.send_bytes(bytes.as_bytes())?;
        Ok(event)
    }

    /// Sends events, each once the one before has come.
    pub fn flow(&mut self, count: usize) -> Result<()> {
        for _ in 0..count {
            let event = self.say()?;
            self.caller.read_until(&event)?;
        }
        Ok(())
    }

    /// The stream breaks off at both ends soon after `since`, and does not look whole to the caller.
    pub fn is_cut(mut self, since: Instant) -> Result<()> {
        let rest = self.caller.read_to_end()?;
        let text = String::from_utf8_lossy(&rest).into_owned();
        ensure!(matches!(text.as_str(), "" | "\r\n"), "the caller gets more: {}", short(&text));
        let more = self.upstream.read_to_end()?;
        ensure!(more.is_empty(), "the upstream gets {} bytes", more.len());
        let took = since.elapsed();
        ensure!(took < SOON, "it took {took:?}");
        Ok(())
    }
}
