//! What a portal reads when it starts: its settings, and the key manager.

use http::Method;
use latchkey_catalog::system_scope::{Area, of_area};
use serde_json::{Value, json};

use super::super::call::{Call, ORGANIZATION};
use super::super::caller::Caller;
use super::super::operation::{Answer, Operation};
use super::super::page::Listing;
use super::SURFACE;
use crate::app::App;
use crate::http::answer;
use crate::passwords::MAX_BYTES;

/// The name of the key manager, which is this server; clients say it or the id.
pub(crate) const KEY_MANAGER: &str = "Resident Key Manager";
/// Its id.
pub(crate) const KEY_MANAGER_ID: &str = "7a1b9f0e-3c5d-4e2f-8a6b-0c1d2e3f4a5b";

pub(super) fn operations() -> Vec<Operation> {
    vec![
        SURFACE.open(Method::GET, "/settings", settings).answers::<Value>(),
        SURFACE.open(Method::GET, "/settings/application-attributes", attributes).answers::<Listing<Value>>(),
        SURFACE
            .scoped(Method::GET, "/key-managers", &["apim:subscribe"], key_managers)
            .answers::<Listing<Value>>(),
        SURFACE.open(Method::GET, "/tenants", tenants).answers::<Listing<Value>>(),
        SURFACE.open(Method::GET, "/api-categories", categories).answers::<Listing<Value>>(),
    ]
}

async fn settings(call: Call, _: Option<Caller>) -> Answer {
    let app = &call.app;
    let grants: Vec<_> = app.policy.grants.iter().map(|grant| grant.as_str()).collect();
    let scopes: Vec<_> = ["openid"].into_iter().chain(of_area(Area::Devportal)).collect();
    Ok(answer::json(&json!({
        "grantTypes": grants,
        "scopes": scopes,
        "applicationSharingEnabled": true,
        "mapExistingAuthApps": true,
        "apiGatewayEndpoint": app.gateway_urls().join(","),
        "monetizationEnabled": false,
        "recommendationEnabled": false,
        "IsUnlimitedTierPaid": false,
        "identityProvider": { "external": false },
        "IsAnonymousModeEnabled": true,
        "IsPasswordChangeEnabled": true,
        "IsJWTEnabledForLoginTokens": true,
        "orgAccessControlEnabled": false,
        "userStorePasswordPattern": Value::Null,
        "passwordPolicyPattern": Value::Null,
        "passwordPolicyMinLength": app.config.passwords.min_length,
        "passwordPolicyMaxLength": MAX_BYTES,
        "apiChatEnabled": false,
        "aiAuthTokenProvided": false,
        "marketplaceAssistantEnabled": false,
        "orgWideAppUpdateEnabled": false,
        "devportalMode": "API_ONLY",
    })))
}

/// Applications have free attributes; none is asked for.
async fn attributes(_: Call, _: Option<Caller>) -> Answer {
    Ok(answer::json(&Listing::<Value>::whole(Vec::new())))
}

async fn key_managers(call: Call, _: Caller) -> Answer {
    Ok(answer::json(&Listing::whole(vec![key_manager(&call.app)])))
}

/// WSO2's `KeyManagerInfo` of this server.
pub(crate) fn key_manager(app: &App) -> Value {
    let grants: Vec<_> = app.policy.grants.iter().map(|grant| grant.as_str()).collect();
    let place = |path: &str| format!("{}{path}", app.base);
    json!({
        "id": KEY_MANAGER_ID,
        "name": KEY_MANAGER,
        "type": "default",
        "displayName": KEY_MANAGER,
        "description": "This server",
        "enabled": true,
        "availableGrantTypes": grants,
        "tokenEndpoint": place("/oauth2/token"),
        "revokeEndpoint": place("/oauth2/revoke"),
        "userInfoEndpoint": place("/oauth2/userinfo"),
        "enableTokenGeneration": true,
        "enableTokenEncryption": false,
        "enableTokenHashing": true,
        "enableOAuthAppCreation": true,
        "enableMapOAuthConsumerApps": true,
        "applicationConfiguration": configuration(),
        "additionalProperties": {},
        "tokenType": "DIRECT",
    })
}

/// The settings that keys have beside grants and callback, as a form shows them.
fn configuration() -> Vec<Value> {
    let life = |name: &str, label: &str| json!({ "name": name, "label": label, "type": "input", "required": false, "mask": false, "multiple": false, "tooltip": "Seconds; N/A for the server's default", "default": "N/A", "values": [] });
    vec![
        life("application_access_token_expiry_time", "Application Access Token Expiry Time"),
        life("user_access_token_expiry_time", "User Access Token Expiry Time"),
        life("refresh_token_expiry_time", "Refresh Token Expiry Time"),
        life("id_token_expiry_time", "Id Token Expiry Time"),
    ]
}

/// The one organization that there is.
pub(in crate::rest) async fn tenants(_: Call, _: Option<Caller>) -> Answer {
    Ok(answer::json(&Listing::whole(vec![json!({ "domain": ORGANIZATION, "status": "ACTIVE" })])))
}

/// There are none.
pub(in crate::rest) async fn categories(_: Call, _: Option<Caller>) -> Answer {
    Ok(answer::json(&Listing::<Value>::whole(Vec::new())))
}
