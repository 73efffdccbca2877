//! API keys: what is there, what is refused, and that an end is final and told.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use latchkey_catalog::api_key::{ApiKey, MAX_API_KEYS, Restrictions};
use latchkey_catalog::id::EntryId;
use latchkey_catalog::subscription::SubscriptionState;
use latchkey_oauth::client::KeyType;
use latchkey_oauth::event::EventKind;
use latchkey_oauth::family::{Seed, Validity};
use latchkey_oauth::id::PrincipalId;
use latchkey_store::changes::{Changed, Mark};
use latchkey_store::registry::{Found, PageOf};
use latchkey_store::unit::{CatalogueChange, ChangeRefused};
use tokio::task::{JoinSet, yield_now};

use crate::catalogue::refused;
use crate::lab::{Desk, Lab, Setup};

/// A key that is not yet anywhere.
pub(crate) fn new_key(desk: &Desk, application: EntryId, name: &str) -> ApiKey {
    ApiKey {
        id: desk.principal(),
        application,
        keys: KeyType::Production,
        name: name.to_owned(),
        generation: 1,
        seed: Seed::from_bytes(desk.draw()),
        issued_at: desk.now(),
        validity: Validity::Seconds(3600),
        restrictions: Restrictions::parse("192.168.1.2/24, ::1", "*.gef.com/*").unwrap(),
    }
}

async fn add(desk: &Desk, application: EntryId, name: &str) -> ApiKey {
    let key = new_key(desk, application, name);
    desk.change(CatalogueChange::AddApiKey(Box::new(key.clone()))).await;
    key
}

async fn held(desk: &Desk, id: PrincipalId) -> Option<ApiKey> {
    let found = desk.store.api_key(id).await.unwrap();
    if let Some(at_hand) = desk.store.api_key_at_hand(id) {
        assert_eq!(found.as_ref().map(|facts| &facts.key), Some(&at_hand.key), "both ways lead to one key");
    }
    found.map(|facts| facts.key.clone())
}

fn told(desk: &Desk, mark: &mut Mark) -> Vec<Changed> {
    let (changes, next) = desk.store.changes().since(*mark, usize::MAX).unwrap();
    *mark = next;
    changes
}

pub(crate) async fn keys_are_found_by_id_and_listed_by_application(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let other = lab.app("Other", alice).await;
    let forever = ApiKey {
        validity: Validity::Forever,
        restrictions: Restrictions::default(),
        keys: KeyType::Sandbox,
        ..new_key(lab, app.application, "batch")
    };
    lab.change(CatalogueChange::AddApiKey(Box::new(forever.clone()))).await;
    let web = add(lab, app.application, "web").await;
    let mobile = add(lab, app.application, "mobile").await;
    let foreign = add(lab, other.application, "web").await;
    for key in [&forever, &web, &mobile, &foreign] {
        assert_eq!(held(lab, key.id).await.as_ref(), Some(key));
        assert_eq!(held(lab, key.id).await.as_ref(), Some(key), "at hand");
    }
    assert_eq!(held(lab, lab.principal()).await, None);
    let listed = lab.store.api_keys_of(app.application).await.unwrap();
    assert_eq!(listed, [mobile.clone(), web.clone(), forever.clone()]);
    assert_eq!(lab.store.api_keys_of(other.application).await.unwrap(), std::slice::from_ref(&foreign));
    let mut all = [forever, web, mobile, foreign];
    all.sort_by_key(|key| key.id);
    let page = |offset, limit| lab.store.find_api_keys(PageOf { offset, limit });
    assert_eq!(page(0, 3).await.unwrap(), Found { entries: all[..3].to_vec(), total: 4 });
    assert_eq!(page(3, 3).await.unwrap(), Found { entries: all[3..].to_vec(), total: 4 });
    assert_eq!(page(4, 3).await.unwrap(), Found { entries: Vec::new(), total: 4 });
}

