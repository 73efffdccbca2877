//! A server elsewhere as the gateway's source.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use http::HeaderValue;
use latchkey_catalog::id::EntryId;
use latchkey_gateway::authorize::{Caller, Credential, Subscribed};
use latchkey_gateway::explain::Explanations;
use latchkey_gateway::node::lease::Lease;
use latchkey_gateway::node::table::{Digest, FamilyTable, Fence, Known, KnownKey, Look, Room};
use latchkey_gateway::node::wire::{HolderFacts, Snapshot, Standing, Told};
use latchkey_gateway::route::{RoutedApi, Routes};
use latchkey_gateway::source::{Holder, Presented, Source, Unavailable};
use latchkey_gateway::stream::open::OpenStreams;
use latchkey_gateway::stream::opened::{Opened, Withdrawn};
use latchkey_oauth::api_key_value;
use latchkey_oauth::clock::{Clock, Timestamp};
use latchkey_oauth::entropy::Entropy;
use latchkey_oauth::id::FamilyId;
use latchkey_oauth::minted_value::digest_of;
use latchkey_oauth::secret::Secret;
use latchkey_oauth::sieve::{BadSieve, Sieve, Sifted};

use quick_cache::sync::Cache;
use tokio::sync::watch;

use super::assertions::RemoteAssertions;
use super::clock::{ServerClock, uptime};
use super::ended::Stream;
use super::limits::SharedLimits;
use super::link::Link;
use super::lookup::Lookups;
use crate::config::Config;

/// The fewest families whose holders are remembered for records, however small the table of tokens is.
const SEEN: usize = 10_000;

/// What a node knows, and how it learns more.
#[derive(Debug)]
pub(super) struct RemoteSource {
    pub(super) link: Link,
    pub(super) table: Arc<FamilyTable>,
    /// Says when something was told or published.
    pub(super) heard: watch::Sender<()>,
    /// Why calls were refused.
    pub(super) explanations: Arc<Explanations>,
    /// What upstreams are told about callers, where they are.
    pub(super) assertions: Option<RemoteAssertions>,
    /// What is open and ends when it may not go on.
    pub(super) streams: Arc<OpenStreams>,
    pub(super) lease: Arc<Lease>,
    pub(super) clock: Arc<ServerClock>,
    /// `revocation.bound`.
    pub(super) bound: Duration,
    pub(super) counts: Counts,
    pub(super) limits: SharedLimits,
    /// Whose tokens were asked about lately, alive or not: to whom calls are counted.
    pub(super) seen: Cache<FamilyId, Arc<Known>>,
    pub(super) routes: Arc<ArcSwapOption<Routes>>,
    sieve: ArcSwapOption<Sieve>,
    pub(super) lookups: Lookups,
}

/// What a call brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Token,
    ApiKey,
}

impl Kind {
    const fn of(known: &Known) -> Self {
        if known.api_key.is_some() { Self::ApiKey } else { Self::Token }
    }
}

/// What is counted for operators.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Questions about tokens, each for several.
    pub(super) lookups: AtomicU64,
    /// Those without an answer.
    pub(super) lookups_failed: AtomicU64,
    /// Rounds of following without an answer.
    pub(super) rounds_failed: AtomicU64,
    /// Changes heard of.
    pub(super) changes: AtomicU64,
    /// How often everything was forgotten because something was missed.
    pub(super) gaps: AtomicU64,
    /// Batches of records that the server took.
    pub(super) batches: AtomicU64,
    /// Those that it did not take, or said nothing about.
    pub(super) batches_failed: AtomicU64,
    /// Snapshots taken.
    pub(super) snapshots: AtomicU64,
    /// Between a question's sending and its answer where there was something to tell at once: microseconds
    /// of the last round.
    pub(super) round_micros: AtomicU64,
}

