//! Every route behind the [front](super::front), in one list.

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use http::StatusCode;

use super::answer::{Whole, text};
use super::guard::Guard;
use latchkey_gateway::node::assertions::ASSERTIONS;
use latchkey_gateway::node::explanations::EXPLANATIONS;
use latchkey_gateway::node::limits::LIMITS;
use latchkey_gateway::node::records::RECORDS;
use latchkey_gateway::node::wire::{FEED, LOOKUP, SNAPSHOT};

use crate::app::App;
use crate::endpoint::discovery;
use crate::endpoint::node::{self, NodeDesk};
use crate::request_summary::{Summaries, SummaryLayer};
use crate::rest;

/// The routes of the server listener.
pub fn server(app: Arc<App>, summaries: Summaries) -> Router {
    let guard = Guard::of(&app);
    let routes = Router::new()
        .route("/.well-known/openid-configuration", get(discovery::get))
        .route("/.well-known/oauth-authorization-server", get(discovery::get))
        .route("/.well-known/oauth-authorization-server/oauth2/token", get(discovery::get))
        .route("/oauth2/token/.well-known/openid-configuration", get(discovery::get))
        .merge(rest::routes())
        .merge(nodes(Arc::clone(&app)))
        .fallback(async || not_found())
        .with_state(app);
    guard.around(routes).layer(SummaryLayer(summaries))
}

/// What gateway nodes ask.
fn nodes(app: Arc<App>) -> Router<Arc<App>> {
    Router::new()
        .route(LIMITS, post(node::limits))
        .route(ASSERTIONS, post(node::assertion))
        .route(EXPLANATIONS, post(node::explanation))
        .route(RECORDS, post(node::records))
        .route(FEED, post(node::feed))
        .route(LOOKUP, post(node::lookup))
        .route(SNAPSHOT, get(node::snapshot))
        .with_state(Arc::new(NodeDesk::new(app)))
}

fn not_found() -> Whole {
    let body = r#"{"error":"not_found","error_description":"There is nothing at this address."}"#;
    text(StatusCode::NOT_FOUND, "application/json", body)
}
