//! What is kept in memory, exactly.
//!
//! This process is the only writer, so a cached row can be the truth: the writer publishes what a commit
//! changed before it answers anybody. What a *reader* fetched may be older than that by the time it wants
//! to keep it, and a stale row kept would revive what is dead. So a reader notes the number of publications
//! before it reads, and keeps what it read only if that number still stands and the row is not part of
//! the commit under way.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use latchkey_oauth::family::{Family, KeyDigest};
use latchkey_oauth::id::{FamilyId, PrincipalId};
use quick_cache::sync::Cache;

use crate::CacheUse;
use crate::api_keys::ApiKeyFacts;
use crate::changes::{self, Changed};
use crate::facts::{ClientFacts, HeldFamily, UserFacts};

/// The most clients, users, API keys and epochs kept.
const CATALOGUE_ENTRIES: usize = 100_000;

/// What a commit changes.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// Families by id; none where the row is gone.
    pub(super) families: Vec<(FamilyId, KeyDigest, Option<Arc<Family>>)>,
    /// Epochs; none where the client or user is gone.
    pub(super) epochs: Vec<(PrincipalId, Option<u64>)>,
    /// What changed of the catalogue.
    pub(super) catalogue: Catalogue,
    /// Clients and API keys that are known by something else now.
    pub(super) clients: HashSet<PrincipalId>,
    /// Users likewise, but for their roles.
    pub(super) users: HashSet<PrincipalId>,
    /// Families that the writer had to fetch and left as they are.
    pub(super) fetched: Vec<Arc<Family>>,
    /// Epochs that the writer had to fetch and left as they are.
    pub(super) fetched_epochs: Vec<(PrincipalId, u64)>,
}

/// What a commit changes of the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) enum Catalogue {
    #[default]
    Unchanged,
    /// The roles of users, which applications have of their owners.
    Roles,
    /// APIs, tiers or what is denied.
    Published,
}

impl Changes {
    /// What it means for those who keep facts elsewhere.
    fn told(&self) -> impl Iterator<Item = Changed> {
        let families = self.families.iter();
        let families = families.filter_map(|(id, _, now)| Changed::of_family(*id, now.as_deref()));
        let epochs = self.epochs.iter();
        let epochs = epochs.filter_map(|(principal, epoch)| Changed::of_epoch(*principal, *epoch));
        let clients = self.clients.iter().map(|id| Changed::Client { id: *id });
        let catalogue = (self.catalogue == Catalogue::Published).then_some(Changed::Catalogue);
        families.chain(epochs).chain(clients).chain(catalogue)
    }
}

#[derive(Debug, Default)]
struct Publications {
    count: u64,
    families: HashSet<FamilyId>,
    epochs: HashSet<PrincipalId>,
    clients: HashSet<PrincipalId>,
    users: HashSet<PrincipalId>,
    catalogue: Catalogue,
}

impl Publications {
    /// Whether the commit under way may change what is known of a client or an API key.
    fn touches_client(&self, id: PrincipalId) -> bool {
        self.catalogue != Catalogue::Unchanged || self.epochs.contains(&id) || self.clients.contains(&id)
    }

    /// Whether it may change what is known of a user.
    fn touches_user(&self, id: PrincipalId) -> bool {
        self.catalogue != Catalogue::Unchanged || self.epochs.contains(&id) || self.users.contains(&id)
    }
}

/// The caches of one store.
#[derive(Debug)]
pub(super) struct Caches {
    publications: RwLock<Publications>,
    families: Cache<FamilyId, Arc<Family>>,
    keys: Cache<KeyDigest, FamilyId>,
    epochs: Cache<PrincipalId, u64>,
    /// Which client has or had a key. What is known of it stands in `clients`, so this need not be exact.
    consumer_keys: Cache<String, PrincipalId>,
    clients: Cache<PrincipalId, Arc<ClientFacts>>,
    users: Cache<PrincipalId, Arc<UserFacts>>,
    api_keys: Cache<PrincipalId, Arc<ApiKeyFacts>>,
    catalogue_version: AtomicU64,
    told: changes::Changes,
    hits: AtomicU64,
    misses: AtomicU64,
}

