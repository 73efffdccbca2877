//! What a publisher's portal reads when it starts: settings, policies, key managers, roles.

use http::Method;
use latchkey_catalog::system_scope::{Area, of_area};
use latchkey_catalog::tier::{Level, Tier};
use latchkey_catalog::user::{ADMIN_ROLE, EVERYONE_ROLE};
use serde_json::{Map, Value, json};

use super::scopes::decoded;
use super::{ENVIRONMENT, SURFACE};
use crate::app::App;
use crate::http::answer;
use crate::rest::answer::done;
use crate::rest::call::{Call, ORGANIZATION};
use crate::rest::caller::Caller;
use crate::rest::devportal::policies::ThrottlingPolicy;
use crate::rest::devportal::settings::{KeyManagerInfo, Tenant, categories, key_manager, tenants};
use crate::rest::error::{Fault, RestError};
use crate::rest::operation::{Answer, Operation};
use crate::rest::page::{Listing, Window};

const TIERS: &[&str] = &["apim:api_view", "apim:tier_view", "apim:tier_manage"];
const PROVIDERS: &[&str] = &["apim:api_view", "apim:api_create", "apim:api_publish", "apim:api_manage"];

pub(super) fn operations() -> Vec<Operation> {
    let get = Method::GET;
    vec![
        SURFACE.open(get.clone(), "/settings", settings).answers::<Map<String, Value>>(),
        SURFACE.open(get.clone(), "/tenants", tenants).answers::<Listing<Tenant>>(),
        SURFACE.scoped(Method::HEAD, "/tenants/{tenantDomain}", PROVIDERS, tenant),
        SURFACE.open(get.clone(), "/api-categories", categories).answers::<Listing<Value>>(),
        SURFACE
            .scoped(get.clone(), "/key-managers", PROVIDERS, key_managers)
            .answers::<Listing<KeyManagerInfo>>(),
        SURFACE
            .scoped(get.clone(), "/throttling-policies/{policyLevel}", TIERS, policies)
            .asks(&Window::ASKS)
            .answers::<Listing<ThrottlingPolicy>>(),
        SURFACE
            .scoped(get, "/throttling-policies/{policyLevel}/{policyName}", TIERS, policy)
            .answers::<ThrottlingPolicy>(),
        SURFACE.scoped(Method::HEAD, "/roles/{roleId}", PROVIDERS, role),
        SURFACE.scoped(Method::HEAD, "/me/roles/{roleId}", PROVIDERS, own_role),
    ]
}

async fn settings(call: Call, _: Option<Caller>) -> Answer {
    let scopes: Vec<_> = ["openid"].into_iter().chain(of_area(Area::Publisher)).collect();
    Ok(answer::json(&json!({
        "devportalUrl": call.app.base,
        "environment": [environment(&call.app)],
        "gatewayTypes": ["Regular"],
        "scopes": scopes,
        "monetizationAttributes": [],
        "subscriberContactAttributes": {},
        "securityAuditProperties": {},
        "externalStoresEnabled": false,
        "docVisibilityEnabled": false,
        "portalConfigurationOnlyModeEnabled": false,
        "retryCallWithNewOAuthTokenEnabled": true,
        "crossTenantSubscriptionEnabled": false,
        "defaultAdvancePolicy": "Unlimited",
        "defaultSubscriptionPolicy": "Unlimited",
        "authorizationHeader": "Authorization",
        "IsJWTEnabledForLoginTokens": true,
        "orgAccessControlEnabled": false,
        "allowSubscriptionValidationDisabling": false,
        "designAssistantEnabled": false,
        "aiAuthTokenProvided": false,
        "isGatewayNotificationEnabled": false,
        "isMCPSupportEnabled": false,
        "customProperties": [],
    })))
}

/// WSO2's `Environment` of the one gateway environment.
pub(in crate::rest) fn environment(app: &App) -> Value {
    let urls = app.gateway_urls();
    let port = |scheme: &str| {
        let url = urls.iter().find_map(|url| url.strip_prefix(scheme)).unwrap_or_default();
        url.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok())
    };
    let uri = |url: &String| {
        let protocol = url.split_once(':').map_or("", |(protocol, _)| protocol);
        json!({ "protocol": protocol, "endpointURI": url })
    };
    json!({
        "id": ENVIRONMENT,
        "name": ENVIRONMENT,
        "displayName": ENVIRONMENT,
        "type": "hybrid",
        "gatewayType": "Regular",
        "mode": "READ_WRITE",
        "provider": "wso2",
        "serverUrl": app.base,
        "showInApiConsole": true,
        "vhosts": [{
            "host": "localhost", "httpContext": "", "httpPort": port("http://"), "httpsPort": port("https://"),
            "wsPort": Value::Null, "wssPort": Value::Null, "websubHttpPort": Value::Null, "websubHttpsPort": Value::Null,
        }],
        "endpointURIs": urls.iter().map(uri).collect::<Vec<_>>(),
        "additionalProperties": [],
        "permissions": { "permissionType": "PUBLIC", "roles": [] },
    })
}

async fn key_managers(call: Call, _: Caller) -> Answer {
    Ok(answer::json(&Listing::whole(vec![key_manager(&call.app)])))
}

/// The tiers of the level of the path; `api` is that of APIs and their resources.
async fn tiers(call: &Call) -> Result<Vec<Tier>, RestError> {
    let level = match call.path.get("policyLevel").map(String::as_str) {
        Some("application") => Level::Application,
        Some("subscription") => Level::Subscription,
        Some("api") => Level::Resource,
        _ => {
            return Err(RestError::told(
                Fault::NotFound,
                "There is no such policy level; there are application, subscription and api.",
            ));
        }
    };
    Ok(call.app.store.tiers().await?.into_iter().filter(|tier| tier.level == level).collect())
}

async fn policies(call: Call, _: Caller) -> Answer {
    let window = Window::of(&call)?;
    let policies = tiers(&call).await?.into_iter().map(ThrottlingPolicy::from).collect();
    Ok(answer::json(&Listing::cut(policies, (window, &call))))
}

async fn policy(call: Call, _: Caller) -> Answer {
    let name = call.path.get("policyName").map_or("", String::as_str);
    let found = tiers(&call).await?.into_iter().find(|tier| tier.name == name);
    Ok(answer::json(&ThrottlingPolicy::from(found.ok_or(RestError::of(Fault::NotFound))?)))
}

/// Whether there is an organization.
async fn tenant(call: Call, _: Caller) -> Answer {
    let is_there = call.path.get("tenantDomain").is_some_and(|name| name == ORGANIZATION);
    if is_there { Ok(done()) } else { Err(RestError::of(Fault::NotFound)) }
}

/// Whether there is a role.
pub(in crate::rest) async fn role(call: Call, _: Caller) -> Answer {
    let name = call.path.get("roleId").and_then(|text| decoded(text)).unwrap_or_default();
    let is_there =
        [ADMIN_ROLE, EVERYONE_ROLE].contains(&name.as_str()) || call.app.store.is_role(&name).await?;
    if is_there { Ok(done()) } else { Err(RestError::of(Fault::NotFound)) }
}

/// Whether the caller has a role.
async fn own_role(call: Call, caller: Caller) -> Answer {
    let name = call.path.get("roleId").and_then(|text| decoded(text)).unwrap_or_default();
    let has = name == EVERYONE_ROLE || caller.user.user.roles.contains(&name);
    if has { Ok(done()) } else { Err(RestError::of(Fault::NotFound)) }
}
