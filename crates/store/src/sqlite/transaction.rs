//! The rows of one connection: a reader's snapshot, or the writer's transaction.
//!
//! Units of one batch that concern the same family meet in memory: each decides on what the one before it
//! left, and one row is written at the end.

use std::collections::HashMap;
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
use rusqlite::Connection;

use super::cache::{Caches, Catalogue, Changes};
use super::events::{self, Standing};
use super::noted::Noted;
use super::{catalogue, counts, families, nodes, people, published};
use crate::Result;
use crate::counts::CountsOf;
use crate::rows::{HolderId, Read, StoredEvent, Subscribed, SubscriptionKey, Write, aliases};
use crate::unit::NewClient;

/// A family as the file has it and as the batch leaves it.
#[derive(Debug, Default)]
struct Slot {
    stored: Option<Arc<Family>>,
    now: Option<Arc<Family>>,
}

/// What the units of one batch have done so far.
#[derive(Debug, Default)]
pub(super) struct Batch {
    slots: HashMap<FamilyId, Slot>,
    keys: HashMap<KeyDigest, Option<FamilyId>>,
    epochs: HashMap<PrincipalId, Option<u64>>,
    changed: HashMap<FamilyId, KeyDigest>,
    changed_epochs: HashMap<PrincipalId, Option<u64>>,
    fetched: Vec<FamilyId>,
    fetched_epochs: Vec<(PrincipalId, u64)>,
    events: Vec<Event>,
    noted: Noted,
    proof: Proof,
}

/// Whether the commit has to show that writes are possible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Proof {
    #[default]
    NotAsked,
    Asked,
}

/// The rows of one connection.
pub(super) struct SqliteRows<'a> {
    connection: &'a Connection,
    caches: Option<&'a Caches>,
    batch: Batch,
}

impl<'a> SqliteRows<'a> {
    /// Rows over `connection`. The writer also looks into the caches, which are exact for it.
    pub(super) const fn new(connection: &'a Connection, caches: Option<&'a Caches>, batch: Batch) -> Self {
        Self { connection, caches, batch }
    }

    /// Notes that the batch changes this of the catalogue.
    pub(super) fn changes(&mut self, catalogue: Catalogue) {
        self.batch.noted.catalogue(catalogue);
    }

    pub(super) const fn connection(&self) -> &Connection {
        self.connection
    }

    /// Writes what is still in memory: families, then the events, numbered on from where the writer stands;
    /// answers the last number. Events beyond `event_max` give way, the oldest first.
    pub(super) fn flush(&mut self, standing: Standing, event_max: u64) -> Result<u64> {
        self.flush_families()?;
        let pending = std::mem::take(&mut self.batch.events);
        if pending.is_empty() && self.batch.proof == Proof::NotAsked {
            events::check_standing(self.connection, standing)?;
            return Ok(standing.seq);
        }
        events::append(self.connection, &pending, standing, event_max)
    }

    /// What the batch changed, for the caches.
    pub(super) fn into_changes(self) -> Changes {
        let Batch { mut slots, changed, changed_epochs, noted, fetched, mut fetched_epochs, .. } = self.batch;
        let Noted { catalogue, mut clients, made, users } = noted;
        clients.retain(|id| !made.contains(id) && changed_epochs.get(id) != Some(&None));
        fetched_epochs.retain(|(principal, _)| !changed_epochs.contains_key(principal));
        let fetched = fetched
            .into_iter()
            .filter(|id| !changed.contains_key(id))
            .filter_map(|id| slots.get(&id)?.now.clone())
            .collect();
        let families = changed
            .into_iter()
            .map(|(id, key)| (id, key, slots.get_mut(&id).and_then(|slot| slot.now.take())))
            .collect();
        Changes {
            families,
            epochs: changed_epochs.into_iter().collect(),
            catalogue,
            clients,
            users,
            fetched,
            fetched_epochs,
        }
    }

