//! The stores under test, and a plan's steps put into their words.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use latchkey_catalog::application::Application;
use latchkey_catalog::id::EntryId;
use latchkey_catalog::lifecycle::LifecycleEvent;
use latchkey_catalog::user::{Profile, User, UserState};
use latchkey_oauth::client::{Client, ClientMetadata, GrantType, KeyType, TokenFormat, Validities};
use latchkey_oauth::clock::{Clock, ManualClock};
use latchkey_oauth::entropy::{SeededEntropy, random};
use latchkey_oauth::family::Validity;
use latchkey_oauth::id::{Bucket, FamilyId, PrincipalId};
use latchkey_store::memory::MemoryStore;
use latchkey_store::sqlite::{SqliteSettings, SqliteStore};
use latchkey_store::unit::{
    CatalogueChange, Change, Ending, Issue, IssueOutcome, NewClient, Refresh, RefreshOutcome,
};
use latchkey_store::{Result, Store};
use tempfile::TempDir;

/// A unit of work.
#[derive(Debug, Clone)]
pub(crate) enum Deed {
    Issue(Box<Issue>),
    Refresh(Box<Refresh>),
    Use(Bucket, FamilyId, u32),
    End(Ending),
    Change(Box<Change>),
    Sweep(Bucket),
}

/// What a store said to it.
#[derive(Debug)]
pub(crate) enum Outcome {
    Issue(IssueOutcome),
    Refresh(RefreshOutcome),
    Count(u64),
    Done,
}

/// Two stores that are told the same things.
pub(crate) struct World {
    pub(crate) stores: [Arc<dyn Store>; 2],
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) clients: [PrincipalId; 2],
    pub(crate) users: [PrincipalId; 2],
    entropy: SeededEntropy,
    _directory: TempDir,
}

impl World {
    pub(crate) async fn new(clock: ManualClock) -> Self {
        let clock = Arc::new(clock);
        let directory = tempfile::tempdir().unwrap();
        let settings = SqliteSettings::at(&directory.path().join("latchkey.db"));
        let stores: [Arc<dyn Store>; 2] = [
            Arc::new(SqliteStore::open(&settings, clock.clone()).unwrap()),
            Arc::new(MemoryStore::new(clock.clone(), 100_000)),
        ];
        let entropy = SeededEntropy::new(1);
        let clients = [(); 2].map(|()| PrincipalId::draw(&entropy));
        let users = [(); 2].map(|()| PrincipalId::draw(&entropy));
        let world = Self { stores, clock, clients, users, entropy, _directory: directory };
        world.populate().await;
        world
    }

    pub(crate) fn draw<const N: usize>(&self) -> [u8; N] {
        random(&self.entropy)
    }

    async fn populate(&self) {
        for (id, name) in self.users.into_iter().zip(["alice", "bob"]) {
            let user = User {
                id,
                name: name.to_owned(),
                password: String::new(),
                roles: [].into(),
                state: UserState::Active,
                profile: Profile::default(),
                created_at: self.clock.now(),
                updated_at: self.clock.now(),
            };
            self.change(CatalogueChange::AddUser(user)).await;
        }
        for (number, id) in self.clients.into_iter().enumerate() {
            let (application, name) = (EntryId::draw(&self.entropy), format!("Application {number}"));
            let application = Application::registered(application, name, self.users[0], self.clock.now());
            let lives = Validity::Seconds(3600);
            let client = Client {
                id,
                consumer_key: format!("key {number}"),
                secrets: Vec::new(),
                further_secrets: Vec::new(),
                grants: GrantType::ALL.into(),
                token_format: TokenFormat::Opaque,
                key_type: KeyType::Production,
                validities: Validities { application: lives, user: lives, refresh: lives },
                metadata: ClientMetadata::default(),
            };
            let client = Box::new(NewClient { client, sealed_secret: Vec::new() });
            self.change(CatalogueChange::AddApplication(application, Some(client), Vec::new())).await;
        }
    }

    async fn change(&self, what: CatalogueChange) {
        for store in &self.stores {
            let change = Change { what: what.clone(), actor: "admin".to_owned() };
            store.change(change).await.unwrap().unwrap();
        }
    }

    /// What ends everything of a user without a change of the user.
    pub(crate) fn reset(&self, user: usize) -> Change {
        let what = CatalogueChange::Lifecycle(self.users[user], LifecycleEvent::PasswordChanged);
        Change { what, actor: "admin".to_owned() }
    }

    /// Tells both stores to do these, in this order and without waiting in between; their answers.
    pub(crate) async fn perform(&self, deeds: &[Deed]) -> [Vec<Outcome>; 2] {
        let [first, second] = &self.stores;
        [in_order(first, deeds).await, in_order(second, deeds).await]
    }
}

/// Hands the deeds over in order, all before the first answer.
async fn in_order(store: &Arc<dyn Store>, deeds: &[Deed]) -> Vec<Outcome> {
    type Task = Pin<Box<dyn Future<Output = Result<Outcome>>>>;
    let mut tasks: Vec<Task> =
        deeds.iter().map(|deed| Box::pin(perform(Arc::clone(store), deed.clone())) as Task).collect();
    let mut answers: Vec<Option<Outcome>> = tasks.iter().map(|_| None).collect();
    poll_fn(|context| {
        for (task, answer) in tasks.iter_mut().zip(&mut answers).filter(|(_, answer)| answer.is_none()) {
            if let Poll::Ready(outcome) = task.as_mut().poll(context) {
                *answer = Some(outcome.unwrap());
            }
        }
        if answers.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    answers.into_iter().flatten().collect()
}

async fn perform(store: Arc<dyn Store>, deed: Deed) -> Result<Outcome> {
    Ok(match deed {
        Deed::Issue(issue) => Outcome::Issue(store.issue(*issue).await?),
        Deed::Refresh(refresh) => Outcome::Refresh(store.refresh(*refresh).await?),
        Deed::Use(bucket, family, generation) => {
            store.mark_used(bucket, family, generation).await?;
            Outcome::Done
        }
        Deed::End(ending) => Outcome::Count(store.end(ending).await?),
        Deed::Change(change) => {
            store.change(*change).await?.unwrap();
            Outcome::Done
        }
        Deed::Sweep(bucket) => Outcome::Count(store.sweep(bucket).await?),
    })
}
