//! The registry: applications and subscriptions as portals look for them.

use std::collections::BTreeSet;

use latchkey_catalog::application::{
    Application, ApplicationDetails, ApplicationKind, ApplicationStatus, TokenType,
};
use latchkey_catalog::id::EntryId;
use latchkey_catalog::subscription::{Subscription, SubscriptionState};
use latchkey_oauth::id::PrincipalId;
use latchkey_store::registry::{
    ApplicationQuery, ApplicationSort, Order, PageOf, SeenBy, SubscriptionsOf, TextMatch,
};
use latchkey_store::unit::{ApplicationUpdate, CatalogueChange, ChangeRefused, SubscriptionUpdate};

use crate::catalogue::refused;
use crate::lab::{self, App, Desk, Lab, words};

fn query(seen_by: SeenBy) -> ApplicationQuery {
    let page = PageOf { offset: 0, limit: 100 };
    ApplicationQuery { seen_by, name: None, sort: ApplicationSort::Name, order: Order::Ascending, page }
}

/// The names of what is found, and how many there are.
async fn found(desk: &Desk, query: &ApplicationQuery) -> (Vec<String>, u64) {
    let found = desk.store.find_applications(query.clone()).await.unwrap();
    (found.entries.into_iter().map(|one| one.name).collect(), found.total)
}

/// An application as it is kept.
async fn kept(desk: &Desk, id: EntryId) -> Application {
    desk.store.application(id).await.unwrap().expect("the application is there")
}

/// Applications without keys, one after another.
async fn register(desk: &Desk, owner: PrincipalId, names: &[&str]) -> Vec<EntryId> {
    let mut ids = Vec::new();
    for name in names {
        let application = desk.new_application(name, owner);
        ids.push(application.id);
        desk.change(CatalogueChange::AddApplication(application, None, Vec::new())).await;
        desk.clock.advance_millis(1);
    }
    ids
}

pub(crate) async fn an_application_is_kept_whole(lab: &mut Lab) {
    let alice = lab.user("alice").await;
    let mut application = lab.new_application("Shop", alice);
    application.status = ApplicationStatus::Created;
    application.details = ApplicationDetails {
        description: "sells".to_owned(),
        token_type: TokenType::Oauth,
        attributes: [("External Reference Id".to_owned(), "7".to_owned())].into(),
        groups: words(&["sales", "support"]),
        ..ApplicationDetails::default()
    };
    let id = application.id;
    lab.change(CatalogueChange::AddApplication(application.clone(), None, Vec::new())).await;
    assert_eq!(kept(lab, id).await, application);
    assert_eq!(lab.store.clients_of(id).await.unwrap(), [], "it has no keys");
    assert_eq!(lab.store.application(lab.entry()).await.unwrap(), None);
    let named = lab.store.application_named(alice, ApplicationKind::Portal, "Shop").await.unwrap();
    assert_eq!(named, Some(application.clone()));
    let other = lab.store.application_named(alice, ApplicationKind::Registration, "Shop").await.unwrap();
    assert_eq!(other, None, "another kind");
    lab.clock.advance_millis(5);
    lab.change(CatalogueChange::SetApplicationStatus(id, ApplicationStatus::Approved)).await;
    let update = ApplicationUpdate {
        id,
        name: "Store".to_owned(),
        tier: "10PerMin".to_owned(),
        details: ApplicationDetails { description: "buys".to_owned(), ..ApplicationDetails::default() },
    };
    lab.change(CatalogueChange::UpdateApplication(Box::new(update.clone()))).await;
    let expected = Application {
        name: update.name,
        tier: update.tier,
        details: update.details,
        status: ApplicationStatus::Approved,
        updated_at: lab.now(),
        ..application
    };
    assert_eq!(kept(lab, id).await, expected);
}

