//! The document as a tree whose places are known.

use serde_json::Value;

use super::{ImportError, MAX_DOCUMENT, Note};

/// The most levels. The parsers have bounds of their own, so that a deep document cannot exhaust the stack.
const MAX_DEPTH: usize = 64;

/// Parses JSON, or YAML where the text does not begin with a brace.
///
/// The YAML parser stops while it reads: at 64 levels, at 250,000 nodes with its aliases expanded, at a key
/// that stands twice. A parser that reads the whole text before it counts levels takes hours for four
/// megabytes of opening brackets.
pub(super) fn read(text: &str) -> Result<Value, ImportError> {
    let whole = |problem: String| ImportError { place: "#".to_owned(), problem };
    if text.len() > MAX_DOCUMENT {
        return Err(whole(format!("has {} bytes; at most {MAX_DOCUMENT} are read", text.len())));
    }
    let text = text.trim_start_matches('\u{feff}');
    let value: Value = if text.trim_start().starts_with('{') {
        serde_json::from_str(text).map_err(|problem| whole(format!("is not JSON: {problem}")))?
    } else {
        let options = serde_saphyr::options! { with_snippet: false, strict_booleans: true };
        let parsed = serde_saphyr::from_str_with_options(text, options);
        parsed.map_err(|problem| whole(format!("is not YAML: {problem}")))?
    };
    if !is_shallow(&value, MAX_DEPTH) {
        return Err(whole(format!("has more than {MAX_DEPTH} levels")));
    }
    if !value.is_object() {
        return Err(whole("must be an object with openapi, info and paths".to_owned()));
    }
    Ok(value)
}

fn is_shallow(value: &Value, levels: usize) -> bool {
    match value {
        Value::Object(members) => levels > 0 && members.values().all(|value| is_shallow(value, levels - 1)),
        Value::Array(items) => levels > 0 && items.iter().all(|value| is_shallow(value, levels - 1)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    }
}

/// A value and its place.
#[derive(Debug, Clone)]
pub(super) struct Node<'a> {
    value: &'a Value,
    place: String,
}

impl<'a> Node<'a> {
    pub(super) fn root(value: &'a Value) -> Self {
        Self { value, place: "#".to_owned() }
    }

    fn at(&self, name: &str, value: &'a Value) -> Self {
        let name = name.replace('~', "~0").replace('/', "~1");
        Self { value, place: format!("{}/{name}", self.place) }
    }

    /// A member, where it is there and not null.
    pub(super) fn get(&self, name: &str) -> Option<Self> {
        let value = self.value.get(name).filter(|value| !value.is_null())?;
        Some(self.at(name, value))
    }

    pub(super) fn need(&self, name: &str) -> Result<Self, ImportError> {
        self.get(name).ok_or_else(|| self.error(&format!("has no {name}")))
    }

    /// The members of an object, in the order of their names.
    pub(super) fn members(&self) -> Result<Vec<(String, Self)>, ImportError> {
        let members = self.value.as_object().ok_or_else(|| self.error("must be an object"))?;
        Ok(members.iter().map(|(name, value)| (name.clone(), self.at(name, value))).collect())
    }

    pub(super) fn items(&self) -> Result<Vec<Self>, ImportError> {
        let items = self.value.as_array().ok_or_else(|| self.error("must be a list"))?;
        Ok(items.iter().enumerate().map(|(place, value)| self.at(&place.to_string(), value)).collect())
    }

    pub(super) fn text(&self) -> Result<&'a str, ImportError> {
        let hint = "must be a text; in YAML, put quotes around numbers";
        self.value.as_str().ok_or_else(|| self.error(hint))
    }

    pub(super) fn flag(&self) -> Result<bool, ImportError> {
        self.value.as_bool().ok_or_else(|| self.error("must be true or false"))
    }

    /// The items of a list of texts.
    pub(super) fn texts(&self) -> Result<Vec<&'a str>, ImportError> {
        self.items()?.iter().map(Node::text).collect()
    }

    /// The text, if the value is one.
    pub(super) fn as_text(&self) -> Option<&'a str> {
        self.value.as_str()
    }

    pub(super) fn error(&self, problem: &str) -> ImportError {
        ImportError { place: self.place.clone(), problem: problem.to_owned() }
    }

    pub(super) fn note(&self, text: &str) -> Note {
        Note { place: self.place.clone(), text: text.to_owned() }
    }
}
