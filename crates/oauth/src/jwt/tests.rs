mod attacks;

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::clock::Timestamp;
use crate::family::Subject;
use crate::jwk::SigningAlgorithm;
use crate::samples::{ALGORITHMS, BOB, CLIENT, CONSUMER_KEY, NOW, family, signing_key};
use crate::scope::Scope;

const FACTS: ClaimFacts<'static> = ClaimFacts {
    issuer: "https://localhost:9443/oauth2/token",
    client_id: CONSUMER_KEY,
    key_type: KeyType::Production,
    incarnation: 3,
};

/// All four keys, of which `active` signs.
fn keys(active: SigningAlgorithm) -> SigningKeys {
    SigningKeys::new(signing_key(active), &ALGORITHMS.map(signing_key))
}

fn signed(algorithm: SigningAlgorithm, family: &Family) -> String {
    sign(&signing_key(algorithm), &AccessTokenClaims::of(family, FACTS)).expose().to_owned()
}

fn part(token: &str, number: usize) -> Value {
    let part = token.split('.').nth(number).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

#[test]
fn every_algorithm_comes_back() {
    let family = family(1, "a device_ipad");
    for algorithm in ALGORITHMS {
        let keys = keys(algorithm);
        let token = sign(keys.active(), &AccessTokenClaims::of(&family, FACTS));
        let header = json!({"alg": algorithm.as_str(), "kid": keys.active().kid(), "typ": "at+jwt"});
        assert_eq!(part(token.expose(), 0), header);
        let verified = verify(&keys, 3, token.expose()).unwrap();
        assert_eq!(verified.claims, AccessTokenClaims::of(&family, FACTS));
        assert_eq!((verified.reference.family, verified.reference.generation), (family.id, 1));
        assert_eq!((verified.reference.kind, verified.reference.bucket), (ValueKind::Access, family.bucket));
        assert!(verified.agrees_with(&family, CONSUMER_KEY));
    }
}

#[test]
fn the_claims_of_a_user_an_application_and_a_token_without_end() {
    let user = family(1, "a device_ipad");
    let mut application = family(2, "a");
    application.subject = Subject { kind: SubjectType::Application, id: CLIENT };
    let mut endless = family(3, "default");
    endless.access.expires = Expiry::Never;
    let families = [user, application, endless];
    let claims = families.each_ref().map(|family| AccessTokenClaims::of(family, FACTS));
    insta::assert_snapshot!(serde_json::to_string_pretty(&claims).unwrap());
}

#[test]
fn a_key_that_is_no_longer_published_verifies_nothing() {
    let token = signed(SigningAlgorithm::EdDsa, &family(1, "a"));
    let rotated = SigningKeys::new(signing_key(SigningAlgorithm::ES256), &[]);
    assert_eq!(verify(&rotated, 3, &token), None);
    let overlapping =
        SigningKeys::new(signing_key(SigningAlgorithm::ES256), &[signing_key(SigningAlgorithm::EdDsa)]);
    assert!(verify(&overlapping, 3, &token).is_some());
}

#[test]
fn another_incarnation_is_refused() {
    let keys = keys(SigningAlgorithm::EdDsa);
    let incarnations = [0, 2, 3, 4, u16::MAX];
    for incarnation in incarnations {
        let family = family(1, "a");
        let claims = AccessTokenClaims::of(&family, ClaimFacts { incarnation, ..FACTS });
        let token = sign(keys.active(), &claims);
        for now in incarnations {
            assert_eq!(
                verify(&keys, now, token.expose()).is_some(),
                now == incarnation,
                "{incarnation}, {now}"
            );
        }
    }
}

#[test]
fn the_claims_must_be_those_of_the_family() {
    let held = family(1, "a b");
    let token = signed(SigningAlgorithm::ES256, &held);
    let verified = verify(&keys(SigningAlgorithm::ES256), 3, &token).unwrap();
    let mut narrowed = held.clone();
    narrowed.access.scope = Scope::parse("a").unwrap();
    let mut of_bob = held.clone();
    of_bob.subject.id = BOB;
    let mut of_application = held.clone();
    of_application.subject.kind = SubjectType::Application;
    assert!(verified.agrees_with(&held, CONSUMER_KEY));
    assert!(!verified.agrees_with(&held, "anotherConsumerKey"));
    assert!(!verified.agrees_with(&narrowed, CONSUMER_KEY), "another scope");
    assert!(!verified.agrees_with(&of_bob, CONSUMER_KEY), "another user");
    assert!(!verified.agrees_with(&of_application, CONSUMER_KEY), "another kind of subject");
    assert!(!verified.agrees_with(&family(2, "a b"), CONSUMER_KEY), "another family");
}

#[test]
fn the_largest_token_is_below_the_bound() {
    let scope: Vec<String> = (0..20).map(|number| format!("{number:0>100}")).collect();
    let mut held = family(1, "a");
    held.access.scope = Scope::parse(&scope.join(" ")).unwrap();
    let client_id = "x".repeat(255);
    let claims = AccessTokenClaims::of(&held, ClaimFacts { client_id: &client_id, ..FACTS });
    let token = sign(&signing_key(SigningAlgorithm::RS256), &claims);
    assert!(verify(&keys(SigningAlgorithm::ES256), 3, token.expose()).is_some(), "{}", token.expose().len());

    let issuer = "x".repeat(MAX_LENGTH);
    let beyond = AccessTokenClaims::of(&held, ClaimFacts { issuer: &issuer, ..FACTS });
    let token = sign(&signing_key(SigningAlgorithm::RS256), &beyond);
    assert_eq!(verify(&keys(SigningAlgorithm::ES256), 3, token.expose()), None);
}

proptest! {
    #[test]
    fn any_claims_come_back(
        issuer in ".{0,40}", client_id in ".{1,40}", seconds in 0..4_000_000_000_i64,
        generation in any::<u32>(), incarnation in any::<u16>(), endless in any::<bool>(),
    ) {
        let mut held = family(1, "a");
        held.access.generation = generation;
        held.access.issued_at = Timestamp::from_seconds(seconds);
        held.access.expires = if endless { Expiry::Never } else { Expiry::At(NOW) };
        let facts = ClaimFacts { issuer: &issuer, client_id: &client_id, incarnation, ..FACTS };
        let claims = AccessTokenClaims::of(&held, facts);
        let token = sign(&signing_key(SigningAlgorithm::EdDsa), &claims);
        let verified = verify(&keys(SigningAlgorithm::ES256), incarnation, token.expose()).unwrap();
        prop_assert_eq!(verified.reference.generation, generation);
        prop_assert_eq!(verified.claims, claims);
    }

    #[test]
    fn no_text_verifies(text in "[A-Za-z0-9_=.-]{0,300}|.{0,100}") {
        prop_assert_eq!(verify(&keys(SigningAlgorithm::ES256), 3, &text), None);
    }
}

#[test]
fn an_assertion_is_signed_and_never_taken_for_a_token() {
    for algorithm in ALGORITHMS {
        let (active, own) = (signing_key(SigningAlgorithm::ES256), signing_key(algorithm));
        let keys = SigningKeys::new(active, &[]).with_assertion_key(Arc::clone(&own));
        let asserting = keys.asserting(algorithm).expect("there is a key of the algorithm");
        assert_eq!(asserting.kid(), own.kid());
        let published = keys.published()["keys"].as_array().unwrap();
        assert!(published.iter().any(|key| key["kid"] == own.kid()), "{published:?}");
        let claims = json!({"sub": "alice"});
        let assertion = sign_assertion(asserting, &claims, AssertionText::Base64Url);
        let header = json!({"alg": algorithm.as_str(), "kid": own.kid(), "typ": "JWT"});
        assert_eq!((part(assertion.expose(), 0), part(assertion.expose(), 1)), (header, claims.clone()));
        let (message, signature) = assertion.expose().rsplit_once('.').unwrap();
        assert!(own.verifies(message.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap()));
        assert_eq!(verify(&keys, 1, assertion.expose()), None);
        let padded = sign_assertion(asserting, &claims, AssertionText::Base64);
        let part = padded.expose().split('.').nth(1).unwrap();
        assert_eq!(STANDARD.decode(part).unwrap(), claims.to_string().as_bytes());
    }
}

#[test]
fn tokens_of_a_key_for_assertions_are_refused() {
    let own = signing_key(SigningAlgorithm::RS256);
    let keys = SigningKeys::new(signing_key(SigningAlgorithm::ES256), &[]);
    let token = sign(&own, &AccessTokenClaims::of(&family(1, "a"), FACTS));
    let is_verified = |keys: &SigningKeys| verify(keys, 3, token.expose()).is_some();
    assert!(is_verified(&SigningKeys::new(Arc::clone(&own), &[])));
    assert!(!is_verified(&keys.with_assertion_key(own)));
}
