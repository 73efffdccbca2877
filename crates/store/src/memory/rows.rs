//! The rows, in maps.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use latchkey_catalog::api::Api;
use latchkey_catalog::application::{Application, ApplicationKind};
use latchkey_catalog::count::{CountKey, Tally};
use latchkey_catalog::id::EntryId;
use latchkey_catalog::node::Node;
use latchkey_catalog::subscription::Subscription;
use latchkey_catalog::tier::{Level, Tier, seeded};
use latchkey_catalog::user::User;
use latchkey_oauth::client::Client;
use latchkey_oauth::clock::Timestamp;
use latchkey_oauth::event::Event;
use latchkey_oauth::family::{Family, KeyDigest};
use latchkey_oauth::holder::HolderCount;
use latchkey_oauth::id::{Bucket, FamilyId, PrincipalId};
use latchkey_oauth::token_value::TokenReference;

use super::api_keys::Keys;
use super::counts::{self, Tallies};
use super::governance::MemoryGovernance;
use super::imports::Imported;
use super::publishing::MemoryPublishing;
use super::records::MemoryRecords;
use super::registry::MemoryRegistry;
use crate::Result;
use crate::changes::Changed;
use crate::counts::CountsOf;
use crate::people::Labels;
use crate::rows::{HolderId, Position, Read, StoredEvent, Subscribed, SubscriptionKey, Write, aliases};
use crate::unit::NewClient;

/// All rows of a store in memory.
#[derive(Debug, Default)]
pub(super) struct MemoryRows {
    families: HashMap<FamilyId, Arc<Family>>,
    keys: HashMap<KeyDigest, FamilyId>,
    residents: HashMap<HolderId, Vec<FamilyId>>,
    holders: BTreeMap<HolderId, HolderCount>,
    aliases: HashMap<[u8; 32], TokenReference>,
    epochs: HashMap<PrincipalId, u64>,
    pub(super) users: BTreeMap<String, User>,
    pub(super) labels: HashMap<PrincipalId, Labels>,
    pub(super) applications: BTreeMap<EntryId, Application>,
    clients: BTreeMap<PrincipalId, (EntryId, NewClient)>,
    client_keys: HashMap<String, PrincipalId>,
    pub(super) apis: BTreeMap<EntryId, Api>,
    pub(super) subscriptions: BTreeMap<(EntryId, EntryId), Subscription>,
    tiers: BTreeMap<(&'static str, String), Tier>,
    tallies: Tallies,
    nodes: BTreeMap<String, Node>,
    pub(super) api_keys: Keys,
    pub(super) imported: Imported,
    events: VecDeque<StoredEvent>,
    event_max: usize,
    seq: u64,
    catalogue_version: u64,
    pub(super) records: MemoryRecords,
    pub(super) registry: MemoryRegistry,
    pub(super) publishing: MemoryPublishing,
    pub(super) governance: MemoryGovernance,
    changed: Pending,
}

/// What the unit under way has changed so far.
#[derive(Debug, Default)]
struct Pending {
    families: HashMap<FamilyId, Option<Arc<Family>>>,
    epochs: HashMap<PrincipalId, Option<u64>>,
    clients: BTreeSet<PrincipalId>,
    /// Clients that the unit made: nobody can know anything of them yet.
    made: BTreeSet<PrincipalId>,
    catalogue: Option<Changed>,
}

impl MemoryRows {
    pub(super) fn new(event_max: usize) -> Self {
        let tiers = seeded().into_iter().map(|tier| ((tier.level.as_str(), tier.name.clone()), tier));
        Self { event_max, tiers: tiers.collect(), ..Self::default() }
    }

    pub(super) const fn position(&self) -> Position {
        Position { epoch: 1, seq: self.seq }
    }

    /// What has changed since this was asked last, for those who keep facts elsewhere.
    pub(super) fn take_changes(&mut self) -> impl Iterator<Item = Changed> {
        let Pending { families, epochs, mut clients, made, catalogue } = std::mem::take(&mut self.changed);
        clients.retain(|id| !made.contains(id) && epochs.get(id) != Some(&None));
        let clients = clients.into_iter().map(|id| Changed::Client { id });
        let families = families.into_iter();
        let families = families.filter_map(|(id, now)| Changed::of_family(id, now.as_deref()));
        let epochs = epochs.into_iter().filter_map(|(principal, epoch)| Changed::of_epoch(principal, epoch));
        families.chain(epochs).chain(clients).chain(catalogue)
    }

    /// Notes a change of APIs, tiers or what is denied.
    pub(super) const fn note_catalogue(&mut self) {
        self.catalogue_version += 1;
        self.changed.catalogue = Some(Changed::Catalogue);
    }

