//! What is not declared is found.

use super::*;

fn document() -> Document {
    let schema = json!({
        "type": "object", "required": ["name"], "properties": { "name": { "type": "string" } },
    });
    let content = json!({ "application/json": { "schema": { "$ref": "#/components/schemas/Thing" } } });
    let get = json!({
        "tags": ["things"],
        "responses": {
            "200": { "content": content.clone() },
            "404": { "$ref": "#/components/responses/NotFound" },
        },
    });
    let post = json!({
        "tags": ["things"],
        "requestBody": { "content": content.clone() },
        "responses": { "201": { "headers": { "Location": { "required": true } } } },
    });
    Document::read(json!({
        "tags": [{ "name": "things", "x-bases": ["/v2", "/v1"] }],
        "paths": {
            "/v2/things/{id}": { "get": get.clone() },
            "/v2/things/first": { "get": { "tags": ["things"], "responses": { "204": {} } } },
            "/v2/things": { "post": post },
        },
        "components": {
            "responses": { "NotFound": { "content": content } },
            "schemas": { "Thing": schema },
        },
    }))
}

fn reply(status: u16, headers: &[(&str, &str)], body: &str) -> Reply {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Reply { status, headers, body: body.as_bytes().to_vec() }
}

#[test]
fn answers_are_declared_ones() {
    let document = document();
    let json = &[("content-type", "application/json; charset=utf-8")][..];
    let cases = [
        ("/v2/things/1", reply(200, json, r#"{"name":"x"}"#), true),
        ("/v1/things/1?a=b", reply(200, json, r#"{"name":"x","more":1}"#), true),
        ("/v1/things/1", reply(200, json, r#"{"name":1}"#), false),
        ("/v1/things/1", reply(200, json, "{}"), false),
        ("/v1/things/1", reply(200, json, "no JSON"), false),
        ("/v1/things/1", reply(200, &[("content-type", "text/html")], r#"{"name":"x"}"#), false),
        ("/v1/things/1", reply(404, json, r#"{"name":"x"}"#), true),
        ("/v1/things/1", reply(404, json, "[]"), false),
        ("/v1/things/1", reply(400, json, r#"{"name":"x"}"#), false),
        ("/v1/things/first", reply(204, &[], ""), true),
        ("/v1/things/first", reply(204, &[], "more"), false),
        ("/v1/things/", reply(500, &[], ""), true),
        ("/v3/things/1", reply(500, &[], ""), true),
    ];
    for (target, reply, is_declared) in cases {
        let found = document.check(&Request::new("GET", target), &reply);
        assert_eq!(found.is_ok(), is_declared, "{target} {reply:?}: {found:?}");
    }
}

#[test]
fn what_was_taken_is_declared() {
    let document = document();
    let located = &[("location", "/v1/things/1")][..];
    let cases = [
        ("application/json", r#"{"name":"x"}"#, located, 201, true),
        ("application/merge+json", r#"{"name":"x"}"#, located, 201, true),
        ("application/json", r#"{"name":7}"#, located, 201, false),
        ("application/xml", "<x/>", located, 201, false),
        ("application/json", r#"{"name":"x"}"#, &[], 201, false),
        ("application/json", r#"{"name":"x"}"#, located, 200, false),
    ];
    for (kind, body, headers, status, is_declared) in cases {
        let request = Request::new("POST", "/v1/things").header("Content-Type", kind).body(body.as_bytes());
        let found = document.check(&request, &reply(status, headers, ""));
        assert_eq!(found.is_ok(), is_declared, "{kind} {body} {status}: {found:?}");
    }
}

#[test]
fn the_checked_in_document_is_read() {
    let document = Document::checked_in();
    let request = Request::new("GET", "/api/am/store/v1/applications");
    assert!(document.check(&request, &reply(500, &[], "")).is_err());
    for route in &document.routes {
        let operation = document.whole.pointer(&route.pointer).and_then(Value::as_object);
        for status in operation.and_then(|found| found["responses"].as_object()).into_iter().flatten() {
            let place = format!("{}/responses/{}/content/application~1json/schema", route.pointer, status.0);
            if document.whole.pointer(&place).is_some() {
                document.validator(&place).unwrap();
            }
        }
    }
}
