//! The document says what the operations are.

use std::collections::BTreeSet;

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
    let mut ids = BTreeSet::new();
    for operation in super::super::operations() {
        let method = operation.method.as_str().to_lowercase();
        let told = &document["paths"][address(&operation)][method];
        assert_eq!(told["tags"], json!([operation.surface.name()]), "{operation:?}");
        let is_open = told["security"][0] == json!({});
        assert_eq!(is_open, operation.access == Access::Anyone, "{operation:?}");
        let places = operation.path.matches('{').count() + operation.contract.asks.len();
        assert_eq!(told["parameters"].as_array().map(Vec::len), Some(places), "{operation:?}");
        assert!(ids.insert(told["operationId"].as_str().map(str::to_owned)), "{}", told["operationId"]);
    }
}

#[test]
fn every_reference_leads_somewhere() {
    fn references(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
                members.values().for_each(|member| references(member, found));
            }
            Value::Array(several) => several.iter().for_each(|one| references(one, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let document = document();
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    for reference in found {
        let place = reference.strip_prefix('#').unwrap_or_default();
        assert!(document.pointer(place).is_some(), "{reference} leads nowhere");
    }
}

#[test]
fn a_schema_has_a_name_of_its_own() {
    let mut schemas = Schemas::new();
    for operation in super::super::operations() {
        schemas.described(&operation);
    }
    for generator in [&schemas.read, &schemas.written] {
        let names = generator.definitions().keys();
        let again: Vec<_> = names.filter(|name| name.ends_with(|last: char| last.is_ascii_digit())).collect();
        assert!(again.is_empty(), "other types have these names, too: {again:?}");
    }
    let read = schemas.read.definitions();
    let written = schemas.written.definitions();
    for (name, schema) in read.iter().filter(|(name, _)| written.contains_key(*name)) {
        assert_eq!(Some(schema), written.get(name), "{name} is read otherwise than it is written");
    }
}

#[test]
fn what_may_be_left_out_may_be_null() {
    let mut schema = json!({
        "properties": {
            "a": { "type": "string" }, "b": { "type": "string", "enum": ["x"] }, "c": { "$ref": "#/d" }, "d": {},
            "e": { "type": ["integer", "null"], "default": 1 },
        },
        "required": ["a"],
    });
    leave_out(&mut schema);
    let expected = json!({
        "a": { "type": "string" }, "b": { "type": ["string", "null"], "enum": ["x", null] },
        "c": { "anyOf": [{ "$ref": "#/d" }, { "type": "null" }] }, "d": {}, "e": { "type": ["integer", "null"] },
    });
    assert_eq!(schema["properties"], expected);
}
