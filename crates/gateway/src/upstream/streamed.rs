//! The body of an upstream's answer, passed on as it comes.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Instant;

use super::Place;
use super::answer_head::{After, Ends, NoAnswer};
use super::chunks::{Chunks, Part};
use super::exchange::Exchange;
use super::line::Line;
use super::upload::{Stage, Upload};

/// The body of an answer. At its end the connection goes back; when it is dropped before, the connection is
/// closed, since the rest may still be on its way.
#[derive(Debug)]
pub struct Streamed(State);

#[derive(Debug)]
enum State {
    /// All of it is here; the connection was given back.
    Whole(Bytes),
    Flowing(Box<Flow>),
    Ended,
}

/// Where a connection goes after the answer.
#[derive(Debug)]
pub(super) struct Home(pub(super) Arc<Place>);

#[derive(Debug)]
struct Flow {
    line: Box<Line>,
    left: Left,
    home: Option<Home>,
    /// The caller may still be sending when the upstream has answered.
    upload: Option<Upload>,
    idle: Duration,
    deadline: Instant,
    /// Told at the next look, so that what came before it is sent on first: a connection that ends with an
    /// error takes with it what waits to be sent.
    broken: Option<BrokenOff>,
}

#[derive(Debug)]
enum Left {
    Bytes(u64),
    Chunks(Chunks),
    UntilClose,
}

/// Why the body of an answer ended before its end. The caller's connection ends with it, which shows that
/// something is missing.
#[derive(Debug, thiserror::Error)]
pub enum BrokenOff {
    /// The upstream broke off.
    #[error("the upstream broke off its answer")]
    Upstream(#[from] io::Error),
    /// What came are no chunks.
    #[error("the upstream's chunks cannot be read")]
    Chunks,
    /// The upstream fell silent.
    #[error("the upstream fell silent in the middle of its answer")]
    Silent,
}

impl From<NoAnswer> for BrokenOff {
    fn from(_: NoAnswer) -> Self {
        Self::Chunks
    }
}

impl Streamed {
    /// The body that follows a head over the connection of `exchange`.
    pub(super) fn new(ends: Ends, after: After, exchange: Exchange, home: Home, idle: Duration) -> Self {
        let Exchange { mut line, upload, .. } = exchange;
        let home = (after == After::Kept).then_some(home);
        let is_sent = upload.stage == Stage::Whole;
        if let (Ends::Length(length), true) = (ends, is_sent)
            && let Ok(length) = usize::try_from(length)
            && line.incoming.len() >= length
        {
            let body = line.incoming.split_to(length).freeze();
            give_back(home, line);
            return Self(if body.is_empty() { State::Ended } else { State::Whole(body) });
        }
        let left = match ends {
            Ends::Length(length) => Left::Bytes(length),
            Ends::Chunks => Left::Chunks(Chunks::new()),
            Ends::Close => Left::UntilClose,
        };
        let upload = (!is_sent).then_some(upload);
        let flow = Flow { line, left, home, upload, idle, deadline: Instant::now() + idle, broken: None };
        if matches!(flow.left, Left::Bytes(0)) {
            flow.finish();
            return Self(State::Ended);
        }
        Self(State::Flowing(Box::new(flow)))
    }

