//! A call, phase by phase.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::ORIGIN;
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use latchkey_catalog::api::{API_KEY_HEADER, Upgrades};
use latchkey_catalog::id::EntryId;
use latchkey_oauth::clock::{Clock, Timestamp};
use latchkey_oauth::entropy::{Entropy, random};
use tokio::time::{Instant, timeout};

use crate::answer::{Asked, Fault, Form, RequestFault};
use crate::authorize::{CallOrigin, Page, Permit, authorize};
use crate::echo;
use crate::explain::{self, Cause, ExplanationId, Explanations, Place, Refusal, Who};
use crate::forwarded::{Forwarding, Origin, Peer, TokenHeader, Upgrading};
use crate::path::Target;
use crate::record::FamilyKey;
use crate::route::{Route, RoutedApi, Transport};
use crate::source::{Holder, Source, Trial, Unavailable};
use crate::stream::open::OpenStreams;
use crate::stream::opened::{Ended, Opened};
use crate::stream::passed::{Passed, is_long, unless_ended};
use crate::throttle::{Admission, Admitted, Counters, RateLimit};
use crate::upstream::dispatch::{Dispatch, Want};
use crate::upstream::fleet::Fleet;
use crate::upstream::{Outgoing, Rest, Upstreams};
use crate::{cors, head};
use credentials::{Entry, Outbound, Shown};

mod credentials;
mod tunnel;

/// What a caller gets: an answer of the gateway itself, or the upstream's as it comes.
pub type Answer = Response<Either<Full<Bytes>, Passed>>;

/// What becomes of the header that carried the token (`gateway.outbound_auth_header`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OutboundToken {
    /// It ends at the gateway (D15).
    #[default]
    Remove,
    /// The upstream gets it.
    Keep,
}

/// A gateway over a source of facts.
#[derive(Debug)]
pub struct Gateway<S> {
    source: S,
    upstreams: Arc<Upstreams>,
    outbound_token: OutboundToken,
    /// The header for assertions about callers, where there are any.
    assertion_header: Option<HeaderName>,
    kept: Kept,
    /// Spreads calls over the addresses of an upstream.
    turn: AtomicUsize,
}

/// What a gateway keeps from one call to the next, and what administration looks at and sets back.
#[derive(Debug, Clone)]
pub struct Kept {
    /// The time that windows of limits go by.
    pub clock: Arc<dyn Clock>,
    /// Where chance comes from.
    pub entropy: Arc<dyn Entropy>,
    /// What was counted.
    pub counters: Arc<Counters>,
    /// Why calls were refused.
    pub explanations: Arc<Explanations>,
    /// What is known of the servers behind the APIs.
    pub fleet: Arc<Fleet>,
    /// What lasts longer than a call.
    pub streams: Arc<OpenStreams>,
}

/// How a call arrived.
#[derive(Debug, Clone, Copy)]
pub struct Arrival {
    /// The other end of the connection.
    pub address: IpAddr,
    /// Whether it is a proxy of our own.
    pub peer: Peer,
    /// The caller's address; of a call through proxies of our own, what these say.
    pub client: IpAddr,
    /// The listener.
    pub transport: Transport,
}

/// What is recorded of a call.
#[derive(Debug)]
pub struct Record {
    /// When it came.
    pub at: Timestamp,
    /// The API, and the place of the resource in it.
    pub route: Option<(Arc<RoutedApi>, usize)>,
    /// The consumer key of the token.
    pub client_id: Option<String>,
    /// The name of the API key.
    pub api_key: Option<String>,
    /// The application and the family of the token.
    pub by: Option<(EntryId, FamilyKey)>,
    /// How long the upstream took until the head of its answer, or until it was given up.
    pub upstream: Option<Duration>,
    /// Why the gateway answered itself.
    pub fault: Option<Fault>,
    /// What the answer does not tell.
    pub cause: Option<Cause>,
    /// Whom a refused call was from.
    pub who: Option<Who>,
    /// The name under which a refusal is kept.
    pub explanation: Option<ExplanationId>,
    /// The limit that the answer tells about: the one that is reached, else the one closest to it.
    pub limit: Option<RateLimit>,
}

