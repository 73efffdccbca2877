//! What answers the gateway's listeners: the aliases of the token server's endpoints (D20), and calls.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{Request, StatusCode};
use http_body_util::Either;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use ipnet::IpNet;
use latchkey_gateway::call::{Arrival, Gateway, Kept, OutboundToken};
use latchkey_gateway::explain::Cause;
use latchkey_gateway::forwarded;
use latchkey_gateway::route::Transport;
use latchkey_gateway::source::Source;
use latchkey_gateway::upstream::{Streamed, Upstreams};
use tokio::runtime::Handle;

use super::StoreSource;
use crate::app::App;
use crate::config::Config;
use crate::http::answer::{Outcome, Whole, text};
use crate::http::front::Front;
use crate::listener::Answer;
use crate::metrics::Route;
use crate::network::Peer;
use crate::request_summary::{Facts, Summaries};

/// Between two looks for connections to upstreams that nobody uses.
const SWEEP: Duration = Duration::from_secs(5);

/// One listener of the gateway, on one of its threads.
#[derive(Debug, Clone)]
pub struct Edge<S = Arc<StoreSource>> {
    /// None on a node, which has no token endpoints.
    aliases: Option<Aliases>,
    gateway: Arc<Gateway<S>>,
    summaries: Summaries,
    trusted_proxies: Arc<[IpNet]>,
    transport: Transport,
}

/// The endpoints behind the aliases.
#[derive(Debug, Clone)]
struct Aliases {
    front: Arc<Front>,
    /// Where they run: signing a token would hold up the calls beside it.
    control: Handle,
}

/// What an edge has from its process.
#[derive(Debug, Clone)]
pub struct Surroundings<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// What the gateway keeps.
    pub kept: Kept,
    /// Where calls are summarized.
    pub summaries: Summaries,
}

impl Edge {
    /// The listener in the clear, of the thread whose runtime is `own`; its aliases lead to `front`, on the
    /// runtime of the caller.
    pub fn new(app: &App, source: &Arc<StoreSource>, front: &Arc<Front>, own: &Handle) -> Self {
        let (kept, summaries) = (app.kept_by_gateway.clone(), front.summaries().clone());
        let surroundings = Surroundings { config: &app.config, kept, summaries };
        let aliases = Aliases { front: Arc::clone(front), control: Handle::current() };
        Self { aliases: Some(aliases), ..Self::over(Arc::clone(source), surroundings, own) }
    }
}

impl<S: Source> Edge<S> {
    /// A listener in the clear without aliases, of the thread whose runtime is `own`.
    pub fn over(source: S, surroundings: Surroundings<'_>, own: &Handle) -> Self {
        let Surroundings { config, kept, summaries } = surroundings;
        let outbound =
            if config.gateway.outbound_auth_header { OutboundToken::Keep } else { OutboundToken::Remove };
        let upstreams = Upstreams::new(upstream_tls);
        own.spawn(sweep(Arc::clone(&upstreams)));
        Self {
            aliases: None,
            gateway: Arc::new(Gateway::new(source, upstreams, outbound, kept)),
            summaries,
            trusted_proxies: config.server.trusted_proxies.clone().into(),
            transport: Transport::Http,
        }
    }

    /// The same gateway by its listener with TLS.
    #[must_use]
    pub fn over_tls(&self) -> Self
    where
        S: Clone,
    {
        Self { transport: Transport::Https, ..self.clone() }
    }

    fn arrival(&self, peer: Peer) -> Arrival {
        let address = peer.socket.ip().to_canonical();
        let is_proxy = self.trusted_proxies.iter().any(|network| network.contains(&address));
        let peer = if is_proxy { forwarded::Peer::Trusted } else { forwarded::Peer::Stranger };
        Arrival { address, peer, transport: self.transport }
    }
}

impl<S: Source> Answer for Edge<S> {
    type Body = Either<Full<Bytes>, Streamed>;

    async fn answer(&self, request: Request<Incoming>, peer: Peer) -> http::Response<Self::Body> {
        if let Some(Aliases { front, control }) = &self.aliases
            && let Some(endpoint) = Front::alias(request.uri().path())
        {
            let front = Arc::clone(front);
            let answer = control.spawn(async move { front.answer_at(endpoint, request, peer).await });
            // It can only be missing when the server has ended.
            return answer.await.unwrap_or_else(|_| unavailable()).map(Either::Left);
        }
        let (begun, method) = (Instant::now(), request.method().clone());
        let (answer, record) = self.gateway.call(request, self.arrival(peer)).await;
        let row = record.fault.as_ref().map(latchkey_gateway::answer::Fault::row);
        let outcome = Outcome {
            client_id: record.client_id,
            error: row.map(|row| row.code),
            cause: row.map(|row| record.cause.map_or(row.message, Cause::as_str).to_owned()),
            ..Outcome::default()
        };
        let route = record.route.map_or(Route::Unmatched, |(api, _)| Route::Api(api));
        let facts = Facts { begun, route, method, client: Some(peer.client) };
        self.summaries.request(facts, answer.status(), Some(&outcome));
        answer
    }
}

fn unavailable() -> Whole {
    text(StatusCode::SERVICE_UNAVAILABLE, "text/plain; charset=utf-8", "")
}

/// Closes connections that nobody uses, as long as the thread lives.
async fn sweep(upstreams: Arc<Upstreams>) {
    loop {
        tokio::time::sleep(SWEEP).await;
        upstreams.sweep();
    }
}

/// How upstreams are spoken to over TLS: their certificates must come from an authority that the system
/// trusts.
fn upstream_tls() -> Arc<rustls::ClientConfig> {
    let mut roots = rustls::RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    for problem in found.errors {
        tracing::warn!(%problem, "some of the system's certificate authorities cannot be read");
    }
    let (taken, left_out) = roots.add_parsable_certificates(found.certs);
    if taken == 0 {
        tracing::warn!(
            left_out,
            "the system has no certificate authorities: no upstream over TLS is believed"
        );
    }
    let mut config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(config)
}
