//! What a portal reads when it starts: its settings, and the key manager.

use http::Method;
use latchkey_catalog::system_scope::{Area, of_area};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};

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
        SURFACE.open(Method::GET, "/settings", settings).answers::<Map<String, Value>>(),
        SURFACE.open(Method::GET, "/settings/application-attributes", attributes).answers::<Listing<Value>>(),
        SURFACE
            .scoped(Method::GET, "/key-managers", &["apim:subscribe"], key_managers)
            .answers::<Listing<KeyManagerInfo>>(),
        SURFACE.open(Method::GET, "/tenants", tenants).answers::<Listing<Tenant>>(),
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

/// WSO2's `KeyManagerInfo`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "they are the members of the wire")]
pub(in crate::rest) struct KeyManagerInfo {
    id: &'static str,
    name: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    display_name: &'static str,
    description: &'static str,
    enabled: bool,
    available_grant_types: Vec<&'static str>,
    token_endpoint: String,
    revoke_endpoint: String,
    user_info_endpoint: String,
    enable_token_generation: bool,
    enable_token_encryption: bool,
    enable_token_hashing: bool,
    #[serde(rename = "enableOAuthAppCreation")]
    enable_app_creation: bool,
    #[serde(rename = "enableMapOAuthConsumerApps")]
    enable_map_apps: bool,
    application_configuration: Vec<KeySetting>,
    additional_properties: Map<String, Value>,
    token_type: &'static str,
}

/// WSO2's `KeyManagerApplicationConfiguration`.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "KeyManagerApplicationConfiguration")]
struct KeySetting {
    name: &'static str,
    label: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    required: bool,
    mask: bool,
    multiple: bool,
    tooltip: &'static str,
    default: &'static str,
    values: Vec<String>,
}

/// This server.
pub(in crate::rest) fn key_manager(app: &App) -> KeyManagerInfo {
    let place = |path: &str| format!("{}{path}", app.base);
    KeyManagerInfo {
        id: KEY_MANAGER_ID,
        name: KEY_MANAGER,
        kind: "default",
        display_name: KEY_MANAGER,
        description: "This server",
        enabled: true,
        available_grant_types: app.policy.grants.iter().map(|grant| grant.as_str()).collect(),
        token_endpoint: place("/oauth2/token"),
        revoke_endpoint: place("/oauth2/revoke"),
        user_info_endpoint: place("/oauth2/userinfo"),
        enable_token_generation: true,
        enable_token_encryption: false,
        enable_token_hashing: true,
        enable_app_creation: true,
        enable_map_apps: true,
        application_configuration: configuration(),
        additional_properties: Map::new(),
        token_type: "DIRECT",
    }
}

/// The settings that keys have beside grants and callback, as a form shows them.
fn configuration() -> Vec<KeySetting> {
    let life = |name, label| KeySetting {
        name,
        label,
        kind: "input",
        required: false,
        mask: false,
        multiple: false,
        tooltip: "Seconds; N/A for the server's default",
        default: "N/A",
        values: Vec::new(),
    };
    vec![
        life("application_access_token_expiry_time", "Application Access Token Expiry Time"),
        life("user_access_token_expiry_time", "User Access Token Expiry Time"),
        life("refresh_token_expiry_time", "Refresh Token Expiry Time"),
        life("id_token_expiry_time", "Id Token Expiry Time"),
    ]
}

/// WSO2's `Tenant`.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::rest) struct Tenant {
    domain: &'static str,
    status: &'static str,
}

/// The one organization that there is.
pub(in crate::rest) async fn tenants(_: Call, _: Option<Caller>) -> Answer {
    Ok(answer::json(&Listing::whole(vec![Tenant { domain: ORGANIZATION, status: "ACTIVE" }])))
}

/// There are none.
pub(in crate::rest) async fn categories(_: Call, _: Option<Caller>) -> Answer {
    Ok(answer::json(&Listing::<Value>::whole(Vec::new())))
}
