//! The registry, in maps.

use std::collections::BTreeMap;

use async_trait::async_trait;
use latchkey_catalog::application::{Application, ApplicationKind, fold};
use latchkey_catalog::id::EntryId;
use latchkey_catalog::subscription::Subscription;
use latchkey_oauth::client::Client;
use latchkey_oauth::id::PrincipalId;

use super::MemoryStore;
use super::rows::MemoryRows;
use crate::Result;
use crate::registry::{
    ApplicationQuery, ApplicationSort, Found, Order, PageOf, ReadRegistry, Registry, SeenBy, SubscriptionsOf,
    TextMatch, WriteRegistry, registered_client,
};
use crate::rows::SubscriptionKey;

/// The rows of the registry alone.
#[derive(Debug, Default)]
pub(super) struct MemoryRegistry {
    registrations: BTreeMap<PrincipalId, EntryId>,
}

#[async_trait]
impl Registry for MemoryStore {
    async fn application(&self, id: EntryId) -> Result<Option<Application>> {
        self.read(|rows| rows.application(id))
    }

    async fn application_named(
        &self,
        owner: PrincipalId,
        kind: ApplicationKind,
        name: &str,
    ) -> Result<Option<Application>> {
        self.read(|rows| rows.application_by_name(owner, kind, name))
    }

    async fn find_applications(&self, query: ApplicationQuery) -> Result<Found<Application>> {
        self.read(|rows| rows.find_applications(&query))
    }

    async fn registered_client(&self, registration: EntryId) -> Result<Option<(Client, Vec<u8>)>> {
        self.read(|rows| registered_client(rows, registration))
    }

    async fn subscription(&self, id: EntryId) -> Result<Option<Subscription>> {
        self.read(|rows| rows.subscription(id))
    }

    async fn subscription_between(&self, key: SubscriptionKey) -> Result<Option<Subscription>> {
        self.read(|rows| rows.subscription_between(key))
    }

    async fn find_subscriptions(&self, of: SubscriptionsOf, page: PageOf) -> Result<Found<Subscription>> {
        self.read(|rows| rows.find_subscriptions(of, page))
    }

    async fn subscription_counts(&self, applications: Vec<EntryId>) -> Result<Vec<u64>> {
        self.read(|rows| applications.into_iter().map(|id| rows.subscription_count(id)).collect())
    }
}

/// The page of `all`.
pub(super) fn page_of<T>(all: Vec<T>, page: PageOf) -> Found<T> {
    let total = all.len() as u64;
    let skipped = usize::try_from(page.offset).unwrap_or(usize::MAX);
    Found { entries: all.into_iter().skip(skipped).take(page.limit as usize).collect(), total }
}

impl MemoryRows {
    fn owner_name(&self, application: &Application) -> String {
        let owner = self.users.values().find(|user| user.id == application.owner);
        owner.map(|owner| owner.name.clone()).unwrap_or_default()
    }

    /// What an application is sorted by.
    fn rank(&self, sort: ApplicationSort, application: &Application) -> (String, i64, String, EntryId) {
        let name = application.folded_name();
        let id = application.id;
        match sort {
            ApplicationSort::Name => (String::new(), 0, name, id),
            ApplicationSort::Owner => (self.owner_name(application), 0, name, id),
            ApplicationSort::CreatedAt => {
                (String::new(), application.created_at.as_millis(), String::new(), id)
            }
            ApplicationSort::Tier => (application.tier.clone(), 0, name, id),
            ApplicationSort::Status => (application.status.as_str().to_owned(), 0, name, id),
        }
    }
}

fn is_seen(application: &Application, seen_by: &SeenBy) -> bool {
    application.kind == ApplicationKind::Portal
        && match seen_by {
            SeenBy::Everybody => true,
            SeenBy::Owner(owner) => application.owner == *owner,
            SeenBy::Member(owner, groups) => {
                application.owner == *owner
                    || groups.iter().any(|group| application.details.groups.contains(group))
            }
        }
}

/// Whether a text is like this.
pub(super) fn is_like(text: &str, like: &TextMatch) -> bool {
    match like {
        TextMatch::Exactly(whole) => fold(text) == fold(whole),
        TextMatch::Beginning(part) => fold(text).starts_with(&fold(part)),
        TextMatch::Containing(part) => fold(text).contains(&fold(part)),
    }
}

impl ReadRegistry for MemoryRows {
    fn find_applications(&mut self, query: &ApplicationQuery) -> Result<Found<Application>> {
        let wanted = |one: &&Application| {
            is_seen(one, &query.seen_by) && query.name.as_ref().is_none_or(|name| is_like(&one.name, name))
        };
        let mut found: Vec<Application> = self.applications.values().filter(wanted).cloned().collect();
        found.sort_by_key(|one| self.rank(query.sort, one));
        if query.order == Order::Descending {
            found.reverse();
        }
        Ok(page_of(found, query.page))
    }

    fn registration_of(&mut self, client: PrincipalId) -> Result<Option<EntryId>> {
        Ok(self.registry.registrations.get(&client).copied())
    }

    fn mapped_from(&mut self, registration: EntryId) -> Result<Option<PrincipalId>> {
        let mut held = self.registry.registrations.iter();
        Ok(held.find(|(_, from)| **from == registration).map(|(client, _)| *client))
    }

    fn subscription(&mut self, id: EntryId) -> Result<Option<Subscription>> {
        Ok(self.subscriptions.values().find(|one| one.id == id).cloned())
    }

    fn subscription_between(&mut self, key: SubscriptionKey) -> Result<Option<Subscription>> {
        Ok(self.subscriptions.get(&key).cloned())
    }

    fn find_subscriptions(&mut self, of: SubscriptionsOf, page: PageOf) -> Result<Found<Subscription>> {
        let owner = |one: &Subscription| self.applications.get(&one.application).map(|held| held.owner);
        let wanted = |one: &&Subscription| match of {
            SubscriptionsOf::All => true,
            SubscriptionsOf::Application(application) => one.application == application,
            SubscriptionsOf::Api(api) => one.api == api,
            SubscriptionsOf::Subscriber(subscriber, api) => one.api == api && owner(one) == Some(subscriber),
        };
        Ok(page_of(self.subscriptions.values().filter(wanted).cloned().collect(), page))
    }

    fn subscription_count(&mut self, application: EntryId) -> Result<u64> {
        Ok(self.subscriptions.keys().filter(|(held, _)| *held == application).count() as u64)
    }
}

impl WriteRegistry for MemoryRows {
    fn put_registration(&mut self, client: PrincipalId, registration: Option<EntryId>) -> Result<()> {
        match registration {
            Some(registration) => self.registry.registrations.insert(client, registration),
            None => self.registry.registrations.remove(&client),
        };
        Ok(())
    }
}
