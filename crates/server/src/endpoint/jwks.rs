//! `GET /oauth2/jwks` (RFC 7517 section 5).

use crate::app::App;
use crate::http::answer::{Whole, public_json};

/// Answers the public signing keys: the one in use, the one to come, and retired ones.
pub fn answer(app: &App) -> Whole {
    public_json(app.keys().signing.published())
}
