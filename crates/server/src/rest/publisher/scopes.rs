//! Shared scopes: in the publisher by id, in Identity Server's interface by name.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use http::Method;
use latchkey_catalog::api::Api;
use latchkey_catalog::id::EntryId;
use latchkey_catalog::listing::SharedScope;
use latchkey_catalog::resource::Resource;
use latchkey_store::registry::PageOf;
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

use super::SURFACE;
use super::wanted::{ScopeChange, WantedScope};
use crate::admin::problem::{Problem, PublisherProblem};
use crate::admin::publisher;
use crate::http::answer;
use crate::rest::answer::{created, done};
use crate::rest::call::Call;
use crate::rest::caller::Caller;
use crate::rest::contract::Parameter;
use crate::rest::error::RestError;
use crate::rest::operation::{Answer, Operation};
use crate::rest::page::{Listing, Window};
use crate::rest::surface::Surface;

const MANAGE: &[&str] = &["apim:shared_scope_manage"];
const SEE: &[&str] = &["apim:api_view", "apim:shared_scope_manage"];
const ASK: &[&str] = &["apim:api_create", "apim:api_publish", "apim:api_manage", "apim:shared_scope_manage"];

/// The part of a listing that is asked for.
const NAMES: [Parameter; 2] =
    [Parameter::number("startIndex", (0, u32::MAX as i64)), Parameter::number("count", (0, u32::MAX as i64))];

pub(super) fn operations() -> Vec<Operation> {
    let (get, put, delete, head) = (Method::GET, Method::PUT, Method::DELETE, Method::HEAD);
    let (one, named) = ("/scopes/{scopeId}", "/scopes/{name}");
    let view = &["internal_oauth_scope_view"];
    vec![
        SURFACE.scoped(get.clone(), "/scopes", SEE, list).asks(&Window::ASKS).answers::<Listing<Told>>(),
        SURFACE.scoped(Method::POST, "/scopes", MANAGE, create).takes::<WantedScope>().creates::<Told>(),
        SURFACE.scoped(get.clone(), one, SEE, show).answers::<Told>(),
        SURFACE.scoped(head.clone(), one, ASK, exists),
        SURFACE.scoped(put.clone(), one, MANAGE, update).takes::<WantedScope>().answers::<Told>(),
        SURFACE.scoped(delete.clone(), one, MANAGE, remove),
        SURFACE.scoped(get.clone(), "/scopes/{scopeId}/usage", SEE, usage).answers::<Usage>(),
        Surface::Scopes.scoped(get.clone(), "/scopes", view, list_names).asks(&NAMES).answers::<Vec<Named>>(),
        Surface::Scopes
            .scoped(Method::POST, "/scopes", &["internal_oauth_scope_create"], create_named)
            .takes::<WantedScope>()
            .creates::<Named>(),
        Surface::Scopes.scoped(get, named, view, show_named).answers::<Named>(),
        Surface::Scopes.scoped(head, named, view, exists_named),
        Surface::Scopes
            .scoped(put, named, &["internal_oauth_scope_update"], update_named)
            .takes::<ScopeChange>()
            .answers::<Named>(),
        Surface::Scopes.scoped(delete, named, &["internal_oauth_scope_delete"], remove_named),
    ]
}

/// WSO2's `Scope`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Scope")]
struct Told {
    #[schemars(with = "Uuid")]
    id: EntryId,
    #[serde(flatten)]
    named: Named,
    usage_count: u64,
}

/// Identity Server's `Scope`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "NamedScope")]
struct Named {
    name: String,
    display_name: String,
    description: String,
    bindings: BTreeSet<String>,
}

/// WSO2's `SharedScopeUsage`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "SharedScopeUsage")]
struct Usage {
    #[schemars(with = "Uuid")]
    id: EntryId,
    name: String,
    used_api_list: Vec<UsedBy>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "SharedScopeUsedAPIInfo")]
