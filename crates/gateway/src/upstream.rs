//! Connections to upstreams: kept alive, bounded, used by one call at a time.

use std::collections::HashMap;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use latchkey_catalog::upstream::{Scheme, Timeouts, UpstreamUrl};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Sleep, timeout};
use tokio_rustls::TlsConnector;

use crate::answer::Fault;
use crate::upload::{Upload, Way};

/// The most connections to one address that are kept while nobody uses them.
const KEPT: usize = 256;
/// How long one is kept; shorter than the keep-alive times that servers usually have.
const KEPT_FOR: Duration = Duration::from_secs(15);

/// Says how TLS is spoken with upstreams: whose certificates are believed.
pub type Trust = fn() -> Arc<rustls::ClientConfig>;

/// The connections of one gateway.
pub struct Upstreams {
    tls: OnceLock<TlsConnector>,
    trust: Trust,
    kept: Mutex<HashMap<UpstreamUrl, Vec<Kept>>>,
}

impl std::fmt::Debug for Upstreams {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Upstreams(to {} addresses)", self.kept().len())
    }
}

#[derive(Debug)]
struct Kept {
    sender: SendRequest<Upload>,
    since: Instant,
}

impl Upstreams {
    /// No connections yet. `trust` is asked once, when the first upstream over TLS is called.
    pub fn new(trust: Trust) -> Arc<Self> {
        Arc::new(Self { tls: OnceLock::new(), trust, kept: Mutex::default() })
    }

    /// Sends a call to `address` and waits for the head of the answer.
    ///
    /// A kept connection that turns out to be closed before anything of the call was sent is no reason to
    /// fail: the call goes over the next one. What may have been sent is never sent twice.
    pub async fn send(
        self: &Arc<Self>,
        address: &UpstreamUrl,
        timeouts: Timeouts,
        request: Request<Incoming>,
    ) -> Result<Response<Streamed>, Fault> {
        let (parts, body) = request.into_parts();
        let (upload, way) = Upload::new(body);
        let mut request = Request::from_parts(parts, upload);
        loop {
            let kept = self.take(address);
            let is_new = kept.is_none();
            let mut sender = match kept {
                Some(sender) => sender,
                None => self.connect(address, timeouts).await?,
            };
            if sender.ready().await.is_err() && !is_new {
                continue;
            }
            let answer = sender.try_send_request(request);
            match in_time(answer, way.as_deref(), timeouts).await? {
                Ok(answer) => {
                    check_framing(answer.headers())?;
                    let back = Back { to: Arc::clone(self), address: address.clone(), sender, way };
                    return Ok(stream(back, timeouts, answer));
                }
                Err(mut error) => match error.take_message() {
                    Some(unsent) if !is_new => request = unsent,
                    Some(_) => return Err(Fault::UpstreamClosed),
                    None => {
                        let callers = way.and_then(|way| way.broken());
                        return Err(callers.unwrap_or_else(|| fault_of(error.error())));
                    }
                },
            }
        }
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<UpstreamUrl, Vec<Kept>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection that was used last, if one is still open.
    fn take(&self, address: &UpstreamUrl) -> Option<SendRequest<Upload>> {
        let mut kept = self.kept();
        let list = kept.get_mut(address)?;
        let (now, mut found) = (Instant::now(), None);
        while let Some(Kept { sender, since }) = list.pop() {
            if now.duration_since(since) >= KEPT_FOR {
                // Those below it were put there before it.
                list.clear();
            } else if !sender.is_closed() {
                found = Some(sender);
                break;
            }
        }
        found
    }

    fn give_back(&self, address: UpstreamUrl, sender: SendRequest<Upload>) {
        if sender.is_closed() {
            return;
        }
        let mut kept = self.kept();
        let list = kept.entry(address).or_default();
        if list.len() < KEPT {
            list.push(Kept { sender, since: Instant::now() });
        }
    }

    /// Forgets connections that nobody has used for a while, and addresses without connections.
    pub fn sweep(&self) {
        let now = Instant::now();
        self.kept().retain(|_, list| {
            list.retain(|kept| now.duration_since(kept.since) < KEPT_FOR && !kept.sender.is_closed());
            !list.is_empty()
        });
    }

    async fn connect(&self, address: &UpstreamUrl, timeouts: Timeouts) -> Result<SendRequest<Upload>, Fault> {
        let connected = timeout(millis(timeouts.connect), self.open(address)).await;
        connected.map_err(|_| Fault::UpstreamConnectTimeout)?
    }

    async fn open(&self, address: &UpstreamUrl) -> Result<SendRequest<Upload>, Fault> {
        let host = address.host().trim_matches(['[', ']']);
        let stream = TcpStream::connect((host, address.port())).await.map_err(|_| Fault::UpstreamConnect)?;
        let _ = stream.set_nodelay(true);
        match address.scheme() {
            Scheme::Http => shake_hands(stream).await,
            Scheme::Https => {
                let name = ServerName::try_from(host.to_owned()).map_err(|_| Fault::UpstreamConnect)?;
                let tls = self.tls.get_or_init(|| TlsConnector::from((self.trust)()));
                let stream = tls.connect(name, stream).await.map_err(|error| {
                    tracing::warn!(upstream = %address, problem = %error, "no TLS with an upstream");
                    Fault::UpstreamConnect
                })?;
                shake_hands(stream).await
            }
        }
    }
}

async fn shake_hands<S>(stream: S) -> Result<SendRequest<Upload>, Fault>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let shaken = http1::Builder::new().handshake(TokioIo::new(stream)).await;
    let (sender, connection) = shaken.map_err(|_| Fault::UpstreamConnect)?;
    // It ends with its sender, or when the upstream ends it; what went wrong the call has been told.
    tokio::spawn(connection);
    Ok(sender)
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

/// Refuses an answer with a length beside chunks (RFC 9112 section 6.3): where one of the two goes on with the
/// body of the other, the caller reads half an answer, or more than one.
fn check_framing(headers: &HeaderMap) -> Result<(), Fault> {
    let both = headers.contains_key(TRANSFER_ENCODING) && headers.contains_key(CONTENT_LENGTH);
    if both { Err(Fault::UpstreamProtocol) } else { Ok(()) }
}

fn stream(back: Back, timeouts: Timeouts, answer: Response<Incoming>) -> Response<Streamed> {
    answer.map(|body| {
        let mut streamed = Streamed { body, back: Some(back), idle: millis(timeouts.idle), alarm: None };
        streamed.give_back_at_the_end();
        streamed
    })
}

const fn millis(millis: u32) -> Duration {
    Duration::from_millis(millis as u64)
}

fn fault_of(error: &hyper::Error) -> Fault {
    if error.is_parse() {
        Fault::UpstreamProtocol
    } else if error.is_incomplete_message() || error.is_closed() || error.is_canceled() || is_reset(error) {
        Fault::UpstreamClosed
    } else {
        Fault::UpstreamSend
    }
}

/// Whether the upstream cut the connection off.
fn is_reset(error: &hyper::Error) -> bool {
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<io::Error>());
    let kind = cause.map(io::Error::kind);
    matches!(kind, Some(io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe))
}

