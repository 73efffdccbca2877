//! A store in memory: for tests, and to see what the store costs (`store.url = "memory:"`). Nothing
//! survives the process.

mod api_keys;
mod counts;
mod governance;
mod imports;
mod people;
mod publishing;
mod records;
mod registry;
mod rows;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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
use latchkey_oauth::family::Family;
use latchkey_oauth::id::{Bucket, FamilyId, PrincipalId};
use latchkey_oauth::token_value::TokenReference;

use crate::changes::Changes;
use crate::facts::{self, ClientFacts, HeldFamily, UserFacts};
use crate::rows::{Position, Read, StoredEvent, Subscribed, SubscriptionKey, Write};
use crate::sqlite::{dead_in, families_of, families_through};
use crate::unit::{Change, ChangeRefused, Ending, Issue, IssueOutcome, Refresh, RefreshOutcome};
use crate::{Result, Store, execute};

use rows::MemoryRows;

/// The store in memory.
#[derive(Debug)]
pub struct MemoryStore {
    state: Mutex<State>,
    clock: Arc<dyn Clock>,
    changes: Changes,
}

#[derive(Debug, Default)]
struct State {
    rows: MemoryRows,
    /// Clients as they were gathered; emptied by every change of the catalogue.
    clients: HashMap<String, Arc<ClientFacts>>,
}

