//! Where tokens and the catalogue are kept.
//!
//! [`Store`] is a narrow door: its methods are use cases, not tables. What a use case does is written once
//! ([`mod@execute`]) over two small traits of rows ([`rows`]), which each kind of store implements; the rules
//! themselves are pure and live in `latchkey-oauth` and `latchkey-catalog`.
//!
//! A write is acknowledged after it is durable. What a store could not do at all is a [`StoreError`]; what it
//! did not do because a rule said no is an ordinary outcome.

pub mod api_keys;
pub mod changes;
pub mod counts;
pub mod execute;
pub mod facts;
pub mod governance;
pub mod imports;
pub mod memory;
pub mod people;
pub mod publishing;
pub mod records;
pub mod registry;
pub mod rows;
pub mod sqlite;
pub mod unit;

use std::fmt::Debug;
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
use latchkey_oauth::clock::Timestamp;
use latchkey_oauth::event::Event;
use latchkey_oauth::family::Family;
use latchkey_oauth::id::{Bucket, FamilyId, PrincipalId};
use latchkey_oauth::token_value::TokenReference;

use crate::api_keys::ApiKeys;
use crate::changes::Changes;
use crate::counts::Counts;
use crate::facts::{ClientFacts, HeldFamily, UserFacts};
use crate::governance::Governance;
use crate::imports::Imports;
use crate::people::People;
use crate::publishing::Publishing;
use crate::records::Records;
use crate::registry::Registry;
use crate::rows::{Position, StoredEvent, Subscribed, SubscriptionKey};
use crate::unit::{Change, ChangeRefused, Ending, Issue, IssueOutcome, Refresh, RefreshOutcome};

/// What a store could not do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// A queue of the store is full; nothing was done.
    #[error("the store's queue is full")]
    Busy,
    /// It did not answer, or the outcome is not known: the disk is full, an I/O error, a lost connection.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// What it holds does not make sense.
    #[error("the store is damaged: {0}")]
    Damaged(String),
}

/// The result of asking a store.
pub type Result<T> = std::result::Result<T, StoreError>;

/// How a cache of token families is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CacheUse {
    /// Families in it now.
    pub families: usize,
    /// Looks that found a family, since the start.
    pub hits: u64,
    /// Looks that did not.
    pub misses: u64,
}

