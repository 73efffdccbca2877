//! The rows of one transaction, as the use cases see them.

use std::sync::Arc;

use latchkey_catalog::api::Api;
use latchkey_catalog::application::{Application, ApplicationKind};
use latchkey_catalog::count::{CountKey, Tally};
use latchkey_catalog::id::EntryId;
use latchkey_catalog::node::Node;
use latchkey_catalog::subscription::Subscription;
use latchkey_catalog::tier::{Level, Tier};
use latchkey_catalog::user::User;
use latchkey_oauth::client::Client;
use latchkey_oauth::clock::Timestamp;
use latchkey_oauth::event::Event;
use latchkey_oauth::family::{Family, KeyDigest};
use latchkey_oauth::holder::HolderCount;
use latchkey_oauth::id::{Bucket, FamilyId, PrincipalId};
use latchkey_oauth::token_value::TokenReference;

use crate::Result;
use crate::api_keys::{ReadApiKeys, WriteApiKeys};
use crate::counts::CountsOf;
use crate::governance::{ReadGovernance, WriteGovernance};
use crate::imports::{ReadImports, WriteImports};
use crate::people::{ReadPeople, WritePeople};
use crate::publishing::{ReadPublishing, WritePublishing};
use crate::records::{ReadRecords, WriteRecords};
use crate::registry::{ReadRegistry, WriteRegistry};
use crate::unit::NewClient;

/// Whose families: a client's for a subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HolderId {
    /// The client.
    pub client: PrincipalId,
    /// The subject.
    pub subject: PrincipalId,
}

impl HolderId {
    /// Its shard.
    pub fn bucket(self) -> Bucket {
        Bucket::of(self.client, self.subject)
    }

    /// The holder of `family`.
    pub fn of(family: &Family) -> Self {
        Self { client: family.client, subject: family.subject.id }
    }
}

/// How far the event log has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Position {
    /// Counts the starts of the writer.
    pub epoch: u64,
    /// The number of the last event.
    pub seq: u64,
}

/// An event with its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEvent {
    /// Where it stands in its writer's log.
    pub position: Position,
    /// What happened.
    pub event: Event,
}

/// Whose subscriptions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subscribed {
    /// Everybody's.
    All,
    /// Those of this application.
    By(EntryId),
    /// Those to this API.
    To(EntryId),
}

/// What a subscription is found by: its application and its API.
pub type SubscriptionKey = (EntryId, EntryId);

/// Reading rows.
pub trait Read:
    ReadRecords + ReadRegistry + ReadPeople + ReadPublishing + ReadGovernance + ReadApiKeys + ReadImports
{
    /// A family by id.
    fn family(&mut self, bucket: Bucket, id: FamilyId) -> Result<Option<Arc<Family>>>;
    /// A family by the digest of its key.
    fn family_by_key(&mut self, bucket: Bucket, key: KeyDigest) -> Result<Option<Arc<Family>>>;
    /// All families of a holder; the limits keep them few.
    fn residents(&mut self, holder: HolderId) -> Result<Vec<Arc<Family>>>;
    /// Whether a holder has a family of this device.
    fn has_device(&mut self, holder: HolderId, device: &str) -> Result<bool>;
    /// How much a holder has.
    fn holder(&mut self, holder: HolderId) -> Result<HolderCount>;
    /// The clients that hold anything for a subject.
    fn holders_of(&mut self, subject: PrincipalId) -> Result<Vec<HolderId>>;
    /// For whom a client holds anything, itself included, at most `limit`.
    fn holders_through(&mut self, client: PrincipalId, limit: u32) -> Result<Vec<HolderId>>;
    /// All families of a shard.
    fn families_in(&mut self, bucket: Bucket) -> Result<Vec<Arc<Family>>>;
    /// What a minted value names.
    fn alias(&mut self, digest: [u8; 32]) -> Result<Option<TokenReference>>;
    /// The epoch of a client or user; none where it is gone.
    fn epoch(&mut self, principal: PrincipalId) -> Result<Option<u64>>;
    /// A user by id.
    fn user(&mut self, id: PrincipalId) -> Result<Option<User>>;
    /// A user by name.
    fn user_by_name(&mut self, name: &str) -> Result<Option<User>>;
    /// Up to `limit` users by name after `after`.
    fn users(&mut self, after: &str, limit: u32) -> Result<Vec<User>>;
    /// An application by id.
    fn application(&mut self, id: EntryId) -> Result<Option<Application>>;
    /// The application of a client.
    fn application_of(&mut self, client: PrincipalId) -> Result<Option<Application>>;
    /// An owner's application of a kind by name.
    fn application_by_name(
        &mut self,
        owner: PrincipalId,
        kind: ApplicationKind,
        name: &str,
    ) -> Result<Option<Application>>;
    /// Up to `limit` applications by id after `after`, of one owner or all.
    fn applications(
        &mut self,
        owner: Option<PrincipalId>,
        after: Option<EntryId>,
        limit: u32,
    ) -> Result<Vec<Application>>;
    /// A client by id.
    fn client(&mut self, id: PrincipalId) -> Result<Option<Client>>;
    /// A client by consumer key.
    fn client_by_key(&mut self, consumer_key: &str) -> Result<Option<Client>>;
    /// The clients of an application, each with its sealed secret.
    fn clients_of(&mut self, application: EntryId) -> Result<Vec<(Client, Vec<u8>)>>;
    /// An API by id.
    fn api(&mut self, id: EntryId) -> Result<Option<Api>>;
    /// All APIs by context and version.
    fn apis(&mut self) -> Result<Vec<Api>>;
    /// The subscriptions of an application.
    fn subscriptions_of(&mut self, application: EntryId) -> Result<Vec<Subscription>>;
    /// Up to `limit` subscriptions whose keys follow `after`.
    fn subscriptions(
        &mut self,
        which: Subscribed,
        after: Option<SubscriptionKey>,
        limit: u32,
    ) -> Result<Vec<Subscription>>;
    /// A tier of a level by name.
    fn tier(&mut self, level: Level, name: &str) -> Result<Option<Tier>>;
    /// Whether an application, a subscription or an API names the tier.
    fn is_tier_used(&mut self, level: Level, name: &str) -> Result<bool>;
    /// All tiers by level and name.
    fn tiers(&mut self) -> Result<Vec<Tier>>;
    /// What was given out in the window of a count that begins at `start`.
    fn tally(&mut self, key: &CountKey, start: Timestamp) -> Result<Option<Tally>>;
    /// Up to `limit` counts whose windows end after `now`.
    fn tallies(&mut self, of: CountsOf, now: Timestamp, limit: u32) -> Result<Vec<(CountKey, Tally)>>;
    /// The gateway node of this secret, by its SHA-256.
    fn node(&mut self, secret: [u8; 32]) -> Result<Option<Node>>;
    /// All gateway nodes by name.
    fn nodes(&mut self) -> Result<Vec<Node>>;
    /// Up to `limit` events after number `after`.
    fn events(&mut self, after: u64, limit: u32) -> Result<Vec<StoredEvent>>;
}

