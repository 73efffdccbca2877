//! One connection, from the handshake to its end.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::pulse::{Counted, Pulse, Verdict, Watch};
use super::{Answer, Terms};
use crate::network::Peer;

/// The most bytes of a request's head.
const HEAD_BYTES: usize = 32 * 1024;
/// The most HTTP/2 requests at once on one connection.
const STREAMS: u32 = 100;
/// The most bytes of each answer that wait for an HTTP/2 caller who does not read: the library's own choice,
/// times all streams, is 40 MB.
const SEND_BYTES: usize = 32 * 1024;

/// Who is connected, and what serves them.
#[derive(Debug)]
pub struct Caller<A> {
    /// The other end of the connection.
    pub peer: SocketAddr,
    /// What answers.
    pub answers: Arc<A>,
    /// The times and trust.
    pub terms: Arc<Terms>,
}

/// Serves `stream` until either side ends it, its time is up, or `stop` and its requests have finished. A
/// connection that became something else than HTTP is served until that ends, too.
/// How a client ends a connection is its own affair: nothing here is an error of the server.
pub async fn serve<A: Answer>(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    caller: Caller<A>,
    stop: CancellationToken,
) {
    let _ = stream.set_nodelay(true);
    let Some(tls) = tls else { return exchange(stream, protocols(), caller, stop).await };
    let handshake = tokio::select! {
        () = stop.cancelled() => return,
        handshake = timeout(caller.terms.handshake, tls.accept(stream)) => handshake,
    };
    if let Ok(Ok(stream)) = handshake {
        let agreed = stream.get_ref().1.alpn_protocol();
        let protocol =
            if agreed == Some(b"h2") { protocols().http2_only() } else { protocols().http1_only() };
        exchange(stream, protocol, caller, stop).await;
    }
}

/// HTTP/1 and HTTP/2, told apart by their first bytes. Header timeouts are the [`Watch`]'s.
fn protocols() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().header_read_timeout(None).max_buf_size(HEAD_BYTES);
    let head = u32::try_from(HEAD_BYTES).expect("a small constant");
    builder.http2().max_header_list_size(head).max_concurrent_streams(STREAMS).max_send_buf_size(SEND_BYTES);
    builder
}

async fn exchange<S, A: Answer>(
    stream: S,
    protocol: Builder<TokioExecutor>,
    caller: Caller<A>,
    stop: CancellationToken,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let pulse = Arc::new(Pulse::default());
    let mut watch = Watch::new(caller.terms.header, caller.terms.idle, Instant::now());
    let mut look = interval(watch.period());
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let gone = CancellationToken::new();
    let io = TokioIo::new(Counted::new(stream, Arc::clone(&pulse), gone.clone().drop_guard()));
    let counted = Arc::clone(&pulse);
    let service = service_fn(move |request| answer(&caller, &counted, request));
    {
        let mut connection = pin!(protocol.serve_connection_with_upgrades(io, service));
        let mut leaving = false;
        loop {
            tokio::select! {
                biased;
                _ = connection.as_mut() => break,
                () = stop.cancelled(), if !leaving => {
                    leaving = true;
                    connection.as_mut().graceful_shutdown();
                }
                _ = look.tick() => match watch.look(&pulse, Instant::now()) {
                    Verdict::Fine => {}
                    Verdict::Idle if !leaving => {
                        leaving = true;
                        connection.as_mut().graceful_shutdown();
                    }
                    Verdict::Idle | Verdict::Slow => break,
                },
            }
        }
    }
    // A tunnel has the stream from here on, and keeps the connection's seat.
    gone.cancelled().await;
}

/// Answers one request, after finding out who asks.
fn answer<A: Answer>(
    caller: &Caller<A>,
    pulse: &Arc<Pulse>,
    request: Request<Incoming>,
) -> impl Future<Output = Result<Response<A::Body>, Infallible>> + use<A> {
    let (pulse, running) = (Arc::clone(pulse), pulse.begin(request.version()));
    let peer = Peer::of(caller.peer, request.headers(), &caller.terms.trusted_proxies);
    let answers = Arc::clone(&caller.answers);
    async move {
        let reply = answers.answer(request, peer).await;
        if reply.status() == StatusCode::SWITCHING_PROTOCOLS {
            pulse.upgrade();
        }
        drop(running);
        Ok(reply)
    }
}
