//! Which headers go through, which end here, and which are added.
//!
//! The order matters, as the advisories of other gateways show: first what `Connection` lists is removed,
//! and a list that names a header of ours is refused; then every header that an upstream could take for one
//! of ours; only then ours are set. An upstream that reads headers like CGI does takes `X_Forwarded_For` or
//! `X.Forwarded.For` for `X-Forwarded-For`, so those spellings go, too.

pub mod trailers;

use std::borrow::Cow;
use std::fmt::{self, Write};
use std::net::IpAddr;

use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION,
    TE, TRAILER, TRANSFER_ENCODING, UPGRADE, VIA,
};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::answer::{Fault, RequestFault};
use crate::route::Transport;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The header of WSO2's assertion about the caller.
pub const X_JWT_ASSERTION: HeaderName = HeaderName::from_static("x-jwt-assertion");

/// The most addresses that `X-Forwarded-For` goes on with; those nearest to us stay.
const MAX_HOPS: usize = 20;

/// The connection's own headers (RFC 9110 section 7.6.1) and those of proxies between.
const HOP_BY_HOP: [HeaderName; 9] = [
    CONNECTION,
    KEEP_ALIVE,
    PROXY_CONNECTION,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    HTTP2_SETTINGS,
];

/// Beginnings of names that only a gateway may set; `Latchkey-…` is ours.
const OURS: [&str; 3] = ["x-forwarded-", "latchkey-", "x-jwt-"];

/// Names that only a gateway may set, or that would make the upstream do something else than was checked:
/// another method, another path.
const OURS_OR_TRICKS: [&str; 11] = [
    "forwarded",
    "internal-key",
    "x-real-ip",
    "x-client-ip",
    "true-client-ip",
    "x-original-url",
    "x-rewrite-url",
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
    "x-original-method",
];

/// What a `Connection` header must not name: without them the call would be another one.
const NEVER_LISTED: [HeaderName; 4] = [HOST, CONTENT_LENGTH, AUTHORIZATION, VIA];

/// How the headers of a call go on.
#[derive(Debug, Clone, Copy)]
pub struct Forwarding<'a> {
    /// The header that carried the token.
    pub token_header: &'a HeaderName,
    /// What becomes of it.
    pub token: TokenHeader<'a>,
    /// The header that carries API keys, where the API takes any. It ends here.
    pub key_header: Option<&'a HeaderName>,
    /// Whether the call asks for another protocol that the upstream may speak.
    pub upgrade: Upgrading,
    /// Where the call came from.
    pub origin: Origin<'a>,
    /// The header for signed assertions about callers, where there are any, and the one about this caller.
    pub assertion: Option<(&'a HeaderName, Option<&'a HeaderValue>)>,
}

/// What becomes of the header that carried the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenHeader<'a> {
    /// It ends here; what else stood in it goes on (see [`crate::bearer::Carried::leftover`]).
    Remove(Option<&'a str>),
    /// It goes on as it came: `gateway.outbound_auth_header`.
    Keep,
}

/// Whether the connection may become a tunnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upgrading {
    /// No; a wish for it is dropped, as RFC 9110 section 7.8 allows.
    No,
    /// To `WebSocket` (RFC 6455 section 4.1).
    WebSocket,
}

/// Where a call came from.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// The address of the connection.
    pub address: IpAddr,
    /// Whether what it says about earlier hops is believed.
    pub peer: Peer,
    /// The host that the caller named.
    pub host: &'a HeaderValue,
    /// The listener.
    pub transport: Transport,
}

/// Whether the other end of the connection is a proxy of our own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// Anybody: its `X-Forwarded-…` headers are dropped.
    Stranger,
    /// A proxy of our own: its `X-Forwarded-…` headers go on, with its address added.
    Trusted,
}

/// A `Connection` that lists a header which must not be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the Connection header names a header that must not be removed")]
pub struct ProtectedListed;

impl From<ProtectedListed> for Fault {
    fn from(_: ProtectedListed) -> Self {
        Self::Request(RequestFault::ConnectionHeader)
    }
}