pub(crate) async fn what_an_application_may_not_become_is_refused(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let bob = lab.user("bob").await;
    lab.app("Shop", alice).await;
    lab.app("Phone book", bob).await;
    let update = |id, name: &str, tier: &str| {
        let (name, tier, details) = (name.to_owned(), tier.to_owned(), ApplicationDetails::default());
        CatalogueChange::UpdateApplication(Box::new(ApplicationUpdate { id, name, tier, details }))
    };
    let (id, nothing) = (app.application, lab.entry());
    refused(lab, update(nothing, "New", "Unlimited"), ChangeRefused::NotFound).await;
    refused(lab, update(id, "Shop", "Unlimited"), ChangeRefused::NameTaken).await;
    refused(lab, update(id, "New", "Platinum"), ChangeRefused::UnknownTier).await;
    lab.change(update(id, "Phone book", "Unlimited")).await;
    let approved = ApplicationStatus::Approved;
    refused(lab, CatalogueChange::SetApplicationStatus(nothing, approved), ChangeRefused::NotFound).await;
    refused(lab, CatalogueChange::SetApplicationOwner(nothing, bob), ChangeRefused::NotFound).await;
    let nobody = lab.principal();
    refused(lab, CatalogueChange::SetApplicationOwner(id, nobody), ChangeRefused::UnknownUser).await;
    refused(lab, CatalogueChange::SetApplicationOwner(id, bob), ChangeRefused::NameTaken).await;
    assert_eq!(kept(lab, id).await.owner, alice);
}

pub(crate) async fn another_owner_has_the_application_with_its_keys(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let bob = lab.user("bob").await;
    let api = lab.api("/echo", &[]).await;
    lab.subscribe(&app, &api).await;
    let family = lab.issued(&crate::ask::Ask::application(&app)).await;
    lab.change(CatalogueChange::SetApplicationOwner(app.application, bob)).await;
    for (owner, names) in [(alice, vec![]), (bob, vec!["Phone book".to_owned()])] {
        let total = names.len() as u64;
        assert_eq!(found(lab, &query(SeenBy::Owner(owner))).await, (names, total));
    }
    let facts = lab.store.client(&app.key).await.unwrap().unwrap();
    assert_eq!((facts.application.owner, facts.subscriptions.len()), (bob, 1));
    assert!(lab.accepts(&family).await, "its tokens stay");
    lab.app("Phone book", alice).await;
    lab.change(CatalogueChange::DeleteApplication(app.application)).await;
    assert_eq!(found(lab, &query(SeenBy::Owner(bob))).await, (Vec::new(), 0));
    assert_eq!(found(lab, &query(SeenBy::Everybody)).await.1, 1);
}

pub(crate) async fn a_registration_shares_no_names_with_portals(lab: &mut Lab) {
    let (alice, _) = lab.alice().await;
    let registration =
        Application { kind: ApplicationKind::Registration, ..lab.new_application("Phone book", alice) };
    let client = lab.new_client();
    let add = |client| CatalogueChange::AddApplication(registration.clone(), client, Vec::new());
    lab.change(add(Some(Box::new(client.clone())))).await;
    assert_eq!(found(lab, &query(SeenBy::Everybody)).await, (vec!["Phone book".to_owned()], 1));
    assert_eq!(found(lab, &query(SeenBy::Owner(alice))).await.1, 1);
    let mut again = registration.clone();
    again.id = lab.entry();
    let again = CatalogueChange::AddApplication(again, None, Vec::new());
    refused(lab, again, ChangeRefused::NameTaken).await;
    let held = lab.store.registered_client(registration.id).await.unwrap();
    assert_eq!(held, Some((client.client, client.sealed_secret)));
}

