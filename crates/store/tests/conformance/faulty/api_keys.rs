//! The API keys of a faulty store.

use std::sync::Arc;

use async_trait::async_trait;
use latchkey_catalog::api_key::ApiKey;
use latchkey_catalog::id::EntryId;
use latchkey_oauth::id::PrincipalId;
use latchkey_store::Result;
use latchkey_store::api_keys::{ApiKeyFacts, ApiKeys};
use latchkey_store::registry::{Found, PageOf};
use tokio::task::yield_now;

use super::{Fault, Faulty};

#[async_trait]
impl ApiKeys for Faulty {
    /// With the fault, a key is kept without a look at whether it ended meanwhile.
    async fn api_key(&self, id: PrincipalId) -> Result<Option<Arc<ApiKeyFacts>>> {
        if !self.has(Fault::UncheckedFill) {
            return self.inner.api_key(id).await;
        }
        if let Some(kept) = self.state().api_keys.get(&id) {
            return Ok(Some(Arc::clone(kept)));
        }
        let found = self.inner.api_key(id).await?;
        yield_now().await;
        if let Some(found) = &found {
            self.state().api_keys.insert(id, Arc::clone(found));
        }
        Ok(found)
    }

    async fn api_keys_of(&self, application: EntryId) -> Result<Vec<ApiKey>> {
        self.inner.api_keys_of(application).await
    }

    async fn find_api_keys(&self, page: PageOf) -> Result<Found<ApiKey>> {
        self.inner.find_api_keys(page).await
    }
}
