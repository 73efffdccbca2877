//! The metadata document under its well-known names (RFC 8414, OpenID Connect Discovery 1.0).

use std::sync::Arc;

use axum::extract::State;

use crate::app::App;
use crate::http::answer::{Whole, public_json};

/// Answers the metadata; nothing in it depends on what the request says of itself.
pub async fn get(State(app): State<Arc<App>>) -> Whole {
    public_json(&app.metadata())
}
