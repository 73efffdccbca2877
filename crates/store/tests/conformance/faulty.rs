//! Stores with one planted fault each, to show that the suite can fail.

#![expect(clippy::wildcard_enum_match_arm, reason = "a fault is in one or two methods only")]

mod api_keys;
mod counts;
mod fault;
mod governance;
mod imports;
mod people;
mod publishing;
mod records;
mod registry;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};

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
use latchkey_oauth::event::{Event, EventKind};
use latchkey_oauth::family::Family;
use latchkey_oauth::holder::OnLimit;
use latchkey_oauth::id::{Bucket, FamilyId, PrincipalId};
use latchkey_oauth::issuance::{self, Decision, decide};
use latchkey_oauth::revocation::Selector;
use latchkey_oauth::rotation::{self, Rotation, RotationRefusal, rotate};
use latchkey_oauth::token_value::TokenReference;
use latchkey_store::api_keys::ApiKeyFacts;
use latchkey_store::changes::Changes;
use latchkey_store::facts::{ClientFacts, HeldFamily, UserFacts};
use latchkey_store::rows::{Position, StoredEvent, Subscribed, SubscriptionKey};
use latchkey_store::unit::{
    CatalogueChange, Change, ChangeRefused, Ending, Issue, IssueOutcome, Refresh, RefreshOutcome,
};
use latchkey_store::{Result, Store};
use tokio::task::yield_now;

use crate::lab::{Kind, Setup};

pub(crate) use fault::Fault;

#[derive(Debug, Default)]
struct State {
    families: HashMap<FamilyId, Arc<Family>>,
    cached: HashMap<FamilyId, HeldFamily>,
    ended: HashSet<FamilyId>,
    clients: HashMap<String, Arc<ClientFacts>>,
    aliases: HashMap<[u8; 32], TokenReference>,
    held_back: HashSet<u64>,
    api_keys: HashMap<PrincipalId, Arc<ApiKeyFacts>>,
}

/// A store with a fault.
#[derive(Debug)]
struct Faulty {
    inner: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    fault: Fault,
    state: Mutex<State>,
    told: Arc<Changes>,
}

/// A kind of store with a fault on top.
pub(crate) struct FaultyKind {
    pub(crate) kind: Box<dyn Kind>,
    pub(crate) fault: Fault,
}

#[async_trait]
impl Kind for FaultyKind {
    async fn open(&self, setup: &Setup, clock: Arc<dyn Clock>) -> Arc<dyn Store> {
        let inner = self.kind.open(setup, Arc::clone(&clock)).await;
        let told = Arc::default();
        if matches!(self.fault, Fault::ToldLate | Fault::Untold) {
            tokio::spawn(retell(Arc::clone(&inner), Arc::clone(&told), self.fault));
        }
        Arc::new(Faulty { inner, clock, fault: self.fault, state: Mutex::default(), told })
    }
}

/// Tells of the changes of `inner`: of each when the next one comes, or of every other one.
async fn retell(inner: Arc<dyn Store>, told: Arc<Changes>, fault: Fault) {
    let (mut mark, mut held) = (inner.changes().mark(), Vec::new());
    loop {
        inner.changes().wait(mark).await;
        let (changes, next) = inner.changes().since(mark, 1).unwrap();
        let changes = if fault == Fault::ToldLate { std::mem::replace(&mut held, changes) } else { changes };
        let is_told = fault == Fault::ToldLate || next.seq % 2 == 0;
        told.publish(changes.into_iter().filter(|_| is_told));
        mark = next;
    }
}

impl Faulty {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    async fn one_by_one(
        &self,
        changes: Vec<CatalogueChange>,
        actor: String,
    ) -> Result<std::result::Result<(), ChangeRefused>> {
        for what in changes {
            let outcome = self.inner.change(Change { what, actor: actor.clone() }).await?;
            if outcome.is_err() {
                return Ok(outcome);
            }
        }
        Ok(Ok(()))
    }

