//! Facts from the store.

use std::sync::{Arc, LazyLock};

use arc_swap::ArcSwap;
use http::{HeaderName, HeaderValue};
use latchkey_catalog::application::Application;
use latchkey_catalog::id::EntryId;
use latchkey_gateway::authorize::{Caller, Credential, Subscribed};
use latchkey_gateway::route::{RoutedApi, Routes};
use latchkey_gateway::source::{Holder, Presented, Source, Trial, Unavailable};
use latchkey_gateway::stream::opened::{Opened, Withdrawn};
use latchkey_oauth::clock::Timestamp;
use latchkey_oauth::family::Family;
use latchkey_oauth::keyring::ValueKind;
use latchkey_oauth::refusal::Refusal;
use latchkey_oauth::scope::Scope;
use latchkey_oauth::secret::Secret;
use latchkey_store::StoreError;
use latchkey_store::api_keys::ApiKeyFacts;
use latchkey_store::facts::ClientFacts;
use tokio::sync::Mutex;

use super::Assertions;
use crate::app::App;
use crate::token::api_key::{KeyStanding, PresentedKeys};
use crate::token::internal_key;
use crate::token::resolve::{ResolvedToken, Standing, Tokens};

mod ended;

pub(crate) use ended::follow;

/// The store of this process as the gateway's source.
#[derive(Debug)]
pub struct StoreSource {
    app: Arc<App>,
    routing: Arc<Routing>,
}

/// What is routed, and how it stays what the catalogue says.
#[derive(Debug)]
struct Routing {
    app: Arc<App>,
    routed: ArcSwap<Routed>,
    building: Mutex<()>,
}

/// The routes, and the version of the catalogue that they were built from.
#[derive(Debug, Default)]
struct Routed {
    version: Option<u64>,
    routes: Arc<Routes>,
}

impl StoreSource {
    /// No routes yet; the first call builds them.
    pub fn new(app: Arc<App>) -> Self {
        let routing = Arc::new(Routing {
            app: Arc::clone(&app),
            routed: ArcSwap::default(),
            building: Mutex::default(),
        });
        Self { app, routing }
    }

    /// The header for assertions about callers, where they are made.
    pub(super) fn assertion_header(&self) -> Option<HeaderName> {
        self.app.assertions.as_ref().map(Assertions::header)
    }
}

impl Routing {
    async fn routes(&self) -> Result<Arc<Routes>, StoreError> {
        match self.current() {
            Some(routes) => Ok(routes),
            None => self.build().await,
        }
    }

    fn current(&self) -> Option<Arc<Routes>> {
        let routed = self.routed.load();
        let is_current = routed.version == Some(self.app.store.catalogue_version());
        is_current.then(|| Arc::clone(&routed.routes))
    }

    /// Builds the routes anew, once for all calls that wait for them.
    async fn build(&self) -> Result<Arc<Routes>, StoreError> {
        let _one_at_a_time = self.building.lock().await;
        if let Some(routes) = self.current() {
            return Ok(routes);
        }
        // What is read after the number was, is at least as new as the number says.
        let version = self.app.store.catalogue_version();
        let (routes, unrouted) = Routes::build(self.app.store.apis().await?);
        let routes = routes.with_tiers(self.app.store.tiers().await?);
        let routes = routes.with_denied(self.app.store.denied().await?);
        for problem in unrouted {
            tracing::warn!(%problem, "an API cannot be called");
        }
        let routes = Arc::new(routes);
        self.routed.store(Arc::new(Routed { version: Some(version), routes: Arc::clone(&routes) }));
        Ok(routes)
    }
}

impl Source for StoreSource {
    type Holder = StoredHolder;

    async fn routes(&self) -> Result<Arc<Routes>, Unavailable> {
        self.routing.routes().await.map_err(|error| {
            tracing::error!(problem = %error, "the APIs cannot be read");
            Unavailable
        })
    }

    fn routes_at_hand(&self) -> Option<Arc<Routes>> {
        self.routing.current()
    }

    fn token_at_hand(&self, token: &Secret, now: Timestamp) -> Option<Presented<StoredHolder>> {
        let of = |found: ResolvedToken| {
            let family = (found.reference.kind == ValueKind::Access).then_some(found.held.family)?;
            let client = self.app.store.client_at_hand(family.client)?;
            Some(StoredHolder::Token { family, client })
        };
        Some(match Tokens::new(&self.app).standing_at_hand(token, now)? {
            Standing::Active(found) => Presented::Alive(of(found)?),
            Standing::Expired(found) => Presented::Expired(Some(of(found)?)),
            Standing::Revoked(found) => Presented::Revoked(Some(of(found)?)),
            Standing::Unknown => Presented::Unknown,
        })
    }

    async fn assertion(
        &self,
        holder: &StoredHolder,
        api: &RoutedApi,
    ) -> Result<Option<HeaderValue>, Unavailable> {
        let Some(assertions) = &self.app.assertions else { return Ok(None) };
        let made = assertions.about(&self.app, holder, api.api()).await?;
        Ok(Some(made.handed_out().0.clone()))
    }

