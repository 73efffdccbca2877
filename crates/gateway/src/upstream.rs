//! Connections to upstreams: kept alive, bounded, used by one call at a time.
//!
//! A call drives its connection itself: it writes the request and reads the answer in its own task. A client
//! whose connections live in tasks of their own would hand every call over twice; beside the bytes that go
//! through the kernel that is most of what a forwarded call costs (docs/decisions/0007-upstream-connections.md).
//!
//! [`dispatch`] brings a call here: it chooses the address ([`balance`]) by what is known of all ([`fleet`],
//! [`health`]) and says whether a call that failed goes out once more ([`retry`]).

mod answer_head;
pub mod balance;
mod chunks;
mod connect;
pub mod dispatch;
mod exchange;
pub mod fleet;
pub mod health;
pub mod http2;
mod line;
mod outgoing;
pub mod retry;
mod streamed;
pub mod upgrade;
mod upload;
mod watched;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use foldhash::fast::RandomState;
use http::{Method, Response};
use hyper::body::Incoming;
use latchkey_catalog::upstream::{Timeouts, UpstreamUrl};
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use self::answer_head::{AnswerHead, Asked};
use self::connect::{NoConnection, connect};
use self::dispatch::Failed;
use self::exchange::{Again, Exchange, Failure, millis};
use self::http2::Multiplexed;
use self::line::Line;
pub use self::outgoing::{Outgoing, Rest};
use self::retry::Reached;
use self::streamed::Home;
pub use self::streamed::{BrokenOff, Streamed};
use self::upload::{Sent, Upload};

/// The most connections to one address that are kept while nobody uses them.
const KEPT: usize = 256;
/// How long one is kept; shorter than the keep-alive times that servers usually have.
const KEPT_FOR: Duration = Duration::from_secs(15);

/// Says how TLS is spoken with upstreams: whose certificates are believed. Which protocols are spoken over it is
/// not its matter.
pub type Trust = Arc<dyn Fn() -> Arc<rustls::ClientConfig> + Send + Sync>;

/// The connections of one gateway.
pub struct Upstreams {
    tls: OnceLock<TlsConnector>,
    tls_http2: OnceLock<TlsConnector>,
    trust: Trust,
    multiplexed: Multiplexed,
    places: Mutex<HashMap<UpstreamUrl, Arc<Place>, RandomState>>,
}

impl std::fmt::Debug for Upstreams {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Upstreams(to {} addresses)", self.places().len())
    }
}

/// The connections to one address that nobody uses now.
#[derive(Debug, Default)]
struct Place {
    kept: Mutex<Vec<Kept>>,
}

#[derive(Debug)]
struct Kept {
    line: Box<Line>,
    since: Instant,
}

impl Upstreams {
    /// No connections yet. `trust` is asked once, when the first upstream over TLS is called.
    pub fn new(trust: Trust) -> Arc<Self> {
        Arc::new(Self {
            tls: OnceLock::new(),
            tls_http2: OnceLock::new(),
            trust,
            multiplexed: Multiplexed::default(),
            places: Mutex::default(),
        })
    }

    /// Sends a call to `address` and waits for the head of the answer. The upstream's time runs from `begun`, or
    /// from when there is a connection.
    ///
    /// A kept connection may have been closed by the upstream in the moment in which the call was sent (RFC
    /// 9112 section 9.3.1). The call then goes over the next one, if nothing of it was sent, or if it is
    /// idempotent and has no body that was begun.
    pub(crate) async fn send(
        &self,
        address: &UpstreamUrl,
        outgoing: &Outgoing<'_>,
        body: Incoming,
        mut begun: Instant,
    ) -> Result<Response<Streamed>, Failed> {
        let place = self.place(address);
        let mut call = Again { upload: Upload::new(body, outgoing.trailers()), unsent: None };
        loop {
            let kept = place.take(begun);
            let is_new = kept.is_none();
            let mut line = match kept {
                Some(line) => line,
                None => match Box::pin(self.open(address, outgoing.timeouts)).await {
                    Ok(line) => {
                        begun = Instant::now();
                        line
                    }
                    Err(no_connection) => {
                        return Err(Failed::before(no_connection, call.upload.untouched()));
                    }
                },
            };
            line.begin();
            match call.unsent {
                Some(unsent) => line.outgoing = unsent,
                None => outgoing
                    .write(address, call.upload.sent, &mut line.outgoing)
                    .map_err(Failed::by_caller)?,
            }
            let asked = if outgoing.method == Method::HEAD { Asked::Headers } else { Asked::Whole };
            let exchange = Exchange::new(line, call.upload, asked, (outgoing.timeouts, begun));
            match exchange.head().await {
                Ok((head, exchange)) => return Ok(answer(head, exchange, &place, outgoing.timeouts)),
                Err(Failure { again: Some(again), .. })
                    if !is_new && may_go_again(&again, outgoing.method) =>
                {
                    (call, begun) = (again, Instant::now());
                }
                Err(failure) => return Err(failed(failure)),
            }
        }
    }

