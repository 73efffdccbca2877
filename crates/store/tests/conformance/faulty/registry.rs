//! The registry, as it is.

use latchkey_catalog::application::ApplicationKind;
use latchkey_store::registry::{ApplicationQuery, Found, PageOf, Registry, SubscriptionsOf};

use super::{
    Application, Client, EntryId, Faulty, PrincipalId, Result, Subscription, SubscriptionKey, async_trait,
};

#[async_trait]
impl Registry for Faulty {
    async fn application(&self, id: EntryId) -> Result<Option<Application>> {
        self.inner.application(id).await
    }

    async fn application_named(
        &self,
        owner: PrincipalId,
        kind: ApplicationKind,
        name: &str,
    ) -> Result<Option<Application>> {
        self.inner.application_named(owner, kind, name).await
    }

    async fn find_applications(&self, query: ApplicationQuery) -> Result<Found<Application>> {
        self.inner.find_applications(query).await
    }

    async fn registered_client(&self, registration: EntryId) -> Result<Option<(Client, Vec<u8>)>> {
        self.inner.registered_client(registration).await
    }

    async fn subscription(&self, id: EntryId) -> Result<Option<Subscription>> {
        self.inner.subscription(id).await
    }

    async fn subscription_between(&self, key: SubscriptionKey) -> Result<Option<Subscription>> {
        self.inner.subscription_between(key).await
    }

    async fn find_subscriptions(&self, of: SubscriptionsOf, page: PageOf) -> Result<Found<Subscription>> {
        self.inner.find_subscriptions(of, page).await
    }

    async fn subscription_counts(&self, applications: Vec<EntryId>) -> Result<Vec<u64>> {
        self.inner.subscription_counts(applications).await
    }
}
