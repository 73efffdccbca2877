//! The APIs that developers find.

use std::collections::BTreeSet;

use http::Method;
use latchkey_catalog::api::{Api, ApiState};
use latchkey_catalog::id::EntryId;
use latchkey_catalog::openapi;
use latchkey_catalog::resource::Resource;
use latchkey_catalog::tier::{Level, Tier};
use serde_json::{Value, json};

use super::super::call::Call;
use super::super::caller::Caller;
use super::super::error::RestError;
use super::super::operation::{Answer, Operation};
use super::super::page::{Listing, Window};
use super::search::Query;
use super::{SURFACE, policies};
use crate::admin::problem::Problem;
use crate::app::App;
use crate::http::answer;

pub(super) fn operations() -> Vec<Operation> {
    vec![
        SURFACE.open(Method::GET, "/apis", list),
        SURFACE.open(Method::GET, "/apis/{apiId}", one),
        SURFACE.open(Method::GET, "/apis/{apiId}/swagger", swagger),
        SURFACE.open(Method::GET, "/apis/{apiId}/subscription-policies", subscription_policies),
        SURFACE.open(Method::GET, "/apis/{apiId}/documents", nothing),
        SURFACE.open(Method::GET, "/apis/{apiId}/comments", nothing),
        SURFACE.open(Method::GET, "/search", search),
        SURFACE.open(Method::GET, "/tags", tags),
    ]
}

/// The APIs that `caller` finds in listings: those that are for everybody.
pub(super) async fn found(app: &App, caller: Option<&Caller>) -> Result<Vec<Api>, RestError> {
    let _ = caller;
    let is_listed = |api: &Api| matches!(api.definition.state, ApiState::Published | ApiState::Prototyped);
    Ok(app.store.apis().await?.into_iter().filter(is_listed).collect())
}

/// The API of an id, where it is or was published.
pub(super) async fn find(app: &App, id: Option<EntryId>, caller: Option<&Caller>) -> Result<Api, RestError> {
    let _ = caller;
    let api = match id {
        Some(id) => app.store.apis().await?.into_iter().find(|api| api.id == id),
        None => None,
    };
    api.filter(|api| api.definition.state.is_routed()).ok_or_else(|| Problem::NoSuchApi.into())
}

/// The names of the tiers that a subscription to `api` may have.
pub(super) fn tiers(api: &Api, all: &[Tier]) -> BTreeSet<String> {
    let _ = api;
    all.iter().filter(|tier| tier.level == Level::Subscription).map(|tier| tier.name.clone()).collect()
}

/// The values of a field that a query may name.
fn values<'a>(api: &'a Api, field: Option<&str>) -> Vec<&'a str> {
    match field {
        None => vec![&api.name, &api.context, &api.version],
        Some("name") => vec![&api.name],
        Some("context") => vec![&api.context],
        Some("version") => vec![&api.version],
        Some("status") => vec![api.definition.state.as_str()],
        Some(_) => Vec::new(),
    }
}

async fn matching(call: &Call, caller: Option<&Caller>) -> Result<Vec<Value>, RestError> {
    let query = Query::parse(call.parameter("query").unwrap_or_default())?;
    let all = call.app.store.tiers().await?;
    let apis = found(&call.app, caller).await?;
    Ok(apis.iter().filter(|api| query.finds(|field| values(api, field))).map(|api| info(api, &all)).collect())
}

async fn list(call: Call, caller: Option<Caller>) -> Answer {
    let window = Window::of(&call)?;
    let apis = matching(&call, caller.as_ref()).await?;
    Ok(answer::json(&Listing::cut(apis, (window, &call))))
}

/// APIs are all that there is to find.
async fn search(call: Call, caller: Option<Caller>) -> Answer {
    let window = Window::of(&call)?;
    let apis = matching(&call, caller.as_ref()).await?;
    Ok(answer::json(&Listing::cut(apis, (window, &call))))
}

async fn tags(call: Call, _: Option<Caller>) -> Answer {
    let window = Window::of(&call)?;
    Ok(answer::json(&Listing::<Value>::cut(Vec::new(), (window, &call))))
}

