//! The request to an upstream, as it is written.

use bytes::{BufMut, BytesMut};
use http::header::{CONTENT_LENGTH, HOST, TRAILER};
use http::{HeaderMap, HeaderName, Method};
use latchkey_catalog::upstream::{Timeouts, UpstreamUrl};

use super::upload::Sent;
use crate::forwarded::trailers::{TrailerRule, announced};
use crate::forwarded::{Forwarding, ProtectedListed, Sink, to_upstream};

/// What goes to an upstream beside the body.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    /// The caller's method.
    pub method: &'a Method,
    /// What follows context and version, and the query.
    pub target: Rest<'a>,
    /// The caller's headers.
    pub headers: &'a HeaderMap,
    /// How they go on.
    pub forwarding: &'a Forwarding<'a>,
    /// How long the upstream may take.
    pub timeouts: Timeouts,
}

/// The part of a request target that goes to the upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rest<'a> {
    /// Empty, or with a slash at its beginning.
    pub path: &'a str,
    /// Without its question mark.
    pub query: Option<&'a str>,
}

impl Rest<'_> {
    /// Writes the request target at an upstream: its base path, what follows context and version, the query.
    pub fn write(&self, address: &UpstreamUrl, out: &mut impl BufMut) {
        out.put_slice(address.path().as_bytes());
        out.put_slice(self.path.as_bytes());
        if address.path().is_empty() && self.path.is_empty() {
            out.put_u8(b'/');
        }
        if let Some(query) = self.query {
            out.put_u8(b'?');
            out.put_slice(query.as_bytes());
        }
    }
}

impl Outgoing<'_> {
    /// What the trailers of the call may be.
    pub(super) fn trailer_rule(&self) -> TrailerRule {
        TrailerRule::of(self.headers, self.forwarding)
    }

    /// The names of the trailers that the call announces and that go on.
    pub(super) fn trailers(&self) -> Vec<HeaderName> {
        announced(self.headers, self.forwarding)
    }

    /// The same as a header says it; none: there are none.
    pub(super) fn announced_trailers(&self) -> Option<String> {
        let names = self.trailers();
        let names: Vec<&str> = names.iter().map(HeaderName::as_str).collect();
        (!names.is_empty()).then(|| names.join(", "))
    }

    /// Writes the head of an HTTP/1.1 request to `address`.
    pub(super) fn write(
        &self,
        address: &UpstreamUrl,
        body: Sent,
        out: &mut BytesMut,
    ) -> Result<(), ProtectedListed> {
        out.reserve(512);
        out.put_slice(self.method.as_str().as_bytes());
        out.put_u8(b' ');
        self.target.write(address, out);
        out.put_slice(b" HTTP/1.1\r\nhost: ");
        out.put_slice(address.authority().as_bytes());
        out.put_slice(b"\r\n");
        to_upstream(self.headers, self.forwarding, &mut Lines(out))?;
        match body {
            Sent::Nothing if expects_body(self.method) => out.put_slice(b"content-length: 0\r\n"),
            Sent::Nothing => {}
            Sent::Length(length) => {
                out.put_slice(b"content-length: ");
                out.put_slice(itoa::Buffer::new().format(length).as_bytes());
                out.put_slice(b"\r\n");
            }
            Sent::Chunks => {
                out.put_slice(b"transfer-encoding: chunked\r\n");
                if let Some(names) = self.announced_trailers() {
                    Lines(out).header(&TRAILER, names.as_bytes());
                }
            }
        }
        out.put_slice(b"\r\n");
        Ok(())
    }
}

/// RFC 9110 section 8.6: these say that they have no body, for an upstream may wait for one.
fn expects_body(method: &Method) -> bool {
    matches!(*method, Method::POST | Method::PUT | Method::PATCH)
}

/// Headers as lines. What the message itself says of its length and host is written apart.
pub(super) struct Lines<'a>(pub(super) &'a mut BytesMut);

impl Sink for Lines<'_> {
    fn header(&mut self, name: &HeaderName, value: &[u8]) {
        if name != HOST && name != CONTENT_LENGTH {
            self.0.reserve(name.as_str().len() + value.len() + 4);
            self.0.put_slice(name.as_str().as_bytes());
            self.0.put_slice(b": ");
            self.0.put_slice(value);
            self.0.put_slice(b"\r\n");
        }
    }
}

#[cfg(test)]
mod tests;