    fn has(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    /// Issues as a store would that forgot the transaction.
    async fn issue_in_steps(&self, unit: Issue) -> Result<IssueOutcome> {
        let key = unit.key.digest();
        let held = self.state().families.values().find(|family| family.key == key).cloned();
        yield_now().await;
        let now = self.clock.now();
        let decision = decide(held.as_deref(), &unit.draft, unit.renewal, now);
        let family = match held {
            Some(held) if decision == Decision::Reuse => held,
            held => {
                Arc::new(issuance::apply(decision, held.as_deref(), (&unit.key, &unit.draft), unit.seen, now))
            }
        };
        yield_now().await;
        if decision != Decision::Reuse {
            self.state().families.insert(family.id, Arc::clone(&family));
            let kind = if decision == Decision::Create { EventKind::Issue } else { EventKind::Renew };
            self.inner.append(Event::about(kind, &family, now)).await?;
        }
        Ok(IssueOutcome::Issued { family, decision })
    }

    /// Refreshes likewise.
    async fn refresh_in_steps(&self, unit: Refresh) -> Result<RefreshOutcome> {
        let held = self.state().families.get(&unit.family).cloned();
        let Some(held) = held else {
            return Ok(RefreshOutcome {
                rotation: Rotation::Refused(RotationRefusal::Unknown),
                family: None,
            });
        };
        yield_now().await;
        let now = self.clock.now();
        let rotation = rotate(&held, &unit.request, now);
        yield_now().await;
        let family = match rotation {
            Rotation::Repeat => Some(held),
            Rotation::Rotate | Rotation::RenewAccess | Rotation::Replayed | Rotation::Refused(_) => {
                rotation::apply(rotation, &held, &unit.request, now).map(Arc::new)
            }
        };
        if let Some(family) = &family {
            self.state().families.insert(family.id, Arc::clone(family));
        }
        Ok(RefreshOutcome { rotation, family })
    }

    /// Looks at the limits, and then issues without any.
    async fn issue_after_a_look(&self, mut issue: Issue) -> Result<IssueOutcome> {
        let (subject, client) = (issue.key.subject.id, issue.key.client);
        let mut families = self.inner.families_of(subject, Some(client), 1000).await?;
        yield_now().await;
        if families.len() >= issue.limits.devices as usize {
            if issue.limits.on_limit == OnLimit::Reject {
                return Ok(IssueOutcome::LimitReached);
            }
            families.sort_by_key(|family| (family.access.issued_at, family.id));
            let selector = Selector::Family { bucket: families[0].bucket, id: families[0].id };
            let reason = latchkey_oauth::revocation::Reason::Limit;
            self.inner.end(Ending { selector, reason, actor: None }).await?;
        }
        issue.limits.devices = u32::MAX;
        issue.limits.families = u32::MAX;
        self.inner.issue(issue).await
    }

    async fn issue_counting_the_dead(&self, issue: Issue) -> Result<IssueOutcome> {
        let (subject, client) = (issue.key.subject.id, issue.key.client);
        let families = self.inner.families_of(subject, Some(client), 1000).await?;
        let is_new = families.iter().all(|family| family.key != issue.key.digest());
        if is_new && families.len() >= issue.limits.families as usize {
            return Ok(IssueOutcome::LimitReached);
        }
        self.inner.issue(issue).await
    }

    /// Issues under the epochs that hold, not those that were seen.
    async fn issue_whoever_it_is(&self, mut issue: Issue) -> Result<IssueOutcome> {
        if let Some(client) = self.inner.client_by_id(issue.key.client).await? {
            issue.seen.client = client.epoch;
            issue.seen.subject = client.epoch;
        }
        if let Some(user) = self.inner.user_by_id(issue.key.subject.id).await? {
            issue.seen.subject = user.epoch;
        }
        issue.owner = None;
        self.inner.issue(issue).await
    }

    async fn cached_family(&self, bucket: Bucket, id: FamilyId) -> Result<Option<HeldFamily>> {
        if let Some(held) = self.state().cached.get(&id) {
            return Ok(Some(held.clone()));
        }
        let held = self.inner.family(bucket, id).await?;
        for _ in 0..4 {
            yield_now().await;
        }
        if let Some(held) = &held {
            self.state().cached.insert(id, held.clone());
        }
        Ok(held)
    }

    fn own_family(&self, id: FamilyId) -> Option<HeldFamily> {
        let family = self.state().families.get(&id).cloned();
        family.map(|family| HeldFamily { epochs: Some(family.epochs), family })
    }

    fn remember_aliases(&self, family: &Family) {
        let Some(minted) = family.minted.as_deref() else { return };
        let kind = latchkey_oauth::keyring::ValueKind::Access;
        let generation = family.access.generation;
        let names = TokenReference { kind, bucket: family.bucket, family: family.id, generation };
        self.state().aliases.extend(minted.access.iter().map(|value| (value.digest, names)));
    }
}

#[async_trait]
impl Store for Faulty {
    async fn issue(&self, issue: Issue) -> Result<IssueOutcome> {
        match self.fault {
            Fault::StaleRead => return self.issue_in_steps(issue).await,
            Fault::LimitOutside => return self.issue_after_a_look(issue).await,
            Fault::DeadCounted => return self.issue_counting_the_dead(issue).await,
            Fault::EpochsIgnoredByIssue => return self.issue_whoever_it_is(issue).await,
            _ => {}
        }
        let outcome = self.inner.issue(issue).await?;
        if let IssueOutcome::Issued { family, decision } = &outcome {
            self.remember_aliases(family);
            self.state().cached.remove(&family.id);
            if self.has(Fault::ReuseWrites) && *decision == Decision::Reuse {
                self.inner.append(Event::about(EventKind::Renew, family, self.clock.now())).await?;
            }
        }
        Ok(outcome)
    }