struct UsedBy {
    name: String,
    context: String,
    version: String,
    provider: String,
    #[serde(rename = "revisionID")]
    revision: u32,
    used_resource_list: Vec<UsedAt>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "SharedScopeUsedAPIResourceInfo")]
struct UsedAt {
    target: String,
    verb: String,
}

fn told(scope: &SharedScope, uses: u64) -> Told {
    Told { id: scope.id, named: told_by_name(scope), usage_count: uses }
}

impl WantedScope {
    fn with(self, id: EntryId) -> SharedScope {
        let Self { name, display_name, description, bindings } = self;
        let display_name = if display_name.is_empty() { name.clone() } else { display_name };
        SharedScope { id, name, display_name, description, roles: bindings }
    }
}

async fn find(call: &Call) -> Result<SharedScope, RestError> {
    let found = match call.at("scopeId") {
        Some(id) => call.app.store.shared_scope(id).await?,
        None => None,
    };
    found.ok_or_else(|| Problem::Publisher(PublisherProblem::NoSuchScope).into())
}

async fn list(call: Call, _: Caller) -> Answer {
    let window = Window::of(&call)?;
    let page = PageOf { offset: window.offset.into(), limit: window.limit };
    let found = call.app.store.find_shared_scopes(page).await?;
    let list = found.entries.iter().map(|(scope, uses)| told(scope, *uses)).collect();
    Ok(answer::json(&Listing::<Told>::page(list, found.total, (window, &call))))
}

async fn create(call: Call, caller: Caller) -> Answer {
    let wanted: WantedScope = call.json()?;
    let scope = wanted.with(EntryId::draw(&*call.app.entropy));
    let made = publisher::add_scope(&call.app, scope, caller.name()).await?;
    Ok(created(&call, &format!("/scopes/{}", made.id), &told(&made, 0)))
}

async fn show(call: Call, _: Caller) -> Answer {
    let scope = find(&call).await?;
    let uses = call.app.store.uses_of_scope(&scope.name).await?.len();
    Ok(answer::json(&told(&scope, uses as u64)))
}

/// A name as the path of a question carries it: in the alphabet of Base64 for URLs.
pub(in crate::rest) fn decoded(text: &str) -> Option<String> {
    let bytes = URL_SAFE.decode(text).or_else(|_| URL_SAFE_NO_PAD.decode(text)).ok()?;
    String::from_utf8(bytes).ok()
}

/// Whether there is a scope of a name, be it shared or an API's own.
async fn exists(call: Call, _: Caller) -> Answer {
    let asked = call.path.get("scopeId").and_then(|text| decoded(text));
    let name = asked.ok_or(Problem::Publisher(PublisherProblem::NoSuchScope))?;
    if call.app.store.shared_scope_named(&name).await?.is_some() {
        return Ok(done());
    }
    let apis = call.app.store.apis().await?;
    let is_held = apis.iter().any(|api| api.definition.scopes.contains_key(&name));
    if is_held { Ok(done()) } else { Err(Problem::Publisher(PublisherProblem::NoSuchScope).into()) }
}

async fn update(call: Call, caller: Caller) -> Answer {
    let wanted: WantedScope = call.json()?;
    let held = find(&call).await?;
    let changed = change(&call, &caller, (held, wanted)).await?;
    let uses = call.app.store.uses_of_scope(&changed.name).await?.len();
    Ok(answer::json(&told(&changed, uses as u64)))
}

/// The name of a scope stays, whatever is said.
async fn change(
    call: &Call,
    caller: &Caller,
    (held, wanted): (SharedScope, WantedScope),
) -> Result<SharedScope, RestError> {
    let scope = WantedScope { name: held.name, ..wanted }.with(held.id);
    Ok(publisher::update_scope(&call.app, scope, caller.name()).await?)
}