/// Takes headers, one after the other.
pub trait Sink {
    /// One header with its value.
    fn header(&mut self, name: &HeaderName, value: &[u8]);
}

impl Sink for HeaderMap {
    fn header(&mut self, name: &HeaderName, value: &[u8]) {
        if let Ok(value) = HeaderValue::from_bytes(value) {
            self.append(name, value);
        }
    }
}

/// Passes on the headers of a call that go to the upstream, and then ours. `Host` and `Content-Length` go
/// with them as they came: who sends the request sets them as its message needs.
pub fn to_upstream(
    headers: &HeaderMap,
    how: &Forwarding<'_>,
    out: &mut impl Sink,
) -> Result<(), ProtectedListed> {
    let listed = if headers.contains_key(CONNECTION) { listed(headers) } else { Vec::new() };
    if listed.iter().any(|name| is_protected(name, how)) {
        return Err(ProtectedListed);
    }
    let (mut wants_trailers, mut web_socket) = (false, false);
    let mut cookies: Vec<&[u8]> = Vec::new();
    for (name, value) in headers {
        if *name == TE {
            wants_trailers |= lists(value, "trailers");
        } else if *name == UPGRADE {
            web_socket |= lists(value, "websocket");
        } else if goes_on(name, how) && !listed.contains(name) {
            if *name == COOKIE {
                cookies.push(value.as_bytes());
            } else {
                out.header(name, value.as_bytes());
            }
        }
    }
    if let [cookie] = cookies[..] {
        out.header(&COOKIE, cookie);
    } else if !cookies.is_empty() {
        // HTTP/2 callers may send it in parts (RFC 9113 section 8.2.3).
        out.header(&COOKIE, &cookies.join(&b"; "[..]));
    }
    if wants_trailers {
        out.header(&TE, b"trailers");
    }
    if web_socket && how.upgrade == Upgrading::WebSocket {
        out.header(&CONNECTION, b"Upgrade");
        out.header(&UPGRADE, b"websocket");
    }
    if let TokenHeader::Remove(Some(leftover)) = how.token {
        out.header(how.token_header, leftover.as_bytes());
    }
    set_origin(headers, how.origin, out);
    if let Some((name, Some(value))) = how.assertion {
        out.header(name, value.as_bytes());
    }
    Ok(())
}

/// Makes the headers of an upstream's answer those of the answer to the caller: the connection's own go,
/// with everything that the upstream's `Connection` lists.
pub fn to_caller(headers: &mut HeaderMap) {
    for name in listed(headers) {
        headers.remove(name);
    }
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
}

/// Whether a header ends with the connection that it came over.
pub(crate) fn is_hop_by_hop(name: &HeaderName) -> bool {
    HOP_BY_HOP.contains(name)
}

/// The names that `Connection` lists.
fn listed(headers: &HeaderMap) -> Vec<HeaderName> {
    let values = headers.get_all(CONNECTION).iter();
    let words = values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    words.filter_map(|word| HeaderName::from_bytes(word.trim().as_bytes()).ok()).collect()
}

/// Whether a `Connection` must not name a header: without it the call would be another one.
fn is_protected(name: &HeaderName, how: &Forwarding<'_>) -> bool {
    let is_assertion = how.assertion.is_some_and(|(assertion, _)| assertion == name);
    let carries = name == how.token_header || Some(name) == how.key_header;
    NEVER_LISTED.contains(name) || carries || is_assertion || is_ours(name.as_str())
}

/// Whether a comma list holds a word, in any case.
fn lists(value: &HeaderValue, word: &str) -> bool {
    let text = value.to_str().unwrap_or_default();
    text.split(',').any(|item| item.trim().eq_ignore_ascii_case(word))
}

/// Whether a name in lower case is one that only the gateway may set, in whatever spelling.
fn is_ours(name: &str) -> bool {
    let is = |name: &str| OURS.iter().any(|start| name.starts_with(start)) || OURS_OR_TRICKS.contains(&name);
    is(&plain(name))
}

