//! Where requests of HTTP/1 end, by their bytes: what is ambiguous is refused before the HTTP library has
//! made one reading of it.
//!
//! The library is lenient where RFC 9112 lets it be: it takes a line that ends in a bare LF (section 2.2),
//! leaves one of two equal lengths out and a length beside chunks (section 6.3), and cuts a fragment off
//! the target. Afterwards nobody can see what was sent. A server before or behind that reads the same bytes
//! in another way is what request smuggling lives on, so they are refused here.
//!
//! [`Framing::look`] is given every byte of a connection as it comes. In heads it looks at each line's end,
//! its first letters, and the request line; bodies are skipped. The library reads the same bytes and frames
//! them in the same way; a test holds the two against each other.

/// The most bytes of a line that are kept until the line is whole. Lines that matter are shorter.
const KEPT: usize = 80;
/// How HTTP/2 begins on a connection without negotiation (RFC 9113 section 3.4).
const HTTP_2: &[u8] = b"PRI * HTTP/2.0";
/// What ends a refused head, so that the HTTP library does not wait for more of it.
pub const REFUSED: &[u8] = b"\r\n\r\n";
const CONTENT_LENGTH: &[u8] = b"content-length:";
const TRANSFER_ENCODING: &[u8] = b"transfer-encoding:";

/// How far the bytes of one connection have been looked at.
#[derive(Debug)]
pub struct Framing {
    stage: Stage,
    head: Head,
    part: Part,
}

/// What the next byte belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The first line of a connection.
    First,
    /// The first line of a request, or an empty line before it.
    Request,
    /// A line of a head's fields.
    Field,
    /// The size of a chunk.
    Size,
    /// The line end behind a chunk.
    ChunkEnd,
    /// A line behind the last chunk.
    Trailer,
    /// So many bytes of a body or a chunk.
    Body { left: u64, then: After },
    /// Nothing is looked at any more.
    Over,
}

/// What follows a body's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    Request,
    ChunkEnd,
}

/// What the fields of a head have said so far.
#[derive(Debug, Clone, Copy, Default)]
struct Head {
    length: Option<u64>,
    coded: bool,
    chunked: bool,
}

/// The beginning of a line whose end has not come yet.
#[derive(Debug)]
struct Part {
    start: [u8; KEPT],
    length: usize,
    last: u8,
    has_fragment: bool,
}

/// Why a line must not stand where it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refused {
    /// It ends in a bare LF.
    BareEnd,
    /// What it says is ambiguous.
    Content,
}

impl Default for Framing {
    fn default() -> Self {
        Self::new()
    }
}

impl Framing {
    /// The framing of a connection of which nothing has come yet.
    pub const fn new() -> Self {
        Self { stage: Stage::First, head: Head::NONE, part: Part::NONE }
    }

    /// From here on the connection carries something else than HTTP/1: HTTP/2, or what an upgrade agreed on.
    pub const fn leave(&mut self) {
        self.stage = Stage::Over;
    }

    /// Looks at the bytes that have just come, which follow those of the last look. `None`: they are clear.
    /// Otherwise the first so many of them are left, the last of which was spoilt, and the HTTP library must
    /// be given those, then [`REFUSED`], then nothing more: it answers 400, after the answers to earlier
    /// requests, and closes the connection.
    pub fn look(&mut self, bytes: &mut [u8]) -> Option<usize> {
        let (place, why) = self.fault(bytes)?;
        // The library takes no NUL in a head or for the LF behind a CR, but one in a chunk's extension: there,
        // the bare LF is what it refuses itself.
        if !(self.stage == Stage::Size && why == Refused::BareEnd) {
            bytes[place] = 0;
        }
        self.stage = Stage::Over;
        Some(place + 1)
    }

    /// The place of the LF at which the bytes become ambiguous.
    fn fault(&mut self, bytes: &[u8]) -> Option<(usize, Refused)> {
        let mut place = 0;
        while place < bytes.len() {
            let rest = &bytes[place..];
            place += match self.stage {
                Stage::Over => return None,
                Stage::Body { left, then } => {
                    let here = usize::try_from(left).map_or(rest.len(), |left| left.min(rest.len()));
                    self.stage = Stage::body(left - here as u64, then);
                    here
                }
                Stage::First
                | Stage::Request
                | Stage::Field
                | Stage::Size
                | Stage::ChunkEnd
                | Stage::Trailer => match self.lines(rest) {
                    Ok(taken) => taken,
                    Err((end, why)) => return Some((place + end, why)),
                },
            };
        }
        None
    }

    /// Looks at lines, and gives how many bytes they took: all of them where no body comes before. The error
    /// is the place of the LF of a line that must not stand where it does.
    fn lines(&mut self, bytes: &[u8]) -> Result<usize, (usize, Refused)> {
        let mut place = 0;
        for end in memchr::memchr_iter(b'\n', bytes) {
            self.end_line(&bytes[place..end]).map_err(|why| (end, why))?;
            place = end + 1;
            if matches!(self.stage, Stage::Body { .. } | Stage::Over) {
                return Ok(place);
            }
        }
        self.part.add(&bytes[place..]);
        Ok(bytes.len())
    }

