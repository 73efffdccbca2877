//! The embedded default: SQLite in WAL mode with `synchronous=FULL`.
//!
//! One writer thread commits whatever has queued as one transaction and answers every caller after the
//! commit (`writer`). Reads run on connections of their own. As this process is the only writer, which
//! the lock on the data directory guarantees, what is cached is exact (`cache`).

mod api_keys;
mod application_text;
pub mod backup;
mod cache;
mod catalogue;
mod checkpoint;
mod counts;
mod events;
mod families;
mod governance;
mod imports;
mod nodes;
mod noted;
mod people;
mod published;
mod publishing;
mod readers;
mod records;
mod registry;
mod schema;
mod transaction;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use latchkey_catalog::api::Api;
use latchkey_catalog::application::Application;
use latchkey_catalog::id::EntryId;
use latchkey_catalog::node::Node;
use latchkey_catalog::subscription::Subscription;
use latchkey_catalog::tier::Tier;
use latchkey_catalog::user::User;
use latchkey_oauth::client::Client;
use latchkey_oauth::clock::{Clock, Timestamp};
use latchkey_oauth::event::Event;
use latchkey_oauth::family::{Epochs, Family};
use latchkey_oauth::id::{Bucket, FamilyId, PrincipalId};
use latchkey_oauth::issuance::{Decision, Renewal, decide};
use latchkey_oauth::token_value::TokenReference;

use crate::changes::Changes;
use crate::facts::{self, ClientFacts, HeldFamily, UserFacts};
use crate::rows::{HolderId, Position, Read, StoredEvent, Subscribed, SubscriptionKey, Write};
use crate::unit::{Change, ChangeRefused, Ending, Issue, IssueOutcome, Refresh, RefreshOutcome};
use crate::{CacheUse, Result, Store, StoreError, execute};

use cache::Caches;
use readers::Readers;
use writer::Writer;

pub use schema::{Integrity, check_file};

/// How a SQLite store is opened.
#[derive(Debug, Clone)]
pub struct SqliteSettings {
    /// The database file.
    pub path: PathBuf,
    /// The most writes that wait (`store.queue`).
    pub queue: usize,
    /// The most writes in one transaction (`store.batch`).
    pub batch: usize,
    /// The most families kept in memory (`store.cache_entries`).
    pub cache_entries: usize,
    /// The most events kept (`store.event_max`).
    pub event_max: u64,
}

impl SqliteSettings {
    /// The defaults for the file at `path`.
    pub fn at(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            queue: 4096,
            batch: 512,
            cache_entries: 1_000_000,
            event_max: 1_000_000,
        }
    }
}

/// The store on SQLite.
#[derive(Debug)]
pub struct SqliteStore {
    caches: Arc<Caches>,
    writer: Writer,
    readers: Readers,
    clock: Arc<dyn Clock>,
}

impl SqliteStore {
    /// Opens the file, making or migrating it, and starts its threads. It refuses a SQLite library with the
    /// WAL-reset fault (before 3.51.3), a file that is not a database, and a schema newer than this program.
    pub fn open(settings: &SqliteSettings, clock: Arc<dyn Clock>) -> Result<Self> {
        let position = schema::prepare(&settings.path)?;
        let caches = Arc::new(Caches::new(settings.cache_entries));
        let writer = Writer::start(settings, position, &caches, &clock)?;
        let readers = Readers::start(&settings.path)?;
        Ok(Self { caches, writer, readers, clock })
    }

