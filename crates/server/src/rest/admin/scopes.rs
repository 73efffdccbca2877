//! Which roles give which scopes of the server's own interfaces.

use http::Method;
use latchkey_catalog::system_scope::{self, Area, SYSTEM_SCOPES, SystemScope};
use latchkey_catalog::user::ADMIN_ROLE;
use latchkey_oauth::introspection::unqualified;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::call::Call;
use super::super::caller::Caller;
use super::super::contract::Parameter;
use super::super::error::{Fault, RestError};
use super::super::operation::{Answer, Operation};
use super::super::page::Listing;
use super::super::publisher::scopes::decoded;
use super::super::wire::or_default;
use super::SURFACE;
use crate::admin::problem::Problem;
use crate::http::answer;

/// Who may look, and try to change.
const SCOPES: &[&str] = &["apim:admin", "apim:scope_manage"];

pub(super) fn operations() -> Vec<Operation> {
    let aliases = "/system-scopes/role-aliases";
    vec![
        SURFACE.scoped(Method::GET, "/system-scopes", SCOPES, list).answers::<Listing<Shown>>(),
        SURFACE
            .scoped(Method::PUT, "/system-scopes", SCOPES, update)
            .takes::<Wanted>()
            .answers::<Listing<Shown>>(),
        SURFACE
            .scoped(Method::GET, "/system-scopes/{scopeName}", SCOPES, show)
            .asks(&[Parameter::text("username")])
            .answers::<Open>(),
        SURFACE.scoped(Method::GET, aliases, SCOPES, no_aliases).answers::<Listing<Value>>(),
        SURFACE
            .scoped(Method::PUT, aliases, SCOPES, set_aliases)
            .takes::<RoleAliases>()
            .answers::<Listing<Value>>(),
    ]
}

/// WSO2's `ScopeList`, as far as it can be said.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "SystemScopeListRequest")]
struct Wanted {
    #[serde(default, deserialize_with = "or_default")]
    list: Vec<WantedScope>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "SystemScopeRequest")]
struct WantedScope {
    name: String,
    #[serde(default, deserialize_with = "or_default")]
    roles: Vec<String>,
}

/// WSO2's `RoleAliasList`.
#[derive(Debug, Deserialize, JsonSchema)]
struct RoleAliases {
    #[serde(default, deserialize_with = "or_default")]
    list: Vec<Value>,
}

/// The roles that give a scope; administrators have them all.
pub(super) fn roles(scope: &SystemScope) -> Vec<&'static str> {
    [ADMIN_ROLE].into_iter().chain(scope.roles.iter().copied()).collect()
}

/// WSO2's `Scope`.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "SystemScope")]
struct Shown {
    tag: &'static str,
    name: &'static str,
    description: &'static str,
    roles: Vec<&'static str>,
}

/// A scope that is open to who was asked about.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "SystemScopeName")]
struct Open {
    name: &'static str,
}

fn shown(scope: &SystemScope) -> Shown {
    let tag = match scope.areas.first() {
        Some(Area::Devportal) => "devportal",
        Some(Area::Publisher) => "publisher",
        Some(Area::Admin) => "admin",
        Some(Area::Identity) | None => "identity",
    };
    Shown { tag, name: scope.name, description: scope.description, roles: roles(scope) }
}

async fn list(_: Call, _: Caller) -> Answer {
    Ok(answer::json(&Listing::whole(SYSTEM_SCOPES.iter().map(shown).collect())))
}

/// Whether the scope is open to a user (`username`), as portals ask after a sign-in.
async fn show(call: Call, _: Caller) -> Answer {
    let found = call.path.get("scopeName").and_then(|text| decoded(text));
    let found = found.as_deref().and_then(system_scope::find);
    let absent = || RestError::told(Fault::NotFound, "There is no such scope.");
    let scope = found.ok_or_else(absent)?;
    if let Some(name) = call.parameter("username") {
        let user = call.app.store.user(unqualified(name)).await?.ok_or(Problem::NoSuchUser)?;
        if !scope.is_open_to(&user.user.roles) {
            return Err(RestError::told(Fault::NotFound, "The scope is not open to the user."));
        }
    }
    Ok(answer::json(&Open { name: scope.name }))
}

/// Takes what leaves everything as it is: which roles give which scopes is Latchkey's own.
async fn update(call: Call, caller: Caller) -> Answer {
    let wanted: Wanted = call.json()?;
    for WantedScope { name, roles: wanted } in &wanted.list {
        let held = system_scope::find(name).map(roles).unwrap_or_default();
        let is_same = wanted.iter().all(|role| held.contains(&role.as_str())) && held.len() == wanted.len();
        if !is_same {
            return Err(RestError::told(
                Fault::Conflict,
                format!("The roles of the scope {name:?} cannot be changed; give its roles to users."),
            ));
        }
    }
    list(call, caller).await
}

/// Roles have no other names.
async fn no_aliases(_: Call, _: Caller) -> Answer {
    Ok(answer::json(&Listing::<Value>::whole(Vec::new())))
}

async fn set_aliases(call: Call, caller: Caller) -> Answer {
    let wanted: RoleAliases = call.json()?;
    if !wanted.list.is_empty() {
        return Err(RestError::told(Fault::Conflict, "Roles have no other names."));
    }
    no_aliases(call, caller).await
}
