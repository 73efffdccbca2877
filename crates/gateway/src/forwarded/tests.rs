use std::net::Ipv4Addr;

use super::*;

static HOST_OF_CALLER: HeaderValue = HeaderValue::from_static("api.example");

pub(super) fn how() -> Forwarding<'static> {
    Forwarding {
        token_header: &AUTHORIZATION,
        token: TokenHeader::Remove(None),
        key_header: None,
        upgrade: Upgrading::No,
        origin: Origin {
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            peer: Peer::Stranger,
            host: &HOST_OF_CALLER,
            transport: Transport::Https,
        },
        assertion: None,
    }
}

#[test]
fn the_header_of_api_keys_ends_here() {
    let name = HeaderName::from_static("apikey");
    let how = Forwarding { key_header: Some(&name), ..how() };
    let sent = headers(&["apikey: lkk_a", "api_key: lkk_a", "x-api-key: other"]);
    let mut out = HeaderMap::new();
    to_upstream(&sent, &how, &mut out).unwrap();
    assert!(!out.contains_key("apikey") && out.contains_key("x-api-key"), "{out:?}");
    let spelled = HeaderName::from_static("x-api-key");
    let how = Forwarding { key_header: Some(&spelled), ..how };
    let sent = headers(&["x_api_key: lkk_a", "x-api.key: lkk_a", "x-api-key: lkk_a"]);
    let mut out = HeaderMap::new();
    to_upstream(&sent, &how, &mut out).unwrap();
    assert!(!out.values().any(|value| value == "lkk_a"), "{out:?}");
    let listing = headers(&["connection: x-api-key", "x-api-key: lkk_a"]);
    assert_eq!(to_upstream(&listing, &how, &mut HeaderMap::new()), Err(ProtectedListed));
}

fn trusted() -> Forwarding<'static> {
    Forwarding { origin: Origin { peer: Peer::Trusted, ..how().origin }, ..how() }
}

pub(super) fn headers(lines: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap();
        headers
            .append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
    }
    headers
}

fn lines(headers: &HeaderMap) -> Vec<String> {
    let mut lines: Vec<String> =
        headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
    lines.sort();
    lines
}

fn passed(headers: &HeaderMap, how: &Forwarding<'_>) -> Result<HeaderMap, ProtectedListed> {
    let mut passed = HeaderMap::new();
    to_upstream(headers, how, &mut passed).map(|()| passed)
}

/// What goes on, without the four headers that every call gets.
fn forwarded(how: &Forwarding<'_>, sent: &[&str]) -> Vec<String> {
    let mut lines = lines(&passed(&headers(sent), how).unwrap());
    let usual = [
        "via: 1.1 latchkey",
        "x-forwarded-for: 127.0.0.1",
        "x-forwarded-host: api.example",
        "x-forwarded-proto: https",
    ];
    for line in usual {
        let place = lines.iter().position(|held| held == line);
        lines.remove(place.unwrap_or_else(|| panic!("{line} in {lines:?}")));
    }
    lines
}

#[test]
fn ordinary_headers_go_through() {
    let sent = [
        "accept: */*",
        "content-length: 3",
        "content-type: text/xml",
        "cookie: a=b",
        "host: api.example",
        "range: bytes=0-1",
        "soapaction: urn:x",
        "x-request-id: 1",
        "x_custom: 1",
        "x.custom: 1",
    ];
    let mut expected: Vec<String> = sent.iter().map(|line| (*line).to_owned()).collect();
    expected.sort();
    assert_eq!(forwarded(&how(), &sent), expected);
}

#[test]
fn the_connections_own_headers_end_here() {
    let sent = [
        "connection: close, X-Custom",
        "connection: keep-alive",
        "x-custom: 1",
        "keep-alive: timeout=5",
        "proxy-connection: keep-alive",
        "proxy-authorization: Basic eA==",
        "te: gzip",
        "trailer: X-Sum",
        "transfer-encoding: chunked",
        "upgrade: h2c",
        "http2-settings: AAMAAABk",
        "expect: 100-continue",
        "accept: */*",
    ];
    assert_eq!(forwarded(&how(), &sent), ["accept: */*"]);
    assert_eq!(forwarded(&how(), &["te: gzip, Trailers"]), ["te: trailers"]);
}

#[test]
fn a_connection_must_not_list_what_is_needed_or_ours() {
    let names = [
        "Host",
        "content-length",
        "Authorization",
        "via",
        "X-Forwarded-For",
        "X_Forwarded_Proto",
        "forwarded",
        "X-JWT-Assertion",
        "Latchkey-Explain",
        "x-real-ip",
    ];
    for name in names {
        let headers = headers(&[&format!("connection: close, {name}"), "accept: */*"]);
        assert_eq!(passed(&headers, &how()), Err(ProtectedListed), "{name}");
    }
    let name = HeaderName::from_static("x-token");
    let own = Forwarding { token_header: &name, ..how() };
    assert_eq!(passed(&headers(&["connection: X-Token"]), &own), Err(ProtectedListed));
    assert_eq!(passed(&headers(&["connection: X-Token"]), &how()).map(drop), Ok(()));
}