    fn flush_families(&mut self) -> Result<()> {
        let dirty = |slot: &&mut Slot| match (&slot.stored, &slot.now) {
            (Some(stored), Some(now)) => !Arc::ptr_eq(stored, now),
            (None, None) => false,
            (Some(_), None) | (None, Some(_)) => true,
        };
        // Rows that go make room for rows with the same key.
        for slot in self.batch.slots.values().filter(|slot| slot.now.is_none()) {
            if let Some(stored) = &slot.stored {
                families::delete(self.connection, stored)?;
            }
        }
        for slot in self.batch.slots.values_mut().filter(dirty) {
            match (&slot.stored, &slot.now) {
                (None, Some(now)) => families::insert(self.connection, now)?,
                (Some(_), Some(now)) => families::update(self.connection, now)?,
                (_, None) => {}
            }
            let before = slot.stored.as_deref().map(aliases).unwrap_or_default();
            let after = slot.now.as_deref().map(aliases).unwrap_or_default();
            families::change_aliases(self.connection, &before, &after)?;
            slot.stored.clone_from(&slot.now);
        }
        Ok(())
    }

    /// Takes a row that was read into the batch.
    fn note(&mut self, family: Option<Arc<Family>>) -> Option<Arc<Family>> {
        let family = family?;
        self.batch.keys.insert(family.key, Some(family.id));
        let slot = self
            .batch
            .slots
            .entry(family.id)
            .or_insert_with(|| Slot { stored: Some(Arc::clone(&family)), now: Some(Arc::clone(&family)) });
        slot.now.clone()
    }
}

