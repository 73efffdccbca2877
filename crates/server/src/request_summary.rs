//! One line and one count for each request, when it has been answered.
//!
//! The line never holds the query, a body or a header: credentials travel in those. What an endpoint knows
//! and may be told, it says as an [`Outcome`].

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use axum::response::Response;
use http::{Method, Request, StatusCode};
use latchkey_gateway::record::Phase;
use pin_project_lite::pin_project;
use tower::{Layer, Service};

use crate::http::answer::Outcome;
use crate::metrics::{Metrics, Recent, Route};
use crate::network::Peer;

#[cfg(test)]
mod tests;

/// Whether requests leave a line (`log.requests`). They are counted anyway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lines {
    /// One each.
    Write,
    /// None.
    Omit,
}

/// Where requests are counted and leave their lines.
#[derive(Debug, Clone)]
pub struct Summaries {
    metrics: Arc<Metrics>,
    lines: Lines,
    recent: Recent,
}

impl Summaries {
    /// Counts in `metrics`.
    pub fn new(metrics: Arc<Metrics>, lines: Lines) -> Self {
        Self { metrics, lines, recent: Recent::default() }
    }

    /// Notes a request that has been answered, with the status and after the time that stand there.
    pub fn request(&self, facts: Facts, (status, took): (StatusCode, Duration), outcome: Option<&Outcome>) {
        if self.lines == Lines::Write {
            line(&facts, status, outcome, took);
        }
        match &facts.route {
            Route::Api(api) => self.recent.count(&self.metrics, api, (status.as_u16(), took)),
            Route::Endpoint(_) | Route::Pattern(_) | Route::Unmatched => {
                self.metrics.request(facts.route, status.as_u16(), took);
            }
        }
    }
}

/// Wraps the routes of a router (`Router::layer`), so that it sees which of them matched. A handler may
/// put an [`Outcome`] into its response.
#[derive(Debug, Clone)]
pub struct SummaryLayer(pub Summaries);

impl<S> Layer<S> for SummaryLayer {
    type Service = Summarized<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Summarized { inner, summaries: self.0.clone() }
    }
}

/// A service whose answers are summarized.
#[derive(Debug, Clone)]
pub struct Summarized<S> {
    inner: S,
    summaries: Summaries,
}

impl<S, B> Service<Request<B>> for Summarized<S>
where
    S: Service<Request<B>, Response = Response>,
{
    type Response = Response;
    type Error = S::Error;
    type Future = Summarizing<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let facts = Facts {
            route: Route::of(request.extensions()),
            method: request.method().clone(),
            client: request.extensions().get().map(|peer: &Peer| peer.client),
        };
        let arrived = Some((Instant::now(), facts));
        Summarizing { inner: self.inner.call(request), summaries: self.summaries.clone(), arrived }
    }
}

/// What is remembered of a request until it is answered.
#[derive(Debug)]
pub struct Facts {
    /// What answers it.
    pub route: Route,
    /// Its method.
    pub method: Method,
    /// Who sent it.
    pub client: Option<IpAddr>,
}

pin_project! {
    /// An answer on its way.
    #[derive(Debug)]
    pub struct Summarizing<F> {
        #[pin]
        inner: F,
        summaries: Summaries,
        arrived: Option<(Instant, Facts)>,
    }
}

impl<F, E> Future for Summarizing<F>
where
    F: Future<Output = Result<Response, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let answer = ready!(this.inner.poll(context));
        if let (Some((begun, facts)), Ok(response)) = (this.arrived.take(), &answer) {
            let answered = (response.status(), begun.elapsed());
            this.summaries.request(facts, answered, response.extensions().get());
        }
        Poll::Ready(answer)
    }
}

/// Answers that are the server's fault are errors; all others are information, a client's mistakes too.
fn line(facts: &Facts, status: StatusCode, outcome: Option<&Outcome>, took: Duration) {
    let call = outcome.map(|outcome| outcome.call).unwrap_or_default();
    macro_rules! summary {
        ($level:ident) => {
            tracing::$level!(
                target: "latchkey::request",
                method = facts.method.as_str(),
                route = facts.route.as_str(),
                status = status.as_u16(),
                duration_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
                client_address = facts.client.map(tracing::field::display),
                grant_type = outcome.and_then(|outcome| outcome.grant_type),
                client_id = outcome.and_then(|outcome| outcome.client_id.as_deref()),
                api_key = outcome.and_then(|outcome| outcome.api_key.as_deref()),
                error = outcome.and_then(|outcome| outcome.error),
                application = call.application.map(tracing::field::display),
                phase = call.phase.map(Phase::as_str),
                explanation = call.explanation.map(tracing::field::display),
                upstream_us = call.upstream.map(|took| u64::try_from(took.as_micros()).unwrap_or(u64::MAX)),
                cause = outcome.and_then(|outcome| outcome.cause.as_deref()),
                "request"
            )
        };
    }
    if status.is_server_error() { summary!(error) } else { summary!(info) }
}
