//! The body of a call on its way to the upstream, and whom to blame when it does not get there.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{BufMut, BytesMut};
use http::{HeaderMap, HeaderName};
use http_body::Body;
use hyper::body::Incoming;

use super::line::Line;
use super::outgoing::Lines;
use crate::answer::RequestFault;
use crate::forwarded::Sink;

/// How a body is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    /// There is none.
    Nothing,
    /// So many bytes.
    Length(u64),
    /// In chunks: how many bytes will come is not known.
    Chunks,
}

/// A caller's body.
#[derive(Debug)]
pub(super) struct Upload {
    body: Incoming,
    pub(super) sent: Sent,
    pub(super) stage: Stage,
    /// How many parts came; a standstill is one where this stays as it is.
    pub(super) parts: u64,
    /// The trailers that the upstream was told to expect.
    announced: Vec<HeaderName>,
    trailers: HeaderMap,
}

/// How far a body has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Nothing was sent, nothing was taken from the caller.
    Untouched,
    /// The upstream does not take what is there.
    WaitsForUpstream,
    /// The next part is the caller's to send.
    WaitsForCaller,
    /// All of it was handed on.
    Whole,
}

/// Why a body did not come to its end.
#[derive(Debug)]
pub(super) enum Broken {
    /// The caller did something wrong.
    ByCaller(RequestFault),
    /// The upstream takes nothing more.
    ByUpstream,
}

impl Upload {
    /// The body of a call that announces these trailers.
    pub(super) fn new(body: Incoming, announced: Vec<HeaderName>) -> Self {
        let sent = if body.is_end_stream() {
            Sent::Nothing
        } else {
            body.size_hint().exact().map_or(Sent::Chunks, Sent::Length)
        };
        Self { body, sent, stage: Stage::Untouched, parts: 0, announced, trailers: HeaderMap::new() }
    }

    /// The body, which goes to nobody any more.
    pub(super) fn into_body(self) -> Incoming {
        self.body
    }

    /// The body, where all of it is still there.
    pub(super) fn untouched(self) -> Option<Incoming> {
        (self.sent == Sent::Nothing || self.stage == Stage::Untouched).then_some(self.body)
    }

    /// Sends what waits in `line`, and then as much of the body as there is and as the upstream takes. What of
    /// the body is here at once goes with the head: a body that is broken from its beginning is never
    /// announced, and a small one costs no packet of its own.
    pub(super) fn poll_send(
        &mut self,
        line: &mut Line,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), Broken>> {
        if self.stage == Stage::Untouched {
            let _ = self.poll_part(line, context)?;
        }
        loop {
            if self.stage != Stage::Whole {
                self.stage = Stage::WaitsForUpstream;
            }
            ready!(line.poll_flush(context)).map_err(|_| Broken::ByUpstream)?;
            if self.stage == Stage::Whole {
                return Poll::Ready(Ok(()));
            }
            ready!(self.poll_part(line, context))?;
        }
    }

    /// Takes the next part of the body.
    fn poll_part(&mut self, line: &mut Line, context: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        if self.sent == Sent::Nothing {
            self.stage = Stage::Whole;
            return Poll::Ready(Ok(()));
        }
        self.stage = Stage::WaitsForCaller;
        let part = ready!(Pin::new(&mut self.body).poll_frame(context));
        self.parts += 1;
        match part {
            Some(Ok(frame)) => {
                match frame.into_data() {
                    Ok(bytes) => self.put(&bytes, &mut line.outgoing),
                    Err(frame) => self.trailers = frame.into_trailers().unwrap_or_default(),
                }
                Poll::Ready(Ok(()))
            }
            Some(Err(error)) => Poll::Ready(Err(Broken::ByCaller(blame(&error)))),
            None => {
                self.end(&mut line.outgoing);
                Poll::Ready(Ok(()))
            }
        }
    }

    fn put(&mut self, bytes: &[u8], out: &mut BytesMut) {
        if bytes.is_empty() {
            // A chunk of no size would be the end.
            return;
        }
        if self.sent == Sent::Chunks {
            let size = format!("{:x}\r\n", bytes.len());
            out.put_slice(size.as_bytes());
            out.put_slice(bytes);
            out.put_slice(b"\r\n");
        } else {
            out.put_slice(bytes);
        }
        if self.body.is_end_stream() {
            self.end(out);
        }
    }

    fn end(&mut self, out: &mut BytesMut) {
        if self.sent == Sent::Chunks {
            out.put_slice(b"0\r\n");
            // Others end here: nobody was told to expect them.
            for (name, value) in self.trailers.iter().filter(|(name, _)| self.announced.contains(name)) {
                Lines(out).header(name, value.as_bytes());
            }
            out.put_slice(b"\r\n");
        }
        self.stage = Stage::Whole;
    }
}

/// A connection that ended, or chunks that are none.
fn blame(error: &hyper::Error) -> RequestFault {
    let is_short = error.is_incomplete_message() || error.is_closed();
    if is_short { RequestFault::BodyIncomplete } else { RequestFault::Framing }
}
