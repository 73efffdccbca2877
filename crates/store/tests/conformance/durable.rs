//! What a store that outlives the process finds again.

use latchkey_catalog::count::{CountKey, Grant, HandBack};
use latchkey_catalog::subscription::{Subscription, SubscriptionState};
use latchkey_catalog::tier::{Level, Limit, Unit, Window};
use latchkey_catalog::user::Bar;
use latchkey_oauth::family::Validity;
use latchkey_oauth::issuance::Decision;
use latchkey_oauth::revocation::Selector;
use latchkey_oauth::rotation::{Rotation, RotationRefusal};
use latchkey_store::CacheUse;
use latchkey_store::counts::Lease;
use latchkey_store::unit::CatalogueChange;

use crate::ask::{Ask, Turn, binding};
use crate::lab::{self, Lab, Setup, bar};
use crate::records::after_batch;

pub(crate) async fn families_are_found_again(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let ask = Ask::user(&app, alice);
    let wide = lab.issued(&ask.clone().scope("a b")).await;
    let narrowed = lab.rotated(&Turn::of(&wide).scope("a")).await;
    let first = lab.issued(&ask.clone().device("phone")).await;
    let used = lab.rotated(&Turn::of(&first)).await;
    lab.store.mark_used(used.bucket, used.id, 2).await.unwrap();
    let minted = lab.issued(&ask.clone().scope("m").minted()).await;
    let families = [
        narrowed,
        lab.held(&used).await.unwrap().family,
        lab.rotated(&Turn::of(&minted)).await,
        lab.issued(&ask.clone().scope("f").lives(Validity::Forever).refresh_lives(Some(Validity::Forever)))
            .await,
        lab.issued(&ask.clone().bound(binding("till"))).await,
        lab.issued(&Ask::application(&app)).await,
    ];
    lab.reopen(&Setup::default()).await;
    for family in &families {
        assert_eq!(&lab.held(family).await.unwrap().family, family, "every part of it");
        assert!(lab.accepts(family).await);
    }
    assert_eq!(lab.decided(&Ask::application(&app)).await, (families[5].clone(), Decision::Reuse));
    lab.rotated(&Turn::of(&families[2])).await;
}

pub(crate) async fn what_ended_stays_ended(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let bob = lab.user("bob").await;
    let ask = Ask::user(&app, alice);
    let revoked = lab.issued(&ask.clone().device("phone")).await;
    let replayed = lab.issued(&ask.clone().device("pad")).await;
    let of_bob = lab.issued(&Ask::user(&app, bob)).await;
    let renewed = lab.issued(&ask).await;
    let current = lab.issued(&ask.clone().renewing()).await;
    lab.end(&revoked).await;
    let second = lab.rotated(&Turn::of(&replayed)).await;
    let third = lab.rotated(&Turn::of(&second)).await;
    assert_eq!(lab.refresh(&Turn::of(&replayed)).await.rotation, Rotation::Replayed);
    lab.end_all(Selector::User(bob)).await;
    lab.reopen(&Setup::default()).await;
    for family in [&revoked, &replayed, &third, &of_bob] {
        assert!(!lab.is_alive(family).await);
        let unknown = Rotation::Refused(RotationRefusal::Unknown);
        assert_eq!(lab.refresh(&Turn::of(family)).await.rotation, unknown);
    }
    assert!(lab.accepts(&current).await && !lab.accepts(&renewed).await);
}

pub(crate) async fn the_catalogue_is_found_again(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let bob = lab.user("bob").await;
    let api = lab.api("/echo", &[("echo.read", "reader")]).await;
    lab.subscribe(&app, &api).await;
    lab.change(bar(bob, Bar::Locked)).await;
    let gone = lab.app("Gone", bob).await;
    lab.change(CatalogueChange::DeleteApplication(gone.application)).await;
    let more = lab.api("/more", &[]).await;
    lab.change(CatalogueChange::Subscribe(Subscription {
        state: SubscriptionState::ProdOnlyBlocked,
        ..lab::subscription((app.application, more.id), "Gold")
    }))
    .await;
    lab.change(CatalogueChange::DeleteTier(Level::Subscription, "Silver".to_owned())).await;
    let before = (
        lab.store.tiers().await.unwrap(),
        lab.store.users("", 10).await.unwrap(),
        lab.store.applications(None, None, 10).await.unwrap(),
        lab.store.clients_of(app.application).await.unwrap(),
        lab.store.apis().await.unwrap(),
        format!("{:?}", lab.store.client(&app.key).await.unwrap()),
        lab.seen(&Ask::user(&app, alice)).await,
        lab.seen(&Ask::user(&app, bob)).await,
    );
    lab.reopen(&Setup::default()).await;
    let after = (
        lab.store.tiers().await.unwrap(),
        lab.store.users("", 10).await.unwrap(),
        lab.store.applications(None, None, 10).await.unwrap(),
        lab.store.clients_of(app.application).await.unwrap(),
        lab.store.apis().await.unwrap(),
        format!("{:?}", lab.store.client(&app.key).await.unwrap()),
        lab.seen(&Ask::user(&app, alice)).await,
        lab.seen(&Ask::user(&app, bob)).await,
    );
    assert_eq!(after, before);
    assert!(lab.store.client(&gone.key).await.unwrap().is_none());
}

