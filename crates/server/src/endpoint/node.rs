//! What gateway nodes ask and tell, each with the node's secret as a bearer token: `POST /api/latchkey/v1/feed` and
//! what else is in [`latchkey_gateway::node`].

mod assertions;
mod explanations;
mod limits;
mod records;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use http::{HeaderMap, Request, StatusCode};
use latchkey_catalog::node::Node;
use latchkey_gateway::node::wire::{
    ApiKeyFacts as KeyFacts, FeedAnswer, FeedRequest, HolderFacts, Looked, LookupAnswer, LookupRequest,
    MOST_CHANGES, MOST_TOKENS, Place, Snapshot, Standing as Stands, SubscriptionFacts, TokenFacts, Told,
};
use latchkey_oauth::api_key_value;
use latchkey_oauth::clock::Timestamp;
use latchkey_oauth::family::{Expiry, Family};
use latchkey_oauth::id::PrincipalId;
use latchkey_oauth::keyring::ValueKind;
use latchkey_oauth::minted_value::digest_of;
use latchkey_oauth::refusal::Refusal;
use latchkey_oauth::secret::Secret;
use latchkey_oauth::sieve::SieveKeys;
use latchkey_store::api_keys::ApiKeyFacts;
use latchkey_store::changes::{Changed, Changes, Mark, Opening};
use latchkey_store::facts::ClientFacts;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use crate::app::{App, unavailable};
use crate::http::answer::{Answered, Outcome, Whole, json, text};
use crate::http::request::{bearer, read_body};
use crate::token::api_key::{KeyStanding, PresentedKeys};
use crate::token::resolve::{ResolvedToken, Standing, Tokens};

pub use assertions::assertion;
pub use explanations::explanation;
pub use limits::limits;
#[cfg(test)]
pub(crate) use records::recorded;
pub use records::records;

/// The most questions of nodes that wait or are looked up at once; further ones are answered 503.
const SEATS: usize = 512;
/// The largest body of a question: so many tokens of the longest kind, and what is around them.
const BODY: usize = MOST_TOKENS * (latchkey_gateway::bearer::MAX_TOKEN + 16) + 1024;

/// Where nodes ask.
#[derive(Debug)]
pub struct NodeDesk {
    app: Arc<App>,
    seats: Semaphore,
    /// The longest wait of an answer for something to tell.
    longest_wait: Duration,
}

impl NodeDesk {
    /// Over the store of `app`.
    pub fn new(app: Arc<App>) -> Self {
        let longest_wait = app.config.server.request_timeout.as_std() / 2;
        Self { app, seats: Semaphore::new(SEATS), longest_wait }
    }

    /// Refuses who is no node, and what is too much.
    async fn admit(&self, headers: &HeaderMap) -> Result<(Node, SemaphorePermit<'_>), Refusal> {
        let secret = bearer(headers, None)?;
        let node = self.app.store.node(digest_of(&secret)).await.map_err(unavailable)?;
        let node = node.ok_or(Refusal::InvalidBearer)?;
        let seat = self.seats.try_acquire().map_err(|_| Refusal::Busy)?;
        Ok((node, seat))
    }
}

/// What has changed since a place in the log. The answer waits for something to tell, as long as the node
/// says; without any it is the sign that there was nothing.
pub async fn feed(State(desk): State<Arc<NodeDesk>>, request: Request<Body>) -> Whole {
    told(desk.feed(request).await)
}

/// What tokens stand for now, and what applications may call.
pub async fn lookup(State(desk): State<Arc<NodeDesk>>, request: Request<Body>) -> Whole {
    told(desk.lookup(request).await)
}

/// What is published now.
pub async fn snapshot(State(desk): State<Arc<NodeDesk>>, request: Request<Body>) -> Whole {
    told(desk.snapshot(request).await)
}

/// Why a node gets no answer.
enum Unanswered {
    Refused(Refusal),
    /// The question cannot be read.
    Malformed,
}

