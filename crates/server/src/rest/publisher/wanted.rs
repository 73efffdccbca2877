//! What a publisher says of an API: WSO2's `API`, as far as it may be said.
//!
//! A member that is left out or `null` says nothing: what it is about stays as it is.

use std::collections::BTreeSet;

use latchkey_catalog::api::{API_KEY_HEADER, ApiDefinition, Scheme, Schemes, VersionRole};
use latchkey_catalog::cors::Cors;
use latchkey_catalog::listing::{ApiVisibility, Listing, ScopeText};
use latchkey_catalog::resource::{Authentication, Resource};
use latchkey_catalog::subscription::UNLIMITED;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::endpoint;
use crate::admin::problem::{Problem, PublisherProblem};
use crate::rest::error::RestError;
use crate::rest::wire::{or_default, words};

/// The longest description, in characters; WSO2's.
const MAX_DESCRIPTION: usize = 32_766;
/// The most bytes of members that are kept as they were said.
const MAX_FURTHER: usize = 256 * 1024;
/// The audience that stands for every one.
const ALL_AUDIENCES: &str = "all";
/// What an API has that says nothing of its resources.
const USUAL_METHODS: [&str; 5] = ["GET", "POST", "PUT", "DELETE", "PATCH"];
/// Says that one of the schemes is needed, which is always so.
pub(super) const MANDATORY: &str = "oauth_basic_auth_api_key_mandatory";
/// The members that are kept as they were said, beside [`ENDPOINTS`] and [`POLICIES`].
pub(super) const FURTHER: [&str; 31] = [
    "wsdlInfo",
    "responseCachingEnabled",
    "cacheTimeout",
    "enableSchemaValidation",
    "enableSubscriberVerification",
    "audience",
    "organizationPolicies",
    "maxTps",
    "visibleTenants",
    "visibleOrganizations",
    "mediationPolicies",
    "apiPolicies",
    "apiHubPolicies",
    "subscriptionAvailability",
    "subscriptionAvailableTenants",
    "additionalProperties",
    "additionalPropertiesMap",
    "monetization",
    "accessControl",
    "accessControlRoles",
    "businessInformation",
    "websubSubscriptionConfiguration",
    "primaryProductionEndpointId",
    "primarySandboxEndpointId",
    "endpointImplementationType",
    "subtypeConfiguration",
    "threatProtectionPolicies",
    "categories",
    "serviceInfo",
    "advertiseInfo",
    "egress",
];
/// The member of upstreams.
pub(super) const ENDPOINTS: &str = "endpointConfig";
/// Where policies of operations are kept, by method and template.
pub(super) const POLICIES: &str = "operationPolicies";

fn visibilities(_: &mut SchemaGenerator) -> Schema {
    words(&[ApiVisibility::Public, ApiVisibility::Private, ApiVisibility::Restricted])
}

/// WSO2's `API`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(rename = "APIRequest")]
pub(super) struct WantedApi {
    pub(super) name: Option<String>,
    pub(super) context: Option<String>,
    pub(super) version: Option<String>,
    display_name: Option<String>,
    description: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    is_default_version: Option<bool>,
    transport: Option<Vec<String>>,
    tags: Option<BTreeSet<String>>,
    policies: Option<Vec<String>>,
    api_throttling_policy: Option<String>,
    authorization_header: Option<String>,
    api_key_header: Option<String>,
    security_scheme: Option<Vec<String>>,
    audiences: Option<BTreeSet<String>>,
    #[schemars(schema_with = "visibilities")]
    visibility: Option<ApiVisibility>,
    visible_roles: Option<BTreeSet<String>>,
    cors_configuration: Option<WantedCors>,
    endpoint_config: Option<Value>,
    scopes: Option<Vec<WantedApiScope>>,
    operations: Option<Vec<WantedOperation>>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

/// WSO2's `APICorsConfiguration`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(rename = "APICorsConfiguration")]
struct WantedCors {
    cors_configuration_enabled: Option<bool>,
    access_control_allow_origins: Option<BTreeSet<String>>,
    access_control_allow_headers: Option<BTreeSet<String>>,
    access_control_allow_methods: Option<BTreeSet<String>>,
    access_control_allow_credentials: Option<bool>,
}

/// WSO2's `APIScope`.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "APIScopeRequest")]
struct WantedApiScope {
    scope: WantedScope,
    #[serde(default, deserialize_with = "or_default")]
    shared: bool,
}

/// WSO2's `Scope`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ScopeRequest")]
pub(super) struct WantedScope {
    pub(super) name: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) display_name: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) description: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) bindings: BTreeSet<String>,
}

