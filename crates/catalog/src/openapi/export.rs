//! The way back: an API as a document that imports as the same API.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::extensions::{KEY_HEADER, PROTOCOL, RETRIES, SECURITY, SECURITY_TYPES, UPGRADES};
use crate::api::{Api, ApiDefinition, Scheme, Upgrades};
use crate::resource::{Authentication, Resource};
use crate::subscription::UNLIMITED;
use crate::upstream::{Protocol, Retries, Upstream};

/// The name of the one security scheme.
const SCHEME: &str = "default";

/// The API as an `OpenAPI` 3.0 document with WSO2's extensions. It holds what [`super::import`] reads; what an
/// import leaves to the catalogue is not in it: state, default version, audiences, timeouts of upstreams.
pub fn export(api: &Api) -> Value {
    let definition = &api.definition;
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for resource in &definition.resources {
        let operations = paths.entry(&resource.template).or_default();
        operations.insert(resource.method.to_ascii_lowercase(), operation(resource));
    }
    let mut document = json!({
        "openapi": "3.0.3",
        "info": { "title": api.name, "version": api.version },
        "servers": [],
        "security": [{ SCHEME: [] }],
        "components": { "securitySchemes": { SCHEME: scheme(definition) } },
        "paths": paths,
        "x-wso2-basePath": api.path(),
        "x-wso2-cors": cors(definition),
        "x-wso2-transports": transports(definition),
    });
    let upstream = definition.production.as_ref().or(definition.sandbox.as_ref());
    let optional = [
        (UPGRADES, upgrades(definition)),
        (PROTOCOL, upstream.and_then(protocol)),
        (RETRIES, upstream.and_then(retries)),
        ("x-wso2-production-endpoints", definition.production.as_ref().map(endpoints)),
        ("x-wso2-sandbox-endpoints", definition.sandbox.as_ref().map(endpoints)),
        ("x-wso2-auth-header", definition.authorization_header.clone().map(Value::from)),
        (KEY_HEADER, definition.api_key_header.clone().map(Value::from)),
        (SECURITY, schemes(definition)),
        ("x-throttling-tier", definition.throttling.clone().map(Value::from)),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            document[name] = value;
        }
    }
    document
}

/// The API as a document in the words of `text`, the document that it was once read from, as far as they still hold:
/// examples, schemas and descriptions stay, resources and extensions are the API's. Text that is no document counts
/// for nothing.
pub fn export_onto(text: &str, api: &Api) -> Value {
    let exported = export(api);
    let Ok(Value::Object(mut given)) = super::document::read(text) else { return exported };
    given.retain(|name, _| !is_ours(name));
    let paths = given.remove("paths").unwrap_or_default();
    // Scopes of the API are all that there are.
    if let Some(components) = given.get_mut("components").and_then(Value::as_object_mut) {
        components.remove("securitySchemes");
    }
    let Value::Object(exported) = exported else { return Value::Object(given) };
    for (name, value) in exported {
        match name.as_str() {
            "openapi" | "servers" if given.contains_key(&name) => {}
            "info" | "components" => lay_over(given.entry(name).or_insert(Value::Null), value),
            "paths" => {
                given.insert(name, paths_onto(&paths, value));
            }
            _ => {
                given.insert(name, value);
            }
        }
    }
    Value::Object(given)
}

/// Whether a member of a document, a path or an operation is written anew.
fn is_ours(name: &str) -> bool {
    name.starts_with("x-wso2-")
        || name.starts_with("x-latchkey-")
        || ["x-auth-type", "x-throttling-tier", "x-scope", "security"].contains(&name)
}

/// Puts the members of `value` into `place`, and theirs into those of the same name.
fn lay_over(place: &mut Value, value: Value) {
    match (place, value) {
        (Value::Object(held), Value::Object(members)) => {
            for (name, value) in members {
                lay_over(held.entry(name).or_insert(Value::Null), value);
            }
        }
        (place, value) => *place = value,
    }
}