impl From<Refusal> for Unanswered {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

fn told(answer: Result<impl Serialize, Unanswered>) -> Whole {
    match answer {
        Ok(answer) => json(&answer),
        Err(Unanswered::Refused(refusal)) => Answered::new(Err(refusal), Outcome::default()).response,
        Err(Unanswered::Malformed) => {
            let body = r#"{"error":"invalid_request","error_description":"This is no question of a node."}"#;
            text(StatusCode::BAD_REQUEST, "application/json", body)
        }
    }
}

/// The question in the body of `request`.
async fn question<Q: DeserializeOwned>(request: Request<Body>) -> Result<Q, Unanswered> {
    let body = read_body(request.into_body(), BODY).await?;
    serde_json::from_slice(&body).map_err(|_| Unanswered::Malformed)
}

impl NodeDesk {
    async fn feed(&self, request: Request<Body>) -> Result<FeedAnswer, Unanswered> {
        let (_, _seat) = self.admit(request.headers()).await?;
        let asked: FeedRequest = question(request).await?;
        let log = self.app.store.changes();
        // The nonce is here, so whatever was acknowledged before the node sent it stands in the log by now.
        let since = asked.since.as_ref().and_then(mark_of).filter(|mark| log.since(*mark, 1).is_ok());
        // Numbers are of this opening: who comes from another one has heard no question.
        let heard = asked.inquiries.map(|number| if since.is_some() { number } else { 0 });
        if let Some(mark) = since {
            let wait = Duration::from_millis(asked.wait).min(self.longest_wait);
            // Nothing to tell is an answer too.
            let _ = timeout(wait, self.news(mark, heard)).await;
        }
        let mut answer = tell(log, since, asked.nonce, self.app.now());
        if let Some(heard) = heard {
            let (ids, number) = self.app.inquiries.since(heard);
            answer.asked = ids.iter().map(ToString::to_string).collect();
            answer.inquiries = number;
        }
        Ok(answer)
    }