/// The same where the name is said elsewhere.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ScopeChange {
    #[serde(default, deserialize_with = "or_default")]
    pub(super) display_name: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) description: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) bindings: BTreeSet<String>,
}

/// WSO2's `APIOperations`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "APIOperationRequest")]
struct WantedOperation {
    target: String,
    verb: String,
    #[serde(default, deserialize_with = "or_default")]
    auth_type: String,
    #[serde(default, deserialize_with = "or_default")]
    throttling_policy: String,
    #[serde(default, deserialize_with = "or_default")]
    scopes: BTreeSet<String>,
    #[serde(default)]
    operation_policies: Value,
}

impl From<WantedCors> for Cors {
    fn from(wanted: WantedCors) -> Self {
        let usual = Self::default();
        Self {
            enabled: wanted.cors_configuration_enabled.unwrap_or(usual.enabled),
            origins: wanted.access_control_allow_origins.unwrap_or(usual.origins),
            headers: wanted.access_control_allow_headers.unwrap_or(usual.headers),
            methods: wanted.access_control_allow_methods.unwrap_or(usual.methods),
            credentials: wanted.access_control_allow_credentials.unwrap_or(usual.credentials),
        }
    }
}

/// The name of a throttling policy; that without a limit is none.
fn policy(name: String) -> Option<String> {
    (!name.is_empty() && name != UNLIMITED).then_some(name)
}

impl WantedApi {
    /// The context as it is kept: without the version, which clients may write behind it.
    pub(super) fn context(&self) -> Option<String> {
        let said = self.context.as_deref()?.trim();
        let said = said.strip_suffix("/{version}").unwrap_or(said);
        Some(if said.starts_with('/') { said.to_owned() } else { format!("/{said}") })
    }

    /// Gives an API that says nothing of its resources every path.
    pub(super) fn with_usual_operations(mut self) -> Self {
        let is_empty = self.operations.as_ref().is_none_or(Vec::is_empty);
        if is_empty {
            let any = |method: &str| WantedOperation {
                target: "/*".to_owned(),
                verb: method.to_owned(),
                auth_type: String::new(),
                throttling_policy: String::new(),
                scopes: BTreeSet::new(),
                operation_policies: Value::Null,
            };
            self.operations = Some(USUAL_METHODS.map(any).into());
        }
        self
    }

    /// Leaves operations and scopes to a document, which gave these names besides.
    pub(super) fn beside_document(self, [name, context, version]: [String; 3]) -> Self {
        let (name, context, version) = (Some(name), Some(context), Some(version));
        Self { name, context, version, operations: None, scopes: None, ..self }
    }

