//! What becomes of a request whose answer does not come: its time is up, or its handler panicked.
//!
//! Both end as refusals like any other, so that the request leaves its line, is counted, and is told.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use http_body_util::BodyExt;
use hyper::body::{Body, Bytes, Frame, SizeHint};
use latchkey_oauth::refusal::Refusal;
use pin_project_lite::pin_project;
use tokio::time::timeout;

use super::answer::{Answered, Outcome};
use crate::app::App;
use crate::metrics::Metrics;

#[cfg(test)]
mod tests;

/// Gives each request the same time (`server.request_timeout`), and survives panics.
#[derive(Debug, Clone)]
pub struct Guard {
    limit: Duration,
    metrics: Arc<Metrics>,
}

impl Guard {
    /// The guard of `app`'s requests.
    pub fn of(app: &App) -> Self {
        Self { limit: app.config.server.request_timeout.as_std(), metrics: Arc::clone(&app.metrics) }
    }

    /// What `answer` comes to. Where its time is up, the request's body is to blame if somebody waits for
    /// more of it ([`Refusal::BodyTooSlow`]), else the server ([`Refusal::TookTooLong`]).
    pub async fn run<F: Future>(&self, arrival: &Arrival, answer: F) -> Result<F::Output, Refusal> {
        // Pinned here, so that the body is not put away before it was asked for.
        let mut answer = pin!(Caught { answer });
        match timeout(self.limit, answer.as_mut()).await {
            Ok(Some(answer)) => Ok(answer),
            Ok(None) => {
                self.metrics.panicked();
                Err(Refusal::Defect)
            }
            Err(_) if arrival.awaited.load(Relaxed) => Err(Refusal::BodyTooSlow),
            Err(_) => Err(Refusal::TookTooLong),
        }
    }

    /// `routes` under this guard.
    pub fn around(self, routes: Router) -> Router {
        routes.layer(from_fn_with_state(self, through))
    }
}

/// Whether a body behind a router is late is not watched; it is the server's lateness there.
async fn through(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    guard.run(&Arrival::default(), next.run(request)).await.unwrap_or_else(|refusal| {
        let Answered { response, outcome } = Answered::new(Err(refusal), Outcome::default());
        let mut response = response.map(|body| axum::body::Body::new(body.map_err(|never| match never {})));
        response.extensions_mut().insert(outcome);
        response
    })
}

/// Whether somebody waits for more of a request's body.
#[derive(Debug, Default)]
pub struct Arrival {
    awaited: AtomicBool,
}

impl Arrival {
    /// `body`, watched.
    pub const fn of<B>(&self, body: B) -> Watched<'_, B> {
        Watched { body, arrival: self }
    }
}

/// A body that tells whether somebody waits for more of it.
#[derive(Debug)]
pub struct Watched<'a, B> {
    body: B,
    arrival: &'a Arrival,
}

impl<B: Body<Data = Bytes> + Unpin> Body for Watched<'_, B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        self.arrival.awaited.store(frame.is_pending(), Relaxed);
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B> Drop for Watched<'_, B> {
    /// Nobody waits for a body that was put away.
    fn drop(&mut self) {
        self.arrival.awaited.store(false, Relaxed);
    }
}

pin_project! {
    /// What a future comes to; nothing where it panics. It must not be polled again then.
    struct Caught<F> {
        #[pin]
        answer: F,
    }
}

impl<F: Future> Future for Caught<F> {
    type Output = Option<F::Output>;

    /// What handlers share is behind locks that hold whole values, or in the store, which undoes a unit that
    /// does not end: so what a panic leaves behind is sound. Its message may quote a request and is dropped
    /// unseen; the log has where it happened ([`crate::log`]).
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = self.project().answer;
        match catch_unwind(AssertUnwindSafe(|| answer.poll(context))) {
            Ok(answer) => answer.map(Some),
            Err(_message) => Poll::Ready(None),
        }
    }
}
