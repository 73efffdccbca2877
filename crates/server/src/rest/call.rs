//! One request of the REST interface, as its operation sees it.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;

use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, Uri};
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use zeroize::Zeroizing;

use super::error::{Fault, RestError};
use super::operation::Operation;
use super::surface::Surface;
use crate::app::App;
use crate::network::Peer;

/// The organization of this installation, as WSO2 calls the one that is always there.
pub(crate) const ORGANIZATION: &str = "carbon.super";
/// The longest query, in bytes.
const MAX_QUERY: usize = 4096;

/// A request whose sender is known and may send it.
#[derive(Debug)]
pub(crate) struct Call {
    /// What was asked for.
    pub(crate) operation: Arc<Operation>,
    /// The server.
    pub(crate) app: Arc<App>,
    /// The address that was asked for, relative to the base of the interface.
    pub(crate) relative: String,
    /// That base.
    pub(crate) base: &'static str,
    /// The interface that was asked.
    pub(crate) surface: Surface,
    /// Who sent it.
    pub(crate) peer: Peer,
    /// The headers.
    pub(crate) headers: HeaderMap,
    /// What stands in the places of the path.
    pub(crate) path: BTreeMap<String, String>,
    /// The query; the first of several values of a name.
    pub(crate) query: BTreeMap<String, String>,
    /// The body.
    pub(crate) body: Zeroizing<Vec<u8>>,
}

impl Call {
    /// What stands in the path at `{name}`; nothing where that is no `T`, for which there is then no entry.
    pub(crate) fn at<T: FromStr>(&self, name: &str) -> Option<T> {
        self.path.get(name)?.parse().ok()
    }

    /// The parameter `name` of the query; an empty one is none.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        debug_assert!(self.operation.reads_parameter(name), "{:?} says nothing of {name}", self.operation);
        self.query.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The body as JSON. Members that nobody knows are ignored, as WSO2 does. The error names a place, never the
    /// text, which may hold a secret.
    pub(crate) fn json<T: DeserializeOwned + 'static>(&self) -> Result<T, RestError> {
        debug_assert!(self.operation.reads::<T>(), "{:?} says nothing of its body", self.operation);
        if !self.headers.get(CONTENT_TYPE).is_some_and(|value| is_json(value.as_bytes())) {
            return Err(RestError::of(Fault::UnsupportedMediaType));
        }
        self.check_lists()?;
        serde_json::from_slice(&self.body).map_err(|error| {
            let place = format!("line {}, column {}", error.line(), error.column());
            RestError::bad(match error.classify() {
                Category::Data => {
                    format!("A member of the body is missing or of another type, at {place}.")
                }
                Category::Io | Category::Syntax | Category::Eof => {
                    format!("The body is no JSON, at {place}.")
                }
            })
        })
    }
}

impl Call {
    /// Refuses a list where an object is read.
    fn check_lists(&self) -> Result<(), RestError> {
        if !self.body.contains(&b'[') {
            return Ok(());
        }
        let Some(taken) = self.operation.contract.takes else { return Ok(()) };
        match serde_json::from_slice(&self.body) {
            Ok(body) if !taken.lets_in(&body) => Err(RestError::bad(
                "A list stands in the body where there is none, or something else where one is.",
            )),
            // What is no JSON is for the reader to say.
            Ok(_) | Err(_) => Ok(()),
        }
    }
}

/// The query of `uri`, decoded.
pub(crate) fn query(uri: &Uri) -> Result<BTreeMap<String, String>, RestError> {
    let text = uri.query().unwrap_or_default();
    if text.len() > MAX_QUERY {
        return Err(RestError::bad("The query is too long."));
    }
    let mut query = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(text.as_bytes()) {
        query.entry(name.into_owned()).or_insert_with(|| value.into_owned());
    }
    Ok(query)
}

/// Whether who sent `headers` takes JSON (RFC 9110 section 12.5.1).
pub(crate) fn takes_json(headers: &HeaderMap) -> bool {
    let mut ranges = headers
        .get_all(ACCEPT)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .peekable();
    ranges.peek().is_none()
        || ranges.any(|range| {
            let mut parts = range.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
            let range = parts.next().unwrap_or_default();
            let is_refused = parts.any(|part| matches!(part, b"q=0" | b"q=0.0" | b"q=0.00" | b"q=0.000"));
            !is_refused && (range == b"*/*" || range.eq_ignore_ascii_case(b"application/*") || is_json(range))
        })
}

/// Whether a media type is JSON, or JSON of some kind (RFC 6839 section 3.1).
fn is_json(value: &[u8]) -> bool {
    let essence = value.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    let essence = essence.to_ascii_lowercase();
    essence == b"application/json" || essence.starts_with(b"application/") && essence.ends_with(b"+json")
}
