//! The counts, in memory.

use std::collections::BTreeMap;

use async_trait::async_trait;
use latchkey_catalog::count::{CountKey, Grant, HandBack, Tally};
use latchkey_oauth::clock::Timestamp;

use super::MemoryStore;
use crate::counts::{CountReset, Counts, CountsOf, Lease};
use crate::{Result, execute};

#[async_trait]
impl Counts for MemoryStore {
    async fn lease(&self, lease: Lease) -> Result<Grant> {
        self.unit(|rows, now| execute::counts::lease(rows, &lease, now))
    }

    async fn give_back(&self, backs: Vec<(CountKey, HandBack)>) -> Result<()> {
        self.unit(|rows, _| execute::counts::give_back(rows, &backs))
    }

    async fn tallies(&self, of: CountsOf, limit: u32) -> Result<Vec<(CountKey, Tally)>> {
        let now = self.clock.now();
        self.read(|rows| execute::counts::tallies(rows, of, (limit, now)))
    }

    async fn reset_counts(&self, reset: CountReset) -> Result<u64> {
        self.unit(|rows, now| execute::counts::reset(rows, &reset, now))
    }

    async fn trim_tallies(&self, before: Timestamp) -> Result<u64> {
        self.unit(|rows, _| rows.trim_tallies(before, 1000))
    }
}

/// Counts by key and window.
pub(super) type Tallies = BTreeMap<(CountKey, Timestamp), Tally>;

pub(super) fn of(tallies: &Tallies, of: CountsOf, (now, limit): (Timestamp, u32)) -> Vec<(CountKey, Tally)> {
    let is_asked_for = |key: &CountKey| match of {
        CountsOf::Key(one) => *key == one,
        CountsOf::Application(id) => {
            key.owner() == id && matches!(key, CountKey::Application(..) | CountKey::ApplicationBurst(..))
        }
    };
    let found = tallies.iter().filter(|((key, _), tally)| is_asked_for(key) && tally.ends > now);
    found.take(limit as usize).map(|((key, _), tally)| (*key, *tally)).collect()
}

pub(super) fn trim(tallies: &mut Tallies, before: Timestamp, limit: u32) -> u64 {
    let old = tallies.iter().filter(|(_, tally)| tally.ends < before);
    let keys: Vec<_> = old.take(limit as usize).map(|(key, _)| *key).collect();
    for key in &keys {
        tallies.remove(key);
    }
    keys.len() as u64
}
