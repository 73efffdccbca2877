//! Which headers go through, which end here, and which are added.
//!
//! The order matters, as the advisories of other gateways show: first what `Connection` lists is removed,
//! and a list that names a header of ours is refused; then every header that an upstream could take for one
//! of ours; only then ours are set. An upstream that reads headers like CGI does takes `X_Forwarded_For` or
//! `X.Forwarded.For` for `X-Forwarded-For`, so those spellings go, too.

use std::net::IpAddr;

use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, EXPECT, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE,
    TRAILER, TRANSFER_ENCODING, UPGRADE, VIA,
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
const OURS_OR_TRICKS: [&str; 10] = [
    "forwarded",
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

/// Makes the headers of a call those of the request to the upstream. `Host` stays: who sends the request
/// sets the upstream's.
pub fn to_upstream(headers: &mut HeaderMap, how: &Forwarding<'_>) -> Result<(), ProtectedListed> {
    let wants_trailers = headers.get(TE).is_some_and(|value| lists(value, "trailers"));
    let web_socket = headers.get(UPGRADE).is_some_and(|value| lists(value, "websocket"));
    remove_listed(headers, how)?;
    for name in HOP_BY_HOP.into_iter().chain([TE, EXPECT]) {
        headers.remove(name);
    }
    if wants_trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    if web_socket && how.upgrade == Upgrading::WebSocket {
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    }
    let earlier = trusted_hops(headers, how.origin);
    remove_forged(headers, how);
    if let TokenHeader::Remove(leftover) = how.token {
        headers.remove(how.token_header);
        if let Some(value) = leftover.and_then(|text| HeaderValue::from_str(text).ok()) {
            headers.insert(how.token_header, value);
        }
    }
    set_origin(headers, how.origin, earlier);
    if let Some((name, Some(value))) = how.assertion {
        headers.insert(name, value.clone());
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

/// The names that `Connection` lists.
fn listed(headers: &HeaderMap) -> Vec<HeaderName> {
    let values = headers.get_all(CONNECTION).iter();
    let words = values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    words.filter_map(|word| HeaderName::from_bytes(word.trim().as_bytes()).ok()).collect()
}

fn remove_listed(headers: &mut HeaderMap, how: &Forwarding<'_>) -> Result<(), ProtectedListed> {
    if !headers.contains_key(CONNECTION) {
        return Ok(());
    }
    for name in listed(headers) {
        let is_assertion = how.assertion.is_some_and(|(assertion, _)| *assertion == name);
        if NEVER_LISTED.contains(&name) || name == how.token_header || is_assertion || is_ours(name.as_str())
        {
            return Err(ProtectedListed);
        }
        headers.remove(name);
    }
    Ok(())
}

/// Whether a comma list holds a word, in any case.
fn lists(value: &HeaderValue, word: &str) -> bool {
    let text = value.to_str().unwrap_or_default();
    text.split(',').any(|item| item.trim().eq_ignore_ascii_case(word))
}

/// Whether a name in lower case is one that only the gateway may set, in whatever spelling.
fn is_ours(name: &str) -> bool {
    let is = |name: &str| OURS.iter().any(|start| name.starts_with(start)) || OURS_OR_TRICKS.contains(&name);
    if name.contains(['_', '.']) { is(&name.replace(['_', '.'], "-")) } else { is(name) }
}

/// Removes what the upstream could take for ours, and other spellings of the headers of the token, of the
/// assertion and of the body's length.
fn remove_forged(headers: &mut HeaderMap, how: &Forwarding<'_>) {
    let assertion = how.assertion.map(|(name, _)| name.as_str());
    let is_alias = |name: &str| {
        name.contains(['_', '.']) && {
            let plain = name.replace(['_', '.'], "-");
            plain == how.token_header.as_str()
                || plain == CONTENT_LENGTH.as_str()
                || plain == TRANSFER_ENCODING.as_str()
                || Some(plain.as_str()) == assertion
        }
    };
    let is_forged = |name: &str| is_ours(name) || is_alias(name) || Some(name) == assertion;
    let forged: Vec<HeaderName> = headers.keys().filter(|name| is_forged(name.as_str())).cloned().collect();
    for name in forged {
        headers.remove(name);
    }
}

/// What a trusted proxy says about earlier hops.
#[derive(Debug, Default)]
struct Hops {
    addresses: Vec<String>,
    host: Option<HeaderValue>,
    scheme: Option<HeaderValue>,
}

fn trusted_hops(headers: &HeaderMap, origin: Origin<'_>) -> Hops {
    if origin.peer == Peer::Stranger {
        return Hops::default();
    }
    let values = headers.get_all(X_FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok());
    let mut addresses: Vec<String> =
        values.flat_map(|value| value.split(',')).map(|address| address.trim().to_owned()).collect();
    addresses.drain(..addresses.len().saturating_sub(MAX_HOPS - 1));
    let scheme = headers.get(X_FORWARDED_PROTO).filter(|value| *value == "http" || *value == "https");
    Hops { addresses, host: headers.get(X_FORWARDED_HOST).cloned(), scheme: scheme.cloned() }
}

fn set_origin(headers: &mut HeaderMap, origin: Origin<'_>, mut earlier: Hops) {
    earlier.addresses.push(origin.address.to_string());
    if let Ok(addresses) = HeaderValue::from_str(&earlier.addresses.join(", ")) {
        headers.insert(X_FORWARDED_FOR, addresses);
    }
    headers.insert(X_FORWARDED_HOST, earlier.host.unwrap_or_else(|| origin.host.clone()));
    let scheme = HeaderValue::from_static(match origin.transport {
        Transport::Http => "http",
        Transport::Https => "https",
    });
    headers.insert(X_FORWARDED_PROTO, earlier.scheme.unwrap_or(scheme));
    headers.append(VIA, HeaderValue::from_static("1.1 latchkey"));
}

#[cfg(test)]
mod tests;