impl Record {
    /// Of a call that came at this moment.
    pub const fn begun(at: Timestamp) -> Self {
        Self {
            at,
            route: None,
            client_id: None,
            api_key: None,
            by: None,
            upstream: None,
            fault: None,
            cause: None,
            who: None,
            explanation: None,
            limit: None,
        }
    }
}

impl From<Unavailable> for Fault {
    fn from(_: Unavailable) -> Self {
        Self::TemporarilyUnavailable
    }
}

/// What one call is about, from its route on. Everything that lives as long as the call is lent from phase to
/// phase: what an `async fn` takes as its own lies in its state twice, and is copied wherever that moves.
struct Call<'a> {
    parts: &'a mut Parts,
    host: HeaderValue,
    shown: Shown,
    target: &'a Target<'a>,
    route: Route<'a, 'a>,
    arrival: Arrival,
    /// What the upstream is told about the caller.
    assertion: Option<HeaderValue>,
    /// What the internal key opens that it brought.
    trial: Option<Trial>,
}

/// The rest of a call's way, once it may go on.
struct Way<'a, 'c, H> {
    call: &'a mut Call<'c>,
    /// Whose token it brought.
    holder: Option<&'a H>,
    /// Since when it is on its way to the upstream.
    begun: Instant,
}

impl<S: Source> Gateway<S> {
    /// A gateway that asks `source` and sends calls on over `upstreams`.
    pub fn new(source: S, upstreams: Arc<Upstreams>, outbound_token: OutboundToken, kept: Kept) -> Self {
        let (assertion_header, turn) = (None, AtomicUsize::new(0));
        Self { source, upstreams, outbound_token, assertion_header, kept, turn }
    }

    /// The same gateway, which tells upstreams about callers in this header, as far as its source does.
    #[must_use]
    pub fn asserting(mut self, header: Option<HeaderName>) -> Self {
        self.assertion_header = header;
        self
    }

    /// Forgets what is known of servers that no API has any more, and knows of those that are new.
    pub async fn tidy(&self) {
        if let Ok(routes) = self.source.routes().await {
            self.kept.fleet.publish(routes.upstreams());
        }
        self.upstreams.sweep();
    }

    /// The record of a call that comes now.
    pub fn begin(&self) -> Record {
        Record::begun(self.kept.clock.now())
    }

    /// Answers a call, and says in `record` what became of it.
    pub async fn call(
        &self,
        parts: &mut Parts,
        body: Incoming,
        arrival: Arrival,
        record: &mut Record,
    ) -> Answer {
        let form = Form::of(&parts.method, &parts.headers);
        let page = parts.headers.get(ORIGIN).cloned();
        let mut answer = match self.pass(parts, body, arrival, record).await {
            Ok(answer) => answer,
            Err(fault) => {
                let mut answer = refuse(&fault, form, record);
                let explanation = self.explain(fault.clone(), record);
                if let Ok(id) = HeaderValue::try_from(explanation.to_string()) {
                    answer.headers_mut().insert(explain::HEADER, id);
                }
                record.explanation = Some(explanation);
                record.fault = Some(fault);
                answer
            }
        };
        if let Some(limit) = &record.limit {
            limit.write(answer.headers_mut(), self.kept.clock.now());
        }
        if let (Some(origin), Some((api, _))) = (page, &record.route) {
            let headers = HeaderMap::from_iter([(ORIGIN, origin)]);
            cors::permit(api, &headers, answer.headers_mut());
        }
        answer
    }

    /// Keeps what is known of a refused call.
    fn explain(&self, fault: Fault, record: &Record) -> ExplanationId {
        self.kept.explanations.note(Refusal {
            at: self.kept.clock.now(),
            fault,
            cause: record.cause,
            who: record.who.clone(),
            limit: record.limit.clone(),
            place: record.route.as_ref().map(|(api, resource)| Place::new(Arc::clone(api), *resource)),
        })
    }

