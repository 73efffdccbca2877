use super::*;

fn restrictions(addresses: &str, referers: &str) -> Restrictions {
    Restrictions::parse(addresses, referers).unwrap()
}

fn check(held: &Restrictions, address: &str, referer: Option<&str>) -> Result<(), Forbidden> {
    held.check(&Visit { address: address.parse().unwrap(), referer })
}

/// T32 of the reference, with what lies beside its cases.
#[test]
fn t32_addresses_are_single_ones_and_networks() {
    let list = "152.23.5.6, 192.168.1.2/24, 2001:c00::/23";
    let cases = [
        (list, "152.23.5.6", true),
        (list, "152.23.5.7", false),
        (list, "192.168.1.6", true),
        (list, "192.168.5.6", false),
        (list, "2001:c00:0:0:0:0:c:4", true),
        (list, "2001:dff:ffff::1", true),
        (list, "2001:e00::1", false),
        (list, "2061:c00:0:0:0:0:c:4", false),
        (list, "::ffff:152.23.5.6", true),
        (list, "::ffff:152.23.5.7", false),
        ("1.2.3.4", "1.2.3.4", true),
        ("1.2.3.4", "5.6.7.8", false),
        ("::ffff:1.2.3.4", "1.2.3.4", true),
        ("::ffff:1.2.3.0/120", "1.2.3.9", true),
        ("::ffff:1.2.3.0/120", "1.2.4.9", false),
        ("0.0.0.0/0", "5.6.7.8", true),
        ("0.0.0.0/0", "2001:db8::1", false),
        ("::/0", "5.6.7.8", false),
        ("", "5.6.7.8", true),
        ("  ", "2001:db8::1", true),
    ];
    for (list, address, passes) in cases {
        let expected = if passes { Ok(()) } else { Err(Forbidden::Address) };
        assert_eq!(check(&restrictions(list, ""), address, None), expected, "{list} {address}");
    }
}

/// T32 of the reference, with what lies beside its cases.
#[test]
fn t32_referers_are_pages_and_hosts() {
    let list = "www.abc.com/path, sub.cds.com/*, *.gef.com/*";
    let cases = [
        (list, "www.abc.com/path", true),
        (list, "www.abc.com/path2", false),
        (list, "www.abc.com/path/", false),
        (list, "www.abc.com/path/more", false),
        (list, "www.abc.com", false),
        (list, "https://www.abc.com/path", true),
        (list, "http://WWW.ABC.com/path?query=1#part", true),
        (list, "https://www.abc.com/PATH", false),
        (list, "https://www.abc.com:443/path", true),
        (list, "https://www.abc.com:8443/path", false),
        (list, "https://www.abc.com.evil.example/path", false),
        (list, "https://www.abc.com@evil.example/path", false),
        (list, "https://evil.example/www.abc.com/path", false),
        (list, "https://evil.example/?https://www.abc.com/path", false),
        (list, "sub.cds.com/path1/path2", true),
        (list, "https://sub.cds.com", true),
        (list, "sub.cds.com", true),
        (list, "other.sub.cds.com/path1", false),
        (list, "example.gef.com/path1", true),
        (list, "a.b.gef.com/path1", true),
        (list, "gef.com/path1", false),
        (list, ".gef.com/path1", false),
        (list, "evilgef.com/path1", false),
        (list, "example.gef.com.evil.example/path1", false),
        (list, "", false),
        (list, "/", false),
        (list, "about:blank", false),
        (list, "javascript://sub.cds.com/%0aalert(1)", false),
        ("sub.cds.com/a/*", "sub.cds.com/a/b", true),
        ("sub.cds.com/a/*", "sub.cds.com/ab", false),
        ("sub.cds.com/a/*", "sub.cds.com/a/../b", false),
        ("sub.cds.com/a/*", "sub.cds.com/a\\b", false),
        ("sub.cds.com/a*", "sub.cds.com/ab", true),
        ("https://sub.cds.com/*", "https://sub.cds.com/a", true),
        ("https://sub.cds.com:443/*", "https://sub.cds.com/a", true),
        ("https://sub.cds.com/*", "http://sub.cds.com/a", false),
        ("https://sub.cds.com/*", "sub.cds.com/a", false),
        ("localhost:3000/*", "http://localhost:3000/page", true),
        ("localhost:3000/*", "http://localhost:4000/page", false),
        ("www.abc.com", "https://www.abc.com/", true),
        ("www.abc.com", "https://www.abc.com/path", false),
        ("*", "https://anything.example/path", true),
        ("*/path", "https://anything.example/path", true),
        ("*/path", "https://anything.example/other", false),
    ];
    for (list, referer, passes) in cases {
        let expected = if passes { Ok(()) } else { Err(Forbidden::Referer) };
        assert_eq!(check(&restrictions("", list), "1.2.3.4", Some(referer)), expected, "{list} <- {referer}");
    }
    assert_eq!(check(&restrictions("", list), "1.2.3.4", None), Err(Forbidden::Referer), "none is told");
    let long = format!("sub.cds.com/{}", "a".repeat(MAX_REFERER));
    assert_eq!(check(&restrictions("", list), "1.2.3.4", Some(&long)), Err(Forbidden::Referer));
}

#[test]
fn both_lists_hold() {
    let both = restrictions("1.2.3.4", "www.abc.com/*");
    assert_eq!(check(&both, "1.2.3.4", Some("https://www.abc.com/")), Ok(()));
    assert_eq!(check(&both, "5.6.7.8", Some("https://www.abc.com/")), Err(Forbidden::Address));
    assert_eq!(check(&both, "1.2.3.4", Some("https://www.abd.com/")), Err(Forbidden::Referer));
    assert_eq!(check(&Restrictions::default(), "1.2.3.4", None), Ok(()));
}

#[test]
fn what_is_no_restriction_is_refused() {
    let many = vec!["1.2.3.4"; MAX_RESTRICTIONS + 1].join(",");
    for bad in
        ["1.2.3", "1.2.3.4/33", "1.2.3.4-1.2.3.9", "host.example", ",", "1.2.3.4,", "::ffff:0:0/80", &many]
    {
        assert!(Restrictions::parse(bad, "").is_err(), "{bad}");
    }
    let bad = [
        "/path",
        "a b.com",
        "www.*.com",
        "*abc.com",
        "a.com/*/b",
        "ftp://a.com",
        "a.com/../b",
        "u@a.com",
        ",",
        "*.",
    ];
    for bad in bad {
        assert!(Restrictions::parse("", bad).is_err(), "{bad}");
        assert!(bad == "," || bad.parse::<RefererPattern>().is_err(), "{bad}");
    }
    let told = Restrictions::parse("1.2.3.4, 1.2.3", "").unwrap_err().to_string();
    assert!(told.contains("\"1.2.3\""), "{told}");
}

#[test]
fn lists_are_written_as_they_are_read() {
    let addresses = "152.23.5.6, 192.168.1.2/24, 2001:c00::/23";
    let referers = "www.abc.com/path, sub.cds.com/*, *.gef.com/*, *, https://a.example:8443/b*, */c";
    let held = restrictions(addresses, referers);
    assert_eq!((held.addresses().as_str(), held.referers().as_str()), (addresses, referers));
    assert_eq!(Restrictions::parse(&held.addresses(), &held.referers()), Ok(held));
    assert_eq!(restrictions("1.2.3.4/32,::1/128", "").addresses(), "1.2.3.4, ::1");
}
