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