impl Caches {
    pub(super) fn new(families: usize) -> Self {
        Self {
            publications: RwLock::default(),
            families: Cache::new(families),
            keys: Cache::new(families),
            epochs: Cache::new(CATALOGUE_ENTRIES.max(families)),
            consumer_keys: Cache::new(CATALOGUE_ENTRIES),
            clients: Cache::new(CATALOGUE_ENTRIES),
            users: Cache::new(CATALOGUE_ENTRIES),
            api_keys: Cache::new(CATALOGUE_ENTRIES),
            catalogue_version: AtomicU64::new(0),
            told: changes::Changes::default(),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        }
    }

    /// A family, if it is here. One that is not is no miss before it is fetched: garbage is never.
    pub(super) fn family(&self, id: FamilyId) -> Option<Arc<Family>> {
        let found = self.families.get(&id)?;
        self.hits.fetch_add(1, Ordering::Relaxed);
        Some(found)
    }

    /// Counts a family that had to be fetched.
    pub(super) fn missed(&self) {
        self.misses.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn family_by_key(&self, key: KeyDigest) -> Option<Arc<Family>> {
        self.counted(self.keys.get(&key).and_then(|id| self.families.get(&id)))
    }

    fn counted(&self, found: Option<Arc<Family>>) -> Option<Arc<Family>> {
        let looks = if found.is_some() { &self.hits } else { &self.misses };
        looks.fetch_add(1, Ordering::Relaxed);
        found
    }

    pub(super) fn in_use(&self) -> CacheUse {
        CacheUse {
            families: self.families.len(),
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
        }
    }

    pub(super) fn epoch(&self, principal: PrincipalId) -> Option<u64> {
        self.epochs.get(&principal)
    }

    pub(super) fn client(&self, consumer_key: &str) -> Option<Arc<ClientFacts>> {
        let id = self.consumer_keys.get(consumer_key)?;
        self.clients.get(&id).filter(|facts| facts.client.consumer_key == consumer_key)
    }

    pub(super) fn client_by_id(&self, id: PrincipalId) -> Option<Arc<ClientFacts>> {
        self.clients.get(&id)
    }

    pub(super) fn user(&self, id: PrincipalId) -> Option<Arc<UserFacts>> {
        self.users.get(&id)
    }

    pub(super) fn api_key(&self, id: PrincipalId) -> Option<Arc<ApiKeyFacts>> {
        self.api_keys.get(&id)
    }

    /// How many commits changed APIs, tiers or what is denied since the opening.
    pub(super) fn catalogue_version(&self) -> u64 {
        self.catalogue_version.load(Ordering::Acquire)
    }

    /// What was published since the opening.
    pub(super) const fn told(&self) -> &changes::Changes {
        &self.told
    }

    /// The number to note before a read whose result may be kept.
    pub(super) fn began(&self) -> u64 {
        self.read().count
    }

    /// Keeps a family that was read since `began`.
    pub(super) fn fill_family(&self, began: u64, held: &HeldFamily) {
        let family = &held.family;
        let publications = self.read();
        let touched = publications.families.contains(&family.id)
            || publications.epochs.contains(&family.client)
            || publications.epochs.contains(&family.subject.id);
        if publications.count != began || touched {
            return;
        }
        self.keep_family(family);
        if let Some(epochs) = held.epochs {
            self.epochs.insert(family.client, epochs.client);
            self.epochs.insert(family.subject.id, epochs.subject);
        }
    }

    /// Keeps a client that was read since `began`.
    pub(super) fn fill_client(&self, began: u64, facts: ClientFacts) -> Arc<ClientFacts> {
        let facts = Arc::new(facts);
        let publications = self.read();
        if publications.count == began && !publications.touches_client(facts.client.id) {
            self.consumer_keys.insert(facts.client.consumer_key.clone(), facts.client.id);
            self.clients.insert(facts.client.id, Arc::clone(&facts));
        }
        facts
    }

    /// Keeps a user that was read since `began`.
    pub(super) fn fill_user(&self, began: u64, facts: UserFacts) -> Arc<UserFacts> {
        let facts = Arc::new(facts);
        let publications = self.read();
        if publications.count == began && !publications.touches_user(facts.user.id) {
            self.users.insert(facts.user.id, Arc::clone(&facts));
        }
        facts
    }

    /// Keeps an API key that was read since `began`.
    pub(super) fn fill_api_key(&self, began: u64, facts: ApiKeyFacts) -> Arc<ApiKeyFacts> {
        let facts = Arc::new(facts);
        let publications = self.read();
        if publications.count == began && !publications.touches_client(facts.key.id) {
            self.api_keys.insert(facts.key.id, Arc::clone(&facts));
        }
        facts
    }

    /// Says what the commit that comes now will change.
    pub(super) fn announce(&self, changes: &Changes) {
        let mut publications = self.write();
        publications.families = changes.families.iter().map(|(id, ..)| *id).collect();
        publications.epochs = changes.epochs.iter().map(|(id, _)| *id).collect();
        publications.clients.clone_from(&changes.clients);
        publications.users.clone_from(&changes.users);
        publications.catalogue = changes.catalogue;
    }

    /// Makes what was committed visible; called before anybody is answered.
    pub(super) fn publish(&self, changes: &Changes) {
        let mut publications = self.write();
        // Nobody else writes, so what the writer fetched is what the file has.
        for family in &changes.fetched {
            self.keep_family(family);
        }
        for (principal, epoch) in &changes.fetched_epochs {
            self.epochs.insert(*principal, *epoch);
        }
        for (id, key, family) in &changes.families {
            if let Some(family) = family {
                self.keep_family(family);
                continue;
            }
            self.families.remove(id);
            if self.keys.get(key) == Some(*id) {
                self.keys.remove(key);
            }
        }
        for (principal, epoch) in &changes.epochs {
            self.forget(*principal);
            match epoch {
                Some(epoch) => self.epochs.insert(*principal, *epoch),
                None => {
                    self.epochs.remove(principal);
                }
            }
        }
        changes.clients.iter().chain(&changes.users).for_each(|id| self.forget(*id));
        // Clients are kept with the epoch of their owner, who is anybody that was reset.
        let is_reset =
            |(id, epoch): &(PrincipalId, Option<u64>)| *epoch != Some(1) && !changes.clients.contains(id);
        if changes.epochs.iter().any(is_reset) {
            self.clients.clear();
        }
        if changes.catalogue != Catalogue::Unchanged {
            self.clients.clear();
            self.users.clear();
        }
        if changes.catalogue == Catalogue::Published {
            self.api_keys.clear();
            // Last: whoever sees the new number must find nothing old behind it.
            self.catalogue_version.fetch_add(1, Ordering::Release);
        }
        self.told.publish(changes.told());
        *publications = Publications { count: publications.count + 1, ..Publications::default() };
    }

    /// Forgets what is known of a client, an API key or a user.
    fn forget(&self, id: PrincipalId) {
        self.clients.remove(&id);
        self.api_keys.remove(&id);
        self.users.remove(&id);
    }

    /// Takes an announcement back: the commit failed.
    pub(super) fn withdraw(&self) {
        let mut publications = self.write();
        *publications = Publications { count: publications.count + 1, ..Publications::default() };
    }

    fn keep_family(&self, family: &Arc<Family>) {
        self.keys.insert(family.key, family.id);
        self.families.insert(family.id, Arc::clone(family));
    }

    fn read(&self) -> RwLockReadGuard<'_, Publications> {
        self.publications.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Publications> {
        self.publications.write().unwrap_or_else(PoisonError::into_inner)
    }
}
