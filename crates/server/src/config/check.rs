//! Rules that a single setting's kind cannot express.

use std::net::SocketAddr;

use http::Uri;

use super::sections::Config;

/// Every broken rule: the key to change, and what is wrong and what to do.
pub fn across(config: &Config) -> Vec<(&'static str, String)> {
    let rules = [
        issuer(config),
        plain_http(config),
        certificate(config),
        store(config),
        generator(config),
        connections(config),
        hash_memory(config),
        listeners(config),
        assertion_header(config),
    ];
    rules.into_iter().flatten().collect()
}

type Finding = Option<(&'static str, String)>;

/// RFC 8414 section 2: an `https` URL without query and fragment; `http` only where TLS is off.
fn issuer(config: &Config) -> Finding {
    let text = &config.server.issuer;
    if text.is_empty() {
        return None;
    }
    let scheme_fits = |uri: &Uri| match uri.scheme_str() {
        Some("https") => true,
        Some("http") => !config.tls.enabled,
        _ => false,
    };
    let fits = text.parse::<Uri>().is_ok_and(|uri| {
        scheme_fits(&uri)
            && uri.authority().is_some_and(|authority| !authority.as_str().contains('@'))
            && uri.query().is_none()
    });
    let advice = "it must be an https URL without user, query and fragment, such as \"https://id.example.com/oauth2/token\" \
                  (http only with tls.enabled = false)";
    (!fits || text.contains(['#', '?'])).then(|| ("server.issuer", advice.into()))
}

/// Tokens and passwords never cross a network in the clear: plain HTTP is for loopback, or for behind a
/// proxy that ends TLS.
fn plain_http(config: &Config) -> Finding {
    let exposed = !config.server.listen.ip().is_loopback() && config.server.trusted_proxies.is_empty();
    (!config.tls.enabled && exposed).then(|| {
        let advice = format!(
            "plain HTTP on {} would show passwords and tokens to the network; listen on 127.0.0.1, \
             or name the proxy that ends TLS in server.trusted_proxies",
            config.server.listen
        );
        ("tls.enabled", advice)
    })
}

fn certificate(config: &Config) -> Finding {
    match (config.tls.certificate.as_str(), config.tls.private_key.as_str()) {
        ("", "") => None,
        ("", _) => Some(("tls.certificate", "it must name a file when tls.private_key does".into())),
        (_, "") => Some(("tls.private_key", "it must name a file when tls.certificate does".into())),
        _ => None,
    }
}

fn store(config: &Config) -> Finding {
    let url = config.store.url.as_str();
    let fits = url == "memory:" || url.strip_prefix("sqlite:").is_some_and(|file| !file.is_empty());
    let advice = "it must be \"sqlite:FILE\" or \"memory:\"; this version has no other store";
    (!fits).then(|| ("store.url", advice.into()))
}

fn generator(config: &Config) -> Finding {
    let empty = config.oauth.token.generator.is_empty();
    let advice = "it must be \"derived\", \"uuid\" or the name of a generator of your own";
    empty.then(|| ("oauth.token.generator", advice.into()))
}

fn connections(config: &Config) -> Finding {
    let all = config.server.max_connections;
    (config.server.max_connections_per_address > all).then(|| {
        (
            "server.max_connections_per_address",
            format!("it must not exceed server.max_connections, which is {all}"),
        )
    })
}

/// RFC 9106 section 3.1: at least eight blocks of 1 KiB for each lane.
fn hash_memory(config: &Config) -> Finding {
    let least = config.passwords.parallelism.saturating_mul(8);
    (config.passwords.memory_kib < least).then(|| {
        ("passwords.memory_kib", format!("it must be at least {least}, 8 for each of passwords.parallelism"))
    })
}

/// A header that means something to HTTP or carries a token cannot carry an assertion, and one with `_` or `.`
/// would be taken for another one.
fn assertion_header(config: &Config) -> Finding {
    let name = &config.gateway.backend_jwt.header;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let is_own = (3..=64).contains(&name.len()) && name.bytes().all(is_plain) && name.contains('-');
    let taken = ["content-", "x-forwarded-", "proxy-", "keep-alive", "transfer-encoding", "accept-", "if-"];
    let is_taken = taken.iter().any(|start| name.to_ascii_lowercase().starts_with(start));
    (!is_own || is_taken).then(|| {
        let advice =
            "it must be a header of your own of letters, digits and -, such as X-JWT-Assertion".into();
        ("gateway.backend_jwt.header", advice)
    })
}

/// Two listeners cannot share an address, except for port 0, which takes any free one.
fn listeners(config: &Config) -> Finding {
    let named: [(&'static str, SocketAddr); 4] = [
        ("server.listen", config.server.listen),
        ("gateway.https_listen", config.gateway.https_listen),
        ("gateway.http_listen", config.gateway.http_listen),
        ("operations.listen", config.operations.listen),
    ];
    for (index, (key, address)) in named.iter().enumerate() {
        let taken = named[..index].iter().find(|(_, earlier)| earlier == address && address.port() != 0);
        if let Some((other, _)) = taken {
            return Some((key, format!("{other} has that address too; give each listener one of its own")));
        }
    }
    None
}
