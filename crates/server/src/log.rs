//! Logs: to standard error, one line an event, one line a request, never a credential.
//!
//! A request's line says method, route, status, time, client address, grant, client and what was refused in
//! the server's own words. It never says the URL's query, a header or a body.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

use crate::app::App;
use crate::config::{Log, LogFormat, LogLevel};
use crate::http::answer::Outcome;
use crate::network::Peer;

/// The routes by which requests are counted; anything else is one of "other".
const ROUTES: [&str; 9] = [
    "/oauth2/token",
    "/oauth2/revoke",
    "/oauth2/introspect",
    "/oauth2/userinfo",
    "/oauth2/jwks",
    "/.well-known/openid-configuration",
    "/.well-known/oauth-authorization-server",
    "/.well-known/oauth-authorization-server/oauth2/token",
    "/oauth2/token/.well-known/openid-configuration",
];

/// Begins to log as configured; once in a process.
pub fn start(settings: &Log) -> Result<(), TryInitError> {
    let level = match settings.level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let lines = fmt::layer().with_writer(std::io::stderr);
    let registry = tracing_subscriber::registry().with(level);
    match settings.format {
        LogFormat::Json => registry.with(lines.json().flatten_event(true)).try_init(),
        LogFormat::Text => registry.with(lines.with_ansi(false)).try_init(),
    }
}

/// Counts every request, and leaves its line where that is configured.
pub async fn requests(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = request.method().clone();
    let matched = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let route = ROUTES.into_iter().find(|route| Some(*route) == matched).unwrap_or("other");
    let peer = request.extensions().get::<Peer>().copied();
    let mut response = next.run(request).await;
    let took = started.elapsed();
    let status = response.status().as_u16();
    app.metrics.request(route, status, took);
    let outcome = response.extensions_mut().remove::<Outcome>().unwrap_or_default();
    if app.config.log.requests {
        tracing::info!(
            method = %method,
            route,
            status,
            duration_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            client_address = peer.map(|peer| tracing::field::display(peer.client)),
            grant_type = outcome.grant_type,
            client_id = outcome.client_id,
            error = outcome.error,
            cause = outcome.cause,
            "request"
        );
    }
    response
}