pub(crate) async fn names_of_keys_are_given_once(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let other = lab.app("Other", alice).await;
    let web = add(lab, app.application, "web").await;
    let again = |application, keys| {
        CatalogueChange::AddApiKey(Box::new(ApiKey { keys, ..new_key(lab, application, "web") }))
    };
    refused(lab, again(app.application, KeyType::Production), ChangeRefused::NameTaken).await;
    refused(lab, again(lab.entry(), KeyType::Production), ChangeRefused::NotFound).await;
    lab.change(again(app.application, KeyType::Sandbox)).await;
    lab.change(again(other.application, KeyType::Production)).await;
    lab.change(CatalogueChange::RevokeApiKey(web.id)).await;
    lab.change(again(app.application, KeyType::Production)).await;
    let same_id = ApiKey { name: "same id".to_owned(), ..web.clone() };
    lab.change(CatalogueChange::AddApiKey(Box::new(same_id.clone()))).await;
    let twice = ApiKey { name: "twice".to_owned(), ..same_id };
    refused(lab, CatalogueChange::AddApiKey(Box::new(twice)), ChangeRefused::NameTaken).await;
}

pub(crate) async fn an_application_has_so_many_keys_and_no_more(lab: &mut Lab) {
    let (_, app) = lab.alice().await;
    let mut adders = JoinSet::new();
    for number in 0..MAX_API_KEYS + 8 {
        let desk = lab.desk();
        let key = Box::new(new_key(&desk, app.application, &format!("key {number}")));
        adders.spawn(async move { desk.try_change(CatalogueChange::AddApiKey(key)).await });
    }
    let outcomes = adders.join_all().await;
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Err(ChangeRefused::Full)).count(), 8);
    let listed = lab.store.api_keys_of(app.application).await.unwrap();
    assert_eq!(listed.len(), MAX_API_KEYS);
    lab.change(CatalogueChange::RevokeApiKey(listed[0].id)).await;
    add(lab, app.application, "in its place").await;
}

pub(crate) async fn another_value_ends_the_one_before(lab: &mut Lab) {
    let (_, app) = lab.alice().await;
    let mut mark = lab.store.changes().mark();
    let key = add(lab, app.application, "web").await;
    assert_eq!(told(lab, &mut mark), [], "nobody can know anything else of it");
    assert_eq!(held(lab, key.id).await.as_ref(), Some(&key));
    lab.clock.advance_seconds(10);
    lab.change(CatalogueChange::RegenerateApiKey(key.id)).await;
    assert_eq!(told(lab, &mut mark), [Changed::Epoch { principal: key.id, epoch: Some(2) }]);
    let next = held(lab, key.id).await.unwrap();
    assert_eq!(next, key.clone().regenerated(lab.now()));
    assert_eq!((next.generation, next.issued_at), (2, lab.now()));
    assert_eq!(lab.store.api_keys_of(app.application).await.unwrap(), [next]);
    let unknown = CatalogueChange::RegenerateApiKey(lab.principal());
    refused(lab, unknown, ChangeRefused::NotFound).await;
}

pub(crate) async fn a_revoked_key_is_gone_and_told_of(lab: &mut Lab) {
    let (_, app) = lab.alice().await;
    let (key, other) = (add(lab, app.application, "web").await, add(lab, app.application, "other").await);
    assert!(held(lab, key.id).await.is_some());
    let mut mark = lab.store.changes().mark();
    lab.change(CatalogueChange::RevokeApiKey(key.id)).await;
    assert_eq!(told(lab, &mut mark), [Changed::Epoch { principal: key.id, epoch: None }]);
    assert_eq!(held(lab, key.id).await, None);
    assert_eq!(held(lab, other.id).await, Some(other.clone()));
    assert_eq!(lab.store.api_keys_of(app.application).await.unwrap(), std::slice::from_ref(&other));
    refused(lab, CatalogueChange::RevokeApiKey(key.id), ChangeRefused::NotFound).await;
    let revoked = lab.events().await.pop().unwrap().event;
    assert_eq!((revoked.kind, revoked.subject), (EventKind::ApiKeyRevoke, Some(key.id)));
    lab.change(CatalogueChange::DeleteApplication(app.application)).await;
    assert!(told(lab, &mut mark).contains(&Changed::Epoch { principal: other.id, epoch: None }));
    assert_eq!(held(lab, other.id).await, None, "it ended with its application");
    assert_eq!(lab.store.api_keys_of(app.application).await.unwrap(), []);
}

