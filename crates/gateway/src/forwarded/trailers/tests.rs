use http::HeaderValue;
use http::header::AUTHORIZATION;

use super::super::tests::{headers, how};
use super::*;
use crate::forwarded::{TokenHeader, X_JWT_ASSERTION};

/// The names of those that go on, of calls with these headers.
fn kept(how: &Forwarding<'_>, call: &[&str], trailers: &[&str]) -> Vec<String> {
    let lines: Vec<String> = trailers.iter().map(|name| format!("{name}: x")).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let kept = TrailerRule::of(&headers(call), how).filter(headers(&lines));
    let mut names: Vec<String> = kept.keys().map(ToString::to_string).collect();
    names.sort();
    names
}

#[test]
fn what_says_something_about_the_body_goes_on() {
    let names = ["digest", "etag", "grpc-status", "server-timing", "x-sum"];
    assert_eq!(kept(&how(), &[], &names), names);
    assert_eq!(kept(&how(), &["connection: X-Sum"], &["x-sum", "etag"]), ["etag"], "it is the connection's");
}

#[test]
fn what_only_a_header_may_say_does_not() {
    let names = [
        "transfer-encoding",
        "transfer_encoding",
        "content-length",
        "Content.Length",
        "content-type",
        "content-encoding",
        "content-range",
        "host",
        "trailer",
        "connection",
        "te",
        "upgrade",
        "expect",
        "authorization",
        "proxy-authorization",
        "cookie",
        "set-cookie",
        "cache-control",
        "if-match",
        "range",
        "origin",
        "access-control-allow-origin",
        "sec-websocket-key",
    ];
    assert_eq!(kept(&how(), &[], &names), [""; 0]);
    for name in names {
        let trailers = headers(&[&format!("{name}: x"), "etag: y"]);
        assert_eq!(to_caller(trailers).len(), 1, "{name} from the upstream");
    }
}

#[test]
fn what_only_a_gateway_may_say_does_not_in_any_spelling() {
    let ours =
        ["x-forwarded-for", "X_Forwarded_For", "x.real.ip", "forwarded", "latchkey-user", "x-jwt-assertion"];
    assert_eq!(kept(&how(), &[], &ours), [""; 0]);
    let (about_caller, key) = (HeaderName::from_static("x-caller"), HeaderName::from_static("x-api-key"));
    let value = HeaderValue::from_static("signed");
    let mine = Forwarding {
        token_header: &key,
        token: TokenHeader::Keep,
        assertion: Some((&about_caller, Some(&value))),
        ..how()
    };
    assert_eq!(kept(&mine, &[], &["x-caller", "x_caller", "x-api-key", "x.api.key", "x-sum"]), ["x-sum"]);
    assert_eq!(to_caller(headers(&["latchkey-explain: 1", "etag: 2"])).len(), 1);
    assert!(!TrailerRule::of(&HeaderMap::new(), &how()).keeps(&X_JWT_ASSERTION));
    assert!(!TrailerRule::of(&HeaderMap::new(), &how()).keeps(&AUTHORIZATION));
}

#[test]
fn announced_is_what_is_named_and_goes_on() {
    let of = |lines: &[&str]| {
        announced(&headers(lines), &how()).iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(of(&["accept: a"]), [""; 0]);
    assert_eq!(
        of(&["trailer: X-Sum, ETag,, Authorization", "trailer: x-sum, Host, X-Other"]),
        ["x-sum", "etag", "x-other"]
    );
    assert_eq!(of(&["trailer: a b, \"x\""]), [""; 0]);
}
