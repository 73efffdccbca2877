//! Which trailers go through (RFC 9110 section 6.5).
//!
//! Trailers come after everything was decided, and some servers add them to the headers they have already read.
//! So what a header may not say (an identity of ours, another spelling of one), and what only means something
//! before the body (its framing, the host, credentials, conditions, its type), is dropped from them.

use http::header::{HOST, TRAILER};
use http::{HeaderMap, HeaderName};

use super::{Forwarding, is_hop_by_hop, is_ours, listed, plain};

/// What the trailers of a call may be.
#[derive(Debug, Clone)]
pub struct TrailerRule {
    token_header: HeaderName,
    assertion: Option<HeaderName>,
    listed: Vec<HeaderName>,
}

/// Fields that RFC 9110 section 6.5.1 keeps for headers: routing, authentication, modifiers of the request, and
/// control data of answers. Those about the body, conditions and permissions are known by their beginnings.
const NEVER: [&str; 22] = [
    "accept-encoding",
    "age",
    "authorization",
    "cache-control",
    "cookie",
    "date",
    "expect",
    "expires",
    "location",
    "max-forwards",
    "origin",
    "pragma",
    "range",
    "referer",
    "retry-after",
    "set-cookie",
    "te",
    "user-agent",
    "vary",
    "via",
    "warning",
    "www-authenticate",
];

/// The same, by their beginnings.
const NEVER_BEGINNING: [&str; 6] = ["access-control-", "content-", "if-", "proxy-", "sec-", "transfer-"];

/// Whether a field must not come behind a body, in whatever spelling.
pub(crate) fn is_forbidden(name: &HeaderName) -> bool {
    let text = plain(name.as_str());
    *name == HOST
        || is_hop_by_hop(name)
        || NEVER.contains(&&*text)
        || NEVER_BEGINNING.iter().any(|start| text.starts_with(start))
}

impl TrailerRule {
    /// The rule for a call with these headers that goes on so.
    pub fn of(headers: &HeaderMap, how: &Forwarding<'_>) -> Self {
        Self {
            token_header: how.token_header.clone(),
            assertion: how.assertion.map(|(name, _)| name.clone()),
            listed: listed(headers),
        }
    }

    /// Whether a trailer goes to the upstream.
    pub fn keeps(&self, name: &HeaderName) -> bool {
        let text = plain(name.as_str());
        let is_credential = *text == *self.token_header.as_str()
            || self.assertion.as_ref().is_some_and(|name| *text == *name.as_str());
        !is_credential && !is_forbidden(name) && !is_ours(name.as_str()) && !self.listed.contains(name)
    }

    /// Drops what does not go to the upstream.
    pub fn filter(&self, trailers: HeaderMap) -> HeaderMap {
        retain(trailers, |name| self.keeps(name))
    }
}

/// The trailers that a call announces (RFC 9110 section 6.6.2) and that go to the upstream, in their order.
pub fn announced(headers: &HeaderMap, how: &Forwarding<'_>) -> Vec<HeaderName> {
    let mut names = Vec::new();
    if headers.contains_key(TRAILER) {
        let rule = TrailerRule::of(headers, how);
        let words = headers.get_all(TRAILER).iter().filter_map(|value| value.to_str().ok());
        for word in words.flat_map(|value| value.split(',')) {
            if let Ok(name) = HeaderName::from_bytes(word.trim().as_bytes())
                && rule.keeps(&name)
                && !names.contains(&name)
            {
                names.push(name);
            }
        }
    }
    names
}

/// Drops from an upstream's trailers what must not come behind a body.
pub(crate) fn to_caller(trailers: HeaderMap) -> HeaderMap {
    retain(trailers, |name| !is_forbidden(name) && !is_ours(name.as_str()))
}

fn retain(mut trailers: HeaderMap, keeps: impl Fn(&HeaderName) -> bool) -> HeaderMap {
    let dropped: Vec<HeaderName> = trailers.keys().filter(|name| !keeps(name)).cloned().collect();
    for name in dropped {
        trailers.remove(name);
    }
    trailers
}

#[cfg(test)]
mod tests;
