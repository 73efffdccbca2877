//! Users, applications, APIs and subscriptions: what is there, what is refused, and that the next reader
//! sees it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use latchkey_catalog::api::ApiState;
use latchkey_catalog::deny::{DenyCondition, DenyPolicy, DenyState};
use latchkey_catalog::lifecycle::LifecycleEvent;
use latchkey_catalog::subscription::UNLIMITED;
use latchkey_catalog::tier::{Level, seeded};
use latchkey_catalog::user::Bar;
use latchkey_oauth::keyring::SecretMac;
use latchkey_store::unit::{CatalogueChange, ChangeRefused, GovernanceChange};
use tokio::task::{JoinSet, yield_now};

use crate::lab::{self, App, Desk, Lab, bar, words};

pub(crate) async fn refused(desk: &Desk, what: impl Into<CatalogueChange>, why: ChangeRefused) {
    let what = what.into();
    let (before, version) = (desk.seq().await, desk.store.catalogue_version());
    let name = format!("{what:?}");
    assert_eq!(desk.try_change(what).await, Err(why), "{name}");
    assert_eq!(desk.seq().await, before, "a refused change writes nothing");
    assert_eq!(desk.store.catalogue_version(), version, "{name} changes nothing");
}

/// The names of the scopes of APIs that a client knows, as the next request sees them; the server's own
/// are known to every client.
async fn known(desk: &Desk, app: &App) -> Vec<String> {
    let facts = desk.store.client(&app.key).await.unwrap().unwrap();
    let by_id = desk.store.client_by_id(app.client).await.unwrap().unwrap();
    assert_eq!(facts.known_scopes, by_id.known_scopes, "both ways lead to the same facts");
    facts.known_scopes.keys().cloned().collect()
}

pub(crate) async fn users_are_found_by_name_and_id(lab: &mut Lab) {
    let user = lab.new_user("alice", &["reader", "writer"]);
    assert!(lab.store.user("alice").await.unwrap().is_none());
    assert!(lab.store.user_by_id(user.id).await.unwrap().is_none());
    lab.change(CatalogueChange::AddUser(user.clone())).await;
    let facts = lab.store.user("alice").await.unwrap().unwrap();
    assert_eq!(facts.user, user);
    let by_id = lab.store.user_by_id(user.id).await.unwrap().unwrap();
    assert_eq!((&by_id.user, by_id.epoch), (&user, facts.epoch));
    assert!(lab.store.user("Alice").await.unwrap().is_none(), "case and all");
    lab.change(CatalogueChange::SetPassword(user.id, "another".to_owned())).await;
    for facts in [lab.store.user("alice").await, lab.store.user_by_id(user.id).await] {
        let now = facts.unwrap().unwrap();
        assert_eq!((now.user.password.as_str(), now.epoch), ("another", by_id.epoch + 1));
    }
}

pub(crate) async fn names_are_given_once(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let bob = lab.user("bob").await;
    refused(lab, CatalogueChange::AddUser(lab.new_user("alice", &[])), ChangeRefused::NameTaken).await;
    let again = |name: &str, owner| {
        CatalogueChange::AddApplication(
            lab.new_application(name, owner),
            Some(Box::new(lab.new_client())),
            Vec::new(),
        )
    };
    refused(lab, again("Phone book", alice), ChangeRefused::NameTaken).await;
    lab.change(again("Phone book", bob)).await;
    let mut copied = lab.new_client();
    copied.client.consumer_key.clone_from(&app.key);
    let copy = CatalogueChange::AddApplication(
        lab.new_application("Copy", alice),
        Some(Box::new(copied)),
        Vec::new(),
    );
    refused(lab, copy, ChangeRefused::NameTaken).await;
    let api = lab.api("/echo", &[]).await;
    let mut twin = api.clone();
    twin.id = lab.entry();
    refused(lab, CatalogueChange::PutApi(twin.clone()), ChangeRefused::NameTaken).await;
    "2.0.0".clone_into(&mut twin.version);
    lab.change(CatalogueChange::PutApi(twin)).await;
    lab.change(CatalogueChange::PutApi(api)).await;
    lab.change(CatalogueChange::DeleteUser(bob)).await;
    lab.user("bob").await;
}