pub(crate) async fn applications_are_sorted_and_paged(lab: &mut Lab) {
    let (bob, alice) = (lab.user("bob").await, lab.user("alice").await);
    register(lab, alice, &["beta", "Alpha", "ärmel", "gamma"]).await;
    let ids = register(lab, bob, &["delta", "ALPHA"]).await;
    lab.change(CatalogueChange::SetApplicationTier(ids[1], "10PerMin".to_owned())).await;
    lab.change(CatalogueChange::SetApplicationStatus(ids[0], ApplicationStatus::Rejected)).await;
    let sorted = async |sort, seen_by| {
        let ascending = found(lab, &ApplicationQuery { sort, ..query(seen_by) }).await.0;
        ascending.join(" ")
    };
    let all = || SeenBy::Everybody;
    assert_eq!(sorted(ApplicationSort::CreatedAt, all()).await, "beta Alpha ärmel gamma delta ALPHA");
    assert_eq!(sorted(ApplicationSort::Owner, all()).await, "Alpha beta gamma ärmel ALPHA delta");
    assert_eq!(sorted(ApplicationSort::Name, SeenBy::Owner(alice)).await, "Alpha beta gamma ärmel");
    assert_eq!(sorted(ApplicationSort::Owner, SeenBy::Owner(alice)).await, "Alpha beta gamma ärmel");
    assert_eq!(sorted(ApplicationSort::Tier, SeenBy::Owner(bob)).await, "ALPHA delta");
    assert_eq!(sorted(ApplicationSort::Status, SeenBy::Owner(bob)).await, "ALPHA delta");
    for sort in [
        ApplicationSort::Name,
        ApplicationSort::Owner,
        ApplicationSort::CreatedAt,
        ApplicationSort::Tier,
        ApplicationSort::Status,
    ] {
        let whole = found(lab, &ApplicationQuery { sort, ..query(all()) }).await;
        assert_eq!((whole.0.len(), whole.1), (6, 6));
        let mut paged = Vec::new();
        for offset in [0, 2, 4, 6, u64::MAX] {
            let page = PageOf { offset, limit: 2 };
            let (names, total) = found(lab, &ApplicationQuery { sort, page, ..query(all()) }).await;
            assert_eq!(total, 6);
            paged.extend(names);
        }
        assert_eq!(paged, whole.0, "{sort:?}");
        let backwards = ApplicationQuery { sort, order: Order::Descending, ..query(all()) };
        paged.reverse();
        assert_eq!(found(lab, &backwards).await.0, paged, "{sort:?}");
    }
}

pub(crate) async fn applications_are_found_by_a_part_of_their_name(lab: &mut Lab) {
    let (alice, bob) = (lab.user("alice").await, lab.user("bob").await);
    let ids = register(lab, alice, &["Phone book", "Telephone", "100%_\\", "Åland"]).await;
    register(lab, bob, &["phone"]).await;
    let named = async |name, seen_by| {
        let (names, total) = found(lab, &ApplicationQuery { name: Some(name), ..query(seen_by) }).await;
        assert_eq!(names.len() as u64, total);
        names.join(", ")
    };
    let part = |text: &str| TextMatch::Containing(text.to_owned());
    let start = |text: &str| TextMatch::Beginning(text.to_owned());
    assert_eq!(named(part("PHONE"), SeenBy::Owner(alice)).await, "Phone book, Telephone");
    assert_eq!(named(part("phone"), SeenBy::Everybody).await, "phone, Phone book, Telephone");
    assert_eq!(named(start("phone"), SeenBy::Everybody).await, "phone, Phone book");
    assert_eq!(named(start("phone"), SeenBy::Owner(bob)).await, "phone");
    assert_eq!(named(part("åL"), SeenBy::Everybody).await, "Åland");
    assert_eq!(named(part("%"), SeenBy::Everybody).await, "100%_\\");
    assert_eq!(named(part("_\\"), SeenBy::Everybody).await, "100%_\\");
    for nothing in ["'", "x", "\"", "phone\0", "phone\" OR \"tele", "phone*", "tele phone", "ph on"] {
        assert_eq!(named(part(nothing), SeenBy::Everybody).await, "", "{nothing:?}");
    }
    for (text, expected) in [
        ("one b", "Phone book"),
        ("0%_\\", "100%_\\"),
        ("ÅLAND", "Åland"),
        ("on", "phone, Phone book, Telephone"),
    ] {
        assert_eq!(named(part(text), SeenBy::Everybody).await, expected);
    }
    let (name, tier) = ("Telegraph".to_owned(), "Unlimited".to_owned());
    let update = ApplicationUpdate { id: ids[1], name, tier, details: ApplicationDetails::default() };
    lab.change(CatalogueChange::UpdateApplication(Box::new(update))).await;
    assert_eq!(named(part("phone"), SeenBy::Everybody).await, "phone, Phone book", "it has another name");
    assert_eq!(named(part("tele"), SeenBy::Everybody).await, "Telegraph");
    lab.change(CatalogueChange::SetApplicationOwner(ids[1], bob)).await;
    assert_eq!(named(part("tele"), SeenBy::Everybody).await, "Telegraph", "once");
    lab.change(CatalogueChange::DeleteApplication(ids[0])).await;
    assert_eq!(named(part("phone"), SeenBy::Everybody).await, "phone");
    register(lab, alice, &["Phone book"]).await;
    assert_eq!(found(lab, &ApplicationQuery { name: Some(part("")), ..query(SeenBy::Everybody) }).await.1, 5);
}

