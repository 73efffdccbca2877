use super::*;
use crate::entropy::SeededEntropy;
use crate::samples::client;

#[test]
fn a_request_may_shorten_a_life() {
    let validities = client().validities;
    let endless = Validities { user: Validity::Forever, ..validities };
    let seconds = Validity::Seconds;
    let cases = [
        (validities, SubjectType::Application, None, seconds(3600)),
        (validities, SubjectType::ApplicationUser, None, seconds(1800)),
        (validities, SubjectType::ApplicationUser, Some(seconds(60)), seconds(60)),
        (validities, SubjectType::ApplicationUser, Some(seconds(1801)), seconds(1800)),
        (validities, SubjectType::ApplicationUser, Some(Validity::Forever), seconds(1800)),
        (endless, SubjectType::ApplicationUser, Some(Validity::Forever), Validity::Forever),
        (endless, SubjectType::ApplicationUser, Some(seconds(60)), seconds(60)),
        (endless, SubjectType::ApplicationUser, None, Validity::Forever),
    ];
    for (validities, kind, requested, expected) in cases {
        assert_eq!(validities.access(kind, requested), expected, "{kind:?} {requested:?}");
    }
}

#[test]
fn drawn_keys_and_secrets_are_words_of_fixed_length() {
    let entropy = SeededEntropy::new(1);
    let key = draw_consumer_key(&entropy);
    let secret = draw_consumer_secret(&entropy);
    assert_eq!((key.len(), secret.expose().len()), (28, 44));
    assert!(key.bytes().chain(secret.expose().bytes()).all(|byte| byte.is_ascii_alphanumeric()));
    assert!(draw_consumer_key(&entropy) != key && draw_consumer_secret(&entropy) != secret);
}

#[test]
fn words_come_back() {
    for grant in GrantType::ALL {
        assert_eq!(grant.as_str().parse(), Ok(grant));
        assert_eq!(serde_json::to_value(grant).unwrap(), grant.as_str());
        assert_eq!(grant.to_string(), grant.as_str());
    }
    for format in [TokenFormat::Jwt, TokenFormat::Opaque] {
        assert_eq!(format.as_str().parse(), Ok(format));
        assert_eq!(serde_json::to_value(format).unwrap(), format.as_str());
    }
    for kind in [KeyType::Production, KeyType::Sandbox] {
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
    }
    for kind in [SubjectType::Application, SubjectType::ApplicationUser] {
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
    }
    let problem = "Password".parse::<GrantType>().unwrap_err();
    assert_eq!(problem.to_string(), "`Password` is none of client_credentials, password, refresh_token");
    assert_eq!("JWT".parse::<TokenFormat>().unwrap_err().to_string(), "`JWT` is none of jwt, opaque");
}
