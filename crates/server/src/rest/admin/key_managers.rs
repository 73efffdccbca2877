//! The key manager, which is this server. Its settings are those of the configuration.

use http::Method;
use serde_json::{Map, Value, json};

use super::super::call::Call;
use super::super::caller::Caller;
use super::super::devportal::settings::{KEY_MANAGER, KEY_MANAGER_ID, key_manager};
use super::super::error::{Fault, RestError};
use super::super::operation::{Answer, Operation};
use super::super::page::Listing;
use super::SURFACE;
use crate::admin::problem::Administration;
use crate::app::App;
use crate::http::answer;

/// Its type.
pub(super) const KIND: &str = "default";
/// Who may look, and try to change.
const MANAGE: &[&str] = &["apim:admin", "apim:admin_operations", "apim:keymanagers_manage"];
/// Who may try to delete.
const DELETE: &[&str] = &["apim:admin", "apim:admin_operations"];

pub(super) fn operations() -> Vec<Operation> {
    let one = "/key-managers/{keyManagerId}";
    vec![
        SURFACE.scoped(Method::GET, "/key-managers", MANAGE, list).answers::<Listing<Map<String, Value>>>(),
        SURFACE.scoped(Method::POST, "/key-managers", MANAGE, create).takes::<Map<String, Value>>(),
        SURFACE
            .scoped(Method::POST, "/key-managers/discover", MANAGE, discover)
            .takes::<Map<String, Value>>(),
        SURFACE.scoped(Method::GET, one, MANAGE, show).answers::<Map<String, Value>>(),
        SURFACE
            .scoped(Method::PUT, one, MANAGE, update)
            .takes::<Map<String, Value>>()
            .answers::<Map<String, Value>>(),
        SURFACE.scoped(Method::DELETE, one, DELETE, delete),
    ]
}

/// WSO2's `KeyManager` of this server: what developers see of it, and more.
fn detail(app: &App) -> Value {
    let place = |path: &str| format!("{}{path}", app.base);
    let mut detail = serde_json::to_value(key_manager(app)).expect("a key manager is plain data");
    let more = json!({
        "wellKnownEndpoint": place("/oauth2/token/.well-known/openid-configuration"),
        "introspectionEndpoint": place("/oauth2/introspect"),
        "clientRegistrationEndpoint": place("/client-registration/v0.17/register"),
        "displayTokenEndpoint": place("/oauth2/token"),
        "displayRevokeEndpoint": place("/oauth2/revoke"),
        "authorizeEndpoint": place("/oauth2/authorize"),
        "endpoints": [],
        "certificates": { "type": "JWKS", "value": place("/oauth2/jwks") },
        "issuer": app.issuer,
        "enableSelfValidationJWT": true,
        "claimMapping": [],
        "consumerKeyClaim": "client_id",
        "scopesClaim": "scope",
        "tokenValidation": [],
        "global": false,
        "permissions": { "permissionType": "PUBLIC", "roles": [] },
        "allowedOrganizations": [],
    });
    if let (Value::Object(detail), Value::Object(more)) = (&mut detail, more) {
        detail.extend(more);
        detail.remove("applicationConfiguration");
    }
    detail
}

fn check_named(call: &Call) -> Result<(), RestError> {
    if call.path.get("keyManagerId").is_some_and(|id| id == KEY_MANAGER_ID) {
        return Ok(());
    }
    Err(RestError::told(Fault::NotFound, "There is no key manager of this id."))
}

async fn list(call: Call, _: Caller) -> Answer {
    let one = detail(&call.app);
    let info = json!({
        "id": one["id"],
        "name": one["name"],
        "type": one["type"],
        "description": one["description"],
        "enabled": true,
        "isGlobal": false,
        "isUsed": true,
        "tokenType": "DIRECT",
    });
    Ok(answer::json(&Listing::whole(vec![info])))
}

async fn show(call: Call, _: Caller) -> Answer {
    check_named(&call)?;
    Ok(answer::json(&detail(&call.app)))
}

/// Tokens of other issuers are not taken.
async fn create(call: Call, _: Caller) -> Answer {
    let wanted: Map<String, Value> = call.json()?;
    let is_resident = wanted.get("name").and_then(Value::as_str) == Some(KEY_MANAGER);
    let problem =
        if is_resident { Administration::KeyManagerExists } else { Administration::NoSuchKeyManagerType };
    Err(problem.into())
}

/// Takes what leaves everything as it is; the configuration says the rest.
async fn update(call: Call, _: Caller) -> Answer {
    check_named(&call)?;
    let wanted: Map<String, Value> = call.json()?;
    let held = detail(&call.app);
    let is_changed = |(name, value): &(&String, &Value)| held.get(*name).is_some_and(|held| held != *value);
    if let Some((name, _)) = wanted.iter().find(is_changed) {
        return Err(RestError::bad(format!(
            "The settings of the resident key manager are those of the server's configuration; {name} cannot be \
             changed here."
        )));
    }
    Ok(answer::json(&held))
}

async fn delete(call: Call, _: Caller) -> Answer {
    check_named(&call)?;
    Err(RestError::told(Fault::Conflict, "The resident key manager cannot be deleted."))
}

/// Nothing is fetched from an address that is told, and no other key manager is kept.
async fn discover(_: Call, _: Caller) -> Answer {
    Err(Administration::NoSuchKeyManagerType.into())
}