/// A name as an upstream may read it that takes `_` and `.` for `-`.
fn plain(name: &str) -> Cow<'_, str> {
    if name.contains(['_', '.']) { Cow::Owned(name.replace(['_', '.'], "-")) } else { Cow::Borrowed(name) }
}

/// Whether a header goes to the upstream: it is none of the connection's own, and nothing that the upstream
/// could take for ours or for another spelling of the headers of the token, of the API key, of the assertion and of the
/// body's length.
fn goes_on(name: &HeaderName, how: &Forwarding<'_>) -> bool {
    if is_hop_by_hop(name) || *name == EXPECT {
        return false;
    }
    if name == how.token_header {
        return how.token == TokenHeader::Keep;
    }
    if Some(name) == how.key_header {
        return false;
    }
    let text = name.as_str();
    let assertion = how.assertion.map(|(name, _)| name.as_str());
    let is_alias = || {
        let plain = plain(text);
        *plain == *how.token_header.as_str()
            || how.key_header.is_some_and(|header| *plain == *header.as_str())
            || *plain == *CONTENT_LENGTH.as_str()
            || *plain == *TRANSFER_ENCODING.as_str()
            || Some(&*plain) == assertion
    };
    !is_ours(text) && Some(text) != assertion && !(text.contains(['_', '.']) && is_alias())
}

/// Says where the call came from. What a trusted proxy says about earlier hops stands before that.
fn set_origin(headers: &HeaderMap, origin: Origin<'_>, out: &mut impl Sink) {
    let own = Address::of(origin.address);
    let scheme: &[u8] = match origin.transport {
        Transport::Http => b"http",
        Transport::Https => b"https",
    };
    match origin.peer {
        Peer::Stranger => {
            out.header(&X_FORWARDED_FOR, own.bytes());
            out.header(&X_FORWARDED_HOST, origin.host.as_bytes());
            out.header(&X_FORWARDED_PROTO, scheme);
        }
        Peer::Trusted => {
            let earlier =
                headers.get(X_FORWARDED_PROTO).filter(|value| *value == "http" || *value == "https");
            out.header(&X_FORWARDED_FOR, &hops(headers, own.bytes()));
            out.header(&X_FORWARDED_HOST, headers.get(X_FORWARDED_HOST).unwrap_or(origin.host).as_bytes());
            out.header(&X_FORWARDED_PROTO, earlier.map_or(scheme, HeaderValue::as_bytes));
        }
    }
    out.header(&VIA, b"1.1 latchkey");
}

/// The hops that a trusted proxy tells of, and its own address.
fn hops(headers: &HeaderMap, own: &[u8]) -> Vec<u8> {
    let values = headers.get_all(X_FORWARDED_FOR).iter().map(HeaderValue::as_bytes);
    let mut hops: Vec<&[u8]> =
        values.flat_map(|value| value.split(|byte| *byte == b',')).map(<[u8]>::trim_ascii).collect();
    hops.drain(..hops.len().saturating_sub(MAX_HOPS - 1));
    hops.push(own);
    hops.join(&b", "[..])
}

/// The text of an address, without an allocation.
#[derive(Debug)]
struct Address {
    text: [u8; 45],
    length: usize,
}

impl Address {
    fn of(address: IpAddr) -> Self {
        let mut text = Self { text: [0; 45], length: 0 };
        // An address is shorter than the room for it. IPv4 is written by hand: every call comes by here, and
        // the formatter takes as long as everything else that is done to its headers.
        let _ = match address {
            IpAddr::V4(address) => {
                let [first, rest @ ..] = address.octets();
                let written = text.write_str(itoa::Buffer::new().format(first));
                rest.into_iter().fold(written, |written, octet| {
                    written?;
                    text.write_str(".")?;
                    text.write_str(itoa::Buffer::new().format(octet))
                })
            }
            IpAddr::V6(address) => write!(text, "{address}"),
        };
        text
    }

    fn bytes(&self) -> &[u8] {
        &self.text[..self.length]
    }
}

impl Write for Address {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        let end = self.length + part.len();
        self.text.get_mut(self.length..end).ok_or(fmt::Error)?.copy_from_slice(part.as_bytes());
        self.length = end;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
