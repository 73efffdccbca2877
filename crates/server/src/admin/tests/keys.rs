//! Keys: rotation with overlap ends nothing, removal and the raised minimum do.

use latchkey_oauth::client::TokenFormat;

use super::*;

async fn do_key(at: &Installation, command: key::Command) -> String {
    at.done(Command::Key(command)).await
}

#[tokio::test]
async fn a_signing_key_is_rotated_with_overlap_and_removed() {
    for (at, _home) in installations().await {
        at.done(add_user("alice")).await;
        create(&at, new_application("Shop")).await;
        let old = issue(&at, "Shop", "device_a").await;
        let before = keys(&at).await;
        do_key(&at, key::Command::RotateSigning).await;
        let after = keys(&at).await;
        let of = |listing: &key::KeyListing, state: &str| {
            listing.signing.iter().find(|key| key.state == state).map(|key| key.kid.clone())
        };
        assert_eq!(of(&after, "active"), of(&before, "next"), "the key published ahead signs");
        let retired = of(&after, "retired").expect("the old key stays");
        assert_eq!(Some(&retired), of(&before, "active").as_ref());
        let new = issue(&at, "Shop", "device_b").await;
        assert!(inspect(&at, &old).await.active && inspect(&at, &new).await.active);
        let active = of(&after, "active").expect("there is one");
        let refused = at.refusal(Command::Key(key::Command::Remove { kid: active.clone() })).await;
        assert!(refused.message.contains(&active) && refused.message.contains("in use"), "{refused}");
        do_key(&at, key::Command::Remove { kid: retired }).await;
        assert!(!inspect(&at, &old).await.active && inspect(&at, &new).await.active);
    }
}

#[tokio::test]
async fn a_master_key_is_rotated_and_nothing_ends_until_the_minimum_is_raised() {
    for (at, _home) in installations().await {
        at.done(add_user("alice")).await;
        let opaque = NewApplication { token_format: Some(TokenFormat::Opaque), ..new_application("Shop") };
        let shop = create(&at, opaque).await;
        let jwt = create(&at, new_application("Signed")).await;
        let old = issue(&at, "Shop", "device_a").await;
        let said = do_key(&at, key::Command::RotateMaster).await;
        assert!(said.contains("Master key 2") && said.contains("2 consumer secrets"), "{said}");
        let new = issue(&at, "Shop", "device_b").await;
        assert!(inspect(&at, &old).await.active && inspect(&at, &new).await.active);
        do_key(&at, key::Command::RaiseMinimum { minimum: 2 }).await;
        assert!(!inspect(&at, &old).await.active, "made under the older key");
        assert!(inspect(&at, &new).await.active);
        assert_eq!(keys(&at).await.master.len(), 1);
        for (name, made) in [("Shop", &shop), ("Signed", &jwt)] {
            let command = Command::Application(application::Command::Keys(named(name)));
            let Ok(Reply::ConsumerKeys(kept)) = at.execute(command).await else { panic!("no keys") };
            assert_eq!(kept[0].consumer_secret, made.consumer_secret, "the secret is the same");
            assert!(inspect(&at, &issue(&at, name, "device_c").await).await.active, "and is accepted");
        }
    }
}

/// A rotation that was interrupted before every secret had moved is made good by the next step.
#[tokio::test]
async fn raising_the_minimum_moves_what_a_broken_rotation_left() {
    for (at, _home) in installations().await {
        at.done(add_user("alice")).await;
        let shop = create(&at, new_application("Shop")).await;
        let now = at.app.now();
        at.app.change_keys(|document| document.rotate_master(&*at.app.entropy, now)).unwrap().unwrap();
        do_key(&at, key::Command::RaiseMinimum { minimum: 2 }).await;
        let command = Command::Application(application::Command::Keys(named("Shop")));
        let Ok(Reply::ConsumerKeys(kept)) = at.execute(command).await else { panic!("no keys") };
        assert_eq!(kept[0].consumer_secret, shop.consumer_secret);
    }
}

/// What alice is given through `shop` for one device; the same again while it is accepted.
async fn sign_in(at: &Installation, shop: &Created) -> (String, String) {
    let form = "grant_type=password&username=alice&password=correct+horse&scope=device_a";
    let (status, answer) = at.post("/oauth2/token", shop, form).await;
    assert_eq!(status, 200, "{answer}");
    let text = |name: &str| answer[name].as_str().expect("it is given").to_owned();
    (text("access_token"), text("refresh_token"))
}

/// Values of other generators say nothing of the key that they were sealed under; they end all the same.
#[tokio::test]
async fn a_raised_minimum_and_a_new_incarnation_end_values_of_other_generators() {
    for url in ["store.url=memory:", "store.url=sqlite:latchkey.db"] {
        let home = home();
        let at = Installation::open(&home, &[url, "oauth.token.generator=uuid"]).await;
        at.done(add_user("alice")).await;
        let opaque = NewApplication { token_format: Some(TokenFormat::Opaque), ..new_application("Shop") };
        let shop = create(&at, opaque).await;
        let first = sign_in(&at, &shop).await;
        do_key(&at, key::Command::RotateMaster).await;
        assert_eq!(sign_in(&at, &shop).await, first, "a rotation alone ends nothing");
        do_key(&at, key::Command::RaiseMinimum { minimum: 2 }).await;
        let second = has_ended(&at, &shop, &first).await;
        at.app
            .change_keys(|document| {
                document.incarnation += 1;
                Ok(())
            })
            .unwrap()
            .unwrap();
        has_ended(&at, &shop, &second).await;
    }
}

/// That nothing takes `old` any more, and that the same request gets other tokens.
async fn has_ended(at: &Installation, shop: &Created, old: &(String, String)) -> (String, String) {
    for token in [&old.0, &old.1] {
        let (_, answer) = at.post("/oauth2/introspect", shop, &format!("token={token}")).await;
        assert_eq!(answer, serde_json::json!({"active": false}));
    }
    let form = format!("grant_type=refresh_token&refresh_token={}", old.1);
    let (status, answer) = at.post("/oauth2/token", shop, &form).await;
    assert_eq!((status.as_u16(), &answer["error"]), (400, &"invalid_grant".into()));
    let new = sign_in(at, shop).await;
    assert!(new.0 != old.0 && new.1 != old.1, "both values are new");
    assert_eq!(sign_in(at, shop).await, new, "and are given again");
    assert!(inspect(at, &secret(&new.0)).await.active && !inspect(at, &secret(&old.0)).await.active);
    new
}
