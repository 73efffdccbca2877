//! API keys as an administrator makes and ends them, and what they open meanwhile.

use std::sync::Arc;

use latchkey_catalog::id::EntryId;
use latchkey_gateway::authorize::Credential;
use latchkey_gateway::source::{Holder, Presented, Source};
use latchkey_oauth::client::KeyType;

use super::*;
use crate::admin::api_key::{ApiKeyView, Command as KeyCommand, Named, NewApiKey, Shown, Wishes};
use crate::admin::{AdminError, ErrorKind};
use crate::gateway::StoreSource;

fn wishes(name: &str) -> Wishes {
    let (addresses, referers) = ("192.168.1.2/24".to_owned(), String::new());
    Wishes { name: name.to_owned(), keys: KeyType::Production, validity: -1, addresses, referers }
}

async fn make(at: &Installation, wishes: Wishes) -> Result<Shown, AdminError> {
    let new = NewApiKey { application: named("Shop"), wishes };
    let reply = at.execute(Command::ApiKey(KeyCommand::Create(Box::new(new)))).await?;
    let Reply::ApiKey(shown) = reply else { panic!("no API key: {reply:?}") };
    Ok(shown)
}

async fn listed(at: &Installation) -> Vec<ApiKeyView> {
    match at.execute(Command::ApiKey(KeyCommand::List(named("Shop")))).await {
        Ok(Reply::ApiKeys(keys)) => keys,
        other => panic!("no list: {other:?}"),
    }
}

fn of(name: &str, keys: KeyType) -> Named {
    Named { application: named("Shop"), keys, name: name.to_owned() }
}

/// What the value stands for at the gateway, which both ways of asking agree on.
async fn opens(at: &Installation, source: &StoreSource, value: &Secret) -> &'static str {
    let word = |presented| match presented {
        Presented::Alive(_) => "alive",
        Presented::Expired(Some(_)) => "expired",
        Presented::Revoked(Some(_)) => "superseded",
        Presented::Unknown => "unknown",
        Presented::Expired(None) | Presented::Revoked(None) => "of nobody",
    };
    let asked = word(source.api_key(value).await.unwrap());
    if let Some(at_hand) = source.api_key_at_hand(value, at.app.now()) {
        assert_eq!(word(at_hand), asked);
    }
    assert!(matches!(source.token(value).await, Ok(Presented::Unknown)), "it is no token");
    asked
}

#[tokio::test]
async fn a_key_lives_from_its_making_to_its_end() {
    for (at, _home) in installations().await {
        at.done(add_user("alice")).await;
        create(&at, new_application("Shop")).await;
        let source = StoreSource::new(Arc::clone(&at.app));
        let web = make(&at, wishes("web")).await.unwrap();
        let value = web.api_key.0.clone();
        assert!(value.expose().starts_with("lkk_") && web.expires_at == "never");
        assert_eq!(opens(&at, &source, &value).await, "alive");
        let Ok(Presented::Alive(holder)) = source.api_key(&value).await else { panic!("it lives") };
        let caller = holder.caller(EntryId::from_bytes([1; 16]));
        assert!(matches!(caller.credential, Credential::ApiKey { name: "web", .. }), "{caller:?}");
        assert!(caller.scope.as_str().is_empty() && caller.consumer_key.is_none() && caller.device.is_none());

        at.clock.advance_seconds(10);
        let Ok(Reply::ApiKey(next)) =
            at.execute(Command::ApiKey(KeyCommand::Regenerate(of("web", KeyType::Production)))).await
        else {
            panic!("not regenerated")
        };
        assert_eq!(next.id, web.id);
        assert_eq!(opens(&at, &source, &value).await, "superseded");
        assert_eq!(opens(&at, &source, &next.api_key.0).await, "alive");
        at.done(Command::ApiKey(KeyCommand::Revoke(of(&web.id.to_string(), KeyType::Production)))).await;
        assert_eq!(opens(&at, &source, &next.api_key.0).await, "unknown");
        assert_eq!(opens(&at, &source, &value).await, "unknown");
        assert_eq!(listed(&at).await.len(), 0);
    }
}

#[tokio::test]
async fn a_key_ends_with_its_time_and_with_its_application() {
    for (at, _home) in installations().await {
        at.done(add_user("alice")).await;
        create(&at, new_application("Shop")).await;
        let source = StoreSource::new(Arc::clone(&at.app));
        let short = make(&at, Wishes { validity: 60, ..wishes("short") }).await.unwrap();
        let long = make(&at, wishes("long")).await.unwrap();
        at.clock.advance_seconds(59);
        assert_eq!(opens(&at, &source, &short.api_key.0).await, "alive");
        at.clock.advance_seconds(1);
        assert_eq!(opens(&at, &source, &short.api_key.0).await, "expired");
        assert_eq!(opens(&at, &source, &long.api_key.0).await, "alive");
        // Another secret ends tokens. A key has nothing to do with it.
        at.execute(Command::Application(application::Command::RegenerateSecret(named("Shop"))))
            .await
            .unwrap();
        assert_eq!(opens(&at, &source, &long.api_key.0).await, "alive");
        at.done(Command::Application(application::Command::Delete(named("Shop")))).await;
        assert_eq!(opens(&at, &source, &long.api_key.0).await, "unknown");
        assert_eq!(opens(&at, &source, &short.api_key.0).await, "unknown");
    }
}

