//! Upstreams that speak HTTP/2: a few connections to each address, shared by all calls of a thread.
//!
//! Over TLS the protocol is agreed on by ALPN, in the clear both sides know it before. A server that says goodbye
//! (GOAWAY) or refuses a stream has done nothing for the calls concerned, so those go out over another connection.

use std::collections::HashMap;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{HOST, TRAILER};
use http::uri::{Authority, Parts as UriParts, PathAndQuery, Scheme as UriScheme};
use http::{Request, Response, Uri, Version};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use latchkey_catalog::upstream::{Scheme, Timeouts, UpstreamUrl};
use tokio::time::{Sleep, sleep, timeout};

use super::connect::{NoConnection, connect};
use super::dispatch::{Answered, Failed};
use super::exchange::millis;
use super::line::Stream as Wire;
use super::retry::{ATTEMPTS, Reached};
use super::watched::{Watched, Way};
use super::{BrokenOff, Outgoing, Upstreams};
use crate::answer::Fault;
use crate::explain::Cause;
use crate::forwarded::{Sink, to_caller, to_upstream, trailers};

/// The most connections of a thread to one address.
const CONNECTIONS: usize = 4;
/// The calls on one connection before another is opened: what most servers allow at once.
const STREAMS: usize = 100;
/// How long a connection is kept that no call uses.
const KEPT_FOR: Duration = Duration::from_mins(1);
/// Between two questions whether the other side is still there, and the wait for the answer.
const PING: (Duration, Duration) = (Duration::from_secs(20), Duration::from_secs(10));

/// The HTTP/2 connections of one thread.
#[derive(Debug, Default)]
pub(super) struct Multiplexed(Mutex<HashMap<UpstreamUrl, Arc<Address>>>);

#[derive(Debug, Default)]
struct Address {
    /// Held by the one call that connects for all who wait.
    connecting: tokio::sync::Mutex<()>,
    connections: Mutex<Vec<Connection>>,
}

#[derive(Debug)]
struct Connection {
    sender: SendRequest<Watched>,
    streams: Arc<AtomicUsize>,
    used: Instant,
    /// Whether the server takes no more calls over it.
    leaves: Arc<AtomicBool>,
}

/// Whether a connection was made for the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Age {
    New,
    Kept,
}

/// A call's place on a connection. It is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Stream {
    sender: SendRequest<Watched>,
    streams: Arc<AtomicUsize>,
    leaves: Arc<AtomicBool>,
    age: Age,
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Multiplexed {
    fn addresses(&self) -> MutexGuard<'_, HashMap<UpstreamUrl, Arc<Address>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes connections that nobody uses.
    pub(super) fn sweep(&self) {
        let now = Instant::now();
        self.addresses().retain(|_, address| {
            let mut connections = address.connections();
            connections.retain(|connection| {
                let is_used = connection.streams.load(Ordering::Relaxed) > 0;
                !connection.sender.is_closed() && (is_used || now.duration_since(connection.used) < KEPT_FOR)
            });
            !connections.is_empty() || Arc::strong_count(address) > 1
        });
    }
}

