//! The configuration of the organization, as WSO2 keeps it in one document: which roles give which scopes, and switches of
//! what is not here. All of it is fixed, so a document that says the same is taken, and no other.

use http::Method;
use latchkey_catalog::system_scope::{Area, SYSTEM_SCOPES};
use serde_json::{Value, json};

use super::SURFACE;
use super::scopes::roles;
use crate::http::answer;
use crate::rest::call::Call;
use crate::rest::caller::Caller;
use crate::rest::error::{Fault, RestError};
use crate::rest::operation::{Answer, Operation};

const ADMIN: &[&str] = &["apim:admin"];

pub(super) fn operations() -> Vec<Operation> {
    vec![
        SURFACE.scoped(Method::GET, "/tenant-config", ADMIN, show).answers::<Value>(),
        SURFACE.scoped(Method::PUT, "/tenant-config", ADMIN, update).takes::<Value>().answers::<Value>(),
        SURFACE.scoped(Method::GET, "/tenant-config-schema", ADMIN, schema).answers::<Value>(),
    ]
}

fn document() -> Value {
    let of_apis = SYSTEM_SCOPES.iter().filter(|scope| scope.areas.iter().any(|area| *area != Area::Identity));
    let scopes = of_apis.map(|scope| json!({ "Name": scope.name, "Roles": roles(scope).join(",") }));
    json!({
        "EnableMonetization": false,
        "IsUnlimitedTierPaid": false,
        "EnableRecommendation": false,
        "NotificationsEnabled": "false",
        "RESTAPIScopes": { "Scope": scopes.collect::<Vec<_>>() },
    })
}

async fn show(_: Call, _: Caller) -> Answer {
    Ok(answer::json(&document()))
}

async fn update(call: Call, _: Caller) -> Answer {
    let wanted: Value = call.json()?;
    if wanted != document() {
        return Err(RestError::told(
            Fault::Conflict,
            "The configuration of the organization is fixed; give roles to users, and see the server's own configuration.",
        ));
    }
    Ok(answer::json(&wanted))
}

async fn schema(_: Call, _: Caller) -> Answer {
    let scope = json!({
        "type": "object",
        "required": ["Name", "Roles"],
        "properties": { "Name": { "type": "string" }, "Roles": { "type": "string" } },
    });
    Ok(answer::json(&json!({
        "$schema": "http://json-schema.org/draft-07/schema",
        "type": "object",
        "required": ["RESTAPIScopes"],
        "properties": {
            "EnableMonetization": { "type": "boolean" },
            "IsUnlimitedTierPaid": { "type": "boolean" },
            "EnableRecommendation": { "type": "boolean" },
            "NotificationsEnabled": { "type": "string" },
            "RESTAPIScopes": {
                "type": "object",
                "required": ["Scope"],
                "properties": { "Scope": { "type": "array", "items": scope } },
            },
        },
    })))
}