    fn places(&self) -> MutexGuard<'_, HashMap<UpstreamUrl, Arc<Place>, RandomState>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn place(&self, address: &UpstreamUrl) -> Arc<Place> {
        let mut places = self.places();
        if let Some(place) = places.get(address) {
            return Arc::clone(place);
        }
        Arc::clone(places.entry(address.clone()).or_default())
    }

    /// Forgets connections that nobody has used for a while, and addresses without connections.
    pub fn sweep(&self) {
        self.places().retain(|_, place| {
            place.sweep();
            // A call that runs holds its place, and may still bring a connection back.
            Arc::strong_count(place) > 1 || !place.kept().is_empty()
        });
        self.multiplexed.sweep();
    }

    /// A connection that nobody has used yet.
    async fn open(&self, address: &UpstreamUrl, timeouts: Timeouts) -> Result<Box<Line>, NoConnection> {
        let tls = || self.tls.get_or_init(|| self.tls_for(b"http/1.1")).clone();
        let stream = connect(address, millis(timeouts.connect), tls).await?;
        Ok(Box::new(Line::new(stream)))
    }

    fn tls_http2(&self) -> TlsConnector {
        self.tls_http2.get_or_init(|| self.tls_for(b"h2")).clone()
    }

    /// TLS that agrees on one protocol.
    fn tls_for(&self, protocol: &[u8]) -> TlsConnector {
        let mut config = (*(self.trust)()).clone();
        config.alpn_protocols = vec![protocol.to_vec()];
        TlsConnector::from(Arc::new(config))
    }
}

impl Place {
    fn kept(&self) -> MutexGuard<'_, Vec<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection that was used last, if one is still open.
    fn take(&self, now: Instant) -> Option<Box<Line>> {
        let mut kept = self.kept();
        while let Some(Kept { mut line, since }) = kept.pop() {
            if now.duration_since(since) >= KEPT_FOR {
                // Those below it were put there before it.
                kept.clear();
            } else if line.is_quiet() {
                return Some(line);
            }
        }
        None
    }

    fn give_back(&self, mut line: Box<Line>) {
        line.rest();
        let mut kept = self.kept();
        if kept.len() < KEPT {
            kept.push(Kept { line, since: Instant::now() });
        }
    }

    fn sweep(&self) {
        let now = Instant::now();
        self.kept().retain_mut(|kept| now.duration_since(kept.since) < KEPT_FOR && kept.line.is_quiet());
    }
}

/// Whether a call that came to nothing over a kept connection is sent once more.
fn may_go_again(again: &Again, method: &Method) -> bool {
    again.unsent.is_some() || again.upload.sent == Sent::Nothing && method.is_idempotent()
}

/// A call that will not go over another connection to the same address.
fn failed(failure: Failure) -> Failed {
    let Failure { fault, again } = failure;
    let Some(Again { upload, unsent }) = again else { return Failed::new(fault, Reached::Answer) };
    let reached = if unsent.is_some() { Reached::Nobody } else { Reached::Server };
    let body = if upload.sent == Sent::Nothing { Some(upload.into_body()) } else { None };
    Failed { fault, cause: None, reached, body }
}

fn answer(
    head: AnswerHead,
    exchange: Exchange,
    place: &Arc<Place>,
    timeouts: Timeouts,
) -> Response<Streamed> {
    let AnswerHead { status, headers, ends, after } = head;
    let home = Home(Arc::clone(place));
    let mut answer = Response::new(Streamed::new(ends, after, exchange, home, millis(timeouts.idle)));
    *answer.status_mut() = status;
    *answer.headers_mut() = headers;
    answer
}
