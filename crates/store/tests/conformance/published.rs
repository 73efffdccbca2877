//! What is published: APIs, subscriptions with their tiers and states, tiers.

use std::collections::BTreeSet;

use latchkey_catalog::api::{Api, ApiDefinition, ApiState, VersionRole};
use latchkey_catalog::node::Node;
use latchkey_catalog::subscription::{Subscription, SubscriptionState, UNLIMITED};
use latchkey_catalog::tier::{
    Level, Limit, PastLimit, Tier, TierDetails, UNAUTHENTICATED, Unit, Window, seeded,
};
use latchkey_catalog::upstream::{Dealings, Retries, Upstream, UpstreamUrl};
use latchkey_store::rows::Subscribed;
use latchkey_store::unit::{ApiUpdate, CatalogueChange, ChangeRefused};

use crate::catalogue::refused;
use crate::lab::{self, App, Desk, Lab};

fn subscription(app: &App, api: &Api, tier: &str) -> Subscription {
    lab::subscription((app.application, api.id), tier)
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
    Tier {
        name: name.to_owned(),
        level,
        limit,
        burst: None,
        past_limit: PastLimit::Admit,
        details: TierDetails::default(),
    }
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
    // Who adds one changes none that is there.
    let again = CatalogueChange::AddTier(tier("Gold", Level::Resource, 9));
    refused(lab, again, ChangeRefused::NameTaken).await;
    let new = Tier {
        details: TierDetails { description: "kept".to_owned(), ..TierDetails::default() },
        ..tier("New", Level::Application, 3)
    };
    lab.change(CatalogueChange::AddTier(new.clone())).await;
    let mut expected = seeded();
    expected.retain(|one| one.name != "Gold");
    expected.push(new);
    expected.extend(gold);
    assert_eq!(lab.store.tiers().await.unwrap(), sorted(expected.clone()));
    let out = CatalogueChange::DeleteTier(Level::Subscription, "Gold".to_owned());
    lab.change(out.clone()).await;
    expected.retain(|one| (one.level, one.name.as_str()) != (Level::Subscription, "Gold"));
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
    let add = CatalogueChange::AddApplication(application, Some(Box::new(lab.new_client())), Vec::new());
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
    let add = CatalogueChange::AddApplication(application, Some(Box::new(lab.new_client())), Vec::new());
    refused(lab, add, ChangeRefused::UnknownTier).await;
    let mut application = lab.new_application("Slow", alice);
    "10PerMin".clone_into(&mut application.tier);
    let first = Subscription { application: application.id, ..subscription(&app, &api, "Platinum") };
    let add = CatalogueChange::AddApplication(application, Some(Box::new(lab.new_client())), vec![first]);
    refused(lab, add, ChangeRefused::UnknownTier).await;
    api.definition.throttling = Some("Gold".to_owned());
    refused(lab, CatalogueChange::PutApi(api), ChangeRefused::UnknownTier).await;
}

/// An API as it is kept.
async fn kept(desk: &Desk, api: &Api) -> Api {
    desk.store.apis().await.unwrap().into_iter().find(|one| one.id == api.id).expect("it is there")
}

pub(crate) async fn an_update_keeps_what_it_does_not_say(lab: &mut Lab) {
    let upstream = |url| Some(Upstream::at(vec![UpstreamUrl::parse(url).unwrap()]));
    let mut api = lab.api("/echo", &[("echo.read", "reader")]).await;
    api.definition.production = upstream("http://one.example");
    api.definition.sandbox = upstream("http://two.example");
    api.definition.audiences = BTreeSet::from(["echo".to_owned()]);
    api.definition.versions = VersionRole::Default;
    api.definition.state = ApiState::Blocked;
    lab.change(CatalogueChange::PutApi(api.clone())).await;
    let definition = ApiDefinition { production: upstream("http://new.example"), ..ApiDefinition::default() };
    let update = |state| {
        let (id, name, definition) = (api.id, "Other".to_owned(), definition.clone());
        let dealings = Dealings { retries: Some(Retries::Idempotent), ..Dealings::default() };
        CatalogueChange::UpdateApi(Box::new(ApiUpdate { id, name, definition, dealings, state }))
    };
    lab.change(update(None)).await;
    let mut expected = api.clone();
    "Other".clone_into(&mut expected.name);
    expected.definition.scopes.clear();
    expected.definition.production = upstream("http://new.example");
    for upstream in [&mut expected.definition.production, &mut expected.definition.sandbox] {
        upstream.as_mut().unwrap().retries = Retries::Idempotent;
    }
    assert_eq!(kept(lab, &api).await, expected);
    lab.change(update(Some(ApiState::Published))).await;
    expected.definition.state = ApiState::Published;
    assert_eq!(kept(lab, &api).await, expected);
    let mut unknown = api.clone();
    unknown.id = lab.entry();
    let (id, name) = (unknown.id, String::new());
    let update = ApiUpdate { id, name, definition, dealings: Dealings::default(), state: None };
    refused(lab, CatalogueChange::UpdateApi(Box::new(update.clone())), ChangeRefused::NotFound).await;
    let mut update = ApiUpdate { id: api.id, ..update };
    update.definition.throttling = Some("Gold".to_owned());
    refused(lab, CatalogueChange::UpdateApi(Box::new(update)), ChangeRefused::UnknownTier).await;
}