    /// Notes that the clients and API keys of an application are known by something else now.
    fn note_application(&mut self, id: EntryId) {
        let clients =
            self.clients.iter().filter(|(_, (application, _))| *application == id).map(|(id, _)| *id);
        let keys = self.api_keys.values().filter(|key| key.application == id).map(|key| key.id);
        self.changed.clients.extend(clients.chain(keys));
    }

    /// Notes that the name of an application or user may be another's now: deny policies go by such names.
    fn note_name(&mut self) {
        if self.governance.denies_names() {
            self.note_catalogue();
        }
    }

    /// How many rows of APIs, tiers and deny policies were written or removed so far.
    pub(super) const fn catalogue_version(&self) -> u64 {
        self.catalogue_version
    }
}

impl Read for MemoryRows {
    fn family(&mut self, bucket: Bucket, id: FamilyId) -> Result<Option<Arc<Family>>> {
        Ok(self.families.get(&id).filter(|family| family.bucket == bucket).cloned())
    }

    fn family_by_key(&mut self, bucket: Bucket, key: KeyDigest) -> Result<Option<Arc<Family>>> {
        match self.keys.get(&key) {
            Some(id) => self.family(bucket, *id),
            None => Ok(None),
        }
    }

    fn residents(&mut self, holder: HolderId) -> Result<Vec<Arc<Family>>> {
        let ids = self.residents.get(&holder).map(Vec::as_slice).unwrap_or_default();
        Ok(ids.iter().filter_map(|id| self.families.get(id).cloned()).collect())
    }

    fn has_device(&mut self, holder: HolderId, device: &str) -> Result<bool> {
        Ok(self.residents(holder)?.iter().any(|family| family.device.as_str() == device))
    }

    fn holder(&mut self, holder: HolderId) -> Result<HolderCount> {
        Ok(self.holders.get(&holder).copied().unwrap_or_default())
    }

    fn holders_of(&mut self, subject: PrincipalId) -> Result<Vec<HolderId>> {
        Ok(self.holders.keys().filter(|holder| holder.subject == subject).copied().collect())
    }

    fn holders_through(&mut self, client: PrincipalId, limit: u32) -> Result<Vec<HolderId>> {
        let through = self.holders.keys().filter(|holder| holder.client == client);
        Ok(through.take(limit as usize).copied().collect())
    }

    fn families_in(&mut self, bucket: Bucket) -> Result<Vec<Arc<Family>>> {
        Ok(self.families.values().filter(|family| family.bucket == bucket).cloned().collect())
    }

    fn alias(&mut self, digest: [u8; 32]) -> Result<Option<TokenReference>> {
        Ok(self.aliases.get(&digest).copied())
    }

    fn epoch(&mut self, principal: PrincipalId) -> Result<Option<u64>> {
        Ok(self.epochs.get(&principal).copied())
    }

    fn user(&mut self, id: PrincipalId) -> Result<Option<User>> {
        Ok(self.users.values().find(|user| user.id == id).cloned())
    }

    fn user_by_name(&mut self, name: &str) -> Result<Option<User>> {
        Ok(self.users.get(name).cloned())
    }

    fn users(&mut self, after: &str, limit: u32) -> Result<Vec<User>> {
        Ok(self
            .users
            .values()
            .filter(|user| user.name.as_str() > after)
            .take(limit as usize)
            .cloned()
            .collect())
    }

    fn application(&mut self, id: EntryId) -> Result<Option<Application>> {
        Ok(self.applications.get(&id).cloned())
    }

    fn application_of(&mut self, client: PrincipalId) -> Result<Option<Application>> {
        match self.clients.get(&client) {
            Some((application, _)) => self.application(*application),
            None => Ok(None),
        }
    }

    fn application_by_name(
        &mut self,
        owner: PrincipalId,
        kind: ApplicationKind,
        name: &str,
    ) -> Result<Option<Application>> {
        let is_it = |one: &&Application| (one.owner, one.kind, one.name.as_str()) == (owner, kind, name);
        Ok(self.applications.values().find(is_it).cloned())
    }

    fn applications(
        &mut self,
        owner: Option<PrincipalId>,
        after: Option<EntryId>,
        limit: u32,
    ) -> Result<Vec<Application>> {
        let wanted = |application: &&Application| {
            owner.is_none_or(|owner| owner == application.owner)
                && after.is_none_or(|after| application.id > after)
        };
        Ok(self.applications.values().filter(wanted).take(limit as usize).cloned().collect())
    }

    fn client(&mut self, id: PrincipalId) -> Result<Option<Client>> {
        Ok(self.clients.get(&id).map(|(_, kept)| kept.client.clone()))
    }