/// The operations of `exported`, each with what `given` says of it and its path besides.
fn paths_onto(given: &Value, exported: Value) -> Value {
    let Value::Object(mut paths) = exported else { return exported };
    for (template, item) in &mut paths {
        let held = given.get(template);
        for (method, operation) in item.as_object_mut().into_iter().flatten() {
            let Some(Value::Object(held)) = held.and_then(|held| held.get(method)) else { continue };
            let Some(members) = operation.as_object_mut() else { continue };
            members
                .extend(held.iter().filter(|(name, _)| !is_ours(name)).map(|(n, v)| (n.clone(), v.clone())));
        }
        let shared = held.and_then(Value::as_object).into_iter().flatten();
        let shared = shared.filter(|(name, _)| !is_ours(name) && !super::METHODS.contains(&name.as_str()));
        let shared: Vec<_> = shared.filter(|(name, _)| *name != "trace").collect();
        item.as_object_mut().into_iter().for_each(|item| {
            item.extend(shared.iter().map(|(name, value)| ((*name).clone(), (*value).clone())));
        });
    }
    Value::Object(paths)
}

fn operation(resource: &Resource) -> Value {
    let scopes: Vec<&String> = resource.scopes.iter().collect();
    let mut operation = json!({
        "responses": { "default": { "description": "Whatever the server behind the API answers." } },
        "security": [{ SCHEME: scopes }],
        "x-throttling-tier": resource.throttling.as_deref().unwrap_or(UNLIMITED),
    });
    if resource.authentication != Authentication::Any {
        operation["x-auth-type"] = resource.authentication.wso2_name().into();
    }
    operation
}

/// WSO2 writes scopes into the flow of a scheme, and their roles between commas beside it.
fn scheme(definition: &ApiDefinition) -> Value {
    let scopes: BTreeMap<&String, &str> = definition.scopes.keys().map(|scope| (scope, "")).collect();
    let bound = definition.scopes.iter().filter(|(_, roles)| !roles.is_empty());
    let bindings: BTreeMap<&String, String> =
        bound.map(|(scope, roles)| (scope, roles.iter().cloned().collect::<Vec<_>>().join(","))).collect();
    let url = "https://localhost";
    let flow = json!({ "authorizationUrl": url, "scopes": scopes, "x-scopes-bindings": bindings });
    json!({ "type": "oauth2", "flows": { "implicit": flow } })
}

/// The kinds of credentials, where they are not tokens alone.
fn schemes(definition: &ApiDefinition) -> Option<Value> {
    let types: Vec<&str> = definition.schemes.iter().map(Scheme::as_str).collect();
    (!definition.schemes.is_default()).then(|| json!({ SECURITY_TYPES: types, "optional": false }))
}

fn endpoints(upstream: &Upstream) -> Value {
    let urls: Vec<String> = upstream.urls.iter().map(ToString::to_string).collect();
    json!({ "urls": urls })
}

/// Nothing where it is as an import takes it that finds nothing; so it is with the next two.
fn upgrades(definition: &ApiDefinition) -> Option<Value> {
    match definition.upgrades {
        Upgrades::None => None,
        Upgrades::WebSocket => Some("websocket".into()),
    }
}

fn protocol(upstream: &Upstream) -> Option<Value> {
    match upstream.protocol {
        Protocol::Http1 => None,
        Protocol::Http2 => Some("http2".into()),
    }
}

fn retries(upstream: &Upstream) -> Option<Value> {
    match upstream.retries {
        Retries::Off => None,
        Retries::Idempotent => Some("idempotent".into()),
    }
}

/// WSO2's `APICorsConfiguration` of an API.
pub fn cors(definition: &ApiDefinition) -> Value {
    let cors = &definition.cors;
    json!({
        "corsConfigurationEnabled": cors.enabled,
        "accessControlAllowOrigins": cors.origins,
        "accessControlAllowHeaders": cors.headers,
        "accessControlAllowMethods": cors.methods,
        "accessControlAllowCredentials": cors.credentials,
    })
}

