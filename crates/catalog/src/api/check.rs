//! What an API must look like before it is stored.

use std::collections::BTreeSet;

use super::{API_KEY_HEADER, Api, ApiDefinition};
use crate::resource::Resource;
use crate::upstream::{MAX_URLS, Upstream};

/// The most resources of one API.
const MAX_RESOURCES: usize = 5_000;
/// The most scopes of one API.
const MAX_SCOPES: usize = 1_000;
/// The longest context, in bytes (WSO2's 232).
const MAX_CONTEXT: usize = 232;
/// The longest version, in bytes (WSO2's 30).
const MAX_VERSION: usize = 30;
/// The longest template, in bytes.
const MAX_TEMPLATE: usize = 1_024;

/// An API that cannot be stored: which part, which value, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{part} {value:?} {problem}")]
pub struct BadApi {
    part: &'static str,
    value: String,
    problem: &'static str,
}

fn bad(part: &'static str, value: &str, problem: &'static str) -> BadApi {
    BadApi { part, value: value.chars().take(100).collect(), problem }
}

impl Api {
    /// Whether the API can be stored and routed to.
    pub fn check(&self) -> Result<(), BadApi> {
        check_name(&self.name)?;
        check_context(&self.context)?;
        check_version(&self.version)?;
        self.definition.check()
    }
}

/// What WSO2 does not let stand in an API's name.
pub(crate) const NOT_IN_NAMES: &str = "~!@#;:%^*()+={}|\\<>\"',&$[]/";

pub(crate) fn check_name(name: &str) -> Result<(), BadApi> {
    if name.trim() != name || !(1..=60).contains(&name.chars().count()) {
        return Err(bad("the API name", name, "must have 1 to 60 characters, no spaces around"));
    }
    if name.chars().any(|letter| letter.is_control() || NOT_IN_NAMES.contains(letter)) {
        return Err(bad("the API name", name, "may not hold ~!@#;:%^*()+={}|\\<>\"',&$[]/"));
    }
    Ok(())
}

pub(crate) fn check_version(version: &str) -> Result<(), BadApi> {
    if (1..=MAX_VERSION).contains(&version.len()) && is_plain_segment(version) {
        return Ok(());
    }
    let problem = "must have 1 to 30 letters, digits and - . _ ~ only, and not be . or ..";
    Err(bad("the API version", version, problem))
}

impl ApiDefinition {
    /// Whether resources, scopes, upstreams and the rest can be stored and served.
    pub fn check(&self) -> Result<(), BadApi> {
        if self.resources.len() > MAX_RESOURCES {
            let count = self.resources.len().to_string();
            return Err(bad("the number of resources", &count, "is above 5000; split the API"));
        }
        if self.scopes.len() > MAX_SCOPES {
            return Err(bad("the number of scopes", &self.scopes.len().to_string(), "is above 1000"));
        }
        if let Some(scope) = self.scopes.keys().find(|scope| !is_scope(scope)) {
            let problem =
                "must have 1 to 255 visible ASCII characters without \" and \\ (RFC 6749 section 3.3)";
            return Err(bad("the scope", scope, problem));
        }
        let mut seen = BTreeSet::new();
        for resource in &self.resources {
            self.check_resource(resource)?;
            if !seen.insert((resource.method.as_str(), shape(&resource.template))) {
                let problem = "stands twice for one method; names in braces do not tell templates apart";
                return Err(bad("the resource", &resource.template, problem));
            }
        }
        for upstream in [&self.production, &self.sandbox].into_iter().flatten() {
            check_upstream(upstream)?;
        }
        if !self.transports.http && !self.transports.https {
            return Err(bad("the transports", "", "are none; allow http, https or both"));
        }
        self.check_credentials()?;
        if self.cors.credentials && self.cors.origins.contains("*") {
            let problem = "cannot be allowed together with credentials; name the origins";
            return Err(bad("the CORS origin", "*", problem));
        }
        Ok(())
    }

    /// Whether callers can bring the credentials that the API takes.
    fn check_credentials(&self) -> Result<(), BadApi> {
        if self.schemes.is_empty() {
            return Err(bad("the security schemes", "", "are none; allow oauth2, api_key or both"));
        }
        let headers = [
            ("the authorization header", &self.authorization_header),
            ("the API key header", &self.api_key_header),
        ];
        for (part, header) in headers {
            if let Some(header) = header.as_deref().filter(|header| !is_token_header(header)) {
                let problem =
                    "cannot carry a credential; use a header name of your own, like X-Authorization";
                return Err(bad(part, header, problem));
            }
        }
        let token = self.authorization_header.as_deref().unwrap_or("Authorization");
        let key = self.api_key_header.as_deref().unwrap_or(API_KEY_HEADER);
        if token.eq_ignore_ascii_case(key) {
            return Err(bad(
                "the API key header",
                key,
                "is that of tokens, too; give one of them another name",
            ));
        }
        Ok(())
    }