pub(crate) async fn what_is_not_there_is_not_found(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let api = lab.api("/echo", &[]).await;
    let (nobody, nothing) = (lab.principal(), lab.entry());
    let subscription =
        |application, api| CatalogueChange::Subscribe(lab::subscription((application, api), UNLIMITED));
    let changes = [
        CatalogueChange::DeleteUser(nobody),
        CatalogueChange::DeleteUser(app.client),
        bar(nobody, Bar::Locked),
        CatalogueChange::SetPassword(nobody, String::new()),
        CatalogueChange::SetRoles(nobody, words(&[])),
        CatalogueChange::AddApplication(
            lab.new_application("New", nobody),
            Some(Box::new(lab.new_client())),
            Vec::new(),
        ),
        CatalogueChange::DeleteApplication(nothing),
        CatalogueChange::RegenerateSecret {
            client: alice,
            mac: SecretMac { key: 1, tag: [0; 32] },
            sealed: Vec::new(),
            overlap: None,
        },
        subscription(nothing, api.id),
        subscription(app.application, nothing),
        CatalogueChange::Unsubscribe { application: app.application, api: api.id },
    ];
    for change in changes {
        refused(lab, change, ChangeRefused::NotFound).await;
    }
    lab.change(CatalogueChange::Lifecycle(alice, LifecycleEvent::UserRevoked)).await;
}

pub(crate) async fn an_application_comes_with_its_subscriptions_or_not_at_all(lab: &mut Lab) {
    let alice = lab.user("alice").await;
    let (echo, more) = (lab.api("/echo", &[("echo.read", "reader")]).await, lab.api("/more", &[]).await);
    let (application, client) = (lab.new_application("Shop", alice), lab.new_client());
    let app = App {
        application: application.id,
        client: client.client.id,
        key: client.client.consumer_key.clone(),
    };
    let to = |application, api| lab::subscription((application, api), UNLIMITED);
    let add = |subscriptions| {
        CatalogueChange::AddApplication(application.clone(), Some(Box::new(client.clone())), subscriptions)
    };
    let (gone, others) = (to(app.application, lab.entry()), to(lab.entry(), more.id));
    for second in [gone, others] {
        let both = add(vec![to(app.application, echo.id), second]);
        refused(lab, both, ChangeRefused::NotFound).await;
        assert!(lab.store.client(&app.key).await.unwrap().is_none(), "nothing of it is there");
        assert_eq!(lab.store.applications(Some(alice), None, 9).await.unwrap(), []);
    }
    lab.change(add(vec![to(app.application, echo.id), to(app.application, more.id)])).await;
    assert_eq!(known(lab, &app).await, ["echo.read"]);
    lab.change(CatalogueChange::Unsubscribe { application: app.application, api: more.id }).await;
}

pub(crate) async fn known_scopes_are_seen_by_the_next_request(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let other = lab.app("Other", alice).await;
    assert_eq!(known(lab, &app).await, [""; 0]);
    let mut echo = lab.api("/echo", &[("echo.read", "reader")]).await;
    let more = lab.api("/more", &[("more", "writer"), ("echo.read", "writer")]).await;
    assert_eq!(known(lab, &app).await, [""; 0]);
    lab.subscribe(&app, &echo).await;
    assert_eq!(known(lab, &app).await, ["echo.read"]);
    lab.subscribe(&app, &more).await;
    assert_eq!(known(lab, &app).await, ["echo.read", "more"]);
    let roles = lab.store.client(&app.key).await.unwrap().unwrap().known_scopes["echo.read"].clone();
    assert_eq!(roles, words(&["reader", "writer"]));
    echo.definition.scopes.clear();
    echo.definition.scopes.insert("echo.write".to_owned(), words(&[]));
    lab.change(CatalogueChange::PutApi(echo.clone())).await;
    assert_eq!(known(lab, &app).await, ["echo.read", "echo.write", "more"]);
    let out = CatalogueChange::Unsubscribe { application: app.application, api: more.id };
    lab.change(out.clone()).await;
    assert_eq!(known(lab, &app).await, ["echo.write"]);
    assert_eq!(known(lab, &other).await, [""; 0]);
    assert_eq!(lab.try_change(out).await, Err(ChangeRefused::NotFound));
}

pub(crate) async fn owner_roles_are_seen_by_the_next_request(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let roles = async || lab.store.client(&app.key).await.unwrap().unwrap().owner_roles.clone();
    assert_eq!(roles().await, words(&["reader"]));
    lab.change(CatalogueChange::SetRoles(alice, words(&["reader", "writer"]))).await;
    assert_eq!(roles().await, words(&["reader", "writer"]));
    lab.change(CatalogueChange::SetRoles(alice, words(&[]))).await;
    assert_eq!(roles().await, words(&[]));
    lab.change(CatalogueChange::SetRoles(alice, words(&["writer"]))).await;
    lab.change(CatalogueChange::DeleteUser(alice)).await;
    assert_eq!(roles().await, words(&[]), "nobody's roles");
}

