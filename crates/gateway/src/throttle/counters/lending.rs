//! Counts as others use them: nodes that share them, administration, and the end of the process.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use latchkey_catalog::count::{CountKey, Grant, HandBack, Tally};
use latchkey_catalog::tier::Limit;
use latchkey_oauth::clock::{Clock, Timestamp};

use super::shard::Terms;
use super::{Counters, Denied, SHARDS, Wanting};
use crate::throttle::Plan;

/// How counters are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CountersUse {
    /// Counts kept.
    pub keys: usize,
    /// Questions for permits since the start.
    pub leases: u64,
    /// Those that nobody answered.
    pub failures: u64,
}

/// What came of setting counts back.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WasReset {
    /// How many counts had admitted a call in a window that is on.
    pub counts: u64,
    /// Permits that were held of others' counts, to be given back.
    pub unused: Vec<(CountKey, HandBack)>,
}

impl Counters {
    /// Gives up to `count` permits of a limit to a node, out of the same count that this process's own calls
    /// are counted in. It may wait for permits as a call does.
    pub async fn lend(
        self: &Arc<Self>,
        key: CountKey,
        (limit, count): (Limit, u64),
        clock: &dyn Clock,
    ) -> Result<Grant, Denied> {
        self.when_allotted(|| self.lend_now(key, (limit, count), clock.now())).await
    }

    fn lend_now(
        self: &Arc<Self>,
        key: CountKey,
        (limit, count): (Limit, u64),
        now: Timestamp,
    ) -> Result<Grant, Denied> {
        let (shard, terms) = (self.shard_of(&key), self.terms(now));
        let plan = Plan { limit, nodes: terms.nodes };
        let mut part = self.lock(shard);
        if !self.is_supplied(limit.window) {
            return part.lend_here(&key, (plan, count), terms);
        }
        if let Some(grant) = part.lend_elsewhere(&key, (plan, count), terms)? {
            return Ok(grant);
        }
        let (number, waiting) = (self.number(), self.waiting_at(shard));
        let terms = Terms { waiting, ..terms };
        if let Some(ask) = part.want(&key, plan, (terms, number)) {
            self.ask(key, number, ask);
        }
        Err(Denied::Wanting(Wanting(shard)))
    }

    /// Takes permits back that a node did not use.
    pub fn take_back(&self, backs: &[(CountKey, HandBack)]) {
        for (key, back) in backs {
            self.lock(self.shard_of(key)).take_back(key, *back);
        }
    }

    /// Notes how many share the limits that are [`super::Supplied::All`]: more nodes take smaller leases.
    pub fn set_nodes(&self, nodes: u16) {
        self.nodes.store(nodes.max(1), Ordering::Relaxed);
    }

    /// The permits that no call asked for in the last second, to be given back.
    pub fn idle(&self, now: Timestamp) -> Vec<(CountKey, HandBack)> {
        let mut backs = Vec::new();
        for shard in 0..SHARDS {
            let mut part = self.lock(shard);
            backs.extend(part.leases().filter_map(|(key, lease)| Some((*key, lease.idle(now)?))));
        }
        backs
    }

    /// All permits of windows that are on, to be given back; when the process ends.
    pub fn hand_back(&self, now: Timestamp) -> Vec<(CountKey, HandBack)> {
        let mut backs = Vec::new();
        for shard in 0..SHARDS {
            let mut part = self.lock(shard);
            let on = part.leases().filter(|(_, lease)| lease.tally().is_some_and(|tally| tally.ends > now));
            backs.extend(on.filter_map(|(key, lease)| Some((*key, lease.hand_back()?))));
        }
        backs
    }

    /// Sets the counts of `keys` back: the next call is the first of its window. A count that is kept
    /// elsewhere must be set back there before.
    pub fn reset(&self, keys: impl Fn(&CountKey) -> bool, now: Timestamp) -> WasReset {
        let mut was = WasReset::default();
        for shard in 0..SHARDS {
            let mut part = self.lock(shard);
            for (tally, back) in part.reset(&keys) {
                was.counts += u64::from(tally.used > 0 && tally.ends > now);
                was.unused.extend(back);
            }
            drop(part);
            self.parts[shard].delivered.notify_waiters();
        }
        was
    }

    /// What was given out in windows that are on, at most `limit`.
    pub fn tallies(
        &self,
        keys: impl Fn(&CountKey) -> bool,
        (limit, now): (usize, Timestamp),
    ) -> Vec<(CountKey, Tally)> {
        let mut found = Vec::new();
        for shard in 0..SHARDS {
            let part = self.lock(shard);
            let asked_for = part.tallies(now).filter(|(key, _)| keys(key));
            found.extend(asked_for.take(limit - found.len()).map(|(key, tally)| (*key, tally)));
        }
        found
    }

    /// How many counts are kept.
    pub fn len(&self) -> usize {
        (0..SHARDS).map(|shard| self.lock(shard).len()).sum()
    }

    /// Whether nothing is counted.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How they are used.
    pub fn in_use(&self) -> CountersUse {
        CountersUse {
            keys: self.len(),
            leases: self.leases.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
        }
    }
}
