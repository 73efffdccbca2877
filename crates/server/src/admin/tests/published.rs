//! APIs and subscriptions: imported, published, blocked, retired, deleted.

use latchkey_catalog::api::{ApiDefinition, ApiState, VersionRole};
use latchkey_catalog::subscription::SubscriptionState;
use latchkey_catalog::upstream::{Protocol, Retries};

use super::super::{AdminError, ErrorKind, Page, api, subscription};
use super::*;

const DOCUMENT: &str = "
openapi: 3.0.3
info: { title: Orders, version: 1.0.0 }
servers: [{ url: 'http://orders.example' }]
paths:
  /orders: { get: {}, post: { x-throttling-tier: 10KPerMin } }
  /orders/{id}: { get: {} }
";

pub(super) const PATH: &str = "/orders/1.0.0";

fn import(document: &str) -> api::Import {
    api::Import {
        document: document.to_owned(),
        name: None,
        context: None,
        version: None,
        production: Vec::new(),
        sandbox: Vec::new(),
        state: None,
        existing: api::Existing::Keep,
    }
}

fn import_of(import: api::Import) -> Command {
    Command::Api(api::Command::Import(Box::new(import)))
}

async fn imported(at: &Installation, wanted: api::Import) -> Box<api::ImportView> {
    match at.execute(import_of(wanted)).await {
        Ok(Reply::Imported(imported)) => imported,
        other => panic!("not imported: {other:?}"),
    }
}

/// Imports and publishes the document.
pub(super) async fn published(at: &Installation) {
    imported(at, api::Import { state: Some(ApiState::Published), ..import(DOCUMENT) }).await;
}

fn set(state: ApiState) -> Command {
    Command::Api(api::Command::SetState { path: PATH.to_owned(), state })
}

fn delete() -> Command {
    Command::Api(api::Command::Delete { path: PATH.to_owned() })
}

async fn detail(at: &Installation, path: &str) -> Box<api::ApiDetail> {
    match at.execute(Command::Api(api::Command::Show { path: path.to_owned() })).await {
        Ok(Reply::Api(detail)) => detail,
        other => panic!("not shown: {other:?}"),
    }
}

async fn shown(at: &Installation, path: &str) -> api::ApiView {
    detail(at, path).await.api
}

fn of(application: &str) -> subscription::Named {
    subscription::Named { application: named(application), api: PATH.to_owned() }
}

fn subscribe(application: &str, tier: &str) -> Command {
    let tier = tier.to_owned();
    Command::Subscription(subscription::Command::Subscribe { named: of(application), tier })
}

fn set_subscription(application: &str, state: SubscriptionState) -> Command {
    Command::Subscription(subscription::Command::SetState { named: of(application), state })
}

type Listed = (String, String, String, SubscriptionState);

async fn listed(at: &Installation, application: Option<&str>, api: Option<&str>) -> Vec<Listed> {
    let command = subscription::Command::List {
        application: application.map(named),
        api: api.map(str::to_owned),
        after: None,
    };
    match at.execute(Command::Subscription(command)).await {
        Ok(Reply::Subscriptions(Page { items, next: None })) => {
            items.into_iter().map(|one| (one.application, one.api, one.tier, one.state)).collect()
        }
        other => panic!("not listed: {other:?}"),
    }
}

/// Refused, with all of these words.
fn says(refused: &AdminError, words: &[&str]) {
    for word in words {
        assert!(refused.message.contains(word), "{refused} lacks {word:?}");
    }
}

#[tokio::test]
async fn a_document_becomes_an_api() {
    for (at, _home) in installations().await {
        let made = imported(&at, import(DOCUMENT)).await;
        assert_eq!((made.api.path().as_str(), made.api.state), (PATH, ApiState::Created));
        assert_eq!(made.api.resources, ["GET /orders", "POST /orders", "GET /orders/{id}"]);
        assert_eq!(made.api.production, ["http://orders.example"]);
        assert!(made.notes.is_empty(), "{:?}", made.notes);
        let said = api::Import {
            name: Some("Shop".to_owned()),
            context: Some("/shop".to_owned()),
            version: Some("v2".to_owned()),
            production: vec!["https://one.example".to_owned(), "https://two.example".to_owned()],
            sandbox: vec!["https://test.example".to_owned()],
            state: Some(ApiState::Published),
            ..import(DOCUMENT)
        };
        let made = imported(&at, said).await;
        assert_eq!((made.api.path().as_str(), made.api.name.as_str()), ("/shop/v2", "Shop"));
        let held = shown(&at, "/shop/v2").await;
        assert_eq!((held.id, held.state), (made.api.id, ApiState::Published));
        assert_eq!(held.production, ["https://one.example", "https://two.example"]);
        assert_eq!(held.sandbox, ["https://test.example"]);
    }
}