async fn one(call: Call, caller: Option<Caller>) -> Answer {
    let api = find(&call.app, call.at("apiId"), caller.as_ref()).await?;
    let tiers = call.app.store.tiers().await?;
    Ok(answer::json(&detail(&call.app, &api, &tiers)))
}

async fn swagger(call: Call, caller: Option<Caller>) -> Answer {
    let api = find(&call.app, call.at("apiId"), caller.as_ref()).await?;
    Ok(answer::json(&openapi::export(&api)))
}

async fn subscription_policies(call: Call, caller: Option<Caller>) -> Answer {
    let api = find(&call.app, call.at("apiId"), caller.as_ref()).await?;
    // WSO2 answers a bare array here.
    Ok(answer::json(&policies::of_subscriptions(&call, &api).await?))
}

/// Documents and comments: there are none, and portal pages ask for them.
async fn nothing(call: Call, caller: Option<Caller>) -> Answer {
    find(&call.app, call.at("apiId"), caller.as_ref()).await?;
    let window = Window::of(&call)?;
    Ok(answer::json(&Listing::<Value>::cut(Vec::new(), (window, &call))))
}

/// WSO2's `APIInfo`.
pub(super) fn info(api: &Api, all: &[Tier]) -> Value {
    let tiers = tiers(api, all);
    let mut info = common(api);
    info["throttlingPolicies"] = json!(tiers);
    info
}

/// What `APIInfo` and `API` have in common.
fn common(api: &Api) -> Value {
    json!({
        "id": api.id,
        "name": api.name,
        "displayName": api.name,
        "description": "",
        "context": format!("{}/{}", api.context, api.version),
        "version": api.version,
        "type": "HTTP",
        "provider": "admin",
        "lifeCycleStatus": api.definition.state.as_str(),
        "avgRating": "0.0",
        "advertiseInfo": { "advertised": false },
        "businessInformation": {},
        "isSubscriptionAvailable": api.definition.state.takes_subscriptions(),
        "monetizationLabel": "FREE",
        "gatewayType": "wso2/synapse",
        "gatewayVendor": "wso2",
        "additionalProperties": [],
        "monetizedInfo": false,
        "egress": false,
        "subtype": "DEFAULT",
    })
}

/// WSO2's `API`.
fn detail(app: &App, api: &Api, all: &[Tier]) -> Value {
    let definition = &api.definition;
    let operation = |one: &Resource| json!({ "id": Value::Null, "target": one.template, "verb": one.method });
    let scope = |(name, roles): (&String, &BTreeSet<String>)| json!({ "key": name, "name": name, "roles": roles, "description": "" });
    let tier = |name: &String| json!({ "tierName": name, "tierPlan": "FREE", "monetizationAttributes": Value::Null });
    let transports = [(definition.transports.http, "http"), (definition.transports.https, "https")];
    let transports: Vec<_> =
        transports.into_iter().filter(|(is_open, _)| *is_open).map(|(_, name)| name).collect();
    let mut detail = common(api);
    let more = json!({
        "isDefaultVersion": definition.versions == latchkey_catalog::api::VersionRole::Default,
        "apiDefinition": openapi::export(api).to_string(),
        "transport": transports,
        "operations": definition.resources.iter().map(operation).collect::<Vec<_>>(),
        "authorizationHeader": definition.authorization_header.as_deref().unwrap_or("Authorization"),
        "securityScheme": ["oauth2", "oauth_basic_auth_api_key_mandatory"],
        "tags": [],
        "tiers": tiers(api, all).iter().map(tier).collect::<Vec<_>>(),
        "hasThumbnail": false,
        "monetization": { "enabled": false },
        "endpointURLs": endpoint_urls(app, api),
        "environmentList": ["Default"],
        "scopes": definition.scopes.iter().map(scope).collect::<Vec<_>>(),
        "subscriptions": 0,
        "initiatedFromGateway": false,
        "categories": [],
        "keyManagers": ["all"],
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
    let is_default = api.definition.versions == latchkey_catalog::api::VersionRole::Default;
    json!([{
        "environmentName": "Default",
        "environmentDisplayName": "Default",
        "environmentType": "hybrid",
        "URLs": at(&api.path()),
        "defaultVersionURLs": if is_default { at(&api.context) } else { json!({}) },
    }])
}
