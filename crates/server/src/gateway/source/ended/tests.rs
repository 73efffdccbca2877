use http::Method;
use latchkey_catalog::api::{Api, ApiDefinition, ApiState, Resource, Upgrades};
use latchkey_catalog::id::EntryId;
use latchkey_catalog::resource::Authentication;
use latchkey_catalog::subscription::{Subscription, SubscriptionState};
use latchkey_catalog::upstream::{Upstream, UpstreamUrl};
use latchkey_gateway::answer::Fault;
use latchkey_gateway::path::Target;
use latchkey_gateway::route::Transport;
use latchkey_gateway::source::{Holder, Presented, Source};
use latchkey_oauth::secret::Secret;
use latchkey_store::unit::CatalogueChange;
use tempfile::TempDir;
use tokio::task::JoinHandle;

use super::super::StoreSource;
use super::super::tests::{installation, issue};
use super::*;
use crate::admin::application::{self, Reference};
use crate::admin::text::SecretText;
use crate::admin::{self, Command, Reply, token};
use crate::testing::Installation;

const API: EntryId = EntryId::from_bytes([7; 16]);
const PATH: &str = "/talk/1/chat";

fn api(authentication: Authentication) -> Api {
    let resource = Resource {
        method: "GET".to_owned(),
        template: "/chat".to_owned(),
        authentication,
        ..Resource::default()
    };
    let definition = ApiDefinition {
        resources: vec![resource],
        production: Some(Upstream::at(vec![UpstreamUrl::parse("http://127.0.0.1:1").unwrap()])),
        ..ApiDefinition::default()
    };
    let (context, version) = ("/talk".to_owned(), "1".to_owned());
    Api { id: API, name: "Talk".to_owned(), context, version, definition }
}

/// An open stream.
struct Stage {
    at: Installation,
    application: EntryId,
    token: Secret,
    stream: JoinHandle<Withdrawn>,
    follower: JoinHandle<()>,
    _home: TempDir,
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.follower.abort();
    }
}

impl Stage {
    /// Alice's application is subscribed to an API and has called it.
    async fn set(authentication: Authentication) -> Self {
        let (at, home) = installation().await;
        let (source, token) = (StoreSource::new(Arc::clone(&at.app)), issue(&at).await);
        let Ok(Presented::Alive(holder)) = source.token(&token).await else { panic!("it was just issued") };
        let application = holder.caller(API).application;
        let held = (application, API);
        let subscription = Subscription::new(EntryId::from_bytes([6; 16]), held, "Unlimited", at.app.now());
        for change in [CatalogueChange::PutApi(api(authentication)), CatalogueChange::Subscribe(subscription)]
        {
            admin::change(&at.app, change, "test").await.unwrap().unwrap();
        }
        let opened = {
            let (routes, target) = (source.routes().await.unwrap(), Target::normalise(PATH).unwrap());
            let route = routes.find(&Method::GET, &target, Transport::Http).unwrap();
            Opened::new((&Method::GET, &target), (&route, Transport::Http), Upgrades::None)
        };
        let with = (authentication != Authentication::None).then_some(&holder);
        let follower = tokio::spawn(follow(Arc::clone(&at.app)));
        let stream = tokio::spawn(source.ended(with, opened));
        while at.app.kept_by_gateway.streams.count() == 0 {
            tokio::task::yield_now().await;
        }
        Self { at, application, token, stream, follower, _home: home }
    }

    async fn change(&self, change: CatalogueChange) {
        admin::change(&self.at.app, change, "test").await.unwrap().unwrap();
    }

    /// Whether it goes on, once all that waits has run.
    async fn goes_on(&self) -> bool {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        !self.stream.is_finished()
    }

    async fn end(mut self) -> Withdrawn {
        let end = tokio::time::timeout(Duration::from_secs(10), &mut self.stream).await;
        let end = end.expect("the stream ends").unwrap();
        assert_eq!(self.at.app.kept_by_gateway.streams.count(), 0);
        end
    }
}

#[tokio::test]
async fn a_stream_ends_with_its_token_whatever_ends_that() {
    let shop = || Reference { name: "Shop".to_owned(), owner: None };
    let ends: [Box<dyn Fn(Secret) -> Command>; 3] = [
        Box::new(|token| Command::Token(token::Command::RevokeToken { token: SecretText(token) })),
        Box::new(|_| {
            let holder = token::Holder { user: None, application: Some(shop()) };
            Command::Token(token::Command::RevokeAll(holder))
        }),
        Box::new(|_| Command::Application(application::Command::Delete(shop()))),
    ];
    for end in ends {
        let stage = Stage::set(Authentication::Any).await;
        let command = end(stage.token.clone());
        stage.at.execute(command).await.unwrap();
        assert_eq!(stage.end().await, Cause::TokenRevoked.into());
    }
}

#[tokio::test]
async fn a_stream_outlives_other_tokens_and_ends_when_its_own_expires() {
    let stage = Stage::set(Authentication::Any).await;
    let application = Reference { name: "Shop".to_owned(), owner: None };
    let command = token::Command::Issue { application, scope: None, validity: None };
    let Ok(Reply::Issued(answer)) = stage.at.execute(Command::Token(command)).await else {
        panic!("not issued")
    };
    let other = SecretText(Secret::new(answer["access_token"].as_str().unwrap()));
    stage.at.done(Command::Token(token::Command::RevokeToken { token: other })).await;
    stage.at.app.kept_by_gateway.streams.wake_all();
    assert!(stage.goes_on().await);
    stage.at.clock.advance_seconds(4000);
    stage.at.app.kept_by_gateway.streams.wake_all();
    assert_eq!(stage.end().await, Cause::TokenExpired.into());
}

#[tokio::test]
async fn a_stream_ends_when_its_call_may_not_be_made_any_more() {
    type Change = fn(EntryId) -> CatalogueChange;
    let changes: [(Change, Fault); 4] = [
        (
            |application| CatalogueChange::SetSubscriptionState {
                application,
                api: API,
                state: SubscriptionState::Blocked,
            },
            Fault::SubscriptionBlocked,
        ),
        (|application| CatalogueChange::Unsubscribe { application, api: API }, Fault::NoSubscription),
        (|_| CatalogueChange::SetApiState(API, ApiState::Blocked), Fault::ApiBlocked),
        (|_| CatalogueChange::SetApiState(API, ApiState::Retired), Fault::UnknownApi),
    ];
    for (change, fault) in changes {
        let stage = Stage::set(Authentication::Any).await;
        stage.change(CatalogueChange::SetApiState(API, ApiState::Deprecated)).await;
        assert!(stage.goes_on().await, "what is deprecated may be called");
        stage.change(change(stage.application)).await;
        assert_eq!(stage.end().await, fault.into());
    }
}

#[tokio::test]
async fn a_stream_without_a_token_ends_with_its_api() {
    let stage = Stage::set(Authentication::None).await;
    stage.change(CatalogueChange::Unsubscribe { application: stage.application, api: API }).await;
    assert!(stage.goes_on().await, "nobody needs a subscription");
    stage.change(CatalogueChange::DeleteApi(API)).await;
    assert_eq!(stage.end().await, Fault::UnknownApi.into());
}
