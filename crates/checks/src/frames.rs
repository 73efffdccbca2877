//! HTTP/2 as frames (RFC 9113): whatever a check wants to say goes on the wire, and of the answers only what a
//! check looks at is read. Headers are sent as literals and never indexed (RFC 7541 section 6.2.2).

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::wire::PATIENCE;

/// How a connection begins without negotiation.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// How long a flood waits for a server that does not read.
const HELD_BACK: Duration = Duration::from_millis(500);

/// The last frame of a message.
pub const END_STREAM: u8 = 1;
/// The last frame of a block of headers.
pub const END_HEADERS: u8 = 4;
/// The acknowledgement of settings or of a ping.
const ACK: u8 = 1;

/// What a frame is (RFC 9113 section 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// A part of a body.
    Data = 0,
    /// The beginning of a block of headers.
    Headers = 1,
    /// What nobody heeds any more.
    Priority = 2,
    /// The end of a stream, by either side.
    Reset = 3,
    /// Settings.
    Settings = 4,
    /// A question whether the other side lives.
    Ping = 6,
    /// The end of the connection.
    GoAway = 7,
    /// More bytes may be sent.
    WindowUpdate = 8,
    /// More of a block of headers.
    Continuation = 9,
}

/// One frame as bytes.
pub fn frame(kind: Kind, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("checks send small frames").to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind as u8, flags];
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// A block of headers, each a literal.
pub fn block(headers: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in headers {
        literal(&mut bytes, 0, (name.as_bytes(), value.as_bytes()));
    }
    bytes
}

/// A literal header that begins with `first`: 0, or 0x40 where it goes into the table of the other side.
pub fn literal(bytes: &mut Vec<u8>, first: u8, (name, value): (&[u8], &[u8])) {
    bytes.push(first);
    for text in [name, value] {
        // An integer with a prefix of 7 bits (RFC 7541 section 5.1).
        match u8::try_from(text.len()) {
            Ok(length) if length < 127 => bytes.push(length),
            Ok(_) | Err(_) => {
                bytes.push(127);
                let mut rest = text.len() - 127;
                while rest >= 128 {
                    bytes.push(u8::try_from(rest % 128).unwrap_or_default() | 128);
                    rest /= 128;
                }
                bytes.push(u8::try_from(rest).unwrap_or_default());
            }
        }
        bytes.extend(text);
    }
}

/// What came of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// An answer with this status.
    Status(u16),
    /// Its stream was reset, for this reason (RFC 9113 section 7).
    Reset(u32),
    /// The connection was ended, for this reason.
    GoAway(u32),
    /// The connection was closed without a word.
    Closed,
}

/// What came of a flood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flood {
    /// All of it was read.
    Taken,
    /// The server stopped reading.
    HeldBack,
    /// The server ended the connection.
    Ended,
}

/// A connection that speaks HTTP/2.
#[derive(Debug)]
pub struct Http2 {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// A frame that came.
struct Came {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

impl Http2 {
    /// Connects to `address`, with `settings` (numbers and values, RFC 9113 section 6.5.2).
    pub fn open(address: SocketAddr, settings: &[(u16, u32)]) -> Result<Self> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE).context("connect")?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        let mut connection = Self { stream, buffer: Vec::new() };
        let payload: Vec<u8> = settings
            .iter()
            .flat_map(|(number, value)| [&number.to_be_bytes()[..], &value.to_be_bytes()].concat())
            .collect();
        connection.send(&[PREFACE, &frame(Kind::Settings, 0, 0, &payload)].concat())?;
        Ok(connection)
    }

    /// The other end: waits on `listener` for a client and reads how it begins.
    pub fn accept(listener: &TcpListener) -> Result<Self> {
        let (stream, _) = listener.accept().context("accept")?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        let mut connection = Self { stream, buffer: Vec::new() };
        let mut preface = [0; PREFACE.len()];
        connection.stream.read_exact(&mut preface).context("the preface")?;
        ensure!(preface == *PREFACE, "no preface, but {preface:?}");
        connection.send(&frame(Kind::Settings, 0, 0, &[]))?;
        Ok(connection)
    }

