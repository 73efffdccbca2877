//! What a gateway counts, and what it holds of counts that are kept elsewhere.

mod asking;
mod lending;
mod shard;

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use latchkey_catalog::tier::Window;
use latchkey_oauth::clock::Timestamp;
use tokio::sync::Notify;

use super::applicable::Applicable;
use super::{Allotments, CountKey, Plan, RateLimit};
use crate::answer::ThrottledBy;
use shard::{Looked, Shard, Terms};

pub use lending::{CountersUse, WasReset};

/// Parts that are locked apart.
const SHARDS: usize = 64;

/// The most counts kept at once, in all parts together: about 100 MB, and twice that where all of them are
/// leases.
const MOST_KEYS: usize = 1 << 20;

/// The most limits that hold for one call: API or resource, subscription, application, two bursts.
const MOST_LIMITS: usize = 5;

/// One count for every key that calls were counted for in a window that is still on.
///
/// A call locks the parts of its own keys, in one order, looks at all of its limits and only then counts.
/// So of any number of parallel calls exactly as many pass as the limits say, and a call that is refused
/// counts nowhere. What is counted here ends with the process; what is [`Supplied`] does not.
#[derive(Debug)]
pub struct Counters {
    parts: Box<[Part]>,
    hasher: RandomState,
    most_keys_of_a_shard: usize,
    resets: u64,
    supply: Option<(Arc<dyn Allotments>, Supplied)>,
    nodes: AtomicU16,
    next: AtomicU64,
    leases: AtomicU64,
    failures: AtomicU64,
}

#[derive(Debug)]
struct Part {
    shard: Mutex<Shard>,
    /// Told whenever permits came, or did not.
    delivered: Notify,
    /// Calls that wait for it.
    waiting: AtomicU64,
}

/// What is counted elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Supplied {
    /// Windows of an hour and longer: this process may end before they do.
    Long,
    /// All: this is a node that shares its limits with others.
    All,
}

/// Why a call is not admitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denied {
    /// A limit is reached; the first one in WSO2's order.
    Reached(ThrottledBy, RateLimit),
    /// There are too many counts already, and this call needs one more. Letting it pass uncounted, or
    /// forgetting another's count, would admit more than a limit says.
    Full,
    /// Permits are under way; [`Counters::count_when_allotted`] waits for them.
    Wanting(Wanting),
    /// Permits cannot be had now.
    Unallotted,
}

/// Where permits are under way to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanting(usize);

impl Default for Counters {
    fn default() -> Self {
        Self::with_most_keys(MOST_KEYS)
    }
}

impl Counters {
    /// Keeps about so many counts at most; at least one for each part.
    pub fn with_most_keys(most: usize) -> Self {
        let part =
            || Part { shard: Mutex::new(Shard::new()), delivered: Notify::new(), waiting: AtomicU64::new(0) };
        Self {
            parts: (0..SHARDS).map(|_| part()).collect(),
            hasher: RandomState::new(),
            most_keys_of_a_shard: most.div_ceil(SHARDS).max(1),
            resets: 0,
            supply: None,
            nodes: AtomicU16::new(1),
            next: AtomicU64::new(0),
            leases: AtomicU64::new(0),
            failures: AtomicU64::new(0),
        }
    }

    /// Has `what` counted elsewhere.
    #[must_use]
    pub fn supplied(self, by: Arc<dyn Allotments>, what: Supplied) -> Self {
        Self { supply: Some((by, what)), ..self }
    }

    /// Numbers its own counts so that those of a process that began at `now` are greater than those of one
    /// before it: permits that nodes hold from before are not taken for this one's.
    #[must_use]
    pub fn begun_at(self, now: Timestamp) -> Self {
        Self { resets: u64::try_from(now.as_millis()).unwrap_or_default(), ..self }
    }

