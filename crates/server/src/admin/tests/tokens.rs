//! Tokens and devices: inspected, listed, ended one by one and together.

use super::super::device;
use super::*;

fn of_shop() -> token::Holder {
    token::Holder { user: None, application: Some(named("Shop")) }
}

async fn shop(at: &Installation) {
    at.done(add_user("alice")).await;
    create(at, NewApplication { application_validity: Some(600), ..new_application("Shop") }).await;
}

async fn families(at: &Installation) -> Vec<token::FamilyView> {
    match at.execute(Command::Token(token::Command::List(of_shop()))).await {
        Ok(Reply::Families(families)) => families,
        other => panic!("no families: {other:?}"),
    }
}

async fn devices(at: &Installation) -> Vec<String> {
    match at.execute(Command::Device(device::Command::List(of_shop()))).await {
        Ok(Reply::Devices(devices)) => devices.into_iter().map(|device| device.device).collect(),
        other => panic!("no devices: {other:?}"),
    }
}

#[tokio::test]
async fn inspection_says_what_a_token_is_and_why_it_is_not_valid() {
    for (at, _home) in installations().await {
        shop(&at).await;
        let first = issue(&at, "Shop", "device_a").await;
        let view = inspect(&at, &first).await;
        let family = view.family.as_ref().expect("its family is there");
        assert!(view.active && view.kind.as_deref() == Some("access"));
        assert_eq!((family.scope.as_str(), family.device.as_deref()), ("device_a", Some("device_a")));
        assert_eq!((family.application.as_str(), &family.user), ("Shop", &None));
        at.clock.advance_seconds(1);
        let second = issue(&at, "Shop", "device_a").await;
        let view = inspect(&at, &first).await;
        assert!(!view.active && view.explanation.contains("newer token"), "{view:?}");
        at.clock.advance_seconds(600);
        let view = inspect(&at, &second).await;
        assert!(!view.active && view.explanation.contains("expired"), "{view:?}");
        let view = inspect(&at, &secret("no token at all")).await;
        assert!(!view.active && view.family.is_none(), "{view:?}");
    }
}

#[tokio::test]
async fn tokens_end_one_by_one_and_together() {
    for (at, _home) in installations().await {
        shop(&at).await;
        let old = issue(&at, "Shop", "device_a").await;
        let a = issue(&at, "Shop", "device_a").await;
        let b = issue(&at, "Shop", "device_b").await;
        let c = issue(&at, "Shop", "device_c").await;
        let revoke =
            |token: &SecretText| Command::Token(token::Command::RevokeToken { token: token.clone() });
        assert!(at.done(revoke(&old)).await.contains("nothing has changed"));
        assert!(inspect(&at, &a).await.active, "a superseded token ends nothing");
        assert!(at.done(revoke(&a)).await.contains("has ended"));
        assert!(!inspect(&at, &a).await.active && inspect(&at, &b).await.active);
        let family = inspect(&at, &b).await.family.expect("it is alive").family;
        let end = || Command::Token(token::Command::RevokeFamily { family: family.clone() });
        at.done(end()).await;
        assert!(at.refusal(end()).await.message.contains(&family));
        assert!(!inspect(&at, &b).await.active && inspect(&at, &c).await.active);
        assert_eq!(families(&at).await.len(), 1);
        at.done(Command::Token(token::Command::RevokeAll(of_shop()))).await;
        assert!(!inspect(&at, &c).await.active);
        assert!(families(&at).await.is_empty());
        assert!(inspect(&at, &issue(&at, "Shop", "device_c").await).await.active, "new ones live");
    }
}

#[tokio::test]
async fn one_device_ends_and_others_stay() {
    for (at, _home) in installations().await {
        shop(&at).await;
        let phone = issue(&at, "Shop", "device_phone").await;
        let tablet = issue(&at, "Shop", "device_tablet").await;
        issue(&at, "Shop", "").await;
        assert_eq!(devices(&at).await, ["device_phone", "device_tablet"], "the unnamed one is no device");
        let end = |device: &str| {
            Command::Device(device::Command::Revoke { holder: of_shop(), device: device.to_owned() })
        };
        at.done(end("device_phone")).await;
        assert!(!inspect(&at, &phone).await.active && inspect(&at, &tablet).await.active);
        assert_eq!(devices(&at).await, ["device_tablet"]);
        assert!(at.refusal(end("device_phone")).await.message.contains("device_phone"));
    }
}

#[tokio::test]
async fn issuing_keeps_the_rules_of_the_token_endpoint() {
    for (at, _home) in installations().await {
        shop(&at).await;
        let only_password = [GrantType::Password].into();
        create(&at, NewApplication { grants: only_password, ..new_application("Users") }).await;
        let try_issue = |name: &str, validity| {
            let scope = Some("device_a".to_owned());
            Command::Token(token::Command::Issue { application: named(name), scope, validity })
        };
        assert!(at.refusal(try_issue("Users", None)).await.message.contains("client_credentials"));
        assert!(at.refusal(try_issue("Shop", Some(0))).await.message.contains("--validity 0"));
        assert!(at.refusal(try_issue("Shop", Some(-1))).await.message.contains("validity_period"));
        let Ok(Reply::Issued(answer)) = at.execute(try_issue("Shop", Some(5))).await else {
            panic!("not issued")
        };
        assert_eq!((&answer["expires_in"], &answer["scope"]), (&5.into(), &"device_a".into()));
    }
}

/// An application's list shows whose each token is: its own, and those of its users.
#[tokio::test]
async fn an_applications_list_shows_its_users_too() {
    for (at, _home) in installations().await {
        at.done(add_user("alice")).await;
        at.done(add_user("bob")).await;
        let shop = create(&at, new_application("Shop")).await;
        let other = create(&at, new_application("Other")).await;
        issue(&at, "Shop", "device_till").await;
        for (application, user) in [(&shop, "alice"), (&shop, "bob"), (&other, "alice")] {
            let form =
                format!("grant_type=password&username={user}&password=correct+horse&scope=device_phone");
            assert_eq!(at.post("/oauth2/token", application, &form).await.0, 200);
        }
        let mut holders: Vec<_> =
            families(&at).await.into_iter().map(|view| (view.user, view.device)).collect();
        holders.sort();
        let of = |user: Option<&str>, device: &str| (user.map(str::to_owned), Some(device.to_owned()));
        let expected =
            [of(None, "device_till"), of(Some("alice"), "device_phone"), of(Some("bob"), "device_phone")];
        assert_eq!(holders, expected);
        let Ok(Reply::Devices(devices)) = at.execute(Command::Device(device::Command::List(of_shop()))).await
        else {
            panic!("no devices")
        };
        let mut holders: Vec<_> = devices.into_iter().map(|view| (view.user, Some(view.device))).collect();
        holders.sort();
        assert_eq!(holders, expected, "each user's device is one of its own");
    }
}