    /// The stream of the next request whose head came in full, as a server reads it; none at the end.
    pub fn next_request(&mut self) -> Result<Option<u32>> {
        while let Some(came) = self.next()? {
            match (came.kind, came.flags & ACK) {
                (4, 0) => self.send(&frame(Kind::Settings, ACK, 0, &[]))?,
                (6, 0) => self.send(&frame(Kind::Ping, ACK, 0, &came.payload))?,
                (1, _) => return Ok(Some(came.stream)),
                _ => {}
            }
        }
        Ok(None)
    }

    /// Answers with status 200 and nothing more.
    pub fn answer(&mut self, stream: u32) -> Result<()> {
        self.send(&frame(Kind::Headers, END_HEADERS | END_STREAM, stream, &[0x88]))
    }

    /// Says that no stream behind `last` was or will be looked at (RFC 9113 section 6.8).
    pub fn say_goodbye(&mut self, last: u32, reason: u32) -> Result<()> {
        self.send(&frame(Kind::GoAway, 0, 0, &[last.to_be_bytes(), reason.to_be_bytes()].concat()))
    }

    /// Sends bytes. A server that has ended the connection is no error here: it may have said why.
    pub fn send(&mut self, bytes: &[u8]) -> Result<()> {
        match self.stream.write_all(bytes) {
            Err(error) if is_gone(&error) => Ok(()),
            other => other.context("send"),
        }
    }

    /// Sends a request on `stream`, and its body where it has one.
    pub fn request(&mut self, stream: u32, headers: &[(&str, &str)], body: Option<&[u8]>) -> Result<()> {
        let end = if body.is_none() { END_STREAM } else { 0 };
        let mut bytes = frame(Kind::Headers, END_HEADERS | end, stream, &block(headers));
        if let Some(body) = body {
            bytes.extend(frame(Kind::Data, END_STREAM, stream, body));
        }
        self.send(&bytes)
    }

    /// Sends `bytes` again and again, `times` at most, reading nothing.
    pub fn flood(&mut self, times: usize, mut bytes: impl FnMut(usize) -> Vec<u8>) -> Result<Flood> {
        self.stream.set_write_timeout(Some(HELD_BACK))?;
        for number in 0..times {
            match self.stream.write_all(&bytes(number)) {
                Ok(()) => {}
                Err(error) if is_gone(&error) => return Ok(Flood::Ended),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    return Ok(Flood::HeldBack);
                }
                Err(error) => return Err(error).context("flood"),
            }
        }
        Ok(Flood::Taken)
    }

    /// What comes of the first request of this connection, which was sent on `stream`. Later ones may be
    /// answered by references to the first, which are not resolved here.
    pub fn outcome(&mut self, stream: u32) -> Result<Outcome> {
        while let Some(came) = self.next()? {
            match (came.kind, came.flags & ACK) {
                (4, 0) => self.send(&frame(Kind::Settings, ACK, 0, &[]))?,
                (6, 0) => self.send(&frame(Kind::Ping, ACK, 0, &came.payload))?,
                (7, _) => return Ok(Outcome::GoAway(number_at(&came.payload, 4)?)),
                (3, _) if came.stream == stream => return Ok(Outcome::Reset(number_at(&came.payload, 0)?)),
                (1, _) if came.stream == stream => return Ok(Outcome::Status(status(&came.payload)?)),
                _ => {}
            }
        }
        Ok(Outcome::Closed)
    }

    /// Waits until the server ends the connection; the reason it gives, if any.
    pub fn ending(&mut self) -> Result<Option<u32>> {
        let mut reason = None;
        while let Some(came) = self.next()? {
            if came.kind == Kind::GoAway as u8 {
                reason = Some(number_at(&came.payload, 4)?);
            }
        }
        Ok(reason)
    }

    /// The next frame; none at the end of the connection.
    fn next(&mut self) -> Result<Option<Came>> {
        loop {
            if let Some((head, rest)) = self.buffer.split_first_chunk::<9>() {
                let length = usize::try_from(u32::from_be_bytes([0, head[0], head[1], head[2]]))?;
                let (kind, flags) = (head[3], head[4]);
                let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
                if let Some(payload) = rest.get(..length) {
                    let payload = payload.to_vec();
                    self.buffer.drain(..9 + length);
                    return Ok(Some(Came { kind, flags, stream, payload }));
                }
            }
            let mut part = [0; 16 * 1024];
            match self.stream.read(&mut part) {
                Ok(0) => return Ok(None),
                Ok(read) => self.buffer.extend_from_slice(&part[..read]),
                Err(error) if is_gone(&error) => return Ok(None),
                Err(error) => return Err(error).context("read frames"),
            }
        }
    }
}

