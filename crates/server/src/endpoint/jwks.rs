//! `GET /oauth2/jwks` (RFC 7517 section 5).

use std::sync::Arc;

use axum::extract::State;

use crate::app::App;
use crate::http::answer::{Whole, public_json};

/// Answers the public signing keys: the one in use, the one to come, and retired ones.
pub async fn get(State(app): State<Arc<App>>) -> Whole {
    public_json(app.keys().signing.published())
}