    /// Counts a call at all `limits`, or at none. Answers the limit that is closest to its end; none where
    /// no limit holds.
    pub fn count<'a>(
        self: &Arc<Self>,
        limits: impl Iterator<Item = Applicable<'a>>,
        now: Timestamp,
    ) -> Result<Option<RateLimit>, Denied> {
        let mut held: [Option<(Applicable<'a>, usize)>; MOST_LIMITS] = [const { None }; MOST_LIMITS];
        for (place, limit) in held.iter_mut().zip(limits) {
            *place = Some((limit, self.shard_of(&limit.key)));
        }
        if held[0].is_none() {
            return Ok(None);
        }
        let terms = self.terms(now);
        let mut locked = Locked::of(self, held.iter().flatten().map(|(_, shard)| *shard));
        let mut became = [None; MOST_LIMITS];
        let (mut wanting, mut tightest) = (None, Tightest(None));
        for ((limit, shard), place) in held.iter().flatten().zip(&mut became) {
            let part = locked.shard(*shard);
            let is_elsewhere = self.is_supplied(limit.limit.window);
            let standing =
                if is_elsewhere { part.look_elsewhere(limit, terms)? } else { part.look_here(limit, terms)? };
            let (remaining, ends) = match standing {
                Looked::Counted(ledger, grant) => {
                    *place = Some(ledger);
                    (limit.limit.calls.saturating_sub(grant.used), ledger.tally().ends)
                }
                Looked::Ready { remaining, ends } => (remaining.saturating_sub(1), ends),
                Looked::Wanting => {
                    wanting = wanting.or(Some(Wanting(*shard)));
                    continue;
                }
            };
            tightest.take(limit, remaining, ends);
        }
        if let Some(wanting) = wanting {
            self.want(&mut locked, held.iter().flatten(), terms);
            return Err(Denied::Wanting(wanting));
        }
        for ((limit, shard), became) in held.iter().flatten().zip(became) {
            match became {
                Some(ledger) => locked.shard(*shard).put(limit.key, ledger),
                None => self.take(locked.shard(*shard), limit, terms),
            }
        }
        drop(locked);
        Ok(tightest.told())
    }

    /// Takes a permit, and asks for more before the last one is gone.
    fn take(self: &Arc<Self>, part: &mut Shard, limit: &Applicable<'_>, terms: Terms) {
        let number = self.number();
        if let Some(ask) = part.take(limit, (terms, number)) {
            self.ask(limit.key, number, ask);
        }
    }

    /// Asks for what is missing, where that is not under way.
    fn want<'a>(
        self: &Arc<Self>,
        locked: &mut Locked<'_>,
        limits: impl Iterator<Item = &'a (Applicable<'a>, usize)>,
        terms: Terms,
    ) {
        for (limit, shard) in limits.filter(|(limit, _)| self.is_supplied(limit.limit.window)) {
            let (plan, number) = (Plan { limit: limit.limit, nodes: terms.nodes }, self.number());
            let terms = Terms { waiting: self.waiting_at(*shard), ..terms };
            if let Some(ask) = locked.shard(*shard).want(&limit.key, plan, (terms, number)) {
                self.ask(limit.key, number, ask);
            }
        }
    }

    fn is_supplied(&self, window: Window) -> bool {
        match self.supply {
            None => false,
            Some((_, Supplied::All)) => true,
            Some((_, Supplied::Long)) => window.is_long(),
        }
    }

    fn terms(&self, now: Timestamp) -> Terms {
        let nodes = match self.supply {
            // A store lends to this process alone.
            None | Some((_, Supplied::Long)) => 1,
            Some((_, Supplied::All)) => self.nodes.load(Ordering::Relaxed),
        };
        Terms { now, most: self.most_keys_of_a_shard, resets: self.resets, nodes, waiting: 0 }
    }

    fn waiting_at(&self, shard: usize) -> u64 {
        self.parts[shard].waiting.load(Ordering::Relaxed)
    }

    fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    fn shard_of(&self, key: &CountKey) -> usize {
        // The remainder is smaller than the number of shards.
        usize::try_from(self.hasher.hash_one(key) % SHARDS as u64).unwrap_or_default()
    }

    fn lock(&self, shard: usize) -> MutexGuard<'_, Shard> {
        self.parts[shard].shard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The limit that is closest to its end.
struct Tightest<'a>(Option<(Applicable<'a>, u64, Timestamp)>);

impl<'a> Tightest<'a> {
    fn take(&mut self, limit: &Applicable<'a>, remaining: u64, ends: Timestamp) {
        if self.0.is_none_or(|(_, least, first)| (remaining, ends) < (least, first)) {
            self.0 = Some((*limit, remaining, ends));
        }
    }

    fn told(self) -> Option<RateLimit> {
        self.0.map(|(limit, remaining, ends)| limit.told(remaining, ends))
    }
}

/// The locks that a call holds, taken in the order of the shards, so that no two calls wait for each other.
struct Locked<'a> {
    guards: [Option<(usize, MutexGuard<'a, Shard>)>; MOST_LIMITS],
}

impl<'a> Locked<'a> {
    fn of(counters: &'a Counters, shards: impl Iterator<Item = usize>) -> Self {
        let mut order = [usize::MAX; MOST_LIMITS];
        for (place, shard) in order.iter_mut().zip(shards) {
            *place = shard;
        }
        order.sort_unstable();
        let mut guards = [const { None }; MOST_LIMITS];
        for place in 0..MOST_LIMITS {
            let shard = order[place];
            let is_held = place > 0 && order[place - 1] == shard;
            if shard != usize::MAX && !is_held {
                guards[place] = Some((shard, counters.lock(shard)));
            }
        }
        Self { guards }
    }

    fn shard(&mut self, shard: usize) -> &mut Shard {
        let found = self.guards.iter_mut().flatten().find(|(held, _)| *held == shard);
        found.map(|(_, guard)| &mut **guard).expect("every shard of the call was locked")
    }
}

#[cfg(test)]
mod tests;
