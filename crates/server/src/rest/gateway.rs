//! WSO2's API of a gateway, of which clients ask whether something is there yet: what is not there is answered 404.

use std::collections::{BTreeMap, BTreeSet};

use http::Method;
use latchkey_catalog::api::{Api, VersionRole};
use latchkey_catalog::application::{Application, TokenType};
use latchkey_catalog::id::EntryId;
use latchkey_catalog::subscription::Subscription;
use latchkey_store::registry::{
    ApplicationQuery, ApplicationSort, Order, PageOf, SeenBy, SubscriptionsOf, TextMatch,
};
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

use super::answer;
use super::call::{Call, ORGANIZATION};
use super::caller::Caller;
use super::contract::Parameter;
use super::devportal::applications::token_types;
use super::error::{Fault, RestError};
use super::operation::{Answer, Operation};
use super::page::Listing;
use super::surface::Surface;
use crate::http::answer::json as whole;

const SEE: &[&str] = &["apim:admin"];
/// The most entries of one answer.
const MOST: u32 = 500;

const TENANT: Parameter = Parameter::text("tenantDomain");

pub(super) fn operations() -> Vec<Operation> {
    let gateway = Surface::Gateway;
    vec![
        gateway.open(Method::GET, "/server-startup-healthcheck", ready),
        gateway
            .scoped(Method::GET, "/apis", SEE, apis)
            .asks(&[TENANT, Parameter::text("context"), Parameter::text("version")])
            .answers::<Listing<RoutedApi>>(),
        gateway
            .scoped(Method::GET, "/applications", SEE, applications)
            .asks(&[TENANT, Parameter::text("appUUID"), Parameter::text("name")])
            .answers::<Listing<KnownApplication>>(),
        gateway
            .scoped(Method::GET, "/subscriptions", SEE, subscriptions)
            .asks(&[TENANT, Parameter::text("apiUUID"), Parameter::text("appUUID")])
            .answers::<Listing<KnownSubscription>>(),
    ]
}

/// Whoever is answered here is answered by a server that has started.
async fn ready(_: Call, _: Option<Caller>) -> Answer {
    Ok(answer::done())
}

/// An API that is routed.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "GatewayAPI")]
struct RoutedApi {
    #[serde(rename = "apiUUID")]
    #[schemars(with = "Uuid")]
    api_uuid: EntryId,
    #[schemars(with = "Uuid")]
    uuid: EntryId,
    name: String,
    context: String,
    version: String,
    api_type: &'static str,
    status: &'static str,
    policy: Option<String>,
    is_default_version: bool,
    environment: &'static str,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "GatewayApplication")]
struct KnownApplication {
    #[schemars(with = "Uuid")]
    uuid: EntryId,
    #[schemars(with = "Uuid")]
    id: EntryId,
    name: String,
    policy: String,
    #[schemars(schema_with = "token_types")]
    token_type: TokenType,
    group_ids: BTreeSet<String>,
    attributes: BTreeMap<String, String>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "GatewaySubscription")]
struct KnownSubscription {
    #[serde(rename = "subscriptionUUID")]
    #[schemars(with = "Uuid")]
    uuid: EntryId,
    #[schemars(with = "Uuid")]
    subscription_id: EntryId,
    #[serde(rename = "apiUUID")]
    #[schemars(with = "Uuid")]
    api_uuid: EntryId,
    #[serde(rename = "appUUID")]
    #[schemars(with = "Uuid")]
    app_uuid: EntryId,
    policy_id: String,
    subscription_state: &'static str,
}

fn listed(call: &Call, list: Vec<impl Serialize>) -> Answer {
    let tenant = call.parameter("tenantDomain");
    if list.is_empty() || tenant.is_some_and(|tenant| tenant != ORGANIZATION) {
        return Err(RestError::of(Fault::NotFound));
    }
    Ok(whole(&Listing::whole(list)))
}

/// The APIs that the gateway routes to, by context with or without the version.
async fn apis(call: Call, _: Caller) -> Answer {
    let (context, version) = (call.parameter("context"), call.parameter("version"));
    let is_asked = |api: &&Api| {
        api.definition.is_routed()
            && version.is_none_or(|version| version == api.version)
            && context.is_none_or(|context| context == api.context || context == api.path())
    };
    let all = call.app.store.apis().await?;
    let one = |api: &Api| RoutedApi {
        api_uuid: api.id,
        uuid: api.id,
        name: api.name.clone(),
        context: api.path(),
        version: api.version.clone(),
        api_type: "HTTP",
        status: api.definition.state.as_str(),
        policy: api.definition.throttling.clone(),
        is_default_version: api.definition.versions == VersionRole::Default,
        environment: "Default",
    };
    listed(&call, all.iter().filter(is_asked).take(MOST as usize).map(one).collect())
}

async fn applications(call: Call, _: Caller) -> Answer {
    let one = |application: &Application| KnownApplication {
        uuid: application.id,
        id: application.id,
        name: application.name.clone(),
        policy: application.tier.clone(),
        token_type: application.details.token_type,
        group_ids: application.details.groups.clone(),
        attributes: application.details.attributes.clone(),
    };
    let store = &call.app.store;
    let found = if let Some(id) = call.parameter("appUUID") {
        match id.parse::<EntryId>() {
            Ok(id) => store.application(id).await?.into_iter().collect(),
            Err(_) => Vec::new(),
        }
    } else {
        let query = ApplicationQuery {
            seen_by: SeenBy::Everybody,
            name: call.parameter("name").map(|name| TextMatch::Exactly(name.to_owned())),
            sort: ApplicationSort::Name,
            order: Order::Ascending,
            page: PageOf { offset: 0, limit: MOST },
        };
        store.find_applications(query).await?.entries
    };
    listed(&call, found.iter().map(one).collect())
}

async fn subscriptions(call: Call, _: Caller) -> Answer {
    let id = |name: &str| call.parameter(name).map(|text| text.parse::<EntryId>().ok());
    let (api, application) = (id("apiUUID"), id("appUUID"));
    let page = PageOf { offset: 0, limit: MOST };
    let store = &call.app.store;
    let found = match (api, application) {
        (Some(Some(api)), Some(Some(application))) => {
            store.subscription_between((application, api)).await?.into_iter().collect()
        }
        (Some(Some(api)), None) => store.find_subscriptions(SubscriptionsOf::Api(api), page).await?.entries,
        (None, Some(Some(application))) => {
            store.find_subscriptions(SubscriptionsOf::Application(application), page).await?.entries
        }
        (None, None) => store.find_subscriptions(SubscriptionsOf::All, page).await?.entries,
        _ => Vec::new(),
    };
    let one = |held: &Subscription| KnownSubscription {
        uuid: held.id,
        subscription_id: held.id,
        api_uuid: held.api,
        app_uuid: held.application,
        policy_id: held.tier.clone(),
        subscription_state: held.state.as_str(),
    };
    listed(&call, found.iter().map(one).collect())
}
