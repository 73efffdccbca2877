//! What answers the gateway's listeners: the aliases of the token server's endpoints (D20), and calls.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::header::USER_AGENT;
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode};
use http_body_util::Either;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use ipnet::IpNet;
use latchkey_gateway::call::{Arrival, Gateway, Kept, OutboundToken, Record};
use latchkey_gateway::explain::Cause;
use latchkey_gateway::forwarded;
use latchkey_gateway::record::{Called, Calls, Phase, Sight, class};
use latchkey_gateway::route::Transport;
use latchkey_gateway::source::Source;
use latchkey_gateway::stream::passed::Passed;
use latchkey_gateway::upstream::{Trust, Upstreams};
use tokio::runtime::Handle;

use super::{Recorder, StoreSource};
use crate::app::App;
use crate::config::{self, Config};
use crate::http::answer::{CallOutcome, Outcome, Whole, text};
use crate::http::front::Front;
use crate::listener::Answer;
use crate::metrics::Route;
use crate::network::Peer;
use crate::request_summary::{Facts, Summaries};

/// What is kept of a thread's calls.
#[derive(Debug, Clone)]
struct Noted {
    calls: Arc<Calls>,
    addresses: Remembered,
    user_agents: Remembered,
}

/// Whether something that points to a person is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Remembered {
    Yes,
    No,
}

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
    noted: Noted,
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
#[derive(Clone)]
pub struct Surroundings<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// What the gateway keeps.
    pub kept: Kept,
    /// Where calls are summarized.
    pub summaries: Summaries,
    /// The header that tells upstreams about callers, if any does.
    pub assertion_header: Option<HeaderName>,
    /// Whose certificates are believed about upstreams.
    pub trust: &'a Trust,
    /// Where calls are noted.
    pub recorder: &'a Recorder,
}

impl std::fmt::Debug for Surroundings<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Surroundings").field("kept", &self.kept).finish_non_exhaustive()
    }
}

impl Edge {
    /// The listener in the clear, of the thread whose runtime is `own`; its aliases lead to `front`, on the
    /// runtime of the caller.
    pub fn new(
        app: &App,
        source: &Arc<StoreSource>,
        front: &Arc<Front>,
        (own, trust): (&Handle, &Trust),
    ) -> Self {
        let (kept, summaries) = (app.kept_by_gateway.clone(), front.summaries().clone());
        let assertion_header = source.assertion_header();
        let (config, recorder) = (&app.config, &app.recorder);
        let surroundings = Surroundings { config, kept, summaries, assertion_header, trust, recorder };
        let aliases = Aliases { front: Arc::clone(front), control: Handle::current() };
        Self { aliases: Some(aliases), ..Self::over(Arc::clone(source), surroundings, own) }
    }
}

impl<S: Source> Edge<S> {
    /// A listener in the clear without aliases, of the thread whose runtime is `own`.
    pub fn over(source: S, surroundings: Surroundings<'_>, own: &Handle) -> Self {
        let Surroundings { config, kept, summaries, assertion_header, trust, recorder } = surroundings;
        let noted = Noted::new(recorder.thread(), &config.records);
        let outbound =
            if config.gateway.outbound_auth_header { OutboundToken::Keep } else { OutboundToken::Remove };
        let upstreams = Upstreams::new(Arc::clone(trust));
        let gateway = Gateway::new(source, upstreams, outbound, kept).asserting(assertion_header);
        let gateway = Arc::new(gateway);
        own.spawn(tidy(Arc::clone(&gateway)));
        Self {
            aliases: None,
            gateway,
            summaries,
            trusted_proxies: config.server.trusted_proxies.clone().into(),
            noted,
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
        let kind = if is_proxy { forwarded::Peer::Trusted } else { forwarded::Peer::Stranger };
        Arrival { address, peer: kind, client: peer.client, transport: self.transport }
    }
}

impl<S: Source> Answer for Edge<S> {
    type Body = Either<Full<Bytes>, Passed>;

    async fn answer(&self, request: Request<Incoming>, peer: Peer) -> http::Response<Self::Body> {
        if let Some(Aliases { front, control }) = &self.aliases
            && let Some(endpoint) = Front::alias(request.uri().path())
        {
            let front = Arc::clone(front);
            let answer = control.spawn(async move { front.answer_at(endpoint, request, peer).await });
            // It can only be missing when the server has ended.
            return answer.await.unwrap_or_else(|_| unavailable()).map(Either::Left);
        }
        let (begun, mut record) = (Instant::now(), self.gateway.begin());
        let (mut parts, body) = request.into_parts();
        let answer = self.gateway.call(&mut parts, body, self.arrival(peer), &mut record).await;
        let took = begun.elapsed();
        self.noted.call(&record, took, (peer.client, &parts.headers));
        let row = record.fault.as_ref().map(latchkey_gateway::answer::Fault::row);
        let outcome = Outcome {
            client_id: record.client_id,
            api_key: record.api_key,
            error: row.map(|row| row.code),
            cause: row.map(|row| record.cause.map_or(row.message, Cause::as_str).to_owned()),
            call: CallOutcome {
                application: record.by.map(|(application, _)| application),
                phase: record.fault.as_ref().map(Phase::of),
                explanation: record.explanation,
                upstream: record.upstream,
            },
            ..Outcome::default()
        };
        let route = record.route.map_or(Route::Unmatched, |(api, _)| Route::Api(api));
        let facts = Facts { route, method: parts.method, client: Some(peer.client) };
        self.summaries.request(facts, (answer.status(), took), Some(&outcome));
        answer
    }
}

impl Noted {
    fn new(calls: Arc<Calls>, records: &config::Records) -> Self {
        let kept = |is_on| if is_on { Remembered::Yes } else { Remembered::No };
        Self { calls, addresses: kept(records.addresses), user_agents: kept(records.user_agents) }
    }

    fn user_agent<'a>(&self, headers: &'a HeaderMap) -> Option<&'a HeaderValue> {
        match self.user_agents {
            Remembered::Yes => headers.get(USER_AGENT),
            Remembered::No => None,
        }
    }

    /// Notes a call of an API; one that found none is only counted by the metrics.
    fn call(&self, record: &Record, took: Duration, (address, headers): (IpAddr, &HeaderMap)) {
        let Some((api, _)) = &record.route else { return };
        let called = Called {
            at: record.at,
            api: api.api().id,
            by: record.by,
            class: class(record.fault.as_ref()),
            micros: u32::try_from(took.as_micros()).unwrap_or(u32::MAX),
        };
        let address = (self.addresses == Remembered::Yes).then_some(address);
        self.calls.push(called, || Sight::of(address, self.user_agent(headers)));
    }
}

fn unavailable() -> Whole {
    text(StatusCode::SERVICE_UNAVAILABLE, "text/plain; charset=utf-8", "")
}

/// Closes connections that nobody uses and forgets servers that no API has, as long as the thread lives.
async fn tidy<S: Source>(gateway: Arc<Gateway<S>>) {
    loop {
        gateway.tidy().await;
        tokio::time::sleep(SWEEP).await;
    }
}