#[tokio::test]
async fn a_document_without_an_upstream_is_noted_until_one_is_given() {
    for (at, _home) in installations().await {
        let document = DOCUMENT.replace("http://orders.example", "/relative");
        let made = imported(&at, import(&document)).await;
        assert!(made.notes.iter().any(|note| note.text.contains("upstream")), "{:?}", made.notes);
        let said = at.done(set(ApiState::Published)).await;
        assert!(said.contains("no upstream") && said.contains("--upstream"), "{said}");
        let existing = api::Existing::Update;
        let production = vec!["http://orders.example".to_owned()];
        let made = imported(&at, api::Import { production, existing, ..import(&document) }).await;
        assert!(made.notes.is_empty(), "{:?}", made.notes);
        // What the next update does not say stays.
        let made = imported(&at, api::Import { existing, ..import(&document) }).await;
        assert!(made.notes.is_empty(), "{:?}", made.notes);
        assert_eq!(made.api.production, ["http://orders.example"]);
    }
}

#[tokio::test]
async fn a_document_says_how_to_deal_with_upstreams_that_it_does_not_name() {
    let dealings = |definition: &ApiDefinition| {
        let upstream = definition.production.as_ref().unwrap();
        (upstream.urls[0].to_string(), upstream.protocol, upstream.retries)
    };
    for (at, _home) in installations().await {
        let plain = DOCUMENT.replace("http://orders.example", "/relative");
        let document =
            format!("{plain}x-latchkey-upstream-protocol: http2\nx-latchkey-retries: idempotent\n");
        let url = "https://elsewhere.example";
        let production = vec![url.to_owned()];
        imported(&at, api::Import { production, ..import(&document) }).await;
        let told = (url.to_owned(), Protocol::Http2, Retries::Idempotent);
        assert_eq!(dealings(&detail(&at, PATH).await.definition), told);
        let existing = api::Existing::Update;
        let off = document.replace("idempotent", "off");
        imported(&at, api::Import { existing, ..import(&off) }).await;
        let told = (url.to_owned(), Protocol::Http2, Retries::Off);
        assert_eq!(dealings(&detail(&at, PATH).await.definition), told, "the upstream stays");
        imported(&at, api::Import { existing, ..import(&plain) }).await;
        assert_eq!(dealings(&detail(&at, PATH).await.definition), told, "and so does what is not said");
    }
}

#[tokio::test]
async fn an_import_over_an_api_has_to_say_so() {
    for (at, _home) in installations().await {
        at.done(add_user("alice")).await;
        create(&at, new_application("Shop")).await;
        published(&at).await;
        at.done(subscribe("Shop", "Gold")).await;
        let before = shown(&at, PATH).await;
        let position = at.app.store.position().await.unwrap();
        says(&at.refusal(import_of(import(DOCUMENT))).await, &[PATH, "Orders", "--update"]);
        assert_eq!(at.app.store.position().await.unwrap(), position, "nothing is written");
        at.done(set(ApiState::Blocked)).await;
        let document = DOCUMENT.replace("title: Orders", "title: More orders");
        let update = api::Import {
            existing: api::Existing::Update,
            context: Some("/orders".to_owned()),
            ..import(&document)
        };
        let after = imported(&at, update).await;
        assert_eq!((after.api.id, after.api.state), (before.id, ApiState::Blocked));
        assert_eq!(after.api.name, "More orders");
        assert_eq!(listed(&at, None, None).await.len(), 1, "subscriptions stay");
    }
}

#[tokio::test]
async fn what_cannot_be_imported_is_told_with_its_place() {
    for (at, _home) in installations().await {
        let position = at.app.store.position().await.unwrap();
        for (change, expected) in [
            (("openapi: 3.0.3", "swagger: '2.0'"), ["#/swagger", "convert"]),
            (("version: 1.0.0", "version: 1"), ["#/info/version", "quotes"]),
            (("10KPerMin", "Platinum"), ["Platinum", "10KPerMin"]),
            (("get: {}", "get: ["), ["#", "YAML"]),
        ] {
            says(&at.refusal(import_of(import(&DOCUMENT.replace(change.0, change.1)))).await, &expected);
        }
        let production = vec!["ftp://orders.example".to_owned()];
        let refused = at.refusal(import_of(api::Import { production, ..import(DOCUMENT) })).await;
        says(&refused, &["ftp://orders.example", "https://"]);
        assert_eq!(refused.kind, ErrorKind::WrongUse);
        let long = format!("{DOCUMENT}#{}", "x".repeat(latchkey_catalog::openapi::MAX_DOCUMENT));
        says(&at.refusal(import_of(import(&long))).await, &["4194304"]);
        assert_eq!(at.app.store.position().await.unwrap(), position, "nothing is written");
    }
}

