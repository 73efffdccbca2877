//! What the interface says of itself (RFC 7644 section 4), to whoever asks.

use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::person::{ENTERPRISE, USER, WSO2};
use super::{SURFACE, base, bulk, json as answer};
use crate::rest::call::Call;
use crate::rest::caller::Caller;
use crate::rest::error::{Fault, RestError};
use crate::rest::operation::{Answer, Operation};

const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";

pub(super) fn operations() -> Vec<Operation> {
    vec![
        SURFACE.open(Method::GET, "/ServiceProviderConfig", provider).answers::<Map<String, Value>>(),
        SURFACE.open(Method::GET, "/ResourceTypes", resource_types).answers::<Map<String, Value>>(),
        SURFACE.open(Method::GET, "/Schemas", schemas).answers::<Map<String, Value>>(),
        SURFACE.open(Method::GET, "/Schemas/{id}", schema).answers::<Map<String, Value>>(),
    ]
}

async fn provider(call: Call, _: Option<Caller>) -> Answer {
    let scheme = |kind: &str, name: &str, rfc: &str| json!({ "type": kind, "name": name, "description": name, "specUri": rfc });
    let provider = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
        "patch": { "supported": true },
        "bulk": {
            "supported": true, "maxOperations": bulk::MAX_OPERATIONS, "maxPayloadSize": bulk::MAX_BODY,
        },
        "filter": { "supported": true, "maxResults": super::MOST },
        "changePassword": { "supported": true },
        "sort": { "supported": true },
        "etag": { "supported": false },
        "authenticationSchemes": [
            scheme("oauthbearertoken", "OAuth Bearer Token", "https://www.rfc-editor.org/rfc/rfc6750"),
            scheme("httpbasic", "HTTP Basic", "https://www.rfc-editor.org/rfc/rfc7617"),
        ],
        "meta": {
            "resourceType": "ServiceProviderConfig",
            "location": format!("{}/ServiceProviderConfig", base(&call.app)),
        },
    });
    Ok(answer(StatusCode::OK, &provider))
}

async fn resource_types(call: Call, _: Option<Caller>) -> Answer {
    let base = base(&call.app);
    let kind = |name: &str, endpoint: &str, schema: &str, extensions: &[&str]| {
        let extensions: Vec<_> =
            extensions.iter().map(|schema| json!({ "schema": schema, "required": false })).collect();
        json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"],
            "id": name, "name": name, "endpoint": endpoint, "schema": schema,
            "schemaExtensions": extensions,
            "meta": { "resourceType": "ResourceType", "location": format!("{base}/ResourceTypes/{name}") },
        })
    };
    let kinds = [kind("User", "/Users", USER, &[ENTERPRISE, WSO2]), kind("Group", "/Groups", GROUP, &[])];
    Ok(listed(&kinds))
}

fn listed(resources: &[Value]) -> crate::http::answer::Whole {
    let listed = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
        "totalResults": resources.len(), "startIndex": 1, "itemsPerPage": resources.len(),
        "Resources": resources,
    });
    answer(StatusCode::OK, &listed)
}

async fn schemas(_: Call, _: Option<Caller>) -> Answer {
    Ok(listed(&all()))
}

async fn schema(call: Call, _: Option<Caller>) -> Answer {
    let id = call.path.get("id").map(String::as_str).unwrap_or_default();
    let found = all().into_iter().find(|schema| schema["id"] == id);
    found.map(|schema| answer(StatusCode::OK, &schema)).ok_or_else(|| RestError::of(Fault::NotFound))
}

/// An attribute of one value.
fn attribute(name: &str, kind: &str, mutability: &str) -> Value {
    json!({
        "name": name, "type": kind, "multiValued": false, "required": name == "userName",
        "caseExact": true, "mutability": mutability,
        "returned": if mutability == "writeOnly" { "never" } else { "default" },
        "uniqueness": if name == "userName" { "server" } else { "none" },
    })
}

/// An attribute with parts, of one value or several.
fn complex(name: &str, is_list: impl Into<Value>, parts: &[Value]) -> Value {
    let mut whole = attribute(name, "complex", "readWrite");
    whole["multiValued"] = is_list.into();
    whole["subAttributes"] = json!(parts);
    whole
}

fn all() -> Vec<Value> {
    let text = |name: &str| attribute(name, "string", "readWrite");
    let members = [attribute("value", "string", "readWrite"), attribute("display", "string", "readOnly")];
    let emails = [text("value"), text("type"), attribute("primary", "boolean", "readWrite")];
    let account = [
        attribute("accountLocked", "boolean", "readWrite"),
        attribute("accountDisabled", "boolean", "readWrite"),
    ];
    let user = vec![
        attribute("userName", "string", "immutable"),
        attribute("password", "string", "writeOnly"),
        complex("name", false, &[text("givenName"), text("familyName")]),
        text("displayName"),
        complex("emails", true, &emails),
        attribute("active", "boolean", "readWrite"),
        complex("groups", true, &members),
        complex("roles", true, &members),
    ];
    let schema = |id: &str, name: &str, attributes: &[Value]| {
        json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"],
            "id": id, "name": name, "description": name, "attributes": attributes,
            "meta": { "resourceType": "Schema", "location": format!("/scim2/Schemas/{id}") },
        })
    };
    vec![
        schema(USER, "User", &user),
        schema(
            GROUP,
            "Group",
            &[attribute("displayName", "string", "immutable"), complex("members", true, &members)],
        ),
        schema(ENTERPRISE, "Enterprise User", &account),
        schema(WSO2, "WSO2 User", &account),
    ]
}
