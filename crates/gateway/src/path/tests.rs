use proptest::prelude::*;

use super::PathProblem::{
    BrokenEncoding, DotSegment, EmptySegment, EncodedDelimiter, NotAPath, NotUtf8, PathParameter,
    RawCharacter, TooLong,
};
use super::*;

#[test]
fn a_target_has_one_form() {
    let cases = [
        ("/", "/", None),
        ("/echo/1.0.0/anything", "/echo/1.0.0/anything", None),
        ("/echo/1.0.0/", "/echo/1.0.0/", None),
        ("/a?b=c", "/a", Some("b=c")),
        ("/a?", "/a", Some("")),
        ("/a?b=%2e%2E/../;x\\|{\"}?%zz&%2f", "/a", Some("b=%2e%2E/../;x\\|{\"}?%zz&%2f")),
        ("/%61%2D%2e%5f%7E", "/a-._~", None),
        ("/caf%c3%a9", "/caf%C3%A9", None),
        ("/caf%C3%A9/%F0%9F%94%91", "/caf%C3%A9/%F0%9F%94%91", None),
        ("/a%20b%22%3c%7b", "/a%20b%22%3C%7B", None),
        ("/%3f%23", "/%3F%23", None),
        ("/...", "/...", None),
        ("/.well-known/a..b/..c/d.", "/.well-known/a..b/..c/d.", None),
        ("/a!$&'()*+,=:@", "/a!$&'()*+,=:@", None),
        ("/orders/7:undo", "/orders/7:undo", None),
    ];
    for (target, path, query) in cases {
        let found = Target::normalise(target).unwrap();
        assert_eq!((found.path(), found.query()), (path, query), "{target}");
    }
}

#[test]
fn what_servers_read_in_two_ways_is_refused() {
    let long = format!("/{}", "a".repeat(MAX_TARGET));
    let cases = [
        ("", NotAPath),
        ("*", NotAPath),
        ("echo", NotAPath),
        ("http://localhost/echo", NotAPath),
        ("localhost:443", NotAPath),
        ("?a", NotAPath),
        ("//", EmptySegment),
        ("//echo", EmptySegment),
        ("/echo//1.0.0", EmptySegment),
        ("/pub/../admin", DotSegment),
        ("/pub/./a", DotSegment),
        ("/pub/..", DotSegment),
        ("/.", DotSegment),
        ("/%2e%2e/admin", DotSegment),
        ("/pub/%2E./admin", DotSegment),
        ("/pub/.%2e", DotSegment),
        ("/pub/%2e%2e%2fadmin", EncodedDelimiter),
        ("/a%2fb", EncodedDelimiter),
        ("/a%5Cb", EncodedDelimiter),
        ("/a%00", EncodedDelimiter),
        ("/a%0d%0aX:%20y", EncodedDelimiter),
        ("/a%7f", EncodedDelimiter),
        ("/a%252e%252e", EncodedDelimiter),
        ("/a%3bb", EncodedDelimiter),
        ("/admin;x=1", PathParameter),
        ("/admin/;.jar", PathParameter),
        ("/..;/admin", PathParameter),
        ("/a\\b", RawCharacter),
        ("/a b", RawCharacter),
        ("/a#b", RawCharacter),
        ("/a?b#c", RawCharacter),
        ("/a?b c", RawCharacter),
        ("/caf\u{e9}", RawCharacter),
        ("/a?caf\u{e9}", RawCharacter),
        ("/a\"", RawCharacter),
        ("/{id}", RawCharacter),
        ("/a|b", RawCharacter),
        ("/a\u{0}", RawCharacter),
        ("/a\tb", RawCharacter),
        ("/%", BrokenEncoding),
        ("/%2", BrokenEncoding),
        ("/%zz", BrokenEncoding),
        ("/%+2", BrokenEncoding),
        ("/%-1", BrokenEncoding),
        ("/%u002e", BrokenEncoding),
        ("/%\u{e9}1", BrokenEncoding),
        ("/%c0%ae", NotUtf8),
        ("/%c0%af", NotUtf8),
        ("/%e0%80%af", NotUtf8),
        ("/%ff", NotUtf8),
        ("/%c3a%a9", NotUtf8),
        ("/%ed%a0%80", NotUtf8),
        (&long, TooLong),
    ];
    for (target, problem) in cases {
        assert_eq!(Target::normalise(target), Err(problem), "{target}");
    }
    assert_eq!(TooLong.status(), 414);
    assert_eq!(DotSegment.status(), 400);
}