impl Read for SqliteRows<'_> {
    fn family(&mut self, bucket: Bucket, id: FamilyId) -> Result<Option<Arc<Family>>> {
        if let Some(slot) = self.batch.slots.get(&id) {
            return Ok(slot.now.clone().filter(|family| family.bucket == bucket));
        }
        let cached =
            self.caches.and_then(|caches| caches.family(id)).filter(|family| family.bucket == bucket);
        let family = match cached {
            Some(family) => Some(family),
            None => families::by_id(self.connection, bucket, id)?.map(Arc::new),
        };
        Ok(self.note(family))
    }

    fn family_by_key(&mut self, bucket: Bucket, key: KeyDigest) -> Result<Option<Arc<Family>>> {
        if let Some(known) = self.batch.keys.get(&key) {
            let slot = known.and_then(|id| self.batch.slots.get(&id));
            return Ok(slot.and_then(|slot| slot.now.clone()));
        }
        let mut family = self.caches.and_then(|caches| caches.family_by_key(key));
        if family.is_none() {
            family = families::by_key(self.connection, bucket, key)?.map(Arc::new);
            self.batch.fetched.extend(family.as_deref().map(|family| family.id));
        }
        if family.is_none() {
            self.batch.keys.insert(key, None);
        }
        Ok(self.note(family))
    }

    fn residents(&mut self, holder: HolderId) -> Result<Vec<Arc<Family>>> {
        self.flush_families()?;
        let found = families::of_holder(self.connection, holder)?;
        Ok(found.into_iter().filter_map(|family| self.note(Some(Arc::new(family)))).collect())
    }

    fn has_device(&mut self, holder: HolderId, device: &str) -> Result<bool> {
        self.flush_families()?;
        families::has_device(self.connection, holder, device)
    }

    fn holder(&mut self, holder: HolderId) -> Result<HolderCount> {
        families::holder(self.connection, holder)
    }

    fn holders_of(&mut self, subject: PrincipalId) -> Result<Vec<HolderId>> {
        families::holders_of(self.connection, subject)
    }

    fn holders_through(&mut self, client: PrincipalId, limit: u32) -> Result<Vec<HolderId>> {
        families::holders_through(self.connection, client, limit)
    }

    fn families_in(&mut self, bucket: Bucket) -> Result<Vec<Arc<Family>>> {
        self.flush_families()?;
        Ok(families::in_bucket(self.connection, bucket)?.into_iter().map(Arc::new).collect())
    }

    fn alias(&mut self, digest: [u8; 32]) -> Result<Option<TokenReference>> {
        self.flush_families()?;
        families::alias(self.connection, digest)
    }

    fn epoch(&mut self, principal: PrincipalId) -> Result<Option<u64>> {
        if let Some(epoch) = self.batch.epochs.get(&principal) {
            return Ok(*epoch);
        }
        let mut epoch = self.caches.and_then(|caches| caches.epoch(principal));
        if epoch.is_none() {
            epoch = catalogue::epoch(self.connection, principal)?;
            self.batch.fetched_epochs.extend(epoch.map(|epoch| (principal, epoch)));
        }
        self.batch.epochs.insert(principal, epoch);
        Ok(epoch)
    }

    fn user(&mut self, id: PrincipalId) -> Result<Option<User>> {
        people::user(self.connection, id)
    }

    fn user_by_name(&mut self, name: &str) -> Result<Option<User>> {
        people::user_by_name(self.connection, name)
    }

    fn users(&mut self, after: &str, limit: u32) -> Result<Vec<User>> {
        people::users(self.connection, after, limit)
    }

    fn application(&mut self, id: EntryId) -> Result<Option<Application>> {
        catalogue::application(self.connection, id)
    }

    fn application_of(&mut self, client: PrincipalId) -> Result<Option<Application>> {
        catalogue::application_of(self.connection, client)
    }

    fn application_by_name(
        &mut self,
        owner: PrincipalId,
        kind: ApplicationKind,
        name: &str,
    ) -> Result<Option<Application>> {
        catalogue::application_by_name(self.connection, owner, kind, name)
    }

    fn applications(
        &mut self,
        owner: Option<PrincipalId>,
        after: Option<EntryId>,
        limit: u32,
    ) -> Result<Vec<Application>> {
        catalogue::applications(self.connection, owner, after, limit)
    }

    fn client(&mut self, id: PrincipalId) -> Result<Option<Client>> {
        catalogue::client(self.connection, id)
    }

    fn client_by_key(&mut self, consumer_key: &str) -> Result<Option<Client>> {
        catalogue::client_by_key(self.connection, consumer_key)
    }

    fn clients_of(&mut self, application: EntryId) -> Result<Vec<(Client, Vec<u8>)>> {
        catalogue::clients_of(self.connection, application)
    }

    fn api(&mut self, id: EntryId) -> Result<Option<Api>> {
        published::api(self.connection, id)
    }

    fn apis(&mut self) -> Result<Vec<Api>> {
        published::apis(self.connection)
    }

    fn subscriptions_of(&mut self, application: EntryId) -> Result<Vec<Subscription>> {
        published::subscriptions_of(self.connection, application)
    }

    fn subscriptions(
        &mut self,
        which: Subscribed,
        after: Option<SubscriptionKey>,
        limit: u32,
    ) -> Result<Vec<Subscription>> {
        published::subscriptions(self.connection, which, after, limit)
    }

    fn tier(&mut self, level: Level, name: &str) -> Result<Option<Tier>> {
        published::tier(self.connection, level, name)
    }

    fn is_tier_used(&mut self, level: Level, name: &str) -> Result<bool> {
        published::is_tier_used(self.connection, level, name)
    }

    fn tiers(&mut self) -> Result<Vec<Tier>> {
        published::tiers(self.connection)
    }

    fn tally(&mut self, key: &CountKey, start: Timestamp) -> Result<Option<Tally>> {
        counts::tally(self.connection, key, start)
    }

    fn tallies(&mut self, of: CountsOf, now: Timestamp, limit: u32) -> Result<Vec<(CountKey, Tally)>> {
        counts::tallies(self.connection, of, (now, limit))
    }

    fn node(&mut self, secret: [u8; 32]) -> Result<Option<Node>> {
        nodes::by_secret(self.connection, secret)
    }

    fn nodes(&mut self) -> Result<Vec<Node>> {
        nodes::all(self.connection)
    }

    fn events(&mut self, after: u64, limit: u32) -> Result<Vec<StoredEvent>> {
        events::after(self.connection, after, limit)
    }
}