    async fn refresh(&self, mut refresh: Refresh) -> Result<RefreshOutcome> {
        if self.has(Fault::StaleRead) {
            return self.refresh_in_steps(refresh).await;
        }
        let held = self.inner.family(refresh.bucket, refresh.family).await?.map(|held| held.family);
        if let (true, Some(held)) = (self.has(Fault::AnyClient), &held) {
            refresh.request.client = held.client;
        }
        let rotation = held.as_ref().map(|held| rotate(held, &refresh.request, self.clock.now()));
        if self.has(Fault::ReplayForgiven) && rotation == Some(Rotation::Replayed) {
            return Ok(RefreshOutcome { rotation: Rotation::Replayed, family: None });
        }
        if let (true, Some(Rotation::Repeat), Some(held)) = (self.has(Fault::Branch), rotation, &held) {
            refresh.request.generation = held.refresh.unwrap().generation;
        }
        let outcome = self.inner.refresh(refresh).await?;
        if let Some(family) = &outcome.family {
            self.remember_aliases(family);
            self.state().cached.remove(&family.id);
            if self.has(Fault::UseOfAnything) {
                let generation = family.refresh.unwrap().generation;
                self.inner.mark_used(family.bucket, family.id, generation).await?;
            }
        }
        Ok(outcome)
    }

    async fn mark_used(&self, bucket: Bucket, family: FamilyId, generation: u32) -> Result<()> {
        self.inner.mark_used(bucket, family, generation).await
    }

    async fn end(&self, ending: Ending) -> Result<u64> {
        match (self.fault, &ending.selector) {
            (Fault::EarlyAnswer, _) => {
                let inner = Arc::clone(&self.inner);
                tokio::spawn(async move {
                    for _ in 0..3 {
                        yield_now().await;
                    }
                    inner.end(ending).await
                });
                return Ok(1);
            }
            (Fault::EndInMemory, Selector::Family { id, .. }) => {
                self.state().ended.insert(*id);
                return Ok(1);
            }
            (Fault::StaleRead, Selector::Family { id, .. }) => {
                return Ok(u64::from(self.state().families.remove(id).is_some()));
            }
            _ => {}
        }
        let ended = self.inner.end(ending).await?;
        self.state().cached.clear();
        Ok(ended)
    }

    async fn family(&self, bucket: Bucket, id: FamilyId) -> Result<Option<HeldFamily>> {
        if self.state().ended.contains(&id) {
            return Ok(None);
        }
        match self.fault {
            Fault::StaleRead => Ok(self.own_family(id)),
            Fault::UncheckedFill => self.cached_family(bucket, id).await,
            Fault::EpochsIgnoredByReads => {
                let held = self.inner.family(bucket, id).await?;
                Ok(held.map(|held| HeldFamily { epochs: Some(held.family.epochs), ..held }))
            }
            _ => self.inner.family(bucket, id).await,
        }
    }

    async fn alias(&self, digest: [u8; 32]) -> Result<Option<TokenReference>> {
        let remembered = self.state().aliases.get(&digest).copied();
        match remembered {
            Some(names) if self.has(Fault::AliasesStay) => Ok(Some(names)),
            _ => self.inner.alias(digest).await,
        }
    }

    async fn client(&self, consumer_key: &str) -> Result<Option<Arc<ClientFacts>>> {
        let kept = self.state().clients.get(consumer_key).cloned();
        if kept.is_some() && self.has(Fault::StaleCatalogue) {
            return Ok(kept);
        }
        let found = self.inner.client(consumer_key).await?;
        self.state().clients.extend(found.iter().map(|facts| (consumer_key.to_owned(), Arc::clone(facts))));
        Ok(found)
    }

    async fn client_by_id(&self, id: PrincipalId) -> Result<Option<Arc<ClientFacts>>> {
        self.inner.client_by_id(id).await
    }

