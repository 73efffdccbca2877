use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::samples::{ALICE, BOB, CLIENT, NOW, family, key};

fn at(millis: i64) -> Expiry {
    Expiry::At(NOW.plus_millis(millis))
}

#[test]
fn the_end_of_a_life() {
    let cases = [
        (at(-1), false, false, Some(0)),
        (at(0), false, false, Some(0)),
        (at(1), true, false, Some(1)),
        (at(1000), true, false, Some(1000)),
        (at(1001), true, true, Some(1001)),
        (Expiry::Never, true, true, None),
    ];
    for (expiry, valid, live, remaining) in cases {
        let found = (expiry.is_valid(NOW), expiry.is_live(NOW), expiry.remaining_millis(NOW));
        assert_eq!(found, (valid, live, remaining), "{expiry:?}");
    }
    let outlives = [
        (at(2), at(1), true),
        (at(1), at(1), false),
        (at(1), at(2), false),
        (Expiry::Never, at(1), true),
        (Expiry::Never, Expiry::Never, true),
        (at(i64::MAX), Expiry::Never, false),
    ];
    for (one, other, expected) in outlives {
        assert_eq!(one.outlives(other), expected, "{one:?} {other:?}");
    }
}

#[test]
fn validities_are_seconds_or_for_ever() {
    let cases = [
        (-1, Validity::Forever, -1),
        (i64::MIN, Validity::Forever, -1),
        (0, Validity::Seconds(0), 0),
        (3600, Validity::Seconds(3600), 3600),
        (i64::MAX, Validity::Seconds(u32::MAX), 4_294_967_295),
    ];
    for (seconds, validity, back) in cases {
        assert_eq!((Validity::from(seconds), i64::from(validity)), (validity, back));
        assert_eq!(serde_json::from_str::<Validity>(&seconds.to_string()).unwrap(), validity);
    }
    assert_eq!(Validity::Seconds(2).ends(NOW), at(2000));
    assert_eq!(Validity::Forever.ends(NOW), Expiry::Never);
    assert!(Validity::Forever > Validity::Seconds(u32::MAX));
}

/// Everything that tells two keys apart, S05 and S10 among it.
#[test]
fn keys_differ_in_each_of_their_parts() {
    let base = key("a b");
    let with_subject = |kind, id| TokenKey { subject: Subject { kind, id }, ..base.clone() };
    let with_binding = |binding| TokenKey { binding, ..base.clone() };
    let keys = BTreeMap::from([
        ("base", base.clone()),
        ("another client", TokenKey { client: BOB, ..base.clone() }),
        ("bob", with_subject(SubjectType::ApplicationUser, BOB)),
        ("the application", with_subject(SubjectType::Application, CLIENT)),
        ("an application of the user's id", with_subject(SubjectType::Application, ALICE)),
        ("fewer scopes", key("a")),
        ("more scopes", key("a b c")),
        ("a device", key("a b device_x")),
        ("no scope", TokenKey { scope: Scope::empty(), ..base.clone() }),
        ("an empty binding", with_binding(Binding::Client("".into()))),
        ("a binding", with_binding(Binding::Client("x".into()))),
        ("a binding like a scope", with_binding(Binding::Client("device_x".into()))),
        ("a random one", with_binding(Binding::Random([b'x'; 16]))),
        ("its text as a binding", with_binding(Binding::Client("x".repeat(16).into()))),
    ]);
    for (one_name, one) in &keys {
        for (other_name, other) in &keys {
            assert_eq!(one.digest() == other.digest(), one_name == other_name, "{one_name}, {other_name}");
        }
    }
    assert_eq!(key("b a a").digest(), base.digest());
}

#[test]
fn devices_are_named_by_scopes_else_by_the_binding() {
    let bound =
        |scope: &str, binding: &str| TokenKey { binding: Binding::Client(binding.into()), ..key(scope) };
    let cases = [
        (key("a"), ""),
        (key("a device_ipad"), "device_ipad"),
        (key("device_b device_a x"), "device_a device_b"),
        (bound("a", "phone"), "binding:phone"),
        (bound("device_ipad", "phone"), "device_ipad"),
        (TokenKey { binding: Binding::Random([7; 16]), ..key("a") }, ""),
    ];
    for (key, name) in cases {
        assert_eq!(key.device().as_str(), name);
        assert_eq!(Device::from_stored(name), key.device());
    }
}

#[test]
fn what_a_family_accepts() {
    let epochs = Epochs { client: 1, subject: 2 };
    let mut held = Family { epochs, ..family(1, "a") };
    held.access.expires = at(2000);
    held.refresh.as_mut().unwrap().expires = at(4000);
    for (millis, access, refresh) in
        [(0, true, true), (1999, true, true), (2000, false, true), (4000, false, false)]
    {
        let now = NOW.plus_millis(millis);
        let found = [held.accepts_access(1, Some(epochs), now), held.accepts_refresh(1, Some(epochs), now)];
        assert_eq!(
            (found, held.is_alive(Some(epochs), now)),
            ([access, refresh], access || refresh),
            "{millis}"
        );
    }
    for other in [None, Some(Epochs { client: 2, ..epochs }), Some(Epochs { subject: 3, ..epochs })] {
        assert!(!held.accepts_access(1, other, NOW) && !held.accepts_refresh(1, other, NOW), "{other:?}");
        assert!(!held.is_alive(other, NOW));
    }
    for generation in [0, 2, u32::MAX] {
        assert!(!held.accepts_access(generation, Some(epochs), NOW));
        assert!(!held.accepts_refresh(generation, Some(epochs), NOW));
    }
    let refresh_ends_first = Family { refresh: None, ..held };
    assert!(
        refresh_ends_first.is_alive(Some(epochs), NOW)
            && !refresh_ends_first.accepts_refresh(1, Some(epochs), NOW)
    );
}

#[test]
fn nothing_shows_a_seed() {
    let shown = format!("{:?}", family(1, "a"));
    assert!(shown.contains("Seed(…)") && !shown.contains("81, 81"), "{shown}");
}

proptest! {
    #[test]
    fn scopes_and_bindings_do_not_run_together(
        one in ("[a-c ]{0,6}", "[a-c]{0,6}"), other in ("[a-c ]{0,6}", "[a-c]{0,6}"),
    ) {
        let make = |(scope, binding): &(String, String)| TokenKey {
            binding: Binding::Client(binding.as_str().into()),
            ..key(scope)
        };
        let (one, other) = (make(&one), make(&other));
        prop_assert_eq!(one == other, one.digest() == other.digest());
    }
}