pub(crate) async fn a_group_sees_what_is_shared_with_it(lab: &mut Lab) {
    let (alice, bob) = (lab.user("alice").await, lab.user("bob").await);
    let ids = register(lab, alice, &["Shared", "Both", "Own"]).await;
    register(lab, bob, &["Of bob"]).await;
    let share = |id, name: &str, groups: &[&str]| {
        let details = ApplicationDetails { groups: words(groups), ..ApplicationDetails::default() };
        let (name, tier) = (name.to_owned(), "Unlimited".to_owned());
        CatalogueChange::UpdateApplication(Box::new(ApplicationUpdate { id, name, tier, details }))
    };
    lab.change(share(ids[0], "Shared", &["sales"])).await;
    lab.change(share(ids[1], "Both", &["sales", "support"])).await;
    let seen = async |groups: &[&str]| {
        let groups = groups.iter().map(|group| (*group).to_owned()).collect();
        let (names, total) = found(lab, &query(SeenBy::Member(bob, groups))).await;
        assert_eq!(names.len() as u64, total);
        names.join(", ")
    };
    assert_eq!(seen(&[]).await, "Of bob");
    assert_eq!(seen(&["sales", "support"]).await, "Both, Of bob, Shared");
    assert_eq!(seen(&["support"]).await, "Both, Of bob");
    lab.change(share(ids[1], "Both", &["sales"])).await;
    assert_eq!(seen(&["support"]).await, "Of bob");
    lab.change(CatalogueChange::DeleteApplication(ids[0])).await;
    assert_eq!(seen(&["sales"]).await, "Both, Of bob");
}

pub(crate) async fn a_subscription_keeps_its_id(lab: &mut Lab) {
    let (_, app) = lab.alice().await;
    let api = lab.api("/echo", &[]).await;
    let key = (app.application, api.id);
    let first = lab::subscription(key, "Bronze");
    lab.change(CatalogueChange::AddSubscription(first.clone())).await;
    assert_eq!(lab.store.subscription(first.id).await.unwrap(), Some(first.clone()));
    assert_eq!(lab.store.subscription_between(key).await.unwrap(), Some(first.clone()));
    refused(lab, CatalogueChange::AddSubscription(first.clone()), ChangeRefused::NameTaken).await;
    lab.clock.advance_millis(7);
    let again = Subscription { id: lab.entry(), ..lab::subscription(key, "Gold") };
    lab.change(CatalogueChange::Subscribe(again)).await;
    let gold = Subscription { tier: "Gold".to_owned(), updated_at: lab.now(), ..first.clone() };
    assert_eq!(lab.store.subscription(first.id).await.unwrap(), Some(gold.clone()));
    let update = SubscriptionUpdate {
        id: first.id,
        tier: "Gold".to_owned(),
        requested_tier: Some("Silver".to_owned()),
        state: Some(SubscriptionState::TierUpdatePending),
    };
    lab.change(CatalogueChange::UpdateSubscription(update.clone())).await;
    let pending = Subscription {
        requested_tier: update.requested_tier.clone(),
        state: SubscriptionState::TierUpdatePending,
        ..gold
    };
    assert_eq!(lab.store.subscription(first.id).await.unwrap(), Some(pending));
    let unknown = SubscriptionUpdate { requested_tier: Some("Platinum".to_owned()), ..update.clone() };
    refused(lab, CatalogueChange::UpdateSubscription(unknown), ChangeRefused::UnknownTier).await;
    let nothing = SubscriptionUpdate { id: lab.entry(), ..update };
    refused(lab, CatalogueChange::UpdateSubscription(nothing), ChangeRefused::NotFound).await;
    lab.change(CatalogueChange::Unsubscribe { application: key.0, api: key.1 }).await;
    assert_eq!(lab.store.subscription(first.id).await.unwrap(), None);
    assert_eq!(lab.store.subscription_between(key).await.unwrap(), None);
}

