//! Upstreams and WSO2's extensions of the document as a whole.

use super::document::Node;
use super::{ImportError, NO_UPSTREAM, Note};
use crate::api::{API_KEY_HEADER, Scheme, Schemes, Transports, Upgrades};
use crate::cors::Cors;
use crate::upstream::{Dealings, Protocol, Retries, Upstream, UpstreamUrl};

/// Whether calls may become tunnels.
pub(super) const UPGRADES: &str = "x-latchkey-upgrades";
/// What is spoken with upstreams.
pub(super) const PROTOCOL: &str = "x-latchkey-upstream-protocol";
/// Whether upstreams are tried again.
pub(super) const RETRIES: &str = "x-latchkey-retries";

/// With which credentials the API may be called.
pub(super) const SECURITY: &str = "x-wso2-application-security";
/// The member of it that lists them.
pub(super) const SECURITY_TYPES: &str = "security-types";
/// The header of API keys.
pub(super) const KEY_HEADER: &str = "x-wso2-api-key-header";

/// Where calls go: `x-wso2-production-endpoints`, else the first absolute address of `servers`.
pub(super) fn production(root: &Node<'_>, notes: &mut Vec<Note>) -> Result<Option<Upstream>, ImportError> {
    if let Some(upstream) = endpoints(root, "x-wso2-production-endpoints")? {
        return Ok(Some(upstream));
    }
    let servers = root.get("servers").map_or(Ok(Vec::new()), |servers| servers.items())?;
    for server in servers {
        let place = server.need("url")?;
        let url = with_variables(&server, place.text()?)?;
        if url.contains("://") {
            let url = UpstreamUrl::parse(&url).map_err(|problem| place.error(&problem.to_string()))?;
            return Ok(Some(Upstream::at(vec![url])));
        }
    }
    notes.push(root.note(NO_UPSTREAM));
    Ok(None)
}

/// An address with the defaults of its variables.
fn with_variables(server: &Node<'_>, url: &str) -> Result<String, ImportError> {
    let mut url = url.to_owned();
    if let Some(variables) = server.get("variables") {
        for (name, variable) in variables.members()? {
            url = url.replace(&format!("{{{name}}}"), variable.need("default")?.text()?);
        }
    }
    Ok(url)
}

/// `x-wso2-…-endpoints`: an object with `urls`, or a reference to one of `x-wso2-endpoints`.
pub(super) fn endpoints(root: &Node<'_>, name: &str) -> Result<Option<Upstream>, ImportError> {
    let Some(mut endpoints) = root.get(name) else {
        return Ok(None);
    };
    if let Some(reference) = endpoints.as_text() {
        let target = reference.strip_prefix("#/x-wso2-endpoints/").unwrap_or_default();
        let unknown =
            || endpoints.error(&format!("refers to {reference:?}, which is not in x-wso2-endpoints"));
        endpoints = shared_endpoints(root, target)?.ok_or_else(unknown)?;
    }
    let mut urls = Vec::new();
    for place in endpoints.need("urls")?.items()? {
        urls.push(UpstreamUrl::parse(place.text()?).map_err(|problem| place.error(&problem.to_string()))?);
    }
    if urls.is_empty() {
        return Err(endpoints.error("has no urls; name at least one"));
    }
    Ok(Some(Upstream::at(urls)))
}

/// `x-wso2-endpoints` is a list of objects with one member each.
fn shared_endpoints<'a>(root: &Node<'a>, name: &str) -> Result<Option<Node<'a>>, ImportError> {
    let Some(list) = root.get("x-wso2-endpoints") else {
        return Ok(None);
    };
    Ok(list.items()?.into_iter().find_map(|entry| entry.get(name)))
}

/// The header of the token, where it is not the usual one.
pub(super) fn authorization_header(root: &Node<'_>) -> Result<Option<String>, ImportError> {
    header(root, "x-wso2-auth-header", "Authorization")
}

/// The header of API keys, likewise.
pub(super) fn api_key_header(root: &Node<'_>) -> Result<Option<String>, ImportError> {
    header(root, KEY_HEADER, API_KEY_HEADER)
}

