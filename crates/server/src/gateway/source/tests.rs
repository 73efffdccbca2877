//! The store's facts as the gateway gets them, and as an administrator reads them after a refusal.

use latchkey_catalog::tier::{Level, Limit, PastLimit, Tier, TierDetails, Unit, Window};
use latchkey_gateway::answer::Fault;
use latchkey_gateway::explain::{Cause, Refusal as Refused, Who};
use latchkey_oauth::client::GrantType;
use latchkey_store::unit::CatalogueChange;

use super::*;
use crate::admin::application::{self, NewApplication, Reference};
use crate::admin::explanation::ExplanationView;
use crate::admin::text::SecretText;
use crate::admin::{self, Command, ErrorKind, Reply, token, user};
use crate::testing::{Installation, home};

/// An installation with alice and an application of hers.
pub(super) async fn installation() -> (Installation, tempfile::TempDir) {
    installation_with(&["store.url=memory:"]).await
}

async fn installation_with(settings: &[&str]) -> (Installation, tempfile::TempDir) {
    let home = home();
    let at = Installation::open(&home, settings).await;
    let password = SecretText(Secret::new("correct horse"));
    at.done(Command::User(user::Command::Add { name: "alice".to_owned(), password, roles: [].into() })).await;
    let new = NewApplication {
        name: "Shop".to_owned(),
        owner: "alice".to_owned(),
        grants: GrantType::ALL.into(),
        ..NewApplication::default()
    };
    at.execute(Command::Application(application::Command::Create(Box::new(new)))).await.unwrap();
    (at, home)
}

pub(super) async fn issue(at: &Installation) -> Secret {
    let application = Reference { name: "Shop".to_owned(), owner: None };
    let scope = Some("device_ipad".to_owned());
    let command = token::Command::Issue { application, scope, validity: None };
    match at.execute(Command::Token(command)).await {
        Ok(Reply::Issued(answer)) => Secret::new(answer["access_token"].as_str().unwrap()),
        other => panic!("not issued: {other:?}"),
    }
}

async fn explained(at: &Installation, id: &str) -> admin::Result<Box<ExplanationView>> {
    let reply = at.execute(Command::Token(token::Command::Explain { id: id.to_owned() })).await?;
    let Reply::Explanation(view) = reply else { panic!("no explanation: {reply:?}") };
    Ok(view)
}

const API: EntryId = EntryId::from_bytes([7; 16]);

#[tokio::test]
async fn a_dead_token_opens_nothing_and_tells_whose_it_was() {
    let (at, _home) = installation().await;
    let (source, token) = (StoreSource::new(Arc::clone(&at.app)), issue(&at).await);
    let Ok(Presented::Alive(holder)) = source.token(&token).await else { panic!("it was just issued") };
    let alive = Who::of(&holder.caller(API));
    assert_eq!(alive.device.as_deref(), Some("device_ipad"));
    assert_eq!(holder.caller(API).application_tier, "Unlimited");
    assert_eq!(holder.caller(API).subscription, None);

    at.clock.advance_seconds(4000);
    let Ok(Presented::Expired(Some(holder))) = source.token(&token).await else { panic!("it is expired") };
    assert_eq!(Who::of(&holder.caller(API)), alive);
    at.clock.advance_seconds(-4000);
    at.done(Command::Token(token::Command::RevokeToken { token: SecretText(token.clone()) })).await;
    assert!(matches!(source.token(&token).await, Ok(Presented::Revoked(_) | Presented::Unknown)));
}

