//! Asking for permits, and waiting for them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use latchkey_catalog::count::HandBack;
use latchkey_oauth::clock::Clock;
use tokio::time::{Instant, timeout, timeout_at};

use super::{Counters, Denied, Wanting};
use crate::throttle::{Applicable, Ask, CountKey, RateLimit, Unallotted};

/// How long a call waits for permits, all in all.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long an answer may take. Permits that come later are lost to their window.
const ANSWER: Duration = Duration::from_secs(5);

/// A call that waits, as long as it does.
struct Waiting<'a>(&'a AtomicU64);

impl<'a> Waiting<'a> {
    fn at(calls: &'a AtomicU64) -> Self {
        calls.fetch_add(1, Ordering::Relaxed);
        Self(calls)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Counters {
    /// Counts a call as [`Counters::count`] does, and waits for permits where some are under way, two
    /// seconds at most. No call is counted while it waits.
    pub async fn count_when_allotted<'a, I: Iterator<Item = Applicable<'a>>>(
        self: &Arc<Self>,
        limits: impl Fn() -> I,
        clock: &dyn Clock,
    ) -> Result<Option<RateLimit>, Denied> {
        self.when_allotted(|| self.count(limits(), clock.now())).await
    }

    /// Tries until no permits are under way.
    pub(super) async fn when_allotted<T>(
        &self,
        mut attempt: impl FnMut() -> Result<T, Denied>,
    ) -> Result<T, Denied> {
        let end = Instant::now() + PATIENCE;
        let mut part = match attempt() {
            Err(Denied::Wanting(Wanting(part))) => part,
            settled => return settled,
        };
        loop {
            let mut delivered = std::pin::pin!(self.parts[part].delivered.notified());
            // From here on no delivery is missed; one before shows in the attempt.
            delivered.as_mut().enable();
            match attempt() {
                Err(Denied::Wanting(Wanting(next))) if next != part => part = next,
                Err(Denied::Wanting(_)) => {
                    let _waiting = Waiting::at(&self.parts[part].waiting);
                    timeout_at(end, delivered).await.map_err(|_| Denied::Unallotted)?;
                }
                settled => return settled,
            }
        }
    }

    /// Asks in a task of its own: who waits for the answer may go away, and the permits must not.
    pub(super) fn ask(self: &Arc<Self>, key: CountKey, number: u64, ask: Ask) {
        let Some((supply, _)) = &self.supply else { return };
        let (counters, supply) = (Arc::clone(self), Arc::clone(supply));
        self.leases.fetch_add(1, Ordering::Relaxed);
        tokio::spawn(async move {
            let answer = timeout(ANSWER, supply.lease(key, ask)).await.unwrap_or(Err(Unallotted));
            if answer.is_err() {
                counters.failures.fetch_add(1, Ordering::Relaxed);
            }
            let shard = counters.shard_of(&key);
            let answer = answer.ok().map(|grant| (ask, grant));
            let unwanted = counters.lock(shard).deliver(&key, number, answer);
            counters.parts[shard].delivered.notify_waiters();
            if let Some(grant) = unwanted.filter(|grant| grant.permits > 0) {
                let back = HandBack { window: grant.window, permits: grant.permits };
                // It is tried once; what does not arrive is lost to its window.
                let _ = supply.give_back(vec![(key, back)]).await;
            }
        });
    }
}
