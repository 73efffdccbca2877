use super::*;

#[test]
fn addresses_are_read_in_their_parts() {
    let cases = [
        ("http://localhost", "http://localhost", "localhost", 80, ""),
        ("HTTPS://Orders.Example:8443/v2/", "https://orders.example:8443/v2", "orders.example", 8443, "/v2"),
        ("https://[::1]:9000/a/b", "https://[::1]:9000/a/b", "[::1]", 9000, "/a/b"),
        ("https://[2001:db8::1]", "https://[2001:db8::1]", "[2001:db8::1]", 443, ""),
        ("http://10.0.0.1/", "http://10.0.0.1", "10.0.0.1", 80, ""),
    ];
    for (text, shown, host, port, path) in cases {
        let url = UpstreamUrl::parse(text).unwrap();
        assert_eq!(url.to_string(), shown);
        assert_eq!((url.host(), url.port(), url.path()), (host, port, path), "{text}");
        assert_eq!(UpstreamUrl::parse(shown).unwrap(), url);
    }
}

#[test]
fn what_is_no_address_is_refused() {
    let long = format!("http://{}", "a".repeat(2048));
    let cases = [
        ("", "has no scheme"),
        ("orders.example", "has no scheme"),
        ("ftp://orders.example", "has another scheme"),
        ("http://", "has no host"),
        ("http:///orders", "has no host"),
        ("http://a b", "has no host"),
        ("http://[::1", "has no host"),
        ("http://a]:80", "has no host"),
        ("http://a:0", "has a port"),
        ("http://a:65536", "has a port"),
        ("http://a:", "has a port"),
        ("http://a:b", "has a port"),
        ("http://a?b=c", "has a query"),
        ("http://a/b#c", "has a query"),
        ("http://a/b/../c", "has a base path with an empty or a dot"),
        ("http://a/b//c", "has a base path with an empty or a dot"),
        ("http://a/b%2f", "has a base path with other"),
        ("http://a\\b/", "has no host"),
        (&long, "is longer"),
    ];
    for (text, problem) in cases {
        let refused = UpstreamUrl::parse(text).unwrap_err().to_string();
        assert!(refused.contains(problem), "{text}: {refused}");
    }
}

#[test]
fn a_password_is_neither_taken_nor_shown() {
    for text in ["https://alice:hunter2@a/", "https://alice:hun@ter2@a/", "http://a?key=hunter2"] {
        let refused = UpstreamUrl::parse(text).unwrap_err().to_string();
        assert!(!refused.contains("ter2"), "{refused}");
    }
}
