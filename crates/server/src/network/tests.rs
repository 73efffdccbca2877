//! Counting networks, and whom to believe about the client.

use super::*;

#[test]
fn ipv4_counts_by_address_and_ipv6_by_64_bits() {
    let network = |text: &str| Network::from(text.parse::<IpAddr>().unwrap());
    assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
    assert_eq!(network("2001:db8::1"), network("2001:db8::ffff:1"));
    assert_ne!(network("2001:db8::1"), network("2001:db8:0:1::1"));
    assert_eq!(network("::ffff:192.0.2.1"), network("192.0.2.1"), "a mapped address is the address");
}

#[test]
fn only_trusted_proxies_name_the_client() {
    let trusted = ["10.0.0.0/8".parse().unwrap()];
    let client = |socket: &str, lines: &[&str]| {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append("x-forwarded-for", line.parse().unwrap());
        }
        Peer::of(socket.parse().unwrap(), &headers, &trusted).client.to_string()
    };
    let cases: [(&str, &[&str], &str); 9] = [
        ("192.0.2.9:1", &["198.51.100.1"], "192.0.2.9"),
        ("10.0.0.1:1", &[], "10.0.0.1"),
        ("10.0.0.1:1", &["198.51.100.1"], "198.51.100.1"),
        ("[::ffff:10.0.0.1]:1", &["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1:1", &["203.0.113.7, 198.51.100.1, 10.0.0.2"], "198.51.100.1"),
        ("10.0.0.1:1", &["203.0.113.7", "198.51.100.1", "10.0.0.2"], "198.51.100.1"),
        ("10.0.0.1:1", &["203.0.113.7, unknown"], "10.0.0.1"),
        ("10.0.0.1:1", &["2001:db8::1"], "2001:db8::1"),
        ("10.0.0.1:1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
    ];
    for (socket, lines, expected) in cases {
        assert_eq!(client(socket, lines), expected, "{socket} {lines:?}");
    }
}
