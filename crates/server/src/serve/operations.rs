//! The operations listener: health and metrics, over plain HTTP, for machines on the inside.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use http::StatusCode;

use crate::app::App;
use crate::http::answer::{Whole, text};
use crate::http::guard::Guard;

/// How long the store may take to answer `/readyz`.
const PATIENCE: Duration = Duration::from_secs(2);

/// `/livez`, `/readyz` and `/metrics`.
pub(super) fn router(app: Arc<App>) -> Router {
    let guard = Guard::of(&app);
    let routes = Router::new()
        .route("/livez", get(async || plain(StatusCode::OK, "alive\n".to_owned())))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(app);
    guard.around(routes)
}

/// Whether the store takes writes. Liveness never asks it: a server without its store is not helped by a
/// restart.
async fn ready(State(app): State<Arc<App>>) -> Whole {
    match tokio::time::timeout(PATIENCE, app.store.probe()).await {
        Ok(Ok(())) => plain(StatusCode::OK, "ready\n".to_owned()),
        Ok(Err(error)) => {
            tracing::warn!(problem = %error, "not ready");
            plain(StatusCode::SERVICE_UNAVAILABLE, "the store is unavailable\n".to_owned())
        }
        Err(_) => plain(StatusCode::SERVICE_UNAVAILABLE, "the store does not answer in time\n".to_owned()),
    }
}

async fn metrics(State(app): State<Arc<App>>) -> Whole {
    let body = app.metrics.render(app.sign_in.pool.waiting(), app.store.queued());
    text(StatusCode::OK, "application/openmetrics-text; version=1.0.0; charset=utf-8", body)
}

fn plain(status: StatusCode, body: String) -> Whole {
    text(status, "text/plain; charset=utf-8", body)
}