    async fn user(&self, name: &str) -> Result<Option<Arc<UserFacts>>> {
        self.inner.user(name).await
    }

    async fn user_by_id(&self, id: PrincipalId) -> Result<Option<Arc<UserFacts>>> {
        self.inner.user_by_id(id).await
    }

    async fn change(&self, change: Change) -> Result<std::result::Result<(), ChangeRefused>> {
        let changed = match change.what {
            CatalogueChange::AddApplication(application, client, subscriptions)
                if self.has(Fault::InPieces) =>
            {
                let first = CatalogueChange::AddApplication(application, client, Vec::new());
                let rest = subscriptions.into_iter().map(CatalogueChange::Subscribe);
                self.one_by_one(std::iter::once(first).chain(rest).collect(), change.actor).await?
            }
            CatalogueChange::UpdateUsers(updates) if self.has(Fault::InPieces) => {
                let each = updates.into_iter().map(|update| CatalogueChange::UpdateUsers(vec![update]));
                self.one_by_one(each.collect(), change.actor).await?
            }
            CatalogueChange::LabelDevice { user, session, label, mut living }
                if self.has(Fault::LabelsStay) =>
            {
                living.extend(self.inner.labels(user).await?.into_keys());
                let what = CatalogueChange::LabelDevice { user, session, label, living };
                self.inner.change(Change { what, actor: change.actor }).await?
            }
            what => self.inner.change(Change { what, actor: change.actor }).await?,
        };
        self.state().cached.clear();
        Ok(changed)
    }

    async fn users(&self, after: &str, limit: u32) -> Result<Vec<User>> {
        self.inner.users(after, limit).await
    }

    async fn applications(
        &self,
        owner: Option<PrincipalId>,
        after: Option<EntryId>,
        limit: u32,
    ) -> Result<Vec<Application>> {
        self.inner.applications(owner, after, limit).await
    }

    async fn clients_of(&self, application: EntryId) -> Result<Vec<(Client, Vec<u8>)>> {
        self.inner.clients_of(application).await
    }

    async fn families_of(
        &self,
        subject: PrincipalId,
        client: Option<PrincipalId>,
        limit: u32,
    ) -> Result<Vec<Arc<Family>>> {
        self.inner.families_of(subject, client, limit).await
    }

    async fn families_through(&self, client: PrincipalId, limit: u32) -> Result<Vec<Arc<Family>>> {
        self.inner.families_through(client, limit).await
    }

    async fn apis(&self) -> Result<Vec<Api>> {
        self.inner.apis().await
    }

    async fn subscriptions(
        &self,
        which: Subscribed,
        after: Option<SubscriptionKey>,
        limit: u32,
    ) -> Result<Vec<Subscription>> {
        self.inner.subscriptions(which, after, limit).await
    }

    async fn tiers(&self) -> Result<Vec<Tier>> {
        self.inner.tiers().await
    }

    async fn node(&self, secret: [u8; 32]) -> Result<Option<Node>> {
        self.inner.node(secret).await
    }

    async fn nodes(&self) -> Result<Vec<Node>> {
        self.inner.nodes().await
    }

    /// With the fault, the last number but one is seen a moment after the last.
    async fn events(&self, after: u64, limit: u32) -> Result<Vec<StoredEvent>> {
        let mut events = self.inner.events(after, limit).await?;
        if self.has(Fault::LateEvent) && events.len() > 1 {
            let late = events[events.len() - 2].position.seq;
            if self.state().held_back.insert(late) {
                events.retain(|event| event.position.seq != late);
            }
        }
        Ok(events)
    }

    async fn append(&self, event: Event) -> Result<()> {
        self.inner.append(event).await
    }

    async fn sweep(&self, bucket: Bucket) -> Result<u64> {
        self.inner.sweep(bucket).await
    }

    async fn trim_events(&self, before: Timestamp) -> Result<u64> {
        self.inner.trim_events(before).await
    }

    fn catalogue_version(&self) -> u64 {
        match self.fault {
            Fault::UncountedChange => 0,
            _ => self.inner.catalogue_version(),
        }
    }

    fn changes(&self) -> &Changes {
        match self.fault {
            Fault::ToldLate | Fault::Untold => &self.told,
            _ => self.inner.changes(),
        }
    }

    async fn position(&self) -> Result<Position> {
        self.inner.position().await
    }

    async fn probe(&self) -> Result<()> {
        self.inner.probe().await
    }

    fn queued(&self) -> usize {
        self.inner.queued()
    }
}