    /// Whether nothing of it is still to come over the connection.
    pub(crate) const fn is_here(&self) -> bool {
        matches!(self.0, State::Whole(_) | State::Ended)
    }
}

/// Gives a connection back, unless something came after the answer: the next call would take it for its own.
fn give_back(home: Option<Home>, line: Box<Line>) {
    if let Some(home) = home
        && line.incoming.is_empty()
    {
        home.0.give_back(line);
    }
}

impl Flow {
    fn poll_part(&mut self, context: &mut Context<'_>) -> Poll<Result<Part, BrokenOff>> {
        if let Some(broken) = self.broken.take() {
            return Poll::Ready(Err(broken));
        }
        let polled = self.poll_more(context);
        if let Poll::Ready(Err(broken)) = polled {
            self.broken = Some(broken);
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        polled
    }

    fn poll_more(&mut self, context: &mut Context<'_>) -> Poll<Result<Part, BrokenOff>> {
        self.go_on_sending(context);
        loop {
            match self.take()? {
                Part::Missing => {}
                part @ (Part::Data(_) | Part::Trailers(_) | Part::End) => {
                    self.deadline = Instant::now() + self.idle;
                    return Poll::Ready(Ok(part));
                }
            }
            match self.line.poll_fill(context) {
                Poll::Ready(Ok(0)) if matches!(self.left, Left::UntilClose) => {
                    return Poll::Ready(Ok(Part::End));
                }
                Poll::Ready(Ok(0)) => {
                    return Poll::Ready(Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()));
                }
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error.into())),
                Poll::Pending => break,
            }
        }
        self.line.poll_due(context, self.deadline).map(|()| Err(BrokenOff::Silent))
    }

    /// What of the body is here.
    fn take(&mut self) -> Result<Part, NoAnswer> {
        let incoming = &mut self.line.incoming;
        match &mut self.left {
            Left::Chunks(chunks) => chunks.take(incoming),
            Left::Bytes(0) => Ok(Part::End),
            Left::Bytes(_) | Left::UntilClose if incoming.is_empty() => Ok(Part::Missing),
            Left::UntilClose => Ok(Part::Data(incoming.split().freeze())),
            Left::Bytes(left) => {
                let taken = usize::try_from(*left).map_or(incoming.len(), |left| left.min(incoming.len()));
                *left -= taken as u64;
                Ok(Part::Data(incoming.split_to(taken).freeze()))
            }
        }
    }

    fn go_on_sending(&mut self, context: &mut Context<'_>) {
        let Some(upload) = &mut self.upload else { return };
        match upload.poll_send(&mut self.line, context) {
            Poll::Pending => {}
            Poll::Ready(Ok(())) => self.upload = None,
            // The answer may still come to its end; nobody else may use the connection.
            Poll::Ready(Err(_)) => (self.upload, self.home) = (None, None),
        }
    }

    fn is_done(&self) -> bool {
        match &self.left {
            Left::Bytes(left) => *left == 0,
            Left::Chunks(chunks) => chunks.is_done(),
            Left::UntilClose => false,
        }
    }

    /// Gives the connection back, unless the caller is still sending to an upstream that has answered:
    /// nobody else may wait behind that.
    fn finish(self) {
        if self.upload.is_none() {
            give_back(self.home, self.line);
        }
    }
}

impl Body for Streamed {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        let polled = match &mut self.0 {
            State::Ended => return Poll::Ready(None),
            State::Whole(bytes) => Poll::Ready(Ok(Part::Data(std::mem::take(bytes)))),
            State::Flowing(flow) => flow.poll_part(context),
        };
        let Poll::Ready(part) = polled else { return Poll::Pending };
        let is_over = match &self.0 {
            State::Flowing(flow) => !matches!(part, Ok(Part::Data(_))) || flow.is_done(),
            State::Whole(_) | State::Ended => true,
        };
        if is_over
            && let State::Flowing(flow) = std::mem::replace(&mut self.0, State::Ended)
            && part.is_ok()
        {
            flow.finish();
        }
        Poll::Ready(match part {
            Ok(Part::Data(bytes)) => Some(Ok(Frame::data(bytes))),
            Ok(Part::Trailers(trailers)) => Some(Ok(Frame::trailers(trailers))),
            Ok(Part::End | Part::Missing) => None,
            Err(error) => Some(Err(error)),
        })
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.0, State::Ended)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            State::Ended => SizeHint::with_exact(0),
            State::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            State::Flowing(flow) => match flow.left {
                Left::Bytes(left) => SizeHint::with_exact(left),
                Left::Chunks(_) | Left::UntilClose => SizeHint::new(),
            },
        }
    }
}