    /// Says it of `definition` and `listing`.
    pub(super) fn apply(
        self,
        definition: &mut ApiDefinition,
        listing: &mut Listing,
    ) -> Result<(), RestError> {
        if let Some(kind) = self.kind.as_deref().filter(|kind| !kind.is_empty() && *kind != "HTTP") {
            return Err(RestError::bad(format!("An API of the type {kind:?} cannot be kept; HTTP can.")));
        }
        let rest = further(&self.rest)?;
        let details = &mut listing.details;
        for (name, value) in rest {
            details.further.insert(name, value);
        }
        if let Some(config) = self.endpoint_config {
            let (endpoints, kept) = endpoint::read(config, definition)?;
            definition.production = endpoints.production;
            definition.sandbox = endpoints.sandbox;
            details.further.insert(ENDPOINTS.to_owned(), kept);
        }
        if let Some(text) = self.description {
            if text.chars().count() > MAX_DESCRIPTION {
                return Err(RestError::bad("The description is too long."));
            }
            listing.description = text;
        }
        details.display_name =
            self.display_name.filter(|name| !name.is_empty()).or(details.display_name.take());
        details.tags = self.tags.unwrap_or_else(|| std::mem::take(&mut details.tags));
        details.policies = self.policies.unwrap_or_else(|| std::mem::take(&mut details.policies));
        details.visible_roles =
            self.visible_roles.unwrap_or_else(|| std::mem::take(&mut details.visible_roles));
        listing.visibility = self.visibility.unwrap_or(listing.visibility);
        if listing.visibility == ApiVisibility::Restricted && details.visible_roles.is_empty() {
            return Err(RestError::bad("An API of restricted visibility needs visibleRoles."));
        }
        if let Some(names) = self.transport.filter(|names| !names.is_empty()) {
            if let Some(other) = names.iter().find(|name| !["http", "https"].contains(&name.as_str())) {
                return Err(RestError::bad(format!("There is no transport {other:?}.")));
            }
            definition.transports.http = names.iter().any(|name| name == "http");
            definition.transports.https = names.iter().any(|name| name == "https");
        }
        if let Some(name) = self.api_throttling_policy {
            definition.throttling = policy(name);
        }
        if let Some(header) = self.authorization_header {
            let is_usual = header.is_empty() || header.eq_ignore_ascii_case("authorization");
            definition.authorization_header = (!is_usual).then_some(header);
        }
        if let Some(is_default) = self.is_default_version {
            definition.versions = if is_default { VersionRole::Default } else { VersionRole::Named };
        }
        put_schemes(self.security_scheme, self.api_key_header, definition)?;
        if let Some(audiences) = self.audiences {
            definition.audiences =
                if audiences.contains(ALL_AUDIENCES) { BTreeSet::new() } else { audiences };
        }
        if let Some(cors) = self.cors_configuration {
            definition.cors = cors.into();
        }
        if let Some(scopes) = self.scopes {
            put_scopes(scopes, definition, listing);
        }
        if let Some(operations) = self.operations {
            put_operations(operations, definition, listing)?;
        }
        Ok(())
    }
}

/// The members that are kept as they were said. What the gateway would not do is refused, not kept.
fn further(rest: &Map<String, Value>) -> Result<Map<String, Value>, RestError> {
    let kept = rest.iter().filter(|(name, value)| FURTHER.contains(&name.as_str()) && !value.is_null());
    let kept: Map<String, Value> = kept.map(|(name, value)| (name.clone(), value.clone())).collect();
    if Value::from(kept.clone()).to_string().len() > MAX_FURTHER {
        return Err(RestError::bad("The API says more besides than can be kept."));
    }
    Ok(kept)
}

fn put_schemes(
    names: Option<Vec<String>>,
    header: Option<String>,
    definition: &mut ApiDefinition,
) -> Result<(), RestError> {
    if let Some(names) = names.filter(|names| !names.is_empty()) {
        let schemes = names.iter().filter(|name| *name != MANDATORY).map(|name| name.parse::<Scheme>());
        let schemes = schemes.collect::<Result<Schemes, _>>();
        definition.schemes = schemes.ok().filter(|schemes| !schemes.is_empty()).ok_or_else(|| {
            RestError::bad(
                "The gateway takes tokens and API keys: securityScheme holds oauth2, api_key or both.",
            )
        })?;
    }
    if let Some(header) = header {
        let is_usual = header.is_empty() || header.eq_ignore_ascii_case(API_KEY_HEADER);
        definition.api_key_header = (!is_usual).then_some(header);
    }
    Ok(())
}

fn put_scopes(scopes: Vec<WantedApiScope>, definition: &mut ApiDefinition, listing: &mut Listing) {
    let texts = &mut listing.details.scopes;
    definition.scopes.clear();
    definition.shared_scopes.clear();
    texts.clear();
    for WantedApiScope { scope, shared } in scopes {
        let WantedScope { name, display_name, description, bindings } = scope;
        if shared {
            // Who may have it is said where it is shared.
            definition.shared_scopes.insert(name.clone());
            definition.scopes.insert(name.clone(), BTreeSet::new());
        } else {
            definition.scopes.insert(name.clone(), bindings);
        }
        texts.insert(name, ScopeText { display_name, description });
    }
}