#[tokio::test]
async fn an_api_is_published_blocked_retired_and_deleted() {
    for (at, _home) in installations().await {
        at.done(add_user("alice")).await;
        create(&at, new_application("Shop")).await;
        imported(&at, import(DOCUMENT)).await;
        says(&at.refusal(set(ApiState::Blocked)).await, &[PATH, "CREATED"]);
        says(&at.refusal(subscribe("Shop", "Gold")).await, &[PATH, "CREATED", "api publish"]);
        let early = NewApplication { subscriptions: vec![PATH.to_owned()], ..new_application("Early") };
        let early = Command::Application(application::Command::Create(Box::new(early)));
        says(&at.refusal(early).await, &[PATH, "CREATED"]);
        at.done(set(ApiState::Published)).await;
        at.done(subscribe("Shop", "Gold")).await;
        assert!(at.done(set(ApiState::Blocked)).await.contains("api publish"));
        assert_eq!(shown(&at, PATH).await.state, ApiState::Blocked);
        at.done(set(ApiState::Published)).await;
        says(&at.refusal(delete()).await, &[PATH, "subscription list --api", "api retire"]);
        at.done(set(ApiState::Retired)).await;
        assert_eq!(listed(&at, None, None).await, []);
        says(&at.refusal(set(ApiState::Published)).await, &[PATH, "retired"]);
        says(&at.refusal(subscribe("Shop", "Gold")).await, &[PATH, "RETIRED", "another version"]);
        at.done(delete()).await;
        says(&at.refusal(delete()).await, &[PATH, "api list"]);
        published(&at).await;
    }
}

#[tokio::test]
async fn a_subscription_is_made_blocked_and_ended() {
    use SubscriptionState::{Blocked, ProdOnlyBlocked, Unblocked};
    for (at, _home) in installations().await {
        at.done(add_user("alice")).await;
        let shop = create(&at, new_application("Shop")).await;
        create(&at, new_application("Other")).await;
        published(&at).await;
        says(&at.refusal(subscribe("Shop", "Platinum")).await, &["Platinum", "Bronze", "Gold", "Unlimited"]);
        says(&at.refusal(set_subscription("Shop", Blocked)).await, &["Shop", PATH, "subscription list"]);
        assert!(at.done(subscribe("Shop", "Gold")).await.contains("Gold"));
        at.done(subscribe("Other", "Unlimited")).await;
        for state in [ProdOnlyBlocked, Unblocked, Blocked] {
            at.done(set_subscription("Shop", state)).await;
            let facts = at.app.store.client(&shop.consumer_key).await.unwrap().expect("it is there");
            assert_eq!(facts.subscriptions[0].state, state, "the next call sees it");
        }
        // Another tier does not lift the block, and says so.
        assert!(at.done(subscribe("Shop", "Bronze")).await.contains("state"));
        let row = |name: &str, tier: &str, state| (name.to_owned(), PATH.to_owned(), tier.to_owned(), state);
        let of_shop = row("Shop", "Bronze", Blocked);
        let mut all = listed(&at, None, None).await;
        all.sort_by(|one, other| one.0.cmp(&other.0));
        assert_eq!(all, [row("Other", "Unlimited", Unblocked), of_shop.clone()]);
        assert_eq!(listed(&at, Some("Shop"), None).await, std::slice::from_ref(&of_shop));
        assert_eq!(listed(&at, Some("Shop"), Some(PATH)).await, [of_shop]);
        assert_eq!(listed(&at, None, Some(PATH)).await.len(), 2);
        let out = Command::Subscription(subscription::Command::Unsubscribe(of("Shop")));
        at.done(out.clone()).await;
        assert_eq!(listed(&at, Some("Shop"), Some(PATH)).await, []);
        says(&at.refusal(out).await, &["Shop", PATH]);
    }
}

