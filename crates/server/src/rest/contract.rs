//! What operations take and answer, said beside them: the `OpenAPI` document is made of it.
//!
//! Bodies are described by the types that they are read into and written from. A handler that reads a body or a
//! parameter, or comes to an answer, of which its operation says nothing fails where debug assertions are on.

use std::any::TypeId;

use http::StatusCode;
use http::header::LOCATION;
use http_body::Body;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::operation::{Access, Operation};
use crate::http::answer::Whole;

/// How a type is described.
pub(crate) type Shape = fn(&mut SchemaGenerator) -> Schema;

/// What an operation says of itself.
#[derive(Debug, Clone, Default)]
pub(crate) struct Contract {
    /// The body that it reads.
    pub(crate) takes: Option<Taken>,
    /// The parameters of the query that it reads.
    pub(crate) asks: Vec<Parameter>,
    /// What it answers when it is done; nothing said: 200 without a body.
    pub(crate) answers: Vec<Told>,
}

/// A body that is read.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Taken {
    /// JSON of this type.
    Json { shape: Shape, type_id: TypeId, presence: Presence },
    /// A form in several parts.
    Form(&'static [Part]),
}

/// Whether something has to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    /// It has to.
    Required,
    /// It may be left out.
    Optional,
}

/// A part of a form.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Part {
    /// A text.
    Text(&'static str),
    /// A file.
    File(&'static str),
}

/// A parameter of the query.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parameter {
    /// Its name.
    pub(crate) name: &'static str,
    /// Whether a request without it is refused.
    pub(crate) presence: Presence,
    kind: Kind,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Text,
    Number { least: i64, most: i64 },
    OneOf(&'static [&'static str]),
}

/// An answer of an operation that is done.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told {
    /// The status.
    pub(crate) status: StatusCode,
    /// The body, which is JSON in the media type of the interface; none: it is empty.
    pub(crate) body: Option<Shape>,
    /// Whether it names the place of what was made.
    pub(crate) is_located: bool,
}

impl Parameter {
    /// A text.
    pub(crate) const fn text(name: &'static str) -> Self {
        Self { name, presence: Presence::Optional, kind: Kind::Text }
    }

    /// A number.
    pub(crate) const fn number(name: &'static str, (least, most): (i64, i64)) -> Self {
        Self { name, presence: Presence::Optional, kind: Kind::Number { least, most } }
    }

    /// One of these words.
    pub(crate) const fn one_of(name: &'static str, words: &'static [&'static str]) -> Self {
        Self { name, presence: Presence::Optional, kind: Kind::OneOf(words) }
    }

    /// The same parameter, without which a request is refused.
    #[must_use]
    pub(crate) const fn required(self) -> Self {
        Self { presence: Presence::Required, ..self }
    }

    /// What its values are, as the document says it.
    pub(crate) fn schema(&self) -> Value {
        match self.kind {
            Kind::Text if self.presence == Presence::Required => json!({ "type": "string", "minLength": 1 }),
            Kind::Text => json!({ "type": "string" }),
            Kind::Number { least, most } => json!({ "type": "integer", "minimum": least, "maximum": most }),
            Kind::OneOf(words) => json!({ "type": "string", "enum": words }),
        }
    }
}

impl Part {
    /// Its name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Text(name) | Self::File(name) => name,
        }
    }

    /// The form of these parts, as the document says it.
    pub(crate) fn schema(parts: &[Self]) -> Value {
        let member = |part: &Self| {
            let schema = match part {
                Self::Text(_) => json!({ "type": "string" }),
                Self::File(_) => json!({ "type": "string", "contentMediaType": "application/octet-stream" }),
            };
            (part.name().to_owned(), schema)
        };
        json!({ "type": "object", "properties": parts.iter().map(member).collect::<Map<_, _>>() })
    }
}

impl Taken {
    /// Whether lists and objects stand in `body` where they are read: a reader would take a list for the members of an
    /// object in their order.
    pub(crate) fn lets_in(self, body: &Value) -> bool {
        let Self::Json { shape, .. } = self else { return true };
        let mut generator = SchemaGenerator::default();
        let schema = shape(&mut generator).to_value();
        lets_in(&schema, generator.definitions(), body)
    }
}

/// Whether lists and objects stand in `value` where `schema` has them; the rest is the reader's matter.
fn lets_in(schema: &Value, named: &Map<String, Value>, value: &Value) -> bool {
    if let Some(name) = schema["$ref"].as_str().and_then(|place| place.rsplit('/').next()) {
        return named.get(name).is_none_or(|schema| lets_in(schema, named, value));
    }
    if let Some(several) = schema["anyOf"].as_array() {
        return several.iter().any(|schema| lets_in(schema, named, value));
    }
    let is_of = |kind: &str| match &schema["type"] {
        Value::Null => true,
        Value::Array(kinds) => kinds.iter().any(|one| one == kind),
        one @ (Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_)) => one == kind,
    };
    match value {
        Value::Array(entries) => {
            is_of("array") && entries.iter().all(|entry| lets_in(&schema["items"], named, entry))
        }
        Value::Object(members) => {
            let member =
                |name: &String| schema["properties"].get(name).unwrap_or(&schema["additionalProperties"]);
            is_of("object") && members.iter().all(|(name, value)| lets_in(member(name), named, value))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    }
}

