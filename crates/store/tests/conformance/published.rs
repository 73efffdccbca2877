//! What is published: APIs, subscriptions with their tiers and states, tiers.

use latchkey_catalog::api::Api;
use latchkey_catalog::subscription::{Subscription, SubscriptionState, UNLIMITED};
use latchkey_catalog::tier::{Level, Limit, PastLimit, Tier, UNAUTHENTICATED, Unit, Window, seeded};
use latchkey_store::unit::{CatalogueChange, ChangeRefused};

use crate::catalogue::refused;
use crate::lab::{App, Desk, Lab};

fn subscription(app: &App, api: &Api, tier: &str) -> Subscription {
    Subscription {
        application: app.application,
        api: api.id,
        tier: tier.to_owned(),
        state: SubscriptionState::Unblocked,
    }
}

/// The subscriptions of an application as the next call sees them.
async fn held(desk: &Desk, app: &App) -> Vec<Subscription> {
    let facts = desk.store.client(&app.key).await.unwrap().unwrap();
    let mut held = facts.subscriptions.clone();
    held.sort_by_key(|one| one.api);
    held
}

fn tier(name: &str, level: Level, calls: u64) -> Tier {
    let limit = Some(Limit { calls, window: Window::one(Unit::Hour) });
    Tier { name: name.to_owned(), level, limit, burst: None, past_limit: PastLimit::Admit }
}

pub(crate) async fn a_subscription_has_a_tier_and_a_state(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let other = lab.app("Other", alice).await;
    for (number, state) in SubscriptionState::ALL.into_iter().enumerate() {
        let api = lab.api(&format!("/echo{number}"), &[]).await;
        let asked = Subscription { state, ..subscription(&app, &api, "Bronze") };
        lab.change(CatalogueChange::Subscribe(asked.clone())).await;
        assert!(held(lab, &app).await.contains(&asked), "{state:?}");
    }
    assert_eq!(held(lab, &app).await.len(), SubscriptionState::ALL.len());
    assert_eq!(held(lab, &other).await, []);
}

pub(crate) async fn subscribing_again_frees_nothing_that_is_blocked(lab: &mut Lab) {
    let (_, app) = lab.alice().await;
    let api = lab.api("/echo", &[]).await;
    let blocked = Subscription { state: SubscriptionState::Blocked, ..subscription(&app, &api, "Bronze") };
    lab.change(CatalogueChange::Subscribe(blocked.clone())).await;
    lab.change(CatalogueChange::Subscribe(subscription(&app, &api, "Gold"))).await;
    assert_eq!(held(lab, &app).await, [Subscription { tier: "Gold".to_owned(), ..blocked }]);
}

pub(crate) async fn tiers_are_added_changed_and_removed(lab: &mut Lab) {
    let sorted = |mut tiers: Vec<Tier>| {
        tiers.sort_by(|one, other| (one.level.as_str(), &one.name).cmp(&(other.level.as_str(), &other.name)));
        tiers
    };
    assert_eq!(lab.store.tiers().await.unwrap(), sorted(seeded()), "a new store has the usual ones");
    // The same name at another level is another tier.
    let gold = [tier("Gold", Level::Resource, 1), tier("Gold", Level::Subscription, 2)];
    for one in &gold {
        lab.change(CatalogueChange::PutTier(one.clone())).await;
    }
    let mut expected = seeded();
    expected.retain(|one| one.name != "Gold");
    expected.extend(gold);
    assert_eq!(lab.store.tiers().await.unwrap(), sorted(expected.clone()));
    let out = CatalogueChange::DeleteTier(Level::Subscription, "Gold".to_owned());
    lab.change(out.clone()).await;
    expected.pop();
    assert_eq!(lab.store.tiers().await.unwrap(), sorted(expected));
    refused(lab, out, ChangeRefused::NotFound).await;
}

pub(crate) async fn a_tier_in_use_stays(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let mut api = lab.api("/echo", &[]).await;
    lab.change(CatalogueChange::Subscribe(subscription(&app, &api, "Bronze"))).await;
    api.definition.throttling = Some("10KPerMin".to_owned());
    lab.change(CatalogueChange::PutApi(api.clone())).await;
    let mut application = lab.new_application("Slow", alice);
    "10PerMin".clone_into(&mut application.tier);
    let id = application.id;
    let add = CatalogueChange::AddApplication(application, Box::new(lab.new_client()), Vec::new());
    lab.change(add).await;
    let delete = |level, name: &str| CatalogueChange::DeleteTier(level, name.to_owned());
    let used =
        [(Level::Subscription, "Bronze"), (Level::Resource, "10KPerMin"), (Level::Application, "10PerMin")];
    let kept = [
        (Level::Subscription, UNAUTHENTICATED),
        (Level::Subscription, UNLIMITED),
        (Level::Resource, UNLIMITED),
        (Level::Application, UNLIMITED),
    ];
    for (level, name) in used.into_iter().chain(kept) {
        refused(lab, delete(level, name), ChangeRefused::InUse).await;
    }
    lab.change(CatalogueChange::Unsubscribe { application: app.application, api: api.id }).await;
    lab.change(CatalogueChange::DeleteApplication(id)).await;
    api.definition.throttling = None;
    lab.change(CatalogueChange::PutApi(api)).await;
    for (level, name) in used {
        lab.change(delete(level, name)).await;
    }
}

pub(crate) async fn a_tier_that_is_not_there_is_given_to_nothing(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let mut api = lab.api("/echo", &[]).await;
    let unknown = |tier: &str| subscription(&app, &api, tier);
    // Platinum is nowhere, 10PerMin is for applications.
    for name in ["Platinum", "10PerMin", ""] {
        refused(lab, CatalogueChange::Subscribe(unknown(name)), ChangeRefused::UnknownTier).await;
    }
    let mut application = lab.new_application("Slow", alice);
    "Gold".clone_into(&mut application.tier);
    let add = CatalogueChange::AddApplication(application, Box::new(lab.new_client()), Vec::new());
    refused(lab, add, ChangeRefused::UnknownTier).await;
    let mut application = lab.new_application("Slow", alice);
    "10PerMin".clone_into(&mut application.tier);
    let first = Subscription { application: application.id, ..subscription(&app, &api, "Platinum") };
    let add = CatalogueChange::AddApplication(application, Box::new(lab.new_client()), vec![first]);
    refused(lab, add, ChangeRefused::UnknownTier).await;
    api.definition.throttling = Some("Gold".to_owned());
    refused(lab, CatalogueChange::PutApi(api), ChangeRefused::UnknownTier).await;
}