async fn remove(call: Call, caller: Caller) -> Answer {
    let held = find(&call).await?;
    publisher::delete_scope(&call.app, held.id, caller.name()).await?;
    Ok(done())
}

async fn usage(call: Call, _: Caller) -> Answer {
    let scope = find(&call).await?;
    let mut used = Vec::new();
    for id in call.app.store.uses_of_scope(&scope.name).await? {
        let Some(found) = call.app.store.publisher_api(id).await? else { continue };
        let definition = super::told::edited(&found);
        let asks = |resource: &&Resource| resource.scopes.contains(&scope.name);
        let resource = |one: &Resource| UsedAt { target: one.template.clone(), verb: one.method.clone() };
        let used_resource_list = definition.resources.iter().filter(asks).map(resource).collect();
        let (provider, Api { name, context, version, .. }) = (found.listing.provider, found.api);
        used.push(UsedBy { name, context, version, provider, revision: 0, used_resource_list });
    }
    Ok(answer::json(&Usage { id: scope.id, name: scope.name, used_api_list: used }))
}

fn told_by_name(scope: &SharedScope) -> Named {
    let SharedScope { name, display_name, description, roles, .. } = scope.clone();
    Named { name, display_name, description, bindings: roles }
}

async fn find_named(call: &Call) -> Result<SharedScope, RestError> {
    let name = call.path.get("name").map_or("", String::as_str);
    call.app
        .store
        .shared_scope_named(name)
        .await?
        .ok_or_else(|| Problem::Publisher(PublisherProblem::NoSuchScope).into())
}

/// A bare array, from `startIndex`, which counts from 1, at most `count`.
async fn list_names(call: Call, _: Caller) -> Answer {
    let number = |name: &str, usual: u32| {
        let said = call.parameter(name).map_or(Ok(usual), str::parse);
        said.map_err(|_| RestError::bad(format!("The parameter {name} is no number that it can be.")))
    };
    let (start, count) = (number("startIndex", 1)?, number("count", 30)?);
    let page = PageOf { offset: start.saturating_sub(1).into(), limit: count.min(500) };
    let found = call.app.store.find_shared_scopes(page).await?;
    Ok(answer::json(&found.entries.iter().map(|(scope, _)| told_by_name(scope)).collect::<Vec<_>>()))
}

async fn create_named(call: Call, caller: Caller) -> Answer {
    let wanted: WantedScope = call.json()?;
    let scope = wanted.with(EntryId::draw(&*call.app.entropy));
    let made = publisher::add_scope(&call.app, scope, caller.name()).await?;
    let name: String = form_urlencoded::byte_serialize(made.name.as_bytes()).collect();
    Ok(created(&call, &format!("/scopes/{name}"), &told_by_name(&made)))
}

async fn show_named(call: Call, _: Caller) -> Answer {
    Ok(answer::json(&told_by_name(&find_named(&call).await?)))
}

async fn exists_named(call: Call, _: Caller) -> Answer {
    find_named(&call).await.map(|_| done())
}

async fn update_named(call: Call, caller: Caller) -> Answer {
    // The body need not repeat the name of the path.
    let ScopeChange { display_name, description, bindings } = call.json()?;
    let held = find_named(&call).await?;
    let wanted = WantedScope { name: held.name.clone(), display_name, description, bindings };
    Ok(answer::json(&told_by_name(&change(&call, &caller, (held, wanted)).await?)))
}

async fn remove_named(call: Call, caller: Caller) -> Answer {
    let held = find_named(&call).await?;
    publisher::delete_scope(&call.app, held.id, caller.name()).await?;
    Ok(done())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_paths_are_decoded() {
        for (text, expected) in [("ZWNoby5yZWFk", Some("echo.read")), ("YQ==", Some("a")), ("YQ", Some("a"))]
        {
            assert_eq!(decoded(text).as_deref(), expected, "{text}");
        }
        assert_eq!(decoded("%%"), None);
    }
}