/// What the operation says of itself.
impl Operation {
    /// It reads a JSON body that is a `T`.
    #[must_use]
    pub(crate) fn takes<T: JsonSchema + 'static>(self) -> Self {
        self.taking::<T>(Presence::Required)
    }

    /// It reads a JSON body that is a `T`, where there is one.
    #[must_use]
    pub(crate) fn may_take<T: JsonSchema + 'static>(self) -> Self {
        self.taking::<T>(Presence::Optional)
    }

    fn taking<T: JsonSchema + 'static>(mut self, presence: Presence) -> Self {
        let shape: Shape = SchemaGenerator::subschema_for::<T>;
        self.contract.takes = Some(Taken::Json { shape, type_id: TypeId::of::<T>(), presence });
        self
    }

    /// It reads a form of these parts (`multipart/form-data`).
    #[must_use]
    pub(crate) fn takes_form(mut self, parts: &'static [Part]) -> Self {
        self.contract.takes = Some(Taken::Form(parts));
        self
    }

    /// It reads these parameters of the query, too.
    #[must_use]
    pub(crate) fn asks(mut self, parameters: &[Parameter]) -> Self {
        self.contract.asks.extend_from_slice(parameters);
        self
    }

    /// It answers 200 with a `T`.
    #[must_use]
    pub(crate) fn answers<T: JsonSchema>(self) -> Self {
        self.answers_as::<T>(StatusCode::OK)
    }

    /// It answers `status` with a `T`.
    #[must_use]
    pub(crate) fn answers_as<T: JsonSchema>(self, status: StatusCode) -> Self {
        self.telling(Told { status, body: Some(SchemaGenerator::subschema_for::<T>), is_located: false })
    }

    /// It answers 201 with a `T`, and says where that lies.
    #[must_use]
    pub(crate) fn creates<T: JsonSchema>(self) -> Self {
        let body: Option<Shape> = Some(SchemaGenerator::subschema_for::<T>);
        self.telling(Told { status: StatusCode::CREATED, body, is_located: true })
    }

    /// It answers `status` without a body.
    #[must_use]
    pub(crate) fn answers_only(self, status: StatusCode) -> Self {
        self.telling(Told { status, body: None, is_located: false })
    }

    fn telling(mut self, told: Told) -> Self {
        self.contract.answers.push(told);
        self
    }

    /// What it answers when it is done.
    pub(crate) fn told(&self) -> Vec<Told> {
        if self.contract.answers.is_empty() {
            return vec![Told { status: StatusCode::OK, body: None, is_located: false }];
        }
        self.contract.answers.clone()
    }

    /// The statuses with which it may be refused.
    pub(crate) fn refusals(&self) -> Vec<StatusCode> {
        use StatusCode as S;
        let mut refusals = vec![
            S::BAD_REQUEST,
            S::UNAUTHORIZED,
            S::NOT_FOUND,
            S::NOT_ACCEPTABLE,
            S::TOO_MANY_REQUESTS,
            S::SERVICE_UNAVAILABLE,
        ];
        if self.access != Access::Anyone {
            refusals.push(S::FORBIDDEN);
        }
        if !self.method.is_safe() {
            refusals.extend([S::REQUEST_TIMEOUT, S::CONFLICT, S::PAYLOAD_TOO_LARGE]);
        }
        if self.contract.takes.is_some() {
            refusals.push(S::UNSUPPORTED_MEDIA_TYPE);
        }
        refusals.sort();
        refusals
    }

    /// Whether it says that it reads a JSON body of type `T`; whoever reads any JSON reads whatever is said.
    pub(crate) fn reads<T: 'static>(&self) -> bool {
        let any = [TypeId::of::<Value>(), TypeId::of::<Map<String, Value>>()].contains(&TypeId::of::<T>());
        let is_said = |type_id| any || type_id == TypeId::of::<T>();
        matches!(self.contract.takes, Some(Taken::Json { type_id, .. }) if is_said(type_id))
    }

    /// Whether it says that it reads the parameter `name`.
    pub(crate) fn reads_parameter(&self, name: &str) -> bool {
        self.contract.asks.iter().any(|parameter| parameter.name == name)
    }

    /// Whether it says that it comes to `answer`.
    pub(crate) fn comes_to(&self, answer: &Whole) -> bool {
        self.told().iter().any(|told| {
            told.status == answer.status()
                && told.body.is_some() != (answer.body().size_hint().exact() == Some(0))
                && told.is_located == answer.headers().contains_key(LOCATION)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "it is only described")]
    struct Whole {
        part: Option<Part>,
        parts: Vec<Part>,
        named: BTreeMap<String, Part>,
        any: Value,
    }

    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "it is only described")]
    struct Part {
        text: String,
    }

    #[test]
    fn a_list_is_no_object() {
        let shape: Shape = SchemaGenerator::subschema_for::<Whole>;
        let taken = Taken::Json { shape, type_id: TypeId::of::<Whole>(), presence: Presence::Required };
        for good in [
            json!({}),
            json!({ "part": { "text": "x" }, "unknown": [] }),
            json!({ "part": null, "parts": [{ "text": "x" }, {}], "any": [[]] }),
            json!({ "named": { "a": {} } }),
            json!("the reader says what is wrong with it"),
        ] {
            assert!(taken.lets_in(&good), "{good}");
        }
        for bad in [
            json!([]),
            json!({ "part": ["x"] }),
            json!({ "parts": [["x"]] }),
            json!({ "parts": { "text": "x" } }),
            json!({ "named": [] }),
            json!({ "named": { "a": ["x"] } }),
        ] {
            assert!(!taken.lets_in(&bad), "{bad}");
        }
    }
}