fn transports(definition: &ApiDefinition) -> Value {
    let all = [("http", definition.transports.http), ("https", definition.transports.https)];
    all.into_iter().filter(|(_, is_on)| *is_on).map(|(name, _)| name).collect::<Vec<_>>().into()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::api::{ApiState, Transports};
    use crate::cors::Cors;
    use crate::id::EntryId;
    use crate::openapi::{Wishes, import};
    use crate::upstream::UpstreamUrl;

    fn set(words: &[&str]) -> BTreeSet<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    fn resource(method: &str, template: &str, scopes: &[&str]) -> Resource {
        let (method, template) = (method.to_owned(), template.to_owned());
        Resource { method, template, scopes: set(scopes), ..Resource::default() }
    }

    fn at(urls: &[&str]) -> Upstream {
        Upstream::at(urls.iter().map(|url| UpstreamUrl::parse(url).unwrap()).collect())
    }

    fn api(definition: ApiDefinition) -> Api {
        let (name, context, version) = ("Orders".to_owned(), "/shop/orders".to_owned(), "1.2.3".to_owned());
        Api { id: EntryId::from_bytes([1; 16]), name, context, version, definition }
    }

    #[test]
    fn an_exported_api_is_imported_as_it_was() {
        let plain = ApiDefinition {
            resources: vec![resource("GET", "/a", &[])],
            state: ApiState::Created,
            ..ApiDefinition::default()
        };
        let mut authenticated: Vec<Resource> = Authentication::ALL
            .into_iter()
            .zip(["DELETE", "GET", "PATCH", "PUT"])
            .map(|(authentication, method)| Resource {
                authentication,
                throttling: (method == "PUT").then(|| "10KPerMin".to_owned()),
                ..resource(method, "/orders/{id}", &["orders.read", "orders.write"])
            })
            .collect();
        authenticated.push(resource("POST", "/orders/*", &["free"]));
        authenticated
            .sort_by(|one, other| (&one.template, &one.method).cmp(&(&other.template, &other.method)));
        let scopes = [("free", &[][..]), ("orders.read", &["reader"]), ("orders.write", &["clerk", "chef"])];
        let rich = ApiDefinition {
            resources: authenticated,
            scopes: scopes.iter().map(|(scope, roles)| ((*scope).to_owned(), set(roles))).collect(),
            transports: Transports { http: false, https: true },
            production: Some(at(&["https://one.example/base", "https://two.example"])),
            sandbox: Some(at(&["http://test.example:8080"])),
            authorization_header: Some("X-Token".to_owned()),
            schemes: [Scheme::OAuth2, Scheme::ApiKey].into_iter().collect(),
            api_key_header: Some("X-Key".to_owned()),
            cors: Cors { origins: set(&["https://app.example"]), credentials: true, ..Cors::default() },
            throttling: Some("50KPerMin".to_owned()),
            ..plain.clone()
        };
        let spoken = |urls| Upstream { protocol: Protocol::Http2, retries: Retries::Idempotent, ..at(urls) };
        let special = ApiDefinition {
            upgrades: Upgrades::WebSocket,
            schemes: [Scheme::ApiKey].into_iter().collect(),
            production: Some(spoken(&["https://one.example"])),
            sandbox: Some(spoken(&["https://test.example"])),
            ..plain.clone()
        };
        let for_trials = ApiDefinition { production: None, ..special.clone() };
        for definition in [plain, rich, special, for_trials] {
            let api = api(definition);
            let document = export(&api);
            let text = document.to_string();
            let back = import(&text, Wishes::default()).unwrap_or_else(|problem| panic!("{problem}: {text}"));
            assert_eq!((&back.name, &back.context, &back.version), (&api.name, &api.context, &api.version));
            assert_eq!(back.definition, api.definition);
        }
    }

    #[test]
    fn a_document_keeps_its_words_where_the_api_has_changed() {
        let text = r#"{"openapi":"3.1.0","info":{"title":"Old","version":"0","description":"Kept"},
            "x-wso2-disable-security":true,"components":{"schemas":{"A":{}},"securitySchemes":{"other":{"type":"oauth2","flows":{"implicit":{"scopes":{"gone":""}}}}}},
            "paths":{"/a":{"parameters":[],"get":{"summary":"Reads","x-auth-type":"None","security":[]}},"/gone":{"get":{}}}}"#;
        let definition = ApiDefinition {
            resources: vec![resource("GET", "/a", &[]), resource("POST", "/b", &["s"])],
            scopes: [("s".to_owned(), set(&["reader"]))].into(),
            state: ApiState::Created,
            ..ApiDefinition::default()
        };
        let api = api(definition);
        let written = export_onto(text, &api);
        assert_eq!(written["info"]["description"], "Kept");
        assert_eq!(written["paths"]["/a"]["get"]["summary"], "Reads");
        assert!(written["paths"]["/a"]["parameters"].is_array() && written["paths"].get("/gone").is_none());
        assert!(written["components"]["schemas"]["A"].is_object());
        let back = import(&written.to_string(), Wishes::default()).unwrap();
        assert_eq!((back.name, back.definition), (api.name.clone(), api.definition.clone()));
        assert_eq!(export_onto("no document", &api), export(&api));
    }
}
