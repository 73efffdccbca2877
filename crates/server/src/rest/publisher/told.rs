//! APIs as publishers see them: WSO2's `API` and `APIInfo`.

use std::collections::BTreeSet;

use latchkey_catalog::api::{API_KEY_HEADER, ApiDefinition, Scheme, Schemes, VersionRole};
use latchkey_catalog::listing::{ListedApi, Listing};
use latchkey_catalog::openapi;
use latchkey_catalog::resource::Resource;
use latchkey_catalog::subscription::UNLIMITED;
use latchkey_store::publishing::PublisherApi;
use serde_json::{Value, json};

use super::endpoint;
use super::wanted::{ENDPOINTS, FURTHER, MANDATORY, POLICIES};
use crate::rest::answer::millis;

/// The definition that a publisher edits.
pub(super) fn edited(found: &PublisherApi) -> &ApiDefinition {
    found.draft.as_ref().unwrap_or(&found.api.definition)
}

/// The same as what a change begins with. Which version is the default one is never a matter of drafts.
pub(super) fn to_edit(found: &PublisherApi) -> ApiDefinition {
    ApiDefinition { versions: found.api.definition.versions, ..edited(found).clone() }
}

/// WSO2's `APIInfo`.
pub(super) fn info(api: &ListedApi) -> Value {
    let listing = &api.listing;
    let further = |name: &str| listing.details.further.get(name).cloned();
    let business = further("businessInformation").unwrap_or_default();
    json!({
        "id": api.id,
        "name": api.name,
        "displayName": listing.details.display_name.as_ref().unwrap_or(&api.name),
        "description": listing.description,
        "context": api.context,
        "version": api.version,
        "provider": listing.provider,
        "type": "HTTP",
        "subtype": "DEFAULT",
        "lifeCycleStatus": api.state.as_str(),
        "workflowStatus": Value::Null,
        "hasThumbnail": false,
        "securityScheme": schemes(&listing.details.schemes),
        "additionalProperties": further("additionalProperties").unwrap_or(json!([])),
        "additionalPropertiesMap": further("additionalPropertiesMap").unwrap_or(json!({})),
        "createdTime": millis(listing.created_at),
        "updatedTime": millis(listing.updated_at),
        "updatedBy": Value::Null,
        "gatewayVendor": "wso2",
        "gatewayType": "wso2/synapse",
        "advertiseOnly": false,
        "monetizedInfo": false,
        "businessOwner": business["businessOwner"],
        "businessOwnerEmail": business["businessOwnerEmail"],
        "TechnicalOwner": business["technicalOwner"],
        "TechnicalOwnerEmail": business["technicalOwnerEmail"],
        "egress": false,
        "initiatedFromGateway": false,
    })
}

/// WSO2's `securityScheme`.
pub(in crate::rest) fn schemes(schemes: &Schemes) -> Vec<&'static str> {
    schemes.iter().map(Scheme::as_str).chain([MANDATORY]).collect()
}