pub(crate) async fn the_life_of_an_api_goes_one_way(lab: &mut Lab) {
    let (_, app) = lab.alice().await;
    let mut api = lab.api("/echo", &[]).await;
    api.definition.state = ApiState::Created;
    lab.change(CatalogueChange::PutApi(api.clone())).await;
    let to = |state| CatalogueChange::SetApiState(api.id, state);
    refused(lab, to(ApiState::Blocked), ChangeRefused::WrongState).await;
    let subscribe = CatalogueChange::Subscribe(subscription(&app, &api, UNLIMITED));
    refused(lab, subscribe.clone(), ChangeRefused::WrongState).await;
    lab.change(to(ApiState::Published)).await;
    lab.change(subscribe.clone()).await;
    for state in [ApiState::Blocked, ApiState::Deprecated] {
        lab.change(to(state)).await;
        assert_eq!(kept(lab, &api).await.definition.state, state);
        lab.change(CatalogueChange::Subscribe(subscription(&app, &api, "Gold"))).await;
    }
    lab.change(CatalogueChange::Unsubscribe { application: app.application, api: api.id }).await;
    refused(lab, subscribe, ChangeRefused::WrongState).await;
    lab.change(to(ApiState::Retired)).await;
    for state in [ApiState::Published, ApiState::Blocked, ApiState::Created] {
        refused(lab, to(state), ChangeRefused::WrongState).await;
        let update = ApiUpdate {
            id: api.id,
            name: api.name.clone(),
            definition: ApiDefinition::default(),
            dealings: Dealings::default(),
            state: Some(state),
        };
        refused(lab, CatalogueChange::UpdateApi(Box::new(update)), ChangeRefused::WrongState).await;
    }
    let unknown = CatalogueChange::SetApiState(lab.entry(), ApiState::Published);
    refused(lab, unknown, ChangeRefused::NotFound).await;
}

pub(crate) async fn a_retired_api_loses_its_subscriptions(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let other = lab.app("Other", alice).await;
    let (echo, more) = (lab.api("/echo", &[("echo.read", "reader")]).await, lab.api("/more", &[]).await);
    for (app, api) in [(&app, &echo), (&app, &more), (&other, &echo)] {
        lab.subscribe(app, api).await;
    }
    let before = lab.seq().await;
    lab.change(CatalogueChange::SetApiState(echo.id, ApiState::Retired)).await;
    assert_eq!(held(lab, &app).await, [subscription(&app, &more, UNLIMITED)]);
    assert_eq!(held(lab, &other).await, []);
    assert!(!lab.store.client(&app.key).await.unwrap().unwrap().known_scopes.contains_key("echo.read"));
    let kinds: Vec<_> =
        lab.events_after(before).await.iter().map(|event| event.event.kind.as_str()).collect();
    assert_eq!(kinds, ["subscription_change", "api_change"]);
}

pub(crate) async fn an_api_with_subscriptions_stays(lab: &mut Lab) {
    let (_, app) = lab.alice().await;
    let api = lab.api("/echo", &[]).await;
    lab.subscribe(&app, &api).await;
    let delete = CatalogueChange::DeleteApi(api.id);
    refused(lab, delete.clone(), ChangeRefused::InUse).await;
    lab.change(CatalogueChange::SetApiState(api.id, ApiState::Retired)).await;
    lab.change(delete.clone()).await;
    assert_eq!(lab.store.apis().await.unwrap(), []);
    refused(lab, delete, ChangeRefused::NotFound).await;
    // The path is free again.
    lab.api("/echo", &[]).await;
}

pub(crate) async fn a_block_is_seen_by_the_next_call(lab: &mut Lab) {
    let (_, app) = lab.alice().await;
    let api = lab.api("/echo", &[]).await;
    let set =
        |state| CatalogueChange::SetSubscriptionState { application: app.application, api: api.id, state };
    refused(lab, set(SubscriptionState::Blocked), ChangeRefused::NotFound).await;
    lab.change(CatalogueChange::Subscribe(subscription(&app, &api, "Gold"))).await;
    for state in SubscriptionState::ALL {
        lab.change(set(state)).await;
        assert_eq!(held(lab, &app).await, [Subscription { state, ..subscription(&app, &api, "Gold") }]);
    }
}