pub(crate) async fn what_a_key_opens_is_seen_by_the_next_call(lab: &mut Lab) {
    let (_, app) = lab.alice().await;
    let (api, key) = (lab.api("/echo", &[]).await, add(lab, app.application, "web").await);
    let opens = async |desk: &Desk| {
        let facts = desk.store.api_key(key.id).await.unwrap().unwrap();
        let states = facts.subscriptions.iter().map(|held| (held.api, held.state)).collect::<Vec<_>>();
        (facts.application.tier.clone(), states)
    };
    assert_eq!(opens(lab).await, ("Unlimited".to_owned(), vec![]));
    lab.subscribe(&app, &api).await;
    assert_eq!(opens(lab).await.1, [(api.id, SubscriptionState::Unblocked)]);
    let state = SubscriptionState::Blocked;
    let block = CatalogueChange::SetSubscriptionState { application: app.application, api: api.id, state };
    lab.change(block).await;
    assert_eq!(opens(lab).await.1, [(api.id, state)]);
    lab.change(CatalogueChange::SetApplicationTier(app.application, "10PerMin".to_owned())).await;
    assert_eq!(opens(lab).await.0, "10PerMin");
    lab.change(CatalogueChange::Unsubscribe { application: app.application, api: api.id }).await;
    assert_eq!(opens(lab).await.1, []);
}

/// Looks at a key again and again until it is over, and notes when it is dead.
async fn watch(desk: Desk, id: PrincipalId, (dead, over): (Arc<AtomicBool>, Arc<AtomicBool>)) {
    while !over.load(Ordering::SeqCst) {
        let was_dead = dead.load(Ordering::SeqCst);
        let is_alive = held(&desk, id).await.is_some();
        assert!(!(was_dead && is_alive), "dead, and alive again");
        dead.fetch_or(!is_alive, Ordering::SeqCst);
        yield_now().await;
    }
}

pub(crate) async fn the_end_of_a_key_is_final(lab: &mut Lab) {
    let (_, app) = lab.alice().await;
    for round in 0..20 {
        let key = add(lab, app.application, &format!("key {round}")).await;
        let (dead, over) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let mut watchers = JoinSet::new();
        for _ in 0..4 {
            watchers.spawn(watch(lab.desk(), key.id, (Arc::clone(&dead), Arc::clone(&over))));
        }
        for _ in 0..20 {
            yield_now().await;
        }
        lab.change(CatalogueChange::RevokeApiKey(key.id)).await;
        dead.store(true, Ordering::SeqCst);
        for _ in 0..20 {
            assert_eq!(held(lab, key.id).await, None, "alive after its end was answered");
            yield_now().await;
        }
        over.store(true, Ordering::SeqCst);
        watchers.join_all().await;
    }
}

pub(crate) async fn keys_are_kept(lab: &mut Lab) {
    let (_, app) = lab.alice().await;
    let (kept, revoked) = (add(lab, app.application, "kept").await, add(lab, app.application, "gone").await);
    lab.change(CatalogueChange::RegenerateApiKey(kept.id)).await;
    lab.change(CatalogueChange::RevokeApiKey(revoked.id)).await;
    let before = held(lab, kept.id).await;
    lab.reopen(&Setup::default()).await;
    assert_eq!(held(lab, kept.id).await, before);
    assert_eq!(held(lab, revoked.id).await, None);
    let refused_now = lab.try_change(CatalogueChange::RevokeApiKey(revoked.id)).await;
    assert_eq!(refused_now, Err(ChangeRefused::NotFound));
}
