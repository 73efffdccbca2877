//! What publishers keep, as it is.

use latchkey_catalog::api::{Api, ApiState};
use latchkey_catalog::listing::{ListedApi, Listing, Revision, SharedScope, StateChange};
use latchkey_store::publishing::{ApiQuery, PublisherApi, Publishing};
use latchkey_store::registry::{Found, PageOf};

use super::{EntryId, Faulty, Result, async_trait};

#[async_trait]
impl Publishing for Faulty {
    async fn apis_of(&self, ids: Vec<EntryId>) -> Result<Vec<(Api, Listing)>> {
        self.inner.apis_of(ids).await
    }

    async fn publisher_api(&self, id: EntryId) -> Result<Option<PublisherApi>> {
        self.inner.publisher_api(id).await
    }

    async fn api_at(&self, context: &str, version: &str) -> Result<Option<EntryId>> {
        self.inner.api_at(context, version).await
    }

    async fn find_apis(&self, query: ApiQuery) -> Result<Found<ListedApi>> {
        self.inner.find_apis(query).await
    }

    async fn is_found(&self, query: ApiQuery, api: EntryId) -> Result<bool> {
        self.inner.is_found(query, api).await
    }

    async fn revisions(&self, api: EntryId) -> Result<Vec<Revision>> {
        self.inner.revisions(api).await
    }

    async fn history(&self, api: EntryId) -> Result<Vec<StateChange>> {
        self.inner.history(api).await
    }

    async fn tags(&self, states: Vec<ApiState>) -> Result<Vec<(String, u64)>> {
        self.inner.tags(states).await
    }

    async fn find_shared_scopes(&self, page: PageOf) -> Result<Found<(SharedScope, u64)>> {
        self.inner.find_shared_scopes(page).await
    }

    async fn shared_scope(&self, id: EntryId) -> Result<Option<SharedScope>> {
        self.inner.shared_scope(id).await
    }

    async fn shared_scope_named(&self, name: &str) -> Result<Option<SharedScope>> {
        self.inner.shared_scope_named(name).await
    }

    async fn uses_of_scope(&self, name: &str) -> Result<Vec<EntryId>> {
        self.inner.uses_of_scope(name).await
    }

    async fn is_role(&self, name: &str) -> Result<bool> {
        self.inner.is_role(name).await
    }

    async fn roles(&self, after: &str, limit: u32) -> Result<Vec<String>> {
        self.inner.roles(after, limit).await
    }
}
