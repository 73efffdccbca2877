//! Applications: registered, found by every name they have, given other secrets, deleted.

use latchkey_oauth::client::TokenFormat;
use latchkey_oauth::client_authentication::{Credentials, authenticate};

use super::super::catalogue::EventRange;
use super::*;

async fn shown(at: &Installation, reference: Reference) -> application::Detail {
    match at.execute(Command::Application(application::Command::Show(reference))).await {
        Ok(Reply::Application(detail)) => detail,
        other => panic!("not shown: {other:?}"),
    }
}

async fn secrets(at: &Installation, command: fn(Reference) -> application::Command) -> Vec<SecretText> {
    match at.execute(Command::Application(command(named("Shop")))).await {
        Ok(Reply::ConsumerKeys(keys)) => keys.into_iter().map(|key| key.consumer_secret).collect(),
        other => panic!("no keys: {other:?}"),
    }
}

/// Whether the secret is accepted at the token endpoint.
async fn is_accepted(at: &Installation, consumer_key: &str, secret: &SecretText) -> bool {
    let facts = at.app.store.client(consumer_key).await.unwrap().expect("the client is there");
    let credentials =
        Credentials { consumer_key: consumer_key.to_owned(), secret: Secret::new(secret.0.expose()) };
    authenticate(&credentials, Some(&facts.client), &at.app.keys().ring, at.app.now()).is_ok()
}

#[tokio::test]
async fn what_is_not_said_comes_from_the_configuration() {
    let settings =
        ["oauth.token.format=opaque", "oauth.token.user_validity=120", "oauth.refresh.validity=-1"];
    let home = home();
    let at = Installation::open(&home, &settings).await;
    at.done(add_user("alice")).await;
    create(&at, new_application("Shop")).await;
    let said = NewApplication {
        token_format: Some(TokenFormat::Jwt),
        application_validity: Some(-5),
        user_validity: Some(60),
        refresh_validity: Some(90),
        ..new_application("Said")
    };
    create(&at, said).await;
    let lives = |detail: &application::Detail| {
        let key = &detail.keys[0];
        (key.token_format, key.application_validity, key.user_validity, key.refresh_validity)
    };
    assert_eq!(lives(&shown(&at, named("Shop")).await), (TokenFormat::Opaque, 3600, 120, -1));
    assert_eq!(lives(&shown(&at, named("Said")).await), (TokenFormat::Jwt, -1, 60, 90));
}

#[tokio::test]
async fn an_application_is_found_by_name_id_and_key() {
    for (at, _home) in installations().await {
        at.done(add_user("alice")).await;
        at.done(add_user("bob")).await;
        let shop = create(&at, new_application("Shop")).await;
        for name in ["Shop", &shop.id.to_string(), &shop.consumer_key] {
            assert_eq!(shown(&at, named(name)).await.summary.id, shop.id, "{name}");
        }
        let of_bob = NewApplication { owner: "bob".to_owned(), ..new_application("Shop") };
        let of_bob = create(&at, of_bob).await;
        let refused = at.refusal(Command::Application(application::Command::Keys(named("Shop")))).await;
        assert!(
            refused.message.contains("2 applications") && refused.message.contains("--owner"),
            "{refused}"
        );
        let reference = Reference { name: "Shop".to_owned(), owner: Some("bob".to_owned()) };
        assert_eq!(shown(&at, reference).await.summary.id, of_bob.id);
        assert_eq!(shown(&at, named(&shop.id.to_string())).await.summary.owner, "alice");
    }
}

#[tokio::test]
async fn a_secret_is_shown_again_and_regenerated() {
    for (at, _home) in installations().await {
        at.done(add_user("alice")).await;
        let shop = create(&at, new_application("Shop")).await;
        assert_eq!(
            secrets(&at, application::Command::Keys).await,
            std::slice::from_ref(&shop.consumer_secret)
        );
        assert!(is_accepted(&at, &shop.consumer_key, &shop.consumer_secret).await);
        let token = issue(&at, "Shop", "").await;
        let new = secrets(&at, application::Command::RegenerateSecret).await;
        assert_eq!(secrets(&at, application::Command::Keys).await, new);
        assert!(is_accepted(&at, &shop.consumer_key, &new[0]).await);
        assert!(!is_accepted(&at, &shop.consumer_key, &shop.consumer_secret).await);
        let view = inspect(&at, &token).await;
        assert!(!view.active && view.explanation.contains("reset"), "{view:?}");
    }
}

#[tokio::test]
async fn a_deleted_application_is_gone_with_its_tokens_and_the_log_says_who_did_it() {
    for (at, _home) in installations().await {
        at.done(add_user("alice")).await;
        let shop = create(&at, new_application("Shop")).await;
        let token = issue(&at, "Shop", "").await;
        at.done(Command::Application(application::Command::Delete(named("Shop")))).await;
        assert!(!inspect(&at, &token).await.active);
        assert!(at.app.store.client(&shop.consumer_key).await.unwrap().is_none());
        let again = create(&at, new_application("Shop")).await;
        assert_ne!(again.consumer_key, shop.consumer_key);
        let range = EventRange { after: 0, limit: 1000 };
        let Ok(Reply::Events(events)) = at.execute(Command::Events(range)).await else { panic!("no events") };
        let deleted = events.iter().find(|event| event.kind == "application_delete").expect("it is noted");
        assert_eq!(deleted.actor.as_deref(), Some("test"));
        assert_eq!(deleted.reason.as_deref(), Some("application_deleted"));
    }
}

/// One unit of work: the store's log shows no moment with an application and without its subscriptions.
#[tokio::test]
async fn an_application_is_registered_with_its_subscriptions_or_not_at_all() {
    for (at, _home) in installations().await {
        at.done(add_user("alice")).await;
        let api = crate::demo::example::put_api(&at.app).await.expect("the API is published");
        let subscribed = NewApplication {
            subscriptions: vec!["/echo/1.0.0".to_owned(), "/gone/1.0.0".to_owned()],
            ..new_application("Shop")
        };
        let before = at.app.store.position().await.unwrap();
        let create_it =
            |new: NewApplication| Command::Application(application::Command::Create(Box::new(new)));
        let refused = at.refusal(create_it(subscribed.clone())).await;
        assert!(refused.message.contains("/gone/1.0.0"), "{refused}");
        assert_eq!(at.app.store.position().await.unwrap(), before, "nothing is written");
        let subscriptions = vec!["/echo/1.0.0".to_owned()];
        let shop = create(&at, NewApplication { subscriptions, ..subscribed }).await;
        let facts = at.app.store.client(&shop.consumer_key).await.unwrap().expect("the client is there");
        assert!(api.definition.scopes.keys().all(|scope| facts.known_scopes.contains_key(scope)));
    }
}
