//! The APIs that developers find.

use std::collections::BTreeSet;

use http::Method;
use latchkey_catalog::api::{API_KEY_HEADER, Api, ApiState, VersionRole};
use latchkey_catalog::id::EntryId;
use latchkey_catalog::listing::ListedApi;
use latchkey_catalog::openapi;
use latchkey_catalog::resource::Resource;
use latchkey_catalog::tier::{Level, Tier};
use latchkey_store::publishing::{ApiCondition, ApiQuery, ApiSort, PublisherApi, Viewer};
use latchkey_store::registry::{Order, PageOf, SubscriptionsOf};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::super::answer::millis;
use super::super::call::Call;
use super::super::caller::Caller;
use super::super::contract::Parameter;
use super::super::error::RestError;
use super::super::operation::{Answer, Operation};
use super::super::page::{Listing, Window};
use super::policies::ThrottlingPolicy;
use super::search::{self, Sought};
use super::{SURFACE, policies};
use crate::admin::problem::Problem;
use crate::app::App;
use crate::http::answer;
use crate::rest::publisher::schemes;

/// What a search is read from.
pub(in crate::rest) const SEARCH: [Parameter; 3] =
    [Window::ASKS[0], Window::ASKS[1], Parameter::text("query")];

pub(super) fn operations() -> Vec<Operation> {
    vec![
        SURFACE.open(Method::GET, "/apis", list).asks(&SEARCH).answers::<Listing<ApiInfo>>(),
        SURFACE.open(Method::GET, "/apis/{apiId}", one).answers::<Map<String, Value>>(),
        SURFACE.open(Method::GET, "/apis/{apiId}/swagger", swagger).answers::<Map<String, Value>>(),
        SURFACE
            .open(Method::GET, "/apis/{apiId}/subscription-policies", subscription_policies)
            .answers::<Vec<ThrottlingPolicy>>(),
        SURFACE
            .open(Method::GET, "/apis/{apiId}/documents", nothing)
            .asks(&Window::ASKS)
            .answers::<Listing<Value>>(),
        SURFACE
            .open(Method::GET, "/apis/{apiId}/comments", nothing)
            .asks(&Window::ASKS)
            .answers::<Listing<Value>>(),
        SURFACE.open(Method::GET, "/search", list).asks(&SEARCH).answers::<Listing<ApiInfo>>(),
        SURFACE.open(Method::GET, "/tags", tags).asks(&Window::ASKS).answers::<Listing<Tag>>(),
    ]
}

/// The states in which listings show an API.
const LISTED: [ApiState; 2] = [ApiState::Published, ApiState::Prototyped];
/// Those in which it is shown to who knows its id.
const SHOWN: [ApiState; 4] =
    [ApiState::Published, ApiState::Prototyped, ApiState::Blocked, ApiState::Deprecated];
/// What is nobody's business outside the publisher begins so: where upstreams are, among other things.
const INTERNAL: [&str; 2] = ["x-wso2-", "x-latchkey-"];

/// Who looks, as the store knows it. Administrators see everything.
fn viewer(caller: Option<&Caller>) -> Viewer {
    match caller.map(|caller| &caller.user.user) {
        None => Viewer::Anonymous,
        Some(user) if user.is_administrator() => Viewer::Publisher,
        Some(user) => Viewer::User(user.name.clone(), user.roles.clone()),
    }
}

/// The APIs in some states that `caller` sees.
fn query(
    caller: Option<&Caller>,
    states: &[ApiState],
    conditions: Vec<ApiCondition>,
    window: Window,
) -> ApiQuery {
    ApiQuery {
        viewer: viewer(caller),
        states: states.to_vec(),
        conditions,
        sort: ApiSort::Name,
        order: Order::Ascending,
        page: PageOf { offset: window.offset.into(), limit: window.limit },
    }
}

/// The API of an id, where it is or was published and `caller` sees it.
pub(super) async fn find(
    app: &App,
    id: Option<EntryId>,
    caller: Option<&Caller>,
) -> Result<PublisherApi, RestError> {
    let id = id.ok_or(Problem::NoSuchApi)?;
    let shown = query(caller, &SHOWN, Vec::new(), Window { offset: 0, limit: 1 });
    if !app.store.is_found(shown, id).await? {
        return Err(Problem::NoSuchApi.into());
    }
    app.store.publisher_api(id).await?.ok_or_else(|| Problem::NoSuchApi.into())
}

/// The names of the tiers that a subscription to an API may have.
pub(super) fn tiers(api: &ListedApi, all: &[Tier]) -> BTreeSet<String> {
    let offered = |tier: &&Tier| tier.level == Level::Subscription && api.listing.offers(&tier.name);
    all.iter().filter(offered).map(|tier| tier.name.clone()).collect()
}

