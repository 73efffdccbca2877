//! The head of an upstream's answer: status, headers, and how its body ends (RFC 9112 sections 4 to 6).
//!
//! Reading is strict. An answer whose end two readers could find at different places would let one caller
//! see another's.

use std::mem::MaybeUninit;
use std::sync::LazyLock;

use bytes::{Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Version};
use memchr::memmem;

use crate::forwarded::is_hop_by_hop;
use crate::forwarded::trailers::to_caller;

/// The most bytes of a head.
const MAX_HEAD: usize = 65_535;
/// The most headers of an answer.
const MAX_HEADERS: usize = 100;
/// Room for what is added on the way to the caller, so that the headers are not moved then.
const ADDED_LATER: usize = 3;

/// The end of a head, laid out for searching once.
static END: LazyLock<memmem::Finder<'static>> = LazyLock::new(|| memmem::Finder::new(b"\r\n\r\n"));

/// Bytes that are no answer, or one that could be read in two ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the upstream's bytes are no HTTP/1.1 answer")]
pub(super) struct NoAnswer;

/// Whether an answer to this request can have a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// What a HEAD gets: the headers alone.
    Headers,
    /// All of it.
    Whole,
}

/// The head of an answer, without what belongs to the connection.
#[derive(Debug)]
pub(super) struct AnswerHead {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) ends: Ends,
    pub(super) after: After,
}

/// How a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ends {
    /// After so many bytes.
    Length(u64),
    /// With its last chunk.
    Chunks,
    /// With the connection.
    Close,
}

/// What becomes of the connection after the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    /// Another call may go over it.
    Kept,
    /// The upstream closes it.
    Closed,
}

/// What the headers say about the message itself.
#[derive(Debug, Default)]
struct Said {
    version: Version,
    length: Option<u64>,
    chunked: bool,
    close: bool,
    /// What `Connection` lists beside `close` and `keep-alive`.
    listed: Vec<HeaderName>,
}

/// Takes a whole head from the front of `bytes`, if there is one.
pub(super) fn take(bytes: &mut BytesMut, asked: Asked) -> Result<Option<AnswerHead>, NoAnswer> {
    let Some(length) = END.find(bytes).map(|place| place + 4) else {
        return partial(bytes).map(|()| None);
    };
    if length > MAX_HEAD {
        return Err(NoAnswer);
    }
    let whole = bytes.split_to(length).freeze();
    let mut parsed = [const { MaybeUninit::uninit() }; MAX_HEADERS];
    let mut answer = httparse::Response::new(&mut []);
    let config = httparse::ParserConfig::default();
    match config.parse_response_with_uninit_headers(&mut answer, &whole, &mut parsed) {
        Ok(httparse::Status::Complete(used)) if used == length => {}
        Ok(_) | Err(_) => return Err(NoAnswer),
    }
    let status = StatusCode::from_u16(answer.code.ok_or(NoAnswer)?).map_err(|_| NoAnswer)?;
    let version = if answer.version == Some(1) { Version::HTTP_11 } else { Version::HTTP_10 };
    let mut said = Said { version, ..Said::default() };
    let mut headers = said.hear(&whole, answer.headers)?;
    for name in &said.listed {
        headers.remove(name);
    }
    let ends = ends(status, asked, &said)?;
    let is_kept = version == Version::HTTP_11 && !said.close && ends != Ends::Close;
    let after = if is_kept { After::Kept } else { After::Closed };
    Ok(Some(AnswerHead { status, headers, ends, after }))
}

/// Looks at the beginning of a head, so that what will never be one is known at once.
fn partial(bytes: &[u8]) -> Result<(), NoAnswer> {
    let mut parsed = [httparse::EMPTY_HEADER; MAX_HEADERS];
    match httparse::Response::new(&mut parsed).parse(bytes) {
        Ok(httparse::Status::Partial) if bytes.len() < MAX_HEAD => Ok(()),
        // Whole without CR LF CR LF is one with bare line feeds.
        Ok(httparse::Status::Partial | httparse::Status::Complete(_)) | Err(_) => Err(NoAnswer),
    }
}

