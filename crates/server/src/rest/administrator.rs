//! Who may use the REST interface: administrators, by HTTP Basic, as WSO2 lets them.

use http::HeaderMap;
use latchkey_oauth::client_authentication::Basic;

use super::error::RestError;
use crate::app::App;
use crate::http::request::authorization;
use crate::network::Peer;
use crate::sign_in::{Attempt, verify_basic};

/// Refuses whoever is no administrator: 401 without accepted credentials, 403 for other users.
pub(super) async fn require(app: &App, headers: &HeaderMap, peer: Peer) -> Result<(), RestError> {
    let value = authorization(headers).map_err(|_| RestError::unauthenticated())?;
    let basic = value.and_then(Basic::parse).transpose().ok().flatten();
    let basic = basic.ok_or_else(RestError::unauthenticated)?;
    match verify_basic(app, &basic, &Attempt::of(peer, "")).await? {
        Some(user) if user.user.is_administrator() => Ok(()),
        Some(_) => Err(RestError::forbidden()),
        None => Err(RestError::unauthenticated()),
    }
}