impl RemoteSource {
    /// Nothing is known yet.
    pub(super) fn new(config: &Config, link: Link, lookups: Lookups, entropy: Arc<dyn Entropy>) -> Self {
        let cache = &config.gateway.token_cache;
        let entries = if cache.enabled { cache.entries } else { 0 };
        let bound = config.revocation.bound.as_std();
        Self {
            link,
            table: Arc::new(FamilyTable::new(Room { entries, ttl: Duration::from_secs(cache.ttl) })),
            heard: watch::Sender::new(()),
            streams: Arc::default(),
            explanations: Arc::new(Explanations::new(entropy)),
            assertions: RemoteAssertions::new(&config.gateway.backend_jwt),
            lease: Arc::new(Lease::new(bound)),
            clock: Arc::new(ServerClock::new()),
            bound,
            counts: Counts::default(),
            limits: SharedLimits::default(),
            seen: Cache::new(entries.max(SEEN)),
            routes: Arc::default(),
            sieve: ArcSwapOption::empty(),
            lookups,
        }
    }

    /// Routes calls and sifts tokens as `snapshot` says from now on.
    pub(super) fn publish(&self, snapshot: Snapshot) -> Result<(), BadSieve> {
        let sieve = snapshot.sieve.as_ref().map(Sieve::new).transpose()?;
        self.sieve.store(sieve.map(Arc::new));
        let (routes, unrouted) = Routes::build(snapshot.apis.into_iter().map(Into::into));
        for problem in unrouted {
            tracing::warn!(%problem, "an API cannot be called");
        }
        let routes = routes.with_tiers(snapshot.tiers).with_denied(snapshot.denied);
        self.routes.store(Some(Arc::new(routes)));
        self.counts.snapshots.fetch_add(1, Ordering::Relaxed);
        self.heard.send_replace(());
        Ok(())
    }

    /// What is to be done about a token, or an API key, of which nothing is known.
    fn sift(&self, token: &Secret, kind: Kind) -> Sifted {
        // Before the server told with what garbage is told, no value may be taken for one of the other kind.
        if token.expose().starts_with(api_key_value::PREFIX) != (kind == Kind::ApiKey) {
            return Sifted::Garbage;
        }
        self.sieve.load().as_ref().map_or(Sifted::Passes, |sieve| match kind {
            Kind::Token => sieve.sift(token.expose()),
            Kind::ApiKey => sieve.sift_api_key(token.expose()),
        })
    }

    /// The server tells that something is not as it was.
    pub(super) fn hear(&self, change: Told) {
        self.table.apply(change);
        if matches!(change, Told::Limits | Told::Unknown) {
            self.limits.reset.notify_one();
        }
        if matches!(change, Told::Client { .. } | Told::Catalogue | Told::Keys | Told::Unknown)
            && let Some(assertions) = &self.assertions
        {
            assertions.forget();
        }
    }

    /// Whether calls pass now.
    pub(super) fn is_ready(&self) -> bool {
        self.routes.load().is_some() && self.lease.holds(uptime())
    }

    /// `what` was looked at before this moment; whether it may be used.
    fn vouch<T>(&self, what: T) -> Result<T, Unavailable> {
        if self.lease.holds(uptime()) { Ok(what) } else { Err(Unavailable) }
    }

    /// What the token with this digest stands for, as far as that was told.
    fn known(&self, digest: &Digest, kind: Kind) -> Option<Presented<RemoteHolder>> {
        let fence = self.table.fence();
        match self.table.look(digest, uptime()) {
            Look::Known(known, _) if kind != Kind::of(&known) => Some(Presented::Unknown),
            Look::Known(known, facts) => Some(self.standing(fence, (known, facts))),
            Look::Dead(standing) => Some(of(standing, None)),
            Look::Absent => None,
        }
    }

    /// What a token or an API key stands for, as it is known, or as the server says.
    async fn ask(&self, token: &Secret, kind: Kind) -> Result<Presented<RemoteHolder>, Unavailable> {
        let digest = digest_of(token);
        if let Some(known) = self.known(&digest, kind) {
            return self.vouch(known);
        }
        match self.sift(token, kind) {
            Sifted::Passes => {}
            Sifted::Garbage => return self.vouch(Presented::Unknown),
            // The server has another key since a moment ago, of which this node will hear.
            Sifted::NewKey => return Err(Unavailable),
        }
        let fence = self.table.fence();
        let answer = self.lookups.ask(digest, token).await?;
        let presented = match (answer.standing, answer.holder) {
            (Standing::Alive, Some(found)) => self.standing(fence, found),
            (Standing::Alive, None) => return Err(Unavailable),
            (standing, holder) => {
                of(standing, holder.map(|(known, facts)| RemoteHolder { known, facts, fence }))
            }
        };
        self.vouch(presented)
    }