    async fn unit<T: Send + 'static>(
        &self,
        run: impl FnMut(&mut dyn Write, Timestamp) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.writer.run(run).await
    }

    async fn read<T: Send + 'static>(
        &self,
        run: impl FnOnce(&mut dyn Read) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.readers.run(run).await
    }

    /// The held tokens, where they are cached and are simply handed out again.
    fn reuse(&self, issue: &Issue) -> Option<IssueOutcome> {
        if issue.renewal != Renewal::Reuse {
            return None;
        }
        let family = self.caches.family_by_key(issue.key.digest())?;
        let epochs = self.cached_epochs(&family)?;
        let decision = decide(Some(&family), &issue.draft, issue.renewal, self.clock.now());
        let reused = epochs == issue.seen && epochs == family.epochs && decision == Decision::Reuse;
        reused.then_some(IssueOutcome::Issued { family, decision })
    }

    fn cached_epochs(&self, family: &Family) -> Option<Epochs> {
        let client = self.caches.epoch(family.client)?;
        let own = family.subject.id == family.client;
        let subject = if own { client } else { self.caches.epoch(family.subject.id)? };
        Some(Epochs { client, subject })
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn issue(&self, issue: Issue) -> Result<IssueOutcome> {
        if let Some(outcome) = self.reuse(&issue) {
            return Ok(outcome);
        }
        self.unit(move |rows, now| execute::issue(rows, &issue, now)).await
    }

    async fn refresh(&self, refresh: Refresh) -> Result<RefreshOutcome> {
        self.unit(move |rows, now| execute::refresh(rows, &refresh, now)).await
    }

    async fn mark_used(&self, bucket: Bucket, family: FamilyId, generation: u32) -> Result<()> {
        self.unit(move |rows, now| execute::mark_used(rows, (bucket, family, generation), now)).await
    }

    async fn end(&self, ending: Ending) -> Result<u64> {
        self.unit(move |rows, now| execute::end(rows, &ending, now)).await
    }

    async fn family(&self, bucket: Bucket, id: FamilyId) -> Result<Option<HeldFamily>> {
        if let Some(held) = self.family_at_hand(bucket, id) {
            return Ok(Some(held));
        }
        self.caches.missed();
        let began = self.caches.began();
        let found = self
            .read(move |rows| {
                let Some(family) = rows.family(bucket, id)? else { return Ok(None) };
                let epochs = facts::epochs(rows, family.client, family.subject.id)?;
                Ok(Some(HeldFamily { family, epochs }))
            })
            .await?;
        if let Some(held) = &found {
            self.caches.fill_family(began, held);
        }
        Ok(found)
    }

    fn family_at_hand(&self, bucket: Bucket, id: FamilyId) -> Option<HeldFamily> {
        let family = self.caches.family(id).filter(|family| family.bucket == bucket)?;
        let epochs = self.cached_epochs(&family)?;
        Some(HeldFamily { family, epochs: Some(epochs) })
    }

    async fn alias(&self, digest: [u8; 32]) -> Result<Option<TokenReference>> {
        self.read(move |rows| rows.alias(digest)).await
    }

    async fn client(&self, consumer_key: &str) -> Result<Option<Arc<ClientFacts>>> {
        if let Some(facts) = self.caches.client(consumer_key) {
            return Ok(Some(facts));
        }
        let began = self.caches.began();
        let key = consumer_key.to_owned();
        let found = self
            .read(move |rows| match rows.client_by_key(&key)? {
                Some(client) => facts::of_client(rows, client),
                None => Ok(None),
            })
            .await?;
        Ok(found.map(|facts| self.caches.fill_client(began, facts)))
    }

    fn client_at_hand(&self, id: PrincipalId) -> Option<Arc<ClientFacts>> {
        self.caches.client_by_id(id)
    }

    async fn client_by_id(&self, id: PrincipalId) -> Result<Option<Arc<ClientFacts>>> {
        if let Some(facts) = self.client_at_hand(id) {
            return Ok(Some(facts));
        }
        let began = self.caches.began();
        let found = self
            .read(move |rows| match rows.client(id)? {
                Some(client) => facts::of_client(rows, client),
                None => Ok(None),
            })
            .await?;
        Ok(found.map(|facts| self.caches.fill_client(began, facts)))
    }

    async fn user(&self, name: &str) -> Result<Option<Arc<UserFacts>>> {
        let name = name.to_owned();
        let found = self
            .read(move |rows| match rows.user_by_name(&name)? {
                Some(user) => facts::of_user(rows, user),
                None => Ok(None),
            })
            .await?;
        Ok(found.map(Arc::new))
    }

    async fn user_by_id(&self, id: PrincipalId) -> Result<Option<Arc<UserFacts>>> {
        if let Some(facts) = self.caches.user(id) {
            return Ok(Some(facts));
        }
        let began = self.caches.began();
        let found = self
            .read(move |rows| match rows.user(id)? {
                Some(user) => facts::of_user(rows, user),
                None => Ok(None),
            })
            .await?;
        Ok(found.map(|facts| self.caches.fill_user(began, facts)))
    }

    async fn change(&self, change: Change) -> Result<std::result::Result<(), ChangeRefused>> {
        self.unit(move |rows, now| execute::change(rows, &change, now)).await
    }

    async fn users(&self, after: &str, limit: u32) -> Result<Vec<User>> {
        let after = after.to_owned();
        self.read(move |rows| rows.users(&after, limit)).await
    }

    async fn applications(
        &self,
        owner: Option<PrincipalId>,
        after: Option<EntryId>,
        limit: u32,
    ) -> Result<Vec<Application>> {
        self.read(move |rows| rows.applications(owner, after, limit)).await
    }

    async fn clients_of(&self, application: EntryId) -> Result<Vec<(Client, Vec<u8>)>> {
        self.read(move |rows| rows.clients_of(application)).await
    }

    async fn families_of(
        &self,
        subject: PrincipalId,
        client: Option<PrincipalId>,
        limit: u32,
    ) -> Result<Vec<Arc<Family>>> {
        self.read(move |rows| families_of(rows, subject, client, limit)).await
    }

    async fn families_through(&self, client: PrincipalId, limit: u32) -> Result<Vec<Arc<Family>>> {
        self.read(move |rows| families_through(rows, client, limit)).await
    }

    async fn apis(&self) -> Result<Vec<Api>> {
        self.read(|rows| rows.apis()).await
    }

    async fn subscriptions(
        &self,
        which: Subscribed,
        after: Option<SubscriptionKey>,
        limit: u32,
    ) -> Result<Vec<Subscription>> {
        self.read(move |rows| rows.subscriptions(which, after, limit)).await
    }

    async fn tiers(&self) -> Result<Vec<Tier>> {
        self.read(|rows| rows.tiers()).await
    }

    async fn node(&self, secret: [u8; 32]) -> Result<Option<Node>> {
        self.read(move |rows| rows.node(secret)).await
    }

    async fn nodes(&self) -> Result<Vec<Node>> {
        self.read(|rows| rows.nodes()).await
    }

    async fn events(&self, after: u64, limit: u32) -> Result<Vec<StoredEvent>> {
        self.read(move |rows| rows.events(after, limit)).await
    }

    async fn append(&self, event: Event) -> Result<()> {
        self.unit(move |rows, _| rows.append(event.clone())).await
    }

    async fn sweep(&self, bucket: Bucket) -> Result<u64> {
        let now = self.clock.now();
        let dead = self.read(move |rows| dead_in(rows, bucket, now)).await?;
        if dead.is_empty() {
            return Ok(0);
        }
        self.unit(move |rows, now| execute::sweep(rows, &dead, now)).await
    }

    async fn trim_events(&self, before: Timestamp) -> Result<u64> {
        self.unit(move |rows, _| rows.trim_events(before, 1000)).await
    }

    fn catalogue_version(&self) -> u64 {
        self.caches.catalogue_version()
    }

    fn changes(&self) -> &Changes {
        self.caches.told()
    }

    async fn position(&self) -> Result<Position> {
        Ok(self.writer.position())
    }

    async fn probe(&self) -> Result<()> {
        self.unit(|rows, _| rows.prove()).await
    }

    fn queued(&self) -> usize {
        self.writer.queued()
    }

    fn cache_use(&self) -> CacheUse {
        self.caches.in_use()
    }
}