/// An API as lists show it.
pub(in crate::rest) fn listed(found: &PublisherApi) -> ListedApi {
    ListedApi::of(&found.api, found.listing.clone())
}

/// APIs are all that there is to find, so `search` answers the same.
async fn list(call: Call, caller: Option<Caller>) -> Answer {
    let window = Window::of(&call)?;
    let sought = search::read(call.parameter("query").unwrap_or_default())?;
    let Sought::Apis(conditions) = sought else {
        return Ok(answer::json(&Listing::<ApiInfo>::page(Vec::new(), 0, (window, &call))));
    };
    let all = call.app.store.tiers().await?;
    let found = call.app.store.find_apis(query(caller.as_ref(), &LISTED, conditions, window)).await?;
    let list = found.entries.iter().map(|api| info(api, &all)).collect();
    Ok(answer::json(&Listing::page(list, found.total, (window, &call))))
}

async fn tags(call: Call, _: Option<Caller>) -> Answer {
    let window = Window::of(&call)?;
    let tags = call.app.store.tags(LISTED.to_vec()).await?;
    let tags = tags.into_iter().map(|(value, count)| Tag { value, count }).collect();
    Ok(answer::json(&Listing::<Tag>::cut(tags, (window, &call))))
}

async fn one(call: Call, caller: Option<Caller>) -> Answer {
    let found = find(&call.app, call.at("apiId"), caller.as_ref()).await?;
    let tiers = call.app.store.tiers().await?;
    let of = SubscriptionsOf::Api(found.api.id);
    let subscriptions = call.app.store.find_subscriptions(of, PageOf { offset: 0, limit: 1 }).await?.total;
    Ok(answer::json(&detail(&call.app, &found, (&tiers, subscriptions))))
}

async fn swagger(call: Call, caller: Option<Caller>) -> Answer {
    let found = find(&call.app, call.at("apiId"), caller.as_ref()).await?;
    Ok(answer::json(&document(&call.app, &found.api)))
}

async fn subscription_policies(call: Call, caller: Option<Caller>) -> Answer {
    let found = find(&call.app, call.at("apiId"), caller.as_ref()).await?;
    let tiers = call.app.store.tiers().await?;
    // WSO2 answers a bare array here.
    Ok(answer::json(&policies::offered(&listed(&found), tiers)))
}

/// Documents and comments: there are none, and portal pages ask for them.
async fn nothing(call: Call, caller: Option<Caller>) -> Answer {
    find(&call.app, call.at("apiId"), caller.as_ref()).await?;
    let window = Window::of(&call)?;
    Ok(answer::json(&Listing::<Value>::cut(Vec::new(), (window, &call))))
}

/// The definition of an API for who calls it: at the gateway, and without what the publisher keeps to itself.
fn document(app: &App, api: &Api) -> Value {
    let mut document = openapi::export(api);
    strip(&mut document);
    for path in document["paths"].as_object_mut().into_iter().flat_map(|paths| paths.values_mut()) {
        strip(path);
        path.as_object_mut().into_iter().flat_map(|operations| operations.values_mut()).for_each(strip);
    }
    let servers = app.gateway_urls().iter().map(|url| json!({ "url": format!("{url}{}", api.path()) }));
    document["servers"] = servers.collect();
    document
}

/// Takes away the members of an object that are nobody's business.
fn strip(object: &mut Value) {
    if let Some(members) = object.as_object_mut() {
        members.retain(|name, _| !INTERNAL.iter().any(|prefix| name.starts_with(prefix)));
    }
}

/// What WSO2's `APIInfo` and `API` have in common.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "APICommon")]
struct Common {
    #[schemars(with = "Uuid")]
    id: EntryId,
    name: String,
    display_name: String,
    description: String,
    context: String,
    version: String,
    #[serde(rename = "type")]
    kind: &'static str,
    created_time: String,
    provider: String,
    life_cycle_status: &'static str,
    avg_rating: &'static str,
    advertise_info: AdvertiseInfo,
    business_information: Value,
    is_subscription_available: bool,
    monetization_label: &'static str,
    gateway_type: &'static str,
    gateway_vendor: &'static str,
    additional_properties: Value,
    monetized_info: bool,
    egress: bool,
    subtype: &'static str,
}

#[derive(Debug, Serialize, JsonSchema)]
struct AdvertiseInfo {
    advertised: bool,
}

/// WSO2's `APIInfo`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "APIInfo")]
pub(super) struct ApiInfo {
    #[serde(flatten)]
    common: Common,
    throttling_policies: BTreeSet<String>,
}

