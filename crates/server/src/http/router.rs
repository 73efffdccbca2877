//! Every route, in one list.

use std::sync::Arc;

use axum::Router;
use axum::response::Response;
use axum::routing::{get, post};
use http::StatusCode;

use super::answer::text;
use crate::app::App;
use crate::endpoint::{discovery, introspect, jwks, revoke, token, userinfo};
use crate::request_summary::{Lines, SummaryLayer};

/// The routes of the server listener.
pub fn server(app: Arc<App>) -> Router {
    let lines = if app.config.log.requests { Lines::Write } else { Lines::Omit };
    let summaries = SummaryLayer::new(Arc::clone(&app.metrics), lines);
    Router::new()
        .route("/oauth2/token", post(token::post))
        .route("/oauth2/revoke", post(revoke::post))
        .route("/oauth2/introspect", post(introspect::post))
        .route("/oauth2/userinfo", get(userinfo::answer).post(userinfo::answer))
        .route("/oauth2/jwks", get(jwks::get))
        .route("/.well-known/openid-configuration", get(discovery::get))
        .route("/.well-known/oauth-authorization-server", get(discovery::get))
        .route("/.well-known/oauth-authorization-server/oauth2/token", get(discovery::get))
        .route("/oauth2/token/.well-known/openid-configuration", get(discovery::get))
        .fallback(async || not_found())
        .layer(summaries)
        .with_state(app)
}

fn not_found() -> Response {
    let body = r#"{"error":"not_found","error_description":"There is nothing at this address."}"#;
    text(StatusCode::NOT_FOUND, "application/json", body.into())
}