/// The families of a subject, through one client or all.
pub(crate) fn families_of(
    rows: &mut dyn Read,
    subject: PrincipalId,
    client: Option<PrincipalId>,
    limit: u32,
) -> Result<Vec<Arc<Family>>> {
    let mut holders = rows.holders_of(subject)?;
    holders.retain(|holder| client.is_none_or(|client| client == holder.client));
    families_of_holders(rows, holders, limit)
}

/// The families that a client holds, for itself and for every user.
pub(crate) fn families_through(
    rows: &mut dyn Read,
    client: PrincipalId,
    limit: u32,
) -> Result<Vec<Arc<Family>>> {
    let holders = rows.holders_through(client, limit)?;
    families_of_holders(rows, holders, limit)
}

fn families_of_holders(rows: &mut dyn Read, holders: Vec<HolderId>, limit: u32) -> Result<Vec<Arc<Family>>> {
    let mut families = Vec::new();
    for holder in holders {
        families.extend(rows.residents(holder)?);
        if families.len() >= limit as usize {
            break;
        }
    }
    families.truncate(limit as usize);
    Ok(families)
}

/// The families of a shard of which nothing is valid at `now`.
pub(crate) fn dead_in(
    rows: &mut dyn Read,
    bucket: Bucket,
    now: Timestamp,
) -> Result<Vec<(Bucket, FamilyId)>> {
    let mut dead = Vec::new();
    for family in rows.families_in(bucket)? {
        let epochs = facts::epochs(rows, family.client, family.subject.id)?;
        if !family.is_alive(epochs, now) {
            dead.push((bucket, family.id));
        }
    }
    Ok(dead)
}

/// What SQLite says, in the store's words.
fn problem(error: &rusqlite::Error) -> StoreError {
    use rusqlite::Error::{FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType, Utf8Error};
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    let damaged = matches!(error.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase))
        || matches!(
            error,
            FromSqlConversionFailure(..)
                | IntegralValueOutOfRange(..)
                | InvalidColumnType(..)
                | Utf8Error(..)
        );
    if damaged { StoreError::Damaged(error.to_string()) } else { StoreError::Unavailable(error.to_string()) }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        problem(&error)
    }
}
