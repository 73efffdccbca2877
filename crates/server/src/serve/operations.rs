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
use crate::listener::Seats;
use crate::log::LostLines;
use crate::metrics::Readings;

#[cfg(test)]
mod tests;

/// How long the store may take to answer `/readyz`.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is looked at when an operator asks.
#[derive(Debug)]
pub(super) struct Watched {
    /// The server.
    pub(super) app: Arc<App>,
    /// The connections of each listener, by its name.
    pub(super) listeners: Vec<(&'static str, Arc<Seats>)>,
    /// Log lines that were lost.
    pub(super) lost_lines: LostLines,
}

/// `/livez`, `/readyz` and `/metrics`.
pub(super) fn router(watched: Watched) -> Router {
    let guard = Guard::of(&watched.app);
    let routes = Router::new()
        .route("/livez", get(async || plain(StatusCode::OK, "alive\n".to_owned())))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(Arc::new(watched));
    guard.around(routes)
}

/// Whether the store takes writes. Liveness never asks it: a server without its store is not helped by a
/// restart.
async fn ready(State(watched): State<Arc<Watched>>) -> Whole {
    match tokio::time::timeout(PATIENCE, watched.app.store.probe()).await {
        Ok(Ok(())) => plain(StatusCode::OK, "ready\n".to_owned()),
        Ok(Err(error)) => {
            tracing::warn!(problem = %error, "not ready");
            plain(StatusCode::SERVICE_UNAVAILABLE, "the store is unavailable\n".to_owned())
        }
        Err(_) => plain(StatusCode::SERVICE_UNAVAILABLE, "the store does not answer in time\n".to_owned()),
    }
}

async fn metrics(State(watched): State<Arc<Watched>>) -> Whole {
    let app = &watched.app;
    let readings = Readings {
        passwords_waiting: app.sign_in.pool.waiting(),
        store_queued: app.store.queued(),
        store_cache: app.store.cache_use(),
        limits: app.kept_by_gateway.counters.in_use(),
        log_lines_lost: watched.lost_lines.count(),
        records_dropped: app.recorder.dropped(),
        listeners: watched.listeners.iter().map(|(name, seats)| (*name, seats.in_use())).collect(),
        upstreams: app.kept_by_gateway.fleet.readings(),
        open_streams: app.kept_by_gateway.streams.count(),
    };
    let body = app.metrics.render(&readings);
    text(StatusCode::OK, "application/openmetrics-text; version=1.0.0; charset=utf-8", body)
}

fn plain(status: StatusCode, body: String) -> Whole {
    text(status, "text/plain; charset=utf-8", body)
}
