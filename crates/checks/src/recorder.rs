//! An upstream of the check's own: it records what reaches it, byte for byte, and answers as it is told.
//!
//! So a check sees what a gateway let through and in which form, and how the gateway takes an upstream that
//! is slow, rude or broken.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::net::{AddressFamily, SocketType, bind, getsockname, listen, socket};

use crate::wire::PATIENCE;

/// The answer where a check said nothing else.
const USUAL: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok";
/// The most bytes of one request that are kept.
const MAX_REQUEST: usize = 4 * 1024 * 1024;

/// What is done with a request for a path.
#[derive(Debug, Clone)]
pub enum Act {
    /// These bytes are the answer, and the connection goes on.
    Say(Vec<u8>),
    /// These bytes, then the end of the connection.
    SayAndClose(Vec<u8>),
    /// These bytes, then a reset of the connection.
    SayAndReset(Vec<u8>),
    /// These bytes, then nothing more until the other side ends the connection.
    SayAndStall(Vec<u8>),
    /// These bytes as soon as the head is there, and then nothing of the body is read.
    SayEarly(Vec<u8>),
    /// This head, then so many bytes.
    Flood(Vec<u8>, u64),
}

/// A request that reached the upstream.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// Everything up to the empty line, as it came. Bytes that are no UTF-8 are replaced.
    pub head: String,
    /// The body without transfer coding, as far as it came.
    pub body: Vec<u8>,
    /// Whether the body came to its end.
    pub is_whole: bool,
    /// The number of the connection.
    pub connection: usize,
}

impl Seen {
    /// The request line.
    pub fn line(&self) -> &str {
        self.head.lines().next().unwrap_or_default()
    }

    /// The values of a header, by its name in any case.
    pub fn header(&self, name: &str) -> Vec<&str> {
        let fields = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        fields.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).collect()
    }
}

#[derive(Debug, Default)]
struct Shared {
    seen: Mutex<Vec<Seen>>,
    acts: Mutex<HashMap<String, Act>>,
    usual: Mutex<Option<Act>>,
    ended: AtomicBool,
}

/// An address where nobody listens yet: connections are refused, and nobody else can take it.
#[derive(Debug)]
pub struct Vacant {
    socket: OwnedFd,
    address: SocketAddr,
}

impl Vacant {
    /// Takes a free loopback port.
    pub fn new() -> Result<Self> {
        let socket = socket(AddressFamily::INET, SocketType::STREAM, None).context("socket")?;
        bind(&socket, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).context("bind")?;
        let address = getsockname(&socket)?.try_into().context("an address and a port")?;
        Ok(Self { socket, address })
    }

    /// Where it is.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on somebody listens.
    pub fn open(self) -> Result<TcpListener> {
        listen(&self.socket, 128).context("listen")?;
        Ok(TcpListener::from(self.socket))
    }
}

/// A recording upstream on a free loopback port.
#[derive(Debug)]
pub struct Recorder {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Recorder {
    /// Starts to listen.
    pub fn start() -> Result<Self> {
        Self::over(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("bind the recording upstream")?)
    }

