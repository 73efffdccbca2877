use std::sync::Arc;

use super::*;
use crate::jwk::{SigningAlgorithm, generate};
use crate::jwt::{self, AssertionText, sign_assertion};

fn keys() -> SigningKeys {
    let algorithm = SigningAlgorithm::EdDsa;
    let pkcs8 = generate(algorithm).unwrap();
    SigningKeys::new(Arc::new(SigningKey::from_pkcs8(algorithm, &pkcs8).unwrap()), &[])
}

fn claims() -> InternalKey {
    InternalKey {
        iss: "https://latchkey.example/oauth2/token".to_owned(),
        sub: "alice's id".to_owned(),
        iat: 1_700_000_000,
        exp: 1_700_000_900,
        jti: "one".to_owned(),
        token_type: Kind::InternalKey,
        keytype: KeyType::Sandbox,
        api: "an api's id".to_owned(),
        epoch: 3,
        incarnation: 1,
    }
}

#[test]
fn an_internal_key_is_what_this_installation_signed() {
    let (ours, theirs) = (keys(), keys());
    let value = sign(ours.active(), &claims());
    assert_eq!(verify(&ours, 1, value.expose()), Some(claims()));
    assert_eq!(verify(&ours, 2, value.expose()), None);
    assert_eq!(verify(&theirs, 1, value.expose()), None);
    let (message, signature) = value.expose().rsplit_once('.').unwrap();
    assert_eq!(verify(&ours, 1, message), None);
    assert_eq!(verify(&ours, 1, &format!("{message}A.{signature}")), None);
    assert_eq!(verify(&ours, 1, &"a".repeat(jwt::MAX_LENGTH + 1)), None);
}

#[test]
fn neither_a_token_nor_an_assertion_is_an_internal_key_nor_the_other_way_round() {
    let keys = keys();
    let value = sign(keys.active(), &claims());
    assert_eq!(jwt::verify(&keys, 1, value.expose()), None);
    let assertion = sign_assertion(keys.active(), &claims(), AssertionText::Base64Url);
    assert_eq!(verify(&keys, 1, assertion.expose()), None);
    let token = compact((keys.active(), keys.active().header()), &claims());
    assert_eq!(verify(&keys, 1, token.expose()), None);
}