pub(crate) async fn epochs_are_seen_by_the_next_request(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let epochs = async || {
        let by_key = lab.store.client(&app.key).await.unwrap().unwrap().epoch;
        assert_eq!(lab.store.client_by_id(app.client).await.unwrap().unwrap().epoch, by_key);
        let user = lab.store.user_by_id(alice).await.unwrap().unwrap().epoch;
        assert_eq!(lab.store.user("alice").await.unwrap().unwrap().epoch, user);
        let of_owner = lab.store.client(&app.key).await.unwrap().unwrap().owner_epoch;
        assert_eq!(of_owner, Some(user), "the owner's, under whom tokens are issued");
        (by_key, user)
    };
    let (client, user) = epochs().await;
    lab.change(CatalogueChange::Lifecycle(alice, LifecycleEvent::UserRevoked)).await;
    assert_eq!(epochs().await, (client, user + 1));
    lab.change(CatalogueChange::Lifecycle(app.client, LifecycleEvent::ClientRevoked)).await;
    assert_eq!(epochs().await, (client + 1, user + 1));
    lab.change(CatalogueChange::Lifecycle(alice, LifecycleEvent::RoleAdded)).await;
    assert_eq!(epochs().await, (client + 1, user + 1));
}

pub(crate) async fn clients_are_kept_whole(lab: &mut Lab) {
    let alice = lab.user("alice").await;
    let application = lab.new_application("Phone book", alice);
    let mut new = lab.new_client();
    new.client.secrets.push(SecretMac { key: 65_535, tag: lab.draw() });
    new.client.grants.pop_first();
    lab.change(CatalogueChange::AddApplication(application.clone(), Some(Box::new(new.clone())), Vec::new()))
        .await;
    let facts = lab.store.client(&new.client.consumer_key).await.unwrap().unwrap();
    assert_eq!((&facts.client, &facts.application), (&new.client, &application));
    let listed = lab.store.clients_of(application.id).await.unwrap();
    assert_eq!(listed, [(new.client.clone(), new.sealed_secret)]);
    assert!(lab.store.client("").await.unwrap().is_none());
    assert!(lab.store.client_by_id(alice).await.unwrap().is_none());
    lab.change(CatalogueChange::DeleteApplication(application.id)).await;
    assert!(lab.store.client(&new.client.consumer_key).await.unwrap().is_none());
    assert_eq!(lab.store.clients_of(application.id).await.unwrap(), []);
}

/// How much the version rose by a change.
async fn rise(desk: &Desk, what: impl Into<CatalogueChange>) -> u64 {
    let before = desk.store.catalogue_version();
    desk.change(what.into()).await;
    desk.store.catalogue_version() - before
}

pub(crate) async fn the_version_tells_of_what_routes_are_made_of(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let mut api = lab.api("/echo", &[]).await;
    api.definition.scopes.insert("echo.read".to_owned(), words(&[]));
    let mac = SecretMac { key: 1, tag: [0; 32] };
    let bronze = seeded().into_iter().find(|tier| tier.name == "Bronze").unwrap();
    let (application, client) = (lab.new_application("New", alice), lab.new_client());
    let subscription = |tier: &str| lab::subscription((app.application, api.id), tier);
    for change in [
        CatalogueChange::PutApi(api.clone()),
        CatalogueChange::PutTier(bronze),
        CatalogueChange::DeleteTier(Level::Subscription, "Bronze".to_owned()),
        CatalogueChange::SetApiState(api.id, ApiState::Blocked),
        CatalogueChange::SetApiState(api.id, ApiState::Published),
    ] {
        let name = format!("{change:?}");
        assert!(rise(lab, change).await > 0, "{name} is counted before it is answered");
    }
    // There are many of these, and routes do not go by them.
    for change in [
        CatalogueChange::AddUser(lab.new_user("bob", &[])),
        bar(alice, Bar::Locked),
        CatalogueChange::SetPassword(alice, "another".to_owned()),
        CatalogueChange::SetRoles(alice, words(&["writer"])),
        CatalogueChange::AddApplication(application.clone(), Some(Box::new(client)), Vec::new()),
        CatalogueChange::RegenerateSecret { client: app.client, mac, sealed: Vec::new(), overlap: None },
        CatalogueChange::Subscribe(subscription(UNLIMITED)),
        CatalogueChange::Subscribe(subscription("Gold")),
        CatalogueChange::Unsubscribe { application: app.application, api: api.id },
        CatalogueChange::DeleteApplication(application.id),
    ] {
        let name = format!("{change:?}");
        assert_eq!(rise(lab, change).await, 0, "{name}");
    }
    // Unless a name is denied, and may now be another's.
    let condition = DenyCondition::User { name: "nobody".to_owned() };
    let policy = DenyPolicy { id: lab.entry(), condition, state: DenyState::Active, created_at: lab.now() };
    assert!(rise(lab, GovernanceChange::AddDenyPolicy(policy)).await > 0);
    for change in [
        CatalogueChange::AddApplication(application.clone(), None, Vec::new()),
        CatalogueChange::DeleteApplication(application.id),
        CatalogueChange::DeleteUser(alice),
    ] {
        let name = format!("{change:?}");
        assert!(rise(lab, change).await > 0, "{name}");
    }
    let version = lab.store.catalogue_version();
    lab.store.users("", 10).await.unwrap();
    lab.store.client(&app.key).await.unwrap();
    lab.store.probe().await.unwrap();
    assert_eq!(lab.store.catalogue_version(), version, "a look changes nothing");
}

