//! How what was done is told.

use http::StatusCode;

use latchkey_oauth::clock::Timestamp;

use crate::http::answer::{Whole, text};

/// 200 with nothing to say.
pub(crate) fn done() -> Whole {
    text(StatusCode::OK, "application/json", "")
}

/// A moment as Identity Server's interfaces and the developer portal tell it: milliseconds since 1970, as text.
pub(crate) fn millis(at: Timestamp) -> String {
    at.as_millis().to_string()
}