/// Whoever holds a token that was revoked goes on calling for a while; the store need not be read for each call.
#[tokio::test]
async fn what_is_told_at_hand_is_what_a_look_tells() {
    let (at, _home) = installation_with(&[]).await;
    let (source, token) = (StoreSource::new(Arc::clone(&at.app)), issue(&at).await);
    let at_hand = |token: &Secret| source.token_at_hand(token, at.app.now());
    assert!(matches!(source.token(&token).await, Ok(Presented::Alive(_))));
    assert!(matches!(at_hand(&token), Some(Presented::Alive(_))));
    at.clock.advance_seconds(4000);
    assert!(matches!(at_hand(&token), Some(Presented::Expired(Some(_)))));
    at.clock.advance_seconds(-4000);
    assert!(matches!(at_hand(&token), Some(Presented::Alive(_))));
    at.done(Command::Token(token::Command::RevokeToken { token: SecretText(token.clone()) })).await;
    assert!(!matches!(at_hand(&token), Some(Presented::Alive(_))));
    assert!(matches!(source.token(&token).await, Ok(Presented::Revoked(_) | Presented::Unknown)));
    assert!(matches!(at_hand(&token), Some(Presented::Revoked(_) | Presented::Unknown)));
    let mut garbage = token.expose().to_owned();
    garbage.replace_range(10..11, if &garbage[10..11] == "a" { "b" } else { "a" });
    let garbage = Secret::new(garbage);
    assert!(matches!(source.token(&garbage).await, Ok(Presented::Unknown)));
    assert!(matches!(at_hand(&garbage), None | Some(Presented::Unknown)));
    let again = issue(&at).await;
    assert!(
        matches!(source.token(&again).await, Ok(Presented::Alive(_))),
        "the next token is none of the dead"
    );
}

#[tokio::test]
async fn an_administrator_reads_who_was_refused_and_what_to_do() {
    let (at, _home) = installation().await;
    let (source, token) = (StoreSource::new(Arc::clone(&at.app)), issue(&at).await);
    let Ok(Presented::Alive(holder)) = source.token(&token).await else { panic!("it was just issued") };
    let who = Some(Who::of(&holder.caller(API)));
    let (at_time, cause) = (at.app.now(), Some(Cause::TokenExpired));
    let refused =
        Refused { at: at_time, fault: Fault::InvalidCredentials, cause, who, limit: None, place: None };
    let id = at.app.kept_by_gateway.explanations.note(refused).to_string();
    let view = explained(&at, &id).await.unwrap();
    assert_eq!((view.status, view.code.as_str()), (401, "900901"));
    assert_eq!(view.rule, "The token is expired.");
    assert!(view.fix.contains("refresh token"), "{}", view.fix);
    let caller = view.caller.as_ref().unwrap();
    assert_eq!((caller.application.as_str(), caller.device.as_deref()), ("Shop", Some("device_ipad")));
    assert_eq!(caller.user, None);
    let text = serde_json::to_string(&view).unwrap();
    assert!(!text.contains(token.expose()), "{text}");
    // The family is a name that ends the token.
    at.done(Command::Token(token::Command::RevokeFamily { family: caller.family.clone().unwrap() })).await;

    let unknown = explained(&at, "0123456789abcdef").await.unwrap_err();
    assert!(unknown.kind == ErrorKind::Refused && unknown.message.contains("repeat the call"), "{unknown}");
    assert_eq!(explained(&at, "nonsense").await.unwrap_err().kind, ErrorKind::WrongUse);
}

#[tokio::test]
async fn a_changed_tier_is_there_for_the_next_call() {
    let (at, _home) = installation().await;
    let source = StoreSource::new(Arc::clone(&at.app));
    let routes = source.routes().await.unwrap();
    let calls = |routes: &Routes| {
        let gold = routes.tiers().subscription("Gold").unwrap();
        gold.and_then(|tier| tier.limit).map(|limit| limit.calls)
    };
    assert_eq!(calls(&routes), Some(5000));
    let limit = Some(Limit { calls: 7, window: Window::one(Unit::Minute) });
    let (level, past_limit) = (Level::Subscription, PastLimit::Refuse);
    let gold = Tier {
        name: "Gold".to_owned(),
        level,
        limit,
        burst: None,
        past_limit,
        details: TierDetails::default(),
    };
    admin::change(&at.app, CatalogueChange::PutTier(gold), "test").await.unwrap().unwrap();
    assert_eq!(calls(&source.routes().await.unwrap()), Some(7));
}