/// Readers keep what they read for as long as the version stands that they saw before; what they hold is
/// never older than the last change that was answered.
pub(crate) async fn a_reader_who_trusts_the_version_holds_nothing_old(lab: &mut Lab) {
    const CHANGES: usize = 200;
    let (_, app) = lab.alice().await;
    let echo = lab.api("/echo", &[]).await;
    lab.subscribe(&app, &echo).await;
    let answered = Arc::new(AtomicUsize::new(0));
    let mut readers = JoinSet::new();
    for _ in 0..3 {
        let (desk, key, answered) = (lab.desk(), app.key.clone(), Arc::clone(&answered));
        readers.spawn(async move {
            let mut held: Option<(u64, usize)> = None;
            loop {
                let settled = answered.load(Ordering::SeqCst);
                let version = desk.store.catalogue_version();
                let number = match held {
                    Some((seen, number)) if seen == version => number,
                    _ => {
                        let facts = desk.store.client(&key).await.unwrap().unwrap();
                        facts.known_scopes.keys().find_map(|scope| scope.parse().ok()).unwrap_or(0)
                    }
                };
                held = Some((version, number));
                assert!(number >= settled, "change {settled} was answered, and {number} is held");
                if settled == CHANGES {
                    return;
                }
                yield_now().await;
            }
        });
    }
    for number in 1..=CHANGES {
        let mut changed = echo.clone();
        changed.definition.scopes.insert(number.to_string(), words(&[]));
        lab.change(CatalogueChange::PutApi(changed)).await;
        answered.store(number, Ordering::SeqCst);
    }
    while let Some(reader) = readers.join_next().await {
        reader.unwrap();
    }
}

pub(crate) async fn listings_are_paged_in_order(lab: &mut Lab) {
    let alice = lab.user("alice").await;
    let bob = lab.user("bob").await;
    let names = async |after: &str, limit| {
        let users = lab.store.users(after, limit).await.unwrap();
        users.into_iter().map(|user| user.name).collect::<Vec<_>>()
    };
    assert_eq!(names("", 10).await, ["alice", "bob"]);
    assert_eq!(names("", 1).await, ["alice"]);
    assert_eq!(names("alice", 10).await, ["bob"]);
    assert_eq!(names("bob", 10).await, [""; 0]);
    let mut all = Vec::new();
    for (name, owner) in [("one", alice), ("two", bob), ("three", alice), ("four", alice)] {
        all.push((lab.app(name, owner).await.application, owner));
    }
    all.sort_by_key(|(id, _)| *id);
    let of = |owner| all.iter().filter(|(_, of)| *of == owner).map(|(id, _)| *id).collect::<Vec<_>>();
    let list = async |owner, after, limit| {
        let applications = lab.store.applications(owner, after, limit).await.unwrap();
        applications.into_iter().map(|application| application.id).collect::<Vec<_>>()
    };
    let ids: Vec<_> = all.iter().map(|(id, _)| *id).collect();
    assert_eq!(list(None, None, 10).await, ids);
    assert_eq!(list(None, Some(ids[1]), 1).await, ids[2..3]);
    assert_eq!(list(Some(alice), None, 10).await, of(alice));
    assert_eq!(list(Some(alice), Some(of(alice)[0]), 10).await, of(alice)[1..]);
    assert_eq!(list(Some(bob), None, 10).await, of(bob));
    for context in ["/zoo", "/ant"] {
        lab.api(context, &[]).await;
    }
    let contexts: Vec<_> = lab.store.apis().await.unwrap().into_iter().map(|api| api.context).collect();
    assert_eq!(contexts, ["/ant", "/zoo"]);
}