    /// The phases.
    async fn pass(
        &self,
        parts: &mut Parts,
        body: Incoming,
        arrival: Arrival,
        record: &mut Record,
    ) -> Result<Answer, Fault> {
        let uri = std::mem::take(&mut parts.uri);
        let host = head::check(&parts.method, &uri, parts.version, &parts.headers).map_err(Fault::Request)?;
        let target = Target::normalise(uri.path_and_query().map_or("/", PathAndQuery::as_str))?;
        let routes = match self.source.routes_at_hand() {
            Some(routes) => routes,
            // What is waited for seldom lives on the heap: every call moves its own state around.
            None => Box::pin(self.source.routes()).await?,
        };
        if parts.method == Method::OPTIONS
            && let Some((api, _)) = routes.api(&target)
            && let Some(preflight) = cors::preflight(api, &parts.method, &parts.headers)
        {
            return Ok(preflight.map(|body| Either::Left(Full::new(body))));
        }
        let route = routes.find(&parts.method, &target, arrival.transport)?;
        record.route = Some((Arc::clone(route.api), route.resource));
        let (shown, trial, assertion) = (Shown::Token, None, None);
        let mut call = Call { parts, host, shown, target: &target, route, arrival, assertion, trial };
        let (tiers, denied, address) = (routes.tiers(), routes.denied(), arrival.client);
        let admission = Admission { tiers, route: &route, caller: None, denied, address };
        let (admitted, holder) = match self.enter(&mut call, record).await? {
            Entry::Free(permit) => (self.throttle(permit, admission, record).await?, None),
            Entry::Holder(holder) => {
                let caller = holder.caller(route.api.api().id);
                record.note(&caller);
                let origin = CallOrigin { client: arrival.client, page: Page::In(&call.parts.headers) };
                let admitted = match authorize(&route, &caller, &origin) {
                    Ok(permit) => {
                        self.throttle(permit, Admission { caller: Some(&caller), ..admission }, record).await
                    }
                    Err(fault) => Err(fault),
                };
                let admitted = admitted.inspect_err(|_| record.who = Some(Who::of(&caller)))?;
                if self.assertion_header.is_some() {
                    call.assertion = Box::pin(self.source.assertion(&holder, route.api)).await?;
                }
                (admitted, Some(holder))
            }
        };
        let begun = Instant::now();
        let way = Way { call: &mut call, holder: holder.as_ref(), begun };
        let answer = self.forward(&admitted, way, body, record).await;
        record.upstream = Some(begun.elapsed());
        answer
    }

    /// Counts the call at its limits, which is what lets it go on.
    async fn throttle(
        &self,
        permit: Permit,
        admission: Admission<'_>,
        record: &mut Record,
    ) -> Result<Admitted, Fault> {
        let clock = (&*self.kept.clock, record.at);
        let admitted = admission.admit(permit, &self.kept.counters, clock).await;
        let admitted = admitted.map_err(|refused| {
            record.limit = refused.limit;
            record.cause = refused.cause;
            refused.fault
        })?;
        record.limit = admitted.limit().cloned();
        Ok(admitted)
    }