pub(crate) async fn subscriptions_are_listed_in_pages(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let other = lab.app("Other", alice).await;
    let (echo, more) = (lab.api("/echo", &[]).await, lab.api("/more", &[]).await);
    let mut all = Vec::new();
    for (app, api) in [(&app, &echo), (&app, &more), (&other, &echo)] {
        lab.subscribe(app, api).await;
        all.push(subscription(app, api, UNLIMITED));
    }
    all.sort_by_key(|one| (one.application, one.api));
    let list = async |which, after, limit| lab.store.subscriptions(which, after, limit).await.unwrap();
    assert_eq!(list(Subscribed::All, None, 10).await, all);
    assert_eq!(list(Subscribed::All, None, 2).await, all[..2]);
    for (place, one) in all.iter().enumerate() {
        let key = Some((one.application, one.api));
        assert_eq!(list(Subscribed::All, key, 10).await, all[place + 1..]);
    }
    let only = |wanted: &dyn Fn(&Subscription) -> bool| {
        all.iter().filter(|one| wanted(one)).cloned().collect::<Vec<_>>()
    };
    let of_app = only(&|one| one.application == app.application);
    assert_eq!(list(Subscribed::By(app.application), None, 10).await, of_app);
    let key = Some((of_app[0].application, of_app[0].api));
    assert_eq!(list(Subscribed::By(app.application), key, 10).await, of_app[1..]);
    let to_echo = only(&|one| one.api == echo.id);
    assert_eq!(list(Subscribed::To(echo.id), None, 10).await, to_echo);
    let key = Some((to_echo[0].application, to_echo[0].api));
    assert_eq!(list(Subscribed::To(echo.id), key, 1).await, to_echo[1..]);
    assert_eq!(list(Subscribed::To(lab.entry()), None, 10).await, []);
}

pub(crate) async fn a_context_has_one_default_version(lab: &mut Lab) {
    let first = lab.api("/echo", &[]).await;
    let second = Api { id: lab.entry(), version: "2.0.0".to_owned(), ..first.clone() };
    let elsewhere = lab.api("/other", &[]).await;
    lab.change(CatalogueChange::PutApi(second.clone())).await;
    let defaults = async || {
        let apis = lab.store.apis().await.unwrap();
        let defaults = apis.into_iter().filter(|api| api.definition.versions == VersionRole::Default);
        defaults.map(|api| api.id).collect::<BTreeSet<_>>()
    };
    let set = |api: &Api, role| CatalogueChange::SetVersionRole(api.id, role);
    lab.change(set(&elsewhere, VersionRole::Default)).await;
    lab.change(set(&first, VersionRole::Default)).await;
    assert_eq!(defaults().await, [first.id, elsewhere.id].into());
    lab.change(set(&second, VersionRole::Default)).await;
    assert_eq!(defaults().await, [second.id, elsewhere.id].into());
    lab.change(set(&second, VersionRole::Named)).await;
    assert_eq!(defaults().await, [elsewhere.id].into());
    let unknown = CatalogueChange::SetVersionRole(lab.entry(), VersionRole::Default);
    assert_eq!(lab.try_change(unknown).await, Err(ChangeRefused::NotFound));
}

pub(crate) async fn audiences_are_set_and_taken_back(lab: &mut Lab) {
    let api = lab.api("/echo", &[]).await;
    for audiences in [&["one", "two"][..], &["three"], &[]] {
        let audiences: BTreeSet<String> = audiences.iter().map(|name| (*name).to_owned()).collect();
        let version = lab.store.catalogue_version();
        lab.change(CatalogueChange::SetAudiences(api.id, audiences.clone())).await;
        assert!(lab.store.catalogue_version() > version, "the next call is to see it");
        let held = lab.store.apis().await.unwrap();
        assert_eq!(held[0].definition.audiences, audiences);
    }
    let unknown = CatalogueChange::SetAudiences(lab.entry(), BTreeSet::new());
    assert_eq!(lab.try_change(unknown).await, Err(ChangeRefused::NotFound));
}

pub(crate) async fn a_node_is_known_by_its_secret(lab: &mut Lab) {
    let entropy = latchkey_oauth::entropy::SeededEntropy::new(9);
    let (one, _) = Node::draw("edge-1", lab.now(), &entropy);
    let (other, _) = Node::draw("edge-1", lab.now(), &entropy);
    let (second, _) = Node::draw("edge-2", lab.now(), &entropy);
    let mark = lab.store.changes().mark();
    lab.change(CatalogueChange::AddNode(second.clone())).await;
    lab.change(CatalogueChange::AddNode(one.clone())).await;
    assert_eq!(lab.try_change(CatalogueChange::AddNode(other.clone())).await, Err(ChangeRefused::NameTaken));
    assert_eq!(lab.store.nodes().await.unwrap(), [one.clone(), second.clone()]);
    assert_eq!(lab.store.node(one.secret).await.unwrap(), Some(one.clone()));
    assert_eq!(lab.store.node(other.secret).await.unwrap(), None);
    lab.change(CatalogueChange::DeleteNode("edge-1".to_owned())).await;
    let gone = lab.try_change(CatalogueChange::DeleteNode("edge-1".to_owned())).await;
    assert_eq!(gone, Err(ChangeRefused::NotFound));
    assert_eq!(lab.store.node(one.secret).await.unwrap(), None);
    assert_eq!(lab.store.nodes().await.unwrap(), [second]);
    assert_eq!(lab.store.changes().mark(), mark, "calls do not depend on it");
}