fn is_gone(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted)
}

fn number_at(payload: &[u8], place: usize) -> Result<u32> {
    let bytes = payload.get(place..place + 4).context("a frame that is too short")?;
    Ok(u32::from_be_bytes(bytes.try_into()?))
}

/// The status that a block of headers begins with, where it is the first of its connection.
fn status(block: &[u8]) -> Result<u16> {
    // A change of the table's size may come before it.
    let block = if block.first().is_some_and(|byte| byte >> 5 == 1) { &block[1..] } else { block };
    let (first, rest) = block.split_first().context("a block without headers")?;
    match first {
        // RFC 7541 appendix A, entries 8 to 14.
        0x88..=0x8e => Ok([200, 204, 206, 304, 400, 404, 500][usize::from(first - 0x88)]),
        0x48 | 0x08 | 0x18 => {
            let (length, rest) = rest.split_first().context("a status without a length")?;
            let text = rest.get(..usize::from(length & 127)).context("a status that is cut off")?;
            let text = if length & 128 == 0 { text.to_vec() } else { digits(text)? };
            Ok(std::str::from_utf8(&text)?.parse()?)
        }
        _ => bail!("a block that does not begin with a status: {block:?}"),
    }
}

/// Three digits in the code of RFC 7541 appendix B: of 5 bits from 0 to 2, of 6 bits from 3 on.
fn digits(coded: &[u8]) -> Result<Vec<u8>> {
    let bits: Vec<u8> = coded.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)).collect();
    let value = |bits: &[u8]| bits.iter().fold(0, |value, bit| value << 1 | bit);
    let (mut text, mut place) = (Vec::new(), 0);
    while text.len() < 3 {
        let five = value(bits.get(place..place + 5).context("a status of fewer digits")?);
        let (digit, taken) = if five < 3 {
            (five, 5)
        } else {
            let six = value(bits.get(place..place + 6).context("a status of fewer digits")?);
            ensure!((25..=31).contains(&six), "a status that is no number");
            (six - 22, 6)
        };
        text.push(b'0' + digit);
        place += taken;
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_read_in_each_form() {
        assert_eq!(status(&[0x88]).unwrap(), 200);
        assert_eq!(status(&[0x20, 0x8d]).unwrap(), 404);
        assert_eq!(status(b"\x48\x03405").unwrap(), 405);
        // RFC 7541 appendix C.6.1 and C.6.2.
        assert_eq!(status(&[0x48, 0x82, 0x64, 0x02]).unwrap(), 302);
        assert_eq!(status(&[0x48, 0x83, 0x64, 0x0e, 0xff]).unwrap(), 307);
        assert!(status(&[0xbe]).is_err());
    }

    #[test]
    fn a_long_literal_says_its_length() {
        let mut bytes = Vec::new();
        literal(&mut bytes, 0, (b"a", &[b'x'; 1337 + 96]));
        // RFC 7541 appendix C.1.2: 1337 is 31, 154, 10 with a prefix of 5 bits; with 7 bits, the rest is 1306.
        assert_eq!(bytes[..6], [0, 1, b'a', 127, 0x9a, 0x0a]);
    }
}
