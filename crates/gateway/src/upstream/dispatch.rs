//! A call on its way to one of the addresses of an upstream: which one, how often, and what is learned from it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::Response;
use hyper::body::Incoming;
use latchkey_catalog::upstream::{Protocol, Upstream, UpstreamUrl};

use super::balance::Tried;
use super::fleet::{Fleet, Pending};
use super::health::Outcome;
use super::retry::{self, Body, Next, Reached};
use super::upgrade::Tunnel;
use super::{Outgoing, Upstreams, http2, streamed};
use crate::answer::{Fault, RequestFault};
use crate::explain::Cause;
use crate::forwarded::ProtectedListed;

/// A call that failed at one address.
#[derive(Debug)]
pub struct Failed {
    /// What the caller is answered.
    pub fault: Fault,
    /// What the answer does not tell.
    pub cause: Option<Cause>,
    /// How far the call came.
    pub reached: Reached,
    /// The body of the call, if it is still there in full.
    pub body: Option<Incoming>,
}

impl Failed {
    /// A call that came so far and is gone.
    pub(crate) const fn new(fault: Fault, reached: Reached) -> Self {
        Self { fault, cause: None, reached, body: None }
    }

    /// A call for which there was no connection.
    pub(super) fn before((fault, cause): (Fault, Option<Cause>), body: Option<Incoming>) -> Self {
        Self { fault, cause, reached: Reached::Nobody, body }
    }

    /// A call that no upstream gets as it is.
    pub(super) fn by_caller(_: ProtectedListed) -> Self {
        Self::new(Fault::Request(RequestFault::ConnectionHeader), Reached::Answer)
    }

    /// What it says about the address: nothing where the caller is to blame, or nobody was reached over a
    /// connection that was there.
    const fn outcome(&self) -> Option<Outcome> {
        match (&self.fault, self.reached) {
            (Fault::UpstreamConnect | Fault::UpstreamConnectTimeout, _) => Some(Outcome::NoConnection),
            (Fault::Request(_), _) | (_, Reached::Nobody) => None,
            (_, Reached::Server | Reached::Answer) => Some(Outcome::Broken),
        }
    }
}

/// The body of an upstream's answer.
#[derive(Debug)]
pub enum Answered {
    /// Over HTTP/1.1.
    Http1(streamed::Streamed),
    /// Over HTTP/2.
    Http2(Box<http2::Streamed>),
    /// A connection that is no longer HTTP: the answer is a 101.
    Tunnel(Box<Tunnel>),
}

/// What a call wants of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Want {
    /// An answer.
    Answer,
    /// The connection itself, if the upstream agrees.
    Upgrade,
}

/// The way of one call.
#[derive(Debug)]
pub struct Dispatch<'a> {
    /// The connections.
    pub upstreams: &'a Arc<Upstreams>,
    /// What is known of the addresses.
    pub fleet: &'a Fleet,
    /// Where the call may go.
    pub upstream: &'a Upstream,
    /// Whose turn it is.
    pub turn: usize,
    /// What is wanted.
    pub want: Want,
    /// Since when it is under way.
    pub begun: tokio::time::Instant,
}

impl Dispatch<'_> {
    /// Sends a call and waits for the head of the answer; with it comes the call's count at the address, to be
    /// kept as long as the answer lasts.
    pub async fn send(
        &self,
        outgoing: &Outgoing<'_>,
        mut body: Incoming,
    ) -> Result<(Response<Answered>, Option<Pending>), Failed> {
        let (mut tried, mut begun, mut last) = (Tried::default(), self.begun, None);
        loop {
            let chosen = self.fleet.choose(&self.upstream.urls, self.turn, tried, Instant::now);
            let Some((place, pending)) = chosen else {
                // There is an address at first, so there was an attempt.
                return Err(last.unwrap_or_else(|| Failed::new(Fault::UpstreamConnect, Reached::Nobody)));
            };
            tried.add(place);
            let address = &self.upstream.urls[place];
            let mut failed = match self.attempt(address, outgoing, body, begun).await {
                Ok(answer) => {
                    self.fleet.note(address, Outcome::Answered, Instant::now);
                    return Ok((answer, pending));
                }
                Err(failed) => failed,
            };
            if let Some(outcome) = failed.outcome() {
                self.fleet.note(address, outcome, Instant::now);
            }
            let again = failed.body.take();
            let is_whole = if again.is_some() { Body::Whole } else { Body::Spent };
            let attempt = (failed.reached, tried.count());
            let next = retry::next(outgoing.method, is_whole, self.upstream.retries, attempt);
            let patience = Duration::from_millis(u64::from(self.upstream.timeouts.answer));
            match again {
                Some(again) if next == Next::OtherAddress && self.begun.elapsed() < patience => {
                    (body, last, begun) = (again, Some(failed), tokio::time::Instant::now());
                }
                Some(_) | None => return Err(failed),
            }
        }
    }

    async fn attempt(
        &self,
        address: &UpstreamUrl,
        outgoing: &Outgoing<'_>,
        body: Incoming,
        begun: tokio::time::Instant,
    ) -> Result<Response<Answered>, Failed> {
        match (self.want, self.upstream.protocol) {
            (Want::Upgrade, _) => Box::pin(self.upstreams.upgrade(address, outgoing, body)).await,
            (Want::Answer, Protocol::Http1) => {
                let sent = self.upstreams.send(address, outgoing, body, begun).await;
                sent.map(|answer| answer.map(Answered::Http1))
            }
            (Want::Answer, Protocol::Http2) => {
                Box::pin(self.upstreams.send_http2(address, outgoing, body)).await
            }
        }
    }
}
