//! What an administration portal reads when it starts, and what it is told of the installation.

use http::Method;
use latchkey_catalog::system_scope::{Area, of_area};
use latchkey_oauth::introspection::unqualified;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::super::call::{Call, ORGANIZATION};
use super::super::caller::Caller;
use super::super::error::{Fault, RestError};
use super::super::operation::{Answer, Operation};
use super::super::publisher::settings::role;
use super::SURFACE;
use crate::admin::problem::Problem;
use crate::http::answer;

/// Who may ask about the organization.
const TENANT: &[&str] = &["apim:admin", "apim:tenantInfo"];
/// Who may ask whether there is a role.
const ROLES: &[&str] = &["apim:admin", "apim:role_manage", "apim:scope_manage"];
/// The number of the organization that is always there, as WSO2 tells it.
const TENANT_ID: i64 = -1234;

pub(super) fn operations() -> Vec<Operation> {
    vec![
        SURFACE.open(Method::GET, "/settings", settings).answers::<Map<String, Value>>(),
        SURFACE.scoped(Method::GET, "/tenant-info/{username}", TENANT, tenant_info).answers::<TenantInfo>(),
        SURFACE
            .scoped(Method::GET, "/custom-urls/{tenantDomain}", TENANT, custom_urls)
            .answers::<CustomUrls>(),
        SURFACE.scoped(Method::HEAD, "/roles/{roleId}", ROLES, role),
    ]
}

/// WSO2's `TenantInfo`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct TenantInfo {
    username: String,
    tenant_domain: &'static str,
    tenant_id: i64,
}

/// WSO2's `CustomUrlInfo`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct CustomUrls {
    tenant_domain: &'static str,
    enabled: bool,
    #[serde(rename = "devPortal")]
    portal: PortalUrl,
}

#[derive(Debug, Serialize, JsonSchema)]
struct PortalUrl {
    url: String,
}

async fn settings(_: Call, _: Option<Caller>) -> Answer {
    let scopes: Vec<_> = ["openid"].into_iter().chain(of_area(Area::Admin)).collect();
    Ok(answer::json(&json!({
        "scopes": scopes,
        "gatewayTypes": ["Regular"],
        "IsJWTEnabledForLoginTokens": true,
        "orgAccessControlEnabled": false,
        "keyManagerConfiguration": [{
            "type": super::key_managers::KIND,
            "displayName": "Resident",
            "defaultConsumerKeyClaim": "client_id",
            "defaultScopesClaim": "scope",
            "authConfigurations": [],
            "configurations": [],
            "endpointConfigurations": [],
            "configurationConstraints": [],
        }],
        "gatewayConfiguration": [],
        "analyticsEnabled": false,
        "transactionCounterEnable": false,
        "isGatewayNotificationEnabled": false,
    })))
}

async fn tenant_info(call: Call, _: Caller) -> Answer {
    let named = call.path.get("username").map_or("", String::as_str);
    let user = call.app.store.user(unqualified(named)).await?.ok_or(Problem::NoSuchUser)?;
    let username = user.user.name.clone();
    Ok(answer::json(&TenantInfo { username, tenant_domain: ORGANIZATION, tenant_id: TENANT_ID }))
}

/// Portals have no addresses of an organization's own.
async fn custom_urls(call: Call, _: Caller) -> Answer {
    if call.path.get("tenantDomain").is_none_or(|domain| domain != ORGANIZATION) {
        return Err(RestError::told(Fault::NotFound, "There is no such tenant."));
    }
    let portal = PortalUrl { url: format!("{}/devportal", call.app.base) };
    Ok(answer::json(&CustomUrls { tenant_domain: ORGANIZATION, enabled: false, portal }))
}
