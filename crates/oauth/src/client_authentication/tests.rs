use proptest::prelude::*;

use super::*;
use crate::client::FurtherSecret;
use crate::samples::{NOW, client, keyring};

/// The header, the body, and the key and secret found.
type Case = (Option<String>, &'static str, Result<(&'static str, &'static str), Refusal>);

fn basic(text: &str) -> String {
    format!("Basic {}", STANDARD.encode(text))
}

fn read(authorization: Option<&str>, body: &str) -> Result<(String, String), Refusal> {
    let form = Form::parse(body.as_bytes()).unwrap();
    let credentials = Credentials::from_request(authorization, &form)?;
    Ok((credentials.consumer_key, credentials.secret.expose().to_owned()))
}

#[test]
fn where_credentials_may_stand() {
    use Refusal::{MalformedAuthorization, NoClientAuthentication, SeveralClientAuthentications};
    let both = "client_id=key&client_secret=secret";
    let found = Ok(("key", "secret"));
    let cases: &[Case] = &[
        (None, both, found),
        (None, "", Err(NoClientAuthentication)),
        (None, "client_id=key", Err(NoClientAuthentication)),
        (None, "client_secret=secret", Err(NoClientAuthentication)),
        (None, "client_id=key&client_secret=", Err(NoClientAuthentication)),
        (Some(basic("key:secret")), "", found),
        (Some(basic("key:secret")), "client_id=key", found),
        (Some(basic("key:secret")), "client_id=", found),
        (Some(basic("key:secret")), "client_secret=", found),
        (Some(basic("key:secret")), "client_id=other", Err(SeveralClientAuthentications)),
        (Some(basic("key:secret")), both, Err(SeveralClientAuthentications)),
        (Some(basic("key:secret")), "client_secret=secret", Err(SeveralClientAuthentications)),
        (Some(basic("k%3Ay:s+%25")), "", Ok(("k:y", "s %"))),
        (Some(basic("key:sec:ret")), "", Ok(("key", "sec:ret"))),
        (Some(basic("key:")), "", Ok(("key", ""))),
        (Some(basic(":secret")), "", Ok(("", "secret"))),
        (Some(basic("key:%zz")), "", Err(MalformedAuthorization)),
        (Some(basic("%:secret")), "", Err(MalformedAuthorization)),
        (Some(basic("key:%ff")), "", Err(MalformedAuthorization)),
        (Some(basic("key")), "", Err(MalformedAuthorization)),
        (Some(basic("")), "", Err(MalformedAuthorization)),
        (Some("Basic".to_owned()), "", Err(MalformedAuthorization)),
        (Some("Basic !".to_owned()), "", Err(MalformedAuthorization)),
        (Some("Basic a2V5OnNlY3JldA".to_owned()), "", Err(MalformedAuthorization)),
        (Some("Basic a2V5OnNlY3JldA==".to_owned()), "", found),
        (Some("basic a2V5OnNlY3JldA==".to_owned()), "", found),
        (Some("BASIC   a2V5OnNlY3JldA==".to_owned()), "", found),
        (Some("Basic a2V5OnNlY3JldA== x".to_owned()), "", Err(MalformedAuthorization)),
        (Some("Basic\ta2V5OnNlY3JldA==".to_owned()), "", Err(NoClientAuthentication)),
        (Some(format!("Basic {}", STANDARD.encode(b"key:\xff"))), "", Err(MalformedAuthorization)),
        (Some("Bearer abc".to_owned()), both, Err(NoClientAuthentication)),
        (Some(String::new()), both, Err(NoClientAuthentication)),
    ];
    for (authorization, body, expected) in cases {
        let found = read(authorization.as_deref(), body);
        let found = found.as_ref().map(|(key, secret)| (key.as_str(), secret.as_str())).map_err(|no| *no);
        assert_eq!(found, *expected, "{authorization:?} with {body}");
    }
}

#[test]
fn a_consumer_key_is_bounded() {
    for (length, expected) in [(255, true), (256, false)] {
        let key = "k".repeat(length);
        let in_body = read(None, &format!("client_id={key}&client_secret=s"));
        let in_header = read(Some(&basic(&format!("{key}:s"))), "");
        assert_eq!((in_body.is_ok(), in_header.is_ok()), (expected, expected), "{length}");
    }
    let long = read(None, &format!("client_id={}&client_secret=s", "k".repeat(256)));
    assert_eq!(long.unwrap_err(), Refusal::ClientCredentials);
}

#[test]
fn one_of_the_secrets_must_match() {
    let keys = keyring(&[1, 2], 0);
    let mut client = client();
    client.secrets = vec![keyring(&[1], 0).consumer_secret_mac("old"), keys.consumer_secret_mac("new")];
    let sent =
        |secret: &str| Credentials { consumer_key: client.consumer_key.clone(), secret: Secret::new(secret) };
    for (secret, right) in [("old", true), ("new", true), ("New", false), ("", false), ("newx", false)] {
        let outcome = authenticate(&sent(secret), Some(&client), &keys, NOW);
        assert_eq!(outcome.map(|known| known.client().id).ok(), right.then_some(client.id), "{secret}");
    }
    let unknown = authenticate(&sent("new"), None, &keys, NOW).unwrap_err();
    let wrong = authenticate(&sent("wrong"), Some(&client), &keys, NOW).unwrap_err();
    assert_eq!((unknown, wrong), (Refusal::ClientCredentials, Refusal::ClientCredentials), "they look alike");
    let mut without = client.clone();
    without.secrets.clear();
    assert!(authenticate(&sent(""), Some(&without), &keys, NOW).is_err(), "no secret matches no secret");
    assert!(authenticate(&sent("old"), Some(&client), &keyring(&[2], 0), NOW).is_err(), "its key is retired");
}

#[test]
fn a_replaced_secret_is_valid_until_its_time_is_over() {
    let keys = keyring(&[1], 0);
    let mut client = client();
    client.secrets = vec![keys.consumer_secret_mac("new")];
    let further = |secret: &str, expires_at| FurtherSecret {
        id: uuid::Uuid::nil(),
        mac: keys.consumer_secret_mac(secret),
        description: String::new(),
        created_at: NOW,
        expires_at,
    };
    let end = NOW.plus_millis(5);
    client.further_secrets = vec![further("old", Some(end)), further("other", None)];
    let accepted = |secret: &str, now| {
        let sent = Credentials { consumer_key: client.consumer_key.clone(), secret: Secret::new(secret) };
        authenticate(&sent, Some(&client), &keys, now).is_ok()
    };
    for (secret, before, after) in
        [("new", true, true), ("old", true, false), ("other", true, true), ("none", false, false)]
    {
        assert_eq!((accepted(secret, NOW), accepted(secret, end)), (before, after), "{secret}");
        assert_eq!(accepted(secret, end.plus_millis(-1)), before, "{secret}");
    }
}

#[test]
fn a_client_uses_its_own_grants_only() {
    let keys = keyring(&[1], 0);
    let mut client = client();
    client.secrets = vec![keys.consumer_secret_mac("secret")];
    client.grants = [GrantType::Password].into();
    let sent = Credentials { consumer_key: client.consumer_key.clone(), secret: Secret::new("secret") };
    let known = authenticate(&sent, Some(&client), &keys, NOW).unwrap();
    assert_eq!(known.permits(GrantType::Password), Ok(()));
    for grant in [GrantType::ClientCredentials, GrantType::RefreshToken] {
        assert_eq!(known.permits(grant), Err(Refusal::GrantNotAllowed));
    }
}

#[test]
fn no_secret_is_shown() {
    let form = Form::parse(b"client_id=key&client_secret=hunter2").unwrap();
    let credentials = Credentials::from_request(None, &form).unwrap();
    let header = Basic::parse(&basic("key:hunter2")).unwrap().unwrap();
    for shown in [format!("{credentials:?}"), format!("{header:?}")] {
        assert!(shown.contains("key") && !shown.contains("hunter2"), "{shown}");
    }
}

proptest! {
    #[test]
    fn a_basic_header_comes_back(name in "[^:]{0,30}", password in ".{0,30}") {
        let header = Basic::parse(&basic(&format!("{name}:{password}"))).unwrap().unwrap();
        prop_assert_eq!((header.name.as_str(), header.password.expose()), (name.as_str(), password.as_str()));
    }

    #[test]
    fn any_header_is_read_or_refused(header in "[Bb]asic [A-Za-z0-9+/=]{0,40}|.{0,40}") {
        if let Some(Ok(basic)) = Basic::parse(&header) {
            prop_assert!(!basic.name.contains(':'));
        }
    }
}