impl Address {
    fn connections(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place on the open connection with the fewest calls, unless it is better to open another one.
    fn place(&self) -> Option<Stream> {
        let mut connections = self.connections();
        connections.retain(|one| !one.sender.is_closed() && !one.leaves.load(Ordering::Relaxed));
        let count = connections.len();
        let least = connections.iter_mut().min_by_key(|one| one.streams.load(Ordering::Relaxed))?;
        if least.streams.load(Ordering::Relaxed) >= STREAMS && count < CONNECTIONS {
            return None;
        }
        least.used = Instant::now();
        Some(least.stream(Age::Kept))
    }

    fn add(&self, sender: SendRequest<Watched>) -> Stream {
        let (streams, leaves) = (Arc::default(), Arc::default());
        let connection = Connection { sender, streams, used: Instant::now(), leaves };
        let stream = connection.stream(Age::New);
        self.connections().push(connection);
        stream
    }
}

impl Connection {
    fn stream(&self, age: Age) -> Stream {
        self.streams.fetch_add(1, Ordering::Relaxed);
        let (streams, leaves) = (Arc::clone(&self.streams), Arc::clone(&self.leaves));
        Stream { sender: self.sender.clone(), streams, leaves, age }
    }
}

impl Upstreams {
    /// Sends a call over HTTP/2 and waits for the head of the answer.
    pub(super) async fn send_http2(
        &self,
        address: &UpstreamUrl,
        outgoing: &Outgoing<'_>,
        body: Incoming,
    ) -> Result<Response<Answered>, Failed> {
        // What is not there cannot be spent: such a call may go out again.
        let (mut spare, mut sent) =
            if body.is_end_stream() { (Some(body), None) } else { (None, Some(body)) };
        for attempt in 1.. {
            let limit = millis(outgoing.timeouts.connect);
            let placed = timeout(limit, self.stream(address, limit)).await;
            let mut stream = match placed.unwrap_or(Err((Fault::UpstreamConnectTimeout, None))) {
                Ok(stream) => stream,
                Err(no_connection) => return Err(Failed::before(no_connection, spare.or(sent))),
            };
            let body =
                sent.take().map_or_else(Watched::nothing, |body| Watched::new(body, outgoing.trailer_rule()));
            let way = body.way();
            let answer = stream.sender.try_send_request(request(address, outgoing, body)?);
            let answer = in_time(answer, way.as_deref(), outgoing.timeouts).await;
            let mut error = match answer.map_err(|fault| Failed::new(fault, Reached::Answer))? {
                Ok(answer) => return Ok(stream.answer(answer, outgoing.timeouts)),
                Err(error) => error,
            };
            sent = error.take_message().and_then(|unsent| unsent.into_body().into_inner());
            let (fault, reached) = fault_of(error.error());
            let reached = if sent.is_some() { Reached::Nobody } else { reached };
            // As over HTTP/1.1: a connection that ends under a call that does no harm is no reason to fail.
            let is_harmless =
                spare.is_some() && outgoing.method.is_idempotent() && reached == Reached::Server;
            let is_there = spare.is_some() || sent.is_some();
            let may_go_again = is_harmless || is_there && reached == Reached::Nobody;
            stream.leaves.store(!is_of_stream(error.error()), Ordering::Relaxed);
            if stream.age == Age::New || !may_go_again || attempt >= ATTEMPTS {
                let fault = way.and_then(|way| way.broken()).unwrap_or(fault);
                return Err(Failed { fault, cause: None, reached, body: spare.take().or(sent) });
            }
        }
        Err(Failed::new(Fault::UpstreamClosed, Reached::Server))
    }