    /// A line is whole: `rest` is what came of it last, without its LF.
    fn end_line(&mut self, rest: &[u8]) -> Result<(), Refused> {
        if self.part.length == 0 {
            let line = rest.strip_suffix(b"\r").ok_or(Refused::BareEnd)?;
            let has_fragment = self.stage.is_request_line() && memchr::memchr(b'#', line).is_some();
            return self.take_line(&Line { start: line, length: line.len(), has_fragment });
        }
        let mut part = std::mem::replace(&mut self.part, Part::NONE);
        part.add(rest);
        if part.last != b'\r' {
            return Err(Refused::BareEnd);
        }
        let length = part.length - 1;
        let start = &part.start[..length.min(KEPT)];
        self.take_line(&Line { start, length, has_fragment: part.has_fragment })
    }

    fn take_line(&mut self, line: &Line<'_>) -> Result<(), Refused> {
        let is_empty = line.length == 0;
        self.stage = match self.stage {
            Stage::First if line.start == HTTP_2 => Stage::Over,
            Stage::First | Stage::Request | Stage::Trailer if is_empty => Stage::Request,
            Stage::First | Stage::Request if !line.has_fragment => {
                self.head = Head::NONE;
                Stage::Field
            }
            Stage::Field if is_empty => self.head.body(),
            Stage::Field => {
                self.head.take_field(line)?;
                Stage::Field
            }
            Stage::Size => match chunk_size(line)? {
                0 => Stage::Trailer,
                left => Stage::body(left, After::ChunkEnd),
            },
            Stage::ChunkEnd if is_empty => Stage::Size,
            Stage::First | Stage::Request | Stage::ChunkEnd => return Err(Refused::Content),
            Stage::Trailer | Stage::Body { .. } | Stage::Over => self.stage,
        };
        Ok(())
    }
}

/// A whole line without its end.
struct Line<'a> {
    /// All of it, or the first [`KEPT`] bytes where it came in parts.
    start: &'a [u8],
    length: usize,
    /// Whether a `#` stands in it; known of request lines.
    has_fragment: bool,
}

impl<'a> Line<'a> {
    /// What follows `name`, which has its colon and is in lower case. A line that is too long to be kept is
    /// refused, for nothing that follows these names is that long.
    fn value(&self, name: &[u8]) -> Result<Option<&'a [u8]>, Refused> {
        match self.start.split_at_checked(name.len()) {
            Some((start, value)) if start.eq_ignore_ascii_case(name) => {
                if self.length > KEPT {
                    Err(Refused::Content)
                } else {
                    Ok(Some(value.trim_ascii()))
                }
            }
            Some(_) | None => Ok(None),
        }
    }
}

impl Stage {
    const fn is_request_line(self) -> bool {
        matches!(self, Self::First | Self::Request)
    }

    /// What is next where `left` bytes of a body or a chunk are to come.
    const fn body(left: u64, then: After) -> Self {
        match (left, then) {
            (0, After::Request) => Self::Request,
            (0, After::ChunkEnd) => Self::ChunkEnd,
            _ => Self::Body { left, then },
        }
    }
}

impl Head {
    const NONE: Self = Self { length: None, coded: false, chunked: false };

    fn take_field(&mut self, line: &Line<'_>) -> Result<(), Refused> {
        match line.start.first() {
            Some(b'c' | b'C') => {
                if let Some(value) = line.value(CONTENT_LENGTH)? {
                    if self.length.is_some() || self.coded {
                        return Err(Refused::Content);
                    }
                    self.length = Some(decimal(value)?);
                }
            }
            Some(b't' | b'T') => {
                if let Some(value) = line.value(TRANSFER_ENCODING)? {
                    if self.length.is_some() {
                        return Err(Refused::Content);
                    }
                    // The last coding frames the body; codings before it are refused later.
                    let last = value.rsplit(|byte| *byte == b',').next().unwrap_or_default();
                    self.coded = true;
                    self.chunked = last.trim_ascii().eq_ignore_ascii_case(b"chunked");
                }
            }
            Some(_) | None => {}
        }
        Ok(())
    }

    /// What follows the head (RFC 9112 section 6.3).
    fn body(self) -> Stage {
        match self.length {
            _ if self.chunked => Stage::Size,
            Some(left) => Stage::body(left, After::Request),
            None => Stage::Request,
        }
    }
}

impl Part {
    const NONE: Self = Self { start: [0; KEPT], length: 0, last: 0, has_fragment: false };

    fn add(&mut self, bytes: &[u8]) {
        let Some(last) = bytes.last() else { return };
        if let Some(room) = self.start.get_mut(self.length..) {
            let fits = room.len().min(bytes.len());
            room[..fits].copy_from_slice(&bytes[..fits]);
        }
        self.length = self.length.saturating_add(bytes.len());
        self.last = *last;
        self.has_fragment |= memchr::memchr(b'#', bytes).is_some();
    }
}

/// The size that a chunk's first line begins with; what follows it there are extensions (RFC 9112 section
/// 7.1.1).
fn chunk_size(line: &Line<'_>) -> Result<u64, Refused> {
    let digits = line.start.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let (digits, rest) = line.start.split_at(digits);
    let ends = matches!(rest.first(), None | Some(b' ' | b'\t' | b';'));
    let text = std::str::from_utf8(digits).ok().filter(|_| ends);
    text.and_then(|text| u64::from_str_radix(text, 16).ok()).ok_or(Refused::Content)
}

fn decimal(value: &[u8]) -> Result<u64, Refused> {
    let are_digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(value).ok().filter(|_| are_digits);
    text.and_then(|text| text.parse().ok()).ok_or(Refused::Content)
}

#[cfg(test)]
mod tests;