/// A listing of more than one page holds every entry once.
#[tokio::test]
async fn listings_come_in_pages() {
    for (at, _home) in installations().await {
        at.done(add_user("alice")).await;
        // Resources so long that a page holds three APIs.
        let long = "x".repeat(1000);
        let paths: Vec<String> =
            (0..300).map(|number| format!("  /{long}{number}: {{ get: {{}} }}\n")).collect();
        let paths = paths.concat();
        let document = format!("openapi: 3.0.3\ninfo: {{ title: Long, version: 1.0.0 }}\npaths:\n{paths}");
        let mut expected = Vec::new();
        for number in 0..8 {
            let context = Some(format!("/long{number}"));
            let state = Some(ApiState::Published);
            let made = imported(&at, api::Import { context, state, ..import(&document) }).await;
            expected.push(made.api.path());
        }
        let (mut found, mut after, mut pages) = (Vec::new(), None, 0);
        loop {
            let reply = at.execute(Command::Api(api::Command::List { after })).await;
            let Ok(Reply::Apis(Page { items, next })) = reply else { panic!("not listed: {reply:?}") };
            let json = serde_json::to_vec(&items).unwrap().len();
            assert!(json < crate::control::MAX_ANSWER / 4, "{json} bytes");
            found.extend(items.iter().map(api::ApiView::path));
            pages += 1;
            after = next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!((found, pages), (expected, 3));
    }
}

#[tokio::test]
async fn what_is_no_api_or_application_is_told() {
    for (at, _home) in installations().await {
        let show = |path: &str| Command::Api(api::Command::Show { path: path.to_owned() });
        let refused = at.refusal(show("orders")).await;
        assert_eq!(refused.kind, ErrorKind::WrongUse);
        says(&refused, &["\"orders\"", "CONTEXT/VERSION"]);
        says(&at.refusal(show(PATH)).await, &[PATH, "api list"]);
        published(&at).await;
        says(&at.refusal(subscribe("Nothing", "Gold")).await, &["Nothing", "app list"]);
        let after = Some("nonsense".to_owned());
        let list = subscription::Command::List { application: None, api: None, after };
        says(&at.refusal(Command::Subscription(list)).await, &["nonsense"]);
    }
}

#[tokio::test]
async fn a_version_stands_for_its_context_until_another_does() {
    for (at, _home) in installations().await {
        published(&at).await;
        let later = api::Import { version: Some("2.0.0".to_owned()), ..import(DOCUMENT) };
        imported(&at, later).await;
        let set =
            |path: &str, role| Command::Api(api::Command::SetVersionRole { path: path.to_owned(), role });
        let roles = async || {
            let [one, other] = [detail(&at, PATH).await, detail(&at, "/orders/2.0.0").await];
            [one.definition.versions, other.definition.versions]
        };
        let told = at.done(set(PATH, VersionRole::Default)).await;
        assert!(told.contains("/orders without a version come to /orders/1.0.0"), "{told}");
        assert_eq!(roles().await, [VersionRole::Default, VersionRole::Named]);
        at.done(set("/orders/2.0.0", VersionRole::Default)).await;
        assert_eq!(roles().await, [VersionRole::Named, VersionRole::Default]);
        at.done(set("/orders/2.0.0", VersionRole::Named)).await;
        assert_eq!(roles().await, [VersionRole::Named, VersionRole::Named]);
        says(&at.refusal(set("/nothing/1", VersionRole::Default)).await, &["/nothing/1", "api list"]);
    }
}

#[tokio::test]
async fn an_api_is_for_the_audiences_that_are_named() {
    for (at, _home) in installations().await {
        published(&at).await;
        at.done(add_user("alice")).await;
        let created = create(&at, new_application("Shop")).await;
        let set = |keys: &[&str]| {
            let audiences = keys.iter().map(|key| (*key).to_owned()).collect();
            Command::Api(api::Command::SetAudiences { path: PATH.to_owned(), audiences })
        };
        at.done(set(&[&created.consumer_key])).await;
        assert_eq!(detail(&at, PATH).await.definition.audiences, [created.consumer_key].into());
        says(&at.refusal(set(&["nobody"])).await, &["nobody", "app keys"]);
        at.done(set(&[])).await;
        assert!(detail(&at, PATH).await.definition.audiences.is_empty());
    }
}

#[tokio::test]
async fn an_api_goes_through_the_states_of_its_life() {
    for (at, _home) in installations().await {
        imported(&at, import(DOCUMENT)).await;
        for state in [
            ApiState::Prototyped,
            ApiState::Published,
            ApiState::Created,
            ApiState::Published,
            ApiState::Deprecated,
            ApiState::Retired,
        ] {
            let told = at.done(set(state)).await;
            assert!(told.contains(PATH), "{told}");
            assert_eq!(shown(&at, PATH).await.state, state);
        }
        says(&at.refusal(set(ApiState::Deprecated)).await, &["retired for good"]);
    }
}

#[tokio::test]
async fn an_api_is_given_back_as_a_document() {
    for (at, _home) in installations().await {
        published(&at).await;
        let export = Command::Api(api::Command::Export { path: PATH.to_owned() });
        let Ok(Reply::Document(document)) = at.execute(export).await else { panic!("no document") };
        let text = document.to_string().replace("/orders/1.0.0", "/copy/1.0.0");
        let copy = imported(&at, import(&text)).await;
        let held = detail(&at, &copy.api.path()).await;
        let (before, mut after) = (detail(&at, PATH).await.definition, held.definition);
        assert_eq!(after.state, ApiState::Created, "a document has no state");
        after.state = before.state;
        assert_eq!(after.resources.len(), before.resources.len());
        after.resources.clone_from(&before.resources);
        assert_eq!(after, before);
    }
}