    fn standing(
        &self,
        fence: Fence,
        (known, facts): (Arc<Known>, Arc<HolderFacts>),
    ) -> Presented<RemoteHolder> {
        let is_valid = known.expires.is_valid(self.clock.now());
        let holder = RemoteHolder { known, facts, fence };
        if is_valid { Presented::Alive(holder) } else { Presented::Expired(Some(holder)) }
    }
}

impl Source for RemoteSource {
    type Holder = RemoteHolder;

    async fn routes(&self) -> Result<Arc<Routes>, Unavailable> {
        let routes = self.routes.load_full().ok_or(Unavailable)?;
        self.vouch(routes)
    }

    fn routes_at_hand(&self) -> Option<Arc<Routes>> {
        let routes = self.routes.load_full()?;
        self.vouch(routes).ok()
    }

    /// By the server's clock, which is not that of this machine.
    fn token_at_hand(&self, token: &Secret, _: Timestamp) -> Option<Presented<RemoteHolder>> {
        let known = self.known(&digest_of(token), Kind::Token)?;
        self.vouch(known).ok()
    }

    async fn token(&self, token: &Secret) -> Result<Presented<RemoteHolder>, Unavailable> {
        self.ask(token, Kind::Token).await
    }

    fn api_key_at_hand(&self, key: &Secret, _: Timestamp) -> Option<Presented<RemoteHolder>> {
        let known = self.known(&digest_of(key), Kind::ApiKey)?;
        self.vouch(known).ok()
    }

    async fn api_key(&self, key: &Secret) -> Result<Presented<RemoteHolder>, Unavailable> {
        self.ask(key, Kind::ApiKey).await
    }

    async fn assertion(
        &self,
        holder: &RemoteHolder,
        api: &RoutedApi,
    ) -> Result<Option<HeaderValue>, Unavailable> {
        let Some(assertions) = &self.assertions else { return Ok(None) };
        let value = assertions.about(self, &holder.known, api.api().id).await?;
        // It may have taken a while, in which the lease may have ended.
        self.vouch(Some(value))
    }

    fn ended(
        &self,
        holder: Option<&RemoteHolder>,
        opened: Opened,
    ) -> impl Future<Output = Withdrawn> + Send + 'static {
        Stream::new(self, holder, opened).ended()
    }
}

/// What a token of this standing, which is not alive, is to the gateway.
fn of(standing: Standing, holder: Option<RemoteHolder>) -> Presented<RemoteHolder> {
    match standing {
        Standing::Expired => Presented::Expired(holder),
        Standing::Revoked => Presented::Revoked(holder),
        Standing::Alive | Standing::Unknown => Presented::Unknown,
    }
}

/// The holder of a token or an API key, as the server told.
#[derive(Debug)]
pub(super) struct RemoteHolder {
    pub(super) known: Arc<Known>,
    pub(super) facts: Arc<HolderFacts>,
    /// From before it was found out.
    pub(super) fence: Fence,
}

impl Holder for RemoteHolder {
    fn caller(&self, api: EntryId) -> Caller<'_> {
        let Self { known, facts, .. } = self;
        Caller {
            application: facts.application,
            application_tier: &facts.application_tier,
            credential: match &known.api_key {
                None => Credential::Token,
                Some(KnownKey { name, restrictions }) => Credential::ApiKey { name, restrictions },
            },
            consumer_key: facts.consumer_key.as_deref(),
            keys: facts.keys,
            subject: known.subject,
            scope: &known.scope,
            subscription: facts
                .subscriptions
                .iter()
                .find(|held| held.api == api)
                .map(|held| Subscribed { state: held.state, tier: &held.tier }),
            device: known.device.as_deref(),
            family: (known.bucket, known.family),
        }
    }
}
