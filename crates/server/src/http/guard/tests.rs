//! Who used the time up, and panics. The clock is tokio's, paused: it goes on by itself where all tasks wait.

use std::convert::Infallible;
use std::future::pending;

use axum::routing::get;
use http_body_util::Full;
use tower::ServiceExt;

use super::*;
use crate::metrics::Readings;
use crate::request_summary::{Lines, Summaries, SummaryLayer};

fn guard() -> Guard {
    Guard { limit: Duration::from_secs(5), metrics: Arc::default() }
}

/// A panic that no compiler foresees.
fn fail(message: &str) {
    assert!(std::env::args().count() == 0, "{message}");
}

/// The beginning of a body whose rest never comes.
#[derive(Debug)]
struct Stalled(Option<Bytes>);

impl Body for Stalled {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.0.take() {
            Some(bytes) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            None => Poll::Pending,
        }
    }
}

fn stalled() -> Stalled {
    Stalled(Some(Bytes::from_static(b"abc")))
}

async fn reads_all(body: impl Body<Data = Bytes>) -> usize {
    body.collect().await.map_or(0, |body| body.to_bytes().len())
}

#[tokio::test(start_paused = true)]
async fn a_slow_body_is_the_clients_and_a_slow_handler_the_servers() {
    let (guard, arrival) = (guard(), Arrival::default());
    let whole = arrival.of(Full::new(Bytes::from_static(b"abc")));
    assert_eq!(guard.run(&arrival, reads_all(whole)).await, Ok(3));
    let answer = guard.run(&arrival, reads_all(arrival.of(stalled()))).await;
    assert_eq!(answer, Err(Refusal::BodyTooSlow));
    let hangs = async {
        reads_all(arrival.of(Full::new(Bytes::from_static(b"abc")))).await;
        pending::<()>().await;
    };
    assert_eq!(guard.run(&arrival, hangs).await, Err(Refusal::TookTooLong), "the body was there");
    let gives_up = async {
        let read = timeout(Duration::from_secs(1), reads_all(arrival.of(stalled()))).await;
        assert!(read.is_err(), "the rest does not come");
        pending::<()>().await;
    };
    assert_eq!(guard.run(&arrival, gives_up).await, Err(Refusal::TookTooLong), "the body was put away");
}

#[tokio::test]
async fn a_panic_is_caught_and_counted_at_once_and_after_a_wait() {
    let guard = guard();
    let later = async {
        tokio::task::yield_now().await;
        fail("later");
    };
    assert_eq!(guard.run(&Arrival::default(), async { fail("at once") }).await, Err(Refusal::Defect));
    assert_eq!(guard.run(&Arrival::default(), later).await, Err(Refusal::Defect));
    assert_eq!(guard.run(&Arrival::default(), async { 7 }).await, Ok(7));
    let text = guard.metrics.render(&Readings::default());
    assert!(text.contains("latchkey_http_handler_panics_total 2\n"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn what_a_route_does_not_answer_itself_is_counted_and_says_nothing_of_why() {
    let guard = guard();
    let summaries = Summaries::new(Arc::clone(&guard.metrics), Lines::Omit);
    let metrics = Arc::clone(&guard.metrics);
    let routes = Router::new()
        .route("/defect", get(async || fail("with password hunter2")))
        .route("/stuck", get(pending::<()>))
        .route("/fine", get(async || "fine"));
    let routes = guard.around(routes).layer(SummaryLayer(summaries));
    for (path, status, error) in
        [("/defect", 500, "server_error"), ("/stuck", 503, "temporarily_unavailable"), ("/fine", 200, "")]
    {
        let request = Request::get(path).body(axum::body::Body::empty()).unwrap();
        let (parts, body) = routes.clone().oneshot(request).await.unwrap().into_parts();
        let body = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        assert_eq!(parts.status, status, "{path}");
        assert!(body.contains(error) && !body.contains("hunter2"), "{path}: {body}");
        let counted = format!("latchkey_http_requests_total{{route=\"{path}\",status=\"{status}\"}} 1\n");
        assert!(
            metrics.render(&Readings::default()).contains(&counted),
            "{}",
            metrics.render(&Readings::default())
        );
    }
}