    /// Waits for something to tell to who stands at `mark` and has heard the question numbered `heard`.
    async fn news(&self, mark: Mark, heard: Option<u64>) {
        let question = async {
            match heard {
                Some(number) => self.app.inquiries.wait(number).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.app.store.changes().wait(mark) => {}
            () = question => {}
        }
    }

    async fn lookup(&self, request: Request<Body>) -> Result<LookupAnswer, Unanswered> {
        let (_, _seat) = self.admit(request.headers()).await?;
        let asked: LookupRequest = question(request).await?;
        if asked.tokens.len() + asked.clients.len() > MOST_TOKENS {
            return Err(Unanswered::Malformed);
        }
        let now = self.app.now();
        let mut tokens = Vec::with_capacity(asked.tokens.len());
        for token in asked.tokens {
            tokens.push(self.look(&Secret::new(token), now).await?);
        }
        let mut holders = Vec::with_capacity(asked.clients.len());
        for client in asked.clients {
            holders.push(self.holder(client).await?);
        }
        Ok(LookupAnswer { tokens, holders })
    }

    /// What the application of a client, or of an API key, may call.
    async fn holder(&self, client: PrincipalId) -> Result<Option<HolderFacts>, Refusal> {
        if let Some(client) = self.app.store.client_by_id(client).await.map_err(unavailable)? {
            return Ok(Some(holder(&client)));
        }
        let key = self.app.store.api_key(client).await.map_err(unavailable)?;
        Ok(key.map(|found| key_holder(&found)))
    }

    async fn look(&self, token: &Secret, now: Timestamp) -> Result<Looked, Refusal> {
        if token.expose().starts_with(api_key_value::PREFIX) {
            return self.look_at_key(token, now).await;
        }
        let (standing, found) = match Tokens::new(&self.app).standing(token, now).await? {
            Standing::Active(found) => (Stands::Alive, found),
            Standing::Expired(found) => (Stands::Expired, found),
            Standing::Revoked(found) => (Stands::Revoked, found),
            Standing::Unknown => return Ok(Looked { standing: Stands::Unknown, facts: None }),
        };
        if found.reference.kind != ValueKind::Access {
            return Ok(Looked { standing: Stands::Unknown, facts: None });
        }
        let client = self.app.store.client_by_id(found.held.family.client).await.map_err(unavailable)?;
        let facts = client.map(|client| facts(&found, &client));
        let standing = if facts.is_none() { Stands::Revoked } else { standing };
        Ok(Looked { standing, facts })
    }

    async fn look_at_key(&self, key: &Secret, now: Timestamp) -> Result<Looked, Refusal> {
        let (standing, found) = match PresentedKeys::new(&self.app).standing(key, now).await? {
            KeyStanding::Active(found) => (Stands::Alive, found),
            KeyStanding::Expired(found) => (Stands::Expired, found),
            KeyStanding::Superseded(found) => (Stands::Revoked, found),
            KeyStanding::Unknown => return Ok(Looked { standing: Stands::Unknown, facts: None }),
        };
        Ok(Looked { standing, facts: Some(key_facts(&found)) })
    }

    async fn snapshot(&self, request: Request<Body>) -> Result<Snapshot, Unanswered> {
        let (_, _seat) = self.admit(request.headers()).await?;
        let keys = self.app.keys.load_full();
        let apis = self.app.store.apis().await.map_err(unavailable)?;
        let tiers = self.app.store.tiers().await.map_err(unavailable)?;
        let sieve = Some(SieveKeys::of(&keys.ring, &keys.signing));
        let denied = self.app.store.denied().await.map_err(unavailable)?;
        Ok(Snapshot { apis: apis.into_iter().map(Into::into).collect(), tiers, denied, sieve })
    }
}

/// What `log` has to tell to who stands at `since`.
fn tell(log: &Changes, since: Option<Mark>, nonce: u64, now: Timestamp) -> FeedAnswer {
    let told = since.and_then(|mark| log.since(mark, MOST_CHANGES).ok());
    let anew = told.is_none();
    // Who begins anew begins at the end, which is noted before anything else is asked.
    let (changes, mark) = told.unwrap_or_else(|| (Vec::new(), log.mark()));
    let is_all = changes.len() < MOST_CHANGES;
    FeedAnswer {
        nonce: is_all.then_some(nonce),
        place: Place { opening: opening(mark.opening), seq: mark.seq },
        anew,
        changes: changes.into_iter().map(in_words).collect(),
        now,
        asked: Vec::new(),
        inquiries: 0,
    }
}

fn in_words(change: Changed) -> Told {
    match change {
        Changed::Family { id, access } => Told::Family { id, access },
        Changed::Epoch { principal, epoch } => Told::Epoch { principal, epoch },
        Changed::Client { id } => Told::Client { id },
        Changed::Catalogue => Told::Catalogue,
        Changed::Keys => Told::Keys,
        Changed::Limits => Told::Limits,
    }
}

fn opening(opening: Opening) -> String {
    format!("{:032x}", u128::from_be_bytes(*opening.as_bytes()))
}

fn mark_of(place: &Place) -> Option<Mark> {
    let number = u128::from_str_radix(&place.opening, 16).ok()?;
    Some(Mark { opening: Opening::from_bytes(number.to_be_bytes()), seq: place.seq })
}

fn facts(found: &ResolvedToken, client: &ClientFacts) -> TokenFacts {
    let family: &Family = &found.held.family;
    TokenFacts {
        bucket: family.bucket.number(),
        family: family.id,
        generation: family.access.generation,
        expires: match family.access.expires {
            Expiry::At(end) => Some(end),
            Expiry::Never => None,
        },
        scope: family.access.scope.as_str().to_owned(),
        device: family.device.0.as_deref().map(str::to_owned),
        client: family.client,
        client_epoch: family.epochs.client,
        subject_type: family.subject.kind,
        subject: family.subject.id,
        subject_epoch: family.epochs.subject,
        holder: holder(client),
    }
}

fn holder(client: &ClientFacts) -> HolderFacts {
    HolderFacts {
        application: client.application.id,
        application_tier: client.application.tier.clone(),
        consumer_key: Some(client.client.consumer_key.clone()),
        api_key: None,
        keys: client.client.key_type,
        subscriptions: client.subscriptions.iter().map(subscription).collect(),
    }
}

/// An API key stands there as a family of its own. Its epoch is its generation, so a change of that ends it at
/// the nodes; the application that it speaks for has none that changes.
fn key_facts(found: &ApiKeyFacts) -> TokenFacts {
    let key = &found.key;
    let ((bucket, family), subject) = (key.family(), key.subject());
    TokenFacts {
        bucket: bucket.number(),
        family,
        generation: key.generation,
        expires: match key.expires() {
            Expiry::At(end) => Some(end),
            Expiry::Never => None,
        },
        scope: String::new(),
        device: None,
        client: key.id,
        client_epoch: u64::from(key.generation),
        subject_type: subject.kind,
        subject: subject.id,
        subject_epoch: 0,
        holder: key_holder(found),
    }
}

fn key_holder(found: &ApiKeyFacts) -> HolderFacts {
    let key = &found.key;
    HolderFacts {
        application: found.application.id,
        application_tier: found.application.tier.clone(),
        consumer_key: None,
        api_key: Some(KeyFacts {
            name: key.name.clone(),
            addresses: key.restrictions.addresses(),
            referers: key.restrictions.referers(),
        }),
        keys: key.keys,
        subscriptions: found.subscriptions.iter().map(subscription).collect(),
    }
}

fn subscription(held: &latchkey_catalog::subscription::Subscription) -> SubscriptionFacts {
    SubscriptionFacts { api: held.api, tier: held.tier.clone(), state: held.state }
}

#[cfg(test)]
mod tests;