/// Takes whole trailers from the front of `bytes`, if they are there.
pub(super) fn trailers(bytes: &mut BytesMut) -> Result<Option<HeaderMap>, NoAnswer> {
    let Some(length) = END.find(bytes).map(|place| place + 4) else { return Ok(None) };
    let whole = bytes.split_to(length).freeze();
    let mut parsed = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let Ok(httparse::Status::Complete((used, found))) = httparse::parse_headers(&whole, &mut parsed) else {
        return Err(NoAnswer);
    };
    if used != length {
        return Err(NoAnswer);
    }
    let mut trailers = HeaderMap::with_capacity(found.len());
    for header in found {
        let (name, value) = shared(&whole, header)?;
        trailers.append(name, value);
    }
    Ok(Some(to_caller(trailers)))
}

/// A header whose value goes on living in `whole`.
fn shared(whole: &Bytes, header: &httparse::Header<'_>) -> Result<(HeaderName, HeaderValue), NoAnswer> {
    let name = HeaderName::from_bytes(header.name.as_bytes()).map_err(|_| NoAnswer)?;
    let value = HeaderValue::from_maybe_shared(whole.slice_ref(header.value)).map_err(|_| NoAnswer)?;
    Ok((name, value))
}

impl Said {
    /// Hears the headers that are about the message, and gives the others.
    fn hear(&mut self, whole: &Bytes, found: &[httparse::Header<'_>]) -> Result<HeaderMap, NoAnswer> {
        let mut headers = HeaderMap::with_capacity(found.len() + ADDED_LATER);
        for header in found {
            let (name, value) = shared(whole, header)?;
            if name == CONTENT_LENGTH {
                if self.length.is_some() {
                    // Even two that are equal were written by somebody who does not know what is sent.
                    return Err(NoAnswer);
                }
                self.length = Some(length(value.as_bytes())?);
            } else if name == TRANSFER_ENCODING {
                if self.chunked || !value.as_bytes().eq_ignore_ascii_case(b"chunked") {
                    return Err(NoAnswer);
                }
                self.chunked = true;
                continue;
            } else if name == CONNECTION {
                self.hear_connection(&value);
                continue;
            } else if is_hop_by_hop(&name) {
                continue;
            }
            headers.append(name, value);
        }
        if self.chunked && self.length.is_some() { Err(NoAnswer) } else { Ok(headers) }
    }

    fn hear_connection(&mut self, connection: &HeaderValue) {
        let words = connection.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        for word in words {
            if word.eq_ignore_ascii_case(b"close") {
                self.close = true;
            } else if !word.eq_ignore_ascii_case(b"keep-alive")
                && let Ok(name) = HeaderName::from_bytes(word)
                && name != CONTENT_LENGTH
            {
                self.listed.push(name);
            }
        }
    }
}

fn length(digits: &[u8]) -> Result<u64, NoAnswer> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(NoAnswer);
    }
    std::str::from_utf8(digits).ok().and_then(|text| text.parse().ok()).ok_or(NoAnswer)
}

/// RFC 9112 section 6.3.
fn ends(status: StatusCode, asked: Asked, said: &Said) -> Result<Ends, NoAnswer> {
    let is_bare = status.is_informational() || status == StatusCode::NO_CONTENT;
    if said.chunked && (said.version != Version::HTTP_11 || is_bare) {
        return Err(NoAnswer);
    }
    if asked == Asked::Headers || is_bare || status == StatusCode::NOT_MODIFIED {
        return Ok(Ends::Length(0));
    }
    Ok(match said.length {
        Some(length) => Ends::Length(length),
        None if said.chunked => Ends::Chunks,
        None => Ends::Close,
    })
}

#[cfg(test)]
mod tests;
