//! The `OpenAPI` document of the REST interfaces, held against what the server really answers.
//!
//! Every answer that a [`Client`](crate::client::Client) gets from an operation must be one that the document declares: the
//! status, the media type, the headers, the body. And a body that the server took must be one that the document lets in.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex};

use anyhow::{Context, Result, bail, ensure};
use jsonschema::Validator;
use serde_json::{Value, json};

use crate::wire::{Reply, Request};

/// The document that is checked in.
static CHECKED_IN: LazyLock<Document> = LazyLock::new(|| {
    let text = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json"));
    Document::read(serde_json::from_str(text).expect("docs/openapi.json is JSON"))
});

/// A document.
#[derive(Debug)]
pub struct Document {
    whole: Value,
    routes: Vec<Route>,
    validators: Mutex<HashMap<String, &'static Validator>>,
}

/// Where an operation is asked for.
#[derive(Debug)]
struct Route {
    method: String,
    path: Vec<String>,
    /// The operation's place in the document.
    pointer: String,
}

impl Document {
    /// The one that is checked in.
    pub fn checked_in() -> &'static Self {
        &CHECKED_IN
    }

    /// The document `whole`, with each operation at all bases of its interface.
    pub fn read(whole: Value) -> Self {
        let mut bases: HashMap<&str, Vec<&str>> = HashMap::new();
        for tag in whole["tags"].as_array().into_iter().flatten() {
            let all = tag["x-bases"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            bases.insert(tag["name"].as_str().unwrap_or_default(), all);
        }
        let mut routes = Vec::new();
        for (path, operations) in whole["paths"].as_object().into_iter().flatten() {
            for (method, operation) in operations.as_object().into_iter().flatten() {
                let pointer = format!("/paths/{}/{method}", path.replace('~', "~0").replace('/', "~1"));
                let own = bases.get(operation["tags"][0].as_str().unwrap_or_default());
                let own = own.map_or(&[][..], Vec::as_slice);
                let rest = own.first().and_then(|first| path.strip_prefix(first)).unwrap_or(path);
                for base in own {
                    let path = format!("{base}{rest}").split('/').map(str::to_owned).collect();
                    routes.push(Route { method: method.to_uppercase(), path, pointer: pointer.clone() });
                }
            }
        }
        drop(bases);
        Self { whole, routes, validators: Mutex::default() }
    }

    /// Fails unless `reply` is an answer that the document declares for `request`; other requests than those of
    /// operations are none of its matter.
    pub fn check(&self, request: &Request, reply: &Reply) -> Result<()> {
        let Some(pointer) = self.route(request) else { return Ok(()) };
        let told = || format!("docs/openapi.json, {} {}", request.method, request.target);
        self.answer(request, reply, pointer).with_context(told)?;
        if (200..300).contains(&reply.status) && !request.body.is_empty() {
            self.body(request, pointer).with_context(told)?;
        }
        Ok(())
    }

    /// The place of the operation that is asked for. Words of a path go before places.
    fn route(&self, request: &Request) -> Option<&str> {
        let path = request.target.split(['?', '#']).next().unwrap_or_default();
        let path: Vec<&str> = path.split('/').collect();
        let is_place = |part: &str| part.starts_with('{');
        let fits = |route: &&Route| {
            let mut parts = route.path.iter().zip(&path);
            route.method == request.method
                && route.path.len() == path.len()
                && parts.all(|(part, said)| part == said || is_place(part) && !said.is_empty())
        };
        let places = |route: &&Route| -> Vec<bool> { route.path.iter().map(|part| is_place(part)).collect() };
        self.routes.iter().filter(fits).min_by_key(places).map(|route| route.pointer.as_str())
    }

    fn answer(&self, request: &Request, reply: &Reply, operation: &str) -> Result<()> {
        let status = reply.status;
        let mut pointer = format!("{operation}/responses/{status}");
        let mut response =
            self.whole.pointer(&pointer).with_context(|| format!("{status} is not declared"))?;
        if let Some(place) = response["$ref"].as_str().and_then(|place| place.strip_prefix('#')) {
            place.clone_into(&mut pointer);
            response = self.whole.pointer(place).with_context(|| format!("{place} leads nowhere"))?;
        }
        for (name, header) in response["headers"].as_object().into_iter().flatten() {
            let is_needed = header["required"] == json!(true);
            let is_there = reply.header(&name.to_lowercase()).is_some();
            ensure!(!is_needed || is_there, "the answer {status} has no {name}");
        }
        if request.method == "HEAD" {
            return Ok(());
        }
        let Some(content) = response["content"].as_object() else {
            ensure!(reply.body.is_empty(), "the answer {status} has a body, of which nothing is declared");
            return Ok(());
        };
        let kind = media_type(reply.header("content-type").unwrap_or_default());
        ensure!(content.contains_key(kind), "the answer {status} is {kind:?}, which is not declared");
        let place = format!("{pointer}/content/{}/schema", kind.replace('/', "~1"));
        if kind.ends_with("json") { self.validate(&place, &reply.json()?) } else { Ok(()) }
    }

    fn body(&self, request: &Request, operation: &str) -> Result<()> {
        let place = format!("{operation}/requestBody/content");
        let Some(content) = self.whole.pointer(&place).and_then(Value::as_object) else {
            // What is not read may be anything.
            return Ok(());
        };
        let said = request.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        let kind = media_type(said.map_or("", |(_, value)| value));
        let declared = content.keys().find(|known| *known == kind || kind.ends_with("+json"));
        let Some(declared) = declared else {
            bail!("a body that is {kind:?} was taken, which is not declared")
        };
        if declared.ends_with("json") {
            let body = serde_json::from_slice(&request.body).context("a body that is no JSON was taken")?;
            let place = format!("{place}/{}/schema", declared.replace('/', "~1"));
            return self.validate(&place, &body).context("the body was taken");
        }
        Ok(())
    }

    /// Fails unless `value` is what the schema at `place` says.
    fn validate(&self, place: &str, value: &Value) -> Result<()> {
        let validator = self.validator(place)?;
        let problems: Vec<String> = validator
            .iter_errors(value)
            .map(|problem| format!("at {:?}: {problem}", problem.instance_path().to_string()))
            .collect();
        ensure!(problems.is_empty(), "{place}: {}", problems.join("; "));
        Ok(())
    }

    /// The validator of the schema at `place`, made once and kept for as long as the checks run.
    fn validator(&self, place: &str) -> Result<&'static Validator> {
        let mut validators = self.validators.lock().expect("no check panics here");
        if let Some(validator) = validators.get(place) {
            return Ok(validator);
        }
        let schema = self.whole.pointer(place).with_context(|| format!("{place} leads nowhere"))?;
        let schema = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "allOf": [schema],
            "components": self.whole["components"],
        });
        let validator = jsonschema::validator_for(&schema).map_err(|problem| anyhow::anyhow!("{problem}"))?;
        let validator: &'static Validator = Box::leak(Box::new(validator));
        validators.insert(place.to_owned(), validator);
        Ok(validator)
    }
}

/// A media type without its parameters.
fn media_type(value: &str) -> &str {
    value.split(';').next().unwrap_or_default().trim()
}

#[cfg(test)]
mod tests;
