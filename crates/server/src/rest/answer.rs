//! How what was done is told.

use http::StatusCode;

use crate::http::answer::{Whole, text};

/// 200 with nothing to say.
pub(crate) fn done() -> Whole {
    text(StatusCode::OK, "application/json", "")
}
