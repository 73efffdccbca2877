//! The REST interface, for administrators and their tools.
//!
//! Errors have WSO2's shape: a number, a message, a description, and two members that are always there and
//! empty.

mod administrator;
mod error;
mod explanation;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;

use crate::app::App;

/// The routes of the server listener below `/api`.
pub fn routes() -> Router<Arc<App>> {
    Router::new().route("/api/latchkey/v1/explanations/{id}", get(explanation::get))
}

#[cfg(test)]
mod tests;
