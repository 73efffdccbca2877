//! The accept loop: caps, TLS, timeouts, who is calling, and a drain that ends.
//!
//! Own code rather than `axum::serve`, which has no TLS, no caps and no timeouts. What a connection costs
//! is bounded before anything of it is read: a seat in the server, a share of its network's seats, a time
//! for the handshake, for the head of a request, and for silence. The time for a request itself is kept where
//! it is known which request it was ([`crate::http::guard`]).

mod backoff;
pub mod connection;
pub mod pulse;
pub mod seats;
mod workers;

#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::{BoxError, Router};
use http::{Request, Response};
use hyper::body::{Bytes, Incoming};
use ipnet::IpNet;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::Service;

use crate::config;
use crate::network::Peer;
use backoff::Backoff;
pub use seats::Seats;
pub use workers::Workers;

/// The times and trust that hold for every connection.
#[derive(Debug, Clone)]
pub struct Terms {
    /// For a TLS handshake.
    pub handshake: Duration,
    /// For the head of a request.
    pub header: Duration,
    /// Between requests.
    pub idle: Duration,
    /// For the requests under way when the server ends.
    pub drain: Duration,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
}

impl From<&config::Server> for Terms {
    fn from(server: &config::Server) -> Self {
        Self {
            handshake: server.handshake_timeout.as_std(),
            header: server.header_timeout.as_std(),
            idle: server.idle_timeout.as_std(),
            drain: server.drain_timeout.as_std(),
            trusted_proxies: server.trusted_proxies.clone(),
        }
    }
}

/// A listener cannot have its address.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {setting} = \"{address}\": {cause}; end what uses that address, or set another")]
pub struct BindError {
    setting: &'static str,
    address: SocketAddr,
    cause: io::Error,
}

/// A bound address that does not serve yet: clients queue in the system until [`Listener::serve`].
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    seats: Arc<Seats>,
}

/// What answers requests.
pub trait Answer: Send + Sync + 'static {
    /// The body of its answers.
    type Body: hyper::body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static;

    /// Answers `request` of `peer`.
    fn answer(
        &self,
        request: Request<Incoming>,
        peer: Peer,
    ) -> impl Future<Output = Response<Self::Body>> + Send;
}

impl<T: Answer> Answer for Arc<T> {
    type Body = T::Body;

    fn answer(
        &self,
        request: Request<Incoming>,
        peer: Peer,
    ) -> impl Future<Output = Response<Self::Body>> + Send {
        (**self).answer(request, peer)
    }
}

impl Answer for Router {
    type Body = Body;

    /// The router finds the peer in the request's extensions.
    async fn answer(&self, request: Request<Incoming>, peer: Peer) -> Response<Body> {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(peer);
        let answer = self.clone().call(request).await;
        answer.unwrap_or_else(|never| match never {})
    }
}

/// Where connections are served.
#[derive(Debug)]
pub struct Place<A> {
    /// The runtime that drives them.
    pub runtime: Handle,
    /// What answers there.
    pub answers: Arc<A>,
}

/// How a listener ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were cut off because their requests outlasted the drain.
    pub cut_off: usize,
}

impl Listener {
    /// Binds `address`, where port 0 takes any free one. `setting` is the key that the address comes from,
    /// for the error. Listeners given the same `seats` share its caps.
    pub async fn bind(
        setting: &'static str,
        address: SocketAddr,
        seats: Arc<Seats>,
    ) -> Result<Self, BindError> {
        let failed = |cause| BindError { setting, address, cause };
        let socket = TcpListener::bind(address).await.map_err(failed)?;
        let address = socket.local_addr().map_err(failed)?;
        Ok(Self { socket, address, seats })
    }

    /// The address in force, with the port that was taken.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves `answers` on the runtime of the caller; see [`Self::serve_on`].
    pub async fn serve(
        self,
        answers: impl Answer,
        tls: Option<Arc<rustls::ServerConfig>>,
        terms: Arc<Terms>,
        stop: CancellationToken,
    ) -> Drained {
        let here = Place { runtime: Handle::current(), answers: Arc::new(answers) };
        self.serve_on(vec![here], tls, terms, stop).await
    }

    /// Serves connections at `places` in turn, over TLS where `tls` is given, until `stop`. Then it accepts no
    /// more, lets the requests under way finish within the drain time, and cuts off the rest.
    ///
    /// One loop accepts for all places: connections are spread evenly, which the system does not do for
    /// several sockets of one address (`SO_REUSEPORT`), and an address in use is still noticed.
    pub async fn serve_on<A: Answer>(
        self,
        places: Vec<Place<A>>,
        tls: Option<Arc<rustls::ServerConfig>>,
        terms: Arc<Terms>,
        stop: CancellationToken,
    ) -> Drained {
        let tls = tls.map(TlsAcceptor::from);
        let mut places = places.iter().cycle();
        let drain = terms.drain;
        let mut connections = JoinSet::new();
        let mut backoff = Backoff::default();
        loop {
            let (stream, seat) = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(_) = connections.join_next() => continue,
                accepted = self.accept(&mut backoff) => accepted,
            };
            let Ok(peer) = stream.peer_addr() else { continue };
            let Some(seat) = seat.for_peer(peer.ip()) else { continue };
            let (Some(place), Ok(stream)) = (places.next(), stream.into_std()) else { continue };
            let caller =
                connection::Caller { peer, answers: Arc::clone(&place.answers), terms: Arc::clone(&terms) };
            let (tls, stop) = (tls.clone(), stop.clone());
            let served = async move {
                if let Ok(stream) = TcpStream::from_std(stream) {
                    connection::serve(stream, tls, caller, stop).await;
                }
                drop(seat);
            };
            connections.spawn_on(served, &place.runtime);
        }
        drop(self.socket);
        let all = async { while connections.join_next().await.is_some() {} };
        let _ = timeout(drain, all).await;
        Drained { cut_off: connections.len() }
    }

    /// The next connection, once there is a seat for it. Waits after errors that say the system is out of
    /// something, so as not to spin.
    async fn accept(&self, backoff: &mut Backoff) -> (TcpStream, seats::Seat) {
        loop {
            let seat = self.seats.wait().await;
            match self.socket.accept().await {
                Ok((stream, _)) => {
                    *backoff = Backoff::default();
                    return (stream, seat);
                }
                Err(error) => {
                    if let Some(pause) = backoff.after(&error) {
                        tracing::warn!(address = %self.address, %error, "cannot accept connections for now");
                        sleep(pause).await;
                    }
                }
            }
        }
    }
}
