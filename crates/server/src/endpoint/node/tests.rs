mod told;

use std::sync::Arc;

use axum::Router;
use http::header::AUTHORIZATION;
use http_body_util::BodyExt;
use latchkey_catalog::node::Node;
use latchkey_gateway::node::assertions::ASSERTIONS;
use latchkey_gateway::node::explanations::EXPLANATIONS;
use latchkey_gateway::node::limits::LIMITS;
use latchkey_gateway::node::records::RECORDS;
use latchkey_gateway::node::wire::{FEED, LOOKUP, SNAPSHOT};
use latchkey_oauth::revocation::{Reason, Selector};
use latchkey_store::unit::{CatalogueChange, Change, Ending};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;
use crate::admin::application::NewApplication;
use crate::admin::{Command, Reply, application, user};
use crate::http::router;
use crate::metrics::Metrics;
use crate::request_summary::{Lines, Summaries};
use crate::testing::{Installation, home};

/// An installation with a node that asks it.
struct Desk {
    at: Installation,
    secret: Secret,
    router: Router,
    _home: tempfile::TempDir,
}

impl Desk {
    async fn open() -> Self {
        Self::open_with(&[]).await
    }

    async fn open_with(settings: &[&str]) -> Self {
        let home = home();
        let at = Installation::open(&home, &[&["server.request_timeout=400ms"], settings].concat()).await;
        let (node, secret) = Node::draw("edge-1", at.app.now(), &*at.app.entropy);
        let change = Change { what: CatalogueChange::AddNode(node), actor: "test".to_owned() };
        at.app.store.change(change).await.unwrap().unwrap();
        let summaries = Summaries::new(Arc::new(Metrics::default()), Lines::Omit);
        let router = router::server(Arc::clone(&at.app), summaries);
        Self { at, secret, router, _home: home }
    }

    async fn send(&self, path: &str, secret: Option<&str>, body: &[u8]) -> (StatusCode, Value) {
        let mut request = Request::builder().method(if path == SNAPSHOT { "GET" } else { "POST" }).uri(path);
        if let Some(secret) = secret {
            request = request.header(AUTHORIZATION, format!("Bearer {secret}"));
        }
        let request = request.body(Body::from(body.to_vec())).unwrap();
        let answer = self.router.clone().oneshot(request).await.unwrap();
        let status = answer.status();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }

    async fn ask<A: DeserializeOwned>(&self, path: &str, question: &Value) -> A {
        let (status, answer) =
            self.send(path, Some(self.secret.expose()), &question.to_string().into_bytes()).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        serde_json::from_value(answer).unwrap()
    }

    async fn feed(&self, since: Option<&Place>, wait: u64) -> FeedAnswer {
        self.ask(FEED, &json!({"since": since, "nonce": 7, "wait": wait})).await
    }

    /// A token of an application itself, with its family.
    async fn token(&self) -> (String, TokenFacts) {
        let add = user::Command::Add {
            name: "alice".to_owned(),
            password: crate::admin::text::SecretText(Secret::new("a long password")),
            roles: std::collections::BTreeSet::new(),
        };
        self.at.done(Command::User(add)).await;
        let new = NewApplication {
            name: "Phone book".to_owned(),
            owner: "alice".to_owned(),
            grants: std::iter::once(latchkey_oauth::client::GrantType::ClientCredentials).collect(),
            token_format: Some(latchkey_oauth::client::TokenFormat::Opaque),
            ..NewApplication::default()
        };
        let create = Command::Application(application::Command::Create(Box::new(new)));
        let Ok(Reply::Created(keys)) = self.at.execute(create).await else { panic!("no application") };
        let (_, answer) = self.at.post("/oauth2/token", &keys, "grant_type=client_credentials").await;
        let token = answer["access_token"].as_str().unwrap().to_owned();
        let looked = self.look(&token).await;
        assert_eq!(looked.standing, Stands::Alive);
        (token, looked.facts.unwrap())
    }

    async fn look(&self, token: &str) -> Looked {
        let answer: LookupAnswer = self.ask(LOOKUP, &json!({"tokens": [token], "later": 1})).await;
        answer.tokens.into_iter().next().unwrap()
    }
}

