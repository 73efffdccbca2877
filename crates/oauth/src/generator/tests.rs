use proptest::prelude::*;

use super::*;
use crate::entropy::SeededEntropy;
use crate::samples::{CONSUMER_KEY, NOW, family, keyring, signing_key};

#[test]
fn what_can_be_a_value() {
    let cases = [
        ("0123456789abcdef", true),
        ("0123456789abcde", false),
        ("0123456789abcdef==", true),
        ("=123456789abcdef", false),
        ("0123=56789abcdef", false),
        ("================", false),
        ("-._~+/0123456789", true),
        ("0123456789abcde ", false),
        ("0123456789abcde\n", false),
        ("0123456789abcdeé", false),
        ("0123456789abcde\"", false),
        ("0123456789abcde,", false),
        ("lka_0123456789abcdef", false),
        ("lkr_0123456789abcdef", false),
        ("LKA-0123456789abcdef", true),
        ("header.payload.signature", false),
        ("one.dot0123456789", true),
        ("three.dots.are.fine", true),
    ];
    for (value, usable) in cases {
        assert_eq!(is_usable(value), usable, "{value:?}");
    }
    assert!(is_usable(&"x".repeat(MAX_VALUE)) && !is_usable(&"x".repeat(MAX_VALUE + 1)));
}

#[test]
fn a_value_of_the_server_itself_is_no_generated_one() {
    let family = family(1, "a");
    let derived = keyring(&[1], 0).render(ValueKind::Access, &family).unwrap();
    let key = signing_key(crate::jwk::SigningAlgorithm::ES256);
    let claims = crate::jwt::AccessTokenClaims::of(
        &family,
        crate::jwt::ClaimFacts {
            issuer: "issuer",
            client_id: CONSUMER_KEY,
            key_type: crate::client::KeyType::Production,
            incarnation: 0,
        },
    );
    assert!(!is_usable(derived.expose()) && !is_usable(crate::jwt::sign(&key, &claims).expose()));
}

proptest! {
    /// WSO2's shape: a UUID in lower case that calls itself of version 3.
    #[test]
    fn uuids_are_usable_and_differ(seed in any::<u64>()) {
        let entropy = SeededEntropy::new(seed);
        let scope = Scope::empty();
        let context = GenerationContext { kind: ValueKind::Access, client_id: CONSUMER_KEY, scope: &scope, now: NOW };
        let draw = || match UuidShape.generate(&context, &entropy) {
            GeneratedValue::Value(value) => value,
            GeneratedValue::Derived => panic!("a UUID is no derived value"),
        };
        let (one, other) = (draw(), draw());
        prop_assert!(one != other && is_usable(one.expose()));
        let text = one.expose();
        prop_assert_eq!(text.len(), 36);
        prop_assert_eq!(&text[14..15], "3");
        prop_assert!(text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-')));
        prop_assert_eq!(UuidShape.renewal(), GeneratorRenewal::AsConfigured);
        prop_assert!(matches!(Derived.generate(&context, &entropy), GeneratedValue::Derived));
        prop_assert_eq!((Derived.name(), UuidShape.name()), ("derived", "uuid"));
    }
}