#[tokio::test]
async fn what_cannot_be_a_key_is_refused_with_a_reason() {
    for (at, _home) in installations().await {
        at.done(add_user("alice")).await;
        create(&at, new_application("Shop")).await;
        make(&at, wishes("web")).await.unwrap();
        let cases = [
            (wishes("web"), ErrorKind::Refused, "already"),
            (wishes(""), ErrorKind::WrongUse, "API key name"),
            (wishes("a\nb"), ErrorKind::WrongUse, "API key name"),
            (wishes(&"x".repeat(101)), ErrorKind::WrongUse, "1 to 100"),
            (Wishes { validity: 0, ..wishes("a") }, ErrorKind::WrongUse, "-1"),
            (Wishes { validity: i64::MAX, ..wishes("a") }, ErrorKind::WrongUse, "-1"),
            (Wishes { addresses: "1.2.3".to_owned(), ..wishes("a") }, ErrorKind::WrongUse, "1.2.3"),
            (Wishes { referers: "/path".to_owned(), ..wishes("a") }, ErrorKind::WrongUse, "/path"),
        ];
        for (wishes, kind, words) in cases {
            let refused = make(&at, wishes.clone()).await.unwrap_err();
            assert!(refused.kind == kind && refused.message.contains(words), "{wishes:?}: {refused:?}");
        }
        make(&at, Wishes { keys: KeyType::Sandbox, ..wishes("web") }).await.unwrap();
        let keys = listed(&at).await;
        let names: Vec<_> = keys.iter().map(|key| (key.name.as_str(), key.key_type)).collect();
        assert_eq!(names, [("web", KeyType::Production), ("web", KeyType::Sandbox)]);
        assert_eq!(keys[0].permitted_addresses, "192.168.1.2/24");
        assert!(keys[0].permitted_referers.is_empty() && keys[0].last_used_at.is_none());
        let unknown = Command::ApiKey(KeyCommand::Revoke(of("mobile", KeyType::Production)));
        let refused = at.refusal(unknown).await;
        assert!(refused.message.contains("latchkey apikey list"), "{refused}");
    }
}

#[tokio::test]
async fn nothing_that_is_kept_or_listed_opens_anything() {
    let home = home();
    let at = Installation::open(&home, &["store.url=sqlite:latchkey.db"]).await;
    at.done(add_user("alice")).await;
    create(&at, new_application("Shop")).await;
    let value = make(&at, wishes("web")).await.unwrap().api_key.0;
    let shown = serde_json::to_string(&listed(&at).await).unwrap();
    assert!(!shown.contains(value.expose()) && !shown.contains("seed"), "{shown}");
    let secret = &value.expose()[40..];
    for file in std::fs::read_dir(home.path().join("data")).unwrap() {
        let path = file.unwrap().path();
        if path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            let holds = bytes.windows(secret.len()).any(|part| part == secret.as_bytes());
            assert!(!holds, "{} holds the value", path.display());
        }
    }
}

#[tokio::test]
async fn a_call_is_seen_under_the_name_of_its_key() {
    use latchkey_catalog::usage::{CallClass, Day};
    use latchkey_gateway::record::{Called, Sight};
    use latchkey_oauth::id::{Bucket, PrincipalId};
    use latchkey_store::records::UsageOf;

    for (at, _home) in installations().await {
        at.done(add_user("alice")).await;
        let application = create(&at, new_application("Shop")).await.id;
        let key = make(&at, wishes("web")).await.unwrap();
        let facts = at.app.store.api_key(key.id).await.unwrap().unwrap();
        let called = Called {
            at: at.app.now(),
            api: EntryId::from_bytes([7; 16]),
            by: Some((application, facts.key.family())),
            class: CallClass::Passed,
            micros: 10,
        };
        at.app.recorder.thread().push(called, Sight::default);
        assert_eq!(listed(&at).await[0].last_used_at.as_deref(), Some(&*listed(&at).await[0].issued_at));
        let day = Day::of(at.app.now());
        let usage = at.app.store.usage(UsageOf::Application(application), day, None, 10).await.unwrap();
        let [usage] = usage.as_slice() else { panic!("{usage:?}") };
        assert_eq!(usage.key.device.as_str(), "api_key:web");
        assert_eq!(usage.key.subject, Some(PrincipalId::from_bytes(*application.as_bytes())));
        // What is swept is what nobody can call with any more.
        for bucket in 0..Bucket::COUNT {
            at.app.store.trim_records(Bucket::new(bucket).unwrap(), day).await.unwrap();
        }
        assert!(listed(&at).await[0].last_used_at.is_some(), "the key is still there");
    }
}
