//! From where an API key may be used: WSO2's `permittedIP` and `permittedReferer`.
//!
//! Addresses are single ones or networks, of IPv4 or IPv6. Referers are compared part by part, not as text
//! with a pattern: `*.gef.com` is every host below `gef.com` and not `evilgef.com`.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

/// The most entries of a list.
pub const MAX_RESTRICTIONS: usize = 100;
/// The longest list as text, in bytes.
const MAX_TEXT: usize = 16 * 1024;
/// The longest `Referer` that is looked at, in bytes.
const MAX_REFERER: usize = 8 * 1024;

/// From where a key may be used. An empty list restricts nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Restrictions {
    addresses: Vec<IpNet>,
    referers: Vec<RefererPattern>,
}

/// A list that cannot be read: which entry, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the permitted {list} {entry:?} {problem}")]
pub struct BadRestriction {
    list: &'static str,
    entry: String,
    problem: &'static str,
}

/// From where a call comes.
#[derive(Debug, Clone, Copy)]
pub struct Visit<'a> {
    /// The caller's address; of a call through proxies of our own, what these say.
    pub address: IpAddr,
    /// The page that the call is from: the header `Referer` where it stands once.
    pub referer: Option<&'a str>,
}

/// Why a key may not be used from where a call comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Forbidden {
    /// The address is none of those permitted.
    Address,
    /// The page is none of those permitted, or not told.
    Referer,
}

impl Restrictions {
    /// Reads the two lists, entries between commas; an empty one restricts nothing.
    pub fn parse(addresses: &str, referers: &str) -> Result<Self, BadRestriction> {
        Ok(Self {
            addresses: entries("address", addresses, network)?,
            referers: entries("referer", referers, RefererPattern::parse)?,
        })
    }

    /// The addresses, as [`Self::parse`] reads them.
    pub fn addresses(&self) -> String {
        joined(self.addresses.iter().map(|network| {
            let is_one = network.prefix_len() == network.max_prefix_len();
            if is_one { network.addr().to_string() } else { network.to_string() }
        }))
    }

    /// The referers, as [`Self::parse`] reads them.
    pub fn referers(&self) -> String {
        joined(self.referers.iter().map(RefererPattern::to_string))
    }

    /// Whether a call from there may use the key.
    pub fn check(&self, visit: &Visit<'_>) -> Result<(), Forbidden> {
        let address = visit.address.to_canonical();
        if !self.addresses.is_empty() && !self.addresses.iter().any(|network| network.contains(&address)) {
            return Err(Forbidden::Address);
        }
        if self.referers.is_empty() {
            return Ok(());
        }
        let page = visit.referer.and_then(Page::parse).ok_or(Forbidden::Referer)?;
        let is_permitted = self.referers.iter().any(|pattern| pattern.matches(&page));
        if is_permitted { Ok(()) } else { Err(Forbidden::Referer) }
    }
}

fn joined(entries: impl Iterator<Item = String>) -> String {
    entries.collect::<Vec<_>>().join(", ")
}

fn entries<T>(
    list: &'static str,
    text: &str,
    read: fn(&str) -> Result<T, &'static str>,
) -> Result<Vec<T>, BadRestriction> {
    let bad =
        |entry: &str, problem| BadRestriction { list, entry: entry.chars().take(100).collect(), problem };
    if text.len() > MAX_TEXT || text.split(',').count() > MAX_RESTRICTIONS {
        return Err(bad(text, "and its like are too many; a key may have 100 of each"));
    }
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let entries = text.split(',').map(str::trim);
    entries.map(|entry| read(entry).map_err(|problem| bad(entry, problem))).collect()
}

fn network(entry: &str) -> Result<IpNet, &'static str> {
    let network = entry.parse::<IpNet>().or_else(|_| entry.parse::<IpAddr>().map(IpNet::from));
    let network = network.map_err(|_| "is no IPv4 or IPv6 address, nor a network like 192.168.1.0/24")?;
    // An address of IPv4 in the clothes of IPv6 is compared as what it is.
    let canonical = network.addr().to_canonical();
    if canonical.is_ipv4() && network.addr().is_ipv6() {
        let bits = network
            .prefix_len()
            .checked_sub(96)
            .ok_or("holds more than IPv4 addresses; write it without ::ffff:")?;
        return IpNet::new(canonical, bits).map_err(|_| "is no network");
    }
    Ok(network)
}

