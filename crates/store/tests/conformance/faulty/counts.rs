//! The counts of a faulty store.

use async_trait::async_trait;
use latchkey_catalog::count::{CountKey, Grant, HandBack, Tally};
use latchkey_catalog::tier::Limit;
use latchkey_oauth::clock::Timestamp;
use latchkey_store::Result;
use latchkey_store::counts::{CountReset, Counts, CountsOf, Lease};
use tokio::task::yield_now;

use super::{Fault, Faulty};

#[async_trait]
impl Counts for Faulty {
    /// With the fault, what is left is looked up first, and given out in a second step.
    async fn lease(&self, lease: Lease) -> Result<Grant> {
        if !self.has(Fault::LeaseInSteps) {
            return self.inner.lease(lease).await;
        }
        let held = self.inner.tallies(CountsOf::Key(lease.key), 1).await?;
        // Long enough for others to look, too, however late they begin.
        for _ in 0..1000 {
            yield_now().await;
        }
        let used = held.first().map_or(0, |(_, tally)| tally.used);
        let count = lease.count.min(lease.limit.calls.saturating_sub(used));
        let limit = Limit { calls: u64::MAX, ..lease.limit };
        self.inner.lease(Lease { limit, count, ..lease }).await
    }

    /// With the fault, it is taken back without a look at what it is of.
    async fn give_back(&self, mut backs: Vec<(CountKey, HandBack)>) -> Result<()> {
        if self.has(Fault::BackToAnyCount) {
            for (key, back) in &mut backs {
                let held = self.inner.tallies(CountsOf::Key(*key), 1).await?;
                back.window = held.first().map_or(back.window, |(_, tally)| tally.window);
            }
        }
        self.inner.give_back(backs).await
    }

    async fn tallies(&self, of: CountsOf, limit: u32) -> Result<Vec<(CountKey, Tally)>> {
        self.inner.tallies(of, limit).await
    }

    async fn reset_counts(&self, reset: CountReset) -> Result<u64> {
        self.inner.reset_counts(reset).await
    }

    async fn trim_tallies(&self, before: Timestamp) -> Result<u64> {
        self.inner.trim_tallies(before).await
    }
}