#[test]
fn a_target_in_its_form_is_not_copied() {
    for target in ["/echo/1.0.0/anything", "/caf%C3%A9"] {
        assert!(matches!(Target::normalise(target).unwrap().path, Cow::Borrowed(_)), "{target}");
    }
}

/// Text of the parts that attacks are made of.
fn targets() -> impl Strategy<Value = String> {
    let parts = [
        "/", "//", "/.", "/..", "%2e", "%2E", "%2f", "%5c", "%00", "%25", "%3b", ";", "\\", "a", "b/c",
        "echo", "%61", "%c3%a9", "%C3", "%A9", "?", "q=1", "%", "~", ".", "%7e", "\u{e9}", "*", ":",
    ];
    prop::collection::vec(prop::sample::select(parts.to_vec()), 0..12)
        .prop_map(|parts| format!("/{}", parts.concat()))
}

/// What a lenient upstream makes of a path: decodes everything, backslashes are slashes, parameters go, then
/// dot segments are resolved.
fn as_lenient_upstreams_read(path: &str) -> Vec<String> {
    let mut bytes = Vec::new();
    let mut pieces = path.split('%');
    bytes.extend(pieces.next().unwrap().bytes());
    for piece in pieces {
        bytes.push(u8::from_str_radix(&piece[..2], 16).unwrap());
        bytes.extend(piece[2..].bytes());
    }
    let text = String::from_utf8(bytes).unwrap().replace('\\', "/");
    let mut resolved: Vec<String> = Vec::new();
    for segment in text.split('/').map(|segment| segment.split(';').next().unwrap()) {
        match segment {
            "" | "." => {}
            ".." => drop(resolved.pop()),
            _ => resolved.push(segment.to_owned()),
        }
    }
    resolved
}

proptest! {
    #[test]
    fn normalising_twice_changes_nothing(target in targets()) {
        if let Ok(once) = Target::normalise(&target) {
            let twice = Target::normalise(once.path());
            prop_assert_eq!(twice.as_ref().map(Target::path), Ok(once.path()));
        }
    }

    #[test]
    fn nothing_leads_out_of_the_context(rest in targets()) {
        if let Ok(target) = Target::normalise(&format!("/echo/1.0.0{rest}")) {
            let read = as_lenient_upstreams_read(target.path());
            prop_assert_eq!(&read[..2], &["echo", "1.0.0"][..]);
            let slashes = target.path().bytes().filter(|byte| *byte == b'/').count();
            let at_end = usize::from(target.path().ends_with('/'));
            prop_assert_eq!(read.len(), slashes - at_end);
        }
    }

    #[test]
    fn any_text_is_taken_or_refused(target in any::<String>()) {
        if let Ok(target) = Target::normalise(&target) {
            prop_assert!(target.path().is_ascii());
        }
    }

    #[test]
    fn encoding_without_need_changes_nothing(path in "(/[a-z0-9._~-]{1,5}){1,4}", every in 1_usize..4) {
        let encode = |(place, byte): (usize, u8)| {
            if byte != b'/' && place.is_multiple_of(every) { format!("%{byte:02x}") } else { char::from(byte).to_string() }
        };
        let encoded: String = path.bytes().enumerate().map(encode).collect();
        let of = |text: &str| Target::normalise(text).map(|target| target.path().to_owned());
        prop_assert_eq!(of(&encoded), of(&path));
    }
}
