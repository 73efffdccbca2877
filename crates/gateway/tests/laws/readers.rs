//! What holds for all bytes that a stranger may send: one function for each reader, from any bytes to a
//! verdict, which panics where a law is broken. The fuzz targets call them with what they invent, a test
//! with what is kept in `fuzz/corpus`.

use latchkey_gateway::framing::Framing;

/// Whether a reader took the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    /// It did.
    Accepted,
    /// It did not.
    Refused,
}

/// A reader with its laws.
pub(crate) type Law = fn(&[u8]) -> Verdict;

/// Every reader, under the name of its fuzz target.
pub(crate) const LAWS: [(&str, Law); 1] = [("framing", framing)];

/// Bytes are refused at one place, however they come in pieces; and where the parser of the HTTP library finds a
/// whole head in what is let through, it says once and in one way where the request ends.
pub(crate) fn framing(data: &[u8]) -> Verdict {
    let refused = refused_at(data, data.len().max(1));
    for size in [1, 2, 3, 7] {
        assert_eq!(refused_at(data, size), refused, "in pieces of {size}");
    }
    let mut rest = &data[..refused.unwrap_or(data.len())];
    // HTTP/2 is looked at by its own library.
    if !rest.starts_with(b"PRI * HTTP/2.0\r\n") {
        while let Some(behind) = behind_request(rest) {
            rest = behind;
        }
    }
    if refused.is_none() { Verdict::Accepted } else { Verdict::Refused }
}

/// The place at which `bytes`, which come in pieces of `size`, are refused.
fn refused_at(bytes: &[u8], size: usize) -> Option<usize> {
    let (mut framing, mut bytes) = (Framing::new(), bytes.to_vec());
    let mut pieces = bytes.chunks_mut(size).enumerate();
    pieces.find_map(|(number, piece)| Some(number * size + framing.look(piece)? - 1))
}

/// What follows the request at the front, as the library reads it; none where it finds no whole request.
fn behind_request(bytes: &[u8]) -> Option<&[u8]> {
    let mut headers = [httparse::EMPTY_HEADER; 100];
    let mut request = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(length) = request.parse(bytes).ok()? else { return None };
    let (head, body) = bytes.split_at(length);
    let bare =
        head.iter().enumerate().find(|(at, byte)| **byte == b'\n' && (*at == 0 || head[at - 1] != b'\r'));
    assert_eq!(bare, None, "a line of a head ends in a bare LF");
    assert!(!request.path.unwrap_or_default().contains('#'), "a target has a fragment");
    let values = |name: &str| {
        let found = request.headers.iter().filter(|header| header.name.eq_ignore_ascii_case(name));
        found.map(|header| header.value.trim_ascii().to_vec()).collect::<Vec<_>>()
    };
    let (lengths, codings) = (values("content-length"), values("transfer-encoding"));
    assert!(lengths.len() <= 1, "a length is said twice");
    assert!(lengths.is_empty() || codings.is_empty(), "a length stands beside a coding");
    if let [length] = &lengths[..] {
        assert!(!length.is_empty() && length.iter().all(u8::is_ascii_digit), "a length is no number");
        let length: u64 = std::str::from_utf8(length).ok()?.parse().expect("a length fits");
        return body.get(usize::try_from(length).ok()?..);
    }
    match codings.last() {
        None => Some(body),
        Some(coding) if coding.eq_ignore_ascii_case(b"chunked") => behind_chunks(body),
        Some(_) => None,
    }
}

/// What follows a body in chunks, read by the letter of RFC 9112 section 7.1.
fn behind_chunks(mut bytes: &[u8]) -> Option<&[u8]> {
    loop {
        let (line, rest) = line(bytes)?;
        let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        assert!(digits > 0, "a chunk has no size");
        let size = u64::from_str_radix(std::str::from_utf8(&line[..digits]).ok()?, 16).expect("a size fits");
        if size == 0 {
            return behind_trailers(rest);
        }
        let behind = rest.get(usize::try_from(size).ok()?..)?;
        bytes = match behind {
            [b'\r', b'\n', next @ ..] => next,
            [] | [b'\r'] => return None,
            [..] => return not_behind_a_chunk(behind),
        };
    }
}

/// Bytes behind a chunk that are no end of line: no LF may come after them, for there the request is refused.
fn not_behind_a_chunk(bytes: &[u8]) -> Option<&[u8]> {
    assert!(!bytes.contains(&b'\n'), "a chunk goes on behind its end");
    None
}

fn behind_trailers(mut bytes: &[u8]) -> Option<&[u8]> {
    loop {
        let (line, rest) = line(bytes)?;
        if line.is_empty() {
            return Some(rest);
        }
        bytes = rest;
    }
}

/// The line at the front without its end, which is whole, and what follows it.
fn line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let line = bytes[..end].strip_suffix(b"\r").expect("a line of a body's frame ends in a bare LF");
    Some((line, &bytes[end + 1..]))
}