/// A connection on loan.
#[derive(Debug)]
struct Back {
    to: Arc<Upstreams>,
    address: UpstreamUrl,
    sender: SendRequest<Upload>,
    way: Option<Arc<Way>>,
}

impl Back {
    /// Gives it back, unless the caller is still sending to an upstream that has answered: nobody else may
    /// wait behind that.
    fn give(self) {
        if self.way.is_none_or(|way| way.is_whole()) {
            self.to.give_back(self.address, self.sender);
        }
    }
}

/// The body of an upstream's answer, passed on as it comes. At its end the connection goes back; when it is
/// dropped before, the connection is closed, since the rest may still be on its way.
#[derive(Debug)]
pub struct Streamed {
    body: Incoming,
    back: Option<Back>,
    idle: Duration,
    alarm: Option<Pin<Box<Sleep>>>,
}

/// Why the body of an answer ended before its end. The caller's connection ends with it, which shows that
/// something is missing.
#[derive(Debug, thiserror::Error)]
pub enum BrokenOff {
    /// The upstream broke off.
    #[error("the upstream broke off its answer: {0}")]
    Upstream(#[from] hyper::Error),
    /// The upstream fell silent.
    #[error("the upstream fell silent in the middle of its answer")]
    Silent,
}

impl Streamed {
    fn give_back_at_the_end(&mut self) {
        if self.body.is_end_stream()
            && let Some(back) = self.back.take()
        {
            back.give();
        }
    }

    /// Whether the upstream has been silent for too long.
    fn is_silent(&mut self, context: &mut Context<'_>) -> bool {
        let idle = self.idle;
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(tokio::time::sleep(idle)));
        alarm.as_mut().poll(context).is_ready()
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
                match &frame {
                    Some(Ok(_)) => self.give_back_at_the_end(),
                    None => {
                        if let Some(back) = self.back.take() {
                            back.give();
                        }
                    }
                    Some(Err(_)) => self.back = None,
                }
                Poll::Ready(frame.map(|frame| frame.map_err(BrokenOff::from)))
            }
            Poll::Pending if self.is_silent(context) => {
                self.back = None;
                Poll::Ready(Some(Err(BrokenOff::Silent)))
            }
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