fn header(root: &Node<'_>, name: &str, usual: &str) -> Result<Option<String>, ImportError> {
    let Some(header) = root.get(name) else {
        return Ok(None);
    };
    let text = header.text()?;
    Ok((!text.is_empty() && !text.eq_ignore_ascii_case(usual)).then(|| text.to_owned()))
}

/// `x-wso2-application-security`: the kinds of credentials. Those that are not known here let nobody in.
pub(super) fn schemes(root: &Node<'_>, notes: &mut Vec<Note>) -> Result<Schemes, ImportError> {
    let Some(types) = root.get(SECURITY).and_then(|security| security.get(SECURITY_TYPES)) else {
        return Ok(Schemes::default());
    };
    let mut found = Vec::new();
    for item in types.items()? {
        match item.text()?.parse::<Scheme>() {
            Ok(scheme) => found.push(scheme),
            Err(_) if item.text()?.ends_with("_mandatory") => {}
            Err(_) => notes.push(item.note("is no kind of credential here; calls with it are refused")),
        }
    }
    if found.is_empty() {
        return Err(types.error("has neither oauth2 nor api_key; nobody could call the API"));
    }
    Ok(found.into_iter().collect())
}

/// `x-wso2-cors`; what it does not say is WSO2's default.
pub(super) fn cors(root: &Node<'_>) -> Result<Cors, ImportError> {
    let mut cors = Cors::default();
    let Some(node) = root.get("x-wso2-cors") else {
        return Ok(cors);
    };
    if let Some(enabled) = node.get("corsConfigurationEnabled") {
        cors.enabled = enabled.flag()?;
    }
    if let Some(credentials) = node.get("accessControlAllowCredentials") {
        cors.credentials = credentials.flag()?;
    }
    let lists = [
        ("accessControlAllowOrigins", &mut cors.origins),
        ("accessControlAllowHeaders", &mut cors.headers),
        ("accessControlAllowMethods", &mut cors.methods),
    ];
    for (name, list) in lists {
        if let Some(items) = node.get(name) {
            *list = items.texts()?.into_iter().map(str::to_owned).collect();
        }
    }
    Ok(cors)
}

/// `x-latchkey-upgrades`: `none` or `websocket`. WSO2 has no word for it in an API of resources.
pub(super) fn upgrades(root: &Node<'_>) -> Result<Upgrades, ImportError> {
    let Some(upgrades) = root.get(UPGRADES) else { return Ok(Upgrades::None) };
    match upgrades.text()? {
        "none" => Ok(Upgrades::None),
        "websocket" => Ok(Upgrades::WebSocket),
        other => Err(upgrades.error(&format!("is {other:?}; it must be none or websocket"))),
    }
}

/// What WSO2 has no word for about upstreams, production and sandbox alike: `x-latchkey-upstream-protocol` (`http1` or
/// `http2`) and `x-latchkey-retries` (`off` or `idempotent`).
pub(super) fn dealings(root: &Node<'_>) -> Result<Dealings, ImportError> {
    let mut dealings = Dealings::default();
    if let Some(protocol) = root.get(PROTOCOL) {
        dealings.protocol = Some(match protocol.text()? {
            "http1" => Protocol::Http1,
            "http2" => Protocol::Http2,
            other => return Err(protocol.error(&format!("is {other:?}; it must be http1 or http2"))),
        });
    }
    if let Some(retries) = root.get(RETRIES) {
        dealings.retries = Some(match retries.text()? {
            "off" => Retries::Off,
            "idempotent" => Retries::Idempotent,
            other => return Err(retries.error(&format!("is {other:?}; it must be off or idempotent"))),
        });
    }
    Ok(dealings)
}

/// `x-wso2-transports`.
pub(super) fn transports(root: &Node<'_>) -> Result<Option<Transports>, ImportError> {
    let Some(list) = root.get("x-wso2-transports") else {
        return Ok(None);
    };
    let mut transports = Transports { http: false, https: false };
    for item in list.items()? {
        match item.text()? {
            "http" => transports.http = true,
            "https" => transports.https = true,
            other => return Err(item.error(&format!("is {other:?}; it must be http or https"))),
        }
    }
    Ok(Some(transports))
}