/// A tag, and how many APIs have it.
#[derive(Debug, Serialize, JsonSchema)]
struct Tag {
    value: String,
    count: u64,
}

pub(super) fn info(api: &ListedApi, all: &[Tier]) -> ApiInfo {
    ApiInfo { common: common(api), throttling_policies: tiers(api, all) }
}

fn common(api: &ListedApi) -> Common {
    let listing = &api.listing;
    let further =
        |name: &str, otherwise: Value| listing.details.further.get(name).cloned().unwrap_or(otherwise);
    Common {
        id: api.id,
        name: api.name.clone(),
        display_name: listing.details.display_name.as_ref().unwrap_or(&api.name).clone(),
        description: listing.description.clone(),
        context: format!("{}/{}", api.context, api.version),
        version: api.version.clone(),
        kind: "HTTP",
        created_time: millis(listing.created_at),
        provider: listing.provider.clone(),
        life_cycle_status: api.state.as_str(),
        avg_rating: "0.0",
        advertise_info: AdvertiseInfo { advertised: false },
        business_information: further("businessInformation", json!({})),
        is_subscription_available: api.state.takes_subscriptions(),
        monetization_label: "FREE",
        gateway_type: "wso2/synapse",
        gateway_vendor: "wso2",
        additional_properties: further("additionalProperties", json!([])),
        monetized_info: false,
        egress: false,
        subtype: "DEFAULT",
    }
}

/// WSO2's `API`.
fn detail(app: &App, found: &PublisherApi, (all, subscriptions): (&[Tier], u64)) -> Value {
    let (api, listing) = (&found.api, &found.listing);
    let definition = &api.definition;
    let operation = |one: &Resource| json!({ "id": "", "target": one.template, "verb": one.method });
    let scope = |(name, roles): (&String, &BTreeSet<String>)| {
        let text = listing.details.scopes.get(name);
        let shown = text.map(|text| text.display_name.as_str()).filter(|shown| !shown.is_empty());
        let description = text.map_or("", |text| text.description.as_str());
        json!({ "key": name, "name": shown.unwrap_or(name), "roles": roles, "description": description })
    };
    let tier = |name: &String| json!({ "tierName": name, "tierPlan": "FREE", "monetizationAttributes": Value::Null });
    let transports = [(definition.transports.http, "http"), (definition.transports.https, "https")];
    let transports: Vec<_> =
        transports.into_iter().filter(|(is_open, _)| *is_open).map(|(_, name)| name).collect();
    let listed = listed(found);
    let mut detail = serde_json::to_value(common(&listed)).expect("an API is plain data");
    let more = json!({
        "isDefaultVersion": definition.versions == VersionRole::Default,
        "apiDefinition": document(app, api).to_string(),
        "transport": transports,
        "operations": definition.resources.iter().map(operation).collect::<Vec<_>>(),
        "authorizationHeader": definition.authorization_header.as_deref().unwrap_or("Authorization"),
        "securityScheme": schemes(&definition.schemes),
        "apiKeyHeader": definition.api_key_header.as_deref().unwrap_or(API_KEY_HEADER),
        "tags": listing.details.tags,
        "tiers": tiers(&listed, all).iter().map(tier).collect::<Vec<_>>(),
        "hasThumbnail": false,
        "monetization": { "enabled": false },
        "endpointURLs": endpoint_urls(app, api),
        "environmentList": ["Default"],
        "scopes": definition.scopes.iter().map(scope).collect::<Vec<_>>(),
        "subscriptions": subscriptions,
        "initiatedFromGateway": false,
        "categories": listing.details.further.get("categories").cloned().unwrap_or(json!([])),
        "keyManagers": ["all"],
        "lastUpdatedTime": millis(listing.updated_at),
        "asyncTransportProtocols": [],
    });
    for (name, value) in more.as_object().into_iter().flatten() {
        detail[name] = value.clone();
    }
    detail
}

/// Where the gateway answers the API.
fn endpoint_urls(app: &App, api: &Api) -> Value {
    let urls = app.gateway_urls();
    let of_scheme = |scheme: &str, path: &str| {
        let base = urls.iter().find(|url| url.starts_with(scheme));
        base.map(|base| format!("{base}{path}"))
    };
    let at = |path: &str| json!({ "http": of_scheme("http:", path), "https": of_scheme("https:", path), "ws": Value::Null, "wss": Value::Null });
    let is_default = api.definition.versions == VersionRole::Default;
    json!([{
        "environmentName": "Default",
        "environmentDisplayName": "Default",
        "environmentType": "hybrid",
        "URLs": at(&api.path()),
        "defaultVersionURLs": if is_default { at(&api.context) } else { json!({}) },
    }])
}