    fn client_by_key(&mut self, consumer_key: &str) -> Result<Option<Client>> {
        match self.client_keys.get(consumer_key) {
            Some(id) => self.client(*id),
            None => Ok(None),
        }
    }

    fn clients_of(&mut self, application: EntryId) -> Result<Vec<(Client, Vec<u8>)>> {
        let of_it = self.clients.values().filter(|(owner, _)| *owner == application);
        Ok(of_it.map(|(_, kept)| (kept.client.clone(), kept.sealed_secret.clone())).collect())
    }

    fn api(&mut self, id: EntryId) -> Result<Option<Api>> {
        Ok(self.apis.get(&id).cloned())
    }

    fn apis(&mut self) -> Result<Vec<Api>> {
        let mut apis: Vec<Api> = self.apis.values().cloned().collect();
        apis.sort_by(|one, other| (&one.context, &one.version).cmp(&(&other.context, &other.version)));
        Ok(apis)
    }

    fn subscriptions_of(&mut self, application: EntryId) -> Result<Vec<Subscription>> {
        let of_it = |subscription: &&Subscription| subscription.application == application;
        Ok(self.subscriptions.values().filter(of_it).cloned().collect())
    }

    fn subscriptions(
        &mut self,
        which: Subscribed,
        after: Option<SubscriptionKey>,
        limit: u32,
    ) -> Result<Vec<Subscription>> {
        let wanted = |(key, one): &(&SubscriptionKey, &Subscription)| {
            after.is_none_or(|after| **key > after)
                && match which {
                    Subscribed::All => true,
                    Subscribed::By(application) => one.application == application,
                    Subscribed::To(api) => one.api == api,
                }
        };
        let found = self.subscriptions.iter().filter(wanted).take(limit as usize);
        Ok(found.map(|(_, one)| one.clone()).collect())
    }

    fn tier(&mut self, level: Level, name: &str) -> Result<Option<Tier>> {
        Ok(self.tiers.get(&(level.as_str(), name.to_owned())).cloned())
    }

    fn is_tier_used(&mut self, level: Level, name: &str) -> Result<bool> {
        Ok(match level {
            Level::Application => self.applications.values().any(|one| one.tier == name),
            Level::Subscription => self.subscriptions.values().any(|one| one.tier == name),
            Level::Resource => self.apis.values().any(|api| api.definition.names_tier(name)),
        })
    }

    fn tiers(&mut self) -> Result<Vec<Tier>> {
        Ok(self.tiers.values().cloned().collect())
    }

    fn tally(&mut self, key: &CountKey, start: Timestamp) -> Result<Option<Tally>> {
        Ok(self.tallies.get(&(*key, start)).copied())
    }

    fn tallies(&mut self, of: CountsOf, now: Timestamp, limit: u32) -> Result<Vec<(CountKey, Tally)>> {
        Ok(counts::of(&self.tallies, of, (now, limit)))
    }

    fn node(&mut self, secret: [u8; 32]) -> Result<Option<Node>> {
        Ok(self.nodes.values().find(|node| node.secret == secret).cloned())
    }

    fn nodes(&mut self) -> Result<Vec<Node>> {
        Ok(self.nodes.values().cloned().collect())
    }

    fn events(&mut self, after: u64, limit: u32) -> Result<Vec<StoredEvent>> {
        Ok(self
            .events
            .iter()
            .filter(|event| event.position.seq > after)
            .take(limit as usize)
            .cloned()
            .collect())
    }
}

impl Write for MemoryRows {
    fn put_family(&mut self, old: Option<&Family>, new: Arc<Family>) -> Result<()> {
        if let Some(old) = old {
            self.delete_family(old)?;
        }
        self.aliases.extend(aliases(&new));
        self.keys.insert(new.key, new.id);
        self.residents.entry(HolderId::of(&new)).or_default().push(new.id);
        self.changed.families.insert(new.id, Some(Arc::clone(&new)));
        self.families.insert(new.id, new);
        Ok(())
    }

    fn delete_family(&mut self, old: &Family) -> Result<()> {
        for (digest, _) in aliases(old) {
            self.aliases.remove(&digest);
        }
        self.keys.remove(&old.key);
        self.families.remove(&old.id);
        self.changed.families.insert(old.id, None);
        if let Some(residents) = self.residents.get_mut(&HolderId::of(old)) {
            residents.retain(|id| *id != old.id);
            if residents.is_empty() {
                self.residents.remove(&HolderId::of(old));
            }
        }
        Ok(())
    }

    fn put_holder(&mut self, holder: HolderId, count: HolderCount) -> Result<()> {
        if count.families == 0 {
            self.holders.remove(&holder);
        } else {
            self.holders.insert(holder, count);
        }
        Ok(())
    }