pub(crate) async fn subscriptions_are_counted(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let bob = lab.user("bob").await;
    let of_bob = lab.app("Shop", bob).await;
    let (echo, more) = (lab.api("/echo", &[]).await, lab.api("/more", &[]).await);
    let counted = async |of| {
        let page = PageOf { offset: 1, limit: 1 };
        let found = lab.store.find_subscriptions(of, page).await.unwrap();
        let all = lab.store.find_subscriptions(of, PageOf { offset: 0, limit: 9 }).await.unwrap();
        assert_eq!(all.entries.get(1..2).unwrap_or_default(), found.entries, "{of:?}");
        assert_eq!((all.entries.len() as u64, all.total), (found.total, found.total), "{of:?}");
        let keys: Vec<_> = all.entries.iter().map(|one| (one.application, one.api)).collect();
        assert!(keys.is_sorted(), "{of:?}");
        found.total
    };
    let apps = [&app, &of_bob];
    let each = async |desk: &Desk| {
        let ids = apps.map(|app: &App| app.application).to_vec();
        desk.store.subscription_counts(ids).await.unwrap()
    };
    for (app, api) in [(&app, &echo), (&app, &more), (&of_bob, &echo)] {
        lab.subscribe(app, api).await;
        lab.subscribe(app, api).await;
    }
    assert_eq!(counted(SubscriptionsOf::All).await, 3);
    assert_eq!(counted(SubscriptionsOf::Api(echo.id)).await, 2);
    assert_eq!(counted(SubscriptionsOf::Application(app.application)).await, 2);
    assert_eq!(counted(SubscriptionsOf::Subscriber(alice, echo.id)).await, 1);
    assert_eq!(counted(SubscriptionsOf::Subscriber(bob, more.id)).await, 0);
    assert_eq!(each(lab).await, [2, 1]);
    lab.change(CatalogueChange::Unsubscribe { application: app.application, api: more.id }).await;
    assert_eq!((counted(SubscriptionsOf::All).await, counted(SubscriptionsOf::Api(more.id)).await), (2, 0));
    lab.change(CatalogueChange::DeleteApplication(of_bob.application)).await;
    assert_eq!((counted(SubscriptionsOf::All).await, counted(SubscriptionsOf::Api(echo.id)).await), (1, 1));
    let retire = CatalogueChange::SetApiState(echo.id, latchkey_catalog::api::ApiState::Retired);
    lab.change(retire).await;
    assert_eq!((counted(SubscriptionsOf::All).await, counted(SubscriptionsOf::Api(echo.id)).await), (0, 0));
    assert_eq!(each(lab).await, [0, 0]);
}

/// Names that try to be more than a name are names.
pub(crate) async fn hostile_names_are_kept_as_they_are(lab: &mut Lab) {
    let alice = lab.user("alice").await;
    let long = "ä".repeat(100);
    let names = ["'; DROP TABLE application; --", "$1", "%", "<b>x</b>", "a\"b", "İstanbul", &long];
    register(lab, alice, &names).await;
    let (kept, total) = found(lab, &query(SeenBy::Owner(alice))).await;
    let (kept, names): (BTreeSet<String>, _) = (kept.into_iter().collect(), words(&names));
    assert_eq!((kept, total), (names.clone(), names.len() as u64));
    for name in names {
        for seen_by in [SeenBy::Owner(alice), SeenBy::Everybody] {
            let part = ApplicationQuery { name: Some(TextMatch::Containing(name.clone())), ..query(seen_by) };
            assert!(found(lab, &part).await.0.contains(&name), "{name}");
        }
        let held = lab.store.application_named(alice, ApplicationKind::Portal, &name).await.unwrap();
        assert_eq!(held.map(|held| held.name), Some(name));
    }
}
