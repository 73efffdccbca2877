//! How what was done is told.

use http::header::LOCATION;
use http::{HeaderValue, StatusCode};
use latchkey_oauth::clock::Timestamp;
use serde::Serialize;

use super::call::Call;
use crate::http::answer::{Whole, json, text};

/// 201 with the new entry, and where it lies: `place` is relative to the base of the interface.
pub(crate) fn created(call: &Call, place: &str, value: &impl Serialize) -> Whole {
    let mut response = json(value);
    *response.status_mut() = StatusCode::CREATED;
    if let Ok(location) = HeaderValue::from_str(&format!("{}{}{place}", call.app.base, call.base)) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

/// 200 with nothing to say.
pub(crate) fn done() -> Whole {
    text(StatusCode::OK, "application/json", "")
}

/// A moment as Identity Server's interfaces and the developer portal tell it: milliseconds since 1970, as text.
pub(crate) fn millis(at: Timestamp) -> String {
    at.as_millis().to_string()
}
