//! HTTP/1.1 as bytes: what is sent is exactly what a check says, and an answer is taken apart only as far
//! as a check looks at it. No redirects, no retries, no cookies, and every wait has an end.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

/// Longest wait for a connection, for a write and for each part of an answer: long, because a sync of the
/// disk may wait for everything else that a busy machine writes.
pub const PATIENCE: Duration = Duration::from_mins(1);
/// Largest answer that is read.
const MAX_ANSWER: usize = 4 * 1024 * 1024;

/// A request as it will stand on the wire.
#[derive(Debug, Clone)]
pub struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// A request without headers but `Host` and `Content-Length`.
    pub fn new(method: &str, target: &str) -> Self {
        Self { method: method.to_owned(), target: target.to_owned(), headers: Vec::new(), body: Vec::new() }
    }

    /// Adds a header; the same name may be added twice.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds `Authorization: Basic` for `name` and `secret`, both taken as they are.
    #[must_use]
    pub fn basic(self, name: &str, secret: &str) -> Self {
        let value = format!("Basic {}", BASE64_STANDARD.encode(format!("{name}:{secret}")));
        self.header("Authorization", &value)
    }

    /// Sets a form as the body, with its content type.
    #[must_use]
    pub fn form(self, fields: &[(&str, &str)]) -> Self {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.header("Content-Type", "application/x-www-form-urlencoded").body(body.as_bytes())
    }

    /// Sets the body; the content type is the caller's matter.
    #[must_use]
    pub fn body(mut self, body: &[u8]) -> Self {
        body.clone_into(&mut self.body);
        self
    }

    /// The bytes to send. `Content-Length` is left out where the caller has set it or there is no body to a GET.
    pub fn bytes(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        let named = |name: &str| self.headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name));
        let mut line = |name: &str, value: &str| {
            head.push_str(name);
            head.push_str(": ");
            head.push_str(value);
            head.push_str("\r\n");
        };
        if !named("host") {
            line("Host", "localhost");
        }
        for (name, value) in &self.headers {
            line(name, value);
        }
        let bodiless = self.body.is_empty() && matches!(self.method.as_str(), "GET" | "HEAD");
        if !bodiless && !named("content-length") && !named("transfer-encoding") {
            line("Content-Length", &self.body.len().to_string());
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// Names in lower case, in the order of arrival.
    pub headers: Vec<(String, String)>,
    /// The body, without transfer coding.
    pub body: Vec<u8>,
}

impl Reply {
    /// The first header called `name` (lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as text; bytes that are not UTF-8 are replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_slice(&self.body)
            .with_context(|| format!("status {}: the body is not JSON: {}", self.status, short(&self.text())))
    }

    /// The answer, where its status is `status`.
    pub fn expect(self, status: u16) -> Result<Self> {
        ensure!(self.status == status, "status {}, not {status}: {}", self.status, short(&self.text()));
        Ok(self)
    }

    /// Fails unless this is `status` with the OAuth error code `error` (RFC 6749 section 5.2).
    pub fn refused(&self, status: u16, error: &str) -> Result<()> {
        let said = self.json().ok().and_then(|body| body["error"].as_str().map(str::to_owned));
        let text = short(&self.text());
        ensure!(self.status == status, "status {}, not {status} {error}: {text}", self.status);
        ensure!(said.as_deref() == Some(error), "error {said:?}, not {error}: {text}");
        Ok(())
    }
}

/// At most 300 characters of `text`, for a message.
pub fn short(text: &str) -> String {
    let mut cut: String = text.chars().take(300).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    cut
}