    pub(crate) fn check_resource(&self, resource: &Resource) -> Result<(), BadApi> {
        let method = resource.method.as_str();
        if !is_header_name(method)
            || method.len() > 20
            || method.bytes().any(|byte| byte.is_ascii_lowercase())
        {
            return Err(bad("the method", method, "must be an HTTP method in capital letters"));
        }
        if ["CONNECT", "TRACE"].contains(&method) {
            return Err(bad("the method", method, "is never forwarded"));
        }
        check_template(&resource.template)?;
        match resource.scopes.iter().find(|scope| !self.scopes.contains_key(*scope)) {
            Some(scope) => {
                Err(bad("the scope", scope, "is asked for by a resource, but the API has none of that name"))
            }
            None => Ok(()),
        }
    }
}

/// Whether the text is one segment of a path that every server reads alike.
fn is_plain_segment(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    !text.is_empty() && text.bytes().all(allowed) && text != "." && text != ".."
}

pub(crate) fn check_context(context: &str) -> Result<(), BadApi> {
    let problem = "must begin with / and have segments of letters, digits and - . _ ~ only, like /orders";
    let segments = context.strip_prefix('/').ok_or_else(|| bad("the context", context, problem))?;
    if context.len() > MAX_CONTEXT || !segments.split('/').all(is_plain_segment) {
        return Err(bad("the context", context, problem));
    }
    Ok(())
}

/// A template: literals of unreserved characters and the harmless delimiters, names in braces, a last `*`.
fn check_template(template: &str) -> Result<(), BadApi> {
    let refuse = |problem| Err(bad("the resource", template, problem));
    let Some(rest) = template.strip_prefix('/') else {
        return refuse("must begin with /");
    };
    if template.len() > MAX_TEMPLATE {
        return refuse("is longer than 1024 bytes");
    }
    let mut segments = rest.split('/').peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            "*" | "" if is_last => {}
            "" => return refuse("has an empty segment"),
            "." | ".." => return refuse("has a dot segment"),
            _ => {
                if let Err(problem) = check_segment(segment) {
                    return refuse(problem);
                }
            }
        }
    }
    Ok(())
}

fn check_segment(mut segment: &str) -> Result<(), &'static str> {
    let allowed = |text: &str| {
        text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~!$&'()+,=:@".contains(&byte))
    };
    while let Some((literal, rest)) = segment.split_once('{') {
        let (name, rest) = rest.split_once('}').ok_or("has a brace that is not closed")?;
        if !allowed(literal) || name.is_empty() || name.contains('{') {
            return Err("has a character that a path cannot hold, or a brace without a name");
        }
        if rest.starts_with('{') {
            return Err("has two names in braces side by side, which nothing tells apart");
        }
        segment = rest;
    }
    if allowed(segment) {
        Ok(())
    } else {
        Err("has a character that a path cannot hold; * may only be the last segment")
    }
}

/// The template without its names: what two templates have in common when they match the same paths.
pub(crate) fn shape(template: &str) -> String {
    let mut shape = String::with_capacity(template.len());
    let mut inside = false;
    for letter in template.chars() {
        if !inside || letter == '}' {
            shape.push(letter);
        }
        inside = letter == '{' || (inside && letter != '}');
    }
    shape
}

fn check_upstream(upstream: &Upstream) -> Result<(), BadApi> {
    let count = upstream.urls.len();
    if !(1..=MAX_URLS).contains(&count) {
        return Err(bad("the number of upstream addresses", &count.to_string(), "must be 1 to 32"));
    }
    let timeouts = upstream.timeouts;
    match [timeouts.connect, timeouts.answer, timeouts.idle]
        .into_iter()
        .find(|millis| !(1..=600_000).contains(millis))
    {
        Some(millis) => {
            Err(bad("the upstream timeout", &millis.to_string(), "must be 1 to 600000 milliseconds"))
        }
        None => Ok(()),
    }
}

/// RFC 6749 section 3.3.
fn is_scope(scope: &str) -> bool {
    let allowed = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    (1..=255).contains(&scope.len()) && scope.bytes().all(allowed)
}

/// RFC 9110 section 5.6.2: a token, of which header names and methods are made.
fn is_header_name(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// Whether a header may carry the token: none that has another meaning on the way.
fn is_token_header(name: &str) -> bool {
    let taken = [
        "host",
        "connection",
        "content-length",
        "content-type",
        "transfer-encoding",
        "te",
        "trailer",
        "upgrade",
        "keep-alive",
        "expect",
        "cookie",
        "via",
        "forwarded",
        "origin",
        "date",
        "range",
        "accept",
    ];
    is_header_name(name) && name.len() <= 64 && !taken.contains(&name.to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests;
