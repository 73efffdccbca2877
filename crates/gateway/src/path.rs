//! One spelling of the request target, for routing and for forwarding.
//!
//! Most gateways that were bypassed by a path were because two of their parts read it differently: the
//! check one way, the upstream another. So a target is brought into one form once, everything works on that
//! form, and what upstreams are known to read in different ways is refused, not repaired:
//! dot segments, empty segments, encoded slashes, backslashes, percent signs and NULs, `;` parameters,
//! bytes that are not UTF-8. The query goes through as it came.

use std::borrow::Cow;

/// The longest request target, in bytes; a longer one is answered with 414.
pub const MAX_TARGET: usize = 8 * 1024;

/// A request target in its one form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target<'a> {
    path: Cow<'a, str>,
    query: Option<&'a str>,
}

/// Why a target is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum PathProblem {
    /// More than [`MAX_TARGET`].
    #[error("the request target is longer than 8192 bytes")]
    TooLong,
    /// No slash at the beginning: `*`, or the host of a CONNECT.
    #[error("the request target does not begin with a slash")]
    NotAPath,
    /// A byte that RFC 3986 does not let stand in a path or query: a control character, a space, a quote,
    /// `\`, `#`, a byte above ASCII.
    #[error("the request target holds a character that must be percent-encoded, or a backslash")]
    RawCharacter,
    /// A `%` without two hexadecimal digits.
    #[error("the path holds a percent sign without two hexadecimal digits")]
    BrokenEncoding,
    /// An encoded slash, backslash, percent sign, semicolon, or control character.
    #[error("the path holds an encoded slash, backslash, percent sign, semicolon or control character")]
    EncodedDelimiter,
    /// Encoded bytes that are no UTF-8, overlong forms among them.
    #[error("the path holds encoded bytes that are not UTF-8")]
    NotUtf8,
    /// `.` or `..`, encoded or not.
    #[error("the path holds a dot segment")]
    DotSegment,
    /// `//`.
    #[error("the path holds an empty segment")]
    EmptySegment,
    /// `;`, which some servers take for the beginning of parameters that they leave out.
    #[error("the path holds a semicolon")]
    PathParameter,
}

impl PathProblem {
    /// The status of the answer.
    pub const fn status(self) -> http::StatusCode {
        match self {
            Self::TooLong => http::StatusCode::URI_TOO_LONG,
            Self::NotAPath
            | Self::RawCharacter
            | Self::BrokenEncoding
            | Self::EncodedDelimiter
            | Self::NotUtf8
            | Self::DotSegment
            | Self::EmptySegment
            | Self::PathParameter => http::StatusCode::BAD_REQUEST,
        }
    }
}

impl<'a> Target<'a> {
    /// Brings a target in origin form, path and perhaps query (RFC 9112 section 3.2.1), into its one form:
    /// what is encoded without need is decoded (`%7E` is `~`), hexadecimal digits are capitals. A target
    /// that has this form already is not copied.
    pub fn normalise(target: &'a str) -> Result<Self, PathProblem> {
        if target.len() > MAX_TARGET {
            return Err(PathProblem::TooLong);
        }
        if !target.starts_with('/') {
            return Err(PathProblem::NotAPath);
        }
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (target, None),
        };
        // Browsers leave quotes, braces and bars in queries, and no server reads those in two ways.
        let may_stand = |byte: u8| byte.is_ascii_graphic() && byte != b'#';
        if !query.unwrap_or_default().bytes().all(may_stand) {
            return Err(PathProblem::RawCharacter);
        }
        let path = if path.contains('%') { decode(path)? } else { Cow::Borrowed(path) };
        check(&path)?;
        Ok(Self { path, query })
    }

    /// The path, which begins with a slash.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The query as it came, without its question mark.
    pub fn query(&self) -> Option<&'a str> {
        self.query
    }
}

/// Decodes what RFC 3986 section 2.3 calls unreserved, and writes what stays encoded with capitals.
fn decode(path: &str) -> Result<Cow<'_, str>, PathProblem> {
    let mut out = String::with_capacity(path.len());
    let mut encoded = Vec::new();
    let mut pieces = path.split('%');
    out.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        let byte = piece.get(..2).and_then(hexadecimal).ok_or(PathProblem::BrokenEncoding)?;
        let rest = &piece[2..];
        match byte {
            b'/' | b'\\' | b'%' | b';' | 0..=0x1f | 0x7f => return Err(PathProblem::EncodedDelimiter),
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => {
                out.push('%');
                out.extend(
                    [byte >> 4, byte & 15].map(|digit| char::from(b"0123456789ABCDEF"[usize::from(digit)])),
                );
            }
        }
        out.push_str(rest);
        // A character of several bytes is encoded byte after byte, or it is none.
        encoded.push(byte);
        if !rest.is_empty() {
            encoded.push(b'/');
        }
    }
    if std::str::from_utf8(&encoded).is_err() {
        return Err(PathProblem::NotUtf8);
    }
    Ok(if out == path { Cow::Borrowed(path) } else { Cow::Owned(out) })
}

/// Two hexadecimal digits; `u8::from_str_radix` alone would take a sign.
fn hexadecimal(digits: &str) -> Option<u8> {
    let are_digits = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    u8::from_str_radix(digits, 16).ok().filter(|_| are_digits)
}

/// Refuses what a path in its one form does not hold.
fn check(path: &str) -> Result<(), PathProblem> {
    let mut before = 0;
    for (place, byte) in path.bytes().enumerate() {
        match byte {
            b'/' if place > 0 => {
                check_segment(&path[before + 1..place])?;
                before = place;
            }
            b';' => return Err(PathProblem::PathParameter),
            _ if is_path_byte(byte) => {}
            _ => return Err(PathProblem::RawCharacter),
        }
    }
    // An empty last segment is a slash at the end, which goes on to the upstream.
    match &path[before + 1..] {
        "" => Ok(()),
        last => check_segment(last),
    }
}

fn check_segment(segment: &str) -> Result<(), PathProblem> {
    match segment {
        "" => Err(PathProblem::EmptySegment),
        "." | ".." => Err(PathProblem::DotSegment),
        _ => Ok(()),
    }
}

/// RFC 3986 section 3.3, `pchar` and the slash, without `;`; `%` was looked at before.
const fn is_path_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'/' | b'-'
                | b'.'
                | b'_'
                | b'~'
                | b'%'
                | b'!'
                | b'$'
                | b'&'
                | b'\''
                | b'('
                | b')'
                | b'*'
                | b'+'
                | b','
                | b'='
                | b':'
                | b'@'
        )
}

#[cfg(test)]
mod tests;