    /// Takes the connections of `listener`.
    pub fn over(listener: TcpListener) -> Result<Self> {
        let address = listener.local_addr()?;
        let shared = Arc::<Shared>::default();
        let all = Arc::clone(&shared);
        thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                if all.ended.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let shared = Arc::clone(&all);
                // It ends with its connection, whatever the reason.
                thread::spawn(move || Exchange { stream, shared, number, buffer: Vec::new() }.run());
            }
        });
        Ok(Self { address, shared })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What to do with requests for `path`, query aside, from now on.
    pub fn on(&self, path: &str, act: Act) {
        lock(&self.shared.acts).insert(path.to_owned(), act);
    }

    /// What to do with every request for whose path nothing was said.
    pub fn on_others(&self, act: Act) {
        *lock(&self.shared.usual) = Some(act);
    }

    /// How many requests have come so far.
    pub fn count(&self) -> usize {
        lock(&self.shared.seen).len()
    }

    /// The requests after the first `known` ones.
    pub fn since(&self, known: usize) -> Vec<Seen> {
        lock(&self.shared.seen).get(known..).unwrap_or_default().to_vec()
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        // Wakes the listening thread, so that it sees the end.
        drop(TcpStream::connect(self.address));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One connection.
struct Exchange {
    stream: TcpStream,
    shared: Arc<Shared>,
    number: usize,
    buffer: Vec<u8>,
}

/// Where a request's body ends.
#[derive(Debug, Clone, Copy)]
enum Framing {
    Length(usize),
    Chunks,
}

impl Exchange {
    fn run(mut self) -> Result<()> {
        self.stream.set_read_timeout(Some(PATIENCE))?;
        self.stream.set_write_timeout(Some(PATIENCE))?;
        self.stream.set_nodelay(true)?;
        while let Some(head) = self.read_head()? {
            let place = self.note(&head);
            let path = head.split(' ').nth(1).unwrap_or_default().split('?').next().unwrap_or_default();
            let act = lock(&self.shared.acts).get(path).cloned();
            let act = act.or_else(|| lock(&self.shared.usual).clone());
            if let Some(Act::SayEarly(bytes)) = &act {
                self.stream.write_all(bytes)?;
                return self.linger();
            }
            self.read_body(place, framing(&head))?;
            match act.unwrap_or_else(|| Act::Say(USUAL.to_vec())) {
                Act::Say(bytes) | Act::SayEarly(bytes) => self.stream.write_all(&bytes)?,
                Act::SayAndClose(bytes) => return Ok(self.stream.write_all(&bytes)?),
                Act::SayAndReset(bytes) => {
                    self.stream.write_all(&bytes)?;
                    rustix::net::sockopt::set_socket_linger(&self.stream, Some(Duration::ZERO))?;
                    return Ok(());
                }
                Act::SayAndStall(bytes) => {
                    self.stream.write_all(&bytes)?;
                    return self.linger();
                }
                Act::Flood(head, bytes) => {
                    self.stream.write_all(&head)?;
                    let part = [b'x'; 8 * 1024];
                    let mut left = bytes;
                    while left > 0 {
                        let now = left.min(part.len() as u64);
                        self.stream.write_all(&part[..usize::try_from(now)?])?;
                        left -= now;
                    }
                }
            }
        }
        Ok(())
    }

    /// Waits for the other side to end the connection; what it still sends is dropped.
    fn linger(&mut self) -> Result<()> {
        let mut part = [0; 4096];
        while self.stream.read(&mut part)? > 0 {}
        Ok(())
    }

    /// The next head; none where the connection ends between requests. Bytes that never become a head are
    /// recorded, too.
    fn read_head(&mut self) -> Result<Option<String>> {
        loop {
            if let Some(end) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                let head: Vec<u8> = self.buffer.drain(..end + 4).collect();
                return Ok(Some(String::from_utf8_lossy(&head).into_owned()));
            }
            if self.buffer.len() > MAX_REQUEST || !self.fill()? {
                if !self.buffer.is_empty() {
                    let rest = std::mem::take(&mut self.buffer);
                    self.note(&String::from_utf8_lossy(&rest));
                }
                return Ok(None);
            }
        }
    }

    /// Records a head at once, so that whoever got an answer finds the request.
    fn note(&self, head: &str) -> usize {
        let mut seen = lock(&self.shared.seen);
        seen.push(Seen { head: head.to_owned(), connection: self.number, ..Seen::default() });
        seen.len() - 1
    }

    fn read_body(&mut self, place: usize, framing: Framing) -> Result<()> {
        match framing {
            Framing::Length(length) => self.take(place, length)?,
            Framing::Chunks => loop {
                let Ok(httparse::Status::Complete((used, size))) = httparse::parse_chunk_size(&self.buffer)
                else {
                    anyhow::ensure!(self.fill()?, "the connection ended inside a chunk's size");
                    continue;
                };
                self.buffer.drain(..used);
                self.take(place, usize::try_from(size)?)?;
                while self.buffer.len() < 2 {
                    anyhow::ensure!(self.fill()?, "the connection ended inside a chunk");
                }
                self.buffer.drain(..2);
                if size == 0 {
                    break;
                }
            },
        }
        lock(&self.shared.seen)[place].is_whole = true;
        Ok(())
    }

    /// Moves `length` bytes of the body to the record, as they come.
    fn take(&mut self, place: usize, length: usize) -> Result<()> {
        let mut left = length;
        while left > 0 {
            if self.buffer.is_empty() {
                anyhow::ensure!(self.fill()?, "the connection ended inside a body");
            }
            let now = left.min(self.buffer.len());
            lock(&self.shared.seen)[place].body.extend(self.buffer.drain(..now));
            left -= now;
        }
        Ok(())
    }

    /// Reads once more; false at the end of the connection.
    fn fill(&mut self) -> Result<bool> {
        let mut part = [0; 16 * 1024];
        match self.stream.read(&mut part) {
            Ok(read) => {
                self.buffer.extend_from_slice(&part[..read]);
                Ok(read > 0)
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

fn framing(head: &str) -> Framing {
    let field = |name: &str| {
        let fields = head.lines().skip(1).filter_map(|line| line.split_once(':'));
        fields.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
    };
    if field("transfer-encoding").is_some() {
        Framing::Chunks
    } else {
        Framing::Length(field("content-length").and_then(|length| length.parse().ok()).unwrap_or(0))
    }
}