impl MemoryStore {
    /// An empty store that keeps at most `event_max` events.
    pub fn new(clock: Arc<dyn Clock>, event_max: u64) -> Self {
        let rows = MemoryRows::new(usize::try_from(event_max).unwrap_or(usize::MAX));
        Self {
            state: Mutex::new(State { rows, clients: HashMap::new() }),
            clock,
            changes: Changes::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unit<T>(&self, run: impl FnOnce(&mut dyn Write, Timestamp) -> Result<T>) -> Result<T> {
        self.unit_in(self.state(), run)
    }

    /// A unit after which clients are gathered anew.
    fn unit_of_the_catalogue<T>(
        &self,
        run: impl FnOnce(&mut dyn Write, Timestamp) -> Result<T>,
    ) -> Result<T> {
        let mut state = self.state();
        state.clients.clear();
        self.unit_in(state, run)
    }

    fn unit_in<T>(
        &self,
        mut state: MutexGuard<'_, State>,
        run: impl FnOnce(&mut dyn Write, Timestamp) -> Result<T>,
    ) -> Result<T> {
        let done = run(&mut state.rows, self.clock.now());
        self.changes.publish(state.rows.take_changes());
        done
    }

    fn read<T>(&self, run: impl FnOnce(&mut dyn Read) -> Result<T>) -> Result<T> {
        run(&mut self.state().rows)
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn issue(&self, issue: Issue) -> Result<IssueOutcome> {
        self.unit(|rows, now| execute::issue(rows, &issue, now))
    }

    async fn refresh(&self, refresh: Refresh) -> Result<RefreshOutcome> {
        self.unit(|rows, now| execute::refresh(rows, &refresh, now))
    }

    async fn mark_used(&self, bucket: Bucket, family: FamilyId, generation: u32) -> Result<()> {
        self.unit(|rows, now| execute::mark_used(rows, (bucket, family, generation), now))
    }

    async fn end(&self, ending: Ending) -> Result<u64> {
        self.unit_of_the_catalogue(|rows, now| execute::end(rows, &ending, now))
    }

    async fn family(&self, bucket: Bucket, id: FamilyId) -> Result<Option<HeldFamily>> {
        self.read(|rows| {
            let Some(family) = rows.family(bucket, id)? else { return Ok(None) };
            let epochs = facts::epochs(rows, family.client, family.subject.id)?;
            Ok(Some(HeldFamily { family, epochs }))
        })
    }

    async fn alias(&self, digest: [u8; 32]) -> Result<Option<TokenReference>> {
        self.read(|rows| rows.alias(digest))
    }

    async fn client(&self, consumer_key: &str) -> Result<Option<Arc<ClientFacts>>> {
        let mut state = self.state();
        if let Some(facts) = state.clients.get(consumer_key) {
            return Ok(Some(Arc::clone(facts)));
        }
        let Some(client) = state.rows.client_by_key(consumer_key)? else { return Ok(None) };
        let Some(facts) = facts::of_client(&mut state.rows, client)?.map(Arc::new) else { return Ok(None) };
        state.clients.insert(consumer_key.to_owned(), Arc::clone(&facts));
        Ok(Some(facts))
    }

    async fn client_by_id(&self, id: PrincipalId) -> Result<Option<Arc<ClientFacts>>> {
        let key = self.read(|rows| Ok(rows.client(id)?.map(|client| client.consumer_key)))?;
        match key {
            Some(key) => self.client(&key).await,
            None => Ok(None),
        }
    }

    async fn user(&self, name: &str) -> Result<Option<Arc<UserFacts>>> {
        self.read(|rows| match rows.user_by_name(name)? {
            Some(user) => Ok(facts::of_user(rows, user)?.map(Arc::new)),
            None => Ok(None),
        })
    }

    async fn user_by_id(&self, id: PrincipalId) -> Result<Option<Arc<UserFacts>>> {
        self.read(|rows| match rows.user(id)? {
            Some(user) => Ok(facts::of_user(rows, user)?.map(Arc::new)),
            None => Ok(None),
        })
    }

    async fn change(&self, change: Change) -> Result<std::result::Result<(), ChangeRefused>> {
        self.unit_of_the_catalogue(|rows, now| execute::change(rows, &change, now))
    }

    async fn users(&self, after: &str, limit: u32) -> Result<Vec<User>> {
        self.read(|rows| rows.users(after, limit))
    }

    async fn applications(
        &self,
        owner: Option<PrincipalId>,
        after: Option<EntryId>,
        limit: u32,
    ) -> Result<Vec<Application>> {
        self.read(|rows| rows.applications(owner, after, limit))
    }

    async fn clients_of(&self, application: EntryId) -> Result<Vec<(Client, Vec<u8>)>> {
        self.read(|rows| rows.clients_of(application))
    }

    async fn families_of(
        &self,
        subject: PrincipalId,
        client: Option<PrincipalId>,
        limit: u32,
    ) -> Result<Vec<Arc<Family>>> {
        self.read(|rows| families_of(rows, subject, client, limit))
    }

    async fn families_through(&self, client: PrincipalId, limit: u32) -> Result<Vec<Arc<Family>>> {
        self.read(|rows| families_through(rows, client, limit))
    }

    async fn apis(&self) -> Result<Vec<Api>> {
        self.read(|rows| rows.apis())
    }

    async fn subscriptions(
        &self,
        which: Subscribed,
        after: Option<SubscriptionKey>,
        limit: u32,
    ) -> Result<Vec<Subscription>> {
        self.read(|rows| rows.subscriptions(which, after, limit))
    }

    async fn tiers(&self) -> Result<Vec<Tier>> {
        self.read(|rows| rows.tiers())
    }

    async fn node(&self, secret: [u8; 32]) -> Result<Option<Node>> {
        self.read(|rows| rows.node(secret))
    }

    async fn nodes(&self) -> Result<Vec<Node>> {
        self.read(|rows| rows.nodes())
    }

    async fn events(&self, after: u64, limit: u32) -> Result<Vec<StoredEvent>> {
        self.read(|rows| rows.events(after, limit))
    }

    async fn append(&self, event: Event) -> Result<()> {
        self.unit(|rows, _| rows.append(event))
    }

    async fn sweep(&self, bucket: Bucket) -> Result<u64> {
        self.unit(|rows, now| {
            let dead = dead_in(rows, bucket, now)?;
            execute::sweep(rows, &dead, now)
        })
    }

    async fn trim_events(&self, before: Timestamp) -> Result<u64> {
        self.unit(|rows, _| rows.trim_events(before, 1000))
    }

    fn catalogue_version(&self) -> u64 {
        self.state().rows.catalogue_version()
    }

    fn changes(&self) -> &Changes {
        &self.changes
    }

    async fn position(&self) -> Result<Position> {
        Ok(self.state().rows.position())
    }

    async fn probe(&self) -> Result<()> {
        Ok(())
    }

    fn queued(&self) -> usize {
        0
    }
}
