//! Subscriptions to APIs as publishers see them: who subscribes, blocked and let pass again.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use http::Method;
use latchkey_catalog::id::EntryId;
use latchkey_catalog::subscription::{Subscription, SubscriptionState};
use latchkey_store::registry::{PageOf, SubscriptionsOf};
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

use super::SURFACE;
use crate::admin::publisher;
use crate::app::App;
use crate::http::answer;
use crate::rest::call::Call;
use crate::rest::caller::Caller;
use crate::rest::contract::Parameter;
use crate::rest::error::RestError;
use crate::rest::operation::{Answer, Operation};
use crate::rest::page::{Listing, Window};

const SEE: &[&str] = &["apim:subscription_view", "apim:subscription_manage", "apim:api_manage"];
const BLOCK: &[&str] = &["apim:subscription_block", "apim:subscription_manage"];

const ID: Parameter = Parameter::text("subscriptionId").required();
const BLOCKS: Parameter = Parameter::one_of("blockState", &["BLOCKED", "PROD_ONLY_BLOCKED"]);

pub(super) fn operations() -> Vec<Operation> {
    vec![
        SURFACE
            .scoped(Method::GET, "/subscriptions", SEE, list)
            .asks(&Window::ASKS)
            .asks(&[Parameter::text("apiId")])
            .answers::<Listing<Told>>(),
        SURFACE
            .scoped(Method::GET, "/subscriptions/{subscriptionId}/subscriber-info", SEE, subscriber)
            .answers::<Subscriber>(),
        SURFACE
            .scoped(Method::POST, "/subscriptions/block-subscription", BLOCK, block)
            .asks(&[ID, BLOCKS])
            .answers::<Option<Told>>(),
        SURFACE
            .scoped(Method::POST, "/subscriptions/unblock-subscription", BLOCK, unblock)
            .asks(&[ID])
            .answers::<Option<Told>>(),
    ]
}

/// WSO2's `Subscription`, as publishers see it.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "PublisherSubscription")]
struct Told {
    #[schemars(with = "Uuid")]
    subscription_id: EntryId,
    application_info: Option<Subscribing>,
    throttling_policy: String,
    subscription_status: &'static str,
}

/// The publisher's `ApplicationInfo`; of an application that has just gone, the id alone.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "SubscribingApplication")]
struct Subscribing {
    #[schemars(with = "Uuid")]
    application_id: EntryId,
    #[serde(flatten)]
    held: Option<HeldApplication>,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "SubscribingApplicationDetail")]
struct HeldApplication {
    name: String,
    subscriber: Option<String>,
    description: String,
    subscription_count: Option<u64>,
}

/// WSO2's `SubscriberInfo`.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "SubscriberInfo")]
struct Subscriber {
    name: Option<String>,
    claims: Vec<String>,
}

async fn told(app: &App, held: &[Subscription]) -> Result<Vec<Told>, RestError> {
    let mut infos: BTreeMap<EntryId, Subscribing> = BTreeMap::new();
    for subscription in held {
        if let Entry::Vacant(place) = infos.entry(subscription.application) {
            place.insert(application(app, subscription.application).await?);
        }
    }
    let one = |subscription: &Subscription| Told {
        subscription_id: subscription.id,
        application_info: infos.get(&subscription.application).cloned(),
        throttling_policy: subscription.tier.clone(),
        subscription_status: subscription.state.as_str(),
    };
    Ok(held.iter().map(one).collect())
}

async fn application(app: &App, id: EntryId) -> Result<Subscribing, RestError> {
    let Some(held) = app.store.application(id).await? else {
        return Ok(Subscribing { application_id: id, held: None });
    };
    let owner = app.store.user_by_id(held.owner).await?;
    let counts = app.store.subscription_counts(vec![id]).await?;
    let held = HeldApplication {
        name: held.name,
        subscriber: owner.map(|owner| owner.user.name.clone()),
        description: held.details.description,
        subscription_count: counts.first().copied(),
    };
    Ok(Subscribing { application_id: id, held: Some(held) })
}

async fn list(call: Call, _: Caller) -> Answer {
    let window = Window::of(&call)?;
    let of = match call.parameter("apiId") {
        Some(id) => SubscriptionsOf::Api(publisher::find(&call.app, id.parse().ok()).await?.api.id),
        None => SubscriptionsOf::All,
    };
    let page = PageOf { offset: window.offset.into(), limit: window.limit };
    let found = call.app.store.find_subscriptions(of, page).await?;
    let list = told(&call.app, &found.entries).await?;
    Ok(answer::json(&Listing::page(list, found.total, (window, &call))))
}

async fn subscriber(call: Call, _: Caller) -> Answer {
    let held = publisher::subscription(&call.app, call.at("subscriptionId")).await?;
    let info = application(&call.app, held.application).await?;
    let name = info.held.and_then(|held| held.subscriber);
    Ok(answer::json(&Subscriber { name, claims: Vec::new() }))
}

async fn block(call: Call, caller: Caller) -> Answer {
    let state = call.parameter("blockState").unwrap_or("BLOCKED");
    let blocks = [SubscriptionState::Blocked, SubscriptionState::ProdOnlyBlocked];
    let state = SubscriptionState::parse(state).filter(|state| blocks.contains(state));
    let state = state.ok_or_else(|| RestError::bad("The blockState is BLOCKED or PROD_ONLY_BLOCKED."))?;
    set(&call, &caller, state).await
}

async fn unblock(call: Call, caller: Caller) -> Answer {
    set(&call, &caller, SubscriptionState::Unblocked).await
}

async fn set(call: &Call, caller: &Caller, state: SubscriptionState) -> Answer {
    let missing = || RestError::bad("The parameter subscriptionId is missing.");
    let id = call.parameter("subscriptionId").ok_or_else(missing)?;
    let held = publisher::subscription(&call.app, id.parse().ok()).await?;
    let changed = publisher::block(&call.app, &held, state, caller.name()).await?;
    Ok(answer::json(&told(&call.app, std::slice::from_ref(&changed)).await?.pop()))
}
