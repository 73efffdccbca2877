//! The body of an upstream's answer on its way to the caller, as long as the call may be made.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::sleep;

use crate::stream::opened::{Ended, Withdrawn};
use crate::upstream::dispatch::{Answered, Failed};
use crate::upstream::fleet::Pending;
use crate::upstream::retry::Reached;
use crate::upstream::upgrade::Tunnel;
use crate::upstream::{BrokenOff, Streamed, http2};

/// How many parts go through at most without a look whether they may, where they come without a pause.
const LOOK_EVERY: u32 = 64;

/// An upload that says to have no more bytes is an ordinary call.
const ORDINARY_LENGTH: u64 = 64 * 1024;
/// How long an upload takes at least before its call is judged again.
const ORDINARY_UPLOAD: Duration = Duration::from_millis(500);

/// An answer that is passed on. Where its call may be made no longer before its end, it breaks off: the caller's
/// connection ends without the answer's end, or in HTTP/2 the stream is reset.
pub struct Passed {
    body: From,
    /// Asked only when there is time: an answer that is there at once never looks.
    ended: Option<Ended>,
    parts: u32,
    pending: Option<Pending>,
}

impl std::fmt::Debug for Passed {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Passed").field("body", &self.body).finish_non_exhaustive()
    }
}

/// What an answer comes over.
#[derive(Debug)]
enum From {
    Http1(Streamed),
    Http2(Box<http2::Streamed>),
}

impl From {
    fn poll_frame(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        match self {
            Self::Http1(body) => Pin::new(body).poll_frame(context),
            Self::Http2(body) => Pin::new(body).poll_frame(context),
        }
    }
}

/// Why an answer ended before its end.
#[derive(Debug, thiserror::Error)]
pub enum Cut {
    /// The upstream broke off.
    #[error(transparent)]
    Upstream(BrokenOff),
    /// The call may not be made any more.
    #[error("the answer is cut: {}", .0.as_str())]
    Withdrawn(Withdrawn),
}

/// Whether a body may take so long that its call is judged again meanwhile.
pub fn is_long(body: &Incoming) -> bool {
    !body.is_end_stream() && body.size_hint().exact().is_none_or(|length| length > ORDINARY_LENGTH)
}

/// Waits for the answer to a call that is still uploading, unless that may not go on before it comes.
pub async fn unless_ended<T>(
    sent: impl Future<Output = Result<T, Failed>>,
    ended: Ended,
) -> Result<T, Failed> {
    let late = async {
        sleep(ORDINARY_UPLOAD).await;
        ended.await
    };
    tokio::select! {
        biased;
        answer = sent => answer,
        Withdrawn { fault, cause } = late => Err(Failed { cause, ..Failed::new(fault, Reached::Answer) }),
    }
}

impl Passed {
    /// An answer that counts at its address until it ends, and is cut when `ended` says so; that is not asked
    /// before the answer makes its first pause. What is no answer but a tunnel is given
    /// back.
    pub fn new(
        body: Answered,
        pending: Option<Pending>,
        ended: impl FnOnce() -> Ended,
    ) -> Result<Self, (Box<Tunnel>, Option<Pending>)> {
        let body = match body {
            Answered::Http1(body) => From::Http1(body),
            Answered::Http2(body) => From::Http2(body),
            Answered::Tunnel(tunnel) => return Err((tunnel, pending)),
        };
        let mut passed = Self { body, ended: None, parts: 0, pending };
        if !passed.is_here() {
            passed.ended = Some(ended());
        }
        Ok(passed)
    }

    /// Whether all of it has come, so that nothing can be cut.
    fn is_here(&self) -> bool {
        match &self.body {
            From::Http1(body) => body.is_here(),
            From::Http2(body) => body.is_end_stream(),
        }
    }

    /// Whether the call may not be made any more.
    fn is_cut(&mut self, context: &mut Context<'_>) -> Option<Withdrawn> {
        match self.ended.as_mut()?.as_mut().poll(context) {
            Poll::Ready(why) => Some(why),
            Poll::Pending => None,
        }
    }

    fn cut(&mut self, why: Withdrawn) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        tracing::info!(cause = why.as_str(), "an answer under way is cut");
        self.finish();
        Poll::Ready(Some(Err(Cut::Withdrawn(why))))
    }

    fn finish(&mut self) {
        (self.ended, self.pending) = (None, None);
    }
}

impl Body for Passed {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let polled = self.body.poll_frame(context);
        self.parts = self.parts.wrapping_add(1);
        let has_paused = polled.is_pending() || self.parts.is_multiple_of(LOOK_EVERY);
        if has_paused && let Some(why) = self.is_cut(context) {
            return self.cut(why);
        }
        match polled {
            Poll::Ready(Some(Ok(frame))) => Poll::Ready(Some(Ok(frame))),
            Poll::Ready(end) => {
                self.finish();
                Poll::Ready(end.map(|broken| broken.map_err(Cut::Upstream)))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.body {
            From::Http1(body) => body.is_end_stream(),
            From::Http2(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.body {
            From::Http1(body) => body.size_hint(),
            From::Http2(body) => body.size_hint(),
        }
    }
}
