//! API keys: kept by id, found by what their values name.

use std::sync::Arc;

use async_trait::async_trait;
use latchkey_catalog::api_key::ApiKey;
use latchkey_catalog::application::Application;
use latchkey_catalog::id::EntryId;
use latchkey_catalog::subscription::Subscription;
use latchkey_oauth::id::PrincipalId;

use crate::Result;
use crate::registry::{Found, PageOf};
use crate::rows::Read;

/// An API key with what calls with it depend on.
#[derive(Debug, Clone)]
pub struct ApiKeyFacts {
    /// The key.
    pub key: ApiKey,
    /// Its application.
    pub application: Application,
    /// The application's subscriptions, each for another API.
    pub subscriptions: Vec<Subscription>,
}

/// The part of a store that keeps API keys. They are changed like the rest of the catalogue.
#[async_trait]
pub trait ApiKeys {
    /// The API key of this id; none where it was revoked or its application is gone.
    async fn api_key(&self, id: PrincipalId) -> Result<Option<Arc<ApiKeyFacts>>>;

    /// [`ApiKeys::api_key`], where it can be answered without waiting: the answer is the same.
    fn api_key_at_hand(&self, id: PrincipalId) -> Option<Arc<ApiKeyFacts>> {
        let _ = id;
        None
    }

    /// The API keys of an application, by key type and name; there are few.
    async fn api_keys_of(&self, application: EntryId) -> Result<Vec<ApiKey>>;

    /// The API keys of all applications, by id.
    async fn find_api_keys(&self, page: PageOf) -> Result<Found<ApiKey>>;
}

/// Reading rows of API keys.
pub trait ReadApiKeys {
    /// An API key by id.
    fn api_key(&mut self, id: PrincipalId) -> Result<Option<ApiKey>>;
    /// The API keys of an application by key type and name.
    fn api_keys_of(&mut self, application: EntryId) -> Result<Vec<ApiKey>>;
    /// The API keys of all applications, by id.
    fn find_api_keys(&mut self, page: PageOf) -> Result<Found<ApiKey>>;
}

/// Writing them.
pub trait WriteApiKeys {
    /// Adds or replaces an API key.
    fn put_api_key(&mut self, key: &ApiKey) -> Result<()>;
    /// Removes an API key.
    fn delete_api_key(&mut self, id: PrincipalId) -> Result<()>;
}

/// Gathers the facts of an API key.
pub(crate) fn facts(rows: &mut dyn Read, id: PrincipalId) -> Result<Option<ApiKeyFacts>> {
    let Some(key) = rows.api_key(id)? else { return Ok(None) };
    let Some(application) = rows.application(key.application)? else { return Ok(None) };
    let subscriptions = rows.subscriptions_of(application.id)?;
    Ok(Some(ApiKeyFacts { key, application, subscriptions }))
}