impl Write for SqliteRows<'_> {
    fn put_family(&mut self, old: Option<&Family>, new: Arc<Family>) -> Result<()> {
        if let Some(old) = old.filter(|old| old.id != new.id) {
            self.delete_family(old)?;
        }
        self.batch.keys.insert(new.key, Some(new.id));
        self.batch.changed.insert(new.id, new.key);
        let slot = self.batch.slots.entry(new.id).or_default();
        slot.now = Some(new);
        Ok(())
    }

    fn delete_family(&mut self, old: &Family) -> Result<()> {
        if self.batch.keys.get(&old.key).is_none_or(|known| *known == Some(old.id)) {
            self.batch.keys.insert(old.key, None);
        }
        self.batch.changed.insert(old.id, old.key);
        let slot = self
            .batch
            .slots
            .entry(old.id)
            .or_insert_with(|| Slot { stored: Some(Arc::new(old.clone())), now: None });
        slot.now = None;
        Ok(())
    }

    fn put_holder(&mut self, holder: HolderId, count: HolderCount) -> Result<()> {
        families::put_holder(self.connection, holder, count)
    }

    fn put_epoch(&mut self, principal: PrincipalId, epoch: Option<u64>) -> Result<()> {
        self.batch.epochs.insert(principal, epoch);
        self.batch.changed_epochs.insert(principal, epoch);
        catalogue::put_epoch(self.connection, principal, epoch)
    }

    fn put_user(&mut self, user: &User) -> Result<()> {
        self.batch.noted.user(self.connection, user)?;
        people::put_user(self.connection, user)
    }

    fn delete_user(&mut self, id: PrincipalId) -> Result<()> {
        self.changes(Catalogue::Roles);
        self.batch.noted.name(self.connection)?;
        people::delete_user(self.connection, id)
    }

    fn put_application(&mut self, application: &Application) -> Result<()> {
        self.batch.noted.application(self.connection, application.id)?;
        self.batch.noted.name(self.connection)?;
        catalogue::put_application(self.connection, application)
    }

    fn delete_application(&mut self, id: EntryId) -> Result<()> {
        self.batch.noted.application(self.connection, id)?;
        self.batch.noted.name(self.connection)?;
        catalogue::delete_application(self.connection, id)
    }

    fn put_client(&mut self, application: EntryId, client: &NewClient) -> Result<()> {
        self.batch.noted.client(self.connection, client.client.id)?;
        catalogue::put_client(self.connection, application, client)
    }

    fn delete_client(&mut self, id: PrincipalId) -> Result<()> {
        self.batch.noted.client(self.connection, id)?;
        catalogue::delete_client(self.connection, id)
    }

    fn put_api(&mut self, api: &Api) -> Result<()> {
        self.changes(Catalogue::Published);
        published::put_api(self.connection, api)
    }

    fn delete_api(&mut self, id: EntryId) -> Result<()> {
        self.changes(Catalogue::Published);
        published::delete_api(self.connection, id)
    }

    fn delete_subscriptions_to(&mut self, api: EntryId) -> Result<()> {
        self.changes(Catalogue::Published);
        published::delete_subscriptions_to(self.connection, api)
    }

    fn put_subscription(&mut self, subscription: &Subscription) -> Result<()> {
        self.batch.noted.application(self.connection, subscription.application)?;
        published::put_subscription(self.connection, subscription)
    }

    fn delete_subscription(&mut self, application: EntryId, api: EntryId) -> Result<bool> {
        let removed = published::delete_subscription(self.connection, application, api)?;
        if removed {
            self.batch.noted.application(self.connection, application)?;
        }
        Ok(removed)
    }

    fn put_tier(&mut self, tier: &Tier) -> Result<()> {
        self.changes(Catalogue::Published);
        published::put_tier(self.connection, tier)
    }

    fn delete_tier(&mut self, level: Level, name: &str) -> Result<()> {
        self.changes(Catalogue::Published);
        published::delete_tier(self.connection, level, name)
    }

    fn put_tally(&mut self, key: &CountKey, tally: &Tally) -> Result<()> {
        counts::put(self.connection, key, tally)
    }

    fn trim_tallies(&mut self, before: Timestamp, limit: u32) -> Result<u64> {
        counts::trim(self.connection, before, limit)
    }

    fn put_node(&mut self, node: &Node) -> Result<()> {
        nodes::put(self.connection, node)
    }

    fn delete_node(&mut self, name: &str) -> Result<bool> {
        nodes::delete(self.connection, name)
    }

    fn append(&mut self, event: Event) -> Result<()> {
        self.batch.events.push(event);
        Ok(())
    }

    fn prove(&mut self) -> Result<()> {
        self.batch.proof = Proof::Asked;
        Ok(())
    }

    fn trim_events(&mut self, before: Timestamp, limit: u32) -> Result<u64> {
        events::trim(self.connection, before, limit)
    }
}