/// A page or several: a host, or `*.` before the domain above it, then a path, or the beginning of one
/// before `*`. With a scheme, only pages of that scheme.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefererPattern {
    scheme: Option<String>,
    hosts: Hosts,
    /// With the port, where it is not the scheme's own.
    host: String,
    paths: Paths,
    path: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hosts {
    One,
    Below,
    All,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Paths {
    One,
    Beginning,
}

impl RefererPattern {
    fn parse(entry: &str) -> Result<Self, &'static str> {
        const HOST: &str = "must begin with a host like www.example.com, *.example.com or *";
        let (scheme, rest) = match entry.split_once("://") {
            Some((scheme, rest)) if is_web(scheme) => (Some(scheme.to_ascii_lowercase()), rest),
            Some(_) => return Err("may have the scheme http or https only"),
            None => (None, entry),
        };
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (hosts, host) = match host.strip_prefix('*') {
            Some("") => (Hosts::All, ""),
            Some(below) => (Hosts::Below, below.strip_prefix('.').ok_or(HOST)?),
            None => (Hosts::One, host),
        };
        if hosts != Hosts::All && !is_authority(host) {
            return Err(HOST);
        }
        let (paths, path) = match path.strip_suffix('*') {
            Some(beginning) => (Paths::Beginning, beginning),
            // A star for the host and nothing behind it is every page.
            None if hosts == Hosts::All && path.is_empty() => (Paths::Beginning, ""),
            None => (Paths::One, path),
        };
        if path.contains('*') {
            return Err("may have a * only for the host, before the domain, or at the end of the path");
        }
        if !is_path(path) {
            return Err("has a character that no path holds, or a dot segment");
        }
        let host = without_own_port(scheme.as_deref(), &host.to_ascii_lowercase()).to_owned();
        Ok(Self { scheme, hosts, host, paths, path: path.to_owned() })
    }

    fn matches(&self, page: &Page<'_>) -> bool {
        let scheme = self.scheme.as_deref().is_none_or(|scheme| page.scheme == Some(scheme));
        let host = match self.hosts {
            Hosts::All => true,
            Hosts::One => page.host == self.host,
            Hosts::Below => {
                let above = page.host.strip_suffix(self.host.as_str());
                above.is_some_and(|above| above.len() > 1 && above.ends_with('.'))
            }
        };
        let path = match self.paths {
            Paths::One => root(page.path) == root(&self.path),
            Paths::Beginning => root(page.path).starts_with(&self.path),
        };
        scheme && host && path
    }
}

impl fmt::Display for RefererPattern {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(scheme) = &self.scheme {
            write!(out, "{scheme}://")?;
        }
        out.write_str(match self.hosts {
            Hosts::One => "",
            Hosts::Below => "*.",
            Hosts::All => "*",
        })?;
        write!(out, "{}{}", self.host, self.path)?;
        if self.paths == Paths::Beginning && !(self.hosts == Hosts::All && self.path.is_empty()) {
            out.write_str("*")?;
        }
        Ok(())
    }
}

impl FromStr for RefererPattern {
    type Err = BadRestriction;

    fn from_str(entry: &str) -> Result<Self, BadRestriction> {
        Self::parse(entry).map_err(|problem| BadRestriction {
            list: "referer",
            entry: entry.to_owned(),
            problem,
        })
    }
}

/// The page that a `Referer` names (RFC 9110 section 10.1.3). WSO2's clients send it without a scheme, too.
struct Page<'a> {
    scheme: Option<&'static str>,
    host: String,
    path: &'a str,
}

impl<'a> Page<'a> {
    fn parse(referer: &'a str) -> Option<Self> {
        if referer.len() > MAX_REFERER {
            return None;
        }
        let (scheme, rest) = match referer.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (Some("https"), rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (Some("http"), rest),
            Some((before, _)) if !before.contains(['/', '?', '#']) => return None,
            _ => (None, referer),
        };
        let rest = &rest[..rest.find(['?', '#']).unwrap_or(rest.len())];
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if !is_authority(host) || !is_path(path) {
            return None;
        }
        let host = host.to_ascii_lowercase();
        Some(Self { scheme, host: without_own_port(scheme, &host).to_owned(), path })
    }
}

fn is_web(scheme: &str) -> bool {
    scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")
}

/// A host with or without a port; nobody signs in by a `Referer`, so there is no `@`.
fn is_authority(host: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    (1..=300).contains(&host.len()) && host.bytes().all(allowed)
}

/// A path without what a server could read in two ways.
fn is_path(path: &str) -> bool {
    let is_dots = |segment: &str| matches!(segment, "." | "..");
    path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') && !path.split('/').any(is_dots)
}

/// No path is the same page as `/`.
fn root(path: &str) -> &str {
    if path.is_empty() { "/" } else { path }
}

fn without_own_port<'a>(scheme: Option<&str>, host: &'a str) -> &'a str {
    let port = match scheme {
        Some("https") => ":443",
        Some("http") => ":80",
        Some(_) | None => return host,
    };
    host.strip_suffix(port).unwrap_or(host)
}

#[cfg(test)]
mod tests;
