//! Bodies in chunks (RFC 9112 section 7.1), read strictly: what two readers could take for bodies of
//! different length is refused.

use bytes::{Buf, Bytes, BytesMut};
use http::HeaderMap;

use super::answer_head::{self, NoAnswer};

/// The most bytes of one line of a size with its extensions.
const MAX_LINE: usize = 1024;
/// The most bytes of all extensions of one body, which carry nothing that is passed on.
const MAX_EXTENSIONS: usize = 16 * 1024;
/// The most bytes of trailers.
const MAX_TRAILERS: usize = 16 * 1024;

/// Where in a body in chunks a reader is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Chunks {
    next: Next,
    extensions: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Size,
    Data(u64),
    EndOfData,
    Trailers,
    Nothing,
}

/// What the bytes at hand hold.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Bytes of the body.
    Data(Bytes),
    /// What follows the last chunk; the body has ended.
    Trailers(HeaderMap),
    /// The body has ended.
    End,
    /// More must be read.
    Missing,
}

impl Chunks {
    /// Before the first size.
    pub(super) const fn new() -> Self {
        Self { next: Next::Size, extensions: 0 }
    }

    /// Takes what can be taken from the front of `bytes`.
    pub(super) fn take(&mut self, bytes: &mut BytesMut) -> Result<Part, NoAnswer> {
        loop {
            match self.next {
                Next::Size => {
                    let Some(line) = end_of_line(bytes, MAX_LINE)? else { return Ok(Part::Missing) };
                    let (size, digits) = size(&bytes[..line])?;
                    self.extensions += line - digits;
                    if self.extensions > MAX_EXTENSIONS {
                        return Err(NoAnswer);
                    }
                    bytes.advance(line + 2);
                    self.next = if size == 0 { Next::Trailers } else { Next::Data(size) };
                }
                Next::Data(left) if bytes.is_empty() => {
                    self.next = Next::Data(left);
                    return Ok(Part::Missing);
                }
                Next::Data(left) => {
                    let taken = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
                    let left = left - taken as u64;
                    self.next = if left == 0 { Next::EndOfData } else { Next::Data(left) };
                    return Ok(Part::Data(bytes.split_to(taken).freeze()));
                }
                Next::EndOfData => match bytes.as_ref() {
                    [b'\r', b'\n', ..] => {
                        bytes.advance(2);
                        self.next = Next::Size;
                    }
                    [] | [b'\r'] => return Ok(Part::Missing),
                    _ => return Err(NoAnswer),
                },
                Next::Trailers => return self.trailers(bytes),
                Next::Nothing => return Ok(Part::End),
            }
        }
    }

    fn trailers(&mut self, bytes: &mut BytesMut) -> Result<Part, NoAnswer> {
        if bytes.starts_with(b"\r\n") {
            bytes.advance(2);
            self.next = Next::Nothing;
            return Ok(Part::End);
        }
        if let Some(trailers) = answer_head::trailers(bytes)? {
            self.next = Next::Nothing;
            return Ok(Part::Trailers(trailers));
        }
        if bytes.len() > MAX_TRAILERS { Err(NoAnswer) } else { Ok(Part::Missing) }
    }

    /// Whether the end was taken.
    pub(super) fn is_done(&self) -> bool {
        self.next == Next::Nothing
    }
}

/// Where the line at the front ends, before its CR LF.
fn end_of_line(bytes: &[u8], most: usize) -> Result<Option<usize>, NoAnswer> {
    let seen = &bytes[..bytes.len().min(most)];
    let Some(end) = seen.iter().position(|byte| *byte == b'\n') else {
        return if bytes.len() < most { Ok(None) } else { Err(NoAnswer) };
    };
    let end = end.checked_sub(1).ok_or(NoAnswer)?;
    let is_line = seen[end] == b'\r' && !seen[..end].contains(&b'\r');
    if is_line { Ok(Some(end)) } else { Err(NoAnswer) }
}

/// The size that a line begins with, and how many bytes its digits take.
fn size(line: &[u8]) -> Result<(u64, usize), NoAnswer> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    if !(1..=16).contains(&digits) {
        return Err(NoAnswer);
    }
    match line[digits..].trim_ascii_start() {
        [] | [b';', ..] => {}
        _ => return Err(NoAnswer),
    }
    let text = std::str::from_utf8(&line[..digits]).map_err(|_| NoAnswer)?;
    let size = u64::from_str_radix(text, 16).map_err(|_| NoAnswer)?;
    Ok((size, digits))
}

#[cfg(test)]
mod tests;
