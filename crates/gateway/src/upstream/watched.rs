//! The body of a call that the HTTP/2 library sends, and whom to blame when it does not get there.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use latchkey_catalog::upstream::Timeouts;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use crate::answer::{Fault, RequestFault};
use crate::forwarded::trailers::TrailerRule;

/// A caller's body, whose way is watched. One without bytes has no way.
#[derive(Debug)]
pub(super) struct Watched {
    body: Option<Incoming>,
    way: Option<Arc<Way>>,
    trailers: Option<TrailerRule>,
}

/// How far a body has come.
#[derive(Debug, Default)]
pub(super) struct Way {
    stage: Mutex<Stage>,
    ended: Notify,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Stage {
    parts: u64,
    /// Whether the next part is the caller's to send. Otherwise the upstream does not take what is there.
    waits_for_caller: bool,
    end: Option<End>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Whole,
    Broken(RequestFault),
}

impl Watched {
    /// The body of a call.
    pub(super) fn new(body: Incoming, trailers: TrailerRule) -> Self {
        let way = (!body.is_end_stream()).then(Arc::<Way>::default);
        Self { body: Some(body), way, trailers: Some(trailers) }
    }

    /// No body.
    pub(super) const fn nothing() -> Self {
        Self { body: None, way: None, trailers: None }
    }

    /// The body itself.
    pub(super) fn into_inner(self) -> Option<Incoming> {
        self.body
    }

    /// Its way, where there is anything to send.
    pub(super) fn way(&self) -> Option<Arc<Way>> {
        self.way.clone()
    }
}

impl Way {
    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self, end: End) {
        self.stage().end = Some(end);
        self.ended.notify_one();
    }

    /// What the caller did wrong, if that is why it did not come to its end.
    pub(super) fn broken(&self) -> Option<Fault> {
        match self.stage().end {
            Some(End::Broken(fault)) => Some(Fault::Request(fault)),
            Some(End::Whole) | None => None,
        }
    }

    /// Waits until somebody has kept the call waiting for too long, and says who: the caller, of whom the
    /// next part does not come (408), or the upstream, which does not take it or does not answer (504).
    /// While parts come, a standstill is noticed after one to two idle times.
    pub(super) async fn overdue(&self, timeouts: Timeouts) -> Fault {
        let millis = |millis: u32| Duration::from_millis(u64::from(millis));
        loop {
            let seen = *self.stage();
            if seen.end.is_some() {
                sleep(millis(timeouts.answer)).await;
                return Fault::UpstreamTimeout;
            }
            let ended = timeout(millis(timeouts.idle), self.ended.notified()).await.is_ok();
            let now = *self.stage();
            if !ended && now.parts == seen.parts && now.end.is_none() {
                let slow_caller = Fault::Request(RequestFault::TooSlow);
                return if now.waits_for_caller { slow_caller } else { Fault::UpstreamTimeout };
            }
        }
    }
}

impl Body for Watched {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Self { body: Some(body), way, trailers } = &mut *self else { return Poll::Ready(None) };
        let polled = Pin::new(&mut *body).poll_frame(context);
        if let Some(way) = way {
            way.stage().waits_for_caller = polled.is_pending();
            match &polled {
                Poll::Pending => {}
                Poll::Ready(Some(Ok(_))) => {
                    way.stage().parts += 1;
                    if body.is_end_stream() {
                        way.end(End::Whole);
                    }
                }
                Poll::Ready(Some(Err(error))) => {
                    // A connection that ended, or chunks that are none.
                    let is_short = error.is_incomplete_message() || error.is_closed();
                    let fault = if is_short { RequestFault::BodyIncomplete } else { RequestFault::Framing };
                    way.end(End::Broken(fault));
                }
                Poll::Ready(None) => way.end(End::Whole),
            }
        }
        polled.map_ok(|frame| match frame.into_trailers() {
            Ok(found) => {
                Frame::trailers(trailers.as_ref().map(|rule| rule.filter(found)).unwrap_or_default())
            }
            Err(frame) => frame,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Incoming::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Incoming::size_hint)
    }
}
