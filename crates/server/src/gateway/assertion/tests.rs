//! Assertions: what they say, how long they are handed out, and that their key is published.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use latchkey_catalog::api::{Api, ApiDefinition, Resource};
use latchkey_catalog::id::EntryId;
use latchkey_catalog::subscription::Subscription;
use latchkey_catalog::upstream::{Upstream, UpstreamUrl};
use latchkey_gateway::path::Target;
use latchkey_gateway::source::{Presented, Source};
use latchkey_oauth::client::GrantType;
use latchkey_oauth::secret::Secret;
use latchkey_store::unit::CatalogueChange;

use super::super::StoreSource;
use super::*;
use crate::admin::application::{self, Created, NewApplication, Reference};
use crate::admin::text::SecretText;
use crate::admin::{self, Command, Reply, token, user};
use crate::endpoint::jwks;
use crate::testing::{Installation, home};

const API: EntryId = EntryId::from_bytes([7; 16]);

struct Scene {
    at: Installation,
    source: StoreSource,
    shop: Created,
    _home: tempfile::TempDir,
}

/// An API, and alice's application that subscribes to it.
async fn scene(settings: &[&str]) -> Scene {
    let home = home();
    let mut all = vec!["store.url=memory:", "gateway.backend_jwt.enabled=true"];
    all.extend(settings);
    let at = Installation::open(&home, &all).await;
    let password = SecretText(Secret::new("correct horse"));
    let roles = ["reader".to_owned()].into();
    at.done(Command::User(user::Command::Add { name: "alice".to_owned(), password, roles })).await;
    let resource = Resource { method: "GET".to_owned(), template: "/*".to_owned(), ..Resource::default() };
    let definition = ApiDefinition {
        resources: vec![resource],
        production: Some(Upstream::at(vec![UpstreamUrl::parse("http://127.0.0.1:1").unwrap()])),
        ..ApiDefinition::default()
    };
    let (name, context, version) = ("Echo".to_owned(), "/check".to_owned(), "1.0.0".to_owned());
    let api = Api { id: API, name, context, version, definition };
    admin::change(&at.app, CatalogueChange::PutApi(api), "test").await.unwrap().unwrap();
    let new = NewApplication {
        name: "Shop".to_owned(),
        owner: "alice".to_owned(),
        grants: GrantType::ALL.into(),
        ..NewApplication::default()
    };
    let created = at.execute(Command::Application(application::Command::Create(Box::new(new)))).await;
    let Ok(Reply::Created(shop)) = created else { panic!("not created: {created:?}") };
    let source = StoreSource::new(Arc::clone(&at.app));
    let scene = Scene { at, source, shop, _home: home };
    scene.subscribe("Gold").await;
    scene
}

impl Scene {
    async fn subscribe(&self, tier: &str) {
        let (id, key) = (EntryId::from_bytes([9; 16]), (self.shop.id, API));
        let subscription = Subscription::new(id, key, tier, self.at.app.now());
        let change = CatalogueChange::Subscribe(subscription);
        admin::change(&self.at.app, change, "test").await.unwrap().unwrap();
    }

    async fn token(&self) -> Secret {
        let application = Reference { name: "Shop".to_owned(), owner: None };
        let command = token::Command::Issue { application, scope: None, validity: None };
        let issued = self.at.execute(Command::Token(command)).await;
        let Ok(Reply::Issued(answer)) = issued else { panic!("not issued: {issued:?}") };
        Secret::new(answer["access_token"].as_str().unwrap())
    }

    /// The assertion of a call with this token.
    async fn asserted(&self, token: &Secret) -> String {
        let Ok(Presented::Alive(holder)) = self.source.token(token).await else { panic!("it is alive") };
        let routes = self.source.routes().await.unwrap();
        let (api, _) = routes.api(&Target::normalise("/check/1.0.0/a").unwrap()).unwrap();
        let value = self.source.assertion(&holder, api).await.unwrap().unwrap();
        assert!(value.is_sensitive());
        value.to_str().unwrap().to_owned()
    }
}

fn part(assertion: &str, number: usize) -> Value {
    let part = assertion.split('.').nth(number).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

#[tokio::test]
async fn an_assertion_tells_who_calls_what() {
    let scene = scene(&["gateway.backend_jwt.user_claims=true"]).await;
    let assertion = scene.asserted(&scene.token().await).await;
    let (header, claims) = (part(&assertion, 0), part(&assertion, 1));
    assert_eq!((&header["alg"], &header["typ"]), (&"RS256".into(), &"JWT".into()));
    let expected = [
        ("subscriber", "alice"),
        ("applicationname", "Shop"),
        ("apiname", "Echo"),
        ("apicontext", "/check/1.0.0"),
        ("tier", "Gold"),
        ("usertype", "Application"),
        ("enduser", "alice@carbon.super"),
    ];
    for (name, value) in expected {
        assert_eq!(claims[format!("http://wso2.org/claims/{name}")], value, "{claims}");
    }
    assert_eq!(claims["sub"], scene.shop.consumer_key.as_str());
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 900);
    let published = http_body_util::BodyExt::collect(jwks::answer(&scene.at.app).into_body()).await.unwrap();
    let published: Value = serde_json::from_slice(&published.to_bytes()).unwrap();
    let keys = published["keys"].as_array().unwrap();
    assert!(keys.iter().any(|key| key["kid"] == header["kid"] && key["kty"] == "RSA"), "{published}");
}

#[tokio::test]
async fn an_assertion_is_handed_out_again_until_something_changes() {
    let scene = scene(&[]).await;
    let token = scene.token().await;
    let first = scene.asserted(&token).await;
    scene.at.clock.advance_seconds(809);
    assert_eq!(scene.asserted(&token).await, first, "more than a tenth of its life is left");
    scene.at.clock.advance_seconds(1);
    let second = scene.asserted(&token).await;
    assert_ne!(part(&second, 1)["jti"], part(&first, 1)["jti"]);
    scene.subscribe("Silver").await;
    let third = scene.asserted(&token).await;
    assert_eq!(part(&third, 1)["http://wso2.org/claims/tier"], "Silver");
    let other = scene.asserted(&scene.token().await).await;
    assert_ne!(other, third, "another generation is another assertion");
}

#[tokio::test]
async fn many_calls_at_once_share_one_signature() {
    let scene = scene(&["gateway.backend_jwt.algorithm=ES256"]).await;
    let token = scene.token().await;
    let (one, two, three) =
        tokio::join!(scene.asserted(&token), scene.asserted(&token), scene.asserted(&token));
    assert_eq!([&one, &two], [&three, &three]);
    let kid = part(&one, 0)["kid"].clone();
    assert_eq!(kid, scene.at.app.keys().signing.active().kid(), "the key of the tokens has the algorithm");
}

#[tokio::test]
async fn nothing_is_asserted_unless_asked_for() {
    let home = home();
    let at = Installation::open(&home, &["store.url=memory:"]).await;
    let source = StoreSource::new(Arc::clone(&at.app));
    assert_eq!(source.assertion_header(), None);
    assert_eq!(at.app.keys().signing.published()["keys"].as_array().unwrap().len(), 2);
}