    /// A place on a connection, which is made where there is none to spare.
    async fn stream(&self, address: &UpstreamUrl, limit: Duration) -> Result<Stream, NoConnection> {
        let shared = Arc::clone(self.multiplexed.addresses().entry(address.clone()).or_default());
        if let Some(stream) = shared.place() {
            return Ok(stream);
        }
        let _one_at_a_time = shared.connecting.lock().await;
        if let Some(stream) = shared.place() {
            return Ok(stream);
        }
        let wire = connect(address, limit, || self.tls_http2()).await?;
        if matches!(&wire, Wire::Tls(stream) if stream.get_ref().1.alpn_protocol() != Some(b"h2")) {
            return Err((Fault::UpstreamProtocol, Some(Cause::UpstreamNoHttp2)));
        }
        let mut builder = Builder::new(TokioExecutor::new());
        // Until the server has said how many calls it takes at once, it is asked for one.
        builder.initial_max_send_streams(1);
        builder.timer(TokioTimer::new()).keep_alive_interval(PING.0).keep_alive_timeout(PING.1);
        let shaken = builder.handshake(TokioIo::new(wire)).await;
        let (sender, connection) = shaken.map_err(|_| (Fault::UpstreamProtocol, None))?;
        // What goes wrong later the calls are told.
        tokio::spawn(connection);
        Ok(shared.add(sender))
    }
}

impl Stream {
    fn answer(self, answer: Response<Incoming>, timeouts: Timeouts) -> Response<Answered> {
        let idle = millis(timeouts.idle);
        let mut answer = answer.map(|body| {
            let streamed = Streamed { body, _place: self, idle, alarm: None };
            Answered::Http2(Box::new(streamed))
        });
        to_caller(answer.headers_mut());
        answer
    }
}

/// A call as HTTP/2 has it: the address in the target (RFC 9113 section 8.3.1) instead of `Host`.
fn request(
    address: &UpstreamUrl,
    outgoing: &Outgoing<'_>,
    body: Watched,
) -> Result<Request<Watched>, Failed> {
    let unwritable = || Failed::new(Fault::UpstreamSend, Reached::Answer);
    let mut target = Vec::new();
    outgoing.target.write(address, &mut target);
    let mut parts = UriParts::default();
    parts.scheme = Some(match address.scheme() {
        Scheme::Http => UriScheme::HTTP,
        Scheme::Https => UriScheme::HTTPS,
    });
    parts.authority = Some(Authority::try_from(address.authority()).map_err(|_| unwritable())?);
    parts.path_and_query = Some(PathAndQuery::try_from(target).map_err(|_| unwritable())?);
    let mut request = Request::new(body);
    outgoing.method.clone_into(request.method_mut());
    *request.uri_mut() = Uri::from_parts(parts).map_err(|_| unwritable())?;
    *request.version_mut() = Version::HTTP_2;
    to_upstream(outgoing.headers, outgoing.forwarding, request.headers_mut()).map_err(Failed::by_caller)?;
    request.headers_mut().remove(HOST);
    if let Some(names) = outgoing.announced_trailers() {
        request.headers_mut().header(&TRAILER, names.as_bytes());
    }
    Ok(request)
}

/// Waits for the head of an answer: from now on where the call has no body, else from the body's end on.
async fn in_time<T>(
    answer: impl Future<Output = T>,
    way: Option<&Way>,
    timeouts: Timeouts,
) -> Result<T, Fault> {
    let Some(way) = way else {
        let answer = timeout(millis(timeouts.answer), answer).await;
        return answer.map_err(|_| Fault::UpstreamTimeout);
    };
    tokio::select! {
        biased;
        answer = answer => Ok(answer),
        fault = way.overdue(timeouts) => Err(fault),
    }
}

/// Whether this call alone failed, and the connection may take the next.
fn is_of_stream(error: &hyper::Error) -> bool {
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<h2::Error>());
    cause.is_some_and(h2::Error::is_reset)
}

/// What went wrong, and whether the server has done anything for the call (RFC 9113 section 8.7).
fn fault_of(error: &hyper::Error) -> (Fault, Reached) {
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<h2::Error>());
    let Some(cause) = cause else { return (Fault::UpstreamClosed, Reached::Server) };
    let is_untouched = cause.reason() == Some(h2::Reason::REFUSED_STREAM)
        || (cause.is_go_away() && cause.is_remote() && cause.reason() == Some(h2::Reason::NO_ERROR));
    if is_untouched {
        (Fault::UpstreamClosed, Reached::Nobody)
    } else if cause.is_library() {
        (Fault::UpstreamProtocol, Reached::Answer)
    } else {
        (Fault::UpstreamClosed, Reached::Server)
    }
}

/// The body of an answer over HTTP/2, with its trailers.
#[derive(Debug)]
pub struct Streamed {
    body: Incoming,
    _place: Stream,
    idle: Duration,
    alarm: Option<Pin<Box<Sleep>>>,
}

impl Streamed {
    /// Whether the upstream has been silent for too long.
    fn is_silent(&mut self, context: &mut Context<'_>) -> bool {
        let idle = self.idle;
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep(idle)));
        alarm.as_mut().poll(context).is_ready()
    }
}

/// A frame whose trailers are what may come behind a body.
fn checked(frame: Frame<Bytes>) -> Frame<Bytes> {
    match frame.into_trailers() {
        Ok(trailers) => Frame::trailers(trailers::to_caller(trailers)),
        Err(frame) => frame,
    }
}

impl Body for Streamed {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        match Pin::new(&mut self.body).poll_frame(context) {
            Poll::Ready(frame) => {
                self.alarm = None;
                let broken = |error| BrokenOff::Upstream(io::Error::other(error));
                Poll::Ready(frame.map(|frame| frame.map(checked).map_err(broken)))
            }
            Poll::Pending if self.is_silent(context) => Poll::Ready(Some(Err(BrokenOff::Silent))),
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
