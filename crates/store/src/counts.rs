//! Counts of calls that outlive the process: limits whose windows are long.
//!
//! A gateway does not write for each call. It leases permits, many at once where the limit is large, and uses
//! them up in memory. What it had not used when it was killed is lost to its window; so no window ever
//! admits more than its limit, whatever happens.

use async_trait::async_trait;
use latchkey_catalog::count::{CountKey, Grant, HandBack, Tally};
use latchkey_catalog::id::EntryId;
use latchkey_catalog::tier::Limit;
use latchkey_oauth::clock::Timestamp;
use latchkey_oauth::id::PrincipalId;

use crate::Result;

/// Permits asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// Of which count.
    pub key: CountKey,
    /// The limit in force.
    pub limit: Limit,
    /// How many, at most.
    pub count: u64,
}

/// Which counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CountsOf {
    /// One.
    Key(CountKey),
    /// Those of an application's own tier, for every subject.
    Application(EntryId),
}

/// Counts to set back, with who does it.
#[derive(Debug, Clone)]
pub struct CountReset {
    /// Which.
    pub which: Vec<CountsOf>,
    /// The application that they are of.
    pub application: EntryId,
    /// The user that they are of; none: whoever.
    pub subject: Option<PrincipalId>,
    /// An administrator's name, or the command line.
    pub actor: String,
}

/// The counts of a store.
#[async_trait]
pub trait Counts {
    /// Gives out permits as far as the limit reaches, in the window that is on by the store's clock, and
    /// answers once that is durable. An error may mean that they were given out: they are lost then.
    async fn lease(&self, lease: Lease) -> Result<Grant>;

    /// Takes permits back that nobody used. It must not be repeated after an error.
    async fn give_back(&self, backs: Vec<(CountKey, HandBack)>) -> Result<()>;

    /// Up to `limit` counts whose windows are on, in the order of their keys.
    async fn tallies(&self, of: CountsOf, limit: u32) -> Result<Vec<(CountKey, Tally)>>;

    /// Sets counts back whose windows are on, and notes that; answers how many there were.
    async fn reset_counts(&self, reset: CountReset) -> Result<u64>;

    /// Removes counts whose windows ended before `before`, at most a thousand; answers how many.
    async fn trim_tallies(&self, before: Timestamp) -> Result<u64>;
}
