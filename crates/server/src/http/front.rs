//! What answers the server listener.
//!
//! The endpoints that clients call for every token stand in front of the router, behind a plain match on
//! the path: a router, its layers and its boxes cost such a request half as much again as HTTP itself.
//! Everything else goes through the router.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use http::{Method, Request, Response};
use http_body_util::{Either, Full};
use hyper::body::{Bytes, Incoming};

use super::answer::{Answered, Outcome, Whole};
use super::guard::{Arrival, Guard};
use super::request::FormBody;
use super::router;
use crate::app::App;
use crate::endpoint::{introspect, jwks, revoke, token, userinfo};
use crate::listener::Answer;
use crate::metrics::Route;
use crate::network::Peer;
use crate::request_summary::{Facts, Lines, Summaries};

#[cfg(test)]
mod tests;

/// The endpoints of the server listener.
#[derive(Debug)]
pub struct Front {
    app: Arc<App>,
    summaries: Summaries,
    guard: Guard,
    others: Router,
}

/// An endpoint that stands in front of the router.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// Tokens are issued.
    Token,
    /// Tokens are revoked.
    Revoke,
    /// Tokens are looked at.
    Introspect,
    /// Whom a token speaks for.
    UserInfo,
    /// The public keys.
    Jwks,
}

/// Below it lies everything of the one organization that there is once more, as in WSO2.
const TENANT: &[u8] = b"/t/carbon.super";

impl Endpoint {
    fn at(path: &[u8]) -> Option<Self> {
        match path.strip_prefix(TENANT).unwrap_or(path) {
            b"/oauth2/token" => Some(Self::Token),
            b"/oauth2/revoke" => Some(Self::Revoke),
            b"/oauth2/introspect" => Some(Self::Introspect),
            b"/oauth2/userinfo" => Some(Self::UserInfo),
            b"/oauth2/jwks" => Some(Self::Jwks),
            _ => None,
        }
    }

    const fn path(self) -> &'static str {
        match self {
            Self::Token => "/oauth2/token",
            Self::Revoke => "/oauth2/revoke",
            Self::Introspect => "/oauth2/introspect",
            Self::UserInfo => "/oauth2/userinfo",
            Self::Jwks => "/oauth2/jwks",
        }
    }

    /// The methods it answers, as `Allow` names them.
    const fn methods(self) -> &'static str {
        match self {
            Self::Token | Self::Revoke | Self::Introspect => "POST",
            Self::UserInfo => "GET,HEAD,POST",
            Self::Jwks => "GET,HEAD",
        }
    }

    fn takes(self, method: &Method) -> bool {
        self.methods().split(',').any(|known| known == method.as_str())
    }
}

impl Front {
    /// The endpoints of `app`.
    pub fn new(app: Arc<App>) -> Self {
        let lines = if app.config.log.requests { Lines::Write } else { Lines::Omit };
        let summaries = Summaries::new(Arc::clone(&app.metrics), lines);
        let others = router::server(Arc::clone(&app), summaries.clone());
        let guard = Guard::of(&app);
        Self { app, summaries, guard, others }
    }

    /// Where the requests are summarized.
    pub const fn summaries(&self) -> &Summaries {
        &self.summaries
    }

    /// The endpoint that stands at `path` of the gateway (D20).
    pub fn alias(path: &str) -> Option<Endpoint> {
        match path {
            "/token" => Some(Endpoint::Token),
            "/revoke" => Some(Endpoint::Revoke),
            "/userinfo" => Some(Endpoint::UserInfo),
            "/jwks" => Some(Endpoint::Jwks),
            _ => None,
        }
    }

    /// The answer of `endpoint`, summarized whatever becomes of the request.
    pub async fn answer_at(&self, endpoint: Endpoint, request: Request<impl FormBody>, peer: Peer) -> Whole {
        let method = request.method().clone();
        let begun = Instant::now();
        let facts = Facts { route: Route::Endpoint(endpoint.path()), client: Some(peer.client), method };
        let Answered { response, outcome } = if endpoint.takes(&facts.method) {
            let arrival = Arrival::default();
            let request = request.map(|body| arrival.of(body));
            let answer = self.guard.run(&arrival, self.ask(endpoint, request, peer)).await;
            answer.unwrap_or_else(|refusal| Answered::new(Err(refusal), Outcome::default()))
        } else {
            Answered::method_not_allowed(endpoint.methods())
        };
        self.summaries.request(facts, (response.status(), begun.elapsed()), Some(&outcome));
        response
    }

    async fn ask(&self, endpoint: Endpoint, request: Request<impl FormBody>, peer: Peer) -> Answered {
        let app = &*self.app;
        match endpoint {
            Endpoint::Token => token::post(app, request, peer).await,
            Endpoint::Revoke => revoke::post(app, request, peer).await,
            Endpoint::Introspect => introspect::post(app, request, peer).await,
            Endpoint::UserInfo => userinfo::answer(app, request, peer).await,
            Endpoint::Jwks => Answered::new(Ok(jwks::answer(app)), Outcome::default()),
        }
    }

    /// The answer at `path`, where one of these endpoints is.
    #[cfg(test)]
    pub(crate) async fn answer_path(&self, request: Request<impl FormBody>, peer: Peer) -> Whole {
        let endpoint = Endpoint::at(request.uri().path().as_bytes()).expect("tests ask an endpoint");
        self.answer_at(endpoint, request, peer).await
    }
}

impl Answer for Front {
    type Body = Either<Full<Bytes>, Body>;

    async fn answer(&self, request: Request<Incoming>, peer: Peer) -> Response<Self::Body> {
        let Some(endpoint) = Endpoint::at(request.uri().path().as_bytes()) else {
            return self.others.answer(request, peer).await.map(Either::Right);
        };
        self.answer_at(endpoint, request, peer).await.map(Either::Left)
    }
}
