//! The `OpenAPI` document of the REST interfaces, made from the operations.
//!
//! Bodies are described by the types that they are read into and written from, so they cannot say otherwise. What is
//! read is described as it is taken: a member that may be left out may be `null`, too.

use std::collections::BTreeMap;

use http::StatusCode;
use schemars::generate::{SchemaGenerator, SchemaSettings};
use serde_json::{Map, Value, json};

use super::contract::{Parameter, Part, Presence, Taken, Told};
use super::operation::{Access, Operation};
use super::surface::Surface;

/// Where the document keeps the schemas that have names.
const SCHEMAS: &str = "/components/schemas";

/// The document, with one path for each operation: that of the canonical base.
pub(crate) fn document() -> Value {
    let mut operations = super::operations();
    operations.sort_by(|one, other| {
        (address(one), one.method.as_str()).cmp(&(address(other), other.method.as_str()))
    });
    let mut schemas = Schemas::new();
    let mut paths = Map::new();
    for operation in &operations {
        let path = paths.entry(address(operation)).or_insert_with(|| json!({}));
        path[operation.method.as_str().to_lowercase()] = schemas.described(operation);
    }
    let bases: BTreeMap<&str, _> =
        operations.iter().map(|operation| (operation.surface.name(), operation.surface.bases())).collect();
    let tags: Vec<_> = bases.iter().map(|(name, bases)| json!({ "name": name, "x-bases": bases })).collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Latchkey REST interfaces",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Every operation at its canonical base; `x-bases` of its tag are the others.",
        },
        "tags": tags,
        "paths": paths,
        "components": {
            "securitySchemes": {
                "basic": { "type": "http", "scheme": "basic" },
                "bearer": { "type": "http", "scheme": "bearer" },
            },
            "responses": refusals(&operations),
            "schemas": schemas.named(),
        },
    })
}

/// The document as it is checked in.
pub fn page() -> String {
    let mut page = serde_json::to_string_pretty(&document()).expect("the document is plain data");
    page.push('\n');
    page
}

fn address(operation: &Operation) -> String {
    format!("{}{}", operation.surface.bases().first().copied().unwrap_or_default(), operation.path)
}

/// What bodies look like, read and written.
#[derive(Debug)]
struct Schemas {
    read: SchemaGenerator,
    written: SchemaGenerator,
}

impl Schemas {
    fn new() -> Self {
        let settings = SchemaSettings::draft2020_12().with(|settings| {
            settings.definitions_path = SCHEMAS.into();
            settings.meta_schema = None;
        });
        Self {
            read: settings.clone().for_deserialize().into_generator(),
            written: settings.for_serialize().into_generator(),
        }
    }

    /// Every schema that has a name.
    fn named(mut self) -> Map<String, Value> {
        let mut named = self.read.take_definitions(true);
        named.values_mut().for_each(leave_out);
        named.extend(self.written.take_definitions(true));
        let errors = [("Error", error()), ("ScimError", scim_error()), ("ClientError", client_error())];
        named.extend(errors.map(|(name, schema)| (name.to_owned(), schema)));
        named
    }

    /// What the document says of one operation.
    fn described(&mut self, operation: &Operation) -> Value {
        let security = match operation.access {
            Access::Anyone => json!([{}, { "basic": [] }, { "bearer": [] }]),
            Access::SignedIn | Access::Scopes(_) => json!([{ "basic": [] }, { "bearer": [] }]),
        };
        let mut described = json!({
            "operationId": id(operation),
            "tags": [operation.surface.name()],
            "security": security,
            "parameters": parameters(operation),
            "responses": self.responses(operation),
        });
        if let Some(taken) = operation.contract.takes {
            described["requestBody"] = self.body(operation.surface, taken);
        }
        if let Access::Scopes(scopes) = operation.access {
            described["x-scopes"] = json!(scopes);
        }
        described
    }

    fn body(&mut self, surface: Surface, taken: Taken) -> Value {
        match taken {
            Taken::Json { shape, presence, .. } => {
                let mut schema = shape(&mut self.read).to_value();
                leave_out(&mut schema);
                let media = |media: &&str| ((*media).to_owned(), json!({ "schema": schema }));
                let content: Map<_, _> = media_types(surface).iter().map(media).collect();
                json!({ "required": presence == Presence::Required, "content": content })
            }
            Taken::Form(parts) => {
                json!({
                    "required": true, "content": { "multipart/form-data": { "schema": Part::schema(parts) } },
                })
            }
        }
    }

    fn responses(&mut self, operation: &Operation) -> Map<String, Value> {
        let mut responses = Map::new();
        for status in operation.refusals() {
            let reference = format!("#/components/responses/{}", refusal(operation.surface, status));
            responses.insert(status.as_str().to_owned(), json!({ "$ref": reference }));
        }
        for told in operation.told() {
            responses.insert(told.status.as_str().to_owned(), self.response(operation.surface, told));
        }
        responses
    }

    fn response(&mut self, surface: Surface, told: Told) -> Value {
        let mut response = json!({ "description": told.status.canonical_reason().unwrap_or_default() });
        if let Some(shape) = told.body {
            let schema = shape(&mut self.written).to_value();
            response["content"] = json!({ media_types(surface)[0]: { "schema": schema } });
        }
        if told.is_located {
            let schema = json!({ "type": "string", "format": "uri" });
            response["headers"] = json!({ "Location": { "required": true, "schema": schema } });
        }
        response
    }
}