/// Reading and writing rows inside one transaction.
pub trait Write:
    Read
    + WriteRecords
    + WriteRegistry
    + WritePeople
    + WritePublishing
    + WriteGovernance
    + WriteApiKeys
    + WriteImports
{
    /// Puts `new` in place of `old`, the row of the same key as it was read; aliases follow.
    fn put_family(&mut self, old: Option<&Family>, new: Arc<Family>) -> Result<()>;
    /// Removes a row as it was read, with its aliases.
    fn delete_family(&mut self, old: &Family) -> Result<()>;
    /// Sets how much a holder has; nothing removes the row.
    fn put_holder(&mut self, holder: HolderId, count: HolderCount) -> Result<()>;
    /// Sets the epoch of a client or user; `None` removes it for good.
    fn put_epoch(&mut self, principal: PrincipalId, epoch: Option<u64>) -> Result<()>;
    /// Adds or replaces a user.
    fn put_user(&mut self, user: &User) -> Result<()>;
    /// Removes a user.
    fn delete_user(&mut self, id: PrincipalId) -> Result<()>;
    /// Adds or replaces an application.
    fn put_application(&mut self, application: &Application) -> Result<()>;
    /// Removes an application.
    fn delete_application(&mut self, id: EntryId) -> Result<()>;
    /// Adds or replaces a client of an application.
    fn put_client(&mut self, application: EntryId, client: &NewClient) -> Result<()>;
    /// Removes a client.
    fn delete_client(&mut self, id: PrincipalId) -> Result<()>;
    /// Adds or replaces an API.
    fn put_api(&mut self, api: &Api) -> Result<()>;
    /// Removes an API.
    fn delete_api(&mut self, id: EntryId) -> Result<()>;
    /// Removes every subscription to an API.
    fn delete_subscriptions_to(&mut self, api: EntryId) -> Result<()>;
    /// Adds or replaces a subscription.
    fn put_subscription(&mut self, subscription: &Subscription) -> Result<()>;
    /// Removes a subscription; whether there was one.
    fn delete_subscription(&mut self, application: EntryId, api: EntryId) -> Result<bool>;
    /// Adds or replaces a tier.
    fn put_tier(&mut self, tier: &Tier) -> Result<()>;
    /// Removes a tier.
    fn delete_tier(&mut self, level: Level, name: &str) -> Result<()>;
    /// Adds or replaces a count, found by its key and the beginning of its window.
    fn put_tally(&mut self, key: &CountKey, tally: &Tally) -> Result<()>;
    /// Removes counts whose windows ended before `before`, at most `limit`; how many.
    fn trim_tallies(&mut self, before: Timestamp, limit: u32) -> Result<u64>;
    /// Adds a gateway node whose name is not given yet.
    fn put_node(&mut self, node: &Node) -> Result<()>;
    /// Removes a gateway node; whether there was one.
    fn delete_node(&mut self, name: &str) -> Result<bool>;
    /// Appends an event.
    fn append(&mut self, event: Event) -> Result<()>;
    /// Makes the transaction write something, so that its commit shows whether that is possible.
    fn prove(&mut self) -> Result<()>;
    /// Removes events from before `before`, at most `limit`; how many.
    fn trim_events(&mut self, before: Timestamp, limit: u32) -> Result<u64>;
}

/// The aliases that a family has: digest, kind and generation of each minted value.
pub(crate) fn aliases(family: &Family) -> Vec<([u8; 32], TokenReference)> {
    use latchkey_oauth::keyring::ValueKind::{Access, Refresh};
    let Some(minted) = family.minted.as_deref() else { return Vec::new() };
    let generation = family.refresh.map_or(0, |refresh| refresh.generation);
    let named =
        |kind, generation| TokenReference { kind, bucket: family.bucket, family: family.id, generation };
    let access = minted.access.iter().map(|value| (value.digest, named(Access, family.access.generation)));
    let refresh = minted.refresh.iter().map(|value| (value.digest, named(Refresh, generation)));
    let spent = (1..).zip(&minted.spent_refresh);
    let spent = spent.map(|(back, digest)| (*digest, named(Refresh, generation.saturating_sub(back))));
    access.chain(refresh).chain(spent).collect()
}