/// Tokens, users and applications, kept, with [`ApiKeys`], and with [`Counts`] what limits have given out.
#[async_trait]
pub trait Store:
    Records + Registry + Counts + People + Publishing + Governance + ApiKeys + Imports + Send + Sync + Debug
{
    /// Issues tokens for a key: decides on the held family, writes, and answers once that is durable.
    async fn issue(&self, issue: Issue) -> Result<IssueOutcome>;

    /// Uses a refresh token.
    async fn refresh(&self, refresh: Refresh) -> Result<RefreshOutcome>;

    /// Notes that the current tokens of a family were seen in use, so that the refresh token before them is
    /// no longer answered as a lost response.
    async fn mark_used(&self, bucket: Bucket, family: FamilyId, generation: u32) -> Result<()>;

    /// Ends tokens; answers how many families ended, where they were counted.
    async fn end(&self, ending: Ending) -> Result<u64>;

    /// The family of this id with the epochs that now hold for its client and subject.
    async fn family(&self, bucket: Bucket, id: FamilyId) -> Result<Option<HeldFamily>>;

    /// [`Store::family`], where it can be answered without waiting: the answer is the same. Most calls of an
    /// API are, and a wait costs more than the rest of the look.
    fn family_at_hand(&self, bucket: Bucket, id: FamilyId) -> Option<HeldFamily> {
        let _ = (bucket, id);
        None
    }

    /// What a value of a generator other than `derived` names.
    async fn alias(&self, digest: [u8; 32]) -> Result<Option<TokenReference>>;

    /// A client by its consumer key, with what tokens for it depend on.
    async fn client(&self, consumer_key: &str) -> Result<Option<Arc<ClientFacts>>>;

    /// A client by its id.
    async fn client_by_id(&self, id: PrincipalId) -> Result<Option<Arc<ClientFacts>>>;

    /// [`Store::client_by_id`], where it can be answered without waiting.
    fn client_at_hand(&self, id: PrincipalId) -> Option<Arc<ClientFacts>> {
        let _ = id;
        None
    }

    /// A user by name.
    async fn user(&self, name: &str) -> Result<Option<Arc<UserFacts>>>;

    /// A user by id.
    async fn user_by_id(&self, id: PrincipalId) -> Result<Option<Arc<UserFacts>>>;

    /// Changes users, applications, APIs, subscriptions or tiers, and ends what ends with that.
    async fn change(&self, change: Change) -> Result<std::result::Result<(), ChangeRefused>>;

    /// Up to `limit` users whose names follow `after`.
    async fn users(&self, after: &str, limit: u32) -> Result<Vec<User>>;

    /// Up to `limit` applications, of one owner or of all, whose ids follow `after`.
    async fn applications(
        &self,
        owner: Option<PrincipalId>,
        after: Option<EntryId>,
        limit: u32,
    ) -> Result<Vec<Application>>;

    /// The clients of an application, each with its sealed secret.
    async fn clients_of(&self, application: EntryId) -> Result<Vec<(Client, Vec<u8>)>>;

    /// The families of a subject, through one client or through all, at most `limit`; a client's own where
    /// the subject is the client.
    async fn families_of(
        &self,
        subject: PrincipalId,
        client: Option<PrincipalId>,
        limit: u32,
    ) -> Result<Vec<Arc<Family>>>;

    /// The families that a client holds, for itself and for every user, at most `limit`.
    async fn families_through(&self, client: PrincipalId, limit: u32) -> Result<Vec<Arc<Family>>>;

    /// All APIs.
    async fn apis(&self) -> Result<Vec<Api>>;

    /// Up to `limit` subscriptions, in the order of their keys, that follow `after`.
    async fn subscriptions(
        &self,
        which: Subscribed,
        after: Option<SubscriptionKey>,
        limit: u32,
    ) -> Result<Vec<Subscription>>;

    /// All tiers, by level and name. A new store has those of [`latchkey_catalog::tier::seeded`].
    async fn tiers(&self) -> Result<Vec<Tier>>;

    /// The gateway node of this secret, by its SHA-256.
    async fn node(&self, secret: [u8; 32]) -> Result<Option<Node>>;

    /// All gateway nodes by name.
    async fn nodes(&self) -> Result<Vec<Node>>;

    /// Up to `limit` events whose numbers follow `after`.
    async fn events(&self, after: u64, limit: u32) -> Result<Vec<StoredEvent>>;

    /// Appends an event that goes with no other change.
    async fn append(&self, event: Event) -> Result<()>;

    /// Reclaims the families of one bucket of which nothing is valid any more; answers how many.
    async fn sweep(&self, bucket: Bucket) -> Result<u64>;

    /// Removes events from before `before`, at most a thousand; answers how many.
    async fn trim_events(&self, before: Timestamp) -> Result<u64>;

    /// Rises with every change of APIs, tiers and what is denied, before the change is answered. Who notes this
    /// number and then reads these may keep what was read for as long as the number stands. It counts from the
    /// opening of this store and says nothing about applications, clients, subscriptions and users, of which there
    /// are many: [`Store::client`] and its like always answer what holds.
    fn catalogue_version(&self) -> u64;

    /// What stopped being as it was since the opening of this store: each change stands there before it is
    /// answered.
    fn changes(&self) -> &Changes;

    /// The last event number written.
    async fn position(&self) -> Result<Position>;

    /// Whether a write can be made durable now.
    async fn probe(&self) -> Result<()>;

    /// How many writes wait.
    fn queued(&self) -> usize;

    /// How its cache of token families is used; a store without one says zeros.
    fn cache_use(&self) -> CacheUse {
        CacheUse::default()
    }
}