pub(crate) async fn the_log_goes_on_where_it_ended(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    lab.issued(&Ask::user(&app, alice)).await;
    let (events, position) = (lab.events().await, lab.store.position().await.unwrap());
    lab.reopen(&Setup::default()).await;
    assert_eq!(lab.events().await, events);
    let now = lab.store.position().await.unwrap();
    assert_eq!((now.seq, now.epoch), (position.seq, position.epoch + 1), "a new epoch of the writer");
    lab.issued(&Ask::user(&app, alice).renewing()).await;
    assert_eq!(lab.events().await.pop().unwrap().position, lab.store.position().await.unwrap());
}

pub(crate) async fn a_lowered_bound_is_reached(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    for _ in 0..300 {
        lab.issued(&Ask::user(&app, alice).renewing()).await;
    }
    lab.reopen(&Setup { event_max: 20, ..Setup::default() }).await;
    for _ in 0..5 {
        lab.issued(&Ask::user(&app, alice).renewing()).await;
    }
    let events = lab.events().await;
    assert!((19..=20).contains(&events.len()), "in a few steps, as each takes a bounded number");
    assert_eq!(events.last().unwrap().position.seq, lab.seq().await);
}

pub(crate) async fn a_cache_of_one_entry_changes_nothing(lab: &mut Lab) {
    lab.reopen(&Setup { cache_entries: 1, batch: 1, ..Setup::default() }).await;
    let (alice, app) = lab.alice().await;
    let mut families = Vec::new();
    for device in ["a", "b", "c", "d"] {
        let family = lab.issued(&Ask::user(&app, alice).device(device)).await;
        families.push(lab.rotated(&Turn::of(&family)).await);
    }
    for family in &families {
        assert_eq!(&lab.held(family).await.unwrap().family, family);
    }
    lab.end(&families[0]).await;
    assert!(!lab.is_alive(&families[0]).await && lab.accepts(&families[3]).await);
}

pub(crate) async fn the_use_of_the_cache_is_told(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let family = lab.issued(&Ask::user(&app, alice)).await;
    lab.reopen(&Setup::default()).await;
    assert_eq!(lab.store.cache_use(), CacheUse::default(), "nothing is loaded ahead");
    lab.held(&family).await;
    assert_eq!(lab.store.cache_use(), CacheUse { families: 1, hits: 0, misses: 1 });
    lab.held(&family).await;
    assert_eq!(lab.store.cache_use(), CacheUse { families: 1, hits: 1, misses: 1 });
}

pub(crate) async fn counts_are_found_again(lab: &mut Lab) {
    let (_, app) = lab.alice().await;
    let key = CountKey::Application(app.application, None);
    let limit = Limit { calls: 10, window: Window::one(Unit::Day) };
    let Grant { window, .. } = lab.store.lease(Lease { key, limit, count: 7 }).await.unwrap();
    lab.reopen(&Setup::default()).await;
    lab.store.give_back(vec![(key, HandBack { window, permits: 2 })]).await.unwrap();
    lab.reopen(&Setup::default()).await;
    assert_eq!(lab.store.lease(Lease { key, limit, count: 99 }).await.unwrap().permits, 5);
}

pub(crate) async fn a_batch_that_was_taken_stays_taken(lab: &mut Lab) {
    assert_eq!(after_batch(lab, "edge-1", 1, 7).await, 1);
    lab.reopen(&Setup::default()).await;
    assert_eq!(after_batch(lab, "edge-1", 1, 7).await, 1, "the answer was lost with the server");
    assert_eq!(after_batch(lab, "edge-1", 1, 8).await, 2);
}