    async fn token(&self, token: &Secret) -> Result<Presented<StoredHolder>, Unavailable> {
        let unavailable = |_: Refusal| Unavailable;
        let standing = Tokens::new(&self.app).standing(token, self.app.now()).await.map_err(unavailable)?;
        Ok(match standing {
            Standing::Active(found) => match self.holder(found).await? {
                Ok(holder) => Presented::Alive(holder),
                Err(NoHolder::OtherKind) => Presented::Unknown,
                Err(NoHolder::NoClient) => Presented::Revoked(None),
            },
            Standing::Expired(found) => Presented::Expired(self.holder(found).await?.ok()),
            Standing::Revoked(found) => Presented::Revoked(self.holder(found).await?.ok()),
            Standing::Unknown => Presented::Unknown,
        })
    }

    fn api_key_at_hand(&self, key: &Secret, now: Timestamp) -> Option<Presented<StoredHolder>> {
        PresentedKeys::new(&self.app).standing_at_hand(key, now).map(of_key)
    }

    async fn api_key(&self, key: &Secret) -> Result<Presented<StoredHolder>, Unavailable> {
        let unavailable = |_: Refusal| Unavailable;
        PresentedKeys::new(&self.app).standing(key, self.app.now()).await.map(of_key).map_err(unavailable)
    }

    async fn internal_key(&self, key: &Secret, api: EntryId) -> Result<Presented<Trial>, Unavailable> {
        internal_key::standing(&self.app, key, api).await.map_err(|_: Refusal| Unavailable)
    }

    fn ended(
        &self,
        holder: Option<&StoredHolder>,
        opened: Opened,
    ) -> impl Future<Output = Withdrawn> + Send + 'static {
        ended::ended(Arc::clone(&self.routing), holder.cloned(), opened)
    }
}

/// Why a token has no holder who could call an API.
enum NoHolder {
    /// It is a refresh token.
    OtherKind,
    /// Its client is gone.
    NoClient,
}

impl StoreSource {
    async fn holder(&self, found: ResolvedToken) -> Result<Result<StoredHolder, NoHolder>, Unavailable> {
        if found.reference.kind != ValueKind::Access {
            return Ok(Err(NoHolder::OtherKind));
        }
        let family = found.held.family;
        let client = self.app.store.client_by_id(family.client).await.map_err(|error| {
            tracing::error!(problem = %error, "a client cannot be read");
            Unavailable
        })?;
        Ok(client.map(|client| StoredHolder::Token { family, client }).ok_or(NoHolder::NoClient))
    }
}

/// An API key has no scopes.
static NO_SCOPE: LazyLock<Scope> = LazyLock::new(Scope::empty);

fn of_key(standing: KeyStanding) -> Presented<StoredHolder> {
    match standing {
        KeyStanding::Active(facts) => Presented::Alive(StoredHolder::ApiKey(facts)),
        KeyStanding::Expired(facts) => Presented::Expired(Some(StoredHolder::ApiKey(facts))),
        KeyStanding::Superseded(facts) => Presented::Revoked(Some(StoredHolder::ApiKey(facts))),
        KeyStanding::Unknown => Presented::Unknown,
    }
}

/// The holder of a token or an API key, as the store knows it.
#[derive(Debug, Clone)]
pub enum StoredHolder {
    /// Of a token.
    Token {
        /// The token's family.
        family: Arc<Family>,
        /// Its client.
        client: Arc<ClientFacts>,
    },
    /// Of an API key.
    ApiKey(Arc<ApiKeyFacts>),
}

impl StoredHolder {
    /// The application.
    pub(super) fn application(&self) -> &Application {
        match self {
            Self::Token { client, .. } => &client.application,
            Self::ApiKey(facts) => &facts.application,
        }
    }
}

impl Holder for StoredHolder {
    fn caller(&self, api: EntryId) -> Caller<'_> {
        let (application, subscriptions) = match self {
            Self::Token { client, .. } => (&client.application, &client.subscriptions),
            Self::ApiKey(facts) => (&facts.application, &facts.subscriptions),
        };
        let subscription = subscriptions
            .iter()
            .find(|held| held.api == api)
            .map(|held| Subscribed { state: held.state, tier: &held.tier });
        match self {
            Self::Token { family, client } => Caller {
                application: application.id,
                application_tier: &application.tier,
                credential: Credential::Token,
                consumer_key: Some(&client.client.consumer_key),
                keys: client.client.key_type,
                subject: family.subject,
                scope: &family.access.scope,
                subscription,
                device: family.device.0.as_deref(),
                family: (family.bucket, family.id),
            },
            Self::ApiKey(facts) => {
                let key = &facts.key;
                Caller {
                    application: application.id,
                    application_tier: &application.tier,
                    credential: Credential::ApiKey { name: &key.name, restrictions: &key.restrictions },
                    consumer_key: None,
                    keys: key.keys,
                    subject: key.subject(),
                    scope: &NO_SCOPE,
                    subscription,
                    device: None,
                    family: key.family(),
                }
            }
        }
    }
}

#[cfg(test)]
mod planted;
#[cfg(test)]
mod tests;