    fn put_epoch(&mut self, principal: PrincipalId, epoch: Option<u64>) -> Result<()> {
        self.changed.epochs.insert(principal, epoch);
        match epoch {
            Some(epoch) => self.epochs.insert(principal, epoch),
            None => self.epochs.remove(&principal),
        };
        Ok(())
    }

    fn put_user(&mut self, user: &User) -> Result<()> {
        self.note_name();
        self.publishing.roles.extend(user.roles.iter().cloned());
        self.users.insert(user.name.clone(), user.clone());
        Ok(())
    }

    fn delete_user(&mut self, id: PrincipalId) -> Result<()> {
        self.note_name();
        self.users.retain(|_, user| user.id != id);
        self.labels.remove(&id);
        Ok(())
    }

    fn put_application(&mut self, application: &Application) -> Result<()> {
        self.note_application(application.id);
        self.note_name();
        self.applications.insert(application.id, application.clone());
        Ok(())
    }

    fn delete_application(&mut self, id: EntryId) -> Result<()> {
        self.note_application(id);
        self.note_name();
        self.applications.remove(&id);
        Ok(())
    }

    fn put_client(&mut self, application: EntryId, client: &NewClient) -> Result<()> {
        let id = client.client.id;
        self.client_keys.insert(client.client.consumer_key.clone(), id);
        let before = self.clients.insert(id, (application, client.clone()));
        let noted = if before.is_some() { &mut self.changed.clients } else { &mut self.changed.made };
        noted.insert(id);
        Ok(())
    }

    fn delete_client(&mut self, id: PrincipalId) -> Result<()> {
        self.changed.clients.insert(id);
        if let Some((_, client)) = self.clients.remove(&id) {
            self.client_keys.remove(&client.client.consumer_key);
        }
        Ok(())
    }

    fn put_api(&mut self, api: &Api) -> Result<()> {
        self.note_catalogue();
        self.apis.insert(api.id, api.clone());
        Ok(())
    }

    fn delete_api(&mut self, id: EntryId) -> Result<()> {
        self.note_catalogue();
        self.apis.remove(&id);
        self.publishing.forget(id);
        Ok(())
    }

    fn delete_subscriptions_to(&mut self, api: EntryId) -> Result<()> {
        self.note_catalogue();
        self.subscriptions.retain(|_, one| one.api != api);
        Ok(())
    }

    fn put_subscription(&mut self, subscription: &Subscription) -> Result<()> {
        self.note_application(subscription.application);
        let held = self.subscriptions.entry((subscription.application, subscription.api));
        let held = held.or_insert_with(|| subscription.clone());
        *held = Subscription { id: held.id, created_at: held.created_at, ..subscription.clone() };
        Ok(())
    }

    fn delete_subscription(&mut self, application: EntryId, api: EntryId) -> Result<bool> {
        let removed = self.subscriptions.remove(&(application, api)).is_some();
        if removed {
            self.note_application(application);
        }
        Ok(removed)
    }

    fn put_tier(&mut self, tier: &Tier) -> Result<()> {
        self.note_catalogue();
        self.tiers.insert((tier.level.as_str(), tier.name.clone()), tier.clone());
        Ok(())
    }

    fn delete_tier(&mut self, level: Level, name: &str) -> Result<()> {
        self.note_catalogue();
        self.tiers.remove(&(level.as_str(), name.to_owned()));
        Ok(())
    }

    fn put_tally(&mut self, key: &CountKey, tally: &Tally) -> Result<()> {
        self.tallies.insert((*key, tally.window.start), *tally);
        Ok(())
    }

    fn trim_tallies(&mut self, before: Timestamp, limit: u32) -> Result<u64> {
        Ok(counts::trim(&mut self.tallies, before, limit))
    }

    fn put_node(&mut self, node: &Node) -> Result<()> {
        self.nodes.insert(node.name.clone(), node.clone());
        Ok(())
    }

    fn delete_node(&mut self, name: &str) -> Result<bool> {
        self.records.forget_node(name);
        Ok(self.nodes.remove(name).is_some())
    }

    fn append(&mut self, event: Event) -> Result<()> {
        self.seq += 1;
        self.events.push_back(StoredEvent { position: self.position(), event });
        if self.events.len() > self.event_max {
            self.events.pop_front();
        }
        Ok(())
    }

    fn prove(&mut self) -> Result<()> {
        Ok(())
    }

    fn trim_events(&mut self, before: Timestamp, limit: u32) -> Result<u64> {
        let old = self.events.iter().take(limit as usize).take_while(|event| event.event.at < before).count();
        self.events.drain(..old);
        Ok(old as u64)
    }
}