/// WSO2's `API`.
pub(super) fn api(found: &PublisherApi) -> Value {
    let (api, listing) = (&found.api, &found.listing);
    let definition = edited(found);
    let transports = [(definition.transports.http, "http"), (definition.transports.https, "https")];
    let transports: Vec<&str> =
        transports.into_iter().filter(|(is_open, _)| *is_open).map(|(_, name)| name).collect();
    let mut told = json!({
        "id": api.id,
        "name": api.name,
        "displayName": listing.details.display_name.as_ref().unwrap_or(&api.name),
        "description": listing.description,
        "context": api.context,
        "version": api.version,
        "provider": listing.provider,
        "lifeCycleStatus": api.definition.state.as_str(),
        "type": "HTTP",
        "isDefaultVersion": api.definition.versions == VersionRole::Default,
        "isRevision": false,
        "revisionedApiId": Value::Null,
        "revisionId": 0,
        "hasThumbnail": false,
        "transport": transports,
        "tags": listing.details.tags,
        "policies": listing.details.policies,
        "apiThrottlingPolicy": definition.throttling,
        "authorizationHeader": definition.authorization_header.as_deref().unwrap_or("Authorization"),
        "apiKeyHeader": definition.api_key_header.as_deref().unwrap_or(API_KEY_HEADER),
        "securityScheme": schemes(&definition.schemes),
        "audiences": definition.audiences,
        "visibility": listing.visibility,
        "visibleRoles": listing.details.visible_roles,
        "corsConfiguration": openapi::cors(definition),
        "workflowStatus": Value::Null,
        "createdTime": millis(listing.created_at),
        "lastUpdatedTime": millis(listing.updated_at),
        "lastUpdatedTimestamp": millis(listing.updated_at),
        "endpointConfig": endpoint::told(definition, listing.details.further.get(ENDPOINTS)),
        "scopes": scopes(definition, listing),
        "operations": operations(definition, listing),
        "keyManagers": ["all"],
        "gatewayVendor": "wso2",
        "gatewayType": "wso2/synapse",
        "asyncTransportProtocols": [],
        "initiatedFromGateway": false,
    });
    for name in FURTHER {
        told[name] = listing.details.further.get(name).cloned().unwrap_or_else(|| usual(name));
    }
    told
}

/// What a member that was never said is.
fn usual(name: &str) -> Value {
    match name {
        "responseCachingEnabled" | "enableSchemaValidation" | "enableSubscriberVerification" | "egress" => {
            false.into()
        }
        "cacheTimeout" => 300.into(),
        "subscriptionAvailability" => "CURRENT_TENANT".into(),
        "accessControl" => "NONE".into(),
        "endpointImplementationType" => "ENDPOINT".into(),
        "businessInformation" | "additionalPropertiesMap" => json!({}),
        "advertiseInfo" => json!({ "advertised": false }),
        "visibleTenants"
        | "visibleOrganizations"
        | "organizationPolicies"
        | "mediationPolicies"
        | "subscriptionAvailableTenants"
        | "additionalProperties"
        | "accessControlRoles"
        | "categories" => json!([]),
        _ => Value::Null,
    }
}

/// WSO2's `APIScope`s.
fn scopes(definition: &ApiDefinition, listing: &Listing) -> Vec<Value> {
    let scope = |(name, roles): (&String, &BTreeSet<String>)| {
        let text = listing.details.scopes.get(name);
        let shown = text.map(|text| text.display_name.as_str()).filter(|shown| !shown.is_empty());
        json!({
            "scope": {
                "id": Value::Null,
                "name": name,
                "displayName": shown.unwrap_or(name),
                "description": text.map_or("", |text| text.description.as_str()),
                "bindings": roles,
                "usageCount": Value::Null,
            },
            "shared": definition.shared_scopes.contains(name),
        })
    };
    definition.scopes.iter().map(scope).collect()
}

/// WSO2's `APIOperations`.
fn operations(definition: &ApiDefinition, listing: &Listing) -> Vec<Value> {
    let policies = listing.details.further.get(POLICIES);
    let operation = |resource: &Resource| {
        let place = format!("{} {}", resource.method, resource.template);
        let kept = policies.and_then(|kept| kept.get(&place)).cloned();
        json!({
            "id": "",
            "target": resource.template,
            "verb": resource.method,
            "authType": resource.authentication.wso2_name(),
            "throttlingPolicy": resource.throttling.as_deref().unwrap_or(UNLIMITED),
            "scopes": resource.scopes,
            "usedProductIds": [],
            "amznResourceName": Value::Null,
            "amznResourceTimeout": Value::Null,
            "payloadSchema": Value::Null,
            "uriMapping": Value::Null,
            "operationPolicies": kept.unwrap_or_else(|| json!({ "request": [], "response": [], "fault": [] })),
        })
    };
    definition.resources.iter().map(operation).collect()
}
