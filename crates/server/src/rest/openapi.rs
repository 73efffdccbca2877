//! The `OpenAPI` document of the REST interfaces, made from the operations.
//!
//! It says what the table knows: where each operation lies, what stands in its path, who may use it. The bodies are
//! WSO2's, Identity Server's and SCIM's, whose documents describe them.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::operation::{Access, Operation};
use super::surface::Surface;

/// The document, with one path for each operation: that of the canonical base.
pub(crate) fn document() -> Value {
    let mut operations = super::operations();
    operations.sort_by(|one, other| {
        (address(one), one.method.as_str()).cmp(&(address(other), other.method.as_str()))
    });
    let mut paths = Map::new();
    for operation in &operations {
        let path = paths.entry(address(operation)).or_insert_with(|| json!({}));
        path[operation.method.as_str().to_lowercase()] = described(operation);
    }
    let bases: BTreeMap<&str, _> =
        operations.iter().map(|operation| (operation.surface.name(), operation.surface.bases())).collect();
    let tags: Vec<_> = bases.iter().map(|(name, bases)| json!({ "name": name, "x-bases": bases })).collect();
    json!({
        "openapi": "3.0.3",
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
            "schemas": {
                "Error": {
                    "type": "object",
                    "required": ["code", "message"],
                    "properties": {
                        "code": { "type": "integer", "format": "int64" },
                        "message": { "type": "string" },
                        "description": { "type": "string" },
                        "moreInfo": { "type": "string" },
                        "error": { "type": "array", "items": { "type": "object" } },
                    },
                },
            },
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

/// What the document says of one operation.
fn described(operation: &Operation) -> Value {
    let security = match operation.access {
        Access::Anyone => json!([{}, { "basic": [] }, { "bearer": [] }]),
        Access::SignedIn | Access::Scopes(_) => json!([{ "basic": [] }, { "bearer": [] }]),
    };
    let error = if operation.surface == Surface::Scim {
        json!({ "description": "What went wrong, as RFC 7644 section 3.12 tells it" })
    } else if operation.surface == Surface::Clients {
        json!({ "description": "What went wrong, as RFC 7591 section 3.2.2 tells it" })
    } else {
        let schema = json!({ "$ref": "#/components/schemas/Error" });
        json!({ "description": "What went wrong", "content": { "application/json": { "schema": schema } } })
    };
    let mut described = json!({
        "tags": [operation.surface.name()],
        "security": security,
        "parameters": places(operation.path),
        "responses": { "2XX": { "description": "It is done" }, "default": error },
    });
    if let Access::Scopes(scopes) = operation.access {
        described["x-scopes"] = json!(scopes);
    }
    described
}

/// What stands in the places of a path.
fn places(path: &str) -> Vec<Value> {
    let names = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let place =
        |name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } });
    names.map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checked_in_document_is_that_of_the_operations() {
        let page_now = page();
        let page = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json"));
        assert!(page == page_now, "run `./latchkey config openapi > docs/openapi.json`");
    }

    #[test]
    fn every_operation_stands_in_it_with_who_may_use_it() {
        let document = document();
        for operation in super::super::operations() {
            let method = operation.method.as_str().to_lowercase();
            let told = &document["paths"][address(&operation)][method];
            assert_eq!(told["tags"], json!([operation.surface.name()]), "{operation:?}");
            let is_open = told["security"][0] == json!({});
            assert_eq!(is_open, operation.access == Access::Anyone, "{operation:?}");
            let places = operation.path.matches('{').count();
            assert_eq!(told["parameters"].as_array().map(Vec::len), Some(places), "{operation:?}");
        }
    }
}