#[test]
fn forged_headers_end_here_in_every_spelling() {
    let names = [
        "x-forwarded-for",
        "X_Forwarded_For",
        "x.forwarded.for",
        "x-forwarded_for",
        "x-forwarded-user",
        "x-forwarded-prefix",
        "forwarded",
        "x-real-ip",
        "x_real_ip",
        "x-original-url",
        "x-rewrite-url",
        "x-http-method-override",
        "x_http_method_override",
        "x-jwt-assertion",
        "x_jwt.assertion",
        "latchkey-user",
        "latchkey_user",
        "content_length",
        "transfer.encoding",
    ];
    for name in names {
        assert_eq!(forwarded(&how(), &[&format!("{name}: alice")]), [""; 0], "{name}");
    }
}

#[test]
fn the_token_ends_here_unless_configured() {
    let sent = ["authorization: Bearer T, Basic X", "accept: */*"];
    assert_eq!(forwarded(&how(), &sent), ["accept: */*"]);
    let with_rest = Forwarding { token: TokenHeader::Remove(Some("Basic X")), ..how() };
    assert_eq!(forwarded(&with_rest, &sent), ["accept: */*", "authorization: Basic X"]);
    let keeping = Forwarding { token: TokenHeader::Keep, ..how() };
    assert_eq!(forwarded(&keeping, &sent), ["accept: */*", "authorization: Bearer T, Basic X"]);
    // Another header carried the token: Authorization is the upstream's.
    let name = HeaderName::from_static("x-token");
    let own = Forwarding { token_header: &name, ..how() };
    let sent = ["authorization: Basic X", "x-token: Bearer T", "x_token: Bearer T", "x.authorization: 1"];
    assert_eq!(forwarded(&own, &sent), ["authorization: Basic X", "x.authorization: 1"]);
}

#[test]
fn an_assertion_is_only_ours() {
    let (name, value) = (HeaderName::from_static("x-caller"), HeaderValue::from_static("signed"));
    let asserting = Forwarding { assertion: Some((&name, Some(&value))), ..how() };
    let sent = ["x-caller: forged", "x_caller: forged", "x.caller: forged"];
    assert_eq!(forwarded(&asserting, &sent), ["x-caller: signed"]);
    assert_eq!(passed(&headers(&["connection: X-Caller"]), &asserting), Err(ProtectedListed));
    let about_nobody = Forwarding { assertion: Some((&name, None)), ..how() };
    assert_eq!(forwarded(&about_nobody, &sent), [""; 0]);
}

#[test]
fn earlier_hops_are_believed_from_our_own_proxies_only() {
    let sent = [
        "x-forwarded-for: 192.0.2.1, 192.0.2.2",
        "x-forwarded-host: shop.example",
        "x-forwarded-proto: http",
    ];
    assert_eq!(forwarded(&how(), &sent), [""; 0]);
    let held = passed(&headers(&sent), &trusted()).unwrap();
    let expected = [
        "via: 1.1 latchkey",
        "x-forwarded-for: 192.0.2.1, 192.0.2.2, 127.0.0.1",
        "x-forwarded-host: shop.example",
        "x-forwarded-proto: http",
    ];
    assert_eq!(lines(&held), expected);
    let many = format!("x-forwarded-for: {}", vec!["::1"; 500].join(","));
    let held = passed(&headers(&["x-forwarded-proto: gopher", &many]), &trusted()).unwrap();
    assert_eq!(held[X_FORWARDED_PROTO], "https");
    assert_eq!(held[X_FORWARDED_FOR].to_str().unwrap().split(',').count(), MAX_HOPS);
    assert!(held[X_FORWARDED_FOR].to_str().unwrap().ends_with(", 127.0.0.1"));
}

#[test]
fn only_a_websocket_upgrades_and_only_when_told() {
    let sent = ["connection: keep-alive, Upgrade", "upgrade: WebSocket", "sec-websocket-key: x"];
    assert_eq!(forwarded(&how(), &sent), ["sec-websocket-key: x"]);
    let tunnel = Forwarding { upgrade: Upgrading::WebSocket, ..how() };
    let expected = ["connection: Upgrade", "sec-websocket-key: x", "upgrade: websocket"];
    assert_eq!(forwarded(&tunnel, &sent), expected);
    assert_eq!(forwarded(&tunnel, &["connection: Upgrade", "upgrade: h2c"]), [""; 0]);
}

#[test]
fn an_answer_keeps_what_is_the_callers() {
    let mut answer = headers(&[
        "connection: X-Secret, close",
        "x-secret: 1",
        "keep-alive: timeout=5",
        "transfer-encoding: chunked",
        "proxy-authenticate: Basic",
        "set-cookie: a=1",
        "set-cookie: b=2",
        "www-authenticate: Basic",
    ]);
    to_caller(&mut answer);
    assert_eq!(lines(&answer), ["set-cookie: a=1", "set-cookie: b=2", "www-authenticate: Basic"]);
}

#[test]
fn an_address_is_written_as_its_formatter_writes_it() {
    for address in ["127.0.0.1", "0.0.0.0", "255.255.255.255", "192.0.2.10", "::1", "2001:db8::ff00:42:8329"]
    {
        let parsed: IpAddr = address.parse().unwrap();
        assert_eq!(Address::of(parsed).bytes(), address.as_bytes());
    }
    let longest = std::net::Ipv6Addr::from_bits(u128::MAX);
    assert_eq!(Address::of(IpAddr::V6(longest)).bytes(), longest.to_string().as_bytes());
}