/// A name of its own for each operation, for generated clients.
fn id(operation: &Operation) -> String {
    let words = operation.surface.name().split(' ').chain([operation.method.as_str()]);
    let path = operation.path.split(|one: char| !one.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let capital = |word: &str| {
        let (first, rest) = word.split_at(1);
        first.to_uppercase() + rest
    };
    let id: String =
        words.map(str::to_lowercase).map(|word| capital(&word)).chain(path.map(capital)).collect();
    let (first, rest) = id.split_at(1);
    first.to_lowercase() + rest
}

/// The media types of an interface's JSON; answers have the first.
fn media_types(surface: Surface) -> &'static [&'static str] {
    if surface == Surface::Scim {
        &["application/scim+json", "application/json"]
    } else {
        &["application/json"]
    }
}

/// What stands in the places of a path and in the query.
fn parameters(operation: &Operation) -> Vec<Value> {
    let names = operation.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let place = |name| json!({ "name": name, "in": "path", "required": true, "schema": place(name) });
    let asked = |parameter: &Parameter| {
        json!({
            "name": parameter.name,
            "in": "query",
            "required": parameter.presence == Presence::Required,
            "schema": parameter.schema(),
        })
    };
    names.map(place).chain(operation.contract.asks.iter().map(asked)).collect()
}

/// What may stand in the place `name` of a path.
fn place(name: &str) -> Value {
    match name {
        "keyType" => json!({ "type": "string", "enum": ["PRODUCTION", "SANDBOX"] }),
        "explanationId" => json!({ "type": "string", "pattern": "^[0-9a-f]{16}$" }),
        _ => json!({ "type": "string" }),
    }
}

/// The name of a refusal among the responses.
fn refusal(surface: Surface, status: StatusCode) -> String {
    let words = status.canonical_reason().unwrap_or_default().replace(' ', "");
    match error_schema(surface) {
        "ScimError" => format!("Scim{words}"),
        "ClientError" => format!("Client{words}"),
        _ => words,
    }
}

/// The name of what an interface tells of a refusal.
fn error_schema(surface: Surface) -> &'static str {
    if surface == Surface::Scim {
        "ScimError"
    } else if surface == Surface::Clients {
        "ClientError"
    } else {
        "Error"
    }
}

/// How operations are refused, by name.
fn refusals(operations: &[Operation]) -> Map<String, Value> {
    let mut refusals = Map::new();
    for operation in operations {
        for status in operation.refusals() {
            let media = media_types(operation.surface)[0];
            let schema = error_schema(operation.surface);
            let mut response = json!({
                "description": status.canonical_reason().unwrap_or_default(),
                "content": { media: { "schema": { "$ref": format!("#{SCHEMAS}/{schema}") } } },
            });
            let text = json!({ "schema": { "type": "string" } });
            match status {
                StatusCode::UNAUTHORIZED => response["headers"] = json!({ "WWW-Authenticate": text }),
                StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                    response["headers"] = json!({ "Retry-After": { "schema": { "type": "integer" } } });
                }
                _ => {}
            }
            refusals.insert(refusal(operation.surface, status), response);
        }
    }
    refusals
}

/// WSO2's `Error`.
fn error() -> Value {
    json!({
        "type": "object",
        "required": ["code", "message", "description", "moreInfo", "error"],
        "properties": {
            "code": { "type": "integer", "format": "int64" },
            "message": { "type": "string" },
            "description": { "type": "string" },
            "moreInfo": { "type": "string" },
            "error": { "type": "array", "items": { "type": "object" } },
        },
    })
}

/// RFC 7591 section 3.2.2.
fn client_error() -> Value {
    json!({
        "type": "object",
        "required": ["error", "error_description"],
        "properties": { "error": { "type": "string" }, "error_description": { "type": "string" } },
    })
}

/// RFC 7644 section 3.12.
fn scim_error() -> Value {
    json!({
        "type": "object",
        "required": ["schemas", "status", "detail"],
        "properties": {
            "schemas": { "type": "array", "items": { "type": "string" } },
            "status": { "type": "string" },
            "scimType": { "type": "string" },
            "detail": { "type": "string" },
        },
    })
}

/// Lets `null` stand for every member of `schema` that may be left out, and entries stand twice in sets, as readers take
/// it.
fn leave_out(schema: &mut Value) {
    match schema {
        Value::Array(several) => several.iter_mut().for_each(leave_out),
        Value::Object(members) => {
            members.remove("uniqueItems");
            if members.get("format").is_some_and(|format| format == "uint32") {
                members.insert("maximum".to_owned(), u32::MAX.into());
            }
            let needed = members.get("required").cloned().unwrap_or_default();
            let is_needed =
                |name: &str| needed.as_array().is_some_and(|needed| needed.iter().any(|one| one == name));
            if let Some(Value::Object(properties)) = members.get_mut("properties") {
                properties
                    .iter_mut()
                    .filter(|(name, _)| !is_needed(name))
                    .for_each(|(_, member)| nullable(member));
            }
            members.values_mut().for_each(leave_out);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Adds `null` to what `schema` takes.
fn nullable(schema: &mut Value) {
    let Some(members) = schema.as_object_mut() else { return };
    members.remove("default");
    if let Some(Value::Array(words)) = members.get_mut("enum")
        && !words.contains(&Value::Null)
    {
        words.push(Value::Null);
    }
    let is_reference = members.contains_key("$ref");
    match members.get_mut("type") {
        Some(Value::Array(types)) if !types.contains(&json!("null")) => types.push(json!("null")),
        Some(Value::String(kind)) if kind != "null" => {
            let kind = kind.clone();
            members.insert("type".to_owned(), json!([kind, "null"]));
        }
        None if is_reference => *schema = json!({ "anyOf": [schema.take(), { "type": "null" }] }),
        Some(_) | None => {}
    }
}

#[cfg(test)]
mod tests;
