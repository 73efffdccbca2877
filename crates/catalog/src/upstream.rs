//! Upstreams: where the calls of an API go.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The most addresses that one upstream may have.
pub const MAX_URLS: usize = 32;

/// The servers behind an API, for one kind of keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Upstream {
    /// Where they are; calls are spread over them. At least one.
    pub urls: Vec<UpstreamUrl>,
    /// How long to wait for them.
    #[serde(default)]
    pub timeouts: Timeouts,
    /// Whether a call that failed before an answer came is tried once more at another address. Only
    /// idempotent methods without a body that was already sent are (RFC 9110 section 9.2.2).
    #[serde(default)]
    pub retries: Retries,
    /// What is spoken with them.
    #[serde(default)]
    pub protocol: Protocol,
}

/// What is spoken with an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// HTTP/1.1, one call at a time on each connection.
    #[default]
    Http1,
    /// HTTP/2, by ALPN over TLS and by prior knowledge in the clear; gRPC needs it.
    Http2,
}

/// How an upstream is dealt with, as far as that is said apart from where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dealings {
    /// What is spoken with it.
    pub protocol: Option<Protocol>,
    /// Whether calls are tried again.
    pub retries: Option<Retries>,
}

impl Dealings {
    /// Deals with `upstream` like that from now on; what is not said stays.
    pub fn apply(self, upstream: &mut Upstream) {
        upstream.protocol = self.protocol.unwrap_or(upstream.protocol);
        upstream.retries = self.retries.unwrap_or(upstream.retries);
    }
}

impl Upstream {
    /// One at `urls`, with the usual timeouts and no retries.
    pub fn at(urls: Vec<UpstreamUrl>) -> Self {
        Self { urls, timeouts: Timeouts::default(), retries: Retries::Off, protocol: Protocol::Http1 }
    }
}

/// Whether idempotent requests are tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Retries {
    /// No request is sent twice.
    #[default]
    Off,
    /// GET, HEAD, OPTIONS, PUT and DELETE are.
    Idempotent,
}

/// How long a gateway waits for an upstream, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Timeouts {
    /// For a connection.
    pub connect: u32,
    /// From the request's last byte to the answer's head.
    pub answer: u32,
    /// For the next bytes of a body, either way.
    pub idle: u32,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: 5_000, answer: 60_000, idle: 60_000 }
    }
}

/// An upstream's address: `http` or `https`, a host, perhaps a port and a base path. No user, query or
/// fragment: a secret would show in them, and the call brings its own query.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct UpstreamUrl {
    scheme: Scheme,
    authority: String,
    path: String,
}

/// How an upstream is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    /// In the clear.
    Http,
    /// Over TLS.
    Https,
}

/// Text that is no upstream's address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the upstream address {shown:?} {problem}; write it like https://orders.example:8443/base")]
pub struct BadUrl {
    shown: String,
    problem: &'static str,
}

impl UpstreamUrl {
    /// Reads an address; slashes at the end are left out.
    pub fn parse(text: &str) -> Result<Self, BadUrl> {
        Self::read(text).map_err(|problem| BadUrl { shown: shown(text), problem })
    }

    fn read(text: &str) -> Result<Self, &'static str> {
        if text.len() > 2048 {
            return Err("is longer than 2048 bytes");
        }
        let (scheme, rest) = text.split_once("://").ok_or("has no scheme")?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return Err("has another scheme than http or https"),
        };
        if rest.contains(['?', '#']) {
            return Err("has a query or fragment, which belong to the call");
        }
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        check_authority(authority)?;
        let path = path.trim_end_matches('/');
        check_path(path)?;
        Ok(Self { scheme, authority: authority.to_ascii_lowercase(), path: path.to_owned() })
    }

    /// Whether TLS is spoken.
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Host and port as they stand, `orders.example:8443`, in lower case; the `Host` of the call.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The host alone, an IPv6 address in its brackets.
    pub fn host(&self) -> &str {
        split_port(&self.authority).0
    }

    /// The port, or the scheme's own.
    pub fn port(&self) -> u16 {
        let written = split_port(&self.authority).1.and_then(|port| port.parse().ok());
        written.unwrap_or(match self.scheme {
            Scheme::Http => 80,
            Scheme::Https => 443,
        })
    }

    /// The base path: empty, or with a slash at its beginning and none at its end.
    pub fn path(&self) -> &str {
        &self.path
    }
}

/// The address as an error may show it: cut, and without what may be a password.
fn shown(text: &str) -> String {
    let visible = match (text.find("://"), text.rfind('@')) {
        (Some(start), Some(end)) if start < end => format!("{}://…{}", &text[..start], &text[end..]),
        _ => text.to_owned(),
    };
    visible.split(['?', '#']).next().unwrap_or_default().chars().take(100).collect()
}

/// Host and port of an authority.
fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        // The last colon of `[::1]` is not a port's.
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

fn check_authority(authority: &str) -> Result<(), &'static str> {
    if authority.contains('@') {
        return Err("holds a user or password");
    }
    let (host, port) = split_port(authority);
    let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let is_host = match inner {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            !host.is_empty()
                && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
        }
    };
    if !is_host {
        return Err("has no host name or address");
    }
    match port.map(str::parse::<u16>) {
        None => Ok(()),
        Some(Ok(port)) if port > 0 => Ok(()),
        Some(_) => Err("has a port that is not one of 1 to 65535"),
    }
}

fn check_path(path: &str) -> Result<(), &'static str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~!$&'()*+,=:@".contains(&byte);
    if !path.bytes().all(is_plain) {
        return Err("has a base path with other characters than letters, digits and -._~!$&'()*+,=:@");
    }
    if path.split('/').skip(1).any(|segment| segment.is_empty() || segment == "." || segment == "..") {
        return Err("has a base path with an empty or a dot segment");
    }
    Ok(())
}

impl fmt::Display for UpstreamUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
        };
        write!(out, "{scheme}://{}{}", self.authority, self.path)
    }
}

impl From<UpstreamUrl> for String {
    fn from(url: UpstreamUrl) -> Self {
        url.to_string()
    }
}

impl TryFrom<String> for UpstreamUrl {
    type Error = BadUrl;

    fn try_from(text: String) -> Result<Self, BadUrl> {
        Self::parse(&text)
    }
}

#[cfg(test)]
mod tests;
