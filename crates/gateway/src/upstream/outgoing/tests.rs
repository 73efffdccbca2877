use std::net::{IpAddr, Ipv4Addr};

use http::HeaderValue;
use http::header::AUTHORIZATION;

use super::*;
use crate::forwarded::{Origin, Peer, TokenHeader, Upgrading};
use crate::route::Transport;

/// The head for a call with these header lines.
fn head(
    method: &Method,
    address: &str,
    rest: Rest<'_>,
    lines: &[(&'static str, &str)],
    body: Sent,
) -> String {
    let host = HeaderValue::from_static("api.example");
    let forwarding = Forwarding {
        token_header: &AUTHORIZATION,
        token: TokenHeader::Remove(None),
        key_header: None,
        upgrade: Upgrading::No,
        origin: Origin {
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            peer: Peer::Stranger,
            host: &host,
            transport: Transport::Https,
        },
        assertion: None,
    };
    let headers: HeaderMap = lines
        .iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()))
        .collect();
    let outgoing = Outgoing {
        method,
        target: rest,
        headers: &headers,
        forwarding: &forwarding,
        timeouts: Timeouts::default(),
    };
    let mut out = BytesMut::new();
    outgoing.write(&UpstreamUrl::parse(address).unwrap(), body, &mut out).unwrap();
    String::from_utf8(out.to_vec()).unwrap()
}

const OURS: &str = "x-forwarded-for: 127.0.0.1\r\nx-forwarded-host: api.example\r\n\
    x-forwarded-proto: https\r\nvia: 1.1 latchkey\r\n";

#[test]
fn a_head_is_written_as_the_upstream_needs_it() {
    let lines =
        [("host", "api.example"), ("authorization", "Bearer x"), ("accept", "*/*"), ("content-length", "9")];
    let rest = Rest { path: "/a%20b", query: Some("q=1") };
    let written = head(&Method::GET, "http://up.example:81/base", rest, &lines, Sent::Nothing);
    let expected =
        format!("GET /base/a%20b?q=1 HTTP/1.1\r\nhost: up.example:81\r\naccept: */*\r\n{OURS}\r\n");
    assert_eq!(written, expected);
}

#[test]
fn a_target_is_never_empty() {
    for (address, path, query, target) in [
        ("http://up", "", None, "/"),
        ("http://up", "", Some(""), "/?"),
        ("http://up/base", "", Some("a"), "/base?a"),
        ("http://up/base", "/", None, "/base/"),
    ] {
        let written = head(&Method::GET, address, Rest { path, query }, &[], Sent::Nothing);
        assert!(written.starts_with(&format!("GET {target} HTTP/1.1\r\n")), "{written}");
    }
}

#[test]
fn a_body_is_announced_once() {
    let rest = Rest { path: "/", query: None };
    let of = |method: &Method, body: Sent| {
        let written = head(method, "http://up", rest, &[("content-length", "7"), ("accept", "x")], body);
        let lines = written.lines().filter(|line| line.contains("length") || line.contains("encoding"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(of(&Method::GET, Sent::Nothing), [""; 0]);
    assert_eq!(of(&Method::POST, Sent::Nothing), ["content-length: 0"]);
    assert_eq!(of(&Method::POST, Sent::Length(7)), ["content-length: 7"]);
    assert_eq!(of(&Method::DELETE, Sent::Chunks), ["transfer-encoding: chunked"]);
}