/// A connection that may carry several requests, one after the other.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    /// Connects to `address`.
    pub fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE).context("connect")?;
        Self::over(stream)
    }

    /// Connects to `address` from the loopback address `source`, so that a server sees another caller.
    pub fn open_from(source: Ipv4Addr, address: SocketAddr) -> Result<Self> {
        use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
        let socket = socket(AddressFamily::INET, SocketType::STREAM, None).context("socket")?;
        bind(&socket, &SocketAddr::new(IpAddr::V4(source), 0))
            .with_context(|| format!("bind to {source}"))?;
        connect(&socket, &address).context("connect")?;
        Self::over(TcpStream::from(socket))
    }

    /// This end of a connection that there is.
    pub fn over(stream: TcpStream) -> Result<Self> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::new() })
    }

    /// The port of this end.
    pub fn local_port(&self) -> Result<u16> {
        Ok(self.stream.local_addr()?.port())
    }

    /// Sends `request` and reads the answer.
    pub fn send(&mut self, request: &Request) -> Result<Reply> {
        self.send_bytes(&request.bytes())?;
        self.read_reply(if request.method == "HEAD" { Asked::Head } else { Asked::Whole })
    }

    /// Sends bytes as they are. A peer that stops reading is no error here: it may have answered already.
    pub fn send_bytes(&mut self, bytes: &[u8]) -> Result<()> {
        match self.stream.write_all(bytes) {
            Err(error) if matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => {
                Ok(())
            }
            other => other.context("send"),
        }
    }

    /// Says that nothing more will be sent; answers can still be read.
    pub fn end_sending(&self) -> Result<()> {
        self.stream.shutdown(std::net::Shutdown::Write).context("shut down")
    }

    /// Whether the server has ended the connection, looked at without a wait.
    pub fn has_ended(&mut self) -> Result<bool> {
        self.stream.set_nonblocking(true)?;
        let read = self.fill();
        self.stream.set_nonblocking(false)?;
        match read {
            Ok(read) => Ok(read == 0),
            Err(error) if is_reset(&error) => Ok(true),
            Err(error) => {
                let kind = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
                if kind == Some(ErrorKind::WouldBlock) { Ok(false) } else { Err(error) }
            }
        }
    }

    /// Waits until the server closes the connection; what it still sends is given, up to the largest answer.
    pub fn read_to_end(&mut self) -> Result<Vec<u8>> {
        loop {
            match self.fill() {
                Ok(0) => return Ok(std::mem::take(&mut self.buffer)),
                Ok(_) => {}
                Err(error) if is_reset(&error) => return Ok(std::mem::take(&mut self.buffer)),
                Err(error) => return Err(error),
            }
        }
    }

    /// Reads and drops at least `length` bytes, fewer where the connection ends; gives how many.
    pub fn skip(&mut self, length: usize) -> Result<usize> {
        let mut skipped = 0;
        loop {
            skipped += self.buffer.len();
            self.buffer.clear();
            if skipped >= length || self.fill()? == 0 {
                return Ok(skipped);
            }
        }
    }

    /// Reads the next answer.
    pub fn read_reply(&mut self, asked: Asked) -> Result<Reply> {
        loop {
            let Some((mut reply, used)) = parse_head(&self.buffer)? else {
                ensure!(self.fill()? > 0, "the server closed the connection without an answer");
                continue;
            };
            self.buffer.drain(..used);
            if reply.status / 100 != 1 {
                reply.body = self.read_body(&reply, asked)?;
                return Ok(reply);
            }
        }
    }

    fn read_body(&mut self, reply: &Reply, asked: Asked) -> Result<Vec<u8>> {
        if matches!(asked, Asked::Head) || matches!(reply.status, 204 | 304) {
            return Ok(Vec::new());
        }
        if reply.header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
            return self.read_chunks();
        }
        let Some(length) = reply.header("content-length") else {
            while self.fill()? > 0 {}
            return Ok(std::mem::take(&mut self.buffer));
        };
        let length = length.parse().with_context(|| format!("Content-Length {length:?}"))?;
        self.read_exactly(length)
    }

    /// Reads up to the first `end` and with it.
    pub fn read_until(&mut self, end: &str) -> Result<String> {
        loop {
            let found = self.buffer.windows(end.len()).position(|window| window == end.as_bytes());
            if let Some(found) = found {
                let bytes: Vec<u8> = self.buffer.drain(..found + end.len()).collect();
                return Ok(String::from_utf8_lossy(&bytes).into_owned());
            }
            let came = String::from_utf8_lossy(&self.buffer).into_owned();
            ensure!(self.fill()? > 0, "the connection ended before {end:?}, after {:?}", short(&came));
        }
    }

    /// Reads so many bytes.
    pub fn read_exactly(&mut self, length: usize) -> Result<Vec<u8>> {
        while self.buffer.len() < length {
            ensure!(self.fill()? > 0, "the server closed the connection inside a body");
        }
        Ok(self.buffer.drain(..length).collect())
    }

    fn read_chunks(&mut self) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let Ok(httparse::Status::Complete((used, size))) = httparse::parse_chunk_size(&self.buffer)
            else {
                ensure!(self.fill()? > 0, "the server closed the connection inside a chunk");
                continue;
            };
            self.buffer.drain(..used);
            let chunk = self.read_exactly(usize::try_from(size)? + 2)?;
            if size == 0 {
                return Ok(body);
            }
            body.extend_from_slice(&chunk[..chunk.len() - 2]);
        }
    }

    /// Reads once more; 0 means that the server has closed the connection.
    fn fill(&mut self) -> Result<usize> {
        ensure!(self.buffer.len() < MAX_ANSWER, "the answer is longer than {MAX_ANSWER} bytes");
        let mut part = [0; 16 * 1024];
        let read = self.stream.read(&mut part).context("read")?;
        self.buffer.extend_from_slice(&part[..read]);
        Ok(read)
    }
}

/// Whether a connection ended by a reset, as it does when the other side closes with bytes unread.
fn is_reset(error: &anyhow::Error) -> bool {
    let kind = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
    kind == Some(ErrorKind::ConnectionReset)
}

/// What the request asked for: the answer to `HEAD` has no body, whatever its headers say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// The head alone.
    Head,
    /// Head and body.
    Whole,
}

/// Sends one request on a connection of its own.
pub fn exchange(address: SocketAddr, request: &Request) -> Result<Reply> {
    Connection::open(address)?.send(&request.clone().header("Connection", "close"))
}

/// The first answer of `stream` and how many bytes it took, once it is complete: for streams that were
/// recorded, of answers that say their length.
pub fn first_answer(stream: &[u8]) -> Result<Option<(Reply, usize)>> {
    let Some((mut reply, used)) = parse_head(stream)? else { return Ok(None) };
    let length: usize = match reply.header("content-length") {
        Some(length) => length.parse().with_context(|| format!("Content-Length {length:?}"))?,
        None if reply.status / 100 == 1 || reply.status == 204 => 0,
        None => bail!("a recorded answer that does not say its length"),
    };
    let Some(body) = stream.get(used..used + length) else { return Ok(None) };
    body.clone_into(&mut reply.body);
    Ok(Some((reply, used + length)))
}

/// The answer's head and how many bytes it took, once it is complete.
fn parse_head(buffer: &[u8]) -> Result<Option<(Reply, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Response::new(&mut headers);
    match head.parse(buffer) {
        Ok(httparse::Status::Partial) => Ok(None),
        Ok(httparse::Status::Complete(used)) => {
            let status = head.code.context("an answer without a status")?;
            let headers = head.headers.iter();
            let headers =
                headers.map(|h| (h.name.to_ascii_lowercase(), String::from_utf8_lossy(h.value).into_owned()));
            Ok(Some((Reply { status, headers: headers.collect(), body: Vec::new() }, used)))
        }
        Err(error) => bail!("not an HTTP answer ({error}): {}", short(&String::from_utf8_lossy(buffer))),
    }
}
