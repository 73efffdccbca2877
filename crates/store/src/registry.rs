//! The registry: applications and subscriptions as portals look for them, by name and in pages with a total.

use async_trait::async_trait;
use latchkey_catalog::application::{Application, ApplicationKind};
use latchkey_catalog::id::EntryId;
use latchkey_catalog::subscription::Subscription;
use latchkey_oauth::client::Client;
use latchkey_oauth::id::PrincipalId;

use crate::Result;
use crate::rows::SubscriptionKey;

/// Some of what was found, and how many there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found<T> {
    /// Those of the page.
    pub entries: Vec<T>,
    /// How many there are on all pages.
    pub total: u64,
}

/// Which of what is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageOf {
    /// How many go before it.
    pub offset: u64,
    /// The most on it.
    pub limit: u32,
}

/// Which applications of portals, in which order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplicationQuery {
    /// Whose.
    pub seen_by: SeenBy,
    /// Called what; none: whatever they are called.
    pub name: Option<TextMatch>,
    /// What they are sorted by; of those that are alike in it, the lower id comes first.
    pub sort: ApplicationSort,
    /// In which direction.
    pub order: Order,
    /// Which of them.
    pub page: PageOf,
}

/// Whose applications.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SeenBy {
    /// Everybody's: an administrator looks.
    Everybody,
    /// Those of this owner.
    Owner(PrincipalId),
    /// Those of this owner and those that are shared with one of these groups.
    Member(PrincipalId, Vec<String>),
}

/// What a text has to be like; letter case does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TextMatch {
    /// It is this.
    Exactly(String),
    /// It begins so.
    Beginning(String),
    /// This stands somewhere in it.
    Containing(String),
}

/// What applications are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ApplicationSort {
    /// Their names, without letter case.
    #[default]
    Name,
    /// Their owners' names, then theirs.
    Owner,
    /// When they were made.
    CreatedAt,
    /// Their tiers, then their names.
    Tier,
    /// Their status, then their names.
    Status,
}

/// The direction of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// From the least to the greatest.
    #[default]
    Ascending,
    /// From the greatest to the least; so are the ids of those that are alike.
    Descending,
}

/// Which subscriptions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubscriptionsOf {
    /// Everybody's.
    All,
    /// Those of this application.
    Application(EntryId),
    /// Those to this API.
    Api(EntryId),
    /// Those of this owner's applications to this API.
    Subscriber(PrincipalId, EntryId),
}

/// The part of a store that portals look things up in.
#[async_trait]
pub trait Registry {
    /// An application by its id, of either kind.
    async fn application(&self, id: EntryId) -> Result<Option<Application>>;

    /// An owner's application of a kind by its name.
    async fn application_named(
        &self,
        owner: PrincipalId,
        kind: ApplicationKind,
        name: &str,
    ) -> Result<Option<Application>>;

    /// The applications that a query asks for.
    async fn find_applications(&self, query: ApplicationQuery) -> Result<Found<Application>>;

    /// The client that a registration made, with its sealed secret, whichever application it serves.
    async fn registered_client(&self, registration: EntryId) -> Result<Option<(Client, Vec<u8>)>>;

    /// A subscription by its id.
    async fn subscription(&self, id: EntryId) -> Result<Option<Subscription>>;

    /// The subscription of an application to an API.
    async fn subscription_between(&self, key: SubscriptionKey) -> Result<Option<Subscription>>;

    /// Subscriptions in the order of their keys.
    async fn find_subscriptions(&self, of: SubscriptionsOf, page: PageOf) -> Result<Found<Subscription>>;

    /// How many subscriptions each of these applications has, in their order.
    async fn subscription_counts(&self, applications: Vec<EntryId>) -> Result<Vec<u64>>;
}

/// Reading rows of the registry.
pub trait ReadRegistry {
    /// As [`Registry::find_applications`].
    fn find_applications(&mut self, query: &ApplicationQuery) -> Result<Found<Application>>;
    /// The registration of a client that serves another application.
    fn registration_of(&mut self, client: PrincipalId) -> Result<Option<EntryId>>;
    /// The client of a registration that serves another application.
    fn mapped_from(&mut self, registration: EntryId) -> Result<Option<PrincipalId>>;
    /// A subscription by its id.
    fn subscription(&mut self, id: EntryId) -> Result<Option<Subscription>>;
    /// The subscription of an application to an API.
    fn subscription_between(&mut self, key: SubscriptionKey) -> Result<Option<Subscription>>;
    /// As [`Registry::find_subscriptions`].
    fn find_subscriptions(&mut self, of: SubscriptionsOf, page: PageOf) -> Result<Found<Subscription>>;
    /// How many subscriptions an application has.
    fn subscription_count(&mut self, application: EntryId) -> Result<u64>;
}

/// Writing rows of the registry.
pub trait WriteRegistry {
    /// Notes where a client that serves another application was registered; none: it serves no other.
    fn put_registration(&mut self, client: PrincipalId, registration: Option<EntryId>) -> Result<()>;
}

/// The client that a registration made, with its sealed secret.
pub(crate) fn registered_client(
    rows: &mut (impl crate::rows::Read + ?Sized),
    registration: EntryId,
) -> Result<Option<(Client, Vec<u8>)>> {
    if let Some(held) = rows.clients_of(registration)?.into_iter().next() {
        return Ok(Some(held));
    }
    let Some(client) = rows.mapped_from(registration)? else { return Ok(None) };
    let Some(application) = rows.application_of(client)? else { return Ok(None) };
    Ok(rows.clients_of(application.id)?.into_iter().find(|(held, _)| held.id == client))
}
