//! `GET /api/latchkey/v1/explanations/{id}`: why the gateway refused a call.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use http::HeaderMap;

use super::administrator;
use super::error::RestError;
use crate::admin::explanation;
use crate::app::App;
use crate::http::answer::{Whole, json};
use crate::network::Peer;

/// Answers what `token explain` tells: the id is that of the header `Latchkey-Explain`.
pub(super) async fn get(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Whole, RestError> {
    administrator::require(&app, &headers, peer).await?;
    Ok(json(&explanation::find(&app, &id).await?))
}
