//! One call over one connection, up to the head of the answer.

use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BytesMut;
use http::StatusCode;
use latchkey_catalog::upstream::Timeouts;
use tokio::time::Instant;

use super::answer_head::{self, AnswerHead, Asked};
use super::line::Line;
use super::upload::{Broken, Sent, Stage, Upload};
use crate::answer::{Fault, RequestFault};

/// The most answers of the kind "wait" (1xx) before the one that is passed on.
const MAX_INTERIM: usize = 1000;

/// A call under way.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) line: Box<Line>,
    pub(super) upload: Upload,
    asked: Asked,
    timeouts: Timeouts,
    deadline: Instant,
    parts: u64,
    interim: usize,
    /// The upstream takes nothing more; what it said before may still be read.
    is_deaf: bool,
}

/// Why no answer came.
#[derive(Debug)]
pub(super) struct Failure {
    /// What the caller is told.
    pub(super) fault: Fault,
    /// Where the upstream ended the connection before it answered anything.
    pub(super) again: Option<Again>,
}

/// What another try needs.
#[derive(Debug)]
pub(super) struct Again {
    pub(super) upload: Upload,
    /// What was to be sent, where nothing of it was. Otherwise the upstream may have got the call, which then
    /// must not be sent twice unless it is idempotent.
    pub(super) unsent: Option<BytesMut>,
}

impl Exchange {
    /// A call whose head waits in `line`.
    pub(super) fn new(
        line: Box<Line>,
        upload: Upload,
        asked: Asked,
        (timeouts, begun): (Timeouts, Instant),
    ) -> Self {
        let patience = if upload.sent == Sent::Nothing { timeouts.answer } else { timeouts.idle };
        let deadline = begun + millis(patience);
        Self { line, upload, asked, timeouts, deadline, parts: 0, interim: 0, is_deaf: false }
    }

    /// Sends the call and reads the head of the answer. An answer that comes before all of the body was
    /// sent counts.
    pub(super) async fn head(mut self) -> Result<(AnswerHead, Self), Failure> {
        match std::future::poll_fn(|context| self.poll_head(context)).await {
            Ok(head) => Ok((head, self)),
            Err(Stop::Fault(fault)) => Err(Failure { fault, again: None }),
            Err(Stop::Closed) => Err(self.closed()),
        }
    }

    fn poll_head(&mut self, context: &mut Context<'_>) -> Poll<Result<AnswerHead, Stop>> {
        if !self.is_deaf
            && let Poll::Ready(Err(broken)) = self.upload.poll_send(&mut self.line, context)
        {
            match broken {
                Broken::ByCaller(fault) => return Poll::Ready(Err(Stop::Fault(Fault::Request(fault)))),
                // What it said before it ended may explain why.
                Broken::ByUpstream => self.is_deaf = true,
            }
        }
        loop {
            match answer_head::take(&mut self.line.incoming, self.asked) {
                Err(_) => return Poll::Ready(Err(Stop::Fault(Fault::UpstreamProtocol))),
                Ok(Some(head)) if is_interim(head.status) && self.interim < MAX_INTERIM => {
                    self.interim += 1;
                    continue;
                }
                Ok(Some(head)) if is_interim(head.status) => {
                    return Poll::Ready(Err(Stop::Fault(Fault::UpstreamProtocol)));
                }
                Ok(Some(head)) => return Poll::Ready(Ok(head)),
                Ok(None) => {}
            }
            match self.line.poll_fill(context) {
                Poll::Ready(Ok(1..)) => {}
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(Err(Stop::Closed)),
                Poll::Pending => break,
            }
        }
        self.poll_overdue(context).map(|fault| Err(Stop::Fault(fault)))
    }

    /// Waits until somebody has kept the call waiting for too long, and says who: the caller, of whom the
    /// next part does not come (408), or the upstream, which does not take it or does not answer (504).
    fn poll_overdue(&mut self, context: &mut Context<'_>) -> Poll<Fault> {
        let is_whole = self.upload.stage == Stage::Whole;
        if self.upload.parts != self.parts {
            self.parts = self.upload.parts;
            let patience = if is_whole { self.timeouts.answer } else { self.timeouts.idle };
            self.deadline = Instant::now() + millis(patience);
        }
        let is_callers = self.upload.stage == Stage::WaitsForCaller;
        self.line
            .poll_due(context, self.deadline)
            .map(|()| if is_callers { Fault::Request(RequestFault::TooSlow) } else { Fault::UpstreamTimeout })
    }

    /// The upstream ended the connection before it answered.
    fn closed(self) -> Failure {
        let said_nothing = self.interim == 0 && self.line.incoming.is_empty();
        let unsent = (!self.line.has_sent).then_some(self.line.outgoing);
        let again = said_nothing.then_some(Again { upload: self.upload, unsent });
        Failure { fault: Fault::UpstreamClosed, again }
    }
}

enum Stop {
    Fault(Fault),
    Closed,
}

fn is_interim(status: StatusCode) -> bool {
    status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS
}

pub(super) const fn millis(millis: u32) -> Duration {
    Duration::from_millis(millis as u64)
}