#[tokio::test]
async fn only_nodes_are_answered() {
    let desk = Desk::open().await;
    let question = json!({"nonce": 1, "wait": 0, "tokens": []}).to_string().into_bytes();
    let closed = [LIMITS, RECORDS, EXPLANATIONS, ASSERTIONS];
    for path in closed {
        let (status, _) = desk.send(path, Some("lkn_x"), &question).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{path}");
    }
    for path in [FEED, LOOKUP, SNAPSHOT] {
        for wrong in [None, Some("lkn_x"), Some("edge-1")] {
            let (status, answer) = desk.send(path, wrong, &question).await;
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{path} {wrong:?} {answer}");
        }
        assert_eq!(desk.send(path, Some(desk.secret.expose()), &question).await.0, StatusCode::OK);
    }
    let delete = CatalogueChange::DeleteNode("edge-1".to_owned());
    let change = Change { what: delete, actor: "test".to_owned() };
    desk.at.app.store.change(change).await.unwrap().unwrap();
    for path in [FEED, LOOKUP, SNAPSHOT].into_iter().chain(closed) {
        let (status, _) = desk.send(path, Some(desk.secret.expose()), &question).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{path}: removed is removed");
    }
}

#[tokio::test]
async fn questions_are_bounded() {
    let desk = Desk::open().await;
    let many = json!({"tokens": vec!["x"; MOST_TOKENS + 1]}).to_string();
    let nobody = PrincipalId::from_bytes([0; 16]);
    let crowd = json!({"tokens": ["x"], "clients": vec![nobody; MOST_TOKENS]}).to_string();
    let long = format!(r#"{{"tokens":["{}"]}}"#, "x".repeat(BODY));
    let cases = [
        (LOOKUP, many, StatusCode::BAD_REQUEST),
        (LOOKUP, crowd, StatusCode::BAD_REQUEST),
        (LOOKUP, long, StatusCode::PAYLOAD_TOO_LARGE),
        (LOOKUP, "{}".to_owned(), StatusCode::BAD_REQUEST),
        (FEED, "[".to_owned(), StatusCode::BAD_REQUEST),
        (FEED, r#"{"nonce":-1,"wait":0}"#.to_owned(), StatusCode::BAD_REQUEST),
    ];
    for (path, body, expected) in cases {
        let (status, _) = desk.send(path, Some(desk.secret.expose()), body.as_bytes()).await;
        assert_eq!(status, expected, "{path}");
    }
    let full = NodeDesk { seats: Semaphore::new(0), ..NodeDesk::new(Arc::clone(&desk.at.app)) };
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, format!("Bearer {}", desk.secret.expose()).parse().unwrap());
    assert_eq!(full.admit(&headers).await.unwrap_err(), Refusal::Busy);
}

#[tokio::test]
async fn a_node_hears_what_ends_and_that_nothing_else_did() {
    let desk = Desk::open().await;
    let (token, facts) = desk.token().await;
    let first = desk.feed(None, 60_000).await;
    assert!(first.anew && first.nonce == Some(7), "who knows nothing is answered at once");
    let heartbeat = desk.feed(Some(&first.place), 1).await;
    assert_eq!((heartbeat.anew, heartbeat.changes.as_slice(), heartbeat.nonce), (false, &[][..], Some(7)));
    assert_eq!(heartbeat.now, desk.at.app.now());
    let selector =
        Selector::Family { bucket: latchkey_oauth::id::Bucket::new(facts.bucket).unwrap(), id: facts.family };
    let waits = desk.feed(Some(&first.place), 60_000);
    let ends = async {
        tokio::task::yield_now().await;
        desk.at.app.store.end(Ending { selector, reason: Reason::ClientRequest, actor: None }).await.unwrap();
    };
    let (told, ()) = tokio::join!(waits, ends);
    assert_eq!(told.changes, [Told::Family { id: facts.family, access: None }]);
    assert_eq!(desk.look(&token).await, Looked { standing: Stands::Unknown, facts: None });
    let elsewhere = Place { opening: "0".repeat(32), ..told.place };
    for lost in [elsewhere.clone(), Place { opening: "?".to_owned(), ..elsewhere }] {
        let anew = desk.feed(Some(&lost), 60_000).await;
        assert!(anew.anew && anew.changes.is_empty(), "{lost:?}");
    }
}

#[tokio::test]
async fn only_a_whole_answer_echoes_the_nonce() {
    let log = Changes::default();
    let (start, now) = (log.mark(), Timestamp::from_seconds(5));
    log.publish(std::iter::repeat_n(Changed::Keys, MOST_CHANGES + 1));
    let first = tell(&log, Some(start), 9, now);
    assert_eq!((first.changes.len(), first.nonce), (MOST_CHANGES, None), "more follows");
    let rest = tell(&log, mark_of(&first.place), 10, now);
    assert_eq!((rest.changes.as_slice(), rest.nonce), (&[Told::Keys][..], Some(10)));
}

#[tokio::test]
async fn an_answer_waits_no_longer_than_a_request_may_take() {
    let desk = Desk::open().await;
    let first = desk.feed(None, 0).await;
    let begun = std::time::Instant::now();
    let heartbeat = desk.feed(Some(&first.place), 3_600_000).await;
    assert!(heartbeat.changes.is_empty() && begun.elapsed() >= Duration::from_millis(200));
}

#[tokio::test]
async fn a_node_learns_what_it_needs_to_check_a_call() {
    let desk = Desk::open().await;
    let (token, facts) = desk.token().await;
    assert_eq!((facts.generation, facts.client_epoch, facts.subject_epoch), (1, 1, 1));
    assert_eq!((facts.holder.application_tier.as_str(), facts.client), ("Unlimited", facts.subject));
    assert!(facts.expires.is_some_and(|end| end > desk.at.app.now()));
    assert_eq!(desk.look("garbage").await.standing, Stands::Unknown);
    desk.at.clock.advance_seconds(1_000_000);
    let expired = desk.look(&token).await;
    assert_eq!((expired.standing, expired.facts.as_ref()), (Stands::Expired, Some(&facts)));
    let nobody = PrincipalId::from_bytes([0; 16]);
    let question = json!({"tokens": [], "clients": [nobody, facts.client]});
    let answer: LookupAnswer = desk.ask(LOOKUP, &question).await;
    assert_eq!((answer.tokens.len(), answer.holders), (0, vec![None, Some(facts.holder)]));
    let published: Snapshot = desk.ask(SNAPSHOT, &Value::Null).await;
    assert_eq!(published.apis.len(), desk.at.app.store.apis().await.unwrap().len());
    assert_eq!(published.tiers, desk.at.app.store.tiers().await.unwrap());
}

#[tokio::test]
async fn a_node_learns_what_an_api_key_opens_and_hears_of_its_end() {
    use latchkey_catalog::api_key::{ApiKey, Restrictions};
    use latchkey_oauth::client::KeyType;
    use latchkey_oauth::family::{Seed, Validity};

    let desk = Desk::open().await;
    let (_, facts) = desk.token().await;
    let key = ApiKey {
        id: PrincipalId::from_bytes([5; 16]),
        application: facts.holder.application,
        keys: KeyType::Sandbox,
        name: "web".to_owned(),
        generation: 1,
        seed: Seed::from_bytes([6; 16]),
        issued_at: desk.at.app.now(),
        validity: Validity::Seconds(60),
        restrictions: Restrictions::parse("1.2.3.4", "*.gef.com/*").unwrap(),
    };
    let change = async |what| {
        let change = Change { what, actor: "test".to_owned() };
        desk.at.app.store.change(change).await.unwrap().unwrap();
    };
    change(CatalogueChange::AddApiKey(Box::new(key.clone()))).await;
    let value = desk.at.app.keys().ring.render_api_key(key.id, 1, &key.seed);
    let looked = desk.look(value.expose()).await;
    let told = looked.facts.unwrap();
    assert_eq!((looked.standing, told.client, told.client_epoch), (Stands::Alive, key.id, 1));
    let of_key = told.holder.api_key.unwrap();
    assert_eq!(
        (of_key.name, of_key.addresses, of_key.referers),
        ("web".into(), "1.2.3.4".into(), "*.gef.com/*".into())
    );
    assert_eq!((told.holder.keys, told.holder.consumer_key), (KeyType::Sandbox, None));

    let place = desk.feed(None, 0).await.place;
    change(CatalogueChange::RegenerateApiKey(key.id)).await;
    let heard = desk.feed(Some(&place), 0).await;
    assert_eq!(heard.changes, [Told::Epoch { principal: key.id, epoch: Some(2) }]);
    assert_eq!(desk.look(value.expose()).await.standing, Stands::Revoked);
    let next = desk.at.app.keys().ring.render_api_key(key.id, 2, &key.seed);
    assert_eq!(desk.look(next.expose()).await.facts.unwrap().client_epoch, 2);
    desk.at.clock.advance_seconds(60);
    assert_eq!(desk.look(next.expose()).await.standing, Stands::Expired);
    change(CatalogueChange::RevokeApiKey(key.id)).await;
    let heard = desk.feed(Some(&heard.place), 0).await;
    assert_eq!(heard.changes, [Told::Epoch { principal: key.id, epoch: None }]);
    assert_eq!(desk.look(next.expose()).await, Looked { standing: Stands::Unknown, facts: None });
    assert_eq!(desk.look("lkk_garbage").await.standing, Stands::Unknown);
}

#[tokio::test]
async fn changed_keys_are_told() {
    let desk = Desk::open().await;
    let first = desk.feed(None, 0).await;
    desk.at.done(Command::Key(crate::admin::key::Command::RotateSigning)).await;
    let told = desk.feed(Some(&first.place), 0).await;
    assert_eq!(told.changes, [Told::Keys]);
}
