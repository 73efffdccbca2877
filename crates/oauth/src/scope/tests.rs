use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn policy(unknown: UnknownScope) -> ScopePolicy {
    ScopePolicy::new(&["^device_.*".to_owned(), "openid".to_owned()], unknown).unwrap()
}

/// Requested, roles, what becomes of unknown scopes, and what is granted.
type Case = (&'static str, &'static [&'static str], UnknownScope, Result<&'static str, ScopeProblem>);

fn known() -> KnownScopes {
    KnownScopes::from([
        ("echo.read".to_owned(), BTreeSet::from(["reader".to_owned()])),
        ("echo.open".to_owned(), BTreeSet::new()),
    ])
}

#[test]
fn granting_follows_the_policy() {
    use UnknownScope::{Drop, Grant, Reject};
    let reader = ["reader"].as_slice();
    let cases: &[Case] = &[
        ("echo.read device_ipad", reader, Drop, Ok("device_ipad echo.read")),
        ("no.such.scope device_ipad", reader, Drop, Ok("device_ipad")),
        ("Device_ipad xdevice_y", reader, Drop, Ok("default")),
        ("echo.read", &[], Drop, Ok("default")),
        ("echo.read", &[], Grant, Ok("default")),
        ("echo.read", &[], Reject, Err(ScopeProblem::Unknown)),
        ("echo.open", &[], Drop, Ok("echo.open")),
        ("PRODUCTION", reader, Grant, Ok("PRODUCTION")),
        ("PRODUCTION device_x", reader, Reject, Err(ScopeProblem::Unknown)),
        ("device_x openid", &[], Reject, Ok("device_x openid")),
        ("openidx", &[], Drop, Ok("default")),
        ("default", &[], Reject, Ok("default")),
        ("", reader, Drop, Ok("default")),
        ("", reader, Reject, Ok("default")),
    ];
    for (requested, roles, unknown, expected) in cases {
        let roles = roles.iter().map(|role| (*role).to_owned()).collect();
        let granted = policy(*unknown).grant(&Scope::parse(requested).unwrap(), &known(), &roles);
        assert_eq!(
            granted.as_ref().map(Scope::as_str),
            expected.as_ref().copied(),
            "{requested} {roles:?} {unknown:?}"
        );
    }
}

#[test]
fn patterns_may_use_classes_and_match_whole_scopes() {
    let patterns = [r"device_\d{2}", r"am_\w+", "(?i)openid", "a|b"].map(str::to_owned);
    let policy = ScopePolicy::new(&patterns, UnknownScope::Drop).unwrap();
    let requested = "a b ab xa device_12 device_123 am_x! am_x OpenID";
    let granted = policy.grant(&Scope::parse(requested).unwrap(), &known(), &BTreeSet::new()).unwrap();
    assert_eq!(granted.as_str(), "OpenID a am_x b device_12");
}

#[test]
fn a_bad_pattern_is_named() {
    let problem = ScopePolicy::new(&["device_(".to_owned()], UnknownScope::Drop).unwrap_err();
    assert!(problem.to_string().contains("`device_(`"), "{problem}");
}

#[test]
fn parsing_refuses_what_the_rfc_refuses() {
    let long = "a".repeat(101);
    let many = "a ".repeat(1025);
    let device = format!("device_{}", "x".repeat(65));
    let cases: &[(&str, Result<&str, ScopeProblem>)] = &[
        ("b a", Ok("a b")),
        ("a b a", Ok("a b")),
        ("  a   b ", Ok("a b")),
        ("", Ok("")),
        ("B a", Ok("B a")),
        ("a\tb", Err(ScopeProblem::Character)),
        ("a\"b", Err(ScopeProblem::Character)),
        ("a\\b", Err(ScopeProblem::Character)),
        ("ä", Err(ScopeProblem::Character)),
        ("a\0", Err(ScopeProblem::Character)),
        (&long, Err(ScopeProblem::TooLong)),
        (&many, Err(ScopeProblem::TooLong)),
        ("device_", Err(ScopeProblem::DeviceName)),
        ("device_a!", Err(ScopeProblem::DeviceName)),
        (&device, Err(ScopeProblem::DeviceName)),
        ("device_A.b_c-9", Ok("device_A.b_c-9")),
    ];
    for (text, expected) in cases {
        assert_eq!(Scope::parse(text).as_ref().map(Scope::as_str), expected.as_ref().copied(), "{text:?}");
    }
}

proptest! {
    #[test]
    fn order_and_duplicates_make_no_new_set(mut members in prop::collection::vec("[!#-\\[\\]-~]{1,12}", 0..12)) {
        members.retain(|member| !is_device_scope(member));
        let forth = Scope::parse(&members.join(" ")).unwrap();
        members.reverse();
        let back = Scope::parse(&[members.clone(), members.clone()].concat().join("  ")).unwrap();
        prop_assert_eq!(&forth, &back);
        prop_assert_eq!(&Scope::parse(forth.as_str()).unwrap(), &forth);
        prop_assert!(members.iter().all(|member| forth.contains(member)));
    }

    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,200}") {
        let _ = Scope::parse(&text);
    }
}

#[test]
fn the_servers_own_scopes_follow_their_own_roles() {
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    let own =
        KnownScopes::from([("own.admin".to_owned(), set(&["admin"])), ("own.all".to_owned(), set(&[]))]);
    // An application that subscribes to an API which says that everybody may.
    let known = KnownScopes::from([("own.admin".to_owned(), set(&[])), ("read".to_owned(), set(&[]))]);
    let requested = Scope::parse("own.admin own.all read").unwrap();
    for allowed in [&[][..], &[".*".to_owned()][..]] {
        let policy = ScopePolicy::new(allowed, UnknownScope::Drop).unwrap().with_own(own.clone());
        let granted = |roles: &[&str]| policy.grant(&requested, &known, &set(roles)).unwrap().to_string();
        assert_eq!(granted(&["reader"]), "own.all read");
        assert_eq!(granted(&["admin"]), "own.admin own.all read");
    }
}