fn put_operations(
    operations: Vec<WantedOperation>,
    definition: &mut ApiDefinition,
    listing: &mut Listing,
) -> Result<(), RestError> {
    if operations.is_empty() {
        return Err(Problem::Publisher(PublisherProblem::NoResources).into());
    }
    let mut policies = Map::new();
    let mut resources = Vec::with_capacity(operations.len());
    for one in operations {
        let kind = if one.auth_type.is_empty() { "Any" } else { &one.auth_type };
        let unknown = || RestError::bad(format!("There is no authType {kind:?}."));
        let authentication = Authentication::from_wso2_name(kind).ok_or_else(unknown)?;
        let method = one.verb.to_ascii_uppercase();
        if !one.operation_policies.is_null() {
            policies.insert(format!("{method} {}", one.target), one.operation_policies);
        }
        resources.push(Resource {
            method,
            template: one.target,
            scopes: one.scopes,
            authentication,
            throttling: policy(one.throttling_policy),
        });
    }
    definition.resources = resources;
    if Value::from(policies.clone()).to_string().len() > MAX_FURTHER {
        return Err(RestError::bad("The policies of operations are more than can be kept."));
    }
    listing.details.further.insert(POLICIES.to_owned(), policies.into());
    Ok(())
}

#[cfg(test)]
mod tests {
    use latchkey_oauth::clock::Timestamp;
    use serde_json::json;

    use super::*;

    fn said(json: Value) -> Result<(ApiDefinition, Listing), RestError> {
        let wanted: WantedApi = serde_json::from_value(json).unwrap();
        let mut definition = ApiDefinition::default();
        let mut listing = Listing::of("alice", Timestamp::from_millis(0));
        wanted.apply(&mut definition, &mut listing)?;
        Ok((definition, listing))
    }

    #[test]
    fn an_api_is_read_with_what_nobody_knows_left_out() {
        let (definition, listing) = said(json!({
            "description": null, "tags": ["a"], "unheardOf": 1, "maxTps": { "production": 1 },
            "transport": ["https"], "authorizationHeader": "X-Token", "audiences": ["all"],
            "corsConfiguration": { "corsConfigurationEnabled": false },
            "scopes": [{ "scope": { "name": "s", "bindings": ["reader"] }, "shared": false }, { "scope": { "name": "t" }, "shared": true }],
            "operations": [{ "target": "/x/{id}", "verb": "get", "authType": "Application User", "throttlingPolicy": "Unlimited", "scopes": ["s"] }],
        }))
        .unwrap();
        assert!(!definition.transports.http);
        assert_eq!(definition.authorization_header.as_deref(), Some("X-Token"));
        assert!(definition.audiences.is_empty() && !definition.cors.enabled);
        assert!(definition.scopes["s"].contains("reader") && definition.shared_scopes.contains("t"));
        let resource = &definition.resources[0];
        assert_eq!((resource.method.as_str(), resource.throttling.as_deref()), ("GET", None));
        assert_eq!(resource.authentication, Authentication::User);
        let kept: Vec<&String> = listing.details.further.keys().collect();
        assert_eq!(kept, ["maxTps", "operationPolicies"]);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for bad in [
            json!({ "operations": [] }),
            json!({ "operations": [{ "target": "/x", "verb": "GET", "authType": "Nobody" }] }),
            json!({ "securityScheme": ["mutualssl"] }),
            json!({ "securityScheme": ["oauth_basic_auth_api_key_mandatory"] }),
            json!({ "transport": ["ftp"] }),
            json!({ "type": "GRAPHQL" }),
            json!({ "visibility": "RESTRICTED" }),
            json!({ "businessInformation": "x".repeat(MAX_FURTHER) }),
        ] {
            assert!(said(bad.clone()).is_err(), "{bad}");
        }
        let keys =
            json!({ "securityScheme": ["api_key", MANDATORY], "apiKeyHeader": "X-Key", "type": "HTTP" });
        let (definition, _) = said(keys).unwrap();
        assert!(definition.schemes.takes(Scheme::ApiKey) && !definition.schemes.takes(Scheme::OAuth2));
        assert_eq!(definition.api_key_header.as_deref(), Some("X-Key"));
    }

    #[test]
    fn a_context_is_kept_without_the_version() {
        for (text, expected) in [("echo", "/echo"), ("/echo/{version}", "/echo"), (" /a/b ", "/a/b")] {
            let wanted = WantedApi { context: Some(text.to_owned()), ..WantedApi::default() };
            assert_eq!(wanted.context().as_deref(), Some(expected), "{text}");
        }
    }
}