    /// How the call's headers go on.
    fn forwarding<'a>(
        &'a self,
        call: &'a Call<'_>,
        outbound: &'a Outbound,
        upgrade: Upgrading,
    ) -> Forwarding<'a> {
        Forwarding {
            token_header: call.route.api.token_header(),
            token: match outbound {
                Outbound::Leftover(leftover) => TokenHeader::Remove(leftover.as_deref()),
                Outbound::Whole => TokenHeader::Keep,
            },
            key_header: call.route.api.key_header(),
            upgrade,
            origin: Origin {
                address: call.arrival.address,
                peer: call.arrival.peer,
                host: &call.host,
                transport: call.arrival.transport,
            },
            assertion: self.assertion_header.as_ref().map(|header| (header, call.assertion.as_ref())),
        }
    }

    /// Comes to its end when the call may not be made any more.
    fn ended(&self, call: &Call<'_>, holder: Option<&S::Holder>, became: Upgrades) -> Ended {
        let of = (&call.parts.method, call.target);
        let origin = CallOrigin { client: call.arrival.client, page: Page::In(&call.parts.headers) };
        let opened = Opened::new(of, (&call.route, call.arrival.transport), became).from(&origin);
        match call.trial {
            None => Box::pin(self.source.ended(holder, opened)),
            Some(trial) => Box::pin(trial.bounds(self.source.ended(holder, opened.on_trial(trial.keys)))),
        }
    }

    /// Sends the call on.
    async fn forward(
        &self,
        admitted: &Admitted,
        way: Way<'_, '_, S::Holder>,
        body: Incoming,
        record: &mut Record,
    ) -> Result<Answer, Fault> {
        let Way { call, holder, begun } = way;
        let outbound = self.outbound(call);
        let upstream = admitted.permit().upstream()?;
        let caller = tunnel::wanted(call.route.api, call.parts);
        let call = &*call;
        let upgrade = if caller.is_some() { Upgrading::WebSocket } else { Upgrading::No };
        let forwarding = self.forwarding(call, &outbound, upgrade);
        let outgoing = Outgoing {
            method: &call.parts.method,
            target: Rest { path: call.route.rest, query: call.target.query() },
            headers: &call.parts.headers,
            forwarding: &forwarding,
            timeouts: upstream.timeouts,
        };
        let idle = Duration::from_millis(u64::from(upstream.timeouts.idle));
        if let Some(address) = upstream.urls.iter().find(|address| echo::is_at(address)) {
            let taken = timeout(idle, Box::pin(echo::answer(address, &outgoing, body))).await;
            return taken.unwrap_or(Err(Fault::Request(RequestFault::TooSlow)));
        }
        let ended = |became| self.ended(call, holder, became);
        let dispatch = Dispatch {
            upstreams: &self.upstreams,
            fleet: &self.kept.fleet,
            upstream,
            turn: self.turn.fetch_add(1, Ordering::Relaxed),
            want: if caller.is_some() { Want::Upgrade } else { Want::Answer },
            begun,
        };
        let sent = if is_long(&body) {
            Box::pin(unless_ended(dispatch.send(&outgoing, body), ended(Upgrades::None))).await
        } else {
            dispatch.send(&outgoing, body).await
        };
        let (answer, pending) = sent.map_err(|failed| {
            record.cause = failed.cause;
            failed.fault
        })?;
        let (head, body) = answer.into_parts();
        match (Passed::new(body, pending, || ended(Upgrades::None)), caller) {
            (Ok(body), _) if head.status != StatusCode::SWITCHING_PROTOCOLS => {
                Ok(Response::from_parts(head, Either::Right(body)))
            }
            (Err((upstream, pending)), Some(caller)) => {
                let (mask, streams) = (random(&*self.kept.entropy), Arc::clone(&self.kept.streams));
                let terms = tunnel::Terms { idle, ended: ended(Upgrades::WebSocket), mask, streams, pending };
                Ok(tunnel::join(caller, upstream, head.headers, terms))
            }
            // Where nothing was asked for, there is nothing that the upstream could switch to.
            (Ok(_), _) | (Err(_), None) => Err(Fault::UpstreamProtocol),
        }
    }
}

fn refuse(fault: &Fault, form: Form, record: &Record) -> Answer {
    let mut asked = Asked { form, ..Asked::default() };
    let mut scopes = Vec::new();
    if let Some((api, resource)) = &record.route {
        let definition = &api.api().definition;
        let token_header = definition.authorization_header.as_deref().or(asked.token_header);
        asked.token_header = token_header.filter(|_| api.takes_tokens());
        let key_header = definition.api_key_header.as_deref().unwrap_or(API_KEY_HEADER);
        asked.key_header = api.key_header().map(|_| key_header);
        scopes = api.resources()[*resource].scopes.iter().map(String::as_str).collect();
    }
    asked.scopes = &scopes;
    fault.answer(&asked).map(|body| Either::Left(Full::new(body)))
}

#[cfg(test)]
mod tests;
